//! The lungs, and nodules in them.

use dicom_io::{Geometry, Ijk, Lps, Volume};
use kernels::components::{self, Connectivity};
use kernels::{Device, morphology};
use ndarray::{Array3, ArrayView3, Axis, s};

use crate::finding::{Mask, Side};
use crate::grid::Grid;

/// Below this lies air and lung, above it soft tissue, HU.
const AIR_HU: f32 = -400.0;

/// A part of the air inside the body smaller than this is no lung (bowel gas, trachea alone), ml.
const SMALLEST_LUNG_ML: f64 = 150.0;

/// Hollows of the lung's surface narrower than this belong to it: vessels, and nodules at the pleura, mm.
const CLOSING_MM: f64 = 12.0;

/// Erosion that parts the lungs where they touch in front of the aorta or through the bronchi, mm.
const PARTING_MM: f64 = 4.5;

/// The lungs on the grid of a tensor.
pub(crate) struct Lungs {
    /// Lung with the nodules in it and at its border.
    pub(crate) mask: Array3<bool>,
    /// The air and lung tissue alone, ml.
    pub(crate) volume_ml: f64,
    /// The cores of the patient's right and left lung, where they could be told apart.
    cores: Option<[Array3<bool>; 2]>,
}

impl Lungs {
    /// Finds the lungs in `hu` (any unit that grows with HU; `air` is the value of -400 HU) on `grid`.
    /// `None` if there is no air inside the body worth the name.
    pub(crate) fn find(device: &Device, tensor: ArrayView3<'_, f32>, air: f32, grid: &Grid) -> Option<Self> {
        let ml = grid.geometry.voxel_mm3() / 1000.0;
        let dark = tensor.mapv(|value| value < air);
        let parts = components::label(device, dark.view(), Connectivity::Six);
        // Air that reaches the border of the image across the body's axis is outside of the patient.
        let outside = touching_sides(&parts.labels, grid);
        let keep: Vec<bool> = (0..=parts.count())
            .map(|label| {
                label > 0
                    && !outside[label]
                    && parts.component(label).voxels as f64 * ml >= SMALLEST_LUNG_ML
            })
            .collect();
        if !keep.contains(&true) {
            return None;
        }
        let air = parts.labels.mapv(|label| keep[label as usize]);
        let volume_ml = air.iter().filter(|&&set| set).count() as f64 * ml;
        let spacing = grid.geometry.spacing();
        let spacing = [spacing.k, spacing.j, spacing.i];
        let mask = morphology::close_ball(device, air.view(), spacing, CLOSING_MM);
        let cores = cores(device, air.view(), grid);
        Some(Self { mask, volume_ml, cores })
    }
}
