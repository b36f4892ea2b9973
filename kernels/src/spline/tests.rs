use ndarray::{Array3, s};
use proptest::prelude::*;

use super::*;
use crate::resample::tests::ordered;
use crate::resample::{Intensity, Interpolation, Part, Sampling};

const IDENTITY: IndexMap = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Values that differ everywhere, -1000 to 1010.
fn source(shape: [usize; 3]) -> Array3<i16> {
    Array3::from_shape_fn(shape, |(k, j, i)| ((k * 9973 + j * 3001 + i * 641) % 2011) as i16 - 1000)
}

fn place(map: &IndexMap, (k, j, i): (usize, usize, usize)) -> [f64; 3] {
    let [i, j, k] = [i as f64, j as f64, k as f64];
    map.map(|row| row[0] * i + row[1] * j + row[2] * k + row[3])
}

/// What each voxel of an axis of `n` counts for at `place`, by the closed form of the spline that is 1 at
/// one voxel and 0 at all others.
fn cardinal(place: f64, n: usize) -> Vec<f64> {
    let pole = 3_f64.sqrt() - 2.0;
    let mut weights = vec![0.0; n];
    let mirrored = |at: isize| match 2 * (n as isize - 1) {
        0 => 0,
        period => at.rem_euclid(period).min(period - at.rem_euclid(period)) as usize,
    };
    let first = place.floor() as isize - 1;
    for tap in first..first + 4 {
        let off = (place - tap as f64).abs();
        let basis = match off {
            off if off < 1.0 => 2.0 / 3.0 - off * off * (1.0 - off / 2.0),
            off if off < 2.0 => (2.0 - off).powi(3) / 6.0,
            _ => 0.0,
        };
        for voxel in -60..=60_isize {
            let share = -6.0 * pole / (1.0 - pole * pole) * pole.powi(voxel.abs() as i32);
            weights[mirrored(tap + voxel)] += basis * share;
        }
    }
    weights
}

/// What the spline means, one place at a time; `None` outside.
fn literal(source: &Array3<i16>, place: [f64; 3]) -> Option<f64> {
    let (slices, rows, columns) = source.dim();
    let size = [columns, rows, slices];
    if (0..3).any(|d| !(place[d] >= -0.5 && place[d] <= size[d] as f64 - 0.5)) {
        return None;
    }
    let [i, j, k] = [0, 1, 2].map(|d| cardinal(place[d], size[d]));
    Some(source.indexed_iter().map(|(at, &v)| k[at.0] * j[at.1] * i[at.2] * f64::from(v)).sum())
}

/// Every voxel, at every level this machine has, is the literal spline to within a hundredth of a unit
/// of 1000, and the levels do not differ in a bit.
#[track_caller]
fn check(source: &Array3<i16>, shape: [usize; 3], map: &IndexMap) {
    let values = Values::unchanged(-9000.0);
    let of = |level| -> Array3<f32> {
        let source =
            cpu::Source { voxels: source.as_slice().unwrap(), extent: Extent::whole(source.dim().into()) };
        let mut found = Array3::from_elem(shape, f32::NAN);
        reference(level, source, found.view_mut(), map, values).unwrap();
        found
    };
    let found = of(Level::all()[0]);
    for &level in Level::all() {
        assert_eq!(of(level), found, "{level:?}");
    }
    let (slices, rows, columns) = source.dim();
    for (at, &found) in found.indexed_iter() {
        let place = place(map, at);
        let is_on_the_border = place
            .iter()
            .zip([columns, rows, slices])
            .any(|(place, n)| (place + 0.5).abs() < 1e-4 || (place + 0.5 - n as f64).abs() < 1e-4);
        if is_on_the_border {
            continue;
        }
        let expected = literal(source, place).unwrap_or(-9000.0);
        // Places are rounded to a millionth of a voxel where the map follows the axes.
        assert!((f64::from(found) - expected).abs() < 0.02, "{at:?}: {found} for {expected}");
    }
}

/// `[i, j, k]` and the value there by scipy 1.17.1, `map_coordinates(order=3, mode="mirror")`, and by
/// SimpleITK 2.5.7, `EvaluateAtContinuousIndex(sitkBSpline)`, of `source([4, 5, 6])`: the same ten digits.
const PEERS: [([f64; 3], f32); 8] = [
    ([0.0, 0.0, 0.0], -1000.0),
    ([2.5, 2.5, 1.5], -133.979_38),
    ([0.3, 0.1, 0.2], -765.975_4),
    ([4.9, 3.9, 2.9], -104.673_32),
    ([-0.4, 1.7, 2.2], 333.791_45),
    ([5.45, 4.3, -0.25], -238.120_17),
    ([3.25, -0.5, 3.4], 145.901_04),
    ([1.0, 2.75, 1.0], 365.492_2),
];

#[test]
fn values_are_those_of_scipy_and_simpleitk() {
    let source = source([4, 5, 6]);
    for (place, expected) in PEERS {
        // Along the axes, and through the coefficients of a map that turns about the first voxel.
        for tilt in [0.0, 0.01] {
            let mut map = [[1.0, tilt, 0.0, place[0]], [tilt, 1.0, 0.0, place[1]], [0.0, 0.0, 1.0, place[2]]];
            map[2][1] = tilt;
            let found = onto(&Device::Cpu, source.view(), [2, 2, 2], &map, Values::unchanged(0.0));
            let found = found.unwrap()[[0, 0, 0]];
            assert!((found - expected).abs() < 2e-3, "{found} for {expected} at {place:?}");
        }
    }
}

#[test]
fn the_identity_and_whole_voxel_shifts_are_exact() {
    let source = source([7, 33, 65]);
    let found = onto(&Device::Cpu, source.view(), [7, 33, 65], &IDENTITY, Values::unchanged(0.0));
    assert_eq!(found.unwrap(), source.mapv(f32::from));
    let mut map = IDENTITY;
    (map[0][3], map[1][3], map[2][3]) = (2.0 + 1e-12, -3.0 - 1e-12, 1.0 - 1e-12);
    let found = onto(&Device::Cpu, source.view(), [7, 33, 65], &map, Values::unchanged(0.5)).unwrap();
    let expected = Array3::from_shape_fn((7, 33, 65), |(k, j, i)| {
        let shifted = j.checked_sub(3).and_then(|j| source.get([k + 1, j, i + 2]));
        shifted.map_or(0.5, |&v| f32::from(v))
    });
    assert_eq!(found, expected);
}

/// A map that is the identity to the eye but not to [`grid::along_axes`], and one that has voxel centres
/// among other places.
#[test]
fn the_spline_passes_through_the_voxels() {
    let source = source([9, 21, 35]);
    let mut nearly = IDENTITY;
    nearly[0][1] = 1e-6;
    let found = onto(&Device::Cpu, source.view(), [9, 21, 35], &nearly, Values::unchanged(0.0)).unwrap();
    let worst = (&found - &source.mapv(f32::from)).iter().fold(0.0, |worst: f32, v| worst.max(v.abs()));
    // 20 millionths of a voxel, across which values change by up to 4000.
    assert!(worst < 0.1, "{worst}");
    let half = IDENTITY.map(|row| row.map(|step| 0.5 * step));
    let found = onto(&Device::Cpu, source.view(), [17, 41, 69], &half, Values::unchanged(0.0)).unwrap();
    let centres = found.slice(s![..;2, ..;2, ..;2]);
    let worst = (&centres - &source.mapv(f32::from)).iter().fold(0.0, |worst: f32, v| worst.max(v.abs()));
    assert!(worst < 1e-3, "{worst}");
}

#[test]
fn a_constant_stays_what_it_is() {
    let constant = Array3::from_elem((5, 18, 40), 1234_i16);
    let tilted = [[0.9, 0.1, 0.0, 1.0], [0.1, 0.5, 0.0, 1.0], [0.0, 0.0, 0.4, 0.2]];
    let along = [[0.9, 0.0, 0.0, -0.3], [0.0, 0.44, 0.0, -0.4], [0.0, 0.0, 0.3, 0.2]];
    for map in [tilted, along] {
        let found =
            onto(&Device::Cpu, constant.view(), [11, 20, 38], &map, Values::unchanged(1234.0)).unwrap();
        // A few times what 32 bits can tell apart at 1234.
        assert!(found.iter().all(|v| (v - 1234.0).abs() <= 6e-4), "{map:?}");
    }
}

/// Away from the border, where a mirrored polynomial is none.
#[test]
fn a_polynomial_of_third_degree_is_reproduced() {
    let value = |[i, j, k]: [f64; 3]| {
        let (x, y, z) = (i / 20.0 - 1.0, j / 20.0 - 1.0, k / 20.0 - 1.0);
        100.0 * (x * x * x - 2.0 * x * y * z + y * y * y * 0.5 + z * z * z + x * x - y + 0.3)
    };
    let source =
        Array3::from_shape_fn((41, 42, 43), |(k, j, i)| value([i as f64, j as f64, k as f64]) as f32);
    let along = [[0.37, 0.0, 0.0, 15.0], [0.0, 0.0, 0.41, 15.0], [0.0, -0.33, 0.0, 25.0]];
    let tilted = [[0.37, 0.1, 0.0, 15.0], [-0.1, 0.41, 0.0, 17.0], [0.0, 0.1, 0.33, 16.0]];
    for map in [along, tilted] {
        let found = onto(&Device::Cpu, source.view(), [24, 25, 26], &map, Values::unchanged(0.0)).unwrap();
        for (at, &found) in found.indexed_iter() {
            let expected = value(place(&map, at));
            assert!((f64::from(found) - expected).abs() < 2e-3, "{found} for {expected} at {at:?}");
        }
    }
}

#[test]
fn every_order_and_direction_of_the_axes_agrees_with_the_literal_one() {
    let source = source([7, 13, 35]);
    for order in ORDERS {
        for flips in 0..8 {
            let map = ordered(order, flips, [35.0, 13.0, 7.0]);
            check(&source, [12, 11, 13], &map);
        }
    }
}

#[test]
fn an_oblique_map_agrees_with_the_literal_one() {
    let map = [[0.9, 0.3, -0.2, -4.0], [-0.25, 1.1, 0.15, -2.0], [0.05, -0.02, 0.3, 0.6]];
    check(&source([7, 17, 33]), [13, 15, 33], &map);
}

/// Chunks of slices, blocks of rows and several strips, in both directions.
#[test]
fn a_large_volume_is_sampled_in_parts_that_fit_together() {
    let source = source([50, 60, 70]);
    let map = [[0.7, 0.0, 0.0, 0.1], [0.0, 0.41, 0.0, 0.2], [0.0, 0.0, 0.31, 3.0]];
    let back = [[-0.7, 0.0, 0.0, 68.9], [0.0, -0.41, 0.0, 58.8], [0.0, 0.0, -0.31, 46.0]];
    for map in [map, back] {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let values = Values::unchanged(0.0);
            pool.install(|| onto(&Device::Cpu, source.view(), [140, 138, 90], &map, values)).unwrap()
        };
        let found = with(2);
        for at in [(0, 0, 0), (31, 45, 40), (32, 46, 41), (95, 91, 89), (96, 92, 63), (139, 137, 64)] {
            let expected = literal(&source, place(&map, at)).unwrap();
            assert!((f64::from(found[at]) - expected).abs() < 0.02, "{} for {expected} at {at:?}", found[at]);
        }
        assert_eq!(with(1), found);
        assert_eq!(with(7), found);
    }
}

#[test]
fn values_are_windowed_and_outside_is_filled() {
    let source = Array3::from_shape_fn((1, 1, 4), |(_, _, i)| i as i16 * 100);
    let map = [[1.0, 0.0, 0.0, -1.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
    let window = Intensity { low_hu: 0.0, high_hu: 200.0, low: -1.0, high: 1.0, outside: -7.0 };
    let found = onto(&Device::Cpu, source.view(), [1, 1, 6], &map, window.into()).unwrap();
    assert_eq!(found.as_slice().unwrap(), [-7.0, -1.0, 0.0, 1.0, 1.0, -7.0]);
}

#[test]
fn an_empty_source_and_a_map_that_is_not_finite_are_outside_everywhere() {
    let empty = Array3::<i16>::zeros((0, 4, 4));
    let mut nowhere = IDENTITY;
    nowhere[1][2] = f64::NAN;
    for (source, map) in [(empty, IDENTITY), (source([3, 4, 5]), nowhere)] {
        let oblique = [[0.9, 0.1, 0.0, 0.0], map[1], map[2]];
        for map in [map, oblique] {
            let found = onto(&Device::Cpu, source.view(), [2, 3, 4], &map, Values::unchanged(3.0));
            assert!(found.unwrap().iter().all(|&v| v == 3.0));
        }
    }
}

/// Along the axes, turned, and through the coefficients; what is inside, and what is not.
#[test]
fn slabs_from_the_voxels_they_need_are_parts_of_the_whole() {
    let source = source([40, 45, 50]);
    let along = [[0.9, 0.0, 0.0, -2.0], [0.0, 0.8, 0.0, 2.0], [0.0, 0.0, 0.7, 3.3]];
    let turned = [[0.0, 0.0, 0.9, -2.0], [-0.8, 0.0, 0.0, 40.0], [0.0, 0.7, 0.0, 0.3]];
    let tilted = [[0.9, 0.1, 0.0, -2.0], [-0.1, 0.8, 0.1, 5.0], [0.0, 0.1, 0.6, 3.3]];
    for map in [along, turned, tilted] {
        let (shape, values) = ([48, 30, 52], Values::unchanged(-7.0));
        let sampling = Sampling { shape, map, interpolation: Interpolation::Cubic, values };
        let whole: Array3<f32> = sampling.volume(&Device::Cpu, source.view()).unwrap();
        assert_eq!(whole, onto(&Device::Cpu, source.view(), shape, &map, values).unwrap());
        for slices in [0..5, 5..23, 23..48, 48..48] {
            let [k, j, i] = sampling.source_of([40, 45, 50], slices.clone());
            let at = [k.start, j.start, i.start];
            let part = Part::new(source.slice(s![k, j, i]), at, [40, 45, 50]);
            let mut slab = Array3::from_elem((slices.len(), 30, 52), f32::NAN);
            sampling.slab(&Device::Cpu, &part, slices.clone(), slab.view_mut()).unwrap();
            for (found, expected) in slab.iter().zip(whole.slice(s![slices, .., ..])) {
                assert!((found - expected).abs() < 1e-3, "{found} for {expected}");
            }
        }
    }
}

/// In 32 bits.
fn onto<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    values: Values,
) -> Result<Array3<f32>, Error> {
    resample(device, source, shape, map, values)
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
