//! DICOMweb (PS3.18): our results for others to read, images in, and other servers to pull from.

pub(crate) mod client;
mod json;
mod media;
mod multipart;
pub(crate) mod server;
