//! A ball as the columns it reaches in each row of each slice.

/// A radius that is a whole number of voxels must not lose to rounding.
const RADIUS_TOLERANCE: f64 = 1e-6;

/// The steps of a ball in slices and rows, no larger than a volume of `shape`, and how many columns it
/// reaches to either side there.
pub(super) fn ball(spacing_mm: [f64; 3], radius_mm: f64, shape: [usize; 3]) -> Vec<(isize, isize, usize)> {
    let squared = (radius_mm * (1.0 + RADIUS_TOLERANCE)).powi(2);
    let [slices, rows, _] = reach(spacing_mm, radius_mm);
    let (slices, rows) = (slices.min(shape[0]) as isize, rows.min(shape[1]) as isize);
    let mut steps = Vec::new();
    for dk in -slices..=slices {
        for dj in -rows..=rows {
            let left = squared - (dk as f64 * spacing_mm[2]).powi(2) - (dj as f64 * spacing_mm[1]).powi(2);
            if left >= 0.0 {
                steps.push((dk, dj, ((left.sqrt() / spacing_mm[0]) as usize).min(shape[2])));
            }
        }
    }
    steps
}

/// How many voxels a ball reaches along each axis of the array.
pub(super) fn reach(spacing_mm: [f64; 3], radius_mm: f64) -> [usize; 3] {
    assert!(spacing_mm.iter().all(|&mm| mm > 0.0), "a spacing of {spacing_mm:?} mm");
    let [i, j, k] = spacing_mm.map(|mm| (radius_mm * (1.0 + RADIUS_TOLERANCE) / mm).max(0.0) as usize);
    [k, j, i]
}
