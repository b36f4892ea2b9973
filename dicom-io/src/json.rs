//! Foci's own objects read back for the web: their headers in the DICOM JSON model, their pixels as bytes.
//!
//! Only for files that Foci wrote: they are taken to be sound. What comes from elsewhere is read by
//! [`crate::scan`](fn@crate::scan).
//!
//! Source: DICOM PS3.18 annex F.

use std::path::Path;

use dicom::core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom::core::header::Header;
use dicom::core::value::Value as DicomValue;
use dicom::core::{DataElement, PrimitiveValue, Tag, VR};
use dicom::dictionary_std::{StandardDataDictionary, tags};
use dicom::object::{InMemDicomObject, OpenFileOptions};
use serde_json::{Map, Value, json};

use crate::error::Error;

/// An attribute of the standard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Eight hexadecimal digits in upper case, as JSON names it.
    pub tag: String,
    /// Its value representation, such as `PN`; `UN` where the standard has none.
    pub vr: &'static str,
}

/// The pixels of an object, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels from top to bottom.
    pub rows: u32,
    /// Pixels from left to right.
    pub columns: u32,
    /// Values of each pixel: three are red, green, blue.
    pub samples: u32,
    /// Bits of each value.
    pub bits: u32,
    /// At least one.
    pub frames: u32,
    /// Frame after frame, row after row, pixel after pixel.
    pub bytes: Vec<u8>,
}

/// The header of the file at `path` in the DICOM JSON model, without file meta information and without what
/// is binary: pixels and the like.
///
/// # Errors
///
/// [`Error::Io`] if the file cannot be read.
pub fn header(path: &Path) -> Result<Value, Error> {
    let object = OpenFileOptions::new().read_until(tags::PIXEL_DATA).open_file(path).map_err(unreadable)?;
    Ok(data_set(&object))
}

/// The pixels in the file at `path`; `None` if it holds none, or compressed ones.
///
/// # Errors
///
/// [`Error::Io`] if the file cannot be read.
pub fn pixels(path: &Path) -> Result<Option<Pixels>, Error> {
    let object = OpenFileOptions::new().open_file(path).map_err(unreadable)?;
    let number = |tag| object.get(tag).and_then(|element| element.to_int::<u32>().ok());
    let bytes = object.get(tags::PIXEL_DATA).and_then(|element| element.value().to_bytes().ok());
    let found = || {
        Some(Pixels {
            rows: number(tags::ROWS)?,
            columns: number(tags::COLUMNS)?,
            samples: number(tags::SAMPLES_PER_PIXEL)?,
            bits: number(tags::BITS_ALLOCATED)?,
            frames: number(tags::NUMBER_OF_FRAMES).unwrap_or(1).max(1),
            bytes: bytes?.into_owned(),
        })
    };
    Ok(found())
}

impl Pixels {
    /// Frame `number`, from 1. `None` if there is none, or if frames do not begin at whole bytes.
    pub fn frame(&self, number: u32) -> Option<&[u8]> {
        let values = u64::from(self.rows) * u64::from(self.columns) * u64::from(self.samples);
        let bits = values.checked_mul(u64::from(self.bits))?;
        let length = usize::try_from(bits / 8).ok().filter(|_| bits % 8 == 0)?;
        let from = length.checked_mul(usize::try_from(number.checked_sub(1)?).ok()?)?;
        (number <= self.frames).then(|| self.bytes.get(from..from.checked_add(length)?))?
    }
}

/// The attribute that is called `name`: by its keyword (`PatientID`) or by its tag (`00100020`).
pub fn attribute(name: &str) -> Option<Attribute> {
    let is_tag = name.len() == 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let entry = if is_tag {
        let number = |part| u16::from_str_radix(part, 16).ok();
        let tag = Tag(number(&name[..4])?, number(&name[4..])?);
        match StandardDataDictionary.by_tag(tag) {
            Some(entry) => entry,
            None => return Some(Attribute { tag: text_of(tag), vr: "UN" }),
        }
    } else {
        StandardDataDictionary.by_name(name)?
    };
    Some(Attribute { tag: text_of(entry.tag()), vr: entry.vr().relaxed().to_string() })
}

fn unreadable(error: dicom::object::ReadError) -> Error {
    Error::Io(std::io::Error::other(error))
}

fn text_of(tag: Tag) -> String {
    format!("{:04X}{:04X}", tag.group(), tag.element())
}

fn data_set(object: &InMemDicomObject) -> Value {
    let mut members = Map::new();
    for element in object {
        // Lengths of groups are none of the object's attributes.
        if element.tag().element() != 0
            && let Some(value) = value(element)
        {
            members.insert(text_of(element.tag()), value);
        }
    }
    Value::Object(members)
}

/// An element without its tag; `None` if it is binary.
fn value(element: &DataElement<InMemDicomObject>) -> Option<Value> {
    let vr = element.vr();
    let values: Vec<Value> = match element.value() {
        DicomValue::PixelSequence(_) => return None,
        DicomValue::Sequence(sequence) => sequence.items().iter().map(data_set).collect(),
        DicomValue::Primitive(primitive) => match vr {
            VR::OB | VR::OD | VR::OF | VR::OL | VR::OV | VR::OW | VR::UN => return None,
            VR::AT => match primitive {
                PrimitiveValue::Tags(tags) => tags.iter().map(|tag| json!(text_of(*tag))).collect(),
                _ => Vec::new(),
            },
            VR::FL | VR::FD => {
                primitive.to_multi_float64().unwrap_or_default().into_iter().map(real).collect()
            }
            VR::SL | VR::SS | VR::SV | VR::UL | VR::US | VR::UV => {
                primitive.to_multi_int::<i64>().unwrap_or_default().into_iter().map(Value::from).collect()
            }
            _ => primitive.to_multi_str().iter().map(|text| word(vr, text)).collect(),
        },
    };
    let is_empty = values.iter().all(Value::is_null);
    Some(if is_empty {
        json!({ "vr": vr.to_string() })
    } else {
        json!({ "vr": vr.to_string(), "Value": values })
    })
}

/// A number; JSON has none for what is not finite.
fn real(value: f64) -> Value {
    match value {
        _ if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("inf"),
        f64::NEG_INFINITY => json!("-inf"),
        _ => json!(value),
    }
}

/// A value that DICOM writes as text.
fn word(vr: VR, text: &str) -> Value {
    let text = text.trim_end_matches(['\0', ' ']);
    let trimmed = text.trim();
    match vr {
        _ if trimmed.is_empty() => Value::Null,
        VR::PN => {
            let groups = ["Alphabetic", "Ideographic", "Phonetic"].into_iter().zip(trimmed.split('='));
            let named = groups.filter(|(_, group)| !group.is_empty());
            Value::Object(named.map(|(name, group)| (name.to_owned(), json!(group))).collect())
        }
        // What is no number although it should be stays as it is.
        VR::IS => trimmed.parse::<i64>().map_or_else(|_| json!(trimmed), |number| json!(number)),
        VR::DS => match trimmed.parse::<f64>() {
            Ok(number) if number.is_finite() => json!(number),
            _ => json!(trimmed),
        },
        VR::LT | VR::ST | VR::UT => json!(text),
        _ => json!(trimmed),
    }
}

#[cfg(test)]
mod tests {
    use dicom::core::value::DataSetSequence;

    use super::*;

    #[test]
    fn an_object_becomes_the_json_that_the_standard_describes() {
        let put = |tag, vr, value: PrimitiveValue| DataElement::new(tag, vr, value);
        let code = InMemDicomObject::from_element_iter([put(tags::CODE_VALUE, VR::SH, "113014 ".into())]);
        let object = InMemDicomObject::from_element_iter([
            put(tags::PATIENT_NAME, VR::PN, "Wang^XiaoDong=王^小东".into()),
            put(tags::PATIENT_ID, VR::LO, " 12 ".into()),
            put(tags::PATIENT_BIRTH_DATE, VR::DA, "".into()),
            put(tags::IMAGE_TYPE, VR::CS, PrimitiveValue::Strs(["DERIVED".into(), "".into()].into())),
            put(tags::PATIENT_WEIGHT, VR::DS, "70.50".into()),
            put(tags::SERIES_NUMBER, VR::IS, "7 ".into()),
            put(tags::ROWS, VR::US, PrimitiveValue::from(512_u16)),
            put(tags::FRAME_INCREMENT_POINTER, VR::AT, PrimitiveValue::Tags(vec![tags::FRAME_TIME].into())),
            put(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(vec![1_u8, 2])),
            put(Tag(0x0010, 0x0000), VR::UL, PrimitiveValue::from(4_u32)),
            DataElement::new(tags::CONCEPT_NAME_CODE_SEQUENCE, VR::SQ, DataSetSequence::from(vec![code])),
        ]);
        let expected = json!({
            "00080008": { "vr": "CS", "Value": ["DERIVED", null] },
            "00100010": { "vr": "PN", "Value": [{ "Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东" }] },
            "00100020": { "vr": "LO", "Value": ["12"] },
            "00100030": { "vr": "DA" },
            "00101030": { "vr": "DS", "Value": [70.5] },
            "00200011": { "vr": "IS", "Value": [7] },
            "00280009": { "vr": "AT", "Value": ["00181063"] },
            "00280010": { "vr": "US", "Value": [512] },
            "0040A043": { "vr": "SQ", "Value": [{ "00080100": { "vr": "SH", "Value": ["113014"] } }] },
        });
        assert_eq!(data_set(&object), expected);
    }

    #[test]
    fn an_attribute_is_found_by_keyword_and_by_tag() {
        let id = Some(Attribute { tag: "00100020".to_owned(), vr: "LO" });
        assert_eq!(attribute("PatientID"), id);
        assert_eq!(attribute("00100020"), id);
        assert_eq!(attribute("0040a043").unwrap().tag, "0040A043");
        assert_eq!(attribute("00091001").unwrap().vr, "UN");
        assert_eq!(attribute("patientid"), None);
        assert_eq!(attribute("0010,0020"), None);
    }

    #[test]
    fn frames_lie_one_after_another() {
        let bytes: Vec<u8> = (0..36).collect();
        let pixels = Pixels { rows: 2, columns: 3, samples: 3, bits: 8, frames: 2, bytes };
        assert_eq!(pixels.frame(1).unwrap()[0], 0);
        assert_eq!(pixels.frame(2).unwrap(), (18..36).collect::<Vec<u8>>());
        assert_eq!((pixels.frame(0), pixels.frame(3)), (None, None));
        // Three pixels of one bit: the second frame begins within a byte.
        let bits = Pixels { rows: 1, columns: 3, samples: 1, bits: 1, frames: 2, bytes: vec![0] };
        assert_eq!(bits.frame(2), None);
    }
}
