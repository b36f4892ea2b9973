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
