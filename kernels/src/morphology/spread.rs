//! Masks grown and shrunk on bits: by steps over a neighbourhood, or by all steps of a ball at once.

use rayon::prelude::*;

use crate::bits::{Bits, trim};
use crate::simd::{Level, at_each_level};
use crate::{Error, Neighbours};

/// So many slices are one task: their neighbours in front and behind are worked out twice.
const SLAB: usize = 16;

/// So many words of the result stay in the fastest cache while everything that reaches them is added.
const BLOCK: usize = 1024;

impl Bits {
    /// Each voxel with its neighbours, `times` over.
    pub(super) fn grown(self, level: Level, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        self.stepped(level, neighbours, times, |a, b| a | b)
    }

    /// Those voxels whose neighbours are all in the set, `times` over; outside of the volume there are none.
    pub(super) fn shrunk(self, level: Level, neighbours: Neighbours, times: usize) -> Result<Self, Error> {
        self.stepped(level, neighbours, times, |a, b| a & b)
    }

    /// Each voxel joined with its neighbours, which outside of the volume are 0, `times` over.
    fn stepped(
        mut self,
        level: Level,
        neighbours: Neighbours,
        times: usize,
        join: impl Fn(u64, u64) -> u64 + Sync + Copy,
    ) -> Result<Self, Error> {
        let size = self.shape[1] * self.stride;
        if self.words.is_empty() || times == 0 {
            return Ok(self);
        }
        let (stride, last) = (self.stride, self.last_word());
        let mut next = Self::none(self.shape)?;
        let nothing = vec![0_u64; size];
        for _ in 0..times {
            // Slice `at - 1`, so that the one before the first has a number.
            let slice = |at: usize| {
                let k = at.checked_sub(1);
                k.and_then(|k| self.words.get(k * size..(k + 1) * size)).unwrap_or(&nothing)
            };
            next.words.par_chunks_mut(SLAB * size).enumerate().for_each_init(
                || std::array::from_fn::<_, 3, _>(|_| Joined::new(size)),
                |around, (slab, to)| {
                    let first = slab * SLAB;
                    for at in [first, first + 1] {
                        around[at % 3].join(level, slice(at), stride, neighbours, join);
                    }
                    for (k, to) in (first..).zip(to.chunks_mut(size)) {
                        around[(k + 2) % 3].join(level, slice(k + 2), stride, neighbours, join);
                        let [before, here, after] = [k, k + 1, k + 2].map(|at| &around[at % 3]);
                        let (here, before, after) = match neighbours {
                            Neighbours::Six => (&here.cross[..], slice(k), slice(k + 2)),
                            Neighbours::Eighteen => (&here.square[..], &before.cross[..], &after.cross[..]),
                            Neighbours::TwentySix => {
                                (&here.square[..], &before.square[..], &after.square[..])
                            }
                        };
                        join_three(level, to, here, before, after, join);
                        trim(to, stride, last);
                    }
                },
            );
            std::mem::swap(&mut self.words, &mut next.words);
        }
        Ok(self)
    }

    /// All voxels that one of the set reaches; `reach` holds steps in slices and rows, and how far along
    /// the row is reached from there.
    pub(super) fn reached(&self, level: Level, reach: &[(isize, isize, usize)]) -> Result<Self, Error> {
        let [slices, rows, _] = self.shape;
        let mut found = Self::none(self.shape)?;
        if self.words.is_empty() {
            return Ok(found);
        }
        let size = rows * self.stride;
        let block = (BLOCK / self.stride).max(1);
        let farthest = reach.iter().map(|step| step.2).max().unwrap_or(0);
        let mut wide = self.clone();
        for distance in 0..=farthest {
            if distance > 0 {
                wide.words.par_chunks_mut(size).for_each(|slice| widen(level, slice, self.stride));
            }
            let steps: Vec<_> = reach.iter().filter(|step| step.2 == distance).collect();
            if steps.is_empty() {
                continue;
            }
            found.words.par_chunks_mut(size).enumerate().for_each(|(k, to)| {
                for (at, to) in to.chunks_mut(block * self.stride).enumerate() {
                    let (first, count) = (at * block, to.len() / self.stride);
                    for &&(dk, dj, _) in &steps {
                        let Some(from) = k.checked_add_signed(dk).filter(|&k| k < slices) else { continue };
                        let from = &wide.words[from * size..][..size];
                        // Rows that have a partner `dj` rows on: one stretch of memory.
                        let low = first.max(if dj < 0 { dj.unsigned_abs() } else { 0 });
                        let high = (first + count).min(rows.saturating_sub(dj.max(0) as usize));
                        if low < high {
                            let partner = low.strict_add_signed(dj);
                            let to = &mut to[(low - first) * self.stride..(high - first) * self.stride];
                            add(level, to, &from[partner * self.stride..]);
                        }
                    }
                }
            });
        }
        trim(&mut found.words, self.stride, self.last_word());
        Ok(found)
    }
}

/// The voxels of one slice joined with their neighbours in it.
struct Joined {
    /// With left and right.
    wide: Vec<u64>,
    /// With the four that share an edge in the slice.
    cross: Vec<u64>,
    /// With all eight.
    square: Vec<u64>,
}

impl Joined {
    fn new(size: usize) -> Self {
        Self { wide: vec![0; size], cross: vec![0; size], square: vec![0; size] }
    }

    fn join<J: Fn(u64, u64) -> u64 + Copy>(
        &mut self,
        level: Level,
        from: &[u64],
        stride: usize,
        neighbours: Neighbours,
        join: J,
    ) {
        let Self { wide, cross, square } = self;
        join_along(level, wide, from, stride, join);
        if neighbours != Neighbours::TwentySix {
            join_across(level, cross, wide, from, stride, join);
        }
        if neighbours != Neighbours::Six {
            join_across(level, square, wide, wide, stride, join);
        }
    }
}

at_each_level! {
    /// Each voxel of the rows joined with the one to its left and the one to its right.
    fn join_along[J: Fn(u64, u64) -> u64 + Copy](
        to: &mut [u64],
        from: &[u64],
        stride: usize,
        join: J,
    ) {
        for (to, row) in to.chunks_exact_mut(stride).zip(from.chunks_exact(stride)) {
            let mut before = 0;
            for at in 0..stride {
                let here = row[at];
                let after = if at + 1 < stride { row[at + 1] } else { 0 };
                to[at] = join(here, join(here << 1 | before >> 63, here >> 1 | after << 63));
                before = here;
            }
        }
    }
}

at_each_level! {
    /// Each voxel of `from` joined with those of `beside` in the rows above and below.
    fn join_across[J: Fn(u64, u64) -> u64 + Copy](
        to: &mut [u64],
        from: &[u64],
        beside: &[u64],
        stride: usize,
        join: J,
    ) {
        let inside = to.len() - stride;
        for (to, &here) in to[..stride].iter_mut().zip(from) {
            *to = join(here, 0);
        }
        for ((to, &here), &above) in to[stride..].iter_mut().zip(&from[stride..]).zip(beside) {
            *to = join(here, above);
        }
        for (to, &below) in to[..inside].iter_mut().zip(&beside[stride..]) {
            *to = join(*to, below);
        }
        for to in &mut to[inside..] {
            *to = join(*to, 0);
        }
    }
}

at_each_level! {
    fn join_three[J: Fn(u64, u64) -> u64 + Copy](
        to: &mut [u64],
        a: &[u64],
        b: &[u64],
        c: &[u64],
        join: J,
    ) {
        for (((to, &a), &b), &c) in to.iter_mut().zip(a).zip(b).zip(c) {
            *to = join(a, join(b, c));
        }
    }
}

at_each_level! {
    fn add(to: &mut [u64], from: &[u64]) {
        for (to, &from) in to.iter_mut().zip(from) {
            *to |= from;
        }
    }
}

at_each_level! {
    /// Adds the voxels to the left and to the right of those of the rows.
    fn widen(rows: &mut [u64], stride: usize) {
        for row in rows.chunks_exact_mut(stride) {
            let mut before = 0;
            for at in 0..stride {
                let here = row[at];
                let after = if at + 1 < stride { row[at + 1] } else { 0 };
                row[at] = here | here << 1 | before >> 63 | here >> 1 | after << 63;
                before = here;
            }
        }
    }
}
