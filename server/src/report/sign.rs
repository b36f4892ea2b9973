//! `foci report sign`.

use std::path::PathBuf;

use anyhow::Result;

/// Sign a report as its verifying observer
#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    /// The folder of results that `foci analyze` wrote
    #[arg(value_name = "RESULTS")]
    results: PathBuf,
}

impl Sign {
    pub(crate) fn run(self) -> Result<()> {
        anyhow::bail!("{} is not written yet", self.results.display())
    }
}
