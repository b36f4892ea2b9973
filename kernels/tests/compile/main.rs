//! The CUDA sources through CUDA's own compilers, which need no GPU: every one compiles for every
//! architecture with NVRTC 12 and 13, no kernel spills or outgrows its budget, and the PTX in the
//! repository (`kernels/ptx`, for machines without NVRTC) is that of the sources.
//!
//! After a change to a `.cu`, write PTX and budget anew, and look at the difference:
//!
//!     FOCI_WRITE_PTX=1 cargo test -p kernels --test compile
//!
//! A new `.cu` is named in the table in `src/gpu/code.rs` and needs an empty `.ptx` to begin with.

mod compilers;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use compilers::{Compilers, Used};
use kernels::gpu::{Gpu, Source, sources};
use rayon::prelude::*;

/// Compute capabilities 7.0 to 10.0. CUDA 13 begins with 7.5.
const ARCHITECTURES: [(u32, u32); 7] = [(7, 0), (7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (10, 0)];

/// The PTX version that compute capability 7.0 came with, in CUDA 9. A driver refuses PTX of a version
/// later than its own, and NVRTC names its own version whatever the code needs.
const PTX_VERSION: &str = "6.0";

const AGAIN: &str = "FOCI_WRITE_PTX=1 cargo test -p kernels --test compile writes it anew";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ptx")
}

fn writing() -> bool {
    std::env::var_os("FOCI_WRITE_PTX").is_some()
}

/// The compilers; `None`, after saying so, where they are not installed and not required.
fn compilers(test: &str) -> Option<[Compilers; 2]> {
    Compilers::find()
        .inspect_err(|missing| {
            let asked = std::env::var("FOCI_REQUIRE").unwrap_or_default();
            let required = asked.split(',').any(|word| word == "peers" || word == "all");
            assert!(!required, "{test}: FOCI_REQUIRE asks for peers, and {missing}");
            // To the handle itself: what a passing test prints with a macro is held back.
            let text = format!("skipped: {test}: {missing}\n");
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        })
        .ok()
}

#[test]
fn every_kernel_compiles_everywhere_does_not_spill_and_keeps_to_its_budget() {
    let Some(compilers) =
        compilers("every_kernel_compiles_everywhere_does_not_spill_and_keeps_to_its_budget")
    else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    assert_eq!(compilers.each_ref().map(|cuda| cuda.architectures().count()), [7, 6]);
    let jobs: Vec<(&Compilers, (u32, u32), &Source)> = compilers
        .iter()
        .flat_map(|cuda| cuda.architectures().map(move |arch| (cuda, arch)))
        .flat_map(|(cuda, arch)| sources().iter().map(move |source| (cuda, arch, source)))
        .collect();
    let kernels: Vec<(String, Used)> = jobs
        .par_iter()
        .flat_map_iter(|(cuda, arch, source)| {
            let (version, (major, minor)) = (cuda.nvrtc.version().0, arch);
            let what = format!("{}.cu by CUDA {version} for {major}.{minor}", source.name);
            let ptx = cuda.nvrtc.ptx(source, *arch).unwrap_or_else(|error| panic!("{what}: {error}"));
            let file = place.path().join(format!("{}.{version}.{major}{minor}.ptx", source.name));
            std::fs::write(&file, ptx).unwrap();
            let found = cuda.assemble(&file, *arch).unwrap_or_else(|error| panic!("{what}: {error}"));
            for (kernel, used) in &found {
                assert_eq!(used.spilled, 0, "{what}: bytes that {kernel} spills");
            }
            assert!(found.iter().map(|(kernel, _)| &**kernel).eq(sorted(source.kernels())), "{what}");
            found
        })
        .collect();

    let mut most: BTreeMap<&str, Used> = BTreeMap::new();
    for (kernel, used) in &kernels {
        let so_far = most.entry(kernel).or_default();
        *so_far = so_far.most(*used);
    }
    let mut found =
        "# What each kernel takes at most, over CUDA 12 and 13 and every architecture. None spills.\n\
                     # kernel, registers a thread, bytes of shared memory a block, bytes of stack a thread\n"
            .to_owned();
    for (kernel, used) in most {
        writeln!(found, "{kernel} {} {} {}", used.registers, used.shared, used.stack).unwrap();
    }
    same(&folder().join("budget.txt"), &found);
}

#[test]
fn the_ptx_in_the_repository_is_that_of_the_sources() {
    let Some([cuda, _]) = compilers("the_ptx_in_the_repository_is_that_of_the_sources") else { return };
    for source in sources() {
        let ptx = cuda.nvrtc.ptx(source, Gpu::OLDEST).unwrap_or_else(|error| panic!("{error}"));
        same(&folder().join(format!("{}.ptx", source.name)), &shipped(&ptx));
    }
    for file in std::fs::read_dir(folder()).unwrap().flatten().map(|entry| entry.path()) {
        let name = file.file_stem().unwrap().to_string_lossy();
        let known = name == "budget" || sources().iter().any(|source| source.name == name);
        assert!(known, "{} is the PTX of no source", file.display());
    }
}

/// What a driver does with it, short of running it: an older one for the device that it was written for, a newer one
/// for all that are later.
#[test]
fn the_ptx_in_the_repository_serves_every_architecture() {
    let Some([older, newer]) = compilers("the_ptx_in_the_repository_serves_every_architecture") else {
        return;
    };
    if writing() {
        return;
    }
    let drivers: Vec<_> =
        newer.architectures().map(|arch| (&newer, arch)).chain([(&older, Gpu::OLDEST)]).collect();
    sources().par_iter().for_each(|source| {
        let file = folder().join(format!("{}.ptx", source.name));
        for (driver, arch) in &drivers {
            let found = driver.assemble(&file, *arch).unwrap_or_else(|why| panic!("{}: {why}", source.name));
            assert_eq!(found.len(), source.kernels().count(), "{} for {arch:?}", source.name);
        }
    });
}

/// A `.cu` that is not in the table would never be compiled.
#[test]
fn every_cuda_file_is_in_the_table() {
    let (mut folders, mut files) = (vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()) {
            match entry.extension() {
                _ if entry.is_dir() => folders.push(entry),
                Some(extension) if extension == "cu" => {
                    files.push(entry.file_stem().unwrap().to_string_lossy().into_owned());
                }
                _ => {}
            }
        }
    }
    files.sort();
    assert!(files.iter().eq(sorted(sources().iter().map(|source| source.name)).iter()), "{files:?}");
}

/// PTX without comments, of the oldest version that has what it says.
fn shipped(ptx: &str) -> String {
    let mut text = String::new();
    for line in ptx.lines() {
        let line = line.split("//").next().unwrap_or_default().trim();
        match line.starts_with(".version ") {
            true => writeln!(text, ".version {PTX_VERSION}").unwrap(),
            false if line.is_empty() => {}
            false => writeln!(text, "{line}").unwrap(),
        }
    }
    text
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort();
    names
}

/// The file holds `found`; or gets to hold it, where that was asked for.
#[track_caller]
fn same(file: &Path, found: &str) {
    if writing() {
        return std::fs::write(file, found).unwrap();
    }
    let held = std::fs::read_to_string(file).unwrap_or_default();
    let (held, found): (Vec<&str>, Vec<&str>) = (held.lines().collect(), found.lines().collect());
    let differ = held.len() != found.len() || held != found;
    if differ {
        let gone = held.iter().filter(|line| !found.contains(line)).take(10);
        let new = found.iter().filter(|line| !held.contains(line)).take(10);
        let lines: Vec<String> =
            gone.map(|line| format!("- {line}")).chain(new.map(|line| format!("+ {line}"))).collect();
        panic!("{} is out of date; {AGAIN}\n{}", file.display(), lines.join("\n"));
    }
}
