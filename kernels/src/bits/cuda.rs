//! Masks of bits in a device's memory.

use cudarc::driver::PushKernelArg;
use ndarray::ArrayView3;

use super::Bits;
use crate::any::{kind, upload};
use crate::gpu::{Element, Gpu, Memory, Volume, blocks, refused};
use crate::{Error, Voxel};

/// A mask of one bit per voxel in a device's memory, laid out as [`Bits`] is.
#[derive(Debug)]
pub struct DeviceBits {
    pub(crate) words: Memory<u64>,
    pub(crate) shape: [usize; 3],
}

/// Which values are in the mask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Whether `low` itself is not.
    pub(crate) above: bool,
}

/// Words of one block of `bits_within`.
const WORDS: u32 = 32;

impl DeviceBits {
    /// A copy of `bits` on the device.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room, [`Error::Driver`] if the device failed.
    pub fn upload(gpu: &Gpu, bits: &Bits) -> Result<Self, Error> {
        Ok(Self { words: gpu.upload(&bits.words)?, shape: bits.shape })
    }

    /// The mask on the host, once it is there.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room, [`Error::Driver`] if the device failed.
    pub fn download(&self) -> Result<Bits, Error> {
        let mut bits = Bits::none(self.shape)?;
        self.words.download_into(&mut bits.words)?;
        Ok(bits)
    }

    /// The voxels of `volume` above `threshold`; those that are not a number are not.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room, [`Error::Driver`] or [`Error::Kernel`] if the device
    /// failed.
    pub fn above<T: Element>(volume: &Volume<T>, threshold: f32) -> Result<Self, Error> {
        let wanted = Wanted { low: f64::from(threshold), high: f64::INFINITY, above: true };
        packed(&volume.memory, kind::<T>(), volume.shape(), wanted)
    }

    /// The same mask as one byte per voxel, 0 or 1.
    ///
    /// # Errors
    ///
    /// As [`Self::above`].
    pub fn to_volume(&self) -> Result<Volume<u8>, Error> {
        let gpu = self.gpu();
        // SAFETY: the kernel sets all of it.
        let mut volume = unsafe { gpu.volume::<u8>(self.shape)? };
        let (count, [_, _, columns]) = (volume.memory.len(), self.shape);
        if count > 0 {
            let kernel = gpu.kernel("bits", "bits_unpack")?;
            let (size, stride, columns) = (count as u64, self.stride() as u32, columns as u32);
            let mut launch = gpu.stream().launch_builder(&kernel);
            launch.arg(&mut volume.memory.slice).arg(&self.words.slice).arg(&size).arg(&stride).arg(&columns);
            // SAFETY: the arguments are those of bits.cu, and both memories are as large as the shape says.
            unsafe { launch.launch(blocks([count, 1, 1], [256, 1, 1])) }.map_err(refused)?;
        }
        Ok(volume)
    }

    /// Slices, rows and columns.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The device that it lies on.
    pub fn gpu(&self) -> &Gpu {
        self.words.gpu()
    }

    /// Words per row.
    pub(crate) fn stride(&self) -> usize {
        self.shape[2].div_ceil(64)
    }

    /// Room for another mask of the same shape.
    ///
    /// # Safety
    ///
    /// The next thing that uses it must set all of it.
    pub(crate) unsafe fn room(&self) -> Result<Self, Error> {
        // SAFETY: passed on to the caller.
        Ok(Self { words: unsafe { self.gpu().room(self.words.len())? }, shape: self.shape })
    }
}

/// The voxels of a volume on the host that are wanted, found on the device.
pub(super) fn wherever<T: Voxel>(
    gpu: &Gpu,
    volume: ArrayView3<'_, T>,
    wanted: Wanted,
) -> Result<DeviceBits, Error> {
    packed(&upload(gpu, volume)?, kind::<T>(), volume.dim().into(), wanted)
}

/// `voxels` are as many of `kind` as `shape` says.
fn packed<T: Element>(
    voxels: &Memory<T>,
    kind: u32,
    shape: [usize; 3],
    wanted: Wanted,
) -> Result<DeviceBits, Error> {
    let gpu = voxels.gpu();
    let (stride, columns) = (shape[2].div_ceil(64), shape[2] as u32);
    let count = shape[0] * shape[1] * stride;
    // SAFETY: the kernel sets all of it.
    let mut words = unsafe { gpu.room::<u64>(count)? };
    if count > 0 {
        let kernel = gpu.kernel("bits", "bits_within")?;
        let (size, stride, above) = (count as u64, stride as u32, u32::from(wanted.above));
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut words.slice).arg(&voxels.slice).arg(&kind).arg(&size).arg(&stride).arg(&columns);
        launch.arg(&wanted.low).arg(&wanted.high).arg(&above);
        let blocks = blocks([count.div_ceil(WORDS as usize) * 256, 1, 1], [256, 1, 1]);
        // SAFETY: the arguments are those of bits.cu, and both memories are as large as the shape says.
        unsafe { launch.launch(blocks) }.map_err(refused)?;
    }
    Ok(DeviceBits { words, shape })
}
