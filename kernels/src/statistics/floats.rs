//! Values in 32-bit floating point, sixteen at a time.

use super::{BINS, Moments, in_order};
use crate::Voxel;
use crate::simd::at_each_level;

/// So many values are worked on at a time, each with sums of its own: the same ones at every level.
const LANES: usize = 16;

/// The values that count, those from `16 * at` on: above the threshold, in the mask, and a number. The others are
/// not a number.
#[inline(always)]
fn values<T: Voxel>(voxels: &[T], mask: Option<&[bool]>, above: f32, at: usize) -> [f32; LANES] {
    let from = at * LANES;
    let value = |voxel: T, is_in: bool| {
        let value = voxel.to_f32();
        // What is above nothing is all of them, -infinity too.
        let counts = is_in & ((value > above) | (above == f32::NEG_INFINITY));
        if counts { value } else { f32::NAN }
    };
    match (voxels[from..].first_chunk::<LANES>(), mask.map(|mask| mask[from..].first_chunk::<LANES>())) {
        (Some(voxels), None) => voxels.map(|voxel| value(voxel, true)),
        (Some(voxels), Some(Some(mask))) => std::array::from_fn(|lane| value(voxels[lane], mask[lane])),
        _ => std::array::from_fn(|lane| match voxels.get(from + lane) {
            Some(&voxel) => value(voxel, mask.is_none_or(|mask| mask[from + lane])),
            None => f32::NAN,
        }),
    }
}

at_each_level! {
    /// The moments of a part.
    pub(super) fn moments[T: Voxel](voxels: &[T], mask: Option<&[bool]>, above: f32) -> Moments {
        let (mut counts, mut sums) = ([0_u32; LANES], [0.0_f64; LANES]);
        let (mut least, mut most) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
        let all = 0..voxels.len().div_ceil(LANES);
        for at in all.clone() {
            let values = values(voxels, mask, above, at);
            for lane in 0..LANES {
                let value = values[lane];
                counts[lane] += u32::from(!value.is_nan());
                sums[lane] += if value.is_nan() { 0.0 } else { f64::from(value) };
                least[lane] = if value < least[lane] { value } else { least[lane] };
                most[lane] = if value > most[lane] { value } else { most[lane] };
            }
        }
        let count: u64 = counts.iter().map(|&count| u64::from(count)).sum();
        let mean = sums.iter().sum::<f64>() / count.max(1) as f64;
        let mut squares = [0.0_f64; LANES];
        for at in all {
            let values = values(voxels, mask, above, at);
            for lane in 0..LANES {
                let off = if values[lane].is_nan() { 0.0 } else { f64::from(values[lane]) - mean };
                squares[lane] += off * off;
            }
        }
        Moments {
            count,
            least: least.into_iter().fold(f32::INFINITY, f32::min),
            most: most.into_iter().fold(f32::NEG_INFINITY, f32::max),
            mean,
            squares: squares.iter().sum(),
        }
    }
}

/// How often each upper half of the bits is there. Neighbours are alike: four tables in turn, so that one count need
/// not wait for the last. The last row of them is for what does not count.
pub(super) struct Upper(Vec<[u32; 4]>);

impl Default for Upper {
    fn default() -> Self {
        Self(vec![[0; 4]; BINS + 1])
    }
}

impl Upper {
    pub(super) fn counts(self) -> Vec<u64> {
        self.0[..BINS].iter().map(|four| four.iter().map(|&n| u64::from(n)).sum()).collect()
    }
}

at_each_level! {
    /// Counts the upper halves of a part.
    pub(super) fn count_upper[T: Voxel](voxels: &[T], mask: Option<&[bool]>, above: f32, counts: &mut Upper) {
        for at in 0..voxels.len().div_ceil(LANES) {
            let bins = values(voxels, mask, above, at).map(|value| {
                if value.is_nan() { BINS as u32 } else { in_order(value) >> 16 }
            });
            for (turn, bin) in bins.into_iter().enumerate() {
                counts.0[bin as usize][turn % 4] += 1;
            }
        }
    }
}

at_each_level! {
    /// Counts the lower halves of a part that go with those upper ones that have a slot.
    pub(super) fn count_lower[T: Voxel](
        voxels: &[T],
        mask: Option<&[bool]>,
        above: f32,
        slots: &[u32],
        counts: &mut [u64],
    ) {
        for at in 0..voxels.len().div_ceil(LANES) {
            let values = values(voxels, mask, above, at);
            let bits = values.map(in_order);
            for (value, bits) in values.into_iter().zip(bits) {
                let slot = slots[(bits >> 16) as usize];
                if slot != u32::MAX && !value.is_nan() {
                    counts[slot as usize * BINS + (bits & 0xffff) as usize] += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;

    #[test]
    fn every_level_finds_the_same_bits_and_counts() {
        let voxels: Vec<f32> = (0..1003)
            .map(|n| match n % 97 {
                5 => f32::NAN,
                6 if n > 500 => f32::NEG_INFINITY,
                _ => (n as f32 * 0.7).sin() * 1000.0,
            })
            .collect();
        let mask: Vec<bool> = (0..1003).map(|n| n % 5 != 1).collect();
        for (length, mask, above) in
            [(1003, None, f32::NEG_INFINITY), (500, Some(&mask[..500]), f32::NEG_INFINITY), (77, None, 3.5)]
        {
            let voxels = &voxels[..length];
            let counts = |at: usize| {
                let value = voxels[at];
                mask.is_none_or(|mask| mask[at]) && (value >= above) && value != 3.5
            };
            let expected: Vec<f32> = (0..length).filter(|&at| counts(at)).map(|at| voxels[at]).collect();
            let first = moments(Level::all()[0], voxels, mask, above);
            assert_eq!(first.count as usize, expected.len());
            assert_eq!(first.least, expected.iter().copied().fold(f32::INFINITY, f32::min));
            assert_eq!(first.most, expected.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let mut upper = vec![0_u64; BINS];
            expected.iter().for_each(|&value| upper[(in_order(value) >> 16) as usize] += 1);
            let mut slots = vec![u32::MAX; BINS];
            let wanted = (in_order(expected[7]) >> 16) as usize;
            slots[wanted] = 0;
            for &level in Level::all() {
                let found = moments(level, voxels, mask, above);
                let bits =
                    |it: &Moments| (it.count, it.least, it.most, it.mean.to_bits(), it.squares.to_bits());
                assert!(bits(&found) == bits(&first), "{length} at {level:?}");
                let mut counted = Upper::default();
                count_upper(level, voxels, mask, above, &mut counted);
                assert!(counted.counts() == upper, "{length} at {level:?}");
                let mut lower = vec![0; BINS];
                count_lower(level, voxels, mask, above, &slots, &mut lower);
                assert_eq!(lower.iter().sum::<u64>(), upper[wanted]);
                assert!(lower[(in_order(expected[7]) & 0xffff) as usize] > 0);
            }
        }
    }
}
