use kernels::Device;
use kernels::peaks::peaks;
use ndarray::{Array3, s};

use crate::emulator;

#[track_caller]
fn check(device: &Device, volume: &Array3<f32>, radius: usize, threshold: f32, mask: Option<&Array3<bool>>) {
    let of = |device: &Device| {
        peaks(device, volume.view(), radius, threshold, mask.map(|mask| mask.view())).unwrap()
    };
    assert_eq!(of(device), of(&Device::Cpu), "radius {radius}");
}

#[test]
fn peaks_are_those_of_the_cpu() {
    let Some(device) = emulator::device("peaks_are_those_of_the_cpu") else { return };
    let volume = Array3::from_shape_fn((7, 13, 35), |(k, j, i)| ((k * 13 + j) * 35 + i) * 7919 % 1009)
        .mapv(|v| v as f32 / 1009.0);
    let mask = volume.mapv(|v| !((v * 1009.0) as u32).is_multiple_of(3));
    for radius in [0, 1, 2, 50, usize::MAX] {
        check(&device, &volume, radius, 0.5, None);
        check(&device, &volume, radius, 0.2, Some(&mask));
    }
    check(&device, &Array3::zeros((0, 3, 3)), 1, 0.0, None);
}

#[test]
fn plateaus_and_what_is_not_a_number_are_as_on_the_cpu() {
    let Some(device) = emulator::device("plateaus_and_what_is_not_a_number_are_as_on_the_cpu") else {
        return;
    };
    let mut volume = Array3::zeros((3, 9, 21));
    volume.slice_mut(s![1, 2..7, 1..20]).fill(1.0);
    volume[[0, 0, 0]] = f32::NAN;
    check(&device, &volume, 2, 0.5, None);
    // More candidates than there is room for at first.
    check(&device, &Array3::from_elem((40, 41, 42), 1.0), 1, 0.5, None);
}
