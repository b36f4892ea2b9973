//! Picking the voxels of an output's row from a source's row.

use super::{Kept, convert, mix};
use crate::Voxel;
use crate::grid::Axis;
#[cfg(target_arch = "x86_64")]
use crate::simd::Instructions;
use crate::simd::Level;

/// How many voxels are picked at once.
pub(crate) const LANES: usize = 16;

/// From how many.
const WINDOW: usize = 32;

/// Which voxels of a row make up each voxel of the output's row.
pub(crate) struct Picks {
    taps: usize,
    /// How many voxels of the row are used.
    used: usize,
    /// Counted from the first of those.
    first: Vec<u32>,
    /// `taps` for each; for one or two taps, the second one's alone.
    weights: Vec<f32>,
    /// Every voxel is taken as it is, one after the other.
    whole: bool,
    /// For one or two taps, if all of them lie in such windows.
    windows: Option<Vec<Window>>,
}

/// Where [`LANES`] output voxels come from.
#[repr(C, align(64))]
struct Window {
    /// For each the two voxels, counted from `start`: the first in the lower half, the second in the upper.
    at: [u32; LANES],
    /// Those of the second voxels.
    weights: [f32; LANES],
    /// The first voxel of the row that is read, with [`WINDOW`] in all.
    start: usize,
}

impl Window {
    /// Of a row of `used` voxels; `None` if not all that is needed lies in a window that lies in it.
    fn new(first: &[u32], weights: &[f32], taps: usize, used: usize) -> Option<Self> {
        let low = first.iter().min().copied().unwrap_or(0);
        let start = (low as usize).min(used.checked_sub(WINDOW)?);
        let mut window = Self { at: [0; LANES], weights: [0.0; LANES], start };
        for (at, &first) in first.iter().enumerate() {
            let second = (first as usize + taps - 1).min(used - 1) - start;
            if second >= WINDOW {
                return None;
            }
            window.at[at] = (first - start as u32) | (second as u32) << 16;
        }
        window.weights[..weights.len()].copy_from_slice(weights);
        Some(window)
    }
}

impl Picks {
    /// The picks of the output indices `at`, all inside, from a row whose voxels `used` are given.
    pub(crate) fn new(axis: &Axis, at: std::ops::Range<usize>, used: &std::ops::Range<usize>) -> Self {
        let taps = axis.taps;
        let at = at.start - axis.inside.start..at.end - axis.inside.start;
        let first: Vec<u32> =
            axis.first[at.clone()].iter().map(|&first| (first - used.start) as u32).collect();
        let weights = &axis.weights[at.start * taps..at.end * taps];
        let weights: Vec<f32> = match taps {
            1 => vec![0.0; weights.len()],
            2 => weights.chunks_exact(2).map(|pair| pair[1]).collect(),
            _ => weights.to_vec(),
        };
        let one_by_one = first.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let unblended = taps <= 2 && weights.iter().all(|&weight| weight == 0.0);
        let chunks = first.chunks(LANES).zip(weights.chunks(LANES));
        let window = |(first, weights): (&[u32], &[f32])| Window::new(first, weights, taps, used.len());
        let windows = if taps <= 2 { chunks.map(window).collect() } else { None };
        Self { taps, used: used.len(), first, weights, whole: one_by_one && unblended, windows }
    }

    /// Whether no more than two voxels make up one.
    pub(crate) fn of_two(&self) -> bool {
        self.taps <= 2
    }

    /// Where in a row the voxels lie if they are taken as they are, one after the other.
    pub(crate) fn whole(&self) -> Option<usize> {
        self.whole.then(|| self.first.first().map_or(0, |&first| first as usize))
    }

    /// The voxels picked from `row`. What is beyond them in `to`, up to whole [`LANES`], is of no meaning.
    /// `converted` is room for the row.
    ///
    /// # Panics
    ///
    /// If `to` has not as many whole [`LANES`] as it takes, or `row` is not what was said to be used.
    pub(crate) fn pick<T: Voxel>(&self, level: Level, to: &mut [f32], row: &[T], converted: &mut Vec<f32>) {
        let count = self.first.len();
        assert!(to.len() >= count.next_multiple_of(LANES) && row.len() == self.used);
        if let Some(start) = self.whole() {
            return convert(level, &mut to[..count], &row[start..][..count]);
        }
        if let Kept::Others = T::kept(row) {
            converted.resize(converted.len().max(row.len()), 0.0);
            convert(level, &mut converted[..row.len()], row);
            return self.pick_kept(level, to, &converted[..row.len()]);
        }
        self.pick_kept(level, to, row);
    }

    /// From voxels of a kind that is picked from as it is.
    fn pick_kept<T: Voxel>(&self, level: Level, to: &mut [f32], row: &[T]) {
        match (level.instructions(), &self.windows) {
            // SAFETY: the level says that the machine has AVX-512.
            #[cfg(target_arch = "x86_64")]
            (Instructions::Avx512, Some(windows)) => unsafe {
                match T::kept(row) {
                    Kept::Words(row) => words_avx512(to, row, windows),
                    Kept::Singles(row) => singles_avx512(to, row, windows),
                    Kept::Others => self.one_by_one(0, to, row),
                }
            },
            // SAFETY: the level says that the machine has AVX2.
            #[cfg(target_arch = "x86_64")]
            (Instructions::Avx512 | Instructions::Avx2, _) if self.of_two() => unsafe {
                self.gathered_avx2(to, row);
            },
            _ => self.one_by_one(0, to, row),
        }
    }

    /// From the output voxel `start` on, as many as there are or fit.
    #[inline]
    fn one_by_one<T: Voxel>(&self, start: usize, to: &mut [f32], row: &[T]) {
        let first = &self.first[start..];
        match self.taps {
            1 => {
                for (to, &first) in to.iter_mut().zip(first) {
                    *to = row[first as usize].to_f32();
                }
            }
            2 => {
                for ((to, &first), &weight) in to.iter_mut().zip(first).zip(&self.weights[start..]) {
                    let second = (first as usize + 1).min(row.len() - 1);
                    *to = mix(row[first as usize].to_f32(), row[second].to_f32(), weight);
                }
            }
            taps => {
                let weights = self.weights[start * taps..].chunks_exact(taps);
                for ((to, &first), weights) in to.iter_mut().zip(first).zip(weights) {
                    let voxels = &row[first as usize..][..taps];
                    *to = voxels.iter().zip(weights).map(|(voxel, weight)| voxel.to_f32() * weight).sum();
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn gathered_avx2<T: Voxel>(&self, to: &mut [f32], row: &[T]) {
        use std::arch::x86_64::*;
        let row = &row[..row.len().min(i32::MAX as usize)];
        for (chunk, (to, first)) in to.chunks_mut(8).zip(self.first.chunks(8)).enumerate() {
            let start = 8 * chunk;
            if first.len() < 8 || !first.iter().all(|&first| (first as usize) + 1 < row.len()) {
                self.one_by_one(start, to, row);
                continue;
            }
            let weights = &self.weights[start..][..8];
            // SAFETY: all are eight long, and the indices lie in the row, as does the one after each.
            unsafe {
                let at = _mm256_loadu_si256(first.as_ptr().cast());
                let [low, high] = match T::kept(row) {
                    Kept::Words(row) => {
                        // Both at once: the lower half and the upper.
                        let pair = _mm256_i32gather_epi32::<2>(row.as_ptr().cast(), at);
                        let low = _mm256_srai_epi32::<16>(_mm256_slli_epi32::<16>(pair));
                        [_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(_mm256_srai_epi32::<16>(pair))]
                    }
                    Kept::Singles(row) => [
                        _mm256_i32gather_ps::<4>(row.as_ptr(), at),
                        _mm256_i32gather_ps::<4>(row.as_ptr().add(1), at),
                    ],
                    Kept::Others => {
                        self.one_by_one(start, to, row);
                        continue;
                    }
                };
                let added = _mm256_mul_ps(_mm256_sub_ps(high, low), _mm256_loadu_ps(weights.as_ptr()));
                _mm256_storeu_ps(to.as_mut_ptr(), _mm256_add_ps(low, added));
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn words_avx512(to: &mut [f32], row: &[i16], windows: &[Window]) {
    use std::arch::x86_64::*;
    // What a pair's two voxels are multiplied with.
    let (difference, lower) = (_mm512_set1_epi32(0x0001_ffff), _mm512_set1_epi32(0x0000_0001));
    for (to, window) in to.chunks_exact_mut(LANES).zip(windows) {
        debug_assert!(window.start + WINDOW <= row.len());
        // SAFETY: `pick` saw that the row is the one that windows were made for, and they lie in that. Each is
        // one vector long, as is each part of a window, and `to`.
        unsafe {
            let from = _mm512_loadu_si512(row.as_ptr().add(window.start).cast());
            let pair = _mm512_permutexvar_epi16(_mm512_load_si512(window.at.as_ptr().cast()), from);
            // Both are exact.
            let difference = _mm512_cvtepi32_ps(_mm512_madd_epi16(pair, difference));
            let lower = _mm512_cvtepi32_ps(_mm512_madd_epi16(pair, lower));
            let added = _mm512_mul_ps(difference, _mm512_load_ps(window.weights.as_ptr()));
            _mm512_storeu_ps(to.as_mut_ptr(), _mm512_add_ps(lower, added));
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn singles_avx512(to: &mut [f32], row: &[f32], windows: &[Window]) {
    use std::arch::x86_64::*;
    for (to, window) in to.chunks_exact_mut(LANES).zip(windows) {
        debug_assert!(window.start + WINDOW <= row.len());
        // SAFETY: as above, but a window is two vectors long.
        unsafe {
            let from = row.as_ptr().add(window.start);
            let (low, high) = (_mm512_loadu_ps(from), _mm512_loadu_ps(from.add(LANES)));
            // Of these only the lowest five bits count.
            let at = _mm512_load_si512(window.at.as_ptr().cast());
            let first = _mm512_permutex2var_ps(low, at, high);
            let second = _mm512_permutex2var_ps(low, _mm512_srli_epi32::<16>(at), high);
            let difference = _mm512_sub_ps(second, first);
            let added = _mm512_mul_ps(difference, _mm512_load_ps(window.weights.as_ptr()));
            _mm512_storeu_ps(to.as_mut_ptr(), _mm512_add_ps(first, added));
        }
    }
}
