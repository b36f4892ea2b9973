//! `/api/studies/../plan`: what an operator does after changing the rules.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::App;
use super::ask::StudyUid;
use super::problem::{Problem, ProblemJson};
use crate::plan::plan_again;

/// Decides anew what is done with a study, by the rules of today
///
/// What was done already by the same models is not done again.
#[utoipa::path(post, path = "/api/studies/{study_uid}/plan", tag = "studies",
    params(("study_uid" = String, Path, example = "1.2.840.113619.2.5")),
    responses(
        (status = 204, description = "It is decided within a second"),
        (status = 404, description = "No such study", body = ProblemJson, content_type = "application/problem+json"),
        (status = 409, description = "It is still being received, or waits for the decision already",
         body = ProblemJson, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn plan(
    State(app): State<Arc<App>>,
    StudyUid(study): StudyUid,
) -> Result<StatusCode, Problem> {
    if plan_again(&app.node, &study).await? {
        return Ok(StatusCode::NO_CONTENT);
    }
    app.node.store.came(&study).await?.ok_or(Problem::NoStudy)?;
    Err(Problem::Conflict("nothing was decided for the study as it is now: it will be".to_owned()))
}
