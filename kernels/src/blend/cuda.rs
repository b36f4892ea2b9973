//! The same on a device.

use std::sync::Arc;

use cudarc::driver::PushKernelArg;

use super::Placed;
use crate::Error;
use crate::gpu::{Gpu, Memory, Volume, blocks, refused};

/// Threads of a block along columns, rows and slices.
const BLOCK: [u32; 3] = [32, 4, 2];

/// The tiles as blend.cu knows them: 12 numbers each, and all of their weights.
///
/// The values of tile n begin at `values(n)`.
fn records(tiles: &[Placed], values: impl Fn(usize) -> usize) -> (Vec<i64>, Vec<f32>) {
    let (mut records, mut weights) = (Vec::new(), Vec::new());
    // Tiles of a size share their weights.
    let mut known: Vec<(&Arc<[f32]>, usize)> = Vec::new();
    for (number, tile) in tiles.iter().enumerate() {
        let falloff = tile.falloff.each_ref().map(|along| {
            let before = known.iter().rev().find(|(other, _)| Arc::ptr_eq(other, along));
            before.map(|(_, first)| *first).unwrap_or_else(|| {
                known.push((along, weights.len()));
                weights.extend_from_slice(along);
                weights.len() - along.len()
            })
        });
        let [_, rows, columns] = tile.shape;
        let memory = [values(number), columns, rows * columns];
        let numbers = tile.at.into_iter().chain(tile.size()).chain(falloff).chain(memory);
        records.extend(numbers.map(|n| n as i64));
    }
    (records, weights)
}

/// Adds `tiles`, those of one batch in their order, to `sums`; the values of tile n begin at `values(n)`.
///
/// # Panics
///
/// If `batch` does not hold all of them.
pub(super) fn add(
    sums: &mut Volume<f32>,
    batch: &Memory<f32>,
    tiles: &[Placed],
    values: impl Fn(usize) -> usize,
) -> Result<(), Error> {
    let Some(low) = corner(tiles, |tile, axis| tile.at[axis], usize::min) else { return Ok(()) };
    let high = corner(tiles, |tile, axis| tile.at[axis] + tile.size()[axis], usize::max).unwrap_or(low);
    for (number, tile) in tiles.iter().enumerate() {
        assert!(values(number) + tile.shape.iter().product::<usize>() <= batch.len(), "a batch of all tiles");
    }
    let gpu = sums.gpu().clone();
    let (records, weights) = records(tiles, values);
    let (records, weights) = (gpu.upload(&records)?, gpu.upload(&weights)?);
    let kernel = gpu.kernel("blend", "blend_add")?;
    let (count, [_, rows, columns]) = (tiles.len() as u32, sums.shape().map(|n| n as u64));
    let ([lk, lj, li], [hk, hj, hi]) = (low.map(|n| n as u64), high.map(|n| n as u64));
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut sums.memory.slice).arg(&batch.slice).arg(&records.slice).arg(&count).arg(&weights.slice);
    launch.arg(&lk).arg(&lj).arg(&li).arg(&hk).arg(&hj).arg(&hi).arg(&rows).arg(&columns);
    let threads = [high[2] - low[2], high[1] - low[1], high[0] - low[0]];
    // SAFETY: the arguments are those of blend.cu, the tiles' voxels that count lie in the volume, and the
    // batch holds their values.
    unsafe { launch.launch(blocks(threads, BLOCK)) }.map_err(refused)?;
    Ok(())
}

/// Divides `sums` by the weights of `tiles`, which were added to it in this order.
pub(super) fn finish(sums: &mut Volume<f32>, tiles: &[Placed]) -> Result<(), Error> {
    let shape = sums.shape();
    if shape.contains(&0) {
        return Ok(());
    }
    let gpu: Gpu = sums.gpu().clone();
    let (records, weights) = records(tiles, |_| 0);
    let (records, weights) = (gpu.upload(&records)?, gpu.upload(&weights)?);
    let kernel = gpu.kernel("blend", "blend_finish")?;
    let (count, [slices, rows, columns]) = (tiles.len() as u32, shape.map(|n| n as u64));
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut sums.memory.slice).arg(&records.slice).arg(&count).arg(&weights.slice);
    launch.arg(&slices).arg(&rows).arg(&columns);
    // SAFETY: the arguments are those of blend.cu, and the volume has that shape.
    unsafe { launch.launch(blocks([shape[2], shape[1], shape[0]], BLOCK)) }.map_err(refused)?;
    Ok(())
}

/// A corner of the box around all tiles; `None` if there are none.
fn corner(
    tiles: &[Placed],
    of: impl Fn(&Placed, usize) -> usize,
    choose: impl Fn(usize, usize) -> usize,
) -> Option<[usize; 3]> {
    let corners = tiles.iter().map(|tile| [0, 1, 2].map(|axis| of(tile, axis)));
    corners.reduce(|a, b| std::array::from_fn(|axis| choose(a[axis], b[axis])))
}
