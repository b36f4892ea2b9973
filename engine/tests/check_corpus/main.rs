//! The judge of the checker, by another hand than the checker's: good reports that must pass, and wrong ones
//! that must not.
//!
//! A seeded examination is told by the template and, by a grammar of our own, in many other words; a corpus by hand
//! adds what radiologists write. Each mutator makes a good report wrong in one known way. Some classes and wordings
//! were kept from whoever wrote the checker (`held_out.rs`). `docs/CHECKING.md` has the table that the test of the
//! mutations prints.

mod by_hand;
mod case;
mod chinese;
mod claims;
mod english;
mod figures;
mod held_out;
mod mutate;
mod numbers;
mod paraphrase;
mod seeded;
mod table;
mod whole;
mod words;

use engine::Language::{self, Chinese, English};
use engine::Narrative;
use engine::check::{Fault, Place, Section, check};

use case::Case;
use mutate::{Draft, Mutator};
use paraphrase::paraphrase;
use seeded::Seeded;
use table::Table;

/// Each of these seeds is an examination.
const SEED: u64 = 40_000;

fn every_mutator() -> impl Iterator<Item = &'static Mutator> + Clone {
    [numbers::ALL, words::ALL, claims::ALL, whole::ALL, held_out::ALL].into_iter().flatten()
}

/// What a fault says, with the sentence that it is in.
fn told(narrative: &Narrative, fault: &Fault) -> String {
    let list = |section| match section {
        Section::Findings => &narrative.findings,
        Section::Impression => &narrative.impression,
        Section::Recommendation => &narrative.recommendation,
    };
    let place = fault.place.and_then(|place| list(place.section).get(place.sentence));
    let text = place.map_or("(the report)", |sentence| sentence.text.as_str());
    format!("{}: \"{}\" instead of \"{}\" in: {text}", fault.class, fault.found, fault.expected)
}

/// Says the first few of many complaints, and how many there are.
#[track_caller]
fn none(complaints: &[String], of: usize) {
    let shown: Vec<&str> = complaints.iter().take(40).map(String::as_str).collect();
    assert!(complaints.is_empty(), "{} of {of}:\n{}", complaints.len(), shown.join("\n"));
}

#[test]
fn the_template_of_every_examination_passes() {
    let mut complaints = Vec::new();
    let count = 1_000;
    for seed in 0..count as u64 {
        let case = Case::seeded(SEED + seed);
        for language in [Chinese, English] {
            let narrative = case.template(language);
            let verdict = check(&narrative, &case.evidence());
            complaints.extend(verdict.faults.iter().map(|fault| told(&narrative, fault)));
        }
    }
    none(&complaints, 2 * count);
}

fn faithful(language: Language) {
    let mut complaints = Vec::new();
    let count = 1_000;
    for seed in 0..count as u64 {
        let case = Case::seeded(SEED + seed);
        let narrative = paraphrase(&case, language, seed);
        let verdict = check(&narrative, &case.evidence());
        complaints.extend(verdict.faults.iter().map(|fault| told(&narrative, fault)));
    }
    none(&complaints, count);
}

#[test]
fn a_thousand_faithful_reports_in_other_english_words_pass() {
    faithful(English);
}

#[test]
fn a_thousand_faithful_reports_in_other_chinese_words_pass() {
    faithful(Chinese);
}

fn by_hand(language: Language, sentences: &[by_hand::ByHand]) {
    assert!(sentences.len() >= 60);
    let mut complaints = Vec::new();
    for sentence in sentences {
        let (case, narrative) = by_hand::report(language, *sentence);
        let verdict = check(&narrative, &case.evidence());
        complaints.extend(verdict.faults.iter().map(|fault| told(&narrative, fault)));
    }
    none(&complaints, sentences.len());
}

#[test]
fn english_sentences_by_hand_pass() {
    by_hand(English, by_hand::ENGLISH);
}

#[test]
fn chinese_sentences_by_hand_pass() {
    by_hand(Chinese, by_hand::CHINESE);
}

/// A good report on an examination: the template's or one in other words.
fn good(case: &Case, language: Language, seed: u64) -> Narrative {
    if seed.is_multiple_of(2) { case.template(language) } else { paraphrase(case, language, seed) }
}

/// A good report, and the same made wrong at a place (`None`: as a whole).
struct Wrong {
    before: Narrative,
    after: Narrative,
    place: Option<Place>,
}

/// A report on `case` made wrong by `mutator`; `None` where it has nothing of the kind.
fn wrong(mutator: &Mutator, case: &Case, language: Language, seed: u64) -> Option<Wrong> {
    let before = good(case, language, seed);
    let mut draft = Draft { case, narrative: before.clone(), random: Seeded::new(seed), place: None };
    if !mutator.apply.to(&mut draft) {
        return None;
    }
    assert_ne!(before, draft.narrative, "{}: a mutation changes the report", mutator.name);
    Some(Wrong { before, after: draft.narrative, place: draft.place })
}

impl Wrong {
    /// The faults that the mutation has: those in its sentence or of the report as a whole that the good report
    /// does not have. What is wrong before it is wrong catches nothing.
    fn faults(&self, case: &Case) -> Vec<Fault> {
        let evidence = case.evidence();
        let known = check(&self.before, &evidence).faults;
        let same = |a: &Fault, b: &Fault| (a.class, &a.found) == (b.class, &b.found);
        let there =
            |fault: &Fault| self.place.is_none() || fault.place.is_none() || fault.place == self.place;
        let found = check(&self.after, &evidence).faults.into_iter();
        found.filter(|fault| there(fault) && !known.iter().any(|known| same(known, fault))).collect()
    }

    /// The sentence that is wrong.
    fn text(&self) -> &str {
        let list = |section| match section {
            Section::Findings => &self.after.findings,
            Section::Impression => &self.after.impression,
            Section::Recommendation => &self.after.recommendation,
        };
        let sentence = self.place.and_then(|place| list(place.section).get(place.sentence));
        sentence.map_or("(the report)", |sentence| sentence.text.as_str())
    }
}

#[test]
fn five_thousand_mutations_are_caught() {
    let each = 5_000_usize.div_ceil(2 * every_mutator().count());
    let mut table = Table::default();
    let mut complaints = Vec::new();
    for (index, mutator) in every_mutator().enumerate() {
        for language in [Chinese, English] {
            let mut made = 0;
            let mut seed = 0;
            // Rare circumstances (a critical finding, an unknown side) take many examinations.
            while made < each && seed < 40 * each as u64 + 400 {
                seed += 1;
                let case = Case::seeded(SEED + 7_919 * index as u64 + seed);
                let Some(wrong) = wrong(mutator, &case, language, seed) else { continue };
                made += 1;
                let faults = wrong.faults(&case);
                let named =
                    faults.iter().any(|f| f.class == mutator.class || mutator.also.contains(&f.class));
                table.count(mutator, language, !faults.is_empty(), named);
                if faults.is_empty() {
                    complaints.push(format!("{} ({}): {}", mutator.class, mutator.name, wrong.text()));
                }
            }
            assert!(made > 0, "{} never applies in {language:?}", mutator.name);
        }
    }
    println!("{table}");
    none(&complaints, table.all());
}
