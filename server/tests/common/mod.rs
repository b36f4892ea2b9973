//! A folder for each test, the program as its user runs it, and what a test needs from outside.

#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod certificates;
pub(crate) mod chat;
pub(crate) mod dimse;
pub(crate) mod element;
pub(crate) mod filled;
pub(crate) mod kept;
pub(crate) mod node;
pub(crate) mod web;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A folder that is gone after the test.
pub(crate) struct Scene {
    folder: TempDir,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A place in the folder; nothing is made there.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new folder in the folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// The names of all that is in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// A small synthetic study: 20 slices of 48 x 40, and whatever `more` asks for.
    pub(crate) fn phantom(&self, more: &[&str]) -> PathBuf {
        let study = self.path("study");
        let small = ["--size", "48x40x20", "--spacing", "7x7x14", "--noise", "5"];
        let mut command = foci(self);
        command.arg("phantom").arg(&study);
        if !more.contains(&"--size") {
            command.args(small);
        }
        succeed(command.args(more));
        study
    }
}

/// The program, which keeps what it fetches where it always does.
pub(crate) fn foci(scene: &Scene) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foci"));
    command.current_dir(scene.folder.path());
    command
}

/// Runs `command`, which must succeed; its stdout and stderr.
#[track_caller]
pub(crate) fn succeed(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{command:?}: {stderr}");
    (stdout, stderr)
}

/// The DICOM files of a phantom, sorted by name.
pub(crate) fn slices(study: &Path) -> Vec<PathBuf> {
    let mut slices: Vec<_> = fs::read_dir(study)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "dcm"))
        .collect();
    slices.sort();
    slices
}

/// Whether `FOCI_REQUIRE` names `gate`; `all` is everything that can be installed, so neither real data nor
/// a GPU.
pub(crate) fn required(gate: &str) -> bool {
    let asked = std::env::var("FOCI_REQUIRE").unwrap_or_default();
    let installable = matches!(gate, "peers" | "models" | "viewer");
    asked.split(',').any(|name| name == gate || (name == "all" && installable))
}

/// Whether `FOCI_FULL` asks for the large numbers.
pub(crate) fn full() -> bool {
    std::env::var_os("FOCI_FULL").is_some()
}

/// Numbers that look random and are the same in every run (xorshift); begins with any number but 0.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Says that `test` is skipped for want of `what`, or fails if `FOCI_REQUIRE` names `gate`.
#[track_caller]
pub(crate) fn skip(test: &str, gate: &str, what: &str) {
    assert!(!required(gate), "{test}: FOCI_REQUIRE asks for {gate}, and {what}");
    // To the handle itself: what a passing test prints with a macro is held back.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped: {test}: {what}\n"));
}

/// Whether runtime and weights are there, fetching them if need be.
pub(crate) fn models_ready(test: &str) -> bool {
    let scene = Scene::new();
    let fetched = foci(&scene).args(["models", "--fetch"]).output().unwrap();
    if !fetched.status.success() {
        let said = String::from_utf8_lossy(&fetched.stderr).trim().to_owned();
        skip(test, "models", &format!("runtime or weights could not be had: {said}"));
    }
    fetched.status.success()
}

/// Where the program keeps what it fetches.
pub(crate) fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("FOCI_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("foci")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/foci")))
        .expect("a home")
}

/// Fills `folder` with links to everything in the program's cache.
pub(crate) fn link_cache(folder: &Path) {
    for entry in fs::read_dir(cache()).unwrap().flatten() {
        std::os::unix::fs::symlink(entry.path(), folder.join(entry.file_name())).unwrap();
    }
}

/// The folder of the programs that output is held against; `None` if they are not installed.
pub(crate) fn peers(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("FOCI_PEERS").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/foci-peers"));
    let found = named.or(home).filter(|folder| folder.join("bin/python").exists());
    if found.is_none() {
        skip(test, "peers", "what .ci/peers installs is not there: run it");
    }
    found
}

/// Whether all these programs are there, by their paths; otherwise the test is skipped by name, or fails.
#[track_caller]
pub(crate) fn installed(test: &str, programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| !Path::new(program).exists());
    if let Some(missing) = missing {
        skip(test, "peers", &format!("{missing} is not installed: run .ci/peers"));
    }
    missing.is_none()
}

/// A real scan, where there is one: `name` below `$FOCI_DATA`.
pub(crate) fn real(test: &str, name: &str) -> Option<PathBuf> {
    let named = std::env::var_os("FOCI_DATA").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/foci-data"));
    let found = named.or(home).map(|data| data.join(name)).filter(|path| path.is_dir());
    if found.is_none() {
        skip(test, "data", &format!("the real scan {name} is not there"));
    }
    found
}

/// The file `name` of this repository.
pub(crate) fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

/// A slice of a phantom that says of itself to be RGB.
pub(crate) fn recoloured(slice: &[u8]) -> Vec<u8> {
    // Of the same length, so that nothing else in the file changes.
    replaced(slice, b"MONOCHROME2 ", b"RGB         ")
}

/// A slice of a phantom whose Image Position (0020,0032) is a private tag instead.
pub(crate) fn without_position(slice: &[u8]) -> Vec<u8> {
    replaced(slice, &[0x20, 0x00, 0x32, 0x00, b'D', b'S'], &[0x20, 0x00, 0x31, 0x00, b'D', b'S'])
}

/// `bytes` with `to` where it first has `from`, which must be as long.
pub(crate) fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from).expect("a phantom has it");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

/// A file system of a few kilobytes, taken away at the end.
pub(crate) struct SmallDisk {
    place: PathBuf,
}

impl SmallDisk {
    /// Mounts it at `place`; `None`, with the name of the test, where one may not.
    pub(crate) fn mount(place: &Path, size: &str, test: &str) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "foci-test"])
            .arg(place)
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self { place: place.to_owned() });
        }
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("skipped: {test}: a small file system cannot be mounted here (it needs root)\n"),
        );
        None
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.place).status();
    }
}
