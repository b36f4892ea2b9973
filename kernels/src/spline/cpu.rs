//! Along one axis after the other, with as little as possible in memory at once.
//!
//! A slice of the source is filtered and sampled along j and along i while it is in the cache; what
//! comes out goes to a few dozen planes that are used in turn. Across those each row is filtered and
//! sampled along k, and goes to the output.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayViewMut3, Axis, s};
use rayon::prelude::*;

use super::along::{Along, Taps, Z};
use crate::resample::Extent;
use crate::simd::{Instructions, Level, at_each_level};
use crate::{Error, Real, Voxel};

/// Columns that are filtered along j together: 64 KiB or so of a CT's slice at a time.
const STRIP: usize = 64;

/// Rows that are filtered along i together, turned so that they lie side by side.
const LANES: usize = 32;

/// Slices of the output that are made from the planes in memory. More cost memory, fewer cost filtering
/// the slices between them twice.
const CHUNK: usize = 96;

/// Values that are filtered along k together: half of a usual second-level cache.
const HELD: usize = 128 << 10;

/// Values that are worked on together.
const LANE: usize = 16;

/// A source in standard layout, or the box of it that is needed.
#[derive(Clone, Copy)]
pub(super) struct Source<'a, T> {
    pub(super) voxels: &'a [T],
    pub(super) extent: Extent,
}

/// Which indices of an axis of the output lie inside of the source, and where.
pub(super) type Places = (Range<usize>, Vec<f64>);

/// How rows are put into the output.
#[derive(Debug, Clone)]
pub(super) struct Rows<O> {
    /// The columns that are given; the others are outside.
    pub(super) inside: Range<usize>,
    pub(super) outside: O,
    /// Scale, offset, least and most.
    pub(super) onto: [f32; 4],
}

impl<O: Real> Rows<O> {
    pub(super) fn put(&self, level: Level, to: &mut [O], values: &[f32]) {
        to[..self.inside.start].fill(self.outside);
        to[self.inside.end..].fill(self.outside);
        O::store(level, &mut to[self.inside.clone()], values, self.onto, false);
    }
}

/// Fills `out`, whose axes are in the order of the source's and whose rows are contiguous. `put` has the
/// inside of [`Places`] along i.
pub(super) fn aligned<T: Voxel, O: Real>(
    level: Level,
    source: Source<'_, T>,
    out: ArrayViewMut3<'_, O>,
    places: &[Places; 3],
    put: &Rows<O>,
) -> Result<(), Error> {
    let [(inside_k, places_k), (inside_j, places_j), (_, places_i)] = places;
    let mut out = out;
    if [places_k, places_j, places_i].iter().any(|places| places.is_empty()) {
        out.par_mapv_inplace(|_| put.outside);
        return Ok(());
    }
    let along_j = Along::places(places_j, source.extent.of[1]);
    let along_i = Along::places(places_i, source.extent.of[2]);
    let along_k = |at: Range<usize>| Along::places(&places_k[at], source.extent.of[0]);
    for (axis, inside) in [inside_k, inside_j].into_iter().enumerate() {
        for beyond in [0..inside.start, inside.end..out.len_of(Axis(axis))] {
            out.slice_axis_mut(Axis(axis), beyond.into()).par_mapv_inplace(|_| put.outside);
        }
    }
    let inside = out.slice_mut(s![inside_k.clone(), inside_j.clone(), ..]);
    sampled(level, source, inside, along_k, &along_j, &along_i, put)
}

/// Puts the values along these axes into `out`.
pub(super) fn sampled<T: Voxel, O: Real>(
    level: Level,
    source: Source<'_, T>,
    mut out: ArrayViewMut3<'_, O>,
    along_k: impl Fn(Range<usize>) -> Along,
    along_j: &Along,
    along_i: &Along,
    put: &Rows<O>,
) -> Result<(), Error> {
    let [_, rows, columns] = source.extent.shape;
    let begin = source.extent.at;
    let slice = |k: usize| &source.voxels[(k - begin[0]) * rows * columns..][..rows * columns];
    let begin = [begin[1], begin[2]];
    let (slices, width) = (out.dim().0, along_i.at.len());
    let size = along_j.at.len() * width;
    let kept = Kept(Mutex::default());
    let whole = along_k(0..slices);
    if !whole.is_filtered() {
        out.outer_iter_mut().into_par_iter().enumerate().for_each(|(at, mut to)| {
            let mut scratch = kept.take();
            let mut plane = std::mem::take(&mut scratch.plane);
            plane.resize(size, 0.0);
            let k = whole.window[whole.at[at]];
            in_plane(level, level, slice(k), columns, begin, along_j, along_i, &mut scratch, &mut plane);
            for (to, row) in to.outer_iter_mut().zip(plane.chunks(width)) {
                put.put(level, to.into_slice().expect("rows are contiguous"), row);
            }
            scratch.plane = plane;
            kept.put(scratch);
        });
        return Ok(());
    }
    let starts = || (0..slices).step_by(CHUNK);
    let chunk = |start: usize| start..(start + CHUNK).min(slices);
    let count = starts().map(|start| along_k(chunk(start)).used().len()).max().unwrap_or(0);
    let mut planes = crate::blank::<f32>([count, along_j.at.len(), width])?;
    let planes = planes.as_slice_mut().expect("made in standard layout");
    // Which slice of the source each plane holds.
    let mut holds = vec![usize::MAX; count];
    for start in starts() {
        let along = along_k(chunk(start));
        let used = along.used();
        planes.par_chunks_mut(size).zip(&mut holds).enumerate().for_each(|(at, (plane, holds))| {
            let k = used.start + (at + count - used.start % count) % count;
            if used.contains(&k) && *holds != k {
                let mut scratch = kept.take();
                in_plane(level, level, slice(k), columns, begin, along_j, along_i, &mut scratch, plane);
                kept.put(scratch);
                *holds = k;
            }
        });
        let planes = &*planes;
        let mut out = out.slice_mut(s![chunk(start), .., ..]);
        let together = (HELD / (along.window.len() * width)).max(1);
        out.axis_chunks_iter_mut(Axis(1), together).into_par_iter().enumerate().for_each(|(at, to)| {
            let stretch = at * together * width..(at * together + to.dim().1) * width;
            let rows: Vec<&[f32]> =
                along.window.iter().map(|&k| &planes[k % count * size..][stretch.clone()]).collect();
            let mut scratch = kept.take();
            across(level, level, &along, &rows, &mut scratch, to, put);
            kept.put(scratch);
        });
    }
    Ok(())
}

/// What was allocated by one thread and can be used by the next.
struct Kept(Mutex<Vec<Scratch>>);

impl Kept {
    fn take(&self) -> Scratch {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put(&self, scratch: Scratch) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}

/// What a thread keeps from one slice to the next.
#[derive(Default)]
struct Scratch {
    held: Vec<f32>,
    line: Vec<f32>,
    /// Sampled along j: rows of the output, columns of the source.
    rows: Vec<f32>,
    /// `LANES` of these rows, turned.
    turned: Vec<f32>,
    /// The same sampled along i.
    sampled: Vec<f32>,
    plane: Vec<f32>,
}

at_each_level! {
    /// One slice of the source, filtered and sampled along j and i. `slice` begins with that row and column.
    fn in_plane[T: Voxel](
        own: Level,
        slice: &[T],
        columns: usize,
        begin: [usize; 2],
        along_j: &Along,
        along_i: &Along,
        scratch: &mut Scratch,
        plane: &mut [f32],
    ) {
        let Scratch { held, line, rows, turned, sampled, .. } = scratch;
        let used = along_i.used();
        let (height, width) = (along_j.at.len(), along_i.at.len());
        // Rows a power of two apart would compete for the same places in the cache.
        let stride = used.len().next_multiple_of(16) + 16;
        rows.resize(height.next_multiple_of(LANES) * stride, 0.0);
        line.resize(line.len().max(STRIP).max(LANES), 0.0);
        for start in used.clone().step_by(STRIP) {
            let strip = start..(start + STRIP).min(used.end);
            let write = |at: usize, row: &[f32]| {
                rows[at * stride + start - used.start..][..row.len()].copy_from_slice(row);
            };
            let row_of = |at: usize| {
                &slice[(along_j.window[at] - begin[0]) * columns + strip.start - begin[1]..][..strip.len()]
            };
            lines(along_j, strip.len(), row_of, held, line, write);
        }
        if let Taps::Voxels = along_i.taps {
            for (to, row) in plane.chunks_mut(width).zip(rows.chunks(stride)) {
                for (to, &at) in to.iter_mut().zip(&along_i.at) {
                    *to = row[along_i.window[at] - used.start];
                }
            }
            return;
        }
        turned.resize(used.len() * LANES, 0.0);
        sampled.resize(width * LANES, 0.0);
        for (rows, plane) in rows.chunks(LANES * stride).zip(plane.chunks_mut(LANES * width)) {
            turn(own, rows, stride, turned, LANES, [LANES, used.len()]);
            let row_of = |at: usize| &turned[(along_i.window[at] - used.start) * LANES..][..LANES];
            lines(along_i, LANES, row_of, held, line, |at: usize, row: &[f32]| {
                sampled[at * LANES..][..LANES].copy_from_slice(row);
            });
            turn(own, sampled, LANES, plane, width, [width, plane.len() / width]);
        }
    }
}

at_each_level! {
    /// A stretch of all planes, filtered and sampled along k: rows of `to`.
    fn across[O: Real](own: Level, along: &Along, rows: &[&[f32]], scratch: &mut Scratch, to: ArrayViewMut3<'_, O>, put: &Rows<O>) {
        let mut to = to;
        let (width, length) = (put.inside.len(), to.dim().1 * put.inside.len());
        let Scratch { held, line, .. } = scratch;
        line.resize(length.max(line.len()), 0.0);
        lines(along, length, |at| rows[at], held, line, |at: usize, values: &[f32]| {
            for (j, values) in values.chunks(width).enumerate() {
                let mut to = to.slice_mut(s![at, j, ..]);
                put.put(own, to.as_slice_mut().expect("rows are contiguous"), values);
            }
        });
    }
}

/// Filters and samples `width` lines side by side: `row_of` is a voxel of the window in each of them, and
/// `write` gets each place's values in each of them, through `line`.
#[inline(always)]
fn lines<'a, T: Voxel + 'a>(
    along: &Along,
    width: usize,
    row_of: impl Fn(usize) -> &'a [T],
    held: &mut Vec<f32>,
    line: &mut [f32],
    mut write: impl FnMut(usize, &[f32]),
) {
    let line = &mut line[..width];
    if let Taps::Voxels = along.taps {
        for (place, &at) in along.at.iter().enumerate() {
            for (to, from) in line.iter_mut().zip(row_of(at)) {
                *to = from.to_f32();
            }
            write(place, line);
        }
        return;
    }
    let length = along.window.len();
    held.resize(held.len().max(length * width), 0.0);
    let held = &mut held[..length * width];
    for (to, from) in held[..width].iter_mut().zip(row_of(0)) {
        *to = from.to_f32();
    }
    for at in 1..length {
        let (before, to) = held[(at - 1) * width..(at + 1) * width].split_at_mut(width);
        forth(to, row_of(at), before);
    }
    // Backwards, and each place as soon as its taps are filtered, while they are in the nearest cache.
    let places = along.at.len();
    let rises = along.at.first() <= along.at.last();
    let mut done = 0;
    for at in (0..length).rev() {
        if at + 1 < length {
            let (to, after) = held[at * width..(at + 2) * width].split_at_mut(width);
            back(to, after);
        }
        while done < places {
            let place = if rises { places - 1 - done } else { done };
            if along.at[place] != at {
                break;
            }
            match &along.taps {
                Taps::Voxels => {}
                Taps::Coefficients(gain) => {
                    for (to, tap) in line.iter_mut().zip(&held[at * width..]) {
                        *to = gain * tap;
                    }
                }
                Taps::Cubic(weights) => mix(line, &held[at * width..][..4 * width], weights[place]),
            }
            write(place, line);
            done += 1;
        }
    }
}

// These go in lanes of fixed length: all are read before any is written, which is what it takes for the
// compiler to see that they are independent.

#[inline(always)]
fn forth<T: Voxel>(to: &mut [f32], from: &[T], before: &[f32]) {
    let ((to, last), (from, from_last)) = (to.as_chunks_mut::<LANE>(), from.as_chunks::<LANE>());
    let (before, before_last) = before.as_chunks::<LANE>();
    for ((to, from), before) in to.iter_mut().zip(from).zip(before) {
        *to = std::array::from_fn(|lane| from[lane].to_f32() + Z * before[lane]);
    }
    for ((to, from), before) in last.iter_mut().zip(from_last).zip(before_last) {
        *to = from.to_f32() + Z * before;
    }
}

#[inline(always)]
fn back(to: &mut [f32], after: &[f32]) {
    let ((to, last), (after, after_last)) = (to.as_chunks_mut::<LANE>(), after.as_chunks::<LANE>());
    for (to, after) in to.iter_mut().zip(after) {
        *to = std::array::from_fn(|lane| to[lane] + Z * after[lane]);
    }
    for (to, after) in last.iter_mut().zip(after_last) {
        *to += Z * after;
    }
}

/// Four lines one after the other, with these weights.
#[inline(always)]
fn mix(to: &mut [f32], taps: &[f32], [a, b, c, d]: [f32; 4]) {
    let width = to.len();
    let of = |tap: usize| taps[tap * width..][..width].as_chunks::<LANE>();
    let [first, second, third, fourth] = [of(0), of(1), of(2), of(3)];
    let (to, last) = to.as_chunks_mut::<LANE>();
    let taps = first.0.iter().zip(second.0).zip(third.0.iter().zip(fourth.0));
    for (to, ((first, second), (third, fourth))) in to.iter_mut().zip(taps) {
        *to = std::array::from_fn(|lane| {
            (a * first[lane] + b * second[lane]) + (c * third[lane] + d * fourth[lane])
        });
    }
    for (lane, to) in last.iter_mut().enumerate() {
        *to = (a * first.1[lane] + b * second.1[lane]) + (c * third.1[lane] + d * fourth.1[lane]);
    }
}

/// `to[c, r] = from[r, c]`, where rows lie `stride` and `to_stride` apart.
fn turn(
    level: Level,
    from: &[f32],
    stride: usize,
    to: &mut [f32],
    to_stride: usize,
    [rows, columns]: [usize; 2],
) {
    let (whole_rows, whole_columns) = (rows / 8 * 8, columns / 8 * 8);
    for r in (0..whole_rows).step_by(8) {
        for c in (0..whole_columns).step_by(8) {
            let (from, to) = (&from[r * stride + c..], &mut to[c * to_stride + r..]);
            match level.instructions() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: such a level is only given out where the machine was found to have AVX2.
                Instructions::Avx2 | Instructions::Avx512 => unsafe {
                    turn_eight(from, stride, to, to_stride);
                },
                _ => {
                    for r in 0..8 {
                        for c in 0..8 {
                            to[c * to_stride + r] = from[r * stride + c];
                        }
                    }
                }
            }
        }
    }
    for r in 0..rows {
        for c in if r < whole_rows { whole_columns } else { 0 }..columns {
            to[c * to_stride + r] = from[r * stride + c];
        }
    }
}

/// Eight by eight: pairs, then fours, then halves change places.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn turn_eight(from: &[f32], stride: usize, to: &mut [f32], to_stride: usize) {
    use std::arch::x86_64::*;
    let row: [__m256; 8] = std::array::from_fn(|r| {
        let row = &from[r * stride..][..8];
        // SAFETY: eight values were just sliced off.
        unsafe { _mm256_loadu_ps(row.as_ptr()) }
    });
    let pair = |r: usize| (_mm256_unpacklo_ps(row[r], row[r + 1]), _mm256_unpackhi_ps(row[r], row[r + 1]));
    let four = |r: usize| {
        let ((a, b), (c, d)) = (pair(r), pair(r + 2));
        [
            _mm256_shuffle_ps::<0x44>(a, c),
            _mm256_shuffle_ps::<0xee>(a, c),
            _mm256_shuffle_ps::<0x44>(b, d),
            _mm256_shuffle_ps::<0xee>(b, d),
        ]
    };
    let (upper, lower) = (four(0), four(4));
    for c in 0..8 {
        let column = if c < 4 {
            _mm256_permute2f128_ps::<0x20>(upper[c], lower[c])
        } else {
            _mm256_permute2f128_ps::<0x31>(upper[c - 4], lower[c - 4])
        };
        let to = &mut to[c * to_stride..][..8];
        // SAFETY: there is room for eight values, just sliced off.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), column) };
    }
}

/// One row of places that follow no axis.
#[derive(Clone, Copy)]
pub(super) struct Straight {
    /// The first, (i, j, k), counted from the first coefficient.
    pub(super) first: [f64; 3],
    /// From one to the next.
    pub(super) step: [f64; 3],
}

at_each_level! {
    /// The spline at places whose 4 x 4 x 4 coefficients all lie within `coefficients`, which has that
    /// many rows and columns in each slice.
    pub(super) fn at_places(
        coefficients: &[f32],
        size: [usize; 2],
        places: Straight,
        row: &mut [f32],
    ) {
        let [rows, columns] = size;
        for (at, to) in row.iter_mut().enumerate() {
            let (mut whole, mut weight) = ([0; 3], [[0.0; 4]; 3]);
            for d in 0..3 {
                let place = places.first[d] + places.step[d] * at as f64;
                // 32 bits convert faster, and no axis of voxels is that long.
                let floor = place as i32;
                whole[d] = floor as usize - 1;
                weight[d] = weights((place - f64::from(floor)) as f32);
            }
            let first = (whole[2] * rows + whole[1]) * columns + whole[0];
            let mut sum = [0.0_f32; 4];
            for (k, weight_k) in weight[2].into_iter().enumerate() {
                for (j, weight_j) in weight[1].into_iter().enumerate() {
                    let share = weight_k * weight_j;
                    let from: &[f32; 4] = coefficients[first + (k * rows + j) * columns..]
                        .first_chunk()
                        .expect("four coefficients around each place");
                    for (sum, from) in sum.iter_mut().zip(from) {
                        *sum += share * from;
                    }
                }
            }
            let [a, b, c, d] = weight[0];
            *to = (a * sum[0] + b * sum[1]) + (c * sum[2] + d * sum[3]);
        }
    }
}

/// What the four coefficients around a place count for that is `t` beyond the second.
#[inline(always)]
fn weights(t: f32) -> [f32; 4] {
    let u = 1.0 - t;
    let outer = |t: f32| t * t * t * (1.0 / 6.0);
    let inner = |t: f32| 2.0 / 3.0 - t * t * (1.0 - 0.5 * t);
    [outer(u), inner(t), inner(u), outer(t)]
}
