//! DICOM in and out: files, UIDs, millimetres, structured reports, segmentations.
//!
//! Everything that knows a tag lives here. What the voxels mean is the engine's business.

mod attribute;
mod codestream;
mod date;
mod elements;
mod error;
pub mod gb18030;
pub mod geometry;
mod header;
pub mod identity;
mod instance;
pub mod json;
pub mod net;
pub mod object;
pub mod pdf;
pub mod phantom;
mod pixels;
mod plan;
mod read;
pub mod sc;
mod scale;
mod scan;
pub mod seg;
mod source;
mod spacing;
pub mod sr;
pub mod uid;
pub mod units;
pub mod volume;
mod warning;

pub use attribute::{Attribute, NotAnAttribute};
pub use error::Error;
pub use geometry::{Geometry, Ijk, Lps, Spacing};
pub use instance::Instance;
pub use plan::{MAX_VOXELS, MIN_SLICES};
pub use read::{Reading, SliceRef};
pub use scale::AIR_HU;
pub use scan::{Scan, Series, SkipReason, Skipped, Study, scan};
pub use source::{Sex, Source};
pub use sr::codes::Code;
pub use uid::Uid;
pub use units::Millimetre;
pub use volume::Volume;
pub use warning::Warning;
