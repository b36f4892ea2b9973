//! The nearest voxel as it is, for labels: nothing goes through `f32`.

use ndarray::ArrayViewMut3;
use rayon::prelude::*;

use super::{Part, by_source_axis, oblique};
use crate::{IndexMap, Voxel, grid};

/// How many voxels beside each other in the source are taken in turn, where they are not beside each
/// other in the output: the cache lines they come from and go to stay.
const BESIDE: usize = 16;

/// The voxels of `part` nearest to where `map` leads, onto `out`.
pub(super) fn resample<T: Voxel>(
    mut out: ArrayViewMut3<'_, T>,
    part: &Part<'_, T>,
    map: &IndexMap,
    outside: T,
) {
    let shape: [usize; 3] = out.dim().into();
    let [slices, rows, columns] = shape;
    if out.is_empty() {
        return;
    }
    let to = out.as_slice_mut().expect("made in standard layout");
    let Some(lines) = grid::along_axes(map, shape) else {
        to.par_chunks_mut(columns).enumerate().with_min_len(8).for_each(|(at, to)| {
            let line = oblique::Line::new(map, at / rows, at % rows, columns, part.of);
            to[..line.inside.start].fill(outside);
            to[line.inside.end..].fill(outside);
            for (at, to) in line.inside.clone().zip(&mut to[line.inside.clone()]) {
                *to = part.voxels[part.index(line.nearest(at, part.of))];
            }
        });
        return;
    };
    let steps = [part.shape[1] * part.shape[2], part.shape[2], 1];
    // For each axis of the output, which of it lies inside and how far into the part that leads.
    let along: [_; 3] = std::array::from_fn(|axis| {
        let source_axis = lines[axis].source_axis;
        let nearest = lines[axis].nearest(shape[axis], part.of[source_axis]);
        let offset = |first: &usize| (first - part.at[source_axis]) * steps[source_axis];
        (nearest.inside, nearest.first.iter().map(offset).collect::<Vec<_>>())
    });
    let all_inside = (0..3).all(|axis| along[axis].0.len() == shape[axis]);
    // The axis that runs along the source's rows.
    let [.., beside] = by_source_axis(lines, |axis, _| axis);
    let slab = if beside == 0 { BESIDE } else { slices.div_ceil(8 * rayon::current_num_threads()).min(8) };
    to.par_chunks_mut(slab * rows * columns).enumerate().for_each(|(at, to)| {
        if !all_inside {
            to.fill(outside);
        }
        let [(inside_0, off_0), (inside_1, off_1), (inside_2, off_2)] = &along;
        let first = at * slab;
        let here = first..first + to.len() / (rows * columns);
        let from_0 = here.start.max(inside_0.start)..here.end.min(inside_0.end);
        let off_0 = |at: usize| off_0[at - inside_0.start];
        if beside == 2 {
            for k in from_0 {
                for (j, off_1) in inside_1.clone().zip(off_1) {
                    let from = &part.voxels[off_0(k) + off_1..];
                    let to = &mut to[((k - first) * rows + j) * columns..][inside_2.clone()];
                    for (to, &at) in to.iter_mut().zip(off_2) {
                        *to = from[at];
                    }
                }
            }
        } else if beside == 1 {
            for k in from_0 {
                for start in (0..off_1.len()).step_by(BESIDE) {
                    let off_1 = &off_1[start..off_1.len().min(start + BESIDE)];
                    for (i, off_2) in inside_2.clone().zip(off_2) {
                        let from = &part.voxels[off_0(k) + off_2..];
                        let to = &mut to[((k - first) * rows + inside_1.start + start) * columns + i..];
                        for (to, &at) in to.iter_mut().step_by(columns).zip(off_1) {
                            *to = from[at];
                        }
                    }
                }
            }
        } else {
            for (j, off_1) in inside_1.clone().zip(off_1) {
                for (i, off_2) in inside_2.clone().zip(off_2) {
                    let from = &part.voxels[off_1 + off_2..];
                    for k in from_0.clone() {
                        to[((k - first) * rows + j) * columns + i] = from[off_0(k)];
                    }
                }
            }
        }
    });
}
