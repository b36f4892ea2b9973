use half::f16;
use kernels::gpu::{Gpu, Options};
use kernels::resample::{
    Intensity, Interpolation, Sampling, Values, resample_mask, resample_mask_on_device, resample_nearest,
    resample_nearest_on_device,
};
use kernels::{Device, IndexMap, Voxel};
use ndarray::Array3;

use crate::emulator;

/// Values that differ everywhere, 0 to 250.
fn source<T: Voxel>(of: impl Fn(u8) -> T) -> Array3<T> {
    Array3::from_shape_fn([5, 9, 13], |(k, j, i)| of(((k * 83 + j * 31 + i * 17) % 251) as u8))
}

fn window() -> Values {
    Intensity { low_hu: 10.0, high_hu: 200.0, low: -1.0, high: 1.0, outside: -7.0 }.into()
}

/// All orders and directions of the axes onto `[11, 7, 6]`, with places beyond the source, between voxels and on
/// them; and two that do not run along the axes.
fn maps() -> Vec<IndexMap> {
    let mut maps = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for flips in 0..8 {
            let mut map = [[0.0; 4]; 3];
            for (row, &column) in order.iter().enumerate() {
                let step = [1.7, 1.31, 0.5][row];
                let flipped = flips >> row & 1 == 1;
                map[row][column] = if flipped { -step } else { step };
                map[row][3] = if flipped { [13.0, 9.0, 5.0][row] - 0.75 } else { -0.75 };
            }
            maps.push(map);
        }
    }
    maps.push([[0.9, 0.3, -0.2, -1.0], [-0.25, 1.1, 0.15, 0.5], [0.05, -0.02, 0.3, 0.6]]);
    maps.push([[0.0, 0.3, -1.2, 11.0], [0.25, 1.1, 0.15, -1.0], [0.35, -0.02, 0.01, 0.1]]);
    maps
}

#[track_caller]
fn check<T: Voxel>(device: &Device, source: &Array3<T>, map: &IndexMap, interpolation: Interpolation) {
    let sampling = Sampling { shape: [11, 7, 6], map: *map, interpolation, values: window() };
    let found: Array3<f32> = sampling.volume(device, source.view()).unwrap();
    assert_eq!(found, sampling.volume(&Device::Cpu, source.view()).unwrap(), "{map:?}");
    let found: Array3<f16> = sampling.volume(device, source.view()).unwrap();
    assert_eq!(found, sampling.volume(&Device::Cpu, source.view()).unwrap(), "{map:?}");
}

#[test]
fn resampling_is_the_same_in_every_order_and_direction_of_the_axes_and_across_them() {
    let name = "resampling_is_the_same_in_every_order_and_direction_of_the_axes_and_across_them";
    let Some(device) = emulator::device(name) else { return };
    for map in maps() {
        check(&device, &source(i16::from), &map, Interpolation::Linear);
        check(&device, &source(i16::from), &map, Interpolation::Nearest);
    }
}

#[test]
fn resampling_is_the_same_for_every_kind_of_voxel() {
    let Some(device) = emulator::device("resampling_is_the_same_for_every_kind_of_voxel") else { return };
    for map in maps().into_iter().step_by(7) {
        check(&device, &source(|v| v), &map, Interpolation::Linear);
        check(&device, &source(|v| f32::from(v) * 0.37), &map, Interpolation::Linear);
        check(&device, &source(|v| v % 3 == 0), &map, Interpolation::Linear);
        check(&device, &source(u16::from), &map, Interpolation::Linear);
        check(&device, &source(u32::from), &map, Interpolation::Linear);
        check(&device, &source(i32::from), &map, Interpolation::Linear);
        check(&device, &source(|v| f16::from_f32(f32::from(v) / 7.0)), &map, Interpolation::Linear);
    }
}

/// Rows and slices of a length at which four voxels can be written at once.
#[test]
fn rows_of_a_round_length_are_the_same() {
    let Some(device) = emulator::device("rows_of_a_round_length_are_the_same") else { return };
    let map = [[0.8, 0.0, 0.0, 0.1], [0.0, 1.1, 0.0, 0.2], [0.0, 0.0, 0.25, 0.0]];
    for shape in [[20, 8, 16], [17, 6, 10], [3, 1, 2]] {
        let sampling = Sampling { shape, map, interpolation: Interpolation::Linear, values: window() };
        let source = source(i16::from);
        let found: Array3<f16> = sampling.volume(&device, source.view()).unwrap();
        assert_eq!(found, sampling.volume(&Device::Cpu, source.view()).unwrap(), "{shape:?}");
    }
}

#[test]
fn masks_and_labels_are_the_same() {
    let Some(device) = emulator::device("masks_and_labels_are_the_same") else { return };
    let shape = [11, 7, 6];
    let (mask, hu) = (source(|v| v % 3 == 0), source(|v| i16::from(v) - 100));
    let labels = source(|v| u32::from(v) * 16_777_217);
    for map in maps().into_iter().step_by(3) {
        let of = |device: &Device| {
            (
                resample_mask(device, mask.view(), shape, &map, 0.5).unwrap(),
                resample_mask(device, hu.view(), shape, &map, 3.0).unwrap(),
                resample_nearest(device, mask.view(), shape, &map, true).unwrap(),
                resample_nearest(device, hu.view(), shape, &map, -77).unwrap(),
                resample_nearest(device, labels.view(), shape, &map, 5).unwrap(),
            )
        };
        assert_eq!(of(&device), of(&Device::Cpu), "{map:?}");
    }
}

#[test]
fn what_is_on_the_device_stays_there_and_becomes_the_same() {
    let name = "what_is_on_the_device_stays_there_and_becomes_the_same";
    let Some(Device::Cuda(gpu)) = emulator::device(name) else { return };
    let hu = source(i16::from);
    let there = gpu.upload_volume(hu.view()).unwrap();
    let (shape, map) = ([11, 7, 6], maps()[21]);
    let sampling = Sampling { shape, map, interpolation: Interpolation::Linear, values: window() };
    let found = sampling.on_device::<_, f16>(&there).unwrap();
    assert_eq!(found.download().unwrap(), sampling.volume(&Device::Cpu, hu.view()).unwrap());
    let mask = resample_mask_on_device(&there, shape, &map, 99.5).unwrap().download_mask().unwrap();
    assert_eq!(mask, resample_mask(&Device::Cpu, hu.view(), shape, &map, 99.5).unwrap());
    let near = resample_nearest_on_device(&there, shape, &map, 3).unwrap().download().unwrap();
    assert_eq!(near, resample_nearest(&Device::Cpu, hu.view(), shape, &map, 3).unwrap());
}

/// 64 KiB for a source of 128 KiB.
#[test]
fn a_volume_larger_than_the_device_goes_through_it_in_slabs() {
    let name = "a_volume_larger_than_the_device_goes_through_it_in_slabs";
    let Some(_) = emulator::device(name) else { return };
    let gpu = Gpu::open(Options { memory_bytes: Some(64 << 10), ..Options::default() }).unwrap();
    let hu = Array3::from_shape_fn([64, 32, 32], |(k, j, i)| ((k * 997 + j * 31 + i) % 4001) as i16);
    let along = [[0.9, 0.0, 0.0, 0.3], [0.0, 0.8, 0.0, 2.0], [0.0, 0.0, -0.9, 60.0]];
    let across = [[0.9, 0.1, 0.0, 0.3], [-0.1, 0.8, 0.0, 2.0], [0.0, 0.05, 0.9, 1.0]];
    let turned = [[0.0, 0.0, 0.6, 0.3], [0.8, 0.0, 0.0, 2.0], [0.0, 2.1, 0.0, 0.4]];
    for map in [along, across, turned] {
        let (shape, interpolation) = ([40, 30, 31], Interpolation::Linear);
        let sampling = Sampling { shape, map, interpolation, values: Values::unchanged(-5.0) };
        let found: Array3<f32> = sampling.volume(&Device::Cuda(gpu.clone()), hu.view()).unwrap();
        assert_eq!(found, sampling.volume(&Device::Cpu, hu.view()).unwrap(), "{map:?}");
    }
}
