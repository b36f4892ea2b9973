//! A chat server of the OpenAI kind that does what a test tells it to, also nonsense.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use engine::narrative::Sentence;
use engine::{Narrative, Report};
use serde_json::{Value, json};

/// A server on a port of the system's choice; it lives as long as the test's process.
pub(crate) struct Chat {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// What came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `POST /v1/chat/completions HTTP/1.1` and the headers.
    pub(crate) head: String,
    pub(crate) body: Value,
    /// Whether the client hung up before the answer was finished.
    pub(crate) hung_up: bool,
}

/// What the server does next.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Send(Vec<u8>),
    Wait(Duration),
}

impl Chat {
    /// `answer` says what is done about request number `n` (from 0) with this body.
    pub(crate) fn start(answer: impl Fn(usize, &Value) -> Vec<Act> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (kept, answer) = (requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (kept.clone(), answer.clone());
                std::thread::spawn(move || serve(stream, &kept, &*answer));
            }
        });
        Self { port, requests }
    }

    /// The root of the service.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The requests for a chat, in the order in which they came.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Vec<Request>>, answer: &dyn Fn(usize, &Value) -> Vec<Act>) {
    let Some((head, body)) = receive(&mut stream) else { return };
    if head.starts_with("GET ") {
        let _ = stream.write_all(&whole(200, &json!({ "data": [{ "id": "m" }, { "id": "other" }] })));
        return;
    }
    let n = {
        let mut kept = kept.lock().unwrap();
        kept.push(Request { head, body: body.clone(), hung_up: false });
        kept.len() - 1
    };
    for act in answer(n, &body) {
        let hung_up = match act {
            Act::Send(bytes) => stream.write_all(&bytes).is_err(),
            Act::Wait(time) => has_hung_up(&stream, time),
        };
        if hung_up {
            kept.lock().unwrap()[n].hung_up = true;
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

/// Whether the client closes the connection within `time`.
fn has_hung_up(mut stream: &TcpStream, time: Duration) -> bool {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        stream.set_read_timeout(Some(left)).unwrap();
        match stream.read(&mut [0; 64]) {
            Ok(0) => return true,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return true,
            _ => {}
        }
    }
    false
}

fn receive(stream: &mut TcpStream) -> Option<(String, Value)> {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
            });
            let body = &bytes[end + 4..];
            if body.len() >= length.unwrap_or(0) {
                let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body).unwrap() };
                return Some((head, body));
            }
        }
        match stream.read(&mut part) {
            Ok(read @ 1..) => bytes.extend_from_slice(&part[..read]),
            _ => return None,
        }
    }
}

/// A whole answer with this status.
pub(crate) fn whole(status: u16, body: &Value) -> Vec<u8> {
    with_headers(status, "content-type: application/json\r\n", body.to_string().as_bytes())
}

/// The same with more headers, a line each, and any body.
pub(crate) fn with_headers(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} Said\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The head of an answer that ends with the connection.
pub(crate) fn stream_head() -> Act {
    Act::Send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec())
}

/// An event of a stream.
pub(crate) fn event(delta: Value, finish: Value) -> Vec<u8> {
    let choice = json!({ "index": 0, "delta": delta, "finish_reason": finish });
    let piece =
        json!({ "model": "mock-1", "system_fingerprint": "fp-7", "choices": [choice], "usage": null });
    format!("data: {piece}\n\n").into_bytes()
}

/// A stream that says `text` in pieces of a few bytes, and its end.
pub(crate) fn streamed(text: &str) -> Vec<Act> {
    let mut acts = vec![stream_head(), Act::Send(b": keep-alive\n\n".to_vec())];
    let letters: Vec<char> = text.chars().collect();
    let pieces = letters
        .chunks(7)
        .map(|piece| event(json!({ "content": piece.iter().collect::<String>() }), Value::Null));
    let wire = pieces.collect::<Vec<_>>().concat();
    // Wherever the network cuts it, in the middle of a character too.
    acts.extend(wire.chunks(1001).map(|part| Act::Send(part.to_vec())));
    acts.push(Act::Send(event(json!({ "content": "" }), "stop".into())));
    let usage = json!({ "choices": [], "usage": { "prompt_tokens": 11, "completion_tokens": 22 } });
    acts.push(Act::Send(format!("data: {usage}\n\ndata: [DONE]\n\n").into_bytes()));
    acts
}

/// An answer at once, with this content and whatever else is in the message.
pub(crate) fn said(content: &Value, more: Value, finish: &str) -> Vec<Act> {
    let mut message = json!({ "role": "assistant", "content": content });
    for (name, value) in more.as_object().into_iter().flatten() {
        message[name] = value.clone();
    }
    let choice = json!({ "index": 0, "message": message, "finish_reason": finish });
    let usage = json!({ "prompt_tokens": 11, "completion_tokens": 22 });
    vec![Act::Send(whole(200, &json!({ "model": "mock-1", "choices": [choice], "usage": usage })))]
}

/// What a model says that makes no mistake: the template's sentence about each finding, and the summaries.
pub(crate) fn truth(report: &Report) -> String {
    let template = Narrative::template(report.narrative.language, &report.facts());
    let of = |section: &str, sentences: &[Sentence], most: usize| {
        // How many there are, the template says in the findings whoever writes.
        let is_asked = |s: &&Sentence| (1..=most).contains(&s.evidence.len()) && s.text.contains(" mm");
        let told = sentences.iter().filter(is_asked);
        let told = told.map(|s| json!({ "section": section, "findings": s.evidence, "text": s.text }));
        told.collect::<Vec<_>>()
    };
    let all = [of("findings", &template.findings, 1), of("impression", &template.impression, 99)].concat();
    json!({ "sentences": all }).to_string()
}
