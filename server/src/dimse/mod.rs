//! DICOM over the network: associations on tokio sockets. What the bytes mean is in `dicom_io::net`.

pub(crate) mod association;
pub(crate) mod commitment;
pub(crate) mod limits;
pub(crate) mod scp;
pub(crate) mod scu;
pub(crate) mod service;
pub(crate) mod tls;
