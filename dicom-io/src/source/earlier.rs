//! Whether two examinations are of one patient, and how long the one was before the other.

use dicom::dictionary_std::tags;

use super::Source;
use crate::date;

impl Source {
    /// Whether both name the same patient: the same Patient ID, and not two different issuers of it.
    ///
    /// `None` where one of them names none.
    pub fn same_patient(&self, other: &Self) -> Option<bool> {
        let ids = self.words(tags::PATIENT_ID)? == other.words(tags::PATIENT_ID)?;
        let [issuer, others] = [self, other].map(|source| source.words(tags::ISSUER_OF_PATIENT_ID));
        let issuers = issuer.zip(others).is_none_or(|(issuer, other)| issuer == other);
        Some(ids && issuers)
    }

    /// Days from `earlier` to this one by their study dates, less than 0 where that was later; `None` where a
    /// date is missing or none.
    pub fn days_since(&self, earlier: &Self) -> Option<i64> {
        let day = |source: &Self| date::day(&source.words(tags::STUDY_DATE)?);
        Some(day(self)? - day(earlier)?)
    }

    /// Whether the study is of this day (year, month, day of the month); `None` where it does not say.
    pub fn is_of_day(&self, [year, month, day]: [u32; 3]) -> Option<bool> {
        let studied = date::day(&self.words(tags::STUDY_DATE)?)?;
        Some(date::day(&format!("{year:04}{month:02}{day:02}")) == Some(studied))
    }
}

#[cfg(test)]
mod tests {
    use dicom::core::VR;

    use super::super::made_of as source;
    use super::*;

    #[test]
    fn a_patient_is_the_same_by_number_and_issuer() {
        let patient = |id, issuer| {
            source(&[(tags::PATIENT_ID, VR::LO, id), (tags::ISSUER_OF_PATIENT_ID, VR::LO, issuer)])
        };
        assert_eq!(patient("P1", "A").same_patient(&patient("P1 ", "A")), Some(true));
        assert_eq!(patient("P1", "A").same_patient(&patient("P1", "")), Some(true));
        assert_eq!(patient("P1", "A").same_patient(&patient("P1", "B")), Some(false));
        assert_eq!(patient("P1", "A").same_patient(&patient("P2", "A")), Some(false));
        assert_eq!(patient("P1", "A").same_patient(&patient("", "A")), None);
    }

    #[test]
    fn a_study_is_of_its_own_day_and_no_other() {
        let studied = source(&[(tags::STUDY_DATE, VR::DA, "20260402")]);
        assert_eq!(studied.is_of_day([2026, 4, 2]), Some(true));
        assert_eq!(studied.is_of_day([2026, 2, 4]), Some(false));
        assert_eq!(studied.is_of_day([2026, 13, 4]), Some(false));
        assert_eq!(source(&[]).is_of_day([2026, 4, 2]), None);
    }

    #[test]
    fn days_are_those_between_the_study_dates() {
        let studied = |date| source(&[(tags::STUDY_DATE, VR::DA, date)]);
        assert_eq!(studied("20260402").days_since(&studied("20260101")), Some(91));
        assert_eq!(studied("20260101").days_since(&studied("20260402")), Some(-91));
        assert_eq!(studied("20260101").days_since(&studied("")), None);
    }
}
