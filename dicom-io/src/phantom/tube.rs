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

    /// Moves its ends to `times` their distance from `centre`.
    pub(super) fn stretch(&mut self, centre: Place, times: f32) {
        self.ends = self.ends.map(|end| std::array::from_fn(|d| centre[d] + times * (end[d] - centre[d])));
    }

    /// The box around it: lowest and highest L, P, S.
    pub(super) fn bounds(&self) -> [Place; 2] {
        let [a, b] = self.ends;
        let reach = self.radii[0].max(self.radii[1]) + 1.0;
        [std::array::from_fn(|d| a[d].min(b[d]) - reach), std::array::from_fn(|d| a[d].max(b[d]) + reach)]
    }
}

/// Vessels thinner than this are not drawn, mm.
const THINNEST: f32 = 0.45;

/// Grows a tree of vessels into an organ: each piece is a little thinner than the one before, and divides.
#[allow(clippy::too_many_arguments, reason = "a recursion over what a branch is")]
pub(super) fn tree(
    tubes: &mut Vec<Tube>,
    random: &mut Random,
    inside: &impl Fn(Place) -> bool,
    root: Place,
    towards: Place,
    radius: f32,
    hu: f32,
    clip: Clip,
) {
    let (mut at, mut heading, mut thick) = (root, unit(towards), radius);
    for piece in 0..4 {
        let wander = random.direction();
        heading = unit(std::array::from_fn(|d| heading[d] + 0.22 * wander[d]));
        let length = random.between(4.0, 7.0) + 1.2 * thick;
        let next: Place = std::array::from_fn(|d| at[d] + length * heading[d]);
        // The root may lie outside of the organ: the way in is part of the tree.
        let entering = piece < 3 && radius > 2.5;
        if !inside(next) && !entering {
            return;
        }
        let thinner = thick * 0.95;
        tubes.push(Tube::new([at, next], [thick, thinner], hu, clip));
        (at, thick) = (next, thinner);
        if piece > 0 && thick > 1.0 && random.between(0.0, 1.0) < 0.35 {
            let side = random.direction();
            let towards = std::array::from_fn(|d| heading[d] + 1.1 * side[d]);
            tree(tubes, random, inside, at, towards, thick * 0.55, hu, clip);
        }
    }
    for share in [random.between(0.72, 0.85), random.between(0.6, 0.78)] {
        if thick * share > THINNEST {
            let side = random.direction();
            let towards = std::array::from_fn(|d| heading[d] + 0.65 * side[d]);
            tree(tubes, random, inside, at, towards, thick * share, hu, clip);
        }
    }
}

fn unit(v: Place) -> Place {
    let length = v.iter().map(|c| c * c).sum::<f32>().sqrt().max(1e-6);
    v.map(|c| c / length)
}
