//! A volume seen through overlapping tiles, put together again.
//!
//! The weights are those of MONAI's sliding window with `mode="gaussian"`, so that networks trained
//! with it give the same here.

mod cuda;

use std::sync::Arc;

use ndarray::{Array3, ArrayView3, Axis, s};
use rayon::prelude::*;

use crate::bits::{Bits, DeviceBits, pack_where};
use crate::gpu::{Memory, Volume};
use crate::simd::{Level, at_each_level};
use crate::{Device, Error, blank};

/// The weight falls off from a tile's centre with this share of its edge as standard deviation.
const SIGMA: f64 = 0.125;

/// No weight is below this share of the greatest, so that corners that one tile alone covers count.
const LEAST_WEIGHT: f32 = 1e-3;

/// Where the tiles of edge `tile` start along an axis of `n` voxels so that neighbours overlap by at
/// least the share `overlap` (0 up to, but not including, 1) of their edge.
///
/// The last tile ends where the axis does. One tile at 0 if the axis is no longer than a tile: it then
/// reaches beyond the end, see [`gather`](crate::tiles::gather).
///
/// # Panics
///
/// If `tile` is 0 or the overlap is not a share below 1: the caller's mistake.
///
/// Source: MONAI's `dense_patch_slices`.
pub fn starts(n: usize, tile: usize, overlap: f64) -> Vec<usize> {
    assert!(tile > 0 && (0.0..1.0).contains(&overlap), "tiles of {tile} that overlap by {overlap}");
    let Some(last) = n.checked_sub(tile) else { return vec![0] };
    let step = ((tile as f64 * (1.0 - overlap)) as usize).max(1);
    let mut starts: Vec<usize> = (0..last).step_by(step).collect();
    starts.push(last);
    starts
}

/// The weighted mean of overlapping tiles.
///
/// Only the weighted sum is kept: what all weights sum up to at a voxel follows from where the tiles lay.
#[derive(Debug)]
pub struct Blend {
    sum: Sum,
    shape: [usize; 3],
    /// In the order in which they were added, those that hold a voxel of the volume.
    tiles: Vec<Placed>,
}

/// The weighted sum, where the tiles are added.
#[derive(Debug)]
enum Sum {
    Host(Array3<f32>),
    Device(Volume<f32>),
}

/// Where a tile lies, and the weights along each of its axes as far as it lies in the volume.
#[derive(Debug, Clone)]
struct Placed {
    at: [usize; 3],
    /// Of the whole tile.
    shape: [usize; 3],
    falloff: [Arc<[f32]>; 3],
}

impl Blend {
    /// A volume of `shape` that no tile covers yet, on `device`.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for it.
    pub fn new(device: &Device, shape: [usize; 3]) -> Result<Self, Error> {
        let sum = match device {
            Device::Cpu => Sum::Host(blank(shape)?),
            Device::Cuda(gpu) => {
                let voxels = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
                let voxels = voxels.ok_or(Error::OutOfMemory { voxels: usize::MAX })?;
                Sum::Device(Volume::new(gpu.zeros(voxels)?, shape))
            }
        };
        Ok(Self { sum, shape, tiles: Vec::new() })
    }

    /// Adds a tile that starts at `at`. What reaches beyond the volume is left out.
    ///
    /// # Errors
    ///
    /// None on the CPU; [`Error::OutOfMemory`], [`Error::Driver`] or [`Error::Kernel`] on a GPU.
    pub fn add(&mut self, tile: ArrayView3<'_, f32>, at: [usize; 3]) -> Result<(), Error> {
        self.add_at(Level::best(), tile, at)
    }

    fn add_at(&mut self, level: Level, tile: ArrayView3<'_, f32>, at: [usize; 3]) -> Result<(), Error> {
        let Some(placed) = self.place(tile.dim().into(), at) else { return Ok(()) };
        match &mut self.sum {
            Sum::Host(sum) => add_tile(level, sum, tile, &placed),
            Sum::Device(sum) => {
                let tile = sum.gpu().upload_volume(tile)?;
                cuda::add(sum, &tile.memory, std::slice::from_ref(&placed), |_| 0)?;
            }
        }
        self.tiles.push(placed);
        Ok(())
    }

    /// Adds the tiles of a batch `[n, channels, k, j, i]` on the device, of which tile n starts at `at[n]`, the
    /// first one first; only `channel` is looked at. What reaches beyond the volume is left out.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`], [`Error::Driver`] or [`Error::Kernel`] if the device could not.
    ///
    /// # Panics
    ///
    /// If the batch holds fewer tiles of `shape`, there is no such channel, or the volume is not on the device:
    /// the caller's mistakes.
    pub fn add_batch(
        &mut self,
        batch: &Memory<f32>,
        [channels, channel]: [usize; 2],
        shape: [usize; 3],
        at: &[[usize; 3]],
    ) -> Result<(), Error> {
        assert!(channel < channels, "channel {channel} of {channels}");
        let before = self.tiles.len();
        let mut numbers = Vec::new();
        for (number, &at) in at.iter().enumerate() {
            if let Some(placed) = self.place(shape, at) {
                self.tiles.push(placed);
                numbers.push(number);
            }
        }
        let Sum::Device(sum) = &mut self.sum else {
            panic!("a batch on the device for a volume on the host")
        };
        let voxels = shape.iter().product::<usize>();
        cuda::add(sum, batch, &self.tiles[before..], |n| (numbers[n] * channels + channel) * voxels)
    }

    /// A tile of `shape` at `at`; `None` if it holds no voxel of the volume.
    fn place(&self, shape: [usize; 3], at: [usize; 3]) -> Option<Placed> {
        let size = overlap(self.shape, at, shape);
        if size.contains(&0) {
            return None;
        }
        let falloff = match self.tiles.last() {
            Some(before) if before.shape == shape && before.size() == size => before.falloff.clone(),
            _ => std::array::from_fn(|axis| falloff(shape[axis])[..size[axis]].into()),
        };
        Some(Placed { at, shape, falloff })
    }

    /// The weighted mean of all tiles at each voxel; 0 where there was none.
    ///
    /// # Errors
    ///
    /// None on the CPU; [`Error::OutOfMemory`], [`Error::Driver`] or [`Error::Kernel`] on a GPU.
    pub fn finish(self) -> Result<Array3<f32>, Error> {
        match self.sum {
            Sum::Host(sum) => Ok(finished(Level::best(), sum, &self.tiles)),
            Sum::Device(_) => self.finish_on_device()?.download(),
        }
    }

    /// The same, left on the device.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`], [`Error::Driver`] or [`Error::Kernel`] if the device could not.
    ///
    /// # Panics
    ///
    /// If the volume is not on a device: the caller's mistake.
    pub fn finish_on_device(self) -> Result<Volume<f32>, Error> {
        let Sum::Device(mut sum) = self.sum else { panic!("a volume on the host") };
        cuda::finish(&mut sum, &self.tiles)?;
        Ok(sum)
    }

    /// Where what [`Self::finish`] would give is above `threshold`; the CPU does not write that down.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result; on a GPU [`Error::Driver`] or
    /// [`Error::Kernel`] as well.
    pub fn above(self, threshold: f32) -> Result<Bits, Error> {
        let mut sum = match self.sum {
            Sum::Host(sum) => sum,
            Sum::Device(_) => return DeviceBits::above(&self.finish_on_device()?, threshold)?.download(),
        };
        let mut bits = Bits::none(self.shape)?;
        let (stride, columns) = (bits.stride, self.shape[2]);
        if !sum.is_empty() {
            let slices = bits.words.par_chunks_mut(self.shape[1] * stride).enumerate();
            let slices = slices.zip(sum.axis_iter_mut(Axis(0)).into_par_iter());
            slices.for_each(|((k, words), mut sums)| {
                let sums = sums.as_slice_mut().expect("a slice of an array in standard layout");
                into_means(Level::best(), &self.tiles, k, sums, columns);
                for (words, means) in words.chunks_mut(stride).zip(sums.chunks(columns)) {
                    pack_where(Level::best(), means, words, |mean| mean > threshold);
                }
            });
        }
        Ok(bits)
    }
}

/// Adds the part of a tile that lies in the volume.
fn add_tile(level: Level, sum: &mut Array3<f32>, tile: ArrayView3<'_, f32>, placed: &Placed) {
    let ([k, j, i], size, [along_k, along_j, along_i]) = (placed.at, placed.size(), &placed.falloff);
    let mut part = sum.slice_mut(s![k..k + size[0], j..j + size[1], i..i + size[2]]);
    let tile = tile.as_standard_layout();
    let slices: Vec<_> = part.outer_iter_mut().zip(tile.outer_iter()).zip(along_k.iter()).collect();
    slices.into_par_iter().for_each(|((mut sum, tile), &of_slice)| {
        let tile = tile.to_slice().expect("just made standard").chunks(placed.shape[2]);
        for ((mut sum, tile), &of_row) in sum.outer_iter_mut().zip(tile).zip(along_j.iter()) {
            let sum = sum.as_slice_mut().expect("a row of an array in standard layout");
            add_row(level, sum, tile, along_i, of_slice * of_row);
        }
    });
}

/// The means from the sums.
fn finished(level: Level, mut sum: Array3<f32>, tiles: &[Placed]) -> Array3<f32> {
    let columns = sum.dim().2;
    let slices: Vec<_> = sum.outer_iter_mut().enumerate().collect();
    slices.into_par_iter().for_each(|(k, mut sums)| {
        let sums = sums.as_slice_mut().expect("a slice of an array in standard layout");
        into_means(level, tiles, k, sums, columns);
    });
    sum
}

impl Placed {
    /// How much of it lies in the volume.
    fn size(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.falloff[axis].len())
    }
}

/// Divides the sums of slice `k`, with rows of `columns` voxels, by the weights that they were added with.
fn into_means(level: Level, tiles: &[Placed], k: usize, sums: &mut [f32], columns: usize) {
    let of_slice = |tile: &Placed| tile.falloff[0].get(k.checked_sub(tile.at[0])?).copied();
    let tiles: Vec<_> = tiles.iter().filter_map(|tile| Some((tile, of_slice(tile)?))).collect();
    let mut total = vec![0.0; columns];
    for (j, sums) in sums.chunks_mut(columns.max(1)).enumerate() {
        total.fill(0.0);
        for (tile, of_slice) in &tiles {
            let of_row = j.checked_sub(tile.at[1]).and_then(|j| tile.falloff[1].get(j));
            if let Some(of_row) = of_row {
                add_weights(level, &mut total[tile.at[2]..], &tile.falloff[2], of_slice * of_row);
            }
        }
        divide(level, sums, &total);
    }
}

/// The weight of a voxel in a tile.
#[inline(always)]
fn weight(of_row: f32, of_column: f32) -> f32 {
    let weight = of_row * of_column;
    if weight > LEAST_WEIGHT { weight } else { LEAST_WEIGHT }
}

at_each_level! {
    /// Adds a row of a tile to the sums with its weights.
    fn add_row(sums: &mut [f32], tile: &[f32], of_column: &[f32], of_row: f32) {
        for ((sum, &value), &of_column) in sums.iter_mut().zip(tile).zip(of_column) {
            *sum += value * weight(of_row, of_column);
        }
    }
}

at_each_level! {
    fn add_weights(totals: &mut [f32], of_column: &[f32], of_row: f32) {
        for (total, &of_column) in totals.iter_mut().zip(of_column) {
            *total += weight(of_row, of_column);
        }
    }
}

at_each_level! {
    fn divide(sums: &mut [f32], totals: &[f32]) {
        for (sum, &total) in sums.iter_mut().zip(totals) {
            *sum = if total > 0.0 { *sum / total } else { 0.0 };
        }
    }
}

/// How much of a tile of `tile` voxels that starts at `at` lies within `volume`.
fn overlap(volume: [usize; 3], at: [usize; 3], tile: [usize; 3]) -> [usize; 3] {
    std::array::from_fn(|axis| volume[axis].saturating_sub(at[axis]).min(tile[axis]))
}

/// The weights along one axis of a tile, 1 in its middle.
fn falloff(n: usize) -> Vec<f32> {
    let (middle, sigma) = ((n as f64 - 1.0) / 2.0, SIGMA * n as f64);
    (0..n).map(|at| (-0.5 * ((at as f64 - middle) / sigma).powi(2)).exp() as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiles::gather;

    #[test]
    fn tiles_start_where_monais_do() {
        assert_eq!(starts(300, 96, 0.5), [0, 48, 96, 144, 192, 204]);
        assert_eq!(starts(192, 96, 0.25), [0, 72, 96]);
        assert_eq!(starts(192, 96, 0.0), [0, 96]);
        assert_eq!(starts(96, 96, 0.5), [0]);
        assert_eq!(starts(50, 96, 0.5), [0]);
        assert_eq!(starts(0, 96, 0.5), [0]);
        assert_eq!(starts(5, 1, 0.9), [0, 1, 2, 3, 4]);
    }

    /// Values worked out with MONAI's formula: sigma is 0.125 * 8 = 1, the middle lies at 3.5.
    #[test]
    fn the_weight_falls_off_with_an_eighth_of_the_edge() {
        let found = falloff(8);
        let expected = [0.002_187_491, 0.043_936_934, 0.324_652_47, 0.882_496_9];
        for (at, expected) in expected.into_iter().enumerate() {
            assert!((found[at] - expected).abs() < 1e-7 && found[7 - at] == found[at], "{found:?}");
        }
        assert_eq!(falloff(9)[4], 1.0);
    }

    fn sum_of(blend: &Blend) -> Sum {
        let Sum::Host(sum) = &blend.sum else { panic!("a volume on the host") };
        Sum::Host(sum.clone())
    }

    /// The mean of all tiles at each voxel with the weight of the literal formula.
    #[test]
    fn overlapping_tiles_are_their_weighted_mean() {
        let (shape, size) = ([7, 33, 65], [4, 16, 32]);
        let mut blend = Blend::new(&Device::Cpu, shape).unwrap();
        let mut sums = Array3::<f64>::zeros(shape);
        let mut weights = Array3::<f64>::zeros(shape);
        let mut placed = Vec::new();
        for k in starts(shape[0], size[0], 0.5) {
            for j in starts(shape[1], size[1], 0.4) {
                for i in starts(shape[2], size[2], 0.3) {
                    placed.push(([k, j, i], size));
                }
            }
        }
        // Two of other sizes that reach beyond the volume, by chance as large as each other within it.
        placed.extend([([5, 30, 60], [9, 9, 9]), ([5, 30, 60], [2, 3, 5]), ([6, 0, 0], [2, 3, 5])]);
        for (number, &(at, size)) in placed.iter().enumerate() {
            let tile =
                Array3::from_shape_fn(size, |(c, b, a)| number as f32 + c as f32 * b as f32 - a as f32);
            blend.add(tile.view(), at).unwrap();
            for ((c, b, a), &value) in tile.indexed_iter() {
                let off: [f64; 3] = std::array::from_fn(|axis| {
                    let (at, n) = ([c, b, a][axis] as f64, size[axis] as f64);
                    (at - (n - 1.0) / 2.0) / (0.125 * n)
                });
                let weight = (-0.5 * off.iter().map(|v| v * v).sum::<f64>()).exp().max(1e-3);
                if let Some(sum) = sums.get_mut([at[0] + c, at[1] + b, at[2] + a]) {
                    *sum += f64::from(value) * weight;
                    weights[[at[0] + c, at[1] + b, at[2] + a]] += weight;
                }
            }
        }
        let copy = Blend { sum: sum_of(&blend), shape, tiles: blend.tiles.clone() };
        let above = copy.above(7.5).unwrap().to_mask().unwrap();
        let found = blend.finish().unwrap();
        assert_eq!(above, found.mapv(|mean| mean > 7.5));
        for (at, &found) in found.indexed_iter() {
            let expected = sums[at] / weights[at];
            assert!((f64::from(found) - expected).abs() < 1e-4, "{at:?}: {found} for {expected}");
        }
    }

    #[test]
    fn every_level_blends_to_the_same_bits() {
        let tile = Array3::from_shape_fn((5, 9, 67), |(k, j, i)| ((k * 31 + j * 7 + i) as f32).sin());
        let at = |level| {
            let mut blend = Blend::new(&Device::Cpu, [8, 12, 130]).unwrap();
            for at in [[0, 0, 0], [2, 3, 1], [5, 8, 99], [0, 1, 63]] {
                blend.add_at(level, tile.view(), at).unwrap();
            }
            let Sum::Host(sum) = blend.sum else { panic!("a volume on the host") };
            finished(level, sum, &blend.tiles).mapv(f32::to_bits)
        };
        let expected = at(Level::all()[0]);
        assert!(Level::all().iter().all(|&level| at(level) == expected));
    }

    #[test]
    fn tiles_cut_from_a_volume_put_together_are_the_volume() {
        let volume = Array3::from_shape_fn((5, 33, 20), |(k, j, i)| (k * 700 + j * 20 + i) as f32);
        let (shape, size) = ([5, 33, 20], [8, 16, 16]);
        let mut blend = Blend::new(&Device::Cpu, shape).unwrap();
        for k in starts(shape[0], size[0], 0.5) {
            for j in starts(shape[1], size[1], 0.5) {
                for i in starts(shape[2], size[2], 0.5) {
                    let start = [k, j, i].map(|at| at as isize);
                    let tile = gather(&Device::Cpu, volume.view(), &[start], size, -1.0).unwrap();
                    let tile = tile.slice(s![0, 0, .., .., ..]);
                    assert_eq!(tile[[7, 0, 0]], -1.0, "a tile thicker than the volume is padded");
                    blend.add(tile, [k, j, i]).unwrap();
                }
            }
        }
        let worst = (blend.finish().unwrap() - &volume).iter().fold(0.0, |worst, v| f32::max(worst, v.abs()));
        assert!(worst < 1e-3, "worst difference {worst}");
    }

    #[test]
    fn voxels_without_a_tile_are_zero_and_tiles_without_a_voxel_do_nothing() {
        let mut blend = Blend::new(&Device::Cpu, [2, 2, 4]).unwrap();
        let tile = Array3::from_elem((2, 2, 2), 3.0);
        blend.add(tile.view(), [0, 0, 2]).unwrap();
        blend.add(tile.view(), [9, 0, 0]).unwrap();
        let found = blend.finish().unwrap();
        assert_eq!(found.as_slice().unwrap()[..4], [0.0, 0.0, 3.0, 3.0]);
        for empty in [[0, 2, 2], [2, 2, 0]] {
            let blend = Blend::new(&Device::Cpu, empty).unwrap();
            assert!(blend.finish().unwrap().is_empty());
            let blend = Blend::new(&Device::Cpu, empty).unwrap();
            assert!(blend.above(-1.0).unwrap().words().is_empty());
        }
    }
}
