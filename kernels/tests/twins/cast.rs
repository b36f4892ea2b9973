use half::f16;
use kernels::Device;
use kernels::cast::{to_half, to_single};

use crate::emulator;

/// All of half precision, and numbers around every one of its steps.
#[test]
fn rounding_to_half_precision_is_that_of_ieee() {
    let Some(Device::Cuda(gpu)) = emulator::device("rounding_to_half_precision_is_that_of_ieee") else {
        return;
    };
    let all: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|v| !v.is_nan()).collect();
    let singles = to_single(&gpu.upload(&all).unwrap()).unwrap().download().unwrap();
    assert!(all.iter().zip(&singles).all(|(half, single)| half.to_f32().to_bits() == single.to_bits()));

    let between = singles.iter().filter(|v| v.is_finite()).flat_map(|&v| {
        let next = f16::from_bits(f16::from_f32(v).to_bits().wrapping_add(1)).to_f32();
        let middle = if next.is_finite() { v + (next - v) / 2.0 } else { v * 1.0002 };
        [v, v.next_up(), v.next_down(), middle, middle.next_up(), middle.next_down()]
    });
    let many: Vec<f32> = between.chain([f32::MAX, f32::MIN, f32::INFINITY, 1e-30, -1e-30]).collect();
    let halves = to_half(&gpu.upload(&many).unwrap()).unwrap().download().unwrap();
    for (from, found) in many.iter().zip(halves) {
        assert_eq!(found.to_bits(), f16::from_f32(*from).to_bits(), "{from}");
    }
}
