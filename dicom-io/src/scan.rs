//! From files to studies and series, by their headers.
//!
//! File names, folders and DICOMDIR are not asked: files carry what they are. Whether a series is a volume
//! is decided by [`Series::check`], which images are in it by nobody but the sender.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use dicom::dictionary_std::tags;
use rayon::prelude::*;

use crate::attribute::{self, Attribute};
use crate::elements::Broken;
use crate::error::Error;
use crate::header::Header;
use crate::instance::{About, Instance};
use crate::uid::Uid;

/// What lies below some folders.
#[derive(Debug, Default)]
pub struct Scan {
    /// The studies, by UID.
    pub studies: Vec<Study>,
    /// The files that belong to none, by path.
    pub skipped: Vec<Skipped>,
}

/// The series that were found of one study.
#[derive(Debug)]
pub struct Study {
    /// Study Instance UID.
    pub uid: Uid,
    /// By Series Number, then UID.
    pub series: Vec<Series>,
}

/// The instances that were found of one series, and what the first of them says about it.
pub struct Series {
    /// Series Instance UID.
    pub uid: Uid,
    /// Study Instance UID.
    pub study_uid: Uid,
    /// Modality: upper-case letters, digits, blanks and underscores; empty if the header has no such.
    pub modality: String,
    /// Series Number.
    pub number: Option<i32>,
    /// Image Type of the first instance, one entry per value.
    pub image_type: Vec<String>,
    /// Body Part Examined.
    pub body_part: Option<String>,
    /// Convolution Kernel, several values separated by backslashes.
    pub kernel: Option<String>,
    /// Whether a Contrast/Bolus Agent is named.
    pub contrast: bool,
    /// By Instance Number, then UID.
    pub instances: Vec<Instance>,
    description: Option<(Vec<u8>, Option<String>)>,
}

/// Prints what can identify nobody.
impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Series")
            .field("uid", &self.uid)
            .field("modality", &self.modality)
            .field("number", &self.number)
            .field("images", &self.images())
            .finish_non_exhaustive()
    }
}

impl Series {
    /// How many images there are: instances, or frames of them.
    pub fn images(&self) -> usize {
        self.instances.iter().map(Instance::images).sum()
    }

    /// Series Description: free text, in which people write names. For the user's own screen; never log it.
    pub fn description(&self) -> Option<String> {
        let (bytes, charset) = self.description.as_ref()?;
        attribute::decoded(bytes, charset.as_deref())
    }

    /// The value of `attribute` in the first instance, several values separated by backslashes; `None` if
    /// it is not there, is empty, or the file cannot be read any more. May be free text: never log it.
    ///
    /// The file's header is read again.
    pub fn attribute(&self, attribute: &Attribute) -> Option<String> {
        let header = Header::open(self.instances.first()?.path()).ok()?;
        let elements = header.elements();
        let charset = elements.text(tags::SPECIFIC_CHARACTER_SET);
        let (vr, value) = elements.value(attribute.tag)?;
        attribute::text(attribute.tag, vr, value, header.is_big_endian(), charset)
    }
}

/// A file that is part of no study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file. Its name may hold identifying data: for the user's own terminal, not for a log.
    pub path: PathBuf,
    /// Why it is part of none.
    pub reason: SkipReason,
}

/// Why a file is part of no study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SkipReason {
    /// It is no DICOM file.
    NotDicom,
    /// A DICOMDIR: it lists files, which are found without it.
    Index,
    /// It cannot be opened or read, or the folder cannot be listed.
    Unreadable,
    /// It is a DICOM file that ends before it says which series it belongs to.
    Truncated,
    /// It is a DICOM file whose elements make no sense, or whose header is absurdly large.
    Malformed,
    /// It is a DICOM file without a valid study, series, SOP class or SOP instance UID.
    NoUid,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDicom => "not a DICOM file",
            Self::Index => "a DICOMDIR index",
            Self::Unreadable => "unreadable",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::NoUid => "without a study, series, class or instance UID",
        })
    }
}

impl From<Broken> for SkipReason {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Truncated => Self::Truncated,
            Broken::Malformed | Broken::TooLarge => Self::Malformed,
            Broken::Unreadable => Self::Unreadable,
            Broken::NotDicom => Self::NotDicom,
        }
    }
}

/// Reads the headers of all files in `paths` and in the folders below them.
///
/// Files may have any name; those that are no DICOM come back as skipped. A file that is cut off is kept in
/// its series as long as it says which that is, so that the series is refused rather than one slice short.
/// Symbolic links are followed, every folder and file is read once. The result depends on the files only,
/// not on the order in which they are found.
///
/// # Errors
///
/// [`Error::Io`] if one of `paths` itself is not there or cannot be read.
pub fn scan(paths: &[PathBuf]) -> Result<Scan, Error> {
    let mut search = Search::default();
    for path in paths {
        let path = path.canonicalize()?;
        if path.is_dir() {
            std::fs::read_dir(&path)?;
        }
        search.visit(path);
    }
    search.files.sort();
    search.files.dedup();
    let found: Vec<_> = search.files.par_iter().map(|path| (path, read(path))).collect();

    let mut skipped = search.skipped;
    let mut series: BTreeMap<(Uid, Uid), Series> = BTreeMap::new();
    for (path, result) in found {
        match result {
            Ok((instance, about)) => {
                let key = (about.study_uid.clone(), about.series_uid.clone());
                series.entry(key).or_insert_with(|| Series::new(about, &instance)).instances.push(instance);
            }
            Err(reason) => skipped.push(Skipped { path: path.clone(), reason }),
        }
    }
    skipped.sort_by(|a, b| a.path.cmp(&b.path));

    let mut studies: BTreeMap<Uid, Vec<Series>> = BTreeMap::new();
    for ((study, _), mut series) in series {
        series.instances.sort_by(|a, b| {
            (a.number, &a.sop_instance_uid, a.path()).cmp(&(b.number, &b.sop_instance_uid, b.path()))
        });
        studies.entry(study).or_default().push(series);
    }
    let studies = studies.into_iter().map(|(uid, mut series)| {
        series.sort_by(|a, b| (a.number, &a.uid).cmp(&(b.number, &b.uid)));
        Study { uid, series }
    });
    Ok(Scan { studies: studies.collect(), skipped })
}

impl Series {
    fn new(about: About, first: &Instance) -> Self {
        Self {
            uid: about.series_uid,
            study_uid: about.study_uid,
            modality: about.modality,
            number: about.number,
            image_type: first.image_type.clone(),
            body_part: about.body_part,
            kernel: about.kernel,
            contrast: about.contrast,
            instances: Vec::new(),
            description: about.description,
        }
    }
}

/// Reads the header of one file.
fn read(path: &Path) -> Result<(Instance, About), SkipReason> {
    let header = Header::open(path)?;
    // An element that every DICOMDIR has and nothing else may have (PS3.3 F.3.2.2).
    if header
        .elements()
        .bytes(tags::OFFSET_OF_THE_FIRST_DIRECTORY_RECORD_OF_THE_ROOT_DIRECTORY_ENTITY)
        .is_some()
    {
        return Err(SkipReason::Index);
    }
    Instance::of(path, &header).map_err(|broken| broken.map_or(SkipReason::NoUid, SkipReason::from))
}

/// The files below some folders.
#[derive(Default)]
struct Search {
    folders: HashSet<PathBuf>,
    files: Vec<PathBuf>,
    skipped: Vec<Skipped>,
}

impl Search {
    /// Adds `path`, which is canonical, or what lies below it.
    ///
    /// Sockets, pipes and devices are left alone: opening one may wait for ever.
    fn visit(&mut self, path: PathBuf) {
        let mut waiting = vec![path];
        while let Some(path) = waiting.pop() {
            match std::fs::symlink_metadata(&path) {
                Ok(found) if found.is_file() => self.files.push(path),
                Ok(found) if found.is_dir() => {
                    if self.folders.insert(path.clone()) {
                        match std::fs::read_dir(&path) {
                            Ok(entries) => waiting.extend(entries.flatten().map(|entry| entry.path())),
                            Err(_) => self.skipped.push(Skipped { path, reason: SkipReason::Unreadable }),
                        }
                    }
                }
                Ok(found) if found.is_symlink() => match path.canonicalize() {
                    Ok(target) => waiting.push(target),
                    Err(_) => self.skipped.push(Skipped { path, reason: SkipReason::Unreadable }),
                },
                Ok(_) => {}
                Err(_) => self.skipped.push(Skipped { path, reason: SkipReason::Unreadable }),
            }
        }
    }
}
