//! `foci report`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use engine::Report;
use engine::guideline::Patient;
use engine::report::SCHEMA_VERSION;

use crate::analyze::Lang;
use crate::llm::Arguments;
use crate::output::OutputFolder;
use crate::results::write_text;
use crate::words::{self, Writer};

/// Write the words of an analysed study anew
///
/// Reads what `foci analyze` found and measured, and writes a new report of it into a new folder: by a language model
/// (--llm-url) or by the template, in this language or that. Nothing is analysed again, nothing overwritten.
///
/// Writes findings.json, report.txt, and llm.json where a model was asked: what it was told and what it answered.
/// Prints the folder.
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
        let writer = self.llm.settings()?.map(|settings| Writer::new(&settings)).transpose()?;
        // None only with a subcommand, which then is what runs.
        let results = self.results.context("name a folder of results; see `foci report --help`")?;
        let mut report = read(&results)?;
        let place = self.output.unwrap_or_else(|| free_name(&results));
        let folder = OutputFolder::create(&place)?;
        let language = self.lang.map_or(report.narrative.language, Into::into);
        words::by_template(&mut report, language);
        let record = writer.and_then(|writer| writer.write(&mut report, Patient::default(), None));

        write_text(&folder.path().join("findings.json"), &(serde_json::to_string_pretty(&report)? + "\n"))?;
        write_text(&folder.path().join("report.txt"), &report.narrative.text())?;
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
