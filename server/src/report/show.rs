//! `foci report show`: the words that hold.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use super::amend::language;
use super::chain::Chain;
use super::edit::{SECTIONS, line, texts};
use super::trail::heading;
use engine::check::Section;

/// Show the latest version of the words, as `foci report amend --from` takes them
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The folder of results that `foci analyze` wrote, or a report as a DICOM file
    #[arg(value_name = "RESULTS_OR_SR")]
    place: PathBuf,
}

impl Show {
    pub(crate) fn run(self) -> Result<()> {
        let chain = Chain::read(&self.place)?;
        let document = &chain.last().document;
        let language = language(document, chain.report.as_ref());
        let mut out = std::io::stdout().lock();
        for section in SECTIONS {
            let sentences = texts(&document.report, section);
            if sentences.is_empty() {
                continue;
            }
            writeln!(out, "{}", heading(language, section))?;
            for (number, sentence) in (1..).zip(sentences) {
                let line = line(&sentence);
                match section {
                    Section::Impression => writeln!(out, "{number}. {line}")?,
                    Section::Findings | Section::Recommendation => writeln!(out, "{line}")?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }
}
