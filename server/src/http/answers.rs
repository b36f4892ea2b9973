//! What every answer has in common: security headers, problems instead of bare errors, and that it comes.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use metrics::{counter, histogram};

use super::ask;
use super::problem::Problem;

/// What a page may do where nothing else is said: nothing but what we serve ourselves, in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page at /docs sets styles as it goes, and has its pictures in itself.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                           img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page of a report: its style is in it, its pictures lie beside it, and it runs nothing.
pub(super) const REPORT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A handler of ours answers within this, or the client is told to ask later.
const ANSWER: Duration = Duration::from_secs(30);

/// Finishes every answer; a handler that panics fails this one request.
pub(super) async fn finish(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let is_docs = request.uri().path().starts_with("/docs");
    let route =
        request.extensions().get::<MatchedPath>().map_or("none".to_owned(), |path| path.as_str().to_owned());
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let answer =
        answered.unwrap_or_else(|_| Problem::Internal(anyhow::anyhow!("{route} panicked")).into_response());
    let mut answer = as_problem(answer);

    let headers = answer.headers_mut();
    let policy = if is_docs { DOCS_POLICY } else { POLICY };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }

    let status = answer.status().as_u16();
    let seconds = started.elapsed().as_secs_f64();
    // A path or query may hold what its sender likes; the route may not.
    tracing::debug!(route, %method, status, seconds, "answered");
    counter!("foci_http_requests_total", "route" => route.clone(), "method" => known(&method), "status" => status.to_string())
        .increment(1);
    histogram!("foci_http_request_seconds", "route" => route).record(seconds);
    answer
}

/// Requests of our own API are small; images come through DICOMweb.
pub(super) const API_BYTES: usize = 64 << 10;

/// Refuses what is too large for any handler of ours, and makes them answer within a short time.
pub(super) async fn hurry(request: Request, next: Next) -> Response {
    let length = ask::header(request.headers(), header::CONTENT_LENGTH);
    if length.is_some_and(|length| length.parse().map_or(true, |length: usize| length > API_BYTES)) {
        return Problem::Plain(StatusCode::PAYLOAD_TOO_LARGE).into_response();
    }
    match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => Problem::Slow.into_response(),
    }
}

/// An error that somebody answered with a bare text or with nothing, as a problem.
fn as_problem(answer: Response) -> Response {
    let status = answer.status();
    let media = ask::header(answer.headers(), header::CONTENT_TYPE);
    let is_bare = media.is_none_or(|media| media.starts_with("text/plain"));
    if !(status.is_client_error() || status.is_server_error()) || !is_bare {
        return answer;
    }
    let mut problem = Problem::Plain(status).into_response();
    for (name, value) in answer.headers() {
        if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
            problem.headers_mut().insert(name, value.clone());
        }
    }
    problem
}

/// The method, if HTTP has it: anybody can send others.
fn known(method: &Method) -> &'static str {
    const KNOWN: [Method; 7] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    const NAMES: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.iter().position(|known| known == method).map_or("other", |at| NAMES[at])
}
