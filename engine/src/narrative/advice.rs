//! The recommendation: what the guideline advises, word for word, and why it is silent.

use super::phrase::either;
use super::{Author, Facts, Language, Sentence};
use crate::guideline::Guideline;

/// What the guideline advises, each advice with its rule; then what it could not judge.
pub(super) fn recommendation(language: Language, facts: &Facts<'_>) -> Vec<Sentence> {
    let advised = facts.advised;
    let advice = advised.advice.iter().map(|advice| Sentence {
        text: advice.text(language),
        evidence: advice.findings.clone(),
        rules: vec![advice.rule.clone()],
        author: Author::Template,
    });
    let guideline = advised.guideline.map(|guideline| name(language, guideline));
    let refused = advised.refused.iter().map(|reason| Sentence {
        text: refused(language, guideline, reason),
        evidence: Vec::new(),
        rules: Vec::new(),
        author: Author::Template,
    });
    advice.filter(|sentence| !sentence.text.is_empty()).chain(refused).collect()
}

/// That the guideline says nothing, and why; the reason is quoted.
fn refused(language: Language, guideline: Option<&str>, reason: &str) -> String {
    let guideline = guideline.unwrap_or(either(language, "指南", "the guideline"));
    either(
        language,
        format!("未按{guideline}给出建议（系统原文）：{reason}"),
        format!("No advice by {guideline}: {reason}"),
    )
}

/// What the guideline is called.
fn name(language: Language, guideline: Guideline) -> &'static str {
    match guideline {
        Guideline::Fleischner2017 => either(language, "Fleischner 2017 指南", "Fleischner 2017"),
        Guideline::LungRads2022 => either(language, "Lung-RADS v2022 ", "Lung-RADS v2022"),
        Guideline::CLungRads => either(language, "C-Lung-RADS ", "C-Lung-RADS"),
    }
}
