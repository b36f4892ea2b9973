//! Orthanc: our client asks it, and its client asks us.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dicom_io::Uid;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::super::client::{Outcome, Web, http_client};
use super::super::json;
use super::super::server::NEST;
use super::{Scene, has_peer, web};
use crate::config::Lane;
use crate::intake::Sender;
use crate::store::results::MadeObject;

const PROGRAM: &str = "/usr/sbin/Orthanc";
const PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";

/// An Orthanc on this machine, which ends with the test.
struct Orthanc {
    process: Child,
    url: String,
    log: PathBuf,
}

impl Orthanc {
    /// Starts it with an empty archive; it knows our service as `foci`.
    async fn start(scene: &Scene) -> Self {
        let folder = scene.path("orthanc");
        std::fs::create_dir(&folder).unwrap();
        // It takes no port of the system's choice: one that was free a moment ago will do.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = json!({
            "Name": "FOCI-TEST",
            "StorageDirectory": folder,
            "IndexDirectory": folder,
            "Plugins": [PLUGIN],
            "HttpPort": port,
            "HttpBindAddresses": ["127.0.0.1"],
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": false,
            "WebDavEnabled": false,
            "DicomServerEnabled": false,
            "SyncStorageArea": false,
            "OverwriteInstances": true,
            "DicomWeb": {
                "Enable": true,
                "Root": "/dicom-web/",
                "Servers": { "foci": { "Url": format!("http://{}{NEST}/", scene.address) } },
            },
        });
        let path = scene.path("orthanc.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let log_path = scene.path("orthanc.log");
        let log = File::create(&log_path).unwrap();
        let mut process = Command::new(PROGRAM)
            .arg("--verbose")
            .arg(&path)
            .env("TCP_NODELAY", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let client = http_client(&url.parse().unwrap(), None).unwrap();
        let since = Instant::now();
        while client.get(format!("{url}/system")).send().await.is_err() {
            let log = std::fs::read_to_string(&log_path).unwrap();
            assert!(process.try_wait().unwrap().is_none(), "Orthanc has ended: {log}");
            assert!(since.elapsed() < Duration::from_secs(60), "Orthanc does not start: {log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { process, url, log: log_path }
    }

    /// Our client, for its DICOMweb service.
    fn web(&self) -> Web {
        web(&format!("{}/dicom-web", self.url))
    }

    /// What its own API answers.
    async fn get(&self, path: &str) -> Value {
        let client = http_client(&self.url.parse().unwrap(), None).unwrap();
        let response = client.get(format!("{}{path}", self.url)).send().await.unwrap();
        serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
    }

    /// What its own API answers to `body`; it must do what is asked.
    async fn post(&self, path: &str, body: &Value) -> String {
        let client = http_client(&self.url.parse().unwrap(), None).unwrap();
        let response = client.post(format!("{}{path}", self.url)).json(body).send().await.unwrap();
        let status = response.status();
        let said = response.text().await.unwrap();
        let log = || std::fs::read_to_string(&self.log).unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {said}\n{}", log());
        said
    }
}

impl Drop for Orthanc {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn is_here(test: &str) -> bool {
    has_peer(test, Path::new(PROGRAM)) && has_peer(test, Path::new(PLUGIN))
}

#[tokio::test]
async fn orthanc_stores_what_we_send_finds_it_and_gives_it_back() {
    if !is_here("orthanc_stores_what_we_send_finds_it_and_gives_it_back") {
        return;
    }
    let scene = Scene::new().await;
    let orthanc = Orthanc::start(&scene).await;
    let web = orthanc.web();
    let outcomes = web.store(&scene.slices).await;
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Stored), "{outcomes:?}");
    assert_eq!(orthanc.get("/statistics").await["CountInstances"], 12);

    let found = web.find_studies(&[("StudyInstanceUID", scene.study.as_str())]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(json::number(&found[0], "00201208"), Some(12));
    assert!(web.find_studies(&[("PatientID", "nobody")]).await.unwrap().is_empty());
    assert_eq!(web.find_instances(&scene.study).await.unwrap().len(), 12);

    let sender = Sender { name: "pull".to_owned(), lane: Lane::Normal };
    for _ in 0..2 {
        let retrieved = web.retrieve_study(&scene.study, &sender, &scene.intake).await.unwrap();
        assert_eq!(
            (retrieved.kept, retrieved.quarantined, retrieved.refused.len(), retrieved.missing),
            (12, 0, 0, 0)
        );
    }
    let kept = scene.node.store.images_of(&scene.study, u32::MAX).await.unwrap();
    assert_eq!(kept.len(), 12);
    // The same values as were sent, whatever Orthanc did to the bytes in between.
    let [first, sent] = [scene.node.archive.image(&kept[0]), scene.path("study")];
    let header = dicom_io::json::header(&first).unwrap();
    let uid = json::text(&header, "00080018").unwrap();
    let (_, slice) = scene.slices.iter().find(|(slice, _)| slice.as_str() == uid).unwrap();
    assert!(slice.starts_with(sent));
    assert!(dicom_io::json::pixels(&first).unwrap() == dicom_io::json::pixels(slice).unwrap());

    let missing = Uid::parse("1.2.3").unwrap();
    assert!(web.retrieve_study(&missing, &sender, &scene.intake).await.is_err());
}

#[tokio::test]
async fn orthanc_takes_our_results() {
    if !is_here("orthanc_takes_our_results") {
        return;
    }
    let scene = Scene::new().await;
    scene.analysed().await;
    let orthanc = Orthanc::start(&scene).await;
    let made = scene.node.store.made(None).await.unwrap();
    let result = |made: &MadeObject| (made.sop_instance.clone(), scene.node.archive.result(&made.file));
    let files: Vec<_> = made.iter().map(result).collect();
    let outcomes = orthanc.web().store(&files).await;
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Stored), "{outcomes:?}");
    // What is no DICOM, and one that is: each has its own outcome.
    let junk = scene.path("junk");
    std::fs::write(&junk, "no DICOM").unwrap();
    let mixed = [(Uid::parse("1.2.3").unwrap(), junk), files[0].clone()];
    let outcomes = orthanc.web().store(&mixed).await;
    assert_ne!(outcomes[0].1, Outcome::Stored);
    assert_eq!(orthanc.get("/statistics").await["CountInstances"], 2);
}

#[tokio::test]
async fn orthanc_sends_us_a_study_and_fetches_its_results() {
    if !is_here("orthanc_sends_us_a_study_and_fetches_its_results") {
        return;
    }
    let scene = Scene::new().await;
    let orthanc = Orthanc::start(&scene).await;
    assert!(orthanc.web().store(&scene.slices).await.iter().all(|(_, outcome)| *outcome == Outcome::Stored));
    let studies = orthanc.get("/studies").await;
    let body = json!({ "Resources": studies, "Synchronous": true });
    orthanc.post("/dicom-web/servers/foci/stow", &body).await;
    assert_eq!(scene.node.store.images_of(&scene.study, u32::MAX).await.unwrap().len(), 12);

    scene.made(&super::objects(&scene.path("study")), "test 1").await;
    let said = orthanc.post("/dicom-web/servers/foci/qido", &json!({ "Uri": "/studies" })).await;
    assert!(said.contains(scene.study.as_str()), "{said}");
    let body = json!({ "Resources": [{ "Study": scene.study }], "Synchronous": true });
    orthanc.post("/dicom-web/servers/foci/retrieve", &body).await;
    assert_eq!(orthanc.get("/statistics").await["CountInstances"], 12 + 2);
}
