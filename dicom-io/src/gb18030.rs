//! Text files from Chinese systems that are not in UTF-8.

use dicom::encoding::text::{SpecificCharacterSet, TextCodec};

/// `bytes` read as GB18030 (which GBK and GB2312 are part of); `None` where they are none.
pub fn decode(bytes: &[u8]) -> Option<String> {
    let text = SpecificCharacterSet::from_code("GB18030")?.decode(bytes).ok()?;
    // What is no character is written as an octal escape by the decoder.
    let escaped =
        text.bytes().filter(|byte| *byte == b'\\').count() > bytes.iter().filter(|b| **b == b'\\').count();
    (!escaped && !text.contains('\u{fffd}')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_text_of_an_older_system_is_read() {
        assert_eq!(decode(b"\xd3\xd2\xb7\xce\xbd\xe1\xbd\xda 8 mm").as_deref(), Some("右肺结节 8 mm"));
        assert_eq!(decode(b"\xff\xff\xff"), None);
    }
}
