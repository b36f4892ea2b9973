//! Nothing of a patient leaves the DICOM objects: not into the log, the database, metrics, answers or names.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use common::dimse::{File, Link, Study, send, storing, title};
use common::element::with;
use common::node::{Node, config, wait_for};
use common::web::{self, MULTIPART, get, multipart};
use common::{Scene, foci, models_ready, succeed};
use dicom_io::net::command::{Operation, Status};
use dicom_io::net::negotiation::Request;
use dicom_io::net::pdu::Pdu;

/// What is looked for: words that stand nowhere but in what is sent, with the attribute that holds them.
const CANARIES: [(u16, u16, &[u8; 2], &[u8]); 15] = [
    (0x0008, 0x0050, b"SH", b"ACC4815162342"),
    (0x0008, 0x0080, b"LO", b"Wombat General"),
    (0x0008, 0x0090, b"PN", b"THYLACINE^DOCTOR"),
    (0x0008, 0x1010, b"SH", b"BILBYSCANNER"),
    (0x0008, 0x1030, b"LO", b"?rule out platypus"),
    (0x0008, 0x103E, b"LO", b"Numbat phase 3"),
    (0x0008, 0x1070, b"PN", b"KOALA^OPERATOR"),
    // In ISO 8859-1, which is no UTF-8.
    (0x0010, 0x0010, b"PN", b"QUOKKA^J\xf6rg"),
    (0x0010, 0x0020, b"LO", b"PID-7731-QX"),
    (0x0010, 0x0030, b"DA", b"19011213"),
    (0x0010, 0x1040, b"LO", b"12 Wallaby Way"),
    (0x0010, 0x2154, b"SH", b"+61755501234"),
    (0x0010, 0x4000, b"LT", b"Bandicoot comment"),
    (0x0020, 0x4000, b"LT", b"Echidna remark"),
    (0x0040, 0xA123, b"PN", b"CASSOWARY^X"),
];

/// Parts of the above that would give it away alone, and what is sent otherwise.
const WORDS: [&[u8]; 20] = [
    b"ACC4815162342",
    b"Wombat",
    b"THYLACINE",
    b"BILBY",
    b"platypus",
    b"Numbat",
    b"KOALA",
    b"QUOKKA",
    b"J\xf6rg",
    "Jörg".as_bytes(),
    b"PID-7731",
    b"19011213",
    b"1901-12-13",
    b"Wallaby",
    b"61755501234",
    b"Bandicoot",
    b"Echidna",
    b"CASSOWARY",
    b"POSSUM",
    b"PADEMELON",
];

/// A phantom as of a patient.
fn of_a_patient(study: Study) -> Study {
    let named = |slice: Vec<u8>| {
        let file = CANARIES.iter().fold(slice, |file, canary| with(&file, *canary));
        with(&file, (0x0008, 0x0005, b"CS", b"ISO_IR 100"))
    };
    Study { files: study.files.into_iter().map(named).collect(), ..study }
}

/// Every one of `WORDS` in `bytes`, with where these came from.
#[track_caller]
fn search(from: &str, bytes: &[u8]) {
    for word in WORDS {
        if let Some(at) = bytes.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word)) {
            let around = &bytes[at.saturating_sub(200)..(at + 100).min(bytes.len())];
            panic!("{} in {from}: {}", String::from_utf8_lossy(word), String::from_utf8_lossy(around));
        }
    }
}

/// All names below `folder`, and the bytes of what is neither an image nor a DICOM result.
fn search_folder(folder: &Path, seen: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        search("a file name", name.as_bytes());
        if path.is_dir() {
            search_folder(&path, seen);
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        if bytes.get(128..132) != Some(b"DICM") {
            search(&name, &bytes);
        }
        seen.push(path.file_name().unwrap().display().to_string());
    }
}

const NODE: &str = r#"
[dicom]
listen = "127.0.0.1:0"
[http]
listen = "127.0.0.1:0"
[studies]
stable_s = 1
minimum_free_mb = 1
[[peer]]
name = "scanner"
ae_title = "SENDER"
addresses = ["127.0.0.1"]
[[rule]]
name = "marsupials"
when = { series_description = "(?i)^.umbat", tags = { InstitutionName = "Wom.at", StationName = "^BIL.YSC" } }
"#;

/// Sends all kinds of things that go wrong, with names in them.
fn misbehave(node: &Node, good: &[u8]) {
    // An association that asks by a name that a terminal obeys.
    for (calling, called) in [
        (&b"POSSUM\x1b[2J\x07"[..], &b"FOCI"[..]),
        (b"SENDER", b"PADEMELON\x07\xf6\r\n"),
        (b"POSSUM\\\"", b"\0"),
    ] {
        let request = Request::new(title("SENDER"), title("FOCI"), storing(good), 16384);
        let mut bytes = Pdu::Request(request).bytes();
        bytes[10..42].fill(b' ');
        bytes[10..10 + called.len()].copy_from_slice(called);
        bytes[26..26 + calling.len()].copy_from_slice(calling);
        let mut stream = TcpStream::connect(("127.0.0.1", node.dicom)).unwrap();
        stream.write_all(&bytes).unwrap();
        let mut answer = [0; 10];
        let _ = stream.read(&mut answer);
        assert_ne!(answer[0], 2, "an association for nobody");
    }

    // A data set that ends in the middle, one whose lengths lie, one that is announced as another, one that
    // lacks its UIDs: each is refused, in an association of its own, for the node may end it.
    let cut = good[..good.len() / 3].to_vec();
    let lying = with(good, (0x0010, 0x0010, b"PN", b"QUOKKA"));
    let name = lying.windows(8).position(|window| window == b"\x10\0\x10\0PN\x06\0").unwrap();
    let lying = [&lying[..name + 6], &[0xff, 0xff], &lying[name + 8..]].concat();
    let other = with(good, (0x0008, 0x0018, b"UI", b"1.2.3.4.5"));
    let nobody = with(good, (0x0020, 0x000D, b"UI", b"QUOKKA"));
    for (what, bytes) in [("cut", cut), ("lying", lying), ("other", other), ("nobody", nobody)] {
        let mut link = Link::associate(node.dicom, "SENDER", "FOCI", &storing(good)).unwrap();
        let reply = link.store(&bytes);
        assert_ne!(reply.status, Status::SUCCESS, "{what}");
    }

    // A command whose data set is no storage at all, and then a connection that breaks off in an object.
    let mut link = Link::associate(node.dicom, "SENDER", "FOCI", &storing(good)).unwrap();
    let file = File::parse(good);
    let context = link.context(file.class.as_str()).id;
    let call = link.new_call(&file.class, Operation::Store { instance: file.instance }, true);
    link.send(context, &call.into(), Some(b"QUOKKA^POSSUM and nothing else"));
    assert_ne!(link.reply().0.status, Status::SUCCESS);
    let mut link = Link::associate(node.dicom, "SENDER", "FOCI", &storing(good)).unwrap();
    link.stream.write_all(b"\x04\0\0\0\x10\0PADEMELON POSSUM").unwrap();
}

#[test]
fn no_name_is_anywhere_but_in_dicom_objects() {
    let scene = Scene::new();
    let study = of_a_patient(Study::read(&scene.phantom(&[])));
    let Study { uid, files } = &study;
    let analyzed = models_ready("no_name_is_anywhere_but_in_dicom_objects");
    let models = if analyzed { "models = [\"lung-nodule\"]\n" } else { "" };
    let config = config(&scene, &(NODE.to_owned() + models));
    let mut command = foci(&scene);
    command.args(["serve", "--log-level", "trace", "--config"]).arg(&config);
    let node = Node::start_with(&scene, &mut command);

    misbehave(&node, &files[0]);
    send(node.dicom, "SENDER", &study);
    let mut link = Link::associate(node.dicom, "SENDER", "FOCI", &storing(&files[0])).unwrap();
    // The same UID with other bytes is put aside.
    link.store(&with(&files[0], (0x0010, 0x0010, b"PN", b"QUOKKA^OTHER")));
    link.release();

    let done = if analyzed { "\"state\":\"done\"" } else { "runs no model" };
    wait_for("the study is dealt with", || {
        get(node.http, &format!("/api/studies/{uid}")).text().contains(done).then_some(())
    });

    if analyzed {
        // Another study, of which a slice is missing: it is refused, and the reason is shown.
        let gap = scene.path("gap");
        let size = ["--size", "16x14x20", "--spacing", "20x20x14", "--seed", "7"];
        succeed(foci(&scene).arg("phantom").arg(&gap).args(size));
        let mut gap = of_a_patient(Study::read(&gap));
        gap.files.remove(9);
        send(node.dicom, "SENDER", &gap);
        wait_for("the second study is refused", || {
            get(node.http, "/api/studies").text().contains("1 slices are missing").then_some(())
        });
    }

    // What the operator may see, and what comes back to those who ask by a name.
    let get = |path: &str| get(node.http, path);
    for path in [
        "/health",
        "/ready",
        "/metrics",
        "/",
        "/api/status",
        "/api/studies",
        "/api/quarantine",
        "/api/events",
    ] {
        let answer = get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        search(path, &answer.body);
    }
    search("the study", &get(&format!("/api/studies/{uid}")).body);
    for name in ["findings.json", "report.txt", "index.html"] {
        search(name, &get(&format!("/api/jobs/1/files/{name}")).body);
    }
    for path in
        ["/api/studies/QUOKKA", "/QUOKKA", "/api/jobs/QUOKKA/files/POSSUM", "/dicom-web/studies/QUOKKA"]
    {
        let answer = get(path);
        assert_ne!(answer.status, 200, "{path}");
    }
    get("/dicom-web/studies?PatientName=QUOKKA&PatientID=PID-7731-QX");
    for part in [&b"QUOKKA^POSSUM"[..], &files[0][..files[0].len() / 2]] {
        let of_parts = [("content-type", MULTIPART)];
        let body = multipart(&[part.to_vec()]);
        let answer = web::send(node.http, "POST", "/dicom-web/studies", &of_parts, &body);
        assert_ne!(answer.status, 200, "{}", answer.text());
        search("the answer to a broken STOW", &answer.body);
    }

    let log = node.log();
    assert!(log.lines().count() > 10, "{log}");
    for line in log.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(line["target"].as_str().unwrap().starts_with("foci"), "{line}");
    }
    node.stop();
    search("the log", &fs::read(scene.path("node.log")).unwrap());
    let mut seen = Vec::new();
    search_folder(&scene.path("data"), &mut seen);
    assert!(
        seen.iter().any(|name| name == "foci.db")
            && seen.iter().filter(|name| name.ends_with(".dcm")).count() >= 21
    );

    // And the search finds what is there.
    let image = walk(&scene.path("data/images"));
    assert!(std::panic::catch_unwind(|| search("an image", &image)).is_err());
}

/// The bytes of some file below `folder`.
fn walk(folder: &Path) -> Vec<u8> {
    let path = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    if path.is_dir() { walk(&path) } else { fs::read(path).unwrap() }
}
