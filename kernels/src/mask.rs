//! Where the body, the lungs and soft tissue can be, found fast enough to ask before a network is run.
//!
//! A volume is read once: of each block of voxels, a cell, the least and the greatest value are kept
//! ([`Cells`]). All questions are then asked of cells, of which there are some fifty times fewer than
//! voxels. The answers err on one side only: what the same question asked voxel by voxel would find is
//! always inside. So a tile that no cell of the answer touches can be left out without any effect.

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::bits::Bits;
use crate::components::components;
use crate::simd::{Level, at_each_level};
use crate::{Device, Error, IndexMap, Neighbours, Voxel, blank};

/// The least and the greatest value of each block of voxels of a volume.
#[derive(Debug, Clone)]
pub struct Cells<T> {
    least: Array3<T>,
    greatest: Array3<T>,
    cell: [usize; 3],
    /// Of the volume, in voxels.
    shape: [usize; 3],
}

/// Cells of a volume, as an answer: no wanted voxel lies outside of them.
#[derive(Debug, Clone)]
pub struct Candidates {
    /// One bit per cell.
    pub cells: Bits,
    /// How many voxels (`[k, j, i]`) one cell is; the last cell of an axis may reach beyond the volume.
    pub cell: [usize; 3],
    /// The shape of the volume in voxels.
    pub shape: [usize; 3],
}

impl<T: Voxel + PartialOrd> Cells<T> {
    /// Reads `volume`, whose values are numbers, in blocks of `cell` voxels (`[k, j, i]`).
    ///
    /// The last block of an axis may be smaller.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    ///
    /// # Panics
    ///
    /// If a cell has no voxels: the caller's mistake.
    pub fn of(device: &Device, volume: ArrayView3<'_, T>, cell: [usize; 3]) -> Result<Self, Error> {
        assert!(cell.iter().all(|&n| n > 0), "a cell of {cell:?} voxels is none");
        device.on_cpu(module_path!())?;
        Self::read(Level::best(), volume, cell)
    }

    fn read(level: Level, volume: ArrayView3<'_, T>, cell: [usize; 3]) -> Result<Self, Error> {
        let shape: [usize; 3] = volume.dim().into();
        let count: [usize; 3] = std::array::from_fn(|axis| shape[axis].div_ceil(cell[axis]));
        let (mut least, mut greatest) = (blank(count)?, blank(count)?);
        let volume = volume.as_standard_layout();
        let voxels = volume.as_slice().expect("just made standard");
        let [slices, rows, columns] = shape;
        if !voxels.is_empty() {
            let to = least.as_slice_mut().expect("made in standard layout").par_chunks_mut(count[2]);
            let to = to.zip(greatest.as_slice_mut().expect("likewise").par_chunks_mut(count[2]));
            to.enumerate().with_min_len(4).for_each_init(
                || (vec![T::default(); columns], vec![T::default(); columns]),
                |(low, high), (at, (least, greatest))| {
                    let (k, j) = (at / count[1] * cell[0], at % count[1] * cell[1]);
                    let row = |k: usize, j: usize| &voxels[(k * rows + j) * columns..][..columns];
                    low.copy_from_slice(row(k, j));
                    high.copy_from_slice(row(k, j));
                    let end = (j + cell[1]).min(rows);
                    for k in k..(k + cell[0]).min(slices) {
                        for j in (j..end).step_by(2) {
                            stretch(level, low, high, [row(k, j), row(k, (j + 1).min(end - 1))]);
                        }
                    }
                    extremes(level, low, high, least, greatest, cell[2]);
                },
            );
        }
        Ok(Self { least, greatest, cell, shape })
    }

    /// Cells with a voxel from `low` to `high`, both included, or that may have one: with voxels on both
    /// sides but none between.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn within(&self, low: T, high: T) -> Result<Candidates, Error> {
        let mut cells = Bits::wherever(self.greatest.view(), |greatest| greatest >= low)?;
        cells.keep(&Bits::wherever(self.least.view(), |least| least <= high)?);
        Ok(self.candidates(cells))
    }

    /// Where the body can be: parts above `air` of at least `smallest` voxels, hanging together through faces,
    /// with all that they enclose in each slice.
    ///
    /// The table is part of it. Openings narrower than a cell count as closed.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn body(&self, air: T, smallest: usize) -> Result<Candidates, Error> {
        let dense = Bits::wherever(self.greatest.view(), |greatest| greatest > air)?;
        let parts = self.candidates(dense).parts(smallest)?;
        Ok(Candidates { cells: parts.cells.filled_by_slice(&Device::Cpu)?, ..parts })
    }

    /// Where lungs can be: voxels of at most `air` that are enclosed by others in their slice, in parts of at
    /// least `smallest` voxels that hang together through faces and into which a whole cell fits.
    ///
    /// Openings narrower than a cell count as closed. Air in the bowel and the windpipe is among it.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn lungs(&self, air: T, smallest: usize) -> Result<Candidates, Error> {
        let dense = Bits::wherever(self.greatest.view(), |greatest| greatest > air)?;
        let mut inside = dense.clone().filled_by_slice(&Device::Cpu)?;
        let mut whole = dense.inverted();
        whole.keep(&inside);
        inside.keep(&Bits::wherever(self.least.view(), |least| least <= air)?);
        // The skin has cells with air as well, but none of air alone.
        let parts = components(&Device::Cpu, inside.to_mask()?.view(), Neighbours::Six)?;
        let mut has_whole = vec![false; parts.list().len() + 1];
        for ((k, j, i), &label) in parts.labels()?.indexed_iter() {
            has_whole[label as usize] |= whole.contains([k, j, i]);
        }
        let voxels = self.cell.iter().product::<usize>();
        let lungs = parts
            .mask(|part| has_whole[part.label as usize] && part.voxels.saturating_mul(voxels) >= smallest)?;
        Ok(self.candidates(Bits::of(lungs.view())?))
    }

    fn candidates(&self, cells: Bits) -> Candidates {
        Candidates { cells, cell: self.cell, shape: self.shape }
    }
}

impl Candidates {
    /// Those that can hold parts of at least `smallest` voxels, hanging together through faces.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn parts(self, smallest: usize) -> Result<Self, Error> {
        let voxels = self.cell.iter().product::<usize>();
        let parts = components(&Device::Cpu, self.cells.to_mask()?.view(), Neighbours::Six)?;
        let kept = parts.mask(|part| part.voxels.saturating_mul(voxels) >= smallest)?;
        Ok(Self { cells: Bits::of(kept.view())?, ..self })
    }

    /// With all cells of which a voxel lies within `radius_mm` of a voxel of these, between centres.
    ///
    /// `spacing_mm` is that of the voxels' columns, rows and slices (i, j, k).
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    ///
    /// # Panics
    ///
    /// If a spacing is not above zero: the caller's mistake.
    pub fn dilated(self, spacing_mm: [f64; 3], radius_mm: f64) -> Result<Self, Error> {
        let cell_mm: [f64; 3] = std::array::from_fn(|d| spacing_mm[d] * self.cell[2 - d] as f64);
        // Two voxels are nearer to each other than the centres of their cells by at most a cell's diagonal.
        let diagonal = (0..3).map(|d| (cell_mm[d] - spacing_mm[d]).powi(2)).sum::<f64>().sqrt();
        let cells = self.cells.dilated_by_ball(&Device::Cpu, cell_mm, radius_mm + diagonal)?;
        Ok(Self { cells, ..self })
    }

    /// Whether the voxel at `[k, j, i]` is in one of the cells.
    pub fn contains(&self, at: [usize; 3]) -> bool {
        (0..3).all(|axis| at[axis] < self.shape[axis])
            && self.cells.contains(std::array::from_fn(|axis| at[axis] / self.cell[axis]))
    }

    /// Which of the tiles of `tile` voxels that start at `starts` (`[k, j, i]`) may touch a candidate, where
    /// `map` leads from the tiles' tensor to the volume.
    ///
    /// A voxel of the tensor touches those of the volume that it is interpolated from. The tile is followed
    /// into the volume as the box around it there: for a turned tensor that is more than the tile itself.
    pub fn touched_by(&self, starts: &[[isize; 3]], tile: [usize; 3], map: &IndexMap) -> Vec<bool> {
        let touched = |start: &[isize; 3]| {
            // In the order i, j, k as the map is.
            let low: [f64; 3] = std::array::from_fn(|d| start[2 - d] as f64);
            let high: [f64; 3] = std::array::from_fn(|d| low[d] + tile[2 - d] as f64 - 1.0);
            if tile.contains(&0) || map.iter().flatten().any(|value| !value.is_finite()) {
                return false;
            }
            let bounds: [[f64; 2]; 3] = std::array::from_fn(|row| {
                let ends = |d: usize| [map[row][d] * low[d], map[row][d] * high[d]];
                let least = |[a, b]: [f64; 2]| a.min(b);
                let most = |[a, b]: [f64; 2]| a.max(b);
                [
                    (0..3).map(|d| least(ends(d))).sum::<f64>() + map[row][3],
                    (0..3).map(|d| most(ends(d))).sum::<f64>() + map[row][3],
                ]
            });
            // Between two voxels both count; `as` cuts off at 0 and at what can be counted.
            let low = std::array::from_fn(|axis| bounds[2 - axis][0].floor() as usize / self.cell[axis]);
            let high = std::array::from_fn(|axis| match bounds[2 - axis][1].ceil() {
                high if high < 0.0 => 0,
                high => (high as usize / self.cell[axis]).saturating_add(1),
            });
            self.cells.any_within(low, high)
        };
        starts.par_iter().map(touched).collect()
    }
}

at_each_level! {
    /// Lowers `low` and raises `high` to take in the values of two rows.
    fn stretch[T: Copy + PartialOrd](low: &mut [T], high: &mut [T], rows: [&[T]; 2]) {
        let rows = rows[0].iter().zip(rows[1]);
        for ((low, high), (&a, &b)) in low.iter_mut().zip(high).zip(rows) {
            *low = least(*low, least(a, b));
            *high = greatest(*high, greatest(a, b));
        }
    }
}

at_each_level! {
    /// The least of each `cell` values of `low`, the last perhaps of fewer, and the greatest of `high`.
    fn extremes[T: Copy + PartialOrd](
        low: &[T],
        high: &[T],
        least_of: &mut [T],
        greatest_of: &mut [T],
        cell: usize,
    ) {
        fold_cells(low, least_of, cell, |a, b| least(a, b));
        fold_cells(high, greatest_of, cell, |a, b| greatest(a, b));
    }
}

/// Vectorised where the number of voxels is known when it is compiled.
#[inline(always)]
fn fold_cells<T: Copy>(from: &[T], to: &mut [T], cell: usize, fold: impl Fn(T, T) -> T + Copy) {
    let whole = from.len() / cell;
    match cell {
        2 => fold_whole::<2, T>(from, to, fold),
        4 => fold_whole::<4, T>(from, to, fold),
        8 => fold_whole::<8, T>(from, to, fold),
        _ => {
            for (to, values) in to.iter_mut().zip(from.chunks_exact(cell)) {
                *to = values.iter().fold(values[0], |a, &b| fold(a, b));
            }
        }
    }
    if let Some((to, values)) = to.get_mut(whole).zip(from.get(whole * cell..)) {
        *to = values.iter().fold(values[0], |a, &b| fold(a, b));
    }
}

#[inline(always)]
fn fold_whole<const N: usize, T: Copy>(from: &[T], to: &mut [T], fold: impl Fn(T, T) -> T) {
    for (to, values) in to.iter_mut().zip(from.as_chunks::<N>().0) {
        let mut found = values[0];
        for &value in &values[1..] {
            found = fold(found, value);
        }
        *to = found;
    }
}

#[inline(always)]
fn least<T: PartialOrd>(a: T, b: T) -> T {
    if b < a { b } else { a }
}

#[inline(always)]
fn greatest<T: PartialOrd>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

#[cfg(test)]
mod tests {
    use ndarray::s;
    use proptest::prelude::*;

    use super::*;
    use crate::morphology;

    const CPU: Device = Device::Cpu;

    /// Blobs of about `grain` voxels with values from -1000 to 1000.
    fn blobs(shape: [usize; 3], grain: usize, seed: u64) -> Array3<i16> {
        Array3::from_shape_fn(shape, |(k, j, i)| {
            let of = |at: usize, by: u64| (at / grain) as u64 * by;
            let mixed =
                (seed + of(k, 7919) + of(j, 104_729) + of(i, 1_299_709)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((mixed >> 40) % 2001) as i16 - 1000
        })
    }

    /// Parts of at least `smallest` voxels.
    fn large(mask: &Array3<bool>, smallest: usize) -> Array3<bool> {
        let parts = components(&CPU, mask.view(), Neighbours::Six).unwrap();
        parts.mask(|part| part.voxels >= smallest).unwrap()
    }

    /// Parts that hold all voxels of some cell.
    fn with_whole_cell(mask: &Array3<bool>, cell: [usize; 3]) -> Array3<bool> {
        let parts = components(&CPU, mask.view(), Neighbours::Six).unwrap();
        let labels = parts.labels().unwrap();
        let mut kept = vec![false; parts.list().len() + 1];
        for start in mask.indexed_iter().map(|((k, j, i), _)| [k, j, i]) {
            if (0..3).all(|axis| start[axis] % cell[axis] == 0) {
                let end: [usize; 3] =
                    std::array::from_fn(|axis| (start[axis] + cell[axis]).min(mask.shape()[axis]));
                let block = labels.slice(s![start[0]..end[0], start[1]..end[1], start[2]..end[2]]);
                kept[labels[start] as usize] |= block.iter().all(|&label| label == labels[start]);
            }
        }
        parts.mask(|part| kept[part.label as usize]).unwrap()
    }

    fn filled_by_slice(mask: &Array3<bool>) -> Array3<bool> {
        Bits::of(mask.view()).unwrap().filled_by_slice(&CPU).unwrap().to_mask().unwrap()
    }

    #[track_caller]
    fn holds(candidates: &Candidates, mask: &Array3<bool>) {
        let outside =
            mask.indexed_iter().find(|((k, j, i), is_in)| **is_in && !candidates.contains([*k, *j, *i]));
        assert_eq!(outside, None);
    }

    #[test]
    fn cells_hold_the_least_and_greatest_of_their_voxels() {
        for (shape, cell) in [([7, 33, 65], [3, 4, 5]), ([4, 4, 4], [9, 9, 9]), ([2, 3, 70], [1, 1, 1])] {
            let volume = blobs(shape, 1, 3);
            for &level in Level::all() {
                let cells = Cells::read(level, volume.view(), cell).unwrap();
                let (mut least, mut greatest) =
                    (cells.least.mapv(|_| i16::MAX), cells.least.mapv(|_| i16::MIN));
                for ((k, j, i), &value) in volume.indexed_iter() {
                    let at = [k / cell[0], j / cell[1], i / cell[2]];
                    least[at] = least[at].min(value);
                    greatest[at] = greatest[at].max(value);
                }
                assert_eq!((cells.least, cells.greatest), (least, greatest), "{shape:?} at {level:?}");
            }
        }
        let empty = Cells::of(&CPU, Array3::<i16>::zeros((0, 3, 3)).view(), [2; 3]).unwrap();
        assert_eq!(empty.body(0, 1).unwrap().cells.count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_found_voxel_by_voxel_is_always_inside(
            shape in prop::array::uniform3(1_usize..24),
            cell in prop::array::uniform3(1_usize..5),
            grain in 1_usize..6,
            seed in 0_u64..1000,
            air in -900_i16..900,
            smallest in 0_usize..200,
        ) {
            let volume = blobs(shape, grain, seed);
            let cells = Cells::of(&CPU, volume.view(), cell).unwrap();
            let dense = volume.mapv(|value| value > air);
            let body = filled_by_slice(&large(&dense, smallest));
            let candidates = cells.body(air, smallest).unwrap();
            holds(&candidates, &body);
            let enclosed = ndarray::Zip::from(&filled_by_slice(&dense)).and(&dense).map_collect(|&a, &b| a && !b);
            holds(&cells.lungs(air, smallest).unwrap(), &with_whole_cell(&large(&enclosed, smallest), cell));
            let soft = volume.mapv(|value| (air..air.saturating_add(100)).contains(&value));
            let soft_candidates = cells.within(air, air.saturating_add(99)).unwrap().parts(smallest).unwrap();
            holds(&soft_candidates, &large(&soft, smallest));
            let spacing = [0.7, 0.8, 2.0];
            let wide = morphology::dilate_ball(&CPU, body.view(), spacing, 3.0).unwrap();
            holds(&candidates.dilated(spacing, 3.0).unwrap(), &wide);
        }

        #[test]
        fn a_tile_that_is_not_touched_is_interpolated_from_no_candidate(
            cell in prop::array::uniform3(1_usize..5),
            start in prop::array::uniform3(-6_isize..20),
            voxel in prop::array::uniform3(0_usize..16),
            steps in prop::array::uniform9(-1.5_f64..1.5),
            offset in prop::array::uniform3(-2.0_f64..14.0),
        ) {
            let mut volume = Array3::<i16>::zeros((16, 16, 16));
            volume[voxel] = 1;
            let map: IndexMap = std::array::from_fn(|d| [steps[3 * d], steps[3 * d + 1], steps[3 * d + 2], offset[d]]);
            let candidates = Cells::of(&CPU, volume.view(), cell).unwrap().within(1, 1).unwrap();
            let found = candidates.touched_by(&[start], [3, 4, 5], &map)[0];
            let used = ndarray::indices((3, 4, 5)).into_iter().any(|(k, j, i)| {
                let at = [i, j, k].map(|n| n as f64);
                let start = [start[2], start[1], start[0]].map(|n| n as f64);
                (0..3).all(|d| {
                    let place = (0..3).map(|e| map[d][e] * (start[e] + at[e])).sum::<f64>() + map[d][3];
                    // A voxel counts for places less than one voxel away, and half a voxel beyond the border.
                    (place.clamp(0.0, 15.0) - voxel[2 - d] as f64).abs() < 1.0 && (-0.5..=15.5).contains(&place)
                })
            });
            prop_assert!(found || !used);
        }
    }

    #[test]
    fn a_body_with_lungs_is_found_and_air_around_it_is_not() {
        let at = |k: usize, j: usize, i: usize, c: [f64; 3], r: [f64; 3]| {
            let off = [k, j, i].map(|n| n as f64);
            (0..3).map(|a| ((off[a] - c[a]) / r[a]).powi(2)).sum::<f64>() < 1.0
        };
        let volume = Array3::from_shape_fn((40, 120, 160), |(k, j, i)| {
            let lung = at(k, j, i, [10.0, 60.0, 50.0], [30.0, 25.0, 20.0]);
            let body = at(k, j, i, [20.0, 60.0, 80.0], [400.0, 45.0, 65.0]);
            if lung {
                -850_i16
            } else if body {
                40
            } else {
                -1000
            }
        });
        let cells = Cells::of(&CPU, volume.view(), [2, 4, 4]).unwrap();
        let (body, lungs) = (cells.body(-320, 1000).unwrap(), cells.lungs(-320, 1000).unwrap());
        assert!(body.contains([0, 60, 50]) && body.contains([20, 60, 80]) && !body.contains([20, 5, 5]));
        assert!(lungs.contains([0, 60, 50]) && !lungs.contains([20, 60, 120]) && !lungs.contains([20, 5, 5]));
        let identity = [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]];
        let starts = [[0, 0, 0], [0, 40, 40], [38, 50, 130], [-60, 40, 40], [40, 40, 40]];
        assert_eq!(lungs.touched_by(&starts, [20; 3], &identity), [false, true, false, false, false]);
        assert_eq!(body.touched_by(&starts, [20; 3], &identity), [false, true, true, false, false]);
    }
}
