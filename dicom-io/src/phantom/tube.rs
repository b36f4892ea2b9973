//! Tubes: vessels, which branch, and ribs.

use super::anatomy::Place;
use super::random::Random;

/// A piece of a tube: a line that is thick.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tube {
    ends: [Place; 2],
    radii: [f32; 2],
    /// What it is made of, HU.
    pub(super) hu: f32,
    /// The organ outside of which it is not drawn.
    pub(super) clip: Clip,
}

/// The organ that a tube stays within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clip {
    /// It may go anywhere.
    Nowhere,
    Lung,
    Liver,
}

impl Tube {
    pub(super) fn new(ends: [Place; 2], radii: [f32; 2], hu: f32, clip: Clip) -> Self {
        Self { ends, radii, hu, clip }
    }

    /// The distance to its surface, negative inside.
    pub(super) fn distance(&self, p: Place) -> f32 {
        let [a, b] = self.ends;
        let (mut along, mut length) = (0.0, 1e-6);
        for d in 0..3 {
            along += (p[d] - a[d]) * (b[d] - a[d]);
            length += (b[d] - a[d]).powi(2);
        }
        let t = (along / length).clamp(0.0, 1.0);
        let away = (0..3).map(|d| (p[d] - a[d] - t * (b[d] - a[d])).powi(2)).sum::<f32>().sqrt();
        away - (self.radii[0] + t * (self.radii[1] - self.radii[0]))
    }

    /// The box around it: lowest and highest L, P, S.
    pub(super) fn bounds(&self) -> [Place; 2] {
        let [a, b] = self.ends;
        let reach = self.radii[0].max(self.radii[1]) + 1.0;
        [std::array::from_fn(|d| a[d].min(b[d]) - reach), std::array::from_fn(|d| a[d].max(b[d]) + reach)]
    }
}

/// Grows the tree of vessels that brings blood from `root` to all `ends`, which are reordered.
///
/// At every fork the ends are split where they reach furthest, and a vessel is as thick as the number of
/// ends behind it asks for: the cubes of the radii add up (Murray's law), nearly. `thinnest` is the radius
/// of a vessel with one end, mm.
#[allow(clippy::too_many_arguments, reason = "a recursion over what a branch is")]
pub(super) fn supply(
    tubes: &mut Vec<Tube>,
    random: &mut Random,
    root: Place,
    ends: &mut [Place],
    thinnest: f32,
    hu: f32,
    clip: Clip,
) {
    let radius = |ends: usize| thinnest * (ends as f32).powf(0.36);
    let count = ends.len();
    if count == 0 {
        return;
    }
    let middle: Place = std::array::from_fn(|d| ends.iter().map(|e| e[d]).sum::<f32>() / count as f32);
    let share = if count == 1 { 1.0 } else { random.between(0.32, 0.5) };
    let fork: Place = std::array::from_fn(|d| root[d] + share * (middle[d] - root[d]));
    let length = (0..3).map(|d| (fork[d] - root[d]).powi(2)).sum::<f32>().sqrt();
    // No vessel is straight.
    let aside = random.direction();
    let bend: Place = std::array::from_fn(|d| 0.5 * (root[d] + fork[d]) + 0.09 * length * aside[d]);
    let (thick, thin) = (radius(count), radius(count.div_ceil(2)));
    let between = 0.5 * (thick + thin);
    tubes.push(Tube::new([root, bend], [thick, between], hu, clip));
    tubes.push(Tube::new([bend, fork], [between, thin], hu, clip));
    if count > 1 {
        let spread = |d: usize| {
            let along = ends.iter().map(|e| e[d]);
            along.clone().fold(f32::NEG_INFINITY, f32::max) - along.fold(f32::INFINITY, f32::min)
        };
        let widest = (0..3).max_by(|&a, &b| spread(a).total_cmp(&spread(b))).expect("three directions");
        ends.sort_by(|a, b| a[widest].total_cmp(&b[widest]));
        let cut = ((count as f32 * random.between(0.35, 0.65)) as usize).clamp(1, count - 1);
        let (near, far) = ends.split_at_mut(cut);
        supply(tubes, random, fork, near, thinnest, hu, clip);
        supply(tubes, random, fork, far, thinnest, hu, clip);
    }
}
