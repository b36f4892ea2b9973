//! STOW-RS as our service does it: what is kept, what is refused, and how it is told.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{self, StreamExt};
use reqwest::{Body, StatusCode};
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::super::client::{Outcome, http_client};
use super::super::json;
use super::{RELATED, Scene, message};

/// Posts `body` to `path`: the status, and the JSON that is answered.
async fn post(scene: &Scene, path: &str, media_type: &str, body: impl Into<Body>) -> (StatusCode, Value) {
    let url = scene.url(path).parse().unwrap();
    let client = http_client(&url, None).unwrap();
    let request =
        client.post(url).header("Content-Type", media_type).header("Accept", "application/dicom+json");
    let response = request.body(body).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// How many images of the study are here.
async fn kept(scene: &Scene) -> usize {
    scene.node.store.images_of(&scene.study, u32::MAX).await.unwrap().len()
}

fn uids<'a>(answer: &'a Value, sequence: &str) -> Vec<&'a str> {
    json::items(answer, sequence)
        .filter_map(|item| json::text(item, json::REFERENCED_SOP_INSTANCE_UID))
        .collect()
}

fn reasons(answer: &Value, sequence: &str) -> Vec<i64> {
    json::items(answer, sequence).filter_map(|item| json::number(item, json::FAILURE_REASON)).collect()
}

#[tokio::test]
async fn a_study_is_stored_and_storing_it_again_does_no_harm() {
    let scene = Scene::new().await;
    for _ in 0..2 {
        let outcomes = scene.web().store(&scene.slices).await;
        assert_eq!(outcomes.len(), 12);
        for ((uid, outcome), (expected, _)) in outcomes.iter().zip(&scene.slices) {
            assert_eq!((uid, outcome), (expected, &Outcome::Stored));
        }
        assert_eq!(kept(&scene).await, 12);
    }
}

#[tokio::test]
async fn what_is_kept_is_what_was_sent() {
    let scene = Scene::new().await;
    scene.web().store(&scene.slices[..1]).await;
    let images = scene.node.store.images_of(&scene.study, u32::MAX).await.unwrap();
    let kept = scene.node.archive.image(&images[0]);
    let [found, sent] =
        [&kept, &scene.slices[0].1].map(|path| dicom_io::json::pixels(path).unwrap().unwrap());
    assert!(found == sent);
    let [found, sent] = [&kept, &scene.slices[0].1].map(|path| dicom_io::json::header(path).unwrap());
    assert_eq!(found, sent);
}

#[tokio::test]
async fn the_answer_names_each_object() {
    let scene = Scene::new().await;
    let slice = std::fs::read(&scene.slices[0].1).unwrap();
    let (status, answer) =
        post(&scene, "/studies", RELATED, message(&[&slice, b"no DICOM", &slice[..600]])).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(uids(&answer, json::REFERENCED_SOP_SEQUENCE), [scene.slices[0].0.as_str()]);
    // Cut off behind the file meta information: its UID is known.
    assert_eq!(uids(&answer, json::FAILED_SOP_SEQUENCE), [scene.slices[0].0.as_str()]);
    assert_eq!(reasons(&answer, json::FAILED_SOP_SEQUENCE), [0xC000]);
    assert_eq!(reasons(&answer, json::OTHER_FAILURES_SEQUENCE), [0xC000]);
    assert_eq!(kept(&scene).await, 1);
}

#[tokio::test]
async fn what_is_no_dicom_is_a_conflict_and_the_service_lives() {
    let scene = Scene::new().await;
    for wrong in [&b""[..], b"no DICOM", &[0; 200], &[0xff; 5000]] {
        let (status, answer) = post(&scene, "/studies", RELATED, message(&[wrong])).await;
        assert_eq!(status, StatusCode::CONFLICT, "{wrong:?}");
        assert_eq!(reasons(&answer, json::OTHER_FAILURES_SEQUENCE), [0xC000]);
    }
    assert_eq!(scene.web().store(&scene.slices[..1]).await[0].1, Outcome::Stored);
}

#[tokio::test]
async fn another_object_under_the_same_uid_is_kept_aside_and_that_is_told() {
    let scene = Scene::new().await;
    let slice = std::fs::read(&scene.slices[0].1).unwrap();
    let mut other = slice.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(post(&scene, "/studies", RELATED, message(&[&slice])).await.0, StatusCode::OK);
    let (status, answer) = post(&scene, "/studies", RELATED, message(&[&other])).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(uids(&answer, json::REFERENCED_SOP_SEQUENCE), [scene.slices[0].0.as_str()]);
    let warned = json::items(&answer, json::REFERENCED_SOP_SEQUENCE).next().unwrap();
    assert_eq!(json::number(warned, json::WARNING_REASON), Some(0xB000));
    let images = scene.node.store.images_of(&scene.study, u32::MAX).await.unwrap();
    let kept = dicom_io::json::pixels(&scene.node.archive.image(&images[0])).unwrap();
    assert!(kept == dicom_io::json::pixels(&scene.slices[0].1).unwrap(), "the first stays");
}

#[tokio::test]
async fn an_object_of_another_study_than_the_path_names_is_refused() {
    let scene = Scene::new().await;
    let slice = std::fs::read(&scene.slices[0].1).unwrap();
    let (status, answer) = post(&scene, "/studies/1.2.3", RELATED, message(&[&slice])).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(uids(&answer, json::FAILED_SOP_SEQUENCE), [scene.slices[0].0.as_str()]);
    assert_eq!(reasons(&answer, json::FAILED_SOP_SEQUENCE), [0xA900]);
    assert_eq!(kept(&scene).await, 0);
    let path = format!("/studies/{}", scene.study);
    assert_eq!(post(&scene, &path, RELATED, message(&[&slice])).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_message_that_breaks_off_is_refused_and_what_came_before_is_kept() {
    let scene = Scene::new().await;
    let slices = [0, 1].map(|at| std::fs::read(&scene.slices[at].1).unwrap());
    let whole = message(&[&slices[0], &slices[1]]);
    let (status, problem) = post(&scene, "/studies", RELATED, whole[..whole.len() - 1000].to_vec()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().unwrap().ends_with("objects stored before that: 1"), "{problem}");
    assert_eq!(kept(&scene).await, 1);
}

#[tokio::test]
async fn what_is_no_message_of_dicom_files_is_refused() {
    let scene = Scene::new().await;
    for (media_type, body, expected) in [
        ("text/plain", "x", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("multipart/form-data; boundary=b", "--b--", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            "multipart/related; type=\"application/dicom+json\"; boundary=b",
            "--b--",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        ("multipart/related; type=\"application/dicom\"", "--b--", StatusCode::BAD_REQUEST),
        (RELATED, "", StatusCode::BAD_REQUEST),
        (RELATED, "--b--", StatusCode::BAD_REQUEST),
        (RELATED, "--c\r\n\r\n\r\n--c--", StatusCode::BAD_REQUEST),
        (RELATED, "--b\r\nno header\r\n\r\n\r\n--b--", StatusCode::BAD_REQUEST),
        (RELATED, "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--", StatusCode::CONFLICT),
    ] {
        assert_eq!(post(&scene, "/studies", media_type, body).await.0, expected, "{media_type} {body:?}");
    }
    let endless = stream::repeat(Bytes::from_static(b"X: y\r\n")).take(1_000_000);
    let endless = stream::iter([Bytes::from_static(b"--b\r\n")]).chain(endless).map(Ok::<_, std::io::Error>);
    let client = http_client(&scene.url("").parse().unwrap(), None).unwrap();
    let request = client.post(scene.url("/studies")).header("Content-Type", RELATED);
    let response = request.body(Body::wrap_stream(endless)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(scene.web().store(&scene.slices[..1]).await[0].1, Outcome::Stored);
}

#[tokio::test]
async fn more_than_the_configuration_allows_is_refused() {
    let scene = Scene::with("[http]\nrequest_mb = 1\n").await;
    let large = vec![0; 2 << 20];
    let (status, _) = post(&scene, "/studies", RELATED, message(&[&large])).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    // Without saying beforehand how large it is.
    let pieces = stream::iter([b"--b\r\n\r\n".to_vec(), large])
        .map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    let client = http_client(&scene.url("").parse().unwrap(), None).unwrap();
    let request = client.post(scene.url("/studies")).header("Content-Type", RELATED);
    let response = request.body(Body::wrap_stream(pieces)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(scene.web().store(&scene.slices[..1]).await[0].1, Outcome::Stored);
}

#[tokio::test]
async fn who_announces_a_gigabyte_and_sends_a_few_bytes_costs_nothing() {
    let scene = Scene::with("[dicom.limits]\nidle_s = 1\n").await;
    let mut liars = Vec::new();
    for _ in 0..20 {
        let mut socket = tokio::net::TcpStream::connect(scene.address).await.unwrap();
        let head = format!(
            "POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {RELATED}\r\nContent-Length: 1073741824\r\n\r\n\
             --b\r\nContent-Type: application/dicom\r\n\r\nfew"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        liars.push(socket);
    }
    assert_eq!(scene.web().store(&scene.slices[..1]).await[0].1, Outcome::Stored);
    for socket in &mut liars {
        let mut answer = [0; 64];
        let read = tokio::io::AsyncReadExt::read(socket, &mut answer);
        let length = tokio::time::timeout(Duration::from_secs(10), read).await.unwrap().unwrap();
        assert!(
            answer[..length].starts_with(b"HTTP/1.1 408"),
            "{}",
            String::from_utf8_lossy(&answer[..length])
        );
    }
    let incoming = std::fs::read_dir(scene.node.config.data.join("incoming"));
    assert_eq!(incoming.map_or(0, Iterator::count), 0, "parts of files stay behind");
}

#[tokio::test]
async fn a_full_disk_is_told_and_the_sender_tries_again() {
    let scene = Scene::with("[studies]\nminimum_free_mb = 1000000000\n").await;
    let slice = std::fs::read(&scene.slices[0].1).unwrap();
    let (status, _) = post(&scene, "/studies", RELATED, message(&[&slice])).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let outcomes = scene.web().store(&scene.slices[..2]).await;
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::ForNow(_))), "{outcomes:?}");
}

#[tokio::test]
async fn a_client_that_cannot_read_the_answer_is_told_before_anything_is_stored() {
    let scene = Scene::new().await;
    let slice = std::fs::read(&scene.slices[0].1).unwrap();
    let client = http_client(&scene.url("").parse().unwrap(), None).unwrap();
    let request = client.post(scene.url("/studies")).header("Content-Type", RELATED);
    let response = request.header("Accept", "text/html").body(message(&[&slice])).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_ACCEPTABLE);
    assert_eq!(kept(&scene).await, 0);
}
