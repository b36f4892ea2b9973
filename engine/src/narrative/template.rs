//! The order in which the template says things.

use super::{Author, Facts, Language, Narrative, Sentence, advice, change, patient, phrase, worklist};
use crate::finding::{Finding, Kind, Organ};
use crate::track::Resolved;

/// So many findings of a kind are described in full. A list of more full sentences is not read.
pub(crate) const DESCRIBED: usize = 10;

/// So many warnings are quoted. A series with a warning for each slice would bury the findings.
const QUOTED: usize = 5;

/// What was looked for in one organ, and what came of it.
pub(crate) struct Topic<'a> {
    pub(crate) organ: Organ,
    pub(crate) kind: Kind,
    pub(crate) organ_found: bool,
    pub(crate) volume_ml: Option<f64>,
    pub(crate) findings: Vec<&'a Finding>,
    /// Lesions of the prior that are gone.
    pub(crate) resolved: Vec<&'a Resolved>,
}

/// The template's words by what they are about, so that some of them can be replaced.
pub(crate) struct Parts {
    /// How the images were made, and what they were compared with.
    pub(crate) opening: Vec<Sentence>,
    /// One for each organ and kind of lesion.
    pub(crate) topics: Vec<TopicWords>,
    /// How to read scores; `None` without findings.
    pub(crate) scores: Option<Sentence>,
    /// What was not looked at, and warnings.
    pub(crate) closing: Vec<Sentence>,
    /// What is told at once, and who has not checked this.
    pub(crate) conclusion: Vec<Sentence>,
    pub(crate) recommendation: Vec<Sentence>,
    pub(crate) patient_version: Vec<String>,
    pub(crate) worklist: String,
}

/// The words about one organ and kind of lesion.
pub(crate) struct TopicWords {
    /// The numbers of all its findings.
    pub(crate) numbers: Vec<usize>,
    /// That the organ was looked at, and how many lesions there are.
    pub(crate) head: Sentence,
    /// The findings that are described in full.
    pub(crate) described: Vec<LesionWords>,
    /// The other findings in short, and lesions that are gone.
    pub(crate) rest: Vec<Sentence>,
    /// What it comes to.
    pub(crate) impression: Sentence,
    /// What has become of all of them since the prior.
    pub(crate) comparison: Option<Sentence>,
}

/// The words about one finding.
pub(crate) struct LesionWords {
    pub(crate) number: usize,
    /// What it is, where, and how large.
    pub(crate) description: Sentence,
    /// What has become of it since the prior.
    pub(crate) change: Option<Sentence>,
}

pub(super) fn narrative(language: Language, facts: &Facts<'_>) -> Narrative {
    parts(language, facts).narrative(language)
}

/// The template's words on `facts`, by what they are about.
pub(crate) fn parts(language: Language, facts: &Facts<'_>) -> Parts {
    let topics = topics(facts);
    let mut opening = vec![sentence(phrase::series(language, facts), &[])];
    if let Some(compared) = facts.compared {
        opening.push(sentence(change::compared(language, compared), &[]));
        opening.extend(change::not_all_compared(language, compared).map(|text| sentence(text, &[])));
    }

    let mut closing = Vec::new();
    if topics.iter().any(|topic| topic.organ_found) {
        closing.push(sentence(phrase::scope(language), &[]));
    }
    let quoted = facts.warnings.iter().take(QUOTED);
    closing.extend(quoted.map(|warning| sentence(phrase::warning(language, warning), &[])));
    if let Some(more @ 1..) = facts.warnings.len().checked_sub(QUOTED) {
        closing.push(sentence(phrase::more_warnings(language, more), &[]));
    }

    let mut conclusion = Vec::new();
    if topics.is_empty() {
        conclusion.push(sentence(phrase::nothing_assessed(language), &[]));
    }
    let critical: Vec<&Finding> = facts.findings.iter().filter(|finding| finding.critical).collect();
    if !critical.is_empty() {
        conclusion.push(sentence(phrase::critical(language, &critical), &critical));
    }
    conclusion.push(sentence(phrase::disclaimer(language), &[]));
    Parts {
        opening,
        topics: topics.iter().map(|topic| words(language, facts, topic)).collect(),
        scores: (!facts.findings.is_empty()).then(|| sentence(phrase::scores(language), &[])),
        closing,
        conclusion,
        recommendation: advice::recommendation(language, facts),
        patient_version: patient::version(language, facts, &topics),
        worklist: worklist::line(language, facts, &topics),
    }
}

impl Parts {
    /// All words in their order.
    pub(crate) fn narrative(self, language: Language) -> Narrative {
        let mut findings = self.opening;
        let mut impression = Vec::new();
        for topic in self.topics {
            findings.push(topic.head);
            for lesion in topic.described {
                findings.push(lesion.description);
                findings.extend(lesion.change);
            }
            findings.extend(topic.rest);
            impression.push(topic.impression);
            impression.extend(topic.comparison);
        }
        findings.extend(self.scores);
        findings.extend(self.closing);
        impression.extend(self.conclusion);
        Narrative {
            language,
            findings,
            impression,
            recommendation: self.recommendation,
            patient_version: self.patient_version,
            worklist: self.worklist,
        }
    }
}

/// What was looked for, in the order of the report. Two models that look for the same share a topic.
pub(crate) fn topics<'a>(facts: &Facts<'a>) -> Vec<Topic<'a>> {
    let mut topics: Vec<Topic<'a>> = Vec::new();
    let mut topic = |organ, kind| -> usize {
        let known = topics.iter().position(|topic| (topic.organ, topic.kind) == (organ, kind));
        known.unwrap_or_else(|| {
            topics.push(Topic {
                organ,
                kind,
                organ_found: false,
                volume_ml: None,
                findings: Vec::new(),
                resolved: Vec::new(),
            });
            topics.len() - 1
        })
    };
    let resolved = facts.compared.map_or(&[][..], |compared| &compared.resolved);
    let examined: Vec<usize> = facts.examined.iter().map(|e| topic(e.organ, e.kind)).collect();
    let found: Vec<usize> = facts.findings.iter().map(|f| topic(f.site.organ, f.kind)).collect();
    let gone: Vec<usize> = resolved.iter().map(|gone| topic(gone.site.organ, gone.kind)).collect();

    for (at, examined) in examined.into_iter().zip(facts.examined) {
        topics[at].organ_found |= examined.organ_found;
        topics[at].volume_ml = topics[at].volume_ml.or(examined.organ_volume_ml);
    }
    for (at, finding) in found.into_iter().zip(facts.findings) {
        // A lesion lies in its organ, whatever became of the organ's own outline.
        topics[at].organ_found = true;
        topics[at].findings.push(finding);
    }
    for (at, gone) in gone.into_iter().zip(resolved) {
        topics[at].resolved.push(gone);
    }
    topics
}

impl<'a> Topic<'a> {
    /// The finding with the longest long axis, the first of several equals.
    pub(crate) fn largest(&self) -> Option<&'a Finding> {
        let long_axis = |finding: &Finding| finding.measurements.long_axis_mm;
        // `max_by` returns the last of equals.
        self.findings.iter().rev().max_by(|a, b| long_axis(a).total_cmp(&long_axis(b))).copied()
    }
}

/// The words about one topic.
fn words(language: Language, facts: &Facts<'_>, topic: &Topic<'_>) -> TopicWords {
    let Topic { organ, kind, volume_ml, ref findings, ref resolved, .. } = *topic;
    let (described, others) = findings.split_at(findings.len().min(DESCRIBED));
    let mut rest = Vec::new();
    if !others.is_empty() {
        rest.push(sentence(phrase::remaining(language, kind, others), others));
        rest.extend(others.iter().map(|f| sentence(phrase::finding_in_short(language, f), &[f])));
    }
    rest.extend(resolved.iter().map(|gone| sentence(change::resolved(language, gone), &[])));
    let head = match findings[..] {
        _ if !topic.organ_found => sentence(phrase::not_assessed(language, organ), &[]),
        [] => sentence(phrase::nothing_found(language, organ, kind, volume_ml), &[]),
        _ => sentence(phrase::found(language, organ, kind, volume_ml, findings), findings),
    };
    let impression = match topic.largest() {
        _ if !topic.organ_found => sentence(phrase::not_assessed(language, organ), &[]),
        None => sentence(phrase::impression_of_nothing(language, kind), &[]),
        Some(largest) => sentence(phrase::impression(language, kind, findings, largest), findings),
    };
    let comparison = facts.compared.and_then(|_| change::summary(language, kind, findings, resolved.len()));
    TopicWords {
        numbers: findings.iter().map(|finding| finding.number).collect(),
        head,
        described: described.iter().map(|finding| lesion(language, facts, finding)).collect(),
        rest,
        impression,
        comparison: comparison.map(|text| sentence(text, findings)),
    }
}

/// The words about one finding that is described in full.
fn lesion(language: Language, facts: &Facts<'_>, finding: &Finding) -> LesionWords {
    let change = match (&finding.change, facts.compared) {
        (Some(change), Some(_)) => Some(change::finding(language, finding, change)),
        (None, Some(_)) => Some(change::not_compared(language, finding)),
        (_, None) => None,
    };
    LesionWords {
        number: finding.number,
        description: sentence(phrase::finding(language, facts, finding), &[finding]),
        change: change.map(|text| sentence(text, &[finding])),
    }
}

fn sentence(text: impl Into<String>, about: &[&Finding]) -> Sentence {
    Sentence {
        text: text.into(),
        evidence: about.iter().map(|f| f.number).collect(),
        rules: Vec::new(),
        author: Author::Template,
    }
}
