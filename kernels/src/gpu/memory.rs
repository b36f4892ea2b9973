//! Memory on the device, and the ways there and back.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use cudarc::driver::{
    CudaSlice, CudaViewMut, DeviceRepr, DriverError, PinnedHostSlice, ValidAsZeroBits, sys,
};
use ndarray::{Array3, ArrayView3};

use super::{Gpu, refused};
use crate::{Error, blank};

/// What can lie in a device's memory: numbers whose bits mean the same there.
pub trait Element:
    sealed::Sealed + DeviceRepr + ValidAsZeroBits + Copy + Default + Send + Sync + 'static
{
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! element {
    ($($kind:ty),*) => {$(
        impl sealed::Sealed for $kind {}
        impl Element for $kind {}
    )*};
}
element!(u8, i16, u16, i32, u32, u64, i64, f32, f64, half::f16);

/// Numbers in a device's memory. Given back when dropped.
pub struct Memory<T> {
    /// Of `len` numbers, or one that nobody looks at.
    pub(crate) slice: CudaSlice<T>,
    len: usize,
    held: Held,
}

/// Bytes that count as used as long as this lives.
struct Held {
    gpu: Gpu,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gpu.inner.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl<T> std::fmt::Debug for Memory<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("len", &self.len).field("gpu", &self.held.gpu).finish()
    }
}

impl<T: Element> Memory<T> {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The device that it lies on.
    pub fn gpu(&self) -> &Gpu {
        &self.held.gpu
    }

    /// Where it lies, for a library that works on the same device. What was asked for before may still be
    /// under way; see [`Gpu::wait`] and [`Gpu::raw_stream`].
    pub fn address(&self) -> u64 {
        use cudarc::driver::DevicePtr;
        self.slice.device_ptr(self.gpu().stream()).0
    }

    /// Its numbers, once they are there.
    ///
    /// # Errors
    ///
    /// [`Error::Driver`] if the device failed.
    pub fn download(&self) -> Result<Vec<T>, Error> {
        let mut host = vec![T::default(); self.len()];
        self.download_into(&mut host)?;
        Ok(host)
    }

    /// Its first numbers into `host`, once they are there.
    ///
    /// # Errors
    ///
    /// [`Error::Driver`] if the device failed.
    ///
    /// # Panics
    ///
    /// If there are fewer than `host` has room for.
    pub fn download_into(&self, host: &mut [T]) -> Result<(), Error> {
        let stream = self.gpu().stream();
        if host.is_empty() {
            return Ok(());
        }
        stream.memcpy_dtoh(&self.slice.slice(..host.len()), host).map_err(refused)?;
        // Copies to pageable memory are done when the call returns, but errors of kernels are not.
        stream.synchronize().map_err(refused)
    }
}

/// A volume in a device's memory, in the order of a standard array: `[k, j, i]`, `i` fastest.
#[derive(Debug)]
pub struct Volume<T> {
    pub(crate) memory: Memory<T>,
    shape: [usize; 3],
}

impl<T: Element> Volume<T> {
    /// Slices, rows and columns.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The device that it lies on.
    pub fn gpu(&self) -> &Gpu {
        self.memory.gpu()
    }

    /// Where its first voxel lies; see [`Memory::address`].
    pub fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Its voxels, once they are there.
    ///
    /// # Errors
    ///
    /// [`Error::Driver`] if the device failed, [`Error::OutOfMemory`] if the host has no room.
    pub fn download(&self) -> Result<Array3<T>, Error>
    where
        T: crate::Voxel,
    {
        let mut host = blank(self.shape)?;
        self.memory.download_into(host.as_slice_mut().expect("made in standard layout"))?;
        Ok(host)
    }

    /// As a volume of `shape`.
    ///
    /// # Panics
    ///
    /// If `memory` does not hold as many voxels as the shape says.
    pub fn new(memory: Memory<T>, shape: [usize; 3]) -> Self {
        assert_eq!(memory.len(), shape.iter().product::<usize>(), "as many voxels as the shape says");
        Self { memory, shape }
    }
}

impl Volume<u8> {
    /// Its voxels as a mask, once they are there: what is not 0 is in it.
    ///
    /// # Errors
    ///
    /// [`Error::Driver`] if the device failed, [`Error::OutOfMemory`] if the host has no room.
    pub fn download_mask(&self) -> Result<Array3<bool>, Error> {
        Ok(self.download()?.mapv_into_any(|voxel| voxel != 0))
    }
}

/// Two pinned buffers that large uploads go through in turn: while one is on its way, the other is filled.
pub(super) struct Staging {
    buffers: [PinnedHostSlice<u8>; 2],
}

/// Bytes of each of the two pinned buffers. Large enough that a copy takes longer than starting it.
const STAGED: usize = 8 << 20;

impl Gpu {
    /// How many bytes can still be had: what the driver has left, within the limit.
    ///
    /// # Errors
    ///
    /// [`Error::Driver`] if the driver does not say.
    pub fn free_bytes(&self) -> Result<u64, Error> {
        let (free, _) = self.inner.context.mem_get_info().map_err(refused)?;
        let limit = self.inner.options.memory_bytes.unwrap_or(u64::MAX);
        Ok((free as u64).min(limit.saturating_sub(self.inner.used.load(Ordering::Relaxed))))
    }

    /// Room for `len` numbers, each 0.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room or the limit is reached, [`Error::Driver`] if the device
    /// failed.
    pub fn zeros<T: Element>(&self, len: usize) -> Result<Memory<T>, Error> {
        // SAFETY: every byte is set below, before anything can read it.
        let mut memory = unsafe { self.room(len)? };
        if len > 0 {
            self.stream().memset_zeros(&mut memory.slice).map_err(refused)?;
        }
        Ok(memory)
    }

    /// Room for `len` numbers that are whatever was there before.
    ///
    /// # Safety
    ///
    /// The next thing that uses it must set all of it.
    pub(crate) unsafe fn room<T: Element>(&self, len: usize) -> Result<Memory<T>, Error> {
        let out = Error::OutOfMemory { voxels: len };
        // An empty piece of memory would be an invalid value to the driver.
        let bytes = len.max(1).checked_mul(size_of::<T>()).ok_or_else(|| out.clone())? as u64;
        let limit = self.inner.options.memory_bytes.unwrap_or(u64::MAX);
        let take = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= limit);
        self.inner.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(|_| out.clone())?;
        let held = Held { gpu: self.clone(), bytes };
        // SAFETY: the caller sets it before anything reads it.
        let slice = unsafe { self.stream().alloc::<T>(len.max(1)) };
        match slice {
            Ok(slice) => Ok(Memory { slice, len, held }),
            Err(DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => Err(out),
            Err(error) => Err(refused(error)),
        }
    }

    /// A volume of `shape` that is whatever was there before.
    ///
    /// # Safety
    ///
    /// The next thing that uses it must set all of it.
    pub(crate) unsafe fn volume<T: Element>(&self, shape: [usize; 3]) -> Result<Volume<T>, Error> {
        let voxels = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
        let voxels = voxels.ok_or(Error::OutOfMemory { voxels: usize::MAX })?;
        // SAFETY: passed on to the caller.
        let memory = unsafe { self.room(voxels)? };
        Ok(Volume { memory, shape })
    }

    /// A copy of `host` on the device.
    ///
    /// # Errors
    ///
    /// As [`Self::zeros`].
    pub fn upload<T: Element>(&self, host: &[T]) -> Result<Memory<T>, Error> {
        // SAFETY: all of it is set below.
        let mut memory = unsafe { self.room(host.len())? };
        self.upload_into(host, &mut memory.slice.as_view_mut())?;
        Ok(memory)
    }

    /// A copy of `host` on the device, in standard layout.
    ///
    /// # Errors
    ///
    /// As [`Self::zeros`].
    pub fn upload_volume<T: Element>(&self, host: ArrayView3<'_, T>) -> Result<Volume<T>, Error> {
        let shape = host.dim().into();
        let host = host.as_standard_layout();
        Ok(Volume { memory: self.upload(host.as_slice().expect("just made standard"))?, shape })
    }

    /// A copy of a mask on the device, 0 or 1 for each voxel.
    ///
    /// # Errors
    ///
    /// As [`Self::zeros`].
    pub fn upload_mask(&self, host: ArrayView3<'_, bool>) -> Result<Volume<u8>, Error> {
        let shape = host.dim().into();
        let host = host.as_standard_layout();
        let voxels = host.as_slice().expect("just made standard");
        // SAFETY: a bool is one byte, 0 or 1, and the slice is borrowed as long as this one.
        let bytes = unsafe { std::slice::from_raw_parts(voxels.as_ptr().cast::<u8>(), voxels.len()) };
        Ok(Volume { memory: self.upload(bytes)?, shape })
    }

    fn upload_into<T: Element>(&self, host: &[T], to: &mut CudaViewMut<'_, T>) -> Result<(), Error> {
        if size_of_val(host) <= STAGED {
            return if host.is_empty() {
                Ok(())
            } else {
                self.stream().memcpy_htod(host, to).map_err(refused)
            };
        }
        let mut staging = self.inner.staging.lock().unwrap_or_else(PoisonError::into_inner);
        if staging.is_none() {
            // SAFETY: each part is written before it is copied from.
            let pinned = || unsafe { self.inner.context.alloc_pinned::<u8>(STAGED) };
            let buffers = [pinned().map_err(refused)?, pinned().map_err(refused)?];
            *staging = Some(Staging { buffers });
        }
        let staging = staging.as_mut().expect("just made");
        // SAFETY: any bytes are bytes, and every `Element` may be any bytes.
        let bytes = unsafe { std::slice::from_raw_parts(host.as_ptr().cast::<u8>(), size_of_val(host)) };
        // SAFETY: as many bytes as the numbers have.
        let mut to = unsafe { to.transmute_mut::<u8>(bytes.len()) }.expect("as many bytes");
        let uploads = &self.inner.uploads;
        for (turn, part) in bytes.chunks(STAGED).enumerate() {
            let buffer = &mut staging.buffers[turn % 2];
            // Waits until the copy before the last, from the same buffer, is done.
            copy(part, &mut buffer.as_mut_slice().map_err(refused)?[..part.len()]);
            let mut to = to.slice_mut(turn * STAGED..turn * STAGED + part.len());
            if part.len() == STAGED {
                uploads.memcpy_htod(&*buffer, &mut to).map_err(refused)?;
            } else {
                uploads
                    .memcpy_htod(&buffer.as_slice().map_err(refused)?[..part.len()], &mut to)
                    .map_err(refused)?;
                // A slice of a pinned buffer does not know its event.
                uploads.synchronize().map_err(refused)?;
            }
        }
        Ok(())
    }
}

/// A copy by all threads: one alone does not fill the bus.
fn copy(from: &[u8], to: &mut [u8]) {
    use rayon::prelude::*;
    to.par_chunks_mut(1 << 20).zip(from.par_chunks(1 << 20)).for_each(|(to, from)| to.copy_from_slice(from));
}
