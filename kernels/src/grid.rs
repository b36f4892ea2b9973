//! Where the voxels of the output fall in the source: what every kind of resampling shares.

use std::ops::Range;

use crate::IndexMap;

/// A place this far beyond the border of the source still counts as inside: rounding in the map.
const BORDER_TOLERANCE: f64 = 1e-6;

/// A map whose sideways drift over the whole output stays below this many source voxels counts as
/// running along the axes. At a gradient of 1000 per voxel the value is off by 0.01.
const DRIFT_TOLERANCE: f64 = 1e-5;

/// Positions are rounded to this share of a voxel when the map runs along the axes, so that a map that
/// is the identity, or a whole-voxel shift, but for rounding errors gives the source's own values.
const SNAP: f64 = 1.0 / (1 << 20) as f64;

/// Whether a place is within half a voxel of the voxel centres of an axis of `n` voxels.
#[inline]
pub(crate) fn inside(place: f64, n: usize) -> bool {
    place >= -0.5 - BORDER_TOLERANCE && place <= n as f64 - 0.5 + BORDER_TOLERANCE
}

/// The output's places along one axis of the source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// The source's axis, in the array's order.
    pub(crate) source_axis: usize,
    step: f64,
    start: f64,
}

impl Line {
    /// The place of output index `at` on an axis of the source.
    fn place(&self, at: usize) -> f64 {
        let place = self.start + self.step * at as f64;
        (place / SNAP).round() * SNAP
    }

    /// Which of the `shape` output indices fall inside of a source of `n` voxels. Places are
    /// monotonic, so they are one range.
    fn inside(&self, shape: usize, n: usize) -> Range<usize> {
        let is_inside = |at: usize| n > 0 && inside(self.place(at), n);
        let Some(first) = (0..shape).position(is_inside) else { return 0..0 };
        let last = (first..shape).rev().find(|&at| is_inside(at)).unwrap_or(first);
        first..last + 1
    }

    /// The samples to blend for each output index.
    pub(crate) fn samples(&self, shape: usize, n: usize) -> Samples {
        let inside = self.inside(shape, n);
        let places = inside.clone().map(|at| self.place(at).clamp(0.0, n.saturating_sub(1) as f64));
        let (at, weight): (Vec<usize>, Vec<f32>) =
            places.map(|place| (place as usize, place.fract() as f32)).unzip();
        let consecutive = at.windows(2).all(|pair| pair[1] == pair[0] + 1);
        Samples { inside, at, weight, consecutive }
    }

    /// The output indices that fall inside, and the place of each.
    pub(crate) fn places(&self, shape: usize, n: usize) -> (Range<usize>, Vec<f64>) {
        let inside = self.inside(shape, n);
        let places = inside.clone().map(|at| self.place(at)).collect();
        (inside, places)
    }

    /// The nearest source index for each output index that falls inside; halves go up.
    pub(crate) fn nearest(&self, shape: usize, n: usize) -> (Range<usize>, Vec<usize>) {
        let inside = self.inside(shape, n);
        let at = inside.clone().map(|at| nearest(self.place(at), n)).collect();
        (inside, at)
    }
}

/// The source index nearest to a place inside of an axis of `n` voxels; halves go up.
#[inline]
pub(crate) fn nearest(place: f64, n: usize) -> usize {
    ((place + 0.5).max(0.0) as usize).min(n - 1)
}

/// What to blend along one axis: voxel `at` and the one after it, which has the weight. Places beyond
/// the last centre are on the last voxel with weight 0.
pub(crate) struct Samples {
    /// Output indices that fall inside; the vectors below start at the first of them.
    pub(crate) inside: Range<usize>,
    pub(crate) at: Vec<usize>,
    pub(crate) weight: Vec<f32>,
    /// Whether each sample is one source voxel after the one before.
    pub(crate) consecutive: bool,
}

/// The lines of a map under which each output axis (in the array's order) follows one source axis.
/// `None` for any other map, and for one that is not finite.
pub(crate) fn along_axes(map: &IndexMap, shape: [usize; 3]) -> Option<[Line; 3]> {
    let mut lines = [Line { source_axis: 0, step: 0.0, start: 0.0 }; 3];
    let mut taken = [false; 3];
    for (axis, line) in lines.iter_mut().enumerate() {
        let column = 2 - axis;
        let step = |row: usize| map[row][column];
        let drift = |row: usize| step(row).abs() * shape[axis].saturating_sub(1) as f64;
        // An axis of one voxel does not move; any free source axis will do.
        let row = (0..3)
            .filter(|&row| !taken[row])
            .filter(|&row| (0..3).all(|other| other == row || drift(other) <= DRIFT_TOLERANCE))
            .max_by(|&a, &b| step(a).abs().total_cmp(&step(b).abs()))?;
        taken[row] = true;
        *line = Line { source_axis: 2 - row, step: step(row), start: map[row][3] };
    }
    map.iter().flatten().all(|value| value.is_finite()).then_some(lines)
}

/// The output indices `i` of one row whose places `start + i * step` fall inside of the source on all
/// three axes (all in the order i, j, k). The source is convex, so they are one range.
pub(crate) fn inside_row(start: [f64; 3], step: [f64; 3], source: [usize; 3], row: usize) -> Range<usize> {
    let is_inside = |at: usize| (0..3).all(|d| inside(start[d] + step[d] * at as f64, source[d]));
    let (mut low, mut high) = (0.0_f64, row as f64);
    for d in 0..3 {
        if source[d] == 0 || !start[d].is_finite() || !step[d].is_finite() {
            return 0..0;
        }
        if step[d] != 0.0 {
            let a = (-0.5 - start[d]) / step[d];
            let b = (source[d] as f64 - 0.5 - start[d]) / step[d];
            low = low.max(a.min(b));
            high = high.min(a.max(b));
        }
    }
    // The quotients are rounded: widen by one and let the definition decide.
    let mut low = (low - 1.0).max(0.0) as usize;
    let mut high = ((high + 2.0).max(0.0) as usize).min(row);
    while low < high && !is_inside(low) {
        low += 1;
    }
    while low < high && !is_inside(high - 1) {
        high -= 1;
    }
    if low < high { low..high } else { 0..0 }
}
