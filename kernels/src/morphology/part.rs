//! The part of a mask that an operation works on.

use rayon::prelude::*;

use crate::Error;
use crate::bits::{Bits, trim};

/// The part of a mask that is worked on: the box around its voxels with a margin, which may lie beyond
/// the volume. Along the rows it begins and ends between words, so there it may be larger.
pub(super) struct Part {
    pub(super) bits: Bits,
    /// Where its first slice, row and word lie in the mask; below 0 if before its own first.
    pub(super) corner: [isize; 3],
}

impl Part {
    /// `None` if the mask is empty.
    pub(super) fn around(mask: &Bits, margin: [usize; 3]) -> Result<Option<Self>, Error> {
        let Some([low, high]) = mask.bounds() else { return Ok(None) };
        let (low, high) = ([low[0], low[1], low[2] / 64], [high[0], high[1], high[2].div_ceil(64)]);
        let margin = [margin[0], margin[1], margin[2].div_ceil(64)];
        let wide = |axis: usize| margin[axis].saturating_mul(2).saturating_add(high[axis] - low[axis]);
        let mut bits = Bits::none([wide(0), wide(1), wide(2).saturating_mul(64)])?;
        // What there was memory for can be counted with a sign.
        let corner: [isize; 3] = std::array::from_fn(|axis| low[axis] as isize - margin[axis] as isize);
        copy_words(mask, &mut bits, corner);
        Ok(Some(Self { bits, corner }))
    }

    /// The part, and nothing else, in the volume of the mask that it was taken from.
    pub(super) fn in_place_of(&self, mut mask: Bits) -> Bits {
        mask.words.par_chunks_mut(4096).for_each(|words| words.fill(0));
        copy_words(&self.bits, &mut mask, self.corner.map(|at| -at));
        let last = mask.last_word();
        trim(&mut mask.words, mask.stride, last);
        mask
    }
}

/// Copies what the two share; the first slice, row and word of `to` lie at `corner` of `from`.
fn copy_words(from: &Bits, to: &mut Bits, corner: [isize; 3]) {
    let there = [from.shape[0], from.shape[1], from.stride];
    let here = [to.shape[0], to.shape[1], to.stride];
    // Where the two overlap, in `to`.
    let low = corner.map(|at| (-at).max(0) as usize);
    let high: [usize; 3] =
        std::array::from_fn(|axis| here[axis].min((there[axis] as isize - corner[axis]).max(0) as usize));
    if (0..3).any(|axis| low[axis] >= high[axis]) {
        return;
    }
    let slices = to.words.par_chunks_mut(here[1] * here[2]).enumerate();
    slices.take(high[0]).skip(low[0]).for_each(|(k, to)| {
        let k = k.strict_add_signed(corner[0]);
        for j in low[1]..high[1] {
            let row = (k * there[1] + j.strict_add_signed(corner[1])) * there[2];
            let words = &from.words[row + low[2].strict_add_signed(corner[2])..][..high[2] - low[2]];
            to[j * here[2] + low[2]..j * here[2] + high[2]].copy_from_slice(words);
        }
    });
}
