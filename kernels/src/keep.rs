//! A part of a volume as it is, and one value everywhere else: what a network sees of an organ.
//!
//! It is done in place, where the volume lies: to send it somewhere else would take longer.

use cudarc::driver::PushKernelArg;
use ndarray::{ArrayViewMut3, Axis};
use rayon::prelude::*;

use crate::Error;
use crate::bits::{Bits, DeviceBits};
use crate::gpu::{Volume, blocks, refused};

/// Threads of a block.
const BLOCK: u32 = 256;

/// Sets the voxels of `volume` that are not in `mask` to `outside`.
///
/// # Panics
///
/// If the mask has another shape: the caller's mistake.
pub fn keep(mut volume: ArrayViewMut3<'_, f32>, mask: &Bits, outside: f32) {
    assert_eq!(mask.shape, <[usize; 3]>::from(volume.dim()), "the mask's and the volume's shape");
    let slice = (mask.shape[1] * mask.stride).max(1);
    let slices = volume.axis_iter_mut(Axis(0)).into_par_iter().zip(mask.words.par_chunks(slice));
    slices.for_each(|(mut slice, words)| {
        for (mut row, words) in slice.rows_mut().into_iter().zip(words.chunks(mask.stride)) {
            for (i, value) in row.iter_mut().enumerate() {
                if words[i / 64] >> (i % 64) & 1 == 0 {
                    *value = outside;
                }
            }
        }
    });
}

/// As [`keep`], on a device.
///
/// # Errors
///
/// [`Error::Driver`] or [`Error::Kernel`] if the device failed.
///
/// # Panics
///
/// As [`keep`].
pub fn keep_on_device(volume: &mut Volume<f32>, mask: &DeviceBits, outside: f32) -> Result<(), Error> {
    assert_eq!(mask.shape, volume.shape(), "the mask's and the volume's shape");
    let count = volume.memory.len();
    if count == 0 {
        return Ok(());
    }
    let gpu = mask.gpu();
    let kernel = gpu.kernel("keep", "keep_inside")?;
    let (size, stride, columns) = (count as u64, mask.stride() as u32, mask.shape[2] as u32);
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut volume.memory.slice).arg(&mask.words.slice).arg(&size).arg(&stride).arg(&columns);
    launch.arg(&outside);
    // SAFETY: the arguments are those of keep.cu, and both memories are as large as the shape says.
    unsafe { launch.launch(blocks([count, 1, 1], [BLOCK, 1, 1])) }.map_err(refused)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn what_is_not_in_the_mask_becomes_the_value_and_the_rest_stays() {
        for shape in [[3, 4, 130], [2, 5, 64], [1, 1, 1], [0, 4, 4], [2, 0, 3], [2, 3, 0]] {
            let before = Array3::from_shape_fn(shape, |(k, j, i)| (100 * k + 10 * j + i) as f32);
            let mask = before.mapv(|value| value as usize % 3 == 1);
            let mut after = before.clone();
            keep(after.view_mut(), &Bits::of(mask.view()).unwrap(), -0.5);
            for (at, &value) in after.indexed_iter() {
                assert_eq!(value, if mask[at] { before[at] } else { -0.5 }, "{at:?}");
            }
        }
    }

    #[test]
    fn a_volume_with_its_axes_turned_is_kept_where_the_mask_is() {
        let mut volume = Array3::from_elem((70, 3, 2), 1.0_f32);
        let mut mask = Array3::from_elem((2, 3, 70), false);
        mask[[1, 2, 65]] = true;
        keep(volume.view_mut().reversed_axes(), &Bits::of(mask.view()).unwrap(), 0.0);
        assert_eq!((volume[[65, 2, 1]], volume.sum()), (1.0, 1.0));
    }
}
