//! Onto another grid in one pass: interpolate, window, pad.
//!
//! A place in the source is inside when it is within half a voxel of the outermost voxel centres,
//! which is where the voxels end; between there and the centre the outermost value holds. Anything
//! further out gets the value for outside. Values are interpolated first and put on their scale then.
//!
//! [`Sampling`] is all of it: from stored integers to a network's tensor, of a whole volume or slab by
//! slab. A map under which the output's axes follow the source's (any order, any direction) is several
//! times as fast as an oblique one.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{Array3, ArrayView3, ArrayViewMut3};

use crate::gpu::{Element, Volume};
use crate::grid::{self, Axis, Line};
use crate::simd::Level;
use crate::{Device, Error, IndexMap, Real, Voxel, blank, spline};

mod aligned;
pub(crate) mod cuda;
mod nearest;
mod oblique;
pub(crate) mod rows;
#[cfg(test)]
pub(crate) mod tests;

use cuda::Kind;
pub use cuda::Stored;
pub(crate) use cuda::{Extent, Uploaded};
use rows::{Above, Finish, Scale};

/// How a value between voxels comes of the voxels around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// The nearest voxel's; half-way between two, that of the one with the higher index. For labels.
    Nearest,
    /// Of the eight voxels around it. When shrinking, voxels between the samples are skipped.
    Linear,
    /// A cubic B-spline through the voxels: smoother, and it may overshoot.
    Cubic,
    /// The mean over the output's voxel along axes on which voxels get larger, so that every source voxel
    /// counts; along other axes, and under maps that do not run along the axes, as [`Linear`](Self::Linear).
    Area,
}

/// What becomes of interpolated values: `low_hu..=high_hu` maps linearly onto `low..=high`, and values
/// beyond are clamped.
///
/// `low` may be above `high`, which inverts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intensity {
    /// The source value that becomes `low`; values below it do as well.
    pub low_hu: f32,
    /// The source value that becomes `high`; values above it do as well. More than `low_hu`.
    pub high_hu: f32,
    /// What `low_hu` becomes.
    pub low: f32,
    /// What `high_hu` becomes.
    pub high: f32,
    /// What the output holds outside of the source, in the output's units and not clamped.
    pub outside: f32,
}

impl Intensity {
    /// Values as they are in the source, and `outside` outside of it.
    pub const fn unchanged(outside: f32) -> Self {
        Self { low_hu: f32::MIN, high_hu: f32::MAX, low: f32::MIN, high: f32::MAX, outside }
    }
}

/// What becomes of interpolated values: `value * scale + offset`, cut off at `least` and `most`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values {
    /// What a value is multiplied with.
    pub scale: f32,
    /// What is added then.
    pub offset: f32,
    /// The least the output holds inside of the source.
    pub least: f32,
    /// The most the output holds inside of the source.
    pub most: f32,
    /// What the output holds outside of the source: padding. It is taken as it is.
    pub outside: f32,
}

impl Values {
    /// As they are in the source.
    pub const fn unchanged(outside: f32) -> Self {
        Self { scale: 1.0, offset: 0.0, least: f32::MIN, most: f32::MAX, outside }
    }

    /// Distances from `mean` in standard deviations (z-scores) of values that are cut off at `low` and
    /// `high` first. `outside` is in the output's units.
    ///
    /// # Panics
    ///
    /// If the deviation is not above 0 or `low` is above `high`: the caller's mistake.
    pub fn z_score(mean: f32, deviation: f32, low: f32, high: f32, outside: f32) -> Self {
        assert!(deviation > 0.0 && low <= high, "deviation {deviation}, cut off at {low} and {high}");
        let scale = 1.0 / f64::from(deviation);
        let offset = -f64::from(mean) * scale;
        let at = |value: f32| (f64::from(value) * scale + offset) as f32;
        Self { scale: scale as f32, offset: offset as f32, least: at(low), most: at(high), outside }
    }

    /// The same for a source that holds stored values, of which `stored * slope + intercept` are the ones
    /// that this was made for.
    pub fn of_stored(self, slope: f32, intercept: f32) -> Self {
        let scale = f64::from(self.scale) * f64::from(slope);
        let offset = f64::from(intercept) * f64::from(self.scale) + f64::from(self.offset);
        Self { scale: scale as f32, offset: offset as f32, ..self }
    }

    fn finish<O: Real>(self) -> Scale<O> {
        let Self { scale, offset, least, most, outside } = self;
        Scale { scale, offset, least, most, outside: O::from_f32(outside) }
    }
}

impl From<Intensity> for Values {
    /// # Panics
    ///
    /// If the window is empty or not a number: the caller's mistake.
    fn from(Intensity { low_hu, high_hu, low, high, outside }: Intensity) -> Self {
        assert!(low_hu < high_hu, "the window from {low_hu} to {high_hu} is empty");
        let scale = (f64::from(high) - f64::from(low)) / (f64::from(high_hu) - f64::from(low_hu));
        let offset = (f64::from(low) - f64::from(low_hu) * scale) as f32;
        Self { scale: scale as f32, offset, least: low.min(high), most: low.max(high), outside }
    }
}

/// Voxels of a source: all of them, or the box of them that a slab of the output needs.
#[derive(Debug, Clone)]
pub struct Part<'a, T: Voxel> {
    voxels: Cow<'a, [T]>,
    shape: [usize; 3],
    at: [usize; 3],
    of: [usize; 3],
}

impl<'a, T: Voxel> Part<'a, T> {
    /// The box of `voxels` that begins with voxel `at` of a source of shape `of` (all `[k, j, i]`).
    ///
    /// # Panics
    ///
    /// If it reaches beyond the source: the caller's mistake.
    pub fn new(voxels: ArrayView3<'a, T>, at: [usize; 3], of: [usize; 3]) -> Self {
        let shape: [usize; 3] = voxels.dim().into();
        let fits = (0..3).all(|d| at[d].checked_add(shape[d]).is_some_and(|end| end <= of[d]));
        assert!(fits, "a part of {shape:?} voxels at {at:?} reaches beyond {of:?}");
        let voxels = match voxels.to_slice() {
            Some(voxels) => Cow::Borrowed(voxels),
            None => Cow::Owned(voxels.iter().copied().collect()),
        };
        Self { voxels, shape, at, of }
    }

    /// The voxels of a box of the source, of which it has all.
    fn within(&self, boxed: [Range<usize>; 3]) -> Part<'_, T> {
        let [k, j, i] = &boxed;
        let shape = boxed.each_ref().map(|range| range.len());
        let at = boxed.each_ref().map(|range| range.start);
        let voxels = if shape.contains(&0) {
            Cow::Owned(Vec::new())
        } else if shape[1..] == self.shape[1..] {
            let start = self.index([k.start, j.start, i.start]);
            Cow::Borrowed(&self.voxels[start..start + shape.iter().product::<usize>()])
        } else {
            let rows = k.clone().flat_map(|k| j.clone().map(move |j| (k, j)));
            Cow::Owned(rows.flat_map(|(k, j)| self.row(k, j, i)).copied().collect())
        };
        Part { voxels, shape, at, of: self.of }
    }

    /// Where voxel `[k, j, i]` of the source is among those of the part.
    #[inline]
    fn index(&self, voxel: [usize; 3]) -> usize {
        let [k, j, i]: [usize; 3] = std::array::from_fn(|d| voxel[d] - self.at[d]);
        (k * self.shape[1] + j) * self.shape[2] + i
    }

    /// The voxels of one row of the source.
    #[inline]
    fn row(&self, k: usize, j: usize, columns: &Range<usize>) -> &[T] {
        let row = (k - self.at[0]) * self.shape[1] + (j - self.at[1]);
        let start = row * self.shape[2] + columns.start.saturating_sub(self.at[2]);
        &self.voxels[start..start + columns.len()]
    }

    /// The voxels of several rows of the source, of all of the part's columns.
    #[inline]
    fn rows(&self, k: usize, rows: Range<usize>, columns: &Range<usize>) -> &[T] {
        debug_assert_eq!(columns.len(), self.shape[2]);
        let start = self.index([k, rows.start, columns.start]);
        &self.voxels[start..start + rows.len() * columns.len()]
    }
}

impl<'a, T: Voxel> From<ArrayView3<'a, T>> for Part<'a, T> {
    /// All of a source.
    fn from(voxels: ArrayView3<'a, T>) -> Self {
        let of = voxels.dim().into();
        Self::new(voxels, [0; 3], of)
    }
}

/// Where the output goes: `slices` of an output of `shape`.
struct Target<'a, O> {
    shape: [usize; 3],
    slices: Range<usize>,
    voxels: &'a mut [O],
    /// Whether to write around the caches: for memory that was touched before.
    past_caches: bool,
}

/// A volume onto another grid and another scale: everything between what is stored and what a network
/// is given, in one pass and without a volume in between.
///
/// The order and the directions of the output's axes are in the map, and padding is a map that leads
/// outside of the source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The output's shape, `[k, j, i]`.
    pub shape: [usize; 3],
    /// From each voxel of the output to a place in the source. One that is not finite leads outside.
    pub map: IndexMap,
    /// How values between voxels are made.
    pub interpolation: Interpolation,
    /// What becomes of them.
    pub values: Values,
}

impl Sampling {
    /// The whole output, of `f32` or `f16`, from a whole source. Voxels are expected to be finite.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn volume<T: Voxel, O: Real>(
        &self,
        device: &Device,
        source: ArrayView3<'_, T>,
    ) -> Result<Array3<O>, Error> {
        if self.interpolation == Interpolation::Cubic {
            return spline::resample(device, source, self.shape, &self.map, self.values);
        }
        let mut out = blank(self.shape)?;
        let voxels = out.as_slice_mut().expect("made in standard layout");
        self.make(device, O::KIND, &source.into(), 0..self.shape[0], voxels, false, self.values.finish())?;
        Ok(out)
    }

    /// `slices` of the output onto `to`, from the whole source or from [`Self::source_of`] them: the same
    /// bits as in the whole output (of a cubic spline, the same but for rounding).
    ///
    /// Memory that was used before is faster than the fresh memory of [`Self::volume`], which the
    /// operating system has to clear.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if the device has no room.
    ///
    /// # Panics
    ///
    /// If `to` has not the shape of those slices or is not in standard layout, or `source` has not all
    /// that they need: mistakes of the caller.
    pub fn slab<T: Voxel, O: Real>(
        &self,
        device: &Device,
        source: &Part<'_, T>,
        slices: Range<usize>,
        mut to: ArrayViewMut3<'_, O>,
    ) -> Result<(), Error> {
        let [_, rows, columns] = self.shape;
        assert!(slices.end <= self.shape[0], "slices {slices:?} of {}", self.shape[0]);
        assert_eq!(to.dim(), (slices.len(), rows, columns), "the shape of slices {slices:?}");
        let needed = self.source_of(source.of, slices.clone());
        let has =
            |d: usize| source.at[d] <= needed[d].start && needed[d].end <= source.at[d] + source.shape[d];
        assert!(
            needed.iter().all(Range::is_empty) || (0..3).all(has),
            "the source has not all of {needed:?}"
        );
        if self.interpolation == Interpolation::Cubic {
            let Part { voxels, shape, at, of } = source;
            let extent = Extent { shape: *shape, at: *at, of: *of };
            let (_, map) = self.of_slices(&slices);
            return spline::resample_part(device, voxels, extent, to, &map, self.values);
        }
        let voxels = to.as_slice_mut().expect("the caller's array in standard layout");
        self.make(device, O::KIND, source, slices, voxels, true, self.values.finish())
    }

    /// The whole output from a source that is on a device, where it stays.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if the device has no room, and [`Error::Driver`] or [`Error::Kernel`] if it failed.
    pub fn on_device<T: Stored, O: Real>(&self, source: &Volume<T>) -> Result<Volume<O>, Error> {
        if self.interpolation == Interpolation::Cubic {
            let made = spline::resample_on_device(source, self.shape, &self.map, self.values)?;
            return spline::rounded(made);
        }
        let extent = Extent { shape: source.shape(), at: [0; 3], of: source.shape() };
        let made = cuda::resample(self, O::KIND, &source.memory, extent, 0..self.shape[0])?;
        Ok(Volume::new(made, self.shape))
    }

    /// The box of voxels (`[k, j, i]`) of a source of shape `source` that `slices` of the output need;
    /// empty if they lie outside of it.
    pub fn source_of(&self, source: [usize; 3], slices: Range<usize>) -> [Range<usize>; 3] {
        let nothing = [0..0, 0..0, 0..0];
        if slices.is_empty() {
            return nothing;
        }
        if self.interpolation == Interpolation::Cubic {
            let (shape, map) = self.of_slices(&slices);
            return spline::source_of(&map, shape, source);
        }
        let boxed: [Range<usize>; 3] = match grid::along_axes(&self.map, self.shape) {
            Some(lines) => by_source_axis(lines, |axis, line| {
                let n = source[line.source_axis];
                let at = if axis == 0 { slices.clone() } else { 0..self.shape[axis] };
                self.axis(line, self.shape[axis], n).source(at, n)
            }),
            None => oblique::source_of(&self.map, self.shape, source, slices),
        };
        if boxed.iter().any(Range::is_empty) { nothing } else { boxed }
    }

    /// Shape and map of an output that is only these slices.
    fn of_slices(&self, slices: &Range<usize>) -> ([usize; 3], IndexMap) {
        let map = self.map.map(|[i, j, k, start]| [i, j, k, start + k * slices.start as f64]);
        ([slices.len(), self.shape[1], self.shape[2]], map)
    }

    /// What to blend along one axis of the source.
    fn axis(&self, line: Line, shape: usize, n: usize) -> Axis {
        match self.interpolation {
            Interpolation::Nearest => line.nearest(shape, n),
            Interpolation::Area => line.area(shape, n),
            _ => line.linear(shape, n),
        }
    }

    fn is_nearest(&self) -> bool {
        self.interpolation == Interpolation::Nearest
    }

    /// `slices` of the output onto `to`, on either device.
    #[expect(clippy::too_many_arguments, reason = "what and where to, each once")]
    fn make<T: Voxel, F: Finish>(
        &self,
        device: &Device,
        kind: Kind,
        source: &Part<'_, T>,
        slices: Range<usize>,
        voxels: &mut [F::Out],
        past_caches: bool,
        finish: F,
    ) -> Result<(), Error> {
        match device {
            Device::Cpu => {
                let to = Target { shape: self.shape, slices, voxels, past_caches };
                self.onto_at(Level::best(), to, source, finish);
                Ok(())
            }
            Device::Cuda(gpu) => match kind {
                Kind::Single => {
                    cuda::stream(gpu, self, kind, source, slices, cuda::bits_mut::<_, f32>(voxels))
                }
                Kind::Half => {
                    cuda::stream(gpu, self, kind, source, slices, cuda::bits_mut::<_, half::f16>(voxels))
                }
                Kind::Mask => cuda::stream(gpu, self, kind, source, slices, cuda::bits_mut::<_, u8>(voxels)),
            },
        }
    }

    fn onto_at<T: Voxel, F: Finish>(
        &self,
        level: Level,
        to: Target<'_, F::Out>,
        source: &Part<'_, T>,
        finish: F,
    ) {
        match grid::along_axes(&self.map, self.shape) {
            Some(lines) => {
                let order = lines.map(|line| line.source_axis);
                let axes = by_source_axis(lines, |axis, line| {
                    self.axis(line, self.shape[axis], source.of[line.source_axis])
                });
                aligned::resample(level, to, source, &axes, order, finish);
            }
            None => oblique::resample(level, to, source, &self.map, self.interpolation, finish),
        }
    }
}

/// `source` trilinearly interpolated where `map` leads from each voxel of an array of `shape`
/// (`[k, j, i]`), windowed and padded.
///
/// A map that is not finite leads outside. Voxels are expected to be finite.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If the window of `intensity` is empty or not a number: the caller's mistake.
pub fn resample<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    intensity: Intensity,
) -> Result<Array3<f32>, Error> {
    let sampling =
        Sampling { shape, map: *map, interpolation: Interpolation::Linear, values: intensity.into() };
    sampling.volume(device, source)
}

/// Whether `source`, trilinearly interpolated where `map` leads from each voxel of an array of `shape`
/// (`[k, j, i]`), is above `threshold`; outside of the source it is not.
///
/// For probabilities, and for masks that are to keep a smooth outline (`true` is 1, so 0.5 is the
/// threshold that keeps their volume).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn resample_mask<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    threshold: f32,
) -> Result<Array3<bool>, Error> {
    let mut out = blank(shape)?;
    let voxels = out.as_slice_mut().expect("made in standard layout");
    let sampling = above(shape, map, threshold);
    sampling.make(device, Kind::Mask, &source.into(), 0..shape[0], voxels, false, Above(threshold))?;
    Ok(out)
}

/// The voxel of `source` nearest to where `map` leads from each voxel of an array of `shape`
/// (`[k, j, i]`), and `outside` outside of the source. For labels.
///
/// Half-way between two voxels the one with the higher index is taken.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn resample_nearest<T: Voxel>(
    device: &Device,
    source: ArrayView3<'_, T>,
    shape: [usize; 3],
    map: &IndexMap,
    outside: T,
) -> Result<Array3<T>, Error> {
    let mut out = blank(shape)?;
    let source = Part::from(source);
    let to = out.as_slice_mut().expect("made in standard layout");
    match (device, size_of::<T>()) {
        (Device::Cpu, _) => nearest::resample(out.view_mut(), &source, map, outside),
        (Device::Cuda(gpu), 1) => cuda::nearest_through::<T, u8>(gpu, &source, shape, map, outside, to)?,
        (Device::Cuda(gpu), 2) => cuda::nearest_through::<T, u16>(gpu, &source, shape, map, outside, to)?,
        (Device::Cuda(gpu), _) => cuda::nearest_through::<T, u32>(gpu, &source, shape, map, outside, to)?,
    }
    Ok(out)
}

/// [`resample_mask`] of a volume that is on a device, where it stays: 0 and 1.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the device has no room, and [`Error::Driver`] or [`Error::Kernel`] if it failed.
pub fn resample_mask_on_device<T: Stored>(
    source: &Volume<T>,
    shape: [usize; 3],
    map: &IndexMap,
    threshold: f32,
) -> Result<Volume<u8>, Error> {
    let extent = Extent { shape: source.shape(), at: [0; 3], of: source.shape() };
    let sampling = above(shape, map, threshold);
    let made = cuda::resample(&sampling, Kind::Mask, &source.memory, extent, 0..shape[0])?;
    Ok(Volume::new(made, shape))
}

/// [`resample_nearest`] of a volume that is on a device, where it stays.
///
/// # Errors
///
/// As [`resample_mask_on_device`].
pub fn resample_nearest_on_device<T: Element + Voxel>(
    source: &Volume<T>,
    shape: [usize; 3],
    map: &IndexMap,
    outside: T,
) -> Result<Volume<T>, Error> {
    let made = cuda::nearest(&source.memory, source.shape(), shape, map, outside)?;
    Ok(Volume::new(made, shape))
}

/// A mask's sampling, whose kernel has the threshold where others have the least value.
fn above(shape: [usize; 3], map: &IndexMap, threshold: f32) -> Sampling {
    let values = Values { least: threshold, ..Values::unchanged(0.0) };
    Sampling { shape, map: *map, interpolation: Interpolation::Linear, values }
}

/// `of` each line and its output axis, in the order of the source's axes.
fn by_source_axis<R>(lines: [Line; 3], of: impl Fn(usize, Line) -> R) -> [R; 3] {
    std::array::from_fn(|source_axis| {
        let axis = lines.iter().position(|line| line.source_axis == source_axis);
        let axis = axis.expect("the lines follow all three axes");
        of(axis, lines[axis])
    })
}
