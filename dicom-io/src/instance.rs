//! What one file says about its image: identity, place, pixel format.
//!
//! Everything here comes from the header alone. Whether the instances of a series make a volume is
//! decided in [`crate::plan`], how pixels become Hounsfield units in [`crate::pixels`].

use std::fmt;
use std::path::{Path, PathBuf};

use dicom::core::Tag;
use dicom::dictionary_std::tags;

use crate::elements::{Broken, Elements};
use crate::geometry::Lps;
use crate::header::{Header, Pixels};
use crate::uid::Uid;

/// The header of one image file.
#[derive(Clone, PartialEq)]
pub struct Instance {
    path: PathBuf,
    /// SOP Class UID.
    pub sop_class_uid: Uid,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// Transfer Syntax UID.
    pub transfer_syntax: Uid,
    /// Instance Number.
    pub number: Option<i32>,
    /// Image Type, one entry per value.
    pub image_type: Vec<String>,
    /// Frame of Reference UID.
    pub frame_of_reference: Option<Uid>,
    pub(crate) modality: String,
    /// Patient ID: never shown, only compared.
    pub(crate) patient: Option<String>,
    pub(crate) format: Format,
    pub(crate) pixels: Option<Pixels>,
    pub(crate) broken: Option<Broken>,
    /// One for a single image, one per frame for an enhanced multi-frame image.
    pub(crate) frames: Vec<Frame>,
    /// Number of Frames.
    pub(crate) frame_count: usize,
    /// The image holds per-frame functional groups (PS3.3 C.7.6.16).
    pub(crate) enhanced: bool,
}

/// Prints the UIDs: a path can name a patient.
impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance")
            .field("sop_class_uid", &self.sop_class_uid)
            .field("sop_instance_uid", &self.sop_instance_uid)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// How the pixels of one instance are stored (PS3.3 C.7.6.3.1).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Format {
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    pub(crate) samples: u16,
    pub(crate) photometric: String,
    pub(crate) allocated: u16,
    pub(crate) stored: u16,
    pub(crate) high: u16,
    pub(crate) signed: bool,
    /// Pixel Padding Value and Range Limit, as their bits.
    pub(crate) padding: Option<(u16, u16)>,
    pub(crate) lossy: bool,
    /// A Modality LUT Sequence stands in place of slope and intercept.
    pub(crate) lookup: bool,
}

/// What one image of a stack says about itself.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) position: Option<Lps>,
    pub(crate) orientation: Option<[f64; 6]>,
    /// Distance of rows, then of columns, mm.
    pub(crate) pixel_spacing: Option<[f64; 2]>,
    pub(crate) rescale: Rescale,
    /// Rescale Type, in letters that may stand in a log.
    pub(crate) rescale_type: Option<String>,
    pub(crate) localizer: bool,
    /// The values of [`KEYS`].
    pub(crate) keys: [Option<String>; KEYS.len()],
}

/// Rescale Slope and Intercept of one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rescale {
    /// Neither is there.
    Absent,
    /// Only one is there, or they are no numbers, or the slope is zero.
    Invalid,
    /// Value = slope x stored + intercept.
    Linear { slope: f64, intercept: f64 },
}

/// CT Image, Enhanced CT Image and Legacy Converted Enhanced CT Image Storage.
const CT_CLASSES: [&str; 3] =
    ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2"];

/// Frames beyond this many are not looked at, and their image is refused because they are missing: an empty
/// functional group takes eight bytes in a file and fifty times as many here.
const MAX_FRAMES: usize = 1 << 16;

/// Attributes by which one series may hold several volumes, in the order in which they are tried.
pub(crate) const KEYS: [(&str, Tag); 11] = [
    ("Acquisition Number", tags::ACQUISITION_NUMBER),
    ("Temporal Position Identifier", tags::TEMPORAL_POSITION_IDENTIFIER),
    ("Temporal Position Index", tags::TEMPORAL_POSITION_INDEX),
    ("Echo Numbers", tags::ECHO_NUMBERS),
    ("Echo Time", tags::ECHO_TIME),
    ("Diffusion b-value", tags::DIFFUSION_B_VALUE),
    ("Convolution Kernel", tags::CONVOLUTION_KERNEL),
    ("Trigger Time", tags::TRIGGER_TIME),
    ("Image Type", tags::IMAGE_TYPE),
    ("Acquisition Time", tags::ACQUISITION_TIME),
    ("Content Time", tags::CONTENT_TIME),
];

/// What the first file of a series says about the whole of it.
#[derive(Clone, PartialEq)]
pub(crate) struct About {
    pub(crate) study_uid: Uid,
    pub(crate) series_uid: Uid,
    pub(crate) modality: String,
    pub(crate) number: Option<i32>,
    pub(crate) body_part: Option<String>,
    pub(crate) kernel: Option<String>,
    pub(crate) contrast: bool,
    /// Series Description as bytes and Specific Character Set.
    pub(crate) description: Option<(Vec<u8>, Option<String>)>,
}

impl Instance {
    /// The instance in `header`, which came from `path`, and what it says about its series.
    ///
    /// # Errors
    ///
    /// Why the header ends before the four UIDs that place the instance are found; `None` if it does not
    /// end early but lacks one of them.
    pub(crate) fn of(path: &Path, header: &Header) -> Result<(Self, About), Option<Broken>> {
        let elements = header.elements();
        let uid = |tag| elements.text(tag).and_then(|text| Uid::parse(text).ok());
        let needed = |tag| uid(tag).ok_or(header.broken);
        // A CT without Modality must not pass for something whose values have no unit.
        let modality = || match elements.text(tags::SOP_CLASS_UID) {
            Some(class) if CT_CLASSES.contains(&class) => "CT".to_owned(),
            _ => String::new(),
        };
        let about = About {
            study_uid: needed(tags::STUDY_INSTANCE_UID)?,
            series_uid: needed(tags::SERIES_INSTANCE_UID)?,
            modality: elements.text(tags::MODALITY).and_then(code_string).unwrap_or_else(modality),
            number: elements.integer(tags::SERIES_NUMBER),
            body_part: elements.text(tags::BODY_PART_EXAMINED).and_then(code_string),
            kernel: elements.text(tags::CONVOLUTION_KERNEL).map(str::to_owned),
            contrast: elements.bytes(tags::CONTRAST_BOLUS_AGENT).is_some()
                || elements.bytes(tags::CONTRAST_BOLUS_AGENT_SEQUENCE).is_some(),
            description: elements.bytes(tags::SERIES_DESCRIPTION).map(|bytes| {
                (bytes.to_vec(), elements.text(tags::SPECIFIC_CHARACTER_SET).map(str::to_owned))
            }),
        };
        let image_type: Vec<String> = elements.texts(tags::IMAGE_TYPE).map(str::to_owned).collect();
        let format = Format::of(&elements);
        let frame_count = elements.integer(tags::NUMBER_OF_FRAMES).unwrap_or(1).max(0) as usize;
        let enhanced = elements.bytes(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE).is_some();
        let frames = if enhanced { enhanced_frames(&elements) } else { vec![Frame::of(&elements, &[])] };
        let patient =
            elements.bytes(tags::PATIENT_ID).map(|id| String::from_utf8_lossy(id).trim().to_owned());
        let instance = Self {
            path: path.to_owned(),
            sop_class_uid: needed(tags::SOP_CLASS_UID)?,
            sop_instance_uid: needed(tags::SOP_INSTANCE_UID)?,
            transfer_syntax: header.transfer_syntax.clone(),
            number: elements.integer(tags::INSTANCE_NUMBER),
            image_type,
            frame_of_reference: uid(tags::FRAME_OF_REFERENCE_UID),
            modality: about.modality.clone(),
            patient,
            format,
            pixels: header.pixels,
            broken: header.broken,
            frames,
            frame_count,
            enhanced,
        };
        Ok((instance, about))
    }

    /// The file. Its name may hold identifying data: for the user's own terminal, not for a log.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many images it holds: 1, or the number of frames.
    pub fn images(&self) -> usize {
        if self.enhanced { self.frame_count } else { 1 }
    }
}

/// `text` if it may stand in a log: a CS value (PS3.5 6.2), upper-cased.
fn code_string(text: &str) -> Option<String> {
    let text = text.to_ascii_uppercase();
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ' || b == b'_';
    (text.len() <= 16 && text.bytes().all(fits)).then_some(text)
}

impl Format {
    fn of(elements: &Elements<'_>) -> Self {
        let word = |tag| elements.word(tag);
        let stored = word(tags::BITS_STORED).unwrap_or(0);
        let padding = word(tags::PIXEL_PADDING_VALUE);
        Self {
            rows: word(tags::ROWS).unwrap_or(0),
            columns: word(tags::COLUMNS).unwrap_or(0),
            samples: word(tags::SAMPLES_PER_PIXEL).unwrap_or(1),
            photometric: elements.text(tags::PHOTOMETRIC_INTERPRETATION).unwrap_or_default().to_owned(),
            allocated: word(tags::BITS_ALLOCATED).unwrap_or(0),
            stored,
            high: word(tags::HIGH_BIT).unwrap_or(stored.saturating_sub(1)),
            signed: word(tags::PIXEL_REPRESENTATION) == Some(1),
            padding: padding.map(|value| (value, word(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value))),
            lossy: elements.text(tags::LOSSY_IMAGE_COMPRESSION) == Some("01"),
            lookup: elements.bytes(tags::MODALITY_LUT_SEQUENCE).is_some(),
        }
    }
}

impl Frame {
    /// The frame whose attributes are in `elements` or, before that, in one of `groups`.
    fn of(elements: &Elements<'_>, groups: &[Elements<'_>]) -> Self {
        let levels = || groups.iter().chain([elements]);
        let image_type = levels()
            .flat_map(|level| [tags::FRAME_TYPE, tags::IMAGE_TYPE].map(|tag| level.texts(tag).nth(2)))
            .flatten()
            .next();
        Self {
            position: levels().find_map(|l| l.decimals(tags::IMAGE_POSITION_PATIENT)).map(Lps::from),
            orientation: levels().find_map(|l| l.decimals(tags::IMAGE_ORIENTATION_PATIENT)),
            pixel_spacing: levels().find_map(|l| l.decimals(tags::PIXEL_SPACING)),
            rescale: levels().map(Rescale::of).find(|r| *r != Rescale::Absent).unwrap_or(Rescale::Absent),
            rescale_type: levels().find_map(|l| l.text(tags::RESCALE_TYPE)).and_then(code_string),
            localizer: image_type == Some("LOCALIZER"),
            keys: KEYS.map(|(_, tag)| {
                let bytes = levels().find_map(|l| l.bytes(tag))?;
                // Diffusion b-value is binary; for telling values apart its bits will do.
                Some(if bytes.is_ascii() && tag != tags::DIFFUSION_B_VALUE {
                    String::from_utf8_lossy(bytes).trim_matches(['\0', ' ']).to_owned()
                } else {
                    format!("{bytes:?}")
                })
            }),
        }
    }
}

/// The frames of an enhanced multi-frame image: what is said for each and what is said for all of them.
fn enhanced_frames(elements: &Elements<'_>) -> Vec<Frame> {
    const GROUPS: [Tag; 9] = [
        tags::PLANE_POSITION_SEQUENCE,
        tags::PLANE_ORIENTATION_SEQUENCE,
        tags::PIXEL_MEASURES_SEQUENCE,
        tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
        tags::CT_IMAGE_FRAME_TYPE_SEQUENCE,
        tags::MR_IMAGE_FRAME_TYPE_SEQUENCE,
        tags::FRAME_CONTENT_SEQUENCE,
        tags::MR_ECHO_SEQUENCE,
        tags::MR_DIFFUSION_SEQUENCE,
    ];
    fn groups<'a>(item: &Elements<'a>) -> impl Iterator<Item = Elements<'a>> + use<'a> {
        GROUPS.map(|tag| item.item(tag)).into_iter().flatten()
    }
    let shared = elements.item(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE);
    elements
        .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE)
        .iter()
        .take(MAX_FRAMES)
        .map(|own| {
            let levels: Vec<_> = groups(own).chain(shared.iter().flat_map(groups)).collect();
            Frame::of(elements, &levels)
        })
        .collect()
}

impl Rescale {
    fn of(elements: &Elements<'_>) -> Self {
        let given = |tag| elements.bytes(tag).is_some();
        if !given(tags::RESCALE_SLOPE) && !given(tags::RESCALE_INTERCEPT) {
            return Self::Absent;
        }
        let number = |tag| elements.decimals::<1>(tag).map(|[value]| value);
        match (number(tags::RESCALE_SLOPE), number(tags::RESCALE_INTERCEPT)) {
            (Some(slope), Some(intercept)) if slope != 0.0 => Self::Linear { slope, intercept },
            _ => Self::Invalid,
        }
    }
}
