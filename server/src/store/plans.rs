//! Studies that wait for a decision what to do with them.

use dicom_io::Uid;

use super::{Store, Time, jobs, note, uid};
use crate::config::Lane;

/// A complete study for whose newest revision nothing was decided yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unplanned {
    pub(crate) study: Uid,
    pub(crate) revision: u32,
    /// Who sent it first.
    pub(crate) sender: String,
    pub(crate) lane: Lane,
}

impl Store {
    /// The studies that wait, the most urgent first and then the oldest, without the `passed_over`, and at
    /// most `limit` of them.
    pub(crate) async fn unplanned(&self, passed_over: &[Uid], limit: u32) -> sqlx::Result<Vec<Unplanned>> {
        let rows: Vec<(String, i64, String, i64)> = sqlx::query_as(
            "SELECT study_uid, revision, sender, lane FROM study
             WHERE state = 'complete' AND planned < revision ORDER BY lane, complete_at, study_uid LIMIT $1",
        )
        .bind(i64::from(limit) + passed_over.len() as i64)
        .fetch_all(&self.read)
        .await?;
        let found = rows.into_iter().map(|(study, revision, sender, lane)| Unplanned {
            study: uid(&study),
            revision: revision.try_into().expect("revisions are counted from 1"),
            sender,
            lane: jobs::lane(lane),
        });
        Ok(found.filter(|found| !passed_over.contains(&found.study)).take(limit as usize).collect())
    }

    /// Who sent `study`, its newest revision and its lane; `None` if it never came.
    pub(crate) async fn came(&self, study: &Uid) -> sqlx::Result<Option<Unplanned>> {
        let row: Option<(i64, String, i64)> =
            sqlx::query_as("SELECT revision, sender, lane FROM study WHERE study_uid = $1")
                .bind(study.as_str())
                .fetch_optional(&self.read)
                .await?;
        Ok(row.map(|(revision, sender, lane)| Unplanned {
            study: study.clone(),
            revision: revision.try_into().expect("revisions are counted from 1"),
            sender,
            lane: jobs::lane(lane),
        }))
    }

    /// Forgets what was decided for the newest revision of `study`, if it is complete; whether it is.
    ///
    /// A job that the same decision led to before is not made again.
    pub(crate) async fn forget_plan(&self, study: &Uid, now: Time) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        let changed = sqlx::query(
            "UPDATE study SET planned = revision - 1, note = NULL
             WHERE study_uid = $1 AND state = 'complete' AND planned = revision",
        )
        .bind(study.as_str())
        .execute(&mut *transaction)
        .await?;
        if changed.rows_affected() > 0 {
            note(&mut transaction, now, Some(study), None, "plan forgotten", "an operator asked").await?;
        }
        transaction.commit().await?;
        Ok(changed.rows_affected() > 0)
    }
}
