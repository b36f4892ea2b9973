//! What the user tells of the patient, for the guideline: it decides whether and how it applies.

use engine::guideline::{Guideline, Patient};
use serde::{Deserialize, Serialize};

/// The guideline to advise by, and what is known of the patient besides the images' header.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct History {
    /// Advise follow-up by this guideline
    #[arg(long, value_enum, value_name = "NAME")]
    guideline: Option<GuidelineName>,

    /// The patient's age at the examination [default: by the header of the images]
    #[arg(long, value_name = "YEARS")]
    age: Option<u16>,

    /// Whether the patient's risk of lung cancer is high (smoking, family, emphysema, fibrosis)
    #[arg(long, value_enum, value_name = "yes|no", default_value_t = Known::Unknown, hide_possible_values = true)]
    high_risk: Known,

    /// Whether the patient is known to have a cancer
    #[arg(
        long,
        value_enum,
        value_name = "yes|no",
        default_value_t = Known::Unknown,
        num_args = 0..=1,
        default_missing_value = "yes",
        hide_possible_values = true
    )]
    known_cancer: Known,

    /// Whether the patient's immune system is suppressed
    #[arg(
        long,
        value_enum,
        value_name = "yes|no",
        default_value_t = Known::Unknown,
        num_args = 0..=1,
        default_missing_value = "yes",
        hide_possible_values = true
    )]
    immunosuppressed: Known,

    /// Whether this examination is a lung cancer screening
    #[arg(
        long,
        value_enum,
        value_name = "yes|no",
        default_value_t = Known::Unknown,
        num_args = 0..=1,
        default_missing_value = "yes",
        hide_possible_values = true
    )]
    screening: Known,
}

/// A published guideline by the name that users write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(crate) enum GuidelineName {
    /// Incidental nodules (Fleischner Society, 2017)
    #[value(name = "fleischner-2017")]
    #[serde(rename = "fleischner-2017")]
    Fleischner2017,
    /// Screening (American College of Radiology, 2022)
    #[value(name = "lung-rads-2022")]
    #[serde(rename = "lung-rads-2022")]
    LungRads2022,
    /// Screening in China (2024)
    #[value(name = "c-lung-rads")]
    #[serde(rename = "c-lung-rads")]
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
        self.guideline.map(Guideline::from)
    }

    /// What was told of the patient; the sex is the header's.
    pub(crate) fn patient(self) -> Patient {
        Patient {
            sex: None,
            age_years: self.age,
            high_risk: self.high_risk.answer(),
            known_cancer: self.known_cancer.answer(),
            immunosuppressed: self.immunosuppressed.answer(),
            screening: self.screening.answer(),
        }
    }
}

impl GuidelineName {
    /// What is known of a patient whom a node's rule gives to this guideline: a rule that names a screening
    /// guideline is about screening.
    pub(crate) fn patient(self) -> Patient {
        let screening = match self {
            Self::Fleischner2017 => None,
            Self::LungRads2022 | Self::CLungRads => Some(true),
        };
        Patient { screening, ..Patient::default() }
    }
}

/// As it is written in the configuration.
impl std::fmt::Display for GuidelineName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fleischner2017 => "fleischner-2017",
            Self::LungRads2022 => "lung-rads-2022",
            Self::CLungRads => "c-lung-rads",
        })
    }
}

impl From<GuidelineName> for Guideline {
    fn from(name: GuidelineName) -> Self {
        match name {
            GuidelineName::Fleischner2017 => Self::Fleischner2017,
            GuidelineName::LungRads2022 => Self::LungRads2022,
            GuidelineName::CLungRads => Self::CLungRads,
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        history: History,
    }

    fn told(arguments: &[&str]) -> History {
        let arguments = std::iter::once(&"foci").chain(arguments);
        Command::try_parse_from(arguments).unwrap().history
    }

    #[test]
    fn what_was_not_told_is_not_known() {
        assert_eq!(told(&[]).guideline(), None);
        assert_eq!(told(&[]).patient(), Patient::default());
    }

    #[test]
    fn a_flag_says_yes_and_a_value_says_either() {
        let history = told(&[
            "--guideline=fleischner-2017",
            "--age=63",
            "--high-risk=no",
            "--known-cancer",
            "--immunosuppressed=no",
            "--screening=unknown",
        ]);
        assert_eq!(history.guideline(), Some(Guideline::Fleischner2017));
        let patient = Patient {
            sex: None,
            age_years: Some(63),
            high_risk: Some(false),
            known_cancer: Some(true),
            immunosuppressed: Some(false),
            screening: None,
        };
        assert_eq!(history.patient(), patient);
    }
}
