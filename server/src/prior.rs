//! An earlier examination of the same patient: its images, its report, or both.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dicom_io::sr::{self, Region};
use dicom_io::{Series, Source, Study, scan};
use engine::Task;
use engine::track::Prior;

use crate::progress::Show;
use crate::results;
use crate::session::{Session, Stopwatch};

/// Makes the examination in `paths` ready to be compared with that of `now`.
///
/// What its structured report says is believed, where there is one and it tells sizes; lesions lie where its
/// outlines lie on the images. Images without a report are analysed as `task` says.
///
/// # Errors
///
/// If it is not of the same patient, not earlier, the same study, or neither images nor a report.
pub(crate) fn read(
    paths: &[PathBuf],
    now: &Source,
    task: &Task<'_>,
    session: &Session,
    show: &Show<'_>,
    watch: &Stopwatch,
) -> Result<Prior> {
    watch.stage("prior");
    show("reading the prior", 0, 1);
    let found = scan(paths)?;
    let study = match &found.studies[..] {
        [] => bail!("the prior holds no DICOM objects"),
        [study] => study,
        several => {
            let uids: Vec<_> = several.iter().map(|study| study.uid.as_str()).collect();
            bail!("the prior is one study, and {} were found: {}", several.len(), uids.join(", "))
        }
    };
    ensure!(study.uid != *now.study_uid(), "study {}: the prior is the same study", study.uid);

    let record = record(study);
    let drawn_on = record.as_ref().and_then(|record| drawn_on(record, study));
    let chosen = match drawn_on {
        Some(series) => Some(series),
        None => match engine::choose::choose(study, task.wanted) {
            Ok(choice) => Some(choice.series),
            Err(_) if record.is_some() => None,
            Err(error) => return Err(error).context("the prior has no structured report, and"),
        },
    };
    let source = match (&record, chosen) {
        (Some(record), _) => record.source.clone(),
        (None, Some(series)) => series.source()?,
        (None, None) => bail!("study {}: the prior has neither a report nor images", study.uid),
    };
    let days = days_before(now, &source)?;
    match (record, chosen) {
        (Some(record), Some(series)) if drawn_on.is_some() => {
            let reading = series.read()?;
            // Two objects of one study are of two patients only by mistake.
            days_before(now, &reading.source)?;
            Ok(Prior::recorded(&record.report, &record.source, Some(reading), days))
        }
        (_, Some(series)) => {
            let task = Task { prior: None, guideline: None, ..*task };
            let (reading, report) = results::analyze(series, &task, session, show, watch)?;
            days_before(now, &reading.source)?;
            Ok(Prior::analysed(reading, &report, days))
        }
        (Some(record), None) => Ok(Prior::recorded(&record.report, &record.source, None, days)),
        (None, None) => unreachable!("refused above"),
    }
}

/// How many days `earlier` was before `now`, where the dates are known.
fn days_before(now: &Source, earlier: &Source) -> Result<Option<u32>> {
    let (now_uid, uid) = (now.study_uid(), earlier.study_uid());
    match now.same_patient(earlier) {
        Some(true) => {}
        Some(false) => bail!("study {uid}: the prior is not of the patient of study {now_uid}"),
        None => {
            bail!("study {uid}: it cannot be told whether the prior is of the patient of study {now_uid}")
        }
    }
    match now.days_since(earlier) {
        Some(days) if days < 0 => bail!("study {uid}: the prior is later than study {now_uid}"),
        days => Ok(days.and_then(|days| u32::try_from(days).ok())),
    }
}

/// A measurement report, and whom it is about.
struct Record {
    report: sr::Read,
    source: Source,
}

/// The last measurement report of `study` that tells of something.
fn record(study: &Study) -> Option<Record> {
    let reports = study.series.iter().filter(|series| series.modality == "SR");
    let instances = reports.flat_map(|series| &series.instances);
    let read = |path: &Path| -> Option<Record> {
        let object = sr::open(path).ok()?;
        let report = sr::read(&object).ok().filter(|report| !report.groups.is_empty())?;
        Some(Record { report, source: Source::of_report(&object)? })
    };
    instances.filter_map(|instance| read(instance.path())).max_by_key(|record| record.report.created)
}

/// The series of `study` on which the outlines of `record` lie.
fn drawn_on<'a>(record: &Record, study: &'a Study) -> Option<&'a Series> {
    let images = record.report.groups.iter().filter_map(|group| match &group.region {
        Region::Outline { image, .. } => Some(&image.sop_instance_uid),
        _ => None,
    });
    images
        .into_iter()
        .find_map(|image| {
            let holds = |series: &&Series| series.instances.iter().any(|i| i.sop_instance_uid == *image);
            study.series.iter().find(holds)
        })
        .filter(|series| series.check().is_ok())
}
