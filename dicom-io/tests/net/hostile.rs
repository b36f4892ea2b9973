//! Whatever comes, nothing panics and nothing is reserved that did not come.

use std::sync::LazyLock;

use dicom_io::net::classes::{COMMITMENT, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION};
use dicom_io::net::command::{Call, Command, Operation, Status};
use dicom_io::net::commitment::{Commitment, CommitmentRequest};
use dicom_io::net::message::{Assembler, write};
use dicom_io::net::negotiation::{Context, Proposal, Refusal, Request, Roles};
use dicom_io::net::pdu::{self, Abort, HEADER, Kind, Pdu, Rejection};
use dicom_io::net::query::{Found, Level, Query};
use proptest::prelude::*;

use crate::{CT, JPEG_LOSSLESS, title, uid};

/// PDUs of every kind, with all that they can hold.
fn pdus() -> Vec<Vec<u8>> {
    let proposals = vec![
        Proposal::new(VERIFICATION, &[IMPLICIT_LE]),
        Proposal::new(CT, &[JPEG_LOSSLESS, EXPLICIT_LE]),
        Proposal::new(COMMITMENT, &[EXPLICIT_LE]).with(Roles::SERVES),
    ];
    let request = Request::new(title("SENDER"), title("FOCI"), proposals, 65_536);
    let (accept, _) = request.answer(16_384, |proposed| match proposed.id {
        1 => Err(Refusal::User),
        _ => Ok((proposed.transfer_syntaxes[0].clone(), proposed.roles.unwrap_or(Roles::USUAL))),
    });
    let mut data = Vec::new();
    write(&mut data, 1, true, &commands()[0], 30);
    vec![
        Pdu::Request(request).bytes(),
        Pdu::Accept(accept).bytes(),
        Pdu::Reject(Rejection::LOCAL_LIMIT).bytes(),
        Pdu::Abort(Abort::BY_USER).bytes(),
        Pdu::ReleaseRequest.bytes(),
        data,
    ]
}

fn commands() -> Vec<Vec<u8>> {
    let call = |operation| Call { id: 9, class: uid(CT), operation, has_data: true };
    let store = call(Operation::Store { instance: uid("1.2.3") });
    let moved = call(Operation::Move { destination: title("FOCI") });
    let report = call(Operation::EventReport { instance: uid("1.2.3"), event: 1 });
    vec![
        Command::from(store.reply(Status(0xA700)).commented("full")).bytes(),
        Command::from(store).bytes(),
        Command::from(moved).bytes(),
        Command::from(report).bytes(),
    ]
}

fn data_sets() -> Vec<Vec<u8>> {
    let request = CommitmentRequest {
        transaction_uid: uid("1.2.9"),
        instances: vec![(uid(CT), uid("1.2.3.1")), (uid(CT), uid("1.2.3.2"))],
    };
    let query = Query::new(Level::Study).matching("StudyInstanceUID", "1.2.3").asking("ModalitiesInStudy");
    [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE]
        .iter()
        .flat_map(|syntax| {
            [request.report(&[(uid("1.2.3.2"), 0x0110)], &uid(syntax)), query.bytes(&uid(syntax))]
        })
        .collect()
}

/// Everything that reads, on the same bytes.
fn read_all(bytes: &[u8]) {
    if let Ok(Some(header)) = pdu::header(bytes, 131_072) {
        assert!(header.length <= 262_144);
        if let Some(body) = bytes.get(HEADER..HEADER + header.length) {
            read_pdu(header.kind, body);
        }
    }
    for kind in [
        Kind::Request,
        Kind::Accept,
        Kind::Reject,
        Kind::Data,
        Kind::ReleaseRequest,
        Kind::ReleaseReply,
        Kind::Abort,
    ] {
        read_pdu(kind, bytes);
    }
    if let Ok(command) = Command::parse(bytes) {
        // What was understood can be said again.
        let again = Command::parse(&command.bytes());
        assert!(again.is_ok(), "{command:?}");
    }
    for syntax in [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE].map(uid) {
        let _ = Found::parse(bytes, &syntax);
        let _ = Commitment::parse(bytes, &syntax);
        let _ = CommitmentRequest::parse(bytes, &syntax);
    }
}

fn read_pdu(kind: Kind, body: &[u8]) {
    match pdu::parse(kind, body) {
        Ok(Pdu::Request(request)) => {
            let (accept, _) = request.answer(0, |_| Err(Refusal::User));
            assert!(accept.contexts(&request).unwrap().is_empty());
            // The same again, not only something.
            let bytes = Pdu::Request(request.clone()).bytes();
            if request.application_context {
                assert_eq!(pdu::parse(Kind::Request, &bytes[HEADER..]), Ok(Pdu::Request(request)));
            }
        }
        Ok(Pdu::Data(values)) => {
            let context = Context {
                id: 1,
                abstract_syntax: uid(CT),
                transfer_syntax: uid(EXPLICIT_LE),
                roles: Roles::USUAL,
            };
            let mut assembler = Assembler::default();
            for value in values.map_while(Result::ok) {
                let _ = assembler.add(value, std::slice::from_ref(&context));
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_all(&bytes);
    }

    #[test]
    fn true_bytes_with_some_changed_cut_or_doubled(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        how in 0..4u8,
    ) {
        static WHOLE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| [pdus(), commands(), data_sets()].concat());
        let mut bytes = which.get(&WHOLE).clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let cut = cut.index(bytes.len());
        match how {
            0 => bytes.truncate(cut),
            1 => { bytes.drain(..cut); }
            2 => { let doubled = bytes[cut..].to_vec(); bytes.extend(doubled); }
            _ => {}
        }
        read_all(&bytes);
    }
}

/// A command that never ends, in fragments that never mark the last.
#[test]
fn an_endless_command_is_refused_after_some_kilobytes() {
    let context =
        Context { id: 1, abstract_syntax: uid(CT), transfer_syntax: uid(EXPLICIT_LE), roles: Roles::USUAL };
    let mut assembler = Assembler::default();
    let fragment = pdu::Value { context: 1, command: true, last: false, bytes: &[0; 1000] };
    let refused = (0..20).find(|_| assembler.add(fragment, std::slice::from_ref(&context)).is_err());
    assert_eq!(refused, Some(16));
}

/// Many sequences within each other: deep enough to end a stack that trusts them.
#[test]
fn a_deep_report_is_refused() {
    let mut bytes = Vec::new();
    for _ in 0..100_000 {
        bytes.extend([0x08, 0x00, 0x99, 0x11, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        bytes.extend([0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF]);
    }
    assert!(Commitment::parse(&bytes, &uid(EXPLICIT_LE)).is_err());
    assert!(Found::parse(&bytes, &uid(EXPLICIT_LE)).is_err());
}
