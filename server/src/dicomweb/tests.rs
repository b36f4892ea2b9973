//! Our client against our service, and each against other people's.

mod answers;
mod orthanc;
mod python;
mod results;
mod storing;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use dicom_io::object::{Algorithm, Context, DateTime, Equipment, NewSeries, ResultObject};
use dicom_io::phantom::Phantom;
use dicom_io::sc::SecondaryCapture;
use dicom_io::seg::{Segment, Segmentation};
use dicom_io::sr::codes;
use dicom_io::{Spacing, Uid};
use ndarray::Array3;
use tempfile::TempDir;

use super::client::Web;
use super::server::{NEST, routes};
use crate::config::{Config, Lane, Language};
use crate::intake::Intake;
use crate::node::Node;
use crate::results::{ObjectUids, ResultKind};
use crate::store::jobs::{NewJob, NewResult, Task};
use crate::store::{Store, Time};

/// A node of which only the DICOMweb service runs, and a small study beside it.
struct Scene {
    folder: TempDir,
    node: Arc<Node>,
    intake: Arc<Intake>,
    address: SocketAddr,
    study: Uid,
    /// UIDs and files.
    slices: Vec<(Uid, PathBuf)>,
}

impl Scene {
    async fn new() -> Self {
        Self::with("").await
    }

    /// A scene whose configuration has these lines, too.
    async fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let config: Config = toml::from_str(&format!("data = {data:?}\n{more}\n")).unwrap();
        let store = Store::open(&data).await.unwrap();
        let node = Node::new(config, store);
        let intake = Arc::new(Intake::new(node.clone()));
        let address = serve(Router::new().nest(NEST, routes(node.clone(), intake.clone()))).await;
        let images = folder.path().join("study");
        let phantom = Phantom {
            size: [24, 20, 12],
            spacing: Spacing { i: 14.0, j: 14.0, k: 24.0 },
            ..Phantom::default()
        };
        phantom.write(&images).unwrap();
        let scan = dicom_io::scan(std::slice::from_ref(&images)).unwrap();
        let study = scan.studies[0].uid.clone();
        let mut slices = Vec::new();
        for entry in std::fs::read_dir(&images).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "dcm") {
                let header = dicom_io::json::header(&path).unwrap();
                slices.push((Uid::parse(header["00080018"]["Value"][0].as_str().unwrap()).unwrap(), path));
            }
        }
        slices.sort();
        Self { folder, node, intake, address, study, slices }
    }

    /// Our client, for our service.
    fn web(&self) -> Web {
        web(&self.url(""))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{NEST}{path}", self.address)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Stores the study and says that a job has made a key image and a segmentation of it.
    async fn analysed(&self) -> Vec<ResultObject> {
        for (uid, outcome) in self.web().store(&self.slices).await {
            assert_eq!(outcome, super::client::Outcome::Stored, "{uid}");
        }
        let objects = objects(&self.path("study"));
        self.made(&objects, "test 1").await;
        objects
    }

    /// Says that a job of the models `key` has made `objects`.
    async fn made(&self, objects: &[ResultObject], key: &str) {
        let (store, now) = (&self.node.store, Time::now());
        let revision = 1 + self.node.store.made(Some(&self.study)).await.unwrap().len() as u32;
        let task = Task {
            models: Vec::new(),
            language: Language::English,
            guideline: None,
            series: Vec::new(),
            send_to: Vec::new(),
        };
        let job = NewJob {
            study: self.study.clone(),
            revision,
            models_key: key.to_owned(),
            task,
            rule: "all".to_owned(),
            lane: Lane::Normal,
        };
        store.plan(&self.study, revision, Some(&job), "rule all", now).await.unwrap().unwrap();
        let lease = store.claim("test", Lane::Bulk, Duration::from_secs(60), now).await.unwrap().unwrap();
        let folder = self.node.archive.result(&lease.folder());
        std::fs::create_dir_all(&folder).unwrap();
        let results: Vec<_> = objects
            .iter()
            .enumerate()
            .map(|(number, object)| {
                let name = format!("{number}.dcm");
                object.write(&folder.join(&name)).unwrap();
                NewResult {
                    kind: ResultKind::KeyImage,
                    file: format!("{}/{name}", lease.folder()),
                    name,
                    sha256: String::new(),
                    bytes: 0,
                    object: Some(ObjectUids {
                        sop_class_uid: object.sop_class_uid().to_string(),
                        sop_instance_uid: object.sop_instance_uid().to_string(),
                        series_uid: object.series_uid().to_string(),
                    }),
                }
            })
            .collect();
        assert!(store.complete(&lease, &results, "{}", &[], now).await.unwrap());
    }
}

/// What [`message`] is.
const RELATED: &str = "multipart/related; type=\"application/dicom\"; boundary=b";

/// A message of `parts`, each said to be DICOM.
fn message(parts: &[&[u8]]) -> Vec<u8> {
    let part = |part: &&[u8]| [b"--b\r\nContent-Type: application/dicom\r\n\r\n", *part, b"\r\n"].concat();
    parts.iter().map(part).chain([b"--b--\r\n".to_vec()]).flatten().collect()
}

/// Serves `routes` on a port of the system's choice.
async fn serve(routes: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

/// Our client for the service at `url`.
fn web(url: &str) -> Web {
    let text = format!("name = \"peer\"\nurl = {url:?}\n");
    Web::new(&toml::from_str(&text).unwrap()).unwrap()
}

/// A key image and a segmentation, made of the study in `folder`.
fn objects(folder: &Path) -> Vec<ResultObject> {
    let scan = dicom_io::scan(&[folder.to_owned()]).unwrap();
    let reading = scan.studies[0].series[0].read().unwrap();
    let equipment = Equipment {
        manufacturer: "Foci".to_owned(),
        model_name: "Foci".to_owned(),
        serial_number: "1".to_owned(),
        software_version: "1".to_owned(),
    };
    let algorithm = Algorithm {
        name: "test".to_owned(),
        version: "1".to_owned(),
        manufacturer: "Foci".to_owned(),
        device_uid: Uid::derived(&["test"]),
        parameters: Vec::new(),
    };
    let context = Context {
        source: &reading.source,
        geometry: &reading.volume.geometry,
        shape: reading.volume.shape(),
        slices: &reading.slices,
        equipment: &equipment,
        algorithms: &[algorithm],
        created: DateTime { year: 2026, month: 3, day: 14, hour: 10, minute: 30, second: 59 },
    };
    // 5 rows of 7 pixels, each of another colour.
    let pixels = Array3::from_shape_fn((5, 7, 3), |(j, i, c)| (j * 40 + i * 5 + c) as u8);
    let picture = SecondaryCapture {
        series: NewSeries { number: 9001, description: "Key images".to_owned() },
        number: 1,
        description: "Slice 1".to_owned(),
        slices: vec![0],
        pixels: pixels.view(),
    };
    let mask = Array3::from_elem((2, 3, 4), true);
    let segment = Segment {
        label: "Liver".to_owned(),
        category: codes::ANATOMICAL_STRUCTURE,
        property: codes::LIVER,
        sites: Vec::new(),
        algorithm: 0,
        tracking: None,
        colour: [200, 100, 0],
        mask: mask.view(),
        offset: [1, 1, 1],
    };
    let segmentation = Segmentation {
        series: NewSeries { number: 9002, description: "Outlines".to_owned() },
        label: "OUTLINES".to_owned(),
        segments: vec![segment],
    };
    vec![picture.to_object(&context), segmentation.to_object(&context)]
}

/// Whether `file` is there; if not, says that `test` is skipped, or fails if `FOCI_REQUIRE` asks for peers.
fn has_peer(test: &str, file: &Path) -> bool {
    let found = file.exists();
    if !found {
        let required = std::env::var("FOCI_REQUIRE").unwrap_or_default();
        let is_required = required.split(',').any(|name| name == "peers" || name == "all");
        assert!(!is_required, "{test}: FOCI_REQUIRE asks for peers, and one is not installed: run .ci/peers");
        // To the handle itself: what a passing test prints with a macro is held back.
        let said = format_args!("skipped: {test}: a peer is not installed: run .ci/peers\n");
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), said);
    }
    found
}
