//! Sentences held against one examination that is worked out by hand: three lung nodules and a liver lesion,
//! compared with a prior.

mod chinese;
mod english;
mod template;

use dicom_io::Uid;

use super::{Class, Mode, Section, check, judge};
use crate::evidence::{Evidence, Lesion, What};
use crate::finding::{Density, Kind, Organ, Side, Site};
use crate::guideline::{Advised, Patient, Sex};
use crate::narrative::{Author, Language, Narrative, Sentence};
use crate::report::Examined;
use crate::track::{Change, Compared, Resolved, Trend};

/// Right lung, solid, 12.3 × 9.8 mm, grown from 10.2 × 8.1 mm.
fn evidence() -> Evidence {
    Evidence {
        modality: "CT".into(),
        contrast: Some(false),
        slices: Some(300),
        spacing_mm: Some([0.703, 0.703, 1.25]),
        patient: Patient { sex: Some(Sex::Male), age_years: Some(58), ..Patient::default() },
        lesions: vec![
            lesion(1, Some(Side::Right), Some(Density::Solid), [12.34, 9.81], 712.4, 31.6, 142),
            lesion(2, Some(Side::Left), Some(Density::GroundGlass), [8.42, 6.13], 211.7, -612.2, 88),
            lesion(3, Some(Side::Right), Some(Density::Solid), [5.06, 4.27], 48.3, 12.9, 201),
            Lesion {
                what: What::LiverLesion,
                organ: Some(Organ::Liver),
                ..lesion(4, None, None, [21.55, 17.36], 3456.0, 48.2, 263)
            },
        ],
        examined: vec![
            Examined {
                organ: Organ::Lung,
                kind: Kind::LungNodule,
                organ_found: true,
                organ_volume_ml: None,
                model: "a".into(),
            },
            Examined {
                organ: Organ::Liver,
                kind: Kind::LiverLesion,
                organ_found: true,
                organ_volume_ml: Some(1523.4),
                model: "b".into(),
            },
        ],
        compared: None,
        advised: Advised::default(),
        warnings: vec!["2 slices were missing and were interpolated".into()],
    }
}

fn lesion(
    number: usize,
    side: Option<Side>,
    density: Option<Density>,
    [long, short]: [f64; 2],
    volume_mm3: f64,
    mean_hu: f64,
    slice: usize,
) -> Lesion {
    Lesion {
        number,
        what: What::LungNodule,
        organ: Some(Organ::Lung),
        side,
        lobe: None,
        density,
        solid_part_mm: None,
        long_axis_mm: Some(long),
        short_axis_mm: Some(short),
        max_diameter_3d_mm: Some(long + 0.9),
        volume_mm3: Some(volume_mm3),
        mean_hu: Some(mean_hu),
        sd_hu: Some(17.4),
        range_hu: Some([mean_hu - 60.0, mean_hu + 55.0]),
        slice: Some(slice),
        confidence: Some(0.934 - number as f64 / 50.0),
        critical: false,
        change: None,
    }
}

/// The same with a prior 92 days before: 1 has grown, 2 is new, 3 and 4 are unchanged, and one on the left is gone.
fn followed() -> Evidence {
    let mut evidence = evidence();
    let change = |trend, prior: Option<[f64; 2]>, volume: Option<f64>, percent: Option<f64>| Change {
        trend,
        prior_long_axis_mm: prior.map(|[long, _]| long),
        prior_short_axis_mm: prior.map(|[_, short]| short),
        prior_volume_mm3: volume,
        mean_diameter_change_mm: prior.map(|_| 1.93),
        volume_change_percent: percent,
        volume_uncertainty_percent: Some(25.0),
        doubling_days: percent.filter(|percent| *percent > 25.0).map(|_| 143.2),
        days: Some(92),
    };
    evidence.lesions[0].change = Some(change(Trend::Grown, Some([10.21, 8.08]), Some(456.6), Some(56.0)));
    evidence.lesions[1].change = Some(change(Trend::New, None, None, None));
    evidence.lesions[2].change = Some(change(Trend::Unchanged, Some([5.11, 4.2]), Some(47.0), Some(2.8)));
    evidence.lesions[3].change = Some(change(Trend::Unchanged, Some([21.2, 17.5]), Some(3400.0), Some(1.6)));
    evidence.compared = Some(Compared {
        study_uid: Uid::derived(&["prior"]),
        series_uid: Uid::derived(&["prior", "series"]),
        days: Some(92),
        alignment: crate::track::Alignment::FrameOfReference,
        resolved: vec![Resolved {
            kind: Kind::LungNodule,
            site: Site { organ: Organ::Lung, side: Some(Side::Left) },
            tracking_uid: Uid::derived(&["gone"]),
            prior_long_axis_mm: 6.24,
            prior_short_axis_mm: Some(5.05),
        }],
        not_compared: 0,
    });
    evidence
}

fn sentence(text: &str, findings: &[usize]) -> Sentence {
    Sentence { text: text.into(), evidence: findings.to_vec(), rules: Vec::new(), author: Author::Model }
}

/// The faults of one sentence among the findings.
fn faults(language: Language, evidence: &Evidence, findings: &[usize], text: &str) -> Vec<super::Fault> {
    let narrative = Narrative {
        language,
        findings: vec![sentence(text, findings)],
        impression: Vec::new(),
        recommendation: Vec::new(),
        patient_version: Vec::new(),
        worklist: String::new(),
    };
    let place = super::Place { section: Section::Findings, sentence: 0 };
    check(&narrative, evidence).of(place).cloned().collect()
}

#[track_caller]
fn right(language: Language, evidence: &Evidence, cases: &[(&[usize], &str)]) {
    let mut wrong = 0;
    for (findings, text) in cases {
        let faults = faults(language, evidence, findings, text);
        if !faults.is_empty() {
            wrong += 1;
            eprintln!("{text}");
            faults.iter().for_each(|f| eprintln!("    {} {:?}: {}", f.class, f.found, f.expected));
        }
    }
    assert_eq!(wrong, 0, "of {} right sentences are called wrong", cases.len());
}

#[track_caller]
fn wrong(language: Language, evidence: &Evidence, cases: &[(Class, &[usize], &str)]) {
    let mut missed = 0;
    for (class, findings, text) in cases {
        let faults = faults(language, evidence, findings, text);
        if !faults.iter().any(|fault| fault.class == *class) {
            missed += 1;
            eprintln!("{class}: {text}");
            faults.iter().for_each(|f| eprintln!("    {} {:?}: {}", f.class, f.found, f.expected));
        }
    }
    assert_eq!(missed, 0, "of {} wrong sentences are taken or called otherwise", cases.len());
}
