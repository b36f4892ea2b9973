use ndarray::s;

use super::*;
use crate::tiles::gather;

#[test]
fn tiles_start_where_monais_do() {
    assert_eq!(starts(300, 96, 0.5), [0, 48, 96, 144, 192, 204]);
    assert_eq!(starts(192, 96, 0.25), [0, 72, 96]);
    assert_eq!(starts(192, 96, 0.0), [0, 96]);
    assert_eq!(starts(96, 96, 0.5), [0]);
    assert_eq!(starts(50, 96, 0.5), [0]);
    assert_eq!(starts(0, 96, 0.5), [0]);
    assert_eq!(starts(5, 1, 0.9), [0, 1, 2, 3, 4]);
}

/// Values worked out with MONAI's formula: sigma is 0.125 * 8 = 1, the middle lies at 3.5.
#[test]
fn the_weight_falls_off_with_an_eighth_of_the_edge() {
    let found = falloff(8);
    let expected = [0.002_187_491, 0.043_936_934, 0.324_652_47, 0.882_496_9];
    for (at, expected) in expected.into_iter().enumerate() {
        assert!((found[at] - expected).abs() < 1e-7 && found[7 - at] == found[at], "{found:?}");
    }
    assert_eq!(falloff(9)[4], 1.0);
}

/// The mean of all tiles at each voxel with the weight of the literal formula.
#[test]
fn overlapping_tiles_are_their_weighted_mean() {
    let (shape, size) = ([7, 33, 65], [4, 16, 32]);
    let mut sums = Array3::<f64>::zeros(shape);
    let mut weights = Array3::<f64>::zeros(shape);
    let mut placed = Vec::new();
    for k in starts(shape[0], size[0], 0.5) {
        for j in starts(shape[1], size[1], 0.4) {
            for i in starts(shape[2], size[2], 0.3) {
                placed.push(([k, j, i], size));
            }
        }
    }
    // Two of other sizes that reach beyond the volume, by chance as large as each other within it.
    placed.extend([([5, 30, 60], [9, 9, 9]), ([5, 30, 60], [2, 3, 5]), ([6, 0, 0], [2, 3, 5])]);
    let mut tiles = Vec::new();
    for (number, &(at, size)) in placed.iter().enumerate() {
        let tile = Array3::from_shape_fn(size, |(c, b, a)| number as f32 + c as f32 * b as f32 - a as f32);
        for ((c, b, a), &value) in tile.indexed_iter() {
            let off: [f64; 3] = std::array::from_fn(|axis| {
                let (at, n) = ([c, b, a][axis] as f64, size[axis] as f64);
                (at - (n - 1.0) / 2.0) / (0.125 * n)
            });
            let weight = (-0.5 * off.iter().map(|v| v * v).sum::<f64>()).exp().max(1e-3);
            if let Some(sum) = sums.get_mut([at[0] + c, at[1] + b, at[2] + a]) {
                *sum += f64::from(value) * weight;
                weights[[at[0] + c, at[1] + b, at[2] + a]] += weight;
            }
        }
        tiles.push((tile, at));
    }
    let tiles: Vec<_> = tiles.iter().map(|(tile, at): &(Array3<f32>, _)| (tile.view(), *at)).collect();
    let found = Blend::new(&Device::Cpu, shape).unwrap().finish_with(&tiles).unwrap();
    for (at, &found) in found.indexed_iter() {
        let expected = sums[at] / weights[at];
        assert!((f64::from(found) - expected).abs() < 1e-4, "{at:?}: {found} for {expected}");
    }
    // However many are given at a time.
    let found = found.mapv(f32::to_bits);
    for some in [1, 2, 7, tiles.len()] {
        for finish in [false, true] {
            let mut blends = [(); 2].map(|()| Blend::new(&Device::Cpu, shape).unwrap());
            let (last, before) =
                tiles.rchunks(some).next().map(|last| (last, tiles.len() - last.len())).unwrap();
            for tiles in tiles[..before].chunks(some) {
                blends.iter_mut().for_each(|blend| blend.add_all(tiles).unwrap());
            }
            let [mut blend, mut other] = blends;
            other.add_all(last).unwrap();
            let above = other.above(7.5).unwrap().to_mask().unwrap();
            let again = if finish {
                blend.finish_with(last)
            } else {
                blend.add_all(last).unwrap();
                blend.finish()
            };
            assert_eq!(again.unwrap().mapv(f32::to_bits), found, "{some} at a time");
            assert_eq!(above, found.mapv(|mean| f32::from_bits(mean) > 7.5), "{some} at a time");
        }
    }
}

#[test]
fn every_level_blends_to_the_same_bits() {
    let tile = Array3::from_shape_fn((5, 9, 67), |(k, j, i)| ((k * 31 + j * 7 + i) as f32).sin());
    let at = |level| {
        let mut blend = Blend::new(&Device::Cpu, [8, 12, 130]).unwrap();
        for at in [[0, 0, 0], [2, 3, 1], [5, 8, 99]] {
            blend.add_at(level, &[(tile.view(), at)]).unwrap();
        }
        blend.finish_at(level, &[(tile.view(), [0, 1, 63])]).unwrap().mapv(f32::to_bits)
    };
    let expected = at(Level::all()[0]);
    assert!(Level::all().iter().all(|&level| at(level) == expected));
}

#[test]
fn tiles_cut_from_a_volume_put_together_are_the_volume() {
    let volume = Array3::from_shape_fn((5, 33, 20), |(k, j, i)| (k * 700 + j * 20 + i) as f32);
    let (shape, size) = ([5, 33, 20], [8, 16, 16]);
    let mut blend = Blend::new(&Device::Cpu, shape).unwrap();
    for k in starts(shape[0], size[0], 0.5) {
        for j in starts(shape[1], size[1], 0.5) {
            for i in starts(shape[2], size[2], 0.5) {
                let start = [k, j, i].map(|at| at as isize);
                let tile = gather(&Device::Cpu, volume.view(), &[start], size, -1.0).unwrap();
                let tile = tile.slice(s![0, 0, .., .., ..]);
                assert_eq!(tile[[7, 0, 0]], -1.0, "a tile thicker than the volume is padded");
                blend.add(tile, [k, j, i]).unwrap();
            }
        }
    }
    let worst = (blend.finish().unwrap() - &volume).iter().fold(0.0, |worst, v| f32::max(worst, v.abs()));
    assert!(worst < 1e-3, "worst difference {worst}");
}

#[test]
fn voxels_without_a_tile_are_zero_and_tiles_without_a_voxel_do_nothing() {
    let mut blend = Blend::new(&Device::Cpu, [2, 2, 4]).unwrap();
    let tile = Array3::from_elem((2, 2, 2), 3.0);
    blend.add(tile.view(), [0, 0, 2]).unwrap();
    blend.add(tile.view(), [9, 0, 0]).unwrap();
    let found = blend.finish().unwrap();
    assert_eq!(found.as_slice().unwrap()[..4], [0.0, 0.0, 3.0, 3.0]);
    for empty in [[0, 2, 2], [2, 2, 0]] {
        let blend = Blend::new(&Device::Cpu, empty).unwrap();
        assert!(blend.finish().unwrap().is_empty());
        let blend = Blend::new(&Device::Cpu, empty).unwrap();
        assert!(blend.above(-1.0).unwrap().words().is_empty());
    }
}
