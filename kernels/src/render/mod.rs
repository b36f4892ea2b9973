//! Pictures of a volume for key images: slices, and slabs seen through, in any direction.
//!
//! A picture is made of samples: pixel (x, y) holds what becomes of the samples n = 0, 1, .. behind each
//! other, which lie where an [`IndexMap`] leads from (x, y, n). A slice is a slab of one sample. Values are
//! interpolated trilinearly, as [`crate::resample`] does; samples outside of the volume do not count.

mod cuda;

use ndarray::{Array2, ArrayView3};
use rayon::prelude::*;

use crate::grid::{self, Line};
use crate::simd::{Level, at_each_level};
use crate::{Device, Error, IndexMap, Voxel, any, blank};

pub use cuda::{picture_on_device, project_on_device};

/// What the samples behind each other become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// Their greatest: maximum intensity projection, for vessels and nodules.
    Greatest,
    /// Their least: for airways.
    Least,
    /// Their mean: as a thicker slice would look.
    Mean,
}

/// What a picture is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slab {
    /// From (x, y, n, 1), pixel column, pixel row and sample, to (i, j, k) of the volume; an integer is a
    /// centre.
    pub map: IndexMap,
    /// How many samples lie behind each other.
    pub samples: usize,
    /// What they become.
    pub through: Through,
}

/// `slab` through `source` as a picture of `shape` (rows, columns); `outside` where no sample is inside.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn project<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 2],
    slab: Slab,
    outside: f32,
) -> Result<Array2<f32>, Error> {
    let Device::Cuda(gpu) = device else {
        return reference(Level::best(), source, shape, slab, outside, |value| value);
    };
    let voxels = any::upload(gpu, source)?;
    let pixels = cuda::projected(&voxels, any::kind::<T>(), source.dim().into(), shape, slab, outside)?;
    in_rows(pixels.download()?, shape)
}

/// The same in grey: 0 at `low_hu` and below, 255 at `high_hu` and above, rounded; 0 where no sample is
/// inside.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If the window is empty: the caller's mistake.
pub fn picture<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 2],
    slab: Slab,
    [low_hu, high_hu]: [f32; 2],
) -> Result<Array2<u8>, Error> {
    assert!(low_hu < high_hu, "the window from {low_hu} to {high_hu} is empty");
    let Device::Cuda(gpu) = device else {
        let scale = 255.0 / (high_hu - low_hu);
        // A cast takes what is beyond the range to its ends.
        return reference(Level::best(), source, shape, slab, 0, |value| {
            ((value - low_hu) * scale + 0.5) as u8
        });
    };
    let voxels = any::upload(gpu, source)?;
    let pixels = cuda::projected(&voxels, any::kind::<T>(), source.dim().into(), shape, slab, f32::NAN)?;
    in_rows(cuda::grey(&pixels, [low_hu, high_hu])?.download()?, shape)
}

/// Pixels, row by row, as a picture of `shape`.
fn in_rows<T>(pixels: Vec<T>, shape: [usize; 2]) -> Result<Array2<T>, Error> {
    Ok(Array2::from_shape_vec(shape, pixels).expect("as many pixels as the shape says"))
}

/// What a picture means.
fn reference<T: Voxel, O: Voxel>(
    level: Level,
    source: ArrayView3<'_, T>,
    [rows, columns]: [usize; 2],
    slab: Slab,
    outside: O,
    finish: impl Fn(f32) -> O + Sync,
) -> Result<Array2<O>, Error> {
    let Slab { map, samples, through } = slab;
    let source = source.as_standard_layout();
    let voxels = source.as_slice().expect("just made standard");
    let source_shape: [usize; 3] = source.dim().into();
    let lines = grid::along_axes(&map, [samples, rows, columns]);
    if lines.is_some_and(|[_, y, _]| y.source_axis == 2) {
        // Rows of the source become columns: the picture turned over is quicker.
        let turned = Slab { map: map.map(|[x, y, n, start]| [y, x, n, start]), ..slab };
        let picture = reference(level, source.view(), [columns, rows], turned, outside, finish)?;
        return Ok(picture.reversed_axes().as_standard_layout().into_owned());
    }
    let mut out = blank([1, rows, columns])?;
    if !out.is_empty() {
        let pixels = out.as_slice_mut().expect("made in standard layout").par_chunks_mut(columns).enumerate();
        if let Some(lines) = lines {
            // In the order n, y, x.
            let counts = [samples, rows, columns];
            let along: [Samples; 3] = std::array::from_fn(|a| Samples::of(lines[a], counts[a], source_shape));
            let axes = lines.map(|line| line.source_axis);
            let aligned = Aligned { level, voxels, shape: source_shape, along: &along, axes, through };
            pixels.for_each_init(Scratch::default, |scratch, (y, row)| {
                let (values, inside) = aligned.row(scratch, y);
                row[..inside.start].fill(outside);
                row[inside.end..].fill(outside);
                row[inside].iter_mut().zip(values).for_each(|(to, &value)| *to = finish(value));
            });
        } else {
            pixels.for_each(|(y, row)| {
                for (x, to) in row.iter_mut().enumerate() {
                    let start = map.map(|row| row[0] * x as f64 + row[1] * y as f64 + row[3]);
                    let step = map.map(|row| row[2]);
                    let value = oblique(voxels, source_shape, start, step, samples, through);
                    *to = value.map_or(outside, &finish);
                }
            });
        }
    }
    Ok(out.index_axis_move(ndarray::Axis(0), 0))
}

/// What the samples on a straight line become; `None` if none is inside.
fn oblique<T: Voxel>(
    voxels: &[T],
    [slices, rows, columns]: [usize; 3],
    start: [f64; 3],
    step: [f64; 3],
    samples: usize,
    through: Through,
) -> Option<f32> {
    let (size, stride) = ([columns, rows, slices], [1, columns, rows * columns]);
    let inside = grid::inside_row(start, step, size, samples);
    let count = inside.len();
    let values = inside.map(|n| {
        let (mut at, mut next, mut weight) = (0, [0; 3], [0.0; 3]);
        for d in 0..3 {
            let place = start[d] + step[d] * n as f64;
            // 32 bits convert faster, and no axis of voxels is that long.
            let whole = (place.max(0.0) as i32 as usize).min(size[d] - 1);
            at += whole * stride[d];
            next[d] = if whole + 1 < size[d] { stride[d] } else { 0 };
            weight[d] = (place - whole as f64).max(0.0) as f32;
        }
        let along_i = |at: usize| mix(voxels[at].to_f32(), voxels[at + next[0]].to_f32(), weight[0]);
        let along_j = |at: usize| mix(along_i(at), along_i(at + next[1]), weight[1]);
        mix(along_j(at), along_j(at + next[2]), weight[2])
    });
    let found = values.reduce(|a, b| join(through, a, b))?;
    Some(if through == Through::Mean { found / count as f32 } else { found })
}

/// Exactly `a` for weight 0.
#[inline(always)]
fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

#[inline(always)]
fn join(through: Through, a: f32, b: f32) -> f32 {
    match through {
        Through::Greatest => {
            if b > a {
                b
            } else {
                a
            }
        }
        Through::Least => {
            if b < a {
                b
            } else {
                a
            }
        }
        Through::Mean => a + b,
    }
}

/// What to blend along one axis: voxel `at` and the one after it, which has the weight.
struct Samples {
    /// The indices that fall inside of the source; the vectors below start at the first of them.
    inside: std::ops::Range<usize>,
    at: Vec<usize>,
    weight: Vec<f32>,
    /// Whether each sample is one source voxel after the one before.
    consecutive: bool,
    /// The voxels that are sampled, and the one after them for the last weight.
    used: std::ops::Range<usize>,
}

impl Samples {
    fn of(line: Line, count: usize, source: [usize; 3]) -> Self {
        let axis = line.linear(count, source[line.source_axis]);
        let weight = axis.weights.chunks_exact(2).map(|weights| weights[1]).collect();
        let consecutive = axis.first.windows(2).all(|pair| pair[1] == pair[0] + 1);
        let used = match (axis.first.iter().min(), axis.first.iter().max()) {
            (Some(&first), Some(&last)) => first..(last + 2).min(source[line.source_axis]),
            _ => 0..0,
        };
        Self { inside: axis.inside, at: axis.first, weight, consecutive, used }
    }
}

/// A slab whose axes follow those of the source.
struct Aligned<'a, T> {
    level: Level,
    voxels: &'a [T],
    shape: [usize; 3],
    /// Where the samples lie, in the order n, y, x.
    along: &'a [Samples; 3],
    /// The source's axes that n, y and x follow; y does not follow the source's columns.
    axes: [usize; 3],
    through: Through,
}

/// What a thread keeps.
#[derive(Default)]
struct Scratch {
    /// A row of the source, or a blend of up to four.
    blended: Vec<f32>,
    found: Vec<f32>,
}

impl<T: Voxel> Aligned<'_, T> {
    /// The values of row `y` of the picture, and which of its pixels have one.
    fn row<'s>(&self, scratch: &'s mut Scratch, y: usize) -> (&'s [f32], std::ops::Range<usize>) {
        let [depth, down, across] = self.along;
        let (count, inside) = (depth.inside.len(), across.inside.clone());
        if count == 0 || inside.is_empty() || !down.inside.contains(&y) {
            return (&[], 0..0);
        }
        let y = y - down.inside.start;
        let mut place = [(0, 0.0); 3];
        place[self.axes[1]] = (down.at[y], down.weight[y]);
        let Scratch { blended, found } = scratch;
        found.clear();
        if self.axes[2] == 2 {
            for n in 0..count {
                place[self.axes[0]] = (depth.at[n], depth.weight[n]);
                self.blend(place, across, blended);
                if n == 0 {
                    found.resize(inside.len(), 0.0);
                    take(self.level, found, blended, across);
                } else {
                    fold(self.level, found, blended, across, self.through);
                }
            }
        } else {
            for x in 0..inside.len() {
                place[self.axes[2]] = (across.at[x], across.weight[x]);
                self.blend(place, depth, blended);
                found.push(self.through_row(blended, depth));
            }
        }
        if self.through == Through::Mean {
            let share = count as f32;
            found.iter_mut().for_each(|value| *value /= share);
        }
        (found, inside)
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

    /// What the samples along a row become.
    fn through_row(&self, blended: &[f32], along: &Samples) -> f32 {
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

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;

    const CPU: Device = Device::Cpu;
    const ALL: [Through; 3] = [Through::Greatest, Through::Least, Through::Mean];

    fn source(shape: [usize; 3]) -> Array3<i16> {
        Array3::from_shape_fn(shape, |(k, j, i)| ((k * 997 + j * 301 + i * 641) % 2000) as i16 - 1000)
    }

    /// The interpolated value at a place (i, j, k) by the definition; `None` outside.
    fn literal(source: &Array3<i16>, place: [f64; 3]) -> Option<f64> {
        let (slices, rows, columns) = source.dim();
        let size = [columns, rows, slices];
        if (0..3).any(|d| size[d] == 0 || !grid::inside(place[d], size[d])) {
            return None;
        }
        let mut value = 0.0;
        for corner in 0..8_usize {
            let (mut weight, mut at) = (1.0, [0; 3]);
            for d in 0..3 {
                let place = place[d].clamp(0.0, size[d] as f64 - 1.0);
                let far = corner >> d & 1;
                weight *= if far == 1 { place.fract() } else { 1.0 - place.fract() };
                at[d] = (place as usize + far).min(size[d] - 1);
            }
            value += weight * f64::from(source[[at[2], at[1], at[0]]]);
        }
        Some(value)
    }

    #[track_caller]
    fn check(source: &Array3<i16>, shape: [usize; 2], map: IndexMap, samples: usize) {
        for through in ALL {
            let slab = Slab { map, samples, through };
            let found = project(&CPU, source.view(), shape, slab, -5000.0).unwrap();
            let grey = picture(&CPU, source.view(), shape, slab, [-700.0, 600.0]).unwrap();
            assert_eq!((found.dim(), grey.dim()), ((shape[0], shape[1]), (shape[0], shape[1])));
            assert!(grey.is_standard_layout());
            for &level in Level::all() {
                let again = reference(level, source.view(), shape, slab, -5000.0, |value| value).unwrap();
                assert_eq!(again.mapv(f32::to_bits), found.mapv(f32::to_bits), "{level:?}");
            }
            for ((y, x), &found) in found.indexed_iter() {
                let place = |n: usize| {
                    map.map(|row| row[0] * x as f64 + row[1] * y as f64 + row[2] * n as f64 + row[3])
                };
                let (slices, rows, columns) = source.dim();
                // Rounding decides about samples on the very border.
                let on_border = |place: [f64; 3]| {
                    (0..3).any(|d| {
                        let n = [columns, rows, slices][d] as f64;
                        (place[d] + 0.5).abs() < 1e-5 || (place[d] - n + 0.5).abs() < 1e-5
                    })
                };
                if (0..samples).any(|n| on_border(place(n))) {
                    continue;
                }
                let values: Vec<f64> = (0..samples).filter_map(|n| literal(source, place(n))).collect();
                let joined = match through {
                    Through::Greatest => values.iter().copied().reduce(f64::max),
                    Through::Least => values.iter().copied().reduce(f64::min),
                    Through::Mean => {
                        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
                    }
                };
                let Some(expected) = joined else {
                    assert_eq!((found, grey[[y, x]]), (-5000.0, 0));
                    continue;
                };
                // Neighbours differ by up to 2000, places are rounded to a millionth of a voxel.
                assert!((f64::from(found) - expected).abs() < 0.02, "{through:?}: {found} for {expected}");
                let expected = ((expected + 700.0) / 1300.0 * 255.0).clamp(0.0, 255.0);
                assert!((f64::from(grey[[y, x]]) - expected).abs() < 0.51, "{} for {expected}", grey[[y, x]]);
            }
        }
    }

    #[test]
    fn slabs_along_every_axis_are_what_a_loop_over_their_samples_gives() {
        let source = source([7, 33, 65]);
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for (step, start) in [([1.0, 1.0, 1.0], [2.0, 1.0, 0.0]), ([-0.7, 1.3, 0.4], [60.0, -2.2, 0.3])] {
                let mut map = [[0.0; 4]; 3];
                for (row, &column) in order.iter().enumerate() {
                    map[row][column] = step[row];
                    map[row][3] = start[row];
                }
                check(&source, [19, 41], map, 5);
                check(&source, [19, 41], map, 1);
            }
        }
    }

    #[test]
    fn an_oblique_slab_is_what_a_loop_over_its_samples_gives() {
        let map = [[0.9, 0.3, -0.2, -4.0], [-0.25, 1.1, 0.15, -2.0], [0.05, -0.02, 0.3, 0.6]];
        check(&source([7, 33, 65]), [31, 47], map, 9);
    }

    #[test]
    fn a_slice_as_it_is_stored_is_exact() {
        let source = source([3, 5, 70]);
        let map = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 2.0]];
        let slab = Slab { map, samples: 1, through: Through::Mean };
        let found = project(&CPU, source.view(), [5, 70], slab, 0.0).unwrap();
        assert_eq!(found, source.index_axis(ndarray::Axis(0), 2).mapv(f32::from));
    }

    #[test]
    fn nothing_and_nowhere_are_outside() {
        let map = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        let empty = Array3::<i16>::zeros((0, 4, 4));
        let full = source([4, 4, 4]);
        let mut nowhere = map;
        nowhere[1][3] = f64::NAN;
        for (source, map, samples) in [(&empty, map, 3), (&full, nowhere, 3), (&full, map, 0)] {
            let slab = Slab { map, samples, through: Through::Greatest };
            let found = project(&CPU, source.view(), [2, 3], slab, -1.0).unwrap();
            assert!(found.iter().all(|&value| value == -1.0));
        }
        let slab = Slab { map, samples: 1, through: Through::Mean };
        assert!(picture(&CPU, full.view(), [0, 3], slab, [0.0, 1.0]).unwrap().is_empty());
        let endless = picture(&CPU, full.view(), [usize::MAX, 3], slab, [0.0, 1.0]);
        assert_eq!(endless, Err(Error::OutOfMemory { voxels: usize::MAX }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn any_slab_is_what_a_loop_over_its_samples_gives(
            size in prop::array::uniform3(1_usize..9),
            shape in prop::array::uniform2(1_usize..9),
            samples in 1_usize..6,
            steps in prop::array::uniform9(-1.5_f64..1.5),
            zeros in prop::array::uniform9(prop::bool::ANY),
            start in prop::array::uniform3(-1.0_f64..5.0),
        ) {
            let step = |n: usize| if zeros[n] { 0.0 } else { steps[n] };
            let map = std::array::from_fn(|d| [step(3 * d), step(3 * d + 1), step(3 * d + 2), start[d]]);
            check(&source(size), shape, map, samples);
        }
    }
}
