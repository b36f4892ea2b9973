//! Finding series among files of all kinds.

use std::path::Path;

use dicom::dictionary_std::tags;
use dicom_io::{SkipReason, scan};

use crate::builder::{Image, only_series, slice, slices, write, write_file};

fn reasons(folder: &Path) -> Vec<SkipReason> {
    let mut reasons: Vec<SkipReason> =
        scan(&[folder.to_owned()]).unwrap().skipped.iter().map(|skipped| skipped.reason).collect();
    reasons.sort();
    reasons
}

#[test]
fn files_are_found_by_what_they_are_wherever_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let nested = folder.path().join("a/b.dcm/c");
    std::fs::create_dir_all(&nested).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "some words\n").unwrap();
    std::fs::write(folder.path().join("IM0"), slice(0).bytes()).unwrap();
    std::fs::write(nested.join("1.jpeg"), slice(1).bytes()).unwrap();
    std::fs::write(nested.join(".hidden"), slice(2).bytes()).unwrap();
    std::fs::write(nested.join("empty"), "").unwrap();
    assert_eq!(only_series(folder.path()).read().unwrap().slices.len(), 3);
    assert_eq!(reasons(folder.path()), [SkipReason::NotDicom, SkipReason::NotDicom]);
    let file = scan(&[nested.join("1.jpeg")]).unwrap();
    assert_eq!(file.studies[0].series[0].images(), 1);
}

#[test]
fn a_dicomdir_is_an_index() {
    let folder = write(&slices(3));
    let record = Image::empty().text(tags::DIRECTORY_RECORD_TYPE, b"CS", "PATIENT");
    let mut index = Image::empty().items(tags::DIRECTORY_RECORD_SEQUENCE, vec![record]);
    index.elements.insert(
        tags::OFFSET_OF_THE_FIRST_DIRECTORY_RECORD_OF_THE_ROOT_DIRECTORY_ENTITY,
        (*b"UL", crate::builder::Value::Words(vec![0x174, 0])),
    );
    std::fs::write(folder.path().join("DICOMDIR"), index.bytes()).unwrap();
    assert_eq!(reasons(folder.path()), [SkipReason::Index]);
}

#[test]
#[cfg(unix)]
fn symbolic_links_in_a_circle_lead_to_each_file_once() {
    let folder = write(&slices(3));
    std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("nowhere"), folder.path().join("gone")).unwrap();
    let found = scan(&[folder.path().to_owned(), folder.path().join("again")]).unwrap();
    assert_eq!(found.studies[0].series[0].instances.len(), 3);
    assert_eq!(reasons(folder.path()), [SkipReason::Unreadable]);
}

#[test]
fn a_place_that_is_not_there_is_an_error_and_an_empty_folder_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("Doe, Jane");
    let message = scan(&[missing]).unwrap_err().to_string();
    assert!(message.starts_with("cannot read the given place: ") && !message.contains("Doe"), "{message}");
    assert!(scan(&[folder.path().to_owned()]).unwrap().studies.is_empty());
}

#[test]
fn data_sets_without_preamble_or_meta_information_are_read() {
    for syntax in ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"] {
        let folder = tempfile::tempdir().unwrap();
        for (n, image) in slices(3).into_iter().enumerate() {
            write_file(folder.path(), n, &image.syntax(syntax).data_set());
        }
        assert_eq!(only_series(folder.path()).read().unwrap().volume.voxels[[2, 0, 0]], 176, "{syntax}");
    }
}

#[test]
fn a_file_that_is_cut_off_spoils_its_series_or_is_skipped() {
    let bytes = slice(2).bytes();
    for (length, message) in [
        (bytes.len() - 1, "instance 1.2.3.102: 59 bytes of pixel data where 60 are needed"),
        (bytes.len() - 100, "instance 1.2.3.102: the file is cut off within its header"),
    ] {
        let folder = write(&slices(2));
        write_file(folder.path(), 2, &bytes[..length]);
        assert_eq!(only_series(folder.path()).read().unwrap_err().to_string(), message);
    }
    let folder = write(&slices(3));
    write_file(folder.path(), 3, &bytes[..250]);
    assert_eq!(reasons(folder.path()), [SkipReason::Truncated]);
    let folder = write(&slices(3));
    write_file(folder.path(), 3, &slice(3).without(tags::SERIES_INSTANCE_UID).bytes());
    assert_eq!(reasons(folder.path()), [SkipReason::NoUid]);
}

#[test]
fn studies_and_series_have_an_order_of_their_own() {
    let other = |study: &str, series: &str, number: &str| {
        slice(0)
            .text(tags::STUDY_INSTANCE_UID, b"UI", study)
            .text(tags::SERIES_INSTANCE_UID, b"UI", series)
            .text(tags::SERIES_NUMBER, b"IS", number)
    };
    let images = [other("1.9", "1.2", "7"), other("1.5", "1.8", "10"), other("1.5", "1.9", "9")];
    let folder = write(&images);
    let found = scan(&[folder.path().to_owned()]).unwrap();
    let order: Vec<(&str, &str)> = found
        .studies
        .iter()
        .flat_map(|study| study.series.iter().map(|series| (study.uid.as_str(), series.uid.as_str())))
        .collect();
    assert_eq!(order, [("1.5", "1.9"), ("1.5", "1.8"), ("1.9", "1.2")]);
}

#[test]
fn a_series_says_what_choosing_needs() {
    let image = |k: usize| {
        slice(k)
            .text(tags::SPECIFIC_CHARACTER_SET, b"CS", "ISO_IR 192")
            .text(tags::SERIES_DESCRIPTION, b"LO", "胸部 1mm")
            .text(tags::BODY_PART_EXAMINED, b"CS", "CHEST")
            .text(tags::CONVOLUTION_KERNEL, b"SH", "B70f")
            .text(tags::CONTRAST_BOLUS_AGENT, b"LO", "APPLIED")
    };
    let folder = write(&[image(0), image(1), image(2)]);
    let series = only_series(folder.path());
    assert_eq!((series.modality.as_str(), series.number, series.images()), ("CT", Some(4), 3));
    assert_eq!(series.image_type, ["ORIGINAL", "PRIMARY", "AXIAL"]);
    assert_eq!(series.body_part.as_deref(), Some("CHEST"));
    assert_eq!(series.kernel.as_deref(), Some("B70f"));
    assert!(series.contrast);
    assert_eq!(series.description().as_deref(), Some("胸部 1mm"));
    assert!(!format!("{series:?}").contains("胸部"));
}

#[test]
fn a_file_that_changes_after_the_scan_is_not_read() {
    let folder = write(&slices(3));
    let series = only_series(folder.path());
    std::fs::write(series.instances[1].path(), slice(7).bytes()).unwrap();
    let message = series.read().unwrap_err().to_string();
    assert_eq!(message, "instance 1.2.3.101: the file was changed or removed while it was being read");
}
