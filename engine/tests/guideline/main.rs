//! Every row of every guideline's table at, just below and just above its thresholds, by hand; and what is
//! refused.

use engine::Density::{self, PartSolid};
use engine::Organ;
use engine::evidence::{Lesion, What};
use engine::guideline::Guideline::Fleischner2017;
use engine::guideline::{self, Advised, Guideline, Patient, Why};
use engine::track::{Change, Trend};

mod patients;
mod tables;
mod words;

/// A nodule with these axes.
pub(crate) fn nodule(number: usize, density: Density, long: f64, short: f64) -> Lesion {
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
pub(crate) fn part_solid(number: usize, mm: f64, solid_mm: [f64; 2]) -> Lesion {
    Lesion { solid_part_mm: Some(solid_mm), ..nodule(number, PartSolid, mm, mm) }
}

/// The same, round, with a prior of `prior` mm so many days ago.
pub(crate) fn followed(density: Density, now: f64, prior: f64, days: Option<u32>, trend: Trend) -> Lesion {
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

pub(crate) fn new(density: Density, now: f64) -> Lesion {
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
pub(crate) fn patient(guideline: Guideline, high_risk: Option<bool>) -> Patient {
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
pub(crate) fn advise(guideline: Guideline, patient: &Patient, lesions: &[Lesion]) -> Advised {
    let has_prior = lesions.iter().any(|lesion| lesion.change.is_some());
    guideline::advise(guideline, patient, lesions, has_prior)
}

pub(crate) fn rules(advised: &Advised) -> Vec<&str> {
    advised.advice.iter().map(|advice| advice.rule.split_once('.').unwrap().1).collect()
}

pub(crate) fn whys(advised: &Advised) -> Vec<(Why, &[usize])> {
    advised.refused.iter().map(|refusal| (refusal.why, &refusal.findings[..])).collect()
}
