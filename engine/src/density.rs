//! Whether a lung nodule is solid, part-solid or ground-glass, from its voxels; not said where it is unclear.
//!
//! What counts is the nodule's inside: at its border, and in one that is hardly larger than a slice, every
//! density is there by partial volume. And what counts is the lung around it too: the outline of a nodule with
//! a dense middle leaves faint ground glass out (see `lung::outline_nodule`), so a solid-looking nodule in a
//! hazy ring is not called anything.

use dicom_io::Volume;
use kernels::components::components;
use kernels::{Device, Neighbours};
use ndarray::Axis;

use crate::finding::{Density, Mask, SolidPart};
use crate::measure::measure;

/// Denser than this is solid, HU.
///
/// Of thresholds from -500 to -130 HU, -250 and -300 HU told part-solid from ground-glass nodules best (area
/// under the curve 0.98) and gave the solid part's volume as readers had it: thesis on 102 subsolid nodules,
/// see `docs/GUIDELINES.md`.
const SOLID_HU: i16 = -300;

/// A nodule with no more than this share of solid voxels is ground-glass: 6.14 %, the cutoff that belongs to
/// -300 HU in the same work.
const LEAST_SOLID: f64 = 0.0614;

/// A nodule with at least this share of solid voxels inside is solid: the rest is noise and small bronchi.
const MOSTLY_SOLID: f64 = 0.9;

/// Fainter than this is air or lung and no ground glass, HU: lung is about -850, ground glass from -750.
const HAZE_HU: i16 = -750;

/// A nodule may hold this share of voxels that are neither solid nor ground glass (noise); with more it has a
/// hole, and the rule does not fit it.
const MOST_AIR: f64 = 0.05;

/// Blur reaches so far into a nodule, mm.
const BLUR_MM: f64 = 1.0;

/// So few voxels inside tell nothing.
const LEAST_INSIDE: usize = 20;

/// The ring in which haze around the nodule would lie, and the ring of lung to compare it with: mm from the
/// outline. Blur does not reach the first.
const RINGS_MM: [[f64; 2]; 2] = [[2.0, 4.0], [6.0, 10.0]];

/// A ring is hazy if its median is so much denser than the lung's, HU.
const HAZY_HU: i16 = 100;

/// So few voxels of lung in a ring tell nothing.
const LEAST_IN_RING: usize = 20;

/// The density of the lung nodule in `mask`, by the Hounsfield units of `volume`; `None` where it is unclear.
pub fn density(volume: &Volume<i16>, mask: &Mask) -> Option<Density> {
    let inside = inside(volume, mask);
    if inside.len() < LEAST_INSIDE {
        return small(volume, mask);
    }
    let count = inside.len() as f64;
    let solid = inside.iter().filter(|hu| **hu > SOLID_HU).count() as f64 / count;
    let air = inside.iter().filter(|hu| **hu < HAZE_HU).count() as f64 / count;
    if air > MOST_AIR {
        return None;
    }
    if solid <= LEAST_SOLID {
        return Some(Density::GroundGlass);
    }
    if solid < MOSTLY_SOLID {
        return Some(Density::PartSolid);
    }
    (!is_in_haze(volume, mask)).then_some(Density::Solid)
}

/// The largest solid part of the nodule in `mask`: the connected voxels above the threshold that [`density`]
/// goes by, which is about half-way between ground glass and soft tissue. `None` if it has no extent.
pub fn solid_part(volume: &Volume<i16>, mask: &Mask) -> Option<SolidPart> {
    let mut solid = mask.clone();
    for (at, set) in solid.voxels.indexed_iter_mut() {
        *set = *set && volume.voxels[source(mask, at)] > SOLID_HU;
    }
    let parts = components(&Device::Cpu, solid.voxels.view(), Neighbours::Six).ok()?;
    let largest = parts.largest()?.label;
    let voxels = parts.mask(|part| part.label == largest).ok()?;
    let measured = measure(volume, &Mask { voxels, ..solid })?;
    let part = SolidPart { long_axis_mm: measured.long_axis_mm, short_axis_mm: measured.short_axis_mm };
    (part.long_axis_mm > 0.0).then_some(part)
}

/// A nodule without an inside: partial volume makes dense ones look faint, never faint ones dense.
fn small(volume: &Volume<i16>, mask: &Mask) -> Option<Density> {
    let voxels = mask.voxels.indexed_iter().filter(|(_, set)| **set);
    let values: Vec<i16> = voxels.map(|(at, _)| volume.voxels[source(mask, at)]).collect();
    let solid = values.iter().filter(|hu| **hu > SOLID_HU).count();
    (2 * solid >= values.len() && solid > 0 && !is_in_haze(volume, mask)).then_some(Density::Solid)
}

/// The values of the voxels from which blur to the outside is far enough along every axis, and at least a voxel.
fn inside(volume: &Volume<i16>, mask: &Mask) -> Vec<i16> {
    let spacing = volume.geometry.spacing();
    let reach = [spacing.k, spacing.j, spacing.i].map(|mm| (BLUR_MM / mm).ceil().max(1.0) as usize);
    let is_set = |at: [usize; 3]| mask.voxels.get(at).copied().unwrap_or(false);
    let is_inside = |at: [usize; 3]| {
        (0..3).all(|axis| {
            (1..=reach[axis]).all(|step| {
                let mut before = at;
                let mut after = at;
                after[axis] += step;
                match at[axis].checked_sub(step) {
                    Some(place) => before[axis] = place,
                    None => return false,
                }
                is_set(before) && is_set(after)
            })
        })
    };
    let voxels = mask.voxels.indexed_iter().filter(|((k, j, i), set)| **set && is_inside([*k, *j, *i]));
    voxels.map(|(at, _)| volume.voxels[source(mask, at)]).collect()
}

/// Whether the lung beside the nodule is denser than that farther away, on the slice where it is largest.
///
/// Vessels, walls and other dense voxels are left out of both rings. Where there is too little lung to compare,
/// nothing speaks for haze.
fn is_in_haze(volume: &Volume<i16>, mask: &Mask) -> bool {
    let spacing = volume.geometry.spacing();
    let per_slice = |k: usize| mask.voxels.index_axis(Axis(0), k).iter().filter(|set| **set).count();
    let Some(slice) = (0..mask.voxels.dim().0).max_by_key(|&k| per_slice(k)) else { return false };
    let plane = mask.voxels.index_axis(Axis(0), slice);
    let [k0, j0, i0] = mask.corner;
    let is_set =
        |j: Option<usize>, i: Option<usize>| j.zip(i).is_some_and(|at| plane.get(at).is_some_and(|set| *set));
    // The nearest of its voxels to one outside has a neighbour that is not set: the others need no look.
    let is_border = |j: usize, i: usize| {
        let beside = [
            (j.checked_sub(1), Some(i)),
            (Some(j + 1), Some(i)),
            (Some(j), i.checked_sub(1)),
            (Some(j), Some(i + 1)),
        ];
        beside.into_iter().any(|(j, i)| !is_set(j, i))
    };
    let border: Vec<[f64; 2]> = plane
        .indexed_iter()
        .filter(|((j, i), set)| **set && is_border(*j, *i))
        .map(|((j, i), _)| [(j0 + j) as f64 * spacing.j, (i0 + i) as f64 * spacing.i])
        .collect();
    let [_, rows, columns] = volume.shape();
    let widest = RINGS_MM[1][1];
    let range = |corner: usize, length: usize, end: usize, mm: f64| {
        let margin = (widest / mm).ceil() as usize;
        corner.saturating_sub(margin)..(corner + length + margin).min(end)
    };
    let mut rings = [Vec::new(), Vec::new()];
    for j in range(j0, plane.dim().0, rows, spacing.j) {
        for i in range(i0, plane.dim().1, columns, spacing.i) {
            let hu = volume.voxels[(k0 + slice, j, i)];
            if hu > SOLID_HU || is_set(j.checked_sub(j0), i.checked_sub(i0)) {
                continue;
            }
            let at = [j as f64 * spacing.j, i as f64 * spacing.i];
            let away = |from: &[f64; 2]| (from[0] - at[0]).hypot(from[1] - at[1]);
            let nearest = border.iter().map(away).fold(f64::INFINITY, f64::min);
            for (ring, [near, far]) in rings.iter_mut().zip(RINGS_MM) {
                if (near..far).contains(&nearest) {
                    ring.push(hu);
                }
            }
        }
    }
    if rings.iter().any(|ring| ring.len() < LEAST_IN_RING) {
        return false;
    }
    let [beside, farther] = rings.map(|mut ring| {
        let middle = ring.len() / 2;
        *ring.select_nth_unstable(middle).1
    });
    i32::from(beside) - i32::from(farther) > i32::from(HAZY_HU)
}

/// Where a voxel of `mask` lies in the source volume.
fn source(mask: &Mask, (k, j, i): (usize, usize, usize)) -> (usize, usize, usize) {
    let [k0, j0, i0] = mask.corner;
    (k0 + k, j0 + j, i0 + i)
}

#[cfg(test)]
mod tests {
    use dicom_io::{Geometry, Ijk, Lps, Spacing};
    use kernels::bits::Bits;
    use ndarray::Array3;

    use super::*;

    /// Lung of -850 HU with balls around its middle, the larger first: diameter (mm) and HU, blurred over
    /// 1.6 mm; and the outline of the first `outlined` of them, half-way between its density and the lung's.
    fn lung(balls: &[(f64, f64)], outlined: usize, slice_mm: f64) -> (Volume<i16>, Mask) {
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let spacing = Spacing { i: 0.7, j: 0.7, k: slice_mm };
        let geometry = Geometry::new(Lps::new(-30.0, -30.0, 0.0), axes, spacing).unwrap();
        let shape = [(60.0 / slice_mm) as usize, 86, 86];
        let middle = geometry.to_lps(Ijk::new(42.6, 43.2, shape[0] as f64 / 2.0 + 0.3));
        let share = |radius: f64, away: f64| ((radius - away) / 1.6 + 0.5).clamp(0.0, 1.0);
        // A slice is the mean over its thickness.
        let away = |(k, j, i): (usize, usize, usize), part: f64| {
            geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64 + part)).distance(middle).0
        };
        let parts = [-0.4, -0.2, 0.0, 0.2, 0.4];
        let value = |at| {
            let along = |part: f64| {
                balls.iter().fold(-850.0, |hu, &(diameter, own)| {
                    hu + (own - hu) * share(diameter / 2.0, away(at, part))
                })
            };
            let noise = ((at.0 * 31 + at.1 * 17 + at.2 * 7) % 41) as f64 - 20.0;
            if away(at, 0.0) > balls[0].0 / 2.0 + slice_mm + 1.0 {
                return (-850.0 + noise) as i16;
            }
            (parts.iter().map(|part| along(*part)).sum::<f64>() / 5.0 + noise) as i16
        };
        let voxels = Array3::from_shape_fn(shape, value);
        let (diameter, hu) = balls[outlined];
        let border = ((hu - 850.0) / 2.0) as i16;
        let reach = diameter / 2.0 + 1.0;
        let set = Array3::from_shape_fn(shape, |at| voxels[at] > border && away(at, 0.0) <= reach);
        let set = Bits::of(set.view()).unwrap();
        (Volume { voxels, geometry }, Mask::of([0; 3], &set).unwrap().unwrap())
    }

    #[track_caller]
    fn check(balls: &[(f64, f64)], outlined: usize, expected: Option<Density>) {
        for slice_mm in [0.8, 1.25] {
            let (volume, mask) = lung(balls, outlined, slice_mm);
            assert_eq!(density(&volume, &mask), expected, "{balls:?}, slices of {slice_mm} mm");
        }
    }

    #[test]
    fn dense_nodules_are_solid_from_4_mm_on() {
        for diameter in [4.0, 6.0, 9.0, 15.0, 25.0] {
            check(&[(diameter, 30.0)], 0, Some(Density::Solid));
        }
    }

    #[test]
    fn faint_nodules_are_ground_glass_where_they_have_an_inside() {
        for diameter in [7.0, 10.0, 20.0] {
            for hu in [-650.0, -550.0, -400.0] {
                check(&[(diameter, hu)], 0, Some(Density::GroundGlass));
            }
        }
    }

    #[test]
    fn a_small_faint_nodule_may_be_a_dense_one_between_two_slices() {
        check(&[(4.0, -550.0)], 0, None);
        let (volume, mask) = lung(&[(4.0, 30.0)], 0, 5.0);
        assert_ne!(density(&volume, &mask), Some(Density::GroundGlass));
    }

    #[test]
    fn ground_glass_with_a_dense_middle_is_part_solid() {
        check(&[(16.0, -600.0), (8.0, 20.0)], 0, Some(Density::PartSolid));
        check(&[(20.0, -550.0), (14.0, 40.0)], 0, Some(Density::PartSolid));
    }

    #[test]
    fn the_solid_part_is_as_long_as_the_dense_middle() {
        for diameter in [5.0, 8.0, 12.0] {
            let (volume, mask) = lung(&[(20.0, -600.0), (diameter, 20.0)], 0, 0.8);
            let part = solid_part(&volume, &mask).unwrap();
            // A pixel and a half, as for whole lesions.
            for axis in [part.long_axis_mm, part.short_axis_mm] {
                assert!((axis - diameter).abs() <= 1.05, "{axis} where {diameter} is expected");
            }
        }
        let (volume, mask) = lung(&[(20.0, -600.0)], 0, 0.8);
        assert_eq!(solid_part(&volume, &mask), None);
    }

    #[test]
    fn a_dense_nodule_in_a_hazy_ring_is_not_called_solid() {
        check(&[(20.0, -600.0), (9.0, 20.0)], 1, None);
    }

    #[test]
    fn a_nodule_with_a_hole_is_not_called_part_solid() {
        let (volume, mask) = lung(&[(18.0, 30.0), (8.0, -950.0)], 0, 1.25);
        let (_, filled) = lung(&[(18.0, 30.0)], 0, 1.25);
        assert_eq!(density(&volume, &filled), None);
        // Outlined without its hole it is what it is.
        assert_eq!(density(&volume, &mask), Some(Density::Solid));
    }

    #[test]
    fn nothing_has_no_density() {
        let (volume, mask) = lung(&[(6.0, 30.0)], 0, 1.25);
        let nothing = Mask { voxels: mask.voxels.mapv(|_| false), ..mask };
        assert_eq!(density(&volume, &nothing), None);
        assert_eq!(density(&volume, &Mask::default()), None);
    }
}
