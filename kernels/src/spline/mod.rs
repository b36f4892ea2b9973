//! Onto another grid by cubic B-splines: smoother than trilinear, and through every voxel.
//!
//! Voxels are prefiltered exactly, so that the spline passes through them (an interpolating spline, not
//! the blur that B-splines of the voxels themselves would be). Beyond the centres of the outermost voxels
//! the volume is taken to be mirrored there, and places up to half a voxel beyond them are inside, as in
//! SimpleITK's `sitkBSpline` and scipy's `map_coordinates(order=3, mode="mirror")`. The prefilter leaves out
//! voxels 16 and more away, which change a value by less than 1e-9 of theirs.
//!
//! As trilinear interpolation, this skips voxels when shrinking by more than two; see
//! [`crate::shrink`] for that.
//!
//! Source: M. Unser, Splines: a perfect fit for signal and image processing, IEEE Signal Processing
//! Magazine 16(6), 1999.

mod along;
mod cpu;

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::grid;
use crate::resample::Intensity;
use crate::simd::Level;
use crate::{Device, Error, IndexMap, Voxel, blank};
use along::Along;
use cpu::Rows;

/// The cubic spline through the voxels of `source` where `map` leads from each voxel of an array of
/// `shape` (`[k, j, i]`), windowed and padded as `intensity` says.
///
/// The spline overshoots at edges: next to a step of 1000 by about 100. A map that is not finite leads
/// outside. Voxels are expected to be finite: one that is not spoils its row, its column and its slice.
///
/// Along an axis on which all places are voxel centres the values are the source's own, to the bit.
/// Elsewhere they are within 1e-6 of the largest voxel's magnitude around.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result, or for what is needed on the way: under 100
/// slices of the result, or, if the output's axes do not follow the source's, the source in 32 bits.
///
/// # Panics
///
/// If the window of `intensity` is empty or not a number: the caller's mistake.
pub fn resample<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    intensity: Intensity,
) -> Result<Array3<f32>, Error> {
    let Intensity { low_hu, high_hu, low, high, outside } = intensity;
    assert!(low_hu < high_hu, "the window from {low_hu} to {high_hu} is empty");
    let scale = (f64::from(high) - f64::from(low)) / (f64::from(high_hu) - f64::from(low_hu));
    let offset = (f64::from(low) - f64::from(low_hu) * scale) as f32;
    let (scale, least, most) = (scale as f32, low.min(high), low.max(high));
    device.on_cpu(module_path!())?;
    let put = Rows { inside: 0..0, outside, scale, offset, least, most };
    reference(Level::best(), source, shape, map, put)
}

/// What interpolation means. The columns inside of `put` are not known yet.
fn reference<T: Voxel>(
    level: Level,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    put: Rows,
) -> Result<Array3<f32>, Error> {
    let source = source.as_standard_layout();
    let source =
        cpu::Source { voxels: source.as_slice().expect("just made standard"), shape: source.dim().into() };
    let Some(lines) = grid::along_axes(map, shape) else {
        return oblique(level, source, shape, map, put);
    };
    let order = lines.map(|line| line.source_axis);
    let mut out = blank(
        [0, 1, 2]
            .map(|source_axis| shape[order.iter().position(|&o| o == source_axis).expect("a permutation")]),
    )?;
    if !out.is_empty() {
        let places = along::places(lines, shape, source.shape);
        let put = Rows { inside: places[2].0.clone(), ..put };
        cpu::aligned(level, source, out.view_mut(), &places, &put)?;
    }
    turned(out, order)
}

/// Through any map: the coefficients of the stretch of the source that is reached, then 64 of them for
/// each voxel.
fn oblique<T: Voxel>(
    level: Level,
    source: cpu::Source<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    put: Rows,
) -> Result<Array3<f32>, Error> {
    let mut out = blank(shape)?;
    let Some(reached) = along::reached(map, shape, source.shape) else {
        out.par_mapv_inplace(|_| put.outside);
        return Ok(out);
    };
    let [k, j, i] = &reached;
    let mut coefficients = blank(reached.clone().map(|stretch| stretch.len()))?;
    let along_k = |at: std::ops::Range<usize>| {
        Along::coefficients(k.start + at.start as isize..k.start + at.end as isize, source.shape[0])
    };
    let along_j = Along::coefficients(j.clone(), source.shape[1]);
    let along_i = Along::coefficients(i.clone(), source.shape[2]);
    let unchanged = Rows::unchanged(i.len());
    cpu::sampled(level, source, coefficients.view_mut(), along_k, &along_j, &along_i, &unchanged)?;
    let [rows, columns] = [j.len(), i.len()];
    let voxels = coefficients.as_slice().expect("made in standard layout");
    // Counted from the first coefficient.
    let start = [i, j, k].map(|stretch| stretch.start as f64);
    let size = source.shape;
    let step = [map[0][0], map[1][0], map[2][0]];
    let (_, out_rows, out_columns) = out.dim();
    let to = out.as_slice_mut().expect("made in standard layout");
    to.par_chunks_mut(out_columns).enumerate().with_min_len(8).for_each(|(at, row)| {
        let (k, j) = (at / out_rows, at % out_rows);
        let first: [f64; 3] =
            std::array::from_fn(|d| map[d][1] * j as f64 + map[d][2] * k as f64 + map[d][3]);
        let inside = grid::inside_row(first, step, [size[2], size[1], size[0]], row.len());
        row[..inside.start].fill(put.outside);
        row[inside.end..].fill(put.outside);
        let first = std::array::from_fn(|d| first[d] + step[d] * inside.start as f64 - start[d]);
        let row = &mut row[inside];
        cpu::at_places(level, voxels, [rows, columns], cpu::Straight { first, step }, row);
        row.iter_mut().for_each(|value| *value = put.finished(*value));
    });
    Ok(out)
}

/// `volume`, made in the order of the source's axes, in the order of the output's.
fn turned(volume: Array3<f32>, order: [usize; 3]) -> Result<Array3<f32>, Error> {
    if order == [0, 1, 2] {
        return Ok(volume);
    }
    let turned = volume.view().permuted_axes(order);
    let mut out = blank(turned.dim().into())?;
    ndarray::Zip::from(out.outer_iter_mut())
        .and(turned.outer_iter())
        .par_for_each(|mut to, from| to.assign(&from));
    Ok(out)
}

#[cfg(test)]
mod tests;
