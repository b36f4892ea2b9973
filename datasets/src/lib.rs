//! The judge: truth in, sensitivity and false positives out.
//!
//! [`truth`] says what is there, [`matching`] lays findings beside it, [`froc`] sums up many series.
//! How findings are made is nobody's business here; reading images and files is the caller's.

pub mod froc;
pub mod lidc;
pub mod matching;
pub mod truth;

pub use matching::Matching;
pub use truth::{TrueLesion, Truth};
