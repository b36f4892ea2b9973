//! DICOMweb (PS3.18): our results for others to read, images in, and other servers to pull from.

pub(crate) mod client;
pub(crate) mod server;
