//! What is known to be in a series.

use dicom_io::Lps;
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

impl From<&dicom_io::phantom::Truth> for Truth {
    fn from(phantom: &dicom_io::phantom::Truth) -> Self {
        use dicom_io::phantom::LesionKind;
        let lesion = |lesion: &dicom_io::phantom::LesionTruth| TrueLesion {
            id: lesion.id.clone(),
            kind: match lesion.kind {
                LesionKind::LiverLesion => Kind::LiverLesion,
                LesionKind::SolidNodule | LesionKind::GroundGlassNodule => Kind::LungNodule,
            },
            centre_lps_mm: lesion.centre_lps_mm,
            diameter_mm: lesion.long_axis_mm,
            volume_mm3: Some(lesion.volume_mm3),
            note: lesion.shape.clone(),
        };
        Self { lesions: phantom.lesions.iter().map(lesion).collect(), excused: Vec::new() }
    }
}
