//! Key images as Secondary Capture: for viewers that draw neither report nor segmentation.
//!
//! Source: DICOM PS3.3 A.8.1.

use dicom::core::VR;
use dicom::dictionary_std::{tags, uids};
use ndarray::ArrayView3;

use crate::object::{Context, Kind, NewSeries, ResultObject};
use crate::sr::codes::template;
use crate::sr::content::reference;

/// One picture.
#[derive(Debug, Clone)]
pub struct SecondaryCapture<'a> {
    /// The series that it goes into.
    pub series: NewSeries,
    /// Its number within that series, from 1. Each picture of an analysis has another one.
    pub number: u32,
    /// How it was made, such as `Slice 12, lung window, outline of Nodule 1`; at most 1,024 characters.
    pub description: String,
    /// The slices (k) that it shows.
    pub slices: Vec<usize>,
    /// The pixels: row, column, and red, green, blue. No text in it may tell who the patient is.
    pub pixels: ArrayView3<'a, u8>,
}

impl SecondaryCapture<'_> {
    /// The picture as a Secondary Capture image in RGB.
    ///
    /// # Panics
    ///
    /// If there are not three samples to a pixel, more than 65,535 rows or columns, or if it shows a
    /// slice that is not there: mistakes of the caller.
    pub fn to_object(&self, context: &Context) -> ResultObject {
        let (rows, columns, samples) = self.pixels.dim();
        assert_eq!(samples, 3, "a pixel is red, green, blue");
        let short = |length: usize| u16::try_from(length).expect("DICOM images have at most 65,535 rows");
        let kind = Kind { sop_class: uids::SECONDARY_CAPTURE_IMAGE_STORAGE, modality: "OT" };
        let sources = self.slices.iter().map(|k| {
            reference(&context.slices[*k])
                .code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &template::SOURCE_IMAGE)
        });
        let dataset = context
            .header(&kind, &self.series)
            .with(context.lossy())
            .integer(tags::INSTANCE_NUMBER, self.number)
            .text(tags::PATIENT_ORIENTATION, VR::CS, "")
            .text(tags::LATERALITY, VR::CS, "")
            .texts(tags::IMAGE_TYPE, VR::CS, &["DERIVED", "SECONDARY"])
            .text(tags::CONVERSION_TYPE, VR::CS, "WSD")
            // No text in the picture identifies the patient.
            .text(tags::BURNED_IN_ANNOTATION, VR::CS, "NO")
            .text(tags::DERIVATION_DESCRIPTION, VR::ST, &self.description)
            .items(tags::SOURCE_IMAGE_SEQUENCE, sources)
            .shorts(tags::SAMPLES_PER_PIXEL, &[3])
            .text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "RGB")
            .shorts(tags::PLANAR_CONFIGURATION, &[0])
            .shorts(tags::ROWS, &[short(rows)])
            .shorts(tags::COLUMNS, &[short(columns)])
            .shorts(tags::BITS_ALLOCATED, &[8])
            .shorts(tags::BITS_STORED, &[8])
            .shorts(tags::HIGH_BIT, &[7])
            .shorts(tags::PIXEL_REPRESENTATION, &[0])
            .bytes(tags::PIXEL_DATA, self.pixels.iter().copied().collect());
        ResultObject::new(dataset, context)
    }
}
