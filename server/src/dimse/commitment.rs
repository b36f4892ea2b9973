//! Storage commitment: asking peers to promise to keep what they got.
//!
//! Each request has its own association. Some peers answer on it, so it stays open for a moment; others call
//! back, and come here through the node that they call.
//!
//! Source: DICOM PS3.4 J.

use std::time::{Duration, Instant};

use dicom_io::net::classes::{self, COMMITMENT, COMMITMENT_INSTANCE, EXPLICIT_LE, IMPLICIT_LE};
use dicom_io::net::command::{Call, Command, Operation, Status};
use dicom_io::net::commitment::{Commitment, CommitmentRequest, REQUEST};
use dicom_io::net::negotiation::{Context, Proposal};
use tracing::{info, warn};

use super::association::{Association, Failure, LARGEST_ANSWER, Received};
use crate::config::Peer;
use crate::node::{Node, Stop};
use crate::store::Time;
use crate::store::commitments::{Asked, Request};

/// How long to wait for an answer on the association of the request.
const MOMENT: Duration = Duration::from_secs(1);

/// Asks `peer` to commit to what `request` names.
pub(crate) async fn ask(node: &Node, peer: &Peer, request: &Request, stop: &Stop) -> Asked {
    let proposal = Proposal::new(COMMITMENT, &[EXPLICIT_LE, IMPLICIT_LE]);
    let mut association = match Association::call(node, peer, vec![proposal]).await {
        Ok(association) => association,
        Err(failure) => return Asked::Unreachable(failure.to_string()),
    };
    let asked = match association.context_of(COMMITMENT).cloned() {
        Some(context) => talk(&mut association, &context, node, peer, request, stop).await,
        None => Ok(Asked::Failed("it does not offer storage commitment".to_owned())),
    };
    match asked {
        Ok(asked) => {
            // What was said was said, however the association ends.
            let _ = association.release().await;
            asked
        }
        Err(failure) => Asked::Unreachable(failure.to_string()),
    }
}

async fn talk(
    association: &mut Association,
    context: &Context,
    node: &Node,
    peer: &Peer,
    request: &Request,
    stop: &Stop,
) -> Result<Asked, Failure> {
    let instances = request.objects.clone();
    let wanted = CommitmentRequest { transaction_uid: request.transaction_uid.clone(), instances };
    let operation =
        Operation::Action { instance: classes::of_the_standard(COMMITMENT_INSTANCE), action: REQUEST };
    let call = association.new_call(classes::of_the_standard(COMMITMENT), operation, true);
    let data = wanted.bytes(&context.transfer_syntax);
    association.send(context.id, &Command::Call(call), Some(&data)).await?;

    let message = Duration::from_secs(node.config.dicom.limits.message_s);
    let (mut asked, mut until) = (None, Instant::now() + message);
    loop {
        // The answer may have come on another association meanwhile.
        let woken = node.wake.delivery.notified();
        tokio::pin!(woken);
        woken.as_mut().enable();
        if asked.is_some() && (stop.is_requested() || is_answered(node, request).await) {
            break;
        }
        let received = tokio::select! {
            received = association.receive_within(until.saturating_duration_since(Instant::now())) => received,
            () = woken, if asked.is_some() => continue,
            () = stop.requested(), if asked.is_some() => break,
        };
        match received {
            Ok(Received::Message(_, Command::Reply(reply))) => {
                if reply.has_data {
                    association.data(0).await?;
                }
                if !reply.status.is_success() && !reply.status.is_warning() {
                    return Ok(Asked::Failed(format!("N-ACTION ended with status {}", reply.status)));
                }
                (asked, until) = (Some(Asked::Accepted), Instant::now() + MOMENT);
            }
            Ok(Received::Message(context, Command::Call(call))) => {
                let status = event(association, &context, &call, node, peer).await?;
                let reply = Command::Reply(call.reply(status));
                association.send(context.id, &reply, None).await?;
            }
            Ok(Received::Message(context, Command::Odd(odd))) => {
                association.data(0).await?;
                association.send(context.id, &Command::Reply(odd.reply), None).await?;
            }
            Ok(Received::Message(_, Command::Cancel { .. })) => {}
            Ok(Received::Released) => {
                association.released().await;
                break;
            }
            // It will call.
            Err(_) if asked.is_some() => break,
            Err(failure) => return Err(failure),
        }
    }
    Ok(asked.unwrap_or_else(|| Asked::Failed("N-ACTION was not answered".to_owned())))
}

async fn is_answered(node: &Node, request: &Request) -> bool {
    node.store.is_answered(request).await.unwrap_or(false)
}

/// Understands an N-EVENT-REPORT on the association of the request.
async fn event(
    association: &mut Association,
    context: &Context,
    call: &Call,
    node: &Node,
    peer: &Peer,
) -> Result<Status, Failure> {
    let data = if call.has_data { association.data(LARGEST_ANSWER).await? } else { None };
    if !matches!(call.operation, Operation::EventReport { .. }) {
        return Ok(Status::UNRECOGNIZED_OPERATION);
    }
    let Some(data) = data else { return Ok(Status::INVALID_ARGUMENT) };
    match Commitment::parse(&data, &context.transfer_syntax) {
        Ok(commitment) => Ok(Status(reported(node, peer, commitment).await)),
        Err(error) => {
            warn!(peer = peer.name, %error, "a report on storage commitment cannot be understood");
            Ok(Status::INVALID_ARGUMENT)
        }
    }
}

/// Takes the word of `peer` on what it keeps; the status to answer its N-EVENT-REPORT with.
///
/// Only what this peer was asked counts.
pub(crate) async fn reported(node: &Node, peer: &Peer, commitment: Commitment) -> u16 {
    let Commitment { transaction_uid, committed, failed } = commitment;
    let retry = &node.config.delivery;
    let taken = node
        .store
        .reported_commitment(&peer.name, &transaction_uid, &committed, &failed, retry, Time::now())
        .await;
    let destination = &peer.name;
    match taken {
        Ok(Some(taken)) => {
            let of = committed.len() + failed.len();
            let count = |outcome: &'static str, count: usize| {
                metrics::counter!("foci_commitments_total", "destination" => destination.clone(), "outcome" => outcome)
                    .increment(count as u64);
            };
            count("committed", taken.committed);
            count("missing", taken.missing);
            count("failed", taken.failed);
            if failed.is_empty() {
                info!(%transaction_uid, destination, verified = taken.committed, of, "storage committed");
            } else {
                warn!(
                    %transaction_uid, destination, verified = taken.committed, of,
                    missing = taken.missing, failed = taken.failed, "storage not committed to all"
                );
            }
            node.wake.delivery.notify_waiters();
            Status::SUCCESS.0
        }
        Ok(None) => {
            warn!(%transaction_uid, peer = peer.name, "a report on storage commitment that was not asked for");
            Status::INVALID_ARGUMENT.0
        }
        Err(error) => {
            warn!(%transaction_uid, peer = peer.name, %error, "a report on storage commitment cannot be noted");
            Status::PROCESSING_FAILURE.0
        }
    }
}
