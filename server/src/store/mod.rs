//! What a node must not forget: one SQLite database, all SQL of the program, behind one type.
//!
//! One connection writes, several read, so that a page never waits for a study and no write meets another.
//! A write is on the disk when its call returns (write-ahead log, `synchronous=FULL`). Each file here holds
//! the statements of one noun. The SQL is kept to what PostgreSQL understands too.

pub(crate) mod alerts;
pub(crate) mod commitments;
pub(crate) mod instances;
pub(crate) mod jobs;
pub(crate) mod outbox;
pub(crate) mod plans;
pub(crate) mod results;
pub(crate) mod studies;
pub(crate) mod views;

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use dicom_io::Uid;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, Transaction};

/// How long a statement waits for another program that holds the database.
const BUSY: Duration = Duration::from_secs(30);

/// Pages may wait for each other, not for these.
const READERS: u32 = 4;

/// The write-ahead log is emptied when it has grown to about so much (1,000 pages).
const LOG_BYTES: u64 = 4 << 20;

/// Milliseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) i64);

/// The database of a node.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// One connection: writes follow each other.
    write: SqlitePool,
    read: SqlitePool,
}

/// Its name in the data folder.
const FILE: &str = "foci.db";

/// The file of its write-ahead log.
const FILE_OF_LOG: &str = "foci.db-wal";

impl Store {
    /// The version of the tables in `schema.sql`.
    pub(crate) const VERSION: i64 = 1;

    /// Whether `folder` has a database.
    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join(FILE).is_file()
    }

    /// Opens the database `foci.db` in `folder`, or makes it.
    ///
    /// # Errors
    ///
    /// If a newer version of Foci made it, if it is damaged, or if it cannot be opened or written.
    pub(crate) async fn open(folder: &Path) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .filename(folder.join(FILE))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .idle_timeout(None)
                .max_lifetime(None)
                // A connection to a file needs no question whether it is alive.
                .test_before_acquire(false)
                // When the disk is full SQLite rolls back by itself and sqlx does not notice: such a
                // connection would begin no transaction any more.
                .before_acquire(|connection, _| {
                    let usable = !connection.is_in_transaction();
                    Box::pin(async move { Ok(usable) })
                })
        };
        let write = pool(1).connect_with(options.clone()).await.context("the database cannot be opened")?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&write).await?;
        match version {
            Self::VERSION => {}
            0 => {
                let mut transaction = write.begin_with("BEGIN IMMEDIATE").await?;
                sqlx::raw_sql(include_str!("schema.sql")).execute(&mut *transaction).await?;
                sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", Self::VERSION)))
                    .execute(&mut *transaction)
                    .await?;
                transaction.commit().await?;
            }
            newer if newer > Self::VERSION => bail!(
                "the database was made by a newer version of foci (its tables are version {newer}, this \
                 program knows {}): run that version, or restore a backup",
                Self::VERSION
            ),
            odd => bail!("the database has tables of version {odd}, which no foci made"),
        }
        let log = folder.join(FILE_OF_LOG);
        if std::fs::metadata(&log).map_or(0, |log| log.len()) < LOG_BYTES
            && let Err(error) = grow_log(&write).await
        {
            tracing::warn!("the database's log cannot be given its size, so commits are slower: {error}");
        }
        let read = pool(READERS).connect_with(options).await.context("the database cannot be opened")?;
        Ok(Self { write, read })
    }

    /// Starts a transaction that holds the database from the start, so that it cannot fail half-way for
    /// want of the lock.
    async fn begin(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        self.write.begin_with("BEGIN IMMEDIATE").await
    }

    /// Waits for what is under way and closes the database.
    pub(crate) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

impl Time {
    /// Now, by the clock of this machine.
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(since.as_millis().try_into().unwrap_or(i64::MAX))
    }

    /// How long it is since `earlier`; nothing if that is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }
}

impl std::ops::Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, wait: Duration) -> Self {
        Self(self.0.saturating_sub(wait.as_millis().try_into().unwrap_or(i64::MAX)))
    }
}

impl std::ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait.as_millis().try_into().unwrap_or(i64::MAX)))
    }
}

/// Makes the file of the write-ahead log as large as it ever gets: a commit that lets it grow waits for the
/// file's new size as well as for its own bytes, which takes several times as long.
async fn grow_log(write: &SqlitePool) -> sqlx::Result<()> {
    // What does not fit into memory (2 MB) goes to the log before the transaction ends, and no further.
    let mut never = write.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql("CREATE TABLE filler (bytes BLOB); INSERT INTO filler VALUES (zeroblob(8 << 20))")
        .execute(&mut *never)
        .await?;
    never.rollback().await
}

/// A UID as it stands in the database, where nothing but UIDs was written.
fn uid(text: &str) -> Uid {
    Uid::parse(text).expect("only UIDs are written where UIDs stand")
}

/// Notes what happened, within the transaction in which it happens.
async fn note(
    transaction: &mut Transaction<'_, Sqlite>,
    at: Time,
    study: Option<&Uid>,
    job: Option<i64>,
    what: &str,
    detail: &str,
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO event (at, study_uid, job_id, what, detail) VALUES ($1, $2, $3, $4, $5)")
        .bind(at.0)
        .bind(study.map(Uid::as_str))
        .bind(job)
        .bind(what)
        .bind(detail)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

#[cfg(test)]
impl Store {
    /// The connection that writes, for tests that need what no part of the program does.
    pub(crate) fn raw(&self) -> &SqlitePool {
        &self.write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_log_has_its_size_before_the_first_commit_and_the_filler_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        assert!(std::fs::metadata(folder.path().join(FILE_OF_LOG)).unwrap().len() >= LOG_BYTES);
        assert!(sqlx::query("SELECT * FROM filler").execute(&store.read).await.is_err());
    }
}
