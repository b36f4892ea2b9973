//! A CUDA device that is ready to be used: its memory, its kernels, its streams.
//!
//! Nothing of CUDA is needed to build. The driver is looked for when a device is opened, and each `.cu` file
//! is made ready when the first of its kernels runs: from the cache on disk, or compiled for this very
//! device by NVRTC where that is installed, or else from the PTX that is shipped, which the driver
//! translates.
//!
//! All work goes to one stream in the order in which it is asked for; uploads from pageable memory go
//! through pinned buffers on a second one, so that they overlap with it.

mod code;
mod memory;
pub mod nvrtc;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, CudaStream, DriverError, LaunchConfig, result, sys,
};

use crate::Error;

pub use code::{Source, prelude, sources};
pub use memory::{Element, Memory, Volume};

/// A CUDA device as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuInfo {
    /// The driver's name for it, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// All of its memory, free or not.
    pub memory_bytes: u64,
    /// Major and minor compute capability: (9, 0) for an H100.
    pub compute_capability: (u32, u32),
}

/// How a device is to be used.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Which device, in the driver's order.
    pub ordinal: usize,
    /// No more than this of its memory is used; all that is free where it is `None`.
    pub memory_bytes: Option<u64>,
    /// The folder in which compiled kernels are kept; nothing is kept where it is `None`.
    pub cache: Option<PathBuf>,
}

/// A CUDA device, opened. Clones are the same device.
#[derive(Clone)]
pub struct Gpu {
    inner: Arc<Inner>,
}

struct Inner {
    /// First, so that what is still under way ends before the context does.
    stream: Arc<CudaStream>,
    uploads: Arc<CudaStream>,
    staging: Mutex<Option<memory::Staging>>,
    modules: Mutex<HashMap<&'static str, Arc<CudaModule>>>,
    context: Arc<CudaContext>,
    info: GpuInfo,
    options: Options,
    /// Bytes of device memory that are in use through this.
    used: AtomicU64,
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("info", &self.inner.info).field("options", &self.inner.options).finish()
    }
}

/// The CUDA devices of this machine in the driver's order; empty if the driver sees none.
///
/// The driver is looked for at run time, so this works on a machine that never had one.
///
/// # Errors
///
/// [`Error::NoDriver`] if there is no CUDA driver, and [`Error::Driver`] if there is one that does not
/// answer properly.
pub fn list() -> Result<Vec<GpuInfo>, Error> {
    // Everything else in cudarc panics when the library is missing.
    // SAFETY: loads and unloads the driver's library, whose initialisers have no preconditions.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::NoDriver);
    }
    match result::init() {
        Ok(()) => {}
        Err(error) if error.0 == sys::CUresult::CUDA_ERROR_NO_DEVICE => return Ok(Vec::new()),
        Err(error) => return Err(refused(error)),
    }
    let count = result::device::get_count().map_err(refused)?;
    (0..count).map(|ordinal| describe(ordinal).map_err(refused)).collect()
}

fn describe(ordinal: i32) -> Result<GpuInfo, DriverError> {
    use sys::CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
    };
    let device = result::device::get(ordinal)?;
    // SAFETY: `device` was just given out by the driver.
    let (memory, major, minor) = unsafe {
        (
            result::device::total_mem(device)?,
            result::device::get_attribute(device, MAJOR)?,
            result::device::get_attribute(device, MINOR)?,
        )
    };
    Ok(GpuInfo {
        name: result::device::get_name(device)?,
        memory_bytes: memory as u64,
        compute_capability: (major.unsigned_abs(), minor.unsigned_abs()),
    })
}

impl Gpu {
    /// The oldest compute capability that the kernels are compiled for: that of a V100.
    pub const OLDEST: (u32, u32) = (7, 0);

    /// Opens a device.
    ///
    /// # Errors
    ///
    /// [`Error::NoDriver`] if there is no CUDA driver, [`Error::NoGpu`] if the driver has no such device or
    /// it is older than [`Self::OLDEST`], and [`Error::Driver`] if it cannot be used.
    pub fn open(options: Options) -> Result<Self, Error> {
        let found = list()?;
        let info = found.get(options.ordinal).ok_or_else(|| Error::NoGpu {
            reason: format!("number {} was asked for, and there are {}", options.ordinal, found.len()),
        })?;
        if info.compute_capability < Self::OLDEST {
            let (major, minor) = info.compute_capability;
            let (least, or_so) = Self::OLDEST;
            return Err(Error::NoGpu {
                reason: format!(
                    "{} has compute capability {major}.{minor}, and {least}.{or_so} is needed",
                    info.name
                ),
            });
        }
        let context = CudaContext::new(options.ordinal).map_err(refused)?;
        let stream = context.new_stream().map_err(refused)?;
        let uploads = context.new_stream().map_err(refused)?;
        Ok(Self {
            inner: Arc::new(Inner {
                stream,
                uploads,
                staging: Mutex::new(None),
                modules: Mutex::default(),
                context,
                info: info.clone(),
                options,
                used: AtomicU64::new(0),
            }),
        })
    }

    /// What the driver says of the device.
    pub fn info(&self) -> &GpuInfo {
        &self.inner.info
    }

    /// Which device it is, in the driver's order.
    pub fn ordinal(&self) -> usize {
        self.inner.options.ordinal
    }

    /// Waits until everything that was asked for so far is done.
    ///
    /// # Errors
    ///
    /// [`Error::Driver`] if something of it failed.
    pub fn wait(&self) -> Result<(), Error> {
        self.inner.uploads.synchronize().and_then(|()| self.inner.stream.synchronize()).map_err(refused)
    }

    /// The stream that kernels run on, as the driver's own handle: for libraries that are to queue their
    /// work behind what was asked for here.
    pub fn raw_stream(&self) -> *mut std::ffi::c_void {
        self.inner.stream.cu_stream().cast()
    }

    pub(crate) fn stream(&self) -> &Arc<CudaStream> {
        &self.inner.stream
    }

    /// The kernel `name` of the file `source` (without `.cu`).
    pub(crate) fn kernel(&self, source: &'static str, name: &str) -> Result<CudaFunction, Error> {
        let mut modules = self.inner.modules.lock().unwrap_or_else(PoisonError::into_inner);
        let module = match modules.get(source) {
            Some(module) => module.clone(),
            None => {
                let source = code::find(source);
                let module = code::load(&self.inner.context, &self.inner.info, source, &self.inner.options)?;
                modules.insert(source.name, module.clone());
                module
            }
        };
        module
            .load_function(name)
            .map_err(|error| Error::Kernel { name: name.to_owned(), problem: format!("{:?}", error.0) })
    }
}

/// What `$body` is of a host's array, uploaded as the kind of voxel that kernels read: `$volume` is a
/// `&Volume` of it.
macro_rules! with_uploaded {
    ($gpu:expr, $source:expr, $volume:ident => $body:expr) => {{
        let source = $source.as_standard_layout();
        let shape: [usize; 3] = source.dim().into();
        let voxels = source.as_slice().expect("just made standard");
        match T::upload($gpu, voxels)? {
            $crate::resample::Uploaded::U8(memory) => {
                let $volume = &$crate::gpu::Volume::new(memory, shape);
                $body
            }
            $crate::resample::Uploaded::I16(memory) => {
                let $volume = &$crate::gpu::Volume::new(memory, shape);
                $body
            }
            $crate::resample::Uploaded::F32(memory) => {
                let $volume = &$crate::gpu::Volume::new(memory, shape);
                $body
            }
        }
    }};
}
pub(crate) use with_uploaded;

/// Enough blocks of `block` threads along each axis (x, y, z) for `threads` of them.
pub(crate) fn blocks(threads: [usize; 3], block: [u32; 3]) -> LaunchConfig {
    let count = |axis: usize| u32::try_from(threads[axis].div_ceil(block[axis] as usize)).unwrap_or(u32::MAX);
    LaunchConfig {
        grid_dim: (count(0).max(1), count(1).max(1), count(2).max(1)),
        block_dim: block.into(),
        shared_mem_bytes: 0,
    }
}

/// What the driver said, as an error of this crate.
pub(crate) fn refused(error: DriverError) -> Error {
    Error::Driver { reason: format!("{:?}", error.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With or without a driver on the machine that runs this.
    #[test]
    fn looking_for_gpus_never_panics() {
        match list() {
            Ok(found) => assert!(found.iter().all(|gpu| gpu.memory_bytes > 0 && !gpu.name.is_empty())),
            Err(error) => assert!(matches!(error, Error::NoDriver | Error::Driver { .. }), "{error}"),
        }
    }

    #[test]
    fn opening_a_gpu_that_is_not_there_is_an_error() {
        let error = Gpu::open(Options { ordinal: 4096, ..Options::default() }).unwrap_err();
        assert!(matches!(error, Error::NoDriver | Error::NoGpu { .. } | Error::Driver { .. }), "{error}");
    }
}
