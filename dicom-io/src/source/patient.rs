//! What of the patient decides which rules apply: sex, age, and whether contrast was given.

use dicom::core::Tag;
use dicom::dictionary_std::tags;
use serde::{Deserialize, Serialize};

use super::Source;
use crate::date;

/// Nobody is older, years; a header that says so is wrong.
const OLDEST: u16 = 125;

/// What people write into Contrast/Bolus Agent where none was given.
const NO_AGENT: [&str; 7] = ["NONE", "NO", "N", "NO CONTRAST", "WITHOUT CONTRAST", "NON-CONTRAST", "无"];

/// The patient's sex, where it is one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sex {
    /// F
    Female,
    /// M
    Male,
}

impl Source {
    /// Patient's Sex; `None` for other or unknown.
    pub fn patient_sex(&self) -> Option<Sex> {
        match self.words(tags::PATIENT_SEX)?.as_str() {
            "F" => Some(Sex::Female),
            "M" => Some(Sex::Male),
            _ => None,
        }
    }

    /// The age at the examination in whole years: Patient's Age, else from birth date and study date.
    ///
    /// "000Y" is no age: that of an infant is written in months, weeks or days (PS3.5 6.2, AS), and
    /// programs that remove identities write it.
    pub fn patient_age_years(&self) -> Option<u16> {
        let told = self.words(tags::PATIENT_AGE).and_then(|text| age(&text));
        let days = || {
            let [born, studied] =
                [tags::PATIENT_BIRTH_DATE, tags::STUDY_DATE].map(|tag| date(&self.words(tag)?));
            years_between(born?, studied?)
        };
        told.or_else(days).filter(|years| *years <= OLDEST)
    }

    /// Whether contrast was given; `None` where the header does not say.
    ///
    /// An absent Contrast/Bolus Agent does not say no: the module is left out by many scanners and gateways.
    pub fn contrast(&self) -> Option<bool> {
        if let Some(agent) = self.words(tags::CONTRAST_BOLUS_AGENT) {
            let agent = agent.to_uppercase();
            return (agent != "UNKNOWN").then(|| !NO_AGENT.contains(&agent.as_str()));
        }
        let items = self.object().get(tags::CONTRAST_BOLUS_AGENT_SEQUENCE)?.items()?;
        (!items.is_empty()).then_some(true)
    }

    /// The value of `tag` as text; `None` if it is empty.
    pub(super) fn words(&self, tag: Tag) -> Option<String> {
        let text = self.object().get(tag)?.to_str().ok()?;
        let text = text.trim_matches(['\0', ' ']);
        (!text.is_empty()).then(|| text.to_owned())
    }
}

/// An Age String in whole years.
fn age(text: &str) -> Option<u16> {
    let count: u16 = text.get(..3)?.parse().ok()?;
    match text.get(3..)? {
        "Y" => (count > 0).then_some(count),
        "M" => Some(count / 12),
        // The mean Gregorian year has 365.2425 days.
        "W" => Some((f64::from(count) * 7.0 / 365.2425) as u16),
        "D" => Some((f64::from(count) / 365.2425) as u16),
        _ => None,
    }
}

/// Year, month and day.
fn date(text: &str) -> Option<[u16; 3]> {
    date::parts(text).filter(|[_, month, day]| (1..=12).contains(month) && (1..=31).contains(day))
}

/// Whole years from `born` to `studied`; `None` if the first is later.
fn years_between(born: [u16; 3], studied: [u16; 3]) -> Option<u16> {
    let years = studied[0].checked_sub(born[0])?;
    if [studied[1], studied[2]] >= [born[1], born[2]] { Some(years) } else { years.checked_sub(1) }
}

#[cfg(test)]
mod tests {
    use dicom::core::VR;

    use super::super::made_of as source;
    use super::*;

    #[test]
    fn the_age_is_what_the_header_says_in_whole_years() {
        let told = |text| source(&[(tags::PATIENT_AGE, VR::AS, text)]).patient_age_years();
        assert_eq!(told("063Y"), Some(63));
        assert_eq!(told("035M"), Some(2));
        assert_eq!(told("104W"), Some(1));
        assert_eq!(told("105W"), Some(2));
        assert_eq!(told("400D"), Some(1));
        for nonsense in ["000Y", "63", "63Y", "999Y", "x63Y", "06é", ""] {
            assert_eq!(told(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn without_an_age_birth_and_study_date_give_it() {
        let dates = |born, studied| {
            let born = (tags::PATIENT_BIRTH_DATE, VR::DA, born);
            source(&[born, (tags::STUDY_DATE, VR::DA, studied)]).patient_age_years()
        };
        assert_eq!(dates("19600510", "20260510"), Some(66));
        assert_eq!(dates("19600511", "20260510"), Some(65));
        assert_eq!(dates("1960.05.11", "20260510"), Some(65));
        assert_eq!(dates("20260511", "20260510"), None);
        assert_eq!(dates("18000101", "20260510"), None);
        assert_eq!(dates("19600010", "20260510"), None);
        assert_eq!(dates("1960日1", "20260510"), None);
        let both = [
            (tags::PATIENT_AGE, VR::AS, "000Y"),
            (tags::PATIENT_BIRTH_DATE, VR::DA, "19600510"),
            (tags::STUDY_DATE, VR::DA, "20260510"),
        ];
        assert_eq!(source(&both).patient_age_years(), Some(66));
    }

    #[test]
    fn a_sex_that_is_neither_is_not_known() {
        let sex = |text| source(&[(tags::PATIENT_SEX, VR::CS, text)]).patient_sex();
        assert_eq!(
            [sex("F"), sex("M "), sex("O"), sex("")],
            [Some(Sex::Female), Some(Sex::Male), None, None]
        );
    }

    #[test]
    fn contrast_is_known_only_where_the_header_names_an_agent_or_its_absence() {
        let agent = |text| source(&[(tags::CONTRAST_BOLUS_AGENT, VR::LO, text)]).contrast();
        assert_eq!(agent("Iohexol 350"), Some(true));
        assert_eq!(agent("None"), Some(false));
        assert_eq!(agent("unknown"), None);
        assert_eq!(agent(""), None);
        assert_eq!(source(&[]).contrast(), None);
    }
}
