//! The versions of a report: each a file of its own that names the one before it. Nothing is overwritten.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use dicom_io::object::ResultObject;
use dicom_io::sr::Document;
use dicom_io::{Source, Uid};
use engine::Report;
use engine::structured::words;

use super::trail::Trail;
use crate::output::write_file;

/// Basic Text SR: what words are written as.
const TEXT: &str = "1.2.840.10008.5.1.4.1.1.88.11";

/// One version of a report.
pub(super) struct Version {
    pub(super) file: PathBuf,
    pub(super) document: Document,
    pub(super) source: Source,
}

/// All versions that lie in one folder, the oldest first.
pub(super) struct Chain {
    /// Where the next version goes.
    pub(super) folder: PathBuf,
    pub(super) versions: Vec<Version>,
    /// What the words are about, where `findings.json` lies beside them.
    pub(super) report: Option<Report>,
}

impl Chain {
    /// Reads the versions in `place`, a folder of results; or only the one that is the file `place`, of any
    /// program.
    ///
    /// # Errors
    ///
    /// If there is none, or if they are no single chain: a version is missing, names another study, or two
    /// follow the same one.
    pub(super) fn read(place: &Path) -> Result<Self> {
        if place.is_file() {
            let (document, source) = Document::open(place)?;
            let folder = place.parent().unwrap_or(Path::new("")).to_owned();
            let versions = vec![Version { file: place.to_owned(), document, source }];
            return Ok(Self { report: None, folder, versions });
        }
        let mut found: Vec<Version> = Vec::new();
        for entry in fs::read_dir(place).context("the folder of results cannot be read")? {
            let file = entry.context("the folder of results cannot be read")?.path();
            if file.extension().is_none_or(|extension| extension != "dcm") {
                continue;
            }
            // Images and segmentations lie there too.
            let Ok((document, source)) = Document::open(&file) else { continue };
            if document.itself.sop_class_uid.as_str() == TEXT {
                found.push(Version { file, document, source });
            }
        }
        let report = match fs::read_to_string(place.join("findings.json")) {
            Ok(text) => Some(serde_json::from_str(&text).context("findings.json cannot be understood")?),
            Err(_) => None,
        };
        Ok(Self { folder: place.to_owned(), versions: in_order(found)?, report })
    }

    /// The version that holds.
    pub(super) fn last(&self) -> &Version {
        self.versions.last().expect("a chain is not empty")
    }

    /// The lines by which `report.txt` says who wrote it: no words of the report.
    pub(super) fn written_by(&self) -> Vec<String> {
        let Some(report) = &self.report else { return Vec::new() };
        let versions = self.versions.iter();
        let mut lines: Vec<String> =
            versions.map(|version| words::narrative(&version.document, report).written_by()).collect();
        lines.push(report.narrative.written_by());
        lines
    }

    /// Writes the next version, and its trail beside it: the path of the version.
    pub(super) fn append(&self, object: &ResultObject, trail: &Trail) -> Result<PathBuf> {
        let number = (self.versions.len() + 1..)
            .find(|number| !self.place(*number, "dcm").exists() && !self.place(*number, "json").exists())
            .expect("numbers do not end");
        let text = serde_json::to_string_pretty(trail)? + "\n";
        // First, so that no version is ever without its trail.
        write_file(&self.place(number, "json"), |path| Ok(fs::write(path, text)?))?;
        let file = self.place(number, "dcm");
        write_file(&file, |path| Ok(object.write(path)?))?;
        Ok(file)
    }

    fn place(&self, number: usize, ending: &str) -> PathBuf {
        self.folder.join(format!("narrative-{number}.{ending}"))
    }
}

fn in_order(found: Vec<Version>) -> Result<Vec<Version>> {
    ensure!(!found.is_empty(), "no report of words lies here: `foci analyze` writes one");
    let uid = |version: &Version| version.document.itself.sop_instance_uid.clone();
    let first = found.iter().filter(|version| version.document.predecessors.is_empty()).count();
    ensure!(
        first == 1,
        "{first} reports take the place of no other, where one chain of versions begins with one"
    );
    let mut after: HashMap<Option<Uid>, Version> = HashMap::new();
    for version in found {
        let before = version.document.predecessors.first().map(|before| before.sop_instance_uid.clone());
        let this = uid(&version);
        if let Some(other) = after.insert(before.clone(), version) {
            let before = before.map_or_else(String::new, |uid| uid.to_string());
            bail!(
                "two versions, {} and {this}, take the place of {before}: name the file that holds",
                uid(&other)
            );
        }
    }
    let mut versions: Vec<Version> = Vec::new();
    while let Some(next) = after.remove(&versions.last().map(uid)) {
        if let Some(before) = versions.last() {
            ensure!(
                before.document.itself.study_uid == next.document.itself.study_uid,
                "{} takes the place of a report of another study",
                uid(&next)
            );
        }
        versions.push(next);
    }
    if let Some((before, version)) = after.into_iter().next() {
        let before = before.map_or_else(String::new, |uid| uid.to_string());
        bail!("{} takes the place of {before}, which is not here", uid(&version));
    }
    Ok(versions)
}
