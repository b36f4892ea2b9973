//! Rows of a mask as runs: voxels that follow each other in one row.

use crate::bits::pack_where;
use crate::simd::Level;

/// The first column of a run and the one past its last.
pub(crate) type Run = [u32; 2];

/// A mask in standard layout, one slice after the other.
#[derive(Clone, Copy)]
pub(super) enum Slices<'a> {
    /// One byte for each voxel.
    Voxels(&'a [bool]),
    /// As [`crate::bits::Bits`] has them.
    Words(&'a [u64]),
}

impl<'a> Slices<'a> {
    /// Slice `k`, of `rows` rows of `columns` voxels, as bits; `packed` has room for them.
    pub(super) fn words<'b>(
        self,
        level: Level,
        k: usize,
        [rows, columns]: [usize; 2],
        packed: &'b mut [u64],
    ) -> &'b [u64]
    where
        'a: 'b,
    {
        match self {
            Self::Voxels(voxels) => {
                pack_slice(level, &voxels[k * rows * columns..][..rows * columns], columns, packed);
                packed
            }
            Self::Words(words) => &words[k * packed.len()..][..packed.len()],
        }
    }
}

/// One bit per voxel of each row of `columns` voxels, the first one lowest; each row starts a new word.
pub(super) fn pack_slice(level: Level, voxels: &[bool], columns: usize, words: &mut [u64]) {
    if columns.is_multiple_of(64) {
        // Then the rows are one long one.
        return pack_where(level, voxels, words, |is_in| is_in);
    }
    for (row, words) in voxels.chunks_exact(columns).zip(words.chunks_exact_mut(columns.div_ceil(64))) {
        pack_where(level, row, words, |is_in| is_in);
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

/// Sets the bits of a run in its row.
pub(super) fn set(words: &mut [u64], [start, end]: Run) {
    let (first, last) = (start as usize / 64, (end as usize - 1) / 64);
    let from = u64::MAX << (start % 64);
    let to = u64::MAX >> (63 - (end - 1) % 64);
    if first == last {
        words[first] |= from & to;
    } else {
        words[first] |= from;
        words[first + 1..last].fill(u64::MAX);
        words[last] |= to;
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
