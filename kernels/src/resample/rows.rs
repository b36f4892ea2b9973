//! What resampling does to rows of voxels: blend several into one, pick from one, finish one. Everything
//! here exists once for each kind of vector instructions, with the same bits from all of them.

use half::f16;

use crate::grid::Axis;
use crate::simd::{Instructions, Level, at_each_level};
use crate::{Real, Voxel};

/// Exactly `a` for weight 0.
#[inline(always)]
pub(super) fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

at_each_level! {
    fn convert[T: Voxel](to: &mut [f32], a: &[T]) {
        for (to, a) in to.iter_mut().zip(a) {
            *to = a.to_f32();
        }
    }
}

at_each_level! {
    fn blend_two[T: Voxel](to: &mut [f32], a: &[T], b: &[T], weight: f32) {
        for (to, (a, b)) in to.iter_mut().zip(a.iter().zip(b)) {
            *to = mix(a.to_f32(), b.to_f32(), weight);
        }
    }
}

at_each_level! {
    fn scale[T: Voxel](to: &mut [f32], a: &[T], weight: f32) {
        for (to, a) in to.iter_mut().zip(a) {
            *to = a.to_f32() * weight;
        }
    }
}

at_each_level! {
    fn add[T: Voxel](to: &mut [f32], a: &[T], weight: f32) {
        for (to, a) in to.iter_mut().zip(a) {
            *to += a.to_f32() * weight;
        }
    }
}

/// The rows that `row` gives for each tap, blended by their weights. Rows of weight 0 are not read.
pub(super) fn blend<'a, T: Voxel>(
    level: Level,
    to: &mut [f32],
    weights: &[f32],
    row: impl Fn(usize) -> &'a [T],
) {
    match *weights {
        [_] | [_, 0.0] => convert(level, to, row(0)),
        [_, weight] => blend_two(level, to, row(0), row(1), weight),
        _ => {
            let mut taps = weights.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
            match taps.next() {
                Some((tap, &weight)) => scale(level, to, row(tap), weight),
                None => to.fill(0.0),
            }
            for (tap, &weight) in taps {
                add(level, to, row(tap), weight);
            }
        }
    }
}

/// Which voxels of a row make up each voxel of the output's row.
pub(super) struct Picks {
    taps: usize,
    /// Counted from the first voxel of the row that is used.
    first: Vec<u32>,
    /// `taps` for each; for two taps, the second one's alone.
    weights: Vec<f32>,
    /// Every voxel is taken as it is, one after the other.
    whole: bool,
    /// The lowest `first` of each [`LANES`], if all that those need lies within [`WINDOW`] of it.
    windows: Vec<Option<u32>>,
}

/// How many voxels are picked at once.
const LANES: usize = 16;
/// From how many.
const WINDOW: usize = 32;

impl Picks {
    /// How many numbers must follow the voxels used, so that whole windows can be read.
    pub(super) fn padding(&self) -> usize {
        self.taps.max(WINDOW)
    }

    /// The picks of the output indices `at`, all inside, from a row that begins with voxel `start`.
    pub(super) fn new(axis: &Axis, at: std::ops::Range<usize>, start: usize) -> Self {
        let taps = axis.taps;
        let at = at.start - axis.inside.start..at.end - axis.inside.start;
        let first: Vec<u32> = axis.first[at.clone()].iter().map(|&first| (first - start) as u32).collect();
        let weights = &axis.weights[at.start * taps..at.end * taps];
        let weights: Vec<f32> = match taps {
            2 => weights.chunks_exact(2).map(|pair| pair[1]).collect(),
            _ => weights.to_vec(),
        };
        let one_by_one = first.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let unblended = taps == 1 || taps == 2 && weights.iter().all(|&weight| weight == 0.0);
        let window = |firsts: &[u32]| {
            let (low, high) = (*firsts.iter().min()?, *firsts.iter().max()?);
            ((high - low) as usize + taps <= WINDOW).then_some(low)
        };
        let windows = first.chunks(LANES).map(window).collect();
        Self { taps, first, weights, whole: one_by_one && unblended, windows }
    }

    /// Where in a row the voxels lie if they are taken as they are, one after the other.
    pub(super) fn whole(&self) -> Option<usize> {
        self.whole.then(|| self.first.first().map_or(0, |&first| first as usize))
    }

    /// The voxels picked from `row`, which is followed by [`Self::padding`] numbers.
    pub(super) fn pick(&self, level: Level, to: &mut [f32], row: &[f32]) {
        assert_eq!(to.len(), self.first.len());
        match (self.taps, level.instructions()) {
            // SAFETY: the level says that the machine has AVX-512.
            #[cfg(target_arch = "x86_64")]
            (1 | 2, Instructions::Avx512) => unsafe { self.pick_avx512(to, row) },
            // SAFETY: the level says that the machine has AVX2.
            #[cfg(target_arch = "x86_64")]
            (1 | 2, Instructions::Avx2) => unsafe { self.pick_avx2(to, row) },
            _ => self.pick_one_by_one(0, to, row),
        }
    }

    /// From the output voxel `start` on.
    #[inline]
    fn pick_one_by_one(&self, start: usize, to: &mut [f32], row: &[f32]) {
        let first = &self.first[start..][..to.len()];
        match self.taps {
            1 => {
                for (to, &first) in to.iter_mut().zip(first) {
                    *to = row[first as usize];
                }
            }
            2 => {
                for ((to, &first), &weight) in to.iter_mut().zip(first).zip(&self.weights[start..]) {
                    let pair = &row[first as usize..][..2];
                    *to = mix(pair[0], pair[1], weight);
                }
            }
            taps => {
                let weights = self.weights[start * taps..].chunks_exact(taps);
                for ((to, &first), weights) in to.iter_mut().zip(first).zip(weights) {
                    let voxels = &row[first as usize..][..taps];
                    *to = voxels.iter().zip(weights).map(|(voxel, weight)| voxel * weight).sum();
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f")]
    fn pick_avx512(&self, to: &mut [f32], row: &[f32]) {
        use std::arch::x86_64::*;
        for (chunk, (to, window)) in to.chunks_mut(LANES).zip(&self.windows).enumerate() {
            let start = chunk * LANES;
            let Some(window) = *window else {
                self.pick_one_by_one(start, to, row);
                continue;
            };
            let from = &row[window as usize..][..WINDOW];
            let lanes = (1_u32 << to.len()).wrapping_sub(1) as __mmask16;
            let (first, weights) = (&self.first[start..][..to.len()], &self.weights[start..][..to.len()]);
            // SAFETY: `from` is two vectors long, and of the others no more is touched than `lanes` says,
            // which is as long as they are.
            unsafe {
                let low = _mm512_loadu_ps(from.as_ptr());
                let high = _mm512_loadu_ps(from.as_ptr().add(LANES));
                let at = _mm512_maskz_loadu_epi32(lanes, first.as_ptr().cast());
                let at = _mm512_sub_epi32(at, _mm512_set1_epi32(window as i32));
                let mut picked = _mm512_permutex2var_ps(low, at, high);
                if self.taps == 2 {
                    let at = _mm512_add_epi32(at, _mm512_set1_epi32(1));
                    let next = _mm512_permutex2var_ps(low, at, high);
                    let weight = _mm512_maskz_loadu_ps(lanes, weights.as_ptr());
                    picked = _mm512_add_ps(picked, _mm512_mul_ps(_mm512_sub_ps(next, picked), weight));
                }
                _mm512_mask_storeu_ps(to.as_mut_ptr(), lanes, picked);
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn pick_avx2(&self, to: &mut [f32], row: &[f32]) {
        use std::arch::x86_64::*;
        let whole = to.len() / 8 * 8;
        let row = &row[..row.len().min(i32::MAX as usize)];
        for start in (0..whole).step_by(8) {
            let (first, weights) = (&self.first[start..][..8], &self.weights[start..][..8]);
            let to = &mut to[start..][..8];
            assert!(first.iter().all(|&first| (first as usize) + 1 < row.len()));
            // SAFETY: all are eight long, and the indices lie in the row, as does the one after each.
            unsafe {
                let at = _mm256_loadu_si256(first.as_ptr().cast());
                let mut picked = _mm256_i32gather_ps::<4>(row.as_ptr(), at);
                if self.taps == 2 {
                    let next = _mm256_i32gather_ps::<4>(row.as_ptr().add(1), at);
                    let weight = _mm256_loadu_ps(weights.as_ptr());
                    picked = _mm256_add_ps(picked, _mm256_mul_ps(_mm256_sub_ps(next, picked), weight));
                }
                _mm256_storeu_ps(to.as_mut_ptr(), picked);
            }
        }
        self.pick_one_by_one(whole, &mut to[whole..], row);
    }
}

/// What becomes of interpolated values.
pub(super) trait Finish: Copy + Send + Sync {
    type Out: Voxel;

    /// What the output holds outside of the source.
    fn outside(self) -> Self::Out;

    /// `past_caches` writes to memory without reading it into the caches first.
    fn finish(self, level: Level, to: &mut [Self::Out], values: &[f32], past_caches: bool);
}

/// Onto another scale, within bounds.
#[derive(Clone, Copy)]
pub(super) struct Scale<O> {
    pub(super) scale: f32,
    pub(super) offset: f32,
    pub(super) least: f32,
    pub(super) most: f32,
    pub(super) outside: O,
}

impl<O: Real> Finish for Scale<O> {
    type Out = O;

    fn outside(self) -> O {
        self.outside
    }

    fn finish(self, level: Level, to: &mut [O], values: &[f32], past_caches: bool) {
        let Self { scale, offset, least, most, .. } = self;
        O::store(level, to, values, [scale, offset, least, most], past_caches);
    }
}

/// Whether it is above a threshold.
#[derive(Clone, Copy)]
pub(super) struct Above(pub(super) f32);

impl Finish for Above {
    type Out = bool;

    fn outside(self) -> bool {
        false
    }

    fn finish(self, level: Level, to: &mut [bool], values: &[f32], _past_caches: bool) {
        above(level, to, values, self.0);
    }
}

/// Has voxels brought into the second level cache. Only advice.
pub(crate) fn fetch<T: Voxel>(voxels: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in voxels.chunks(64 / size_of::<T>()) {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        // SAFETY: SSE is part of x86-64, and the address is that of a voxel.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = voxels;
}

/// Makes what went past the caches visible to other threads.
pub(super) fn settle() {
    // SAFETY: SSE is part of x86-64, and the instruction only waits.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

at_each_level! {
    fn above(to: &mut [bool], values: &[f32], threshold: f32) {
        for (to, &value) in to.iter_mut().zip(values) {
            *to = value > threshold;
        }
    }
}

/// A value on its new scale: `[scale, offset, least, most]`.
#[inline(always)]
fn scaled(value: f32, [scale, offset, least, most]: [f32; 4]) -> f32 {
    let value = value * scale + offset;
    let value = if value < least { least } else { value };
    if value > most { most } else { value }
}

at_each_level! {
    fn scaled_f32(to: &mut [f32], values: &[f32], onto: [f32; 4]) {
        for (to, &value) in to.iter_mut().zip(values) {
            *to = scaled(value, onto);
        }
    }
}

/// To `to` as 32 bits.
pub(crate) fn store_f32(level: Level, to: &mut [f32], values: &[f32], onto: [f32; 4], past_caches: bool) {
    let (mut to, mut values) = (to, values);
    if past_caches {
        let done = match level.instructions() {
            // SAFETY: the level says that the machine has AVX-512.
            #[cfg(target_arch = "x86_64")]
            Instructions::Avx512 => unsafe { stream_f32_avx512(to, values, onto) },
            _ => 0,
        };
        (to, values) = (&mut to[done..], &values[done..]);
    }
    scaled_f32(level, to, values, onto);
}

/// To `to` as 16 bits, rounded to the nearest, to even half-way.
pub(crate) fn store_f16(level: Level, to: &mut [f16], values: &[f32], onto: [f32; 4], past_caches: bool) {
    let done = match level.instructions() {
        // SAFETY: the level says that the machine has AVX-512.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { store_f16_avx512(to, values, onto, past_caches) },
        // SAFETY: the level says that the machine has AVX2 and F16C.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe { store_f16_avx2(to, values, onto) },
        _ => 0,
    };
    for (to, &value) in to[done..].iter_mut().zip(&values[done..]) {
        *to = f16::from_f32(scaled(value, onto));
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{f16, scaled};

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn on_scale([scale, offset, least, most]: [__m512; 4], value: __m512) -> __m512 {
        let value = _mm512_add_ps(_mm512_mul_ps(value, scale), offset);
        // The second operand is taken when one is not a number, as `scaled` does.
        _mm512_min_ps(most, _mm512_max_ps(least, value))
    }

    /// Returns how many were written: all but the last few.
    #[target_feature(enable = "avx512f")]
    pub(super) fn stream_f32_avx512(to: &mut [f32], values: &[f32], onto: [f32; 4]) -> usize {
        assert_eq!(to.len(), values.len());
        let head = to.as_ptr().align_offset(64).min(to.len());
        for (to, &value) in to[..head].iter_mut().zip(values) {
            *to = scaled(value, onto);
        }
        let onto = onto.map(|value| _mm512_set1_ps(value));
        let chunks = to[head..].chunks_exact_mut(16).zip(values[head..].chunks_exact(16));
        let count = chunks.len();
        for (to, values) in chunks {
            // SAFETY: both are 16 long, and `to` is aligned to 64 bytes by the choice of `head`.
            unsafe {
                let value = on_scale(onto, _mm512_loadu_ps(values.as_ptr()));
                _mm512_stream_ps(to.as_mut_ptr(), value);
            }
        }
        head + 16 * count
    }

    /// Returns how many were written: all but the last few.
    #[target_feature(enable = "avx512f")]
    pub(super) fn store_f16_avx512(
        to: &mut [f16],
        values: &[f32],
        onto: [f32; 4],
        past_caches: bool,
    ) -> usize {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        assert_eq!(to.len(), values.len());
        let head = if past_caches { to.as_ptr().align_offset(64).min(to.len()) } else { 0 };
        for (to, &value) in to[..head].iter_mut().zip(values) {
            *to = f16::from_f32(scaled(value, onto));
        }
        let onto = onto.map(|value| _mm512_set1_ps(value));
        let chunks = to[head..].chunks_exact_mut(32).zip(values[head..].chunks_exact(32));
        let count = chunks.len();
        for (to, values) in chunks {
            // SAFETY: both are 32 long, and `to` is aligned to 64 bytes if it is streamed to.
            unsafe {
                let low = on_scale(onto, _mm512_loadu_ps(values.as_ptr()));
                let high = on_scale(onto, _mm512_loadu_ps(values.as_ptr().add(16)));
                let low = _mm512_castsi256_si512(_mm512_cvtps_ph::<NEAREST>(low));
                let both = _mm512_inserti64x4::<1>(low, _mm512_cvtps_ph::<NEAREST>(high));
                match past_caches {
                    true => _mm512_stream_si512(to.as_mut_ptr().cast(), both),
                    false => _mm512_storeu_si512(to.as_mut_ptr().cast(), both),
                }
            }
        }
        head + 32 * count
    }

    /// Returns how many were written: all but the last few.
    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn store_f16_avx2(to: &mut [f16], values: &[f32], onto: [f32; 4]) -> usize {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;
        let [scale, offset, least, most] = onto.map(|value| _mm256_set1_ps(value));
        let chunks = to.chunks_exact_mut(8).zip(values.chunks_exact(8));
        let count = chunks.len();
        for (to, values) in chunks {
            // SAFETY: both are 8 long.
            unsafe {
                let value = _mm256_loadu_ps(values.as_ptr());
                let value = _mm256_add_ps(_mm256_mul_ps(value, scale), offset);
                let value = _mm256_min_ps(most, _mm256_max_ps(least, value));
                _mm_storeu_si128(to.as_mut_ptr().cast(), _mm256_cvtps_ph::<NEAREST>(value));
            }
        }
        8 * count
    }
}
#[cfg(target_arch = "x86_64")]
use x86::{store_f16_avx2, store_f16_avx512, stream_f32_avx512};
