//! How long it takes to bring a volume onto another grid and scale on this machine's CPU: `cargo bench -p
//! kernels --bench resample`, or with words from the names below to run some of them. One line of JSON for
//! each case: the least and the median of several runs, and the least processor time of all threads
//! together, in milliseconds. On a machine that does other things as well the last says most.
//!
//! "into" writes to memory that was used before, as in a service that keeps its buffers; the others, as
//! the peers do, allocate what they return, which the operating system clears page by page.

use std::hint::black_box;
use std::time::Instant;

use half::f16;
use kernels::resample::{Intensity, Interpolation, Part, Sampling, Values, resample_mask, resample_nearest};
use kernels::{Device, Error, IndexMap, Real, Voxel};
use ndarray::Array3;

const RUNS: usize = 15;

/// Runs the cases whose names hold one of the words, all if there are none.
struct Bench {
    wanted: Vec<String>,
}

impl Bench {
    fn case(&self, name: &str, mut run: impl FnMut() -> Result<(), Error>) -> Result<(), Error> {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|word| name.contains(word.as_str())) {
            return Ok(());
        }
        run()?;
        let (mut times, mut work) = (Vec::new(), f64::MAX);
        for _ in 0..RUNS {
            let (start, worked) = (Instant::now(), worked_ms());
            run()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            work = work.min(worked_ms() - worked);
        }
        times.sort_by(f64::total_cmp);
        let (least, median) = (times[0], times[RUNS / 2]);
        println!(
            r#"{{"name": "{name}", "min_ms": {least:.2}, "median_ms": {median:.2}, "cpu_ms": {work:.2}}}"#
        );
        Ok(())
    }

    /// Allocating the result, and into the same memory each time.
    fn both<T: Voxel, O: Real>(
        &self,
        name: &str,
        source: &Array3<T>,
        sampling: Sampling,
    ) -> Result<(), Error> {
        self.case(name, || sampling.volume::<T, O>(&Device::Cpu, source.view()).map(|v| drop(black_box(v))))?;
        let mut to = Array3::<O>::from_elem(sampling.shape, O::default());
        let part = Part::from(source.view());
        let slices = 0..sampling.shape[0];
        self.case(&format!("{name}, into"), || {
            sampling.slab(&Device::Cpu, &part, slices.clone(), black_box(to.view_mut()))
        })
    }
}

fn main() -> Result<(), Error> {
    let wanted = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let bench = Bench { wanted };
    let ct = ct([300, 512, 512]);
    let window: Values =
        Intensity { low_hu: -1000.0, high_hu: 400.0, low: 0.0, high: 1.0, outside: 0.0 }.into();
    let step = 512.0 / 358.0;
    let edge = (step - 1.0) / 2.0;
    // 0.7 x 0.7 x 1.25 mm onto 1 mm.
    let axial: IndexMap = [[step, 0.0, 0.0, edge], [0.0, step, 0.0, edge], [0.0, 0.0, 0.8, -0.1]];
    let [i, j, k] = axial;
    let turned = |[a, b, c]: [usize; 3]| -> IndexMap {
        // Output axis a, in the order i, j, k, follows the source's i, and so on.
        let mut map = [[0.0; 4]; 3];
        for ((row, from), column) in map.iter_mut().zip([i, j, k]).zip([a, b, c]) {
            (row[column], row[3]) = (from[..3].iter().sum(), from[3]);
        }
        map
    };
    let identity = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    let oblique: IndexMap = [[1.42, 0.1, 0.05, -9.0], [-0.1, 1.42, 0.1, 9.0], [-0.05, -0.05, 0.79, 14.0]];
    let linear = |shape, map| Sampling { shape, map, interpolation: Interpolation::Linear, values: window };

    let grid = [375, 358, 358];
    let unchanged = Sampling { values: Values::unchanged(0.0), ..linear(grid, axial) };
    bench.both::<i16, f32>("trilinear to 1 mm f32", &ct, unchanged)?;
    bench.both::<i16, f32>("fused to 1 mm f32", &ct, linear(grid, axial))?;
    bench.both::<i16, f16>("fused to 1 mm f16", &ct, linear(grid, axial))?;
    bench.both::<i16, f32>("window f32", &ct, linear([300, 512, 512], identity))?;
    bench.both::<i16, f16>("window f16", &ct, linear([300, 512, 512], identity))?;
    for (name, shape, order) in [
        ("kij", [375, 358, 358], [1, 0, 2]),
        ("jki", [358, 375, 358], [0, 2, 1]),
        ("jik", [358, 358, 375], [1, 2, 0]),
        ("ikj", [358, 375, 358], [2, 0, 1]),
        ("ijk", [358, 358, 375], [2, 1, 0]),
    ] {
        bench.both::<i16, f32>(&format!("fused to 1 mm f32 as {name}"), &ct, linear(shape, turned(order)))?;
    }
    bench.both::<i16, f32>("fused to 1 mm f32, oblique", &ct, linear(grid, oblique))?;
    let nearest = Sampling { interpolation: Interpolation::Nearest, ..linear(grid, axial) };
    bench.both::<i16, f32>("nearest to 1 mm f32", &ct, nearest)?;

    let body = ct.slice(ndarray::s![.., ..358, ..358]).mapv(|hu| hu > -300);
    let back: IndexMap = [[0.7, 0.0, 0.0, -0.1], [0.0, 0.7, 0.0, -0.1], [0.0, 0.0, 1.0, 0.0]];
    let shape = [300, 512, 512];
    bench.case("mask back to 512x512x300, smooth", || {
        resample_mask(&Device::Cpu, body.view(), shape, &back, 0.5).map(|v| drop(black_box(v)))
    })?;
    bench.case("mask back to 512x512x300, nearest", || {
        resample_nearest(&Device::Cpu, body.view(), shape, &back, false).map(|v| drop(black_box(v)))
    })
}

/// The processor time of all threads so far, where Linux tells it (else 0).
fn worked_ms() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
    spent.filter_map(|line| line.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e6
}

/// A body with two lungs and noise, roughly as a CT has them.
fn ct(shape: [usize; 3]) -> Array3<i16> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let [_, rows, columns] = shape.map(|n| n as f64);
    Array3::from_shape_fn(shape, |(_, j, i)| {
        let at = |x: f64, y: f64, w: f64, h: f64| {
            ((i as f64 / columns - x) / w).powi(2) + ((j as f64 / rows - y) / h).powi(2) < 1.0
        };
        let hu = match at(0.5, 0.5, 0.45, 0.35) {
            true if at(0.3, 0.5, 0.14, 0.22) || at(0.7, 0.5, 0.14, 0.22) => -850.0,
            true => 40.0,
            false => -1000.0,
        };
        (hu + 60.0 * (random() - 0.5)) as i16
    })
}
