//! Cubic splines, shrinking, statistics, the median and peaks.

use half::f16;
use kernels::median::median;
use kernels::peaks::peaks;
use kernels::resample::Intensity;
use kernels::statistics::{Which, statistics};
use kernels::{Error, IndexMap, shrink, spline};
use ndarray::{Array3, s};

use crate::{Bench, CPU};

pub(super) fn run(bench: &Bench, ct: &Array3<i16>) -> Result<(), Error> {
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
        bench.time(name, || spline::resample::<_, f32>(CPU, ct.view(), shape, &map, window.into()))?;
    }
    bench.time("spline 512x512x300, slices 1.25 to 1 mm, f16", || {
        spline::resample::<_, f16>(CPU, ct.view(), [375, 358, 358], &thick, window.into())
    })?;

    bench.time("area means 512x512x300 i16 to 358x358x250", || {
        shrink::area_means(CPU, ct.view(), [250, 358, 358])
    })?;
    bench.time("area means 512x512x300 i16 to 128x128x100", || {
        shrink::area_means(CPU, ct.view(), [100, 128, 128])
    })?;
    bench.time("block means 4x4x3 of 512x512x300 i16", || {
        shrink::block_means(CPU, ct.view(), [3, 4, 4], -1000.0, 400.0)
    })?;

    let body = ct.mapv(|hu| hu > -300);
    let float = ct.mapv(|hu| f32::from(hu) * 0.37);
    let percents = [0.5, 50.0, 99.5];
    for (name, which) in [
        ("statistics of 512x512x300 i16", Which::All),
        ("statistics of 512x512x300 i16, above -300", Which::Above(-300.0)),
        ("statistics of 512x512x300 i16, in a mask", Which::In(body.view())),
    ] {
        bench.time(name, || statistics(CPU, ct.view(), which, &percents))?;
    }
    bench.time("statistics of 512x512x300 f32", || statistics(CPU, float.view(), Which::All, &percents))?;

    let medium = ct.slice(s![..200, 150..300, 150..350]).mapv(f32::from);
    bench.time("median 200x150x200", || median(CPU, medium.view()))?;
    let heat = medium.mapv(|hu| (hu + 1000.0) / 1400.0);
    bench.time("peaks 200x150x200, radius 2", || peaks(CPU, heat.view(), 2, 0.3, None))?;
    Ok(())
}
