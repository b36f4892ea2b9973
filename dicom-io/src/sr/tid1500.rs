//! Findings as a Comprehensive 3D SR that follows TID 1500.
//!
//! Every finding gets up to two groups with one tracking identity: a planar one (TID 1410), whose
//! outline viewers draw on the slice, and a volumetric one (TID 1411), which points at a segment of the
//! segmentation. A study in which nothing was found says so, in the form that validators accept
//! (TID 1501). Reading is in [`read`](super::read).
//!
//! Source: DICOM PS3.16 annex A, IHE AIR revision 1.3.

use std::collections::HashSet;

use dicom::core::VR;
use dicom::dictionary_std::{tags, uids};

use super::codes::{self, Code, template};
use super::content::{Item, Relation, Value, reference};
use crate::geometry::Ijk;
use crate::object::{Algorithm, Context, Dataset, Kind, NewSeries, Origin, ResultObject, text};
use crate::{SliceRef, Uid};

/// The language that the free text of a report is written in. Code meanings are English in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    English,
    /// Chinese as written in China.
    Chinese,
}

impl Language {
    pub(crate) fn code(self) -> Code {
        match self {
            Self::English => Code::new("en", "RFC5646", "English"),
            Self::Chinese => Code::new("zh-CN", "RFC5646", "Chinese (China)"),
        }
    }
}

/// One number about a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// What was measured, such as [`codes::VOLUME`].
    pub name: Code,
    /// The value, rounded as a reader should see it. What is not finite is written as a failed
    /// measurement.
    pub value: f64,
    /// In which unit (UCUM), such as [`codes::MM3`].
    pub unit: Code,
    /// Which statistic of many values it is, such as [`codes::MEAN`].
    pub derivation: Option<Code>,
    /// How it was measured, such as [`codes::SUM_OF_SEGMENTED_VOXELS`].
    pub method: Option<Code>,
}

impl Measurement {
    /// A number that is no statistic and needs no method.
    pub fn new(name: Code, value: f64, unit: Code) -> Self {
        Self { name, value, unit, derivation: None, method: None }
    }

    /// The same number as a statistic of many.
    pub fn derived(self, derivation: Code) -> Self {
        Self { derivation: Some(derivation), ..self }
    }

    /// The same number, measured in this way.
    pub fn by(self, method: Code) -> Self {
        Self { method: Some(method), ..self }
    }

    fn item(&self) -> Item {
        let unit = self.unit.clone();
        let value = Value::Number { value: Some(self.value).filter(|value| value.is_finite()), unit };
        let modifier = |name: Code, code: &Option<Code>| {
            code.clone().map(|code| Item::new(Relation::HasConceptMod, name, Value::Code(code)))
        };
        Item::new(Relation::Contains, self.name.clone(), value)
            .with(modifier(template::MEASUREMENT_METHOD, &self.method))
            .with(modifier(template::DERIVATION, &self.derivation))
    }
}

/// Where in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The organ or part, such as [`codes::LUNG`].
    pub place: Code,
    /// [`codes::LEFT`], [`codes::RIGHT`] or [`codes::BILATERAL`], where it is known and the organ is paired.
    pub laterality: Option<Code>,
}

impl Site {
    fn item(&self) -> Item {
        let laterality = self.laterality.clone();
        let laterality = laterality
            .map(|code| Item::new(Relation::HasConceptMod, template::LATERALITY, Value::Code(code)));
        Item::new(Relation::HasConceptMod, template::FINDING_SITE, Value::Code(self.place.clone()))
            .with(laterality)
    }
}

/// A finding in its largest slice.
#[derive(Debug, Clone, PartialEq)]
pub struct Planar {
    /// The corners of its outline, at least three, all in one slice (one integer k). The line from the
    /// last to the first closes it.
    pub outline: Vec<Ijk>,
    /// What was measured in that slice, at least one.
    pub measurements: Vec<Measurement>,
}

/// A finding as a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Volumetric {
    /// The number of its segment in [`MeasurementReport::segmentation`].
    pub segment: u16,
    /// What was measured of the whole body, at least one.
    pub measurements: Vec<Measurement>,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What a reader calls it, such as `Nodule 1`. The same in the segmentation.
    pub tracking_id: String,
    /// Which finding it is, in this study and in later ones. The same in the segmentation.
    pub tracking_uid: Uid,
    /// What sort of thing, such as [`codes::MORPHOLOGICALLY_ABNORMAL_STRUCTURE`].
    pub category: Code,
    /// What it is, such as [`codes::NODULE`].
    pub finding: Code,
    /// Where it lies; may be empty.
    pub sites: Vec<Site>,
    /// Which of [`Context::algorithms`] found it.
    pub algorithm: usize,
    /// Its largest slice. At least one of this and `volumetric`.
    pub planar: Option<Planar>,
    /// The whole of it.
    pub volumetric: Option<Volumetric>,
    /// What was asked about it and the answer, such as [`codes::DIFFERENCE_IN_SIZE`] and
    /// [`codes::INCREASE_IN_SIZE`].
    pub qualities: Vec<(Code, Code)>,
    /// Whatever else a reader should know, in the language of the report.
    pub comment: Option<String>,
}

/// Something that was looked for and not found.
#[derive(Debug, Clone, PartialEq)]
pub struct Absence {
    /// What was looked for, such as [`codes::NODULE`].
    pub finding: Code,
    /// Where it was looked for; may be empty.
    pub sites: Vec<Site>,
    /// Which of [`Context::algorithms`] looked.
    pub algorithm: usize,
}

/// The findings of one analysis. At least one finding or absence.
#[derive(Debug, Clone)]
pub struct MeasurementReport<'a> {
    /// The language of the free text.
    pub language: Language,
    /// The series that the report goes into.
    pub series: NewSeries,
    /// The imaging procedure that was analysed, not the analysis: [`codes::CT_CHEST`].
    pub procedure: Code,
    /// The segmentation that findings refer to.
    pub segmentation: Option<&'a ResultObject>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// What was looked for and not found.
    pub absent: Vec<Absence>,
    /// What is advised, each with the name of its rule, in the language of the report.
    pub recommendations: Vec<String>,
}

impl MeasurementReport<'_> {
    /// The report as a Comprehensive 3D SR: complete, unverified, preliminary.
    ///
    /// # Panics
    ///
    /// If the report says nothing, if a finding has no region or a group no measurement, or if it refers
    /// to a slice, segment or algorithm that is not there: mistakes of the caller.
    pub fn to_object(&self, context: &Context) -> ResultObject {
        assert!(
            !(self.findings.is_empty() && self.absent.is_empty()),
            "a report says what was found or what was not"
        );
        let kind = Kind { sop_class: uids::COMPREHENSIVE3_DSR_STORAGE, modality: "SR" };
        let header = context
            .header(&kind, &self.series)
            .integer(tags::INSTANCE_NUMBER, 1)
            .items(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, [])
            .items(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, [])
            .text(tags::COMPLETION_FLAG, VR::CS, "COMPLETE")
            .text(tags::VERIFICATION_FLAG, VR::CS, "UNVERIFIED")
            .text(tags::PRELIMINARY_FLAG, VR::CS, "PRELIMINARY")
            .items(
                tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE,
                [evidence(context, self.segmentation)],
            );
        ResultObject::new(header.with(self.tree(context).to_root()), context)
    }

    fn tree(&self, context: &Context) -> Item {
        let title = Value::Container { template: Some("1500".into()) };
        let language = Value::Code(self.language.code());
        let procedure = Value::Code(self.procedure.clone());
        let mut groups = Vec::new();
        for finding in &self.findings {
            let head = head(finding, context);
            assert!(finding.planar.is_some() || finding.volumetric.is_some(), "a finding lies somewhere");
            groups.extend(finding.planar.iter().map(|planar| {
                group("1410", head.clone())
                    .with([region(planar, context)])
                    .with(measurements(&planar.measurements))
                    .with(qualities(finding))
                    .with(comment(finding))
            }));
            groups.extend(finding.volumetric.iter().map(|volumetric| {
                group("1411", head.clone())
                    .with(self.segment(volumetric, context))
                    .with(measurements(&volumetric.measurements))
                    .with(qualities(finding))
                    .with(comment(finding))
            }));
        }
        groups.extend(self.absent.iter().map(|absence| absent(absence, context)));
        // Row 14 of the template: text, in a container that holds no numbers.
        let recommendations = (!self.recommendations.is_empty()).then(|| {
            let texts = self.recommendations.iter().map(|text| {
                Item::new(Relation::Contains, template::RECOMMENDATION, Value::Text(text.clone()))
            });
            Item::container(template::QUALITATIVE_EVALUATIONS).with(texts)
        });

        Item::new(Relation::Contains, codes::IMAGING_MEASUREMENT_REPORT, title)
            .with([Item::new(Relation::HasConceptMod, template::LANGUAGE, language)])
            .with(observer(&context.origin()))
            .with([
                Item::new(Relation::HasConceptMod, template::PROCEDURE_REPORTED, procedure),
                image_library(context),
                Item::container(template::IMAGING_MEASUREMENTS).with(groups),
            ])
            .with(recommendations)
    }

    /// The segment and the series it was drawn in.
    fn segment(&self, volumetric: &Volumetric, context: &Context) -> [Item; 2] {
        let segmentation = self.segmentation.expect("a segment is one of a segmentation");
        let image = SliceRef {
            sop_class_uid: segmentation.sop_class_uid().clone(),
            sop_instance_uid: segmentation.sop_instance_uid().clone(),
            frame: None,
        };
        let segment = Value::Image { image, segments: vec![volumetric.segment] };
        let series = Value::UidRef(context.source.series_uid().clone());
        [
            Item::new(Relation::Contains, template::REFERENCED_SEGMENT, segment),
            Item::new(Relation::Contains, template::SOURCE_SERIES, series),
        ]
    }
}

/// TID 1001, 1002 and 1004: who observed.
pub(super) fn observer(origin: &Origin) -> [Item; 5] {
    let item = |name, value| Item::new(Relation::HasObsContext, name, value);
    let observer = origin.observer();
    [
        item(template::OBSERVER_TYPE, Value::Code(template::DEVICE)),
        item(template::DEVICE_OBSERVER_UID, Value::UidRef(observer.device_uid)),
        item(template::DEVICE_OBSERVER_NAME, Value::Text(origin.equipment.model_name.clone())),
        item(template::DEVICE_OBSERVER_MANUFACTURER, Value::Text(observer.manufacturer)),
        item(template::DEVICE_OBSERVER_MODEL_NAME, Value::Text(observer.name)),
    ]
}

/// TID 4019: what found it.
fn algorithm(algorithm: &Algorithm) -> Vec<Item> {
    let item = |name, value| Item::new(Relation::HasConceptMod, name, value);
    let mut items = vec![
        item(template::ALGORITHM_NAME, Value::Text(algorithm.name.clone())),
        item(template::ALGORITHM_VERSION, Value::Text(algorithm.version.clone())),
    ];
    let parameters = algorithm.parameters.iter();
    items.extend(parameters.map(|text| item(template::ALGORITHM_PARAMETERS, Value::Text(text.clone()))));
    items.push(item(template::ALGORITHM_FAMILY, Value::Code(template::ARTIFICIAL_INTELLIGENCE)));
    items
}

/// TID 1600: the images that were looked at.
fn image_library(context: &Context) -> Item {
    let modality = match text(context.source.object(), tags::MODALITY).as_str() {
        "CT" => Some(Code::new("CT", "DCM", "Computed Tomography")),
        "MR" => Some(Code::new("MR", "DCM", "Magnetic Resonance")),
        _ => None,
    };
    let modality =
        modality.map(|code| Item::new(Relation::HasAcqContext, template::MODALITY, Value::Code(code)));
    let frame = Value::UidRef(context.frame_of_reference());
    let images = context.slices.iter().map(|slice| {
        let value = Value::Image { image: slice.clone(), segments: Vec::new() };
        Item::new(Relation::Contains, None, value)
    });
    Item::container(template::IMAGE_LIBRARY).with([Item::container(template::IMAGE_LIBRARY_GROUP)
        .with(modality)
        .with([Item::new(Relation::HasAcqContext, template::FRAME_OF_REFERENCE_UID, frame)])
        .with(images)])
}

fn group(template: &str, head: Vec<Item>) -> Item {
    let value = Value::Container { template: Some(template.into()) };
    Item::new(Relation::Contains, template::MEASUREMENT_GROUP, value).with(head)
}

/// What the planar and the volumetric group of one finding have in common.
fn head(finding: &Finding, context: &Context) -> Vec<Item> {
    let Finding { tracking_id, tracking_uid, category, finding: kind, sites, .. } = finding;
    let mut items = vec![
        Item::new(Relation::HasObsContext, template::TRACKING_IDENTIFIER, Value::Text(tracking_id.clone())),
        Item::new(
            Relation::HasObsContext,
            template::TRACKING_UNIQUE_IDENTIFIER,
            Value::UidRef(tracking_uid.clone()),
        ),
        Item::new(Relation::Contains, template::FINDING_CATEGORY, Value::Code(category.clone())),
        Item::new(Relation::Contains, template::FINDING, Value::Code(kind.clone())),
    ];
    items.extend(sites.iter().map(Site::item));
    items.extend(algorithm(&context.algorithms[finding.algorithm]));
    items
}

fn measurements(measurements: &[Measurement]) -> impl Iterator<Item = Item> {
    assert!(!measurements.is_empty(), "TID 1419 wants at least one measurement");
    measurements.iter().map(Measurement::item)
}

fn qualities(finding: &Finding) -> impl Iterator<Item = Item> {
    let item = |(name, answer): &(Code, Code)| {
        Item::new(Relation::Contains, name.clone(), Value::Code(answer.clone()))
    };
    finding.qualities.iter().map(item)
}

fn comment(finding: &Finding) -> Option<Item> {
    let text = finding.comment.clone()?;
    Some(Item::new(Relation::Contains, template::COMMENT, Value::Text(text)))
}

/// The outline as a closed line on its slice.
fn region(planar: &Planar, context: &Context) -> Item {
    let outline = &planar.outline;
    assert!(outline.len() >= 3, "an outline encloses an area");
    let k = outline[0].k;
    assert!(outline.iter().all(|corner| corner.k == k), "an outline lies in one slice");
    let slice = context.slices.get(k as usize).filter(|_| k.fract() == 0.0 && k >= 0.0);
    let slice = slice.expect("an outline lies in a slice of the series").clone();

    // Our integers are pixel centres, in a report the first pixel's centre is (0.5, 0.5).
    // Source: PS3.3 C.18.6.1.2.
    let closed = outline.iter().chain(outline.first());
    let points = closed.map(|corner| [(corner.i + 0.5) as f32, (corner.j + 0.5) as f32]).collect();
    let image = Value::Image { image: slice, segments: Vec::new() };
    Item::new(
        Relation::Contains,
        template::IMAGE_REGION,
        Value::Region { graphic: "POLYLINE".into(), points },
    )
    .with([Item::new(Relation::SelectedFrom, None, image)])
}

/// A group that says that something was looked for in these images and is absent.
///
/// TID 1501 holds it because algorithm items within Qualitative Evaluations, which the standard allows
/// too, are errors for the PixelMed validator.
fn absent(absence: &Absence, context: &Context) -> Item {
    let images = context.slices.iter().map(|slice| {
        let value = Value::Image { image: slice.clone(), segments: Vec::new() };
        Item::new(Relation::Contains, template::SOURCE_OF_MEASUREMENT, value)
    });
    let answer = Value::Code(codes::ABSENT);
    group("1501", absence.sites.iter().map(Site::item).collect())
        .with(algorithm(&context.algorithms[absence.algorithm]))
        .with(images)
        .with([Item::new(Relation::Contains, absence.finding.clone(), answer)])
}

/// Every object of this study that the report refers to: each slice once, and the segmentation.
pub(crate) fn evidence(context: &Context, segmentation: Option<&ResultObject>) -> Dataset {
    let series = |uid: &Uid, objects: Vec<Dataset>| {
        Dataset::new().uid(tags::SERIES_INSTANCE_UID, uid).items(tags::REFERENCED_SOP_SEQUENCE, objects)
    };
    // A multi-frame image holds many slices.
    let mut seen = HashSet::new();
    let slices = context
        .slices
        .iter()
        .filter(|slice| seen.insert(&slice.sop_instance_uid))
        .map(|slice| reference(&SliceRef { frame: None, ..slice.clone() }))
        .collect();
    let mut all = vec![series(context.source.series_uid(), slices)];
    all.extend(segmentation.map(|object| {
        let reference = Dataset::new()
            .uid(tags::REFERENCED_SOP_CLASS_UID, object.sop_class_uid())
            .uid(tags::REFERENCED_SOP_INSTANCE_UID, object.sop_instance_uid());
        series(object.series_uid(), vec![reference])
    }));
    Dataset::new()
        .uid(tags::STUDY_INSTANCE_UID, context.source.study_uid())
        .items(tags::REFERENCED_SERIES_SEQUENCE, all)
}
