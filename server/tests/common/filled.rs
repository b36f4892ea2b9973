//! A node that has been at work for a while: rows as the parts of the node write them, without the hours.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::Scene;
use super::node::{Node, config};

/// So that a running node leaves what we write alone: no study gets complete, no job and no delivery falls due.
pub(crate) const QUIET: &str = "\
[http]
listen = \"127.0.0.1:0\"
[dicom]
listen = \"127.0.0.1:0\"
[studies]
stable_s = 1000000
minimum_free_mb = 1
[analysis]
# Workers that never get ready.
wrapper = [\"sh\", \"-c\", \"cat > /dev/null; true\"]
[[peer]]
name = \"ct1\"
ae_title = \"CT1\"
addresses = [\"127.0.0.1\"]
[[peer]]
name = \"er\"
ae_title = \"ER\"
addresses = [\"127.0.0.1\"]
lane = \"emergency\"
[[peer]]
name = \"pacs\"
ae_title = \"PACS\"
host = \"127.0.0.1\"
port = 11999
[[rule]]
name = \"chest\"
models = [\"lung-nodule\"]
send_to = [\"pacs\"]
";

/// The numbers of the jobs of the studies that a test is likely to want, by their state.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) done: i64,
    pub(crate) failed: i64,
    pub(crate) queued: i64,
}

/// A node with nothing in it yet.
#[track_caller]
pub(crate) fn empty(scene: &Scene) -> Node {
    Node::start(scene, &config(scene, QUIET))
}

/// The Study Instance UID of the study number `n`.
pub(crate) fn study_uid(n: usize) -> String {
    format!("1.2.840.113619.2.55.3.604688119.971.{}.{}", 1_448_000_000 + n * 7919, 100 + n)
}

/// What is wrong with every failed study.
pub(crate) const REASON: &str =
    "series 1.2.840.113619.2.55.3.604688119.971.1448.3: a gap of 12.5 mm where slices lie 2.5 mm apart";

/// Fills the node's database with `count` studies in every state, the newest first in this order: done,
/// failed, running (by nobody, so that nobody's lease is taken back), queued, receiving, dead, no rule,
/// cancelled, done with trouble at its destination, and again. The first has result files.
#[track_caller]
pub(crate) fn fill(scene: &Scene, count: usize) -> Filled {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let data = scene.path("data");
    runtime.block_on(async {
        let database = SqliteConnectOptions::new().filename(data.join("foci.db"));
        let pool = SqlitePool::connect_with(database.busy_timeout(std::time::Duration::from_secs(20)))
            .await
            .unwrap();
        let filled = rows(&pool, &data, count).await;
        pool.close().await;
        filled
    })
}

/// Makes `times` as many of the studies and jobs that are there; the copies have no results.
pub(crate) fn multiply(scene: &Scene, times: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = SqliteConnectOptions::new().filename(scene.path("data/foci.db"));
    let copy = format!(
        "CREATE TEMPORARY TABLE copy (n INTEGER);
         WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {times} - 1) INSERT INTO copy SELECT n FROM c;
         INSERT INTO study (study_uid, state, revision, planned, note, sender, lane, first_at, last_at, complete_at)
         SELECT study_uid || '.' || n, state, revision, planned, note, sender, lane, first_at - n, last_at - n, complete_at - n
         FROM study, copy;
         INSERT INTO job (study_uid, revision, models_key, task, rule, lane, state, attempts, not_before, lease_until, reason,
             summary, created_at, started_at, ended_at)
         SELECT study_uid || '.' || n, revision, models_key, task, rule, lane, state, attempts, not_before, lease_until, reason,
             summary, created_at, started_at, ended_at FROM job, copy;"
    );
    runtime.block_on(async {
        let pool = SqlitePool::connect_with(database.busy_timeout(std::time::Duration::from_secs(60)))
            .await
            .unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(copy)).execute(&pool).await.unwrap();
        pool.close().await;
    });
}

async fn rows(pool: &SqlitePool, data: &Path, count: usize) -> Filled {
    let now: i64 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap();
    let mut filled = Filled { done: 0, failed: 0, queued: 0 };
    let mut transaction = pool.begin().await.unwrap();
    for n in 0..count {
        let uid = study_uid(n);
        let last = now - (n as i64) * 431_000 - 21_000;
        let kind = n % 9;
        let emergency = n % 7 == 3;
        let (lane, sender) = if emergency { (0, "er") } else { (1 + i64::from(n % 5 == 4), "ct1") };
        let receiving = kind == 4;
        let revision = if n % 11 == 8 { 2 } else { 1 };
        sqlx::query(
            "INSERT INTO study (study_uid, state, revision, planned, note, sender, lane, expected, first_at, last_at, complete_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(&uid)
        .bind(if receiving { "receiving" } else { "complete" })
        .bind(revision)
        .bind(if receiving { 0 } else { revision })
        .bind((kind == 6).then_some("no rule applies: Modality is MR"))
        .bind(sender)
        .bind(lane)
        .bind(receiving.then_some(300))
        .bind(last - 64_000)
        .bind(last)
        .bind((!receiving).then_some(last + 30_000))
        .execute(&mut *transaction)
        .await
        .unwrap();
        for image in 0..if n < 20 { 12 + n * 3 } else { 2 } {
            sqlx::query(
                "INSERT INTO instance (sop_instance_uid, study_uid, series_uid, sop_class_uid, transfer_syntax, sha256, bytes, file,
                     revision, sender, received_at)
                 VALUES ($1, $2, $3, '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', $4, 526336, $5, 1, $6, $7)",
            )
            .bind(format!("{uid}.{}.{image}", 1 + image % 2))
            .bind(&uid)
            .bind(format!("{uid}.{}", 1 + image % 2))
            .bind(format!("{:064x}", n * 1000 + image))
            .bind(format!("{n}/{image}.dcm"))
            .bind(sender)
            .bind(last - 64_000 + image as i64 * 200)
            .execute(&mut *transaction)
            .await
            .unwrap();
        }
        event(&mut transaction, last - 64_000, &uid, None, "received", "the first image, from ct1").await;
        if receiving || kind == 6 {
            continue;
        }
        event(&mut transaction, last + 30_000, &uid, None, "complete", "nothing new for 30 s").await;
        let (state, attempts, reason, summary) = match kind {
            0 | 8 => ("done", 1, None, Some(summary(n))),
            1 => ("failed", 1, Some(REASON), None),
            2 => ("leased", 1, None, None),
            3 if n % 2 == 1 => ("queued", 1, Some("the worker ended: killed by signal 9"), None),
            3 => ("queued", 0, None, None),
            5 => {
                ("dead", 3, Some("the analysis took longer than 1800 s (analysis.deadline_s), 3 times"), None)
            }
            _ => ("cancelled", 0, None, None),
        };
        let started = (attempts > 0).then_some(last + 31_000);
        let ended = matches!(state, "done" | "failed" | "dead" | "cancelled").then_some(last + 127_000);
        let job: i64 = sqlx::query_scalar(
            "INSERT INTO job (study_uid, revision, models_key, task, rule, lane, state, attempts, not_before, token, owner,
                 lease_until, reason, summary, created_at, started_at, ended_at)
             VALUES ($1, $2, 'liver-lesion 0.3, lung-nodule 0.1', $3, 'chest', $4, $5, $6, $7, $6, NULL, $8, $9, $10, $11, $12, $13)
             RETURNING id",
        )
        .bind(&uid)
        .bind(revision)
        .bind(r#"{"models":["lung-nodule"],"language":"en","series":[],"send_to":["pacs"]}"#)
        .bind(lane)
        .bind(state)
        .bind(attempts)
        .bind(if state == "queued" { now + 3_600_000 } else { last })
        .bind((state == "leased").then_some(now + 36_000_000))
        .bind(reason)
        .bind(summary)
        .bind(last + 30_500)
        .bind(started)
        .bind(ended)
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
        event(&mut transaction, last + 30_500, &uid, Some(job), "planned", "rule chest").await;
        if let Some(ended) = ended {
            event(&mut transaction, ended, &uid, Some(job), state, reason.unwrap_or_default()).await;
        }
        let place = match state {
            "done" => Some(&mut filled.done),
            "failed" => Some(&mut filled.failed),
            "queued" => Some(&mut filled.queued),
            _ => None,
        };
        if let Some(place) = place.filter(|place| **place == 0) {
            *place = job;
        }
        if state == "done" {
            let has_files = filled.done == job;
            results(&mut transaction, job, &uid, kind == 8, has_files, now).await;
        }
    }
    if count > 0 {
        sqlx::query(
            "INSERT INTO quarantine (sop_instance_uid, study_uid, sha256, bytes, file, reason, sender, received_at)
             VALUES ($1, $2, $3, 526336, 'aside/1.dcm', 'another object with this UID came before, with other bytes', 'ct1', $4)",
        )
        .bind(format!("{}.1.4", study_uid(0)))
        .bind(study_uid(0))
        .bind(format!("{:064x}", 77))
        .bind(now - 60_000)
        .execute(&mut *transaction)
        .await
        .unwrap();
    }
    transaction.commit().await.unwrap();
    if filled.done > 0 {
        // After the rows: a folder that no job is known to have made is cleared away.
        let folder = data.join(format!("results/{}-1", filled.done));
        std::fs::create_dir_all(&folder).unwrap();
        for (_, name, bytes) in files() {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
    }
    filled
}

fn summary(n: usize) -> String {
    let findings = match n % 4 {
        0 => r#"{"lung_nodule":2}"#,
        1 => r#"{}"#,
        2 => r#"{"lung_nodule":1,"liver_lesion":3}"#,
        _ => r#"{"liver_lesion":1}"#,
    };
    let largest = if n % 4 == 1 { "null".to_owned() } else { format!("{}.4", 6 + n % 20) };
    let critical = usize::from(n.is_multiple_of(4));
    format!(
        r#"{{"series_uid":"1.2.3","findings":{findings},"largest_mm":{largest},"critical":{critical},"warnings":["the first 2 of 214 slices are farther apart than the others and were left out"],"seconds":95.8}}"#
    )
}

type Open<'a> = sqlx::Transaction<'a, sqlx::Sqlite>;

async fn event(transaction: &mut Open<'_>, at: i64, study: &str, job: Option<i64>, what: &str, detail: &str) {
    sqlx::query("INSERT INTO event (at, study_uid, job_id, what, detail) VALUES ($1, $2, $3, $4, $5)")
        .bind(at)
        .bind(study)
        .bind(job)
        .bind(what)
        .bind(detail)
        .execute(&mut **transaction)
        .await
        .unwrap();
}

/// What a job makes: kind, name, content.
fn files() -> [(&'static str, &'static str, Vec<u8>); 8] {
    let page = "<!doctype html><meta charset=utf-8><style>h1 { color: #b3261e }</style><h1>What Foci found</h1>\
                <img src=\"key-1.png\" alt=\"key 1\"><script>document.title = 'ran'</script>";
    [
        ("sr", "sr.dcm", b"not really a report".to_vec()),
        ("seg", "seg.dcm", b"not really a segmentation".to_vec()),
        ("key_image", "key-1.dcm", b"not really an image".to_vec()),
        ("picture", "key-1.png", picture(90, 70)),
        ("picture", "key-2.png", picture(150, 120)),
        ("findings", "findings.json", b"{\"findings\":[]}\n".to_vec()),
        ("report", "report.txt", "Findings: two lung nodules. \u{53cc}\u{80ba}\u{7ed3}\u{8282}\n".into()),
        ("page", "index.html", page.into()),
    ]
}

/// What a job has made, on its way to the PACS.
async fn results(
    transaction: &mut Open<'_>,
    job: i64,
    study: &str,
    troubled: bool,
    has_files: bool,
    now: i64,
) {
    for (kind, name, bytes) in files() {
        let uid = name.ends_with(".dcm").then(|| format!("{study}.9.{}", name.len()));
        let class = match kind {
            "sr" => Some("1.2.840.10008.5.1.4.1.1.88.34"),
            "seg" => Some("1.2.840.10008.5.1.4.1.1.66.4"),
            "key_image" => Some("1.2.840.10008.5.1.4.1.1.7"),
            _ => None,
        };
        let result: i64 = sqlx::query_scalar(
            "INSERT INTO result (job_id, kind, name, file, sha256, bytes, sop_class_uid, sop_instance_uid, series_uid)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
        )
        .bind(job)
        .bind(kind)
        .bind(name)
        .bind(format!("{job}-1/{name}"))
        .bind(format!("{job:032x}{:032x}", name.len()))
        .bind(bytes.len() as i64)
        .bind(class)
        .bind(&uid)
        .bind(class.map(|_| format!("{study}.9")))
        .fetch_one(&mut **transaction)
        .await
        .unwrap();
        if uid.is_none() {
            continue;
        }
        let (state, reason) = match (troubled, kind) {
            (false, _) => ("committed", None),
            (true, "seg") => ("refused", Some("the peer takes no Segmentation Storage (0122H)")),
            (true, "sr") => ("sent", None),
            (true, _) => ("pending", Some("no answer from 127.0.0.1:11999: connection refused")),
        };
        sqlx::query(
            "INSERT INTO outbox (job_id, result_id, destination, state, attempts, not_before, reason, sent_at)
             VALUES ($1, $2, 'pacs', $3, 2, $4, $5, $6)",
        )
        .bind(job)
        .bind(result)
        .bind(state)
        .bind(now + 3_600_000)
        .bind(reason)
        .bind(matches!(state, "sent" | "committed").then_some(now - 90_000))
        .execute(&mut **transaction)
        .await
        .unwrap();
    }
    if has_files {
        sqlx::query(
            "INSERT INTO alert (job_id, finding, body, state, attempts, not_before, sent_at)
             VALUES ($1, 1, '{}', 'sent', 1, $2, $2)",
        )
        .bind(job)
        .bind(now - 80_000)
        .execute(&mut **transaction)
        .await
        .unwrap();
    }
}

/// A grey disc with a bright spot, as PNG.
fn picture(column: u32, row: u32) -> Vec<u8> {
    let near = |i: u32, j: u32, at: (u32, u32), radius: u32| {
        i.abs_diff(at.0).pow(2) + j.abs_diff(at.1).pow(2) < radius.pow(2)
    };
    let image = image::GrayImage::from_fn(256, 256, |i, j| {
        image::Luma([match (near(i, j, (128, 128), 110), near(i, j, (column, row), 9)) {
            (_, true) => 240,
            (true, _) => 40 + ((i * 7 + j * 13) % 23) as u8,
            _ => 0,
        }])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}
