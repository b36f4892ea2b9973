//! Voxels and where they lie.

use ndarray::Array3;

use crate::geometry::Geometry;

/// Voxels on a regular grid in the patient, indexed `[k, j, i]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume<T> {
    /// The voxels, `[slice, row, column]`, in standard layout. For CT: Hounsfield units.
    pub voxels: Array3<T>,
    /// Where they lie.
    pub geometry: Geometry,
}

impl<T> Volume<T> {
    /// How many slices, rows and columns there are, in this order.
    pub fn shape(&self) -> [usize; 3] {
        let (k, j, i) = self.voxels.dim();
        [k, j, i]
    }
}
