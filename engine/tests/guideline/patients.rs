//! Whom and what a guideline is for: sizes, risks, refusals, and which nodule guides.

use engine::Density::{GroundGlass, Solid};
use engine::Organ;
use engine::evidence::{Lesion, What};
use engine::guideline::Guideline::{CLungRads, Fleischner2017, LungRads2022};
use engine::guideline::{self, Patient, Why};
use engine::track::Trend;

use crate::{advise, followed, new, nodule, patient, rules, whys};

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
