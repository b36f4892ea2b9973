//! The same for the patient: plain words, no jargon, no advice but to talk to a doctor.
//!
//! It never says what a lesion is or whether it is dangerous: nothing here knows.

use super::phrase::either;
use super::template::Topic;
use super::{Facts, Language};
use crate::finding::{Finding, Kind, Organ};
use crate::guideline::Action;
use crate::track::Trend;

use Language::{Chinese, English};

/// The whole version, a paragraph on each line.
pub(super) fn version(language: Language, facts: &Facts<'_>, topics: &[Topic<'_>]) -> Vec<String> {
    let mut lines = vec![
        either(
            language,
            "本说明由科研软件自动生成，未经医生审核。请与您的医生讨论，不要仅凭本说明作任何决定。",
            "This was made by research software and no doctor has checked it. Please talk about it with your \
             doctor, and decide nothing from it alone.",
        )
        .to_owned(),
    ];
    lines.extend(topics.iter().map(|topic| looked_at(language, facts, topic)));
    if facts.compared.is_some() {
        lines.extend(topics.iter().filter_map(|topic| compared(language, facts, topic)));
    }
    if facts.findings.iter().any(|finding| finding.critical) {
        lines.push(
            either(
                language,
                "其中至少一处较大，请尽快联系您的医生。",
                "At least one of them is large enough that you should speak to your doctor without delay.",
            )
            .to_owned(),
        );
    }
    lines.extend(advised(language, facts));
    if !facts.findings.is_empty() {
        lines.push(
            either(
                language,
                "仅凭图像不能确定这些影像改变是什么，需要由医生结合您的情况判断。",
                "What these changes are cannot be told from the images alone; your doctor will judge that together \
                 with everything else that is known about you.",
            )
            .to_owned(),
        );
    }
    lines.push(
        either(
            language,
            "软件只查看了以上内容，也可能有遗漏；其他器官和其他问题均未查看。",
            "The software looked for nothing else and in no other organ, and it can miss things.",
        )
        .to_owned(),
    );
    lines
}

/// What was looked for in one organ, and what came of it.
fn looked_at(language: Language, facts: &Facts<'_>, topic: &Topic<'_>) -> String {
    let organ = organ(language, topic.organ);
    if !topic.organ_found {
        return either(
            language,
            format!("图像中没有识别到{organ}，因此对{organ}不能作任何说明。"),
            format!("The software did not find the {organ} in these images, so it can say nothing about it."),
        );
    }
    let images = match facts.modality {
        "CT" => either(language, " CT 图像", "CT images"),
        "MR" => either(language, "磁共振图像", "MRI images"),
        _ => either(language, "图像", "images"),
    };
    let looked = match (topic.kind, language) {
        (Kind::LungNodule, Chinese) => {
            format!("软件在您的{images}中查看了{organ}是否有小的圆形阴影（医学上称为“结节”）")
        }
        (Kind::LiverLesion, Chinese) => {
            format!("软件在您的{images}中查看了{organ}内是否有与周围不同的区域（医学上称为“局灶性病变”）")
        }
        (Kind::LungNodule, English) => {
            format!(
                "The software looked at your {images} for small round spots in the {organ} (doctors call \
                 them nodules)"
            )
        }
        (Kind::LiverLesion, English) => {
            format!(
                "The software looked at your {images} for areas in the {organ} that look different from the \
                 rest (doctors call them focal lesions)"
            )
        }
    };
    let size = |f: &&Finding| f.measurements.long_axis_mm;
    let Some(largest) = topic.findings.iter().map(size).reduce(f64::max) else {
        return either(language, format!("{looked}，没有发现。"), format!("{looked} and found none."));
    };
    let (count, largest) = (topic.findings.len(), millimetres(language, largest));
    match (language, count) {
        (Chinese, 1) => format!("{looked}，发现 1 处，大小约 {largest}。"),
        (Chinese, _) => format!("{looked}，发现 {count} 处，最大的约 {largest}。"),
        (English, 1) => format!("{looked} and found 1, about {largest} across."),
        (English, _) => format!("{looked} and found {count}; the largest is about {largest} across."),
    }
}

/// What has become of those of one organ since the earlier images; `None` where nothing can be said.
fn compared(language: Language, facts: &Facts<'_>, topic: &Topic<'_>) -> Option<String> {
    let count = |trend: Trend| {
        let changed = |f: &&&Finding| f.change.as_ref().is_some_and(|change| change.trend == trend);
        topic.findings.iter().filter(changed).count()
    };
    let gone = facts
        .compared
        .map_or(0, |compared| compared.resolved.iter().filter(|gone| gone.kind == topic.kind).count());
    let parts: Vec<String> = [
        (count(Trend::New), "处是新出现的", "new"),
        (count(Trend::Grown), "处比以前大", "larger than before"),
        (count(Trend::Shrunk), "处比以前小", "smaller than before"),
        (count(Trend::Unchanged), "处没有明显变化", "about the same as before"),
        (gone, "处以前有、这次没有看到", "no longer seen"),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, chinese, english)| {
        either(language, format!("{count} {chinese}"), format!("{count} {english}"))
    })
    .collect();
    if parts.is_empty() {
        return None;
    }
    let organ = organ(language, topic.organ);
    Some(either(
        language,
        format!("{organ}与您以前的检查相比：{}。", parts.join("，")),
        format!("Compared with your earlier images of the {organ}: {}.", parts.join(", ")),
    ))
}

/// What the guideline advises in plain words; `None` where it advises nothing, or that nothing be done.
fn advised(language: Language, facts: &Facts<'_>) -> Option<String> {
    let scan = match facts.modality {
        "MR" => either(language, "磁共振检查", "MRI scan"),
        _ => either(language, " CT 检查", "CT scan"),
    };
    let advice = match &facts.advised.advice[..] {
        [] => return None,
        [advice] => advice,
        // For low and for high risk: which of them is meant, the patient must hear from somebody who knows.
        _ => {
            return Some(
                either(
                    language,
                    "医生使用的指南提到可能需要复查，是否需要、何时复查取决于您的个人风险，请听医生的意见。",
                    "A guideline that doctors use mentions that another examination may be needed; whether and when \
                     depends on your own risk, which is for your doctor to say.",
                )
                .to_owned(),
            );
        }
    };
    let again = matches!(
        advice.action,
        Action::Ct
            | Action::CtMaybePet
            | Action::LowDoseCt
            | Action::LowDoseCtMaybePet
            | Action::ConsiderCt
            | Action::OptionalCt
    );
    match (advice.action, advice.months) {
        (Action::NoFollowUp, _) => None,
        (_, Some([first, last])) if again => {
            let months = if first == last { format!("{first}") } else { format!("{first}–{last}") };
            let plural = if last == 1 { "" } else { "s" };
            Some(either(
                language,
                format!("医生使用的指南提到可在 {months} 个月后再做一次{scan}，是否需要请听医生的意见。"),
                format!(
                    "A guideline that doctors use mentions another {scan} in {months} month{plural}; whether you \
                     need it is for your doctor to say."
                ),
            ))
        }
        _ => Some(
            either(
                language,
                "医生使用的指南提到可能需要进一步检查，请尽快与您的医生讨论。",
                "A guideline that doctors use mentions further examination; please talk about it with your doctor \
                 soon.",
            )
            .to_owned(),
        ),
    }
}

/// "about" so large: whole millimetres are all that a patient can use.
fn millimetres(language: Language, length_mm: f64) -> String {
    let length = format!("{:.0}", length_mm.max(1.0));
    either(language, format!("{length} 毫米"), format!("{length} millimetres"))
}

fn organ(language: Language, organ: Organ) -> &'static str {
    match organ {
        Organ::Lung => either(language, "肺部", "lungs"),
        Organ::Liver => either(language, "肝脏", "liver"),
    }
}
