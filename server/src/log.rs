//! The log: JSON lines on stderr, UIDs and numbers only.
//!
//! Only events of Foci itself are written: what a library prints may hold anything that a sender wrote. For
//! the same reason a panic is logged by its place, not by its words.

use std::any::Any;
use std::panic::PanicHookInfo;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Log {
    /// How much to log: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: Level,
}

impl Log {
    /// From now on events are written.
    pub(crate) fn start(&self) {
        let ours = Targets::new().with_target(env!("CARGO_BIN_NAME"), self.log_level);
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
        tracing_subscriber::registry().with(lines).with(ours).init();
        std::panic::set_hook(Box::new(panicked));
    }
}

/// Logs a panic.
fn panicked(info: &PanicHookInfo<'_>) {
    let at = info.location().map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
    tracing::error!(at, "panic: {}", words(info.payload()));
}

/// The words of a panic if they stand in the source. Others are put together at run time from who knows what.
fn words(payload: &dyn Any) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("(its words are not logged)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_says_what_stands_in_the_source_and_nothing_else() {
        let payload = std::panic::catch_unwind(|| panic!("as written")).unwrap_err();
        assert_eq!(words(&*payload), "as written");
        let name = String::from("QUOKKA");
        let payload = std::panic::catch_unwind(|| panic!("{name} is odd")).unwrap_err();
        assert_eq!(words(&*payload), "(its words are not logged)");
    }
}
