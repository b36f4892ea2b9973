//! Jobs: queued, claimed, fenced, done or given up.
//!
//! A job that is claimed is leased: to one worker, under a token that nobody else gets, until a time that the
//! holder moves on while it works. Whoever comes with an old token is turned away, so what is published was
//! made by the one who holds the job.

use std::collections::BTreeSet;
use std::time::Duration;

use dicom_io::Uid;
use serde::{Deserialize, Serialize};
use sqlx::{Row, Sqlite, Transaction};

use super::{Store, Time, note, uid};
use crate::config::{Lane, Language};
use crate::patient::GuidelineName;
use crate::results::{ObjectUids, ResultKind};

/// However often a job has failed, the wait before its next try is no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What is to be done with a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Names of models.
    pub(crate) models: Vec<String>,
    pub(crate) language: Language,
    /// The guideline to advise by.
    #[serde(default)]
    pub(crate) guideline: Option<GuidelineName>,
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

/// A job that was claimed, and the right to say how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) job: i64,
    token: i64,
    pub(crate) study: Uid,
    pub(crate) revision: u32,
    pub(crate) task: Task,
    pub(crate) lane: Lane,
    /// This try included.
    pub(crate) attempts: u32,
}

/// How often a job is tried, and how long to wait in between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) attempts: u32,
    /// The wait after the first try; it doubles with each.
    pub(crate) first_wait: Duration,
}

/// Whether to try again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Failure {
    /// It cannot end otherwise: the sender's data is wrong.
    Permanent,
    /// It may end otherwise: the machine, for now.
    Passing(Patience),
}

/// What became of a job that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is tried again.
    Queued,
    /// It cannot be done.
    Failed,
    /// It was tried often enough.
    Dead,
}

/// A file that a job made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewResult {
    pub(crate) kind: ResultKind,
    /// Within the job.
    pub(crate) name: String,
    /// Below the folder results/.
    pub(crate) file: String,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    /// Of a DICOM object.
    pub(crate) object: Option<ObjectUids>,
}

/// A critical finding to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewAlert {
    /// Its number in the report.
    pub(crate) finding: usize,
    /// The JSON that is posted.
    pub(crate) body: String,
}

impl Fate {
    /// How it is called in the database and in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

impl Patience {
    /// What becomes of a job of which the try number `attempt` (from 1) failed, and from when on it may be
    /// claimed again.
    fn fate(self, attempt: u32, now: Time) -> (Fate, Time) {
        if attempt >= self.attempts {
            return (Fate::Dead, now);
        }
        let doublings = attempt.saturating_sub(1).min(30);
        (Fate::Queued, now + self.first_wait.saturating_mul(1 << doublings).min(LONGEST_WAIT))
    }
}

impl Lease {
    /// The name of the folders of this try: no other try of any job has the same.
    pub(crate) fn folder(&self) -> String {
        format!("{}-{}", self.job, self.token)
    }
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
        let mut transaction = self.begin().await?;
        let planned =
            sqlx::query("UPDATE study SET planned = $1, note = $2 WHERE study_uid = $3 AND planned < $1")
                .bind(revision)
                .bind(job.is_none().then_some(note))
                .bind(study.as_str())
                .execute(&mut *transaction)
                .await?;
        if planned.rows_affected() == 0 {
            return Ok(None);
        }
        let id = match job {
            Some(job) => queue(&mut transaction, job, now).await?,
            None => None,
        };
        super::note(&mut transaction, now, Some(study), id, "planned", note).await?;
        transaction.commit().await?;
        Ok(id)
    }

    /// Claims the next job of `most_lane` or a more urgent lane for `owner`, who has it for `lease`; `None` if
    /// there is none. The try is charged now, whatever becomes of the owner.
    pub(crate) async fn claim(
        &self,
        owner: &str,
        most_lane: Lane,
        lease: Duration,
        now: Time,
    ) -> sqlx::Result<Option<Lease>> {
        let mut transaction = self.begin().await?;
        let claimed = sqlx::query(
            "UPDATE job SET state = 'leased', attempts = attempts + 1, token = token + 1, owner = $1, \
             lease_until = $2, started_at = $3, ended_at = NULL \
             WHERE id = (SELECT id FROM job WHERE state = 'queued' AND lane <= $4 AND not_before <= $3 \
                         ORDER BY lane, id LIMIT 1) \
             RETURNING id, token, study_uid, revision, task, lane, attempts",
        )
        .bind(owner)
        .bind((now + lease).0)
        .bind(now.0)
        .bind(most_lane as i64)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = claimed else { return Ok(None) };
        let task: String = row.get("task");
        let lease = Lease {
            job: row.get("id"),
            token: row.get("token"),
            study: uid(row.get("study_uid")),
            revision: row.get("revision"),
            task: serde_json::from_str(&task).map_err(|error| sqlx::Error::Decode(error.into()))?,
            lane: lane(row.get("lane")),
            attempts: row.get("attempts"),
        };
        let detail = format!("try {}", lease.attempts);
        note(&mut transaction, now, Some(&lease.study), Some(lease.job), "claimed", &detail).await?;
        transaction.commit().await?;
        Ok(Some(lease))
    }

    /// Moves the end of `lease` to `until`; false if it is lost: taken back, cancelled, or another's by now.
    pub(crate) async fn renew(&self, lease: &Lease, until: Time) -> sqlx::Result<bool> {
        let renewed =
            sqlx::query("UPDATE job SET lease_until = $1 WHERE id = $2 AND token = $3 AND state = 'leased'")
                .bind(until.0)
                .bind(lease.job)
                .bind(lease.token)
                .execute(&self.write)
                .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Ends the job of `lease` as done: its results, what is to be sent where, and whom to alert, in one
    /// transaction. False, and nothing is written, if the lease is lost or has run out. True again when
    /// called again, for a caller that could not hear the first answer.
    pub(crate) async fn complete(
        &self,
        lease: &Lease,
        results: &[NewResult],
        summary: &str,
        alerts: &[NewAlert],
        now: Time,
    ) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        let ended = sqlx::query(
            "UPDATE job SET state = 'done', summary = $1, reason = NULL, ended_at = $2, lease_until = NULL \
             WHERE id = $3 AND token = $4 AND state = 'leased' AND lease_until >= $2",
        )
        .bind(summary)
        .bind(now.0)
        .bind(lease.job)
        .bind(lease.token)
        .execute(&mut *transaction)
        .await?;
        if ended.rows_affected() == 0 {
            return self.is_done(lease.job, lease.token).await;
        }
        let destinations: BTreeSet<&String> = lease.task.send_to.iter().collect();
        for result in results {
            let object = result.object.as_ref();
            let id: i64 = sqlx::query_scalar(
                "INSERT INTO result (job_id, kind, name, file, sha256, bytes, sop_class_uid, \
                 sop_instance_uid, series_uid) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
            )
            .bind(lease.job)
            .bind(result.kind.as_str())
            .bind(&result.name)
            .bind(&result.file)
            .bind(&result.sha256)
            .bind(i64::try_from(result.bytes).unwrap_or(i64::MAX))
            .bind(object.map(|object| &object.sop_class_uid))
            .bind(object.map(|object| &object.sop_instance_uid))
            .bind(object.map(|object| &object.series_uid))
            .fetch_one(&mut *transaction)
            .await?;
            if object.is_none() {
                continue;
            }
            for destination in &destinations {
                sqlx::query(
                    "INSERT INTO outbox (job_id, result_id, destination, lane, state, not_before) \
                     VALUES ($1, $2, $3, (SELECT lane FROM job WHERE id = $1), 'pending', $4)",
                )
                .bind(lease.job)
                .bind(id)
                .bind(destination)
                .bind(now.0)
                .execute(&mut *transaction)
                .await?;
            }
        }
        for alert in alerts {
            sqlx::query(
                "INSERT INTO alert (job_id, finding, body, state, not_before) \
                 VALUES ($1, $2, $3, 'pending', $4)",
            )
            .bind(lease.job)
            .bind(i64::try_from(alert.finding).unwrap_or(i64::MAX))
            .bind(&alert.body)
            .bind(now.0)
            .execute(&mut *transaction)
            .await?;
        }
        let detail = format!("{} results", results.len());
        note(&mut transaction, now, Some(&lease.study), Some(lease.job), "done", &detail).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Whether the try `token` of `job` is the one whose results were taken.
    pub(crate) async fn is_done(&self, job: i64, token: i64) -> sqlx::Result<bool> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM job WHERE id = $1 AND token = $2 AND state = 'done'")
                .bind(job)
                .bind(token)
                .fetch_optional(&self.read)
                .await?;
        Ok(found.is_some())
    }

    /// Notes that the try of `lease` failed, and why: what becomes of the job, or `None` if the lease is lost.
    pub(crate) async fn fail(
        &self,
        lease: &Lease,
        failure: Failure,
        reason: &str,
        now: Time,
    ) -> sqlx::Result<Option<Fate>> {
        let (fate, not_before) = match failure {
            Failure::Permanent => (Fate::Failed, now),
            Failure::Passing(patience) => patience.fate(lease.attempts, now),
        };
        let mut transaction = self.begin().await?;
        let held = Held { job: lease.job, token: lease.token, study: &lease.study };
        if !give_back(&mut transaction, held, fate, not_before, reason, now).await? {
            return Ok(None);
        }
        transaction.commit().await?;
        Ok(Some(fate))
    }

    /// Puts the job of `lease` back into the queue because the node stops: it is no fault of the job, so it
    /// waits for nothing and does not die of it. The try stays charged. False if the lease is lost.
    pub(crate) async fn release(&self, lease: &Lease, now: Time) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        let held = Held { job: lease.job, token: lease.token, study: &lease.study };
        let held = give_back(&mut transaction, held, Fate::Queued, now, "the node was stopped", now).await?;
        transaction.commit().await?;
        Ok(held)
    }

    /// Takes back the leases that have run out: how many.
    pub(crate) async fn expire(&self, patience: Patience, now: Time) -> sqlx::Result<usize> {
        let mut transaction = self.begin().await?;
        let out: Vec<Leased> = sqlx::query_as(
            "SELECT id, token, study_uid, attempts FROM job WHERE state = 'leased' AND lease_until < $1",
        )
        .bind(now.0)
        .fetch_all(&mut *transaction)
        .await?;
        take_back(&mut transaction, &out, patience, "its lease ran out", now).await?;
        transaction.commit().await?;
        Ok(out.len())
    }

    /// Takes back the leases of everyone but `owner`: how many. At the start of a node, which is the only one
    /// at its data folder, all others are dead.
    pub(crate) async fn expire_all_of_others(
        &self,
        owner: &str,
        attempts: u32,
        now: Time,
    ) -> sqlx::Result<usize> {
        let mut transaction = self.begin().await?;
        let others: Vec<Leased> = sqlx::query_as(
            "SELECT id, token, study_uid, attempts FROM job WHERE state = 'leased' AND owner <> $1",
        )
        .bind(owner)
        .fetch_all(&mut *transaction)
        .await?;
        // What ended was the node: there is no reason to wait for the job.
        let patience = Patience { attempts, first_wait: Duration::ZERO };
        let reason = "the node ended in the middle of it";
        take_back(&mut transaction, &others, patience, reason, now).await?;
        transaction.commit().await?;
        Ok(others.len())
    }

    /// Puts a job that ended without results into the queue again, as if it were new. False if it is no such
    /// job, or its images are gone.
    pub(crate) async fn retry(&self, job: i64, now: Time) -> sqlx::Result<bool> {
        self.change(
            "UPDATE job SET state = 'queued', attempts = 0, not_before = $1, reason = NULL, ended_at = NULL \
             WHERE id = $2 AND state IN ('failed', 'dead', 'cancelled') AND NOT EXISTS \
             (SELECT 1 FROM study WHERE study.study_uid = job.study_uid AND images_purged_at IS NOT NULL) \
             RETURNING study_uid",
            job,
            now,
            "asked for again",
        )
        .await
    }

    /// Takes a job out of the queue, or away from its worker. False if it has ended.
    pub(crate) async fn cancel(&self, job: i64, now: Time) -> sqlx::Result<bool> {
        self.change(
            "UPDATE job SET state = 'cancelled', ended_at = $1, lease_until = NULL \
             WHERE id = $2 AND state IN ('queued', 'leased') RETURNING study_uid",
            job,
            now,
            "cancelled",
        )
        .await
    }

    async fn change(&self, sql: &'static str, job: i64, now: Time, what: &str) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        let study: Option<String> =
            sqlx::query_scalar(sql).bind(now.0).bind(job).fetch_optional(&mut *transaction).await?;
        let Some(study) = study else { return Ok(false) };
        note(&mut transaction, now, Some(&uid(&study)), Some(job), what, "").await?;
        transaction.commit().await?;
        Ok(true)
    }
}

/// Puts `job` into the queue; `None` if it is there already.
async fn queue(
    transaction: &mut Transaction<'_, Sqlite>,
    job: &NewJob,
    now: Time,
) -> sqlx::Result<Option<i64>> {
    let task = serde_json::to_string(&job.task).expect("a task is plain text");
    sqlx::query_scalar(
        "INSERT INTO job (study_uid, revision, models_key, task, rule, lane, state, not_before, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 'queued', $7, $7) \
         ON CONFLICT (study_uid, revision, models_key) DO NOTHING RETURNING id",
    )
    .bind(job.study.as_str())
    .bind(job.revision)
    .bind(&job.models_key)
    .bind(task)
    .bind(&job.rule)
    .bind(job.lane as i64)
    .bind(now.0)
    .fetch_optional(&mut **transaction)
    .await
}

/// What a job is held by.
#[derive(Clone, Copy)]
struct Held<'a> {
    job: i64,
    token: i64,
    study: &'a Uid,
}

/// Number, token, study and tries of a job that is leased.
type Leased = (i64, i64, String, u32);

/// Ends the tries of those whose holder is gone.
async fn take_back(
    transaction: &mut Transaction<'_, Sqlite>,
    leased: &[Leased],
    patience: Patience,
    reason: &str,
    now: Time,
) -> sqlx::Result<()> {
    for (job, token, study, attempts) in leased {
        let study = uid(study);
        let (fate, not_before) = patience.fate(*attempts, now);
        let held = Held { job: *job, token: *token, study: &study };
        give_back(transaction, held, fate, not_before, reason, now).await?;
    }
    Ok(())
}

/// Ends a try without results; false if the job is held by another.
async fn give_back(
    transaction: &mut Transaction<'_, Sqlite>,
    held: Held<'_>,
    fate: Fate,
    not_before: Time,
    reason: &str,
    now: Time,
) -> sqlx::Result<bool> {
    let ended = sqlx::query(
        "UPDATE job SET state = $1, not_before = $2, reason = $3, ended_at = $4, lease_until = NULL \
         WHERE id = $5 AND token = $6 AND state = 'leased'",
    )
    .bind(fate.as_str())
    .bind(not_before.0)
    .bind(reason)
    .bind((fate != Fate::Queued).then_some(now.0))
    .bind(held.job)
    .bind(held.token)
    .execute(&mut **transaction)
    .await?;
    if ended.rows_affected() == 0 {
        return Ok(false);
    }
    note(transaction, now, Some(held.study), Some(held.job), fate.as_str(), reason).await?;
    Ok(true)
}

/// The lane of this number.
pub(super) fn lane(number: i64) -> Lane {
    let mut lanes = Lane::ALL.into_iter();
    lanes.find(|lane| *lane as i64 == number).expect("only numbers of lanes are written there")
}

#[cfg(test)]
mod tests;
