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
        // The words of the index study_unplanned, so that it is used.
        let rows: Vec<(String, i64, String, i64)> = sqlx::query_as(
            "SELECT study_uid, revision, sender, lane FROM study
             WHERE state <> 'receiving' AND planned < revision ORDER BY lane, complete_at, study_uid LIMIT $1",
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn scene() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Store::open(folder.path()).await.unwrap(), folder)
    }

    async fn study(store: &Store, study: &str, state: &str, lane: Lane, complete_at: i64) {
        sqlx::query(
            "INSERT INTO study (study_uid, state, revision, sender, lane, first_at, last_at, complete_at)
             VALUES ($1, $2, 2, 'ct', $3, 0, 0, $4)",
        )
        .bind(study)
        .bind(state)
        .bind(lane as i64)
        .bind(complete_at)
        .execute(&store.write)
        .await
        .unwrap();
    }

    async fn waiting(store: &Store, passed_over: &[&str], limit: u32) -> Vec<String> {
        let passed_over: Vec<_> = passed_over.iter().map(|study| uid(study)).collect();
        let found = store.unplanned(&passed_over, limit).await.unwrap();
        found.into_iter().map(|found| found.study.to_string()).collect()
    }

    #[tokio::test]
    async fn the_most_urgent_and_then_the_oldest_complete_study_is_planned_first() {
        let (store, _folder) = scene().await;
        study(&store, "1.1", "complete", Lane::Bulk, 10).await;
        study(&store, "1.2", "complete", Lane::Normal, 30).await;
        study(&store, "1.3", "complete", Lane::Normal, 20).await;
        study(&store, "1.4", "receiving", Lane::Emergency, 5).await;
        study(&store, "1.5", "complete", Lane::Emergency, 40).await;
        assert_eq!(waiting(&store, &[], 9).await, ["1.5", "1.3", "1.2", "1.1"]);
        // Those that are passed over take no place from others.
        assert_eq!(waiting(&store, &["1.5", "1.3"], 2).await, ["1.2", "1.1"]);

        let now = Time(50);
        store.plan(&uid("1.5"), 2, None, "no rule applies", now).await.unwrap();
        assert_eq!(waiting(&store, &[], 9).await, ["1.3", "1.2", "1.1"]);
        assert!(store.forget_plan(&uid("1.5"), now).await.unwrap());
        assert_eq!(waiting(&store, &[], 1).await, ["1.5"]);
        for unplanned in ["1.5", "1.4", "1.9"] {
            assert!(!store.forget_plan(&uid(unplanned), now).await.unwrap(), "{unplanned}");
        }
    }

    #[tokio::test]
    async fn who_sent_a_study_is_known() {
        let (store, _folder) = scene().await;
        study(&store, "1.1", "receiving", Lane::Bulk, 10).await;
        let came = Unplanned { study: uid("1.1"), revision: 2, sender: "ct".to_owned(), lane: Lane::Bulk };
        assert_eq!(store.came(&uid("1.1")).await.unwrap(), Some(came));
        assert_eq!(store.came(&uid("1.2")).await.unwrap(), None);
    }
}
