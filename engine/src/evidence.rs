//! All that words about an examination may say: what the checker holds them against.
//!
//! It is made from our own report, or from anybody's structured report. What is not in here is not known, and
//! words that claim it are wrong.

mod from_sr;

use serde::Serialize;

use crate::finding::{Density, Finding, Kind, Organ, Side};
use crate::guideline::{Advised, Patient};
use crate::narrative::Facts;
use crate::report::Examined;
use crate::track::{Change, Compared};
use crate::write::sha256;

/// All that words about one examination may say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    /// The modality, as DICOM writes it.
    pub modality: String,
    /// Whether contrast was given, where it is known.
    pub contrast: Option<bool>,
    /// How many slices were read, where it is known.
    pub slices: Option<usize>,
    /// The distances between neighbouring columns, rows and slices, mm.
    pub spacing_mm: Option<[f64; 3]>,
    /// Sex and age, where they are known. They are never written.
    #[serde(skip)]
    pub patient: Patient,
    /// What was found, in the order of the report.
    pub lesions: Vec<Lesion>,
    /// What was looked for, and with what result.
    pub examined: Vec<Examined>,
    /// What this examination was compared with; without it words may compare nothing.
    pub compared: Option<Compared>,
    /// What the guideline says; without it words may recommend nothing.
    pub advised: Advised,
    /// Warnings that may be quoted as they stand.
    pub warnings: Vec<String>,
}

/// One lesion as words may speak of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lesion {
    /// Its number in the report.
    pub number: usize,
    /// What it is.
    pub what: What,
    /// The organ in which it lies.
    pub organ: Option<Organ>,
    /// The side.
    pub side: Option<Side>,
    /// The lobe, where somebody has told.
    pub lobe: Option<Lobe>,
    /// What a lung lesion looks like.
    pub density: Option<Density>,
    /// The longest axis of the solid part of a part-solid nodule and the one perpendicular to it, mm.
    pub solid_part_mm: Option<[f64; 2]>,
    /// Longest diameter in the axial plane, mm.
    pub long_axis_mm: Option<f64>,
    /// Perpendicular to it, mm.
    pub short_axis_mm: Option<f64>,
    /// Longest diameter in any direction, mm.
    pub max_diameter_3d_mm: Option<f64>,
    /// Volume, mm3.
    pub volume_mm3: Option<f64>,
    /// Mean attenuation, HU.
    pub mean_hu: Option<f64>,
    /// Standard deviation of the attenuation, HU.
    pub sd_hu: Option<f64>,
    /// Smallest and largest attenuation, HU.
    pub range_hu: Option<[f64; 2]>,
    /// The slice of its axes, counted from 1.
    pub slice: Option<usize>,
    /// The network's score in 0..1.
    pub confidence: Option<f64>,
    /// Whether it must be told at once.
    pub critical: bool,
    /// How it differs from the prior.
    pub change: Option<Change>,
}

/// What a lesion is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A nodule of the lung.
    LungNodule,
    /// A mass of the lung: more than 30 mm.
    LungMass,
    /// A focal lesion of the liver.
    LiverLesion,
    /// Something else, of which words may say "lesion".
    Other,
}

/// A lobe of a lung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lobe {
    /// Upper lobe of either lung.
    Upper,
    /// Middle lobe of the right lung.
    Middle,
    /// Lower lobe of either lung.
    Lower,
}

impl Evidence {
    /// What our own analysis knows.
    pub fn of(facts: &Facts<'_>, patient: Patient, contrast: Option<bool>) -> Self {
        Self {
            modality: facts.modality.to_owned(),
            contrast,
            slices: Some(facts.slices),
            spacing_mm: Some(facts.spacing_mm),
            patient,
            lesions: facts.findings.iter().map(Lesion::of).collect(),
            examined: facts.examined.to_vec(),
            compared: facts.compared.cloned(),
            advised: facts.advised.clone(),
            warnings: facts.warnings.to_vec(),
        }
    }

    /// The SHA-256 of all of it but the patient, hexadecimal, for the provenance.
    pub fn sha256(&self) -> String {
        // Numbers that are not finite are written as null; nothing else can go wrong.
        sha256(&serde_json::to_string(self).unwrap_or_default())
    }
}

impl Lesion {
    /// What words may say of `finding`.
    pub fn of(finding: &Finding) -> Self {
        let m = &finding.measurements;
        Self {
            number: finding.number,
            what: match finding.kind {
                Kind::LungNodule => What::LungNodule,
                Kind::LiverLesion => What::LiverLesion,
            },
            organ: Some(finding.site.organ),
            side: finding.site.side,
            lobe: None,
            density: finding.density,
            solid_part_mm: finding.solid_part.map(|part| [part.long_axis_mm, part.short_axis_mm]),
            long_axis_mm: Some(m.long_axis_mm),
            short_axis_mm: Some(m.short_axis_mm),
            max_diameter_3d_mm: Some(m.max_diameter_3d_mm),
            volume_mm3: Some(m.volume_mm3),
            mean_hu: Some(m.mean_hu),
            sd_hu: Some(m.sd_hu),
            range_hu: Some([m.min_hu, m.max_hu]),
            slice: Some(m.slice + 1),
            confidence: Some(finding.confidence),
            critical: finding.critical,
            change: finding.change.clone(),
        }
    }
}
