//! Where the tiles of a tensor lie.

use ndarray::{ArrayView3, s};

use crate::card::{Join, Tiles};

/// The tiles that cover one tensor.
#[derive(Debug, PartialEq)]
pub(crate) struct Tiling {
    /// The shape of each input tile.
    pub(crate) tile: [usize; 3],
    /// How many voxels of the input tile lie before and behind the part that comes out.
    pub(crate) border: [usize; 3],
    /// The first voxels of the parts that come out.
    pub(crate) starts: Vec<[usize; 3]>,
    /// The shape that the parts cover together: that of the tensor or more.
    pub(crate) covered: [usize; 3],
}

impl Tiling {
    /// The tiles that cover a tensor of `shape`.
    pub(crate) fn new(tiles: &Tiles, shape: [usize; 3]) -> Self {
        let mut tiling = Self { tile: [0; 3], border: [0; 3], starts: Vec::new(), covered: [0; 3] };
        let mut along: [Vec<usize>; 3] = Default::default();
        for axis in 0..3 {
            let (n, multiple) = (shape[axis].max(1), tiles.multiple[axis]);
            let border = if let Join::Border(border) = tiles.join { border[axis] } else { 0 };
            let least = tiles.possible(axis, n + 2 * border);
            let tile = if tiles.shrink { tiles.shape[axis].min(least) } else { tiles.shape[axis] };
            let part = tile - 2 * border;
            along[axis] = match tiles.join {
                Join::Border(_) => (0..n).step_by(part).collect(),
                // In units of `multiple`, so that a coarser output grid fits each tile.
                Join::Overlap(share) => {
                    let starts = kernels::blend::starts(n.div_ceil(multiple), tile / multiple, share);
                    starts.into_iter().map(|start| start * multiple).collect()
                }
            };
            tiling.tile[axis] = tile;
            tiling.border[axis] = border;
            tiling.covered[axis] = along[axis].last().map_or(0, |start| start + part);
        }
        let [a, b, c] = &along;
        tiling.starts =
            a.iter().flat_map(|&a| b.iter().flat_map(move |&b| c.iter().map(move |&c| [a, b, c]))).collect();
        tiling
    }

    /// The shape of the part of a tile that comes out.
    pub(crate) fn part(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.tile[axis] - 2 * self.border[axis])
    }

    /// Leaves out the tiles whose part holds no voxel of `wanted`.
    pub(crate) fn keep(&mut self, wanted: ArrayView3<'_, bool>) {
        let part = self.part();
        self.starts.retain(|start| {
            let ends: [usize; 3] =
                std::array::from_fn(|axis| (start[axis] + part[axis]).min(wanted.shape()[axis]));
            let [a, b, c] = *start;
            wanted.slice(s![a..ends[0], b..ends[1], c..ends[2]]).iter().any(|&v| v)
        });
    }

    /// Where the input tile for the part that starts at `start` begins: with a border it may lie before the tensor.
    pub(crate) fn corner(&self, start: [usize; 3]) -> [isize; 3] {
        std::array::from_fn(|axis| start[axis] as isize - self.border[axis] as isize)
    }
}

impl Tiles {
    /// The least possible size of a tile along `axis` that is no less than `n`.
    fn possible(&self, axis: usize, n: usize) -> usize {
        let (multiple, remainder) = (self.multiple[axis], self.remainder[axis]);
        n.saturating_sub(remainder).div_ceil(multiple) * multiple + remainder
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Axis};

    use super::*;

    const BORDER: Tiles = Tiles {
        shape: [27, 54, 54],
        multiple: [27; 3],
        remainder: [0; 3],
        shrink: true,
        bytes_per_voxel: 100,
        join: Join::Border([13, 13, 13]),
    };

    #[test]
    fn a_small_tensor_gets_the_smallest_possible_tile_and_a_large_one_several() {
        let tiling = Tiling::new(&BORDER, [1, 28, 29]);
        assert_eq!(tiling.tile, [27, 54, 54]);
        assert_eq!(tiling.part(), [1, 28, 28]);
        assert_eq!(tiling.starts, [[0, 0, 0], [0, 0, 28]]);
    }

    #[test]
    fn a_tile_reaches_its_border_beyond_the_part_and_pads_what_is_not_there() {
        let tensor = Array3::from_shape_fn((2, 28, 29), |(a, b, c)| (a * 10_000 + b * 100 + c) as f32);
        let tiling = Tiling::new(&BORDER, [2, 28, 29]);
        let corner = tiling.corner([1, 0, 28]);
        let tile = kernels::tiles::gather(&kernels::Device::Cpu, tensor.view(), &[corner], tiling.tile, -1.0);
        let tile = tile.unwrap();
        let tile = tile.index_axis(Axis(0), 0).index_axis_move(Axis(0), 0);
        assert_eq!(tile[[13, 13, 13]], 10_028.0);
        assert_eq!(tile[[12, 14, 12]], 127.0);
        assert_eq!(tile[[14, 13, 13]], -1.0);
        assert_eq!(tile[[13, 12, 13]], -1.0);
        assert_eq!(tile[[13, 13, 14]], -1.0);
    }

    #[test]
    fn sizes_leave_the_remainder_that_the_card_asks_for() {
        let tiles = Tiles { multiple: [8; 3], remainder: [4, 4, 6], ..BORDER };
        assert_eq!([tiles.possible(0, 4), tiles.possible(0, 5), tiles.possible(2, 1)], [4, 12, 6]);
    }

    #[test]
    fn tiles_without_a_wanted_voxel_in_their_part_are_left_out() {
        let mut tiling = Tiling::new(&BORDER, [2, 28, 29]);
        let mut wanted = Array3::from_elem((2, 28, 29), false);
        wanted[[1, 27, 28]] = true;
        tiling.keep(wanted.view());
        assert_eq!(tiling.starts, [[1, 0, 28]]);
    }

    #[test]
    fn overlapping_tiles_start_on_the_coarse_grid_and_reach_the_end() {
        let tiles =
            Tiles { shape: [96; 3], multiple: [16; 3], shrink: true, join: Join::Overlap(0.25), ..BORDER };
        let tiling = Tiling::new(&tiles, [100, 17, 96]);
        assert_eq!(tiling.tile, [96, 32, 96]);
        assert_eq!(tiling.starts, [[0, 0, 0], [16, 0, 0]]);
        assert_eq!(tiling.covered, [112, 32, 96]);
    }
}
