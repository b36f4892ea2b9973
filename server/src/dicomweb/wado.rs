//! WADO-RS: what was made of a study, as files, as headers, as pictures.
//!
//! Source: DICOM PS3.18 10.4.

use std::io::Cursor;
use std::path::PathBuf;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dicom_io::json::Pixels;
use image::{ImageFormat, RgbImage};

use super::media::{Offer, choose};
use super::message::{Content, Message};
use super::server::{App, DICOM, Place, accepts_json, dicom_json, not_acceptable};
use crate::http::problem::Problem;
use crate::store::results::MadeObject;

const OCTETS: &str = "application/octet-stream";

/// Gives out a study, a series or one object, as DICOM files
#[utoipa::path(
    get,
    path = "/studies/{study}/series/{series}/instances/{instance}",
    tag = "dicomweb",
    params(("study" = String, Path), ("series" = String, Path), ("instance" = String, Path)),
    description = "Also of a whole series and of a whole study: leave out the end of the path.",
    responses(
        (status = 200, description = "multipart/related of application/dicom; one object also as application/dicom"),
        (status = 404, description = "Nothing was made of it, or not this"),
        (status = 406, description = "The client accepts none of these"),
    ),
)]
pub(super) async fn objects(
    State(app): State<App>,
    place: Place,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let related = Offer::Related(DICOM);
    let offers = if place.instance.is_some() { &[related, Offer::Single(DICOM)][..] } else { &[related] };
    let offer = choose(&headers, offers).ok_or_else(|| {
        not_acceptable("multipart/related; type=\"application/dicom\", in Explicit VR Little Endian")
    })?;
    let files = files(&app, &find(&app, &place).await?);
    let mut parts = Vec::with_capacity(files.len());
    for file in files {
        parts.push(Content::file(file).await?);
    }
    Ok(answer(offer, parts))
}

/// Gives out the headers of a study's, a series' or one object, without pixels
#[utoipa::path(
    get,
    path = "/studies/{study}/series/{series}/instances/{instance}/metadata",
    tag = "dicomweb",
    params(("study" = String, Path), ("series" = String, Path), ("instance" = String, Path)),
    description = "Also of a whole series and of a whole study: leave out the end of the path.",
    responses(
        (status = 200, description = "application/dicom+json"),
        (status = 404, description = "Nothing was made of it, or not this"),
        (status = 406, description = "The client accepts something else only"),
    ),
)]
pub(super) async fn metadata(
    State(app): State<App>,
    place: Place,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    accepts_json(&headers)?;
    let files = files(&app, &find(&app, &place).await?);
    let read = move || files.iter().map(|file| dicom_io::json::header(file)).collect::<Result<Vec<_>, _>>();
    let found = blocking(read).await?.map_err(internal)?;
    Ok(dicom_json(StatusCode::OK, &found.into()))
}

/// Gives out a key image as a picture
#[utoipa::path(
    get,
    path = "/studies/{study}/series/{series}/instances/{instance}/rendered",
    tag = "dicomweb",
    params(("study" = String, Path), ("series" = String, Path), ("instance" = String, Path)),
    responses(
        (status = 200, description = "image/jpeg or image/png"),
        (status = 404, description = "There is no such object"),
        (status = 406, description = "The object is no picture, or the client accepts neither"),
    ),
)]
pub(super) async fn rendered(
    State(app): State<App>,
    place: Place,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let offers = [Offer::Single("image/jpeg"), Offer::Single("image/png")];
    let offer = choose(&headers, &offers).ok_or_else(|| not_acceptable("image/jpeg or image/png"))?;
    let pixels = pixels(&app, &place).await?;
    let [rows, columns] = [pixels.rows, pixels.columns];
    let is_picture = (pixels.samples, pixels.bits, pixels.frames) == (3, 8, 1);
    let bytes = pixels.frame(1).filter(|_| is_picture).map(<[u8]>::to_vec);
    let picture = bytes.and_then(|bytes| RgbImage::from_raw(columns, rows, bytes));
    let picture = picture.ok_or_else(|| not_acceptable("DICOM only: only key images are pictures"))?;
    let (format, media_type) = match offer {
        Offer::Single("image/png") => (ImageFormat::Png, "image/png"),
        _ => (ImageFormat::Jpeg, "image/jpeg"),
    };
    let encode = move || {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).map(|()| bytes.into_inner())
    };
    let bytes = blocking(encode).await?.map_err(|error| Problem::Internal(error.into()))?;
    Ok(([(header::CONTENT_TYPE, media_type)], bytes).into_response())
}

/// Gives out the pixels of frames, as they are stored
#[utoipa::path(
    get,
    path = "/studies/{study}/series/{series}/instances/{instance}/frames/{frames}",
    tag = "dicomweb",
    params(
        ("study" = String, Path),
        ("series" = String, Path),
        ("instance" = String, Path),
        ("frames" = String, Path, description = "Numbers from 1, with commas between"),
    ),
    responses(
        (status = 200, description = "multipart/related of application/octet-stream; one frame also without multipart"),
        (status = 404, description = "There is no such object, or no such frame"),
        (status = 406, description = "Its frames do not begin at whole bytes, or the client accepts something else"),
    ),
)]
pub(super) async fn frames(
    State(app): State<App>,
    place: Place,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let text = place.frames.as_deref().unwrap_or_default();
    let numbers: Option<Vec<u32>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let numbers = numbers.ok_or_else(|| {
        Problem::Malformed(
            StatusCode::BAD_REQUEST,
            "frames are numbers from 1, with commas between".to_owned(),
        )
    })?;
    let related = Offer::Related(OCTETS);
    let offers = if numbers.len() == 1 { &[related, Offer::Single(OCTETS)][..] } else { &[related] };
    let offer = choose(&headers, offers)
        .ok_or_else(|| not_acceptable("multipart/related; type=\"application/octet-stream\""))?;
    let pixels = pixels(&app, &place).await?;
    if pixels.frame(1).is_none() {
        return Err(not_acceptable("DICOM only: frames of this object do not begin at whole bytes"));
    }
    if numbers.len() as u64 > u64::from(pixels.frames) {
        let detail = "more frames are asked for than the object has";
        return Err(Problem::Malformed(StatusCode::BAD_REQUEST, detail.to_owned()));
    }
    let mut parts = Vec::with_capacity(numbers.len());
    for number in numbers {
        let frame = pixels.frame(number).ok_or_else(|| not_found("the object has no such frame"))?;
        parts.push(Content::Bytes(Bytes::copy_from_slice(frame)));
    }
    Ok(answer(offer, parts))
}

/// `parts`, of which there is one at least, as `offer` says.
fn answer(offer: Offer, mut parts: Vec<Content>) -> Response {
    match offer {
        Offer::Single(media_type) => Message::single(media_type, parts.remove(0)),
        Offer::Related(media_type) => Message::related(media_type, parts),
    }
    .into_response()
}

/// What was made and lies at `place`, oldest first.
async fn find(app: &App, place: &Place) -> Result<Vec<MadeObject>, Problem> {
    let mut made = app.node.store.made(place.study.as_ref()).await?;
    made.retain(|object| place.holds(object));
    made.reverse();
    if made.is_empty() { Err(not_found("there is no such result here")) } else { Ok(made) }
}

fn files(app: &App, made: &[MadeObject]) -> Vec<PathBuf> {
    made.iter().map(|object| app.node.archive.result(&object.file)).collect()
}

/// The pixels of the object at `place`.
async fn pixels(app: &App, place: &Place) -> Result<Pixels, Problem> {
    let file = files(app, &find(app, place).await?).remove(0);
    let pixels = blocking(move || dicom_io::json::pixels(&file)).await?.map_err(internal)?;
    pixels.ok_or_else(|| not_acceptable("DICOM only: the object has no pixels"))
}

/// Runs what waits for the disk where nothing else waits for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Problem::Internal(error.into()))
}

fn internal(error: dicom_io::Error) -> Problem {
    Problem::Internal(error.into())
}

fn not_found(detail: &str) -> Problem {
    Problem::Malformed(StatusCode::NOT_FOUND, detail.to_owned())
}
