use kernels::components::components;
use kernels::measure::{OnDevice, measure, measure_on_device};
use kernels::{Device, Neighbours};
use ndarray::Array3;

use crate::emulator;

/// Every number is the same bits: each run is summed in the same order.
#[track_caller]
fn check<V: OnDevice>(value: impl Fn(i64) -> V) {
    let Some(Device::Cuda(gpu)) = emulator::device("measures") else { return };
    let at = |(k, j, i): (usize, usize, usize)| (k * 7919 + j * 131 + i * 17) as i64;
    let mask = Array3::from_shape_fn((7, 33, 65), |index| at(index) * at(index) % 97 < 45);
    let volume = Array3::from_shape_fn(mask.dim(), |index| value(at(index) * 31 % 4001 - 1024));
    let parts = components(&Device::Cpu, mask.view(), Neighbours::Six).unwrap();
    assert!(parts.list().len() > 10);
    let spacing = [0.7, 0.6, 1.25];
    let on_device = gpu.upload_volume(volume.view()).unwrap();
    for least in [0, 3, usize::MAX] {
        let expected = measure(&parts, volume.view(), spacing, |part| part.voxels >= least);
        let found = measure_on_device(&parts, &on_device, spacing, |part| part.voxels >= least).unwrap();
        assert_eq!(found, expected);
    }
}

#[test]
fn measures_of_integers_are_those_of_the_cpu() {
    check(|value| value as i16);
}

#[test]
fn measures_of_fractions_are_those_of_the_cpu() {
    check(|value| value as f32 * 0.37);
}
