//! The order in which the template says things.

use super::{Author, Facts, Language, Narrative, Sentence, phrase};
use crate::finding::{Finding, Kind, Organ};

/// So many findings of a kind are described in full. A list of more full sentences is not read.
const DESCRIBED: usize = 10;

/// So many warnings are quoted. A series with a warning for each slice would bury the findings.
const QUOTED: usize = 5;

/// What was looked for in one organ, and what came of it.
struct Topic<'a> {
    organ: Organ,
    kind: Kind,
    organ_found: bool,
    volume_ml: Option<f64>,
    findings: Vec<&'a Finding>,
}

pub(super) fn narrative(language: Language, facts: &Facts<'_>) -> Narrative {
    let topics = topics(facts);
    let mut findings = vec![sentence(phrase::series(language, facts), &[])];
    for topic in &topics {
        findings.extend(seen(language, facts, topic));
    }
    if !facts.findings.is_empty() {
        findings.push(sentence(phrase::scores(language), &[]));
    }
    if topics.iter().any(|topic| topic.organ_found) {
        findings.push(sentence(phrase::scope(language), &[]));
    }
    let quoted = facts.warnings.iter().take(QUOTED);
    findings.extend(quoted.map(|warning| sentence(phrase::warning(language, warning), &[])));
    if let Some(more @ 1..) = facts.warnings.len().checked_sub(QUOTED) {
        findings.push(sentence(phrase::more_warnings(language, more), &[]));
    }

    let mut impression: Vec<Sentence> = topics.iter().map(|topic| concluded(language, topic)).collect();
    if topics.is_empty() {
        impression.push(sentence(phrase::nothing_assessed(language), &[]));
    }
    impression.push(sentence(phrase::disclaimer(language), &[]));
    Narrative {
        language,
        findings,
        impression,
        recommendation: Vec::new(),
        patient_version: Vec::new(),
        worklist: String::new(),
    }
}

/// What was looked for, in the order of the report. Two models that look for the same share a topic.
fn topics<'a>(facts: &Facts<'a>) -> Vec<Topic<'a>> {
    let mut topics: Vec<Topic<'a>> = Vec::new();
    let mut topic = |organ, kind| -> usize {
        let known = topics.iter().position(|topic| (topic.organ, topic.kind) == (organ, kind));
        known.unwrap_or_else(|| {
            topics.push(Topic { organ, kind, organ_found: false, volume_ml: None, findings: Vec::new() });
            topics.len() - 1
        })
    };
    let examined: Vec<usize> = facts.examined.iter().map(|e| topic(e.organ, e.kind)).collect();
    let found: Vec<usize> = facts.findings.iter().map(|f| topic(f.site.organ, f.kind)).collect();

    for (at, examined) in examined.into_iter().zip(facts.examined) {
        topics[at].organ_found |= examined.organ_found;
        topics[at].volume_ml = topics[at].volume_ml.or(examined.organ_volume_ml);
    }
    for (at, finding) in found.into_iter().zip(facts.findings) {
        // A lesion lies in its organ, whatever became of the organ's own outline.
        topics[at].organ_found = true;
        topics[at].findings.push(finding);
    }
    topics
}

/// What was seen of one topic.
fn seen(language: Language, facts: &Facts<'_>, topic: &Topic<'_>) -> Vec<Sentence> {
    let Topic { organ, kind, volume_ml, ref findings, .. } = *topic;
    if !topic.organ_found {
        return vec![sentence(phrase::not_assessed(language, organ), &[])];
    }
    if findings.is_empty() {
        return vec![sentence(phrase::nothing_found(language, organ, kind, volume_ml), &[])];
    }
    let (described, rest) = findings.split_at(findings.len().min(DESCRIBED));
    let mut sentences = vec![sentence(phrase::found(language, organ, kind, volume_ml, findings), findings)];
    sentences.extend(described.iter().map(|f| sentence(phrase::finding(language, facts, f), &[f])));
    if !rest.is_empty() {
        sentences.push(sentence(phrase::remaining(language, kind, rest), rest));
        sentences.extend(rest.iter().map(|f| sentence(phrase::finding_in_short(language, f), &[f])));
    }
    sentences
}

/// What one topic comes to.
fn concluded(language: Language, topic: &Topic<'_>) -> Sentence {
    let findings = &topic.findings;
    let long_axis = |finding: &Finding| finding.measurements.long_axis_mm;
    // The first of several equals: `max_by` returns the last.
    let largest = findings.iter().rev().max_by(|a, b| long_axis(a).total_cmp(&long_axis(b)));
    match largest {
        _ if !topic.organ_found => sentence(phrase::not_assessed(language, topic.organ), &[]),
        None => sentence(phrase::impression_of_nothing(language, topic.kind), &[]),
        Some(largest) => sentence(phrase::impression(language, topic.kind, findings, largest), findings),
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
