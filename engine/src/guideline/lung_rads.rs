//! Lung-RADS v2022, screening.
//!
//! American College of Radiology, Lung-RADS v2022 (released November 2022), table of assessment categories;
//! explained by Christensen et al., J Am Coll Radiol 2024;21:473-488, doi:10.1016/j.jacr.2023.09.009.
//!
//! The mean of long and short axis is taken to 0.1 mm (note 4). Growth is a mean diameter larger by more than
//! 1.5 mm within 12 months (note 6). The examination's category is that of its most suspicious nodule (note 1).
//! Volumes stand beside the diameters.
//!
//! Left out, because nobody measures here what they ask for: categories 0 and 1, calcified and fat-containing,
//! juxtapleural, airway and cystic nodules, 4X, the modifier S, slow growth over several screenings (note 8),
//! infectious appearance (note 10), part-solid nodules that grow (their solid part at the prior), and the step
//! down of a stable category 3 or 4A nodule (the category at the prior). A growing ground-glass nodule of 30 mm
//! and more has no row in the source.

use super::Action;
use super::table::{Row, Seen, Size};
use crate::finding::Density::{self, GroundGlass, PartSolid, Solid};

const UNDER_4: Size = Size { from_mm: 0, below_mm: 4, volume_mm3: Some([0, 34]) };
const FROM_4_BELOW_6: Size = Size { from_mm: 4, below_mm: 6, volume_mm3: Some([34, 113]) };
const UNDER_6: Size = Size { from_mm: 0, below_mm: 6, volume_mm3: Some([0, 113]) };
const FROM_6_BELOW_8: Size = Size { from_mm: 6, below_mm: 8, volume_mm3: Some([113, 268]) };
const UNDER_8: Size = Size { from_mm: 0, below_mm: 8, volume_mm3: Some([0, 268]) };
const FROM_8_BELOW_15: Size = Size { from_mm: 8, below_mm: 15, volume_mm3: Some([268, 1767]) };
const FROM_8: Size = Size { from_mm: 8, below_mm: Size::OPEN, volume_mm3: Some([268, Size::OPEN]) };
const FROM_15: Size = Size { from_mm: 15, below_mm: Size::OPEN, volume_mm3: Some([1767, Size::OPEN]) };
const FROM_6: Size = Size { from_mm: 6, below_mm: Size::OPEN, volume_mm3: Some([113, Size::OPEN]) };
const FROM_4: Size = Size { from_mm: 4, below_mm: Size::OPEN, volume_mm3: Some([34, Size::OPEN]) };
const UNDER_30: Size = Size { from_mm: 0, below_mm: 30, volume_mm3: Some([0, 14_137]) };
const FROM_30: Size = Size { from_mm: 30, below_mm: Size::OPEN, volume_mm3: Some([14_137, Size::OPEN]) };

macro_rules! cite {
    ($place:literal) => {
        concat!(
            "ACR Lung-RADS v2022, J Am Coll Radiol 2024;21:473-488, doi:10.1016/j.jacr.2023.09.009, categories, ",
            $place
        )
    };
}

/// A row of category 2: on with yearly screening.
const fn two(
    id: &'static str,
    densities: &'static [Density],
    seen: Option<Seen>,
    size: Size,
    source: &'static str,
) -> Row {
    Row {
        id,
        densities,
        several: None,
        seen,
        size,
        solid_part: None,
        risk: None,
        category: Some("2"),
        action: Action::LowDoseCt,
        months: Some([12, 12]),
        then: None,
        source,
    }
}

const fn three(
    id: &'static str,
    densities: &'static [Density],
    seen: Seen,
    size: Size,
    source: &'static str,
) -> Row {
    Row { category: Some("3"), months: Some([6, 6]), ..two(id, densities, Some(seen), size, source) }
}

const fn four_a(id: &'static str, seen: Seen, size: Size, source: &'static str) -> Row {
    Row { category: Some("4A"), months: Some([3, 3]), ..two(id, &[Solid], Some(seen), size, source) }
}

const fn four_b(id: &'static str, seen: Seen, size: Size, source: &'static str) -> Row {
    Row {
        category: Some("4B"),
        action: Action::Referral,
        months: None,
        ..two(id, &[Solid], Some(seen), size, source)
    }
}

pub(super) const TABLE: &[Row] = &[
    two(
        "lung-rads-2022.solid.baseline.under-6",
        &[Solid],
        Some(Seen::Baseline),
        UNDER_6,
        cite!("2, solid, < 6 mm at baseline"),
    ),
    three(
        "lung-rads-2022.solid.baseline.6-8",
        &[Solid],
        Seen::Baseline,
        FROM_6_BELOW_8,
        cite!("3, solid, >= 6 to < 8 mm at baseline"),
    ),
    Row {
        // PET-CT for solid nodules of 8 mm and more, which these are.
        action: Action::LowDoseCtMaybePet,
        ..four_a(
            "lung-rads-2022.solid.baseline.8-15",
            Seen::Baseline,
            FROM_8_BELOW_15,
            cite!("4A, solid, >= 8 to < 15 mm at baseline"),
        )
    },
    four_b(
        "lung-rads-2022.solid.baseline.15-up",
        Seen::Baseline,
        FROM_15,
        cite!("4B, solid, >= 15 mm at baseline"),
    ),
    two(
        "lung-rads-2022.solid.new.under-4",
        &[Solid],
        Some(Seen::New),
        UNDER_4,
        cite!("2, solid, new < 4 mm"),
    ),
    three(
        "lung-rads-2022.solid.new.4-6",
        &[Solid],
        Seen::New,
        FROM_4_BELOW_6,
        cite!("3, solid, new 4 to < 6 mm"),
    ),
    four_a("lung-rads-2022.solid.new.6-8", Seen::New, FROM_6_BELOW_8, cite!("4A, solid, new 6 to < 8 mm")),
    four_b("lung-rads-2022.solid.new.8-up", Seen::New, FROM_8, cite!("4B, solid, new >= 8 mm")),
    four_a(
        "lung-rads-2022.solid.growing.under-8",
        Seen::Growing,
        UNDER_8,
        cite!("4A, solid, growing < 8 mm"),
    ),
    four_b("lung-rads-2022.solid.growing.8-up", Seen::Growing, FROM_8, cite!("4B, solid, growing >= 8 mm")),
    two(
        "lung-rads-2022.part-solid.baseline.under-6",
        &[PartSolid],
        Some(Seen::Baseline),
        UNDER_6,
        cite!("2, part solid, < 6 mm total mean diameter at baseline"),
    ),
    Row {
        solid_part: Some(UNDER_6),
        ..three(
            "lung-rads-2022.part-solid.baseline.6-up.part-under-6",
            &[PartSolid],
            Seen::Baseline,
            FROM_6,
            cite!("3, part solid, >= 6 mm with solid component < 6 mm at baseline"),
        )
    },
    Row {
        densities: &[PartSolid],
        solid_part: Some(FROM_6_BELOW_8),
        ..four_a(
            "lung-rads-2022.part-solid.baseline.6-up.part-6-8",
            Seen::Baseline,
            FROM_6,
            cite!("4A, part solid, >= 6 mm with solid component >= 6 to < 8 mm at baseline"),
        )
    },
    Row {
        densities: &[PartSolid],
        solid_part: Some(FROM_8),
        ..four_b(
            "lung-rads-2022.part-solid.baseline.6-up.part-8-up",
            Seen::Baseline,
            FROM_6,
            cite!("4B, part solid, solid component >= 8 mm at baseline"),
        )
    },
    Row {
        densities: &[PartSolid],
        solid_part: Some(UNDER_4),
        ..four_a(
            "lung-rads-2022.part-solid.new.6-up.part-under-4",
            Seen::New,
            FROM_6,
            cite!("4A, part solid, >= 6 mm with a new solid component < 4 mm"),
        )
    },
    Row {
        densities: &[PartSolid],
        solid_part: Some(FROM_4),
        ..four_b(
            "lung-rads-2022.part-solid.new.6-up.part-4-up",
            Seen::New,
            FROM_6,
            cite!("4B, part solid, new solid component >= 4 mm"),
        )
    },
    three(
        "lung-rads-2022.part-solid.new.under-6",
        &[PartSolid],
        Seen::New,
        UNDER_6,
        cite!("3, part solid, new < 6 mm total mean diameter"),
    ),
    two(
        "lung-rads-2022.ground-glass.under-30",
        &[GroundGlass],
        None,
        UNDER_30,
        cite!("2, non solid, < 30 mm at baseline, new or growing"),
    ),
    three(
        "lung-rads-2022.ground-glass.baseline.30-up",
        &[GroundGlass],
        Seen::Baseline,
        FROM_30,
        cite!("3, non solid, >= 30 mm at baseline"),
    ),
    three(
        "lung-rads-2022.ground-glass.new.30-up",
        &[GroundGlass],
        Seen::New,
        FROM_30,
        cite!("3, non solid, >= 30 mm, new"),
    ),
    two(
        "lung-rads-2022.ground-glass.stable.30-up",
        &[GroundGlass],
        Some(Seen::Stable),
        FROM_30,
        cite!("2, non solid, >= 30 mm, stable or slowly growing"),
    ),
];
