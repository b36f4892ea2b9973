//! What a request says, parsed before its handler runs; what cannot be parsed is a [`Problem`].

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::header::AsHeaderName;
use axum::http::request::Parts;
use dicom_io::Uid;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use crate::store::Time;

/// The Study Instance UID in the path.
#[derive(Debug)]
pub(super) struct StudyUid(pub(super) Uid);

/// Everything in the path, where it is not one UID.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) T);

/// Everything after the `?`.
#[derive(Debug)]
pub(crate) struct Asked<T>(pub(crate) T);

/// A UID in a query.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct UidText(pub(super) Uid);

/// A part of a UID in a query: digits and dots.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct UidPart(pub(super) String);

/// A time in a query, as in RFC 3339.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Since(pub(super) Time);

/// The header `name`, if it is there and is text.
pub(crate) fn header(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether the client speaks TLS, with a proxy before us that says so.
pub(crate) fn is_tls(headers: &HeaderMap) -> bool {
    header(headers, "x-forwarded-proto") == Some("https")
}

impl<S: Send + Sync> FromRequestParts<S> for StudyUid {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::NotAUid)?;
        Uid::parse(&text).map(Self).map_err(|_| Problem::NotAUid)
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(Path::from_request_parts(parts, state).await?.0))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(Query::from_request_parts(parts, state).await?.0))
    }
}

impl TryFrom<String> for UidText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Uid::parse(&text).map(Self).map_err(|_| "no DICOM UID (digits and dots, at most 64 characters)")
    }
}

impl TryFrom<String> for UidPart {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = text.trim().to_owned();
        let fits = text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if fits { Ok(Self(text)) } else { Err("no part of a DICOM UID (digits and dots)") }
    }
}

impl TryFrom<String> for Since {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let time = chrono::DateTime::parse_from_rfc3339(&text);
        time.map(|time| Self(Time(time.timestamp_millis()))).map_err(|_| "no time (2026-11-22T06:00:00Z)")
    }
}

/// How much of a list to answer with: 1 to 500.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u32")]
pub(super) struct Limit(pub(super) i64);

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

impl TryFrom<u32> for Limit {
    type Error = &'static str;

    fn try_from(limit: u32) -> Result<Self, Self::Error> {
        if (1..=500).contains(&limit) { Ok(Self(limit.into())) } else { Err("a limit is 1 to 500") }
    }
}
