//! Resampling along the axes, in one pass over the source.
//!
//! Work is in the order of the source's axes: two source rows are blended into one along j, which
//! vectorises, and from that one the output's columns are picked. The slice of blended rows is kept for
//! as long as output slices are between it and the next, so each source slice is read once. Only a strip
//! of rows is in work at a time, which stays in the second level cache.
//!
//! Where the output's axes are in another order, blocks of finished voxels are turned on their way out.

use std::ops::Range;

use rayon::prelude::*;

use super::rows::{Finish, Picks, blend, settle};
use super::{Part, Target};
use crate::Voxel;
use crate::grid::Axis;
use crate::simd::Level;

/// How many numbers of blended rows a thread keeps for each slice: 64 KiB.
const STRIP: usize = 16 << 10;

/// How many voxels are turned around at once: 16 of them are a cache line or more.
const TURNED: usize = 16;

/// Resamples `part` of a source onto `to`. `axes` and `order` are in the order of the source's axes:
/// `order[a]` is the source axis that output axis `a` follows.
pub(super) fn resample<T: Voxel, F: Finish>(
    level: Level,
    to: Target<'_, F::Out>,
    part: &Part<'_, T>,
    axes: &[Axis; 3],
    order: [usize; 3],
    finish: F,
) {
    let Target { shape: [_, rows, columns], slices, voxels, past_caches } = to;
    let past_caches = past_caches && order == [0, 1, 2];
    if voxels.is_empty() {
        return;
    }
    let plane = rows * columns;
    let many = 4 * rayon::current_num_threads();
    // A slab of k costs one more source slice than it has to; one of i has short rows.
    let slab = match order[0] {
        0 => (slices.len() / (2 * many)).clamp(8, 32),
        1 => (slices.len() / many).clamp(8, 64),
        _ => (slices.len() / many).clamp(32, 128),
    };
    voxels.par_chunks_mut(slab * plane).enumerate().for_each_init(Vec::new, |scratch, (at, voxels)| {
        let first = slices.start + at * slab;
        let mut of_output = [first..first + voxels.len() / plane, 0..rows, 0..columns];
        let mut of_source = [0..0, 0..0, 0..0];
        let mut steps = [0; 3];
        for (axis, step) in [plane, columns, 1].into_iter().enumerate() {
            of_source[order[axis]] = std::mem::take(&mut of_output[axis]);
            steps[order[axis]] = step;
        }
        let job = Job { level, part, axes, order, finish, range: of_source, steps, past_caches };
        job.run(voxels, scratch);
    });
}

/// One thread's share: `range` of output indices in the order of the source's axes, where a step along
/// each of them is `steps` in the output.
struct Job<'a, T: Voxel, F> {
    level: Level,
    part: &'a Part<'a, T>,
    axes: &'a [Axis; 3],
    order: [usize; 3],
    finish: F,
    range: [Range<usize>; 3],
    steps: [usize; 3],
    past_caches: bool,
}

impl<T: Voxel, F: Finish> Job<'_, T, F> {
    fn run(&self, voxels: &mut [F::Out], scratch: &mut Vec<f32>) {
        let [range_k, range_j, range_i] = &self.range;
        let width = range_i.len();
        let direct = self.order[2] == 2;
        // What is turned is collected first: rows of one slice, or a few rows of several slices.
        let thick = if self.order[2] == 0 { TURNED } else { 1 };
        let rows = (STRIP / width / if thick > 1 { 4 } else { 1 }).clamp(TURNED, 4 * TURNED);
        let mut block = if direct { Vec::new() } else { vec![F::Out::default(); thick * rows * width] };
        let row = Row::new(&self.axes[2], range_i, self.part);
        for strip in blocks(range_j, rows) {
            let mut planes = Planes::new(scratch, self.axes[0].taps, strip.len() * width);
            for layer in blocks(range_k, thick) {
                for k in layer.clone() {
                    planes.fill(self, &row, k, &strip);
                    let start =
                        (k - range_k.start) * self.steps[0] + (strip.start - range_j.start) * self.steps[1];
                    match direct {
                        true if self.steps[1] == width => {
                            let to = &mut voxels[start..][..strip.len() * width];
                            self.slice(&planes, &row, k, &strip, to);
                        }
                        true => {
                            for (at, j) in strip.clone().enumerate() {
                                let to = &mut voxels[start + at * self.steps[1]..][..width];
                                self.row(&planes, &row, k, j, at, to);
                            }
                        }
                        false => {
                            let to =
                                &mut block[(k - layer.start) * strip.len() * width..][..strip.len() * width];
                            self.slice(&planes, &row, k, &strip, to);
                        }
                    }
                }
                if !direct {
                    let start = (layer.start - range_k.start) * self.steps[0]
                        + (strip.start - range_j.start) * self.steps[1];
                    turn(
                        &mut voxels[start..],
                        &block,
                        [layer.len(), strip.len(), width],
                        self.steps,
                        self.order[2],
                    );
                }
            }
        }
        if self.past_caches {
            settle();
        }
    }

    /// Finishes the rows `strip` of output slice `k` onto `to`.
    fn slice(&self, planes: &Planes<'_>, row: &Row, k: usize, strip: &Range<usize>, to: &mut [F::Out]) {
        let width = row.width;
        let all_inside = row.inside.len() == width && strip.clone().all(|j| self.axes[1].of(j).is_some());
        if all_inside && let Some((_, weights)) = self.axes[0].of(k) {
            return self.finish(planes, weights, 0, to, self.past_caches);
        }
        for (at, j) in strip.clone().enumerate() {
            self.row(planes, row, k, j, at, &mut to[at * width..][..width]);
        }
    }

    /// Finishes row `j`, the one at `at` in the strip, of output slice `k`.
    fn row(&self, planes: &Planes<'_>, row: &Row, k: usize, j: usize, at: usize, to: &mut [F::Out]) {
        let outside = self.finish.outside();
        match (self.axes[0].of(k), self.axes[1].of(j)) {
            (Some((_, weights)), Some(_)) => {
                to[..row.inside.start].fill(outside);
                to[row.inside.end..].fill(outside);
                self.finish(
                    planes,
                    weights,
                    at * row.width + row.inside.start,
                    &mut to[row.inside.clone()],
                    false,
                );
            }
            _ => to.fill(outside),
        }
    }

    /// Blends the planes from the number `start` on, and finishes them.
    fn finish(
        &self,
        planes: &Planes<'_>,
        weights: &[f32],
        start: usize,
        to: &mut [F::Out],
        past_caches: bool,
    ) {
        const BLOCK: usize = 1024;
        let mut blended = [0.0; BLOCK];
        let mut done = 0;
        while done < to.len() {
            // So that the blocks after the first begin with a cache line.
            let aligned = to[done..].as_ptr().align_offset(64).min(BLOCK);
            let count = if aligned == 0 { BLOCK } else { aligned }.min(to.len() - done);
            let from = start + done..start + done + count;
            let values = match planes.alone(weights) {
                Some(plane) => &plane[from],
                None => {
                    let blended = &mut blended[..count];
                    blend(self.level, blended, weights, |tap| &planes.of(tap)[from.clone()]);
                    blended
                }
            };
            self.finish.finish(self.level, &mut to[done..][..count], values, past_caches);
            done += count;
        }
    }
}

/// How the rows of a job are picked from blended source rows.
struct Row {
    width: usize,
    /// Which of them lie inside of the source.
    inside: Range<usize>,
    /// The columns of the source that they need.
    used: Range<usize>,
    picks: Picks,
}

impl Row {
    fn new<T: Voxel>(axis: &Axis, range: &Range<usize>, part: &Part<'_, T>) -> Self {
        let low = axis.inside.start.clamp(range.start, range.end);
        let high = axis.inside.end.clamp(low, range.end);
        let used = axis.source(low..high, part.of[2]);
        let picks = Picks::new(axis, low..high, used.start);
        Self { width: range.len(), inside: low - range.start..high - range.start, used, picks }
    }
}

/// The source slices around an output slice, blended along j and picked along i.
struct Planes<'a> {
    /// A row of blended source voxels, and then a plane for each tap.
    memory: &'a mut Vec<f32>,
    size: usize,
    /// Which source slice each plane holds.
    held: Vec<Option<usize>>,
    /// Which plane is for the first tap, the second, ..
    tap: Vec<usize>,
    blended: Vec<f32>,
}

impl<'a> Planes<'a> {
    fn new(memory: &'a mut Vec<f32>, taps: usize, size: usize) -> Self {
        memory.resize(memory.len().max(taps * size), 0.0);
        Self { memory, size, held: vec![None; taps], tap: (0..taps).collect(), blended: Vec::new() }
    }

    fn of(&self, tap: usize) -> &[f32] {
        &self.memory[self.tap[tap] * self.size..][..self.size]
    }

    /// The plane that has all of the weight.
    fn alone(&self, weights: &[f32]) -> Option<&[f32]> {
        matches!(weights, [_] | [_, 0.0]).then(|| self.of(0))
    }

    /// Makes the planes that output slice `k` needs.
    fn fill<T: Voxel, F: Finish>(&mut self, job: &Job<'_, T, F>, row: &Row, k: usize, strip: &Range<usize>) {
        let Some((first, weights)) = job.axes[0].of(k) else { return };
        let needed =
            |tap: usize| (weights[tap] != 0.0 || tap == 0).then(|| (first + tap).min(job.part.of[0] - 1));
        let taps = weights.len();
        // What is there already stays where it is.
        let mut free: Vec<usize> = (0..taps).collect();
        let mut missing = Vec::new();
        for tap in 0..taps {
            let Some(slice) = needed(tap) else { continue };
            match free.iter().position(|&plane| self.held[plane] == Some(slice)) {
                Some(at) => self.tap[tap] = free.swap_remove(at),
                None => missing.push((tap, slice)),
            }
        }
        for (tap, slice) in missing {
            let plane = free.pop().expect("as many planes as taps");
            (self.held[plane], self.tap[tap]) = (Some(slice), plane);
            let to = &mut self.memory[plane * self.size..][..self.size];
            blend_slice(job, row, slice, strip, to, &mut self.blended);
        }
    }
}

/// Rows `strip` of the output's grid in a source slice.
fn blend_slice<T: Voxel, F: Finish>(
    job: &Job<'_, T, F>,
    row: &Row,
    slice: usize,
    strip: &Range<usize>,
    plane: &mut [f32],
    blended: &mut Vec<f32>,
) {
    let (level, part) = (job.level, job.part);
    let used = row.used.len();
    blended.resize(used + row.picks.padding(), 0.0);
    for (j, to) in strip.clone().zip(plane.chunks_exact_mut(row.width)) {
        let Some((first, weights)) = job.axes[1].of(j) else { continue };
        let from = |tap: usize| part.row(slice, (first + tap).min(part.of[1] - 1), &row.used);
        let to = &mut to[row.inside.clone()];
        if let Some(start) = row.picks.whole() {
            let count = to.len();
            blend(level, to, weights, |tap| &from(tap)[start..][..count]);
        } else {
            blend(level, &mut blended[..used], weights, from);
            // The voxel after the last has weight 0 but must be a number.
            let last = blended[used.saturating_sub(1)];
            blended[used..].fill(last);
            row.picks.pick(level, to, blended);
        }
    }
}

/// Writes a block of `[layers, rows, columns]` to where its voxels are `steps` apart; `inner` is the one
/// of the first two axes along which that is 1.
fn turn<O: Voxel>(
    to: &mut [O],
    block: &[O],
    [layers, rows, columns]: [usize; 3],
    steps: [usize; 3],
    inner: usize,
) {
    let from = [rows * columns, columns, 1];
    let shape = [layers, rows, columns];
    let outer = 1 - inner;
    let mut turned = [O::default(); TURNED];
    for o in 0..shape[outer] {
        for start in (0..shape[inner]).step_by(TURNED) {
            let count = TURNED.min(shape[inner] - start);
            let block = &block[o * from[outer] + start * from[inner]..];
            let to = &mut to[o * steps[outer] + start..];
            for i in 0..columns {
                for (turned, voxel) in turned[..count].iter_mut().zip(block[i..].iter().step_by(from[inner]))
                {
                    *turned = *voxel;
                }
                to[i * steps[2]..][..count].copy_from_slice(&turned[..count]);
            }
        }
    }
}

/// A range in blocks of at most `size`.
fn blocks(range: &Range<usize>, size: usize) -> impl Iterator<Item = Range<usize>> + use<> {
    let end = range.end;
    range.clone().step_by(size).map(move |start| start..(start + size).min(end))
}
