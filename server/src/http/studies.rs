//! `/api/studies`: what became of every study.

use std::num::NonZeroU32;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::ask::{Asked, Limit, Since, StudyUid, UidPart};
use super::problem::{Problem, ProblemJson};
use crate::config::Lane;
use crate::store::studies::Declared;
use crate::store::views::{Filter, Progress, Studies, StudyDetail};
use crate::studies::complete_now;

/// Which studies to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    #[param(inline)]
    state: Option<Progress>,
    #[param(inline)]
    lane: Option<Lane>,
    /// Only those that something came for at this time or later.
    #[param(value_type = Option<String>, format = DateTime, example = "2026-11-22T06:00:00Z")]
    since: Option<Since>,
    /// A part of the Study Instance UID.
    #[param(value_type = Option<String>, example = "840.113619")]
    uid: Option<UidPart>,
    /// At most so many: 1 to 500, otherwise 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    #[serde(default)]
    limit: Limit,
    /// After so many.
    #[serde(default)]
    offset: u32,
}

/// Studies, newest first
#[utoipa::path(get, path = "/api/studies", tag = "studies", params(Wanted), responses(
    (status = 200, body = Studies),
    (status = 400, description = "A filter is wrong", body = ProblemJson, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Studies>, Problem> {
    let filter = Filter {
        state: wanted.state,
        lane: wanted.lane,
        since: wanted.since.map(|since| since.0),
        uid: wanted.uid.map(|part| part.0).filter(|part| !part.is_empty()),
    };
    let mut list = app.node.store.list_studies(&filter, wanted.limit.0, wanted.offset.into()).await?;
    for job in list.studies.iter_mut().filter_map(|study| study.job.as_mut()) {
        job.stage = app.node.progress.of(job.id);
    }
    Ok(Json(list))
}

/// All that is known of a study
#[utoipa::path(get, path = "/api/studies/{study_uid}", tag = "studies",
    params(("study_uid" = String, Path, description = "Study Instance UID")),
    responses(
        (status = 200, body = StudyDetail),
        (status = 400, description = "No UID", body = ProblemJson, content_type = "application/problem+json"),
        (status = 404, description = "No such study", body = ProblemJson, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn detail(
    State(app): State<Arc<App>>,
    StudyUid(uid): StudyUid,
) -> Result<Json<StudyDetail>, Problem> {
    let mut detail = app.node.store.study_detail(&uid).await?.ok_or(Problem::NoStudy)?;
    for job in detail.study.job.iter_mut().chain(detail.jobs.iter_mut().map(|detail| &mut detail.job)) {
        job.stage = app.node.progress.of(job.id);
    }
    Ok(Json(detail))
}

/// How many instances a study has, where that is known.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Complete {
    /// The study is complete once so many are here; without it, it is complete as it is.
    #[schema(value_type = Option<u32>, minimum = 1, example = 300)]
    expected: Option<NonZeroU32>,
}

/// Whether a study is complete now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Declaration {
    complete: bool,
    /// So many are here, where more are to come.
    instances: Option<u32>,
    expected: Option<u32>,
}

/// Says that nothing more comes of a study, or how many instances there will be
///
/// A study that is complete already stays so. What comes later makes a new revision.
#[utoipa::path(post, path = "/api/studies/{study_uid}/complete", tag = "studies",
    params(("study_uid" = String, Path, description = "Study Instance UID")),
    request_body(content = Option<Complete>, content_type = "application/json"),
    responses(
        (status = 200, description = "It is complete", body = Declaration),
        (status = 202, description = "It will be, when all are here", body = Declaration),
        (status = 400, description = "No UID, or no such body", body = ProblemJson,
         content_type = "application/problem+json"),
        (status = 404, description = "No such study", body = ProblemJson, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn complete(
    State(app): State<Arc<App>>,
    StudyUid(uid): StudyUid,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Declaration>), Problem> {
    let body = body?;
    let wanted: Complete = if body.is_empty() {
        Complete::default()
    } else {
        let malformed =
            |error: serde_json::Error| Problem::Malformed(StatusCode::BAD_REQUEST, error.to_string());
        serde_json::from_slice(&body).map_err(malformed)?
    };
    match complete_now(&app.node, &uid, wanted.expected.map(NonZeroU32::get)).await? {
        Declared::Unknown => Err(Problem::NoStudy),
        Declared::Complete => {
            Ok((StatusCode::OK, Json(Declaration { complete: true, instances: None, expected: None })))
        }
        Declared::Waiting { instances, expected } => {
            let more = Declaration { complete: false, instances: Some(instances), expected: Some(expected) };
            Ok((StatusCode::ACCEPTED, Json(more)))
        }
    }
}
