//! `foci pull`: studies fetched from Orthanc and dcmqrscp.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dicom_io::{Volume, scan};

use crate::common::node::{Node, config, free_port, wait_for};
use crate::common::{Scene, foci, installed, slices};
use crate::outbox::senders;
use crate::pacs::{DCMQRSCP, ORTHANC, Orthanc, dcmqrscp};

/// A PACS with the phantom of the scene, and the configuration of a node beside it.
struct Stage {
    scene: Scene,
    orthanc: Orthanc,
    study: PathBuf,
    /// Its Study Instance UID.
    uid: String,
    config: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let scene = Scene::new();
        let study = scene.phantom(&[]);
        let (own, http) = (free_port(), free_port());
        let orthanc = Orthanc::start(&scene, own);
        for slice in slices(&study) {
            orthanc.upload(&slice);
        }
        let config = configuration(&scene, own, http, "FOCI", orthanc.dicom, &orthanc.dicomweb());
        let uid = scan(std::slice::from_ref(&study)).unwrap().studies[0].uid.to_string();
        Self { scene, orthanc, study, uid, config }
    }

    fn pull(&self, arguments: &[&str]) -> Output {
        pull(&self.scene, &self.config, arguments)
    }
}

fn configuration(scene: &Scene, own: u16, http: u16, title: &str, pacs: u16, web: &str) -> PathBuf {
    let text = format!(
        "dicom.listen = \"127.0.0.1:{own}\"\ndicom.ae_title = \"{title}\"\nhttp.listen = \"127.0.0.1:{http}\"\n\
         studies.minimum_free_mb = 1\nstudies.stable_s = 1000\n\
         [[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {pacs}\n\
         addresses = [\"127.0.0.1\"]\n\
         [[peer]]\nname = \"gone\"\nae_title = \"GONE\"\nhost = \"127.0.0.1\"\nport = {}\n\
         [[peer]]\nname = \"caller\"\nae_title = \"CALLER\"\naddresses = [\"127.0.0.1\"]\n\
         [[dicomweb]]\nname = \"web\"\nurl = \"{web}\"\n",
        free_port()
    );
    config(scene, &text)
}

fn pull(scene: &Scene, config: &Path, arguments: &[&str]) -> Output {
    foci(scene).arg("pull").arg("--config").arg(config).args(arguments).output().unwrap()
}

/// What it printed; it must have succeeded.
#[track_caller]
fn printed(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What it said went wrong.
#[track_caller]
fn complaint(output: Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap_or_default().to_owned()
}

fn volume(folder: &Path) -> Volume<i16> {
    scan(&[folder.to_path_buf()]).unwrap().studies[0].series[0].read().unwrap().volume
}

#[test]
fn a_study_is_moved_or_fetched_from_orthanc_into_the_node_or_a_folder() {
    if !installed("a_study_is_moved_or_fetched_from_orthanc", &[ORTHANC]) {
        return;
    }
    let stage = Stage::new();
    let expected = format!("{}\t20 objects\n", stage.uid);
    for (name, more) in [("get", &["--from", "pacs", "--get"][..]), ("wado", &["--from", "web"])] {
        let folder = stage.scene.path(name);
        let output = ["--study", &stage.uid, "--output", folder.to_str().unwrap()];
        assert_eq!(printed(stage.pull(&[more, &output].concat())), expected, "{name}");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 20, "{name}: and nothing else");
        let (found, sent) = (volume(&folder), volume(&stage.study));
        assert!(found.voxels == sent.voxels && found.geometry == sent.geometry, "{name}");
    }

    let complaint = complaint(stage.pull(&["--from", "pacs", "--study", &stage.uid]));
    assert!(complaint.contains("(dicom.listen): start foci serve"), "{complaint}");
    let senders_after = |more: &[&str]| {
        let node = Node::start(&stage.scene, &stage.config);
        assert_eq!(printed(stage.pull(&[more, &["--study", &stage.uid]].concat())), expected);
        node.stop();
        let found = senders(&stage.scene);
        fs::remove_dir_all(stage.scene.path("data")).unwrap();
        found
    };
    assert_eq!(senders_after(&["--from", "pacs"]), [("pacs".to_owned(), 20)]);
    assert_eq!(senders_after(&["--from", "pacs", "--get"]), [("pull".to_owned(), 20)]);
    assert_eq!(senders_after(&["--from", "web"]), [("pull".to_owned(), 20)]);
}

#[test]
fn earlier_studies_of_the_same_patient_are_found_and_fetched() {
    if !installed("earlier_studies_of_the_same_patient", &[ORTHANC, "/usr/bin/dcmdump", "/usr/bin/dcmodify"])
    {
        return;
    }
    let stage = Stage::new();
    let slice = &slices(&stage.study)[0];
    // Earlier, much earlier, later, and earlier of somebody whose ID begins with the same letters.
    let dump = Command::new("/usr/bin/dcmdump").args(["+P", "0010,0020"]).arg(slice).output().unwrap();
    let dump = String::from_utf8(dump.stdout).unwrap();
    let patient = dump.split(['[', ']']).nth(1).unwrap();
    let changed = [("1.2.3.1", "20200101", ""), ("1.2.3.2", "19990101", ""), ("1.2.3.3", "20991231", "")];
    for (uid, date, suffix) in changed.into_iter().chain([("1.2.3.4", "20200101", "X")]) {
        let copy = stage.scene.path(&format!("{uid}.dcm"));
        fs::copy(slice, &copy).unwrap();
        let mut modify = Command::new("/usr/bin/dcmodify");
        modify.args([
            "-nb",
            "-gin",
            "-gse",
            "-m",
            &format!("(0020,000d)={uid}"),
            "-i",
            &format!("(0008,0020)={date}"),
        ]);
        if !suffix.is_empty() {
            modify.args(["-i", &format!("(0010,0020)={patient}{suffix}")]);
        }
        assert!(modify.arg(&copy).status().unwrap().success());
        stage.orthanc.upload(&copy);
    }
    let priors = ["--priors-of", &stage.uid, "--modality", "CT"];
    for from in ["pacs", "web"] {
        let list = printed(stage.pull(&[&priors[..], &["--from", from, "--list"]].concat()));
        assert_eq!(list, "1.2.3.1\t20200101\tCT\t1\n1.2.3.2\t19990101\tCT\t1\n", "{from}");
    }
    let folder = stage.scene.path("priors");
    let output = ["--from", "pacs", "--get", "--output", folder.to_str().unwrap()];
    let fetched = printed(stage.pull(&[&priors[..], &output].concat()));
    assert_eq!(fetched, "1.2.3.1\t1 objects\n1.2.3.2\t1 objects\n");
    let none = complaint(stage.pull(&["--priors-of", "1.2.3.2", "--from", "pacs", "--list"]));
    assert_eq!(none, "foci: pacs has no such earlier study of the patient of study 1.2.3.2");
}

#[test]
fn what_cannot_be_pulled_is_a_clear_sentence() {
    if !installed("what_cannot_be_pulled_is_a_clear_sentence", &[ORTHANC]) {
        return;
    }
    let stage = Stage::new();
    let said = |arguments: &[&str]| complaint(stage.pull(arguments));
    let study = ["--study", &stage.uid];
    assert_eq!(
        said(&[&study[..], &["--from", "nobody"]].concat()),
        "foci: there is no \"nobody\": the configuration names pacs, gone, caller, web"
    );
    assert_eq!(
        said(&[&study[..], &["--from", "caller"]].concat()),
        "foci: the peer \"caller\" has no host in the configuration: it cannot be called"
    );
    for from in ["pacs", "web"] {
        let sentence = format!("foci: {from} does not have study 1.2.3");
        assert_eq!(said(&["--study", "1.2.3", "--from", from]), sentence);
    }
    let gone = said(&[&study[..], &["--from", "gone"]].concat());
    assert!(gone.starts_with("foci: gone: no connection: "), "{gone}");
    let wrong = stage.pull(&["--from", "pacs", "--study", "../x"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_study_comes_from_dcmqrscp_and_a_destination_that_it_does_not_know_is_named() {
    if !installed("a_study_comes_from_dcmqrscp", &[DCMQRSCP]) {
        return;
    }
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    let uid = scan(std::slice::from_ref(&study)).unwrap().studies[0].uid.to_string();
    let (own, http) = (free_port(), free_port());
    let (_pacs, port) = dcmqrscp(&scene, own, &slices(&study));
    let expected = format!("{uid}\t20 objects\n");

    let path = configuration(&scene, own, http, "FOCI", port, "http://127.0.0.1:1");
    let folder = scene.path("got");
    let get = ["--from", "pacs", "--study", &uid, "--get", "--output", folder.to_str().unwrap()];
    assert_eq!(printed(pull(&scene, &path, &get)), expected);
    assert!(volume(&folder).voxels == volume(&study).voxels);
    let moved = ["--from", "pacs", "--study", &uid];
    let node = Node::start(&scene, &path);
    assert_eq!(printed(pull(&scene, &path, &moved)), expected);
    wait_for("20 objects", || (senders(&scene) == [("pacs".to_owned(), 20)]).then_some(()));
    node.stop();

    let path = configuration(&scene, own, http, "STRANGER", port, "http://127.0.0.1:1");
    let _node = Node::start(&scene, &path);
    assert_eq!(
        complaint(pull(&scene, &path, &moved)),
        "foci: pacs does not know STRANGER (status A801H): enter that AE title there, with the address and \
         port of this node"
    );
}
