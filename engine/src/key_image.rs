//! Key images.
