use kernels::Device;
use kernels::bits::{Bits, DeviceBits};
use kernels::keep::{keep, keep_on_device};
use ndarray::Array3;

use crate::emulator;

#[test]
fn a_volume_on_a_device_is_kept_in_a_mask_as_on_the_host() {
    let name = "a_volume_on_a_device_is_kept_in_a_mask_as_on_the_host";
    let Some(Device::Cuda(gpu)) = emulator::device(name) else { return };
    for shape in [[7, 33, 65], [2, 3, 64], [3, 4, 1], [0, 3, 3], [2, 3, 0]] {
        let volume = Array3::from_shape_fn(shape, |(k, j, i)| (k * 997 + j * 31 + i) as f32 * 0.1);
        let mask = Bits::of(volume.mapv(|value| value as usize % 3 != 1).view()).unwrap();
        let mut expected = volume.clone();
        keep(expected.view_mut(), &mask, -0.5);
        let mut there = gpu.upload_volume(volume.view()).unwrap();
        keep_on_device(&mut there, &DeviceBits::upload(&gpu, &mask).unwrap(), -0.5).unwrap();
        assert_eq!(there.download().unwrap(), expected);
    }
}
