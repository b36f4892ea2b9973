//! The main job from end to end: a synthetic patient in, findings that match the truth and valid objects out.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Scene, foci, succeed};
use serde_json::Value;

/// One run of the demo, in `lang`, of a patient who is `healthy` or not.
fn demo(scene: &Scene, name: &str, more: &[&str]) -> (std::path::PathBuf, String) {
    let folder = scene.path(name);
    let (stdout, _) = succeed(foci(scene).args(["demo", "-o"]).arg(&folder).args(more));
    (folder, stdout)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The DICOM files that the analysis wrote.
fn objects(folder: &Path) -> Vec<std::path::PathBuf> {
    common::slices(folder)
}

/// Shows the objects, and the study that they refer to, to other people's programs.
fn validate(folder: &Path) {
    let files = [objects(folder), objects(&folder.join("study"))].concat();
    let output = Command::new(common::repository(".ci/validate")).args(files).output().unwrap();
    let says = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{says}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn findings_match_the_truth_and_every_object_is_valid() {
    const TEST: &str = "findings_match_the_truth_and_every_object_is_valid";
    if !common::models_ready(TEST) {
        return;
    }
    let scene = Scene::new();
    let (folder, table) = demo(&scene, "first", &[]);

    // Every true lesion has a finding, and no finding is without a lesion.
    let truth = json(&folder.join("study/truth.json"));
    let findings = json(&folder.join("findings.json"));
    let lesions = truth["lesions"].as_array().unwrap();
    assert!(lesions.len() >= 6, "a demo with few lesions shows little");
    assert!(!table.contains("missed") && !table.contains("false positive"), "{table}");
    assert_eq!(findings["findings"].as_array().unwrap().len(), lesions.len(), "{table}");
    // The table's eleventh column is the error of the diameter, the twelfth the ratio of the volumes.
    for row in table.lines().skip(1).take(lesions.len()) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (truth, error): (f64, f64) = (columns[5].parse().unwrap(), columns[10].parse().unwrap());
        assert!(error.abs() <= 2.5_f64.max(0.2 * truth), "{row}");
        let ratio: f64 = columns[11].parse().unwrap();
        assert!((0.6..=1.6).contains(&ratio), "{row}");
    }

    // Everything that the page links to is there, and nothing of the patient is in it.
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    for number in 1..=lesions.len() {
        let name = format!("key-{number}.png");
        assert!(page.contains(&name) && folder.join(&name).exists(), "{name}");
    }
    for text in
        [&page, &fs::read_to_string(folder.join("report.txt")).unwrap(), &findings.to_string(), &table]
    {
        for canary in ["FOCI^PHANTOM", "FOCI-PHANTOM"] {
            assert!(!text.contains(canary), "{canary} is in a result");
        }
    }

    // The same input gives the same objects, byte for byte but for the time at which they were made.
    let (again, _) = demo(&scene, "second", &[]);
    assert_eq!(
        fs::read(folder.join("findings.json")).unwrap(),
        fs::read(again.join("findings.json")).unwrap()
    );
    let differ = |a: &[u8], b: &[u8]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    for object in objects(&folder) {
        let (one, two) =
            (fs::read(&object).unwrap(), fs::read(again.join(object.file_name().unwrap())).unwrap());
        assert_eq!(one.len(), two.len());
        // Dates and times of series and content: four of at most 8 and 6 characters.
        assert!(differ(&one, &two) <= 28, "{} differs in {} bytes", object.display(), differ(&one, &two));
    }

    if common::peers(TEST).is_some() {
        validate(&folder);
    }
}

#[test]
fn a_healthy_patient_gets_a_valid_report_without_findings_in_chinese() {
    const TEST: &str = "a_healthy_patient_gets_a_valid_report_without_findings_in_chinese";
    if !common::models_ready(TEST) {
        return;
    }
    let scene = Scene::new();
    let (folder, table) = demo(&scene, "healthy", &["--healthy", "--lang", "zh"]);
    assert!(!table.contains("false positive"), "{table}");
    let findings = json(&folder.join("findings.json"));
    assert_eq!(findings["findings"], serde_json::json!([]));
    assert_eq!(findings["narrative"]["language"], "zh-CN");
    let examined = findings["examined"].as_array().unwrap();
    assert!(examined.len() == 2 && examined.iter().all(|organ| organ["organ_found"] == true), "{examined:?}");
    let words = fs::read_to_string(folder.join("report.txt")).unwrap();
    assert!(words.contains("影像所见") && words.contains("诊断意见"), "{words}");
    assert!(!folder.join("seg.dcm").exists(), "a segmentation cannot be empty");
    if common::peers(TEST).is_some() {
        validate(&folder);
    }
}
