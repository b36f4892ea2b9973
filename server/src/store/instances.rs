//! Instances that were received, and those kept aside.

use dicom_io::Uid;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::{Store, Time, note};
use crate::config::Lane;

/// An object whose file is in its place.
#[derive(Debug, Clone)]
pub(crate) struct NewInstance {
    pub(crate) sop_instance_uid: Uid,
    pub(crate) study_uid: Uid,
    pub(crate) series_uid: Uid,
    pub(crate) sop_class_uid: Uid,
    pub(crate) transfer_syntax: Uid,
    /// Of the data set, in hexadecimal.
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    /// Below the folder `images`.
    pub(crate) file: String,
    /// Whether an analysis can start from it.
    pub(crate) is_image: bool,
    /// Of how many instances it says its study consists.
    pub(crate) expected: Option<u32>,
    pub(crate) sender: String,
    pub(crate) lane: Lane,
}

/// What the database knows of an object now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It has a row now.
    New,
    /// It had one, with the same bytes.
    Again,
    /// It is one of our own results.
    Own,
    /// Another object has its UID.
    Other,
}

/// An object under the UID of another one.
#[derive(Debug, Clone)]
pub(crate) struct Aside {
    pub(crate) sop_instance_uid: Uid,
    pub(crate) study_uid: Uid,
    pub(crate) sha256: String,
    pub(crate) bytes: u64,
    /// Below the folder `quarantine`.
    pub(crate) file: String,
    pub(crate) reason: String,
    pub(crate) sender: String,
}

impl Store {
    /// Gives each of `new` its row, in one transaction, and its study the state that follows: an image that
    /// comes to a complete study begins its next revision.
    pub(crate) async fn add_instances(&self, new: &[NewInstance], now: Time) -> sqlx::Result<Vec<Added>> {
        // What comes alone to a study that is being received, as most do, is one statement: a sender
        // waits for the answer, and each statement takes its time.
        if let [alone] = new
            && add_to_open(&mut *self.write.acquire().await?, alone, now).await?
        {
            return Ok(vec![Added::New]);
        }
        let mut transaction = self.begin().await?;
        let mut added = Vec::with_capacity(new.len());
        for instance in new {
            added.push(match add_to_open(&mut transaction, instance, now).await? {
                true => Added::New,
                false => add(&mut transaction, instance, now).await?,
            });
        }
        transaction.commit().await?;
        Ok(added)
    }

    /// The images of `study` up to `revision`, below the folder `images`.
    pub(crate) async fn images_of(&self, study: &Uid, revision: u32) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar(
            "SELECT file FROM instance
             WHERE study_uid = $1 AND revision BETWEEN 1 AND $2 AND purged_at IS NULL ORDER BY file",
        )
        .bind(study.as_str())
        .bind(revision)
        .fetch_all(&self.read)
        .await
    }

    /// Whether a row says that `file` is kept.
    pub(crate) async fn has_file(&self, instance: &Uid, file: &str) -> sqlx::Result<bool> {
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT 1 FROM instance WHERE sop_instance_uid = $1 AND file = $2 AND purged_at IS NULL",
        )
        .bind(instance.as_str())
        .bind(file)
        .fetch_optional(&self.read)
        .await?;
        Ok(found.is_some())
    }

    /// The files of `study` that must be there, of instances that came before `before`.
    pub(crate) async fn files_of(&self, study: &Uid, before: Time) -> sqlx::Result<Vec<String>> {
        sqlx::query_scalar(
            "SELECT file FROM instance WHERE study_uid = $1 AND purged_at IS NULL AND received_at < $2",
        )
        .bind(study.as_str())
        .bind(before.0)
        .fetch_all(&self.read)
        .await
    }

    /// Notes that an object was kept aside.
    pub(crate) async fn add_aside(&self, aside: &Aside, now: Time) -> sqlx::Result<()> {
        let mut transaction = self.begin().await?;
        let new = sqlx::query(
            "INSERT INTO quarantine
                 (sop_instance_uid, study_uid, sha256, bytes, file, reason, sender, received_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (sop_instance_uid, sha256) DO UPDATE SET purged_at = NULL, received_at = $8
             WHERE quarantine.purged_at IS NOT NULL",
        )
        .bind(aside.sop_instance_uid.as_str())
        .bind(aside.study_uid.as_str())
        .bind(&aside.sha256)
        .bind(bytes(aside.bytes))
        .bind(&aside.file)
        .bind(&aside.reason)
        .bind(&aside.sender)
        .bind(now.0)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if new > 0 {
            let detail = format!("{}: {}", aside.sop_instance_uid, aside.reason);
            note(&mut transaction, now, Some(&aside.study_uid), None, "quarantined", &detail).await?;
        }
        transaction.commit().await
    }
}

/// A statement that begins with the columns of `new`, from `sop_instance_uid` to `file`, as $1 to $8.
fn with_columns<'q>(sql: &'static str, new: &'q NewInstance) -> Query<'q, Sqlite, SqliteArguments> {
    sqlx::query(sql)
        .bind(new.sop_instance_uid.as_str())
        .bind(new.study_uid.as_str())
        .bind(new.series_uid.as_str())
        .bind(new.sop_class_uid.as_str())
        .bind(new.transfer_syntax.as_str())
        .bind(&new.sha256)
        .bind(bytes(new.bytes))
        .bind(&new.file)
}

/// Gives `new` its row if that is all there is to do: its study is being received, and nothing has its UID.
async fn add_to_open(connection: &mut SqliteConnection, new: &NewInstance, now: Time) -> sqlx::Result<bool> {
    let added = with_columns(
        "INSERT INTO instance (sop_instance_uid, study_uid, series_uid, sop_class_uid, transfer_syntax,
             sha256, bytes, file, revision, sender, received_at)
         SELECT $1, study_uid, $3, $4, $5, $6, $7, $8, revision * $9, $10, $11 FROM study
         WHERE study_uid = $2 AND state = 'receiving' AND revision >= $9 AND lane <= $12
             AND images_purged_at IS NULL AND ($13 IS NULL OR expected IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM result WHERE sop_instance_uid = $1)
         ON CONFLICT DO NOTHING",
        new,
    )
    .bind(i64::from(new.is_image))
    .bind(&new.sender)
    .bind(now.0)
    .bind(new.lane as i64)
    .bind(new.expected)
    .execute(connection)
    .await?;
    Ok(added.rows_affected() > 0)
}

/// Gives `new` its row, or says what has its UID.
async fn add(
    transaction: &mut Transaction<'static, Sqlite>,
    new: &NewInstance,
    now: Time,
) -> sqlx::Result<Added> {
    let image = i64::from(new.is_image);
    // Nothing happens to the study if this instance is here already, or is our own.
    let study: Option<(i64, bool)> = sqlx::query_as(
        "INSERT INTO study (study_uid, state, revision, sender, lane, expected, first_at, last_at)
         SELECT $1, 'receiving', $2, $3, $4, $5, $6, $6
         WHERE NOT EXISTS (SELECT 1 FROM instance WHERE sop_instance_uid = $7 AND purged_at IS NULL)
             AND NOT EXISTS (SELECT 1 FROM result WHERE sop_instance_uid = $7)
         ON CONFLICT (study_uid) DO UPDATE SET
             revision = CASE WHEN $2 = 1 AND (study.state = 'complete' OR study.revision = 0)
                 THEN study.revision + 1 ELSE study.revision END,
             state = CASE WHEN $2 = 1 THEN 'receiving' ELSE study.state END,
             complete_at = CASE WHEN $2 = 1 THEN NULL ELSE study.complete_at END,
             note = CASE WHEN $2 = 1 AND study.state = 'complete' THEN NULL ELSE study.note END,
             lane = CASE WHEN $4 < study.lane THEN $4 ELSE study.lane END,
             expected = COALESCE(study.expected, excluded.expected),
             last_at = $6,
             images_purged_at = NULL
         RETURNING revision, EXISTS (SELECT 1 FROM instance
             WHERE instance.study_uid = study.study_uid AND instance.revision = study.revision)",
    )
    .bind(new.study_uid.as_str())
    .bind(image)
    .bind(&new.sender)
    .bind(new.lane as i64)
    .bind(new.expected)
    .bind(now.0)
    .bind(new.sop_instance_uid.as_str())
    .fetch_optional(&mut **transaction)
    .await?;
    let Some((revision, begun)) = study else {
        return known(transaction, new, now).await;
    };
    with_columns(
        "INSERT INTO instance (sop_instance_uid, study_uid, series_uid, sop_class_uid, transfer_syntax,
             sha256, bytes, file, revision, sender, received_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (sop_instance_uid) DO UPDATE SET study_uid = $2, series_uid = $3,
             sop_class_uid = $4, transfer_syntax = $5, sha256 = $6, bytes = $7, file = $8,
             revision = $9, sender = $10, received_at = $11, purged_at = NULL",
        new,
    )
    .bind(if new.is_image { revision } else { 0 })
    .bind(&new.sender)
    .bind(now.0)
    .execute(&mut **transaction)
    .await?;
    if new.is_image && !begun {
        let (what, detail) = match revision {
            1 => ("receiving", format!("from {}", new.sender)),
            _ => ("late image", format!("from {}: revision {revision} begins", new.sender)),
        };
        note(transaction, now, Some(&new.study_uid), None, what, &detail).await?;
    }
    Ok(Added::New)
}

/// What has the UID of `new`. A study that is still being received counts as awake.
async fn known(
    transaction: &mut Transaction<'static, Sqlite>,
    new: &NewInstance,
    now: Time,
) -> sqlx::Result<Added> {
    let here: Option<(String, String)> =
        sqlx::query_as("SELECT sha256, transfer_syntax FROM instance WHERE sop_instance_uid = $1")
            .bind(new.sop_instance_uid.as_str())
            .fetch_optional(&mut **transaction)
            .await?;
    sqlx::query("UPDATE study SET last_at = $2 WHERE study_uid = $1 AND state = 'receiving'")
        .bind(new.study_uid.as_str())
        .bind(now.0)
        .execute(&mut **transaction)
        .await?;
    Ok(match here {
        None => Added::Own,
        Some((sha256, syntax)) if sha256 == new.sha256 && syntax == new.transfer_syntax.as_str() => {
            Added::Again
        }
        Some(_) => Added::Other,
    })
}

/// A count of bytes as the database takes it.
fn bytes(count: u64) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
