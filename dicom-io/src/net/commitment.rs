//! Storage commitment: asking another node to promise that it keeps what it got, and its word on it.
//!
//! Source: DICOM PS3.4 J.3.

use dicom::core::Tag;
use dicom::dictionary_std::tags;

use super::Error;
use super::data_set::{self, Writer};
use crate::elements::{Elements, Encoding};
use crate::uid::Uid;

/// N-ACTION 1: promise to keep these.
pub const REQUEST: u16 = 1;
/// N-EVENT-REPORT 1: all are kept.
pub const ALL_KEPT: u16 = 1;
/// N-EVENT-REPORT 2: some are not.
pub const SOME_FAILED: u16 = 2;

/// Which objects another node is asked to commit to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitmentRequest {
    /// By which the answer is known.
    pub transaction_uid: Uid,
    /// SOP class and SOP instance of each object.
    pub instances: Vec<(Uid, Uid)>,
}

/// What the other node says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commitment {
    /// To which request.
    pub transaction_uid: Uid,
    /// What it keeps.
    pub committed: Vec<Uid>,
    /// What it does not keep, and the Failure Reason.
    pub failed: Vec<(Uid, u16)>,
}

impl CommitmentRequest {
    /// The data set of the N-ACTION, written in `transfer_syntax`.
    pub fn bytes(&self, transfer_syntax: &Uid) -> Vec<u8> {
        write(&self.transaction_uid, &self.instances, &[], transfer_syntax)
    }

    /// Understands the data set of an N-ACTION.
    ///
    /// # Errors
    ///
    /// If it is none, or has no transaction.
    pub fn parse(bytes: &[u8], transfer_syntax: &Uid) -> Result<Self, Error> {
        let elements = data_set::read(bytes, data_set::encoding(transfer_syntax))?;
        let instances = referenced(&elements, tags::REFERENCED_SOP_SEQUENCE)?;
        Ok(Self {
            transaction_uid: transaction(&elements)?,
            instances: instances.into_iter().map(|(class, instance, _)| (class, instance)).collect(),
        })
    }

    /// The data set of the N-EVENT-REPORT that answers it, written in `transfer_syntax`: everything is kept
    /// but `failed`, objects with their Failure Reason.
    pub fn report(&self, failed: &[(Uid, u16)], transfer_syntax: &Uid) -> Vec<u8> {
        let reason = |uid: &Uid| failed.iter().find(|(other, _)| other == uid).map(|(_, reason)| *reason);
        let (mut kept, mut lost) = (Vec::new(), Vec::new());
        for (class, instance) in &self.instances {
            match reason(instance) {
                Some(reason) => lost.push((class.clone(), instance.clone(), reason)),
                None => kept.push((class.clone(), instance.clone())),
            }
        }
        write(&self.transaction_uid, &kept, &lost, transfer_syntax)
    }
}

impl Commitment {
    /// Understands the data set of an N-EVENT-REPORT, written in `transfer_syntax`.
    ///
    /// # Errors
    ///
    /// If it is none, has no transaction, or names objects without a UID.
    pub fn parse(bytes: &[u8], transfer_syntax: &Uid) -> Result<Self, Error> {
        let elements = data_set::read(bytes, data_set::encoding(transfer_syntax))?;
        let committed = referenced(&elements, tags::REFERENCED_SOP_SEQUENCE)?;
        let failed = referenced(&elements, tags::FAILED_SOP_SEQUENCE)?;
        Ok(Self {
            transaction_uid: transaction(&elements)?,
            committed: committed.into_iter().map(|(_, instance, _)| instance).collect(),
            failed: failed.into_iter().map(|(_, instance, reason)| (instance, reason)).collect(),
        })
    }
}

fn transaction(elements: &Elements<'_>) -> Result<Uid, Error> {
    data_set::uid(elements, tags::TRANSACTION_UID).ok_or(Error::Malformed("a commitment without transaction"))
}

/// Class, instance and Failure Reason (0: none is given) of the items of a sequence.
fn referenced(elements: &Elements<'_>, sequence: Tag) -> Result<Vec<(Uid, Uid, u16)>, Error> {
    let items = elements.items(sequence);
    // An item that cannot be followed must not make a failure disappear.
    if items.is_empty() && elements.bytes(sequence).is_some() {
        return Err(Error::Malformed("a sequence of objects that is cut off"));
    }
    let one = |item: Elements<'_>| {
        let class = data_set::uid(&item, tags::REFERENCED_SOP_CLASS_UID)?;
        let instance = data_set::uid(&item, tags::REFERENCED_SOP_INSTANCE_UID)?;
        Some((class, instance, item.word(tags::FAILURE_REASON).unwrap_or(0)))
    };
    let found: Option<Vec<_>> = items.into_iter().map(one).collect();
    found.ok_or(Error::Malformed("an object without UIDs in a commitment"))
}

fn write(
    transaction: &Uid,
    kept: &[(Uid, Uid)],
    failed: &[(Uid, Uid, u16)],
    transfer_syntax: &Uid,
) -> Vec<u8> {
    let encoding: Encoding = data_set::encoding(transfer_syntax);
    let mut set = Writer::new(encoding);
    set.text(tags::TRANSACTION_UID, b"UI", transaction.as_str());
    let item = |class: &Uid, instance: &Uid, reason: Option<u16>| {
        let mut item = Writer::new(encoding);
        item.text(tags::REFERENCED_SOP_CLASS_UID, b"UI", class.as_str());
        item.text(tags::REFERENCED_SOP_INSTANCE_UID, b"UI", instance.as_str());
        if let Some(reason) = reason {
            item.word(tags::FAILURE_REASON, reason);
        }
        item.bytes
    };
    if !failed.is_empty() {
        let items = failed.iter().map(|(class, instance, reason)| item(class, instance, Some(*reason)));
        set.sequence(tags::FAILED_SOP_SEQUENCE, items);
    }
    if !kept.is_empty() {
        let items = kept.iter().map(|(class, instance)| item(class, instance, None));
        set.sequence(tags::REFERENCED_SOP_SEQUENCE, items);
    }
    set.bytes
}
