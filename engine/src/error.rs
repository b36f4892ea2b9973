//! Why a study was not analysed.

use dicom_io::Uid;

/// One variant per party that has to act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sender's data: nothing in the study can be analysed by the wanted models.
    #[error("study {study_uid}: no series can be analysed: {reasons}")]
    NoSeries {
        /// Which study.
        study_uid: Uid,
        /// Each series and why not.
        reasons: String,
    },

    /// Whoever wrote the card: it asks for something that the engine cannot do.
    #[error("model {model}: {problem}")]
    Card {
        /// The model's name.
        model: String,
        /// What it asks for.
        problem: &'static str,
    },

    /// The operator: the runtime, the weights or the disk.
    #[error(transparent)]
    Models(#[from] models::Error),

    /// The machine: too little memory, mostly.
    #[error(transparent)]
    Kernels(#[from] kernels::Error),
}
