//! Labelling on the CPU: slabs of slices side by side, then their seams.

use std::ops::Range;

use rayon::prelude::*;

use super::blocks::{Blocks, next_layer};
use super::rows::{Room, Run, Slices, find_runs, touching};
use super::{Component, Components, Slab};
use crate::simd::{Level, at_each_level};
use crate::{Error, Neighbours};

/// What is summed over the voxels of a component: whole numbers, so that the order does not matter. Two numbers
/// of [`Self::most`] are always 0: eight are compared at once.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Sums {
    /// How many there are, and the sums of their slices, rows and columns.
    pub(super) total: [u64; 4],
    /// What the lowest slice, row and column lack to the greatest number, and one past the highest ones.
    pub(super) most: [u32; 8],
}

impl Sums {
    const NONE: Self = Self { total: [0; 4], most: [0; 8] };

    /// Adds the run of row `j` of slice `k`.
    #[inline(always)]
    fn add(&mut self, k: u32, j: u32, [start, end]: Run) {
        let voxels = u64::from(end - start);
        // The first and the last column are odd together or their number is even.
        let columns = voxels * (u64::from(start) + u64::from(end) - 1) / 2;
        self.merge(&Self {
            total: [voxels, voxels * u64::from(k), voxels * u64::from(j), columns],
            most: [!k, !j, !start, k + 1, j + 1, end, 0, 0],
        });
    }

    #[inline(always)]
    fn merge(&mut self, other: &Self) {
        self.total.iter_mut().zip(other.total).for_each(|(total, more)| *total += more);
        self.most.iter_mut().zip(other.most).for_each(|(most, other)| *most = (*most).max(other));
    }

    pub(super) fn component(&self, label: u32) -> Component {
        let [voxels, k, j, i] = self.total;
        let mean = |sum: u64| sum as f64 / voxels as f64;
        let most = self.most.map(|at| at as usize);
        Component {
            label,
            voxels: voxels as usize,
            start: [most[0], most[1], most[2]].map(|left| u32::MAX as usize - left),
            end: [most[3], most[4], most[5]],
            centroid: [mean(i), mean(j), mean(k)],
        }
    }
}

/// Sets of things that are numbered; the first of a set stands for it.
pub(super) struct Sets(Vec<u32>);

impl Sets {
    pub(super) fn len(&self) -> u32 {
        self.0.len() as u32
    }

    /// Adds sets of one thing each until there are so many things.
    #[inline(always)]
    pub(super) fn add(&mut self, things: u32) {
        self.0.extend(self.len()..things);
    }

    #[inline(always)]
    fn first(&mut self, mut of: u32) -> u32 {
        loop {
            let parent = self.0[of as usize];
            if parent == of {
                return of;
            }
            let next = self.0[parent as usize];
            self.0[of as usize] = next;
            of = next;
        }
    }

    #[inline(always)]
    pub(super) fn join(&mut self, a: u32, b: u32) {
        if self.0[a as usize] == self.0[b as usize] {
            return;
        }
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b) as usize] = a.min(b);
    }

    /// Of each thing the first of its set.
    #[inline(always)]
    fn firsts(self) -> Vec<u32> {
        let mut of = self.0;
        for at in 0..of.len() {
            // Parents come first, so theirs is already the first.
            of[at] = of[of[at] as usize];
        }
        of
    }
}

/// The components of `mask`, an array of `shape`.
pub(super) fn labelled(
    level: Level,
    mask: Slices<'_>,
    shape: [usize; 3],
    neighbours: Neighbours,
) -> Result<Components, Error> {
    let [slices, rows, columns] = shape;
    if shape.contains(&0) {
        return Ok(Components { shape, slabs: Vec::new(), list: Vec::new() });
    }
    // Runs, rows and words are counted in 32 bits.
    let too_large = || Error::OutOfMemory { voxels: shape.iter().product() };
    let most = u32::MAX as usize - 1;
    let thickness = slices.div_ceil(4 * rayon::current_num_threads());
    // Two slices may be one layer of blocks.
    let thickness = thickness.next_multiple_of(2).min(most / (rows * columns));
    if thickness == 0 || slices > most || rows >= 1 << 30 {
        return Err(too_large());
    }
    let slices: Vec<Range<usize>> =
        (0..slices).step_by(thickness).map(|k| k..(k + thickness).min(slices)).collect();
    let (mut slabs, sums): (Vec<Slab>, Vec<Vec<Sums>>) = slices
        .into_par_iter()
        .with_max_len(1)
        .map(|slices| slab(level, mask, slices, [rows, columns], neighbours))
        .unzip();
    if sums.iter().map(Vec::len).sum::<usize>() > most {
        return Err(too_large());
    }

    let mut firsts = Vec::with_capacity(slabs.len());
    let mut parts = 0;
    for sums in &sums {
        firsts.push(parts);
        parts += sums.len() as u32;
    }
    let mut sets = Sets((0..parts).collect());
    for at in 1..slabs.len() {
        join_slabs(&slabs[at - 1..=at], &firsts[at - 1..=at], rows, neighbours, &mut sets);
    }
    let mut numbers = sets.firsts();
    let mut count = 0;
    for at in 0..numbers.len() {
        let first = numbers[at] as usize;
        numbers[at] = if first == at { count } else { numbers[first] };
        count += u32::from(first == at);
    }
    let mut total = vec![Sums::NONE; count as usize];
    for (sums, &number) in sums.iter().flatten().zip(&numbers) {
        total[number as usize].merge(sums);
    }
    slabs.par_iter_mut().zip(firsts).for_each(|(slab, first)| {
        slab.labels.iter_mut().for_each(|part| *part = numbers[first as usize + *part as usize] + 1);
    });
    let list = total.iter().zip(1..).map(|(sums, label)| sums.component(label)).collect();
    Ok(Components { shape, slabs, list })
}

/// The parts of some slices alone: `labels` are their numbers from 0, and there are sums of each.
fn slab(
    level: Level,
    mask: Slices<'_>,
    slices: Range<usize>,
    shape: [usize; 2],
    neighbours: Neighbours,
) -> (Slab, Vec<Sums>) {
    let [rows, columns] = shape;
    let blocks = Blocks::new(shape, neighbours);
    let mut layers = blocks.layers();
    let (mut packed, mut packed_below): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
    let mut room = Room::default();
    let mut sets = Sets(Vec::new());
    // More than most masks have; what is not used is never touched.
    let runs = slices.len() * rows * columns / 64;
    let mut starts = Vec::with_capacity(slices.len() * rows + 1);
    let (mut ends, mut labels): (Vec<u32>, Vec<u32>) =
        (Vec::with_capacity(2 * runs), Vec::with_capacity(runs));
    starts.push(0);
    let slice = rows * blocks.stride();
    for k in slices.clone().step_by(blocks.size) {
        mask.pack(level, k..(k + blocks.size).min(slices.end), blocks, &mut packed);
        let below = (k > slices.start).then(|| &packed_below[packed_below.len() - slice..]);
        next_layer(level, &mut layers, blocks, &packed, below, &mut sets);
        for slice in packed.chunks_exact(slice) {
            find_runs(level, slice, blocks, &layers, labels.len(), &mut room, &mut starts);
            ends.extend_from_slice(room.ends());
            labels.extend_from_slice(room.labels());
        }
        std::mem::swap(&mut packed, &mut packed_below);
    }
    let mut slab = Slab { first_slice: slices.start, starts, ends, labels };
    let sums = sum_up(level, &mut slab, rows, sets.firsts());
    (slab, sums)
}

at_each_level! {
    /// Numbers the parts of a slab in the order of their first voxels, and sums them up. `firsts` has for each run of
    /// a block the first that it hangs together with; their order is not that of their voxels.
    fn sum_up(slab: &mut Slab, rows: usize, firsts: Vec<u32>) -> Vec<Sums> {
        let mut numbers = vec![u32::MAX; firsts.len()];
        let mut sums: Vec<Sums> = Vec::new();
        let mut runs = slab.ends.as_chunks::<2>().0.iter().zip(&mut slab.labels);
        let mut before = 0;
        for (k, ends) in (slab.first_slice as u32..).zip(slab.starts[1..].chunks_exact(rows)) {
            for (j, &end) in (0..).zip(ends) {
                for (&run, label) in runs.by_ref().take((end - before) as usize) {
                    let number = &mut numbers[firsts[*label as usize] as usize];
                    if *number == u32::MAX {
                        *number = sums.len() as u32;
                        sums.push(Sums::NONE);
                    }
                    *label = *number;
                    sums[*number as usize].add(k, j, run);
                }
                before = end;
            }
        }
        sums
    }
}

/// The earlier rows that touch row `j` of slice `k` of a slab, and how far to the side their voxels touch
/// (0 or 1).
fn rows_before(k: usize, j: usize, rows: usize, neighbours: Neighbours) -> [Option<(usize, u32)>; 4] {
    let row = k * rows + j;
    let wide = u32::from(neighbours != Neighbours::Six);
    let all = u32::from(neighbours == Neighbours::TwentySix);
    let diagonal = neighbours != Neighbours::Six && k > 0;
    [
        (j > 0).then(|| (row - 1, wide)),
        (k > 0).then(|| (row - rows, wide)),
        (diagonal && j > 0).then(|| (row - rows - 1, all)),
        (diagonal && j + 1 < rows).then(|| (row - rows + 1, all)),
    ]
}

/// Joins the parts of a slab and of the one before it, whose parts are counted from `firsts`.
fn join_slabs(slabs: &[Slab], firsts: &[u32], rows: usize, neighbours: Neighbours, sets: &mut Sets) {
    let [before, after] = [&slabs[0], &slabs[1]];
    let last = before.starts.len() - 1 - rows;
    for j in 0..rows {
        let (runs, labels) = after.row(j);
        // As if the slice before were the first of two.
        let touched = rows_before(1, j, rows, neighbours).into_iter().flatten();
        for (row, reach) in touched.filter(|&(row, _)| row < rows) {
            let (there, their_labels) = before.row(last + row);
            touching(runs, there, reach, |a, b| {
                sets.join(firsts[1] + labels[a], firsts[0] + their_labels[b])
            });
        }
    }
}
