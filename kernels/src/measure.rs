//! Numbers about each part of a mask: how large it is, how long, and what the voxels under it are.
//!
//! Everything is taken from the runs that were labelled; no mask or volume of labels is written out.

use cudarc::driver::PushKernelArg;
use ndarray::ArrayView3;
use rayon::prelude::*;

use crate::components::{Component, Components, Run};
use crate::diameter::{self, Axes, RowEnds, Span};
use crate::gpu::{Element, Volume, blocks, refused};
use crate::{Error, Voxel};

/// What was measured of one component.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Its label, voxel count, box and centroid.
    pub part: Component,
    /// Its voxels times the volume of one.
    pub volume_mm3: f64,
    /// The voxels of the volume that it covers.
    pub values: Values,
    /// For each axis k, j, i the first of its voxels, `[k, j, i]`, that lies lowest on it, and the first
    /// that lies highest.
    pub extremes: [[[usize; 3]; 2]; 3],
    /// The slice on which its long axis is longest, of several the first: RECIST's.
    pub longest: Section,
    /// The slice with most of its voxels, of several the first.
    pub largest: Section,
    /// The longest distance between any two of its voxels.
    pub diameter: Span<3>,
}

/// A component in one slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Section {
    /// The slice, k.
    pub slice: usize,
    /// How many of its voxels are there.
    pub voxels: usize,
    /// The long and the short axis there, see [`diameter::axes_in_plane`].
    pub axes: Axes,
}

/// Values of voxels, unweighted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values {
    /// Their mean; not a number if one of them is none.
    pub mean: f64,
    /// Their standard deviation: that of these very voxels, over their number.
    pub sd: f64,
    /// The least of those that are numbers.
    pub min: f64,
    /// The greatest of those that are numbers.
    pub max: f64,
}

/// The measures of those of `components` that `wanted` says, in the order of their labels.
///
/// `volume` is what the mask was made from: HU, say. `spacing_mm` is that of columns, rows and slices
/// (i, j, k). Lengths are between the centres of voxels, see [`diameter`]; of lengths that are equal any
/// may be found, but always the same.
///
/// # Panics
///
/// If the volume has another shape than the mask.
pub fn measure<V: Voxel>(
    components: &Components,
    volume: ArrayView3<'_, V>,
    spacing_mm: [f64; 3],
    wanted: impl Fn(&Component) -> bool,
) -> Vec<Measures> {
    assert_eq!(components.shape(), <[usize; 3]>::from(volume.dim()), "the mask's and the volume's shape");
    let (parts, lines) = lines(components, wanted);
    let sums = |lines: &[Line]| {
        let each = lines.par_iter().with_min_len(1024).map(|line| line_sums(volume, *line));
        total(&each.collect::<Vec<_>>())
    };
    let parts = parts.par_iter().zip(&lines);
    parts.map(|(part, lines)| measures(part, lines, sums(lines), spacing_mm)).collect()
}

/// As [`measure`], with a volume on a device, from which only sums of runs come back.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the device has no room for the runs; the device's own errors.
///
/// # Panics
///
/// As [`measure`].
pub fn measure_on_device<V: OnDevice>(
    components: &Components,
    volume: &Volume<V>,
    spacing_mm: [f64; 3],
    wanted: impl Fn(&Component) -> bool,
) -> Result<Vec<Measures>, Error> {
    assert_eq!(components.shape(), volume.shape(), "the mask's and the volume's shape");
    let (parts, lines) = lines(components, wanted);
    let sums = device_sums(volume, &lines)?;
    let mut rest = &sums[..];
    let mut of_parts = Vec::with_capacity(parts.len());
    for lines in &lines {
        let (these, others) = rest.split_at(lines.len());
        of_parts.push(total(these));
        rest = others;
    }
    let parts = parts.par_iter().zip(&lines).zip(of_parts);
    Ok(parts.map(|((part, lines), sums)| measures(part, lines, sums, spacing_mm)).collect())
}

/// Voxels of which a device can take sums.
pub trait OnDevice: Voxel + Element {
    #[doc(hidden)]
    const KERNEL: &str;
}

impl OnDevice for i16 {
    const KERNEL: &str = "measure_i16";
}

impl OnDevice for f32 {
    const KERNEL: &str = "measure_f32";
}

/// The wanted components and the runs of each.
fn lines(components: &Components, wanted: impl Fn(&Component) -> bool) -> (Vec<&Component>, Vec<Vec<Line>>) {
    let parts: Vec<&Component> = components.list().iter().filter(|part| wanted(part)).collect();
    let lines = parts.par_iter().map(|part| {
        let mut lines = Vec::new();
        components.runs_of(part, |k, j, columns| lines.push(Line { k, j, columns }));
        lines
    });
    let lines = lines.collect();
    (parts, lines)
}

/// The sums of each line, as [`line_sums`] has them.
fn device_sums<V: OnDevice>(volume: &Volume<V>, lines: &[Vec<Line>]) -> Result<Vec<Sums>, Error> {
    let numbers: Vec<u32> =
        lines.iter().flatten().flat_map(|line| [line.k, line.j, line.columns[0], line.columns[1]]).collect();
    let count = numbers.len() / 4;
    let gpu = volume.gpu();
    let on_device = gpu.upload(&numbers)?;
    // SAFETY: the kernel below sets all of it.
    let mut sums = unsafe { gpu.room::<f64>(4 * count)? };
    let [_, rows, columns] = volume.shape().map(|n| n as u64);
    let size = count as u64;
    let kernel = gpu.kernel("measure", V::KERNEL)?;
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut sums.slice).arg(&on_device.slice).arg(&volume.memory.slice);
    launch.arg(&rows).arg(&columns).arg(&size);
    // SAFETY: the arguments are those of measure.cu, and the lines lie within the volume.
    unsafe { launch.launch(blocks([count, 1, 1], [64, 1, 1])) }.map_err(refused)?;
    let sums = sums.download()?;
    let each = sums.as_chunks().0.iter();
    Ok(each.map(|&[sum, squares, min, max]| Sums { sum, squares, min, max }).collect())
}

/// A run of a component.
#[derive(Debug, Clone, Copy)]
struct Line {
    k: u32,
    j: u32,
    columns: Run,
}

/// Sums over voxels. In `f64` they are exact for integers of 16 bits up to some 8 million voxels of the
/// greatest value, and beyond that for all that occur; otherwise they depend on the order, which is that
/// of the runs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Sums {
    sum: f64,
    squares: f64,
    min: f64,
    max: f64,
}

impl Sums {
    const NONE: Self = Self { sum: 0.0, squares: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    fn merge(self, other: Self) -> Self {
        Self {
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
            min: if other.min < self.min { other.min } else { self.min },
            max: if other.max > self.max { other.max } else { self.max },
        }
    }

    fn values(self, voxels: usize) -> Values {
        let mean = self.sum / voxels as f64;
        let variance = self.squares / voxels as f64 - mean * mean;
        // Rounding must not make it negative; what is not a number stays so.
        let sd = if variance < 0.0 { 0.0 } else { variance.sqrt() };
        Values { mean, sd, min: self.min, max: self.max }
    }
}

/// Of each line's sums the sums, in order.
fn total(each: &[Sums]) -> Sums {
    each.iter().copied().fold(Sums::NONE, Sums::merge)
}

fn line_sums<V: Voxel>(volume: ArrayView3<'_, V>, line: Line) -> Sums {
    let [start, end] = line.columns.map(|column| column as usize);
    let columns = ndarray::s![line.k as usize, line.j as usize, start..end];
    volume.slice_move(columns).iter().fold(Sums::NONE, |sums, value| {
        let value = f64::from(value.to_f32());
        sums.merge(Sums { sum: value, squares: value * value, min: value, max: value })
    })
}

/// A slice of a component.
struct Slice {
    k: u32,
    voxels: usize,
    /// Of its convex hull, see [`diameter::corners`].
    corners: Vec<[u32; 2]>,
}

fn measures(part: &Component, lines: &[Line], sums: Sums, spacing_mm: [f64; 3]) -> Measures {
    let in_plane = [spacing_mm[0], spacing_mm[1]];
    let slices: Vec<Slice> = lines.chunk_by(|a, b| a.k == b.k).map(slice).collect();
    let section = |slice: &Slice| Section {
        slice: slice.k as usize,
        voxels: slice.voxels,
        axes: diameter::axes_between(&slice.corners, in_plane).expect("a slice has voxels"),
    };
    let first = slices.first().expect("a component has voxels");
    let largest = slices.iter().fold(first, |best, next| if next.voxels > best.voxels { next } else { best });
    let mut longest = (first, diameter::long_axis_mm(&first.corners, in_plane));
    for slice in &slices[1..] {
        let bound = diagonal_mm(&slice.corners, in_plane);
        if bound > longest.1 {
            let length = diameter::long_axis_mm(&slice.corners, in_plane);
            if length > longest.1 {
                longest = (slice, length);
            }
        }
    }
    let all = slices.iter().map(|slice| (slice.k, &slice.corners[..]));
    Measures {
        part: part.clone(),
        volume_mm3: part.voxels as f64 * spacing_mm.iter().product::<f64>(),
        values: sums.values(part.voxels),
        extremes: extremes(lines),
        longest: section(longest.0),
        largest: section(largest),
        diameter: diameter::longest_between(all, spacing_mm).expect("a component has voxels"),
    }
}

fn slice(lines: &[Line]) -> Slice {
    let ends: Vec<RowEnds> = lines
        .chunk_by(|a, b| a.j == b.j)
        .map(|row| (row[0].j, [row[0].columns[0], row[row.len() - 1].columns[1] - 1]))
        .collect();
    let voxels = lines.iter().map(|line| (line.columns[1] - line.columns[0]) as usize).sum();
    Slice { k: lines[0].k, voxels, corners: diameter::corners(&ends) }
}

/// No distance between two of the points is longer.
fn diagonal_mm(corners: &[[u32; 2]], spacing_mm: [f64; 2]) -> f64 {
    let across = |d: usize| {
        let (low, high) =
            corners.iter().fold((u32::MAX, 0), |(low, high), at| (low.min(at[d]), high.max(at[d])));
        f64::from(high.saturating_sub(low)) * spacing_mm[d]
    };
    // Rounding must not rule out what is as long.
    across(0).hypot(across(1)) * (1.0 + 1e-12)
}

fn extremes(lines: &[Line]) -> [[[usize; 3]; 2]; 3] {
    let ends = lines.iter().map(|line| {
        let [start, end] = line.columns;
        [[line.k, line.j, start], [line.k, line.j, end - 1]]
    });
    let mut found = [[ends.clone().next().expect("a component has voxels")[0]; 2]; 3];
    for [first, last] in ends {
        for (axis, [low, high]) in found.iter_mut().enumerate() {
            if first[axis] < low[axis] {
                *low = first;
            }
            // Within a run only the column differs.
            let farther = if axis == 2 { last } else { first };
            if farther[axis] > high[axis] {
                *high = farther;
            }
        }
    }
    found.map(|ends| ends.map(|at| at.map(|index| index as usize)))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Axis, s};
    use proptest::prelude::*;

    use super::*;
    use crate::components::components;
    use crate::{Device, Neighbours};

    const SPACING: [f64; 3] = [0.7, 0.6, 1.25];

    fn all<V: Voxel>(mask: &Array3<bool>, volume: &Array3<V>) -> Vec<Measures> {
        let parts = components(&Device::Cpu, mask.view(), Neighbours::TwentySix).unwrap();
        measure(&parts, volume.view(), SPACING, |_| true)
    }

    /// By hand: 4 columns, 3 rows and 2 slices from column 5, row 2 and slice 1 on, of values 10 * k + i.
    #[test]
    fn a_box_is_as_large_as_its_edges_say() {
        let mut mask = Array3::from_elem((5, 9, 70), false);
        mask.slice_mut(s![1..3, 2..5, 5..9]).fill(true);
        let volume = Array3::from_shape_fn(mask.dim(), |(k, _, i)| (10 * k + i) as i16);
        let found = &all(&mask, &volume)[..];
        let [found] = found else { panic!("{found:?}") };
        assert_eq!(found.part.voxels, 24);
        assert!((found.volume_mm3 - 24.0 * 0.7 * 0.6 * 1.25).abs() < 1e-9);
        assert_eq!((found.part.start, found.part.end), ([1, 2, 5], [3, 5, 9]));
        assert_eq!(found.part.centroid, [6.5, 3.0, 1.5]);
        // 15 to 18 and 25 to 28: their variance is that of the slices, 25, and of the columns, 1.25.
        let sd = f64::sqrt(26.25);
        assert_eq!((found.values.mean, found.values.min, found.values.max), (21.5, 15.0, 28.0));
        assert!((found.values.sd - sd).abs() < 1e-12);
        let expected = [[[1, 2, 5], [2, 2, 5]], [[1, 2, 5], [1, 4, 5]], [[1, 2, 5], [1, 2, 8]]];
        assert_eq!(found.extremes, expected);
        assert_eq!((found.longest.slice, found.largest.slice, found.largest.voxels), (1, 1, 12));
        assert!((found.longest.axes.long.length_mm - f64::hypot(3.0 * 0.7, 2.0 * 0.6)).abs() < 1e-9);
        let diameter = f64::hypot(f64::hypot(3.0 * 0.7, 2.0 * 0.6), 1.25);
        assert!((found.diameter.length_mm - diameter).abs() < 1e-9);
    }

    #[test]
    fn the_longest_slice_need_not_be_the_largest() {
        let mut mask = Array3::from_elem((4, 30, 30), false);
        mask.slice_mut(s![1, 3..13, 3..13]).fill(true);
        mask.slice_mut(s![2, 5, 2..28]).fill(true);
        mask.slice_mut(s![3, 5, 3..29]).fill(true);
        let found = &all(&mask, &Array3::<u8>::zeros(mask.dim()))[0];
        assert_eq!((found.largest.slice, found.largest.voxels), (1, 100));
        assert_eq!((found.longest.slice, found.longest.voxels), (2, 26));
        assert!((found.longest.axes.long.length_mm - 25.0 * 0.7).abs() < 1e-9);
        assert_eq!(found.longest.axes.short.length_mm, 0.0);
    }

    /// Volume within 2 % and lengths within what the tests of [`diameter`] state, at half axes of 10 mm
    /// and more; a middle of the mask that is off by a tenth of a voxel at most.
    #[test]
    fn ellipsoids_measure_as_the_formula_says() {
        for half in [[12.0, 12.0, 12.0], [15.0, 10.0, 11.0], [10.0, 13.0, 17.0]] {
            let middle = [30.3, 31.8, 20.6];
            let mask = Array3::from_shape_fn((42, 64, 61), |(k, j, i)| {
                let at = [i, j, k];
                (0..3).map(|d| ((at[d] as f64 - middle[d]) * SPACING[d] / half[d]).powi(2)).sum::<f64>()
                    <= 1.0
            });
            let volume = mask.mapv(|is_in| if is_in { -75.5_f32 } else { 900.0 });
            let found = &all(&mask, &volume)[0];
            let truth = 4.0 / 3.0 * std::f64::consts::PI * half.iter().product::<f64>();
            assert!((found.volume_mm3 / truth - 1.0).abs() < 0.02, "{} for {truth}", found.volume_mm3);
            let off = found.part.centroid.iter().zip(middle).map(|(found, middle)| (found - middle).abs());
            assert!(off.fold(0.0, f64::max) < 0.1, "{:?}", found.part.centroid);
            let near = |mm: f64, length: f64, least: f64| (least..=length).contains(&mm);
            let longest = 2.0 * half.iter().fold(0.0_f64, |a, &b| a.max(b));
            let (long, short) = (2.0 * half[0].max(half[1]), 2.0 * half[0].min(half[1]));
            assert!(near(found.diameter.length_mm, longest, longest - 1.5 * 1.25), "{found:?}");
            assert!(near(found.longest.axes.long.length_mm, long, long - 1.5 * 0.7), "{found:?}");
            assert!(near(found.longest.axes.short.length_mm, short + 0.5, short - 1.5 * 0.7), "{found:?}");
            assert_eq!(found.values, Values { mean: -75.5, sd: 0.0, min: -75.5, max: -75.5 });
        }
    }

    #[test]
    fn only_what_is_wanted_is_measured() {
        let mut mask = Array3::from_elem((3, 3, 9), false);
        for i in [0, 3, 4, 7] {
            mask[[1, 1, i]] = true;
        }
        let parts = components(&Device::Cpu, mask.view(), Neighbours::Six).unwrap();
        let volume = Array3::<i16>::zeros(mask.dim());
        let found = measure(&parts, volume.view(), SPACING, |part| part.voxels == 1);
        assert_eq!(found.iter().map(|found| found.part.label).collect::<Vec<_>>(), [1, 3]);
        let none = measure(&parts, volume.view(), SPACING, |_| false);
        assert!(none.is_empty());
    }

    #[test]
    fn values_that_are_no_numbers_are_told() {
        let mask = Array3::from_elem((1, 1, 3), true);
        let mut volume = Array3::from_elem((1, 1, 3), 2.0_f32);
        volume[[0, 0, 1]] = f32::NAN;
        let values = all(&mask, &volume)[0].values;
        assert!(values.mean.is_nan() && values.sd.is_nan());
        assert_eq!((values.min, values.max), (2.0, 2.0));
    }

    proptest! {
        /// Of each component's voxels, one by one from the volume of labels.
        #[test]
        fn measures_are_those_of_the_labels(
            bits in prop::collection::vec(0_u8..6, 6 * 7 * 70),
            seed in 1_i64..1000,
        ) {
            let mask = Array3::from_shape_vec((6, 7, 70), bits.iter().map(|&v| v == 0).collect()).unwrap();
            let volume = Array3::from_shape_fn(mask.dim(), |(k, j, i)| {
                ((k as i64 * 131 + j as i64 * 17 + i as i64) * seed % 4001 - 1024) as i16
            });
            let parts = components(&Device::Cpu, mask.view(), Neighbours::Eighteen).unwrap();
            let labels = parts.labels().unwrap();
            let found = measure(&parts, volume.view(), SPACING, |_| true);
            prop_assert_eq!(found.len(), parts.list().len());
            for found in &found {
                let only = labels.mapv(|label| label == found.part.label);
                let voxels: Vec<[usize; 3]> =
                    only.indexed_iter().filter(|(_, v)| **v).map(|((k, j, i), _)| [k, j, i]).collect();
                let values: Vec<f64> = voxels.iter().map(|&at| f64::from(volume[at])).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
                // Of the squares of numbers up to 3000, of which 53 bits are kept.
                prop_assert!((found.values.mean - mean).abs() < 1e-9);
                prop_assert!((found.values.sd.powi(2) - variance).abs() < 1e-7);
                prop_assert_eq!(found.values.min, values.iter().copied().fold(f64::MAX, f64::min));
                prop_assert_eq!(found.values.max, values.iter().copied().fold(f64::MIN, f64::max));
                for axis in 0..3 {
                    let low = voxels.iter().min_by_key(|at| at[axis]).unwrap();
                    // `max_by_key` would take the last.
                    let high = voxels.iter().rev().max_by_key(|at| at[axis]).unwrap();
                    prop_assert_eq!(found.extremes[axis], [*low, *high]);
                }
                let diameter = diameter::longest_in_mask(only.view(), SPACING).unwrap();
                prop_assert_eq!(found.diameter, diameter);
                let in_slice = |k: usize| {
                    let plane = only.index_axis(Axis(0), k);
                    let voxels = plane.iter().filter(|v| **v).count();
                    let axes = diameter::axes_in_plane(plane, [SPACING[0], SPACING[1]]);
                    axes.map(|axes| Section { slice: k, voxels, axes })
                };
                let sections: Vec<Section> = (0..6).filter_map(in_slice).collect();
                let largest = sections.iter().rev().max_by_key(|section| section.voxels).unwrap();
                prop_assert_eq!(&found.largest, largest);
                let length = |section: &&Section| section.axes.long.length_mm;
                let longest = sections.iter().rev().max_by(|a, b| length(a).total_cmp(&length(b))).unwrap();
                prop_assert_eq!(&found.longest, longest);
            }
        }
    }
}
