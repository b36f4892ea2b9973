//! `foci report`.

use std::path::PathBuf;

use anyhow::Result;

/// Write the words of an analysed study anew
#[derive(Debug, clap::Args)]
pub(crate) struct Write {
    /// The folder of results that `foci analyze` wrote
    #[arg(value_name = "RESULTS")]
    results: PathBuf,
}

impl Write {
    pub(crate) fn run(self) -> Result<()> {
        anyhow::bail!("{} is not written yet", self.results.display())
    }
}
