use half::f16;
use ndarray::Array3;
use proptest::prelude::*;

use super::*;

const IDENTITY: IndexMap = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
const WINDOW: Intensity = Intensity { low_hu: -1000.0, high_hu: 400.0, low: -1.0, high: 1.0, outside: -7.0 };

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
        let [i, j, k] = std::array::from_fn(|d| whole[d].clamp(0.0, [columns, rows, slices][d] as f64 - 1.0));
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
    let found = resample(&Device::Cpu, source.view(), [7, 33, 65], &map, Intensity::unchanged(0.5)).unwrap();
    let expected = Array3::from_shape_fn((7, 33, 65), |(k, j, i)| {
        let shifted = j.checked_sub(3).and_then(|j| source.get([k + 1, j, i + 2]));
        shifted.map_or(0.5, |&v| f32::from(v))
    });
    assert_eq!(found, expected);
}

/// A map whose source axis `row` follows output axis `order[row]`, backwards where that bit of `flips` is set, and
/// which begins and ends beyond a source of `size` (all in the order i, j, k).
pub(crate) fn ordered(order: [usize; 3], flips: usize, size: [f64; 3]) -> IndexMap {
    let mut map = [[0.0; 4]; 3];
    for (row, &column) in order.iter().enumerate() {
        let step = [1.31, 0.77, 0.4][row];
        let flipped = flips >> row & 1 == 1;
        map[row][column] = if flipped { -step } else { step };
        map[row][3] = if flipped { size[row] + 0.7 } else { -1.9 };
    }
    map
}

#[test]
fn every_order_and_direction_of_the_axes_agrees_with_the_literal_one() {
    let source = source([7, 33, 65]);
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for flips in 0..8 {
            let map = ordered(order, flips, [65.0, 33.0, 7.0]);
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
            let found =
                resample(&Device::Cpu, source.view(), [2, 3, 4], &map, Intensity::unchanged(3.0)).unwrap();
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

/// `sampling` of `source` at a level.
fn at<T: Voxel, F: Finish>(
    level: Level,
    sampling: &Sampling,
    source: &Array3<T>,
    finish: F,
) -> Array3<F::Out> {
    let mut out = Array3::from_elem(sampling.shape, F::Out::default());
    for past_caches in [false, true] {
        let (slices, voxels) = (0..sampling.shape[0], out.as_slice_mut().unwrap());
        let to = Target { shape: sampling.shape, slices, voxels, past_caches };
        sampling.onto_at(level, to, &source.view().into(), finish);
    }
    out
}

/// Maps onto `[23, 19, 41]` in every order and direction of the axes, for a source of `[7, 33, 65]`, `step`
/// voxels at a time; and one across the axes.
fn maps(step: [f64; 3]) -> Vec<IndexMap> {
    let mut maps = vec![[[0.9, 0.3, -0.2, -4.0], [-0.25, 1.1, 0.15, -2.0], [0.05, -0.02, 0.3, 0.6]]];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for flips in 0..8 {
            let mut map = [[0.0; 4]; 3];
            for (row, &column) in order.iter().enumerate() {
                let flipped = flips >> row & 1 == 1;
                map[row][column] = if flipped { -step[row] } else { step[row] };
                map[row][3] = if flipped { [65.0, 33.0, 7.0][row] + 0.7 } else { -1.9 };
            }
            maps.push(map);
        }
    }
    maps
}

/// Steps that take neighbouring voxels from a window, and ones that are too far apart for that.
#[test]
fn every_level_gives_the_same_bits() {
    let source = source([7, 33, 65]);
    let values: Values = WINDOW.into();
    for step in [[1.31, 0.77, 0.4], [3.7, 2.2, 1.4]] {
        for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Area] {
            for map in maps(step) {
                let sampling = Sampling { shape: [23, 19, 41], map, interpolation, values };
                let of = |level| {
                    let single = at(level, &sampling, &source, values.finish::<f32>());
                    let half = at(level, &sampling, &source, values.finish::<f16>());
                    let mask = at(level, &sampling, &source, Above(100.0));
                    (single.mapv(f32::to_bits), half.mapv(f16::to_bits), mask)
                };
                let expected = of(Level::all()[0]);
                for &level in &Level::all()[1..] {
                    assert!(of(level) == expected, "{level:?}, {interpolation:?}, {map:?}");
                }
            }
        }
    }
}

#[test]
fn half_precision_is_single_precision_rounded() {
    let source = source([7, 33, 65]);
    for map in maps([1.31, 0.77, 0.4]) {
        let interpolation = Interpolation::Linear;
        let sampling = Sampling { shape: [23, 19, 41], map, interpolation, values: WINDOW.into() };
        let single: Array3<f32> = sampling.volume(&Device::Cpu, source.view()).unwrap();
        let half: Array3<f16> = sampling.volume(&Device::Cpu, source.view()).unwrap();
        assert_eq!(half, single.mapv(f16::from_f32), "{map:?}");
    }
}

/// From no more of the source than they ask for.
#[test]
fn slabs_are_the_whole_to_the_bit() {
    let source = source([7, 33, 65]);
    let shape = [23, 19, 41];
    for interpolation in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Area] {
        for map in maps([1.31, 1.77, 0.4]) {
            let sampling = Sampling { shape, map, interpolation, values: WINDOW.into() };
            let whole: Array3<f32> = sampling.volume(&Device::Cpu, source.view()).unwrap();
            for slices in [0..5, 5..6, 6..6, 6..23] {
                let [k, j, i] = sampling.source_of(source.dim().into(), slices.clone());
                let needed = source.slice(ndarray::s![k.clone(), j.clone(), i.clone()]);
                let part = Part::new(needed, [k.start, j.start, i.start], source.dim().into());
                let mut slab = Array3::<f32>::zeros((slices.len(), 19, 41));
                sampling.slab(&Device::Cpu, &part, slices.clone(), slab.view_mut()).unwrap();
                assert_eq!(slab, whole.slice(ndarray::s![slices.clone(), .., ..]), "{slices:?} of {map:?}");
            }
        }
    }
}

#[test]
fn a_tensor_by_cubic_splines_is_the_spline_and_its_slabs_are_as_well() {
    let source = source([7, 33, 65]);
    let (shape, interpolation) = ([23, 19, 41], Interpolation::Cubic);
    for map in maps([1.31, 0.77, 0.4]).into_iter().step_by(9) {
        let sampling = Sampling { shape, map, interpolation, values: WINDOW.into() };
        let whole: Array3<f32> = sampling.volume(&Device::Cpu, source.view()).unwrap();
        let spline: Array3<f32> =
            spline::resample(&Device::Cpu, source.view(), shape, &map, WINDOW.into()).unwrap();
        assert_eq!(whole, spline);
        let mut slab = Array3::<f32>::zeros((4, 19, 41));
        sampling.slab(&Device::Cpu, &source.view().into(), 9..13, slab.view_mut()).unwrap();
        let worst = (&slab - &whole.slice(ndarray::s![9..13, .., ..])).mapv(f32::abs);
        // 1e-6 of voxels of up to 32000, of which 700 are 1 in the window.
        assert!(worst.iter().all(|&off| off < 5e-5), "{worst}");
    }
}

#[test]
fn the_nearest_voxel_of_a_tensor_is_that_of_labels() {
    let source = source([7, 33, 65]);
    for map in maps([1.31, 0.77, 0.4]) {
        let (interpolation, values) = (Interpolation::Nearest, Values::unchanged(123.0));
        let sampling = Sampling { shape: [23, 19, 41], map, interpolation, values };
        let found: Array3<f32> = sampling.volume(&Device::Cpu, source.view()).unwrap();
        let labels = resample_nearest(&Device::Cpu, source.view(), [23, 19, 41], &map, 123).unwrap();
        assert_eq!(found, labels.mapv(f32::from), "{map:?}");
    }
}

#[test]
fn shrinking_by_area_counts_every_voxel_once() {
    let source = source([9, 35, 66]).mapv(|value| value / 64);
    let mean = source.iter().map(|&value| f64::from(value)).sum::<f64>() / source.len() as f64;
    // Onto voxels that together cover the source exactly, in another order and direction of the axes.
    let (steps, shape) = ([66.0 / 9.0, 35.0 / 4.0, 9.0 / 5.0], [9, 4, 5]);
    let start = |row: usize| (steps[row] - 1.0) / 2.0;
    let mut map = [[0.0; 4]; 3];
    (map[0][2], map[0][3]) = (steps[0], start(0));
    (map[1][1], map[1][3]) = (-steps[1], 34.0 - start(1));
    (map[2][0], map[2][3]) = (steps[2], start(2));
    let values = Values::unchanged(0.0);
    let sampling = Sampling { shape, map, interpolation: Interpolation::Area, values };
    let found: Array3<f32> = sampling.volume(&Device::Cpu, source.view()).unwrap();
    let found_mean = found.iter().map(|&value| f64::from(value)).sum::<f64>() / found.len() as f64;
    assert!((found_mean - mean).abs() < 1e-4, "{found_mean} for {mean}");
    // The first one covers 7 1/3 x 8 3/4 x 1 4/5 voxels, at the far end of the rows.
    let mut expected = 0.0;
    for ((k, j, i), &value) in source.indexed_iter() {
        let covered = |at: f64, size: f64| (size - at).clamp(0.0, 1.0);
        let weight =
            covered(k as f64, steps[2]) * covered(34.0 - j as f64, steps[1]) * covered(i as f64, steps[0]);
        expected += weight * f64::from(value) / steps.iter().product::<f64>();
    }
    assert!((f64::from(found[[0, 0, 0]]) - expected).abs() < 1e-3, "{} for {expected}", found[[0, 0, 0]]);
}

#[test]
fn stored_values_are_rescaled_and_normalised_and_cut_off() {
    let stored = Array3::from_shape_vec((1, 1, 4), vec![0_u16, 1024, 1124, 4095]).unwrap();
    let sampling =
        |values| Sampling { shape: [1, 1, 4], map: IDENTITY, interpolation: Interpolation::Linear, values };
    let of = |values| {
        sampling(values).volume::<_, f32>(&Device::Cpu, stored.view()).unwrap().into_raw_vec_and_offset().0
    };
    // HU = stored - 1024: -1024, 0, 100, 3071.
    let z_score = Values::z_score(50.0, 25.0, -150.0, 250.0, 0.0);
    assert_eq!(of(z_score.of_stored(1.0, -1024.0)), [-8.0, -2.0, 2.0, 8.0]);
    let window = Values::from(Intensity { low_hu: 0.0, high_hu: 200.0, low: 1.0, high: 0.0, outside: 0.0 });
    assert_eq!(of(window.of_stored(2.0, -2048.0)), [1.0, 1.0, 0.0, 0.0]);
}

proptest! {
    /// Interpolated values lie between the least and the most of the voxels.
    #[test]
    fn no_value_is_beyond_those_of_the_source(
        size in prop::array::uniform3(1_usize..9),
        steps in prop::array::uniform3(-2.5_f64..2.5),
        start in prop::array::uniform3(-1.0_f64..7.0),
        area in prop::bool::ANY,
    ) {
        let source = source(size);
        let map = std::array::from_fn(|d| {
            let mut row = [0.0, 0.0, 0.0, start[d]];
            row[d] = steps[d];
            row
        });
        let interpolation = if area { Interpolation::Area } else { Interpolation::Linear };
        let values = Values::unchanged(f32::from(source[[0, 0, 0]]));
        let sampling = Sampling { shape: [5, 6, 7], map, interpolation, values };
        let found: Array3<f32> = sampling.volume(&Device::Cpu, source.view()).unwrap();
        let least = source.iter().copied().min().map_or(0.0, f32::from);
        let most = source.iter().copied().max().map_or(0.0, f32::from);
        // Weights are rounded to 32 bits, values are up to 32000.
        prop_assert!(found.iter().all(|&v| v >= least - 0.05 && v <= most + 0.05), "{least} to {most}: {found}");
    }
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
