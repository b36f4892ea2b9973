//! The counts and sums that statistics are made of, taken by a device.

use cudarc::driver::{CudaFunction, LaunchArgs, PushKernelArg};

use super::{BINS, Moments, WhichOnDevice, slots};
use crate::Error;
use crate::gpu::{Gpu, Memory, Volume, blocks, refused};
use crate::resample::Stored;

/// Threads of a block, and of all: enough to fill a device, few enough that each has many voxels.
const BLOCK: [u32; 3] = [256, 1, 1];
const THREADS: usize = 1 << 16;

fn kernel(gpu: &Gpu, name: &str) -> Result<CudaFunction, Error> {
    gpu.kernel("statistics", name)
}

/// Which voxels count, as the kernels are told.
struct Told {
    nothing: Memory<u8>,
    has_mask: u32,
    voxels: u64,
    above: f32,
    all: u32,
}

impl Told {
    fn new(gpu: &Gpu, which: WhichOnDevice<'_>, shape: [usize; 3]) -> Result<Self, Error> {
        Ok(Self {
            nothing: gpu.zeros(0)?,
            has_mask: u32::from(matches!(which, WhichOnDevice::In(_))),
            voxels: shape.iter().product::<usize>() as u64,
            above: if let WhichOnDevice::Above(above) = which { above } else { 0.0 },
            all: u32::from(!matches!(which, WhichOnDevice::Above(_))),
        })
    }

    fn mask<'a>(&'a self, which: WhichOnDevice<'a>) -> &'a Memory<u8> {
        if let WhichOnDevice::In(mask) = which { &mask.memory } else { &self.nothing }
    }

    /// A thread for each voxel, or as many as there are.
    fn threads(&self) -> usize {
        (self.voxels as usize).clamp(1, THREADS).next_multiple_of(BLOCK[0] as usize)
    }
}

/// Mask, whether it is one, how many voxels, threshold and whether there is none.
fn pass<'a>(launch: &mut LaunchArgs<'a>, told: &'a Told, mask: &'a Memory<u8>) {
    launch.arg(&mask.slice).arg(&told.has_mask).arg(&told.voxels).arg(&told.above).arg(&told.all);
}

/// How often each value from the least on is there, in the mask.
pub(super) fn counts<T: Stored>(
    volume: &Volume<T>,
    least: i32,
    which: WhichOnDevice<'_>,
) -> Result<Vec<u64>, Error> {
    let gpu = volume.gpu();
    let told = Told::new(gpu, which, volume.shape())?;
    let mut counts = gpu.zeros::<u64>(BINS)?;
    let kernel = kernel(gpu, &format!("statistics_count_{}", T::NAME))?;
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut counts.slice).arg(&volume.memory.slice);
    launch.arg(&told.mask(which).slice).arg(&told.has_mask).arg(&told.voxels).arg(&least);
    // SAFETY: the arguments are those of statistics.cu; volume and mask have as many voxels as it is told.
    unsafe { launch.launch(blocks([told.threads(), 1, 1], BLOCK)) }.map_err(refused)?;
    counts.download()
}

/// Moments of all that counts. The first pass finds the mean, the second the distances from it.
pub(super) fn moments(volume: &Volume<f32>, which: WhichOnDevice<'_>) -> Result<Moments, Error> {
    let gpu = volume.gpu();
    let told = Told::new(gpu, which, volume.shape())?;
    let kernel = kernel(gpu, "statistics_sums_f32")?;
    let threads = told.threads();
    let sums = |about: f64| -> Result<Moments, Error> {
        // SAFETY: the kernel below sets all of them, two or one for each thread.
        let (mut sums, mut counts, mut ends) = unsafe {
            (gpu.room::<f64>(2 * threads)?, gpu.room::<u64>(threads)?, gpu.room::<f32>(2 * threads)?)
        };
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut sums.slice).arg(&mut counts.slice).arg(&mut ends.slice).arg(&volume.memory.slice);
        pass(&mut launch, &told, told.mask(which));
        launch.arg(&about);
        // SAFETY: the arguments are those of statistics.cu; volume and mask have as many voxels as it is told.
        unsafe { launch.launch(blocks([threads, 1, 1], BLOCK)) }.map_err(refused)?;
        let (sums, counts, ends) = (sums.download()?, counts.download()?, ends.download()?);
        let count = counts.iter().sum::<u64>();
        let sum: f64 = sums.iter().step_by(2).sum();
        Ok(Moments {
            count,
            least: ends.iter().step_by(2).copied().fold(f32::INFINITY, f32::min),
            most: ends.iter().skip(1).step_by(2).copied().fold(f32::NEG_INFINITY, f32::max),
            mean: about + sum / count.max(1) as f64,
            squares: sums.iter().skip(1).step_by(2).sum(),
        })
    };
    let first = sums(0.0)?;
    let second = sums(first.mean)?;
    // What the mean was off by in the first pass.
    let off = second.mean - first.mean;
    Ok(Moments { squares: second.squares - off * off * second.count as f64, ..second })
}

/// How often each upper half of the bits is there.
pub(super) fn upper(volume: &Volume<f32>, which: WhichOnDevice<'_>) -> Result<Vec<u64>, Error> {
    let gpu = volume.gpu();
    let told = Told::new(gpu, which, volume.shape())?;
    let mut counts = gpu.zeros::<u64>(BINS)?;
    let kernel = kernel(gpu, "statistics_upper_f32")?;
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut counts.slice).arg(&volume.memory.slice);
    pass(&mut launch, &told, told.mask(which));
    // SAFETY: the arguments are those of statistics.cu; volume and mask have as many voxels as it is told.
    unsafe { launch.launch(blocks([told.threads(), 1, 1], BLOCK)) }.map_err(refused)?;
    counts.download()
}

/// How often each lower half is there with each of the upper halves that are `wanted`.
pub(super) fn lower(
    volume: &Volume<f32>,
    which: WhichOnDevice<'_>,
    wanted: &[usize],
) -> Result<Vec<u64>, Error> {
    let gpu = volume.gpu();
    let told = Told::new(gpu, which, volume.shape())?;
    let slots = gpu.upload(&slots(wanted))?;
    let mut counts = gpu.zeros::<u64>(BINS * wanted.len())?;
    let kernel = kernel(gpu, "statistics_lower_f32")?;
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut counts.slice).arg(&slots.slice).arg(&volume.memory.slice);
    pass(&mut launch, &told, told.mask(which));
    // SAFETY: the arguments are those of statistics.cu; volume and mask have as many voxels as it is told, and
    // there is a table for each slot.
    unsafe { launch.launch(blocks([told.threads(), 1, 1], BLOCK)) }.map_err(refused)?;
    counts.download()
}
