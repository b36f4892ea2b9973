//! What cubic B-splines need of one axis of the source.

use std::ops::Range;

use crate::IndexMap;
use crate::grid::Line;

/// The pole of the cubic B-spline's prefilter.
const POLE: f64 = -0.267_949_192_431_122_7; // sqrt(3) - 2

/// The pole in the voxels' precision.
pub(super) const Z: f32 = POLE as f32;

/// What both passes of the prefilter leave out, `filtered = pass back (pass forth (voxels))`.
const GAIN: f64 = -6.0 * POLE;

/// From so many voxels off nothing reaches a coefficient: the pole to the power of 16 is 7e-10, a
/// hundredth of what 32 bits hold.
const REACH: isize = 16;

/// How an axis of the source becomes an axis of the output.
///
/// The source's voxels that matter are `window`, in order. Unless `taps` are [`Taps::Voxels`] they are
/// prefiltered: each becomes itself plus [`Z`] times the one before, then itself plus `Z` times the one
/// after. Then each place takes its share of the window from `at` on.
#[derive(Debug)]
pub(super) struct Along {
    /// Source index of each voxel of the window, mirrored at the border's voxel centres where the window
    /// reaches beyond. Never empty.
    pub(super) window: Vec<usize>,
    /// Where in the window each place's first tap is.
    pub(super) at: Vec<usize>,
    pub(super) taps: Taps,
}

/// What an axis of the output is made of, on an axis of the source with so many voxels.
#[derive(Debug, Clone)]
pub(super) enum Wanted<'a> {
    /// The values at these places, all inside; neither number is 0.
    Places(&'a [f64], usize),
    /// The coefficients of a stretch, which may reach beyond the axis's ends.
    Coefficients(Range<isize>, usize),
}

impl Wanted<'_> {
    /// How a part of the output's axis is made.
    pub(super) fn along(&self, at: Range<usize>) -> Along {
        match self {
            Self::Places(places, n) => Along::places(&places[at], *n),
            Self::Coefficients(stretch, n) => {
                let [start, end] = [at.start, at.end].map(|at| stretch.start + at as isize);
                Along::coefficients(start..end, *n)
            }
        }
    }
}

/// What is taken from the window.
#[derive(Debug)]
pub(super) enum Taps {
    /// The voxel: all places are voxel centres, where an interpolating spline is the voxel.
    Voxels,
    /// The prefiltered voxel times this.
    Coefficients(f32),
    /// Four prefiltered voxels in a row, for each place times these.
    Cubic(Vec<[f32; 4]>),
}

impl Along {
    /// The values at `places` on an axis of `n` voxels; all are inside, and neither is 0.
    pub(super) fn places(places: &[f64], n: usize) -> Self {
        if places.iter().all(|place| place.fract() == 0.0) {
            let first: Vec<isize> = places.iter().map(|&place| place as isize).collect();
            return Self::of(&first, 1, 0, n, Taps::Voxels);
        }
        let first: Vec<isize> = places.iter().map(|place| place.floor() as isize - 1).collect();
        let weights = places.iter().map(|&place| weights(place).map(|weight| weight as f32)).collect();
        Self::of(&first, 4, REACH, n, Taps::Cubic(weights))
    }

    /// The coefficients of a stretch of an axis of `n` voxels, which may reach beyond its ends.
    pub(super) fn coefficients(stretch: Range<isize>, n: usize) -> Self {
        Self::of(&stretch.collect::<Vec<_>>(), 1, REACH, n, Taps::Coefficients(GAIN as f32))
    }

    fn of(first: &[isize], taps: isize, reach: isize, n: usize, kind: Taps) -> Self {
        let low = first.iter().min().expect("at least one place") - reach;
        let high = first.iter().max().expect("at least one place") + taps + reach;
        let window = (low..high).map(|at| mirrored(at, n)).collect();
        let at = first.iter().map(|first| (first - low) as usize).collect();
        Self { window, at, taps: kind }
    }

    /// The source voxels that the window touches.
    pub(super) fn used(&self) -> Range<usize> {
        let low = self.window.iter().min().expect("a window is never empty");
        let high = self.window.iter().max().expect("a window is never empty");
        *low..high + 1
    }

    /// Prefilter and spline in one sum: for each place the first of so many voxels in a row of the source's
    /// axis of `n`, and what each of them counts for.
    pub(super) fn sums(&self, n: usize) -> (Vec<u32>, Vec<f32>, usize) {
        // A filtered voxel is the sum of those around it times the pole to the power of their distance.
        let around = -REACH..=REACH;
        let share = |off: isize| POLE.powi(off.unsigned_abs() as i32) / (1.0 - POLE * POLE);
        let length = match self.taps {
            Taps::Voxels => 1,
            Taps::Coefficients(_) => around.clone().count(),
            Taps::Cubic(_) => around.clone().count() + 3,
        };
        let length = length.min(n);
        let (mut first, mut weights) = (Vec::new(), vec![0.0_f32; length * self.at.len()]);
        let mut exact = vec![0.0_f64; n];
        for (place, &at) in self.at.iter().enumerate() {
            let taps: &[f32] = match &self.taps {
                Taps::Voxels => {
                    first.push(self.window[at] as u32);
                    weights[place] = 1.0;
                    continue;
                }
                Taps::Coefficients(gain) => std::slice::from_ref(gain),
                Taps::Cubic(weights) => &weights[place],
            };
            let reached = at - REACH as usize..at + taps.len() + REACH as usize;
            let low = self.window[reached.clone()].iter().min().expect("not empty");
            let low = (*low).min(n - length);
            for (tap, &weight) in taps.iter().enumerate() {
                for off in around.clone() {
                    let voxel = self.window[(at + tap).wrapping_add_signed(off)];
                    exact[voxel] += f64::from(weight) * share(off);
                }
            }
            for (to, exact) in weights[place * length..].iter_mut().zip(&mut exact[low..low + length]) {
                *to = std::mem::take(exact) as f32;
            }
            first.push(low as u32);
        }
        (first, weights, length)
    }

    pub(super) fn is_filtered(&self) -> bool {
        !matches!(self.taps, Taps::Voxels)
    }
}

/// What the four prefiltered voxels from `floor(place) - 1` on count for.
pub(super) fn weights(place: f64) -> [f64; 4] {
    let t = place - place.floor();
    let u = 1.0 - t;
    let outer = |t: f64| t * t * t;
    let inner = |t: f64| 4.0 - 6.0 * t * t + 3.0 * t * t * t;
    [outer(u), inner(t), inner(u), outer(t)].map(|weight| weight / 6.0 * GAIN)
}

/// The voxel that stands for `at` on an axis of `n`: mirrored at the centres of the first and the last.
fn mirrored(at: isize, n: usize) -> usize {
    let period = 2 * (n as isize - 1);
    if period == 0 {
        return 0;
    }
    let at = at.rem_euclid(period);
    at.min(period - at) as usize
}

/// The lines of a map along the axes in the order of the source's axes: which output indices are
/// inside, and where.
pub(super) fn places(
    lines: [Line; 3],
    shape: [usize; 3],
    source: [usize; 3],
) -> [(Range<usize>, Vec<f64>); 3] {
    std::array::from_fn(|source_axis| {
        let axis = lines.iter().position(|line| line.source_axis == source_axis);
        let axis = axis.expect("the lines follow all three axes");
        lines[axis].places(shape[axis], source[source_axis])
    })
}

/// For each axis of the source, the coefficients that the places of an output of `shape` need; `None` if
/// there are none, or all of them are outside.
pub(super) fn reached(map: &IndexMap, shape: [usize; 3], source: [usize; 3]) -> Option<[Range<isize>; 3]> {
    if shape.contains(&0) {
        return None;
    }
    let mut reached = [const { 0..0 }; 3];
    for (axis, stretch) in reached.iter_mut().enumerate() {
        let row = map[2 - axis];
        let ways = (0..3).map(|column| row[column] * shape[2 - column].saturating_sub(1) as f64);
        let (mut low, mut high) = (row[3], row[3]);
        for way in ways {
            low += way.min(0.0);
            high += way.max(0.0);
        }
        // More than places are rounded by.
        let low = low.max(-0.5) - 1e-5;
        let high = high.min(source[axis] as f64 - 0.5) + 1e-5;
        if !(low.is_finite() && high.is_finite() && low <= high) || source[axis] == 0 {
            return None;
        }
        *stretch = low.floor() as isize - 1..high.floor() as isize + 3;
    }
    Some(reached)
}
