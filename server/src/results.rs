//! One series analysed and everything that is written about it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use datasets::Matching;
use dicom_io::Series;
use dicom_io::object::{DateTime, ResultObject};
use engine::narrative::Style;
use engine::{Report, Step, Task, Tools};
use serde::{Deserialize, Serialize};

use crate::page;
use crate::progress::Show;
use crate::session::{Session, Stopwatch};

/// Does `task` on `series`.
pub(crate) fn analyze(
    series: &Series,
    task: &Task<'_>,
    session: &Session,
    show: &Show<'_>,
    watch: &Stopwatch,
) -> Result<(dicom_io::Reading, Report)> {
    watch.stage("read");
    show("reading", 0, 1);
    let reading = series.read()?;
    watch.stage("runtime");
    session.start(show)?;
    let progress = |step: Step<'_>| {
        watch.stage(step.what);
        show(step.what, step.done as u64, step.total as u64);
    };
    let mut tools = Tools {
        device: session.device(),
        load: &|card| session.network(card, show),
        done: &|network| session.done(network),
        progress: &progress,
        runtime: session.describe(),
        foci_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let report = engine::analyze(&reading, task, &mut tools)?;
    Ok((reading, report))
}

/// Writes the report of `reading`, as files and as DICOM objects, into `folder`: what was written. `truth` is
/// shown beside the findings where it is known.
pub(crate) fn write(
    reading: &dicom_io::Reading,
    report: &Report,
    truth: Option<&Matching>,
    style: &Style,
    folder: &Path,
    watch: &Stopwatch,
) -> Result<Vec<Made>> {
    watch.stage("key images");
    let images: Vec<image::RgbImage> = {
        use rayon::prelude::*;
        let render = |finding| engine::key_image::render(&reading.volume, finding, &report.modality);
        report.findings.par_iter().map(render).collect()
    };
    watch.stage("objects");
    let objects = engine::structured::objects(reading, report, &images, now());

    watch.stage("writing");
    let place = |name: &str| folder.join(name);
    let mut made = Vec::new();
    let mut pictures = Vec::new();
    let keep = |kind, name: String, object: &ResultObject| -> Result<Made> {
        object.write(&place(&name))?;
        Ok(Made { kind, name, object: Some(ObjectUids::of(object)) })
    };
    if let Some(structured) = &objects.report {
        made.push(keep(ResultKind::Sr, "sr.dcm".to_owned(), structured)?);
    }
    if let Some(segmentation) = &objects.segmentation {
        made.push(keep(ResultKind::Seg, "seg.dcm".to_owned(), segmentation)?);
    }
    made.push(keep(ResultKind::Narrative, "narrative.dcm".to_owned(), &objects.narrative)?);
    for ((finding, image), object) in report.findings.iter().zip(&images).zip(&objects.key_images) {
        let (png, dicom) = (format!("key-{}.png", finding.number), format!("key-{}.dcm", finding.number));
        image.save(place(&png)).with_context(|| format!("cannot write {png}"))?;
        pictures.push(png.clone());
        made.push(Made::file(ResultKind::Picture, &png));
        made.push(keep(ResultKind::KeyImage, dicom, object)?);
    }
    write_text(&place("findings.json"), &(serde_json::to_string_pretty(report)? + "\n"))?;
    write_text(&place("report.txt"), &report.narrative.text_in(style))?;
    made.push(Made::file(ResultKind::Findings, "findings.json"));
    made.push(Made::file(ResultKind::Report, "report.txt"));
    let names: Vec<String> = made.iter().map(|made| made.name.clone()).collect();
    write_text(&place("index.html"), &page::page(report, truth, &pictures, &names))?;
    made.push(Made::file(ResultKind::Page, "index.html"));
    Ok(made)
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Made {
    pub(crate) kind: ResultKind,
    pub(crate) name: String,
    /// Of a DICOM object.
    pub(crate) object: Option<ObjectUids>,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResultKind {
    /// Findings and measurements.
    Sr,
    Seg,
    /// Words.
    Narrative,
    KeyImage,
    Findings,
    Report,
    Page,
    Picture,
    /// What a language model was asked and what it said.
    Llm,
}

/// Which DICOM object a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectUids {
    pub(crate) sop_class_uid: String,
    pub(crate) sop_instance_uid: String,
    pub(crate) series_uid: String,
}

impl Made {
    /// That is no DICOM object.
    pub(crate) fn file(kind: ResultKind, name: &str) -> Self {
        Self { kind, name: name.to_owned(), object: None }
    }
}

impl ResultKind {
    /// How it is called in the database and in messages.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Sr => "sr",
            Self::Seg => "seg",
            Self::Narrative => "narrative",
            Self::KeyImage => "key_image",
            Self::Findings => "findings",
            Self::Report => "report",
            Self::Page => "page",
            Self::Picture => "picture",
            Self::Llm => "llm",
        }
    }
}

impl ObjectUids {
    fn of(object: &ResultObject) -> Self {
        Self {
            sop_class_uid: object.sop_class_uid().to_string(),
            sop_instance_uid: object.sop_instance_uid().to_string(),
            series_uid: object.series_uid().to_string(),
        }
    }
}

/// Writes a text file.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    fs::write(path, text).with_context(|| format!("cannot write {name}"))
}

/// The local date and time: DICOM's content date and time are those of the place where content is made.
pub(crate) fn now() -> DateTime {
    use chrono::{Datelike, Timelike};
    let now = chrono::Local::now();
    // Every one of these fits: a month has two digits, a year four.
    let small = |value: u32| value as u8;
    DateTime {
        year: now.year().clamp(0, 9999) as u16,
        month: small(now.month()),
        day: small(now.day()),
        hour: small(now.hour()),
        minute: small(now.minute()),
        second: small(now.second()),
    }
}
