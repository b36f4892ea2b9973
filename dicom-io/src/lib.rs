//! DICOM in and out: files, UIDs, millimetres, structured reports, segmentations.
//!
//! Everything that knows a tag lives here. What the voxels mean is the engine's business.

mod codestream;
pub mod error;
pub mod geometry;
mod header;
pub mod instance;
pub mod object;
pub mod pixels;
pub mod plan;
pub mod read;
pub mod sc;
pub mod scan;
pub mod seg;
pub mod source;
mod spacing;
pub mod sr;
pub mod uid;
pub mod units;
pub mod volume;
pub mod warning;

pub use error::Error;
pub use geometry::{Geometry, Ijk, Lps, Spacing};
pub use instance::Instance;
pub use read::{Reading, SliceRef};
pub use scan::{Scan, Series, SkipReason, Skipped, Study, scan};
pub use source::Source;
pub use sr::codes::Code;
pub use uid::Uid;
pub use units::Millimetre;
pub use volume::Volume;
pub use warning::Warning;
