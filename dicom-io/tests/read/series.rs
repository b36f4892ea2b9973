//! Which series are volumes, where their voxels lie, and why the others are refused.

use dicom::dictionary_std::tags;
use dicom_io::{Lps, Warning};

use crate::builder::{Image, at, only_series, plane, read, refused, slice, slices, stored, warned, write};

/// Puts an image at `position` with the direction cosines `orientation`.
fn turned(image: Image, orientation: &str, position: &str) -> Image {
    image.text(tags::IMAGE_ORIENTATION_PATIENT, b"DS", orientation).text(
        tags::IMAGE_POSITION_PATIENT,
        b"DS",
        position,
    )
}

#[test]
fn every_voxel_lies_where_its_slice_says_and_has_its_value() {
    let reading = read(&slices(4)).unwrap();
    assert_eq!(reading.warnings, []);
    let volume = &reading.volume;
    assert_eq!(volume.shape(), [4, 6, 5]);
    assert_eq!(volume.geometry.origin(), Lps::new(-100.0, -90.0, -30.0));
    // Pixel Spacing names rows first; the distance of slices is not Slice Thickness, which says 9.
    assert_eq!(volume.geometry.spacing().to_array(), [0.5, 0.7, 2.5]);
    for ((k, j, i), hu) in volume.voxels.indexed_iter() {
        assert_eq!(i32::from(*hu), i32::from(stored(k, j, i)) - 1024);
    }
    for (k, slice) in reading.slices.iter().enumerate() {
        assert_eq!(slice.sop_instance_uid.as_str(), format!("1.2.3.{}", 100 + k));
        assert_eq!(slice.sop_class_uid.as_str(), "1.2.840.10008.5.1.4.1.1.2");
        assert_eq!(slice.frame, None);
    }
}

#[test]
fn slices_are_sorted_along_row_cross_column_in_any_orientation() {
    // Rows run to the back, columns run down: the normal points to the right, from +L to -L.
    let image =
        |k: usize| turned(slice(k), "0\\1\\0\\0\\0\\-1", &format!("{}\\-90\\30", 40.0 + 3.0 * k as f64));
    let reading = read(&[image(0), image(1), image(2)]).unwrap();
    assert_eq!(reading.volume.geometry.axes(), [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]]);
    assert_eq!(reading.volume.geometry.origin(), Lps::new(46.0, -90.0, 30.0));
    assert_eq!(reading.slices[0].sop_instance_uid.as_str(), "1.2.3.102");
    assert_eq!(i32::from(reading.volume.voxels[[0, 0, 0]]), i32::from(stored(2, 0, 0)) - 1024);
}

#[test]
fn an_oblique_stack_has_the_spacing_along_its_normal() {
    // Turned by the angle of a 3-4-5 triangle about the L axis.
    let place = |k: usize| format!("-100\\{}\\{}", -90.0 - 0.6 * 5.0 * k as f64, 0.8 * 5.0 * k as f64);
    let image = |k: usize| turned(slice(k), "1\\0\\0\\0\\0.8\\0.6", &place(k));
    let reading = read(&[image(0), image(1), image(2)]).unwrap();
    assert!((reading.volume.geometry.spacing().k - 5.0).abs() < 1e-9);
    assert_eq!(reading.volume.geometry.axes()[2], [0.0, -0.6, 0.8]);
}

#[test]
fn what_the_header_says_about_the_patient_stays_in_the_source() {
    let folder = write(&slices(3));
    let series = only_series(folder.path());
    let reading = series.read().unwrap();
    let source = &reading.source;
    assert_eq!(source.study_uid().as_str(), "1.2.3.1");
    assert_eq!(source.series_uid().as_str(), "1.2.3.2");
    assert_eq!(source.frame_of_reference_uid().unwrap().as_str(), "1.2.3.3");
    assert_eq!(source.modality(), "CT");
    let printed = format!("{series:?} {:?} {:?} {source:?}", series.instances, reading.slices);
    let folder = folder.path().to_string_lossy().into_owned();
    for private in ["Doe", "P1", &folder] {
        assert!(!printed.contains(private), "{private}");
    }
}

#[test]
fn missing_slices_are_counted_and_placed() {
    let mut images = slices(9);
    images.drain(4..6);
    assert_eq!(
        refused(&images),
        "series 1.2.3.2: 2 slices are missing: a gap of 7.50 mm where slices lie 2.50 mm apart, \
         7.50 mm from the first slice"
    );
    // The last but one, where the mean distance is nearly right.
    let mut images = slices(30);
    images.remove(28);
    assert!(refused(&images).contains(": 1 slices are missing"));
}

#[test]
fn distances_that_are_no_multiples_are_uneven() {
    let place = [0.0, 2.5, 5.0, 8.7, 11.2];
    let images: Vec<Image> = place.iter().enumerate().map(|(k, z)| at(slice(k), *z)).collect();
    assert_eq!(refused(&images), "series 1.2.3.2: slices lie between 2.50 mm and 3.70 mm apart");
}

#[test]
fn positions_rounded_to_a_tenth_are_used_with_a_warning() {
    let place = |k: usize| (6.25 * k as f64).round() / 10.0;
    let images: Vec<Image> = (0..17).map(|k| at(slice(k), place(k))).collect();
    let warnings = warned(&images);
    let [Warning::SlightlyUneven { worst_mm, spacing_mm }] = warnings.as_slice() else {
        panic!("{warnings:?}")
    };
    assert!((0.03..0.06).contains(worst_mm) && (spacing_mm - 0.625).abs() < 1e-9, "{worst_mm} {spacing_mm}");
}

#[test]
fn a_tilted_gantry_is_told_with_its_angle() {
    // 20 degrees, as the table moves along S while slices lean forward.
    let (sin, cos) = 20f64.to_radians().sin_cos();
    let orientation = format!("1\\0\\0\\0\\{cos:.6}\\{sin:.6}");
    let image = |k: usize| turned(slice(k), &orientation, &format!("-100\\-90\\{}", 5.0 * k as f64));
    let images: Vec<Image> = (0..6).map(image).collect();
    assert_eq!(refused(&images), "series 1.2.3.2: the gantry is tilted by 20.0 degrees");
}

#[test]
fn slices_that_jump_sideways_are_no_tilt() {
    let mut images = slices(6);
    images[3] = turned(slice(3), "1\\0\\0\\0\\1\\0", "-98\\-90\\-22.5");
    assert_eq!(
        refused(&images),
        "series 1.2.3.2: slices are shifted against each other by up to 2.00 mm within their plane"
    );
}

#[test]
fn a_localizer_is_left_out_by_its_name_or_because_it_stands_across() {
    let across = "0\\1\\0\\0\\0\\-1";
    let scout = turned(slice(50), across, "0\\-200\\200").word(tags::ROWS, 3).pixels(vec![7; 15]);
    let named = scout.clone().text(tags::IMAGE_TYPE, b"CS", "ORIGINAL\\PRIMARY\\LOCALIZER");
    let mut images = slices(3);
    images.push(named);
    assert_eq!(warned(&images), [Warning::LocalizersLeftOut { images: 1 }]);

    let mut images = slices(12);
    images.push(scout.clone());
    assert_eq!(warned(&images), [Warning::LocalizersLeftOut { images: 1 }]);

    let mut images = slices(3);
    images.push(scout);
    assert_eq!(refused(&images), "series 1.2.3.2: its images lie in 2 different orientations");
}

#[test]
fn copies_of_a_file_are_left_out_unless_they_differ() {
    let mut images = slices(3);
    images.push(slice(1));
    assert_eq!(warned(&images), [Warning::CopiesLeftOut { images: 1 }]);
    images[3] = slice(1).pixels(plane(2));
    assert_eq!(
        refused(&images),
        "series 1.2.3.2: 1 images lie where another one lies and differ from it in pixels"
    );
    images[3] = at(slice(1), 99.0);
    assert_eq!(refused(&images), "instance 1.2.3.101: two files with this UID differ");
}

#[test]
fn two_images_at_one_place_must_be_the_same() {
    let other = |image: Image| image.text(tags::SOP_INSTANCE_UID, b"UI", "1.2.3.999");
    let mut images = slices(3);
    images.push(other(slice(1)));
    assert_eq!(warned(&images), [Warning::RepeatedSlices { images: 1 }]);
    images[3] = other(slice(1).pixels(plane(0)));
    assert!(refused(&images).ends_with("1 images lie where another one lies and differ from it in pixels"));
    images[3] = other(slice(1).text(tags::ECHO_TIME, b"DS", "80"));
    assert!(refused(&images).ends_with("differ from it in Echo Time"));
}

#[test]
fn two_acquisitions_in_one_series_are_two_volumes() {
    let again = |k: usize| {
        slice(k)
            .text(tags::SOP_INSTANCE_UID, b"UI", &format!("1.2.3.{}", 200 + k))
            .text(tags::ACQUISITION_NUMBER, b"IS", "2")
            .pixels(plane(k + 9))
    };
    let message = "series 1.2.3.2: holds 2 volumes, told apart by Acquisition Number";
    let mut images = slices(4);
    images.extend((0..4).map(again));
    assert_eq!(refused(&images), message);
    // One above the other with a space between.
    let mut images = slices(4);
    images.extend((0..4).map(|k| at(again(k), 61.0 + 2.5 * k as f64)));
    assert_eq!(refused(&images), message);
}

#[test]
fn a_volume_needs_three_slices() {
    assert_eq!(refused(&slices(1)), "series 1.2.3.2: 1 slices where at least 3 are needed");
    assert_eq!(refused(&slices(2)), "series 1.2.3.2: 2 slices where at least 3 are needed");
}

/// Three slices are refused with `message` once `change` was made to one of them.
#[track_caller]
fn check_refused(change: impl Fn(Image) -> Image, message: &str) {
    let mut images = slices(3);
    images[1] = change(images[1].clone());
    let found = refused(&images);
    assert!(found.contains(message), "{found}");
}

#[test]
fn images_that_do_not_say_where_they_lie_are_refused() {
    check_refused(
        |image| image.without(tags::IMAGE_POSITION_PATIENT),
        "1 images have no usable Image Position (Patient)",
    );
    check_refused(
        |image| image.without(tags::IMAGE_ORIENTATION_PATIENT),
        "1 images have no usable Image Orientation (Patient)",
    );
    check_refused(
        |image| image.text(tags::IMAGE_ORIENTATION_PATIENT, b"DS", "1\\0\\0\\0.5\\1\\0"),
        "1 images have no usable Image Orientation (Patient)",
    );
    check_refused(|image| image.text(tags::PIXEL_SPACING, b"DS", "0\\0.5"), "no usable Pixel Spacing");
    check_refused(|image| image.text(tags::PIXEL_SPACING, b"DS", "0.7"), "no usable Pixel Spacing");
    check_refused(
        |image| image.text(tags::IMAGE_POSITION_PATIENT, b"DS", "-100\\nan\\-27.5"),
        "no usable Image Position (Patient)",
    );
}

#[test]
fn what_a_volume_has_one_of_must_be_the_same_in_all_images() {
    check_refused(|image| image.text(tags::PATIENT_ID, b"LO", "P2"), "2 different values of Patient ID");
    check_refused(|image| image.text(tags::MODALITY, b"CS", "PT"), "2 different values of Modality");
    check_refused(|image| image.text(tags::PIXEL_SPACING, b"DS", "0.7\\0.51"), "2 different values of Pixel");
    check_refused(
        |image| image.text(tags::FRAME_OF_REFERENCE_UID, b"UI", "1.2.3.4"),
        "2 different values of Frame of Reference UID",
    );
    check_refused(
        |image| image.word(tags::ROWS, 5).word(tags::COLUMNS, 6),
        "2 different values of Rows and Columns",
    );
}

#[test]
fn a_mixture_of_orientations_is_refused() {
    let mut images = slices(4);
    images.extend((5..8).map(|k| turned(slice(k), "1\\0\\0\\0\\0\\-1", &format!("-100\\{k}\\0"))));
    assert_eq!(refused(&images), "series 1.2.3.2: its images lie in 2 different orientations");
}
