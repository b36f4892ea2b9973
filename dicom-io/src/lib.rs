//! DICOM in and out: files, UIDs, millimetres, structured reports, segmentations.
//!
//! Everything that knows a tag lives here. What the voxels mean is the engine's business.

pub mod geometry;
pub mod uid;
pub mod units;
pub mod volume;

pub use geometry::{Geometry, Ijk, Lps, Spacing};
pub use uid::Uid;
pub use units::Millimetre;
pub use volume::Volume;
