//! DICOM over the network: who may call, what is answered, what takes too long.

mod common;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::Scene;
use common::dimse::{File, Link, No, read, storing, verification};
use common::kept::{CT, NODE, image, names};
use common::node::{Node, config, not_started, wait_for};
use dicom_io::Uid;
use dicom_io::net::classes::{COMMITMENT, EXPLICIT_LE, IMPLICIT_LE, VERIFICATION};
use dicom_io::net::command::{Command, Operation, Status};
use dicom_io::net::commitment::CommitmentRequest;
use dicom_io::net::message::write;
use dicom_io::net::negotiation::{Proposal, Roles};
use dicom_io::net::pdu::{self, Abort, Kind, Rejection};

/// A node that `SENDER` may store to from this machine, and others may not.
fn settings(more: &str) -> String {
    let others = r#"
[[peer]]
name = "elsewhere"
ae_title = "ELSEWHERE"
addresses = ["192.0.2.0/24"]
[[peer]]
name = "archive"
ae_title = "ARCHIVE"
addresses = ["127.0.0.1"]
may_store = false
"#;
    format!("studies.minimum_free_mb = 1\n{NODE}{others}{more}")
}

fn start(more: &str) -> (Scene, Node) {
    let scene = Scene::new();
    let node = Node::start(&scene, &config(&scene, &settings(more)));
    (scene, node)
}

/// An object like any other.
fn object() -> Vec<u8> {
    image("1.2.1", "1.2.1.1.1", 4000, 0)
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

#[test]
fn who_is_not_on_the_list_is_told_so_and_the_log_says_why() {
    let (_scene, node) = start("");
    for (calling, called, rejection, why) in [
        ("STRANGER", "FOCI", Rejection::CALLING_UNKNOWN, "no [[peer]] has the AE title STRANGER"),
        (
            "ELSEWHERE",
            "FOCI",
            Rejection::CALLING_UNKNOWN,
            "no [[peer]] with the AE title ELSEWHERE may call from 127.0.0.1",
        ),
        ("SENDER", "OTHER", Rejection::CALLED_UNKNOWN, "it calls another AE title than ours, FOCI"),
    ] {
        let refused = Link::associate(node.dicom, calling, called, &[verification()]);
        assert_eq!(refused.err(), Some(No::Rejected(rejection)), "{calling} to {called}");
        assert!(node.log().contains(why), "{why}: {}", node.log());
    }
    let mut sender = Link::associate(node.dicom, "SENDER", "FOCI", &[verification()]).unwrap();
    assert_eq!(sender.echo(), Status::SUCCESS);
    sender.release();
    node.stop();
}

#[test]
fn objects_are_stored_in_the_form_that_the_sender_has() {
    let (_scene, node) = start("");
    let file = object();
    let parsed = File::parse(&file);
    assert_eq!(parsed.transfer_syntax.as_str(), EXPLICIT_LE);
    const JPEG: &str = "1.2.840.10008.1.2.4.70";
    for (proposed, agreed) in [
        (&[IMPLICIT_LE, EXPLICIT_LE][..], EXPLICIT_LE),
        (&[IMPLICIT_LE], IMPLICIT_LE),
        (&[JPEG, EXPLICIT_LE], JPEG),
        (&["1.2.840.10008.1.2.4.80", JPEG], JPEG),
    ] {
        let link = Link::associate(node.dicom, "SENDER", "FOCI", &[Proposal::new(CT, proposed)]).unwrap();
        assert_eq!(link.context(CT).transfer_syntax.as_str(), agreed, "{proposed:?}");
        link.release();
    }
    let mut link = Link::associate(node.dicom, "SENDER", "FOCI", &storing(&file)).unwrap();
    let reply = link.store(&file);
    assert_eq!((reply.status, reply.instance.as_ref()), (Status::SUCCESS, Some(&parsed.instance)));
    assert_eq!(link.store(&file).status, Status::SUCCESS, "the same again");
    link.release();
    node.stop();
}

#[test]
fn what_is_refused_is_refused_by_name() {
    let (_scene, node) = start("");
    let proposals = [
        verification(),
        Proposal::new(CT, &["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.102"]),
        Proposal::new("1.2.840.10008.3.1.2.3.3", &[IMPLICIT_LE]),
        Proposal::new("1.3.12.2.1107.5.9.1", &[IMPLICIT_LE]),
    ];
    let link = Link::associate(node.dicom, "SENDER", "FOCI", &proposals).unwrap();
    assert_eq!(link.contexts.len(), 1);
    link.release();
    let link = Link::associate(node.dicom, "ARCHIVE", "FOCI", &[Proposal::new(CT, &[EXPLICIT_LE])]).unwrap();
    assert_eq!(link.contexts, []);
    link.release();
    let log = node.log();
    for name in [
        "CTImageStorage in JPEG-LS Lossless or MPEG-4 AVC/H.264",
        "ModalityPerformedProcedureStep (SOP class not supported)",
        "1.3.12.2.1107.5.9.1 (SOP class not supported)",
        "CTImageStorage (not wanted)",
    ] {
        assert!(log.contains(name), "{name}: {log}");
    }
    node.stop();
}

/// Whatever is asked, the asking node gets an answer and the association goes on.
#[test]
fn every_message_is_answered() {
    let (_scene, node) = start("");
    let file = object();
    let parsed = File::parse(&file);
    let mut proposals = storing(&file);
    proposals.push(Proposal::new(COMMITMENT, &[EXPLICIT_LE]).with(Roles::SERVES));
    let mut link = Link::associate(node.dicom, "SENDER", "FOCI", &proposals).unwrap();
    assert_eq!(link.context(COMMITMENT).roles, Roles::SERVES);
    let context = link.context(CT).id;
    let mr = uid("1.2.840.10008.5.1.4.1.1.4");
    let of = |text: &str| Operation::Store { instance: uid(text) };

    let ask = |link: &mut Link, class: &Uid, operation: Operation, data: Option<&[u8]>| {
        let call = link.new_call(class, operation, data.is_some());
        link.send(context, &call.clone().into(), data);
        let (reply, _) = link.reply();
        assert_eq!(reply.to, call.id);
        reply
    };
    // Another SOP class than its context's, and operations that are not for us.
    let reply = ask(&mut link, &mr, of("1.2.3"), Some(parsed.data_set));
    assert_eq!(reply.status, Status::CLASS_NOT_SUPPORTED);
    assert_eq!(reply.comment.as_deref(), Some("not the SOP class of the presentation context"));
    let reply = ask(&mut link, &parsed.class, Operation::Find, Some(b"whatever"));
    assert_eq!(reply.status, Status::UNRECOGNIZED_OPERATION);
    // Nothing to store, something else than announced, and nothing that is DICOM.
    let reply = ask(&mut link, &parsed.class, of("1.2.3"), None);
    assert_eq!(reply.status.0 & 0xF000, 0xC000, "{}", reply.status);
    let reply = ask(&mut link, &parsed.class, of("1.2.3"), Some(parsed.data_set));
    assert_eq!(reply.status.0 & 0xFF00, 0xA900, "{}", reply.status);
    assert!(reply.comment.is_some());
    let reply = ask(&mut link, &parsed.class, of("1.2.3"), Some(&[0x77; 10_000]));
    assert!(!reply.status.is_success(), "{}", reply.status);

    // A command that nobody knows, with a data set behind it.
    let call = link.new_call(&parsed.class, of("1.2.3"), true);
    let mut bytes = Command::from(call).bytes();
    let field = bytes.windows(10).position(|w| w == [0, 0, 0, 1, 2, 0, 0, 0, 1, 0]).unwrap() + 8;
    bytes[field..field + 2].copy_from_slice(&[0x77, 0x07]);
    let mut wire = Vec::new();
    write(&mut wire, context, true, &bytes, 1000);
    write(&mut wire, context, false, &[1; 5000], 1000);
    link.stream.write_all(&wire).unwrap();
    let (reply, _) = link.reply();
    assert_eq!((reply.field, reply.status), (0x8777, Status::UNRECOGNIZED_OPERATION));

    // A report on a commitment that nobody asked for, and one that is none.
    let commitment = link.context(COMMITMENT).id;
    let request = CommitmentRequest {
        transaction_uid: uid("1.2.9"),
        instances: vec![(parsed.class.clone(), uid("1.2.3"))],
    };
    for data in [request.report(&[], &uid(EXPLICIT_LE)), vec![1, 2, 3]] {
        let instance = uid("1.2.840.10008.1.20.1.1");
        let call = link.new_call(&uid(COMMITMENT), Operation::EventReport { instance, event: 1 }, true);
        link.send(commitment, &call.into(), Some(&data));
        let (reply, _) = link.reply();
        assert_eq!((reply.field, reply.status), (0x8100, Status::INVALID_ARGUMENT));
    }

    assert_eq!(link.echo(), Status::SUCCESS);
    assert_eq!(link.store(&file).status, Status::SUCCESS);
    link.release();
    node.stop();
}

#[test]
fn an_object_over_the_limit_is_answered() {
    let (_scene, node) = start("\n[dicom.limits]\nobject_mb = 1\n");
    let file = object();
    let parsed = File::parse(&file);
    let mut link = Link::associate(node.dicom, "SENDER", "FOCI", &storing(&file)).unwrap();
    let large = [parsed.data_set, &vec![0; 3 << 20]].concat();
    let call = link.new_call(&parsed.class, Operation::Store { instance: parsed.instance.clone() }, true);
    let context = link.context(CT).id;
    link.send(context, &call.into(), Some(&large));
    let (reply, _) = link.reply();
    assert_eq!(reply.status, Status(0xA701));
    assert_eq!(link.store(&file).status, Status::SUCCESS);
    link.release();
    node.stop();
}

/// A byte now and then moves no deadline.
#[test]
fn who_drips_is_cut_off() {
    let (_scene, node) =
        start("\n[dicom.limits]\nrequest_s = 2\nmessage_s = 2\nidle_s = 2\nassociation_s = 6\n");
    let file = object();
    let drip = |stream: &mut TcpStream, bytes: &[u8]| {
        let since = Instant::now();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        for byte in bytes.iter().cycle() {
            let mut one = [0];
            let gone = stream.write_all(&[*byte]).is_err() || std::io::Read::read(stream, &mut one).is_ok();
            if gone {
                return since.elapsed().as_secs_f64();
            }
            assert!(since.elapsed() < Duration::from_secs(30), "dripping goes on");
        }
        unreachable!("a cycle has no end")
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = TcpStream::connect(("127.0.0.1", node.dicom)).unwrap();
            let took = drip(&mut stream, &[1, 0, 0, 0, 0, 200, 0]);
            assert!((1.0..4.0).contains(&took), "a request: {took} s");
        });
        scope.spawn(|| {
            let mut link = Link::associate(node.dicom, "SENDER", "FOCI", &storing(&file)).unwrap();
            let took = drip(&mut link.stream, &[4, 0, 0, 0, 4, 0, 0, 0, 3, 255]);
            assert!((1.0..4.0).contains(&took), "a message: {took} s");
        });
        scope.spawn(|| {
            let link = Link::associate(node.dicom, "SENDER", "FOCI", &storing(&file)).unwrap();
            let since = Instant::now();
            let mut stream = link.stream;
            assert_eq!(read(&mut stream).map(|(kind, _)| kind), Some(Kind::Abort));
            let took = since.elapsed().as_secs_f64();
            assert!((1.0..4.0).contains(&took), "silence: {took} s");
        });
        scope.spawn(|| {
            let mut link = Link::associate(node.dicom, "SENDER", "FOCI", &storing(&file)).unwrap();
            let since = Instant::now();
            while since.elapsed() < Duration::from_secs(20) {
                let context = link.contexts[0].id;
                let call = link.new_call(&uid(VERIFICATION), Operation::Echo, false);
                link.send(context, &call.into(), None);
                if link.receive().is_none() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(300));
            }
            let took = since.elapsed().as_secs_f64();
            assert!((4.0..9.0).contains(&took), "an association: {took} s");
        });
    });
    node.stop();
}

#[test]
fn a_malformed_peer_is_told_what_it_did() {
    let (_scene, node) = start("");
    let abort = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", node.dicom)).unwrap();
        stream.write_all(bytes).unwrap();
        let (kind, body) = read(&mut stream).expect("an abort");
        assert_eq!(kind, Kind::Abort);
        pdu::parse(kind, &body).map(|pdu| format!("{pdu:?}")).unwrap()
    };
    assert_eq!(
        abort(b"GET / HTTP/1.1\r\n\r\n"),
        format!("{:?}", pdu::Pdu::Abort(Abort { source: 2, reason: 1 }))
    );
    assert_eq!(
        abort(&[4, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
        format!("{:?}", pdu::Pdu::Abort(Abort { source: 2, reason: 2 }))
    );
    assert_eq!(
        abort(&[1, 0, 0xFF, 0, 0, 0]),
        format!("{:?}", pdu::Pdu::Abort(Abort { source: 2, reason: 6 }))
    );
    node.stop();
}

#[test]
fn a_node_that_stops_says_goodbye() {
    let (scene, node) = start("");
    let file = image("1.2.1", "1.2.1.1.1", 1_000_000, 0);
    let mut idle = Link::associate(node.dicom, "SENDER", "FOCI", &storing(&file)).unwrap();
    let mut busy = Link::associate(node.dicom, "SENDER", "FOCI", &storing(&file)).unwrap();
    let parsed = File::parse(&file);
    let call = busy.new_call(&parsed.class, Operation::Store { instance: parsed.instance.clone() }, true);
    let context = busy.context(CT).id;
    let mut wire = Vec::new();
    write(&mut wire, context, true, &Command::from(call).bytes(), 1000);
    write(&mut wire, context, false, parsed.data_set, 1000);
    let (begun, rest) = wire.split_at(wire.len() / 2);
    busy.stream.write_all(begun).unwrap();
    wait_for("the beginning of an object", || (!names(&scene, "incoming").is_empty()).then_some(()));
    let stopping = std::thread::spawn(move || node.stop());
    assert_eq!(read(&mut idle.stream).map(|(kind, _)| kind), Some(Kind::Abort));
    // The message that was under way may come to its end.
    busy.stream.write_all(rest).unwrap();
    assert_eq!(busy.reply().0.status, Status::SUCCESS);
    assert_eq!(read(&mut busy.stream).map(|(kind, _)| kind), Some(Kind::Abort));
    stopping.join().unwrap();
}

#[test]
fn others_may_listen_in_only_where_somebody_said_so() {
    let scene = Scene::new();
    let said = not_started(&scene, &config(&scene, &settings("").replacen("127.0.0.1:0", "0.0.0.0:0", 1)));
    assert!(said.contains("allow_plain"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let scene = Scene::new();
    let said = not_started(&scene, &config(&scene, &settings("").replacen("127.0.0.1:0", &address, 1)));
    assert!(said.contains("another program listens on that port") && said.contains(&address), "{said}");
}
