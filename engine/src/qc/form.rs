//! How a report is written: sections, spelling, punctuation, what was left over and what was left out.

use super::document::{Document, Heading, is_han};
use super::mention::{between_han, lengths, numbers, product, unit_of_length};
use super::words::{COLLOQUIAL_CHINESE, COLLOQUIAL_ENGLISH, MISSPELT_CHINESE, MISSPELT_ENGLISH, SIGNATURES};
use super::{Complaints, Defect, Known, either};
use crate::narrative::Language;

/// A nodule is smaller than this, mm; what is larger is a mass (over 30 mm) or a wrong unit.
const LARGEST_NODULE_MM: f64 = 60.0;

/// No lesion is longer, mm.
const LONGEST_MM: f64 = 400.0;

/// CT numbers are within these: air and metal.
const HOUNSFIELD: [f64; 2] = [-1100.0, 4100.0];

pub(super) fn judge(document: &Document, known: &Known<'_>, complaints: &mut Complaints) {
    sections(document, complaints);
    signature(document, known, complaints);
    for part in
        document.parts.iter().filter(|part| part.heading != Heading::Other && part.heading != Heading::Head)
    {
        for text in &part.sentences {
            let mut found = |defect, found: &str, expected: &str| {
                complaints.defect(defect, Some((part.heading, text)), found, expected);
            };
            spelling(text, &mut found);
            doubled(text, &mut found);
            punctuation(document.language, text, &mut found);
            left_over(text, part.heading, &mut found);
            values(text, &mut found);
        }
        for (at, text) in part.sentences.iter().enumerate() {
            if text.chars().count() > 5 && part.sentences[..at].contains(text) {
                complaints.defect(Defect::DuplicateSentence, Some((part.heading, text)), text, "once");
            }
        }
        let expected: Vec<usize> = (1..=part.numbers.len()).collect();
        if part.numbers.len() > 1 && part.numbers != expected {
            let found: Vec<String> = part.numbers.iter().map(usize::to_string).collect();
            complaints.defect(Defect::Numbering, None, &found.join(", "), "1, 2, 3 ..");
        }
    }
    if document.text.contains('\u{fffd}')
        || ["锟斤拷", "烫烫烫", "Ã¤", "â€"].iter().any(|junk| document.text.contains(junk))
    {
        complaints.defect(Defect::Garbled, None, "", "readable characters");
    }
}

fn sections(document: &Document, complaints: &mut Complaints) {
    let language = document.language;
    for (heading, defect, name) in [
        (Heading::Technique, Defect::MissingTechnique, either(language, "检查方法", "Technique")),
        (Heading::Findings, Defect::MissingFindings, either(language, "影像所见", "Findings")),
        (Heading::Impression, Defect::MissingImpression, either(language, "诊断意见", "Impression")),
    ] {
        // Many reports tell how it was done in their head or first sentence.
        let told = heading == Heading::Technique
            && document.parts.iter().take(2).flat_map(|part| &part.sentences).any(|text| {
                ["CT", "MR", "磁共振", "超声", "平扫", "增强", "X线", "PET"]
                    .iter()
                    .any(|word| text.contains(word))
            });
        if !document.has(heading) && !told {
            complaints.defect(defect, None, "", name);
        } else if document.has(heading) && document.sentences(heading).next().is_none() {
            complaints.defect(Defect::EmptySection, None, name, either(language, "有内容", "words"));
        }
    }
}

fn signature(document: &Document, known: &Known<'_>, complaints: &mut Complaints) {
    if !known.signature_expected || known.signed {
        return;
    }
    let lower = document.text.to_lowercase();
    // A field that was not filled in is no signature.
    let signed = lower.lines().any(|line| {
        SIGNATURES.iter().any(|name| {
            line.split_once(name)
                .is_some_and(|(_, rest)| rest.chars().filter(|c| c.is_alphabetic()).count() >= 2)
        })
    });
    if !signed {
        complaints.defect(
            Defect::SignatureMissing,
            None,
            "",
            either(document.language, "医师签名", "a signature"),
        );
    }
    let named = ["报告时间", "报告日期", "审核时间", "report date", "date of report", "signed"];
    let dated = lower.lines().any(|line| {
        named.iter().any(|name| line.contains(name)) && line.contains(|c: char| c.is_ascii_digit())
    });
    if !dated {
        complaints.defect(
            Defect::TimeMissing,
            None,
            "",
            either(document.language, "报告时间", "the time of the report"),
        );
    }
}

fn spelling(text: &str, found: &mut impl FnMut(Defect, &str, &str)) {
    for (wrong, right) in MISSPELT_CHINESE {
        if text.contains(wrong) {
            found(Defect::Misspelling, wrong, right);
        }
    }
    for (word, term) in COLLOQUIAL_CHINESE {
        if text.contains(word) {
            found(Defect::NonstandardTerm, word, term);
        }
    }
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphabetic()).collect();
    for (wrong, right) in MISSPELT_ENGLISH {
        let whole = |word: &&str| word.strip_suffix('s').unwrap_or(word) == *wrong || *word == *wrong;
        if words.iter().any(whole) {
            found(Defect::Misspelling, wrong, right);
        }
    }
    for (word, term) in COLLOQUIAL_ENGLISH {
        let at = lower.find(word);
        let alone = |at: usize| {
            let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
            !letter(lower[..at].chars().next_back()) && !letter(lower[at + word.len()..].chars().next())
        };
        if at.is_some_and(alone) {
            found(Defect::NonstandardTerm, word, term);
        }
    }
}

/// One Chinese character that no sentence has twice in a row.
const NEVER_TWICE: &str = "的见未约位于为较在及呈示示有与和无";

fn doubled(text: &str, found: &mut impl FnMut(Defect, &str, &str)) {
    let mut before: Option<&str> = None;
    for word in text.split(' ') {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphabetic());
        if bare.len() >= 2 && bare == word && before.is_some_and(|before| before.eq_ignore_ascii_case(bare)) {
            found(Defect::DoubledWord, &format!("{bare} {bare}"), bare);
        }
        before = (bare.len() >= 2 && word.starts_with(bare)).then_some(word);
    }
    let letters: Vec<char> = text.chars().collect();
    for length in 1..=4 {
        for pair in letters.windows(2 * length) {
            let (first, second) = pair.split_at(length);
            let counts = length > 1 || NEVER_TWICE.contains(first[0]);
            // "层层" is a word, "层层层层" four of it.
            let plain = first.iter().all(|c| *c == first[0]) && length > 1;
            if first == second && counts && !plain && first.iter().all(|c| is_han(*c)) {
                let word: String = first.iter().collect();
                found(Defect::DoubledWord, &format!("{word}{word}"), &word);
            }
        }
    }
}

fn punctuation(language: Language, text: &str, found: &mut impl FnMut(Defect, &str, &str)) {
    let mark = |c: char| {
        matches!(c, '，' | '。' | '；' | '、' | '：' | ',' | ';' | '.' | ':' | '？' | '！' | '?' | '!')
    };
    let bare = text.replace("...", "…").replace("……", "…").replace("..", "。。");
    let letters: Vec<char> = bare.chars().collect();
    if let Some(pair) = letters.windows(2).find(|pair| mark(pair[0]) && mark(pair[1])) {
        let pair: String = pair.iter().collect();
        found(Defect::DoubledPunctuation, &pair, "one mark");
    }
    let foreign = text.char_indices().find(|(at, c)| match language {
        Language::Chinese => matches!(c, ',' | ';' | '?' | '!') && between_han(text, *at, 1),
        Language::English => matches!(c, '，' | '。' | '；' | '、' | '：'),
    });
    if let Some((_, c)) = foreign {
        found(Defect::MixedPunctuation, &c.to_string(), either(language, "全角标点", "ASCII punctuation"));
    }
    let count = |c: char| text.matches(c).count();
    for (open, close) in [('(', ')'), ('（', '）'), ('[', ']'), ('【', '】')] {
        let mixed = count('(') + count('（') == count(')') + count('）');
        if count(open) != count(close) && !(mixed && matches!(open, '(' | '（')) {
            found(Defect::UnbalancedBrackets, &format!("{open}{close}"), "both halves");
            break;
        }
    }
    let end = text.trim_end_matches(['。', '.']);
    let trailing = ["，", ",", "、", " and", " with", " of", " the", "及", "和", "约", "伴", "为"];
    if let Some(word) = trailing.iter().find(|word| end.ends_with(**word)) {
        found(Defect::UnfinishedSentence, word.trim(), "the rest of the sentence");
    }
}

fn left_over(text: &str, heading: Heading, found: &mut impl FnMut(Defect, &str, &str)) {
    let marks = [
        "__", "[ ]", "[]", "【】", "（ ）", "（）", "( )", "()", "待填", "***", "TODO", "{", "____",
        "<填写>", "[insert",
    ];
    if let Some(mark) = marks.iter().find(|mark| text.contains(**mark)) {
        found(Defect::Placeholder, mark, "the word that belongs here");
    }
    let crosses = |word: &&str| word.len() >= 2 && word.bytes().all(|byte| matches!(byte, b'X' | b'x'));
    if let Some(word) = text.split(|c: char| !c.is_ascii_alphanumeric()).find(crosses) {
        found(Defect::Placeholder, word, "the word that belongs here");
    }
    let judged = matches!(heading, Heading::Findings | Heading::Impression | Heading::Recommendation);
    if let Some(mark) = text.chars().find(|c| matches!(c, '?' | '？')).filter(|_| judged) {
        found(Defect::Undecided, &mark.to_string(), "a statement, with its certainty in words");
    }
}

/// Words before a size.
const SIZES: &[&str] = &[
    "大小约",
    "大小为",
    "大小",
    "直径约",
    "直径",
    "长径约",
    "长径",
    "短径约",
    "短径",
    "最大径约",
    "measuring ",
    "measures ",
    "diameter of ",
    "size of ",
];

fn values(text: &str, found: &mut impl FnMut(Defect, &str, &str)) {
    let numbers = numbers(text);
    for (index, number) in numbers.iter().enumerate() {
        let (before, behind) = (&text[..number.start], &text[number.end..]);
        let next = numbers.get(index + 1);
        let joined = next.is_some_and(|next| product(&text[number.end..next.start]) == Some(""));
        let bare = before.trim_end().trim_end_matches("about").trim_end_matches("approximately").trim_end();
        let sized = SIZES.iter().any(|word| bare.ends_with(word.trim_end()))
            || (index > 0 && product(&text[numbers[index - 1].end..number.start]) == Some(""));
        let unit = behind.trim_start();
        let has_unit = unit_of_length(behind).is_some()
            || unit.starts_with("mm")
            || unit.starts_with("cm")
            || unit.starts_with(['%', 'm', 'l', 'L', '~', '-', '–', '至'])
            || unit.starts_with("to ")
            || unit.starts_with("毫升")
            || unit.starts_with("立方");
        if sized && !joined && !has_unit {
            found(Defect::UnitMissing, &text[number.start..number.end], "a unit");
        }
        let hounsfield = unit.starts_with("HU") || unit.starts_with("Hu");
        let value =
            if before.ends_with('-') && !before[..before.len() - 1].ends_with(|c: char| c.is_ascii_digit()) {
                -number.value
            } else {
                number.value
            };
        if hounsfield && !(HOUNSFIELD[0]..=HOUNSFIELD[1]).contains(&value) {
            found(Defect::ImplausibleValue, &format!("{value} HU"), "-1100 to 4100 HU");
        }
        if let Some(next) = next {
            let dash = text[number.end..next.start].trim();
            let units = unit_of_length(&text[next.end..]).is_some();
            if matches!(dash, "-" | "~" | "至" | "–" | "to") && units && number.value > next.value {
                found(Defect::ReversedRange, &text[number.start..next.end], "the smaller number first");
            }
        }
    }
    let nodule = text.contains("结节") || text.to_lowercase().contains("nodule");
    for length in lengths(text) {
        let too_long = length.mm > LONGEST_MM || (nodule && length.mm > LARGEST_NODULE_MM);
        if too_long || length.mm == 0.0 {
            found(Defect::ImplausibleValue, &format!("{} mm", length.mm), "a size that a lesion has");
        }
    }
}
