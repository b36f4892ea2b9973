use kernels::shrink::{area_means, area_means_on_device, block_means, block_means_on_device};
use kernels::{Device, Voxel};
use ndarray::Array3;

use crate::emulator;

fn source(shape: [usize; 3]) -> Array3<i16> {
    Array3::from_shape_fn(shape, |(k, j, i)| ((k * 9973 + j * 3001 + i * 641) % 2011) as i16 - 1000)
}

/// The same bits.
#[track_caller]
fn check<T: Voxel>(device: &Device, source: &Array3<T>) {
    for shape in [[3, 4, 10], [7, 11, 33], [1, 1, 1], [2, 11, 32], [9, 5, 40], [0, 3, 3]] {
        let of = |device: &Device| area_means(device, source.view(), shape).unwrap();
        assert_eq!(of(device), of(&Device::Cpu), "{shape:?}");
    }
    for block in [[1, 1, 1], [3, 2, 5], [2, 11, 33], [8, 1, 1], [usize::MAX, 1, 1]] {
        let of = |device: &Device| block_means(device, source.view(), block, -250.5, 400.25).unwrap();
        assert_eq!(of(device), of(&Device::Cpu), "{block:?}");
    }
}

#[test]
fn means_of_areas_and_blocks_are_those_of_the_cpu_to_the_bit() {
    let name = "means_of_areas_and_blocks_are_those_of_the_cpu_to_the_bit";
    let Some(device) = emulator::device(name) else { return };
    let source = source([7, 11, 33]);
    check(&device, &source);
    check(&device, &source.mapv(|v| 0.37 * f32::from(v)));
    check(&device, &source.mapv(|v| v > 0));
}

#[test]
fn means_may_stay_on_the_device() {
    let Some(Device::Cuda(gpu)) = emulator::device("means_may_stay_on_the_device") else { return };
    let source = source([7, 11, 33]);
    let on_device = gpu.upload_volume(source.view()).unwrap();
    let found = area_means_on_device(&on_device, [3, 4, 10]).unwrap();
    let again = block_means_on_device(&found, [1, 2, 2], -500.0, 500.0).unwrap().download().unwrap();
    let expected = area_means(&Device::Cpu, source.view(), [3, 4, 10]).unwrap();
    assert_eq!(again, block_means(&Device::Cpu, expected.view(), [1, 2, 2], -500.0, 500.0).unwrap());
}
