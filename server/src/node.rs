//! What the parts of a running node share.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::archive::Archive;
use crate::config::Config;
use crate::jobs::Progress;
use crate::store::Store;

/// A running node: its configuration, its memory, and who is to be woken when something happened.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) archive: Archive,
    pub(crate) wake: Wake,
    /// How far the jobs at work are.
    pub(crate) progress: Progress,
}

/// Parts that look every few seconds look at once when they are woken.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    /// An image came, or a study was said to be complete.
    pub(crate) studies: Notify,
    /// A study is complete.
    pub(crate) plans: Notify,
    /// A job was queued.
    pub(crate) jobs: Notify,
    /// Results or alerts are to be delivered: several wait, so `notify_waiters`.
    pub(crate) delivery: Notify,
}

/// Ends every part of a node in good order.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// A stop, and what asks for it.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (ask, asked) = watch::channel(false);
        (ask, Self(asked))
    }

    /// Returns when the node is to stop; at once if it was asked for already.
    pub(crate) async fn requested(&self) {
        // An error means that nobody is left to ask: the program is ending.
        let _ = self.0.clone().wait_for(|asked| *asked).await;
    }

    /// Whether the node is to stop.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }
}

impl Node {
    /// A node with this configuration and memory.
    pub(crate) fn new(config: Config, store: Store) -> Arc<Self> {
        let archive = Archive::new(&config.data, config.studies.minimum_free_mb);
        Arc::new(Self { config, store, archive, wake: Wake::default(), progress: Progress::default() })
    }
}
