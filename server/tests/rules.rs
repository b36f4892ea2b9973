//! Which rule applies to a study, and that a person is told why.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::dimse::{File, Study, send};
use common::node::{Node, wait_for};
use common::web::{get, post};
use common::{Scene, foci, replaced, slices, succeed};

/// A phantom with a second series of two images, whose description is in another character set.
fn study(scene: &Scene) -> PathBuf {
    let study = scene.phantom(&[]);
    let all = slices(&study);
    for slice in &all[..2] {
        let bytes = fs::read(slice).unwrap();
        let identity = File::parse(&bytes).identity();
        // The last digit of the series UID, and in the instance's the last too, so that they are others.
        let bytes = with_digit(&bytes, identity.series_uid.as_str().as_bytes());
        let bytes = with_digit(&bytes, identity.sop_instance_uid.as_str().as_bytes());
        let bytes = replaced(&bytes, b"ISO_IR 192", b"ISO_IR 100");
        let bytes = replaced(&bytes, b"Synthetic portal venous phase ", b"Sch\xe4del nativ                 ");
        let bytes = replaced(&bytes, b"CHEST ", b"HEAD  ");
        fs::write(study.join(format!("head-{}", slice.file_name().unwrap().display())), bytes).unwrap();
    }
    study
}

/// `uid` with another last digit, wherever it stands.
fn with_digit(bytes: &[u8], uid: &[u8]) -> Vec<u8> {
    let last = uid.iter().rposition(u8::is_ascii_digit).unwrap();
    let mut other = uid.to_vec();
    other[last] = if uid[last] == b'1' { b'2' } else { b'1' };
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(uid.len()).position(|window| window == uid) {
        bytes[at..at + uid.len()].copy_from_slice(&other);
    }
    bytes
}

const PEERS: &str = r#"
[[peer]]
name = "ct1"
ae_title = "CT1"
addresses = ["127.0.0.1"]
lane = "emergency"
[[peer]]
name = "pacs"
ae_title = "PACS"
addresses = ["127.0.0.1"]
host = "127.0.0.1"
"#;

fn explain(scene: &Scene, study: &Path, rules: &str, more: &[&str]) -> String {
    let config = common::node::config(scene, &(PEERS.to_owned() + rules));
    let mut command = foci(scene);
    command.arg("serve").arg("--config").arg(config).arg("--explain").arg(study).args(more);
    let (said, log) = succeed(&mut command);
    assert_eq!(log, "", "nothing is logged");
    said
}

/// The lines of `said` between the rule of this name and the next, without UIDs.
fn of_rule(said: &str, name: &str) -> Vec<String> {
    let lines = said.lines().skip_while(|line| !line.starts_with(&format!("rule {name:?}")));
    let rest = lines.clone().skip(1).take_while(|line| line.starts_with(' '));
    lines.take(1).chain(rest).map(without_uids).collect()
}

fn without_uids(line: &str) -> String {
    let word = |word: &str| {
        let is_uid = word.starts_with("2.25.");
        if is_uid {
            format!("UID{}", word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'))
        } else {
            word.to_owned()
        }
    };
    let indent = line.len() - line.trim_start().len();
    " ".repeat(indent) + &line.trim_start().split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn the_first_rule_of_which_one_series_meets_everything_decides() {
    let scene = Scene::new();
    let study = study(&scene);
    let rules = r#"
[[rule]]
name = "both"
when = { body_part = "^HEAD", minimum_images = 10 }
models = ["lung-nodule"]
[[rule]]
name = "head"
when = { modality = ["CT"], series_description = "(?i)^schädel", sender = ["ct1"] }
models = ["liver-lesion", "lung-nodule"]
send_to = ["pacs"]
language = "zh"
[[rule]]
name = "rest"
"#;
    let said = explain(&scene, &study, rules, &["--sender", "ct1"]);
    let sorted = |name: &str| {
        let mut lines = of_rule(&said, name);
        lines.sort();
        lines
    };
    // No single series is of the head and has ten images.
    assert_eq!(
        sorted("both"),
        [
            "    no   body_part: asked ^HEAD, found \"CHEST\"",
            "    no   minimum_images: asked at least 10, found \"2\"",
            "    yes  body_part: asked ^HEAD, found \"HEAD\"",
            "    yes  minimum_images: asked at least 10, found \"20\"",
            "  series UID: does not meet it",
            "  series UID: does not meet it",
            "rule \"both\": does not apply",
        ],
        "{said}"
    );
    assert_eq!(
        sorted("head"),
        [
            "    no   series_description: asked (?i)^schädel, found \"Synthetic portal venous phase\"",
            "    yes  modality: asked CT, found \"CT\"",
            "    yes  modality: asked CT, found \"CT\"",
            "    yes  sender: asked ct1, found \"ct1\"",
            "    yes  sender: asked ct1, found \"ct1\"",
            "    yes  series_description: asked (?i)^schädel, found \"Schädel nativ\"",
            "  series UID: does not meet it",
            "  series UID: meets it",
            "rule \"head\": applies",
        ],
        "{said}"
    );
    let rest: Vec<_> =
        said.lines().skip_while(|line| !line.starts_with("rule \"rest\"")).map(without_uids).collect();
    assert_eq!(rest[0], "rule \"rest\": not tried, for the one above applies");
    let version = |name: &str| models::Card::named(name).unwrap().version.clone();
    let models =
        format!("models    liver-lesion {}, lung-nodule {}", version("liver-lesion"), version("lung-nodule"));
    assert_eq!(rest[1..5], [models.as_str(), "lane      emergency", "language  zh", "send to   pacs"]);
    // Only what meets the rule is read, and two images are too few.
    assert!(
        rest[5].starts_with("reads     nothing: study UID: no series can be analysed: series UID"),
        "{said}"
    );
}

#[test]
fn the_series_that_suits_best_among_those_that_meet_the_rule_is_read() {
    let scene = Scene::new();
    let study = study(&scene);
    let said = explain(
        &scene,
        &study,
        "[[rule]]\nname = \"all\"\nmodels = [\"lung-nodule\"]\nlane = \"bulk\"\n",
        &[],
    );
    assert_eq!(
        of_rule(&said, "all"),
        [
            "rule \"all\": applies",
            "  series UID: meets it",
            "    yes  nothing is asked",
            "  series UID: meets it",
            "    yes  nothing is asked",
        ]
    );
    assert!(said.contains("\nlane      bulk\n") && said.contains("\nsend to   nobody\n"), "{said}");
    assert!(without_uids(&said).contains("reads     series UID, 20 images"), "{said}");
    assert!(said.lines().any(|line| line.starts_with("not       series")), "{said}");
}

#[test]
fn further_attributes_are_asked_for_by_keyword_or_tag() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    let rule = |tags: &str| {
        format!("[[rule]]\nname = \"tags\"\nwhen.tags = {{ {tags} }}\nmodels = [\"lung-nodule\"]\n")
    };
    let said = explain(
        &scene,
        &study,
        &rule("Manufacturer = '^Foci$', \"0028,0010\" = '^40$', ImageType = 'AXIAL'"),
        &[],
    );
    assert_eq!(
        of_rule(&said, "tags")[2..],
        [
            "    yes  tags.0028,0010: asked ^40$, found \"40\"",
            "    yes  tags.ImageType: asked AXIAL, found \"ORIGINAL\\\\PRIMARY\\\\AXIAL\"",
            "    yes  tags.Manufacturer: asked ^Foci$, found \"Foci\"",
        ]
    );
    // What is not there matches nothing, not even a pattern that the empty text matches.
    let said = explain(&scene, &study, &rule("StationName = '.*', PatientBirthDate = '^$'"), &[]);
    assert_eq!(
        of_rule(&said, "tags")[2..],
        [
            "    no   tags.PatientBirthDate: asked ^$, found nothing",
            "    no   tags.StationName: asked .*, found nothing",
        ]
    );
    assert!(said.ends_with("no rule applies: the study is kept and not analyzed\n"), "{said}");
}

#[test]
fn a_study_that_is_not_known_is_told() {
    let scene = Scene::new();
    let config = common::node::config(&scene, "");
    for (study, more, sentence) in [
        ("1.2.3", &[][..], "foci: study 1.2.3 is unknown: nothing has come here yet\n"),
        ("nowhere", &[], "foci: \"nowhere\" is neither a path nor a Study Instance UID\n"),
        ("1.2.3", &["--sender", "ct9"], "foci: there is no peer \"ct9\", nor is it stow or pull\n"),
    ] {
        let mut command = foci(&scene);
        let output =
            command.arg("serve").arg("--config").arg(&config).arg("--explain").arg(study).args(more).output();
        let output = output.unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8(output.stderr).unwrap()),
            (Some(1), sentence.to_owned())
        );
        assert!(!scene.path("data").exists(), "explaining makes nothing");
    }
}

#[test]
fn a_study_that_came_is_explained_by_its_uid_beside_the_node_that_has_it() {
    let scene = Scene::new();
    let study = Study::read(&scene.phantom(&[]));
    let ports =
        "dicom.listen = \"127.0.0.1:0\"\nhttp.listen = \"127.0.0.1:0\"\nstudies.minimum_free_mb = 1\n";
    let rules = format!(
        "{ports}{PEERS}[[rule]]\nname = \"ct1\"\nwhen.sender = [\"ct1\"]\nmodels = [\"lung-nodule\"]\n"
    );
    let config = common::node::config(&scene, &rules);
    let node = Node::start(&scene, &config);
    send(node.dicom, "CT1", &study);

    let uid = study.uid.as_str();
    let explain = |more: &[&str]| {
        let mut command = foci(&scene);
        succeed(command.arg("serve").arg("--config").arg(&config).args(["--explain", uid]).args(more)).0
    };
    let said = explain(&[]);
    assert!(said.starts_with(&format!("study {uid}, 1 series, from ct1\nrule \"ct1\": applies\n")), "{said}");
    assert!(said.contains("\nlane      emergency\n") && said.contains(", 20 images\n"), "{said}");
    // As if it had come from elsewhere.
    let said = explain(&["--sender", "pull"]);
    assert!(said.contains("    no   sender: asked ct1, found \"pull\"\n"), "{said}");
    assert!(said.ends_with("no rule applies: the study is kept and not analyzed\n"), "{said}");
    node.stop();
}

#[test]
fn a_study_for_which_no_rule_applied_is_decided_again_after_the_rules_were_changed() {
    let scene = Scene::new();
    let study = Study::read(&scene.phantom(&[]));
    let uid = &study.uid;
    let ports = "dicom.listen = \"127.0.0.1:0\"\nhttp.listen = \"127.0.0.1:0\"\n";
    let base = format!("{ports}[studies]\nstable_s = 1\nminimum_free_mb = 1\n{PEERS}");
    let node = Node::start(&scene, &common::node::config(&scene, &base));
    let path = format!("/api/studies/{uid}/plan");
    assert_eq!(post(node.http, &path).problem(404), "there is no such study");

    send(node.dicom, "CT1", &study);
    assert!(post(node.http, &path).problem(409).starts_with("nothing was decided for the study"));
    let known = |node: &Node| get(node.http, &format!("/api/studies/{uid}")).text().to_owned();
    wait_for("it is told that no rule applies", || known(&node).contains("no rule applies").then_some(()));
    node.stop();

    let rule = format!("{base}[[rule]]\nname = \"lung\"\nmodels = [\"lung-nodule\"]\n");
    let node = Node::start(&scene, &common::node::config(&scene, &rule));
    assert!(known(&node).contains("no rule applies"), "what was decided stays until somebody asks");
    assert_eq!(post(node.http, &path).status, 204);
    let queued =
        wait_for("it is queued", || Some(known(&node)).filter(|known| known.contains("\"rule\":\"lung\"")));
    assert!(!queued.contains("\"note\":\"no rule applies\""), "{queued}");
    node.stop();
}
