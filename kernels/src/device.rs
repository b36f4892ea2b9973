//! Where kernels run, and what GPUs there are.

use cudarc::driver::{result, sys};

use crate::Error;

/// Where a kernel runs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Device {
    /// All threads of rayon's current pool.
    #[default]
    Cpu,
}

/// A CUDA device as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// The driver's name for it, such as `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// All of its memory, free or not.
    pub memory_bytes: u64,
    /// Major and minor compute capability: (9, 0) for an H100.
    pub compute_capability: (u32, u32),
}

/// The CUDA devices of this machine in the driver's order; empty if the driver sees none.
///
/// The driver is looked for at run time, so this works on a machine that never had one.
///
/// # Errors
///
/// [`Error::NoDriver`] if there is no CUDA driver, and [`Error::Driver`] if there is one that does not
/// answer properly.
pub fn gpus() -> Result<Vec<Gpu>, Error> {
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

fn describe(ordinal: i32) -> Result<Gpu, result::DriverError> {
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
    Ok(Gpu {
        name: result::device::get_name(device)?,
        memory_bytes: memory as u64,
        compute_capability: (major.unsigned_abs(), minor.unsigned_abs()),
    })
}

fn refused(error: result::DriverError) -> Error {
    Error::Driver { reason: format!("{:?}", error.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With or without a driver on the machine that runs this.
    #[test]
    fn looking_for_gpus_never_panics() {
        match gpus() {
            Ok(found) => assert!(found.iter().all(|gpu| gpu.memory_bytes > 0 && !gpu.name.is_empty())),
            Err(error) => assert!(matches!(error, Error::NoDriver | Error::Driver { .. }), "{error}"),
        }
    }
}
