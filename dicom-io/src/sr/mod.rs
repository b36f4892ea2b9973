//! Structured reports.
//!
//! [`MeasurementReport`] writes findings and their numbers so that machines can use them; [`read`] reads
//! such reports back. Codes are in [`codes`], the content tree in [`Item`].

pub mod codes;
pub(crate) mod content;
mod read;
mod tid1500;

pub use content::{Item, Relation, Value};
pub use read::{Group, Read, Region, read};
pub use tid1500::{Absence, Finding, Language, Measurement, MeasurementReport, Planar, Site, Volumetric};
