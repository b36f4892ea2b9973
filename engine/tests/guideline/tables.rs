//! The rows of the tables at, just below and just above their thresholds.

use std::collections::BTreeSet;

use engine::Density::{self, GroundGlass, PartSolid, Solid};
use engine::evidence::Lesion;
use engine::guideline::Guideline::{CLungRads, Fleischner2017, LungRads2022};
use engine::guideline::{Guideline, Risk, Why};
use engine::track::Trend;

use crate::{advise, followed, new, nodule, part_solid, patient, rules, whys};

/// One nodule or two alike, round, of so many mm, at low and at high risk.
pub(crate) const FLEISCHNER: &[(Density, bool, f64, &str, &str)] = &[
    // Means are rounded to whole millimetres: 5.4 is 5, 5.5 is 6, 8.4 is 8, 8.5 is 9.
    (Solid, false, 3.0, "solid.single.under-6.low", "solid.single.under-6.high"),
    (Solid, false, 5.4, "solid.single.under-6.low", "solid.single.under-6.high"),
    (Solid, false, 5.5, "solid.single.6-8.low", "solid.single.6-8.high"),
    (Solid, false, 6.0, "solid.single.6-8.low", "solid.single.6-8.high"),
    (Solid, false, 8.4, "solid.single.6-8.low", "solid.single.6-8.high"),
    (Solid, false, 8.5, "solid.single.over-8", "solid.single.over-8"),
    (Solid, false, 30.0, "solid.single.over-8", "solid.single.over-8"),
    (Solid, true, 5.4, "solid.multiple.under-6.low", "solid.multiple.under-6.high"),
    (Solid, true, 5.5, "solid.multiple.6-up.low", "solid.multiple.6-up.high"),
    (Solid, true, 12.0, "solid.multiple.6-up.low", "solid.multiple.6-up.high"),
    (GroundGlass, false, 5.4, "subsolid.single.under-6", "subsolid.single.under-6"),
    (PartSolid, false, 5.4, "subsolid.single.under-6", "subsolid.single.under-6"),
    (GroundGlass, false, 5.5, "ground-glass.single.6-up", "ground-glass.single.6-up"),
    (GroundGlass, true, 5.4, "subsolid.multiple.under-6", "subsolid.multiple.under-6"),
    (PartSolid, true, 5.4, "subsolid.multiple.under-6", "subsolid.multiple.under-6"),
    (GroundGlass, true, 5.5, "ground-glass.multiple.6-up", "ground-glass.multiple.6-up"),
];

/// A part-solid nodule, or two alike, with a round solid part of so many mm.
pub(crate) const PART_SOLID: &[(Guideline, bool, f64, f64, &str)] = &[
    (Fleischner2017, false, 5.5, 2.0, "part-solid.single.6-up.part-under-6"),
    (Fleischner2017, false, 20.0, 5.4, "part-solid.single.6-up.part-under-6"),
    (Fleischner2017, false, 20.0, 5.5, "part-solid.single.6-up.part-6-8"),
    (Fleischner2017, false, 20.0, 8.4, "part-solid.single.6-up.part-6-8"),
    (Fleischner2017, false, 20.0, 8.5, "part-solid.6-up.part-over-8"),
    (Fleischner2017, true, 5.5, 2.0, "part-solid.multiple.6-up.part-to-8"),
    (Fleischner2017, true, 20.0, 8.4, "part-solid.multiple.6-up.part-to-8"),
    (Fleischner2017, true, 20.0, 8.5, "part-solid.6-up.part-over-8"),
    (LungRads2022, false, 6.0, 5.9, "part-solid.baseline.6-up.part-under-6"),
    (LungRads2022, false, 12.0, 6.0, "part-solid.baseline.6-up.part-6-8"),
    (LungRads2022, false, 12.0, 7.9, "part-solid.baseline.6-up.part-6-8"),
    (LungRads2022, false, 12.0, 8.0, "part-solid.baseline.6-up.part-8-up"),
    (CLungRads, false, 6.0, 5.9, "part-solid.6-up.part-under-6"),
    (CLungRads, false, 12.0, 6.0, "part-solid.6-up.part-6-10"),
    (CLungRads, false, 12.0, 9.9, "part-solid.6-up.part-6-10"),
    (CLungRads, false, 12.0, 10.0, "part-solid.6-up.part-10-up"),
];

#[test]
fn part_solid_nodules_go_by_their_solid_part() {
    for &(guideline, several, mm, solid, rule) in PART_SOLID {
        let lesions: Vec<Lesion> =
            (1..=1 + usize::from(several)).map(|number| part_solid(number, mm, [solid, solid])).collect();
        let advised = advise(guideline, &patient(guideline, None), &lesions);
        assert_eq!(rules(&advised), [rule], "{mm} mm with {solid} mm");
        assert_eq!(advised.refused, []);
    }
    // Of the solid part Fleischner takes the longest diameter, the others the mean.
    let long = [part_solid(1, 20.0, [9.0, 6.8])];
    let rule = |guideline| rules(&advise(guideline, &patient(guideline, None), &long)).concat();
    assert_eq!(rule(Fleischner2017), "part-solid.6-up.part-over-8");
    assert_eq!(rule(LungRads2022), "part-solid.baseline.6-up.part-6-8");
    // Where it was not measured, nobody guesses.
    for guideline in [Fleischner2017, LungRads2022, CLungRads] {
        let advised = advise(guideline, &patient(guideline, None), &[nodule(1, PartSolid, 6.0, 6.0)]);
        assert_eq!(whys(&advised), [(Why::SolidPartUnknown, &[1][..])]);
    }
}

#[test]
fn fleischner_at_its_thresholds() {
    for &(density, several, mm, low, high) in FLEISCHNER {
        let lesions: Vec<Lesion> =
            (1..=1 + usize::from(several)).map(|number| nodule(number, density, mm, mm)).collect();
        for (high_risk, expected) in [(false, low), (true, high)] {
            let advised = advise(Fleischner2017, &patient(Fleischner2017, Some(high_risk)), &lesions);
            assert_eq!(rules(&advised), [expected], "{density:?} {several} {mm} mm");
            assert_eq!(advised.refused, []);
        }
    }
}

/// Solid or not, of so many mm at first sight.
pub(crate) const BASELINE: &[(Guideline, Density, f64, &str, &str)] = &[
    (LungRads2022, Solid, 5.9, "solid.baseline.under-6", "2"),
    (LungRads2022, Solid, 6.0, "solid.baseline.6-8", "3"),
    (LungRads2022, Solid, 7.9, "solid.baseline.6-8", "3"),
    (LungRads2022, Solid, 8.0, "solid.baseline.8-15", "4A"),
    (LungRads2022, Solid, 14.9, "solid.baseline.8-15", "4A"),
    (LungRads2022, Solid, 15.0, "solid.baseline.15-up", "4B"),
    (LungRads2022, Solid, 45.0, "solid.baseline.15-up", "4B"),
    (LungRads2022, PartSolid, 5.9, "part-solid.baseline.under-6", "2"),
    (LungRads2022, GroundGlass, 29.9, "ground-glass.under-30", "2"),
    (LungRads2022, GroundGlass, 30.0, "ground-glass.baseline.30-up", "3"),
    (CLungRads, Solid, 5.9, "solid.under-6", "1"),
    (CLungRads, Solid, 6.0, "solid.6-10", "2"),
    (CLungRads, Solid, 9.9, "solid.6-10", "2"),
    (CLungRads, Solid, 10.0, "solid.10-18", "3"),
    (CLungRads, Solid, 17.9, "solid.10-18", "3"),
    (CLungRads, Solid, 18.0, "solid.18-up", "4"),
    (CLungRads, PartSolid, 5.9, "part-solid.under-6", "1"),
    (CLungRads, GroundGlass, 5.9, "ground-glass.under-6", "1"),
    (CLungRads, GroundGlass, 6.0, "ground-glass.6-20", "2"),
    (CLungRads, GroundGlass, 19.9, "ground-glass.6-20", "2"),
    (CLungRads, GroundGlass, 20.0, "ground-glass.20-up", "3"),
];

#[test]
fn screening_guidelines_at_first_sight() {
    for &(guideline, density, mm, rule, category) in BASELINE {
        let advised = advise(guideline, &patient(guideline, None), &[nodule(1, density, mm, mm)]);
        assert_eq!(rules(&advised), [rule], "{density:?} {mm} mm");
        assert_eq!(advised.advice[0].category.as_deref(), Some(category), "{density:?} {mm} mm");
        assert_eq!(advised.refused, []);
    }
}

pub(crate) fn new_part_solid(mm: f64, solid_mm: f64) -> Lesion {
    Lesion { solid_part_mm: Some([solid_mm, solid_mm]), ..new(PartSolid, mm) }
}

/// The rule and the category of an advice, or why there is none.
pub(crate) type Expected = Result<(&'static str, &'static str), Why>;

/// With a prior, Lung-RADS.
pub(crate) fn with_prior() -> Vec<(Lesion, Expected)> {
    let grown = |now, prior, days| followed(Solid, now, prior, Some(days), Trend::Grown);
    let same = |density, now, prior| followed(density, now, prior, Some(365), Trend::Unchanged);
    vec![
        (new(Solid, 3.9), Ok(("solid.new.under-4", "2"))),
        (new(Solid, 4.0), Ok(("solid.new.4-6", "3"))),
        (new(Solid, 5.9), Ok(("solid.new.4-6", "3"))),
        (new(Solid, 6.0), Ok(("solid.new.6-8", "4A"))),
        (new(Solid, 7.9), Ok(("solid.new.6-8", "4A"))),
        (new(Solid, 8.0), Ok(("solid.new.8-up", "4B"))),
        (new(PartSolid, 5.9), Ok(("part-solid.new.under-6", "3"))),
        (new(PartSolid, 6.0), Err(Why::SolidPartUnknown)),
        (new_part_solid(6.0, 3.9), Ok(("part-solid.new.6-up.part-under-4", "4A"))),
        (new_part_solid(6.0, 4.0), Ok(("part-solid.new.6-up.part-4-up", "4B"))),
        (new(GroundGlass, 29.9), Ok(("ground-glass.under-30", "2"))),
        (new(GroundGlass, 30.0), Ok(("ground-glass.new.30-up", "3"))),
        // Growth is more than 1.5 mm within 12 months.
        (grown(5.6, 4.0, 365), Ok(("solid.growing.under-8", "4A"))),
        (grown(7.9, 6.3, 366), Ok(("solid.growing.under-8", "4A"))),
        (grown(8.0, 6.4, 180), Ok(("solid.growing.8-up", "4B"))),
        // 1.5 mm is none; but 6 mm is another size class than 4.5 mm.
        (grown(6.0, 4.5, 365), Ok(("solid.baseline.6-8", "3"))),
        (grown(5.5, 4.0, 365), Ok(("solid.baseline.under-6", "2"))),
        (grown(7.5, 6.0, 365), Err(Why::PriorCategoryUnknown)),
        // 1.6 mm in two years may be less than 1.5 mm in each; 3.1 mm cannot.
        (grown(7.6, 6.0, 730), Err(Why::GrowthUnclear)),
        (grown(9.1, 6.0, 730), Ok(("solid.growing.8-up", "4B"))),
        (followed(Solid, 7.6, 6.0, None, Trend::Grown), Err(Why::GrowthUnclear)),
        (followed(PartSolid, 5.9, 4.0, Some(300), Trend::Grown), Err(Why::SolidPartUnknown)),
        (followed(GroundGlass, 20.0, 10.0, Some(300), Trend::Grown), Ok(("ground-glass.under-30", "2"))),
        (followed(GroundGlass, 40.0, 32.0, Some(300), Trend::Grown), Err(Why::NoRow)),
        // What has not grown is stepped down from a category that nobody knows, but for the smallest.
        (same(Solid, 5.0, 5.2), Ok(("solid.baseline.under-6", "2"))),
        (same(Solid, 7.0, 7.0), Err(Why::PriorCategoryUnknown)),
        (same(Solid, 5.9, 6.1), Err(Why::PriorCategoryUnknown)),
        (same(Solid, 8.0, 7.9), Ok(("solid.baseline.8-15", "4A"))),
        (same(PartSolid, 5.0, 5.0), Ok(("part-solid.baseline.under-6", "2"))),
        (same(PartSolid, 5.0, 6.0), Err(Why::PriorCategoryUnknown)),
        (
            Lesion { solid_part_mm: Some([7.0, 7.0]), ..same(PartSolid, 6.1, 5.9) },
            Ok(("part-solid.baseline.6-up.part-6-8", "4A")),
        ),
        (
            Lesion { solid_part_mm: Some([7.0, 7.0]), ..same(PartSolid, 9.0, 9.0) },
            Err(Why::PriorCategoryUnknown),
        ),
        (same(GroundGlass, 30.0, 30.0), Ok(("ground-glass.stable.30-up", "2"))),
    ]
}

#[test]
fn lung_rads_with_a_prior() {
    for (lesion, expected) in with_prior() {
        let advised = advise(LungRads2022, &patient(LungRads2022, None), std::slice::from_ref(&lesion));
        match expected {
            Ok((rule, category)) => {
                assert_eq!(rules(&advised), [rule], "{lesion:?}");
                assert_eq!(advised.advice[0].category.as_deref(), Some(category), "{lesion:?}");
            }
            Err(why) => {
                assert_eq!(whys(&advised), [(why, &[1][..])], "{lesion:?}");
                assert_eq!(advised.advice, []);
            }
        }
    }
}

#[test]
fn every_row_of_every_table_has_been_reached() {
    let reached = |guideline: Guideline| -> BTreeSet<String> {
        let prefix = guideline.table()[0].id.split_once('.').unwrap().0;
        let names: Vec<&str> = match guideline {
            Fleischner2017 => FLEISCHNER.iter().flat_map(|case| [case.3, case.4]).collect(),
            _ => BASELINE.iter().filter(|case| case.0 == guideline).map(|case| case.3).collect(),
        };
        let prior = with_prior().into_iter().filter(|_| guideline == LungRads2022);
        let prior = prior.filter_map(|(_, expected)| expected.ok().map(|(rule, _)| rule));
        let part_solid = PART_SOLID.iter().filter(|case| case.0 == guideline).map(|case| case.4);
        names.into_iter().chain(part_solid).chain(prior).map(|name| format!("{prefix}.{name}")).collect()
    };
    for guideline in [Fleischner2017, LungRads2022, CLungRads] {
        let rows: BTreeSet<String> = guideline.table().iter().map(|row| row.id.to_owned()).collect();
        assert_eq!(rows.len(), guideline.table().len(), "a rule id is there twice");
        assert_eq!(rows, reached(guideline));
    }
}

#[test]
fn rows_do_not_overlap() {
    // Every nodule that a table covers falls into one row, or into one for each risk.
    for guideline in [Fleischner2017, LungRads2022, CLungRads] {
        for tenths in 0..600 {
            let mm = f64::from(tenths) / 10.0;
            for density in [Solid, PartSolid, GroundGlass] {
                let advised = advise(guideline, &patient(guideline, None), &[nodule(1, density, mm, mm)]);
                match &advised.advice[..] {
                    [] => assert!(!advised.refused.is_empty()),
                    [one] => assert_eq!(one.risk, None),
                    [low, high] => assert_eq!((low.risk, high.risk), (Some(Risk::Low), Some(Risk::High))),
                    more => panic!("{more:?}"),
                }
            }
        }
    }
}
