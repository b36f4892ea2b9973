//! How the words of a report came to be, for whoever asks later.

use serde::{Deserialize, Serialize};

use crate::check::Fault;

/// How the words of a report came to be. Which sentence is whose stands with the sentence
/// ([`Author`](crate::narrative::Author)); what the model really said, the server keeps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Writing {
    /// The language model that was asked, as its server names it; `None`: none, the template wrote.
    pub model: Option<String>,
    /// Its version, where the server reports one: a fingerprint, or the hash of the weights.
    pub model_version: Option<String>,
    /// What kind of server: `deepseek`, `vllm`, `llama.cpp`, `gguf` ..
    pub endpoint: Option<String>,
    /// Sampling as it was asked for, as `name=value`: temperature, seed, longest reply ..
    pub parameters: Vec<String>,
    /// SHA-256 of the messages of the first round.
    pub prompt_sha256: Option<String>,
    /// SHA-256 of the JSON schema that the reply was to keep to.
    pub schema_sha256: Option<String>,
    /// SHA-256 of what the words were checked against.
    pub evidence_sha256: Option<String>,
    /// SHA-256 of each raw reply, in the order of the rounds.
    pub replies_sha256: Vec<String>,
    /// When the model was asked, RFC 3339.
    pub asked_at: Option<String>,
    /// How long it took to reply, all rounds together.
    pub seconds: Option<f64>,
    /// Tokens of all prompts, where the server counts them.
    pub prompt_tokens: Option<u64>,
    /// Tokens of all replies.
    pub reply_tokens: Option<u64>,
    /// Why there is no reply: the server was not reached, was too slow, refused.
    pub failure: Option<String>,
    /// What became of the replies; `None` where there was none.
    pub judgement: Option<Judgement>,
}

/// What became of a model's replies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// How many replies were read: 1, or 2 with a repair.
    pub rounds: usize,
    /// How many of the model's sentences are in the report.
    pub accepted: usize,
    /// What was wrong with those that are not.
    pub rejected: Vec<Rejected>,
    /// What was wrong with whole replies, or with the report that they came to.
    pub problems: Vec<String>,
    /// Whether the template took over altogether.
    pub whole_template: bool,
    /// Faults that the check sees in the report as it is. Empty, unless the checker and the template disagree.
    pub faults: Vec<Fault>,
    /// The version of the checker.
    pub checker: String,
}

/// A sentence that was not accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    /// The findings that it names.
    pub findings: Vec<usize>,
    /// What is wrong with it. The sentence itself is with the raw reply.
    pub faults: Vec<Fault>,
}
