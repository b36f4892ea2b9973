//! What our client makes of what servers answer, of those too that do not mean well.

use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use dicom_io::Uid;
use serde_json::{Value, json};

use super::super::client::{Outcome, Web};
use super::super::json;
use super::{RELATED, Scene, message, serve, web};
use crate::config::Lane;
use crate::intake::Sender;

/// A server that answers everything with this, after it has read what was sent.
async fn answering(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: impl Into<Bytes>,
) -> Web {
    let body = body.into();
    let answer = move |request: Request| async move {
        let _ = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        response
    };
    let address = serve(Router::new().fallback(any(answer))).await;
    web(&format!("http://{address}/dicom-web/"))
}

fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

/// Two files to be stored, and their folder.
fn files() -> (tempfile::TempDir, Vec<(Uid, PathBuf)>) {
    let folder = tempfile::tempdir().unwrap();
    let files = ["1.2.1", "1.2.2"].map(|name| {
        let path = folder.path().join(name);
        std::fs::write(&path, name).unwrap();
        (uid(name), path)
    });
    (folder, files.to_vec())
}

fn item(instance: &str, reason: Option<u16>) -> Value {
    let mut item = json!({ json::REFERENCED_SOP_INSTANCE_UID: json::element("UI", vec![json!(instance)]) });
    if let Some(reason) = reason {
        item[json::FAILURE_REASON] = json::element("US", vec![json!(reason)]);
    }
    item
}

#[tokio::test]
async fn a_status_says_what_an_answer_does_not_name() {
    let (_folder, files) = files();
    for (status, expected) in [
        (200, "stored"),
        (400, "refused"),
        (401, "for now"),
        (403, "for now"),
        (404, "refused"),
        (408, "for now"),
        (409, "refused"),
        (413, "refused"),
        (415, "refused"),
        (429, "for now"),
        (500, "for now"),
        (503, "for now"),
        // Nobody said that anything is stored.
        (202, "for now"),
        (301, "for now"),
    ] {
        let web = answering(status, &[], "<html>").await;
        for (_, outcome) in web.store(&files).await {
            let found = match &outcome {
                Outcome::Stored => "stored",
                Outcome::ForNow(_) => "for now",
                Outcome::Refused(_) => "refused",
            };
            assert_eq!(found, expected, "{status}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn each_object_has_its_own_outcome() {
    let (_folder, files) = files();
    let named = json!({
        json::REFERENCED_SOP_SEQUENCE: json::element("SQ", vec![item("1.2.1", None)]),
        json::FAILED_SOP_SEQUENCE: json::element("SQ", vec![item("1.2.2", Some(0x0122))]),
    });
    let outcomes = answering(202, &[], named.to_string()).await.store(&files).await;
    assert_eq!(outcomes[0], (uid("1.2.1"), Outcome::Stored));
    assert!(matches!(&outcomes[1].1, Outcome::Refused(why) if why.contains("0122H")), "{outcomes:?}");

    for (reason, passes) in
        [(0xA700, true), (0x0110, true), (0xA900, false), (0xC123, false), (0x0124, false)]
    {
        let failed =
            json!({ json::FAILED_SOP_SEQUENCE: json::element("SQ", vec![item("1.2.1", Some(reason))]) });
        let outcomes = answering(409, &[], failed.to_string()).await.store(&files).await;
        assert_eq!(matches!(outcomes[0].1, Outcome::ForNow(_)), passes, "{reason:04X}: {outcomes:?}");
        assert!(matches!(outcomes[1].1, Outcome::Refused(_)), "the status speaks for the other");
    }
}

#[tokio::test]
async fn what_is_missing_from_a_list_of_what_is_stored_is_tried_again() {
    let (_folder, files) = files();
    let named =
        json!({ json::REFERENCED_SOP_SEQUENCE: json::element("SQ", vec![item("1.2.2", None)]) }).to_string();
    let outcomes = answering(200, &[], named).await.store(&files).await;
    assert!(matches!(outcomes[0].1, Outcome::ForNow(_)), "{outcomes:?}");
    assert_eq!(outcomes[1].1, Outcome::Stored);
}

#[tokio::test]
async fn a_message_says_how_long_it_is() {
    let (_folder, files) = files();
    let check = |headers: HeaderMap, body: Bytes| async move {
        let length =
            headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let is_told = length == Some(body.len()) && !headers.contains_key(header::TRANSFER_ENCODING);
        if is_told { StatusCode::OK } else { StatusCode::LENGTH_REQUIRED }
    };
    let address = serve(Router::new().route("/studies", post(check))).await;
    let outcomes = web(&format!("http://{address}")).store(&files).await;
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Stored), "{outcomes:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let (_folder, files) = files();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcomes = web(&format!("http://{address}")).store(&files).await;
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::ForNow(_))), "{outcomes:?}");
}

#[tokio::test]
async fn a_file_that_is_gone_is_no_reason_to_give_it_up() {
    let (_folder, mut files) = files();
    files[1].1 = PathBuf::from("nowhere");
    let outcomes = answering(200, &[], "").await.store(&files).await;
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::ForNow(_))), "{outcomes:?}");
}

#[tokio::test]
async fn the_token_goes_to_the_server_and_into_no_message() {
    let folder = tempfile::tempdir().unwrap();
    let token_file = folder.path().join("token");
    std::fs::write(&token_file, " s3cret-token\n").unwrap();
    let check = |headers: HeaderMap| async move {
        let is_right = headers.get(header::AUTHORIZATION).is_some_and(|value| value == "Bearer s3cret-token");
        if is_right { "[]".into_response() } else { StatusCode::UNAUTHORIZED.into_response() }
    };
    let address = serve(Router::new().route("/studies", get(check))).await;
    let text = |token: &str| format!("name = \"pacs\"\nurl = \"http://{address}\"\n{token}");
    let with = Web::new(&toml::from_str(&text(&format!("token_file = {token_file:?}"))).unwrap()).unwrap();
    assert!(with.find_studies(&[]).await.unwrap().is_empty());
    assert!(!format!("{with:?}").contains("s3cret"), "{with:?}");
    let error = Web::new(&toml::from_str(&text("")).unwrap()).unwrap().find_studies(&[]).await.unwrap_err();
    assert!(format!("{error:#}").contains("401") && format!("{error:#}").contains("token_file"), "{error:#}");

    for wrong in ["", "\n", "two words", "line\nbreak"] {
        std::fs::write(&token_file, wrong).unwrap();
        let error =
            Web::new(&toml::from_str(&text(&format!("token_file = {token_file:?}"))).unwrap()).unwrap_err();
        assert!(format!("{error:#}").contains("one token"), "{error:#}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = serve(Router::new().fallback(any(|| async { "[]" }))).await;
    let location = format!("http://{elsewhere}/studies");
    let redirect = move || async move { (StatusCode::FOUND, [(header::LOCATION, location)]) };
    let address = serve(Router::new().route("/studies", get(redirect.clone()).merge(post(redirect)))).await;
    let error = web(&format!("http://{address}")).find_studies(&[]).await.unwrap_err();
    assert!(format!("{error:#}").contains("redirects are not followed"), "{error:#}");
}

#[tokio::test]
async fn a_wrong_configuration_is_told_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let junk = folder.path().join("junk.pem");
    std::fs::write(&junk, "no certificate").unwrap();
    for (more, expected) in [
        ("url = \"pacs/dicom-web\"".to_owned(), "url"),
        ("url = \"ftp://pacs/dicom-web\"".to_owned(), "url"),
        ("url = \"http://pacs\"\ntoken_file = \"nowhere\"".to_owned(), "nowhere"),
        ("url = \"https://pacs\"\ntrusted = \"nowhere\"".to_owned(), "nowhere"),
        (format!("url = \"https://pacs\"\ntrusted = {junk:?}"), "trusted certificates"),
    ] {
        let error = Web::new(&toml::from_str(&format!("name = \"pacs\"\n{more}")).unwrap()).unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains("pacs") && said.contains(expected), "{said}");
    }
}

/// A server that lists the first two slices of the study, and gives out `body` as the study.
async fn archive(scene: &Scene, body: Vec<u8>) -> Web {
    let listed = scene.slices[..2]
        .iter()
        .map(|(uid, _)| json!({ json::SOP_INSTANCE_UID: json::element("UI", vec![json!(uid)]) }));
    let listed = Value::Array(listed.collect()).to_string();
    let related = [(header::CONTENT_TYPE, RELATED)];
    let routes = Router::new()
        .route("/studies/{study}", get(move || async move { (related, body) }))
        .route("/studies/{study}/instances", get(move || async move { listed }));
    web(&format!("http://{}", serve(routes).await))
}

#[tokio::test]
async fn what_is_listed_and_not_sent_is_missing_and_what_is_of_another_study_is_refused() {
    let scene = Scene::new().await;
    let sender = Sender { name: "pull".to_owned(), lane: Lane::Normal };
    let slices = [0, 2].map(|at| std::fs::read(&scene.slices[at].1).unwrap());
    let web = archive(&scene, message(&[&slices[0], &slices[1]])).await;
    let retrieved = web.retrieve_study(&scene.study, &sender, &scene.intake).await.unwrap();
    assert_eq!((retrieved.kept, retrieved.refused.len(), retrieved.missing), (2, 0, 1));
    let retrieved = web.retrieve_study(&uid("1.2.3"), &sender, &scene.intake).await.unwrap();
    assert_eq!((retrieved.kept, retrieved.refused.len(), retrieved.missing), (0, 2, 1));
}

#[tokio::test]
async fn a_study_that_stops_half_way_is_an_error_and_keeps_what_came() {
    let scene = Scene::new().await;
    let sender = Sender { name: "pull".to_owned(), lane: Lane::Normal };
    let slices = [0, 1].map(|at| std::fs::read(&scene.slices[at].1).unwrap());
    let whole = message(&[&slices[0], &slices[1]]);
    let web = archive(&scene, whole[..whole.len() - 500].to_vec()).await;
    let error = web.retrieve_study(&scene.study, &sender, &scene.intake).await.unwrap_err();
    assert!(format!("{error:#}").contains("before its last boundary"), "{error:#}");
    let kept = scene.node.store.images_of(&scene.study, u32::MAX).await.unwrap();
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn an_answer_of_another_kind_is_an_error() {
    let scene = Scene::new().await;
    let sender = Sender { name: "pull".to_owned(), lane: Lane::Normal };
    let list = answering(200, &[("content-type", "application/dicom+json")], "[]").await;
    let error = list.retrieve_study(&scene.study, &sender, &scene.intake).await.unwrap_err();
    assert!(format!("{error:#}").contains("multipart/related"), "{error:#}");
    let html = answering(200, &[("content-type", "text/html")], "<html>patient</html>").await;
    let error = html.find_studies(&[("PatientID", "canary")]).await.unwrap_err();
    let said = format!("{error:#}");
    assert!(said.contains("no JSON") && !said.contains("canary") && !said.contains("patient"), "{said}");
    assert!(answering(204, &[], "").await.find_studies(&[]).await.unwrap().is_empty());
    let error = answering(200, &[], "{}").await.find_studies(&[]).await.unwrap_err();
    assert!(format!("{error:#}").contains("no list"), "{error:#}");
}

#[tokio::test]
async fn what_was_asked_for_is_in_no_message() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = web(&format!("http://{address}")).find_studies(&[("PatientID", "canary")]).await.unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    // Give the port back before another test takes it.
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test]
async fn the_system_s_certificates_are_found() {
    // Debian's ca-certificates; a machine without them says so clearly.
    match Web::new(&toml::from_str("name = \"pacs\"\nurl = \"https://pacs/dicom-web\"").unwrap()) {
        Ok(_) => {}
        Err(error) => assert!(format!("{error:#}").contains("ca-certificates"), "{error:#}"),
    }
}
