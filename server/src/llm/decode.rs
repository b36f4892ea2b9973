//! A reply as it comes over the wire, piece by piece, made whole.
//!
//! A server streams (`text/event-stream`) or answers at once (JSON), whatever it was asked for and whatever it says
//! of the content's type; so the first byte that is no blank decides. Sans-IO: bytes in, a [`Reply`] out.
//!
//! Source: HTML Living Standard 9.2.6 (event streams); the rest is what servers were seen to do.

use serde::Serialize;
use serde_json::Value;

/// A reply may have so many bytes on the wire. A stream takes some 200 for a token.
const MOST_BYTES: usize = 64 << 20;

/// A line of a stream may have so many bytes, and an event so many lines.
const MOST_LINE: usize = 4 << 20;
const MOST_LINES: usize = 64;

/// What it says may have so many bytes, and what it thinks so many.
const MOST_TEXT: usize = 1 << 20;
const MOST_THOUGHT: usize = 8 << 20;

/// A name or a reason that a server tells may have so many characters.
const MOST_NAME: usize = 128;

/// What a model answered. Nobody has checked it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub(crate) struct Reply {
    /// What it said; what it thought, where it said nothing and a server put the answer there.
    pub(crate) text: String,
    /// What it thought, where the server tells it apart.
    pub(crate) thought: String,
    /// Why it stopped.
    pub(crate) finish: Finish,
    /// The model, as the server calls it.
    pub(crate) model: Option<String>,
    /// The server's word for its version of the model.
    pub(crate) fingerprint: Option<String>,
    pub(crate) prompt_tokens: Option<u64>,
    pub(crate) reply_tokens: Option<u64>,
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finish {
    /// It had said everything, or gave a reason that nobody here knows.
    Stop,
    /// It came to `max_tokens`, or to the end of what it can keep in mind.
    Length,
    /// A filter cut it off.
    Filtered,
    /// The server had to give up.
    Overloaded,
    /// It did not say.
    #[default]
    Unknown,
}

/// Why a reply cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is no reply of a chat.
    Foreign,
    /// It ended before its end.
    Cut,
    /// It says that something went wrong.
    Error,
    /// It does not end.
    TooLong,
}

/// How the reply comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Unknown,
    /// One JSON document.
    Whole,
    /// Events, a line each.
    Stream,
}

/// Makes a [`Reply`] of bytes.
#[derive(Debug)]
pub(super) struct Decoder {
    form: Form,
    reply: Reply,
    /// What was read of a line, or of the document.
    pending: Vec<u8>,
    /// Lines of data that are no JSON yet, and how many.
    data: String,
    lines: usize,
    bytes: usize,
    /// Whether the stream said that it is over.
    over: bool,
    /// Whether there was anything of a chat.
    chat: bool,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self {
            form: Form::Unknown,
            reply: Reply::default(),
            pending: Vec::new(),
            data: String::new(),
            lines: 0,
            bytes: 0,
            over: false,
            chat: false,
        }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        self.bytes += bytes.len();
        if self.bytes > MOST_BYTES {
            return Err(Unreadable::TooLong);
        }
        self.pending.extend_from_slice(bytes);
        if self.form == Form::Unknown {
            match self.pending.iter().find(|byte| !byte.is_ascii_whitespace()) {
                // Servers keep a connection open with blank lines.
                None => {
                    self.pending.clear();
                    return Ok(());
                }
                Some(b'{') => self.form = Form::Whole,
                Some(_) => self.form = Form::Stream,
            }
        }
        if self.form == Form::Stream {
            let pending = std::mem::take(&mut self.pending);
            for line in pending.split_inclusive(|byte| *byte == b'\n') {
                match line.strip_suffix(b"\n") {
                    Some(line) => self.line(line.strip_suffix(b"\r").unwrap_or(line))?,
                    None => self.pending = line.to_vec(),
                }
            }
            if self.pending.len() > MOST_LINE {
                return Err(Unreadable::TooLong);
            }
        }
        Ok(())
    }

    /// Whether the model has begun to answer.
    pub(super) fn has_begun(&self) -> bool {
        self.form == Form::Whole || !self.reply.text.is_empty() || !self.reply.thought.is_empty()
    }

    /// Whether nothing more is to come.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// The reply, when no more bytes come.
    pub(super) fn finish(mut self) -> Result<Reply, Unreadable> {
        let rest = std::mem::take(&mut self.pending);
        match self.form {
            Form::Unknown => return Err(Unreadable::Cut),
            Form::Whole => {
                let document = serde_json::from_slice(&rest).map_err(|error| match error.classify() {
                    serde_json::error::Category::Eof => Unreadable::Cut,
                    _ => Unreadable::Foreign,
                })?;
                self.piece(&document)?;
                self.over = true;
            }
            // The last line may lack its end.
            Form::Stream if !rest.is_empty() => self.line(rest.strip_suffix(b"\r").unwrap_or(&rest))?,
            Form::Stream => {}
        }
        if !self.chat {
            return Err(Unreadable::Foreign);
        }
        let mut reply = self.reply;
        if reply.text.trim().is_empty() {
            reply.text.clear();
            // vLLM puts the answer there for models whose thoughts it is told to look for and that have none.
            if reply.thought.contains('{') {
                reply.text.clone_from(&reply.thought);
            }
        }
        let is_cut = !self.over && reply.finish == Finish::Unknown;
        if is_cut && serde_json::from_str::<Value>(reply.text.trim()).is_err() {
            return Err(Unreadable::Cut);
        }
        Ok(reply)
    }

    /// A line of a stream, without its end.
    fn line(&mut self, line: &[u8]) -> Result<(), Unreadable> {
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        match name {
            "data" => self.data(value.strip_prefix(' ').unwrap_or(value)),
            // As llama.cpp once said it.
            "error" => Err(Unreadable::Error),
            "" if line.is_empty() => {
                self.end_event();
                Ok(())
            }
            // A comment keeps the connection open; other fields are not of interest.
            _ => Ok(()),
        }
    }

    /// The data of an event. It may go on in the next line, and some servers leave out the empty line between two.
    fn data(&mut self, text: &str) -> Result<(), Unreadable> {
        if text.trim() == "[DONE]" {
            self.over = true;
            return Ok(());
        }
        if !self.data.is_empty() {
            self.data.push('\n');
        }
        self.data += text;
        self.lines += 1;
        match serde_json::from_str::<Value>(&self.data) {
            Ok(piece) => {
                self.end_event();
                self.piece(&piece)
            }
            Err(_) if self.lines >= MOST_LINES => Err(Unreadable::Foreign),
            Err(_) => Ok(()),
        }
    }

    fn end_event(&mut self) {
        self.data.clear();
        self.lines = 0;
    }

    /// A piece of the reply, or all of it.
    fn piece(&mut self, piece: &Value) -> Result<(), Unreadable> {
        if piece.get("error").is_some_and(|error| !error.is_null()) {
            return Err(Unreadable::Error);
        }
        let reply = &mut self.reply;
        tell(&mut reply.model, &piece["model"]);
        tell(&mut reply.fingerprint, &piece["system_fingerprint"]);
        let usage = &piece["usage"];
        reply.prompt_tokens = usage["prompt_tokens"].as_u64().or(reply.prompt_tokens);
        reply.reply_tokens = usage["completion_tokens"].as_u64().or(reply.reply_tokens);
        let Some(choices) = piece["choices"].as_array() else { return Ok(()) };
        self.chat = true;
        // Of several answers the first is the one that was asked for.
        let first = choices.iter().find(|choice| choice["index"].as_u64().unwrap_or(0) == 0);
        let Some(choice) = first else { return Ok(()) };
        let message = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        add(&mut reply.text, &message["content"]);
        add(&mut reply.thought, &message["reasoning_content"]);
        if message["reasoning_content"].as_str().is_none_or(str::is_empty) {
            add(&mut reply.thought, &message["reasoning"]);
        }
        if reply.text.len() > MOST_TEXT || reply.thought.len() > MOST_THOUGHT {
            return Err(Unreadable::TooLong);
        }
        if let Some(reason) = choice["finish_reason"].as_str() {
            reply.finish = match reason {
                "length" => Finish::Length,
                "content_filter" => Finish::Filtered,
                "insufficient_system_resource" => Finish::Overloaded,
                _ => Finish::Stop,
            };
        }
        Ok(())
    }
}

/// Adds a text, which some servers send as a list of parts.
fn add(to: &mut String, value: &Value) {
    match value {
        Value::String(text) => *to += text,
        Value::Array(parts) => parts.iter().for_each(|part| *to += part["text"].as_str().unwrap_or_default()),
        _ => {}
    }
}

/// Keeps what a server calls something, as far as it is a name.
fn tell(to: &mut Option<String>, value: &Value) {
    if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
        *to = Some(text.chars().filter(|c| !c.is_control()).take(MOST_NAME).collect());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ANSWER: &str = "{\"text\":\"右肺上叶结节\"}";

    fn event(delta: Value, finish: Value) -> String {
        let piece =
            json!({ "model": "m-1", "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
        format!("data: {piece}\n\n")
    }

    fn decode(bytes: &[u8], step: usize) -> Result<Reply, Unreadable> {
        let mut decoder = Decoder::new();
        for part in bytes.chunks(step) {
            decoder.feed(part)?;
        }
        decoder.finish()
    }

    /// Whatever the pieces in which it comes, `wire` says `text` after thinking `thought`.
    #[track_caller]
    fn check(wire: &str, text: &str, thought: &str) {
        for step in 1..=wire.len().min(40) {
            let reply =
                decode(wire.as_bytes(), step).unwrap_or_else(|why| panic!("{why:?} by {step}: {wire}"));
            assert_eq!((reply.text.as_str(), reply.thought.as_str()), (text, thought), "by {step}: {wire}");
        }
    }

    #[test]
    fn a_stream_is_put_together_wherever_it_is_cut_into_pieces() {
        let (half, rest) = ANSWER.split_at(12);
        let events =
            event(json!({ "role": "assistant", "content": null, "reasoning_content": "嗯" }), Value::Null)
                + &event(json!({ "content": half }), Value::Null)
                + &event(json!({ "content": rest }), "stop".into());
        check(&(events.clone() + "data: [DONE]\n\n"), ANSWER, "嗯");
        check(&events.replace('\n', "\r\n"), ANSWER, "嗯");
        check(&(": keep-alive\n\n\n: keep-alive\n\n".to_owned() + &events), ANSWER, "嗯");
        check(&events.replace("data: ", "event: message\nid: 3\ndata:"), ANSWER, "嗯");
        check(&events.replace("\n\n", "\n"), ANSWER, "嗯");
        check(&events.replace("reasoning_content", "reasoning"), ANSWER, "嗯");
    }

    #[test]
    fn an_answer_at_once_is_read_even_after_blank_lines() {
        let message =
            json!({ "role": "assistant", "content": ANSWER, "reasoning_content": null, "reasoning": "hm" });
        let whole = json!({ "choices": [{ "index": 0, "finish_reason": "stop", "message": message }] });
        check(&whole.to_string(), ANSWER, "hm");
        check(&format!("\n\n  \n{whole:#}\n"), ANSWER, "hm");
        let parts =
            json!({ "content": [{ "type": "text", "text": "{\"a\"" }, { "type": "text", "text": ":1}" }] });
        check(
            &json!({ "choices": [{ "message": parts, "finish_reason": "stop" }] }).to_string(),
            "{\"a\":1}",
            "",
        );
    }

    #[test]
    fn an_answer_among_the_thoughts_is_found_and_a_mere_thought_is_none() {
        let answered = event(json!({ "content": "  \n", "reasoning": ANSWER }), "stop".into());
        check(&answered, ANSWER, ANSWER);
        let thought = event(json!({ "content": null, "reasoning_content": "99 mm?" }), "length".into());
        check(&thought, "", "99 mm?");
    }

    #[test]
    fn a_stream_that_breaks_off_is_a_reply_only_if_the_answer_is_whole() {
        let begun = event(json!({ "content": "{\"text\":\"ri" }), Value::Null);
        assert_eq!(decode(begun.as_bytes(), 64), Err(Unreadable::Cut));
        check(&event(json!({ "content": ANSWER }), Value::Null), ANSWER, "");
        let whole = json!({ "choices": [{ "message": { "content": ANSWER } }] }).to_string();
        assert_eq!(decode(&whole.as_bytes()[..whole.len() - 3], 64), Err(Unreadable::Cut));
        assert_eq!(decode(b"\n\n", 1), Err(Unreadable::Cut));
        assert_eq!(decode(b"", 1), Err(Unreadable::Cut));
    }

    #[test]
    fn what_is_no_answer_is_told_from_one() {
        assert_eq!(decode(b"<html>Bad Gateway</html>\n", 7), Err(Unreadable::Foreign));
        assert_eq!(decode(b"{\"detail\":\"hello\"}", 7), Err(Unreadable::Foreign));
        assert_eq!(decode(b"{\"error\":{\"message\":\"no\"}}", 7), Err(Unreadable::Error));
        let begun = event(json!({ "content": "{" }), Value::Null);
        assert_eq!(
            decode((begun.clone() + "data: {\"error\":{\"code\":500}}\n\n").as_bytes(), 9),
            Err(Unreadable::Error)
        );
        assert_eq!(decode((begun + "error: {\"code\":500}\n\n").as_bytes(), 9), Err(Unreadable::Error));
    }

    #[test]
    fn reasons_and_counts_are_read_and_unknown_ones_do_no_harm() {
        let finish = |reason: &str| {
            let wire = event(json!({ "content": ANSWER }), reason.into());
            decode(wire.as_bytes(), 99).unwrap().finish
        };
        assert_eq!(finish("length"), Finish::Length);
        assert_eq!(finish("insufficient_system_resource"), Finish::Overloaded);
        assert_eq!(finish("eos_token_or_so"), Finish::Stop);
        let usage = json!({ "choices": [], "usage": { "prompt_tokens": 7, "completion_tokens": 9 } });
        let wire = event(json!({ "content": ANSWER }), "stop".into()) + &format!("data: {usage}\n\n");
        let reply = decode(wire.as_bytes(), 5).unwrap();
        assert_eq!((reply.prompt_tokens, reply.reply_tokens), (Some(7), Some(9)));
        assert_eq!(reply.model.as_deref(), Some("m-1"));
    }

    #[test]
    fn a_reply_without_end_is_not_kept() {
        let word = event(json!({ "content": "word ".repeat(2000) }), Value::Null);
        let mut decoder = Decoder::new();
        let fed = (0..1000).find_map(|_| decoder.feed(word.as_bytes()).err());
        assert_eq!(fed, Some(Unreadable::TooLong));
        assert!(decoder.reply.text.len() < 2 * MOST_TEXT);
        let mut decoder = Decoder::new();
        let fed = (0..1000).find_map(|_| decoder.feed(&[b' '; 1 << 17]).err());
        assert_eq!(fed, Some(Unreadable::TooLong), "blanks count too");
    }
}
