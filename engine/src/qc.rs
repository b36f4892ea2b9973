//! Quality control of a finished report, whoever wrote it: the checks of [`check`](crate::check), and the defects
//! of writing that hospitals audit.
//!
//! A report is text; [`Document::parse`] finds its sections. What is known of the examination ([`Known`]) may be
//! nothing: then only what the report says against itself, and how it is written, is judged. It knows some words
//! of chest and abdomen in Chinese and English and is silent about others: it finds slips, it does not read.

mod conflict;
mod defect;
mod document;
mod form;
mod mention;
mod words;

use dicom_io::Source;
use serde::Serialize;

use crate::check::{Class, Mode, Section, judge};
use crate::evidence::Evidence;
use crate::narrative::{Author, Language, Narrative, Sentence};

pub use defect::Defect;
pub use document::{Document, Heading, Part};

/// What is known of the examination that a report is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// What was found and measured.
    pub evidence: Option<&'a Evidence>,
    /// Patient and study: sex, age and day.
    pub source: Option<&'a Source>,
    /// Whether the report should be signed by somebody, with date and time.
    pub signature_expected: bool,
    /// Whether it is signed, where something else than its text tells.
    pub signed: bool,
}

/// One thing that is wrong with a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Complaint {
    /// What kind of error.
    pub class: Kind,
    /// Where; `None`: the report as a whole.
    pub section: Option<Heading>,
    /// The sentence, as it stands; empty for the report as a whole.
    pub sentence: String,
    /// The words that are wrong.
    pub found: String,
    /// What is expected instead.
    pub expected: String,
}

/// A kind of error: of fact, as the checker names them, or of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The report says what the measurements do not.
    Fact(Class),
    /// The report is badly written, or says something against itself.
    Writing(Defect),
}

impl Kind {
    /// Its stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fact(class) => class.as_str(),
            Self::Writing(defect) => defect.as_str(),
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What is wrong with `document`, in the order of the text; the report as a whole comes last.
pub fn audit(document: &Document, known: &Known<'_>) -> Vec<Complaint> {
    let mut complaints = Complaints::default();
    form::judge(document, known, &mut complaints);
    conflict::judge(document, known, &mut complaints);
    if let Some(evidence) = known.evidence {
        facts(document, evidence, &mut complaints);
    }
    let position = |complaint: &Complaint| {
        let mut all =
            document.parts.iter().flat_map(|part| part.sentences.iter().map(move |s| (part.heading, s)));
        let at =
            all.position(|(heading, text)| Some(heading) == complaint.section && *text == complaint.sentence);
        at.unwrap_or(usize::MAX)
    };
    complaints.0.sort_by_key(position);
    complaints.0
}

/// What a person may know and a measurement report does not hold is no fault of theirs.
const UNSUPPORTED: &[Class] = &[
    Class::Age,
    Class::Certainty,
    Class::Date,
    Class::Evidence,
    Class::Feature,
    Class::Hedge,
    Class::Identifier,
    Class::Instruction,
    Class::Malignancy,
    Class::Segment,
    Class::Series,
    Class::Sex,
    Class::SpelledNumber,
    Class::UnknownWords,
];

/// A number that no measurement has, or nearly one.
const NUMERIC: &[Class] = &[Class::Number, Class::Rounding, Class::Decimal, Class::Unit, Class::Axis];

/// What can be wrong only where a guideline was asked.
const OF_GUIDELINES: &[Class] = &[Class::Recommendation, Class::Interval, Class::MissingAdvice];

/// What can be wrong only where the prior is known.
const OF_PRIORS: &[Class] = &[Class::NoPrior, Class::Trend, Class::Change];

/// Holds findings, impression and recommendation against the evidence.
fn facts(document: &Document, evidence: &Evidence, complaints: &mut Complaints) {
    let of = |heading| -> Vec<Sentence> {
        let texts = document.sentences(heading);
        texts
            .map(|text| Sentence {
                text: text.to_owned(),
                evidence: Vec::new(),
                rules: Vec::new(),
                author: Author::Human,
            })
            .collect()
    };
    let narrative = Narrative {
        language: document.language,
        findings: of(Heading::Findings),
        impression: of(Heading::Impression),
        recommendation: of(Heading::Recommendation),
        patient_version: Vec::new(),
        worklist: String::new(),
    };
    for fault in judge(&narrative, evidence, Mode::Open).faults {
        let place = fault.place.map(|place| {
            let (heading, list) = match place.section {
                Section::Findings => (Heading::Findings, &narrative.findings),
                Section::Impression => (Heading::Impression, &narrative.impression),
                Section::Recommendation => (Heading::Recommendation, &narrative.recommendation),
            };
            (heading, list.get(place.sentence).map_or("", |sentence| sentence.text.as_str()))
        });
        // A missing section is told once, and by its name.
        let section_is_missing = fault.class == Class::Empty && place.is_none_or(|(_, text)| text.is_empty());
        let unknown = UNSUPPORTED.contains(&fault.class)
            || (evidence.advised.guideline.is_none() && OF_GUIDELINES.contains(&fault.class))
            || (evidence.compared.is_none() && OF_PRIORS.contains(&fault.class));
        let text = place.map_or("", |(_, text)| text);
        let unmeasured = NUMERIC.contains(&fault.class) && is_of_examination(evidence, text, &fault.found);
        if !section_is_missing && !unknown && !unmeasured {
            complaints.push(Kind::Fact(fault.class), place, fault.found, fault.expected);
        }
    }
}

/// No lesion is as large as an organ, ml.
const LARGEST_LESION_ML: f64 = 500.0;

/// Whether `found` in the sentence `text` is a number of the examination that measurement reports do not have: the
/// distance between slices, an organ's volume.
fn is_of_examination(evidence: &Evidence, text: &str, found: &str) -> bool {
    let lower = text.to_lowercase();
    let grid = ["层厚", "层距", "间距", "spacing", "apart", "thickness", "thick "];
    let of_grid = evidence.spacing_mm.is_none() && grid.iter().any(|word| lower.contains(word));
    let digits = found.trim_end_matches(|c: char| !c.is_ascii_digit());
    let is_volume = ["ml", "mL", "毫升", "cm"].iter().any(|unit| found.contains(unit));
    let organs = evidence.examined.iter().all(|examined| examined.organ_volume_ml.is_none());
    let of_organ = organs && is_volume && digits.trim().parse().is_ok_and(|ml: f64| ml >= LARGEST_LESION_ML);
    of_grid || of_organ
}

/// What has been complained of so far.
#[derive(Debug, Default)]
struct Complaints(Vec<Complaint>);

impl Complaints {
    fn push(
        &mut self,
        class: Kind,
        place: Option<(Heading, &str)>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) {
        let (section, sentence) = place.unzip();
        let complaint = Complaint {
            class,
            section,
            sentence: sentence.unwrap_or_default().to_owned(),
            found: found.into(),
            expected: expected.into(),
        };
        if !self.0.contains(&complaint) {
            self.0.push(complaint);
        }
    }

    fn defect(&mut self, defect: Defect, place: Option<(Heading, &str)>, found: &str, expected: &str) {
        self.push(Kind::Writing(defect), place, found, expected);
    }
}

/// One of two, by language.
fn either<T>(language: Language, chinese: T, english: T) -> T {
    match language {
        Language::Chinese => chinese,
        Language::English => english,
    }
}
