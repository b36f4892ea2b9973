//! A volume seen through overlapping tiles, put together again.
//!
//! The weights are those of MONAI's sliding window with `mode="gaussian"`, so that networks trained
//! with it give the same here.

use std::sync::Arc;

use ndarray::{Array3, ArrayView3, s};
use rayon::prelude::*;

use crate::bits::{Bits, pack_where};
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
#[derive(Debug, Clone)]
pub struct Blend {
    device: Device,
    sum: Array3<f32>,
    /// In the order in which they were added, those that hold a voxel of the volume.
    tiles: Vec<Placed>,
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
    /// A volume of `shape` that no tile covers yet.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for it.
    pub fn new(device: &Device, shape: [usize; 3]) -> Result<Self, Error> {
        Ok(Self { device: device.clone(), sum: blank(shape)?, tiles: Vec::new() })
    }

    /// Adds a tile that starts at `at`. What reaches beyond the volume is left out.
    ///
    /// # Errors
    ///
    /// None on the CPU.
    pub fn add(&mut self, tile: ArrayView3<'_, f32>, at: [usize; 3]) -> Result<(), Error> {
        self.device.on_cpu(module_path!())?;
        self.add_at(Level::best(), tile, at);
        Ok(())
    }

    fn add_at(&mut self, level: Level, tile: ArrayView3<'_, f32>, at: [usize; 3]) {
        let shape: [usize; 3] = tile.dim().into();
        let size = overlap(self.sum.dim().into(), at, shape);
        if size.contains(&0) {
            return;
        }
        let falloff = match self.tiles.last() {
            Some(before) if before.shape == shape && before.size() == size => before.falloff.clone(),
            _ => std::array::from_fn(|axis| falloff(shape[axis])[..size[axis]].into()),
        };
        let [along_k, along_j, along_i] = &falloff;
        let [k, j, i] = at;
        let part = s![k..k + size[0], j..j + size[1], i..i + size[2]];
        let slices = self.sum.slice_mut(part).into_outer_iter_mut();
        let tile = tile.as_standard_layout();
        let slices: Vec<_> = slices.zip(tile.outer_iter()).zip(along_k.iter()).collect();
        slices.into_par_iter().for_each(|((mut sum, tile), &of_slice)| {
            let tile = tile.to_slice().expect("just made standard").chunks(shape[2]);
            for ((mut sum, tile), &of_row) in sum.outer_iter_mut().zip(tile).zip(along_j.iter()) {
                let sum = sum.as_slice_mut().expect("a row of an array in standard layout");
                add_row(level, sum, tile, along_i, of_slice * of_row);
            }
        });
        self.tiles.push(Placed { at, shape, falloff });
    }

    /// The weighted mean of all tiles at each voxel; 0 where there was none.
    ///
    /// # Errors
    ///
    /// None on the CPU.
    pub fn finish(self) -> Result<Array3<f32>, Error> {
        self.device.on_cpu(module_path!())?;
        Ok(self.finish_at(Level::best()))
    }

    fn finish_at(mut self, level: Level) -> Array3<f32> {
        let columns = self.sum.dim().2;
        let slices: Vec<_> = self.sum.outer_iter_mut().enumerate().collect();
        slices.into_par_iter().for_each(|(k, mut sums)| {
            let sums = sums.as_slice_mut().expect("a slice of an array in standard layout");
            into_means(level, &self.tiles, k, sums, columns);
        });
        self.sum
    }

    /// Where what [`Self::finish`] would give is above `threshold`, without writing that down.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn above(mut self, threshold: f32) -> Result<Bits, Error> {
        self.device.on_cpu(module_path!())?;
        let mut bits = Bits::none(self.sum.dim().into())?;
        let (stride, columns) = (bits.stride, bits.shape[2]);
        if !self.sum.is_empty() {
            let slices = bits.words.par_chunks_mut(bits.shape[1] * stride).enumerate();
            let slices: Vec<_> = slices.zip(self.sum.outer_iter_mut().into_par_iter()).collect();
            slices.into_par_iter().for_each(|((k, words), mut sums)| {
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
        let above = blend.clone().above(7.5).unwrap().to_mask().unwrap();
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
                blend.add_at(level, tile.view(), at);
            }
            blend.finish_at(level).mapv(f32::to_bits)
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
            assert!(blend.clone().above(-1.0).unwrap().words().is_empty());
            assert!(blend.finish().unwrap().is_empty());
        }
    }
}
