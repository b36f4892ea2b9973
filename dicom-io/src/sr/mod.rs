//! Structured reports.
//!
//! [`MeasurementReport`] writes findings and their numbers so that machines can use them; [`read`] reads
//! such reports back. [`TextReport`] holds the words that people read, and [`Document`] is what a report of
//! words says about itself. Codes are in [`codes`], the content tree in [`Item`].

pub mod codes;
pub(crate) mod content;
mod document;
mod read;
mod tid1500;
mod tid2000;

use std::path::Path;

use dicom::object::InMemDicomObject;

use crate::error::Error;
use crate::header::Header;

pub use codes::Code;
pub use content::{Item, Relation, Value};
pub use document::{Document, Referenced, Verification};
pub use read::{Group, Read, Region, read};
pub use tid1500::{Absence, Finding, Language, Measurement, MeasurementReport, Planar, Site, Volumetric};
pub use tid2000::{Author, Observer, Section, Sentence, Standing, TextReport};

/// Opens a file that should hold a structured report, for [`read`] or [`Document::read`].
///
/// Any file may be given: what its own lengths do not hold is left out, and nothing is allocated for what is
/// not there.
///
/// # Errors
///
/// [`Error::NotAReport`] if the file cannot be read, is no DICOM file, or holds pixels.
pub fn open(path: &Path) -> Result<InMemDicomObject, Error> {
    let header = Header::open(path).map_err(|_| Error::NotAReport("the file is not DICOM"))?;
    if header.pixels.is_some() {
        return Err(Error::NotAReport("it is an image"));
    }
    crate::source::parse(&header, |_, _| true).ok_or(Error::NotAReport("it cannot be understood"))
}
