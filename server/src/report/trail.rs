//! What was changed in a report, by whom, when: for the report itself, and as JSON beside it.

use dicom_io::Uid;
use dicom_io::object::DateTime;
use engine::Language;
use engine::check::{Fault, Section};
use serde::Serialize;

use super::diff::{Edit, diff, shown};

/// Everything about one new version.
#[derive(Debug, Serialize)]
pub(super) struct Trail {
    /// Of this layout.
    pub(super) schema_version: u32,
    pub(super) sop_instance_uid: Uid,
    pub(super) predecessor_sop_instance_uid: Uid,
    /// Of the predecessor's file, so that a later change of it shows.
    pub(super) predecessor_sha256: String,
    /// Local time.
    pub(super) at: String,
    pub(super) by: By,
    /// Empty for a signature.
    pub(super) changes: Vec<Change>,
    /// What the check says of the new words, and somebody wrote them nevertheless.
    pub(super) overruled: Vec<Fault>,
}

/// Who made a version.
#[derive(Debug, Clone, Serialize)]
pub(super) struct By {
    pub(super) name: String,
    pub(super) organization: Option<String>,
    pub(super) kind: Kind,
}

/// Whether a person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A person
    Human,
    /// A program that writes
    Ai,
}

/// One sentence that was changed, taken out or added.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Change {
    pub(super) section: Section,
    /// From 1: where it stood, or where an added one stands.
    pub(super) sentence: usize,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) diff: Vec<Edit>,
}

impl Change {
    pub(super) fn new(section: Section, sentence: usize, before: Option<&str>, after: Option<&str>) -> Self {
        Self {
            section,
            sentence,
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            diff: diff(before.unwrap_or_default(), after.unwrap_or_default()),
        }
    }

    /// `Findings 2: a [-cyst-]{+lesion+}`
    pub(super) fn line(&self, language: Language) -> String {
        let line = format!("{} {}", heading(language, self.section), self.sentence);
        format!("{line}{}{}", colon(language), shown(&self.diff))
    }
}

impl Trail {
    /// The lines that stand in the report: who and when, each change, and what was overruled.
    pub(super) fn lines(&self, language: Language, at: DateTime) -> Vec<String> {
        let zh = language == Language::Chinese;
        let By { name, organization, kind } = &self.by;
        let kind = match (kind, zh) {
            (Kind::Human, true) => "人工修改",
            (Kind::Ai, true) => "程序修改",
            (Kind::Human, false) => "changed by a person",
            (Kind::Ai, false) => "changed by a program",
        };
        let organization = organization.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let mut lines = vec![format!("{at}, {}{organization}, {kind}", spoken(name))];
        lines.extend(self.changes.iter().map(|change| change.line(language)));
        let overruled =
            if zh { "校验未通过，由修改者决定保留" } else { "kept against the check" };
        lines.extend(
            self.overruled.iter().map(|fault| format!("{overruled}{}{}", colon(language), words(fault))),
        );
        lines
    }
}

/// A fault in one line: its class, the words and what the evidence says.
pub(super) fn words(fault: &Fault) -> String {
    let place = fault.place.map_or_else(String::new, |place| {
        format!("{} {}: ", heading(Language::English, place.section), place.sentence + 1)
    });
    let class = fault.class.as_str();
    format!("{place}{class}: \"{}\", expected: {}", fault.found, fault.expected)
}

/// A name as people read it: DICOM puts `^` between its parts.
pub(super) fn spoken(name: &str) -> String {
    name.replace('^', " ").trim().to_owned()
}

fn colon(language: Language) -> &'static str {
    match language {
        Language::Chinese => "：",
        Language::English => ": ",
    }
}

/// What a section is called.
pub(super) fn heading(language: Language, section: Section) -> &'static str {
    match section {
        Section::Findings => language.findings_heading(),
        Section::Impression => language.impression_heading(),
        Section::Recommendation => language.recommendation_heading(),
    }
}
