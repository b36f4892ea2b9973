//! Where kernels run.

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
