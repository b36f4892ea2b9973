//! The queue of a running node: what goes wrong with one study harms no other, and nothing is published twice.
//!
//! `FOCI_FULL=1` runs the same tests with larger numbers.

mod common;
#[path = "common/queue.rs"]
mod queue;

use std::time::Duration;

use common::dimse::{Study, send};
use common::node::{Node, children, wait_for};
use common::{Scene, foci, full};
use queue::{Database, Job, mishaps, study};

/// Waits until `database` has a job of `study` of which `done` holds.
#[track_caller]
fn wait_until(database: &Database, study: &Study, what: &str, done: impl Fn(&Job) -> bool) -> Job {
    wait_for(what, || database.job(study).filter(|job| done(job)))
}

fn state(name: &'static str) -> impl Fn(&Job) -> bool {
    move |job| job.state == name
}

#[test]
fn poison_is_tried_as_often_as_the_configuration_says_and_harms_nobody_else() {
    let scene = Scene::new();
    let studies: Vec<Study> = (1..=if full() { 30 } else { 7 }).map(study).collect();
    let poison = ["abort", "hang", "eat"];
    mishaps(&scene, studies.iter().zip(poison));
    let config = queue::config(
        &scene,
        1,
        "",
        "attempts = 3\nretry_s = 0.1\ndeadline_s = 3\nmemory_mb = 700\nworkers = 2\nemergency_workers = 0",
        "",
    );
    let node = Node::start(&scene, &config);
    for study in &studies {
        send(node.dicom, "CT", study);
    }
    let database = Database::open(&scene);
    for (study, (mishap, reason)) in studies.iter().zip([
        ("abort", "the worker ended by signal 6"),
        ("hang", "it was not done within 3 s"),
        ("eat", "the worker ran out of memory (analysis.memory_mb is 700)"),
    ]) {
        let job = wait_until(&database, study, mishap, state("dead"));
        assert_eq!(job.attempts, 3, "{job:?}");
        assert!(job.reason.starts_with(reason), "{job:?}");
    }
    for study in &studies[poison.len()..] {
        let job = wait_until(&database, study, "a sound study", state("done"));
        assert_eq!(job.attempts, 1, "a sound study is hurt by another: {job:?}");
    }
    assert_eq!(
        database.number("SELECT count(*) FROM event WHERE what = 'claimed'"),
        9 + studies.len() as i64 - 3
    );
    // What they left is gone.
    let left = std::fs::read_dir(scene.path("data/work")).unwrap().count();
    assert_eq!(left, 0);
    let results = std::fs::read_dir(scene.path("data/results")).unwrap().count();
    assert_eq!(results, studies.len() - 3);
    node.stop();
}

#[test]
fn a_node_that_stops_gives_back_what_it_has_not_done_and_leaves_no_process() {
    let scene = Scene::new();
    let study = study(1);
    mishaps(&scene, [(&study, "hang")]);
    let config = queue::config(&scene, 1, "", "workers = 1\nemergency_workers = 0", "");
    let node = Node::start(&scene, &config);
    send(node.dicom, "CT", &study);
    let database = Database::open(&scene);
    wait_until(&database, &study, "a worker has it", state("leased"));
    let workers = wait_for("a worker", || Some(children(node.pid())).filter(|found| !found.is_empty()));
    node.stop();
    let job = database.job(&study).unwrap();
    assert_eq!((job.state.as_str(), job.attempts), ("queued", 1), "{job:?}");
    assert_eq!(job.reason, "the node was stopped");
    for pid in workers {
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "worker {pid} still runs");
    }

    // The next node goes on with it.
    mishaps(&scene, []);
    let node = Node::start(&scene, &config);
    let job = wait_until(&database, &study, "the next node does it", state("done"));
    assert_eq!(job.attempts, 2);
    node.stop();
}

#[test]
fn a_node_that_is_killed_leaves_no_process_and_the_next_one_goes_on_at_once() {
    let scene = Scene::new();
    let study = study(1);
    mishaps(&scene, [(&study, "hang")]);
    // Neither the lease nor the wait is what brings the job back.
    let analysis = "workers = 1\nemergency_workers = 0\nlease_s = 3600\nretry_s = 3600";
    let config = queue::config(&scene, 1, "", analysis, "");
    let node = Node::start(&scene, &config);
    send(node.dicom, "CT", &study);
    let database = Database::open(&scene);
    wait_until(&database, &study, "a worker has it", state("leased"));
    let workers = wait_for("a worker", || Some(children(node.pid())).filter(|found| !found.is_empty()));
    node.kill();
    wait_for("its workers end with it", || {
        let runs = |pid: &u32| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        (!workers.iter().any(runs)).then_some(())
    });
    mishaps(&scene, []);
    let node = Node::start(&scene, &config);
    let job = wait_until(&database, &study, "the next node does it", state("done"));
    assert_eq!(job.attempts, 2, "the try of the killed node stays charged");
    node.stop();
}

/// While a worker is at work, its job becomes another's. What it then brings is thrown away; the other's
/// results are published, once.
#[test]
fn a_zombie_worker_cannot_publish() {
    let rounds = if full() { 50 } else { 3 };
    let scene = Scene::new();
    let studies: Vec<Study> = (1..=rounds).map(study).collect();
    mishaps(&scene, studies.iter().map(|study| (study, "slow")));
    // The lease is renewed after 20 s: until then the worker does not know.
    let analysis = "workers = 1\nemergency_workers = 0\nlease_s = 60";
    let config = queue::config(&scene, 1, "", analysis, "");
    let node = Node::start(&scene, &config);
    let database = Database::open(&scene);
    for study in &studies {
        send(node.dicom, "CT", study);
        wait_until(&database, study, "a worker has it", state("leased"));
        let taken = "UPDATE job SET state = 'queued', token = token + 1 WHERE state = 'leased'";
        assert_eq!(database.change(taken), 1);
        let job = wait_until(&database, study, "the other one does it", state("done"));
        assert_eq!(job.attempts, 2);
    }
    let fenced = node.log().matches("results that came too late are discarded").count();
    println!("{fenced} of {rounds} zombies fenced");
    assert_eq!(fenced, rounds as usize);
    let rounds = rounds as i64;
    assert_eq!(database.number("SELECT count(*) FROM event WHERE what = 'done'"), rounds);
    assert_eq!(database.number("SELECT count(*) FROM result WHERE kind = 'sr'"), rounds);
    let folders = std::fs::read_dir(scene.path("data/results")).unwrap().count();
    assert_eq!(folders, studies.len(), "the results of a zombie are removed");
    node.stop();
}

#[test]
fn an_emergency_goes_before_all_that_waits_and_is_claimed_within_a_second() {
    let scene = Scene::new();
    let studies: Vec<Study> = (1..=4).map(study).collect();
    mishaps(&scene, studies.iter().map(|study| (study, "slow")));
    let config = queue::config(&scene, 1, "", "workers = 1\nemergency_workers = 1", "");
    let node = Node::start(&scene, &config);
    let [bulk @ .., emergency] = &studies[..] else { unreachable!() };
    for study in bulk {
        send(node.dicom, "CT", study);
    }
    let database = Database::open(&scene);
    wait_for("all are queued", || (database.jobs().len() == bulk.len()).then_some(()));
    send(node.dicom, "ER", emergency);
    wait_until(&database, emergency, "the emergency is done", state("done"));
    let waiting = database.jobs().iter().filter(|job| job.state != "done").count();
    assert!(waiting > 0, "nothing was left for it to overtake");
    let waited = database.number(
        "SELECT max(claimed.at - planned.at) FROM event AS claimed JOIN event AS planned USING (job_id) \
         JOIN job ON job.id = claimed.job_id \
         WHERE claimed.what = 'claimed' AND planned.what = 'planned' AND lane = 0",
    );
    println!("the emergency was claimed {waited} ms after it was queued, before {waiting} others");
    assert!(waited < 1000, "{waited} ms");
    node.stop();
}

#[test]
fn a_job_that_is_cancelled_at_work_ends_its_worker() {
    let scene = Scene::new();
    let studies = [study(1), study(2)];
    mishaps(&scene, [(&studies[0], "hang")]);
    let analysis = "workers = 1\nemergency_workers = 0\nlease_s = 1";
    let config = queue::config(&scene, 1, "", analysis, "");
    let node = Node::start(&scene, &config);
    let database = Database::open(&scene);
    send(node.dicom, "CT", &studies[0]);
    wait_until(&database, &studies[0], "a worker has it", state("leased"));
    // As the status page does it.
    assert_eq!(database.change("UPDATE job SET state = 'cancelled' WHERE state = 'leased'"), 1);
    send(node.dicom, "CT", &studies[1]);
    wait_until(&database, &studies[1], "the worker is free for the next", state("done"));
    assert_eq!(database.job(&studies[0]).unwrap().state, "cancelled");
    node.stop();
}

#[test]
fn a_worker_ends_when_nobody_is_left_to_ask_it() {
    let scene = Scene::new();
    let mut worker = foci(&scene);
    worker.arg("worker").stdin(std::process::Stdio::piped());
    let mut worker = worker.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(worker.try_wait().unwrap().is_none(), "it waits for work");
    drop(worker.stdin.take());
    let status = wait_for("its end", || worker.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

#[test]
fn a_critical_finding_is_to_be_told_in_uids_and_numbers() {
    let scene = Scene::new();
    let studies = [study(1), study(2)];
    mishaps(&scene, [(&studies[1], "critical")]);
    let alert = "[alert]\nurl = \"http://127.0.0.1:9/nobody\"";
    let config = queue::config(&scene, 1, "", "workers = 1\nemergency_workers = 0", alert);
    let node = Node::start(&scene, &config);
    let database = Database::open(&scene);
    for study in &studies {
        send(node.dicom, "CT", study);
        wait_until(&database, study, "it is analysed", state("done"));
    }
    let [body] = &database.texts("SELECT body FROM alert")[..] else { panic!("one of the two is critical") };
    let mut body: serde_json::Value = serde_json::from_str(body).unwrap();
    let body = body.as_object_mut().unwrap();
    assert_eq!(body.remove("study_uid").unwrap(), studies[1].uid.as_str());
    let job = database.number("SELECT id FROM job ORDER BY id DESC LIMIT 1");
    assert_eq!(body.remove("job").unwrap(), job);
    let time = body.remove("time").unwrap();
    assert!(chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).is_ok(), "{time}");
    let series = body.remove("series_uid").unwrap();
    assert!(dicom_io::Uid::parse(series.as_str().unwrap()).is_ok(), "{series}");
    let rest =
        serde_json::json!({ "finding": 1, "kind": "lung_nodule", "side": "left", "long_axis_mm": 31.5 });
    assert_eq!(body, rest.as_object().unwrap());
    node.stop();
}
