//! Whether a value of an object is the one that was asked for.
//!
//! Source: DICOM PS3.4 C.2.2.2.

use serde_json::Value;

/// Whether `element`, in the DICOM JSON model, matches `key`; nothing asked for matches everything.
pub(super) fn matches(element: Option<&Value>, vr: &str, key: &str) -> bool {
    if key.is_empty() || key == "*" {
        return true;
    }
    let values = element.and_then(|element| element.get("Value")).and_then(Value::as_array);
    let mut values = values.map_or(&[][..], Vec::as_slice).iter();
    match vr {
        "UI" => values.any(|value| {
            let uid = value.as_str().unwrap_or_default();
            key.split([',', '\\']).any(|wanted| wanted.trim() == uid)
        }),
        "DA" | "TM" | "DT" => values.any(|value| value.as_str().is_some_and(|time| is_within(time, vr, key))),
        "PN" => values.any(|value| {
            let groups = value.as_object().into_iter().flat_map(|groups| groups.values());
            // Names are written in capitals here and not there.
            let wanted = key.to_lowercase();
            groups.filter_map(Value::as_str).any(|name| is_like(&name.to_lowercase(), &wanted))
        }),
        _ => values.any(|value| match value {
            Value::String(text) => is_like(text, key),
            Value::Number(number) => key.trim().parse().is_ok_and(|key: f64| number.as_f64() == Some(key)),
            _ => false,
        }),
    }
}

/// Whether a date or a time is `key`, or lies in the range that `key` is: `a-b`, `a-`, `-b`.
fn is_within(time: &str, vr: &str, key: &str) -> bool {
    // So that an hour compares with a second of it; the fraction is left out.
    let whole = |text: &str, fill: char| {
        let digits: String = text.trim().chars().take_while(|c| c.is_ascii_digit()).collect();
        let length = match vr {
            "TM" => 6,
            "DA" => 8,
            _ => 14,
        };
        let missing = usize::saturating_sub(length, digits.len());
        digits + &fill.to_string().repeat(missing)
    };
    let time_is = whole(time, '0');
    match key.split_once('-') {
        Some((from, to)) => {
            (from.trim().is_empty() || whole(from, '0') <= time_is)
                && (to.trim().is_empty() || time_is <= whole(to, '9'))
        }
        None => (whole(key, '0')..=whole(key, '9')).contains(&time_is),
    }
}

/// Whether `text` is `pattern`, in which `*` stands for any characters and `?` for any one.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut next) = (0, 0);
    // Where to go on when a guess of what the last `*` stands for was wrong.
    let mut again = None;
    while at < text.len() {
        match pattern.get(next) {
            Some('*') => {
                again = Some((at, next));
                next += 1;
            }
            Some(c) if *c == '?' || *c == text[at] => (at, next) = (at + 1, next + 1),
            _ => match again {
                Some((from, star)) => {
                    again = Some((from + 1, star));
                    (at, next) = (from + 1, star + 1);
                }
                None => return false,
            },
        }
    }
    pattern[next..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(vr: &str, value: Value, key: &str, expected: bool) {
        let element = json!({ "vr": vr, "Value": [value] });
        assert_eq!(matches(Some(&element), vr, key), expected, "{element} {key}");
    }

    #[test]
    fn stars_and_question_marks_stand_for_others() {
        for (key, expected) in
            [("ACC-12", true), ("ACC*", true), ("*1?", true), ("A*C*2", true), ("acc*", false), ("?", false)]
        {
            check("SH", json!("ACC-12"), key, expected);
        }
        // Exponential for a matcher that tries everything.
        check("LO", json!("a".repeat(200)), &format!("{}b", "a*".repeat(50)), false);
    }

    #[test]
    fn names_match_in_any_script_and_whatever_the_capitals() {
        let name = json!({ "Alphabetic": "Wang^XiaoDong", "Ideographic": "王^小东" });
        for (key, expected) in [("wang*", true), ("王*", true), ("WANG^XIAODONG", true), ("li*", false)] {
            check("PN", name.clone(), key, expected);
        }
    }

    #[test]
    fn dates_and_times_match_ranges() {
        for (key, expected) in [
            ("20260314", true),
            ("20260301-20260331", true),
            ("20260315-", false),
            ("-20260314", true),
            ("-20260313", false),
        ] {
            check("DA", json!("20260314"), key, expected);
        }
        for (key, expected) in [("10", true), ("1030-11", true), ("-1029", false), ("103059-", true)] {
            check("TM", json!("103059.5"), key, expected);
        }
    }

    #[test]
    fn uids_match_lists_and_numbers_match_however_they_are_written() {
        check("UI", json!("1.2.3"), "1.2,1.2.3", true);
        check("UI", json!("1.2.3"), "1.2.*", false);
        check("IS", json!(7), "007", true);
        check("IS", json!(7), "70", false);
    }

    #[test]
    fn what_is_not_there_matches_only_what_is_not_asked() {
        assert!(matches(None, "LO", "") && matches(None, "LO", "*"));
        assert!(!matches(None, "LO", "x"));
    }
}
