//! Voxels as bits, 64 in a word, and back.

#[cfg(target_arch = "x86_64")]
use crate::simd::Instructions;
use crate::simd::Level;

/// One bit per voxel of each row of `columns` voxels that `is_in` says is wanted, the first one lowest; each row
/// starts a new word.
pub(crate) fn pack_rows<T: Copy>(
    level: Level,
    voxels: &[T],
    columns: usize,
    words: &mut [u64],
    is_in: impl Fn(T) -> bool + Copy,
) {
    if columns.is_multiple_of(64) {
        // Then the rows are one long one.
        return pack_where(level, voxels, words, is_in);
    }
    for (row, words) in voxels.chunks_exact(columns).zip(words.chunks_exact_mut(columns.div_ceil(64))) {
        pack_where(level, row, words, is_in);
    }
}

/// As [`pack_rows`], of one row.
pub(crate) fn pack_where<T: Copy>(level: Level, row: &[T], words: &mut [u64], is_in: impl Fn(T) -> bool) {
    match level.instructions() {
        // SAFETY: such a level is only given out where the machine was found to have these instructions.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { x86::pack_avx512(row, words, is_in) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe { x86::pack_avx2(row, words, is_in) },
        _ => pack(row, words, is_in, bits_of),
    }
}

/// `bits_of` makes a word of 64 bytes of 0 or 1.
#[inline(always)]
fn pack<T: Copy>(
    row: &[T],
    words: &mut [u64],
    is_in: impl Fn(T) -> bool,
    bits_of: impl Fn(&[u8; 64]) -> u64,
) {
    let (whole, rest) = row.as_chunks::<64>();
    for (word, voxels) in words.iter_mut().zip(whole) {
        *word = bits_of(&voxels.map(|value| u8::from(is_in(value))));
    }
    if !rest.is_empty() {
        let mut bytes = [0; 64];
        bytes.iter_mut().zip(rest).for_each(|(byte, &value)| *byte = u8::from(is_in(value)));
        words[whole.len()] = bits_of(&bytes);
    }
}

/// The bytes, 0 or 1 each, as bits.
#[inline(always)]
fn bits_of(bytes: &[u8; 64]) -> u64 {
    let (eights, _) = bytes.as_chunks::<8>();
    eights.iter().enumerate().fold(0, |packed, (at, &eight)| {
        // Eight bytes of 0 or 1 times this constant have their bits in order in the top byte.
        packed | (u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at)
    })
}

/// The same where one instruction does it: a third of the time.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::pack;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) fn pack_avx512<T: Copy>(row: &[T], words: &mut [u64], is_in: impl Fn(T) -> bool) {
        pack(row, words, is_in, |bytes| {
            // SAFETY: reads the 64 bytes; they need not be aligned.
            let bytes = unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
            _mm512_test_epi8_mask(bytes, bytes)
        });
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn pack_avx2<T: Copy>(row: &[T], words: &mut [u64], is_in: impl Fn(T) -> bool) {
        pack(row, words, is_in, |bytes| {
            let half = |half: &[u8; 32]| {
                // SAFETY: reads the 32 bytes; they need not be aligned.
                let bytes = unsafe { _mm256_loadu_si256(half.as_ptr().cast()) };
                // The bit of each voxel moves to the top of its byte, from where it is taken.
                u64::from(_mm256_movemask_epi8(_mm256_slli_epi16::<7>(bytes)) as u32)
            };
            let (halves, _) = bytes.as_chunks();
            half(&halves[0]) | half(&halves[1]) << 32
        });
    }
}

/// Eight voxels for each byte of bits.
static UNPACKED: [[bool; 8]; 256] = {
    let mut table = [[false; 8]; 256];
    let mut at = 0;
    while at < 256 * 8 {
        table[at / 8][at % 8] = (at / 8) >> (at % 8) & 1 == 1;
        at += 1;
    }
    table
};

/// The opposite of [`pack_where`].
pub(crate) fn unpack_row(words: &[u64], row: &mut [bool]) {
    for (word, voxels) in words.iter().zip(row.chunks_mut(64)) {
        let (eights, rest) = voxels.as_chunks_mut::<8>();
        let bytes = word.to_le_bytes();
        for (eight, &byte) in eights.iter_mut().zip(&bytes) {
            *eight = UNPACKED[byte as usize];
        }
        if !rest.is_empty() {
            let last = UNPACKED[bytes[eights.len()] as usize];
            rest.iter_mut().zip(last).for_each(|(voxel, is_in)| *voxel = is_in);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_packs_the_same_bits() {
        let row: Vec<f32> = (0..333).map(|n| (n as f32 * 0.7).sin()).collect();
        for length in [0, 1, 63, 64, 65, 128, 333] {
            let mut expected = vec![0_u64; 6];
            for (at, &value) in row[..length].iter().enumerate() {
                expected[at / 64] |= u64::from(value > 0.1) << (at % 64);
            }
            for &level in Level::all() {
                let mut found = vec![0_u64; 6];
                pack_where(level, &row[..length], &mut found, |value| value > 0.1);
                assert_eq!(found, expected, "{length} voxels at {level:?}");
                let mut unpacked = vec![false; length];
                unpack_row(&found, &mut unpacked);
                assert!(unpacked.iter().zip(&row).all(|(&is_in, &value)| is_in == (value > 0.1)));
            }
        }
    }

    #[test]
    fn each_row_starts_a_new_word() {
        let voxels: Vec<u8> = (0..3 * 128).map(|n| (n * 7 % 11) as u8).collect();
        for columns in [1_usize, 63, 64, 65, 128] {
            let mut found = vec![0_u64; 3 * columns.div_ceil(64)];
            for &level in Level::all() {
                pack_rows(level, &voxels[..3 * columns], columns, &mut found, |value| value > 5);
                for (at, &value) in voxels[..3 * columns].iter().enumerate() {
                    let (row, column) = (at / columns, at % columns);
                    let word = found[row * columns.div_ceil(64) + column / 64];
                    assert_eq!(word >> (column % 64) & 1 == 1, value > 5, "{row}, {column} at {level:?}");
                }
            }
        }
    }
}
