//! Bringing a volume onto another grid and scale.
//!
//! "into" writes to memory that was used before, as in a service that keeps its buffers; the others, as other
//! people's libraries do, allocate what they return, which the operating system clears page by page.

use std::hint::black_box;

use half::f16;
use kernels::resample::{Intensity, Interpolation, Part, Sampling, Values, resample_mask, resample_nearest};
use kernels::{Error, IndexMap, Real, Voxel};
use ndarray::Array3;

use crate::made::SHAPE;
use crate::{Bench, CPU};

const IDENTITY: IndexMap = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];

/// Allocating the result, and into the same memory each time.
fn both<T: Voxel, O: Real>(
    bench: &Bench,
    name: &str,
    source: &Array3<T>,
    sampling: Sampling,
) -> Result<(), Error> {
    bench.time(name, || sampling.volume::<T, O>(CPU, source.view()))?;
    let mut to = Array3::<O>::from_elem(sampling.shape, O::default());
    let part = Part::from(source.view());
    let slices = 0..sampling.shape[0];
    bench.time(&format!("{name}, into"), || {
        sampling.slab(CPU, &part, slices.clone(), black_box(to.view_mut()))
    })
}

pub(super) fn run(bench: &Bench, ct: &Array3<i16>) -> Result<(), Error> {
    // Laid out anew as the kernels lay out volumes, in large pages where the system has them.
    let ct = resample_nearest(CPU, ct.view(), SHAPE, &IDENTITY, 0)?;
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
    let oblique: IndexMap = [[1.42, 0.1, 0.05, -9.0], [-0.1, 1.42, 0.1, 9.0], [-0.05, -0.05, 0.79, 14.0]];
    let linear = |shape, map| Sampling { shape, map, interpolation: Interpolation::Linear, values: window };

    let grid = [375, 358, 358];
    let unchanged = Sampling { values: Values::unchanged(0.0), ..linear(grid, axial) };
    both::<i16, f32>(bench, "trilinear to 1 mm f32", &ct, unchanged)?;
    both::<i16, f32>(bench, "fused to 1 mm f32", &ct, linear(grid, axial))?;
    both::<i16, f16>(bench, "fused to 1 mm f16", &ct, linear(grid, axial))?;
    both::<i16, f32>(bench, "window f32", &ct, linear(SHAPE, IDENTITY))?;
    both::<i16, f16>(bench, "window f16", &ct, linear(SHAPE, IDENTITY))?;
    for (name, shape, order) in [
        ("kij", [375, 358, 358], [1, 0, 2]),
        ("jki", [358, 375, 358], [0, 2, 1]),
        ("jik", [358, 358, 375], [1, 2, 0]),
        ("ikj", [358, 375, 358], [2, 0, 1]),
        ("ijk", [358, 358, 375], [2, 1, 0]),
    ] {
        both::<i16, f32>(bench, &format!("fused to 1 mm f32 as {name}"), &ct, linear(shape, turned(order)))?;
    }
    both::<i16, f32>(bench, "fused to 1 mm f32, oblique", &ct, linear(grid, oblique))?;
    let nearest = Sampling { interpolation: Interpolation::Nearest, ..linear(grid, axial) };
    both::<i16, f32>(bench, "nearest to 1 mm f32", &ct, nearest)?;

    let body = ct.slice(ndarray::s![.., ..358, ..358]).mapv(|hu| hu > -300);
    let back: IndexMap = [[0.7, 0.0, 0.0, -0.1], [0.0, 0.7, 0.0, -0.1], [0.0, 0.0, 1.0, 0.0]];
    let shape = SHAPE;
    bench.time("mask back to 512x512x300, smooth", || resample_mask(CPU, body.view(), shape, &back, 0.5))?;
    bench
        .time("mask back to 512x512x300, nearest", || resample_nearest(CPU, body.view(), shape, &back, false))
}
