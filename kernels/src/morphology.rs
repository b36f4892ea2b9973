//! Masks grown, shrunk, smoothed and filled.
//!
//! By steps over a neighbourhood, or by a ball of a radius in millimetres. Outside of the volume there
//! is nothing, so shrinking also eats from its border, as scipy's operators do by default. Closing is
//! done as if the volume went on, so it never loses a voxel.

use ndarray::{Array3, ArrayView3, s};

use crate::bits::Bits;
use crate::components::components;
use crate::{Device, Error, Neighbours, blank, distance};

/// `mask` with all neighbours of its voxels, `times` over.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn dilate(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
    times: usize,
) -> Result<Array3<bool>, Error> {
    let Device::Cpu = device;
    grown(Bits::pack(mask), neighbours, times).unpack()
}

/// The voxels of `mask` whose neighbours are all in it, `times` over.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn erode(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
    times: usize,
) -> Result<Array3<bool>, Error> {
    let Device::Cpu = device;
    shrunk(Bits::pack(mask), neighbours, times).unpack()
}

/// `mask` eroded, then dilated: thin parts and specks are gone.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn open(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
    times: usize,
) -> Result<Array3<bool>, Error> {
    let Device::Cpu = device;
    grown(shrunk(Bits::pack(mask), neighbours, times), neighbours, times).unpack()
}

/// `mask` dilated, then eroded: narrow gaps are filled.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn close(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
    times: usize,
) -> Result<Array3<bool>, Error> {
    let Device::Cpu = device;
    let Some(part) = Part::around(mask, [times; 3])? else { return blank(mask.dim().into()) };
    let closed =
        shrunk(grown(Bits::pack(part.mask.view()), neighbours, times), neighbours, times).unpack()?;
    part.back(closed.view())
}

/// All voxels whose centre is within `radius_mm` of the centre of one in `mask`.
///
/// `spacing_mm` is that of columns, rows and slices (i, j, k).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If a spacing is not above zero: the caller's mistake.
pub fn dilate_ball(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
    radius_mm: f64,
) -> Result<Array3<bool>, Error> {
    let Device::Cpu = device;
    let (reach, shape) = (reach(spacing_mm, radius_mm), mask.shape());
    let margin = std::array::from_fn(|axis| reach[axis].min(shape[axis]));
    let Some(part) = Part::around(mask, margin)? else { return blank(mask.dim().into()) };
    let near = near(part.mask.view(), spacing_mm, radius_mm)?;
    part.back(near.view())
}

/// The voxels of `mask` with no voxel outside of it within `radius_mm`, between centres.
///
/// `spacing_mm` is that of columns, rows and slices (i, j, k).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If a spacing is not above zero: the caller's mistake.
pub fn erode_ball(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
    radius_mm: f64,
) -> Result<Array3<bool>, Error> {
    let Device::Cpu = device;
    let Some(part) = Part::around(mask, [1; 3])? else { return blank(mask.dim().into()) };
    let gone = near(part.mask.mapv(|is_in| !is_in).view(), spacing_mm, radius_mm)?;
    part.back(gone.mapv(|is_gone| !is_gone).view())
}

/// `mask` dilated by a ball of `radius_mm`, then eroded by it: gaps that the ball does not fit into are
/// filled.
///
/// `spacing_mm` is that of columns, rows and slices (i, j, k).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If a spacing is not above zero: the caller's mistake.
pub fn close_ball(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
    radius_mm: f64,
) -> Result<Array3<bool>, Error> {
    let Device::Cpu = device;
    // One more, so that there is an outside to erode from.
    let margin = reach(spacing_mm, radius_mm).map(|voxels| voxels.saturating_add(1));
    let Some(part) = Part::around(mask, margin)? else { return blank(mask.dim().into()) };
    let beyond = near(part.mask.view(), spacing_mm, radius_mm)?.mapv_into(|is_near| !is_near);
    let closed = near(beyond.view(), spacing_mm, radius_mm)?.mapv_into(|is_gone| !is_gone);
    part.back(closed.view())
}

/// `mask` without holes: voxels outside of it that cannot reach the volume's border through faces are
/// added.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn fill(device: &Device, mask: ArrayView3<'_, bool>) -> Result<Array3<bool>, Error> {
    let shape: [usize; 3] = mask.dim().into();
    let empty = components(device, mask.mapv(|is_in| !is_in).view(), Neighbours::Six)?;
    let open =
        empty.mask(|hole| (0..3).any(|axis| hole.start[axis] == 0 || hole.end[axis] == shape[axis]))?;
    Ok(open.mapv_into(|is_open| !is_open))
}

fn grown(mut bits: Bits, neighbours: Neighbours, times: usize) -> Bits {
    for _ in 0..times {
        bits = bits.joined(neighbours, |a, b| a | b);
    }
    bits
}

fn shrunk(mut bits: Bits, neighbours: Neighbours, times: usize) -> Bits {
    for _ in 0..times {
        bits = bits.joined(neighbours, |a, b| a & b);
    }
    bits
}

/// The voxels within a distance of the mask.
fn near(mask: ArrayView3<'_, bool>, spacing_mm: [f64; 3], radius_mm: f64) -> Result<Array3<bool>, Error> {
    // A radius that is a whole number of voxels must not lose to the rounding of f32 sums.
    let limit = (radius_mm * radius_mm * (1.0 + 1e-5)) as f32;
    let squared = distance::up_to(mask, spacing_mm, limit)?;
    let mut near = blank(mask.dim().into())?;
    ndarray::Zip::from(&mut near).and(&squared).par_for_each(|near, &squared| *near = squared <= limit);
    Ok(near)
}

/// How many voxels a ball reaches along each axis of the array.
fn reach(spacing_mm: [f64; 3], radius_mm: f64) -> [usize; 3] {
    let [i, j, k] = spacing_mm.map(|mm| (radius_mm / mm * (1.0 + 1e-5)).max(0.0) as usize);
    [k, j, i]
}

/// The part of a mask that is worked on: the box around its voxels with a margin, which may lie beyond
/// the volume.
struct Part {
    mask: Array3<bool>,
    margin: [usize; 3],
    start: [usize; 3],
    shape: [usize; 3],
}

impl Part {
    /// `None` if the mask is empty.
    fn around(mask: ArrayView3<'_, bool>, margin: [usize; 3]) -> Result<Option<Self>, Error> {
        let shape: [usize; 3] = mask.dim().into();
        let Some([start, end]) = bounds(mask) else { return Ok(None) };
        let size: [usize; 3] = std::array::from_fn(|axis| end[axis] - start[axis]);
        let wide = |axis: usize| margin[axis].saturating_mul(2).saturating_add(size[axis]);
        let mut part = blank(std::array::from_fn(wide))?;
        let [k, j, i] = margin;
        part.slice_mut(s![k..k + size[0], j..j + size[1], i..i + size[2]]).assign(&mask.slice(s![
            start[0]..end[0],
            start[1]..end[1],
            start[2]..end[2]
        ]));
        Ok(Some(Self { mask: part, margin, start, shape }))
    }

    /// What became of the part, set into a volume of the mask's shape.
    fn back(&self, part: ArrayView3<'_, bool>) -> Result<Array3<bool>, Error> {
        let mut mask = blank(self.shape)?;
        // Where the two overlap: from index `to` in the volume, `from` in the part.
        let to: [usize; 3] = std::array::from_fn(|a| self.start[a].saturating_sub(self.margin[a]));
        let from: [usize; 3] = std::array::from_fn(|a| to[a] + self.margin[a] - self.start[a]);
        let size: [usize; 3] =
            std::array::from_fn(|a| (self.shape[a] - to[a]).min(self.mask.shape()[a] - from[a]));
        mask.slice_mut(s![to[0]..to[0] + size[0], to[1]..to[1] + size[1], to[2]..to[2] + size[2]]).assign(
            &part.slice(s![
                from[0]..from[0] + size[0],
                from[1]..from[1] + size[1],
                from[2]..from[2] + size[2]
            ]),
        );
        Ok(mask)
    }
}

/// The first index of the mask's voxels on each axis, and the one after the last.
fn bounds(mask: ArrayView3<'_, bool>) -> Option<[[usize; 3]; 2]> {
    use rayon::prelude::*;
    let slices = mask.outer_iter().into_par_iter().enumerate().filter_map(|(k, slice)| {
        let mut found: Option<[[usize; 3]; 2]> = None;
        for (j, row) in slice.outer_iter().enumerate() {
            let Some(first) = row.iter().position(|&is_in| is_in) else { continue };
            let last = row.iter().rposition(|&is_in| is_in).unwrap_or(first);
            let row = [[k, j, first], [k + 1, j + 1, last + 1]];
            found = Some(found.map_or(row, |found| around_both(found, row)));
        }
        found
    });
    slices.reduce_with(around_both)
}

fn around_both(a: [[usize; 3]; 2], b: [[usize; 3]; 2]) -> [[usize; 3]; 2] {
    std::array::from_fn(|corner| {
        std::array::from_fn(|axis| {
            let (a, b) = (a[corner][axis], b[corner][axis]);
            if corner == 0 { a.min(b) } else { a.max(b) }
        })
    })
}
