//! A device for tests: a real GPU where there is one, else a CUDA driver that runs the same kernels on the CPU.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use kernels::Device;
use kernels::gpu::{Gpu, Options, prelude, sources};
use libloading::Library;

/// The device that twins are tested on; `None`, and a word about it, where neither a GPU nor a C++ compiler is
/// there. With `gpu` in `FOCI_REQUIRE` it is a real one or the test fails.
pub(crate) fn device(test: &str) -> Option<Device> {
    static DEVICE: OnceLock<Result<Gpu, String>> = OnceLock::new();
    let opened = DEVICE.get_or_init(|| {
        if !has_gpu() {
            assert!(!requires("gpu"), "FOCI_REQUIRE names gpu, and there is none here");
            emulate()?;
        }
        Gpu::open(Options::default()).map_err(|error| error.to_string())
    });
    match opened {
        Ok(gpu) => Some(Device::Cuda(gpu.clone())),
        Err(missing) if requires("peers") || requires("all") => panic!("{missing}"),
        Err(missing) => {
            eprintln!("skipped: {test}: {missing}");
            None
        }
    }
}

fn requires(what: &str) -> bool {
    env::var("FOCI_REQUIRE").is_ok_and(|list| list.split(',').any(|item| item.trim() == what))
}

/// Asked without cudarc, which would keep the real driver loaded.
fn has_gpu() -> bool {
    // SAFETY: the driver's initialisers have no preconditions.
    let Ok(driver) = (unsafe { Library::new("libcuda.so.1") }) else { return false };
    let mut count = 0_i32;
    // SAFETY: the signatures are those of cuda.h, and the pointer is to an int.
    unsafe {
        let init = driver.get::<unsafe extern "C" fn(u32) -> i32>(b"cuInit");
        let get = driver.get::<unsafe extern "C" fn(*mut i32) -> i32>(b"cuDeviceGetCount");
        matches!((init, get), (Ok(init), Ok(get)) if init(0) == 0 && get(&raw mut count) == 0) && count > 0
    }
}

/// Compiles the kernels and the emulated driver, and loads the library under the driver's name.
fn emulate() -> Result<(), String> {
    let library = build().map_err(|problem| format!("an emulated GPU: {problem}"))?;
    // SAFETY: its initialisers only register kernels.
    let loaded = unsafe { Library::new(&library) }.map_err(|error| error.to_string())?;
    // From now on whoever asks for libcuda.so gets this one, by the name that is written in it.
    std::mem::forget(loaded);
    Ok(())
}

/// The library, which is compiled anew when a source has changed. A program that is started with its folder in
/// `LD_LIBRARY_PATH` takes it for the driver.
pub(crate) fn build() -> Result<PathBuf, String> {
    // Other crates' tests include this file too.
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernels/tests/emulator");
    let shim = fs::read_to_string(here.join("shim.h")).map_err(|e| e.to_string())?;
    let driver = fs::read_to_string(here.join("driver.cpp")).map_err(|e| e.to_string())?;
    let texts: Vec<(String, String)> = sources()
        .iter()
        .map(|source| {
            let has_barrier = source.text.contains("__syncthreads");
            let mut text = format!("#include \"shim.h\"\n{}", source.whole());
            for kernel in source.kernels() {
                writeln!(text, "FOCI_KERNEL({kernel}, {has_barrier});").expect("strings take everything");
            }
            (format!("{}.cpp", source.name), text)
        })
        .chain([("shim.h".into(), shim), ("driver.cpp".into(), driver)])
        .collect();
    let hash =
        texts.iter().flat_map(|(name, text)| name.bytes().chain(text.bytes())).chain(prelude().bytes());
    let hash = hash.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("emulator-{hash:016x}"));
    let library = folder.join("libcuda.so");
    if library.exists() {
        return Ok(library);
    }
    let work = tempfile_in(&folder.with_extension(std::process::id().to_string()))?;
    for (name, text) in &texts {
        fs::write(work.join(name), text).map_err(|e| e.to_string())?;
    }
    // `cc` finds the compiler; it is told what a build script would know.
    let target = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let compiler = cc::Build::new()
        .cpp(true)
        .cargo_metadata(false)
        .warnings(false)
        .opt_level(2)
        .host(&target)
        .target(&target)
        .out_dir(&work)
        .try_get_compiler()
        .map_err(|error| error.to_string())?;
    let made: Vec<_> = texts
        .iter()
        .filter(|(name, _)| name.ends_with(".cpp"))
        .map(|(name, _)| {
            let object = work.join(name).with_extension("o");
            let started = compiler
                .to_command()
                .current_dir(&work)
                .args([
                    "-std=c++14",
                    "-ffp-contract=off",
                    "-fPIC",
                    "-fno-strict-aliasing",
                    "-w",
                    "-c",
                    name,
                    "-o",
                ])
                .arg(&object)
                .spawn();
            (object, started)
        })
        .collect();
    let mut objects = Vec::new();
    for (object, started) in made {
        let ended = started.and_then(|mut child| child.wait()).map_err(|error| error.to_string())?;
        // A kernel that is no C++ is a mistake, not something missing.
        assert!(ended.success(), "{} does not compile as C++", object.display());
        objects.push(object);
    }
    let linked = Command::new(compiler.path())
        .args(["-shared", "-Wl,-soname,libcuda.so", "-o"])
        .arg(work.join("libcuda.so"))
        .args(&objects)
        .status()
        .map_err(|error| error.to_string())?;
    assert!(linked.success(), "the emulated driver does not link");
    // Another test program may have been quicker.
    if fs::rename(&work, &folder).is_err() && !library.exists() {
        return Err(format!("{} cannot be made", folder.display()));
    }
    Ok(library)
}

fn tempfile_in(folder: &Path) -> Result<PathBuf, String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    Ok(folder.to_owned())
}
