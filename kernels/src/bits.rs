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
        let mask = mask.as_standard_layout();
        let voxels = mask.as_slice().expect("just made standard");
        if !voxels.is_empty() {
            words.par_chunks_mut(stride).zip(voxels.par_chunks(shape[2])).with_min_len(64).for_each(
                |(to, row)| {
                    pack_row(row, to);
                },
            );
        }
        Self { shape, stride, words }
    }

    /// The voxels that are not in it.
    pub(crate) fn inverted(mut self) -> Self {
        let last = self.last_word();
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.words.iter_mut().skip(self.stride - 1).step_by(self.stride).for_each(|word| *word &= last);
        self
    }

    /// The bits of a row's last word that are voxels.
    fn last_word(&self) -> u64 {
        if self.shape[2].is_multiple_of(64) { u64::MAX } else { (1 << (self.shape[2] % 64)) - 1 }
    }

    /// All voxels that one of the set reaches; `reach` holds steps in slices and rows, and how far along
    /// the row is reached from there.
    pub(crate) fn reached(&self, reach: &[(isize, isize, usize)]) -> Self {
        let [slices, rows, _] = self.shape;
        let mut found = Self { words: vec![0; self.words.len()], ..*self };
        if self.words.is_empty() {
            return found;
        }
        let size = rows * self.stride;
        let farthest = reach.iter().map(|step| step.2).max().unwrap_or(0);
        let mut wide = self.clone();
        for distance in 0..=farthest {
            if distance > 0 {
                wide.words.par_chunks_mut(self.stride).with_min_len(64).for_each(widen);
            }
            let steps: Vec<_> = reach.iter().filter(|step| step.2 == distance).collect();
            if steps.is_empty() {
                continue;
            }
            found.words.par_chunks_mut(size).enumerate().for_each(|(k, to)| {
                for &&(dk, dj, _) in &steps {
                    let Some(from) = k.checked_add_signed(dk).filter(|&k| k < slices) else { continue };
                    let from = &wide.words[from * size..][..size];
                    // Rows that have a partner `dj` rows on: one stretch of memory.
                    let shift = dj.unsigned_abs().min(rows) * self.stride;
                    let (to, from) = if dj >= 0 {
                        (&mut to[..size - shift], &from[shift..])
                    } else {
                        (&mut to[shift..], &from[..size - shift])
                    };
                    to.iter_mut().zip(from).for_each(|(to, &from)| *to |= from);
                }
            });
        }
        let last = self.last_word();
        found.words.iter_mut().skip(self.stride - 1).step_by(self.stride).for_each(|word| *word &= last);
        found
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
        let [slices, rows, _] = self.shape;
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
        let last = self.last_word();
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

/// Adds the voxels to the left and to the right of those of a row.
fn widen(row: &mut [u64]) {
    let mut before = 0;
    for at in 0..row.len() {
        let (here, after) = (row[at], row.get(at + 1).copied().unwrap_or(0));
        row[at] = here | here << 1 | before >> 63 | here >> 1 | after << 63;
        before = here;
    }
}

/// One bit per voxel of a row, the first one lowest.
pub(crate) fn pack_row(row: &[bool], words: &mut [u64]) {
    for (word, voxels) in words.iter_mut().zip(row.chunks(64)) {
        let (eights, rest) = voxels.as_chunks::<8>();
        // Most words are all in or all out, which is quicker to see.
        *word = if !voxels.iter().fold(false, |any, &is_in| any | is_in) {
            0
        } else {
            let packed = eights.iter().enumerate().fold(0, |packed, (at, &eight)| {
                // Eight bytes of 0 or 1 times this constant have their bits in order in the top byte.
                let bytes = u64::from_le_bytes(eight.map(u8::from));
                packed | (bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at)
            });
            let first = 8 * eights.len();
            rest.iter()
                .enumerate()
                .fold(packed, |packed, (at, &is_in)| packed | u64::from(is_in) << (first + at))
        };
    }
}
