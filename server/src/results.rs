//! One series analysed and everything that is written about it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use datasets::Matching;
use dicom_io::Series;
use dicom_io::object::DateTime;
use engine::{Language, Report, Step, Tools};
use kernels::Device;
use models::Card;

use crate::output::OutputFolder;
use crate::page;
use crate::progress::Bar;
use crate::session::{Session, Stopwatch};

/// Analyses `series` with the `wanted` models.
pub(crate) fn analyze(
    series: &Series,
    wanted: &[&'static Card],
    language: Language,
    threads: Option<usize>,
    bar: &Bar,
    watch: &Stopwatch,
) -> Result<(dicom_io::Reading, Report)> {
    watch.stage("read");
    bar.show("reading", 0, 1);
    let reading = series.read()?;
    watch.stage("runtime");
    let session = Session::start(threads, bar)?;
    let mut load = |card: &'static Card| session.load(card, bar);
    let progress = |step: Step<'_>| {
        watch.stage(step.what);
        bar.show(step.what, step.done as u64, step.total as u64);
    };
    let mut tools = Tools {
        device: Device::Cpu,
        load: &mut load,
        progress: &progress,
        runtime: session.describe(),
        foci_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let report = engine::analyze(&reading, wanted, language, &mut tools)?;
    Ok((reading, report))
}

/// Writes the report of `reading`, as files and as DICOM objects, into `folder`. `truth` is shown beside
/// the findings where it is known.
pub(crate) fn write(
    reading: &dicom_io::Reading,
    report: &Report,
    truth: Option<&Matching>,
    folder: &OutputFolder,
    watch: &Stopwatch,
) -> Result<()> {
    watch.stage("key images");
    let images: Vec<image::RgbImage> = {
        use rayon::prelude::*;
        let render = |finding| engine::key_image::render(&reading.volume, finding, &report.modality);
        report.findings.par_iter().map(render).collect()
    };
    watch.stage("objects");
    let objects = engine::structured::objects(reading, report, &images, now());

    watch.stage("writing");
    let place = |name: &str| folder.path().join(name);
    let mut names = Vec::new();
    let mut pictures = Vec::new();
    if let Some(structured) = &objects.report {
        structured.write(&place("sr.dcm"))?;
        names.push("sr.dcm".to_owned());
    }
    if let Some(segmentation) = &objects.segmentation {
        segmentation.write(&place("seg.dcm"))?;
        names.push("seg.dcm".to_owned());
    }
    for ((finding, image), object) in report.findings.iter().zip(&images).zip(&objects.key_images) {
        let (png, dicom) = (format!("key-{}.png", finding.number), format!("key-{}.dcm", finding.number));
        image.save(place(&png)).with_context(|| format!("cannot write {png}"))?;
        object.write(&place(&dicom))?;
        pictures.push(png.clone());
        names.extend([png, dicom]);
    }
    write_text(&place("findings.json"), &(serde_json::to_string_pretty(report)? + "\n"))?;
    write_text(&place("report.txt"), &report.narrative.text())?;
    names.extend(["findings.json".to_owned(), "report.txt".to_owned()]);
    write_text(&place("index.html"), &page::page(report, truth, &pictures, &names))
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    fs::write(path, text).with_context(|| format!("cannot write {name}"))
}

/// The local date and time: DICOM's content date and time are those of the place where content is made.
fn now() -> DateTime {
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
