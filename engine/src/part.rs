//! Parts of volumes: moving a network's answer to the source grid, and keeping one piece of a mask.

use dicom_io::Geometry;
use kernels::bits::Bits;
use kernels::components::components_in_bits;
use kernels::resample::{Intensity, resample};
use kernels::{Device, Error, Neighbours};
use ndarray::{Array3, ArrayView3, Ix3, SliceInfo, SliceInfoElem, s};

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
    mask: &Bits,
    from_centre: impl Fn((usize, usize, usize)) -> f64,
    reach: f64,
) -> Result<Option<Bits>, Error> {
    let parts = components_in_bits(device, mask, Neighbours::Six)?;
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
    Ok(Some(parts.bits(|part| part.label == best.label)?.filled(device)?))
}

/// The voxels `corner..corner + shape` of an array.
pub(crate) fn cut(corner: [usize; 3], shape: [usize; 3]) -> SliceInfo<[SliceInfoElem; 3], Ix3, Ix3> {
    let [[ck, cj, ci], [nk, nj, ni]] = [corner, shape];
    s![ck..ck + nk, cj..cj + nj, ci..ci + ni]
}

/// The box `corner..corner + shape` of the voxels set in `mask`; `None` if none is.
pub(crate) fn bounding_box(mask: &Bits) -> Option<([usize; 3], [usize; 3])> {
    let [low, high] = mask.bounds()?;
    Some((low, std::array::from_fn(|a| high[a] - low[a])))
}

impl Mask {
    /// The voxels of `bits`, the first of which lies at `corner` of the source, in the smallest box that holds
    /// them; `None` if there are none.
    pub(crate) fn of(corner: [usize; 3], bits: &Bits) -> Result<Option<Self>, Error> {
        let Some((low, shape)) = bounding_box(bits) else { return Ok(None) };
        let voxels = bits.to_mask()?.slice(cut(low, shape)).to_owned();
        Ok(Some(Self { corner: std::array::from_fn(|a| corner[a] + low[a]), voxels }))
    }

    /// Where its box lies in the source.
    pub(crate) fn place(&self) -> SliceInfo<[SliceInfoElem; 3], Ix3, Ix3> {
        cut(self.corner, self.voxels.dim().into())
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
