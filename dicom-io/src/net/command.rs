//! Commands: what one node asks and the other answers.
//!
//! A request that cannot be served because something in it is missing or unknown is still a request, and
//! its sender waits: it becomes [`Command::Odd`], which knows what to answer. Only where not even the
//! question can be made out is there an error.
//!
//! Source: DICOM PS3.7 9.3, 10.3, annex C and E.

use std::fmt;

use dicom::core::Tag;
use dicom::dictionary_std::tags;

use super::Error;
use super::data_set::{self, Writer};
use super::pdu::AeTitle;
use crate::elements::{Elements, IMPLICIT};
use crate::uid::Uid;

/// No command is longer, bytes.
pub const LARGEST: usize = 16 << 10;

/// A command set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// One asks.
    Call(Call),
    /// The other answers.
    Reply(Reply),
    /// C-CANCEL: one does not want the answers to its call `to` any more.
    Cancel {
        /// The message number of that call.
        to: u16,
    },
    /// One asks for what we do not know, or incompletely.
    Odd(Odd),
}

/// What one node asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its message number; the reply repeats it.
    pub id: u16,
    /// The SOP class it is about.
    pub class: Uid,
    /// What is asked.
    pub operation: Operation,
    /// Whether a data set follows.
    pub has_data: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// C-ECHO: are you there?
    Echo,
    /// C-STORE: keep this object.
    Store {
        /// Its SOP Instance UID.
        instance: Uid,
    },
    /// C-FIND: what have you got that is like this identifier?
    Find,
    /// C-GET: store it to me, on this association.
    Get,
    /// C-MOVE: store it to that node.
    Move {
        /// Its title.
        destination: AeTitle,
    },
    /// N-EVENT-REPORT: this happened.
    EventReport {
        /// To what.
        instance: Uid,
        /// What.
        event: u16,
    },
    /// N-ACTION: do this.
    Action {
        /// With what.
        instance: Uid,
        /// What.
        action: u16,
    },
}

/// What the other answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Command Field of the call, with the highest bit set.
    pub field: u16,
    /// Message number of the call.
    pub to: u16,
    /// The SOP class it is about.
    pub class: Option<Uid>,
    /// The object it is about.
    pub instance: Option<Uid>,
    /// Event or action, as in the call.
    pub event_or_action: Option<u16>,
    /// How it went.
    pub status: Status,
    /// In words. Another node's words may name a patient: they belong in no log.
    pub comment: Option<String>,
    /// How far a C-MOVE or C-GET has come.
    pub progress: Option<Progress>,
    /// Whether a data set follows.
    pub has_data: bool,
}

/// A call that is not known or not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// What to answer.
    pub reply: Reply,
    /// Whether a data set follows, to be thrown away.
    pub has_data: bool,
}

/// How many objects of a C-MOVE or C-GET are sent, and how many are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Not yet.
    pub remaining: u16,
    /// Sent.
    pub completed: u16,
    /// Not sent.
    pub failed: u16,
    /// Sent, with warnings.
    pub warning: u16,
}

/// How a call went (PS3.7 annex C).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    /// Done.
    pub const SUCCESS: Self = Self(0x0000);
    /// Done so far; more answers follow.
    pub const PENDING: Self = Self(0xFF00);
    /// Stopped, because the asking node did not want more.
    pub const CANCELLED: Self = Self(0xFE00);
    /// A value in the request cannot be.
    pub const INVALID_ARGUMENT: Self = Self(0x0115);
    /// There is no such object.
    pub const NO_SUCH_INSTANCE: Self = Self(0x0112);
    /// Not this SOP class.
    pub const CLASS_NOT_SUPPORTED: Self = Self(0x0122);
    /// Not for you.
    pub const NOT_AUTHORIZED: Self = Self(0x0124);
    /// Something that must be there is missing.
    pub const MISSING_ATTRIBUTE: Self = Self(0x0120);
    /// It could not be worked on.
    pub const PROCESSING_FAILURE: Self = Self(0x0110);
    /// More than can be taken.
    pub const RESOURCE_LIMITATION: Self = Self(0x0213);
    /// Nobody here knows how.
    pub const UNRECOGNIZED_OPERATION: Self = Self(0x0211);

    /// Done.
    pub fn is_success(self) -> bool {
        self.0 == 0
    }

    /// More answers follow.
    pub fn is_pending(self) -> bool {
        matches!(self.0, 0xFF00 | 0xFF01)
    }

    /// Done, but not quite as asked.
    pub fn is_warning(self) -> bool {
        matches!(self.0, 0x0001 | 0x0107 | 0x0116 | 0xB000..=0xBFFF)
    }
}

/// As the standard writes it.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}H", self.0)
    }
}

const STORE: u16 = 0x0001;
const GET: u16 = 0x0010;
const FIND: u16 = 0x0020;
const MOVE: u16 = 0x0021;
const ECHO: u16 = 0x0030;
const EVENT_REPORT: u16 = 0x0100;
const ACTION: u16 = 0x0130;
const CANCEL: u16 = 0x0FFF;
const REPLY: u16 = 0x8000;

/// Command Data Set Type of a command without a data set; anything else announces one.
const NO_DATA: u16 = 0x0101;

impl Operation {
    fn field(&self) -> u16 {
        match self {
            Self::Store { .. } => STORE,
            Self::Get => GET,
            Self::Find => FIND,
            Self::Move { .. } => MOVE,
            Self::Echo => ECHO,
            Self::EventReport { .. } => EVENT_REPORT,
            Self::Action { .. } => ACTION,
        }
    }

    /// What the standard calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Store { .. } => "C-STORE",
            Self::Get => "C-GET",
            Self::Find => "C-FIND",
            Self::Move { .. } => "C-MOVE",
            Self::Echo => "C-ECHO",
            Self::EventReport { .. } => "N-EVENT-REPORT",
            Self::Action { .. } => "N-ACTION",
        }
    }

    fn instance(&self) -> Option<&Uid> {
        match self {
            Self::Store { instance } | Self::EventReport { instance, .. } | Self::Action { instance, .. } => {
                Some(instance)
            }
            _ => None,
        }
    }

    fn event_or_action(&self) -> Option<u16> {
        match self {
            Self::EventReport { event: number, .. } | Self::Action { action: number, .. } => Some(*number),
            _ => None,
        }
    }
}

impl Call {
    /// The answer to it, without words or a data set.
    pub fn reply(&self, status: Status) -> Reply {
        Reply {
            field: self.operation.field() | REPLY,
            to: self.id,
            class: Some(self.class.clone()),
            instance: self.operation.instance().cloned(),
            event_or_action: self.operation.event_or_action(),
            status,
            comment: None,
            progress: None,
            has_data: false,
        }
    }
}

impl Reply {
    /// The same with a few words, of which the standard lets 64 characters through. They are ours: ASCII.
    pub fn commented(self, comment: &str) -> Self {
        let comment = comment.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(64).collect();
        Self { comment: Some(comment), ..self }
    }
}

impl Command {
    /// Whether a data set follows.
    pub fn has_data(&self) -> bool {
        match self {
            Self::Call(call) => call.has_data,
            Self::Reply(reply) => reply.has_data,
            Self::Cancel { .. } => false,
            Self::Odd(odd) => odd.has_data,
        }
    }

    /// Understands a command set.
    ///
    /// # Errors
    ///
    /// If it is none, or if it cannot be made out what is asked, or by which message.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let elements = data_set::read(bytes, IMPLICIT)?;
        let word = |tag| elements.word(tag);
        let field = word(tags::COMMAND_FIELD).ok_or(Error::Malformed("a command without a field"))?;
        let has_data = word(tags::COMMAND_DATA_SET_TYPE)
            .ok_or(Error::Malformed("a command that does not say whether a data set follows"))?
            != NO_DATA;
        if field == CANCEL || field & REPLY != 0 {
            let to = word(tags::MESSAGE_ID_BEING_RESPONDED_TO);
            let to = to.ok_or(Error::Malformed("a reply that does not say to what"))?;
            if field == CANCEL {
                return Ok(Self::Cancel { to });
            }
            return reply(&elements, field, to, has_data).map(Self::Reply);
        }
        let id = word(tags::MESSAGE_ID).ok_or(Error::Malformed("a command without a message number"))?;
        Ok(match call(&elements, field, id, has_data) {
            Ok(call) => Self::Call(call),
            Err(status) => Self::Odd(Odd {
                reply: Reply {
                    field: field | REPLY,
                    to: id,
                    class: class(&elements),
                    instance: instance(&elements),
                    event_or_action: None,
                    status,
                    comment: None,
                    progress: None,
                    has_data: false,
                },
                has_data,
            }),
        })
    }

    /// The command set on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut set = Writer::new(IMPLICIT);
        match self {
            Self::Call(call) => write_call(&mut set, call),
            Self::Reply(reply) => write_reply(&mut set, reply),
            Self::Odd(odd) => write_reply(&mut set, &odd.reply),
            Self::Cancel { to } => {
                set.word(tags::COMMAND_FIELD, CANCEL);
                set.word(tags::MESSAGE_ID_BEING_RESPONDED_TO, *to);
                set.word(tags::COMMAND_DATA_SET_TYPE, NO_DATA);
            }
        }
        let length = u32::try_from(set.bytes.len()).expect("a command is short").to_le_bytes();
        [&[0, 0, 0, 0, 4, 0, 0, 0][..], &length, &set.bytes].concat()
    }
}

impl From<Call> for Command {
    fn from(call: Call) -> Self {
        Self::Call(call)
    }
}

impl From<Reply> for Command {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// The class, of whichever kind of operation it is.
fn class(elements: &Elements<'_>) -> Option<Uid> {
    let of = |tag| data_set::uid(elements, tag);
    of(tags::AFFECTED_SOP_CLASS_UID).or_else(|| of(tags::REQUESTED_SOP_CLASS_UID))
}

fn instance(elements: &Elements<'_>) -> Option<Uid> {
    let of = |tag| data_set::uid(elements, tag);
    of(tags::AFFECTED_SOP_INSTANCE_UID).or_else(|| of(tags::REQUESTED_SOP_INSTANCE_UID))
}

fn call(elements: &Elements<'_>, field: u16, id: u16, has_data: bool) -> Result<Call, Status> {
    let object = || instance(elements).ok_or(missing(elements, tags::AFFECTED_SOP_INSTANCE_UID));
    let number = |tag| elements.word(tag).ok_or(Status::MISSING_ATTRIBUTE);
    let operation = match field {
        ECHO => Operation::Echo,
        STORE => Operation::Store { instance: object()? },
        FIND => Operation::Find,
        GET => Operation::Get,
        MOVE => {
            let destination = elements.text(tags::MOVE_DESTINATION);
            let destination = destination.ok_or(Status::MISSING_ATTRIBUTE)?;
            let destination = AeTitle::parse(destination).map_err(|_| Status::INVALID_ARGUMENT)?;
            Operation::Move { destination }
        }
        EVENT_REPORT => Operation::EventReport { instance: object()?, event: number(tags::EVENT_TYPE_ID)? },
        ACTION => Operation::Action { instance: object()?, action: number(tags::ACTION_TYPE_ID)? },
        _ => return Err(Status::UNRECOGNIZED_OPERATION),
    };
    let class = class(elements).ok_or(missing(elements, tags::AFFECTED_SOP_CLASS_UID))?;
    Ok(Call { id, class, operation, has_data })
}

/// What is wrong about an element whose value cannot be used.
fn missing(elements: &Elements<'_>, tag: Tag) -> Status {
    if elements.bytes(tag).is_some() { Status::INVALID_ARGUMENT } else { Status::MISSING_ATTRIBUTE }
}

fn reply(elements: &Elements<'_>, field: u16, to: u16, has_data: bool) -> Result<Reply, Error> {
    let status = elements.word(tags::STATUS).ok_or(Error::Malformed("a reply without a status"))?;
    let count = |tag| elements.word(tag);
    let remaining = count(tags::NUMBER_OF_REMAINING_SUBOPERATIONS);
    let completed = count(tags::NUMBER_OF_COMPLETED_SUBOPERATIONS);
    let progress = remaining.or(completed).map(|_| Progress {
        remaining: remaining.unwrap_or(0),
        completed: completed.unwrap_or(0),
        failed: count(tags::NUMBER_OF_FAILED_SUBOPERATIONS).unwrap_or(0),
        warning: count(tags::NUMBER_OF_WARNING_SUBOPERATIONS).unwrap_or(0),
    });
    Ok(Reply {
        field,
        to,
        class: class(elements),
        instance: instance(elements),
        event_or_action: count(tags::EVENT_TYPE_ID).or_else(|| count(tags::ACTION_TYPE_ID)),
        status: Status(status),
        comment: elements.text(tags::ERROR_COMMENT).map(str::to_owned),
        progress,
        has_data,
    })
}

/// Elements in the order of their tags, as everywhere.
fn write_call(set: &mut Writer, call: &Call) {
    let requested = matches!(call.operation, Operation::Action { .. });
    let class = call.class.as_str();
    if requested {
        set.text(tags::REQUESTED_SOP_CLASS_UID, b"UI", class);
    } else {
        set.text(tags::AFFECTED_SOP_CLASS_UID, b"UI", class);
    }
    set.word(tags::COMMAND_FIELD, call.operation.field());
    set.word(tags::MESSAGE_ID, call.id);
    if let Operation::Move { destination } = &call.operation {
        set.text(tags::MOVE_DESTINATION, b"AE", destination.as_str());
    }
    if matches!(
        call.operation,
        Operation::Store { .. } | Operation::Find | Operation::Get | Operation::Move { .. }
    ) {
        const MEDIUM: u16 = 0;
        set.word(tags::PRIORITY, MEDIUM);
    }
    set.word(tags::COMMAND_DATA_SET_TYPE, if call.has_data { 0x0000 } else { NO_DATA });
    if let Some(instance) = call.operation.instance() {
        let tag = if requested { tags::REQUESTED_SOP_INSTANCE_UID } else { tags::AFFECTED_SOP_INSTANCE_UID };
        set.text(tag, b"UI", instance.as_str());
    }
    match call.operation {
        Operation::EventReport { event, .. } => set.word(tags::EVENT_TYPE_ID, event),
        Operation::Action { action, .. } => set.word(tags::ACTION_TYPE_ID, action),
        _ => {}
    }
}

fn write_reply(set: &mut Writer, reply: &Reply) {
    if let Some(class) = &reply.class {
        set.text(tags::AFFECTED_SOP_CLASS_UID, b"UI", class.as_str());
    }
    set.word(tags::COMMAND_FIELD, reply.field);
    set.word(tags::MESSAGE_ID_BEING_RESPONDED_TO, reply.to);
    set.word(tags::COMMAND_DATA_SET_TYPE, if reply.has_data { 0x0000 } else { NO_DATA });
    set.word(tags::STATUS, reply.status.0);
    if let Some(comment) = &reply.comment {
        set.text(tags::ERROR_COMMENT, b"LO", comment);
    }
    if let Some(instance) = &reply.instance {
        set.text(tags::AFFECTED_SOP_INSTANCE_UID, b"UI", instance.as_str());
    }
    match (reply.field & !REPLY, reply.event_or_action) {
        (EVENT_REPORT, Some(event)) => set.word(tags::EVENT_TYPE_ID, event),
        (ACTION, Some(action)) => set.word(tags::ACTION_TYPE_ID, action),
        _ => {}
    }
    if let Some(progress) = reply.progress {
        set.word(tags::NUMBER_OF_REMAINING_SUBOPERATIONS, progress.remaining);
        set.word(tags::NUMBER_OF_COMPLETED_SUBOPERATIONS, progress.completed);
        set.word(tags::NUMBER_OF_FAILED_SUBOPERATIONS, progress.failed);
        set.word(tags::NUMBER_OF_WARNING_SUBOPERATIONS, progress.warning);
    }
}
