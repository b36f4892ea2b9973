//! A sentence as words and numbers.
//!
//! Words are found by the cheapest way to read the whole sentence: as few characters that nobody understands as
//! possible, and then as few words. So "明显增大" is one word and never "明显" beside an unknown one.

use super::lexicon::{Lexicon, Meaning};
use super::text::{Text, is_chinese};

/// One word or number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The characters of the text that it is made of.
    pub(super) from: usize,
    pub(super) to: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Word(Meaning),
    Number(Number),
    /// A stop, comma, colon, bracket.
    Stop(char),
    /// Not understood.
    Unknown,
}

/// A number as it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number {
    pub(super) value: f64,
    /// Digits after the point.
    pub(super) decimals: usize,
    /// Whether it has a sign.
    pub(super) signed: bool,
    /// Whether it is written in words or Chinese numerals.
    pub(super) spelled: bool,
}

/// What to read at one place, and what it costs from there to the end.
#[derive(Clone, Copy)]
struct Step<'a> {
    cost: u32,
    to: usize,
    read: Read<'a>,
}

#[derive(Clone, Copy)]
enum Read<'a> {
    Nothing,
    Words(&'a [Meaning]),
    Number(Number),
    Stop(char),
    Unknown,
}

/// What a character that is not understood costs: more than any sentence has words.
const UNKNOWN: u32 = 1 << 16;

/// The words and numbers of `text`.
pub(super) fn tokens(text: &Text, lexicon: &Lexicon) -> Vec<Token> {
    let chars = &text.chars;
    let end = Step { cost: 0, to: chars.len(), read: Read::Nothing };
    let mut steps = vec![end; chars.len() + 1];
    for at in (0..chars.len()).rev() {
        steps[at] = best(chars, at, lexicon, &steps);
    }
    let mut tokens: Vec<Token> = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let Step { to, read, .. } = steps[at];
        let token = |kind| Token { kind, from: at, to };
        match read {
            Read::Nothing => {}
            Read::Words(meanings) => {
                tokens.extend(meanings.iter().map(|&meaning| token(Kind::Word(meaning))))
            }
            Read::Number(number) => tokens.push(token(Kind::Number(number))),
            Read::Stop(c) => tokens.push(token(Kind::Stop(c))),
            Read::Unknown => match tokens.last_mut() {
                Some(Token { kind: Kind::Unknown, to: end, .. }) if *end == at => *end = to,
                _ => tokens.push(token(Kind::Unknown)),
            },
        }
        at = to;
    }
    tokens
}

fn best<'a>(chars: &'a [char], at: usize, lexicon: &'a Lexicon, steps: &[Step<'a>]) -> Step<'a> {
    let step = |cost: u32, to: usize, read| Step { cost: cost.saturating_add(steps[to].cost), to, read };
    let c = chars[at];
    if c == ' ' {
        return step(0, at + 1, Read::Nothing);
    }
    if let Some((to, number)) = digits(chars, at) {
        return step(1, to, Read::Number(number));
    }
    let word_end = (at + 1..chars.len()).find(|&i| !chars[i].is_ascii_alphanumeric()).unwrap_or(chars.len());
    let mut best = if c.is_ascii_alphanumeric() {
        step(UNKNOWN, word_end, Read::Unknown)
    } else if is_stop(c) {
        step(0, at + 1, Read::Stop(c))
    } else {
        step(UNKNOWN, at + 1, Read::Unknown)
    };
    if let Some((to, number)) = spelled(chars, at) {
        let found = step(2, to, Read::Number(number));
        best = if found.cost < best.cost { found } else { best };
    }
    for (to, meanings) in lexicon.words(chars, at) {
        let sign = meanings == [Meaning::By] && (c == 'x' || c == '*');
        if sign && !between_numbers(chars, at) || !sign && !whole_word(chars, at, to) {
            continue;
        }
        // A dash between numbers is a range, elsewhere it says nothing.
        let found = step(2, to, Read::Words(meanings));
        if found.cost < best.cost || found.cost == best.cost && to > best.to {
            best = found;
        }
    }
    best
}

/// Whether `from..to` does not begin or end within a Latin word. Units may follow a digit directly.
fn whole_word(chars: &[char], from: usize, to: usize) -> bool {
    let letter = |i: Option<usize>| i.and_then(|i| chars.get(i)).is_some_and(char::is_ascii_alphabetic);
    let begins = chars[from].is_ascii_alphabetic() && letter(from.checked_sub(1));
    let last = chars[to - 1];
    // "12.3mmx9.8mm"
    let times = chars.get(to) == Some(&'x') && chars.get(to + 1).is_some_and(char::is_ascii_digit);
    let ends =
        last.is_ascii_alphanumeric() && chars.get(to).is_some_and(char::is_ascii_alphanumeric) && !times;
    !begins && !ends
}

fn between_numbers(chars: &[char], at: usize) -> bool {
    let before = chars[..at].iter().rev().find(|c| **c != ' ');
    let after = chars[at + 1..].iter().find(|c| **c != ' ');
    before.is_some_and(|c| c.is_ascii_alphanumeric()) && after.is_some_and(char::is_ascii_digit)
}

fn is_stop(c: char) -> bool {
    matches!(c, '.' | '。' | ',' | ';' | ':' | '(' | ')' | '!' | '?' | '、' | '-' | '\'' | '=' | '+')
}

/// The number in digits at `at`: "8.4", "-12", "1,523".
fn digits(chars: &[char], at: usize) -> Option<(usize, Number)> {
    let digit = |i: usize| chars.get(i).is_some_and(char::is_ascii_digit);
    let mut i = at;
    let mut value = 1.0;
    let mut signed = false;
    match chars[at] {
        '-' if is_dash(chars, at) => return None,
        '-' => (value, signed, i) = (-1.0, true, at + 1),
        '+' | '±' => (signed, i) = (true, at + 1),
        '0'..='9' if at == 0 || !chars[at - 1].is_ascii_alphanumeric() => {}
        '0'..='9' if chars[at - 1] == 'x' && between_numbers(chars, at - 1) => {}
        _ => return None,
    }
    if signed && chars.get(i) == Some(&' ') {
        i += 1;
    }
    if !digit(i) {
        return None;
    }
    let begin = i;
    let mut whole = 0.0;
    while let Some(c) = chars.get(i) {
        let groups =
            *c == ',' && i > begin && i - begin <= 3 + 4 * ((i - begin) / 4) && digit(i + 1) && digit(i + 2);
        if let Some(d) = c.to_digit(10) {
            whole = whole * 10.0 + f64::from(d);
        } else if !(groups && digit(i + 3) && !digit(i + 4)) {
            break;
        }
        i += 1;
    }
    let (mut part, mut decimals) = (0.0, 0_usize);
    if chars.get(i) == Some(&'.') && digit(i + 1) {
        i += 1;
        while let Some(d) = chars.get(i).and_then(|c| c.to_digit(10)) {
            // More digits than a double holds say nothing.
            if decimals < 12 {
                part = part * 10.0 + f64::from(d);
                decimals += 1;
            }
            i += 1;
        }
    }
    let places = i32::try_from(decimals).expect("at most 12");
    value *= whole + part / 10_f64.powi(places);
    Some((i, Number { value, decimals, signed, spelled: false }))
}

/// Whether the `-` at `at` stands between two numbers.
fn is_dash(chars: &[char], at: usize) -> bool {
    let before: String = chars[..at].iter().rev().skip_while(|c| **c == ' ').take(8).collect();
    // Units, read backwards.
    let units = ["mm", "mc", "uh", "lm", "3mm", "3mc", "%"];
    let unit = units.iter().find_map(|unit| before.strip_prefix(unit));
    let number = unit.unwrap_or(&before).trim_start();
    number.starts_with(|c: char| c.is_ascii_digit())
}

/// The number in words at `at`: "twelve", "三", "十二", "八点四".
fn spelled(chars: &[char], at: usize) -> Option<(usize, Number)> {
    let number = |value, decimals| Number { value, decimals, signed: false, spelled: true };
    if chars[at].is_ascii_alphabetic() {
        if at > 0 && chars[at - 1].is_ascii_alphanumeric() {
            return None;
        }
        let end = (at..chars.len()).find(|&i| !chars[i].is_ascii_alphanumeric()).unwrap_or(chars.len());
        let word: String = chars[at..end].iter().collect();
        let value = ENGLISH.iter().position(|known| *known == word)?;
        let value = match value {
            0..=20 => value,
            tens => (tens - 18) * 10,
        };
        return Some((end, number(f64::from(u8::try_from(value).ok()?), 0)));
    }
    let digit = |c: char| CHINESE.iter().position(|known| known.contains(c));
    let (mut i, mut total, mut current, mut seen) = (at, 0_usize, None, false);
    while let Some(&c) = chars.get(i).filter(|_| i < at + 8) {
        match (c, digit(c)) {
            ('十', _) => total += current.take().unwrap_or(1) * 10,
            ('百', _) if current.is_some() => total += current.take().unwrap_or(1) * 100,
            (_, Some(digit)) if current.is_none() || current == Some(0) => current = Some(digit),
            _ => break,
        }
        seen = true;
        i += 1;
    }
    if !seen {
        return None;
    }
    let mut value = total as f64 + current.unwrap_or(0) as f64;
    let mut decimals = 0;
    if chars.get(i) == Some(&'点') && chars.get(i + 1).is_some_and(|c| digit(*c).is_some()) {
        i += 1;
        let mut share = 1.0;
        while let Some(digit) = chars.get(i).filter(|_| decimals < 6).and_then(|c| digit(*c)) {
            share /= 10.0;
            value += share * digit as f64;
            decimals += 1;
            i += 1;
        }
    }
    Some((i, number(value, decimals)))
}

const ENGLISH: [&str; 28] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
];

const CHINESE: [&str; 10] =
    ["零〇", "一壹", "二两贰", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖"];

/// Whether any of `chars` is Chinese.
pub(super) fn has_chinese(chars: &[char]) -> bool {
    chars.iter().any(|c| is_chinese(*c) && !matches!(c, '。' | '、'))
}
