//! `foci qc`: quality control of finished reports, whoever wrote them.

use std::path::PathBuf;

use anyhow::Result;

/// Hold a report against its measurements
#[derive(Debug, clap::Args)]
pub(crate) struct Qc {
    /// Reports: text files, DICOM SRs, or folders of them
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,
}

impl Qc {
    pub(crate) fn run(self) -> Result<()> {
        anyhow::bail!("{} reports: not written yet", self.reports.len())
    }
}
