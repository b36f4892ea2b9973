//! Messages: a command and, often, a data set, each in one fragment or many.
//!
//! Source: DICOM PS3.8 E.2.

use super::command::{Command, LARGEST};
use super::pdu::{self, Value};
use super::{Error, negotiation::Context};

/// A peer that takes any length, or very long ones, gets PDUs of this length, bytes.
const LONGEST_SENT: usize = 128 << 10;

/// Nobody takes PDUs shorter than this, bytes.
const SHORTEST_SENT: usize = 64;

/// Puts fragments together, and refuses what comes in the wrong order. Data sets are handed through, not
/// kept.
#[derive(Debug, Default)]
pub struct Assembler {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// Within the command of one context: the fragments so far.
    Command(u8, Vec<u8>),
    /// Within the data set of one context.
    Data(u8),
}

/// What a fragment adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// A command, which is whole now. If it announces a data set, that comes next.
    Command {
        /// The presentation context.
        context: u8,
        /// What it says.
        command: Command,
    },
    /// More of a command.
    Fragment,
    /// More of the data set.
    Data {
        /// These bytes.
        bytes: &'a [u8],
        /// And no more.
        last: bool,
    },
}

impl Assembler {
    /// Adds a fragment; `contexts` are those agreed on.
    ///
    /// # Errors
    ///
    /// If it does not belong there, or ends a command that cannot be understood.
    pub fn add<'a>(&mut self, value: Value<'a>, contexts: &[Context]) -> Result<Part<'a>, Error> {
        if !contexts.iter().any(|context| context.id == value.context) {
            return Err(Error::OutOfOrder("a message in a context that was not agreed on"));
        }
        match (std::mem::take(&mut self.state), value.command) {
            (State::Idle, true) => self.command(value, Vec::new()),
            (State::Command(context, bytes), true) if context == value.context => self.command(value, bytes),
            (State::Data(context), false) if context == value.context => {
                if !value.last {
                    self.state = State::Data(context);
                }
                Ok(Part::Data { bytes: value.bytes, last: value.last })
            }
            (State::Idle, false) => Err(Error::OutOfOrder("a data set without a command")),
            (State::Command(..), _) => Err(Error::OutOfOrder("a command that does not go on")),
            (State::Data(_), _) => Err(Error::OutOfOrder("a data set that does not go on")),
        }
    }

    /// Whether a message has begun and not ended.
    pub fn is_within(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    fn command<'a>(&mut self, value: Value<'a>, mut bytes: Vec<u8>) -> Result<Part<'a>, Error> {
        if bytes.len() + value.bytes.len() > LARGEST {
            return Err(Error::Malformed("a command longer than any"));
        }
        bytes.extend_from_slice(value.bytes);
        if !value.last {
            self.state = State::Command(value.context, bytes);
            return Ok(Part::Fragment);
        }
        let command = Command::parse(&bytes)?;
        if command.has_data() {
            self.state = State::Data(value.context);
        }
        Ok(Part::Command { context: value.context, command })
    }
}

/// How many bytes of a message go into one PDU to a peer that takes PDUs up to `max_pdu`; 0: any.
pub fn fragment_length(max_pdu: u32) -> usize {
    let taken = if max_pdu == 0 { LONGEST_SENT } else { max_pdu as usize };
    taken.clamp(SHORTEST_SENT, LONGEST_SENT) - pdu::VALUE_HEADER
}

/// Adds the PDUs of a command, or of a whole data set, to `wire`: fragments of at most `fragment` bytes.
pub fn write(wire: &mut Vec<u8>, context: u8, is_command: bool, bytes: &[u8], fragment: usize) {
    let mut rest = bytes;
    loop {
        let (part, after) = rest.split_at(rest.len().min(fragment));
        wire.extend(pdu::data_header(context, is_command, after.is_empty(), part.len()));
        wire.extend_from_slice(part);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}
