//! Onto another grid in one pass: interpolate, window, pad.
//!
//! A place in the source is inside when it is within half a voxel of the outermost voxel centres,
//! which is where the voxels end; between there and the centre the outermost value holds. Anything
//! further out gets the value for outside. Values are interpolated first and windowed then.
//!
//! A map under which the output's axes follow the source's (any order, any direction) is an order of
//! magnitude faster than an oblique one. When shrinking, voxels between the samples are skipped.

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::grid::{self, Line, Samples};
use crate::{Device, Error, IndexMap, Voxel, blank};

/// What becomes of interpolated values: `low_hu..=high_hu` maps linearly onto `low..=high`, and values
/// beyond are clamped.
///
/// `low` may be above `high`, which inverts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intensity {
    /// The source value that becomes `low`; values below it do as well.
    pub low_hu: f32,
    /// The source value that becomes `high`; values above it do as well. More than `low_hu`.
    pub high_hu: f32,
    /// What `low_hu` becomes.
    pub low: f32,
    /// What `high_hu` becomes.
    pub high: f32,
    /// What the output holds outside of the source, in the output's units and not clamped.
    pub outside: f32,
}

impl Intensity {
    /// Values as they are in the source, and `outside` outside of it.
    pub const fn unchanged(outside: f32) -> Self {
        Self { low_hu: f32::MIN, high_hu: f32::MAX, low: f32::MIN, high: f32::MAX, outside }
    }
}

/// `source` trilinearly interpolated where `map` leads from each voxel of an array of `shape`
/// (`[k, j, i]`), windowed and padded.
///
/// A map that is not finite leads outside. Voxels are expected to be finite.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If the window of `intensity` is empty or not a number: the caller's mistake.
pub fn resample<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    intensity: Intensity,
) -> Result<Array3<f32>, Error> {
    let Intensity { low_hu, high_hu, low, high, outside } = intensity;
    assert!(low_hu < high_hu, "the window from {low_hu} to {high_hu} is empty");
    let scale = (f64::from(high) - f64::from(low)) / (f64::from(high_hu) - f64::from(low_hu));
    let offset = (f64::from(low) - f64::from(low_hu) * scale) as f32;
    let (scale, least, most) = (scale as f32, low.min(high), low.max(high));
    device.on_cpu(module_path!())?;
    trilinear(source, shape, map, outside, |value| {
        let value = value * scale + offset;
        let value = if value < least { least } else { value };
        if value > most { most } else { value }
    })
}

/// Whether `source`, trilinearly interpolated where `map` leads from each voxel of an array of `shape`
/// (`[k, j, i]`), is above `threshold`; outside of the source it is not.
///
/// For probabilities, and for masks that are to keep a smooth outline (`true` is 1, so 0.5 is the
/// threshold that keeps their volume).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn resample_mask<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    threshold: f32,
) -> Result<Array3<bool>, Error> {
    device.on_cpu(module_path!())?;
    trilinear(source, shape, map, false, |value| value > threshold)
}

/// The voxel of `source` nearest to where `map` leads from each voxel of an array of `shape`
/// (`[k, j, i]`), and `outside` outside of the source. For labels.
///
/// Half-way between two voxels the one with the higher index is taken.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn resample_nearest<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    outside: T,
) -> Result<Array3<T>, Error> {
    device.on_cpu(module_path!())?;
    let source = source.as_standard_layout();
    let (voxels, [rows, columns]) = flat(&source.view());
    let source_shape: [usize; 3] = source.dim().into();
    if let Some(lines) = grid::along_axes(map, shape) {
        let order = lines.map(|line| line.source_axis);
        let mut out = blank(in_order(shape, order))?;
        let along =
            by_source_axis(lines, |axis, line| line.nearest(shape[axis], source_shape[line.source_axis]));
        let [along_k, along_j, (inside_i, at_i)] = &along;
        each_row(
            &mut out,
            || (),
            |(), [k, j], row| {
                row.fill(outside);
                if along_k.0.contains(&k) && along_j.0.contains(&j) {
                    let (k, j) = (along_k.1[k - along_k.0.start], along_j.1[j - along_j.0.start]);
                    let from = &voxels[(k * rows + j) * columns..][..columns];
                    for (to, &at) in row[inside_i.clone()].iter_mut().zip(at_i) {
                        *to = from[at];
                    }
                }
            },
        );
        return turned(out, order);
    }
    let mut out = blank(shape)?;
    oblique(&mut out, map, source_shape, outside, |[i, j, k]| {
        let [i, j, k] =
            [grid::nearest(i, columns), grid::nearest(j, rows), grid::nearest(k, source_shape[0])];
        voxels[(k * rows + j) * columns + i]
    });
    Ok(out)
}

/// What interpolation means: `finish` of the interpolated value, `outside` outside of the source.
fn trilinear<T: Voxel, O: Voxel>(
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    outside: O,
    finish: impl Fn(f32) -> O + Sync,
) -> Result<Array3<O>, Error> {
    let source = source.as_standard_layout();
    let (voxels, [rows, columns]) = flat(&source.view());
    let source_shape: [usize; 3] = source.dim().into();
    if let Some(lines) = grid::along_axes(map, shape) {
        let order = lines.map(|line| line.source_axis);
        let mut out = blank(in_order(shape, order))?;
        let along =
            by_source_axis(lines, |axis, line| line.samples(shape[axis], source_shape[line.source_axis]));
        aligned(&mut out, voxels, source_shape, &along, outside, finish);
        return turned(out, order);
    }
    let mut out = blank(shape)?;
    let size = [columns, rows, source_shape[0]];
    let step = [1, columns, rows * columns];
    oblique(&mut out, map, source_shape, outside, |place| {
        let (mut at, mut next, mut weight) = (0, [0; 3], [0.0; 3]);
        for d in 0..3 {
            // 32 bits convert faster, and no axis of voxels is that long.
            let whole = (place[d].max(0.0) as i32 as usize).min(size[d] - 1);
            at += whole * step[d];
            next[d] = if whole + 1 < size[d] { step[d] } else { 0 };
            weight[d] = (place[d] - whole as f64).max(0.0) as f32;
        }
        let along_i = |at: usize| mix(voxels[at].to_f32(), voxels[at + next[0]].to_f32(), weight[0]);
        let along_j = |at: usize| mix(along_i(at), along_i(at + next[1]), weight[1]);
        finish(mix(along_j(at), along_j(at + next[2]), weight[2]))
    });
    Ok(out)
}

/// Exactly `a` for weight 0.
#[inline]
fn mix(a: f32, b: f32, weight: f32) -> f32 {
    a + (b - a) * weight
}

/// Interpolates along the axes: the four source rows around an output row are blended into one, which
/// vectorises, and that one is sampled. `along` is in the order of the array's axes.
fn aligned<T: Voxel, O: Voxel>(
    out: &mut Array3<O>,
    voxels: &[T],
    [slices, rows, columns]: [usize; 3],
    along: &[Samples; 3],
    outside: O,
    finish: impl Fn(f32) -> O + Sync,
) {
    let [along_k, along_j, along_i] = along;
    // The columns that are sampled, and the one after them for the last weight.
    let used = match (along_i.at.iter().min(), along_i.at.iter().max()) {
        (Some(&first), Some(&last)) => first..(last + 2).min(columns),
        _ => 0..0,
    };
    let row_of = |k: usize, j: usize| &voxels[(k * rows + j) * columns..][used.clone()];
    each_row(
        out,
        || vec![0.0_f32; used.len() + 1],
        |blended, [k, j], row| {
            if !along_k.inside.contains(&k) || !along_j.inside.contains(&j) {
                return row.fill(outside);
            }
            let (k, j) = (k - along_k.inside.start, j - along_j.inside.start);
            let (k, weight_k) = (along_k.at[k], along_k.weight[k]);
            let (j, weight_j) = (along_j.at[j], along_j.weight[j]);
            let (next_k, next_j) = ((k + 1).min(slices - 1), (j + 1).min(rows - 1));
            let to = &mut blended[..used.len()];
            match (weight_k == 0.0, weight_j == 0.0) {
                (true, true) => {
                    for (to, a) in to.iter_mut().zip(row_of(k, j)) {
                        *to = a.to_f32();
                    }
                }
                (true, false) => blend_two(to, row_of(k, j), row_of(k, next_j), weight_j),
                (false, true) => blend_two(to, row_of(k, j), row_of(next_k, j), weight_k),
                (false, false) => {
                    let near = row_of(k, j).iter().zip(row_of(k, next_j));
                    let far = row_of(next_k, j).iter().zip(row_of(next_k, next_j));
                    for (to, ((a, b), (c, d))) in to.iter_mut().zip(near.zip(far)) {
                        let near = mix(a.to_f32(), b.to_f32(), weight_j);
                        let far = mix(c.to_f32(), d.to_f32(), weight_j);
                        *to = mix(near, far, weight_k);
                    }
                }
            }
            // The voxel after the last has weight 0 but must be a number.
            blended[used.len()] = blended[used.len().saturating_sub(1)];
            row[..along_i.inside.start].fill(outside);
            row[along_i.inside.end..].fill(outside);
            let row = &mut row[along_i.inside.clone()];
            if along_i.consecutive {
                let first = along_i.at.first().map_or(0, |at| at - used.start);
                let pairs = blended[first..].iter().zip(&blended[first + 1..]);
                for ((to, (&a, &b)), &weight) in row.iter_mut().zip(pairs).zip(&along_i.weight) {
                    *to = finish(mix(a, b, weight));
                }
            } else {
                for ((to, &at), &weight) in row.iter_mut().zip(&along_i.at).zip(&along_i.weight) {
                    let pair = &blended[at - used.start..][..2];
                    *to = finish(mix(pair[0], pair[1], weight));
                }
            }
        },
    );
}

fn blend_two<T: Voxel>(to: &mut [f32], a: &[T], b: &[T], weight: f32) {
    for (to, (a, b)) in to.iter_mut().zip(a.iter().zip(b)) {
        *to = mix(a.to_f32(), b.to_f32(), weight);
    }
}

/// Fills `out` with `sample` of each place (i, j, k) inside of the source, and `outside` elsewhere.
fn oblique<O: Voxel>(
    out: &mut Array3<O>,
    map: &IndexMap,
    [slices, rows, columns]: [usize; 3],
    outside: O,
    sample: impl Fn([f64; 3]) -> O + Sync,
) {
    let step = [map[0][0], map[1][0], map[2][0]];
    each_row(
        out,
        || (),
        |(), [k, j], row| {
            let start: [f64; 3] =
                std::array::from_fn(|d| map[d][1] * j as f64 + map[d][2] * k as f64 + map[d][3]);
            let inside = grid::inside_row(start, step, [columns, rows, slices], row.len());
            row[..inside.start].fill(outside);
            row[inside.end..].fill(outside);
            for (at, to) in inside.clone().zip(&mut row[inside]) {
                *to = sample(std::array::from_fn(|d| start[d] + step[d] * at as f64));
            }
        },
    );
}

/// Calls `fill` with the `[k, j]` of each row of `out`, in parallel; `scratch` makes what a thread keeps.
fn each_row<O: Voxel, S>(
    out: &mut Array3<O>,
    scratch: impl Fn() -> S + Sync + Send,
    fill: impl Fn(&mut S, [usize; 2], &mut [O]) + Sync + Send,
) {
    let (_, rows, columns) = out.dim();
    if out.is_empty() {
        return;
    }
    let voxels = out.as_slice_mut().expect("made in standard layout");
    voxels.par_chunks_mut(columns).enumerate().with_min_len(8).for_each_init(
        scratch,
        |scratch, (at, row)| {
            fill(scratch, [at / rows, at % rows], row);
        },
    );
}

/// The voxels of a volume in standard layout, and how many rows and columns a slice has.
fn flat<'a, T>(source: &ArrayView3<'a, T>) -> (&'a [T], [usize; 2]) {
    let (_, rows, columns) = source.dim();
    (source.to_slice().expect("made standard by the caller"), [rows, columns])
}

/// The output's shape in the order of the source's axes, where output axis `a` follows `order[a]`.
fn in_order(shape: [usize; 3], order: [usize; 3]) -> [usize; 3] {
    let mut ordered = [0; 3];
    for (axis, &source_axis) in order.iter().enumerate() {
        ordered[source_axis] = shape[axis];
    }
    ordered
}

/// `of` each line and its output axis, in the order of the source's axes.
fn by_source_axis<R>(lines: [Line; 3], of: impl Fn(usize, Line) -> R) -> [R; 3] {
    std::array::from_fn(|source_axis| {
        let axis = lines.iter().position(|line| line.source_axis == source_axis);
        let axis = axis.expect("the lines follow all three axes");
        of(axis, lines[axis])
    })
}

/// `volume`, made in the order of the source's axes, in the order of the output's.
fn turned<T: Voxel>(volume: Array3<T>, order: [usize; 3]) -> Result<Array3<T>, Error> {
    if order == [0, 1, 2] {
        return Ok(volume);
    }
    let turned = volume.view().permuted_axes(order);
    let mut out = blank(turned.dim().into())?;
    ndarray::Zip::from(out.outer_iter_mut())
        .and(turned.outer_iter())
        .par_for_each(|mut to, from| to.assign(&from));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;

    const IDENTITY: IndexMap = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    const WINDOW: Intensity =
        Intensity { low_hu: -1000.0, high_hu: 400.0, low: -1.0, high: 1.0, outside: -7.0 };

    /// Values that differ everywhere, -32000 to 32000.
    fn source(shape: [usize; 3]) -> Array3<i16> {
        let value = |k, j, i| ((k * 9973 + j * 3001 + i * 641) % 64_000) as i32 - 32_000;
        Array3::from_shape_fn(shape, |(k, j, i)| value(k, j, i) as i16)
    }

    fn place(map: &IndexMap, (k, j, i): (usize, usize, usize)) -> [f64; 3] {
        let [i, j, k] = [i as f64, j as f64, k as f64];
        map.map(|row| row[0] * i + row[1] * j + row[2] * k + row[3])
    }

    /// What resampling means, one voxel at a time; `None` outside.
    fn literal(source: &Array3<i16>, place: [f64; 3]) -> Option<f64> {
        let (slices, rows, columns) = source.dim();
        let size = [columns, rows, slices];
        if (0..3).any(|d| place[d] < -0.5 || place[d] > size[d] as f64 - 0.5) {
            return None;
        }
        let mut sum = 0.0;
        for corner in 0..8 {
            let (mut at, mut weight) = ([0; 3], 1.0);
            for d in 0..3 {
                let clamped = place[d].clamp(0.0, size[d] as f64 - 1.0);
                let low = clamped.floor();
                let upper = corner >> d & 1 == 1;
                weight *= if upper { clamped - low } else { 1.0 - (clamped - low) };
                at[d] = (low as usize + usize::from(upper)).min(size[d] - 1);
            }
            sum += weight * f64::from(source[[at[2], at[1], at[0]]]);
        }
        Some(sum)
    }

    /// Whether rounding could decide if the place is in or out.
    fn is_on_the_border(place: [f64; 3], source: &Array3<i16>) -> bool {
        let (slices, rows, columns) = source.dim();
        let size = [columns, rows, slices];
        (0..3).any(|d| (place[d] + 0.5).abs() < 1e-4 || (place[d] + 0.5 - size[d] as f64).abs() < 1e-4)
    }

    #[track_caller]
    fn check(source: &Array3<i16>, shape: [usize; 3], map: &IndexMap) {
        let found = resample(&Device::Cpu, source.view(), shape, map, Intensity::unchanged(-9e9)).unwrap();
        let windowed = resample(&Device::Cpu, source.view(), shape, map, WINDOW).unwrap();
        let nearest = resample_nearest(&Device::Cpu, source.view(), shape, map, 12_345).unwrap();
        let above = resample_mask(&Device::Cpu, source.view(), shape, map, 100.0).unwrap();
        assert_eq!(found.dim(), (shape[0], shape[1], shape[2]));
        assert!(found.is_standard_layout());
        for (at, &found) in found.indexed_iter() {
            let place = place(map, at);
            if is_on_the_border(place, source) {
                continue;
            }
            let Some(expected) = literal(source, place) else {
                assert_eq!((found, windowed[at]), (-9e9, -7.0), "{at:?} at {place:?}");
                assert_eq!((nearest[at], above[at]), (12_345, false), "{at:?} at {place:?}");
                continue;
            };
            // Neighbours differ by up to 64000, places are rounded to a millionth of a voxel.
            assert!((f64::from(found) - expected).abs() < 0.2, "{at:?}: {found} for {expected}");
            let expected_in_window = ((expected + 1000.0) / 700.0 - 1.0).clamp(-1.0, 1.0);
            assert!((f64::from(windowed[at]) - expected_in_window).abs() < 4e-4, "{at:?}");
            assert!(above[at] == (expected > 100.0) || (expected - 100.0).abs() < 0.2, "{at:?}");
            let tie = place.iter().any(|p| ((p - p.floor()) - 0.5).abs() < 1e-4);
            let whole = place.map(|p| (p + 0.5).floor());
            let (slices, rows, columns) = source.dim();
            let [i, j, k] =
                std::array::from_fn(|d| whole[d].clamp(0.0, [columns, rows, slices][d] as f64 - 1.0));
            assert!(tie || nearest[at] == source[[k as usize, j as usize, i as usize]], "{at:?}");
        }
    }

    #[test]
    fn the_identity_is_exact() {
        let source = source([7, 33, 65]);
        let found =
            resample(&Device::Cpu, source.view(), [7, 33, 65], &IDENTITY, Intensity::unchanged(0.0)).unwrap();
        assert_eq!(found, source.mapv(f32::from));
    }

    #[test]
    fn a_whole_voxel_shift_is_exact_even_when_the_map_has_rounding_errors() {
        let source = source([7, 33, 65]);
        let mut map = IDENTITY;
        (map[0][3], map[1][3], map[2][3]) = (2.0 + 1e-12, -3.0 - 1e-12, 1.0 - 1e-12);
        (map[0][0], map[0][1], map[2][0]) = (1.0 + 1e-13, 1e-14, -1e-14);
        let found =
            resample(&Device::Cpu, source.view(), [7, 33, 65], &map, Intensity::unchanged(0.5)).unwrap();
        let expected = Array3::from_shape_fn((7, 33, 65), |(k, j, i)| {
            let shifted = j.checked_sub(3).and_then(|j| source.get([k + 1, j, i + 2]));
            shifted.map_or(0.5, |&v| f32::from(v))
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn every_order_and_direction_of_the_axes_agrees_with_the_literal_one() {
        let source = source([7, 33, 65]);
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for flips in 0..8 {
                let mut map = [[0.0; 4]; 3];
                for (row, &column) in order.iter().enumerate() {
                    let size = [65.0, 33.0, 7.0][row];
                    let step = [1.31, 0.77, 0.4][row];
                    let flipped = flips >> row & 1 == 1;
                    map[row][column] = if flipped { -step } else { step };
                    map[row][3] = if flipped { size + 0.7 } else { -1.9 };
                }
                check(&source, [23, 19, 41], &map);
            }
        }
    }

    #[test]
    fn an_oblique_map_agrees_with_the_literal_one() {
        let map = [[0.9, 0.3, -0.2, -4.0], [-0.25, 1.1, 0.15, -2.0], [0.05, -0.02, 0.3, 0.6]];
        check(&source([7, 33, 65]), [23, 31, 67], &map);
    }

    #[test]
    fn a_lone_voxel_is_as_large_as_a_voxel() {
        let lone = Array3::from_elem((1, 1, 1), 5_i16);
        let mut map = IDENTITY;
        (map[0][0], map[0][3]) = (0.25, -1.0);
        let found = resample(&Device::Cpu, lone.view(), [1, 1, 9], &map, Intensity::unchanged(-1.0)).unwrap();
        let expected = [-1.0, -1.0, 5.0, 5.0, 5.0, 5.0, 5.0, -1.0, -1.0];
        assert_eq!(found.as_slice().unwrap(), expected);
    }

    #[test]
    fn an_empty_source_and_a_map_that_is_not_finite_are_outside_everywhere() {
        let empty = Array3::<i16>::zeros((0, 4, 4));
        let mut nowhere = IDENTITY;
        nowhere[1][2] = f64::NAN;
        for (source, map) in [(empty, IDENTITY), (source([3, 4, 5]), nowhere)] {
            let oblique = [[0.9, 0.1, 0.0, 0.0], map[1], map[2]];
            for map in [map, oblique] {
                let found = resample(&Device::Cpu, source.view(), [2, 3, 4], &map, Intensity::unchanged(3.0))
                    .unwrap();
                assert!(found.iter().all(|&v| v == 3.0));
            }
        }
    }

    #[test]
    fn a_source_that_lies_otherwise_in_memory_gives_the_same() {
        let source = source([7, 33, 65]);
        let turned = source.view().reversed_axes().as_standard_layout().into_owned();
        let map = [[0.9, 0.0, 0.0, 1.0], [0.0, 0.8, 0.0, 2.0], [0.0, 0.0, 0.7, 0.3]];
        let of = |view| resample(&Device::Cpu, view, [6, 30, 60], &map, WINDOW).unwrap();
        assert_eq!(of(source.view()), of(turned.view().reversed_axes()));
    }

    #[test]
    fn a_volume_that_cannot_be_held_is_an_error() {
        let source = source([2, 2, 2]);
        let shape = [usize::MAX, 2, 2];
        let found = resample(&Device::Cpu, source.view(), shape, &IDENTITY, WINDOW);
        assert_eq!(found, Err(Error::OutOfMemory { voxels: usize::MAX }));
        let shape = [usize::MAX / 2, 1, 1];
        let found = resample(&Device::Cpu, source.view(), shape, &IDENTITY, WINDOW);
        assert_eq!(found, Err(Error::OutOfMemory { voxels: usize::MAX / 2 }));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_affine_agrees_with_the_literal_one(
            size in prop::array::uniform3(1_usize..9),
            shape in prop::array::uniform3(1_usize..9),
            steps in prop::array::uniform9(-1.5_f64..1.5),
            zeros in prop::array::uniform9(prop::bool::ANY),
            start in prop::array::uniform3(-1.0_f64..5.0),
        ) {
            let step = |n: usize| if zeros[n] { 0.0 } else { steps[n] };
            let map = std::array::from_fn(|d| [step(3 * d), step(3 * d + 1), step(3 * d + 2), start[d]]);
            check(&source(size), shape, &map);
        }
    }
}
