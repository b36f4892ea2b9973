//! Every row of every guideline's table at, just below and just above its thresholds, by hand; and what is
//! refused.

use std::collections::BTreeSet;

use dicom_io::{Lps, Uid};
use engine::Density::{self, GroundGlass, PartSolid, Solid};
use engine::check::{Fault, Section, check};
use engine::evidence::{Evidence, Lesion, What};
use engine::guideline::Guideline::{CLungRads, Fleischner2017, LungRads2022};
use engine::guideline::{self, Advised, Guideline, Patient, Risk, Why};
use engine::narrative::Facts;
use engine::report::Examined;
use engine::track::{Change, Trend};
use engine::{Finding, Kind, Language, Mask, Measurements, Narrative, Organ, Side, Site};

/// A nodule with these axes.
fn nodule(number: usize, density: Density, long: f64, short: f64) -> Lesion {
    Lesion {
        number,
        what: What::LungNodule,
        organ: Some(Organ::Lung),
        side: None,
        lobe: None,
        density: Some(density),
        solid_part_mm: None,
        long_axis_mm: Some(long),
        short_axis_mm: Some(short),
        max_diameter_3d_mm: None,
        volume_mm3: None,
        mean_hu: None,
        sd_hu: None,
        range_hu: None,
        slice: None,
        confidence: None,
        critical: false,
        change: None,
    }
}

/// A round part-solid nodule with a solid part of these axes.
fn part_solid(number: usize, mm: f64, solid_mm: [f64; 2]) -> Lesion {
    Lesion { solid_part_mm: Some(solid_mm), ..nodule(number, PartSolid, mm, mm) }
}

/// The same, round, with a prior of `prior` mm so many days ago.
fn followed(density: Density, now: f64, prior: f64, days: Option<u32>, trend: Trend) -> Lesion {
    let change = Change {
        trend,
        prior_long_axis_mm: Some(prior),
        prior_short_axis_mm: Some(prior),
        prior_volume_mm3: None,
        mean_diameter_change_mm: Some(now - prior),
        volume_change_percent: None,
        volume_uncertainty_percent: None,
        doubling_days: None,
        days,
    };
    Lesion { change: Some(change), ..nodule(1, density, now, now) }
}

fn new(density: Density, now: f64) -> Lesion {
    let change = Change {
        trend: Trend::New,
        prior_long_axis_mm: None,
        prior_short_axis_mm: None,
        prior_volume_mm3: None,
        mean_diameter_change_mm: None,
        volume_change_percent: None,
        volume_uncertainty_percent: None,
        doubling_days: None,
        days: Some(365),
    };
    Lesion { change: Some(change), ..nodule(1, density, now, now) }
}

/// A grown-up without anything that a guideline refuses.
fn patient(guideline: Guideline, high_risk: Option<bool>) -> Patient {
    Patient {
        sex: None,
        age_years: Some(60),
        high_risk,
        known_cancer: Some(false),
        immunosuppressed: Some(false),
        screening: Some(guideline != Fleischner2017),
    }
}

/// The advice on `lesions`; there is a prior if one of them was compared with it.
fn advise(guideline: Guideline, patient: &Patient, lesions: &[Lesion]) -> Advised {
    let has_prior = lesions.iter().any(|lesion| lesion.change.is_some());
    guideline::advise(guideline, patient, lesions, has_prior)
}

fn rules(advised: &Advised) -> Vec<&str> {
    advised.advice.iter().map(|advice| advice.rule.split_once('.').unwrap().1).collect()
}

fn whys(advised: &Advised) -> Vec<(Why, &[usize])> {
    advised.refused.iter().map(|refusal| (refusal.why, &refusal.findings[..])).collect()
}

/// One nodule or two alike, round, of so many mm, at low and at high risk.
const FLEISCHNER: &[(Density, bool, f64, &str, &str)] = &[
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
const PART_SOLID: &[(Guideline, bool, f64, f64, &str)] = &[
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
const BASELINE: &[(Guideline, Density, f64, &str, &str)] = &[
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

fn new_part_solid(mm: f64, solid_mm: f64) -> Lesion {
    Lesion { solid_part_mm: Some([solid_mm, solid_mm]), ..new(PartSolid, mm) }
}

/// The rule and the category of an advice, or why there is none.
type Expected = Result<(&'static str, &'static str), Why>;

/// With a prior, Lung-RADS.
fn with_prior() -> Vec<(Lesion, Expected)> {
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

#[test]
fn the_size_is_the_mean_of_the_axes_as_they_are_printed() {
    let rule = |guideline, long, short| {
        let advised = advise(guideline, &patient(guideline, Some(false)), &[nodule(1, Solid, long, short)]);
        rules(&advised)[0].to_owned()
    };
    // (6.9 + 5.0) / 2 = 5.95, printed 6.0; (6.8 + 5.0) / 2 = 5.9.
    assert_eq!(rule(LungRads2022, 6.9, 5.0), "solid.baseline.6-8");
    assert_eq!(rule(LungRads2022, 6.8, 5.0), "solid.baseline.under-6");
    // 6.04 is printed 6.0: (6.04 + 5.8) / 2 is 5.9 either way.
    assert_eq!(rule(LungRads2022, 6.04, 5.8), "solid.baseline.under-6");
    // (10.0 + 6.9) / 2 = 8.45, to whole millimetres 8; (10.0 + 7.0) / 2 = 8.5 is 9.
    assert_eq!(rule(Fleischner2017, 10.0, 6.9), "solid.single.6-8.low");
    assert_eq!(rule(Fleischner2017, 10.0, 7.0), "solid.single.over-8");
}

#[test]
fn the_volume_decides_where_there_are_no_axes() {
    let of_volume = |guideline, mm3| {
        let lesion = Lesion { short_axis_mm: None, volume_mm3: Some(mm3), ..nodule(1, Solid, 9.0, 9.0) };
        advise(guideline, &patient(guideline, Some(false)), &[lesion])
    };
    let rule = |guideline, mm3| rules(&of_volume(guideline, mm3)).concat();
    assert_eq!(rule(Fleischner2017, 99.4), "solid.single.under-6.low");
    assert_eq!(rule(Fleischner2017, 99.5), "solid.single.6-8.low");
    assert_eq!(rule(Fleischner2017, 250.4), "solid.single.6-8.low");
    assert_eq!(rule(Fleischner2017, 250.5), "solid.single.over-8");
    assert_eq!(rule(LungRads2022, 112.0), "solid.baseline.under-6");
    assert_eq!(rule(LungRads2022, 113.0), "solid.baseline.6-8");
    assert_eq!(rule(LungRads2022, 267.0), "solid.baseline.6-8");
    assert_eq!(rule(LungRads2022, 268.0), "solid.baseline.8-15");
    assert_eq!(rule(LungRads2022, 1766.0), "solid.baseline.8-15");
    assert_eq!(rule(LungRads2022, 1767.0), "solid.baseline.15-up");
    // C-Lung-RADS names no volumes.
    assert_eq!(whys(&of_volume(CLungRads, 500.0)), [(Why::NoRow, &[1][..])]);
    assert_eq!(whys(&of_volume(LungRads2022, f64::NAN)), [(Why::SizeUnknown, &[1][..])]);
}

#[test]
fn the_bounds_of_diameter_and_volume_are_those_of_a_sphere() {
    // Lung-RADS prints both, and each is the volume of the sphere; Fleischner's are rounded down.
    for row in LungRads2022.table() {
        let volumes = row.size.volume_mm3.unwrap();
        for (mm, mm3) in [(row.size.from_mm, volumes[0]), (row.size.below_mm, volumes[1])] {
            if mm != u32::MAX {
                let sphere = std::f64::consts::PI / 6.0 * f64::from(mm).powi(3);
                assert!((sphere - f64::from(mm3)).abs() <= 0.6, "{mm} mm, {mm3} mm3 where {sphere} is");
            }
        }
    }
}

#[test]
fn an_unknown_risk_has_an_advice_for_each_and_no_guess() {
    let of = |mm| advise(Fleischner2017, &patient(Fleischner2017, None), &[nodule(1, Solid, mm, mm)]);
    assert_eq!(rules(&of(5.0)), ["solid.single.under-6.low", "solid.single.under-6.high"]);
    assert_eq!(rules(&of(9.0)), ["solid.single.over-8"]);
    assert_eq!(of(9.0).advice[0].risk, None);
}

#[test]
fn guidelines_refuse_patients_that_they_are_not_for() {
    let lesions = [nodule(1, Solid, 7.0, 7.0)];
    let why = |guideline, patient: Patient| {
        let advised = advise(guideline, &patient, &lesions);
        assert_eq!(advised.advice, []);
        let [refusal] = &advised.refused[..] else { panic!("{:?}", advised.refused) };
        assert!(refusal.findings.is_empty());
        refusal.why
    };
    let fleischner = patient(Fleischner2017, Some(false));
    let of = |change: fn(&mut Patient)| {
        let mut patient = fleischner;
        change(&mut patient);
        why(Fleischner2017, patient)
    };
    assert_eq!(of(|p| p.age_years = Some(34)), Why::Age);
    assert_eq!(of(|p| p.age_years = None), Why::AgeUnknown);
    assert_eq!(of(|p| p.screening = Some(true)), Why::Screening);
    assert_eq!(of(|p| p.known_cancer = Some(true)), Why::KnownCancer);
    assert_eq!(of(|p| p.immunosuppressed = Some(true)), Why::Immunosuppressed);
    let at_35 = Patient { age_years: Some(35), ..fleischner };
    assert_eq!(rules(&advise(Fleischner2017, &at_35, &lesions)), ["solid.single.6-8.low"]);

    for guideline in [LungRads2022, CLungRads] {
        for screening in [None, Some(false)] {
            assert_eq!(why(guideline, Patient { screening, ..fleischner }), Why::NoScreening);
        }
    }
    let screened = patient(LungRads2022, None);
    for (age, expected) in [(49, false), (50, true), (80, true), (81, false)] {
        let advised = advise(LungRads2022, &Patient { age_years: Some(age), ..screened }, &lesions);
        assert_eq!(!advised.advice.is_empty(), expected, "{age}");
    }
}

#[test]
fn what_was_not_told_of_the_history_is_said_beside_the_advice() {
    let untold = Patient { immunosuppressed: None, ..patient(Fleischner2017, Some(true)) };
    let advised = advise(Fleischner2017, &untold, &[nodule(1, Solid, 7.0, 7.0)]);
    assert_eq!(rules(&advised), ["solid.single.6-8.high"]);
    assert_eq!(whys(&advised), [(Why::HistoryUnknown, &[][..])]);
}

#[test]
fn the_most_suspicious_nodule_guides() {
    let screened = patient(LungRads2022, None);
    let lesions =
        [nodule(1, GroundGlass, 20.0, 20.0), nodule(2, Solid, 6.5, 6.5), nodule(3, Solid, 7.5, 7.5)];
    let advised = advise(LungRads2022, &screened, &lesions);
    assert_eq!(rules(&advised), ["solid.baseline.6-8"]);
    assert_eq!(advised.advice[0].findings, [2, 3]);

    // A single solid and a single ground-glass nodule that ask for the same: both are said.
    let lesions = [nodule(1, Solid, 7.0, 7.0), nodule(2, GroundGlass, 7.0, 7.0)];
    let advised = advise(Fleischner2017, &patient(Fleischner2017, Some(true)), &lesions);
    assert_eq!(rules(&advised), ["solid.single.6-8.high", "ground-glass.single.6-up"]);
}

#[test]
fn lesions_of_other_organs_are_none_of_its_business() {
    let liver = Lesion { what: What::LiverLesion, organ: Some(Organ::Liver), ..nodule(1, Solid, 20.0, 20.0) };
    let advised = advise(Fleischner2017, &Patient::default(), &[liver]);
    assert_eq!((advised.advice, advised.refused), (vec![], vec![]));
}

#[test]
fn a_nodule_that_cannot_be_judged_is_named_and_holds_milder_advice_back() {
    let unknown = Lesion { density: None, ..nodule(2, Solid, 7.0, 7.0) };
    let healthy = patient(Fleischner2017, Some(false));
    let advised = advise(Fleischner2017, &healthy, &[nodule(1, Solid, 4.0, 4.0), unknown.clone()]);
    assert_eq!(advised.advice, []);
    assert_eq!(whys(&advised), [(Why::DensityUnknown, &[2][..]), (Why::Withheld, &[2][..])]);

    // A small one can be no worse than another that was judged, whatever its density.
    let small = Lesion { density: None, ..nodule(2, Solid, 4.0, 4.0) };
    let advised = advise(Fleischner2017, &healthy, &[nodule(1, Solid, 7.0, 7.0), small]);
    assert_eq!(rules(&advised), ["solid.single.6-8.low"]);
    assert_eq!(whys(&advised), [(Why::DensityUnknown, &[2][..])]);

    // Nothing is worse than a mass.
    let mass = nodule(2, Solid, 30.1, 20.0);
    let advised = advise(Fleischner2017, &healthy, &[nodule(1, Solid, 12.0, 12.0), mass]);
    assert_eq!(whys(&advised), [(Why::Mass, &[2][..]), (Why::Withheld, &[2][..])]);
}

#[test]
fn tables_for_first_sight_refuse_what_was_seen_before() {
    let cases = [
        (Fleischner2017, followed(Solid, 8.0, 5.0, Some(100), Trend::Grown), Why::Grown),
        (Fleischner2017, followed(Solid, 5.0, 5.0, Some(100), Trend::Unchanged), Why::SeenBefore),
        (Fleischner2017, followed(Solid, 4.0, 6.0, Some(100), Trend::Shrunk), Why::SeenBefore),
        (CLungRads, followed(Solid, 8.0, 5.0, Some(100), Trend::Grown), Why::Grown),
        (CLungRads, new(Solid, 8.0), Why::NoRow),
    ];
    for (guideline, lesion, why) in cases {
        let advised = advise(guideline, &patient(guideline, Some(false)), std::slice::from_ref(&lesion));
        assert_eq!(whys(&advised), [(why, &[1][..])], "{lesion:?}");
    }
    let advised = advise(Fleischner2017, &patient(Fleischner2017, Some(false)), &[new(Solid, 8.0)]);
    assert_eq!(rules(&advised), ["solid.single.6-8.low"]);
    let same = followed(Solid, 8.0, 8.0, Some(100), Trend::Unchanged);
    assert_eq!(rules(&advise(CLungRads, &patient(CLungRads, None), &[same])), ["solid.6-10"]);
}

#[test]
fn with_a_prior_what_could_not_be_compared_is_not_called_seen_first() {
    for guideline in [Fleischner2017, LungRads2022, CLungRads] {
        let of = |density, has_prior| {
            let lesions = [nodule(1, density, 5.0, 5.0)];
            guideline::advise(guideline, &patient(guideline, Some(false)), &lesions, has_prior)
        };
        assert_eq!(of(Solid, false).refused, []);
        assert_eq!(whys(&of(Solid, true)), [(Why::NotCompared, &[1][..])]);
    }
    // Of small ground-glass nodules Lung-RADS does not ask what they were.
    let lesions = [nodule(1, GroundGlass, 5.0, 5.0)];
    let advised = guideline::advise(LungRads2022, &patient(LungRads2022, None), &lesions, true);
    assert_eq!(rules(&advised), ["ground-glass.under-30"]);
}

/// What each advice reads, in English and in Chinese.
#[test]
fn advice_reads_as_a_radiologist_would_write_it() {
    let read = |guideline, high_risk, lesions: &[Lesion]| {
        let advised = advise(guideline, &patient(guideline, high_risk), lesions);
        let texts =
            |language| -> Vec<String> { advised.advice.iter().map(|advice| advice.text(language)).collect() };
        (texts(Language::English).join(" "), texts(Language::Chinese).join(" "))
    };
    let one = |density, mm| vec![nodule(1, density, mm, mm)];
    let cases = [
        (
            read(Fleischner2017, None, &one(Solid, 5.0)),
            "Finding 1, at low risk of lung cancer: no routine follow-up (Fleischner 2017). Finding 1, at high \
             risk of lung cancer: optional CT in 12 months (Fleischner 2017).",
            "病灶 1（肺癌低风险者）：无需常规随访（Fleischner 2017）。 病灶 1（肺癌高风险者）：可选择 12 个月后\
             复查 CT（Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, Some(false), &one(Solid, 7.0)),
            "Finding 1, at low risk of lung cancer: CT in 6 to 12 months; if unchanged, then consider CT in 18 \
             to 24 months (Fleischner 2017).",
            "病灶 1（肺癌低风险者）：建议 6 至 12 个月后复查 CT；若无变化，此后可考虑 18 至 24 个月后复查 CT\
             （Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, Some(true), &one(Solid, 9.0)),
            "Finding 1: consider CT in 3 months, PET-CT or tissue sampling (Fleischner 2017).",
            "病灶 1：可考虑 3 个月后复查 CT、行 PET-CT 检查或组织取样（Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, Some(true), &one(GroundGlass, 9.0)),
            "Finding 1: CT in 6 to 12 months; if it persists, then CT every 2 years until 5 years \
             (Fleischner 2017).",
            "病灶 1：建议 6 至 12 个月后复查 CT；若持续存在，此后每 2 年复查 CT，直至满 5 年\
             （Fleischner 2017）。",
        ),
        (
            read(
                Fleischner2017,
                Some(true),
                &[nodule(1, GroundGlass, 5.0, 5.0), nodule(2, PartSolid, 5.0, 5.0)],
            ),
            "Findings 1 and 2: CT in 3 to 6 months; if unchanged, consider CT at 2 and 4 years \
             (Fleischner 2017).",
            "病灶 1、2：建议 3 至 6 个月后复查 CT；若无变化，可考虑于 2 年和 4 年时复查 CT\
             （Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, None, &[part_solid(1, 9.0, [4.0, 3.0])]),
            "Finding 1: CT in 3 to 6 months; if it persists, then CT every year until 5 years \
             (Fleischner 2017).",
            "病灶 1：建议 3 至 6 个月后复查 CT；若持续存在，此后每年复查 CT，直至满 5 年\
             （Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, None, &[part_solid(1, 19.0, [14.0, 13.0])]),
            "Finding 1: PET-CT, tissue sampling or resection (Fleischner 2017).",
            "病灶 1：建议行 PET-CT 检查、组织取样或手术切除（Fleischner 2017）。",
        ),
        (
            read(LungRads2022, None, &one(Solid, 9.0)),
            "Finding 1: low-dose CT in 3 months; PET-CT may be considered (Lung-RADS v2022, category 4A).",
            "病灶 1：建议 3 个月后复查低剂量 CT，可考虑 PET-CT 检查（Lung-RADS v2022，4A 类）。",
        ),
        (
            read(LungRads2022, None, &one(Solid, 20.0)),
            "Finding 1: assessment by a specialist now, with diagnostic CT, PET-CT or tissue sampling as \
             appropriate (Lung-RADS v2022, category 4B).",
            "病灶 1：建议立即由专科医师评估，酌情行诊断性 CT、PET-CT 检查或组织取样（Lung-RADS v2022，4B 类）。",
        ),
        (
            read(CLungRads, None, &(1..=5).map(|n| nodule(n, GroundGlass, 3.0, 3.0)).collect::<Vec<_>>()),
            "Findings 1 to 5: low-dose CT in 12 months (C-Lung-RADS, category 1).",
            "病灶 1 至 5：建议 12 个月后复查低剂量 CT（C-Lung-RADS，1 类）。",
        ),
        (
            read(CLungRads, None, &one(Solid, 12.0)),
            "Finding 1: CT in 3 months; high-resolution CT or PET-CT may be considered (C-Lung-RADS, category \
             3).",
            "病灶 1：建议 3 个月后复查 CT，可考虑高分辨率 CT 或 PET-CT 检查（C-Lung-RADS，3 类）。",
        ),
    ];
    for ((english, chinese), wanted_english, wanted_chinese) in cases {
        assert_eq!(english, wanted_english);
        assert_eq!(chinese, wanted_chinese);
    }
}

#[test]
fn refusals_say_what_is_missing() {
    let unknown = Lesion { density: None, ..nodule(2, Solid, 7.0, 7.0) };
    let lesions = [nodule(1, Solid, 4.0, 4.0), unknown];
    let advised = advise(Fleischner2017, &patient(Fleischner2017, Some(false)), &lesions);
    let texts =
        |language| -> Vec<String> { advised.refused.iter().map(|refusal| refusal.text(language)).collect() };
    assert_eq!(
        texts(Language::English),
        [
            "Fleischner 2017 gives no advice on finding 2: whether it is solid or ground-glass could not be told.",
            "Fleischner 2017 gives no advice on the other findings: finding 2 could not be judged and may need \
         earlier follow-up.",
        ]
    );
    assert_eq!(
        texts(Language::Chinese),
        [
            "病灶 2：无法判定为实性或磨玻璃密度，Fleischner 2017 未给出建议。",
            "病灶 2无法判定，可能需要更早随访，故 Fleischner 2017 对其余病灶亦未给出建议。",
        ]
    );
}

#[test]
fn the_documentation_has_every_row_with_its_source() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/GUIDELINES.md")).unwrap();
    for guideline in [Fleischner2017, LungRads2022, CLungRads] {
        for row in guideline.table() {
            assert!(text.contains(&format!("`{}`", row.id)), "{} is not in docs/GUIDELINES.md", row.id);
            let doi = row.source.split_once("doi:").unwrap().1.split(',').next().unwrap();
            assert!(text.contains(doi), "{doi} is not in docs/GUIDELINES.md");
        }
    }
}

#[test]
fn ages_are_in_no_report() {
    let young = Patient { age_years: Some(29), ..patient(Fleischner2017, None) };
    let advised = advise(Fleischner2017, &young, &[nodule(1, Solid, 7.0, 7.0)]);
    let json = serde_json::to_string(&advised).unwrap();
    assert!(!json.contains("29") && json.contains("\"age\""), "{json}");
    let again: Advised = serde_json::from_str(&json).unwrap();
    assert_eq!(again, advised);
}

/// A finding of the report that this nodule is a part of.
fn finding(lesion: &Lesion) -> Finding {
    let (long_axis_mm, short_axis_mm) = (lesion.long_axis_mm.unwrap(), lesion.short_axis_mm.unwrap());
    Finding {
        number: lesion.number,
        kind: Kind::LungNodule,
        site: Site { organ: Organ::Lung, side: Some(Side::Left) },
        measurements: Measurements {
            centre_lps_mm: Lps::new(1.0, 2.0, 3.0),
            long_axis_mm,
            short_axis_mm,
            max_diameter_3d_mm: long_axis_mm,
            volume_mm3: 321.0,
            voxels: 100,
            mean_hu: -12.0,
            min_hu: -120.0,
            max_hu: 60.0,
            sd_hu: 20.0,
            slice: 41,
            long_axis_ij: [[0.0; 2]; 2],
            short_axis_ij: [[0.0; 2]; 2],
            outline_ij: Vec::new(),
        },
        density: lesion.density,
        solid_part: None,
        change: lesion.change.clone(),
        confidence: 0.9,
        model: "made-up".to_owned(),
        sop_instance_uid: Uid::derived(&["slice"]),
        tracking_uid: Uid::derived(&["lesion"]),
        critical: false,
        mask: Mask::default(),
    }
}

#[test]
fn every_advice_and_every_refusal_of_a_patient_passes_the_check_of_words() {
    let mut lesions: Vec<(Guideline, Vec<Lesion>)> = Vec::new();
    for &(density, several, mm, ..) in FLEISCHNER {
        lesions.push((
            Fleischner2017,
            (1..=1 + usize::from(several)).map(|n| nodule(n, density, mm, mm)).collect(),
        ));
    }
    lesions.extend(PART_SOLID.iter().map(|case| (case.0, vec![part_solid(1, case.2, [case.3; 2])])));
    lesions.extend(BASELINE.iter().map(|case| (case.0, vec![nodule(1, case.1, case.2, case.2)])));
    let examined = [Examined {
        organ: Organ::Lung,
        kind: Kind::LungNodule,
        organ_found: true,
        organ_volume_ml: Some(4321.0),
        model: "made-up".to_owned(),
    }];
    for (guideline, lesions) in lesions {
        let healthy = patient(guideline, None);
        for patient in [healthy, Patient { age_years: Some(20), screening: None, ..healthy }] {
            let advised = advise(guideline, &patient, &lesions);
            let findings: Vec<Finding> = lesions.iter().map(finding).collect();
            let facts = Facts {
                modality: "CT",
                slices: 100,
                spacing_mm: [0.7, 0.7, 1.0],
                findings: &findings,
                examined: &examined,
                compared: None,
                advised: &advised,
                warnings: &[],
            };
            for language in [Language::English, Language::Chinese] {
                let narrative = Narrative::template(language, &facts);
                let verdict = check(&narrative, &Evidence::of(&facts, patient, None));
                // What it says of the other sections is tried elsewhere.
                let of_advice =
                    |fault: &&Fault| fault.place.is_none_or(|place| place.section == Section::Recommendation);
                let faults: Vec<&Fault> = verdict.faults.iter().filter(of_advice).collect();
                assert!(faults.is_empty(), "{faults:?} in {:?}", narrative.recommendation);
            }
        }
    }
}
