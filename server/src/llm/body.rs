//! What is sent: the same chat for all servers, and around it what each of them offers.

use engine::write::Message;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Kind, Settings};

/// How the form of a reply is forced, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Constraint {
    /// The server admits only tokens that fit the schema.
    Schema,
    /// The server admits only JSON.
    JsonObject,
    /// The model is asked to keep to it.
    None,
}

/// How much is asked for besides the chat. A server that refuses a request (400) is asked for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// All that its kind is known to offer.
    Full,
    /// JSON and sampling as everybody has it.
    Common,
    /// The chat alone.
    Bare,
}

impl Extent {
    /// What is left to ask for.
    pub(super) fn less(self) -> Option<Self> {
        match self {
            Self::Full => Some(Self::Common),
            Self::Common => Some(Self::Bare),
            Self::Bare => None,
        }
    }
}

/// How a server of this kind is asked to force the form.
///
/// DeepSeek has `json_object` alone, and refuses it where no message says "json". Everybody else takes OpenAI's
/// `json_schema`, of which vLLM, SGLang and Ollama make a guide of their own, and llama.cpp a grammar; vLLM's former
/// `guided_json` is gone since 0.12.
pub(super) fn constraint(kind: Kind, extent: Extent) -> Constraint {
    match (extent, kind) {
        (Extent::Bare, _) => Constraint::None,
        (Extent::Common, _) | (Extent::Full, Kind::Deepseek) => Constraint::JsonObject,
        (Extent::Full, _) => Constraint::Schema,
    }
}

/// The body of a request.
pub(super) fn body(settings: &Settings, messages: &[Message], schema: &Value, extent: Extent) -> Value {
    let messages = in_turn(messages);
    let mut body = json!({ "model": settings.model, "messages": messages, "stream": true });
    let mut set = |name: &str, value: Value| body[name] = value;
    match constraint(settings.kind, extent) {
        Constraint::Schema => {
            let schema = json!({ "name": "report", "strict": true, "schema": schema });
            set("response_format", json!({ "type": "json_schema", "json_schema": schema }));
        }
        Constraint::JsonObject => set("response_format", json!({ "type": "json_object" })),
        Constraint::None => {}
    }
    if extent != Extent::Bare {
        set("max_tokens", settings.max_tokens.into());
        set("temperature", settings.temperature().into());
        if let Some(top_p) = settings.top_p() {
            set("top_p", top_p.into());
        }
    }
    if extent == Extent::Full {
        set("stream_options", json!({ "include_usage": true }));
        if settings.kind != Kind::Deepseek {
            set("seed", settings.seed.into());
        }
        let thinking = settings.thinking;
        match settings.kind {
            Kind::Deepseek => {
                set("thinking", json!({ "type": if thinking { "enabled" } else { "disabled" } }));
            }
            // Two names, for chat templates have the one or the other, and none minds the one that it does not know.
            Kind::Vllm | Kind::Sglang => {
                set("chat_template_kwargs", json!({ "enable_thinking": thinking, "thinking": thinking }));
            }
            Kind::LlamaCpp => {
                // What it kept of another prompt changes the words, even at temperature 0.
                set("cache_prompt", false.into());
                if !thinking {
                    set("reasoning_effort", "none".into());
                }
            }
            Kind::Ollama if !thinking => set("reasoning_effort", "none".into()),
            Kind::Ollama | Kind::Openai => {}
        }
    }
    body
}

/// The messages with what one side says in a row made one: some chat templates (Gemma's, Mistral's) refuse it else.
fn in_turn(messages: &[Message]) -> Vec<Message> {
    let mut turns: Vec<Message> = Vec::new();
    for message in messages {
        match turns.last_mut().filter(|last| last.role == message.role) {
            Some(last) => last.content += &format!("\n\n{}", message.content),
            None => turns.push(message.clone()),
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use engine::write::Role;

    use super::*;

    const KINDS: [Kind; 6] =
        [Kind::Deepseek, Kind::Vllm, Kind::Sglang, Kind::LlamaCpp, Kind::Ollama, Kind::Openai];

    fn of(kind: Kind, thinking: bool, extent: Extent) -> Value {
        let settings = Settings { model: "m".to_owned(), kind, thinking, ..Settings::default() };
        let messages = [Message { role: Role::User, content: "JSON".to_owned() }];
        body(&settings, &messages, &json!({ "type": "object" }), extent)
    }

    #[test]
    fn everybody_is_asked_for_the_schema_but_deepseek_which_has_none() {
        for kind in KINDS {
            let format = &of(kind, false, Extent::Full)["response_format"];
            if kind == Kind::Deepseek {
                assert_eq!(*format, json!({ "type": "json_object" }));
            } else {
                assert_eq!(format["json_schema"]["schema"], json!({ "type": "object" }), "{kind}");
            }
            assert_eq!(of(kind, false, Extent::Common)["response_format"]["type"], "json_object", "{kind}");
        }
    }

    #[test]
    fn each_is_told_in_its_own_way_not_to_think() {
        let silent = |kind| of(kind, false, Extent::Full);
        assert_eq!(silent(Kind::Deepseek)["thinking"]["type"], "disabled");
        assert_eq!(silent(Kind::Vllm)["chat_template_kwargs"]["enable_thinking"], false);
        assert_eq!(silent(Kind::Sglang)["chat_template_kwargs"]["thinking"], false);
        assert_eq!(silent(Kind::LlamaCpp)["reasoning_effort"], "none");
        assert_eq!(silent(Kind::Ollama)["reasoning_effort"], "none");
        let openai = silent(Kind::Openai);
        assert!(openai.get("thinking").or(openai.get("reasoning_effort")).is_none(), "{openai}");
    }

    #[test]
    fn a_model_that_thinks_is_sampled_as_deepseek_advises() {
        for kind in KINDS {
            let (calm, thinking) = (of(kind, false, Extent::Full), of(kind, true, Extent::Full));
            assert_eq!((&calm["temperature"], &calm["top_p"]), (&json!(0.0), &Value::Null), "{kind}");
            assert_eq!((&thinking["temperature"], &thinking["top_p"]), (&json!(0.6), &json!(0.95)), "{kind}");
            assert!(thinking.get("reasoning_effort").is_none(), "{kind}");
        }
    }

    #[test]
    fn two_messages_of_one_side_in_a_row_are_one() {
        let said = |role, content: &str| Message { role, content: content.to_owned() };
        let messages = [said(Role::System, "a"), said(Role::User, "b"), said(Role::User, "c")];
        assert_eq!(in_turn(&messages), [said(Role::System, "a"), said(Role::User, "b\n\nc")]);
    }

    #[test]
    fn the_least_that_is_asked_for_is_the_chat() {
        for kind in KINDS {
            let bare = of(kind, true, Extent::Bare);
            let mut names: Vec<_> = bare.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["messages", "model", "stream"], "{kind}");
        }
    }
}
