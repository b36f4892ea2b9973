//! Where voxels lie in the patient.
//!
//! Patient coordinates are LPS in millimetres: towards the left, the back and the head (PS3.3
//! C.7.6.2.1.1). Other orders and directions appear only where foreign data enters or leaves.

use crate::units::Millimetre;

/// A place in the patient, in millimetres towards the left, posterior and superior.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Lps {
    /// Towards the patient's left, mm.
    pub l: f64,
    /// Towards the patient's back, mm.
    pub p: f64,
    /// Towards the patient's head, mm.
    pub s: f64,
}

impl Lps {
    /// The point `l`, `p`, `s`.
    pub const fn new(l: f64, p: f64, s: f64) -> Self {
        Self { l, p, s }
    }

    /// The coordinates in the order L, P, S.
    pub const fn to_array(self) -> [f64; 3] {
        [self.l, self.p, self.s]
    }

    /// The distance to `other`.
    pub fn distance(self, other: Self) -> Millimetre {
        let [a, b] = [self.to_array(), other.to_array()];
        Millimetre((0..3).map(|d| (a[d] - b[d]).powi(2)).sum::<f64>().sqrt())
    }
}

impl From<[f64; 3]> for Lps {
    fn from([l, p, s]: [f64; 3]) -> Self {
        Self { l, p, s }
    }
}

/// A place in an array: column, row, slice, 0-based and continuous; an integer is a voxel's centre.
///
/// Arrays are indexed `[k, j, i]`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Ijk {
    /// Column.
    pub i: f64,
    /// Row.
    pub j: f64,
    /// Slice.
    pub k: f64,
}

impl Ijk {
    /// The place at column `i`, row `j`, slice `k`.
    pub const fn new(i: f64, j: f64, k: f64) -> Self {
        Self { i, j, k }
    }

    /// The coordinates in the order column, row, slice.
    pub const fn to_array(self) -> [f64; 3] {
        [self.i, self.j, self.k]
    }
}

impl From<[f64; 3]> for Ijk {
    fn from([i, j, k]: [f64; 3]) -> Self {
        Self { i, j, k }
    }
}

/// The distances between the centres of neighbouring columns, rows and slices.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spacing {
    /// Between neighbouring columns, mm (the second value of Pixel Spacing).
    pub i: f64,
    /// Between neighbouring rows, mm (the first value of Pixel Spacing).
    pub j: f64,
    /// Between neighbouring slices, mm (from their positions, never from Slice Thickness).
    pub k: f64,
}

impl Spacing {
    /// The spacing in the order column, row, slice.
    pub const fn to_array(self) -> [f64; 3] {
        [self.i, self.j, self.k]
    }
}

/// A regular grid in the patient: origin, three perpendicular unit axes, spacing.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Geometry {
    origin: Lps,
    axes: [[f64; 3]; 3],
    spacing: Spacing,
}

/// Axes may be this far from unit length and right angles: Image Orientation (Patient) is often
/// written with five or six digits.
const AXIS_TOLERANCE: f64 = 1e-3;

impl Geometry {
    /// The grid whose voxel (0, 0, 0) has its centre at `origin` and whose columns, rows and slices
    /// follow each other along `axes[0]`, `axes[1]`, `axes[2]` (LPS directions) at `spacing`.
    ///
    /// `None` unless the axes are perpendicular unit vectors (to 0.001), the spacing is above zero and
    /// every number is finite. Either handedness is a valid grid.
    pub fn new(origin: Lps, axes: [[f64; 3]; 3], spacing: Spacing) -> Option<Self> {
        let near = |found: f64, wanted: f64| (found - wanted).abs() <= AXIS_TOLERANCE;
        let unit = (0..3).all(|a| near(dot(axes[a], axes[a]), 1.0));
        let square = (0..3).all(|a| near(dot(axes[a], axes[(a + 1) % 3]), 0.0));
        let placed = origin.to_array().iter().all(|v| v.is_finite());
        let spaced = spacing.to_array().iter().all(|v| v.is_finite() && *v > 0.0);
        (unit && square && placed && spaced).then_some(Self { origin, axes, spacing })
    }

    /// The centre of voxel (0, 0, 0).
    pub fn origin(&self) -> Lps {
        self.origin
    }

    /// The directions in which column, row and slice numbers grow: unit vectors, LPS.
    pub fn axes(&self) -> [[f64; 3]; 3] {
        self.axes
    }

    /// The distances between neighbouring voxels.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// The volume of one voxel in cubic millimetres.
    pub fn voxel_mm3(&self) -> f64 {
        self.spacing.i * self.spacing.j * self.spacing.k
    }

    /// Where `at` lies in the patient.
    pub fn to_lps(&self, at: Ijk) -> Lps {
        let (at, spacing, origin) = (at.to_array(), self.spacing.to_array(), self.origin.to_array());
        let along = |d: usize| origin[d] + (0..3).map(|a| at[a] * spacing[a] * self.axes[a][d]).sum::<f64>();
        Lps::new(along(0), along(1), along(2))
    }

    /// Where `place` lies in the array; inside or outside of it.
    pub fn to_ijk(&self, place: Lps) -> Ijk {
        let (place, origin, spacing) = (place.to_array(), self.origin.to_array(), self.spacing.to_array());
        let offset = [place[0] - origin[0], place[1] - origin[1], place[2] - origin[2]];
        let inverse = inverse(self.axes);
        let along = |a: usize| (0..3).map(|d| offset[d] * inverse[d][a]).sum::<f64>() / spacing[a];
        Ijk::new(along(0), along(1), along(2))
    }

    /// The 3 x 4 matrix from (column, row, slice, 1) to LPS millimetres.
    pub fn affine(&self) -> [[f64; 4]; 3] {
        let (origin, spacing) = (self.origin.to_array(), self.spacing.to_array());
        std::array::from_fn(|d| {
            std::array::from_fn(|a| if a < 3 { self.axes[a][d] * spacing[a] } else { origin[d] })
        })
    }

    /// The 3 x 4 matrix from (column, row, slice, 1) of this grid to column, row, slice of `other`.
    pub fn index_map(&self, other: &Self) -> [[f64; 4]; 3] {
        let zero = other.to_ijk(self.to_lps(Ijk::new(0.0, 0.0, 0.0))).to_array();
        let mut map = [[0.0; 4]; 3];
        for axis in 0..3 {
            let mut step = [0.0; 3];
            step[axis] = 1.0;
            let there = other.to_ijk(self.to_lps(step.into())).to_array();
            for d in 0..3 {
                map[d][axis] = there[d] - zero[d];
                map[d][3] = zero[d];
            }
        }
        map
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The inverse of the matrix whose rows are `rows`. The axes of a grid are not exactly perpendicular
/// (rounding in the header), so their transpose would not lead back to the same voxel.
fn inverse(rows: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let [a, b, c] = rows;
    let cross = |u: [f64; 3], v: [f64; 3]| {
        [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
    };
    let columns = [cross(b, c), cross(c, a), cross(a, b)];
    let determinant = dot(a, columns[0]);
    std::array::from_fn(|d| std::array::from_fn(|e| columns[e][d] / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXIAL: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    const SAGITTAL: [[f64; 3]; 3] = [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]];
    const ORIGIN: Lps = Lps::new(-100.0, -90.0, 30.0);
    const SPACING: Spacing = Spacing { i: 0.5, j: 0.7, k: 2.0 };

    /// Voxel `ijk` of a 0.5 x 0.7 x 2 mm grid at (-100, -90, 30) lies at `lps`, and that point leads
    /// back to the same voxel.
    #[track_caller]
    fn check(axes: [[f64; 3]; 3], ijk: Ijk, lps: Lps) {
        let grid = Geometry::new(ORIGIN, axes, SPACING).unwrap();
        assert!(grid.to_lps(ijk).distance(lps).0 < 1e-9, "{:?}", grid.to_lps(ijk));
        let back = grid.to_ijk(lps).to_array();
        assert!((0..3).all(|d| (back[d] - ijk.to_array()[d]).abs() < 1e-9), "{back:?}");
    }

    #[test]
    fn columns_run_left_rows_run_back_slices_run_up() {
        check(AXIAL, Ijk::new(10.0, 10.0, 10.0), Lps::new(-95.0, -83.0, 50.0));
    }

    #[test]
    fn a_sagittal_slice_steps_towards_the_right() {
        check(SAGITTAL, Ijk::new(10.0, 10.0, 10.0), Lps::new(-120.0, -85.0, 23.0));
    }

    #[test]
    fn an_index_map_leads_from_one_grid_to_the_same_place_in_the_other() {
        let fine = Geometry::new(ORIGIN, AXIAL, SPACING).unwrap();
        let other = Geometry::new(Lps::new(3.0, -4.0, 5.0), SAGITTAL, SPACING).unwrap();
        let map = fine.index_map(&other);
        let at = Ijk::new(3.0, 5.0, 7.0);
        let there = other.to_ijk(fine.to_lps(at)).to_array();
        for d in 0..3 {
            let row = map[d];
            assert!((row[0] * at.i + row[1] * at.j + row[2] * at.k + row[3] - there[d]).abs() < 1e-9);
        }
    }

    #[test]
    fn skewed_axes_and_empty_spacing_are_no_grid() {
        let skewed = [[1.0, 0.0, 0.0], [0.1, 0.995, 0.0], [0.0, 0.0, 1.0]];
        assert!(Geometry::new(ORIGIN, skewed, SPACING).is_none());
        assert!(Geometry::new(ORIGIN, AXIAL, Spacing { k: 0.0, ..SPACING }).is_none());
        assert!(Geometry::new(Lps { l: f64::NAN, ..ORIGIN }, AXIAL, SPACING).is_none());
    }
}
