//! The report as a whole: what no sentence shows by itself.

use super::sentence::{Examination, Judged};
use super::{Class, Fault, Mode, Place, Section};
use crate::evidence::Evidence;
use crate::guideline::Action;

/// What is wrong with a report whose sentences have been judged.
pub(super) fn faults(sentences: &[(Place, Judged)], examination: &Examination<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for section in [Section::Findings, Section::Impression] {
        if !sentences.iter().any(|(place, _)| place.section == section) {
            let expected = "findings and impression each have a sentence".to_owned();
            faults.push(Fault {
                class: Class::Empty,
                place: None,
                found: format!("{section:?}").to_lowercase(),
                expected,
            });
        }
    }
    duplicates(sentences, examination.mode, &mut faults);
    omissions(sentences, examination, &mut faults);
    advice(sentences, examination, &mut faults);
    contradictions(sentences, &mut faults);
    faults
}

fn duplicates(sentences: &[(Place, Judged)], mode: Mode, faults: &mut Vec<Fault>) {
    for (at, (place, judged)) in sentences.iter().enumerate() {
        let before = sentences[..at].iter().filter(|(other, _)| other.section == place.section);
        let same = before.clone().any(|(_, other)| {
            other.bare == judged.bare && other.named == judged.named && !judged.bare.is_empty()
        });
        let twice = judged.held.sized.iter().find(|number| {
            mode == Mode::Closed
                && place.section == Section::Findings
                && before.clone().any(|(_, other)| other.held.sized.contains(number))
        });
        let expected = match (same, twice) {
            (true, _) => "each sentence once".to_owned(),
            (false, Some(number)) => format!("finding {number} has been described before"),
            (false, None) => continue,
        };
        faults.push(Fault { class: Class::Duplicate, place: Some(*place), found: String::new(), expected });
    }
}

fn omissions(sentences: &[(Place, Judged)], examination: &Examination<'_>, faults: &mut Vec<Fault>) {
    let Evidence { lesions, .. } = examination.evidence;
    for lesion in lesions {
        let described = sentences.iter().any(|(place, judged)| {
            let here = place.section == Section::Findings || examination.mode == Mode::Open;
            here && judged.held.described.contains(&lesion.number)
        });
        if !described {
            let expected = format!("{} needs a sentence in the findings", super::measure::told(lesion));
            faults.push(Fault { class: Class::Omitted, place: None, found: String::new(), expected });
        }
        let concluded = sentences.iter().any(|(place, judged)| {
            place.section == Section::Impression && judged.held.covered.contains(&lesion.number)
        });
        if lesion.critical && !concluded {
            let expected =
                format!("finding {} must be told at once and so stand in the impression", lesion.number);
            faults.push(Fault { class: Class::CriticalOmitted, place: None, found: String::new(), expected });
        }
    }
}

fn advice(sentences: &[(Place, Judged)], examination: &Examination<'_>, faults: &mut Vec<Fault>) {
    for (at, advice) in examination.evidence.advised.advice.iter().enumerate() {
        let said = match examination.mode {
            Mode::Closed => sentences.iter().any(|(_, judged)| judged.advice == Some(at)),
            Mode::Open => {
                advice.action == Action::NoFollowUp || sentences.iter().any(|(_, judged)| judged.advises)
            }
        };
        // Two recommendations may read the same.
        let same = examination.advice.iter().position(|text| *text == examination.advice[at]) != Some(at);
        if !said && !same {
            let expected = advice.text(examination.language);
            faults.push(Fault { class: Class::MissingAdvice, place: None, found: String::new(), expected });
        }
    }
}

/// A wrong impression contradicts findings that are right.
fn contradictions(sentences: &[(Place, Judged)], faults: &mut Vec<Fault>) {
    const SUCH: [Class; 8] = [
        Class::Count,
        Class::Side,
        Class::Organ,
        Class::LesionKind,
        Class::Density,
        Class::DeniedFinding,
        Class::AssertedAbsent,
        Class::Trend,
    ];
    let in_findings = |class: Class| {
        sentences.iter().any(|(place, judged)| {
            place.section == Section::Findings && judged.faults.iter().any(|(_, w)| w.class == class)
        })
    };
    for (place, judged) in sentences.iter().filter(|(place, _)| place.section == Section::Impression) {
        if let Some((found, wrong)) =
            judged.faults.iter().find(|(_, w)| SUCH.contains(&w.class) && !in_findings(w.class))
        {
            let expected = format!("the findings say otherwise: {}", wrong.expected);
            faults.push(Fault {
                class: Class::Contradiction,
                place: Some(*place),
                found: found.clone(),
                expected,
            });
        }
    }
}
