//! Masks grown, shrunk, smoothed and filled.
//!
//! By steps over a neighbourhood, or by a ball of a radius in millimetres. Outside of the volume there
//! is nothing, so shrinking also eats from its border, as scipy's operators do by default. Closing is
//! done as if the volume went on, so it never loses a voxel.

use ndarray::{Array3, ArrayView3, s};
use rayon::prelude::*;

use crate::bits::Bits;
use crate::components::components;
use crate::{Device, Error, Neighbours, blank};

/// `mask` with all neighbours of its voxels, `times` over.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn dilate(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
    times: usize,
) -> Result<Array3<bool>, Error> {
    device.on_cpu(module_path!())?;
    grown(Bits::pack(mask), neighbours, times).unpack()
}

/// The voxels of `mask` whose neighbours are all in it, `times` over.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn erode(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
    times: usize,
) -> Result<Array3<bool>, Error> {
    device.on_cpu(module_path!())?;
    shrunk(Bits::pack(mask), neighbours, times).unpack()
}

/// `mask` eroded, then dilated: thin parts and specks are gone.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn open(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
    times: usize,
) -> Result<Array3<bool>, Error> {
    device.on_cpu(module_path!())?;
    grown(shrunk(Bits::pack(mask), neighbours, times), neighbours, times).unpack()
}

/// `mask` dilated, then eroded: narrow gaps are filled.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn close(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
    times: usize,
) -> Result<Array3<bool>, Error> {
    device.on_cpu(module_path!())?;
    let Some(part) = Part::around(mask, [times; 3])? else { return blank(mask.dim().into()) };
    let closed =
        shrunk(grown(Bits::pack(part.mask.view()), neighbours, times), neighbours, times).unpack()?;
    part.back(closed.view())
}

/// All voxels whose centre is within `radius_mm` of the centre of one in `mask`.
///
/// `spacing_mm` is that of columns, rows and slices (i, j, k).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If a spacing is not above zero: the caller's mistake.
pub fn dilate_ball(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
    radius_mm: f64,
) -> Result<Array3<bool>, Error> {
    device.on_cpu(module_path!())?;
    let (reach, shape) = (reach(spacing_mm, radius_mm), mask.shape());
    let margin = std::array::from_fn(|axis| reach[axis].min(shape[axis]));
    let Some(part) = Part::around(mask, margin)? else { return blank(mask.dim().into()) };
    let grown = Bits::pack(part.mask.view()).reached(&ball(spacing_mm, radius_mm, part.mask.dim()));
    part.back(grown.unpack()?.view())
}

/// The voxels of `mask` with no voxel outside of it within `radius_mm`, between centres.
///
/// `spacing_mm` is that of columns, rows and slices (i, j, k).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If a spacing is not above zero: the caller's mistake.
pub fn erode_ball(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
    radius_mm: f64,
) -> Result<Array3<bool>, Error> {
    device.on_cpu(module_path!())?;
    let Some(part) = Part::around(mask, [1; 3])? else { return blank(mask.dim().into()) };
    let ball = ball(spacing_mm, radius_mm, part.mask.dim());
    let shrunk = Bits::pack(part.mask.view()).inverted().reached(&ball).inverted();
    part.back(shrunk.unpack()?.view())
}

/// `mask` dilated by a ball of `radius_mm`, then eroded by it: gaps that the ball does not fit into are
/// filled.
///
/// `spacing_mm` is that of columns, rows and slices (i, j, k).
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
///
/// # Panics
///
/// If a spacing is not above zero: the caller's mistake.
pub fn close_ball(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    spacing_mm: [f64; 3],
    radius_mm: f64,
) -> Result<Array3<bool>, Error> {
    device.on_cpu(module_path!())?;
    // One more, so that there is an outside to erode from.
    let margin = reach(spacing_mm, radius_mm).map(|voxels| voxels.saturating_add(1));
    let Some(part) = Part::around(mask, margin)? else { return blank(mask.dim().into()) };
    let ball = ball(spacing_mm, radius_mm, part.mask.dim());
    let closed = Bits::pack(part.mask.view()).reached(&ball).inverted().reached(&ball).inverted();
    part.back(closed.unpack()?.view())
}

/// `mask` without holes: voxels outside of it that cannot reach the volume's border through faces are
/// added.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn fill(device: &Device, mask: ArrayView3<'_, bool>) -> Result<Array3<bool>, Error> {
    let shape: [usize; 3] = mask.dim().into();
    let empty = components(device, mask.mapv(|is_in| !is_in).view(), Neighbours::Six)?;
    let open =
        empty.mask(|hole| (0..3).any(|axis| hole.start[axis] == 0 || hole.end[axis] == shape[axis]))?;
    Ok(open.mapv_into(|is_open| !is_open))
}

fn grown(mut bits: Bits, neighbours: Neighbours, times: usize) -> Bits {
    for _ in 0..times {
        bits = bits.joined(neighbours, |a, b| a | b);
    }
    bits
}

fn shrunk(mut bits: Bits, neighbours: Neighbours, times: usize) -> Bits {
    for _ in 0..times {
        bits = bits.joined(neighbours, |a, b| a & b);
    }
    bits
}

/// A radius that is a whole number of voxels must not lose to rounding.
const RADIUS_TOLERANCE: f64 = 1e-6;

/// The steps of a ball in slices and rows, no larger than a volume of `shape`, and how many columns it
/// reaches to either side there.
fn ball(spacing_mm: [f64; 3], radius_mm: f64, shape: (usize, usize, usize)) -> Vec<(isize, isize, usize)> {
    let squared = (radius_mm * (1.0 + RADIUS_TOLERANCE)).powi(2);
    let [slices, rows, _] = reach(spacing_mm, radius_mm);
    let (slices, rows) = (slices.min(shape.0) as isize, rows.min(shape.1) as isize);
    let mut steps = Vec::new();
    for dk in -slices..=slices {
        for dj in -rows..=rows {
            let left = squared - (dk as f64 * spacing_mm[2]).powi(2) - (dj as f64 * spacing_mm[1]).powi(2);
            if left >= 0.0 {
                steps.push((dk, dj, ((left.sqrt() / spacing_mm[0]) as usize).min(shape.2)));
            }
        }
    }
    steps
}

/// How many voxels a ball reaches along each axis of the array.
fn reach(spacing_mm: [f64; 3], radius_mm: f64) -> [usize; 3] {
    assert!(spacing_mm.iter().all(|&mm| mm > 0.0), "a spacing of {spacing_mm:?} mm");
    let [i, j, k] = spacing_mm.map(|mm| (radius_mm * (1.0 + RADIUS_TOLERANCE) / mm).max(0.0) as usize);
    [k, j, i]
}

/// The part of a mask that is worked on: the box around its voxels with a margin, which may lie beyond
/// the volume.
struct Part {
    mask: Array3<bool>,
    margin: [usize; 3],
    start: [usize; 3],
    shape: [usize; 3],
}

impl Part {
    /// `None` if the mask is empty.
    fn around(mask: ArrayView3<'_, bool>, margin: [usize; 3]) -> Result<Option<Self>, Error> {
        let shape: [usize; 3] = mask.dim().into();
        let Some([start, end]) = bounds(mask) else { return Ok(None) };
        let size: [usize; 3] = std::array::from_fn(|axis| end[axis] - start[axis]);
        let wide = |axis: usize| margin[axis].saturating_mul(2).saturating_add(size[axis]);
        let mut part = blank(std::array::from_fn(wide))?;
        let [k, j, i] = margin;
        part.slice_mut(s![k..k + size[0], j..j + size[1], i..i + size[2]]).assign(&mask.slice(s![
            start[0]..end[0],
            start[1]..end[1],
            start[2]..end[2]
        ]));
        Ok(Some(Self { mask: part, margin, start, shape }))
    }

    /// What became of the part, set into a volume of the mask's shape.
    fn back(&self, part: ArrayView3<'_, bool>) -> Result<Array3<bool>, Error> {
        let mut mask = blank(self.shape)?;
        // Where the two overlap: from index `to` in the volume, `from` in the part.
        let to: [usize; 3] = std::array::from_fn(|a| self.start[a].saturating_sub(self.margin[a]));
        let from: [usize; 3] = std::array::from_fn(|a| to[a] + self.margin[a] - self.start[a]);
        let size: [usize; 3] =
            std::array::from_fn(|a| (self.shape[a] - to[a]).min(self.mask.shape()[a] - from[a]));
        mask.slice_mut(s![to[0]..to[0] + size[0], to[1]..to[1] + size[1], to[2]..to[2] + size[2]]).assign(
            &part.slice(s![
                from[0]..from[0] + size[0],
                from[1]..from[1] + size[1],
                from[2]..from[2] + size[2]
            ]),
        );
        Ok(mask)
    }
}

/// The first index of the mask's voxels on each axis, and the one after the last.
fn bounds(mask: ArrayView3<'_, bool>) -> Option<[[usize; 3]; 2]> {
    let slices = mask.outer_iter().into_par_iter().enumerate().filter_map(|(k, slice)| {
        let mut found: Option<[[usize; 3]; 2]> = None;
        for (j, row) in slice.outer_iter().enumerate() {
            let Some(first) = row.iter().position(|&is_in| is_in) else { continue };
            let last = row.iter().rposition(|&is_in| is_in).unwrap_or(first);
            let row = [[k, j, first], [k + 1, j + 1, last + 1]];
            found = Some(found.map_or(row, |found| around_both(found, row)));
        }
        found
    });
    slices.reduce_with(around_both)
}

fn around_both(a: [[usize; 3]; 2], b: [[usize; 3]; 2]) -> [[usize; 3]; 2] {
    std::array::from_fn(|corner| {
        std::array::from_fn(|axis| {
            let (a, b) = (a[corner][axis], b[corner][axis]);
            if corner == 0 { a.min(b) } else { a.max(b) }
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: [Neighbours; 3] = [Neighbours::Six, Neighbours::Eighteen, Neighbours::TwentySix];

    fn noise(shape: [usize; 3], every: u64, seed: u64) -> Array3<bool> {
        let mut state = seed;
        Array3::from_shape_simple_fn(shape, || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33).is_multiple_of(every)
        })
    }

    /// Voxel by voxel; `outside` is what lies beyond the volume.
    fn all_around(mask: &Array3<bool>, neighbours: Neighbours, outside: bool) -> Array3<bool> {
        let most = ALL.iter().position(|&n| n == neighbours).unwrap() + 1;
        Array3::from_shape_fn(mask.dim(), |(k, j, i)| {
            (0..27_isize).all(|n| {
                let step = [n / 9 - 1, n / 3 % 3 - 1, n % 3 - 1];
                let at = (
                    k.wrapping_add_signed(step[0]),
                    j.wrapping_add_signed(step[1]),
                    i.wrapping_add_signed(step[2]),
                );
                step.iter().filter(|&&s| s != 0).count() > most || mask.get(at).copied().unwrap_or(outside)
            })
        })
    }

    #[test]
    fn steps_agree_with_looking_at_each_neighbour() {
        for shape in [[7, 33, 65], [1, 1, 1], [4, 1, 64], [3, 5, 130], [2, 6, 1]] {
            for neighbours in ALL {
                for (every, seed) in [(2, 1), (40, 2)] {
                    let sparse = noise(shape, every, seed);
                    let dense = sparse.mapv(|v| !v);
                    let dilated = dilate(&Device::Cpu, sparse.view(), neighbours, 1).unwrap();
                    assert_eq!(dilated, all_around(&dense, neighbours, true).mapv(|v| !v), "{shape:?}");
                    let eroded = erode(&Device::Cpu, dense.view(), neighbours, 1).unwrap();
                    assert_eq!(eroded, all_around(&dense, neighbours, false), "{shape:?}");
                    let opened = open(&Device::Cpu, dense.view(), neighbours, 1).unwrap();
                    let again = dilate(&Device::Cpu, eroded.view(), neighbours, 1).unwrap();
                    assert_eq!(opened, again, "{shape:?}");
                }
            }
        }
    }

    #[test]
    fn two_steps_are_one_step_twice() {
        let mask = noise([7, 33, 65], 30, 5);
        let once = |mask: Array3<bool>| dilate(&Device::Cpu, mask.view(), Neighbours::Eighteen, 1).unwrap();
        let twice = dilate(&Device::Cpu, mask.view(), Neighbours::Eighteen, 2).unwrap();
        assert_eq!(twice, once(once(mask)));
    }

    /// In a volume so large that its border plays no part.
    fn with_room(mask: &Array3<bool>, room: usize) -> Array3<bool> {
        let (k, j, i) = mask.dim();
        let mut wide = Array3::from_elem((k + 2 * room, j + 2 * room, i + 2 * room), false);
        wide.slice_mut(s![room..room + k, room..room + j, room..room + i]).assign(mask);
        wide
    }

    fn without_room(mask: &Array3<bool>, room: usize) -> Array3<bool> {
        let (k, j, i) = mask.dim();
        mask.slice(s![room..k - room, room..j - room, room..i - room]).to_owned()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn closing_is_as_if_the_volume_went_on(
            shape in prop::array::uniform3(1_usize..9),
            every in 2_u64..60,
            seed in 0_u64..1000,
            times in 0_usize..4,
            radius in 0.0_f64..4.0,
        ) {
            let mask = noise(shape, every, seed);
            let wide = with_room(&mask, 8);
            for neighbours in ALL {
                let grown = dilate(&Device::Cpu, wide.view(), neighbours, times).unwrap();
                let closed = erode(&Device::Cpu, grown.view(), neighbours, times).unwrap();
                let found = close(&Device::Cpu, mask.view(), neighbours, times).unwrap();
                prop_assert_eq!(found, without_room(&closed, 8));
            }
            let spacing = [0.7, 1.0, 1.3];
            let grown = dilate_ball(&Device::Cpu, wide.view(), spacing, radius).unwrap();
            let closed = erode_ball(&Device::Cpu, grown.view(), spacing, radius).unwrap();
            let found = close_ball(&Device::Cpu, mask.view(), spacing, radius).unwrap();
            prop_assert_eq!(found, without_room(&closed, 8));
        }

        #[test]
        fn a_ball_reaches_all_voxels_within_its_radius(
            shape in prop::array::uniform3(1_usize..9),
            every in 2_u64..60,
            seed in 0_u64..1000,
            radius in 0.0_f64..4.0,
        ) {
            let mask = noise(shape, every, seed);
            let spacing = [0.7, 1.0, 1.3];
            let reached = |mask: &Array3<bool>| {
                Array3::from_shape_fn(mask.dim(), |at: (usize, usize, usize)| {
                    mask.indexed_iter().filter(|(_, is_in)| **is_in).any(|(from, _)| {
                        let off = [at.2.abs_diff(from.2), at.1.abs_diff(from.1), at.0.abs_diff(from.0)];
                        let squared = (0..3).map(|d| (off[d] as f64 * spacing[d]).powi(2)).sum::<f64>();
                        squared <= radius * radius
                    })
                })
            };
            prop_assert_eq!(dilate_ball(&Device::Cpu, mask.view(), spacing, radius).unwrap(), reached(&mask));
            // One voxel of the volume's surroundings stands for all of them.
            let outside = with_room(&mask, 1).mapv(|is_in| !is_in);
            let left = without_room(&reached(&outside).mapv(|is_gone| !is_gone), 1);
            prop_assert_eq!(erode_ball(&Device::Cpu, mask.view(), spacing, radius).unwrap(), left);
        }
    }

    #[test]
    fn a_radius_of_two_voxels_reaches_two_voxels() {
        let mut mask = Array3::from_elem((1, 1, 7), false);
        mask[[0, 0, 3]] = true;
        let found = dilate_ball(&Device::Cpu, mask.view(), [0.7; 3], 1.4).unwrap();
        assert_eq!(found.as_slice().unwrap(), [false, true, true, true, true, true, false]);
    }

    #[test]
    fn a_hollow_is_filled_and_a_bay_is_not() {
        let mut mask = Array3::from_elem((5, 5, 9), true);
        mask[[2, 2, 2]] = false;
        mask[[2, 2, 6]] = false;
        mask[[2, 2, 7]] = false;
        mask[[2, 2, 8]] = false;
        let mut expected = mask.clone();
        expected[[2, 2, 2]] = true;
        assert_eq!(fill(&Device::Cpu, mask.view()).unwrap(), expected);
    }

    #[test]
    fn a_hollow_that_opens_only_at_an_edge_is_filled() {
        let mut mask = Array3::from_elem((5, 5, 5), true);
        mask[[2, 2, 2]] = false;
        mask[[2, 1, 1]] = false;
        mask[[2, 0, 1]] = false;
        let mut expected = mask.clone();
        expected[[2, 2, 2]] = true;
        assert_eq!(fill(&Device::Cpu, mask.view()).unwrap(), expected);
    }

    #[test]
    fn nothing_stays_nothing() {
        for shape in [[0, 2, 2], [2, 2, 0], [3, 3, 3]] {
            let mask = Array3::from_elem(shape, false);
            assert_eq!(dilate(&Device::Cpu, mask.view(), Neighbours::TwentySix, 2).unwrap(), mask);
            assert_eq!(close(&Device::Cpu, mask.view(), Neighbours::TwentySix, 2).unwrap(), mask);
            assert_eq!(close_ball(&Device::Cpu, mask.view(), [1.0; 3], 3.0).unwrap(), mask);
            assert_eq!(erode_ball(&Device::Cpu, mask.view(), [1.0; 3], 3.0).unwrap(), mask);
            assert_eq!(fill(&Device::Cpu, mask.view()).unwrap(), mask);
        }
    }

    #[test]
    fn a_radius_beyond_all_memory_is_an_error() {
        let mask = Array3::from_elem((2, 2, 2), true);
        let found = close_ball(&Device::Cpu, mask.view(), [1.0; 3], 1e30);
        assert!(matches!(found, Err(Error::OutOfMemory { .. })));
        assert_eq!(dilate_ball(&Device::Cpu, mask.view(), [1.0; 3], 1e30).unwrap(), mask);
    }
}
