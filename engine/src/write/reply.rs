//! What a model replied, as sentences: without its thinking, whatever it wrapped them in.

use serde_json::json;

use super::json::{self, Json};
use crate::check::Section;

/// A reply of more characters is no report. It bounds the work on a model that does not stop.
const LONGEST_REPLY: usize = 200_000;

/// A sentence of more characters is none.
const LONGEST_SENTENCE: usize = 600;

/// A reply may begin with so many brackets that are not our JSON.
const BRACKETS_TRIED: usize = 64;

/// A reply has so many sentences at most; the rest is left out.
const MOST_SENTENCES: usize = 200;

/// The sentences of a reply, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Draft {
    /// In the order of the reply.
    pub sentences: Vec<Drafted>,
}

/// One sentence as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drafted {
    /// Where it belongs.
    pub section: Section,
    /// The findings (by number) that it names as its evidence.
    pub findings: Vec<usize>,
    /// The words, on one line.
    pub text: String,
}

/// Why there are no sentences in a reply. The words are for the model, which is asked again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// Nothing, or blanks.
    #[error("the answer was empty")]
    Empty,
    /// The model began to think and never came to an answer.
    #[error("the answer held reasoning only")]
    OnlyThinking,
    /// There is no JSON in it.
    #[error("the answer held no JSON")]
    NoJson,
    /// There is JSON, but no whole sentence.
    #[error("the JSON held no complete sentence")]
    NoSentences,
    /// Longer than any report.
    #[error("the answer was too long")]
    TooLong,
}

impl Draft {
    /// The sentences in `raw`, the content of a reply.
    ///
    /// Thinking is cut away first, also where only its end is marked, so none of it gets any further. Then the JSON
    /// with the most sentences counts, wherever it stands. Its mechanics are forgiven (see `json.rs`): fences, prose
    /// around it, a missing end, other names of fields. A sentence that was cut off is left out.
    ///
    /// # Errors
    ///
    /// See [`ReplyFault`].
    pub fn parse(raw: &str) -> Result<Self, ReplyFault> {
        if raw.len() > LONGEST_REPLY {
            return Err(ReplyFault::TooLong);
        }
        if raw.trim().is_empty() {
            return Err(ReplyFault::Empty);
        }
        let answer = without_thinking(raw).ok_or(ReplyFault::OnlyThinking)?;
        let characters: Vec<char> = answer.chars().collect();
        let mut best: Option<Self> = None;
        let (mut at, mut tried) = (0, 0);
        while let Some(offset) = characters[at..].iter().position(|c| matches!(c, '{' | '[' | '｛' | '［'))
        {
            at += offset;
            let (value, read) = json::value(&characters[at..]);
            let found = Self::of(&value);
            let more = best.as_ref().is_none_or(|best| found.sentences.len() > best.sentences.len());
            // Brackets inside what has been read were read with it.
            at += if found.sentences.is_empty() { 1 } else { read.max(1) };
            if more {
                best = Some(found);
            }
            tried += 1;
            if tried == BRACKETS_TRIED {
                break;
            }
        }
        match best {
            None => Err(ReplyFault::NoJson),
            Some(draft) if draft.sentences.is_empty() => Err(ReplyFault::NoSentences),
            Some(draft) => Ok(draft),
        }
    }

    /// The draft as the JSON that was asked for, for a second round: the model's own reply may hold anything.
    pub(super) fn to_json(&self) -> String {
        let of = |section: Section| -> Vec<_> {
            let sentences = self.sentences.iter().filter(|sentence| sentence.section == section);
            sentences.map(|s| json!({ "numbers": s.findings, "text": s.text })).collect()
        };
        json!({ "findings": of(Section::Findings), "impression": of(Section::Impression) }).to_string()
    }

    fn of(value: &Json) -> Self {
        let mut draft = Self::default();
        draft.collect(value, None, None, 0);
        draft
    }

    /// Takes the sentences from `value`, whose place in the reply tells `section` and `number` where it does not.
    fn collect(&mut self, value: &Json, section: Option<Section>, number: Option<usize>, depth: usize) {
        match value {
            Json::Object(fields) => {
                if let Some(text) = field(fields, TEXT) {
                    let section = field(fields, SECTION)
                        .and_then(|value| if let Json::Text(name) = value { section_of(name) } else { None })
                        .or(section);
                    let findings = field(fields, FINDINGS).map(numbers).filter(|numbers| !numbers.is_empty());
                    let findings = findings.or(number.map(|number| vec![number]));
                    if let Json::Text(text) = text {
                        self.add(section, findings, text);
                    }
                    return;
                }
                for (name, value) in fields {
                    let within = section_of(name).or(section);
                    let number = named(name).first().copied().or(number);
                    self.collect(value, within, number, depth + 1);
                }
            }
            Json::List(items) => items.iter().for_each(|item| self.collect(item, section, number, depth + 1)),
            // A bare text is a sentence only where its place says of what.
            Json::Text(text) if depth > 0 && section.or(number.map(|_| Section::Findings)).is_some() => {
                self.add(section, number.map(|number| vec![number]), text);
            }
            Json::Text(_) | Json::Number(_) | Json::Word | Json::Cut => {}
        }
    }

    fn add(&mut self, section: Option<Section>, findings: Option<Vec<usize>>, text: &str) {
        let text = tidy(text);
        if text.is_empty()
            || text.chars().count() > LONGEST_SENTENCE
            || self.sentences.len() >= MOST_SENTENCES
        {
            return;
        }
        let mut findings = findings.unwrap_or_else(|| named(&text));
        findings.sort_unstable();
        findings.dedup();
        let sentence = Drafted { section: section.unwrap_or(Section::Findings), findings, text };
        if !self.sentences.contains(&sentence) {
            self.sentences.push(sentence);
        }
    }
}

/// Names that models give to the fields, besides ours, which stand first.
const TEXT: &[&str] =
    &["text", "sentence", "content", "description", "words", "句子", "内容", "文本", "描述"];
const SECTION: &[&str] = &["section", "part", "category", "type", "部分", "章节", "类别", "栏目"];
const FINDINGS: &[&str] = &[
    "numbers",
    "findings",
    "finding",
    "evidence",
    "ids",
    "id",
    "refs",
    "finding_ids",
    "finding_numbers",
    "number",
    "finding_id",
    "lesions",
    "病灶",
    "编号",
    "依据",
    "证据",
];

/// The value of the first of `names` that `fields` has.
fn field<'a>(fields: &'a [(String, Json)], names: &[&str]) -> Option<&'a Json> {
    let of = |name: &&str| fields.iter().find(|(found, _)| found.trim().eq_ignore_ascii_case(name));
    names.iter().find_map(of).map(|(_, value)| value)
}

fn section_of(name: &str) -> Option<Section> {
    let name = name.trim().to_lowercase();
    let is = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    if is(&["impression", "conclusion", "summary", "诊断", "印象", "结论", "影像诊断"]) {
        Some(Section::Impression)
    } else if is(&["recommendation", "advice", "follow", "建议", "随访"]) {
        Some(Section::Recommendation)
    } else if is(&["findings", "影像所见", "影像表现", "检查所见", "所见", "影像学表现"]) {
        Some(Section::Findings)
    } else {
        None
    }
}

/// The finding numbers in `value`: 1, "1", "F1", "finding 1", [1, 2].
fn numbers(value: &Json) -> Vec<usize> {
    match value {
        Json::Number(number) if number.fract() == 0.0 && (1.0..1e6).contains(number) => {
            vec![*number as usize]
        }
        Json::Text(text) => whole_numbers(text),
        Json::List(items) => items.iter().take(MOST_SENTENCES).flat_map(numbers).collect(),
        _ => Vec::new(),
    }
}

/// The whole numbers written in a short text.
fn whole_numbers(text: &str) -> Vec<usize> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    digits.filter_map(|part| part.parse().ok()).filter(|number| (1..1_000_000).contains(number)).collect()
}

/// The findings that a text names: "Finding 1", "findings 1, 2 and 3", "病灶 1、2", "finding_1".
fn named(text: &str) -> Vec<usize> {
    let lower = text.to_lowercase();
    let mut numbers = Vec::new();
    for name in ["finding", "病灶"] {
        for (at, _) in lower.match_indices(name) {
            let rest = lower[at + name.len()..].trim_start_matches(['s', ' ', '_', '#', '-']);
            let list = |c: char| c.is_ascii_digit() || matches!(c, ' ' | ',' | '、' | '和');
            let end = rest.find(|c| !list(c)).unwrap_or(rest.len());
            // "finding 2, 8.1 mm" goes on with a measurement.
            let cut = if rest[end..].starts_with('.') {
                rest[..end].rfind([',', ' ', '、']).unwrap_or(end)
            } else {
                end
            };
            let first = rest[..cut].split([' ']).next().unwrap_or_default();
            let listed = if first.contains([',', '、', '和']) { &rest[..cut] } else { first };
            numbers.extend(whole_numbers(listed));
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// What is left of `raw` when all thinking is cut away; `None` if it never ends.
///
/// Everything before the last closing mark is thinking, with or without an opening one: templates put the opening
/// mark into the prompt. What follows an opening mark that is never closed is thinking too.
fn without_thinking(raw: &str) -> Option<String> {
    let plain: String = raw
        .chars()
        .map(|c| {
            if c == '＜' {
                '<'
            } else if c == '＞' {
                '>'
            } else {
                c
            }
        })
        .collect();
    // The same length in bytes, so that places in one are places in the other.
    let lower = plain.to_ascii_lowercase();
    let last = THINKING.iter().flat_map(|(_, close)| lower.rfind(close).map(|at| at + close.len())).max();
    let answer = last.map_or(&plain[..], |end| &plain[end..]);
    let lower = answer.to_ascii_lowercase();
    let opened = THINKING.iter().filter_map(|(open, _)| lower.find(open)).min();
    let answer = opened.map_or(answer, |start| &answer[..start]);
    (!answer.trim().is_empty()).then(|| answer.to_owned())
}

/// The marks around thinking, as the models of these years write them.
const THINKING: &[(&str, &str)] = &[
    ("<think", "</think>"),
    ("<thinking", "</thinking>"),
    ("<thought", "</thought>"),
    ("<reasoning", "</reasoning>"),
    ("<reflection", "</reflection>"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis", "<|channel|>final"),
];

/// A sentence on one line, without list marks and emphasis around it.
fn tidy(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ").replace("**", "").replace("__", "");
    let line = line.trim_start_matches(['-', '*', '•', '·', '#', ' ']);
    without_ordinal(line).trim().to_owned()
}

/// Without "1. " or "1、" at its head; "1.2 cm" stays.
fn without_ordinal(line: &str) -> &str {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = line.len() - rest.len();
    if digits == 0 || digits > 2 {
        return line;
    }
    match rest.chars().next() {
        Some('、') => &rest['、'.len_utf8()..],
        Some('.' | ')') if rest[1..].starts_with(' ') => &rest[2..],
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentences in `raw` as `section|numbers|text`.
    #[track_caller]
    fn check(raw: &str, expected: &[&str]) {
        let draft = Draft::parse(raw).unwrap_or_default();
        let line = |s: &Drafted| format!("{:?}|{:?}|{}", s.section, s.findings, s.text);
        let found: Vec<String> = draft.sentences.iter().map(line).collect();
        assert_eq!(found, expected, "{raw}");
    }

    const ONE: &str = r#"{"sentences":[{"section":"findings","findings":[1],"text":"A."}]}"#;

    #[test]
    fn thinking_is_cut_away_also_where_only_its_end_is_marked() {
        for raw in [
            format!("<think>{{\"text\": \"99 mm\", \"findings\": [1]}}</think>{ONE}"),
            format!("no opening {{\"text\": \"99 mm\"}}</think>\n{ONE}"),
            format!("<THINKING>a</Thinking> {ONE} <think>and another thought"),
            format!("＜think＞左肺＜/think＞{ONE}"),
            format!("<|channel|>analysis<|message|>hm<|channel|>final<|message|>{ONE}"),
        ] {
            check(&raw, &["Findings|[1]|A."]);
        }
    }

    #[test]
    fn what_is_only_thinking_empty_or_no_json_is_told_apart() {
        for (raw, fault) in [
            (" \n ", ReplyFault::Empty),
            ("<think>{\"text\":\"a\"}", ReplyFault::OnlyThinking),
            ("<think>a</think>  ", ReplyFault::OnlyThinking),
            ("I cannot do that.", ReplyFault::NoJson),
            ("{\"sentences\":[]}", ReplyFault::NoSentences),
            (
                "{\"sentences\":[{\"section\":\"findings\",\"findings\":[1],\"text\":\"A nod",
                ReplyFault::NoSentences,
            ),
        ] {
            assert_eq!(Draft::parse(raw), Err(fault), "{raw}");
        }
        assert_eq!(Draft::parse(&"a".repeat(LONGEST_REPLY + 1)), Err(ReplyFault::TooLong));
    }

    #[test]
    fn json_is_found_in_fences_prose_and_other_shapes() {
        check(&format!("Here is it:\n```json\n{ONE}\n```\nAnything else?"), &["Findings|[1]|A."]);
        check(&format!("The format is [list] and {{}}: {ONE}"), &["Findings|[1]|A."]);
        check(r#"[{"sentence":"A.","evidence":["F1"]}]"#, &["Findings|[1]|A."]);
        check(r#"{"text":"A.","finding":1,"section":"Impression"}"#, &["Impression|[1]|A."]);
        check(
            r#"{"findings":[{"evidence":["F2"],"text":"A."}],"impression":["病灶 1、2：两枚。"]}"#,
            &["Findings|[2]|A.", "Impression|[1, 2]|病灶 1、2：两枚。"],
        );
        check(r#"{"影像所见":{"病灶 2":"左肺结节。"}}"#, &["Findings|[2]|左肺结节。"]);
        check(
            r#"{"finding_1": "A.", "impression": "B of finding 1."}"#,
            &["Findings|[1]|A.", "Impression|[1]|B of finding 1."],
        );
    }

    #[test]
    fn a_sentence_that_was_cut_off_is_left_out() {
        check(
            r#"{"sentences":[{"section":"findings","findings":[1],"text":"A."},{"section":"findings","findings":[2],"text":"Nodule of 12"#,
            &["Findings|[1]|A."],
        );
    }

    #[test]
    fn list_marks_and_emphasis_are_taken_off_and_measurements_are_not() {
        for (text, expected) in [
            ("1. A.", "A."),
            ("- **A**.", "A."),
            ("2、右肺", "右肺"),
            ("1.2 cm", "1.2 cm"),
            ("12\n mm", "12 mm"),
        ] {
            assert_eq!(tidy(text), expected);
        }
    }

    #[test]
    fn the_findings_that_a_text_names_are_its_numbers() {
        for (text, expected) in [
            ("Finding 1: 8.1 mm", &[1][..]),
            ("findings 1, 2 and the rest", &[1, 2]),
            ("病灶 1、3，长径 8.1 mm", &[1, 3]),
            ("finding 2, 8.1 mm", &[2]),
            ("nothing", &[]),
        ] {
            assert_eq!(named(text), expected, "{text}");
        }
    }
}
