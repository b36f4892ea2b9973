//! A synthetic patient: a CT of chest and upper abdomen with lesions whose place and size are known.
//!
//! The anatomy is analytic, so the same seed is the same patient on every grid: axial, sagittal or
//! oblique, coarse or fine. It is made to look enough like a portal venous CT for networks that were
//! trained on patients; it says nothing about how they do on patients.

mod anatomy;
mod follow_up;
mod lesion;
mod random;
mod tube;
mod write;

use ndarray::Array3;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use follow_up::{Fate, FollowUp, Pose};
pub use lesion::{LesionKind, LesionTruth};

use crate::geometry::{Geometry, Ijk, Lps, Spacing};
use crate::volume::Volume;
use anatomy::{Anatomy, Place, share};
use follow_up::Posture;
use lesion::Lesion;
use tube::Clip;

/// In which direction the slices are cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Orientation {
    /// Rows run to the left, columns to the back, slices follow each other to the head.
    Axial,
    /// Rows run to the back, columns to the feet, slices follow each other to the right.
    Sagittal,
    /// Rows run to the left, columns to the feet, slices follow each other to the back.
    Coronal,
    /// Axial, turned about all three axes by this many degrees.
    Oblique(f64),
}

/// What to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Phantom {
    /// Which patient.
    pub seed: u64,
    /// Columns, rows and slices.
    pub size: [usize; 3],
    /// The distances between them.
    pub spacing: Spacing,
    /// How the slices are cut.
    pub orientation: Orientation,
    /// Number the slices from the last to the first.
    pub reversed: bool,
    /// Standard deviation of the noise, HU.
    pub noise_hu: f32,
    /// How many lung nodules.
    pub nodules: usize,
    /// How many liver lesions.
    pub liver_lesions: usize,
    /// No lesions at all, whatever the numbers above say.
    pub healthy: bool,
    /// Store signed values with intercept 0 rather than unsigned ones with intercept -1024.
    pub signed: bool,
}

impl Default for Phantom {
    /// The patient of `foci demo`: small enough to be quick, large enough for both lungs and the liver.
    fn default() -> Self {
        Self {
            seed: 5,
            size: [256, 256, 140],
            spacing: Spacing { i: 1.4, j: 1.4, k: 2.5 },
            orientation: Orientation::Axial,
            reversed: false,
            noise_hu: 7.0,
            nodules: 4,
            liver_lesions: 3,
            healthy: false,
            signed: false,
        }
    }
}

/// What is true about a phantom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The version of this layout.
    pub schema_version: u32,
    /// The patient's seed.
    pub seed: u64,
    /// The lesions, nodules first.
    pub lesions: Vec<LesionTruth>,
}

/// The middle of the volume lies here in the patient's own frame, mm.
const MIDDLE: Place = [0.0, 0.0, 5.0];

impl Phantom {
    /// The grid of the slices. Its middle is the middle of the patient.
    ///
    /// # Panics
    ///
    /// If a spacing is not above zero: the caller's mistake.
    pub fn geometry(&self) -> Geometry {
        let axes = self.axes();
        let [columns, rows, slices] = self.size.map(|n| (n.max(1) - 1) as f64 / 2.0);
        let centred =
            Geometry::new(Lps::new(0.0, 0.0, 0.0), axes, self.spacing).expect("perpendicular unit axes");
        let corner = centred.to_lps(Ijk::new(-columns, -rows, -slices)).to_array();
        // Off round numbers, so that nobody mistakes the origin for zero.
        let origin: [f64; 3] = std::array::from_fn(|d| corner[d] + f64::from(MIDDLE[d]) + OFFSET[d]);
        Geometry::new(Lps::from(origin), axes, self.spacing).expect("perpendicular unit axes")
    }

    fn axes(&self) -> [[f64; 3]; 3] {
        match self.orientation {
            Orientation::Axial => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
            Orientation::Sagittal => [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]],
            Orientation::Coronal => [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
            Orientation::Oblique(degrees) => {
                let (s, c) = degrees.to_radians().sin_cos();
                let turn = |v: [f64; 3]| {
                    let [x, y, z] = [v[0], c * v[1] - s * v[2], s * v[1] + c * v[2]];
                    let [x, y, z] = [c * x + s * z, y, c * z - s * x];
                    [c * x - s * y, s * x + c * y, z]
                };
                [turn([1.0, 0.0, 0.0]), turn([0.0, 1.0, 0.0]), turn([0.0, 0.0, 1.0])]
            }
        }
    }

    /// The patient: the body, and what is in it.
    fn patient(&self) -> (Anatomy, Vec<Lesion>) {
        let anatomy = Anatomy::new(self.seed);
        let lesions = if self.healthy {
            Vec::new()
        } else {
            lesion::lesions(&anatomy, self.seed, self.nodules, self.liver_lesions)
        };
        (anatomy, lesions)
    }

    /// What is true, without drawing anything.
    pub fn truth(&self) -> Truth {
        let (anatomy, lesions) = self.patient();
        let names = names(&lesions);
        self.truth_of(&anatomy, lesions.iter().zip(names), &Posture::first())
    }

    fn truth_of<'a>(
        &self,
        anatomy: &Anatomy,
        named: impl Iterator<Item = (&'a Lesion, String)>,
        posture: &Posture,
    ) -> Truth {
        let named: Vec<_> = named.collect();
        let lesions = named
            .into_par_iter()
            .map(|(lesion, id)| lesion.truth(anatomy, id, posture))
            .map(|truth| {
                let place = truth.centre_lps_mm.to_array();
                let centre: [f64; 3] = std::array::from_fn(|d| rounded(place[d] + OFFSET[d]));
                LesionTruth {
                    id: truth.id,
                    kind: truth.kind,
                    shape: truth.shape,
                    centre_lps_mm: centre.into(),
                    long_axis_mm: rounded(truth.long_axis_mm),
                    short_axis_mm: rounded(truth.short_axis_mm),
                    volume_mm3: rounded(truth.volume_mm3),
                    mean_hu: rounded(truth.mean_hu),
                }
            })
            .collect();
        Truth { schema_version: 1, seed: self.seed, lesions }
    }

    /// The volume in Hounsfield units, and what is true about it. The same on every machine.
    pub fn render(&self) -> (Volume<i16>, Truth) {
        let (anatomy, lesions) = self.patient();
        let names = names(&lesions);
        let first = Posture::first();
        let volume = self.drawn(&anatomy, lesions.iter(), &first, self.seed);
        (volume, self.truth_of(&anatomy, lesions.iter().zip(names), &first))
    }

    /// The patient in this posture, with the noise of the seed `noise`.
    fn drawn<'a>(
        &self,
        anatomy: &Anatomy,
        lesions: impl Iterator<Item = &'a Lesion>,
        posture: &Posture,
        noise: u64,
    ) -> Volume<i16> {
        let geometry = self.geometry();
        let [columns, rows, slices] = self.size;
        let place = |k: usize, j: usize, i: usize| -> Place {
            let at = geometry.to_lps(Ijk::new(i as f64, j as f64, k as f64)).to_array();
            posture.to_patient(std::array::from_fn(|d| (at[d] - OFFSET[d]) as f32))
        };
        let boxed = |bounds: [Place; 2]| self.indices(&geometry, posture.boxed(bounds));
        let tubes: Vec<_> = anatomy.tubes.iter().map(|tube| (tube, boxed(tube.bounds()))).collect();
        let lesions: Vec<_> = lesions.map(|lesion| (lesion, boxed(lesion.bounds()))).collect();

        let mut voxels = Array3::zeros((slices, rows, columns));
        let planes: Vec<_> = voxels.outer_iter_mut().collect();
        planes.into_par_iter().enumerate().for_each(|(k, mut plane)| {
            let mut hu = vec![0.0_f32; rows * columns];
            for j in 0..rows {
                for i in 0..columns {
                    hu[j * columns + i] = anatomy.hu(place(k, j, i));
                }
            }
            for (tube, [low, high]) in tubes.iter().filter(|(_, [low, high])| (low[2]..high[2]).contains(&k))
            {
                for j in low[1]..high[1] {
                    for i in low[0]..high[0] {
                        let p = place(k, j, i);
                        let mut inside = share(tube.distance(p));
                        if inside > 0.0 {
                            inside = inside.min(match tube.clip {
                                Clip::Nowhere => 1.0,
                                Clip::Lung => share(anatomy.lung(p)),
                                Clip::Liver => share(anatomy.liver(p)),
                            });
                            let hu = &mut hu[j * columns + i];
                            *hu += (tube.hu - *hu) * inside;
                        }
                    }
                }
            }
            for (lesion, [low, high]) in
                lesions.iter().filter(|(_, [low, high])| (low[2]..high[2]).contains(&k))
            {
                for j in low[1]..high[1] {
                    for i in low[0]..high[0] {
                        let hu = &mut hu[j * columns + i];
                        *hu = lesion.over(anatomy, place(k, j, i), *hu);
                    }
                }
            }
            for ((j, i), voxel) in plane.indexed_iter_mut() {
                let value = hu[j * columns + i] + self.noise_hu * grain(noise, [k, j, i]);
                *voxel = value.round().clamp(-1024.0, 3071.0) as i16;
            }
        });
        Volume { voxels, geometry }
    }

    /// The indices i, j, k of the box that holds `bounds`: lowest, and one past the highest.
    fn indices(&self, geometry: &Geometry, [low, high]: [Place; 2]) -> [[usize; 3]; 2] {
        let (mut first, mut last) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for corner in 0..8_usize {
            let p: [f64; 3] = std::array::from_fn(|d| {
                f64::from(if corner >> d & 1 == 1 { high[d] } else { low[d] }) + OFFSET[d]
            });
            let at = geometry.to_ijk(Lps::from(p)).to_array();
            first = std::array::from_fn(|a| first[a].min(at[a]));
            last = std::array::from_fn(|a| last[a].max(at[a]));
        }
        let start = std::array::from_fn(|a| first[a].floor().max(0.0) as usize);
        [start, std::array::from_fn(|a| ((last[a].ceil() + 1.0).max(0.0) as usize).min(self.size[a]))]
    }
}

/// Noise of standard deviation 1 that neighbours in a slice partly share, as a scanner's kernel makes it.
fn grain(seed: u64, [k, j, i]: [usize; 3]) -> f32 {
    let at = |j, i| random::noise(seed, [k, j, i]);
    // Weights whose squares add up to 1.
    0.8 * at(j, i) + 0.36 * (at(j + 1, i) + at(j, i + 1)) + 0.316 * at(j + 1, i + 1)
}

/// What the lesions are called: nodules and liver lesions are counted apart.
fn names(lesions: &[Lesion]) -> Vec<String> {
    let mut counts = [0; 2];
    let name = |lesion: &Lesion| {
        let (which, name) = match lesion.kind() {
            LesionKind::LiverLesion => (1, "liver"),
            _ => (0, "nodule"),
        };
        counts[which] += 1;
        format!("{name}-{}", counts[which])
    };
    lesions.iter().map(name).collect()
}

/// To hundredths: more would be read as more than is known.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Where the patient's own frame lies in the scanner's, mm.
const OFFSET: [f64; 3] = [3.7, -160.3, -842.6];
