//! Dates as numbers of days, to say how far two of them are apart.

/// The number of the day that `text` (`YYYYMMDD`, value representation DA) names, counted from 1 March of the
/// year 0; `None` if it names none.
pub(crate) fn day(text: &str) -> Option<i64> {
    let [year, month, date] = parts(text)?.map(i64::from);
    let found = count(year, month, date);
    // The 31st of April is no day, though it can be counted.
    (self::text(found) == format!("{year:04}{month:02}{date:02}")).then_some(found)
}

/// Year, month and day of the month as `text` (DA) writes them, whether or not there is such a day; `None` if it is
/// no date.
pub(crate) fn parts(text: &str) -> Option<[u16; 3]> {
    // Versions of the standard before 3.0 wrote YYYY.MM.DD.
    let digits: String = text.trim().chars().filter(|c| *c != '.').collect();
    if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |part: &str| part.parse().ok();
    Some([number(&digits[..4])?, number(&digits[4..6])?, number(&digits[6..])?])
}

/// The date of the day of this number.
pub(crate) fn text(day: i64) -> String {
    let mut year = day.div_euclid(365);
    while count(year, 3, 1) > day {
        year -= 1;
    }
    let rest = day - count(year, 3, 1);
    let month = (5 * rest + 2) / 153;
    let date = rest - (153 * month + 2) / 5 + 1;
    let (month, year) = if month < 10 { (month + 3, year) } else { (month - 9, year + 1) };
    format!("{year:04}{month:02}{date:02}")
}

/// Years begin in March, so that the day that is not in every year is their last.
fn count(year: i64, month: i64, date: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + date
        - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_over_leap_years_and_centuries() {
        let apart = |from: &str, to: &str| day(to).unwrap() - day(from).unwrap();
        assert_eq!(apart("20260101", "20260402"), 91);
        assert_eq!(apart("20240228", "20240301"), 2);
        assert_eq!(apart("20250228", "20250301"), 1);
        assert_eq!(apart("19000228", "19000301"), 1);
        assert_eq!(apart("20000228", "20000301"), 2);
        assert_eq!(apart("20251231", "2026.01.01"), 1);
    }

    #[test]
    fn every_day_leads_back_to_its_date() {
        let first = day("18991231").unwrap();
        for number in first..first + 60_000 {
            assert_eq!(day(&text(number)), Some(number));
        }
    }

    #[test]
    fn what_is_no_date_has_no_number() {
        for wrong in ["", "2026", "20260431", "20261301", "20250229", "2026010a", "20260101-20260201"] {
            assert_eq!(day(wrong), None, "{wrong}");
        }
    }
}
