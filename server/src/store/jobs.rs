//! Jobs: queued, claimed, fenced, done or given up.

use dicom_io::Uid;
use serde::{Deserialize, Serialize};

use super::{Store, Time};
use crate::config::{Lane, Language};

/// What is to be done with a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Names of models.
    pub(crate) models: Vec<String>,
    pub(crate) language: Language,
    /// The series to which the rule applies: the best of these is read.
    pub(crate) series: Vec<String>,
    /// Names of peers and DICOMweb servers.
    pub(crate) send_to: Vec<String>,
}

/// A job before it is in the queue.
#[derive(Debug, Clone)]
pub(crate) struct NewJob {
    pub(crate) study: Uid,
    pub(crate) revision: u32,
    /// Names and versions of the models, for example `liver-lesion 0.3, lung-nodule 0.1`.
    pub(crate) models_key: String,
    pub(crate) task: Task,
    /// The rule that applied.
    pub(crate) rule: String,
    pub(crate) lane: Lane,
}

impl Store {
    /// Notes that `revision` of `study` is planned, and puts `job` into the queue; in one transaction. `note`
    /// says why there is nothing to do where there is no job. Does nothing if that was planned before.
    pub(crate) async fn plan(
        &self,
        study: &Uid,
        revision: u32,
        job: Option<&NewJob>,
        note: &str,
        now: Time,
    ) -> sqlx::Result<Option<i64>> {
        let _ = (study, revision, job, note, now);
        todo!()
    }
}
