//! What two nodes agree to speak: objects, the form they are written in, and who plays which part.
//!
//! The one who asks makes a [`Request`] of [`Proposal`]s and reads the outcome with [`Accept::contexts`]; the
//! one who is asked goes through it with [`Request::answer`].
//!
//! Source: DICOM PS3.8 7.1.1, PS3.7 D.3.3.

use std::fmt;

use super::pdu::AeTitle;
use super::{Error, IMPLEMENTATION_VERSION, classes};
use crate::object::implementation;
use crate::uid::Uid;

/// So many contexts fit into one association: their numbers are odd and one byte long.
pub const MOST_CONTEXTS: usize = 128;

/// Objects of one class that the asking node wants to speak about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The SOP class.
    pub abstract_syntax: Uid,
    /// How its objects may be written; the other picks one.
    pub transfer_syntaxes: Vec<Uid>,
    /// Which parts we want; `None`: the usual, we ask and the other serves.
    pub roles: Option<Roles>,
}

/// Which parts the node that asked for the association has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// It asks (SCU).
    pub scu: bool,
    /// It serves (SCP).
    pub scp: bool,
}

/// A-ASSOCIATE-RQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The bits of the protocol versions that the other speaks; bit 0 is ours.
    pub version: u16,
    /// Whether the application context is DICOM's.
    pub application_context: bool,
    /// Whom it is for.
    pub called: AeTitle,
    /// Who asks.
    pub calling: AeTitle,
    /// What is proposed.
    pub contexts: Vec<Proposed>,
    /// The longest P-DATA-TF that the asking node takes; 0: any.
    pub max_pdu: u32,
    /// The program of the asking node.
    pub implementation_class: Option<Uid>,
    /// And its version.
    pub implementation_version: Option<String>,
}

/// One proposed presentation context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    /// Its number, odd.
    pub id: u8,
    /// The SOP class.
    pub abstract_syntax: Uid,
    /// How objects may be written, as listed by the asking node.
    pub transfer_syntaxes: Vec<Uid>,
    /// Which parts the asking node wants; `None`: it did not say.
    pub roles: Option<Roles>,
}

/// A-ASSOCIATE-AC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    /// As in the request.
    pub called: AeTitle,
    /// As in the request.
    pub calling: AeTitle,
    /// An answer to each proposal.
    pub contexts: Vec<Answer>,
    /// The parts that the asking node gets, where it named some.
    pub roles: Vec<(Uid, Roles)>,
    /// The longest P-DATA-TF that the answering node takes; 0: any.
    pub max_pdu: u32,
    /// The program of the answering node.
    pub implementation_class: Option<Uid>,
    /// And its version.
    pub implementation_version: Option<String>,
}

/// The answer to one proposed context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The number of the context.
    pub id: u8,
    /// The transfer syntax to write in, or why not.
    pub answer: Result<Uid, Refusal>,
}

/// Why a context is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The node does not want to.
    User,
    /// No reason.
    NoReason,
    /// It knows no objects of this class.
    AbstractSyntax,
    /// It reads none of these transfer syntaxes.
    TransferSyntaxes,
}

/// A context that both nodes agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// Its number.
    pub id: u8,
    /// The SOP class.
    pub abstract_syntax: Uid,
    /// How its objects are written.
    pub transfer_syntax: Uid,
    /// Which parts the node has that asked for the association.
    pub roles: Roles,
}

impl Roles {
    /// Whoever asks for the association asks, the other serves: so it is when nobody says otherwise.
    pub const USUAL: Self = Self { scu: true, scp: false };
    /// The other way round: C-STORE within C-GET, and reports on storage commitment.
    pub const SERVES: Self = Self { scu: false, scp: true };
}

impl Refusal {
    pub(super) fn code(self) -> u8 {
        match self {
            Self::User => 1,
            Self::NoReason => 2,
            Self::AbstractSyntax => 3,
            Self::TransferSyntaxes => 4,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "not wanted",
            Self::NoReason => "no reason given",
            Self::AbstractSyntax => "SOP class not supported",
            Self::TransferSyntaxes => "transfer syntaxes not supported",
        })
    }
}

impl Proposal {
    /// Objects of `class`, written in one of `transfer_syntaxes`.
    ///
    /// # Panics
    ///
    /// If one is no UID.
    pub fn new(class: &str, transfer_syntaxes: &[&str]) -> Self {
        Self {
            abstract_syntax: classes::of_the_standard(class),
            transfer_syntaxes: transfer_syntaxes.iter().map(|uid| classes::of_the_standard(uid)).collect(),
            roles: None,
        }
    }

    /// The same, with these parts for us.
    pub fn with(self, roles: Roles) -> Self {
        Self { roles: Some(roles), ..self }
    }
}

impl Request {
    /// Asks `called` for an association with these proposals; we take P-DATA-TF up to `max_pdu`.
    ///
    /// # Panics
    ///
    /// If there are more than [`MOST_CONTEXTS`] proposals.
    pub fn new(calling: AeTitle, called: AeTitle, proposals: Vec<Proposal>, max_pdu: u32) -> Self {
        assert!(proposals.len() <= MOST_CONTEXTS, "{} proposals in one association", proposals.len());
        let number = |(at, proposal): (usize, Proposal)| Proposed {
            id: u8::try_from(2 * at + 1).expect("at most 128"),
            abstract_syntax: proposal.abstract_syntax,
            transfer_syntaxes: proposal.transfer_syntaxes,
            roles: proposal.roles,
        };
        Self {
            version: 1,
            application_context: true,
            called,
            calling,
            contexts: proposals.into_iter().enumerate().map(number).collect(),
            max_pdu,
            implementation_class: Some(implementation()),
            implementation_version: Some(IMPLEMENTATION_VERSION.to_owned()),
        }
    }

    /// Answers every proposal by `policy`, which picks one of the transfer syntaxes and the parts that the
    /// asking node gets. We take P-DATA-TF up to `max_pdu`.
    pub fn answer(
        &self,
        max_pdu: u32,
        mut policy: impl FnMut(&Proposed) -> Result<(Uid, Roles), Refusal>,
    ) -> (Accept, Vec<Context>) {
        let mut accept = Accept {
            called: self.called.clone(),
            calling: self.calling.clone(),
            contexts: Vec::new(),
            roles: Vec::new(),
            max_pdu,
            implementation_class: Some(implementation()),
            implementation_version: Some(IMPLEMENTATION_VERSION.to_owned()),
        };
        let mut contexts = Vec::new();
        for proposed in &self.contexts {
            let answer = policy(proposed).map(|(transfer_syntax, roles)| {
                let class = &proposed.abstract_syntax;
                // Only who named parts is told of parts.
                if proposed.roles.is_some() && !accept.roles.iter().any(|(known, _)| known == class) {
                    accept.roles.push((class.clone(), roles));
                }
                contexts.push(Context {
                    id: proposed.id,
                    abstract_syntax: class.clone(),
                    transfer_syntax: transfer_syntax.clone(),
                    roles,
                });
                transfer_syntax
            });
            accept.contexts.push(Answer { id: proposed.id, answer });
        }
        (accept, contexts)
    }
}

impl Accept {
    /// The contexts that both agreed on, of those that `request` proposed.
    ///
    /// # Errors
    ///
    /// If something was accepted that was not proposed.
    pub fn contexts(&self, request: &Request) -> Result<Vec<Context>, Error> {
        let mut contexts: Vec<Context> = Vec::new();
        for answer in &self.contexts {
            let Ok(transfer_syntax) = &answer.answer else { continue };
            let proposed = request.contexts.iter().find(|proposed| proposed.id == answer.id);
            let proposed = proposed
                .filter(|proposed| proposed.transfer_syntaxes.contains(transfer_syntax))
                .ok_or(Error::Malformed("a context was accepted that was not proposed"))?;
            if contexts.iter().any(|context| context.id == answer.id) {
                return Err(Error::Malformed("a context was accepted twice"));
            }
            // Parts that were named and not answered are the usual ones (PS3.7 D.3.3.4).
            let answered = self.roles.iter().find(|(class, _)| *class == proposed.abstract_syntax);
            let roles = match (proposed.roles, answered) {
                (Some(asked), Some((_, given))) => {
                    Roles { scu: asked.scu && given.scu, scp: asked.scp && given.scp }
                }
                _ => Roles::USUAL,
            };
            contexts.push(Context {
                id: answer.id,
                abstract_syntax: proposed.abstract_syntax.clone(),
                transfer_syntax: transfer_syntax.clone(),
                roles,
            });
        }
        Ok(contexts)
    }
}
