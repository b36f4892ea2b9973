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
            let place =
                |n: usize| map.map(|row| row[0] * x as f64 + row[1] * y as f64 + row[2] * n as f64 + row[3]);
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
