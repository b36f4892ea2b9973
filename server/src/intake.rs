//! One object from its first byte to its row in the database: nothing is acknowledged before.
//!
//! Write, fsync the file, rename it into its place, fsync the folder, commit the row; only then does the
//! sender hear that it was kept. C-STORE, STOW-RS, C-GET and WADO-RS all come through here.
//!
//! The bytes go to the disk in pieces while more of them come, so that a large object takes no more memory
//! than a small one and the disk is at work while the network is. Rows that wait at the same moment are
//! committed together; one that comes alone waits for nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, anyhow};
use dicom_io::Uid;
use dicom_io::identity::{self, Identity, Passing, Unsound};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::task::JoinHandle;
use tracing::{error, warn};

use crate::archive::{self, Part};
use crate::config::mib;
use crate::node::Node;
use crate::store::Time;
use crate::store::instances::{Added, Aside, NewInstance};

/// At most so many bytes are collected before they are given to the disk.
const PIECE: usize = 256 << 10;

/// And at least so many while the disk has nothing else to do with the object.
const SMALL_PIECE: usize = 64 << 10;

/// Up to here an object is written where it is received: that only copies it into the system's memory, which
/// is quicker than waking another thread for each piece. What is larger is written by other threads, since
/// the system may stop a writer that is far ahead of the disk.
const WRITTEN_HERE: u64 = 4 << 20;

/// Where an object came from: the name of a configured peer, `stow` or `pull`; never the sender's text.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) name: String,
    pub(crate) lane: crate::config::Lane,
}

/// What a C-STORE request says of the data set that follows.
#[derive(Debug, Clone)]
pub(crate) struct Announced {
    pub(crate) sop_class_uid: Uid,
    pub(crate) sop_instance_uid: Uid,
    pub(crate) transfer_syntax: Uid,
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is new and kept.
    New,
    /// It was here already, with the same bytes.
    Again,
    /// It is one of our own results coming back.
    Own,
    /// Another object with its UID was here already: this one is kept aside and reported.
    Quarantined,
}

/// Why an object was not kept. The sender still has it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Make room; the sender tries again.
    #[error("the disk is nearly full")]
    Full,
    /// Raise the limit, or do not send it.
    #[error("the object is larger than {limit_mb} MiB")]
    TooLarge { limit_mb: u64 },
    /// The sender's data is wrong.
    #[error("the object is no sound DICOM: {0}")]
    Malformed(String),
    /// The sender's data is wrong.
    #[error("the object is not the one that was announced: {0}")]
    Mismatch(String),
    /// The operator must look.
    #[error("the object cannot be kept: {0:#}")]
    Storage(anyhow::Error),
}

/// Takes objects in.
#[derive(Debug)]
pub(crate) struct Intake {
    desk: Arc<Desk>,
}

/// One object under way. Dropped before the end, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Incoming {
    desk: Arc<Desk>,
    sender: Sender,
    /// The only study of which it may be.
    study: Option<Uid>,
    begun: Instant,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The beginning of a DICOM file, until its data set begins.
    Head(Vec<u8>),
    Body(Box<Body>),
}

/// The data set of an object, on its way to the disk.
#[derive(Debug)]
struct Body {
    announced: Announced,
    /// `None` for a deflated data set: it is looked at in the end.
    passing: Option<Passing>,
    /// Of the bytes so far.
    hash: Sha256,
    received: u64,
    /// What is not yet given to the disk.
    piece: Vec<u8>,
    /// What is, while no other thread writes it.
    draft: Option<Draft>,
    /// What is, while another does; the piece that was written last comes back with it, to be filled again.
    writing: Option<JoinHandle<Written>>,
}

/// The file with one more piece, and the piece's memory.
type Written = Result<(Draft, Vec<u8>), Refused>;

/// A file that is being written: preamble, file meta information, and the data set as it was received.
#[derive(Debug)]
struct Draft {
    part: Part,
    /// Where the data set begins.
    data_set: u64,
}

/// What all objects under way share.
#[derive(Debug)]
struct Desk {
    node: Arc<Node>,
    /// The SOP instances that are on the way from their part to their row: one at a time for each UID.
    under_way: Mutex<HashMap<Uid, Arc<tokio::sync::Mutex<()>>>>,
    /// Rows that wait for the next transaction, and who waits for them.
    waiting: Mutex<Vec<(NewInstance, Answer)>>,
    /// Held by whoever commits for all who wait.
    turn: tokio::sync::Mutex<()>,
}

/// To who waits for a row.
type Answer = oneshot::Sender<Result<Added, NotCommitted>>;

/// Why rows were not committed, for each of those who waited for it.
#[derive(Debug, Clone)]
enum NotCommitted {
    Full,
    Failed(String),
}

impl Intake {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        let desk = Desk {
            node,
            under_way: Mutex::default(),
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        };
        Self { desk: Arc::new(desk) }
    }

    /// Begins with an object whose data set follows without file meta information (C-STORE, C-GET).
    pub(crate) async fn begin(&self, sender: &Sender, announced: Announced) -> Result<Incoming, Refused> {
        self.incoming(sender, Stage::Body(Box::new(Body::new(announced))))
    }

    /// Begins with an object that comes as a whole DICOM file (STOW-RS, WADO-RS).
    pub(crate) async fn begin_file(&self, sender: &Sender) -> Result<Incoming, Refused> {
        self.incoming(sender, Stage::Head(Vec::new()))
    }

    fn incoming(&self, sender: &Sender, stage: Stage) -> Result<Incoming, Refused> {
        let incoming = Incoming {
            desk: self.desk.clone(),
            sender: sender.clone(),
            study: None,
            begun: Instant::now(),
            stage,
        };
        self.desk.check_room().map_err(|refused| incoming.refused(refused))?;
        Ok(incoming)
    }
}

impl Incoming {
    /// Refuses the object if it is of another study.
    pub(crate) fn only_of(&mut self, study: &Uid) {
        self.study = Some(study.clone());
    }

    /// What the object says that it is, as far as that has come.
    pub(crate) fn announced(&self) -> Option<&Announced> {
        match &self.stage {
            Stage::Head(_) => None,
            Stage::Body(body) => Some(&body.announced),
        }
    }

    /// Takes the next bytes. After an error there is nothing more to be taken or finished.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        self.take(bytes).await.map_err(|refused| self.refused(refused))
    }

    /// Takes the object as complete: returns when it is safe.
    pub(crate) async fn finish(self) -> Result<(Announced, Kept), Refused> {
        let (desk, sender, begun) = (self.desk.clone(), self.sender.clone(), self.begun);
        let uid = self.announced().map(|announced| announced.sop_instance_uid.clone());
        let refused = |refused| report(refused, &sender, uid.as_ref());
        let body = match self.stage {
            Stage::Body(body) => body,
            Stage::Head(_) => return Err(refused(Refused::Malformed(Unsound::NotDicom.to_string()))),
        };
        // A task of its own: if nobody waits for it any more, it comes to its end all the same, and no
        // file stays without its row.
        let done = tokio::spawn(body.finish(desk, sender.clone(), self.study)).await;
        let (announced, kept) = done.map_err(|error| refused(storage(error)))?.map_err(refused)?;
        let outcome = match kept {
            Kept::New => "new",
            Kept::Again => "again",
            Kept::Own => "own",
            Kept::Quarantined => "quarantined",
        };
        metrics::counter!("foci_instances_received_total", "outcome" => outcome).increment(1);
        metrics::histogram!("foci_instance_seconds").record(begun.elapsed().as_secs_f64());
        Ok((announced, kept))
    }

    async fn take(&mut self, mut bytes: &[u8]) -> Result<(), Refused> {
        let head;
        if let Stage::Head(begun) = &mut self.stage {
            begun.extend_from_slice(bytes);
            let Some(found) = identity::file_head(begun).map_err(malformed)? else { return Ok(()) };
            head = std::mem::take(begun);
            bytes = &head[found.data_set..];
            self.stage = Stage::Body(Box::new(Body::new(Announced {
                sop_class_uid: found.sop_class_uid,
                sop_instance_uid: found.sop_instance_uid,
                transfer_syntax: found.transfer_syntax,
            })));
        }
        match &mut self.stage {
            Stage::Body(body) => body.take(&self.desk, bytes).await,
            Stage::Head(_) => Ok(()),
        }
    }

    fn refused(&self, refused: Refused) -> Refused {
        report(refused, &self.sender, self.announced().map(|announced| &announced.sop_instance_uid))
    }
}

impl Body {
    fn new(announced: Announced) -> Self {
        Self {
            passing: Passing::new(&announced.transfer_syntax),
            announced,
            hash: Sha256::new(),
            received: 0,
            piece: Vec::new(),
            draft: None,
            writing: None,
        }
    }

    async fn take(&mut self, desk: &Arc<Desk>, mut bytes: &[u8]) -> Result<(), Refused> {
        let limit_mb = desk.node.config.dicom.limits.object_mb;
        self.received += bytes.len() as u64;
        if self.received > mib(limit_mb) {
            return Err(Refused::TooLarge { limit_mb });
        }
        if let Some(passing) = &mut self.passing {
            passing.pass(bytes);
        }
        self.hash.update(bytes);
        if self.received <= WRITTEN_HERE {
            return self.write_here(desk, bytes);
        }
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            if self.piece.capacity() == 0 {
                self.piece.reserve_exact(PIECE);
            }
            self.piece.extend_from_slice(now);
            bytes = later;
            let idle = self.writing.as_ref().is_none_or(JoinHandle::is_finished);
            if self.piece.len() == PIECE || idle && self.piece.len() >= SMALL_PIECE {
                self.give(desk).await?;
            }
        }
        Ok(())
    }

    /// Writes what there is, unless it is little.
    fn write_here(&mut self, desk: &Desk, bytes: &[u8]) -> Result<(), Refused> {
        if self.piece.len() + bytes.len() < SMALL_PIECE {
            self.piece.extend_from_slice(bytes);
            return Ok(());
        }
        let draft = match &mut self.draft {
            Some(draft) => draft,
            none => none.insert(Draft::begin(desk, &self.announced)?),
        };
        draft.part.append(&self.piece).and_then(|()| draft.part.append(bytes)).map_err(disk)?;
        self.piece.clear();
        Ok(())
    }

    /// Gives the piece to the disk, once that has done with the one before.
    async fn give(&mut self, desk: &Arc<Desk>) -> Result<(), Refused> {
        let (mut draft, empty) = match self.writing.take() {
            None => (self.draft.take(), Vec::new()),
            Some(writing) => {
                let (draft, empty) = writing.await.map_err(storage)??;
                (Some(draft), empty)
            }
        };
        desk.check_room()?;
        let piece = std::mem::replace(&mut self.piece, empty);
        let (desk, announced) = (desk.clone(), self.announced.clone());
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let mut draft = match draft.take() {
                Some(draft) => draft,
                None => Draft::begin(&desk, &announced)?,
            };
            draft.part.append(&piece).map_err(disk)?;
            let mut empty = piece;
            empty.clear();
            Ok((draft, empty))
        }));
        Ok(())
    }

    /// Makes the object safe.
    async fn finish(
        self,
        desk: Arc<Desk>,
        sender: Sender,
        study: Option<Uid>,
    ) -> Result<(Announced, Kept), Refused> {
        let Self { announced, passing, hash, piece, draft, writing, .. } = self;
        let identity = match passing {
            Some(passing) => Some(announced.check(passing.end().map_err(malformed)?)?),
            None => None,
        };
        let draft = match writing {
            Some(writing) => Some(writing.await.map_err(storage)??.0),
            None => draft,
        };
        let _only = desk.only(&announced.sop_instance_uid).await;
        let _no_removal = desk.node.archive.removal.clone().read_owned().await;
        let (at_work, wanted) = (desk.clone(), announced.clone());
        let instance = tokio::task::spawn_blocking(move || {
            let mut draft = match draft {
                Some(draft) => draft,
                None => Draft::begin(&at_work, &wanted)?,
            };
            draft.part.append(&piece).map_err(disk)?;
            draft.keep(&at_work, &wanted, identity, archive::hex(&hash.finalize()), sender, study.as_ref())
        });
        let instance = instance.await.map_err(storage)??;
        let kept = match desk.commit(instance.clone()).await {
            Ok(Added::New) => {
                metrics::counter!("foci_received_bytes_total").increment(instance.bytes);
                desk.node.wake.studies.notify_one();
                Kept::New
            }
            Ok(Added::Again) => Kept::Again,
            Ok(Added::Own) => {
                desk.discard(&instance).await;
                Kept::Own
            }
            Ok(Added::Other) => desk.keep_aside(instance).await?,
            Err(refused) => {
                desk.discard(&instance).await;
                return Err(refused);
            }
        };
        Ok((announced, kept))
    }
}

impl Announced {
    /// Refuses an object that is another one.
    fn check(&self, identity: Identity) -> Result<Identity, Refused> {
        let same = |what: &str, announced: &Uid, found: &Uid| {
            if announced == found {
                return Ok(());
            }
            Err(Refused::Mismatch(format!("its {what} is {found}, announced was {announced}")))
        };
        same("SOP Class UID", &self.sop_class_uid, &identity.sop_class_uid)?;
        same("SOP Instance UID", &self.sop_instance_uid, &identity.sop_instance_uid)?;
        Ok(identity)
    }
}

impl Draft {
    fn begin(desk: &Desk, announced: &Announced) -> Result<Self, Refused> {
        let meta = identity::file_meta(
            &announced.sop_class_uid,
            &announced.sop_instance_uid,
            &announced.transfer_syntax,
        );
        let mut part = desk.node.archive.part().map_err(disk)?;
        part.append(&meta).map_err(disk)?;
        Ok(Self { part, data_set: meta.len() as u64 })
    }

    /// Makes the file safe and puts it into its place.
    fn keep(
        mut self,
        desk: &Desk,
        announced: &Announced,
        identity: Option<Identity>,
        sha256: String,
        sender: Sender,
        study: Option<&Uid>,
    ) -> Result<NewInstance, Refused> {
        let identity = match identity {
            Some(identity) => identity,
            None => {
                let data_set = self.part.read_from(self.data_set).map_err(disk)?;
                announced.check(identity::inflated(data_set).map_err(malformed)?)?
            }
        };
        if study.is_some_and(|study| *study != identity.study_uid) {
            return Err(Refused::Mismatch(format!("it is of study {}", identity.study_uid)));
        }
        self.part.sync().map_err(disk)?;
        let bytes = self.part.written() - self.data_set;
        let name = archive::name_of(&identity.sop_instance_uid, &announced.transfer_syntax, &sha256);
        let file = desk.node.archive.keep_image(self.part, &identity.study_uid, &name).map_err(disk)?;
        Ok(NewInstance {
            sop_instance_uid: identity.sop_instance_uid,
            study_uid: identity.study_uid,
            series_uid: identity.series_uid,
            sop_class_uid: identity.sop_class_uid,
            transfer_syntax: announced.transfer_syntax.clone(),
            sha256,
            bytes,
            file,
            is_image: identity.is_image,
            expected: identity.study_instances,
            sender: sender.name,
            lane: sender.lane,
        })
    }
}

impl Desk {
    fn check_room(&self) -> Result<(), Refused> {
        if self.node.archive.has_room().map_err(disk)? { Ok(()) } else { Err(Refused::Full) }
    }

    /// Waits until no other object with this UID is between its part and its row.
    async fn only(self: &Arc<Self>, instance: &Uid) -> Only {
        let lock = self.under_way().entry(instance.clone()).or_default().clone();
        let held = lock.lock_owned().await;
        Only { desk: self.clone(), instance: instance.clone(), held: Some(held) }
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, HashMap<Uid, Arc<tokio::sync::Mutex<()>>>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits the row of an object whose file is in its place, together with all that wait.
    async fn commit(&self, new: NewInstance) -> Result<Added, Refused> {
        let waiting = || self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, mut answered) = oneshot::channel();
        waiting().push((new, answer));
        let committed = loop {
            tokio::select! {
                biased;
                committed = &mut answered => break committed,
                _turn = self.turn.lock() => {
                    let (rows, answers): (Vec<_>, Vec<_>) = std::mem::take(&mut *waiting()).into_iter().unzip();
                    if rows.is_empty() {
                        continue;
                    }
                    match self.node.store.add_instances(&rows, Time::now()).await {
                        Ok(added) => {
                            for (answer, added) in answers.into_iter().zip(added) {
                                // Nobody gives up waiting but with the whole program.
                                let _ = answer.send(Ok(added));
                            }
                        }
                        Err(error) => {
                            let failed = self.not_committed(&error);
                            for answer in answers {
                                let _ = answer.send(Err(failed.clone()));
                            }
                        }
                    }
                }
            }
        };
        match committed.context("whoever committed ended early").map_err(Refused::Storage)? {
            Ok(added) => Ok(added),
            Err(NotCommitted::Full) => Err(Refused::Full),
            Err(NotCommitted::Failed(why)) => Err(Refused::Storage(anyhow!("the database: {why}"))),
        }
    }

    fn not_committed(&self, error: &sqlx::Error) -> NotCommitted {
        /// SQLITE_FULL.
        const FULL: &str = "13";
        let code = error.as_database_error().and_then(|error| error.code());
        let no_room = !self.node.archive.has_room().unwrap_or(true);
        if no_room || code.is_some_and(|code| code == FULL) {
            NotCommitted::Full
        } else {
            NotCommitted::Failed(error.to_string())
        }
    }

    /// Removes the file of an object that got no row; leaves it if the database has a row for it all the
    /// same, or does not say.
    async fn discard(&self, instance: &NewInstance) {
        if let Ok(false) = self.node.store.has_file(&instance.sop_instance_uid, &instance.file).await {
            let file = self.node.archive.image(&instance.file);
            // What stays has no row and is removed with its study.
            let _ = tokio::fs::remove_file(file).await;
        }
    }

    /// Moves an object away whose UID another one has.
    async fn keep_aside(self: &Arc<Self>, instance: NewInstance) -> Result<Kept, Refused> {
        let uid = instance.sop_instance_uid.clone();
        warn!(
            %uid, study = %instance.study_uid, peer = instance.sender,
            "another object with this UID is here already: this one is kept in quarantine"
        );
        let (at_work, from) = (self.clone(), instance.file.clone());
        let file = tokio::task::spawn_blocking(move || at_work.node.archive.quarantine(&from));
        let aside = Aside {
            file: file.await.map_err(storage)?.map_err(disk)?,
            sop_instance_uid: uid,
            study_uid: instance.study_uid,
            sha256: instance.sha256,
            bytes: instance.bytes,
            reason: "another object with this UID came before".to_owned(),
            sender: instance.sender,
        };
        let noted = self.node.store.add_aside(&aside, Time::now()).await;
        noted.map_err(|error| match self.not_committed(&error) {
            NotCommitted::Full => Refused::Full,
            NotCommitted::Failed(why) => Refused::Storage(anyhow!("the database: {why}")),
        })?;
        Ok(Kept::Quarantined)
    }
}

/// The only one at work on its SOP instance.
struct Only {
    desk: Arc<Desk>,
    instance: Uid,
    held: Option<OwnedMutexGuard<()>>,
}

impl Drop for Only {
    fn drop(&mut self) {
        let mut under_way = self.desk.under_way();
        self.held = None;
        // Whoever waits holds another reference, and got it under the lock that is held here.
        if under_way.get(&self.instance).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            under_way.remove(&self.instance);
        }
    }
}

impl Refused {
    /// The C-STORE status for it (PS3.4 B.2.3).
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Full => 0xA700,
            Self::TooLarge { .. } => 0xA701,
            Self::Mismatch(_) => 0xA900,
            Self::Malformed(_) => 0xC000,
            Self::Storage(_) => 0xA702,
        }
    }

    /// A word for it, for metrics.
    fn name(&self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TooLarge { .. } => "too_large",
            Self::Mismatch(_) => "mismatch",
            Self::Malformed(_) => "malformed",
            Self::Storage(_) => "storage",
        }
    }
}

/// Counts and logs a refusal.
fn report(refused: Refused, sender: &Sender, uid: Option<&Uid>) -> Refused {
    metrics::counter!("foci_instances_refused_total", "reason" => refused.name()).increment(1);
    let uid = uid.map_or("unknown", Uid::as_str);
    match &refused {
        Refused::Storage(why) => error!(peer = sender.name, uid, "an object cannot be kept: {why:#}"),
        // The archive says once that the disk is full.
        Refused::Full => {}
        other => warn!(peer = sender.name, uid, "object refused: {other}"),
    }
    refused
}

fn malformed(unsound: Unsound) -> Refused {
    Refused::Malformed(unsound.to_string())
}

/// What to tell the sender when a file could not be written.
fn disk(error: std::io::Error) -> Refused {
    if archive::is_full(&error) {
        Refused::Full
    } else {
        Refused::Storage(anyhow::Error::new(error).context("the data folder"))
    }
}

fn storage(error: impl Into<anyhow::Error>) -> Refused {
    Refused::Storage(error.into())
}

#[cfg(test)]
pub(crate) mod tests;
