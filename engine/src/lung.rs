//! The lungs, and the outlines of nodules in them.

use dicom_io::{Lps, Volume};
use kernels::bits::Bits;
use kernels::components::{Component, components_in_bits};
use kernels::{Device, Error, Neighbours};
use ndarray::{Array3, ArrayView3};

use crate::finding::{Mask, Side};
use crate::grid::Grid;
use crate::part::{cut, part_at, sample};

/// A part of the air inside the body smaller than this is no lung (bowel gas, trachea alone), ml.
const SMALLEST_LUNG_ML: f64 = 150.0;

/// Hollows of the lung's surface narrower than twice this belong to it: vessels, and nodules at the
/// pleura, mm.
const CLOSING_MM: f64 = 12.0;

/// Erosion that parts the lungs where they touch in front of the aorta or through the bronchi, mm.
const PARTING_MM: f64 = 4.5;

/// The centres of two lungs lie at least this far apart across the body, mm.
const LEAST_APART_MM: f64 = 50.0;

/// How far from a lung's core a finding may lie and still be said to be on that side, mm.
const SIDE_REACH_MM: f64 = 40.0;

/// The lungs on the grid of a tensor.
pub(crate) struct Lungs {
    /// Lung with the nodules in it and at its border.
    pub(crate) mask: Bits,
    /// Air and lung tissue alone, ml.
    pub(crate) volume_ml: f64,
    /// Where they lie.
    grid: Grid,
    /// The core of each lung by the patient's side, where the two could be told apart.
    cores: Vec<(Side, Bits)>,
}

impl Lungs {
    /// Finds the lungs on `grid`, where `dark` holds the voxels as dark as air or lung. `None` if there is no
    /// air inside the body worth the name.
    pub(crate) fn find(device: &Device, dark: &Bits, grid: Grid) -> Result<Option<Self>, Error> {
        let ml = grid.geometry.voxel_mm3() / 1000.0;
        let parts = components_in_bits(device, dark, Neighbours::Six)?;
        // Air that reaches a border of the image at the patient's side, front or back is outside of the
        // body. Air at the first or last slice may well be lung.
        let [i, j, k] = grid.geometry.axes();
        let across: Vec<usize> = (0..3).filter(|&a| [k, j, i][a][2].abs() < 0.5).collect();
        let is_lung = |part: &Component| {
            let outside = across.iter().any(|&a| part.start[a] == 0 || part.end[a] == grid.shape[a]);
            !outside && part.voxels as f64 * ml >= SMALLEST_LUNG_ML
        };
        let voxels: usize = parts.list().iter().filter(|part| is_lung(part)).map(|part| part.voxels).sum();
        if voxels == 0 {
            return Ok(None);
        }
        let air = parts.bits(is_lung)?;
        let cores = cores(device, air.clone(), &grid)?;
        let mask = air.closed_by_ball(device, grid.geometry.spacing().to_array(), CLOSING_MM)?;
        Ok(Some(Self { mask, volume_ml: voxels as f64 * ml, grid, cores }))
    }

    /// The side on which `place` lies; `None` where the lungs could not be told apart or both are far.
    pub(crate) fn side(&self, place: Lps) -> Option<Side> {
        let at = self.grid.geometry.to_ijk(place).to_array();
        let spacing = self.grid.geometry.spacing().to_array();
        let reach: [f64; 3] = std::array::from_fn(|a| SIDE_REACH_MM / spacing[a]);
        let range = |a: usize, length: usize| {
            let low = (at[a] - reach[a]).max(0.0) as usize;
            let high = (at[a] + reach[a] + 1.0).clamp(0.0, length as f64) as usize;
            low.min(high)..high
        };
        let shape = self.grid.shape;
        let mut nearest: Option<(f64, Side)> = None;
        for (side, core) in &self.cores {
            for k in range(2, shape[0]) {
                for j in range(1, shape[1]) {
                    for i in range(0, shape[2]) {
                        if !core.contains([k, j, i]) {
                            continue;
                        }
                        let offset = [i as f64 - at[0], j as f64 - at[1], k as f64 - at[2]];
                        let distance = (0..3).map(|a| (offset[a] * spacing[a]).powi(2)).sum::<f64>();
                        if nearest.is_none_or(|(least, _)| distance < least) {
                            nearest = Some((distance, *side));
                        }
                    }
                }
            }
        }
        nearest.filter(|(distance, _)| *distance <= SIDE_REACH_MM.powi(2)).map(|(_, side)| side)
    }
}

/// The two largest parts of the eroded lungs, by side; empty unless there are two of comparable size
/// that lie beside each other.
fn cores(device: &Device, air: Bits, grid: &Grid) -> Result<Vec<(Side, Bits)>, Error> {
    let eroded = air.eroded_by_ball(device, grid.geometry.spacing().to_array(), PARTING_MM)?;
    let parts = components_in_bits(device, &eroded, Neighbours::Six)?;
    let mut order: Vec<_> = parts.list().iter().collect();
    order.sort_by_key(|part| std::cmp::Reverse(part.voxels));
    let (first, second) = match order[..] {
        [first, second, ..] if second.voxels * 6 > first.voxels => (first, second),
        _ => return Ok(Vec::new()),
    };
    let towards_left = |part: &Component| grid.geometry.to_lps(part.centroid.into()).l;
    // Lungs lie side by side; parts above each other are something else.
    if (towards_left(first) - towards_left(second)).abs() < LEAST_APART_MM {
        return Ok(Vec::new());
    }
    let (right, left) =
        if towards_left(first) < towards_left(second) { (first, second) } else { (second, first) };
    let only = |wanted: u32| parts.bits(|part| part.label == wanted);
    Ok(vec![(Side::Right, only(right.label)?), (Side::Left, only(left.label)?)])
}

/// Network probability below which a voxel is outside of a nodule whatever its density.
const OUTSIDE_PROBABILITY: f32 = 0.25;

/// Lung tissue, for the half-way density, where a nodule's surroundings hold no lung to measure, HU.
const LUNG_HU: f64 = -850.0;

/// The voxels of the nodule at `centre`, `diameter_mm` across as the network estimates it, on the source
/// grid; `None` if there are none.
///
/// The network's mask says which neighbourhood belongs to the nodule (and not to a vessel or the chest
/// wall); within it the border runs where the density is half-way between the nodule's core and the lung
/// around it, as it does for a blurred sphere.
///
/// `probability` is the network's mask on `grid`.
pub(crate) fn outline_nodule(
    device: &Device,
    volume: &Volume<i16>,
    probability: ArrayView3<'_, f32>,
    grid: &Grid,
    centre: Lps,
    diameter_mm: f64,
) -> Result<Option<Mask>, Error> {
    let reach = 0.9 * diameter_mm + 6.0;
    let Some((corner, shape)) = box_around(volume, centre, reach) else { return Ok(None) };
    let inside = sample(device, probability, grid, &volume.geometry, corner, shape)?;
    let hu = volume.voxels.slice(cut(corner, shape));

    let seed = volume.geometry.to_ijk(centre).to_array();
    let spacing = volume.geometry.spacing().to_array();
    let from_centre = |at: (usize, usize, usize)| {
        let at = [(at.2 + corner[2]) as f64, (at.1 + corner[1]) as f64, (at.0 + corner[0]) as f64];
        (0..3).map(|a| ((at[a] - seed[a]) * spacing[a]).powi(2)).sum::<f64>().sqrt()
    };

    // The densest half of the voxels that the network is sure of is the core: a sure mask may still
    // hold partial volume at its rim.
    let mut sure: Vec<i16> = hu.iter().zip(&inside).filter(|(_, p)| **p > 0.5).map(|(hu, _)| *hu).collect();
    if sure.is_empty() {
        sure = hu
            .indexed_iter()
            .filter(|(at, _)| from_centre(*at) <= (0.35 * diameter_mm).max(spacing[0]))
            .map(|(_, hu)| *hu)
            .collect();
    }
    let Some(core) = quantile(&mut sure, 0.7) else { return Ok(None) };
    let mut around: Vec<i16> =
        hu.iter().zip(&inside).filter(|(hu, p)| **p < 0.05 && **hu < -500).map(|(hu, _)| *hu).collect();
    let lung = quantile(&mut around, 0.5).unwrap_or(LUNG_HU);
    let border = (core + lung.min(core - 100.0)) / 2.0;

    let voxels =
        Array3::from_shape_fn(shape, |at| f64::from(hu[at]) > border && inside[at] > OUTSIDE_PROBABILITY);
    let mut kept = part_at(device, &Bits::of(voxels.view())?, from_centre, diameter_mm / 2.0)?;
    if kept.is_none() {
        // Nothing dense where the network is: believe the network's own mask.
        let voxels = Bits::above(device, inside.view(), 0.5)?;
        kept = part_at(device, &voxels, from_centre, diameter_mm)?;
    }
    kept.map_or(Ok(None), |voxels| Mask::of(corner, &voxels))
}

/// The box of the source grid within `reach` mm of `centre`; `None` if it lies outside of the volume.
fn box_around(volume: &Volume<i16>, centre: Lps, reach: f64) -> Option<([usize; 3], [usize; 3])> {
    let at = volume.geometry.to_ijk(centre).to_array();
    let spacing = volume.geometry.spacing().to_array();
    let full = volume.shape();
    let mut corner = [0; 3];
    let mut shape = [0; 3];
    for array_axis in 0..3 {
        let a = 2 - array_axis;
        let low = (at[a] - reach / spacing[a]).floor().max(0.0);
        let high = (at[a] + reach / spacing[a]).ceil().min(full[array_axis] as f64 - 1.0);
        if low > high {
            return None;
        }
        corner[array_axis] = low as usize;
        shape[array_axis] = (high - low) as usize + 1;
    }
    Some((corner, shape))
}

/// The value below which the share `q` of `values` lies; `None` if there are none.
fn quantile(values: &mut [i16], q: f64) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let at = ((values.len() - 1) as f64 * q).round() as usize;
    Some(f64::from(*values.select_nth_unstable(at).1))
}

#[cfg(test)]
mod tests {
    use dicom_io::{Geometry, Ijk, Spacing};

    use super::*;
    use crate::measure::measure;

    const AXES: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    /// A grid of `shape` from (-110, -60, 0), `mm` wide voxels.
    fn grid(shape: [usize; 3], mm: f64) -> Grid {
        let spacing = Spacing { i: mm, j: mm, k: mm };
        let geometry = Geometry::new(Lps::new(-110.0, -60.0, 0.0), AXES, spacing).unwrap();
        Grid { geometry, shape }
    }

    fn within(place: Lps, centre: [f64; 3], half: [f64; 3]) -> bool {
        let place = place.to_array();
        (0..3).map(|d| ((place[d] - centre[d]) / half[d]).powi(2)).sum::<f64>() <= 1.0
    }

    /// What is dark in and around a body with two lungs that a bronchus joins, and gas below.
    fn chest(grid: &Grid) -> Bits {
        let dark = Array3::from_shape_fn(grid.shape, |(k, j, i)| {
            let at = grid.geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64));
            let lung = within(at, [-45.0, 0.0, 70.0], [32.0, 40.0, 55.0])
                || within(at, [45.0, 0.0, 70.0], [28.0, 40.0, 50.0])
                || (at.l.abs() < 45.0 && at.p.abs() < 4.0 && (at.s - 70.0).abs() < 4.0)
                || within(at, [10.0, -20.0, 6.0], [6.0, 6.0, 6.0]);
            let body = (at.l / 100.0).powi(2) + (at.p / 55.0).powi(2) <= 1.0;
            lung || !body
        });
        Bits::of(dark.view()).unwrap()
    }

    #[test]
    fn lungs_are_the_large_air_inside_the_body_and_have_sides() {
        let grid = grid([65, 60, 110], 2.0);
        let lungs = Lungs::find(&Device::Cpu, &chest(&grid), grid).unwrap().unwrap();
        // Two ellipsoids of 4/3 pi abc, less what is cut off, plus the bronchus.
        let truth = 4.0 / 3.0 * std::f64::consts::PI * (32.0 * 40.0 * 55.0 + 28.0 * 40.0 * 50.0) / 1000.0;
        assert!((lungs.volume_ml - truth).abs() < 0.03 * truth, "{} of {truth}", lungs.volume_ml);
        assert_eq!(lungs.side(Lps::new(-60.0, 5.0, 80.0)), Some(Side::Right));
        assert_eq!(lungs.side(Lps::new(60.0, 5.0, 80.0)), Some(Side::Left));
        // On the wall of the right lung, in tissue.
        assert_eq!(lungs.side(Lps::new(-80.0, 0.0, 70.0)), Some(Side::Right));
        let at = |place: Lps| {
            let [i, j, k] = grid.geometry.to_ijk(place).to_array().map(|v| v.round() as usize);
            lungs.mask.contains([k, j, i])
        };
        assert!(at(Lps::new(-45.0, 0.0, 70.0)) && !at(Lps::new(0.0, 40.0, 70.0)));
        assert!(!at(Lps::new(10.0, -20.0, 6.0)), "gas in the bowel is no lung");
        assert!(!at(Lps::new(-108.0, -58.0, 70.0)), "air around the patient is no lung");
    }

    #[test]
    fn a_body_without_air_has_no_lungs() {
        let grid = grid([20, 60, 110], 2.0);
        let none = Bits::none(grid.shape).unwrap();
        assert!(Lungs::find(&Device::Cpu, &none, grid).unwrap().is_none());
    }

    /// A sphere of 30 HU and `diameter` mm in lung, blurred, with a vessel through it; the network's mask
    /// is the sphere made 1 mm larger on a coarser grid.
    #[track_caller]
    fn outlined(diameter: f64) {
        let fine = grid([60, 70, 80], 0.8);
        let centre = fine.geometry.to_lps(Ijk::new(40.3, 35.4, 30.2));
        let share = |radius: f64, away: f64| ((radius - away) / 1.6 + 0.5).clamp(0.0, 1.0);
        let voxels = Array3::from_shape_fn(fine.shape, |(k, j, i)| {
            let at = fine.geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64));
            let vessel = (at.p - centre.p).hypot(at.s - centre.s);
            let inside = share(diameter / 2.0, at.distance(centre).0).max(share(1.2, vessel));
            (-850.0 + 880.0 * inside) as i16
        });
        let volume = Volume { voxels, geometry: fine.geometry };
        let coarse = grid([32, 38, 43], 1.5);
        let probability = Array3::from_shape_fn(coarse.shape, |(k, j, i)| {
            let at = coarse.geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64));
            share(diameter / 2.0 + 1.0, at.distance(centre).0) as f32
        });
        let mask = outline_nodule(&Device::Cpu, &volume, probability.view(), &coarse, centre, diameter)
            .unwrap()
            .expect("there is a nodule");
        let found = measure(&volume, &mask).unwrap();
        let truth = std::f64::consts::PI / 6.0 * diameter.powi(3);
        let ratio = found.volume_mm3 / truth;
        assert!((0.85..=1.2).contains(&ratio), "{diameter} mm: {} of {truth}", found.volume_mm3);
        assert!((found.short_axis_mm - diameter).abs() <= 1.6, "{diameter} mm: {}", found.short_axis_mm);
        assert!(found.centre_lps_mm.distance(centre).0 < 0.6);
    }

    #[test]
    fn a_nodule_is_outlined_where_its_density_is_half_way_and_without_its_vessel() {
        outlined(8.0);
        outlined(14.0);
        outlined(22.0);
    }

    #[test]
    fn a_place_outside_of_the_volume_has_no_outline() {
        let grid = grid([10, 10, 10], 1.0);
        let volume = Volume { voxels: Array3::from_elem(grid.shape, -850_i16), geometry: grid.geometry };
        let nothing = Array3::zeros(grid.shape);
        let outline =
            |centre| outline_nodule(&Device::Cpu, &volume, nothing.view(), &grid, centre, 6.0).unwrap();
        assert_eq!(outline(Lps::new(500.0, 500.0, 500.0)), None);
    }
}
