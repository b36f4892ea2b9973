//! Small data sets for the wire, element by element: commands, identifiers, storage commitment.

use dicom::core::Tag;

use super::{Error, classes};
use crate::elements::{Broken, EXPLICIT, Elements, Encoding, IMPLICIT, has_short_length};
use crate::uid::Uid;

/// How data sets in `transfer_syntax` are written.
pub(super) fn encoding(transfer_syntax: &Uid) -> Encoding {
    match transfer_syntax.as_str() {
        classes::IMPLICIT_LE => IMPLICIT,
        classes::EXPLICIT_BE => Encoding { explicit: true, big_endian: true },
        _ => EXPLICIT,
    }
}

/// The elements of a data set that came.
pub(super) fn read(bytes: &[u8], encoding: Encoding) -> Result<Elements<'_>, Error> {
    Elements::parse(bytes, encoding).map_err(|broken| match broken {
        Broken::Truncated => Error::Malformed("a data set that is cut off"),
        _ => Error::Malformed("a data set that is none"),
    })
}

/// The UID that element `tag` holds.
pub(super) fn uid(elements: &Elements<'_>, tag: Tag) -> Option<Uid> {
    elements.text(tag).and_then(|text| Uid::parse(text).ok())
}

/// A data set being written, in the order in which it is called.
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
    encoding: Encoding,
}

impl Writer {
    pub(super) fn new(encoding: Encoding) -> Self {
        Self { bytes: Vec::new(), encoding }
    }

    /// Adds a text, padded to an even length: with zero if it is a UID, otherwise with a blank.
    pub(super) fn text(&mut self, tag: Tag, vr: &[u8; 2], text: &str) {
        let mut value = text.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(if vr == b"UI" { 0 } else { b' ' });
        }
        self.element(tag, vr, &value);
    }

    /// Adds a number of 16 bits.
    pub(super) fn word(&mut self, tag: Tag, value: u16) {
        let value = if self.encoding.big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        self.element(tag, b"US", &value);
    }

    /// Adds a sequence of which each item was written by its own writer.
    pub(super) fn sequence(&mut self, tag: Tag, items: impl IntoIterator<Item = Vec<u8>>) {
        let mut value = Self::new(self.encoding);
        for item in items {
            value.tag(Tag(0xFFFE, 0xE000));
            value.long(item.len());
            value.bytes.extend(item);
        }
        self.element(tag, b"SQ", &value.bytes);
    }

    fn element(&mut self, tag: Tag, vr: &[u8; 2], value: &[u8]) {
        self.tag(tag);
        if !self.encoding.explicit {
            self.long(value.len());
        } else if has_short_length(*vr) {
            let length = u16::try_from(value.len()).expect("texts here are short");
            self.bytes.extend(vr);
            self.bytes.extend(if self.encoding.big_endian {
                length.to_be_bytes()
            } else {
                length.to_le_bytes()
            });
        } else {
            self.bytes.extend(vr);
            self.bytes.extend([0; 2]);
            self.long(value.len());
        }
        self.bytes.extend(value);
    }

    fn tag(&mut self, tag: Tag) {
        for part in [tag.group(), tag.element()] {
            self.bytes.extend(if self.encoding.big_endian { part.to_be_bytes() } else { part.to_le_bytes() });
        }
    }

    fn long(&mut self, value: usize) {
        let value = u32::try_from(value).expect("data sets here are far smaller than 4 GiB");
        self.bytes.extend(if self.encoding.big_endian { value.to_be_bytes() } else { value.to_le_bytes() });
    }
}
