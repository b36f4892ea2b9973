//! Medicine: from a volume to findings to a report.
//!
//! Pure: no files, network, clock or task. What is read and written is the server's business.

pub mod finding;
pub mod key_image;
pub mod narrative;
pub mod report;

pub use finding::{Finding, Kind, Mask, Measurements, Organ, Side, Site};
pub use narrative::{Language, Narrative};
pub use report::Report;
