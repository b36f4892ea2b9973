//! What we ask of peers: store, find, move, get.
//!
//! Nothing of what a peer says in words goes into a log or an error: it may name a patient. Statuses do.

use std::collections::BTreeSet;
use std::time::Duration;

use dicom_io::Uid;
use dicom_io::net::classes::{self, EXPLICIT_LE, IMPLICIT_LE};
use dicom_io::net::command::{Command, Operation, Progress, Status};
use dicom_io::net::file;
use dicom_io::net::negotiation::{MOST_CONTEXTS, Proposal, Roles};
use dicom_io::net::pdu::AeTitle;
use dicom_io::net::query::{Found, Level, Query};
use tracing::warn;

use super::association::{Association, Failure, Received};
use crate::config::Peer;
use crate::intake::{Announced, Intake, Kept, Sender};
use crate::node::Node;
use crate::store::outbox::Outcome;

/// A peer that moves a study need not say how far it is. After this long without a word it is dead.
const SILENCE: Duration = Duration::from_secs(30 * 60);

/// A peer that answers a question with more than so many things has not understood it.
const MOST_FOUND: usize = 100_000;

/// Data sets that are read only to be thrown away.
const NOTHING: usize = 0;

/// Why a peer did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Look at the connection.
    #[error(transparent)]
    Association(#[from] Failure),
    /// The peer does not do that; or not for us.
    #[error("it does not offer {0}")]
    NotOffered(&'static str),
    /// It tried, or would not.
    #[error("{operation} ended with status {status}{}", meaning(*.status))]
    Status { operation: &'static str, status: Status },
}

/// How a study was moved or fetched.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moved {
    /// As the peer counts.
    pub(crate) progress: Progress,
    /// Of a fetch, as we count: objects that are kept, or were here.
    pub(crate) kept: usize,
    /// Objects set aside: others with their UIDs were here before.
    pub(crate) quarantined: usize,
    /// Objects that we did not take.
    pub(crate) refused: usize,
}

/// Asks `peer` whether it is there.
pub(crate) async fn echo(node: &Node, peer: &Peer) -> Result<(), Error> {
    let proposal = Proposal::new(classes::VERIFICATION, &[IMPLICIT_LE]);
    let mut association = Association::call(node, peer, vec![proposal]).await?;
    let context = context_of(&association, classes::VERIFICATION, "C-ECHO")?;
    let call = association.new_call(classes::of_the_standard(classes::VERIFICATION), Operation::Echo, false);
    association.send(context, &Command::Call(call), None).await?;
    let status = association.answer().await?.reply.status;
    end(association).await;
    succeeded("C-ECHO", status)
}

/// Stores objects with a peer, all on one association.
#[derive(Debug)]
pub(crate) struct Storing {
    association: Association,
}

impl Storing {
    /// Connects to `peer` to store objects of `classes`.
    ///
    /// For each class it proposes the transfer syntax in which results are written, and on its own the one
    /// that every node must take, so that the peer need not choose between them.
    pub(crate) async fn begin(
        node: &Node,
        peer: &Peer,
        classes: impl Iterator<Item = &Uid>,
    ) -> Result<Self, Failure> {
        let classes: BTreeSet<&Uid> = classes.collect();
        let proposals = classes.into_iter().take(MOST_CONTEXTS / 2).flat_map(|class| {
            [EXPLICIT_LE, IMPLICIT_LE].map(|syntax| Proposal::new(class.as_str(), &[syntax]))
        });
        Ok(Self { association: Association::call(node, peer, proposals.collect()).await? })
    }

    /// Stores the object in the DICOM file `file`.
    ///
    /// # Errors
    ///
    /// If the association has ended with it.
    pub(crate) async fn store(
        &mut self,
        class: &Uid,
        instance: &Uid,
        file: &[u8],
    ) -> Result<Outcome, Failure> {
        let syntaxes = [EXPLICIT_LE, IMPLICIT_LE].map(classes::of_the_standard);
        let agreed = syntaxes.iter().find_map(|syntax| {
            self.association.context_for(class, syntax).map(|context| (context.id, syntax))
        });
        let Some((context, syntax)) = agreed else {
            let name = classes::class_name(class).unwrap_or("its class");
            return Ok(Outcome::Refused(format!(
                "the peer does not take {name} (presentation context refused)"
            )));
        };
        let data = match file::data_set(file, syntax) {
            Ok(data) => data,
            Err(error) => return Ok(Outcome::Refused(format!("the stored result cannot be sent: {error}"))),
        };
        let operation = Operation::Store { instance: instance.clone() };
        let call = self.association.new_call(class.clone(), operation, true);
        self.association.send(context, &Command::Call(call), Some(&data)).await?;
        Ok(stored(self.association.answer().await?.reply.status))
    }

    /// Ends the association in good order.
    pub(crate) async fn end(self) {
        end(self.association).await;
    }
}

/// What an answer to C-STORE means (PS3.4 B.2.3, PS3.7 C).
fn stored(status: Status) -> Outcome {
    let reason = || format!("C-STORE ended with status {status}{}", meaning(status));
    match status.0 {
        0x0000 => Outcome::Sent,
        _ if status.is_warning() => Outcome::Sent,
        // It has the object: the very same bytes, for nobody else makes objects with our UIDs.
        0x0111 => Outcome::Sent,
        // What may pass: out of resources, processing failure, resource limitation, cancelled.
        0xA700..=0xA7FF | 0x0110 | 0x0213 | 0xFE00 => Outcome::Failed(reason()),
        // What will not: the object, its class or its sender.
        0x0100..=0x02FF | 0xA800..=0xAFFF | 0xC000..=0xCFFF => Outcome::Refused(reason()),
        _ => Outcome::Failed(reason()),
    }
}

/// Asks a peer what it has.
#[derive(Debug)]
pub(crate) struct Finding {
    association: Association,
    context: u8,
    transfer_syntax: Uid,
}

impl Finding {
    /// Connects to `peer` to ask it.
    pub(crate) async fn begin(node: &Node, peer: &Peer) -> Result<Self, Error> {
        let proposal = Proposal::new(classes::FIND, &[EXPLICIT_LE, IMPLICIT_LE]);
        let association = Association::call(node, peer, vec![proposal]).await?;
        let Some(context) = association.context_of(classes::FIND) else {
            end(association).await;
            return Err(Error::NotOffered("C-FIND (study root)"));
        };
        let (context, transfer_syntax) = (context.id, context.transfer_syntax.clone());
        Ok(Self { association, context, transfer_syntax })
    }

    /// Everything that matches `query`.
    pub(crate) async fn find(&mut self, query: &Query) -> Result<Vec<Found>, Error> {
        let class = classes::of_the_standard(classes::FIND);
        let call = self.association.new_call(class, Operation::Find, true);
        let identifier = query.bytes(&self.transfer_syntax);
        self.association.send(self.context, &Command::Call(call), Some(&identifier)).await?;
        let mut found = Vec::new();
        loop {
            let answer = self.association.answer().await?;
            if !answer.reply.status.is_pending() {
                succeeded("C-FIND", answer.reply.status)?;
                return Ok(found);
            }
            if let Some(data) = answer.data {
                found.push(Found::parse(&data, &answer.transfer_syntax).map_err(Failure::from)?);
            }
            if found.len() > MOST_FOUND {
                return Err(Error::NotOffered("C-FIND with a sensible number of answers"));
            }
        }
    }

    /// How many instances `study` has; `None`: the peer does not have the study.
    pub(crate) async fn study_instances(&mut self, study: &Uid) -> Result<Option<u32>, Error> {
        let query = Query::new(Level::Study)
            .matching("StudyInstanceUID", study.as_str())
            .asking("NumberOfStudyRelatedInstances");
        let found = self.find(&query).await?;
        let Some(found) = found.iter().find(|found| found.uid("StudyInstanceUID").as_ref() == Some(study))
        else {
            return Ok(None);
        };
        if let Some(count) = found.number("NumberOfStudyRelatedInstances") {
            return Ok(u32::try_from(count).ok());
        }
        // To tell that number is optional; then the instances are counted.
        Ok(u32::try_from(self.instances(study).await?.len()).ok())
    }

    /// The SOP classes of the instances of `study`, one for each instance.
    pub(crate) async fn instances(&mut self, study: &Uid) -> Result<Vec<Option<Uid>>, Error> {
        let series = Query::new(Level::Series)
            .matching("StudyInstanceUID", study.as_str())
            .asking("SeriesInstanceUID");
        let mut instances = Vec::new();
        for series in self.find(&series).await? {
            let Some(series) = series.uid("SeriesInstanceUID") else { continue };
            let query = Query::new(Level::Image)
                .matching("StudyInstanceUID", study.as_str())
                .matching("SeriesInstanceUID", series.as_str())
                .asking("SOPInstanceUID")
                .asking("SOPClassUID");
            instances.extend(self.find(&query).await?.iter().map(|found| found.uid("SOPClassUID")));
        }
        Ok(instances)
    }

    /// Ends the association in good order.
    pub(crate) async fn end(self) {
        end(self.association).await;
    }
}

/// How many instances `peer` says that `study` has; `None`: it does not have the study, or cannot be asked.
pub(crate) async fn study_instances(node: &Node, peer: &Peer, study: &Uid) -> Option<u32> {
    let counted = async {
        let mut finding = Finding::begin(node, peer).await?;
        let count = finding.study_instances(study).await?;
        finding.end().await;
        Ok::<_, Error>(count)
    };
    counted.await.unwrap_or_else(|error| {
        warn!(%study, peer = peer.name, %error, "the peer cannot be asked how many instances a study has");
        None
    })
}

/// Has `peer` send `study` to the node `destination`.
pub(crate) async fn move_study(
    node: &Node,
    peer: &Peer,
    study: &Uid,
    destination: &AeTitle,
) -> Result<Moved, Error> {
    let proposal = Proposal::new(classes::MOVE, &[EXPLICIT_LE, IMPLICIT_LE]);
    let mut association = Association::call(node, peer, vec![proposal]).await?;
    let context = context_of(&association, classes::MOVE, "C-MOVE (study root)")?;
    let operation = Operation::Move { destination: destination.clone() };
    ask_for_study(&mut association, context, classes::MOVE, operation, study).await?;
    loop {
        let reply = association.answer_within(SILENCE).await?.reply;
        if !reply.status.is_pending() {
            end(association).await;
            return ended("C-MOVE", reply.status, reply.progress, Moved::default());
        }
    }
}

/// Fetches `study` from `peer` on the association that asks for it, and gives its objects to `intake`.
pub(crate) async fn get_study(
    node: &Node,
    peer: &Peer,
    study: &Uid,
    intake: &Intake,
    sender: &Sender,
) -> Result<Moved, Error> {
    let proposals = proposals(&classes_of(node, peer, study).await);
    let mut association = Association::call(node, peer, proposals).await?;
    let context = context_of(&association, classes::GET, "C-GET (study root)")?;
    ask_for_study(&mut association, context, classes::GET, Operation::Get, study).await?;
    let mut moved = Moved::default();
    loop {
        let (context, command) = match association.receive_within(SILENCE).await? {
            Received::Message(context, command) => (context, command),
            Received::Released => return Err(Failure::Closed.into()),
        };
        let reply = match command {
            Command::Reply(reply) => {
                if reply.has_data {
                    association.data(NOTHING).await?;
                }
                if reply.status.is_pending() {
                    continue;
                }
                end(association).await;
                return ended("C-GET", reply.status, reply.progress, moved);
            }
            Command::Call(call) => match &call.operation {
                Operation::Store { instance } => {
                    let announced = Announced {
                        sop_class_uid: call.class.clone(),
                        sop_instance_uid: instance.clone(),
                        transfer_syntax: context.transfer_syntax.clone(),
                    };
                    let status = take(&mut association, intake, sender, announced, study, &mut moved).await?;
                    call.reply(status)
                }
                _ => {
                    association.data(NOTHING).await?;
                    call.reply(Status::UNRECOGNIZED_OPERATION)
                }
            },
            Command::Odd(odd) => {
                association.data(NOTHING).await?;
                odd.reply
            }
            Command::Cancel { .. } => continue,
        };
        association.send(context.id, &Command::Reply(reply), None).await?;
    }
}

/// Takes the object that comes next.
async fn take(
    association: &mut Association,
    intake: &Intake,
    sender: &Sender,
    announced: Announced,
    study: &Uid,
    moved: &mut Moved,
) -> Result<Status, Failure> {
    let uid = announced.sop_instance_uid.clone();
    let kept = match intake.begin(sender, announced).await {
        Ok(mut incoming) => {
            let mut refused = None;
            while let Some(chunk) = association.chunk().await? {
                if refused.is_none() {
                    refused = incoming.write(chunk).await.err();
                }
            }
            match refused {
                None => incoming.finish().await.map(|(_, kept)| kept),
                Some(refused) => Err(refused),
            }
        }
        Err(refused) => {
            association.data(NOTHING).await?;
            Err(refused)
        }
    };
    Ok(match kept {
        Ok(Kept::Quarantined) => {
            moved.quarantined += 1;
            Status::SUCCESS
        }
        Ok(Kept::New | Kept::Again | Kept::Own) => {
            moved.kept += 1;
            Status::SUCCESS
        }
        Err(refused) => {
            moved.refused += 1;
            warn!(%study, %uid, %refused, "object not taken");
            Status(refused.status())
        }
    })
}

/// The classes of what `study` holds. Where the peer does not say: those of images.
async fn classes_of(node: &Node, peer: &Peer, study: &Uid) -> Vec<Uid> {
    let asked = async {
        let mut finding = Finding::begin(node, peer).await?;
        let instances = finding.instances(study).await?;
        finding.end().await;
        Ok::<_, Error>(instances)
    };
    let classes: BTreeSet<Uid> = asked.await.unwrap_or_default().into_iter().flatten().collect();
    if classes.is_empty() {
        classes::storage().filter(classes::is_image).collect()
    } else {
        classes.into_iter().collect()
    }
}

/// What to propose to fetch objects of `classes`: where there is room, each transfer syntax by itself, so
/// that the peer can send each object as it is.
fn proposals(classes: &[Uid]) -> Vec<Proposal> {
    let syntaxes: Vec<String> = classes::syntaxes().map(|uid| uid.as_str().to_owned()).collect();
    let syntaxes: Vec<&str> = syntaxes.iter().map(String::as_str).collect();
    let mut proposals = vec![Proposal::new(classes::GET, &[EXPLICIT_LE, IMPLICIT_LE])];
    let each = if classes.len() * syntaxes.len() < MOST_CONTEXTS { 1 } else { syntaxes.len() };
    for class in classes {
        for syntaxes in syntaxes.chunks(each) {
            proposals.push(Proposal::new(class.as_str(), syntaxes).with(Roles::SERVES));
        }
    }
    proposals.truncate(MOST_CONTEXTS);
    proposals
}

async fn ask_for_study(
    association: &mut Association,
    context: u8,
    class: &str,
    operation: Operation,
    study: &Uid,
) -> Result<(), Failure> {
    let syntax = association.contexts().iter().find(|known| known.id == context);
    let syntax = syntax.expect("it was agreed on").transfer_syntax.clone();
    let identifier = Query::new(Level::Study).matching("StudyInstanceUID", study.as_str()).bytes(&syntax);
    let call = association.new_call(classes::of_the_standard(class), operation, true);
    association.send(context, &Command::Call(call), Some(&identifier)).await
}

/// How a C-MOVE or C-GET ended: that some objects failed is for the caller to tell.
fn ended(
    operation: &'static str,
    status: Status,
    progress: Option<Progress>,
    moved: Moved,
) -> Result<Moved, Error> {
    // B000H: some failed. A702H: all of them, or the peer could not send; it says how many.
    let partial = status.is_success() || status.is_warning() || status.0 == 0xA702;
    match progress {
        Some(progress) if partial => Ok(Moved { progress, ..moved }),
        None if status.is_success() => Ok(moved),
        _ => Err(Error::Status { operation, status }),
    }
}

fn context_of(association: &Association, class: &str, name: &'static str) -> Result<u8, Error> {
    association.context_of(class).map(|context| context.id).ok_or(Error::NotOffered(name))
}

fn succeeded(operation: &'static str, status: Status) -> Result<(), Error> {
    if status.is_success() { Ok(()) } else { Err(Error::Status { operation, status }) }
}

/// Ends an association on which everything was done: how that goes changes nothing.
async fn end(association: Association) {
    let _ = association.release().await;
}

/// What a status means, for people.
///
/// Source: DICOM PS3.4 B.2.3, C.4.2.1.5, PS3.7 C.
fn meaning(status: Status) -> &'static str {
    match status.0 {
        0x0110 => " (processing failure)",
        0x0117 => " (invalid object instance)",
        0x0122 => " (SOP class not supported)",
        0x0124 => " (not authorized)",
        0x0213 => " (resource limitation)",
        0xA700..=0xA7FF if status.0 != 0xA702 => " (out of resources)",
        0xA702 => " (out of resources: it could not send)",
        0xA801 => " (it does not know the node that is to get it)",
        0xA900..=0xA9FF => " (the data set does not match its SOP class)",
        0xC000..=0xCFFF => " (it cannot understand the object)",
        _ => "",
    }
}
