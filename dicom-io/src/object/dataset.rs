//! Building a data set attribute by attribute, so that no writer meets the machinery of dicom-rs.

use dicom::core::value::{C, DataSetSequence, PrimitiveValue, Value};
use dicom::core::{DataElement, Tag, VR};
use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;

use crate::Uid;
use crate::sr::codes::Code;

/// A data set under construction.
#[derive(Debug, Clone)]
pub(crate) struct Dataset(InMemDicomObject);

impl Dataset {
    pub(crate) fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    pub(crate) fn object(&self) -> &InMemDicomObject {
        &self.0
    }

    pub(crate) fn finish(self) -> InMemDicomObject {
        self.0
    }

    fn put(mut self, tag: Tag, vr: VR, value: PrimitiveValue) -> Self {
        self.0.put(DataElement::new(tag, vr, value));
        self
    }

    /// One text, shortened to what the value representation holds. An empty text is an empty value.
    pub(crate) fn text(self, tag: Tag, vr: VR, text: &str) -> Self {
        let text = fitting(vr, text);
        self.put(tag, vr, if text.is_empty() { PrimitiveValue::Empty } else { PrimitiveValue::from(text) })
    }

    /// Several values of one attribute.
    pub(crate) fn texts(self, tag: Tag, vr: VR, texts: &[&str]) -> Self {
        let values: C<String> = texts.iter().map(|text| fitting(vr, text)).collect();
        self.put(tag, vr, PrimitiveValue::Strs(values))
    }

    pub(crate) fn uid(self, tag: Tag, uid: &Uid) -> Self {
        self.text(tag, VR::UI, uid.as_str())
    }

    /// Decimal strings.
    pub(crate) fn decimals(self, tag: Tag, values: &[f64]) -> Self {
        let values: C<String> = values.iter().map(|value| decimal(*value)).collect();
        self.put(tag, VR::DS, PrimitiveValue::Strs(values))
    }

    /// An integer string.
    pub(crate) fn integer(self, tag: Tag, value: u32) -> Self {
        self.put(tag, VR::IS, PrimitiveValue::from(value.to_string()))
    }

    pub(crate) fn shorts(self, tag: Tag, values: &[u16]) -> Self {
        self.put(tag, VR::US, PrimitiveValue::U16(C::from_slice(values)))
    }

    pub(crate) fn longs(self, tag: Tag, values: &[u32]) -> Self {
        self.put(tag, VR::UL, PrimitiveValue::U32(C::from_slice(values)))
    }

    pub(crate) fn floats(self, tag: Tag, values: &[f32]) -> Self {
        self.put(tag, VR::FL, PrimitiveValue::F32(C::from_slice(values)))
    }

    pub(crate) fn double(self, tag: Tag, value: f64) -> Self {
        self.put(tag, VR::FD, PrimitiveValue::from(value))
    }

    /// An attribute whose value is the tag of another.
    pub(crate) fn tag(self, tag: Tag, value: Tag) -> Self {
        self.put(tag, VR::AT, PrimitiveValue::Tags(C::from_slice(&[value])))
    }

    /// Pixel data, padded to an even length.
    pub(crate) fn bytes(self, tag: Tag, mut bytes: Vec<u8>) -> Self {
        if !bytes.len().is_multiple_of(2) {
            bytes.push(0);
        }
        self.put(tag, VR::OB, PrimitiveValue::U8(C::from_vec(bytes)))
    }

    /// Pixel data of 16 bits, little endian.
    pub(crate) fn words(mut self, tag: Tag, bytes: Vec<u8>) -> Self {
        self.0.put(DataElement::new(tag, VR::OW, PrimitiveValue::from(bytes)));
        self
    }

    /// A sequence; without items it is written empty.
    pub(crate) fn items(mut self, tag: Tag, items: impl IntoIterator<Item = Self>) -> Self {
        let items: C<InMemDicomObject> = items.into_iter().map(|item| item.0).collect();
        self.0.put(DataElement::new(tag, VR::SQ, Value::Sequence(DataSetSequence::from(items))));
        self
    }

    /// A sequence of one item that holds `code`.
    pub(crate) fn code(self, tag: Tag, code: &Code) -> Self {
        self.items(tag, [Self::from(code)])
    }

    /// An element as it is.
    pub(crate) fn element(mut self, element: DataElement<InMemDicomObject>) -> Self {
        self.0.put(element);
        self
    }

    /// Everything of `other` too.
    pub(crate) fn with(mut self, other: Self) -> Self {
        for element in other.0 {
            self.0.put(element);
        }
        self
    }
}

impl From<&Code> for Dataset {
    fn from(code: &Code) -> Self {
        // Source: PS3.3 table 8.8-1. A Code Value holds 16 characters, anything longer has its own attribute.
        let value = if code.value.chars().count() > 16 {
            Self::new().text(tags::LONG_CODE_VALUE, VR::UC, &code.value)
        } else {
            Self::new().text(tags::CODE_VALUE, VR::SH, &code.value)
        };
        value.text(tags::CODING_SCHEME_DESIGNATOR, VR::SH, &code.scheme).text(
            tags::CODE_MEANING,
            VR::LO,
            &code.meaning,
        )
    }
}

/// `text` as a value representation can hold it: no separators or control characters, not too long.
///
/// Source: PS3.5 6.2.
fn fitting(vr: VR, text: &str) -> String {
    let (limit, paragraphs) = match vr {
        VR::CS | VR::SH | VR::AE => (16, false),
        VR::LO | VR::PN | VR::UI => (64, false),
        VR::ST => (1024, true),
        VR::LT => (10240, true),
        VR::UT => (usize::MAX, true),
        _ => (usize::MAX, false),
    };
    let kept = |c: &char| !c.is_control() || (paragraphs && matches!(c, '\n' | '\r' | '\t'));
    let replaced = |c: char| if c == '\\' && !paragraphs { '/' } else { c };
    let text: String = text.trim().chars().filter(kept).map(replaced).take(limit).collect();
    text.trim_end().to_owned()
}

/// `value` in at most 16 characters, as precise as they allow. Not for what is not finite.
///
/// Source: PS3.5 6.2, DS.
pub(crate) fn decimal(value: f64) -> String {
    let value = if value == 0.0 { 0.0 } else { value };
    let shortest = value.to_string();
    if shortest.len() <= 16 {
        return shortest;
    }
    let plain = (0..=14).rev().map(|digits| format!("{value:.digits$}")).find(|text| text.len() <= 16);
    let exponent = (0..=14).rev().map(|digits| format!("{value:.digits$e}")).find(|text| text.len() <= 16);
    match plain {
        // A small number loses its digits as a plain decimal, a large one loses none that matter.
        Some(text) if value.abs() >= 1e-3 => text,
        _ => exponent.expect("a double in exponent form without fraction has at most 6 characters"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_strings_fit_into_sixteen_characters_and_keep_their_digits() {
        for (value, text) in [
            (8.2, "8.2"),
            (-0.0, "0"),
            (1.0 / 3.0, "0.33333333333333"),
            (-1.0 / 3.0, "-0.3333333333333"),
            (-123.456_789_012_345_67, "-123.45678901235"),
            (1.0e-7 / 3.0, "3.33333333333e-8"),
            (1.0e20 / 3.0, "3.33333333333e19"),
        ] {
            assert_eq!(decimal(value), text);
        }
    }

    #[test]
    fn text_is_cut_and_separators_are_replaced() {
        assert_eq!(fitting(VR::SH, "  a\\b\u{1b}\n  "), "a/b");
        assert_eq!(fitting(VR::LO, &"肝".repeat(70)).chars().count(), 64);
        assert_eq!(fitting(VR::UT, "1\\2\n3"), "1\\2\n3");
    }
}
