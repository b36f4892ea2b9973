//! What a clause speaks of: a lesion or none, where, on which side, how large, how many.

use super::document::is_han;

/// One clause about one kind of lesion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mention<'a> {
    /// The sentence it is from.
    pub(super) sentence: &'a str,
    pub(super) clause: &'a str,
    /// The lesion, by its English name.
    pub(super) lesion: &'static str,
    /// The organ, by its English name.
    pub(super) organ: Option<&'static str>,
    pub(super) side: Option<Side>,
    /// Whether it is said not to be there.
    pub(super) denied: bool,
    pub(super) count: Option<usize>,
}

/// The side of a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
    Both,
}

const LESIONS: &[(&str, &str)] = &[
    ("nodule", "nodule"),
    ("结节", "nodule"),
    ("mass", "mass"),
    ("肿块", "mass"),
    ("effusion", "effusion"),
    ("积液", "effusion"),
    ("pneumothorax", "pneumothorax"),
    ("气胸", "pneumothorax"),
    ("fracture", "fracture"),
    ("骨折", "fracture"),
    ("cyst", "cyst"),
    ("囊肿", "cyst"),
    ("pneumonia", "pneumonia"),
    ("肺炎", "pneumonia"),
    ("stone", "stone"),
    ("结石", "stone"),
    ("focal lesion", "focal lesion"),
    ("局灶性病", "focal lesion"),
    ("占位", "focal lesion"),
    ("liver lesion", "focal lesion"),
    ("hepatic lesion", "focal lesion"),
];

const ORGANS: &[(&str, &str)] = &[
    ("肾上腺", "adrenal"),
    ("adrenal", "adrenal"),
    ("胸腔", "pleura"),
    ("胸膜", "pleura"),
    ("pleura", "pleura"),
    ("肺", "lung"),
    ("lung", "lung"),
    ("pulmonary", "lung"),
    ("肝", "liver"),
    ("liver", "liver"),
    ("hepatic", "liver"),
    ("肾", "kidney"),
    ("kidney", "kidney"),
    ("renal", "kidney"),
    ("甲状腺", "thyroid"),
    ("thyroid", "thyroid"),
    ("乳", "breast"),
    ("breast", "breast"),
    ("肋", "rib"),
    ("rib", "rib"),
];

const DENYING: &[&str] = &["未见", "未检出", "未发现", "未显示", "未及", "没有", "无"];
const DENYING_ENGLISH: &[&str] =
    &["no", "not", "without", "absent", "negative", "neither", "nor", "resolved"];

/// Words that hold a denying one and deny nothing.
const HARMLESS: &[&str] = &[
    "无明显变化",
    "未见明显变化",
    "无变化",
    "无强化",
    "未见强化",
    "无痛",
    "无需",
    "no significant change",
    "not enlarged",
    "no interval change",
    "no change",
    "not new",
    "no longer",
];

/// What the clauses of `sentences` speak of.
pub(super) fn mentions<'a>(sentences: impl Iterator<Item = &'a str>) -> Vec<Mention<'a>> {
    let mut mentions = Vec::new();
    for sentence in sentences {
        let mut known: (Option<&'static str>, Option<Side>) = (None, None);
        for clause in sentence.split(['，', ',', '；', ';', '。']) {
            let lower = clause.to_lowercase();
            let organ = ORGANS.iter().find(|(name, _)| lower.contains(name)).map(|(_, organ)| *organ);
            let side = side(&lower);
            if organ.is_some() || side.is_some() {
                known = (organ.or(known.0), side);
            }
            let Some((_, lesion)) = LESIONS.iter().find(|(name, _)| lower.contains(name)) else { continue };
            mentions.push(Mention {
                sentence,
                clause,
                lesion,
                organ: organ.or(known.0),
                side: side.or(known.1),
                denied: denies(&lower),
                count: count(&lower),
            });
        }
    }
    mentions
}

/// Whether a clause in lower case says that something is not there.
pub(super) fn denies(lower: &str) -> bool {
    let mut bare = lower.to_owned();
    for harmless in HARMLESS {
        bare = bare.replace(harmless, "");
    }
    let english =
        bare.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| DENYING_ENGLISH.contains(&word));
    english || DENYING.iter().any(|word| bare.contains(word))
}

fn side(lower: &str) -> Option<Side> {
    let word = |name: &str| lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
    let both = ["双肺", "两肺", "双侧", "两侧"].iter().any(|name| lower.contains(name))
        || word("bilateral")
        || word("both");
    match (both, lower.contains('左') || word("left"), lower.contains('右') || word("right")) {
        (true, ..) | (_, true, true) => Some(Side::Both),
        (_, true, false) => Some(Side::Left),
        (_, false, true) => Some(Side::Right),
        _ => None,
    }
}

const COUNTS: &[(&str, usize)] = &[
    ("一", 1),
    ("两", 2),
    ("二", 2),
    ("三", 3),
    ("四", 4),
    ("五", 5),
    ("六", 6),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
];

/// How many a clause counts: "2枚", "两个", "three nodules".
fn count(lower: &str) -> Option<usize> {
    for measure in ["枚", "个", "处"] {
        for (at, _) in lower.match_indices(measure) {
            let before = lower[..at].trim_end();
            let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            if digits > 0 {
                return before[before.len() - digits..].parse().ok();
            }
            let word = COUNTS.iter().find(|(word, _)| before.ends_with(word));
            if let Some((_, count)) = word {
                return Some(*count);
            }
        }
    }
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let noun = words.iter().position(|word| matches!(*word, "nodules" | "lesions" | "masses" | "cysts"))?;
    words[noun.saturating_sub(4)..noun].iter().rev().find_map(|word| {
        let spelled = COUNTS.iter().find(|(name, _)| name == word).map(|(_, count)| *count);
        spelled.or_else(|| word.parse().ok().filter(|count| *count < 100))
    })
}

/// A length in a sentence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Length {
    pub(super) mm: f64,
    /// Half of its last digit, mm.
    pub(super) half_mm: f64,
}

/// A number as it stands: where it begins and ends, its value and its decimals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) value: f64,
    pub(super) decimals: usize,
}

/// The numbers of `text`.
pub(super) fn numbers(text: &str) -> Vec<Number> {
    let mut numbers = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| c.is_ascii_digit()).map(|offset| at + offset) {
        let rest = &text[start..];
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let digits = rest[..length].trim_end_matches('.');
        let end = start + digits.len();
        // "mm3" and "S8" hold digits that are no number.
        let letter = text[..start]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_ascii_alphabetic() && !matches!(c, 'x' | 'X'));
        if let (Ok(value), false) = (digits.parse(), letter) {
            let decimals = digits.split('.').nth(1).map_or(0, str::len);
            numbers.push(Number { start, end, value, decimals });
        }
        at = end.max(start + 1);
    }
    numbers
}

/// Millimetres of the unit that `text` begins with; `None` for no unit of length.
pub(super) fn unit_of_length(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let cubic = |rest: &str| rest.starts_with(['3', '³', '²', '2', '/']);
    for (name, mm) in [("mm", 1.0), ("毫米", 1.0), ("cm", 10.0), ("厘米", 10.0), ("公分", 10.0)] {
        if let Some(rest) = text.strip_prefix(name) {
            return (!cubic(rest)).then_some(mm);
        }
    }
    None
}

/// Whether `text` begins with "×" or the like, and what stands behind it.
pub(super) fn product(text: &str) -> Option<&str> {
    let text = text.trim_start();
    ["×", "x", "X", "*", "by "].iter().find_map(|sign| text.strip_prefix(sign)).map(str::trim_start)
}

/// The lengths of a sentence; in "8.4 × 6.9 mm" both have the unit.
pub(super) fn lengths(text: &str) -> Vec<Length> {
    let numbers = numbers(text);
    let mut lengths = Vec::new();
    let mut shared: Option<f64> = None;
    for (index, number) in numbers.iter().enumerate().rev() {
        let behind = &text[number.end..];
        let next = numbers.get(index + 1);
        let joined = next.is_some_and(|next| product(&text[number.end..next.start]) == Some(""));
        let unit = unit_of_length(behind).or(shared.filter(|_| joined));
        shared = unit;
        if let Some(mm) = unit {
            let half_mm = 0.5 * mm * 10.0_f64.powi(-(number.decimals.min(6) as i32));
            lengths.push(Length { mm: number.value * mm, half_mm });
        }
    }
    lengths.reverse();
    lengths
}

/// Whether two Chinese characters stand on both sides of byte `at` of `text`, `length` bytes long.
pub(super) fn between_han(text: &str, at: usize, length: usize) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + length..].chars().next();
    before.is_some_and(is_han) && after.is_some_and(is_han)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clauses_know_organ_side_and_polarity() {
        let found =
            mentions(["右肺见2枚结节，左侧胸腔未见积液。", "No nodule in the left lung."].into_iter());
        let told: Vec<_> = found.iter().map(|m| (m.lesion, m.organ, m.side, m.denied, m.count)).collect();
        assert_eq!(
            told,
            [
                ("nodule", Some("lung"), Some(Side::Right), false, Some(2)),
                ("effusion", Some("pleura"), Some(Side::Left), true, None),
                ("nodule", Some("lung"), Some(Side::Left), true, None),
            ]
        );
    }

    #[test]
    fn lengths_share_a_unit() {
        let mm = |text| lengths(text).iter().map(|length| length.mm).collect::<Vec<f64>>();
        assert_eq!(mm("8.4 × 6.9 mm, 310 mm3, 1.2cm"), [8.4, 6.9, 12.0]);
        assert_eq!(mm("层厚 1 层 3"), Vec::<f64>::new());
    }
}
