//! A printed report as an Encapsulated PDF: for archives that show paper rather than structure.
//!
//! What stands on the pages is the caller's business. Source: DICOM PS3.3 A.45.1 and C.24.

use dicom::core::VR;
use dicom::dictionary_std::{tags, uids};

use crate::object::{Dataset, Kind, NewSeries, Origin, ResultObject};
use crate::sr::Referenced;
use crate::sr::codes::Code;

/// A PDF and what it is.
#[derive(Debug, Clone)]
pub struct EncapsulatedPdf<'a> {
    /// The series that it goes into.
    pub series: NewSeries,
    /// What kind of document it is, such as
    /// [`DIAGNOSTIC_IMAGING_REPORT`](crate::sr::codes::DIAGNOSTIC_IMAGING_REPORT).
    pub title: Code,
    /// The title as a reader sees it. It may not tell who the patient is.
    pub words: String,
    /// The objects that the pages were made from.
    pub sources: Vec<Referenced>,
    /// The file. No text in it may tell who the patient is.
    pub file: &'a [u8],
}

impl EncapsulatedPdf<'_> {
    /// The PDF as an Encapsulated PDF object.
    pub fn to_object(&self, origin: &Origin) -> ResultObject {
        let kind = Kind { sop_class: uids::ENCAPSULATED_PDF_STORAGE, modality: "DOC" };
        let sources = self.sources.iter().map(|source| {
            Dataset::new()
                .uid(tags::REFERENCED_SOP_CLASS_UID, &source.sop_class_uid)
                .uid(tags::REFERENCED_SOP_INSTANCE_UID, &source.sop_instance_uid)
        });
        let mut content = Dataset::new()
            .integer(tags::INSTANCE_NUMBER, 1)
            .text(tags::CONVERSION_TYPE, VR::CS, "WSD")
            // No text on the pages identifies the patient.
            .text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO")
            // When the scan began: unknown, the pages are of many images.
            .text(tags::ACQUISITION_DATE_TIME, VR::DT, "")
            .text(tags::DOCUMENT_TITLE, VR::ST, &self.words)
            .code(tags::CONCEPT_NAME_CODE_SEQUENCE, &self.title)
            .text(tags::MIME_TYPE_OF_ENCAPSULATED_DOCUMENT, VR::LO, "application/pdf")
            .longs(tags::ENCAPSULATED_DOCUMENT_LENGTH, &[u32::try_from(self.file.len()).unwrap_or(u32::MAX)])
            .bytes(tags::ENCAPSULATED_DOCUMENT, self.file.to_vec());
        if !self.sources.is_empty() {
            content = content.items(tags::SOURCE_INSTANCE_SEQUENCE, sources);
        }
        origin.document(&kind, &self.series, content, false)
    }
}
