//! Words as a Basic Text SR that follows TID 2000: sections of sentences, and what each rests on.
//!
//! Basic Text rather than Enhanced SR: it is the class that archives and viewers show most widely, and
//! nothing here needs numbers or coordinates, those are in the measurement report. Its relations allow what
//! is wanted: a text that is INFERRED FROM another object, an image or an identifier.
//!
//! What the template does not name is there as well, and validators that know the template pass it over
//! with a warning: who wrote a sentence, the reference to the measurement report, and the identifiers of the
//! lesions that a sentence speaks of. TID 2000 is extensible.
//!
//! Source: DICOM PS3.16 TID 2000, 2001 and 2002, PS3.3 A.35.1. Reading is in
//! [`document`](super::document).

use dicom::core::VR;
use dicom::dictionary_std::{tags, uids};

use super::codes::{self, Code, template};
use super::content::{Item, Relation, Value};
use super::document::{Referenced, Verification, grouped};
use super::tid1500::{Language, observer};
use crate::object::{Dataset, Kind, NewSeries, Origin, ResultObject};
use crate::{SliceRef, Uid};

/// A report in words.
#[derive(Debug, Clone, PartialEq)]
pub struct TextReport {
    /// The language of the words, where it is one of ours.
    pub language: Option<Language>,
    /// What kind of report it is, such as [`codes::DIAGNOSTIC_IMAGING_REPORT`].
    pub title: Code,
    /// The imaging procedure that is reported, such as [`codes::CT_CHEST`].
    pub procedure: Option<Code>,
    /// The sections, in their order.
    pub sections: Vec<Section>,
    /// The measurement report that the words rest on.
    pub measured: Option<Referenced>,
    /// Every other object of the study that the words refer to: images, key images.
    pub evidence: Vec<Referenced>,
}

/// A heading and what stands below it.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The heading, such as [`codes::FINDINGS`].
    pub heading: Code,
    /// Who observed, if not the observer of the whole report.
    pub observer: Option<Observer>,
    /// What stands below it.
    pub sentences: Vec<Sentence>,
}

/// One text item of a report. Programs other than ours put whole paragraphs into one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sentence {
    /// The words.
    pub text: String,
    /// Who wrote it, if that is said.
    pub author: Option<Author>,
    /// The Tracking Unique Identifiers of the lesions that it speaks of.
    pub lesions: Vec<Uid>,
    /// The images that show them best.
    pub images: Vec<SliceRef>,
    /// The rules that it follows, by name.
    pub rules: Vec<String>,
}

/// Who wrote a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// A program.
    Algorithm {
        /// Algorithm Name.
        name: String,
        /// Algorithm Version, where it is known.
        version: Option<String>,
        /// Whether it is a language model rather than a template.
        learned: bool,
    },
    /// A person, as DICOM writes names.
    Person(String),
}

/// Who observed what a section says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observer {
    /// A person.
    Person {
        /// Their name, as DICOM writes names.
        name: String,
        /// Where they work.
        organization: Option<String>,
    },
    /// A program.
    Device {
        /// Which one, for good.
        uid: Uid,
        /// What it is called.
        name: String,
    },
}

/// What a report of words is: a first draft, a changed version of another, or signed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Standing {
    /// The version that this one takes the place of.
    pub predecessor: Option<Referenced>,
    /// Who wrote it, besides the program that made the file.
    pub authors: Vec<Observer>,
    /// Who has signed it; nobody has: it is preliminary.
    pub verified: Vec<Verification>,
}

impl TextReport {
    /// The report as a Basic Text SR: complete; verified and final if somebody signed it, else unverified and
    /// preliminary.
    ///
    /// It gets a series of its own, so that versions never share one.
    pub fn to_object(&self, origin: &Origin, series: &NewSeries, standing: &Standing) -> ResultObject {
        let kind = Kind { sop_class: uids::BASIC_TEXT_SR_STORAGE, modality: "SR" };
        let signed = !standing.verified.is_empty();
        let either = |yes, no| if signed { yes } else { no };
        let mut content = Dataset::new()
            .integer(tags::INSTANCE_NUMBER, 1)
            .items(tags::REFERENCED_PERFORMED_PROCEDURE_STEP_SEQUENCE, [])
            .items(tags::PERFORMED_PROCEDURE_CODE_SEQUENCE, [])
            .text(tags::COMPLETION_FLAG, VR::CS, "COMPLETE")
            .text(tags::VERIFICATION_FLAG, VR::CS, either("VERIFIED", "UNVERIFIED"))
            .text(tags::PRELIMINARY_FLAG, VR::CS, either("FINAL", "PRELIMINARY"));
        if signed {
            let signatures = standing.verified.iter().map(Verification::to_dataset);
            content = content.items(tags::VERIFYING_OBSERVER_SEQUENCE, signatures);
        }
        if !standing.authors.is_empty() {
            let authors = standing.authors.iter().map(|author| author.to_dataset(origin));
            content = content.items(tags::AUTHOR_OBSERVER_SEQUENCE, authors);
        }
        if let Some(predecessor) = &standing.predecessor {
            content = content.items(tags::PREDECESSOR_DOCUMENTS_SEQUENCE, grouped([predecessor]));
        }
        // What was predecessor of a predecessor is no evidence: the words do not rest on it.
        let study = origin.source.study_uid();
        let evidence: Vec<&Referenced> = self.measured.iter().chain(&self.evidence).collect();
        let (this, others): (Vec<_>, Vec<_>) =
            evidence.into_iter().partition(|referenced| referenced.study_uid == *study);
        for (tag, list) in [
            (tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE, this),
            (tags::PERTINENT_OTHER_EVIDENCE_SEQUENCE, others),
        ] {
            if !list.is_empty() {
                content = content.items(tag, grouped(list));
            }
        }
        let content = content.with(self.tree(origin).to_root());
        origin.document(&kind, series, content, standing.predecessor.is_some())
    }

    fn tree(&self, origin: &Origin) -> Item {
        let title = Value::Container { template: Some("2000".into()) };
        let language = self.language.map(|language| {
            Item::new(Relation::HasConceptMod, template::LANGUAGE, Value::Code(language.code()))
        });
        let procedure = self
            .procedure
            .clone()
            .map(|code| Item::new(Relation::HasConceptMod, template::PROCEDURE_REPORTED, Value::Code(code)));
        Item::new(Relation::Contains, self.title.clone(), title)
            .with(language)
            .with(procedure)
            .with(observer(origin))
            .with(self.sections.iter().map(|section| self.section(section)))
    }

    fn section(&self, section: &Section) -> Item {
        // A heading has its plural, an element of it the singular. Source: CID 7001 and 7002.
        let names =
            [(codes::IMPRESSIONS, template::IMPRESSION), (codes::RECOMMENDATIONS, template::RECOMMENDATION)];
        let name = names.into_iter().find(|(heading, _)| *heading == section.heading);
        let name = name.map_or(template::FINDING, |(_, name)| name);
        Item::container(section.heading.clone())
            .with(section.observer.iter().flat_map(Observer::items))
            .with(section.sentences.iter().map(|sentence| self.sentence(name.clone(), sentence)))
    }

    fn sentence(&self, name: Code, sentence: &Sentence) -> Item {
        let modifier =
            |name, text: &str| Item::new(Relation::HasConceptMod, name, Value::Text(text.to_owned()));
        let author = match &sentence.author {
            Some(Author::Algorithm { name, version, learned }) => {
                let mut items = vec![modifier(template::ALGORITHM_NAME, name)];
                items.extend(version.iter().map(|version| modifier(template::ALGORITHM_VERSION, version)));
                items.extend(learned.then(|| {
                    let family = Value::Code(template::ARTIFICIAL_INTELLIGENCE);
                    Item::new(Relation::HasConceptMod, template::ALGORITHM_FAMILY, family)
                }));
                items
            }
            Some(Author::Person(name)) => {
                let name = Value::PersonName(name.clone());
                vec![Item::new(Relation::HasProperties, template::PERSON_OBSERVER_NAME, name)]
            }
            None => Vec::new(),
        };
        let inferred = |name: Code, value| Item::new(Relation::InferredFrom, name, value);
        let rules = sentence.rules.iter();
        let images = sentence.images.iter().map(|image| {
            let value = Value::Image { image: image.clone(), segments: Vec::new() };
            inferred(template::BEST_ILLUSTRATION, value)
        });
        let lesions = sentence.lesions.iter();
        let measured = self.measured.as_ref().map(|report| {
            let Referenced { sop_class_uid, sop_instance_uid, .. } = report.clone();
            let value = Value::Composite { sop_class_uid, sop_instance_uid };
            inferred(template::SOURCE_OF_MEASUREMENT, value)
        });
        Item::new(Relation::Contains, name, Value::Text(sentence.text.clone()))
            .with(author)
            .with(rules.map(|rule| modifier(template::ALGORITHM_PARAMETERS, &format!("{RULE}{rule}"))))
            .with(images)
            .with(lesions.map(|uid| inferred(template::LESION, Value::UidRef(uid.clone()))))
            // A sentence written by a person may rest on something else.
            .with(measured.filter(|_| !matches!(sentence.author, Some(Author::Person(_)))))
    }
}

/// What stands before the name of a rule among the parameters of an algorithm.
pub(super) const RULE: &str = "rule=";

impl Observer {
    /// TID 1002, 1003 and 1004.
    fn items(&self) -> Vec<Item> {
        let item = |name, value| Item::new(Relation::HasObsContext, name, value);
        match self {
            Self::Person { name, organization } => {
                let mut items = vec![
                    item(template::OBSERVER_TYPE, Value::Code(template::PERSON)),
                    item(template::PERSON_OBSERVER_NAME, Value::PersonName(name.clone())),
                ];
                items.extend(organization.iter().map(|organization| {
                    item(template::PERSON_OBSERVER_ORGANIZATION, Value::Text(organization.clone()))
                }));
                items
            }
            Self::Device { uid, name } => vec![
                item(template::OBSERVER_TYPE, Value::Code(template::DEVICE)),
                item(template::DEVICE_OBSERVER_UID, Value::UidRef(uid.clone())),
                item(template::DEVICE_OBSERVER_NAME, Value::Text(name.clone())),
            ],
        }
    }

    /// An item of Author Observer Sequence. Source: PS3.3 tables C.17-2 and C.17-3b.
    fn to_dataset(&self, origin: &Origin) -> Dataset {
        let organization = match self {
            Self::Person { organization, .. } => organization.as_deref().unwrap_or_default(),
            Self::Device { .. } => "",
        };
        let to = Dataset::new()
            .text(tags::INSTITUTION_NAME, VR::LO, organization)
            .items(tags::INSTITUTION_CODE_SEQUENCE, []);
        match self {
            Self::Person { name, .. } => to
                .text(tags::OBSERVER_TYPE, VR::CS, "PSN")
                .text(tags::PERSON_NAME, VR::PN, name)
                .items(tags::PERSON_IDENTIFICATION_CODE_SEQUENCE, []),
            Self::Device { uid, name } => to
                .text(tags::OBSERVER_TYPE, VR::CS, "DEV")
                .text(tags::STATION_NAME, VR::SH, "")
                .uid(tags::DEVICE_UID, uid)
                .text(tags::MANUFACTURER, VR::LO, &origin.equipment.manufacturer)
                .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, name),
        }
    }
}
