//! Interpolated values on their scale, to where they stay.

use half::f16;

use super::mix;
#[cfg(target_arch = "x86_64")]
use crate::simd::Instructions;
use crate::simd::{Level, at_each_level};

/// Values that are to be stored.
pub trait Values: Copy {
    /// How many there are.
    fn len(self) -> usize;

    /// All from `start` on.
    fn from(self, start: usize) -> Self;

    /// One of them.
    ///
    /// # Safety
    ///
    /// There are more than `at`.
    unsafe fn at(self, at: usize) -> f32;

    /// Eight of them from `at` on.
    ///
    /// # Safety
    ///
    /// There are as many, and the machine has AVX2.
    #[cfg(target_arch = "x86_64")]
    unsafe fn eight(self, at: usize) -> std::arch::x86_64::__m256;

    /// Sixteen of them from `at` on.
    ///
    /// # Safety
    ///
    /// There are as many, and the machine has AVX-512.
    #[cfg(target_arch = "x86_64")]
    unsafe fn sixteen(self, at: usize) -> std::arch::x86_64::__m512;
}

/// What lies between two rows of the same length: of `b` by `weight`, of `a` by what is left of 1.
#[derive(Clone, Copy)]
pub(crate) struct Between<'a> {
    a: &'a [f32],
    b: &'a [f32],
    weight: f32,
}

impl<'a> Between<'a> {
    /// # Panics
    ///
    /// If they are not of the same length.
    pub(crate) fn new(a: &'a [f32], b: &'a [f32], weight: f32) -> Self {
        assert_eq!(a.len(), b.len());
        Self { a, b, weight }
    }

    /// The values as they are.
    pub(crate) fn alone(values: &'a [f32]) -> Self {
        Self::new(values, values, 0.0)
    }
}

impl Values for Between<'_> {
    #[inline(always)]
    fn len(self) -> usize {
        self.a.len()
    }

    #[inline(always)]
    fn from(self, start: usize) -> Self {
        Self { a: &self.a[start..], b: &self.b[start..], ..self }
    }

    #[inline(always)]
    unsafe fn at(self, at: usize) -> f32 {
        // SAFETY: both are of that length.
        unsafe { mix(*self.a.get_unchecked(at), *self.b.get_unchecked(at), self.weight) }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn eight(self, at: usize) -> std::arch::x86_64::__m256 {
        use std::arch::x86_64::*;
        // SAFETY: both are of that length.
        unsafe {
            let (a, b) = (_mm256_loadu_ps(self.a.as_ptr().add(at)), _mm256_loadu_ps(self.b.as_ptr().add(at)));
            _mm256_add_ps(a, _mm256_mul_ps(_mm256_sub_ps(b, a), _mm256_set1_ps(self.weight)))
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn sixteen(self, at: usize) -> std::arch::x86_64::__m512 {
        use std::arch::x86_64::*;
        // SAFETY: both are of that length.
        unsafe {
            let (a, b) = (_mm512_loadu_ps(self.a.as_ptr().add(at)), _mm512_loadu_ps(self.b.as_ptr().add(at)));
            _mm512_add_ps(a, _mm512_mul_ps(_mm512_sub_ps(b, a), _mm512_set1_ps(self.weight)))
        }
    }
}

/// Stored voxels, as they are.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a>(pub(crate) &'a [i16]);

impl Values for Words<'_> {
    #[inline(always)]
    fn len(self) -> usize {
        self.0.len()
    }

    #[inline(always)]
    fn from(self, start: usize) -> Self {
        Self(&self.0[start..])
    }

    #[inline(always)]
    unsafe fn at(self, at: usize) -> f32 {
        // SAFETY: as the caller promises.
        f32::from(unsafe { *self.0.get_unchecked(at) })
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn eight(self, at: usize) -> std::arch::x86_64::__m256 {
        use std::arch::x86_64::*;
        // SAFETY: as the caller promises; fetching is advice, and of any address.
        unsafe {
            let from = self.0.as_ptr().add(at);
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
            _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(from.cast())))
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn sixteen(self, at: usize) -> std::arch::x86_64::__m512 {
        use std::arch::x86_64::*;
        // SAFETY: as above.
        unsafe {
            let from = self.0.as_ptr().add(at);
            _mm_prefetch::<_MM_HINT_T0>(from.wrapping_add(AHEAD).cast());
            _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256(from.cast())))
        }
    }
}

/// How many voxels ahead they are fetched.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 512;

/// A value on its new scale: `[scale, offset, least, most]`.
#[inline(always)]
fn scaled(value: f32, [scale, offset, least, most]: [f32; 4]) -> f32 {
    let value = value * scale + offset;
    let value = if value < least { least } else { value };
    if value > most { most } else { value }
}

at_each_level! {
    fn scaled_f32[V: Values](to: &mut [f32], values: V, onto: [f32; 4]) {
        assert!(to.len() <= values.len());
        for (at, to) in to.iter_mut().enumerate() {
            // SAFETY: there are as many values.
            *to = scaled(unsafe { values.at(at) }, onto);
        }
    }
}

at_each_level! {
    /// Whether each is above a threshold.
    pub(super) fn above[V: Values](to: &mut [bool], values: V, threshold: f32) {
        assert!(to.len() <= values.len());
        for (at, to) in to.iter_mut().enumerate() {
            // SAFETY: there are as many values.
            *to = unsafe { values.at(at) } > threshold;
        }
    }
}

/// To `to` as 32 bits.
pub(crate) fn store_f32<V: Values>(
    level: Level,
    to: &mut [f32],
    values: V,
    onto: [f32; 4],
    past_caches: bool,
) {
    assert_eq!(to.len(), values.len());
    let mut done = 0;
    if past_caches {
        let head = to.as_ptr().align_offset(64).min(to.len());
        scaled_f32(level, &mut to[..head], values, onto);
        done = head
            + match level.instructions() {
                // SAFETY: the level says that the machine has AVX-512.
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx512 => unsafe {
                    stream_f32_avx512(&mut to[head..], values.from(head), onto)
                },
                // SAFETY: the level says that the machine has AVX2.
                #[cfg(target_arch = "x86_64")]
                Instructions::Avx2 => unsafe { stream_f32_avx2(&mut to[head..], values.from(head), onto) },
                _ => 0,
            };
    }
    scaled_f32(level, &mut to[done..], values.from(done), onto);
}

/// To `to` as 16 bits, rounded to the nearest, to even half-way.
pub(crate) fn store_f16<V: Values>(
    level: Level,
    to: &mut [f16],
    values: V,
    onto: [f32; 4],
    past_caches: bool,
) {
    assert_eq!(to.len(), values.len());
    let one_by_one = |to: &mut [f16], values: V| {
        for (at, to) in to.iter_mut().enumerate() {
            // SAFETY: there are as many values.
            *to = f16::from_f32(scaled(unsafe { values.at(at) }, onto));
        }
    };
    let head = if past_caches { to.as_ptr().align_offset(64).min(to.len()) } else { 0 };
    one_by_one(&mut to[..head], values);
    let (to, values) = (&mut to[head..], values.from(head));
    let done = match level.instructions() {
        // SAFETY: the level says that the machine has AVX-512.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { store_f16_avx512(to, values, onto, past_caches) },
        // SAFETY: the level says that the machine has AVX2 and F16C.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe { store_f16_avx2(to, values, onto) },
        _ => 0,
    };
    one_by_one(&mut to[done..], values.from(done));
}

#[cfg(target_arch = "x86_64")]
use x86::{store_f16_avx2, store_f16_avx512, stream_f32_avx2, stream_f32_avx512};

/// Each is given as many values as there is room for, and returns how many were written: all but the last few.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Values, f16};

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn scaled_avx512([scale, offset, least, most]: [__m512; 4], value: __m512) -> __m512 {
        let value = _mm512_add_ps(_mm512_mul_ps(value, scale), offset);
        // The second operand is taken when one is not a number, as the scalar code does.
        _mm512_min_ps(most, _mm512_max_ps(least, value))
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn scaled_avx2([scale, offset, least, most]: [__m256; 4], value: __m256) -> __m256 {
        let value = _mm256_add_ps(_mm256_mul_ps(value, scale), offset);
        _mm256_min_ps(most, _mm256_max_ps(least, value))
    }

    /// `to` begins with a cache line.
    #[target_feature(enable = "avx512f")]
    pub(super) fn stream_f32_avx512<V: Values>(to: &mut [f32], values: V, onto: [f32; 4]) -> usize {
        let onto = onto.map(|value| _mm512_set1_ps(value));
        let mut done = 0;
        for to in to.chunks_exact_mut(16) {
            // SAFETY: there are as many values; `to` is 16 long and aligned to 64 bytes.
            unsafe { _mm512_stream_ps(to.as_mut_ptr(), scaled_avx512(onto, values.sixteen(done))) };
            done += 16;
        }
        done
    }

    /// `to` begins with a cache line.
    #[target_feature(enable = "avx2")]
    pub(super) fn stream_f32_avx2<V: Values>(to: &mut [f32], values: V, onto: [f32; 4]) -> usize {
        let onto = onto.map(|value| _mm256_set1_ps(value));
        let mut done = 0;
        for to in to.chunks_exact_mut(8) {
            // SAFETY: there are as many values; `to` is 8 long and aligned to 32 bytes.
            unsafe { _mm256_stream_ps(to.as_mut_ptr(), scaled_avx2(onto, values.eight(done))) };
            done += 8;
        }
        done
    }

    /// `to` begins with a cache line if it goes past the caches.
    #[target_feature(enable = "avx512f")]
    pub(super) fn store_f16_avx512<V: Values>(
        to: &mut [f16],
        values: V,
        onto: [f32; 4],
        past_caches: bool,
    ) -> usize {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        let onto = onto.map(|value| _mm512_set1_ps(value));
        let mut done = 0;
        for to in to.chunks_exact_mut(32) {
            // SAFETY: there are as many values; `to` is 32 long, and aligned to 64 bytes if it is streamed to.
            unsafe {
                let low = scaled_avx512(onto, values.sixteen(done));
                let high = scaled_avx512(onto, values.sixteen(done + 16));
                let low = _mm512_castsi256_si512(_mm512_cvtps_ph::<NEAREST>(low));
                let both = _mm512_inserti64x4::<1>(low, _mm512_cvtps_ph::<NEAREST>(high));
                match past_caches {
                    true => _mm512_stream_si512(to.as_mut_ptr().cast(), both),
                    false => _mm512_storeu_si512(to.as_mut_ptr().cast(), both),
                }
            }
            done += 32;
        }
        done
    }

    #[target_feature(enable = "avx2,f16c")]
    pub(super) fn store_f16_avx2<V: Values>(to: &mut [f16], values: V, onto: [f32; 4]) -> usize {
        const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT;
        let onto = onto.map(|value| _mm256_set1_ps(value));
        let mut done = 0;
        for to in to.chunks_exact_mut(8) {
            // SAFETY: there are as many values, and `to` is 8 long.
            unsafe {
                let value = _mm256_cvtps_ph::<NEAREST>(scaled_avx2(onto, values.eight(done)));
                _mm_storeu_si128(to.as_mut_ptr().cast(), value);
            }
            done += 8;
        }
        done
    }
}
