//! Whether the node lives, and whether it can do its work.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::problem::{Problem, ProblemJson};
use crate::archive;
use crate::config::mib;

/// A node that cannot write within this is not ready.
const WRITE: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    #[schema(example = "alive")]
    health: &'static str,
    #[schema(example = "0.1.0")]
    version: &'static str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    ready: bool,
}

/// The disk that holds the data.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Disk {
    pub(super) free_bytes: u64,
    pub(super) total_bytes: u64,
    /// With less than this free, senders are told to wait.
    pub(super) minimum_free_bytes: u64,
}

/// Whether the process lives
#[utoipa::path(get, path = "/health", tag = "operation", security(()), responses((status = 200, body = Health)))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { health: "alive", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the node can take studies
///
/// That is: the database can be written, the disk has room, the DICOM node listens.
#[utoipa::path(get, path = "/ready", tag = "operation", security(()), responses(
    (status = 200, body = Ready),
    (status = 503, description = "It is not, and why", body = ProblemJson, content_type = "application/problem+json"),
))]
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Ready>, Problem> {
    let missing = missing(&app).await;
    if missing.is_empty() {
        Ok(Json(Ready { ready: true }))
    } else {
        Err(Problem::NotReady(missing.join("; ")))
    }
}

/// What keeps the node from doing its work; a sentence each.
pub(super) async fn missing(app: &App) -> Vec<String> {
    let Ok(missing) = app.missing.get(async { Ok::<_, Infallible>(look(app).await) }).await;
    missing
}

async fn look(app: &App) -> Vec<String> {
    let mut missing = Vec::new();
    if app.stop.is_requested() {
        missing.push("the node is stopping".to_owned());
    }
    match tokio::time::timeout(WRITE, app.node.store.try_write()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!("the database cannot be written: {error}");
            missing.push("the database cannot be written".to_owned());
        }
        Err(_) => missing.push(format!("the database is locked for {} s and more", WRITE.as_secs())),
    }
    match (app.node.archive.has_room(), disk(app)) {
        (Ok(true), _) => {}
        (Ok(false), Ok(disk)) => missing.push(format!(
            "the disk has {} MiB free, and at least {} are needed (studies.minimum_free_mb)",
            disk.free_bytes >> 20,
            disk.minimum_free_bytes >> 20
        )),
        (Err(error), _) => {
            tracing::warn!("the disk does not say how much room it has: {error}");
            missing.push("the disk does not say how much room it has".to_owned());
        }
        (Ok(false), Err(_)) => missing.push("the disk is nearly full".to_owned()),
    }
    let dicom = &app.node.config.dicom;
    let wanted = [
        ("without TLS", dicom.listen.is_some(), app.listening.plain),
        ("with TLS", dicom.tls.as_ref().is_some_and(|tls| tls.listen.is_some()), app.listening.tls),
    ];
    for (how, wanted, address) in wanted {
        if wanted && address.is_none() {
            missing.push(format!("the DICOM node does not listen {how}"));
        }
    }
    missing
}

/// The room on the disk that holds the data.
pub(super) fn disk(app: &App) -> io::Result<Disk> {
    let config = &app.node.config;
    let found = archive::disk(&config.data)?;
    Ok(Disk {
        free_bytes: found.free,
        total_bytes: found.total,
        minimum_free_bytes: mib(config.studies.minimum_free_mb),
    })
}
