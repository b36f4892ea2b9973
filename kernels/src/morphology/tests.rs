use ndarray::s;
use proptest::prelude::*;

use super::*;

const ALL: [Neighbours; 3] = [Neighbours::Six, Neighbours::Eighteen, Neighbours::TwentySix];

fn noise(shape: [usize; 3], every: u64, seed: u64) -> Array3<bool> {
    let mut state = seed;
    Array3::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).is_multiple_of(every)
    })
}

/// Voxel by voxel; `outside` is what lies beyond the volume.
fn all_around(mask: &Array3<bool>, neighbours: Neighbours, outside: bool) -> Array3<bool> {
    let most = ALL.iter().position(|&n| n == neighbours).unwrap() + 1;
    Array3::from_shape_fn(mask.dim(), |(k, j, i)| {
        (0..27_isize).all(|n| {
            let step = [n / 9 - 1, n / 3 % 3 - 1, n % 3 - 1];
            let at = (
                k.wrapping_add_signed(step[0]),
                j.wrapping_add_signed(step[1]),
                i.wrapping_add_signed(step[2]),
            );
            step.iter().filter(|&&s| s != 0).count() > most || mask.get(at).copied().unwrap_or(outside)
        })
    })
}

#[test]
fn steps_agree_with_looking_at_each_neighbour() {
    for shape in [[7, 33, 65], [1, 1, 1], [4, 1, 64], [3, 5, 130], [2, 6, 1]] {
        for neighbours in ALL {
            for (every, seed) in [(2, 1), (40, 2)] {
                let sparse = noise(shape, every, seed);
                let dense = sparse.mapv(|v| !v);
                let dilated = dilate(&Device::Cpu, sparse.view(), neighbours, 1).unwrap();
                assert_eq!(dilated, all_around(&dense, neighbours, true).mapv(|v| !v), "{shape:?}");
                let eroded = erode(&Device::Cpu, dense.view(), neighbours, 1).unwrap();
                assert_eq!(eroded, all_around(&dense, neighbours, false), "{shape:?}");
                let opened = open(&Device::Cpu, dense.view(), neighbours, 1).unwrap();
                let again = dilate(&Device::Cpu, eroded.view(), neighbours, 1).unwrap();
                assert_eq!(opened, again, "{shape:?}");
            }
        }
    }
}

#[test]
fn two_steps_are_one_step_twice() {
    let mask = noise([7, 33, 65], 30, 5);
    let once = |mask: Array3<bool>| dilate(&Device::Cpu, mask.view(), Neighbours::Eighteen, 1).unwrap();
    let twice = dilate(&Device::Cpu, mask.view(), Neighbours::Eighteen, 2).unwrap();
    assert_eq!(twice, once(once(mask)));
}

#[test]
fn every_level_grows_and_shrinks_alike() {
    let ball = ball([0.7, 1.0, 1.3], 4.0, [9, 40, 200]);
    for shape in [[9, 40, 200], [20, 3, 64], [1, 1, 1]] {
        let bits = Bits::of(noise(shape, 30, 7).view()).unwrap();
        let at = |level| {
            let mut found = vec![bits.reached(level, &ball).unwrap()];
            for neighbours in ALL {
                found.push(bits.clone().grown(level, neighbours, 2).unwrap());
                found.push(bits.clone().inverted().shrunk(level, neighbours, 1).unwrap());
            }
            found
        };
        let expected = at(Level::all()[0]);
        assert!(Level::all().iter().all(|&level| at(level) == expected), "{shape:?}");
    }
}

/// All voxels that cannot be reached from the border through those outside of the mask.
fn without_holes(mask: &Array3<bool>, by_slice: bool) -> Array3<bool> {
    let shape: [usize; 3] = mask.dim().into();
    let is_border =
        |at: [usize; 3]| (usize::from(by_slice)..3).any(|axis| at[axis] == 0 || at[axis] + 1 == shape[axis]);
    let mut filled = Array3::from_elem(shape, true);
    let mut open: Vec<[usize; 3]> = Vec::new();
    for ((k, j, i), &is_in) in mask.indexed_iter() {
        if !is_in && is_border([k, j, i]) {
            filled[[k, j, i]] = false;
            open.push([k, j, i]);
        }
    }
    while let Some(at) = open.pop() {
        for axis in usize::from(by_slice)..3 {
            for step in [-1, 1] {
                let mut next = at;
                next[axis] = next[axis].wrapping_add_signed(step);
                if mask.get(next) == Some(&false) && filled[next] {
                    filled[next] = false;
                    open.push(next);
                }
            }
        }
    }
    filled
}

#[test]
fn a_winding_way_out_of_many_slices_is_found() {
    // One voxel wide: along a row, back along the next, and so on through all slices.
    let mut mask = Array3::from_elem((19, 21, 133), true);
    for k in (1..18).step_by(2) {
        for j in (1..20).step_by(2) {
            mask.slice_mut(s![k, j, 1..132]).fill(false);
            let turn = if j / 2 % 2 == 0 { 131 } else { 1 };
            if j < 19 {
                mask[[k, j + 1, turn]] = false;
            }
        }
        let turn = if k / 2 % 2 == 0 { [k + 1, 19, 1] } else { [k + 1, 1, 1] };
        mask[turn] = false;
    }
    let found = fill(&Device::Cpu, mask.view()).unwrap();
    assert_eq!(found, without_holes(&mask, false));
    assert_eq!(found, mask, "the way leads out through the last slice");
    mask[[18, 19, 1]] = true;
    assert!(fill(&Device::Cpu, mask.view()).unwrap().iter().all(|&is_in| is_in));
}

/// In a volume so large that its border plays no part.
fn with_room(mask: &Array3<bool>, room: usize) -> Array3<bool> {
    let (k, j, i) = mask.dim();
    let mut wide = Array3::from_elem((k + 2 * room, j + 2 * room, i + 2 * room), false);
    wide.slice_mut(s![room..room + k, room..room + j, room..room + i]).assign(mask);
    wide
}

fn without_room(mask: &Array3<bool>, room: usize) -> Array3<bool> {
    let (k, j, i) = mask.dim();
    mask.slice(s![room..k - room, room..j - room, room..i - room]).to_owned()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn closing_is_as_if_the_volume_went_on(
        shape in prop::array::uniform3(1_usize..9),
        every in 2_u64..60,
        seed in 0_u64..1000,
        times in 0_usize..4,
        radius in 0.0_f64..4.0,
    ) {
        let mask = noise(shape, every, seed);
        let wide = with_room(&mask, 8);
        for neighbours in ALL {
            let grown = dilate(&Device::Cpu, wide.view(), neighbours, times).unwrap();
            let closed = erode(&Device::Cpu, grown.view(), neighbours, times).unwrap();
            let found = close(&Device::Cpu, mask.view(), neighbours, times).unwrap();
            prop_assert_eq!(found, without_room(&closed, 8));
        }
        let spacing = [0.7, 1.0, 1.3];
        let grown = dilate_ball(&Device::Cpu, wide.view(), spacing, radius).unwrap();
        let closed = erode_ball(&Device::Cpu, grown.view(), spacing, radius).unwrap();
        let found = close_ball(&Device::Cpu, mask.view(), spacing, radius).unwrap();
        prop_assert_eq!(found, without_room(&closed, 8));
    }

    #[test]
    fn filling_is_what_a_flood_from_the_border_leaves(
        shape in prop::array::uniform3(1_usize..12),
        long in 1_usize..150,
        every in 2_u64..8,
        seed in 0_u64..1000,
    ) {
        for shape in [shape, [shape[0], shape[1], long]] {
            for mask in [noise(shape, every, seed), noise(shape, every, seed).mapv(|is_in| !is_in)] {
                let found = fill(&Device::Cpu, mask.view()).unwrap();
                prop_assert_eq!(found, without_holes(&mask, false));
                let found = Bits::of(mask.view()).unwrap().filled_by_slice(&Device::Cpu).unwrap();
                prop_assert_eq!(found.to_mask().unwrap(), without_holes(&mask, true));
            }
        }
    }

    #[test]
    fn eroding_a_mask_is_dilating_what_is_around_it(
        shape in prop::array::uniform3(1_usize..9),
        every in 2_u64..60,
        seed in 0_u64..1000,
        times in 0_usize..4,
    ) {
        let mask = noise(shape, every, seed).mapv(|is_in| !is_in);
        // The volume's surroundings do not belong to the mask.
        let around = with_room(&mask, 5).mapv(|is_in| !is_in);
        for neighbours in ALL {
            let grown = dilate(&Device::Cpu, around.view(), neighbours, times).unwrap();
            let left = without_room(&grown, 5).mapv(|is_in| !is_in);
            prop_assert_eq!(erode(&Device::Cpu, mask.view(), neighbours, times).unwrap(), left);
        }
    }

    #[test]
    fn a_ball_reaches_all_voxels_within_its_radius(
        shape in prop::array::uniform3(1_usize..9),
        every in 2_u64..60,
        seed in 0_u64..1000,
        radius in 0.0_f64..4.0,
    ) {
        let mask = noise(shape, every, seed);
        let spacing = [0.7, 1.0, 1.3];
        let reached = |mask: &Array3<bool>| {
            Array3::from_shape_fn(mask.dim(), |at: (usize, usize, usize)| {
                mask.indexed_iter().filter(|(_, is_in)| **is_in).any(|(from, _)| {
                    let off = [at.2.abs_diff(from.2), at.1.abs_diff(from.1), at.0.abs_diff(from.0)];
                    let squared = (0..3).map(|d| (off[d] as f64 * spacing[d]).powi(2)).sum::<f64>();
                    squared <= radius * radius
                })
            })
        };
        prop_assert_eq!(dilate_ball(&Device::Cpu, mask.view(), spacing, radius).unwrap(), reached(&mask));
        // One voxel of the volume's surroundings stands for all of them.
        let outside = with_room(&mask, 1).mapv(|is_in| !is_in);
        let left = without_room(&reached(&outside).mapv(|is_gone| !is_gone), 1);
        prop_assert_eq!(erode_ball(&Device::Cpu, mask.view(), spacing, radius).unwrap(), left);
    }
}

#[test]
fn a_radius_of_two_voxels_reaches_two_voxels() {
    let mut mask = Array3::from_elem((1, 1, 7), false);
    mask[[0, 0, 3]] = true;
    let found = dilate_ball(&Device::Cpu, mask.view(), [0.7; 3], 1.4).unwrap();
    assert_eq!(found.as_slice().unwrap(), [false, true, true, true, true, true, false]);
}

#[test]
fn the_largest_part_is_kept_and_the_first_of_equals() {
    let row = |bits: u64| {
        let voxels: Vec<bool> = (0..9).map(|at| bits >> at & 1 == 1).collect();
        Bits::of(Array3::from_shape_vec((1, 1, 9), voxels).unwrap().view()).unwrap()
    };
    for (mask, largest) in [(0b0_1110_1101, 0b0_1110_0000), (0b0_0110_0110, 0b0_0000_0110), (0, 0)] {
        assert_eq!(row(mask).largest(&Device::Cpu, Neighbours::Six).unwrap(), row(largest));
    }
}

#[test]
fn a_hollow_is_filled_and_a_bay_is_not() {
    let mut mask = Array3::from_elem((5, 5, 9), true);
    mask[[2, 2, 2]] = false;
    mask[[2, 2, 6]] = false;
    mask[[2, 2, 7]] = false;
    mask[[2, 2, 8]] = false;
    let mut expected = mask.clone();
    expected[[2, 2, 2]] = true;
    assert_eq!(fill(&Device::Cpu, mask.view()).unwrap(), expected);
}

#[test]
fn a_hollow_that_opens_only_at_an_edge_is_filled() {
    let mut mask = Array3::from_elem((5, 5, 5), true);
    mask[[2, 2, 2]] = false;
    mask[[2, 1, 1]] = false;
    mask[[2, 0, 1]] = false;
    let mut expected = mask.clone();
    expected[[2, 2, 2]] = true;
    assert_eq!(fill(&Device::Cpu, mask.view()).unwrap(), expected);
}

#[test]
fn nothing_stays_nothing() {
    for shape in [[0, 2, 2], [2, 2, 0], [3, 3, 3]] {
        let mask = Array3::from_elem(shape, false);
        assert_eq!(dilate(&Device::Cpu, mask.view(), Neighbours::TwentySix, 2).unwrap(), mask);
        assert_eq!(close(&Device::Cpu, mask.view(), Neighbours::TwentySix, 2).unwrap(), mask);
        assert_eq!(close_ball(&Device::Cpu, mask.view(), [1.0; 3], 3.0).unwrap(), mask);
        assert_eq!(erode_ball(&Device::Cpu, mask.view(), [1.0; 3], 3.0).unwrap(), mask);
        assert_eq!(fill(&Device::Cpu, mask.view()).unwrap(), mask);
    }
}

#[test]
fn a_radius_beyond_all_memory_is_an_error() {
    let mask = Array3::from_elem((2, 2, 2), true);
    let found = close_ball(&Device::Cpu, mask.view(), [1.0; 3], 1e30);
    assert!(matches!(found, Err(Error::OutOfMemory { .. })));
    assert_eq!(dilate_ball(&Device::Cpu, mask.view(), [1.0; 3], 1e30).unwrap(), mask);
}
