//! Reading a model's replies, telling it what was wrong, and what is left of them in the report.

use std::collections::BTreeSet;

use super::compose::{compose, finding, states_length};
use super::reply::{Draft, Drafted, ReplyFault};
use super::{Judgement, Message, Rejected, Request, Role, System};
use crate::check::{self, Class, Fault, Section, Verdict};
use crate::evidence::Evidence;
use crate::narrative::template::{self, DESCRIBED};
use crate::narrative::{Author, Facts, Language, Narrative, phrase, rounded};

/// The model is asked so often: once, and once more with what was wrong.
const ROUNDS: usize = 2;

/// So many faults of a sentence are kept and told.
const FAULTS_TOLD: usize = 5;

/// Words that are quoted from a reply are cut to so many characters.
const LONGEST_QUOTE: usize = 120;

/// A model's replies to one request, as they come in.
pub struct Attempt<'a> {
    request: &'a Request,
    facts: &'a Facts<'a>,
    evidence: &'a Evidence,
    candidates: Vec<Candidate>,
    /// What the check says of the report that the accepted sentences make; `None` before the first reply.
    verdict: Option<Verdict>,
    /// What is wrong with the report that the accepted sentences make.
    report: Vec<Fault>,
    /// Of each reply, what kept it from being read.
    rounds: Vec<Option<ReplyFault>>,
    problems: Vec<String>,
}

/// A sentence of the model, and what is wrong with it.
struct Candidate {
    sentence: Drafted,
    faults: Vec<Fault>,
    /// Whether it may still stand in the report.
    accepted: bool,
}

/// A report that holds only words that passed the check, or the template's.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The words.
    pub narrative: Narrative,
    /// What became of the replies, for the provenance.
    pub judgement: Judgement,
}

impl<'a> Attempt<'a> {
    /// Nothing has been read yet; to finish now means the template. `request` was made of `facts`, and `evidence`
    /// is what is known of the same examination.
    pub fn new(request: &'a Request, facts: &'a Facts<'a>, evidence: &'a Evidence) -> Self {
        Self {
            request,
            facts,
            evidence,
            candidates: Vec::new(),
            verdict: None,
            report: Vec::new(),
            rounds: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// Takes the content of a reply, whatever it is.
    pub fn read(&mut self, raw: &str) {
        let draft = match Draft::parse(raw) {
            Ok(draft) => {
                self.rounds.push(None);
                draft
            }
            Err(fault) => {
                self.problems.push(fault.to_string());
                self.rounds.push(Some(fault));
                return;
            }
        };
        // After a fault of the whole report nobody knows which sentence to keep.
        if !self.report.is_empty() {
            self.candidates.clear();
            self.report.clear();
        }
        for sentence in draft.sentences {
            self.take(sentence);
        }
        self.settle();
        self.problems.extend(self.report.iter().map(told));
    }

    /// Adds a sentence of the reply, unless what it says is said already.
    fn take(&mut self, sentence: Drafted) {
        let overview = sentence.section == Section::Findings && sentence.findings.len() > 1;
        let again = self.candidates.iter().any(|c| {
            c.accepted && c.sentence.section == sentence.section && (c.sentence.text == sentence.text)
        });
        // How many there are, the template says above the findings.
        if overview || again {
            return;
        }
        let already = match sentence.section {
            // In a second round, the accepted sentences of the first stay.
            _ if self.rounds.len() < 2 => false,
            Section::Findings => sentence.findings.iter().all(|number| self.described(*number)),
            Section::Impression => sentence.findings.iter().any(|number| self.concluded(*number)),
            Section::Recommendation => false,
        };
        if already && !sentence.findings.is_empty() {
            return;
        }
        let fault = self.out_of_place(&sentence);
        let accepted = fault.is_none();
        self.candidates.push(Candidate { sentence, faults: fault.into_iter().collect(), accepted });
    }

    /// What is wrong with a sentence before anybody looks at its words' meaning.
    fn out_of_place(&self, sentence: &Drafted) -> Option<Fault> {
        let fault =
            |class, found: String, expected: String| Some(Fault { class, place: None, found, expected });
        if sentence.section == Section::Recommendation {
            let expected = "no recommendation: the program adds it".to_owned();
            return fault(Class::Recommendation, quote(&sentence.text), expected);
        }
        if sentence.findings.is_empty() {
            let expected = "the number of the finding that the sentence is about, in findings".to_owned();
            return fault(Class::Evidence, quote(&sentence.text), expected);
        }
        let asked = self.asked(sentence.section);
        if let Some(unknown) = sentence.findings.iter().find(|number| !asked.contains(number)) {
            let expected = format!("findings only of {asked:?}");
            return fault(Class::Evidence, format!("finding {unknown}"), expected);
        }
        let junk = |c: char| c.is_control() || matches!(c, '{' | '}' | '`' | '<' | '|' | '\\' | '#');
        if sentence.text.contains(junk) {
            return fault(Class::Markup, quote(&sentence.text), "plain text without markup".to_owned());
        }
        None
    }

    /// The findings that sentences of a section may name.
    fn asked(&self, section: Section) -> Vec<usize> {
        let topics = template::topics(self.facts).into_iter();
        let most = |count: usize| match section {
            Section::Findings => count.min(DESCRIBED),
            Section::Impression if count <= DESCRIBED => count,
            Section::Impression | Section::Recommendation => 0,
        };
        let named = topics.flat_map(|topic| {
            let most = most(topic.findings.len());
            topic.findings.into_iter().take(most)
        });
        named.map(|finding| finding.number).collect()
    }

    /// Rejects sentences until what is left passes.
    fn settle(&mut self) {
        loop {
            let (narrative, places) = self.composed();
            let verdict = check::check(&narrative, self.evidence);
            let (mut wrong, mut report) = (Vec::new(), Vec::new());
            for fault in verdict.faults.iter().cloned() {
                match places.iter().find(|(place, _)| Some(*place) == fault.place) {
                    Some((_, index)) => wrong.push((*index, fault)),
                    None => report.push(fault),
                }
            }
            // What is wrong tells the model more than what is missing because of it.
            if wrong.is_empty() {
                wrong = self.incomplete();
            }
            if wrong.is_empty() {
                if !report.is_empty() {
                    // What the check has against the template alone is not the model's doing.
                    let template = Narrative::template(self.request.language, self.facts);
                    let known = check::check(&template, self.evidence).faults;
                    report.retain(|fault| !known.iter().any(|known| same(known, fault)));
                }
                (self.report, self.verdict) = (report, Some(verdict));
                return;
            }
            self.reject(wrong);
        }
    }

    fn reject(&mut self, wrong: Vec<(usize, Fault)>) {
        for (index, fault) in wrong {
            let candidate = &mut self.candidates[index];
            candidate.accepted = false;
            if candidate.faults.len() < FAULTS_TOLD {
                candidate.faults.push(fault);
            }
        }
    }

    /// Accepted sentences that leave out what the template's would have said: the size of a finding, or findings of
    /// a topic that is summed up.
    fn incomplete(&self) -> Vec<(usize, Fault)> {
        let accepted = |section: Section| {
            self.candidates
                .iter()
                .enumerate()
                .filter(move |(_, c)| c.accepted && c.sentence.section == section)
        };
        let mut wrong = Vec::new();
        let numbers: BTreeSet<usize> =
            accepted(Section::Findings).flat_map(|(_, c)| c.sentence.findings.iter().copied()).collect();
        for number in numbers {
            let about = || accepted(Section::Findings).filter(|(_, c)| c.sentence.findings == [number]);
            let Some(finding) = finding(self.facts, number) else { continue };
            let long = finding.measurements.long_axis_mm;
            if !about().any(|(_, c)| states_length(&c.sentence.text, long)) {
                let expected =
                    format!("the long axis of finding {number}: {} mm", rounded::millimetres(long));
                wrong.extend(about().map(|(index, c)| (index, omitted(&c.sentence.text, &expected))));
            }
        }
        for topic in template::topics(self.facts) {
            let of_topic =
                |c: &Candidate| topic.findings.iter().any(|f| c.sentence.findings.contains(&f.number));
            let about = || accepted(Section::Impression).filter(|(_, c)| of_topic(c));
            let Some(largest) = topic.largest().filter(|_| about().next().is_some()) else { continue };
            let named = |number: usize| about().any(|(_, c)| c.sentence.findings.contains(&number));
            let missing: Vec<usize> =
                topic.findings.iter().map(|f| f.number).filter(|number| !named(*number)).collect();
            let long = largest.measurements.long_axis_mm;
            let expected = if !missing.is_empty() {
                format!("a summary whose findings include {missing:?} too")
            } else if !about().any(|(_, c)| states_length(&c.sentence.text, long)) {
                format!(
                    "the long axis of the largest, finding {}: {} mm",
                    largest.number,
                    rounded::millimetres(long)
                )
            } else {
                continue;
            };
            wrong.extend(about().map(|(index, c)| (index, omitted(&c.sentence.text, &expected))));
        }
        wrong
    }

    /// The report that the accepted sentences make, and where they stand.
    fn composed(&self) -> (Narrative, Vec<(check::Place, usize)>) {
        let parts = template::parts(self.request.language, self.facts);
        let accepted = self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.accepted);
        let chosen: Vec<(usize, &Drafted)> = accepted.map(|(index, c)| (index, &c.sentence)).collect();
        let composed = compose(self.request.language, self.facts, parts, &chosen);
        (composed.narrative, composed.places)
    }

    /// Whether an accepted sentence describes the finding.
    fn described(&self, number: usize) -> bool {
        self.stands(Section::Findings, number)
    }

    /// Whether an accepted sentence sums up the topic of the finding.
    fn concluded(&self, number: usize) -> bool {
        self.stands(Section::Impression, number)
    }

    fn stands(&self, section: Section, number: usize) -> bool {
        let mut accepted = self.candidates.iter().filter(|candidate| candidate.accepted);
        accepted.any(|c| c.sentence.section == section && c.sentence.findings.contains(&number))
    }

    /// The messages that tell the model exactly what was wrong; `None` when nothing was, when nothing has been read,
    /// or when it has been told before.
    pub fn repair(&self, system: System) -> Option<Vec<Message>> {
        if self.rounds.is_empty() || self.rounds.len() >= ROUNDS {
            return None;
        }
        let language = self.request.language;
        let mut messages = self.request.messages(system);
        if let Some(Some(fault)) = self.rounds.last() {
            messages.push(Message::new(Role::User, &unreadable(language, fault)));
            return Some(messages);
        }
        let missing: Vec<usize> =
            self.asked(Section::Findings).into_iter().filter(|number| !self.described(*number)).collect();
        let unsummed: Vec<usize> =
            self.asked(Section::Impression).into_iter().filter(|number| !self.concluded(*number)).collect();
        if missing.is_empty() && unsummed.is_empty() && self.report.is_empty() {
            return None;
        }
        let draft = Draft { sentences: self.candidates.iter().map(|c| c.sentence.clone()).collect() };
        messages.push(Message::new(Role::Assistant, &plain(&draft.to_json())));
        messages.push(Message::new(Role::User, &self.corrections(&missing, &unsummed)));
        Some(messages)
    }

    /// What was wrong, sentence by sentence. All are asked for again, because the schema is the same; those that
    /// were right stay whatever comes.
    fn corrections(&self, missing: &[usize], unsummed: &[usize]) -> String {
        let language = self.request.language;
        let mut text = phrase::either(
            language,
            "核对测量结果后发现以下问题：\n",
            "Held against the measurements, this was wrong:\n",
        )
        .to_owned();
        for candidate in self.candidates.iter().filter(|candidate| !candidate.accepted) {
            text += &format!("- \"{}\"\n", quote(&candidate.sentence.text));
            for fault in &candidate.faults {
                text += &format!("  {}\n", told(fault));
            }
        }
        for fault in &self.report {
            text += &format!("- {}\n", told(fault));
        }
        for (section, numbers) in [("findings", missing), ("impression", unsummed)] {
            if !numbers.is_empty() {
                text += &phrase::either(
                    language,
                    format!("- {section} 中缺少正确的句子：{numbers:?}\n"),
                    format!("- {section} has no right sentence on {numbers:?}\n"),
                );
            }
        }
        text += phrase::either(
            language,
            "请按同样的规则和 JSON 格式重写全部句子。",
            "Write all sentences again, by the same rules and in the same JSON.",
        );
        text
    }

    /// The report: accepted sentences, and the template's for everything else. If the report as a whole is still at
    /// fault, all of it is the template's.
    pub fn finish(mut self) -> Written {
        let (narrative, verdict) = match self.verdict.take().filter(|_| self.report.is_empty()) {
            Some(verdict) => (self.composed().0, verdict),
            None => {
                let template = Narrative::template(self.request.language, self.facts);
                let verdict = check::check(&template, self.evidence);
                (template, verdict)
            }
        };
        let sections = [&narrative.findings, &narrative.impression];
        let accepted = sections.iter().flat_map(|s| s.iter()).filter(|s| s.author == Author::Model).count();
        let rejected = self.candidates.into_iter().filter(|candidate| !candidate.accepted);
        let rejected = rejected.map(|candidate| Rejected {
            findings: candidate.sentence.findings,
            faults: candidate.faults.into_iter().map(shortened).collect(),
        });
        let judgement = Judgement {
            rounds: self.rounds.len(),
            accepted,
            rejected: rejected.collect(),
            problems: self.problems,
            whole_template: accepted == 0,
            faults: verdict.faults.into_iter().map(shortened).collect(),
            checker: env!("CARGO_PKG_VERSION").to_owned(),
        };
        Written { narrative, judgement }
    }
}

/// That the reply could not be read, and what to send.
fn unreadable(language: Language, fault: &ReplyFault) -> String {
    phrase::either(
        language,
        format!("上一次的回答无法使用（{fault}）。请只输出规定格式的 JSON。"),
        format!("The last answer could not be used: {fault}. Answer with the JSON only."),
    )
}

fn omitted(text: &str, expected: &str) -> Fault {
    Fault { class: Class::Omitted, place: None, found: quote(text), expected: expected.to_owned() }
}

/// Whether two faults are about the same words; the sentences may have moved.
fn same(a: &Fault, b: &Fault) -> bool {
    (a.class, &a.found, &a.expected) == (b.class, &b.found, &b.expected)
}

/// A fault in one line, for the model and the record.
fn told(fault: &Fault) -> String {
    format!("{}: \"{}\"; expected: {}", fault.class.as_str(), quote(&fault.found), plain(&fault.expected))
}

fn shortened(fault: Fault) -> Fault {
    Fault { found: quote(&fault.found), ..fault }
}

/// The beginning of words that a model wrote, without anything that a model could take for a mark of its own.
fn quote(text: &str) -> String {
    let short: String = text.chars().take(LONGEST_QUOTE).collect();
    plain(&short)
}

/// Without the characters that special tokens and think tags are made of.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '<' | '>' | '|' | '＜' | '＞' | '｜' | '◁' | '▷') && !c.is_control())
        .collect()
}
