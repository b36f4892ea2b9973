//! Along one axis after the other, with as little as possible in memory at once.
//!
//! The output is made in blocks of some rows. The rows of a slice of the source that such a block needs are
//! filtered and sampled along j and along i while they are in the cache; what comes out goes to a ring of
//! planes, small enough to stay near. Across those, columns are filtered and sampled along k, and go to
//! the output.
//!
//! Everything is done to [`LANES`] lines side by side, forth along them and back, each place as soon as its
//! taps are filtered, in the nearest cache. Blocks and chunks overlap by what a value reaches. Where they
//! begin does not depend on the number of threads, so neither do the values.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis, s};
use rayon::prelude::*;

use super::along::{Along, Taps, Wanted, Z};
use crate::resample::Extent;
use crate::resample::rows::{fetch, settle};
#[cfg(target_arch = "x86_64")]
use crate::simd::Instructions;
use crate::simd::{Level, at_each_level};
use crate::{Error, Real, Voxel, blank};

/// Lines that are filtered together.
const LANES: usize = 32;

/// Rows of the output that are made together. With more, planes are larger; with fewer, more rows between
/// them are filtered twice.
const ROWS: usize = 64;

/// Slices of the output that are made from the planes in the ring. With more, there are more planes; with
/// fewer, more planes between them are filtered twice.
const CHUNK: usize = 32;

/// Columns that are filtered along k before they are written.
const STRETCH: usize = 1200;

/// A source in standard layout, or the box of it that is needed.
#[derive(Clone, Copy)]
pub(super) struct Source<'a, T> {
    pub(super) voxels: &'a [T],
    pub(super) extent: Extent,
}

impl<'a, T> Source<'a, T> {
    /// All that there is of a slice.
    fn slice(&self, k: usize) -> &'a [T] {
        let [_, rows, columns] = self.extent.shape;
        &self.voxels[(k - self.extent.at[0]) * rows * columns..][..rows * columns]
    }
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
        self.put_one(level, to, values, false);
    }

    /// Rows that lie one after the other in `values`, past the caches.
    fn put_all(&self, level: Level, mut to: ArrayViewMut2<'_, O>, values: &[f32]) {
        for (to, values) in to.outer_iter_mut().zip(values.chunks(self.inside.len())) {
            self.put_one(level, to.into_slice().expect("rows are contiguous"), values, true);
        }
    }

    fn put_one(&self, level: Level, to: &mut [O], values: &[f32], past_caches: bool) {
        to[..self.inside.start].fill(self.outside);
        to[self.inside.end..].fill(self.outside);
        O::store(level, &mut to[self.inside.clone()], values, self.onto, past_caches);
    }
}

/// Fills `out`, whose axes are in the order of the source's and whose rows are contiguous. `put` has the
/// inside of [`Places`] along i.
pub(super) fn aligned<T: Voxel, O: Real>(
    level: Level,
    source: Source<'_, T>,
    mut out: ArrayViewMut3<'_, O>,
    places: &[Places; 3],
    put: &Rows<O>,
) -> Result<(), Error> {
    let [(inside_k, places_k), (inside_j, places_j), (_, places_i)] = places;
    if [places_k, places_j, places_i].iter().any(|places| places.is_empty()) {
        out.par_mapv_inplace(|_| put.outside);
        return Ok(());
    }
    for (axis, inside) in [inside_k, inside_j].into_iter().enumerate() {
        for beyond in [0..inside.start, inside.end..out.len_of(Axis(axis))] {
            out.slice_axis_mut(Axis(axis), beyond.into()).par_mapv_inplace(|_| put.outside);
        }
    }
    let inside = out.slice_mut(s![inside_k.clone(), inside_j.clone(), ..]);
    let [slices, rows, columns] = source.extent.of;
    let wanted =
        [Wanted::Places(places_k, slices), Wanted::Places(places_j, rows), Wanted::Places(places_i, columns)];
    sampled(level, source, inside, wanted, put)
}

/// Puts what is wanted along k, j and i into `out`, which is not empty.
pub(super) fn sampled<T: Voxel, O: Real>(
    level: Level,
    source: Source<'_, T>,
    mut out: ArrayViewMut3<'_, O>,
    [k, j, i]: [Wanted<'_>; 3],
    put: &Rows<O>,
) -> Result<(), Error> {
    let (slices, rows, _) = out.dim();
    let block = rows.div_ceil(rows.div_ceil(ROWS));
    let blocks: Vec<Along> =
        (0..rows).step_by(block).map(|start| j.along(start..(start + block).min(rows))).collect();
    let along_i = &i.along(0..put.inside.len());
    let kept = Kept(Mutex::default());
    let along_k = k.along(0..slices);
    if !along_k.is_filtered() {
        out.outer_iter_mut().into_par_iter().zip(&along_k.at).for_each(|(mut out, &at)| {
            let mut scratch = kept.take();
            let Scratch { plane, planes, .. } = &mut scratch;
            let slice = source.slice(along_k.window[at]);
            for (along_j, out) in blocks.iter().zip(out.axis_chunks_iter_mut(Axis(0), block)) {
                let to = planes.first(out.dim().0 * put.inside.len());
                in_plane(level, level, source.extent, slice, &[], [along_j, along_i], plane, to);
                put.put_all(level, out, to);
            }
            settle();
            kept.put(scratch);
        });
        return Ok(());
    }
    // Where places lie far apart, fewer of them.
    let chunk = (CHUNK * slices / along_k.window.len()).clamp(1, CHUNK);
    let chunks: Vec<Along> =
        (0..slices).step_by(chunk).map(|start| k.along(start..(start + chunk).min(slices))).collect();
    // Parts for all threads: of one block each, as many chunks as may be.
    let parts = (2 * rayon::current_num_threads()).div_ceil(blocks.len());
    let chunks_each = chunks.len().div_ceil(parts);
    let mut parts = Vec::new();
    for (along_j, mut out) in blocks.iter().zip(out.axis_chunks_iter_mut(Axis(1), block)) {
        for chunks in chunks.chunks(chunks_each) {
            let length = (chunks_each * chunk).min(out.dim().0);
            let (part, rest) = out.split_at(Axis(0), length);
            parts.push((chunks, along_j, part));
            out = rest;
        }
    }
    parts.into_par_iter().try_for_each(|(chunks, along_j, out)| {
        let mut scratch = kept.take();
        through_ring(level, source, chunks, [along_j, along_i], put, &mut scratch, out)?;
        settle();
        kept.put(scratch);
        Ok(())
    })
}

/// Makes one block of rows, slices from these chunks on. Planes are made when a chunk first needs them,
/// and stay until another takes their place.
fn through_ring<T: Voxel, O: Real>(
    level: Level,
    source: Source<'_, T>,
    chunks: &[Along],
    [along_j, along_i]: [&Along; 2],
    put: &Rows<O>,
    scratch: &mut Scratch,
    mut out: ArrayViewMut3<'_, O>,
) -> Result<(), Error> {
    let Scratch { plane, planes, across: room } = scratch;
    let (rows, width) = (out.dim().1, put.inside.len());
    // Whole lanes can be read from any column on, and planes compete little for places in the cache.
    let size = (rows * width + LANES).next_multiple_of(32) + 16;
    let count = chunks.iter().map(|along| along.used().len()).max().unwrap_or(0);
    let planes = planes.try_first(count * size)?;
    // Which slice of the source each of them holds.
    let mut holds = vec![usize::MAX; count];
    let mut start = 0;
    for along_k in chunks {
        for k in along_k.used() {
            if std::mem::replace(&mut holds[k % count], k) != k {
                let next = if k + 1 < source.extent.at[0] + source.extent.shape[0] {
                    source.slice(k + 1)
                } else {
                    &[]
                };
                let to = &mut planes[k % count * size..][..rows * width];
                in_plane(level, level, source.extent, source.slice(k), next, [along_j, along_i], plane, to);
            }
        }
        let begins: Vec<usize> = along_k.window.iter().map(|k| k % count * size).collect();
        let mut out = out.slice_mut(s![start..start + along_k.at.len(), .., ..]);
        let together = (STRETCH / width).max(1);
        for (at, to) in out.axis_chunks_iter_mut(Axis(1), together).enumerate() {
            let begin = at * together * width;
            across(level, level, along_k, &planes[begin..], &begins, room, to, put);
        }
        start += along_k.at.len();
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
    plane: InPlane,
    /// The ring.
    planes: Room,
    across: Across,
}

/// What [`in_plane`] needs on the way.
#[derive(Default)]
struct InPlane {
    held: Room,
    /// Sampled along j: rows of the output, columns of the source.
    rows: Room,
    /// `LANES` of these rows, turned.
    turned: Room,
    /// The same sampled along i.
    sampled: Room,
    /// Where the window's voxels begin.
    begins: Vec<usize>,
}

/// What [`across`] needs on the way.
#[derive(Default)]
struct Across {
    held: Room,
    sampled: Room,
}

/// Numbers from where a line of the cache begins. What they are is what they were last.
#[derive(Default)]
struct Room(Vec<f32>);

/// Numbers in a line of the cache.
const LINE: usize = 16;

impl Room {
    fn first(&mut self, count: usize) -> &mut [f32] {
        if self.0.len() < count + LINE {
            self.0.resize(count + LINE, 0.0);
        }
        let skipped = self.0.as_ptr().align_offset(4 * LINE).min(LINE);
        &mut self.0[skipped..][..count]
    }

    /// The same for many.
    fn try_first(&mut self, count: usize) -> Result<&mut [f32], Error> {
        if self.0.len() < count + LINE {
            self.0 = blank::<f32>([1, 1, count + LINE])?.into_raw_vec_and_offset().0;
        }
        Ok(self.first(count))
    }
}

at_each_level! {
    /// A block of rows of one slice of the source, filtered and sampled along j and i: rows of `to`.
    /// `slice` is all that `extent` has of it, `next` what will be wanted next.
    fn in_plane[T: Voxel](
        own: Level,
        extent: Extent,
        slice: &[T],
        next: &[T],
        along: [&Along; 2],
        room: &mut InPlane,
        to: &mut [f32],
    ) {
        let [along_j, along_i] = along;
        let used = along_i.used();
        let (height, width) = (along_j.at.len(), along_i.at.len());
        // Rows a power of two apart would compete for the same places in the cache.
        let stride = used.len().next_multiple_of(LANES) + LINE;
        let rows = room.rows.first(height.next_multiple_of(LANES) * stride);
        let held = room.held.first(along_j.window.len().max(along_i.window.len()) * LANES).as_chunks_mut().0;
        let begins = &mut room.begins;
        begins.clear();
        begins.extend(along_j.window.iter().map(|j| (j - extent.at[1]) * extent.shape[2]));
        let skipped = used.start - extent.at[2];
        for start in (0..used.len()).step_by(LANES) {
            let count = LANES.min(used.len() - start);
            let next = next.get(skipped + start..).unwrap_or_default();
            let from = Lines { voxels: &slice[skipped + start..], begins, count, next };
            lines(along_j, from, held, &mut rows[start..], stride);
        }
        if let Taps::Voxels = along_i.taps {
            for (to, row) in to.chunks_mut(width).zip(rows.chunks(stride)) {
                for (to, &at) in to.iter_mut().zip(&along_i.at) {
                    *to = row[along_i.window[at] - used.start];
                }
            }
            return;
        }
        let turned = room.turned.first(used.len() * LANES);
        let sampled = room.sampled.first(width * LANES);
        begins.clear();
        begins.extend(along_i.window.iter().map(|i| (i - used.start) * LANES));
        for (rows, to) in rows.chunks(LANES * stride).zip(to.chunks_mut(LANES * width)) {
            turn(own, rows, stride, turned, LANES, [LANES, used.len()]);
            let from = Lines { voxels: turned, begins, count: LANES, next: &[] };
            lines(along_i, from, held, sampled, LANES);
            turn(own, sampled, LANES, to, width, [width, to.len() / width]);
        }
    }
}

at_each_level! {
    /// Rows of all planes, filtered and sampled along k: rows of `to`. In each plane they begin at one of
    /// `begins`.
    fn across[O: Real](
        own: Level,
        along: &Along,
        planes: &[f32],
        begins: &[usize],
        room: &mut Across,
        to: ArrayViewMut3<'_, O>,
        put: &Rows<O>,
    ) {
        let mut to = to;
        let length = to.dim().1 * put.inside.len();
        let stride = length.next_multiple_of(LANES) + LINE;
        let held = room.held.first(along.window.len() * LANES).as_chunks_mut().0;
        let sampled = room.sampled.first(along.at.len() * stride);
        for start in (0..length).step_by(LANES) {
            let next = planes.get(start + 2 * LANES..).unwrap_or_default();
            let from = Lines { voxels: &planes[start..], begins, count: LANES, next };
            lines(along, from, held, &mut sampled[start..], stride);
        }
        for (to, sampled) in to.outer_iter_mut().zip(sampled.chunks(stride)) {
            put.put_all(own, to, &sampled[..length]);
        }
    }
}

type Lanes = [f32; LANES];

/// Lines side by side.
struct Lines<'a, T> {
    voxels: &'a [T],
    /// Where each voxel of the window begins.
    begins: &'a [usize],
    /// How many lines there are: [`LANES`] or fewer.
    count: usize,
    /// What will be wanted from the same places on, is on its way to the cache meanwhile; may be empty.
    next: &'a [T],
}

/// Filters and samples lines. Their values go to `to`, [`LANES`] for each place, `stride` from those of the
/// one before. `held` has room for the window.
///
/// Loops over lanes rather than closures: the compiler is to keep lanes in registers, and what it does not
/// inline is not compiled for the level.
#[inline(always)]
fn lines<T: Voxel>(along: &Along, from: Lines<'_, T>, held: &mut [Lanes], to: &mut [f32], stride: usize) {
    let Lines { voxels, begins, count, next } = from;
    let held = &mut held[..begins.len()];
    let mut begin = if along.is_filtered() { held.len() } else { 0 };
    if begin > 0 && count == LANES {
        let mut last = [0.0; LANES];
        for (&begin, held) in begins.iter().zip(held.iter_mut()) {
            let row: &[T; LANES] = voxels[begin..].first_chunk().expect("as many as there are lanes");
            for lane in 0..LANES {
                last[lane] = row[lane].to_f32() + Z * last[lane];
            }
            *held = last;
            if let Some(next) = next.get(begin..begin + LANES) {
                fetch(next);
            }
        }
    } else if begin > 0 {
        let mut last = [0.0; LANES];
        for (&begin, held) in begins.iter().zip(held.iter_mut()) {
            for (last, voxel) in last.iter_mut().zip(&voxels[begin..][..count]) {
                *last = voxel.to_f32() + Z * *last;
            }
            *held = last;
        }
    }
    let mut last = [0.0; LANES];
    let places = along.at.len();
    let rises = along.at.first() <= along.at.last();
    for place in 0..places {
        let place = if rises { places - 1 - place } else { place };
        let at = along.at[place];
        while begin > at {
            begin -= 1;
            let held = &mut held[begin];
            for lane in 0..LANES {
                last[lane] = held[lane] + Z * last[lane];
            }
            *held = last;
        }
        let to = &mut to[place * stride..][..LANES];
        match &along.taps {
            Taps::Voxels => {
                for (to, voxel) in to.iter_mut().zip(&voxels[begins[at]..][..count]) {
                    *to = voxel.to_f32();
                }
            }
            Taps::Coefficients(gain) => {
                for lane in 0..LANES {
                    to[lane] = gain * held[at][lane];
                }
            }
            Taps::Cubic(weights) => {
                let [a, b, c, d] = weights[place];
                let taps: &[Lanes; 4] = held[at..].first_chunk().expect("the window reaches beyond the taps");
                for lane in 0..LANES {
                    to[lane] =
                        (a * taps[0][lane] + b * taps[1][lane]) + (c * taps[2][lane] + d * taps[3][lane]);
                }
            }
        }
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
    // Along the shorter side first: what that touches stays in the nearest cache.
    let is_wide = rows < columns;
    let (far, near) = if is_wide { (whole_columns, whole_rows) } else { (whole_rows, whole_columns) };
    for far in (0..far).step_by(8) {
        for near in (0..near).step_by(8) {
            let (r, c) = if is_wide { (near, far) } else { (far, near) };
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
    assert!(from.len() >= 7 * stride + 8 && to.len() >= 7 * to_stride + 8);
    let row: [__m256; 8] = std::array::from_fn(|r| {
        // SAFETY: eight values are there, as was just asserted of the last row.
        unsafe { _mm256_loadu_ps(from.as_ptr().add(r * stride)) }
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
        // SAFETY: there is room for eight values, as was asserted of the last row.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr().add(c * to_stride), column) };
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

/// Places whose weights are worked out together.
const PLACES: usize = 16;

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
        for (batch, to) in row.chunks_mut(PLACES).enumerate() {
            let mut whole = [[0_i32; PLACES]; 3];
            let mut weight = [[[0.0_f32; PLACES]; 4]; 3];
            for d in 0..3 {
                for lane in 0..PLACES {
                    let place = places.first[d] + places.step[d] * (batch * PLACES + lane) as f64;
                    // 32 bits convert faster, and no axis of voxels is that long.
                    whole[d][lane] = place as i32;
                    let [a, b, c, e] = weights((place - f64::from(whole[d][lane])) as f32);
                    weight[d][0][lane] = a;
                    weight[d][1][lane] = b;
                    weight[d][2][lane] = c;
                    weight[d][3][lane] = e;
                }
            }
            for (lane, to) in to.iter_mut().enumerate() {
                let [i, j, k] = whole.map(|whole| whole[lane] as usize - 1);
                let first = (k * rows + j) * columns + i;
                let mut sums = [[0.0_f32; 4]; 4];
                for k in 0..4 {
                    let share = weight[2][k][lane];
                    for j in 0..4 {
                        let from: &[f32; 4] = coefficients[first + (k * rows + j) * columns..]
                            .first_chunk()
                            .expect("four coefficients around each place");
                        for i in 0..4 {
                            sums[j][i] += share * from[i];
                        }
                    }
                }
                let mut sum = [0.0_f32; 4];
                for j in 0..4 {
                    for i in 0..4 {
                        sum[i] += weight[1][j][lane] * sums[j][i];
                    }
                }
                let [a, b, c, d] = weight[0].map(|weight| weight[lane]);
                *to = (a * sum[0] + b * sum[1]) + (c * sum[2] + d * sum[3]);
            }
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
