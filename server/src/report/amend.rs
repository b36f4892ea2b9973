//! `foci report amend`.

use std::path::PathBuf;

use anyhow::Result;

/// Change sentences of a report, on record
#[derive(Debug, clap::Args)]
pub(crate) struct Amend {
    /// The folder of results that `foci analyze` wrote
    #[arg(value_name = "RESULTS")]
    results: PathBuf,
}

impl Amend {
    pub(crate) fn run(self) -> Result<()> {
        anyhow::bail!("{} is not written yet", self.results.display())
    }
}
