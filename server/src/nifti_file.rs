//! Volumes as NIfTI-1, for the tools of researchers.

use std::path::Path;

use anyhow::{Context, Result};
use dicom_io::{Geometry, Volume};
use nifti::NiftiHeader;
use nifti::writer::WriterOptions;

/// Writes `volume` to `path` (`.nii` or `.nii.gz`) with the affine in sform and qform.
///
/// NIfTI's world is RAS where DICOM's is LPS: the first two axes change sign (NIfTI-1, method 3).
pub(crate) fn write(volume: &Volume<i16>, path: &Path) -> Result<()> {
    let header = header(&volume.geometry);
    // NIfTI stores the first index fastest: [i, j, k] in Fortran order is [k, j, i] in C order.
    WriterOptions::new(path)
        .reference_header(&header)
        .write_nifti(&volume.voxels.t())
        .context("cannot write the NIfTI file")
}

fn header(geometry: &Geometry) -> NiftiHeader {
    let lps = geometry.affine();
    let sign = [-1.0, -1.0, 1.0];
    let row = |d: usize| std::array::from_fn(|a| (lps[d][a] * sign[d]) as f32);
    let spacing = geometry.spacing();
    let (quaternion, handedness) = quaternion(geometry);
    NiftiHeader {
        sform_code: 1,
        qform_code: 1,
        srow_x: row(0),
        srow_y: row(1),
        srow_z: row(2),
        quatern_b: quaternion[0] as f32,
        quatern_c: quaternion[1] as f32,
        quatern_d: quaternion[2] as f32,
        quatern_x: (lps[0][3] * sign[0]) as f32,
        quatern_y: (lps[1][3] * sign[1]) as f32,
        quatern_z: (lps[2][3] * sign[2]) as f32,
        pixdim: [handedness as f32, spacing.i as f32, spacing.j as f32, spacing.k as f32, 0.0, 0.0, 0.0, 0.0],
        xyzt_units: 2, // millimetres
        ..NiftiHeader::default()
    }
}

/// The imaginary part of the rotation from index to RAS axes, and -1 where the grid is left-handed (NIfTI's
/// qfac, which flips the third axis).
fn quaternion(geometry: &Geometry) -> ([f64; 3], f64) {
    let [i, j, k] = geometry.axes().map(|axis| [-axis[0], -axis[1], axis[2]]);
    let cross = [i[1] * j[2] - i[2] * j[1], i[2] * j[0] - i[0] * j[2], i[0] * j[1] - i[1] * j[0]];
    let handedness = if (0..3).map(|d| cross[d] * k[d]).sum::<f64>() < 0.0 { -1.0 } else { 1.0 };
    // The columns of the rotation matrix.
    let c = [i, j, cross];
    let r = |row: usize, column: usize| c[column][row];
    let trace = r(0, 0) + r(1, 1) + r(2, 2);
    let [b, cc, d] = if trace > 0.0 {
        let s = 2.0 * (trace + 1.0).sqrt();
        [(r(2, 1) - r(1, 2)) / s, (r(0, 2) - r(2, 0)) / s, (r(1, 0) - r(0, 1)) / s]
    } else {
        // The largest diagonal element gives the component that is safe to divide by.
        let x = (0..3).max_by(|&a, &b| r(a, a).total_cmp(&r(b, b))).expect("three elements");
        let (y, z) = ((x + 1) % 3, (x + 2) % 3);
        let s = 2.0 * (1.0 + r(x, x) - r(y, y) - r(z, z)).max(0.0).sqrt();
        let real = (r(z, y) - r(y, z)) / s;
        let mut imaginary = [0.0; 3];
        imaginary[x] = s / 4.0;
        imaginary[y] = (r(y, x) + r(x, y)) / s;
        imaginary[z] = (r(z, x) + r(x, z)) / s;
        // NIfTI wants the real part to be positive.
        if real < 0.0 { imaginary.map(|v| -v) } else { imaginary }
    };
    ([b, cc, d], handedness)
}
