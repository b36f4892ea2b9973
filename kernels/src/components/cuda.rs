//! Labelling on a CUDA device. What comes back are the runs, which are far fewer than voxels.

use cudarc::driver::PushKernelArg;
use rayon::prelude::*;

use super::cpu::Sums;
use super::rows::Slices;
use super::{Components, Slab};
use crate::bits::{DeviceBits, pack_rows};
use crate::gpu::{Element, Gpu, Memory, Volume, blocks, refused};
use crate::simd::Level;
use crate::{Error, Neighbours};

/// Threads of a block.
const BLOCK: u32 = 256;

/// Numbers that a block of `scan_blocks` takes.
const SCANNED: usize = 1024;

/// Runs that a thread of `components_sum` takes.
const SUMMED: usize = 16;

/// A kernel of components.cu, or of another file, launched on at least `threads` threads with these arguments.
macro_rules! launch {
    ($gpu:expr, $file:literal, $name:literal, $threads:expr, $($argument:expr),* $(,)?) => {{
        let kernel = $gpu.kernel($file, $name)?;
        let mut launch = $gpu.stream().launch_builder(&kernel);
        $(launch.arg($argument);)*
        // SAFETY: the arguments are those of the file, whose kernels touch no more than the memory was
        // made for.
        unsafe { launch.launch(blocks([$threads, 1, 1], [BLOCK, 1, 1])) }.map_err(refused)?;
    }};
    ($gpu:expr, $name:literal, $($rest:tt)*) => { launch!($gpu, "components", $name, $($rest)*) };
}

/// `mask`, an array of `shape`, as words: an eighth of the bytes to send.
pub(super) fn sent(gpu: &Gpu, mask: Slices<'_>, shape: [usize; 3]) -> Result<DeviceBits, Error> {
    check(shape)?;
    let [slices, rows, columns] = shape;
    let words = match mask {
        Slices::Words(words) => gpu.upload(words)?,
        Slices::Voxels(voxels) => {
            let size = rows * columns.div_ceil(64);
            let mut words = vec![0; slices * size];
            if !voxels.is_empty() {
                let level = Level::best();
                let slices = voxels.par_chunks(rows * columns).zip(words.par_chunks_mut(size));
                slices.for_each(|(voxels, words)| pack_rows(level, voxels, columns, words, |is_in| is_in));
            }
            gpu.upload(&words)?
        }
    };
    Ok(DeviceBits { words, shape })
}

/// Rows and runs are counted in 32 bits.
fn check(shape: [usize; 3]) -> Result<(), Error> {
    let voxels = shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n)).unwrap_or(usize::MAX);
    if voxels >= u32::MAX as usize { Err(Error::OutOfMemory { voxels }) } else { Ok(()) }
}

pub(super) fn labelled(mask: &DeviceBits, neighbours: Neighbours) -> Result<Components, Error> {
    let DeviceBits { words, shape } = mask;
    let (shape, gpu) = (*shape, words.gpu());
    check(shape)?;
    if words.is_empty() {
        return Ok(Components { shape, slabs: Vec::new(), list: Vec::new() });
    }
    let all_rows = shape[0] * shape[1];
    let (rows_in_all, rows, columns) = (all_rows as u32, shape[1] as u32, shape[2] as u32);
    let stride = shape[2].div_ceil(64) as u32;

    // SAFETY: the kernel below sets all of it.
    let mut counts = unsafe { gpu.room::<u32>(all_rows + 1)? };
    launch!(gpu, "components_count", all_rows + 1, &mut counts.slice, &words.slice, &stride, &rows_in_all);
    let starts = before_each(gpu, &counts)?;
    drop(counts);
    let host_starts = starts.download()?;
    let runs = host_starts[all_rows] as usize;
    let count = runs as u32;

    // SAFETY: the kernels below set all of these, one entry for each run.
    let [mut ends, mut row_of, mut parents] =
        unsafe { [gpu.room::<u32>(2 * runs)?, gpu.room::<u32>(runs)?, gpu.room::<u32>(runs)?] };
    launch!(
        gpu,
        "components_find",
        all_rows,
        &mut ends.slice,
        &mut row_of.slice,
        &mut parents.slice,
        &starts.slice,
        &words.slice,
        &stride,
        &rows_in_all,
        &columns
    );
    let wide = u32::from(neighbours != Neighbours::Six);
    let all = u32::from(neighbours == Neighbours::TwentySix);
    launch!(
        gpu,
        "components_join",
        runs,
        &mut parents.slice,
        &ends.slice,
        &row_of.slice,
        &starts.slice,
        &count,
        &rows,
        &wide,
        &wide,
        &all
    );
    // SAFETY: as above.
    let (mut firsts, mut is_first) = unsafe { (gpu.room::<u32>(runs)?, gpu.room::<u32>(runs + 1)?) };
    launch!(
        gpu,
        "components_flatten",
        runs + 1,
        &mut firsts.slice,
        &mut is_first.slice,
        &mut parents.slice,
        &count
    );
    let numbers = before_each(gpu, &is_first)?;
    // The parents are no longer needed.
    let mut labels = parents;
    launch!(gpu, "components_number", runs, &mut labels.slice, &firsts.slice, &numbers.slice, &count);
    let mut found = [0];
    gpu.stream().memcpy_dtoh(&numbers.slice.slice(runs..=runs), &mut found).map_err(refused)?;
    gpu.wait()?;
    let mut sums = gpu.zeros::<u64>(Sums::NUMBERS * found[0] as usize)?;
    launch!(
        gpu,
        "components_sum",
        runs.div_ceil(SUMMED),
        &mut sums.slice,
        &ends.slice,
        &row_of.slice,
        &labels.slice,
        &count,
        &rows
    );
    let sums = sums.download()?;
    let list = sums.as_chunks().0.iter().zip(1..).map(|(sums, label)| Sums::of_device(sums).component(label));
    let slab =
        Slab { first_slice: 0, starts: host_starts, ends: ends.download()?, labels: labels.download()? };
    Ok(Components { shape, slabs: vec![slab], list: list.collect() })
}

/// For each number the sum of those before it.
fn before_each(gpu: &Gpu, of: &Memory<u32>) -> Result<Memory<u32>, Error> {
    let count = of.len() as u64;
    let scanned = of.len().div_ceil(SCANNED);
    // SAFETY: the kernel below sets all of both.
    let (mut out, mut totals) = unsafe { (gpu.room::<u32>(of.len())?, gpu.room::<u32>(scanned)?) };
    let threads = scanned * BLOCK as usize;
    launch!(gpu, "scan", "scan_blocks", threads, &mut out.slice, &mut totals.slice, &of.slice, &count);
    if scanned > 1 {
        let offsets = before_each(gpu, &totals)?;
        launch!(gpu, "scan", "scan_offset", of.len(), &mut out.slice, &offsets.slice, &count);
    }
    Ok(out)
}

impl Sums {
    /// Numbers of each component in components.cu.
    const NUMBERS: usize = 10;

    /// The voxels and the sums of their indices, what the lowest of them lack to the greatest number, and one
    /// past the highest of them.
    fn of_device(sums: &[u64; Self::NUMBERS]) -> Self {
        let [voxels, k, j, i, most @ ..] = *sums;
        let [a, b, c, d, e, f] = most.map(|at| at as u32);
        Self { total: [voxels, k, j, i], most: [a, b, c, d, e, f, 0, 0] }
    }
}

/// What can be painted on a device.
pub(super) trait Paint: Element {
    const KERNEL: &str;
}

impl Paint for u32 {
    const KERNEL: &str = "components_paint_u32";
}

impl Paint for u8 {
    const KERNEL: &str = "components_paint_u8";
}

/// A volume with `paint` of its label in each voxel of the mask, 0 elsewhere.
pub(super) fn painted<T: Paint>(
    gpu: &Gpu,
    components: &Components,
    paint: impl Fn(u32) -> u32,
) -> Result<Volume<T>, Error> {
    let shape = components.shape;
    let voxels = shape.iter().product();
    check(shape)?;
    let (mut ends, mut row_of, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for slab in &components.slabs {
        let first_row = (slab.first_slice * shape[1]) as u32;
        for (row, range) in (first_row..).zip(slab.starts.array_windows::<2>()) {
            for run in range[0] as usize..range[1] as usize {
                let value = paint(slab.labels[run]);
                if value != 0 {
                    ends.extend_from_slice(&slab.ends[2 * run..][..2]);
                    row_of.push(row);
                    values.push(value);
                }
            }
        }
    }
    let mut out = gpu.zeros::<T>(voxels)?;
    if !values.is_empty() {
        let (count, columns) = (values.len() as u32, shape[2] as u32);
        let (ends, row_of, on_device) = (gpu.upload(&ends)?, gpu.upload(&row_of)?, gpu.upload(&values)?);
        let kernel = gpu.kernel("components", T::KERNEL)?;
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut out.slice).arg(&ends.slice).arg(&row_of.slice).arg(&on_device.slice);
        launch.arg(&count).arg(&columns);
        let blocks = blocks([32 * values.len(), 1, 1], [BLOCK, 1, 1]);
        // SAFETY: the arguments are those of components.cu, and the runs lie within the volume.
        unsafe { launch.launch(blocks) }.map_err(refused)?;
    }
    Ok(Volume::new(out, shape))
}
