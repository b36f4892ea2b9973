//! Resampling along the axes, in one pass over the source.
//!
//! Work is in the order of the source's axes: of a source row the output's columns are picked, two such rows
//! are blended into one along j, and two slices of such rows along k on their way out. The slice of blended
//! rows is kept for as long as output slices are between it and the next, so each source slice is read once.
//! Only a strip of rows is in work at a time, which stays in the second level cache. Where more than two
//! voxels make up one along i or j, rows are blended first: picking from fewer rows is faster then.
//!
//! Where the output's axes are in another order, blocks of finished voxels are turned on their way out.

use std::ops::Range;

use rayon::prelude::*;

use super::rows::{Between, Finish, Kept, LANES, Picks, Words, blend, blend_two, convert, fetch, settle};
use super::{Part, Target};
use crate::Voxel;
use crate::grid::Axis;
use crate::simd::Level;

/// How many numbers of blended rows a thread keeps for each slice: 32 KiB.
const STRIP: usize = 8 << 10;

/// How many numbers are on their way out at once.
const BLOCK: usize = 1024;

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
        0 => slices.len().div_ceil(2 * many).clamp(8, 32),
        1 => (slices.len() / many).clamp(8, 64),
        _ => (2 * slices.len() / many).clamp(32, 128),
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
        let slices = || range_k.clone().map(|k| self.as_it_is(&row, k)).collect::<Option<Vec<_>>>();
        if direct
            && self.steps == [range_j.len() * width, width, 1]
            && let Some(slices) = slices()
        {
            for (to, source) in voxels.chunks_exact_mut(self.steps[0]).zip(slices) {
                self.convert(source, to);
            }
            return if self.past_caches {
                settle()
            };
        }
        for strip in blocks(range_j, rows) {
            let mut planes = Planes::new(scratch, self.axes[0].taps, strip.len() * width);
            for layer in blocks(range_k, thick) {
                for k in layer.clone() {
                    let start =
                        (k - range_k.start) * self.steps[0] + (strip.start - range_j.start) * self.steps[1];
                    planes.fill(self, &row, k, &strip);
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

    /// The source voxels that are, one for one, those of output slice `k`.
    fn as_it_is(&self, row: &Row, k: usize) -> Option<&[T]> {
        let unblended = |weights: &[f32]| matches!(weights, [_] | [_, 0.0]);
        let range_j = &self.range[1];
        let (slice, weights) = self.axes[0].of(k)?;
        let (first, _) = self.axes[1].of(range_j.start)?;
        let column = row.used.start + row.picks.whole()?;
        let one_by_one = |(at, j)| {
            self.axes[1].of(j).is_some_and(|(row, weights)| row == first + at && unblended(weights))
        };
        let all = unblended(weights)
            && row.inside.len() == row.width
            && self.part.shape[2] == row.width
            && range_j.clone().enumerate().all(one_by_one);
        all.then(|| self.part.rows(slice, first..first + range_j.len(), &(column..column + row.width)))
    }

    fn convert(&self, source: &[T], to: &mut [F::Out]) {
        match T::kept(source) {
            Kept::Words(words) => return self.finish.finish(self.level, to, Words(words), self.past_caches),
            Kept::Singles(singles) => {
                return self.finish.finish(self.level, to, Between::alone(singles), self.past_caches);
            }
            Kept::Others => {}
        }
        let mut values = [0.0; BLOCK];
        let mut source = source;
        for to in lines(to) {
            let (block, rest) = source.split_at(to.len());
            source = rest;
            let values = &mut values[..block.len()];
            convert(self.level, values, block);
            self.finish.finish(self.level, to, Between::alone(values), self.past_caches);
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
        let of = |tap: usize| &planes.of(tap)[start..][..to.len()];
        match *weights {
            [_] | [_, 0.0] => self.finish.finish(self.level, to, Between::alone(of(0)), past_caches),
            [_, weight] => {
                self.finish.finish(self.level, to, Between::new(of(0), of(1), weight), past_caches);
            }
            _ => {
                let mut blended = [0.0; BLOCK];
                let mut done = 0;
                for to in lines(to) {
                    let (blended, from) = (&mut blended[..to.len()], start + done..start + done + to.len());
                    blend(self.level, blended, weights, |tap| &planes.of(tap)[from.clone()]);
                    self.finish.finish(self.level, to, Between::alone(blended), past_caches);
                    done += to.len();
                }
            }
        }
    }
}

/// In blocks of which all but the first begin with a cache line.
fn lines<O>(to: &mut [O]) -> impl Iterator<Item = &mut [O]> {
    let head = to.as_ptr().align_offset(64).min(to.len());
    let (head, rest) = to.split_at_mut(head);
    std::iter::once(head).filter(|head| !head.is_empty()).chain(rest.chunks_mut(BLOCK))
}

/// How the rows of a job are picked from source rows.
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
        let picks = Picks::new(axis, low..high, &used);
        Self { width: range.len(), inside: low - range.start..high - range.start, used, picks }
    }
}

/// The source slices around an output slice, picked along i and blended along j.
struct Planes<'a> {
    /// A plane for each tap, and a few numbers more.
    memory: &'a mut Vec<f32>,
    size: usize,
    /// Which source slice each plane holds.
    held: Vec<Option<usize>>,
    /// Which plane is for the first tap, the second, ..
    tap: Vec<usize>,
    near: Near,
}

/// Source rows of one slice, picked or about to be.
#[derive(Default)]
struct Near {
    /// Two rows that were picked from, and which they are. As long as whole vectors.
    picked: [Vec<f32>; 2],
    held: [Option<usize>; 2],
    /// A source row that is blended or converted.
    whole: Vec<f32>,
}

impl<'a> Planes<'a> {
    fn new(memory: &'a mut Vec<f32>, taps: usize, size: usize) -> Self {
        memory.resize(memory.len().max(taps * (size + LANES)), 0.0);
        let (held, tap) = (vec![None; taps], (0..taps).collect());
        Self { memory, size: size + LANES, held, tap, near: Near::default() }
    }

    fn of(&self, tap: usize) -> &[f32] {
        &self.memory[self.tap[tap] * self.size..][..self.size]
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
            // Output slices mostly follow each other, and so does what they need next.
            let next = job.axes[0].of(k + 1).map(|(next, _)| next);
            let ahead = match next {
                Some(next) if next < first => slice.checked_sub(1),
                _ => Some(slice + 1),
            };
            let of_part = job.part.at[0]..job.part.at[0] + job.part.shape[0];
            let ahead = ahead.filter(|slice| of_part.contains(slice));
            match row.picks.of_two() && job.axes[1].taps <= 2 {
                true => pick_slice(job, row, slice, ahead, strip, to, &mut self.near),
                false => blend_slice(job, row, slice, ahead, strip, to, &mut self.near.whole),
            }
        }
    }
}

/// Rows `strip` of the output's grid in a source slice: picked, then blended. Those of the slice `ahead` are
/// fetched meanwhile: a strip is too short for the processor to find out by itself that the next one follows.
fn pick_slice<T: Voxel, F: Finish>(
    job: &Job<'_, T, F>,
    row: &Row,
    slice: usize,
    ahead: Option<usize>,
    strip: &Range<usize>,
    plane: &mut [f32],
    near: &mut Near,
) {
    let (level, part) = (job.level, job.part);
    let count = row.inside.len();
    // Whole vectors are blended faster: what is too much at the end of a row is overwritten by the next.
    let padded = count.next_multiple_of(LANES);
    let Near { picked, held, whole } = near;
    picked.iter_mut().for_each(|row| row.resize(padded, 0.0));
    *held = [None; 2];
    let mut pick = |to: &mut [f32], j: usize| {
        if let Some(ahead) = ahead {
            fetch(part.row(ahead, j, &row.used));
        }
        row.picks.pick(level, to, part.row(slice, j, &row.used), whole);
    };
    for (at, j) in strip.clone().enumerate() {
        let Some((first, weights)) = job.axes[1].of(j) else { continue };
        let to = &mut plane[at * row.width + row.inside.start..];
        let weight = if weights.len() == 2 { weights[1] } else { 0.0 };
        if weight == 0.0 {
            pick(&mut to[..padded], first);
            continue;
        }
        for j in [first, first + 1] {
            if held[j % 2] != Some(j) {
                pick(&mut picked[j % 2], j);
                held[j % 2] = Some(j);
            }
        }
        blend_two(level, &mut to[..padded], &picked[first % 2], &picked[(first + 1) % 2], weight);
    }
}

/// The same, but rows are blended, then picked from.
fn blend_slice<T: Voxel, F: Finish>(
    job: &Job<'_, T, F>,
    row: &Row,
    slice: usize,
    ahead: Option<usize>,
    strip: &Range<usize>,
    plane: &mut [f32],
    blended: &mut Vec<f32>,
) {
    let (level, part) = (job.level, job.part);
    blended.resize(row.used.len(), 0.0);
    for (at, j) in strip.clone().enumerate() {
        let Some((first, weights)) = job.axes[1].of(j) else { continue };
        if let Some(ahead) = ahead {
            fetch(part.row(ahead, first, &row.used));
        }
        let from = |tap: usize| part.row(slice, (first + tap).min(part.of[1] - 1), &row.used);
        let to = &mut plane[at * row.width + row.inside.start..];
        if let Some(start) = row.picks.whole() {
            let count = row.inside.len();
            blend(level, &mut to[..count], weights, |tap| &from(tap)[start..][..count]);
        } else {
            blend(level, blended, weights, from);
            row.picks.pick(level, to, blended, &mut Vec::new());
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
    let whole = columns / TURNED * TURNED;
    for o in 0..shape[outer] {
        for start in (0..shape[inner]).step_by(TURNED) {
            let count = TURNED.min(shape[inner] - start);
            let block = &block[o * from[outer] + start * from[inner]..];
            let to = &mut to[o * steps[outer] + start..];
            let mut done = 0;
            if count == TURNED {
                // Of a known size, so that it stays in registers.
                for start in (0..whole).step_by(TURNED) {
                    let rows: [&[O; TURNED]; TURNED] = std::array::from_fn(|row| {
                        block[start + row * from[inner]..].first_chunk().expect("whole blocks fit")
                    });
                    for i in 0..TURNED {
                        let turned: [O; TURNED] = std::array::from_fn(|row| rows[row][i]);
                        to[(start + i) * steps[2]..][..TURNED].copy_from_slice(&turned);
                    }
                }
                done = whole;
            }
            for i in done..columns {
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
