//! Numbers for Prometheus: what the parts of the node count, and what the database and the machine say now.

use std::fmt::{Display, Write};
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::{describe_counter, describe_histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use super::App;
use super::health;
use super::problem::Problem;
use crate::config::Lane;
use crate::store::Time;
use crate::store::views::Counts;

/// Bounds of every histogram, seconds: from an answer out of memory to an analysis on a slow machine.
const BUCKETS: [f64; 15] =
    [0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0];

pub(super) const LANES: [(Lane, &str); 3] =
    [(Lane::Emergency, "emergency"), (Lane::Normal, "normal"), (Lane::Bulk, "bulk")];
const JOB_STATES: [&str; 6] = ["queued", "leased", "done", "failed", "dead", "cancelled"];
const DELIVERY_STATES: [&str; 5] = ["pending", "sent", "committed", "refused", "dead"];

/// Takes what the parts of this process count; the same for every server in it.
pub(super) fn recorder() -> Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    describe_counter!("foci_http_requests_total", "HTTP requests, by route, method and status");
    describe_histogram!("foci_http_request_seconds", "Time to the first byte of an answer, by route");
    Ok(HANDLE.get_or_init(|| handle).clone())
}

/// Numbers for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, description = "Prometheus text format", body = String, content_type = "text/plain"),
))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let counts = app.counts().await?;
    let mut text = app.recorder.render();
    text += &gauges(&app, &counts);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

fn gauges(app: &App, counts: &Counts) -> String {
    let mut text = Text(String::new());
    text.name("foci_build_info", "1, with the version");
    text.value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.name("foci_uptime_seconds", "Since the node was started");
    text.value(&[], app.started.elapsed().as_secs());

    text.name("foci_studies", "Studies, by state");
    for state in ["receiving", "complete"] {
        let count = counts.studies.iter().find(|(of, _)| of == state).map_or(0, |(_, count)| *count);
        text.value(&[("state", state)], count);
    }
    text.name("foci_jobs", "Jobs, by state and lane");
    for state in JOB_STATES {
        for (lane, name) in LANES {
            text.value(&[("state", state), ("lane", name)], counts.jobs(state, lane));
        }
    }
    text.name("foci_oldest_queued_seconds", "How long the oldest queued job waits, by lane; 0: none waits");
    for (lane, name) in LANES {
        text.value(&[("lane", name)], counts.waits(lane).map_or(0.0, |ms| ms as f64 / 1000.0));
    }
    text.name("foci_outbox", "Results, by destination and state of their delivery");
    for destination in counts.destinations(app) {
        for state in DELIVERY_STATES {
            let count = counts.deliveries(&destination, state);
            text.value(&[("destination", &destination), ("state", state)], count);
        }
    }
    text.name("foci_alerts", "Critical findings to be told, by state");
    for state in ["pending", "sent", "dead"] {
        let count = counts.alerts.iter().find(|(of, _)| of == state).map_or(0, |(_, count)| *count);
        text.value(&[("state", state)], count);
    }
    text.name("foci_quarantined_objects", "Objects kept aside: others with their UIDs came before");
    text.value(&[], counts.quarantine);
    if let Ok(disk) = health::disk(app) {
        text.name("foci_disk_free_bytes", "Room on the disk that holds the data");
        text.value(&[], disk.free_bytes);
        text.name("foci_disk_minimum_free_bytes", "With less room, senders are told to wait");
        text.value(&[], disk.minimum_free_bytes);
    }
    if let Some(bytes) = resident_bytes() {
        text.name("foci_resident_memory_bytes", "Memory of this process, without its workers");
        text.value(&[], bytes);
    }
    text.0
}

impl Counts {
    pub(super) fn jobs(&self, state: &str, lane: Lane) -> i64 {
        let mut found = self.jobs.iter().filter(|(of, on, _)| of == state && *on == lane);
        found.next().map_or(0, |(_, _, count)| *count)
    }

    /// How long the oldest queued job of `lane` waits, milliseconds; `None` if none waits.
    pub(super) fn waits(&self, lane: Lane) -> Option<i64> {
        let (_, since) = self.oldest.iter().find(|(on, _)| *on == lane)?;
        Some((Time::now().0 - since.0).max(0))
    }

    pub(super) fn deliveries(&self, destination: &str, state: &str) -> i64 {
        let mut found = self.deliveries.iter().filter(|(to, of, _)| to == destination && of == state);
        found.next().map_or(0, |(_, _, count)| *count)
    }

    /// Every destination that rules name or ever named.
    pub(super) fn destinations(&self, app: &App) -> Vec<String> {
        let named = app.node.config.rule.iter().flat_map(|rule| rule.send_to.iter().cloned());
        let mut all: Vec<String> = named.chain(self.deliveries.iter().map(|(to, ..)| to.clone())).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// The memory of this process, if the system says it the way Linux does.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Prometheus text. Writing to a string does not fail.
struct Text(String);

impl Text {
    fn name(&mut self, name: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} gauge\n");
    }

    /// A value of the name that was given last.
    fn value(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let name = self.0.rsplit("# TYPE ").next().and_then(|rest| rest.split(' ').next());
        let name = name.expect("a name comes first").to_owned();
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<String> =
            labels.iter().map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}
