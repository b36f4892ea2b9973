//! A DICOM file, opened as far as its pixels.
//!
//! Here it is found out where the data set begins, how it is written and how much of the file that takes;
//! walking through it is the business of [`crate::elements`].

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use dicom::core::Tag;
use dicom::dictionary_std::tags;
use dicom::encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom::transfer_syntax::TransferSyntaxRegistry;

use crate::elements::{Broken, EXPLICIT, Elements, Encoding, IMPLICIT, IMPLICIT_UID, Stop, ascii};
use crate::uid::Uid;

/// All that comes before the pixels may take this many bytes. The largest real headers, those of
/// enhanced multi-frame images, take about 2 kB per frame.
const MAX_HEADER: usize = 64 << 20;

/// A deflated file may grow to this many bytes: 500 frames of 512 x 512.
const MAX_INFLATED: u64 = 256 << 20;

/// How many bytes are read at first: the header of nearly every CT slice.
const FIRST_READ: usize = 8 << 10;

/// Where the pixels of a file lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pixels {
    /// Pixel Data, or one of the two floating point kinds.
    pub(crate) tag: Tag,
    /// OB, OW or, in implicit syntaxes, blank.
    pub(crate) vr: [u8; 2],
    /// Where the value begins, from the start of the file (of the inflated data set, if deflated).
    pub(crate) at: u64,
    /// Bytes declared; `None` for encapsulated data.
    pub(crate) length: Option<u64>,
    /// Bytes from `at` to the end of the file.
    pub(crate) present: u64,
}

/// A file, opened and read as far as its pixels.
#[derive(Debug)]
pub(crate) struct Header {
    file: File,
    bytes: Vec<u8>,
    total: u64,
    inflated: bool,
    data_set: usize,
    encoding: Encoding,
    /// The Transfer Syntax UID; what the data set looks like where the file does not say.
    pub(crate) transfer_syntax: Uid,
    /// Why the header ends early, if it does; what was found up to there can be asked for.
    pub(crate) broken: Option<Broken>,
    /// The pixels, if the data set has any.
    pub(crate) pixels: Option<Pixels>,
}

impl Header {
    /// Opens the file at `path` and reads its header.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no DICOM file, or ends within its first group.
    pub(crate) fn open(path: &Path) -> Result<Self, Broken> {
        let file = File::open(path).map_err(|_| Broken::Unreadable)?;
        let total = file.metadata().map_err(|_| Broken::Unreadable)?.len();
        let mut header = Self {
            file,
            bytes: Vec::new(),
            total,
            inflated: false,
            data_set: 0,
            encoding: EXPLICIT,
            transfer_syntax: of_the_standard(IMPLICIT_UID),
            broken: None,
            pixels: None,
        };
        header.fill(FIRST_READ)?;
        header.find_data_set()?;
        loop {
            let mut elements = Elements::none(header.encoding);
            let total = usize::try_from(header.total).unwrap_or(usize::MAX);
            match elements.extend(&header.bytes, header.data_set, total) {
                Ok(pixels) => {
                    header.pixels = pixels.map(|start| Pixels {
                        tag: start.tag,
                        vr: start.vr,
                        at: start.value as u64,
                        length: start.length.map(|l| l as u64),
                        present: header.total.saturating_sub(start.value as u64),
                    });
                    return Ok(header);
                }
                Err(Stop::Broken(broken)) => {
                    header.broken = Some(broken);
                    return Ok(header);
                }
                Err(Stop::Short(wanted)) => {
                    let before = header.bytes.len();
                    if before >= MAX_HEADER {
                        header.broken = Some(Broken::TooLarge);
                        return Ok(header);
                    }
                    header.fill(wanted.max(2 * before).min(MAX_HEADER))?;
                    if header.bytes.len() == before {
                        header.broken = Some(Broken::Truncated);
                        return Ok(header);
                    }
                }
            }
        }
    }

    /// The elements before the pixels.
    pub(crate) fn elements(&self) -> Elements<'_> {
        let mut elements = Elements::none(self.encoding);
        // Where the walk stops was noted in `broken` and `pixels` when the file was opened.
        let _ = elements.extend(&self.bytes, self.data_set, self.bytes.len());
        elements
    }

    /// Whether numbers have their high byte first.
    pub(crate) fn is_big_endian(&self) -> bool {
        self.encoding.big_endian
    }

    /// Fills `into` with the bytes from `at` on.
    pub(crate) fn read_at(&mut self, at: u64, into: &mut [u8]) -> Result<(), Broken> {
        if let Some(bytes) = usize::try_from(at).ok().and_then(|at| self.bytes.get(at..)?.get(..into.len())) {
            into.copy_from_slice(bytes);
            return Ok(());
        }
        if self.inflated {
            return Err(Broken::Truncated);
        }
        self.file.seek(SeekFrom::Start(at)).map_err(|_| Broken::Unreadable)?;
        self.file.read_exact(into).map_err(|_| Broken::Truncated)
    }

    /// Reads on until `wanted` bytes or the whole file are at hand.
    fn fill(&mut self, wanted: usize) -> Result<(), Broken> {
        if self.inflated {
            return Ok(());
        }
        let missing = wanted.saturating_sub(self.bytes.len()) as u64;
        let read = (&mut self.file).take(missing).read_to_end(&mut self.bytes);
        read.map(|_| ()).map_err(|_| Broken::Unreadable)
    }

    /// Finds where the data set starts and how it is written.
    ///
    /// A file without preamble or without file meta information is taken if its first element is one
    /// that a data set starts with: old archives hold such files.
    fn find_data_set(&mut self) -> Result<(), Broken> {
        let meta = if self.bytes.get(128..132) == Some(b"DICM") { 132 } else { 0 };
        let mut at = meta;
        let mut syntax = None;
        loop {
            let start = match EXPLICIT.start(&self.bytes, at) {
                Ok(start) if start.tag.group() == 2 => start,
                Ok(_) => break,
                Err(_) if meta == 0 => return Err(Broken::NotDicom),
                Err(_) if self.bytes.len() as u64 >= self.total => return Err(Broken::Truncated),
                Err(_) => {
                    self.fill(2 * self.bytes.len())?;
                    continue;
                }
            };
            let wrong = if meta == 0 { Broken::NotDicom } else { Broken::Truncated };
            let end = start.value + start.length.filter(|l| *l < MAX_HEADER).ok_or(wrong)?;
            if end as u64 > self.total {
                return Err(wrong);
            }
            self.fill(end + FIRST_READ)?;
            if start.tag == tags::TRANSFER_SYNTAX_UID {
                syntax =
                    self.bytes.get(start.value..end).and_then(ascii).and_then(|text| Uid::parse(text).ok());
            }
            at = end;
        }
        self.data_set = at;
        let guess = guess(self.bytes.get(at..).unwrap_or_default());
        if meta == 0 && guess.is_none() {
            return Err(Broken::NotDicom);
        }
        self.transfer_syntax = syntax.unwrap_or_else(|| {
            of_the_standard(match guess {
                Some(Encoding { explicit: true, big_endian: false }) => "1.2.840.10008.1.2.1",
                Some(Encoding { explicit: true, big_endian: true }) => "1.2.840.10008.1.2.2",
                _ => IMPLICIT_UID,
            })
        });
        self.encoding = Encoding::of(&self.transfer_syntax);
        if self.transfer_syntax.as_str() == "1.2.840.10008.1.2.1.99" { self.inflate() } else { Ok(()) }
    }

    /// Replaces the bytes at hand by the inflated data set.
    fn inflate(&mut self) -> Result<(), Broken> {
        let syntax = TransferSyntaxRegistry.get(self.transfer_syntax.as_str());
        let Some(Codec::Dataset(Some(deflate))) = syntax.map(|syntax| syntax.codec()) else {
            return Err(Broken::Malformed);
        };
        self.file.seek(SeekFrom::Start(self.data_set as u64)).map_err(|_| Broken::Unreadable)?;
        let mut bytes = Vec::new();
        let read =
            deflate.adapt_reader(Box::new(&mut self.file)).take(MAX_INFLATED + 1).read_to_end(&mut bytes);
        if bytes.len() as u64 > MAX_INFLATED {
            return Err(Broken::TooLarge);
        }
        // A damaged stream still gives what comes before the damage; its end then counts as cut off.
        if read.is_err() {
            self.broken = Some(Broken::Truncated);
        }
        self.total = bytes.len() as u64;
        self.bytes = bytes;
        self.data_set = 0;
        self.inflated = true;
        Ok(())
    }
}

fn of_the_standard(uid: &str) -> Uid {
    Uid::parse(uid).expect("the standard's own UIDs are valid")
}

/// How a data set is written that starts with `bytes`, if it looks like one.
fn guess(bytes: &[u8]) -> Option<Encoding> {
    let head: [u8; 8] = bytes.get(..8)?.try_into().ok()?;
    let lettered = head[4..6].iter().all(u8::is_ascii_uppercase);
    let little = head[..2] == [8, 0];
    let big = head[..2] == [0, 8];
    let short = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) < 1024;
    match (little, big, lettered) {
        (true, _, true) => Some(EXPLICIT),
        (_, true, true) => Some(Encoding { explicit: true, big_endian: true }),
        (true, _, false) if short => Some(IMPLICIT),
        _ => None,
    }
}
