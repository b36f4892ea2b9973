//! `foci qc`: quality control of finished reports, whoever wrote them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dicom_io::sr::{self, Read};
use dicom_io::{Source, Uid, gb18030};
use engine::Evidence;
use engine::guideline::Patient;
use engine::qc::{Complaint, Document, Heading, Known, audit};
use serde_json::json;

use crate::analyze::Lang;

/// A text file longer than this is no report.
const LONGEST_TEXT: u64 = 4 << 20;

/// Hold reports against their measurements, and against themselves
///
/// REPORT is a text file (UTF-8 or GB18030), a DICOM SR with text (any template, any author), or a folder of
/// them. With --sr its words are held against the measurements of a structured report (TID 1500): numbers, sides,
/// counts, kinds, negations, slices. Without it, or beside it, the report is held against itself and audited for
/// defects of writing: missing or empty sections, sides, sexes, ages, dates, units, spelling, what was not filled
/// in or not told. docs/CHECKING.md lists all classes.
///
/// Prints one line for each report, tab-separated: the report, `clean` or the number of faults, their classes,
/// and `no-sr` where there were no measurements to hold it against. The output quotes the reports.
///
/// Exit codes: 0 all reports are clean, 1 at least one is not (or cannot be read), 2 wrong usage.
#[derive(Debug, clap::Args)]
pub(crate) struct Qc {
    /// Reports: text files, DICOM SRs, or folders of them
    #[arg(required = true, value_name = "REPORT")]
    reports: Vec<PathBuf>,

    /// Measurements: a DICOM SR, or a folder of them; a report's is that of the same study, of the same file name
    /// but for its ending, or the only one in its folder
    #[arg(long, value_name = "SR")]
    sr: Option<PathBuf>,

    /// Print a line for each fault too, indented: class, section, words, what is expected
    #[arg(long, conflicts_with = "json")]
    details: bool,

    /// Print a JSON object for each report, one per line
    #[arg(long)]
    json: bool,

    /// The language of the reports; without it, that of most of their letters
    #[arg(long, value_enum, value_name = "LANG")]
    lang: Option<Lang>,

    /// Expect a signature and the time of the report
    #[arg(long)]
    signed: bool,
}

/// A report to judge.
struct Words {
    place: PathBuf,
    document: Document,
    /// Of a DICOM file.
    study_uid: Option<Uid>,
    measured_uid: Option<Uid>,
    source: Option<Source>,
    signed: bool,
}

/// Measurements to judge by.
struct Measured {
    place: PathBuf,
    sop_instance_uid: Option<Uid>,
    source: Source,
    evidence: Evidence,
}

impl Qc {
    pub(crate) fn run(self) -> Result<()> {
        let measured = match &self.sr {
            Some(place) => measurements(place)?,
            None => Vec::new(),
        };
        let alone = self.sr.as_deref().is_some_and(Path::is_file);
        let mut reports = Vec::new();
        for place in &self.reports {
            reports.extend(words(place)?);
        }
        ensure!(!reports.is_empty(), "no report was found: neither a text file nor a DICOM SR with text");

        let mut out = std::io::stdout().lock();
        let (count, mut faulty, mut unmeasured) = (reports.len(), 0, 0);
        for mut report in reports {
            if let Some(lang) = self.lang {
                report.document.language = lang.into();
            }
            let measured = of(&report, &measured, alone);
            unmeasured += usize::from(self.sr.is_some() && measured.is_none());
            let known = Known {
                evidence: measured.map(|measured| &measured.evidence),
                source: report.source.as_ref().or(measured.map(|measured| &measured.source)),
                signature_expected: self.signed,
                signed: report.signed,
            };
            let complaints = audit(&report.document, &known);
            faulty += usize::from(!complaints.is_empty());
            if self.json {
                writeln!(out, "{}", as_json(&report, measured, &complaints))?;
                continue;
            }
            writeln!(out, "{}", line(&report, measured, &complaints))?;
            for complaint in complaints.iter().filter(|_| self.details) {
                writeln!(out, "  {}", detail(complaint))?;
            }
        }
        if unmeasured > 0 {
            eprintln!("note: {unmeasured} of {count} reports have no measurements there");
        }
        if faulty > 0 {
            bail!("{faulty} of {count} reports have faults");
        }
        Ok(())
    }
}

/// The reports at `place`; in a folder, what is none is passed over.
fn words(place: &Path) -> Result<Vec<Words>> {
    if !place.is_dir() {
        let report = read(place).with_context(|| format!("{} is no report", place.display()))?;
        return Ok(vec![report]);
    }
    let mut reports = Vec::new();
    for file in files(place)? {
        let text = file.extension().is_some_and(|end| end.eq_ignore_ascii_case("txt"));
        // Measurements with a comment are measurements.
        let is_report = text || sr::open(&file).is_ok_and(|object| sr::read(&object).is_err());
        if is_report && let Ok(report) = read(&file) {
            reports.push(report);
        }
    }
    Ok(reports)
}

/// All files below `folder`, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            // Links are not followed: they may lead in a circle.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

fn read(place: &Path) -> Result<Words> {
    if let Ok(object) = sr::open(place) {
        let report = sr::Document::read(&object)?;
        let sections = report.report.sections.iter().map(|section| {
            let title = title(&section.heading);
            (title, section.sentences.iter().map(|sentence| sentence.text.clone()).collect())
        });
        return Ok(Words {
            place: place.to_owned(),
            document: Document::of_sections(sections),
            study_uid: Some(report.itself.study_uid.clone()),
            measured_uid: report.report.measured.as_ref().map(|measured| measured.sop_instance_uid.clone()),
            source: Source::of_report(&object),
            signed: !report.verified.is_empty(),
        });
    }
    ensure!(fs::metadata(place)?.len() <= LONGEST_TEXT, "too long for a report");
    let bytes = fs::read(place)?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => gb18030::decode(error.as_bytes()).context("the text is neither UTF-8 nor GB18030")?,
    };
    let text = text.trim_start_matches('\u{feff}');
    ensure!(!text.contains('\0'), "not a text");
    Ok(Words {
        place: place.to_owned(),
        document: Document::parse(text),
        study_uid: None,
        measured_uid: None,
        source: None,
        signed: false,
    })
}

/// A coded heading as our headings are called.
fn title(heading: &dicom_io::Code) -> String {
    use dicom_io::sr::codes;
    let known = [
        (codes::FINDINGS, "Findings"),
        (codes::IMPRESSIONS, "Impression"),
        (codes::RECOMMENDATIONS, "Recommendation"),
    ];
    let known = known.into_iter().find(|(code, _)| code == heading);
    known.map_or_else(|| heading.meaning.to_string(), |(_, title)| title.to_owned())
}

/// The measurement reports at `place`.
fn measurements(place: &Path) -> Result<Vec<Measured>> {
    if !place.is_dir() {
        return Ok(vec![measurement(place).context("--sr is no measurement report")?]);
    }
    let measured: Vec<Measured> = files(place)?.iter().filter_map(|file| measurement(file).ok()).collect();
    ensure!(!measured.is_empty(), "--sr holds no measurement report");
    Ok(measured)
}

fn measurement(place: &Path) -> Result<Measured> {
    let object = sr::open(place)?;
    let report = sr::read(&object)?;
    let itself = sr::Document::read(&object).ok().map(|document| document.itself.sop_instance_uid);
    let source = Source::of_report(&object).context("a UID is missing")?;
    let patient = Patient::default().completed(&source);
    let evidence = Evidence::from_sr(&report, modality(&report), patient, source.contrast());
    Ok(Measured { place: place.to_owned(), sop_instance_uid: itself, source, evidence })
}

/// The modality of what was measured: by the procedure's name, else by its units.
fn modality(report: &Read) -> &'static str {
    let procedure = report.procedure.as_ref().map(|code| code.meaning.as_ref()).unwrap_or_default();
    let says = |word: &str| procedure.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == word);
    let measured = || report.groups.iter().flat_map(|group| &group.measurements);
    if says("CT") || measured().any(|measurement| measurement.unit == sr::codes::HOUNSFIELD_UNIT) {
        "CT"
    } else if says("MR") || says("MRI") {
        "MR"
    } else {
        ""
    }
}

/// The measurements of `report`.
fn of<'a>(report: &Words, measured: &'a [Measured], alone: bool) -> Option<&'a Measured> {
    if let Some(uid) = &report.measured_uid {
        let named = measured.iter().find(|m| m.sop_instance_uid.as_ref() == Some(uid));
        if named.is_some() {
            return named;
        }
    }
    if let Some(study) = &report.study_uid {
        return measured.iter().find(|m| m.source.study_uid() == study);
    }
    if alone {
        return measured.first();
    }
    let stem = |place: &Path| place.file_stem().map(|stem| stem.to_owned());
    let same = measured.iter().find(|m| stem(&m.place) == stem(&report.place));
    let mut beside = measured.iter().filter(|m| m.place.parent() == report.place.parent());
    same.or_else(|| beside.next().filter(|_| beside.next().is_none()))
}

fn line(report: &Words, measured: Option<&Measured>, complaints: &[Complaint]) -> String {
    let mut classes: Vec<&str> = complaints.iter().map(|complaint| complaint.class.as_str()).collect();
    classes.dedup();
    let state = if complaints.is_empty() { "clean".to_owned() } else { complaints.len().to_string() };
    let without = if measured.is_none() { "no-sr" } else { "" };
    let line = format!("{}\t{state}\t{}\t{without}", report.place.display(), classes.join(","));
    line.trim_end().to_owned()
}

fn section(heading: Option<Heading>) -> &'static str {
    match heading {
        None => "report",
        Some(Heading::Head) => "head",
        Some(Heading::Technique) => "technique",
        Some(Heading::Comparison) => "comparison",
        Some(Heading::Findings) => "findings",
        Some(Heading::Impression) => "impression",
        Some(Heading::Recommendation) => "recommendation",
        Some(Heading::Other) => "other",
    }
}

fn detail(complaint: &Complaint) -> String {
    let Complaint { class, section: heading, sentence, found, expected } = complaint;
    format!("{}\t{}\t{found}\t{expected}\t{sentence}", class.as_str(), section(*heading))
}

fn as_json(report: &Words, measured: Option<&Measured>, complaints: &[Complaint]) -> serde_json::Value {
    json!({
        "report": report.place,
        "study_uid": report.study_uid.as_ref().or(measured.map(|m| m.source.study_uid())),
        "measured": measured.is_some(),
        "language": report.document.language,
        "clean": complaints.is_empty(),
        "faults": complaints,
    })
}
