//! What can be reached from outside, 64 voxels at a time: how holes are filled.
//!
//! A row is flooded at once: a carry runs through an addition just as far as the voxels hang together.
//! Rows are gone through downwards and upwards until nothing changes, slices likewise.

use rayon::prelude::*;

use crate::Error;
use crate::bits::Bits;

/// `mask` and all voxels that cannot reach the volume's border through faces.
pub(super) fn filled(mask: Bits) -> Result<Bits, Error> {
    let shape = mask.shape;
    let mut flood = Flood::of(mask.inverted())?;
    let (size, stride) = (flood.size(), flood.free.stride);
    if size == 0 || shape[0] == 0 {
        return Ok(flood.outside());
    }
    // The whole of the first and last slice is border.
    for slice in [0, shape[0] - 1] {
        let at = slice * size..(slice + 1) * size;
        flood.open.words[at.clone()].copy_from_slice(&flood.free.words[at]);
    }
    flood.settle_slices();
    let thickness = shape[0].div_ceil(2 * rayon::current_num_threads());
    loop {
        // What lies in front of each slab and behind it, as it was before this round.
        let slice = |k: usize| flood.open.words.get(k * size..(k + 1) * size).unwrap_or_default().to_vec();
        let ends: Vec<[Vec<u64>; 2]> = (0..shape[0])
            .step_by(thickness)
            .map(|first| [first.checked_sub(1).map(slice).unwrap_or_default(), slice(first + thickness)])
            .collect();
        let slabs = flood.open.words.par_chunks_mut(thickness * size);
        let slabs = slabs.zip(flood.free.words.par_chunks(thickness * size)).zip(&ends);
        let changed = slabs.map(|((open, free), [before, after])| {
            let mut changed = false;
            while flood_slab(open, free, [size, stride], before, after) {
                changed = true;
            }
            changed
        });
        if !changed.reduce(|| false, |a, b| a | b) {
            return Ok(flood.outside());
        }
    }
}

/// `mask` and all voxels that cannot reach the border of their slice within it.
pub(super) fn filled_by_slice(mask: Bits) -> Result<Bits, Error> {
    let mut flood = Flood::of(mask.inverted())?;
    flood.settle_slices();
    Ok(flood.outside())
}

/// Water that comes in from the border.
struct Flood {
    /// Where it can go.
    free: Bits,
    /// Where it is.
    open: Bits,
}

impl Flood {
    /// Lets it in at the borders of each slice.
    fn of(free: Bits) -> Result<Self, Error> {
        let mut flood = Self { open: Bits::none(free.shape)?, free };
        let [_, rows, columns] = flood.free.shape;
        let (size, stride, last) = (flood.size(), flood.free.stride, 1 << ((columns.max(1) - 1) % 64));
        if size > 0 {
            let slices = flood.open.words.par_chunks_mut(size).zip(flood.free.words.par_chunks(size));
            slices.for_each(|(open, free)| {
                for (j, (open, free)) in open.chunks_mut(stride).zip(free.chunks(stride)).enumerate() {
                    if j == 0 || j == rows - 1 {
                        open.copy_from_slice(free);
                    } else {
                        open[0] |= free[0] & 1;
                        open[stride - 1] |= free[stride - 1] & last;
                        flood_row(open, free);
                    }
                }
            });
        }
        Ok(flood)
    }

    /// Words per slice.
    fn size(&self) -> usize {
        self.free.shape[1] * self.free.stride
    }

    /// Lets it run within each slice.
    fn settle_slices(&mut self) {
        let (size, stride) = (self.size(), self.free.stride);
        if size > 0 {
            let slices = self.open.words.par_chunks_mut(size).zip(self.free.words.par_chunks(size));
            slices.for_each(|(open, free)| settle(open, free, stride));
        }
    }

    /// Where it is not.
    fn outside(self) -> Bits {
        self.open.inverted()
    }
}

/// One time through the slices of a slab and back; whether anything changed. A slice has `size` words, a
/// row `stride`. `before` and `after` are the slices around the slab, empty where there are none.
fn flood_slab(
    open: &mut [u64],
    free: &[u64],
    [size, stride]: [usize; 2],
    before: &[u64],
    after: &[u64],
) -> bool {
    let count = open.len() / size;
    let mut changed = false;
    let mut pour = |to: &mut [u64], k: usize, from: &[u64]| {
        let free = &free[k * size..][..size];
        if !from.is_empty() && absorb(to, free, from, stride) {
            settle(to, free, stride);
            changed = true;
        }
    };
    pour(&mut open[..size], 0, before);
    for k in 1..count {
        let (front, here) = open.split_at_mut(k * size);
        pour(&mut here[..size], k, &front[(k - 1) * size..]);
    }
    pour(&mut open[(count - 1) * size..], count - 1, after);
    for k in (1..count).rev() {
        let (front, here) = open.split_at_mut(k * size);
        pour(&mut front[(k - 1) * size..], k - 1, &here[..size]);
    }
    changed
}

/// Lets it run within a slice until it rests.
fn settle(open: &mut [u64], free: &[u64], stride: usize) {
    let rows = open.len() / stride;
    loop {
        let mut changed = false;
        for j in 1..rows {
            let (above, here) = open.split_at_mut(j * stride);
            let free = &free[j * stride..][..stride];
            changed |= absorb(&mut here[..stride], free, &above[(j - 1) * stride..], stride);
        }
        for j in (1..rows).rev() {
            let (above, here) = open.split_at_mut(j * stride);
            let free = &free[(j - 1) * stride..][..stride];
            changed |= absorb(&mut above[(j - 1) * stride..], free, &here[..stride], stride);
        }
        if !changed {
            return;
        }
    }
}

/// Lets it run over from as many other rows into rows of `stride` words; whether it did.
fn absorb(open: &mut [u64], free: &[u64], from: &[u64], stride: usize) -> bool {
    let mut changed = false;
    let rows = open.chunks_exact_mut(stride).zip(free.chunks_exact(stride)).zip(from.chunks_exact(stride));
    for ((open, free), from) in rows {
        let words = open.iter().zip(free).zip(from);
        if words.fold(0, |any, ((open, free), from)| any | from & free & !open) != 0 {
            for ((open, free), from) in open.iter_mut().zip(free).zip(from) {
                *open |= from & free;
            }
            flood_row(open, free);
            changed = true;
        }
    }
    changed
}

/// Lets it run along a row from where it is.
fn flood_row(open: &mut [u64], free: &[u64]) {
    // A run of ones to which one of its bits is added becomes zeros from there on.
    let mut carry = false;
    for (open, &free) in open.iter_mut().zip(free) {
        let (sum, over) = free.overflowing_add(*open);
        let (sum, over_too) = sum.overflowing_add(u64::from(carry));
        *open |= (sum ^ free) & free;
        carry = over | over_too;
    }
    // Backwards in steps that double.
    let mut next = 0;
    for (open, &free) in open.iter_mut().zip(free).rev() {
        let (mut found, mut path) = (*open | next << 63 & free, free);
        for step in [1, 2, 4, 8, 16, 32] {
            found |= path & found >> step;
            path &= path >> step;
        }
        *open = found;
        next = found & 1;
    }
}
