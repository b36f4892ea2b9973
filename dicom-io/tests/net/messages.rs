//! Commands and the fragments that messages travel in.

use dicom::object::InMemDicomObject;
use dicom::transfer_syntax::entries::IMPLICIT_VR_LITTLE_ENDIAN;
use dicom_io::net::Error;
use dicom_io::net::classes::{COMMITMENT, COMMITMENT_INSTANCE, EXPLICIT_LE, VERIFICATION};
use dicom_io::net::command::{Call, Command, Operation, Progress, Status};
use dicom_io::net::message::{Assembler, Part, fragment_length, write};
use dicom_io::net::negotiation::{Context, Roles};
use dicom_io::net::pdu::{self, HEADER, Pdu};

use crate::{CT, title, uid};

fn call(class: &str, operation: Operation, has_data: bool) -> Call {
    Call { id: 7, class: uid(class), operation, has_data }
}

fn all() -> Vec<Command> {
    let instance = uid("1.2.3.44");
    let commitment = || uid(COMMITMENT_INSTANCE);
    let calls = [
        call(VERIFICATION, Operation::Echo, false),
        call(CT, Operation::Store { instance }, true),
        call("1.2.840.10008.5.1.4.1.2.2.1", Operation::Find, true),
        call("1.2.840.10008.5.1.4.1.2.2.3", Operation::Get, true),
        call("1.2.840.10008.5.1.4.1.2.2.2", Operation::Move { destination: title("FOCI") }, true),
        call(COMMITMENT, Operation::Action { instance: commitment(), action: 1 }, true),
        call(COMMITMENT, Operation::EventReport { instance: commitment(), event: 2 }, true),
    ];
    let mut commands = vec![Command::Cancel { to: 7 }];
    for call in calls {
        let mut reply = call.reply(Status(0xB000)).commented("kept with a change");
        if let Operation::Move { .. } = call.operation {
            reply.progress = Some(Progress { remaining: 1, completed: 2, failed: 3, warning: 4 });
        }
        commands.extend([call.into(), reply.into()]);
    }
    commands
}

#[test]
fn every_command_comes_back_as_it_went() {
    for command in all() {
        assert_eq!(Command::parse(&command.bytes()), Ok(command));
    }
}

/// Group length, ascending tags, even lengths: another library reads the same elements.
#[test]
fn commands_are_data_sets_to_others() {
    for command in all() {
        let bytes = command.bytes();
        let set =
            InMemDicomObject::read_dataset_with_ts(&bytes[..], &IMPLICIT_VR_LITTLE_ENDIAN.erased()).unwrap();
        let tags: Vec<_> = set.iter().map(|element| element.header().tag).collect();
        assert!(tags.is_sorted(), "{command:?}");
        let length: u32 = set.element_by_name("CommandGroupLength").unwrap().to_int().unwrap();
        assert_eq!(length as usize, bytes.len() - 12, "{command:?}");
        let number = set
            .element_by_name("MessageID")
            .or_else(|_| set.element_by_name("MessageIDBeingRespondedTo"))
            .unwrap();
        assert_eq!(number.to_int::<u16>().unwrap(), 7);
    }
}

#[test]
fn what_cannot_be_served_still_gets_an_answer() {
    let store = call(CT, Operation::Store { instance: uid("1.2.3.44") }, true);
    let whole = Command::from(store).bytes();
    let replaced = |from: &[u8], to: &[u8]| {
        let at = whole.windows(from.len()).position(|window| window == from).unwrap();
        [&whole[..at], to, &whole[at + from.len()..]].concat()
    };
    for (bytes, field, status) in [
        // A SOP Instance UID that is none.
        (replaced(b"1.2.3.44", b"1.2.3/44"), 0x8001, Status::INVALID_ARGUMENT),
        // None at all: its tag is another one's.
        (
            replaced(&[0, 0, 0, 0x10, 8, 0, 0, 0], &[0, 0, 2, 0x10, 8, 0, 0, 0]),
            0x8001,
            Status::MISSING_ATTRIBUTE,
        ),
        // An operation that nobody knows: Command Field 0777.
        (
            replaced(&[0, 0, 0, 1, 2, 0, 0, 0, 1, 0], &[0, 0, 0, 1, 2, 0, 0, 0, 0x77, 7]),
            0x8777,
            Status::UNRECOGNIZED_OPERATION,
        ),
    ] {
        match Command::parse(&bytes) {
            Ok(Command::Odd(odd)) => {
                assert_eq!((odd.reply.field, odd.reply.to, odd.reply.status), (field, 7, status));
                assert!(odd.has_data);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn context(id: u8) -> Context {
    Context { id, abstract_syntax: uid(CT), transfer_syntax: uid(EXPLICIT_LE), roles: Roles::USUAL }
}

/// What an assembler makes of the PDUs in `wire`: the commands, and all data put together.
fn assembled(assembler: &mut Assembler, mut wire: &[u8]) -> Result<(Vec<Command>, Vec<u8>, usize), Error> {
    let (mut commands, mut data, mut ended) = (Vec::new(), Vec::new(), 0);
    while !wire.is_empty() {
        let header = pdu::header(wire, 1 << 20)?.unwrap();
        let (one, rest) = wire.split_at(HEADER + header.length);
        wire = rest;
        let Pdu::Data(values) = pdu::parse(header.kind, &one[HEADER..])? else { panic!("{header:?}") };
        for value in values {
            match assembler.add(value?, &[context(1), context(3)])? {
                Part::Command { context, command } => {
                    assert_eq!(context, 3);
                    commands.push(command);
                }
                Part::Fragment => {}
                Part::Data { bytes, last } => {
                    data.extend_from_slice(bytes);
                    ended += usize::from(last);
                }
            }
        }
    }
    Ok((commands, data, ended))
}

#[test]
fn messages_survive_fragments_of_every_length() {
    let command: Command = call(CT, Operation::Store { instance: uid("1.2.3.44") }, true).into();
    let data: Vec<u8> = (0..1000u32).map(|i| (i * 7 % 251) as u8).collect();
    for fragment in [1, 2, 57, 58, 999, 1000, 1001, fragment_length(16_384)] {
        let mut wire = Vec::new();
        write(&mut wire, 3, true, &command.bytes(), fragment);
        write(&mut wire, 3, false, &data, fragment);
        let mut assembler = Assembler::default();
        let expected = (vec![command.clone()], data.clone(), 1);
        assert_eq!(assembled(&mut assembler, &wire), Ok(expected), "{fragment}");
        assert!(!assembler.is_within());
    }
}

#[test]
fn fragments_keep_to_what_the_peer_takes() {
    for (max_pdu, most) in [(16_384, 16_384), (0, 128 << 10), (4 << 20, 128 << 10)] {
        let mut wire = Vec::new();
        write(&mut wire, 1, false, &vec![0; 300_000], fragment_length(max_pdu));
        let declared = u32::from_be_bytes([wire[2], wire[3], wire[4], wire[5]]);
        assert_eq!(declared, most, "{max_pdu}");
    }
}

#[test]
fn what_comes_in_the_wrong_order_is_refused() {
    let store = Command::from(call(CT, Operation::Store { instance: uid("1.2.3.44") }, true)).bytes();
    let (first, second) = store.split_at(20);
    let part = |context: u8, command: bool, last: bool, bytes: &[u8]| {
        [&pdu::data_header(context, command, last, bytes.len())[..], bytes].concat()
    };
    for (what, wire) in [
        ("data without a command", part(3, false, true, b"data")),
        ("a context not agreed on", part(5, true, true, &store)),
        ("data within a command", [part(3, true, false, first), part(3, false, true, b"data")].concat()),
        (
            "a command that goes on in another context",
            [part(3, true, false, first), part(1, true, true, second)].concat(),
        ),
        ("a command within data", [part(3, true, true, &store), part(3, true, true, &store)].concat()),
        ("data of another context", [part(3, true, true, &store), part(1, false, true, b"data")].concat()),
    ] {
        let result = assembled(&mut Assembler::default(), &wire);
        assert!(matches!(result, Err(Error::OutOfOrder(_))), "{what}: {result:?}");
    }
}
