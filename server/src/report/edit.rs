//! New words for a report, as somebody gives them: single sentences, or the whole text in a file.

use anyhow::{Result, bail, ensure};
use dicom_io::sr::{Author, Code, Sentence, TextReport, codes};
use engine::Language;
use engine::check::Section;
use engine::structured::words::section_of;

use super::diff::common;
use super::trail::{Change, heading};

pub(super) const SECTIONS: [Section; 3] = [Section::Findings, Section::Impression, Section::Recommendation];

/// What becomes of a section, line by line. A sentence that no line names is taken out.
enum Line {
    Kept(usize),
    Changed(usize, String),
    Added(String),
}

/// A sentence to set: `findings:3=new text`, `impression:+=one more`, `findings:2=` (takes it out).
#[derive(Debug, Clone)]
pub(super) struct Set {
    section: Section,
    /// From 0; `None`: at the end.
    sentence: Option<usize>,
    text: String,
}

impl std::str::FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = "expected SECTION:NUMBER=TEXT, such as findings:3=A nodule.";
        let (place, text) = text.split_once('=').ok_or(shape)?;
        let (section, number) = place.split_once(':').ok_or(shape)?;
        let section = match section.trim() {
            "findings" => Section::Findings,
            "impression" => Section::Impression,
            "recommendation" => Section::Recommendation,
            _ => return Err("the sections are findings, impression and recommendation".to_owned()),
        };
        let sentence = match number.trim() {
            "+" => None,
            number => {
                let number: usize = number.parse().map_err(|_| shape)?;
                Some(number.checked_sub(1).ok_or("sentences are counted from 1")?)
            }
        };
        Ok(Self { section, sentence, text: text.trim().to_owned() })
    }
}

/// Changes `report` as `sets` say: what was changed, in the order of the report.
///
/// # Errors
///
/// If a sentence does not exist.
pub(super) fn set(report: &mut TextReport, sets: &[Set], author: &Author) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for section in SECTIONS {
        let count = texts(report, section).len();
        let mut lines: Vec<Option<Line>> = (0..count).map(|at| Some(Line::Kept(at))).collect();
        for set in sets.iter().filter(|set| set.section == section) {
            let line = |at| (!set.text.is_empty()).then(|| Line::Changed(at, set.text.clone()));
            match set.sentence {
                Some(at) if at < count => lines[at] = line(at),
                Some(at) => {
                    bail!("{} has {count} sentences, not {}", heading(Language::English, section), at + 1)
                }
                None => lines.push(Some(Line::Added(set.text.clone()))),
            }
        }
        changes.extend(apply(report, section, lines.into_iter().flatten().collect(), author));
    }
    Ok(changes)
}

/// Changes `report` so that it says what `text` says, which is laid out as `report.txt` is: a heading on a line of
/// its own, a sentence on each line below. Lines that are in `apart` are no words of the report.
///
/// # Errors
///
/// If there is no heading in it, or if words stand before the first.
pub(super) fn replace(
    report: &mut TextReport,
    text: &str,
    author: &Author,
    apart: &[String],
) -> Result<Vec<Change>> {
    let mut found: [Vec<String>; 3] = Default::default();
    let mut at: Option<Option<usize>> = None;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    for line in lines.filter(|line| !apart.iter().any(|known| known == line)) {
        if let Some(section) = named(line) {
            at = Some(SECTIONS.iter().position(|known| Some(*known) == section));
            continue;
        }
        match at {
            Some(Some(at)) => found[at].push(self::line(without_number(line))),
            // Below the heading of the patient's version, which is the template's.
            Some(None) => {}
            None => bail!("the text begins without a heading, such as Findings"),
        }
    }
    ensure!(at.is_some(), "the text has no heading, such as Findings");
    let mut changes = Vec::new();
    for (section, new) in SECTIONS.into_iter().zip(found) {
        let old: Vec<String> = texts(report, section).iter().map(|text| line(text)).collect();
        let mut lines = Vec::new();
        let (mut i, mut j) = (0, 0);
        for (next_old, next_new) in common(&old, &new).into_iter().chain([(old.len(), new.len())]) {
            // Between two sentences that stayed, the first that went became the first that came.
            while j < next_new {
                lines.push(if i < next_old {
                    Line::Changed(i, new[j].clone())
                } else {
                    Line::Added(new[j].clone())
                });
                (i, j) = (i + 1, j + 1);
            }
            if next_old < old.len() {
                lines.push(Line::Kept(next_old));
            }
            (i, j) = (next_old + 1, next_new + 1);
        }
        changes.extend(apply(report, section, lines, author));
    }
    Ok(changes)
}

/// The section that a heading names; `Some(None)` for one that is not ours to change.
fn named(line: &str) -> Option<Option<Section>> {
    for language in [Language::English, Language::Chinese] {
        if line == language.patient_heading() {
            return Some(None);
        }
        let section = SECTIONS.into_iter().find(|section| line == heading(language, *section));
        if section.is_some() {
            return Some(section);
        }
    }
    None
}

/// A sentence on one line. A paragraph of another program is one sentence here.
pub(super) fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `2. Words` without its number.
fn without_number(line: &str) -> &str {
    match line.split_once(". ") {
        Some((number, rest)) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => line,
    }
}

/// The sentences of a section, as text.
pub(super) fn texts(report: &TextReport, section: Section) -> Vec<String> {
    let sections = report.sections.iter().filter(|known| section_of(&known.heading) == Some(section));
    sections.flat_map(|section| &section.sentences).map(|sentence| sentence.text.clone()).collect()
}

/// Makes the section of `report` what `lines` say.
fn apply(report: &mut TextReport, section: Section, lines: Vec<Line>, author: &Author) -> Vec<Change> {
    let ours = |known: &dicom_io::sr::Section| section_of(&known.heading) == Some(section);
    let old: Vec<Sentence> = report
        .sections
        .iter()
        .filter(|known| ours(known))
        .flat_map(|known| known.sentences.clone())
        .collect();
    let mut changes = Vec::new();
    let mut new = Vec::new();
    let mut left: Vec<bool> = vec![true; old.len()];
    for line in lines {
        match line {
            Line::Kept(at) => {
                left[at] = false;
                new.push(old[at].clone());
            }
            Line::Changed(at, text) => {
                left[at] = false;
                if old[at].text == text {
                    new.push(old[at].clone());
                    continue;
                }
                changes.push(Change::new(section, at + 1, Some(&old[at].text), Some(&text)));
                new.push(Sentence { text, author: Some(author.clone()), ..old[at].clone() });
            }
            Line::Added(text) => {
                changes.push(Change::new(section, new.len() + 1, None, Some(&text)));
                new.push(Sentence { text, author: Some(author.clone()), ..Sentence::default() });
            }
        }
    }
    let removed = left.iter().zip(&old).enumerate().filter(|(_, (left, _))| **left);
    changes.extend(removed.map(|(at, (_, old))| Change::new(section, at + 1, Some(&old.text), None)));

    if changes.is_empty() {
        return changes;
    }
    let at = report.sections.iter().position(ours);
    let heading = at.map_or_else(|| code(section), |at| report.sections[at].heading.clone());
    report.sections.retain(|known| !ours(known));
    if !new.is_empty() {
        let addendum = report.sections.iter().position(|known| section_of(&known.heading).is_none());
        let at = at.or(addendum).unwrap_or(report.sections.len()).min(report.sections.len());
        report.sections.insert(at, dicom_io::sr::Section { heading, observer: None, sentences: new });
    }
    changes
}

fn code(section: Section) -> Code {
    match section {
        Section::Findings => codes::FINDINGS,
        Section::Impression => codes::IMPRESSIONS,
        Section::Recommendation => codes::RECOMMENDATIONS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(findings: &[&str]) -> TextReport {
        let sentence = |text: &&str| Sentence { text: (*text).to_owned(), ..Sentence::default() };
        TextReport {
            language: None,
            title: codes::DIAGNOSTIC_IMAGING_REPORT,
            procedure: None,
            sections: vec![dicom_io::sr::Section {
                heading: codes::FINDINGS,
                observer: None,
                sentences: findings.iter().map(sentence).collect(),
            }],
            measured: None,
            evidence: Vec::new(),
        }
    }

    /// What a change of the findings `before` into `after` is called.
    #[track_caller]
    fn check(before: &[&str], after: &[&str], expected: &[&str]) {
        let mut words = report(before);
        let author = Author::Person("Li^Ming".to_owned());
        let text = format!("Findings\n{}\n\nImpression\n", after.join("\n"));
        let changes = replace(&mut words, &text, &author, &[]).unwrap();
        let lines: Vec<String> = changes.iter().map(|change| change.line(Language::English)).collect();
        assert_eq!(lines, expected);
        assert_eq!(texts(&words, Section::Findings), after);
        let by_person =
            words.sections.iter().flat_map(|s| &s.sentences).filter(|s| s.author.is_some()).count();
        assert_eq!(by_person, changes.iter().filter(|change| change.after.is_some()).count());
    }

    #[test]
    fn an_edited_text_is_compared_sentence_by_sentence() {
        check(&["A.", "B."], &["A.", "B."], &[]);
        check(&["A.", "B.", "C."], &["A.", "D.", "C."], &["Findings 2: [-B-]{+D+}."]);
        check(&["A.", "B."], &["B."], &["Findings 1: [-A.-]"]);
        check(&["A."], &["A.", "B."], &["Findings 2: {+B.+}"]);
        check(&["A.", "B."], &[], &["Findings 1: [-A.-]", "Findings 2: [-B.-]"]);
    }

    #[test]
    fn single_sentences_are_set_added_and_taken_out() {
        let sets = ["findings:2=D.", "findings:+=E.", "findings:1=", "impression:+=F."];
        let sets = sets.map(|text| text.parse::<Set>().unwrap());
        let mut words = report(&["A.", "B.", "C."]);
        let changes = set(&mut words, &sets, &Author::Person("Li^Ming".to_owned())).unwrap();
        assert_eq!(texts(&words, Section::Findings), ["D.", "C.", "E."]);
        assert_eq!(texts(&words, Section::Impression), ["F."]);
        assert_eq!(changes.len(), 4);
        assert!("findings:0=A.".parse::<Set>().is_err());
        assert!("advice:1=A.".parse::<Set>().is_err());
        let beyond = ["findings:4=A."].map(|text| text.parse::<Set>().unwrap());
        assert!(set(&mut words, &beyond, &Author::Person("Li^Ming".to_owned())).is_err());
    }
}
