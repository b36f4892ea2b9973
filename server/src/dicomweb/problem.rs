//! What a client is told when something is wrong: a problem as of RFC 9457.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why a request is not answered as it was asked.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The path, the query or the body is not what it must be; says how.
    Malformed(StatusCode, String),
    /// Our own mistake, or the machine's: the log says more.
    Internal(anyhow::Error),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::Malformed(status, detail) => (status, detail),
            Self::Internal(error) => {
                tracing::error!("a request failed: {error:#}");
                (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong here; the log says what".to_owned())
            }
        };
        let title = status.canonical_reason().unwrap_or("Error");
        let body =
            json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
        (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Internal(error.into())
    }
}
