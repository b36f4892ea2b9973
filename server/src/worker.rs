//! `foci worker`: the child process that analyses, one study after another.
//!
//! It reads an [`Order`] a line from stdin and answers on stdout with a [`Said`] a line. It keeps ONNX Runtime
//! and networks ready for the next study. Memory and time are limited by who started it, see
//! [`jobs`](crate::jobs): whatever a study does to this process, it does to nobody else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use anyhow::Result;
use dicom_io::{SkipReason, scan};
use engine::Report;
use engine::narrative::Style;
use serde::{Deserialize, Serialize};

use crate::analyze::{limit_threads, wanted};
use crate::device::Wanted;
use crate::llm;
use crate::patient::GuidelineName;
use crate::progress::Show;
use crate::results::{self, Made};
use crate::session::{Session, Stopwatch};
use crate::store::jobs::Task;
use crate::words::{self, Writer};

/// Analyze studies for `foci serve`, which starts this
#[derive(Debug, clap::Args)]
pub(crate) struct Worker {
    #[command(flatten)]
    device: Wanted,

    /// Threads for the networks [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// One study to analyse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Its images.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) task: Task,
    /// Where to write the results: an empty folder.
    pub(crate) folder: PathBuf,
    /// The language model that writes; `None`: the template does.
    pub(crate) llm: Option<llm::Settings>,
    /// How the text of the report is laid out.
    #[serde(default)]
    pub(crate) style: Style,
}

/// What a worker says of the study that it was given last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    Stage(Stage),
    Done(Done),
    Failed(Failed),
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Stage {
    /// What is going on.
    #[schema(example = "lung-nodule: network")]
    pub(crate) what: String,
    pub(crate) done: u64,
    pub(crate) total: u64,
}

/// The results are in the folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) results: Vec<Made>,
    pub(crate) summary: Summary,
    pub(crate) critical: Vec<Critical>,
    /// What a language model was asked, for whoever counts.
    #[serde(default)]
    pub(crate) asked: Vec<llm::Asked>,
}

/// What was found, for a page that lists studies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The series that was read.
    pub(crate) series_uid: String,
    /// How many findings there are of each kind.
    pub(crate) findings: BTreeMap<String, usize>,
    /// The longest of their long axes.
    pub(crate) largest_mm: Option<f64>,
    /// How many of them are critical.
    pub(crate) critical: usize,
    pub(crate) warnings: Vec<String>,
    /// How long the analysis took.
    pub(crate) seconds: f64,
}

/// A finding that must be told at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Critical {
    /// Its number in the report.
    pub(crate) finding: usize,
    pub(crate) kind: String,
    pub(crate) side: Option<String>,
    pub(crate) long_axis_mm: f64,
}

/// There are no results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failed {
    /// Whether the same study would fail again: its data is wrong.
    pub(crate) permanent: bool,
    /// For people; no patient data.
    pub(crate) reason: String,
}

impl Worker {
    pub(crate) fn run(self) -> Result<()> {
        // Answers have a stdout of their own, so that nothing that a library prints gets between them.
        let answers = File::from(std::io::stdout().as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdout(std::io::stderr())?;
        limit_threads(self.threads);
        let session = Session::for_many(self.threads, self.device);
        let mut writer = None;
        let unanswered = Arc::new(AtomicUsize::new(0));
        for line in listen(unanswered.clone()) {
            let order: Order = serde_json::from_str(&line)?;
            let show = |what: &str, done, total| {
                // Whether anybody still listens shows at the end.
                let _ = say(&answers, &Said::Stage(Stage { what: what.to_owned(), done, total }));
            };
            let last = analyze(&order, &session, &mut writer, &show);
            say(&answers, &last.map_or_else(Said::Failed, Said::Done))?;
            unanswered.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn say(mut answers: &File, said: &Said) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(said).expect("what is said is text and numbers");
    line.push(b'\n');
    // One write for a line: a line is there whole or not at all.
    answers.write_all(&line)
}

/// The lines of stdin. When it is closed this process ends: at once if `unanswered` counts a line that it still
/// works on, since whoever asked is gone.
///
/// A pipe tells of the end of the other side more surely than a signal does (PR_SET_PDEATHSIG is about a thread
/// of the parent, and is lost behind a wrapper).
fn listen(unanswered: Arc<AtomicUsize>) -> Receiver<String> {
    let (to, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            unanswered.fetch_add(1, Ordering::SeqCst);
            if to.send(line).is_err() {
                return;
            }
        }
        if unanswered.load(Ordering::SeqCst) > 0 {
            // No tidying up: other threads are in the middle of something.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    });
    lines
}

/// Analyses one study and writes the results.
///
/// `writer` is kept for the next one: it knows by then what the model's server takes.
fn analyze(
    order: &Order,
    session: &Session,
    writer: &mut Option<Writer>,
    show: &Show<'_>,
) -> Result<Done, Failed> {
    let since = Instant::now();
    let watch = Stopwatch::start("scan");
    let wanted = wanted(&order.task.models).map_err(Failed::for_good)?;
    show("looking for images", 0, 1);
    let found = scan(&order.files).map_err(|error| Failed::because(&error.into()))?;
    let lost = found.skipped.iter().filter(|skipped| skipped.reason == SkipReason::Unreadable).count();
    if lost > 0 {
        return Err(Failed::for_now(format!("{lost} of the images cannot be read")));
    }
    let Ok([mut study]) = <[dicom_io::Study; 1]>::try_from(found.studies) else {
        return Err(Failed::for_good("the images are not those of one study"));
    };
    if !order.task.series.is_empty() {
        study.series.retain(|series| order.task.series.iter().any(|uid| uid == series.uid.as_str()));
    }
    let because = |error: anyhow::Error| Failed::because(&error);
    let choice = engine::choose::choose(&study, &wanted).map_err(|error| because(error.into()))?;
    // A node is told nothing of the patients' history but what the rule says.
    let task = engine::Task {
        wanted: &wanted,
        language: order.task.language.into(),
        guideline: order.task.guideline.map(Into::into),
        patient: order.task.guideline.map(GuidelineName::patient).unwrap_or_default(),
        prior: None,
    };
    let (reading, mut report) =
        results::analyze(choice.series, &task, session, show, &watch).map_err(because)?;
    let record = match order.llm.as_ref().map(|settings| ready(writer, settings)) {
        Some(Ok(writer)) => writer.write_about(&mut report, &reading, &task, show, &watch),
        Some(Err(error)) => {
            // The key or a certificate is not there: no reason to lose what was found.
            words::without_model(&mut report, &format!("{error:#}"));
            None
        }
        None => None,
    };
    show("writing", 0, 1);
    let mut results =
        results::write(&reading, &report, None, &order.style, &order.folder, &watch).map_err(because)?;
    let mut asked = Vec::new();
    if let Some(record) = record {
        results.push(record.write(&order.folder).map_err(because)?);
        asked = record.requests;
    }
    let critical = critical(&report);
    let summary = summary(&report, critical.len(), since.elapsed().as_secs_f64());
    Ok(Done { results, summary, critical, asked })
}

/// The writer by `settings`: the last one, or a new one.
fn ready<'a>(writer: &'a mut Option<Writer>, settings: &llm::Settings) -> Result<&'a Writer> {
    let kept = writer.take().filter(|writer| writer.is_of(settings));
    let ready = kept.map_or_else(|| Writer::new(settings), Ok)?;
    Ok(writer.insert(ready))
}

fn summary(report: &Report, critical: usize, seconds: f64) -> Summary {
    let mut findings = BTreeMap::new();
    for finding in &report.findings {
        *findings.entry(finding.kind.to_string()).or_default() += 1;
    }
    let sizes = report.findings.iter().map(|finding| finding.measurements.long_axis_mm);
    Summary {
        series_uid: report.series_uid.to_string(),
        findings,
        largest_mm: sizes.reduce(f64::max).map(tenth),
        critical,
        warnings: report.warnings.clone(),
        seconds: tenth(seconds),
    }
}

fn critical(report: &Report) -> Vec<Critical> {
    let critical = report.findings.iter().filter(|finding| finding.critical);
    let told = critical.map(|finding| Critical {
        finding: finding.number,
        kind: finding.kind.to_string(),
        side: finding.site.side.map(|side| side.to_string()),
        long_axis_mm: tenth(finding.measurements.long_axis_mm),
    });
    told.collect()
}

/// Rounded as the report does it.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

impl Failed {
    fn for_good(reason: impl ToString) -> Self {
        Self { permanent: true, reason: reason.to_string() }
    }

    fn for_now(reason: impl ToString) -> Self {
        Self { permanent: false, reason: reason.to_string() }
    }

    /// Whether it is worth another try is decided by who must act: the sender's data does not change.
    fn because(error: &anyhow::Error) -> Self {
        let permanent = error.chain().any(|cause| {
            let data = match cause.downcast_ref::<dicom_io::Error>() {
                Some(dicom_io::Error::Io(_) | dicom_io::Error::Write(_)) | None => false,
                Some(_) => true,
            };
            let engine = cause.downcast_ref::<engine::Error>();
            data || matches!(engine, Some(engine::Error::NoSeries { .. } | engine::Error::Card { .. }))
        });
        Self { permanent, reason: format!("{error:#}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_permanent(error: impl Into<anyhow::Error>) -> bool {
        Failed::because(&error.into()).permanent
    }

    #[test]
    fn wrong_data_fails_for_good_and_the_machine_for_now() {
        let uid = || dicom_io::Uid::parse("1.2.3").unwrap();
        let too_few = dicom_io::Error::TooFewSlices { series_uid: uid(), found: 1, needed: 5 };
        assert!(is_permanent(too_few));
        assert!(is_permanent(engine::Error::NoSeries { study_uid: uid(), reasons: "none".to_owned() }));

        let io = || std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert!(!is_permanent(dicom_io::Error::Write(io())));
        assert!(!is_permanent(anyhow::Error::from(io()).context("cannot write key-1.png")));
        let missing = models::Error::Runtime("it is not installed".to_owned());
        assert!(!is_permanent(engine::Error::Models(missing)));
    }

    #[test]
    fn the_lines_between_node_and_worker_are_what_other_workers_write() {
        let said = |line: &str| serde_json::from_str::<Said>(line).unwrap();
        let stage = said(r#"{"stage":{"what":"reading","done":0,"total":1}}"#);
        assert_eq!(stage, Said::Stage(Stage { what: "reading".to_owned(), done: 0, total: 1 }));
        let failed = said(r#"{"failed":{"permanent":true,"reason":"no series"}}"#);
        assert_eq!(failed, Said::Failed(Failed::for_good("no series")));
        let done = said(
            r#"{"done":{"results":[{"kind":"key_image","name":"key-1.dcm","object":
            {"sop_class_uid":"1.2","sop_instance_uid":"1.3","series_uid":"1.4"}}],"summary":
            {"series_uid":"1.5","findings":{"lung_nodule":1},"largest_mm":31.0,"critical":1,"warnings":[],
            "seconds":2.5},"critical":[{"finding":1,"kind":"lung_nodule","side":"left","long_axis_mm":31.0}]}}"#,
        );
        let Said::Done(done) = done else { panic!("{done:?}") };
        assert_eq!(done.summary.findings["lung_nodule"], 1);
        assert_eq!(done.results[0].object.as_ref().unwrap().series_uid, "1.4");
    }
}
