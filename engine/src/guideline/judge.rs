//! Which row of a table a nodule falls into, and which nodule guides.

use super::table::{Row, Seen, Size};
use super::{Action, Advice, Advised, Guideline, Patient, Refusal, Risk, Why};
use crate::evidence::{Lesion, What};
use crate::finding::Density;
use crate::narrative::rounded;
use crate::track::{Change, Trend};

/// Fleischner 2017 is not for patients younger than this, years (Table 1, heading and footnote).
const FLEISCHNER_YOUNGEST: u16 = 35;

/// Whom lung cancer screening is for, years: US Preventive Services Task Force, JAMA 2021;325:962-970. Lung-RADS
/// itself names no ages.
const SCREENING_AGES: std::ops::RangeInclusive<u16> = 50..=80;

/// What is longer is a mass and no nodule, mm: Hansell et al., Fleischner Society glossary, Radiology
/// 2008;246:697-722.
const LONGEST_NODULE_MM: f64 = 30.0;

/// Growth is a mean diameter larger by more than this within 12 months, tenths of a millimetre: Lung-RADS
/// v2022, note 6.
const GROWTH_TENTHS: i64 = 15;

/// Days of 12 months, leap years included.
const YEAR_DAYS: u32 = 366;

/// More urgent than any row.
const MOST_URGENT: u32 = u32::MAX;

/// What `guideline` says of the lung nodules among `lesions`.
///
/// The most suspicious nodule guides: the advice is that of the rows which ask for most, and names the nodules
/// in them. If a nodule could not be judged and may need more than that, nothing is advised.
///
/// - Sizes are those that the report prints: axes to 0.1 mm, and their mean rounded as the guideline says, half
///   upwards. The volume decides only where an axis is not known.
/// - Several nodules (Fleischner) are several solid ones, or several subsolid ones: the table has a part for
///   each.
/// - Where the risk is not known, there is an advice for each.
/// - With a prior (`has_prior`), a nodule without a change could not be compared: nobody knows whether it is new.
pub fn advise(guideline: Guideline, patient: &Patient, lesions: &[Lesion], has_prior: bool) -> Advised {
    let mut advised = Advised { guideline: Some(guideline), ..Advised::default() };
    let is_nodule = |lesion: &&Lesion| matches!(lesion.what, What::LungNodule | What::LungMass);
    let nodules: Vec<&Lesion> = lesions.iter().filter(is_nodule).collect();
    if nodules.is_empty() {
        return advised;
    }
    if let Some(why) = guideline.not_for(patient) {
        advised.refused.push(Refusal { guideline, findings: Vec::new(), why });
        return advised;
    }

    let judge = Judge { guideline, patient, nodules: &nodules, has_prior };
    let mut judged: Vec<(Vec<&Row>, Vec<usize>)> = Vec::new();
    let mut most = 0;
    let mut unjudged: Vec<(usize, u32)> = Vec::new();
    for nodule in &nodules {
        match judge.rows(nodule) {
            Ok(rows) => {
                most = most.max(urgency(&rows));
                match judged.iter_mut().find(|(known, _)| *known == rows) {
                    Some((_, findings)) => findings.push(nodule.number),
                    None => judged.push((rows, vec![nodule.number])),
                }
            }
            Err(why) => {
                unjudged.push((nodule.number, judge.at_most(nodule, why)));
                match advised.refused.iter_mut().find(|refusal| refusal.why == why) {
                    Some(refusal) => refusal.findings.push(nodule.number),
                    None => advised.refused.push(Refusal { guideline, findings: vec![nodule.number], why }),
                }
            }
        }
    }
    if judged.is_empty() {
        return advised;
    }
    let worse = unjudged.iter().filter(|(_, at_most)| *at_most > most).map(|(number, _)| *number);
    let findings: Vec<usize> = worse.collect();
    if !findings.is_empty() {
        advised.refused.push(Refusal { guideline, findings, why: Why::Withheld });
        return advised;
    }

    for (rows, findings) in judged.into_iter().filter(|(rows, _)| urgency(rows) == most) {
        advised.advice.extend(rows.into_iter().map(|row| Advice::of(guideline, row, &findings)));
    }
    let untold = patient.known_cancer.is_none() || patient.immunosuppressed.is_none();
    if guideline == Guideline::Fleischner2017 && untold {
        advised.refused.push(Refusal { guideline, findings: Vec::new(), why: Why::HistoryUnknown });
    }
    advised
}

impl Guideline {
    /// Why it is not for `patient`; `None` if it is.
    fn not_for(self, patient: &Patient) -> Option<Why> {
        let age = patient.age_years;
        match self {
            Self::Fleischner2017 if patient.screening == Some(true) => Some(Why::Screening),
            Self::Fleischner2017 if patient.known_cancer == Some(true) => Some(Why::KnownCancer),
            Self::Fleischner2017 if patient.immunosuppressed == Some(true) => Some(Why::Immunosuppressed),
            Self::Fleischner2017 => match age {
                None => Some(Why::AgeUnknown),
                Some(age) => (age < FLEISCHNER_YOUNGEST).then_some(Why::Age),
            },
            Self::LungRads2022 | Self::CLungRads if patient.screening != Some(true) => Some(Why::NoScreening),
            // Whoever says that it is screening has seen to the age; a header that contradicts is heard.
            Self::LungRads2022 => age.is_some_and(|age| !SCREENING_AGES.contains(&age)).then_some(Why::Age),
            Self::CLungRads => None,
        }
    }

    /// The size of a solid part in tenths of a millimetre, rounded as the guideline says: for Fleischner its
    /// longest diameter, for the others the mean of both, which is what their volumes belong to.
    fn part_tenths(self, [long_mm, short_mm]: [f64; 2]) -> Option<u32> {
        match self {
            Self::Fleischner2017 => self.mean_tenths(long_mm, long_mm),
            Self::LungRads2022 | Self::CLungRads => self.mean_tenths(long_mm, short_mm),
        }
    }

    /// The mean of two axes in tenths of a millimetre, rounded as the guideline says.
    fn mean_tenths(self, long_mm: f64, short_mm: f64) -> Option<u32> {
        let sum = tenths(long_mm)? + tenths(short_mm)?;
        Some(match self {
            Self::Fleischner2017 => (sum + 10) / 20 * 10,
            Self::LungRads2022 | Self::CLungRads => sum.div_ceil(2),
        })
    }
}

/// A guideline at work on the nodules of one examination.
struct Judge<'a> {
    guideline: Guideline,
    patient: &'a Patient,
    nodules: &'a [&'a Lesion],
    has_prior: bool,
}

/// What of a nodule's looks decides, besides its past.
#[derive(Clone, Copy)]
struct Looks {
    density: Density,
    size: Measured,
    /// Of a part-solid nodule, tenths of a millimetre; `None` where it was not measured.
    solid_part: Option<u32>,
    /// Whether there are more like it.
    several: bool,
}

/// A nodule's mean diameter in tenths of a millimetre, or its volume in mm3 where an axis is not known.
#[derive(Clone, Copy)]
enum Measured {
    Tenths(u32),
    Volume(u32),
}

impl Judge<'_> {
    /// The rows that `nodule` falls into: one, or one for each risk.
    fn rows(&self, nodule: &Lesion) -> Result<Vec<&'static Row>, Why> {
        let is_mass = nodule.what == What::LungMass
            || nodule.long_axis_mm.is_some_and(|long_mm| long_mm > LONGEST_NODULE_MM);
        if self.guideline == Guideline::Fleischner2017 && is_mass {
            return Err(Why::Mass);
        }
        let density = nodule.density.ok_or(Why::DensityUnknown)?;
        let looks = Looks {
            density,
            size: self.size(nodule).ok_or(Why::SizeUnknown)?,
            solid_part: nodule.solid_part_mm.and_then(|axes| self.guideline.part_tenths(axes)),
            several: self.several(density),
        };
        match self.guideline {
            Guideline::Fleischner2017 | Guideline::CLungRads => {
                self.first_seen(nodule.change.as_ref())?;
                self.find(looks, None)
            }
            // Of some rows the past does not matter.
            Guideline::LungRads2022 => self.find(looks, None).or_else(|_| {
                let Some(change) = &nodule.change else {
                    self.first_seen(None)?;
                    return self.find(looks, Some(Seen::Baseline));
                };
                match self.seen(nodule, change)? {
                    Seen::Stable => self.stable(looks, change),
                    seen => self.find(looks, Some(seen)),
                }
            }),
        }
    }

    /// The rows for a nodule that looks so and has this past.
    fn find(&self, looks: Looks, seen: Option<Seen>) -> Result<Vec<&'static Row>, Why> {
        let risk = self.patient.high_risk.map(|high| if high { Risk::High } else { Risk::Low });
        let part_fits = |size: Size| looks.solid_part.is_some_and(|tenths| size.holds_tenths(tenths));
        let fits = |row: &&Row| {
            row.densities.contains(&looks.density)
                && row.several.is_none_or(|wanted| wanted == looks.several)
                && row.seen == seen
                && row.risk.is_none_or(|of| risk.is_none_or(|risk| risk == of))
                && row.solid_part.is_none_or(part_fits)
                && match looks.size {
                    Measured::Tenths(tenths) => row.size.holds_tenths(tenths),
                    Measured::Volume(mm3) => row.size.holds_volume(mm3) == Some(true),
                }
        };
        let rows: Vec<&'static Row> = self.guideline.table().iter().filter(fits).collect();
        match rows.is_empty() {
            false => Ok(rows),
            true if looks.density == Density::PartSolid => Err(Why::SolidPartUnknown),
            true => Err(Why::NoRow),
        }
    }

    fn size(&self, nodule: &Lesion) -> Option<Measured> {
        let mean = || self.guideline.mean_tenths(nodule.long_axis_mm?, nodule.short_axis_mm?);
        let volume = || {
            let mm3 = nodule.volume_mm3.filter(|mm3| (0.0..1e9).contains(mm3))?;
            Some(Measured::Volume(mm3.round() as u32))
        };
        mean().map(Measured::Tenths).or_else(volume)
    }

    /// Whether there is more than one nodule, of the solid ones or of the subsolid ones.
    fn several(&self, density: Density) -> bool {
        let is_solid = |density| density == Density::Solid;
        let same = |nodule: &&&Lesion| nodule.density.map(is_solid) == Some(is_solid(density));
        self.nodules.iter().filter(same).count() > 1
    }

    /// Refuses what a table for nodules seen for the first time does not cover.
    fn first_seen(&self, change: Option<&Change>) -> Result<(), Why> {
        match (self.guideline, change.map(|change| change.trend)) {
            (_, None) if self.has_prior => Err(Why::NotCompared),
            (_, None) | (Guideline::Fleischner2017, Some(Trend::New)) => Ok(()),
            (Guideline::CLungRads, Some(Trend::Unchanged | Trend::Shrunk)) => Ok(()),
            (_, Some(Trend::Grown)) => Err(Why::Grown),
            (_, Some(Trend::New)) => Err(Why::NoRow),
            (_, Some(Trend::Unchanged | Trend::Shrunk)) => Err(Why::SeenBefore),
        }
    }

    /// A nodule's past as Lung-RADS means it.
    fn seen(&self, nodule: &Lesion, change: &Change) -> Result<Seen, Why> {
        if change.trend == Trend::New {
            return Ok(Seen::New);
        }
        let mean =
            |long: Option<f64>, short: Option<f64>| self.guideline.mean_tenths(long?, short?).map(i64::from);
        let now = mean(nodule.long_axis_mm, nodule.short_axis_mm);
        let then = mean(change.prior_long_axis_mm, change.prior_short_axis_mm);
        let told = || change.mean_diameter_change_mm.map(|mm| (mm * 10.0).round() as i64);
        let larger_by =
            now.zip(then).map(|(now, then)| now - then).or_else(told).ok_or(Why::GrowthUnclear)?;
        if larger_by <= GROWTH_TENTHS {
            return Ok(Seen::Stable);
        }
        // Over several years, if it grew more than that for each of them, then it did so within one of them.
        let years = i64::from(change.days.ok_or(Why::GrowthUnclear)?.div_ceil(YEAR_DAYS).max(1));
        if larger_by > GROWTH_TENTHS * years { Ok(Seen::Growing) } else { Err(Why::GrowthUnclear) }
    }

    /// The row of a nodule that Lung-RADS calls stable.
    ///
    /// A larger size class counts even without growth ("size thresholds", note 7). Otherwise the table steps
    /// down from the category at the prior, which is known only of the smallest.
    fn stable(&self, looks: Looks, change: &Change) -> Result<Vec<&'static Row>, Why> {
        if let Ok(rows) = self.find(looks, Some(Seen::Stable)) {
            return Ok(rows);
        }
        let now = self.find(looks, Some(Seen::Baseline))?;
        let prior = change.prior_long_axis_mm.zip(change.prior_short_axis_mm);
        let prior = prior.and_then(|(long, short)| self.guideline.mean_tenths(long, short));
        let prior = Measured::Tenths(prior.ok_or(Why::PriorCategoryUnknown)?);
        // The solid part at the prior is not known.
        let then = Looks { size: prior, solid_part: None, ..looks };
        let then = self.find(then, Some(Seen::Baseline)).map_err(|_| Why::PriorCategoryUnknown)?;
        let is_small = |rows: &[&Row]| rows.iter().all(|row| row.category == Some("2"));
        let may_tell = urgency(&now) > urgency(&then) || (is_small(&now) && is_small(&then));
        if may_tell { Ok(now) } else { Err(Why::PriorCategoryUnknown) }
    }

    /// The most that a nodule may need which was refused because of `why`.
    fn at_most(&self, nodule: &Lesion, why: Why) -> u32 {
        let with = |density| Lesion { density: Some(density), solid_part_mm: None, ..nodule.clone() };
        match why {
            // What it needs was decided when it was first seen.
            Why::SeenBefore => 0,
            Why::DensityUnknown => [Density::Solid, Density::PartSolid, Density::GroundGlass]
                .map(|density| self.rows(&with(density)).map_or(MOST_URGENT, |rows| urgency(&rows)))
                .into_iter()
                .fold(0, u32::max),
            _ => MOST_URGENT,
        }
    }
}

/// How much the most demanding of `rows` asks for; more is more.
fn urgency(rows: &[&Row]) -> u32 {
    let of = |row: &&Row| match row.action {
        Action::NoFollowUp => 0,
        Action::OptionalCt => 100,
        Action::CtPetOrTissue => 900,
        Action::PetOrTissueOrResection => 950,
        Action::Referral => 1000,
        action => {
            let months = row.months.map_or(0, |[earliest, _]| u32::from(earliest));
            let pet = matches!(action, Action::CtMaybePet | Action::LowDoseCtMaybePet);
            800 - 10 * months.min(60) + u32::from(pet)
        }
    };
    rows.iter().map(of).fold(0, u32::max)
}

/// A length in tenths of a millimetre, as the report prints it; `None` if it is none.
fn tenths(length_mm: f64) -> Option<u32> {
    if !(0.0..1e6).contains(&length_mm) {
        return None;
    }
    let printed: f64 = rounded::millimetres(length_mm).parse().ok()?;
    Some((printed * 10.0).round() as u32)
}

impl Advice {
    /// What `row` says of these findings.
    fn of(guideline: Guideline, row: &Row, findings: &[usize]) -> Self {
        Self {
            guideline,
            rule: row.id.to_owned(),
            findings: findings.to_vec(),
            risk: row.risk,
            category: row.category.map(str::to_owned),
            action: row.action,
            months: row.months,
            then: row.then.map(Box::new),
            source: row.source.to_owned(),
        }
    }
}
