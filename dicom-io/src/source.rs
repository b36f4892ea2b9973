//! Whom and what a series was made of: the attributes that results made from it must repeat.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use dicom::core::Tag;
use dicom::core::header::Header as _;
use dicom::dictionary_std::tags;
use dicom::encoding::transfer_syntax::TransferSyntaxIndex;
use dicom::object::InMemDicomObject;
use dicom::transfer_syntax::TransferSyntaxRegistry;

pub use self::patient::Sex;
use crate::header::Header;
use crate::uid::Uid;

mod earlier;
mod patient;

/// Values longer than this are left behind: no attribute of a patient or a study needs as much.
const LONGEST: usize = 64 << 10;

/// The patient, the study, the series and its frame of reference, as the first slice names them.
///
/// Holds identifying data. It is here to be copied into result objects; it cannot be printed and is not
/// readable outside of this crate.
#[derive(Clone)]
pub struct Source {
    object: InMemDicomObject,
    study_uid: Uid,
    series_uid: Uid,
}

/// Prints the UIDs and nothing about the patient.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("study_uid", &self.study_uid)
            .field("series_uid", &self.series_uid)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Study Instance UID.
    pub fn study_uid(&self) -> &Uid {
        &self.study_uid
    }

    /// Series Instance UID.
    pub fn series_uid(&self) -> &Uid {
        &self.series_uid
    }

    /// Frame of Reference UID.
    pub fn frame_of_reference_uid(&self) -> Option<Uid> {
        uid(&self.object, tags::FRAME_OF_REFERENCE_UID)
    }

    /// Modality; empty if the header has none.
    pub fn modality(&self) -> String {
        let text = self.object.get(tags::MODALITY).and_then(|element| element.to_str().ok());
        text.map(|text| text.trim().to_owned()).unwrap_or_default()
    }

    /// All of these attributes, Specific Character Set included; text is decoded by it already.
    pub(crate) fn object(&self) -> &InMemDicomObject {
        &self.object
    }

    /// Takes the attributes out of `object`; `None` without Study and Series Instance UID.
    pub(crate) fn of(object: InMemDicomObject) -> Option<Self> {
        let study_uid = uid(&object, tags::STUDY_INSTANCE_UID)?;
        let series_uid = uid(&object, tags::SERIES_INSTANCE_UID)?;
        Some(Self { object, study_uid, series_uid })
    }

    /// Patient and study as a report names them, so that another document of the same study can be made
    /// where the images are not at hand. The series is that of the report.
    ///
    /// `None` without Study and Series Instance UID.
    pub fn of_report(object: &InMemDicomObject) -> Option<Self> {
        let kept = object.iter().filter(|element| is_kept(element.tag())).cloned();
        Self::of(InMemDicomObject::from_element_iter(kept))
    }

    /// Reads the attributes from the header of a slice; `None` if they cannot be understood.
    pub(crate) fn read(header: &Header) -> Option<Self> {
        Self::of(parse(header, |tag, length| is_kept(tag) && length <= LONGEST)?)
    }
}

/// The elements before the pixels that are `wanted` by tag and length in bytes; `None` if they cannot be
/// understood.
///
/// Only elements whose lengths agree to the bottom are given to the general parser, and only those that are
/// wanted: nothing else in a header can make it stumble.
pub(crate) fn parse(header: &Header, wanted: impl Fn(Tag, usize) -> bool) -> Option<InMemDicomObject> {
    let elements = header.elements();
    let taken = |e: &&_| -> bool {
        let element: &crate::elements::Element<'_> = e;
        wanted(element.tag, element.whole.len()) && elements.is_sound(element)
    };
    let bytes: Vec<u8> = elements.iter().filter(taken).flat_map(|e| e.whole).copied().collect();
    let syntax = match header.transfer_syntax.as_str() {
        plain @ ("1.2.840.10008.1.2" | "1.2.840.10008.1.2.2") => plain,
        _ => "1.2.840.10008.1.2.1",
    };
    let syntax = TransferSyntaxRegistry.get(syntax)?;
    let parse = || InMemDicomObject::read_dataset_with_ts(bytes.as_slice(), syntax).ok();
    catch_unwind(AssertUnwindSafe(parse)).ok()?
}

fn uid(object: &InMemDicomObject, tag: Tag) -> Option<Uid> {
    Uid::parse(&object.get(tag)?.to_str().ok()?).ok()
}

/// The attributes of a whole series: modules Patient, Clinical Trial, General and Patient Study, General
/// Series, Frame of Reference and General Equipment (PS3.3 A.3.3), without those that can differ between
/// the slices of one series.
fn is_kept(tag: Tag) -> bool {
    match tag.group() {
        // Patient (0010), clinical trial (0012) and requested procedure (0032) are the same throughout.
        0x0010 | 0x0012 | 0x0032 => true,
        _ => SERIES_LEVEL.contains(&tag),
    }
}

const SERIES_LEVEL: [Tag; 47] = [
    tags::SPECIFIC_CHARACTER_SET,
    tags::TIMEZONE_OFFSET_FROM_UTC,
    tags::STUDY_DATE,
    tags::STUDY_TIME,
    tags::SERIES_DATE,
    tags::SERIES_TIME,
    tags::ACCESSION_NUMBER,
    tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE,
    tags::MODALITY,
    tags::MANUFACTURER,
    tags::INSTITUTION_NAME,
    tags::INSTITUTION_ADDRESS,
    tags::INSTITUTIONAL_DEPARTMENT_NAME,
    tags::STATION_NAME,
    tags::MANUFACTURER_MODEL_NAME,
    tags::DEVICE_SERIAL_NUMBER,
    tags::SOFTWARE_VERSIONS,
    tags::REFERRING_PHYSICIAN_NAME,
    tags::REFERRING_PHYSICIAN_IDENTIFICATION_SEQUENCE,
    tags::CONSULTING_PHYSICIAN_NAME,
    tags::PHYSICIANS_OF_RECORD,
    tags::NAME_OF_PHYSICIANS_READING_STUDY,
    tags::STUDY_DESCRIPTION,
    tags::PROCEDURE_CODE_SEQUENCE,
    tags::SERIES_DESCRIPTION,
    tags::ADMITTING_DIAGNOSES_DESCRIPTION,
    tags::REFERENCED_STUDY_SEQUENCE,
    tags::BODY_PART_EXAMINED,
    tags::PROTOCOL_NAME,
    tags::PATIENT_POSITION,
    tags::STUDY_INSTANCE_UID,
    tags::SERIES_INSTANCE_UID,
    tags::STUDY_ID,
    tags::SERIES_NUMBER,
    tags::LATERALITY,
    tags::FRAME_OF_REFERENCE_UID,
    tags::POSITION_REFERENCE_INDICATOR,
    tags::REQUEST_ATTRIBUTES_SEQUENCE,
    tags::PERFORMED_PROCEDURE_STEP_ID,
    tags::PERFORMED_PROCEDURE_STEP_DESCRIPTION,
    // Of an image rather than a series; what is made from it repeats them.
    tags::SLICE_THICKNESS,
    tags::CONTRAST_BOLUS_AGENT,
    tags::CONTRAST_BOLUS_AGENT_SEQUENCE,
    tags::LOSSY_IMAGE_COMPRESSION,
    tags::LOSSY_IMAGE_COMPRESSION_RATIO,
    tags::LOSSY_IMAGE_COMPRESSION_METHOD,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
];

/// A source of these values, for tests.
#[cfg(test)]
fn made_of(values: &[(Tag, dicom::core::VR, &str)]) -> Source {
    use dicom::core::VR;

    let mut object = InMemDicomObject::new_empty();
    object.put_str(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.1");
    object.put_str(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.2");
    for (tag, vr, value) in values {
        object.put_str(*tag, *vr, *value);
    }
    Source::of(object).unwrap()
}

#[cfg(test)]
mod tests {
    use dicom::core::value::DataSetSequence;
    use dicom::core::{DataElement, PrimitiveValue, VR};
    use dicom::object::FileMetaTableBuilder;

    use super::*;

    /// The source that a file with `object` in the transfer syntax `syntax` leads to.
    fn source(object: &InMemDicomObject, syntax: &str) -> Source {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slice");
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(syntax)
            .media_storage_sop_class_uid("1.2.840.10008.5.1.4.1.1.2")
            .media_storage_sop_instance_uid("1.2.3");
        object.clone().with_meta(meta).unwrap().write_to_file(&path).unwrap();
        Source::read(&Header::open(&path).unwrap()).unwrap()
    }

    #[test]
    fn the_patient_and_the_order_are_kept_and_the_slice_is_not() {
        let mut code = InMemDicomObject::new_empty();
        code.put_str(tags::CODE_VALUE, VR::SH, "24627-2");
        let mut request = InMemDicomObject::new_empty();
        request.put_str(tags::REQUESTED_PROCEDURE_ID, VR::SH, "R1");
        let codes = DataSetSequence::from(vec![code]);
        request.put(DataElement::new(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE, VR::SQ, codes));
        let mut object = InMemDicomObject::new_empty();
        object.put_str(tags::SPECIFIC_CHARACTER_SET, VR::CS, "GB18030");
        object.put_str(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3");
        object.put_str(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.1");
        object.put_str(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.2");
        object.put_str(tags::PATIENT_NAME, VR::PN, "Wang^XiaoDong=王^小东");
        object.put_str(tags::PATIENT_ID, VR::LO, "P1");
        object.put_str(tags::SLICE_THICKNESS, VR::DS, "9");
        object.put_str(tags::SLICE_LOCATION, VR::DS, "12");
        object.put_str(Tag(0x0011, 0x0010), VR::LO, "SOMEBODY");
        let requests = DataSetSequence::from(vec![request]);
        object.put(DataElement::new(tags::REQUEST_ATTRIBUTES_SEQUENCE, VR::SQ, requests));
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(vec![0; 4].into())));

        for syntax in
            ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
        {
            let source = source(&object, syntax);
            let kept: Vec<Tag> = source.object().iter().map(|element| element.tag()).collect();
            let expected = [
                tags::SPECIFIC_CHARACTER_SET,
                tags::PATIENT_NAME,
                tags::PATIENT_ID,
                tags::SLICE_THICKNESS,
                tags::STUDY_INSTANCE_UID,
                tags::SERIES_INSTANCE_UID,
                tags::REQUEST_ATTRIBUTES_SEQUENCE,
            ];
            assert_eq!(kept, expected, "{syntax}");
            let name = source.object().get(tags::PATIENT_NAME).unwrap().to_str().unwrap();
            assert_eq!(name.trim_end(), "Wang^XiaoDong=王^小东", "{syntax}");
            let request =
                &source.object().get(tags::REQUEST_ATTRIBUTES_SEQUENCE).unwrap().items().unwrap()[0];
            let code = &request.element(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE).unwrap().items().unwrap()[0];
            assert_eq!(code.element(tags::CODE_VALUE).unwrap().to_str().unwrap(), "24627-2", "{syntax}");
        }
    }
}
