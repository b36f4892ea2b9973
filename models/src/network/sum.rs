//! One output of a network, while tiles are put together.

use kernels::Device;
use kernels::blend::Blend;
use kernels::gpu::Memory;
use ndarray::{Array3, ArrayView4, s};

use super::Trouble;
use crate::card::{Card, Join};
use crate::tiles::Tiling;

/// One output. What is blended is blended where the tiles are; what is laid side by side comes to the host part by
/// part, which is no more than comes in the end.
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
    /// For each output of `card` over a tensor of `shape`, before any tile. `device` is where tiles are added.
    pub(super) fn of_all(
        device: &Device,
        card: &Card,
        shape: [usize; 3],
        tiling: &Tiling,
    ) -> Result<Vec<Self>, Trouble> {
        let outputs = card.head.outputs().into_iter();
        outputs
            .map(|(name, stride)| {
                let shape = shape.map(|n| n.div_ceil(stride));
                let kind = match card.tiles.join {
                    Join::Border(_) => Kind::SideBySide(Array3::zeros(shape)),
                    Join::Overlap(_) => {
                        Kind::Blended(Blend::new(device, tiling.covered.map(|n| n / stride))?)
                    }
                };
                Ok(Self { name: name.to_owned(), stride, shape, kind })
            })
            .collect()
    }

    /// The shape of what comes out of one tile.
    pub(super) fn part(&self, tiling: &Tiling) -> [usize; 3] {
        tiling.part().map(|n| n / self.stride)
    }

    /// Adds what the tiles at `starts` gave, one after the other in `parts` on the device.
    pub(super) fn add_batch(
        &mut self,
        tiling: &Tiling,
        starts: &[[usize; 3]],
        parts: &Memory<f32>,
    ) -> Result<(), Trouble> {
        let shape = self.part(tiling);
        if let Kind::Blended(blend) = &mut self.kind {
            let at: Vec<_> = starts.iter().map(|start| start.map(|n| n / self.stride)).collect();
            return Ok(blend.add_batch(parts, [1, 0], shape, &at)?);
        }
        let ([a, b, c], parts) = (shape, parts.download()?);
        let parts = &parts[..starts.len() * a * b * c];
        let parts = ArrayView4::from_shape([starts.len(), a, b, c], parts);
        self.add_all(tiling, starts, parts.expect("as many as the shape says"))
    }

    /// Adds what the tiles at `starts` gave, `[n, a, b, c]` on the host.
    pub(super) fn add_all(
        &mut self,
        tiling: &Tiling,
        starts: &[[usize; 3]],
        parts: ArrayView4<'_, f32>,
    ) -> Result<(), Trouble> {
        let expected = self.part(tiling);
        if parts.shape()[1..] != expected {
            return Err(Trouble::Other(format!(
                "output {} is {:?} instead of {expected:?}",
                self.name,
                &parts.shape()[1..]
            )));
        }
        let starts = starts.iter().map(|start| start.map(|n| n / self.stride));
        let tiles: Vec<_> = parts.into_outer_iter().zip(starts).collect();
        match &mut self.kind {
            Kind::Blended(blend) => blend.add_all(&tiles)?,
            Kind::SideBySide(whole) => {
                for (part, [a, b, c]) in tiles {
                    let mut place = whole.slice_mut(s![a.., b.., c..]);
                    let size: [usize; 3] =
                        std::array::from_fn(|axis| place.shape()[axis].min(expected[axis]));
                    let inside = s![..size[0], ..size[1], ..size[2]];
                    place.slice_mut(inside).assign(&part.slice(inside));
                }
            }
        }
        Ok(())
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
