//! A report of two authors: the template's, with some of its sentences given to the model.
//!
//! The model may describe a finding, and sum up a topic. Everything else (how the images were made, what was looked
//! for, what has become of lesions, warnings, advice, who has not checked this) is the template's.

use super::reply::Drafted;
use crate::check::{Place, Section};
use crate::finding::Finding;
use crate::narrative::template::{LesionWords, Parts, TopicWords};
use crate::narrative::{Author, Facts, Language, Narrative, Sentence, rounded};
use crate::track::Trend;

/// A report and where the model's sentences are in it.
pub(super) struct Composed {
    pub(super) narrative: Narrative,
    /// Where the sentences stand that were given, by their index.
    pub(super) places: Vec<(Place, usize)>,
}

/// The report of `parts` in which the `chosen` sentences stand for the template's.
///
/// Those of the findings name one finding each. Those of the impression cover the topics that they name wholly.
pub(super) fn compose(
    language: Language,
    facts: &Facts<'_>,
    parts: Parts,
    chosen: &[(usize, &Drafted)],
) -> Composed {
    let mut writer = Writer { findings: Vec::new(), impression: Vec::new(), places: Vec::new() };
    let of = |section: Section| chosen.iter().copied().filter(move |(_, s)| s.section == section);

    writer.findings.extend(parts.opening);
    for topic in parts.topics {
        let lesions: Vec<(usize, &Drafted)> = of(Section::Findings)
            .filter(|(_, s)| topic.described.iter().any(|lesion| s.findings == [lesion.number]))
            .collect();
        let TopicWords { numbers, head, described, rest, impression, comparison } = topic;
        writer.findings.push(head);
        writer.lesions(facts, described, &lesions);
        writer.findings.extend(rest);

        let about = |s: &Drafted| s.findings.iter().any(|number| numbers.contains(number));
        let concluded: Vec<(usize, &Drafted)> = of(Section::Impression).filter(|(_, s)| about(s)).collect();
        if concluded.is_empty() {
            writer.impression.push(impression);
        }
        // A sentence about two topics stands with the first.
        for (index, sentence) in concluded {
            if !writer.places.iter().any(|(_, placed)| *placed == index) {
                writer.conclude(index, sentence);
            }
        }
        writer.impression.extend(comparison);
    }
    // Without a score in it, nobody needs to know how to read scores.
    let scored = |s: &Sentence| s.text.contains("检测评分") || s.text.contains("detection score");
    if writer.findings.iter().any(scored) {
        writer.findings.extend(parts.scores);
    }
    writer.findings.extend(parts.closing);
    writer.impression.extend(parts.conclusion);
    Composed {
        narrative: Narrative {
            language,
            findings: writer.findings,
            impression: writer.impression,
            recommendation: parts.recommendation,
            patient_version: parts.patient_version,
            worklist: parts.worklist,
        },
        places: writer.places,
    }
}

struct Writer {
    findings: Vec<Sentence>,
    impression: Vec<Sentence>,
    places: Vec<(Place, usize)>,
}

impl Writer {
    /// The lesions of one topic: the model's sentences in its order, and the template's of the lesions that it left
    /// out, before the first with a larger number.
    fn lesions(&mut self, facts: &Facts<'_>, lesions: Vec<LesionWords>, chosen: &[(usize, &Drafted)]) {
        let mut waiting = lesions.into_iter().peekable();
        let mut changes: Vec<(usize, Sentence)> = Vec::new();
        let names = |number: usize| chosen.iter().any(|(_, s)| s.findings == [number]);
        let mut catch_up = |writer: &mut Self, changes: &mut Vec<(usize, Sentence)>, before: usize| {
            while let Some(lesion) = waiting.next_if(|lesion| lesion.number < before) {
                if names(lesion.number) {
                    changes.extend(lesion.change.map(|change| (lesion.number, change)));
                } else {
                    writer.findings.push(lesion.description);
                    writer.findings.extend(lesion.change);
                }
            }
        };
        for (at, (index, sentence)) in chosen.iter().enumerate() {
            let number = sentence.findings[0];
            catch_up(self, &mut changes, number + 1);
            self.findings.push(written(sentence));
            let place = Place { section: Section::Findings, sentence: self.findings.len() - 1 };
            self.places.push((place, *index));
            if chosen[at + 1..].iter().any(|(_, later)| later.findings == [number]) {
                continue;
            }
            // What has become of it is said after the last of its sentences, where none of them has.
            let said =
                chosen.iter().any(|(_, s)| s.findings == [number] && says_change(facts, number, &s.text));
            if let Some(at) = changes.iter().position(|(of, _)| *of == number) {
                let (_, change) = changes.remove(at);
                self.findings.extend((!said).then_some(change));
            }
        }
        catch_up(self, &mut changes, usize::MAX);
    }

    fn conclude(&mut self, index: usize, sentence: &Drafted) {
        self.impression.push(written(sentence));
        let place = Place { section: Section::Impression, sentence: self.impression.len() - 1 };
        self.places.push((place, index));
    }
}

fn written(sentence: &Drafted) -> Sentence {
    Sentence {
        text: sentence.text.clone(),
        evidence: sentence.findings.clone(),
        rules: Vec::new(),
        author: Author::Model,
    }
}

/// Whether `text` tells what has become of finding `number`, as completely as the template would.
fn says_change(facts: &Facts<'_>, number: usize, text: &str) -> bool {
    let Some(change) = finding(facts, number).and_then(|finding| finding.change.as_ref()) else {
        return false;
    };
    match change.prior_long_axis_mm {
        Some(before) => states_length(text, before),
        None => change.trend == Trend::New && (text.contains("新发") || has_word(text, "new")),
    }
}

/// The finding of this number.
pub(super) fn finding<'a>(facts: &Facts<'a>, number: usize) -> Option<&'a Finding> {
    facts.findings.iter().find(|finding| finding.number == number)
}

/// Whether `text` gives this length, in mm or cm, as it rounds.
pub(super) fn states_length(text: &str, length_mm: f64) -> bool {
    let tenth = rounded::millimetres(length_mm);
    let whole = tenth.strip_suffix(".0").map(str::to_owned);
    let centimetres = [format!("{:.2}", length_mm / 10.0), format!("{:.1}", length_mm / 10.0)];
    let digit = |c: char| c.is_ascii_digit() || c == '.';
    let numbers = text.split(|c: char| !digit(c)).map(|number| number.trim_matches('.'));
    let mut numbers = numbers.filter(|number| !number.is_empty());
    numbers.any(|n| n == tenth || Some(n) == whole.as_deref() || centimetres.iter().any(|cm| cm == n))
}

/// Whether `word` stands in `text` by itself.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphabetic()).any(|found| found.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_may_be_in_millimetres_or_centimetres_but_is_one_number() {
        for (text, stated) in [
            ("长径 10.2 mm", true),
            ("1.0 cm across", true),
            ("1.02 cm.", true),
            ("110.2 mm", false),
            ("10.25 mm", false),
            ("10 mm", false),
        ] {
            assert_eq!(states_length(text, 10.2), stated, "{text}");
        }
        assert!(states_length("8 mm", 8.0));
    }
}
