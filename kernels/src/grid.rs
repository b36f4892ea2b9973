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

    /// The two voxels around the place of each output index.
    pub(crate) fn linear(&self, shape: usize, n: usize) -> Axis {
        let inside = self.inside(shape, n);
        let (mut first, mut weights) = (Vec::new(), Vec::new());
        for at in inside.clone() {
            let place = self.place(at).clamp(0.0, n.saturating_sub(1) as f64);
            first.push(place as usize);
            weights.extend([1.0 - place.fract() as f32, place.fract() as f32]);
        }
        Axis { inside, taps: 2, first, weights }
    }

    /// The output indices that fall inside, and the place of each.
    pub(crate) fn places(&self, shape: usize, n: usize) -> (Range<usize>, Vec<f64>) {
        let inside = self.inside(shape, n);
        let places = inside.clone().map(|at| self.place(at)).collect();
        (inside, places)
    }

    /// The voxels that each output index covers, by how much of each; where voxels do not get larger, as
    /// [`Self::linear`].
    pub(crate) fn area(&self, shape: usize, n: usize) -> Axis {
        let size = self.step.abs();
        if size <= 1.0 || !size.is_finite() {
            return self.linear(shape, n);
        }
        let inside = self.inside(shape, n);
        // From the voxel in which it begins to that in which it ends.
        let taps = (size.ceil() as usize + 1).min(n);
        let end = n as f64 - 0.5;
        let (mut first, mut weights) = (Vec::new(), Vec::new());
        for at in inside.clone() {
            let place = self.place(at);
            let (low, high) = ((place - size / 2.0).max(-0.5), (place + size / 2.0).min(end));
            let start = ((low + 0.5) as usize).min(n - taps);
            first.push(start);
            weights.extend((start..start + taps).map(|voxel| {
                let covered = (high.min(voxel as f64 + 0.5) - low.max(voxel as f64 - 0.5)).max(0.0);
                (covered / (high - low)) as f32
            }));
        }
        Axis { inside, taps, first, weights }
    }

    /// The voxel nearest to the place of each output index; halves go up.
    pub(crate) fn nearest(&self, shape: usize, n: usize) -> Axis {
        let inside = self.inside(shape, n);
        let first: Vec<usize> = inside.clone().map(|at| nearest(self.place(at), n)).collect();
        Axis { taps: 1, weights: vec![1.0; first.len()], inside, first }
    }
}

/// The source index nearest to a place inside of an axis of `n` voxels; halves go up.
#[inline]
pub(crate) fn nearest(place: f64, n: usize) -> usize {
    ((place + 0.5).max(0.0) as usize).min(n - 1)
}

/// What to blend along one axis of the source for each output index: `taps` voxels from `first` on, each
/// with its weight. Taps beyond the last voxel have weight 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// Output indices that fall inside; the vectors below start at the first of them.
    pub(crate) inside: Range<usize>,
    pub(crate) taps: usize,
    pub(crate) first: Vec<usize>,
    /// `taps` for each output index. With two taps the second weight counts, and the first is what is
    /// left of 1.
    pub(crate) weights: Vec<f32>,
}

impl Axis {
    /// The first voxel and the weights for output index `at`, `None` outside.
    #[inline]
    pub(crate) fn of(&self, at: usize) -> Option<(usize, &[f32])> {
        let at = at.checked_sub(self.inside.start).filter(|&at| at < self.first.len())?;
        Some((self.first[at], &self.weights[at * self.taps..][..self.taps]))
    }

    /// The voxels of an axis of `n` that the output indices `shape` need, the first to the last.
    pub(crate) fn source(&self, shape: Range<usize>, n: usize) -> Range<usize> {
        let firsts = shape.filter_map(|at| self.of(at)).map(|(first, _)| first);
        let (low, high) = firsts.fold((usize::MAX, 0), |(low, high), at| (low.min(at), high.max(at)));
        if low == usize::MAX { 0..0 } else { low..(high + self.taps).min(n) }
    }
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
