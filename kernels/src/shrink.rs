//! Fewer and larger voxels.

use cudarc::driver::PushKernelArg;
use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::gpu::{Volume, blocks, refused, with_uploaded};
use crate::resample::Stored;
use crate::simd::{Level, at_each_level};
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
    match device {
        Device::Cpu => reference(source, block, low, high),
        Device::Cuda(gpu) => {
            with_uploaded!(gpu, source, volume => block_means_on_device(volume, block, low, high))?.download()
        }
    }
}

/// As [`block_means`], of a volume in a device's memory, where the result stays: the same bits.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the device has no room, [`Error::Driver`] and [`Error::Kernel`] if it failed.
///
/// # Panics
///
/// As [`block_means`].
pub fn block_means_on_device<T: Stored>(
    source: &Volume<T>,
    block: [usize; 3],
    low: f32,
    high: f32,
) -> Result<Volume<f32>, Error> {
    assert!(block.iter().all(|&n| n > 0), "a block of {block:?} voxels is none");
    let (gpu, from) = (source.gpu(), source.shape());
    let shape: [usize; 3] = std::array::from_fn(|axis| from[axis] / block[axis]);
    // SAFETY: the kernel below sets all of it.
    let mut out = unsafe { gpu.volume::<f32>(shape)? };
    let kernel = gpu.kernel("shrink", &format!("shrink_blocks_{}", T::NAME))?;
    let sizes = [shape[0], shape[1], shape[2], from[1], from[2]].map(|n| n as u64);
    let share = 1.0 / block.iter().product::<usize>() as f32;
    // A block longer than the axis leaves nothing, however long it is.
    let block = block.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut out.memory.slice).arg(&source.memory.slice);
    for n in &sizes {
        launch.arg(n);
    }
    for n in &block {
        launch.arg(n);
    }
    launch.arg(&low).arg(&high).arg(&share);
    // SAFETY: the arguments are those of shrink.cu, and all blocks lie within the source.
    unsafe { launch.launch(blocks([shape.iter().product(), 1, 1], [256, 1, 1])) }.map_err(refused)?;
    Ok(out)
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

/// The means of `source` over the voxels of an array of `shape` (`[k, j, i]`) that covers the same space:
/// a source voxel that lies in several of them counts for each by the share of it that lies there.
///
/// So every source voxel counts as much as any other, and the mean stays what it is. Voxel `at` of an axis of
/// `n` voxels covers the source from `at * source / n` to `(at + 1) * source / n`, counted from the first
/// voxel's edge.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If an axis of the source has no voxels and that of the result has some: the caller's mistake.
pub fn area_means<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
) -> Result<Array3<f32>, Error> {
    let from: [usize; 3] = source.dim().into();
    assert!((0..3).all(|d| from[d] > 0 || shape[d] == 0), "{shape:?} voxels of the space of {from:?}");
    match device {
        Device::Cpu => covered(Level::best(), source, shape),
        Device::Cuda(gpu) => {
            with_uploaded!(gpu, source, volume => area_means_on_device(volume, shape))?.download()
        }
    }
}

/// As [`area_means`], of a volume in a device's memory, where the result stays: the same bits.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the device has no room, [`Error::Driver`] and [`Error::Kernel`] if it failed.
///
/// # Panics
///
/// As [`area_means`].
pub fn area_means_on_device<T: Stored>(source: &Volume<T>, shape: [usize; 3]) -> Result<Volume<f32>, Error> {
    let (gpu, from) = (source.gpu(), source.shape());
    assert!((0..3).all(|d| from[d] > 0 || shape[d] == 0), "{shape:?} voxels of the space of {from:?}");
    let (mut first, mut start, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for axis in 0..3 {
        let cover = Cover::new(from[axis], shape[axis]);
        first.extend(cover.first.iter().map(|&(first, _)| first as u32));
        start.extend(cover.first.iter().map(|&(_, start)| (shares.len() + start) as u32));
        shares.extend(cover.shares);
    }
    let (first, start, shares) = (gpu.upload(&first)?, gpu.upload(&start)?, gpu.upload(&shares)?);
    // SAFETY: the kernel below sets all of it.
    let mut out = unsafe { gpu.volume::<f32>(shape)? };
    let kernel = gpu.kernel("shrink", &format!("shrink_areas_{}", T::NAME))?;
    let voxels = shape.iter().product();
    let sizes = [shape[0], shape[1], shape[2], from[1], from[2]].map(|n| n as u64);
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut out.memory.slice).arg(&source.memory.slice);
    launch.arg(&first.slice).arg(&start.slice).arg(&shares.slice);
    for n in &sizes {
        launch.arg(n);
    }
    // SAFETY: the arguments are those of shrink.cu, and the cover of each voxel lies within the source.
    unsafe { launch.launch(blocks([voxels, 1, 1], [256, 1, 1])) }.map_err(refused)?;
    Ok(out)
}

/// Which source voxels lie in each voxel of an axis, and which share of it each is.
struct Cover {
    /// The first one, and where its shares begin.
    first: Vec<(usize, usize)>,
    shares: Vec<f32>,
}

impl Cover {
    /// `count` voxels over an axis of `n`.
    fn new(n: usize, count: usize) -> Self {
        let (mut first, mut shares) = (Vec::with_capacity(count), Vec::new());
        for at in 0..count {
            // In units of one `count`-th of a source voxel everything is a whole number.
            let (low, high) = (at as u128 * n as u128, (at + 1) as u128 * n as u128);
            let count = count as u128;
            first.push(((low / count) as usize, shares.len()));
            for voxel in low / count..high.div_ceil(count) {
                let covered = high.min((voxel + 1) * count) - low.max(voxel * count);
                shares.push((covered as f64 / n as f64) as f32);
            }
        }
        first.push((n, shares.len()));
        Self { first, shares }
    }

    /// The source voxels that lie in voxel `at`, and their shares.
    #[inline(always)]
    fn of(&self, at: usize) -> (usize, &[f32]) {
        let (first, start) = self.first[at];
        (first, &self.shares[start..self.first[at + 1].1])
    }
}

/// Row is added to row first, which vectorises; then along the row.
fn covered<T: Voxel>(
    level: Level,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
) -> Result<Array3<f32>, Error> {
    let mut out = blank(shape)?;
    if out.is_empty() {
        return Ok(out);
    }
    let source = source.as_standard_layout();
    let (slices, rows, columns) = source.dim();
    let voxels = source.as_slice().expect("just made standard");
    let [k, j, i] = [Cover::new(slices, shape[0]), Cover::new(rows, shape[1]), Cover::new(columns, shape[2])];
    let to = out.as_slice_mut().expect("made in standard layout");
    to.par_chunks_mut(shape[2]).enumerate().with_min_len(4).for_each_init(
        || vec![0.0_f32; columns],
        |sums, (at, row)| {
            sums.fill(0.0);
            let ((first_k, shares_k), (first_j, shares_j)) = (k.of(at / shape[1]), j.of(at % shape[1]));
            for (k, share_k) in (first_k..).zip(shares_k) {
                for (j, share_j) in (first_j..).zip(shares_j) {
                    let from = &voxels[(k * rows + j) * columns..][..columns];
                    add(level, sums, from, share_k * share_j);
                }
            }
            along_row(level, row, sums, &i);
        },
    );
    Ok(out)
}

at_each_level! {
    fn add[T: Voxel](sums: &mut [f32], from: &[T], share: f32) {
        for (sum, from) in sums.iter_mut().zip(from) {
            *sum += from.to_f32() * share;
        }
    }
}

at_each_level! {
    fn along_row(row: &mut [f32], sums: &[f32], cover: &Cover) {
        for (at, to) in row.iter_mut().enumerate() {
            let (first, shares) = cover.of(at);
            let mut sum = 0.0;
            for (share, value) in shares.iter().zip(&sums[first..]) {
                sum += share * value;
            }
            *to = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of every size up to 1000, the same ones each time.
    fn source(shape: [usize; 3]) -> Array3<i16> {
        Array3::from_shape_fn(shape, |(k, j, i)| ((k * 9973 + j * 3001 + i * 641) % 2011) as i16 - 1000)
    }

    /// Which share of voxel `at` of `count` source voxel `from` of `n` is, by the ends of both.
    fn share(at: usize, count: usize, from: usize, n: usize) -> f64 {
        let (low, high) = ((at * n) as f64 / count as f64, ((at + 1) * n) as f64 / count as f64);
        (high.min(from as f64 + 1.0) - low.max(from as f64)).max(0.0) / (high - low)
    }

    #[test]
    fn a_source_voxel_counts_by_the_share_that_lies_inside() {
        let source = source([7, 11, 33]);
        for shape in [[3, 4, 10], [7, 11, 33], [1, 1, 1], [2, 11, 32], [9, 5, 40]] {
            let first = covered(Level::all()[0], source.view(), shape).unwrap();
            for &level in Level::all() {
                assert_eq!(covered(level, source.view(), shape).unwrap(), first, "{level:?}");
            }
            for ((k, j, i), found) in first.indexed_iter() {
                let expected: f64 = source
                    .indexed_iter()
                    .map(|((c, b, a), &value)| {
                        let share =
                            share(k, shape[0], c, 7) * share(j, shape[1], b, 11) * share(i, shape[2], a, 33);
                        share * f64::from(value)
                    })
                    .sum();
                assert!((f64::from(*found) - expected).abs() < 1e-3, "{found} for {expected} in {shape:?}");
            }
        }
    }

    #[test]
    fn the_mean_stays_and_so_does_a_volume_of_the_same_shape() {
        let source = source([19, 33, 65]);
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>();
        let expected = mean(&mut source.iter().map(|&v| f64::from(v))) / source.len() as f64;
        for shape in [[7, 13, 29], [19, 1, 2], [4, 32, 64]] {
            let found = area_means(&Device::Cpu, source.view(), shape).unwrap();
            let found = mean(&mut found.iter().map(|&v| f64::from(v))) / found.len() as f64;
            // Rounding of 32 bits at values up to 1000, over many voxels.
            assert!((found - expected).abs() < 1e-4, "{found} for {expected}");
        }
        let same = area_means(&Device::Cpu, source.view(), [19, 33, 65]).unwrap();
        assert_eq!(same, source.mapv(f32::from));
    }

    #[test]
    fn whole_blocks_have_their_means() {
        let source = source([6, 8, 20]);
        let found = area_means(&Device::Cpu, source.view(), [2, 4, 4]).unwrap();
        let blocks = block_means(&Device::Cpu, source.view(), [3, 2, 5], f32::MIN, f32::MAX).unwrap();
        let worst = (&found - &blocks).iter().fold(0.0, |worst: f32, v| worst.max(v.abs()));
        assert!(worst < 1e-3, "{worst}");
    }

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
