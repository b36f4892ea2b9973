//! The same on a CUDA device, beside torch, CuPy and MONAI: `kernels/peers/run.sh --gpu`, or alone `cargo bench -p
//! kernels --bench gpu`. Milliseconds between two events on the device's stream, and by the clock until it is done.
//!
//! What moves is compared with a copy within the device's memory; "copy-from-host" says what the way there takes.

#[path = "common/mod.rs"]
mod common;

use std::time::Instant;

use common::input::Input;
use common::{Case, Found};
use cudarc::driver::result::{self, event};
use cudarc::driver::{DriverError, sys};
use half::f16;
use kernels::blend::{Blend, starts};
use kernels::gpu::{Gpu, Options};
use kernels::resample::{Intensity, Interpolation, Sampling};
use kernels::tiles::gather_on_device;
use kernels::{Device, Error};
use ndarray::Array3;

const WINDOW: Intensity = Intensity { low_hu: -1000.0, high_hu: 400.0, low: 0.0, high: 1.0, outside: 0.0 };

fn main() -> Result<(), Error> {
    let gpu = match Gpu::open(Options::default()) {
        Ok(gpu) => gpu,
        Err(error) => {
            println!("skipped: no GPU: {error}");
            return Ok(());
        }
    };
    let input = Input::new();
    let place = gpu.info().name.clone();
    let clock = Clock::new().map_err(refused)?;
    common::run(cases(&gpu, &input)?, &input, &place, |case| {
        gpu.wait()?;
        let start = Instant::now();
        clock.start(&gpu).map_err(refused)?;
        case.found = (case.run)()?;
        let ms = clock.stop(&gpu).map_err(refused)?;
        Ok((ms, start.elapsed().as_secs_f64() * 1e3))
    })
}

fn cases<'a>(gpu: &'a Gpu, input: &'a Input) -> Result<Vec<Case<'a>>, Error> {
    let Input { ct, scene, .. } = input;
    let device = Device::Cuda(gpu.clone());
    let sampling = Sampling {
        shape: common::input::MILLIMETRE,
        map: common::input::fitting(ct.dim().into(), common::input::MILLIMETRE),
        interpolation: Interpolation::Linear,
        values: WINDOW.into(),
    };
    let moved = 2 * (ct.len() + sampling.shape.iter().product::<usize>());
    let on_device = gpu.upload_volume(ct.view())?;
    let scene_on_device = gpu.upload_volume(scene.view())?;

    let along = starts(192, 96, 0.5);
    let starts: Vec<[usize; 3]> = (0..27).map(|at| [at / 9, at / 3 % 3, at % 3].map(|n| along[n])).collect();
    let signed: Vec<[isize; 3]> = starts.iter().map(|at| at.map(|n| n as isize)).collect();
    let tiles = gather_on_device(&scene_on_device, &signed, [96; 3], 0.0)?;
    let tiled = 4 * (scene.len() + tiles.len());

    let bytes = 1 << 29;
    let (from, to) = (gpu.zeros::<u8>(bytes)?, gpu.zeros::<u8>(bytes)?);
    Ok(vec![
        Case::new("copy", 2 * bytes, move || {
            // SAFETY: both are that long, and lie apart.
            unsafe { result::memcpy_dtod_async(to.address(), from.address(), bytes, stream(gpu)) }
                .map_err(refused)?;
            Ok(Found::Nothing)
        }),
        Case::new("copy-from-host", 2 * ct.len(), move || {
            let there = gpu.upload_volume(ct.view())?;
            gpu.wait()?;
            drop(there);
            Ok(Found::Nothing)
        }),
        Case::new("preprocess", moved, move || {
            let made = sampling.on_device::<i16, f16>(&on_device)?;
            Ok(Found::Later(Box::new(move || made.download().map(Found::Halves))))
        }),
        Case::new("upload", moved, move || {
            let made = sampling.on_device::<i16, f16>(&gpu.upload_volume(ct.view())?)?;
            Ok(Found::Later(Box::new(move || made.download().map(Found::Halves))))
        }),
        Case::new("gather", tiled, move || {
            let batch = gather_on_device(&scene_on_device, &signed, [96; 3], 0.0)?;
            Ok(Found::Later(Box::new(move || {
                let tiles = Array3::from_shape_vec([27 * 96, 96, 96], batch.download()?);
                Ok(Found::Volume(tiles.expect("27 tiles of 96")))
            })))
        }),
        Case::new("scatter", tiled, move || {
            let mut blend = Blend::new(&device, [192; 3])?;
            blend.add_batch(&tiles, [1, 0], [96; 3], &starts)?;
            let made = blend.finish_on_device()?;
            Ok(Found::Later(Box::new(move || made.download().map(Found::Volume))))
        }),
    ])
}

/// Two events on a device's stream.
struct Clock {
    before: sys::CUevent,
    after: sys::CUevent,
}

impl Clock {
    /// The context must be current, as it is in the thread that opened the device.
    fn new() -> Result<Self, DriverError> {
        let event = || event::create(sys::CUevent_flags::CU_EVENT_DEFAULT);
        Ok(Self { before: event()?, after: event()? })
    }

    fn start(&self, gpu: &Gpu) -> Result<(), DriverError> {
        // SAFETY: both were made by the same context.
        unsafe { event::record(self.before, stream(gpu)) }
    }

    /// Milliseconds since the start, once everything that was asked for in between is done.
    fn stop(&self, gpu: &Gpu) -> Result<f64, DriverError> {
        // SAFETY: the events and the stream were made by the same context, and the first event was recorded.
        unsafe {
            event::record(self.after, stream(gpu))?;
            result::stream::synchronize(stream(gpu))?;
            event::elapsed(self.before, self.after).map(f64::from)
        }
    }
}

fn stream(gpu: &Gpu) -> sys::CUstream {
    gpu.raw_stream().cast()
}

fn refused(error: DriverError) -> Error {
    Error::Driver { reason: format!("{:?}", error.0) }
}
