//! Kernels on a device, an emulated one, and everything around them: the findings are those of the CPU.

mod common;
#[allow(dead_code, reason = "only the driver is needed here")]
#[path = "../../kernels/tests/emulator/mod.rs"]
mod emulator;
#[path = "common/queue.rs"]
mod queue;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::dimse::{Study, send};
use common::node::{Node, children, wait_at_most, wait_for};
use common::{Scene, foci, succeed};
use queue::Database;

/// Where the emulated driver is; `None` where there is no C++ compiler.
fn driver(test: &str) -> Option<PathBuf> {
    match emulator::build() {
        Ok(library) => library.parent().map(Path::to_owned),
        Err(missing) => {
            common::skip(test, "peers", &missing);
            None
        }
    }
}

/// The program on a machine whose driver is the emulated one, with the ONNX Runtime of the CPU as the one that the
/// operator named.
fn with_driver(scene: &Scene, driver: &Path) -> Command {
    let mut command = foci(scene);
    let runtime = std::fs::read_dir(common::cache()).unwrap().flatten().map(|entry| entry.path());
    let runtime = runtime.filter(|path| path.is_dir() && path.to_string_lossy().contains("onnxruntime-"));
    let runtime = runtime.filter(|path| !path.to_string_lossy().contains("-gpu-")).min().unwrap();
    command.env("LD_LIBRARY_PATH", driver).env("FOCI_ONNXRUNTIME", runtime);
    command
}

/// The folder of a study whose voxels are few, since an emulated device is slow.
fn coarse_study(scene: &Scene) -> PathBuf {
    let study = scene.path("study");
    let phantom = ["--size", "128x128x70", "--spacing", "2.8x2.8x5"];
    succeed(foci(scene).arg("phantom").arg(&study).args(phantom));
    study
}

#[test]
fn a_device_finds_what_the_cpu_finds_and_too_little_memory_is_told() {
    const TEST: &str = "a_device_finds_what_the_cpu_finds_and_too_little_memory_is_told";
    let Some(driver) = driver(TEST) else { return };
    if !common::models_ready(TEST) {
        return;
    }
    let scene = Scene::new();
    let study = coarse_study(&scene);
    let analyze = |name: &str, device: &[&str]| {
        let output = scene.path(name);
        let mut command = with_driver(&scene, &driver);
        command.arg("analyze").arg(&study).arg("-o").arg(&output).args(["--model", "lung-nodule"]);
        let (findings, warnings) = succeed(command.args(device));
        let report = std::fs::read(output.join("findings.json")).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        (findings, warnings, report["provenance"]["runtime"].as_str().unwrap().to_owned())
    };
    let (expected, _, runtime) = analyze("cpu", &["--device", "cpu"]);
    assert!(!expected.is_empty() && !runtime.contains("CUDA"), "{runtime}: {expected}");
    let (found, warnings, runtime) = analyze("cuda", &["--device", "cuda"]);
    assert_eq!(found, expected, "{warnings}");
    assert!(runtime.contains("CUDA kernels on"), "{runtime}");
    assert!(!warnings.contains("memory"), "{warnings}");
    let (found, warnings, _) = analyze("small", &["--device", "cuda", "--gpu-memory", "8MiB"]);
    assert_eq!(found, expected);
    assert!(warnings.contains("of the GPU's memory are too few"), "{warnings}");
    let (found, _, runtime) = analyze("auto", &[]);
    assert_eq!(found, expected);
    assert!(runtime.contains("is not used, since ONNX Runtime with CUDA is not installed"), "{runtime}");
}

#[test]
fn a_device_that_is_not_there_is_an_error_and_check_says_what_there_is() {
    const TEST: &str = "a_device_that_is_not_there_is_an_error_and_check_says_what_there_is";
    let Some(driver) = driver(TEST) else { return };
    if !common::models_ready(TEST) {
        return;
    }
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    let output = scene.path("results");
    let run = with_driver(&scene, &driver)
        .arg("analyze")
        .arg(&study)
        .arg("-o")
        .arg(&output)
        .args(["--device", "cuda:7"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success() && said.contains("number 7 was asked for, and there are 1"), "{said}");
    let check = with_driver(&scene, &driver).arg("check").output().unwrap();
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(said.contains("cuda:0: ") && said.contains("compute capability"), "{said}");

    // The library that was named computes on the CPU and wants nothing of NVIDIA's.
    let said = succeed(with_driver(&scene, &driver).args(["check", "--device", "cuda"])).0;
    assert!(said.contains("CUDA kernels on ") && !said.contains("cuda libraries"), "{said}");
    assert!(said.contains("MiB free; the networks run on the CPU"), "{said}");
}

/// What CUDA reserves of addresses is not counted; what a worker takes is.
#[test]
fn a_worker_that_takes_too_much_beside_a_device_is_stopped_and_the_node_goes_on() {
    const TEST: &str = "a_worker_that_takes_too_much_beside_a_device_is_stopped_and_the_node_goes_on";
    let Some(driver) = driver(TEST) else { return };
    let scene = Scene::new();
    let [greedy, sound] = [1, 2].map(queue::study);
    queue::mishaps(&scene, [(&greedy, "eat")]);
    let analysis =
        "device = \"auto\"\nmemory_mb = 700\nattempts = 2\nretry_s = 0.1\nworkers = 1\nemergency_workers = 0";
    let config = queue::config(&scene, 1, "", analysis, "");
    let mut serve = foci(&scene);
    serve.env("LD_LIBRARY_PATH", &driver).arg("serve").arg("--config").arg(&config);
    let node = Node::start_with(&scene, &mut serve);
    let database = Database::open(&scene);
    let ended = |study: &Study| {
        let job = || database.job(study).filter(|job| ["dead", "done"].contains(&job.state.as_str()));
        wait_for("a study has ended", job)
    };
    send(node.dicom, "CT", &greedy);
    let job = ended(&greedy);
    assert_eq!((job.state.as_str(), job.attempts), ("dead", 2), "{job:?}");
    assert!(job.reason.starts_with("the worker ran out of memory (analysis.memory_mb is 700)"), "{job:?}");
    send(node.dicom, "CT", &sound);
    let job = ended(&sound);
    assert_eq!((job.state.as_str(), job.attempts), ("done", 1), "{job:?}");

    let limit = |process: &str, name: &str| {
        let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().to_owned()
    };
    let workers = children(node.pid());
    let [worker] = &workers[..] else { panic!("{workers:?}") };
    assert_eq!(limit(&worker.to_string(), "Max data size"), (700 << 20).to_string());
    assert_eq!(
        limit(&worker.to_string(), "Max address space"),
        limit(&node.pid().to_string(), "Max address space")
    );
    node.stop();
}

#[test]
fn a_node_analyses_on_a_device_within_the_memory_that_its_workers_may_take() {
    const TEST: &str = "a_node_analyses_on_a_device_within_the_memory_that_its_workers_may_take";
    let Some(driver) = driver(TEST) else { return };
    if !common::models_ready(TEST) {
        return;
    }
    let scene = Scene::new();
    let study = Study::read(&coarse_study(&scene));
    let text = r#"
        [dicom]
        listen = "127.0.0.1:0"
        [http]
        listen = "127.0.0.1:0"
        [studies]
        stable_s = 1
        minimum_free_mb = 64
        [analysis]
        device = "cuda"
        memory_mb = 4096
        emergency_workers = 0
        attempts = 1
        [[peer]]
        name = "ct"
        ae_title = "CT"
        addresses = ["127.0.0.1"]
        may_store = true
        [[rule]]
        name = "everything"
        models = ["lung-nodule"]
    "#;
    let config = common::node::config(&scene, text);
    let mut serve = with_driver(&scene, &driver);
    let node = Node::start_with(&scene, serve.arg("serve").arg("--config").arg(&config));
    send(node.dicom, "CT", &study);
    let database = Database::open(&scene);
    let job = wait_at_most(
        Duration::from_secs(900),
        || node.log(),
        || database.job(&study).filter(|job| job.state != "queued" && job.state != "leased"),
    );
    assert_eq!(job.state, "done", "{job:?}");
    let findings = "SELECT file FROM result WHERE kind = 'findings'";
    let report = scene.path("data/results").join(&database.texts(findings)[0]);
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let runtime = report["provenance"]["runtime"].as_str().unwrap();
    assert!(runtime.contains("CUDA kernels on"), "{runtime}");
    node.stop();
}
