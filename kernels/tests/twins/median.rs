use kernels::Device;
use kernels::median::median;
use ndarray::Array3;

use crate::emulator;

#[test]
fn medians_are_those_of_the_cpu() {
    let Some(device) = emulator::device("medians_are_those_of_the_cpu") else { return };
    for shape in [[7, 13, 35], [1, 1, 1], [1, 5, 2], [2, 1, 17], [9, 8, 3], [0, 4, 4]] {
        let source = Array3::from_shape_fn(shape, |(k, j, i)| {
            let at = (k * shape[1] + j) * shape[2] + i;
            (at * at * 7919 % 1009 % 97) as f32 - 40.0
        });
        let of = |device: &Device| median(device, source.view()).unwrap();
        assert_eq!(of(&device), of(&Device::Cpu), "{shape:?}");
    }
}
