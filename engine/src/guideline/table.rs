//! What a row of a guideline's table is.

use super::{Action, Next, Risk};
use crate::finding::Density;

/// One row of a guideline's table: whom it is for, and what it tells to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Its name, which stays: `fleischner-2017.solid.single.6-8.low`.
    pub id: &'static str,
    /// The densities that it is for.
    pub densities: &'static [Density],
    /// Only for one nodule of its kind (`false`), only for several (`true`), or for either.
    pub several: Option<bool>,
    /// Only for nodules with this past; `None`: for every one.
    pub seen: Option<Seen>,
    /// Only for this size.
    pub size: Size,
    /// Only for part-solid nodules with a solid part of this size; `None`: the solid part does not matter.
    pub solid_part: Option<Size>,
    /// Only for this risk of lung cancer; `None`: for either.
    pub risk: Option<Risk>,
    /// The category that it gives.
    pub category: Option<&'static str>,
    /// See [`Advice`](super::Advice).
    pub action: Action,
    /// See [`Advice`](super::Advice).
    pub months: Option<[u16; 2]>,
    /// See [`Advice`](super::Advice).
    pub then: Option<Next>,
    /// Title, DOI, table, and place in it.
    pub source: &'static str,
}

/// What is known of a nodule's past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seen {
    /// It is seen for the first time, and there is no prior that it might have been seen in.
    Baseline,
    /// It was not there in the prior.
    New,
    /// It was there, and has grown as the guideline means it.
    Growing,
    /// It was there, and has not.
    Stable,
}

/// A range of sizes: mean of long and short axis, and the volume that goes with it.
///
/// The bounds are whole millimetres and cubic millimetres; the lower one belongs to the range, the upper one
/// does not. A guideline that says "6 to 8 mm" of diameters in whole millimetres has 6 and 9 here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// The smallest mean diameter, mm.
    pub from_mm: u32,
    /// The mean diameter from which on it is too large, mm; [`Size::OPEN`] if none is.
    pub below_mm: u32,
    /// The smallest volume and the volume from which on it is too large, mm3; `None` where the guideline
    /// names none.
    pub volume_mm3: Option<[u32; 2]>,
}

impl Size {
    /// No upper bound.
    pub const OPEN: u32 = u32::MAX;

    /// Whether it holds a mean diameter of so many tenths of a millimetre.
    pub(super) fn holds_tenths(self, tenths: u32) -> bool {
        tenths >= self.from_mm * 10 && tenths < self.below_mm.saturating_mul(10)
    }

    /// Whether it holds so many cubic millimetres; `None` where the guideline names no volumes.
    pub(super) fn holds_volume(self, mm3: u32) -> Option<bool> {
        self.volume_mm3.map(|[from, below]| mm3 >= from && mm3 < below)
    }
}
