//! How a report is laid out in plain text: the headings of the house, and what is shown.

use serde::{Deserialize, Serialize};

use super::phrase::either;
use super::{Author, Language, Narrative};

/// The headings of the house, and whether the patient's version stands below. What is not given is the
/// language's own.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Style {
    /// Of what was seen: 影像所见, 检查所见; Findings.
    pub findings_heading: Option<String>,
    /// Of what it comes to: 诊断意见, 印象; Impression.
    pub impression_heading: Option<String>,
    /// Of what is advised: 建议; Recommendation.
    pub recommendation_heading: Option<String>,
    /// Whether the text ends with the version for the patient.
    pub patient_version: bool,
}

impl Style {
    /// The heading of what was seen.
    pub fn findings(&self, language: Language) -> &str {
        self.findings_heading.as_deref().unwrap_or(language.findings_heading())
    }

    /// The heading of what it comes to.
    pub fn impression(&self, language: Language) -> &str {
        self.impression_heading.as_deref().unwrap_or(language.impression_heading())
    }

    /// The heading of what is advised.
    pub fn recommendation(&self, language: Language) -> &str {
        self.recommendation_heading.as_deref().unwrap_or(language.recommendation_heading())
    }
}

impl Narrative {
    /// The words as plain text with the language's own headings; see [`Narrative::text_in`].
    pub fn text(&self) -> String {
        self.text_in(&Style::default())
    }

    /// The words as plain text: a heading for each section that has words, a sentence on each line, the impression
    /// numbered, and at the end who wrote it.
    pub fn text_in(&self, style: &Style) -> String {
        let mut text = format!("{}\n", style.findings(self.language));
        for sentence in &self.findings {
            text += &format!("{}\n", sentence.text);
        }
        text += &format!("\n{}\n", style.impression(self.language));
        for (number, sentence) in (1..).zip(&self.impression) {
            text += &format!("{number}. {}\n", sentence.text);
        }
        if !self.recommendation.is_empty() {
            text += &format!("\n{}\n", style.recommendation(self.language));
            for sentence in &self.recommendation {
                text += &format!("{}\n", sentence.text);
            }
        }
        text += &format!("\n{}\n", self.written_by());
        if style.patient_version && !self.patient_version.is_empty() {
            text += &format!("\n{}\n", self.language.patient_heading());
            for line in &self.patient_version {
                text += &format!("{line}\n");
            }
        }
        text
    }

    /// Who wrote the report, in one sentence: the template, or how many sentences are somebody else's.
    pub fn written_by(&self) -> String {
        let sections = [&self.findings, &self.impression, &self.recommendation];
        let by = |author| sections.iter().flat_map(|s| s.iter()).filter(|s| s.author == author).count();
        let all: usize = sections.iter().map(|section| section.len()).sum();
        match (by(Author::Model), by(Author::Human)) {
            (0, 0) => either(
                self.language,
                "文字由固定模板按规则生成，未使用语言模型。".to_owned(),
                "Written by a fixed template from the measurements, without a language model.".to_owned(),
            ),
            (model, 0) => either(
                self.language,
                format!("共 {all} 句，其中 {model} 句由语言模型书写并已与测量结果核对，其余由固定模板生成。"),
                format!(
                    "{model} of {all} sentences were written by a language model and checked against the \
                     measurements, the others by a fixed template."
                ),
            ),
            (model, human) => either(
                self.language,
                format!(
                    "共 {all} 句，其中 {human} 句由人工书写，{model} 句由语言模型书写并已与测量结果核对，其余由固定模板生成。"
                ),
                format!(
                    "{human} of {all} sentences were written by a person and {model} by a language model that was \
                     checked against the measurements, the others by a fixed template."
                ),
            ),
        }
    }
}

impl Language {
    /// What the section of what was seen is called.
    pub fn findings_heading(self) -> &'static str {
        either(self, "影像所见", "Findings")
    }

    /// What the section of what it means is called.
    pub fn impression_heading(self) -> &'static str {
        either(self, "诊断意见", "Impression")
    }

    /// What the section of what is advised is called.
    pub fn recommendation_heading(self) -> &'static str {
        either(self, "建议", "Recommendation")
    }

    /// What the plain version is called, marked as what it is.
    pub fn patient_heading(self) -> &'static str {
        either(self, "患者版说明（通俗语言，科研结果）", "For the patient (plain language, research result)")
    }
}
