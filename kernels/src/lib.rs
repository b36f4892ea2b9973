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
pub mod keep;
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
mod pages;
mod simd;

use std::mem::MaybeUninit;

use pages::Advice;
use resample::cuda::Uploaded;
use resample::rows::Kept;

pub use device::Device;
pub use pages::LargePages;

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
    use crate::resample::rows::{self, Between, Kept, Values};
    use crate::simd::Level;

    pub trait Sealed: Sized {
        /// A copy on a device, of a kind that is resampled there.
        fn upload(gpu: &Gpu, voxels: &[Self]) -> Result<Uploaded, Error>;

        /// The voxels as what they are.
        fn kept(voxels: &[Self]) -> Kept<'_>;
    }

    pub trait Real: Sized {
        /// What its kernels are called.
        const KIND: Kind;

        /// Writes `values` on the scale of `[scale, offset, least, most]`, see [`rows`].
        fn store(level: Level, to: &mut [Self], values: &[f32], onto: [f32; 4], past_caches: bool) {
            Self::store_values(level, to, Between::alone(values), onto, past_caches);
        }

        /// The same of values that are made as they are stored.
        fn store_values<V: Values>(
            level: Level,
            to: &mut [Self],
            values: V,
            onto: [f32; 4],
            past_caches: bool,
        );
    }

    impl Real for f32 {
        const KIND: Kind = Kind::Single;

        fn store_values<V: Values>(
            level: Level,
            to: &mut [Self],
            values: V,
            onto: [f32; 4],
            past_caches: bool,
        ) {
            rows::store_f32(level, to, values, onto, past_caches);
        }
    }

    impl Real for half::f16 {
        const KIND: Kind = Kind::Half;

        fn store_values<V: Values>(
            level: Level,
            to: &mut [Self],
            values: V,
            onto: [f32; 4],
            past_caches: bool,
        ) {
            rows::store_f16(level, to, values, onto, past_caches);
        }
    }
}

macro_rules! voxel {
    ($($kind:ty: $to_f32:expr, $kept:expr, $upload:expr;)*) => {$(
        impl sealed::Sealed for $kind {
            fn upload(gpu: &gpu::Gpu, voxels: &[Self]) -> Result<resample::cuda::Uploaded, Error> {
                let upload: fn(&gpu::Gpu, &[Self]) -> _ = $upload;
                upload(gpu, voxels)
            }

            #[inline]
            fn kept(voxels: &[Self]) -> Kept<'_> {
                let kept: fn(&[Self]) -> Kept<'_> = $kept;
                kept(voxels)
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
    bool: |v| f32::from(u8::from(v)), |_| Kept::Others, |gpu, v| gpu.upload(resample::cuda::bits(v)).map(Uploaded::U8);
    u8: f32::from, |_| Kept::Others, |gpu, v| gpu.upload(v).map(Uploaded::U8);
    i16: f32::from, |v| Kept::Words(v), |gpu, v| gpu.upload(v).map(Uploaded::I16);
    u16: f32::from, |_| Kept::Others, Uploaded::as_f32;
    i32: |v| v as f32, |_| Kept::Others, Uploaded::as_f32;
    u32: |v| v as f32, |_| Kept::Others, Uploaded::as_f32;
    f32: |v| v, |v| Kept::Singles(v), |gpu, v| gpu.upload(v).map(Uploaded::F32);
    half::f16: half::f16::to_f32, |_| Kept::Others, Uploaded::as_f32;
}

/// A volume of zeros (`false` for a mask). Its pages are first touched by the threads that fill it.
fn blank<T: Voxel>(shape: [usize; 3]) -> Result<ndarray::Array3<T>, Error> {
    zeros(shape, Advice::Large)
}

/// A volume that is written before it is read. What the allocator recycles is not cleared, as [`blank`] would
/// have it.
fn unwritten<T: Voxel>(shape: [usize; 3]) -> Result<ndarray::Array3<MaybeUninit<T>>, Error> {
    let voxels = count(shape)?;
    let mut volume: Vec<MaybeUninit<T>> = Vec::new();
    volume.try_reserve_exact(voxels).map_err(|_| Error::OutOfMemory { voxels })?;
    // SAFETY: there is room for as many, and they need not be anything yet.
    unsafe { volume.set_len(voxels) };
    pages::advise(volume.as_mut_ptr().cast(), voxels * size_of::<T>(), Advice::Large);
    Ok(ndarray::Array3::from_shape_vec(shape, volume).expect("as many voxels as the shape says"))
}

/// A volume of zeros of which little will be touched.
fn sparse<T: Voxel>(shape: [usize; 3]) -> Result<ndarray::Array3<T>, Error> {
    zeros(shape, Advice::Small)
}

fn zeros<T: Voxel>(shape: [usize; 3], pages: Advice) -> Result<ndarray::Array3<T>, Error> {
    let voxels = count(shape)?;
    // `vec!` aborts when there is no memory, and touches all of it for kinds that it does not know.
    let layout = std::alloc::Layout::array::<T>(voxels).map_err(|_| Error::OutOfMemory { voxels })?;
    let mut volume = Vec::new();
    if layout.size() > 0 {
        // SAFETY: the layout has a size.
        let memory = unsafe { std::alloc::alloc_zeroed(layout) }.cast::<T>();
        if memory.is_null() {
            return Err(Error::OutOfMemory { voxels });
        }
        pages::advise(memory.cast(), layout.size(), pages);
        // SAFETY: just allocated for as many; every `Voxel` is a number or a bool, and may be zeros.
        volume = unsafe { Vec::from_raw_parts(memory, voxels, voxels) };
    }
    Ok(ndarray::Array3::from_shape_vec(shape, volume).expect("as many voxels as the shape says"))
}

fn count(shape: [usize; 3]) -> Result<usize, Error> {
    let voxels = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    voxels.ok_or(Error::OutOfMemory { voxels: usize::MAX })
}
