//! Volumes, masks and boxes made from numbers that are the same each time.

use std::hint::black_box;

use ndarray::{Array2, Array3};

/// The spacing along i, j and k.
pub(crate) const SPACING_MM: [f64; 3] = [0.7, 0.7, 1.25];

pub(crate) const SHAPE: [usize; 3] = [300, 512, 512];

/// Numbers from 0 to 1, the same ones each time.
pub(crate) fn random() -> impl FnMut() -> f32 {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    }
}

/// A body with two lungs and noise, roughly as a CT has them, and bands that differ along every axis.
pub(crate) fn ct() -> Array3<i16> {
    let mut random = random();
    let [_, rows, columns] = SHAPE.map(|n| n as f64);
    Array3::from_shape_fn(SHAPE, |(k, j, i)| {
        let at = |x: f64, y: f64, w: f64, h: f64| {
            ((i as f64 / columns - x) / w).powi(2) + ((j as f64 / rows - y) / h).powi(2) < 1.0
        };
        let hu = match at(0.5, 0.5, 0.45, 0.35) {
            true if at(0.3, 0.5, 0.14, 0.22) || at(0.7, 0.5, 0.14, 0.22) => -850.0,
            true => 40.0 + ((3 * k + 5 * j + 7 * i) % 64) as f32,
            false => -1000.0,
        };
        (hu + 60.0 * (random() - 0.5)) as i16
    })
}

/// A mask of `count` balls of 2 to 15 voxels' radius.
pub(crate) fn balls(count: usize) -> Array3<bool> {
    let mut random = random();
    // Written to, or all of its pages would be one and the same page of zeros.
    let mut mask = Array3::from_shape_simple_fn(SHAPE, || black_box(false));
    for _ in 0..count {
        let radius = f64::from(2.0 + 13.0 * random());
        let middle = SHAPE.map(|n| 16.0 + f64::from(random()) * (n as f64 - 32.0));
        ellipsoid(&mut mask, middle, [radius; 3]);
    }
    mask
}

/// 3,000 balls and some 17,000 specks, as vessels and noise give.
pub(crate) fn busy() -> Array3<bool> {
    let mut specks = random();
    balls(3000).mapv_into(|is_in| is_in | (specks() < 3e-4))
}

/// 18 lesions of 6 to 40 mm in three layers of 3 x 2, each in a field of its own.
pub(crate) fn lesions() -> Array3<bool> {
    let mut random = random();
    // Written to, or all of its pages would be one and the same page of zeros.
    let mut mask = Array3::from_shape_simple_fn(SHAPE, || black_box(false));
    for at in 0..18 {
        let field = [at / 6, at / 3 % 2, at % 3];
        let middle = std::array::from_fn(|axis| {
            let count = [3.0, 2.0, 3.0][axis];
            SHAPE[axis] as f64 * (field[axis] as f64 + 0.5) / count + f64::from(8.0 * random())
        });
        let long_mm = f64::from(3.0 + 17.0 * random());
        let radii_mm = [long_mm * f64::from(0.5 + 0.5 * random()), long_mm * 0.8, long_mm];
        let radii = [0, 1, 2].map(|axis| radii_mm[axis] / SPACING_MM[2 - axis]);
        ellipsoid(&mut mask, middle, radii);
    }
    mask
}

fn ellipsoid(mask: &mut Array3<bool>, middle: [f64; 3], radii: [f64; 3]) {
    let reach: [std::ops::Range<usize>; 3] = std::array::from_fn(|axis| {
        (middle[axis] - radii[axis]) as usize..(middle[axis] + radii[axis]) as usize + 1
    });
    for k in reach[0].clone() {
        for j in reach[1].clone() {
            for i in reach[2].clone() {
                let off = [k, j, i].into_iter().zip(middle).zip(radii);
                let off: f64 = off.map(|((at, middle), r)| ((at as f64 - middle) / r).powi(2)).sum();
                mask[[k, j, i]] |= off <= 1.0;
            }
        }
    }
}

/// Boxes as a detector gives them: 20 for each object, of 5 to 25 voxels, some voxels off.
pub(crate) fn boxes(count: usize) -> Array2<f32> {
    let mut random = random();
    let mut boxes = Array2::zeros((count, 7));
    let mut object = [0.0; 3];
    for (at, mut row) in boxes.outer_iter_mut().enumerate() {
        if at % 20 == 0 {
            object = std::array::from_fn(|_| 20.0 + 310.0 * random());
        }
        for (axis, middle) in object.into_iter().enumerate() {
            let (off, half) = (6.0 * (random() + random() - 1.0), 2.5 + 10.0 * random());
            (row[axis], row[axis + 3]) = (middle + off - half, middle + off + half);
        }
        row[6] = random();
    }
    boxes
}

/// The processor time of all threads so far, in milliseconds, where Linux tells it (else 0): on a machine that does
/// other things as well it says more than the clock.
pub(crate) fn worked_ms() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
    spent.filter_map(|line| line.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e6
}
