//! What a network's scores say of each voxel.

use cudarc::driver::PushKernelArg;
use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::gpu::{Volume, blocks, refused};
use crate::simd::{Level, at_each_level};
use crate::{Device, Error, blank};

/// The score above which a voxel's probability `1 / (1 + exp(-score))` is above `probability`: thresholding
/// scores is quicker than working out probabilities, and the same.
pub fn logit(probability: f32) -> f32 {
    let p = f64::from(probability);
    (p / (1.0 - p)).ln() as f32
}

/// The channel with the greatest score at each voxel; of several, the first. Scores that are not a number
/// never win, and where no channel has one it is 0.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If there is no channel, there are more than 256, or their shapes differ: the caller's mistake.
pub fn strongest(device: &Device, channels: &[ArrayView3<'_, f32>]) -> Result<Array3<u8>, Error> {
    assert!((1..=256).contains(&channels.len()), "{} channels", channels.len());
    assert!(channels.iter().all(|channel| channel.dim() == channels[0].dim()), "channels of one shape");
    let Device::Cuda(gpu) = device else { return reference(Level::best(), channels) };
    let channels = channels.iter().map(|channel| gpu.upload_volume(*channel));
    let channels = channels.collect::<Result<Vec<Volume<f32>>, Error>>()?;
    strongest_on_device(&channels.iter().collect::<Vec<_>>())?.download()
}

/// The same for channels on one device, left there.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room, [`Error::Driver`] or [`Error::Kernel`] if the device failed.
///
/// # Panics
///
/// As [`strongest`].
pub fn strongest_on_device(channels: &[&Volume<f32>]) -> Result<Volume<u8>, Error> {
    assert!((1..=256).contains(&channels.len()), "{} channels", channels.len());
    assert!(channels.iter().all(|channel| channel.shape() == channels[0].shape()), "channels of one shape");
    let gpu = channels[0].gpu();
    // SAFETY: the kernel sets all of it.
    let mut winner = unsafe { gpu.volume::<u8>(channels[0].shape())? };
    let count = winner.memory.len();
    if count > 0 {
        let kernel = gpu.kernel("decide", "decide_strongest")?;
        let addresses: Vec<u64> = channels.iter().map(|channel| channel.address()).collect();
        let addresses = gpu.upload(&addresses)?;
        let (number, voxels) = (channels.len() as u32, count as u64);
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut winner.memory.slice).arg(&addresses.slice).arg(&number).arg(&voxels);
        // SAFETY: the arguments are those of decide.cu, and each address is that of as many scores.
        unsafe { launch.launch(blocks([count, 1, 1], [256, 1, 1])) }.map_err(refused)?;
    }
    Ok(winner)
}

/// So many voxels stay in the fastest cache while channel after channel is looked at.
const BLOCK: usize = 2048;

fn reference(level: Level, channels: &[ArrayView3<'_, f32>]) -> Result<Array3<u8>, Error> {
    let mut winner = blank(channels[0].dim().into())?;
    let channels: Vec<_> = channels.iter().map(|channel| channel.as_standard_layout()).collect();
    let channels: Vec<&[f32]> =
        channels.iter().map(|channel| channel.as_slice().expect("just made standard")).collect();
    let to: &mut [u8] = winner.as_slice_mut().expect("made in standard layout");
    to.par_chunks_mut(BLOCK).enumerate().with_min_len(8).for_each(|(block, winner)| {
        let mut best = [f32::NEG_INFINITY; BLOCK];
        for (number, channel) in (0..=u8::MAX).zip(&channels) {
            outdo(level, &mut best, winner, &channel[block * BLOCK..], number);
        }
    });
    Ok(winner)
}

at_each_level! {
    fn outdo(best: &mut [f32], winner: &mut [u8], channel: &[f32], number: u8) {
        for ((best, winner), &score) in best.iter_mut().zip(winner).zip(channel) {
            *winner = if score > *best { number } else { *winner };
            *best = if score > *best { score } else { *best };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_greatest_wins() {
        let shape = (7, 33, 65);
        let channel = |n: usize| {
            Array3::from_shape_fn(shape, |(k, j, i)| match (k * 2145 + j * 65 + i * 7 + n * 3) % 11 {
                0 => f32::NAN,
                1 => f32::NEG_INFINITY,
                score => score as f32,
            })
        };
        let channels: Vec<_> = (0..5).map(channel).collect();
        let views: Vec<_> = channels.iter().map(|channel| channel.view()).collect();
        for &level in Level::all() {
            let found = reference(level, &views).unwrap();
            for (at, &found) in found.indexed_iter() {
                let best = views.iter().map(|v| v[at]).fold(f32::NEG_INFINITY, f32::max);
                let first = views.iter().position(|v| v[at] == best).filter(|_| best > f32::NEG_INFINITY);
                assert_eq!(usize::from(found), first.unwrap_or(0), "{at:?} at {level:?}");
            }
        }
        let turned: Vec<_> = views.iter().map(|v| v.reversed_axes()).collect();
        let found = strongest(&Device::Cpu, &turned).unwrap();
        assert_eq!(found, strongest(&Device::Cpu, &views).unwrap().reversed_axes());
    }

    #[test]
    fn a_score_above_the_logit_is_a_probability_above() {
        for probability in [0.01_f32, 0.3, 0.5, 0.97] {
            let score = logit(probability);
            assert!((1.0 / (1.0 + (-score).exp()) - probability).abs() < 1e-6);
        }
        assert_eq!((logit(0.5), logit(0.0), logit(1.0)), (0.0, f32::NEG_INFINITY, f32::INFINITY));
    }
}
