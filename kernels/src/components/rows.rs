//! Rows of a mask as runs: voxels that follow each other in one row.

use crate::simd::{Instructions, Level};

/// The first column of a run and the one past its last.
pub(crate) type Run = [u32; 2];

/// One bit per voxel of each row of `columns` voxels, the first one lowest; each row starts a new word.
pub(super) fn pack_rows(level: Level, voxels: &[bool], columns: usize, words: &mut [u64]) {
    let stride = columns.div_ceil(64);
    if columns.is_multiple_of(64) {
        // Then the rows are one long one.
        return pack_row(level, voxels, &mut words[..voxels.len() / 64]);
    }
    for (row, words) in voxels.chunks_exact(columns).zip(words.chunks_exact_mut(stride)) {
        pack_row(level, row, words);
    }
}

fn pack_row(level: Level, row: &[bool], words: &mut [u64]) {
    match level.instructions() {
        // SAFETY: such a level is only given out where the machine was found to have these instructions.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx512 => unsafe { x86::pack_row_avx512(row, words) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Instructions::Avx2 => unsafe { x86::pack_row_avx2(row, words) },
        _ => crate::bits::pack_row(row, words),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn pack_row_avx512(row: &[bool], words: &mut [u64]) {
        let (whole, rest) = row.as_chunks::<64>();
        for (word, voxels) in words.iter_mut().zip(whole) {
            // SAFETY: reads the 64 bytes of `voxels`; it need not be aligned.
            let voxels = unsafe { _mm512_loadu_si512(voxels.as_ptr().cast()) };
            *word = _mm512_test_epi8_mask(voxels, voxels);
        }
        if !rest.is_empty() {
            crate::bits::pack_row(rest, &mut words[whole.len()..]);
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn pack_row_avx2(row: &[bool], words: &mut [u64]) {
        let (whole, rest) = row.as_chunks::<64>();
        let half = |voxels: &[bool; 32]| {
            // SAFETY: reads the 32 bytes of `voxels`; it need not be aligned.
            let voxels = unsafe { _mm256_loadu_si256(voxels.as_ptr().cast()) };
            // The bit of each voxel moves to the top of its byte, from where it is taken.
            u64::from(_mm256_movemask_epi8(_mm256_slli_epi16::<7>(voxels)) as u32)
        };
        for (word, voxels) in words.iter_mut().zip(whole) {
            let (halves, _) = voxels.as_chunks::<32>();
            *word = half(&halves[0]) | half(&halves[1]) << 32;
        }
        if !rest.is_empty() {
            crate::bits::pack_row(rest, &mut words[whole.len()..]);
        }
    }
}

/// Appends the runs of one row of `columns` voxels, given as bits: the first column of each and the one
/// past its last.
pub(super) fn find_runs(words: &[u64], columns: usize, ends: &mut Vec<u32>) {
    let mut before = 0;
    for (at, &word) in words.iter().enumerate() {
        // Where a voxel differs from the one before it, a run starts or ends.
        let mut changes = word ^ (word << 1 | before);
        before = word >> 63;
        while changes != 0 {
            ends.push(64 * at as u32 + changes.trailing_zeros());
            changes &= changes - 1;
        }
    }
    if ends.len() % 2 == 1 {
        ends.push(columns as u32);
    }
}

/// Calls `meet` with the numbers of each two runs of two rows that touch: those whose columns overlap, or
/// lie `reach` (0 or 1) further apart.
#[inline(always)]
pub(super) fn touching(a: &[Run], b: &[Run], reach: u32, mut meet: impl FnMut(usize, usize)) {
    let (mut at, mut other) = (0, 0);
    while let (Some(here), Some(there)) = (a.get(at), b.get(other)) {
        if here[0] < there[1] + reach && there[0] < here[1] + reach {
            meet(at, other);
        }
        // Without a branch: which of the two ends first is anyone's guess.
        let is_first = here[1] < there[1];
        at += usize::from(is_first);
        other += usize::from(!is_first);
    }
}
