//! DICOM over the network without the network: bytes in, meaning out, and back.
//!
//! Nothing here reads a socket, waits, or knows a clock; `server/src/dimse` does. Nothing here believes a
//! length either: a PDU is framed only after its length was compared with a limit, and every value is a
//! slice of bytes that are there.
//!
//! - [`pdu`]: the units on the wire (PS3.8 9.3).
//! - [`negotiation`]: what two nodes agree to speak (PS3.8 7.1, PS3.7 D.3).
//! - [`command`]: what one asks and the other answers (PS3.7 9.3, 10.3).
//! - [`message`]: commands and data sets in fragments (PS3.8 E.2).
//! - [`query`]: the keys of C-FIND, C-MOVE and C-GET, and their answers (PS3.4 C).
//! - [`commitment`]: the data sets of storage commitment (PS3.4 J).
//! - [`file`]: what of a DICOM file goes over the network.
//! - [`classes`]: which objects and transfer syntaxes there are.

pub mod classes;
pub mod command;
pub mod commitment;
mod data_set;
pub mod file;
pub mod message;
pub mod negotiation;
pub mod pdu;
pub mod query;

/// Implementation Version Name, which goes with the Implementation Class UID of our files.
pub(crate) const IMPLEMENTATION_VERSION: &str = concat!("FOCI_", env!("CARGO_PKG_VERSION"));

/// Why what a peer sent could not be understood. The association is to be aborted: what follows has no
/// known meaning either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Raise the limit, or make the peer keep to it.
    #[error("a PDU of {declared} bytes where {limit} are allowed")]
    TooLong {
        /// What its header says.
        declared: u32,
        /// What it may say.
        limit: u32,
    },
    /// The peer's mistake, or not DICOM at all.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The peer's mistake: well-formed, at the wrong time.
    #[error("out of order: {0}")]
    OutOfOrder(&'static str),
}
