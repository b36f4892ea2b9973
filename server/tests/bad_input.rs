//! What cannot be done is said in one clear sentence, with exit code 1, and nothing half-written is left.

mod common;

use std::fs;
use std::path::Path;

use common::{Scene, foci};

/// `foci` with `arguments` fails with exit code 1 and one line on stderr that holds every one of `says`.
#[track_caller]
fn refused(scene: &Scene, arguments: &[&str], says: &[&str]) -> String {
    let output = foci(scene).args(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("foci: ")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    for word in says {
        assert!(errors[0].contains(word), "{word:?} is not in {stderr:?}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
    errors[0].to_owned()
}

/// Analysing `input` is refused, and no output folder nor part of one is left.
#[track_caller]
fn not_analysed(scene: &Scene, input: &Path, says: &[&str]) {
    let output = scene.path("results");
    let before = scene.names();
    refused(scene, &["analyze", input.to_str().unwrap(), "-o", output.to_str().unwrap()], says);
    assert_eq!(scene.names(), before, "something was left behind");
}

#[test]
fn an_empty_folder_holds_no_image() {
    let scene = Scene::new();
    let folder = scene.folder("empty");
    not_analysed(&scene, &folder, &["no DICOM image"]);
}

#[test]
fn a_place_that_does_not_exist_cannot_be_read() {
    let scene = Scene::new();
    not_analysed(&scene, &scene.path("nowhere"), &["cannot read"]);
}

#[test]
fn a_text_file_is_no_image() {
    let scene = Scene::new();
    let file = scene.path("notes.txt");
    fs::write(&file, "not an image").unwrap();
    not_analysed(&scene, &file, &["no DICOM image"]);
}

#[test]
fn a_truncated_slice_is_named_and_nothing_is_analysed() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    let slice = common::slices(&study).remove(3);
    let bytes = fs::read(&slice).unwrap();
    fs::write(&slice, &bytes[..bytes.len() - 100]).unwrap();
    // Whether the file is left out (a gap) or refused by name, the series is not read as if it were whole.
    let output = scene.path("results");
    let said = refused(&scene, &["analyze", study.to_str().unwrap(), "-o", output.to_str().unwrap()], &[]);
    assert!(said.contains("missing") || said.contains("bytes of pixel data"), "{said}");
    assert!(!output.exists());
}

#[test]
fn a_lone_slice_is_no_volume() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    let slice = common::slices(&study).remove(0);
    not_analysed(&scene, &slice, &["slices", "needed"]);
}

#[test]
fn missing_slices_are_counted() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    for slice in common::slices(&study).drain(5..8) {
        fs::remove_file(slice).unwrap();
    }
    not_analysed(&scene, &study, &["3 slices are missing"]);
}

#[test]
fn a_colour_image_is_refused_by_its_uid() {
    let scene = Scene::new();
    let folder = scene.folder("colour");
    for (number, slice) in common::slices(&scene.phantom(&[])).into_iter().enumerate() {
        let bytes = fs::read(slice).unwrap();
        fs::write(folder.join(number.to_string()), common::recoloured(&bytes)).unwrap();
    }
    not_analysed(&scene, &folder, &["RGB"]);
}

#[test]
fn a_series_without_positions_is_refused() {
    let scene = Scene::new();
    let folder = scene.folder("nowhere");
    for (number, slice) in common::slices(&scene.phantom(&[])).into_iter().enumerate() {
        let bytes = fs::read(slice).unwrap();
        fs::write(folder.join(number.to_string()), common::without_position(&bytes)).unwrap();
    }
    not_analysed(&scene, &folder, &["Image Position"]);
}

#[test]
fn a_model_that_does_not_exist_is_named_with_those_that_do() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    let output = scene.path("results");
    refused(
        &scene,
        &["analyze", study.to_str().unwrap(), "-o", output.to_str().unwrap(), "--model", "brain"],
        &["brain", "lung-nodule", "liver-lesion"],
    );
    assert!(!output.exists());
}

#[test]
fn an_output_folder_with_something_in_it_is_left_alone() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    let output = scene.folder("results");
    fs::write(output.join("mine.txt"), "mine").unwrap();
    refused(
        &scene,
        &["analyze", study.to_str().unwrap(), "-o", output.to_str().unwrap()],
        &["exists and is not empty"],
    );
    assert_eq!(fs::read_to_string(output.join("mine.txt")).unwrap(), "mine");
    assert_eq!(fs::read_dir(&output).unwrap().count(), 1);
}

#[test]
fn without_runtime_and_network_the_message_says_what_to_put_where() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    let output = scene.path("results");
    let cache = scene.folder("cache");
    let run = foci(&scene)
        .args(["analyze", study.to_str().unwrap(), "-o", output.to_str().unwrap()])
        .env("FOCI_CACHE", &cache)
        .env_remove("FOCI_ONNXRUNTIME")
        // No package client is found: the same as no network, but at once.
        .env("PATH", scene.folder("no-programs"))
        .output()
        .unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{stderr}");
    for word in ["ONNX Runtime", "FOCI_ONNXRUNTIME", "next to the program"] {
        assert!(stderr.contains(word), "{word:?} is not in {stderr:?}");
    }
    assert!(!output.exists());
}

#[test]
fn weights_with_the_wrong_hash_are_not_run() {
    if !common::models_ready("weights_with_the_wrong_hash_are_not_run") {
        return;
    }
    let scene = Scene::new();
    let cache = scene.folder("cache");
    common::link_cache(&cache);
    for entry in fs::read_dir(&cache).unwrap().flatten() {
        if entry.path().extension().is_some_and(|end| end == "onnx") {
            fs::remove_file(entry.path()).unwrap();
            fs::write(entry.path(), "not these weights").unwrap();
        }
    }
    let run = foci(&scene).args(["models", "--verify"]).env("FOCI_CACHE", &cache).output().unwrap();
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("liver (wrong)") && stderr.contains("liver-lesion (wrong)"), "{stderr}");
    let check = foci(&scene).arg("check").env("FOCI_CACHE", &cache).output().unwrap();
    assert_eq!(check.status.code(), Some(1));
    assert!(String::from_utf8(check.stdout).unwrap().contains("wrong   liver"));
}

#[test]
fn wrong_usage_exits_with_2() {
    let scene = Scene::new();
    for arguments in [&["analyze"][..], &["analyse"], &["convert", "x"], &["demo", "--seed", "seven"]] {
        let output = foci(&scene).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_leaves_no_results_behind() {
    let scene = Scene::new();
    let disk = scene.folder("disk");
    let Some(_mounted) = common::SmallDisk::mount(&disk, "48k", "a_full_disk_leaves_no_results_behind")
    else {
        return;
    };
    let study = scene.phantom(&[]);
    let file = disk.join("volume.nii");
    refused(
        &scene,
        &["convert", study.to_str().unwrap(), "-o", file.to_str().unwrap()],
        &["No space left on device"],
    );
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0, "half a file was left behind");
    let phantom = disk.join("phantom");
    refused(&scene, &["phantom", phantom.to_str().unwrap()], &["No space left on device"]);
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 0, "half a phantom was left behind");
}
