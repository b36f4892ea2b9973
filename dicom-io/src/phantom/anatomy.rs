//! The body without its lesions: which tissue lies where, as distances to surfaces.
//!
//! Places are L, P, S in mm from the middle of the body at the height of the domes of the diaphragm.
//! Distances are negative inside; they are exact for spheres and near enough for the rest, because
//! they only decide how a voxel on a surface is shared.
//!
//! Densities are those of a CT in the portal venous phase.

use super::random::Random;
use super::tube::{Clip, Tube, tree};

pub(super) type Place = [f32; 3];

const AIR: f32 = -1000.0;
const FAT: f32 = -102.0;
const MUSCLE: f32 = 58.0;
const MEDIASTINUM: f32 = -55.0;
const LUNG: f32 = -862.0;
const BLOOD: f32 = 158.0;
pub(super) const LIVER: f32 = 112.0;
const SPLEEN: f32 = 124.0;
const MARROW: f32 = 190.0;
const CORTEX: f32 = 560.0;

/// One patient: what differs between people.
pub(super) struct Anatomy {
    /// Half the width and depth of the body.
    body: [f32; 2],
    /// Half the width and depth of the space inside the ribs.
    cage: [f32; 2],
    /// How thick the fat under the skin is.
    fat: f32,
    /// Heights of the right and left dome of the diaphragm.
    domes: [f32; 2],
    /// How far down the liver reaches at the right side.
    liver_low: f32,
    heart: Place,
    kidneys: [Place; 2],
    spleen: Place,
    stomach: Place,
    /// Vessels, ribs and whatever else is a tube.
    pub(super) tubes: Vec<Tube>,
}

/// Half the width of the band over which a surface fades, mm: the blur of the imaging.
const EDGE: f32 = 0.7;

/// How much of a small volume around a place is inside, from its distance to the surface.
pub(super) fn share(distance: f32) -> f32 {
    (0.5 - distance / (2.0 * EDGE)).clamp(0.0, 1.0)
}

fn blend(under: f32, over: f32, distance: f32) -> f32 {
    let share = share(distance);
    under + (over - under) * share
}

fn ellipsoid(p: Place, centre: Place, half: Place) -> f32 {
    let u: f32 = (0..3).map(|d| ((p[d] - centre[d]) / half[d]).powi(2)).sum::<f32>().sqrt();
    (u - 1.0) * half[0].min(half[1]).min(half[2])
}

/// An upright column of elliptic cross-section.
fn column(p: Place, centre: [f32; 2], half: [f32; 2]) -> f32 {
    let (u, v) = ((p[0] - centre[0]) / half[0], (p[1] - centre[1]) / half[1]);
    ((u * u + v * v).sqrt() - 1.0) * half[0].min(half[1])
}

/// Between an ellipse and a rounded box, which is how a chest is shaped across.
fn rounded(u: f32, v: f32) -> f32 {
    let (u, v) = (u * u, v * v);
    0.5 * ((u + v).sqrt() + (u * u + v * v).sqrt().sqrt())
}

/// The larger of two distances with the corner rounded by `round` mm.
fn both(a: f32, b: f32, round: f32) -> f32 {
    let h = (0.5 + 0.5 * (a - b) / round).clamp(0.0, 1.0);
    b + (a - b) * h + round * h * (1.0 - h)
}

impl Anatomy {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 1);
        let body = [random.between(158.0, 170.0), random.between(106.0, 116.0)];
        let mut anatomy = Self {
            body,
            cage: [body[0] - random.between(31.0, 35.0), body[1] - random.between(23.0, 26.0)],
            fat: random.between(9.0, 17.0),
            domes: [random.between(4.0, 14.0), random.between(-12.0, -4.0)],
            liver_low: random.between(-150.0, -138.0),
            heart: [random.between(20.0, 28.0), random.between(-34.0, -28.0), random.between(14.0, 22.0)],
            kidneys: [
                [-60.0, 50.0, random.between(-140.0, -130.0)],
                [60.0, 50.0, random.between(-128.0, -120.0)],
            ],
            spleen: [106.0, 34.0, random.between(-55.0, -45.0)],
            stomach: [66.0, -26.0, random.between(-62.0, -54.0)],
            tubes: Vec::new(),
        };
        anatomy.tubes = anatomy.ribs();
        anatomy.tubes.extend(anatomy.vessels(seed));
        anatomy
    }

    /// The density at `p` without tubes and lesions, HU.
    pub(super) fn hu(&self, p: Place) -> f32 {
        let [x, y, s] = p;
        let skin = (rounded(x / self.body[0], y / self.body[1]) - 1.0) * self.body[1];
        if skin > EDGE {
            return AIR;
        }
        let mut hu = blend(AIR, 20.0, skin);
        hu = blend(hu, FAT, skin + 2.0);
        hu = blend(hu, MUSCLE, skin + 2.0 + self.fat);
        let cage = self.cage(p);
        let spine = column(p, [0.0, 66.0], [19.0, 15.0]);
        let above = self.diaphragm(x, y) - s;
        if cage < EDGE && above < EDGE {
            hu = blend(hu, MEDIASTINUM, both(cage, above, 2.0));
            hu = blend(hu, LUNG + 0.3 * y, self.lung(p));
            hu = self.chest(p, hu);
        }
        if cage < EDGE && above > 2.0 {
            let inside = both(cage + 1.0, 3.0 - above, 2.0);
            hu = blend(hu, FAT, inside);
            hu = self.abdomen(p, hu, inside);
        }
        // The back: muscles beside the spine, vertebrae with discs between them, the canal.
        for side in [-1.0, 1.0] {
            hu = blend(hu, MUSCLE, column(p, [side * 27.0, 93.0], [20.0, 11.0]));
        }
        let height = (s + 400.0).rem_euclid(29.0);
        let disc = height < 6.0;
        hu = blend(hu, if disc { 85.0 } else { CORTEX * 0.7 }, spine);
        if !disc {
            hu = blend(hu, MARROW, spine + 1.8);
        }
        if !disc && height > 12.0 {
            hu = blend(hu, CORTEX * 0.7, column(p, [0.0, 93.0], [7.0, 11.0]));
        }
        hu = blend(hu, CORTEX * 0.6, column(p, [0.0, 86.0], [12.0, 9.5]));
        blend(hu, 22.0, column(p, [0.0, 86.0], [8.5, 7.0]))
    }

    /// The space inside the ribs, narrowing to its apex.
    fn cage(&self, [x, y, s]: Place) -> f32 {
        let narrow = if s > 60.0 { (1.0 - ((s - 60.0) / 118.0).powi(2)).max(0.01).sqrt() } else { 1.0 };
        let half = [self.cage[0] * narrow, self.cage[1] * narrow];
        (rounded(x / half[0], (y + 2.0) / half[1]) - 1.0) * half[1]
    }

    /// The height of the diaphragm.
    fn diaphragm(&self, x: f32, y: f32) -> f32 {
        let dome = |top: f32, middle: f32| {
            let (u, v) = ((x - middle) / 80.0, (y + 4.0) / 92.0);
            top - 62.0 * (u * u + v * v)
        };
        let (right, left) = (dome(self.domes[0], -66.0), dome(self.domes[1], 68.0));
        -both(-right, -left, -12.0).min(90.0)
    }

    /// The surface of both lungs.
    pub(super) fn lung(&self, p: Place) -> f32 {
        let [x, y, s] = p;
        let mut lung = both(self.cage(p) + 3.5, self.diaphragm(x, y) - s + 2.0, 6.0);
        let front = ((y + 25.0) / 45.0).powi(2);
        let middle = 21.0 + 9.0 * (-front).exp() - x.abs();
        lung = both(lung, middle, 6.0);
        lung = both(lung, -ellipsoid(p, self.heart, [52.0, 44.0, 50.0]), 5.0);
        lung = both(lung, 5.0 - column(p, [0.0, 66.0], [19.0, 15.0]), 5.0);
        both(lung, 2.5 - column(p, [20.0, 44.0], [12.5, 12.5]), 3.0)
    }

    fn chest(&self, p: Place, mut hu: f32) -> f32 {
        let heart = ellipsoid(p, self.heart, [49.0, 41.0, 47.0]);
        hu = blend(hu, 100.0, heart);
        let left = [self.heart[0] + 14.0, self.heart[1] + 2.0, self.heart[2] - 4.0];
        hu = blend(hu, BLOOD, ellipsoid(p, left, [21.0, 21.0, 30.0]));
        let right = [self.heart[0] - 22.0, self.heart[1] - 4.0, self.heart[2] + 2.0];
        hu = blend(hu, BLOOD, ellipsoid(p, right, [18.0, 26.0, 32.0]));
        hu = blend(hu, BLOOD, column(p, [20.0, 44.0], [11.5, 11.5]).max(p[2] - 108.0));
        if p[2] > 30.0 {
            hu = blend(hu, BLOOD, column(p, [-8.0, -22.0], [15.0, 15.0]).max(p[2] - 108.0));
            hu = blend(hu, BLOOD, column(p, [-28.0, -14.0], [8.5, 8.5]).max(p[2] - 150.0));
            hu = blend(hu, 60.0, column(p, [0.0, 22.0], [11.0, 10.5]).max(62.0 - p[2]));
            hu = blend(hu, AIR + 20.0, column(p, [0.0, 22.0], [9.0, 8.5]).max(62.0 - p[2]));
        }
        blend(hu, 45.0, column(p, [8.0, 38.0], [7.0, 5.0]))
    }

    /// The surface of the liver.
    pub(super) fn liver(&self, p: Place) -> f32 {
        let [x, y, s] = p;
        let mut liver = both(self.cage(p) + 5.0, s - self.diaphragm(x, y) + 4.5, 8.0);
        // The lower surface rises towards the left, the left lobe is in front.
        let lower = (self.liver_low + 0.52 * (x + 130.0) + 0.0006 * (y + 20.0).powi(2) - s) * 0.88;
        liver = both(liver, lower, 16.0);
        liver = both(liver, (y + 0.85 * x - 34.0) * 0.76, 14.0);
        liver = both(liver, x - 62.0, 12.0);
        liver = both(liver, 9.0 - column(p, [0.0, 66.0], [19.0, 15.0]), 8.0);
        liver = both(liver, 3.0 - ellipsoid(p, self.kidneys[0], [28.0, 26.0, 56.0]), 6.0);
        both(liver, 1.0 - column(p, [-24.0, 24.0], [12.0, 12.0]), 4.0)
    }

    fn abdomen(&self, p: Place, mut hu: f32, inside: f32) -> f32 {
        let [_, y, s] = p;
        let within = |distance: f32| both(distance, inside + 4.0, 4.0);
        let liver = self.liver(p);
        let clear = |distance: f32| both(within(distance), 2.5 - liver, 4.0);

        let stomach = clear(ellipsoid(p, self.stomach, [42.0, 44.0, 46.0]));
        hu = blend(hu, 70.0, stomach);
        hu = blend(hu, if y < self.stomach[1] - 16.0 { -930.0 } else { 18.0 }, stomach + 3.5);
        hu =
            blend(hu, SPLEEN, both(clear(ellipsoid(p, self.spleen, [27.0, 42.0, 48.0])), 3.0 - stomach, 4.0));
        hu = blend(hu, 95.0, clear(ellipsoid(p, [22.0, 4.0, -106.0], [58.0, 13.0, 13.0])));
        for kidney in self.kidneys {
            let cortex = within(ellipsoid(p, kidney, [26.0, 24.0, 54.0]));
            hu = blend(hu, 195.0, cortex);
            hu = blend(hu, 150.0, cortex + 7.0);
            hu = blend(hu, FAT + 20.0, ellipsoid(p, kidney, [9.0, 11.0, 26.0]));
        }
        // Loops of bowel in front, some with gas.
        for (n, middle) in
            [[-20.0, -60.0], [30.0, -62.0], [70.0, -40.0], [5.0, -30.0], [88.0, 0.0]].iter().enumerate()
        {
            let centre = [middle[0], middle[1], -150.0 + 7.0 * n as f32];
            let loops = clear(ellipsoid(p, centre, [25.0, 19.0, 24.0]));
            hu = blend(hu, 55.0, both(loops, 4.0 - stomach, 3.0));
            let gas = n % 2 == 1 && y < centre[1] - 4.0;
            hu = blend(hu, if gas { -880.0 } else { 25.0 }, both(loops + 3.0, 7.0 - stomach, 3.0));
        }
        for side in [-1.0, 1.0] {
            hu = blend(hu, MUSCLE, within(column(p, [side * 37.0, 62.0], [16.0, 14.0])).max(s + 70.0));
        }
        hu = blend(hu, LIVER, liver);
        hu = blend(hu, 12.0, ellipsoid(p, [-42.0, -46.0, self.liver_low + 38.0], [14.0, 17.0, 26.0]));
        hu = blend(hu, BLOOD, column(p, [-24.0, 24.0], [12.0, 11.0]));
        blend(hu, BLOOD + 8.0, column(p, [14.0, 38.0], [10.0, 10.0]))
    }

    /// Twelve pairs of ribs that fall from back to front, and the breastbone.
    fn ribs(&self) -> Vec<Tube> {
        let mut ribs = Vec::new();
        for rib in 0..11 {
            let back = 158.0 - 27.0 * rib as f32;
            // From beside the spine to the front; the lowest ones end at the side.
            let reach = if rib < 8 { 2.75 } else { 2.75 - 0.35 * (rib - 7) as f32 };
            for side in [-1.0, 1.0] {
                let point = |step: usize| -> Place {
                    let angle = 0.28 + (reach - 0.28) * step as f32 / 18.0;
                    let s = back - 62.0 * (angle / 3.1).powf(1.2);
                    let narrow =
                        if s > 60.0 { (1.0 - ((s - 60.0) / 118.0).powi(2)).max(0.05).sqrt() } else { 1.0 };
                    let half = [self.cage[0] * narrow + 6.0, self.cage[1] * narrow + 6.0];
                    // Along the cage's own outline, which is no ellipse.
                    let (u, v) = (angle.sin(), angle.cos());
                    let out = 1.0 / rounded(u, v);
                    [side * half[0] * u * out, half[1] * v * out - 2.0, s]
                };
                for step in 0..18 {
                    let ends = [point(step), point(step + 1)];
                    ribs.push(Tube::new(ends, [5.0, 5.0], CORTEX, Clip::Nowhere));
                    ribs.push(Tube::new(ends, [3.3, 3.3], MARROW, Clip::Nowhere));
                }
            }
        }
        let front = -self.cage[1] - 9.0;
        for (radius, hu) in [(7.0, CORTEX * 0.6), (5.0, MARROW)] {
            let ends = [[0.0, front + 4.0, 118.0], [0.0, front, 5.0]];
            ribs.push(Tube::new(ends, [radius; 2], hu, Clip::Nowhere));
        }
        ribs
    }

    /// The trees of the lungs and of the liver.
    fn vessels(&self, seed: u64) -> Vec<Tube> {
        let mut tubes = Vec::new();
        let mut random = Random::new(seed, 2);
        let in_lung = |p: Place| self.lung(p) < -2.0;
        for side in [-1.0_f32, 1.0] {
            let hilum = [side * 30.0, 12.0, 42.0];
            for _ in 0..12 {
                let mut towards = random.direction();
                towards[0] = side * (towards[0].abs() + 0.5);
                towards[2] = 1.3 * towards[2] - 0.15;
                let radius = random.between(2.6, 4.6);
                tree(&mut tubes, &mut random, &in_lung, hilum, towards, radius, 72.0, Clip::Lung);
            }
        }
        let mut random = Random::new(seed, 3);
        let in_liver = |p: Place| self.liver(p) < -3.0;
        for (root, towards, radius) in [
            ([-24.0, 14.0, -38.0], [-0.7, -0.5, -0.15], 4.6),
            ([-20.0, 10.0, -36.0], [0.1, -0.9, -0.2], 4.2),
            ([-22.0, 16.0, -40.0], [-0.9, 0.15, -0.3], 4.2),
            ([-26.0, -2.0, -84.0], [-0.8, 0.2, 0.1], 5.4),
            ([-26.0, -2.0, -84.0], [0.2, -0.6, 0.7], 4.6),
            ([-26.0, -2.0, -84.0], [-0.6, -0.5, 0.5], 4.8),
        ] {
            tree(&mut tubes, &mut random, &in_liver, root, towards, radius, 152.0, Clip::Liver);
        }
        tubes
    }
}
