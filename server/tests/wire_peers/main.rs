//! DICOM with other people's programs: dcmtk and pynetdicom, with TLS and without.

#[path = "../common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::certificates::{Pair, Signed, authority};
use common::node::{Node, config, wait_for};
use common::{Scene, foci, installed, peers, repository, slices};

/// Without TLS and with it, for one sender.
fn configured(scene: &Scene, signed: &Signed, more: &str) -> PathBuf {
    let Signed { trusted, node: Pair { certificate, key }, .. } = signed;
    let text = format!(
        r#"
[http]
listen = "127.0.0.1:0"

[studies]
minimum_free_mb = 64

[dicom]
listen = "127.0.0.1:0"

[dicom.tls]
listen = "127.0.0.1:0"
certificate = {certificate:?}
key = {key:?}
trusted = {trusted:?}

[[peer]]
name = "scanner"
ae_title = "SENDER"
addresses = ["127.0.0.1"]

[[peer]]
name = "careful"
ae_title = "CAREFUL"
addresses = ["127.0.0.1"]
tls = true
{more}"#
    );
    config(scene, &text)
}

/// One of these stands for dcmtk, which comes as a whole.
const STORESCP: &str = "/usr/bin/storescp";

/// A program of dcmtk.
fn dcmtk(name: &str) -> Command {
    let mut command = Command::new(Path::new("/usr/bin").join(name));
    command.env("TCP_NODELAY", "1");
    command
}

fn pynet(peers: &Path) -> Command {
    let mut command = Command::new(peers.join("bin/python"));
    command.arg(repository("server/tests/wire_peers/pynet.py"));
    command
}

/// What `command` prints, both ways, and whether it succeeded.
#[track_caller]
fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

/// How many images the node keeps.
fn kept(scene: &Scene) -> usize {
    let folders = std::fs::read_dir(scene.path("data/images")).into_iter().flatten();
    folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap()).count()
}

/// Another transfer syntax of the same image, by dcmtk.
#[track_caller]
fn transcoded(scene: &Scene, slice: &Path, program: &str, options: &[&str]) -> PathBuf {
    let to = scene.path(&format!("{program}.dcm"));
    let (done, text) = said(dcmtk(program).args(options).arg(slice).arg(&to));
    assert!(done, "{program}: {text}");
    to
}

#[test]
fn dcmtk_stores_here() {
    if !installed("dcmtk_stores_here", &[STORESCP]) {
        return;
    }
    let scene = Scene::new();
    let signed = authority(&scene.folder("pki"), "ours");
    let node = Node::start(&scene, &configured(&scene, &signed, ""));
    let port = node.dicom.to_string();
    let study = scene.phantom(&[]);
    let all = slices(&study);
    let to_us = ["-aet", "SENDER", "-aec", "FOCI", "127.0.0.1", &port];

    let (done, text) = said(dcmtk("echoscu").args(to_us));
    assert!(done, "{text}");
    let (done, text) = said(dcmtk("echoscu").args(["-aet", "WHO", "-aec", "FOCI", "127.0.0.1", &port]));
    assert!(!done && text.contains("Calling AE Title Not Recognized"), "{text}");

    let (done, text) = said(dcmtk("storescu").args(to_us).args(&all[..5]));
    assert!(done, "{text}");
    assert_eq!(kept(&scene), 5);
    // In the smallest PDUs that dcmtk can make.
    let (done, text) = said(dcmtk("storescu").args(["--max-send-pdu", "4096"]).args(to_us).args(&all[5..10]));
    assert!(done, "{text}");
    assert_eq!(kept(&scene), 10);
    // dcmsend succeeds even where it is refused: what counts is what is here.
    let (_, text) = said(dcmtk("dcmsend").args(to_us).args(&all[10..]));
    assert_eq!(kept(&scene), all.len(), "{text}");

    for (program, options, proposed) in [
        ("dcmcrle", &[][..], "-xr"),
        ("dcmcjpeg", &["+e1"], "-xs"),
        ("dcmconv", &["+tb"], "-xb"),
        ("dcmconv", &["+ti"], "-xi"),
    ] {
        let file = transcoded(&scene, &all[0], program, options);
        // Under a UID of its own: with another transfer syntax it is another object.
        let (done, text) = said(dcmtk("dcmodify").args(["-nb", "-gin"]).arg(&file));
        assert!(done, "{text}");
        let (done, text) = said(dcmtk("storescu").arg(proposed).args(to_us).arg(&file));
        assert!(done, "{program} {options:?}: {text}");
    }
    assert_eq!(kept(&scene), all.len() + 4);
    node.stop();
}

#[test]
fn pynetdicom_stores_here() {
    let Some(peers) = peers("pynetdicom_stores_here") else { return };
    let scene = Scene::new();
    let signed = authority(&scene.folder("pki"), "ours");
    let node = Node::start(&scene, &configured(&scene, &signed, ""));
    let port = node.dicom.to_string();
    let all = slices(&scene.phantom(&[]));
    let (_, text) = said(pynet(&peers).args(["send", &port, "SENDER", "FOCI"]).args(&all[..3]));
    assert_eq!(text, "0000\n0000\n0000\n0000\n");
    let (_, text) = said(pynet(&peers).args(["send", &port, "WHO", "FOCI"]));
    assert_eq!(text, "refused\n");
    assert_eq!(kept(&scene), 3);
    node.stop();
}

#[test]
fn with_tls_only_those_whose_certificate_is_known_come_in() {
    let test = "with_tls_only_those_whose_certificate_is_known_come_in";
    let Some(peers) = peers(test).filter(|_| installed(test, &[STORESCP])) else { return };
    let scene = Scene::new();
    let folder = scene.folder("pki");
    let (ours, strangers) = (authority(&folder, "ours"), authority(&folder, "strangers"));
    let node = Node::start(&scene, &configured(&scene, &ours, ""));
    let port = node.dicom_tls.to_string();
    let slice = slices(&scene.phantom(&[])).remove(0);
    let echo = |shown: Option<&Pair>| {
        let mut command = dcmtk("echoscu");
        match shown {
            Some(Pair { certificate, key }) => command.arg("+tls").arg(key).arg(certificate),
            None => command.arg("+tla"),
        };
        command.arg("+cf").arg(&ours.trusted).args(["-aet", "CAREFUL", "-aec", "FOCI", "127.0.0.1", &port]);
        said(&mut command)
    };
    let (done, text) = echo(Some(&ours.peer));
    assert!(done, "{text}");
    for (what, shown, why) in [
        ("no certificate", None, "the peer shows no certificate"),
        ("a stranger's certificate", Some(&strangers.peer), "signed by nobody in dicom.tls.trusted"),
        ("an expired certificate", Some(&ours.expired), "the peer's certificate has expired"),
    ] {
        let (done, text) = echo(shown);
        assert!(!done, "{what}: {text}");
        wait_for(why, || node.log().contains(why).then_some(()));
    }
    // Without TLS: neither is it spoken on that port, nor may this peer call on the other.
    let (done, _) = said(dcmtk("echoscu").args([
        "-to",
        "5",
        "-ta",
        "5",
        "-aet",
        "SENDER",
        "-aec",
        "FOCI",
        "127.0.0.1",
        &port,
    ]));
    assert!(!done);
    let plain = node.dicom.to_string();
    let (done, text) = said(dcmtk("echoscu").args(["-aet", "CAREFUL", "-aec", "FOCI", "127.0.0.1", &plain]));
    assert!(!done && text.contains("Calling AE Title Not Recognized"), "{text}");
    assert!(node.log().contains("the peer careful must call with TLS"), "{}", node.log());

    let mut store = dcmtk("storescu");
    store.arg("+tls").arg(&ours.peer.key).arg(&ours.peer.certificate).arg("+cf").arg(&ours.trusted);
    let (done, text) = said(store.args(["-aet", "CAREFUL", "-aec", "FOCI", "127.0.0.1", &port]).arg(&slice));
    assert!(done, "{text}");
    assert_eq!(kept(&scene), 1);

    let send = |shown: Option<&Pair>| {
        let mut command = pynet(&peers);
        command.env("TRUSTED", &ours.trusted).args(["send", &port, "CAREFUL", "FOCI"]).arg(&slice);
        if let Some(Pair { certificate, key }) = shown {
            command.env("CERTIFICATE", certificate).env("KEY", key);
        }
        said(&mut command).1
    };
    assert_eq!(send(Some(&ours.peer)), "0000\n0000\n");
    for shown in [None, Some(&strangers.peer)] {
        let text = send(shown);
        assert!(!text.contains("0000"), "{text}");
    }
    node.stop();
}

/// Ended with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `foci check` says C-ECHO to every peer: so we call others with TLS, and believe only who shows a certificate.
#[test]
fn we_call_with_tls_and_believe_no_stranger() {
    let Some(peers) = peers("we_call_with_tls_and_believe_no_stranger") else { return };
    let scene = Scene::new();
    let folder = scene.folder("pki");
    let (ours, strangers) = (authority(&folder, "ours"), authority(&folder, "strangers"));
    let serve = |signed: &Signed, trusted: &Signed| {
        let mut command = pynet(&peers);
        command.args(["serve", "PACS"]).env("TRUSTED", &trusted.trusted);
        command.env("CERTIFICATE", &signed.peer.certificate).env("KEY", &signed.peer.key);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut port = String::new();
        lines.read_line(&mut port).unwrap();
        (Ended(child), lines, port.trim().to_owned())
    };
    let (_pacs, mut told, right) = serve(&ours, &ours);
    let (_impostor, _, wrong) = serve(&strangers, &ours);
    let (_closed, _, closed) = serve(&ours, &strangers);
    let calls: String = [("pacs", &right), ("impostor", &wrong), ("closed", &closed)]
        .iter()
        .map(|(name, port)| {
            format!("\n[[peer]]\nname = \"{name}\"\nae_title = \"PACS\"\nhost = \"localhost\"\nport = {port}\ntls = true\n")
        })
        .collect();
    let path = configured(&scene, &ours, &calls);
    let (_, text) = said(foci(&scene).args(["check", "--config"]).arg(&path));
    assert!(text.contains("pacs: it answers (C-ECHO)"), "{text}");
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert_eq!(line, "echo\n");
    assert!(text.contains("impostor: it does not answer"), "{text}");
    assert!(text.contains("signed by nobody in dicom.tls.trusted"), "{text}");
    assert!(text.contains("closed: it does not answer"), "{text}");
}

/// dcmtk's server listens on every address, so it runs in a network of its own, and we with it.
#[test]
fn we_call_dcmtk_with_tls() {
    const TEST: &str = "we_call_dcmtk_with_tls";
    if !installed(TEST, &[STORESCP]) {
        return;
    }
    let isolated = || {
        let mut command = Command::new("unshare");
        command.args(["--net", "--map-root-user"]);
        command
    };
    if !isolated().arg("true").status().is_ok_and(|status| status.success()) {
        common::skip(TEST, "namespace", "a network of its own cannot be had here");
        return;
    }
    let scene = Scene::new();
    let folder = scene.folder("pki");
    let (ours, strangers) = (authority(&folder, "ours"), authority(&folder, "strangers"));
    for (theirs, answers) in [(&ours, true), (&strangers, false)] {
        let more = "\n[[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"localhost\"\nport = 11119\ntls = true\n";
        let path = configured(&scene, &ours, more);
        let script = r#"
            export PATH="$PATH:/usr/sbin:/sbin"
            ip link set lo up
            /usr/bin/storescp +tls "$1" "$2" +cf "$3" -aet PACS 11119 &
            for i in $(seq 100); do
                (exec 3<>/dev/tcp/127.0.0.1/11119) 2>/dev/null && break
                sleep 0.05
            done
            "$4" check --config "$5"
            kill %1
        "#;
        let mut command = isolated();
        command.args(["bash", "-c", script, "check"]);
        command.arg(&theirs.peer.key).arg(&theirs.peer.certificate).arg(&ours.trusted);
        command.arg(env!("CARGO_BIN_EXE_foci")).arg(&path);
        let (_, text) = said(&mut command);
        assert_eq!(text.contains("pacs: it answers (C-ECHO)"), answers, "{text}");
        assert_eq!(text.contains("signed by nobody in dicom.tls.trusted"), !answers, "{text}");
    }
}

#[test]
fn a_wrong_certificate_is_named_before_the_first_patient() {
    let scene = Scene::new();
    let folder = scene.folder("pki");
    let (ours, strangers) = (authority(&folder, "ours"), authority(&folder, "strangers"));
    let nothing = folder.join("nothing.pem");
    std::fs::write(&nothing, "nothing\n").unwrap();
    let pair = |certificate: &Path, key: &Path, trusted: &Path| Signed {
        trusted: trusted.to_owned(),
        node: Pair { certificate: certificate.to_owned(), key: key.to_owned() },
        peer: Pair { certificate: certificate.to_owned(), key: key.to_owned() },
        expired: Pair { certificate: certificate.to_owned(), key: key.to_owned() },
    };
    let (certificate, key, trusted) = (&ours.node.certificate, &ours.node.key, &ours.trusted);
    for (signed, setting, why) in [
        (pair(&folder.join("none.pem"), key, trusted), "dicom.tls.certificate", "there is no such file"),
        (pair(certificate, &folder.join("none.key"), trusted), "dicom.tls.key", "there is no such file"),
        (pair(certificate, key, &nothing), "dicom.tls.trusted", "there is no certificate in it"),
        (pair(certificate, certificate, trusted), "dicom.tls.key", "there is no private key"),
        (
            pair(certificate, &strangers.node.key, trusted),
            "dicom.tls.key",
            "does not belong to the certificate",
        ),
        (
            pair(&ours.expired.certificate, &ours.expired.key, trusted),
            "dicom.tls.certificate",
            "the certificate has expired",
        ),
    ] {
        let path = configured(&scene, &signed, "");
        for command in ["serve", "check"] {
            let (done, text) = said(foci(&scene).args([command, "--config"]).arg(&path));
            assert!(!done, "{why}");
            assert!(text.contains(setting) && text.contains(why), "{command}: {setting}, {why}: {text}");
        }
    }
}
