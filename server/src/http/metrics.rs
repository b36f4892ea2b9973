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

const JOB_STATES: [&str; 6] = ["queued", "leased", "done", "failed", "dead", "cancelled"];
const DELIVERY_STATES: [&str; 5] = ["pending", "sent", "committed", "refused", "dead"];
const ALERT_STATES: [&str; 3] = ["pending", "sent", "dead"];

/// What the parts of the node count as it happens.
const COUNTED: [(&str, &str); 26] = [
    (
        "foci_instances_received_total",
        "Objects that came and were kept, by outcome: new, again, own, quarantined",
    ),
    ("foci_instances_refused_total", "Objects that were not kept, by reason"),
    ("foci_received_bytes_total", "Bytes of the objects that were kept"),
    ("foci_stow_instances_total", "Objects that came by STOW-RS, by outcome"),
    ("foci_studies_completed_total", "Revisions of studies that were found to be complete"),
    ("foci_studies_purged_total", "Studies whose images were removed (studies.keep_images_days)"),
    ("foci_jobs_claimed_total", "Jobs given to a worker, by lane"),
    ("foci_jobs_ended_total", "Tries that ended, by how"),
    ("foci_jobs_fenced_total", "Results of a worker that no longer held its job, thrown away"),
    ("foci_worker_starts_total", "Worker processes started"),
    ("foci_worker_deaths_total", "Worker processes that ended by themselves"),
    ("foci_llm_requests_total", "Requests to the language model, by outcome"),
    ("foci_critical_findings_total", "Findings that their model's card calls critical"),
    ("foci_alerts_total", "Tries to tell a critical finding, by outcome"),
    ("foci_deliveries_total", "Objects sent or not, by destination and outcome"),
    ("foci_destination_failures_total", "Rounds that a destination failed as a whole, by destination"),
    ("foci_commitment_requests_total", "Requests for storage commitment, by destination and outcome"),
    ("foci_commitments_total", "Objects whose storage was committed or not, by destination and outcome"),
    ("foci_dicom_associations_total", "Associations that peers asked for, by outcome"),
    ("foci_dicom_associations_failed_total", "Associations that ended in an error"),
    ("foci_dicom_connections_evicted_total", "Connections pushed out before they asked for an association"),
    ("foci_dicom_contexts_refused_total", "Presentation contexts refused, by SOP class"),
    ("foci_dicom_messages_total", "DICOM messages answered, by operation and outcome"),
    ("foci_dicom_received_bytes_total", "Bytes that peers sent over DICOM, whatever became of them"),
    ("foci_dicom_panics_total", "Associations that were cut off by a mistake of ours"),
    ("foci_http_requests_total", "HTTP requests, by route, method and status"),
];

/// What is so at the moment.
const NOW: [(&str, &str); 15] = [
    ("foci_build_info", "1, with the version"),
    ("foci_uptime_seconds", "Since the node was started"),
    ("foci_studies", "Studies, by state"),
    ("foci_jobs", "Jobs, by state and lane"),
    ("foci_oldest_queued_seconds", "How long the oldest queued job waits, by lane; 0: none waits"),
    ("foci_outbox", "Results, by destination and state of their delivery"),
    ("foci_destination_up", "1 if the last round to a destination went well, by destination"),
    ("foci_alerts", "Critical findings to be told, by state"),
    ("foci_quarantined_objects", "Objects kept aside: others with their UIDs came before"),
    ("foci_missing_files", "Images whose files were not there when the node last looked"),
    ("foci_dicom_associations", "Associations open now"),
    ("foci_dicom_connections_waiting", "Connections that have not asked for an association yet"),
    ("foci_disk_free_bytes", "Room on the disk that holds the data"),
    ("foci_disk_minimum_free_bytes", "With less room than this, senders are told to wait"),
    ("foci_resident_memory_bytes", "Memory of this process, without its workers"),
];

/// How long things take.
const TIMES: [(&str, &str); 6] = [
    ("foci_instance_seconds", "From the first byte of an object to its acknowledgement"),
    ("foci_analysis_seconds", "From the start of an analysis to its durable results"),
    ("foci_llm_seconds", "From a request to the language model to the end of its answer"),
    ("foci_delivery_lag_seconds", "From the end of an analysis to the delivery of a result, by destination"),
    ("foci_alert_delay_seconds", "From the end of an analysis to the telling of a critical finding"),
    ("foci_http_request_seconds", "Time to the first byte of an answer, by route"),
];

/// Takes what the parts of this process count; the same for every server in it.
pub(super) fn recorder() -> Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    for (name, help) in COUNTED {
        describe_counter!(name, help);
    }
    for (name, help) in NOW {
        describe_gauge!(name, help);
    }
    for (name, help) in TIMES {
        describe_histogram!(name, help);
    }
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
        for lane in Lane::ALL {
            gauge!("foci_jobs", "state" => state, "lane" => lane.name()).set(counts.jobs(state, lane) as f64);
        }
    }
    for lane in Lane::ALL {
        let seconds = counts.waits(lane).map_or(0.0, |ms| ms as f64 / 1000.0);
        gauge!("foci_oldest_queued_seconds", "lane" => lane.name()).set(seconds);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that the sources of this program give to `counter!` and its like.
    fn used(folder: &std::path::Path, names: &mut Vec<String>) {
        let pattern = regex::Regex::new(r#"(?:counter|gauge|histogram)!\(\s*"(foci_[a-z_]+)""#).unwrap();
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                used(&path, names);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                names.extend(pattern.captures_iter(&text).map(|found| found[1].to_owned()));
            }
        }
    }

    #[test]
    fn every_number_that_is_counted_is_explained_and_no_other() {
        let mut names = Vec::new();
        used(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut names);
        names.sort();
        names.dedup();
        let mut explained: Vec<_> = COUNTED.iter().chain(&NOW).chain(&TIMES).map(|(name, _)| *name).collect();
        explained.sort_unstable();
        assert_eq!(names, explained);
    }
}
