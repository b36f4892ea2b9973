//! `foci report sign`: a report that somebody has read and stands for.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use dicom_io::object::NewSeries;
use dicom_io::sr::{Standing, Verification};
use engine::structured::equipment;
use models::sha256;

use super::amend::{SCHEMA_VERSION, SERIES, VERSION, faults, name, origin};
use super::chain::Chain;
use super::trail::{self, By, Kind, Trail};
use crate::results::now;

/// Sign a report as its verifying observer
///
/// Writes a new DICOM SR with the same words: complete, verified and final, with the name, the organization and
/// the time of who verifies it. It names the version that was signed, which stays as it is. What the check says
/// of the words is shown first.
///
/// This records a decision; it is no electronic signature in the sense of any law.
///
/// Prints the path of the signed version.
#[derive(Debug, clap::Args)]
pub(crate) struct Sign {
    /// The folder of results that `foci analyze` wrote, or a report as a DICOM file
    #[arg(value_name = "RESULTS_OR_SR")]
    place: PathBuf,

    /// Who has read it and stands for it
    #[arg(long, value_name = "NAME")]
    observer: String,

    /// Where they work
    #[arg(long, value_name = "NAME")]
    organization: String,
}

impl Sign {
    pub(crate) fn run(self) -> Result<()> {
        let at = now();
        let signature = Verification {
            name: name(&self.observer, "--observer")?,
            organization: name(&self.organization, "--organization")?,
            at,
        };
        let chain = Chain::read(&self.place)?;
        let last = chain.last();
        let same = |known: &Verification| {
            (&known.name, &known.organization) == (&signature.name, &signature.organization)
        };
        ensure!(!last.document.verified.iter().any(same), "this version is signed by them already");
        let faults = faults(chain.report.as_ref(), &last.source, &last.document);
        for fault in &faults {
            eprintln!("warning: {}", trail::words(fault));
        }
        let mut verified = last.document.verified.clone();
        verified.push(signature);
        let standing = Standing {
            predecessor: Some(last.document.itself.clone()),
            authors: last.document.authors.clone(),
            verified,
        };
        let series = NewSeries { number: SERIES, description: "Report, signed".to_owned() };
        let equipment = equipment(VERSION);
        let object =
            last.document.report.to_object(&origin(&last.source, at, &equipment), &series, &standing);
        let trail = Trail {
            schema_version: SCHEMA_VERSION,
            sop_instance_uid: object.sop_instance_uid().clone(),
            predecessor_sop_instance_uid: last.document.itself.sop_instance_uid.clone(),
            predecessor_sha256: sha256(&fs::read(&last.file).context("the last version cannot be read")?),
            at: at.to_string(),
            by: By { name: self.observer, organization: Some(self.organization), kind: Kind::Human },
            changes: Vec::new(),
            overruled: faults,
        };
        let file = chain.append(&object, &trail)?;
        writeln!(std::io::stdout().lock(), "{}", file.display())?;
        Ok(())
    }
}
