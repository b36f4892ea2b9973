//! Examinations as an analysis might have found them: what reports are then written about.

use dicom_io::{Lps, Uid};
use engine::guideline::{Advised, Guideline, Patient, Sex, advise};
use engine::narrative::Facts;
use engine::report::Examined;
use engine::track::{Alignment, Change, Compared, Resolved, Trend};
use engine::{
    Density, Evidence, Finding, Kind, Language, Mask, Measurements, Narrative, Organ, Side, Site, evidence,
};

use crate::seeded::Seeded;

/// One examination and all that is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) modality: &'static str,
    pub(crate) contrast: Option<bool>,
    pub(crate) slices: usize,
    pub(crate) spacing_mm: [f64; 3],
    pub(crate) patient: Patient,
    pub(crate) findings: Vec<Finding>,
    pub(crate) examined: Vec<Examined>,
    pub(crate) compared: Option<Compared>,
    pub(crate) advised: Advised,
    pub(crate) warnings: Vec<String>,
}

impl Case {
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            modality: self.modality,
            slices: self.slices,
            spacing_mm: self.spacing_mm,
            findings: &self.findings,
            examined: &self.examined,
            compared: self.compared.as_ref(),
            advised: &self.advised,
            warnings: &self.warnings,
        }
    }

    pub(crate) fn evidence(&self) -> Evidence {
        Evidence::of(&self.facts(), self.patient, self.contrast)
    }

    pub(crate) fn template(&self, language: Language) -> Narrative {
        Narrative::template(language, &self.facts())
    }

    /// The finding with this number.
    pub(crate) fn finding(&self, number: usize) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.number == number)
    }

    /// The findings in `organ`, in the order of the report.
    pub(crate) fn of(&self, organ: Organ) -> Vec<&Finding> {
        self.findings.iter().filter(|finding| finding.site.organ == organ).collect()
    }

    /// Whether `organ` was looked at and found in the images.
    pub(crate) fn assessed(&self, organ: Organ) -> bool {
        self.examined.iter().any(|examined| examined.organ == organ && examined.organ_found)
    }

    /// Whether `organ` was looked for and not found in the images.
    pub(crate) fn not_found(&self, organ: Organ) -> bool {
        self.examined.iter().any(|examined| examined.organ == organ && !examined.organ_found)
    }

    /// Gives findings and advice what follows from the rest.
    pub(crate) fn complete(mut self, guideline: Option<Guideline>) -> Self {
        self.findings.sort_by(|a, b| {
            let organ = |finding: &Finding| finding.site.organ as usize;
            let size = |finding: &Finding| finding.measurements.long_axis_mm;
            organ(a).cmp(&organ(b)).then(size(b).total_cmp(&size(a)))
        });
        for (number, finding) in (1..).zip(&mut self.findings) {
            finding.number = number;
        }
        let lesions: Vec<evidence::Lesion> = self.findings.iter().map(evidence::Lesion::of).collect();
        if let Some(guideline) = guideline {
            self.advised = advise(guideline, &self.patient, &lesions, self.compared.is_some());
        }
        self
    }

    /// An examination of the chest or abdomen, another one for each seed.
    pub(crate) fn seeded(seed: u64) -> Self {
        let random = &mut Seeded::new(seed);
        let magnetic = random.chance(8);
        let slices = random.within(120, 420) as usize;
        let nodules = if magnetic || random.chance(12) { 0 } else { 1 + random.below(4) };
        let lesions = if random.chance(if magnetic { 90 } else { 45 }) { 1 + random.below(2) } else { 0 };
        let lungs = nodules > 0 || (!magnetic && random.chance(60));
        let liver = lesions > 0 || !lungs || random.chance(50);
        let compared = random.chance(40).then(|| seeded_comparison(random, lungs, liver));

        let mut sizes = Vec::new();
        let mut findings = Vec::new();
        for at in 0..nodules + lesions {
            let kind = if at < nodules { Kind::LungNodule } else { Kind::LiverLesion };
            let mut finding = seeded_finding(random, kind, slices, &mut sizes);
            if let Some(compared) = &compared
                && random.chance(85)
            {
                finding.change = Some(seeded_change(random, &finding, compared.days));
            }
            findings.push(finding);
        }
        // One finding in so many is critical, as the cards of the models would have it by size.
        for finding in &mut findings {
            finding.critical = finding.measurements.long_axis_mm > 30.0;
        }

        let mut examined = Vec::new();
        if lungs {
            examined.push(looked_at(Organ::Lung, true, None));
        }
        if liver {
            let found = lesions > 0 || random.chance(70);
            let volume = (found && random.chance(60)).then(|| random.real(900.0, 2100.0));
            examined.push(looked_at(Organ::Liver, found, volume));
        }
        let patient = Patient {
            sex: random.pick(&[None, Some(Sex::Female), Some(Sex::Male)]),
            age_years: random.pick(&[None, Some(28), Some(55), Some(62), Some(71)]),
            high_risk: random.pick(&[None, Some(true), Some(false)]),
            known_cancer: random.pick(&[None, Some(false), Some(false)]),
            immunosuppressed: random.pick(&[None, Some(false), Some(false)]),
            screening: random.pick(&[None, Some(true), Some(false)]),
        };
        let guideline = random.pick(&[
            None,
            Some(Guideline::Fleischner2017),
            Some(Guideline::Fleischner2017),
            Some(Guideline::LungRads2022),
            Some(Guideline::CLungRads),
        ]);
        let warnings = match random.below(5) {
            0 => vec!["the distance between slices varies by 3 %".to_owned()],
            _ => Vec::new(),
        };
        Self {
            modality: if magnetic { "MR" } else { "CT" },
            contrast: random.pick(&[None, Some(true), Some(false)]),
            slices,
            spacing_mm: [random.real(0.55, 0.98), 0.0, random.pick(&[1.0, 1.25, 2.5])],
            patient,
            findings,
            examined,
            compared,
            advised: Advised::default(),
            warnings,
        }
        .square()
        .complete(guideline)
    }

    /// Pixels are as high as they are wide.
    fn square(mut self) -> Self {
        self.spacing_mm[1] = self.spacing_mm[0];
        self
    }
}

/// One organ that was looked at.
pub(crate) fn looked_at(organ: Organ, organ_found: bool, organ_volume_ml: Option<f64>) -> Examined {
    let kind = match organ {
        Organ::Lung => Kind::LungNodule,
        Organ::Liver => Kind::LiverLesion,
    };
    Examined { organ, kind, organ_found, organ_volume_ml, model: "a".into() }
}

/// What the axes, volume and attenuation of a made finding are.
pub(crate) struct Made {
    pub(crate) axes_mm: [f64; 2],
    pub(crate) volume_mm3: f64,
    pub(crate) mean_hu: f64,
    /// Counted from 1.
    pub(crate) slice: usize,
    pub(crate) score: f64,
}

/// A finding with these measurements.
pub(crate) fn finding(kind: Kind, side: Option<Side>, density: Option<Density>, made: &Made) -> Finding {
    let organ = match kind {
        Kind::LungNodule => Organ::Lung,
        Kind::LiverLesion => Organ::Liver,
    };
    let uid = Uid::parse("1.2.3").expect("a UID");
    Finding {
        number: 0,
        kind,
        site: Site { organ, side },
        measurements: Measurements {
            centre_lps_mm: Lps::new(1.0, 2.0, 3.0),
            long_axis_mm: made.axes_mm[0],
            short_axis_mm: made.axes_mm[1],
            max_diameter_3d_mm: made.axes_mm[0] + 1.3,
            volume_mm3: made.volume_mm3,
            voxels: 100,
            mean_hu: made.mean_hu,
            min_hu: made.mean_hu - 77.0,
            max_hu: made.mean_hu + 93.0,
            sd_hu: 27.0,
            slice: made.slice - 1,
            long_axis_ij: [[0.0; 2]; 2],
            short_axis_ij: [[0.0; 2]; 2],
            outline_ij: Vec::new(),
        },
        confidence: made.score,
        model: "a".into(),
        sop_instance_uid: uid.clone(),
        tracking_uid: uid,
        density,
        solid_part: None,
        change: None,
        critical: false,
        mask: Mask::default(),
    }
}

/// A length in millimetres that rounds to tenths, and to tenths of a centimetre, without a doubt, and is none of
/// `taken`.
fn length(random: &mut Seeded, low_mm: i64, high_mm: i64, taken: &mut Vec<i64>) -> f64 {
    let (mut tenths, mut tries) = (low_mm * 10, 0);
    while tries < 300 {
        tenths = random.within(low_mm * 10, high_mm * 10);
        let apart = taken.iter().all(|other| (other - tenths).abs() > 3);
        tries = if tenths % 10 != 5 && tenths % 10 != 0 && apart { 300 } else { tries + 1 };
    }
    taken.push(tenths);
    tenths as f64 / 10.0 + random.real(-0.03, 0.03)
}

fn seeded_finding(random: &mut Seeded, kind: Kind, slices: usize, taken: &mut Vec<i64>) -> Finding {
    let (low, high) = match kind {
        Kind::LungNodule if random.chance(8) => (31, 45),
        Kind::LungNodule => (5, 24),
        Kind::LiverLesion => (9, 60),
    };
    let long = length(random, low, high, taken);
    let short = length(random, (long * 0.6) as i64, long as i64, taken).min(long - 0.4);
    let density = match kind {
        Kind::LiverLesion => None,
        Kind::LungNodule => random.pick(&[
            None,
            Some(Density::Solid),
            Some(Density::Solid),
            Some(Density::PartSolid),
            Some(Density::GroundGlass),
        ]),
    };
    let side = match kind {
        Kind::LiverLesion => None,
        Kind::LungNodule if random.chance(8) => None,
        Kind::LungNodule => Some(random.pick(&[Side::Left, Side::Right])),
    };
    let mean = match (kind, density) {
        (Kind::LungNodule, Some(Density::GroundGlass)) => random.real(-720.0, -480.0),
        (Kind::LungNodule, Some(Density::PartSolid)) => random.real(-450.0, -200.0),
        _ => random.real(-30.0, 88.0),
    };
    let made = Made {
        axes_mm: [long, short],
        volume_mm3: long * short * short * random.real(0.42, 0.55),
        mean_hu: mean,
        slice: 1 + random.below(slices),
        score: random.real(0.3, 0.99),
    };
    finding(kind, side, density, &made)
}

fn seeded_comparison(random: &mut Seeded, lungs: bool, liver: bool) -> Compared {
    let mut resolved = Vec::new();
    if random.chance(25) {
        let kind = if lungs && (!liver || random.chance(60)) { Kind::LungNodule } else { Kind::LiverLesion };
        let site = match kind {
            Kind::LungNodule => Site { organ: Organ::Lung, side: Some(Side::Left) },
            Kind::LiverLesion => Site { organ: Organ::Liver, side: None },
        };
        resolved.push(Resolved {
            kind,
            site,
            tracking_uid: Uid::parse("1.2.9").expect("a UID"),
            prior_long_axis_mm: 4.7,
            prior_short_axis_mm: Some(3.8),
        });
    }
    Compared {
        study_uid: Uid::parse("1.2.7").expect("a UID"),
        series_uid: Uid::parse("1.2.8").expect("a UID"),
        days: random.chance(85).then(|| random.within(28, 800) as u32),
        alignment: Alignment::Images { correlation: 0.93, overlap: 0.97 },
        resolved,
        not_compared: 0,
    }
}

/// What might have become of `finding` since a prior so many days ago.
fn seeded_change(random: &mut Seeded, finding: &Finding, days: Option<u32>) -> Change {
    let trend = random.pick(&[Trend::New, Trend::Grown, Trend::Grown, Trend::Shrunk, Trend::Unchanged]);
    // The axes then, as a share of those now; the volume goes with the cube.
    let share = match trend {
        Trend::New => None,
        Trend::Grown => Some(random.real(0.68, 0.85)),
        Trend::Shrunk => Some(random.real(1.18, 1.4)),
        Trend::Unchanged => Some(random.real(0.98, 1.02)),
    };
    change(finding, trend, share, days)
}

/// The change from a prior in which the axes were `share` of what they are now.
pub(crate) fn change(finding: &Finding, trend: Trend, share: Option<f64>, days: Option<u32>) -> Change {
    let m = &finding.measurements;
    let prior_long = share.map(|share| (m.long_axis_mm * share * 10.0).round() / 10.0 + 0.01);
    let prior_short = share.map(|share| (m.short_axis_mm * share * 10.0).round() / 10.0 + 0.01);
    let volume_change_percent = share.map(|share| ((1.0 / share.powi(3)) - 1.0) * 100.0);
    let moved = matches!(trend, Trend::Grown | Trend::Shrunk);
    let doubling = |percent: f64, days: f64| days * 2.0_f64.ln() / (1.0 + percent / 100.0).ln();
    Change {
        trend,
        prior_long_axis_mm: prior_long,
        prior_short_axis_mm: prior_short,
        prior_volume_mm3: share.map(|share| m.volume_mm3 * share.powi(3)),
        mean_diameter_change_mm: prior_long
            .zip(prior_short)
            .map(|(long, short)| (m.long_axis_mm + m.short_axis_mm - long - short) / 2.0),
        volume_change_percent,
        volume_uncertainty_percent: share.map(|_| 24.0),
        doubling_days: volume_change_percent
            .zip(days)
            .filter(|_| moved)
            .map(|(p, d)| doubling(p, f64::from(d))),
        days,
    }
}
