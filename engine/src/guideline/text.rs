//! Advice and refusals in one sentence each, both languages side by side.
//!
//! A sentence has no numbers but those of findings, months or years, and the category.

use super::{Action, Advice, Next, Refusal, Risk, Why};
use crate::narrative::Language::{self, Chinese, English};

impl Advice {
    /// The advice in one sentence, as it stands in the recommendation: findings, action, interval, and the
    /// guideline with its category.
    pub fn text(&self, language: Language) -> String {
        let whom = whom(language, &self.findings, self.risk);
        let what = step(language, self.action, self.months);
        let then = self.then.as_ref().map(|next| next.text(language)).unwrap_or_default();
        let guideline = self.guideline.name();
        match language {
            Chinese => {
                let category = self.category.as_ref().map(|c| format!("，{c} 类")).unwrap_or_default();
                format!("{whom}：{what}{then}（{guideline}{category}）。")
            }
            English => {
                let category = self.category.as_ref().map(|c| format!(", category {c}")).unwrap_or_default();
                format!("{whom}: {what}{then} ({guideline}{category}).")
            }
        }
    }
}

impl Next {
    /// ", then CT in 18 to 24 months".
    fn text(&self, language: Language) -> String {
        let Some(every) = self.every_months else {
            let step = step(language, self.action, self.months);
            return match language {
                Chinese => format!("；若无变化，此后{step}"),
                English => format!("; if unchanged, then {step}"),
            };
        };
        let [from, to] = self.months.unwrap_or([every, every]);
        let consider = self.action == Action::ConsiderCt;
        // Two rounds are named, more are "every so often".
        let rounds = from + every == to;
        match language {
            Chinese => {
                let when = if rounds {
                    format!("{}和 {}", number_of_years(Chinese, from), number_of_years(Chinese, to))
                } else if every == 12 {
                    "每年".to_owned()
                } else {
                    format!("每 {}", number_of_years(Chinese, every))
                };
                let until = if rounds {
                    "时".to_owned()
                } else {
                    format!("，直至满 {}", number_of_years(Chinese, to))
                };
                match (rounds, consider) {
                    (true, true) => format!("；若无变化，可考虑于 {when}{until}复查 CT"),
                    (true, false) => format!("；若无变化，建议于 {when}{until}复查 CT"),
                    (false, true) => format!("；若持续存在，可考虑此后{when}复查 CT{until}"),
                    (false, false) => format!("；若持续存在，此后{when}复查 CT{until}"),
                }
            }
            English => {
                let ct = if consider { "consider CT" } else { "CT" };
                if rounds {
                    format!("; if unchanged, {ct} at {} and {} years", from / 12, to / 12)
                } else {
                    let to = number_of_years(English, to);
                    let every = if every == 12 { "year".to_owned() } else { number_of_years(English, every) };
                    format!("; if it persists, then {ct} every {every} until {to}")
                }
            }
        }
    }
}

impl Refusal {
    /// The refusal in one sentence.
    pub fn text(&self, language: Language) -> String {
        let guideline = self.guideline.name();
        let findings = (!self.findings.is_empty()).then(|| numbers(language, &self.findings));
        match language {
            Chinese => {
                let of = findings.map(|findings| format!("病灶 {findings}")).unwrap_or_default();
                chinese(self.why, guideline, &of)
            }
            English => {
                let several = self.findings.len() > 1;
                let noun = if several { "findings" } else { "finding" };
                let of = findings.map(|findings| format!("{noun} {findings}")).unwrap_or_default();
                english(self.why, guideline, &of)
            }
        }
    }
}

fn english(why: Why, guideline: &str, of: &str) -> String {
    let not_for = |whom: &str| format!("{guideline} gives no advice: it does not apply to {whom}.");
    let cannot = |because: &str| format!("{guideline} gives no advice on {of}: {because}.");
    match why {
        Why::Age => not_for("patients of this age"),
        Why::AgeUnknown => {
            format!("{guideline} gives no advice: it depends on the patient's age, which is not known.")
        }
        Why::Screening => not_for("lung cancer screening"),
        Why::NoScreening => {
            format!(
                "{guideline} gives no advice: it is for lung cancer screening, which this is not known to be."
            )
        }
        Why::KnownCancer => not_for("patients with a known cancer"),
        Why::Immunosuppressed => not_for("patients with immunosuppression"),
        Why::HistoryUnknown => format!(
            "{guideline} does not apply to patients with a known cancer or immunosuppression; whether the \
             patient is one was not told."
        ),
        Why::DensityUnknown => cannot("whether it is solid or ground-glass could not be told"),
        Why::SolidPartUnknown => cannot("it depends on the size of the solid part, which was not measured"),
        Why::SizeUnknown => cannot("the size is not known"),
        Why::Mass => cannot("it is larger than a nodule, and the guideline is about nodules"),
        Why::Grown => cannot("it has grown, and the guideline's table does not cover growth"),
        Why::SeenBefore => cannot("it was seen before, and the guideline's table is for what is seen first"),
        Why::NotCompared => cannot("it could not be compared with the prior examination"),
        Why::GrowthUnclear => {
            cannot("growth within twelve months cannot be told from these two examinations")
        }
        Why::PriorCategoryUnknown => {
            cannot("it has not grown, and the category at the prior examination is not known")
        }
        Why::NoRow => cannot("the guideline's table does not cover it"),
        Why::Withheld => format!(
            "{guideline} gives no advice on the other findings: {of} could not be judged and may need earlier \
             follow-up."
        ),
    }
}

fn chinese(why: Why, guideline: &str, of: &str) -> String {
    let not_for = |whom: &str| format!("{guideline} 不适用于{whom}，未给出随访建议。");
    let cannot = |because: &str| format!("{of}：{because}，{guideline} 未给出建议。");
    match why {
        Why::Age => not_for("该年龄段患者"),
        Why::AgeUnknown => format!("患者年龄未知，无法判断 {guideline} 是否适用，未给出随访建议。"),
        Why::Screening => not_for("肺癌筛查"),
        Why::NoScreening => format!("{guideline} 仅用于肺癌筛查，而本次检查是否为筛查未知，未给出随访建议。"),
        Why::KnownCancer => not_for("已知恶性肿瘤患者"),
        Why::Immunosuppressed => not_for("免疫抑制患者"),
        Why::HistoryUnknown => {
            format!("{guideline} 不适用于已知恶性肿瘤或免疫抑制的患者，而该患者的相关病史未知。")
        }
        Why::DensityUnknown => cannot("无法判定为实性或磨玻璃密度"),
        Why::SolidPartUnknown => cannot("随访取决于实性成分大小，而实性成分未测量"),
        Why::SizeUnknown => cannot("大小未知"),
        Why::Mass => cannot("大小已超过结节范围，不属于该指南的适用对象"),
        Why::Grown => cannot("较前增大，该指南的表格未涵盖"),
        Why::SeenBefore => cannot("既往已见，该指南的表格仅针对首次发现的结节"),
        Why::NotCompared => cannot("未能与前次检查比较"),
        Why::GrowthUnclear => cannot("根据两次检查无法判断十二个月内是否增大"),
        Why::PriorCategoryUnknown => cannot("较前未见增大，而前次检查的分类未知"),
        Why::NoRow => cannot("该指南的表格未涵盖"),
        Why::Withheld => format!("{of}无法判定，可能需要更早随访，故 {guideline} 对其余病灶亦未给出建议。"),
    }
}

/// "Findings 1 and 3, at low risk of lung cancer".
fn whom(language: Language, findings: &[usize], risk: Option<Risk>) -> String {
    let list = numbers(language, findings);
    match language {
        Chinese => {
            let risk = match risk {
                Some(Risk::Low) => "（肺癌低风险者）",
                Some(Risk::High) => "（肺癌高风险者）",
                None => "",
            };
            format!("病灶 {list}{risk}")
        }
        English => {
            let noun = if findings.len() > 1 { "Findings" } else { "Finding" };
            let risk = match risk {
                Some(Risk::Low) => ", at low risk of lung cancer",
                Some(Risk::High) => ", at high risk of lung cancer",
                None => "",
            };
            format!("{noun} {list}{risk}")
        }
    }
}

/// "1, 3 and 4"; three and more in a row as "1 to 3".
fn numbers(language: Language, findings: &[usize]) -> String {
    let mut sorted = findings.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in sorted {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let mut parts: Vec<String> = Vec::new();
    for (first, last) in runs {
        match last - first {
            0 => parts.push(first.to_string()),
            1 => parts.extend([first.to_string(), last.to_string()]),
            _ => parts.push(match language {
                Chinese => format!("{first} 至 {last}"),
                English => format!("{first} to {last}"),
            }),
        }
    }
    match (language, &parts[..]) {
        (Chinese, _) => parts.join("、"),
        (English, [others @ .., last]) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        (English, _) => parts.concat(),
    }
}

/// What to do and when.
fn step(language: Language, action: Action, months: Option<[u16; 2]>) -> String {
    let when = months.map(|months| interval(language, months)).unwrap_or_default();
    match language {
        Chinese => match action {
            Action::NoFollowUp => "无需常规随访".to_owned(),
            Action::OptionalCt => format!("可选择{when}复查 CT"),
            Action::ConsiderCt => format!("可考虑{when}复查 CT"),
            Action::Ct => format!("建议{when}复查 CT"),
            Action::CtMaybePet => format!("建议{when}复查 CT，可考虑高分辨率 CT 或 PET-CT 检查"),
            Action::LowDoseCt => format!("建议{when}复查低剂量 CT"),
            Action::LowDoseCtMaybePet => format!("建议{when}复查低剂量 CT，可考虑 PET-CT 检查"),
            Action::CtPetOrTissue => format!("可考虑{when}复查 CT、行 PET-CT 检查或组织取样"),
            Action::PetOrTissueOrResection => "建议行 PET-CT 检查、组织取样或手术切除".to_owned(),
            Action::Referral => "建议立即由专科医师评估，酌情行诊断性 CT、PET-CT 检查或组织取样".to_owned(),
        },
        English => match action {
            Action::NoFollowUp => "no routine follow-up".to_owned(),
            Action::OptionalCt => format!("optional CT{when}"),
            Action::ConsiderCt => format!("consider CT{when}"),
            Action::Ct => format!("CT{when}"),
            Action::CtMaybePet => format!("CT{when}; high-resolution CT or PET-CT may be considered"),
            Action::LowDoseCt => format!("low-dose CT{when}"),
            Action::LowDoseCtMaybePet => format!("low-dose CT{when}; PET-CT may be considered"),
            Action::CtPetOrTissue => format!("consider CT{when}, PET-CT or tissue sampling"),
            Action::PetOrTissueOrResection => "PET-CT, tissue sampling or resection".to_owned(),
            Action::Referral => {
                "assessment by a specialist now, with diagnostic CT, PET-CT or tissue sampling \
                                 as appropriate"
                    .to_owned()
            }
        },
    }
}

/// " in 6 to 12 months" / " 6 至 12 个月后".
fn interval(language: Language, [earliest, latest]: [u16; 2]) -> String {
    let single = earliest == latest;
    match language {
        Chinese if single => format!(" {earliest} 个月后"),
        Chinese => format!(" {earliest} 至 {latest} 个月后"),
        English if single => format!(" in {earliest} months"),
        English => format!(" in {earliest} to {latest} months"),
    }
}

/// "2 years" / "2 年"; months where it is no whole number of years.
fn number_of_years(language: Language, months: u16) -> String {
    let (years, whole) = (months / 12, months.is_multiple_of(12));
    match (language, whole) {
        (Chinese, true) => format!("{years} 年"),
        (Chinese, false) => format!("{months} 个月"),
        (English, true) => format!("{years} years"),
        (English, false) => format!("{months} months"),
    }
}
