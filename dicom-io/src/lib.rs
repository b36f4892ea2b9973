//! DICOM in and out: files, UIDs, millimetres, structured reports, segmentations.
//!
//! Everything that knows a tag lives here. What the voxels mean is the engine's business.

pub mod error;
pub mod geometry;
pub mod object;
pub mod sc;
pub mod seg;
pub mod source;
pub mod sr;
pub mod uid;
pub mod units;
pub mod volume;

pub use error::Error;
pub use geometry::{Geometry, Ijk, Lps, Spacing};
pub use source::{SliceRef, Source};
pub use sr::codes::Code;
pub use uid::Uid;
pub use units::Millimetre;
pub use volume::Volume;
