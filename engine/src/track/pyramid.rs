//! A body on coarser and coarser grids.

use dicom_io::{Geometry, Ijk, Lps, Spacing, Volume};
use kernels::{Device, Neighbours, components, shrink};
use ndarray::Array3;

/// Densities are cut off here, HU: below is air, and above are bone and contrast medium, which differ between
/// examinations of one patient.
const LOW_HU: f32 = -1000.0;
const HIGH_HU: f32 = 250.0;

/// Above this lies tissue, below air and lung, HU.
const TISSUE_HU: f32 = -350.0;

/// A volume on a grid of a few millimetres.
pub(super) struct Level {
    voxels: Array3<f32>,
    geometry: Geometry,
    /// From L, P, S, 1 to column, row and slice.
    to_ijk: [[f64; 4]; 3],
}

/// A place in the body and its density.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) place: [f64; 3],
    pub(super) hu: f32,
}

/// The density at a place, and how it changes there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slope {
    pub(super) hu: f32,
    /// HU per mm along L, P and S.
    pub(super) per_mm: [f64; 3],
}

impl Level {
    /// `volume` in voxels of at most `mm`, or in its own ones where these are larger.
    pub(super) fn of(device: &Device, volume: &Volume<i16>, mm: f64) -> Result<Self, kernels::Error> {
        let spacing = volume.geometry.spacing().to_array();
        let block = [spacing[2], spacing[1], spacing[0]].map(|step| ((mm / step) as usize).max(1));
        let voxels = shrink::block_means(device, volume.voxels.view(), block, LOW_HU, HIGH_HU)?;
        Ok(Self::new(voxels, &volume.geometry, block))
    }

    /// This level in voxels twice as large.
    pub(super) fn coarser(&self, device: &Device) -> Result<Self, kernels::Error> {
        let block = [2; 3];
        let voxels = shrink::block_means(device, self.voxels.view(), block, LOW_HU, HIGH_HU)?;
        Ok(Self::new(voxels, &self.geometry, block))
    }

    fn new(voxels: Array3<f32>, fine: &Geometry, block: [usize; 3]) -> Self {
        let [k, j, i] = block.map(|n| n as f64);
        let first = Ijk::new((i - 1.0) / 2.0, (j - 1.0) / 2.0, (k - 1.0) / 2.0);
        let step = fine.spacing();
        let spacing = Spacing { i: step.i * i, j: step.j * j, k: step.k * k };
        let geometry =
            Geometry::new(fine.to_lps(first), fine.axes(), spacing).expect("a part of a grid is a grid");
        let zero = geometry.to_ijk(Lps::new(0.0, 0.0, 0.0)).to_array();
        let mut to_ijk = [[0.0; 4]; 3];
        for d in 0..3 {
            let mut unit = [0.0; 3];
            unit[d] = 1.0;
            let there = geometry.to_ijk(unit.into()).to_array();
            for a in 0..3 {
                to_ijk[a][d] = there[a] - zero[a];
                to_ijk[a][3] = zero[a];
            }
        }
        Self { voxels, geometry, to_ijk }
    }

    /// The voxels of the body: the largest piece of tissue, and what lies between its sides.
    pub(super) fn body(&self, device: &Device) -> Result<Vec<Sample>, kernels::Error> {
        if self.voxels.is_empty() {
            return Ok(Vec::new());
        }
        let tissue = self.voxels.mapv(|hu| hu > TISSUE_HU);
        let parts = components::components(device, tissue.view(), Neighbours::Six)?;
        let Some(largest) = parts.largest().map(|part| part.label) else { return Ok(Vec::new()) };
        let body = parts.mask(|part| part.label == largest)?;
        let mut samples = Vec::new();
        for (k, plane) in body.outer_iter().enumerate() {
            // Between the first and the last tissue of its row as well as of its column.
            let columns: Vec<_> = plane.columns().into_iter().map(|column| span(column.iter())).collect();
            for (j, row) in plane.outer_iter().enumerate() {
                let Some([first, last]) = span(row.iter()) else { continue };
                for (i, column) in columns.iter().enumerate().take(last + 1).skip(first) {
                    if column.is_some_and(|[first, last]| (first..=last).contains(&j)) {
                        let place = self.geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64)).to_array();
                        samples.push(Sample { place, hu: self.voxels[(k, j, i)] });
                    }
                }
            }
        }
        Ok(samples)
    }

    /// The volume of a voxel in cubic millimetres.
    pub(super) fn voxel_mm3(&self) -> f64 {
        self.geometry.voxel_mm3()
    }

    /// Density and slope at `place`; `None` outside of the outermost voxel centres.
    pub(super) fn slope(&self, place: [f64; 3]) -> Option<Slope> {
        let (slices, rows, columns) = self.voxels.dim();
        let size = [columns, rows, slices];
        let mut low = [0; 3];
        let mut share = [0.0_f32; 3];
        for a in 0..3 {
            let [l, p, s, zero] = self.to_ijk[a];
            let at = l * place[0] + p * place[1] + s * place[2] + zero;
            if size[a] < 2 || !(at >= 0.0 && at <= (size[a] - 1) as f64) {
                return None;
            }
            low[a] = (at as usize).min(size[a] - 2);
            share[a] = (at - low[a] as f64) as f32;
        }
        let [i, j, k] = low;
        let corner = |dk: usize, dj: usize, di: usize| self.voxels[(k + dk, j + dj, i + di)];
        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
        // Along i first, with its differences; then along j; then along k.
        let mut edges = [[(0.0, 0.0); 2]; 2];
        for (dk, edges) in edges.iter_mut().enumerate() {
            for (dj, edge) in edges.iter_mut().enumerate() {
                let (a, b) = (corner(dk, dj, 0), corner(dk, dj, 1));
                *edge = (mix(a, b, share[0]), b - a);
            }
        }
        let faces = edges.map(|[a, b]| (mix(a.0, b.0, share[1]), mix(a.1, b.1, share[1]), b.0 - a.0));
        let [a, b] = faces;
        let along = [mix(a.1, b.1, share[2]), mix(a.2, b.2, share[2]), b.0 - a.0].map(f64::from);
        let per_mm = std::array::from_fn(|d| (0..3).map(|a| self.to_ijk[a][d] * along[a]).sum());
        Some(Slope { hu: mix(a.0, b.0, share[2]), per_mm })
    }
}

/// The first and the last that is set.
fn span<'a>(
    row: impl DoubleEndedIterator<Item = &'a bool> + ExactSizeIterator + Clone,
) -> Option<[usize; 2]> {
    let first = row.clone().position(|set| *set)?;
    let last = row.clone().len() - 1 - row.rev().position(|set| *set)?;
    Some([first, last])
}
