//! Volumes of any kind of voxel on a device: kernels are told the kind by a number.

use std::any::TypeId;

use half::f16;
use ndarray::ArrayView3;

use crate::gpu::{Gpu, Memory};
use crate::{Error, Voxel};

/// The number by which kernels know a kind of voxel: see `load` in prelude.cuh.
pub(crate) fn kind<T: 'static>() -> u32 {
    let kinds = [
        (TypeId::of::<bool>(), 0),
        (TypeId::of::<u8>(), 0),
        (TypeId::of::<i16>(), 1),
        (TypeId::of::<u16>(), 2),
        (TypeId::of::<i32>(), 3),
        (TypeId::of::<u32>(), 4),
        (TypeId::of::<f16>(), 5),
        (TypeId::of::<f32>(), 6),
    ];
    let known = kinds.iter().find(|(kind, _)| *kind == TypeId::of::<T>());
    known.expect("every kind of voxel has a number").1
}

/// The bytes of a volume's voxels on a device, in standard layout.
pub(crate) fn upload<T: Voxel>(gpu: &Gpu, volume: ArrayView3<'_, T>) -> Result<Memory<u8>, Error> {
    let volume = volume.as_standard_layout();
    let voxels = volume.as_slice().expect("just made standard");
    // SAFETY: every kind of voxel is a number or a bool, without padding, and the slice is borrowed as long
    // as this one.
    let bytes = unsafe { std::slice::from_raw_parts(voxels.as_ptr().cast::<u8>(), size_of_val(voxels)) };
    gpu.upload(bytes)
}

/// The opposite: as many voxels as `voxels` has room for. Those of a mask are `true` where the byte is not 0.
pub(crate) fn download<T: Voxel>(memory: &Memory<u8>, voxels: &mut [T]) -> Result<(), Error> {
    if TypeId::of::<T>() == TypeId::of::<bool>() {
        let mut bytes = vec![0_u8; voxels.len()];
        memory.download_into(&mut bytes)?;
        bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        // SAFETY: a bool is one byte, 0 or 1, and there are as many.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), voxels.as_mut_ptr().cast::<u8>(), bytes.len())
        };
        return Ok(());
    }
    let length = size_of_val(voxels);
    // SAFETY: every other kind of voxel is a number, which any bytes are, and the slice is borrowed as long
    // as this one.
    let bytes = unsafe { std::slice::from_raw_parts_mut(voxels.as_mut_ptr().cast::<u8>(), length) };
    memory.download_into(bytes)
}
