//! NVIDIA's run-time compiler, where it is installed.
//!
//! Called through its C interface, since more than one version may be wanted at the same time (the tests
//! compile with two), which cudarc's own wrapper cannot do.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::sync::OnceLock;

use libloading::Library;

use super::code::{COMPILER_OPTIONS, Source};
use crate::Error;

/// A loaded NVRTC library.
#[derive(Debug)]
pub struct Nvrtc {
    library: Library,
    version: (u32, u32),
    architectures: Vec<(u32, u32)>,
}

type Program = *mut c_void;

/// Names under which the libraries are installed, the newest first.
const NAMES: [&str; 4] = ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so", "nvrtc64_120_0.dll"];

impl Nvrtc {
    /// The library that the system finds, if any. It stays loaded.
    pub fn installed() -> Option<&'static Self> {
        static INSTALLED: OnceLock<Option<Nvrtc>> = OnceLock::new();
        INSTALLED.get_or_init(|| NAMES.iter().find_map(|name| Self::open(Path::new(name)).ok())).as_ref()
    }

    /// The library in the file `path`, or one that the system finds under that name.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`] if it is no NVRTC that can be loaded.
    pub fn open(path: &Path) -> Result<Self, Error> {
        // SAFETY: NVRTC's initialisers have no preconditions.
        let library = unsafe { Library::new(path) }.map_err(|error| failed("nvrtc", error.to_string()))?;
        let mut found = Self { library, version: (0, 0), architectures: Vec::new() };
        let (mut major, mut minor, mut count): (c_int, c_int, c_int) = (0, 0, 0);
        // SAFETY: the signature is that of nvrtc.h, and both point to an int.
        found.call("nvrtcVersion", |call: unsafe extern "C" fn(_, _) -> c_int| unsafe {
            call(&raw mut major, &raw mut minor)
        })?;
        // SAFETY: the signature is that of nvrtc.h.
        found.call("nvrtcGetNumSupportedArchs", |call: unsafe extern "C" fn(_) -> c_int| unsafe {
            call(&raw mut count)
        })?;
        let mut list = vec![0 as c_int; usize::try_from(count).unwrap_or(0)];
        // SAFETY: the signature is that of nvrtc.h, and there is room for as many as it said.
        found.call("nvrtcGetSupportedArchs", |call: unsafe extern "C" fn(_) -> c_int| unsafe {
            call(list.as_mut_ptr())
        })?;
        found.version = (major.unsigned_abs(), minor.unsigned_abs());
        found.architectures =
            list.iter().map(|arch| (arch.unsigned_abs() / 10, arch.unsigned_abs() % 10)).collect();
        Ok(found)
    }

    /// Major and minor version.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// The compute capabilities that it compiles for.
    pub fn architectures(&self) -> &[(u32, u32)] {
        &self.architectures
    }

    /// Machine code for one kind of device.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`] with what the compiler said.
    pub fn cubin(&self, source: &Source, (major, minor): (u32, u32)) -> Result<Vec<u8>, Error> {
        self.compile(source, &format!("sm_{major}{minor}"), "nvrtcGetCUBINSize", "nvrtcGetCUBIN")
    }

    /// PTX for devices of that compute capability and newer.
    ///
    /// # Errors
    ///
    /// [`Error::Kernel`] with what the compiler said.
    pub fn ptx(&self, source: &Source, (major, minor): (u32, u32)) -> Result<String, Error> {
        let bytes =
            self.compile(source, &format!("compute_{major}{minor}"), "nvrtcGetPTXSize", "nvrtcGetPTX")?;
        let text = bytes.split(|&byte| byte == 0).next().unwrap_or(&[]);
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    fn compile(&self, source: &Source, architecture: &str, size: &str, get: &str) -> Result<Vec<u8>, Error> {
        let text = CString::new(source.whole()).expect("no source has a NUL");
        let name = CString::new(format!("{}.cu", source.name)).expect("no name has a NUL");
        let mut program: Program = std::ptr::null_mut();
        type Create = unsafe extern "C" fn(
            *mut Program,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> c_int;
        // SAFETY: the signature is that of nvrtc.h, both texts end with NUL, and there are no headers.
        self.call("nvrtcCreateProgram", |call: Create| unsafe {
            call(&raw mut program, text.as_ptr(), name.as_ptr(), 0, std::ptr::null(), std::ptr::null())
        })?;
        let found = self.compile_program(program, source, architecture, size, get);
        // SAFETY: the signature is that of nvrtc.h, and the program was made above.
        self.call("nvrtcDestroyProgram", |call: unsafe extern "C" fn(_) -> c_int| unsafe {
            call(&raw mut program)
        })?;
        found
    }

    fn compile_program(
        &self,
        program: Program,
        source: &Source,
        architecture: &str,
        size: &str,
        get: &str,
    ) -> Result<Vec<u8>, Error> {
        let architecture = format!("--gpu-architecture={architecture}");
        let options = COMPILER_OPTIONS.iter().copied().chain([architecture.as_str()]);
        let options: Vec<CString> =
            options.map(|text| CString::new(text).expect("no option has a NUL")).collect();
        let pointers: Vec<*const c_char> = options.iter().map(|text| text.as_ptr()).collect();
        type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> c_int;
        // SAFETY: the signature is that of nvrtc.h, and the texts outlive the call.
        let compiled = self.call("nvrtcCompileProgram", |call: Compile| unsafe {
            call(program, pointers.len() as c_int, pointers.as_ptr())
        });
        if let Err(error) = compiled {
            let log = self.get(program, "nvrtcGetProgramLogSize", "nvrtcGetProgramLog").unwrap_or_default();
            let log = String::from_utf8_lossy(&log).trim_end_matches('\0').trim().to_owned();
            return Err(if log.is_empty() { error } else { failed(source.name, log) });
        }
        self.get(program, size, get)
    }

    /// Calls the pair of functions that say how long something is and what it is.
    fn get(&self, program: Program, size: &str, get: &str) -> Result<Vec<u8>, Error> {
        let mut length = 0_usize;
        // SAFETY: the signature is that of nvrtc.h for all functions of that kind.
        self.call(size, |call: unsafe extern "C" fn(Program, *mut usize) -> c_int| unsafe {
            call(program, &raw mut length)
        })?;
        let mut bytes = vec![0_u8; length];
        // SAFETY: the signature is that of nvrtc.h for all functions of that kind, and there is room.
        self.call(get, |call: unsafe extern "C" fn(Program, *mut c_char) -> c_int| unsafe {
            call(program, bytes.as_mut_ptr().cast())
        })?;
        Ok(bytes)
    }

    /// Calls the function `name` through `with`, whose argument must have that function's type.
    fn call<F: Copy>(&self, name: &str, with: impl FnOnce(F) -> c_int) -> Result<(), Error> {
        // SAFETY: the callers, all in this file, name the type that nvrtc.h gives to the function.
        let function = unsafe { self.library.get::<F>(name.as_bytes()) };
        let function = function.map_err(|error| failed("nvrtc", error.to_string()))?;
        match with(*function) {
            0 => Ok(()),
            code => Err(failed("nvrtc", format!("{name}: {}", self.message(code)))),
        }
    }

    fn message(&self, code: c_int) -> String {
        type Say = unsafe extern "C" fn(c_int) -> *const c_char;
        // SAFETY: the signature is that of nvrtc.h.
        let said = unsafe { self.library.get::<Say>(b"nvrtcGetErrorString") };
        match said {
            // SAFETY: it answers any number with a text that lives as long as the library.
            Ok(say) => unsafe { CStr::from_ptr(say(code)) }.to_string_lossy().into_owned(),
            Err(_) => code.to_string(),
        }
    }
}

fn failed(name: &str, problem: String) -> Error {
    Error::Kernel { name: name.to_owned(), problem }
}
