//! The recommendation: what the guideline advises, word for word, and what it could not judge.

use super::{Author, Facts, Language, Sentence};

/// What the guideline advises, each advice with its rule; then what it could not judge, and why.
pub(super) fn recommendation(language: Language, facts: &Facts<'_>) -> Vec<Sentence> {
    let advice = facts.advised.advice.iter().map(|advice| Sentence {
        text: advice.text(language),
        evidence: advice.findings.clone(),
        rules: vec![advice.rule.clone()],
        author: Author::Template,
    });
    let refused = facts.advised.refused.iter().map(|refusal| Sentence {
        text: refusal.text(language),
        evidence: refusal.findings.clone(),
        rules: Vec::new(),
        author: Author::Template,
    });
    advice.chain(refused).collect()
}
