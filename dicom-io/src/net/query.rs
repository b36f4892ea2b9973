//! The keys of C-FIND, C-MOVE and C-GET, and what C-FIND answers.
//!
//! Source: DICOM PS3.4 C.4.

use std::collections::BTreeMap;

use dicom::core::Tag;
use dicom::core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom::dictionary_std::{StandardDataDictionary, tags};

use super::Error;
use super::data_set::{self, Writer};
use crate::elements::ascii;
use crate::uid::Uid;

/// What is asked for (Query/Retrieve Level).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Studies.
    Study,
    /// Series of a study.
    Series,
    /// Instances of a series.
    Image,
}

/// An identifier: what must match, and what is to be told.
#[derive(Debug, Clone)]
pub struct Query {
    level: Level,
    keys: BTreeMap<Tag, ([u8; 2], String)>,
}

/// One answer to a C-FIND: attributes and their values.
///
/// Only values in ASCII are kept. Names of people may be in any character set; nothing asks for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    values: BTreeMap<Tag, String>,
}

impl Query {
    /// Everything at `level`.
    pub fn new(level: Level) -> Self {
        Self { level, keys: BTreeMap::new() }
    }

    /// Only where attribute `keyword` has this value; several UIDs are separated by backslashes.
    ///
    /// # Panics
    ///
    /// If the standard has no such attribute.
    #[must_use]
    pub fn matching(mut self, keyword: &str, value: &str) -> Self {
        let entry = StandardDataDictionary.by_name(keyword).expect("an attribute of the standard");
        let vr = entry.vr().relaxed().to_string().as_bytes().try_into().expect("a VR has two letters");
        self.keys.insert(entry.tag(), (vr, value.to_owned()));
        self
    }

    /// And tell the value of attribute `keyword`.
    ///
    /// # Panics
    ///
    /// If the standard has no such attribute.
    #[must_use]
    pub fn asking(self, keyword: &str) -> Self {
        self.matching(keyword, "")
    }

    /// The identifier as it is written in `transfer_syntax`.
    pub fn bytes(&self, transfer_syntax: &Uid) -> Vec<u8> {
        let level = match self.level {
            Level::Study => "STUDY",
            Level::Series => "SERIES",
            Level::Image => "IMAGE",
        };
        let mut keys = self.keys.clone();
        keys.insert(tags::QUERY_RETRIEVE_LEVEL, (*b"CS", level.to_owned()));
        let mut set = Writer::new(data_set::encoding(transfer_syntax));
        for (tag, (vr, value)) in &keys {
            set.text(*tag, vr, value);
        }
        set.bytes
    }
}

impl Found {
    /// Understands an identifier written in `transfer_syntax`.
    ///
    /// # Errors
    ///
    /// If it is no data set.
    pub fn parse(bytes: &[u8], transfer_syntax: &Uid) -> Result<Self, Error> {
        let elements = data_set::read(bytes, data_set::encoding(transfer_syntax))?;
        let values = elements
            .iter()
            .filter_map(|element| Some((element.tag, ascii(elements.bytes(element.tag)?)?.to_owned())));
        Ok(Self { values: values.collect() })
    }

    /// The value of attribute `keyword`; `None`: it is not there, or empty.
    ///
    /// # Panics
    ///
    /// If the standard has no such attribute.
    pub fn text(&self, keyword: &str) -> Option<&str> {
        let entry = StandardDataDictionary.by_name(keyword).expect("an attribute of the standard");
        self.values.get(&entry.tag()).map(String::as_str)
    }

    /// The values of attribute `keyword`, which are separated by backslashes.
    pub fn texts(&self, keyword: &str) -> impl Iterator<Item = &str> {
        self.text(keyword).into_iter().flat_map(|text| text.split('\\').map(str::trim))
    }

    /// The value of attribute `keyword`, if it is a UID.
    pub fn uid(&self, keyword: &str) -> Option<Uid> {
        Uid::parse(self.text(keyword)?).ok()
    }

    /// The value of attribute `keyword`, if it is a count.
    pub fn number(&self, keyword: &str) -> Option<u64> {
        self.text(keyword)?.parse().ok()
    }
}
