use half::f16;
use kernels::mask::Cells;
use kernels::render::{Slab, Through, picture, picture_on_device, project};
use kernels::{Device, IndexMap, Voxel};
use ndarray::Array3;

use crate::emulator;

fn source(shape: [usize; 3]) -> Array3<i16> {
    Array3::from_shape_fn(shape, |(k, j, i)| ((k * 997 + j * 301 + i * 641) % 2000) as i16 - 1000)
}

/// Along the axes in every order and direction, oblique, and nowhere.
fn maps() -> Vec<IndexMap> {
    let mut maps = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for (step, start) in [([1.0, 1.0, 1.0], [2.0, 1.0, 0.0]), ([-0.7, 1.3, 0.4], [40.0, -2.2, 0.3])] {
            let mut map = [[0.0; 4]; 3];
            for (row, &column) in order.iter().enumerate() {
                map[row][column] = step[row];
                map[row][3] = start[row];
            }
            maps.push(map);
        }
    }
    maps.push([[0.9, 0.3, -0.2, -4.0], [-0.25, 1.1, 0.15, -2.0], [0.05, -0.02, 0.3, 0.6]]);
    maps.push([[0.5, 0.3, 0.2, 0.0], [-0.25, 0.1, 0.9, 9.0], [0.3, -0.02, f64::NAN, 0.6]]);
    maps
}

#[test]
fn pictures_made_on_a_device_are_those_of_the_cpu() {
    let Some(device) = emulator::device("pictures_made_on_a_device_are_those_of_the_cpu") else { return };
    fn check<T: Voxel>(device: &Device, source: &Array3<T>) {
        for map in maps() {
            for (through, samples) in [(Through::Greatest, 5), (Through::Least, 3), (Through::Mean, 4)] {
                let slab = Slab { map, samples, through };
                let on = |device: &Device| {
                    let found = project(device, source.view(), [13, 37], slab, -5000.0).unwrap();
                    let grey = picture(device, source.view(), [13, 37], slab, [-700.0, 600.0]).unwrap();
                    (found.mapv(f32::to_bits), grey)
                };
                assert_eq!(on(device), on(&Device::Cpu), "{map:?} {through:?}");
            }
        }
    }
    for shape in [[7, 23, 45], [1, 1, 9], [0, 4, 4]] {
        let source = source(shape);
        check(&device, &source);
        check(&device, &source.mapv(|v| f32::from(v) * 0.3));
        check(&device, &source.mapv(|v| v > 0));
        check(&device, &source.mapv(|v| f16::from_f32(f32::from(v))));
    }
    let Device::Cuda(gpu) = &device else { unreachable!("an emulated or real GPU") };
    let source = source([7, 23, 45]);
    let slab = Slab { map: maps()[0], samples: 4, through: Through::Greatest };
    let there = gpu.upload_volume(source.view()).unwrap();
    let found = picture_on_device(&there, [13, 37], slab, [-700.0, 600.0]).unwrap().download().unwrap();
    let expected = picture(&Device::Cpu, source.view(), [13, 37], slab, [-700.0, 600.0]).unwrap();
    assert_eq!(found, expected.into_raw_vec_and_offset().0);
}

#[test]
fn cells_read_on_a_device_answer_as_those_of_the_cpu() {
    let Some(device) = emulator::device("cells_read_on_a_device_answer_as_those_of_the_cpu") else { return };
    fn check<T: Voxel + PartialOrd>(device: &Device, volume: &Array3<T>, air: T, high: T) {
        for cell in [[1, 1, 1], [2, 4, 4], [9, 3, 200]] {
            let on = |device: &Device| {
                let cells = Cells::of(device, volume.view(), cell).unwrap();
                [cells.body(air, 5), cells.lungs(air, 5), cells.within(air, high)]
                    .map(|found| found.unwrap().cells)
            };
            assert_eq!(on(device), on(&Device::Cpu));
        }
    }
    for shape in [[7, 23, 45], [1, 1, 9], [0, 4, 4]] {
        let source = source(shape);
        check(&device, &source, 300, 310);
        check(&device, &source.mapv(|v| f32::from(v) * 0.3), 30.0, 32.0);
        check(&device, &source.mapv(|v| v > 700), false, true);
        check(&device, &source.mapv(|v| i32::from(v) * 70_001), 77, 70_001);
    }
    let Device::Cuda(gpu) = &device else { unreachable!("an emulated or real GPU") };
    let there = gpu.upload_volume(source([7, 23, 45]).view()).unwrap();
    let found = Cells::of_volume(&there, [2, 4, 4]).unwrap().body(300, 5).unwrap();
    let expected =
        Cells::of(&Device::Cpu, source([7, 23, 45]).view(), [2, 4, 4]).unwrap().body(300, 5).unwrap();
    assert_eq!(found.cells, expected.cells);
}
