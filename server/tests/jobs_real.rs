//! Real networks in the worker of a running node.

mod common;
#[path = "common/queue.rs"]
mod queue;

use std::process::Stdio;
use std::time::Duration;

use common::dimse::{Study, send};
use common::node::{Node, config, wait_at_most};
use common::{Scene, foci, models_ready, slices};
use queue::Database;

/// The synthetic patient `seed`, in the folder `name` of the scene.
fn patient(scene: &Scene, name: &str, seed: &str) -> Study {
    let folder = scene.path(name);
    common::succeed(foci(scene).arg("phantom").arg(&folder).args(["--seed", seed]));
    Study::read(&folder)
}

#[test]
fn a_study_yields_its_results_and_the_second_finds_the_networks_warm() {
    const TEST: &str = "a_study_yields_its_results_and_the_second_finds_the_networks_warm";
    if !models_ready(TEST) {
        return;
    }
    let scene = Scene::new();
    let studies = [patient(&scene, "first", "1"), patient(&scene, "second", "2")];
    let text = r#"
        [dicom]
        listen = "127.0.0.1:0"
        [http]
        listen = "127.0.0.1:0"
        [studies]
        stable_s = 1
        minimum_free_mb = 64
        [analysis]
        emergency_workers = 0
        [[peer]]
        name = "ct"
        ae_title = "CT"
        addresses = ["127.0.0.1"]
        may_store = true
        [[rule]]
        name = "everything"
        models = ["lung-nodule"]
    "#;
    let node = Node::start(&scene, &config(&scene, text));
    let database = Database::open(&scene);
    let mut seconds = Vec::new();
    for study in &studies {
        send(node.dicom, "CT", study);
        let job = wait_at_most(
            Duration::from_secs(900),
            || node.log(),
            || database.job(study).filter(|job| job.state != "queued" && job.state != "leased"),
        );
        assert_eq!((job.state.as_str(), job.attempts), ("done", 1), "{job:?}");
        let summary = &database.texts("SELECT summary FROM job ORDER BY id DESC LIMIT 1")[0];
        let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
        assert!(summary["findings"].as_object().is_some_and(|kinds| !kinds.is_empty()), "{summary}");
        assert!(summary["largest_mm"].as_f64().is_some_and(|mm| mm > 3.0), "{summary}");
        seconds.push(summary["seconds"].as_f64().unwrap());
    }
    println!("the first study took {} s, the second, with warm networks, {} s", seconds[0], seconds[1]);

    // Every file that a row names is there with its hash, and of every kind there is one.
    let files = database.texts("SELECT sha256 || ' ' || file FROM result");
    for row in &files {
        let (hash, file) = row.split_once(' ').unwrap();
        let bytes = std::fs::read(scene.path("data/results").join(file)).unwrap();
        assert_eq!(models::sha256(&bytes), hash, "{file}");
    }
    let kinds = database.texts("SELECT DISTINCT kind FROM result WHERE job_id = 1 ORDER BY kind");
    assert_eq!(kinds, ["findings", "key_image", "narrative", "page", "picture", "report", "seg", "sr"]);
    node.stop();
}

/// In the middle of an analysis too: nothing must go on for nobody.
#[test]
fn a_worker_at_work_ends_when_nobody_is_left_to_ask_it() {
    const TEST: &str = "a_worker_at_work_ends_when_nobody_is_left_to_ask_it";
    if !models_ready(TEST) {
        return;
    }
    let scene = Scene::new();
    let folder = scene.folder("out");
    let phantom = scene.path("study");
    common::succeed(foci(&scene).arg("phantom").arg(&phantom));
    let order = serde_json::json!({
        "files": slices(&phantom),
        "task": { "models": ["liver-lesion"], "language": "en", "series": [], "send_to": [] },
        "folder": folder,
    });
    let mut worker = foci(&scene);
    let mut worker = worker.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = worker.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, format!("{order}\n").as_bytes()).unwrap();
    let mut said = std::io::BufReader::new(worker.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("liver: network") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut said, &mut line).unwrap() > 0, "it ended too early");
        assert!(line.starts_with("{\"stage\""), "{line}");
    }
    drop(stdin);
    let end = || "its end, for it works for nobody".to_owned();
    let status = wait_at_most(Duration::from_secs(5), end, || worker.try_wait().unwrap());
    assert!(!status.success());
}
