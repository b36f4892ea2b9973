//! The same patient later: lying otherwise, breathing otherwise, with other lesions.

use super::anatomy::{Anatomy, Place};
use super::lesion::{self, Lesion};
use super::{Phantom, Truth};
use crate::volume::Volume;

/// A later examination of a phantom patient.
///
/// A lesion keeps its `id` in the truth; one that is new has an id that begins with `new`; one that is gone is
/// not in the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowUp {
    /// The patient as in the first examination; grid, noise and coding are those of the later one.
    pub patient: Phantom,
    /// Days since the first examination.
    pub days: u32,
    /// How the patient lies and breathes.
    pub pose: Pose,
    /// What has become of each lesion, in the order of the first truth. Those after its end are as they were.
    pub fates: Vec<Fate>,
    /// How many lung nodules are new.
    pub new_nodules: usize,
    /// How many liver lesions are new.
    pub new_liver_lesions: usize,
}

/// What becomes of a lesion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    /// Its diameters become this many times as large; 1 leaves it as it was.
    Scaled(f64),
    /// It is not there any more.
    Gone,
}

/// How a patient lies in the scanner: stretched, then turned about the middle, then shifted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Towards left, back and head, mm.
    pub shift_mm: [f64; 3],
    /// About the axes to the left, to the back and to the head, in this order, degrees.
    pub turn_degrees: [f64; 3],
    /// How many times as long the body is from foot to head: a deeper breath is above 1.
    pub breath: f64,
}

impl Default for Pose {
    /// As in the first examination.
    fn default() -> Self {
        Self { shift_mm: [0.0; 3], turn_degrees: [0.0; 3], breath: 1.0 }
    }
}

impl FollowUp {
    /// The volume in Hounsfield units, and what is true about it. The same on every machine.
    pub fn render(&self) -> (Volume<i16>, Truth) {
        let (anatomy, lesions) = self.lesions();
        let posture = Posture::of(&self.pose);
        // Noise never repeats.
        let noise = self.patient.seed ^ (u64::from(self.days) + 1) << 32;
        let volume = self.patient.drawn(&anatomy, lesions.iter().map(|(lesion, _)| lesion), &posture, noise);
        (volume, self.truth_of(&anatomy, &lesions, &posture))
    }

    /// What is true, without drawing anything.
    pub fn truth(&self) -> Truth {
        let (anatomy, lesions) = self.lesions();
        self.truth_of(&anatomy, &lesions, &Posture::of(&self.pose))
    }

    fn truth_of(&self, anatomy: &Anatomy, lesions: &[(Lesion, String)], posture: &Posture) -> Truth {
        self.patient.truth_of(anatomy, lesions.iter().map(|(lesion, id)| (lesion, id.clone())), posture)
    }

    /// The body, and the lesions that are in it now with their names.
    fn lesions(&self) -> (Anatomy, Vec<(Lesion, String)>) {
        let (anatomy, mut all) = self.patient.patient();
        let names = super::names(&all);
        let before = all.len();
        if !self.patient.healthy {
            lesion::newer(&anatomy, self.patient.seed, &mut all, self.new_nodules, self.new_liver_lesions);
        }
        let new = super::names(&all[before..]).into_iter().map(|name| format!("new-{name}"));
        let fates = self.fates.iter().copied().chain(std::iter::repeat(Fate::Scaled(1.0)));
        let named = all.into_iter().zip(names.into_iter().chain(new)).zip(fates);
        let left = named.filter_map(|((mut lesion, name), fate)| match fate {
            Fate::Gone => None,
            Fate::Scaled(times) => {
                lesion.scale(times as f32);
                Some((lesion, name))
            }
        });
        let left = left.collect();
        (anatomy, left)
    }
}

/// A pose made ready for many places.
pub(super) struct Posture {
    /// Columns are the patient's axes in the scanner.
    turn: [[f32; 3]; 3],
    shift: Place,
    breath: f32,
}

impl Posture {
    /// The first examination.
    pub(super) fn first() -> Self {
        Self::of(&Pose::default())
    }

    fn of(pose: &Pose) -> Self {
        let about = |axis: usize| {
            let (sin, cos) = pose.turn_degrees[axis].to_radians().sin_cos();
            let (u, v) = ((axis + 1) % 3, (axis + 2) % 3);
            let mut turn = [[0.0; 3]; 3];
            turn[axis][axis] = 1.0;
            (turn[u][u], turn[v][v]) = (cos, cos);
            (turn[u][v], turn[v][u]) = (-sin, sin);
            turn
        };
        let then = |a: [[f64; 3]; 3], b: [[f64; 3]; 3]| -> [[f64; 3]; 3] {
            std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|n| b[r][n] * a[n][c]).sum()))
        };
        let turn = then(then(about(0), about(1)), about(2));
        Self {
            turn: turn.map(|row| row.map(|value| value as f32)),
            shift: pose.shift_mm.map(|mm| mm as f32),
            breath: pose.breath as f32,
        }
    }

    /// Where in the patient `q` in the scanner is.
    pub(super) fn to_patient(&self, q: Place) -> Place {
        let q: Place = std::array::from_fn(|d| q[d] - self.shift[d]);
        let [l, p, s] = std::array::from_fn(|d| (0..3).map(|r| self.turn[r][d] * q[r]).sum::<f32>());
        [l, p, s / self.breath]
    }

    /// Where in the scanner `p` in the patient is.
    fn to_scanner(&self, [l, p, s]: Place) -> Place {
        let p = [l, p, s * self.breath];
        std::array::from_fn(|r| (0..3).map(|d| self.turn[r][d] * p[d]).sum::<f32>() + self.shift[r])
    }

    /// The box in the scanner that holds the box `[low, high]` in the patient.
    pub(super) fn boxed(&self, [low, high]: [Place; 2]) -> [Place; 2] {
        let mut boxed = [[f32::INFINITY; 3], [f32::NEG_INFINITY; 3]];
        for corner in 0..8_usize {
            let p = std::array::from_fn(|d| if corner >> d & 1 == 1 { high[d] } else { low[d] });
            let q = self.to_scanner(p);
            boxed[0] = std::array::from_fn(|d| boxed[0][d].min(q[d]));
            boxed[1] = std::array::from_fn(|d| boxed[1][d].max(q[d]));
        }
        boxed
    }
}
