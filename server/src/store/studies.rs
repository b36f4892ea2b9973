//! Studies: receiving, complete, their images removed.

use dicom_io::Uid;
use sqlx::{FromRow, Row, Sqlite, Transaction, sqlite::SqliteRow};

use super::{Store, Time, note, uid};

/// A study that images come for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receiving {
    pub(crate) study: Uid,
    /// 0: nothing came of it so far that could be analysed.
    pub(crate) revision: u32,
    /// Where its first object came from.
    pub(crate) sender: String,
    /// Of how many instances it consists, where anybody said so.
    pub(crate) expected: Option<u32>,
    /// How many are here.
    pub(crate) instances: u32,
    /// When the last one came, be it one that was here already.
    pub(crate) last_at: Time,
    /// When that was last noted with the study.
    pub(crate) noted_at: Time,
}

/// What has become of a study that somebody said was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    /// Nothing ever came of it.
    Unknown,
    /// It is complete.
    Complete,
    /// It is not: so many are here, and so many are to come in all.
    Waiting { instances: u32, expected: u32 },
}

/// A study and whether the files of its images were removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filed {
    pub(crate) study: Uid,
    pub(crate) purged: bool,
}

/// All that is asked of a study that is being received.
const RECEIVING: &str = "
    SELECT study.study_uid, study.revision, study.sender, study.expected, study.last_at AS noted_at,
        COUNT(instance.sop_instance_uid) AS instances, COALESCE(MAX(instance.received_at), 0) AS came_at
    FROM study LEFT JOIN instance
        ON instance.study_uid = study.study_uid AND instance.purged_at IS NULL
    WHERE study.state = 'receiving'
    GROUP BY study.study_uid, study.revision, study.sender, study.expected, study.last_at";

impl Store {
    /// The studies that images come for.
    pub(crate) async fn receiving(&self) -> sqlx::Result<Vec<Receiving>> {
        sqlx::query_as(RECEIVING).fetch_all(&self.read).await
    }

    /// Notes with the study when its last instance came. Instances do not do it themselves: it would
    /// double what each of them writes.
    pub(crate) async fn note_last(&self, study: &Receiving) -> sqlx::Result<()> {
        sqlx::query(
            "UPDATE study SET last_at = $2 WHERE study_uid = $1 AND state = 'receiving' AND last_at < $2",
        )
        .bind(study.study.as_str())
        .bind(study.last_at.0)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    /// Completes a study, unless something came since `seen` was read. `why` goes to the events, `lacking`
    /// to its note: what is known to be missing.
    pub(crate) async fn complete_study(
        &self,
        seen: &Receiving,
        why: &str,
        lacking: Option<&str>,
        now: Time,
    ) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        let instances = count(&mut transaction, &seen.study).await?;
        let done = instances == seen.instances
            && complete(&mut transaction, &seen.study, seen.revision, why, lacking, now).await?;
        transaction.commit().await?;
        Ok(done)
    }

    /// Completes a study because somebody says that it is, unless they also say that more is to come.
    pub(crate) async fn declare(
        &self,
        study: &Uid,
        expected: Option<u32>,
        now: Time,
    ) -> sqlx::Result<Declared> {
        let mut transaction = self.begin().await?;
        let known: Option<(String, u32)> =
            sqlx::query_as("SELECT state, revision FROM study WHERE study_uid = $1")
                .bind(study.as_str())
                .fetch_optional(&mut *transaction)
                .await?;
        let Some((state, revision)) = known else { return Ok(Declared::Unknown) };
        if let Some(expected) = expected {
            expect(&mut transaction, study, expected).await?;
        }
        let instances = count(&mut transaction, study).await?;
        let declared = match expected {
            Some(expected) if instances < expected => Declared::Waiting { instances, expected },
            _ => {
                if state == "receiving" {
                    let why = format!("{instances} instances, and somebody said that is all");
                    complete(&mut transaction, study, revision, &why, None, now).await?;
                }
                Declared::Complete
            }
        };
        transaction.commit().await?;
        Ok(declared)
    }

    /// Notes that `peer` has `count` instances of `study`. Those that we sent there do not come from it.
    pub(crate) async fn expect_as(&self, study: &Uid, peer: &str, count: u32) -> sqlx::Result<u32> {
        let mut transaction = self.begin().await?;
        let ours: u32 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM outbox JOIN job ON job.id = outbox.job_id
             WHERE job.study_uid = $1 AND outbox.destination = $2 AND outbox.state IN ('sent', 'committed')",
        )
        .bind(study.as_str())
        .bind(peer)
        .fetch_one(&mut *transaction)
        .await?;
        let expected = count.saturating_sub(ours);
        expect(&mut transaction, study, expected).await?;
        transaction.commit().await?;
        Ok(expected)
    }

    /// Studies whose images are no longer needed: complete before `before`, planned, their jobs ended, and
    /// their results delivered or given up. The oldest first, at most `limit`.
    pub(crate) async fn purgeable(&self, before: Time, limit: u32) -> sqlx::Result<Vec<Uid>> {
        let studies: Vec<String> = sqlx::query_scalar(
            "SELECT study_uid FROM study
             WHERE state = 'complete' AND last_at < $1 AND complete_at < $1 AND images_purged_at IS NULL
                 AND planned >= revision AND NOT EXISTS (SELECT 1 FROM job
                     WHERE job.study_uid = study.study_uid AND (job.state IN ('queued', 'leased')
                         OR job.ended_at >= $1 OR EXISTS (SELECT 1 FROM outbox WHERE outbox.job_id = job.id
                             AND (outbox.state = 'pending'
                                 OR outbox.state = 'sent' AND outbox.commit_at IS NOT NULL))))
             ORDER BY last_at LIMIT $2",
        )
        .bind(before.0)
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        Ok(studies.iter().map(|study| uid(study)).collect())
    }

    /// Notes that the images of `study` are removed, if it is still complete and none of its jobs is at work;
    /// whether they are to be removed.
    pub(crate) async fn purge(&self, study: &Uid, now: Time) -> sqlx::Result<bool> {
        let mut transaction = self.begin().await?;
        let marked = sqlx::query(
            "UPDATE study SET images_purged_at = $2
             WHERE study_uid = $1 AND state = 'complete' AND planned >= revision
                 AND images_purged_at IS NULL AND NOT EXISTS (SELECT 1 FROM job
                     WHERE job.study_uid = study.study_uid AND job.state IN ('queued', 'leased'))",
        )
        .bind(study.as_str())
        .bind(now.0)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if marked == 0 {
            return Ok(false);
        }
        let removed =
            sqlx::query("UPDATE instance SET purged_at = $2 WHERE study_uid = $1 AND purged_at IS NULL")
                .bind(study.as_str())
                .bind(now.0)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        let detail = format!("{removed} instances");
        note(&mut transaction, now, Some(study), None, "images removed", &detail).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Marks the objects in quarantine that came before `before` as removed; their files.
    pub(crate) async fn purge_quarantine(&self, before: Time, now: Time) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar(
            "UPDATE quarantine SET purged_at = $2 WHERE received_at < $1 AND purged_at IS NULL RETURNING file",
        )
        .bind(before.0)
        .bind(now.0)
        .fetch_all(&self.write)
        .await
    }

    /// All studies.
    pub(crate) async fn filed(&self) -> sqlx::Result<Vec<Filed>> {
        let rows: Vec<(String, bool)> =
            sqlx::query_as("SELECT study_uid, images_purged_at IS NOT NULL FROM study ORDER BY study_uid")
                .fetch_all(&self.read)
                .await?;
        Ok(rows.into_iter().map(|(study, purged)| Filed { study: uid(&study), purged }).collect())
    }

    /// Whether the images of `study` were removed, and none came since.
    pub(crate) async fn is_purged(&self, study: &Uid) -> sqlx::Result<bool> {
        let purged: Option<bool> =
            sqlx::query_scalar("SELECT images_purged_at IS NOT NULL FROM study WHERE study_uid = $1")
                .bind(study.as_str())
                .fetch_optional(&self.read)
                .await?;
        Ok(purged.unwrap_or(false))
    }
}

/// How many instances of `study` are here.
async fn count(transaction: &mut Transaction<'static, Sqlite>, study: &Uid) -> sqlx::Result<u32> {
    sqlx::query_scalar("SELECT COUNT(*) FROM instance WHERE study_uid = $1 AND purged_at IS NULL")
        .bind(study.as_str())
        .fetch_one(&mut **transaction)
        .await
}

async fn expect(
    transaction: &mut Transaction<'static, Sqlite>,
    study: &Uid,
    expected: u32,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE study SET expected = $2 WHERE study_uid = $1")
        .bind(study.as_str())
        .bind(expected)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn complete(
    transaction: &mut Transaction<'static, Sqlite>,
    study: &Uid,
    revision: u32,
    why: &str,
    lacking: Option<&str>,
    now: Time,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "UPDATE study SET state = 'complete', complete_at = $3, note = $4, last_at = COALESCE(
             (SELECT MAX(received_at) FROM instance WHERE instance.study_uid = study.study_uid), last_at)
         WHERE study_uid = $1 AND revision = $2 AND state = 'receiving'",
    )
    .bind(study.as_str())
    .bind(revision)
    .bind(now.0)
    .bind(lacking)
    .execute(&mut **transaction)
    .await?
    .rows_affected();
    if done > 0 {
        note(transaction, now, Some(study), None, "complete", &format!("revision {revision}: {why}")).await?;
    }
    Ok(done > 0)
}

impl FromRow<'_, SqliteRow> for Receiving {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let noted_at = Time(row.try_get("noted_at")?);
        Ok(Self {
            study: uid(row.try_get("study_uid")?),
            revision: row.try_get("revision")?,
            sender: row.try_get("sender")?,
            expected: row.try_get("expected")?,
            instances: row.try_get("instances")?,
            last_at: noted_at.max(Time(row.try_get("came_at")?)),
            noted_at,
        })
    }
}
