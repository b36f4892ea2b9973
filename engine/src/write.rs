//! Words for a report, written by a language model and checked here.
//!
//! The model is given typed findings and nothing else: [`Request`]. Its replies are read by an [`Attempt`]: what
//! does not pass [`check`](crate::check) is told to it once, and then replaced by the template's. Whatever the
//! model does, every finding has its sentence, and whatever it thinks aloud goes nowhere. Sending the request is
//! the server's business.
//!
//! ```text
//! let Some(request) = Request::new(language, &facts) else { the template writes };
//! let mut attempt = Attempt::new(&request, &facts, &evidence);
//! attempt.read(&ask(request.messages(System::Apart), &request.schema));
//! if let Some(messages) = attempt.repair(System::Apart) {
//!     attempt.read(&ask(messages, &request.schema));
//! }
//! let Written { narrative, judgement } = attempt.finish();
//! ```

mod attempt;
mod compose;
mod json;
mod prompt;
mod reply;
mod writing;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::narrative::{Facts, Language};

pub use attempt::{Attempt, Written};
pub use reply::{Draft, Drafted, ReplyFault};
pub use writing::{Judgement, Rejected, Writing};

/// What a language model is asked: instructions, phrases to use, and the shape of its reply.
///
/// All of it is made of fixed words, numbers and enumerations. Text from DICOM, warnings, dates, UIDs, sex and age
/// are not in it and cannot be.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The language to write in.
    pub language: Language,
    /// What it is to do.
    pub system: String,
    /// What it is to write about.
    pub user: String,
    /// The JSON Schema of the reply, within what all servers understand: no patterns, references or lengths.
    pub schema: Value,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What.
    pub content: String,
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The instructions.
    System,
    /// We.
    User,
    /// The model.
    Assistant,
}

/// Where the instructions stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// In a message of their own.
    Apart,
    /// At the head of ours, for models that want no system message (DeepSeek-R1).
    Within,
}

impl Request {
    /// What to ask about `facts`; `None` where there is no finding to write about.
    pub fn new(language: Language, facts: &Facts<'_>) -> Option<Self> {
        prompt::request(language, facts)
    }

    /// The messages of the first round.
    pub fn messages(&self, system: System) -> Vec<Message> {
        match system {
            System::Apart => {
                vec![Message::new(Role::System, &self.system), Message::new(Role::User, &self.user)]
            }
            System::Within => vec![Message::new(Role::User, &format!("{}\n\n{}", self.system, self.user))],
        }
    }

    /// The hash of instructions and findings, hexadecimal.
    pub fn prompt_sha256(&self) -> String {
        sha256(&format!("{}\n\n{}", self.system, self.user))
    }

    /// The hash of the schema, hexadecimal.
    pub fn schema_sha256(&self) -> String {
        sha256(&self.schema.to_string())
    }
}

impl Message {
    fn new(role: Role, content: &str) -> Self {
        Self { role, content: content.to_owned() }
    }
}

/// The SHA-256 of `text`, hexadecimal: of a prompt, a raw reply, the evidence.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
