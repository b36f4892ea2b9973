//! One attribute of a header, named by who asks: for rules that people write.

use std::fmt;
use std::str::FromStr;

use dicom::core::dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr};
use dicom::core::{Tag, VR};
use dicom::dictionary_std::StandardDataDictionary;
use dicom::encoding::text::{SpecificCharacterSet, TextCodec};

use crate::elements::ascii;

/// A longer value is no name, code or number; nobody writes a rule for it.
const MAX_VALUE: usize = 64 << 10;

/// An attribute of the top level of a data set whose value is text or a number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Attribute {
    /// As it was written.
    name: String,
    pub(crate) tag: Tag,
}

/// Why a text names no attribute that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAttribute {
    /// Look at how it is written.
    #[error("{0:?} is neither a keyword of the standard (StationName) nor a tag (0008,1010)")]
    Unknown(String),
    /// Ask for something else: it holds items or pixels, not a text.
    #[error("{0:?} holds no text and no number")]
    NoText(String),
}

impl FromStr for Attribute {
    type Err = NotAnAttribute;

    /// Takes a keyword (`StationName`) or a tag (`0008,1010`, also with parentheses).
    fn from_str(text: &str) -> Result<Self, NotAnAttribute> {
        let unknown = || NotAnAttribute::Unknown(text.to_owned());
        let digits = text.trim_start_matches('(').trim_end_matches(')');
        let tag = match digits.split_once(',') {
            Some((group, element)) => {
                Tag(number(group).ok_or_else(unknown)?, number(element).ok_or_else(unknown)?)
            }
            None => StandardDataDictionary.by_name(text).ok_or_else(unknown)?.tag(),
        };
        // Of a private or newer attribute the file itself says what it holds.
        let known = StandardDataDictionary.by_tag(tag).map(|entry| entry.vr());
        if known
            .is_some_and(|vr| !matches!(vr, VirtualVr::Exact(vr) if holds_text(vr)) && vr != VirtualVr::Xs)
        {
            return Err(NotAnAttribute::NoText(text.to_owned()));
        }
        Ok(Self { name: text.to_owned(), tag })
    }
}

impl TryFrom<String> for Attribute {
    type Error = NotAnAttribute;

    fn try_from(text: String) -> Result<Self, NotAnAttribute> {
        text.parse()
    }
}

/// As it was written.
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Four hexadecimal digits.
fn number(text: &str) -> Option<u16> {
    let digits = text.len() == 4 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    digits.then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

/// The value of the attribute `tag` as text: the characters, or the numbers in decimal, several values
/// separated by backslashes. `None` if it is empty, absurdly long, or neither text nor numbers.
pub(crate) fn text(
    tag: Tag,
    vr: [u8; 2],
    value: &[u8],
    big_endian: bool,
    charset: Option<&str>,
) -> Option<String> {
    if value.len() > MAX_VALUE {
        return None;
    }
    let written = VR::from_binary(vr).filter(|vr| *vr != VR::UN);
    let known = || match StandardDataDictionary.by_tag(tag)?.vr() {
        VirtualVr::Exact(vr) if vr != VR::UN => Some(vr),
        VirtualVr::Xs => Some(VR::US),
        _ => None,
    };
    let Some(vr) = written.or_else(known) else {
        // A private attribute in an implicit syntax: most of them are texts, and binary ones no ASCII.
        return ascii(value).map(str::to_owned);
    };
    fn each<const N: usize>(value: &[u8], big_endian: bool, show: impl Fn([u8; N]) -> String) -> String {
        let numbers = value.chunks_exact(N).map(|bytes| {
            let mut bytes: [u8; N] = bytes.try_into().expect("a chunk has its size");
            if big_endian {
                bytes.reverse();
            }
            show(bytes)
        });
        numbers.collect::<Vec<_>>().join("\\")
    }
    let text = match vr {
        VR::US => each(value, big_endian, |bytes| u16::from_le_bytes(bytes).to_string()),
        VR::SS => each(value, big_endian, |bytes| i16::from_le_bytes(bytes).to_string()),
        VR::UL => each(value, big_endian, |bytes| u32::from_le_bytes(bytes).to_string()),
        VR::SL => each(value, big_endian, |bytes| i32::from_le_bytes(bytes).to_string()),
        VR::FL => each(value, big_endian, |bytes| f32::from_le_bytes(bytes).to_string()),
        VR::FD => each(value, big_endian, |bytes| f64::from_le_bytes(bytes).to_string()),
        vr if holds_text(vr) => return decoded(value, charset),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

/// `value` in the Specific Character Set `charset`, without the padding; `None` if it is empty or is not
/// written in that set.
pub(crate) fn decoded(value: &[u8], charset: Option<&str>) -> Option<String> {
    // Of several character sets the last is the one with more than ASCII.
    let code = charset.and_then(|codes| codes.rsplit('\\').next());
    let charset = code.and_then(|code| SpecificCharacterSet::from_code(code.trim()));
    let text = charset.unwrap_or_default().decode(value).ok()?;
    Some(text.trim_matches(['\0', ' ']).to_owned()).filter(|text| !text.is_empty())
}

fn holds_text(vr: VR) -> bool {
    use VR::*;
    matches!(
        vr,
        AE | AS
            | CS
            | DA
            | DS
            | DT
            | IS
            | LO
            | LT
            | PN
            | SH
            | ST
            | TM
            | UC
            | UI
            | UR
            | UT
            | US
            | SS
            | UL
            | SL
            | FL
            | FD
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_named_by_keyword_or_by_tag() {
        let station = Tag(0x0008, 0x1010);
        for name in ["StationName", "0008,1010", "(0008,1010)"] {
            assert_eq!(name.parse::<Attribute>().unwrap().tag, station, "{name}");
        }
        assert_eq!("0029,10ab".parse::<Attribute>().unwrap().tag, Tag(0x0029, 0x10AB));
        for wrong in ["", "Stationname?", "8,1010", "0008,10100", "0008,101g", "+008,1010"] {
            assert!(matches!(wrong.parse::<Attribute>(), Err(NotAnAttribute::Unknown(_))), "{wrong}");
        }
        for wrong in ["ProcedureCodeSequence", "PixelData", "7fe0,0010"] {
            assert!(matches!(wrong.parse::<Attribute>(), Err(NotAnAttribute::NoText(_))), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_shown_in_decimal_and_texts_in_their_character_set() {
        let of = |tag, vr: &[u8; 2], value: &[u8], big| text(tag, *vr, value, big, Some("ISO_IR 100"));
        let rows = Tag(0x0028, 0x0010);
        assert_eq!(of(rows, b"US", &[2, 1], false).unwrap(), "258");
        assert_eq!(of(rows, b"US", &[2, 1, 0, 7], true).unwrap(), "513\\7");
        // Implicit: the dictionary knows what it is.
        assert_eq!(of(rows, b"  ", &[2, 1], false).unwrap(), "258");
        let station = Tag(0x0008, 0x1010);
        assert_eq!(of(station, b"SH", b"K\xd6LN ", false).unwrap(), "K\u{d6}LN");
        assert_eq!(of(station, b"UN", b"CT1\0", false).unwrap(), "CT1");
        assert_eq!(of(station, b"SH", b"  ", false), None);
        assert_eq!(of(Tag(0x0029, 0x1001), b"  ", b"CT1 ", false).unwrap(), "CT1");
        assert_eq!(of(Tag(0x0029, 0x1001), b"OB", b"CT1 ", false), None);
    }
}
