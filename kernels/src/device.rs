//! Where kernels run.

use crate::Error;
use crate::gpu::Gpu;

/// Where a kernel runs.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Device {
    /// All threads of rayon's current pool.
    #[default]
    Cpu,
    /// A CUDA device.
    Cuda(Gpu),
}

impl Device {
    /// For operations whose twin is not there yet.
    pub(crate) fn on_cpu(&self, name: &str) -> Result<(), Error> {
        match self {
            Self::Cpu => Ok(()),
            Self::Cuda(_) => {
                Err(Error::Kernel { name: name.to_owned(), problem: "it runs on the CPU only".to_owned() })
            }
        }
    }
}
