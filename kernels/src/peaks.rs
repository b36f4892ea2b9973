//! The places where a volume is highest.

use cudarc::driver::PushKernelArg;
use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::gpu::{Volume, blocks, refused};
use crate::simd::{Level, at_each_level};
use crate::{Device, Error, sparse};

/// A voxel that none within its window exceeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Where it is, `[k, j, i]`.
    pub at: [usize; 3],
    /// Its value.
    pub score: f32,
}

/// The voxels above `threshold` and in `mask`, if there is one, that no voxel of the window of
/// `(2 * radius + 1)^3` voxels around them exceeds; the highest first, equal ones in the array's order.
///
/// Voxels outside of the mask or not above the threshold still count as neighbours. Equally high voxels
/// within each other's window, as on a plateau, are one peak: the one nearest to their mean.
/// Voxels that are not a number are no peaks and exceed none.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room to mark the candidates.
///
/// # Panics
///
/// If the mask is not of the volume's shape: the caller's mistake.
pub fn peaks(
    device: &Device,
    volume: ArrayView3<'_, f32>,
    radius: usize,
    threshold: f32,
    mask: Option<ArrayView3<'_, bool>>,
) -> Result<Vec<Peak>, Error> {
    assert!(mask.is_none_or(|mask| mask.dim() == volume.dim()), "the mask is of another shape");
    match device {
        Device::Cpu => {
            let found = reference(Level::best(), volume, radius, threshold, mask);
            joined(volume.dim().into(), found, radius)
        }
        Device::Cuda(gpu) => {
            let mask = mask.map(|mask| gpu.upload_mask(mask)).transpose()?;
            peaks_on_device(&gpu.upload_volume(volume)?, radius, threshold, mask.as_ref())
        }
    }
}

/// As [`peaks`], of a volume and a mask in a device's memory.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the candidates, [`Error::Driver`] and [`Error::Kernel`] if
/// the device failed.
///
/// # Panics
///
/// As [`peaks`].
pub fn peaks_on_device(
    volume: &Volume<f32>,
    radius: usize,
    threshold: f32,
    mask: Option<&Volume<u8>>,
) -> Result<Vec<Peak>, Error> {
    let (gpu, shape) = (volume.gpu(), volume.shape());
    assert!(mask.is_none_or(|mask| mask.shape() == shape), "the mask is of another shape");
    let kernel = gpu.kernel("peaks", "peaks_find")?;
    let [slices, rows, columns] = shape.map(|n| n as u64);
    // Windows end where the volume does.
    let reach = radius.min(shape.into_iter().max().unwrap_or(0)) as u64;
    let (has_mask, nothing) = (u32::from(mask.is_some()), gpu.zeros::<u8>(0)?);
    let mask = mask.map_or(&nothing, |mask| &mask.memory);
    let mut room = CANDIDATES;
    loop {
        let mut found = gpu.zeros::<u32>(1)?;
        let (mut at_of, mut score_of) = (gpu.zeros::<u64>(room as usize)?, gpu.zeros::<f32>(room as usize)?);
        let mut launch = gpu.stream().launch_builder(&kernel);
        launch.arg(&mut at_of.slice).arg(&mut score_of.slice).arg(&mut found.slice).arg(&room);
        launch.arg(&volume.memory.slice).arg(&mask.slice).arg(&has_mask);
        launch.arg(&slices).arg(&rows).arg(&columns).arg(&reach).arg(&threshold);
        // SAFETY: the arguments are those of peaks.cu, volume and mask have that shape, and there is room for
        // as many as it is told.
        unsafe { launch.launch(blocks([shape.iter().product(), 1, 1], [128, 1, 1])) }.map_err(refused)?;
        let count = found.download()?[0];
        if count > room {
            room = count;
            continue;
        }
        let (mut places, mut scores) = (vec![0; count as usize], vec![0.0; count as usize]);
        at_of.download_into(&mut places)?;
        score_of.download_into(&mut scores)?;
        let place = |at: u64| [at / columns / rows, at / columns % rows, at % columns].map(|n| n as usize);
        let mut found: Vec<Peak> =
            places.into_iter().zip(scores).map(|(at, score)| Peak { at: place(at), score }).collect();
        found.sort_by_key(|peak| peak.at);
        return joined(shape, found, radius);
    }
}

/// Candidates that there is room for at first. Plateaus may have more; then they are looked for again.
const CANDIDATES: u32 = 1 << 16;

/// Voxels that none of their window exceeds, in the array's order.
fn reference(
    level: Level,
    volume: ArrayView3<'_, f32>,
    radius: usize,
    threshold: f32,
    mask: Option<ArrayView3<'_, bool>>,
) -> Vec<Peak> {
    let shape: [usize; 3] = volume.dim().into();
    let volume = volume.as_standard_layout();
    let voxels = volume.as_slice().expect("just made standard");
    let [slices, rows, columns] = shape;
    let row_of = |k: usize, j: usize| &voxels[(k * rows + j) * columns..][..columns];
    let found = (0..slices * rows).into_par_iter().with_min_len(8).map_init(
        || vec![0_u8; columns],
        |is_open, at| {
            let (k, j) = (at / rows, at % rows);
            let row = row_of(k, j);
            above(level, is_open, row, threshold);
            // Most are no peaks for one of the neighbours already, and those are many at a time.
            let near = radius.min(1);
            for k in k.saturating_sub(near)..(k + near + 1).min(slices) {
                for j in j.saturating_sub(near)..(j + near + 1).min(rows) {
                    let other = row_of(k, j);
                    not_exceeded(level, is_open, row, other);
                    not_exceeded(level, &mut is_open[near.min(columns)..], &row[near.min(columns)..], other);
                    not_exceeded(level, is_open, row, &other[near.min(columns)..]);
                }
            }
            let open = (0..columns).filter(|&i| is_open[i] != 0).map(|i| [k, j, i]);
            let highest = open.filter(|&at| {
                mask.is_none_or(|mask| mask[at])
                    && (radius <= 1 || !window(at, radius, shape).any(|other| volume[other] > volume[at]))
            });
            highest.map(|at| Peak { at, score: volume[at] }).collect::<Vec<_>>()
        },
    );
    found.flatten_iter().collect()
}

at_each_level! {
    fn above(is_open: &mut [u8], row: &[f32], threshold: f32) {
        for (is_open, &value) in is_open.iter_mut().zip(row) {
            *is_open = u8::from(value > threshold);
        }
    }
}

at_each_level! {
    /// Closes the voxels of a row that those of another exceed.
    fn not_exceeded(is_open: &mut [u8], row: &[f32], other: &[f32]) {
        for ((is_open, value), other) in is_open.iter_mut().zip(row).zip(other) {
            *is_open &= u8::from(other > value) ^ 1;
        }
    }
}

/// One peak for each plateau of candidates, which are in the array's order.
fn joined(shape: [usize; 3], candidates: Vec<Peak>, radius: usize) -> Result<Vec<Peak>, Error> {
    let mut open: Array3<bool> = sparse(shape)?;
    for candidate in &candidates {
        open[candidate.at] = true;
    }
    let mut peaks: Vec<Peak> = Vec::new();
    for first in &candidates {
        if !open[first.at] {
            continue;
        }
        open[first.at] = false;
        let mut plateau = vec![first.at];
        let mut next = 0;
        while let Some(&at) = plateau.get(next) {
            for other in window(at, radius, shape) {
                // Candidates within each other's window are equally high, or one would not be one.
                if open[other] {
                    open[other] = false;
                    plateau.push(other);
                }
            }
            next += 1;
        }
        peaks.push(Peak { at: middle(&mut plateau), score: first.score });
    }
    peaks.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.at.cmp(&b.at)));
    Ok(peaks)
}

/// The indices within `radius` of `at` on each axis, itself included.
fn window(at: [usize; 3], radius: usize, shape: [usize; 3]) -> impl Iterator<Item = [usize; 3]> {
    let [k, j, i]: [std::ops::Range<usize>; 3] = std::array::from_fn(|axis| {
        at[axis].saturating_sub(radius)..at[axis].saturating_add(radius).saturating_add(1).min(shape[axis])
    });
    k.flat_map(move |k| {
        let i = i.clone();
        j.clone().flat_map(move |j| i.clone().map(move |i| [k, j, i]))
    })
}

/// The voxel nearest to the mean of all; of several, the first in the array.
fn middle(voxels: &mut [[usize; 3]]) -> [usize; 3] {
    voxels.sort_unstable();
    let mean: [f64; 3] = std::array::from_fn(|axis| {
        voxels.iter().map(|at| at[axis] as f64).sum::<f64>() / voxels.len() as f64
    });
    let off = |at: &[usize; 3]| (0..3).map(|axis| (at[axis] as f64 - mean[axis]).powi(2)).sum::<f64>();
    *voxels.iter().min_by(|a, b| off(a).total_cmp(&off(b))).expect("a plateau has a voxel")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(shape: [usize; 3]) -> Array3<f32> {
        Array3::from_shape_fn(shape, |(k, j, i)| {
            let at = (k * shape[1] + j) * shape[2] + i;
            // Distinct for up to 16381 voxels, which is prime.
            (at * 7919 % 16_381) as f32
        })
    }

    #[test]
    fn peaks_are_the_voxels_that_are_the_highest_of_their_window() {
        let volume = noise([7, 33, 65]);
        for radius in [0, 1, 2, 3] {
            let found = peaks(&Device::Cpu, volume.view(), radius, 9000.0, None).unwrap();
            let mut expected = Vec::new();
            for ((k, j, i), &score) in volume.indexed_iter().filter(|(_, score)| **score > 9000.0) {
                let near = |a: usize, b: usize| a.abs_diff(b) <= radius;
                let highest = volume
                    .indexed_iter()
                    .all(|((c, b, a), &other)| !(near(k, c) && near(j, b) && near(i, a)) || other <= score);
                if highest {
                    expected.push(Peak { at: [k, j, i], score });
                }
            }
            expected.sort_by(|a, b| b.score.total_cmp(&a.score));
            assert_eq!(found, expected, "radius {radius}");
            let of = |level| reference(level, volume.view(), radius, 9000.0, None);
            for &level in Level::all() {
                assert_eq!(of(level), of(Level::all()[0]), "{level:?}");
            }
        }
    }

    #[test]
    fn a_plateau_wider_than_the_window_is_one_peak_in_its_middle() {
        let mut volume = Array3::zeros((3, 9, 21));
        volume.slice_mut(ndarray::s![1, 2..7, 1..20]).fill(1.0);
        let found = peaks(&Device::Cpu, volume.view(), 2, 0.5, None).unwrap();
        assert_eq!(found, [Peak { at: [1, 4, 10], score: 1.0 }]);
    }

    #[test]
    fn only_the_mask_and_what_is_above_the_threshold_counts_and_equals_keep_the_order() {
        let mut volume = Array3::zeros((1, 1, 12));
        for (at, score) in [(0, 0.9), (4, 0.5), (7, 0.9), (11, 0.3)] {
            volume[[0, 0, at]] = score;
        }
        volume[[0, 0, 9]] = f32::NAN;
        let found = |mask| {
            let found = peaks(&Device::Cpu, volume.view(), 1, 0.3, mask).unwrap();
            found.iter().map(|peak| peak.at[2]).collect::<Vec<_>>()
        };
        assert_eq!(found(None), [0, 7, 4]);
        let mut mask = Array3::from_elem((1, 1, 12), true);
        mask[[0, 0, 0]] = false;
        assert_eq!(found(Some(mask.view())), [7, 4]);
    }

    #[test]
    fn a_higher_voxel_outside_of_the_mask_still_overshadows_its_neighbour() {
        let mut volume = Array3::zeros((1, 1, 4));
        (volume[[0, 0, 1]], volume[[0, 0, 2]]) = (0.8, 0.9);
        let mut mask = Array3::from_elem((1, 1, 4), true);
        mask[[0, 0, 2]] = false;
        assert_eq!(peaks(&Device::Cpu, volume.view(), 1, 0.5, Some(mask.view())).unwrap(), []);
    }
}
