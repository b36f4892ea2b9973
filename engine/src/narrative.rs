//! Words for a report.
use serde::Serialize;

/// The language of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Language {
    /// Chinese as written in the People's Republic of China.
    #[serde(rename = "zh-CN")]
    Chinese,
    /// English.
    #[serde(rename = "en")]
    English,
}

/// The words of a report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Narrative {
    /// The language.
    pub language: Language,
    /// 影像所见 / Findings.
    pub findings: Vec<Sentence>,
    /// 诊断意见 / Impression.
    pub impression: Vec<Sentence>,
}

/// One sentence and the findings (by number) it speaks of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sentence {
    /// The words.
    pub text: String,
    /// The numbers of the findings that support it; empty for a sentence about the whole examination.
    pub evidence: Vec<usize>,
    /// Who wrote it.
    pub author: Author,
}

/// Who wrote a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The deterministic template.
    Template,
}
