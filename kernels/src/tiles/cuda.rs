//! The same on a device.

use cudarc::driver::PushKernelArg;
use ndarray::ArrayView3;

use crate::any::upload;
use crate::gpu::{Element, Gpu, Memory, Volume, blocks, refused};
use crate::{Error, Voxel};

/// The tiles of `shape` that start at `starts` (`[k, j, i]`) as one batch `[n, 1, k, j, i]` on the device that
/// `volume` lies on, with `pad` where they reach beyond it; see [`gather`](super::gather).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room, [`Error::Driver`] or [`Error::Kernel`] if the device failed.
pub fn gather_on_device<T: Element>(
    volume: &Volume<T>,
    starts: &[[isize; 3]],
    shape: [usize; 3],
    pad: T,
) -> Result<Memory<T>, Error> {
    let count = count(starts.len(), shape)?;
    // SAFETY: the kernel sets all of it.
    let mut batch = unsafe { volume.gpu().room::<T>(count)? };
    // SAFETY: the batch has as many voxels as tiles of that shape, and the volume as many as its own.
    unsafe { run(&mut batch, &volume.memory, volume.shape(), starts, shape, bits_of(pad), size_of::<T>())? };
    Ok(batch)
}

/// The same for a volume on the host, to the host: the bytes of the batch.
pub(super) fn gather<T: Voxel>(
    gpu: &Gpu,
    volume: ArrayView3<'_, T>,
    starts: &[[isize; 3]],
    shape: [usize; 3],
    pad: T,
) -> Result<Memory<u8>, Error> {
    let bytes = count(starts.len(), shape)?.checked_mul(size_of::<T>());
    let bytes = bytes.ok_or(Error::OutOfMemory { voxels: usize::MAX })?;
    // SAFETY: the kernel sets all of it.
    let mut batch = unsafe { gpu.room::<u8>(bytes)? };
    let there = upload(gpu, volume)?;
    // SAFETY: as above, counted in bytes.
    unsafe { run(&mut batch, &there, volume.dim().into(), starts, shape, bits_of(pad), size_of::<T>())? };
    Ok(batch)
}

fn count(tiles: usize, shape: [usize; 3]) -> Result<usize, Error> {
    let voxels = shape.iter().try_fold(tiles, |product, &n| product.checked_mul(n));
    voxels.ok_or(Error::OutOfMemory { voxels: usize::MAX })
}

/// # Safety
///
/// `batch` must hold as many voxels of `size` bytes as there are in tiles of `shape`, and `volume` as many as
/// `of` says.
unsafe fn run<T: Element>(
    batch: &mut Memory<T>,
    volume: &Memory<T>,
    of: [usize; 3],
    starts: &[[isize; 3]],
    shape: [usize; 3],
    pad: u32,
    size: usize,
) -> Result<(), Error> {
    let count = count(starts.len(), shape)?;
    if count == 0 {
        return Ok(());
    }
    let gpu = volume.gpu();
    // Beyond this a tile has no voxel of the volume, wherever it starts.
    let most = [0, 1, 2].map(|axis| (of[axis] + shape[axis]) as i64);
    let starts = starts
        .iter()
        .flat_map(|start| (0..3).map(|axis| (start[axis] as i64).clamp(-most[axis], most[axis])));
    let starts = gpu.upload(&starts.collect::<Vec<i64>>())?;
    let kernel = match size {
        1 => "tiles_gather_1",
        2 => "tiles_gather_2",
        _ => "tiles_gather_4",
    };
    let kernel = gpu.kernel("tiles", kernel)?;
    let (voxels, [tk, tj, ti], [vk, vj, vi]) = (count as u64, shape.map(|n| n as u64), of.map(|n| n as i64));
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut batch.slice).arg(&volume.slice).arg(&starts.slice).arg(&voxels);
    launch.arg(&tk).arg(&tj).arg(&ti).arg(&vk).arg(&vj).arg(&vi).arg(&pad);
    // SAFETY: the arguments are those of tiles.cu, and the memories are as large as the caller says.
    unsafe { launch.launch(blocks([count, 1, 1], [256, 1, 1])) }.map_err(refused)?;
    Ok(())
}

/// The bits of a voxel of up to four bytes, the lowest first.
fn bits_of<T: Copy>(value: T) -> u32 {
    let mut bits = [0_u8; 4];
    assert!(size_of::<T>() <= 4, "voxels have up to four bytes");
    // SAFETY: as many bytes as the voxel has are read from it, and written where there are four; every kind
    // of voxel is a number or a bool, without padding.
    unsafe {
        std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), bits.as_mut_ptr(), size_of::<T>())
    };
    u32::from_le_bytes(bits)
}
