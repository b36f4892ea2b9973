//! Pictures of a volume for key images: slices, and slabs seen through, in any direction.
//!
//! A picture is made of samples: pixel (x, y) holds what becomes of the samples n = 0, 1, .. behind each
//! other, which lie where an [`IndexMap`] leads from (x, y, n). A slice is a slab of one sample. Values are
//! interpolated trilinearly, as [`crate::resample`] does; samples outside of the volume do not count.

mod aligned;
mod cuda;

use ndarray::{Array2, ArrayView3};
use rayon::prelude::*;

use crate::grid;
use crate::simd::{Level, at_each_level};
use crate::{Device, Error, IndexMap, Voxel, any, blank};

use aligned::{Aligned, Samples, Scratch};
pub use cuda::{picture_on_device, project_on_device};

/// What the samples behind each other become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// Their greatest: maximum intensity projection, for vessels and nodules.
    Greatest,
    /// Their least: for airways.
    Least,
    /// Their mean: as a thicker slice would look.
    Mean,
}

/// What a picture is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slab {
    /// From (x, y, n, 1), pixel column, pixel row and sample, to (i, j, k) of the volume; an integer is a
    /// centre.
    pub map: IndexMap,
    /// How many samples lie behind each other.
    pub samples: usize,
    /// What they become.
    pub through: Through,
}

/// `slab` through `source` as a picture of `shape` (rows, columns); `outside` where no sample is inside.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn project<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 2],
    slab: Slab,
    outside: f32,
) -> Result<Array2<f32>, Error> {
    let Device::Cuda(gpu) = device else {
        return reference(Level::best(), source, shape, slab, outside, |value| value);
    };
    let voxels = any::upload(gpu, source)?;
    let pixels = cuda::projected(&voxels, any::kind::<T>(), source.dim().into(), shape, slab, outside)?;
    in_rows(pixels.download()?, shape)
}

/// The same in grey: 0 at `low_hu` and below, 255 at `high_hu` and above, rounded; 0 where no sample is
/// inside.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If the window is empty: the caller's mistake.
pub fn picture<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 2],
    slab: Slab,
    [low_hu, high_hu]: [f32; 2],
) -> Result<Array2<u8>, Error> {
    assert!(low_hu < high_hu, "the window from {low_hu} to {high_hu} is empty");
    let Device::Cuda(gpu) = device else {
        let scale = 255.0 / (high_hu - low_hu);
        return reference(Level::best(), source, shape, slab, 0, |value| grey(value, low_hu, scale));
    };
    let voxels = any::upload(gpu, source)?;
    let pixels = cuda::projected(&voxels, any::kind::<T>(), source.dim().into(), shape, slab, f32::NAN)?;
    in_rows(cuda::grey(&pixels, [low_hu, high_hu])?.download()?, shape)
}

/// 0 to 255, rounded; 0 for what is not a number.
#[inline(always)]
fn grey(value: f32, low_hu: f32, scale: f32) -> u8 {
    // Vector instructions go by way of 32 bits.
    ((value - low_hu) * scale + 0.5).clamp(0.0, 255.0) as i32 as u8
}

/// Pixels, row by row, as a picture of `shape`.
fn in_rows<T>(pixels: Vec<T>, shape: [usize; 2]) -> Result<Array2<T>, Error> {
    Ok(Array2::from_shape_vec(shape, pixels).expect("as many pixels as the shape says"))
}

/// So many rows of a picture are made together where they are rows of the volume too: what lies behind them in a
/// slice is read in one piece.
const BAND: usize = 8;

/// What a picture means.
fn reference<T: Voxel, O: Voxel>(
    level: Level,
    source: ArrayView3<'_, T>,
    [rows, columns]: [usize; 2],
    slab: Slab,
    outside: O,
    finish: impl Fn(f32) -> O + Sync,
) -> Result<Array2<O>, Error> {
    let Slab { map, samples, through } = slab;
    let source = source.as_standard_layout();
    let voxels = source.as_slice().expect("just made standard");
    let source_shape: [usize; 3] = source.dim().into();
    let lines = grid::along_axes(&map, [samples, rows, columns]);
    if lines.is_some_and(|[_, y, _]| y.source_axis == 2) {
        // Rows of the source become columns: the picture turned over is quicker.
        let turned = Slab { map: map.map(|[x, y, n, start]| [y, x, n, start]), ..slab };
        let picture = reference(level, source.view(), [columns, rows], turned, outside, finish)?;
        return Ok(picture.reversed_axes().as_standard_layout().into_owned());
    }
    let mut out = blank([1, rows, columns])?;
    if !out.is_empty() {
        let pixels = out.as_slice_mut().expect("made in standard layout");
        if let Some(lines) = lines {
            // In the order n, y, x.
            let counts = [samples, rows, columns];
            let along: [Samples; 3] = std::array::from_fn(|a| Samples::of(lines[a], counts[a], source_shape));
            let axes = lines.map(|line| line.source_axis);
            let aligned = Aligned { level, voxels, shape: source_shape, along: &along, axes, through };
            let band = if aligned.axes[1] == 1 { BAND } else { 1 };
            let bands = pixels.par_chunks_mut(band * columns).enumerate();
            bands.for_each_init(Scratch::default, |scratch, (number, pixels)| {
                let first = number * band;
                let (values, [inside_y, inside_x]) =
                    aligned.rows(scratch, first..first + pixels.len() / columns);
                pixels[..inside_y.start * columns].fill(outside);
                pixels[inside_y.end * columns..].fill(outside);
                let rows = pixels[inside_y.start * columns..inside_y.end * columns].chunks_mut(columns);
                for (row, values) in rows.zip(values.chunks(inside_x.len().max(1))) {
                    row[..inside_x.start].fill(outside);
                    row[inside_x.end..].fill(outside);
                    let row = &mut row[inside_x.clone()];
                    finish_row(level, row, values, &finish);
                }
            });
        } else {
            pixels.par_chunks_mut(columns).enumerate().for_each(|(y, row)| {
                for (x, to) in row.iter_mut().enumerate() {
                    let start = map.map(|row| row[0] * x as f64 + row[1] * y as f64 + row[3]);
                    let step = map.map(|row| row[2]);
                    let value = oblique(voxels, source_shape, start, step, samples, through);
                    *to = value.map_or(outside, &finish);
                }
            });
        }
    }
    Ok(out.index_axis_move(ndarray::Axis(0), 0))
}

at_each_level! {
    fn finish_row[O: Copy, F: Fn(f32) -> O](to: &mut [O], values: &[f32], finish: F) {
        for (to, &value) in to.iter_mut().zip(values) {
            *to = finish(value);
        }
    }
}

/// What the samples on a straight line become; `None` if none is inside.
fn oblique<T: Voxel>(
    voxels: &[T],
    [slices, rows, columns]: [usize; 3],
    start: [f64; 3],
    step: [f64; 3],
    samples: usize,
    through: Through,
) -> Option<f32> {
    let (size, stride) = ([columns, rows, slices], [1, columns, rows * columns]);
    let inside = grid::inside_row(start, step, size, samples);
    let count = inside.len();
    let values = inside.map(|n| {
        let (mut at, mut next, mut weight) = (0, [0; 3], [0.0; 3]);
        for d in 0..3 {
            let place = start[d] + step[d] * n as f64;
            // 32 bits convert faster, and no axis of voxels is that long.
            let whole = (place.max(0.0) as i32 as usize).min(size[d] - 1);
            at += whole * stride[d];
            next[d] = if whole + 1 < size[d] { stride[d] } else { 0 };
            weight[d] = (place - whole as f64).max(0.0) as f32;
        }
        let along_i = |at: usize| mix(voxels[at].to_f32(), voxels[at + next[0]].to_f32(), weight[0]);
        let along_j = |at: usize| mix(along_i(at), along_i(at + next[1]), weight[1]);
        mix(along_j(at), along_j(at + next[2]), weight[2])
    });
    let found = values.reduce(|a, b| join(through, a, b))?;
    Some(if through == Through::Mean { found / count as f32 } else { found })
}

/// Exactly `a` for weight 0.
#[inline(always)]
fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

#[inline(always)]
fn join(through: Through, a: f32, b: f32) -> f32 {
    match through {
        Through::Greatest => {
            if b > a {
                b
            } else {
                a
            }
        }
        Through::Least => {
            if b < a {
                b
            } else {
                a
            }
        }
        Through::Mean => a + b,
    }
}

#[cfg(test)]
mod tests;
