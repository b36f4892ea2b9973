//! Adding up tiles on the CPU.
//!
//! A row of the volume is cut where tiles begin and end. The stretches between are added up in registers, tile by
//! tile in their order, so that the sums are read and written once however many tiles are given together.

use std::mem::MaybeUninit;
use std::ops::Range;

use ndarray::Array3;
use rayon::prelude::*;

use super::{LEAST_WEIGHT, Placed};
use crate::bits::{Bits, pack_where};
use crate::simd::{Level, at_each_level};
use crate::{Error, unwritten};

/// The weighted sums of the tiles so far.
#[derive(Debug)]
pub(super) struct Sums {
    values: Array3<MaybeUninit<f32>>,
    /// Whether a row has values, slice by slice.
    is_written: Vec<bool>,
}

/// All tiles of a volume, of which the last ones are not in its sums yet.
#[derive(Clone, Copy)]
pub(super) struct Tiles<'a> {
    pub(super) placed: &'a [Placed],
    /// The values of the last ones, in standard order.
    pub(super) values: &'a [&'a [f32]],
}

impl Sums {
    /// Without any tile.
    pub(super) fn new(shape: [usize; 3]) -> Result<Self, Error> {
        let values = unwritten(shape)?;
        let rows = if values.is_empty() { 0 } else { shape[0] * shape[1] };
        Ok(Self { values, is_written: vec![false; rows] })
    }

    /// Adds the tiles that have values.
    pub(super) fn add(&mut self, level: Level, tiles: Tiles<'_>) {
        let placed = &tiles.placed[tiles.placed.len() - tiles.values.len()..];
        let slices = self.values.dim().0;
        let nothing = rayon::iter::repeat_n((), slices);
        self.for_each_row(level, Tiles { placed, ..tiles }, false, nothing, |(), _, _| ());
    }

    /// Adds the tiles that have values, and divides by the weights of all.
    pub(super) fn finish(mut self, level: Level, tiles: Tiles<'_>) -> Array3<f32> {
        let nothing = rayon::iter::repeat_n((), self.values.dim().0);
        self.for_each_row(level, tiles, true, nothing, |(), _, _| ());
        // SAFETY: every row was just written.
        unsafe { self.values.assume_init() }
    }

    /// Where what [`Self::finish`] would give is above `threshold`.
    pub(super) fn above(mut self, level: Level, tiles: Tiles<'_>, threshold: f32) -> Result<Bits, Error> {
        let shape: [usize; 3] = self.values.dim().into();
        let mut bits = Bits::none(shape)?;
        let stride = bits.stride;
        let words = bits.words.par_chunks_mut((shape[1] * stride).max(1));
        self.for_each_row(level, tiles, true, words, |words, row, means| {
            pack_where(level, means, &mut words[row * stride..][..stride], |mean| mean > threshold);
        });
        Ok(bits)
    }

    /// Adds the tiles that have values to the rows that they touch; or to all rows, which are also divided by the
    /// weights of all tiles. `done` hears of each, with what there is for its slice.
    fn for_each_row<S: Send>(
        &mut self,
        level: Level,
        tiles: Tiles<'_>,
        finish: bool,
        slices: impl IndexedParallelIterator<Item = S>,
        done: impl Fn(&mut S, usize, &[f32]) + Sync,
    ) {
        let shape: [usize; 3] = self.values.dim().into();
        if self.values.is_empty() {
            return;
        }
        let [_, rows, columns] = shape;
        let slabs = slabs(shape, tiles);
        let slab_of: Vec<&Slab> =
            slabs.iter().flat_map(|slab| slab.slices.clone().map(move |_| slab)).collect();
        let values = self.values.as_slice_mut().expect("made in standard layout");
        values
            .par_chunks_mut(rows * columns)
            .zip(self.is_written.par_chunks_mut(rows))
            .zip(slab_of)
            .zip(slices)
            .enumerate()
            .for_each_init(Vec::new, |parts, (k, (((values, is_written), slab), mut slice))| {
                let touched = |block: &&Block| finish || !block.tiles.is_empty();
                for block in slab.blocks.iter().filter(touched) {
                    for j in block.rows.clone() {
                        let row = &mut values[j * columns..][..columns];
                        if !std::mem::replace(&mut is_written[j], true) {
                            row.fill(MaybeUninit::new(0.0));
                        }
                        // SAFETY: it was written, just now or before.
                        let sums = unsafe { row.assume_init_mut() };
                        parts.clear();
                        parts.extend(block.tiles.iter().map(|&tile| part(tiles, tile, k, j)));
                        along_row(level, sums, parts, &block.stretches, finish);
                        done(&mut slice, j, sums);
                    }
                }
            });
    }
}

/// Slices in which the same tiles lie.
struct Slab {
    slices: Range<usize>,
    blocks: Vec<Block>,
}

/// Rows of a slab in which the same tiles lie.
struct Block {
    rows: Range<usize>,
    /// In their order.
    tiles: Vec<usize>,
    stretches: Vec<Stretch>,
}

/// Columns of a block in which the same tiles lie: which of the block's, in their order.
struct Stretch {
    columns: Range<usize>,
    /// Those that are in the sums.
    known: Vec<usize>,
    /// Those that have values.
    given: Vec<usize>,
}

fn slabs(shape: [usize; 3], tiles: Tiles<'_>) -> Vec<Slab> {
    let known = tiles.placed.len() - tiles.values.len();
    let all: Vec<usize> = (0..tiles.placed.len()).collect();
    let place = |&tile: &usize| &tiles.placed[tile];
    let in_stretch = |columns: Range<usize>, of_block: &[usize]| {
        let here = (0..of_block.len()).filter(|&n| place(&of_block[n]).along(2).contains(&columns.start));
        let (known, given) = here.partition(|&n| of_block[n] < known);
        Stretch { columns, known, given }
    };
    let in_block = |rows: Range<usize>, of_slab: &[usize]| {
        let tiles: Vec<usize> =
            of_slab.iter().copied().filter(|n| place(n).along(1).contains(&rows.start)).collect();
        let columns = cuts(shape[2], 2, tiles.iter().map(place));
        let stretches = columns.into_iter().map(|columns| in_stretch(columns, &tiles)).collect();
        Block { rows, tiles, stretches }
    };
    let in_slab = |slices: Range<usize>| {
        let tiles: Vec<usize> =
            all.iter().copied().filter(|n| place(n).along(0).contains(&slices.start)).collect();
        let rows = cuts(shape[1], 1, tiles.iter().map(place));
        Slab { slices, blocks: rows.into_iter().map(|rows| in_block(rows, &tiles)).collect() }
    };
    cuts(shape[0], 0, all.iter().map(place)).into_iter().map(in_slab).collect()
}

/// The stretches of an axis of `n` voxels in which no tile begins or ends.
fn cuts<'a>(n: usize, axis: usize, tiles: impl Iterator<Item = &'a Placed>) -> Vec<Range<usize>> {
    let mut cuts: Vec<usize> =
        tiles.flat_map(|tile| [tile.along(axis).start, tile.along(axis).end]).collect();
    cuts.extend([0, n]);
    cuts.sort_unstable();
    cuts.dedup();
    cuts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

/// What a tile has of one row of the volume.
struct Part<'a> {
    /// Its first column.
    at: usize,
    /// Empty if they are in the sums.
    values: &'a [f32],
    of_row: f32,
    of_column: &'a [f32],
}

/// What tile number `tile` has of row `j` of slice `k`, which it covers.
fn part<'a>(tiles: Tiles<'a>, tile: usize, k: usize, j: usize) -> Part<'a> {
    let known = tiles.placed.len() - tiles.values.len();
    let placed = &tiles.placed[tile];
    let [at_k, at_j, at] = placed.at;
    let [_, rows, columns] = placed.shape;
    let values = tile
        .checked_sub(known)
        .map_or(&[][..], |given| &tiles.values[given][((k - at_k) * rows + j - at_j) * columns..][..columns]);
    let of_row = placed.falloff[0][k - at_k] * placed.falloff[1][j - at_j];
    Part { at, values, of_row, of_column: &placed.falloff[2] }
}

at_each_level! {
    /// Adds what tiles have of a row to its sums; divides the sums by all weights if that was all of them.
    fn along_row(sums: &mut [f32], parts: &[Part<'_>], stretches: &[Stretch], finish: bool) {
        for stretch in stretches {
            if finish {
                along_stretch::<true>(sums, parts, stretch);
            } else {
                along_stretch::<false>(sums, parts, stretch);
            }
        }
    }
}

#[inline(always)]
fn along_stretch<const FINISH: bool>(sums: &mut [f32], parts: &[Part<'_>], stretch: &Stretch) {
    let Range { start: mut at, end } = stretch.columns;
    while at < end {
        at += match end - at {
            48.. => columns::<48, FINISH>(sums, parts, stretch, at),
            16.. => columns::<16, FINISH>(sums, parts, stretch, at),
            4.. => columns::<4, FINISH>(sums, parts, stretch, at),
            _ => columns::<1, FINISH>(sums, parts, stretch, at),
        }
    }
}

/// `N` columns from `at` on; returns how many they are.
#[inline(always)]
fn columns<const N: usize, const FINISH: bool>(
    sums: &mut [f32],
    parts: &[Part<'_>],
    stretch: &Stretch,
    at: usize,
) -> usize {
    const WITHIN: &str = "a stretch is within its tiles";
    let sums = sums[at..].first_chunk_mut::<N>().expect(WITHIN);
    let (mut sum, mut total) = (*sums, [0.0_f32; N]);
    if FINISH {
        for &number in &stretch.known {
            let part = &parts[number];
            let of_column = part.of_column[at - part.at..].first_chunk::<N>().expect(WITHIN);
            for (total, &of_column) in total.iter_mut().zip(of_column) {
                *total += weight(part.of_row, of_column);
            }
        }
    }
    for &number in &stretch.given {
        let part = &parts[number];
        let of_column = part.of_column[at - part.at..].first_chunk::<N>().expect(WITHIN);
        let values = part.values[at - part.at..].first_chunk::<N>().expect(WITHIN);
        for n in 0..N {
            let weight = weight(part.of_row, of_column[n]);
            sum[n] += values[n] * weight;
            total[n] += weight;
        }
    }
    if FINISH {
        for (sum, &total) in sum.iter_mut().zip(&total) {
            *sum = if total > 0.0 { *sum / total } else { 0.0 };
        }
    }
    *sums = sum;
    N
}

/// The weight of a voxel in a tile.
#[inline(always)]
fn weight(of_row: f32, of_column: f32) -> f32 {
    let weight = of_row * of_column;
    if weight > LEAST_WEIGHT { weight } else { LEAST_WEIGHT }
}
