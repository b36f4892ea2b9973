//! The same lesion in two examinations: which is which, and what has become of it.

use dicom_io::Uid;
use serde::{Deserialize, Serialize};

use crate::finding::{Kind, Site};

/// An earlier examination of the same patient, to compare with.
#[derive(Debug, Clone, Default)]
pub struct Prior {}

/// What has become of a lesion since the prior.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// It was not there, and its place was in the prior's images.
    New,
    /// Larger by more than the measurement may be off.
    Grown,
    /// Smaller by more than the measurement may be off.
    Shrunk,
    /// Neither.
    Unchanged,
}

/// How a finding differs from the same lesion in the prior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// What has become of it.
    pub trend: Trend,
    /// Its axes in the prior; `None` for what is new.
    pub prior_long_axis_mm: Option<f64>,
    /// See `prior_long_axis_mm`.
    pub prior_short_axis_mm: Option<f64>,
    /// Its volume in the prior, where it was measured.
    pub prior_volume_mm3: Option<f64>,
    /// The change of the mean of long and short axis, mm.
    pub mean_diameter_change_mm: Option<f64>,
    /// The change of the volume, percent of the prior's.
    pub volume_change_percent: Option<f64>,
    /// A change of the volume of this many percent or less may be measurement alone.
    pub volume_uncertainty_percent: Option<f64>,
    /// In how many days the volume doubles (negative: halves), where both volumes and the days are known and the
    /// change is more than the uncertainty.
    pub doubling_days: Option<f64>,
    /// Days between the two examinations.
    pub days: Option<u32>,
}

/// A lesion of the prior that is no longer there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// What it was.
    pub kind: Kind,
    /// Where it was.
    pub site: Site,
    /// Its Tracking UID.
    pub tracking_uid: Uid,
    /// Its axes in the prior.
    pub prior_long_axis_mm: f64,
    /// See `prior_long_axis_mm`.
    pub prior_short_axis_mm: f64,
}

/// The examination that this one was compared with, and what is gone since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The prior's study.
    pub study_uid: Uid,
    /// The prior's series.
    pub series_uid: Uid,
    /// Days between the two examinations.
    pub days: Option<u32>,
    /// Lesions of the prior that are no longer there.
    pub resolved: Vec<Resolved>,
}
