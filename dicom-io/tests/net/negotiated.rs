//! Associations are agreed on as the standard says; dicom-ul reads what we write, and we what it writes.

use dicom_io::net::classes::{COMMITMENT, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION};
use dicom_io::net::negotiation::{Accept, Answer, Context, Proposal, Refusal, Request, Roles};
use dicom_io::net::pdu::{self, Abort, HEADER, Kind, Pdu, Rejection};
use dicom_ul::pdu::{
    AssociationAC, AssociationRJSource, PresentationContextResultReason, UserVariableItem, read_pdu,
    write_pdu,
};

use crate::{CT, JPEG_LOSSLESS, title, uid};

fn proposals() -> Vec<Proposal> {
    vec![
        Proposal::new(VERIFICATION, &[IMPLICIT_LE]),
        Proposal::new(CT, &[JPEG_LOSSLESS, EXPLICIT_LE]),
        Proposal::new(COMMITMENT, &[EXPLICIT_LE]).with(Roles::SERVES),
    ]
}

fn request() -> Request {
    Request::new(title("SENDER"), title("FOCI"), proposals(), 65_536)
}

/// The PDU that `bytes` are, all of them.
#[track_caller]
fn ours(bytes: &[u8]) -> Pdu<'_> {
    let header = pdu::header(bytes, 1 << 20).unwrap().unwrap();
    assert_eq!(bytes.len(), HEADER + header.length);
    pdu::parse(header.kind, &bytes[HEADER..]).unwrap()
}

#[track_caller]
fn theirs(bytes: &[u8]) -> dicom_ul::Pdu {
    read_pdu(bytes, 1 << 20, true).unwrap().unwrap()
}

#[test]
fn a_request_is_read_by_others_and_by_us() {
    let bytes = Pdu::Request(request()).bytes();
    assert_eq!(ours(&bytes), Pdu::Request(request()));
    let dicom_ul::Pdu::AssociationRQ(read) = theirs(&bytes) else { panic!("{:?}", theirs(&bytes)) };
    assert_eq!((read.calling_ae_title.as_str(), read.called_ae_title.as_str()), ("SENDER", "FOCI"));
    let contexts: Vec<_> =
        read.presentation_contexts.iter().map(|c| (c.id, c.abstract_syntax.as_str())).collect();
    assert_eq!(contexts, [(1, VERIFICATION), (3, CT), (5, COMMITMENT)]);
    assert_eq!(read.presentation_contexts[1].transfer_syntaxes, [JPEG_LOSSLESS, EXPLICIT_LE]);
    assert!(read.user_variables.contains(&UserVariableItem::MaxLength(65_536)));
    let role = dicom_ul::pdu::RequestorRoles { scu: false, scp: true };
    assert!(
        read.user_variables.contains(&UserVariableItem::ScuScpRoleSelectionSubItem(COMMITMENT.into(), role))
    );
}

#[test]
fn what_others_write_is_what_we_read() {
    let mut bytes = Vec::new();
    write_pdu(&mut bytes, &theirs(&Pdu::Request(request()).bytes())).unwrap();
    assert_eq!(ours(&bytes), Pdu::Request(request()));
    for pdu in [
        Pdu::Reject(Rejection::LOCAL_LIMIT),
        Pdu::Reject(Rejection::CALLING_UNKNOWN),
        Pdu::ReleaseRequest,
        Pdu::ReleaseReply,
        Pdu::Abort(Abort { source: 2, reason: 2 }),
    ] {
        let mut bytes = Vec::new();
        write_pdu(&mut bytes, &theirs(&pdu.bytes())).unwrap();
        assert_eq!(ours(&bytes), pdu);
    }
    let dicom_ul::Pdu::AssociationRJ(rejection) = theirs(&Pdu::Reject(Rejection::CALLED_UNKNOWN).bytes())
    else {
        panic!("a rejection")
    };
    assert!(matches!(rejection.source, AssociationRJSource::ServiceUser(_)), "{rejection:?}");
}

#[test]
fn the_policy_decides_and_both_sides_come_to_the_same_contexts() {
    let (accept, here) = request().answer(16_384, |proposed| match proposed.abstract_syntax.as_str() {
        VERIFICATION => Err(Refusal::AbstractSyntax),
        CT => Ok((uid(EXPLICIT_LE), Roles::USUAL)),
        _ => Ok((uid(EXPLICIT_LE), proposed.roles.unwrap())),
    });
    let bytes = Pdu::Accept(accept.clone()).bytes();
    assert_eq!(ours(&bytes), Pdu::Accept(accept.clone()));
    let there = accept.contexts(&request()).unwrap();
    assert_eq!(here, there);
    let context = |id, class: &str, roles| Context {
        id,
        abstract_syntax: uid(class),
        transfer_syntax: uid(EXPLICIT_LE),
        roles,
    };
    assert_eq!(there, [context(3, CT, Roles::USUAL), context(5, COMMITMENT, Roles::SERVES)]);

    let dicom_ul::Pdu::AssociationAC(read) = theirs(&bytes) else { panic!("an acceptance") };
    assert_eq!(
        read.presentation_contexts[0].reason,
        PresentationContextResultReason::AbstractSyntaxNotSupported
    );
    let mut again = Vec::new();
    write_pdu(&mut again, &dicom_ul::Pdu::AssociationAC(AssociationAC { ..read })).unwrap();
    assert_eq!(ours(&again), Pdu::Accept(accept));
}

#[test]
fn parts_that_nobody_answered_are_the_usual_ones() {
    let (mut accept, _) =
        request().answer(0, |proposed| Ok((proposed.transfer_syntaxes[0].clone(), Roles::SERVES)));
    accept.roles.clear();
    let contexts = accept.contexts(&request()).unwrap();
    assert_eq!(contexts[2].roles, Roles::USUAL);
}

#[test]
fn what_was_not_proposed_cannot_be_accepted() {
    let accept = |id, syntax: &str| {
        let (mut accept, _) = request().answer(0, |_| Err(Refusal::User));
        accept.contexts = vec![Answer { id, answer: Ok(uid(syntax)) }];
        accept.contexts(&request())
    };
    assert!(accept(3, EXPLICIT_LE).is_ok());
    assert!(accept(7, EXPLICIT_LE).is_err(), "a context");
    assert!(accept(3, IMPLICIT_LE).is_err(), "a transfer syntax");
}

/// dcm4che and others leave the transfer syntax of a refused context out, or empty; dicom-ul would not have
/// it.
#[test]
fn a_refused_context_needs_no_transfer_syntax_and_unknown_items_are_skipped() {
    let (accept, _) = request().answer(0, |_| Err(Refusal::User));
    let whole = Pdu::Accept(Accept { contexts: Vec::new(), ..accept }).bytes();
    // Behind the header, the fixed fields and the application context: a refused context without sub-items, one
    // with an empty transfer syntax, and an item that nobody knows.
    let at = HEADER + 68 + 4 + "1.2.840.10008.3.1.1.1".len();
    let items = [
        &[0x21, 0, 0, 4, 1, 0, 3, 0][..],
        &[0x21, 0, 0, 8, 3, 0, 4, 0, 0x40, 0, 0, 0],
        &[0x99, 0, 0, 2, 7, 7],
    ]
    .concat();
    let mut bytes = [&whole[..at], &items, &whole[at..]].concat();
    let length = u32::try_from(bytes.len() - HEADER).unwrap();
    bytes[2..6].copy_from_slice(&length.to_be_bytes());
    let Pdu::Accept(read) = ours(&bytes) else { panic!("an acceptance") };
    let answers: Vec<_> = read.contexts.iter().map(|c| (c.id, c.answer.clone().unwrap_err())).collect();
    assert_eq!(answers, [(1, Refusal::AbstractSyntax), (3, Refusal::TransferSyntaxes)]);
    assert!(read_pdu(&bytes[..], 1 << 20, true).is_err(), "dicom-ul has learnt it: use it");
}

#[test]
fn a_length_is_refused_before_anything_is_read() {
    for (bytes, limit) in
        [([4u8, 0, 0, 2, 0, 1], 131_072), ([1, 0, 0x7F, 0, 0, 0], 262_144), ([7, 0, 0, 0, 4, 1], 1024)]
    {
        let error = pdu::header(&bytes, 131_072).unwrap_err();
        let declared = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]);
        assert_eq!(error, dicom_io::net::Error::TooLong { declared, limit });
    }
    let allowed = pdu::header(&[4, 0, 0, 2, 0, 0], 131_072).unwrap().unwrap();
    assert_eq!((allowed.kind, allowed.length), (Kind::Data, 131_072));
    assert_eq!(pdu::header(&[4, 0, 0, 2, 0], 131_072), Ok(None));
    assert!(pdu::header(b"GET / HTTP/1.1", 131_072).is_err());
}
