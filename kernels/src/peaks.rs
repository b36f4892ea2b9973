//! The places where a volume is highest.

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::{Device, Error, blank};

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
    device.on_cpu(module_path!())?;
    assert!(mask.is_none_or(|mask| mask.dim() == volume.dim()), "the mask is of another shape");
    let shape: [usize; 3] = volume.dim().into();
    let is_candidate = |at: [usize; 3]| {
        let value = volume[at];
        value > threshold
            && mask.is_none_or(|mask| mask[at])
            && !window(at, radius, shape).any(|other| volume[other] > value)
    };
    let rows: Vec<[usize; 2]> = (0..shape[0]).flat_map(|k| (0..shape[1]).map(move |j| [k, j])).collect();
    let candidates: Vec<[usize; 3]> = rows
        .into_par_iter()
        .flat_map_iter(|[k, j]| (0..shape[2]).map(move |i| [k, j, i]).filter(|&at| is_candidate(at)))
        .collect();
    let mut open: Array3<bool> = blank(shape)?;
    for &at in &candidates {
        open[at] = true;
    }
    let mut peaks: Vec<Peak> = Vec::new();
    for &first in &candidates {
        if !open[first] {
            continue;
        }
        open[first] = false;
        let mut plateau = vec![first];
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
        peaks.push(Peak { at: middle(&mut plateau), score: volume[first] });
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
