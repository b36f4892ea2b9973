//! `foci pull`: a study fetched from a peer.

use anyhow::Result;

/// Fetch a study from a PACS
#[derive(Debug, clap::Args)]
pub(crate) struct Pull {}

impl Pull {
    pub(crate) fn run(self) -> Result<()> {
        todo!()
    }
}
