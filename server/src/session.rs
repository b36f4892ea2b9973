//! The inference library and the networks, found or fetched, and how long each stage took.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::Result;
use models::{Cache, Card, Network, Places, Runtime, Weights};

use crate::progress::Bar;

/// What is needed to run networks.
pub(crate) struct Session {
    runtime: Runtime,
    cache: Cache,
    threads: usize,
}

impl Session {
    /// Finds ONNX Runtime, or fetches it once.
    pub(crate) fn start(threads: Option<usize>, bar: &Bar) -> Result<Self> {
        let places = Places::from_environment();
        let show = |progress: models::Progress<'_>| bar.show(progress.what, progress.done, progress.total);
        let runtime = Runtime::find(&places, &show)?;
        let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        Ok(Self { runtime, cache: places.cache, threads })
    }

    /// The network of `card`; its weights are found, or fetched once.
    pub(crate) fn load(&self, card: &Card, bar: &Bar) -> Result<Network, models::Error> {
        let weights = Weights::ensure(card, &self.cache, &|progress| {
            bar.show(progress.what, progress.done, progress.total);
        })?;
        Network::load(&self.runtime, card, weights, self.threads)
    }

    /// The library, its version and where it computes: for the report.
    pub(crate) fn describe(&self) -> String {
        format!("ONNX Runtime {} ({})", self.runtime.version(), self.runtime.provider().as_str())
    }
}

/// How long each stage took, in the order in which they ended.
pub(crate) struct Stopwatch {
    state: RefCell<Stages>,
}

struct Stages {
    current: String,
    since: Instant,
    ended: Vec<(String, Duration)>,
}

impl Stopwatch {
    /// Starts with the stage `first`.
    pub(crate) fn start(first: &str) -> Self {
        let stages = Stages { current: first.to_owned(), since: Instant::now(), ended: Vec::new() };
        Self { state: RefCell::new(stages) }
    }

    /// The stage `what` is under way: if it is a new one, the one before has ended.
    pub(crate) fn stage(&self, what: &str) {
        let mut state = self.state.borrow_mut();
        if state.current != what {
            let now = Instant::now();
            let ended = (std::mem::replace(&mut state.current, what.to_owned()), now - state.since);
            state.since = now;
            state.ended.push(ended);
        }
    }

    /// The stages, in the order in which they first ended, and their seconds as one line of JSON. A stage
    /// that came more than once has the sum.
    pub(crate) fn report(&self) -> String {
        self.stage("");
        let mut sums: Vec<(&str, Duration)> = Vec::new();
        let state = self.state.borrow();
        for (what, time) in &state.ended {
            match sums.iter_mut().find(|(known, _)| known == what) {
                Some((_, sum)) => *sum += *time,
                None => sums.push((what, *time)),
            }
        }
        let seconds = |time: Duration| (time.as_secs_f64() * 1000.0).round() / 1000.0;
        let stages: Vec<String> = sums
            .iter()
            .map(|(what, time)| format!("{}:{}", serde_json::json!(what), seconds(*time)))
            .collect();
        format!("{{{}}}", stages.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_comes_twice_is_summed_and_keeps_its_place() {
        let watch = Stopwatch::start("read");
        for stage in ["network", "outline", "network", "network"] {
            watch.stage(stage);
        }
        let report = watch.report();
        let stages: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(stages.as_object().unwrap().len(), 3, "{report}");
        let at = |name: &str| report.find(name).unwrap();
        assert!(at("read") < at("network") && at("network") < at("outline"), "{report}");
    }
}
