//! What every result object has in common: patient, study, equipment, and how a file comes to be.
//!
//! The objects themselves are [`sr`](crate::sr), [`seg`](crate::seg), [`sc`](crate::sc) and
//! [`pdf`](crate::pdf). What shows voxels is made from one [`Context`], what only speaks of a study from an
//! [`Origin`]. UIDs are derived from these, so the same input gives the same objects, byte for byte but for
//! the time at which they were made.

use std::fmt;
use std::io::{BufWriter, Write};
use std::path::Path;

use dicom::core::VR;
use dicom::dictionary_std::{tags, uids};
use dicom::object::{FileDicomObject, FileMetaTableBuilder, InMemDicomObject};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::read::SliceRef;
use crate::source::Source;
use crate::sr::codes::template;
use crate::{Geometry, Uid};

mod copied;
pub(crate) mod dataset;

pub(crate) use copied::text;
pub(crate) use dataset::Dataset;

/// A date and a time of day, in the local time of the place that analysed. This crate reads no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DateTime {
    /// The year, such as 2026.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
}

impl DateTime {
    fn date(self) -> String {
        format!("{:04}{:02}{:02}", self.year, self.month, self.day)
    }

    fn time(self) -> String {
        format!("{:02}{:02}{:02}", self.hour, self.minute, self.second)
    }

    /// As one value, `YYYYMMDDHHMMSS`.
    pub(crate) fn value(self) -> String {
        self.date() + &self.time()
    }

    /// The date and time at the beginning of `text`, `YYYYMMDDHHMMSS`; minutes and seconds may be missing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u16>().ok();
        let short = |from: usize, most: u16| {
            number(from, from + 2).filter(|value| *value <= most).and_then(|value| u8::try_from(value).ok())
        };
        Some(Self {
            year: number(0, 4)?,
            month: short(4, 12)?,
            day: short(6, 31)?,
            hour: short(8, 23)?,
            minute: short(10, 59).unwrap_or_default(),
            second: short(12, 60).unwrap_or_default(),
        })
    }
}

/// `2026-11-22 10:15:00`
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second } = self;
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// The program that wrote an object.
#[derive(Debug, Clone)]
pub struct Equipment {
    /// Manufacturer.
    pub manufacturer: String,
    /// Manufacturer's Model Name.
    pub model_name: String,
    /// Device Serial Number: which installation. Not empty, a segmentation needs one.
    pub serial_number: String,
    /// Software Versions.
    pub software_version: String,
}

/// One network or method that findings come from.
///
/// Each becomes an item of Contributing Equipment, a device observer, and the algorithm identification
/// of the groups it is named in, with equal values, as IHE AIR 6.5.3.1 asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Algorithm {
    /// Algorithm Name, and the Model Name of the device that it is.
    pub name: String,
    /// Algorithm Version, and its Software Versions.
    pub version: String,
    /// Who made it.
    pub manufacturer: String,
    /// Device UID: another one whenever the model changes, so derive it from the hash of the weights.
    pub device_uid: Uid,
    /// Whatever else decides its results, such as `model_sha256=...` and `threshold=0.5`.
    pub parameters: Vec<String>,
}

/// The series that a new object goes into. Its UID is derived.
#[derive(Debug, Clone)]
pub struct NewSeries {
    /// Series Number.
    pub number: u32,
    /// Series Description, at most 64 characters.
    pub description: String,
}

/// What all objects of one analysis share.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Patient and study.
    pub source: &'a Source,
    /// Where the voxels of the source series lie.
    pub geometry: &'a Geometry,
    /// How many slices, rows and columns the source series has.
    pub shape: [usize; 3],
    /// The slices that were read, in the order of k: one for each.
    pub slices: &'a [SliceRef],
    /// The program that writes.
    pub equipment: &'a Equipment,
    /// What found the findings; at least one.
    pub algorithms: &'a [Algorithm],
    /// When the analysis was made.
    pub created: DateTime,
}

/// What a document about a study is made from where no voxels are at hand: the study and who writes.
///
/// Words, signatures and printouts are made from it, from a fresh analysis ([`Context::origin`]) as well as
/// from a report that lay in an archive ([`Source::of_report`]).
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Patient and study.
    pub source: &'a Source,
    /// The program that writes.
    pub equipment: &'a Equipment,
    /// What the content comes from; may be empty.
    pub algorithms: &'a [Algorithm],
    /// When it is written.
    pub created: DateTime,
}

impl Origin<'_> {
    /// The device that observed: the only algorithm, or the program that ran several or none.
    ///
    /// One report has one observer: validators refuse two devices, though TID 1001 allows them.
    pub(crate) fn observer(&self) -> Algorithm {
        match self.algorithms {
            [algorithm] => algorithm.clone(),
            algorithms => {
                let mut parts = vec!["device", &self.equipment.model_name, &self.equipment.software_version];
                parts.extend(algorithms.iter().map(|algorithm| algorithm.device_uid.as_str()));
                Algorithm {
                    name: self.equipment.model_name.clone(),
                    version: self.equipment.software_version.clone(),
                    manufacturer: self.equipment.manufacturer.clone(),
                    device_uid: Uid::derived(&parts),
                    parameters: Vec::new(),
                }
            }
        }
    }

    /// The attributes that every object starts with, but for its own UID and its dates.
    pub(crate) fn header(&self, kind: &Kind, series: &NewSeries, series_uid: &Uid) -> Dataset {
        let equipment = self.equipment;
        let observer = self.observer();
        let more = (self.algorithms.len() != 1).then_some(&observer);
        copied::patient_and_study(self.source.object())
            .text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192")
            .text(tags::SOP_CLASS_UID, VR::UI, kind.sop_class)
            .uid(tags::STUDY_INSTANCE_UID, self.source.study_uid())
            .uid(tags::SERIES_INSTANCE_UID, series_uid)
            .text(tags::MODALITY, VR::CS, kind.modality)
            .integer(tags::SERIES_NUMBER, series.number)
            .text(tags::SERIES_DESCRIPTION, VR::LO, &series.description)
            .text(tags::MANUFACTURER, VR::LO, &equipment.manufacturer)
            .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, &equipment.model_name)
            .text(tags::DEVICE_SERIAL_NUMBER, VR::LO, &equipment.serial_number)
            .text(tags::SOFTWARE_VERSIONS, VR::LO, &equipment.software_version)
            .items(
                tags::CONTRIBUTING_EQUIPMENT_SEQUENCE,
                self.algorithms.iter().chain(more).map(|algorithm| {
                    Dataset::new()
                        .code(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &template::PROCESSING_EQUIPMENT)
                        .text(tags::MANUFACTURER, VR::LO, &algorithm.manufacturer)
                        .text(tags::MANUFACTURER_MODEL_NAME, VR::LO, &algorithm.name)
                        .text(tags::SOFTWARE_VERSIONS, VR::LO, &algorithm.version)
                        .uid(tags::DEVICE_UID, &algorithm.device_uid)
                }),
            )
    }

    /// Completes a document whose content is `content`, in a series of its own.
    ///
    /// Both UIDs depend on study, program and content. What somebody does to a document happens once: with
    /// `once` they depend on the time as well.
    pub(crate) fn document(
        &self,
        kind: &Kind,
        series: &NewSeries,
        content: Dataset,
        once: bool,
    ) -> ResultObject {
        let time = if once { self.created.value() } else { String::new() };
        let content = content.text(tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192");
        let hash = digest(content.object());
        let uid = |what: &str| {
            let equipment = &self.equipment.software_version;
            let number = series.number.to_string();
            let study = self.source.study_uid().as_str();
            Uid::derived(&["document", what, study, equipment, kind.sop_class, &number, &hash, &time])
        };
        let dataset = self.header(kind, series, &uid("series")).with(content);
        ResultObject::dated(dataset, &uid("object"), self.created)
    }
}

impl<'a> Context<'a> {
    /// Study, program and algorithms without the voxels.
    pub fn origin(&self) -> Origin<'a> {
        let Self { source, equipment, algorithms, created, .. } = *self;
        Origin { source, equipment, algorithms, created }
    }

    /// The UID of the thing called `kind` that this analysis makes.
    ///
    /// It depends on study, series, slices, program, algorithms and their parameters, that is on all
    /// that decides the result; not on the time. An object's own UID depends on its content as well.
    pub fn uid(&self, kind: &[&str]) -> Uid {
        let equipment = self.equipment;
        let mut parts = vec![
            self.source.study_uid().as_str(),
            self.source.series_uid().as_str(),
            &equipment.manufacturer,
            &equipment.model_name,
            &equipment.software_version,
        ];
        parts.extend(self.slices.iter().map(|slice| slice.sop_instance_uid.as_str()));
        for algorithm in self.algorithms {
            parts.extend([algorithm.device_uid.as_str(), &algorithm.version]);
            parts.extend(algorithm.parameters.iter().map(String::as_str));
        }
        parts.extend(kind);
        Uid::derived(&parts)
    }

    /// The frame of reference of the source, or one that belongs to its series.
    ///
    /// A CT without one is invalid but occurs, and a segmentation needs one.
    pub(crate) fn frame_of_reference(&self) -> Uid {
        let derived = || Uid::derived(&["frame of reference", self.source.series_uid().as_str()]);
        self.source.frame_of_reference_uid().unwrap_or_else(derived)
    }

    /// The attributes that every object starts with, but for its own UID and its dates.
    pub(crate) fn header(&self, kind: &Kind, series: &NewSeries) -> Dataset {
        let series_uid = self.uid(&["series", kind.modality, &series.number.to_string()]);
        self.origin().header(kind, series, &series_uid)
    }

    /// Whether the source was compressed with loss, in the words of the attribute; what is made from it
    /// says so too.
    pub(crate) fn lossy(&self) -> Dataset {
        let source = self.source.object();
        let lossy = text(source, tags::LOSSY_IMAGE_COMPRESSION) == "01";
        let mut to =
            Dataset::new().text(tags::LOSSY_IMAGE_COMPRESSION, VR::CS, if lossy { "01" } else { "00" });
        for tag in [tags::LOSSY_IMAGE_COMPRESSION_RATIO, tags::LOSSY_IMAGE_COMPRESSION_METHOD] {
            if let Some(element) = source.get(tag).filter(|_| lossy) {
                to = to.element(element.clone());
            }
        }
        to
    }
}

/// What kind of object a header is for.
pub(crate) struct Kind {
    pub(crate) sop_class: &'static str,
    pub(crate) modality: &'static str,
}

/// A DICOM object made here, complete and ready to be written or sent.
#[derive(Clone)]
pub struct ResultObject {
    object: FileDicomObject<InMemDicomObject>,
    sop_class_uid: Uid,
    sop_instance_uid: Uid,
    series_uid: Uid,
}

/// Prints the UIDs and nothing about the patient.
impl fmt::Debug for ResultObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResultObject")
            .field("sop_class_uid", &self.sop_class_uid)
            .field("sop_instance_uid", &self.sop_instance_uid)
            .field("series_uid", &self.series_uid)
            .finish_non_exhaustive()
    }
}

/// The SHA-256 of a data set, in hexadecimal.
fn digest(object: &InMemDicomObject) -> String {
    let explicit = dicom::transfer_syntax::entries::EXPLICIT_VR_LITTLE_ENDIAN.erased();
    let mut hash = Sha256::new();
    object
        .write_dataset_with_ts(&mut hash, &explicit)
        .expect("hashing does not fail, and all text is Unicode");
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Implementation Version Name.
pub(crate) const IMPLEMENTATION: &str = concat!("FOCI_", env!("CARGO_PKG_VERSION"));

/// Implementation Class UID of Foci: derived, the same for all versions.
pub(crate) fn implementation() -> Uid {
    Uid::derived(&["implementation class"])
}

impl ResultObject {
    /// Gives a complete data set its UID and its dates.
    ///
    /// The UID depends on `context` and on everything in the data set but the dates: what says
    /// something else is another object, even if both come from the same input.
    pub(crate) fn new(dataset: Dataset, context: &Context) -> Self {
        let kind = text(dataset.object(), tags::SOP_CLASS_UID);
        let sop_instance_uid = context.uid(&["object", &kind, &digest(dataset.object())]);
        Self::dated(dataset, &sop_instance_uid, context.created)
    }

    /// Gives a complete data set this UID and this date.
    fn dated(dataset: Dataset, sop_instance_uid: &Uid, created: DateTime) -> Self {
        let (date, time) = (created.date(), created.time());
        let dataset = dataset
            .uid(tags::SOP_INSTANCE_UID, sop_instance_uid)
            .text(tags::SERIES_DATE, VR::DA, &date)
            .text(tags::SERIES_TIME, VR::TM, &time)
            .text(tags::CONTENT_DATE, VR::DA, &date)
            .text(tags::CONTENT_TIME, VR::TM, &time);
        Self::complete(dataset)
    }

    /// Wraps a data set that has its UIDs and dates.
    pub(crate) fn complete(dataset: Dataset) -> Self {
        let object = dataset.finish();
        let uid = |tag| Uid::parse(&text(&object, tag)).expect("the header wrote a UID");
        let [sop_class_uid, sop_instance_uid, series_uid] =
            [tags::SOP_CLASS_UID, tags::SOP_INSTANCE_UID, tags::SERIES_INSTANCE_UID].map(uid);
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(sop_class_uid.as_str())
            .media_storage_sop_instance_uid(sop_instance_uid.as_str())
            .implementation_class_uid(implementation().as_str())
            .implementation_version_name(IMPLEMENTATION)
            .build()
            .expect("the transfer syntax is given");
        Self { object: object.with_exact_meta(meta), sop_class_uid, sop_instance_uid, series_uid }
    }

    /// SOP Class UID.
    pub fn sop_class_uid(&self) -> &Uid {
        &self.sop_class_uid
    }

    /// SOP Instance UID.
    pub fn sop_instance_uid(&self) -> &Uid {
        &self.sop_instance_uid
    }

    /// Series Instance UID.
    pub fn series_uid(&self) -> &Uid {
        &self.series_uid
    }

    /// The object, for what reads its attributes or sends it. Explicit VR little endian.
    pub fn object(&self) -> &FileDicomObject<InMemDicomObject> {
        &self.object
    }

    /// Writes the object as a DICOM file.
    ///
    /// The file appears under `path` whole or not at all: it is written beside it under a temporary
    /// name first, and replaces what was there.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the folder does not exist, is full or may not be written to.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let part = path.with_file_name(name);
        let written = self.write_to(&part).and_then(|()| std::fs::rename(&part, path));
        if written.is_err() {
            // What could not be finished must not stay; that this may fail too changes nothing.
            let _ = std::fs::remove_file(&part);
        }
        written.map_err(Error::Write)
    }

    fn write_to(&self, path: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::new(std::fs::File::create(path)?);
        self.object.write_all(&mut file).map_err(cause)?;
        file.flush()
    }
}

/// The I/O error within an error of dicom-rs.
///
/// It names the reason (no space left) and no path.
fn cause(error: dicom::object::WriteError) -> std::io::Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>() {
            return std::io::Error::new(io.kind(), io.to_string());
        }
        source = inner.source();
    }
    std::io::Error::other(error.to_string())
}
