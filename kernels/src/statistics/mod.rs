//! What the values of a volume are like: their mean and deviation, and exact percentiles. For networks
//! whose input is normalised by them.
//!
//! Kinds of 16 bits or fewer are counted, one number for each value, and everything is made of the
//! counts: nothing is rounded before the end. Others are 32-bit floating point, whose bits, put in order,
//! are counted by their upper half; then the lower halves of those that a percentile falls among are, so
//! that percentiles are exact as well.

mod cuda;
mod floats;

use std::any::{Any, TypeId};

use ndarray::ArrayView3;
use rayon::prelude::*;

use crate::gpu::{Volume, with_uploaded};
use crate::resample::{Intensity, Stored, Values};
use crate::simd::Level;
use crate::{Device, Error, Voxel};

/// Which voxels count. Those that are not a number never do.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// Those of a mask, which has the volume's shape.
    In(ArrayView3<'a, bool>),
    /// Those above this value: what is not air, or not 0.
    Above(f32),
}

/// What the values that count are like.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// How many there are.
    pub count: u64,
    /// The least of them.
    pub least: f32,
    /// The greatest of them.
    pub most: f32,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation: the root of the mean square distance from the mean, divided by their
    /// number and not by one less.
    pub deviation: f64,
    /// The percentiles that were asked for, in their order.
    pub percentiles: Vec<f32>,
}

impl Statistics {
    /// Distances from the mean in standard deviations, of values cut off at `low` and `high` first. A
    /// deviation of nearly 0 counts as 1e-8.
    ///
    /// # Panics
    ///
    /// If `low` is above `high`: the caller's mistake.
    pub fn z_score(&self, low: f32, high: f32, outside: f32) -> Values {
        Values::z_score(self.mean as f32, self.deviation.max(1e-8) as f32, low, high, outside)
    }

    /// The values from percentile number `low` to number `high` (of those asked for) onto 0 to 1, and the
    /// others onto 0 or 1; `None` if the two are the same value.
    ///
    /// # Panics
    ///
    /// If there are not that many: the caller's mistake.
    pub fn between(&self, low: usize, high: usize, outside: f32) -> Option<Intensity> {
        let (low_hu, high_hu) = (self.percentiles[low], self.percentiles[high]);
        (low_hu < high_hu).then_some(Intensity { low_hu, high_hu, low: 0.0, high: 1.0, outside })
    }
}

/// What the voxels of `source` that count are like; `None` if none does.
///
/// `percents` are from 0 to 100. Between two values a percentile is interpolated linearly, as
/// `numpy.percentile` does.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the device has no room.
///
/// # Panics
///
/// If a mask has another shape, or a percentage is not from 0 to 100: mistakes of the caller.
pub fn statistics<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    which: Which<'_>,
    percents: &[f64],
) -> Result<Option<Statistics>, Error> {
    assert!(percents.iter().all(|percent| (0.0..=100.0).contains(percent)), "percentages {percents:?}");
    if let Which::In(mask) = which {
        assert_eq!(mask.dim(), source.dim(), "the mask has another shape");
    }
    if let Device::Cuda(gpu) = device {
        let on_device = match which {
            Which::All => WhichOnDevice::All,
            Which::In(mask) => WhichOnDevice::In(&gpu.upload_mask(mask)?),
            Which::Above(least) => WhichOnDevice::Above(least),
        };
        return with_uploaded!(gpu, source, volume => statistics_on_device(volume, on_device, percents));
    }
    let source = source.as_standard_layout();
    let mask = match &which {
        Which::In(mask) => Some(mask.as_standard_layout()),
        _ => None,
    };
    let volume = Counted {
        voxels: source.as_slice().expect("just made standard"),
        mask: mask.as_ref().map(|mask| mask.as_slice().expect("just made standard")),
        above: if let Which::Above(least) = which { least } else { f32::NEG_INFINITY },
    };
    Ok(match least_of::<T>() {
        Some(least) => of_counts(&volume.by_value(least), least, volume.above, percents),
        None => volume.of_floats(Level::best(), percents),
    })
}

/// As [`Which`], with a mask in the device's memory, where it holds 0 or 1.
#[derive(Debug, Clone, Copy)]
pub enum WhichOnDevice<'a> {
    /// All of them.
    All,
    /// Those of a mask, which has the volume's shape.
    In(&'a Volume<u8>),
    /// Those above this value.
    Above(f32),
}

/// As [`statistics`], of a volume in a device's memory: the same percentiles, and the same mean and
/// deviation but for the last few of a double's bits.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the device has no room, [`Error::Driver`] and [`Error::Kernel`] if it failed.
///
/// # Panics
///
/// As [`statistics`].
pub fn statistics_on_device<T: Stored>(
    source: &Volume<T>,
    which: WhichOnDevice<'_>,
    percents: &[f64],
) -> Result<Option<Statistics>, Error> {
    assert!(percents.iter().all(|percent| (0.0..=100.0).contains(percent)), "percentages {percents:?}");
    if let WhichOnDevice::In(mask) = which {
        assert_eq!(mask.shape(), source.shape(), "the mask has another shape");
    }
    if let Some(least) = least_of::<T>() {
        let above = if let WhichOnDevice::Above(above) = which { above } else { f32::NEG_INFINITY };
        return Ok(of_counts(&cuda::counts(source, least, which)?, least, above, percents));
    }
    let source: &dyn Any = source;
    let source: &Volume<f32> = source.downcast_ref().expect("what is stored otherwise is f32");
    let all = cuda::moments(source, which)?;
    if all.count == 0 {
        return Ok(None);
    }
    let upper = cuda::upper(source, which)?;
    of_halves(all, &upper, |wanted| cuda::lower(source, which, wanted), percents)
}

/// The least value of a kind of voxel of at most 16 bits that are whole numbers.
fn least_of<T: Voxel>() -> Option<i32> {
    let kind = TypeId::of::<T>();
    let none_below_0 = [TypeId::of::<bool>(), TypeId::of::<u8>(), TypeId::of::<u16>()];
    match kind {
        kind if kind == TypeId::of::<i16>() => Some(i32::from(i16::MIN)),
        kind if none_below_0.contains(&kind) => Some(0),
        _ => None,
    }
}

/// One for each value of 16 bits.
const BINS: usize = 1 << 16;

/// Voxels that one thread counts at a time.
const PART: usize = 1 << 18;

/// What is counted.
struct Counted<'a, T> {
    voxels: &'a [T],
    mask: Option<&'a [bool]>,
    above: f32,
}

impl<T: Voxel> Counted<'_, T> {
    /// The voxels in parts, each with its mask.
    fn parts(&self) -> impl IndexedParallelIterator<Item = (&[T], Option<&[bool]>)> {
        let part = |at: usize| at * PART..((at + 1) * PART).min(self.voxels.len());
        let count = self.voxels.len().div_ceil(PART);
        (0..count)
            .into_par_iter()
            .map(move |at| (&self.voxels[part(at)], self.mask.map(|mask| &mask[part(at)])))
    }

    /// How often each value from `least` on is there, in the mask. The threshold is left for later.
    fn by_value(&self, least: i32) -> Vec<u64> {
        // Neighbours are alike: four tables in turn, so that one count need not wait for the last.
        let bin = |voxel: T| ((voxel.to_f32() as i32 - least) as usize) & (BINS - 1);
        let counts = self.parts().fold(
            || vec![[0_u32; 4]; BINS],
            |mut counts, (voxels, mask)| {
                match mask {
                    None => {
                        let (fours, rest) = voxels.as_chunks::<4>();
                        for four in fours {
                            for (turn, &voxel) in four.iter().enumerate() {
                                counts[bin(voxel)][turn] += 1;
                            }
                        }
                        rest.iter().for_each(|&voxel| counts[bin(voxel)][0] += 1);
                    }
                    Some(mask) => {
                        for (at, (&voxel, &is_in)) in voxels.iter().zip(mask).enumerate() {
                            counts[bin(voxel)][at & 3] += u32::from(is_in);
                        }
                    }
                }
                counts
            },
        );
        let sums =
            counts.map(|counts| counts.iter().map(|four| four.iter().map(|&n| u64::from(n)).sum()).collect());
        added(sums)
    }

    fn of_floats(&self, level: Level, percents: &[f64]) -> Option<Statistics> {
        let above = self.above;
        // In the order of the parts, whatever thread did which: the same result every time.
        let moments: Vec<Moments> =
            self.parts().map(|(voxels, mask)| floats::moments(level, voxels, mask, above)).collect();
        let all = moments.into_iter().reduce(Moments::with).filter(|all| all.count > 0)?;
        let upper = self.parts().fold(floats::Upper::default, |mut counts, (voxels, mask)| {
            floats::count_upper(level, voxels, mask, above, &mut counts);
            counts
        });
        let lower = |wanted: &[usize]| {
            let slots = slots(wanted);
            let lower = self.parts().fold(
                || vec![0_u64; BINS * wanted.len()],
                |mut counts, (voxels, mask)| {
                    floats::count_lower(level, voxels, mask, above, &slots, &mut counts);
                    counts
                },
            );
            Ok(added(lower))
        };
        let upper = added(upper.map(floats::Upper::counts));
        of_halves(all, &upper, lower, percents).expect("memory of the host")
    }
}

/// Everything from the moments and from how often each upper half of the bits is there. `lower` counts the
/// lower halves that go with each of some upper ones.
fn of_halves(
    all: Moments,
    upper: &[u64],
    lower: impl FnOnce(&[usize]) -> Result<Vec<u64>, Error>,
    percents: &[f64],
) -> Result<Option<Statistics>, Error> {
    let places: Vec<Place> = percents.iter().map(|&percent| Place::of(percent, all.count)).collect();
    let ranks = places.iter().flat_map(|place| [place.low, place.high]);
    let mut wanted: Vec<usize> = ranks.map(|rank| bin_of(upper, rank).0).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let lower = if wanted.is_empty() { Vec::new() } else { lower(&wanted)? };
    let value = |rank: u64| {
        let (upper, below) = bin_of(upper, rank);
        let slot = wanted.binary_search(&upper).expect("every rank's is wanted");
        let (lower, _) = bin_of(&lower[slot * BINS..][..BINS], rank - below);
        f64::from(from_order((upper << 16 | lower) as u32))
    };
    Ok(Some(Statistics {
        count: all.count,
        least: all.least,
        most: all.most,
        mean: all.mean,
        deviation: (all.squares / all.count as f64).sqrt(),
        percentiles: places.iter().map(|place| place.between(value)).collect(),
    }))
}

/// For each upper half its place among those that are wanted; `u32::MAX` if it is not.
fn slots(wanted: &[usize]) -> Vec<u32> {
    let mut slots = vec![u32::MAX; BINS];
    for (slot, &bin) in (0..).zip(wanted) {
        slots[bin] = slot;
    }
    slots
}

/// Tables of counts added up.
fn added(tables: impl ParallelIterator<Item = Vec<u64>>) -> Vec<u64> {
    let sum = tables.reduce(Vec::new, |mut a, b| {
        if a.is_empty() {
            return b;
        }
        a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
        a
    });
    if sum.is_empty() { vec![0; BINS] } else { sum }
}

/// Everything from how often each whole number from `least` on is there.
fn of_counts(counts: &[u64], least: i32, above: f32, percents: &[f64]) -> Option<Statistics> {
    let value_of = |bin: usize| bin as i32 + least;
    let skip = counts.iter().enumerate().take_while(|(bin, _)| value_of(*bin) as f32 <= above).count();
    let (counts, least) = (&counts[skip..], least + skip as i32);
    let value_of = |bin: usize| i128::from(bin as i32 + least);
    let some = || counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let count: u64 = counts.iter().sum();
    let (first, last) = (some().next()?.0, some().next_back()?.0);
    let sum: i128 = some().map(|(bin, &count)| value_of(bin) * i128::from(count)).sum();
    let squares: i128 = some().map(|(bin, &count)| value_of(bin).pow(2) * i128::from(count)).sum();
    let n = i128::from(count);
    let variance = (n * squares - sum * sum) as f64 / (count as f64 * count as f64);
    let value = |rank: u64| value_of(bin_of(counts, rank).0) as f64;
    Some(Statistics {
        count,
        least: value_of(first) as f32,
        most: value_of(last) as f32,
        mean: sum as f64 / count as f64,
        deviation: variance.sqrt(),
        percentiles: percents.iter().map(|&percent| Place::of(percent, count).between(value)).collect(),
    })
}

/// The bin in which the value of that rank (from 0) is, and how many are in the bins before.
fn bin_of(counts: &[u64], rank: u64) -> (usize, u64) {
    let mut below = 0;
    for (bin, &count) in counts.iter().enumerate() {
        if rank < below + count {
            return (bin, below);
        }
        below += count;
    }
    unreachable!("a rank is below the number of values")
}

/// Between which two values in order a percentile lies.
struct Place {
    low: u64,
    high: u64,
    share: f64,
}

impl Place {
    fn of(percent: f64, count: u64) -> Self {
        let place = percent / 100.0 * (count - 1) as f64;
        let low = (place as u64).min(count - 1);
        Self { low, high: (low + 1).min(count - 1), share: place - low as f64 }
    }

    fn between(&self, value: impl Fn(u64) -> f64) -> f32 {
        let (low, high) = (value(self.low), value(self.high));
        (if low == high { low } else { low + (high - low) * self.share }) as f32
    }
}

/// The bits of a number, so that greater numbers have greater ones.
#[inline(always)]
fn in_order(value: f32) -> u32 {
    // 0 and -0 are the same value.
    let bits = (value + 0.0).to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn from_order(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

/// Mean and deviation of a part.
///
/// Source: T. F. Chan, G. H. Golub and R. J. LeVeque, Algorithms for computing the sample variance, The
/// American Statistician 37(3), 1983.
struct Moments {
    count: u64,
    least: f32,
    most: f32,
    mean: f64,
    /// The sum of squared distances from the mean.
    squares: f64,
}

impl Moments {
    fn with(self, other: Self) -> Self {
        let count = self.count + other.count;
        let share = other.count as f64 / count.max(1) as f64;
        let off = other.mean - self.mean;
        Self {
            count,
            least: self.least.min(other.least),
            most: self.most.max(other.most),
            mean: self.mean + off * share,
            squares: self.squares + other.squares + off * off * share * self.count as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    const PERCENTS: [f64; 6] = [0.0, 0.5, 25.0, 50.0, 99.5, 100.0];

    fn number((k, j, i): (usize, usize, usize)) -> usize {
        (k * 33 + j) * 65 + i
    }

    fn whole() -> Array3<i16> {
        Array3::from_shape_fn((7, 33, 65), |at| (number(at) * 7919 % 4001) as i16 - 2000)
    }

    fn float() -> Array3<f32> {
        whole().mapv(|v| 0.37 * f32::from(v) + 1000.25)
    }

    fn third() -> Array3<bool> {
        Array3::from_shape_fn((7, 33, 65), |at| number(at).is_multiple_of(3))
    }

    /// Count, least, greatest, mean, deviation and percentiles are those by numpy 2.4.6.
    #[track_caller]
    fn check<T: Voxel>(
        source: &Array3<T>,
        which: Which<'_>,
        count: u64,
        [mean, deviation]: [f64; 2],
        at: [f32; 6],
    ) {
        let found = statistics(&Device::Cpu, source.view(), which, &PERCENTS).unwrap().unwrap();
        assert_eq!((found.count, found.least, found.most), (count, at[0], at[5]));
        assert!((found.mean - mean).abs() < 1e-9 * 1000.0, "mean {}", found.mean);
        assert!((found.deviation - deviation).abs() < 1e-9 * 1000.0, "deviation {}", found.deviation);
        for (found, expected) in found.percentiles.iter().zip(at) {
            assert!((found - expected).abs() <= expected.abs() * f32::EPSILON, "{found} for {expected}");
        }
    }

    #[test]
    fn whole_numbers_have_the_statistics_that_numpy_finds() {
        let (source, mask) = (whole(), third());
        let all = [-2000.0, -1980.93, -999.0, 3.0, 1980.0, 2000.0];
        check(&source, Which::All, 15_015, [1.238_827_838_827_838_9, 1_155.076_658_819_581_6], all);
        let masked = [-2000.0, -1981.98, -999.0, 2.0, 1979.0, 2000.0];
        check(
            &source,
            Which::In(mask.view()),
            5005,
            [-0.231_168_831_168_831_16, 1_155.211_838_026_608_8],
            masked,
        );
        let above = [101.0, 110.695, 576.0, 1050.5, 1990.305, 2000.0];
        check(&source, Which::Above(100.0), 7140, [1_050.493_557_422_969_2, 548.315_905_579_470_2], above);
    }

    #[test]
    fn fractions_have_the_statistics_that_numpy_finds() {
        let (source, mask) = (float(), third());
        let all = [260.25, 267.305_87, 630.62, 1_001.36, 1_732.850_1, 1740.25];
        check(&source, Which::All, 15_015, [1_000.708_366_637_431_6, 427.378_369_659_211_56], all);
        let masked = [260.25, 266.917_37, 630.62, 1_000.99, 1_732.48, 1740.25];
        check(
            &source,
            Which::In(mask.view()),
            5005,
            [1_000.164_467_856_362_4, 427.428_385_970_523_3],
            masked,
        );
        let above = [1000.25, 1_003.95, 1185.25, 1370.25, 1736.55, 1740.25];
        check(&source, Which::Above(1000.0), 7519, [1_370.277_021_089_217_2, 213.651_230_242_543_76], above);
    }

    #[test]
    fn the_two_ways_of_counting_agree_on_whole_numbers() {
        let (source, mask) = (whole(), third());
        for which in [Which::All, Which::In(mask.view()), Which::Above(-3.0)] {
            let of = |found: Result<Option<Statistics>, Error>| found.unwrap().unwrap();
            let counted = of(statistics(&Device::Cpu, source.view(), which, &PERCENTS));
            let float = of(statistics(&Device::Cpu, source.mapv(f32::from).view(), which, &PERCENTS));
            assert_eq!(counted.percentiles, float.percentiles);
            assert!(
                (counted.mean - float.mean).abs() < 1e-9
                    && (counted.deviation - float.deviation).abs() < 1e-9
            );
        }
    }

    #[test]
    fn what_is_not_a_number_does_not_count_and_zero_has_no_sign() {
        let source =
            Array3::from_shape_vec((1, 1, 5), vec![f32::NAN, -0.0, 0.0, f32::MIN, f32::MAX]).unwrap();
        let found =
            statistics(&Device::Cpu, source.view(), Which::All, &[0.0, 50.0, 100.0]).unwrap().unwrap();
        assert_eq!((found.count, found.percentiles), (4, vec![f32::MIN, 0.0, f32::MAX]));
    }

    #[test]
    fn where_nothing_counts_there_are_no_statistics() {
        let source = whole();
        let nothing = Array3::from_elem(source.dim(), false);
        for which in [Which::In(nothing.view()), Which::Above(2000.0)] {
            assert_eq!(statistics(&Device::Cpu, source.view(), which, &[50.0]).unwrap(), None);
        }
        let empty = Array3::<f32>::zeros((0, 3, 3));
        assert_eq!(statistics(&Device::Cpu, empty.view(), Which::All, &[50.0]).unwrap(), None);
    }

    #[test]
    fn all_the_same_value_has_no_deviation_and_no_range() {
        let source = Array3::from_elem((3, 3, 3), -1024_i16);
        let found = statistics(&Device::Cpu, source.view(), Which::All, &[1.0, 99.0]).unwrap().unwrap();
        assert_eq!((found.mean, found.deviation), (-1024.0, 0.0));
        assert_eq!(found.between(0, 1, 0.0), None);
        let values = found.z_score(-2000.0, 2000.0, 0.0);
        assert!(values.scale.is_finite() && values.offset.is_finite());
    }

    #[test]
    fn percentiles_become_a_window_and_the_mean_becomes_zero() {
        let found = statistics(&Device::Cpu, whole().view(), Which::All, &[25.0, 50.0]).unwrap().unwrap();
        let window = found.between(0, 1, -1.0).unwrap();
        assert_eq!((window.low_hu, window.high_hu, window.low, window.high), (-999.0, 3.0, 0.0, 1.0));
        let values = found.z_score(-1000.0, 1000.0, 0.0);
        assert!((values.scale as f64 * found.mean + f64::from(values.offset)).abs() < 1e-6);
    }
}
