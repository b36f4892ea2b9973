//! The inference library and the networks, found or fetched, and how long each stage took.

use std::cell::{OnceCell, RefCell};
use std::time::{Duration, Instant};

use anyhow::Result;
use kernels::Device;
use models::{Cache, Card, Network, Places, Weights};

use crate::device::{Ready, Wanted};
use crate::progress::Show;

/// What is needed to run networks; found when it is first needed.
pub(crate) struct Session {
    threads: usize,
    wanted: Wanted,
    found: OnceCell<Found>,
    /// Networks for the next study; `None`: each is dropped when it has run, so that one is in memory at a time.
    kept: Option<RefCell<Vec<Network>>>,
}

struct Found {
    ready: Ready,
    cache: Cache,
}

impl Session {
    /// For one study.
    pub(crate) fn new(threads: Option<usize>, wanted: Wanted) -> Self {
        let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
        Self { threads, wanted, found: OnceCell::new(), kept: None }
    }

    /// For one study after another: networks stay ready to run.
    pub(crate) fn for_many(threads: Option<usize>, wanted: Wanted) -> Self {
        Self { kept: Some(RefCell::default()), ..Self::new(threads, wanted) }
    }

    /// Opens the device, and finds ONNX Runtime or fetches it once.
    pub(crate) fn start(&self, show: &Show<'_>) -> Result<()> {
        if self.found.get().is_none() {
            let mut places = Places::from_environment();
            let ready = self.wanted.open(&mut places, &|progress| {
                show(progress.what, progress.done, progress.total);
            })?;
            self.found.get_or_init(|| Found { ready, cache: places.cache });
        }
        Ok(())
    }

    /// The network of `card`: kept, found or fetched once.
    pub(crate) fn network(&self, card: &Card, show: &Show<'_>) -> Result<Network, models::Error> {
        if let Some(kept) = &self.kept {
            let mut kept = kept.borrow_mut();
            if let Some(at) = kept.iter().position(|network| network.card().name == card.name) {
                return Ok(kept.swap_remove(at));
            }
        }
        let Found { ready, cache } = self.found();
        let weights = Weights::ensure(card, cache, &|progress| {
            show(progress.what, progress.done, progress.total);
        })?;
        Network::load(&ready.runtime, &ready.device, card, weights, self.threads)
    }

    /// Takes back a network that has run.
    pub(crate) fn done(&self, network: Network) {
        if let Some(kept) = &self.kept {
            kept.borrow_mut().push(network);
        }
    }

    /// Where kernels run.
    pub(crate) fn device(&self) -> Device {
        self.found().ready.device.clone()
    }

    /// The library, its version and where it computes: for the report.
    pub(crate) fn describe(&self) -> String {
        self.found().ready.describe()
    }

    fn found(&self) -> &Found {
        self.found.get().expect("a session is started before it is used")
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
