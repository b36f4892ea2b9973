//! Follow-up by published guidelines: tables of rules with their source, driven by measurements.
//!
//! A rule fires or it does not; nobody's judgement is in it, and no language model comes near. Where a
//! guideline does not apply to the patient, or something that it asks for is not known, it says so rather
//! than guess. `docs/GUIDELINES.md` prints the tables and tells what was left out and why.
//!
//! The tables are in `guideline/`, a file for each guideline; `judge.rs` finds the row of a nodule, `text.rs`
//! says it.

mod c_lung_rads;
mod fleischner;
mod judge;
mod lung_rads;
mod table;
mod text;

use dicom_io::Source;
use serde::{Deserialize, Serialize};

pub use dicom_io::Sex;
pub use judge::advise;
pub use table::{Row, Seen, Size};

/// A published guideline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guideline {
    /// Incidental nodules: MacMahon et al., Radiology 2017;284:228-243.
    #[serde(rename = "fleischner-2017")]
    Fleischner2017,
    /// Screening: American College of Radiology, Lung-RADS v2022.
    #[serde(rename = "lung-rads-2022")]
    LungRads2022,
    /// Screening in China: C-Lung-RADS, Nature Medicine 2024;30:3184-3195.
    CLungRads,
}

impl Guideline {
    /// Its table, row by row.
    pub fn table(self) -> &'static [Row] {
        match self {
            Self::Fleischner2017 => fleischner::TABLE,
            Self::LungRads2022 => lung_rads::TABLE,
            Self::CLungRads => c_lung_rads::TABLE,
        }
    }

    /// How people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fleischner2017 => "Fleischner 2017",
            Self::LungRads2022 => "Lung-RADS v2022",
            Self::CLungRads => "C-Lung-RADS",
        }
    }
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
    /// What it advises. The most suspicious nodule guides, so this is one advice, or one for low and one for
    /// high risk where the risk is not known.
    pub advice: Vec<Advice>,
    /// Why it does not apply, or what it could not judge.
    pub refused: Vec<Refusal>,
}

/// One advice of a guideline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// The guideline that gives it.
    pub guideline: Guideline,
    /// The row of the table: `fleischner-2017.solid.single.6-8.low`.
    pub rule: String,
    /// The findings (by number) that it is about: the most suspicious ones, which guide the follow-up of all.
    pub findings: Vec<usize>,
    /// The risk of lung cancer that it is for, where the guideline tells risks apart.
    pub risk: Option<Risk>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Next {
    /// What to do.
    pub action: Action,
    /// When, in months from this examination: earliest and latest.
    pub months: Option<[u16; 2]>,
    /// Again and again, so many months apart, from the earliest to the latest; `None`: once.
    pub every_months: Option<u16>,
}

/// The risk of lung cancer as guidelines tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// Low.
    Low,
    /// High.
    High,
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
    /// CT; PET-CT may be considered.
    CtMaybePet,
    /// Low-dose CT, for screening.
    LowDoseCt,
    /// Low-dose CT; PET-CT may be considered.
    LowDoseCtMaybePet,
    /// Consider CT, PET-CT or tissue sampling.
    CtPetOrTissue,
    /// PET-CT, tissue sampling or resection.
    PetOrTissueOrResection,
    /// A specialist decides now.
    Referral,
}

/// Something that the guideline could not judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The guideline that could not.
    pub guideline: Guideline,
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
    /// It is not for patients with a known cancer or a suppressed immune system, and it was not told whether
    /// the patient is one. What it advises holds if not.
    HistoryUnknown,
    /// Whether the nodule is solid could not be told.
    DensityUnknown,
    /// It goes by the solid part of a part-solid nodule, or by its growth, which was not measured.
    SolidPartUnknown,
    /// Neither diameter nor volume is known.
    SizeUnknown,
    /// It is larger than a nodule, and the guideline is about nodules.
    Mass,
    /// Its table is for nodules seen for the first time, and this one has grown since the prior.
    Grown,
    /// Its table is for nodules seen for the first time, and this one was seen before.
    SeenBefore,
    /// There is a prior, and it could not be compared with it.
    NotCompared,
    /// Whether it has grown as the guideline means it cannot be told from these two examinations.
    GrowthUnclear,
    /// It has not grown; what to do goes by the category that it had at the prior, which is not known.
    PriorCategoryUnknown,
    /// Its table has no row for it.
    NoRow,
    /// What it says of other findings is withheld, because these could not be judged and may need more.
    Withheld,
}
