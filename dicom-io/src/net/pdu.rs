//! Protocol data units: what travels between two nodes, each with its kind and length in front.
//!
//! Images come as P-DATA-TF, thousands for a study: those are looked at where they lie and never copied. The
//! others come once or twice in an association. Items that we do not know are skipped, as the standard asks;
//! a rejected presentation context may come without a transfer syntax, as those of some archives do.
//!
//! Source: DICOM PS3.8 9.3.

use std::fmt;

use super::Error;
use super::negotiation::{Accept, Answer, Proposed, Refusal, Request, Roles};
use crate::uid::Uid;

/// Kind (one byte, one reserved) and length (four bytes, big endian) of a PDU.
pub const HEADER: usize = 6;

/// Length (four bytes), presentation context and flags of a value in a P-DATA-TF.
pub const VALUE_HEADER: usize = 6;

/// The largest PDU that is no P-DATA-TF, bytes. 128 presentation contexts with all transfer syntaxes of the
/// standard take about as much.
pub const LARGEST_OTHER: u32 = 256 << 10;

/// What a PDU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A-ASSOCIATE-RQ.
    Request,
    /// A-ASSOCIATE-AC.
    Accept,
    /// A-ASSOCIATE-RJ.
    Reject,
    /// P-DATA-TF.
    Data,
    /// A-RELEASE-RQ.
    ReleaseRequest,
    /// A-RELEASE-RP.
    ReleaseReply,
    /// A-ABORT.
    Abort,
}

/// The beginning of a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub kind: Kind,
    /// How many bytes of it.
    pub length: usize,
}

/// One PDU, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pdu<'a> {
    /// A-ASSOCIATE-RQ.
    Request(Request),
    /// A-ASSOCIATE-AC.
    Accept(Accept),
    /// A-ASSOCIATE-RJ.
    Reject(Rejection),
    /// P-DATA-TF.
    Data(Values<'a>),
    /// A-RELEASE-RQ.
    ReleaseRequest,
    /// A-RELEASE-RP.
    ReleaseReply,
    /// A-ABORT.
    Abort(Abort),
}

/// The values in a P-DATA-TF; an iterator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values<'a> {
    rest: &'a [u8],
}

/// A fragment of a command or a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// The presentation context.
    pub context: u8,
    /// Of a command; otherwise of a data set.
    pub command: bool,
    /// The last of it.
    pub last: bool,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Why an association was refused, as the numbers of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejection {
    /// Asking again changes nothing.
    pub permanent: bool,
    /// Who refused: 1 the node, 2 its association layer, 3 its presentation layer.
    pub source: u8,
    /// Why; what a number means depends on the source.
    pub reason: u8,
}

/// An association ended in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abort {
    /// Who ended it: 0 the node, 2 its upper layer.
    pub source: u8,
    /// Why; of the node it says nothing.
    pub reason: u8,
}

/// An application entity title: up to 16 printable ASCII characters, safe in a log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AeTitle(String);

/// A text that is no AE title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an AE title (1 to 16 printable ASCII characters, no backslash, not only blanks)")]
pub struct NotAnAeTitle;

impl AeTitle {
    /// Accepts 1 to 16 printable ASCII characters but the backslash; blanks around them do not count.
    pub fn parse(text: &str) -> Result<Self, NotAnAeTitle> {
        let text = text.trim_matches([' ', '\0']);
        let allowed = |b: u8| (b.is_ascii_graphic() || b == b' ') && b != b'\\';
        let right = (1..=16).contains(&text.len()) && text.bytes().all(allowed);
        if right { Ok(Self(text.to_owned())) } else { Err(NotAnAeTitle) }
    }

    /// The characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands in a request; what is no title becomes one that nobody has.
    fn received(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        Self::parse(text).unwrap_or_else(|_| Self("(none)".to_owned()))
    }

    fn padded(&self) -> [u8; 16] {
        let mut field = [b' '; 16];
        field[..self.0.len()].copy_from_slice(self.0.as_bytes());
        field
    }
}

impl fmt::Display for AeTitle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Rejection {
    /// Nobody of this title is known here.
    pub const CALLING_UNKNOWN: Self = Self { permanent: true, source: 1, reason: 3 };
    /// Nobody here has this title.
    pub const CALLED_UNKNOWN: Self = Self { permanent: true, source: 1, reason: 7 };
    /// Another application context than DICOM's.
    pub const APPLICATION_CONTEXT: Self = Self { permanent: true, source: 1, reason: 2 };
    /// Another version of the protocol.
    pub const PROTOCOL_VERSION: Self = Self { permanent: true, source: 2, reason: 2 };
    /// Too many associations: ask again later.
    pub const LOCAL_LIMIT: Self = Self { permanent: false, source: 3, reason: 2 };
    /// Busy: ask again later.
    pub const CONGESTION: Self = Self { permanent: false, source: 3, reason: 1 };
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match (self.source, self.reason) {
            (1, 2) => "application context not supported",
            (1, 3) => "calling AE title not recognized",
            (1, 7) => "called AE title not recognized",
            (2, 2) => "protocol version not supported",
            (3, 1) => "temporary congestion",
            (3, 2) => "local limit exceeded",
            (1 | 2, 1) => "no reason given",
            _ => return write!(f, "rejected, source {}, reason {}", self.source, self.reason),
        };
        write!(f, "rejected {}: {reason}", if self.permanent { "for good" } else { "for now" })
    }
}

impl Abort {
    /// By us, because we want no more.
    pub const BY_USER: Self = Self { source: 0, reason: 0 };

    /// By us, because of what the peer sent.
    pub fn because(error: &Error) -> Self {
        let reason = match error {
            Error::OutOfOrder(_) => 2,
            Error::TooLong { .. } => 6,
            Error::Malformed(_) => 1,
        };
        Self { source: 2, reason }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match (self.source, self.reason) {
            (2, 1) => "unrecognized PDU",
            (2, 2) => "unexpected PDU",
            (2, 4) => "unrecognized PDU parameter",
            (2, 5) => "unexpected PDU parameter",
            (2, 6) => "invalid PDU parameter value",
            _ => "no reason given",
        };
        write!(f, "aborted by the peer: {reason}")
    }
}

/// The header in front of `bytes`; `None`: it is not there yet. `limit` is for the length of a P-DATA-TF.
///
/// # Errors
///
/// If it is no PDU, or one that is longer than it may be.
pub fn header(bytes: &[u8], limit: u32) -> Result<Option<Header>, Error> {
    let kind = match bytes.first() {
        None => return Ok(None),
        Some(1) => Kind::Request,
        Some(2) => Kind::Accept,
        Some(3) => Kind::Reject,
        Some(4) => Kind::Data,
        Some(5) => Kind::ReleaseRequest,
        Some(6) => Kind::ReleaseReply,
        Some(7) => Kind::Abort,
        Some(_) => return Err(Error::Malformed("no PDU of DICOM")),
    };
    let Some(length) = bytes.get(2..HEADER) else { return Ok(None) };
    let declared = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    let limit = match kind {
        Kind::Data => limit,
        Kind::Request | Kind::Accept => LARGEST_OTHER,
        // Four bytes each, and some room for who adds more.
        Kind::Reject | Kind::ReleaseRequest | Kind::ReleaseReply | Kind::Abort => 1024,
    };
    if declared > limit {
        return Err(Error::TooLong { declared, limit });
    }
    Ok(Some(Header { kind, length: declared as usize }))
}

/// The PDU of this kind whose bytes behind the header are `body`, all of it.
///
/// # Errors
///
/// If it is malformed.
pub fn parse(kind: Kind, body: &[u8]) -> Result<Pdu<'_>, Error> {
    Ok(match kind {
        Kind::Request => Pdu::Request(request(body)?),
        Kind::Accept => Pdu::Accept(accept(body)?),
        Kind::Reject => {
            let &[_, result, source, reason, ..] = body else {
                return Err(Error::Malformed("a rejection without a reason"));
            };
            Pdu::Reject(Rejection { permanent: result != 2, source, reason })
        }
        Kind::Data => Pdu::Data(Values { rest: body }),
        Kind::ReleaseRequest => Pdu::ReleaseRequest,
        Kind::ReleaseReply => Pdu::ReleaseReply,
        Kind::Abort => {
            let &[_, _, source, reason, ..] = body else {
                return Err(Error::Malformed("an abort without a source"));
            };
            Pdu::Abort(Abort { source, reason })
        }
    })
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<Value<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let value = self.split();
        if value.is_none() {
            self.rest = &[];
        }
        Some(value.ok_or(Error::Malformed("a P-DATA value that does not fit into its PDU")))
    }
}

impl<'a> Values<'a> {
    fn split(&mut self) -> Option<Value<'a>> {
        let (length, rest) = self.rest.split_at_checked(4)?;
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]);
        let (value, rest) = rest.split_at_checked(length as usize)?;
        let (&[context, flags], bytes) = value.split_first_chunk()?;
        self.rest = rest;
        Some(Value { context, command: flags & 1 != 0, last: flags & 2 != 0, bytes })
    }
}

/// What stands before the bytes of a fragment when it travels alone in its PDU.
pub fn data_header(context: u8, command: bool, last: bool, length: usize) -> [u8; HEADER + VALUE_HEADER] {
    let value = u32::try_from(length + 2).expect("fragments are smaller than a PDU");
    let [a, b, c, d] = (value + 4).to_be_bytes();
    let [e, f, g, h] = value.to_be_bytes();
    [4, 0, a, b, c, d, e, f, g, h, context, u8::from(command) | u8::from(last) << 1]
}

impl Pdu<'_> {
    /// The bytes on the wire, header and all.
    pub fn bytes(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Self::Request(request) => (1, write_request(request)),
            Self::Accept(accept) => (2, write_accept(accept)),
            Self::Reject(rejection) => {
                (3, vec![0, if rejection.permanent { 1 } else { 2 }, rejection.source, rejection.reason])
            }
            Self::Data(values) => (4, values.rest.to_vec()),
            Self::ReleaseRequest => (5, vec![0; 4]),
            Self::ReleaseReply => (6, vec![0; 4]),
            Self::Abort(abort) => (7, vec![0, 0, abort.source, abort.reason]),
        };
        let length = u32::try_from(body.len()).expect("a PDU is far smaller than 4 GiB");
        [&[kind, 0][..], &length.to_be_bytes(), &body].concat()
    }
}

/// The application context of DICOM (PS3.7 A.2.1).
const APPLICATION_CONTEXT: &str = "1.2.840.10008.3.1.1.1";

/// Version, reserved, called and calling title, reserved.
const FIXED: usize = 2 + 2 + 16 + 16 + 32;

/// What request and acceptance have in common.
struct Common<'a> {
    version: u16,
    called: AeTitle,
    calling: AeTitle,
    application_context: bool,
    /// Kind and value of each presentation context.
    contexts: Vec<(u8, &'a [u8])>,
    user: User,
}

/// The items of the user information that mean something to us.
#[derive(Default)]
struct User {
    max_pdu: u32,
    implementation_class: Option<Uid>,
    implementation_version: Option<String>,
    roles: Vec<(Uid, Roles)>,
}

fn common(body: &[u8]) -> Result<Common<'_>, Error> {
    let (fixed, rest) =
        body.split_at_checked(FIXED).ok_or(Error::Malformed("an association PDU that is cut off"))?;
    let mut found = Common {
        version: u16::from_be_bytes([fixed[0], fixed[1]]),
        called: AeTitle::received(&fixed[4..20]),
        calling: AeTitle::received(&fixed[20..36]),
        application_context: false,
        contexts: Vec::new(),
        user: User::default(),
    };
    for item in items(rest) {
        match item? {
            (0x10, name) => found.application_context = uid(name)?.as_str() == APPLICATION_CONTEXT,
            (kind @ (0x20 | 0x21), context) => found.contexts.push((kind, context)),
            (0x50, information) => found.user = user(information)?,
            _ => {}
        }
    }
    Ok(found)
}

fn user(information: &[u8]) -> Result<User, Error> {
    let mut user = User::default();
    for item in items(information) {
        match item? {
            (0x51, &[a, b, c, d]) => user.max_pdu = u32::from_be_bytes([a, b, c, d]),
            (0x51, _) => return Err(Error::Malformed("a maximum length that is no number")),
            // Both are for the log alone: no reason to refuse anybody.
            (0x52, class) => user.implementation_class = uid(class).ok(),
            (0x55, version) => {
                let text = std::str::from_utf8(version).ok();
                user.implementation_version = text.and_then(|t| AeTitle::parse(t).ok()).map(|t| t.0);
            }
            (0x54, role) => {
                let malformed = Error::Malformed("a role selection that is cut off");
                let (length, rest) = role.split_at_checked(2).ok_or(malformed)?;
                let length = u16::from_be_bytes([length[0], length[1]]);
                let (class, rest) = rest.split_at_checked(usize::from(length)).ok_or(malformed)?;
                let &[scu, scp] = rest else { return Err(malformed) };
                user.roles.push((uid(class)?, Roles { scu: scu != 0, scp: scp != 0 }));
            }
            _ => {}
        }
    }
    Ok(user)
}

fn request(body: &[u8]) -> Result<Request, Error> {
    let common = common(body)?;
    let mut contexts = Vec::new();
    for (kind, context) in common.contexts {
        let (&[id, _, _, _], rest) = context
            .split_first_chunk()
            .filter(|_| kind == 0x20)
            .ok_or(Error::Malformed("a presentation context that is none"))?;
        if id % 2 == 0 || contexts.iter().any(|context: &Proposed| context.id == id) {
            return Err(Error::Malformed("a presentation context whose number is even, or there twice"));
        }
        let mut abstract_syntax = None;
        let mut transfer_syntaxes = Vec::new();
        for item in items(rest) {
            match item? {
                (0x30, name) => abstract_syntax = Some(uid(name)?),
                (0x40, name) => transfer_syntaxes.push(uid(name)?),
                _ => {}
            }
        }
        let abstract_syntax = abstract_syntax.ok_or(Error::Malformed("a context without abstract syntax"))?;
        let role = common.user.roles.iter().find(|(class, _)| *class == abstract_syntax);
        let roles = role.map(|(_, roles)| *roles);
        contexts.push(Proposed { id, abstract_syntax, transfer_syntaxes, roles });
    }
    Ok(Request {
        version: common.version,
        application_context: common.application_context,
        called: common.called,
        calling: common.calling,
        contexts,
        max_pdu: common.user.max_pdu,
        implementation_class: common.user.implementation_class,
        implementation_version: common.user.implementation_version,
    })
}

fn accept(body: &[u8]) -> Result<Accept, Error> {
    let common = common(body)?;
    let mut contexts = Vec::new();
    for (kind, context) in common.contexts {
        let (&[id, _, result, _], rest) = context
            .split_first_chunk()
            .filter(|_| kind == 0x21)
            .ok_or(Error::Malformed("an answered presentation context that is none"))?;
        let mut transfer_syntax = None;
        for item in items(rest) {
            if let (0x40, name) = item? {
                // Of a refused context it has no meaning, so that it may be anything.
                transfer_syntax = uid(name).ok();
            }
        }
        let answer = match (result, transfer_syntax) {
            (0, Some(syntax)) => Ok(syntax),
            (0, None) => return Err(Error::Malformed("an accepted context without transfer syntax")),
            (1, _) => Err(Refusal::User),
            (3, _) => Err(Refusal::AbstractSyntax),
            (4, _) => Err(Refusal::TransferSyntaxes),
            (_, _) => Err(Refusal::NoReason),
        };
        contexts.push(Answer { id, answer });
    }
    Ok(Accept {
        called: common.called,
        calling: common.calling,
        contexts,
        roles: common.user.roles,
        max_pdu: common.user.max_pdu,
        implementation_class: common.user.implementation_class,
        implementation_version: common.user.implementation_version,
    })
}

/// Kind and value of the items one after the other in `bytes`.
fn items(mut bytes: &[u8]) -> impl Iterator<Item = Result<(u8, &[u8]), Error>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let split = || {
            let (&[kind, _, high, low], rest) = bytes.split_first_chunk()?;
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
            Some((kind, value, rest))
        };
        let found = split();
        bytes = found.map_or(&[], |(_, _, rest)| rest);
        Some(found.map(|(kind, value, _)| (kind, value)).ok_or(Error::Malformed("an item that is cut off")))
    })
}

fn uid(bytes: &[u8]) -> Result<Uid, Error> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    Uid::parse(text).map_err(|_| Error::Malformed("a UID that is none"))
}

fn write_request(request: &Request) -> Vec<u8> {
    let mut body = write_fixed(request.version, &request.called, &request.calling);
    for context in &request.contexts {
        let mut value = vec![context.id, 0, 0, 0];
        put(&mut value, 0x30, context.abstract_syntax.as_str().as_bytes());
        for syntax in &context.transfer_syntaxes {
            put(&mut value, 0x40, syntax.as_str().as_bytes());
        }
        put(&mut body, 0x20, &value);
    }
    let mut roles: Vec<(Uid, Roles)> = Vec::new();
    for context in &request.contexts {
        if let Some(asked) = context.roles
            && !roles.iter().any(|(class, _)| *class == context.abstract_syntax)
        {
            roles.push((context.abstract_syntax.clone(), asked));
        }
    }
    let (class, version) = (&request.implementation_class, &request.implementation_version);
    write_user(&mut body, request.max_pdu, class.as_ref(), version.as_deref(), &roles);
    body
}

fn write_accept(accept: &Accept) -> Vec<u8> {
    let mut body = write_fixed(1, &accept.called, &accept.calling);
    for context in &accept.contexts {
        let (result, syntax) = match &context.answer {
            Ok(syntax) => (0, syntax.as_str()),
            // Has no meaning here, but some readers want one to be there.
            Err(refusal) => (refusal.code(), super::classes::IMPLICIT_LE),
        };
        let mut value = vec![context.id, 0, result, 0];
        put(&mut value, 0x40, syntax.as_bytes());
        put(&mut body, 0x21, &value);
    }
    let (class, version) = (&accept.implementation_class, &accept.implementation_version);
    write_user(&mut body, accept.max_pdu, class.as_ref(), version.as_deref(), &accept.roles);
    body
}

fn write_fixed(version: u16, called: &AeTitle, calling: &AeTitle) -> Vec<u8> {
    let mut body =
        [&version.to_be_bytes()[..], &[0; 2], &called.padded(), &calling.padded(), &[0; 32]].concat();
    put(&mut body, 0x10, APPLICATION_CONTEXT.as_bytes());
    body
}

fn write_user(
    body: &mut Vec<u8>,
    max_pdu: u32,
    class: Option<&Uid>,
    version: Option<&str>,
    roles: &[(Uid, Roles)],
) {
    let mut user = Vec::new();
    put(&mut user, 0x51, &max_pdu.to_be_bytes());
    if let Some(class) = class {
        put(&mut user, 0x52, class.as_str().as_bytes());
    }
    for (class, roles) in roles {
        let class = class.as_str().as_bytes();
        let length = u16::try_from(class.len()).expect("a UID has at most 64 characters").to_be_bytes();
        put(&mut user, 0x54, &[&length[..], class, &[u8::from(roles.scu), u8::from(roles.scp)]].concat());
    }
    if let Some(version) = version {
        put(&mut user, 0x55, version.as_bytes());
    }
    put(body, 0x50, &user);
}

fn put(into: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let length = u16::try_from(value.len()).expect("128 contexts of a few UIDs each stay below 64 KiB");
    into.extend([kind, 0]);
    into.extend(length.to_be_bytes());
    into.extend(value);
}
