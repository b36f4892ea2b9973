//! A report of words read back, ours or another program's: its text, and what it says about itself.

use std::path::Path;

use dicom::core::{Tag, VR};
use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;

use super::codes::template;
use super::content::{Item, Relation, Value, items};
use super::tid1500::Language;
use super::tid2000::{Author, Observer, RULE, Section, Sentence, TextReport};
use crate::Uid;
use crate::error::Error;
use crate::object::{Dataset, DateTime, text};
use crate::source::Source;

/// An object that a report refers to, and where an archive keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Referenced {
    /// Study Instance UID.
    pub study_uid: Uid,
    /// Series Instance UID.
    pub series_uid: Uid,
    /// SOP Class UID.
    pub sop_class_uid: Uid,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
}

/// A signature: somebody has read the report and stands for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Their name, as DICOM writes names.
    pub name: String,
    /// Where they work. The standard does not allow it to be empty.
    pub organization: String,
    /// When.
    pub at: DateTime,
}

/// A report of words as it was read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The words.
    pub report: TextReport,
    /// What it is itself.
    pub itself: Referenced,
    /// The documents that it takes the place of.
    pub predecessors: Vec<Referenced>,
    /// Who wrote it, besides the program that made the file.
    pub authors: Vec<Observer>,
    /// Who has signed it.
    pub verified: Vec<Verification>,
    /// When its content was made; `None` where it does not say.
    pub created: Option<DateTime>,
}

impl Document {
    /// Reads a file, and whom and what study it is about, so that another version of it can be written.
    ///
    /// # Errors
    ///
    /// [`Error::NotAReport`] if it holds no structured report with text.
    pub fn open(path: &Path) -> Result<(Self, Source), Error> {
        let object = super::open(path)?;
        let document = Self::read(&object)?;
        let source = Source::of_report(&object).ok_or(Error::NotAReport("a UID is missing"))?;
        Ok((document, source))
    }

    /// Reads the text of a structured report of any template.
    ///
    /// Every text item of the content counts, in its order; texts that are context, such as the name of a
    /// device, do not. The heading is the name of the nearest container, or the item's own where there is
    /// none but the root.
    ///
    /// # Errors
    ///
    /// [`Error::NotAReport`] if there is no such text, or if the object does not say which one it is.
    pub fn read(object: &InMemDicomObject) -> Result<Self, Error> {
        let root = Item::read(object).ok_or(Error::NotAReport("it has no content"))?;
        let mut sections = Vec::new();
        gather(&root, None, &mut sections);
        if sections.is_empty() {
            return Err(Error::NotAReport("it has no text"));
        }
        let uid = |tag| Uid::parse(&text(object, tag)).ok();
        let itself = || {
            Some(Referenced {
                study_uid: uid(tags::STUDY_INSTANCE_UID)?,
                series_uid: uid(tags::SERIES_INSTANCE_UID)?,
                sop_class_uid: uid(tags::SOP_CLASS_UID)?,
                sop_instance_uid: uid(tags::SOP_INSTANCE_UID)?,
            })
        };
        let itself = itself().ok_or(Error::NotAReport("a UID is missing"))?;
        let mut evidence = referenced(object, tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE);
        evidence.extend(referenced(object, tags::PERTINENT_OTHER_EVIDENCE_SEQUENCE));
        let measured = composite(&root);
        let at = evidence.iter().position(|known| Some(&known.sop_instance_uid) == measured.as_ref());
        let measured = at.map(|at| evidence.remove(at));
        let language = root.code(template::LANGUAGE);
        let languages = [Language::English, Language::Chinese];
        let created = text(object, tags::CONTENT_DATE) + &text(object, tags::CONTENT_TIME);
        Ok(Self {
            report: TextReport {
                language: languages.into_iter().find(|known| Some(&known.code()) == language),
                title: root.name.clone().ok_or(Error::NotAReport("it has no title"))?,
                procedure: root.code(template::PROCEDURE_REPORTED).cloned(),
                sections,
                measured,
                evidence,
            },
            itself,
            predecessors: referenced(object, tags::PREDECESSOR_DOCUMENTS_SEQUENCE),
            authors: items(object, tags::AUTHOR_OBSERVER_SEQUENCE).iter().filter_map(author).collect(),
            verified: items(object, tags::VERIFYING_OBSERVER_SEQUENCE).iter().filter_map(signature).collect(),
            created: DateTime::parse(&created),
        })
    }
}

/// Adds the text below `item` to `sections`; `heading` is the nearest container with a name but the root.
fn gather(item: &Item, heading: Option<&Item>, sections: &mut Vec<Section>) {
    // The section of this very item: two containers with one name are two sections.
    let mut own: Option<usize> = None;
    for child in &item.children {
        match (&child.value, &child.name) {
            (Value::Text(words), name) if child.relation == Relation::Contains && !words.is_empty() => {
                let Some(code) = heading.and_then(|item| item.name.as_ref()).or(name.as_ref()) else {
                    continue;
                };
                let last = sections.len().checked_sub(1);
                let same = own.filter(|own| Some(*own) == last && sections[*own].heading == *code);
                let at = same.unwrap_or_else(|| {
                    let observer = heading.and_then(observer);
                    sections.push(Section { heading: code.clone(), observer, sentences: Vec::new() });
                    sections.len() - 1
                });
                own = Some(at);
                sections[at].sentences.push(sentence(child, words));
            }
            (Value::Container { .. }, Some(_)) => gather(child, Some(child), sections),
            _ => gather(child, heading, sections),
        }
    }
}

fn sentence(item: &Item, words: &str) -> Sentence {
    let name = item.text(template::ALGORITHM_NAME).map(str::to_owned);
    let algorithm = name.map(|name| Author::Algorithm {
        name,
        version: item.text(template::ALGORITHM_VERSION).map(str::to_owned),
        learned: item.code(template::ALGORITHM_FAMILY).is_some(),
    });
    let person = item.named(template::PERSON_OBSERVER_NAME).find_map(|child| match &child.value {
        Value::PersonName(name) => Some(Author::Person(name.clone())),
        _ => None,
    });
    let mut sentence =
        Sentence { text: words.to_owned(), author: person.or(algorithm), ..Sentence::default() };
    for child in &item.children {
        match &child.value {
            Value::UidRef(uid) if child.name.as_ref() == Some(&template::LESION) => {
                sentence.lesions.push(uid.clone());
            }
            Value::Image { image, .. } => sentence.images.push(image.clone()),
            Value::Text(text) => sentence.rules.extend(text.strip_prefix(RULE).map(str::to_owned)),
            _ => {}
        }
    }
    sentence
}

/// The observer that a section names.
fn observer(container: &Item) -> Option<Observer> {
    let name = container.named(template::PERSON_OBSERVER_NAME).find_map(|item| match &item.value {
        Value::PersonName(name) => Some(name.clone()),
        _ => None,
    });
    let organization = container.text(template::PERSON_OBSERVER_ORGANIZATION).map(str::to_owned);
    name.map(|name| Observer::Person { name, organization }).or_else(|| {
        Some(Observer::Device {
            uid: container.uid(template::DEVICE_OBSERVER_UID)?.clone(),
            name: container.text(template::DEVICE_OBSERVER_NAME).unwrap_or_default().to_owned(),
        })
    })
}

/// The first object that is no image from which some text was inferred.
fn composite(item: &Item) -> Option<Uid> {
    item.children.iter().find_map(|child| match &child.value {
        Value::Composite { sop_instance_uid, .. } if child.relation == Relation::InferredFrom => {
            Some(sop_instance_uid.clone())
        }
        _ => composite(child),
    })
}

fn author(item: &InMemDicomObject) -> Option<Observer> {
    Some(match text(item, tags::OBSERVER_TYPE).as_str() {
        "PSN" => Observer::Person {
            name: text(item, tags::PERSON_NAME),
            organization: Some(text(item, tags::INSTITUTION_NAME)).filter(|name| !name.is_empty()),
        },
        "DEV" => Observer::Device {
            uid: Uid::parse(&text(item, tags::DEVICE_UID)).ok()?,
            name: text(item, tags::MANUFACTURER_MODEL_NAME),
        },
        _ => return None,
    })
}

fn signature(item: &InMemDicomObject) -> Option<Verification> {
    Some(Verification {
        name: text(item, tags::VERIFYING_OBSERVER_NAME),
        organization: text(item, tags::VERIFYING_ORGANIZATION),
        at: DateTime::parse(&text(item, tags::VERIFICATION_DATE_TIME))?,
    })
}

impl Verification {
    /// An item of Verifying Observer Sequence. Source: PS3.3 table C.17-2.
    pub(super) fn to_dataset(&self) -> Dataset {
        Dataset::new()
            .text(tags::VERIFYING_ORGANIZATION, VR::LO, &self.organization)
            .text(tags::VERIFICATION_DATE_TIME, VR::DT, &self.at.value())
            .text(tags::VERIFYING_OBSERVER_NAME, VR::PN, &self.name)
            .items(tags::VERIFYING_OBSERVER_IDENTIFICATION_CODE_SEQUENCE, [])
    }
}

/// The objects in a sequence of studies, series and instances. Source: PS3.3 table C.17-3.
fn referenced(object: &InMemDicomObject, tag: Tag) -> Vec<Referenced> {
    let uid = |item: &InMemDicomObject, tag| Uid::parse(&text(item, tag)).ok();
    let mut found = Vec::new();
    for study in items(object, tag) {
        for series in items(study, tags::REFERENCED_SERIES_SEQUENCE) {
            for instance in items(series, tags::REFERENCED_SOP_SEQUENCE) {
                let referenced = || {
                    Some(Referenced {
                        study_uid: uid(study, tags::STUDY_INSTANCE_UID)?,
                        series_uid: uid(series, tags::SERIES_INSTANCE_UID)?,
                        sop_class_uid: uid(instance, tags::REFERENCED_SOP_CLASS_UID)?,
                        sop_instance_uid: uid(instance, tags::REFERENCED_SOP_INSTANCE_UID)?,
                    })
                };
                found.extend(referenced());
            }
        }
    }
    found
}

/// Lists, each with the UID that it belongs to.
type ByUid<'a, T> = Vec<(&'a Uid, Vec<T>)>;

/// The same the other way: an item for each study, with an item for each series in it.
pub(super) fn grouped<'a>(all: impl IntoIterator<Item = &'a Referenced>) -> Vec<Dataset> {
    let mut studies: ByUid<'a, (&'a Uid, Vec<Dataset>)> = Vec::new();
    for one in all {
        let instance = Dataset::new()
            .uid(tags::REFERENCED_SOP_CLASS_UID, &one.sop_class_uid)
            .uid(tags::REFERENCED_SOP_INSTANCE_UID, &one.sop_instance_uid);
        let series = entry(&mut studies, &one.study_uid);
        entry(series, &one.series_uid).push(instance);
    }
    let series = |(uid, instances): (&Uid, Vec<Dataset>)| {
        Dataset::new().uid(tags::SERIES_INSTANCE_UID, uid).items(tags::REFERENCED_SOP_SEQUENCE, instances)
    };
    let study = |(uid, all): (&Uid, ByUid<'_, Dataset>)| {
        Dataset::new()
            .uid(tags::STUDY_INSTANCE_UID, uid)
            .items(tags::REFERENCED_SERIES_SEQUENCE, all.into_iter().map(series))
    };
    studies.into_iter().map(study).collect()
}

/// The list that belongs to `uid`, added where there is none yet.
fn entry<'a, 'u, T>(lists: &'a mut ByUid<'u, T>, uid: &'u Uid) -> &'a mut Vec<T> {
    let at = lists.iter().position(|(known, _)| *known == uid).unwrap_or_else(|| {
        lists.push((uid, Vec::new()));
        lists.len() - 1
    });
    &mut lists[at].1
}
