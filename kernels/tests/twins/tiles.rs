use half::f16;
use kernels::blend::{Blend, starts};
use kernels::decide::strongest;
use kernels::tiles::{gather, gather_on_device};
use kernels::{Device, Voxel};
use ndarray::{Array3, ArrayView3, s};

use crate::emulator;

fn volume(shape: [usize; 3]) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(k, j, i)| ((k * 31 + j * 7 + i * 3) as f32 * 0.37).sin() * 100.0)
}

#[test]
fn tiles_are_gathered_on_a_device_as_on_the_cpu() {
    let Some(device) = emulator::device("tiles_are_gathered_on_a_device_as_on_the_cpu") else { return };
    fn check<T: Voxel + PartialEq + std::fmt::Debug>(device: &Device, volume: ArrayView3<'_, T>, pad: T) {
        let at = [[0, 0, 0], [-3, 5, -60], [4, -2, 30], [isize::MIN, 0, 0], [0, isize::MAX, 0], [7, 8, 9]];
        for (tiles, shape) in
            [(&at[..], [4, 9, 33]), (&at[..1], [7, 33, 65]), (&[], [2, 2, 2]), (&at, [0, 2, 2])]
        {
            let found = gather(device, volume, tiles, shape, pad).unwrap();
            assert_eq!(found, gather(&Device::Cpu, volume, tiles, shape, pad).unwrap());
        }
    }
    for shape in [[7, 33, 65], [1, 3, 2], [0, 4, 4]] {
        let volume = volume(shape);
        check(&device, volume.view(), -7.5);
        check(&device, volume.view().reversed_axes(), -7.5);
        check(&device, volume.mapv(|v| v as i16).slice(s![..;-1, .., ..;2]), -1000);
        check(&device, volume.mapv(|v| v as u8).view(), 3);
        check(&device, volume.mapv(|v| v > 0.0).view(), true);
        check(&device, volume.mapv(f16::from_f32).view(), f16::from_f32(-1.0));
    }
}

#[test]
fn tiles_are_blended_on_a_device_to_the_bits_of_the_cpu() {
    let Some(device) = emulator::device("tiles_are_blended_on_a_device_to_the_bits_of_the_cpu") else {
        return;
    };
    let shape = [9, 21, 70];
    let on = |device: &Device| {
        let mut blends = [Blend::new(device, shape).unwrap(), Blend::new(device, shape).unwrap()];
        for (number, k) in starts(9, 4, 0.5).into_iter().enumerate() {
            for j in starts(21, 8, 0.4) {
                for i in starts(70, 32, 0.3) {
                    let tile = volume([4, 8, 32]).mapv(|v| v * (number + j + i) as f32);
                    blends.iter_mut().for_each(|blend| blend.add(tile.view(), [k, j, i]).unwrap());
                }
            }
        }
        // Of another size, over the edge, and beyond it.
        let other = volume([5, 6, 13]);
        let last = [[7, 18, 60], [0, 0, 0], [9, 0, 0]].map(|at| (other.view(), at));
        let [finished, mut above] = blends;
        above.add_all(&last).unwrap();
        (finished.finish_with(&last).unwrap().mapv(f32::to_bits), above.above(12.5).unwrap())
    };
    assert_eq!(on(&device), on(&Device::Cpu));
    let empty = |device: &Device| Blend::new(device, [2, 3, 4]).unwrap().finish().unwrap();
    assert_eq!(empty(&device), Array3::<f32>::zeros((2, 3, 4)));
    assert!(Blend::new(&device, [0, 3, 4]).unwrap().finish().unwrap().is_empty());
}

/// As a network with two channels would be run: nothing comes back to the host in between.
#[test]
fn a_batch_goes_from_a_volume_to_a_decision_on_the_device() {
    let name = "a_batch_goes_from_a_volume_to_a_decision_on_the_device";
    let Some(device) = emulator::device(name) else { return };
    let Device::Cuda(gpu) = &device else { unreachable!("an emulated or real GPU") };
    let (volume, tile) = (volume([6, 17, 40]), [4, 8, 16]);
    let mut at = Vec::new();
    for k in starts(6, 4, 0.5) {
        for j in starts(17, 8, 0.5) {
            for i in starts(40, 16, 0.5) {
                at.push([k, j, i]);
            }
        }
    }
    let there = gpu.upload_volume(volume.view()).unwrap();
    let mut blends = [Blend::new(&device, [6, 17, 40]).unwrap(), Blend::new(&device, [6, 17, 40]).unwrap()];
    // Channel 0 of each pair of tiles is the first, channel 1 the second: a network that does nothing.
    for pair in at.chunks_exact(2) {
        let signed: Vec<[isize; 3]> = pair.iter().map(|at| at.map(|n| n as isize)).collect();
        let batch = gather_on_device(&there, &signed, tile, 0.0).unwrap();
        for (channel, blend) in blends.iter_mut().enumerate() {
            blend.add_batch(&batch, [2, channel], tile, &pair[channel..=channel]).unwrap();
        }
    }
    let here = |channel: usize| {
        let mut blend = Blend::new(&Device::Cpu, [6, 17, 40]).unwrap();
        for pair in at.chunks_exact(2) {
            let [k, j, i] = pair[channel];
            blend.add(volume.slice(s![k..k + 4, j..j + 8, i..i + 16]), pair[channel]).unwrap();
        }
        blend.finish().unwrap()
    };
    let expected = strongest(&Device::Cpu, &[here(0).view(), here(1).view()]).unwrap();
    let [a, b] = blends.map(|blend| blend.finish_on_device().unwrap());
    assert_eq!(a.download().unwrap().mapv(f32::to_bits), here(0).mapv(f32::to_bits));
    let found = kernels::decide::strongest_on_device(&[&a, &b]).unwrap().download().unwrap();
    assert_eq!(found, expected);
    assert_eq!(strongest(&device, &[here(0).view(), here(1).view()]).unwrap(), expected);
    // A whole batch of one channel at once is the same as its tiles one by one.
    let signed: Vec<[isize; 3]> = at.iter().map(|at| at.map(|n| n as isize)).collect();
    let batch = gather_on_device(&there, &signed, tile, 0.0).unwrap();
    let mut whole = Blend::new(&device, [6, 17, 40]).unwrap();
    whole.add_batch(&batch, [1, 0], tile, &at).unwrap();
    let mut single = Blend::new(&Device::Cpu, [6, 17, 40]).unwrap();
    for &[k, j, i] in &at {
        single.add(volume.slice(s![k..k + 4, j..j + 8, i..i + 16]), [k, j, i]).unwrap();
    }
    assert_eq!(whole.finish().unwrap().mapv(f32::to_bits), single.finish().unwrap().mapv(f32::to_bits));
}
