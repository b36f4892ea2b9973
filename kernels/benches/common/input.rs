//! What both sides are given, and how it is written for NumPy.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use half::f16;
use kernels::IndexMap;
use ndarray::{Array2, Array3, ArrayBase, Data, Dimension, s};

use super::made::{balls, boxes, busy, ct, lesions};

/// 1 mm of it, `[k, j, i]`.
pub(crate) const MILLIMETRE: [usize; 3] = [375, 358, 358];

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
        let ct = ct();
        let scene = ct.slice(s![50..242, 160..352, 100..292]).mapv(f32::from);
        Self { ct, sparse: balls(60), busy: busy(), lesions: lesions(), boxes: boxes(10_000), scene }
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
