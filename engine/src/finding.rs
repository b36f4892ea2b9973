//! What a radiologist would say of a lesion, and how it was measured.

use dicom_io::{Lps, Uid};
use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::track::Change;

/// What kind of lesion a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A rounded opacity in the lung.
    LungNodule,
    /// A focal lesion of the liver, of whatever nature.
    LiverLesion,
}

/// The organ in which a finding lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Organ {
    /// Either lung.
    Lung,
    /// The liver.
    Liver,
}

/// What a lung lesion looks like on CT (Fleischner glossary).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Density {
    /// Hides the vessels within it.
    Solid,
    /// Ground glass with a solid part.
    PartSolid,
    /// Hazy; vessels within it stay visible.
    GroundGlass,
}

/// The solid part of a part-solid nodule: its largest one, in the axial plane in which that is largest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SolidPart {
    /// The longest diameter.
    pub long_axis_mm: f64,
    /// The longest diameter perpendicular to `long_axis_mm` in the same plane.
    pub short_axis_mm: f64,
}

/// A side of the patient, not of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The patient's left.
    Left,
    /// The patient's right.
    Right,
}

/// Where a finding lies, as far as the image honestly tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The organ.
    pub organ: Organ,
    /// The side, of an organ that has one and where it could be told.
    pub side: Option<Side>,
}

/// The voxels of one lesion: a box of the source volume.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Mask {
    /// The first slice, row and column of the box in the source volume.
    pub corner: [usize; 3],
    /// `[slice, row, column]` within the box; true inside the lesion.
    pub voxels: Array3<bool>,
}

/// What was measured of one lesion, on the voxels of the source series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// The centre of gravity of the lesion's voxels.
    pub centre_lps_mm: Lps,
    /// The longest diameter in the axial plane in which the lesion is largest.
    pub long_axis_mm: f64,
    /// The longest diameter perpendicular to `long_axis_mm` in the same plane.
    pub short_axis_mm: f64,
    /// The longest diameter in any direction.
    pub max_diameter_3d_mm: f64,
    /// Voxel count times voxel volume.
    pub volume_mm3: f64,
    /// How many voxels of the source series the lesion fills.
    pub voxels: usize,
    /// The mean of the voxel values; Hounsfield units in CT.
    pub mean_hu: f64,
    /// The smallest voxel value.
    pub min_hu: f64,
    /// The largest voxel value.
    pub max_hu: f64,
    /// The standard deviation of the voxel values (of the population).
    pub sd_hu: f64,
    /// The slice (0-based, in volume order) on which the axes were measured.
    pub slice: usize,
    /// The ends of the long axis: column and row on `slice`, 0-based, continuous.
    pub long_axis_ij: [[f64; 2]; 2],
    /// The ends of the short axis: column and row on `slice`, 0-based, continuous.
    pub short_axis_ij: [[f64; 2]; 2],
    /// The outline on `slice`: columns and rows, 0-based, continuous, closed (the last equals the first).
    pub outline_ij: Vec<[f64; 2]>,
}

/// One lesion: what it is, where it lies, how large it is, and how sure the network was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// 1 for the first finding of the report, in the order of the report.
    pub number: usize,
    /// What it is.
    pub kind: Kind,
    /// Where it lies.
    pub site: Site,
    /// How it was measured.
    pub measurements: Measurements,
    /// Of a lung nodule, where the voxels tell.
    pub density: Option<Density>,
    /// Of a part-solid nodule.
    #[serde(default)]
    pub solid_part: Option<SolidPart>,
    /// How it differs from the same lesion in the prior; `None` without a prior.
    pub change: Option<Change>,
    /// The network's score in 0..1. It is no probability of disease: it has not been calibrated.
    pub confidence: f64,
    /// The name of the model that found it, as on its card.
    pub model: String,
    /// The slice named by `measurements.slice`.
    pub sop_instance_uid: Uid,
    /// Stays with the lesion from study to study.
    pub tracking_uid: Uid,
    /// Whether it must be told at once, by the model's card.
    pub critical: bool,
    /// Its voxels in the source series.
    #[serde(skip)]
    pub mask: Mask,
}

impl Finding {
    /// The name that people use for this lesion within the report, for example "Lung nodule 2".
    pub fn tracking_id(&self) -> String {
        let kind = match self.kind {
            Kind::LungNodule => "Lung nodule",
            Kind::LiverLesion => "Liver lesion",
        };
        format!("{kind} {}", self.number)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LungNodule => "lung_nodule",
            Self::LiverLesion => "liver_lesion",
        })
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Left => "left",
            Self::Right => "right",
        })
    }
}
