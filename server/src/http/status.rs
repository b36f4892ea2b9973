//! `/api/status`, `/api/quarantine`, `/api/events`: the node as a whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::ask::{Asked, Limit, UidText};
use super::health::{self, Disk};
use super::metrics::of;
use super::problem::{Problem, ProblemJson};
use crate::config::Lane;
use crate::store::Time;
use crate::store::views::{Counts, Event, Quarantined};

/// The node at one glance.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Status {
    #[schema(example = "0.1.0")]
    version: &'static str,
    #[schema(value_type = String, format = DateTime)]
    now: Time,
    uptime_s: u64,
    ae_title: String,
    /// Where the DICOM node listens, without and with TLS.
    dicom: Option<String>,
    dicom_tls: Option<String>,
    /// Whether who asks needs a token, so that there is a session to end.
    needs_token: bool,
    /// What keeps the node from doing its work; empty: nothing.
    problems: Vec<String>,
    disk: Option<Disk>,
    lanes: Vec<LaneStatus>,
    /// Studies that images may still come for.
    receiving: i64,
    /// Jobs of all lanes, by state.
    jobs: BTreeMap<String, i64>,
    peers: Vec<PeerStatus>,
    /// Results that wait to be delivered.
    deliveries_waiting: i64,
    /// Results that were given up or refused.
    deliveries_failed: i64,
    quarantine: i64,
    alerts_waiting: i64,
    alerts_failed: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LaneStatus {
    lane: Lane,
    queued: i64,
    running: i64,
    /// How long the oldest queued job waits.
    oldest_s: Option<i64>,
}

/// Somebody that sends to us, that we send to, or both.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PeerStatus {
    name: String,
    /// When something last came from it.
    #[schema(value_type = Option<String>, format = DateTime)]
    heard_at: Option<Time>,
    /// When it last took something.
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Time>,
    /// Results on their way to it, by state.
    deliveries: BTreeMap<String, i64>,
    /// Since when it takes nothing, and why, while that is so.
    #[schema(value_type = Option<String>, format = DateTime)]
    trouble_since: Option<Time>,
    trouble: Option<String>,
}

/// The node at one glance
#[utoipa::path(get, path = "/api/status", tag = "operation", responses((status = 200, body = Status)))]
pub(super) async fn status(State(app): State<Arc<App>>) -> Result<Json<Status>, Problem> {
    let problems = health::missing(&app).await;
    let counts = app.counts().await?;
    let lane = |lane: Lane| LaneStatus {
        lane,
        queued: counts.jobs("queued", lane),
        running: counts.jobs("leased", lane),
        oldest_s: counts.waits(lane).map(|ms| ms / 1000),
    };
    let mut jobs = BTreeMap::new();
    for (state, _, count) in &counts.jobs {
        *jobs.entry(state.clone()).or_default() += count;
    }
    let deliveries = |wanted: &[&str]| {
        let those = counts.deliveries.iter().filter(|(_, state, _)| wanted.contains(&state.as_str()));
        those.map(|(.., count)| count).sum()
    };
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION"),
        now: Time::now(),
        uptime_s: app.started.elapsed().as_secs(),
        ae_title: app.node.config.dicom.ae_title.clone(),
        dicom: app.listening.plain.map(|address| address.to_string()),
        dicom_tls: app.listening.tls.map(|address| address.to_string()),
        needs_token: app.access.needs_token(),
        problems,
        disk: health::disk(&app).ok(),
        lanes: Lane::ALL.into_iter().map(lane).collect(),
        receiving: of(&counts.studies, "receiving"),
        jobs,
        peers: peers(&app, &counts),
        deliveries_waiting: deliveries(&["pending"]),
        deliveries_failed: deliveries(&["refused", "dead"]),
        quarantine: counts.quarantine,
        alerts_waiting: of(&counts.alerts, "pending"),
        alerts_failed: of(&counts.alerts, "dead"),
    }))
}

fn peers(app: &App, counts: &Counts) -> Vec<PeerStatus> {
    let config = &app.node.config;
    let mut names: Vec<&str> = config.peer.iter().map(|peer| peer.name.as_str()).collect();
    names.extend(config.dicomweb.iter().map(|web| web.name.as_str()));
    names.extend(counts.heard.iter().map(|(name, _)| name.as_str()));
    names.extend(counts.deliveries.iter().map(|(name, ..)| name.as_str()));
    names.sort_unstable();
    names.dedup();
    let last = |times: &[(String, Time)], wanted: &str| {
        times.iter().find(|(name, _)| name == wanted).map(|(_, at)| *at)
    };
    let trouble = |name: &str| counts.troubled.iter().find(|(of, ..)| of == name);
    let peer = |name: &str| PeerStatus {
        trouble_since: trouble(name).and_then(|(_, since, _)| *since),
        trouble: trouble(name).and_then(|(.., why)| why.clone()),
        name: name.to_owned(),
        heard_at: last(&counts.heard, name),
        sent_at: last(&counts.sent, name),
        deliveries: (counts.deliveries.iter().filter(|(to, ..)| to == name))
            .map(|(_, state, count)| (state.clone(), *count))
            .collect(),
    };
    names.into_iter().map(peer).collect()
}

/// Which of the objects kept aside to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Aside {
    /// At most so many: 1 to 500, otherwise 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    #[serde(default)]
    limit: Limit,
    /// After so many.
    #[serde(default)]
    offset: u32,
}

/// Objects kept aside, newest first
///
/// An object comes here when another one with its UID came before, with other bytes. The first is used.
#[utoipa::path(get, path = "/api/quarantine", tag = "operation", params(Aside), responses(
    (status = 200, body = Vec<Quarantined>),
    (status = 400, body = ProblemJson, content_type = "application/problem+json", description = "A number is wrong"),
))]
pub(super) async fn quarantine(
    State(app): State<Arc<App>>,
    Asked(aside): Asked<Aside>,
) -> Result<Json<Vec<Quarantined>>, Problem> {
    Ok(Json(app.node.store.list_quarantine(None, aside.limit.0, aside.offset.into()).await?))
}

/// Which events to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those of this study.
    #[param(value_type = Option<String>)]
    study: Option<UidText>,
    /// Only those before the event with this id.
    before: Option<i64>,
    /// At most so many: 1 to 500, otherwise 50.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    #[serde(default)]
    limit: Limit,
}

/// What happened, newest first
#[utoipa::path(get, path = "/api/events", tag = "operation", params(Which), responses(
    (status = 200, body = Vec<Event>),
    (status = 400, body = ProblemJson, content_type = "application/problem+json", description = "A filter is wrong"),
))]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    Asked(which): Asked<Which>,
) -> Result<Json<Vec<Event>>, Problem> {
    let study = which.study.map(|uid| uid.0);
    Ok(Json(app.node.store.list_events(study.as_ref(), which.before, which.limit.0).await?))
}
