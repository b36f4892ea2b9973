//! How far each voxel is from a mask, exactly.

use ndarray::{Array3, ArrayView3, ArrayViewMut2, Axis, parallel::prelude::*};

use crate::{Device, Error, blank};

/// The squared distance (mm2) from each voxel's centre to that of the nearest voxel in `mask`: 0 within
/// it, infinite if it is empty.
///
/// `spacing_mm` is that of columns, rows and slices (i, j, k), all above zero.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If a spacing is not above zero: the caller's mistake.
///
/// Source: Felzenszwalb and Huttenlocher, Distance transforms of sampled functions, 2012.
pub fn squared_distance(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
) -> Result<Array3<f32>, Error> {
    let Device::Cpu = device;
    up_to(mask, spacing_mm, f32::INFINITY)
}

/// The same, but distances whose square is over `limit` may be found as infinite.
pub(crate) fn up_to(
    mask: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
    limit: f32,
) -> Result<Array3<f32>, Error> {
    assert!(spacing_mm.iter().all(|&mm| mm > 0.0), "a spacing of {spacing_mm:?} mm");
    let mut squared = blank::<f32>(mask.dim().into())?;
    if mask.is_empty() {
        return Ok(squared);
    }
    let spacing = spacing_mm.map(|mm| mm as f32);
    squared.outer_iter_mut().into_par_iter().zip(mask.outer_iter().into_par_iter()).for_each(
        |(mut slice, mask)| {
            for (mut row, mask) in slice.outer_iter_mut().zip(mask.outer_iter()) {
                along_row(row.as_slice_mut().expect("made in standard layout"), mask, spacing[0], limit);
            }
            along_first_axis(slice, spacing[1], limit);
        },
    );
    squared
        .axis_iter_mut(Axis(1))
        .into_par_iter()
        .for_each(|plane| along_first_axis(plane, spacing[2], limit));
    Ok(squared)
}

/// The squared distance to the nearest voxel of the same row.
fn along_row(row: &mut [f32], mask: ndarray::ArrayView1<'_, bool>, spacing: f32, limit: f32) {
    let mut distance = f32::INFINITY;
    for (to, &is_in) in row.iter_mut().zip(mask) {
        distance = if is_in { 0.0 } else { distance + spacing };
        *to = distance;
    }
    distance = f32::INFINITY;
    for to in row.iter_mut().rev() {
        distance = (distance + spacing).min(*to);
        *to = if distance * distance > limit { f32::INFINITY } else { distance * distance };
    }
}

/// The lower envelope of the parabolas that stand on the values of each column of `plane`.
fn along_first_axis(mut plane: ArrayViewMut2<'_, f32>, spacing: f32, limit: f32) {
    // Columns are copied out a few at a time, so that each cache line is read once.
    const TOGETHER: usize = 16;
    let n = plane.nrows();
    let mut columns = vec![0.0_f32; TOGETHER * n];
    let mut envelope = Envelope::default();
    for mut block in plane.axis_chunks_iter_mut(Axis(1), TOGETHER) {
        let mut any = false;
        for (at, row) in block.outer_iter().enumerate() {
            for (column, &value) in row.iter().enumerate() {
                columns[column * n + at] = value;
                any |= value < f32::INFINITY;
            }
        }
        if !any {
            continue;
        }
        for column in columns.chunks_mut(n).take(block.ncols()) {
            envelope.lower(column, f64::from(spacing), limit);
        }
        for (at, mut row) in block.outer_iter_mut().enumerate() {
            for (column, to) in row.iter_mut().enumerate() {
                *to = columns[column * n + at];
            }
        }
    }
}

/// The parabolas that are lowest somewhere, from left to right.
#[derive(Default)]
struct Envelope {
    /// Place and height of the vertex, and from where on this parabola is the lowest.
    parabolas: Vec<(f64, f64, f64)>,
}

impl Envelope {
    /// Replaces each value by the least of any value plus the squared distance to its place.
    fn lower(&mut self, values: &mut [f32], spacing: f64, limit: f32) {
        self.parabolas.clear();
        for (at, &value) in values.iter().enumerate() {
            if value == f32::INFINITY {
                continue;
            }
            let (place, height) = (at as f64 * spacing, f64::from(value));
            let mut from = f64::NEG_INFINITY;
            while let Some(&(left, low, left_from)) = self.parabolas.last() {
                from = (height - low + place * place - left * left) / (2.0 * (place - left));
                if from > left_from {
                    break;
                }
                self.parabolas.pop();
                from = f64::NEG_INFINITY;
            }
            self.parabolas.push((place, height, from));
        }
        if self.parabolas.is_empty() {
            return;
        }
        let mut lowest = 0;
        for (at, value) in values.iter_mut().enumerate() {
            let place = at as f64 * spacing;
            while self.parabolas.get(lowest + 1).is_some_and(|next| next.2 < place) {
                lowest += 1;
            }
            let (vertex, height, _) = self.parabolas[lowest];
            let squared = (height + (place - vertex) * (place - vertex)) as f32;
            *value = if squared > limit { f32::INFINITY } else { squared };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn literal(mask: &Array3<bool>, [di, dj, dk]: [f64; 3]) -> Array3<f64> {
        Array3::from_shape_fn(mask.dim(), |(k, j, i)| {
            let apart = |a: usize, b: usize, mm: f64| ((a as f64 - b as f64) * mm).powi(2);
            let inside = mask.indexed_iter().filter(|(_, is_in)| **is_in);
            inside
                .map(|(at, _)| apart(at.0, k, dk) + apart(at.1, j, dj) + apart(at.2, i, di))
                .fold(f64::INFINITY, f64::min)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_distance_is_that_to_the_nearest_voxel(
            shape in prop::array::uniform3(1_usize..12),
            spacing in prop::array::uniform3(0.3_f64..5.0),
            every in 2_u64..400,
            seed in 0_u64..1000,
        ) {
            let mut state = seed;
            let mask = Array3::from_shape_simple_fn(shape, || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % every == 0
            });
            let expected = literal(&mask, spacing);
            let found = squared_distance(&Device::Cpu, mask.view(), spacing).unwrap();
            let limited = up_to(mask.view(), spacing, 9.0).unwrap();
            for (at, &expected) in expected.indexed_iter() {
                let same = |found: f32| (f64::from(found) - expected).abs() <= 1e-5 * expected;
                prop_assert!(same(found[at]) || found[at] == f32::INFINITY && expected == f64::INFINITY);
                prop_assert!(same(limited[at]) || limited[at] == f32::INFINITY && expected > 8.999);
            }
        }
    }
}
