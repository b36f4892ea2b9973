//! The median of each voxel and its 26 neighbours.

use cudarc::driver::PushKernelArg;
use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::gpu::{Volume, blocks, refused};
use crate::simd::{Instructions, Level, at_each_level};
use crate::{Device, Error, blank};

/// Voxels of a row that are worked on together, at most: the 13 candidates for each fit into the registers.
const LANES: usize = 16;
type Lane<const N: usize> = [f32; N];

/// The median of the 3 x 3 x 3 voxels around each voxel; beyond the border its nearest voxel is
/// repeated. The same as scipy's `median_filter(size=3, mode="reflect")`.
///
/// Where a voxel is not a number, its neighbourhood's median is any of its values.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn median(device: &Device, source: ArrayView3<'_, f32>) -> Result<Array3<f32>, Error> {
    match device {
        Device::Cpu => reference(Level::best(), source),
        Device::Cuda(gpu) => median_on_device(&gpu.upload_volume(source)?)?.download(),
    }
}

/// As [`median`], of a volume in a device's memory, where the result stays.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if the device has no room, [`Error::Driver`] and [`Error::Kernel`] if it failed.
pub fn median_on_device(source: &Volume<f32>) -> Result<Volume<f32>, Error> {
    let (gpu, shape) = (source.gpu(), source.shape());
    // SAFETY: the kernel below sets all of it.
    let mut out = unsafe { gpu.volume::<f32>(shape)? };
    let kernel = gpu.kernel("median", "median_of_27")?;
    let [slices, rows, columns] = shape.map(|n| n as u64);
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut out.memory.slice).arg(&source.memory.slice).arg(&slices).arg(&rows).arg(&columns);
    // SAFETY: the arguments are those of median.cu, and both volumes have that shape.
    unsafe { launch.launch(blocks([shape.iter().product(), 1, 1], [128, 1, 1])) }.map_err(refused)?;
    Ok(out)
}

fn reference(level: Level, source: ArrayView3<'_, f32>) -> Result<Array3<f32>, Error> {
    let (slices, rows, columns) = source.dim();
    let mut out = blank([slices, rows, columns])?;
    if source.is_empty() {
        return Ok(out);
    }
    let source = source.as_standard_layout();
    let voxels = source.as_slice().expect("just made standard");
    // Nine sorted values for each column from -1 to `columns`, and room to read whole lanes.
    let width = (columns + 2).next_multiple_of(LANES) + LANES;
    let to = out.as_slice_mut().expect("made in standard layout");
    to.par_chunks_mut(columns).enumerate().with_min_len(8).for_each_init(
        || vec![0.0_f32; 9 * width],
        |sorted, (at, row)| {
            let (k, j) = (at / rows, at % rows);
            for rank in 0..9 {
                let k = (k + rank / 3).saturating_sub(1).min(slices - 1);
                let j = (j + rank % 3).saturating_sub(1).min(rows - 1);
                let from = &voxels[(k * rows + j) * columns..][..columns];
                let to = &mut sorted[rank * width..][..columns + 2];
                to[0] = from[0];
                to[1..=columns].copy_from_slice(from);
                to[columns + 1] = from[columns - 1];
            }
            match level.instructions() {
                Instructions::Avx512 => of_columns(level, [0.0; 16], row, sorted, width),
                _ => of_columns(level, [0.0; 8], row, sorted, width),
            }
        },
    );
    Ok(out)
}

at_each_level! {
    /// The medians of a row, from the nine rows of `width` around it. `_lane` is as many as are worked on
    /// together.
    fn of_columns[const N: usize](_lane: Lane<N>, row: &mut [f32], rows: &mut [f32], width: usize) {
        sort_columns::<N>(rows, width);
        median_of_three_columns::<N>(row, rows, width);
    }
}

/// Puts `a` and `b` in order. Comparisons written so that they become one instruction each.
#[inline(always)]
fn order<const N: usize>(values: &mut [Lane<N>], a: usize, b: usize) {
    let (x, y) = (values[a], values[b]);
    for lane in 0..N {
        values[a][lane] = if x[lane] < y[lane] { x[lane] } else { y[lane] };
        values[b][lane] = if x[lane] < y[lane] { y[lane] } else { x[lane] };
    }
}

#[inline(always)]
fn load<const N: usize>(row: &[f32], at: usize) -> Lane<N> {
    let mut lane = [0.0; N];
    lane.copy_from_slice(&row[at..at + N]);
    lane
}

/// Puts pairs in order, one after the other. Written out, so that all values stay in registers.
macro_rules! in_order {
    ($values:ident: $(($a:literal, $b:literal)),*) => {
        $(order($values, $a, $b);)*
    };
}

/// 25 pairs are the fewest known.
#[inline(always)]
fn sort_nine<const N: usize>(values: &mut [Lane<N>; 9]) {
    in_order!(values: (0, 3), (1, 7), (2, 5), (4, 8));
    in_order!(values: (0, 7), (2, 4), (3, 8), (5, 6));
    in_order!(values: (0, 2), (1, 3), (4, 5), (7, 8));
    in_order!(values: (1, 4), (3, 6), (5, 7));
    in_order!(values: (0, 1), (2, 4), (3, 5), (6, 8));
    in_order!(values: (2, 3), (4, 5), (6, 7));
    in_order!(values: (1, 2), (3, 4), (5, 6));
}

/// Sorts each column of nine rows of `width` values.
#[inline(always)]
fn sort_columns<const N: usize>(rows: &mut [f32], width: usize) {
    for at in (0..width / N).map(|block| block * N) {
        let mut column: [Lane<N>; 9] = [[0.0; N]; 9];
        for (rank, lane) in column.iter_mut().enumerate() {
            *lane = load(rows, rank * width + at);
        }
        sort_nine(&mut column);
        for (rank, lane) in column.iter().enumerate() {
            rows[rank * width + at..][..N].copy_from_slice(lane);
        }
    }
}

/// The median of columns `i`, `i + 1` and `i + 2` of nine sorted rows, for each `i` of `row`.
///
/// Sorting the three values of each rank as well leaves a 9 x 3 table that rises both ways. A value
/// with 14 or more of the 27 at or below it by its place alone, or at or above it, can be left out, as
/// long as as many go on either side; that leaves 13.
#[inline(always)]
fn median_of_three_columns<const N: usize>(row: &mut [f32], sorted: &[f32], width: usize) {
    for (block, to) in row.chunks_mut(N).enumerate() {
        let three = |rank: usize| {
            let from = &sorted[rank * width + block * N..][..N + 2];
            let mut three: [Lane<N>; 3] = [load(from, 0), load(from, 1), load(from, 2)];
            let values = &mut three;
            in_order!(values: (0, 1), (1, 2), (0, 1));
            three
        };
        let [.., a] = three(0);
        let [.., b] = three(1);
        let [_, c, d] = three(2);
        let [_, e, f] = three(3);
        let [_, g, _] = three(4);
        let [h, i, _] = three(5);
        let [j, k, _] = three(6);
        let [l, ..] = three(7);
        let [m, ..] = three(8);
        let median = median_of_thirteen([a, b, c, d, e, f, g, h], [i, j, k, l, m]);
        to.copy_from_slice(&median[..to.len()]);
    }
}

/// Of any 8 of 13 values neither the least nor the greatest is the median: both go, another comes in,
/// until three are left.
#[inline(always)]
fn median_of_thirteen<const N: usize>(mut held: [Lane<N>; 8], others: [Lane<N>; 5]) -> Lane<N> {
    let values = &mut held;
    // The least of all comes first, the greatest last.
    in_order!(values: (0, 7), (1, 6), (2, 5), (3, 4), (0, 1), (0, 2), (0, 3), (6, 7), (5, 7), (4, 7));
    values[0] = others[0];
    in_order!(values: (0, 6), (1, 5), (2, 4), (0, 1), (5, 6), (0, 2), (4, 6), (0, 3), (3, 6));
    values[0] = others[1];
    in_order!(values: (0, 5), (1, 4), (2, 3), (0, 1), (0, 2), (4, 5), (3, 5));
    values[0] = others[2];
    in_order!(values: (0, 4), (1, 3), (0, 1), (3, 4), (0, 2), (2, 4));
    values[0] = others[3];
    in_order!(values: (0, 3), (1, 2), (0, 1), (2, 3));
    values[0] = others[4];
    in_order!(values: (0, 2), (0, 1), (1, 2));
    values[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeros and ones decide it: a network that sorts them sorts everything.
    #[test]
    fn the_network_sorts_nine_values() {
        for bits in 0..512_u32 {
            let mut values: [Lane<LANES>; 9] = std::array::from_fn(|at| [(bits >> at & 1) as f32; LANES]);
            sort_nine(&mut values);
            assert!(values.windows(2).all(|pair| pair[0][0] <= pair[1][0]), "{bits:09b}");
        }
    }

    /// Every way in which 13 values can lie about their median.
    #[test]
    fn the_median_of_thirteen_values_is_the_seventh() {
        for bits in 0..1_u32 << 13 {
            let of = |at: usize| [(bits >> at & 1) as f32; LANES];
            let found = median_of_thirteen(std::array::from_fn(of), std::array::from_fn(|at| of(at + 8)));
            assert_eq!(found[0] == 1.0, bits.count_ones() >= 7, "{bits:013b}");
        }
    }

    #[test]
    fn odd_shapes_agree_with_sorting_all_27_values() {
        for shape in [[7, 33, 65], [1, 1, 1], [1, 5, 2], [2, 1, 17], [9, 8, 3]] {
            // 1009 is prime, so that values are scattered, and few, so that many are equal.
            let source = Array3::from_shape_fn(shape, |(k, j, i)| {
                let at = (k * shape[1] + j) * shape[2] + i;
                (at * at * 7919 % 1009 % 97) as f32 - 40.0
            });
            let found = median(&Device::Cpu, source.view()).unwrap();
            for &level in Level::all() {
                assert_eq!(reference(level, source.view()).unwrap(), found, "{level:?}");
            }
            for ((k, j, i), &found) in found.indexed_iter() {
                let clamp =
                    |at: usize, step: usize, axis: usize| (at + step).saturating_sub(1).min(shape[axis] - 1);
                let mut values: Vec<f32> = (0..27)
                    .map(|n| source[[clamp(k, n / 9, 0), clamp(j, n / 3 % 3, 1), clamp(i, n % 3, 2)]])
                    .collect();
                values.sort_by(f32::total_cmp);
                assert_eq!(found, values[13], "{shape:?} at {k} {j} {i}");
            }
        }
    }
}
