//! Fleischner Society 2017, nodules found by chance.
//!
//! MacMahon et al., Guidelines for Management of Incidental Pulmonary Nodules Detected on CT Images, Radiology
//! 2017;284:228-243, doi:10.1148/radiol.2017161659, Table 1: part A solid, part B subsolid.
//!
//! "Dimensions are average of long and short axes, rounded to the nearest millimeter" (footnote), so 6-8 mm is
//! 5.5 to below 8.5 mm as measured, and the rows' upper bound 9 means "8 after rounding". Volumes of 100 and
//! 250 mm3 stand beside 6 and 8 mm.
//!
//! Of a solid part the longest diameter counts: Bankier et al., Radiology 2017;285:584-600. A part-solid nodule
//! whose solid part is over 8 mm falls under recommendation 4, single or not.
//!
//! Left out: the comments on suspicious morphology, which nobody measures here.

use super::table::{Row, Size};
use super::{Action, Next, Risk};
use crate::finding::Density::{self, GroundGlass, PartSolid, Solid};

const UNDER_6: Size = Size { from_mm: 0, below_mm: 6, volume_mm3: Some([0, 100]) };
const FROM_6_TO_8: Size = Size { from_mm: 6, below_mm: 9, volume_mm3: Some([100, 251]) };
const OVER_8: Size = Size { from_mm: 9, below_mm: Size::OPEN, volume_mm3: Some([251, Size::OPEN]) };
const FROM_6: Size = Size { from_mm: 6, below_mm: Size::OPEN, volume_mm3: Some([100, Size::OPEN]) };

/// Of solid parts no volumes are measured.
const PART_UNDER_6: Size = Size { volume_mm3: None, ..UNDER_6 };
const PART_6_TO_8: Size = Size { volume_mm3: None, ..FROM_6_TO_8 };
const PART_TO_8: Size = Size { from_mm: 0, below_mm: 9, volume_mm3: None };
const PART_OVER_8: Size = Size { volume_mm3: None, ..OVER_8 };

const SUBSOLID: &[Density] = &[GroundGlass, PartSolid];

const CONSIDER_18_TO_24: Next =
    Next { action: Action::ConsiderCt, months: Some([18, 24]), every_months: None };
const CT_18_TO_24: Next = Next { action: Action::Ct, months: Some([18, 24]), every_months: None };

macro_rules! cite {
    ($place:literal) => {
        concat!(
            "Fleischner Society 2017, Radiology 2017;284:228-243, doi:10.1148/radiol.2017161659, Table 1 ",
            $place
        )
    };
}

/// A row of part A: solid nodules.
const fn solid(id: &'static str, several: bool, size: Size, risk: Option<Risk>, source: &'static str) -> Row {
    Row {
        id,
        densities: &[Solid],
        several: Some(several),
        seen: None,
        size,
        solid_part: None,
        risk,
        category: None,
        action: Action::NoFollowUp,
        months: None,
        then: None,
        source,
    }
}

pub(super) const TABLE: &[Row] = &[
    solid(
        "fleischner-2017.solid.single.under-6.low",
        false,
        UNDER_6,
        Some(Risk::Low),
        cite!("A, single, < 6 mm, low risk"),
    ),
    Row {
        action: Action::OptionalCt,
        months: Some([12, 12]),
        ..solid(
            "fleischner-2017.solid.single.under-6.high",
            false,
            UNDER_6,
            Some(Risk::High),
            cite!("A, single, < 6 mm, high risk"),
        )
    },
    Row {
        action: Action::Ct,
        months: Some([6, 12]),
        then: Some(CONSIDER_18_TO_24),
        ..solid(
            "fleischner-2017.solid.single.6-8.low",
            false,
            FROM_6_TO_8,
            Some(Risk::Low),
            cite!("A, single, 6-8 mm, low risk"),
        )
    },
    Row {
        action: Action::Ct,
        months: Some([6, 12]),
        then: Some(CT_18_TO_24),
        ..solid(
            "fleischner-2017.solid.single.6-8.high",
            false,
            FROM_6_TO_8,
            Some(Risk::High),
            cite!("A, single, 6-8 mm, high risk"),
        )
    },
    Row {
        action: Action::CtPetOrTissue,
        months: Some([3, 3]),
        ..solid(
            "fleischner-2017.solid.single.over-8",
            false,
            OVER_8,
            None,
            cite!("A, single, > 8 mm, low and high risk"),
        )
    },
    solid(
        "fleischner-2017.solid.multiple.under-6.low",
        true,
        UNDER_6,
        Some(Risk::Low),
        cite!("A, multiple, < 6 mm, low risk"),
    ),
    Row {
        action: Action::OptionalCt,
        months: Some([12, 12]),
        ..solid(
            "fleischner-2017.solid.multiple.under-6.high",
            true,
            UNDER_6,
            Some(Risk::High),
            cite!("A, multiple, < 6 mm, high risk"),
        )
    },
    Row {
        action: Action::Ct,
        months: Some([3, 6]),
        then: Some(CONSIDER_18_TO_24),
        ..solid(
            "fleischner-2017.solid.multiple.6-up.low",
            true,
            FROM_6,
            Some(Risk::Low),
            cite!("A, multiple, 6-8 and > 8 mm, low risk"),
        )
    },
    Row {
        action: Action::Ct,
        months: Some([3, 6]),
        then: Some(CT_18_TO_24),
        ..solid(
            "fleischner-2017.solid.multiple.6-up.high",
            true,
            FROM_6,
            Some(Risk::High),
            cite!("A, multiple, 6-8 and > 8 mm, high risk"),
        )
    },
    Row {
        densities: SUBSOLID,
        ..solid(
            "fleischner-2017.subsolid.single.under-6",
            false,
            UNDER_6,
            None,
            cite!("B, single, ground glass and part solid, < 6 mm"),
        )
    },
    Row {
        densities: &[GroundGlass],
        action: Action::Ct,
        months: Some([6, 12]),
        then: Some(Next { action: Action::Ct, months: Some([24, 60]), every_months: Some(24) }),
        ..solid(
            "fleischner-2017.ground-glass.single.6-up",
            false,
            FROM_6,
            None,
            cite!("B, single, ground glass, >= 6 mm"),
        )
    },
    Row {
        densities: &[PartSolid],
        solid_part: Some(PART_UNDER_6),
        action: Action::Ct,
        months: Some([3, 6]),
        then: Some(Next { action: Action::Ct, months: Some([12, 60]), every_months: Some(12) }),
        ..solid(
            "fleischner-2017.part-solid.single.6-up.part-under-6",
            false,
            FROM_6,
            None,
            cite!("B, single, part solid, >= 6 mm, solid component < 6 mm"),
        )
    },
    Row {
        densities: &[PartSolid],
        solid_part: Some(PART_6_TO_8),
        action: Action::Ct,
        months: Some([3, 6]),
        ..solid(
            "fleischner-2017.part-solid.single.6-up.part-6-8",
            false,
            FROM_6,
            None,
            cite!("B, single, part solid, >= 6 mm, solid component >= 6 mm"),
        )
    },
    Row {
        densities: &[PartSolid],
        several: None,
        solid_part: Some(PART_OVER_8),
        action: Action::PetOrTissueOrResection,
        ..solid(
            "fleischner-2017.part-solid.6-up.part-over-8",
            false,
            FROM_6,
            None,
            cite!("B and recommendation 4, part solid, solid component > 8 mm"),
        )
    },
    Row {
        densities: SUBSOLID,
        action: Action::Ct,
        months: Some([3, 6]),
        then: Some(Next { action: Action::ConsiderCt, months: Some([24, 48]), every_months: Some(24) }),
        ..solid(
            "fleischner-2017.subsolid.multiple.under-6",
            true,
            UNDER_6,
            None,
            cite!("B, multiple, < 6 mm"),
        )
    },
    Row {
        densities: &[GroundGlass],
        action: Action::Ct,
        months: Some([3, 6]),
        ..solid(
            "fleischner-2017.ground-glass.multiple.6-up",
            true,
            FROM_6,
            None,
            cite!("B, multiple, >= 6 mm"),
        )
    },
    Row {
        densities: &[PartSolid],
        solid_part: Some(PART_TO_8),
        action: Action::Ct,
        months: Some([3, 6]),
        ..solid(
            "fleischner-2017.part-solid.multiple.6-up.part-to-8",
            true,
            FROM_6,
            None,
            cite!("B, multiple, >= 6 mm"),
        )
    },
];
