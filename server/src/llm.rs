//! A language model behind a chat endpoint of the OpenAI kind: what it is asked, and what it answered.
//!
//! One server is asked, the one that is configured: no proxy of the environment, no redirect, TLS verified. What
//! comes back is text that nobody has checked; to make words for a report of it is the engine's business, see
//! `engine::write` and [`words`](crate::words). `body.rs` knows what servers differ in, `decode.rs` what they do to
//! a reply, `ask.rs` when to try again.

mod args;
mod ask;
mod body;
mod decode;
mod gguf;

use std::path::PathBuf;
use std::time::Duration;

use engine::write::System;
use serde::{Deserialize, Serialize};

pub(crate) use args::Arguments;
pub(crate) use ask::{Asked, Model};
pub(crate) use body::Constraint;
pub(crate) use decode::Reply;
pub(crate) use gguf::Gguf;

/// Where the model is, and how it is asked: `[llm]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// The root of the service: what `/chat/completions` is put after.
    pub(crate) url: String,
    /// The model's name, as the server knows it.
    pub(crate) model: String,
    pub(crate) kind: Kind,
    /// A file with the key to bring.
    pub(crate) key_file: Option<PathBuf>,
    /// Those who signed the server's certificate, PEM, where the usual ones did not.
    pub(crate) trusted: Option<PathBuf>,
    /// Lets `url` be on another machine and without TLS.
    pub(crate) allow_plain: bool,
    /// Whether the model thinks before it writes.
    pub(crate) thinking: bool,
    /// `None`: 0, or 0.6 where it thinks.
    pub(crate) temperature: Option<f64>,
    pub(crate) seed: u64,
    /// Of a reply, its thoughts included.
    pub(crate) max_tokens: u32,
    /// Until the server has taken the connection.
    pub(crate) connect_s: f64,
    /// From a question to the first word of its answer; what only keeps the connection open does not count.
    pub(crate) first_token_s: f64,
    /// For all that is asked about one report.
    pub(crate) total_s: f64,
}

/// What kind of server it is: they offer different things besides the chat itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// DeepSeek's own service
    Deepseek,
    /// vLLM
    Vllm,
    /// SGLang
    Sglang,
    /// The server of llama.cpp
    #[serde(rename = "llama.cpp")]
    #[value(name = "llama.cpp")]
    LlamaCpp,
    /// Ollama
    Ollama,
    /// Any other
    #[default]
    Openai,
}

/// Why there is no reply. None of it quotes what a server said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("the model's server cannot be reached: {0}")]
    Unreachable(String),
    /// The operator must act.
    #[error("the model's server answered {status}{hint}")]
    Refused { status: u16, hint: &'static str },
    #[error("the model's server is busy: it answered {status}")]
    Busy { status: u16, again_after: Option<Duration> },
    #[error("the model was too slow: {0}")]
    Slow(&'static str),
    #[error("the model's answer cannot be used: {0}")]
    Broken(&'static str),
    #[error("the model answered with nothing")]
    Empty,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            model: String::new(),
            kind: Kind::default(),
            key_file: None,
            trusted: None,
            allow_plain: false,
            thinking: false,
            temperature: None,
            seed: 1,
            max_tokens: 8192,
            connect_s: 5.0,
            first_token_s: 60.0,
            total_s: 180.0,
        }
    }
}

impl Settings {
    /// What the model is asked with: DeepSeek advises 0.6 for models that think, which repeat themselves at 0.
    pub(crate) fn temperature(&self) -> f64 {
        self.temperature.unwrap_or(if self.thinking { 0.6 } else { 0.0 })
    }

    /// The share of likely words that it chooses from; DeepSeek advises it for models that think.
    pub(crate) fn top_p(&self) -> Option<f64> {
        self.thinking.then_some(0.95)
    }

    /// Where the instructions stand: R1 is meant to be asked without a message of the system.
    pub(crate) fn system(&self) -> System {
        if self.thinking { System::Within } else { System::Apart }
    }

    /// How the model is asked, as `name=value`, for the record.
    pub(crate) fn parameters(&self) -> Vec<String> {
        let top_p = self.top_p().map(|top_p| format!("top_p={top_p}"));
        let seed = (self.kind != Kind::Deepseek).then(|| format!("seed={}", self.seed));
        let all = [format!("temperature={}", self.temperature()), format!("max_tokens={}", self.max_tokens)];
        let all = all.into_iter().chain(top_p).chain(seed);
        all.chain([format!("thinking={}", self.thinking)]).collect()
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Deepseek => "deepseek",
            Self::Vllm => "vllm",
            Self::Sglang => "sglang",
            Self::LlamaCpp => "llama.cpp",
            Self::Ollama => "ollama",
            Self::Openai => "openai",
        })
    }
}

impl Failure {
    /// Whether the same question may be answered a little later.
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Busy { .. } | Self::Broken(_) | Self::Empty => true,
            Self::Refused { .. } | Self::Slow(_) => false,
        }
    }

    /// Its name in metrics and in the record of what was asked.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Refused { .. } => "refused",
            Self::Busy { .. } => "busy",
            Self::Slow(_) => "slow",
            Self::Broken(_) => "broken",
            Self::Empty => "empty",
        }
    }
}
