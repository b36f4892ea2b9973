//! From TOML to a [`Config`], with all that cannot be read told at once.
//!
//! A reader of the usual kind stops at the first value that it cannot use. Here that value is noted, taken
//! out, and the rest is read again, until nothing is left to complain about.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::Config;

/// The configuration in `text` without what cannot be read of it, and a sentence about each of those.
///
/// # Errors
///
/// Only sentences, if `text` is no TOML at all.
pub(super) fn parse(text: &str) -> Result<(Config, Vec<String>), Vec<String>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let tell = |error: &toml::de::Error| place(text, error.span()) + &one_line(error.message());
        return Err(errors.iter().map(tell).collect());
    }
    let whole = document.span();
    let mut table = document.into_inner();
    let mut faults = Vec::new();
    loop {
        let document = Spanned::new(whole.clone(), table.clone());
        let error = match Config::deserialize(Deserializer::from(document)) {
            Ok(config) => return Ok((config, faults)),
            Err(error) => error,
        };
        let mut path = Vec::new();
        let taken = error.span().is_some_and(|span| take(&mut table, &span, &mut path));
        faults.push(place(text, error.span()) + &written(&path) + &plain(error.message()));
        if !taken {
            return Err(faults);
        }
    }
}

/// One step from the whole to a value in it.
enum Step {
    Key(String),
    /// One of several, by its name, or by its place from 1 where it has none.
    One(String),
}

/// Takes the innermost thing at `span` out of `table` and leaves the way to it in `path`; `false` if there
/// is nothing.
fn take(table: &mut DeTable<'_>, span: &Range<usize>, path: &mut Vec<Step>) -> bool {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        path.push(Step::Key(key.get_ref().to_string()));
        let here = covers(key.span(), span) || covers(value.span(), span);
        let inside = match value.get_mut() {
            DeValue::Table(inner) => take(inner, span, path),
            DeValue::Array(items) => take_item(items, span, path),
            _ => false,
        };
        if inside {
            return true;
        }
        if here {
            found = Some(key.clone());
            break;
        }
        path.pop();
    }
    found.is_some_and(|key| table.remove(&key).is_some())
}

fn take_item(items: &mut toml::de::DeArray<'_>, span: &Range<usize>, path: &mut Vec<Step>) -> bool {
    for (n, item) in items.iter_mut().enumerate() {
        let here = covers(item.span(), span);
        if let DeValue::Table(inner) = item.get_mut() {
            path.push(Step::One(name(inner).unwrap_or_else(|| format!("number {}", n + 1))));
            if take(inner, span, path) {
                return true;
            }
            path.pop();
        }
        if here {
            *items =
                items.iter().enumerate().filter(|(at, _)| *at != n).map(|(_, item)| item.clone()).collect();
            return true;
        }
    }
    false
}

fn covers(place: Range<usize>, span: &Range<usize>) -> bool {
    place.start <= span.start && span.end <= place.end
}

fn name(table: &DeTable<'_>) -> Option<String> {
    let (_, value) = table.iter().find(|(key, _)| key.get_ref() == "name")?;
    value.get_ref().as_str().map(|name| format!("{name:?}"))
}

/// `peer "pacs": port: `, `dicom.limits.pending: `.
fn written(path: &[Step]) -> String {
    let mut text = String::new();
    let mut glue = "";
    for step in path {
        match step {
            Step::Key(key) => {
                text += glue;
                text += key;
                glue = ".";
            }
            Step::One(name) => {
                text += " ";
                text += name;
                glue = ": ";
            }
        }
    }
    if text.is_empty() { text } else { text + ": " }
}

/// `line 3, column 8: `.
fn place(text: &str, span: Option<Range<usize>>) -> String {
    let Some(before) = span.and_then(|span| text.get(..span.start)) else { return String::new() };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: ")
}

/// What serde says, in words for the operator.
fn plain(message: &str) -> String {
    // "unknown field `a`, expected one of `b`, `c`"
    let mut quoted = message.split('`').skip(1).step_by(2);
    let (wrong, known): (_, Vec<&str>) = (quoted.next().unwrap_or_default(), quoted.collect());
    if message.starts_with("unknown variant") {
        return format!("{wrong:?} is none of {}", known.join(", "));
    }
    if message.starts_with("unknown field") {
        let nearest = known.iter().min_by_key(|name| distance(name, wrong));
        return match nearest.filter(|name| distance(name, wrong) <= 1 + wrong.len() / 4) {
            Some(nearest) => format!("there is no such setting; did you mean {nearest}?"),
            None => format!("there is no such setting; there are {}", known.join(", ")),
        };
    }
    one_line(message)
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

/// How many letters must be put in, left out or replaced to make `b` of `a`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
