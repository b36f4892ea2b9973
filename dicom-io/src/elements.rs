//! The elements of a data set, found without believing what it says about lengths.
//!
//! Foci reads headers itself: a library that reserves what a file declares can be made to ask for
//! gigabytes by a kilobyte. Here nothing is copied or reserved; an element is a slice of bytes that are
//! there, or there is none. It is also quick: a slice's header costs microseconds.
//!
//! Files are opened in [`crate::header`], what the elements mean is decided in [`crate::instance`].

use dicom::core::Tag;
use dicom::core::VR;
use dicom::core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom::dictionary_std::{StandardDataDictionary, tags};

use crate::uid::Uid;

/// Sequences may be nested this deep. The standard's own reach about ten.
const MAX_DEPTH: usize = 32;

/// Why a header could not be followed to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// There are fewer bytes than an element declares.
    Truncated,
    /// The bytes are no sequence of elements.
    Malformed,
    /// The header alone takes more than 64 MiB, or the file inflates to more than 256 MiB.
    TooLarge,
    /// The file cannot be read.
    Unreadable,
    /// The file is no DICOM file at all.
    NotDicom,
}

/// How elements are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Encoding {
    pub(crate) explicit: bool,
    pub(crate) big_endian: bool,
}

pub(crate) const EXPLICIT: Encoding = Encoding { explicit: true, big_endian: false };
pub(crate) const IMPLICIT: Encoding = Encoding { explicit: false, big_endian: false };

/// Implicit VR Little Endian.
pub(crate) const IMPLICIT_UID: &str = "1.2.840.10008.1.2";

impl Encoding {
    /// How data sets of this transfer syntax are written, once inflated.
    pub(crate) fn of(transfer_syntax: &Uid) -> Self {
        match transfer_syntax.as_str() {
            IMPLICIT_UID => IMPLICIT,
            "1.2.840.10008.1.2.2" => Self { explicit: true, big_endian: true },
            _ => EXPLICIT,
        }
    }

    fn u16(self, bytes: &[u8]) -> Option<u16> {
        let bytes = bytes.get(..2)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(self, bytes: &[u8]) -> Option<u32> {
        let bytes = bytes.get(..4)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

/// Tag, length and place of one element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) tag: Tag,
    pub(crate) vr: [u8; 2],
    /// `None`: undefined, up to a delimiter.
    pub(crate) length: Option<usize>,
    /// Where the value begins.
    pub(crate) value: usize,
}

/// What stopped a walk: not enough bytes at hand (this many would do), or an error.
pub(crate) enum Stop {
    Short(usize),
    Broken(Broken),
}

pub(crate) const ITEM: Tag = Tag(0xFFFE, 0xE000);
pub(crate) const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
pub(crate) const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

impl Encoding {
    /// The element that starts at `at`.
    pub(crate) fn start(self, bytes: &[u8], at: usize) -> Result<Start, Stop> {
        let short = |n: usize| Stop::Short(at + n);
        let head = bytes.get(at..).unwrap_or_default();
        let group = self.u16(head).ok_or(short(8))?;
        let element = head.get(2..).and_then(|b| self.u16(b)).ok_or(short(8))?;
        let tag = Tag(group, element);
        let field = head.get(4..8).ok_or(short(8))?;
        let (vr, length, size) = if group == 0xFFFE || !self.explicit {
            (*b"  ", self.u32(field), 8)
        } else {
            let vr = [field[0], field[1]];
            if has_short_length(vr) {
                (vr, self.u16(&field[2..]).map(u32::from), 8)
            } else {
                (vr, Some(self.u32(head.get(8..12).ok_or(short(12))?).unwrap_or(0)), 12)
            }
        };
        let length = length.ok_or(short(size))?;
        let length = (length != u32::MAX).then_some(length as usize);
        Ok(Start { tag, vr, length, value: at + size })
    }

    /// Where the value of the sequence ends whose first item starts at `at`, and where the next element
    /// starts; both lie behind items that end by delimiters.
    fn sequence_end(
        self,
        bytes: &[u8],
        mut at: usize,
        total: usize,
        depth: usize,
    ) -> Result<(usize, usize), Stop> {
        if depth > MAX_DEPTH {
            return Err(Stop::Broken(Broken::Malformed));
        }
        loop {
            let item = self.start(bytes, at)?;
            match (item.tag, item.length) {
                (SEQUENCE_END, _) => return Ok((at, item.value)),
                (ITEM, Some(length)) => at = within(item.value, length, total)?,
                (ITEM, None) => at = self.item_end(bytes, item.value, total, depth + 1)?.1,
                _ => return Err(Stop::Broken(Broken::Malformed)),
            }
        }
    }

    /// The same for an item of undefined length whose first element starts at `at`.
    fn item_end(
        self,
        bytes: &[u8],
        mut at: usize,
        total: usize,
        depth: usize,
    ) -> Result<(usize, usize), Stop> {
        loop {
            let element = self.start(bytes, at)?;
            if element.tag == ITEM_END {
                return Ok((at, element.value));
            }
            at = match element.length {
                Some(length) => within(element.value, length, total)?,
                None => self.inside(element.vr).sequence_end(bytes, element.value, total, depth)?.1,
            };
        }
    }

    /// The encoding inside a sequence: unknown ones of undefined length are implicit (PS3.5 6.2.2).
    pub(crate) fn inside(self, vr: [u8; 2]) -> Self {
        if vr == *b"UN" { Self { explicit: false, ..self } } else { self }
    }
}

/// The VRs with a 16-bit length; all others, present and future, have 32 bits (PS3.5 7.1.2).
pub(crate) fn has_short_length(vr: [u8; 2]) -> bool {
    const SHORT: [&[u8; 2]; 21] = [
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH",
        b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
    ];
    SHORT.contains(&&vr)
}

/// The end of a value of `length` bytes from `at`, unless the file ends before.
fn within(at: usize, length: usize, total: usize) -> Result<usize, Stop> {
    at.checked_add(length).filter(|end| *end <= total).ok_or(Stop::Broken(Broken::Truncated))
}

/// One element: its tag and the bytes that are there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    /// What it is.
    pub(crate) tag: Tag,
    vr: [u8; 2],
    /// Of undefined length, that is: a sequence.
    undefined: bool,
    /// Header, value and delimiter, as in the file.
    pub(crate) whole: &'a [u8],
    value: &'a [u8],
}

/// The elements of one data set or item, in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    elements: Vec<Element<'a>>,
    encoding: Encoding,
}

impl<'a> Elements<'a> {
    /// None yet.
    pub(crate) fn none(encoding: Encoding) -> Self {
        Self { elements: Vec::new(), encoding }
    }

    /// The elements in `bytes`, all of it.
    pub(crate) fn parse(bytes: &'a [u8], encoding: Encoding) -> Result<Self, Broken> {
        let mut found = Self::none(encoding);
        match found.extend(bytes, 0, bytes.len()) {
            Ok(None) => Ok(found),
            Ok(Some(_)) => Err(Broken::Malformed),
            Err(Stop::Short(_)) => Err(Broken::Truncated),
            Err(Stop::Broken(broken)) => Err(broken),
        }
    }

    /// Adds the elements of `bytes` from `at` on up to the pixels, whose start is returned, or up to the
    /// end at `total`, of which `bytes` may be only the beginning.
    pub(crate) fn extend(
        &mut self,
        bytes: &'a [u8],
        mut at: usize,
        total: usize,
    ) -> Result<Option<Start>, Stop> {
        while at < total {
            let start = self.encoding.start(bytes, at)?;
            if start.tag.group() == 0xFFFE {
                return Err(Stop::Broken(Broken::Malformed));
            }
            if is_pixels(start.tag) {
                return Ok(Some(start));
            }
            let (value_end, end) = match start.length {
                Some(length) => {
                    let end = within(start.value, length, total)?;
                    (end, end)
                }
                None => self.encoding.inside(start.vr).sequence_end(bytes, start.value, total, 0)?,
            };
            let value = bytes.get(start.value..value_end).ok_or(Stop::Short(end))?;
            let whole = bytes.get(at..end).ok_or(Stop::Short(end))?;
            let undefined = start.length.is_none();
            self.elements.push(Element { tag: start.tag, vr: start.vr, undefined, whole, value });
            at = end;
        }
        Ok(None)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Element<'a>> {
        self.elements.iter()
    }

    fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        self.elements.iter().find(|element| element.tag == tag)
    }

    /// The bytes of an element that is there and not empty.
    pub(crate) fn bytes(&self, tag: Tag) -> Option<&'a [u8]> {
        self.get(tag).map(|element| element.value).filter(|value| !value.is_empty())
    }

    /// The value representation (blank in implicit syntaxes) and the bytes of an element that is there.
    pub(crate) fn value(&self, tag: Tag) -> Option<([u8; 2], &'a [u8])> {
        self.get(tag).map(|element| (element.vr, element.value))
    }

    /// The text of an element that holds ASCII, without padding; `None` when empty.
    pub(crate) fn text(&self, tag: Tag) -> Option<&'a str> {
        ascii(self.bytes(tag)?)
    }

    /// The values of a text element, which are separated by backslashes.
    pub(crate) fn texts(&self, tag: Tag) -> impl Iterator<Item = &'a str> {
        self.text(tag).into_iter().flat_map(|text| text.split('\\').map(str::trim))
    }

    /// The first value of an IS element.
    pub(crate) fn integer(&self, tag: Tag) -> Option<i32> {
        self.texts(tag).next()?.parse().ok()
    }

    /// The `N` values of a DS element, if there are as many and all are finite.
    pub(crate) fn decimals<const N: usize>(&self, tag: Tag) -> Option<[f64; N]> {
        let values: Vec<f64> = self.texts(tag).map(|v| v.parse().ok()).collect::<Option<_>>()?;
        let values: [f64; N] = values.try_into().ok()?;
        values.iter().all(|v| v.is_finite()).then_some(values)
    }

    /// The first value of a US or SS element, as its bits.
    pub(crate) fn word(&self, tag: Tag) -> Option<u16> {
        self.encoding.u16(self.bytes(tag)?)
    }

    /// The items of a sequence; none when it is missing or cannot be followed.
    pub(crate) fn items(&self, tag: Tag) -> Vec<Elements<'a>> {
        self.get(tag).and_then(|e| items(e.value, self.encoding.inside(e.vr)).ok()).unwrap_or_default()
    }

    /// The only item of a sequence, or its first.
    pub(crate) fn item(&self, tag: Tag) -> Option<Elements<'a>> {
        self.items(tag).into_iter().next()
    }

    /// Whether `element` can be followed to the bottom, so that another reader comes to the same lengths.
    pub(crate) fn is_sound(&self, element: &Element<'a>) -> bool {
        sound(element, self.encoding, 0)
    }
}

fn items<'a>(bytes: &'a [u8], encoding: Encoding) -> Result<Vec<Elements<'a>>, Broken> {
    let broken = |stop| match stop {
        Stop::Short(_) => Broken::Truncated,
        Stop::Broken(broken) => broken,
    };
    let mut items = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let item = encoding.start(bytes, at).map_err(broken)?;
        if item.tag != ITEM {
            return Err(Broken::Malformed);
        }
        let (end, next) = match item.length {
            Some(length) => within(item.value, length, bytes.len()).map(|end| (end, end)),
            None => encoding.item_end(bytes, item.value, bytes.len(), 0),
        }
        .map_err(broken)?;
        items.push(Elements::parse(&bytes[item.value..end], encoding)?);
        at = next;
    }
    Ok(items)
}

/// Whether the items of `element`, if it is a sequence, agree with its length, and theirs with theirs.
fn sound(element: &Element<'_>, encoding: Encoding, depth: usize) -> bool {
    let named = if encoding.explicit { element.vr == *b"SQ" } else { is_sequence(element.tag) };
    if !named && !element.undefined {
        return true;
    }
    depth < MAX_DEPTH
        && items(element.value, encoding.inside(element.vr)).is_ok_and(|items| {
            items.iter().all(|item| item.iter().all(|inner| sound(inner, item.encoding, depth + 1)))
        })
}

/// Whether the dictionary calls `tag` a sequence.
fn is_sequence(tag: Tag) -> bool {
    StandardDataDictionary.by_tag(tag).is_some_and(|entry| entry.vr() == VirtualVr::Exact(VR::SQ))
}

pub(crate) fn is_pixels(tag: Tag) -> bool {
    tag == tags::PIXEL_DATA || tag == tags::FLOAT_PIXEL_DATA || tag == tags::DOUBLE_FLOAT_PIXEL_DATA
}

/// `bytes` as text without the blanks and zeros around it, if it is ASCII and not empty.
pub(crate) fn ascii(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii())?;
    Some(text.trim_matches(['\0', ' '])).filter(|text| !text.is_empty())
}
