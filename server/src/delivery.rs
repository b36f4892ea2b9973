//! Results on their way: sent, sent again, committed, or given up with a reason.
//!
//! Each destination has its own task, so that a slow PACS delays no other. What counts as a try, and when
//! the next one is due, is decided in `store/outbox.rs`; what is sent are the bytes that were stored when
//! the job ended, however often.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::archive::hex;
use crate::config::Peer;
use crate::dicomweb::client::{self, Web};
use crate::dimse::commitment;
use crate::dimse::scu::Storing;
use crate::node::{Node, Stop};
use crate::store::Time;
use crate::store::commitments::Asked;
use crate::store::outbox::{Delivery, Fate, Outcome, Round};

/// How long to wait when nothing is known to come: whoever queues something wakes us, so this is only a
/// second net.
const MOST: Duration = Duration::from_secs(5);

/// How long to wait when the database cannot be asked.
const PAUSE: Duration = Duration::from_secs(5);

/// How long what is under way may take when the node stops.
const GRACE: Duration = Duration::from_secs(10);

/// Delivers results until the node stops.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    let mut destinations = Vec::new();
    for peer in node.config.peer.iter().filter(|peer| peer.host.is_some()) {
        destinations.push(Destination::new(&node, &peer.name, Way::Dimse(peer.clone())));
    }
    for web in &node.config.dicomweb {
        destinations.push(Destination::new(&node, &web.name, Way::Web(Web::new(web)?)));
    }
    if let Err(error) = begin(&node, &destinations).await {
        warn!(%error, "the database cannot be asked for deliveries");
    }
    let mut tasks = JoinSet::new();
    for destination in destinations {
        tasks.spawn(destination.run(stop.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.context("a delivery failed")?;
    }
    stop.requested().await;
    Ok(())
}

/// After a start every destination is tried at once; what nobody will take is named.
async fn begin(node: &Node, destinations: &[Destination]) -> sqlx::Result<()> {
    node.store.forgive_destinations().await?;
    for (name, count) in node.store.waiting().await? {
        if !destinations.iter().any(|destination| destination.name == name) {
            warn!(
                destination = name,
                count,
                "results wait for a destination that the configuration no longer names, or cannot call"
            );
        }
    }
    Ok(())
}

/// Where results go.
struct Destination {
    node: Arc<Node>,
    name: String,
    way: Way,
}

/// How they get there.
enum Way {
    Dimse(Peer),
    Web(Web),
}

impl Destination {
    fn new(node: &Arc<Node>, name: &str, way: Way) -> Self {
        Self { node: node.clone(), name: name.to_owned(), way }
    }

    async fn run(self, stop: Stop) {
        while !stop.is_requested() {
            // Before looking, so that what is queued while we look is not missed.
            let woken = self.node.wake.delivery.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let wait = match self.work(&stop).await {
                Ok(next) => next.map_or(MOST, |next| until(next).min(MOST)),
                Err(error) => {
                    warn!(destination = self.name, %error, "the database cannot be asked for deliveries");
                    tokio::select! {
                        () = tokio::time::sleep(PAUSE) => {}
                        () = stop.requested() => {}
                    }
                    continue;
                }
            };
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(wait) => {}
                () = stop.requested() => {}
            }
        }
    }

    /// Does everything that is due; when the next thing will be.
    async fn work(&self, stop: &Stop) -> sqlx::Result<Option<Time>> {
        let Node { store, config, .. } = &*self.node;
        loop {
            let next = store.next_delivery(&self.name, self.commitment()).await?;
            if stop.is_requested() || next.is_none_or(|next| next > Time::now()) {
                return Ok(next);
            }
            if let Some(delivery) = store.take_delivery(&self.name, &config.delivery, Time::now()).await? {
                self.deliver(&delivery, stop).await?;
            } else if let Way::Dimse(peer) = &self.way
                && peer.commitment
                && let Some(request) =
                    store.take_commitment(&self.name, &config.delivery, Time::now()).await?
            {
                let asked = tokio::select! {
                    asked = commitment::ask(&self.node, peer, &request, stop) => asked,
                    () = soon_after(stop) => Asked::Unreachable("the node stops".to_owned()),
                };
                self.count_commitment(&asked, &request);
                store.asked_commitment(&request, &asked, &config.delivery, Time::now()).await?;
            } else {
                // What was due has just been given up.
                return store.next_delivery(&self.name, self.commitment()).await;
            }
        }
    }

    /// Whether the destination is asked to commit to what it got.
    fn commitment(&self) -> bool {
        matches!(&self.way, Way::Dimse(peer) if peer.commitment)
    }

    async fn deliver(&self, delivery: &Delivery, stop: &Stop) -> sqlx::Result<()> {
        let mut outcomes = vec![Outcome::Untried; delivery.objects.len()];
        let sending = async {
            match &self.way {
                Way::Dimse(peer) => self.store(peer, delivery, &mut outcomes, stop).await,
                Way::Web(web) => self.stow(web, delivery, &mut outcomes).await,
            }
        };
        let wrong = tokio::select! {
            wrong = sending => wrong,
            // Those that were answered count; the one under way is sent again after the start.
            () = soon_after(stop) => None,
        };
        let retry = &self.node.config.delivery;
        let now = Time::now();
        let round = self
            .node
            .store
            .delivered(delivery, &outcomes, wrong.as_deref(), retry, self.commitment(), now)
            .await?;
        self.tell(delivery, &outcomes, &round, now);
        Ok(())
    }

    /// Sends what is left of `delivery` in one association; what is wrong with the destination, if anything.
    async fn store(
        &self,
        peer: &Peer,
        delivery: &Delivery,
        outcomes: &mut [Outcome],
        stop: &Stop,
    ) -> Option<String> {
        let classes = delivery.objects.iter().map(|object| &object.sop_class_uid);
        let mut storing = match Storing::begin(&self.node, peer, classes).await {
            Ok(storing) => storing,
            Err(error) => return Some(error.to_string()),
        };
        for (object, outcome) in delivery.objects.iter().zip(outcomes) {
            if stop.is_requested() {
                break;
            }
            let bytes = match self.read(&object.file, &object.sha256).await {
                Ok(bytes) => bytes,
                Err(unread) => {
                    *outcome = unread;
                    continue;
                }
            };
            match storing.store(&object.sop_class_uid, &object.sop_instance_uid, &bytes).await {
                Ok(answered) => *outcome = answered,
                Err(error) => {
                    *outcome = Outcome::Failed(error.to_string());
                    return Some(error.to_string());
                }
            }
        }
        storing.end().await;
        None
    }

    /// Sends `delivery` in one request over the web.
    async fn stow(&self, web: &Web, delivery: &Delivery, outcomes: &mut [Outcome]) -> Option<String> {
        let mut files = Vec::new();
        let mut places = Vec::new();
        for (place, (object, outcome)) in delivery.objects.iter().zip(outcomes.iter_mut()).enumerate() {
            match self.read(&object.file, &object.sha256).await {
                Ok(_) => {
                    files.push((object.sop_instance_uid.clone(), self.node.archive.result(&object.file)));
                    places.push(place);
                }
                Err(unread) => *outcome = unread,
            }
        }
        for (place, (_, stored)) in places.into_iter().zip(web.store(&files).await) {
            outcomes[place] = match stored {
                client::Outcome::Stored => Outcome::Sent,
                client::Outcome::ForNow(reason) => Outcome::Failed(reason),
                client::Outcome::Refused(reason) => Outcome::Refused(reason),
            };
        }
        None
    }

    /// The bytes of a result as they were stored; otherwise what is to be made of it.
    async fn read(&self, file: &str, sha256: &str) -> Result<Vec<u8>, Outcome> {
        let bytes =
            tokio::fs::read(self.node.archive.result(file)).await.map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => {
                    Outcome::Lost("the stored result is gone: restore it from a backup".to_owned())
                }
                _ => Outcome::Failed(format!("the stored result cannot be read: {error}")),
            })?;
        if hex(&Sha256::digest(&bytes)) != sha256 {
            return Err(Outcome::Lost("the stored result is damaged: restore it from a backup".to_owned()));
        }
        Ok(bytes)
    }

    /// Logs and counts what came of `delivery`.
    fn tell(&self, delivery: &Delivery, outcomes: &[Outcome], round: &Round, now: Time) {
        let (study, job, destination) = (&delivery.study, delivery.job, &self.name);
        let name = || destination.clone();
        metrics::gauge!("foci_destination_up", "destination" => name()).set(if round.wrong.is_some() {
            0.0
        } else {
            1.0
        });
        if let Some(reason) = &round.wrong {
            metrics::counter!("foci_destination_failures_total", "destination" => name()).increment(1);
            warn!(%study, job, destination, reason, "delivery waits");
        }
        let mut sent = 0;
        for ((outcome, fate), object) in outcomes.iter().zip(&round.fates).zip(&delivery.objects) {
            let uid = &object.sop_instance_uid;
            let label = match (fate, outcome) {
                (Fate::Sent, _) => {
                    sent += 1;
                    let lag = Duration::from_millis(u64::try_from(now.0 - delivery.since.0).unwrap_or(0));
                    metrics::histogram!("foci_delivery_lag_seconds", "destination" => name())
                        .record(lag.as_secs_f64());
                    "sent"
                }
                (Fate::Refused, Outcome::Refused(reason)) => {
                    warn!(%study, job, %uid, destination, reason, "result refused: it is not sent again");
                    "refused"
                }
                (Fate::Dead, Outcome::Failed(reason) | Outcome::Lost(reason)) => {
                    warn!(%study, job, %uid, destination, reason, "result given up");
                    "dead"
                }
                (_, Outcome::Failed(reason)) => {
                    warn!(%study, job, %uid, destination, reason, "result not delivered yet");
                    "failed"
                }
                _ => continue,
            };
            metrics::counter!("foci_deliveries_total", "destination" => name(), "outcome" => label)
                .increment(1);
        }
        if sent > 0 {
            info!(%study, job, destination, sent, of = outcomes.len(), "results sent");
        }
    }

    fn count_commitment(&self, asked: &Asked, request: &crate::store::commitments::Request) {
        let (study, destination) = (&request.study, &self.name);
        let outcome = match asked {
            Asked::Accepted => "asked",
            Asked::Failed(reason) => {
                warn!(%study, destination, reason, "storage commitment was not taken");
                "refused"
            }
            Asked::Unreachable(reason) => {
                warn!(%study, destination, reason, "storage commitment could not be asked for");
                "unreachable"
            }
        };
        metrics::counter!("foci_commitment_requests_total", "destination" => destination.clone(), "outcome" => outcome)
            .increment(1);
    }
}

async fn soon_after(stop: &Stop) {
    stop.requested().await;
    tokio::time::sleep(GRACE).await;
}

fn until(then: Time) -> Duration {
    Duration::from_millis(u64::try_from(then.0 - Time::now().0).unwrap_or(0))
}
