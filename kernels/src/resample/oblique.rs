//! Resampling under any map: each row of the output is a line through the source.
//!
//! Places, weights and blending vectorise; only the voxels themselves are fetched one by one.

use std::ops::Range;

use rayon::prelude::*;

use super::rows::{Between, Finish, mix};
use super::{Interpolation, Part, Target};
use crate::simd::{Level, at_each_level};
use crate::{IndexMap, Voxel, grid};

/// How many voxels are in work at once.
const BLOCK: usize = 64;

/// Resamples `part` of a source onto `to`.
pub(super) fn resample<T: Voxel, F: Finish>(
    level: Level,
    to: Target<'_, F::Out>,
    part: &Part<'_, T>,
    map: &IndexMap,
    interpolation: Interpolation,
    finish: F,
) {
    let Target { shape: [_, rows, columns], slices, voxels, .. } = to;
    if voxels.is_empty() {
        return;
    }
    voxels.par_chunks_mut(columns).enumerate().with_min_len(8).for_each(|(at, to)| {
        let line = Line::new(map, slices.start + at / rows, at % rows, columns, part.of);
        to[..line.inside.start].fill(finish.outside());
        to[line.inside.end..].fill(finish.outside());
        let mut values = [0.0; BLOCK];
        for start in line.inside.clone().step_by(BLOCK) {
            let values = &mut values[..BLOCK.min(line.inside.end - start)];
            match interpolation {
                Interpolation::Nearest => {
                    for (at, value) in (start..).zip(&mut *values) {
                        *value = part.voxels[part.index(line.nearest(at, part.of))].to_f32();
                    }
                }
                _ => linear(level, values, &line, start, part),
            }
            finish.finish(level, &mut to[start..][..values.len()], Between::alone(values), false);
        }
    });
}

/// A row of the output in the source, in the order i, j, k.
pub(super) struct Line {
    start: [f64; 3],
    step: [f64; 3],
    /// Which of the output's voxels lie inside of the source.
    pub(super) inside: Range<usize>,
}

impl Line {
    pub(super) fn new(
        map: &IndexMap,
        k: usize,
        j: usize,
        columns: usize,
        [slices, rows, wide]: [usize; 3],
    ) -> Self {
        let start = std::array::from_fn(|d| map[d][1] * j as f64 + map[d][2] * k as f64 + map[d][3]);
        let step = [map[0][0], map[1][0], map[2][0]];
        let inside = grid::inside_row(start, step, [wide, rows, slices], columns);
        Self { start, step, inside }
    }

    /// The voxel (`[k, j, i]`) of a source of shape `source` nearest to output voxel `at`.
    #[inline]
    pub(super) fn nearest(&self, at: usize, source: [usize; 3]) -> [usize; 3] {
        let place = |d: usize| self.start[d] + self.step[d] * at as f64;
        std::array::from_fn(|axis| grid::nearest(place(2 - axis), source[axis]))
    }
}

/// The voxel of a source below each of the places on a line along one axis, and the weight of the next.
struct Around {
    low: [i32; BLOCK],
    weight: [f32; BLOCK],
}

at_each_level! {
    /// `size` is the number of voxels along the axis.
    fn around(found: &mut Around, start: f64, step: f64, first: usize, size: usize) {
        // 32 bits convert faster, and no axis of voxels is that long.
        let (first, last) = (first as i32, size as i32 - 1);
        for (at, (low, weight)) in found.low.iter_mut().zip(&mut found.weight).enumerate() {
            let place = start + step * f64::from(first + at as i32);
            let whole = place.max(0.0).min(f64::from(last)) as i32;
            *low = whole;
            *weight = (place - f64::from(whole)).max(0.0) as f32;
        }
    }
}

at_each_level! {
    fn blend(values: &mut [f32], corners: &[[f32; BLOCK]; 8], weights: [&[f32; BLOCK]; 3]) {
        for (at, value) in values.iter_mut().enumerate().take(BLOCK) {
            let along_i = |row: usize| mix(corners[2 * row][at], corners[2 * row + 1][at], weights[0][at]);
            let along_j = |slice: usize| mix(along_i(2 * slice), along_i(2 * slice + 1), weights[1][at]);
            *value = mix(along_j(0), along_j(1), weights[2][at]);
        }
    }
}

fn linear<T: Voxel>(level: Level, values: &mut [f32], line: &Line, start: usize, part: &Part<'_, T>) {
    let mut along = [const { Around { low: [0; BLOCK], weight: [0.0; BLOCK] } }; 3];
    for (d, along) in along.iter_mut().enumerate() {
        around(level, along, line.start[d], line.step[d], start, part.of[2 - d]);
    }
    let [i, j, k] = &along;
    let mut corners = [[0.0; BLOCK]; 8];
    let [_, rows, columns] = part.shape;
    let step = [1, columns, rows * columns];
    for at in 0..values.len() {
        let low: [usize; 3] = [i.low[at] as usize, j.low[at] as usize, k.low[at] as usize];
        let next: [usize; 3] = std::array::from_fn(|d| if low[d] + 1 < part.of[2 - d] { step[d] } else { 0 });
        let first = part.index([low[2], low[1], low[0]]);
        for (corner, values) in corners.iter_mut().enumerate() {
            let beyond = |d: usize| if corner >> d & 1 == 1 { next[d] } else { 0 };
            values[at] = part.voxels[first + beyond(0) + beyond(1) + beyond(2)].to_f32();
        }
    }
    blend(level, values, &corners, [&i.weight, &j.weight, &k.weight]);
}

/// The box of voxels of a source of shape `source` that `slices` of an output of `shape` need.
pub(super) fn source_of(
    map: &IndexMap,
    [_, rows, columns]: [usize; 3],
    source: [usize; 3],
    slices: Range<usize>,
) -> [Range<usize>; 3] {
    // The places of a box of the output lie between those of its corners.
    let nothing = [0..0, 0..0, 0..0];
    if rows == 0 || columns == 0 || !map.iter().flatten().all(|value| value.is_finite()) {
        return nothing;
    }
    let ends = [[0, columns - 1], [0, rows - 1], [slices.start, slices.end - 1]];
    std::array::from_fn(|axis| {
        let (row, n) = (&map[2 - axis], source[axis]);
        let (mut low, mut high) = (row[3], row[3]);
        for (step, ends) in row.iter().zip(ends) {
            let places = ends.map(|end| step * end as f64);
            low += places[0].min(places[1]);
            high += places[0].max(places[1]);
        }
        // A voxel more on each side: rounding, and the upper neighbour.
        let low = ((low - 1.0).floor().max(0.0) as usize).min(n);
        let high = ((high + 3.0).floor().max(0.0) as usize).min(n);
        low..high.max(low)
    })
}
