//! `foci report`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use dicom_io::Source;
use dicom_io::object::NewSeries;
use dicom_io::sr::{Document, Standing};
use engine::Report;
use engine::guideline::Patient;
use engine::report::SCHEMA_VERSION;
use engine::structured::equipment;
use engine::structured::words::rewritten;

use super::amend::{SERIES, VERSION, origin};
use crate::analyze::Lang;
use crate::llm::Arguments;
use crate::output::OutputFolder;
use crate::results::{now, write_text};
use crate::words;

/// The words as a DICOM object.
const NARRATIVE: &str = "narrative.dcm";

/// Write the words of an analysed study anew
///
/// Reads what `foci analyze` found and measured, and writes a new report of it into a new folder: by a language model
/// (--llm-url) or by the template, in this language or that. Nothing is analysed again, nothing overwritten.
///
/// Writes findings.json, report.txt, narrative.dcm (DICOM SR, if RESULTS has one) and, where a model was asked,
/// llm.json: what it was told and what it answered. Prints the folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Write {
    /// The folder of results that `foci analyze` wrote
    #[arg(required = true, value_name = "RESULTS")]
    results: Option<PathBuf>,

    /// The folder to write [default: RESULTS-report, or RESULTS-report-2, .. if that exists]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// The language of the report [default: that of RESULTS]
    #[arg(long, value_enum)]
    lang: Option<Lang>,

    #[command(flatten)]
    llm: Arguments,
}

impl Write {
    pub(crate) fn run(self) -> Result<()> {
        let writer = self.llm.writer()?;
        // None only with a subcommand, which then is what runs.
        let results = self.results.context("name a folder of results; see `foci report --help`")?;
        let mut report = read(&results)?;
        let place = self.output.unwrap_or_else(|| free_name(&results));
        let folder = OutputFolder::create(&place)?;
        // Of another program's folder, or of an analysis before there was one.
        let document = Document::open(&results.join(NARRATIVE)).ok();
        let language = self.lang.map_or(report.narrative.language, Into::into);
        words::by_template(&mut report, language);
        let source = document.as_ref().map(|(_, source)| source);
        let patient = source.map_or_else(Patient::default, |source| Patient::default().completed(source));
        let contrast = source.and_then(Source::contrast);
        let record = writer.and_then(|writer| writer.write(&mut report, patient, contrast));

        write_text(&folder.path().join("findings.json"), &(serde_json::to_string_pretty(&report)? + "\n"))?;
        write_text(&folder.path().join("report.txt"), &report.narrative.text())?;
        if let Some((document, source)) = &document {
            let series = NewSeries { number: SERIES, description: "Report, written anew".to_owned() };
            let equipment = equipment(VERSION);
            let words = rewritten(&report, document);
            let object = words.to_object(&origin(source, now(), &equipment), &series, &Standing::default());
            object.write(&folder.path().join(NARRATIVE))?;
        }
        if let Some(record) = record {
            record.write(folder.path())?;
        }
        folder.finish()?;
        for warning in &report.warnings {
            eprintln!("warning: {warning}");
        }
        writeln!(std::io::stdout(), "{}", place.display())?;
        Ok(())
    }
}

/// The report in a folder of results.
///
/// # Errors
///
/// If there is none, or it is of another layout than this program's.
pub(super) fn read(results: &Path) -> Result<Report> {
    let place = results.join("findings.json");
    let text = fs::read(&place).with_context(|| format!("cannot read {}", place.display()))?;
    let report: Report = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no report of this version of Foci", place.display()))?;
    ensure!(
        report.schema_version == SCHEMA_VERSION,
        "{} has the layout {}, and this program reads {SCHEMA_VERSION}",
        place.display(),
        report.schema_version
    );
    Ok(report)
}

/// `RESULTS-report`, or the first of `RESULTS-report-2`, .. that does not exist.
fn free_name(results: &Path) -> PathBuf {
    let results = results.canonicalize().unwrap_or_else(|_| results.to_owned());
    let name = results.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = (2..).map(|n| format!("{name}-report-{n}"));
    let mut names = std::iter::once(format!("{name}-report")).chain(names);
    let free = |name: String| Some(results.with_file_name(name)).filter(|place| !place.exists());
    names.find_map(free).expect("there is no end of names")
}
