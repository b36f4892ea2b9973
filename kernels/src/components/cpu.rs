//! Labelling on the CPU: slabs of slices side by side, then their seams.

use std::ops::Range;

use rayon::prelude::*;

use super::rows::{Run, Slices, find_runs, touching};
use super::{Component, Components, Slab};
use crate::simd::Level;
use crate::{Error, Neighbours};

/// What is summed over the voxels of a component: whole numbers, so that the order does not matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    pub(super) voxels: u64,
    /// Of the indices, `[k, j, i]`.
    pub(super) index: [u64; 3],
    pub(super) start: [u32; 3],
    pub(super) end: [u32; 3],
}

impl Sums {
    const NONE: Self = Self { voxels: 0, index: [0; 3], start: [u32::MAX; 3], end: [0; 3] };

    /// Adds the run of row `j` of slice `k`.
    fn add(&mut self, k: u32, j: u32, [start, end]: Run) {
        let voxels = u64::from(end - start);
        self.voxels += voxels;
        self.index[0] += voxels * u64::from(k);
        self.index[1] += voxels * u64::from(j);
        // The first and the last column are odd together or their number is even.
        self.index[2] += voxels * (u64::from(start) + u64::from(end) - 1) / 2;
        for (axis, (low, high)) in [(k, k + 1), (j, j + 1), (start, end)].into_iter().enumerate() {
            self.start[axis] = self.start[axis].min(low);
            self.end[axis] = self.end[axis].max(high);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.voxels += other.voxels;
        for axis in 0..3 {
            self.index[axis] += other.index[axis];
            self.start[axis] = self.start[axis].min(other.start[axis]);
            self.end[axis] = self.end[axis].max(other.end[axis]);
        }
    }

    pub(super) fn component(&self, label: u32) -> Component {
        let mean = |axis: usize| self.index[axis] as f64 / self.voxels as f64;
        Component {
            label,
            voxels: self.voxels as usize,
            start: self.start.map(|at| at as usize),
            end: self.end.map(|at| at as usize),
            centroid: [mean(2), mean(1), mean(0)],
        }
    }
}

/// Sets of things that are numbered; the first of a set stands for it.
struct Sets(Vec<u32>);

impl Sets {
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
    fn join(&mut self, a: u32, b: u32) {
        if self.0[a as usize] == self.0[b as usize] {
            return;
        }
        let (a, b) = (self.first(a), self.first(b));
        self.0[a.max(b) as usize] = a.min(b);
    }

    /// Numbers the sets in the order of their first things, from 0; of each thing its set's number, and
    /// how many sets there are.
    fn numbered(self) -> (Vec<u32>, u32) {
        let (mut of, mut count) = (self.0, 0);
        for at in 0..of.len() {
            // Parents come first, so theirs is already a number.
            if of[at] as usize == at {
                of[at] = count;
                count += 1;
            } else {
                of[at] = of[of[at] as usize];
            }
        }
        (of, count)
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
    // Runs and rows are counted in 32 bits.
    let too_large = || Error::OutOfMemory { voxels: shape.iter().product() };
    let most = u32::MAX as usize - 1;
    let thickness = slices.div_ceil(4 * rayon::current_num_threads()).min(most / (rows * columns));
    if thickness == 0 || slices > most {
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
    let (numbers, count) = sets.numbered();
    let mut total = vec![Sums::NONE; count as usize];
    for (sums, &number) in sums.iter().flatten().zip(&numbers) {
        total[number as usize].merge(sums);
    }
    slabs.par_iter_mut().zip(firsts).for_each(|(slab, first)| {
        slab.labels.iter_mut().for_each(|part| *part = numbers[(first + *part) as usize] + 1);
    });
    let list = total.iter().zip(1..).map(|(sums, label)| sums.component(label)).collect();
    Ok(Components { shape, slabs, list })
}

/// The parts of some slices alone: `labels` are their numbers from 0, and there are sums of each.
fn slab(
    level: Level,
    mask: Slices<'_>,
    slices: Range<usize>,
    [rows, columns]: [usize; 2],
    neighbours: Neighbours,
) -> (Slab, Vec<Sums>) {
    let stride = columns.div_ceil(64);
    let first_slice = slices.start;
    let mut packed = vec![0; rows * stride];
    let mut starts: Vec<u32> = Vec::with_capacity(slices.len() * rows + 1);
    let mut ends: Vec<u32> = Vec::new();
    let mut sets = Sets(Vec::new());
    for (k, slice) in slices.enumerate() {
        let words = mask.words(level, slice, [rows, columns], &mut packed);
        for (j, words) in words.chunks_exact(stride).enumerate() {
            let first = ends.len() / 2;
            starts.push(first as u32);
            if words.iter().fold(0, |any, word| any | word) == 0 {
                continue;
            }
            find_runs(words, columns, &mut ends);
            let (runs, _) = ends.as_chunks::<2>();
            sets.0.extend(first as u32..runs.len() as u32);
            for (before, reach) in rows_before(k, j, rows, neighbours).into_iter().flatten() {
                let there = starts[before] as usize;
                let runs_there = &runs[there..starts[before + 1] as usize];
                touching(&runs[first..], runs_there, reach, |a, b| {
                    sets.join((first + a) as u32, (there + b) as u32);
                });
            }
        }
    }
    starts.push((ends.len() / 2) as u32);

    let (labels, count) = sets.numbered();
    let mut sums = vec![Sums::NONE; count as usize];
    let (runs, _) = ends.as_chunks::<2>();
    for (row, range) in starts.array_windows::<2>().enumerate() {
        let range = range[0] as usize..range[1] as usize;
        let (k, j) = ((first_slice + row / rows) as u32, (row % rows) as u32);
        for (&run, &part) in runs[range.clone()].iter().zip(&labels[range]) {
            sums[part as usize].add(k, j, run);
        }
    }
    (Slab { first_slice, starts, ends, labels }, sums)
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
