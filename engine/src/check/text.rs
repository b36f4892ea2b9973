//! One spelling for characters that mean the same, and a fault for those that only look it.
//!
//! Full-width and half-width punctuation, dashes, quotes and unit signs of one meaning become one character.
//! What a reader cannot tell from another character (full-width digits, Cyrillic letters, invisible characters)
//! is replaced where that is possible, so that the rest of the sentence is still understood, and reported.

use super::Class;

/// A sentence in one spelling: lower case, without spaces beside Chinese characters.
pub(super) struct Text {
    /// The characters.
    pub(super) chars: Vec<char>,
    /// For each of them, and for the end, the byte in the sentence where it begins.
    bytes: Vec<usize>,
    /// Characters that belong to no sentence: their class and byte range.
    pub(super) odd: Vec<(Class, std::ops::Range<usize>)>,
}

impl Text {
    /// `sentence` in one spelling.
    pub(super) fn new(sentence: &str) -> Self {
        let mut text = Self { chars: Vec::new(), bytes: Vec::new(), odd: Vec::new() };
        let mut last: Option<char> = None;
        for (byte, c) in sentence.char_indices() {
            let end = byte + c.len_utf8();
            let class = match spelling(c) {
                Spelling::Same(same) => {
                    text.push(byte, same);
                    None
                }
                Spelling::Several(several) => {
                    several.chars().for_each(|same| text.push(byte, same));
                    None
                }
                Spelling::Odd(class, same) => {
                    if let Some(same) = same {
                        text.push(byte, same);
                    }
                    Some(class)
                }
                Spelling::Letter => {
                    text.push(byte, '\u{fffd}');
                    let beside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.');
                    let next = sentence[end..].chars().next();
                    Some(if beside(last) || beside(next) { Class::Homoglyph } else { Class::Language })
                }
            };
            if let Some(class) = class {
                text.blame(class, byte..end);
            }
            last = Some(c);
        }
        text.bytes.push(sentence.len());
        text.tidy();
        text
    }

    fn push(&mut self, byte: usize, c: char) {
        self.chars.push(c);
        self.bytes.push(byte);
    }

    /// Notes a character; those that stand side by side are one fault.
    fn blame(&mut self, class: Class, bytes: std::ops::Range<usize>) {
        match self.odd.last_mut() {
            Some((known, range)) if *known == class && range.end == bytes.start => range.end = bytes.end,
            _ => self.odd.push((class, bytes)),
        }
    }

    /// Spaces beside Chinese characters go, and hyphens within words become spaces.
    fn tidy(&mut self) {
        let old = std::mem::take(&mut self.chars);
        let bytes = std::mem::take(&mut self.bytes);
        let at = |i: usize| old.get(i).copied().unwrap_or(' ');
        for (i, &c) in old.iter().enumerate() {
            let before = self.chars.last().copied().unwrap_or(' ');
            let after = old[i..].iter().copied().find(|c| *c != ' ').unwrap_or(' ');
            if c == ' ' && (before == ' ' || is_chinese(before) || is_chinese(after)) {
                continue;
            }
            let next = at(i + 1);
            let joins = (before.is_ascii_alphanumeric() && next.is_ascii_alphabetic())
                || (before.is_ascii_alphabetic() && next.is_ascii_alphanumeric() && !self.ends_in_unit());
            let c = if c == '-' && joins { ' ' } else { c };
            self.push(bytes[i], c);
        }
        self.bytes.push(bytes.last().copied().unwrap_or(0));
    }

    /// Whether the text so far ends in "mm" or the like after a digit, so that a hyphen after it is a dash.
    fn ends_in_unit(&self) -> bool {
        let word: Vec<char> =
            self.chars.iter().rev().copied().take_while(char::is_ascii_alphabetic).collect();
        let before = self.chars.iter().rev().nth(word.len());
        let digit = match before {
            Some(' ') => self.chars.iter().rev().nth(word.len() + 1),
            other => other,
        };
        digit.is_some_and(char::is_ascii_digit)
    }

    /// The bytes of the characters `from..to`.
    pub(super) fn span(&self, from: usize, to: usize) -> std::ops::Range<usize> {
        let end = self.bytes.len() - 1;
        let (from, to) = (from.min(end), to.min(end));
        self.bytes[from]..self.bytes[to].max(self.bytes[from])
    }

    /// The characters as they are compared: without spaces and stops.
    pub(super) fn bare(&self) -> String {
        self.chars.iter().filter(|c| !matches!(c, ' ' | '.' | '。' | ',' | ';' | ':')).collect()
    }
}

/// What becomes of one character.
enum Spelling {
    /// It is written so.
    Same(char),
    /// It is written with several.
    Several(&'static str),
    /// It is wrong here, and stands for the other if there is one.
    Odd(Class, Option<char>),
    /// A letter of another script.
    Letter,
}

fn spelling(c: char) -> Spelling {
    use Spelling::{Letter, Odd, Same, Several};
    match c {
        'a'..='z' | '0'..='9' | ' ' => Same(c),
        'A'..='Z' => Same(c.to_ascii_lowercase()),
        '\t' | '\n' | '\r' | '\u{a0}' | '\u{2009}' | '\u{202f}' | '\u{3000}' => Same(' '),
        '.' | ',' | ';' | ':' | '(' | ')' | '-' | '+' | '/' | '%' | '<' | '>' | '=' | '~' | '?' | '!' => {
            Same(c)
        }
        '\'' | '’' | '‘' => Same('\''),
        '*' | '^' | '#' | '_' | '`' | '|' | '{' | '}' | '[' | ']' | '\\' | '$' | '@' | '&' | '"' => Same(c),
        '，' => Same(','),
        '；' => Same(';'),
        '：' => Same(':'),
        '（' | '【' | '〔' => Same('('),
        '）' | '】' | '〕' => Same(')'),
        '！' => Same('!'),
        '？' => Same('?'),
        '％' => Same('%'),
        '／' => Same('/'),
        '＋' => Same('+'),
        '＜' => Same('<'),
        '＞' => Same('>'),
        '＝' => Same('='),
        '｜' => Same('|'),
        '。' | '、' | '×' | '≤' | '≥' | '±' | '→' | '“' | '”' | '·' => Same(c),
        '≦' => Same('≤'),
        '≧' => Same('≥'),
        '✕' | '✖' | '╳' => Same('×'),
        '–' | '—' | '‒' | '−' | '‐' | '‑' | '－' | '―' => Same('-'),
        '～' | '〜' | '∼' | '≈' => Same('~'),
        '⟶' | '➔' | '⇒' => Same('→'),
        '²' => Same('2'),
        '³' => Same('3'),
        'µ' | 'μ' => Same('u'),
        '㎜' => Several("mm"),
        '㎝' => Several("cm"),
        '㎣' => Several("mm3"),
        '㎤' => Several("cm3"),
        '㎖' => Several("ml"),
        '\u{ff10}'..='\u{ff19}' => Odd(Class::Homoglyph, char::from_u32(c as u32 - 0xff10 + '0' as u32)),
        '\u{ff21}'..='\u{ff3a}' => Odd(Class::Homoglyph, char::from_u32(c as u32 - 0xff21 + 'a' as u32)),
        '\u{ff41}'..='\u{ff5a}' => Odd(Class::Homoglyph, char::from_u32(c as u32 - 0xff41 + 'a' as u32)),
        '．' | '｡' => Odd(Class::Homoglyph, Some('.')),
        '\u{ff01}'..='\u{ff5e}' => Odd(Class::Homoglyph, char::from_u32(c as u32 - 0xff01 + '!' as u32)),
        _ if is_chinese(c) => Same(c),
        '\u{2e80}'..='\u{2fdf}' | '\u{f900}'..='\u{faff}' => Odd(Class::Homoglyph, Some('\u{fffd}')),
        _ if c.is_control() || is_invisible(c) => Odd(Class::Homoglyph, None),
        _ if c.is_numeric() => Odd(Class::Homoglyph, Some('\u{fffd}')),
        _ if c.is_alphabetic() => Letter,
        _ => Odd(Class::Markup, Some('\u{fffd}')),
    }
}

/// Characters without a picture that change how others are read or compared.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' | '\u{0300}'..='\u{036f}')
}

/// Whether `c` is a Chinese character as written in the People's Republic, stops and numerals included.
pub(super) fn is_chinese(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '。' | '、' | '〇')
}
