//! A wrong configuration is refused whole, with a clear sentence for each thing that is wrong.

mod common;

use std::fs;
use std::path::Path;

use common::node::{Node, config, free_port, not_started};
use common::{Scene, foci};

/// What `foci serve` says about `text`, which it must refuse, after `the configuration foci.toml is wrong`.
#[track_caller]
fn refused(text: &str) -> String {
    let scene = Scene::new();
    fs::write(scene.path("foci.toml"), text).unwrap();
    let said = not_started(&scene, Path::new("foci.toml"));
    assert!(!scene.path("data").exists(), "something was made before the configuration was found wrong");
    let said =
        said.strip_prefix("foci: the configuration foci.toml is wrong").unwrap_or_else(|| panic!("{said}"));
    said.trim().trim_start_matches(": ").to_owned()
}

/// `text` behind what every configuration says is refused with exactly these sentences.
#[track_caller]
fn check(text: &str, sentences: &[&str]) {
    let said = refused(&format!("data = \"data\"\n{text}"));
    let said: Vec<_> = said.lines().map(str::trim).collect();
    assert_eq!(said, sentences);
}

const PEER: &str =
    "[[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\naddresses = [\"127.0.0.1\"]\nhost = \"127.0.0.1\"\n";

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    check(
        "[dicom]\nae_title = 12 13\n",
        &["line 3, column 12: string values must be quoted, expected literal string"],
    );
    check("[dicom\n", &["line 2, column 7: unclosed table, expected `]`"]);
}

#[test]
fn a_file_that_is_not_there_is_told() {
    let scene = Scene::new();
    for (arguments, name) in [(&["--config", "other.toml"][..], "other.toml"), (&[], "foci.toml")] {
        let output = foci(&scene).arg("serve").args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let expected =
            format!("foci: the configuration {name} is wrong: it cannot be read: No such file or directory");
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_one() {
    check(
        "[studies]\nstable = 5\nkeep_image_days = 3\n[http]\nquux = 1\n",
        &[
            "line 6, column 1: http.quux: there is no such setting; there are listen, allow_plain, token_file, request_mb",
            "line 4, column 1: studies.keep_image_days: there is no such setting; did you mean keep_images_days?",
            "line 3, column 1: studies.stable: there is no such setting; did you mean stable_s?",
        ],
    );
}

#[test]
fn every_value_of_the_wrong_kind_is_told_at_once() {
    let mut text = PEER.to_owned();
    text += "port = 70000\nlane = \"urgent\"\n";
    text += "[[rule]]\nname = \"chest\"\nwhen.body_part = \"(CHEST\"\nwhen.tags = { Nothing = \"a\" }\n";
    text += "[dicom]\nlisten = \"11112\"\nlimits.pending = -1\n[studies]\nkeep_images_days = \"ever\"\n";
    text += "[[peer]]\nae_title = \"X\"\nhost = \"::1\"\naddresses = [\"10.0.0.0/33\", \"10.0.0.7\"]\n";
    let said = refused(&format!("data = \"data\"\n{text}"));
    for sentence in [
        "dicom.limits.pending: invalid value: integer `-1`, expected usize",
        "dicom.listen: \"11112\" is no address with a port (127.0.0.1:11112) and not \"off\"",
        "peer \"pacs\": lane: \"urgent\" is none of emergency, normal, bulk",
        "peer \"pacs\": port: invalid value: integer `70000`, expected u16",
        "peer number 2: addresses: \"10.0.0.0/33\" is no address (10.0.0.7) and no network (10.0.0.0/24)",
        "rule \"chest\": when.body_part: \"(CHEST\" is no regular expression: unclosed group",
        "rule \"chest\": when.tags.Nothing: \"Nothing\" is neither a keyword of the standard (StationName) nor a tag \
         (0008,1010)",
        "studies.keep_images_days: it is neither a number of days nor \"never\"",
        "peer number 2: name is missing",
    ] {
        assert!(said.lines().any(|line| line.ends_with(sentence)), "{sentence}\n{said}");
    }
    assert_eq!(said.lines().count(), 9, "{said}");
}

#[test]
fn a_setting_that_is_needed_is_missed() {
    let said = refused("[dicom.tls]\n[[peer]]\n[[dicomweb]]\n[[rule]]\n[alert]\n");
    for sentence in [
        "data is missing: the folder to keep everything in",
        "dicom.tls.certificate is missing",
        "dicom.tls.key is missing",
        "dicom.tls.trusted is missing",
        "peer number 1: name is missing",
        "dicomweb number 1: name is missing",
        "rule number 1: name is missing",
        "peer number 1: ae_title is missing",
        "peer number 1 can neither call (addresses) nor be called (host)",
        "dicomweb number 1: url is missing",
        "alert.url is missing",
    ] {
        assert!(said.lines().any(|line| line.trim() == sentence), "{sentence}\n{said}");
    }
    assert_eq!(said.lines().count(), 11, "{said}");
}

#[test]
fn rules_name_what_there_is() {
    let rules = r#"
[[rule]]
name = "chest"
when.sender = ["ct", "pacs"]
when.modality = ["MR", "ct"]
models = ["lung", "lung-nodule", "liver", "lung-nodule"]
send_to = ["pacs", "archive"]
[[rule]]
name = "all"
send_to = ["pacs"]
[[rule]]
name = "chest"
when.minimum_images = 0
"#;
    check(
        &(PEER.to_owned() + rules),
        &[
            "rule \"chest\": the name is used twice",
            "rule \"chest\": model \"lung\" is unknown; there are liver-lesion, lung-nodule",
            "rule \"chest\": the model liver finds nothing by itself; it helps others; there are liver-lesion, lung-nodule",
            "rule \"chest\": model \"lung-nodule\" is named twice",
            "rule \"chest\": destination \"archive\" is unknown: no peer and no dicomweb has that name",
            "rule \"chest\": sender \"ct\" is unknown: no peer has that name, nor is it stow or pull",
            "rule \"chest\": modality \"ct\" is no DICOM code such as CT",
            "rule \"all\": send_to has nothing to send, for there are no models",
            "rule \"chest\": minimum_images is 0",
            "rule \"chest\" never applies: rule \"all\" before it applies to everything",
        ],
    );
    check(
        "[[rule]]\nname = \"mr\"\nwhen.modality = [\"MR\"]\nmodels = [\"lung-nodule\"]\n",
        &["rule \"mr\" applies to MR only, and its models read CT"],
    );
}

#[test]
fn peers_are_sound_and_can_be_told_apart() {
    let peers = r#"
[[peer]]
name = "pacs"
ae_title = "PACS\\1"
host = "127.0.0.1:104"
port = 0
[[peer]]
name = "stow"
ae_title = "A TITLE TOO LONG!"
addresses = ["10.0.0.7"]
[[peer]]
name = "a"
ae_title = "CT"
addresses = ["10.0.0.0/24"]
commitment = true
[[peer]]
name = "b"
ae_title = "CT"
addresses = ["10.0.0.7"]
tls = true
[[dicomweb]]
name = "a"
url = "ftp://pacs/"
[[dicomweb]]
name = "c"
url = "http://user:secret@pacs/"
[[rule]]
name = "all"
models = ["lung-nodule"]
send_to = ["b"]
"#;
    let title = "is no AE title: 1 to 16 ASCII characters, no backslash, no blanks around it";
    check(
        peers,
        &[
            "peer \"stow\": the name stands for what comes by another way already",
            "dicomweb \"a\": the name is used twice",
            &format!("peer \"pacs\": ae_title \"PACS\\\\1\" {title}"),
            "peer \"pacs\": port is 0",
            "peer \"pacs\": host \"127.0.0.1:104\" is no name and no address; its port is a setting of its own",
            &format!("peer \"stow\": ae_title \"A TITLE TOO LONG!\" {title}"),
            "peer \"a\": commitment needs to call it, and it has no host",
            "peer \"b\": tls needs a certificate of our own: [dicom.tls]",
            "peers \"a\" and \"b\" call with one AE title from the same addresses and cannot be told apart",
            "dicomweb \"a\": url \"ftp://pacs/\" is no URL that begins with https:// or http://",
            "dicomweb \"c\": url holds a user or a password: put a token into a file",
            "rule \"all\": destination \"b\" cannot be called: the peer has no host",
        ],
    );
}

#[test]
fn nothing_leaves_this_machine_in_the_clear_by_accident() {
    let text = r#"
[dicom]
listen = "0.0.0.0:11112"
[http]
listen = "0.0.0.0:11112"
[[peer]]
name = "pacs"
ae_title = "PACS"
host = "pacs.hospital.example"
[[dicomweb]]
name = "web"
url = "http://pacs.hospital.example/dicom-web"
[alert]
url = "http://10.0.0.7/alert"
"#;
    let said = refused(&format!("data = \"data\"\n{text}"));
    let begins = [
        "dicom.listen is 0.0.0.0:11112, which others can reach, and has no TLS:",
        "http.listen is 0.0.0.0:11112, which others can reach, and has no TLS:",
        "http.listen is 0.0.0.0:11112, which others can reach: http.token_file is needed",
        "dicom.listen and http.listen are the same address, 0.0.0.0:11112",
        "peer \"pacs\": host \"pacs.hospital.example\" is another machine, to be called without TLS:",
        "dicomweb \"web\": url \"http://pacs.hospital.example/dicom-web\" is on another machine and without TLS:",
        "alert.url \"http://10.0.0.7/alert\" is on another machine and without TLS:",
    ];
    for (line, begin) in said.lines().zip(begins) {
        assert!(line.trim().starts_with(begin), "{line}");
    }
    assert_eq!(said.lines().count(), begins.len(), "{said}");
}

#[test]
fn limits_leave_something() {
    check(
        "dicom.limits.associations = 0\ndicom.limits.pdu_bytes = 100\nstudies.stable_s = 0\nanalysis.workers = 0\n\
         analysis.lease_s = nan\ndelivery.first_s = 60.0\ndelivery.most_s = 5.0\n",
        &[
            "dicom.limits.associations is 0, and must be at least 1",
            "studies.stable_s is 0, and must be at least 1",
            "analysis.workers is 0, and must be at least 1",
            "dicom.limits.pdu_bytes is 100, and must be between 4096 and 16777216",
            "analysis.lease_s is NaN, and must be between 0.001 seconds and a year",
            "delivery.first_s is 60, longer than delivery.most_s, 5",
        ],
    );
    check(
        "dicom.listen = \"off\"\nhttp.listen = \"off\"\n",
        &["nothing can ever come in: dicom.listen, dicom.tls.listen and http.listen are all off"],
    );
}

/// What `foci check --config` prints, line by line without the spaces between, and whether it is content.
fn checked(scene: &Scene, text: &str) -> (Vec<String>, bool) {
    let config = config(scene, text);
    let output = foci(scene).arg("check").arg("--config").arg(config).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    (lines.lines().map(squeezed).collect(), output.status.success())
}

#[track_caller]
fn has(lines: &[String], begin: &str) {
    assert!(lines.iter().any(|line| line.starts_with(begin)), "{begin}\n{lines:#?}");
}

/// A port that is taken as long as the listener lives.
fn taken() -> (std::net::TcpListener, u16) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A node that may call itself.
const SELF: &str = "[[peer]]\nname = \"me\"\nae_title = \"FOCI\"\naddresses = [\"127.0.0.1\"]\n";

/// Listening on ports of the system's choice.
const FREE: &str =
    "dicom.listen = \"127.0.0.1:0\"\nhttp.listen = \"127.0.0.1:0\"\nstudies.minimum_free_mb = 1\n";

#[test]
fn what_a_first_start_needs_is_looked_at_and_nothing_is_made() {
    let scene = Scene::new();
    let (lines, content) = checked(&scene, FREE);
    has(&lines, "ok configuration peers: 0, DICOMweb servers: 0, rules: 0");
    has(&lines, "note rules there are none: studies are kept and none is analyzed");
    has(&lines, "missing data ");
    has(&lines, "ok data disk ");
    has(&lines, "missing database it is made at the first start");
    has(&lines, "ok dicom.listen 127.0.0.1:0 is free");
    assert!(content, "{lines:#?}");
    assert_eq!(scene.names(), ["foci.toml"]);
}

#[test]
fn a_node_that_cannot_work_is_told_each_thing_that_is_wrong() {
    let scene = Scene::new();
    let (_listener, port) = taken();
    fs::write(scene.path("data"), "no folder").unwrap();
    fs::write(scene.path("bad.pem"), "no PEM").unwrap();
    fs::write(scene.path("empty.token"), "").unwrap();
    let text = format!(
        r#"
dicom.listen = "127.0.0.1:{port}"
http.listen = "192.0.2.1:8080"
http.allow_plain = true
http.token_file = "empty.token"
[dicom.tls]
certificate = "bad.pem"
key = "bad.pem"
trusted = "bad.pem"
[[dicomweb]]
name = "cloud"
url = "https://cloud.example/"
token_file = "nowhere.token"
"#
    );
    let (lines, content) = checked(&scene, &text);
    has(&lines, "wrong data ");
    has(&lines, &format!("wrong dicom.listen 127.0.0.1:{port} is in use by another program"));
    has(&lines, "wrong http.listen 192.0.2.1:8080 is no address of this machine");
    has(&lines, "wrong dicom.tls dicom.tls.certificate = ");
    has(&lines, "wrong dicomweb the DICOMweb server cloud: the token file ");
    has(&lines, "wrong http.token_file the token in http.token_file ");
    assert!(!content, "{lines:#?}");

    let (lines, content) = checked(&scene, "dicom.ae_title = \"\"\nhttp.listn = 1\n");
    has(
        &lines,
        "wrong configuration line 3, column 6: http.listn: there is no such setting; did you mean listen?",
    );
    has(&lines, "wrong configuration dicom.ae_title is missing");
    assert!(!content, "{lines:#?}");
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let scene = Scene::new();
    let config = config(&scene, FREE);
    Node::start(&scene, &config).stop();
    let (lines, content) = checked(&scene, FREE);
    has(&lines, "ok database version 1");
    assert!(content, "{lines:#?}");

    // The user version stands at byte 60 of the file, as four bytes, the high one first.
    let file = scene.path("data/foci.db");
    let mut bytes = fs::read(&file).unwrap();
    assert_eq!(bytes[60..64], [0, 0, 0, 1]);
    bytes[63] = 99;
    fs::write(&file, &bytes).unwrap();
    let sentence = "the database was made by a newer version of foci (its tables are version 99, this program \
                    knows 1): run that version, or restore a backup";
    let (lines, content) = checked(&scene, FREE);
    has(&lines, &format!("wrong database {sentence}"));
    assert!(!content, "{lines:#?}");
    assert_eq!(not_started(&scene, &config), format!("foci: {sentence}\n"));
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn a_node_that_runs_may_be_checked() {
    let scene = Scene::new();
    let node = Node::start(&scene, &config(&scene, &(FREE.to_owned() + SELF)));
    let dicom = format!("127.0.0.1:{}", node.dicom);
    let (lines, content) = checked(&scene, &FREE.replacen("127.0.0.1:0", &dicom, 1));
    has(&lines, "ok database version 1");
    has(&lines, &format!("ok dicom.listen {dicom} is in use, and this node runs"));
    assert!(content, "{lines:#?}");
    // A peer that answers, one that refuses us, and one that is not there.
    let nobody = free_port();
    let peer = |name: &str, title: &str, port: u16| {
        format!("[[peer]]\nname = \"{name}\"\nae_title = \"{title}\"\nhost = \"127.0.0.1\"\nport = {port}\n")
    };
    let peers = peer("self", "FOCI", node.dicom)
        + &peer("other", "OTHER", node.dicom)
        + &peer("gone", "GONE", nobody);
    let web = format!("[[dicomweb]]\nname = \"web\"\nurl = \"http://127.0.0.1:{nobody}/\"\n");
    let (lines, content) = checked(&scene, &format!("{FREE}{SELF}{peers}{web}"));
    has(&lines, "ok peer self: it answers (C-ECHO)");
    has(&lines, "note peer other: it does not answer (C-ECHO): ");
    has(&lines, "note peer gone: it does not answer (C-ECHO): ");
    has(&lines, "note dicomweb web: it does not answer (QIDO-RS): ");
    assert!(content, "{lines:#?}");
    // And a second one on the same folder does not start.
    let said = not_started(&scene, &config(&scene, FREE));
    assert!(
        said.contains(" belongs to a foci serve that is running: end that one first, or give "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1);
    node.stop();
}

#[test]
fn a_port_in_use_and_a_wrong_certificate_are_one_sentence_each() {
    let scene = Scene::new();
    let (_listener, port) = taken();
    let text = format!("dicom.listen = \"127.0.0.1:{port}\"\nhttp.listen = \"off\"\n");
    let sentence = format!(
        "foci: dicom.listen = \"127.0.0.1:{port}\": another program listens on that port: stop it, or choose another \
         port\n"
    );
    assert_eq!(not_started(&scene, &config(&scene, &text)), sentence);

    fs::write(scene.path("foci.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let tls = "[dicom.tls]\ncertificate = \"foci.pem\"\nkey = \"nowhere.key\"\ntrusted = \"foci.pem\"\n";
    let said = not_started(&scene, &config(&scene, &(FREE.to_owned() + tls)));
    let path = scene.path("nowhere.key");
    assert_eq!(said, format!("foci: dicom.tls.key = {path:?}: there is no such file\n"));
}
