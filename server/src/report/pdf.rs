//! `foci report pdf`.

use std::path::PathBuf;

use anyhow::Result;

/// Print a report as PDF, encapsulated for the PACS
#[derive(Debug, clap::Args)]
pub(crate) struct Pdf {
    /// The folder of results that `foci analyze` wrote
    #[arg(value_name = "RESULTS")]
    results: PathBuf,
}

impl Pdf {
    pub(crate) fn run(self) -> Result<()> {
        anyhow::bail!("{} is not written yet", self.results.display())
    }
}
