//! The same on a device: along j, along i, then along k and onto its scale; or through coefficients.

use std::ops::Range;

use cudarc::driver::PushKernelArg;

use super::along::{self, Along};
use crate::gpu::{Gpu, Memory, Volume, blocks, refused};
use crate::grid::{self, Line};
use crate::resample::{Extent, Stored, Values};
use crate::{Error, IndexMap};

/// Threads of a block.
const BLOCK: [u32; 3] = [256, 1, 1];

/// The spline through `source`, which is the box `extent` of one, as [`super::resample`] has it.
pub(super) fn resample<T: Stored>(
    source: &Memory<T>,
    extent: Extent,
    shape: [usize; 3],
    map: &IndexMap,
    values: Values,
) -> Result<Volume<f32>, Error> {
    match grid::along_axes(map, shape) {
        Some(lines) => aligned(source, extent, shape, lines, values),
        None => oblique(source, extent, shape, map, values),
    }
}

/// The voxels around each place and what they count for.
struct Sums {
    first: Memory<u32>,
    weights: Memory<f32>,
    taps: u32,
    /// The source voxels that are needed; `first` counts from their first.
    used: Range<usize>,
}

impl Sums {
    fn of(gpu: &Gpu, along: &Along, n: usize) -> Result<Self, Error> {
        let (first, weights, taps) = along.sums(n);
        let low = first.iter().min().map_or(0, |&first| first as usize);
        let high = first.iter().max().map_or(0, |&first| first as usize + taps);
        let first: Vec<u32> = first.iter().map(|first| first - low as u32).collect();
        let (first, weights) = (gpu.upload(&first)?, gpu.upload(&weights)?);
        Ok(Self { first, weights, taps: taps as u32, used: low..high })
    }

    fn count(&self) -> usize {
        self.first.len()
    }
}

/// Along the middle axis of `[outer, n, inner]`, from voxel `start` on.
fn sum<T: Stored>(
    source: &Memory<T>,
    along: &Sums,
    start: usize,
    [outer, n, inner]: [usize; 3],
) -> Result<Volume<f32>, Error> {
    let gpu = source.gpu();
    let shape = [outer, along.count(), inner];
    // SAFETY: the kernel below sets all of it.
    let mut out = unsafe { gpu.volume::<f32>(shape)? };
    let kernel = gpu.kernel("spline", &format!("spline_along_{}", T::NAME))?;
    let [start, outer, count, n, inner] = [start, outer, along.count(), n, inner].map(|n| n as u64);
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut out.memory.slice).arg(&source.slice);
    launch.arg(&along.first.slice).arg(&along.weights.slice).arg(&along.taps).arg(&start);
    launch.arg(&outer).arg(&count).arg(&n).arg(&inner);
    // SAFETY: the arguments are those of spline.cu; the sums stay within `n`, and `start`, `outer`, `n` and
    // `inner` within the source.
    unsafe { launch.launch(blocks([shape.iter().product(), 1, 1], BLOCK)) }.map_err(refused)?;
    Ok(out)
}

/// Slices that are used, sampled along j and i.
fn in_planes<T: Stored>(
    source: &Memory<T>,
    extent: Extent,
    slices: Range<usize>,
    along_j: &Sums,
    along_i: &Sums,
) -> Result<Volume<f32>, Error> {
    let [_, rows, columns] = extent.shape;
    let [k, j, i] = extent.at;
    let start = ((slices.start - k) * rows + along_j.used.start - j) * columns;
    let along = sum(source, along_j, start, [slices.len(), rows, columns])?;
    let lines = slices.len() * along_j.count();
    sum(&along.memory, along_i, along_i.used.start - i, [lines, columns, 1])
}

fn aligned<T: Stored>(
    source: &Memory<T>,
    extent: Extent,
    shape: [usize; 3],
    lines: [Line; 3],
    values: Values,
) -> Result<Volume<f32>, Error> {
    let gpu = source.gpu();
    let size = extent.of;
    let places = along::places(lines, shape, size);
    if places.iter().any(|(_, places)| places.is_empty()) {
        return filled(gpu, shape, values.outside);
    }
    let of = |axis: usize| Sums::of(gpu, &Along::places(&places[axis].1, size[axis]), size[axis]);
    let [along_k, along_j, along_i] = [of(0)?, of(1)?, of(2)?];
    let planes = in_planes(source, extent, along_k.used.clone(), &along_j, &along_i)?;
    // SAFETY: the kernel below sets all of it.
    let mut out = unsafe { gpu.volume::<f32>(shape)? };
    let kernel = gpu.kernel("spline", "spline_finish")?;
    let shape = shape.map(|n| n as u64);
    let axis = [0, 1, 2].map(|source_axis| {
        lines.iter().position(|line| line.source_axis == source_axis).expect("all three axes") as u32
    });
    let begin = places.each_ref().map(|(inside, _)| inside.start as u64);
    let count = places.each_ref().map(|(inside, _)| inside.len() as u64);
    let Values { scale, offset, least, most, outside } = values;
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut out.memory.slice).arg(&planes.memory.slice);
    launch.arg(&along_k.first.slice).arg(&along_k.weights.slice).arg(&along_k.taps);
    for n in &shape {
        launch.arg(n);
    }
    for n in &axis {
        launch.arg(n);
    }
    for n in begin.iter().chain(&count) {
        launch.arg(n);
    }
    launch.arg(&scale).arg(&offset).arg(&least).arg(&most).arg(&outside);
    // SAFETY: the arguments are those of spline.cu, and the sums along k stay within the planes.
    unsafe { launch.launch(blocks([shape.iter().product::<u64>() as usize, 1, 1], BLOCK)) }
        .map_err(refused)?;
    Ok(out)
}

fn oblique<T: Stored>(
    source: &Memory<T>,
    extent: Extent,
    shape: [usize; 3],
    map: &IndexMap,
    values: Values,
) -> Result<Volume<f32>, Error> {
    let gpu = source.gpu();
    let size = extent.of;
    let Some(reached) = along::reached(map, shape, size) else {
        return filled(gpu, shape, values.outside);
    };
    let of = |axis: usize| Sums::of(gpu, &Along::coefficients(reached[axis].clone(), size[axis]), size[axis]);
    let [along_k, along_j, along_i] = [of(0)?, of(1)?, of(2)?];
    let planes = in_planes(source, extent, along_k.used.clone(), &along_j, &along_i)?;
    let slice = along_j.count() * along_i.count();
    let coefficients = sum(&planes.memory, &along_k, 0, [1, along_k.used.len(), slice])?;
    // SAFETY: the kernel below sets all of it.
    let mut out = unsafe { gpu.volume::<f32>(shape)? };
    let kernel = gpu.kernel("spline", "spline_oblique")?;
    let shape = shape.map(|n| n as u64);
    let (rows, columns) = (along_j.count() as u64, along_i.count() as u64);
    let low = [2, 1, 0].map(|axis: usize| reached[axis].start as f64);
    let size = [2, 1, 0].map(|axis: usize| size[axis] as f64);
    let Values { scale, offset, least, most, outside } = values;
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut out.memory.slice);
    launch.arg(&coefficients.memory.slice);
    launch.arg(&rows).arg(&columns);
    for n in &shape {
        launch.arg(n);
    }
    for n in map.iter().flatten().chain(&low).chain(&size) {
        launch.arg(n);
    }
    launch.arg(&scale).arg(&offset).arg(&least).arg(&most).arg(&outside);
    // SAFETY: the arguments are those of spline.cu, and the coefficients reach as far as inside places do.
    unsafe { launch.launch(blocks([shape.iter().product::<u64>() as usize, 1, 1], BLOCK)) }
        .map_err(refused)?;
    Ok(out)
}

/// A volume that is outside everywhere.
fn filled(gpu: &Gpu, shape: [usize; 3], outside: f32) -> Result<Volume<f32>, Error> {
    let mut host = crate::blank::<f32>(shape)?;
    host.fill(outside);
    gpu.upload_volume(host.view())
}
