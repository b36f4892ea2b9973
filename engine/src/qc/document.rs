//! A report's text in its sections and sentences.

use serde::Serialize;

use crate::narrative::Language;

/// A report as somebody wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The language of most of its letters.
    pub language: Language,
    /// Its sections in their order; what stands before the first heading is the head.
    pub parts: Vec<Part>,
    /// All of it.
    pub text: String,
}

/// A section.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What kind of section.
    pub heading: Heading,
    /// Its sentences, without numbers before them.
    pub sentences: Vec<String>,
    /// The numbers before its items.
    pub numbers: Vec<usize>,
}

/// What a section is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Heading {
    /// What stands before the first heading: name, date, kind of examination.
    Head,
    /// 检查方法 / Technique.
    Technique,
    /// 对比 / Comparison.
    Comparison,
    /// 影像所见 / Findings.
    Findings,
    /// 诊断意见 / Impression.
    Impression,
    /// 建议 / Recommendation.
    Recommendation,
    /// History, signature, the patient's version: nothing of it is judged.
    Other,
}

/// Headings as they are written, the longer ones first where one begins like another.
const HEADINGS: &[(&str, Heading)] = &[
    ("检查方法", Heading::Technique),
    ("检查技术", Heading::Technique),
    ("扫描方法", Heading::Technique),
    ("检查名称", Heading::Technique),
    ("对比检查", Heading::Comparison),
    ("对比前片", Heading::Comparison),
    ("影像所见", Heading::Findings),
    ("检查所见", Heading::Findings),
    ("影像表现", Heading::Findings),
    ("影像学表现", Heading::Findings),
    ("放射学表现", Heading::Findings),
    ("影像描述", Heading::Findings),
    ("诊断意见", Heading::Impression),
    ("影像诊断", Heading::Impression),
    ("影像学诊断", Heading::Impression),
    ("诊断印象", Heading::Impression),
    ("放射学诊断", Heading::Impression),
    ("印象", Heading::Impression),
    ("结论", Heading::Impression),
    ("诊断", Heading::Impression),
    ("建议", Heading::Recommendation),
    ("患者版说明", Heading::Other),
    ("临床病史", Heading::Other),
    ("临床诊断", Heading::Other),
    ("病史", Heading::Other),
    ("technique", Heading::Technique),
    ("procedure", Heading::Technique),
    ("examination", Heading::Technique),
    ("exam", Heading::Technique),
    ("protocol", Heading::Technique),
    ("comparison", Heading::Comparison),
    ("findings", Heading::Findings),
    ("finding", Heading::Findings),
    ("impressions", Heading::Impression),
    ("impression", Heading::Impression),
    ("conclusion", Heading::Impression),
    ("opinion", Heading::Impression),
    ("recommendations", Heading::Recommendation),
    ("recommendation", Heading::Recommendation),
    ("for the patient", Heading::Other),
    ("clinical history", Heading::Other),
    ("history", Heading::Other),
    ("indication", Heading::Other),
    ("clinical information", Heading::Other),
];

/// Lines that are signatures, fields of a form, or ours: no sentences of a section.
const FIELDS: &[&str] = &[
    "报告医师",
    "报告医生",
    "审核医师",
    "审核医生",
    "医师签名",
    "签名",
    "报告时间",
    "报告日期",
    "审核时间",
    "检查日期",
    "检查时间",
    "文字由固定模板",
    "signed",
    "electronically signed",
    "reported by",
    "radiologist",
    "report date",
    "date of report",
    "verified by",
    "dictated by",
    "written by",
    "exam date",
    "date of exam",
    "study date",
];

impl Document {
    /// Reads a text: a heading stands on its own line or before a colon, a sentence ends with its full stop or its
    /// line.
    pub fn parse(text: &str) -> Self {
        let mut parts: Vec<Part> = vec![Part::new(Heading::Head)];
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let line = match heading(line) {
                Some((heading, rest)) => {
                    parts.push(Part::new(heading));
                    rest
                }
                None => line,
            };
            if is_field(line) {
                parts.push(Part::new(Heading::Other));
            }
            if let Some(part) = parts.last_mut() {
                part.read(line);
            }
        }
        Self { language: language(text), parts, text: text.to_owned() }
    }

    /// A report whose sections are known, each with its paragraphs.
    pub fn of_sections(sections: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let mut text = String::new();
        let mut parts = Vec::new();
        for (title, paragraphs) in sections {
            let mut part = Part::new(named(&title).unwrap_or(Heading::Other));
            text += &format!("{title}\n");
            for paragraph in paragraphs {
                text += &format!("{paragraph}\n");
                for line in paragraph.lines().map(str::trim).filter(|line| !line.is_empty()) {
                    part.read(line);
                }
            }
            parts.push(part);
        }
        Self { language: language(&text), parts, text }
    }

    /// The sentences of all sections of this kind.
    pub fn sentences(&self, heading: Heading) -> impl Iterator<Item = &str> + Clone {
        let parts = self.parts.iter().filter(move |part| part.heading == heading);
        parts.flat_map(|part| part.sentences.iter().map(String::as_str))
    }

    /// Whether it has a section of this kind.
    pub fn has(&self, heading: Heading) -> bool {
        self.parts.iter().any(|part| part.heading == heading)
    }
}

impl Part {
    fn new(heading: Heading) -> Self {
        Self { heading, sentences: Vec::new(), numbers: Vec::new() }
    }

    /// Adds the sentences of a line.
    fn read(&mut self, line: &str) {
        let (number, line) = numbered(line);
        self.numbers.extend(number);
        self.sentences.extend(sentences(line).into_iter().map(str::to_owned));
    }
}

/// The heading that `line` begins with, and what stands behind it.
fn heading(line: &str) -> Option<(Heading, &str)> {
    let bare = line.trim_matches(|c: char| matches!(c, '【' | '】' | '[' | ']' | '#' | '*' | ' '));
    let colon = bare.find([':', '：']);
    let (title, rest) = match colon {
        Some(at) => {
            let (title, rest) = bare.split_at(at);
            (title.trim_end_matches(['】', ']', '*', ' ']), rest.trim_start_matches([':', '：']).trim())
        }
        None => match bare.split_once('】') {
            Some((title, rest)) => (title, rest.trim()),
            None => (bare, ""),
        },
    };
    let heading = named(title)?;
    Some((heading, rest))
}

/// The section that is called so, with or without something in brackets.
fn named(title: &str) -> Option<Heading> {
    let title = title.split(['(', '（']).next().unwrap_or_default().trim().to_lowercase();
    HEADINGS.iter().find(|(name, _)| *name == title).map(|(_, heading)| *heading)
}

fn is_field(line: &str) -> bool {
    let lower = line.to_lowercase();
    let ours = line.contains("由语言模型书写") || line.contains("sentences were written by");
    ours || FIELDS.iter().any(|field| lower.starts_with(field))
}

/// The number before an item, and the item: "1. ", "2、", "（3）".
fn numbered(line: &str) -> (Option<usize>, &str) {
    let inner = line.trim_start_matches(['(', '（']);
    let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = inner.split_at(digits);
    let Ok(number) = number.parse() else { return (None, line) };
    let bracketed = inner.len() < line.len();
    let mark = match rest.chars().next() {
        Some(mark @ ('、' | '．')) => mark,
        Some(mark @ (')' | '）')) => mark,
        Some('.') if !bracketed && !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => '.',
        _ => return (None, line),
    };
    (Some(number), rest[mark.len_utf8()..].trim_start())
}

/// The sentences of a line, each with its full stop.
fn sentences(line: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (at, mark) in line.char_indices() {
        let end = at + mark.len_utf8();
        let next = line[end..].chars().next();
        let ends = match mark {
            // Doubled punctuation stays with its sentence.
            '。' | '！' | '？' => !matches!(next, Some('。' | '！' | '？' | '.')),
            '.' | '!' | '?' => {
                let begins =
                    line[end..].trim_start().starts_with(|c: char| c.is_uppercase() || c.is_ascii_digit());
                next == Some(' ') && begins && !abbreviates(&line[start..at])
            }
            _ => false,
        };
        if ends {
            sentences.push(line[start..end].trim());
            start = end;
        }
    }
    sentences.push(line[start..].trim());
    sentences.retain(|sentence| !sentence.is_empty());
    sentences
}

/// Whether the full stop after `text` is that of an abbreviation.
fn abbreviates(text: &str) -> bool {
    let word = text.rsplit(' ').next().unwrap_or_default();
    matches!(word, "Dr" | "Fig" | "No" | "vs" | "approx" | "ca" | "Ser" | "Im" | "St") || word.len() == 1
}

/// Chinese if there are as many Chinese characters as a tenth of the letters.
fn language(text: &str) -> Language {
    let han = text.chars().filter(|c| is_han(*c)).count();
    let latin = text.chars().filter(char::is_ascii_alphabetic).count();
    if 5 * han >= latin.max(1) { Language::Chinese } else { Language::English }
}

/// Whether it is a Chinese character.
pub(super) fn is_han(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_stand_alone_before_a_colon_or_in_brackets() {
        let text = "CT胸部\n【检查方法】胸部CT平扫\n影像所见：右肺见结节。左肺清晰。\n诊断意见\n1、右肺结节。\n2、随访。\n报告医师：某";
        let document = Document::parse(text);
        assert_eq!(document.language, Language::Chinese);
        assert_eq!(document.sentences(Heading::Technique).collect::<Vec<_>>(), ["胸部CT平扫"]);
        assert_eq!(document.sentences(Heading::Findings).collect::<Vec<_>>(), ["右肺见结节。", "左肺清晰。"]);
        assert_eq!(document.sentences(Heading::Impression).collect::<Vec<_>>(), ["右肺结节。", "随访。"]);
        let impression = document.parts.iter().find(|part| part.heading == Heading::Impression).unwrap();
        assert_eq!(impression.numbers, [1, 2]);
    }

    #[test]
    fn a_decimal_point_ends_no_sentence() {
        let text = "Findings\nNodule of 8.4 mm in the right lung. 2 cysts. Seen by Dr. Who.";
        let document = Document::parse(text);
        assert_eq!(document.language, Language::English);
        let sentences: Vec<&str> = document.sentences(Heading::Findings).collect();
        assert_eq!(sentences, ["Nodule of 8.4 mm in the right lung.", "2 cysts.", "Seen by Dr. Who."]);
    }
}
