//! Patient and study, taken over from the source images.
//!
//! Four mistakes made here account for every failing Comprehensive 3D SR of a large public archive:
//! a clinical trial without its site, a de-identified patient without the method, a referenced study
//! without its class, and an empty procedure code. Each has its lines below.

use dicom::core::header::Header;
use dicom::core::value::{C, DataSetSequence, PrimitiveValue, Value};
use dicom::core::{DataElement, Tag, VR};
use dicom::dictionary_std::tags;
use dicom::encoding::text::{SpecificCharacterSet, TextCodec};
use dicom::object::InMemDicomObject;

use super::dataset::Dataset;

/// Attributes of type 2: an object without them is invalid, without a value it is not.
const ALWAYS: [(Tag, VR); 8] = [
    (tags::PATIENT_NAME, VR::PN),
    (tags::PATIENT_ID, VR::LO),
    (tags::PATIENT_BIRTH_DATE, VR::DA),
    (tags::PATIENT_SEX, VR::CS),
    (tags::STUDY_DATE, VR::DA),
    (tags::STUDY_TIME, VR::TM),
    (tags::REFERRING_PHYSICIAN_NAME, VR::PN),
    (tags::STUDY_ID, VR::SH),
];

/// Attributes that go along when they have a value.
///
/// Referenced Study Sequence and Procedure Code Sequence are not among them: real archives hold them
/// without the parts that make them valid, and neither tells more about the result.
const WHEN_PRESENT: [Tag; 10] = [
    tags::ISSUER_OF_PATIENT_ID,
    tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE,
    tags::OTHER_PATIENT_I_DS_SEQUENCE,
    tags::PATIENT_AGE,
    tags::PATIENT_SIZE,
    tags::PATIENT_WEIGHT,
    tags::STUDY_DESCRIPTION,
    tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE,
    tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
    tags::PATIENT_SPECIES_DESCRIPTION,
];

/// Patient, patient study, clinical trial and general study modules as `source` has them, as Unicode.
pub(crate) fn patient_and_study(source: &InMemDicomObject) -> Dataset {
    let escaped = source
        .get(tags::SPECIFIC_CHARACTER_SET)
        .and_then(|element| element.to_str().ok())
        .is_some_and(|sets| sets.contains("ISO 2022"));
    let copy = |to: Dataset, tag: Tag| match source.get(tag) {
        Some(element) if has_value(element) => to.element(unicode(element, escaped)),
        _ => to,
    };

    let mut to = Dataset::new();
    for (tag, vr) in ALWAYS {
        to = copy(to.text(tag, vr, ""), tag);
    }
    to = copy(to.text(tags::ACCESSION_NUMBER, VR::SH, ""), tags::ACCESSION_NUMBER);
    for tag in WHEN_PRESENT {
        to = copy(to, tag);
    }

    if text(source, tags::PATIENT_IDENTITY_REMOVED) == "YES" {
        to = copy(to, tags::PATIENT_IDENTITY_REMOVED);
        to = copy(to, tags::DEIDENTIFICATION_METHOD);
        to = copy(to, tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE);
        let stated = [tags::DEIDENTIFICATION_METHOD, tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE];
        if !stated.iter().any(|tag| source.get(*tag).is_some_and(has_value)) {
            to = to.text(tags::DEIDENTIFICATION_METHOD, VR::LO, "not stated in the source images");
        }
    }

    // A trial is named by sponsor, protocol and subject; without all three the module would be invalid.
    let named = [
        tags::CLINICAL_TRIAL_SPONSOR_NAME,
        tags::CLINICAL_TRIAL_PROTOCOL_ID,
        tags::CLINICAL_TRIAL_SUBJECT_ID,
    ];
    if named.iter().all(|tag| source.get(*tag).is_some_and(has_value)) {
        for tag in named {
            to = copy(to, tag);
        }
        for tag in
            [tags::CLINICAL_TRIAL_PROTOCOL_NAME, tags::CLINICAL_TRIAL_SITE_ID, tags::CLINICAL_TRIAL_SITE_NAME]
        {
            to = copy(to.text(tag, VR::LO, ""), tag);
        }
    }
    to
}

/// The value of `tag` as text, empty where there is none.
pub(crate) fn text(object: &InMemDicomObject, tag: Tag) -> String {
    object.get(tag).and_then(|element| element.to_str().ok()).map(|t| t.trim().to_owned()).unwrap_or_default()
}

fn has_value(element: &DataElement<InMemDicomObject>) -> bool {
    match element.value() {
        Value::Primitive(value) => !value.to_str().trim_matches(['\0', ' ']).is_empty(),
        Value::Sequence(sequence) => {
            !sequence.items().is_empty() && sequence.items().iter().all(|item| item.iter().next().is_some())
        }
        Value::PixelSequence(_) => false,
    }
}

/// `element` with every text as Unicode, at every depth. dicom-rs has decoded the character set of the
/// whole object, but not the escapes by which ISO 2022 changes it within a text.
fn unicode(element: &DataElement<InMemDicomObject>, escaped: bool) -> DataElement<InMemDicomObject> {
    let (tag, vr) = (element.tag(), element.vr());
    match element.value() {
        Value::Sequence(sequence) => {
            let items: C<InMemDicomObject> = sequence
                .items()
                .iter()
                .map(|item| {
                    let elements = item.iter().filter(|e| e.tag() != tags::SPECIFIC_CHARACTER_SET);
                    InMemDicomObject::from_element_iter(elements.map(|e| unicode(e, escaped)))
                })
                .collect();
            DataElement::new(tag, vr, Value::Sequence(DataSetSequence::from(items)))
        }
        Value::Primitive(PrimitiveValue::Str(text)) if escaped => {
            DataElement::new(tag, vr, PrimitiveValue::Str(without_escapes(text)))
        }
        Value::Primitive(PrimitiveValue::Strs(texts)) if escaped => {
            let texts: C<String> = texts.iter().map(|text| without_escapes(text)).collect();
            DataElement::new(tag, vr, PrimitiveValue::Strs(texts))
        }
        _ => element.clone(),
    }
}

/// The escape sequences of the character sets that DICOM allows, and dicom-rs' name for each.
///
/// Source: PS3.3 tables C.12-3 and C.12-4.
const ESCAPES: [(&str, &str); 18] = [
    ("\u{1b}(B", "ISO_IR 6"),
    ("\u{1b}(J", "ISO_IR 6"),
    ("\u{1b})I", "ISO_IR 13"),
    ("\u{1b}-A", "ISO_IR 100"),
    ("\u{1b}-B", "ISO_IR 101"),
    ("\u{1b}-C", "ISO_IR 109"),
    ("\u{1b}-D", "ISO_IR 110"),
    ("\u{1b}-F", "ISO_IR 126"),
    ("\u{1b}-G", "ISO_IR 127"),
    ("\u{1b}-H", "ISO_IR 138"),
    ("\u{1b}-L", "ISO_IR 144"),
    ("\u{1b}-M", "ISO_IR 148"),
    ("\u{1b}-T", "ISO_IR 166"),
    ("\u{1b}$)A", "GBK"),
    ("\u{1b}$)C", "ISO_IR 149"),
    ("\u{1b}$B", "ISO_IR 87"),
    ("\u{1b}$@", "ISO_IR 87"),
    ("\u{1b}$(D", "ISO_IR 87"),
];

/// Decodes a text whose bytes dicom-rs passed through as Latin-1, escapes and all.
///
/// A text that was decoded already (a character beyond Latin-1, or no escape in it) stays as it is, and
/// so does a part in a character set nobody knows.
fn without_escapes(text: &str) -> String {
    if !text.contains('\u{1b}') || text.chars().any(|c| u32::from(c) > 0xff) {
        return text.to_owned();
    }
    let mut decoded = String::new();
    for (at, part) in text.split('\u{1b}').enumerate() {
        if at == 0 {
            decoded.push_str(part);
            continue;
        }
        let part = format!("\u{1b}{part}");
        let known = ESCAPES.iter().find(|(escape, _)| part.starts_with(escape));
        let Some((escape, name)) = known else {
            decoded.push_str(&part[1..]);
            continue;
        };
        let latin = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<u8>>();
        // ISO 2022 JP has its own escapes: its decoder wants to see them.
        let bytes = latin(if *name == "ISO_IR 87" { &part } else { &part[escape.len()..] });
        match SpecificCharacterSet::from_code(name).and_then(|set| set.decode(&bytes).ok()) {
            Some(text) => decoded.push_str(&text),
            None => decoded.push_str(&part[escape.len()..]),
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of PS3.5 annexes H, I and K, as dicom-rs passes their bytes on.
    #[test]
    fn escapes_within_a_name_are_decoded() {
        let latin = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect::<String>();
        let yamada = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B";
        assert_eq!(without_escapes(&latin(yamada)), "Yamada^Tarou=山田^太郎=やまだ^たろう");
        let hong =
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf";
        assert_eq!(without_escapes(&latin(hong)), "Hong^Gildong=洪^吉洞=홍^길동");
        let zhang = b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=";
        assert_eq!(without_escapes(&latin(zhang)), "Zhang^XiaoDong=张^小东=");
    }

    #[test]
    fn text_without_escapes_is_left_alone() {
        assert_eq!(without_escapes("Äneas^Rüdiger"), "Äneas^Rüdiger");
        assert_eq!(without_escapes("王^小东"), "王^小东");
    }
}
