use kernels::statistics::{Statistics, Which, statistics};
use kernels::{Device, Voxel};
use ndarray::Array3;

use crate::emulator;

const PERCENTS: [f64; 6] = [0.0, 0.5, 25.0, 50.0, 99.5, 100.0];

/// Percentiles, ends and counts are the same; means and deviations are sums in another order.
#[track_caller]
fn check<T: Voxel>(device: &Device, source: &Array3<T>, which: Which<'_>) {
    let of = |device: &Device| statistics(device, source.view(), which, &PERCENTS).unwrap();
    let (found, expected) = (of(device), of(&Device::Cpu));
    let (Some(found), Some(expected)) = (&found, &expected) else {
        assert_eq!(found, expected);
        return;
    };
    let exact = |of: &Statistics| (of.count, of.least, of.most, of.percentiles.clone());
    assert_eq!(exact(found), exact(expected));
    assert!((found.mean - expected.mean).abs() < 1e-9, "{} for {}", found.mean, expected.mean);
    assert!(
        (found.deviation - expected.deviation).abs() < 1e-9,
        "{} for {}",
        found.deviation,
        expected.deviation
    );
}

#[test]
fn statistics_are_those_of_the_cpu() {
    let Some(device) = emulator::device("statistics_are_those_of_the_cpu") else { return };
    // More voxels than threads; whole numbers over all of their range, and runs of equal ones.
    let whole = Array3::from_shape_fn((9, 91, 101), |(k, j, i)| {
        let at = (k * 91 + j) * 101 + i;
        if at % 7 == 0 { (at * 7919 % 65_521) as u16 as i16 } else { (at / 1000) as i16 - 1024 }
    });
    let float = whole.mapv(|v| 0.37 * f32::from(v) + 10.25);
    let mask = whole.mapv(|v| v & 3 == 0);
    for which in [Which::All, Which::In(mask.view()), Which::Above(-1000.0), Which::Above(1e6)] {
        check(&device, &whole, which);
        check(&device, &float, which);
        check(&device, &mask, which);
    }
    let mut odd = float.clone();
    odd[[3, 4, 5]] = f32::NAN;
    odd[[0, 0, 0]] = -0.0;
    check(&device, &odd, Which::All);
    check(&device, &Array3::<i16>::zeros((0, 3, 3)), Which::All);
    check(&device, &Array3::<f32>::zeros((0, 3, 3)), Which::All);
    check(&device, &Array3::<f32>::zeros((3, 3, 3)), Which::All);
}
