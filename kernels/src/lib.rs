//! Numerics on voxels: what a volume goes through on its way into a network and back.
//!
//! Nothing here knows DICOM or medicine. Every operation on volumes takes the [`Device`] it runs on
//! first; the CPU code is ordinary, parallel, shipped code and says what is right, a CUDA twin has to
//! agree with it.
//!
//! # Order of axes
//!
//! Arrays are indexed `[k, j, i]`: slice, row, column, and so is everything that counts voxels
//! (`[usize; 3]`: shapes, indices, corners). Everything continuous (`[f64; 3]`: places, spacings,
//! centroids, and the [`IndexMap`]) is in the order i, j, k: column, row, slice. An integer is the
//! centre of a voxel.
//!
//! A mask is an array of `bool`.

pub mod bits;
pub mod blend;
pub mod cast;
pub mod components;
pub mod decide;
pub mod device;
pub mod diameter;
pub mod fusion;
pub mod gpu;
pub mod mask;
pub mod measure;
pub mod median;
pub mod morphology;
pub mod nms;
pub mod peaks;
pub mod render;
pub mod resample;
pub mod shrink;
pub mod spline;
pub mod statistics;
pub mod tiles;

mod any;
mod grid;
mod simd;

use std::mem::MaybeUninit;

use resample::cuda::Uploaded;

pub use device::Device;

/// The 3 x 4 matrix from (i, j, k, 1) of the output array to (i, j, k) of the source array: column,
/// row and slice, where an integer is a voxel's centre.
pub type IndexMap = [[f64; 4]; 3];

/// Which voxels touch: the neighbourhood of 3 x 3 x 3 voxels that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// Those that share a face.
    Six,
    /// Those that share a face or an edge.
    Eighteen,
    /// Those that share a face, an edge or a corner.
    TwentySix,
}

/// One variant per thing the caller can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Try again with a smaller tile, or on another device.
    #[error("not enough memory for {voxels} voxels")]
    OutOfMemory {
        /// How many voxels were asked for; `usize::MAX` if they cannot even be counted.
        voxels: usize,
    },

    /// Run on the CPU: there is no CUDA driver on this machine.
    #[error("no CUDA driver is installed (libcuda was not found)")]
    NoDriver,

    /// Repair the driver's installation, or run on the CPU.
    #[error("the CUDA driver refused: {reason}")]
    Driver {
        /// What the driver said.
        reason: String,
    },

    /// Choose another device, or run on the CPU.
    #[error("no such GPU: {reason}")]
    NoGpu {
        /// What there is instead.
        reason: String,
    },

    /// Run on the CPU, and report the problem: code for the device could not be made or used.
    #[error("the CUDA kernel {name} cannot run: {problem}")]
    Kernel {
        /// The file or the kernel.
        name: String,
        /// What the compiler or the driver said.
        problem: String,
    },
}

/// A kind of voxel that can be resampled. Sealed: a CUDA twin is compiled for each of them.
pub trait Voxel: sealed::Sealed + Copy + Default + Send + Sync + 'static {
    /// The voxel as a number; a mask's voxel is 0 or 1.
    fn to_f32(self) -> f32;
}

/// A kind of number that a tensor is made of: `f32` or `f16`. Sealed, as [`Voxel`] is.
pub trait Real: Voxel + sealed::Real + gpu::Element {
    /// The nearest number of this kind; of two as near, the even one.
    fn from_f32(value: f32) -> Self;
}

impl Real for f32 {
    #[inline]
    fn from_f32(value: f32) -> Self {
        value
    }
}

impl Real for half::f16 {
    #[inline]
    fn from_f32(value: f32) -> Self {
        half::f16::from_f32(value)
    }
}

mod sealed {
    use crate::Error;
    use crate::gpu::Gpu;
    use crate::resample::cuda::{Kind, Uploaded};
    use crate::resample::rows;
    use crate::simd::Level;

    pub trait Sealed: Sized {
        /// A copy on a device, of a kind that is resampled there.
        fn upload(gpu: &Gpu, voxels: &[Self]) -> Result<Uploaded, Error>;
    }

    pub trait Real: Sized {
        /// What its kernels are called.
        const KIND: Kind;

        /// Writes `values` on the scale of `[scale, offset, least, most]`, see [`rows`].
        fn store(level: Level, to: &mut [Self], values: &[f32], onto: [f32; 4], past_caches: bool);
    }

    impl Real for f32 {
        const KIND: Kind = Kind::Single;

        fn store(level: Level, to: &mut [Self], values: &[f32], onto: [f32; 4], past_caches: bool) {
            rows::store_f32(level, to, values, onto, past_caches);
        }
    }

    impl Real for half::f16 {
        const KIND: Kind = Kind::Half;

        fn store(level: Level, to: &mut [Self], values: &[f32], onto: [f32; 4], past_caches: bool) {
            rows::store_f16(level, to, values, onto, past_caches);
        }
    }
}

macro_rules! voxel {
    ($($kind:ty: $to_f32:expr, $upload:expr;)*) => {$(
        impl sealed::Sealed for $kind {
            fn upload(gpu: &gpu::Gpu, voxels: &[Self]) -> Result<resample::cuda::Uploaded, Error> {
                let upload: fn(&gpu::Gpu, &[Self]) -> _ = $upload;
                upload(gpu, voxels)
            }
        }
        impl Voxel for $kind {
            #[inline]
            fn to_f32(self) -> f32 {
                ($to_f32)(self)
            }
        }
    )*};
}
voxel! {
    bool: |v| f32::from(u8::from(v)), |gpu, v| gpu.upload(resample::cuda::bits(v)).map(Uploaded::U8);
    u8: f32::from, |gpu, v| gpu.upload(v).map(Uploaded::U8);
    i16: f32::from, |gpu, v| gpu.upload(v).map(Uploaded::I16);
    u16: f32::from, Uploaded::as_f32;
    i32: |v| v as f32, Uploaded::as_f32;
    u32: |v| v as f32, Uploaded::as_f32;
    f32: |v| v, |gpu, v| gpu.upload(v).map(Uploaded::F32);
    half::f16: half::f16::to_f32, Uploaded::as_f32;
}

/// A volume of zeros (`false` for a mask). Its pages are first touched by the threads that fill it.
fn blank<T: Voxel>(shape: [usize; 3]) -> Result<ndarray::Array3<T>, Error> {
    let mut volume = sparse(shape)?;
    on_large_pages(volume.as_slice_memory_order_mut().expect("just made"));
    Ok(volume)
}

/// A volume that is written before it is read. What the allocator recycles is not cleared, as [`blank`] would
/// have it.
fn unwritten<T: Voxel>(shape: [usize; 3]) -> Result<ndarray::Array3<MaybeUninit<T>>, Error> {
    let voxels = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    let voxels = voxels.ok_or(Error::OutOfMemory { voxels: usize::MAX })?;
    let mut volume = Vec::new();
    volume.try_reserve_exact(voxels).map_err(|_| Error::OutOfMemory { voxels })?;
    // SAFETY: there is room for as many, and they need not be anything yet.
    unsafe { volume.set_len(voxels) };
    on_large_pages(&mut volume);
    Ok(ndarray::Array3::from_shape_vec(shape, volume).expect("as many voxels as the shape says"))
}

/// A volume of zeros of which little will be touched.
fn sparse<T: Voxel>(shape: [usize; 3]) -> Result<ndarray::Array3<T>, Error> {
    let voxels = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    let voxels = voxels.ok_or(Error::OutOfMemory { voxels: usize::MAX })?;
    // `vec!` aborts when there is no memory, and touches all of it for kinds that it does not know.
    let layout = std::alloc::Layout::array::<T>(voxels).map_err(|_| Error::OutOfMemory { voxels })?;
    let mut volume = Vec::new();
    if layout.size() > 0 {
        // SAFETY: the layout has a size.
        let memory = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<T>();
        if memory.is_null() {
            return Err(Error::OutOfMemory { voxels });
        }
        // SAFETY: just allocated for as many; every `Voxel` is a number or a bool, and may be zeros.
        volume = unsafe { Vec::from_raw_parts(memory, voxels, voxels) };
    }
    Ok(ndarray::Array3::from_shape_vec(shape, volume).expect("as many voxels as the shape says"))
}

/// Asks for memory that was not touched yet to come in large pages. First touching a volume 4 KiB at a
/// time takes about as long as resampling onto it. Only advice: nothing depends on it.
#[cfg(target_os = "linux")]
fn on_large_pages<T>(memory: &mut [T]) {
    const LARGE: usize = 2 << 20;
    // Less is quickly touched, and often recycled by the allocator.
    const LEAST: usize = 4 << 20;
    let range = memory.as_mut_ptr_range();
    let start = (range.start as usize).next_multiple_of(LARGE);
    let Some(length) = (range.end as usize).checked_sub(start).map(|length| length / LARGE * LARGE) else {
        return;
    };
    if length >= LEAST {
        // SAFETY: the range lies within `memory`, which is borrowed mutably, and the advice changes how
        // it is backed but not what it holds.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(target_os = "linux"))]
fn on_large_pages<T>(_: &mut [T]) {}
