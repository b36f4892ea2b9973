//! CUDA's compilers out of the wheels that `.ci/peers` installs: NVRTC (source to PTX) and ptxas (PTX to
//! machine code). Neither needs a GPU or a driver.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::null;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};

/// One version of CUDA.
pub(crate) struct Compilers {
    /// 12 or 13.
    pub(crate) version: u32,
    nvrtc: Library,
    ptxas: PathBuf,
}

/// What one kernel takes of a GPU, as ptxas tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// 32-bit registers of each thread.
    pub(crate) registers: u32,
    /// Bytes of shared memory of each block.
    pub(crate) shared: u32,
    /// Bytes of each thread's stack, which lies in slow memory.
    pub(crate) stack: u32,
    /// Bytes written and read because registers ran out.
    pub(crate) spilled: u32,
}

impl Used {
    /// The larger of each.
    pub(crate) fn most(self, other: Self) -> Self {
        Self {
            registers: self.registers.max(other.registers),
            shared: self.shared.max(other.shared),
            stack: self.stack.max(other.stack),
            spilled: self.spilled.max(other.spilled),
        }
    }
}

impl Compilers {
    /// CUDA 12 and 13 as `.ci/peers` installs them, or what is missing.
    pub(crate) fn find() -> Result<[Self; 2], String> {
        let named = std::env::var_os("FOCI_PEERS").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/foci-peers"));
        let peers = named.or(home).ok_or("neither FOCI_PEERS nor HOME is set")?;
        // One folder for each version of Python.
        let pythons = std::fs::read_dir(peers.join("lib")).into_iter().flatten().flatten();
        let nvidia = pythons.map(|python| python.path().join("site-packages/nvidia")).find(|it| it.exists());
        let nvidia = nvidia.ok_or("CUDA's compilers are not installed: run .ci/peers")?;
        let open = |version, nvrtc: &str, ptxas: &str| {
            let (nvrtc, ptxas) = (nvidia.join(nvrtc), nvidia.join(ptxas));
            if !ptxas.exists() {
                return Err(format!("there is no ptxas {version}: run .ci/peers"));
            }
            // SAFETY: NVRTC's initialisers have no preconditions. Local, so that the two versions do not
            // find each other's functions.
            let nvrtc = unsafe { Library::open(Some(nvrtc), RTLD_NOW | RTLD_LOCAL) };
            let nvrtc = nvrtc.map_err(|_| format!("there is no NVRTC {version}: run .ci/peers"))?;
            Ok(Self { version, nvrtc, ptxas })
        };
        Ok([
            open(12, "cuda_nvrtc/lib/libnvrtc.so.12", "cuda_nvcc/bin/ptxas")?,
            open(13, "cu13/lib/libnvrtc.so.13", "cu13/bin/ptxas")?,
        ])
    }

    /// The PTX of `source` for compute capability `arch` (70 is 7.0), or the compiler's complaint.
    pub(crate) fn ptx(
        &self,
        name: &str,
        source: &str,
        arch: u32,
        options: &[&str],
    ) -> Result<String, String> {
        let arch = format!("--gpu-architecture=compute_{arch}");
        let options: Vec<CString> =
            [&*arch].iter().chain(options).map(|word| CString::new(*word).expect("no zero byte")).collect();
        let options: Vec<*const c_char> = options.iter().map(|word| word.as_ptr()).collect();
        let (name, source) =
            (CString::new(name).expect("no zero byte"), CString::new(source).expect("no zero byte"));
        let mut program: *mut c_void = std::ptr::null_mut();
        // SAFETY: the functions have the signatures of nvrtc.h, which are the same in 12 and 13; the program
        // is the one that was just made, and what the pointers point to outlives the calls.
        unsafe {
            let create: Symbol<
                unsafe extern "C" fn(
                    *mut *mut c_void,
                    *const c_char,
                    *const c_char,
                    c_int,
                    *const *const c_char,
                    *const *const c_char,
                ) -> c_int,
            > = self.function(c"nvrtcCreateProgram");
            let compile: Symbol<unsafe extern "C" fn(*mut c_void, c_int, *const *const c_char) -> c_int> =
                self.function(c"nvrtcCompileProgram");
            let destroy: Symbol<unsafe extern "C" fn(*mut *mut c_void) -> c_int> =
                self.function(c"nvrtcDestroyProgram");
            assert_eq!(create(&mut program, source.as_ptr(), name.as_ptr(), 0, null(), null()), 0);
            let failed = compile(program, options.len() as c_int, options.as_ptr()) != 0;
            let result = match failed {
                true => Err(self.text(program, c"nvrtcGetProgramLogSize", c"nvrtcGetProgramLog")),
                false => Ok(self.text(program, c"nvrtcGetPTXSize", c"nvrtcGetPTX")),
            };
            destroy(&mut program);
            result
        }
    }

    /// What each kernel in `ptx` takes of a GPU of `arch`, by name, or the assembler's complaint.
    pub(crate) fn assemble(&self, ptx: &Path, arch: u32) -> Result<Vec<(String, Used)>, String> {
        let arch = format!("--gpu-name=sm_{arch}");
        let options = [&*arch, "--verbose", "--output-file=/dev/null"];
        let ran = Command::new(&self.ptxas).args(options).arg(ptx).output();
        let ran = ran.map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        if ran.status.success() { Ok(kernels_in(&said)) } else { Err(said) }
    }

    /// # Safety
    ///
    /// `F` is the function's signature in nvrtc.h.
    unsafe fn function<F>(&self, name: &CStr) -> Symbol<F> {
        // SAFETY: the caller's promise.
        unsafe { self.nvrtc.get(name.to_bytes_with_nul()) }.expect("every NVRTC has it")
    }

    /// # Safety
    ///
    /// `program` is NVRTC's, and the functions are a pair of nvrtc.h that tells a text and its size.
    unsafe fn text(&self, program: *mut c_void, size: &CStr, get: &CStr) -> String {
        // SAFETY: the caller's promise; `text` has as many bytes as NVRTC asks for.
        unsafe {
            let size: Symbol<unsafe extern "C" fn(*mut c_void, *mut usize) -> c_int> = self.function(size);
            let get: Symbol<unsafe extern "C" fn(*mut c_void, *mut c_char) -> c_int> = self.function(get);
            let mut bytes = 0;
            assert_eq!(size(program, &mut bytes), 0);
            let mut text = vec![0_u8; bytes];
            assert_eq!(get(program, text.as_mut_ptr().cast()), 0);
            let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
            String::from_utf8_lossy(&text[..end]).into_owned()
        }
    }
}

/// What `ptxas --verbose` said of each kernel. Functions that were not inlined count to the kernel before.
fn kernels_in(said: &str) -> Vec<(String, Used)> {
    let mut kernels: Vec<(String, Used)> = Vec::new();
    for line in said.lines() {
        if let Some(name) = line.split("Compiling entry function '").nth(1) {
            kernels.push((name.split('\'').next().unwrap_or_default().to_owned(), Used::default()));
        }
        let Some((_, used)) = kernels.last_mut() else { continue };
        let before = |unit: &str| {
            let number = line.split(unit).next().filter(|number| number.len() < line.len())?;
            number.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok()
        };
        used.registers = used.registers.max(before(" registers").unwrap_or(0));
        used.shared = used.shared.max(before(" bytes smem").unwrap_or(0));
        used.stack = used.stack.max(before(" bytes stack frame").unwrap_or(0));
        used.spilled +=
            before(" bytes spill stores").unwrap_or(0) + before(" bytes spill loads").unwrap_or(0);
    }
    kernels
}

#[test]
fn what_ptxas_says_is_read() {
    let said = "ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'window' for 'sm_70'
ptxas info    : Function properties for window
    16 bytes stack frame, 4 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 18 registers, used 1 barriers, 1024 bytes smem, 384 bytes cmem[0]
ptxas info    : Compiling entry function 'fill' for 'sm_70'
ptxas info    : Function properties for fill
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 7 registers, 360 bytes cmem[0]
";
    let window = Used { registers: 18, shared: 1024, stack: 16, spilled: 12 };
    let fill = Used { registers: 7, ..Used::default() };
    assert_eq!(kernels_in(said), [("window".to_owned(), window), ("fill".to_owned(), fill)]);
}
