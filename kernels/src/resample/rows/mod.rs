//! What resampling does to rows of voxels: blend several into one, pick from one, finish one. Everything
//! here exists once for each kind of vector instructions, with the same bits from all of them.

use crate::simd::{Level, at_each_level};
use crate::{Real, Voxel};

mod pick;
mod store;

pub(super) use pick::{LANES, Picks};
pub(crate) use store::{Between, Values, Words, store_f16, store_f32};

/// The voxels of a row, of a kind that is picked from as it is, or of another.
#[derive(Clone, Copy)]
pub enum Kept<'a> {
    Words(&'a [i16]),
    Singles(&'a [f32]),
    Others,
}

/// Exactly `a` for weight 0.
#[inline(always)]
pub(super) fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

at_each_level! {
    /// As numbers.
    pub(super) fn convert[T: Voxel](to: &mut [f32], a: &[T]) {
        for (to, a) in to.iter_mut().zip(a) {
            *to = a.to_f32();
        }
    }
}

at_each_level! {
    /// `b` by `weight`, and `a` by what is left of 1.
    pub(super) fn blend_two[T: Voxel](to: &mut [f32], a: &[T], b: &[T], weight: f32) {
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

/// What becomes of interpolated values.
pub(super) trait Finish: Copy + Send + Sync {
    type Out: Voxel;

    /// What the output holds outside of the source.
    fn outside(self) -> Self::Out;

    /// `past_caches` writes to memory without reading it into the caches first.
    fn finish<V: Values>(self, level: Level, to: &mut [Self::Out], values: V, past_caches: bool);
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

    fn finish<V: Values>(self, level: Level, to: &mut [O], values: V, past_caches: bool) {
        let Self { scale, offset, least, most, .. } = self;
        O::store_values(level, to, values, [scale, offset, least, most], past_caches);
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

    fn finish<V: Values>(self, level: Level, to: &mut [bool], values: V, _past_caches: bool) {
        store::above(level, to, values, self.0);
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
pub(crate) fn settle() {
    // SAFETY: SSE is part of x86-64, and the instruction only waits.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}
