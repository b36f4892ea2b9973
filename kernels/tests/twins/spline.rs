use half::f16;
use kernels::resample::{Intensity, Interpolation, Part, Sampling, Values};
use kernels::spline::{resample, resample_on_device};
use kernels::{Device, IndexMap, Voxel};
use ndarray::{Array3, s};

use crate::emulator;

fn source(shape: [usize; 3]) -> Array3<i16> {
    Array3::from_shape_fn(shape, |(k, j, i)| ((k * 9973 + j * 3001 + i * 641) % 2011) as i16 - 1000)
}

/// Sums are in another order, at values up to 1000 and weights that sum up to 4.
#[track_caller]
fn check<T: Voxel>(device: &Device, source: &Array3<T>, shape: [usize; 3], map: &IndexMap) {
    let values = Values { scale: 0.5, offset: 3.0, ..Values::unchanged(-7.5) };
    let found: Array3<f32> = resample(device, source.view(), shape, map, values).unwrap();
    let expected: Array3<f32> = resample(&Device::Cpu, source.view(), shape, map, values).unwrap();
    assert_eq!(found.dim(), expected.dim());
    for ((at, found), expected) in found.indexed_iter().zip(&expected) {
        assert!((found - expected).abs() < 2e-3, "{found} for {expected} at {at:?} by {map:?}");
    }
}

#[test]
fn splines_along_any_order_and_direction_of_the_axes_are_those_of_the_cpu() {
    let Some(device) =
        emulator::device("splines_along_any_order_and_direction_of_the_axes_are_those_of_the_cpu")
    else {
        return;
    };
    // Shorter than what a value reaches, about as long, and longer.
    let source = source([7, 35, 65]);
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for flips in [0, 3, 5, 6, 7] {
            let mut map = [[0.0; 4]; 3];
            for (row, &column) in order.iter().enumerate() {
                let size = [65.0, 35.0, 7.0][row];
                let step = [1.31, 0.77, 0.4][row];
                let flipped = flips >> row & 1 == 1;
                map[row][column] = if flipped { -step } else { step };
                map[row][3] = if flipped { size + 0.7 } else { -1.9 };
            }
            check(&device, &source, [12, 11, 13], &map);
        }
    }
}

#[test]
fn splines_through_any_affine_are_those_of_the_cpu() {
    let Some(device) = emulator::device("splines_through_any_affine_are_those_of_the_cpu") else { return };
    let map = [[0.9, 0.3, -0.2, -4.0], [-0.25, 1.1, 0.15, -2.0], [0.05, -0.02, 0.3, 0.6]];
    check(&device, &source([7, 17, 33]), [13, 15, 33], &map);
    check(&device, &source([7, 17, 33]).mapv(f32::from), [13, 15, 33], &map);
    check(&device, &source([1, 2, 3]), [5, 4, 9], &map);
    let far = [[0.9, 0.3, -0.2, 400.0], map[1], map[2]];
    check(&device, &source([7, 17, 33]), [3, 5, 7], &far);
    let nowhere = [[f64::NAN, 0.0, 0.0, 0.0], map[1], map[2]];
    check(&device, &source([7, 17, 33]), [3, 5, 7], &nowhere);
}

#[test]
fn splines_of_other_kinds_of_voxels_and_at_voxel_centres_are_those_of_the_cpu() {
    let name = "splines_of_other_kinds_of_voxels_and_at_voxel_centres_are_those_of_the_cpu";
    let Some(device) = emulator::device(name) else { return };
    let map = [[0.7, 0.0, 0.0, 0.2], [0.0, 1.0, 0.0, -2.0], [0.0, 0.0, 2.0, 1.0]];
    let source = source([9, 12, 40]);
    check(&device, &source.mapv(|v| v > 0), [6, 14, 50], &map);
    check(&device, &source.mapv(|v| (v & 0xff) as u8), [6, 14, 50], &map);
    check(&device, &source.mapv(f32::from), [6, 14, 50], &map);
    let whole = [[1.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, -2.0], [0.0, 0.0, 1.0, 1.0]];
    let of = |device: &Device| -> Array3<f32> {
        resample(device, source.view(), [6, 14, 50], &whole, Values::unchanged(0.5)).unwrap()
    };
    assert_eq!(of(&device), of(&Device::Cpu));
    let empty = Array3::<i16>::zeros((0, 4, 4));
    check(&device, &empty, [2, 3, 4], &map);
}

#[test]
fn a_spline_stays_on_the_device_and_may_be_had_in_half_precision() {
    let name = "a_spline_stays_on_the_device_and_may_be_had_in_half_precision";
    let Some(Device::Cuda(gpu)) = emulator::device(name) else { return };
    let window = Intensity { low_hu: -1000.0, high_hu: 400.0, low: 0.0, high: 1.0, outside: 0.25 };
    let map = [[0.9, 0.0, 0.0, -2.0], [0.0, 0.8, 0.0, 2.0], [0.0, 0.0, 0.7, 0.3]];
    let source = source([9, 12, 40]);
    let (shape, values) = ([11, 12, 45], window.into());
    let on_device = gpu.upload_volume(source.view()).unwrap();
    let single = resample_on_device(&on_device, shape, &map, values).unwrap().download().unwrap();
    let half: Array3<f16> = resample(&Device::Cuda(gpu.clone()), source.view(), shape, &map, values).unwrap();
    assert_eq!(half, single.mapv(f16::from_f32));
    let sampling = Sampling { shape, map, interpolation: Interpolation::Cubic, values };
    let stays: Array3<f16> = sampling.on_device(&on_device).unwrap().download().unwrap();
    assert_eq!(stays, half);
    let mut slab: Array3<f32> = Array3::zeros((4, 12, 45));
    let [k, j, i] = sampling.source_of([9, 12, 40], 3..7);
    let at = [k.start, j.start, i.start];
    let part = Part::new(source.slice(s![k, j, i]), at, [9, 12, 40]);
    sampling.slab(&Device::Cuda(gpu.clone()), &part, 3..7, slab.view_mut()).unwrap();
    for (found, expected) in slab.iter().zip(single.slice(s![3..7, .., ..])) {
        assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    }
    let expected: Array3<f16> = resample(&Device::Cpu, source.view(), shape, &map, values).unwrap();
    for (found, expected) in half.iter().zip(&expected) {
        // One step of half precision below 1.
        assert!((found.to_f32() - expected.to_f32()).abs() <= 5e-4, "{found} for {expected}");
    }
}
