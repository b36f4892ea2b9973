//! Masks grown, shrunk, smoothed and filled.
//!
//! By steps over a neighbourhood, or by a ball of a radius in millimetres. Outside of the volume there
//! is nothing, so shrinking also eats from its border, as scipy's operators do by default. Closing is
//! done as if the volume went on, so it never loses a voxel.
//!
//! All of it is done on [`Bits`]; a chain of operations is quickest if it stays there.

mod cuda;
mod flood;
mod spread;

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::bits::{Bits, DeviceBits, trim};
use crate::simd::Level;
use crate::{Device, Error, Neighbours};

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
    Bits::of(mask)?.dilated(device, neighbours, times)?.to_mask()
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
    Bits::of(mask)?.eroded(device, neighbours, times)?.to_mask()
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
    Bits::of(mask)?.opened(device, neighbours, times)?.to_mask()
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
    Bits::of(mask)?.closed(device, neighbours, times)?.to_mask()
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
    Bits::of(mask)?.dilated_by_ball(device, spacing_mm, radius_mm)?.to_mask()
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
    Bits::of(mask)?.eroded_by_ball(device, spacing_mm, radius_mm)?.to_mask()
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
    Bits::of(mask)?.closed_by_ball(device, spacing_mm, radius_mm)?.to_mask()
}

/// `mask` without holes: voxels outside of it that cannot reach the volume's border through faces are
/// added.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn fill(device: &Device, mask: ArrayView3<'_, bool>) -> Result<Array3<bool>, Error> {
    Bits::of(mask)?.filled(device)?.to_mask()
}

/// What the functions of [`morphology`](self) do, from bits to bits; errors and panics are theirs.
impl Bits {
    /// See [`dilate`].
    pub fn dilated(self, device: &Device, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        let grown = |bits: Self| bits.grown(Level::best(), neighbours, times);
        self.on(device, grown, |bits| bits.dilated(neighbours, times))
    }

    /// See [`erode`].
    pub fn eroded(self, device: &Device, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        let shrunk = |bits: Self| bits.shrunk(Level::best(), neighbours, times);
        self.on(device, shrunk, |bits| bits.eroded(neighbours, times))
    }

    /// See [`open`].
    pub fn opened(self, device: &Device, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        let level = Level::best();
        let opened = |bits: Self| bits.shrunk(level, neighbours, times)?.grown(level, neighbours, times);
        self.on(device, opened, |bits| bits.eroded(neighbours, times)?.dilated(neighbours, times))
    }

    /// See [`close`].
    pub fn closed(self, device: &Device, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        let Some(Part { bits, corner }) = Part::around(&self, [times; 3])? else { return Ok(self) };
        let level = Level::best();
        let closed = |bits: Self| bits.grown(level, neighbours, times)?.shrunk(level, neighbours, times);
        let closed =
            bits.on(device, closed, |bits| bits.dilated(neighbours, times)?.eroded(neighbours, times))?;
        Ok(Part { bits: closed, corner }.in_place_of(self))
    }

    /// See [`dilate_ball`].
    pub fn dilated_by_ball(
        self,
        device: &Device,
        spacing_mm: [f64; 3],
        radius_mm: f64,
    ) -> Result<Self, Error> {
        let reach = reach(spacing_mm, radius_mm);
        let margin = std::array::from_fn(|axis| reach[axis].min(self.shape[axis]));
        let Some(Part { bits, corner }) = Part::around(&self, margin)? else { return Ok(self) };
        let ball = ball(spacing_mm, radius_mm, bits.shape);
        let grown = bits.on(device, |bits| bits.reached(Level::best(), &ball), |bits| bits.reached(&ball))?;
        Ok(Part { bits: grown, corner }.in_place_of(self))
    }

    /// See [`erode_ball`].
    pub fn eroded_by_ball(
        self,
        device: &Device,
        spacing_mm: [f64; 3],
        radius_mm: f64,
    ) -> Result<Self, Error> {
        let Some(Part { bits, corner }) = Part::around(&self, [1; 3])? else { return Ok(self) };
        let ball = ball(spacing_mm, radius_mm, bits.shape);
        let shrunk = bits.on(
            device,
            |bits| Ok(bits.inverted().reached(Level::best(), &ball)?.inverted()),
            |bits| bits.inverted()?.reached(&ball)?.inverted(),
        )?;
        Ok(Part { bits: shrunk, corner }.in_place_of(self))
    }

    /// See [`close_ball`].
    pub fn closed_by_ball(
        self,
        device: &Device,
        spacing_mm: [f64; 3],
        radius_mm: f64,
    ) -> Result<Self, Error> {
        // One more, so that there is an outside to erode from.
        let margin = reach(spacing_mm, radius_mm).map(|voxels| voxels.saturating_add(1));
        let Some(Part { bits, corner }) = Part::around(&self, margin)? else { return Ok(self) };
        let ball = ball(spacing_mm, radius_mm, bits.shape);
        let level = Level::best();
        let closed = bits.on(
            device,
            |bits| Ok(bits.reached(level, &ball)?.inverted().reached(level, &ball)?.inverted()),
            |bits| bits.reached(&ball)?.inverted()?.reached(&ball)?.inverted(),
        )?;
        Ok(Part { bits: closed, corner }.in_place_of(self))
    }

    /// See [`fill`].
    pub fn filled(self, device: &Device) -> Result<Self, Error> {
        self.on(device, flood::filled, DeviceBits::filled)
    }

    /// The mask without holes in each slice: voxels outside of it that cannot reach the border of their
    /// slice within it are added. For bodies whose lungs go on beyond the first or last slice.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn filled_by_slice(self, device: &Device) -> Result<Self, Error> {
        self.on(device, flood::filled_by_slice, DeviceBits::filled_by_slice)
    }

    /// What `host` makes of it, or on a GPU what `cuda` does.
    fn on(
        self,
        device: &Device,
        host: impl FnOnce(Self) -> Result<Self, Error>,
        cuda: impl FnOnce(DeviceBits) -> Result<DeviceBits, Error>,
    ) -> Result<Self, Error> {
        match device {
            Device::Cpu => host(self),
            Device::Cuda(gpu) => cuda(DeviceBits::upload(gpu, &self)?)?.download(),
        }
    }
}

/// A radius that is a whole number of voxels must not lose to rounding.
const RADIUS_TOLERANCE: f64 = 1e-6;

/// The steps of a ball in slices and rows, no larger than a volume of `shape`, and how many columns it
/// reaches to either side there.
fn ball(spacing_mm: [f64; 3], radius_mm: f64, shape: [usize; 3]) -> Vec<(isize, isize, usize)> {
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
fn reach(spacing_mm: [f64; 3], radius_mm: f64) -> [usize; 3] {
    assert!(spacing_mm.iter().all(|&mm| mm > 0.0), "a spacing of {spacing_mm:?} mm");
    let [i, j, k] = spacing_mm.map(|mm| (radius_mm * (1.0 + RADIUS_TOLERANCE) / mm).max(0.0) as usize);
    [k, j, i]
}

/// The part of a mask that is worked on: the box around its voxels with a margin, which may lie beyond
/// the volume. Along the rows it begins and ends between words, so there it may be larger.
struct Part {
    bits: Bits,
    /// Where its first slice, row and word lie in the mask; below 0 if before its own first.
    corner: [isize; 3],
}

impl Part {
    /// `None` if the mask is empty.
    fn around(mask: &Bits, margin: [usize; 3]) -> Result<Option<Self>, Error> {
        let Some([low, high]) = mask.bounds() else { return Ok(None) };
        let (low, high) = ([low[0], low[1], low[2] / 64], [high[0], high[1], high[2].div_ceil(64)]);
        let margin = [margin[0], margin[1], margin[2].div_ceil(64)];
        let wide = |axis: usize| margin[axis].saturating_mul(2).saturating_add(high[axis] - low[axis]);
        let mut bits = Bits::none([wide(0), wide(1), wide(2).saturating_mul(64)])?;
        // What there was memory for can be counted with a sign.
        let corner: [isize; 3] = std::array::from_fn(|axis| low[axis] as isize - margin[axis] as isize);
        copy_words(mask, &mut bits, corner);
        Ok(Some(Self { bits, corner }))
    }

    /// The part, and nothing else, in the volume of the mask that it was taken from.
    fn in_place_of(&self, mut mask: Bits) -> Bits {
        mask.words.par_chunks_mut(4096).for_each(|words| words.fill(0));
        copy_words(&self.bits, &mut mask, self.corner.map(|at| -at));
        let last = mask.last_word();
        trim(&mut mask.words, mask.stride, last);
        mask
    }
}

/// Copies what the two share; the first slice, row and word of `to` lie at `corner` of `from`.
fn copy_words(from: &Bits, to: &mut Bits, corner: [isize; 3]) {
    let there = [from.shape[0], from.shape[1], from.stride];
    let here = [to.shape[0], to.shape[1], to.stride];
    // Where the two overlap, in `to`.
    let low = corner.map(|at| (-at).max(0) as usize);
    let high: [usize; 3] =
        std::array::from_fn(|axis| here[axis].min((there[axis] as isize - corner[axis]).max(0) as usize));
    if (0..3).any(|axis| low[axis] >= high[axis]) {
        return;
    }
    let slices = to.words.par_chunks_mut(here[1] * here[2]).enumerate();
    slices.take(high[0]).skip(low[0]).for_each(|(k, to)| {
        let k = k.strict_add_signed(corner[0]);
        for j in low[1]..high[1] {
            let row = (k * there[1] + j.strict_add_signed(corner[1])) * there[2];
            let words = &from.words[row + low[2].strict_add_signed(corner[2])..][..high[2] - low[2]];
            to[j * here[2] + low[2]..j * here[2] + high[2]].copy_from_slice(words);
        }
    });
}

#[cfg(test)]
mod tests {
    use ndarray::s;
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

    #[test]
    fn every_level_grows_and_shrinks_alike() {
        let ball = ball([0.7, 1.0, 1.3], 4.0, [9, 40, 200]);
        for shape in [[9, 40, 200], [20, 3, 64], [1, 1, 1]] {
            let bits = Bits::of(noise(shape, 30, 7).view()).unwrap();
            let at = |level| {
                let mut found = vec![bits.reached(level, &ball).unwrap()];
                for neighbours in ALL {
                    found.push(bits.clone().grown(level, neighbours, 2).unwrap());
                    found.push(bits.clone().inverted().shrunk(level, neighbours, 1).unwrap());
                }
                found
            };
            let expected = at(Level::all()[0]);
            assert!(Level::all().iter().all(|&level| at(level) == expected), "{shape:?}");
        }
    }

    /// All voxels that cannot be reached from the border through those outside of the mask.
    fn without_holes(mask: &Array3<bool>, by_slice: bool) -> Array3<bool> {
        let shape: [usize; 3] = mask.dim().into();
        let is_border = |at: [usize; 3]| {
            (usize::from(by_slice)..3).any(|axis| at[axis] == 0 || at[axis] + 1 == shape[axis])
        };
        let mut filled = Array3::from_elem(shape, true);
        let mut open: Vec<[usize; 3]> = Vec::new();
        for ((k, j, i), &is_in) in mask.indexed_iter() {
            if !is_in && is_border([k, j, i]) {
                filled[[k, j, i]] = false;
                open.push([k, j, i]);
            }
        }
        while let Some(at) = open.pop() {
            for axis in usize::from(by_slice)..3 {
                for step in [-1, 1] {
                    let mut next = at;
                    next[axis] = next[axis].wrapping_add_signed(step);
                    if mask.get(next) == Some(&false) && filled[next] {
                        filled[next] = false;
                        open.push(next);
                    }
                }
            }
        }
        filled
    }

    #[test]
    fn a_winding_way_out_of_many_slices_is_found() {
        // One voxel wide: along a row, back along the next, and so on through all slices.
        let mut mask = Array3::from_elem((19, 21, 133), true);
        for k in (1..18).step_by(2) {
            for j in (1..20).step_by(2) {
                mask.slice_mut(s![k, j, 1..132]).fill(false);
                let turn = if j / 2 % 2 == 0 { 131 } else { 1 };
                if j < 19 {
                    mask[[k, j + 1, turn]] = false;
                }
            }
            let turn = if k / 2 % 2 == 0 { [k + 1, 19, 1] } else { [k + 1, 1, 1] };
            mask[turn] = false;
        }
        let found = fill(&Device::Cpu, mask.view()).unwrap();
        assert_eq!(found, without_holes(&mask, false));
        assert_eq!(found, mask, "the way leads out through the last slice");
        mask[[18, 19, 1]] = true;
        assert!(fill(&Device::Cpu, mask.view()).unwrap().iter().all(|&is_in| is_in));
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
        fn filling_is_what_a_flood_from_the_border_leaves(
            shape in prop::array::uniform3(1_usize..12),
            long in 1_usize..150,
            every in 2_u64..8,
            seed in 0_u64..1000,
        ) {
            for shape in [shape, [shape[0], shape[1], long]] {
                for mask in [noise(shape, every, seed), noise(shape, every, seed).mapv(|is_in| !is_in)] {
                    let found = fill(&Device::Cpu, mask.view()).unwrap();
                    prop_assert_eq!(found, without_holes(&mask, false));
                    let found = Bits::of(mask.view()).unwrap().filled_by_slice(&Device::Cpu).unwrap();
                    prop_assert_eq!(found.to_mask().unwrap(), without_holes(&mask, true));
                }
            }
        }

        #[test]
        fn eroding_a_mask_is_dilating_what_is_around_it(
            shape in prop::array::uniform3(1_usize..9),
            every in 2_u64..60,
            seed in 0_u64..1000,
            times in 0_usize..4,
        ) {
            let mask = noise(shape, every, seed).mapv(|is_in| !is_in);
            // The volume's surroundings do not belong to the mask.
            let around = with_room(&mask, 5).mapv(|is_in| !is_in);
            for neighbours in ALL {
                let grown = dilate(&Device::Cpu, around.view(), neighbours, times).unwrap();
                let left = without_room(&grown, 5).mapv(|is_in| !is_in);
                prop_assert_eq!(erode(&Device::Cpu, mask.view(), neighbours, times).unwrap(), left);
            }
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
