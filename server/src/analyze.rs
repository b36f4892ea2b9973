//! `foci analyze`: one study in, one folder of results out.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use dicom_io::{Series, scan};
use engine::narrative::Style;
use engine::{Kind, Language, Report, Task};
use models::Card;

use crate::device::Wanted;
use crate::llm::Arguments;
use crate::output::OutputFolder;
use crate::patient::History;
use crate::prior;
use crate::progress::Bar;
use crate::results;
use crate::session::{Session, Stopwatch};

/// Analyze one study: find, measure and report lesions
///
/// Reads the DICOM files below the given paths (any names, nested, other files in between), chooses the
/// series that suits the models best, and writes one folder: findings.json, report.txt, index.html,
/// sr.dcm (DICOM SR, TID 1500), narrative.dcm (the words: DICOM SR, TID 2000), seg.dcm (DICOM SEG), and a key
/// image of each finding as PNG and as DICOM Secondary Capture.
///
/// Prints one line for each finding: number, kind, side, long and short axis (mm), volume (mm3), mean
/// HU, score, centre (LPS, mm), tab-separated.
///
/// The score is the network's and no probability of disease. Research only, not for diagnosis.
#[derive(Debug, clap::Args)]
pub(crate) struct Analyze {
    /// Folders or files of one study
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The folder to write; it must not exist yet, or be empty
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Only look with this model (may be given more than once); see `foci models`
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,

    /// The language of the report
    #[arg(long, value_enum, default_value_t = Lang::En)]
    lang: Lang,

    #[command(flatten)]
    history: History,

    #[command(flatten)]
    llm: Arguments,

    /// An earlier examination of the same patient to compare with: its images, its structured report, or both
    #[arg(long, value_name = "PATH")]
    prior: Vec<PathBuf>,

    /// Read this series rather than the one that suits best
    #[arg(long, value_name = "UID")]
    series: Option<String>,

    #[command(flatten)]
    device: Wanted,

    /// Threads for the networks [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Print the seconds that each stage took to stderr, as JSON
    #[arg(long)]
    timings: bool,
}

/// The language of a report.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Lang {
    /// Chinese
    Zh,
    /// English
    En,
}

impl From<Lang> for Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Zh => Self::Chinese,
            Lang::En => Self::English,
        }
    }
}

impl Analyze {
    pub(crate) fn run(self) -> Result<()> {
        let watch = Stopwatch::start("scan");
        let wanted = wanted(&self.model)?;
        let writer = self.llm.writer()?;
        limit_threads(self.threads);
        let folder = OutputFolder::create(&self.output)?;
        let bar = Bar::new();
        bar.show("looking for images", 0, 1);
        let found = scan(&self.paths)?;
        let study = match &found.studies[..] {
            [] => bail!("no DICOM image was found in {} files", found.skipped.len()),
            [study] => study,
            several => {
                let uids: Vec<_> = several.iter().map(|study| study.uid.as_str()).collect();
                bail!("{} studies were found where one is expected: {}", several.len(), uids.join(", "))
            }
        };
        let series = match &self.series {
            Some(uid) => {
                let of = |series: &&Series| series.uid.as_str() == uid;
                study
                    .series
                    .iter()
                    .find(of)
                    .with_context(|| format!("there is no series {uid} in the study"))?
            }
            None => engine::choose::choose(study, &wanted)?.series,
        };
        let session = Session::new(self.threads, self.device);
        let show = |what: &str, done, total| bar.show(what, done, total);
        let alone = Task {
            wanted: &wanted,
            language: self.lang.into(),
            guideline: self.history.guideline(),
            patient: self.history.patient(),
            prior: None,
        };
        let prior = match &self.prior[..] {
            [] => None,
            paths => Some(prior::read(paths, &series.source()?, &alone, &session, &show, &watch)?),
        };
        let task = Task { prior: prior.as_ref(), ..alone };
        let (reading, mut report) = results::analyze(series, &task, &session, &show, &watch)?;
        let record = writer.and_then(|w| w.write_about(&mut report, &reading, &task, &show, &watch));
        results::write(&reading, &report, None, &Style::default(), folder.path(), &watch)?;
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
        print_findings(&report)
    }
}

/// The models of these names; all that find something if none is named.
///
/// # Errors
///
/// If there is no model of a name, or it finds nothing by itself.
pub(crate) fn wanted(names: &[String]) -> Result<Vec<&'static Card>> {
    if names.is_empty() {
        return Ok(Card::catalog().iter().filter(|card| Kind::of(card).is_some()).collect());
    }
    let named = |name: &String| {
        let card = Card::named(name)?;
        if Kind::of(card).is_none() {
            bail!("the model {name} finds nothing by itself; it helps others");
        }
        Ok(card)
    };
    names.iter().map(named).collect()
}

/// Lets everything besides the networks use as many threads as they do.
pub(crate) fn limit_threads(threads: Option<usize>) {
    if let Some(threads) = threads {
        // It fails only where a pool was made before, and there is none yet.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
}

pub(crate) fn print_findings(report: &Report) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for finding in &report.findings {
        let measured = &finding.measurements;
        let at = measured.centre_lps_mm;
        writeln!(
            out,
            "{}\t{}\t{}\t{:.1}\t{:.1}\t{:.0}\t{:.0}\t{:.3}\t{:.1},{:.1},{:.1}",
            finding.number,
            finding.kind,
            finding.site.side.map_or("-".to_owned(), |side| side.to_string()),
            measured.long_axis_mm,
            measured.short_axis_mm,
            measured.volume_mm3,
            measured.mean_hu,
            finding.confidence,
            at.l,
            at.p,
            at.s,
        )?;
    }
    Ok(())
}
