//! From a volume to the tensor that a network's card asks for.

use dicom_io::Volume;
use kernels::bits::{Bits, DeviceBits};
use kernels::keep::{keep, keep_on_device};
use kernels::resample::{Intensity, Interpolation, Sampling, resample};
use kernels::tiles::gather_on_device;
use kernels::{Device, Error, gpu, median};
use models::Card;
use ndarray::{Array3, CowArray, Ix3};

use crate::grid::{Bounds, Grid};
use crate::part::cut;

/// A network's input and the grid it lies on, which leads back to the patient.
pub(crate) struct Prepared {
    pub(crate) tensor: Tensor,
    pub(crate) grid: Grid,
}

/// A tensor where it was made.
pub(crate) enum Tensor {
    Host(Array3<f32>),
    Device(gpu::Volume<f32>),
}

/// A box of a tensor.
pub(crate) enum Part<'a> {
    Host(CowArray<'a, f32, Ix3>),
    Device(gpu::Volume<f32>),
}

impl Tensor {
    /// All of it in the host's memory.
    pub(crate) fn host(&self) -> Result<CowArray<'_, f32, Ix3>, Error> {
        Ok(match self {
            Self::Host(tensor) => CowArray::from(tensor.view()),
            Self::Device(tensor) => CowArray::from(tensor.download()?),
        })
    }

    /// Its voxels above `threshold`, found where it lies or on `device` if that is the CPU.
    pub(crate) fn above(&self, device: &Device, threshold: f32) -> Result<Bits, Error> {
        match (self, device) {
            (Self::Device(tensor), Device::Cuda(_)) => DeviceBits::above(tensor, threshold)?.download(),
            _ => Bits::above(&Device::Cpu, self.host()?.view(), threshold),
        }
    }

    /// The voxels `corner..corner + shape`, of which it has all: where it lies, or in the host's memory if the device
    /// has no room for both.
    pub(crate) fn part(&self, corner: [usize; 3], shape: [usize; 3]) -> Result<Part<'_>, Error> {
        let part = cut(corner, shape);
        Ok(match self {
            Self::Host(tensor) => Part::Host(tensor.slice(part).into()),
            Self::Device(tensor) => {
                match gather_on_device(tensor, &[corner.map(|at| at as isize)], shape, 0.0) {
                    Ok(part) => Part::Device(gpu::Volume::new(part, shape)),
                    Err(Error::OutOfMemory { .. }) => {
                        Part::Host(tensor.download()?.slice(part).to_owned().into())
                    }
                    Err(error) => return Err(error),
                }
            }
        })
    }
}

impl Part<'_> {
    /// The same with `outside` wherever `inside`, of the same shape, is not: where it lies, or in the host's memory
    /// if the device has no room for the mask.
    pub(crate) fn kept(self, inside: &Bits, outside: f32) -> Result<Self, Error> {
        let tensor = match self {
            Self::Host(tensor) => tensor,
            Self::Device(mut tensor) => match DeviceBits::upload(tensor.gpu(), inside) {
                Ok(mask) => {
                    keep_on_device(&mut tensor, &mask, outside)?;
                    return Ok(Self::Device(tensor));
                }
                Err(Error::OutOfMemory { .. }) => tensor.download()?.into(),
                Err(error) => return Err(error),
            },
        };
        let mut tensor = tensor.into_owned();
        keep(tensor.view_mut(), inside, outside);
        Ok(Self::Host(tensor.into()))
    }
}

impl<'a> From<&'a Part<'_>> for models::Tensor<'a> {
    fn from(part: &'a Part<'_>) -> Self {
        match part {
            Part::Host(tensor) => Self::Host(tensor.view()),
            Part::Device(tensor) => Self::Device(tensor),
        }
    }
}

impl<'a> From<&'a Tensor> for models::Tensor<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        match tensor {
            Tensor::Host(tensor) => Self::Host(tensor.view()),
            Tensor::Device(tensor) => Self::Device(tensor),
        }
    }
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
    let sharp = onto(device, volume, &fine, intensity)?;
    let strides = input.spacing_mm.map(|mm| mm / filter.spacing_mm);
    let shape = std::array::from_fn(|a| ((fine.shape[a] - 1) as f64 / strides[a]).floor() as usize + 1);
    let grid = fine.thinned(strides, shape);
    let map = grid.geometry.index_map(&fine.geometry);
    let unchanged = Intensity::unchanged(input.outside_image);
    let tensor = match sharp {
        Tensor::Host(sharp) => {
            let filtered = median::median(device, sharp.view())?;
            Tensor::Host(resample(device, filtered.view(), shape, &map, unchanged)?)
        }
        Tensor::Device(sharp) => {
            let filtered = median::median_on_device(&sharp)?;
            drop(sharp);
            Tensor::Device(linear(shape, map, unchanged).on_device(&filtered)?)
        }
    };
    Ok(Prepared { tensor, grid })
}

/// `volume` on `grid`, left on the device. If that has no room for all of both, slabs go through it and the tensor
/// comes back.
fn onto(device: &Device, volume: &Volume<i16>, grid: &Grid, intensity: Intensity) -> Result<Tensor, Error> {
    let map = grid.geometry.index_map(&volume.geometry);
    let sampling = linear(grid.shape, map, intensity);
    if let Device::Cuda(gpu) = device {
        match gpu.upload_volume(volume.voxels.view()).and_then(|there| sampling.on_device(&there)) {
            Err(Error::OutOfMemory { .. }) => {}
            made => return made.map(Tensor::Device),
        }
    }
    sampling.volume(device, volume.voxels.view()).map(Tensor::Host)
}

fn linear(shape: [usize; 3], map: kernels::IndexMap, intensity: Intensity) -> Sampling {
    Sampling { shape, map, interpolation: Interpolation::Linear, values: intensity.into() }
}
