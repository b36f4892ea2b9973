//! Lesions: where they are put, what they look like, and what is true about them.

use serde::{Deserialize, Serialize};

use super::anatomy::{Anatomy, LIVER, Place, share};
use super::follow_up::Posture;
use super::random::Random;
use super::tube::{Clip, Tube};
use crate::geometry::Lps;

/// What a synthetic lesion imitates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LesionKind {
    /// A lung nodule of soft-tissue density.
    SolidNodule,
    /// A lung nodule through which vessels can be seen.
    GroundGlassNodule,
    /// A liver lesion darker than the liver around it.
    LiverLesion,
}

/// What is true about one lesion. Lengths and volume are those of its surface, sampled every half
/// millimetre, before any blur, noise or slicing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LesionTruth {
    /// A name, unique within the phantom.
    pub id: String,
    /// What it imitates.
    pub kind: LesionKind,
    /// Its shape in a word: round, lobulated, spiculated, juxtapleural.
    pub shape: String,
    /// Centre of gravity.
    pub centre_lps_mm: Lps,
    /// The longest diameter in the axial plane in which it is largest.
    pub long_axis_mm: f64,
    /// Its extent at right angles to that in the same plane.
    pub short_axis_mm: f64,
    /// Volume.
    pub volume_mm3: f64,
    /// The density inside without noise.
    pub mean_hu: f64,
}

/// A lesion as it is drawn.
pub(super) struct Lesion {
    kind: LesionKind,
    shape: &'static str,
    centre: Place,
    half: Place,
    /// Waves on the surface: direction and number, phase, height as a share of the radius.
    waves: Vec<(Place, f32, f32)>,
    spicules: Vec<Tube>,
    hu: f32,
}

/// Step at which truth is sampled, mm.
const STEP: f32 = 0.5;

impl Lesion {
    /// The density at `p` where it was `under`.
    pub(super) fn over(&self, anatomy: &Anatomy, p: Place, under: f32) -> f32 {
        match self.kind {
            LesionKind::LiverLesion => {
                let inside = share(self.distance(p) * 0.6).min(share(anatomy.liver(p)));
                under + (self.hu - under) * inside
            }
            // Vessels and chest wall show through.
            _ => {
                let inside = self
                    .spicules
                    .iter()
                    .map(|s| share(s.distance(p)))
                    .fold(share(self.distance(p)), f32::max);
                under.max(under + (self.hu - under) * inside)
            }
        }
    }

    pub(super) fn kind(&self) -> LesionKind {
        self.kind
    }

    /// Makes its diameters `times` as large.
    pub(super) fn scale(&mut self, times: f32) {
        self.half = self.half.map(|half| half * times);
        let centre = self.centre;
        self.spicules.iter_mut().for_each(|spicule| spicule.stretch(centre, times));
    }

    /// The box around it: lowest and highest L, P, S.
    pub(super) fn bounds(&self) -> [Place; 2] {
        let reach = 1.9 * self.radius() + 2.0;
        [self.centre.map(|c| c - reach), self.centre.map(|c| c + reach)]
    }

    fn radius(&self) -> f32 {
        self.half.into_iter().fold(0.0, f32::max)
    }

    /// The distance to its surface, without spicules.
    fn distance(&self, p: Place) -> f32 {
        let offset: Place = std::array::from_fn(|d| (p[d] - self.centre[d]) / self.half[d]);
        let length = offset.iter().map(|c| c * c).sum::<f32>().sqrt().max(1e-6);
        let wave = |(k, phase, height): &(Place, f32, f32)| {
            height * ((0..3).map(|d| k[d] * offset[d] / length).sum::<f32>() + phase).sin()
        };
        let surface = 1.0 + self.waves.iter().map(wave).sum::<f32>();
        (length - surface) * self.half[0].min(self.half[1]).min(self.half[2])
    }

    /// What is true about it in a patient in this posture.
    pub(super) fn truth(&self, anatomy: &Anatomy, id: String, posture: &Posture) -> LesionTruth {
        let [low, high] = posture.boxed(self.bounds());
        let steps: [usize; 3] = std::array::from_fn(|d| ((high[d] - low[d]) / STEP) as usize + 1);
        let at = |n: usize, d: usize| low[d] + n as f32 * STEP;
        let organ =
            |p: Place| if self.kind == LesionKind::LiverLesion { anatomy.liver(p) } else { anatomy.lung(p) };
        let mut count = 0_usize;
        let mut sum = [0.0_f64; 3];
        let mut largest: Vec<[f32; 2]> = Vec::new();
        for k in 0..steps[2] {
            let mut plane = Vec::new();
            for j in 0..steps[1] {
                for i in 0..steps[0] {
                    let q = [at(i, 0), at(j, 1), at(k, 2)];
                    let p = posture.to_patient(q);
                    if self.distance(p) < 0.0 && organ(p) < 0.0 {
                        plane.push([q[0], q[1]]);
                        sum = std::array::from_fn(|d| sum[d] + f64::from(q[d]));
                    }
                }
            }
            count += plane.len();
            if plane.len() > largest.len() {
                largest = plane;
            }
        }
        let (long, short) = axes(&largest);
        let centre = sum.map(|s| s / count.max(1) as f64);
        LesionTruth {
            id,
            kind: self.kind,
            shape: self.shape.to_owned(),
            centre_lps_mm: Lps::from(centre),
            long_axis_mm: long,
            short_axis_mm: short,
            volume_mm3: count as f64 * f64::from(STEP).powi(3),
            mean_hu: f64::from(self.hu),
        }
    }
}

/// The longest distance between two of `points`, and their extent at right angles to it.
fn axes(points: &[[f32; 2]]) -> (f64, f64) {
    // Only the ends of each row can be ends of the longest distance.
    let mut ends: Vec<[f32; 2]> = Vec::new();
    for row in points.chunk_by(|a, b| a[1] == b[1]) {
        ends.push(row[0]);
        ends.push(row[row.len() - 1]);
    }
    let mut best = (0.0_f32, [1.0_f32, 0.0_f32]);
    for a in &ends {
        for b in &ends {
            let along = [b[0] - a[0], b[1] - a[1]];
            let length = along[0].hypot(along[1]);
            if length > best.0 {
                best = (length, [along[0] / length, along[1] / length]);
            }
        }
    }
    let across = |p: &[f32; 2]| p[1] * best.1[0] - p[0] * best.1[1];
    let (low, high) =
        ends.iter().map(across).fold((f32::INFINITY, f32::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let short = if ends.is_empty() { 0.0 } else { high - low };
    // A sample stands for the step around it.
    (f64::from(best.0 + STEP), f64::from(short + STEP))
}

/// The lesions of a patient: `nodules` in the lungs and `liver` ones in the liver.
pub(super) fn lesions(anatomy: &Anatomy, seed: u64, nodules: usize, liver: usize) -> Vec<Lesion> {
    let mut lesions = Vec::new();
    add_nodules(anatomy, &mut Random::new(seed, 4), &mut lesions, nodules);
    add_liver_lesions(anatomy, &mut Random::new(seed, 5), &mut lesions, liver);
    lesions
}

/// Adds lesions that the same patient has later: `nodules` in the lungs and `liver` ones in the liver.
pub(super) fn newer(anatomy: &Anatomy, seed: u64, lesions: &mut Vec<Lesion>, nodules: usize, liver: usize) {
    add_nodules(anatomy, &mut Random::new(seed, 6), lesions, nodules);
    add_liver_lesions(anatomy, &mut Random::new(seed, 7), lesions, liver);
}

fn add_nodules(anatomy: &Anatomy, random: &mut Random, lesions: &mut Vec<Lesion>, count: usize) {
    for n in 0..count {
        // Each kind in turn, so that any five hold all of them.
        let (shape, low, high) = match n % 5 {
            0 => ("lobulated", 16.0, 22.0),
            1 => ("round", 8.0, 12.0),
            2 => ("juxtapleural", 12.0, 17.0),
            3 => ("spiculated", 20.0, 28.0),
            _ => ("ground glass", 14.0, 20.0),
        };
        let radius = random.between(low, high) / 2.0;
        let depth =
            if shape == "juxtapleural" { [0.35 * radius, 0.6 * radius] } else { [radius + 4.0, 60.0] };
        let inside = |p: Place| depth[0] < -anatomy.lung(p) && -anatomy.lung(p) < depth[1];
        if let Some(centre) =
            place(random, lesions, radius, [[-130.0, -85.0, -60.0], [130.0, 85.0, 140.0]], inside)
        {
            lesions.push(nodule(random, shape, centre, radius));
        }
    }
}

fn add_liver_lesions(anatomy: &Anatomy, random: &mut Random, lesions: &mut Vec<Lesion>, count: usize) {
    for n in 0..count {
        let (low, high) = [(22.0, 30.0), (12.0, 17.0), (16.0, 22.0)][n % 3];
        let radius = random.between(low, high) / 2.0;
        let inside = |p: Place| -anatomy.liver(p) > radius + 5.0;
        if let Some(centre) =
            place(random, lesions, radius, [[-125.0, -85.0, -140.0], [50.0, 70.0, 5.0]], inside)
        {
            let half = std::array::from_fn(|_| radius * random.between(0.85, 1.0));
            lesions.push(Lesion {
                kind: LesionKind::LiverLesion,
                shape: "round",
                centre,
                half,
                waves: waves(random, 3, 0.05),
                spicules: Vec::new(),
                hu: LIVER - random.between(42.0, 62.0),
            });
        }
    }
}

/// A place in the box `[low, high]` where `inside` holds, apart from the other lesions; `None` if there is
/// hardly any.
fn place(
    random: &mut Random,
    others: &[Lesion],
    radius: f32,
    [low, high]: [Place; 2],
    inside: impl Fn(Place) -> bool,
) -> Option<Place> {
    for _ in 0..20_000 {
        let p: Place = std::array::from_fn(|d| random.between(low[d], high[d]));
        let apart = |other: &Lesion| {
            let gap = (0..3).map(|d| (p[d] - other.centre[d]).powi(2)).sum::<f32>().sqrt();
            gap > radius + other.radius() + 12.0
        };
        if inside(p) && others.iter().all(apart) {
            return Some(p);
        }
    }
    None
}

fn nodule(random: &mut Random, shape: &'static str, centre: Place, radius: f32) -> Lesion {
    let faint = shape == "ground glass";
    let (kind, hu) = if faint {
        (LesionKind::GroundGlassNodule, random.between(-560.0, -420.0))
    } else {
        (LesionKind::SolidNodule, random.between(15.0, 60.0))
    };
    let half = std::array::from_fn(|_| radius * random.between(0.82, 1.0));
    let waves = match shape {
        "lobulated" => waves(random, 5, 0.06),
        "round" => waves(random, 2, 0.02),
        _ => waves(random, 4, 0.04),
    };
    let mut spicules = Vec::new();
    if shape == "spiculated" {
        for _ in 0..14 {
            let towards = random.direction();
            let length = radius * random.between(1.3, 1.8);
            let end = std::array::from_fn(|d| centre[d] + length * towards[d]);
            spicules.push(Tube::new([centre, end], [2.2, 0.4], hu, Clip::Nowhere));
        }
    }
    Lesion { kind, shape, centre, half, waves, spicules, hu }
}

fn waves(random: &mut Random, count: usize, height: f32) -> Vec<(Place, f32, f32)> {
    (0..count)
        .map(|_| {
            let number = random.between(2.0, 6.0);
            (
                random.direction().map(|c| number * c),
                random.between(0.0, 6.3),
                random.between(0.3, 1.0) * height,
            )
        })
        .collect()
}
