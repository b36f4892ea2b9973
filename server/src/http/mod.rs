//! The web server: status page, API, metrics, DICOMweb.
//!
//! Plain HTTP for this machine, or behind a proxy that speaks TLS. Every route of ours is described at
//! `/openapi.json` and can be tried at `/docs`. Errors are problems as of RFC 9457, see [`problem`].

mod access;
mod answers;
pub(crate) mod ask;
mod connections;
mod files;
mod fresh;
mod health;
mod jobs;
mod metrics;
mod page;
mod plan;
pub(crate) mod problem;
mod status;
mod studies;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::config::{is_this_machine, mib};
use crate::dicomweb;
use crate::intake::Intake;
use crate::node::{Node, Stop};
use crate::store::views::Counts;
use fresh::Fresh;
use problem::Problem;

/// How often what was counted is put in order.
const UPKEEP: Duration = Duration::from_secs(5);

/// The socket of the web server.
pub(crate) struct Server {
    node: Arc<Node>,
    intake: Arc<Intake>,
    listener: Option<TcpListener>,
    access: access::Access,
    listening: Listening,
}

/// Where our DICOM node listens.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Listening {
    pub(crate) plain: Option<SocketAddr>,
    pub(crate) tls: Option<SocketAddr>,
}

/// What handlers share.
struct App {
    node: Arc<Node>,
    stop: Stop,
    access: access::Access,
    listening: Listening,
    recorder: PrometheusHandle,
    started: Instant,
    missing: Fresh<Vec<String>>,
    counts: Fresh<Arc<Counts>>,
}

impl Server {
    /// Binds the socket that the configuration names.
    ///
    /// # Errors
    ///
    /// If the port is in use, or the token cannot be read.
    pub(crate) async fn bind(node: Arc<Node>, intake: Arc<Intake>, listening: Listening) -> Result<Self> {
        let http = &node.config.http;
        let is_local = http.listen.is_none_or(|address| is_this_machine(address.ip()));
        let access = access::Access::new(http.token_file.as_deref(), is_local && !http.allow_plain)?;
        let listener = match http.listen {
            Some(address) => {
                Some(TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))?)
            }
            None => None,
        };
        // Before the other parts start, so that nothing they count is lost.
        metrics::recorder().context("metrics cannot be counted")?;
        Ok(Self { node, intake, listener, access, listening })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until the node stops.
    pub(crate) async fn run(self, stop: Stop) -> Result<()> {
        let Some(listener) = self.listener else {
            stop.requested().await;
            return Ok(());
        };
        let recorder = metrics::recorder()?;
        let body_bytes = mib(self.node.config.http.request_mb);
        let app = Arc::new(App {
            node: self.node,
            stop: stop.clone(),
            access: self.access,
            listening: self.listening,
            recorder: recorder.clone(),
            started: Instant::now(),
            missing: Fresh::default(),
            counts: Fresh::default(),
        });
        let upkeep = async {
            loop {
                tokio::time::sleep(UPKEEP).await;
                recorder.run_upkeep();
            }
        };
        tokio::select! {
            () = connections::serve(listener, routes(app, self.intake), body_bytes, stop) => Ok(()),
            () = upkeep => unreachable!("it has no end"),
        }
    }
}

impl App {
    /// How much of everything there is, a moment ago.
    async fn counts(&self) -> Result<Arc<Counts>, Problem> {
        Ok(self.counts.get(async { self.node.store.counts().await.map(Arc::new) }).await?)
    }
}

/// Whether the token in the file at `path` can be used, and a sentence if not.
pub(crate) fn check_token(path: &Path) -> Result<()> {
    access::read(path).map(|_| ())
}

/// What `/openapi.json` says of the whole; the routes say the rest of themselves.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Foci",
        description = "The node beside the PACS: studies, jobs, results, deliveries. DICOMweb (PS3.18) is at \
                       /dicom-web. UIDs only: no answer of this API holds patient data. Times are UTC.",
    ),
    tags(
        (name = "studies", description = "What came, and what became of it"),
        (name = "jobs", description = "Analyses and what they made"),
        (name = "operation", description = "The node as a whole"),
        (name = "access", description = "Sessions of browsers"),
    ),
)]
struct Description;

fn routes(app: Arc<App>, intake: Arc<Intake>) -> Router {
    let (api, mut description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(status::status))
        .routes(routes!(status::quarantine))
        .routes(routes!(status::events))
        .routes(routes!(studies::list))
        .routes(routes!(studies::detail))
        .routes(routes!(plan::plan))
        .routes(routes!(studies::complete))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::deliver))
        .routes(routes!(files::file))
        .routes(routes!(access::logout))
        .split_for_parts();
    let (login, more) = OpenApiRouter::new().routes(routes!(access::login)).split_for_parts();
    description.merge(more);
    let mut description = description.nest(dicomweb::server::NEST, dicomweb::server::Description::openapi());
    if app.access.needs_token() {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        description.components.get_or_insert_default().add_security_scheme("token", bearer);
        description.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
    let ours = api
        .merge(login.route("/login", get(page::login)))
        .route("/", get(page::index))
        .route("/favicon.ico", get(page::icon))
        .route("/assets/{name}", get(page::asset))
        .merge(SwaggerUi::new("/docs").url("/openapi.json", description))
        .layer(DefaultBodyLimit::max(answers::API_BYTES))
        .layer(from_fn(answers::hurry))
        .with_state(app.clone());
    ours.nest(dicomweb::server::NEST, dicomweb::server::routes(app.node.clone(), intake))
        .fallback(|| async { Problem::Plain(StatusCode::NOT_FOUND) })
        .method_not_allowed_fallback(|| async { Problem::Plain(StatusCode::METHOD_NOT_ALLOWED) })
        .layer(from_fn_with_state(app, access::check))
        .layer(from_fn(answers::finish))
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> anyhow::Error {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "port {} is in use: stop the other program, or let http.listen name another port",
            address.port()
        ),
        std::io::ErrorKind::AddrNotAvailable => {
            anyhow::anyhow!("http.listen is {address}, and this machine has no such address")
        }
        std::io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!("http.listen is {address}, and this user may not use port {}", address.port())
        }
        _ => anyhow::anyhow!("http.listen {address} cannot be listened on: {error}"),
    }
}
