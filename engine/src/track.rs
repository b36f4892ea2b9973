//! The same lesion in two examinations: which is which, and what has become of it.
//!
//! A wrong match is worse than none: it would call a new cancer an old scar. Where two lesions could be meant,
//! or it is not known how the examinations lie to each other, nothing is compared, and the report says so.

use dicom_io::{Lps, Uid, Volume};
use serde::{Deserialize, Serialize};

use crate::finding::{Kind, Site};

mod change;
mod compare;
mod pair;
mod pyramid;
mod recorded;
mod register;
mod solve;

pub use compare::{Current, compare};

/// An earlier examination of the same patient, to compare with.
#[derive(Debug, Clone)]
pub struct Prior {
    /// Its study.
    pub study_uid: Uid,
    /// The series that was read then.
    pub series_uid: Uid,
    /// Days from then to now.
    pub days: Option<u32>,
    /// Its images in Hounsfield units; `None` where there is only a report.
    pub images: Option<Volume<i16>>,
    /// Its Frame of Reference; the same one now means that the patient has not moved since.
    pub frame_of_reference_uid: Option<Uid>,
    /// What was looked for. Only of these can it be said that something is new.
    pub examined: Vec<Kind>,
    /// What was found.
    pub lesions: Vec<PriorLesion>,
}

/// A lesion of the prior, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorLesion {
    /// What it was.
    pub kind: Kind,
    /// Where it was.
    pub site: Site,
    /// Stays with the lesion from study to study.
    pub tracking_uid: Uid,
    /// Its centre in the coordinates of the prior's images.
    pub centre_lps_mm: Option<Lps>,
    /// The longest diameter in the axial plane in which it was largest.
    pub long_axis_mm: f64,
    /// Perpendicular to it.
    pub short_axis_mm: Option<f64>,
    /// Its volume.
    pub volume_mm3: Option<f64>,
}

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
    pub prior_short_axis_mm: Option<f64>,
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
    /// How places then and now were brought together.
    pub alignment: Alignment,
    /// Lesions of the prior that are no longer there.
    pub resolved: Vec<Resolved>,
    /// How many lesions of the prior nothing is said of: their place is not in these images, or it is not clear
    /// which lesion is which.
    pub not_compared: usize,
}

/// How places in the prior and now were brought together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// The images were laid over each other.
    Images {
        /// The correlation of their densities within the body, 1 at most.
        correlation: f64,
        /// The share of the body in these images that the prior's show too.
        overlap: f64,
    },
    /// Both have the same Frame of Reference.
    FrameOfReference,
    /// Not at all: lesions are compared by kind, side and size, where there is one of each.
    Description,
}
