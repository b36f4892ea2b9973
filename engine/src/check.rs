//! Words held against the evidence: every number, side, site, negation, comparison and advice.
//!
//! Deterministic and without a model. What a sentence says is derived again from its text, in Chinese and
//! English; what the evidence does not hold is a [`Fault`]. The vocabulary is closed: words that are not
//! understood are a fault too.

mod amount;
mod claims;
mod class;
mod figure;
mod group;
mod hold;
mod lexicon;
mod measure;
mod sentence;
mod text;
mod tokens;
mod whole;

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;
use crate::narrative::Narrative;
use sentence::Examination;
use text::Text;

pub use class::Class;

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

/// How much of a text must be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// For what a language model wrote: every sentence names its findings (`evidence`), the vocabulary is closed,
    /// recommendations are the guideline's own sentences.
    Closed,
    /// For what a person wrote: `evidence` is ignored, a sentence speaks of the findings that it fits best, words
    /// that are not understood are passed over, and what was never looked for may be described.
    Open,
}

/// What is wrong with `narrative`, which a language model or the template wrote.
pub fn check(narrative: &Narrative, evidence: &Evidence) -> Verdict {
    judge(narrative, evidence, Mode::Closed)
}

/// What is wrong with `narrative`.
pub fn judge(narrative: &Narrative, evidence: &Evidence, mode: Mode) -> Verdict {
    let language = narrative.language;
    let compared = evidence.compared.as_ref();
    let examination = Examination {
        evidence,
        language,
        mode,
        gone: compared.map(|compared| compared.resolved.iter().map(hold::gone).collect()).unwrap_or_default(),
        advice: evidence
            .advised
            .advice
            .iter()
            .map(|advice| Text::new(&advice.text(language)).bare())
            .collect(),
        refused: evidence.advised.refused.iter().map(|why| Text::new(&why.text(language)).bare()).collect(),
    };
    let sections = [
        (Section::Findings, &narrative.findings),
        (Section::Impression, &narrative.impression),
        (Section::Recommendation, &narrative.recommendation),
    ];
    let mut judged = Vec::new();
    for (section, sentences) in sections {
        for (at, sentence) in sentences.iter().enumerate() {
            judged.push((Place { section, sentence: at }, examination.judge(sentence, section)));
        }
    }
    let mut faults = Vec::new();
    for (place, judged) in &judged {
        faults.extend(judged.faults.iter().map(|(found, wrong)| Fault {
            class: wrong.class,
            place: Some(*place),
            found: found.clone(),
            expected: wrong.expected.clone(),
        }));
    }
    faults.extend(whole::faults(&judged, &examination));
    Verdict { faults }
}

impl Verdict {
    /// Whether every word is supported.
    pub fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults of the sentence at `place`.
    pub fn of(&self, place: Place) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(move |fault| fault.place == Some(place))
    }

    /// The faults of the report as a whole.
    pub fn of_report(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.place.is_none())
    }
}

#[cfg(test)]
mod tests;
