//! The words of a report: a language model's where they are true, the template's for the rest.
//!
//! What the model is told, and which of its words stand, is the engine's business (`engine::write`); what is asked
//! of which server is [`llm`](crate::llm)'s. Here the two meet, under one deadline. Whatever happens, the report has
//! its words: those of the template were there before.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dicom_io::Reading;
use engine::guideline::Patient;
use engine::write::{Attempt, Message, Request, Writing, Written, sha256};
use engine::{Evidence, Narrative, Report, Task};
use serde::Serialize;

use crate::llm::{Asked, Constraint, Failure, Gguf, Model, Reply, Settings};
use crate::progress::Show;
use crate::results::{Made, ResultKind, write_text};
use crate::session::Stopwatch;

/// Where the record of what the model was asked is written.
pub(crate) const RECORD: &str = "llm.json";

/// Warnings about the model begin so.
const WARNING: &str = "language model: ";

/// A language model, ready to write.
pub(crate) struct Writer {
    origin: Origin,
    runtime: tokio::runtime::Runtime,
}

/// Where the model is.
enum Origin {
    Server(Box<Model>),
    File(Gguf),
}

/// What a model was asked about one report and what it said, word for word. There is no patient data in it, for the
/// model was told none.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    /// Every request, those that failed too.
    pub(crate) requests: Vec<Asked>,
    /// Questions that were answered.
    pub(crate) rounds: Vec<Round>,
}

/// A question and its answer.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    messages: Vec<Message>,
    /// How the form of the answer was forced.
    constraint: Constraint,
    reply: Reply,
}

/// What came of asking.
struct Outcome {
    narrative: Narrative,
    writing: Writing,
    record: Record,
}

impl Writer {
    /// Makes ready what is needed; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the address, the key or the certificates.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        Self::of(Origin::Server(Box::new(Model::new(settings)?)))
    }

    /// Makes ready to run the model in `file`; it is loaded when there is something to write.
    ///
    /// # Errors
    ///
    /// If the file is no model, or there is no program to run it.
    pub(crate) fn from_file(file: &Path) -> Result<Self> {
        Self::of(Origin::File(Gguf::new(file)?))
    }

    fn of(origin: Origin) -> Result<Self> {
        Ok(Self { origin, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()? })
    }

    /// Whether it asks the model by these settings.
    pub(crate) fn is_of(&self, settings: &Settings) -> bool {
        matches!(&self.origin, Origin::Server(model) if model.settings() == settings)
    }

    /// [`Writer::write`] about what was analysed just now.
    pub(crate) fn write_about(
        &self,
        report: &mut Report,
        reading: &Reading,
        task: &Task<'_>,
        show: &Show<'_>,
        watch: &Stopwatch,
    ) -> Option<Record> {
        watch.stage("words");
        show("words", 0, 1);
        let source = &reading.source;
        self.write(report, task.patient.completed(source), source.contrast())
    }

    /// Replaces the words of `report`, as far as the model writes true ones, and says in it how they came to be.
    /// `patient` and `contrast` are what is known besides the findings: they are held against the words, and the
    /// model is not told.
    ///
    /// The record of what was asked; `None` where there is nothing to write about.
    pub(crate) fn write(
        &self,
        report: &mut Report,
        patient: Patient,
        contrast: Option<bool>,
    ) -> Option<Record> {
        let Outcome { narrative, mut writing, record } = match &self.origin {
            Origin::Server(model) => self.runtime.block_on(attempt(model, report, patient, contrast))?,
            // Nothing to write about is no reason to load it.
            Origin::File(_) if report.findings.is_empty() => return None,
            Origin::File(gguf) => match gguf.start() {
                Ok(running) => self.runtime.block_on(attempt(&running.model, report, patient, contrast))?,
                Err(error) => {
                    without_model(report, &format!("{error:#}"));
                    return None;
                }
            },
        };
        if let Origin::File(gguf) = &self.origin {
            writing.model_version = Some(format!("sha256:{}", gguf.sha256));
            writing.endpoint = Some("gguf".to_owned());
        }
        if let Some(failure) = &writing.failure {
            report.warnings.push(format!("{WARNING}{failure}"));
        } else if writing.judgement.as_ref().is_some_and(|judgement| judgement.whole_template) {
            report.warnings.push(format!("{WARNING}none of its sentences passed the check"));
        }
        report.narrative = narrative;
        report.provenance.writing = writing;
        Some(record)
    }
}

/// Says in `report` why no model was asked.
pub(crate) fn without_model(report: &mut Report, why: &str) {
    report.warnings.push(format!("{WARNING}{why}"));
    report.provenance.writing.failure = Some(why.to_owned());
}

/// Makes `report` one that no model has written, in `language`.
pub(crate) fn by_template(report: &mut Report, language: engine::Language) {
    report.warnings.retain(|warning| !warning.starts_with(WARNING));
    report.narrative = Narrative::template(language, &report.facts());
    report.provenance.writing = Writing::default();
}

impl Record {
    /// Writes it into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<Made> {
        let text = serde_json::to_string_pretty(self).context("the record of the language model")? + "\n";
        write_text(&folder.join(RECORD), &text)?;
        Ok(Made::file(ResultKind::Llm, RECORD))
    }
}

async fn attempt(
    model: &Model,
    report: &Report,
    patient: Patient,
    contrast: Option<bool>,
) -> Option<Outcome> {
    let settings = model.settings();
    let facts = report.facts();
    let request = Request::new(report.narrative.language, &facts)?;
    let evidence = Evidence::of(&facts, patient, contrast);
    let mut attempt = Attempt::new(&request, &facts, &evidence);
    let mut record = Record { requests: Vec::new(), rounds: Vec::new() };
    let asked_at = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let since = Instant::now();
    let until = tokio::time::Instant::now() + Duration::from_secs_f64(settings.total_s);

    let mut next = Some(request.messages(settings.system()));
    let mut failure: Option<Failure> = None;
    while let Some(messages) = next {
        match model.ask(&messages, &request.schema, until, &mut record.requests).await {
            Ok(reply) => {
                attempt.read(&reply.text);
                record.rounds.push(Round { messages, constraint: model.constraint(), reply });
                next = attempt.repair(settings.system());
            }
            // What was true in an answer before stands.
            Err(failed) => {
                failure = Some(failed);
                next = None;
            }
        }
    }
    let Written { narrative, judgement } = attempt.finish();

    let replies = || record.rounds.iter().map(|round| &round.reply);
    let last = |told: fn(&Reply) -> &Option<String>| replies().rev().find_map(|reply| told(reply).clone());
    let sum = |told: fn(&Reply) -> Option<u64>| replies().map(told).sum::<Option<u64>>();
    let mut parameters = settings.parameters();
    if let Some(Ok(serde_json::Value::String(constraint))) =
        record.rounds.last().map(|round| serde_json::to_value(round.constraint))
    {
        parameters.push(format!("constraint={constraint}"));
    }
    let known = (&report.findings, &report.examined, &report.compared, &report.advised);
    let writing = Writing {
        model: Some(last(|reply| &reply.model).unwrap_or_else(|| settings.model.clone())),
        model_version: last(|reply| &reply.fingerprint),
        endpoint: Some(settings.kind.to_string()),
        parameters,
        prompt_sha256: Some(request.prompt_sha256()),
        schema_sha256: Some(request.schema_sha256()),
        evidence_sha256: serde_json::to_string(&known).ok().map(|known| sha256(&known)),
        replies_sha256: replies().map(|reply| sha256(&reply.text)).collect(),
        asked_at: Some(asked_at),
        seconds: Some((since.elapsed().as_secs_f64() * 1000.0).round() / 1000.0),
        prompt_tokens: sum(|reply| reply.prompt_tokens).filter(|_| !record.rounds.is_empty()),
        reply_tokens: sum(|reply| reply.reply_tokens).filter(|_| !record.rounds.is_empty()),
        failure: failure.map(|failure| failure.to_string()),
        judgement: (!record.rounds.is_empty()).then_some(judgement),
    };
    Some(Outcome { narrative, writing, record })
}
