//! Fewer and larger voxels.

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::{Device, Error, Voxel, blank};

/// The means of the blocks of `block` voxels (`[k, j, i]`) of `source`, whose values are cut off at `low` and
/// `high` first.
///
/// Voxels at the far end of an axis that fill no block are left out. The centre of the first block lies at
/// `(block - 1) / 2` in the source.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If a block has no voxels: the caller's mistake.
pub fn block_means<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    block: [usize; 3],
    low: f32,
    high: f32,
) -> Result<Array3<f32>, Error> {
    assert!(block.iter().all(|&n| n > 0), "a block of {block:?} voxels is none");
    device.on_cpu(module_path!())?;
    reference(source, block, low, high)
}

/// Row is added to row first, which vectorises; then along the row.
fn reference<T: Voxel>(
    source: ArrayView3<'_, T>,
    [bk, bj, bi]: [usize; 3],
    low: f32,
    high: f32,
) -> Result<Array3<f32>, Error> {
    let source = source.as_standard_layout();
    let (slices, rows, columns) = source.dim();
    let shape = [slices / bk, rows / bj, columns / bi];
    let mut out = blank(shape)?;
    if out.is_empty() {
        return Ok(out);
    }
    let voxels = source.as_slice().expect("made standard above");
    let to = out.as_slice_mut().expect("made in standard layout");
    let share = 1.0 / (bk * bj * bi) as f32;
    to.par_chunks_mut(shape[2]).enumerate().with_min_len(4).for_each_init(
        || vec![0.0_f32; columns],
        |sums, (at, row)| {
            sums.fill(0.0);
            let (k, j) = (at / shape[1] * bk, at % shape[1] * bj);
            for k in k..k + bk {
                for j in j..j + bj {
                    let from = &voxels[(k * rows + j) * columns..][..columns];
                    for (sum, value) in sums.iter_mut().zip(from) {
                        *sum += value.to_f32().max(low).min(high);
                    }
                }
            }
            for (to, block) in row.iter_mut().zip(sums.chunks_exact(bi)) {
                *to = block.iter().sum::<f32>() * share;
            }
        },
    );
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_has_the_mean_of_its_voxels() {
        let source = Array3::from_shape_fn((7, 11, 13), |(k, j, i)| (k * 100 + j * 10 + i) as i16 - 300);
        let found = block_means(&Device::Cpu, source.view(), [3, 2, 5], -250.0, 400.0).unwrap();
        assert_eq!(found.dim(), (2, 5, 2));
        for ((k, j, i), mean) in found.indexed_iter() {
            let mut sum = 0.0;
            for (dk, dj, di) in ndarray::indices((3, 2, 5)) {
                sum += f32::from(source[(3 * k + dk, 2 * j + dj, 5 * i + di)]).clamp(-250.0, 400.0);
            }
            assert!((mean - sum / 30.0).abs() < 1e-3, "{mean} where {} is expected", sum / 30.0);
        }
    }

    #[test]
    fn a_block_of_one_voxel_changes_nothing_and_one_that_is_too_large_leaves_nothing() {
        let source = Array3::from_shape_fn((2, 3, 4), |(k, j, i)| (k * 12 + j * 4 + i) as f32);
        let same = block_means(&Device::Cpu, source.view(), [1; 3], f32::MIN, f32::MAX).unwrap();
        assert_eq!(same, source);
        let none = block_means(&Device::Cpu, source.view(), [3, 1, 1], f32::MIN, f32::MAX).unwrap();
        assert!(none.is_empty());
    }
}
