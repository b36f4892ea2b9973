//! Results on their way.
//!
//! A try counts against an object only if its destination works: if the last round there went well, or
//! something else got through in this one. When a PACS is down over a weekend, or its disk is full, the
//! destination waits and is asked again from time to time, and no object comes nearer to being given up.

use std::time::Duration;

use dicom_io::Uid;
use sqlx::{Row, Sqlite, Transaction};

use super::{Store, Time, note, uid};
use crate::config::Retry;

#[cfg(test)]
pub(super) mod tests;

/// What is to be sent to one destination at once: the objects of one job.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) job: i64,
    pub(crate) study: Uid,
    pub(crate) destination: String,
    /// When the job was done.
    pub(crate) since: Time,
    pub(crate) objects: Vec<Outgoing>,
}

/// A result that is to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    id: i64,
    pub(crate) sop_class_uid: Uid,
    pub(crate) sop_instance_uid: Uid,
    /// Below the folder results/.
    pub(crate) file: String,
    pub(crate) sha256: String,
    /// The number of this try, from 1.
    attempt: u32,
}

/// What came of trying to send one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The peer says that it has it.
    Sent,
    /// The peer will never take it.
    Refused(String),
    /// It may go well another time.
    Failed(String),
    /// It is gone or damaged on our side, whatever the peer would say.
    Lost(String),
    /// It was not its turn yet.
    Untried,
}

/// What became of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Sent,
    Refused,
    /// It is tried again.
    Waiting,
    /// It was tried as often as the configuration allows.
    Dead,
}

/// What a round came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Round {
    /// One for each object.
    pub(crate) fates: Vec<Fate>,
    /// What is wrong with the destination itself: nothing is sent there for a while.
    pub(crate) wrong: Option<String>,
}

impl Store {
    /// Takes what is next for `destination` and charges a try to each of its objects; `None` if nothing is
    /// due or the destination has to wait. Emergencies first, then who waits longest.
    ///
    /// Objects whose tries were all spent without an outcome (the program died each time) are dead.
    pub(crate) async fn take_delivery(
        &self,
        destination: &str,
        retry: &Retry,
        now: Time,
    ) -> sqlx::Result<Option<Delivery>> {
        let mut transaction = self.begin().await?;
        if trouble(&mut transaction, destination).await?.is_some_and(|trouble| trouble.not_before > now) {
            return Ok(None);
        }
        while let Some(job) = next_job(&mut transaction, destination, now).await? {
            bury(&mut transaction, job, destination, retry, now).await?;
            if let Some(delivery) = take(&mut transaction, job, destination, now).await? {
                transaction.commit().await?;
                return Ok(Some(delivery));
            }
        }
        transaction.commit().await?;
        Ok(None)
    }

    /// When there will be something to do for `destination`; `None`: when a job ends. Requests for storage
    /// commitment count only with `commitment`.
    pub(crate) async fn next_delivery(
        &self,
        destination: &str,
        commitment: bool,
    ) -> sqlx::Result<Option<Time>> {
        let row = sqlx::query(
            "SELECT (SELECT MIN(not_before) FROM outbox WHERE destination = $1 AND state = 'pending') AS send,
                    (SELECT MIN(commit_at) FROM outbox WHERE destination = $1 AND commit_at IS NOT NULL) AS ask,
                    (SELECT not_before FROM destination WHERE name = $1) AS wait",
        )
        .bind(destination)
        .fetch_one(&self.read)
        .await?;
        let [send, ask, wait] = ["send", "ask", "wait"].map(|name| row.get::<Option<i64>, _>(name));
        let first = [send, ask.filter(|_| commitment)].into_iter().flatten().min();
        Ok(first.map(|first| Time(first.max(wait.unwrap_or(0)))))
    }

    /// Records what came of `delivery`: one outcome for each object, and what is wrong with the destination
    /// itself, if anything. With `commitment`, the peer is to be asked to keep what it got.
    pub(crate) async fn delivered(
        &self,
        delivery: &Delivery,
        outcomes: &[Outcome],
        wrong: Option<&str>,
        retry: &Retry,
        commitment: bool,
        now: Time,
    ) -> sqlx::Result<Round> {
        assert_eq!(delivery.objects.len(), outcomes.len(), "one outcome for each object");
        let mut transaction = self.begin().await?;
        let failures = trouble(&mut transaction, &delivery.destination).await?.map_or(0, |was| was.failures);
        let answered = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Sent | Outcome::Refused(_)));
        let failures = if answered { 0 } else { failures };
        let mut fates = Vec::new();
        for (object, outcome) in delivery.objects.iter().zip(outcomes) {
            let row = After::of(object, outcome, failures, retry, commitment, now);
            sqlx::query(
                "UPDATE outbox SET state = $1, attempts = $2, not_before = COALESCE($3, not_before),
                     reason = COALESCE($4, reason), sent_at = $5, commit_at = $6, asked = 0
                 WHERE id = $7 AND state = 'pending'",
            )
            .bind(row.state)
            .bind(row.attempts)
            .bind(row.not_before.map(|time| time.0))
            .bind(row.reason)
            .bind(row.sent_at.map(|time| time.0))
            .bind(row.commit_at.map(|time| time.0))
            .bind(object.id)
            .execute(&mut *transaction)
            .await?;
            fates.push(row.fate);
        }
        let failed = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Failed(reason) if !answered => Some(reason.as_str()),
            _ => None,
        });
        let wrong = wrong.or(failed);
        if wrong.is_some() || answered {
            settle(&mut transaction, &delivery.destination, wrong, failures, retry, now).await?;
        }
        note_round(&mut transaction, delivery, outcomes, &fates, wrong, now).await?;
        transaction.commit().await?;
        Ok(Round { fates, wrong: wrong.map(str::to_owned) })
    }

    /// Forgets that destinations were in trouble: after a start they are all tried at once.
    pub(crate) async fn forgive_destinations(&self) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE destination SET not_before = 0").execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// How many objects wait for each destination that has any.
    pub(crate) async fn waiting(&self) -> sqlx::Result<Vec<(String, i64)>> {
        sqlx::query_as(
            "SELECT destination, COUNT(*) FROM outbox WHERE state = 'pending' GROUP BY destination
             ORDER BY destination",
        )
        .fetch_all(&self.read)
        .await
    }

    /// Has everything of `job` that `destination` does not have yet sent now, with all tries before it: what
    /// waits, what was refused, and what is dead. The number of such objects.
    pub(crate) async fn retry_delivery(&self, job: i64, destination: &str, now: Time) -> sqlx::Result<u64> {
        let mut transaction = self.begin().await?;
        let again = sqlx::query(
            "UPDATE outbox SET state = 'pending', attempts = 0, not_before = $1
             WHERE job_id = $2 AND destination = $3 AND state IN ('pending', 'refused', 'dead')",
        )
        .bind(now.0)
        .bind(job)
        .bind(destination)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if again > 0 {
            sqlx::query("UPDATE destination SET not_before = 0 WHERE name = $1")
                .bind(destination)
                .execute(&mut *transaction)
                .await?;
            let study = study_of(&mut transaction, job).await?;
            let detail = format!("{} to {destination}, asked for by the operator", objects(again as usize));
            note(&mut transaction, now, Some(&study), Some(job), "delivery again", &detail).await?;
        }
        transaction.commit().await?;
        Ok(again)
    }
}

/// A destination that is in trouble, or was.
pub(super) struct Trouble {
    pub(super) failures: u32,
    pub(super) not_before: Time,
}

pub(super) async fn trouble(
    transaction: &mut Transaction<'_, Sqlite>,
    destination: &str,
) -> sqlx::Result<Option<Trouble>> {
    let row: Option<(u32, i64)> =
        sqlx::query_as("SELECT failures, not_before FROM destination WHERE name = $1")
            .bind(destination)
            .fetch_optional(&mut **transaction)
            .await?;
    Ok(row.map(|(failures, not_before)| Trouble { failures, not_before: Time(not_before) }))
}

/// Notes that the destination works, or what is wrong with it.
pub(super) async fn settle(
    transaction: &mut Transaction<'_, Sqlite>,
    destination: &str,
    wrong: Option<&str>,
    failures: u32,
    retry: &Retry,
    now: Time,
) -> sqlx::Result<()> {
    let Some(wrong) = wrong else {
        sqlx::query(
            "UPDATE destination SET failures = 0, not_before = 0, reason = NULL, since = NULL
             WHERE name = $1",
        )
        .bind(destination)
        .execute(&mut **transaction)
        .await?;
        return Ok(());
    };
    let failures = failures.saturating_add(1);
    sqlx::query(
        "INSERT INTO destination (name, failures, not_before, reason, since) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, not_before = excluded.not_before,
             reason = excluded.reason, since = COALESCE(destination.since, excluded.since)",
    )
    .bind(destination)
    .bind(failures)
    .bind((now + retry.wait(failures)).0)
    .bind(wrong)
    .bind(now.0)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// The job whose objects go next.
async fn next_job(
    transaction: &mut Transaction<'_, Sqlite>,
    destination: &str,
    now: Time,
) -> sqlx::Result<Option<i64>> {
    // Lane by lane: each is one step into the index, however much waits.
    for lane in 0..3 {
        let job = sqlx::query_scalar(
            "SELECT job_id FROM outbox
             WHERE destination = $1 AND state = 'pending' AND lane = $2 AND not_before <= $3
             ORDER BY not_before, id LIMIT 1",
        )
        .bind(destination)
        .bind(lane)
        .bind(now.0)
        .fetch_optional(&mut **transaction)
        .await?;
        if job.is_some() {
            return Ok(job);
        }
    }
    Ok(None)
}

/// Gives up what is due and has no try left.
async fn bury(
    transaction: &mut Transaction<'_, Sqlite>,
    job: i64,
    destination: &str,
    retry: &Retry,
    now: Time,
) -> sqlx::Result<()> {
    let dead = sqlx::query(
        "UPDATE outbox SET state = 'dead',
             reason = COALESCE(reason, 'the program ended each time while it was sent')
         WHERE job_id = $1 AND destination = $2 AND state = 'pending' AND not_before <= $3
             AND attempts >= $4",
    )
    .bind(job)
    .bind(destination)
    .bind(now.0)
    .bind(retry.attempts.max(1))
    .execute(&mut **transaction)
    .await?
    .rows_affected();
    if dead > 0 {
        let study = study_of(transaction, job).await?;
        let detail = format!("{} to {destination}", objects(dead as usize));
        note(transaction, now, Some(&study), Some(job), "delivery dead", &detail).await?;
    }
    Ok(())
}

/// Charges a try to what is due of `job`; `None` if nothing is.
async fn take(
    transaction: &mut Transaction<'_, Sqlite>,
    job: i64,
    destination: &str,
    now: Time,
) -> sqlx::Result<Option<Delivery>> {
    sqlx::query(
        "UPDATE outbox SET attempts = attempts + 1
         WHERE job_id = $1 AND destination = $2 AND state = 'pending' AND not_before <= $3",
    )
    .bind(job)
    .bind(destination)
    .bind(now.0)
    .execute(&mut **transaction)
    .await?;
    let rows = sqlx::query(
        "SELECT outbox.id, outbox.attempts, result.sop_class_uid, result.sop_instance_uid, result.file, result.sha256
         FROM outbox JOIN result ON result.id = outbox.result_id
         WHERE outbox.job_id = $1 AND outbox.destination = $2 AND outbox.state = 'pending'
             AND outbox.not_before <= $3
         ORDER BY outbox.id",
    )
    .bind(job)
    .bind(destination)
    .bind(now.0)
    .fetch_all(&mut **transaction)
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let text = |row: &sqlx::sqlite::SqliteRow, name: &str| uid(row.get::<String, _>(name).as_str());
    let objects = rows.iter().map(|row| Outgoing {
        id: row.get("id"),
        attempt: row.get("attempts"),
        sop_class_uid: text(row, "sop_class_uid"),
        sop_instance_uid: text(row, "sop_instance_uid"),
        file: row.get("file"),
        sha256: row.get("sha256"),
    });
    let objects = objects.collect();
    let (study, since): (String, i64) =
        sqlx::query_as("SELECT study_uid, COALESCE(ended_at, created_at) FROM job WHERE id = $1")
            .bind(job)
            .fetch_one(&mut **transaction)
            .await?;
    let destination = destination.to_owned();
    Ok(Some(Delivery { job, study: uid(&study), destination, since: Time(since), objects }))
}

/// One row of the outbox after a try.
struct After {
    fate: Fate,
    state: &'static str,
    attempts: u32,
    not_before: Option<Time>,
    reason: Option<String>,
    sent_at: Option<Time>,
    commit_at: Option<Time>,
}

impl After {
    /// The row of `object` after `outcome`. The destination has failed `failures` times in a row before; if
    /// it has not, a failure is the object's.
    fn of(
        object: &Outgoing,
        outcome: &Outcome,
        failures: u32,
        retry: &Retry,
        commitment: bool,
        now: Time,
    ) -> Self {
        let row = |fate, state, attempts| Self {
            fate,
            state,
            attempts,
            not_before: None,
            reason: None,
            sent_at: None,
            commit_at: None,
        };
        let (attempt, uncharged) = (object.attempt, object.attempt.saturating_sub(1));
        let works = failures == 0;
        match outcome {
            Outcome::Sent => Self {
                sent_at: Some(now),
                commit_at: commitment.then_some(now),
                ..row(Fate::Sent, "sent", attempt)
            },
            Outcome::Refused(reason) => {
                Self { reason: Some(reason.clone()), ..row(Fate::Refused, "refused", attempt) }
            }
            Outcome::Lost(reason) => {
                Self { reason: Some(reason.clone()), ..row(Fate::Dead, "dead", attempt) }
            }
            Outcome::Failed(reason) if works && attempt >= retry.attempts => {
                Self { reason: Some(reason.clone()), ..row(Fate::Dead, "dead", attempt) }
            }
            Outcome::Failed(reason) if works => Self {
                not_before: Some(now + retry.wait(attempt)),
                reason: Some(reason.clone()),
                ..row(Fate::Waiting, "pending", attempt)
            },
            // Later than the destination itself, so that the next probe is made with something else.
            Outcome::Failed(reason) => Self {
                not_before: Some(now + retry.wait(failures.saturating_add(1)) + Duration::from_millis(1)),
                reason: Some(reason.clone()),
                ..row(Fate::Waiting, "pending", uncharged)
            },
            Outcome::Untried => row(Fate::Waiting, "pending", uncharged),
        }
    }
}

/// Notes for people how a round went.
async fn note_round(
    transaction: &mut Transaction<'_, Sqlite>,
    delivery: &Delivery,
    outcomes: &[Outcome],
    fates: &[Fate],
    wrong: Option<&str>,
    now: Time,
) -> sqlx::Result<()> {
    let destination = &delivery.destination;
    let count = |fate| fates.iter().filter(|found| **found == fate).count();
    let why = |fate| {
        outcomes.iter().zip(fates).find_map(|(outcome, found)| match outcome {
            Outcome::Refused(reason) | Outcome::Failed(reason) | Outcome::Lost(reason) if *found == fate => {
                Some(reason.as_str())
            }
            _ => None,
        })
    };
    let mut notes = Vec::new();
    if count(Fate::Sent) > 0 {
        let detail = format!("{} of {} to {destination}", count(Fate::Sent), objects(outcomes.len()));
        notes.push(("sent", detail));
    }
    for (fate, what) in [(Fate::Refused, "delivery refused"), (Fate::Dead, "delivery dead")] {
        if let Some(why) = why(fate) {
            notes.push((what, format!("{} to {destination}: {why}", objects(count(fate)))));
        }
    }
    if let Some(why) = wrong.or(why(Fate::Waiting)) {
        notes.push(("delivery waits", format!("{destination}: {why}")));
    }
    for (what, detail) in notes {
        note(transaction, now, Some(&delivery.study), Some(delivery.job), what, &detail).await?;
    }
    Ok(())
}

pub(super) async fn study_of(transaction: &mut Transaction<'_, Sqlite>, job: i64) -> sqlx::Result<Uid> {
    let study: String = sqlx::query_scalar("SELECT study_uid FROM job WHERE id = $1")
        .bind(job)
        .fetch_one(&mut **transaction)
        .await?;
    Ok(uid(&study))
}

fn objects(count: usize) -> String {
    format!("{count} object{}", if count == 1 { "" } else { "s" })
}
