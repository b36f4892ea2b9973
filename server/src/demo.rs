//! `foci demo`: a synthetic patient through the whole of Foci.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use datasets::{Matching, Truth};
use dicom_io::phantom::Phantom;
use dicom_io::scan;
use engine::Task;
use engine::narrative::Style;

use crate::analyze::{Lang, limit_threads, wanted};
use crate::device::Wanted;
use crate::llm::Arguments;
use crate::output::OutputFolder;
use crate::patient::History;
use crate::progress::Bar;
use crate::results;
use crate::session::{Session, Stopwatch};

/// Make a synthetic CT study with known lesions, analyze it, and show truth beside findings
///
/// Writes the study (DICOM, with truth.json) into DIR/study and every result beside it: structured report,
/// segmentation, key images, findings.json, and index.html to look at. Prints the truth beside the findings.
///
/// On its first run it fetches what networks need (the inference library and the liver networks' weights,
/// about 110 MB, through pip); after that it needs no network.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// The folder to write [default: foci-demo, or foci-demo-2, .. if that exists]
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// The language of the report
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,

    #[command(flatten)]
    history: History,

    #[command(flatten)]
    llm: Arguments,

    /// Which synthetic patient
    #[arg(long, default_value_t = Phantom::default().seed, value_name = "N")]
    seed: u64,

    /// A patient without lesions
    #[arg(long)]
    healthy: bool,

    #[command(flatten)]
    device: Wanted,

    /// Threads for the networks [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Print the seconds that each stage took to stderr, as JSON
    #[arg(long)]
    timings: bool,
}

impl Demo {
    pub(crate) fn run(self) -> Result<()> {
        let watch = Stopwatch::start("phantom");
        let writer = self.llm.writer()?;
        limit_threads(self.threads);
        let place = self.output.unwrap_or_else(free_name);
        let folder = OutputFolder::create(&place)?;
        let bar = Bar::new();
        bar.show("making the patient", 0, 1);
        let phantom = Phantom { seed: self.seed, healthy: self.healthy, ..Phantom::default() };
        let study = folder.path().join("study");
        let truth = phantom.write(&study).context("cannot write the synthetic study")?;

        watch.stage("scan");
        let found = scan(&[study])?;
        let [study] = &found.studies[..] else { bail!("the synthetic study cannot be read back") };
        let wanted = wanted(&[])?;
        let choice = engine::choose::choose(study, &wanted)?;
        let task = Task {
            wanted: &wanted,
            language: self.lang.into(),
            guideline: self.history.guideline(),
            patient: self.history.patient(),
            prior: None,
        };
        let session = Session::new(self.threads, self.device);
        let show = |what: &str, done, total| bar.show(what, done, total);
        let (reading, mut report) = results::analyze(choice.series, &task, &session, &show, &watch)?;
        let record = writer.and_then(|w| w.write_about(&mut report, &reading, &task, &show, &watch));

        let matching = Matching::new(&Truth::from(&truth), &report.findings);
        results::write(&reading, &report, Some(&matching), &Style::default(), folder.path(), &watch)?;
        if let Some(record) = record {
            record.write(folder.path())?;
        }
        folder.finish()?;
        bar.clear();
        for warning in &report.warnings {
            eprintln!("warning: {warning}");
        }
        if self.timings {
            eprintln!("{}", watch.report());
        }

        let mut out = std::io::stdout().lock();
        write!(out, "{matching}")?;
        writeln!(out, "results are in {}; look at {}", place.display(), place.join("index.html").display())?;
        Ok(())
    }
}

/// `foci-demo`, or the first of `foci-demo-2`, .. that does not exist.
fn free_name() -> PathBuf {
    let names = (2..).map(|n| format!("foci-demo-{n}"));
    let mut names = std::iter::once("foci-demo".to_owned()).chain(names);
    names.find(|name| !Path::new(name).exists()).expect("there is no end of names").into()
}
