//! What the user tells of the patient, for the guideline: it decides whether and how it applies.

use engine::guideline::{Guideline, Patient};

/// The guideline to advise by, and what is known of the patient besides the images' header.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct History {
    /// Advise follow-up by this guideline
    #[arg(long, value_enum, value_name = "NAME")]
    guideline: Option<Name>,

    /// Whether the patient's risk of lung cancer is high (smoking, family, emphysema, fibrosis)
    #[arg(long, value_enum, default_value_t = Known::Unknown)]
    high_risk: Known,

    /// Whether the patient is known to have a cancer
    #[arg(long, value_enum, default_value_t = Known::Unknown, num_args = 0..=1, default_missing_value = "yes")]
    known_cancer: Known,

    /// Whether the patient's immune system is suppressed
    #[arg(long, value_enum, default_value_t = Known::Unknown, num_args = 0..=1, default_missing_value = "yes")]
    immunosuppressed: Known,

    /// Whether this examination is a lung cancer screening
    #[arg(long, value_enum, default_value_t = Known::Unknown, num_args = 0..=1, default_missing_value = "yes")]
    screening: Known,
}

/// A published guideline by the name that users write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// Incidental nodules (Fleischner Society, 2017)
    #[value(name = "fleischner-2017")]
    Fleischner2017,
    /// Screening (American College of Radiology, 2022)
    #[value(name = "lung-rads-2022")]
    LungRads2022,
    /// Screening in China (2024)
    #[value(name = "c-lung-rads")]
    CLungRads,
}

/// An answer to a question about the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Known {
    /// It is so
    Yes,
    /// It is not so
    No,
    /// Nobody has told
    Unknown,
}

impl History {
    /// The guideline that was asked for.
    pub(crate) fn guideline(self) -> Option<Guideline> {
        self.guideline.map(|name| match name {
            Name::Fleischner2017 => Guideline::Fleischner2017,
            Name::LungRads2022 => Guideline::LungRads2022,
            Name::CLungRads => Guideline::CLungRads,
        })
    }

    /// What was told of the patient; sex and age are the header's.
    pub(crate) fn patient(self) -> Patient {
        Patient {
            sex: None,
            age_years: None,
            high_risk: self.high_risk.answer(),
            known_cancer: self.known_cancer.answer(),
            immunosuppressed: self.immunosuppressed.answer(),
            screening: self.screening.answer(),
        }
    }
}

impl Known {
    fn answer(self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::No => Some(false),
            Self::Unknown => None,
        }
    }
}
