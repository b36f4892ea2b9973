//! What pages show: studies, jobs, deliveries, counts. Reads only, and never waits for a writer.

use std::collections::BTreeMap;

use dicom_io::Uid;
use serde::{Deserialize, Serialize, Serializer};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use utoipa::ToSchema;

use super::jobs::lane;
use super::{Store, Time, uid};
use crate::config::Lane;

/// So many events of one study are shown, the newest.
const EVENTS: i64 = 500;

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

/// Which studies to list; what is not given is not asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) state: Option<Progress>,
    pub(crate) lane: Option<Lane>,
    /// Only those that something came for at this time or later.
    pub(crate) since: Option<Time>,
    /// A part of the Study Instance UID.
    pub(crate) uid: Option<String>,
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

/// How far a job is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Stage {
    #[schema(example = "lung-nodule: network")]
    pub(crate) what: String,
    pub(crate) done: u64,
    pub(crate) total: u64,
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
    /// sr, seg, key_image: DICOM objects. findings, report, page, picture: files for people and programs.
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

/// How much of everything there is.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// By state: receiving, complete.
    pub(crate) studies: Vec<(String, i64)>,
    /// By state and lane.
    pub(crate) jobs: Vec<(String, Lane, i64)>,
    /// Since when the oldest queued job of each lane waits.
    pub(crate) oldest: Vec<(Lane, Time)>,
    /// By destination and state.
    pub(crate) deliveries: Vec<(String, String, i64)>,
    /// When something was last sent to each destination.
    pub(crate) sent: Vec<(String, Time)>,
    /// Destinations in trouble: which, since when and why.
    pub(crate) troubled: Vec<(String, Option<Time>, Option<String>)>,
    /// When something last came from each sender.
    pub(crate) heard: Vec<(String, Time)>,
    pub(crate) quarantine: i64,
    /// By state: pending, sent, dead.
    pub(crate) alerts: Vec<(String, i64)>,
}

/// A study with the newest job of its newest revision.
const STUDY: &str = "SELECT s.study_uid, s.state AS study_state, s.revision AS study_revision, s.planned, s.note,
        s.sender, s.lane AS study_lane, s.expected, s.first_at, s.last_at, s.complete_at, s.images_purged_at,
        (SELECT COUNT(*) FROM instance i WHERE i.study_uid = s.study_uid) AS instances,
        j.id, j.revision, j.state, j.lane, j.rule, j.models_key, j.attempts, j.reason, j.summary, j.created_at,
        j.not_before, j.started_at, j.ended_at ";
const FROM_STUDY: &str = " FROM study s LEFT JOIN job j ON j.id =
        (SELECT MAX(id) FROM job WHERE study_uid = s.study_uid AND revision = s.revision) ";

impl Store {
    /// The studies that `filter` asks for, newest first; `limit` of them after the first `offset`.
    pub(crate) async fn list_studies(
        &self,
        filter: &Filter,
        limit: i64,
        offset: i64,
    ) -> sqlx::Result<Studies> {
        let mut count = QueryBuilder::new("SELECT COUNT(*)");
        count.push(if filter.needs_job() { FROM_STUDY } else { " FROM study s " });
        filter.push(&mut count);
        let total = count.build_query_scalar().fetch_one(&self.read).await?;

        let mut list = QueryBuilder::new(STUDY);
        list.push(FROM_STUDY);
        filter.push(&mut list);
        list.push(" ORDER BY s.last_at DESC, s.study_uid LIMIT ").push_bind(limit);
        list.push(" OFFSET ").push_bind(offset);
        let rows = list.build().fetch_all(&self.read).await?;
        let mut studies = rows.iter().map(study).collect::<sqlx::Result<Vec<_>>>()?;

        let jobs: Vec<i64> = studies.iter().filter_map(|study| Some(study.job.as_ref()?.id)).collect();
        let mut deliveries = self.deliveries_by_state(&jobs).await?;
        for study in &mut studies {
            let job = study.job.as_ref().map(|job| job.id);
            study.deliveries = job.and_then(|job| deliveries.remove(&job)).unwrap_or_default();
        }
        Ok(Studies { total, studies })
    }

    /// All that is known of `study`, if anything is.
    pub(crate) async fn study_detail(&self, wanted: &Uid) -> sqlx::Result<Option<StudyDetail>> {
        let mut query = QueryBuilder::new(STUDY);
        query.push(FROM_STUDY).push(" WHERE s.study_uid = ").push_bind(wanted.as_str().to_owned());
        let Some(row) = query.build().fetch_optional(&self.read).await? else { return Ok(None) };
        let mut study = study(&row)?;
        let (bytes, series): (i64, i64) = sqlx::query_as(
            "SELECT COALESCE(SUM(bytes), 0), COUNT(DISTINCT series_uid) FROM instance WHERE study_uid = $1",
        )
        .bind(wanted.as_str())
        .fetch_one(&self.read)
        .await?;

        let rows = sqlx::query("SELECT * FROM job WHERE study_uid = $1 ORDER BY id DESC")
            .bind(wanted.as_str())
            .fetch_all(&self.read)
            .await?;
        let mut jobs = Vec::new();
        for row in &rows {
            jobs.push(self.job_detail(job(row)?).await?);
        }
        if let Some(newest) = &study.job {
            study.deliveries =
                self.deliveries_by_state(&[newest.id]).await?.remove(&newest.id).unwrap_or_default();
        }
        let quarantine = self.list_quarantine(Some(wanted), EVENTS, 0).await?;
        let events = self.list_events(Some(wanted), None, EVENTS).await?;
        Ok(Some(StudyDetail { study, bytes, series, jobs, quarantine, events }))
    }

    async fn job_detail(&self, job: Job) -> sqlx::Result<JobDetail> {
        let results = sqlx::query("SELECT * FROM result WHERE job_id = $1 ORDER BY id")
            .bind(job.id)
            .fetch_all(&self.read)
            .await?;
        let deliveries = sqlx::query(
            "SELECT r.name, o.destination, o.state, o.attempts, o.reason, o.sent_at, o.not_before
             FROM result r JOIN outbox o ON o.result_id = r.id WHERE r.job_id = $1 ORDER BY o.destination, r.id",
        )
        .bind(job.id)
        .fetch_all(&self.read)
        .await?;
        let alerts = sqlx::query("SELECT * FROM alert WHERE job_id = $1 ORDER BY finding")
            .bind(job.id)
            .fetch_all(&self.read)
            .await?;
        Ok(JobDetail {
            job,
            results: results.iter().map(result_file).collect::<sqlx::Result<_>>()?,
            deliveries: deliveries.iter().map(delivery).collect::<sqlx::Result<_>>()?,
            alerts: alerts.iter().map(alert).collect::<sqlx::Result<_>>()?,
        })
    }

    /// The state of `job`, and whether its images are gone.
    pub(crate) async fn job_state(&self, job: i64) -> sqlx::Result<Option<(String, bool)>> {
        sqlx::query_as(
            "SELECT j.state, s.images_purged_at IS NOT NULL FROM job j JOIN study s ON s.study_uid = j.study_uid
             WHERE j.id = $1",
        )
        .bind(job)
        .fetch_optional(&self.read)
        .await
    }

    /// Whether `job` has results for `destination`.
    pub(crate) async fn sends_to(&self, job: i64, destination: &str) -> sqlx::Result<bool> {
        let found: Option<i64> =
            sqlx::query_scalar("SELECT 1 FROM outbox WHERE job_id = $1 AND destination = $2 LIMIT 1")
                .bind(job)
                .bind(destination)
                .fetch_optional(&self.read)
                .await?;
        Ok(found.is_some())
    }

    /// The file `name` of `job`, if it made one.
    pub(crate) async fn result_file(&self, job: i64, name: &str) -> sqlx::Result<Option<ResultFile>> {
        let row = sqlx::query("SELECT * FROM result WHERE job_id = $1 AND name = $2")
            .bind(job)
            .bind(name)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(result_file).transpose()
    }

    /// Objects kept aside, newest first.
    pub(crate) async fn list_quarantine(
        &self,
        study: Option<&Uid>,
        limit: i64,
        offset: i64,
    ) -> sqlx::Result<Vec<Quarantined>> {
        let mut query = QueryBuilder::new("SELECT * FROM quarantine");
        if let Some(study) = study {
            query.push(" WHERE study_uid = ").push_bind(study.as_str().to_owned());
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(offset);
        query.build().fetch_all(&self.read).await?.iter().map(quarantined).collect()
    }

    /// What happened, newest first; `before` is the id of an event that is not shown any more.
    pub(crate) async fn list_events(
        &self,
        study: Option<&Uid>,
        before: Option<i64>,
        limit: i64,
    ) -> sqlx::Result<Vec<Event>> {
        let mut query = QueryBuilder::new("SELECT * FROM event WHERE id < ");
        query.push_bind(before.unwrap_or(i64::MAX));
        if let Some(study) = study {
            query.push(" AND study_uid = ").push_bind(study.as_str().to_owned());
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        query.build().fetch_all(&self.read).await?.iter().map(event).collect()
    }

    /// How much of everything there is.
    pub(crate) async fn counts(&self) -> sqlx::Result<Counts> {
        let read = &self.read;
        let studies =
            sqlx::query_as("SELECT state, COUNT(*) FROM study GROUP BY state").fetch_all(read).await?;
        let jobs: Vec<(String, i64, i64)> =
            sqlx::query_as("SELECT state, lane, COUNT(*) FROM job GROUP BY state, lane")
                .fetch_all(read)
                .await?;
        // Jobs are queued in the order of their ids.
        let oldest: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT lane, created_at FROM job WHERE id IN
                 (SELECT MIN(id) FROM job WHERE state = 'queued' GROUP BY lane)",
        )
        .fetch_all(read)
        .await?;
        // An index of its own answers each of these, however long the node has run.
        let deliveries =
            sqlx::query_as("SELECT destination, state, COUNT(*) FROM outbox GROUP BY destination, state")
                .fetch_all(read)
                .await?;
        let sent: Vec<(String, i64)> = sqlx::query_as(
            "SELECT destination, MAX(sent_at) FROM outbox WHERE sent_at IS NOT NULL GROUP BY destination",
        )
        .fetch_all(read)
        .await?;
        let troubled: Vec<(String, Option<i64>, Option<String>)> =
            sqlx::query_as("SELECT name, since, reason FROM destination WHERE failures > 0")
                .fetch_all(read)
                .await?;
        let heard: Vec<(String, i64)> =
            sqlx::query_as("SELECT sender, MAX(last_at) FROM study GROUP BY sender").fetch_all(read).await?;
        let quarantine = sqlx::query_scalar("SELECT COUNT(*) FROM quarantine").fetch_one(read).await?;
        let alerts =
            sqlx::query_as("SELECT state, COUNT(*) FROM alert GROUP BY state").fetch_all(read).await?;

        let times =
            |pairs: Vec<(String, i64)>| pairs.into_iter().map(|(name, at)| (name, Time(at))).collect();
        Ok(Counts {
            studies,
            jobs: jobs.into_iter().map(|(state, number, count)| (state, lane(number), count)).collect(),
            oldest: oldest.into_iter().map(|(number, at)| (lane(number), Time(at))).collect(),
            deliveries,
            sent: times(sent),
            troubled: troubled.into_iter().map(|(name, since, why)| (name, since.map(Time), why)).collect(),
            heard: times(heard),
            quarantine,
            alerts,
        })
    }

    /// Takes the lock that every write takes, and gives it back.
    ///
    /// # Errors
    ///
    /// If the database cannot be written: it is locked, its disk is read-only or gone.
    pub(crate) async fn try_write(&self) -> sqlx::Result<()> {
        self.begin().await?.rollback().await
    }

    /// For each of `jobs`, how many of its results are in which state of delivery.
    async fn deliveries_by_state(&self, jobs: &[i64]) -> sqlx::Result<BTreeMap<i64, BTreeMap<String, i64>>> {
        if jobs.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut query = QueryBuilder::<Sqlite>::new(
            "SELECT r.job_id, o.state, COUNT(*) FROM result r JOIN outbox o ON o.result_id = r.id
             WHERE r.job_id IN (",
        );
        let mut list = query.separated(", ");
        for job in jobs {
            list.push_bind(*job);
        }
        query.push(") GROUP BY r.job_id, o.state");
        let rows: Vec<(i64, String, i64)> = query.build_query_as().fetch_all(&self.read).await?;
        let mut found: BTreeMap<i64, BTreeMap<String, i64>> = BTreeMap::new();
        for (job, state, count) in rows {
            found.entry(job).or_default().insert(state, count);
        }
        Ok(found)
    }
}

impl Filter {
    /// Whether the newest job decides; if not, counting need not look for it.
    fn needs_job(&self) -> bool {
        let by_study = matches!(self.state, None | Some(Progress::Receiving | Progress::Complete));
        !by_study || self.lane.is_some()
    }

    fn push(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" WHERE 1 = 1");
        match self.state {
            None => {}
            Some(Progress::Receiving) => {
                query.push(" AND s.state = 'receiving'");
            }
            Some(Progress::Complete) => {
                query.push(" AND s.state = 'complete' AND s.planned < s.revision");
            }
            Some(Progress::Ignored) => {
                query.push(" AND s.state = 'complete' AND s.planned >= s.revision AND j.id IS NULL");
            }
            Some(state) => {
                // The first condition finds the few rows that can be meant by an index.
                query.push(" AND s.study_uid IN (SELECT study_uid FROM job WHERE state = ");
                query.push_bind(state.name());
                query.push(") AND s.state = 'complete' AND s.planned >= s.revision AND j.state = ");
                query.push_bind(state.name());
            }
        }
        if let Some(lane) = self.lane {
            query.push(" AND COALESCE(j.lane, s.lane) = ").push_bind(lane as i64);
        }
        if let Some(since) = self.since {
            query.push(" AND s.last_at >= ").push_bind(since.0);
        }
        if let Some(part) = &self.uid {
            // Digits and dots only (see http): nothing that LIKE takes for more than itself.
            query.push(" AND s.study_uid LIKE ").push_bind(format!("%{part}%"));
        }
    }
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

fn study(row: &SqliteRow) -> sqlx::Result<Study> {
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

fn job(row: &SqliteRow) -> sqlx::Result<Job> {
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

fn result_file(row: &SqliteRow) -> sqlx::Result<ResultFile> {
    Ok(ResultFile {
        kind: row.try_get("kind")?,
        name: row.try_get("name")?,
        bytes: row.try_get("bytes")?,
        sop_instance_uid: row.try_get("sop_instance_uid")?,
        file: row.try_get("file")?,
        sha256: row.try_get("sha256")?,
    })
}

fn delivery(row: &SqliteRow) -> sqlx::Result<Delivery> {
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

fn alert(row: &SqliteRow) -> sqlx::Result<Alert> {
    Ok(Alert {
        finding: row.try_get("finding")?,
        state: row.try_get("state")?,
        attempts: row.try_get("attempts")?,
        reason: row.try_get("reason")?,
        sent_at: time(row, "sent_at")?,
    })
}

fn quarantined(row: &SqliteRow) -> sqlx::Result<Quarantined> {
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

fn event(row: &SqliteRow) -> sqlx::Result<Event> {
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
