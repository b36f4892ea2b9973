//! Small DICOM files, written by hand so that they can be wrong in any way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dicom::core::Tag;
use dicom::dictionary_std::tags;
use dicom::encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom::transfer_syntax::TransferSyntaxRegistry;
use dicom_io::{Error, Reading, Series, Warning};

pub(crate) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub(crate) const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub(crate) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub(crate) const RLE: &str = "1.2.840.10008.1.2.5";

pub(crate) const ROWS: u16 = 6;
pub(crate) const COLUMNS: u16 = 5;

/// A value as it is before it is written in one byte order or the other.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Bytes(Vec<u8>),
    Words(Vec<u16>),
    /// Fragments, the offset table included.
    Fragments(Vec<Vec<u8>>),
    Items(Vec<Image>),
}

/// A data set and its transfer syntax.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) syntax: &'static str,
    pub(crate) elements: BTreeMap<Tag, ([u8; 2], Value)>,
}

impl Image {
    pub(crate) fn empty() -> Self {
        Self { syntax: EXPLICIT, elements: BTreeMap::new() }
    }

    pub(crate) fn text(mut self, tag: Tag, vr: &[u8; 2], text: &str) -> Self {
        let mut bytes = text.as_bytes().to_vec();
        if bytes.len() % 2 == 1 {
            bytes.push(if vr == b"UI" { 0 } else { b' ' });
        }
        self.elements.insert(tag, (*vr, Value::Bytes(bytes)));
        self
    }

    pub(crate) fn word(mut self, tag: Tag, word: u16) -> Self {
        self.elements.insert(tag, (*b"US", Value::Words(vec![word])));
        self
    }

    pub(crate) fn items(mut self, tag: Tag, items: Vec<Image>) -> Self {
        self.elements.insert(tag, (*b"SQ", Value::Items(items)));
        self
    }

    pub(crate) fn pixels(mut self, words: Vec<u16>) -> Self {
        self.elements.insert(tags::PIXEL_DATA, (*b"OW", Value::Words(words)));
        self
    }

    pub(crate) fn fragments(mut self, fragments: Vec<Vec<u8>>) -> Self {
        self.elements.insert(tags::PIXEL_DATA, (*b"OB", Value::Fragments(fragments)));
        self
    }

    pub(crate) fn without(mut self, tag: Tag) -> Self {
        self.elements.remove(&tag);
        self
    }

    pub(crate) fn syntax(mut self, syntax: &'static str) -> Self {
        self.syntax = syntax;
        self
    }

    /// The file: preamble, file meta information, data set.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let meta = Self::empty().text(tags::TRANSFER_SYNTAX_UID, b"UI", self.syntax);
        let mut bytes = vec![0; 128];
        bytes.extend_from_slice(b"DICM");
        bytes.extend(meta.data_set());
        if self.syntax == DEFLATED {
            let registered = TransferSyntaxRegistry.get(DEFLATED).unwrap();
            let Codec::Dataset(Some(deflate)) = registered.codec() else { panic!("no deflate") };
            let mut packed = Vec::new();
            deflate.adapt_writer(Box::new(&mut packed)).write_all(&self.data_set()).unwrap();
            bytes.extend(packed);
        } else {
            bytes.extend(self.data_set());
        }
        bytes
    }

    pub(crate) fn data_set(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, (vr, value)) in &self.elements {
            self.element(*tag, *vr, value, &mut bytes);
        }
        bytes
    }

    fn u16(&self, value: u16) -> [u8; 2] {
        if self.syntax == BIG_ENDIAN { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn u32(&self, value: u32) -> [u8; 4] {
        if self.syntax == BIG_ENDIAN { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn tag(&self, tag: Tag, bytes: &mut Vec<u8>) {
        bytes.extend(self.u16(tag.group()));
        bytes.extend(self.u16(tag.element()));
    }

    fn element(&self, tag: Tag, vr: [u8; 2], value: &Value, bytes: &mut Vec<u8>) {
        let (value, undefined) = match value {
            Value::Bytes(bytes) => (bytes.clone(), false),
            Value::Words(words) => (words.iter().flat_map(|word| self.u16(*word)).collect(), false),
            Value::Fragments(fragments) => {
                let mut all = Vec::new();
                for fragment in fragments {
                    self.item(fragment, &mut all);
                }
                (all, true)
            }
            Value::Items(items) => {
                let mut all = Vec::new();
                for item in items {
                    self.item(&item.clone().syntax(self.syntax).data_set(), &mut all);
                }
                (all, true)
            }
        };
        self.tag(tag, bytes);
        let length = if undefined { u32::MAX } else { value.len() as u32 };
        if self.syntax == IMPLICIT {
            bytes.extend(self.u32(length));
        } else if [*b"OB", *b"OW", *b"SQ", *b"UN"].contains(&vr) {
            bytes.extend(vr);
            bytes.extend([0, 0]);
            bytes.extend(self.u32(length));
        } else {
            bytes.extend(vr);
            bytes.extend(self.u16(length as u16));
        }
        bytes.extend(value);
        if undefined {
            self.tag(Tag(0xFFFE, 0xE0DD), bytes);
            bytes.extend([0; 4]);
        }
    }

    fn item(&self, value: &[u8], bytes: &mut Vec<u8>) {
        self.tag(Tag(0xFFFE, 0xE000), bytes);
        bytes.extend(self.u32(value.len() as u32));
        bytes.extend(value);
    }
}

/// The stored number of pixel (i, j) of slice k: different in every direction.
pub(crate) fn stored(k: usize, j: usize, i: usize) -> u16 {
    (1000 + 100 * k + 10 * j + i) as u16
}

/// All numbers of slice k.
pub(crate) fn plane(k: usize) -> Vec<u16> {
    (0..usize::from(ROWS)).flat_map(|j| (0..usize::from(COLUMNS)).map(move |i| stored(k, j, i))).collect()
}

/// Slice `k` of an axial CT: 0.7 mm between rows, 0.5 mm between columns, slices 2.5 mm apart from z = -30
/// upwards, HU = stored - 1024.
pub(crate) fn slice(k: usize) -> Image {
    Image::empty()
        .text(tags::SOP_CLASS_UID, b"UI", "1.2.840.10008.5.1.4.1.1.2")
        .text(tags::SOP_INSTANCE_UID, b"UI", &format!("1.2.3.{}", 100 + k))
        .text(tags::IMAGE_TYPE, b"CS", "ORIGINAL\\PRIMARY\\AXIAL")
        .text(tags::MODALITY, b"CS", "CT")
        .text(tags::PATIENT_NAME, b"PN", "Doe^Jane")
        .text(tags::PATIENT_ID, b"LO", "P1")
        .text(tags::STUDY_INSTANCE_UID, b"UI", "1.2.3.1")
        .text(tags::SERIES_INSTANCE_UID, b"UI", "1.2.3.2")
        .text(tags::SERIES_NUMBER, b"IS", "4")
        .text(tags::INSTANCE_NUMBER, b"IS", &format!("{}", 90 - k))
        .text(tags::ACQUISITION_NUMBER, b"IS", "1")
        .text(tags::FRAME_OF_REFERENCE_UID, b"UI", "1.2.3.3")
        .text(tags::IMAGE_POSITION_PATIENT, b"DS", &format!("-100\\-90\\{}", -30.0 + 2.5 * k as f64))
        .text(tags::IMAGE_ORIENTATION_PATIENT, b"DS", "1\\0\\0\\0\\1\\0")
        .text(tags::PIXEL_SPACING, b"DS", "0.7\\0.5")
        .text(tags::SLICE_THICKNESS, b"DS", "9")
        .text(tags::PHOTOMETRIC_INTERPRETATION, b"CS", "MONOCHROME2")
        .text(tags::RESCALE_SLOPE, b"DS", "1")
        .text(tags::RESCALE_INTERCEPT, b"DS", "-1024")
        .word(tags::SAMPLES_PER_PIXEL, 1)
        .word(tags::ROWS, ROWS)
        .word(tags::COLUMNS, COLUMNS)
        .word(tags::BITS_ALLOCATED, 16)
        .word(tags::BITS_STORED, 12)
        .word(tags::HIGH_BIT, 11)
        .word(tags::PIXEL_REPRESENTATION, 0)
        .pixels(plane(k))
}

/// Moves an image to `z` mm.
pub(crate) fn at(image: Image, z: f64) -> Image {
    image.text(tags::IMAGE_POSITION_PATIENT, b"DS", &format!("-100\\-90\\{z}"))
}

/// Slices 0 to `n` - 1.
pub(crate) fn slices(n: usize) -> Vec<Image> {
    (0..n).map(slice).collect()
}

/// Writes `images` into a new folder, under names and in an order that say nothing.
pub(crate) fn write(images: &[Image]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (n, image) in images.iter().enumerate() {
        write_file(folder.path(), n, &image.bytes());
    }
    folder
}

pub(crate) fn write_file(folder: &Path, n: usize, bytes: &[u8]) -> PathBuf {
    let path = folder.join(format!("{}", (n * 7919 + 13) % 1009));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The only series of `folder`.
#[track_caller]
pub(crate) fn only_series(folder: &Path) -> Series {
    let mut scan = dicom_io::scan(&[folder.to_owned()]).unwrap();
    assert_eq!(scan.studies.len(), 1, "{:?}", scan.skipped);
    let mut study = scan.studies.remove(0);
    assert_eq!(study.series.len(), 1);
    study.series.remove(0)
}

/// What `images` make, and that headers alone lead to the same answer where they can.
#[track_caller]
pub(crate) fn read(images: &[Image]) -> Result<Reading, Error> {
    let folder = write(images);
    let series = only_series(folder.path());
    let checked = series.check();
    let reading = series.read();
    match (&checked, &reading) {
        (Ok((geometry, shape, _)), Ok(reading)) => {
            assert_eq!((*geometry, *shape), (reading.volume.geometry, reading.volume.shape()));
        }
        (Err(checked), Err(read)) => assert_eq!(checked.to_string(), read.to_string()),
        (Err(error), Ok(_)) => panic!("read although the headers say {error}"),
        (Ok(_), Err(_)) => {}
    }
    reading
}

/// The message with which `images` are refused.
#[track_caller]
pub(crate) fn refused(images: &[Image]) -> String {
    let error = read(images).map(|reading| reading.warnings).expect_err("read without complaint");
    error.to_string()
}

/// The warnings with which `images` are read.
#[track_caller]
pub(crate) fn warned(images: &[Image]) -> Vec<Warning> {
    read(images).unwrap().warnings
}
