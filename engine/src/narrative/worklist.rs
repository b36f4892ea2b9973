//! One line for a worklist: what, how many, how large, what is new, and whether it is urgent.

use super::phrase::{counted, either, lesion_of_organ, site};
use super::template::Topic;
use super::{Facts, Language, change, rounded};
use crate::finding::{Finding, Organ, Side};

/// "2 lung nodules, largest 12.3 mm right; 1 new; critical".
pub(super) fn line(language: Language, facts: &Facts<'_>, topics: &[Topic<'_>]) -> String {
    let mut parts: Vec<String> = topics.iter().map(|topic| found(language, topic)).collect();
    if topics.is_empty() {
        parts.push(either(language, "未评估任何器官", "no organ assessed").to_owned());
    }
    if let Some(compared) = facts.compared {
        let all: Vec<&Finding> = facts.findings.iter().collect();
        parts.extend(change::in_brief(language, &all, compared.resolved.len()));
    }
    if facts.findings.iter().any(|finding| finding.critical) {
        parts.push(either(language, "危急值", "critical").to_owned());
    }
    parts.join(either(language, "；", "; "))
}

fn found(language: Language, topic: &Topic<'_>) -> String {
    let what = lesion_of_organ(language, topic.kind);
    if !topic.organ_found {
        let organ = match topic.organ {
            Organ::Lung => either(language, "肺", "lungs"),
            Organ::Liver => either(language, "肝脏", "liver"),
        };
        return either(language, format!("{organ}未评估"), format!("{organ} not assessed"));
    }
    let Some(largest) = topic.largest() else {
        return either(language, format!("未检出{what}"), format!("no {what} detected"));
    };
    let count = counted(language, what, topic.findings.len());
    let long = rounded::millimetres(largest.measurements.long_axis_mm);
    let place = match (language, largest.site.side) {
        (_, None) => String::new(),
        (Language::Chinese, Some(_)) => format!("（{}）", site(language, largest.site)),
        (Language::English, Some(Side::Right)) => " right".to_owned(),
        (Language::English, Some(Side::Left)) => " left".to_owned(),
    };
    if topic.findings.len() == 1 {
        return either(language, format!("{count}，{long} mm{place}"), format!("{count}, {long} mm{place}"));
    }
    either(language, format!("{count}，最大 {long} mm{place}"), format!("{count}, largest {long} mm{place}"))
}
