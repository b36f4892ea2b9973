//! Quantities whose unit is part of their type.

use std::fmt;

/// A length in the patient, in millimetres.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Millimetre(pub f64);

impl fmt::Display for Millimetre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} mm", self.0)
    }
}
