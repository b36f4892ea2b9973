//! DICOM over TLS: certificates loaded, both sides known to each other.
