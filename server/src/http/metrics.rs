//! Numbers for Prometheus: what the parts of the node count, and what the database and the machine say now.

use std::sync::{Arc, OnceLock};

use anyhow::Result;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
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
const ALERT_STATES: [&str; 3] = ["pending", "sent", "dead"];

/// Takes what the parts of this process count; the same for every server in it.
pub(super) fn recorder() -> Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    describe_counter!("foci_http_requests_total", "HTTP requests, by route, method and status");
    describe_histogram!("foci_http_request_seconds", "Time to the first byte of an answer, by route");
    describe_gauge!("foci_build_info", "1, with the version");
    describe_gauge!("foci_uptime_seconds", "Since the node was started");
    describe_gauge!("foci_studies", "Studies, by state");
    describe_gauge!("foci_jobs", "Jobs, by state and lane");
    describe_gauge!(
        "foci_oldest_queued_seconds",
        "How long the oldest queued job waits, by lane; 0: none waits"
    );
    describe_gauge!("foci_outbox", "Results, by destination and state of their delivery");
    describe_gauge!("foci_alerts", "Critical findings to be told, by state");
    describe_gauge!("foci_quarantined_objects", "Objects kept aside: others with their UIDs came before");
    describe_gauge!("foci_disk_free_bytes", "Room on the disk that holds the data");
    describe_gauge!("foci_disk_minimum_free_bytes", "With less room than this, senders are told to wait");
    describe_gauge!("foci_resident_memory_bytes", "Memory of this process, without its workers");
    Ok(HANDLE.get_or_init(|| handle).clone())
}

/// Numbers for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operation", responses(
    (status = 200, description = "Prometheus text format", body = String, content_type = "text/plain"),
))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let counts = app.counts().await?;
    measure(&app, &counts);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.recorder.render())
        .into_response())
}

/// Sets what is not counted as it happens but looked up when somebody asks. Zeros too: a number that is not
/// there any more would keep its last value.
fn measure(app: &App, counts: &Counts) {
    gauge!("foci_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!("foci_uptime_seconds").set(app.started.elapsed().as_secs_f64());
    for state in ["receiving", "complete"] {
        gauge!("foci_studies", "state" => state).set(of(&counts.studies, state) as f64);
    }
    for state in JOB_STATES {
        for (lane, name) in LANES {
            gauge!("foci_jobs", "state" => state, "lane" => name).set(counts.jobs(state, lane) as f64);
        }
    }
    for (lane, name) in LANES {
        let seconds = counts.waits(lane).map_or(0.0, |ms| ms as f64 / 1000.0);
        gauge!("foci_oldest_queued_seconds", "lane" => name).set(seconds);
    }
    for destination in counts.destinations(app) {
        for state in DELIVERY_STATES {
            let count = counts.deliveries(&destination, state) as f64;
            gauge!("foci_outbox", "destination" => destination.clone(), "state" => state).set(count);
        }
    }
    for state in ALERT_STATES {
        gauge!("foci_alerts", "state" => state).set(of(&counts.alerts, state) as f64);
    }
    gauge!("foci_quarantined_objects").set(counts.quarantine as f64);
    if let Ok(disk) = health::disk(app) {
        gauge!("foci_disk_free_bytes").set(disk.free_bytes as f64);
        gauge!("foci_disk_minimum_free_bytes").set(disk.minimum_free_bytes as f64);
    }
    if let Some(bytes) = resident_bytes() {
        gauge!("foci_resident_memory_bytes").set(bytes as f64);
    }
}

/// The count of `wanted`.
pub(super) fn of(counts: &[(String, i64)], wanted: &str) -> i64 {
    counts.iter().find(|(state, _)| state == wanted).map_or(0, |(_, count)| *count)
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
