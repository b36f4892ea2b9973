//! The recommendation: what the guideline advises, word for word, and why it is silent.

use super::{Author, Facts, Language, Sentence};

/// What the guideline advises, each advice with its rule; then what it could not judge.
pub(super) fn recommendation(language: Language, facts: &Facts<'_>) -> Vec<Sentence> {
    let advised = facts.advised;
    let advice = advised.advice.iter().map(|advice| Sentence {
        text: advice.text(language),
        evidence: advice.findings.clone(),
        rules: vec![advice.rule.clone()],
        author: Author::Template,
    });
    let refused = advised.refused.iter().map(|refusal| Sentence {
        text: refusal.text(language),
        evidence: refusal.findings.clone(),
        rules: Vec::new(),
        author: Author::Template,
    });
    advice.chain(refused).filter(|sentence| !sentence.text.is_empty()).collect()
}
