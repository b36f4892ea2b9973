//! One object from its first byte to its row in the database: nothing is acknowledged before.
//!
//! Write, fsync the file, rename it into its place, fsync the folder, commit the row; only then does the
//! sender hear that it was kept. C-STORE, STOW-RS, C-GET and WADO-RS all come through here.

use std::sync::Arc;

use dicom_io::Uid;

use crate::node::Node;

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
    node: Arc<Node>,
}

/// One object under way. Dropped before the end, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Incoming {}

impl Intake {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// Begins with an object whose data set follows without file meta information (C-STORE, C-GET).
    pub(crate) async fn begin(&self, sender: &Sender, announced: Announced) -> Result<Incoming, Refused> {
        let _ = (&self.node, sender, announced);
        todo!()
    }

    /// Begins with an object that comes as a whole DICOM file (STOW-RS, WADO-RS).
    pub(crate) async fn begin_file(&self, sender: &Sender) -> Result<Incoming, Refused> {
        let _ = (&self.node, sender);
        todo!()
    }
}

impl Incoming {
    /// Takes the next bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let _ = bytes;
        todo!()
    }

    /// Takes the object as complete: returns when it is safe.
    pub(crate) async fn finish(self) -> Result<(Announced, Kept), Refused> {
        todo!()
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
}
