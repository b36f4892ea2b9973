//! `/api/studies`: what became of every study.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::ask::{Asked, Limit, Since, StudyUid, UidPart};
use super::problem::{Problem, ProblemJson};
use crate::config::Lane;
use crate::store::views::{Filter, Progress, Stage, Studies, StudyDetail};

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
        job.stage = stage(&app, job.id);
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
        job.stage = stage(&app, job.id);
    }
    Ok(Json(detail))
}

/// How far `job` is, if a worker of ours has it.
fn stage(app: &App, job: i64) -> Option<Stage> {
    let stage = app.node.progress.of(job)?;
    Some(Stage { what: stage.what, done: stage.done, total: stage.total })
}
