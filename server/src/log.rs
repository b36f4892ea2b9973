//! The log: JSON lines on stderr, UIDs and numbers only.
//!
//! Only events of Foci itself are written: what a library prints may hold anything that a sender wrote. For
//! the same reason a panic is logged by its place, not by its words.

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

/// Logs a panic. Its words are left out unless they stand in the source: others are put together at run time
/// from who knows what.
fn panicked(info: &PanicHookInfo<'_>) {
    let words = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("(not logged)");
    let at = info.location().map(|place| format!("{}:{}", place.file(), place.line())).unwrap_or_default();
    tracing::error!(at, "panic: {words}");
}
