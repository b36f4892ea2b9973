//! Our own DICOMweb service: studies come in by STOW-RS, what was made of them goes out by QIDO-RS and WADO-RS.
//!
//! Images that came in are not given out again: that is what the PACS is for. Who may ask is decided before
//! a request comes here, see `http`.
//!
//! Source: DICOM PS3.18 10.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use dicom_io::Uid;
use utoipa::OpenApi;

use super::media::{Offer, choose};
use super::{qido, stow, wado};
use crate::http::ask;
use crate::http::problem::Problem;
use crate::intake::Intake;
use crate::node::Node;
use crate::store::results::MadeObject;

/// Where `http` puts the routes.
pub(crate) const NEST: &str = "/dicom-web";

/// DICOM in JSON.
pub(super) const DICOM_JSON: &str = "application/dicom+json";

/// A DICOM file.
pub(super) const DICOM: &str = "application/dicom";

/// What handlers share.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) node: Arc<Node>,
    pub(super) intake: Arc<Intake>,
}

/// The routes below `/dicom-web`.
pub(crate) fn routes(node: Arc<Node>, intake: Arc<Intake>) -> Router {
    let study = "/studies/{study}";
    let series = "/studies/{study}/series/{series}";
    let instance = "/studies/{study}/series/{series}/instances/{instance}";
    let below = |path: &str, more: &str| format!("{path}{more}");
    Router::new()
        .route("/studies", get(qido::studies).merge(post(stow::store)))
        .route("/series", get(qido::series))
        .route("/instances", get(qido::instances))
        .route(study, get(wado::objects).merge(post(stow::store)))
        .route(&below(study, "/series"), get(qido::series))
        .route(&below(study, "/instances"), get(qido::instances))
        .route(&below(study, "/metadata"), get(wado::metadata))
        .route(series, get(wado::objects))
        .route(&below(series, "/instances"), get(qido::instances))
        .route(&below(series, "/metadata"), get(wado::metadata))
        .route(instance, get(wado::objects))
        .route(&below(instance, "/metadata"), get(wado::metadata))
        .route(&below(instance, "/rendered"), get(wado::rendered))
        .route(&below(instance, "/frames/{frames}"), get(wado::frames))
        .with_state(App { node, intake })
}

/// What `/openapi.json` says of these routes.
#[derive(OpenApi)]
#[openapi(
    tags((name = "dicomweb", description = "DICOMweb (PS3.18): images in, results out")),
    paths(
        stow::store, qido::studies, qido::series, qido::instances, wado::objects, wado::metadata, wado::rendered,
        wado::frames,
    ),
)]
pub(crate) struct Description;

/// What a path names.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) study: Option<Uid>,
    pub(super) series: Option<Uid>,
    pub(super) instance: Option<Uid>,
    /// Numbers of frames, with commas between.
    pub(super) frames: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Problem::NotAUid)?;
        let mut place = Self::default();
        for (name, text) in &named {
            let uid = || Uid::parse(text).map(Some).map_err(|_| Problem::NotAUid);
            match name {
                "study" => place.study = uid()?,
                "series" => place.series = uid()?,
                "instance" => place.instance = uid()?,
                _ => place.frames = Some(text.to_owned()),
            }
        }
        Ok(place)
    }
}

impl Place {
    /// Whether `object` lies there.
    pub(super) fn holds(&self, object: &MadeObject) -> bool {
        let levels = [
            (&self.study, &object.study),
            (&self.series, &object.series),
            (&self.instance, &object.sop_instance),
        ];
        levels.iter().all(|(named, uid)| named.as_ref().is_none_or(|named| named == *uid))
    }
}

/// The address of this service as the client knows it, for links: `http://host/dicom-web`.
#[derive(Debug)]
pub(super) struct Root(String);

impl<S: Send + Sync> FromRequestParts<S> for Root {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let host = ask::header(&parts.headers, header::HOST).and_then(|host| host.parse::<Authority>().ok());
        let scheme = if ask::is_tls(&parts.headers) { "https" } else { "http" };
        Ok(Self(match host {
            Some(host) => format!("{scheme}://{host}{NEST}"),
            None => NEST.to_owned(),
        }))
    }
}

impl Root {
    /// The address of a study, of one of its series, or of one object.
    pub(super) fn of(&self, study: &Uid, series: Option<&Uid>, instance: Option<&Uid>) -> String {
        let mut url = format!("{}/studies/{study}", self.0);
        for (name, uid) in [("series", series), ("instances", instance)] {
            if let Some(uid) = uid {
                url += &format!("/{name}/{uid}");
            }
        }
        url
    }
}

/// An answer in DICOM JSON.
pub(super) fn dicom_json(status: StatusCode, value: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, DICOM_JSON)], value.to_string()).into_response()
}

/// That the client takes an answer in DICOM JSON.
///
/// # Errors
///
/// 406 if it does not.
pub(super) fn accepts_json(headers: &HeaderMap) -> Result<(), Problem> {
    let offers = [Offer::Single(DICOM_JSON), Offer::Single("application/json")];
    choose(headers, &offers).map(|_| ()).ok_or_else(|| not_acceptable(DICOM_JSON))
}

/// 406: nothing that we have is what the client accepts.
pub(super) fn not_acceptable(offers: &str) -> Problem {
    Problem::Malformed(StatusCode::NOT_ACCEPTABLE, format!("this is answered as {offers}"))
}
