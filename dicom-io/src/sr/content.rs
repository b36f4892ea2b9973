//! The content tree of a structured report, as items in memory.
//!
//! An [`Item`] knows its place in the data set and nothing of templates: writing and reading are each
//! other's reverse for every tree.
//!
//! Source: DICOM PS3.3 C.17.3.

use dicom::core::{Tag, VR};
use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;

use super::codes::{Code, template};
use crate::object::{Dataset, dataset::decimal, text};
use crate::{Lps, SliceRef, Uid};

/// How a content item belongs to the one above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The parent consists of it.
    Contains,
    /// It says more precisely what the parent's concept is.
    HasConceptMod,
    /// It says who observes what; everything below inherits it.
    HasObsContext,
    /// It says how an image was acquired.
    HasAcqContext,
    /// It is a property of the parent.
    HasProperties,
    /// The parent was concluded from it.
    InferredFrom,
    /// It is the image on which the parent's coordinates lie.
    SelectedFrom,
}

const RELATIONS: [(Relation, &str); 7] = [
    (Relation::Contains, "CONTAINS"),
    (Relation::HasConceptMod, "HAS CONCEPT MOD"),
    (Relation::HasObsContext, "HAS OBS CONTEXT"),
    (Relation::HasAcqContext, "HAS ACQ CONTEXT"),
    (Relation::HasProperties, "HAS PROPERTIES"),
    (Relation::InferredFrom, "INFERRED FROM"),
    (Relation::SelectedFrom, "SELECTED FROM"),
];

/// What a content item says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A heading for what it contains.
    Container {
        /// The template (of DCMR) that its content follows.
        template: Option<String>,
    },
    /// A coded word.
    Code(Code),
    /// Free text.
    Text(String),
    /// A unique identifier.
    UidRef(Uid),
    /// A number; `None` is a measurement that failed.
    Number {
        /// The value, finite.
        value: Option<f64>,
        /// Its unit.
        unit: Code,
    },
    /// A reference to an image or to a segmentation.
    Image {
        /// The image.
        image: SliceRef,
        /// Which segments of it, if it is a segmentation and not all.
        segments: Vec<u16>,
    },
    /// A reference to an object that is no image, such as another report.
    Composite {
        /// Its class.
        sop_class_uid: Uid,
        /// Which one.
        sop_instance_uid: Uid,
    },
    /// The name of a person, as DICOM writes it.
    PersonName(String),
    /// Points on an image.
    Region {
        /// `POINT`, `POLYLINE`, `CIRCLE` and so on; a polyline that ends where it began is an area.
        graphic: String,
        /// Column and row: (0, 0) is the upper left corner of the first pixel, (0.5, 0.5) its centre.
        points: Vec<[f32; 2]>,
    },
    /// Points in the patient.
    Space {
        /// `POINT`, `POLYGON`, `ELLIPSOID` and so on.
        graphic: String,
        /// Where.
        points: Vec<Lps>,
        /// Frame of Reference UID.
        frame_of_reference_uid: Uid,
    },
    /// Something this crate does not read. It is not written either.
    Other(String),
}

/// One content item and all below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// How it belongs to the item above; the root has `Contains`.
    pub relation: Relation,
    /// What it is about. Image references need none.
    pub name: Option<Code>,
    /// What it says.
    pub value: Value,
    /// The items below.
    pub children: Vec<Item>,
}

impl Item {
    /// An item with nothing below it.
    pub fn new(relation: Relation, name: impl Into<Option<Code>>, value: Value) -> Self {
        Self { relation, name: name.into(), value, children: Vec::new() }
    }

    /// A container that follows no template of its own.
    pub(crate) fn container(name: Code) -> Self {
        Self::new(Relation::Contains, name, Value::Container { template: None })
    }

    /// The same item with `children` below it, after those it has.
    pub fn with(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The items right below that are about `name`.
    pub fn named(&self, name: Code) -> impl Iterator<Item = &Self> {
        self.children.iter().filter(move |child| child.name.as_ref() == Some(&name))
    }

    /// The first code right below that is about `name`.
    pub fn code(&self, name: Code) -> Option<&Code> {
        self.named(name).find_map(|item| match &item.value {
            Value::Code(code) => Some(code),
            _ => None,
        })
    }

    /// The first text right below that is about `name`.
    pub fn text(&self, name: Code) -> Option<&str> {
        self.named(name).find_map(|item| match &item.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The first unique identifier right below that is about `name`.
    pub fn uid(&self, name: Code) -> Option<&Uid> {
        self.named(name).find_map(|item| match &item.value {
            Value::UidRef(uid) => Some(uid),
            _ => None,
        })
    }

    /// The tree as the attributes of the root of a document.
    pub(crate) fn to_root(&self) -> Dataset {
        self.attributes()
    }

    fn to_dataset(&self) -> Dataset {
        let relation = RELATIONS.iter().find(|(relation, _)| *relation == self.relation);
        let (_, word) = relation.expect("every relation has a word");
        self.attributes().text(tags::RELATIONSHIP_TYPE, VR::CS, word)
    }

    fn attributes(&self) -> Dataset {
        let mut to = Dataset::new();
        if let Some(name) = &self.name {
            to = to.code(tags::CONCEPT_NAME_CODE_SEQUENCE, name);
        }
        to = match &self.value {
            Value::Container { template } => {
                let to = to.text(tags::VALUE_TYPE, VR::CS, "CONTAINER").text(
                    tags::CONTINUITY_OF_CONTENT,
                    VR::CS,
                    "SEPARATE",
                );
                match template {
                    Some(id) => to.items(
                        tags::CONTENT_TEMPLATE_SEQUENCE,
                        [Dataset::new().text(tags::MAPPING_RESOURCE, VR::CS, "DCMR").text(
                            tags::TEMPLATE_IDENTIFIER,
                            VR::CS,
                            id,
                        )],
                    ),
                    None => to,
                }
            }
            Value::Code(code) => {
                to.text(tags::VALUE_TYPE, VR::CS, "CODE").code(tags::CONCEPT_CODE_SEQUENCE, code)
            }
            Value::Text(text) => {
                to.text(tags::VALUE_TYPE, VR::CS, "TEXT").text(tags::TEXT_VALUE, VR::UT, text)
            }
            Value::UidRef(uid) => to.text(tags::VALUE_TYPE, VR::CS, "UIDREF").uid(tags::UID, uid),
            Value::Number { value, unit } => number(to.text(tags::VALUE_TYPE, VR::CS, "NUM"), *value, unit),
            Value::Image { image, segments } => {
                let mut reference = reference(image);
                if !segments.is_empty() {
                    reference = reference.shorts(tags::REFERENCED_SEGMENT_NUMBER, segments);
                }
                to.text(tags::VALUE_TYPE, VR::CS, "IMAGE").items(tags::REFERENCED_SOP_SEQUENCE, [reference])
            }
            Value::Composite { sop_class_uid, sop_instance_uid } => {
                to.text(tags::VALUE_TYPE, VR::CS, "COMPOSITE").items(
                    tags::REFERENCED_SOP_SEQUENCE,
                    [Dataset::new()
                        .uid(tags::REFERENCED_SOP_CLASS_UID, sop_class_uid)
                        .uid(tags::REFERENCED_SOP_INSTANCE_UID, sop_instance_uid)],
                )
            }
            Value::PersonName(name) => {
                to.text(tags::VALUE_TYPE, VR::CS, "PNAME").text(tags::PERSON_NAME, VR::PN, name)
            }
            Value::Region { graphic, points } => {
                let flat: Vec<f32> = points.iter().flatten().copied().collect();
                to.text(tags::VALUE_TYPE, VR::CS, "SCOORD")
                    .text(tags::GRAPHIC_TYPE, VR::CS, graphic)
                    .floats(tags::GRAPHIC_DATA, &flat)
            }
            Value::Space { graphic, points, frame_of_reference_uid } => {
                let flat: Vec<f32> =
                    points.iter().flat_map(|point| point.to_array()).map(|mm| mm as f32).collect();
                to.text(tags::VALUE_TYPE, VR::CS, "SCOORD3D")
                    .text(tags::GRAPHIC_TYPE, VR::CS, graphic)
                    .floats(tags::GRAPHIC_DATA, &flat)
                    .uid(tags::REFERENCED_FRAME_OF_REFERENCE_UID, frame_of_reference_uid)
            }
            Value::Other(word) => to.text(tags::VALUE_TYPE, VR::CS, word),
        };
        let mut children = self.children.iter().filter(|c| !matches!(c.value, Value::Other(_))).peekable();
        if children.peek().is_some() {
            to = to.items(tags::CONTENT_SEQUENCE, children.map(Self::to_dataset));
        }
        to
    }

    /// The tree below the root `object`, or `None` if it holds none.
    ///
    /// What makes no sense is left out, and so is what lies deeper than any template goes.
    pub(crate) fn read(object: &InMemDicomObject) -> Option<Self> {
        Self::read_at(object, 0)
    }

    fn read_at(object: &InMemDicomObject, depth: usize) -> Option<Self> {
        /// A hostile file must not exhaust the stack; templates nest about eight deep.
        const DEEPEST: usize = 64;
        if depth > DEEPEST {
            return None;
        }
        let word = text(object, tags::RELATIONSHIP_TYPE);
        let relation = match RELATIONS.iter().find(|(_, known)| *known == word) {
            Some((relation, _)) => *relation,
            None if depth == 0 => Relation::Contains,
            None => return None,
        };
        let children = items(object, tags::CONTENT_SEQUENCE);
        Some(Self {
            relation,
            name: code(object, tags::CONCEPT_NAME_CODE_SEQUENCE),
            value: value(object)?,
            children: children.iter().filter_map(|child| Self::read_at(child, depth + 1)).collect(),
        })
    }
}

/// Source: PS3.3 C.18.1. A failed measurement has no value and says why.
fn number(to: Dataset, value: Option<f64>, unit: &Code) -> Dataset {
    match value {
        Some(value) => {
            let short = decimal(value);
            let mut measured = Dataset::new()
                .code(tags::MEASUREMENT_UNITS_CODE_SEQUENCE, unit)
                .decimals(tags::NUMERIC_VALUE, &[value]);
            if short.parse() != Ok(value) {
                measured = measured.double(tags::FLOATING_POINT_VALUE, value);
            }
            to.items(tags::MEASURED_VALUE_SEQUENCE, [measured])
        }
        None => to
            .items(tags::MEASURED_VALUE_SEQUENCE, [])
            .code(tags::NUMERIC_VALUE_QUALIFIER_CODE_SEQUENCE, &template::NOT_A_NUMBER),
    }
}

/// An item of a sequence that refers to an image.
pub(crate) fn reference(image: &SliceRef) -> Dataset {
    let to = Dataset::new()
        .uid(tags::REFERENCED_SOP_CLASS_UID, &image.sop_class_uid)
        .uid(tags::REFERENCED_SOP_INSTANCE_UID, &image.sop_instance_uid);
    match image.frame {
        Some(frame) => to.integer(tags::REFERENCED_FRAME_NUMBER, frame),
        None => to,
    }
}

fn value(object: &InMemDicomObject) -> Option<Value> {
    let uid = |object: &InMemDicomObject, tag| Uid::parse(&text(object, tag)).ok();
    Some(match text(object, tags::VALUE_TYPE).as_str() {
        "CONTAINER" => {
            let template = items(object, tags::CONTENT_TEMPLATE_SEQUENCE).first();
            Value::Container { template: template.map(|item| text(item, tags::TEMPLATE_IDENTIFIER)) }
        }
        "CODE" => Value::Code(code(object, tags::CONCEPT_CODE_SEQUENCE)?),
        "TEXT" => Value::Text(text(object, tags::TEXT_VALUE)),
        "UIDREF" => Value::UidRef(uid(object, tags::UID)?),
        "NUM" => {
            let measured = items(object, tags::MEASURED_VALUE_SEQUENCE).first();
            let number = |tag| measured?.get(tag)?.to_float64().ok().filter(|value| value.is_finite());
            Value::Number {
                value: number(tags::FLOATING_POINT_VALUE).or_else(|| number(tags::NUMERIC_VALUE)),
                unit: measured
                    .and_then(|item| code(item, tags::MEASUREMENT_UNITS_CODE_SEQUENCE))
                    .unwrap_or(super::codes::NO_UNITS),
            }
        }
        "IMAGE" => {
            let reference = items(object, tags::REFERENCED_SOP_SEQUENCE).first()?;
            let many = |tag| reference.get(tag).and_then(|element| element.to_multi_int::<u32>().ok());
            Value::Image {
                image: SliceRef {
                    sop_class_uid: uid(reference, tags::REFERENCED_SOP_CLASS_UID)?,
                    sop_instance_uid: uid(reference, tags::REFERENCED_SOP_INSTANCE_UID)?,
                    frame: many(tags::REFERENCED_FRAME_NUMBER).and_then(|frames| frames.first().copied()),
                },
                segments: many(tags::REFERENCED_SEGMENT_NUMBER)
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|number| u16::try_from(number).ok())
                    .collect(),
            }
        }
        "COMPOSITE" => {
            let reference = items(object, tags::REFERENCED_SOP_SEQUENCE).first()?;
            Value::Composite {
                sop_class_uid: uid(reference, tags::REFERENCED_SOP_CLASS_UID)?,
                sop_instance_uid: uid(reference, tags::REFERENCED_SOP_INSTANCE_UID)?,
            }
        }
        "PNAME" => Value::PersonName(text(object, tags::PERSON_NAME)),
        "SCOORD" => {
            let flat = object.get(tags::GRAPHIC_DATA)?.to_multi_float32().ok()?;
            Value::Region {
                graphic: text(object, tags::GRAPHIC_TYPE),
                points: flat.chunks_exact(2).map(|point| [point[0], point[1]]).collect(),
            }
        }
        "SCOORD3D" => {
            let flat = object.get(tags::GRAPHIC_DATA)?.to_multi_float32().ok()?;
            let points = flat.chunks_exact(3).map(|p| Lps::from([p[0], p[1], p[2]].map(f64::from)));
            Value::Space {
                graphic: text(object, tags::GRAPHIC_TYPE),
                points: points.collect(),
                frame_of_reference_uid: uid(object, tags::REFERENCED_FRAME_OF_REFERENCE_UID)?,
            }
        }
        "" => return None,
        other => Value::Other(other.to_owned()),
    })
}

pub(super) fn items(object: &InMemDicomObject, tag: Tag) -> &[InMemDicomObject] {
    object.get(tag).and_then(|element| element.items()).unwrap_or_default()
}

fn code(object: &InMemDicomObject, tag: Tag) -> Option<Code> {
    let item = items(object, tag).first()?;
    let values = [tags::CODE_VALUE, tags::LONG_CODE_VALUE, tags::URN_CODE_VALUE];
    let value = values.iter().map(|tag| text(item, *tag)).find(|value| !value.is_empty())?;
    Some(Code::of(value, text(item, tags::CODING_SCHEME_DESIGNATOR), text(item, tags::CODE_MEANING)))
}
