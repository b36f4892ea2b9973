//! NVIDIA's libraries, on which ONNX Runtime stands when it computes on a CUDA device.
//!
//! Those that the system finds are taken; what it lacks comes from NVIDIA's wheels on PyPI. They are loaded by their
//! full path before ONNX Runtime is, which then asks for them by name and gets these. The driver is not among them: it
//! belongs to the machine.
//!
//! The versions are those that PyTorch 2.8 was released with for CUDA 12.9; later ones of cuDNN drop Volta.

use std::path::Path;

use crate::builds::unzip;
use crate::cache::{Cache, Progress};
use crate::error::Error;
use crate::fetch::{self, Package};

/// One wheel with libraries.
struct Part {
    name: &'static str,
    version: &'static str,
    platform: &'static str,
    bytes: u64,
    sha256: &'static str,
    /// Where they are in the wheel.
    folder: &'static str,
    /// Those that are loaded, in this order; what they need besides lies next to them.
    libraries: &'static [&'static str],
}

/// What others need comes first.
const PARTS: [Part; 6] = [
    Part {
        name: "nvidia-cuda-runtime-cu12",
        version: "12.9.79",
        platform: "manylinux2014_x86_64",
        bytes: 3_493_179,
        sha256: "25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3",
        folder: "nvidia/cuda_runtime/lib",
        libraries: &["libcudart.so.12"],
    },
    Part {
        name: "nvidia-cuda-nvrtc-cu12",
        version: "12.9.86",
        platform: "manylinux2010_x86_64",
        bytes: 89_568_129,
        sha256: "210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4",
        folder: "nvidia/cuda_nvrtc/lib",
        libraries: &["libnvrtc.so.12"],
    },
    Part {
        name: "nvidia-cublas-cu12",
        version: "12.9.1.4",
        platform: "manylinux_2_27_x86_64",
        bytes: 581_242_350,
        sha256: "453611eb21a7c1f2c2156ed9f3a45b691deda0440ec550860290dc901af5b4c2",
        folder: "nvidia/cublas/lib",
        libraries: &["libcublasLt.so.12", "libcublas.so.12"],
    },
    Part {
        name: "nvidia-curand-cu12",
        version: "10.3.10.19",
        platform: "manylinux_2_27_x86_64",
        bytes: 68_295_626,
        sha256: "49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e",
        folder: "nvidia/curand/lib",
        libraries: &["libcurand.so.10"],
    },
    Part {
        name: "nvidia-cufft-cu12",
        version: "11.4.1.4",
        platform: "manylinux2014_x86_64",
        bytes: 200_877_592,
        sha256: "c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28",
        folder: "nvidia/cufft/lib",
        libraries: &["libcufft.so.11"],
    },
    Part {
        name: "nvidia-cudnn-cu12",
        version: "9.10.2.21",
        platform: "manylinux_2_27_x86_64",
        bytes: 706_758_467,
        sha256: "949452be657fa16687d0930933f032835951ef0892b37d2d53824d1a84dc97a8",
        folder: "nvidia/cudnn/lib",
        // The first finds the others when it needs them, next to itself.
        libraries: &["libcudnn.so.9"],
    },
];

impl Part {
    /// The name of its folder in the cache.
    fn entry(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    fn package(&self) -> Package {
        Package {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            platform: Some(self.platform.to_owned()),
            bytes: self.bytes,
            sha256: self.sha256.to_owned(),
        }
    }

    /// Loads those that the system finds: whether these are all.
    fn load_installed(&self) -> bool {
        self.libraries.iter().all(|name| open(Path::new(name)).is_ok())
    }
}

/// What is neither installed nor in the cache, and its size to fetch.
pub(crate) fn missing(cache: &Cache) -> Vec<(&'static str, u64)> {
    let at_hand = |part: &&Part| cache.entry(&part.entry()).exists() || part.load_installed();
    PARTS.iter().filter(|part| !at_hand(part)).map(|part| (part.name, part.bytes)).collect()
}

/// Loads all of them, for good.
///
/// # Errors
///
/// [`Error::Runtime`] if one is not installed and cannot be fetched, or does not load; [`Error::Cache`] when the
/// cache cannot be written.
pub(crate) fn load(cache: &Cache, may_fetch: bool, progress: &dyn Fn(Progress<'_>)) -> Result<(), Error> {
    for part in &PARTS {
        if part.load_installed() {
            continue;
        }
        let missing = |why: String| {
            Error::Runtime(format!(
                "{} is not installed{why}; install CUDA 12 and cuDNN 9, or run `foci models --fetch --device cuda` on a \
                 machine with a network and copy its cache, or compute on the CPU (--device cpu)",
                part.name
            ))
        };
        if !may_fetch && !cache.entry(&part.entry()).exists() {
            return Err(missing(String::new()));
        }
        let folder = cache.ensure(&part.entry(), |scratch| {
            let wheel = fetch::wheel(&part.package(), scratch, progress)
                .map_err(|problem| missing(format!(" and cannot be fetched ({problem})")))?;
            unzip(&wheel, part.folder, &scratch.join("libraries"))
        })?;
        for name in part.libraries {
            let broken = |said| Error::Runtime(format!("{name} of {} does not load: {said}", part.entry()));
            open(&folder.join(name)).map_err(broken)?;
        }
    }
    Ok(())
}

/// Loads a library for good, so that others that ask for it by name get this one.
fn open(path: &Path) -> Result<(), String> {
    #[cfg(unix)]
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

    // SAFETY: the initialisers of NVIDIA's libraries have no preconditions.
    #[cfg(unix)]
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) };
    // SAFETY: as above.
    #[cfg(not(unix))]
    let library = unsafe { libloading::Library::new(path) };
    std::mem::forget(library.map_err(|error| error.to_string())?);
    Ok(())
}
