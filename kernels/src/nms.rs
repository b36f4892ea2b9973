//! Of boxes that overlap, the one with the best score.

use cudarc::driver::PushKernelArg;

use crate::gpu::{Gpu, blocks, refused};
use crate::{Device, Error};

/// A box along the axes, in whatever order and unit the caller has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The lower end on each axis.
    pub low: [f32; 3],
    /// The upper end on each axis.
    pub high: [f32; 3],
    /// The higher, the better.
    pub score: f32,
}

impl Scored {
    /// The volume both boxes share over that they cover together; 0 if they do not overlap.
    pub fn overlap(&self, other: &Self) -> f32 {
        let mut shared = 1.0;
        for axis in 0..3 {
            let length = self.high[axis].min(other.high[axis]) - self.low[axis].max(other.low[axis]);
            if length <= 0.0 {
                return 0.0;
            }
            shared *= length;
        }
        shared / (self.volume() + other.volume() - shared)
    }

    fn volume(&self) -> f32 {
        (0..3).map(|axis| self.high[axis] - self.low[axis]).product()
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.score.is_finite()
            && (0..3).all(|axis| self.low[axis] < self.high[axis])
            && self.volume().is_normal()
    }
}

/// The indices of the boxes that overlap no better one by more than `threshold` (intersection over
/// union), the best first.
///
/// Of equal scores the earlier box is the better one. A box that was itself suppressed suppresses none.
/// Boxes that are empty or not finite are never kept.
///
/// # Errors
///
/// None on the CPU. On a CUDA device [`Error::OutOfMemory`] if there is no room for a bit for each pair of
/// boxes, or there are more than 4 million; its own errors.
pub fn nms(device: &Device, boxes: &[Scored], threshold: f32) -> Result<Vec<usize>, Error> {
    let mut order: Vec<usize> = (0..boxes.len()).filter(|&at| boxes[at].is_sound()).collect();
    order.sort_by(|&a, &b| boxes[b].score.total_cmp(&boxes[a].score).then(a.cmp(&b)));
    if threshold < 0.0 {
        // Then even boxes far apart overlap by more than it.
        order.truncate(1);
        return Ok(order);
    }
    match device {
        Device::Cpu => Ok(reference(boxes, order, threshold)),
        Device::Cuda(gpu) => twin(gpu, boxes, order, threshold),
    }
}

/// Those of the boxes in `order`, the best first, that none before them beats.
fn reference(boxes: &[Scored], order: Vec<usize>, threshold: f32) -> Vec<usize> {
    let mut grid = Grid::around(boxes, &order);
    let mut kept = Vec::new();
    for at in order {
        let candidate = &boxes[at];
        // Two boxes that overlap share a cell.
        let is_beaten = grid
            .cells(candidate)
            .any(|cell| grid.kept_in(cell).any(|better| candidate.overlap(&boxes[better]) > threshold));
        if !is_beaten {
            grid.keep(at, candidate);
            kept.push(at);
        }
    }
    kept
}

/// As [`reference`]: every box is compared with every other at once.
fn twin(gpu: &Gpu, boxes: &[Scored], order: Vec<usize>, threshold: f32) -> Result<Vec<usize>, Error> {
    let count = order.len();
    let words = count.div_ceil(64);
    let no_room = || Error::OutOfMemory { voxels: count.saturating_mul(words) };
    // The grid of blocks is as high as words are many.
    if words > 0xffff {
        return Err(no_room());
    }
    let numbers: Vec<f32> = order
        .iter()
        .flat_map(|&at| {
            let Scored { low: [a, b, c], high: [d, e, f], .. } = boxes[at];
            [a, b, c, d, e, f, boxes[at].volume()]
        })
        .collect();
    let on_device = gpu.upload(&numbers)?;
    // SAFETY: each kernel sets what the other reads of these: of `beaten` the words from each box's own on,
    // and all of `left`.
    let (mut beaten, mut left) = unsafe { (gpu.room::<u64>(count * words)?, gpu.room::<u64>(words)?) };
    let mut gone = gpu.zeros::<u64>(words)?;
    let size = count as u32;

    let kernel = gpu.kernel("nms", "nms_beaten")?;
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut beaten.slice).arg(&on_device.slice).arg(&threshold).arg(&size);
    // SAFETY: the arguments are those of nms.cu, with memory for `count` boxes.
    unsafe { launch.launch(blocks([64 * words, words, 1], [64, 1, 1])) }.map_err(refused)?;

    let kernel = gpu.kernel("nms", "nms_left")?;
    let mut launch = gpu.stream().launch_builder(&kernel);
    launch.arg(&mut left.slice).arg(&mut gone.slice).arg(&beaten.slice).arg(&size);
    // SAFETY: as above.
    unsafe { launch.launch(blocks([256, 1, 1], [256, 1, 1])) }.map_err(refused)?;
    let left = left.download()?;
    Ok(order
        .into_iter()
        .enumerate()
        .filter(|(at, _)| left[at / 64] >> (at % 64) & 1 == 1)
        .map(|(_, box_at)| box_at)
        .collect())
}

/// Cells of space, so that only boxes close by are compared.
struct Grid {
    origin: [f32; 3],
    edge: [f32; 3],
    shape: [usize; 3],
    /// For each cell the last link of its chain of boxes.
    cells: Vec<Option<u32>>,
    /// A box and the link before.
    links: Vec<(usize, Option<u32>)>,
}

impl Grid {
    /// There are no more than this many cells per box, and no more that boxes reach into on average.
    const CELLS_PER_BOX: f64 = 32.0;

    /// Cells about as large as the boxes of `order`.
    fn around(boxes: &[Scored], order: &[usize]) -> Self {
        let mut grid = Self {
            origin: [f32::INFINITY; 3],
            edge: [0.0; 3],
            shape: [1; 3],
            cells: vec![None],
            links: Vec::new(),
        };
        let mut end = [f32::NEG_INFINITY; 3];
        for &at in order {
            let Scored { low, high, .. } = boxes[at];
            grid.origin = std::array::from_fn(|axis| grid.origin[axis].min(low[axis]));
            end = std::array::from_fn(|axis| end[axis].max(high[axis]));
            let share = |axis: usize| (high[axis] - low[axis]) / order.len() as f32;
            grid.edge = std::array::from_fn(|axis| grid.edge[axis] + share(axis));
        }
        // A few boxes much larger than the others, or far from them, must not make for very many cells.
        let most = Self::CELLS_PER_BOX * order.len() as f64;
        loop {
            let across = |axis: usize| f64::from(end[axis] - grid.origin[axis]) / f64::from(grid.edge[axis]);
            let cells: f64 = (0..3).map(|axis| across(axis).floor() + 1.0).product();
            if cells.is_nan() || cells <= most {
                grid.shape = std::array::from_fn(|axis| across(axis) as usize + 1);
                let reached = order.iter().map(|&at| grid.cells(&boxes[at]).count() as f64).sum::<f64>();
                if reached <= most {
                    break;
                }
            }
            grid.edge = grid.edge.map(|edge| edge * 2.0);
        }
        grid.cells = vec![None; grid.shape.iter().product()];
        grid
    }

    /// The cells that a box reaches into.
    fn cells(&self, of: &Scored) -> impl Iterator<Item = usize> + use<> {
        let cell = |place: f32, axis: usize| {
            (((place - self.origin[axis]) / self.edge[axis]) as usize).min(self.shape[axis] - 1)
        };
        let [a, b, c] = std::array::from_fn(|axis| cell(of.low[axis], axis)..=cell(of.high[axis], axis));
        let [_, rows, columns] = self.shape;
        a.flat_map(move |a| {
            let c = c.clone();
            b.clone().flat_map(move |b| c.clone().map(move |c| (a * rows + b) * columns + c))
        })
    }

    fn kept_in(&self, cell: usize) -> impl Iterator<Item = usize> {
        let mut link = self.cells[cell];
        std::iter::from_fn(move || {
            let (at, before) = self.links[link? as usize];
            link = before;
            Some(at)
        })
    }

    fn keep(&mut self, at: usize, kept: &Scored) {
        for cell in self.cells(kept) {
            self.links.push((at, self.cells[cell]));
            self.cells[cell] = Some(self.links.len() as u32 - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cube(at: [f32; 3], edge: f32, score: f32) -> Scored {
        Scored { low: at, high: at.map(|v| v + edge), score }
    }

    fn literal(boxes: &[Scored], threshold: f32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..boxes.len()).collect();
        order.sort_by(|&a, &b| boxes[b].score.total_cmp(&boxes[a].score));
        let mut kept: Vec<usize> = Vec::new();
        for at in order {
            if kept.iter().all(|&better| boxes[at].overlap(&boxes[better]) <= threshold) {
                kept.push(at);
            }
        }
        kept
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        let a = Scored { low: [0.0, 0.0, 0.0], high: [2.0, 3.0, 4.0], score: 0.0 };
        let b = Scored { low: [1.0, 1.0, 1.0], high: [4.0, 3.0, 5.0], score: 0.0 };
        assert_eq!(a.overlap(&b), 6.0 / (24.0 + 24.0 - 6.0));
        assert_eq!(a.overlap(&a), 1.0);
        assert_eq!(a.overlap(&cube([2.0, 0.0, 0.0], 1.0, 0.0)), 0.0);
    }

    #[test]
    fn a_suppressed_box_suppresses_none() {
        let chain =
            [cube([0.0; 3], 4.0, 0.7), cube([1.0, 0.0, 0.0], 4.0, 0.8), cube([2.0, 0.0, 0.0], 4.0, 0.9)];
        assert_eq!(nms(&Device::Cpu, &chain, 0.5).unwrap(), [2, 0]);
    }

    #[test]
    fn of_equal_scores_the_earlier_box_is_kept() {
        let boxes = [cube([5.0; 3], 2.0, 0.5), cube([5.0; 3], 2.0, 0.5), cube([0.0; 3], 2.0, 0.5)];
        assert_eq!(nms(&Device::Cpu, &boxes, 0.2).unwrap(), [0, 2]);
    }

    #[test]
    fn boxes_that_are_none_are_never_kept() {
        let mut boxes = vec![cube([0.0; 3], 1.0, 0.5); 7];
        boxes[0].score = f32::NAN;
        boxes[1].low[1] = f32::NAN;
        boxes[2].high[2] = f32::INFINITY;
        boxes[3].high[0] = -1.0;
        boxes[4].high[0] = 0.0;
        (boxes[5].low[0], boxes[5].high[0]) = (f32::MIN, f32::MAX);
        assert_eq!(nms(&Device::Cpu, &boxes, 0.2).unwrap(), [6]);
        assert!(nms(&Device::Cpu, &[], 0.2).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn the_grid_finds_what_comparing_all_finds(
            boxes in prop::collection::vec(
                (prop::array::uniform3(0.0_f32..60.0), prop::array::uniform3(0.1_f32..30.0), 0_u8..20), 0..120),
            huge in prop::bool::ANY,
            threshold in 0.0_f32..0.9,
        ) {
            let mut boxes: Vec<Scored> = boxes
                .into_iter()
                .map(|(low, edge, score)| Scored {
                    low,
                    high: std::array::from_fn(|axis| low[axis] + edge[axis]),
                    score: f32::from(score),
                })
                .collect();
            if huge {
                boxes.push(cube([-1e6; 3], 2e6, 5.5));
            }
            prop_assert_eq!(nms(&Device::Cpu, &boxes, threshold).unwrap(), literal(&boxes, threshold));
        }
    }
}
