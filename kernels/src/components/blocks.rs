//! Rows of a mask taken together in blocks, and which runs of the blocks hang together.
//!
//! Where corners count, two rows that lie side by side in each of two slices are a block: whichever of the
//! four rows a voxel is in, it touches all voxels of them in its own column and in the next. So what is in any
//! of the rows is one row, whose runs hang together, and there are a quarter as many rows to compare.
//! Otherwise a block is a row.
//!
//! Whether there is anything in a word is anyone's guess, and a processor that guesses wrong loses more time
//! than the word takes. So what there is something in is listed first, without a branch.

use super::cpu::Sets;
use crate::Neighbours;
use crate::simd::at_each_level;

/// How the rows of some slices are taken together.
#[derive(Clone, Copy)]
pub(super) struct Blocks {
    /// How many rows of a block lie side by side, and how many slices it has; those at an end have fewer.
    pub(super) size: usize,
    /// Of a slice.
    pub(super) rows: usize,
    /// Of a row.
    pub(super) columns: usize,
    neighbours: Neighbours,
}

/// The runs of a layer of blocks, and of the layer below it.
pub(super) struct Layers {
    /// For each word of each block what its runs are; where there are none they may be those of an earlier layer.
    runs: Vec<Runs>,
    /// Where those of the layer start.
    now: usize,
    /// Where those of the layer below it do.
    below: usize,
    /// For each block of the layer the words in which there is something, or are right of something.
    filled: Vec<u32>,
    /// Where each block's start in them, and after the last block where they end.
    starts: Vec<usize>,
    /// Room for a list.
    meetings: Vec<Meeting>,
}

/// The runs of 64 columns.
#[derive(Clone, Copy, Default)]
pub(super) struct Runs {
    /// A bit for each voxel that one starts with.
    firsts: u64,
    /// The number of the last one that starts before; the greatest number if none does.
    before: u32,
}

impl Runs {
    /// The number of the run that the last of these voxels is in, or the one before it.
    #[inline(always)]
    pub(super) fn at(self, voxels: u64) -> u32 {
        self.before.wrapping_add((self.firsts & voxels).count_ones())
    }
}

/// Where runs of two words touch.
#[derive(Clone, Copy, Default)]
struct Meeting {
    /// A bit for each two runs that do, not before both have started.
    at: u64,
    /// Where the runs of the one and the other are, in [`Layers::runs`].
    words: [u32; 2],
}

/// All bits up to the lowest that is set.
#[inline(always)]
pub(super) fn up_to_lowest(bits: u64) -> u64 {
    bits ^ bits.wrapping_sub(1)
}

/// Word `at` of what is in any of some rows, and for each of its voxels whether the one before it is in.
#[inline(always)]
pub(super) fn with_left<const N: usize>(rows: [&[u64]; N], at: usize) -> [u64; 2] {
    let (any, before) = rows.iter().fold((0, 0), |(any, before), row| (any | row[at], before | row[at - 1]));
    [any, any << 1 | before >> 63]
}

/// Whether there is nothing in some words.
#[inline(always)]
fn is_empty(words: &[u64]) -> bool {
    let (fours, rest) = words.as_chunks::<4>();
    let any = fours.iter().fold([0; 4], |any, four| std::array::from_fn(|w| any[w] | four[w]));
    any.iter().chain(rest).fold(0, |any, word| any | word) == 0
}

impl Blocks {
    pub(super) fn new([rows, columns]: [usize; 2], neighbours: Neighbours) -> Self {
        let size = if neighbours == Neighbours::TwentySix { 2 } else { 1 };
        Self { size, rows, columns, neighbours }
    }

    /// Words per row. The first is 0, so that there is always a word before.
    #[inline(always)]
    pub(super) fn stride(self) -> usize {
        1 + self.columns.div_ceil(64)
    }

    pub(super) fn layers(self) -> Layers {
        let (blocks, stride) = (self.rows.div_ceil(self.size), self.stride());
        Layers {
            runs: vec![Runs::default(); 2 * blocks * stride],
            now: 0,
            below: blocks * stride,
            filled: vec![0; blocks * stride],
            starts: vec![0; blocks + 1],
            meetings: vec![Meeting::default(); 4 * stride],
        }
    }
}

impl Layers {
    /// The runs of a block of the layer, word by word, and the words where one may start or end.
    #[inline(always)]
    pub(super) fn block(&self, block: usize, stride: usize) -> (&[Runs], &[u32]) {
        let filled = &self.filled[self.starts[block]..self.starts[block + 1]];
        (&self.runs[self.now + block * stride..][..stride], filled)
    }
}

at_each_level! {
    /// Goes on to the next layer: adds the runs of its blocks to the sets, and joins those that hang together.
    /// `slices` are the layer's, and `below` is the last slice of the layer before, if there was one.
    pub(super) fn next_layer(
        layers: &mut Layers, blocks: Blocks, slices: &[u64], below: Option<&[u64]>, sets: &mut Sets
    ) {
        std::mem::swap(&mut layers.now, &mut layers.below);
        let (rows, stride) = (blocks.rows, blocks.stride());
        let last_slice = slices.len() / (rows * stride) - 1;
        let row = |slice: usize, j: usize| &slices[(slice * rows + j) * stride..][..stride];
        let wide = blocks.neighbours != Neighbours::Six;
        let all = blocks.neighbours == Neighbours::TwentySix;
        for (block, start) in (0..rows).step_by(blocks.size).enumerate() {
            let end = (start + blocks.size).min(rows) - 1;
            layers.starts[block + 1] = layers.starts[block];
            let part = |slice: usize| &slices[(slice * rows + start) * stride..][..(end + 1 - start) * stride];
            if is_empty(part(0)) && (last_slice == 0 || is_empty(part(last_slice))) {
                continue;
            }
            // Where a block is one row, it is all of them.
            let (low, low_end) = (row(0, start), row(0, end));
            let (high, high_end) = (row(last_slice, start), row(last_slice, end));
            match blocks.size {
                1 => layers.find(block, [low], sets),
                _ => layers.find(block, [low, low_end, high, high_end], sets),
            }
            let (mine, under) = (layers.now + block * stride, layers.below + block * stride);
            let mut count = 0;
            let mut meet = |here, there, theirs, reaches| {
                layers.meet(block, here, there, [mine, theirs], reaches, &mut count);
            };
            if let Some(below) = below {
                let row = |j: usize| &below[j * stride..][..stride];
                meet([low, low_end], [row(start), row(end)], under, wide);
                if wide && start > 0 {
                    meet([low; 2], [row(start - 1); 2], under - stride, all);
                }
                if wide && end + 1 < rows {
                    meet([low_end; 2], [row(end + 1); 2], under + stride, all);
                }
            }
            if start > 0 {
                meet([low, high], [row(0, start - 1), row(last_slice, start - 1)], mine - stride, wide);
            }
            for meeting in &layers.meetings[..count] {
                let [mine, theirs] = meeting.words.map(|word| layers.runs[word as usize]);
                let mut at = meeting.at;
                while at != 0 {
                    let voxels = up_to_lowest(at);
                    sets.join(mine.at(voxels), theirs.at(voxels));
                    at &= at - 1;
                }
            }
        }
    }
}

impl Layers {
    /// Adds the runs of a block of rows to the sets, and lists its words.
    #[inline(always)]
    fn find<const N: usize>(&mut self, block: usize, rows: [&[u64]; N], sets: &mut Sets) {
        let stride = rows[0].len();
        let rows = rows.map(|row| &row[..stride]);
        let first = self.starts[block];
        let runs = &mut self.runs[self.now + block * stride..][..stride];
        let filled = &mut self.filled[first..][..stride];
        let (mut count, mut runs_before) = (0, sets.len());
        for (at, runs) in runs.iter_mut().enumerate().skip(1) {
            let [any, left] = with_left(rows, at);
            *runs = Runs { firsts: any & !left, before: runs_before.wrapping_sub(1) };
            runs_before += runs.firsts.count_ones();
            filled[count] = at as u32;
            count += usize::from(any | left != 0);
        }
        self.starts[block + 1] = first + count;
        sets.add(runs_before);
    }

    /// Lists where the runs of `here` and `there` touch, after the first `count` of the list. Each is what is in
    /// either of two rows, part of `block` and of one beside it, whose words of runs start at `words`. Voxels touch if
    /// they are in the same column, or if it `reaches` in the next.
    #[inline(always)]
    fn meet(
        &mut self,
        block: usize,
        here: [&[u64]; 2],
        there: [&[u64]; 2],
        words: [usize; 2],
        reaches: bool,
        count: &mut usize,
    ) {
        let stride = here[0].len();
        let (here, there) = (here.map(|row| &row[..stride]), there.map(|row| &row[..stride]));
        for &at in &self.filled[self.starts[block]..self.starts[block + 1]] {
            let [here, left] = with_left(here, at as usize);
            let [there, left_there] = with_left(there, at as usize);
            // Where both are in and were not both before; or one has just ended where the other starts.
            let mut touch = here & there & !(left & left_there);
            if reaches {
                touch |= !here & left & there & !left_there | here & !left & !there & left_there;
            }
            self.meetings[*count] = Meeting { at: touch, words: words.map(|word| word as u32 + at) };
            *count += usize::from(touch != 0);
        }
    }
}
