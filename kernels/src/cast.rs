//! Single to half precision and back, on the device.
//!
//! Networks may want half precision, what is made of their results may not. On the CPU the two are one
//! call of `half`; a volume in a device's memory needs a kernel.

use cudarc::driver::PushKernelArg;
use half::f16;

use crate::Error;
use crate::gpu::{Element, Gpu, Memory, blocks, refused};

/// Threads of a block.
const BLOCK: u32 = 256;

/// Each number of `from` rounded to half precision (ties to even; beyond its range infinite).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the device has no room, and [`Error::Driver`] or [`Error::Kernel`] if it failed.
pub fn to_half(from: &Memory<f32>) -> Result<Memory<f16>, Error> {
    cast("cast_to_half", from)
}

/// Each number of `from` in single precision, exactly.
///
/// # Errors
///
/// As [`to_half`].
pub fn to_single(from: &Memory<f16>) -> Result<Memory<f32>, Error> {
    cast("cast_to_single", from)
}

fn cast<A: Element, B: Element>(kernel: &str, from: &Memory<A>) -> Result<Memory<B>, Error> {
    let gpu: &Gpu = from.gpu();
    let count = from.len();
    // SAFETY: the kernel below sets all of it.
    let mut to = unsafe { gpu.room::<B>(count)? };
    let kernel = gpu.kernel("cast", kernel)?;
    let (size, blocks) = (count as u64, blocks([count, 1, 1], [BLOCK, 1, 1]));
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut to.slice).arg(&from.slice).arg(&size);
    // SAFETY: the arguments are those of cast.cu, and both hold `count` numbers.
    unsafe { launch.launch(blocks) }.map_err(refused)?;
    Ok(to)
}
