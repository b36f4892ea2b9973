use kernels::gpu::{Gpu, Options};
use kernels::{Device, Error};
use ndarray::Array3;

use crate::emulator;

#[test]
fn what_is_uploaded_comes_back() {
    let Some(Device::Cuda(gpu)) = emulator::device("what_is_uploaded_comes_back") else { return };
    // Nothing, one, and more than the pinned buffers hold, to an odd end.
    for count in [0, 1, 12 * 1024 * 1024 + 7] {
        let host: Vec<u16> = (0..count).map(|at| (at * 31) as u16).collect();
        assert!(gpu.upload(&host).unwrap().download().unwrap() == host, "{count} numbers");
    }
    let mask = Array3::from_shape_fn((3, 5, 7), |(k, j, i)| (k + j * i) % 3 == 0);
    assert_eq!(gpu.upload_mask(mask.view()).unwrap().download_mask().unwrap(), mask);
    let turned = mask.view().reversed_axes();
    assert_eq!(gpu.upload_mask(turned).unwrap().download_mask().unwrap(), turned.to_owned());
    assert!(gpu.zeros::<f32>(1000).unwrap().download().unwrap().iter().all(|&v| v == 0.0));
}

#[test]
fn more_memory_than_the_limit_is_refused_and_what_is_dropped_can_be_had_again() {
    let name = "more_memory_than_the_limit_is_refused_and_what_is_dropped_can_be_had_again";
    let Some(_) = emulator::device(name) else { return };
    let gpu = Gpu::open(Options { memory_bytes: Some(1 << 20), ..Options::default() }).unwrap();
    let held = gpu.zeros::<u8>(1 << 19).unwrap();
    assert_eq!(gpu.free_bytes().unwrap(), 1 << 19);
    assert_eq!(gpu.zeros::<f32>(1 << 18).unwrap_err(), Error::OutOfMemory { voxels: 1 << 18 });
    drop(held);
    assert!(gpu.zeros::<f32>(1 << 18).is_ok());
    assert_eq!(gpu.zeros::<f32>(usize::MAX).unwrap_err(), Error::OutOfMemory { voxels: usize::MAX });
}

/// More than any device has.
#[test]
fn a_device_without_room_says_so() {
    let Some(Device::Cuda(gpu)) = emulator::device("a_device_without_room_says_so") else { return };
    assert_eq!(gpu.zeros::<u8>(1 << 50).unwrap_err(), Error::OutOfMemory { voxels: 1 << 50 });
    let Err(error) = Gpu::open(Options { ordinal: 4096, ..Options::default() }) else { panic!("4097 GPUs") };
    assert!(matches!(error, Error::NoGpu { .. }), "{error}");
}
