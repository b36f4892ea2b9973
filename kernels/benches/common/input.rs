//! What both sides are given: made from numbers that are the same each time, and written as NumPy reads it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use half::f16;
use kernels::IndexMap;
use ndarray::{Array2, Array3, ArrayBase, Data, Dimension, s};

/// The CT's spacing along i, j and k.
pub(crate) const SPACING_MM: [f64; 3] = [0.7, 0.7, 1.25];

/// 1 mm of it, `[k, j, i]`.
pub(crate) const MILLIMETRE: [usize; 3] = [375, 358, 358];

const SHAPE: [usize; 3] = [300, 512, 512];

pub(crate) struct Input {
    /// A body with two lungs and noise.
    pub(crate) ct: Array3<i16>,
    /// 60 balls.
    pub(crate) sparse: Array3<bool>,
    /// 3,000 balls and some 17,000 specks, as vessels and noise give.
    pub(crate) busy: Array3<bool>,
    /// 18 ellipsoids, none touching another.
    pub(crate) lesions: Array3<bool>,
    /// 500 objects with 20 boxes each: low corner, high corner, score.
    pub(crate) boxes: Array2<f32>,
    /// 192^3 of the CT.
    pub(crate) scene: Array3<f32>,
}

impl Input {
    pub(crate) fn new() -> Self {
        let ct = ct(SHAPE);
        let mut specks = random();
        let busy = balls(SHAPE, 3000).mapv_into(|is_in| is_in | (specks() < 3e-4));
        let scene = ct.slice(s![50..242, 160..352, 100..292]).mapv(f32::from);
        Self { ct, sparse: balls(SHAPE, 60), busy, lesions: lesions(SHAPE), boxes: boxes(10_000), scene }
    }

    /// Writes all of it to `folder`, one file each.
    pub(crate) fn write(&self, folder: &Path) {
        write(&folder.join("ct.npy"), &self.ct);
        write(&folder.join("sparse.npy"), &self.sparse);
        write(&folder.join("busy.npy"), &self.busy);
        write(&folder.join("lesions.npy"), &self.lesions);
        write(&folder.join("boxes.npy"), &self.boxes);
        write(&folder.join("scene.npy"), &self.scene);
    }
}

/// From an array of `to` voxels onto one of `from` voxels that begins and ends where it does.
pub(crate) fn fitting(from: [usize; 3], to: [usize; 3]) -> IndexMap {
    let mut map = [[0.0; 4]; 3];
    for axis in 0..3 {
        let scale = from[2 - axis] as f64 / to[2 - axis] as f64;
        map[axis][axis] = scale;
        map[axis][3] = 0.5 * scale - 0.5;
    }
    map
}

/// A number as NumPy names it.
pub(crate) trait Number: Copy {
    const NAME: &'static str;
    fn bytes(self) -> impl AsRef<[u8]>;
}

macro_rules! number {
    ($($kind:ty: $name:literal),*) => {$(
        impl Number for $kind {
            const NAME: &'static str = $name;
            fn bytes(self) -> impl AsRef<[u8]> {
                self.to_le_bytes()
            }
        }
    )*};
}
number!(i16: "<i2", f16: "<f2", u32: "<u4", f32: "<f4", f64: "<f8");

impl Number for bool {
    const NAME: &'static str = "|b1";
    fn bytes(self) -> impl AsRef<[u8]> {
        [u8::from(self)]
    }
}

/// Writes an array in NumPy's format.
pub(crate) fn write<T: Number, D: Dimension>(file: &Path, array: &ArrayBase<impl Data<Elem = T>, D>) {
    let lengths: String = array.shape().iter().map(|n| format!("{n}, ")).collect();
    let says = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({lengths})}}", T::NAME);
    // The header ends in a new line and is a multiple of 64 bytes long with its 10 bytes before it.
    let length = (says.len() + 11).next_multiple_of(64) - 10;
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file).expect("a folder to write to"));
    let mut put = |bytes: &[u8]| out.write_all(bytes).expect("room in the folder");
    put(b"\x93NUMPY\x01\x00");
    put(&(length as u16).to_le_bytes());
    put(format!("{says:<0$}\n", length - 1).as_bytes());
    array.iter().for_each(|number| put(number.bytes().as_ref()));
}

/// The processor time of all threads so far, where Linux tells it (else 0).
pub(crate) fn worked_ms() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let spent = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
    spent.filter_map(|line| line.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e6
}

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
fn ct(shape: [usize; 3]) -> Array3<i16> {
    let mut random = random();
    let [_, rows, columns] = shape.map(|n| n as f64);
    Array3::from_shape_fn(shape, |(k, j, i)| {
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
fn balls(shape: [usize; 3], count: usize) -> Array3<bool> {
    let mut random = random();
    let mut mask = Array3::from_elem(shape, false);
    for _ in 0..count {
        let radius = f64::from(2.0 + 13.0 * random());
        let middle = shape.map(|n| 16.0 + f64::from(random()) * (n as f64 - 32.0));
        ellipsoid(&mut mask, middle, [radius; 3]);
    }
    mask
}

/// 18 lesions of 6 to 40 mm in three layers of 3 x 2, each in a field of its own.
fn lesions(shape: [usize; 3]) -> Array3<bool> {
    let mut random = random();
    let mut mask = Array3::from_elem(shape, false);
    for at in 0..18 {
        let field = [at / 6, at / 3 % 2, at % 3];
        let middle = std::array::from_fn(|axis| {
            let count = [3.0, 2.0, 3.0][axis];
            shape[axis] as f64 * (field[axis] as f64 + 0.5) / count + f64::from(8.0 * random())
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
fn boxes(count: usize) -> Array2<f32> {
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
