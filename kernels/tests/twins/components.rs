use kernels::bits::{Bits, DeviceBits};
use kernels::components::{Components, components, components_in_bits, components_on_device};
use kernels::gpu::Gpu;
use kernels::{Device, Error, Neighbours};
use ndarray::Array3;

use crate::emulator;

const ALL: [Neighbours; 3] = [Neighbours::Six, Neighbours::Eighteen, Neighbours::TwentySix];

/// Voxels on for about `percent` of the array.
fn noise(shape: [usize; 3], percent: u64, seed: u64) -> Array3<bool> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Array3::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % 100 < percent
    })
}

/// The twin's components, from the host and from the device, and their volumes of labels and masks, are
/// those of the CPU.
#[track_caller]
fn check(gpu: &Gpu, mask: &Array3<bool>, neighbours: Neighbours) {
    let expected = components(&Device::Cpu, mask.view(), neighbours).unwrap();
    let labels = expected.labels().unwrap();
    let same = |found: Components| {
        assert_eq!(found.list(), expected.list(), "{neighbours:?}, {:?}", mask.dim());
        assert_eq!(found.labels().unwrap(), labels, "{neighbours:?}, {:?}", mask.dim());
    };
    same(components(&Device::Cuda(gpu.clone()), mask.view(), neighbours).unwrap());
    let bits = Bits::of(mask.view()).unwrap();
    same(components_in_bits(&Device::Cuda(gpu.clone()), &bits, neighbours).unwrap());
    same(components_on_device(&DeviceBits::upload(gpu, &bits).unwrap(), neighbours).unwrap());
    assert_eq!(expected.labels_on_device(gpu).unwrap().download().unwrap(), labels);
    let is_wanted = |part: &kernels::components::Component| part.voxels.is_multiple_of(2);
    let found = expected.mask_on_device(gpu, is_wanted).unwrap().download_mask().unwrap();
    assert_eq!(found, expected.mask(is_wanted).unwrap());
}

#[test]
fn components_of_noise_are_those_of_the_cpu() {
    let Some(Device::Cuda(gpu)) = emulator::device("components_of_noise_are_those_of_the_cpu") else {
        return;
    };
    // Rows that fill their words and rows that do not.
    for shape in [[7, 33, 65], [5, 9, 128], [3, 7, 80], [40, 1, 5], [1, 1, 200], [3, 70, 1]] {
        for (seed, percent) in [2, 15, 35, 70, 98].into_iter().enumerate() {
            for neighbours in ALL {
                check(&gpu, &noise(shape, percent, seed as u64 + 1), neighbours);
            }
        }
    }
}

/// Threads that wind through many rows: sets that are long chains.
#[test]
fn components_that_wind_are_those_of_the_cpu() {
    let Some(Device::Cuda(gpu)) = emulator::device("components_that_wind_are_those_of_the_cpu") else {
        return;
    };
    let comb = Array3::from_shape_fn((3, 67, 131), |(k, j, i)| {
        // Walls open at one end, in turn left and right; odd slices closed but for a hole.
        if k % 2 == 1 { j == 66 && i == 130 } else { j % 2 == 0 || i == if j % 4 == 1 { 0 } else { 130 } }
    });
    let steps =
        Array3::from_shape_fn((9, 40, 70), |(k, j, i)| (i + 69 - j + 2 * k) % 23 < 2 && (j + k) % 5 != 0);
    let full = Array3::from_elem((4, 11, 64), true);
    for neighbours in ALL {
        check(&gpu, &comb, neighbours);
        check(&gpu, &steps, neighbours);
        check(&gpu, &full, neighbours);
    }
    let comb = components(&Device::Cuda(gpu), comb.view(), Neighbours::Six).unwrap();
    assert_eq!(comb.list().len(), 1);
}

/// So many rows that the sums before each take three levels.
#[test]
fn components_of_many_rows_are_those_of_the_cpu() {
    let Some(Device::Cuda(gpu)) = emulator::device("components_of_many_rows_are_those_of_the_cpu") else {
        return;
    };
    let mask = noise([2, 530_000, 1], 34, 3);
    let found = components(&Device::Cuda(gpu), mask.view(), Neighbours::TwentySix).unwrap();
    let expected = components(&Device::Cpu, mask.view(), Neighbours::TwentySix).unwrap();
    assert!(found.list() == expected.list() && found.labels().unwrap() == expected.labels().unwrap());
}

#[test]
fn nothing_has_no_components_on_a_device() {
    let Some(Device::Cuda(gpu)) = emulator::device("nothing_has_no_components_on_a_device") else { return };
    for shape in [[0, 3, 3], [3, 0, 3], [3, 3, 0], [3, 3, 3]] {
        check(&gpu, &Array3::from_elem(shape, false), Neighbours::TwentySix);
    }
}

#[test]
fn a_device_without_room_for_components_says_so() {
    let name = "a_device_without_room_for_components_says_so";
    let Some(_) = emulator::device(name) else { return };
    let options = kernels::gpu::Options { memory_bytes: Some(1 << 14), ..Default::default() };
    let small = Device::Cuda(Gpu::open(options).unwrap());
    let error = components(&small, noise([9, 64, 100], 30, 1).view(), Neighbours::Six).unwrap_err();
    assert!(matches!(error, Error::OutOfMemory { .. }), "{error}");
}
