//! What is in the files, and why a series would be refused, without patient data.

mod common;

use common::{Scene, foci, succeed};
use serde_json::Value;

#[test]
fn a_series_is_shown_with_its_grid_in_lps() {
    let scene = Scene::new();
    let study = scene.phantom(&["--size", "40x48x24", "--spacing", "6.5x5.5x9", "--orientation", "sagittal"]);
    let (line, _) = succeed(foci(&scene).arg("inspect").arg(&study));
    assert!(line.contains("\tCT\t24\t40x48x24\t6.500x5.500x9.000\tok"), "{line}");

    let (json, _) = succeed(foci(&scene).args(["inspect", "--json"]).arg(&study));
    let json: Value = serde_json::from_str(&json).unwrap();
    let geometry = &json["studies"][0]["series"][0]["geometry"];
    assert_eq!(geometry["slices"], 24);
    // Slices of a sagittal series follow each other towards the right.
    assert_eq!(geometry["axes_lps"][2], serde_json::json!([-1.0, 0.0, 0.0]));
    assert_eq!(geometry["spacing_mm"], serde_json::json!({"i": 6.5, "j": 5.5, "k": 9.0}));
}

#[test]
fn a_series_with_a_gap_is_shown_with_the_reason() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    std::fs::remove_file(&common::slices(&study)[9]).unwrap();
    let (line, _) = succeed(foci(&scene).arg("inspect").arg(&study));
    assert!(line.contains("refused: ") && line.contains("1 slices are missing"), "{line}");
}

#[test]
fn nothing_of_the_patient_is_printed() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    for arguments in [&["inspect"][..], &["inspect", "--json"]] {
        let (stdout, stderr) = succeed(foci(&scene).args(arguments).arg(&study));
        for canary in ["FOCI^PHANTOM", "FOCI-PHANTOM", "Synthetic"] {
            assert!(!stdout.contains(canary) && !stderr.contains(canary), "{canary} in {stdout} {stderr}");
        }
    }
}
