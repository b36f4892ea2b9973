//! Measurement reports read back, ours and other programs'.

use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;

use super::codes::{Code, template};
use super::content::{Item, Value};
use super::tid1500::{Measurement, Site};
use crate::error::Error;
use crate::object::{DateTime, text};
use crate::{Lps, SliceRef, Uid};

/// What a group of measurements is about.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Region {
    /// An outline on an image.
    Outline {
        /// `POLYLINE`, `CIRCLE` and so on.
        graphic: String,
        /// Column and row, where (0.5, 0.5) is the centre of the first pixel.
        points: Vec<[f32; 2]>,
        /// The image.
        image: SliceRef,
    },
    /// Points in the patient.
    Space {
        /// `POINT`, `POLYGON`, `ELLIPSOID` and so on.
        graphic: String,
        /// Where.
        points: Vec<Lps>,
        /// In which frame of reference.
        frame_of_reference_uid: Uid,
    },
    /// A segment of a segmentation.
    Segment {
        /// The segmentation.
        segmentation: SliceRef,
        /// Which of its segments.
        number: u16,
    },
    /// Whole images, or something this crate does not read.
    None,
}

/// One measurement group: TID 1410, 1411 or 1501.
#[derive(Debug, Clone)]
pub struct Group {
    /// Tracking Identifier.
    pub tracking_id: Option<String>,
    /// Tracking Unique Identifier.
    pub tracking_uid: Option<Uid>,
    /// What it is.
    pub finding: Option<Code>,
    /// Where it lies.
    pub sites: Vec<Site>,
    /// What found it.
    pub algorithm: Option<String>,
    /// What was measured; a failed measurement is not a number.
    pub measurements: Vec<Measurement>,
    /// Qualities: what was asked, and the answer.
    pub qualities: Vec<(Code, Code)>,
    /// What was measured on.
    pub region: Region,
}

/// A measurement report that was read.
#[derive(Debug, Clone)]
pub struct Read {
    /// The whole content.
    pub root: Item,
    /// Procedure Reported.
    pub procedure: Option<Code>,
    /// The groups below Imaging Measurements, in their order.
    pub groups: Vec<Group>,
    /// Content Date and Time.
    pub created: Option<DateTime>,
}

/// Reads the measurement groups of a structured report.
///
/// What does not make sense is left out: a report from elsewhere is as it is.
///
/// # Errors
///
/// [`Error::NotAReport`] if the object has no content, or no container for measurements.
pub fn read(object: &InMemDicomObject) -> Result<Read, Error> {
    let root = Item::read(object).ok_or(Error::NotAReport("it has no content"))?;
    let mut containers = root.named(template::IMAGING_MEASUREMENTS).peekable();
    if containers.peek().is_none() {
        return Err(Error::NotAReport("it has no imaging measurements"));
    }
    let groups =
        containers.flat_map(|container| container.named(template::MEASUREMENT_GROUP)).map(group).collect();
    let procedure = root.code(template::PROCEDURE_REPORTED).cloned();
    let created = text(object, tags::CONTENT_DATE) + &text(object, tags::CONTENT_TIME);
    Ok(Read { root, procedure, groups, created: DateTime::parse(&created) })
}

/// Coded items of a group that are no qualities.
const STRUCTURE: [Code; 2] = [template::FINDING_CATEGORY, template::FINDING];

fn group(item: &Item) -> Group {
    let qualities = item.children.iter().filter_map(|child| match (&child.name, &child.value) {
        (Some(name), Value::Code(answer))
            if child.relation == super::Relation::Contains && !STRUCTURE.contains(name) =>
        {
            Some((name.clone(), answer.clone()))
        }
        _ => None,
    });
    let sites = item.named(template::FINDING_SITE).filter_map(|site| match &site.value {
        Value::Code(place) => {
            Some(Site { place: place.clone(), laterality: site.code(template::LATERALITY).cloned() })
        }
        _ => None,
    });
    Group {
        tracking_id: item.text(template::TRACKING_IDENTIFIER).map(str::to_owned),
        tracking_uid: item.uid(template::TRACKING_UNIQUE_IDENTIFIER).cloned(),
        finding: item.code(template::FINDING).cloned(),
        sites: sites.collect(),
        algorithm: item.text(template::ALGORITHM_NAME).map(str::to_owned),
        measurements: item.children.iter().filter_map(measurement).collect(),
        qualities: qualities.collect(),
        region: item.children.iter().find_map(region).unwrap_or(Region::None),
    }
}

fn measurement(item: &Item) -> Option<Measurement> {
    let Value::Number { value, unit } = &item.value else { return None };
    Some(Measurement {
        name: item.name.clone()?,
        value: value.unwrap_or(f64::NAN),
        unit: unit.clone(),
        derivation: item.code(template::DERIVATION).cloned(),
        method: item.code(template::MEASUREMENT_METHOD).cloned(),
    })
}

fn region(item: &Item) -> Option<Region> {
    match &item.value {
        Value::Region { graphic, points } => {
            let image = item.children.iter().find_map(|child| match &child.value {
                Value::Image { image, .. } => Some(image.clone()),
                _ => None,
            });
            Some(Region::Outline { graphic: graphic.clone(), points: points.clone(), image: image? })
        }
        Value::Space { graphic, points, frame_of_reference_uid } => Some(Region::Space {
            graphic: graphic.clone(),
            points: points.clone(),
            frame_of_reference_uid: frame_of_reference_uid.clone(),
        }),
        Value::Image { image, segments } if item.name.as_ref() == Some(&template::REFERENCED_SEGMENT) => {
            Some(Region::Segment { segmentation: image.clone(), number: *segments.first()? })
        }
        _ => None,
    }
}
