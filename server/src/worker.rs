//! `foci worker`: the child process that analyses, one study after another.

use anyhow::Result;

/// Analyze studies for `foci serve`, which starts this
#[derive(Debug, clap::Args)]
pub(crate) struct Worker {}

impl Worker {
    pub(crate) fn run(self) -> Result<()> {
        todo!()
    }
}
