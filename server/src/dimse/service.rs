//! What peers ask of us: C-ECHO, C-STORE, and their word on storage commitment.
//!
//! Who calls is looked up by both titles and the address: a title alone is a name that anybody can say.

use std::net::IpAddr;
use std::sync::Arc;

use dicom_io::Uid;
use dicom_io::net::Error;
use dicom_io::net::classes::{self, COMMITMENT, EXPLICIT_LE, VERIFICATION};
use dicom_io::net::command::{Call, Command, Operation, Status};
use dicom_io::net::commitment::{ALL_KEPT, Commitment, SOME_FAILED};
use dicom_io::net::negotiation::{Accept, Context, Proposed, Refusal, Request, Roles};
use dicom_io::net::pdu::Rejection;
use tracing::{debug, info, warn};

use super::association::{Association, Failure, LARGEST_ANSWER};
use super::commitment;
use crate::config::{Config, Peer};
use crate::intake::{Announced, Intake, Kept, Refused, Sender};
use crate::node::Node;

/// Who has called.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) peer: Peer,
    pub(crate) sender: Sender,
}

/// What one association is served by.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    pub(crate) node: &'a Arc<Node>,
    pub(crate) intake: &'a Intake,
    pub(crate) admitted: Admitted,
}

/// Looks for the peer that calls.
///
/// # Errors
///
/// What to tell the caller, and for our log which part of the configuration does not fit.
pub(crate) fn admit(
    config: &Config,
    request: &Request,
    address: IpAddr,
    is_tls: bool,
) -> Result<Admitted, (Rejection, String)> {
    let calling = request.calling.as_str();
    if request.version & 1 == 0 {
        return Err((Rejection::PROTOCOL_VERSION, "it speaks another version of the protocol".to_owned()));
    }
    if !request.application_context {
        return Err((Rejection::APPLICATION_CONTEXT, "its application context is not DICOM's".to_owned()));
    }
    if request.called.as_str() != config.dicom.ae_title {
        let why = format!("it calls another AE title than ours, {}", config.dicom.ae_title);
        return Err((Rejection::CALLED_UNKNOWN, why));
    }
    let unknown = |why: String| Err((Rejection::CALLING_UNKNOWN, why));
    let named: Vec<&Peer> = config.peer.iter().filter(|peer| peer.ae_title == calling).collect();
    if named.is_empty() {
        return unknown(format!("no [[peer]] has the AE title {calling}"));
    }
    let here = |peer: &&&Peer| peer.addresses.iter().any(|addresses| addresses.contain(address));
    let placed: Vec<&Peer> = named.iter().filter(here).copied().collect();
    if placed.is_empty() {
        return unknown(format!("no [[peer]] with the AE title {calling} may call from {address}"));
    }
    match placed.iter().find(|peer| is_tls || !peer.tls) {
        Some(&peer) => {
            let sender = Sender { name: peer.name.clone(), lane: peer.lane };
            Ok(Admitted { peer: peer.clone(), sender })
        }
        None => unknown(format!("the peer {} must call with TLS (tls = true)", placed[0].name)),
    }
}

/// Answers what `peer` proposes. What is refused is logged by the standard's name for it.
pub(crate) fn agree(request: &Request, peer: &Peer, pdu_bytes: u32) -> (Accept, Vec<Context>) {
    let mut refused = Vec::new();
    let agreed = request.answer(pdu_bytes, |proposed| {
        choose(proposed, peer).inspect_err(|refusal| {
            let name = classes::class_name(&proposed.abstract_syntax).unwrap_or("unknown");
            metrics::counter!("foci_dicom_contexts_refused_total", "class" => name).increment(1);
            let class = match name {
                "unknown" => proposed.abstract_syntax.to_string(),
                known => known.to_owned(),
            };
            refused.push(match refusal {
                Refusal::TransferSyntaxes => format!("{class} in {}", syntaxes(proposed)),
                refusal => format!("{class} ({refusal})"),
            });
        })
    });
    if !refused.is_empty() {
        info!(peer = peer.name, "presentation contexts refused: {}", refused.join(", "));
    }
    agreed
}

/// The names of what was proposed.
fn syntaxes(proposed: &Proposed) -> String {
    let name = |syntax: &Uid| classes::syntax_name(syntax).map_or_else(|| syntax.to_string(), str::to_owned);
    proposed.transfer_syntaxes.iter().map(name).collect::<Vec<_>>().join(" or ")
}

/// The transfer syntax and the parts for one context.
///
/// The sender names first what it has: that is taken, so that nothing is transcoded on the way. Only where
/// the bytes merely lie in another order, explicit little endian is taken.
fn choose(proposed: &Proposed, peer: &Peer) -> Result<(Uid, Roles), Refusal> {
    let class = &proposed.abstract_syntax;
    let asked = proposed.roles.unwrap_or(Roles::USUAL);
    let roles = match class.as_str() {
        VERIFICATION => Roles { scu: asked.scu, scp: false },
        // Its report comes from the one who serves: mostly it says so, some forget.
        COMMITMENT => asked,
        _ if !classes::is_storage(class) => return Err(Refusal::AbstractSyntax),
        _ if !peer.may_store => return Err(Refusal::User),
        _ => Roles { scu: asked.scu, scp: false },
    };
    // Images are read in every form; a message about others is never compressed.
    let is_read = |syntax: &&Uid| match classes::is_storage(class) {
        true => classes::is_read(syntax),
        false => classes::is_plain(syntax),
    };
    let read = proposed.transfer_syntaxes.iter().find(is_read);
    let first = read.ok_or(Refusal::TransferSyntaxes)?;
    let explicit = proposed.transfer_syntaxes.iter().find(|syntax| syntax.as_str() == EXPLICIT_LE);
    let chosen = explicit.filter(|_| classes::is_plain(first)).unwrap_or(first);
    Ok((chosen.clone(), roles))
}

impl Service<'_> {
    /// Serves one message and answers it.
    pub(crate) async fn message(
        &self,
        association: &mut Association,
        context: &Context,
        command: Command,
    ) -> Result<(), Failure> {
        let reply = match command {
            Command::Call(call) => {
                let (status, comment) = self.call(association, context, &call).await?;
                tell(call.operation.name(), status);
                let reply = call.reply(status);
                match comment {
                    Some(comment) => reply.commented(&comment),
                    None => reply,
                }
            }
            Command::Odd(odd) => {
                discard(association).await?;
                tell("other", odd.reply.status);
                info!(peer = self.admitted.peer.name, "a request refused with {}", odd.reply.status);
                odd.reply
            }
            // Whatever it is about is answered already: one message at a time.
            Command::Cancel { .. } => return Ok(()),
            Command::Reply(_) => return Err(Error::OutOfOrder("an answer to nothing").into()),
        };
        association.send(context.id, &reply.into(), None).await
    }

    async fn call(
        &self,
        association: &mut Association,
        context: &Context,
        call: &Call,
    ) -> Result<(Status, Option<String>), Failure> {
        let peer = &self.admitted.peer.name;
        if call.class != context.abstract_syntax {
            discard(association).await?;
            info!(peer, "a {} for another SOP class than its context's refused", call.operation.name());
            let comment = "not the SOP class of the presentation context".to_owned();
            return Ok((Status::CLASS_NOT_SUPPORTED, Some(comment)));
        }
        match &call.operation {
            Operation::Echo => {
                discard(association).await?;
                Ok((Status::SUCCESS, None))
            }
            Operation::Store { instance } if classes::is_storage(&call.class) => {
                self.store(association, context, instance, call.has_data).await
            }
            Operation::EventReport { event, .. } if call.class.as_str() == COMMITMENT => {
                let status = self.reported(association, context, *event).await?;
                Ok((status, None))
            }
            operation => {
                discard(association).await?;
                info!(peer, "a {} refused: not served here", operation.name());
                Ok((Status::UNRECOGNIZED_OPERATION, None))
            }
        }
    }

    async fn store(
        &self,
        association: &mut Association,
        context: &Context,
        instance: &Uid,
        has_data: bool,
    ) -> Result<(Status, Option<String>), Failure> {
        let peer = &self.admitted.peer.name;
        let announced = Announced {
            sop_class_uid: context.abstract_syntax.clone(),
            sop_instance_uid: instance.clone(),
            transfer_syntax: context.transfer_syntax.clone(),
        };
        let kept = if has_data {
            self.keep(association, announced).await?
        } else {
            Err(Refused::Malformed("there is no data set".to_owned()))
        };
        Ok(match kept {
            Ok(Kept::Quarantined) => {
                debug!(peer, uid = %instance, "kept aside");
                (COERCED, Some("another object with this UID is here already".to_owned()))
            }
            Ok(kept) => {
                debug!(peer, uid = %instance, ?kept, "stored");
                (Status::SUCCESS, None)
            }
            Err(refused) => {
                // The intake has logged why.
                debug!(peer, uid = %instance, "not stored");
                let comment = match &refused {
                    // What failed on our disk is none of the sender's business.
                    Refused::Storage(_) => "the object cannot be kept".to_owned(),
                    refused => refused.to_string(),
                };
                (Status(refused.status()), Some(comment))
            }
        })
    }

    /// Takes an object in. If it is refused on the way, the rest of it is thrown away, so that the sender
    /// hears why.
    async fn keep(
        &self,
        association: &mut Association,
        announced: Announced,
    ) -> Result<Result<Kept, Refused>, Failure> {
        let mut incoming = match self.intake.begin(&self.admitted.sender, announced).await {
            Ok(incoming) => incoming,
            Err(refused) => {
                discard(association).await?;
                return Ok(Err(refused));
            }
        };
        let mut bytes = 0;
        while let Some(chunk) = association.chunk().await? {
            bytes += chunk.len();
            if let Err(refused) = incoming.write(chunk).await {
                drop(incoming);
                discard(association).await?;
                return Ok(Err(refused));
            }
        }
        metrics::counter!("foci_dicom_received_bytes_total").increment(bytes as u64);
        Ok(incoming.finish().await.map(|(_, kept)| kept))
    }

    async fn reported(
        &self,
        association: &mut Association,
        context: &Context,
        event: u16,
    ) -> Result<Status, Failure> {
        let peer = &self.admitted.peer;
        let Some(data) = association.data(LARGEST_ANSWER).await? else {
            warn!(peer = peer.name, "a report on storage commitment refused: it is too long");
            return Ok(Status::RESOURCE_LIMITATION);
        };
        if ![ALL_KEPT, SOME_FAILED].contains(&event) {
            return Ok(NO_SUCH_EVENT);
        }
        match Commitment::parse(&data, &context.transfer_syntax) {
            Ok(commitment) => Ok(Status(commitment::reported(self.node, peer, commitment).await)),
            Err(error) => {
                warn!(peer = peer.name, "a report on storage commitment refused: {error}");
                Ok(Status::INVALID_ARGUMENT)
            }
        }
    }
}

/// Warning: kept, but not as the sender may think (PS3.4 B.2.3).
const COERCED: Status = Status(0xB000);

/// No such event type (PS3.7 C.4.1).
const NO_SUCH_EVENT: Status = Status(0x0113);

async fn discard(association: &mut Association) -> Result<(), Failure> {
    while association.chunk().await?.is_some() {}
    Ok(())
}

fn tell(operation: &'static str, status: Status) {
    let outcome = match status {
        status if status.is_success() => "success",
        status if status.is_warning() => "warning",
        _ => "refused",
    };
    metrics::counter!("foci_dicom_messages_total", "operation" => operation, "outcome" => outcome)
        .increment(1);
}
