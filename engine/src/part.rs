//! Parts of volumes: moving a network's answer to the source grid, and keeping one piece of a mask.

use dicom_io::Geometry;
use kernels::components::components;
use kernels::resample::{Intensity, resample};
use kernels::{Device, Error, Neighbours, morphology};
use ndarray::{Array3, ArrayView3, s};

use crate::finding::Mask;
use crate::grid::Grid;

/// The values of `answer` (on `grid`) at the voxels `corner..corner + shape` of the `source` grid,
/// trilinear; 0 outside of `grid`.
pub(crate) fn sample(
    device: &Device,
    answer: ArrayView3<'_, f32>,
    grid: &Grid,
    source: &Geometry,
    corner: [usize; 3],
    shape: [usize; 3],
) -> Result<Array3<f32>, Error> {
    let part = Grid { geometry: *source, shape }.part(corner, shape);
    let map = part.geometry.index_map(&grid.geometry);
    resample(device, answer, shape, &map, Intensity::unchanged(0.0))
}

/// The largest 6-connected part of `mask` that comes within `reach` of a centre, holes filled; `None` if
/// none does. `from_centre` gives the distance of a voxel.
///
/// Size decides and not nearness: a single dense voxel of noise at the centre must not win over the lesion
/// around it.
pub(crate) fn part_at(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    from_centre: impl Fn((usize, usize, usize)) -> f64,
    reach: f64,
) -> Result<Option<Array3<bool>>, Error> {
    let parts = components(device, mask, Neighbours::Six)?;
    let mut near = vec![false; parts.list().len()];
    for (at, &label) in parts.labels()?.indexed_iter() {
        if label > 0 && from_centre(at) <= reach {
            near[label as usize - 1] = true;
        }
    }
    let near = parts.list().iter().filter(|part| near[part.label as usize - 1]);
    let Some(best) = near.reduce(|best, next| if next.voxels > best.voxels { next } else { best }) else {
        return Ok(None);
    };
    let only = parts.mask(|part| part.label == best.label)?;
    Ok(Some(morphology::fill(device, only.view())?))
}

/// The box `corner..corner + shape` of the voxels set in `mask`; `None` if none is.
pub(crate) fn bounding_box(mask: ArrayView3<'_, bool>) -> Option<([usize; 3], [usize; 3])> {
    let mut low = [usize::MAX; 3];
    let mut high = [0; 3];
    for ((k, j, i), _) in mask.indexed_iter().filter(|(_, set)| **set) {
        for (a, at) in [k, j, i].into_iter().enumerate() {
            low[a] = low[a].min(at);
            high[a] = high[a].max(at + 1);
        }
    }
    (low[0] != usize::MAX).then(|| (low, std::array::from_fn(|a| high[a] - low[a])))
}

impl Mask {
    /// The same voxels in the smallest box that holds them.
    pub(crate) fn trimmed(self) -> Self {
        let Some((low, shape)) = bounding_box(self.voxels.view()) else { return self };
        let high: [usize; 3] = std::array::from_fn(|a| low[a] + shape[a]);
        let voxels = self.voxels.slice(s![low[0]..high[0], low[1]..high[1], low[2]..high[2]]).to_owned();
        Self { corner: std::array::from_fn(|a| self.corner[a] + low[a]), voxels }
    }

    /// The voxels of the source grid that this mask and `other` share.
    pub(crate) fn overlap(&self, other: &Self) -> usize {
        let shape = |mask: &Self| [mask.voxels.shape()[0], mask.voxels.shape()[1], mask.voxels.shape()[2]];
        let (mine, theirs) = (shape(self), shape(other));
        let low: [usize; 3] = std::array::from_fn(|a| self.corner[a].max(other.corner[a]));
        let high: [usize; 3] =
            std::array::from_fn(|a| (self.corner[a] + mine[a]).min(other.corner[a] + theirs[a]));
        let mut shared = 0;
        for k in low[0]..high[0] {
            for j in low[1]..high[1] {
                for i in low[2]..high[2] {
                    let at = |mask: &Self| {
                        mask.voxels[(k - mask.corner[0], j - mask.corner[1], i - mask.corner[2])]
                    };
                    shared += usize::from(at(self) && at(other));
                }
            }
        }
        shared
    }
}
