//! Where in the prior a place of these images is.
//!
//! Shift, turn and stretch (a breath) of the whole body are found by laying the images over each other, coarse
//! to fine: the sum of the squared differences of densities, large ones counted less, is made small by steps of
//! Levenberg and Marquardt. Many starts along the body are tried, because ribs and vertebrae look alike. Then
//! each place is shifted a little until its own surroundings fit.
//!
//! Densities of CT are comparable as they are, so nothing is fitted to make them so.
#![allow(clippy::needless_range_loop, reason = "small matrices are read by their indices, as on paper")]

use kernels::Device;
use rayon::prelude::*;

use dicom_io::{Lps, Volume};

use super::pyramid::{Level, Sample};
use super::solve::solve;

/// The finest grid that is looked at, mm: lesions are told apart at this scale, not measured.
const FINE_MM: f64 = 4.0;

/// How many grids there are; each is twice as coarse as the one before.
const LEVELS: usize = 3;

/// No more samples of the body than this are compared in one step.
const MOST_SAMPLES: usize = 60_000;

/// Starts along the body lie this far apart, mm.
const START_STEP_MM: f64 = 8.0;

/// So many at most: nobody is longer.
const MOST_STARTS: usize = 600;

/// How many of the starts are followed.
const STARTS: usize = 6;

/// At least this share of the smaller body must be in both.
const LEAST_OVERLAP: f64 = 0.4;

/// And at least this much, ml: some 60 mm of a trunk. Fewer slices fit in too many places.
const LEAST_ML: f64 = 4000.0;

/// Images of the same patient correlate by more than this when they lie right.
const LEAST_CORRELATION: f64 = 0.85;

/// If another way to lay the images over each other correlates within this of the best, nobody knows which is
/// right.
const CLEAR_CORRELATION: f64 = 0.03;

/// Two ways are different if they bring the middle of the body to places this far apart, mm.
const DIFFERENT_MM: f64 = 16.0;

/// Differences of more than this count less than their square, HU: contrast medium, gas, a new effusion.
const LARGE_HU: f64 = 150.0;

/// How much a stretch costs: a stretch of these shares along L, P and S costs `STRETCH_HU` squared.
const STRETCH: [f64; 3] = [0.05, 0.05, 0.1];
const STRETCH_HU: f64 = 10.0;

/// Patients lie turned by less than this, degrees.
const MOST_DEGREES: f64 = 25.0;

/// Breath and posture stretch a body by less than this share.
const MOST_STRETCH: f64 = 0.25;

/// Why two examinations could not be laid over each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Refused {
    /// Too little of the same body is in both.
    Overlap,
    /// They are not alike enough.
    Correlation(f64),
    /// They fit in several ways.
    Unclear,
}

/// Two examinations laid over each other.
pub(super) struct Registered {
    way: Way,
    now: Vec<Sample>,
    prior: Level,
    /// The correlation of the densities within the body.
    pub(super) correlation: f64,
    /// The share of the body in these images that is in the prior's as well.
    pub(super) overlap: f64,
}

/// From a place now to the same place then: `to + turn * stretch * (place - from)`.
#[derive(Debug, Clone, Copy)]
struct Way {
    from: [f64; 3],
    to: [f64; 3],
    turn: [[f64; 3]; 3],
    stretch: [f64; 3],
}

/// How many numbers a [`Way`] is looked for with: shift, turn, stretch.
const N: usize = 9;

/// Turns and stretches are counted in mm at this distance, so that all numbers are of one size.
const ARM_MM: f64 = 100.0;

impl Way {
    fn apply(&self, place: [f64; 3]) -> [f64; 3] {
        let arm = self.arm(place);
        std::array::from_fn(|d| self.to[d] + arm[d])
    }

    fn arm(&self, place: [f64; 3]) -> [f64; 3] {
        let u: [f64; 3] = std::array::from_fn(|a| self.stretch[a] * (place[a] - self.from[a]));
        self.turn.map(|row| (0..3).map(|a| row[a] * u[a]).sum())
    }

    fn back(&self, place: [f64; 3]) -> [f64; 3] {
        let arm: [f64; 3] = std::array::from_fn(|d| place[d] - self.to[d]);
        std::array::from_fn(|a| {
            self.from[a] + (0..3).map(|d| self.turn[d][a] * arm[d]).sum::<f64>() / self.stretch[a]
        })
    }

    /// The way a little further: `step` as in [`N`].
    fn stepped(&self, step: [f64; N]) -> Self {
        let turn = [3, 4, 5].map(|n| step[n] / ARM_MM);
        Self {
            from: self.from,
            to: std::array::from_fn(|d| self.to[d] + step[d]),
            turn: product(rotation(turn), self.turn),
            stretch: std::array::from_fn(|a| self.stretch[a] * (step[6 + a] / ARM_MM).exp()),
        }
    }

    fn is_plausible(&self) -> bool {
        let trace = self.turn[0][0] + self.turn[1][1] + self.turn[2][2];
        let degrees = ((trace - 1.0) / 2.0).clamp(-1.0, 1.0).acos().to_degrees();
        degrees <= MOST_DEGREES && self.stretch.iter().all(|s| s.ln().abs() <= (1.0 + MOST_STRETCH).ln())
    }

    /// What the stretch costs, HU squared.
    fn cost(&self) -> f64 {
        (0..3).map(|a| (STRETCH_HU * self.stretch[a].ln() / STRETCH[a]).powi(2)).sum()
    }
}

/// The matrix that turns about `vector` by its length in radians.
fn rotation([x, y, z]: [f64; 3]) -> [[f64; 3]; 3] {
    let angle = (x * x + y * y + z * z).sqrt();
    if angle < 1e-12 {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    }
    let [x, y, z] = [x / angle, y / angle, z / angle];
    let (s, c) = angle.sin_cos();
    let t = 1.0 - c;
    [
        [c + t * x * x, t * x * y - s * z, t * x * z + s * y],
        [t * x * y + s * z, c + t * y * y, t * y * z - s * x],
        [t * x * z - s * y, t * y * z + s * x, c + t * z * z],
    ]
}

fn product(a: [[f64; 3]; 3], b: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|n| a[r][n] * b[n][c]).sum()))
}

/// Lays `now` over `prior`, both CT in Hounsfield units.
pub(super) fn register(
    device: &Device,
    now: &Volume<i16>,
    prior: &Volume<i16>,
) -> Result<Result<Registered, Refused>, kernels::Error> {
    let levels = |volume: &Volume<i16>| -> Result<Vec<Level>, kernels::Error> {
        let mut levels = vec![Level::of(device, volume, FINE_MM)?];
        for _ in 1..LEVELS {
            let coarser = levels[levels.len() - 1].coarser(device)?;
            levels.push(coarser);
        }
        Ok(levels)
    };
    let (now, mut prior) = (levels(now)?, levels(prior)?);
    let bodies =
        |levels: &[Level]| levels.iter().map(|level| level.body(device)).collect::<Result<Vec<_>, _>>();
    let (bodies_now, bodies_prior) = (bodies(&now)?, bodies(&prior)?);

    let coarsest = LEVELS - 1;
    let smaller = |at: usize| {
        let then = bodies_prior[at].len() as f64 * prior[at].voxel_mm3() / now[at].voxel_mm3();
        then.min(bodies_now[at].len() as f64)
    };
    let at = |level: usize| {
        let thin = thinned(&bodies_now[level]);
        let share = thin.len() as f64 / bodies_now[level].len().max(1) as f64;
        let least = f64::max(LEAST_OVERLAP * smaller(level), 1000.0 * LEAST_ML / now[level].voxel_mm3());
        Fit { now: thin, prior: &prior[level], least: least * share }
    };
    let Some(starts) = starts(&at(coarsest), &bodies_prior[coarsest]) else {
        return Ok(Err(Refused::Overlap));
    };
    let mut ways: Vec<(Way, f64)> = Vec::new();
    for start in starts {
        let mut way = start;
        for level in (1..LEVELS).rev() {
            way = at(level).improved(way);
        }
        let Some(correlation) = at(1).correlation(&way).filter(|_| way.is_plausible()) else { continue };
        let middle = way.to;
        let same = |other: &(Way, f64)| apart(other.0.apply(way.from), middle) < DIFFERENT_MM;
        match ways.iter_mut().find(|other| same(other)) {
            Some(other) if other.1 < correlation => *other = (way, correlation),
            Some(_) => {}
            None => ways.push((way, correlation)),
        }
    }
    ways.sort_by(|a, b| b.1.total_cmp(&a.1));
    let Some((best, _)) = ways.first().copied() else { return Ok(Err(Refused::Overlap)) };
    if ways.get(1).is_some_and(|(_, second)| ways[0].1 - second < CLEAR_CORRELATION) {
        return Ok(Err(Refused::Unclear));
    }
    let fine = at(0);
    let way = fine.improved(best);
    let Some(correlation) = fine.correlation(&way) else { return Ok(Err(Refused::Overlap)) };
    if correlation < LEAST_CORRELATION || !way.is_plausible() {
        return Ok(Err(Refused::Correlation(correlation)));
    }
    let overlap = fine.inside(&way) as f64 / fine.now.len() as f64;
    let [now, ..] = <[Vec<Sample>; LEVELS]>::try_from(bodies_now).unwrap_or_default();
    Ok(Ok(Registered { way, now, prior: prior.swap_remove(0), correlation, overlap }))
}

fn apart(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|d| (a[d] - b[d]).powi(2)).sum::<f64>().sqrt()
}

/// Every nth of `samples`, so that there are not too many.
fn thinned(samples: &[Sample]) -> Vec<Sample> {
    samples.iter().step_by(samples.len().div_ceil(MOST_SAMPLES).max(1)).copied().collect()
}

/// The most promising shifts along the body; `None` if there is no body.
fn starts(fit: &Fit<'_>, prior: &[Sample]) -> Option<Vec<Way>> {
    let middle = |samples: &[Sample]| -> Option<[f64; 3]> {
        let count = samples.len() as f64;
        (count > 0.0)
            .then(|| std::array::from_fn(|d| samples.iter().map(|s| s.place[d]).sum::<f64>() / count))
    };
    let height = |samples: &[Sample]| {
        let heights = samples.iter().map(|sample| sample.place[2]);
        heights.fold((f64::MAX, f64::MIN), |(low, high), s| (low.min(s), high.max(s)))
    };
    let (from, middle) = (middle(&fit.now)?, middle(prior)?);
    let ((low, high), (prior_low, prior_high)) = (height(&fit.now), height(prior));
    let start = |to: [f64; 3]| Way { from, to, turn: rotation([0.0; 3]), stretch: [1.0; 3] };
    let (first, last) = (from[2] + prior_low - high, from[2] + prior_high - low);
    let steps = (((last - first) / START_STEP_MM) as usize + 1).min(MOST_STARTS);
    let along = |n: usize| start([middle[0], middle[1], first + n as f64 * START_STEP_MM]);
    let tried: Vec<Option<f64>> = (0..steps).into_par_iter().map(|n| fit.correlation(&along(n))).collect();
    // A start is worth following if none beside it is better.
    let better = |n: usize, other: Option<usize>| {
        let other = other.and_then(|at| tried.get(at).copied().flatten());
        other.is_none_or(|other| tried[n].is_some_and(|this| this >= other))
    };
    let mut best: Vec<usize> = (0..steps)
        .filter(|&n| tried[n].is_some() && better(n, n.checked_sub(1)) && better(n, Some(n + 1)))
        .collect();
    best.sort_by(|&a, &b| tried[b].unwrap_or(-1.0).total_cmp(&tried[a].unwrap_or(-1.0)));
    let mut starts: Vec<Way> = best.into_iter().take(STARTS).map(along).collect();
    // The coordinates as they stand: right for a second series of one session.
    starts.push(start(from));
    Some(starts)
}

/// The body now held against the prior.
struct Fit<'a> {
    now: Vec<Sample>,
    prior: &'a Level,
    /// So many samples must be inside of the prior.
    least: f64,
}

/// Sums over samples.
#[derive(Clone)]
struct Sums {
    inside: f64,
    cost: f64,
    slope: [f64; N],
    curve: [[f64; N]; N],
}

/// Samples are summed in parts of this many, in their order, so that the sum is the same on every machine.
const PART: usize = 2048;

impl Fit<'_> {
    fn inside(&self, way: &Way) -> usize {
        self.now.par_iter().filter(|sample| self.prior.slope(way.apply(sample.place)).is_some()).count()
    }

    /// Pearson's correlation of the densities; `None` if too little is inside.
    fn correlation(&self, way: &Way) -> Option<f64> {
        let parts: Vec<[f64; 6]> = self
            .now
            .par_chunks(PART)
            .map(|part| {
                let mut sums = [0.0; 6];
                for sample in part {
                    if let Some(there) = self.prior.slope(way.apply(sample.place)) {
                        let (a, b) = (f64::from(sample.hu), f64::from(there.hu));
                        for (sum, value) in sums.iter_mut().zip([1.0, a, b, a * a, b * b, a * b]) {
                            *sum += value;
                        }
                    }
                }
                sums
            })
            .collect();
        let sums = parts.iter().fold([0.0; 6], |sums, part| std::array::from_fn(|n| sums[n] + part[n]));
        let [count, a, b, aa, bb, ab] = sums;
        if count < self.least.max(1.0) {
            return None;
        }
        let (a, b) = (a / count, b / count);
        let spread = (aa / count - a * a) * (bb / count - b * b);
        (spread > 0.0).then(|| (ab / count - a * b) / spread.sqrt())
    }

    /// The cost of `way`, and where it falls.
    fn sums(&self, way: &Way) -> Option<Sums> {
        let parts: Vec<Sums> = self
            .now
            .par_chunks(PART)
            .map(|part| {
                let mut sums = Sums::none();
                for sample in part {
                    let arm = way.arm(sample.place);
                    let place = std::array::from_fn(|d| way.to[d] + arm[d]);
                    let Some(there) = self.prior.slope(place) else { continue };
                    let g = there.per_mm;
                    let mut along = [0.0; N];
                    for d in 0..3 {
                        let (e, f) = ((d + 1) % 3, (d + 2) % 3);
                        along[d] = g[d];
                        along[3 + d] = (arm[e] * g[f] - arm[f] * g[e]) / ARM_MM;
                        let stretched = way.stretch[d] * (sample.place[d] - way.from[d]) / ARM_MM;
                        along[6 + d] = stretched * (0..3).map(|r| way.turn[r][d] * g[r]).sum::<f64>();
                    }
                    sums.add(f64::from(there.hu - sample.hu), &along);
                }
                sums
            })
            .collect();
        let mut sums = parts.into_iter().fold(Sums::none(), Sums::and);
        if sums.inside < self.least.max(1.0) {
            return None;
        }
        sums.divide();
        sums.cost += way.cost();
        for a in 0..3 {
            let weight = (STRETCH_HU / STRETCH[a] / ARM_MM).powi(2);
            sums.slope[6 + a] += weight * way.stretch[a].ln() * ARM_MM;
            sums.curve[6 + a][6 + a] += weight;
        }
        Some(sums)
    }

    /// `way` made to fit as well as it can be.
    fn improved(&self, way: Way) -> Way {
        const MOST_STEPS: usize = 40;
        /// Steps smaller than this change nothing, mm.
        const SMALL_MM: f64 = 0.01;
        let Some(mut sums) = self.sums(&way) else { return way };
        let mut way = way;
        let mut caution = 1e-2;
        for _ in 0..MOST_STEPS {
            let mut curve = sums.curve;
            for n in 0..N {
                curve[n][n] += caution * curve[n][n] + 1e-9;
            }
            let Some(step) = solve(curve, sums.slope.map(|slope| -slope)) else { break };
            let next = way.stepped(step);
            match self.sums(&next).filter(|next| next.cost < sums.cost) {
                Some(better) => {
                    (way, sums) = (next, better);
                    caution = f64::max(caution / 5.0, 1e-6);
                }
                None if caution > 1e4 => break,
                None => {
                    caution *= 5.0;
                    continue;
                }
            }
            if step.iter().all(|mm| mm.abs() < SMALL_MM) {
                break;
            }
        }
        way
    }
}

impl Sums {
    fn none() -> Self {
        Self { inside: 0.0, cost: 0.0, slope: [0.0; N], curve: [[0.0; N]; N] }
    }

    /// Adds a difference in density and how it changes with each number.
    fn add(&mut self, difference: f64, along: &[f64; N]) {
        let (cost, weight) = huber(difference);
        self.inside += 1.0;
        self.cost += cost;
        for r in 0..N {
            let weighted = weight * along[r];
            self.slope[r] += weighted * difference;
            for c in r..N {
                self.curve[r][c] += weighted * along[c];
            }
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.inside += other.inside;
        self.cost += other.cost;
        for r in 0..N {
            self.slope[r] += other.slope[r];
            for c in r..N {
                self.curve[r][c] += other.curve[r][c];
            }
        }
        self
    }

    /// Means rather than sums, and both halves of the symmetric matrix.
    fn divide(&mut self) {
        self.cost /= self.inside;
        for r in 0..N {
            self.slope[r] /= self.inside;
            for c in r..N {
                self.curve[r][c] /= self.inside;
                self.curve[c][r] = self.curve[r][c];
            }
        }
    }
}

/// What a difference of so many HU costs, and its weight.
///
/// Source: Huber, Robust estimation of a location parameter, Ann Math Stat 1964;35:73-101.
fn huber(difference: f64) -> (f64, f64) {
    let size = difference.abs();
    if size <= LARGE_HU { (size * size, 1.0) } else { (LARGE_HU * (2.0 * size - LARGE_HU), LARGE_HU / size) }
}

/// A place is shifted so that what lies within this distance fits, mm.
const SURROUNDINGS_MM: f64 = 32.0;

/// A shift of a place against the body as a whole by `SHIFT_MM` costs `SHIFT_HU` squared.
const SHIFT_MM: f64 = 8.0;
const SHIFT_HU: f64 = 40.0;

/// A place is not shifted by more than this against the body as a whole, mm: it would be another place.
const MOST_SHIFT_MM: f64 = 20.0;

impl Registered {
    /// Where in the prior the lesion at `place`, `radius_mm` large, would be if nothing had changed.
    ///
    /// Its surroundings decide and not the lesion itself, which may have grown or gone.
    pub(super) fn then(&self, place: Lps, radius_mm: f64) -> Lps {
        let place = place.to_array();
        let there = self.way.apply(place);
        let near: Vec<&Sample> = self
            .now
            .iter()
            .filter(|sample| {
                let away = apart(sample.place, place);
                away <= SURROUNDINGS_MM + radius_mm && away > radius_mm + FINE_MM
            })
            .collect();
        let mut shift = [0.0; 3];
        for _ in 0..15 {
            let mut slope = [0.0; 3];
            let mut curve = [[0.0; 3]; 3];
            let mut inside = 0.0;
            for sample in &near {
                let at = self.way.apply(sample.place);
                let Some(there) = self.prior.slope(std::array::from_fn(|d| at[d] + shift[d])) else {
                    continue;
                };
                let difference = f64::from(there.hu - sample.hu);
                let (_, weight) = huber(difference);
                inside += 1.0;
                for r in 0..3 {
                    slope[r] += weight * there.per_mm[r] * difference;
                    for c in 0..3 {
                        curve[r][c] += weight * there.per_mm[r] * there.per_mm[c];
                    }
                }
            }
            let weight = (SHIFT_HU / SHIFT_MM).powi(2) * f64::max(inside, 1.0);
            for d in 0..3 {
                slope[d] += weight * shift[d];
                curve[d][d] += weight;
            }
            let Some(step) = solve(curve, slope.map(|slope| -slope)) else { break };
            shift = std::array::from_fn(|d| shift[d] + step[d]);
            if step.iter().all(|mm| mm.abs() < 0.02) {
                break;
            }
        }
        let far = apart(shift, [0.0; 3]) > MOST_SHIFT_MM;
        let shift = if far || shift.iter().any(|mm| !mm.is_finite()) { [0.0; 3] } else { shift };
        std::array::from_fn(|d| there[d] + shift[d]).into()
    }

    /// Where a place of the prior is now, as far as the body as a whole tells.
    pub(super) fn now(&self, place: Lps) -> Lps {
        self.way.back(place.to_array()).into()
    }
}
