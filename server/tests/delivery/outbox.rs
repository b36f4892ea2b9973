//! What a finished job leaves: files in `results`, rows in the database.

use std::fs;
use std::path::{Path, PathBuf};

use dicom_io::identity::file_head;
use dicom_io::object::ResultObject;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, Row, SqliteConnection};

use crate::common::Scene;

/// What the database says of one object on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    /// `sr`, `seg` or `sc`.
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) attempts: u32,
    pub(crate) asked: u32,
    pub(crate) reason: Option<String>,
}

/// The database and results of a node that has not run yet.
pub(crate) struct Outbox {
    runtime: tokio::runtime::Runtime,
    data: PathBuf,
}

impl Outbox {
    /// In the folder `data` of the scene, where `common::node::config` has it.
    pub(crate) fn new(scene: &Scene) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outbox = Self { runtime, data: scene.folder("data") };
        outbox.run(async |connection| {
            sqlx::raw_sql(include_str!("../../src/store/schema.sql"))
                .execute(&mut *connection)
                .await
                .unwrap();
            sqlx::raw_sql("PRAGMA user_version = 1").execute(connection).await.unwrap();
        });
        outbox
    }

    /// Adds a finished job of the study of `objects` with these for `destination`. The files written.
    pub(crate) fn add(&self, objects: &[ResultObject], destination: &str) -> Vec<PathBuf> {
        let names = ["sr", "seg", "sc"];
        let study = study_uid(&objects[0]);
        let job: i64 = self.run(async |connection| {
            let study = study.as_str();
            sqlx::query(
                "INSERT OR IGNORE INTO study (study_uid, state, revision, planned, sender, lane, first_at, last_at)
                 VALUES ($1, 'complete', 1, 1, 'ct', 1, 0, 0)",
            )
            .bind(study)
            .execute(&mut *connection)
            .await
            .unwrap();
            sqlx::query_scalar(
                "INSERT INTO job (study_uid, revision, models_key, task, rule, lane, state, not_before, token,
                     created_at, ended_at)
                 SELECT $1, 1 + COUNT(*), 'm', '{}', 'r', 1, 'done', 0, 1, 0, 0 FROM job RETURNING id",
            )
            .bind(study)
            .fetch_one(connection)
            .await
            .unwrap()
        });
        let mut files = Vec::new();
        for (object, name) in objects.iter().zip(names) {
            let file = format!("{job}-1/{name}.dcm");
            let path = self.data.join("results").join(&file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            object.write(&path).unwrap();
            let bytes = fs::read(&path).unwrap();
            self.run(async |connection| {
                let result: i64 = sqlx::query_scalar(
                    "INSERT INTO result (job_id, kind, name, file, sha256, bytes, sop_class_uid,
                         sop_instance_uid, series_uid)
                     VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
                )
                .bind(job)
                .bind(name)
                .bind(&file)
                .bind(models::sha256(&bytes))
                .bind(bytes.len() as i64)
                .bind(object.sop_class_uid().as_str())
                .bind(object.sop_instance_uid().as_str())
                .bind(object.series_uid().as_str())
                .fetch_one(&mut *connection)
                .await
                .unwrap();
                sqlx::query(
                    "INSERT INTO outbox (job_id, result_id, destination, state, not_before)
                     VALUES ($1, $2, $3, 'pending', 0)",
                )
                .bind(job)
                .bind(result)
                .bind(destination)
                .execute(connection)
                .await
                .unwrap();
            });
            files.push(path);
        }
        files
    }

    /// Says that all of it was sent, and is to be committed.
    pub(crate) fn pretend_sent(&self) {
        self.run(async |connection| {
            let sql = "UPDATE outbox SET state = 'sent', attempts = 1, sent_at = 1, commit_at = 0";
            sqlx::raw_sql(sql).execute(connection).await.unwrap();
        });
    }

    /// What the database says of every object, in the order in which they were added.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.run(async |connection| {
            let rows = sqlx::query(
                "SELECT result.name, state, attempts, asked, reason
                 FROM outbox JOIN result ON result.id = outbox.result_id ORDER BY outbox.id",
            )
            .fetch_all(connection)
            .await
            .unwrap();
            let row = |row: &sqlx::sqlite::SqliteRow| Sent {
                name: row.get(0),
                state: row.get(1),
                attempts: row.get(2),
                asked: row.get(3),
                reason: row.get(4),
            };
            rows.iter().map(row).collect()
        })
    }

    /// How often the destination has failed in a row.
    pub(crate) fn failures(&self, destination: &str) -> u32 {
        self.run(async |connection| {
            let found = sqlx::query_scalar("SELECT failures FROM destination WHERE name = $1")
                .bind(destination)
                .fetch_optional(connection)
                .await
                .unwrap();
            found.unwrap_or(0)
        })
    }

    fn run<T>(&self, work: impl AsyncFnOnce(&mut SqliteConnection) -> T) -> T {
        let options = SqliteConnectOptions::new()
            .filename(self.data.join("foci.db"))
            .create_if_missing(true)
            .busy_timeout(std::time::Duration::from_secs(10));
        self.runtime.block_on(async {
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            let value = work(&mut connection).await;
            connection.close().await.unwrap();
            value
        })
    }
}

/// Of each object: its name and state.
pub(crate) fn states(sent: &[Sent]) -> Vec<(&str, &str)> {
    sent.iter().map(|sent| (sent.name.as_str(), sent.state.as_str())).collect()
}

/// The data set of a DICOM file; empty where its writer was killed before it came so far.
pub(crate) fn data_set(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let head = file_head(&bytes).unwrap();
    head.map_or_else(Vec::new, |head| bytes[head.data_set..].to_vec())
}

/// Its Study Instance UID.
fn study_uid(object: &ResultObject) -> String {
    let found = object.object().element((0x0020, 0x000D).into()).unwrap();
    found.to_str().unwrap().trim_end_matches(['\0', ' ']).to_owned()
}

/// How many objects the node of the scene has of each sender.
pub(crate) fn senders(scene: &Scene) -> Vec<(String, i64)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outbox = Outbox { runtime, data: scene.path("data") };
    outbox.run(async |connection| {
        sqlx::query_as("SELECT sender, COUNT(*) FROM instance GROUP BY sender ORDER BY sender")
            .fetch_all(connection)
            .await
            .unwrap()
    })
}
