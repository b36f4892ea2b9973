//! What can go wrong, by who must act.

/// One variant per thing the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Fix the card: a mistake of whoever wrote it.
    #[error("card {name}: {problem}")]
    Card {
        /// The model's name, or where the card comes from when it has none.
        name: String,
        /// What is wrong with it.
        problem: String,
    },

    /// Name a model that there is.
    #[error("there is no model {wanted:?}; there are {known}")]
    UnknownModel {
        /// What was asked for.
        wanted: String,
        /// The names of the catalogue.
        known: String,
    },

    /// Put ONNX Runtime where it is looked for, or let it be fetched.
    #[error("ONNX Runtime is not usable: {0}")]
    Runtime(String),

    /// Put the weights where they are looked for, or let them be fetched.
    #[error("weights are not usable: {0}")]
    Weights(String),

    /// Put the font where it is looked for, or let it be fetched.
    #[error("the font is not usable: {0}")]
    Font(String),

    /// Free disk space, or give rights to the cache.
    #[error("the cache cannot be written: {0}")]
    Cache(std::io::Error),

    /// Try a smaller tile or another device: the network could not be run.
    #[error("network {name} failed: {problem}")]
    Inference {
        /// The model's name.
        name: String,
        /// What ONNX Runtime said.
        problem: String,
    },
}
