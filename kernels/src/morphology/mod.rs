//! Masks grown, shrunk, smoothed and filled.
//!
//! By steps over a neighbourhood, or by a ball of a radius in millimetres. Outside of the volume there
//! is nothing, so shrinking also eats from its border, as scipy's operators do by default. Closing is
//! done as if the volume went on, so it never loses a voxel.
//!
//! All of it is done on [`Bits`]; a chain of operations is quickest if it stays there.

mod ball;
mod cuda;
mod flood;
mod part;
mod spread;

use ndarray::{Array3, ArrayView3};

use ball::{ball, reach};
use part::Part;

use crate::bits::{Bits, DeviceBits};
use crate::components::components_in_bits;
use crate::simd::Level;
use crate::{Device, Error, Neighbours};

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
    Bits::of(mask)?.dilated(device, neighbours, times)?.to_mask()
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
    Bits::of(mask)?.eroded(device, neighbours, times)?.to_mask()
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
    Bits::of(mask)?.opened(device, neighbours, times)?.to_mask()
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
    Bits::of(mask)?.closed(device, neighbours, times)?.to_mask()
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
    Bits::of(mask)?.dilated_by_ball(device, spacing_mm, radius_mm)?.to_mask()
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
    Bits::of(mask)?.eroded_by_ball(device, spacing_mm, radius_mm)?.to_mask()
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
    Bits::of(mask)?.closed_by_ball(device, spacing_mm, radius_mm)?.to_mask()
}

/// `mask` without holes: voxels outside of it that cannot reach the volume's border through faces are
/// added.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn fill(device: &Device, mask: ArrayView3<'_, bool>) -> Result<Array3<bool>, Error> {
    Bits::of(mask)?.filled(device)?.to_mask()
}

/// What the functions of [`morphology`](self) do, from bits to bits; errors and panics are theirs.
impl Bits {
    /// See [`dilate`].
    pub fn dilated(self, device: &Device, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        let grown = |bits: Self| bits.grown(Level::best(), neighbours, times);
        self.on(device, grown, |bits| bits.dilated(neighbours, times))
    }

    /// See [`erode`].
    pub fn eroded(self, device: &Device, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        let shrunk = |bits: Self| bits.shrunk(Level::best(), neighbours, times);
        self.on(device, shrunk, |bits| bits.eroded(neighbours, times))
    }

    /// See [`open`].
    pub fn opened(self, device: &Device, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        let level = Level::best();
        let opened = |bits: Self| bits.shrunk(level, neighbours, times)?.grown(level, neighbours, times);
        self.on(device, opened, |bits| bits.eroded(neighbours, times)?.dilated(neighbours, times))
    }

    /// See [`close`].
    pub fn closed(self, device: &Device, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        let Some(Part { bits, corner }) = Part::around(&self, [times; 3])? else { return Ok(self) };
        let level = Level::best();
        let closed = |bits: Self| bits.grown(level, neighbours, times)?.shrunk(level, neighbours, times);
        let closed =
            bits.on(device, closed, |bits| bits.dilated(neighbours, times)?.eroded(neighbours, times))?;
        Ok(Part { bits: closed, corner }.in_place_of(self))
    }

    /// See [`dilate_ball`].
    pub fn dilated_by_ball(
        self,
        device: &Device,
        spacing_mm: [f64; 3],
        radius_mm: f64,
    ) -> Result<Self, Error> {
        let reach = reach(spacing_mm, radius_mm);
        let margin = std::array::from_fn(|axis| reach[axis].min(self.shape[axis]));
        let Some(Part { bits, corner }) = Part::around(&self, margin)? else { return Ok(self) };
        let ball = ball(spacing_mm, radius_mm, bits.shape);
        let grown = bits.on(device, |bits| bits.reached(Level::best(), &ball), |bits| bits.reached(&ball))?;
        Ok(Part { bits: grown, corner }.in_place_of(self))
    }

    /// See [`erode_ball`].
    pub fn eroded_by_ball(
        self,
        device: &Device,
        spacing_mm: [f64; 3],
        radius_mm: f64,
    ) -> Result<Self, Error> {
        let Some(Part { bits, corner }) = Part::around(&self, [1; 3])? else { return Ok(self) };
        let ball = ball(spacing_mm, radius_mm, bits.shape);
        let shrunk = bits.on(
            device,
            |bits| Ok(bits.inverted().reached(Level::best(), &ball)?.inverted()),
            |bits| bits.inverted()?.reached(&ball)?.inverted(),
        )?;
        Ok(Part { bits: shrunk, corner }.in_place_of(self))
    }

    /// See [`close_ball`].
    pub fn closed_by_ball(
        self,
        device: &Device,
        spacing_mm: [f64; 3],
        radius_mm: f64,
    ) -> Result<Self, Error> {
        // One more, so that there is an outside to erode from.
        let margin = reach(spacing_mm, radius_mm).map(|voxels| voxels.saturating_add(1));
        let Some(Part { bits, corner }) = Part::around(&self, margin)? else { return Ok(self) };
        let ball = ball(spacing_mm, radius_mm, bits.shape);
        let level = Level::best();
        let closed = bits.on(
            device,
            |bits| Ok(bits.reached(level, &ball)?.inverted().reached(level, &ball)?.inverted()),
            |bits| bits.reached(&ball)?.inverted()?.reached(&ball)?.inverted(),
        )?;
        Ok(Part { bits: closed, corner }.in_place_of(self))
    }

    /// See [`fill`].
    pub fn filled(self, device: &Device) -> Result<Self, Error> {
        self.on(device, flood::filled, DeviceBits::filled)
    }

    /// The mask without holes in each slice: voxels outside of it that cannot reach the border of their
    /// slice within it are added. For bodies whose lungs go on beyond the first or last slice.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn filled_by_slice(self, device: &Device) -> Result<Self, Error> {
        self.on(device, flood::filled_by_slice, DeviceBits::filled_by_slice)
    }

    /// The part with the most voxels that hangs together through `neighbours`, of several the first; nothing of
    /// nothing.
    ///
    /// # Errors
    ///
    /// Those of [`components_in_bits`].
    pub fn largest(self, device: &Device, neighbours: Neighbours) -> Result<Self, Error> {
        let parts = components_in_bits(device, &self, neighbours)?;
        let Some(largest) = parts.largest().map(|part| part.label) else { return Ok(self) };
        parts.bits(|part| part.label == largest)
    }

    /// What `host` makes of it, or on a GPU what `cuda` does.
    fn on(
        self,
        device: &Device,
        host: impl FnOnce(Self) -> Result<Self, Error>,
        cuda: impl FnOnce(DeviceBits) -> Result<DeviceBits, Error>,
    ) -> Result<Self, Error> {
        match device {
            Device::Cpu => host(self),
            Device::Cuda(gpu) => cuda(DeviceBits::upload(gpu, &self)?)?.download(),
        }
    }
}

#[cfg(test)]
mod tests;
