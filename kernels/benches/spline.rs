//! How long cubic splines, shrinking and statistics take on this machine's CPU: `cargo bench -p kernels
//! --bench spline`, or with a word from the names below to run some of them. For each, in milliseconds:
//! the least and the median of several runs, and the least processor time of all threads together.
//!
//! The volumes are the ones on which the peers in docs/BENCHMARKS.md were measured.

use std::hint::black_box;
use std::time::Instant;

use half::f16;
use kernels::median::median;
use kernels::peaks::peaks;
use kernels::resample::Intensity;
use kernels::statistics::{Which, statistics};
use kernels::{Device, Error, IndexMap, shrink, spline};
use ndarray::{Array3, s};

const RUNS: usize = 9;

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
        println!("{name:44} {:8.1} {:8.1} {:8.1}", times[0], times[RUNS / 2], work[0]);
        Ok(())
    };
    println!("{} threads: least, median, and all threads together", rayon::current_num_threads());

    let ct = ct([300, 512, 512]);
    let window = Intensity { low_hu: -1000.0, high_hu: 400.0, low: 0.0, high: 1.0, outside: 0.0 };
    // 0.7 x 0.7 x 1 or 1.25 mm onto 1 mm; axial as it is, and seen from the side.
    let axial: IndexMap = [[1.0 / 0.7, 0.0, 0.0, 0.2], [0.0, 1.0 / 0.7, 0.0, 0.2], [0.0, 0.0, 1.0, 0.0]];
    let thick: IndexMap = [axial[0], axial[1], [0.0, 0.0, 0.8, 0.1]];
    let sagittal: IndexMap = [[0.0, 0.0, 1.0 / 0.7, 0.2], [1.0 / 0.7, 0.0, 0.0, 0.2], [0.0, 0.8, 0.0, 0.1]];
    let oblique: IndexMap = [[1.42, 0.1, 0.05, -9.0], [-0.1, 1.42, 0.1, 9.0], [-0.05, -0.05, 0.99, 14.0]];
    for (name, shape, map) in [
        ("spline 512x512x300 i16 to 1 mm", [300, 358, 358], axial),
        ("spline 512x512x300, slices 1.25 to 1 mm", [375, 358, 358], thick),
        ("spline 512x512x300 to 1 mm, axes turned", [358, 375, 358], sagittal),
        ("spline 512x512x300 to 1 mm, oblique", [300, 358, 358], oblique),
    ] {
        bench(name, &mut || {
            let out = spline::resample::<_, f32>(&Device::Cpu, ct.view(), shape, &map, window.into());
            out.map(|v| drop(black_box(v)))
        })?;
    }
    bench("spline 512x512x300, slices 1.25 to 1 mm, f16", &mut || {
        let out = spline::resample::<_, f16>(&Device::Cpu, ct.view(), [375, 358, 358], &thick, window.into());
        out.map(|v| drop(black_box(v)))
    })?;

    bench("area means 512x512x300 i16 to 358x358x250", &mut || {
        shrink::area_means(&Device::Cpu, ct.view(), [250, 358, 358]).map(|v| drop(black_box(v)))
    })?;
    bench("area means 512x512x300 i16 to 128x128x100", &mut || {
        shrink::area_means(&Device::Cpu, ct.view(), [100, 128, 128]).map(|v| drop(black_box(v)))
    })?;
    bench("block means 4x4x3 of 512x512x300 i16", &mut || {
        shrink::block_means(&Device::Cpu, ct.view(), [3, 4, 4], -1000.0, 400.0).map(|v| drop(black_box(v)))
    })?;

    let body = ct.mapv(|hu| hu > -300);
    let float = ct.mapv(|hu| f32::from(hu) * 0.37);
    let percents = [0.5, 50.0, 99.5];
    for (name, which) in [
        ("statistics of 512x512x300 i16", Which::All),
        ("statistics of 512x512x300 i16, above -300", Which::Above(-300.0)),
        ("statistics of 512x512x300 i16, in a mask", Which::In(body.view())),
    ] {
        bench(name, &mut || {
            statistics(&Device::Cpu, ct.view(), which, &percents).map(|v| drop(black_box(v)))
        })?;
    }
    bench("statistics of 512x512x300 f32", &mut || {
        statistics(&Device::Cpu, float.view(), Which::All, &percents).map(|v| drop(black_box(v)))
    })?;

    let medium = ct.slice(s![..200, 150..300, 150..350]).mapv(f32::from);
    bench("median 200x150x200", &mut || median(&Device::Cpu, medium.view()).map(|v| drop(black_box(v))))?;
    let heat = medium.mapv(|hu| (hu + 1000.0) / 1400.0);
    bench("peaks 200x150x200, radius 2", &mut || {
        peaks(&Device::Cpu, heat.view(), 2, 0.3, None).map(|v| drop(black_box(v)))
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

/// A body with two lungs and noise, roughly as a CT has them.
fn ct(shape: [usize; 3]) -> Array3<i16> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let [_, rows, columns] = shape.map(|n| n as f32);
    Array3::from_shape_fn(shape, |(_, j, i)| {
        let at = |x: f32, y: f32, w: f32, h: f32| {
            ((i as f32 / columns - x) / w).powi(2) + ((j as f32 / rows - y) / h).powi(2) < 1.0
        };
        let hu = match at(0.5, 0.5, 0.45, 0.35) {
            true if at(0.3, 0.5, 0.14, 0.22) || at(0.7, 0.5, 0.14, 0.22) => -850.0,
            true => 40.0,
            false => -1000.0,
        };
        (hu + 60.0 * (random() - 0.5)) as i16
    })
}
