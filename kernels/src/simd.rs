//! Which vector instructions this machine has, and loops compiled once for each kind of them.
//!
//! Write the loop as ordinary Rust over slices, so that the compiler can vectorise it, and wrap it:
//!
//! ```text
//! simd::at_each_level! {
//!     /// Adds `b` to `a`.
//!     fn add[T: Voxel](a: &mut [f32], b: &[T]) {
//!         for (a, b) in a.iter_mut().zip(b) {
//!             *a += b.to_f32();
//!         }
//!     }
//! }
//!
//! let level = Level::best(); // once per operation; it is a byte
//! add(level, &mut sums, voxels); // once per row or block: a call costs what a call costs
//! ```
//!
//! That makes `fn add<T: Voxel>(level: Level, a: &mut [f32], b: &[T])`, with the body compiled as it is
//! ([`Instructions::Scalar`]), with AVX2, and with AVX-512. Generics stand in brackets rather than `<>`,
//! arguments are plain names with their types, lifetimes are left out.
//!
//! What to know:
//!
//! - Only what is inlined into the body is compiled with the better instructions: give functions of your
//!   own that it calls per voxel `#[inline(always)]`, and do not start rayon in it: go to rayon outside and
//!   call it per row.
//! - Rust never contracts `a * b + c` and never reorders a sum, so the same body gives the same bits at
//!   every level, and a float sum does not vectorise by itself (keep several sums). `mul_add` gives the
//!   same bits as well but is very slow at the scalar level.
//! - A test runs the function at each of [`Level::all`] and compares.
//! - Where intrinsics are measured to be needed, match on [`Level::instructions`] and call a
//!   `#[target_feature]` function in `unsafe`: a [`Level`] is proof that the machine has them.

use std::sync::LazyLock;

/// A kind of vector instructions that this machine was found to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(Instructions);

/// Kinds of vector instructions, and what each stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "another machine's"))]
pub(crate) enum Instructions {
    /// What every machine of the target has: SSE2 on x86-64.
    Scalar,
    /// AVX2, FMA, F16C, BMI1, BMI2, LZCNT, POPCNT: Intel since 2013, AMD since 2015.
    Avx2,
    /// All of AVX2's, and AVX-512 F, BW, CD, DQ, VL, VBMI: Intel since 2019, AMD since 2022.
    Avx512,
    /// NEON. Every 64-bit ARM has it, so the compiler uses it at the scalar level too; the name is for
    /// intrinsics.
    #[cfg_attr(target_arch = "x86_64", expect(dead_code, reason = "another machine's"))]
    Neon,
}

static ALL: LazyLock<Vec<Level>> = LazyLock::new(|| {
    let mut all = vec![Level(Instructions::Scalar)];
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! has {
            ($($feature:tt)*) => { $(std::arch::is_x86_feature_detected!($feature))&&* };
        }
        let avx2 = has!("avx2" "fma" "f16c" "bmi1" "bmi2" "lzcnt" "popcnt");
        let avx512 = has!("avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512vbmi");
        if avx2 {
            all.push(Level(Instructions::Avx2));
        }
        if avx2 && avx512 {
            all.push(Level(Instructions::Avx512));
        }
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("neon") {
        all.push(Level(Instructions::Neon));
    }
    all
});

impl Level {
    /// The fastest this machine has.
    pub(crate) fn best() -> Self {
        *ALL.last().expect("there is always the scalar level")
    }

    /// All that this machine has, the scalar level first: for tests.
    #[cfg(test)]
    pub(crate) fn all() -> &'static [Self] {
        &ALL
    }

    /// What it stands for.
    pub(crate) fn instructions(self) -> Instructions {
        self.0
    }
}

/// Makes of a function one that takes a [`Level`] first and runs its body compiled for that level; see
/// the module for how to write one.
macro_rules! at_each_level {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident $([$($generics:tt)*])? ($($argument:ident: $kind:ty),* $(,)?)
            $(-> $returned:ty)? $body:block
    ) => {
        $(#[$attribute])*
        // The level is one more than was written.
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name $(<$($generics)*>)? (level: $crate::simd::Level, $($argument: $kind),*) $(-> $returned)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn portable $(<$($generics)*>)? ($($argument: $kind),*) $(-> $returned)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
            #[allow(clippy::too_many_arguments)]
            fn avx2 $(<$($generics)*>)? ($($argument: $kind),*) $(-> $returned)? {
                portable($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
            #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi")]
            #[allow(clippy::too_many_arguments)]
            fn avx512 $(<$($generics)*>)? ($($argument: $kind),*) $(-> $returned)? {
                portable($($argument),*)
            }

            match level.instructions() {
                // SAFETY: such a level is only given out where the machine was found to have these.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Instructions::Avx2 => unsafe { avx2($($argument),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Instructions::Avx512 => unsafe { avx512($($argument),*) },
                _ => portable($($argument),*),
            }
        }
    };
}
pub(crate) use at_each_level;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Voxel;

    at_each_level! {
        /// The sum of `a[n] * weight + b[n]` in eight lanes.
        fn blend[T: Voxel](a: &[T], b: &[f32], weight: f32) -> [f32; 8] {
            let mut sums = [0.0; 8];
            for (a, b) in a.chunks(8).zip(b.chunks(8)) {
                for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
                    *sum += a.to_f32() * weight + b;
                }
            }
            sums
        }
    }

    #[test]
    fn every_level_gives_the_same_bits() {
        let a: Vec<i16> = (0..1003).map(|n| (n * 7919 % 4001) as i16 - 2000).collect();
        let b: Vec<f32> = (0..1003).map(|n| (n as f32 * 0.7).sin()).collect();
        let expected = blend(Level::all()[0], &a, &b, 0.3).map(f32::to_bits);
        for &level in Level::all() {
            assert_eq!(blend(level, &a, &b, 0.3).map(f32::to_bits), expected, "{level:?}");
        }
    }

    #[test]
    fn the_best_level_is_one_of_all_and_the_scalar_one_is_always_there() {
        assert_eq!(Level::all()[0].instructions(), Instructions::Scalar);
        assert!(Level::all().contains(&Level::best()));
    }
}
