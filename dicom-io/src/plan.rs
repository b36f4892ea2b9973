//! Which images of a series are the slices of its volume, in which order, and why there is no volume.
//!
//! All of it is decided from headers, so that `foci inspect` and [`Series::read`](crate::Series::read)
//! cannot disagree. Distances are judged in [`crate::spacing`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::Error;
use crate::geometry::{Geometry, Lps, Spacing};
use crate::instance::{Frame, Instance, KEYS, Rescale};
use crate::pixels;
use crate::scan::Series;
use crate::spacing::{self, Stack};
use crate::uid::Uid;
use crate::warning::Warning;

/// A volume needs this many slices: two have a distance that no third one confirms.
pub const MIN_SLICES: usize = 3;

/// A volume may have this many voxels, 2 GiB as `i16`: 512 x 512 x 4096.
pub const MAX_VOXELS: usize = 1 << 30;

/// Direction cosines may differ by this much within one stack: five digits are written at least.
const PARALLEL: f64 = 1e-3;

/// Pixel Spacing may differ by this share within one stack, which is a tenth of a pixel over 1000 of them.
const SAME_SPACING: f64 = 1e-4;

/// Images that stand across all others count as localizers up to this many, even if Image Type does not
/// call them so: scanners make one to three.
const MOST_LOCALIZERS: usize = 3;

/// Keys that tell when an image was made. Images that differ in nothing else may still be the same.
const TIMES: [&str; 3] = ["Trigger Time", "Acquisition Time", "Content Time"];

/// One image of a series.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice<'a> {
    pub(crate) instance: &'a Instance,
    /// Which frame of it, 0-based.
    pub(crate) index: usize,
    pub(crate) frame: &'a Frame,
}

/// How a series becomes a volume.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// In the order of k.
    pub(crate) slices: Vec<Slice<'a>>,
    /// Images left out because they are expected to have the same values as slice k.
    pub(crate) twins: Vec<(usize, Slice<'a>)>,
    pub(crate) geometry: Geometry,
    pub(crate) shape: [usize; 3],
    pub(crate) warnings: Vec<Warning>,
    /// Values are taken as stored, not rescaled.
    pub(crate) stored_values: bool,
}

impl<'a> Plan<'a> {
    /// The plan for `series`.
    ///
    /// # Errors
    ///
    /// Every reason why a series is no volume that its headers show.
    pub(crate) fn of(series: &'a Series) -> Result<Self, Error> {
        let uid = &series.uid;
        let mut warnings = Vec::new();
        let (instances, copies) = originals(series)?;
        let slices = instances.iter().flat_map(|instance| slices_of(instance)).collect();
        let slices = without_localizers(slices, &mut warnings);
        same(uid, "Modality", &slices, |s| &s.instance.modality)?;
        same(uid, "Patient ID", &slices, |s| s.instance.patient.as_ref())?;
        let frameless = instances.iter().copied().filter(|instance| instance.frames.is_empty());
        for instance in kept(&slices).into_iter().chain(frameless) {
            pixels::check(series, instance)?;
        }
        let placed = placed(uid, &slices)?;
        let (slices, placed) = parallel(uid, slices, placed, &mut warnings)?;
        let format = |s: &Slice<'a>| (s.instance.format.rows, s.instance.format.columns);
        same(uid, "Rows and Columns", &slices, format)?;
        if placed.iter().any(|p| !p.is_spaced_like(&placed[0])) {
            same(uid, "Pixel Spacing", &placed, |p| p.pixel_spacing.map(f64::to_bits))?;
        }
        same(uid, "Frame of Reference UID", &slices, |s| s.instance.frame_of_reference.as_ref())?;
        if slices[0].instance.frame_of_reference.is_none() {
            warnings.push(Warning::NoFrameOfReference);
        }

        let normal = placed[0].normal();
        let heights = spacing::heights(&positions(&placed), normal);
        let places = spacing::places(&heights);
        let repeated = repeated(uid, &slices, &placed, &places)?;
        if repeated > 0 {
            warnings.push(Warning::RepeatedSlices { images: repeated });
        }
        let order: Vec<usize> = places.iter().map(|place| place[0]).collect();
        let stack =
            even(uid, &order, &placed).map_err(|error| several(uid, &slices, &placed).unwrap_or(error))?;
        if let Some(worst_mm) = stack.uneven_mm {
            warnings.push(Warning::SlightlyUneven { worst_mm, spacing_mm: stack.spacing_mm });
        }
        if let Some(worst_mm) = stack.shifted_mm {
            warnings.push(Warning::SlightlyShifted { worst_mm });
        }

        let (rows, columns) = format(&slices[0]);
        let shape = [order.len(), usize::from(rows), usize::from(columns)];
        let voxels = shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n));
        if voxels.is_none_or(|voxels| voxels > MAX_VOXELS) {
            return Err(Error::TooLarge { series_uid: uid.clone(), limit: MAX_VOXELS });
        }
        let [row, column] = placed[0].pixel_spacing;
        let spacing = Spacing { i: column, j: row, k: stack.spacing_mm };
        let [along_row, along_column] = placed[0].axes;
        let origin = placed[order[0]].position;
        let geometry = Geometry::new(origin, [along_row, along_column, normal], spacing)
            .ok_or_else(|| no_position(uid, "Image Orientation (Patient)", slices.len()))?;

        let mut twins: Vec<(usize, Slice<'a>)> = Vec::new();
        for (k, place) in places.iter().enumerate() {
            twins.extend(place[1..].iter().map(|index| (k, slices[*index])));
        }
        let slices: Vec<Slice<'a>> = order.iter().map(|index| slices[*index]).collect();
        let copied = copy_twins(&slices, &copies);
        if !copies.is_empty() {
            warnings.push(Warning::CopiesLeftOut { images: copies.len() });
        }
        twins.extend(copied);
        let stored_values = values(series, &slices, &mut warnings)?;
        Ok(Self { slices, twins, geometry, shape, warnings, stored_values })
    }
}

/// The instances without those that have the UID of an earlier one, and these.
fn originals(series: &Series) -> Result<(Vec<&Instance>, Vec<&Instance>), Error> {
    let mut first: HashMap<&Uid, &Instance> = HashMap::new();
    let (mut originals, mut copies) = (Vec::new(), Vec::new());
    for instance in &series.instances {
        match first.get(&instance.sop_instance_uid) {
            None => {
                first.insert(&instance.sop_instance_uid, instance);
                originals.push(instance);
            }
            Some(original) if original.frames == instance.frames && original.broken == instance.broken => {
                copies.push(instance);
            }
            Some(_) => {
                return Err(Error::Damaged {
                    sop_instance_uid: instance.sop_instance_uid.clone(),
                    cause: "two files with this UID differ",
                });
            }
        }
    }
    Ok((originals, copies))
}

fn slices_of(instance: &Instance) -> impl Iterator<Item = Slice<'_>> {
    instance.frames.iter().enumerate().map(move |(index, frame)| Slice { instance, index, frame })
}

/// The copies of images that became slices, with the slice's number.
fn copy_twins<'a>(slices: &[Slice<'a>], copies: &[&'a Instance]) -> Vec<(usize, Slice<'a>)> {
    let number: HashMap<(&Uid, usize), usize> =
        slices.iter().enumerate().map(|(k, s)| ((&s.instance.sop_instance_uid, s.index), k)).collect();
    let of = |s: Slice<'a>| number.get(&(&s.instance.sop_instance_uid, s.index)).map(|k| (*k, s));
    copies.iter().flat_map(|copy| slices_of(copy)).filter_map(of).collect()
}

/// Leaves out what Image Type calls a localizer, unless nothing else is there.
fn without_localizers<'a>(slices: Vec<Slice<'a>>, warnings: &mut Vec<Warning>) -> Vec<Slice<'a>> {
    let images = slices.iter().filter(|s| s.frame.localizer).count();
    if images == 0 || images == slices.len() {
        return slices;
    }
    warnings.push(Warning::LocalizersLeftOut { images });
    slices.into_iter().filter(|s| !s.frame.localizer).collect()
}

/// The instances that `slices` belong to, each once.
fn kept<'a>(slices: &[Slice<'a>]) -> Vec<&'a Instance> {
    let mut instances: Vec<&'a Instance> = slices.iter().map(|s| s.instance).collect();
    instances.dedup_by(|a, b| std::ptr::eq(*a, *b));
    instances
}

/// Refuses a series whose images differ in what `of` returns.
fn same<'i, T, V: Ord>(
    series: &Uid,
    attribute: &'static str,
    images: &'i [T],
    of: impl Fn(&'i T) -> V,
) -> Result<(), Error> {
    let values = images.iter().map(of).collect::<BTreeSet<V>>().len();
    if values > 1 {
        return Err(Error::Differs { series_uid: series.clone(), attribute, values });
    }
    Ok(())
}

/// Where one image lies.
#[derive(Debug, Clone, Copy)]
struct Placed {
    position: Lps,
    /// Unit vectors along a row and along a column.
    axes: [[f64; 3]; 2],
    pixel_spacing: [f64; 2],
}

impl Placed {
    fn normal(&self) -> [f64; 3] {
        let [r, c] = self.axes;
        unit([r[1] * c[2] - r[2] * c[1], r[2] * c[0] - r[0] * c[2], r[0] * c[1] - r[1] * c[0]])
    }

    fn is_spaced_like(&self, other: &Self) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= SAME_SPACING * b;
        self.pixel_spacing.iter().zip(other.pixel_spacing).all(|(a, b)| near(*a, b))
    }

    fn is_parallel(&self, other: &Self) -> bool {
        let near = |a: f64, b: f64| (a - b).abs() <= PARALLEL;
        self.axes.as_flattened().iter().zip(other.axes.as_flattened()).all(|(a, b)| near(*a, *b))
    }
}

fn positions(placed: &[Placed]) -> Vec<Lps> {
    placed.iter().map(|p| p.position).collect()
}

fn no_position(series: &Uid, attribute: &'static str, images: usize) -> Error {
    Error::NoPosition { series_uid: series.clone(), attribute, images }
}

/// Where each image lies, if all of them say so.
fn placed(series: &Uid, slices: &[Slice<'_>]) -> Result<Vec<Placed>, Error> {
    let lacking =
        |attribute, lacks: &dyn Fn(&Frame) -> bool| match slices.iter().filter(|s| lacks(s.frame)).count() {
            0 => Ok(()),
            images => Err(no_position(series, attribute, images)),
        };
    lacking("Image Position (Patient)", &|f| f.position.is_none())?;
    lacking("Image Orientation (Patient)", &|f| f.orientation.and_then(axes).is_none())?;
    lacking("Pixel Spacing", &|f| f.pixel_spacing.is_none_or(|mm| mm.iter().any(|mm| *mm <= 0.0)))?;
    let place = |s: &Slice<'_>| {
        Some(Placed {
            position: s.frame.position?,
            axes: axes(s.frame.orientation?)?,
            pixel_spacing: s.frame.pixel_spacing?,
        })
    };
    Ok(slices.iter().filter_map(place).collect())
}

/// Row and column direction as unit vectors, if they are perpendicular and nearly of unit length.
fn axes([a, b, c, d, e, f]: [f64; 6]) -> Option<[[f64; 3]; 2]> {
    let axes = [[a, b, c], [d, e, f]];
    let spacing = Spacing { i: 1.0, j: 1.0, k: 1.0 };
    let placed = Placed { position: Lps::new(0.0, 0.0, 0.0), axes: axes.map(unit), pixel_spacing: [1.0; 2] };
    // `Geometry` judges length and angle.
    Geometry::new(placed.position, [axes[0], axes[1], placed.normal()], spacing)?;
    Some(placed.axes)
}

fn unit(v: [f64; 3]) -> [f64; 3] {
    let length = (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]).sqrt();
    v.map(|c| c / length)
}

/// The images that lie parallel to most, if the others are few and stand across.
fn parallel<'a>(
    series: &Uid,
    slices: Vec<Slice<'a>>,
    placed: Vec<Placed>,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Slice<'a>>, Vec<Placed>), Error> {
    let mut bundles: Vec<Vec<usize>> = Vec::new();
    for (index, place) in placed.iter().enumerate() {
        match bundles.iter_mut().find(|bundle| placed[bundle[0]].is_parallel(place)) {
            Some(bundle) => bundle.push(index),
            None => bundles.push(vec![index]),
        }
    }
    let Some(main) = bundles.iter().max_by_key(|bundle| bundle.len()) else {
        return Err(Error::TooFewSlices { series_uid: series.clone(), found: 0, needed: MIN_SLICES });
    };
    let others = slices.len() - main.len();
    if others > 0 {
        let normal = placed[main[0]].normal();
        let across = |p: &Placed| {
            let n = p.normal();
            (n[0] * normal[0] + n[1] * normal[1] + n[2] * normal[2]).abs() < 0.1
        };
        let crossing = (0..slices.len()).filter(|i| !main.contains(i)).all(|i| across(&placed[i]));
        if !crossing || others > MOST_LOCALIZERS || others * 10 > main.len() {
            return Err(Error::MixedOrientations { series_uid: series.clone(), orientations: bundles.len() });
        }
        warnings.push(Warning::LocalizersLeftOut { images: others });
    }
    Ok((main.iter().map(|i| slices[*i]).collect(), main.iter().map(|i| placed[*i]).collect()))
}

/// The even stack of the images `order`, from the lowest to the highest.
fn even(series: &Uid, order: &[usize], placed: &[Placed]) -> Result<Stack, Error> {
    if order.len() < MIN_SLICES {
        return Err(Error::TooFewSlices {
            series_uid: series.clone(),
            found: order.len(),
            needed: MIN_SLICES,
        });
    }
    let sorted: Vec<Placed> = order.iter().map(|index| placed[*index]).collect();
    let [row, column] = placed[0].pixel_spacing;
    spacing::stack(series, &positions(&sorted), placed[0].normal(), row.min(column))
}

/// How many images lie where another one lies and may be the same as it.
///
/// # Errors
///
/// [`Error::SeveralVolumes`] or [`Error::SamePlace`] if they are certainly not the same.
fn repeated(
    series: &Uid,
    slices: &[Slice<'_>],
    placed: &[Placed],
    places: &[Vec<usize>],
) -> Result<usize, Error> {
    let images = slices.len() - places.len();
    if images == 0 {
        return Ok(0);
    }
    if let Some(error) = several(series, slices, placed) {
        return Err(error);
    }
    let differs = |key: usize| {
        let value = |index: &usize| &slices[*index].frame.keys[key];
        places.iter().any(|place| place.iter().any(|index| value(index) != value(&place[0])))
    };
    let names = KEYS.iter().enumerate().filter(|(key, _)| differs(*key)).map(|(_, (name, _))| *name);
    let differ: Vec<&str> = names.filter(|name| !TIMES.contains(name)).collect();
    if differ.is_empty() {
        return Ok(images);
    }
    Err(Error::SamePlace { series_uid: series.clone(), images, differ: differ.join(", ") })
}

/// The error for a series that one attribute splits into stacks that are volumes each.
fn several(series: &Uid, slices: &[Slice<'_>], placed: &[Placed]) -> Option<Error> {
    let normal = placed[0].normal();
    let is_volume = |group: &Vec<usize>| {
        let group: Vec<Placed> = group.iter().map(|index| placed[*index]).collect();
        let places = spacing::places(&spacing::heights(&positions(&group), normal));
        let order: Vec<usize> = places.iter().map(|place| place[0]).collect();
        places.len() == group.len() && even(series, &order, &group).is_ok()
    };
    let split = |key: usize| {
        let mut groups: BTreeMap<&Option<String>, Vec<usize>> = BTreeMap::new();
        for (index, slice) in slices.iter().enumerate() {
            groups.entry(&slice.frame.keys[key]).or_default().push(index);
        }
        (groups.len() > 1 && groups.values().all(is_volume)).then_some(groups.len())
    };
    KEYS.iter().enumerate().find_map(|(key, (attribute, _))| {
        let groups = split(key)?;
        Some(Error::SeveralVolumes { series_uid: series.clone(), attribute, groups })
    })
}

/// Whether values are taken as stored: outside CT they have no unit, and one scale for all changes
/// nothing that a network or a measurement depends on, but rounding would.
fn values(series: &Series, slices: &[Slice<'_>], warnings: &mut Vec<Warning>) -> Result<bool, Error> {
    if slices.iter().any(|s| pixels::is_lossy(s.instance)) {
        warnings.push(Warning::LossyCompression);
    }
    if slices.iter().any(|s| s.instance.format.photometric == "MONOCHROME1") {
        warnings.push(Warning::Monochrome1);
    }
    let scale = slices[0].frame.rescale;
    if series.modality != "CT" {
        if slices.iter().any(|s| s.frame.rescale != scale) {
            return Err(Error::NotAVolume {
                series_uid: series.uid.clone(),
                cause: "its slices are scaled differently, which is understood for CT only".to_owned(),
            });
        }
        if scale != Rescale::Absent && scale != (Rescale::Linear { slope: 1.0, intercept: 0.0 }) {
            warnings.push(Warning::StoredValues);
        }
        return Ok(true);
    }
    for slice in slices {
        let error =
            |cause| Err(Error::Rescale { sop_instance_uid: slice.instance.sop_instance_uid.clone(), cause });
        match slice.frame.rescale {
            Rescale::Linear { .. } => {}
            Rescale::Absent => return error("a CT image without Rescale Slope and Intercept"),
            Rescale::Invalid => return error("Rescale Slope is zero, or slope or intercept is no number"),
        }
    }
    let types: BTreeSet<&str> = slices.iter().filter_map(|s| s.frame.rescale_type.as_deref()).collect();
    for found in types.into_iter().filter(|found| *found != "HU") {
        // Defined terms for other quantities than HU (PS3.3 C.11.1.1.2); US is "unspecified".
        if ["OD", "MGML", "Z_EFF", "ED", "EDW", "PCT"].contains(&found) {
            return Err(Error::NotAVolume {
                series_uid: series.uid.clone(),
                cause: format!("its values are {found}, not Hounsfield units"),
            });
        }
        warnings.push(Warning::RescaleType { found: found.to_owned() });
    }
    Ok(false)
}
