//! Medicine: from a volume to findings to a report.
//!
//! Pure: no files, network, clock or task. What is read and written is the server's business.

mod analyze;
pub mod check;
pub mod choose;
pub mod density;
mod error;
pub mod evidence;
pub mod finding;
mod grid;
pub mod guideline;
pub mod key_image;
mod liver;
mod lung;
pub mod measure;
pub mod narrative;
mod outline;
mod part;
mod prepare;
pub mod print;
pub mod qc;
pub mod report;
pub mod response;
pub mod structured;
pub mod track;
pub mod write;

pub use analyze::{INTENDED_USE, Step, Task, Tools, analyze};
pub use error::Error;
pub use evidence::Evidence;
pub use finding::{Density, Finding, Kind, Mask, Measurements, Organ, Side, Site, SolidPart};
pub use narrative::{Language, Narrative};
pub use report::Report;
