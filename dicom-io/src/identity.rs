//! Which object bytes are that come over the network, and whether they can be read again.
//!
//! An object is looked at while it passes, in pieces of any size: nothing is kept of it but what is asked
//! for here, nothing is believed that it says of lengths, and at its end it is known whether each element
//! was there to its last byte. What a header means is decided in [`crate::instance`], later, on the file.

use std::io::Read;

use dicom::core::Tag;
use dicom::dictionary_std::tags;
use dicom::encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom::transfer_syntax::TransferSyntaxRegistry;

use crate::elements::{EXPLICIT, Encoding, ITEM, ITEM_END, SEQUENCE_END, Start, Stop, ascii, is_pixels};
use crate::uid::Uid;

/// What an object says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Study Instance UID.
    pub study_uid: Uid,
    /// Series Instance UID.
    pub series_uid: Uid,
    /// SOP Class UID.
    pub sop_class_uid: Uid,
    /// SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// Modality: upper-case letters, digits, blanks and underscores; empty if the header has no such.
    pub modality: String,
    /// Whether it is an image that was acquired: one that an analysis can start from.
    pub is_image: bool,
    /// Number of Study Related Instances (0020,1208), which some senders put into each of them.
    pub study_instances: Option<u32>,
}

/// Why an object is not taken. Holds nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsound {
    /// Some of it was lost on the way, or a length is wrong.
    #[error("it ends within an element")]
    Truncated,
    /// It is written in another transfer syntax than the one it came under, or damaged.
    #[error("its elements make no sense at byte {at}")]
    Malformed {
        /// From the start of the data set.
        at: u64,
    },
    /// A file without preamble and file meta information.
    #[error("it does not begin as a DICOM file")]
    NotDicom,
    /// A UID without which nobody can say what it is.
    #[error("it has no valid {0}")]
    NoUid(&'static str),
    /// It is compressed as a whole, and grows beyond all reason.
    #[error("it inflates to more than {limit_mb} MiB")]
    TooLarge {
        /// The most that is inflated.
        limit_mb: u64,
    },
}

/// Values of wanted elements are shorter than this, padding included.
const LONGEST: usize = 128;

/// Sequences and items of undefined length may be open at the same time, this many of both.
const MAX_OPEN: usize = 64;

/// File meta information may take this many bytes; real ones take about 300.
const MAX_META: usize = 64 << 10;

/// An object that is deflated may grow to this many bytes.
const MAX_INFLATED: u64 = 2 << 30;

/// Deflated Explicit VR Little Endian, the only one that hides the elements.
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

/// A data set that is being looked at while its bytes pass.
#[derive(Debug)]
pub struct Passing {
    encoding: Encoding,
    /// How many bytes have passed.
    at: u64,
    /// How many more belong to a value that nobody asked for.
    skip: u64,
    /// The beginning of an element that has not come whole.
    begun: Vec<u8>,
    /// How many bytes of `begun` are needed to go on.
    needed: usize,
    /// The wanted element whose value is awaited in `begun`.
    wanted: Option<(Wanted, usize)>,
    /// What is open of undefined length, the innermost last.
    open: Vec<Open>,
    values: [Option<Vec<u8>>; Wanted::ALL.len()],
    /// Whether it says how many rows its pixels have, and whether it has any.
    rows: bool,
    pixels: bool,
    broken: Option<Unsound>,
}

/// Something of undefined length, and how what is in it is written.
#[derive(Debug, Clone, Copy)]
enum Open {
    Sequence(Encoding),
    Item(Encoding),
    /// Of encapsulated pixels.
    Fragments,
}

/// The elements that say what an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Class,
    Instance,
    Modality,
    Study,
    Series,
    StudyInstances,
}

impl Wanted {
    const ALL: [(Self, Tag); 6] = [
        (Self::Class, tags::SOP_CLASS_UID),
        (Self::Instance, tags::SOP_INSTANCE_UID),
        (Self::Modality, tags::MODALITY),
        (Self::Study, tags::STUDY_INSTANCE_UID),
        (Self::Series, tags::SERIES_INSTANCE_UID),
        (Self::StudyInstances, tags::NUMBER_OF_STUDY_RELATED_INSTANCES),
    ];

    fn of(tag: Tag) -> Option<Self> {
        Self::ALL.iter().find(|(_, wanted)| *wanted == tag).map(|(wanted, _)| *wanted)
    }
}

/// The shortest element header.
const HEAD: usize = 8;

impl Passing {
    /// Begins with the data set that follows, in the transfer syntax in which it is sent.
    ///
    /// `None` for a deflated one, whose elements cannot be seen as they pass: see [`inflated`].
    pub fn new(transfer_syntax: &Uid) -> Option<Self> {
        (transfer_syntax.as_str() != DEFLATED).then(|| Self::with(Encoding::of(transfer_syntax)))
    }

    fn with(encoding: Encoding) -> Self {
        Self {
            encoding,
            at: 0,
            skip: 0,
            begun: Vec::with_capacity(LONGEST + 12),
            needed: HEAD,
            wanted: None,
            open: Vec::new(),
            values: Default::default(),
            rows: false,
            pixels: false,
            broken: None,
        }
    }

    /// Looks at the next bytes. What is wrong with them is said at the end.
    pub fn pass(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.broken.is_none() {
            let taken = if self.skip > 0 {
                let taken = self.skip.min(bytes.len() as u64);
                self.skip -= taken;
                taken as usize
            } else {
                let taken = (self.needed - self.begun.len()).min(bytes.len());
                self.begun.extend_from_slice(&bytes[..taken]);
                taken
            };
            bytes = &bytes[taken..];
            self.at += taken as u64;
            if self.begun.len() == self.needed
                && let Err(broken) = self.advance()
            {
                self.broken = Some(broken);
            }
        }
    }

    /// Does what can be done now that all the bytes are there that were needed.
    fn advance(&mut self) -> Result<(), Unsound> {
        if let Some((wanted, value)) = self.wanted.take() {
            self.values[wanted as usize].get_or_insert_with(|| self.begun[value..].to_vec());
        } else {
            let malformed = Unsound::Malformed { at: self.at - self.begun.len() as u64 };
            let encoding = match self.open.last() {
                Some(Open::Sequence(encoding) | Open::Item(encoding)) => *encoding,
                Some(Open::Fragments) | None => self.encoding,
            };
            match encoding.start(&self.begun, 0) {
                Err(Stop::Short(needed)) if needed > self.begun.len() => {
                    self.needed = needed;
                    return Ok(());
                }
                Err(_) => return Err(malformed),
                Ok(start) => {
                    if self.enter(start, encoding).ok_or(malformed)? {
                        return Ok(());
                    }
                }
            }
        }
        self.begun.clear();
        self.needed = HEAD;
        Ok(())
    }

    /// Goes into the element that begins with `start`, or over it; whether its value is awaited. `None` if
    /// it has no business where it is.
    fn enter(&mut self, start: Start, encoding: Encoding) -> Option<bool> {
        match (self.open.last(), start.tag) {
            (Some(Open::Sequence(_) | Open::Fragments), SEQUENCE_END) | (Some(Open::Item(_)), ITEM_END) => {
                self.open.pop();
            }
            (Some(Open::Sequence(_) | Open::Fragments), ITEM) => match start.length {
                Some(length) => self.skip = length as u64,
                None => self.open(match self.open.last() {
                    Some(Open::Sequence(encoding)) => Open::Item(*encoding),
                    _ => return None,
                })?,
            },
            (Some(Open::Sequence(_) | Open::Fragments), _) => return None,
            (_, tag) if tag.group() == 0xFFFE => return None,
            // A command or file meta information: a file with it would be read as another one.
            (None, tag) if [0, 2].contains(&tag.group()) || tag.group() == 0x0200 && encoding.big_endian => {
                return None;
            }
            (outer, tag) => {
                let top = outer.is_none();
                self.rows |= top && tag == tags::ROWS;
                self.pixels |= top && is_pixels(tag);
                match start.length {
                    Some(length) => {
                        let wanted = Wanted::of(tag).filter(|_| top && length <= LONGEST && length > 0);
                        if let Some(wanted) = wanted {
                            self.wanted = Some((wanted, start.value));
                            self.needed = start.value + length;
                            return Some(true);
                        }
                        self.skip = length as u64;
                    }
                    None if top && is_pixels(tag) => self.open(Open::Fragments)?,
                    None => self.open(Open::Sequence(encoding.inside(start.vr)))?,
                }
            }
        }
        Some(false)
    }

    fn open(&mut self, what: Open) -> Option<()> {
        self.open.push(what);
        (self.open.len() <= MAX_OPEN).then_some(())
    }

    /// What it was, now that all of it has passed.
    ///
    /// # Errors
    ///
    /// If an element is missing bytes or makes no sense, or if one of the four UIDs is missing.
    pub fn end(self) -> Result<Identity, Unsound> {
        if let Some(broken) = self.broken {
            return Err(broken);
        }
        // Some senders fill up behind the pixels; nobody stumbles over that.
        let padding = self.pixels && self.needed == HEAD && self.begun.iter().all(|byte| *byte == 0);
        let whole = self.skip == 0 && self.open.is_empty() && (self.begun.is_empty() || padding);
        if !whole || self.rows && !self.pixels {
            return Err(Unsound::Truncated);
        }
        let text = |wanted: Wanted| self.values[wanted as usize].as_deref().and_then(ascii);
        let uid =
            |wanted, name| text(wanted).and_then(|text| Uid::parse(text).ok()).ok_or(Unsound::NoUid(name));
        let sop_class_uid = uid(Wanted::Class, "SOP Class UID")?;
        let is_code = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ' || c == '_';
        let modality = text(Wanted::Modality).filter(|text| text.len() <= 16 && text.chars().all(is_code));
        Ok(Identity {
            study_uid: uid(Wanted::Study, "Study Instance UID")?,
            series_uid: uid(Wanted::Series, "Series Instance UID")?,
            sop_instance_uid: uid(Wanted::Instance, "SOP Instance UID")?,
            is_image: self.pixels && is_acquired(&sop_class_uid),
            sop_class_uid,
            modality: modality.unwrap_or_default().to_owned(),
            study_instances: text(Wanted::StudyInstances).and_then(|text| text.parse().ok()),
        })
    }
}

/// Whether objects with pixels of this class come from a scanner: not masks, doses and pictures that were
/// made from other objects, on which no analysis starts.
fn is_acquired(sop_class: &Uid) -> bool {
    const MADE: [&str; 4] = [
        "1.2.840.10008.5.1.4.1.1.7",   // secondary captures, with .1 to .4
        "1.2.840.10008.5.1.4.1.1.66",  // segmentations
        "1.2.840.10008.5.1.4.1.1.30",  // parametric maps
        "1.2.840.10008.5.1.4.1.1.481", // radiotherapy: doses have pixels
    ];
    let below = |class: &&str| {
        sop_class.as_str().strip_prefix(*class).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    !MADE.iter().any(below)
}

/// Which object a deflated data set is, read from its first byte to its last.
///
/// # Errors
///
/// As [`Passing::end`]; [`Unsound::TooLarge`] if it grows beyond 2 GiB.
pub fn inflated(data_set: impl Read) -> Result<Identity, Unsound> {
    let syntax = TransferSyntaxRegistry.get(DEFLATED);
    let Some(Codec::Dataset(Some(deflate))) = syntax.map(|syntax| syntax.codec()) else {
        return Err(Unsound::Malformed { at: 0 });
    };
    let mut reader = deflate.adapt_reader(Box::new(data_set)).take(MAX_INFLATED + 1);
    let mut passing = Passing::with(EXPLICIT);
    let mut piece = vec![0; 64 << 10];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => passing.pass(&piece[..read]),
            Err(_) => return Err(Unsound::Truncated),
        }
    }
    if passing.at > MAX_INFLATED {
        return Err(Unsound::TooLarge { limit_mb: MAX_INFLATED >> 20 });
    }
    passing.end()
}

/// The beginning of a DICOM file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHead {
    /// Media Storage SOP Class UID.
    pub sop_class_uid: Uid,
    /// Media Storage SOP Instance UID.
    pub sop_instance_uid: Uid,
    /// How the data set is written.
    pub transfer_syntax: Uid,
    /// Where the data set begins.
    pub data_set: usize,
}

/// Where the data set of the file begins whose first bytes are `bytes`; `None` if more are needed.
///
/// # Errors
///
/// [`Unsound::NotDicom`] without preamble or without file meta information (PS3.10 7.1).
pub fn file_head(bytes: &[u8]) -> Result<Option<FileHead>, Unsound> {
    let magic = bytes.get(128..132);
    if magic.is_some_and(|magic| magic != b"DICM") {
        return Err(Unsound::NotDicom);
    }
    if magic.is_none() {
        return Ok(None);
    }
    let mut at = 132;
    let names = [
        (tags::MEDIA_STORAGE_SOP_CLASS_UID, "Media Storage SOP Class UID"),
        (tags::MEDIA_STORAGE_SOP_INSTANCE_UID, "Media Storage SOP Instance UID"),
        (tags::TRANSFER_SYNTAX_UID, "Transfer Syntax UID"),
    ];
    let mut found = [const { None }; 3];
    loop {
        let start = match EXPLICIT.start(bytes, at) {
            Ok(start) => start,
            Err(Stop::Short(_)) => return Ok(None),
            Err(Stop::Broken(_)) => return Err(Unsound::NotDicom),
        };
        if start.tag.group() != 2 {
            let [class, instance, syntax] = std::array::from_fn(|i| found[i].take().ok_or(names[i].1));
            let missing = Unsound::NoUid;
            return Ok(Some(FileHead {
                sop_class_uid: class.map_err(missing)?,
                sop_instance_uid: instance.map_err(missing)?,
                transfer_syntax: syntax.map_err(missing)?,
                data_set: at,
            }));
        }
        let end = start.length.filter(|length| *length <= MAX_META).map(|length| start.value + length);
        let end = end.filter(|end| *end <= MAX_META).ok_or(Unsound::NotDicom)?;
        let Some(value) = bytes.get(start.value..end) else { return Ok(None) };
        if let Some(known) = names.iter().position(|(tag, _)| *tag == start.tag) {
            found[known] = ascii(value).and_then(|text| Uid::parse(text).ok());
        }
        at = end;
    }
}

/// Preamble and file meta information for a data set that came over the network: who sent it is left out.
///
/// Source: DICOM PS3.10 7.1.
pub fn file_meta(sop_class_uid: &Uid, sop_instance_uid: &Uid, transfer_syntax: &Uid) -> Vec<u8> {
    let mut group = Vec::with_capacity(300);
    let mut put = |element: u16, vr: &[u8; 2], value: &[u8], padding: u8| {
        group.extend_from_slice(&[2, 0]);
        group.extend_from_slice(&element.to_le_bytes());
        group.extend_from_slice(vr);
        // A value is a UID or a name of ours: 64 bytes at most.
        let even = value.len().next_multiple_of(2);
        if vr == b"OB" {
            group.extend_from_slice(&[0, 0]);
            group.extend_from_slice(&(even as u32).to_le_bytes());
        } else {
            group.extend_from_slice(&(even as u16).to_le_bytes());
        }
        group.extend_from_slice(value);
        group.extend(std::iter::repeat_n(padding, even - value.len()));
    };
    put(0x0001, b"OB", &[0, 1], 0);
    put(0x0002, b"UI", sop_class_uid.as_str().as_bytes(), 0);
    put(0x0003, b"UI", sop_instance_uid.as_str().as_bytes(), 0);
    put(0x0010, b"UI", transfer_syntax.as_str().as_bytes(), 0);
    put(0x0012, b"UI", crate::object::implementation().as_str().as_bytes(), 0);
    put(0x0013, b"SH", crate::object::IMPLEMENTATION.as_bytes(), b' ');
    let mut file = vec![0; 128];
    file.extend_from_slice(b"DICM\x02\x00\x00\x00UL\x04\x00");
    file.extend_from_slice(&(group.len() as u32).to_le_bytes());
    file.extend(group);
    file
}

#[cfg(test)]
mod tests {
    use dicom::core::value::{DataSetSequence, PixelFragmentSequence};
    use dicom::core::{DataElement, PrimitiveValue, VR};
    use dicom::object::{FileMetaTableBuilder, InMemDicomObject};
    use proptest::prelude::*;

    use super::*;

    const SYNTAXES: [&str; 4] =
        ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"];
    const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

    /// An image whose sequences name other studies and instances.
    fn image(class: &str) -> InMemDicomObject {
        let mut other = InMemDicomObject::new_empty();
        other.put_str(tags::STUDY_INSTANCE_UID, VR::UI, "1.9.9");
        other.put_str(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, "1.9.8");
        let mut object = InMemDicomObject::new_empty();
        object.put_str(tags::SOP_CLASS_UID, VR::UI, class);
        object.put_str(tags::SOP_INSTANCE_UID, VR::UI, "1.2.3");
        object.put_str(tags::MODALITY, VR::CS, "CT");
        let others = DataSetSequence::from(vec![other.clone(), other]);
        object.put(DataElement::new(tags::REFERENCED_STUDY_SEQUENCE, VR::SQ, others));
        object.put_str(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.1");
        object.put_str(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.2");
        object.put_str(tags::NUMBER_OF_STUDY_RELATED_INSTANCES, VR::IS, "300");
        object.put(DataElement::new(tags::ROWS, VR::US, PrimitiveValue::from(4u16)));
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(vec![7; 24].into())));
        object
    }

    fn written(object: &InMemDicomObject, syntax: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        object.write_dataset_with_ts(&mut bytes, TransferSyntaxRegistry.get(syntax).unwrap()).unwrap();
        bytes
    }

    /// What `bytes` are, passed in pieces of `step` bytes.
    fn identify(bytes: &[u8], syntax: &str, step: usize) -> Result<Identity, Unsound> {
        match Passing::new(&Uid::parse(syntax).unwrap()) {
            None => inflated(bytes),
            Some(mut passing) => {
                bytes.chunks(step).for_each(|piece| passing.pass(piece));
                passing.end()
            }
        }
    }

    #[test]
    fn an_image_is_known_in_every_syntax_and_however_it_is_cut() {
        for syntax in SYNTAXES {
            let bytes = written(&image(CT), syntax);
            for step in [1, 7, 8, 131, 1 << 20] {
                let found = identify(&bytes, syntax, step).unwrap();
                let uids =
                    [&found.study_uid, &found.series_uid, &found.sop_class_uid, &found.sop_instance_uid];
                assert_eq!(uids.map(Uid::as_str), ["1.2.1", "1.2.2", CT, "1.2.3"], "{syntax} by {step}");
                assert_eq!((found.modality.as_str(), found.is_image), ("CT", true));
                assert_eq!(found.study_instances, Some(300));
            }
        }
    }

    #[test]
    fn a_missing_byte_is_found_wherever_it_is_missing() {
        for syntax in SYNTAXES {
            // Cut behind its last UID or what is optional, nothing says that there was more.
            let mut head = image(CT);
            let whole = [tags::PIXEL_DATA, tags::ROWS, tags::NUMBER_OF_STUDY_RELATED_INSTANCES].map(|tag| {
                head.remove_element(tag);
                written(&head, syntax).len()
            });
            let bytes = written(&image(CT), syntax);
            for length in (0..bytes.len()).filter(|length| !whole[1..].contains(length)) {
                assert!(identify(&bytes[..length], syntax, 1 << 20).is_err(), "{syntax}, {length} bytes");
            }
        }
    }

    #[test]
    fn encapsulated_pixels_are_followed_to_their_delimiter() {
        let mut object = image(CT);
        let fragments = PixelFragmentSequence::new(vec![0], vec![vec![1u8; 30], vec![2; 4]]);
        object.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
        let bytes = written(&object, "1.2.840.10008.1.2.1");
        assert!(identify(&bytes, "1.2.840.10008.1.2.4.70", 5).unwrap().is_image);
        assert_eq!(identify(&bytes[..bytes.len() - 8], "1.2.840.10008.1.2.4.70", 5), Err(Unsound::Truncated));
    }

    #[test]
    fn masks_doses_and_pictures_of_pictures_start_nothing() {
        let is_image = |class: &str| {
            let bytes = written(&image(class), "1.2.840.10008.1.2.1");
            identify(&bytes, "1.2.840.10008.1.2.1", 64).unwrap().is_image
        };
        for made in ["7", "7.4", "66.4", "30", "481.2"] {
            assert!(!is_image(&format!("1.2.840.10008.5.1.4.1.1.{made}")), "{made}");
        }
        for acquired in ["2", "2.1", "4", "128", "20", "77.1.6"] {
            assert!(is_image(&format!("1.2.840.10008.5.1.4.1.1.{acquired}")), "{acquired}");
        }
        let mut report = image("1.2.840.10008.5.1.4.1.1.88.34");
        report.remove_element(tags::ROWS);
        report.remove_element(tags::PIXEL_DATA);
        let bytes = written(&report, "1.2.840.10008.1.2.1");
        assert!(!identify(&bytes, "1.2.840.10008.1.2.1", 64).unwrap().is_image);
    }

    #[test]
    fn an_object_without_one_of_its_uids_is_refused_by_the_name_of_it() {
        for (tag, name) in [
            (tags::SOP_CLASS_UID, "SOP Class UID"),
            (tags::SOP_INSTANCE_UID, "SOP Instance UID"),
            (tags::STUDY_INSTANCE_UID, "Study Instance UID"),
            (tags::SERIES_INSTANCE_UID, "Series Instance UID"),
        ] {
            let mut object = image(CT);
            object.remove_element(tag);
            let bytes = written(&object, "1.2.840.10008.1.2");
            assert_eq!(identify(&bytes, "1.2.840.10008.1.2", 64), Err(Unsound::NoUid(name)));
        }
    }

    #[test]
    fn file_meta_information_cannot_be_smuggled_into_a_data_set() {
        // Where a reader of the file would take its transfer syntax from.
        let mut bytes = b"\x02\x00\x10\x00UI\x12\x001.2.840.10008.1.2\0".to_vec();
        bytes.extend(written(&image(CT), "1.2.840.10008.1.2.1"));
        assert_eq!(identify(&bytes, "1.2.840.10008.1.2.1", 64), Err(Unsound::Malformed { at: 0 }));
    }

    #[test]
    fn a_file_made_here_is_one_that_others_and_we_can_read() {
        let [class, instance] = [CT, "1.2.3"].map(|uid| Uid::parse(uid).unwrap());
        for syntax in SYNTAXES {
            let syntax = Uid::parse(syntax).unwrap();
            let meta = file_meta(&class, &instance, &syntax);
            let bytes = written(&image(CT), syntax.as_str());
            let file = [meta.as_slice(), &bytes].concat();
            let head = FileHead {
                sop_class_uid: class.clone(),
                sop_instance_uid: instance.clone(),
                transfer_syntax: syntax,
                data_set: meta.len(),
            };
            assert_eq!(file_head(&file), Ok(Some(head)));
            assert_eq!(file_head(&file[..meta.len() - 1]), Ok(None));
            let object = dicom::object::from_reader(file.as_slice()).unwrap();
            assert_eq!(object.meta().media_storage_sop_instance_uid(), "1.2.3");
            assert_eq!(object.meta().source_application_entity_title, None);
        }
    }

    #[test]
    fn a_file_of_another_program_is_cut_where_its_data_set_begins() {
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax("1.2.840.10008.1.2")
            .media_storage_sop_class_uid(CT)
            .media_storage_sop_instance_uid("1.2.3")
            .source_application_entity_title("SOMEBODY");
        let mut file = Vec::new();
        image(CT).with_meta(meta).unwrap().write_all(&mut file).unwrap();
        let head = file_head(&file).unwrap().unwrap();
        assert_eq!(file[head.data_set..], written(&image(CT), "1.2.840.10008.1.2"));
        assert_eq!(file_head(&file[4..]), Err(Unsound::NotDicom));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn no_bytes_make_it_panic_or_reserve(
            at in 0usize..500,
            with in proptest::collection::vec(any::<u8>(), 1..16),
            syntax in 0usize..SYNTAXES.len(),
            step in 1usize..40,
        ) {
            let mut bytes = written(&image(CT), SYNTAXES[syntax]);
            let at = at % bytes.len();
            let end = (at + with.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&with[..end - at]);
            let whole = identify(&bytes, SYNTAXES[syntax], bytes.len());
            prop_assert_eq!(identify(&bytes, SYNTAXES[syntax], step), whole);
            let _ = file_head(&bytes);
            let _ = identify(&with, SYNTAXES[syntax], step);
        }
    }
}
