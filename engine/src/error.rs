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

    /// Whoever prints: give a font that has this character, or print in English.
    #[error("a font is needed to print {0:?}")]
    NeedsFont(char),

    /// Whoever chose the font: it cannot be embedded.
    #[error("the font cannot be used: {0}")]
    Font(String),

    /// The machine: too little memory, mostly.
    #[error(transparent)]
    Kernels(#[from] kernels::Error),
}
