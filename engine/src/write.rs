//! Words for a report, written by a language model and checked here.
//!
//! The model is given typed findings and nothing else. Its reply is taken sentence by sentence: what does not pass
//! [`check`](crate::check) is replaced by the template's. Sending the prompt is the server's business.

use serde::{Deserialize, Serialize};

/// How the words of a report came to be.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Writing {
    /// The language model that was asked; `None`: none, the template wrote.
    pub model: Option<String>,
}
