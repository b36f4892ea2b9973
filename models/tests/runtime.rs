//! What is said where ONNX Runtime cannot be had. No test here ever loads one: there is one per process.

use std::path::PathBuf;

use models::{Cache, Error, Places, Runtime};

/// With nothing but `named`, finding ONNX Runtime fails and the reason holds `reason`.
#[track_caller]
fn check(named: Option<PathBuf>, reason: &str) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::at(folder.path().join("cache"));
    let places = Places { named, program: Some(folder.path().to_owned()), cache, fetch: false, cuda: false };
    let error = Runtime::find(&places, &|_| ()).unwrap_err();
    assert!(matches!(error, Error::Runtime(_)));
    assert!(error.to_string().contains(reason), "{error}");
    assert!(!folder.path().join("cache").exists(), "nothing is written");
}

#[test]
fn without_a_library_and_without_a_network_the_error_says_what_to_put_where() {
    check(None, "next to the program, or name it in FOCI_ONNXRUNTIME");
}

#[test]
fn a_named_library_that_is_not_there_is_not_replaced_by_another() {
    check(Some("nowhere/libonnxruntime.so".into()), "FOCI_ONNXRUNTIME names no libonnxruntime");
}

#[test]
fn a_text_file_is_no_library() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libonnxruntime.so.1");
    std::fs::write(&library, "no library").unwrap();
    check(Some(library), "is no library for this machine");
    check(Some(folder.path().to_owned()), "is no library for this machine");
}
