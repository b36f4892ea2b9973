//! The same on a device.

use cudarc::driver::PushKernelArg;

use super::{Samples, Slab, Through};
use crate::Error;
use crate::any::kind;
use crate::gpu::{Element, Memory, Volume, blocks, refused};
use crate::grid;

/// Threads of a block.
const BLOCK: [u32; 3] = [256, 1, 1];

/// A place may lie so far beyond the outermost centre: half a voxel, and what rounding does. See `grid`.
const BORDER: f64 = 0.5 + 1e-6;

/// `slab` through `source`, which lies on a device, as a picture of `shape` (rows, columns), row by row;
/// `outside` where no sample is inside. See [`project`](super::project).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room, [`Error::Driver`] or [`Error::Kernel`] if the device failed.
pub fn project_on_device<T: Element>(
    source: &Volume<T>,
    shape: [usize; 2],
    slab: Slab,
    outside: f32,
) -> Result<Memory<f32>, Error> {
    projected(&source.memory, kind::<T>(), source.shape(), shape, slab, outside)
}

/// The same in grey, see [`picture`](super::picture).
///
/// # Errors
///
/// As [`project_on_device`].
///
/// # Panics
///
/// If the window is empty: the caller's mistake.
pub fn picture_on_device<T: Element>(
    source: &Volume<T>,
    shape: [usize; 2],
    slab: Slab,
    window_hu: [f32; 2],
) -> Result<Memory<u8>, Error> {
    grey(&project_on_device(source, shape, slab, f32::NAN)?, window_hu)
}

/// `pixels` in grey; those that are not a number become 0.
pub(super) fn grey(pixels: &Memory<f32>, [low_hu, high_hu]: [f32; 2]) -> Result<Memory<u8>, Error> {
    assert!(low_hu < high_hu, "the window from {low_hu} to {high_hu} is empty");
    let (gpu, count) = (pixels.gpu(), pixels.len());
    // SAFETY: the kernel sets all of it.
    let mut out = unsafe { gpu.room::<u8>(count)? };
    if count > 0 {
        let kernel = gpu.kernel("render", "render_grey")?;
        let (size, scale) = (count as u64, 255.0 / (high_hu - low_hu));
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut out.slice).arg(&pixels.slice).arg(&size).arg(&low_hu).arg(&scale);
        // SAFETY: the arguments are those of render.cu, and both have as many pixels.
        unsafe { launch.launch(blocks([count, 1, 1], BLOCK)) }.map_err(refused)?;
    }
    Ok(out)
}

/// `voxels` are as many of `kind` as `of` says.
pub(super) fn projected<T: Element>(
    voxels: &Memory<T>,
    kind: u32,
    of: [usize; 3],
    [rows, columns]: [usize; 2],
    slab: Slab,
    outside: f32,
) -> Result<Memory<f32>, Error> {
    let Slab { map, samples, through } = slab;
    let gpu = voxels.gpu();
    let count = rows.checked_mul(columns).ok_or(Error::OutOfMemory { voxels: usize::MAX })?;
    // SAFETY: the kernel sets all of it.
    let mut out = unsafe { gpu.room::<f32>(count)? };
    if count == 0 {
        return Ok(out);
    }
    let through = match through {
        Through::Greatest => 0_u32,
        Through::Least => 1,
        Through::Mean => 2,
    };
    let [vk, vj, vi] = of.map(|n| n as u32);
    let counts = [samples, rows, columns];
    let [depth, height, width] = counts.map(|n| n as u32);
    let is_map = map.iter().flatten().all(|value| value.is_finite());
    // A map that leads nowhere has no samples.
    let depth = if is_map && !of.contains(&0) { depth } else { 0 };
    let blocks = blocks([count, 1, 1], BLOCK);
    if let Some(lines) = grid::along_axes(&map, counts).filter(|_| depth > 0) {
        let (mut first, mut weight) = (Vec::new(), Vec::new());
        for (line, count) in lines.into_iter().zip(counts) {
            let along = Samples::of(line, count, of);
            let (start, end) = (first.len() + along.inside.start, first.len() + along.inside.end);
            first.resize(first.len() + count, -1_i32);
            weight.resize(weight.len() + count, 0.0_f32);
            first[start..end].iter_mut().zip(&along.at).for_each(|(to, &at)| *to = at as i32);
            weight[start..end].copy_from_slice(&along.weight);
        }
        let (first, weight) = (gpu.upload(&first)?, gpu.upload(&weight)?);
        let [axis_n, axis_y, axis_x] = lines.map(|line| line.source_axis as u32);
        let kernel = gpu.kernel("render", "render_aligned")?;
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut out.slice).arg(&voxels.slice).arg(&kind).arg(&vk).arg(&vj).arg(&vi);
        launch.arg(&first.slice).arg(&weight.slice).arg(&depth).arg(&height).arg(&width);
        launch.arg(&axis_n).arg(&axis_y).arg(&axis_x).arg(&through).arg(&outside);
        // SAFETY: the arguments are those of render.cu; what is sampled lies in the volume.
        unsafe { launch.launch(blocks) }.map_err(refused)?;
    } else {
        let map = gpu.upload(map.as_flattened())?;
        let kernel = gpu.kernel("render", "render_oblique")?;
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut out.slice).arg(&voxels.slice).arg(&kind).arg(&vk).arg(&vj).arg(&vi);
        launch.arg(&map.slice).arg(&depth).arg(&height).arg(&width).arg(&BORDER).arg(&through).arg(&outside);
        // SAFETY: the arguments are those of render.cu; what is sampled lies in the volume.
        unsafe { launch.launch(blocks) }.map_err(refused)?;
    }
    Ok(out)
}
