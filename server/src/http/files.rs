//! `/api/jobs/{id}/files/{name}`: what a job made, byte for byte.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::answers::REPORT_POLICY;
use super::ask::At;
use super::problem::{Problem, ProblemJson};
use crate::dicomweb::message::{Content, Message};

/// A file that a job made
///
/// Names are those in the job's `results`; a name that is not there is no file, whatever lies on the disk.
#[utoipa::path(get, path = "/api/jobs/{id}/files/{name}", tag = "jobs",
    params(("id" = i64, Path), ("name" = String, Path, example = "key-1.png")),
    responses(
        (status = 200, description = "PNG, DICOM, JSON, text or HTML, as Content-Type says",
         body = String, content_type = "application/octet-stream"),
        (status = 304, description = "The one that the client has"),
        (status = 404, description = "No such file", body = ProblemJson, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn file(
    State(app): State<Arc<App>>,
    At((job, name)): At<(i64, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let result = app.node.store.result_file(job, &name).await?.ok_or(Problem::NoFile)?;
    let tag = format!("\"{}\"", result.sha256);
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let has_it = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = if has_it {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let file = Content::file(app.node.archive.result(&result.file)).await?;
        Message::single(media_type(end), file).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(end)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::ETAG, value(tag)?);
    if end == "html" {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(REPORT_POLICY));
    }
    if end == "dcm" {
        let saved_as = format!("attachment; filename=\"foci-{job}-{name}\"");
        headers.insert(header::CONTENT_DISPOSITION, value(saved_as)?);
    }
    Ok(response)
}

fn media_type(end: &str) -> &'static str {
    match end {
        "png" => "image/png",
        "dcm" => "application/dicom",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn value(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(|error| Problem::Internal(error.into()))
}
