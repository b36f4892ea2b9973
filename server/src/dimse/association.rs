//! One association: PDUs over a socket, with deadlines.
//!
//! Either side can have asked for it. Asking, as an SCU does:
//!
//! ```ignore
//! let proposals = vec![Proposal::new(CT_IMAGE_STORAGE, &[EXPLICIT_LE, IMPLICIT_LE])];
//! let mut pacs = Association::call(&node, peer, proposals).await?; // with TLS if the peer is configured so
//! let context = pacs.context_for(&class, &transfer_syntax).ok_or("not agreed on")?.id;
//! let call = pacs.new_call(class, Operation::Store { instance }, true);
//! pacs.send(context, &call.into(), Some(&data_set)).await?;
//! let answer = pacs.answer().await?;                               // C-FIND: until !status.is_pending()
//! assert!(answer.reply.status.is_success());
//! pacs.release().await?;
//! ```
//!
//! What comes is read message by message: [`Association::receive`] gives the command, and then
//! [`Association::chunk`] its data set piece by piece (or [`Association::data`] all of it, if it is small).
//!
//! No peer can hold an association longer than [`Terms`] say by sending slowly: a deadline is a point in
//! time, and no byte moves it. After [`Failure::Protocol`] the peer deserves an [`Association::abort`]; after
//! any other there is nobody to talk to.

use std::io;
use std::time::Duration;

use dicom_io::Uid;
use dicom_io::net::Error;
use dicom_io::net::command::{Call, Command, Operation, Reply};
use dicom_io::net::message::{Assembler, Part, fragment_length, write};
use dicom_io::net::negotiation::{Accept, Context, Proposal, Request};
use dicom_io::net::pdu::{self, Abort, AeTitle, HEADER, Header, Kind, Pdu, Rejection, Values};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::tls::Socket;
use crate::config::{Limits, Peer};
use crate::node::Node;

/// Room for the PDUs of an association that is not agreed on yet. Most requests fit.
const FIRST_ROOM: usize = 8 << 10;

/// Room for messages, at most: less is read at once than the longest PDU only where that is longer still.
const MOST_ROOM: usize = 1 << 20;

/// How long the end of an association may take.
const GOODBYE: Duration = Duration::from_secs(5);

/// How long things may take, and how long PDUs may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// From the connection to the whole request, or to its answer (ARTIM).
    pub(crate) request: Duration,
    /// From the first byte of a message to its last, and to send one.
    pub(crate) message: Duration,
    /// Between two messages.
    pub(crate) idle: Duration,
    /// From the first byte to the last.
    pub(crate) association: Duration,
    /// The longest P-DATA-TF that we take.
    pub(crate) pdu_bytes: u32,
}

/// Why an association ended before it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The node cannot be reached: is it up, is the address right?
    #[error("no connection: {0}")]
    Unreachable(String),
    /// The peer does not want us: see its log, or ours for its title.
    #[error("association {0}")]
    Rejected(Rejection),
    /// The peer gave up.
    #[error("{0}")]
    Aborted(Abort),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The connection was closed without a word.
    #[error("the peer closed the connection")]
    Closed,
    /// It took too long.
    #[error("{0} took longer than it may")]
    Late(&'static str),
    /// The peer does not speak DICOM as it should.
    #[error("{0}")]
    Protocol(#[from] Error),
}

/// What came.
#[derive(Debug)]
pub(crate) enum Received {
    /// A command, and in which context. If it announces a data set, read that before anything else.
    Message(Context, Command),
    /// The peer is done, and waits for [`Association::released`].
    Released,
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What it says.
    pub(crate) reply: Reply,
    /// Its data set, if it has one, written in `transfer_syntax`.
    pub(crate) data: Option<Vec<u8>>,
    /// How the data set is written.
    pub(crate) transfer_syntax: Uid,
}

/// One association, on a socket of any kind.
#[derive(Debug)]
pub(crate) struct Association<S = Socket> {
    wire: Wire<S>,
    contexts: Vec<Context>,
    assembler: Assembler,
    /// What is left of the P-DATA-TF at hand: a range of the wire's bytes.
    values: std::ops::Range<usize>,
    /// Bytes of a message that go into one PDU.
    fragment: usize,
    next_id: u16,
    terms: Terms,
    ends: Instant,
    /// Until when the message under way must be here; none is under way: `None`.
    message_ends: Option<Instant>,
}

/// Bytes from a socket, and until when.
#[derive(Debug)]
struct Wire<S> {
    socket: S,
    /// Received and not yet looked at: `bytes[from..to]`.
    bytes: Vec<u8>,
    from: usize,
    to: usize,
    outgoing: Vec<u8>,
}

impl Terms {
    /// As the configuration says.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            request: Duration::from_secs(limits.request_s),
            message: Duration::from_secs(limits.message_s),
            idle: Duration::from_secs(limits.idle_s),
            association: Duration::from_secs(limits.association_s),
            pdu_bytes: limits.pdu_bytes,
        }
    }
}

impl Association<Socket> {
    /// Connects to `peer`, with TLS if it is configured so, and asks for an association.
    pub(crate) async fn call(node: &Node, peer: &Peer, proposals: Vec<Proposal>) -> Result<Self, Failure> {
        let title = |text: &str| {
            AeTitle::parse(text).map_err(|_| Failure::Unreachable("the AE title is none".to_owned()))
        };
        let terms = Terms::of(&node.config.dicom.limits);
        let (calling, called) = (title(&node.config.dicom.ae_title)?, title(&peer.ae_title)?);
        let deadline = Instant::now() + terms.request;
        let socket = timeout_at(deadline, Socket::connect(node, peer))
            .await
            .map_err(|_| Failure::Unreachable("it does not answer in time".to_owned()))?
            .map_err(|error| Failure::Unreachable(format!("{error:#}")))?;
        Self::request(socket, calling, called, proposals, terms).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Association<S> {
    /// Asks for an association on `socket`.
    pub(crate) async fn request(
        socket: S,
        calling: AeTitle,
        called: AeTitle,
        proposals: Vec<Proposal>,
        terms: Terms,
    ) -> Result<Self, Failure> {
        let start = Instant::now();
        let deadline = start + terms.request;
        let request = Request::new(calling, called, proposals, terms.pdu_bytes);
        let mut wire = Wire::new(socket);
        let pdu = Pdu::Request(request.clone()).bytes();
        wire.outgoing.extend(pdu);
        wire.flush(deadline, "the association request").await?;
        let answered = wire.pdu(deadline, "the answer to the association request", terms.pdu_bytes).await?;
        match answered {
            Pdu::Accept(accept) => {
                let contexts = accept.contexts(&request)?;
                Ok(Self::agreed(wire, contexts, accept.max_pdu, terms, start))
            }
            Pdu::Reject(rejection) => Err(Failure::Rejected(rejection)),
            Pdu::Abort(abort) => Err(Failure::Aborted(abort)),
            _ => Err(Error::OutOfOrder("something else than an answer to the association request").into()),
        }
    }

    fn agreed(mut wire: Wire<S>, contexts: Vec<Context>, max_pdu: u32, terms: Terms, start: Instant) -> Self {
        // For two of the longest PDUs: big reads, and little to move to the front.
        let room = 2 * (HEADER + terms.pdu_bytes as usize);
        wire.bytes.resize(room.clamp(wire.bytes.len(), MOST_ROOM.max(wire.bytes.len())), 0);
        Self {
            wire,
            contexts,
            assembler: Assembler::default(),
            values: 0..0,
            fragment: fragment_length(max_pdu),
            next_id: 1,
            terms,
            ends: start + terms.association,
            message_ends: None,
        }
    }

    /// The contexts that both agreed on.
    pub(crate) fn contexts(&self) -> &[Context] {
        &self.contexts
    }

    /// The context for objects of `class` written in `transfer_syntax`.
    pub(crate) fn context_for(&self, class: &Uid, transfer_syntax: &Uid) -> Option<&Context> {
        self.contexts.iter().find(|c| c.abstract_syntax == *class && c.transfer_syntax == *transfer_syntax)
    }

    /// A context for `class`, whichever transfer syntax was agreed on.
    pub(crate) fn context_of(&self, class: &str) -> Option<&Context> {
        self.contexts.iter().find(|context| context.abstract_syntax.as_str() == class)
    }

    /// A call with the next message number.
    pub(crate) fn new_call(&mut self, class: Uid, operation: Operation, has_data: bool) -> Call {
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        Call { id, class, operation, has_data }
    }

    /// Sends a command, and a data set if it announces one.
    pub(crate) async fn send(
        &mut self,
        context: u8,
        command: &Command,
        data: Option<&[u8]>,
    ) -> Result<(), Failure> {
        assert_eq!(command.has_data(), data.is_some(), "a command says whether a data set follows");
        let deadline = self.deadline(self.terms.message);
        write(&mut self.wire.outgoing, context, true, &command.bytes(), self.fragment);
        let mut rest = data.unwrap_or_default();
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(self.fragment));
            self.wire.fragment(context, part, after.is_empty());
            self.wire.flush(deadline, "sending a message").await?;
            rest = after;
        }
        self.wire.flush(deadline, "sending a message").await
    }

    /// The next command, for which the peer may take as long as it may be idle.
    ///
    /// What is left of the data set before is thrown away. May be dropped before it is done and called again:
    /// nothing is lost.
    pub(crate) async fn receive(&mut self) -> Result<Received, Failure> {
        self.receive_within(self.terms.idle).await
    }

    /// The same, where the peer may take `wait`.
    pub(crate) async fn receive_within(&mut self, wait: Duration) -> Result<Received, Failure> {
        let idle_ends = self.deadline(wait);
        loop {
            while let Some(value) = self.value()? {
                let (assembler, contexts) = (&mut self.assembler, &self.contexts);
                match assembler.add(self.wire.value(&value), contexts)? {
                    Part::Fragment | Part::Data { last: false, .. } => {}
                    Part::Data { last: true, .. } => self.message_ends = None,
                    Part::Command { context, command } => {
                        if !command.has_data() {
                            self.message_ends = None;
                        }
                        let context = contexts.iter().find(|known| known.id == context);
                        let context = context.expect("the assembler knows it").clone();
                        return Ok(Received::Message(context, command));
                    }
                }
            }
            match self.next_pdu(idle_ends).await? {
                Kind::Data => {}
                Kind::ReleaseRequest if !self.assembler.is_within() => return Ok(Received::Released),
                _ => return Err(Error::OutOfOrder("a PDU that does not belong there").into()),
            }
        }
    }

    /// The next piece of the data set of the message under way; `None`: that was all.
    pub(crate) async fn chunk(&mut self) -> Result<Option<&[u8]>, Failure> {
        if !self.assembler.is_within() {
            self.message_ends = None;
            return Ok(None);
        }
        loop {
            while let Some(value) = self.value()? {
                let part = self.assembler.add(self.wire.value(&value), &self.contexts)?;
                let Part::Data { bytes, .. } = part else {
                    return Err(Error::OutOfOrder("a command within a data set").into());
                };
                if bytes.is_empty() {
                    if !self.assembler.is_within() {
                        self.message_ends = None;
                        return Ok(None);
                    }
                    continue;
                }
                return Ok(Some(&self.wire.bytes[value.bytes]));
            }
            let deadline = self.message_ends.unwrap_or(self.ends);
            if self.next_pdu(deadline).await? != Kind::Data {
                return Err(Error::OutOfOrder("a message that does not go on").into());
            }
        }
    }

    /// The whole data set of the message under way; `None`: it is longer than `limit` bytes, and was thrown
    /// away.
    pub(crate) async fn data(&mut self, limit: usize) -> Result<Option<Vec<u8>>, Failure> {
        let mut data = Some(Vec::new());
        while let Some(chunk) = self.chunk().await? {
            data = data.filter(|data: &Vec<u8>| data.len() + chunk.len() <= limit);
            if let Some(data) = &mut data {
                data.extend_from_slice(chunk);
            }
        }
        Ok(data)
    }

    /// The next answer to what was asked; the peer may take `wait`.
    ///
    /// Not for C-GET, where the peer calls us in between: use [`Association::receive_within`].
    pub(crate) async fn answer_within(&mut self, wait: Duration) -> Result<Answer, Failure> {
        match self.receive_within(wait).await? {
            Received::Message(context, Command::Reply(reply)) => {
                let data = if reply.has_data { self.data(LARGEST_ANSWER).await? } else { None };
                Ok(Answer { reply, data, transfer_syntax: context.transfer_syntax })
            }
            Received::Message(..) => Err(Error::OutOfOrder("a call where an answer is due").into()),
            Received::Released => Err(Failure::Closed),
        }
    }

    /// The next answer to what was asked; the peer may take as long as a message may.
    pub(crate) async fn answer(&mut self) -> Result<Answer, Failure> {
        self.answer_within(self.terms.message).await
    }

    /// Ends the association in good order.
    pub(crate) async fn release(mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + GOODBYE;
        self.wire.outgoing.extend(Pdu::ReleaseRequest.bytes());
        self.wire.flush(deadline, "the end of the association").await?;
        loop {
            match self.wire.pdu(deadline, "the end of the association", self.terms.pdu_bytes).await? {
                Pdu::ReleaseReply => break,
                // Both may ask at the same time (PS3.8 7.2.2).
                Pdu::ReleaseRequest => self.wire.outgoing.extend(Pdu::ReleaseReply.bytes()),
                Pdu::Abort(abort) => return Err(Failure::Aborted(abort)),
                // Answers that nobody waits for any more.
                Pdu::Data(_) => {}
                _ => return Err(Error::OutOfOrder("a PDU that does not belong there").into()),
            }
            self.wire.flush(deadline, "the end of the association").await?;
        }
        self.wire.close(deadline).await;
        Ok(())
    }

    /// Ends the association as the peer wishes.
    pub(crate) async fn released(&mut self) {
        let deadline = Instant::now() + GOODBYE;
        self.wire.outgoing.extend(Pdu::ReleaseReply.bytes());
        // Whether the peer hears of it changes nothing.
        if self.wire.flush(deadline, "the end of the association").await.is_ok() {
            self.wire.close(deadline).await;
        }
    }

    /// Ends the association at once.
    pub(crate) async fn abort(mut self, abort: Abort) {
        let deadline = Instant::now() + GOODBYE;
        self.wire.outgoing.clear();
        self.wire.outgoing.extend(Pdu::Abort(abort).bytes());
        // Whether the peer hears of it changes nothing.
        if self.wire.flush(deadline, "the end of the association").await.is_ok() {
            self.wire.close(deadline).await;
        }
    }

    /// In `wait`, or when the association must end.
    fn deadline(&self, wait: Duration) -> Instant {
        self.ends.min(Instant::now() + wait)
    }

    /// Reads the next PDU. Its values, if it is a P-DATA-TF, are then in `self.values`.
    ///
    /// Of a message under way it must be here by then, otherwise by `idle_ends`.
    async fn next_pdu(&mut self, idle_ends: Instant) -> Result<Kind, Failure> {
        let limit = self.terms.pdu_bytes;
        loop {
            if let Some(header) = self.wire.whole(limit)? {
                let body = self.wire.take(header);
                return match header.kind {
                    Kind::Data => {
                        self.message_ends.get_or_insert(self.ends.min(Instant::now() + self.terms.message));
                        self.values = body;
                        Ok(Kind::Data)
                    }
                    Kind::Abort => match pdu::parse(Kind::Abort, &self.wire.bytes[body])? {
                        Pdu::Abort(abort) => Err(Failure::Aborted(abort)),
                        _ => unreachable!("an abort is parsed as one"),
                    },
                    kind => Ok(kind),
                };
            }
            // The first byte of a message starts its time.
            if !self.wire.is_empty() && self.message_ends.is_none() {
                self.message_ends = Some(self.ends.min(Instant::now() + self.terms.message));
            }
            let (deadline, what) = match self.message_ends {
                _ if self.ends <= Instant::now() => (self.ends, "the association"),
                Some(ends) => (ends, "a message"),
                None => (idle_ends, "waiting for a message"),
            };
            self.wire.read(deadline, what, limit).await?;
        }
    }

    /// Takes the next value off the P-DATA-TF at hand; `None`: there is none left.
    fn value(&mut self) -> Result<Option<ValueAt>, Error> {
        let body = &self.wire.bytes[self.values.clone()];
        let Pdu::Data(mut values) = pdu::parse(Kind::Data, body)? else {
            unreachable!("a P-DATA-TF is parsed as one")
        };
        let Some(value) = Values::next(&mut values).transpose()? else { return Ok(None) };
        let start = self.values.start + pdu::VALUE_HEADER;
        let found = ValueAt {
            context: value.context,
            command: value.command,
            last: value.last,
            bytes: start..start + value.bytes.len(),
        };
        self.values.start = found.bytes.end;
        Ok(Some(found))
    }
}

/// No answer or report is longer, bytes: of a commitment to 100,000 objects.
pub(crate) const LARGEST_ANSWER: usize = 32 << 20;

/// A value of a P-DATA-TF, by its place.
struct ValueAt {
    context: u8,
    command: bool,
    last: bool,
    bytes: std::ops::Range<usize>,
}

/// A connection whose peer may yet ask for an association.
#[derive(Debug)]
pub(crate) struct Asked<S = Socket> {
    wire: Wire<S>,
    start: Instant,
    terms: Terms,
    /// What it asks for.
    pub(crate) request: Request,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Asked<S> {
    /// Waits for the request, until `start` + ARTIM.
    pub(crate) async fn receive(socket: S, start: Instant, terms: Terms) -> Result<Self, Failure> {
        let mut wire = Wire::new(socket);
        let deadline = start + terms.request;
        let request = match wire.pdu(deadline, "the association request", terms.pdu_bytes).await {
            Ok(Pdu::Request(request)) => request,
            Ok(Pdu::Abort(abort)) => return Err(Failure::Aborted(abort)),
            Ok(_) => {
                let error = Error::OutOfOrder("no association request");
                wire.give_up(Abort::because(&error), deadline).await;
                return Err(error.into());
            }
            Err(Failure::Protocol(error)) => {
                wire.give_up(Abort::because(&error), deadline).await;
                return Err(error.into());
            }
            Err(failure) => return Err(failure),
        };
        Ok(Self { wire, start, terms, request })
    }

    /// Says no.
    pub(crate) async fn reject(mut self, rejection: Rejection) {
        let deadline = Instant::now() + GOODBYE;
        self.wire.outgoing.extend(Pdu::Reject(rejection).bytes());
        if self.wire.flush(deadline, "a rejection").await.is_ok() {
            self.wire.close(deadline).await;
        }
    }

    /// Says yes, to these contexts.
    pub(crate) async fn accept(
        mut self,
        accept: Accept,
        contexts: Vec<Context>,
    ) -> Result<Association<S>, Failure> {
        self.wire.outgoing.extend(Pdu::Accept(accept).bytes());
        self.wire.flush(Instant::now() + self.terms.request, "the answer to the association request").await?;
        Ok(Association::agreed(self.wire, contexts, self.request.max_pdu, self.terms, self.start))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    fn new(socket: S) -> Self {
        Self { socket, bytes: vec![0; FIRST_ROOM], from: 0, to: 0, outgoing: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The header of the first PDU, if all of that PDU is here.
    fn whole(&self, limit: u32) -> Result<Option<Header>, Error> {
        let header = pdu::header(&self.bytes[self.from..self.to], limit)?;
        Ok(header.filter(|header| self.to - self.from >= HEADER + header.length))
    }

    /// Takes the first PDU off: where its body is, until more is read.
    fn take(&mut self, header: Header) -> std::ops::Range<usize> {
        let body = self.from + HEADER..self.from + HEADER + header.length;
        self.from = body.end;
        body
    }

    /// Reads some bytes. What was taken before is gone then.
    async fn read(&mut self, deadline: Instant, what: &'static str, limit: u32) -> Result<(), Failure> {
        let waiting = pdu::header(&self.bytes[self.from..self.to], limit)?;
        let needed = HEADER + waiting.map_or(0, |header| header.length);
        if self.is_empty() {
            (self.from, self.to) = (0, 0);
        } else if self.from + needed > self.bytes.len() {
            self.bytes.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        if self.to == self.bytes.len() {
            // What is announced is believed only as far as it has come.
            self.bytes.resize(2 * self.bytes.len(), 0);
        }
        let read = timeout_at(deadline, self.socket.read(&mut self.bytes[self.to..]));
        match read.await.map_err(|_| Failure::Late(what))?? {
            0 => Err(Failure::Closed),
            count => {
                self.to += count;
                Ok(())
            }
        }
    }

    /// Reads one PDU, whole.
    async fn pdu(&mut self, deadline: Instant, what: &'static str, limit: u32) -> Result<Pdu<'_>, Failure> {
        loop {
            if let Some(header) = self.whole(limit)? {
                let body = self.take(header);
                return Ok(pdu::parse(header.kind, &self.bytes[body])?);
            }
            self.read(deadline, what, limit).await?;
        }
    }

    fn value(&self, at: &ValueAt) -> pdu::Value<'_> {
        let bytes = &self.bytes[at.bytes.clone()];
        pdu::Value { context: at.context, command: at.command, last: at.last, bytes }
    }

    /// Adds a fragment of a data set to what goes out.
    fn fragment(&mut self, context: u8, bytes: &[u8], last: bool) {
        self.outgoing.extend(pdu::data_header(context, false, last, bytes.len()));
        self.outgoing.extend_from_slice(bytes);
    }

    /// Sends what is to go out.
    async fn flush(&mut self, deadline: Instant, what: &'static str) -> Result<(), Failure> {
        let sent = timeout_at(deadline, async {
            self.socket.write_all(&self.outgoing).await?;
            self.socket.flush().await
        });
        sent.await.map_err(|_| Failure::Late(what))??;
        self.outgoing.clear();
        Ok(())
    }

    /// Says why, and no more.
    async fn give_up(&mut self, abort: Abort, deadline: Instant) {
        self.outgoing.clear();
        self.outgoing.extend(Pdu::Abort(abort).bytes());
        // Whether the peer hears of it changes nothing.
        if self.flush(deadline, "an abort").await.is_ok() {
            self.close(deadline).await;
        }
    }

    /// Says that nothing more comes and waits until the peer has heard it: closing at once, with bytes unread,
    /// would take back what was just sent.
    async fn close(&mut self, deadline: Instant) {
        const LISTEN: Duration = Duration::from_secs(1);
        let deadline = deadline.min(Instant::now() + LISTEN);
        let _ = timeout_at(deadline, async {
            if self.socket.shutdown().await.is_ok() {
                while self.socket.read(&mut self.bytes).await.is_ok_and(|count| count > 0) {}
            }
        })
        .await;
    }
}
