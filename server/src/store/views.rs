//! What pages show: studies, jobs, deliveries, counts. Reads only, and never waits for a writer.

mod shown;

use std::collections::BTreeMap;

use dicom_io::Uid;
use sqlx::{QueryBuilder, Sqlite};

use super::jobs::lane;
use super::{Store, Time};
use crate::config::Lane;
pub(crate) use shown::{Event, Job, JobDetail, Progress, Quarantined, ResultFile, Studies, StudyDetail};
use shown::{alert, delivery, event, job, quarantined, result_file, study};

/// So many events of one study are shown, the newest.
const EVENTS: i64 = 500;

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
