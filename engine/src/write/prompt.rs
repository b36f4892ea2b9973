//! The prompt: a bank of ready-made phrases for each finding, and what may be done with them.
//!
//! Small models copy well and calculate badly, so every number stands here as it must stand in the report.

use serde_json::{Value, json};

use super::Request;
use crate::finding::{Density, Finding, Kind};
use crate::narrative::template::{DESCRIBED, Topic, topics};
use crate::narrative::{Facts, Language, change, phrase, rounded};

use Language::{Chinese, English};

pub(super) fn request(language: Language, facts: &Facts<'_>) -> Option<Request> {
    let topics: Vec<Topic<'_>> = topics(facts).into_iter().filter(|t| !t.findings.is_empty()).collect();
    let described: Vec<&Finding> = topics.iter().flat_map(described).collect();
    let first = described.first()?;

    let mut user = phrase::either(language, "测量结果：\n", "Measurements:\n").to_owned();
    for finding in &described {
        user += &format!("\n{}", phrases(language, facts, finding));
    }
    let concluded: Vec<&Topic<'_>> = topics.iter().filter(|topic| is_concluded(topic)).collect();
    for topic in &concluded {
        user += &format!("\n{}", conclusion(language, topic));
    }
    user += phrase::either(language, "\n输出格式：\n", "\nFormat:\n");
    user += &example(language, facts, first);
    Some(Request {
        language,
        system: phrase::either(language, SYSTEM_CHINESE, SYSTEM_ENGLISH).to_owned(),
        user,
        schema: schema(&described, &concluded),
    })
}

/// The findings of a topic that are described in full; the template lists the others in short.
fn described<'a>(topic: &Topic<'a>) -> Vec<&'a Finding> {
    topic.findings.iter().take(DESCRIBED).copied().collect()
}

/// Whether the model may sum a topic up: only where it knows all its findings.
fn is_concluded(topic: &Topic<'_>) -> bool {
    topic.findings.len() <= DESCRIBED
}

const SYSTEM_CHINESE: &str = "\
你是放射科医师，根据测量结果用规范的中文书写影像报告中关于病灶的句子。
规则：
1. 只使用下面给出的短语和数字，照抄，不得改动、换算、四舍五入、推断或增加任何内容。
2. 影像所见（findings 列表）：每个病灶写一句，一句只写一个病灶，numbers 只填该病灶的编号；句中写明“病灶”加编号、名称、长径和短径，可再写体积、CT 值、层面和变化。
3. 诊断意见（impression 列表）：每组总结写一句，numbers 填该组的全部编号；写明个数、侧别和最大者的大小。
4. 不写良恶性、病因、形态、处理建议、随访、日期和病人信息；不写未给出的部位或阴性结果。
5. 只输出 JSON：{\"findings\": [{\"numbers\": […], \"text\": …}], \"impression\": [{\"numbers\": […], \"text\": …}]}，不加解释，不用 Markdown。";

const SYSTEM_ENGLISH: &str = "\
You are a radiologist and write the sentences of a report that speak of the lesions, in plain radiological English.
Rules:
1. Use only the phrases and numbers given below. Copy them; change, convert, round, infer and add nothing.
2. The list findings: one sentence for each finding, about it alone, with its number only in numbers. Say \"finding\" and its number, its name, its long and short axis; you may add volume, attenuation, slice and change.
3. The list impression: one sentence for each summary, with all numbers of that summary in numbers. Say how many there are, on which side, and how large the largest is.
4. Nothing about benign or malignant, cause, shape, treatment, follow-up, dates or the patient; no place and no negative finding that is not given.
5. Answer with JSON only: {\"findings\": [{\"numbers\": [..], \"text\": ..}], \"impression\": [{\"numbers\": [..], \"text\": ..}]}; no explanation, no Markdown.";

/// What may be said of one finding, a phrase on each line.
fn phrases(language: Language, facts: &Facts<'_>, finding: &Finding) -> String {
    let m = &finding.measurements;
    let (long, short) = (rounded::millimetres(m.long_axis_mm), rounded::millimetres(m.short_axis_mm));
    let (volume, slice) = (rounded::volume(m.volume_mm3), m.slice + 1);
    let name = name(language, finding);
    let mut lines = match language {
        Chinese => vec![
            format!("病灶 {}", finding.number),
            format!("- 名称：{name}"),
            format!("- 大小：长径 {long} mm，短径 {short} mm"),
            format!("- 体积 {volume}"),
            format!("- 位于第 {slice} 层"),
        ],
        English => vec![
            format!("Finding {}", finding.number),
            format!("- name: {name}"),
            format!("- size: long axis {long} mm, short axis {short} mm"),
            format!("- volume {volume}"),
            format!("- on slice {slice}"),
        ],
    };
    if facts.modality == "CT" {
        let hu = rounded::hounsfield(m.mean_hu);
        lines.push(phrase::either(
            language,
            format!("- 平均 CT 值 {hu} HU"),
            format!("- mean attenuation {hu} HU"),
        ));
    }
    if let (Some(change), Some(_)) = (&finding.change, facts.compared) {
        let trend = change::trend(language, change.trend);
        let measured = change::measured(language, finding, change);
        let measured = match (language, measured.is_empty()) {
            (_, true) => String::new(),
            (Chinese, false) => format!("：{measured}"),
            (English, false) => format!(": {measured}"),
        };
        lines.push(phrase::either(
            language,
            format!("- 变化：{trend}{measured}"),
            format!("- change: {trend}{measured}"),
        ));
    }
    lines.join("\n") + "\n"
}

/// What may be said of one group of findings together, as a whole sentence: counting is hard for small models.
fn conclusion(language: Language, topic: &Topic<'_>) -> String {
    let numbers: Vec<String> = topic.findings.iter().map(|finding| finding.number.to_string()).collect();
    let (numbers, sentence) = (numbers.join(", "), concluded_as(language, topic));
    phrase::either(
        language,
        format!("总结（impression，numbers 为 [{numbers}]）\n{sentence}\n"),
        format!("Summary (impression, numbers [{numbers}])\n{sentence}\n"),
    )
}

/// A reply as it may begin, made of the first finding's own phrases. Small models copy what they are shown: an
/// example with other numbers, words around it, or a summary among the findings, comes back in every sentence.
fn example(language: Language, facts: &Facts<'_>, finding: &Finding) -> String {
    let text = described_as(language, facts, finding);
    json!({ "findings": [{ "numbers": [finding.number], "text": text }] }).to_string() + "\n"
}

/// A sentence on one finding.
fn described_as(language: Language, facts: &Facts<'_>, finding: &Finding) -> String {
    let m = &finding.measurements;
    let (long, short) = (rounded::millimetres(m.long_axis_mm), rounded::millimetres(m.short_axis_mm));
    let (number, name, volume) = (finding.number, name(language, finding), rounded::volume(m.volume_mm3));
    let attenuation = (facts.modality == "CT").then(|| rounded::hounsfield(m.mean_hu));
    match language {
        Chinese => {
            let hu = attenuation.map_or(String::new(), |hu| format!("，平均 CT 值 {hu} HU"));
            format!("病灶 {number}：{name}，长径 {long} mm，短径 {short} mm，体积 {volume}{hu}。")
        }
        English => {
            let hu = attenuation.map_or(String::new(), |hu| format!(", mean attenuation {hu} HU"));
            format!(
                "Finding {number} is a {name} with a long axis of {long} mm and a short axis of {short} mm, \
                 volume {volume}{hu}."
            )
        }
    }
}

/// A sentence that sums up one group.
fn concluded_as(language: Language, topic: &Topic<'_>) -> String {
    let what = phrase::lesion_of_organ(language, topic.kind);
    let count = phrase::counted(language, what, topic.findings.len());
    let sides = phrase::sides(language, &topic.findings);
    let largest = topic.largest().expect("a topic of the prompt has findings");
    let (number, long) = (largest.number, rounded::millimetres(largest.measurements.long_axis_mm));
    match (language, topic.findings.len()) {
        (Chinese, 1) => format!("{count}{sides}，长径 {long} mm。"),
        (Chinese, _) => format!("{count}{sides}，最大者为病灶 {number}，长径 {long} mm。"),
        (English, 1) => format!("{count}{sides}, long axis {long} mm."),
        (English, _) => {
            format!("{count}{sides}; the largest is finding {number}, long axis {long} mm.")
        }
    }
}

/// What a finding is and where, within a sentence: "solid nodule in the right lung".
fn name(language: Language, finding: &Finding) -> String {
    match language {
        // Written the same at the head of a sentence and within it.
        Chinese => phrase::description(language, finding),
        English => {
            let what = match (finding.kind, finding.density) {
                (Kind::LiverLesion, _) => "focal lesion",
                (Kind::LungNodule, None) => "nodule",
                (Kind::LungNodule, Some(Density::Solid)) => "solid nodule",
                (Kind::LungNodule, Some(Density::PartSolid)) => "part-solid nodule",
                (Kind::LungNodule, Some(Density::GroundGlass)) => "ground-glass nodule",
            };
            format!("{what} in the {}", phrase::site(language, finding.site))
        }
    }
}

/// The shape of the reply: a list of sentences for each section, with the numbers of their findings. Two lists,
/// and as many sentences as there are to write, because a small model held to a schema does not know when to stop.
fn schema(described: &[&Finding], concluded: &[&Topic<'_>]) -> Value {
    let sentences = |count: usize, numbers: &[usize], most: usize| {
        json!({
            "type": "array",
            "minItems": count,
            "maxItems": count,
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["numbers", "text"],
                "properties": {
                    "numbers": {
                        "type": "array",
                        "items": { "type": "integer", "enum": numbers },
                        "minItems": 1,
                        "maxItems": most,
                    },
                    "text": { "type": "string" },
                },
            },
        })
    };
    let all: Vec<usize> = described.iter().map(|finding| finding.number).collect();
    let mut lists = json!({ "findings": sentences(all.len(), &all, 1) });
    let mut required = vec!["findings"];
    let largest_group = concluded.iter().map(|topic| topic.findings.len()).max();
    if let Some(most) = largest_group {
        let summed: Vec<usize> =
            concluded.iter().flat_map(|topic| topic.findings.iter()).map(|finding| finding.number).collect();
        lists["impression"] = sentences(concluded.len(), &summed, most);
        required.push("impression");
    }
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": lists })
}
