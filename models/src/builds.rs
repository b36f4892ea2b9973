//! The builds of ONNX Runtime that can be fetched, and what is taken out of them.
//!
//! Which build is fetched and why: `docs/adr/0002-onnx-runtime.md`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::Progress;
use crate::error::Error;
use crate::fetch::{self, Package};
use crate::runtime::{LIBRARY, Places, VARIABLE, library_in};

/// A build of ONNX Runtime that can be fetched.
pub(crate) struct Build {
    package: Package,
    /// The folder of the shared libraries in the package.
    folder: &'static str,
    registry: Registry,
}

enum Registry {
    PyPi,
    Npm,
}

impl Build {
    /// The builds for this kind of machine, the better one first; none where nobody has tried: there the
    /// operator puts the library in its place. With `cuda` those that compute on a CUDA device.
    pub(crate) fn of_this_machine(cuda: bool) -> Vec<Self> {
        let build = |registry, name: &str, version: &str, platform, folder, bytes, sha256: &str| Self {
            package: Package {
                name: name.to_owned(),
                version: version.to_owned(),
                platform: Option::map(platform, str::to_owned),
                bytes,
                sha256: sha256.to_owned(),
            },
            folder,
            registry,
        };
        let npm = |folder| {
            let hash = "6e3390d6b783e7be946fad629292799da28d0b42f84856e50d2c1b0383291e75";
            build(Registry::Npm, "onnxruntime-node", "1.30.0", None, folder, 113_507_888, hash)
        };
        match (std::env::consts::OS, std::env::consts::ARCH) {
            // The last version for CUDA 12, which older drivers and Volta can do; 1.27 wants CUDA 13.
            ("linux", "x86_64") if cuda => {
                let hash = "eb0e38f0c1ef3b76ae0081c8e51eed20dd8925aa916f0fc6f9b8b17d05610e99";
                let (name, platform) = ("onnxruntime-gpu", Some("manylinux_2_28_x86_64"));
                vec![build(Registry::PyPi, name, "1.24.4", platform, "onnxruntime/capi", 252_765_531, hash)]
            }
            _ if cuda => Vec::new(),
            ("linux", "x86_64") => {
                let hash = "d617fac2f59a6ab5ea59a788c3e1592240a129642519aaeaa774761dfe35150e";
                let (name, platform) = ("onnxruntime-openvino", Some("manylinux_2_28_x86_64"));
                let wheel =
                    build(Registry::PyPi, name, "1.24.1", platform, "onnxruntime/capi", 84_433_207, hash);
                vec![wheel, npm("package/bin/napi-v6/linux/x64")]
            }
            ("linux", "aarch64") => {
                let hash = "0b9a492176886992e0e875f06bc0367e333f5fff11711a2d642e18b02f3009cc";
                let (name, platform) = ("onnxruntime", Some("manylinux_2_28_aarch64"));
                let wheel =
                    build(Registry::PyPi, name, "1.31.1", platform, "onnxruntime/capi", 21_420_803, hash);
                vec![wheel, npm("package/bin/napi-v6/linux/arm64")]
            }
            _ => Vec::new(),
        }
    }

    /// The name of its folder in the cache.
    pub(crate) fn entry(&self) -> String {
        format!("{}-{}", self.package.name, self.package.version)
    }

    /// Fetches it into `scratch` and returns the folder of the libraries.
    fn fetch(&self, scratch: &Path, progress: &dyn Fn(Progress<'_>)) -> Result<PathBuf, Error> {
        match self.registry {
            Registry::PyPi => {
                let wheel = fetch::wheel(&self.package, scratch, progress).map_err(Error::Runtime)?;
                unzip(&wheel, self.folder, &scratch.join("libraries"))
            }
            Registry::Npm => {
                let tarball = fetch::tarball(&self.package, scratch, progress).map_err(Error::Runtime)?;
                untar(&tarball, self, &scratch.join("libraries"))
            }
        }
    }
}

/// Fetches the best build there is, and returns the library.
pub(crate) fn fetch_into(places: &Places, progress: &dyn Fn(Progress<'_>)) -> Result<PathBuf, Error> {
    let Places { cache, cuda, .. } = places;
    let by_hand = |why: &str| {
        let other = if *cuda { ", or compute on the CPU (--device cpu)" } else { "" };
        Error::Runtime(format!(
            "{why}; put the file {LIBRARY} of ONNX Runtime 1.{} or later next to the program, or name it in \
             {VARIABLE}{other}",
            ort::MINOR_VERSION
        ))
    };
    let builds = if places.fetch { Build::of_this_machine(*cuda) } else { Vec::new() };
    if builds.is_empty() {
        let kind = if *cuda { "a build with CUDA is not installed" } else { "it is not installed" };
        return Err(by_hand(kind));
    }
    let mut problems = Vec::new();
    for build in builds {
        match cache.ensure(&build.entry(), |scratch| build.fetch(scratch, progress)) {
            Ok(folder) => {
                let broken =
                    || by_hand(&format!("{} holds no library; delete it from the cache", build.entry()));
                return library_in(&folder).ok_or_else(broken);
            }
            Err(Error::Runtime(problem)) => problems.push(problem),
            Err(other) => return Err(other),
        }
    }
    Err(by_hand(&format!("it is not installed and cannot be fetched ({})", problems.join("; "))))
}

/// Takes the shared libraries that are needed out of the folder of the wheel.
pub(crate) fn unzip(wheel: &Path, folder: &str, into: &Path) -> Result<PathBuf, Error> {
    fs::create_dir(into).map_err(Error::Cache)?;
    let broken = |e: zip::result::ZipError| Error::Runtime(format!("the wheel cannot be read: {e}"));
    let mut archive = zip::ZipArchive::new(File::open(wheel).map_err(Error::Cache)?).map_err(broken)?;
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).map_err(broken)?;
        let path = member.name().map_err(broken)?.into_owned();
        if let Some(name) =
            path.strip_prefix(folder).and_then(|name| name.strip_prefix('/')).filter(|name| is_needed(name))
        {
            let mut file = File::create(into.join(name)).map_err(Error::Cache)?;
            io::copy(&mut member, &mut file).map_err(Error::Cache)?;
        }
    }
    Ok(into.to_owned())
}

/// Whether ONNX Runtime loads this library when it computes as we want it to.
///
/// A wheel cannot hold links, so it holds the same library under several names; what is loaded is the
/// name that another library asks for.
fn is_needed(name: &str) -> bool {
    const FIRST: [&str; 10] = [
        "libonnxruntime.so.",
        "libonnxruntime_providers_shared",
        "libonnxruntime_providers_openvino",
        "libonnxruntime_providers_cuda",
        // NVIDIA's: cuDNN, cuBLAS, cuFFT, cuRAND and CUDA's run time, and NVRTC.
        "libcu",
        "libnvrtc",
        "libopenvino.so.2541",
        "libopenvino_onnx_frontend.so.2541",
        "libopenvino_intel_cpu_plugin.so",
        "libtbb.so.12",
    ];
    FIRST.iter().any(|first| name.starts_with(first))
}

/// Takes the shared library out of the npm package into `into`, under a name with its version.
fn untar(tarball: &Path, package: &Build, into: &Path) -> Result<PathBuf, Error> {
    let scratch = tarball.parent().expect("a file lies in a folder");
    let mut command = Command::new("tar");
    command.arg("-xzf").arg(tarball).arg(package.folder).current_dir(scratch);
    match command.stdin(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => {}
        Ok(_) => return Err(Error::Runtime("tar could not unpack the npm package".to_owned())),
        Err(_) => {
            return Err(Error::Runtime("tar, which unpacks the npm package, is not installed".to_owned()));
        }
    }
    let library = library_in(&scratch.join(package.folder));
    let library = library.ok_or_else(|| Error::Runtime("the npm package holds no library".to_owned()))?;
    fs::create_dir(into).map_err(Error::Cache)?;
    fs::rename(library, into.join(format!("{LIBRARY}.{}", package.package.version))).map_err(Error::Cache)?;
    Ok(into.to_owned())
}
