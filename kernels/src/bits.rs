//! A mask of one bit per voxel: 64 voxels of a row in one word.

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::{Error, Neighbours, blank};

#[derive(Clone)]
pub(crate) struct Bits {
    shape: [usize; 3],
    /// Words per row; bits beyond the last column are 0.
    stride: usize,
    words: Vec<u64>,
}

impl Bits {
    pub(crate) fn pack(mask: ArrayView3<'_, bool>) -> Self {
        let shape: [usize; 3] = mask.dim().into();
        let stride = shape[2].div_ceil(64);
        let mut words = vec![0_u64; shape[0] * shape[1] * stride];
        if !mask.is_empty() {
            words.par_chunks_mut(shape[1] * stride).zip(mask.outer_iter().into_par_iter()).for_each(
                |(to, slice)| {
                    for (to, row) in to.chunks_mut(stride).zip(slice.outer_iter()) {
                        for (at, _) in row.iter().enumerate().filter(|(_, is_in)| **is_in) {
                            to[at / 64] |= 1 << (at % 64);
                        }
                    }
                },
            );
        }
        Self { shape, stride, words }
    }

    pub(crate) fn unpack(&self) -> Result<Array3<bool>, Error> {
        let mut mask = blank(self.shape)?;
        if !mask.is_empty() {
            let slices = self.words.par_chunks(self.shape[1] * self.stride);
            mask.outer_iter_mut().into_par_iter().zip(slices).for_each(|(mut slice, from)| {
                for (mut row, from) in slice.outer_iter_mut().zip(from.chunks(self.stride)) {
                    for (at, to) in row.iter_mut().enumerate() {
                        *to = from[at / 64] >> (at % 64) & 1 == 1;
                    }
                }
            });
        }
        Ok(mask)
    }

    /// Each voxel joined with its neighbours, which outside of the volume are 0: `|` dilates, `&` erodes.
    pub(crate) fn joined(&self, neighbours: Neighbours, join: impl Fn(u64, u64) -> u64 + Sync) -> Self {
        let [slices, rows, columns] = self.shape;
        let stride = self.stride;
        if self.words.is_empty() {
            return self.clone();
        }
        let size = rows * stride;
        let nothing = vec![0_u64; size];
        // In each slice the row alone, with left and right, then the cross of 5 and the square of 9.
        let plane = |at: isize, to: &mut [u64], square: bool| {
            let from = usize::try_from(at).ok().filter(|&k| k < slices);
            let from = from.map_or(&nothing[..], |k| &self.words[k * size..][..size]);
            let mut wide = vec![0_u64; size];
            for (to, row) in wide.chunks_mut(stride).zip(from.chunks(stride)) {
                for at in 0..stride {
                    let left = row[at] << 1 | if at > 0 { row[at - 1] >> 63 } else { 0 };
                    let right = row[at] >> 1 | row.get(at + 1).map_or(0, |next| next << 63);
                    to[at] = join(row[at], join(left, right));
                }
            }
            let beside = if square { &wide[..] } else { from };
            for row in 0..rows {
                for at in 0..stride {
                    let above = if row > 0 { beside[(row - 1) * stride + at] } else { 0 };
                    let below = beside.get((row + 1) * stride + at).copied().unwrap_or(0);
                    let found = join(wide[row * stride + at], join(above, below));
                    to[row * stride + at] = join(to[row * stride + at], found);
                }
            }
        };
        let last = if columns.is_multiple_of(64) { u64::MAX } else { (1 << (columns % 64)) - 1 };
        let mut words = vec![0_u64; self.words.len()];
        words.par_chunks_mut(size).enumerate().for_each(|(k, to)| {
            let k = k as isize;
            // Joining a slice's own voxels changes nothing, so they are a start for `|` and for `&`.
            to.copy_from_slice(&self.words[k as usize * size..][..size]);
            plane(k, to, neighbours != Neighbours::Six);
            for beside in [k - 1, k + 1] {
                match neighbours {
                    Neighbours::Six => {
                        let inside = usize::try_from(beside).ok().filter(|&k| k < slices);
                        let from = inside.map_or(&nothing[..], |k| &self.words[k * size..][..size]);
                        to.iter_mut().zip(from).for_each(|(to, &from)| *to = join(*to, from));
                    }
                    Neighbours::Eighteen => plane(beside, to, false),
                    Neighbours::TwentySix => plane(beside, to, true),
                }
            }
            to.iter_mut().skip(stride - 1).step_by(stride).for_each(|word| *word &= last);
        });
        Self { words, ..*self }
    }
}
