//! The liver, and lesions in it.

use dicom_io::{Geometry, Volume};
use kernels::bits::Bits;
use kernels::components::components_in_bits;
use kernels::{Device, Error, Neighbours};
use ndarray::{ArrayView3, Zip};

use crate::finding::Mask;
use crate::grid::{Bounds, Grid};
use crate::part::{bounding_box, cut};

/// Above this lies the body rather than air, HU.
const BODY_HU: f32 = -150.0;

/// The grid on which the body is looked for, mm: coarse, because only its box is wanted.
const BODY_SPACING_MM: f64 = 3.0;

/// The box of the largest thing that is not air, over the whole length of the volume; the table and what
/// lies on it are apart from the body after an opening. The whole volume if it holds nothing but air.
pub(crate) fn body(device: &Device, volume: &Volume<i16>) -> Result<Bounds, Error> {
    const AXES: [[f64; 3]; 3] = [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]];
    let whole = Bounds::of(&volume.geometry, volume.shape());
    let grid = Grid::over(whole, AXES, [BODY_SPACING_MM; 3]);
    let map = grid.geometry.index_map(&volume.geometry);
    let dense = Bits::resampled(device, volume.voxels.view(), grid.shape, &map, BODY_HU)?;
    let body = dense.opened(device, Neighbours::Six, 1)?.largest(device, Neighbours::Six)?;
    let Some((corner, shape)) = bounding_box(&body) else { return Ok(whole) };
    Ok(whole.narrowed_to(Bounds::of_box(&grid.geometry, corner, shape).grown(BODY_SPACING_MM)))
}

/// The largest part of `probability` above `threshold` that survives an erosion, so that thin bridges to
/// other organs are cut; nothing if nothing does.
pub(crate) fn largest_part(
    device: &Device,
    probability: ArrayView3<'_, f32>,
    threshold: f32,
) -> Result<Bits, Error> {
    let core = Bits::above(device, probability, threshold)?.eroded(device, Neighbours::Eighteen, 1)?;
    core.largest(device, Neighbours::Six)?.dilated(device, Neighbours::Eighteen, 1)
}

/// One lesion as the network sees it.
pub(crate) struct Lesion {
    /// Its voxels on the source grid.
    pub(crate) mask: Mask,
    /// The mean probability over its voxels on the network's grid.
    pub(crate) confidence: f64,
}

/// The lesions in `probability` on `grid`: parts above `threshold` of at least `smallest_ml`, carried over
/// to the `source` grid of `full` `[k, j, i]` voxels.
pub(crate) fn lesions(
    device: &Device,
    probability: ArrayView3<'_, f32>,
    grid: &Grid,
    threshold: f32,
    smallest_ml: f64,
    source: &Geometry,
    full: [usize; 3],
) -> Result<Vec<Lesion>, Error> {
    let above = Bits::above(device, probability, threshold)?;
    let parts = components_in_bits(device, &above, Neighbours::TwentySix)?;
    let labels = parts.labels()?;
    let ml = grid.geometry.voxel_mm3() / 1000.0;
    let mut lesions = Vec::new();
    for part in parts.list().iter().filter(|part| part.voxels as f64 * ml >= smallest_ml) {
        // One voxel around, so that the border is interpolated as it is inside a larger volume.
        let low: [usize; 3] = std::array::from_fn(|a| part.start[a].saturating_sub(1));
        let high: [usize; 3] = std::array::from_fn(|a| (part.end[a] + 1).min(grid.shape[a]));
        let shape: [usize; 3] = std::array::from_fn(|a| high[a] - low[a]);
        let cut = cut(low, shape);
        let mut sum = 0.0;
        // Another lesion that comes close must not grow into this one's box.
        let alone = Zip::from(labels.slice(cut)).and(probability.slice(cut)).map_collect(|&label, &p| {
            if label == part.label {
                sum += f64::from(p);
            }
            if label == part.label || label == 0 { p } else { 0.0 }
        });
        let part_grid = grid.part(low, shape);
        let Some((corner, source_shape)) = covered(&part_grid, source, full) else { continue };
        let source_grid = Grid { geometry: *source, shape: full }.part(corner, source_shape);
        let map = source_grid.geometry.index_map(&part_grid.geometry);
        let above = Bits::resampled(device, alone.view(), source_shape, &map, threshold)?;
        // Thin necks can be lost on the way: what is one lesion stays in one piece.
        let lesion = above.largest(device, Neighbours::TwentySix)?;
        if let Some(mask) = Mask::of(corner, &lesion)? {
            lesions.push(Lesion { mask, confidence: sum / part.voxels as f64 });
        }
    }
    Ok(lesions)
}

/// The box of the source grid that covers `part`; `None` if they do not meet.
pub(crate) fn covered(part: &Grid, source: &Geometry, full: [usize; 3]) -> Option<([usize; 3], [usize; 3])> {
    let mut low = [f64::INFINITY; 3];
    let mut high = [f64::NEG_INFINITY; 3];
    for which in 0..8_usize {
        let at = |axis: usize, bit: usize| {
            if which >> bit & 1 == 1 { part.shape[axis] as f64 - 0.5 } else { -0.5 }
        };
        let there = source.to_ijk(part.geometry.to_lps([at(2, 0), at(1, 1), at(0, 2)].into())).to_array();
        for a in 0..3 {
            low[a] = low[a].min(there[2 - a]);
            high[a] = high[a].max(there[2 - a]);
        }
    }
    let corner: [usize; 3] = std::array::from_fn(|a| low[a].floor().max(0.0) as usize);
    let end: [usize; 3] = std::array::from_fn(|a| (high[a].ceil() + 1.0).clamp(0.0, full[a] as f64) as usize);
    (0..3).all(|a| corner[a] < end[a]).then(|| (corner, std::array::from_fn(|a| end[a] - corner[a])))
}

#[cfg(test)]
mod tests {
    use dicom_io::{Ijk, Lps, Spacing};
    use ndarray::{Array3, s};

    use super::*;

    const AXIAL: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    const SPACING: Spacing = Spacing { i: 0.8, j: 0.7, k: 2.0 };

    #[test]
    fn lesions_come_back_to_the_source_grid_apart_and_without_specks() {
        let source = Geometry::new(Lps::new(-30.0, -20.0, -40.0), AXIAL, SPACING).unwrap();
        let full = [40, 90, 100];
        // The network's tensor runs to the right, the front and the head.
        let bounds = Bounds::of(&source, full);
        let ras = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
        let grid = Grid::over(bounds, ras, [1.0, 1.0, 3.0]);
        // Two spheres 2 mm apart, and a speck.
        let spheres = [
            (Lps::new(0.0, 10.0, 0.0), 10.0),
            (Lps::new(19.0, 10.0, 0.0), 7.0),
            (Lps::new(30.0, 30.0, 20.0), 1.0),
        ];
        let probability = Array3::from_shape_fn(grid.shape, |(k, j, i)| {
            let at = grid.geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64));
            let depth = |(centre, radius): &(Lps, f64)| (radius - at.distance(*centre).0) / 2.0 + 0.5;
            spheres.iter().map(depth).fold(0.0, f64::max).min(1.0) as f32
        });
        let found = lesions(&Device::Cpu, probability.view(), &grid, 0.5, 0.1, &source, full).unwrap();
        assert_eq!(found.len(), 2);
        for lesion in &found {
            let voxels = lesion.mask.voxels.iter().filter(|&&set| set).count();
            let volume = voxels as f64 * source.voxel_mm3();
            let [k, j, i] = std::array::from_fn(|a| {
                lesion.mask.corner[a] as f64 + (lesion.mask.voxels.shape()[a] as f64 - 1.0) / 2.0
            });
            let middle = source.to_lps(Ijk::new(i, j, k));
            let (centre, radius) = spheres
                .iter()
                .min_by(|a, b| a.0.distance(middle).0.total_cmp(&b.0.distance(middle).0))
                .unwrap();
            assert!(centre.distance(middle).0 < 1.0, "{middle:?}");
            let truth = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3);
            assert!((volume / truth - 1.0).abs() < 0.08, "{volume} of {truth}");
            assert!((0.5..=1.0).contains(&lesion.confidence));
        }
    }

    #[test]
    fn the_largest_part_survives_and_thin_bridges_do_not() {
        let mut probability = Array3::from_elem((20, 20, 40), 0.1_f32);
        probability.slice_mut(s![4..16, 4..16, 2..18]).fill(0.9);
        probability.slice_mut(s![6..12, 6..12, 24..34]).fill(0.9);
        probability.slice_mut(s![8..10, 8..10, 18..24]).fill(0.9); // a bridge, two voxels thick
        let mask = largest_part(&Device::Cpu, probability.view(), 0.5).unwrap();
        assert!(mask.contains([10, 10, 10]) && !mask.contains([8, 8, 28]) && !mask.contains([8, 8, 22]));
        assert_eq!(largest_part(&Device::Cpu, Array3::zeros((5, 5, 5)).view(), 0.5).unwrap().count(), 0);
    }

    #[test]
    fn the_body_is_found_beside_the_table() {
        let geometry =
            Geometry::new(Lps::new(-150.0, -150.0, 0.0), AXIAL, Spacing { i: 3.0, j: 3.0, k: 5.0 }).unwrap();
        let voxels = Array3::from_shape_fn((10, 100, 100), |(_, j, i)| {
            let (l, p) = (-150.0 + 3.0 * i as f64, -150.0 + 3.0 * j as f64);
            let body = (l / 90.0).powi(2) + (p / 60.0).powi(2) <= 1.0;
            let table = (p - 100.0).abs() < 2.0;
            if body || table { 40 } else { -1000 }
        });
        let body = body(&Device::Cpu, &Volume { voxels, geometry }).unwrap();
        let near = |found: f64, wanted: f64| (found - wanted).abs() <= 7.0;
        assert!(near(body.low[0], -90.0) && near(body.high[0], 90.0), "{body:?}");
        assert!(near(body.low[1], -60.0) && near(body.high[1], 60.0), "{body:?}");
        assert!(near(body.low[2], 0.0) && near(body.high[2], 45.0), "{body:?}");
    }
}
