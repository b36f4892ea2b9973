//! Good reports made wrong, each in one way and on record.

use engine::check::{Class, Place, Section};
use engine::narrative::Sentence;
use engine::{Finding, Language, Narrative};

use crate::case::Case;
use crate::seeded::Seeded;

/// A report in the making.
pub(crate) struct Draft<'a> {
    pub(crate) case: &'a Case,
    pub(crate) narrative: Narrative,
    pub(crate) random: Seeded,
    /// Where it is wrong now; `None`: as a whole.
    pub(crate) place: Option<Place>,
}

/// One way to make a report wrong.
pub(crate) struct Mutator {
    pub(crate) name: &'static str,
    /// The class that it is listed under.
    pub(crate) class: Class,
    /// Names that are as right as the class: a wrong number within a range is a wrong range too.
    pub(crate) also: &'static [Class],
    /// Whether its words were kept from whoever wrote the checker.
    pub(crate) held_out: bool,
    pub(crate) apply: Apply,
}

/// How a report is made wrong.
#[derive(Clone, Copy)]
pub(crate) enum Apply {
    /// Words for words.
    Swap(&'static Swap),
    /// Something more is said.
    Claim(&'static Claim),
    /// Anything else; false where the report has nothing of the kind.
    Other(fn(&mut Draft<'_>) -> bool),
}

/// Words for words, in a sentence on one finding.
pub(crate) struct Swap {
    /// Whether the sentence is wrong then.
    pub(crate) when: fn(&Case, &Finding) -> bool,
    pub(crate) chinese: &'static [(&'static str, &'static str)],
    pub(crate) english: &'static [(&'static str, &'static str)],
}

/// What a report must not say.
pub(crate) struct Claim {
    pub(crate) how: How,
    /// Whether it is wrong of this examination; with the finding that it is said of.
    pub(crate) when: fn(&Case, Option<&Finding>) -> bool,
    pub(crate) chinese: &'static [&'static str],
    pub(crate) english: &'static [&'static str],
}

/// How something more is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// At the end of a sentence on one finding.
    Clause,
    /// In a sentence of its own, on one finding.
    Sentence,
    /// In a sentence of its own, on no finding.
    General,
}

impl Draft<'_> {
    pub(crate) fn language(&self) -> Language {
        self.narrative.language
    }

    pub(crate) fn is_chinese(&self) -> bool {
        self.language() == Language::Chinese
    }

    /// The sentences of a section.
    pub(crate) fn section(&mut self, section: Section) -> &mut Vec<Sentence> {
        match section {
            Section::Findings => &mut self.narrative.findings,
            Section::Impression => &mut self.narrative.impression,
            Section::Recommendation => &mut self.narrative.recommendation,
        }
    }

    /// Places of sentences of findings and impression that are so, in random order.
    pub(crate) fn places(&mut self, is: impl Fn(&Sentence) -> bool) -> Vec<Place> {
        let of = |section, sentences: &[Sentence]| -> Vec<Place> {
            let chosen = sentences.iter().enumerate().filter(|(_, s)| is(s));
            chosen.map(|(sentence, _)| Place { section, sentence }).collect()
        };
        let mut places = of(Section::Findings, &self.narrative.findings);
        places.extend(of(Section::Impression, &self.narrative.impression));
        self.random.shuffle(&mut places);
        places
    }

    /// Places of sentences on one finding.
    pub(crate) fn on_one(&mut self) -> Vec<Place> {
        self.places(|sentence| sentence.evidence.len() == 1)
    }

    pub(crate) fn sentence(&mut self, place: Place) -> &mut Sentence {
        &mut self.section(place.section)[place.sentence]
    }

    pub(crate) fn text(&mut self, place: Place) -> String {
        self.sentence(place).text.clone()
    }

    /// The finding that the sentence at `place` rests on, where it is one.
    pub(crate) fn finding(&mut self, place: Place) -> Option<Finding> {
        match self.sentence(place).evidence[..] {
            [number] => self.case.finding(number).cloned(),
            _ => None,
        }
    }

    /// Makes the sentence at `place` wrong. Always true, for the end of a mutator.
    pub(crate) fn set(&mut self, place: Place, text: String) -> bool {
        assert_ne!(self.text(place), text, "a mutation changes something");
        self.sentence(place).text = text;
        self.place = Some(place);
        true
    }

    /// Says one sentence more, at a random place of `section`. Always true.
    pub(crate) fn insert(&mut self, section: Section, text: String, evidence: Vec<usize>) -> bool {
        let author = engine::narrative::Author::Model;
        let length = self.section(section).len();
        let sentence = self.random.below(length + 1);
        let new = Sentence { text, evidence, rules: Vec::new(), author };
        self.section(section).insert(sentence, new);
        self.place = Some(Place { section, sentence });
        true
    }

    /// The sentence without its full stop, and the full stop.
    pub(crate) fn split(text: &str) -> (&str, &str) {
        match text.char_indices().last() {
            Some((at, '。' | '.' | '：' | ':' | '；')) => text.split_at(at),
            _ => (text, ""),
        }
    }
}

impl Apply {
    /// Makes `draft` wrong; false where it has nothing of the kind.
    pub(crate) fn to(self, draft: &mut Draft<'_>) -> bool {
        match self {
            Self::Swap(swap) => swap.to(draft),
            Self::Claim(claim) => claim.to(draft),
            Self::Other(apply) => apply(draft),
        }
    }
}

impl Swap {
    fn to(&self, draft: &mut Draft<'_>) -> bool {
        let mut pairs = if draft.is_chinese() { self.chinese } else { self.english }.to_vec();
        draft.random.shuffle(&mut pairs);
        for place in draft.on_one() {
            let Some(finding) = draft.finding(place).filter(|finding| (self.when)(draft.case, finding))
            else {
                continue;
            };
            let text = draft.text(place);
            for (from, to) in &pairs {
                if let Some(wrong) = replaced(&text, from, to) {
                    debug_assert_eq!(finding.number, draft.sentence(place).evidence[0]);
                    return draft.set(place, wrong);
                }
            }
        }
        false
    }
}

impl Claim {
    fn to(&self, draft: &mut Draft<'_>) -> bool {
        let words = if draft.is_chinese() { self.chinese } else { self.english };
        let words = draft.random.pick(words);
        if self.how == How::General {
            if !(self.when)(draft.case, None) {
                return false;
            }
            let section = draft.random.pick(&[Section::Findings, Section::Impression]);
            return draft.insert(section, words.to_owned(), Vec::new());
        }
        for place in draft.on_one() {
            let Some(finding) = draft.finding(place).filter(|f| (self.when)(draft.case, Some(f))) else {
                continue;
            };
            let words = words.replace("{n}", &finding.number.to_string());
            if self.how == How::Sentence {
                return draft.insert(place.section, words, vec![finding.number]);
            }
            let text = draft.text(place);
            let (body, stop) = Draft::split(&text);
            let comma = if draft.is_chinese() { "，" } else { ", " };
            return draft.set(place, format!("{body}{comma}{words}{stop}"));
        }
        false
    }
}

/// `text` with every whole `from` replaced; `None` where it is not there.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> Option<String> {
    let joins = |c: char| c.is_ascii_alphanumeric();
    let whole = |at: usize| {
        let before = text[..at].chars().next_back().is_some_and(joins) && from.starts_with(joins);
        let after = text[at + from.len()..].chars().next().is_some_and(joins) && from.ends_with(joins);
        !before && !after
    };
    let mut changed = String::new();
    let mut done = 0;
    for (at, _) in text.match_indices(from) {
        if whole(at) {
            changed += &text[done..at];
            changed += to;
            done = at + from.len();
        }
    }
    (done > 0).then(|| changed + &text[done..])
}
