//! A question put to the server: when to try again, and when to give up.
//!
//! Dropping what [`Model::ask`] returns closes the connection, and servers then stop generating.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use engine::write::Message;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::body::{Constraint, Extent, body, constraint};
use super::decode::{Decoder, Finish, Reply, Unreadable};
use super::{Failure, Settings};
use crate::dicomweb::client;

/// A question is put so often at most, each time after a longer wait.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// A list of models, or the reason of a refusal, may have so many bytes.
const MOST_BYTES: usize = 1 << 20;

/// A model, ready to be asked.
#[derive(Debug)]
pub(crate) struct Model {
    settings: Settings,
    root: Url,
    client: reqwest::Client,
    /// What the server has been found to take.
    extent: Mutex<Extent>,
}

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// `ok`, or the name of a [`Failure`].
    pub(crate) outcome: String,
    pub(crate) seconds: f64,
}

impl Model {
    /// Makes ready what is needed; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the address, the key or the certificates.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let root: Url = settings.url.parse().context("the model's url is none")?;
        if !matches!(root.scheme(), "http" | "https") || root.host().is_none() {
            bail!("the model's url does not begin with http:// or https:// and a host");
        }
        let connect = Duration::from_secs_f64(settings.connect_s);
        settings.key_file.as_deref().map(client::bearer).transpose()?;
        Ok(Self {
            client: client::http_client_within(&root, settings.trusted.as_deref(), connect)?,
            root,
            settings: settings.clone(),
            extent: Mutex::new(Extent::Full),
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How the form of a reply is forced, as far as the server was found to do it.
    pub(crate) fn constraint(&self) -> Constraint {
        constraint(self.settings.kind, self.extent())
    }

    /// The model's answer to `messages`, in the form of `schema` where the server can force it. Every request is
    /// noted in `asked`.
    ///
    /// # Errors
    ///
    /// The last failure, when it has been tried often enough, there is no use in trying again, or `until` has come.
    pub(crate) async fn ask(
        &self,
        messages: &[Message],
        schema: &Value,
        until: Instant,
        asked: &mut Vec<Asked>,
    ) -> Result<Reply, Failure> {
        let mut tries = 0;
        let mut extent = self.extent();
        loop {
            let since = Instant::now();
            let body = body(&self.settings, messages, schema, extent);
            let answer = timeout_at(until, self.once(&body, until)).await.unwrap_or(Err(LATE));
            let outcome = answer.as_ref().map_or_else(Failure::name, |_| "ok");
            asked.push(Asked { outcome: outcome.to_owned(), seconds: since.elapsed().as_secs_f64() });
            let failure = match answer {
                Ok(reply) => {
                    *self.extent.lock().unwrap_or_else(PoisonError::into_inner) = extent;
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            if let (Failure::Refused { status: 400 | 422, hint: "" }, Some(less)) = (&failure, extent.less())
            {
                // It may not know schemas, or one of the words of its kind.
                extent = less;
                continue;
            }
            tries += 1;
            let wait = match failure {
                Failure::Busy { again_after: Some(told), .. } => told,
                _ => FIRST_WAIT * 2_u32.pow(tries - 1),
            };
            if !failure.is_passing() || tries == TRIES || Instant::now() + wait >= until {
                return Err(failure);
            }
            sleep(wait).await;
        }
    }

    /// The names of the models that the server has.
    ///
    /// # Errors
    ///
    /// It does not answer, or with something else.
    pub(crate) async fn names(&self) -> Result<Vec<String>, Failure> {
        let until = Instant::now() + Duration::from_secs_f64(self.settings.first_token_s.min(20.0));
        let listed = async {
            let request = self.client.get(self.url("models")).headers(self.headers());
            let response = request.send().await.map_err(unreachable)?;
            let response = accepted(response).await?;
            let bytes = limited(response).await?;
            let list: Value = serde_json::from_slice(&bytes).map_err(|_| FOREIGN)?;
            let models = list["data"].as_array().ok_or(FOREIGN)?;
            Ok(models.iter().filter_map(|model| model["id"].as_str().map(str::to_owned)).collect())
        };
        timeout_at(until, listed).await.unwrap_or(Err(LATE))
    }

    /// One request.
    async fn once(&self, body: &Value, until: Instant) -> Result<Reply, Failure> {
        let first = until.min(Instant::now() + Duration::from_secs_f64(self.settings.first_token_s));
        let request = self.client.post(self.url("chat/completions")).headers(self.headers()).json(body);
        let sent = timeout_at(first, request.send()).await.map_err(|_| NO_WORD)?;
        let response = sent.map_err(unreachable)?;
        let mut response = timeout_at(first, accepted(response)).await.map_err(|_| NO_WORD)??;
        let mut decoder = Decoder::new();
        while !decoder.is_over() {
            let deadline = if decoder.has_begun() { until } else { first };
            let late = if decoder.has_begun() { LATE } else { NO_WORD };
            let piece = timeout_at(deadline, response.chunk()).await.map_err(|_| late)?;
            match piece {
                Ok(Some(piece)) => decoder.feed(&piece).map_err(broken)?,
                // Whether something is missing is seen at the end.
                Ok(None) | Err(_) => break,
            }
        }
        let reply = decoder.finish().map_err(broken)?;
        match reply.finish {
            Finish::Overloaded => Err(Failure::Broken("the server ran out of resources")),
            Finish::Length if reply.text.is_empty() => {
                Err(Failure::Slow("it came to llm.max_tokens before it had said a word"))
            }
            _ if reply.text.is_empty() => Err(Failure::Empty),
            _ => Ok(reply),
        }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        // An address with a host, as `new` asks for, is one that a path can be added to.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        url
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        // Each time: keys are renewed. Without one the server says what is missing.
        if let Some(Ok(key)) = self.settings.key_file.as_deref().map(client::bearer) {
            headers.insert(header::AUTHORIZATION, key);
        }
        headers
    }

    fn extent(&self) -> Extent {
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NO_WORD: Failure = Failure::Slow("it said no word within llm.first_token_s");
const LATE: Failure = Failure::Slow("it was not done within llm.total_s");
const FOREIGN: Failure = Failure::Broken("it is no answer of a chat service; look at llm.url");

fn broken(unreadable: Unreadable) -> Failure {
    match unreadable {
        Unreadable::Foreign => FOREIGN,
        Unreadable::Cut => Failure::Broken("it breaks off"),
        Unreadable::Error => Failure::Broken("it is an error of the server"),
        Unreadable::TooLong => Failure::Broken("it does not end"),
    }
}

/// The last cause of an error says what happened. The address stays out: it may hold a secret.
fn unreachable(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut last: &dyn std::error::Error = &error;
    while let Some(source) = last.source() {
        last = source;
    }
    Failure::Unreachable(last.to_string())
}

/// An answer that says that the question was taken.
async fn accepted(response: Response) -> Result<Response, Failure> {
    let status = response.status();
    let hint = match status {
        _ if status.is_success() => return Ok(response),
        _ if status.is_redirection() => ": redirects are not followed, look at llm.url",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": look at llm.key_file",
        StatusCode::PAYMENT_REQUIRED => ": its account has no credit left",
        StatusCode::NOT_FOUND => ": look at llm.url (most end in /v1) and llm.model",
        StatusCode::PAYLOAD_TOO_LARGE => TOO_LONG,
        _ => "",
    };
    let passing = matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::CONFLICT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
    );
    let status = status.as_u16();
    if passing || status >= 500 {
        return Err(Failure::Busy { status, again_after: again_after(response.headers()) });
    }
    let is_too_long = || async {
        let said = limited(response).await.unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        ["exceed_context_size", "context_length_exceeded", "context length"]
            .iter()
            .any(|words| said.contains(words))
    };
    let hint = if status == 400 && is_too_long().await { TOO_LONG } else { hint };
    Err(Failure::Refused { status, hint })
}

const TOO_LONG: &str = ": the findings are more than the model can take in at once";

/// When a server wants to be asked again: in so many seconds, or at a time.
///
/// Source: RFC 9110 10.2.3.
fn again_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let then = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    (then.to_utc() - chrono::Utc::now()).to_std().ok()
}

async fn limited(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > MOST_BYTES {
            return Err(broken(Unreadable::TooLong));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use engine::write::Role;
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
    const WORD: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"{\"}}]}\n\n";
    const BLANK: &str = ": keep-alive\n\n";

    /// What comes of asking somebody who says `first` and then `again` every 20 ms for ever, with these deadlines;
    /// and after how long.
    async fn ask(
        first: &[&str],
        again: &'static str,
        first_token_s: f64,
        total_s: f64,
    ) -> (Failure, Duration) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let first = first.concat();
        let (tell, closed) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut part = [0; 4096];
            let _ = stream.read(&mut part).await;
            let _ = stream.write_all(first.as_bytes()).await;
            while stream.write_all(again.as_bytes()).await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
            let _ = tell.send(());
        });
        let settings = Settings { url, model: "m".to_owned(), first_token_s, total_s, ..Settings::default() };
        let model = Model::new(&settings).unwrap();
        let since = Instant::now();
        let until = since + Duration::from_secs_f64(total_s);
        let messages = [Message { role: Role::User, content: "JSON".to_owned() }];
        let mut asked = Vec::new();
        let failure = model.ask(&messages, &json!({}), until, &mut asked).await.unwrap_err();
        let took = since.elapsed();
        assert_eq!(asked.len(), 1, "{asked:?}");
        // Who is given up hears of it.
        tokio::time::timeout(Duration::from_secs(20), closed).await.unwrap().unwrap();
        (failure, took)
    }

    #[tokio::test]
    async fn who_only_keeps_the_connection_open_says_no_word() {
        let (failure, took) = ask(&[HEAD], BLANK, 0.4, 60.0).await;
        assert_eq!(failure, NO_WORD);
        assert!(took >= Duration::from_millis(400) && took < Duration::from_secs(30), "{took:?}");
    }

    #[tokio::test]
    async fn who_has_begun_has_until_the_end_of_the_whole() {
        let (failure, took) = ask(&[HEAD, WORD], BLANK, 0.2, 1.0).await;
        assert_eq!(failure, LATE);
        assert!(took >= Duration::from_millis(990) && took < Duration::from_secs(30), "{took:?}");
    }

    #[tokio::test]
    async fn who_never_ends_is_stopped_at_the_end_of_the_whole() {
        let (failure, _) = ask(&[HEAD], WORD, 0.4, 0.8).await;
        assert_eq!(failure, LATE);
    }

    #[test]
    fn an_answer_says_when_to_ask_again_in_seconds_or_by_date() {
        let after = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            again_after(&headers)
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("soon"), None);
        // What has passed is no time to wait.
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        let then = (chrono::Utc::now() + chrono::TimeDelta::minutes(2)).to_rfc2822();
        assert!(after(&then).is_some_and(|wait| (60..=120).contains(&wait.as_secs())));
    }
}
