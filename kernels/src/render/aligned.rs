//! Slabs whose axes follow those of the volume: whole rows of it at a time.

use std::ops::Range;

use super::{Through, join, mix};
use crate::Voxel;
use crate::grid::Line;
use crate::resample::rows::fetch;
use crate::simd::{Level, at_each_level};

/// What to blend along one axis: voxel `at` and the one after it, which has the weight.
pub(super) struct Samples {
    /// The indices that fall inside of the source; the vectors below start at the first of them.
    pub(super) inside: Range<usize>,
    pub(super) at: Vec<usize>,
    pub(super) weight: Vec<f32>,
    /// Whether each sample is one source voxel after the one before.
    consecutive: bool,
    /// Whether the samples are voxels as they are stored, one after the other.
    whole: bool,
    /// The voxels that are sampled, and the one after them for the last weight.
    used: Range<usize>,
}

impl Samples {
    pub(super) fn of(line: Line, count: usize, source: [usize; 3]) -> Self {
        let axis = line.linear(count, source[line.source_axis]);
        let weight: Vec<f32> = axis.weights.chunks_exact(2).map(|weights| weights[1]).collect();
        let consecutive = axis.first.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let whole = consecutive && weight.iter().all(|&weight| weight == 0.0);
        let used = match (axis.first.iter().min(), axis.first.iter().max()) {
            (Some(&first), Some(&last)) => first..(last + 2).min(source[line.source_axis]),
            _ => 0..0,
        };
        Self { inside: axis.inside, at: axis.first, weight, consecutive, whole, used }
    }
}

/// A slab whose axes follow those of the source.
pub(super) struct Aligned<'a, T> {
    pub(super) level: Level,
    pub(super) voxels: &'a [T],
    pub(super) shape: [usize; 3],
    /// Where the samples lie, in the order n, y, x.
    pub(super) along: &'a [Samples; 3],
    /// The source's axes that n, y and x follow; y does not follow the source's columns.
    pub(super) axes: [usize; 3],
    pub(super) through: Through,
}

/// What a thread keeps.
#[derive(Default)]
pub(super) struct Scratch {
    /// A row of the source, or a blend of up to four.
    blended: Vec<f32>,
    found: Vec<f32>,
}

impl<T: Voxel> Aligned<'_, T> {
    /// The values of the rows `wanted` of the picture, row by row, and for which rows, counted from the first, and
    /// columns there are any.
    pub(super) fn rows<'s>(
        &self,
        scratch: &'s mut Scratch,
        wanted: Range<usize>,
    ) -> (&'s [f32], [Range<usize>; 2]) {
        let [depth, down, across] = self.along;
        let (count, inside) = (depth.inside.len(), across.inside.clone());
        let (first, end) = (wanted.start.max(down.inside.start), wanted.end.min(down.inside.end));
        if count == 0 || inside.is_empty() || first >= end {
            return (&[], [0..0, 0..0]);
        }
        let place = |y: usize| {
            let mut place = [(0, 0.0); 3];
            let y = y - down.inside.start;
            place[self.axes[1]] = (down.at[y], down.weight[y]);
            place
        };
        let Scratch { blended, found } = scratch;
        found.clear();
        found.resize((end - first) * inside.len(), 0.0);
        if self.axes[2] == 2 {
            for n in 0..count {
                for (y, found) in (first..end).zip(found.chunks_mut(inside.len())) {
                    let mut place = place(y);
                    let next = depth.at.get(n + 1).zip(depth.weight.get(n + 1));
                    // The next slice is too far away for the processor to guess.
                    if let Some((&at, &weight)) = next.filter(|_| self.axes[0] == 0) {
                        place[self.axes[0]] = (at, weight);
                        self.stored(place, across).into_iter().for_each(fetch);
                    }
                    place[self.axes[0]] = (depth.at[n], depth.weight[n]);
                    self.join_row(found, place, blended, n == 0);
                }
            }
        } else {
            for (y, found) in (first..end).zip(found.chunks_mut(inside.len())) {
                let mut place = place(y);
                for (x, found) in found.iter_mut().enumerate() {
                    place[self.axes[2]] = (across.at[x], across.weight[x]);
                    *found = self.through_row(place, blended);
                }
            }
        }
        if self.through == Through::Mean {
            let share = count as f32;
            found.iter_mut().for_each(|value| *value /= share);
        }
        (found, [first - wanted.start..end - wanted.start, inside])
    }

    /// The voxels of the source at a place between slices and rows that are samples as they are stored, if all of
    /// those along it are.
    fn stored(&self, [(k, weight_k), (j, weight_j), _]: [(usize, f32); 3], along: &Samples) -> Option<&[T]> {
        let [_, rows, columns] = self.shape;
        let row = || &self.voxels[(k * rows + j) * columns..][along.at[0]..][..along.at.len()];
        (along.whole && weight_k == 0.0 && weight_j == 0.0).then(row)
    }

    /// Joins the samples at a place between slices and rows with those in front of them, if there are any.
    fn join_row(&self, found: &mut [f32], place: [(usize, f32); 3], blended: &mut Vec<f32>, is_first: bool) {
        let (level, [_, _, across]) = (self.level, self.along);
        if let Some(voxels) = self.stored(place, across) {
            return match self.through {
                _ if is_first => copy(level, found, voxels),
                Through::Greatest => join_voxels(level, found, voxels, |a, b| join(Through::Greatest, a, b)),
                Through::Least => join_voxels(level, found, voxels, |a, b| join(Through::Least, a, b)),
                Through::Mean => join_voxels(level, found, voxels, |a, b| join(Through::Mean, a, b)),
            };
        }
        self.blend(place, across, blended);
        if is_first {
            take(level, found, blended, across);
        } else {
            fold(level, found, blended, across, self.through);
        }
    }

    /// The row of the source at a place between slices and rows, from the first column that is sampled to the
    /// one after the last.
    fn blend(&self, place: [(usize, f32); 3], along: &Samples, to: &mut Vec<f32>) {
        let [slices, rows, columns] = self.shape;
        let used = along.used.clone();
        let [(k, weight_k), (j, weight_j), _] = place;
        let row = |k: usize, j: usize| {
            let (k, j) = (k.min(slices - 1), j.min(rows - 1));
            &self.voxels[(k * rows + j) * columns..][used.clone()]
        };
        to.resize(used.len() + 1, 0.0);
        let (last, to) = to.split_last_mut().expect("one longer than the row");
        match (weight_k == 0.0, weight_j == 0.0) {
            (true, true) => copy(self.level, to, row(k, j)),
            (true, false) => blend_two(self.level, to, row(k, j), row(k, j + 1), weight_j),
            (false, true) => blend_two(self.level, to, row(k, j), row(k + 1, j), weight_k),
            (false, false) => {
                let (near, far) = ([row(k, j), row(k, j + 1)], [row(k + 1, j), row(k + 1, j + 1)]);
                blend_four(self.level, to, near, far, weight_j, weight_k);
            }
        }
        // The voxel after the last has weight 0 but must be a number.
        *last = to[to.len() - 1];
    }

    /// What the samples along a row become that lies at a place between slices and rows.
    fn through_row(&self, place: [(usize, f32); 3], blended: &mut Vec<f32>) -> f32 {
        let [along, ..] = self.along;
        if let Some(voxels) = self.stored(place, along) {
            match self.through {
                Through::Greatest => {
                    return extreme_voxel(self.level, voxels, |a, b| join(Through::Greatest, a, b));
                }
                Through::Least => {
                    return extreme_voxel(self.level, voxels, |a, b| join(Through::Least, a, b));
                }
                // In the order of the samples, as below.
                Through::Mean => {}
            }
        }
        self.blend(place, along, blended);
        let first = along.used.start;
        if along.consecutive && self.through != Through::Mean {
            let (blended, weights) = (&blended[along.at[0] - first..], &along.weight[..]);
            return match self.through {
                Through::Least => extreme(self.level, blended, weights, |a, b| join(Through::Least, a, b)),
                _ => extreme(self.level, blended, weights, |a, b| join(Through::Greatest, a, b)),
            };
        }
        let values = along
            .at
            .iter()
            .zip(&along.weight)
            .map(|(&at, &weight)| mix(blended[at - first], blended[at - first + 1], weight));
        values.reduce(|a, b| join(self.through, a, b)).expect("at least one sample is inside")
    }
}

/// The samples of a row, the first ones behind each other.
fn take(level: Level, found: &mut [f32], blended: &[f32], across: &Samples) {
    sampled(level, found, blended, across, |_, value| value);
}

/// The samples of a row joined with what was found in front of them.
fn fold(level: Level, found: &mut [f32], blended: &[f32], across: &Samples, through: Through) {
    match through {
        Through::Greatest => {
            sampled(level, found, blended, across, |a, b| join(Through::Greatest, a, b));
        }
        Through::Least => sampled(level, found, blended, across, |a, b| join(Through::Least, a, b)),
        Through::Mean => sampled(level, found, blended, across, |a, b| join(Through::Mean, a, b)),
    }
}

fn sampled<J: Fn(f32, f32) -> f32 + Copy>(
    level: Level,
    found: &mut [f32],
    blended: &[f32],
    across: &Samples,
    join: J,
) {
    let first = across.used.start;
    if across.consecutive {
        between(level, found, &blended[across.at[0] - first..], &across.weight, join);
    } else {
        for ((found, &at), &weight) in found.iter_mut().zip(&across.at).zip(&across.weight) {
            *found = join(*found, mix(blended[at - first], blended[at - first + 1], weight));
        }
    }
}

at_each_level! {
    fn between[J: Fn(f32, f32) -> f32 + Copy](
        found: &mut [f32],
        blended: &[f32],
        weights: &[f32],
        join: J,
    ) {
        let pairs = blended.iter().zip(&blended[1..]);
        for ((found, (&a, &b)), &weight) in found.iter_mut().zip(pairs).zip(weights) {
            *found = join(*found, mix(a, b, weight));
        }
    }
}

at_each_level! {
    /// All samples between neighbours joined, in an order that does not matter to `join`.
    fn extreme[J: Fn(f32, f32) -> f32 + Copy](blended: &[f32], weights: &[f32], join: J) -> f32 {
        let mut lanes = [mix(blended[0], blended[1], weights[0]); 16];
        let after = &blended[1..];
        let chunks = blended.chunks(16).zip(after.chunks(16)).zip(weights.chunks(16));
        for ((a, b), weights) in chunks {
            for (((lane, &a), &b), &weight) in lanes.iter_mut().zip(a).zip(b).zip(weights) {
                *lane = join(*lane, mix(a, b, weight));
            }
        }
        lanes.iter().fold(lanes[0], |found, &lane| join(found, lane))
    }
}

at_each_level! {
    fn join_voxels[T: Voxel, J: Fn(f32, f32) -> f32 + Copy](found: &mut [f32], voxels: &[T], join: J) {
        for (found, voxel) in found.iter_mut().zip(voxels) {
            *found = join(*found, voxel.to_f32());
        }
    }
}

at_each_level! {
    /// All voxels joined, in an order that does not matter to `join`.
    fn extreme_voxel[T: Voxel, J: Fn(f32, f32) -> f32 + Copy](voxels: &[T], join: J) -> f32 {
        let mut lanes = [voxels[0].to_f32(); 64];
        let (whole, rest) = voxels.as_chunks::<64>();
        for voxels in whole {
            for (lane, voxel) in lanes.iter_mut().zip(voxels) {
                *lane = join(*lane, voxel.to_f32());
            }
        }
        for (lane, voxel) in lanes.iter_mut().zip(rest) {
            *lane = join(*lane, voxel.to_f32());
        }
        lanes.iter().fold(lanes[0], |found, &lane| join(found, lane))
    }
}

at_each_level! {
    fn copy[T: Voxel](to: &mut [f32], from: &[T]) {
        for (to, from) in to.iter_mut().zip(from) {
            *to = from.to_f32();
        }
    }
}

at_each_level! {
    fn blend_two[T: Voxel](to: &mut [f32], a: &[T], b: &[T], weight: f32) {
        for (to, (a, b)) in to.iter_mut().zip(a.iter().zip(b)) {
            *to = mix(a.to_f32(), b.to_f32(), weight);
        }
    }
}

at_each_level! {
    fn blend_four[T: Voxel](
        to: &mut [f32],
        near: [&[T]; 2],
        far: [&[T]; 2],
        weight_j: f32,
        weight_k: f32,
    ) {
        let near = near[0].iter().zip(near[1]);
        let far = far[0].iter().zip(far[1]);
        for (to, ((a, b), (c, d))) in to.iter_mut().zip(near.zip(far)) {
            let near = mix(a.to_f32(), b.to_f32(), weight_j);
            let far = mix(c.to_f32(), d.to_f32(), weight_j);
            *to = mix(near, far, weight_k);
        }
    }
}
