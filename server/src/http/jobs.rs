//! `/api/jobs` and `/api/deliveries`: what an operator can do about an analysis, and about where it went.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::ask::At;
use super::problem::{Problem, ProblemJson};
use crate::store::Time;

/// How much was changed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Again {
    /// So many objects are sent again.
    objects: u64,
}

/// Puts a job that failed, was given up or cancelled into the queue again
#[utoipa::path(post, path = "/api/jobs/{id}/retry", tag = "jobs", params(("id" = i64, Path)), responses(
    (status = 204, description = "It is queued"),
    (status = 404, description = "No such job", body = ProblemJson, content_type = "application/problem+json"),
    (status = 409, description = "It has not ended so, or its images are gone", body = ProblemJson,
     content_type = "application/problem+json"),
))]
pub(super) async fn retry(State(app): State<Arc<App>>, At(job): At<i64>) -> Result<StatusCode, Problem> {
    if app.node.store.retry(job, Time::now()).await? {
        app.node.wake.jobs.notify_one();
        return Ok(StatusCode::NO_CONTENT);
    }
    let (state, images_are_gone) = app.node.store.job_state(job).await?.ok_or(Problem::NoJob)?;
    Err(Problem::Conflict(if images_are_gone {
        "the images of this study were removed (studies.keep_images_days)".to_owned()
    } else {
        format!("the job is {state}: only one that failed, is dead or was cancelled can be tried again")
    }))
}

/// Takes a job out of the queue, or away from its worker
#[utoipa::path(post, path = "/api/jobs/{id}/cancel", tag = "jobs", params(("id" = i64, Path)), responses(
    (status = 204, description = "It is cancelled"),
    (status = 404, description = "No such job", body = ProblemJson, content_type = "application/problem+json"),
    (status = 409, description = "It has ended", body = ProblemJson, content_type = "application/problem+json"),
))]
pub(super) async fn cancel(State(app): State<Arc<App>>, At(job): At<i64>) -> Result<StatusCode, Problem> {
    if app.node.store.cancel(job, Time::now()).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    let (state, _) = app.node.store.job_state(job).await?.ok_or(Problem::NoJob)?;
    Err(Problem::Conflict(format!("the job is {state}: only one that is queued or leased can be cancelled")))
}

/// Sends to a destination at once what it does not have of a job
#[utoipa::path(post, path = "/api/deliveries/{job}/{destination}/retry", tag = "jobs",
    params(("job" = i64, Path), ("destination" = String, Path, example = "pacs")),
    responses(
        (status = 200, body = Again),
        (status = 404, description = "The job sends nothing there", body = ProblemJson,
         content_type = "application/problem+json"),
        (status = 409, description = "It has everything", body = ProblemJson, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn deliver(
    State(app): State<Arc<App>>,
    At((job, destination)): At<(i64, String)>,
) -> Result<Json<Again>, Problem> {
    let store = &app.node.store;
    let objects = store.retry_delivery(job, &destination, Time::now()).await?;
    if objects > 0 {
        app.node.wake.delivery.notify_waiters();
        return Ok(Json(Again { objects }));
    }
    if store.sends_to(job, &destination).await? {
        Err(Problem::Conflict("everything was sent there already".to_owned()))
    } else {
        Err(Problem::NoDelivery)
    }
}
