//! The sockets of our DICOM node: who may connect, how many, for how long, and how it ends.
//!
//! What is said on an association is in [`service`](super::service).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use dicom_io::net::pdu::{Abort, Rejection};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, error, info, warn};

use super::association::{Asked, Association, Failure, Received, Terms};
use super::limits::{Counted, Counts, Waiting};
use super::service::{self, Admitted, Service};
use super::tls::{Identity, Socket};
use crate::config::is_this_machine;
use crate::intake::Intake;
use crate::node::{Node, Stop};

/// How long messages under way may take to end when the node stops.
const GRACE: Duration = Duration::from_secs(5);

/// How long to wait before taking connections again when the system gives out no more of them.
const BREATH: Duration = Duration::from_millis(20);

/// The sockets of our DICOM node.
#[derive(Debug)]
pub(crate) struct Server {
    shared: Arc<Shared>,
    plain: Option<TcpListener>,
    tls: Option<(TcpListener, Acceptor)>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    node: Arc<Node>,
    intake: Arc<Intake>,
    waiting: Arc<Waiting>,
    counts: Arc<Counts>,
}

#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Server {
    /// Binds the sockets that the configuration names.
    ///
    /// # Errors
    ///
    /// If a port is taken, if a certificate is no good, or if others could listen in and nobody said that
    /// they may.
    pub(crate) async fn bind(node: Arc<Node>, intake: Arc<Intake>) -> Result<Self> {
        raise_file_limit();
        let dicom = &node.config.dicom;
        let plain = match dicom.listen {
            Some(address) if !is_this_machine(address.ip()) && !dicom.allow_plain => bail!(
                "dicom.listen = \"{address}\" lets others connect without TLS: set dicom.tls.listen instead, or \
                 dicom.allow_plain = true if the network is protected otherwise"
            ),
            Some(address) => Some(listener("dicom.listen", address).await?),
            None => None,
        };
        let tls = match &dicom.tls {
            Some(tls) => {
                // Certificates that are only for calling are looked at now too, not at the first call.
                let acceptor = Acceptor(Identity::load(tls)?.acceptor()?);
                match tls.listen {
                    Some(address) => Some((listener("dicom.tls.listen", address).await?, acceptor)),
                    None => None,
                }
            }
            None => None,
        };
        let (waiting, counts) = (Waiting::new(&dicom.limits), Counts::new(&dicom.limits));
        Ok(Self { shared: Arc::new(Shared { node, intake, waiting, counts }), plain, tls })
    }

    /// Where it listens without TLS.
    pub(crate) fn plain(&self) -> Option<SocketAddr> {
        self.plain.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Where it listens with TLS.
    pub(crate) fn tls(&self) -> Option<SocketAddr> {
        self.tls.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Serves until the node stops; then what is under way ends, and nothing new begins.
    pub(crate) async fn run(self, stop: Stop) -> Result<()> {
        let plain = async {
            if let Some(listener) = self.plain {
                listen(self.shared.clone(), listener, None, stop.clone()).await;
            }
        };
        let tls = async {
            if let Some((listener, acceptor)) = self.tls {
                listen(self.shared.clone(), listener, Some(acceptor), stop.clone()).await;
            }
        };
        tokio::join!(plain, tls);
        // A node that listens nowhere still calls others.
        stop.requested().await;
        Ok(())
    }
}

async fn listener(setting: &str, address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow!(
            "{setting} = \"{address}\": another program listens on that port: stop it, or choose another port"
        ),
        std::io::ErrorKind::PermissionDenied => anyhow!(
            "{setting} = \"{address}\": this user may not listen on that port: choose one above 1023, or grant \
             CAP_NET_BIND_SERVICE"
        ),
        std::io::ErrorKind::AddrNotAvailable => {
            anyhow!("{setting} = \"{address}\": this machine has no such address")
        }
        _ => anyhow!(error).context(format!("{setting} = \"{address}\"")),
    })
}

/// Lets this process hold as many sockets and files as the system lets it.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        warn!(%error, "the limit of open files cannot be raised");
    }
}

async fn listen(shared: Arc<Shared>, listener: TcpListener, acceptor: Option<Acceptor>, stop: Stop) {
    let mut connections = JoinSet::new();
    let mut stopped = std::pin::pin!(stop.requested());
    loop {
        tokio::select! {
            () = &mut stopped => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => after(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let one = connection(shared.clone(), stream, address, acceptor.clone(), stop.clone());
                    connections.spawn(one);
                }
                Err(error) => {
                    // No file is left for it, or the peer has gone already.
                    debug!(%error, "a connection could not be taken");
                    shared.waiting.free_one();
                    sleep(BREATH).await;
                }
            },
        }
    }
    drop(listener);
    let ended = timeout(2 * GRACE, async {
        while let Some(ended) = connections.join_next().await {
            after(ended);
        }
    });
    if ended.await.is_err() {
        connections.shutdown().await;
    }
}

/// A panic ends its own association and is our mistake.
fn after(ended: Result<(), tokio::task::JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        metrics::counter!("foci_dicom_panics_total").increment(1);
        error!("an association ended by a mistake of this program; the others are not harmed");
    }
}

/// One connection from its first byte to its last.
async fn connection(
    shared: Arc<Shared>,
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<Acceptor>,
    stop: Stop,
) {
    let mut place = shared.waiting.enter(address.ip().to_canonical());
    let begun = tokio::select! {
        () = place.lost() => {
            debug!(address = %address.ip(), "closed to make room: it had not asked for an association yet");
            return;
        }
        () = stop.requested() => return,
        begun = begin(&shared, stream, address, acceptor) => begun,
    };
    drop(place);
    let Some((association, admitted, counted)) = begun else { return };
    let peer = admitted.peer.name.clone();
    let service = Service { node: &shared.node, intake: &shared.intake, admitted };
    match serve(association, service, counted, &stop).await {
        Ok(()) => {}
        Err(Failure::Closed) => info!(peer, "the association was closed without a release"),
        Err(failure) => {
            metrics::counter!("foci_dicom_associations_failed_total").increment(1);
            warn!(peer, "the association ended: {failure}");
        }
    }
}

/// From the connection to the association; `None`: there is none.
async fn begin(
    shared: &Shared,
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<Acceptor>,
) -> Option<(Association, Admitted, Counted)> {
    let start = Instant::now();
    let config = &shared.node.config;
    let terms = Terms::of(&config.dicom.limits);
    let from = address.ip().to_canonical();
    let is_tls = acceptor.is_some();
    // Without it an answer may wait 40 ms for nothing. A socket that is gone says so when it is read.
    let _ = stream.set_nodelay(true);
    let socket = match acceptor {
        None => Socket::Plain(stream),
        Some(Acceptor(acceptor)) => {
            match timeout_at(start + terms.request, Socket::accept(&acceptor, stream)).await {
                Ok(Ok(socket)) => socket,
                Ok(Err(error)) => {
                    count("no TLS");
                    warn!(address = %from, "connection refused: {error:#}");
                    return None;
                }
                Err(_) => {
                    debug!(address = %from, "connection closed: the TLS handshake took too long");
                    return None;
                }
            }
        }
    };
    let asked = match Asked::receive(socket, start, terms).await {
        Ok(asked) => asked,
        Err(Failure::Protocol(error)) => {
            count("malformed");
            warn!(address = %from, "connection refused: no association request: {error}");
            return None;
        }
        // Port scanners and watchdogs connect and go.
        Err(failure) => {
            debug!(address = %from, "connection closed: {failure}");
            return None;
        }
    };
    let admitted = match service::admit(config, &asked.request, from, is_tls) {
        Ok(admitted) => admitted,
        Err((rejection, why)) => {
            count("rejected");
            warn!(
                address = %from, calling = %asked.request.calling, called = %asked.request.called,
                "association refused: {why}"
            );
            asked.reject(rejection).await;
            return None;
        }
    };
    let peer = admitted.peer.name.clone();
    let Some(counted) = shared.counts.enter(from) else {
        count("limit");
        warn!(peer, "association refused for now: there are as many as dicom.limits allow");
        asked.reject(Rejection::LOCAL_LIMIT).await;
        return None;
    };
    let (accept, contexts) = service::agree(&asked.request, &admitted.peer, terms.pdu_bytes);
    match asked.accept(accept, contexts).await {
        Ok(association) => {
            count("accepted");
            debug!(peer, "association accepted");
            Some((association, admitted, counted))
        }
        Err(failure) => {
            info!(peer, "the association ended before it began: {failure}");
            None
        }
    }
}

/// Message after message, until the peer is done or the node stops.
async fn serve(
    mut association: Association,
    service: Service<'_>,
    counted: Counted,
    stop: &Stop,
) -> Result<(), Failure> {
    let grace = async {
        stop.requested().await;
        sleep(GRACE).await;
    };
    let mut grace = std::pin::pin!(grace);
    loop {
        let received = tokio::select! {
            biased;
            () = stop.requested() => {
                association.abort(Abort::BY_USER).await;
                return Ok(());
            }
            received = association.receive() => received,
        };
        let handled = match received {
            Ok(Received::Released) => {
                // Who hears that it has ended may ask for the next one at once.
                drop(counted);
                association.released().await;
                return Ok(());
            }
            Ok(Received::Message(context, command)) => tokio::select! {
                handled = service.message(&mut association, &context, command) => handled,
                () = &mut grace => {
                    association.abort(Abort::BY_USER).await;
                    return Ok(());
                }
            },
            Err(failure) => Err(failure),
        };
        match handled {
            Ok(()) => {}
            Err(Failure::Protocol(error)) => {
                association.abort(Abort::because(&error)).await;
                return Err(error.into());
            }
            Err(failure @ Failure::Late(_)) => {
                association.abort(Abort::BY_USER).await;
                return Err(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("foci_dicom_associations_total", "outcome" => outcome).increment(1);
}
