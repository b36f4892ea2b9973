//! Rows of a mask as runs: voxels that follow each other in one row.

use std::ops::Range;

use super::blocks::{Blocks, Layers, up_to_lowest, with_left};
use crate::bits::pack_where;
use crate::simd::{Level, at_each_level};

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

impl Slices<'_> {
    /// Some slices, as bits, each row in `stride` words, of which the first is 0.
    pub(super) fn pack(self, level: Level, slices: Range<usize>, blocks: Blocks, packed: &mut Vec<u64>) {
        let Blocks { rows, columns, .. } = blocks;
        let (stride, words) = (blocks.stride(), columns.div_ceil(64));
        packed.resize(slices.len() * rows * stride, 0);
        for (to, row) in packed.chunks_exact_mut(stride).zip(slices.start * rows..) {
            let to = &mut to[1..];
            match self {
                Self::Voxels(all) => pack_where(level, &all[row * columns..][..columns], to, |is_in| is_in),
                Self::Words(all) => to.copy_from_slice(&all[row * words..][..words]),
            }
        }
    }
}

/// Room for the runs of a slice, and the runs found last.
#[derive(Default)]
pub(super) struct Room {
    /// As [`super::Slab`] has them.
    ends: Vec<u32>,
    labels: Vec<u32>,
    runs: usize,
}

/// So many ends of runs are written at a time, there or not: how many there are is anyone's guess.
const ENDS: usize = 2;

impl Room {
    #[inline(always)]
    fn reserve(&mut self, runs: usize) {
        if self.labels.len() < runs {
            self.labels.resize(2 * runs, 0);
            self.ends.resize(4 * runs, 0);
        }
    }

    pub(super) fn ends(&self) -> &[u32] {
        &self.ends[..2 * self.runs]
    }

    pub(super) fn labels(&self) -> &[u32] {
        &self.labels[..self.runs]
    }
}

at_each_level! {
    /// Finds the runs of a slice of the layer; their labels are the numbers of the blocks' runs that they are in.
    /// Appends to `starts` how many there are up to the end of each row, those `before` the slice as well.
    pub(super) fn find_runs(
        slice: &[u64],
        blocks: Blocks,
        layers: &Layers,
        before: usize,
        room: &mut Room,
        starts: &mut Vec<u32>,
    ) {
        let (mut end, mut run) = (0, 0);
        let stride = blocks.stride();
        for (block, rows) in slice.chunks(blocks.size * stride).enumerate() {
            let (runs, filled) = layers.block(block, stride);
            if filled.is_empty() {
                let rows = blocks.size.min(blocks.rows - block * blocks.size);
                starts.extend(std::iter::repeat_n((before + run) as u32, rows));
                continue;
            }
            for row in rows.chunks_exact(stride) {
                // At most every other voxel starts a run.
                room.reserve(run + blocks.columns.div_ceil(2) + ENDS);
                for &at in filled {
                    let [word, left] = with_left([row], at as usize);
                    let runs = runs[at as usize];
                    // Where a voxel differs from the one before it, a run starts or ends.
                    let mut changes = word ^ left;
                    let mut first = word & !left;
                    let (next_end, next_run) =
                        (end + changes.count_ones() as usize, run + first.count_ones() as usize);
                    while end < next_end {
                        for end in &mut room.ends[end..end + ENDS] {
                            *end = (64 * (at - 1)).wrapping_add(changes.trailing_zeros());
                            changes &= changes.wrapping_sub(1);
                        }
                        end += ENDS;
                    }
                    while run < next_run {
                        for label in &mut room.labels[run..run + ENDS / 2] {
                            *label = runs.at(up_to_lowest(first));
                            first &= first.wrapping_sub(1);
                        }
                        run += ENDS / 2;
                    }
                    (end, run) = (next_end, next_run);
                }
                // The last voxel of the last word has no word after it in which its run could end.
                if row[stride - 1] >> 63 == 1 {
                    room.ends[end] = blocks.columns as u32;
                    end += 1;
                }
                starts.push((before + run) as u32);
            }
        }
        room.runs = run;
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
