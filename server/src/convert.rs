//! `foci convert`: a series as NIfTI.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::inspect::one_series;
use crate::{nifti_file, output};

/// Convert one series to NIfTI with the right affine
///
/// Hounsfield units as 16-bit integers; the affine stands in sform and qform. Slices are sorted by
/// position and their spacing is measured from it. A series that makes no regular volume (missing slices,
/// tilted gantry, several volumes in one) is refused with the reason, never written wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Convert {
    /// Folder or files of one series
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The file to write: .nii or .nii.gz
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Convert this series, where there are several
    #[arg(long, value_name = "UID")]
    series: Option<String>,
}

impl Convert {
    pub(crate) fn run(self) -> Result<()> {
        let name = self.output.to_string_lossy();
        if !name.ends_with(".nii") && !name.ends_with(".nii.gz") {
            bail!("the output must end in .nii or .nii.gz");
        }
        let reading = one_series(&self.paths, self.series.as_deref())?.read()?;
        for warning in &reading.warnings {
            eprintln!("warning: {warning}");
        }
        output::write_file(&self.output, |partial| nifti_file::write(&reading.volume, partial))
    }
}
