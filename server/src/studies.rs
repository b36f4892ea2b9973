//! When a study is complete, and when its images may go.
//!
//! Nobody tells a DICOM node that a study has come to its end. It is taken as complete when as many
//! instances are here as it has (one of them said so, or the peer that sends it was asked), when somebody
//! says so, or when nothing has come for a while. It waits longer, but not for ever, while some are known to
//! be missing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use dicom_io::Uid;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use crate::archive::{self, Archive};
use crate::config::Peer;
use crate::dimse::scu;
use crate::node::{Node, Stop};
use crate::store::Time;
use crate::store::studies::{Declared, Receiving};

/// While some instances are known to be missing, the wait is so many times as long.
const PATIENCE: u32 = 4;

/// A peer is asked how many instances a study has when nothing has come for so long, or for a third of the
/// stable time if that is less: in the middle of a transfer it may not know yet itself.
const ASK_AFTER: Duration = Duration::from_secs(2);

/// Peers that are asked at the same time.
const QUESTIONS: usize = 4;

/// Looks follow each other by at least so much, however many images come.
const BREATH: Duration = Duration::from_millis(100);

/// And at most by so much.
const LOOK: Duration = Duration::from_secs(1);

/// When the last image came is noted with its study when it is off by more than this.
const NOTE_EVERY: Duration = Duration::from_secs(2);

/// How often to look for images that may go, and how many studies to rid of them then.
const RETAIN_EVERY: Duration = Duration::from_secs(60);
const RETAIN_AT_ONCE: u32 = 100;

/// Watches studies until the node stops: completes those that are, purges images that are old enough.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    let mut parts = JoinSet::new();
    let (watching, retaining) = (node.clone(), node.clone());
    let (until, stopped) = (stop.clone(), stop.clone());
    parts.spawn(async move { watch(watching, until).await });
    parts.spawn(async move {
        tokio::select! {
            () = stopped.requested() => {}
            () = look_after_images(&retaining) => {}
        }
    });
    while let Some(ended) = parts.join_next().await {
        ended?;
    }
    Ok(())
}

/// Says that nothing more comes of `study`, or that `expected` instances are all.
pub(crate) async fn complete_now(node: &Node, study: &Uid, expected: Option<u32>) -> sqlx::Result<Declared> {
    let declared = node.store.declare(study, expected, Time::now()).await?;
    if declared == Declared::Complete {
        node.wake.plans.notify_one();
    }
    Ok(declared)
}

/// What is to be done with a study now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    /// It is complete, for this reason; the second says what is missing of it.
    Complete(String, Option<String>),
    /// Nothing, before this moment or the next image.
    Wait(Time),
}

/// Whether a study is complete.
fn judge(study: &Receiving, stable: Duration, now: Time) -> Verdict {
    let instances = study.instances;
    if study.expected == Some(instances) {
        return Verdict::Complete(format!("all {instances} instances came"), None);
    }
    let missing = study.expected.filter(|expected| *expected > instances);
    let wait = stable * if missing.is_some() { PATIENCE } else { 1 };
    if now < study.last_at + wait {
        return Verdict::Wait(study.last_at + wait);
    }
    let quiet = format!("{instances} instances, and none more for {} s", wait.as_secs());
    match missing {
        None => Verdict::Complete(quiet, None),
        Some(expected) => {
            let lacking = format!("{instances} of {expected} instances came");
            Verdict::Complete(format!("{lacking}, and none more for {} s", wait.as_secs()), Some(lacking))
        }
    }
}

/// Completes studies.
async fn watch(node: Arc<Node>, stop: Stop) {
    let mut questions = Questions::default();
    while !stop.is_requested() {
        let woken = node.wake.studies.notified();
        let next = match look(&node, &mut questions, Time::now()).await {
            Ok(next) => next,
            Err(error) => {
                warn!("the studies that are being received cannot be read: {error}");
                None
            }
        };
        let wait = next.map_or(LOOK, |next| next.since(Time::now())).clamp(BREATH, LOOK);
        tokio::select! {
            () = stop.requested() => break,
            () = tokio::time::sleep(wait) => {}
            () = woken => tokio::select! {
                () = stop.requested() => break,
                () = tokio::time::sleep(BREATH) => {}
            },
        }
    }
}

/// Completes the studies that are complete; when to look again at the latest.
async fn look(node: &Arc<Node>, questions: &mut Questions, now: Time) -> sqlx::Result<Option<Time>> {
    let stable = Duration::from_secs(node.config.studies.stable_s);
    let studies = node.store.receiving().await?;
    questions.forget_others(&studies);
    let mut next = None;
    for study in studies {
        match judge(&study, stable, now) {
            Verdict::Complete(why, lacking) => {
                if node.store.complete_study(&study, &why, lacking.as_deref(), now).await? {
                    let (uid, revision, instances) = (&study.study, study.revision, study.instances);
                    info!(study = %uid, revision, instances, "complete: {why}");
                    metrics::counter!("foci_studies_completed_total").increment(1);
                    node.wake.plans.notify_one();
                }
            }
            Verdict::Wait(until) => {
                if study.last_at >= study.noted_at + NOTE_EVERY {
                    node.store.note_last(&study).await?;
                }
                let ask = questions.ask(node, &study, stable, now);
                next = [next, Some(until), ask].into_iter().flatten().min();
            }
        }
    }
    Ok(next)
}

/// What peers are asked about studies.
#[derive(Debug, Default)]
struct Questions {
    /// When the last instance had come of a study about which somebody was asked.
    asked: HashMap<Uid, Time>,
    open: JoinSet<()>,
}

impl Questions {
    fn forget_others(&mut self, studies: &[Receiving]) {
        while self.open.try_join_next().is_some() {}
        let here: HashSet<&Uid> = studies.iter().map(|study| &study.study).collect();
        self.asked.retain(|study, _| here.contains(study));
    }

    /// Asks the sender of a study how many instances it has, if it can be asked and it is time to; if it
    /// is not, when it is.
    fn ask(&mut self, node: &Arc<Node>, study: &Receiving, stable: Duration, now: Time) -> Option<Time> {
        let peer = node.config.peer(&study.sender).filter(|peer| peer.counts && peer.host.is_some())?;
        if self.asked.get(&study.study) == Some(&study.last_at) {
            return None;
        }
        let then = study.last_at + ASK_AFTER.min(stable / 3);
        if now < then || self.open.len() >= QUESTIONS {
            return Some(then);
        }
        self.asked.insert(study.study.clone(), study.last_at);
        let (node, peer, study) = (node.clone(), peer.clone(), study.study.clone());
        self.open.spawn(async move { count(&node, &peer, &study).await });
        None
    }
}

/// Asks `peer` how many instances `study` has.
async fn count(node: &Node, peer: &Peer, study: &Uid) {
    let Some(count) = scu::study_instances(node, peer, study).await else { return };
    match node.store.expect_as(study, &peer.name, count).await {
        Ok(expected) => {
            info!(%study, peer = peer.name, count, expected, "the peer counted the instances");
            node.wake.studies.notify_one();
        }
        Err(error) => warn!(%study, "how many instances are expected cannot be noted: {error}"),
    }
}

/// Looks once whether all files are there, and then for images that may go.
async fn look_after_images(node: &Arc<Node>) {
    if let Err(error) = check_files(node).await {
        warn!("the files of the images cannot be checked: {error:#}");
    }
    loop {
        let done = match retain(node, Time::now()).await {
            Ok(done) => done,
            Err(error) => {
                warn!("old images cannot be removed: {error:#}");
                0
            }
        };
        if done < RETAIN_AT_ONCE as usize {
            tokio::time::sleep(RETAIN_EVERY).await;
        }
    }
}

/// Removes the images of studies that were finished long enough ago, and what is that old in quarantine; of
/// how many studies.
async fn retain(node: &Arc<Node>, now: Time) -> Result<usize> {
    let Some(days) = node.config.studies.keep_images_days else { return Ok(0) };
    let before = now - Duration::from_secs(24 * 3600) * days;
    let studies = node.store.purgeable(before, RETAIN_AT_ONCE).await?;
    for study in &studies {
        // From here on nothing comes in, so that what comes again is not removed with its older self.
        let alone = node.archive.removal.write().await;
        if !node.store.purge(study, now).await? {
            continue;
        }
        let (at_work, of) = (node.clone(), study.clone());
        let away = tokio::task::spawn_blocking(move || at_work.archive.take_away(&of)).await??;
        drop(alone);
        if let Some(away) = away {
            tokio::task::spawn_blocking(move || Archive::remove(&away)).await??;
        }
        info!(%study, "the images were removed: they are older than {days} days");
        metrics::counter!("foci_studies_purged_total").increment(1);
    }
    let alone = node.archive.removal.write().await;
    for file in node.store.purge_quarantine(before, now).await? {
        let gone = tokio::fs::remove_file(node.archive.quarantined(&file)).await;
        gone.or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
    }
    drop(alone);
    Ok(studies.len())
}

/// Says which acknowledged images have no file, and removes what a removal left behind when it did not come
/// to its end.
async fn check_files(node: &Arc<Node>) -> Result<usize> {
    let began = Time::now();
    let at_work = node.clone();
    let mut folders: HashSet<String> =
        tokio::task::spawn_blocking(move || at_work.archive.studies()).await??.into_iter().collect();
    let mut missing = 0;
    for filed in node.store.filed().await? {
        let study = filed.study;
        let is_there = folders.remove(&archive::folder_of(&study));
        if filed.purged {
            if is_there {
                let alone = node.archive.removal.write().await;
                let away = match node.store.is_purged(&study).await? {
                    true => node.archive.take_away(&study)?,
                    false => None,
                };
                drop(alone);
                away.map_or(Ok(()), |away| Archive::remove(&away))?;
            }
            continue;
        }
        let files = node.store.files_of(&study, began).await?;
        let at_work = node.clone();
        let gone = tokio::task::spawn_blocking(move || at_work.archive.missing(files)).await?;
        if gone > 0 {
            error!(%study, files = gone, "files of images are missing: send the study again");
        }
        missing += gone;
    }
    if !folders.is_empty() {
        warn!(folders = folders.len(), "there are images of studies of which the database knows nothing");
    }
    metrics::gauge!("foci_missing_files").set(missing as f64);
    Ok(missing)
}

#[cfg(test)]
mod tests;
