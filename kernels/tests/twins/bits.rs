use half::f16;
use kernels::bits::{Bits, DeviceBits};
use kernels::{Device, Neighbours, Voxel, morphology};
use ndarray::Array3;

use crate::emulator;

const SHAPES: [[usize; 3]; 6] = [[7, 33, 65], [3, 5, 64], [2, 3, 1], [1, 1, 200], [5, 70, 3], [0, 3, 3]];
const ALL: [Neighbours; 3] = [Neighbours::Six, Neighbours::Eighteen, Neighbours::TwentySix];

fn noise(shape: [usize; 3], seed: u64) -> Array3<i16> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed + 1);
    Array3::from_shape_simple_fn(shape, || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 48) as i16
    })
}

#[test]
fn a_threshold_on_a_device_is_that_of_the_cpu_for_every_kind_of_voxel() {
    let name = "a_threshold_on_a_device_is_that_of_the_cpu_for_every_kind_of_voxel";
    let Some(device) = emulator::device(name) else { return };
    fn check<T: Voxel + PartialOrd>(device: &Device, volume: &Array3<T>, low: T, high: T) {
        let on = |device: &Device| {
            let within = Bits::within(device, volume.view(), low, high).unwrap();
            (within, Bits::above(device, volume.view(), low).unwrap())
        };
        assert_eq!(on(device), on(&Device::Cpu), "{}", std::any::type_name::<T>());
    }
    for shape in SHAPES {
        let volume = noise(shape, 1);
        check(&device, &volume, -300, 9000);
        check(&device, &volume.mapv(|v| v > 0), true, true);
        check(&device, &volume.mapv(|v| (v >> 8) as u8), 17, 200);
        check(&device, &volume.mapv(|v| v as u16), 300, 40_000);
        check(&device, &volume.mapv(|v| i32::from(v) * 65_537), -300, i32::MAX - 77);
        check(&device, &volume.mapv(|v| u32::from(v as u16) * 65_537), 0x7000_0001, u32::MAX - 77);
        check(&device, &volume.mapv(|v| f16::from_f32(f32::from(v) / 16.0)), f16::ZERO, f16::MAX);
        let float = volume.mapv(|v| if v % 7 == 0 { f32::NAN } else { f32::from(v) * 0.1 });
        check(&device, &float, -30.0, f32::INFINITY);
    }
}

#[test]
fn masks_grow_shrink_and_fill_on_a_device_as_they_do_on_the_cpu() {
    let name = "masks_grow_shrink_and_fill_on_a_device_as_they_do_on_the_cpu";
    let Some(device) = emulator::device(name) else { return };
    for shape in SHAPES {
        for every in [2, 3, 29] {
            for dense in [false, true] {
                let mask = noise(shape, every as u64).mapv(|v| (v % every == 0) != dense);
                let mask = mask.view();
                let on = |device: &Device| {
                    let mut found = vec![
                        morphology::dilate_ball(device, mask, [0.7, 1.0, 1.3], 3.1).unwrap(),
                        morphology::erode_ball(device, mask, [0.7, 1.0, 1.3], 1.4).unwrap(),
                        morphology::close_ball(device, mask, [0.7, 1.0, 1.3], 2.2).unwrap(),
                        morphology::fill(device, mask).unwrap(),
                        Bits::of(mask).unwrap().filled_by_slice(device).unwrap().to_mask().unwrap(),
                    ];
                    for neighbours in ALL {
                        found.push(morphology::dilate(device, mask, neighbours, 2).unwrap());
                        found.push(morphology::erode(device, mask, neighbours, 1).unwrap());
                        found.push(morphology::open(device, mask, neighbours, 1).unwrap());
                        found.push(morphology::close(device, mask, neighbours, 2).unwrap());
                    }
                    found
                };
                assert_eq!(on(&device), on(&Device::Cpu), "{shape:?}");
            }
        }
    }
}

#[test]
fn a_chain_of_masks_stays_on_the_device() {
    let Some(Device::Cuda(gpu)) = emulator::device("a_chain_of_masks_stays_on_the_device") else { return };
    let volume = noise([5, 33, 65], 3).mapv(f32::from);
    let there = gpu.upload_volume(volume.view()).unwrap();
    let bits = DeviceBits::above(&there, 100.0).unwrap().eroded(Neighbours::Six, 1).unwrap();
    let found = bits.dilated(Neighbours::TwentySix, 1).unwrap().filled().unwrap();
    let here = Bits::above(&Device::Cpu, volume.view(), 100.0).unwrap();
    let here = here.eroded(&Device::Cpu, Neighbours::Six, 1).unwrap();
    let here = here.dilated(&Device::Cpu, Neighbours::TwentySix, 1).unwrap().filled(&Device::Cpu).unwrap();
    assert_eq!(found.download().unwrap(), here);
    assert_eq!(found.to_volume().unwrap().download_mask().unwrap(), here.to_mask().unwrap());
}
