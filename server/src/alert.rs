//! Critical findings, told at once.
//!
//! An alert is posted as soon as its job is done. While the one who is to be told does not answer, it is
//! posted again, once a minute at least, for as long as it takes: a critical finding does not expire. Only
//! an answer that says that the alert itself is wrong ends it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{StatusCode, header};
use tracing::{info, warn};

use crate::dicomweb::client;
use crate::node::{Node, Stop};
use crate::store::Time;
use crate::store::alerts::{Alert, Told};

/// How long one that is told may take to answer.
const DEADLINE: Duration = Duration::from_secs(20);

/// The longest wait between two tries, whatever is configured for deliveries.
const MOST: Duration = Duration::from_secs(60);

/// How long to wait when the database cannot be asked, and when nothing is known to come.
const PAUSE: Duration = Duration::from_secs(5);

/// Posts alerts until the node stops.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    let Some(config) = &node.config.alert else {
        stop.requested().await;
        return Ok(());
    };
    let webhook = Webhook::new(&config.url, config.token_file.clone())?;
    let mut failures = 0;
    while !stop.is_requested() {
        // Before looking, so that what happens while looking is not missed.
        let woken = node.wake.delivery.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        let wait = tokio::select! {
            wait = tell(&node, &webhook, &mut failures) => wait,
            () = stop.requested() => break,
        };
        tokio::select! {
            () = tokio::time::sleep(wait.at_least) => {}
            () = stop.requested() => break,
        }
        tokio::select! {
            () = woken => {}
            () = tokio::time::sleep(wait.at_most.saturating_sub(wait.at_least)) => {}
            () = stop.requested() => {}
        }
    }
    Ok(())
}

/// How long to wait before looking again.
struct Wait {
    at_least: Duration,
    at_most: Duration,
}

/// Tells everything that is due, until something cannot be told.
async fn tell(node: &Node, webhook: &Webhook, failures: &mut u32) -> Wait {
    match tell_due(node, webhook, failures).await {
        Ok(wait) => wait,
        Err(error) => {
            warn!(%error, "the database cannot be asked for alerts");
            Wait { at_least: PAUSE, at_most: PAUSE }
        }
    }
}

async fn tell_due(node: &Node, webhook: &Webhook, failures: &mut u32) -> sqlx::Result<Wait> {
    while let Some(alert) = node.store.take_alert(Time::now()).await? {
        let posted = webhook.post(&alert).await;
        let now = Time::now();
        let told = match posted {
            Posted::Taken => Told::Sent,
            Posted::Refused(reason) => Told::Dead(reason),
            Posted::Failed(reason) => {
                *failures = failures.saturating_add(1);
                Told::Later(now + node.config.delivery.wait(*failures).min(MOST), reason)
            }
        };
        node.store.told_alert(&alert, &told, now).await?;
        let outcome = match &told {
            Told::Sent => {
                let delay = Duration::from_millis(u64::try_from(now.0 - alert.since.0).unwrap_or(0));
                metrics::histogram!("foci_alert_delay_seconds").record(delay.as_secs_f64());
                info!(study = %alert.study, job = alert.job, tries = alert.attempt, "alert sent");
                "sent"
            }
            Told::Dead(reason) => {
                warn!(study = %alert.study, job = alert.job, reason, "alert refused: it is not sent again");
                "dead"
            }
            Told::Later(_, reason) => {
                warn!(study = %alert.study, job = alert.job, tries = alert.attempt, reason, "alert waits");
                "failed"
            }
        };
        metrics::counter!("foci_alerts_total", "outcome" => outcome).increment(1);
        if let Told::Later(again, _) = told {
            // Whoever did not take this one would not take the next one either.
            let wait = until(again, now);
            return Ok(Wait { at_least: wait, at_most: wait });
        }
        *failures = 0;
    }
    let next = node.store.next_alert().await?;
    let at_most = next.map_or(PAUSE, |next| until(next, Time::now()).min(PAUSE));
    Ok(Wait { at_least: Duration::ZERO, at_most })
}

fn until(then: Time, now: Time) -> Duration {
    Duration::from_millis(u64::try_from(then.0 - now.0).unwrap_or(0))
}

/// Whom to tell.
struct Webhook {
    client: reqwest::Client,
    url: reqwest::Url,
    token_file: Option<PathBuf>,
}

/// What came of telling.
#[derive(Debug, PartialEq, Eq)]
enum Posted {
    Taken,
    /// The alert itself is wrong.
    Refused(String),
    Failed(String),
}

impl Webhook {
    fn new(url: &str, token_file: Option<PathBuf>) -> Result<Self> {
        let url: reqwest::Url = url.parse().context("alert.url is no URL")?;
        // Without redirects: a finding goes where it was told to go and nowhere else.
        let client = client::http_client(&url, None).context("alert.url")?;
        Ok(Self { client, url, token_file })
    }

    async fn post(&self, alert: &Alert) -> Posted {
        let mut request = self
            .client
            .post(self.url.clone())
            .timeout(DEADLINE)
            .header(header::CONTENT_TYPE, "application/json")
            .body(alert.body.clone());
        if let Some(file) = &self.token_file {
            // Each time: tokens are renewed.
            match client::bearer(file) {
                Ok(token) => request = request.header(header::AUTHORIZATION, token),
                Err(error) => return Posted::Failed(format!("{error:#}")),
            }
        }
        match request.send().await {
            Ok(response) => verdict(response.status()),
            // Without the URL, which may hold a secret.
            Err(error) => Posted::Failed(cause(&error.without_url())),
        }
    }
}

/// What an answer means. What says that the address, the credentials or the time are wrong can be put right
/// without the alert, so it is told again.
fn verdict(status: StatusCode) -> Posted {
    let retryable = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if status.is_success() {
        Posted::Taken
    } else if status.is_client_error() && !retryable.contains(&status) {
        Posted::Refused(format!("HTTP {status}"))
    } else {
        Posted::Failed(format!("HTTP {status}"))
    }
}

/// The last cause of an error says what happened; those before say what was tried.
fn cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use axum::Router;
    use axum::extract::State;
    use axum::http::HeaderMap;
    use axum::routing::post;

    use super::*;
    use crate::config::Config;
    use crate::store::Store;

    /// What was posted: the token and the body.
    type Posts = Arc<Mutex<Vec<(String, String)>>>;

    /// Somebody who answers with these statuses in turn, and with 204 ever after; where, and what came.
    async fn receiver(answers: &[u16]) -> (String, Posts) {
        let answers: Mutex<VecDeque<u16>> = Mutex::new(answers.iter().copied().collect());
        let posts = Posts::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/told", listener.local_addr().unwrap());
        let state = Arc::new((answers, posts.clone()));
        let told = |State(state): State<Arc<(Mutex<VecDeque<u16>>, Posts)>>,
                    headers: HeaderMap,
                    body: String| async move {
            let token = headers.get(header::AUTHORIZATION).map_or("", |value| value.to_str().unwrap());
            state.1.lock().unwrap().push((token.to_owned(), body));
            let status = state.0.lock().unwrap().pop_front().unwrap_or(204);
            (StatusCode::from_u16(status).unwrap(), [(header::LOCATION, "/elsewhere")])
        };
        let routes = Router::new().route("/told", post(told)).with_state(state);
        tokio::spawn(axum::serve(listener, routes).into_future());
        (url, posts)
    }

    /// A node with these alerts due, whose receiver is at `url`.
    async fn node(folder: &std::path::Path, url: &str, bodies: &[&str]) -> Arc<Node> {
        let token = folder.join("token");
        std::fs::write(&token, "sesame\n").unwrap();
        let path = folder.join("foci.toml");
        let text = format!(
            "data = {folder:?}\ndelivery.first_s = 0.05\n[alert]\nurl = {url:?}\ntoken_file = {token:?}\n"
        );
        std::fs::write(&path, text).unwrap();
        let config = Config::read(&path).unwrap();
        let store = Store::open(folder).await.unwrap();
        store.insert_alerts(bodies).await;
        Node::new(config, store)
    }

    async fn until(node: &Node, state: &str, count: i64) {
        for _ in 0..500 {
            if node.store.alerts_in(state).await == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("waited in vain for {count} alerts that are {state}");
    }

    #[tokio::test]
    async fn an_alert_is_posted_with_its_token_again_while_it_fails_and_once() {
        let folder = tempfile::tempdir().unwrap();
        // A redirect is not followed: it would carry the finding elsewhere.
        let (url, posts) = receiver(&[503, 401, 302, 200]).await;
        let node = node(folder.path(), &url, &["{\"finding\":1}"]).await;
        let (ask, stop) = Stop::new();
        let running = tokio::spawn(run(node.clone(), stop));
        until(&node, "sent", 1).await;
        ask.send(true).unwrap();
        running.await.unwrap().unwrap();
        let expected = ("Bearer sesame".to_owned(), "{\"finding\":1}".to_owned());
        assert_eq!(*posts.lock().unwrap(), vec![expected; 4]);
    }

    #[tokio::test]
    async fn an_alert_that_is_wrong_is_dead_and_holds_up_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (url, posts) = receiver(&[422]).await;
        let node = node(folder.path(), &url, &["one", "two"]).await;
        let (_ask, stop) = Stop::new();
        tokio::spawn(run(node.clone(), stop));
        until(&node, "sent", 1).await;
        until(&node, "dead", 1).await;
        let bodies: Vec<_> = posts.lock().unwrap().iter().map(|(_, body)| body.clone()).collect();
        assert_eq!(bodies, ["one", "two"]);
    }

    #[tokio::test]
    async fn an_alert_waits_for_a_receiver_that_is_down() {
        let folder = tempfile::tempdir().unwrap();
        let node = node(folder.path(), "http://127.0.0.1:1/told", &["one"]).await;
        let (_ask, stop) = Stop::new();
        tokio::spawn(run(node.clone(), stop));
        tokio::time::sleep(Duration::from_millis(400)).await;
        assert_eq!(node.store.alerts_in("pending").await, 1);
        let alert = loop {
            // Between two tries.
            if let Some(alert) = node.store.take_alert(Time(i64::MAX)).await.unwrap() {
                break alert;
            }
        };
        assert!(alert.attempt > 2, "{}", alert.attempt);
    }
}
