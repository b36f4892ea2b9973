//! The report of one series: findings, words, warnings, and where all of it came from.

use std::borrow::Cow;

use dicom_io::Uid;
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Kind, Organ};
use crate::guideline::Advised;
use crate::narrative::{Facts, Narrative};
use crate::track::Compared;
use crate::write::Writing;

/// The version of the layout of `findings.json`. A new field does not change it; a changed or removed
/// one does. See `docs/findings-schema.md`.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that Foci says about one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Says to every reader, human or not, that this is research software.
    pub intended_use: Cow<'static, str>,
    /// The study read.
    pub study_uid: Uid,
    /// The series read.
    pub series_uid: Uid,
    /// The modality of the series, as DICOM writes it ("CT").
    pub modality: String,
    /// How many slices were read.
    pub slices: usize,
    /// The distances between neighbouring columns, rows and slices, mm.
    pub spacing_mm: [f64; 3],
    /// The findings: lungs before liver, larger before smaller.
    pub findings: Vec<Finding>,
    /// What was looked for, and with what result.
    pub examined: Vec<Examined>,
    /// The examination that this one was compared with.
    pub compared: Option<Compared>,
    /// What the guideline says of the findings.
    pub advised: Advised,
    /// The words.
    pub narrative: Narrative,
    /// What was odd about the input or the run, in plain English.
    pub warnings: Vec<String>,
    /// What produced this report.
    pub provenance: Provenance,
}

impl Report {
    /// All that words about this report may speak of.
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            modality: &self.modality,
            slices: self.slices,
            spacing_mm: self.spacing_mm,
            findings: &self.findings,
            examined: &self.examined,
            compared: self.compared.as_ref(),
            advised: &self.advised,
            warnings: &self.warnings,
        }
    }
}

/// One organ that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Examined {
    /// The organ.
    pub organ: Organ,
    /// What was looked for in it.
    pub kind: Kind,
    /// Whether the organ was found in the images. Where it was not, nothing can be said about it.
    pub organ_found: bool,
    /// The organ's volume in the images in ml, where it was found.
    pub organ_volume_ml: Option<f64>,
    /// The name of the model that looked.
    pub model: String,
}

/// Where a report came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The version of Foci.
    pub foci_version: String,
    /// The inference library: its name, version and the device it ran on.
    pub runtime: String,
    /// The networks that ran.
    pub models: Vec<ModelRun>,
    /// How the words came to be.
    pub writing: Writing,
}

/// One network as it was run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRun {
    /// The name on its card.
    pub name: String,
    /// The version on its card.
    pub version: String,
    /// The SHA-256 of its weights (the ONNX file), in hexadecimal.
    pub weights_sha256: String,
    /// Derived from name and weights: another network is another device (IHE AIR 6.5.3.1).
    pub device_uid: Uid,
    /// The threshold and other parameters, as `name=value`.
    pub parameters: Vec<String>,
}
