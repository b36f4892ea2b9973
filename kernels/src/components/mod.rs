//! The connected parts of a mask, counted and located while they are labelled.
//!
//! What is labelled are runs: voxels that follow each other in one row. A mask has far fewer of them than
//! voxels, and a volume of labels is only written where one is asked for.

mod blocks;
mod cpu;
mod cuda;
mod rows;

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

pub(crate) use rows::Run;
use rows::Slices;

use crate::bits::{Bits, DeviceBits};
use crate::gpu::{Gpu, Volume};
use crate::simd::Level;
use crate::{Device, Error, Neighbours, blank, sparse};

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
    /// In the array's order, all but the last of the same thickness.
    slabs: Vec<Slab>,
    list: Vec<Component>,
}

/// Some slices that follow each other, as runs.
#[derive(Debug, Clone)]
struct Slab {
    first_slice: usize,
    /// The number of each row's first run, and after the last row how many there are.
    starts: Vec<u32>,
    /// Two of each run: its first column and the one past its last.
    ends: Vec<u32>,
    /// Of each run.
    labels: Vec<u32>,
}

impl Slab {
    /// The runs of its row of this number, and their labels.
    fn row(&self, row: usize) -> (&[Run], &[u32]) {
        let range = self.starts[row] as usize..self.starts[row + 1] as usize;
        (&self.ends.as_chunks().0[range.clone()], &self.labels[range])
    }
}

/// The parts of `mask` that hang together through `neighbours`.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there are more than 2^32 - 2 slices, voxels of a slice, or components, or 2^30 rows
/// of a slice, or more than 2^32 - 2 voxels on a CUDA device, or no room there; the device's own errors.
///
/// A CUDA device labels a mask as a whole and not slab by slab. It needs room for a bit of each voxel, 28 bytes of
/// each run and 80 of each component: for the masks of scans less than the voxels that they were made of.
pub fn components(
    device: &Device,
    mask: ArrayView3<'_, bool>,
    neighbours: Neighbours,
) -> Result<Components, Error> {
    let shape = mask.dim().into();
    let mask = mask.as_standard_layout();
    found(device, Slices::Voxels(mask.as_slice().expect("just made standard")), shape, neighbours)
}

/// As [`components`], of a mask of bits.
///
/// # Errors
///
/// As [`components`].
pub fn components_in_bits(device: &Device, mask: &Bits, neighbours: Neighbours) -> Result<Components, Error> {
    found(device, Slices::Words(&mask.words), mask.shape, neighbours)
}

fn found(
    device: &Device,
    mask: Slices<'_>,
    shape: [usize; 3],
    neighbours: Neighbours,
) -> Result<Components, Error> {
    match device {
        Device::Cpu => cpu::labelled(Level::best(), mask, shape, neighbours),
        Device::Cuda(gpu) => cuda::labelled(&cuda::sent(gpu, mask, shape)?, neighbours),
    }
}

/// As [`components`], of a mask on a device.
///
/// # Errors
///
/// As [`components`].
pub fn components_on_device(mask: &DeviceBits, neighbours: Neighbours) -> Result<Components, Error> {
    cuda::labelled(mask, neighbours)
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

    /// As [`Self::mask`], in bits.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room for the result.
    pub fn bits(&self, wanted: impl Fn(&Component) -> bool) -> Result<Bits, Error> {
        let wanted: Vec<bool> = self.list.iter().map(wanted).collect();
        let mut bits = Bits::none(self.shape)?;
        let size = self.shape[1] * bits.stride;
        if bits.words.is_empty() {
            return Ok(bits);
        }
        let stride = bits.stride;
        bits.words.par_chunks_mut(size).enumerate().for_each(|(k, slice)| {
            for (j, words) in slice.chunks_exact_mut(stride).enumerate() {
                let (runs, labels) = self.row(k, j);
                for (run, &label) in runs.iter().zip(labels) {
                    if wanted[label as usize - 1] {
                        rows::set(words, *run);
                    }
                }
            }
        });
        Ok(bits)
    }

    /// As [`Self::labels`], on a device.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfMemory`] if there is no room; the device's own errors.
    pub fn labels_on_device(&self, gpu: &Gpu) -> Result<Volume<u32>, Error> {
        cuda::painted(gpu, self, |label| label)
    }

    /// As [`Self::mask`], on a device: 1 for each voxel that is wanted.
    ///
    /// # Errors
    ///
    /// As [`Self::labels_on_device`].
    pub fn mask_on_device(
        &self,
        gpu: &Gpu,
        wanted: impl Fn(&Component) -> bool,
    ) -> Result<Volume<u8>, Error> {
        let wanted: Vec<bool> = self.list.iter().map(wanted).collect();
        cuda::painted(gpu, self, |label| u32::from(wanted[label as usize - 1]))
    }

    /// The shape of the mask, `[k, j, i]`.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Calls `with` with the slice, the row and the columns of each run of a component, in order.
    pub(crate) fn runs_of(&self, part: &Component, mut with: impl FnMut(u32, u32, Run)) {
        for k in part.start[0]..part.end[0] {
            for j in part.start[1]..part.end[1] {
                let (runs, labels) = self.row(k, j);
                let first = runs.partition_point(|run| (run[1] as usize) <= part.start[2]);
                for (&run, &label) in runs[first..].iter().zip(&labels[first..]) {
                    if run[0] as usize >= part.end[2] {
                        break;
                    }
                    if label == part.label {
                        with(k as u32, j as u32, run);
                    }
                }
            }
        }
    }

    /// The runs of row `j` of slice `k`, and their labels.
    fn row(&self, k: usize, j: usize) -> (&[Run], &[u32]) {
        let rows = self.shape[1];
        // Of each slab but the last, in slices.
        let thickness = (self.slabs[0].starts.len() - 1) / rows;
        let slab = &self.slabs[k / thickness];
        slab.row((k - slab.first_slice) * rows + j)
    }

    /// Writes `paint` of its label into each voxel of the mask.
    fn painted<T: crate::Voxel>(&self, paint: impl Fn(u32) -> T + Sync) -> Result<Array3<T>, Error> {
        let [_, rows, columns] = self.shape;
        let filled = |slab: &Slab| slab.starts.array_windows().filter(|[start, end]| start < end).count();
        let filled: usize = self.slabs.iter().map(filled).sum();
        // Large pages are quicker to touch all over, but each is zeroed as a whole.
        let mut painted =
            if filled * 6 > self.shape[0] * rows { blank(self.shape) } else { sparse(self.shape) }?;
        if painted.is_empty() {
            return Ok(painted);
        }
        let voxels = painted.as_slice_mut().expect("made in standard layout");
        let slices = voxels.par_chunks_mut(rows * columns).enumerate();
        slices.for_each(|(k, slice)| {
            for (j, row) in slice.chunks_exact_mut(columns).enumerate() {
                let (runs, labels) = self.row(k, j);
                for (run, &label) in runs.iter().zip(labels) {
                    row[run[0] as usize..run[1] as usize].fill(paint(label));
                }
            }
        });
        Ok(painted)
    }
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
            for shape in [[7, 33, 65], [5, 9, 128], [40, 3, 5], [40, 1, 5], [1, 1, 70], [3, 70, 1]] {
                let mask = noise(shape, percent, seed as u64 + 1);
                for neighbours in [Neighbours::Six, Neighbours::Eighteen, Neighbours::TwentySix] {
                    let expected = flooded(&mask, neighbours);
                    let voxels = mask.as_slice().unwrap();
                    for &level in Level::all() {
                        let found = cpu::labelled(level, Slices::Voxels(voxels), shape, neighbours).unwrap();
                        let found = found.labels().unwrap();
                        assert_eq!(found, expected, "{percent} % of {shape:?}, {neighbours:?}, {level:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn bits_have_the_components_of_their_voxels() {
        for shape in [[7, 33, 65], [5, 9, 128], [3, 5, 200], [0, 3, 3], [3, 3, 0]] {
            let mask = noise(shape, 30, 9);
            let bits = Bits::of(mask.view()).unwrap();
            let expected = components(&Device::Cpu, mask.view(), Neighbours::Eighteen).unwrap();
            let found = components_in_bits(&Device::Cpu, &bits, Neighbours::Eighteen).unwrap();
            assert_eq!(found.list(), expected.list());
            assert_eq!(found.labels().unwrap(), expected.labels().unwrap());
            assert_eq!(found.bits(|_| true).unwrap(), bits);
            let is_large = |part: &Component| part.voxels > 3;
            let expected = Bits::of(expected.mask(is_large).unwrap().view()).unwrap();
            assert_eq!(found.bits(is_large).unwrap(), expected);
        }
    }

    #[test]
    fn labels_do_not_depend_on_the_number_of_threads() {
        let mask = noise([23, 20, 70], 25, 5);
        let found = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| components(&Device::Cpu, mask.view(), Neighbours::TwentySix).unwrap())
        };
        let (one, five) = (found(1), found(5));
        assert!(one.slabs.len() < five.slabs.len());
        assert_eq!(one.list(), five.list());
        assert_eq!(one.labels().unwrap(), five.labels().unwrap());
    }

    #[test]
    fn the_axes_of_a_view_may_lie_in_any_order() {
        let mask = noise([9, 20, 70], 25, 7).permuted_axes([2, 0, 1]);
        let found = components(&Device::Cpu, mask.view(), Neighbours::Eighteen).unwrap();
        let straight = mask.as_standard_layout().into_owned();
        assert_eq!(found.labels().unwrap(), flooded(&straight, Neighbours::Eighteen));
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
