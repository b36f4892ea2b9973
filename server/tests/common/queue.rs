//! A node whose studies are analysed by the rehearsal worker, a PACS that keeps count, and a look into the
//! database.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dicom_io::Spacing;
use dicom_io::net::command::{Command, Operation, Status};
use dicom_io::phantom::Phantom;
use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

use crate::common::dimse::{Link, Study, verification};
use crate::common::{Scene, node};

/// Study number `seed`: a few small slices.
pub(crate) fn study(seed: u64) -> Study {
    let folder = tempfile::tempdir().unwrap();
    let spacing = Spacing { i: 12.0, j: 12.0, k: 50.0 };
    Phantom { seed, size: [28, 24, 6], spacing, ..Phantom::default() }.write(folder.path()).unwrap();
    Study::read(folder.path())
}

/// A configuration that runs the rehearsal worker on everything that CT (bulk) and ER (emergency) send.
/// `analysis` are settings of that table, `more` follows. The file of mishaps is `mishaps` in the scene.
pub(crate) fn config(scene: &Scene, stable_s: u32, send_to: &str, analysis: &str, more: &str) -> PathBuf {
    let worker = rehearsal_worker();
    let mishaps = scene.path("mishaps");
    let text = format!(
        r#"
        [dicom]
        listen = "127.0.0.1:0"
        [http]
        listen = "127.0.0.1:0"
        [studies]
        stable_s = {stable_s}
        minimum_free_mb = 64
        [analysis]
        wrapper = [{worker:?}, {mishaps:?}]
        {analysis}
        [delivery]
        attempts = 100000
        first_s = 0.1
        most_s = 1
        [[peer]]
        name = "ct"
        ae_title = "CT"
        addresses = ["127.0.0.1"]
        may_store = true
        lane = "bulk"
        [[peer]]
        name = "er"
        ae_title = "ER"
        addresses = ["127.0.0.1"]
        may_store = true
        lane = "emergency"
        {more}
        [[rule]]
        name = "everything"
        models = ["lung-nodule"]
        send_to = [{send_to}]
        "#
    );
    node::config(scene, &text)
}

/// The example of that name, which `cargo test` builds beside the program.
#[track_caller]
fn rehearsal_worker() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_foci"));
    let worker = program.with_file_name("examples").join("rehearsal_worker");
    assert!(worker.exists(), "run `cargo build -p server --example rehearsal_worker` first");
    worker
}

/// What goes wrong with which study, see `examples/rehearsal_worker.rs`.
pub(crate) fn mishaps<'a>(scene: &Scene, list: impl IntoIterator<Item = (&'a Study, &'a str)>) {
    let lines = list.into_iter().map(|(study, mishap)| format!("{} {mishap}\n", study.uid));
    std::fs::write(scene.path("mishaps"), lines.collect::<String>()).unwrap();
}

/// The database of the node of a scene.
pub(crate) struct Database {
    runtime: tokio::runtime::Runtime,
    pool: SqlitePool,
}

/// A job as its row has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) study: String,
    pub(crate) state: String,
    pub(crate) attempts: i64,
    pub(crate) reason: String,
}

impl Database {
    pub(crate) fn open(scene: &Scene) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(scene.path("data").join("foci.db"))
            .busy_timeout(Duration::from_secs(30));
        let pool =
            runtime.block_on(SqlitePoolOptions::new().max_connections(1).connect_with(options)).unwrap();
        Self { runtime, pool }
    }

    /// All jobs, in the order in which they were queued.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        let rows = sqlx::query("SELECT study_uid, state, attempts, reason FROM job ORDER BY id");
        let rows = self.runtime.block_on(rows.fetch_all(&self.pool)).unwrap();
        let job = |row: &sqlx::sqlite::SqliteRow| Job {
            study: row.get("study_uid"),
            state: row.get("state"),
            attempts: row.get("attempts"),
            reason: row.get::<Option<String>, _>("reason").unwrap_or_default(),
        };
        rows.iter().map(job).collect()
    }

    /// The only job of `study`, if it has one.
    pub(crate) fn job(&self, study: &Study) -> Option<Job> {
        let mut jobs: Vec<_> =
            self.jobs().into_iter().filter(|job| job.study == study.uid.as_str()).collect();
        assert!(jobs.len() < 2, "{jobs:?}");
        jobs.pop()
    }

    /// The number that `sql` asks for.
    pub(crate) fn number(&self, sql: &'static str) -> i64 {
        self.runtime.block_on(sqlx::query_scalar(sql).fetch_one(&self.pool)).unwrap()
    }

    /// The texts that `sql` asks for.
    pub(crate) fn texts(&self, sql: &'static str) -> Vec<String> {
        self.runtime.block_on(sqlx::query_scalar(sql).fetch_all(&self.pool)).unwrap()
    }

    /// Changes something: how many rows.
    pub(crate) fn change(&self, sql: &'static str) -> u64 {
        self.runtime.block_on(sqlx::query(sql).execute(&self.pool)).unwrap().rows_affected()
    }
}

/// Every object of this number is kept by the PACS, which then hangs up: the sender cannot know.
const SILENT: usize = 5;

/// A PACS that takes everything, can be stopped and started, and remembers every object it was given.
pub(crate) struct Pacs {
    pub(crate) port: u16,
    kept: Arc<Mutex<BTreeMap<String, Vec<String>>>>,
    open: Option<Open>,
}

struct Open {
    closing: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Pacs {
    pub(crate) fn start() -> Self {
        // One that is still its own after it was closed for a while.
        let port = node::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let mut pacs = Self { port, kept: Arc::default(), open: None };
        pacs.serve(listener);
        pacs
    }

    /// Takes no more calls, and hangs up on the next object of each.
    pub(crate) fn stop(&mut self) {
        if let Some(open) = self.open.take() {
            open.closing.store(true, Ordering::SeqCst);
            // Wakes it.
            if let Ok(link) = Link::associate(self.port, "STOP", "PACS", &[verification()]) {
                link.release();
            }
            open.thread.join().unwrap();
        }
    }

    pub(crate) fn start_again(&mut self) {
        let bind = || TcpListener::bind(("127.0.0.1", self.port)).ok();
        self.serve(node::wait_for("its port again", bind));
    }

    /// For each SOP Instance UID the hashes of the data sets that came under it.
    pub(crate) fn kept(&self) -> BTreeMap<String, BTreeSet<String>> {
        let kept = self.kept.lock().unwrap();
        kept.iter().map(|(uid, hashes)| (uid.clone(), hashes.iter().cloned().collect())).collect()
    }

    /// How many objects came, those that came again included.
    pub(crate) fn came(&self) -> usize {
        self.kept.lock().unwrap().values().map(Vec::len).sum()
    }

    fn serve(&mut self, listener: TcpListener) {
        let closing = Arc::new(AtomicBool::new(false));
        let (kept, closed) = (self.kept.clone(), closing.clone());
        let thread = std::thread::spawn(move || {
            while !closed.load(Ordering::SeqCst) {
                // A node that was killed in the middle of asking.
                let link = std::panic::catch_unwind(|| Link::accept(&listener));
                let Ok(mut link) = link else { continue };
                let (kept, closed) = (kept.clone(), closed.clone());
                std::thread::spawn(move || {
                    while let Some((context, command, data)) = link.receive() {
                        let Command::Call(call) = command else { return };
                        if let (Operation::Store { instance }, Some(data)) = (&call.operation, data) {
                            let mut kept = kept.lock().unwrap();
                            kept.entry(instance.to_string()).or_default().push(models::sha256(&data));
                            let came: usize = kept.values().map(Vec::len).sum();
                            if came.is_multiple_of(SILENT) || closed.load(Ordering::SeqCst) {
                                return;
                            }
                        }
                        link.send(context.id, &call.reply(Status::SUCCESS).into(), None);
                    }
                });
            }
        });
        self.open = Some(Open { closing, thread });
    }
}
