//! The Python package dicomweb-client against our service.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use super::{Scene, has_peer};

/// Stores the files that follow the address, and prints what it was told.
const STORE: &str = "
import json, sys, pydicom
from dicomweb_client import DICOMwebClient
client = DICOMwebClient(sys.argv[1])
told = client.store_instances([pydicom.dcmread(path) for path in sys.argv[2:]])
print(json.dumps({'stored': len(told.ReferencedSOPSequence), 'failed': 'FailedSOPSequence' in told}))
";

/// Finds and fetches what was made of a study.
const FETCH: &str = "
import json, sys
from pydicom.dataset import Dataset
from dicomweb_client import DICOMwebClient
client, study = DICOMwebClient(sys.argv[1]), sys.argv[2]
studies = client.search_for_studies()
patient = Dataset.from_json(studies[0]).PatientID
instances = client.search_for_instances(study, fields=['DerivationDescription'])
picture = next(Dataset.from_json(i) for i in instances if i['00080060']['Value'] == ['OT'])
uids = picture.StudyInstanceUID, picture.SeriesInstanceUID, picture.SOPInstanceUID
whole = client.retrieve_instance(*uids)
print(json.dumps({
    'studies': [s['0020000D']['Value'][0] for s in studies],
    'by patient': len(client.search_for_studies(search_filters={'PatientID': patient})),
    'by nobody': len(client.search_for_studies(search_filters={'PatientID': 'nobody'})),
    'series': sorted(s['00080060']['Value'][0] for s in client.search_for_series(study)),
    'description': picture.DerivationDescription,
    'study': sorted(d.Modality for d in client.retrieve_study(study)),
    'one series': [d.Modality for d in client.retrieve_series(*uids[:2])],
    'metadata': sorted(Dataset.from_json(m).Modality for m in client.retrieve_study_metadata(study)),
    'pixel': whole.pixel_array[4, 6].tolist(),
    'frame': len(client.retrieve_instance_frames(*uids, [1])[0]),
    'png': client.retrieve_instance_rendered(*uids, media_types=['image/png'])[:4].hex(),
}))
";

/// What the Python program `text` prints; `None` where dicomweb-client is not installed.
async fn python(test: &str, text: &str, arguments: &[String]) -> Option<Value> {
    let named = std::env::var_os("FOCI_PEERS").map(PathBuf::from);
    let home = std::env::home_dir().unwrap_or_default().join(".cache/foci-peers");
    let peers = named.unwrap_or(home);
    if !has_peer(test, &peers.join("bin/dicomweb_client")) {
        return None;
    }
    let mut program = tokio::process::Command::new(peers.join("bin/python"));
    program.arg("-c").arg(text).args(arguments).stdin(Stdio::null());
    let output = program.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn dicomweb_client_stores_a_study() {
    let scene = Scene::new().await;
    let files = scene.slices.iter().map(|(_, path)| path.to_str().unwrap().to_owned());
    let arguments: Vec<_> = [scene.url("")].into_iter().chain(files).collect();
    if let Some(told) = python("dicomweb_client_stores_a_study", STORE, &arguments).await {
        assert_eq!(told, serde_json::json!({ "stored": 12, "failed": false }));
        assert_eq!(scene.node.store.images_of(&scene.study, u32::MAX).await.unwrap().len(), 12);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dicomweb_client_finds_and_fetches_results() {
    let scene = Scene::new().await;
    scene.analysed().await;
    let arguments = [scene.url(""), scene.study.to_string()];
    if let Some(found) = python("dicomweb_client_finds_and_fetches_results", FETCH, &arguments).await {
        let expected = serde_json::json!({
            "studies": [scene.study],
            "by patient": 1,
            "by nobody": 0,
            "series": ["OT", "SEG"],
            "description": "Slice 1",
            "study": ["OT", "SEG"],
            "one series": ["OT"],
            "metadata": ["OT", "SEG"],
            "pixel": [190, 191, 192],
            "frame": 105,
            "png": "89504e47",
        });
        assert_eq!(found, expected);
    }
}
