//! From complete studies to jobs.
//!
//! Each complete study is planned once for each revision: its headers are read, the rules decide, and a job
//! is queued, or it is noted why there is none. What is noted is final until more images come. Only what
//! may pass by itself (a disk that is gone, a locked database) is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dicom_io::{SkipReason, Uid};
use tracing::{info, warn};

use crate::analyze::wanted;
use crate::config::Config;
use crate::node::{Node, Stop};
use crate::rules;
use crate::store::Time;
use crate::store::jobs::{NewJob, Task};
use crate::store::plans::Unplanned;

/// How often to look for studies when nobody wakes us.
const LOOK: Duration = Duration::from_secs(1);

/// Studies that are taken at once; an emergency that completes meanwhile waits for no more than these.
const BATCH: u32 = 8;

/// The wait after a failure; it doubles with each, up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Plans what is done with each complete study until the node stops.
pub(crate) async fn run(node: Arc<Node>, stop: Stop) -> Result<()> {
    let mut failures = Failures::default();
    loop {
        let woken = node.wake.plans.notified();
        let waiting = node.store.unplanned(&failures.waiting(Instant::now()), BATCH).await;
        match waiting {
            Ok(studies) if !studies.is_empty() => {
                for study in studies {
                    if stop.is_requested() {
                        return Ok(());
                    }
                    match plan(&node, &study).await {
                        Ok(()) => failures.forget(&study.study),
                        Err(error) => {
                            let wait_s = failures.add(study.study.clone(), Instant::now()).as_secs();
                            warn!(study = %study.study, wait_s, "cannot be planned yet: {error:#}");
                        }
                    }
                }
                continue;
            }
            Ok(_) => {}
            Err(error) => warn!("the studies that wait for a plan cannot be read: {error}"),
        }
        tokio::select! {
            () = stop.requested() => return Ok(()),
            () = woken => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Plans `study` anew, after the configuration changed; whether it was complete and planned before. A job
/// that comes out again as it was is not run again.
pub(crate) async fn plan_again(node: &Node, study: &Uid) -> sqlx::Result<bool> {
    let forgotten = node.store.forget_plan(study, Time::now()).await?;
    if forgotten {
        node.wake.plans.notify_one();
    }
    Ok(forgotten)
}

/// Plans one study.
///
/// # Errors
///
/// What may pass by itself. What lies with the study is noted there and no error.
async fn plan(node: &Arc<Node>, found: &Unplanned) -> Result<()> {
    let files = node.store.images_of(&found.study, found.revision).await?;
    let files: Vec<_> = files.iter().map(|file| node.archive.image(file)).collect();
    let (shared, asked) = (node.clone(), found.clone());
    let planned = tokio::task::spawn_blocking(move || outcome(&shared.config, &asked, &files)).await;
    let outcome = match planned {
        Ok(outcome) => outcome?,
        // A panic says nothing that may be logged, and would come again each time.
        Err(_) => Outcome::Nothing("its headers cannot be read: an error of ours, see the log".to_owned()),
    };
    let (job, why) = match &outcome {
        Outcome::Job(job) => (Some(job.as_ref()), format!("rule {:?} applies", job.rule)),
        Outcome::Nothing(why) => (None, why.clone()),
    };
    let queued = node.store.plan(&found.study, found.revision, job, &why, Time::now()).await?;
    match queued {
        Some(job) => {
            info!(study = %found.study, revision = found.revision, job, "queued: {why}");
            node.wake.jobs.notify_one();
        }
        None if job.is_some() => {
            info!(study = %found.study, revision = found.revision, "nothing is queued: the same was queued before");
        }
        None => info!(study = %found.study, revision = found.revision, "nothing is queued: {why}"),
    }
    Ok(())
}

/// What comes of a study.
enum Outcome {
    Job(Box<NewJob>),
    /// Nothing is done with it, for this reason.
    Nothing(String),
}

/// Decides on the study `found`, whose images are `files`. Reads their headers.
fn outcome(config: &Config, found: &Unplanned, files: &[PathBuf]) -> Result<Outcome> {
    if files.is_empty() {
        return Ok(Outcome::Nothing("its images are not kept any more".to_owned()));
    }
    let scan = dicom_io::scan(files).context("its images cannot be opened")?;
    let unreadable = scan.skipped.iter().filter(|skipped| skipped.reason == SkipReason::Unreadable).count();
    ensure!(unreadable == 0, "{unreadable} of its images cannot be opened");
    let Some(mut study) = scan.studies.into_iter().find(|study| study.uid == found.study) else {
        let reasons: BTreeSet<_> = scan.skipped.iter().map(|skipped| skipped.reason).collect();
        let reasons: Vec<_> = reasons.iter().map(SkipReason::to_string).collect();
        let images = files.len();
        return Ok(Outcome::Nothing(format!(
            "none of its {images} images can be read: {}",
            reasons.join(", ")
        )));
    };
    let decision = rules::decide(config, &study, &found.sender);
    let Some(applied) = decision.applies() else {
        return Ok(Outcome::Nothing("no rule applies".to_owned()));
    };
    let rule = applied.rule;
    if rule.models.is_empty() {
        return Ok(Outcome::Nothing(format!("rule {:?} runs no model", rule.name)));
    }
    let cards = wanted(&rule.models).expect("the configuration was checked when it was read");
    study.series.retain(|series| applied.includes(&series.uid));
    if let Err(error) = engine::choose::choose(&study, &cards) {
        return Ok(Outcome::Nothing(error.to_string()));
    }
    let mut models: Vec<_> = cards.iter().map(|card| format!("{} {}", card.name, card.version)).collect();
    models.sort();
    Ok(Outcome::Job(Box::new(NewJob {
        study: study.uid,
        revision: found.revision,
        models_key: models.join(", "),
        task: Task {
            models: rule.models.clone(),
            language: rule.language,
            guideline: rule.guideline,
            series: study.series.iter().map(|series| series.uid.to_string()).collect(),
            send_to: rule.send_to.clone(),
        },
        rule: rule.name.clone(),
        lane: rule.lane.unwrap_or(found.lane),
    })))
}

/// Studies that could not be planned, and when they are tried again.
#[derive(Default)]
struct Failures(BTreeMap<Uid, (Duration, Instant)>);

impl Failures {
    /// Notes one more failure at `now`; how long to wait.
    fn add(&mut self, study: Uid, now: Instant) -> Duration {
        let wait = self.0.get(&study).map_or(FIRST_WAIT, |(wait, _)| (*wait * 2).min(LONGEST_WAIT));
        self.0.insert(study, (wait, now + wait));
        wait
    }

    fn forget(&mut self, study: &Uid) {
        self.0.remove(study);
    }

    /// Those whose time has not come at `now`.
    fn waiting(&self, now: Instant) -> Vec<Uid> {
        self.0.iter().filter(|(_, (_, again))| *again > now).map(|(study, _)| study.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use dicom_io::Spacing;
    use dicom_io::phantom::Phantom;

    use super::*;
    use crate::config::{Lane, Language};

    /// A phantom of twenty slices, and what the database says of it.
    struct Patient {
        folder: tempfile::TempDir,
        found: Unplanned,
    }

    impl Patient {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let spacing = Spacing { i: 20.0, j: 20.0, k: 14.0 };
            Phantom { size: [16, 14, 20], spacing, ..Phantom::default() }.write(folder.path()).unwrap();
            let study = dicom_io::scan(&[folder.path().to_owned()]).unwrap().studies.remove(0).uid;
            Self {
                folder,
                found: Unplanned { study, revision: 3, sender: "ct".to_owned(), lane: Lane::Bulk },
            }
        }

        /// Its files, by name.
        fn files(&self) -> Vec<PathBuf> {
            let entries = std::fs::read_dir(self.folder.path()).unwrap();
            let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            files.retain(|path| path.extension().is_some_and(|end| end == "dcm"));
            files.sort();
            files
        }

        /// Why nothing is done with `files` by `rules`.
        #[track_caller]
        fn nothing(&self, rules: &str, files: &[PathBuf]) -> String {
            match outcome(&config(rules), &self.found, files).unwrap() {
                Outcome::Nothing(why) => why,
                Outcome::Job(job) => panic!("{job:?}"),
            }
        }
    }

    fn config(rules: &str) -> Config {
        toml::from_str(&format!("data = \"data\"\n{rules}")).unwrap()
    }

    const LUNG: &str = "[[rule]]\nname = \"lung\"\nmodels = [\"lung-nodule\"]\n";

    #[test]
    fn a_job_says_all_that_the_rule_says() {
        let patient = Patient::new();
        let rules = "[[rule]]\nname = \"both\"\nmodels = [\"lung-nodule\", \"liver-lesion\"]\n\
                     send_to = [\"pacs\"]\nlanguage = \"zh\"\nlane = \"emergency\"\n";
        let Outcome::Job(job) = outcome(&config(rules), &patient.found, &patient.files()).unwrap() else {
            panic!("no job")
        };
        let version = |name| &models::Card::named(name).unwrap().version;
        let key = format!("liver-lesion {}, lung-nodule {}", version("liver-lesion"), version("lung-nodule"));
        assert_eq!((job.models_key, job.revision, job.lane), (key, 3, Lane::Emergency));
        assert_eq!((job.study, job.rule.as_str()), (patient.found.study.clone(), "both"));
        assert_eq!(job.task.models, ["lung-nodule", "liver-lesion"]);
        assert_eq!((job.task.language, job.task.send_to), (Language::Chinese, vec!["pacs".to_owned()]));
        assert_eq!(job.task.series.len(), 1);

        let Outcome::Job(job) = outcome(&config(LUNG), &patient.found, &patient.files()).unwrap() else {
            panic!("no job")
        };
        assert_eq!(job.lane, Lane::Bulk, "the sender's lane where the rule names none");
    }

    #[test]
    fn why_nothing_is_done_is_told() {
        let patient = Patient::new();
        let files = patient.files();
        assert_eq!(patient.nothing("", &files), "no rule applies");
        assert_eq!(patient.nothing(LUNG, &[]), "its images are not kept any more");
        assert_eq!(patient.nothing("[[rule]]\nname = \"keep\"\n", &files), "rule \"keep\" runs no model");
        let head = LUNG.to_owned() + "when.body_part = \"HEAD\"\n";
        assert_eq!(patient.nothing(&head, &files), "no rule applies");
        let gap = patient.nothing(LUNG, &[&files[..9], &files[10..]].concat());
        assert!(gap.contains("no series can be analysed") && gap.contains("1 slices are missing"), "{gap}");
    }

    #[test]
    fn broken_files_are_told_and_files_that_are_not_there_are_tried_again() {
        let patient = Patient::new();
        let files = patient.files();
        std::fs::write(&files[0], "QUOKKA^J").unwrap();
        let cut = std::fs::read(&files[1]).unwrap();
        std::fs::write(&files[1], &cut[..300]).unwrap();
        assert_eq!(
            patient.nothing(LUNG, &files[..2]),
            "none of its 2 images can be read: not a DICOM file, truncated"
        );
        std::fs::remove_file(&files[2]).unwrap();
        let error = outcome(&config(LUNG), &patient.found, &files).err().expect("it may come back");
        assert!(error.to_string().contains("its images cannot be opened"), "{error:#}");
    }

    #[test]
    fn a_study_that_fails_is_passed_over_for_twice_as_long_each_time() {
        let mut failures = Failures::default();
        let (study, start) = (Uid::parse("1.2.3").unwrap(), Instant::now());
        assert_eq!(failures.add(study.clone(), start), FIRST_WAIT);
        assert_eq!(failures.waiting(start), std::slice::from_ref(&study));
        assert!(failures.waiting(start + FIRST_WAIT).is_empty());
        assert_eq!(failures.add(study.clone(), start), 2 * FIRST_WAIT);
        for _ in 0..20 {
            failures.add(study.clone(), start);
        }
        assert_eq!(failures.add(study.clone(), start), LONGEST_WAIT);
        failures.forget(&study);
        assert!(failures.waiting(start).is_empty());
    }
}
