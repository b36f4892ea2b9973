//! Child processes that analyse studies, watched.
//!
//! Some workers take whatever is next; others wait for emergencies, so that none waits behind a long
//! analysis. Each is a child process of its own ([`child`]), started when first needed, with a limit on its
//! memory and a deadline for each study. Here its lease is renewed while it works, and its results are made
//! durable ([`keep`]) before they are published in one transaction (`Store::complete`).

mod child;
mod keep;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metrics::{counter, histogram};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use crate::config::{Analysis, Lane};
use crate::jobs::child::{Child, Trouble};
use crate::node::{Node, Stop};
use crate::store::jobs::{Failure, Fate, Lease, NewAlert, NewResult, Patience};
use crate::store::{Store, Time};
use crate::worker::{Critical, Done, Failed, Order, Stage};

/// How often workers look for jobs that nobody told them of: those whose wait is over.
const LOOK: Duration = Duration::from_millis(500);

/// How long a worker may still work when the node is to stop.
const GRACE: Duration = Duration::from_secs(2);

/// The wait before a worker is started that has just ended by itself; it doubles each time.
const FIRST_REST: Duration = Duration::from_millis(250);

/// And grows no longer than this.
const LONGEST_REST: Duration = Duration::from_secs(30);

/// Of a reason that is longer the rest is left out.
const LONGEST_REASON: usize = 2000;

/// The wait before the database is asked again that could not be reached.
const PAUSE: Duration = Duration::from_secs(1);

/// How far the jobs at work are.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<HashMap<i64, Stage>>);

impl Progress {
    /// How far `job` is; `None` if nobody works on it.
    pub(crate) fn of(&self, job: i64) -> Option<Stage> {
        self.stages().get(&job).cloned()
    }

    fn tell(&self, job: i64, stage: Stage) {
        self.stages().insert(job, stage);
    }

    fn end(&self, job: i64) {
        self.stages().remove(&job);
    }

    fn stages(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Stage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps workers at work until the node stops.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    // Another process, or the same number at another time, is another owner.
    let owner = format!("{}-{}", std::process::id(), Time::now().0);
    let analysis = &node.config.analysis;
    keep::tidy(&node).await?;
    let lost = node.store.expire_all_of_others(&owner, analysis.attempts, Time::now()).await?;
    if lost > 0 {
        warn!(jobs = lost, "jobs were taken back from a node that ended in the middle of them");
    }

    let bell = Arc::new(Notify::new());
    let mut workers = JoinSet::new();
    let all = std::iter::repeat_n(Lane::Bulk, analysis.workers);
    for most_lane in all.chain(std::iter::repeat_n(Lane::Emergency, analysis.emergency_workers)) {
        let worker = Worker {
            node: node.clone(),
            stop: stop.clone(),
            owner: owner.clone(),
            most_lane,
            child: None,
            deaths: 0,
        };
        workers.spawn(worker.run(bell.clone()));
    }
    let mut look = interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut expired_at = Instant::now();
    while !stop.is_requested() {
        tokio::select! {
            () = stop.requested() => {}
            () = node.wake.jobs.notified() => {}
            _ = look.tick() => {}
            Some(ended) = workers.join_next() => {
                ended?;
                ensure!(stop.is_requested(), "what watches a worker ended by itself");
            }
        }
        if expired_at.elapsed().as_secs_f64() > analysis.lease_s {
            expired_at = Instant::now();
            match node.store.expire(patience(analysis), Time::now()).await {
                Ok(0) => {}
                Ok(jobs) => warn!(jobs, "leases ran out"),
                Err(error) => warn!(%error, "the database cannot be asked for leases that ran out"),
            }
        }
        bell.notify_waiters();
    }
    while let Some(ended) = workers.join_next().await {
        ended?;
    }
    Ok(())
}

/// One worker and who watches it.
struct Worker {
    node: Arc<Node>,
    stop: Stop,
    owner: String,
    /// It takes jobs of this lane and of more urgent ones.
    most_lane: Lane,
    child: Option<Child>,
    /// How often in a row the child has ended by itself.
    deaths: u32,
}

/// How a try ended.
enum End {
    /// The results are durable.
    Kept(Done, Vec<NewResult>),
    Failed(Failure, String),
    /// The job was cancelled, or is another's by now.
    Lost,
    /// The node stops.
    Stopped,
}

/// What may be said of the child after a try.
enum After {
    /// It is ready for the next study.
    Ready,
    /// It still works on this one.
    Busy,
    /// It has ended, or does not do as workers do.
    Dead,
}

impl Worker {
    async fn run(mut self, bell: Arc<Notify>) {
        let stop = self.stop.clone();
        let mut is_full = false;
        while !stop.is_requested() {
            // It hears the bell from now on, so what comes while the queue is looked at is not missed.
            let rung = bell.notified();
            let room = keep::has_room(&self.node.config);
            if !room && !is_full {
                warn!("the disk is nearly full: no study is analysed until there is room");
            }
            is_full = !room;
            let claimed = if room { self.claim().await } else { Ok(None) };
            match claimed {
                Ok(Some(lease)) => {
                    self.work(lease).await;
                    if self.deaths > 0 {
                        let rest = FIRST_REST.saturating_mul(1 << (self.deaths - 1).min(16));
                        self.pause(rest.min(LONGEST_REST)).await;
                    }
                }
                Ok(None) => tokio::select! {
                    () = rung => {}
                    () = stop.requested() => {}
                },
                Err(error) => {
                    warn!(%error, "the queue cannot be read");
                    self.pause(PAUSE).await;
                }
            }
        }
        if let Some(child) = self.child {
            child.end().await;
        }
    }

    async fn claim(&self) -> sqlx::Result<Option<Lease>> {
        let analysis = &self.node.config.analysis;
        self.node.store.claim(&self.owner, self.most_lane, lease_time(analysis), Time::now()).await
    }

    /// Does the job of `lease`, whatever happens on the way.
    async fn work(&mut self, lease: Lease) {
        let since = Instant::now();
        info!(job = lease.job, study = %lease.study, attempt = lease.attempts, "analysis begins");
        counter!("foci_jobs_claimed_total", "lane" => lease.lane.name()).increment(1);
        let work = self.work_folder(&lease);
        let end = self.attempt(&lease, work.clone()).await;
        self.node.progress.end(lease.job);
        keep::remove(work).await;

        let store = &self.node.store;
        let ended = match end {
            End::Kept(done, results) => {
                histogram!("foci_analysis_seconds").record(since.elapsed().as_secs_f64());
                for asked in &done.asked {
                    counter!("foci_llm_requests_total", "outcome" => asked.outcome.clone()).increment(1);
                    histogram!("foci_llm_seconds").record(asked.seconds);
                }
                self.publish(&lease, &done, &results).await
            }
            End::Failed(failure, mut reason) => {
                // A study of a thousand series has a thousand reasons.
                reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
                warn!(job = lease.job, study = %lease.study, reason, "analysis failed");
                match store.fail(&lease, failure, &reason, Time::now()).await {
                    Ok(Some(Fate::Queued)) => "queued again",
                    Ok(Some(fate)) => fate.as_str(),
                    Ok(None) => "lost",
                    Err(error) => {
                        // The lease runs out, and then it is taken back.
                        warn!(job = lease.job, %error, "a failure cannot be noted");
                        "lost"
                    }
                }
            }
            End::Lost => {
                info!(job = lease.job, study = %lease.study, "the job was taken away from its worker");
                "lost"
            }
            End::Stopped => match store.release(&lease, Time::now()).await {
                Ok(_) => "released",
                Err(error) => {
                    warn!(job = lease.job, %error, "a job cannot be given back; the next start takes it back");
                    "lost"
                }
            },
        };
        counter!("foci_jobs_ended_total", "how" => ended).increment(1);
    }

    /// Has the study analysed, and the results made durable.
    async fn attempt(&mut self, lease: &Lease, folder: PathBuf) -> End {
        let node = self.node.clone();
        let analysis = &node.config.analysis;
        let again = Failure::Passing(patience(analysis));
        let order = match order(&node, lease, folder.clone()).await {
            Ok(Some(order)) => order,
            Ok(None) => return End::Failed(Failure::Permanent, "none of its images is kept".to_owned()),
            Err(error) => return End::Failed(again, format!("{error:#}")),
        };
        let mut child = match self.ready_child() {
            Ok(child) => child,
            Err(error) => {
                self.deaths += 1;
                return End::Failed(again, format!("the worker cannot be started: {error:#}"));
            }
        };

        let work = async {
            let done = match child.analyze(&order, |stage| node.progress.tell(lease.job, stage)).await {
                Ok(done) => done,
                Err(Trouble::Failed(Failed { permanent, reason })) => {
                    let failure = if permanent { Failure::Permanent } else { again };
                    return (End::Failed(failure, reason), After::Ready);
                }
                Err(Trouble::Died(reason)) => return (End::Failed(again, reason), After::Dead),
            };
            let kept = keep::results(node.clone(), lease.folder(), folder, done.results.clone()).await;
            let end = match kept {
                Ok(results) => End::Kept(done, results),
                Err(error) => End::Failed(again, format!("the results cannot be kept: {error:#}")),
            };
            (end, After::Ready)
        };
        let (end, after) = tokio::select! {
            done = work => done,
            () = lost(&node.store, lease, analysis) => (End::Lost, After::Busy),
            () = sleep(Duration::from_secs(analysis.deadline_s)) => {
                let deadline = analysis.deadline_s;
                let reason = format!("it was not done within {deadline} s (analysis.deadline_s)");
                (End::Failed(again, reason), After::Busy)
            }
            () = self.stop_after_grace() => (End::Stopped, After::Busy),
        };
        match after {
            After::Ready => {
                self.deaths = 0;
                self.child = Some(child);
            }
            After::Busy => child.end().await,
            After::Dead => {
                counter!("foci_worker_deaths_total").increment(1);
                self.deaths += 1;
                child.end().await;
            }
        }
        end
    }

    /// The child that is there and still runs, or a new one.
    fn ready_child(&mut self) -> Result<Child> {
        match self.child.take().map(|mut child| (child.is_alive(), child)) {
            Some((true, child)) => Ok(child),
            _ => Child::start(&self.node.config.analysis),
        }
    }

    /// Publishes the results, or removes them if the job is another's by now: how the job ended.
    async fn publish(&self, lease: &Lease, done: &Done, results: &[NewResult]) -> &'static str {
        let node = &self.node;
        let summary = serde_json::to_string(&done.summary).expect("a summary is text and numbers");
        loop {
            let now = Time::now();
            let alerts = match node.config.alert {
                Some(_) => done.critical.iter().map(|critical| alert(lease, done, critical, now)).collect(),
                None => Vec::new(),
            };
            let completed = async {
                // What took longer than the lease is still ours if nobody has taken it.
                node.store.renew(lease, now + lease_time(&node.config.analysis)).await?;
                node.store.complete(lease, results, &summary, &alerts, now).await
            };
            match completed.await {
                Ok(true) => {
                    info!(job = lease.job, study = %lease.study, results = results.len(), "analysis done");
                    counter!("foci_critical_findings_total").increment(done.critical.len() as u64);
                    // To all: each destination waits by itself.
                    node.wake.delivery.notify_waiters();
                    return "done";
                }
                Ok(false) => {
                    warn!(job = lease.job, study = %lease.study, "results that came too late are discarded");
                    counter!("foci_jobs_fenced_total").increment(1);
                    keep::remove(node.archive.result(&lease.folder())).await;
                    return "lost";
                }
                // Until the database is there again: the results are safe, and the work was done.
                Err(error) => warn!(job = lease.job, %error, "results cannot be published yet"),
            }
            self.pause(PAUSE).await;
            if self.stop.is_requested() {
                return "lost";
            }
        }
    }

    /// Waits, but not when the node is to stop.
    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = sleep(wait) => {}
            () = self.stop.requested() => {}
        }
    }

    async fn stop_after_grace(&self) {
        self.stop.requested().await;
        sleep(GRACE).await;
    }

    /// Where the child writes.
    fn work_folder(&self, lease: &Lease) -> PathBuf {
        keep::work_folder(&self.node.config.data).join(lease.folder())
    }
}

/// What the worker is told; `None` if there are no images.
async fn order(node: &Node, lease: &Lease, folder: PathBuf) -> Result<Option<Order>> {
    let files = node.store.images_of(&lease.study, lease.revision).await?;
    if files.is_empty() {
        return Ok(None);
    }
    tokio::fs::create_dir_all(&folder).await.context("the folder for its results cannot be made")?;
    // The child may have another working folder.
    let image = |file: String| std::path::absolute(node.archive.image(&file));
    let files = files.into_iter().map(image).collect::<std::io::Result<_>>()?;
    let mut llm = node.config.llm.clone();
    for path in llm.iter_mut().flat_map(|llm| [&mut llm.key_file, &mut llm.trusted]).flatten() {
        *path = std::path::absolute(&path)?;
    }
    let style = node.config.report.style(lease.task.language);
    Ok(Some(Order { files, task: lease.task.clone(), folder: std::path::absolute(folder)?, llm, style }))
}

/// Renews `lease`; returns when it is lost.
async fn lost(store: &Store, lease: &Lease, analysis: &Analysis) {
    loop {
        sleep(lease_time(analysis) / 3).await;
        match store.renew(lease, Time::now() + lease_time(analysis)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => warn!(job = lease.job, %error, "a lease cannot be renewed"),
        }
    }
}

fn alert(lease: &Lease, done: &Done, critical: &Critical, now: Time) -> NewAlert {
    let time = chrono::DateTime::from_timestamp_millis(now.0).unwrap_or_default().to_rfc3339();
    let body = serde_json::json!({
        "study_uid": lease.study.as_str(),
        "series_uid": done.summary.series_uid,
        "finding": critical.finding,
        "kind": critical.kind,
        "side": critical.side,
        "long_axis_mm": critical.long_axis_mm,
        "job": lease.job,
        "time": time,
    });
    NewAlert { finding: critical.finding, body: body.to_string() }
}

fn patience(analysis: &Analysis) -> Patience {
    Patience { attempts: analysis.attempts, first_wait: Duration::from_secs_f64(analysis.retry_s) }
}

fn lease_time(analysis: &Analysis) -> Duration {
    Duration::from_secs_f64(analysis.lease_s)
}
