//! The phrases of the template, Chinese and English side by side: what was seen, and what it comes to.
//!
//! Comparison is in `change.rs`, advice in `advice.rs`, plain words in `patient.rs`.
//!
//! Terms as radiologists write them: 长径/短径 for the long and short axis, CT 值 for attenuation,
//! 局灶性病变 for a focal lesion. Punctuation is full-width in Chinese but for what stands by a number.

use super::{Facts, Language, change, rounded};
use crate::finding::{Density, Finding, Kind, Organ, Side, Site};

use Language::{Chinese, English};

/// One of two words.
pub(crate) fn either<T>(language: Language, chinese: T, english: T) -> T {
    match language {
        Chinese => chinese,
        English => english,
    }
}

/// The organ as the head of a sentence, both lungs together.
fn organ_head(language: Language, organ: Organ) -> &'static str {
    match organ {
        Organ::Lung => either(language, "肺", "Lungs"),
        Organ::Liver => either(language, "肝脏", "Liver"),
    }
}

/// The organ within a sentence, with its side where there is one.
pub(crate) fn site(language: Language, site: Site) -> &'static str {
    match (site.organ, site.side) {
        (Organ::Lung, Some(Side::Right)) => either(language, "右肺", "right lung"),
        (Organ::Lung, Some(Side::Left)) => either(language, "左肺", "left lung"),
        (Organ::Lung, None) => either(language, "肺（侧别未定）", "lung (side undetermined)"),
        (Organ::Liver, _) => either(language, "肝脏", "liver"),
    }
}

/// A lesion of this kind, where the organ has been named before.
pub(super) fn lesion(language: Language, kind: Kind) -> &'static str {
    match kind {
        Kind::LungNodule => either(language, "结节", "nodule"),
        Kind::LiverLesion => either(language, "局灶性病变", "focal lesion"),
    }
}

/// A lesion of this kind, where the organ has not been named.
pub(crate) fn lesion_of_organ(language: Language, kind: Kind) -> &'static str {
    match kind {
        Kind::LungNodule => either(language, "肺结节", "lung nodule"),
        Kind::LiverLesion => either(language, "肝脏局灶性病变", "focal liver lesion"),
    }
}

/// So many of them: "结节 3 个", "3 nodules".
pub(crate) fn counted(language: Language, noun: &str, count: usize) -> String {
    let plural = if count == 1 { "" } else { "s" };
    either(language, format!("{noun} {count} 个"), format!("{count} {noun}{plural}"))
}

/// What a lesion is and where: "Solid nodule, right lung".
pub(crate) fn description(language: Language, finding: &Finding) -> String {
    let place = site(language, finding.site);
    match (finding.kind, finding.density) {
        (Kind::LiverLesion, _) => {
            either(language, format!("{place}局灶性病变"), format!("Focal lesion, {place}"))
        }
        (Kind::LungNodule, None) => either(language, format!("{place}结节"), format!("Nodule, {place}")),
        (Kind::LungNodule, Some(density)) => {
            let name = density_name(language, density);
            either(language, format!("{place}{name}结节"), format!("{name} nodule, {place}"))
        }
    }
}

/// What a lung lesion looks like, at the head of its name: "Solid".
fn density_name(language: Language, density: Density) -> &'static str {
    match density {
        Density::Solid => either(language, "实性", "Solid"),
        Density::PartSolid => either(language, "部分实性", "Part-solid"),
        Density::GroundGlass => either(language, "磨玻璃", "Ground-glass"),
    }
}

/// How the images were made.
pub(super) fn series(language: Language, facts: &Facts<'_>) -> String {
    let [columns, rows, gap] = facts.spacing_mm.map(rounded_spacing);
    let (modality, slices) = (facts.modality, facts.slices);
    let plural = if slices == 1 { "" } else { "s" };
    either(
        language,
        format!(
            "{modality} 序列共 {slices} 层，层间距 {gap} mm，像素间距 {columns} × {rows} mm。\
             层号按空间位置计数，可能与设备的图像编号不同。"
        ),
        format!(
            "{modality} series of {slices} slice{plural}, {gap} mm apart, pixel spacing {columns} × {rows} mm. \
             Slices are counted by position and may be numbered otherwise by the scanner."
        ),
    )
}

/// Pixels and gaps differ by hundredths of a millimetre, so they are not rounded like lesions.
fn rounded_spacing(mm: f64) -> String {
    format!("{mm:.2}")
}

/// That lesions of `kind` were found in `organ`, and how many on which side.
pub(super) fn found(
    language: Language,
    organ: Organ,
    kind: Kind,
    volume_ml: Option<f64>,
    found: &[&Finding],
) -> String {
    let head = head(language, organ, volume_ml);
    let count = counted(language, lesion(language, kind), found.len());
    let sides = sides(language, found);
    either(language, format!("{head}检出{count}{sides}。"), format!("{head}{count}{sides}."))
}

/// That an organ was looked at and nothing of `kind` was found.
pub(super) fn nothing_found(language: Language, organ: Organ, kind: Kind, volume_ml: Option<f64>) -> String {
    let (head, absent) = (head(language, organ, volume_ml), lesion(language, kind));
    either(language, format!("{head}未检出{absent}。"), format!("{head}no {absent} was detected."))
}

/// That an organ was not found in the images, so that nothing can be said of it.
pub(super) fn not_assessed(language: Language, organ: Organ) -> String {
    let head = organ_head(language, organ);
    either(
        language,
        format!("{head}：图像中未识别到，未作评估。"),
        format!("{head}: not found in the images and not assessed."),
    )
}

/// "Liver (1523 ml within the images): "
fn head(language: Language, organ: Organ, volume_ml: Option<f64>) -> String {
    let name = organ_head(language, organ);
    match volume_ml.map(rounded::organ_millilitres) {
        Some(ml) => either(
            language,
            format!("{name}（图像范围内体积 {ml} ml）："),
            format!("{name} ({ml} ml within the images): "),
        ),
        None => either(language, format!("{name}："), format!("{name}: ")),
    }
}

/// How many lie on which side, where sides were told: " (2 right, 1 left)".
pub(crate) fn sides(language: Language, findings: &[&Finding]) -> String {
    let on = |side| findings.iter().filter(|f| f.site.side == side).count();
    let (right, left, unknown) = (on(Some(Side::Right)), on(Some(Side::Left)), on(None));
    if right + left == 0 {
        return String::new();
    }
    let parts: Vec<String> = [
        (right, either(language, "右侧", "right")),
        (left, either(language, "左侧", "left")),
        (unknown, either(language, "侧别未定", "side undetermined")),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, name)| either(language, format!("{name} {count} 个"), format!("{count} {name}")))
    .collect();
    either(language, format!("（{}）", parts.join("，")), format!(" ({})", parts.join(", ")))
}

/// Everything about one finding.
pub(super) fn finding(language: Language, facts: &Facts<'_>, finding: &Finding) -> String {
    let m = &finding.measurements;
    let (long, short) = (rounded::millimetres(m.long_axis_mm), rounded::millimetres(m.short_axis_mm));
    let (number, volume) = (finding.number, rounded::volume(m.volume_mm3));
    let what = description(language, finding);
    let (slice, slices) = (m.slice + 1, facts.slices);
    let score = rounded::score(finding.confidence);
    let attenuation = (facts.modality == "CT").then(|| rounded::hounsfield(m.mean_hu));
    match language {
        Chinese => {
            let attenuation = attenuation.map(|hu| format!("，平均 CT 值 {hu} HU")).unwrap_or_default();
            format!(
                "病灶 {number}：{what}，最大层面长径 {long} mm，短径 {short} mm，体积 {volume}{attenuation}；\
                 位于第 {slice} 层（共 {slices} 层），检测评分 {score}。"
            )
        }
        English => {
            let attenuation = attenuation.map(|hu| format!(", mean attenuation {hu} HU")).unwrap_or_default();
            format!(
                "Finding {number}: {what}, {long} × {short} mm (long × short axis on its largest slice), \
                 volume {volume}{attenuation}; slice {slice} of {slices}; detection score {score}."
            )
        }
    }
}

/// One finding among many: where and how large.
pub(super) fn finding_in_short(language: Language, finding: &Finding) -> String {
    let m = &finding.measurements;
    let (long, short) = (rounded::millimetres(m.long_axis_mm), rounded::millimetres(m.short_axis_mm));
    let (number, volume, slice) = (finding.number, rounded::volume(m.volume_mm3), m.slice + 1);
    let what = description(language, finding);
    let trend = finding.change.as_ref().map(|change| change::trend(language, change.trend));
    let trend =
        trend.map_or(String::new(), |trend| either(language, format!("，{trend}"), format!(", {trend}")));
    either(
        language,
        format!("病灶 {number}：{what}，{long} mm × {short} mm，体积 {volume}，第 {slice} 层{trend}。"),
        format!("Finding {number}: {what}, {long} × {short} mm, volume {volume}, slice {slice}{trend}."),
    )
}

/// The sum of the findings that are then listed in short. There is at least one.
pub(super) fn remaining(language: Language, kind: Kind, rest: &[&Finding]) -> String {
    let count = counted(language, lesion(language, kind), rest.len());
    let (sides, range) = (sides(language, rest), range(language, rest));
    either(
        language,
        format!("其余{count}{sides}，长径 {range}，依次为："),
        format!("A further {count}{sides}, long axis {range}:"),
    )
}

/// "4.1 to 6.3 mm", or "4.1 mm" where smallest and largest read the same.
fn range(language: Language, findings: &[&Finding]) -> String {
    let long = findings.iter().map(|f| f.measurements.long_axis_mm);
    let smallest = rounded::millimetres(long.clone().fold(f64::INFINITY, f64::min));
    let largest = rounded::millimetres(long.fold(f64::NEG_INFINITY, f64::max));
    if smallest == largest {
        return format!("{largest} mm");
    }
    either(language, format!("{smallest} 至 {largest} mm"), format!("{smallest} to {largest} mm"))
}

/// How to read scores.
pub(super) fn scores(language: Language) -> &'static str {
    either(
        language,
        "检测评分为模型输出值，未经校准，不代表患病概率。",
        "Detection scores are the network's own, are not calibrated and are no probability of disease.",
    )
}

/// What was not looked at.
pub(super) fn scope(language: Language) -> &'static str {
    either(
        language,
        "仅分析上述器官中的上述病变；其他器官及其他异常均未评估。",
        "Only the lesions named above were looked for, in the organs named above; nothing else was assessed.",
    )
}

/// Something odd about the input or the run, quoted.
pub(super) fn warning(language: Language, warning: &str) -> String {
    either(language, format!("提示（系统原文）：{warning}"), format!("Note on the input: {warning}"))
}

/// That there are more warnings than were quoted.
pub(super) fn more_warnings(language: Language, more: usize) -> String {
    let plural = if more == 1 { "note is" } else { "notes are" };
    either(
        language,
        format!("另有 {more} 条提示，见报告的提示部分。"),
        format!("{more} more {plural} among the warnings of the report."),
    )
}

/// What one kind of finding comes to.
pub(super) fn impression(language: Language, kind: Kind, findings: &[&Finding], largest: &Finding) -> String {
    let m = &largest.measurements;
    let (long, short) = (rounded::millimetres(m.long_axis_mm), rounded::millimetres(m.short_axis_mm));
    let number = largest.number;
    if findings.len() == 1 {
        let what = description(language, largest);
        return either(
            language,
            format!("{what} 1 个（病灶 {number}），大小 {long} mm × {short} mm。"),
            format!("{what}, {long} × {short} mm (finding {number})."),
        );
    }
    let count = counted(language, lesion_of_organ(language, kind), findings.len());
    let (sides, range) = (sides(language, findings), range(language, findings));
    let place = largest_place(language, largest);
    either(
        language,
        format!("{count}{sides}，长径 {range}；最大者为病灶 {number}{place}，大小 {long} mm × {short} mm。"),
        format!(
            "{count}{sides}, long axis {range}; the largest is finding {number}{place}, {long} × {short} mm."
        ),
    )
}

/// ", right lung" where the side of the largest says more than the organ already did.
fn largest_place(language: Language, largest: &Finding) -> String {
    if largest.site.side.is_none() {
        return String::new();
    }
    let place = site(language, largest.site);
    either(language, format!("（{place}）"), format!(" in the {place}"))
}

/// That nothing was detected, and what this does not mean.
pub(super) fn impression_of_nothing(language: Language, kind: Kind) -> String {
    let absent = lesion_of_organ(language, kind);
    either(
        language,
        format!("未检出{absent}；软件未检出不能排除病变存在。"),
        format!("No {absent} was detected; that the software found none does not exclude one."),
    )
}

/// That no organ could be examined at all, or none was to be.
pub(super) fn nothing_assessed(language: Language) -> &'static str {
    either(language, "本序列未评估任何器官。", "No organ was assessed in this series.")
}

/// That these findings are so large that somebody must be told at once. There is at least one.
pub(super) fn critical(language: Language, findings: &[&Finding]) -> String {
    let long = |finding: &Finding| rounded::millimetres(finding.measurements.long_axis_mm);
    let named: Vec<String> = findings
        .iter()
        .map(|f| {
            either(
                language,
                format!("病灶 {}（长径 {} mm）", f.number, long(f)),
                format!("finding {} (long axis {} mm)", f.number, long(f)),
            )
        })
        .collect();
    let are = if named.len() == 1 { "is" } else { "are" };
    either(
        language,
        format!("危急值提示：{}，请立即通知临床医师。", named.join("，")),
        format!(
            "Critical result: {} {are} to be reported to the referring physician at once.",
            named.join(", ")
        ),
    )
}

/// Who has not checked this, and who should.
pub(super) fn disclaimer(language: Language) -> &'static str {
    either(
        language,
        "以上为科研软件自动生成的结果，未经医师审核，不得用于临床诊断；须由放射科医师复核，并结合临床。",
        "Unverified output of research software, not for clinical use: to be reviewed by a radiologist and \
         correlated clinically.",
    )
}
