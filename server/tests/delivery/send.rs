//! Stored, stored again, committed, refused.

use std::path::Path;
use std::process::Command;

use crate::common::certificates::{Pair, authority};
use crate::common::node::{Node, config, free_port, wait_for};
use crate::common::{Scene, full, installed, web};
use crate::objects;
use crate::outbox::{Outbox, data_set, states};
use crate::pacs::{ORTHANC, Orthanc, STORESCP, Scripted, a_while, files, storescp};

const SEG: &str = "1.2.840.10008.5.1.4.1.1.66.4";
const SC: &str = "1.2.840.10008.5.1.4.1.1.7";
const SR: &str = "1.2.840.10008.5.1.4.1.1.88.34";

/// A node that delivers to the peer `pacs` at `port`, and is called itself at `own`; `more` is said of the node,
/// `peer` of the peer.
fn node(scene: &Scene, own: u16, port: u16, more: &str, peer: &str) -> Node {
    let text = format!(
        "dicom.listen = \"127.0.0.1:{own}\"\nhttp.listen = \"127.0.0.1:0\"\nstudies.minimum_free_mb = 1\n\
         delivery.first_s = 0.2\ndelivery.most_s = 1.0\ndelivery.attempts = 3\n{more}\n\
         [[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         addresses = [\"127.0.0.1\"]\n{peer}"
    );
    Node::start(scene, &config(scene, &text))
}

/// Waits until nothing is pending any more, and gives what became of each.
fn settled(outbox: &Outbox, states: &[&str]) -> Vec<crate::outbox::Sent> {
    wait_for("deliveries that have ended", || {
        let sent = outbox.sent();
        sent.iter().all(|sent| states.contains(&sent.state.as_str())).then_some(sent)
    })
}

#[test]
fn a_report_a_segmentation_and_a_key_image_reach_dcmtk_byte_for_byte_after_an_outage_and_once() {
    let test = "a_report_a_segmentation_and_a_key_image_reach_dcmtk";
    if !installed(test, &[STORESCP]) {
        return;
    }
    let scene = Scene::new();
    let outbox = Outbox::new(&scene);
    let made = objects::of_a_phantom(&scene);
    let written = outbox.add(&made, "pacs");
    let port = free_port();
    let node = node(&scene, 0, port, "", "");
    // Nobody is there: no object is charged, however often it is tried.
    wait_for("four failed tries", || (outbox.failures("pacs") >= 4).then_some(()));
    assert!(outbox.sent().iter().all(|sent| sent.state == "pending" && sent.attempts <= 1));

    let folder = scene.path("received");
    let _pacs = storescp(&scene, &folder, port, &[]);
    let sent = settled(&outbox, &["sent"]);
    assert_eq!(states(&sent), [("sr", "sent"), ("seg", "sent"), ("sc", "sent")]);
    a_while();
    let received: Vec<_> = files(&folder).iter().map(|file| data_set(file)).collect();
    assert_eq!(received.len(), 3, "each once");
    for file in &written {
        assert!(received.contains(&data_set(file)), "{file:?} came as it was stored");
    }
    let metrics = web::get(node.http, "/metrics");
    let metrics = metrics.text();
    let sent = "foci_deliveries_total{destination=\"pacs\",outcome=\"sent\"} 3";
    let up = "foci_destination_up{destination=\"pacs\"} 1";
    assert!(metrics.contains(sent) && metrics.contains(up), "{metrics}");
    node.stop();
}

/// With `FOCI_FULL=1`: the results of 300 jobs, and 20 times the PACS is killed.
#[test]
fn every_result_is_in_the_pacs_however_often_that_is_killed_and_two_copies_are_the_same() {
    let test = "every_result_is_in_the_pacs_however_often_that_is_killed";
    if !installed(test, &[STORESCP]) {
        return;
    }
    let (jobs, kills) = if full() { (300, 20) } else { (20, 3) };
    let scene = Scene::new();
    let outbox = Outbox::new(&scene);
    let reading = objects::read(&scene);
    let written: Vec<_> =
        (0..jobs).flat_map(|model| outbox.add(&objects::of(&reading, model), "pacs")).collect();
    let (port, folder) = (free_port(), scene.path("received"));
    let mut pacs = Some(storescp(&scene, &folder, port, &[]));
    let node = node(&scene, 0, port, "", "");
    for kill in 1..=kills {
        let enough = written.len() * kill / (kills + 1);
        wait_for("more results", || (files(&folder).len() >= enough).then_some(()));
        // First this one must be gone.
        pacs = None;
        pacs.get_or_insert_with(|| storescp(&scene, &folder, port, &[]));
    }
    let sent = settled(&outbox, &["sent"]);
    assert_eq!(sent.len(), jobs * 3);
    node.stop();
    drop(pacs);
    let received: Vec<_> = files(&folder).iter().map(|file| data_set(file)).collect();
    let mut distinct = received.clone();
    distinct.sort();
    distinct.dedup();
    let mut expected: Vec<_> = written.iter().map(|file| data_set(file)).collect();
    expected.sort();
    // What storescp was writing when it was killed is cut off, and came again.
    let whole = |set: &Vec<u8>| expected.binary_search(set).is_ok();
    assert!(
        distinct.iter().filter(|set| !whole(set)).all(|set| expected.iter().any(|all| all.starts_with(set)))
    );
    distinct.retain(whole);
    assert!(distinct == expected, "{} of {} are there", distinct.len(), expected.len());
    let twice = received.len() - distinct.len();
    println!(
        "{jobs} jobs, {} objects, {kills} kills: all there, {twice} copies or parts more",
        expected.len()
    );
}

#[test]
fn a_pacs_that_never_answers_delays_no_other_and_no_stop() {
    let test = "a_pacs_that_never_answers_delays_no_other_and_no_stop";
    if !installed(test, &[STORESCP]) {
        return;
    }
    let scene = Scene::new();
    let outbox = Outbox::new(&scene);
    let made = objects::of_a_phantom(&scene);
    // The system takes its connections, and nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    outbox.add(&made, "silent");
    outbox.add(&made, "pacs");
    let (port, folder) = (free_port(), scene.path("received"));
    let _pacs = storescp(&scene, &folder, port, &[]);
    let other = format!(
        "[[peer]]\nname = \"silent\"\nae_title = \"SILENT\"\nhost = \"127.0.0.1\"\nport = {}\n",
        silent.local_addr().unwrap().port()
    );
    let node = node(&scene, 0, port, "dicom.limits.request_s = 3600", &other);
    wait_for("results at the other PACS", || (files(&folder).len() == 3).then_some(()));
    let found = outbox.sent();
    assert_eq!(states(&found)[..3], [("sr", "pending"), ("seg", "pending"), ("sc", "pending")]);
    let asked = std::time::Instant::now();
    node.stop();
    assert!(asked.elapsed().as_secs() < 20, "{:?}", asked.elapsed());
}

#[test]
fn results_reach_orthanc_over_dicomweb() {
    if !installed("results_reach_orthanc_over_dicomweb", &[ORTHANC]) {
        return;
    }
    let scene = Scene::new();
    let outbox = Outbox::new(&scene);
    let written = outbox.add(&objects::of_a_phantom(&scene), "web");
    let orthanc = Orthanc::start(&scene, 1);
    let server = format!("[[dicomweb]]\nname = \"web\"\nurl = \"{}\"\n", orthanc.dicomweb());
    let node = node(&scene, 0, orthanc.dicom, "", &server);
    settled(&outbox, &["sent"]);
    assert_eq!(orthanc.instances().len(), 3);
    for instance in orthanc.instances() {
        let path = scene.path("back.dcm");
        orthanc.file(&instance, &path);
        assert!(written.iter().any(|file| data_set(file) == data_set(&path)), "as it was stored");
    }
    node.stop();
}

#[test]
fn a_peer_that_takes_nothing_but_implicit_vr_gets_the_same_elements() {
    let test = "a_peer_that_takes_nothing_but_implicit_vr_gets_the_same_elements";
    if !installed(test, &[STORESCP]) {
        return;
    }
    let scene = Scene::new();
    let outbox = Outbox::new(&scene);
    let written = outbox.add(&objects::of_a_phantom(&scene), "pacs");
    let (port, folder) = (free_port(), scene.path("received"));
    let _pacs = storescp(&scene, &folder, port, &["+xi"]);
    let _node = node(&scene, 0, port, "", "");
    settled(&outbox, &["sent"]);
    let mut expected: Vec<_> = written.iter().map(|file| elements(file)).collect();
    let mut found: Vec<_> = files(&folder).iter().map(|file| elements(file)).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

/// The elements of a DICOM file as dcmtk understands them: tags, VRs and values, but not how sequences and
/// pixels are counted and grouped.
fn elements(file: &Path) -> Vec<String> {
    let output = Command::new("/usr/bin/dcmdump").args(["-q", "-M", "+L", "-Un"]).arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines = text.lines().map(str::trim_start).filter(|line| line.starts_with('('));
    let lines = lines.map(|line| words(line.rsplit_once(" # ").map_or(line, |(value, _)| value)));
    let told =
        |line: &String| !line.starts_with("(0002") && !line.starts_with("(7fe0") && !line.contains(" SQ ");
    let found: Vec<_> = lines.filter(told).filter(|line| !line.starts_with("(fffe")).collect();
    assert!(found.len() > 40, "{file:?}: {}", found.len());
    found
}

#[test]
fn orthanc_commits_to_what_it_has_and_gets_again_what_it_lacks() {
    let test = "orthanc_commits_to_what_it_has_and_gets_again_what_it_lacks";
    if !installed(test, &[ORTHANC]) {
        return;
    }
    let scene = Scene::new();
    let outbox = Outbox::new(&scene);
    let written = outbox.add(&objects::of_a_phantom(&scene), "pacs");
    let own = free_port();
    let orthanc = Orthanc::start(&scene, own);
    // It is said to have all three, and has two.
    orthanc.upload(&written[0]);
    orthanc.upload(&written[2]);
    outbox.pretend_sent();
    let unasked = node(&scene, own, orthanc.dicom, "", "");
    a_while();
    assert_eq!(states(&outbox.sent())[0].1, "sent", "commitment is not asked for unless it is configured");
    unasked.stop();

    let node = node(&scene, own, orthanc.dicom, "", "commitment = true");
    let sent = settled(&outbox, &["committed"]);
    let tries: Vec<_> = sent.iter().map(|sent| sent.attempts).collect();
    assert_eq!(tries, [1, 2, 1], "only the lost one is sent again: {sent:?}");
    assert_eq!(orthanc.instances().len(), 3);
    for instance in orthanc.instances() {
        let path = scene.path("back.dcm");
        orthanc.file(&instance, &path);
        // Orthanc counts the lengths of sequences anew.
        assert!(written.iter().any(|file| elements(file) == elements(&path)));
    }
    assert!(node.log().contains("storage not committed to all"), "{}", node.log());
}

#[test]
fn a_refusal_for_good_is_not_sent_again_a_passing_one_is_and_a_report_on_the_same_association_counts() {
    let test = "a_refusal_for_good_is_not_sent_again_a_passing_one_is";
    let scene = Scene::new();
    let answers = format!("answer={SC}:A700,0110,0000");
    let Some(pacs) = Scripted::start(&scene, test, &[&format!("no={SEG}"), &answers, "commit"]) else {
        return;
    };
    let outbox = Outbox::new(&scene);
    outbox.add(&objects::of_a_phantom(&scene), "pacs");
    let node = node(&scene, 0, pacs.port, "", "commitment = true");
    let sent = settled(&outbox, &["committed", "refused"]);
    assert_eq!(states(&sent), [("sr", "committed"), ("seg", "refused"), ("sc", "committed")]);
    let reason = sent[1].reason.as_deref().unwrap();
    assert_eq!(reason, "the peer does not take SegmentationStorage (presentation context refused)");
    assert_eq!((sent[0].attempts, sent[2].attempts), (1, 3));
    a_while();
    assert_eq!(pacs.said("stored").len(), 4, "the report once, the key image three times");
    node.stop();
}

#[test]
fn data_that_the_peer_cannot_understand_is_refused_and_what_it_fails_on_for_now_waits() {
    let test = "data_that_the_peer_cannot_understand_is_refused";
    let scene = Scene::new();
    let answers = [format!("answer={SC}:C000"), format!("answer={SEG}:A900"), format!("answer={SR}:0110")];
    let answers: Vec<_> = answers.iter().map(String::as_str).collect();
    let Some(pacs) = Scripted::start(&scene, test, &answers) else { return };
    let outbox = Outbox::new(&scene);
    outbox.add(&objects::of_a_phantom(&scene), "pacs");
    let _node = node(&scene, 0, pacs.port, "", "");
    wait_for("refusals", || (outbox.sent()[2].state == "refused").then_some(()));
    let sent = outbox.sent();
    assert_eq!(states(&sent), [("sr", "pending"), ("seg", "refused"), ("sc", "refused")]);
    let reasons: Vec<_> = sent.iter().map(|sent| sent.reason.clone().unwrap()).collect();
    assert_eq!(reasons[0], "C-STORE ended with status 0110H (processing failure)");
    assert_eq!(reasons[1], "C-STORE ended with status A900H (the data set does not match its SOP class)");
    assert_eq!(reasons[2], "C-STORE ended with status C000H (it cannot understand the object)");
    a_while();
    assert_eq!(pacs.said("stored").iter().filter(|line| !line.ends_with("0110")).count(), 2);
}

#[test]
fn a_peer_that_does_not_answer_on_commitment_is_asked_again_and_nothing_is_sent_again() {
    let test = "a_peer_that_does_not_answer_on_commitment_is_asked_again";
    let scene = Scene::new();
    let Some(pacs) = Scripted::start(&scene, test, &["commit", "mute=1"]) else { return };
    let outbox = Outbox::new(&scene);
    outbox.add(&objects::of_a_phantom(&scene), "pacs");
    let node = node(&scene, 0, pacs.port, "delivery.commitment_s = 0.5", "commitment = true");
    let sent = settled(&outbox, &["committed"]);
    assert!(sent.iter().all(|sent| sent.asked == 2 && sent.attempts == 1), "{sent:?}");
    assert_eq!(pacs.said("stored").len(), 3);
    let asked = pacs.said("asked");
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0], asked[1], "each request is a transaction of its own");
    wait_for("a good answer to the report", || (pacs.said("reported") == ["0000"]).then_some(()));
    node.stop();
}

#[test]
fn results_reach_dcmtk_over_tls_and_nobody_else_s_certificate_will_do() {
    let test = "results_reach_dcmtk_over_tls";
    if !installed(test, &[STORESCP]) {
        return;
    }
    let scene = Scene::new();
    let pki = scene.folder("pki");
    let (signed, strangers) = (authority(&pki, "ours"), authority(&pki, "strangers"));
    let port = free_port();
    let [key, certificate, trusted] =
        [&signed.peer.key, &signed.peer.certificate, &signed.trusted].map(|path| path.to_str().unwrap());
    let tls = ["+tls", key, certificate, "+cf", trusted, "-rc"];
    let folder = scene.path("received");
    let pacs = storescp(&scene, &folder, port, &tls);
    let outbox = Outbox::new(&scene);
    outbox.add(&objects::of_a_phantom(&scene), "pacs");

    let ours = |trusted: &Path| {
        let Pair { certificate, key } = &signed.node;
        format!(
            "dicom.tls.listen = \"127.0.0.1:0\"\ndicom.tls.certificate = {certificate:?}\n\
             dicom.tls.key = {key:?}\ndicom.tls.trusted = {trusted:?}\n"
        )
    };
    // Somebody whom those that we trust did not sign.
    let wrong = node(&scene, 0, port, &ours(&strangers.trusted), "tls = true");
    wait_for("two failures", || (outbox.failures("pacs") >= 2).then_some(()));
    assert!(outbox.sent().iter().all(|sent| sent.state == "pending"));
    assert_eq!(files(&folder).len(), 0);
    wrong.stop();

    let _node = node(&scene, 0, port, &ours(&signed.trusted), "tls = true");
    settled(&outbox, &["sent"]);
    wait_for("three files", || (files(&folder).len() == 3).then_some(()));
    drop(pacs);
}
