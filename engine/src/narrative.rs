//! Words for a report.
//!
//! [`Narrative::template`] writes them from [`Facts`] and nothing else: the same facts give the same
//! words. It names what was looked for, found and measured, what has changed since a prior, what was not
//! assessed, and what the guideline advises; it never calls a lesion benign or malignant and has no advice of
//! its own but that a radiologist looks.
//!
//! # Words that can be checked
//!
//! Every [`Sentence`] names the findings it rests on, and keeps to four rules, so that words from
//! elsewhere (a language model's) can be held against the same facts, sentence by sentence:
//!
//! 1. A finding is named only by its number, and every finding named is in `evidence`.
//! 2. A number with a unit is a measurement of a finding in `evidence`, now or in the prior, its change, the
//!    volume of an examined organ, the grid of the series, the days since the prior or the axes of a lesion that
//!    is gone since, rounded as in [`rounded`]. A range is made of two such numbers.
//! 3. Any other number counts findings in `evidence` or slices, names a slice or finding, or is a score.
//! 4. Every finding of the report has at least one sentence of its own: one whose evidence is it alone.
//!
//! Warnings are quoted as they stand, after a fixed phrase, and are exempt; so is the recommendation, which is the
//! guideline's own words.
//!
//! The phrases are in `phrase.rs` and its neighbours, both languages side by side; `template.rs` puts them in
//! order, `style.rs` under headings.

mod advice;
pub(crate) mod change;
mod patient;
pub(crate) mod phrase;
pub mod rounded;
mod style;
pub(crate) mod template;
mod worklist;

use serde::{Deserialize, Serialize};

pub use style::Style;

use crate::finding::Finding;
use crate::guideline::Advised;
use crate::report::Examined;
use crate::track::Compared;

/// The language of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// Chinese as written in the People's Republic of China.
    #[serde(rename = "zh-CN")]
    Chinese,
    /// English.
    #[serde(rename = "en")]
    English,
}

/// The words of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Narrative {
    /// The language.
    pub language: Language,
    /// 影像所见 / Findings.
    pub findings: Vec<Sentence>,
    /// 诊断意见 / Impression.
    pub impression: Vec<Sentence>,
    /// 建议 / Recommendation: what the guideline advises; empty where it advises nothing.
    pub recommendation: Vec<Sentence>,
    /// The same in plain words for the patient, always the template's.
    pub patient_version: Vec<String>,
    /// One line for a worklist.
    pub worklist: String,
}

/// One sentence and the findings (by number) it speaks of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sentence {
    /// The words.
    pub text: String,
    /// The numbers of the findings that support it; empty for a sentence about the whole examination.
    pub evidence: Vec<usize>,
    /// The rules (by id) that advise it; only in the recommendation.
    #[serde(default)]
    pub rules: Vec<String>,
    /// Who wrote it.
    pub author: Author,
}

/// Who wrote a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The deterministic template.
    Template,
    /// A language model, and the sentence passed the check.
    Model,
    /// A person.
    Human,
}

/// All that words may speak of: the parts of a [`Report`](crate::Report) that come before its words.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The modality of the series, as DICOM writes it. Hounsfield units are stated only for "CT".
    pub modality: &'a str,
    /// How many slices were read.
    pub slices: usize,
    /// The distances between neighbouring columns, rows and slices, mm.
    pub spacing_mm: [f64; 3],
    /// The findings, in the order of the report.
    pub findings: &'a [Finding],
    /// What was looked for, and with what result.
    pub examined: &'a [Examined],
    /// What this examination was compared with.
    pub compared: Option<&'a Compared>,
    /// What the guideline says of the findings.
    pub advised: &'a Advised,
    /// What was odd about the input or the run, in plain English.
    pub warnings: &'a [String],
}

impl Narrative {
    /// The words that follow from `facts` without anybody's judgement.
    ///
    /// Every finding has a sentence; beyond ten of a kind the smaller ones are first summed up and then
    /// listed in short. An organ that was looked for and not found in the images is said not to have
    /// been assessed.
    pub fn template(language: Language, facts: &Facts<'_>) -> Self {
        template::narrative(language, facts)
    }
}

/// Sentences of the template that say nothing of the patient, so that the checker takes them as they stand.
pub(crate) fn fixed_phrases(language: Language) -> [&'static str; 4] {
    [
        phrase::scores(language),
        phrase::scope(language),
        phrase::nothing_assessed(language),
        phrase::disclaimer(language),
    ]
}

impl Language {
    /// What `finding` is and where, without its number or size: "Solid nodule, right lung".
    pub fn describe(self, finding: &Finding) -> String {
        phrase::description(self, finding)
    }

    /// That nobody has checked this report and what it may not be used for, in one sentence.
    pub fn disclaimer(self) -> &'static str {
        phrase::disclaimer(self)
    }
}
