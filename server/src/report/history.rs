//! `foci report history`: the versions of a report.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use dicom_io::sr::{Observer, codes};
use models::sha256;
use serde::Deserialize;

use super::chain::Chain;

/// Show the versions of a report and whether each follows the one before it
///
/// One line for each version, the oldest first: number, file, SOP Instance UID, when, what it is, by whom,
/// tab-separated; below it what was changed. Fails if a version is missing, if two follow the same one, or if a
/// version was changed after another one followed it.
#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// The folder of results that `foci analyze` wrote
    #[arg(value_name = "RESULTS")]
    place: PathBuf,
}

/// What is needed of the trail beside a version.
#[derive(Deserialize)]
struct Before {
    predecessor_sha256: String,
}

impl History {
    pub(crate) fn run(self) -> Result<()> {
        let chain = Chain::read(&self.place)?;
        let mut out = std::io::stdout().lock();
        for (number, version) in (1..).zip(&chain.versions) {
            let document = &version.document;
            let file = version.file.file_name().unwrap_or_default().to_string_lossy();
            let (what, by) = match (document.verified.last(), document.predecessors.is_empty()) {
                (Some(signature), _) => ("signed", signature.name.clone()),
                (None, false) => ("amended", document.authors.last().map(name).unwrap_or_default()),
                (None, true) => ("draft", String::new()),
            };
            let when = document.created.map(|at| at.to_string()).unwrap_or_default();
            let uid = &document.itself.sop_instance_uid;
            writeln!(out, "{number}\t{file}\t{uid}\t{when}\t{what}\t{by}")?;
            if what == "amended" {
                let changes =
                    document.report.sections.iter().rfind(|section| section.heading == codes::ADDENDUM);
                for line in changes.iter().flat_map(|section| &section.sentences) {
                    writeln!(out, "\t{}", line.text)?;
                }
            }
        }
        for pair in chain.versions.windows(2) {
            let trail = fs::read_to_string(pair[1].file.with_extension("json"));
            let trail = trail.context("the trail of a version is missing")?;
            let trail: Before =
                serde_json::from_str(&trail).context("the trail of a version cannot be understood")?;
            let found = sha256(&fs::read(&pair[0].file).context("a version cannot be read")?);
            ensure!(
                found == trail.predecessor_sha256,
                "{} was changed after {} had followed it",
                pair[0].document.itself.sop_instance_uid,
                pair[1].document.itself.sop_instance_uid
            );
        }
        Ok(())
    }
}

fn name(observer: &Observer) -> String {
    match observer {
        Observer::Person { name, .. } | Observer::Device { name, .. } => name.clone(),
    }
}
