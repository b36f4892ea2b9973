//! What is shown of a study, a job, a delivery: the JSON of the API, and how it is read from a row.

use std::collections::BTreeMap;

use dicom_io::Uid;
use serde::{Deserialize, Serialize, Serializer};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use utoipa::ToSchema;

use crate::config::Lane;
use crate::store::jobs::lane;
use crate::store::{Time, uid};
use crate::worker::Stage;

/// What has become of a study: of its newest revision, and of the newest job for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Progress {
    /// Images may still come.
    Receiving,
    /// All images are there; it is not decided yet what to do.
    Complete,
    /// No rule applies to it.
    Ignored,
    Queued,
    /// A worker has it.
    Leased,
    Done,
    /// Its data is wrong: trying again would not help.
    Failed,
    /// Tried as often as allowed.
    Dead,
    Cancelled,
}

/// One page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Studies {
    /// How many there are on all pages.
    pub(crate) total: i64,
    pub(crate) studies: Vec<Study>,
}

/// A study in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Study {
    #[schema(value_type = String, example = "1.2.840.113619.2.55.3")]
    pub(crate) study_uid: Uid,
    pub(crate) state: Progress,
    /// Rises when images come after the study was complete.
    pub(crate) revision: i64,
    pub(crate) lane: Lane,
    /// The peer that sent it, as the configuration names it.
    pub(crate) sender: String,
    pub(crate) instances: i64,
    /// How many there will be, where that was said.
    pub(crate) expected: Option<i64>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) first_at: Time,
    /// When the last image came.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) last_at: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) complete_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) images_purged_at: Option<Time>,
    /// Why nothing is done with it, where nothing is.
    pub(crate) note: Option<String>,
    /// The newest job of this revision.
    pub(crate) job: Option<Job>,
    /// Results on their way, by state: pending, sent, committed, refused, dead.
    pub(crate) deliveries: BTreeMap<String, i64>,
}

/// The analysis of one revision of a study.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Job {
    pub(crate) id: i64,
    pub(crate) revision: i64,
    /// queued, leased, done, failed, dead, cancelled.
    #[schema(example = "done")]
    pub(crate) state: String,
    pub(crate) lane: Lane,
    /// The rule that asked for it.
    pub(crate) rule: String,
    /// Names and versions of the models.
    pub(crate) models: String,
    pub(crate) attempts: i64,
    /// Why it is not done, where it is not.
    pub(crate) reason: Option<String>,
    /// What was found.
    pub(crate) summary: Option<serde_json::Value>,
    /// How far it is, while a worker has it.
    pub(crate) stage: Option<Stage>,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) created_at: Time,
    /// A queued job is not tried before.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) not_before: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) started_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) ended_at: Option<Time>,
}

/// All that is known of a study.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StudyDetail {
    #[serde(flatten)]
    pub(crate) study: Study,
    pub(crate) bytes: i64,
    pub(crate) series: i64,
    /// Newest first.
    pub(crate) jobs: Vec<JobDetail>,
    pub(crate) quarantine: Vec<Quarantined>,
    /// Newest first.
    pub(crate) events: Vec<Event>,
}

/// A job, what came of it, and where that went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JobDetail {
    #[serde(flatten)]
    pub(crate) job: Job,
    pub(crate) results: Vec<ResultFile>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) alerts: Vec<Alert>,
}

/// A file that a job made: `/api/jobs/{id}/files/{name}`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResultFile {
    /// sr, seg, key_image, narrative: DICOM objects. findings, report, page, picture: files for people and programs.
    #[schema(example = "picture")]
    pub(crate) kind: String,
    #[schema(example = "key-1.png")]
    pub(crate) name: String,
    pub(crate) bytes: i64,
    pub(crate) sop_instance_uid: Option<String>,
    #[serde(skip)]
    pub(crate) file: String,
    #[serde(skip)]
    pub(crate) sha256: String,
}

/// One result on its way to one destination.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Delivery {
    pub(crate) name: String,
    pub(crate) destination: String,
    /// pending, sent, committed, refused, dead.
    #[schema(example = "committed")]
    pub(crate) state: String,
    pub(crate) attempts: i64,
    pub(crate) reason: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) sent_at: Option<Time>,
    /// A pending one is not tried before.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) not_before: Time,
}

/// A critical finding that somebody is told of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alert {
    /// The number of the finding.
    pub(crate) finding: i64,
    /// pending, sent, dead.
    #[schema(example = "sent")]
    pub(crate) state: String,
    pub(crate) attempts: i64,
    pub(crate) reason: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) sent_at: Option<Time>,
}

/// An object kept aside: another one with its UID was here before, with other bytes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Quarantined {
    pub(crate) id: i64,
    #[schema(value_type = String)]
    pub(crate) sop_instance_uid: Uid,
    #[schema(value_type = String)]
    pub(crate) study_uid: Uid,
    pub(crate) sha256: String,
    pub(crate) bytes: i64,
    pub(crate) reason: String,
    pub(crate) sender: String,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) received_at: Time,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Event {
    pub(crate) id: i64,
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Time,
    pub(crate) study_uid: Option<String>,
    pub(crate) job_id: Option<i64>,
    #[schema(example = "complete")]
    pub(crate) what: String,
    pub(crate) detail: Option<String>,
}

impl Progress {
    pub(crate) const ALL: [Self; 9] = [
        Self::Receiving,
        Self::Complete,
        Self::Ignored,
        Self::Queued,
        Self::Leased,
        Self::Done,
        Self::Failed,
        Self::Dead,
        Self::Cancelled,
    ];

    /// What it is called in the database and in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Complete => "complete",
            Self::Ignored => "ignored",
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(study_state: &str, planned: i64, revision: i64, job_state: Option<&str>) -> Self {
        if study_state == "receiving" {
            Self::Receiving
        } else if planned < revision {
            Self::Complete
        } else {
            let named = |state| Self::ALL.into_iter().find(|progress| progress.name() == state);
            job_state.and_then(named).unwrap_or(Self::Ignored)
        }
    }
}

pub(super) fn study(row: &SqliteRow) -> sqlx::Result<Study> {
    let job = row.try_get::<Option<i64>, _>("id")?.map(|_| job(row)).transpose()?;
    let revision = row.try_get("study_revision")?;
    let study_state: String = row.try_get("study_state")?;
    let job_state = job.as_ref().map(|job| job.state.as_str());
    Ok(Study {
        study_uid: uid(row.try_get("study_uid")?),
        state: Progress::of(&study_state, row.try_get("planned")?, revision, job_state),
        revision,
        lane: job.as_ref().map_or(lane(row.try_get("study_lane")?), |job| job.lane),
        sender: row.try_get("sender")?,
        instances: row.try_get("instances")?,
        expected: row.try_get("expected")?,
        first_at: Time(row.try_get("first_at")?),
        last_at: Time(row.try_get("last_at")?),
        complete_at: time(row, "complete_at")?,
        images_purged_at: time(row, "images_purged_at")?,
        note: row.try_get("note")?,
        job,
        deliveries: BTreeMap::new(),
    })
}

pub(super) fn job(row: &SqliteRow) -> sqlx::Result<Job> {
    let summary: Option<String> = row.try_get("summary")?;
    Ok(Job {
        id: row.try_get("id")?,
        revision: row.try_get("revision")?,
        state: row.try_get("state")?,
        lane: lane(row.try_get("lane")?),
        rule: row.try_get("rule")?,
        models: row.try_get("models_key")?,
        attempts: row.try_get("attempts")?,
        reason: row.try_get("reason")?,
        summary: summary.and_then(|text| serde_json::from_str(&text).ok()),
        stage: None,
        created_at: Time(row.try_get("created_at")?),
        not_before: Time(row.try_get("not_before")?),
        started_at: time(row, "started_at")?,
        ended_at: time(row, "ended_at")?,
    })
}

pub(super) fn result_file(row: &SqliteRow) -> sqlx::Result<ResultFile> {
    Ok(ResultFile {
        kind: row.try_get("kind")?,
        name: row.try_get("name")?,
        bytes: row.try_get("bytes")?,
        sop_instance_uid: row.try_get("sop_instance_uid")?,
        file: row.try_get("file")?,
        sha256: row.try_get("sha256")?,
    })
}

pub(super) fn delivery(row: &SqliteRow) -> sqlx::Result<Delivery> {
    Ok(Delivery {
        name: row.try_get("name")?,
        destination: row.try_get("destination")?,
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        reason: row.try_get("reason")?,
        sent_at: time(row, "sent_at")?,
        not_before: Time(row.try_get("not_before")?),
    })
}

pub(super) fn alert(row: &SqliteRow) -> sqlx::Result<Alert> {
    Ok(Alert {
        finding: row.try_get("finding")?,
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        reason: row.try_get("reason")?,
        sent_at: time(row, "sent_at")?,
    })
}

pub(super) fn quarantined(row: &SqliteRow) -> sqlx::Result<Quarantined> {
    Ok(Quarantined {
        id: row.try_get("id")?,
        sop_instance_uid: uid(row.try_get("sop_instance_uid")?),
        study_uid: uid(row.try_get("study_uid")?),
        sha256: row.try_get("sha256")?,
        bytes: row.try_get("bytes")?,
        reason: row.try_get("reason")?,
        sender: row.try_get("sender")?,
        received_at: Time(row.try_get("received_at")?),
    })
}

pub(super) fn event(row: &SqliteRow) -> sqlx::Result<Event> {
    Ok(Event {
        id: row.try_get("id")?,
        at: Time(row.try_get("at")?),
        study_uid: row.try_get("study_uid")?,
        job_id: row.try_get("job_id")?,
        what: row.try_get("what")?,
        detail: row.try_get("detail")?,
    })
}

fn time(row: &SqliteRow, column: &str) -> sqlx::Result<Option<Time>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Time))
}

impl Serialize for Time {
    /// As in RFC 3339, UTC, with milliseconds.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = chrono::DateTime::from_timestamp_millis(self.0).unwrap_or_default();
        serializer.serialize_str(&time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }
}
