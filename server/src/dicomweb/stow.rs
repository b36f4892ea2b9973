//! STOW-RS: objects that come over the web, each safe before the answer says so.
//!
//! Source: DICOM PS3.18 10.5 and annex I.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use dicom_io::Uid;
use serde_json::{Value, json};

use super::media::MediaType;
use super::multipart::{Boundary, Broken, Limits, Parts, hear_out};
use super::server::{App, DICOM, Place, accepts_json, dicom_json};
use super::{client, json, take};
use crate::config::{Config, Lane, mib};
use crate::http::ask;
use crate::http::problem::Problem;
use crate::intake::{Kept, Refused, Sender};

/// Failure Reason for a part that is said to be something else than DICOM: cannot understand.
const NOT_DICOM: u16 = 0xC000;

/// Warning Reason for an object that is kept aside because another one has its UID: the status that C-STORE
/// gives it, too.
const KEPT_ASIDE: u16 = 0xB000;

/// What became of the parts of a message.
#[derive(Debug, Default)]
struct Stored {
    /// Class and UID of what is kept, and whether that is aside.
    kept: Vec<((Uid, Uid), bool)>,
    /// Class and UID where they are known, and why it is not kept.
    failed: Vec<(Option<(Uid, Uid)>, u16)>,
    /// The disk was full for at least one of them.
    is_full: bool,
}

/// Takes DICOM objects in
///
/// An object that the answer names as stored is safe: on the disk, and in the database. An object that was
/// stored before, with the same bytes, is stored again without harm.
#[utoipa::path(
    post,
    path = "/studies",
    tag = "dicomweb",
    description = "Also as /studies/{study}: objects of other studies are then refused.",
    request_body(
        content_type = "multipart/related; type=\"application/dicom\"",
        description = "A part of application/dicom for each object",
    ),
    responses(
        (status = 200, description = "All are stored (application/dicom+json, PS3.18 annex I)"),
        (status = 202, description = "FailedSOPSequence says which are not stored, WarningReason which are kept aside"),
        (status = 400, description = "The message cannot be read to its end; what came before is stored"),
        (status = 409, description = "None is stored; FailedSOPSequence says why"),
        (status = 413, description = "The message is larger than http.request_mb"),
        (status = 415, description = "The message is no multipart/related of application/dicom"),
        (status = 503, description = "The disk is nearly full; try again later"),
    ),
)]
pub(super) async fn store(
    State(app): State<App>,
    place: Place,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let limits = limits(&app.node.config);
    let boundary = match admit(&headers, limits) {
        Ok(boundary) => boundary,
        Err(problem) => {
            hear_out(body.into_data_stream()).await;
            return Err(problem);
        }
    };
    let mut parts = Parts::new(boundary, body.into_data_stream(), limits);
    let mut stored = Stored::default();
    let done = stored.take_all(&mut parts, &sender(&headers), place.study.as_ref(), &app).await;
    parts.hear_out().await;
    let counter = |outcome| metrics::counter!("foci_stow_instances_total", "outcome" => outcome);
    counter("stored").increment(stored.kept.len() as u64);
    counter("failed").increment(stored.failed.len() as u64);
    match done {
        Ok(()) => stored.answer(),
        Err(broken) => {
            tracing::warn!(stored = stored.kept.len(), "a STOW-RS message breaks off: {broken}");
            Err(problem(&broken, stored.kept.len()))
        }
    }
}

/// What a message may take of us: the times are those of DICOM associations.
fn limits(config: &Config) -> Limits {
    Limits {
        bytes: mib(config.http.request_mb),
        idle: Duration::from_secs(config.dicom.limits.idle_s),
        whole: Duration::from_secs(config.dicom.limits.association_s),
    }
}

/// What stands between the parts of a message that can be taken, by what its headers say.
fn admit(headers: &HeaderMap, limits: Limits) -> Result<Boundary, Problem> {
    accepts_json(headers)?;
    let boundary = Boundary::of(&media_type(headers)?).map_err(|broken| problem(&broken, 0))?;
    if announced_length(headers).is_some_and(|length| length > limits.bytes) {
        return Err(problem(&Broken::TooLarge(limits.bytes), 0));
    }
    Ok(boundary)
}

/// Who sends. Nobody else's words: rules only tell what was pulled from what was sent.
fn sender(headers: &HeaderMap) -> Sender {
    let is_pulled = headers.get(client::SENDER).is_some_and(|sender| sender == "pull");
    let name = if is_pulled { "pull" } else { "stow" };
    Sender { name: name.to_owned(), lane: Lane::default() }
}

/// What the request says that its body is.
fn media_type(headers: &HeaderMap) -> Result<MediaType, Problem> {
    let is_dicom = |found: &MediaType| {
        let part = found.parameter("type").unwrap_or(DICOM);
        found.essence == "multipart/related" && part.eq_ignore_ascii_case(DICOM)
    };
    MediaType::of(headers).filter(is_dicom).ok_or_else(|| {
        let detail = "objects are stored as multipart/related; type=\"application/dicom\"";
        Problem::Malformed(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail.to_owned())
    })
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    ask::header(headers, header::CONTENT_LENGTH)?.parse().ok()
}

/// What the sender is told of a message that cannot be read to its end, of which so many objects are stored.
fn problem(broken: &Broken, stored: usize) -> Problem {
    let status = match broken {
        Broken::Malformed(_) | Broken::Connection(_) => StatusCode::BAD_REQUEST,
        Broken::TooLarge(_) | Broken::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
        Broken::Slow => StatusCode::REQUEST_TIMEOUT,
    };
    Problem::Malformed(status, format!("{broken}; objects stored before that: {stored}"))
}

impl Stored {
    /// Gives every part to the intake, which refuses objects of other studies than `study`.
    async fn take_all(
        &mut self,
        parts: &mut Parts,
        sender: &Sender,
        study: Option<&Uid>,
        app: &App,
    ) -> Result<(), Broken> {
        while let Some(head) = parts.next().await? {
            if head.media_type.is_some_and(|part| part.essence != DICOM) {
                self.failed.push((None, NOT_DICOM));
                continue;
            }
            match take(parts, study, sender, &app.intake).await? {
                Ok((object, kept)) => {
                    let uids = (object.sop_class_uid, object.sop_instance_uid);
                    self.kept.push((uids, kept == Kept::Quarantined));
                }
                Err((refused, object)) => {
                    self.is_full |= matches!(refused, Refused::Full);
                    let object = object.map(|object| (object.sop_class_uid, object.sop_instance_uid));
                    self.failed.push((object, refused.status()));
                }
            }
        }
        Ok(())
    }

    /// The answer, if there was anything to store.
    fn answer(&self) -> Result<Response, Problem> {
        let is_warned = self.kept.iter().any(|(_, is_aside)| *is_aside);
        let status = match (self.kept.is_empty(), self.failed.is_empty() && !is_warned) {
            (true, true) => return Err(problem(&Broken::Malformed("it has no parts"), 0)),
            (false, true) => StatusCode::OK,
            (false, false) => StatusCode::ACCEPTED,
            (true, false) if self.is_full => StatusCode::SERVICE_UNAVAILABLE,
            (true, false) => StatusCode::CONFLICT,
        };
        let mut response = dicom_json(status, &self.json());
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        }
        Ok(response)
    }

    /// The store instances response module.
    fn json(&self) -> Value {
        let object = |(class, instance): &(Uid, Uid)| {
            json!({
                json::REFERENCED_SOP_CLASS_UID: json::element("UI", vec![json!(class)]),
                json::REFERENCED_SOP_INSTANCE_UID: json::element("UI", vec![json!(instance)]),
            })
        };
        let kept = |(uids, is_aside): &((Uid, Uid), bool)| {
            let mut item = object(uids);
            if *is_aside {
                item[json::WARNING_REASON] = json::element("US", vec![json!(KEPT_ASIDE)]);
            }
            item
        };
        let failure = |known: &Option<(Uid, Uid)>, reason: u16| {
            let mut item = known.as_ref().map_or_else(|| json!({}), object);
            item[json::FAILURE_REASON] = json::element("US", vec![json!(reason)]);
            item
        };
        let failures = |is_known: bool| -> Vec<Value> {
            let wanted = self.failed.iter().filter(|(known, _)| known.is_some() == is_known);
            wanted.map(|(known, reason)| failure(known, *reason)).collect()
        };
        // The images are not given out again, hence no value.
        let mut answer = json!({ json::RETRIEVE_URL: json::element("UR", Vec::new()) });
        for (tag, items) in [
            (json::REFERENCED_SOP_SEQUENCE, self.kept.iter().map(kept).collect()),
            (json::FAILED_SOP_SEQUENCE, failures(true)),
            (json::OTHER_FAILURES_SEQUENCE, failures(false)),
        ] {
            if !items.is_empty() {
                answer[tag] = json::element("SQ", items);
            }
        }
        answer
    }
}
