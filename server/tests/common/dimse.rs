//! A DICOM node that waits for nothing and hides nothing: either side of an association, blocking, for tests.
//!
//! ```ignore
//! let mut scu = Link::associate(node.dicom, "SENDER", "FOCI", &storing(&file)).unwrap();
//! assert_eq!(scu.echo(), Status::SUCCESS);
//! assert_eq!(scu.store(&file).status, Status::SUCCESS);
//! scu.release();
//!
//! let listener = TcpListener::bind("127.0.0.1:0").unwrap();       // the other way round
//! let mut scp = Link::accept(&listener);
//! while let Some((context, command, data)) = scp.receive() {
//!     let Command::Call(call) = command else { panic!() };
//!     scp.send(context.id, &call.reply(Status::SUCCESS).into(), None);
//! }
//! ```

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use dicom_io::Uid;
use dicom_io::identity::{Identity, Passing, file_head};
use dicom_io::net::classes::{self, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION};
use dicom_io::net::command::{Call, Command, Operation, Reply, Status};
use dicom_io::net::message::{Assembler, Part, fragment_length, write};
use dicom_io::net::negotiation::{Context, Proposal, Refusal, Request, Roles};
use dicom_io::net::pdu::{self, Abort, AeTitle, HEADER, Kind, Pdu, Rejection};
use dicom_io::net::query::{Found, Query};

use super::slices;

/// Longer than anything takes that is not stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest PDU that a link takes, bytes.
const MAX_PDU: u32 = 128 << 10;

/// One end of an association.
pub(crate) struct Link {
    pub(crate) stream: TcpStream,
    pub(crate) contexts: Vec<Context>,
    assembler: Assembler,
    fragment: usize,
    /// The body of the P-DATA-TF at hand, and how much of it was looked at.
    body: Vec<u8>,
    at: usize,
    id: u16,
}

/// How an attempt to associate ended otherwise than with an association.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum No {
    Rejected(Rejection),
    Aborted(Abort),
    /// The connection was closed, reset, or silent for a minute.
    Gone,
}

/// A DICOM file: what its file meta information says, and its data set.
pub(crate) struct File<'a> {
    pub(crate) class: Uid,
    pub(crate) instance: Uid,
    pub(crate) transfer_syntax: Uid,
    pub(crate) data_set: &'a [u8],
}

/// The objects of one study, as DICOM files.
pub(crate) struct Study {
    pub(crate) uid: Uid,
    pub(crate) files: Vec<Vec<u8>>,
}

/// Proposes C-ECHO, and storage of objects like `file`.
pub(crate) fn storing(file: &[u8]) -> Vec<Proposal> {
    let file = File::parse(file);
    vec![verification(), Proposal::new(file.class.as_str(), &[file.transfer_syntax.as_str()])]
}

/// Proposes C-ECHO.
pub(crate) fn verification() -> Proposal {
    Proposal::new(VERIFICATION, &[EXPLICIT_LE, IMPLICIT_LE])
}

pub(crate) fn title(text: &str) -> AeTitle {
    AeTitle::parse(text).unwrap()
}

impl Link {
    /// Asks `called` at `port` of this machine for an association.
    pub(crate) fn associate(
        port: u16,
        calling: &str,
        called: &str,
        proposals: &[Proposal],
    ) -> Result<Self, No> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).map_err(|_| No::Gone)?;
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = Request::new(title(calling), title(called), proposals.to_vec(), MAX_PDU);
        stream.write_all(&Pdu::Request(request.clone()).bytes()).map_err(|_| No::Gone)?;
        let (kind, body) = read(&mut stream).ok_or(No::Gone)?;
        match pdu::parse(kind, &body).unwrap() {
            Pdu::Accept(accept) => {
                let contexts = accept.contexts(&request).unwrap();
                Ok(Self::agreed(stream, contexts, accept.max_pdu))
            }
            Pdu::Reject(rejection) => Err(No::Rejected(rejection)),
            Pdu::Abort(abort) => Err(No::Aborted(abort)),
            other => panic!("an answer to an association request: {other:?}"),
        }
    }

    /// Waits for somebody who asks for an association, and takes all that is proposed.
    pub(crate) fn accept(listener: &TcpListener) -> Self {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (kind, body) = read(&mut stream).expect("an association request");
        let Pdu::Request(request) = pdu::parse(kind, &body).unwrap() else { panic!("{kind:?}") };
        let (accept, contexts) = request.answer(MAX_PDU, |proposed| {
            let first = proposed.transfer_syntaxes.first().ok_or(Refusal::TransferSyntaxes)?;
            Ok((first.clone(), proposed.roles.unwrap_or(Roles::USUAL)))
        });
        stream.write_all(&Pdu::Accept(accept).bytes()).unwrap();
        Self::agreed(stream, contexts, request.max_pdu)
    }

    fn agreed(stream: TcpStream, contexts: Vec<Context>, max_pdu: u32) -> Self {
        let fragment = fragment_length(max_pdu);
        Self { stream, contexts, assembler: Assembler::default(), fragment, body: Vec::new(), at: 0, id: 0 }
    }

    /// The number of the context for `class`, in whichever transfer syntax.
    #[track_caller]
    pub(crate) fn context(&self, class: &str) -> &Context {
        let found = self.contexts.iter().find(|context| context.abstract_syntax.as_str() == class);
        found.unwrap_or_else(|| panic!("{class} was not agreed on"))
    }

    /// A call with the next message number.
    pub(crate) fn new_call(&mut self, class: &Uid, operation: Operation, has_data: bool) -> Call {
        self.id += 1;
        Call { id: self.id, class: class.clone(), operation, has_data }
    }

    /// Sends a command, and its data set if it has one.
    pub(crate) fn send(&mut self, context: u8, command: &Command, data: Option<&[u8]>) {
        assert_eq!(command.has_data(), data.is_some());
        let mut wire = Vec::new();
        write(&mut wire, context, true, &command.bytes(), self.fragment);
        if let Some(data) = data {
            write(&mut wire, context, false, data, self.fragment);
        }
        // A peer that has gone is noticed when it is read from.
        let _ = self.stream.write_all(&wire);
    }

    /// The next message, whole; `None`: the other end released (and was answered), aborted or went.
    pub(crate) fn receive(&mut self) -> Option<(Context, Command, Option<Vec<u8>>)> {
        let mut message: Option<(Context, Command)> = None;
        let mut data = Vec::new();
        loop {
            while self.at < self.body.len() {
                let Ok(Pdu::Data(mut values)) = pdu::parse(Kind::Data, &self.body[self.at..]) else {
                    unreachable!("a P-DATA-TF is one")
                };
                let value = values.next().unwrap().unwrap();
                self.at += pdu::VALUE_HEADER + value.bytes.len();
                match self.assembler.add(value, &self.contexts).unwrap() {
                    Part::Fragment => {}
                    Part::Command { context, command } => {
                        let context = self.contexts.iter().find(|known| known.id == context).unwrap().clone();
                        if !command.has_data() {
                            return Some((context, command, None));
                        }
                        message = Some((context, command));
                    }
                    Part::Data { bytes, last } => {
                        data.extend_from_slice(bytes);
                        if last {
                            let (context, command) = message.unwrap();
                            return Some((context, command, Some(data)));
                        }
                    }
                }
            }
            match read(&mut self.stream) {
                Some((Kind::Data, body)) => (self.body, self.at) = (body, 0),
                Some((Kind::ReleaseRequest, _)) => {
                    let _ = self.stream.write_all(&Pdu::ReleaseReply.bytes());
                    return None;
                }
                _ => return None,
            }
        }
    }

    /// The next message, which must be an answer.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> (Reply, Option<Vec<u8>>) {
        match self.receive() {
            Some((_, Command::Reply(reply), data)) => (reply, data),
            other => panic!("an answer was due: {other:?}"),
        }
    }

    /// C-ECHO.
    #[track_caller]
    pub(crate) fn echo(&mut self) -> Status {
        let context = self.context(VERIFICATION).id;
        let call = self.new_call(&classes::of_the_standard(VERIFICATION), Operation::Echo, false);
        self.send(context, &call.into(), None);
        self.reply().0.status
    }

    /// C-STORE of a whole DICOM file, in the context for its class and transfer syntax.
    #[track_caller]
    pub(crate) fn store(&mut self, file: &[u8]) -> Reply {
        let file = File::parse(file);
        let context = self
            .contexts
            .iter()
            .find(|c| c.abstract_syntax == file.class && c.transfer_syntax == file.transfer_syntax)
            .expect("its class and transfer syntax were agreed on")
            .id;
        let call = self.new_call(&file.class, Operation::Store { instance: file.instance }, true);
        self.send(context, &call.into(), Some(file.data_set));
        self.reply().0
    }

    /// C-FIND: all answers, and the last status.
    #[track_caller]
    pub(crate) fn find(&mut self, class: &str, query: &Query) -> (Vec<Found>, Status) {
        let context = self.context(class).clone();
        let call = self.new_call(&context.abstract_syntax, Operation::Find, true);
        self.send(context.id, &call.into(), Some(&query.bytes(&context.transfer_syntax)));
        let mut found = Vec::new();
        loop {
            let (reply, data) = self.reply();
            if !reply.status.is_pending() {
                return (found, reply.status);
            }
            found.push(Found::parse(&data.expect("an identifier"), &context.transfer_syntax).unwrap());
        }
    }

    /// Ends the association in good order.
    #[track_caller]
    pub(crate) fn release(mut self) {
        self.stream.write_all(&Pdu::ReleaseRequest.bytes()).unwrap();
        let (kind, _) = read(&mut self.stream).expect("an answer to a release");
        assert_eq!(kind, Kind::ReleaseReply);
    }
}

/// One PDU; `None`: the connection is closed, or silent for a minute.
pub(crate) fn read(stream: &mut TcpStream) -> Option<(Kind, Vec<u8>)> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header).ok()?;
    let header = pdu::header(&header, MAX_PDU).unwrap().unwrap();
    let mut body = vec![0; header.length];
    stream.read_exact(&mut body).ok()?;
    Some((header.kind, body))
}

impl<'a> File<'a> {
    pub(crate) fn parse(file: &'a [u8]) -> Self {
        let head = file_head(file).unwrap().expect("a whole file");
        Self {
            class: head.sop_class_uid,
            instance: head.sop_instance_uid,
            transfer_syntax: head.transfer_syntax,
            data_set: &file[head.data_set..],
        }
    }

    /// What its data set says it is.
    pub(crate) fn identity(&self) -> Identity {
        let mut passing = Passing::new(&self.transfer_syntax).unwrap();
        passing.pass(self.data_set);
        passing.end().unwrap()
    }
}

impl Study {
    /// The study whose DICOM files are in `folder`.
    pub(crate) fn read(folder: &Path) -> Self {
        let files: Vec<_> = slices(folder).iter().map(|path| std::fs::read(path).unwrap()).collect();
        Self { uid: File::parse(&files[0]).identity().study_uid, files }
    }
}

/// Sends all of `study` to the node at `port` in one association; every object must be taken.
#[track_caller]
pub(crate) fn send(port: u16, calling: &str, study: &Study) {
    let mut link = Link::associate(port, calling, "FOCI", &storing(&study.files[0])).unwrap();
    for file in &study.files {
        assert_eq!(link.store(file).status, Status::SUCCESS);
    }
    link.release();
}
