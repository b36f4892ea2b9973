//! What is known to be in a series.

use dicom_io::Lps;
use dicom_io::phantom::{self, LesionKind};
use engine::Kind;

/// What is known to be in one series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Truth {
    /// The lesions that a reader should find.
    pub lesions: Vec<TrueLesion>,
    /// What need not be found but is no mistake to report: nodules too small, or too few readers agreed.
    pub excused: Vec<TrueLesion>,
}

/// One lesion that is known to be there.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueLesion {
    /// What the source of the truth calls it; unique within a [`Truth`].
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// Its centre of gravity.
    pub centre_lps_mm: Lps,
    /// The longest diameter in an axial plane; 0 for a mark that was given without a size.
    pub diameter_mm: f64,
    /// Its volume, where the source tells.
    pub volume_mm3: Option<f64>,
    /// What else the source says of it, for people.
    pub note: String,
}

impl From<&phantom::Truth> for Truth {
    /// All lesions of the phantom are to be found, those that Foci was not made for included.
    fn from(phantom: &phantom::Truth) -> Self {
        let lesions = phantom.lesions.iter().map(|lesion| {
            let (kind, name) = match lesion.kind {
                LesionKind::SolidNodule => (Kind::LungNodule, "solid"),
                LesionKind::GroundGlassNodule => (Kind::LungNodule, "ground glass"),
                LesionKind::LiverLesion => (Kind::LiverLesion, "hypodense"),
            };
            TrueLesion {
                id: lesion.id.clone(),
                kind,
                centre_lps_mm: lesion.centre_lps_mm,
                diameter_mm: lesion.long_axis_mm,
                volume_mm3: Some(lesion.volume_mm3),
                note: format!("{name}, {}", lesion.shape),
            }
        });
        Self { lesions: lesions.collect(), excused: Vec::new() }
    }
}
