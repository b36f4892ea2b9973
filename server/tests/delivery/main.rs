//! Results on their way to real PACS: dcmtk, Orthanc and pynetdicom.
//!
//! The node is the program as it runs; what it has to deliver is put into its database and data folder
//! before it starts, as a finished job would have left it.

#[path = "../common/mod.rs"]
mod common;
mod objects;
mod outbox;
mod pacs;
mod pull;
mod send;
