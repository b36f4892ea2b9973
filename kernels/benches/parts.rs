//! How long finding, measuring and sorting out the parts of a mask takes on this machine's CPU:
//! `cargo bench -p kernels --bench parts`, or with a word from the names below to run some of them. Each
//! line has the least and the median of several runs and what all threads together worked, in
//! milliseconds.
//!
//! The masks and boxes are like those on which the peers in docs/BENCHMARKS.md were measured.

use std::hint::black_box;
use std::time::Instant;

use kernels::components::{Components, components};
use kernels::measure::measure;
use kernels::nms::{Scored, nms};
use kernels::{Device, Error, Neighbours};
use ndarray::Array3;

const SHAPE: [usize; 3] = [300, 512, 512];
const RUNS: usize = 15;

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
        println!("{name:52} {:8.2} {:8.2} {:8.2}", times[0], times[RUNS / 2], work[RUNS / 2]);
        Ok(())
    };
    println!(
        "{:52} {:>8} {:>8} {:>8}",
        format!("{} threads, ms:", rayon::current_num_threads()),
        "least",
        "median",
        "worked"
    );

    let (sparse, busy) = (lesions(18), vessels());
    for (name, mask) in [("sparse", &sparse), ("busy", &busy)] {
        for neighbours in [Neighbours::TwentySix, Neighbours::Six] {
            let found = components(&Device::Cpu, mask.view(), neighbours)?;
            let voxels = found.list().iter().map(|part| part.voxels).sum::<usize>();
            let name = format!("{name} {neighbours:?}, {} of {voxels} voxels", found.list().len());
            bench(&format!("components {name}"), &mut || {
                components(&Device::Cpu, mask.view(), neighbours).map(|v| drop(black_box(v)))
            })?;
            bench(&format!("labels {name}"), &mut || {
                components(&Device::Cpu, mask.view(), neighbours)?.labels().map(|v| drop(black_box(v)))
            })?;
        }
    }

    let mut hu = random();
    let hu = Array3::from_shape_simple_fn(SHAPE, || (1400.0 * hu() - 1000.0) as i16);
    for (name, mask) in [("sparse", &sparse), ("busy", &busy)] {
        let parts = components(&Device::Cpu, mask.view(), Neighbours::TwentySix)?;
        let all = |parts: &Components| measure(parts, hu.view(), [0.7, 0.7, 1.25], |_| true);
        let name = format!("{name}, {} parts", parts.list().len());
        bench(&format!("measure {name}"), &mut || {
            drop(black_box(all(&parts)));
            Ok(())
        })?;
        bench(&format!("label and measure {name}"), &mut || {
            let parts = components(&Device::Cpu, mask.view(), Neighbours::TwentySix)?;
            drop(black_box(all(&parts)));
            Ok(())
        })?;
    }

    let boxes = boxes(10_000);
    let kept = nms(&Device::Cpu, &boxes, 0.22)?.len();
    bench(&format!("nms of 10000 boxes, {kept} kept"), &mut || {
        nms(&Device::Cpu, &boxes, 0.22).map(|v| drop(black_box(v)))
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

/// Sets the voxels whose centres are within `radius` of `middle` and of which `keep` says so.
fn ball(mask: &mut Array3<bool>, middle: [f32; 3], radius: f32, keep: impl Fn([f32; 3]) -> bool) {
    let reach: [std::ops::Range<usize>; 3] = std::array::from_fn(|axis| {
        (middle[axis] - radius).max(0.0) as usize..((middle[axis] + radius) as usize + 1).min(SHAPE[axis])
    });
    for k in reach[0].clone() {
        for j in reach[1].clone() {
            for i in reach[2].clone() {
                let at = [k, j, i].map(|at| at as f32);
                let off = at.iter().zip(middle).map(|(at, m)| (at - m).powi(2)).sum::<f32>();
                mask[[k, j, i]] |= off <= radius * radius && keep(at);
            }
        }
    }
}

/// Balls of 2 to 15 voxels that do not touch.
fn lesions(count: usize) -> Array3<bool> {
    let mut random = random();
    // Written to, or all of its pages would be the same page of zeros.
    let mut mask = Array3::from_shape_simple_fn(SHAPE, || black_box(false));
    for at in 0..count {
        let cell = [at % 3, at / 3 % 3, at / 9].map(|at| 60.0 + 80.0 * at as f32);
        ball(&mut mask, cell.map(|at| at + 20.0 * random()), 2.0 + 13.0 * random(), |_| true);
    }
    mask
}

/// Two lungs with branching vessels and with specks of noise: some ten thousand parts.
fn vessels() -> Array3<bool> {
    let mut random = random();
    let mut mask = Array3::from_elem(SHAPE, false);
    let lungs = [[150.0, 260.0, 150.0], [150.0, 260.0, 362.0]];
    let half = [135.0, 150.0, 95.0];
    let is_lung = |at: [f32; 3]| {
        lungs.iter().any(|m| (0..3).map(|d| ((at[d] - m[d]) / half[d]).powi(2)).sum::<f32>() < 1.0)
    };
    for lung in lungs {
        let hilum = [lung[0], lung[1], 256.0 + 0.5 * (lung[2] - 256.0)];
        for _ in 0..300 {
            let mut way: [f32; 3] = std::array::from_fn(|_| random() - 0.5);
            let (mut at, mut radius) = (hilum, 4.0);
            while is_lung(at) && radius > 0.7 {
                ball(&mut mask, at, radius, is_lung);
                way = way.map(|step| step + 0.15 * (random() - 0.5));
                let length = way.iter().map(|step| step * step).sum::<f32>().sqrt();
                at = std::array::from_fn(|d| at[d] + way[d] / length);
                radius *= 0.992;
            }
        }
    }
    for ((k, j, i), is_in) in mask.indexed_iter_mut() {
        *is_in |= random() < 1e-3 && is_lung([k, j, i].map(|at| at as f32));
    }
    mask
}

/// Clusters of twenty around the same place.
fn boxes(count: usize) -> Vec<Scored> {
    let mut random = random();
    let mut middle = [0.0; 3];
    (0..count)
        .map(|at| {
            if at % 20 == 0 {
                middle = std::array::from_fn(|_| 20.0 + 310.0 * random());
            }
            let (mut low, mut high) = ([0.0; 3], [0.0; 3]);
            for axis in 0..3 {
                // About normal, of standard deviation 3.
                let off = 3.0 * ((0..12).map(|_| random()).sum::<f32>() - 6.0);
                let half = (5.0 + 20.0 * random()) / 2.0;
                (low[axis], high[axis]) = (middle[axis] + off - half, middle[axis] + off + half);
            }
            Scored { low, high, score: random() }
        })
        .collect()
}
