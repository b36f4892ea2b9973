//! Tiles cut out of a volume into the batch that a network takes, and which of them are worth it.
//!
//! Where tiles start is [`crate::blend::starts`]'s business, and putting their answers together
//! [`crate::blend::Blend`]'s.

mod cuda;

use ndarray::{Array5, ArrayView3, ArrayViewMut5, s};
use rayon::prelude::*;

use crate::bits::Bits;
use crate::{Device, Error, Voxel, any, blank};

pub use cuda::gather_on_device;

/// The tiles of `shape` that start at `starts` (`[k, j, i]`) as one batch `[n, 1, k, j, i]`, with `pad`
/// where they reach beyond `volume`.
///
/// A start may lie before the volume: a tile with a border of its own begins at less than 0. The volume may
/// lie in memory in any way; it is quickest if its rows are in one piece.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for the result.
pub fn gather<T: Voxel>(
    device: &Device,
    volume: ArrayView3<'_, T>,
    starts: &[[isize; 3]],
    shape: [usize; 3],
    pad: T,
) -> Result<Array5<T>, Error> {
    let mut batch = empty_batch(starts.len(), shape)?;
    gather_into(device, volume, starts, pad, batch.view_mut())?;
    Ok(batch)
}

/// The same into `batch` `[n, 1, k, j, i]`, which says what shape the tiles have: where one batch follows another,
/// its memory need not be new.
///
/// # Errors
///
/// None on the CPU; [`Error::OutOfMemory`], [`Error::Driver`] or [`Error::Kernel`] on a GPU.
///
/// # Panics
///
/// If the batch does not hold as many tiles of one channel as there are starts, or is not in standard layout: the
/// caller's mistakes.
pub fn gather_into<T: Voxel>(
    device: &Device,
    volume: ArrayView3<'_, T>,
    starts: &[[isize; 3]],
    pad: T,
    mut batch: ArrayViewMut5<'_, T>,
) -> Result<(), Error> {
    let (tiles, channels, slices, rows, columns) = batch.dim();
    assert!(
        (tiles, channels) == (starts.len(), 1),
        "{tiles} tiles of {channels} channels for {}",
        starts.len()
    );
    let voxels = batch.as_slice_mut().expect("a batch in standard layout");
    if voxels.is_empty() {
        return Ok(());
    }
    if let Device::Cuda(gpu) = device {
        let there = cuda::gather(gpu, volume, starts, [slices, rows, columns], pad)?;
        return any::download(&there, voxels);
    }
    voxels.par_chunks_mut(rows * columns).enumerate().for_each(|(at, slice)| {
        let [k, j, i] = starts[at / slices];
        cut_slice(volume, [k.saturating_add_unsigned(at % slices), j, i], slice, columns, pad);
    });
    Ok(())
}

/// Memory for a batch of `count` tiles of `shape`, `[n, 1, k, j, i]`, of zeros.
///
/// # Errors
///
/// [`Error::OutOfMemory`] if there is no room for it.
pub fn empty_batch<T: Voxel>(count: usize, shape: [usize; 3]) -> Result<Array5<T>, Error> {
    let slices = count.checked_mul(shape[0]).ok_or(Error::OutOfMemory { voxels: usize::MAX })?;
    let batch = blank([slices, shape[1], shape[2]])?;
    let batch = batch.into_shape_with_order([count, 1, shape[0], shape[1], shape[2]]);
    Ok(batch.expect("as many voxels in the same order"))
}

/// One slice of a tile, with rows of `columns` voxels, whose first voxel lies at `at`.
fn cut_slice<T: Voxel>(volume: ArrayView3<'_, T>, at: [isize; 3], slice: &mut [T], columns: usize, pad: T) {
    let [_, rows, all] = volume.dim().into();
    let plane = usize::try_from(at[0]).ok().filter(|&k| k < volume.dim().0);
    let inside = along(at[2], columns, all);
    let Some(k) = plane.filter(|_| !inside.is_empty()) else { return slice.fill(pad) };
    let within = along(at[1], slice.len() / columns, rows);
    if within.is_empty() {
        return slice.fill(pad);
    }
    // Neither is empty, so these are the indices of a voxel.
    let [j, i] = [(at[1], within.start), (at[2], inside.start)]
        .map(|(at, inside)| at.saturating_add_unsigned(inside) as usize);
    let part = volume.slice(s![k, j..j + within.len(), i..i + inside.len()]);
    slice[..within.start * columns].fill(pad);
    slice[within.end * columns..].fill(pad);
    let to = slice[within.start * columns..within.end * columns].chunks_mut(columns);
    for (row, from) in to.zip(part.outer_iter()) {
        row[..inside.start].fill(pad);
        row[inside.end..].fill(pad);
        let to = &mut row[inside.clone()];
        match from.to_slice() {
            Some(from) => to.copy_from_slice(from),
            None => to.iter_mut().zip(&from).for_each(|(to, &from)| *to = from),
        }
    }
}

/// Which of the `n` voxels from `start` on lie on an axis of `all` voxels.
fn along(start: isize, n: usize, all: usize) -> std::ops::Range<usize> {
    let low = start.min(0).unsigned_abs().min(n);
    let high = all.saturating_sub(start.max(0) as usize).saturating_add(low).min(n);
    low..high
}

/// Which of the parts of `shape` that start at `starts` (`[k, j, i]`) hold a voxel of `wanted`: where a
/// tile's part holds none, the network need not be run.
pub fn holding(wanted: &Bits, starts: &[[isize; 3]], shape: [usize; 3]) -> Vec<bool> {
    let holds = |start: &[isize; 3]| {
        let end = |axis: usize| start[axis].saturating_add_unsigned(shape[axis]).max(0) as usize;
        wanted.any_within(start.map(|at| at.max(0) as usize), [end(0), end(1), end(2)])
    };
    starts.par_iter().map(holds).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;

    fn volume(shape: [usize; 3]) -> Array3<i16> {
        Array3::from_shape_fn(shape, |(k, j, i)| (k * 700 + j * 20 + i) as i16 + 1)
    }

    /// Voxel by voxel.
    fn check(volume: ArrayView3<'_, i16>, starts: &[[isize; 3]], shape: [usize; 3]) {
        let found = gather(&Device::Cpu, volume, starts, shape, -7).unwrap();
        assert_eq!(found.shape(), [starts.len(), 1, shape[0], shape[1], shape[2]]);
        for ((n, _, k, j, i), &value) in found.indexed_iter() {
            let at = [k, j, i];
            let at: [usize; 3] = std::array::from_fn(|a| starts[n][a].wrapping_add(at[a] as isize) as usize);
            assert_eq!(value, volume.get(at).copied().unwrap_or(-7), "{at:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_batch_holds_the_volume_where_there_is_one_and_padding_elsewhere(
            size in prop::array::uniform3(0_usize..9),
            shape in prop::array::uniform3(0_usize..9),
            starts in prop::collection::vec(prop::array::uniform3(-12_isize..12), 0..5),
        ) {
            let volume = volume(size);
            check(volume.view(), &starts, shape);
            check(volume.view().reversed_axes(), &starts, shape);
            check(volume.slice(s![..;-1, ..;2, ..;-1]), &starts, shape);
        }

        #[test]
        fn a_tile_is_wanted_if_any_of_its_voxels_is(
            size in prop::array::uniform3(1_usize..9),
            long in 1_usize..150,
            shape in prop::array::uniform3(0_usize..70),
            starts in prop::collection::vec(prop::array::uniform3(-70_isize..150), 0..5),
            voxel in prop::array::uniform3(0_usize..150),
        ) {
            let size = [size[0], size[1], long];
            let mut mask = Array3::from_elem(size, false);
            mask[[voxel[0] % size[0], voxel[1] % size[1], voxel[2] % size[2]]] = true;
            let found = holding(&Bits::of(mask.view()).unwrap(), &starts, shape);
            for (start, found) in starts.iter().zip(found) {
                let mut tile = ndarray::indices(shape).into_iter().map(|(k, j, i)| [k, j, i]);
                let any = tile.any(|at| {
                    let at: [usize; 3] = std::array::from_fn(|a| (start[a] + at[a] as isize) as usize);
                    mask.get(at) == Some(&true)
                });
                prop_assert_eq!(found, any);
            }
        }
    }

    #[test]
    fn starts_beyond_all_bounds_are_padding() {
        let volume = volume([2, 3, 4]);
        check(volume.view(), &[[isize::MAX, 0, 0], [0, isize::MIN, 0], [0, 0, isize::MAX - 1]], [2, 2, 2]);
        let found = gather(&Device::Cpu, volume.view(), &[[0; 3]; 4], [usize::MAX, 1, 1], 0);
        assert_eq!(found.err(), Some(Error::OutOfMemory { voxels: usize::MAX }));
    }
}
