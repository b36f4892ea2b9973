//! One output of a network, while tiles are put together.

use kernels::Device;
use kernels::blend::Blend;
use ndarray::{Array3, ArrayView3, s};

use super::Trouble;
use crate::card::{Card, Join};
use crate::tiles::Tiling;

/// One output, in the host's memory.
pub(super) struct Sum {
    name: String,
    stride: usize,
    /// What is kept of it in the end.
    shape: [usize; 3],
    kind: Kind,
}

enum Kind {
    SideBySide(Array3<f32>),
    Blended(Blend),
}

impl Sum {
    /// For each output of `card` over a tensor of `shape`, before any tile.
    pub(super) fn of_all(card: &Card, shape: [usize; 3], tiling: &Tiling) -> Result<Vec<Self>, Trouble> {
        let outputs = card.head.outputs().into_iter();
        outputs
            .map(|(name, stride)| {
                let shape = shape.map(|n| n.div_ceil(stride));
                let kind = match card.tiles.join {
                    Join::Border(_) => Kind::SideBySide(Array3::zeros(shape)),
                    Join::Overlap(_) => {
                        Kind::Blended(Blend::new(&Device::Cpu, tiling.covered.map(|n| n / stride))?)
                    }
                };
                Ok(Self { name: name.to_owned(), stride, shape, kind })
            })
            .collect()
    }

    /// Adds what the tile at `start` gave.
    pub(super) fn add(
        &mut self,
        tiling: &Tiling,
        start: [usize; 3],
        part: ArrayView3<'_, f32>,
    ) -> Result<(), Trouble> {
        let expected = tiling.part().map(|n| n / self.stride);
        if part.shape() != expected {
            return Err(Trouble::Other(format!(
                "output {} is {:?} instead of {expected:?}",
                self.name,
                part.shape()
            )));
        }
        let start = start.map(|n| n / self.stride);
        match &mut self.kind {
            Kind::Blended(blend) => Ok(blend.add(part, start)?),
            Kind::SideBySide(whole) => {
                let [a, b, c] = start;
                let mut place = whole.slice_mut(s![a.., b.., c..]);
                let size: [usize; 3] = std::array::from_fn(|axis| place.shape()[axis].min(expected[axis]));
                let inside = s![..size[0], ..size[1], ..size[2]];
                place.slice_mut(inside).assign(&part.slice(inside));
                Ok(())
            }
        }
    }

    /// The name of the output, and all of it.
    pub(super) fn finish(self) -> Result<(String, Array3<f32>), Trouble> {
        let whole = match self.kind {
            Kind::SideBySide(whole) => whole,
            Kind::Blended(blend) => {
                let [a, b, c] = self.shape;
                blend.finish()?.slice(s![..a, ..b, ..c]).to_owned()
            }
        };
        Ok((self.name, whole))
    }
}
