//! The phrases of comparison: what has become of a lesion, and what is gone.

use super::phrase::{either, lesion, lesion_of_organ, site};
use super::{Language, rounded};
use crate::finding::{Finding, Kind};
use crate::track::{Change, Compared, Resolved, Trend};

/// What has become of a lesion, within a sentence.
pub(crate) fn trend(language: Language, trend: Trend) -> &'static str {
    match trend {
        Trend::New => either(language, "新发", "new"),
        Trend::Grown => either(language, "较前增大", "larger than before"),
        Trend::Shrunk => either(language, "较前缩小", "smaller than before"),
        Trend::Unchanged => either(language, "较前无明显变化", "unchanged"),
    }
}

/// What the examination was compared with.
pub(super) fn compared(language: Language, compared: &Compared) -> String {
    match compared.days {
        Some(0) => either(
            language,
            "与同日的另一次检查比较。".to_owned(),
            "Compared with another examination of the same day.".to_owned(),
        ),
        Some(days) => {
            let plural = if days == 1 { "" } else { "s" };
            either(
                language,
                format!("与 {days} 天前的检查比较。"),
                format!("Compared with the examination {days} day{plural} earlier."),
            )
        }
        None => {
            either(language, "与前次检查比较。".to_owned(), "Compared with a prior examination.".to_owned())
        }
    }
}

/// That nothing is said of some lesions of the prior; `None` where something is said of all.
pub(super) fn not_all_compared(language: Language, compared: &Compared) -> Option<String> {
    let count = compared.not_compared;
    let plural = if count == 1 { "" } else { "s" };
    (count > 0).then(|| {
        either(
            language,
            format!("前次检查中有 {count} 个病灶未能与本次比较。"),
            format!("{count} lesion{plural} of the prior examination could not be compared."),
        )
    })
}

/// How a finding differs from the same lesion in the prior.
pub(super) fn finding(language: Language, finding: &Finding, change: &Change) -> String {
    let (number, become_of_it) = (finding.number, trend(language, change.trend));
    if change.trend == Trend::New {
        return either(
            language,
            format!("病灶 {number} 为新发病灶，前次检查未检出。"),
            format!("Finding {number} is new: it was not detected in the prior examination."),
        );
    }
    let measured = measured(language, finding, change);
    if measured.is_empty() {
        return either(
            language,
            format!("病灶 {number} {become_of_it}。"),
            format!("Finding {number} is {become_of_it}."),
        );
    }
    either(
        language,
        format!("病灶 {number} {become_of_it}：{measured}。"),
        format!("Finding {number} is {become_of_it}: {measured}."),
    )
}

/// "long axis 10.2 mm (previously 8.1 mm), volume +56 % in 92 days, volume doubling time 143 days"; empty where
/// nothing was measured in the prior.
pub(crate) fn measured(language: Language, finding: &Finding, change: &Change) -> String {
    let mut parts = Vec::new();
    if let Some(before) = change.prior_long_axis_mm {
        let (now, before) =
            (rounded::millimetres(finding.measurements.long_axis_mm), rounded::millimetres(before));
        parts.push(either(
            language,
            format!("长径 {now} mm（前次 {before} mm）"),
            format!("long axis {now} mm (previously {before} mm)"),
        ));
    }
    if let Some(volume) = change.volume_change_percent.and_then(|percent| volume(language, change, percent)) {
        parts.push(volume);
    }
    if let (Some(days @ 1..), false) = (change.days, parts.is_empty()) {
        let plural = if days == 1 { "" } else { "s" };
        match language {
            Language::Chinese => parts.push(format!("间隔 {days} 天")),
            // Reads on from the number before it.
            Language::English => {
                if let Some(last) = parts.last_mut() {
                    *last += &format!(" in {days} day{plural}");
                }
            }
        }
    }
    if let Some(days) = change.doubling_days.filter(|days| *days > 0.0 && change.trend == Trend::Grown) {
        let days = rounded::days(days);
        let plural = if days == "1" { "" } else { "s" };
        parts.push(either(
            language,
            format!("体积倍增时间 {days} 天"),
            format!("volume doubling time {days} day{plural}"),
        ));
    }
    parts.join(either(language, "，", ", "))
}

/// "volume +56 %"; nothing where it rounds to nothing.
fn volume(language: Language, change: &Change, percent: f64) -> Option<String> {
    let share = rounded::percent(percent);
    if share == "0" {
        return None;
    }
    // A change within the uncertainty is none, and the reader must see that it was weighed.
    let within = (change.trend == Trend::Unchanged)
        .then_some(change.volume_uncertainty_percent)
        .flatten()
        .map(rounded::percent);
    Some(match language {
        Language::Chinese => {
            let verb = if percent > 0.0 { "增加" } else { "减少" };
            let within = within.map_or(String::new(), |share| format!("（测量不确定度 {share}%）"));
            format!("体积{verb} {share}%{within}")
        }
        Language::English => {
            let sign = if percent > 0.0 { '+' } else { '-' };
            let within =
                within.map_or(String::new(), |share| format!(" (measurement uncertainty {share} %)"));
            format!("volume {sign}{share} %{within}")
        }
    })
}

/// That a finding has no counterpart in the prior and none can be denied.
pub(super) fn not_compared(language: Language, finding: &Finding) -> String {
    let number = finding.number;
    either(
        language,
        format!("病灶 {number} 未能与前次检查比较。"),
        format!("Finding {number} could not be compared with the prior examination."),
    )
}

/// A lesion of the prior that is no longer there.
pub(super) fn resolved(language: Language, lesion: &Resolved) -> String {
    let long = rounded::millimetres(lesion.prior_long_axis_mm);
    let short = lesion.prior_short_axis_mm.map(rounded::millimetres);
    let (what, place) = (self::lesion(language, lesion.kind), site(language, lesion.site));
    let size = match language {
        Language::Chinese => {
            let short = short.map(|short| format!("，短径 {short} mm")).unwrap_or_default();
            format!("长径 {long} mm{short}")
        }
        Language::English => match short {
            Some(short) => format!("{long} × {short} mm"),
            None => format!("{long} mm"),
        },
    };
    either(
        language,
        format!("前次检查所见{place}{what}（{size}）本次未检出。"),
        format!("A {what} of the {place} in the prior examination ({size}) is no longer detected."),
    )
}

/// What has become of all lesions of one kind; `None` where none was compared and none is gone.
pub(super) fn summary(language: Language, kind: Kind, findings: &[&Finding], gone: usize) -> Option<String> {
    let with = |trend: Trend| -> Vec<usize> {
        let changed = |f: &&&Finding| f.change.as_ref().is_some_and(|change| change.trend == trend);
        findings.iter().filter(changed).map(|f| f.number).collect()
    };
    let mut parts: Vec<String> = [Trend::New, Trend::Grown, Trend::Shrunk, Trend::Unchanged]
        .into_iter()
        .map(|trend| (trend, with(trend)))
        .filter(|(_, numbers)| !numbers.is_empty())
        .map(|(trend, numbers)| counted_trend(language, trend, &numbers))
        .collect();
    if gone > 0 {
        parts.push(either(language, format!("{gone} 个本次未检出"), format!("{gone} no longer detected")));
    }
    if parts.is_empty() {
        return None;
    }
    let what = lesion_of_organ(language, kind);
    Some(either(
        language,
        format!("{what}与前次检查比较：{}。", parts.join("，")),
        format!("{} compared with the prior examination: {}.", capital(what) + "s", parts.join(", ")),
    ))
}

/// "1 new (finding 2)"; numbers only of what has changed and while they can be read.
fn counted_trend(language: Language, trend: Trend, numbers: &[usize]) -> String {
    const NAMED: usize = 5;
    let count = numbers.len();
    let counted = match (trend, language) {
        (Trend::New, Language::Chinese) => format!("新发 {count} 个"),
        (Trend::Grown, Language::Chinese) => format!("增大 {count} 个"),
        (Trend::Shrunk, Language::Chinese) => format!("缩小 {count} 个"),
        (Trend::Unchanged, Language::Chinese) => format!("无明显变化 {count} 个"),
        (Trend::New, Language::English) => format!("{count} new"),
        (Trend::Grown, Language::English) => format!("{count} larger"),
        (Trend::Shrunk, Language::English) => format!("{count} smaller"),
        (Trend::Unchanged, Language::English) => format!("{count} unchanged"),
    };
    if trend == Trend::Unchanged || count > NAMED {
        return counted;
    }
    let named: Vec<String> = numbers.iter().map(usize::to_string).collect();
    let plural = if count == 1 { "" } else { "s" };
    either(
        language,
        format!("{counted}（病灶 {}）", named.join("、")),
        format!("{counted} (finding{plural} {})", named.join(", ")),
    )
}

/// What has become of lesions, in a few words for a worklist: "1 new, 2 larger".
pub(super) fn in_brief(language: Language, findings: &[&Finding], gone: usize) -> Vec<String> {
    let count = |trend: Trend| {
        findings.iter().filter(|f| f.change.as_ref().is_some_and(|change| change.trend == trend)).count()
    };
    [
        (count(Trend::New), either(language, "新发", "new")),
        (count(Trend::Grown), either(language, "增大", "larger")),
        (count(Trend::Shrunk), either(language, "缩小", "smaller")),
        (gone, either(language, "未再检出", "no longer detected")),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, name)| either(language, format!("{name} {count} 个"), format!("{count} {name}")))
    .collect()
}

/// `text` with a capital first letter.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_named_while_they_can_be_read() {
        assert_eq!(counted_trend(Language::English, Trend::New, &[2, 5]), "2 new (findings 2, 5)");
        assert_eq!(counted_trend(Language::Chinese, Trend::Grown, &[3]), "增大 1 个（病灶 3）");
        assert_eq!(counted_trend(Language::English, Trend::Grown, &[1, 2, 3, 4, 5, 6]), "6 larger");
    }
}
