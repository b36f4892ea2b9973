//! How long the kernels take on this machine's CPU: `cargo bench -p kernels`, or with a word from the
//! names below to run some of them. Each figure is the median of several runs, in milliseconds.
//!
//! The volumes are the ones on which the peers in docs/BENCHMARKS.md were measured.

use std::hint::black_box;
use std::time::Instant;

use kernels::blend::{Blend, starts};
use kernels::components::components;
use kernels::nms::{Scored, nms};
use kernels::resample::{Intensity, resample, resample_mask, resample_nearest};
use kernels::{Device, Error, IndexMap, Neighbours, diameter, median, morphology, peaks};
use ndarray::{Array3, s};

const RUNS: usize = 7;

fn main() -> Result<(), Error> {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let bench = |name: &str, run: &mut dyn FnMut() -> Result<(), Error>| {
        if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
            return Ok(());
        }
        let (mut times, mut work) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            let (start, worked) = (Instant::now(), worked_ms());
            run()?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
            work.push(worked_ms() - worked);
        }
        times.sort_by(f64::total_cmp);
        work.sort_by(f64::total_cmp);
        println!("{name:44} {:8.1} ms{:9.1} ms", times[RUNS / 2], work[RUNS / 2]);
        Ok(())
    };
    println!("{} threads: time, and what all of them together worked", rayon::current_num_threads());

    let ct = ct([300, 512, 512]);
    let window = Intensity { low_hu: -1000.0, high_hu: 400.0, low: 0.0, high: 1.0, outside: 0.0 };
    // 0.7 x 0.7 x 1 mm onto 1 mm; axial as it is, and seen from the side.
    let axial: IndexMap = [[1.0 / 0.7, 0.0, 0.0, 0.2], [0.0, 1.0 / 0.7, 0.0, 0.2], [0.0, 0.0, 1.0, 0.0]];
    let thick: IndexMap = [axial[0], axial[1], [0.0, 0.0, 0.8, 0.1]];
    let sagittal: IndexMap = [[0.0, 0.0, 1.0 / 0.7, 0.2], [1.0 / 0.7, 0.0, 0.0, 0.2], [0.0, 1.0, 0.0, 0.0]];
    let oblique: IndexMap = [[1.42, 0.1, 0.05, -9.0], [-0.1, 1.42, 0.1, 9.0], [-0.05, -0.05, 0.99, 14.0]];
    for (name, shape, map) in [
        ("resample 512x512x300 i16 to 1 mm", [300, 358, 358], axial),
        ("resample 512x512x300, slices 1.25 to 1 mm", [375, 358, 358], thick),
        ("resample 512x512x300 to 1 mm, axes turned", [358, 300, 358], sagittal),
        ("resample 512x512x300 to 1 mm, oblique", [300, 358, 358], oblique),
    ] {
        bench(name, &mut || {
            resample(&Device::Cpu, ct.view(), shape, &map, window).map(|v| drop(black_box(v)))
        })?;
    }

    let body = ct.mapv(|hu| hu > -300);
    let back: IndexMap = [[0.7, 0.0, 0.0, -0.1], [0.0, 0.7, 0.0, -0.1], [0.0, 0.0, 1.0, 0.0]];
    let small = body.slice(s![.., ..358, ..358]).to_owned();
    bench("resample mask 358x358x300 to 512x512x300", &mut || {
        resample_mask(&Device::Cpu, small.view(), [300, 512, 512], &back, 0.5).map(|v| drop(black_box(v)))
    })?;
    bench("resample nearest 358x358x300 to 512x512x300", &mut || {
        resample_nearest(&Device::Cpu, small.view(), [300, 512, 512], &back, false)
            .map(|v| drop(black_box(v)))
    })?;

    let medium = ct.slice(s![..200, 150..300, 150..350]).mapv(f32::from);
    bench("median 200x150x200", &mut || {
        median::median(&Device::Cpu, medium.view()).map(|v| drop(black_box(v)))
    })?;

    let lung = small.mapv(|is_in| !is_in);
    bench("close by a ball of 7 mm, 358x358x300", &mut || {
        morphology::close_ball(&Device::Cpu, lung.view(), [1.0; 3], 7.0).map(|v| drop(black_box(v)))
    })?;
    bench("open once, 358x358x300", &mut || {
        morphology::open(&Device::Cpu, lung.view(), Neighbours::Six, 1).map(|v| drop(black_box(v)))
    })?;
    bench("fill 358x358x300", &mut || {
        morphology::fill(&Device::Cpu, small.view()).map(|v| drop(black_box(v)))
    })?;

    let sparse = lesions([300, 512, 512], 60);
    // Vessels and specks: some 20,000 parts.
    let mut specks = random();
    let busy = lesions([300, 512, 512], 3000).mapv_into(|is_in| is_in | (specks() < 3e-4));
    for (name, mask) in [("sparse", &sparse), ("busy", &busy)] {
        let found = components(&Device::Cpu, mask.view(), Neighbours::TwentySix)?;
        let name = format!("components 26, {name} ({} found)", found.list().len());
        bench(&name, &mut || {
            components(&Device::Cpu, mask.view(), Neighbours::TwentySix).map(|v| drop(black_box(v)))
        })?;
    }
    let found = components(&Device::Cpu, busy.view(), Neighbours::TwentySix)?;
    bench("labels of the busy components, written out", &mut || found.labels().map(|v| drop(black_box(v))))?;

    let mut random = random();
    let boxes: Vec<Scored> = (0..10_000)
        .map(|_| {
            let low: [f32; 3] = std::array::from_fn(|_| 500.0 * random());
            let high = low.map(|at| at + 5.0 + 25.0 * random());
            Scored { low, high, score: random() }
        })
        .collect();
    bench("nms of 10,000 boxes", &mut || nms(&Device::Cpu, &boxes, 0.22).map(|v| drop(black_box(v))))?;

    let tile = Array3::from_elem((96, 96, 96), 0.5_f32);
    bench("blend 27 tiles of 96^3 into 192^3", &mut || {
        let mut blend = Blend::new(&Device::Cpu, [192; 3])?;
        for k in starts(192, 96, 0.5) {
            for j in starts(192, 96, 0.5) {
                for i in starts(192, 96, 0.5) {
                    blend.add(tile.view(), [k, j, i])?;
                }
            }
        }
        blend.finish().map(|v| drop(black_box(v)))
    })?;

    let heat = medium.mapv(|hu| (hu + 1000.0) / 1400.0);
    bench("peaks 200x150x200, radius 2", &mut || {
        peaks::peaks(&Device::Cpu, heat.view(), 2, 0.3, None).map(|v| drop(black_box(v)))
    })?;

    let ball = Array3::from_shape_fn((131, 131, 131), |(k, j, i)| {
        [k, j, i].iter().map(|&at| (at as f64 - 65.3).powi(2)).sum::<f64>() < 62.0 * 62.0
    });
    bench("longest distance in a ball of 10^6 voxels", &mut || {
        black_box(diameter::longest_in_mask(ball.view(), [1.0; 3]));
        Ok(())
    })?;
    Ok(())
}

/// The processor time of all threads so far, where Linux tells it (else 0): on a machine that does other
/// things as well it says more than the clock.
fn worked_ms() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
    spent.filter_map(|line| line.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e6
}

/// Numbers from 0 to 1, the same ones each time.
fn random() -> impl FnMut() -> f32 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    }
}

/// A body with two lungs and noise, roughly as a CT has them.
fn ct(shape: [usize; 3]) -> Array3<i16> {
    let mut random = random();
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

/// A mask of `count` balls of 2 to 15 voxels.
fn lesions(shape: [usize; 3], count: usize) -> Array3<bool> {
    let mut random = random();
    let mut mask = Array3::from_elem(shape, false);
    for _ in 0..count {
        let radius = 2.0 + 13.0 * random();
        let middle = shape.map(|n| 16.0 + random() * (n as f32 - 32.0));
        let reach: [std::ops::Range<usize>; 3] =
            middle.map(|at| (at - radius) as usize..(at + radius) as usize + 1);
        for k in reach[0].clone() {
            for j in reach[1].clone() {
                for i in reach[2].clone() {
                    let off =
                        [k, j, i].iter().zip(middle).map(|(&at, m)| (at as f32 - m).powi(2)).sum::<f32>();
                    mask[[k, j, i]] |= off <= radius * radius;
                }
            }
        }
    }
    mask
}
