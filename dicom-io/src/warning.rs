//! What is odd about a series that can still be used.

use std::fmt;

/// Something about a series that a reader of the report should know; the volume is right nevertheless.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// Localizer images stood among the slices and were left out.
    LocalizersLeftOut {
        /// How many.
        images: usize,
    },
    /// The same instance was found more than once, with the same pixels.
    CopiesLeftOut {
        /// How many were left out.
        images: usize,
    },
    /// Different instances at one place hold the same pixels; one of each was kept.
    RepeatedSlices {
        /// How many were left out.
        images: usize,
    },
    /// Slices do not lie exactly where a regular grid has them, but nearly.
    SlightlyUneven {
        /// The furthest that a slice lies from its place, along the normal.
        worst_mm: f64,
        /// The distance between slices that was used.
        spacing_mm: f64,
    },
    /// Slices are not exactly above each other, but nearly.
    SlightlyShifted {
        /// The furthest that a slice lies from its place, within its plane.
        worst_mm: f64,
    },
    /// Values did not fit 16 bits and were cut off at the ends.
    Clamped {
        /// How many voxels.
        voxels: usize,
    },
    /// Photometric Interpretation is MONOCHROME1, which concerns display only: values are as rescaled.
    Monochrome1,
    /// The pixels went through lossy compression.
    LossyCompression,
    /// The values are what the scanner stored: they have no unit, and a scale in the header was left
    /// out because it is the same for all slices.
    StoredValues,
    /// Rescale Type does not say that the values are Hounsfield units.
    RescaleType {
        /// What it says; only upper-case letters, digits and underscores.
        found: String,
    },
    /// No Frame of Reference UID: findings cannot be matched with other series of the study.
    NoFrameOfReference,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LocalizersLeftOut { images } => write!(f, "{images} localizer images were left out"),
            Self::CopiesLeftOut { images } => write!(f, "{images} copies of other files were left out"),
            Self::RepeatedSlices { images } => {
                write!(f, "{images} images repeat another one pixel by pixel and were left out")
            }
            Self::SlightlyUneven { worst_mm, spacing_mm } => write!(
                f,
                "slices lie up to {worst_mm:.2} mm from where an even spacing of {spacing_mm:.2} mm has them"
            ),
            Self::SlightlyShifted { worst_mm } => {
                write!(f, "slices are shifted sideways by up to {worst_mm:.2} mm")
            }
            Self::Clamped { voxels } => write!(f, "{voxels} voxels exceeded 16 bits and were clamped"),
            Self::Monochrome1 => write!(f, "MONOCHROME1 was ignored: it concerns display, not values"),
            Self::LossyCompression => write!(f, "the pixels went through lossy compression"),
            Self::StoredValues => write!(f, "stored values were used without the scale in the header"),
            Self::RescaleType { found } => write!(f, "Rescale Type is {found} where HU is expected"),
            Self::NoFrameOfReference => write!(f, "there is no Frame of Reference UID"),
        }
    }
}
