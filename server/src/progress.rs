//! A progress bar on a terminal, and nothing in a pipe.

use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};

/// Told what is going on, how many steps of it are done, and how many there are.
pub(crate) type Show<'a> = dyn Fn(&str, u64, u64) + 'a;

/// Shows how far the work is. One bar, which changes its name as the work goes on.
pub(crate) struct Bar {
    bar: ProgressBar,
    what: Mutex<String>,
}

impl Bar {
    /// A bar on stderr; hidden unless stderr is a terminal.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{msg:32} [{bar:30}] {percent:>3} % {elapsed:>5}")
            .expect("the template is valid")
            .progress_chars("=> ");
        bar.set_style(style);
        Self { bar, what: Mutex::new(String::new()) }
    }

    /// Says that `done` of `total` steps of `what` are done.
    pub(crate) fn show(&self, what: &str, done: u64, total: u64) {
        let mut shown = self.what.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *shown != what {
            what.clone_into(&mut shown);
            self.bar.set_message(what.to_owned());
        }
        self.bar.set_length(total.max(1));
        self.bar.set_position(done.min(total.max(1)));
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
