//! `foci report amend`: another version of a report, with what was changed, by whom, when.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use dicom_io::Source;
use dicom_io::Uid;
use dicom_io::object::{DateTime, NewSeries, Origin};
use dicom_io::sr::{Author, Document, Language as SrLanguage, Observer, Section, Sentence, Standing, codes};
use engine::check::{Fault, check};
use engine::guideline::Patient;
use engine::structured::{equipment, words};
use engine::{Evidence, Language, Report};
use models::sha256;

use super::chain::Chain;
use super::edit::{self, Set};
use super::trail::{self, By, Kind, Trail};
use crate::results::now;

/// The series of versions; the analysis puts its own words into 9004.
pub(super) const SERIES: u32 = 9005;

/// The layout of the trail beside a version.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// Change sentences of a report, on record
///
/// Writes a new DICOM SR that names the one it takes the place of, with an addendum that says who changed what
/// (words taken out and put in), and the same as JSON beside it. Nothing is overwritten. The new words are held
/// against the findings as a model's are. What the check says of a person's words is a warning, and recorded; a
/// program's are refused.
///
/// Prints the path of the new version.
#[derive(Debug, clap::Args)]
pub(crate) struct Amend {
    /// The folder of results that `foci analyze` wrote, or a report as a DICOM file
    #[arg(value_name = "RESULTS_OR_SR")]
    place: PathBuf,

    /// Who changes it
    #[arg(long, value_name = "NAME")]
    by: String,

    /// Where they work
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,

    /// Whether that is a person or a program
    #[arg(long = "as", value_enum, default_value_t = Kind::Human)]
    kind: Kind,

    /// A sentence: findings:3=TEXT (changes it), impression:+=TEXT (adds one), findings:2= (takes it out)
    #[arg(long, value_name = "PLACE=TEXT", conflicts_with = "from")]
    set: Vec<Set>,

    /// The whole text, changed, laid out as `foci report show` prints it
    #[arg(long, value_name = "FILE", required_unless_present = "set")]
    from: Option<PathBuf>,
}

impl Amend {
    pub(crate) fn run(self) -> Result<()> {
        let by = By { name: name(&self.by, "--by")?, organization: self.organization, kind: self.kind };
        let chain = Chain::read(&self.place)?;
        let last = chain.last();
        let mut report = last.document.report.clone();
        let author = match by.kind {
            Kind::Human => Author::Person(by.name.clone()),
            Kind::Ai => Author::Algorithm { name: by.name.clone(), version: None, learned: true },
        };
        let changes = match &self.from {
            Some(file) => {
                let text = fs::read_to_string(file).context("the edited text cannot be read")?;
                edit::replace(&mut report, &text, &author, &chain.written_by())?
            }
            None => edit::set(&mut report, &self.set, &author)?,
        };
        ensure!(!changes.is_empty(), "nothing was changed");
        ensure!(
            report.sections.iter().any(|section| section.heading != codes::ADDENDUM),
            "no words are left"
        );

        let changed = Document { report: report.clone(), ..last.document.clone() };
        let overruled = new_faults(chain.report.as_ref(), &last.source, &last.document, &changed);
        if by.kind == Kind::Ai && !overruled.is_empty() {
            let said: Vec<String> = overruled.iter().map(trail::words).collect();
            bail!("a program may not keep words against the check: {}", said.join("; "));
        }
        let created = now();
        let language = language(&last.document, chain.report.as_ref());
        let mut trail = Trail {
            schema_version: SCHEMA_VERSION,
            // Known when the object is made.
            sop_instance_uid: last.document.itself.sop_instance_uid.clone(),
            predecessor_sop_instance_uid: last.document.itself.sop_instance_uid.clone(),
            predecessor_sha256: sha256(&fs::read(&last.file).context("the last version cannot be read")?),
            at: created.to_string(),
            by,
            changes,
            overruled,
        };
        let observer = observer(&trail.by);
        let lines = trail.lines(language, created);
        report.sections.push(Section {
            heading: codes::ADDENDUM,
            observer: Some(observer.clone()),
            sentences: lines.into_iter().map(|text| Sentence { text, ..Sentence::default() }).collect(),
        });
        let standing = Standing {
            predecessor: Some(last.document.itself.clone()),
            authors: authors(&last.document, observer),
            // Whoever signed it has not seen this version.
            verified: Vec::new(),
        };
        let series = NewSeries { number: SERIES, description: "Report, amended".to_owned() };
        let object =
            report.to_object(&origin(&last.source, created, &equipment(VERSION)), &series, &standing);
        trail.sop_instance_uid = object.sop_instance_uid().clone();
        for fault in &trail.overruled {
            eprintln!("warning: {}", trail::words(fault));
        }
        if chain.report.is_none() {
            eprintln!("warning: not checked: there is no findings.json beside the report");
        }
        let file = chain.append(&object, &trail)?;
        writeln!(std::io::stdout().lock(), "{}", file.display())?;
        Ok(())
    }
}

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// From what a version is made: the study, and this program.
pub(super) fn origin<'a>(
    source: &'a Source,
    created: DateTime,
    equipment: &'a dicom_io::object::Equipment,
) -> Origin<'a> {
    Origin { source, equipment, algorithms: &[], created }
}

/// A name as DICOM can hold it.
pub(super) fn name(given: &str, option: &str) -> Result<String> {
    let given = given.trim();
    if given.is_empty() || given.chars().count() > 64 || given.chars().any(|c| c.is_control() || c == '\\') {
        bail!("{option} needs a name of 1 to 64 characters without backslashes");
    }
    Ok(given.to_owned())
}

fn observer(by: &By) -> Observer {
    match by.kind {
        Kind::Human => Observer::Person { name: by.name.clone(), organization: by.organization.clone() },
        Kind::Ai => {
            Observer::Device { uid: Uid::derived(&["amending program", &by.name]), name: by.name.clone() }
        }
    }
}

/// The authors of the version before, and this one.
fn authors(document: &Document, observer: Observer) -> Vec<Observer> {
    let mut authors = document.authors.clone();
    if !authors.contains(&observer) {
        authors.push(observer);
    }
    authors
}

pub(super) fn language(document: &Document, report: Option<&Report>) -> Language {
    match (document.report.language, report) {
        (Some(SrLanguage::Chinese), _) => Language::Chinese,
        (Some(SrLanguage::English), _) => Language::English,
        (None, report) => report.map_or(Language::English, |report| report.narrative.language),
    }
}

/// What the check says of `document`; nothing where the findings are not known.
pub(super) fn faults(report: Option<&Report>, source: &Source, document: &Document) -> Vec<Fault> {
    let Some(report) = report else { return Vec::new() };
    let patient = Patient::default().completed(source);
    let evidence = Evidence::of(&report.facts(), patient, None);
    check(&words::narrative(document, report), &evidence).faults
}

/// What is wrong with `after` and was not with `before`.
fn new_faults(report: Option<&Report>, source: &Source, before: &Document, after: &Document) -> Vec<Fault> {
    let known = faults(report, source, before);
    let same = |a: &Fault, b: &Fault| (a.class, &a.found, &a.expected) == (b.class, &b.found, &b.expected);
    let found = faults(report, source, after).into_iter();
    found.filter(|fault| !known.iter().any(|known| same(fault, known))).collect()
}
