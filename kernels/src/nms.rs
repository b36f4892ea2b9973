//! Of boxes that overlap, the one with the best score.

use std::collections::HashMap;

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

    fn is_sound(&self) -> bool {
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
/// None on the CPU.
pub fn nms(device: &Device, boxes: &[Scored], threshold: f32) -> Result<Vec<usize>, Error> {
    let Device::Cpu = device;
    let mut order: Vec<usize> = (0..boxes.len()).filter(|&at| boxes[at].is_sound()).collect();
    order.sort_by(|&a, &b| boxes[b].score.total_cmp(&boxes[a].score).then(a.cmp(&b)));
    if threshold < 0.0 {
        // Then even boxes far apart overlap by more than it.
        order.truncate(1);
        return Ok(order);
    }
    let grid = Grid::around(boxes, &order);
    let mut cells: HashMap<[i32; 3], Vec<u32>> = HashMap::new();
    let mut kept = Vec::new();
    for at in order {
        let candidate = &boxes[at];
        // Two boxes that overlap share a cell.
        let is_beaten = grid.cells(candidate).any(|cell| {
            cells.get(&cell).is_some_and(|kept| {
                kept.iter().any(|&better| candidate.overlap(&boxes[better as usize]) > threshold)
            })
        });
        if !is_beaten {
            grid.cells(candidate).for_each(|cell| cells.entry(cell).or_default().push(at as u32));
            kept.push(at);
        }
    }
    Ok(kept)
}

/// Cells of space, so that only boxes close by are compared.
struct Grid {
    origin: [f32; 3],
    edge: [f32; 3],
}

impl Grid {
    /// Boxes may reach into this many cells on average before the cells are made larger.
    const CELLS_PER_BOX: f64 = 32.0;

    /// Cells about as large as the boxes of `order`.
    fn around(boxes: &[Scored], order: &[usize]) -> Self {
        let mut grid = Self { origin: [f32::INFINITY; 3], edge: [0.0; 3] };
        for &at in order {
            for axis in 0..3 {
                grid.origin[axis] = grid.origin[axis].min(boxes[at].low[axis]);
                grid.edge[axis] += (boxes[at].high[axis] - boxes[at].low[axis]) / order.len() as f32;
            }
        }
        // A few boxes much larger than the mean would reach into very many cells.
        let reached = |grid: &Self| order.iter().map(|&at| grid.count(&boxes[at])).sum::<f64>();
        while reached(&grid) > Self::CELLS_PER_BOX * order.len() as f64 {
            grid.edge = grid.edge.map(|edge| edge * 2.0);
        }
        grid
    }

    fn range(&self, of: &Scored, axis: usize) -> std::ops::RangeInclusive<i32> {
        let cell = |place: f32| ((place - self.origin[axis]) / self.edge[axis]) as i32;
        cell(of.low[axis])..=cell(of.high[axis])
    }

    fn count(&self, of: &Scored) -> f64 {
        (0..3)
            .map(|axis| self.range(of, axis))
            .map(|range| f64::from(range.end() - range.start()) + 1.0)
            .product()
    }

    fn cells(&self, of: &Scored) -> impl Iterator<Item = [i32; 3]> {
        let [a, b, c] = std::array::from_fn(|axis| self.range(of, axis));
        a.flat_map(move |a| {
            let c = c.clone();
            b.clone().flat_map(move |b| c.clone().map(move |c| [a, b, c]))
        })
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
