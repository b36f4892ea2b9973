//! Kernels on a device, an emulated one, and everything around them: the findings are those of the CPU.

mod common;
#[allow(dead_code, reason = "only the driver is needed here")]
#[path = "../../kernels/tests/emulator/mod.rs"]
mod emulator;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Scene, foci, succeed};

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

#[test]
fn a_device_finds_what_the_cpu_finds_and_too_little_memory_is_told() {
    const TEST: &str = "a_device_finds_what_the_cpu_finds_and_too_little_memory_is_told";
    let Some(driver) = driver(TEST) else { return };
    if !common::models_ready(TEST) {
        return;
    }
    let scene = Scene::new();
    let study = scene.path("study");
    // Coarse, since an emulated device is slow.
    let phantom = ["--size", "128x128x70", "--spacing", "2.8x2.8x5"];
    succeed(foci(&scene).arg("phantom").arg(&study).args(phantom));
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
}
