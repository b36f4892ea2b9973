//! Connections: how many, how long, and that no slow client keeps others out.
//!
//! A client must send its headers in time, must keep sending its body, and must keep reading what it asked
//! for. When all places are taken, the connection that has waited longest without a request gives up its
//! place. TLS is the business of a proxy before us.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{ConnectInfo, Request};
use hyper::body::{Frame, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Sleep;

use crate::node::Stop;

/// Connections at once.
const PLACES: usize = 512;

/// From the connection, or from the answer before, to the end of the next request's headers.
const HEADERS: Duration = Duration::from_secs(15);

/// A request line and headers are no longer than this.
const HEADER_BYTES: usize = 16 << 10;

/// A client that neither sends its body nor reads its answer for so long has gone.
const STALL: Duration = Duration::from_secs(30);

/// When the node stops, answers under way may take so long.
const GRACE: Duration = Duration::from_secs(10);

/// Serves `routes` on `listener` until the node stops, then ends what is under way. Bodies of requests are cut
/// off after `body_bytes`.
pub(super) async fn serve(listener: TcpListener, routes: Router, body_bytes: u64, stop: Stop) {
    let places = Arc::new(Places::default());
    let service = TowerToHyperService::new(routes);
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.requested() => break,
            Some(_) = tasks.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Some(place) = places.take() {
                        tasks.spawn(connection(stream, peer, place, service.clone(), body_bytes, stop.clone()));
                    }
                }
                Err(error) => {
                    // Out of file descriptors, most likely: some will be closed soon.
                    tracing::warn!("a connection cannot be accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::warn!("requests still under way are cut off: {}", tasks.len());
        tasks.shutdown().await;
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
    routes: TowerToHyperService<Router>,
    body_bytes: u64,
    stop: Stop,
) {
    // Answers are written whole: waiting for more only delays them. It fails only on a closed socket.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let busy = place.busy();
        let mut request: Request = request.map(|body| Body::new(Paced::new(Body::new(body), body_bytes)));
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = routes.call(request);
        async move { Ok::<_, std::convert::Infallible>(answer.await?.map(|body| Held { body, _busy: busy })) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_header_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(Reading { stream, stalled: Stalled::default() }), service);
    let mut connection = pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            // What went wrong on it is the client's business: it has gone, or never spoke HTTP.
            _ = connection.as_mut() => return,
            () = place.taken.notified() => return,
            () = stop.requested(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

/// Who is connected, in the order of coming.
#[derive(Debug, Default)]
struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    /// A connection, and the number of requests that it waits for.
    held: BTreeMap<u64, (Arc<Notify>, usize)>,
}

/// The place of one connection.
struct Place {
    places: Arc<Places>,
    number: u64,
    /// Another connection needs it.
    taken: Arc<Notify>,
}

/// A request under way: nobody takes its connection's place.
struct Busy {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    /// A place, taken from the connection that has been idle longest if there is no other; `None` if none is idle.
    fn take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.lock();
        if taken.held.len() >= PLACES {
            let idle = taken.held.iter().find(|(_, (_, requests))| *requests == 0);
            let number = *idle?.0;
            if let Some((notify, _)) = taken.held.remove(&number) {
                notify.notify_one();
            }
        }
        let number = taken.next;
        taken.next += 1;
        let notify = Arc::new(Notify::new());
        taken.held.insert(number, (notify.clone(), 0));
        Some(Place { places: self.clone(), number, taken: notify })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Taken> {
        // Nothing in here can be left half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    fn busy(&self) -> Busy {
        if let Some((_, requests)) = self.places.lock().held.get_mut(&self.number) {
            *requests += 1;
        }
        Busy { places: self.places.clone(), number: self.number }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().held.remove(&self.number);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some((_, requests)) = self.places.lock().held.get_mut(&self.number) {
            *requests -= 1;
        }
    }
}

/// An answer's body, which keeps its connection's place until it is sent.
struct Held {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request's body that fails when it stalls, and when it is longer than it may be.
struct Paced {
    body: Body,
    /// So many bytes may still come.
    left: u64,
    stalled: Stalled,
}

impl Paced {
    fn new(body: Body, limit: u64) -> Self {
        Self { body, left: limit, stalled: Stalled::default() }
    }
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) else {
            ready!(self.stalled.poll(context));
            return Poll::Ready(Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut)))));
        };
        self.stalled = Stalled::default();
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            match self.left.checked_sub(bytes) {
                Some(left) => self.left = left,
                None => {
                    let error = io::Error::from(io::ErrorKind::FileTooLarge);
                    return Poll::Ready(Some(Err(axum::Error::new(error))));
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A clock that runs while nothing moves.
#[derive(Debug, Default)]
struct Stalled(Option<Pin<Box<Sleep>>>);

impl Stalled {
    /// Ready when nothing has moved for too long.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL))).as_mut().poll(context)
    }
}

/// A socket whose writes fail when the other side does not read.
struct Reading {
    stream: TcpStream,
    stalled: Stalled,
}

impl Reading {
    fn watched<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = Stalled::default();
            return written;
        }
        ready!(self.stalled.poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Reading {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Reading {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watched(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watched(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
