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
