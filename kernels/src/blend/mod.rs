//! A volume seen through overlapping tiles, put together again.
//!
//! The weights are those of MONAI's sliding window with `mode="gaussian"`, so that networks trained
//! with it give the same here.

mod cpu;
mod cuda;

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array3, ArrayView3, CowArray, Ix3};

use crate::bits::{Bits, DeviceBits};
use crate::gpu::{Memory, Volume};
use crate::simd::Level;
use crate::{Device, Error};
use cpu::{Sums, Tiles};

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

/// The values of a tile, and where it starts in the volume.
pub type TileAt<'a> = (ArrayView3<'a, f32>, [usize; 3]);

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
    Host(Sums),
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
            Device::Cpu => Sum::Host(Sums::new(shape)?),
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
        self.add_all(&[(tile, at)])
    }

    /// Adds tiles, each with its start, the first one first: the same as one after the other, but on the CPU they are
    /// read and their sums written in one go.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub fn add_all(&mut self, tiles: &[TileAt<'_>]) -> Result<(), Error> {
        self.add_at(Level::best(), tiles)
    }

    fn add_at(&mut self, level: Level, tiles: &[TileAt<'_>]) -> Result<(), Error> {
        let values = self.place_all(tiles);
        match &mut self.sum {
            Sum::Host(sums) => {
                let values: Vec<_> = values.iter().map(slice_of).collect();
                sums.add(level, Tiles { placed: &self.tiles, values: &values });
            }
            Sum::Device(sum) => {
                let placed = &self.tiles[self.tiles.len() - values.len()..];
                for (tile, placed) in values.iter().zip(placed) {
                    let tile = sum.gpu().upload_volume(tile.view())?;
                    cuda::add(sum, &tile.memory, std::slice::from_ref(placed), |_| 0)?;
                }
            }
        }
        Ok(())
    }

    /// Notes where tiles lie that hold a voxel of the volume, and returns their values.
    fn place_all<'a>(&mut self, tiles: &'a [TileAt<'_>]) -> Vec<CowArray<'a, f32, Ix3>> {
        let mut values = Vec::new();
        for (tile, at) in tiles {
            if let Some(placed) = self.place(tile.dim().into(), *at) {
                self.tiles.push(placed);
                values.push(tile.as_standard_layout());
            }
        }
        values
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
        self.finish_with(&[])
    }

    /// The same with some last tiles, or all of them: as [`Self::add_all`] and then [`Self::finish`], but on the CPU in
    /// one go.
    ///
    /// # Errors
    ///
    /// As [`Self::finish`].
    pub fn finish_with(self, tiles: &[TileAt<'_>]) -> Result<Array3<f32>, Error> {
        self.finish_at(Level::best(), tiles)
    }

    fn finish_at(mut self, level: Level, tiles: &[TileAt<'_>]) -> Result<Array3<f32>, Error> {
        if let Sum::Device(_) = self.sum {
            self.add_at(level, tiles)?;
            return self.finish_on_device()?.download();
        }
        let values = self.place_all(tiles);
        let Sum::Host(sums) = self.sum else { unreachable!("what is not on a device") };
        let values: Vec<_> = values.iter().map(slice_of).collect();
        Ok(sums.finish(level, Tiles { placed: &self.tiles, values: &values }))
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
        match self.sum {
            Sum::Host(sums) => {
                sums.above(Level::best(), Tiles { placed: &self.tiles, values: &[] }, threshold)
            }
            Sum::Device(_) => DeviceBits::above(&self.finish_on_device()?, threshold)?.download(),
        }
    }
}

impl Placed {
    /// How much of it lies in the volume.
    fn size(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.falloff[axis].len())
    }

    /// The voxels of the volume that it covers.
    fn along(&self, axis: usize) -> Range<usize> {
        self.at[axis]..self.at[axis] + self.falloff[axis].len()
    }
}

fn slice_of<'a>(values: &'a CowArray<'_, f32, Ix3>) -> &'a [f32] {
    values.as_slice().expect("in standard layout")
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
mod tests;
