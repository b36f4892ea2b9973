//! `foci report pdf`: a report on paper, and as the object that an archive keeps of it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use dicom_io::object::NewSeries;
use dicom_io::pdf::EncapsulatedPdf;
use dicom_io::sr::codes;
use engine::Report;
use engine::print::Printout;
use engine::structured::{equipment, words};
use image::RgbImage;
use models::{Cache, Font};

use super::amend::{VERSION, origin};
use super::chain::Chain;
use super::trail::spoken;
use crate::output::write_file;
use crate::progress::Bar;
use crate::results::now;

/// The series of printed reports.
const SERIES: u32 = 9006;

/// Print a report as PDF, encapsulated for the PACS
///
/// Prints the latest version of the words, what was changed in them and who signed them, the measurements and the
/// key images: report.pdf, and report.pdf.dcm (Encapsulated PDF) for the archive. The patient is not named on the
/// pages, only in the header of the DICOM object.
///
/// Chinese needs a font, which is fetched once (8 MB); English needs none.
///
/// Prints the paths of the two files.
#[derive(Debug, clap::Args)]
pub(crate) struct Pdf {
    /// The folder of results that `foci analyze` wrote
    #[arg(value_name = "RESULTS")]
    results: PathBuf,

    /// The PDF to write; the DICOM object gets the same name with .dcm behind it [default: report.pdf in RESULTS]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Pdf {
    pub(crate) fn run(self) -> Result<()> {
        let chain = Chain::read(&self.results)?;
        let Some(report) = &chain.report else { bail!("there is no findings.json beside the report") };
        let last = chain.last();
        let narrative = words::narrative(&last.document, report);
        let addenda =
            last.document.report.sections.iter().filter(|section| section.heading == codes::ADDENDUM);
        let changes: Vec<String> =
            addenda.flat_map(|section| &section.sentences).map(|sentence| sentence.text.clone()).collect();
        let signed = last.document.verified.iter();
        let signatures: Vec<String> =
            signed.map(|one| format!("{}, {}, {}", spoken(&one.name), one.organization, one.at)).collect();
        let key_images = key_images(&self.results, report)?;
        let created = now();
        let printed = created.to_string();
        let printout = |font| Printout {
            report,
            narrative: &narrative,
            changes: &changes,
            signatures: &signatures,
            key_images: &key_images,
            printed: &printed,
            font,
        };
        let file = match printout(None).to_pdf() {
            Err(engine::Error::NeedsFont(_)) => printout(Some(font()?.bytes())).to_pdf()?,
            done => done?,
        };

        let words = last.document.report.title.meaning.to_string();
        let object = EncapsulatedPdf {
            series: NewSeries { number: SERIES, description: "Report as PDF (research)".to_owned() },
            title: codes::DIAGNOSTIC_IMAGING_REPORT,
            words: format!("{words} (research)"),
            sources: std::iter::once(&last.document.itself)
                .chain(&last.document.report.measured)
                .chain(&last.document.report.evidence)
                .cloned()
                .collect(),
            file: &file,
        }
        .to_object(&origin(&last.source, created, &equipment(VERSION)));
        let pdf = self.output.unwrap_or_else(|| self.results.join("report.pdf"));
        let mut name = pdf.clone().into_os_string();
        name.push(".dcm");
        let encapsulated = PathBuf::from(name);
        write_file(&pdf, |path| Ok(fs::write(path, &file)?))?;
        write_file(&encapsulated, |path| Ok(object.write(path)?))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}\n{}", pdf.display(), encapsulated.display())?;
        Ok(())
    }
}

/// The pictures that the analysis drew; none where they do not lie there, as in a folder of words alone.
fn key_images(results: &Path, report: &Report) -> Result<Vec<RgbImage>> {
    let place = |number: usize| results.join(format!("key-{number}.png"));
    let missing = report.findings.iter().filter(|finding| !place(finding.number).exists()).count();
    if missing > 0 {
        eprintln!("warning: printed without key images: {missing} of them are not there");
        return Ok(Vec::new());
    }
    let read = |number: usize| -> Result<RgbImage> {
        let picture =
            image::open(place(number)).with_context(|| format!("key-{number}.png cannot be read"))?;
        Ok(picture.to_rgb8())
    };
    report.findings.iter().map(|finding| read(finding.number)).collect()
}

fn font() -> Result<Font, models::Error> {
    let bar = Bar::new();
    let font = Font::chinese(&Cache::from_environment(), &|progress| {
        bar.show(progress.what, progress.done, progress.total);
    });
    bar.clear();
    font
}
