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
mod cuda;

use std::any::Any;
use std::ops::Range;

use ndarray::{Array3, ArrayView3, ArrayViewMut3};
use rayon::prelude::*;

use crate::gpu::Volume;
use crate::grid;
use crate::resample::cuda::Kind;
use crate::resample::{Extent, Stored, Uploaded, Values};
use crate::simd::Level;
use crate::{Device, Error, IndexMap, Real, Voxel, blank, cast};
use along::{Along, Wanted};
use cpu::Rows;

/// The cubic spline through the voxels of `source` where `map` leads from each voxel of an array of
/// `shape` (`[k, j, i]`), put on the scale of `values`.
///
/// The spline overshoots at edges: next to a step of 1000 by about 100. A map that is not finite leads
/// outside. Voxels are expected to be finite: one that is not spoils its row, its column and its slice.
///
/// Along an axis on which all places are voxel centres the values are the source's own, to the bit.
/// Elsewhere they are within 1e-6 of the largest voxel's magnitude around, on either device.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result, or for what is needed on the way: under 100
/// slices of the result, or, if the output's axes do not follow the source's, the source in 32 bits.
pub fn resample<T: Voxel, O: Real>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    values: Values,
) -> Result<Array3<O>, Error> {
    let source = source.as_standard_layout();
    let voxels = source.as_slice().expect("just made standard");
    let mut out = blank(shape)?;
    resample_part(device, voxels, Extent::whole(source.dim().into()), out.view_mut(), map, values)?;
    Ok(out)
}

/// The same onto `to`, in standard layout, from the box `extent` of a source, which has all of [`source_of`].
pub(crate) fn resample_part<T: Voxel, O: Real>(
    device: &Device,
    voxels: &[T],
    extent: Extent,
    to: ArrayViewMut3<'_, O>,
    map: &IndexMap,
    values: Values,
) -> Result<(), Error> {
    let gpu = match device {
        Device::Cpu => return reference(Level::best(), cpu::Source { voxels, extent }, to, map, values),
        Device::Cuda(gpu) => gpu,
    };
    let shape = to.dim().into();
    let made = match T::upload(gpu, voxels)? {
        Uploaded::U8(voxels) => cuda::resample(&voxels, extent, shape, map, values),
        Uploaded::I16(voxels) => cuda::resample(&voxels, extent, shape, map, values),
        Uploaded::F32(voxels) => cuda::resample(&voxels, extent, shape, map, values),
    }?;
    rounded::<O>(made)?.memory.download_into(to.into_slice().expect("in standard layout"))
}

/// What was made on a device as numbers of that kind, there.
pub(crate) fn rounded<O: Real>(made: Volume<f32>) -> Result<Volume<O>, Error> {
    let made: Box<dyn Any> = match O::KIND {
        Kind::Half => Box::new(Volume::new(cast::to_half(&made.memory)?, made.shape())),
        _ => Box::new(made),
    };
    Ok(*made.downcast().expect("the kind says which it is"))
}

/// The box of voxels (`[k, j, i]`) of a source of shape `source` that an output of `shape` needs; empty if it
/// lies outside of it.
pub(crate) fn source_of(map: &IndexMap, shape: [usize; 3], source: [usize; 3]) -> [Range<usize>; 3] {
    let used = match grid::along_axes(map, shape) {
        Some(lines) => {
            let places = along::places(lines, shape, source);
            let is_inside = places.iter().all(|(_, places)| !places.is_empty());
            is_inside.then(|| [0, 1, 2].map(|d| Along::places(&places[d].1, source[d]).used()))
        }
        None => along::reached(map, shape, source)
            .map(|reached| [0, 1, 2].map(|d| Along::coefficients(reached[d].clone(), source[d]).used())),
    };
    used.unwrap_or([const { 0..0 }; 3])
}

/// As [`resample`], of a volume in a device's memory, where the result stays.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the device has no room for the result and for what is needed on the way,
/// [`Error::Driver`] and [`Error::Kernel`] if it failed.
pub fn resample_on_device<T: Stored>(
    source: &Volume<T>,
    shape: [usize; 3],
    map: &IndexMap,
    values: Values,
) -> Result<Volume<f32>, Error> {
    cuda::resample(&source.memory, Extent::whole(source.shape()), shape, map, values)
}

/// What interpolation means. `to` is in standard layout.
fn reference<T: Voxel, O: Real>(
    level: Level,
    source: cpu::Source<'_, T>,
    mut to: ArrayViewMut3<'_, O>,
    map: &IndexMap,
    values: Values,
) -> Result<(), Error> {
    let Values { scale, offset, least, most, outside } = values;
    let put = Rows { inside: 0..0, outside: O::from_f32(outside), onto: [scale, offset, least, most] };
    let shape: [usize; 3] = to.dim().into();
    if to.is_empty() {
        return Ok(());
    }
    let Some(lines) = grid::along_axes(map, shape) else {
        return oblique(level, source, to, map, put);
    };
    let order = lines.map(|line| line.source_axis);
    let places = along::places(lines, shape, source.extent.of);
    let put = Rows { inside: places[2].0.clone(), ..put };
    if order == [0, 1, 2] {
        return cpu::aligned(level, source, to, &places, &put);
    }
    // In the order of the source's axes, then in that of the output's.
    let axis = |source_axis| order.iter().position(|&o| o == source_axis).expect("a permutation");
    let mut made = blank([0, 1, 2].map(|source_axis| shape[axis(source_axis)]))?;
    cpu::aligned(level, source, made.view_mut(), &places, &put)?;
    let turned = made.view().permuted_axes(order);
    ndarray::Zip::from(to.outer_iter_mut())
        .and(turned.outer_iter())
        .par_for_each(|mut to, from| to.assign(&from));
    Ok(())
}

/// Through any map: the coefficients of the stretch of the source that is reached, then 64 of them for
/// each voxel.
fn oblique<T: Voxel, O: Real>(
    level: Level,
    source: cpu::Source<'_, T>,
    mut to: ArrayViewMut3<'_, O>,
    map: &IndexMap,
    put: Rows<O>,
) -> Result<(), Error> {
    let Some(reached) = along::reached(map, to.dim().into(), source.extent.of) else {
        to.par_mapv_inplace(|_| put.outside);
        return Ok(());
    };
    let [k, j, i] = &reached;
    let mut coefficients = blank::<f32>(reached.clone().map(|stretch| stretch.len()))?;
    let wanted = [0, 1, 2].map(|d| Wanted::Coefficients(reached[d].clone(), source.extent.of[d]));
    let unchanged = Rows { inside: 0..i.len(), outside: 0.0, onto: [1.0, 0.0, f32::MIN, f32::MAX] };
    cpu::sampled(level, source, coefficients.view_mut(), wanted, &unchanged)?;
    let [rows, columns] = [j.len(), i.len()];
    let voxels = coefficients.as_slice().expect("made in standard layout");
    // Counted from the first coefficient.
    let start = [i, j, k].map(|stretch| stretch.start as f64);
    let size = source.extent.of;
    let step = [map[0][0], map[1][0], map[2][0]];
    let (_, out_rows, out_columns) = to.dim();
    let to = to.as_slice_mut().expect("in standard layout");
    to.par_chunks_mut(out_columns).enumerate().with_min_len(8).for_each_init(
        || vec![0.0_f32; out_columns],
        |values, (at, row)| {
            let (k, j) = (at / out_rows, at % out_rows);
            let first: [f64; 3] =
                std::array::from_fn(|d| map[d][1] * j as f64 + map[d][2] * k as f64 + map[d][3]);
            let inside = grid::inside_row(first, step, [size[2], size[1], size[0]], row.len());
            let first = std::array::from_fn(|d| first[d] + step[d] * inside.start as f64 - start[d]);
            let values = &mut values[..inside.len()];
            cpu::at_places(level, voxels, [rows, columns], cpu::Straight { first, step }, values);
            Rows { inside, ..put }.put(level, row, values);
        },
    );
    Ok(())
}

#[cfg(test)]
mod tests;
