//! DICOMweb of a whole node: who may ask, and what hostile clients can do.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::node::{Node, config};
use common::web::{Answer, MULTIPART, ask, multipart, send};
use common::{Random, Scene, full, slices};

const TOKEN: &str = "a-token-of-this-test-0123456789";
const WITH_TOKEN: (&str, &str) = ("authorization", "Bearer a-token-of-this-test-0123456789");

/// A node that only the token opens.
fn node(scene: &Scene) -> Node {
    let token = scene.path("token");
    std::fs::write(&token, TOKEN).unwrap();
    let more = format!(
        "studies.minimum_free_mb = 1\n[dicom]\nlisten = \"127.0.0.1:0\"\n[dicom.limits]\nidle_s = 2\n\
         [http]\nlisten = \"127.0.0.1:0\"\ntoken_file = {token:?}\nrequest_mb = 64\n"
    );
    Node::start(scene, &config(scene, &more))
}

fn store(port: u16, message: &[u8]) -> Answer {
    let headers = [WITH_TOKEN, ("content-type", MULTIPART)];
    send(port, "POST", "/dicom-web/studies", &headers, message)
}

/// The images of the node, in their places.
fn images(scene: &Scene) -> Vec<PathBuf> {
    let mut images = Vec::new();
    for study in std::fs::read_dir(scene.path("data/images")).unwrap() {
        images.extend(std::fs::read_dir(study.unwrap().path()).unwrap().map(|image| image.unwrap().path()));
    }
    images
}

#[test]
fn without_the_token_nothing_is_stored_and_nothing_is_told() {
    let scene = Scene::new();
    let study = slices(&scene.phantom(&[]));
    let node = node(&scene);
    let message = multipart(&[std::fs::read(&study[0]).unwrap()]);
    let wrong = [("authorization", "Bearer wrong-token-0123456789")];
    for token in [&[][..], &wrong, &[("authorization", "Basic Og==")]] {
        let typed = [token, &[("content-type", MULTIPART)]].concat();
        assert_eq!(send(node.http, "POST", "/dicom-web/studies", &typed, &message).status, 401);
        assert_eq!(ask(node.http, "GET", "/dicom-web/studies", token).status, 401);
        assert_eq!(ask(node.http, "GET", "/dicom-web/studies/1.2/metadata", token).status, 401);
    }
    assert!(images(&scene).is_empty());
    let answer = store(node.http, &message);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(images(&scene).len(), 1);
    assert_eq!(ask(node.http, "GET", "/dicom-web/studies", &[WITH_TOKEN]).status, 204);
    ask(node.http, "GET", "/dicom-web/nonsense", &[WITH_TOKEN]).problem(404);
    ask(node.http, "DELETE", "/dicom-web/studies", &[WITH_TOKEN]).problem(405);
    assert!(!node.log().contains(TOKEN));
    node.stop();
}

#[test]
fn the_service_is_described_where_the_api_is() {
    let scene = Scene::new();
    let node = node(&scene);
    let answer = ask(node.http, "GET", "/openapi.json", &[WITH_TOKEN]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let description = answer.json();
    let study = &description["paths"]["/dicom-web/studies"];
    assert!(study["post"].is_object() && study["get"].is_object(), "{description}");
    let instance = "/dicom-web/studies/{study}/series/{series}/instances/{instance}";
    for path in ["", "/metadata", "/rendered", "/frames/{frames}"] {
        assert!(description["paths"][format!("{instance}{path}")]["get"].is_object(), "{path}");
    }
    node.stop();
}

#[test]
fn mutated_messages_are_each_answered_and_the_service_lives() {
    let scene = Scene::new();
    let study = slices(&scene.phantom(&[]));
    let mut node = node(&scene);
    let count = if full() { 1000 } else { 60 };
    let parts: Vec<_> = study[..2].iter().map(|path| std::fs::read(path).unwrap()).collect();
    let whole = multipart(&parts);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut answers = std::collections::BTreeMap::new();
    for _ in 0..count {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(8) {
            // Where lengths and tags are, four times of five.
            let end = if random.below(5) == 0 { bytes.len() } else { 1200.min(bytes.len()) };
            // Nothing is left to be changed.
            let Some(at) = (end > 0).then(|| random.below(end)) else { break };
            match random.below(4) {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = 0xff,
                2 => drop(bytes.drain(at..(at + 1 + random.below(64)).min(bytes.len()))),
                _ => bytes.truncate(at + 1),
            }
        }
        *answers.entry(store(node.http, &bytes).status).or_insert(0) += 1;
    }
    eprintln!("{count} mutated messages: {answers:?}");
    assert!(answers.keys().all(|status| [200, 202, 400, 408, 409].contains(status)), "{answers:?}");
    assert!(node.is_alive());
    let answer = store(node.http, &multipart(&[std::fs::read(&study[5]).unwrap()]));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        std::fs::read_dir(scene.path("data/incoming")).unwrap().count(),
        0,
        "parts of files stay behind"
    );
    node.stop();
}

#[test]
fn who_announces_a_gigabyte_or_sends_nothing_keeps_nobody_waiting() {
    let scene = Scene::new();
    let study = slices(&scene.phantom(&[]));
    let node = node(&scene);
    let count = if full() { 400 } else { 40 };
    let head = |length: &str| {
        format!(
            "POST /dicom-web/studies HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Type: {MULTIPART}\r\n{length}\r\n\r\n"
        )
    };
    let mut sockets = Vec::new();
    for number in 0..count {
        let mut socket = TcpStream::connect(("127.0.0.1", node.http)).unwrap();
        let text = match number % 4 {
            // Larger than the node takes: refused at once.
            0 => head("Content-Length: 1073741824"),
            1 => head("Content-Length: 60000000") + "--b\r\nContent-Type: application/dicom\r\n\r\nfew",
            2 => head("Transfer-Encoding: chunked") + "5\r\n--b\r\n\r\n",
            _ => "POST /dicom-web/studies HT".to_owned(),
        };
        socket.write_all(text.as_bytes()).unwrap();
        sockets.push(socket);
    }
    let mut slowest = Duration::ZERO;
    for slice in &study[..10] {
        let since = Instant::now();
        let answer = store(node.http, &multipart(&[std::fs::read(slice).unwrap()]));
        assert_eq!(answer.status, 200, "{}", answer.text());
        slowest = slowest.max(since.elapsed());
    }
    eprintln!("{count} sockets that send nothing more; the slowest of 10 objects took {slowest:?}");
    // Far from what a client waits for, and far above what it takes here.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    for (number, socket) in sockets.iter_mut().enumerate().filter(|(number, _)| number % 4 != 3) {
        socket.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        let mut status = [0; 12];
        socket.read_exact(&mut status).unwrap();
        let expected = if number % 4 == 0 { "HTTP/1.1 413" } else { "HTTP/1.1 408" };
        assert_eq!(String::from_utf8_lossy(&status), expected, "socket {number}");
    }
    node.stop();
}
