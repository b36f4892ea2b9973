//! What can go wrong, one variant for each thing a caller can do about it.

/// One variant per thing the caller can do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Refuse the image: a header without this attribute belongs to no study.
    #[error("the image has no valid {0}")]
    Header(&'static str),

    /// Make room or choose another folder, then write again: nothing was left behind.
    #[error("the object could not be written: {0}")]
    Write(#[source] std::io::Error),

    /// Read something else: this object holds no structured report.
    #[error("no structured report: {0}")]
    NotAReport(&'static str),
}
