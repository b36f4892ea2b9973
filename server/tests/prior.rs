//! Two examinations of one patient: what `foci analyze --prior` makes of them.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Scene, foci, models_ready, succeed};
use serde_json::Value;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A synthetic study called `name`.
fn phantom(scene: &Scene, name: &str, more: &[&str]) -> PathBuf {
    let study = scene.path(name);
    succeed(foci(scene).arg("phantom").arg(&study).args(more));
    study
}

fn analyze(scene: &Scene, study: &Path, name: &str, priors: &[&Path]) -> Value {
    let folder = scene.path(name);
    let mut command = foci(scene);
    command.arg("analyze").arg(study).arg("-o").arg(&folder);
    for prior in priors {
        command.arg("--prior").arg(prior);
    }
    succeed(&mut command);
    json(&folder.join("findings.json"))
}

fn place(value: &Value) -> [f64; 3] {
    let at = &value["centre_lps_mm"];
    ["l", "p", "s"].map(|axis| at[axis].as_f64().unwrap())
}

/// The finding nearest to each true lesion, within a centimetre.
fn found<'a>(report: &'a Value, truth: &'a Value) -> Vec<(&'a str, &'a Value)> {
    let apart = |a: [f64; 3], b: [f64; 3]| (0..3).map(|d| (a[d] - b[d]).powi(2)).sum::<f64>().sqrt();
    let findings = report["findings"].as_array().unwrap();
    let nearest = |lesion: &Value| {
        let away = |finding: &&Value| apart(place(&finding["measurements"]), place(lesion));
        findings.iter().filter(|f| away(f) < 10.0).min_by(|a, b| away(a).total_cmp(&away(b)))
    };
    let lesions = truth["lesions"].as_array().unwrap();
    lesions.iter().filter_map(|l| Some((l["id"].as_str().unwrap(), nearest(l)?))).collect()
}

#[test]
fn lesions_keep_their_identity_and_their_change_is_reported() {
    const TEST: &str = "lesions_keep_their_identity_and_their_change_is_reported";
    if !models_ready(TEST) {
        return;
    }
    let scene = Scene::new();
    let before = phantom(&scene, "before", &[]);
    let after = phantom(&scene, "after", &["--follow-up", "90"]);
    let first = analyze(&scene, &before, "first", &[]);
    let second = analyze(&scene, &after, "second", &[&before, &scene.path("first/sr.dcm")]);

    assert_eq!(second["compared"]["study_uid"], first["study_uid"]);
    assert_eq!(second["compared"]["days"], 90);
    let (truth_before, truth_after) = (json(&before.join("truth.json")), json(&after.join("truth.json")));
    let (then, now) = (found(&first, &truth_before), found(&second, &truth_after));
    assert!(then.len() >= 6 && now.len() >= 6, "{then:?} {now:?}");
    let mut trends = Vec::new();
    for (id, finding) in &now {
        let trend = finding["change"]["trend"].as_str();
        match then.iter().find(|(other, _)| other == id) {
            Some((_, other)) => assert_eq!(finding["tracking_uid"], other["tracking_uid"], "{id}"),
            None => assert!(id.starts_with("new-"), "{id} was not found in the prior"),
        }
        trends.push((*id, trend.unwrap_or("not compared")));
    }
    trends.sort_unstable();
    let wanted = [
        ("liver-1", "unchanged"),
        ("liver-3", "grown"),
        ("new-liver-1", "new"),
        ("new-nodule-1", "new"),
        ("nodule-1", "grown"),
        ("nodule-2", "unchanged"),
        ("nodule-4", "shrunk"),
    ];
    assert_eq!(trends, wanted);
    // What the first one says of the lesions that are gone.
    let gone: Vec<&Value> = then
        .iter()
        .filter(|(id, _)| !wanted.iter().any(|(now, _)| now == id))
        .map(|(_, f)| &f["tracking_uid"])
        .collect();
    let resolved = second["compared"]["resolved"].as_array().unwrap();
    let mut resolved: Vec<&Value> = resolved.iter().map(|lesion| &lesion["tracking_uid"]).collect();
    resolved.sort_unstable_by_key(|uid| uid.as_str());
    let mut wanted = gone.clone();
    wanted.sort_unstable_by_key(|uid| uid.as_str());
    assert_eq!(resolved, wanted);

    // The structured report carries the identities on.
    let structured = fs::read(scene.path("second/sr.dcm")).unwrap();
    let holds = |uid: &Value| {
        let uid = uid.as_str().unwrap().as_bytes();
        structured.windows(uid.len()).any(|window| window == uid)
    };
    for (id, finding) in now.iter().filter(|(id, _)| !id.starts_with("new-")) {
        assert!(holds(&finding["tracking_uid"]), "{id} has lost its Tracking UID");
    }

    // Images alone are analysed like any others, and lead to the same.
    if std::env::var_os("FOCI_FULL").is_some() {
        let third = analyze(&scene, &after, "third", &[&before]);
        let uids = |report: &Value| -> Vec<Value> {
            let findings = report["findings"].as_array().unwrap();
            findings.iter().map(|finding| finding["tracking_uid"].clone()).collect()
        };
        assert_eq!(uids(&third), uids(&second));
    }
}

/// `foci analyze` refuses `priors` because of `reason`, and says nothing of the patient.
#[track_caller]
fn check_refused(scene: &Scene, study: &Path, priors: &[&Path], reason: &str) {
    let mut command = foci(scene);
    command.arg("analyze").arg(study).arg("-o").arg(scene.path("results"));
    for prior in priors {
        command.arg("--prior").arg(prior);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains(reason), "{said}");
    assert!(!said.contains("FOCI-PHANTOM") && !said.contains("2026"), "{said}");
    assert!(!scene.path("results").exists());
}

#[test]
fn a_prior_that_is_none_is_refused_before_anything_is_analysed() {
    let scene = Scene::new();
    let small = ["--size", "48x40x20", "--spacing", "7x7x14"];
    let with = |more: &[&'static str]| [&small[..], more].concat();
    let first = phantom(&scene, "first", &small);
    let later = phantom(&scene, "later", &with(&["--follow-up", "40"]));
    let other = phantom(&scene, "other", &with(&["--seed", "8"]));
    let empty = scene.folder("empty");
    check_refused(&scene, &later, &[&other], "is not of the patient of study");
    check_refused(&scene, &first, &[&later], "is later than study");
    check_refused(&scene, &later, &[&later], "is the same study");
    check_refused(&scene, &later, &[&first, &other], "the prior is one study, and 2 were found");
    check_refused(&scene, &later, &[&empty], "holds no DICOM objects");
}
