//! A DICOM file as it goes over the network: the data set without what only files have.
//!
//! Source: DICOM PS3.10 7.1.

use std::borrow::Cow;

use dicom::encoding::TransferSyntaxIndex;
use dicom::object::{FileMetaTable, from_reader};
use dicom::transfer_syntax::TransferSyntaxRegistry;

use super::{Error, classes};
use crate::uid::Uid;

/// Preamble and prefix.
const PREAMBLE: usize = 128;

/// The prefix, and the element that says how long the rest of the file meta information is.
const GROUP_LENGTH: usize = 4 + 12;

/// The data set of the DICOM file `file`, in `transfer_syntax`: the very bytes, or for one that only
/// orders them otherwise, the same elements. The same file gives the same bytes each time.
///
/// # Errors
///
/// If it is no DICOM file, or not to be had in this transfer syntax without changing the image.
pub fn data_set<'a>(file: &'a [u8], transfer_syntax: &Uid) -> Result<Cow<'a, [u8]>, Error> {
    let meta = meta(file)?;
    let written = Uid::parse(meta.transfer_syntax()).map_err(|_| Error::Malformed("no transfer syntax"))?;
    if written == *transfer_syntax {
        let start = PREAMBLE + GROUP_LENGTH + meta.information_group_length as usize;
        return file.get(start..).map(Cow::Borrowed).ok_or(Error::Malformed("a cut off file"));
    }
    if !classes::is_plain(&written) || !classes::is_plain(transfer_syntax) {
        return Err(Error::Malformed("an object that cannot be had in this transfer syntax"));
    }
    let syntax = TransferSyntaxRegistry.get(transfer_syntax.as_str()).expect("every plain one is known");
    let object = from_reader(file).map_err(|_| Error::Malformed("no DICOM file"))?;
    let mut bytes = Vec::new();
    object
        .write_dataset_with_ts(&mut bytes, syntax)
        .map_err(|_| Error::Malformed("it cannot be rewritten"))?;
    Ok(Cow::Owned(bytes))
}

/// SOP Instance UID of the object in the DICOM file `file`.
///
/// # Errors
///
/// If it is no DICOM file.
pub fn instance_uid(file: &[u8]) -> Result<Uid, Error> {
    Uid::parse(meta(file)?.media_storage_sop_instance_uid())
        .map_err(|_| Error::Malformed("no SOP Instance UID"))
}

fn meta(file: &[u8]) -> Result<FileMetaTable, Error> {
    let meta = file.get(PREAMBLE..).ok_or(Error::Malformed("no DICOM file"))?;
    FileMetaTable::from_reader(meta).map_err(|_| Error::Malformed("no DICOM file"))
}

#[cfg(test)]
mod tests {
    use dicom::core::{DataElement, VR};
    use dicom::dictionary_std::{tags, uids};
    use dicom::object::{FileMetaTableBuilder, InMemDicomObject};

    use super::*;

    fn file() -> Vec<u8> {
        let object = InMemDicomObject::from_element_iter([
            DataElement::new(tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE),
            DataElement::new(tags::MODALITY, VR::CS, "CT"),
        ]);
        let meta = FileMetaTableBuilder::new()
            .transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN)
            .media_storage_sop_class_uid(uids::CT_IMAGE_STORAGE)
            .media_storage_sop_instance_uid("1.2.3")
            .build()
            .unwrap();
        let mut bytes = Vec::new();
        object.with_exact_meta(meta).write_all(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_data_set_begins_after_the_meta_information_and_can_be_had_without_vrs() {
        let file = file();
        let explicit = Uid::parse(classes::EXPLICIT_LE).unwrap();
        let bytes = data_set(&file, &explicit).unwrap();
        assert!(matches!(bytes, Cow::Borrowed(_)));
        assert_eq!(instance_uid(&file).unwrap().as_str(), "1.2.3");
        assert_eq!(bytes[..8], *b"\x08\x00\x16\x00UI\x1a\x00");
        assert!(bytes.ends_with(b"\x08\x00\x60\x00CS\x02\x00CT"));

        let implicit = data_set(&file, &Uid::parse(classes::IMPLICIT_LE).unwrap()).unwrap();
        assert_eq!(implicit[..8], *b"\x08\x00\x16\x00\x1a\x00\x00\x00");
        assert!(implicit.ends_with(b"\x08\x00\x60\x00\x02\x00\x00\x00CT"));
    }

    #[test]
    fn what_is_no_file_or_would_have_to_be_compressed_is_refused() {
        let jpeg = Uid::parse(uids::JPEG_BASELINE8_BIT).unwrap();
        assert!(data_set(&file(), &jpeg).is_err());
        let explicit = Uid::parse(classes::EXPLICIT_LE).unwrap();
        for wrong in [&b""[..], b"DICM", &file()[..150], &[0; 4000]] {
            assert!(data_set(wrong, &explicit).is_err());
        }
    }
}
