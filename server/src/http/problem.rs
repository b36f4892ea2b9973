//! What a client is told when something is wrong: a problem as of RFC 9457, decided in one place.

use axum::body::Body;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request is not answered as it was asked. Each decides its status and what the client may know; what
/// only the operator may know is logged here.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The path holds something else than a UID.
    NotAUid,
    /// The path, the query or the body is not what it must be; says how.
    Malformed(StatusCode, String),
    /// No token, or the wrong one.
    NoToken,
    /// A page of another site asks in the name of somebody's browser.
    OtherSite,
    /// Without a token we answer only to names that no other site can take.
    OtherHost,
    NoStudy,
    NoJob,
    NoFile,
    NoDelivery,
    /// What is asked for does not go with the state that something is in; says with which.
    Conflict(String),
    /// The node cannot do its work; says why.
    NotReady(String),
    /// The answer took too long.
    Slow,
    /// Our own mistake, or the machine's.
    Internal(anyhow::Error),
    /// Anything else that has a status.
    Plain(StatusCode),
}

/// A problem as JSON (RFC 9457). Its type is `about:blank`: title and status say all that a program needs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemJson {
    #[schema(example = "about:blank")]
    r#type: &'static str,
    #[schema(example = "Not Found")]
    title: &'static str,
    #[schema(example = 404)]
    status: u16,
    /// For people.
    #[schema(example = "there is no such study")]
    detail: String,
}

impl Problem {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotAUid => StatusCode::BAD_REQUEST,
            Self::Malformed(status, _) | Self::Plain(status) => *status,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::OtherSite => StatusCode::FORBIDDEN,
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
            Self::NoStudy | Self::NoJob | Self::NoFile | Self::NoDelivery => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::NotReady(_) | Self::Slow => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(error) if passes(error) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn detail(&self) -> String {
        let fixed = match self {
            Self::Malformed(_, detail) | Self::Conflict(detail) | Self::NotReady(detail) => {
                return detail.clone();
            }
            Self::NotAUid => "the path needs a DICOM UID: digits and dots, at most 64 characters",
            Self::NoToken => "this needs the token of http.token_file, as Authorization: Bearer",
            Self::OtherSite => "a page of another site may not ask for this",
            Self::OtherHost => {
                "without http.token_file this node answers only as localhost or by its address: set a token, or \
                 have the proxy pass that on as Host"
            }
            Self::NoStudy => "there is no such study",
            Self::NoJob => "there is no such job",
            Self::NoFile => "the job has no such file",
            Self::NoDelivery => "the job sends nothing there",
            Self::Slow => "the answer took too long; ask again later",
            Self::Internal(error) if passes(error) => "the database does not answer; ask again later",
            Self::Internal(_) => "something went wrong here; the log says what",
            Self::Plain(status) => match *status {
                StatusCode::NOT_FOUND => "there is nothing at this path; /docs lists what there is",
                StatusCode::METHOD_NOT_ALLOWED => {
                    "this path does not take that method; Allow says which it takes"
                }
                StatusCode::PAYLOAD_TOO_LARGE => "the request is larger than this node takes",
                StatusCode::REQUEST_TIMEOUT => "the request came too slowly",
                _ => "the request cannot be answered",
            },
        };
        fixed.to_owned()
    }
}

/// Whether waiting may help: the database is locked, its disk full or failing.
fn passes(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<sqlx::Error>() {
        Some(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_)) => true,
        // Busy, locked, read-only, input/output, full (https://sqlite.org/rescode.html); the low byte decides.
        Some(sqlx::Error::Database(error)) => {
            let code = error.code().and_then(|code| code.parse::<u32>().ok());
            code.is_some_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 13))
        }
        _ => false,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if let Self::Internal(error) = &self {
            tracing::error!("a request failed: {error:#}");
        }
        let status = self.status();
        let problem = ProblemJson {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: self.detail(),
        };
        let body = serde_json::to_vec(&problem).expect("it is made of text and numbers");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"foci\""));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
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

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::Malformed(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::Malformed(rejection.status(), rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        Self::Plain(rejection.status())
    }
}
