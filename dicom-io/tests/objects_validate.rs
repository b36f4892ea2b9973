//! Other people's programs accept what is written here.

mod objects;

use std::path::{Path, PathBuf};
use std::process::Command;

use dicom_io::object::NewSeries;
use dicom_io::sc::SecondaryCapture;
use dicom_io::sr::Language;
use ndarray::Array3;
use objects::{AXIAL, OBLIQUE, Scan};

/// The folder of the peers, or `None` where they are not installed and not required.
fn peers(test: &str) -> Option<PathBuf> {
    let default = || std::env::home_dir().unwrap_or_default().join(".cache/foci-peers");
    let folder = std::env::var_os("FOCI_PEERS").map_or_else(default, PathBuf::from);
    if folder.join("bin/dciodvfy").exists() {
        return Some(folder);
    }
    let required = std::env::var("FOCI_REQUIRE").unwrap_or_default();
    let named = required.split(',').any(|word| word == "peers" || word == "all");
    assert!(!named, "FOCI_REQUIRE asks for the validators, and they are not there: run .ci/peers");
    eprintln!("skipped: {test}: the validators (run .ci/peers)");
    None
}

/// Whether `.ci/validate` accepts `files`, and what it said.
fn validate(files: &[PathBuf]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/validate");
    let output = Command::new(script).args(files).output().expect("python3 runs .ci/validate");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.code().is_some_and(|code| code < 2), "{said}");
    (output.status.success(), said)
}

/// Everything that an analysis of `scan` writes, as files in `folder`.
fn write_all(scan: &Scan, folder: &Path) -> Vec<PathBuf> {
    std::fs::create_dir(folder).unwrap();
    let masks = scan.masks();
    let segmentation = scan.segmentation(&masks);
    let picture = Array3::from_shape_fn((33, 47, 3), |(j, i, c)| (j * 5 + i * 3 + c * 40) as u8);
    let capture = SecondaryCapture {
        series: NewSeries { number: 9004, description: "Foci key images".into() },
        number: 1,
        description: "Slice 4, outline of Nodule 1".into(),
        slices: vec![3],
        pixels: picture.view(),
    };
    let objects = [
        ("seg", segmentation.clone()),
        ("sr-en", scan.report(Language::English, &segmentation)),
        ("sr-zh", scan.report(Language::Chinese, &segmentation)),
        ("sr-none", scan.empty_report()),
        ("sc", capture.to_object(&scan.context())),
    ];
    let mut files = scan.write(folder);
    for (name, object) in objects {
        let path = folder.join(format!("{name}.dcm"));
        object.write(&path).unwrap();
        files.push(path);
    }
    files
}

#[test]
fn every_object_passes_every_validator() {
    if peers("every_object_passes_every_validator").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut files = write_all(&Scan::new("axial", AXIAL, &[]), &folder.path().join("axial"));
    files.extend(write_all(&Scan::new("oblique", OBLIQUE, &[]), &folder.path().join("oblique")));
    let (accepted, said) = validate(&files);
    assert!(accepted, "{said}");
    println!("{said}");
}
