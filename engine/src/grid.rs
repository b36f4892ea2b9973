//! The grids on which networks see the patient.

use dicom_io::{Geometry, Ijk, Lps, Spacing};

/// A box in the patient whose edges run along L, P and S, in mm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) low: [f64; 3],
    pub(crate) high: [f64; 3],
}

impl Bounds {
    /// The smallest box around the centres of the corner voxels of a grid of `shape` `[k, j, i]`.
    pub(crate) fn of(geometry: &Geometry, shape: [usize; 3]) -> Self {
        Self::of_box(geometry, [0; 3], shape)
    }

    /// The smallest box around the centres of the voxels `corner..corner + shape` (`[k, j, i]`).
    pub(crate) fn of_box(geometry: &Geometry, corner: [usize; 3], shape: [usize; 3]) -> Self {
        let mut bounds = Self { low: [f64::INFINITY; 3], high: [f64::NEG_INFINITY; 3] };
        for which in 0..8_usize {
            let at = |axis: usize, bit: usize| {
                let last = if which >> bit & 1 == 1 { shape[axis].saturating_sub(1) } else { 0 };
                (corner[axis] + last) as f64
            };
            let place = geometry.to_lps(Ijk::new(at(2, 0), at(1, 1), at(0, 2))).to_array();
            bounds.low = std::array::from_fn(|d| bounds.low[d].min(place[d]));
            bounds.high = std::array::from_fn(|d| bounds.high[d].max(place[d]));
        }
        bounds
    }

    /// This box with `other`'s extent along L and P.
    pub(crate) fn narrowed_to(self, other: Self) -> Self {
        let mut narrow = self;
        for d in 0..2 {
            narrow.low[d] = self.low[d].max(other.low[d]);
            narrow.high[d] = self.high[d].min(other.high[d]);
        }
        narrow
    }

    /// The part of this box inside `other`.
    pub(crate) fn within(self, other: Self) -> Self {
        let mut part = self;
        for d in 0..3 {
            part.low[d] = self.low[d].clamp(other.low[d], other.high[d]);
            part.high[d] = self.high[d].clamp(other.low[d], other.high[d]);
        }
        part
    }

    /// This box, `by` mm larger on every side.
    pub(crate) fn grown(self, by: f64) -> Self {
        Self { low: self.low.map(|v| v - by), high: self.high.map(|v| v + by) }
    }
}

/// A grid and how many voxels it has along its `[k, j, i]` axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Grid {
    pub(crate) geometry: Geometry,
    pub(crate) shape: [usize; 3],
}

impl Grid {
    /// The grid over `bounds` whose array axes 0, 1, 2 run along `axes` (LPS unit vectors along ±L, ±P
    /// or ±S) with `spacing_mm` between voxels, in the same order.
    pub(crate) fn over(bounds: Bounds, axes: [[f64; 3]; 3], spacing_mm: [f64; 3]) -> Self {
        let mut origin = [0.0; 3];
        let mut shape = [0; 3];
        for (a, axis) in axes.iter().enumerate() {
            let d = (0..3).find(|&d| axis[d] != 0.0).expect("an axis has a direction");
            let length = bounds.high[d] - bounds.low[d];
            shape[a] = ((length / spacing_mm[a]).floor() as usize + 1).max(1);
            // Centre what is left over, so that neither side loses more than the other.
            let left_over = length - (shape[a] - 1) as f64 * spacing_mm[a];
            origin[d] = if axis[d] > 0.0 {
                bounds.low[d] + left_over / 2.0
            } else {
                bounds.high[d] - left_over / 2.0
            };
        }
        let spacing = Spacing { i: spacing_mm[2], j: spacing_mm[1], k: spacing_mm[0] };
        let geometry = Geometry::new(Lps::from(origin), [axes[2], axes[1], axes[0]], spacing)
            .expect("axes along the patient's axes and a spacing above zero make a grid");
        Self { geometry, shape }
    }

    /// The part of `shape` voxels that starts at `corner`.
    pub(crate) fn part(&self, corner: [usize; 3], shape: [usize; 3]) -> Self {
        let origin = self.geometry.to_lps(Ijk::new(corner[2] as f64, corner[1] as f64, corner[0] as f64));
        let geometry = Geometry::new(origin, self.geometry.axes(), self.geometry.spacing())
            .expect("a part of a grid is a grid");
        Self { geometry, shape }
    }

    /// The grid of `shape` voxels with the same first voxel and `strides` times the distances (array axes
    /// 0, 1, 2).
    pub(crate) fn thinned(&self, strides: [f64; 3], shape: [usize; 3]) -> Self {
        let fine = self.geometry.spacing();
        let spacing = Spacing { i: fine.i * strides[2], j: fine.j * strides[1], k: fine.k * strides[0] };
        let geometry = Geometry::new(self.geometry.origin(), self.geometry.axes(), spacing)
            .expect("a thinned grid is a grid");
        Self { geometry, shape }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_covers_its_bounds_in_the_order_and_direction_of_its_axes() {
        let bounds = Bounds { low: [0.0, 10.0, 100.0], high: [9.0, 16.0, 104.0] };
        // Array axis 0 towards the right, 1 towards the front, 2 towards the head: a RAS tensor [X, Y, Z].
        let ras = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
        let grid = Grid::over(bounds, ras, [3.0, 2.0, 1.0]);
        assert_eq!(grid.shape, [4, 4, 5]);
        assert_eq!(grid.geometry.to_lps(Ijk::new(0.0, 0.0, 0.0)), Lps::new(9.0, 16.0, 100.0));
        assert_eq!(grid.geometry.to_lps(Ijk::new(4.0, 3.0, 3.0)), Lps::new(0.0, 10.0, 104.0));
    }

    #[test]
    fn parts_and_thinned_grids_lie_where_the_grid_lay() {
        let bounds = Bounds { low: [0.0; 3], high: [30.0; 3] };
        let axes = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
        let grid = Grid::over(bounds, axes, [1.5, 1.0, 0.5]);
        let part = grid.part([2, 4, 6], [3, 3, 3]);
        let there = part.geometry.to_lps(Ijk::new(1.0, 2.0, 3.0));
        assert!(there.distance(grid.geometry.to_lps(Ijk::new(7.0, 6.0, 5.0))).0 < 1e-9);
        let thin = grid.thinned([2.0, 3.0, 4.0], [3, 3, 3]);
        let there = thin.geometry.to_lps(Ijk::new(1.0, 1.0, 1.0));
        assert!(there.distance(grid.geometry.to_lps(Ijk::new(4.0, 3.0, 2.0))).0 < 1e-9);
    }
}
