//! Deliveries on a database and no network.

use sqlx::Row;

use super::*;
use crate::store::Time;

/// Six tries; 10 s before the second, doubling up to 80 s; 60 s for an answer on storage commitment.
pub(in crate::store) const RETRY: Retry =
    Retry { attempts: 6, first_s: 10.0, most_s: 80.0, commitment_s: 60.0 };

/// A database in a folder of its own.
pub(in crate::store) struct Scene {
    pub(in crate::store) store: Store,
    _folder: tempfile::TempDir,
}

impl Scene {
    pub(in crate::store) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::open(folder.path()).await.unwrap(), _folder: folder }
    }

    pub(in crate::store) async fn run(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.store.write).await.unwrap();
    }

    /// A finished job with `count` objects for `destination`, due at once.
    pub(in crate::store) async fn job(&self, lane: i64, count: usize, destination: &str) -> i64 {
        self.run(
            "INSERT OR IGNORE INTO study (study_uid, state, revision, sender, lane, first_at, last_at)
             VALUES ('1.2.3', 'complete', 1, 'ct', 1, 0, 0)",
        )
        .await;
        let job: i64 = sqlx::query_scalar(
            "INSERT INTO job (study_uid, revision, models_key, task, rule, lane, state, not_before,
                 created_at, ended_at)
             SELECT '1.2.3', 1 + COUNT(*), 'm', '{}', 'r', $1, 'done', 0, 0, 0 FROM job RETURNING id",
        )
        .bind(lane)
        .fetch_one(&self.store.write)
        .await
        .unwrap();
        for number in 1..=count {
            sqlx::query(
                "INSERT INTO result (job_id, kind, name, file, sha256, bytes, sop_class_uid,
                     sop_instance_uid, series_uid)
                 VALUES ($1, 'sr', $2, $2, 'hash', 1, '1.2.840.10008.5.1.4.1.1.88.34', $3, '1.2.4')",
            )
            .bind(job)
            .bind(format!("{number}.dcm"))
            .bind(format!("1.9.{job}.{number}"))
            .execute(&self.store.write)
            .await
            .unwrap();
        }
        sqlx::query(
            "INSERT INTO outbox (job_id, result_id, destination, lane, state, not_before)
             SELECT job_id, id, $1, $2, 'pending', 0 FROM result WHERE job_id = $3 ORDER BY id",
        )
        .bind(destination)
        .bind(lane)
        .bind(job)
        .execute(&self.store.write)
        .await
        .unwrap();
        job
    }

    /// State, charged tries and reason of the objects of `job`.
    pub(in crate::store) async fn rows(&self, job: i64) -> Vec<(String, u32, Option<String>)> {
        sqlx::query_as("SELECT state, attempts, reason FROM outbox WHERE job_id = $1 ORDER BY id")
            .bind(job)
            .fetch_all(&self.store.read)
            .await
            .unwrap()
    }

    pub(in crate::store) async fn states(&self, job: i64) -> Vec<String> {
        self.rows(job).await.into_iter().map(|(state, _, _)| state).collect()
    }

    /// What was noted for people.
    pub(in crate::store) async fn events(&self) -> Vec<String> {
        let rows = sqlx::query("SELECT what, detail FROM event ORDER BY id");
        let rows = rows.fetch_all(&self.store.read).await.unwrap();
        rows.iter().map(|row| format!("{}: {}", row.get::<&str, _>(0), row.get::<&str, _>(1))).collect()
    }

    async fn take(&self, seconds: i64) -> Option<Delivery> {
        self.store.take_delivery("pacs", &RETRY, at(seconds)).await.unwrap()
    }

    /// Takes what is due, which must be something, and has it end so.
    async fn round(&self, seconds: i64, outcomes: &[Outcome], wrong: Option<&str>) -> Round {
        let delivery = self.take(seconds).await.expect("something is due");
        let delivered = self.store.delivered(&delivery, outcomes, wrong, &RETRY, false, at(seconds)).await;
        delivered.unwrap()
    }

    async fn next(&self) -> Option<i64> {
        let next = self.store.next_delivery("pacs", false).await.unwrap();
        next.map(|next| next.0 / 1000)
    }
}

pub(in crate::store) fn at(seconds: i64) -> Time {
    Time(seconds * 1000)
}

fn failed() -> Outcome {
    Outcome::Failed("C-STORE status 0110H".to_owned())
}

#[tokio::test]
async fn what_is_sent_is_not_sent_again_and_what_is_not_yet_due_waits() {
    let scene = Scene::new().await;
    let job = scene.job(1, 3, "pacs").await;
    let refused = Outcome::Refused("SOP class not supported".to_owned());
    let round = scene.round(100, &[Outcome::Sent, refused, failed()], None).await;
    assert_eq!(round.fates, [Fate::Sent, Fate::Refused, Fate::Waiting]);
    assert_eq!(round.wrong, None, "it took something, so it works");
    assert_eq!(
        scene.rows(job).await,
        [
            ("sent".to_owned(), 1, None),
            ("refused".to_owned(), 1, Some("SOP class not supported".to_owned())),
            ("pending".to_owned(), 1, Some("C-STORE status 0110H".to_owned())),
        ]
    );
    assert!(scene.take(109).await.is_none());
    assert_eq!(scene.next().await, Some(110));
    let again = scene.take(110).await.unwrap();
    assert_eq!(again.objects.len(), 1);
    assert_eq!(again.objects[0].sop_instance_uid.as_str(), format!("1.9.{job}.3"));
    assert_eq!(
        scene.events().await,
        [
            "sent: 1 of 3 objects to pacs",
            "delivery refused: 1 object to pacs: SOP class not supported",
            "delivery waits: pacs: C-STORE status 0110H",
        ]
    );
}

#[tokio::test]
async fn emergencies_pass_what_waits() {
    let scene = Scene::new().await;
    for _ in 0..3 {
        scene.job(2, 1, "pacs").await;
    }
    let normal = scene.job(1, 1, "pacs").await;
    let emergency = scene.job(0, 1, "pacs").await;
    let mut order = Vec::new();
    for _ in 0..2 {
        let delivery = scene.take(1).await.unwrap();
        scene.store.delivered(&delivery, &[Outcome::Sent], None, &RETRY, false, at(1)).await.unwrap();
        order.push(delivery.job);
    }
    assert_eq!(order, [emergency, normal]);
}

#[tokio::test]
async fn an_object_that_alone_fails_is_dead_after_so_many_tries_and_the_operator_can_have_it_tried_again() {
    let scene = Scene::new().await;
    let job = scene.job(1, 1, "pacs").await;
    let mut now = 0;
    for attempt in 1..=RETRY.attempts {
        // Something else goes through each time: the destination works.
        scene.job(0, 1, "pacs").await;
        scene.round(now, &[Outcome::Sent], None).await;
        let round = scene.round(now, &[failed()], None).await;
        let expected = if attempt == RETRY.attempts { Fate::Dead } else { Fate::Waiting };
        assert_eq!(round.fates, [expected], "try {attempt}");
        now += 1000;
    }
    assert_eq!(scene.states(job).await, ["dead"]);
    assert!(scene.take(now).await.is_none());

    assert_eq!(scene.store.retry_delivery(job, "pacs", at(now)).await.unwrap(), 1);
    assert_eq!(scene.round(now, &[Outcome::Sent], None).await.fates, [Fate::Sent]);
    assert_eq!(scene.store.retry_delivery(job, "pacs", at(now)).await.unwrap(), 0, "it is there");
}

/// 60 hours without an answer: each probe is one job, none is charged, the waits double up to the most, and
/// everything goes out when the destination is back.
#[tokio::test]
async fn a_weekend_without_the_pacs_costs_no_object_a_try() {
    let retry = Retry::default();
    let scene = Scene::new().await;
    let jobs = [scene.job(1, 2, "pacs").await, scene.job(1, 1, "pacs").await];
    let take = async |now| scene.store.take_delivery("pacs", &retry, at(now)).await.unwrap();
    let (mut now, mut waits) = (0, Vec::new());
    while now < 60 * 3600 {
        let delivery = take(now).await.expect("a probe is due");
        let untried = vec![Outcome::Untried; delivery.objects.len()];
        let wrong = Some("connection refused");
        scene.store.delivered(&delivery, &untried, wrong, &retry, false, at(now)).await.unwrap();
        let next = scene.next().await.unwrap();
        assert!(take(next - 1).await.is_none(), "nobody goes before the destination's wait is over");
        waits.push(next - now);
        now = next;
    }
    assert_eq!(waits[..12], [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
    for job in jobs {
        assert!(
            scene.rows(job).await.iter().all(|(state, attempts, _)| state == "pending" && *attempts == 0)
        );
    }
    for job in jobs {
        let delivery = take(now).await.unwrap();
        let sent = vec![Outcome::Sent; delivery.objects.len()];
        scene.store.delivered(&delivery, &sent, None, &retry, false, at(now)).await.unwrap();
        assert!(scene.states(job).await.iter().all(|state| state == "sent"));
    }
    assert!(take(now + 10_000).await.is_none());
}

/// A full disk on the other side: it answers, and takes nothing. The jobs take turns, the first failure is
/// charged, for it might have been the object's, and no other.
#[tokio::test]
async fn a_pacs_that_takes_nothing_is_in_trouble_and_not_the_objects() {
    let scene = Scene::new().await;
    let jobs = [scene.job(1, 1, "pacs").await, scene.job(1, 1, "pacs").await];
    let (mut now, mut turns) = (0, Vec::new());
    for _ in 0..40 {
        let delivery = scene.take(now).await.unwrap();
        turns.push(delivery.job);
        let round = scene.store.delivered(&delivery, &[failed()], None, &RETRY, false, at(now)).await;
        assert!(round.unwrap().wrong.is_some());
        now = scene.next().await.unwrap() + 1;
    }
    assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{turns:?}");
    for job in jobs {
        let (state, attempts, _) = scene.rows(job).await.remove(0);
        assert!(state == "pending" && attempts <= 1, "{state} {attempts}");
    }
}

#[tokio::test]
async fn an_object_that_the_program_dies_of_is_given_up() {
    let scene = Scene::new().await;
    let job = scene.job(1, 1, "pacs").await;
    for attempt in 1..=RETRY.attempts {
        assert!(scene.take(0).await.is_some(), "try {attempt}: taken, and then no word of it");
    }
    assert!(scene.take(0).await.is_none());
    assert_eq!(scene.states(job).await, ["dead"]);
    assert_eq!(scene.events().await, ["delivery dead: 1 object to pacs"]);
}

#[tokio::test]
async fn a_stop_before_the_first_object_says_nothing_about_the_destination() {
    let scene = Scene::new().await;
    scene.job(1, 1, "pacs").await;
    scene.round(0, &[Outcome::Untried], Some("connection refused")).await;
    scene.store.forgive_destinations().await.unwrap();
    scene.round(1, &[Outcome::Untried], None).await;
    let failures: u32 = sqlx::query_scalar("SELECT failures FROM destination WHERE name = 'pacs'")
        .fetch_one(&scene.store.read)
        .await
        .unwrap();
    assert_eq!(failures, 1);
}

#[tokio::test]
async fn a_result_that_is_gone_is_dead_at_once_and_says_nothing_about_the_destination() {
    let scene = Scene::new().await;
    let job = scene.job(1, 2, "pacs").await;
    let gone = Outcome::Lost("the stored result is gone".to_owned());
    let round = scene.round(0, &[gone, Outcome::Untried], Some("connection refused")).await;
    assert_eq!(round.fates, [Fate::Dead, Fate::Waiting]);
    assert_eq!(scene.states(job).await, ["dead", "pending"]);
}
