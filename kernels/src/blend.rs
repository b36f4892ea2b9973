//! A volume seen through overlapping tiles: cut out, and put together again.
//!
//! The weights are those of MONAI's sliding window with `mode="gaussian"`, so that networks trained
//! with it give the same here.

use ndarray::{Array3, ArrayView3, Zip, s};
use rayon::prelude::*;

use crate::{Device, Error, blank};

/// The weight falls off from a tile's centre with this share of its edge as standard deviation.
const SIGMA: f64 = 0.125;

/// No weight is below this share of the greatest, so that corners that one tile alone covers count.
const LEAST_WEIGHT: f32 = 1e-3;

/// Where the tiles of edge `tile` start along an axis of `n` voxels so that neighbours overlap by at
/// least the share `overlap` (0 up to, but not including, 1) of their edge.
///
/// The last tile ends where the axis does. One tile at 0 if the axis is no longer than a tile: it then
/// reaches beyond the end, see [`cut`].
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

/// The tile of `shape` that starts at `at`, with `pad` where it reaches beyond `volume`.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn cut(
    device: &Device,
    volume: ArrayView3<'_, f32>,
    at: [usize; 3],
    shape: [usize; 3],
    pad: f32,
) -> Result<Array3<f32>, Error> {
    device.on_cpu(module_path!())?;
    let mut tile = blank(shape)?;
    let size = overlap(volume.dim().into(), at, shape);
    if size != shape {
        tile.fill(pad);
    }
    let [k, j, i] = at;
    if size.iter().all(|&n| n > 0) {
        tile.slice_mut(s![..size[0], ..size[1], ..size[2]]).assign(&volume.slice(s![
            k..k + size[0],
            j..j + size[1],
            i..i + size[2]
        ]));
    }
    Ok(tile)
}

/// The weighted mean of overlapping tiles.
#[derive(Debug, Clone)]
pub struct Blend {
    device: Device,
    sum: Array3<f32>,
    weight: Array3<f32>,
    /// Of the tiles' last shape, along each axis.
    falloff: [Vec<f32>; 3],
}

impl Blend {
    /// A volume of `shape` that no tile covers yet.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for it.
    pub fn new(device: &Device, shape: [usize; 3]) -> Result<Self, Error> {
        Ok(Self {
            device: device.clone(),
            sum: blank(shape)?,
            weight: blank(shape)?,
            falloff: Default::default(),
        })
    }

    /// Adds a tile that starts at `at`. What reaches beyond the volume is left out.
    ///
    /// # Errors
    ///
    /// None on the CPU.
    pub fn add(&mut self, tile: ArrayView3<'_, f32>, at: [usize; 3]) -> Result<(), Error> {
        self.device.on_cpu(module_path!())?;
        let shape: [usize; 3] = tile.dim().into();
        for (falloff_along, n) in self.falloff.iter_mut().zip(shape) {
            if falloff_along.len() != n {
                *falloff_along = falloff(n);
            }
        }
        let size = overlap(self.sum.dim().into(), at, shape);
        if size.contains(&0) {
            return Ok(());
        }
        let [k, j, i] = at;
        let part = s![k..k + size[0], j..j + size[1], i..i + size[2]];
        let [along_k, along_j, along_i] = &self.falloff;
        let slices = self.sum.slice_mut(part).into_outer_iter_mut();
        let weights = self.weight.slice_mut(part).into_outer_iter_mut();
        let tile = tile.as_standard_layout();
        let slices: Vec<_> = slices.zip(weights).zip(tile.outer_iter()).zip(along_k).collect();
        slices.into_par_iter().for_each(|(((mut sum, mut weight), tile), &of_slice)| {
            let tile = tile.to_slice().expect("just made standard").chunks(shape[2]);
            let rows = sum.outer_iter_mut().zip(weight.outer_iter_mut()).zip(tile);
            for (((mut sum, mut weight), tile), &of_row) in rows.zip(along_j) {
                let of_row = of_slice * of_row;
                let sum = sum.as_slice_mut().expect("a row of an array in standard layout").iter_mut();
                let total = weight.as_slice_mut().expect("a row of an array in standard layout").iter_mut();
                for (((sum, total), &value), &of_column) in sum.zip(total).zip(tile).zip(along_i) {
                    let weight = of_row * of_column;
                    let weight = if weight > LEAST_WEIGHT { weight } else { LEAST_WEIGHT };
                    *sum += value * weight;
                    *total += weight;
                }
            }
        });
        Ok(())
    }

    /// The weighted mean of all tiles at each voxel; 0 where there was none.
    ///
    /// # Errors
    ///
    /// None on the CPU.
    pub fn finish(self) -> Result<Array3<f32>, Error> {
        self.device.on_cpu(module_path!())?;
        let mut mean = self.sum;
        Zip::from(&mut mean).and(&self.weight).par_for_each(|sum, &weight| {
            *sum = if weight > 0.0 { *sum / weight } else { 0.0 };
        });
        Ok(mean)
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
        let mut number = 0.0;
        for k in starts(shape[0], size[0], 0.5) {
            for j in starts(shape[1], size[1], 0.4) {
                for i in starts(shape[2], size[2], 0.3) {
                    number += 1.0;
                    let tile = Array3::from_shape_fn(size, |(c, b, a)| {
                        (number + c as f64 * b as f64 - a as f64) as f32
                    });
                    blend.add(tile.view(), [k, j, i]).unwrap();
                    for ((c, b, a), &value) in tile.indexed_iter() {
                        let off = [(c, 4.0), (b, 16.0), (a, 32.0)];
                        let off =
                            off.map(|(at, n): (usize, f64)| (at as f64 - (n - 1.0) / 2.0) / (0.125 * n));
                        let weight = (-0.5 * off.iter().map(|v| v * v).sum::<f64>()).exp().max(1e-3);
                        sums[[k + c, j + b, i + a]] += f64::from(value) * weight;
                        weights[[k + c, j + b, i + a]] += weight;
                    }
                }
            }
        }
        for (at, &found) in blend.finish().unwrap().indexed_iter() {
            let expected = sums[at] / weights[at];
            assert!((f64::from(found) - expected).abs() < 1e-4, "{at:?}: {found} for {expected}");
        }
    }

    #[test]
    fn tiles_cut_from_a_volume_put_together_are_the_volume() {
        let volume = Array3::from_shape_fn((5, 33, 20), |(k, j, i)| (k * 700 + j * 20 + i) as f32);
        let (shape, size) = ([5, 33, 20], [8, 16, 16]);
        let mut blend = Blend::new(&Device::Cpu, shape).unwrap();
        for k in starts(shape[0], size[0], 0.5) {
            for j in starts(shape[1], size[1], 0.5) {
                for i in starts(shape[2], size[2], 0.5) {
                    let tile = cut(&Device::Cpu, volume.view(), [k, j, i], size, -1.0).unwrap();
                    assert_eq!(tile[[7, 0, 0]], -1.0, "a tile thicker than the volume is padded");
                    blend.add(tile.view(), [k, j, i]).unwrap();
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
        let tile = cut(&Device::Cpu, found.view(), [9, 9, 9], [1, 1, 2], 8.0).unwrap();
        assert_eq!(tile.as_slice().unwrap(), [8.0, 8.0]);
    }
}
