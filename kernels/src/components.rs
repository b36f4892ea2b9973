//! The connected parts of a mask, counted and located while they are labelled.

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::bits::pack_row;
use crate::{Device, Error, Neighbours, blank};

/// One connected part.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// 1 for the component whose first voxel comes first in the array, and so on.
    pub label: u32,
    /// How many voxels it has.
    pub voxels: usize,
    /// The lowest index on each axis, `[k, j, i]`.
    pub start: [usize; 3],
    /// One past the highest index on each axis, `[k, j, i]`.
    pub end: [usize; 3],
    /// The mean of its voxels' centres: column, row, slice (i, j, k).
    pub centroid: [f64; 3],
}

/// The connected parts of a mask.
#[derive(Debug, Clone)]
pub struct Components {
    shape: [usize; 3],
    /// In the array's order.
    runs: Vec<Run>,
    /// Of each run.
    labels: Vec<u32>,
    list: Vec<Component>,
}

/// Voxels of the same component that follow each other in one row.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// The row's number: `k * rows + j`.
    row: u32,
    start: u32,
    end: u32,
}

/// The parts of `mask` that hang together through `neighbours`.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the mask has more than 2^32 - 2 rows, columns, or runs of voxels.
pub fn components(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
) -> Result<Components, Error> {
    device.on_cpu(module_path!())?;
    let shape: [usize; 3] = mask.dim().into();
    let too_large = Error::OutOfMemory { voxels: mask.len() };
    if shape[0] * shape[1] >= u32::MAX as usize || shape[2] >= u32::MAX as usize {
        return Err(too_large);
    }
    let slabs = slabs(mask, neighbours);
    if slabs.iter().map(|slab| slab.runs.len()).sum::<usize>() >= u32::MAX as usize {
        return Err(too_large);
    }
    let (runs, mut parents) = stacked(slabs, neighbours, shape[1]);
    Ok(gathered(shape, runs, &mut parents))
}

impl Components {
    /// All components, in the order of their labels.
    pub fn list(&self) -> &[Component] {
        &self.list
    }

    /// The component with the most voxels; of several, the first.
    pub fn largest(&self) -> Option<&Component> {
        self.list.iter().reduce(|best, next| if next.voxels > best.voxels { next } else { best })
    }

    /// The label of each voxel; 0 outside of the mask.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn labels(&self) -> Result<Array3<u32>, Error> {
        self.painted(|label| label)
    }

    /// The voxels of those components that `wanted` says.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn mask(&self, wanted: impl Fn(&Component) -> bool) -> Result<Array3<bool>, Error> {
        let wanted: Vec<bool> = self.list.iter().map(wanted).collect();
        self.painted(|label| wanted[label as usize - 1])
    }

    /// Writes `paint` of its label into each voxel of the mask.
    fn painted<T: crate::Voxel>(&self, paint: impl Fn(u32) -> T + Sync) -> Result<Array3<T>, Error> {
        let mut painted = blank(self.shape)?;
        let [_, rows, columns] = self.shape;
        if painted.is_empty() {
            return Ok(painted);
        }
        let voxels = painted.as_slice_mut().expect("made in standard layout");
        voxels.par_chunks_mut(rows * columns).enumerate().for_each(|(k, slice)| {
            let first = self.runs.partition_point(|run| (run.row as usize) < k * rows);
            let runs = self.runs[first..].iter().zip(&self.labels[first..]);
            for (run, &label) in runs.take_while(|(run, _)| (run.row as usize) < (k + 1) * rows) {
                let row = &mut slice[(run.row as usize - k * rows) * columns..][..columns];
                row[run.start as usize..run.end as usize].fill(paint(label));
            }
        });
        Ok(painted)
    }
}

/// Some slices that follow each other, their runs joined among themselves.
struct Slab {
    runs: Vec<Run>,
    /// Where each row's runs start, and after the last row their number.
    rows: Vec<u32>,
    parents: Vec<u32>,
}

fn slabs(mask: ArrayView3<'_, bool>, neighbours: Neighbours) -> Vec<Slab> {
    let (slices, rows, columns) = mask.dim();
    if mask.is_empty() {
        return Vec::new();
    }
    let mask = mask.as_standard_layout();
    let voxels = mask.as_slice().expect("just made standard");
    let thickness = slices.div_ceil(4 * rayon::current_num_threads());
    let slabs = voxels.par_chunks(thickness * rows * columns).enumerate();
    slabs
        .map(|(slab, voxels)| {
            let first_row = slab * thickness * rows;
            let count = voxels.len() / columns;
            let (mut runs, mut starts) = (Vec::new(), Vec::with_capacity(count + 1));
            let mut words = vec![0; columns.div_ceil(64)];
            for (row, voxels) in voxels.chunks(columns).enumerate() {
                starts.push(runs.len() as u32);
                pack_row(voxels, &mut words);
                find_runs(&words, columns, (first_row + row) as u32, &mut runs);
            }
            starts.push(runs.len() as u32);
            let mut parents: Vec<u32> = (0..runs.len() as u32).collect();
            for row in 0..count {
                for (before, reach) in rows_before(row, rows, neighbours) {
                    let range = |row: usize| starts[row] as usize..starts[row + 1] as usize;
                    join_rows(&runs, &mut parents, range(row), range(before), reach);
                }
            }
            Slab { runs, rows: starts, parents }
        })
        .collect()
}

/// The earlier rows that touch a row, and how far to the side their voxels touch (0 or 1).
fn rows_before(row: usize, rows: usize, neighbours: Neighbours) -> impl Iterator<Item = (usize, u32)> {
    let (k, j) = (row / rows, row % rows);
    let wide = u32::from(neighbours != Neighbours::Six);
    let all = u32::from(neighbours == Neighbours::TwentySix);
    let diagonal = neighbours != Neighbours::Six && k > 0;
    [
        (j > 0).then(|| (row - 1, wide)),
        (k > 0).then(|| (row - rows, wide)),
        (diagonal && j > 0).then(|| (row - rows - 1, all)),
        (diagonal && j + 1 < rows).then(|| (row - rows + 1, all)),
    ]
    .into_iter()
    .flatten()
}

/// Appends the runs of one row, given as bits.
fn find_runs(words: &[u64], columns: usize, row: u32, runs: &mut Vec<Run>) {
    let mut start = None;
    for (at, &word) in words.iter().enumerate() {
        let first = 64 * at as u32;
        let mut bit = 0;
        loop {
            match start {
                None => bit += (word >> bit).trailing_zeros(),
                Some(_) => bit += (word >> bit).trailing_ones(),
            }
            if bit >= 64 {
                break;
            }
            match start.take() {
                None => start = Some(first + bit),
                Some(start) => runs.push(Run { row, start, end: first + bit }),
            }
        }
    }
    if let Some(start) = start {
        runs.push(Run { row, start, end: columns as u32 });
    }
}

/// Joins the runs of two rows that touch.
fn join_rows(
    runs: &[Run],
    parents: &mut [u32],
    mut here: std::ops::Range<usize>,
    mut there: std::ops::Range<usize>,
    reach: u32,
) {
    while !here.is_empty() && !there.is_empty() {
        let (a, b) = (runs[here.start], runs[there.start]);
        if a.start < b.end + reach && b.start < a.end + reach {
            join(parents, here.start as u32, there.start as u32);
        }
        if a.end < b.end {
            here.start += 1;
        } else {
            there.start += 1;
        }
    }
}

/// The first run of the component so far.
fn root(parents: &mut [u32], mut run: u32) -> u32 {
    while parents[run as usize] != run {
        let parent = parents[run as usize];
        parents[run as usize] = parents[parent as usize];
        run = parent;
    }
    run
}

/// The earlier run becomes the parent, so a root is always its component's first run.
fn join(parents: &mut [u32], a: u32, b: u32) {
    let (a, b) = (root(parents, a), root(parents, b));
    parents[a.max(b) as usize] = a.min(b);
}

/// The slabs one on top of the other, joined where they touch.
fn stacked(slabs: Vec<Slab>, neighbours: Neighbours, rows: usize) -> (Vec<Run>, Vec<u32>) {
    let count = slabs.iter().map(|slab| slab.runs.len()).sum();
    let (mut runs, mut starts, mut parents) =
        (Vec::with_capacity(count), Vec::new(), Vec::with_capacity(count));
    let mut seams = Vec::new();
    for slab in slabs {
        let offset = runs.len() as u32;
        seams.push(starts.len());
        runs.extend(slab.runs);
        parents.extend(slab.parents.iter().map(|parent| parent + offset));
        starts.extend(slab.rows[..slab.rows.len() - 1].iter().map(|start| start + offset));
    }
    starts.push(runs.len() as u32);
    for seam in seams.into_iter().filter(|&row| row > 0) {
        for row in seam..seam + rows {
            for (before, reach) in rows_before(row, rows, neighbours).filter(|(before, _)| *before < seam) {
                let range = |row: usize| starts[row] as usize..starts[row + 1] as usize;
                join_rows(&runs, &mut parents, range(row), range(before), reach);
            }
        }
    }
    (runs, parents)
}

/// Labels the runs in their order and sums up each component.
fn gathered(shape: [usize; 3], runs: Vec<Run>, parents: &mut [u32]) -> Components {
    let rows = shape[1];
    let mut list: Vec<Component> = Vec::new();
    let mut labels = vec![0_u32; runs.len()];
    for (at, run) in runs.iter().enumerate() {
        let first = root(parents, at as u32) as usize;
        if first == at {
            let label = list.len() as u32 + 1;
            let (start, end) = ([usize::MAX; 3], [0; 3]);
            list.push(Component { label, voxels: 0, start, end, centroid: [0.0; 3] });
            labels[at] = label;
        }
        labels[at] = labels[first];
        let component = &mut list[labels[at] as usize - 1];
        let low = [run.row as usize / rows, run.row as usize % rows, run.start as usize];
        let high = [low[0] + 1, low[1] + 1, run.end as usize];
        let voxels = high[2] - low[2];
        component.voxels += voxels;
        for axis in 0..3 {
            component.start[axis] = component.start[axis].min(low[axis]);
            component.end[axis] = component.end[axis].max(high[axis]);
        }
        let middle = [(low[2] + high[2] - 1) as f64 / 2.0, low[1] as f64, low[0] as f64];
        for (sum, middle) in component.centroid.iter_mut().zip(middle) {
            *sum += middle * voxels as f64;
        }
    }
    for component in &mut list {
        component.centroid = component.centroid.map(|sum| sum / component.voxels as f64);
    }
    Components { shape, runs, labels, list }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voxels on for about `percent` of the array.
    fn noise(shape: [usize; 3], percent: u64, seed: u64) -> Array3<bool> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Array3::from_shape_simple_fn(shape, || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % 100 < percent
        })
    }

    fn touch(step: [isize; 3], neighbours: Neighbours) -> bool {
        let moved = step.iter().filter(|&&s| s != 0).count();
        moved > 0
            && moved
                <= match neighbours {
                    Neighbours::Six => 1,
                    Neighbours::Eighteen => 2,
                    Neighbours::TwentySix => 3,
                }
    }

    /// Labels by flood fill, in the order of the first voxel.
    fn flooded(mask: &Array3<bool>, neighbours: Neighbours) -> Array3<u32> {
        let mut labels = Array3::zeros(mask.dim());
        let mut next = 0;
        for (first, _) in mask.indexed_iter().filter(|(_, is_in)| **is_in) {
            if labels[first] != 0 {
                continue;
            }
            next += 1;
            labels[first] = next;
            let mut open = vec![first];
            while let Some((k, j, i)) = open.pop() {
                for n in 0..27_isize {
                    let step = [n / 9 - 1, n / 3 % 3 - 1, n % 3 - 1];
                    let at = (
                        k.wrapping_add_signed(step[0]),
                        j.wrapping_add_signed(step[1]),
                        i.wrapping_add_signed(step[2]),
                    );
                    if touch(step, neighbours) && mask.get(at) == Some(&true) && labels[at] == 0 {
                        labels[at] = next;
                        open.push(at);
                    }
                }
            }
        }
        labels
    }

    #[test]
    fn labels_equal_a_flood_fill() {
        for (seed, percent) in [1, 5, 12, 25, 35, 60, 95].into_iter().enumerate() {
            for shape in [[7, 33, 65], [40, 3, 5], [1, 1, 70], [3, 70, 1]] {
                let mask = noise(shape, percent, seed as u64 + 1);
                for neighbours in [Neighbours::Six, Neighbours::Eighteen, Neighbours::TwentySix] {
                    let found = components(&Device::Cpu, mask.view(), neighbours).unwrap().labels().unwrap();
                    assert_eq!(found, flooded(&mask, neighbours), "{percent} % of {shape:?}, {neighbours:?}");
                }
            }
        }
    }

    #[test]
    fn counts_boxes_and_centroids_are_those_of_the_labels() {
        let mask = noise([9, 20, 70], 20, 3);
        let found = components(&Device::Cpu, mask.view(), Neighbours::Eighteen).unwrap();
        let labels = found.labels().unwrap();
        for (at, component) in found.list().iter().enumerate() {
            assert_eq!(component.label as usize, at + 1);
            let voxels: Vec<_> =
                labels.indexed_iter().filter(|(_, l)| **l == component.label).map(|(at, _)| at).collect();
            assert_eq!(component.voxels, voxels.len());
            for axis in 0..3 {
                let indices = || voxels.iter().map(|&(k, j, i)| [k, j, i][axis]);
                assert_eq!(component.start[axis], indices().min().unwrap());
                assert_eq!(component.end[axis], indices().max().unwrap() + 1);
                let mean = indices().sum::<usize>() as f64 / voxels.len() as f64;
                assert!((component.centroid[2 - axis] - mean).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn the_largest_of_equals_is_the_first() {
        let mut mask = Array3::from_elem((1, 1, 9), true);
        mask[[0, 0, 1]] = false;
        mask[[0, 0, 5]] = false;
        let found = components(&Device::Cpu, mask.view(), Neighbours::Six).unwrap();
        assert_eq!(found.list().iter().map(|c| c.voxels).collect::<Vec<_>>(), [1, 3, 3]);
        let largest = found.largest().unwrap().label;
        assert_eq!(largest, 2);
        let only = found.mask(|component| component.label == largest).unwrap();
        assert_eq!(only.iter().positions(), [2, 3, 4]);
    }

    trait Positions {
        fn positions(self) -> Vec<usize>;
    }
    impl<'a, I: Iterator<Item = &'a bool>> Positions for I {
        fn positions(self) -> Vec<usize> {
            self.enumerate().filter(|(_, v)| **v).map(|(at, _)| at).collect()
        }
    }

    #[test]
    fn an_empty_mask_has_no_components() {
        for shape in [[0, 3, 3], [3, 0, 3], [3, 3, 0], [3, 3, 3]] {
            let found =
                components(&Device::Cpu, Array3::from_elem(shape, false).view(), Neighbours::Six).unwrap();
            assert!(found.list().is_empty() && found.largest().is_none());
            assert_eq!(found.labels().unwrap(), Array3::<u32>::zeros(shape));
        }
    }
}
