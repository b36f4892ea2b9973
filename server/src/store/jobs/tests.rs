use super::*;

const LEASE: Duration = Duration::from_secs(30);
const PATIENCE: Patience = Patience { attempts: 3, first_wait: Duration::from_secs(10) };

/// A store in a folder of its own, and a time that tests move on by hand.
struct Scene {
    store: Store,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: Store::open(folder.path()).await.unwrap(), _folder: folder }
    }

    /// A complete study with a job in the queue: the job.
    async fn job(&self, study: &str, lane: Lane, now: Time) -> i64 {
        self.study(study, now).await;
        let job = new_job(study, 1, lane);
        self.store.plan(&job.study, 1, Some(&job), "rule everything", now).await.unwrap().unwrap()
    }

    async fn study(&self, study: &str, now: Time) {
        sqlx::query(
            "INSERT INTO study (study_uid, state, revision, sender, lane, first_at, last_at) \
             VALUES ($1, 'complete', 1, 'ct', 1, $2, $2)",
        )
        .bind(study)
        .bind(now.0)
        .execute(&self.store.write)
        .await
        .unwrap();
    }

    async fn claim(&self, now: Time) -> Option<Lease> {
        self.store.claim("me", Lane::Bulk, LEASE, now).await.unwrap()
    }

    async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&self.store.read).await.unwrap()
    }

    async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.store.read).await.unwrap()
    }

    /// What happened to jobs, in order.
    async fn events(&self) -> String {
        let events: Vec<String> = sqlx::query_scalar("SELECT what FROM event ORDER BY id")
            .fetch_all(&self.store.read)
            .await
            .unwrap();
        events.join(" ")
    }
}

fn new_job(study: &str, revision: u32, lane: Lane) -> NewJob {
    NewJob {
        study: Uid::parse(study).unwrap(),
        revision,
        models_key: "lung-nodule 1".to_owned(),
        task: Task {
            models: vec!["lung-nodule".to_owned()],
            language: Language::English,
            guideline: None,
            series: vec!["1.2.9".to_owned()],
            // One of them twice: it is sent there once.
            send_to: ["pacs", "archive", "pacs"].map(str::to_owned).to_vec(),
        },
        rule: "everything".to_owned(),
        lane,
    }
}

/// An SR and a text.
fn results(lease: &Lease) -> Vec<NewResult> {
    let file = |kind, name: &str, object| NewResult {
        kind,
        name: name.to_owned(),
        file: format!("{}/{name}", lease.folder()),
        sha256: "0f".repeat(32),
        bytes: 9,
        object,
    };
    let [sop_class_uid, sop_instance_uid, series_uid] = ["1.2.7", "1.2.3.4", "1.2.3"].map(str::to_owned);
    vec![
        file(ResultKind::Sr, "sr.dcm", Some(ObjectUids { sop_class_uid, sop_instance_uid, series_uid })),
        file(ResultKind::Report, "report.txt", None),
    ]
}

fn alert() -> Vec<NewAlert> {
    vec![NewAlert { finding: 1, body: "{}".to_owned() }]
}

fn seconds(count: u64) -> Time {
    Time(0) + Duration::from_secs(count)
}

#[tokio::test]
async fn a_revision_is_planned_once() {
    let scene = Scene::new().await;
    scene.study("1.2", seconds(0)).await;
    let job = new_job("1.2", 1, Lane::Normal);
    assert_eq!(scene.store.plan(&job.study, 1, Some(&job), "rule a", seconds(1)).await.unwrap(), Some(1));
    assert_eq!(scene.store.plan(&job.study, 1, Some(&job), "rule a", seconds(2)).await.unwrap(), None);
    let later = new_job("1.2", 2, Lane::Normal);
    assert_eq!(scene.store.plan(&job.study, 2, Some(&later), "rule a", seconds(3)).await.unwrap(), Some(2));
    assert_eq!(scene.store.plan(&job.study, 3, None, "no rule applies", seconds(4)).await.unwrap(), None);
    assert_eq!(scene.text("SELECT note FROM study").await, "no rule applies");
    assert_eq!(scene.count("SELECT count(*) FROM job").await, 2);
    assert_eq!(scene.events().await, "planned planned planned");
}

#[tokio::test]
async fn the_most_urgent_lane_goes_first_and_within_it_who_came_first() {
    let scene = Scene::new().await;
    for (study, lane) in
        [("1.1", Lane::Bulk), ("1.2", Lane::Normal), ("1.3", Lane::Emergency), ("1.4", Lane::Normal)]
    {
        scene.job(study, lane, seconds(0)).await;
    }
    let mut order = Vec::new();
    while let Some(lease) = scene.claim(seconds(1)).await {
        order.push(lease.study.to_string());
    }
    assert_eq!(order, ["1.3", "1.2", "1.4", "1.1"]);
}

#[tokio::test]
async fn a_worker_for_emergencies_takes_nothing_else() {
    let scene = Scene::new().await;
    scene.job("1.1", Lane::Normal, seconds(0)).await;
    let claim = || scene.store.claim("me", Lane::Emergency, LEASE, seconds(1));
    assert_eq!(claim().await.unwrap(), None);
    scene.job("1.2", Lane::Emergency, seconds(0)).await;
    let lease = claim().await.unwrap().unwrap();
    assert_eq!((lease.study.as_str(), lease.lane, lease.attempts), ("1.2", Lane::Emergency, 1));
}

#[tokio::test]
async fn results_and_what_is_to_be_sent_appear_together_and_once() {
    let scene = Scene::new().await;
    scene.job("1.2", Lane::Normal, seconds(0)).await;
    let lease = scene.claim(seconds(1)).await.unwrap();
    let complete = || async {
        scene.store.complete(&lease, &results(&lease), "{}", &alert(), seconds(5)).await.unwrap()
    };
    assert!(complete().await);
    assert!(complete().await, "whoever did not hear the answer may ask again");
    assert_eq!(scene.text("SELECT state FROM job").await, "done");
    assert_eq!(scene.count("SELECT count(*) FROM result").await, 2);
    assert_eq!(scene.count("SELECT count(*) FROM alert WHERE state = 'pending'").await, 1);
    let sent_where = "SELECT group_concat(destination) FROM \
                      (SELECT destination FROM outbox JOIN result ON result.id = result_id \
                       WHERE kind = 'sr' AND state = 'pending' ORDER BY destination)";
    assert_eq!(scene.text(sent_where).await, "archive,pacs");
    assert_eq!(scene.count("SELECT count(*) FROM outbox").await, 2, "a text is not sent");
    assert_eq!(scene.events().await, "planned claimed done");
    assert!(scene.claim(seconds(1000)).await.is_none());
}

#[tokio::test]
async fn a_try_is_charged_when_it_begins_and_the_wait_doubles_until_the_job_is_dead() {
    let scene = Scene::new().await;
    scene.job("1.2", Lane::Normal, seconds(0)).await;
    let passing = Failure::Passing(PATIENCE);
    let mut now = 100;
    for (wait, fate) in [(10, Fate::Queued), (20, Fate::Queued), (0, Fate::Dead)] {
        let lease = scene.claim(seconds(now)).await.unwrap();
        let failed = scene.store.fail(&lease, passing, "no memory", seconds(now + 1)).await.unwrap();
        assert_eq!(failed, Some(fate));
        assert!(scene.claim(seconds(now + wait)).await.is_none(), "a second too early");
        now += 1 + wait;
    }
    assert!(scene.claim(seconds(100_000)).await.is_none());
    assert_eq!(scene.text("SELECT state || ': ' || reason FROM job").await, "dead: no memory");
    assert_eq!(scene.count("SELECT attempts FROM job").await, 3);

    // Asked for again by hand it is as good as new.
    assert!(scene.store.retry(1, seconds(200)).await.unwrap());
    assert_eq!(scene.claim(seconds(200)).await.unwrap().attempts, 1);
}

#[tokio::test]
async fn wrong_data_is_not_tried_again() {
    let scene = Scene::new().await;
    scene.job("1.2", Lane::Normal, seconds(0)).await;
    let lease = scene.claim(seconds(1)).await.unwrap();
    let fate = scene.store.fail(&lease, Failure::Permanent, "no series", seconds(2)).await.unwrap();
    assert_eq!(fate, Some(Fate::Failed));
    assert!(scene.claim(seconds(100_000)).await.is_none());
}

#[tokio::test]
async fn a_zombie_can_do_nothing() {
    let scene = Scene::new().await;
    for number in 0..50 {
        scene.job(&format!("1.2.{number}"), Lane::Normal, seconds(0)).await;
        let zombie = scene.claim(seconds(1)).await.unwrap();
        // In turn: it ran out and nobody noticed; that was noticed; another has it; that one is done.
        let held = match number % 4 {
            0 => None,
            step => {
                assert_eq!(scene.store.expire(PATIENCE, seconds(32)).await.unwrap(), 1);
                let heir = if step >= 2 { scene.claim(seconds(50)).await } else { None };
                if let Some(heir) = heir.as_ref().filter(|_| step == 3) {
                    assert!(scene.store.complete(heir, &[], "{}", &[], seconds(51)).await.unwrap());
                }
                heir
            }
        };
        let late = seconds(52);
        let results = results(&zombie);
        assert!(!scene.store.complete(&zombie, &results, "{}", &alert(), late).await.unwrap(), "{number}");
        if number % 4 > 0 {
            assert!(!scene.store.renew(&zombie, seconds(90)).await.unwrap(), "{number}");
            let failed = scene.store.fail(&zombie, Failure::Permanent, "mine", late).await.unwrap();
            assert_eq!(failed, None, "{number}");
            assert!(!scene.store.release(&zombie, late).await.unwrap(), "{number}");
        }
        if let Some(heir) = held {
            assert_eq!(heir.attempts, 2);
            assert!(scene.store.complete(&heir, &[], "{}", &[], late).await.unwrap(), "{number}");
        }
        // Out of the way of the next.
        scene.store.cancel(zombie.job, late).await.unwrap();
    }
    for table in ["SELECT count(*) FROM result", "SELECT count(*) FROM outbox", "SELECT count(*) FROM alert"]
    {
        assert_eq!(scene.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_lease_lasts_as_long_as_it_is_renewed() {
    let scene = Scene::new().await;
    scene.job("1.2", Lane::Normal, seconds(0)).await;
    let lease = scene.claim(seconds(0)).await.unwrap();
    for now in [20, 40, 60] {
        assert!(scene.store.renew(&lease, seconds(now + 30)).await.unwrap());
        assert_eq!(scene.store.expire(PATIENCE, seconds(now + 20)).await.unwrap(), 0);
    }
    assert!(scene.store.complete(&lease, &[], "{}", &[], seconds(90)).await.unwrap());
}

#[tokio::test]
async fn a_job_that_outlives_its_worker_too_often_is_dead() {
    let scene = Scene::new().await;
    scene.job("1.2", Lane::Normal, seconds(0)).await;
    for node in ["first", "second", "third"] {
        assert!(scene.store.claim(node, Lane::Bulk, LEASE, seconds(1)).await.unwrap().is_some());
        // The node is killed, and the next one takes its place: at once.
        let taken = scene.store.expire_all_of_others("next", PATIENCE.attempts, seconds(1)).await.unwrap();
        assert_eq!(taken, 1);
    }
    assert!(scene.claim(seconds(1000)).await.is_none());
    let state = scene.text("SELECT state || ': ' || reason FROM job").await;
    assert_eq!(state, "dead: the node ended in the middle of it");
    assert_eq!(scene.store.expire_all_of_others("next", 3, seconds(2)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_stopped_node_gives_its_jobs_back_at_once_and_none_dies_of_it() {
    let scene = Scene::new().await;
    scene.job("1.2", Lane::Normal, seconds(0)).await;
    for attempt in 1..=7 {
        let lease = scene.claim(seconds(1)).await.unwrap();
        assert_eq!(lease.attempts, attempt, "the try stays charged");
        assert!(scene.store.release(&lease, seconds(1)).await.unwrap());
    }
    assert_eq!(scene.store.expire_all_of_others("me", 3, seconds(1)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_cancelled_job_is_lost_to_its_worker_and_can_be_had_again() {
    let scene = Scene::new().await;
    scene.job("1.2", Lane::Normal, seconds(0)).await;
    let lease = scene.claim(seconds(1)).await.unwrap();
    assert!(!scene.store.retry(lease.job, seconds(2)).await.unwrap(), "it is at work");
    assert!(scene.store.cancel(lease.job, seconds(2)).await.unwrap());
    assert!(!scene.store.cancel(lease.job, seconds(2)).await.unwrap());
    assert!(!scene.store.renew(&lease, seconds(60)).await.unwrap());
    assert!(!scene.store.complete(&lease, &[], "{}", &[], seconds(3)).await.unwrap());
    assert!(scene.store.retry(lease.job, seconds(4)).await.unwrap());
    let again = scene.claim(seconds(5)).await.unwrap();
    assert_ne!(again.folder(), lease.folder());
    assert!(scene.store.complete(&again, &[], "{}", &[], seconds(6)).await.unwrap());
    assert!(!scene.store.retry(lease.job, seconds(7)).await.unwrap(), "what is done is done");
}

#[tokio::test]
async fn a_study_without_images_is_not_tried_again() {
    let scene = Scene::new().await;
    let job = scene.job("1.2", Lane::Normal, seconds(0)).await;
    scene.store.cancel(job, seconds(1)).await.unwrap();
    sqlx::query("UPDATE study SET images_purged_at = 2").execute(&scene.store.write).await.unwrap();
    assert!(!scene.store.retry(job, seconds(3)).await.unwrap());
}

/// Emergencies are claimed in well under a second behind a queue of bulk jobs, of which half wait for their
/// second try.
#[tokio::test]
async fn an_emergency_does_not_wait_behind_a_hundred_thousand_bulk_jobs() {
    let scene = Scene::new().await;
    scene.study("1.2", seconds(0)).await;
    let task = serde_json::to_string(&new_job("1.2", 1, Lane::Bulk).task).unwrap();
    sqlx::query(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 100000) \
         INSERT INTO job (study_uid, revision, models_key, task, rule, lane, state, not_before, created_at) \
         SELECT '1.2', n, 'a 1', $1, 'bulk', 2, 'queued', CASE WHEN n <= 50000 THEN 999000 ELSE 0 END, 0 \
         FROM number",
    )
    .bind(task)
    .execute(&scene.store.write)
    .await
    .unwrap();
    assert_eq!(scene.count("SELECT count(*) FROM job WHERE state = 'queued'").await, 100_000);

    scene.job("1.3", Lane::Emergency, seconds(1)).await;
    let since = std::time::Instant::now();
    let lease = scene.claim(seconds(2)).await.unwrap();
    let emergency = since.elapsed();
    assert_eq!(lease.study.as_str(), "1.3");
    let since = std::time::Instant::now();
    assert_eq!(scene.claim(seconds(2)).await.unwrap().revision, 50_001);
    let bulk = since.elapsed();
    println!(
        "behind 100,000 bulk jobs: an emergency is claimed in {emergency:?}, the next bulk job in {bulk:?}"
    );
    assert!(emergency < Duration::from_secs(1) && bulk < Duration::from_secs(1));
}
