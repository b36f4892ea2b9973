//! Numbers about one lesion, from its voxels in the source series.

use dicom_io::{Ijk, Volume};
use kernels::components::components;
use kernels::{Device, Neighbours};
use ndarray::Axis;

use crate::finding::{Mask, Measurements};
use crate::outline::outline;

/// The measurements of the lesion in `mask`; `None` if it is empty.
///
/// A lesion hangs together: of voxels that do not touch, not even by a corner, only the largest part is
/// measured, since a line across a gap is no diameter.
///
/// - Axes: RECIST manner, in the image plane in which the lesion has the most voxels (the first of
///   equals): the longest distance between two voxel centres there, and the longest line at right
///   angles to it, see `kernels::diameter`. On spheres this is never too long.
/// - 3-D diameter: the longest distance between any two voxel centres.
/// - Volume: voxel count times voxel volume.
/// - HU statistics: over all voxels of the lesion, unweighted.
///
/// Against analytic spheres and ellipsoids of 6 mm and more, in voxels of about 1 mm, the axes are within
/// one and a half pixels, the 3-D diameter within a voxel diagonal, and the volume within 5 %: the tests
/// state it.
///
/// Source: Eisenhauer et al., RECIST 1.1, Eur J Cancer 2009;45:228-247.
pub fn measure(volume: &Volume<i16>, mask: &Mask) -> Option<Measurements> {
    let geometry = &volume.geometry;
    // Fails with 2^32 rows or parts only, and no lesion has so many.
    let parts = components(&Device::Cpu, mask.voxels.view(), Neighbours::TwentySix).ok()?;
    let lesion = parts.largest()?.label;
    let hu = volume.voxels.slice(mask.place());
    let found =
        kernels::measure::measure(&parts, hu, geometry.spacing().to_array(), |part| part.label == lesion);
    let found = found.into_iter().next()?;

    let [k0, j0, i0] = mask.corner;
    let [i, j, k] = found.part.centroid;
    let centre = Ijk::new(i + i0 as f64, j + j0 as f64, k + k0 as f64);
    let (section, axes) = (found.largest, found.largest.axes);
    let only = parts.mask(|part| part.label == lesion).ok()?;
    let plane = only.index_axis(Axis(0), section.slice);
    let offset = |[column, row]: [f64; 2]| [column + i0 as f64, row + j0 as f64];
    Some(Measurements {
        centre_lps_mm: geometry.to_lps(centre),
        long_axis_mm: axes.long.length_mm,
        short_axis_mm: axes.short.length_mm,
        max_diameter_3d_mm: found.diameter.length_mm,
        volume_mm3: found.volume_mm3,
        voxels: found.part.voxels,
        mean_hu: found.values.mean,
        min_hu: found.values.min,
        max_hu: found.values.max,
        sd_hu: found.values.sd,
        slice: k0 + section.slice,
        long_axis_ij: [axes.long.from, axes.long.to].map(offset),
        short_axis_ij: [axes.short.from, axes.short.to].map(offset),
        outline_ij: outline(plane).into_iter().map(offset).collect(),
    })
}

#[cfg(test)]
mod tests {
    use dicom_io::{Geometry, Lps, Spacing};
    use kernels::bits::Bits;
    use ndarray::{Array3, s};

    use super::*;

    /// An ellipsoid of 100 HU with these half-axes (mm, along L, P, S) in a volume of -800 HU, and its mask.
    fn ellipsoid(half_mm: [f64; 3], spacing: Spacing) -> (Volume<i16>, Mask) {
        let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let geometry = Geometry::new(Lps::new(-40.0, 20.0, -300.0), axes, spacing).unwrap();
        let steps = spacing.to_array();
        let size = |a: usize| (2.0 * half_mm[a] / steps[a]).ceil() as usize + 9;
        let shape = [size(2), size(1), size(0)];
        // Off the grid's points by parts of a voxel, so that nothing comes out even.
        let middle = [size(0) as f64 / 2.0 + 0.21, size(1) as f64 / 2.0 - 0.13, size(2) as f64 / 2.0 + 0.37];
        let inside = Array3::from_shape_fn(shape, |(k, j, i)| {
            let at = [i as f64, j as f64, k as f64];
            (0..3).map(|a| ((at[a] - middle[a]) * steps[a] / half_mm[a]).powi(2)).sum::<f64>() <= 1.0
        });
        let voxels = inside.mapv(|inside| if inside { 100 } else { -800 });
        let inside = Bits::of(inside.view()).unwrap();
        (Volume { voxels, geometry }, Mask::of([0; 3], &inside).unwrap().unwrap())
    }

    /// The axes are within one and a half pixels of the truth, the 3-D diameter within a voxel diagonal, the volume within 5 %, the centre within a
    /// tenth of a millimetre.
    #[track_caller]
    fn check(half_mm: [f64; 3], spacing: Spacing) {
        let (volume, mask) = ellipsoid(half_mm, spacing);
        let found = measure(&volume, &mask).unwrap();
        let diagonal = spacing.i.hypot(spacing.j).hypot(spacing.k);
        let (long, short) = (2.0 * half_mm[0].max(half_mm[1]), 2.0 * half_mm[0].min(half_mm[1]));
        let longest = 2.0 * half_mm.iter().copied().fold(0.0, f64::max);
        let near = |found: f64, wanted: f64, off: f64| {
            assert!(
                (found - wanted).abs() <= off,
                "{found} where {wanted} is expected, {half_mm:?} {spacing:?}"
            );
        };
        near(found.long_axis_mm, long, 1.5 * spacing.i.max(spacing.j));
        near(found.short_axis_mm, short, 1.5 * spacing.i.max(spacing.j));
        near(found.max_diameter_3d_mm, longest, diagonal);
        let truth = 4.0 / 3.0 * std::f64::consts::PI * half_mm.iter().product::<f64>();
        near(found.volume_mm3, truth, 0.05 * truth);
        assert_eq!((found.mean_hu, found.min_hu, found.max_hu, found.sd_hu), (100.0, 100.0, 100.0, 0.0));
        assert_eq!(found.voxels, mask.voxels.iter().filter(|&&set| set).count());
        let middle = volume.geometry.to_ijk(found.centre_lps_mm).to_array();
        near(middle[2], found.slice as f64, 1.0);
    }

    #[test]
    fn spheres_measure_as_the_formula_says() {
        for radius in [3.0, 5.0, 10.0, 20.0] {
            check([radius; 3], Spacing { i: 0.7, j: 0.7, k: 1.0 });
            check([radius; 3], Spacing { i: 0.5, j: 0.8, k: 0.6 });
        }
        check([10.0; 3], Spacing { i: 0.7, j: 0.7, k: 2.5 });
    }

    #[test]
    fn ellipsoids_measure_along_each_axis() {
        check([12.0, 7.0, 5.0], Spacing { i: 0.7, j: 0.6, k: 1.0 });
        check([7.0, 12.0, 5.0], Spacing { i: 0.7, j: 0.6, k: 1.0 });
        check([5.0, 7.0, 14.0], Spacing { i: 0.7, j: 0.6, k: 1.0 });
    }

    #[test]
    fn the_outline_lies_on_the_largest_slice_around_the_axes() {
        let (volume, mask) = ellipsoid([9.0, 6.0, 5.0], Spacing { i: 0.7, j: 0.7, k: 1.0 });
        let found = measure(&volume, &mask).unwrap();
        let plane = mask.voxels.index_axis(Axis(0), found.slice - mask.corner[0]);
        let area =
            found.outline_ij.windows(2).map(|w| w[0][0] * w[1][1] - w[1][0] * w[0][1]).sum::<f64>() / 2.0;
        assert_eq!(area, plane.iter().filter(|&&set| set).count() as f64);
        let columns = found.outline_ij.iter().map(|at| at[0]);
        let (low, high) = columns.fold((f64::MAX, f64::MIN), |(low, high), c| (low.min(c), high.max(c)));
        for [column, _] in found.long_axis_ij {
            assert!((low..=high).contains(&column), "{column} is not within {low}..={high}");
        }
    }

    /// Worked out voxel by voxel; the lesion has a bay, so that rows have gaps.
    #[test]
    fn every_number_is_that_of_a_loop_over_the_voxels() {
        let spacing = Spacing { i: 0.7, j: 0.6, k: 1.25 };
        let (mut volume, mut mask) = ellipsoid([9.0, 7.0, 6.0], spacing);
        mask.voxels.slice_mut(s![2..5, 4..9, 8..11]).fill(false);
        for ((k, j, i), hu) in volume.voxels.indexed_iter_mut() {
            *hu = ((k * 997 + j * 301 + i * 641) % 1500) as i16 - 900;
        }
        let found = measure(&volume, &mask).unwrap();
        let set: Vec<_> = mask.voxels.indexed_iter().filter(|(_, set)| **set).map(|(at, _)| at).collect();
        let [k0, j0, i0] = mask.corner;
        let count = set.len() as f64;
        let hu: Vec<f64> =
            set.iter().map(|&(k, j, i)| f64::from(volume.voxels[(k0 + k, j0 + j, i0 + i)])).collect();
        let mean = hu.iter().sum::<f64>() / count;
        let sd = (hu.iter().map(|hu| (hu - mean).powi(2)).sum::<f64>() / count).sqrt();
        assert_eq!(found.voxels, set.len());
        assert!((found.volume_mm3 - count * 0.7 * 0.6 * 1.25).abs() < 1e-9);
        assert_eq!(found.mean_hu, mean);
        assert!((found.sd_hu - sd).abs() < 1e-9);
        assert_eq!(found.min_hu, hu.iter().copied().fold(f64::INFINITY, f64::min));
        assert_eq!(found.max_hu, hu.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        let sum = |of: fn(&(usize, usize, usize)) -> usize| set.iter().map(of).sum::<usize>() as f64 / count;
        let centre =
            Ijk::new(sum(|at| at.2) + i0 as f64, sum(|at| at.1) + j0 as f64, sum(|at| at.0) + k0 as f64);
        assert!(found.centre_lps_mm.distance(volume.geometry.to_lps(centre)).0 < 1e-9);
        let apart = |a: &(usize, usize, usize), b: &(usize, usize, usize)| {
            let steps = [(a.2, b.2, 0.7), (a.1, b.1, 0.6), (a.0, b.0, 1.25)];
            steps.iter().map(|&(a, b, mm)| (a.abs_diff(b) as f64 * mm).powi(2)).sum::<f64>().sqrt()
        };
        let farthest = |of: &[(usize, usize, usize)]| {
            of.iter().flat_map(|a| of.iter().map(move |b| apart(a, b))).fold(0.0, f64::max)
        };
        assert!((found.max_diameter_3d_mm - farthest(&set)).abs() < 1e-9);
        let on = |slice| set.iter().copied().filter(|at| at.0 == slice).collect::<Vec<_>>();
        let sizes: Vec<usize> = (0..mask.voxels.dim().0).map(|slice| on(slice).len()).collect();
        let largest = sizes.iter().position(|n| n == sizes.iter().max().unwrap()).unwrap();
        assert_eq!(found.slice, k0 + largest);
        assert!((found.long_axis_mm - farthest(&on(largest))).abs() < 1e-9);
    }

    #[test]
    fn a_speck_beside_the_lesion_is_not_measured_with_it() {
        let (volume, mask) = ellipsoid([5.0; 3], Spacing { i: 0.7, j: 0.7, k: 1.0 });
        let alone = measure(&volume, &mask).unwrap();
        let (slices, rows, columns) = mask.voxels.dim();
        let mut voxels = Array3::from_elem((slices, rows, columns + 3), false);
        voxels.slice_mut(s![.., .., ..columns]).assign(&mask.voxels);
        voxels[(alone.slice - mask.corner[0], 0, columns + 2)] = true;
        assert_eq!(measure(&volume, &Mask { voxels, ..mask }), Some(alone));
    }

    #[test]
    fn an_empty_mask_has_no_measurements() {
        let (volume, mask) = ellipsoid([3.0; 3], Spacing { i: 1.0, j: 1.0, k: 1.0 });
        let empty = Mask { voxels: mask.voxels.mapv(|_| false), ..mask };
        assert_eq!(measure(&volume, &empty), None);
    }
}
