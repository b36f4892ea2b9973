//! Media types: what a message is, and what a client accepts.
//!
//! Source: RFC 9110 8.3 and 12.5.1, DICOM PS3.18 8.3.3 and 8.7.

use axum::http::{HeaderMap, header};

/// Accept headers longer than this are of nobody who means well.
const LONGEST_ACCEPT: usize = 8 << 10;

/// A media type, such as `multipart/related; type="application/dicom"; boundary=b`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaType {
    /// Type and subtype, in lower case.
    pub(crate) essence: String,
    /// Names in lower case.
    parameters: Vec<(String, String)>,
}

/// What can be answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// One thing of this type.
    Single(&'static str),
    /// multipart/related, of parts of this type.
    Related(&'static str),
}

impl MediaType {
    /// `None` if `text` is no media type.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = split(text, ';');
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/')?;
        if kind.is_empty() || subtype.is_empty() || essence.contains(char::is_whitespace) {
            return None;
        }
        let mut parameters = Vec::new();
        for parameter in parts.filter(|part| !part.trim().is_empty()) {
            let (name, value) = parameter.split_once('=')?;
            parameters.push((name.trim().to_ascii_lowercase(), unquoted(value.trim())));
        }
        Some(Self { essence, parameters })
    }

    /// What a message says that it is; `None` if it says nothing that is a media type.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(header::CONTENT_TYPE)?.to_str().ok()?)
    }

    /// The parameter of this name.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How much it is wanted, of 1000.
    fn quality(&self) -> u32 {
        let given = self.parameter("q").and_then(|q| q.parse::<f32>().ok());
        (given.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32
    }

    /// Whether `offer` is one of these.
    fn takes(&self, offer: Offer) -> bool {
        let (essence, part) = match offer {
            Offer::Single(essence) => (essence, None),
            Offer::Related(part) => ("multipart/related", Some(part)),
        };
        let (kind, _) = essence.split_once('/').unwrap_or((essence, ""));
        let fits = self.essence == "*/*"
            || self.essence == essence
            || self.essence.strip_suffix("/*").is_some_and(|wanted| wanted == kind);
        let parts_fit = match (part, self.parameter("type")) {
            (Some(part), Some(wanted)) => wanted == "*/*" || wanted.eq_ignore_ascii_case(part),
            _ => true,
        };
        // Everything of ours is written in this one.
        let syntax = self.parameter("transfer-syntax");
        fits && parts_fit && syntax.is_none_or(|syntax| matches!(syntax, "*" | "1.2.840.10008.1.2.1"))
    }
}

/// The best of `offers`, the first of which is what a client gets that does not care; `None` where none is
/// acceptable.
pub(crate) fn choose(headers: &HeaderMap, offers: &[Offer]) -> Option<Offer> {
    let mut ranges = Vec::new();
    for header in headers.get_all(header::ACCEPT) {
        let text = header.to_str().ok().filter(|text| text.len() <= LONGEST_ACCEPT)?;
        ranges.extend(split(text, ',').filter_map(MediaType::parse));
    }
    if !headers.contains_key(header::ACCEPT) {
        return offers.first().copied();
    }
    ranges.retain(|range| range.quality() > 0);
    ranges.sort_by_key(|range| std::cmp::Reverse(range.quality()));
    ranges.iter().find_map(|range| offers.iter().copied().find(|offer| range.takes(*offer)))
}

/// `text` cut at each `separator` that is not within quotes.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        let cut = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        cut
    })
}

/// A parameter's value without the quotes around it and the backslashes in it.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut escaped = false;
    inner
        .chars()
        .filter(|c| {
            escaped = *c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DICOM: Offer = Offer::Related("application/dicom");
    const ONE: Offer = Offer::Single("application/dicom");
    const PNG: Offer = Offer::Single("image/png");
    const JPEG: Offer = Offer::Single("image/jpeg");

    #[track_caller]
    fn check(accept: &str, offers: &[Offer], expected: Option<Offer>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        assert_eq!(choose(&headers, offers), expected, "{accept}");
    }

    #[test]
    fn parameters_may_be_quoted_and_hold_what_separates() {
        let found =
            MediaType::parse(r#"Multipart/Related; TYPE="application/dicom" ;boundary="a;b\"c""#).unwrap();
        assert_eq!(found.essence, "multipart/related");
        assert_eq!(found.parameter("type"), Some("application/dicom"));
        assert_eq!(found.parameter("boundary"), Some("a;b\"c"));
        for wrong in ["", "dicom", "/", "a/b; c", "a b/c"] {
            assert_eq!(MediaType::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_client_gets_the_best_of_what_it_accepts() {
        check("*/*", &[DICOM, ONE], Some(DICOM));
        check("application/dicom", &[DICOM, ONE], Some(ONE));
        check(r#"multipart/related; type="application/dicom""#, &[ONE, DICOM], Some(DICOM));
        check("multipart/related; type=application/dicom; transfer-syntax=*", &[DICOM], Some(DICOM));
        check("image/png;q=0.5, image/jpeg;q=0.7", &[PNG, JPEG], Some(JPEG));
        check("image/webp,image/*;q=0.8", &[JPEG, PNG], Some(JPEG));
    }

    #[test]
    fn nothing_is_answered_that_the_client_does_not_accept() {
        check(r#"multipart/related; type="application/octet-stream""#, &[DICOM], None);
        check(
            "multipart/related; type=application/dicom; transfer-syntax=1.2.840.10008.1.2.4.80",
            &[DICOM],
            None,
        );
        check("image/png;q=0", &[PNG], None);
        check("text/html", &[DICOM, ONE], None);
    }

    #[test]
    fn who_says_nothing_gets_the_first() {
        assert_eq!(choose(&HeaderMap::new(), &[DICOM, ONE]), Some(DICOM));
    }
}
