//! The words of a report as a DICOM report of words, and back.

use dicom_io::object::ResultObject;
use dicom_io::sr::{self, Code, Document, Referenced, Section, TextReport, codes};
use dicom_io::{Reading, SliceRef, Uid};

use super::procedure;
use crate::check;
use crate::finding::Finding;
use crate::narrative::{Author, Language, Narrative, Sentence};
use crate::report::Report;

/// What the template is called as the author of a sentence.
const TEMPLATE: &str = "Foci template";

/// What a language model is called that did not tell its name.
const MODEL: &str = "language model";

/// The words of `report`; `measured` is its measurement report, `key_images` belong to its findings, in their
/// order.
pub fn text_report(
    report: &Report,
    reading: &Reading,
    measured: Option<&ResultObject>,
    key_images: &[ResultObject],
) -> TextReport {
    let study_uid = reading.source.study_uid();
    let object = |object: &ResultObject| Referenced {
        study_uid: study_uid.clone(),
        series_uid: object.series_uid().clone(),
        sop_class_uid: object.sop_class_uid().clone(),
        sop_instance_uid: object.sop_instance_uid().clone(),
    };
    let slice = |finding: &Finding| reading.slices.get(finding.measurements.slice);
    let shown: Vec<Option<(SliceRef, Referenced)>> = report
        .findings
        .iter()
        .enumerate()
        .map(|(at, finding)| match key_images.get(at) {
            Some(picture) => {
                let image = SliceRef {
                    sop_class_uid: picture.sop_class_uid().clone(),
                    sop_instance_uid: picture.sop_instance_uid().clone(),
                    frame: None,
                };
                Some((image, object(picture)))
            }
            None => slice(finding).map(|slice| {
                let referenced = Referenced {
                    study_uid: study_uid.clone(),
                    series_uid: reading.source.series_uid().clone(),
                    sop_class_uid: slice.sop_class_uid.clone(),
                    sop_instance_uid: slice.sop_instance_uid.clone(),
                };
                (slice.clone(), referenced)
            }),
        })
        .collect();

    let image = |at: usize| shown[at].as_ref().map(|(image, _)| image.clone());
    let sections = sections(report, &image);
    let mut evidence: Vec<Referenced> =
        shown.into_iter().flatten().map(|(_, referenced)| referenced).collect();
    // Two findings may share a slice.
    evidence.sort_by(|a, b| a.sop_instance_uid.cmp(&b.sop_instance_uid));
    evidence.dedup();
    TextReport {
        language: Some(language(report.narrative.language)),
        title: codes::DIAGNOSTIC_IMAGING_REPORT,
        procedure: Some(procedure(&report.modality, &report.examined)),
        sections,
        measured: measured.map(object),
        evidence,
    }
}

/// The words of `report` in place of those of `document`, which was made of the same findings.
pub fn rewritten(report: &Report, document: &Document) -> TextReport {
    let before = document.report.sections.iter().flat_map(|section| &section.sentences);
    let shown: Vec<(&Uid, &SliceRef)> =
        before.flat_map(|sentence| sentence.lesions.iter().zip(&sentence.images)).collect();
    let image = |at: usize| {
        let lesion = &report.findings[at].tracking_uid;
        shown.iter().find(|(shown, _)| *shown == lesion).map(|(_, image)| (*image).clone())
    };
    TextReport {
        language: Some(language(report.narrative.language)),
        sections: sections(report, &image),
        ..document.report.clone()
    }
}

/// The sections that have words; `image` shows the finding at this place of the report.
fn sections(report: &Report, image: &dyn Fn(usize) -> Option<SliceRef>) -> Vec<Section> {
    let narrative = &report.narrative;
    let sentence = |sentence: &Sentence| {
        let about = |number: &usize| report.findings.iter().position(|finding| finding.number == *number);
        let about: Vec<usize> = sentence.evidence.iter().filter_map(about).collect();
        sr::Sentence {
            text: sentence.text.clone(),
            author: author(sentence.author, report),
            lesions: about.iter().map(|at| report.findings[*at].tracking_uid.clone()).collect(),
            images: about.iter().filter_map(|at| image(*at)).collect(),
            rules: sentence.rules.clone(),
        }
    };
    let section = |heading: Code, sentences: &[Sentence]| Section {
        heading,
        observer: None,
        sentences: sentences.iter().map(sentence).collect(),
    };
    let sections = [
        section(codes::FINDINGS, &narrative.findings),
        section(codes::IMPRESSIONS, &narrative.impression),
        section(codes::RECOMMENDATIONS, &narrative.recommendation),
    ];
    sections.into_iter().filter(|section| !section.sentences.is_empty()).collect()
}

/// The words of `document` as those of `report`, from which the document was made or amended.
///
/// Sections that are neither findings nor impression nor recommendation are left out, and so are references
/// to lesions that the report does not hold. The patient's version and the worklist line stay the report's.
pub fn narrative(document: &Document, report: &Report) -> Narrative {
    let section = |wanted: check::Section| -> Vec<Sentence> {
        let named = |section: &&Section| section_of(&section.heading) == Some(wanted);
        let sentences = document.report.sections.iter().filter(named).flat_map(|section| &section.sentences);
        let sentence = |sentence: &sr::Sentence| {
            let number =
                |uid: &Uid| report.findings.iter().find(|f| f.tracking_uid == *uid).map(|f| f.number);
            Sentence {
                text: sentence.text.clone(),
                evidence: sentence.lesions.iter().filter_map(number).collect(),
                rules: sentence.rules.clone(),
                author: match &sentence.author {
                    Some(sr::Author::Algorithm { learned: false, .. }) => Author::Template,
                    Some(sr::Author::Algorithm { learned: true, .. }) => Author::Model,
                    Some(sr::Author::Person(_)) | None => Author::Human,
                },
            }
        };
        sentences.map(sentence).collect()
    };
    Narrative {
        language: match document.report.language {
            Some(sr::Language::Chinese) => Language::Chinese,
            Some(sr::Language::English) => Language::English,
            None => report.narrative.language,
        },
        findings: section(check::Section::Findings),
        impression: section(check::Section::Impression),
        recommendation: section(check::Section::Recommendation),
        ..report.narrative.clone()
    }
}

/// Which of our sections a heading is: by its meaning, for its code depends on the edition of CID 7001, and
/// programs have their own.
pub fn section_of(heading: &Code) -> Option<check::Section> {
    match heading.meaning.trim().trim_end_matches('s').to_ascii_lowercase().as_str() {
        "finding" => Some(check::Section::Findings),
        "impression" | "conclusion" => Some(check::Section::Impression),
        "recommendation" => Some(check::Section::Recommendation),
        _ => None,
    }
}

/// The language as reports name it.
pub(super) fn language(language: Language) -> sr::Language {
    match language {
        Language::Chinese => sr::Language::Chinese,
        Language::English => sr::Language::English,
    }
}

fn author(author: Author, report: &Report) -> Option<sr::Author> {
    let provenance = &report.provenance;
    match author {
        Author::Template => Some(sr::Author::Algorithm {
            name: TEMPLATE.to_owned(),
            version: Some(provenance.foci_version.clone()),
            learned: false,
        }),
        Author::Model => Some(sr::Author::Algorithm {
            name: provenance.writing.model.clone().unwrap_or_else(|| MODEL.to_owned()),
            version: provenance.writing.model_version.clone(),
            learned: true,
        }),
        // An analysis has no words of a person; who amends is named there.
        Author::Human => None,
    }
}
