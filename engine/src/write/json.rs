//! JSON as language models write it: cut off, with trailing commas, quotes inside strings, full-width punctuation.
//!
//! Only mechanics are forgiven. What cannot be told is left out, never guessed: a string that was cut off is
//! [`Json::Cut`], and whoever reads on drops it.

/// Deeper than this nothing is that we asked for; it also bounds the recursion.
const DEEPEST: usize = 24;

/// A value as far as it could be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Object(Vec<(String, Json)>),
    List(Vec<Json>),
    Text(String),
    Number(f64),
    /// `true`, `false`, `null` and other bare words: nothing that we asked for.
    Word,
    /// A text that ended before its closing quote.
    Cut,
}

/// The value that begins with the bracket at the start of `text`, and how many characters it has.
pub(super) fn value(text: &[char]) -> (Json, usize) {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0);
    (value, reader.at)
}

struct Reader<'a> {
    text: &'a [char],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied().map(narrow)
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|c| c.is_whitespace() || c == '\u{feff}') {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Json {
        self.skip_space();
        match self.peek() {
            Some('{') if depth < DEEPEST => self.object(depth),
            Some('[') if depth < DEEPEST => self.list(depth),
            Some(quote) if closing(quote).is_some() => self.string(),
            Some(c) if !matches!(c, '}' | ']' | ',' | ':') => self.word(),
            _ => Json::Word,
        }
    }

    fn object(&mut self, depth: usize) -> Json {
        self.at += 1;
        let mut fields = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                None => break,
                Some('}') => {
                    self.at += 1;
                    break;
                }
                // An object that was not closed before its list was.
                Some(']') => break,
                Some(',') => {
                    self.at += 1;
                    continue;
                }
                Some(_) => {}
            }
            let start = self.at;
            let name = match self.peek() {
                Some(quote) if closing(quote).is_some() => match self.string() {
                    Json::Text(name) => name,
                    _ => break,
                },
                _ => self.bare_name(),
            };
            self.skip_space();
            if self.peek() == Some(':') {
                self.at += 1;
                let value = self.value(depth + 1);
                fields.push((name, value));
            } else if self.at == start {
                self.at += 1;
            }
        }
        Json::Object(fields)
    }

    fn list(&mut self, depth: usize) -> Json {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                None => break,
                Some(']') => {
                    self.at += 1;
                    break;
                }
                // A list that was not closed before its object was.
                Some('}') => break,
                Some(',' | ':') => {
                    self.at += 1;
                }
                Some(_) => {
                    let start = self.at;
                    items.push(self.value(depth + 1));
                    if self.at == start {
                        self.at += 1;
                    }
                }
            }
        }
        Json::List(items)
    }

    /// A name without quotes: up to its colon.
    fn bare_name(&mut self) -> String {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| !c.is_whitespace() && !matches!(c, ':' | ',' | '{' | '}' | '[' | ']'))
        {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    /// A number or a bare word.
    fn word(&mut self) -> Json {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '+' | '_')) {
            self.at += 1;
        }
        let word: String = self.text[start..self.at].iter().copied().map(narrow).collect();
        if self.at == start {
            self.at += 1;
        }
        word.parse().ok().filter(|number: &f64| number.is_finite()).map_or(Json::Word, Json::Number)
    }

    /// A string; a quote inside it that nothing of JSON follows is part of it.
    fn string(&mut self) -> Json {
        let Some(quote) = self.text.get(self.at).copied().and_then(closing) else { return Json::Word };
        self.at += 1;
        let mut text = String::new();
        while let Some(&c) = self.text.get(self.at) {
            self.at += 1;
            if c == '\\' {
                self.escape(&mut text);
            } else if quote.contains(&c) && self.ends_here() {
                return Json::Text(text);
            } else {
                text.push(c);
            }
        }
        Json::Cut
    }

    /// Whether what follows a quote is what may follow a string.
    fn ends_here(&self) -> bool {
        let rest = self.text[self.at..].iter().copied().map(narrow);
        rest.clone().find(|c| !c.is_whitespace()).is_none_or(|c| matches!(c, ',' | ':' | '}' | ']'))
    }

    fn escape(&mut self, text: &mut String) {
        let Some(&c) = self.text.get(self.at) else { return };
        self.at += 1;
        match c {
            'n' | 'r' | 't' => text.push(' '),
            'b' | 'f' => {}
            'u' => {
                let first = self.hexadecimal();
                let unit = match first {
                    // Two halves of one character.
                    Some(high @ 0xd800..=0xdbff) if self.text[self.at..].starts_with(&['\\', 'u']) => {
                        self.at += 2;
                        let low = self.hexadecimal().unwrap_or_default();
                        Some(0x10000 + ((high - 0xd800) << 10) + low.wrapping_sub(0xdc00) % 0x400)
                    }
                    other => other,
                };
                text.push(unit.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            other => text.push(other),
        }
    }

    fn hexadecimal(&mut self) -> Option<u32> {
        let digits: String = self.text.get(self.at..self.at + 4)?.iter().collect();
        let value = u32::from_str_radix(&digits, 16).ok()?;
        self.at += 4;
        Some(value)
    }
}

/// Full-width punctuation as its ASCII twin.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
        '【' => '[',
        '】' => ']',
        other => other,
    }
}

/// The quotes that may close what `opening` opens; `None` if it is no quote.
fn closing(opening: char) -> Option<&'static [char]> {
    match opening {
        '"' | '\u{ff02}' => Some(&['"', '\u{ff02}']),
        '“' | '”' => Some(&['”', '“', '"']),
        '\'' => Some(&['\'']),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Json) {
        let characters: Vec<char> = text.chars().collect();
        assert_eq!(value(&characters).0, expected, "{text}");
    }

    fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
        Json::Object(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn text(text: &str) -> Json {
        Json::Text(text.to_owned())
    }

    #[test]
    fn json_is_read_as_it_stands() {
        check(
            r#"{"a": [1, -2.5, "x\"y\u53f3\ud83d\ude00"], "b": null}"#,
            object([
                ("a", Json::List(vec![Json::Number(1.0), Json::Number(-2.5), text("x\"y右😀")])),
                ("b", Json::Word),
            ]),
        );
    }

    #[test]
    fn what_is_missing_at_the_end_is_not_missed() {
        let whole = object([("a", text("b"))]);
        check(r#"{"s": [{"a": "b""#, object([("s", Json::List(vec![whole.clone()]))]));
        check(
            r#"{"s": [{"a": "b"}, {"a": "half a sent"#,
            object([("s", Json::List(vec![whole, object([("a", Json::Cut)])]))]),
        );
    }

    #[test]
    fn commas_quotes_and_wide_punctuation_are_forgiven() {
        check(r#"[1, 2,]"#, Json::List(vec![Json::Number(1.0), Json::Number(2.0)]));
        check(r#"{"a": "a "round" lesion",}"#, object([("a", text("a \"round\" lesion"))]));
        check("｛“a”：“肺，结节”，b：１２｝", object([("a", text("肺，结节")), ("b", Json::Number(12.0))]));
        check("{'a': 'b'}", object([("a", text("b"))]));
    }

    #[test]
    fn a_hill_of_brackets_ends() {
        let (_, read) = value(&vec!['['; 100_000]);
        assert!(read > 0);
    }
}
