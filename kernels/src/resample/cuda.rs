//! The same on a CUDA device: `resample.cu` and `labels.cu`.

use std::ops::Range;

use cudarc::driver::PushKernelArg;

use super::{Part, Sampling, Values, by_source_axis};
use crate::gpu::{Element, Gpu, Memory, blocks, refused};
use crate::{Error, IndexMap, Voxel, grid};

/// Threads of a block.
const BLOCK: u32 = 128;

/// How many output slices a thread makes, as in `resample.cu`.
const SLICES: usize = 16;

/// How much of the free memory is used: the rest is for tables, and for what the driver rounds up.
const SHARE: f64 = 0.9;

/// Voxels that lie in a device's memory as they were stored. Those of other kinds become `f32` before, which
/// is what they become for interpolation anyway.
#[derive(Debug)]
pub enum Uploaded {
    /// Bytes and masks.
    U8(Memory<u8>),
    /// As CT is stored.
    I16(Memory<i16>),
    /// All else.
    F32(Memory<f32>),
}

impl Uploaded {
    pub(crate) fn as_f32<T: Voxel>(gpu: &Gpu, voxels: &[T]) -> Result<Self, Error> {
        let voxels: Vec<f32> = voxels.iter().map(|voxel| voxel.to_f32()).collect();
        gpu.upload(&voxels).map(Self::F32)
    }
}

/// Kinds of voxels that are resampled on a device as they are: `u8` (and masks), `i16`, `f32`.
pub trait Stored: Element + Voxel {
    /// How the kernels name it.
    #[doc(hidden)]
    const NAME: &'static str;
}
impl Stored for u8 {
    const NAME: &'static str = "u8";
}
impl Stored for i16 {
    const NAME: &'static str = "i16";
}
impl Stored for f32 {
    const NAME: &'static str = "f32";
}

/// The kind of output that a kernel makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `f32`.
    Single,
    /// `f16`.
    Half,
    /// 0 and 1 in a byte.
    Mask,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Half => "half",
            Self::Mask => "mask",
        }
    }
}

/// Which box of which source it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) shape: [usize; 3],
    pub(crate) at: [usize; 3],
    pub(crate) of: [usize; 3],
}

impl Extent {
    /// All of a source.
    pub(crate) fn whole(shape: [usize; 3]) -> Self {
        Self { shape, at: [0; 3], of: shape }
    }
}

/// `slices` of the output from `from`, which is the box `extent` of the source.
pub(super) fn resample<T: Stored, O: Element>(
    sampling: &Sampling,
    kind: Kind,
    from: &Memory<T>,
    extent: Extent,
    slices: Range<usize>,
) -> Result<Memory<O>, Error> {
    let gpu = from.gpu();
    let shape = [slices.len(), sampling.shape[1], sampling.shape[2]];
    let voxels = count(shape)?;
    // The kernels count along an axis, and in a slice of the source, with 32 bits.
    let [_, rows, columns] = extent.shape;
    let slice = rows.saturating_mul(columns);
    if sampling.shape.iter().chain(&extent.of).any(|&n| n > i32::MAX as usize) || slice > u32::MAX as usize {
        return Err(Error::OutOfMemory { voxels });
    }
    // SAFETY: each kernel sets every voxel of the output.
    let mut to = unsafe { gpu.room::<O>(voxels)? };
    if voxels == 0 {
        return Ok(to);
    }
    let Values { scale, offset, least, most, outside } = sampling.values;
    let Some(lines) = grid::along_axes(&sampling.map, sampling.shape) else {
        let kernel = gpu.kernel("resample", &format!("resample_oblique_{}_{}", T::NAME, kind.name()))?;
        let map = gpu.upload(sampling.map.as_flattened())?;
        let [of, part, at] =
            [extent.of, extent.shape, extent.at].map(|[k, j, i]| [i, j, k].map(|n| n as i32));
        let head = [shape[2] as i32, shape[1] as i32, slices.start as i32];
        let numbers = gpu.upload([head, of, part, at].as_flattened())?;
        let (count, is_nearest) = (voxels as u64, i32::from(sampling.is_nearest()));
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut to.slice).arg(&from.slice).arg(&map.slice).arg(&numbers.slice);
        launch.arg(&count).arg(&is_nearest);
        launch.arg(&scale).arg(&offset).arg(&least).arg(&most).arg(&outside);
        // SAFETY: the arguments are those of resample.cu; the output has `count` voxels, and the part has
        // all that they need, which the callers made sure of.
        unsafe { launch.launch(blocks([voxels, 1, 1], [BLOCK, 1, 1])) }.map_err(refused)?;
        return Ok(to);
    };
    let steps_of_output = [shape[1] * shape[2], shape[2], 1];
    let along = by_source_axis(lines, |axis, line| {
        let range = if axis == 0 { slices.clone() } else { 0..sampling.shape[axis] };
        let along = sampling.axis(line, sampling.shape[axis], extent.of[line.source_axis]);
        (along, range, steps_of_output[axis] as u64)
    });
    let taps = along.each_ref().map(|(along, ..)| along.taps);
    let many = taps.iter().any(|&taps| taps > 2);
    let (mut at, mut weights) = (Vec::new(), Vec::new());
    for (source_axis, (along, range, _)) in along.iter().enumerate() {
        for place in range.clone() {
            let (first, tap_weights) = along.of(place).unwrap_or((usize::MAX, &[]));
            at.push(if first == usize::MAX { -1 } else { (first - extent.at[source_axis]) as i32 });
            if many {
                weights.extend((0..along.taps).map(|tap| tap_weights.get(tap).copied().unwrap_or(0.0)));
            } else {
                weights.push(tap_weights.get(1).copied().unwrap_or(0.0));
            }
        }
    }
    let (at, weights) = (gpu.upload(&at)?, gpu.upload(&weights)?);
    let family = if many { "resample_covered" } else { "resample" };
    let kernel = gpu.kernel("resample", &format!("{family}_{}_{}", T::NAME, kind.name()))?;
    let [nk, nj, ni] = along.each_ref().map(|(_, range, _)| range.len());
    let size = [nk, nj, ni].map(|n| n as i32);
    let taps = taps.map(|n| n as i32);
    let part = extent.shape.map(|n| n as i32);
    let steps = along.map(|(.., step)| step);
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut to.slice).arg(&from.slice).arg(&at.slice).arg(&weights.slice);
    if many {
        launch.arg(&taps[0]).arg(&taps[1]).arg(&taps[2]);
    }
    launch.arg(&size[0]).arg(&size[1]).arg(&size[2]).arg(&part[0]).arg(&part[1]).arg(&part[2]);
    launch.arg(&steps[0]).arg(&steps[1]).arg(&steps[2]);
    launch.arg(&scale).arg(&offset).arg(&least).arg(&most).arg(&outside);
    let threads = if many { [nj * ni, nk, 1] } else { [(nj * ni).div_ceil(4), nk.div_ceil(SLICES), 1] };
    // SAFETY: the arguments are those of resample.cu; the tables have `size` numbers, which lead into the
    // part, and size and steps cover the output.
    unsafe { launch.launch(blocks(threads, [BLOCK, 1, 1])) }.map_err(refused)?;
    Ok(to)
}

/// `slices` of the output onto `to`, through the device, in as many pieces as its memory asks for.
pub(super) fn stream<T: Voxel, B: Element>(
    gpu: &Gpu,
    sampling: &Sampling,
    kind: Kind,
    source: &Part<'_, T>,
    slices: Range<usize>,
    to: &mut [B],
) -> Result<(), Error> {
    if to.is_empty() {
        return Ok(());
    }
    let plane = sampling.shape[1] * sampling.shape[2];
    let bytes = |slices: Range<usize>| {
        let boxed = sampling.source_of(source.of, slices.clone());
        let source: usize = boxed.iter().map(Range::len).product();
        (source * size_of::<T>().max(1) + slices.len() * plane * size_of::<B>()) as f64
    };
    let room = gpu.free_bytes()? as f64 * SHARE;
    let mut at_once = slices.len();
    while at_once > 1 && bytes(slices.start..slices.start + at_once) > room {
        at_once = at_once.div_ceil(2);
    }
    for (at, to) in to.chunks_mut(at_once * plane).enumerate() {
        let first = slices.start + at * at_once;
        let slices = first..first + to.len() / plane;
        let part = source.within(sampling.source_of(source.of, slices.clone()));
        let extent = Extent { shape: part.shape, at: part.at, of: part.of };
        let made: Memory<B> = match T::upload(gpu, &part.voxels)? {
            Uploaded::U8(from) => resample(sampling, kind, &from, extent, slices)?,
            Uploaded::I16(from) => resample(sampling, kind, &from, extent, slices)?,
            Uploaded::F32(from) => resample(sampling, kind, &from, extent, slices)?,
        };
        made.download_into(to)?;
    }
    Ok(())
}

/// The voxels of `from` nearest to where `map` leads, as they are.
pub(super) fn nearest<T: Element>(
    from: &Memory<T>,
    source: [usize; 3],
    shape: [usize; 3],
    map: &IndexMap,
    outside: T,
) -> Result<Memory<T>, Error> {
    let gpu = from.gpu();
    let voxels = count(shape)?;
    // SAFETY: the kernel sets every voxel of the output.
    let mut to = unsafe { gpu.room::<T>(voxels)? };
    if voxels == 0 {
        return Ok(to);
    }
    let bits = 8 * size_of::<T>();
    let size = shape.map(|n| n as i32);
    let whole = source.map(|n| n as i32);
    let blocks = blocks([voxels, 1, 1], [BLOCK, 1, 1]);
    let Some(lines) = grid::along_axes(map, shape) else {
        let kernel = gpu.kernel("labels", &format!("labels_oblique_{bits}"))?;
        let map = gpu.upload(map.as_flattened())?;
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut to.slice).arg(&from.slice).arg(&map.slice);
        launch.arg(&size[0]).arg(&size[1]).arg(&size[2]);
        launch.arg(&whole[0]).arg(&whole[1]).arg(&whole[2]).arg(&outside);
        // SAFETY: the arguments are those of labels.cu for voxels of this size.
        unsafe { launch.launch(blocks) }.map_err(refused)?;
        return Ok(to);
    };
    let steps = [source[1] * source[2], source[2], 1];
    let at: Vec<i64> = lines
        .iter()
        .zip(shape)
        .flat_map(|(line, n)| {
            let along = line.nearest(n, source[line.source_axis]);
            let step = steps[line.source_axis];
            (0..n).map(move |at| along.of(at).map_or(-1, |(first, _)| (first * step) as i64))
        })
        .collect();
    let at = gpu.upload(&at)?;
    let kernel = gpu.kernel("labels", &format!("labels_{bits}"))?;
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut to.slice).arg(&from.slice).arg(&at.slice);
    launch.arg(&size[0]).arg(&size[1]).arg(&size[2]).arg(&outside);
    // SAFETY: the arguments are those of labels.cu for voxels of this size, and the table leads into the
    // source.
    unsafe { launch.launch(blocks) }.map_err(refused)?;
    Ok(to)
}

/// [`nearest`] there and back, for voxels that have the size of the number `B`.
pub(super) fn nearest_through<T: Voxel, B: Element>(
    gpu: &Gpu,
    source: &Part<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    outside: T,
    to: &mut [T],
) -> Result<(), Error> {
    let from = gpu.upload(bits::<T, B>(&source.voxels))?;
    let made = nearest(&from, source.of, shape, map, bits::<T, B>(&[outside])[0])?;
    made.download_into(bits_mut::<T, B>(to))
}

/// Voxels as numbers of the same size.
pub(crate) fn bits<T: Voxel, B: Element>(voxels: &[T]) -> &[B] {
    assert!(size_of::<T>() == size_of::<B>() && align_of::<T>() == align_of::<B>());
    // SAFETY: as large and aligned alike; every `Voxel` is a plain number or a bool, which has no padding,
    // and every `Element` may be any bits.
    unsafe { std::slice::from_raw_parts(voxels.as_ptr().cast(), voxels.len()) }
}

/// Voxels as numbers of the same size, to be set. Only bits of voxels of this kind are put there.
pub(super) fn bits_mut<T: Voxel, B: Element>(voxels: &mut [T]) -> &mut [B] {
    assert!(size_of::<T>() == size_of::<B>() && align_of::<T>() == align_of::<B>());
    // SAFETY: as in `bits`. Into a bool the kernels put 0 and 1 alone.
    unsafe { std::slice::from_raw_parts_mut(voxels.as_mut_ptr().cast(), voxels.len()) }
}

fn count(shape: [usize; 3]) -> Result<usize, Error> {
    let voxels = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    voxels.ok_or(Error::OutOfMemory { voxels: usize::MAX })
}
