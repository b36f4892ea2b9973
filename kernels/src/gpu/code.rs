//! The kernels' sources, and how they become code that the device runs.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaModule};
use cudarc::nvrtc::Ptx;

use super::nvrtc::Nvrtc;
use super::{GpuInfo, Options, refused};
use crate::Error;

/// One `.cu` file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Its name without `.cu`.
    pub name: &'static str,
    /// What it says, without the [`prelude`].
    pub text: &'static str,
    /// PTX that was compiled ahead for [`super::Gpu::OLDEST`], which newer devices can translate.
    pub ptx: &'static str,
}

impl Source {
    /// The names of its kernels, in its order.
    pub fn kernels(&self) -> impl Iterator<Item = &'static str> {
        self.text
            .split("extern \"C\" __global__ void ")
            .skip(1)
            .filter_map(|rest| rest.split('(').next())
            .map(str::trim)
    }

    /// The whole text that a compiler gets.
    pub fn whole(&self) -> String {
        format!("{}\n#line 1 \"{}.cu\"\n{}", prelude(), self.name, self.text)
    }
}

/// What stands before every source: names and conversions that all of them share.
pub fn prelude() -> &'static str {
    include_str!("prelude.cuh")
}

macro_rules! sources {
    ($($name:literal in $folder:literal),* $(,)?) => {
        /// Every source, in the order of their names.
        pub fn sources() -> &'static [Source] {
            &[$(Source {
                name: $name,
                text: include_str!(concat!("../", $folder, $name, ".cu")),
                ptx: include_str!(concat!("../../ptx/", $name, ".ptx")),
            }),*]
        }
    };
}
sources![
    "bits" in "bits/",
    "blend" in "blend/",
    "cast" in "",
    "components" in "components/",
    "decide" in "",
    "keep" in "",
    "labels" in "resample/",
    "mask" in "",
    "measure" in "",
    "median" in "",
    "morphology" in "morphology/",
    "nms" in "",
    "peaks" in "",
    "render" in "render/",
    "resample" in "resample/",
    "scan" in "components/",
    "shrink" in "",
    "spline" in "spline/",
    "statistics" in "statistics/",
    "tiles" in "tiles/",
];

/// The source of that name.
pub(super) fn find(name: &str) -> &'static Source {
    sources()
        .iter()
        .find(|source| source.name == name)
        .expect("kernels are asked for by the names in the table")
}

/// Options of the compiler besides the architecture. Without fused multiply-add, results are those of the CPU,
/// bit for bit; the kernels are bound by memory, so it costs nothing.
pub(crate) const COMPILER_OPTIONS: [&str; 3] = ["--std=c++14", "--fmad=false", "--define-macro=FOCI_CUDA"];

/// Makes a source ready to run.
pub(super) fn load(
    context: &Arc<CudaContext>,
    info: &GpuInfo,
    source: &Source,
    options: &Options,
) -> Result<Arc<CudaModule>, Error> {
    let failed = |problem: String| Error::Kernel { name: source.name.to_owned(), problem };
    let kept = options.cache.as_deref().map(|folder| {
        let (major, minor) = info.compute_capability;
        folder.join(format!("{}-{:016x}-sm{major}{minor}.cubin", source.name, fingerprint(source)))
    });
    if let Some(cubin) = kept.as_deref().and_then(|path| fs::read(path).ok()) {
        // A file that was cut short or damaged is compiled again.
        if let Ok(module) = context.load_module(Ptx::from_binary(cubin)) {
            return Ok(module);
        }
    }
    if let Some(nvrtc) = Nvrtc::installed()
        && nvrtc.architectures().contains(&info.compute_capability)
    {
        let cubin = nvrtc.cubin(source, info.compute_capability)?;
        if let Some(path) = &kept {
            // What cannot be kept is compiled again next time.
            let _ = keep(path, &cubin);
        }
        if let Ok(module) = context.load_module(Ptx::from_binary(cubin)) {
            return Ok(module);
        }
        // A compiler newer than the driver: the shipped PTX is older than both.
    }
    if source.ptx.is_empty() {
        return Err(failed("no PTX is shipped for it and NVRTC is not installed".into()));
    }
    context.load_module(Ptx::from_src(source.ptx)).map_err(|error| match refused(error) {
        Error::Driver { reason } => failed(reason),
        other => other,
    })
}

/// Writes a file so that it is there whole or not at all, whoever else writes it now.
fn keep(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let part = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&part, bytes)?;
    fs::rename(&part, path).inspect_err(|_| drop(fs::remove_file(&part)))
}

/// A number that is another one when the text or the options are (FNV-1a, 64 bits).
fn fingerprint(source: &Source) -> u64 {
    let options = COMPILER_OPTIONS.join(" ");
    [prelude(), source.text, &options]
        .iter()
        .flat_map(|text| text.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
