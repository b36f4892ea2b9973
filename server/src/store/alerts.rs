//! Critical findings that are to be told.

use dicom_io::Uid;

use super::outbox::study_of;
use super::{Store, Time, note};

/// An alert on its way.
#[derive(Debug, Clone)]
pub(crate) struct Alert {
    id: i64,
    pub(crate) job: i64,
    pub(crate) study: Uid,
    /// The JSON to post.
    pub(crate) body: String,
    /// The number of this try, from 1.
    pub(crate) attempt: u32,
    /// When the finding was known.
    pub(crate) since: Time,
}

/// What became of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Sent,
    /// It is tried again then.
    Later(Time, String),
    /// Never.
    Dead(String),
}

impl Store {
    /// Takes the next alert that is due, and counts a try.
    pub(crate) async fn take_alert(&self, now: Time) -> sqlx::Result<Option<Alert>> {
        let mut transaction = self.begin().await?;
        let row: Option<(i64, i64, String, u32, i64)> = sqlx::query_as(
            "UPDATE alert SET attempts = attempts + 1
             WHERE id = (SELECT id FROM alert WHERE state = 'pending' AND not_before <= $1
                         ORDER BY not_before, id LIMIT 1)
             RETURNING id, job_id, body, attempts,
                 (SELECT COALESCE(ended_at, created_at) FROM job WHERE job.id = alert.job_id)",
        )
        .bind(now.0)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((id, job, body, attempt, since)) = row else { return Ok(None) };
        let study = study_of(&mut transaction, job).await?;
        transaction.commit().await?;
        Ok(Some(Alert { id, job, study, body, attempt, since: Time(since) }))
    }

    /// When the next alert is due.
    pub(crate) async fn next_alert(&self) -> sqlx::Result<Option<Time>> {
        let time: Option<i64> =
            sqlx::query_scalar("SELECT MIN(not_before) FROM alert WHERE state = 'pending'")
                .fetch_one(&self.read)
                .await?;
        Ok(time.map(Time))
    }

    /// Records what became of `alert`.
    pub(crate) async fn told_alert(&self, alert: &Alert, told: &Told, now: Time) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        let (state, what, reason) = match told {
            Told::Sent => ("sent", "alert sent", None),
            Told::Later(_, reason) => ("pending", "alert waits", Some(reason)),
            Told::Dead(reason) => ("dead", "alert dead", Some(reason)),
        };
        let not_before = if let Told::Later(time, _) = told { *time } else { now };
        sqlx::query(
            "UPDATE alert SET state = $1, not_before = $2, reason = $3, sent_at = $4
             WHERE id = $5 AND state = 'pending'",
        )
        .bind(state)
        .bind(not_before.0)
        .bind(reason)
        .bind((*told == Told::Sent).then_some(now.0))
        .bind(alert.id)
        .execute(&mut *transaction)
        .await?;
        let detail = reason.map_or("", String::as_str);
        note(&mut transaction, now, Some(&alert.study), Some(alert.job), what, detail).await?;
        transaction.commit().await
    }
}

#[cfg(test)]
impl Store {
    /// A finished job with these alerts, due at once.
    pub(crate) async fn insert_alerts(&self, bodies: &[&str]) {
        sqlx::raw_sql(
            "INSERT INTO study (study_uid, state, revision, sender, lane, first_at, last_at)
                 VALUES ('1.2.3', 'complete', 1, 'ct', 1, 0, 0);
             INSERT INTO job (id, study_uid, revision, models_key, task, rule, lane, state, not_before, created_at)
                 VALUES (1, '1.2.3', 1, 'm', '{}', 'r', 1, 'done', 0, 0)",
        )
        .execute(&self.write)
        .await
        .unwrap();
        for (finding, body) in (1i64..).zip(bodies) {
            sqlx::query("INSERT INTO alert (job_id, finding, body, state, not_before) VALUES (1, $1, $2, 'pending', 0)")
                .bind(finding)
                .bind(body)
                .execute(&self.write)
                .await
                .unwrap();
        }
    }

    /// How many alerts are in this state.
    pub(crate) async fn alerts_in(&self, state: &str) -> i64 {
        let count = sqlx::query_scalar("SELECT COUNT(*) FROM alert WHERE state = $1").bind(state);
        count.fetch_one(&self.read).await.unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::tests::{Scene, at};

    #[tokio::test]
    async fn an_alert_is_told_once_later_ones_first_tried_first() {
        let scene = Scene::new().await;
        scene.store.insert_alerts(&["one", "two", "three"]).await;
        let take = async |seconds| scene.store.take_alert(at(seconds)).await.unwrap();
        let first = take(1).await.unwrap();
        assert_eq!((first.body.as_str(), first.attempt), ("one", 1));
        let later = Told::Later(at(60), "HTTP 503".to_owned());
        scene.store.told_alert(&first, &later, at(1)).await.unwrap();
        let second = take(1).await.unwrap();
        assert_eq!(second.body, "two");
        scene.store.told_alert(&second, &Told::Sent, at(2)).await.unwrap();
        let third = take(2).await.unwrap();
        scene.store.told_alert(&third, &Told::Dead("HTTP 400".to_owned()), at(2)).await.unwrap();
        assert!(take(59).await.is_none());
        assert_eq!(scene.store.next_alert().await.unwrap(), Some(at(60)));
        let again = take(60).await.unwrap();
        assert_eq!((again.body.as_str(), again.attempt), ("one", 2));
        assert_eq!(scene.events().await, ["alert waits: HTTP 503", "alert sent: ", "alert dead: HTTP 400"]);
    }
}
