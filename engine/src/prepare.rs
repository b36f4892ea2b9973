//! From a volume to the tensor that a network's card asks for.

use dicom_io::Volume;
use kernels::resample::{Intensity, resample};
use kernels::{Device, Error, median};
use models::Card;
use ndarray::Array3;

use crate::grid::{Bounds, Grid};

/// Air, HU: what lies outside of the images.
const AIR_HU: f32 = -1024.0;

/// A network's input and the grid it lies on, which leads back to the patient.
pub(crate) struct Prepared {
    pub(crate) tensor: Array3<f32>,
    pub(crate) grid: Grid,
}

/// The part of `volume` within `bounds` as the tensor that `card` asks for.
///
/// Resampling, reorientation, window and padding are one pass over the volume. A median filter, where
/// the card has one, works on windowed values: windowing is monotonic, so the median is the same.
pub(crate) fn prepare(
    device: &Device,
    volume: &Volume<i16>,
    card: &Card,
    bounds: Bounds,
) -> Result<Prepared, Error> {
    let input = &card.input;
    let axes = input.towards.map(models::Side::to_lps);
    let window = &input.window;
    let intensity = Intensity {
        low_hu: window.low_hu,
        high_hu: window.high_hu,
        low: window.low,
        high: window.high,
        outside: input.outside_image,
    };
    let Some(filter) = input.median else {
        let grid = Grid::over(bounds, axes, input.spacing_mm);
        let tensor = onto(device, volume, &grid, intensity)?;
        return Ok(Prepared { tensor, grid });
    };

    assert_eq!(filter.size, 3, "the only median filter there is has three voxels; a card is checked for it");
    let fine = Grid::over(bounds, axes, [filter.spacing_mm; 3]);
    let filtered = median::median(device, onto(device, volume, &fine, intensity)?.view())?;
    let strides = input.spacing_mm.map(|mm| mm / filter.spacing_mm);
    let shape = std::array::from_fn(|a| ((fine.shape[a] - 1) as f64 / strides[a]).floor() as usize + 1);
    let grid = fine.thinned(strides, shape);
    let map = grid.geometry.index_map(&fine.geometry);
    let tensor = resample(device, filtered.view(), shape, &map, Intensity::unchanged(input.outside_image))?;
    Ok(Prepared { tensor, grid })
}

/// The Hounsfield units of `volume` on `grid`; air outside of it.
pub(crate) fn hounsfield(device: &Device, volume: &Volume<i16>, grid: &Grid) -> Result<Array3<f32>, Error> {
    onto(device, volume, grid, Intensity::unchanged(AIR_HU))
}

fn onto(
    device: &Device,
    volume: &Volume<i16>,
    grid: &Grid,
    intensity: Intensity,
) -> Result<Array3<f32>, Error> {
    let map = grid.geometry.index_map(&volume.geometry);
    resample(device, volume.voxels.view(), grid.shape, &map, intensity)
}
