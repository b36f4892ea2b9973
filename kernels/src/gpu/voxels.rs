//! Voxels in a device's memory of the kinds that kernels read.

use cudarc::driver::{LaunchArgs, PushKernelArg};
use ndarray::{Array3, ArrayView3, Zip};

use super::{Gpu, Volume};
use crate::{Error, Voxel};

/// A volume in a device's memory: what a scanner stores, or numbers that were worked out.
#[derive(Debug)]
pub enum Voxels {
    /// 16 bits each.
    Short(Volume<i16>),
    /// Single precision.
    Single(Volume<f32>),
}

impl From<Volume<i16>> for Voxels {
    fn from(volume: Volume<i16>) -> Self {
        Self::Short(volume)
    }
}

impl From<Volume<f32>> for Voxels {
    fn from(volume: Volume<f32>) -> Self {
        Self::Single(volume)
    }
}

impl Voxels {
    /// A copy of `host` on the device. Kinds of voxels other than `i16` become `f32`.
    ///
    /// # Errors
    ///
    /// As [`Gpu::upload_volume`].
    pub fn upload<T: Voxel>(gpu: &Gpu, host: ArrayView3<'_, T>) -> Result<Self, Error> {
        let host = host.as_standard_layout();
        let voxels = host.as_slice().expect("just made standard");
        if std::any::TypeId::of::<T>() == std::any::TypeId::of::<i16>() {
            // SAFETY: it is a slice of i16 already, only that the compiler does not know.
            let voxels = unsafe { std::slice::from_raw_parts(voxels.as_ptr().cast::<i16>(), voxels.len()) };
            let view = ArrayView3::from_shape(host.raw_dim(), voxels).expect("as many as there were");
            return Ok(Self::Short(gpu.upload_volume(view)?));
        }
        let mut single: Array3<f32> = crate::blank(host.dim().into())?;
        Zip::from(&mut single).and(&host).par_for_each(|to, from| *to = from.to_f32());
        Ok(Self::Single(gpu.upload_volume(single.view())?))
    }

    /// Slices, rows and columns.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Self::Short(volume) => volume.shape(),
            Self::Single(volume) => volume.shape(),
        }
    }

    /// The device that it lies on.
    pub fn gpu(&self) -> &Gpu {
        match self {
            Self::Short(volume) => volume.gpu(),
            Self::Single(volume) => volume.gpu(),
        }
    }

    /// The name of the kernel for this kind of voxel: `name` and the kind.
    pub(crate) fn kernel(&self, name: &str) -> String {
        match self {
            Self::Short(_) => format!("{name}_i16"),
            Self::Single(_) => format!("{name}_f32"),
        }
    }

    /// Makes it the next argument of a kernel.
    pub(crate) fn pass<'a>(&'a self, launch: &mut LaunchArgs<'a>) {
        match self {
            Self::Short(volume) => launch.arg(&volume.memory.slice),
            Self::Single(volume) => launch.arg(&volume.memory.slice),
        };
    }
}
