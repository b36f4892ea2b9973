//! Finds, fetches and loads ONNX Runtime.
//!
//! It is a shared library that is not linked: the program starts without it, and says what to do.
//! Which build is fetched and why: `docs/adr/0002-onnx-runtime.md`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::cache::{Cache, Progress};
use crate::error::Error;
use crate::fetch::{self, Package};

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
        }
    }

    /// The library, if it is in one of the places; nothing is fetched.
    pub fn library(&self) -> Option<PathBuf> {
        if let Some(named) = &self.named {
            return if named.is_dir() { library_in(named) } else { named.is_file().then(|| named.clone()) };
        }
        let program = self.program.as_deref().and_then(library_in);
        program.or_else(|| {
            let mut builds = Build::of_this_machine().into_iter();
            builds.find_map(|build| library_in(&self.cache.entry(&build.entry())))
        })
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
}

impl Provider {
    /// The name, for provenance.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::OpenVino => "OpenVINO CPU",
        }
    }
}

/// One environment is allowed per process, and the library is never unloaded.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads ONNX Runtime from the first of `places` that has it, else fetches it into the cache.
    ///
    /// `progress` hears of the fetch. Once loaded, every further call gives the same runtime, wherever
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
            None => fetch_into(&places.cache, places.fetch, progress)?,
        };
        let runtime = Self::load(&library)?;
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

    fn load(library: &Path) -> Result<Self, Error> {
        // ort would look for a relative path beside the program.
        let library = library.canonicalize().map_err(|e| Error::Runtime(e.to_string()))?;
        let beside = |name: &str| library.parent().is_some_and(|folder| folder.join(name).exists());
        let provider = if beside(OPENVINO) { Provider::OpenVino } else { Provider::Cpu };
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
const LIBRARY: &str = "onnxruntime.dll";
/// What the library's file name begins with.
#[cfg(target_os = "macos")]
const LIBRARY: &str = "libonnxruntime.dylib";
/// What the library's file name begins with; a version may follow.
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
const LIBRARY: &str = "libonnxruntime.so";

/// The file beside the library that makes OpenVINO available.
const OPENVINO: &str = "libonnxruntime_providers_openvino.so";

/// The library in `folder`, whatever version its name ends with.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let wanted = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let version = name.strip_prefix(LIBRARY);
        version.is_some_and(|v| v.bytes().all(|b| b.is_ascii_digit() || b == b'.')) && path.is_file()
    };
    files.filter(wanted).min()
}

/// A build of ONNX Runtime that can be fetched.
struct Build {
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
    /// operator puts the library in its place.
    fn of_this_machine() -> Vec<Self> {
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
    fn entry(&self) -> String {
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
fn fetch_into(cache: &Cache, allowed: bool, progress: &dyn Fn(Progress<'_>)) -> Result<PathBuf, Error> {
    let by_hand = |why: &str| {
        Error::Runtime(format!(
            "{why}; put the file {LIBRARY} of ONNX Runtime 1.{} or later next to the program, or name it in {VARIABLE}",
            ort::MINOR_VERSION
        ))
    };
    let builds = if allowed { Build::of_this_machine() } else { Vec::new() };
    if builds.is_empty() {
        return Err(by_hand("it is not installed"));
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

/// Takes the shared libraries that run on a CPU out of the wheel.
fn unzip(wheel: &Path, folder: &str, into: &Path) -> Result<PathBuf, Error> {
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

/// Whether ONNX Runtime loads this library when it computes on a CPU.
///
/// A wheel cannot hold links, so it holds the same library under several names; what is loaded is the
/// name that another library asks for.
fn is_needed(name: &str) -> bool {
    const FIRST: [&str; 6] = [
        "libonnxruntime.so.",
        "libonnxruntime_providers_",
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
