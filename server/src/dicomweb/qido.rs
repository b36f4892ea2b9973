//! QIDO-RS: what was made, searched by what its headers say.
//!
//! The database holds no patient data, so names and numbers are looked up in the objects themselves, newest
//! first, until as many are found as are wanted.
//!
//! Source: DICOM PS3.18 8.3.4 and 10.6, matching PS3.4 C.2.2.2.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dicom_io::Uid;
use dicom_io::json::{Attribute, attribute};
use serde_json::{Value, json};

use super::json;
use super::matching::matches;
use super::server::{App, Place, Root, accepts_json, dicom_json};
use super::wado::blocking;
use crate::http::ask::Asked;
use crate::http::problem::Problem;
use crate::store::results::MadeObject;

/// No answer has more entries than this, whatever is asked for.
const MOST: usize = 1000;

/// Said where the answer was cut, and where names were to be matched by their sound (PS3.18 8.3.4.1, 8.3.4.4).
const CUT: &str = "299 foci \"The number of results exceeded the maximum supported by the server. Additional \
                   results can be requested.\"";
const LITERAL: &str =
    "299 foci \"The fuzzymatching parameter is not supported. Only literal matching has been performed.\"";

const STUDY_UID: &str = "0020000D";
const SERIES_UID: &str = "0020000E";
const SOP_CLASS_UID: &str = "00080016";
const MODALITY: &str = "00080060";
const MODALITIES_IN_STUDY: &str = "00080061";
const AVAILABILITY: &str = "00080056";
const STUDY_SERIES: &str = "00201206";
const STUDY_INSTANCES: &str = "00201208";
const SERIES_INSTANCES: &str = "00201209";

/// What is always told of a study: date, time, accession number, modalities, referring physician, time zone,
/// description, patient's name, ID, birth date and sex, study ID, counts, address.
const OF_STUDIES: [&str; 17] = [
    STUDY_UID,
    "00080020",
    "00080030",
    "00080050",
    AVAILABILITY,
    MODALITIES_IN_STUDY,
    "00080090",
    "00080201",
    "00081030",
    json::RETRIEVE_URL,
    "00100010",
    "00100020",
    "00100030",
    "00100040",
    "00200010",
    STUDY_SERIES,
    STUDY_INSTANCES,
];

/// And of a series: modality, description, number, when the procedure step began, what was requested.
const OF_SERIES: [&str; 11] = [
    STUDY_UID,
    SERIES_UID,
    MODALITY,
    "00080201",
    "0008103E",
    json::RETRIEVE_URL,
    "00200011",
    SERIES_INSTANCES,
    "00400244",
    "00400245",
    "00400275",
];

/// And of an object: class, number, frames, rows, columns, bits.
const OF_INSTANCES: [&str; 13] = [
    STUDY_UID,
    SERIES_UID,
    MODALITY,
    SOP_CLASS_UID,
    json::SOP_INSTANCE_UID,
    AVAILABILITY,
    "00080201",
    json::RETRIEVE_URL,
    "00200013",
    "00280008",
    "00280010",
    "00280011",
    "00280100",
];

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Study,
    Series,
    Instance,
}

/// What a query asks for.
#[derive(Debug)]
struct Search {
    level: Level,
    place: Place,
    keys: Vec<(Attribute, String)>,
    /// Beside what is always told.
    include: Vec<String>,
    include_all: bool,
    limit: usize,
    offset: usize,
    is_fuzzy: bool,
}

/// Searches for studies of which something was made
#[utoipa::path(
    get,
    path = "/studies",
    tag = "dicomweb",
    params(
        ("PatientID" = Option<String>, Query, description = "Any attribute, by keyword or tag; * and ? stand for others"),
        ("limit" = Option<usize>, Query),
        ("offset" = Option<usize>, Query),
        ("includefield" = Option<String>, Query, description = "More attributes, with commas between, or all"),
    ),
    responses(
        (status = 200, description = "application/dicom+json"),
        (status = 204, description = "Nothing matches"),
        (status = 400, description = "The query names something that is no attribute"),
    ),
)]
pub(super) async fn studies(
    State(app): State<App>,
    place: Place,
    root: Root,
    Asked(query): Asked<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    search(app, Search::parse(Level::Study, place, query)?, root, headers).await
}

/// Searches for series that were made
#[utoipa::path(
    get,
    path = "/studies/{study}/series",
    tag = "dicomweb",
    params(("study" = String, Path)),
    description = "Also of all studies, as /series. Takes what /studies takes.",
    responses(
        (status = 200, description = "application/dicom+json"),
        (status = 204, description = "Nothing matches"),
        (status = 400, description = "The query names something that is no attribute"),
    ),
)]
pub(super) async fn series(
    State(app): State<App>,
    place: Place,
    root: Root,
    Asked(query): Asked<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    search(app, Search::parse(Level::Series, place, query)?, root, headers).await
}

/// Searches for objects that were made
#[utoipa::path(
    get,
    path = "/studies/{study}/instances",
    tag = "dicomweb",
    params(("study" = String, Path)),
    description = "Also of one series, as /studies/{study}/series/{series}/instances, and of all studies, as \
                   /instances. Takes what /studies takes.",
    responses(
        (status = 200, description = "application/dicom+json"),
        (status = 204, description = "Nothing matches"),
        (status = 400, description = "The query names something that is no attribute"),
    ),
)]
pub(super) async fn instances(
    State(app): State<App>,
    place: Place,
    root: Root,
    Asked(query): Asked<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    search(app, Search::parse(Level::Instance, place, query)?, root, headers).await
}

async fn search(app: App, search: Search, root: Root, headers: HeaderMap) -> Result<Response, Problem> {
    accepts_json(&headers)?;
    let study = search.place.study.clone().or_else(|| search.only_study());
    let made = app.node.store.made(study.as_ref()).await?;
    let folder = app.node.archive.results();
    let is_fuzzy = search.is_fuzzy;
    let (found, is_cut) = blocking(move || search.run(&made, &folder, &root)).await?;
    let mut response = match found.is_empty() {
        true => StatusCode::NO_CONTENT.into_response(),
        false => dicom_json(StatusCode::OK, &Value::Array(found)),
    };
    for (applies, warning) in [(is_cut, CUT), (is_fuzzy, LITERAL)] {
        if applies {
            response.headers_mut().append(header::WARNING, HeaderValue::from_static(warning));
        }
    }
    Ok(response)
}

impl Search {
    fn parse(level: Level, place: Place, query: Vec<(String, String)>) -> Result<Self, Problem> {
        let wrong = |what: &str| Problem::Malformed(StatusCode::BAD_REQUEST, what.to_owned());
        let number = |text: &str| text.parse().map_err(|_| wrong("limit and offset are whole numbers"));
        let known = |name: &str| {
            attribute(name).ok_or_else(|| {
                wrong("the query names something that is no attribute: use keywords (PatientID) or tags (00100020)")
            })
        };
        let mut search = Self {
            level,
            place,
            keys: Vec::new(),
            include: Vec::new(),
            include_all: false,
            limit: usize::MAX,
            offset: 0,
            is_fuzzy: false,
        };
        for (name, value) in query {
            match name.as_str() {
                "limit" => search.limit = number(&value)?,
                "offset" => search.offset = number(&value)?,
                "fuzzymatching" => search.is_fuzzy = value == "true",
                "includefield" if value == "all" => search.include_all = true,
                "includefield" => {
                    for name in value.split(',').filter(|name| !name.is_empty()) {
                        search.include.push(known(name)?.tag);
                    }
                }
                name => search.keys.push((known(name)?, value)),
            }
        }
        Ok(search)
    }

    /// The study, if the keys name just one.
    fn only_study(&self) -> Option<Uid> {
        let (_, value) = self.keys.iter().find(|(key, _)| key.tag == STUDY_UID)?;
        Uid::parse(value).ok()
    }

    /// What matches, and whether there is more that was not asked for by a limit.
    fn run(&self, made: &[MadeObject], folder: &Path, root: &Root) -> (Vec<Value>, bool) {
        let most = self.limit.min(MOST);
        let (mut found, mut passed) = (Vec::new(), 0);
        for group in self.groups(made) {
            if !group.iter().any(|object| self.names(object)) {
                continue;
            }
            let entry = match self.entry(&group, folder, root) {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                // One file that is gone does not hide the others.
                Err(error) => {
                    let uid = group.first().map(|object| object.sop_instance.as_str());
                    tracing::error!(uid, "a result cannot be read: {error}");
                    continue;
                }
            };
            passed += 1;
            if passed <= self.offset {
                continue;
            }
            if found.len() == most {
                return (found, self.limit > MOST);
            }
            found.push(entry);
        }
        (found, false)
    }

    /// The objects of each study, of each series, or one by one; the newest group first.
    fn groups<'a>(&self, made: &'a [MadeObject]) -> Vec<Vec<&'a MadeObject>> {
        let mut groups: Vec<Vec<&MadeObject>> = Vec::new();
        let mut known = HashMap::new();
        for object in made {
            let key = match self.level {
                Level::Study => object.study.as_str(),
                Level::Series => object.series.as_str(),
                Level::Instance => object.sop_instance.as_str(),
            };
            let at = *known.entry(key).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[at].push(object);
        }
        groups
    }

    /// Whether path and keys name `object` by its UIDs.
    fn names(&self, object: &MadeObject) -> bool {
        self.place.holds(object)
            && self.keys.iter().all(|(key, value)| {
                let uid = match key.tag.as_str() {
                    STUDY_UID => &object.study,
                    SERIES_UID => &object.series,
                    SOP_CLASS_UID => &object.sop_class,
                    json::SOP_INSTANCE_UID => &object.sop_instance,
                    _ => return true,
                };
                matches(Some(&json::element("UI", vec![json!(uid)])), "UI", value)
            })
    }

    /// What is told of a group; `None` if it does not match.
    fn entry(
        &self,
        group: &[&MadeObject],
        folder: &Path,
        root: &Root,
    ) -> Result<Option<Value>, dicom_io::Error> {
        let Some(first) = group.last() else { return Ok(None) };
        let mut entry = dicom_io::json::header(&folder.join(&first.file))?;
        let count = |count: usize| json::element("IS", vec![json!(count)]);
        entry[AVAILABILITY] = json::element("CS", vec![json!("ONLINE")]);
        let url = match self.level {
            Level::Study => root.of(&first.study, None, None),
            Level::Series => root.of(&first.study, Some(&first.series), None),
            Level::Instance => root.of(&first.study, Some(&first.series), Some(&first.sop_instance)),
        };
        entry[json::RETRIEVE_URL] = json::element("UR", vec![json!(url)]);
        match self.level {
            Level::Study => {
                let mut series = HashMap::new();
                for object in group {
                    series.insert(&object.series, &object.file);
                }
                let modality = |header: &Value| json::text(header, MODALITY).map(str::to_owned);
                let mut modalities = BTreeSet::from_iter(modality(&entry));
                for file in series.values().filter(|file| **file != &first.file) {
                    modalities.extend(modality(&dicom_io::json::header(&folder.join(file))?));
                }
                let modalities = json::element("CS", modalities.into_iter().map(Value::from).collect());
                // Asked for on this level, the modality is that of any series.
                entry[MODALITY] = modalities.clone();
                entry[MODALITIES_IN_STUDY] = modalities;
                entry[STUDY_SERIES] = count(series.len());
                entry[STUDY_INSTANCES] = count(group.len());
            }
            Level::Series => entry[SERIES_INSTANCES] = count(group.len()),
            Level::Instance => {}
        }
        let by_header = self.keys.iter().filter(|(key, _)| {
            ![STUDY_UID, SERIES_UID, SOP_CLASS_UID, json::SOP_INSTANCE_UID].contains(&key.tag.as_str())
        });
        for (key, value) in by_header {
            if !matches(entry.get(&key.tag), key.vr, value) {
                return Ok(None);
            }
        }
        if let (false, Value::Object(members)) = (self.include_all, &mut entry) {
            let told = self.told();
            members.retain(|tag, _| told.contains(&tag.as_str()));
        }
        Ok(Some(entry))
    }

    /// The attributes that are told.
    fn told(&self) -> Vec<&str> {
        let mut told = Vec::new();
        if self.level == Level::Study || self.place.study.is_none() {
            told.extend(OF_STUDIES);
        }
        match self.level {
            Level::Study => {}
            Level::Series => told.extend(OF_SERIES),
            Level::Instance => told.extend(OF_INSTANCES),
        }
        told.extend(self.include.iter().map(String::as_str));
        told.extend(self.keys.iter().map(|(key, _)| key.tag.as_str()));
        told
    }
}
