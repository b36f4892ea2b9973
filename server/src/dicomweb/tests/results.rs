//! QIDO-RS and WADO-RS as our service does them: results found and fetched.

use dicom_io::Uid;
use image::{ImageFormat, Rgb};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use super::super::client::http_client;
use super::super::json;
use super::Scene;
use crate::config::Lane;
use crate::intake::Sender;

const RELATED_DICOM: &str = "multipart/related; type=\"application/dicom\"";

async fn get(scene: &Scene, path: &str, accept: &str) -> Response {
    let url = scene.url(path).parse().unwrap();
    let client = http_client(&url, None).unwrap();
    client.get(url).header("Accept", accept).send().await.unwrap()
}

/// What a search answers; nothing where nothing matches.
async fn search(scene: &Scene, path: &str) -> Vec<Value> {
    let response = get(scene, path, "application/dicom+json").await;
    if response.status() == StatusCode::NO_CONTENT {
        return Vec::new();
    }
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert_eq!(response.headers()["content-type"], "application/dicom+json");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

fn texts<'a>(found: &'a [Value], tag: &str) -> Vec<&'a str> {
    let mut texts: Vec<_> = found.iter().filter_map(|object| json::text(object, tag)).collect();
    texts.sort_unstable();
    texts
}

#[tokio::test]
async fn nothing_is_found_before_anything_was_made() {
    let scene = Scene::new().await;
    scene.web().store(&scene.slices).await;
    assert!(search(&scene, "/studies").await.is_empty());
    let path = format!("/studies/{}", scene.study);
    assert_eq!(get(&scene, &path, RELATED_DICOM).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_study_is_found_by_what_its_results_say_of_the_patient() {
    let scene = Scene::new().await;
    scene.analysed().await;
    let found = search(&scene, "/studies").await;
    assert_eq!(texts(&found, "0020000D"), [scene.study.as_str()]);
    let patient = json::text(&found[0], "00100020").unwrap().to_owned();
    assert_eq!(json::values(&found[0], "00080061"), ["OT", "SEG"]);
    assert_eq!(json::number(&found[0], "00201206"), Some(2));
    assert_eq!(json::number(&found[0], "00201208"), Some(2));
    assert_eq!(
        json::text(&found[0], json::RETRIEVE_URL),
        Some(&*scene.url(&format!("/studies/{}", scene.study)))
    );
    for (query, expected) in [
        (format!("PatientID={patient}"), 1),
        (format!("00100020={patient}"), 1),
        ("PatientID=*".to_owned(), 1),
        ("PatientID=somebody".to_owned(), 0),
        ("ModalitiesInStudy=SEG".to_owned(), 1),
        ("ModalitiesInStudy=CT".to_owned(), 0),
        (format!("StudyInstanceUID=1.2.3,{}", scene.study), 1),
        ("StudyInstanceUID=1.2.3".to_owned(), 0),
        ("StudyDate=19000101-".to_owned(), 1),
        ("StudyDate=19000101".to_owned(), 0),
        (format!("PatientID={patient}&limit=0"), 0),
        ("offset=1".to_owned(), 0),
    ] {
        assert_eq!(search(&scene, &format!("/studies?{query}")).await.len(), expected, "{query}");
    }
}

#[tokio::test]
async fn series_and_objects_are_found_below_a_study_and_without() {
    let scene = Scene::new().await;
    let objects = scene.analysed().await;
    let (picture, segmentation) = (&objects[0], &objects[1]);
    let study = format!("/studies/{}", scene.study);
    for (path, tag, expected) in [
        (format!("{study}/series"), "0020000E", vec![picture.series_uid(), segmentation.series_uid()]),
        ("/series?Modality=SEG".to_owned(), "0020000E", vec![segmentation.series_uid()]),
        (format!("{study}/series?SeriesDescription=key*"), "0020000E", vec![]),
        (format!("{study}/series?SeriesDescription=Key*"), "0020000E", vec![picture.series_uid()]),
        (
            format!("{study}/instances"),
            "00080018",
            vec![picture.sop_instance_uid(), segmentation.sop_instance_uid()],
        ),
        (
            format!("{study}/series/{}/instances", picture.series_uid()),
            "00080018",
            vec![picture.sop_instance_uid()],
        ),
        (
            format!("/instances?SOPClassUID={}", segmentation.sop_class_uid()),
            "00080018",
            vec![segmentation.sop_instance_uid()],
        ),
        (
            format!("/instances?SOPInstanceUID={}&Modality=SEG", picture.sop_instance_uid()),
            "00080018",
            vec![],
        ),
        ("/studies/1.2.3/instances".to_owned(), "00080018", vec![]),
    ] {
        let mut expected: Vec<_> = expected.into_iter().map(Uid::as_str).collect();
        expected.sort_unstable();
        assert_eq!(texts(&search(&scene, &path).await, tag), expected, "{path}");
    }
    let first = search(&scene, "/instances?limit=1").await;
    let second = search(&scene, "/instances?limit=1&offset=1").await;
    assert_ne!(texts(&first, "00080018"), texts(&second, "00080018"));
}

#[tokio::test]
async fn an_answer_has_what_is_asked_for_and_no_more() {
    let scene = Scene::new().await;
    scene.analysed().await;
    let plain = &search(&scene, "/instances?Modality=OT").await[0];
    assert!(plain.get("00082111").is_none(), "{plain}");
    let more = &search(&scene, "/instances?Modality=OT&includefield=DerivationDescription,00080064").await[0];
    assert_eq!(json::text(more, "00082111"), Some("Slice 1"));
    assert_eq!(json::text(more, "00080064"), Some("WSD"));
    let all = &search(&scene, "/instances?Modality=OT&includefield=all").await[0];
    assert!(all.get("00082112").is_some() && all.get("7FE00010").is_none(), "{all}");
}

#[tokio::test]
async fn what_cannot_be_searched_for_is_a_bad_request() {
    let scene = Scene::new().await;
    for query in ["Nonsense=1", "limit=many", "offset=-1", "includefield=Nonsense"] {
        let response = get(&scene, &format!("/studies?{query}"), "*/*").await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    assert_eq!(get(&scene, "/studies/1.2x/series", "*/*").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(get(&scene, "/studies/..%2fetc/metadata", "*/*").await.status(), StatusCode::BAD_REQUEST);
    let fuzzy = get(&scene, "/studies?fuzzymatching=true", "*/*").await;
    assert!(fuzzy.headers()["warning"].to_str().unwrap().starts_with("299 "));
}

#[tokio::test]
async fn results_come_back_byte_for_byte() {
    let scene = Scene::new().await;
    let objects = scene.analysed().await;
    for (number, object) in objects.iter().enumerate() {
        let path = format!(
            "/studies/{}/series/{}/instances/{}",
            scene.study,
            object.series_uid(),
            object.sop_instance_uid()
        );
        let made = scene.node.store.made(None).await.unwrap();
        let made = made.iter().find(|made| made.sop_instance == *object.sop_instance_uid()).unwrap();
        let file = std::fs::read(scene.node.archive.result(&made.file)).unwrap();
        let alone = get(&scene, &path, "application/dicom").await;
        assert_eq!(alone.headers()["content-type"], "application/dicom");
        assert!(alone.bytes().await.unwrap() == file, "object {number}");
        let related = get(&scene, &path, RELATED_DICOM).await;
        let media_type = related.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(media_type.starts_with("multipart/related"), "{media_type}");
        let body = related.bytes().await.unwrap();
        assert!(body.windows(file.len()).any(|window| window == file), "object {number}");
    }
}

#[tokio::test]
async fn our_client_fetches_what_our_service_has() {
    let scene = Scene::new().await;
    scene.analysed().await;
    let other = Scene::new().await;
    let sender = Sender { name: "pull".to_owned(), lane: Lane::Normal };
    let retrieved = scene.web().retrieve_study(&scene.study, &sender, &other.intake).await.unwrap();
    assert_eq!(
        (retrieved.kept, retrieved.quarantined, retrieved.refused.len(), retrieved.missing),
        (2, 0, 0, 0)
    );
    // Once more: the same bytes are no other objects.
    let retrieved = scene.web().retrieve_study(&scene.study, &sender, &other.intake).await.unwrap();
    assert_eq!(
        (retrieved.kept, retrieved.quarantined, retrieved.refused.len(), retrieved.missing),
        (2, 0, 0, 0)
    );
    assert_eq!(scene.web().find_studies(&[("PatientID", "nobody")]).await.unwrap().len(), 0);
    assert_eq!(scene.web().find_studies(&[]).await.unwrap().len(), 1);
    assert_eq!(scene.web().find_instances(&scene.study).await.unwrap().len(), 2);
    let missing = Uid::parse("1.2.3").unwrap();
    let error = scene.web().retrieve_study(&missing, &sender, &other.intake).await.unwrap_err();
    assert!(format!("{error:#}").contains("404"), "{error:#}");
}

#[tokio::test]
async fn headers_come_without_pixels() {
    let scene = Scene::new().await;
    let objects = scene.analysed().await;
    let series = format!("/studies/{}/series/{}", scene.study, objects[0].series_uid());
    let instance = format!("{series}/instances/{}", objects[0].sop_instance_uid());
    for (path, expected) in [(format!("/studies/{}", scene.study), 2), (series, 1), (instance, 1)] {
        let found = search(&scene, &format!("{path}/metadata")).await;
        assert_eq!(found.len(), expected, "{path}");
        assert!(
            found.iter().all(|object| object.get("7FE00010").is_none() && object.get("00100010").is_some())
        );
    }
}

#[tokio::test]
async fn a_key_image_is_a_picture_and_a_segmentation_is_none() {
    let scene = Scene::new().await;
    let objects = scene.analysed().await;
    let rendered = |at: usize| {
        let object = &objects[at];
        let (series, instance) = (object.series_uid(), object.sop_instance_uid());
        format!("/studies/{}/series/{series}/instances/{instance}/rendered", scene.study)
    };
    let png = get(&scene, &rendered(0), "image/png").await;
    assert_eq!(png.headers()["content-type"], "image/png");
    let png =
        image::load_from_memory_with_format(&png.bytes().await.unwrap(), ImageFormat::Png).unwrap().to_rgb8();
    assert_eq!(png.dimensions(), (7, 5));
    assert_eq!(png.get_pixel(6, 4), &Rgb([190, 191, 192]));
    let jpeg = get(&scene, &rendered(0), "*/*").await;
    assert_eq!(jpeg.headers()["content-type"], "image/jpeg");
    let jpeg = image::load_from_memory_with_format(&jpeg.bytes().await.unwrap(), ImageFormat::Jpeg).unwrap();
    assert_eq!((jpeg.width(), jpeg.height()), (7, 5));
    assert_eq!(get(&scene, &rendered(1), "*/*").await.status(), StatusCode::NOT_ACCEPTABLE);
    assert_eq!(get(&scene, &rendered(0), "image/gif").await.status(), StatusCode::NOT_ACCEPTABLE);
}

#[tokio::test]
async fn frames_are_the_pixels_as_they_are_stored() {
    let scene = Scene::new().await;
    let objects = scene.analysed().await;
    let (series, instance) = (objects[0].series_uid(), objects[0].sop_instance_uid());
    let path = format!("/studies/{}/series/{series}/instances/{instance}/frames", scene.study);
    let frame = get(&scene, &format!("{path}/1"), "application/octet-stream").await;
    let expected: Vec<u8> = (0..5)
        .flat_map(|j| (0..7).flat_map(move |i| (0..3).map(move |c| (j * 40 + i * 5 + c) as u8)))
        .collect();
    assert_eq!(frame.bytes().await.unwrap(), expected);
    let related = get(
        &scene,
        &format!("{path}/1"),
        "multipart/related; type=application/octet-stream; transfer-syntax=*",
    )
    .await;
    assert_eq!(related.status(), StatusCode::OK);
    assert!(related.bytes().await.unwrap().windows(105).any(|window| window == expected));
    for (frames, status) in [
        ("2", StatusCode::NOT_FOUND),
        ("0", StatusCode::NOT_FOUND),
        ("x", StatusCode::BAD_REQUEST),
        ("1,1", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(get(&scene, &format!("{path}/{frames}"), "*/*").await.status(), status, "{frames}");
    }
}

#[tokio::test]
async fn only_what_the_client_accepts_is_answered() {
    let scene = Scene::new().await;
    let objects = scene.analysed().await;
    let study = format!("/studies/{}", scene.study);
    let instance =
        format!("{study}/series/{}/instances/{}", objects[0].series_uid(), objects[0].sop_instance_uid());
    for (path, accept) in [
        ("/studies".to_owned(), "application/dicom+xml"),
        (format!("{study}/metadata"), "application/dicom"),
        (study.clone(), "application/dicom+json"),
        (study, "multipart/related; type=\"application/dicom\"; transfer-syntax=1.2.840.10008.1.2.4.70"),
        (instance, "image/png"),
    ] {
        assert_eq!(get(&scene, &path, accept).await.status(), StatusCode::NOT_ACCEPTABLE, "{path} {accept}");
    }
}

#[tokio::test]
async fn what_several_jobs_made_is_listed_and_the_same_object_once() {
    let scene = Scene::new().await;
    let objects = scene.analysed().await;
    scene.made(&objects[..1], "test 2").await;
    assert_eq!(search(&scene, "/instances").await.len(), 2);
    let made = scene.node.store.made(None).await.unwrap();
    let picture = made.iter().find(|made| made.sop_instance == *objects[0].sop_instance_uid()).unwrap();
    assert!(picture.file.starts_with("1-1"), "the first that was made is the one that was sent: {picture:?}");
}

#[tokio::test]
async fn a_result_that_is_gone_from_the_disk_does_not_hide_the_others() {
    let scene = Scene::new().await;
    let objects = scene.analysed().await;
    let made = scene.node.store.made(None).await.unwrap();
    let picture = made.iter().find(|made| made.sop_instance == *objects[0].sop_instance_uid()).unwrap();
    std::fs::remove_file(scene.node.archive.result(&picture.file)).unwrap();
    let found = search(&scene, "/instances").await;
    assert_eq!(texts(&found, "00080018"), [objects[1].sop_instance_uid().as_str()]);
    let path = format!("/studies/{}", scene.study);
    assert_eq!(get(&scene, &path, RELATED_DICOM).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
