//! Finds, fetches and loads ONNX Runtime.
//!
//! It is a shared library that is not linked: the program starts without it, and says what to do.
//! Which build is fetched and why: `docs/adr/0002-onnx-runtime.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::builds::{Build, fetch_into};
use crate::cache::{Cache, Progress};
use crate::cuda;
use crate::error::Error;

/// The environment variable that names the library.
pub(crate) const VARIABLE: &str = "FOCI_ONNXRUNTIME";

/// Where ONNX Runtime is looked for, in this order.
#[derive(Debug, Clone)]
pub struct Places {
    /// The library itself, or the folder it is in, as the operator named it.
    pub named: Option<PathBuf>,
    /// The folder of the program.
    pub program: Option<PathBuf>,
    /// The cache, into which it is fetched.
    pub cache: Cache,
    /// Whether it may be fetched.
    pub fetch: bool,
    /// Whether it is to compute on a CUDA device: another build, and NVIDIA's libraries beside it.
    pub cuda: bool,
}

impl Places {
    /// `$FOCI_ONNXRUNTIME` or `$ORT_DYLIB_PATH`, the program's folder, and the cache of the environment.
    pub fn from_environment() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            named: set(VARIABLE).or_else(|| set("ORT_DYLIB_PATH")),
            program: std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned())),
            cache: Cache::from_environment(),
            fetch: true,
            cuda: false,
        }
    }

    /// The library, if it is in one of the places; nothing is fetched.
    pub fn library(&self) -> Option<PathBuf> {
        if let Some(named) = &self.named {
            return if named.is_dir() { library_in(named) } else { named.is_file().then(|| named.clone()) };
        }
        let program = self.program.as_deref().and_then(library_in);
        program.or_else(|| {
            let mut builds = Build::of_this_machine(self.cuda).into_iter();
            builds.find_map(|build| library_in(&self.cache.entry(&build.entry())))
        })
    }

    /// Whether a library is in one of the places that can compute on a CUDA device; nothing is fetched.
    pub fn has_cuda(&self) -> bool {
        self.library().is_some_and(|library| beside(&library, CUDA))
    }

    /// What of NVIDIA's libraries is neither installed nor in the cache, and how many bytes it is to fetch; empty
    /// where nothing is missing. Nothing is fetched.
    pub fn missing_for_cuda(&self) -> Vec<(&'static str, u64)> {
        cuda::missing(&self.cache)
    }
}

/// ONNX Runtime, loaded. One for the whole process; clones are the same one.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub(crate) environment: ort::environment::Environment,
    provider: Provider,
    version: String,
}

/// What computes the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// ONNX Runtime's own kernels.
    Cpu,
    /// Intel's OpenVINO, which runs on every x86-64 processor.
    OpenVino,
    /// NVIDIA's cuDNN and cuBLAS, on a CUDA device.
    Cuda,
}

impl Provider {
    /// The name, for provenance.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::OpenVino => "OpenVINO CPU",
            Self::Cuda => "CUDA",
        }
    }
}

/// One environment is allowed per process, and the library is never unloaded.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads ONNX Runtime from the first of `places` that has it, else fetches it into the cache.
    ///
    /// Where CUDA is asked for and the library that was named or lies beside the program cannot do it, it computes on
    /// the CPU: see [`Self::provider`]. `progress` hears of the fetch. Once loaded, every further call gives the same runtime, wherever
    /// it looks.
    ///
    /// # Errors
    ///
    /// [`Error::Runtime`] with a sentence that says what to put where, when it is nowhere and cannot be
    /// fetched, does not load or is too old; [`Error::Cache`] when the cache cannot be written.
    pub fn find(places: &Places, progress: &dyn Fn(Progress<'_>)) -> Result<Self, Error> {
        let mut loaded = LOADED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(runtime) = &*loaded {
            return Ok(runtime.clone());
        }
        let library = match places.library() {
            Some(library) => library,
            None if places.named.is_some() => {
                return Err(Error::Runtime(format!("{VARIABLE} names no {LIBRARY}")));
            }
            None => fetch_into(places, progress)?,
        };
        let runtime = Self::load(&library, places, progress)?;
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// `1.31.1`, say.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What computes the layers.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    fn load(library: &Path, places: &Places, progress: &dyn Fn(Progress<'_>)) -> Result<Self, Error> {
        // ort would look for a relative path beside the program.
        let library = library.canonicalize().map_err(|e| Error::Runtime(e.to_string()))?;
        let provider = if places.cuda && beside(&library, CUDA) {
            cuda::load(&places.cache, places.fetch, progress)?;
            Provider::Cuda
        } else if beside(&library, OPENVINO) {
            Provider::OpenVino
        } else {
            Provider::Cpu
        };
        let builder = ort::init_from(&library).map_err(|e| Error::Runtime(reason(&e)))?;
        let environment = builder
            .with_name("foci")
            .with_telemetry(false)
            .build()
            .map_err(|e| Error::Runtime(e.message().to_owned()))?;
        environment.set_log_level(ort::logging::LogLevel::Error);
        Ok(Self { environment, provider, version: version(&library) })
    }
}

/// The version, which stands in the name of the file or in what the library says of its build.
fn version(library: &Path) -> String {
    let name = library.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let in_name =
        name.strip_prefix(LIBRARY).and_then(|rest| rest.strip_prefix('.')).filter(|v| v.contains('.'));
    // "ORT Build Info: git-branch=rel-1.24.1, git-commit-id=.."
    let in_build =
        || ort::info().split_once("git-branch=rel-").and_then(|(_, rest)| rest.split([',', ' ']).next());
    in_name.or_else(in_build).unwrap_or("of unknown version").to_owned()
}

/// Why the library could not be loaded, without its path.
fn reason(e: &ort::LoadDynamicError) -> String {
    match e {
        ort::LoadDynamicError::BadVersion { version_str, .. } => {
            format!("version {version_str} was found, 1.{} or later is needed", ort::MINOR_VERSION)
        }
        ort::LoadDynamicError::Dlopen { .. } => {
            format!("{LIBRARY} was found and is no library for this machine, or one that it needs is missing")
        }
        _ => format!("{LIBRARY} was found and is not ONNX Runtime"),
    }
}

/// What the library's file name begins with.
#[cfg(target_os = "windows")]
pub(crate) const LIBRARY: &str = "onnxruntime.dll";
/// What the library's file name begins with.
#[cfg(target_os = "macos")]
pub(crate) const LIBRARY: &str = "libonnxruntime.dylib";
/// What the library's file name begins with; a version may follow.
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
pub(crate) const LIBRARY: &str = "libonnxruntime.so";

/// The file beside the library that makes OpenVINO available.
const OPENVINO: &str = "libonnxruntime_providers_openvino.so";

/// The file beside the library that makes CUDA available.
const CUDA: &str = "libonnxruntime_providers_cuda.so";

/// Whether a file `name` lies beside the library.
fn beside(library: &Path, name: &str) -> bool {
    library.parent().is_some_and(|folder| folder.join(name).exists())
}

/// The library in `folder`, whatever version its name ends with.
pub(crate) fn library_in(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let wanted = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let version = name.strip_prefix(LIBRARY);
        version.is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit() || b == b'.')) && path.is_file()
    };
    files.filter(wanted).min()
}
