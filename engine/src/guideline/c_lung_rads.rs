//! C-Lung-RADS, screening in China.
//!
//! Nature Medicine 2024;30:3184-3195, doi:10.1038/s41591-024-03211-3 (PMC11564084), Table 1. It names mean
//! diameters and no volumes.
//!
//! Left out: category 0 (calcified), and category 4 of smaller nodules whose model-predicted probability is 0.5
//! or more (that model is not ours). The table says nothing of growth, so a nodule that is new or has grown is
//! not judged.

use super::Action;
use super::table::{Row, Size};
use crate::finding::Density::{self, GroundGlass, PartSolid, Solid};

const fn size(from_mm: u32, below_mm: u32) -> Size {
    Size { from_mm, below_mm, volume_mm3: None }
}

macro_rules! cite {
    ($place:literal) => {
        concat!("C-Lung-RADS, Nat Med 2024;30:3184-3195, doi:10.1038/s41591-024-03211-3, Table 1, ", $place)
    };
}

/// A row of category 1: on with yearly screening.
const fn one(id: &'static str, densities: &'static [Density], size: Size, source: &'static str) -> Row {
    Row {
        id,
        densities,
        several: None,
        seen: None,
        size,
        solid_part: None,
        risk: None,
        category: Some("1"),
        action: Action::LowDoseCt,
        months: Some([12, 12]),
        then: None,
        source,
    }
}

const fn two(id: &'static str, densities: &'static [Density], size: Size, source: &'static str) -> Row {
    Row { category: Some("2"), action: Action::Ct, months: Some([6, 6]), ..one(id, densities, size, source) }
}

const fn three(id: &'static str, densities: &'static [Density], size: Size, source: &'static str) -> Row {
    Row {
        category: Some("3"),
        action: Action::CtMaybePet,
        months: Some([3, 3]),
        ..one(id, densities, size, source)
    }
}

const fn four(id: &'static str, densities: &'static [Density], size: Size, source: &'static str) -> Row {
    Row { category: Some("4"), action: Action::Referral, months: None, ..one(id, densities, size, source) }
}

pub(super) const TABLE: &[Row] = &[
    one("c-lung-rads.solid.under-6", &[Solid], size(0, 6), cite!("1, solid, < 6 mm")),
    two("c-lung-rads.solid.6-10", &[Solid], size(6, 10), cite!("2, solid, >= 6 to < 10 mm")),
    three("c-lung-rads.solid.10-18", &[Solid], size(10, 18), cite!("3, solid, >= 10 to < 18 mm")),
    four("c-lung-rads.solid.18-up", &[Solid], size(18, Size::OPEN), cite!("4, solid, >= 18 mm")),
    one("c-lung-rads.part-solid.under-6", &[PartSolid], size(0, 6), cite!("1, part solid, < 6 mm")),
    Row {
        solid_part: Some(size(0, 6)),
        ..two(
            "c-lung-rads.part-solid.6-up.part-under-6",
            &[PartSolid],
            size(6, Size::OPEN),
            cite!("2, part solid, >= 6 mm with solid component < 6 mm"),
        )
    },
    Row {
        solid_part: Some(size(6, 10)),
        ..three(
            "c-lung-rads.part-solid.6-up.part-6-10",
            &[PartSolid],
            size(6, Size::OPEN),
            cite!("3, part solid, >= 6 mm with solid component >= 6 to < 10 mm"),
        )
    },
    Row {
        solid_part: Some(size(10, Size::OPEN)),
        ..four(
            "c-lung-rads.part-solid.6-up.part-10-up",
            &[PartSolid],
            size(6, Size::OPEN),
            cite!("4, part solid, solid component >= 10 mm"),
        )
    },
    one("c-lung-rads.ground-glass.under-6", &[GroundGlass], size(0, 6), cite!("1, non solid, < 6 mm")),
    two("c-lung-rads.ground-glass.6-20", &[GroundGlass], size(6, 20), cite!("2, non solid, >= 6 to < 20 mm")),
    three(
        "c-lung-rads.ground-glass.20-up",
        &[GroundGlass],
        size(20, Size::OPEN),
        cite!("3, non solid, >= 20 mm"),
    ),
];
