//! A mask of one bit per voxel: 64 voxels of a row in one word.
//!
//! An eighth of the memory of an array of `bool`, and 64 voxels at a time. What masks grow, shrink and
//! fill by is in [`crate::morphology`].

mod cuda;
mod pack;

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::resample::resample_mask;
use crate::simd::Level;
use crate::{Device, Error, IndexMap, Voxel, blank};

pub use cuda::DeviceBits;
use cuda::Wanted;
use pack::unpack_row;
pub(crate) use pack::{pack_rows, pack_where};

/// A mask of one bit per voxel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bits {
    pub(crate) shape: [usize; 3],
    /// Words per row; bits beyond the last column are 0.
    pub(crate) stride: usize,
    pub(crate) words: Vec<u64>,
}

/// At least so many rows make a task of their own: fewer are not worth handing out.
const ROWS: usize = 64;

/// So many slices are resampled at a time: they stay in the cache until they are packed.
const SLAB: usize = 16;

impl Bits {
    /// A mask of `shape` (`[k, j, i]`) with no voxel in it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for it.
    pub fn none(shape: [usize; 3]) -> Result<Self, Error> {
        let stride = shape[2].div_ceil(64);
        let words = [shape[0], shape[1], stride].iter().try_fold(1_usize, |all, &n| all.checked_mul(n));
        let words = words.ok_or(Error::OutOfMemory { voxels: usize::MAX })?;
        let room = Vec::<u64>::new().try_reserve_exact(words);
        room.map_err(|_| Error::OutOfMemory { voxels: words.saturating_mul(64) })?;
        Ok(Self { shape, stride, words: vec![0; words] })
    }

    /// The same mask as `mask`.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for it.
    pub fn of(mask: ArrayView3<'_, bool>) -> Result<Self, Error> {
        Self::wherever(mask, |is_in| is_in)
    }

    /// The voxels of `volume` from `low` to `high`, both included; those that are not a number are not.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn within<T: Voxel + PartialOrd>(
        device: &Device,
        volume: ArrayView3<'_, T>,
        low: T,
        high: T,
    ) -> Result<Self, Error> {
        match device {
            Device::Cpu => Self::wherever(volume, |value| value >= low && value <= high),
            Device::Cuda(gpu) => {
                let wanted = Wanted { low: exact(low), high: exact(high), above: false };
                cuda::wherever(gpu, volume, wanted)?.download()
            }
        }
    }

    /// The voxels of `volume` above `threshold`; those that are not a number are not.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn above<T: Voxel + PartialOrd>(
        device: &Device,
        volume: ArrayView3<'_, T>,
        threshold: T,
    ) -> Result<Self, Error> {
        match device {
            Device::Cpu => Self::wherever(volume, |value| value > threshold),
            Device::Cuda(gpu) => {
                let wanted = Wanted { low: exact(threshold), high: f64::INFINITY, above: true };
                cuda::wherever(gpu, volume, wanted)?.download()
            }
        }
    }

    /// Where `source`, trilinearly interpolated where `map` leads from each voxel of an array of `shape`
    /// (`[k, j, i]`), is above `threshold`; outside of the source it is not. Needs no array of `bool` of that
    /// shape.
    ///
    /// As [`resample_mask`], but for places that rounding moves by a millionth of a voxel.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result; on a GPU those of the device as well.
    pub fn resampled<T: Voxel>(
        device: &Device,
        source: ArrayView3<'_, T>,
        shape: [usize; 3],
        map: &IndexMap,
        threshold: f32,
    ) -> Result<Self, Error> {
        if let Device::Cuda(_) = device {
            // The source goes there once.
            return Self::of(resample_mask(device, source, shape, map, threshold)?.view());
        }
        let mut bits = Self::none(shape)?;
        let size = shape[1] * bits.stride;
        if bits.words.is_empty() {
            return Ok(bits);
        }
        let source = source.as_standard_layout();
        for (number, words) in bits.words.chunks_mut(SLAB * size).enumerate() {
            let first = number * SLAB;
            let map = map.map(|[i, j, k, start]| [i, j, k, start + k * first as f64]);
            let slab = [words.len() / size, shape[1], shape[2]];
            let mask = resample_mask(device, source.view(), slab, &map, threshold)?;
            let voxels = mask.as_slice().expect("made in standard layout");
            let rows = words.par_chunks_mut(bits.stride).zip(voxels.par_chunks(shape[2]));
            rows.with_min_len(ROWS)
                .for_each(|(words, row)| pack_where(Level::best(), row, words, |is_in| is_in));
        }
        Ok(bits)
    }

    /// The voxels of `volume` that `is_in` says.
    pub(crate) fn wherever<T: Voxel>(
        volume: ArrayView3<'_, T>,
        is_in: impl Fn(T) -> bool + Sync + Copy,
    ) -> Result<Self, Error> {
        let mut bits = Self::none(volume.dim().into())?;
        let volume = volume.as_standard_layout();
        let voxels = volume.as_slice().expect("just made standard");
        if !voxels.is_empty() {
            let (level, columns) = (Level::best(), bits.shape[2]);
            let rows = bits.words.par_chunks_mut(bits.stride * ROWS);
            rows.zip(voxels.par_chunks(columns * ROWS))
                .for_each(|(words, voxels)| pack_rows(level, voxels, columns, words, is_in));
        }
        Ok(bits)
    }

    /// The same mask as an array.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn to_mask(&self) -> Result<Array3<bool>, Error> {
        let mut mask = blank(self.shape)?;
        if !mask.is_empty() {
            let voxels = mask.as_slice_mut().expect("made in standard layout");
            let rows = self.words.par_chunks(self.stride * ROWS);
            rows.zip(voxels.par_chunks_mut(self.shape[2] * ROWS)).for_each(|(words, voxels)| {
                for (words, row) in words.chunks(self.stride).zip(voxels.chunks_mut(self.shape[2])) {
                    unpack_row(words, row);
                }
            });
        }
        Ok(mask)
    }

    /// Slices, rows and columns.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The words of all rows, one row after the other; the first voxel of a row is the lowest bit of its
    /// first word, and bits beyond the last column are 0.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// How many voxels are in the mask.
    pub fn count(&self) -> usize {
        self.words
            .par_chunks(4096)
            .map(|words| words.iter().map(|w| w.count_ones() as usize).sum::<usize>())
            .sum()
    }

    /// Whether the voxel at `[k, j, i]` is in the mask; voxels beyond its shape are not.
    pub fn contains(&self, at: [usize; 3]) -> bool {
        (0..3).all(|axis| at[axis] < self.shape[axis])
            && self.words[(at[0] * self.shape[1] + at[1]) * self.stride + at[2] / 64] >> (at[2] % 64) & 1 == 1
    }

    /// Adds the voxels of `other`, which has the same shape.
    ///
    /// # Panics
    ///
    /// If it has another: the caller's mistake.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, |to, from| *to |= from);
    }

    /// Keeps the voxels that are in `other` too, which has the same shape.
    ///
    /// # Panics
    ///
    /// If it has another: the caller's mistake.
    pub fn keep(&mut self, other: &Self) {
        self.combine(other, |to, from| *to &= from);
    }

    fn combine(&mut self, other: &Self, join: impl Fn(&mut u64, u64) + Sync) {
        assert_eq!(self.shape, other.shape, "masks of the same shape");
        let words = self.words.par_chunks_mut(4096).zip(other.words.par_chunks(4096));
        words.for_each(|(to, from)| to.iter_mut().zip(from).for_each(|(to, &from)| join(to, from)));
    }

    /// The voxels that are not in it.
    #[must_use]
    pub fn inverted(mut self) -> Self {
        let last = self.last_word();
        self.words.par_chunks_mut((self.stride * ROWS).max(1)).for_each(|rows| {
            rows.iter_mut().for_each(|word| *word = !*word);
            trim(rows, self.stride, last);
        });
        self
    }

    /// The bits of a row's last word that are voxels.
    pub(crate) fn last_word(&self) -> u64 {
        if self.shape[2].is_multiple_of(64) { u64::MAX } else { (1 << (self.shape[2] % 64)) - 1 }
    }

    /// The first index of the mask's voxels on each axis, and the one after the last; `None` if it is empty.
    pub fn bounds(&self) -> Option<[[usize; 3]; 2]> {
        let size = self.shape[1] * self.stride;
        if size == 0 {
            return None;
        }
        let slices = self.words.par_chunks(size).enumerate().filter_map(|(k, slice)| {
            let first = slice.iter().position(|&word| word != 0)? / self.stride;
            let last = slice.iter().rposition(|&word| word != 0)? / self.stride;
            let columns = (0..self.stride).filter_map(|at| {
                let any = slice.iter().skip(at).step_by(self.stride).fold(0, |any, word| any | word);
                let (low, high) = (any.trailing_zeros() as usize, 64 - any.leading_zeros() as usize);
                (any != 0).then_some((64 * at + low, 64 * at + high))
            });
            let (low, high) = columns.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
            Some([[k, first, low], [k + 1, last + 1, high]])
        });
        slices.reduce_with(|a, b| {
            [
                std::array::from_fn(|axis| a[0][axis].min(b[0][axis])),
                std::array::from_fn(|axis| a[1][axis].max(b[1][axis])),
            ]
        })
    }

    /// Whether any voxel from `low` up to, but not including, `high` is in the mask; voxels beyond its shape
    /// are not.
    pub fn any_within(&self, low: [usize; 3], high: [usize; 3]) -> bool {
        let high: [usize; 3] = std::array::from_fn(|axis| high[axis].min(self.shape[axis]));
        if (0..3).any(|axis| low[axis] >= high[axis]) {
            return false;
        }
        let (first, last) = (low[2] / 64, (high[2] - 1) / 64);
        let from = u64::MAX << (low[2] % 64);
        let until = u64::MAX >> (63 - (high[2] - 1) % 64);
        (low[0]..high[0]).any(|k| {
            (low[1]..high[1]).any(|j| {
                let row = &self.words[(k * self.shape[1] + j) * self.stride..][first..=last];
                row.iter().enumerate().any(|(at, word)| {
                    let from = if at == 0 { from } else { u64::MAX };
                    let until = if first + at == last { until } else { u64::MAX };
                    word & from & until != 0
                })
            })
        })
    }
}

/// The value of any kind of voxel as the kernels compare it.
fn exact<T: Voxel>(value: T) -> f64 {
    // Only these kinds have values that single precision does not hold.
    let any: &dyn std::any::Any = &value;
    match (any.downcast_ref::<i32>(), any.downcast_ref::<u32>()) {
        (Some(&value), _) => f64::from(value),
        (_, Some(&value)) => f64::from(value),
        _ => f64::from(value.to_f32()),
    }
}

/// Clears the bits beyond the last column.
pub(crate) fn trim(rows: &mut [u64], stride: usize, last: u64) {
    if last != u64::MAX {
        rows.iter_mut().skip(stride - 1).step_by(stride).for_each(|word| *word &= last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [[usize; 3]; 8] =
        [[7, 33, 65], [3, 5, 64], [2, 3, 1], [1, 1, 200], [4, 1, 63], [0, 3, 3], [3, 0, 3], [3, 3, 0]];

    fn noise(shape: [usize; 3]) -> Array3<i16> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        Array3::from_shape_simple_fn(shape, || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 48) as i16
        })
    }

    #[test]
    fn packed_and_unpacked_is_the_same_mask() {
        for shape in SHAPES {
            let mask = noise(shape).mapv(|value| value % 3 == 0);
            let bits = Bits::of(mask.view()).unwrap();
            assert_eq!(bits.to_mask().unwrap(), mask, "{shape:?}");
            assert_eq!(bits.count(), mask.iter().filter(|&&is_in| is_in).count());
            assert!(mask.indexed_iter().all(|((k, j, i), &is_in)| bits.contains([k, j, i]) == is_in));
            assert_eq!(bits.clone().inverted().to_mask().unwrap(), mask.mapv(|is_in| !is_in));
            assert_eq!(bits.clone().inverted().inverted(), bits, "no bit beyond the last column");
        }
        let turned = noise([9, 5, 70]).mapv(|value| value > 0);
        let turned = turned.view().reversed_axes();
        assert_eq!(Bits::of(turned).unwrap().to_mask().unwrap(), turned);
    }

    #[test]
    fn a_threshold_is_the_same_as_voxel_by_voxel() {
        for shape in SHAPES {
            let volume = noise(shape);
            let found = Bits::within(&Device::Cpu, volume.view(), -300, 9000).unwrap();
            assert_eq!(found.to_mask().unwrap(), volume.mapv(|v| (-300..=9000).contains(&v)));
            let found = Bits::above(&Device::Cpu, volume.view(), 17).unwrap();
            assert_eq!(found.to_mask().unwrap(), volume.mapv(|v| v > 17));
        }
        let odd = Array3::from_shape_vec((1, 1, 4), vec![f32::NAN, 0.5, 0.6, f32::INFINITY]).unwrap();
        assert_eq!(Bits::above(&Device::Cpu, odd.view(), 0.5).unwrap().words(), [0b1100]);
        assert_eq!(Bits::within(&Device::Cpu, odd.view(), 0.5, 0.6).unwrap().words(), [0b0110]);
    }

    #[test]
    fn a_mask_resampled_into_bits_is_the_mask_resampled() {
        let source = noise([40, 21, 33]).mapv(|value| value > 0);
        let oblique = [[0.9, 0.25, -0.125, -4.0], [-0.25, 1.0, 0.125, 2.0], [0.0625, 0.0, 0.5, 0.25]];
        for map in [[[0.7, 0.0, 0.0, -0.1], [0.0, 0.7, 0.0, -0.1], [0.0, 0.0, 0.8, 0.3]], oblique] {
            for shape in [[47, 30, 65], [3, 5, 1], [0, 3, 3], [3, 0, 3], [16, 3, 3]] {
                let found = Bits::resampled(&Device::Cpu, source.view(), shape, &map, 0.5).unwrap();
                let expected = resample_mask(&Device::Cpu, source.view(), shape, &map, 0.5).unwrap();
                assert_eq!(found.to_mask().unwrap(), expected, "{shape:?}");
            }
        }
    }

    #[test]
    fn bounds_and_boxes_are_those_of_the_voxels() {
        let mut mask = Array3::from_elem((9, 12, 150), false);
        assert_eq!(Bits::of(mask.view()).unwrap().bounds(), None);
        for at in [[2, 7, 63], [5, 3, 64], [4, 9, 130]] {
            mask[at] = true;
        }
        let bits = Bits::of(mask.view()).unwrap();
        assert_eq!(bits.bounds(), Some([[2, 3, 63], [6, 10, 131]]));
        assert!(bits.any_within([0, 0, 0], [9, 12, 150]) && bits.any_within([2, 7, 63], [3, 8, 64]));
        assert!(bits.any_within([5, 0, 64], [99, 99, 999]) && bits.any_within([4, 9, 65], [5, 10, 131]));
        assert!(!bits.any_within([2, 7, 64], [3, 8, 150]) && !bits.any_within([0, 0, 0], [9, 12, 63]));
        assert!(!bits.any_within([5, 3, 65], [6, 4, 150]) && !bits.any_within([3, 3, 3], [3, 4, 4]));
    }

    #[test]
    fn what_two_masks_share_and_have_together() {
        let (a, b) = (noise([3, 4, 70]).mapv(|v| v % 2 == 0), noise([3, 4, 70]).mapv(|v| v % 3 == 0));
        let (mut both, mut any) = (Bits::of(a.view()).unwrap(), Bits::of(a.view()).unwrap());
        both.keep(&Bits::of(b.view()).unwrap());
        any.add(&Bits::of(b.view()).unwrap());
        assert_eq!(both.to_mask().unwrap(), &a & &b);
        assert_eq!(any.to_mask().unwrap(), &a | &b);
    }

    #[test]
    fn a_mask_that_cannot_be_held_is_an_error() {
        assert!(matches!(Bits::none([usize::MAX, 2, 2]), Err(Error::OutOfMemory { .. })));
        assert!(matches!(Bits::none([usize::MAX / 32, 1, 64]), Err(Error::OutOfMemory { .. })));
    }
}
