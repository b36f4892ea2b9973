//! Real scans, where they are at hand: what is marked on them is found.

mod common;

use common::{Scene, foci, succeed};

/// The lung nodules that are found in the scan `name`: long axis (mm), score, centre (LPS, mm).
fn nodules(scene: &Scene, scan: &std::path::Path) -> Vec<(f64, f64, [f64; 3])> {
    let output = scene.path("results");
    let (lines, _) =
        succeed(foci(scene).arg("analyze").arg(scan).arg("-o").arg(&output).args(["--model", "lung-nodule"]));
    let number = |text: &str| text.parse::<f64>().unwrap();
    lines
        .lines()
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let centre: Vec<f64> = columns[8].split(',').map(number).collect();
            (number(columns[3]), number(columns[7]), centre.try_into().unwrap())
        })
        .collect()
}

#[track_caller]
fn check(test: &str, name: &str, place: [f64; 3], diameter_mm: f64) {
    let Some(scan) = common::real(test, name) else { return };
    if !common::models_ready(test) {
        return;
    }
    let scene = Scene::new();
    let found = nodules(&scene, &scan);
    let distance = |at: [f64; 3]| (0..3).map(|d| (at[d] - place[d]).powi(2)).sum::<f64>().sqrt();
    let hit = found.iter().find(|(_, _, at)| distance(*at) <= diameter_mm / 2.0);
    assert!(hit.is_some(), "nothing near {place:?} in {found:?}");
    assert!(found.len() <= 3, "more than two false positives: {found:?}");
}

/// Four of four readers of LIDC-IDRI marked it, about 33 mm.
#[test]
fn the_mass_of_lidc_0001_is_found() {
    check("the_mass_of_lidc_0001_is_found", "lidc/LIDC-IDRI-0001", [57.2, 84.9, -115.6], 33.0);
}

/// Seen by eye, about 16 mm, spiculated.
#[test]
fn the_nodule_of_c3n_00247_is_found() {
    check("the_nodule_of_c3n_00247_is_found", "cptac/C3N-00247", [-83.1, -192.2, -194.7], 16.0);
}

/// A head CT with a tilted gantry: refused, with the angle.
#[test]
fn a_tilted_gantry_is_refused_with_its_angle() {
    let Some(scan) = common::real("a_tilted_gantry_is_refused_with_its_angle", "ct_tilt") else { return };
    let scene = Scene::new();
    let output = foci(&scene).arg("analyze").arg(scan).arg("-o").arg(scene.path("results")).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("tilted by 18.5 degrees"), "{stderr}");
}
