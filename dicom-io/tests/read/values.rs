//! From stored numbers to Hounsfield units, in every way of storing them.

use dicom::dictionary_std::tags;
use dicom_io::{AIR_HU, Warning};

use crate::builder::{
    BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, Image, RLE, plane, read, refused, slice, slices, stored, warned,
};
use crate::streams::{jpeg_baseline, jpeg_lossless, jpeg2000, lossless, rle};

/// Three slices, each changed by `change`, whose first pixels are `cells`; slice 1 begins with `hu`.
#[track_caller]
fn check(change: impl Fn(Image) -> Image, cells: &[u16], hu: &[i16]) {
    let images: Vec<Image> = (0..3)
        .map(|k| {
            let mut words = plane(k);
            words[..cells.len()].copy_from_slice(cells);
            change(slice(k).pixels(words))
        })
        .collect();
    let found: Vec<i16> =
        read(&images).unwrap().volume.voxels.iter().skip(30).take(hu.len()).copied().collect();
    assert_eq!(found, hu);
}

#[test]
fn every_uncompressed_transfer_syntax_gives_the_same_volume() {
    for syntax in [IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED] {
        let images: Vec<Image> = slices(3).into_iter().map(|image| image.syntax(syntax)).collect();
        let reading = read(&images).unwrap();
        for ((k, j, i), hu) in reading.volume.voxels.indexed_iter() {
            assert_eq!(i32::from(*hu), i32::from(stored(k, j, i)) - 1024, "{syntax}");
        }
        assert_eq!(reading.source.study_uid().as_str(), "1.2.3.1", "{syntax}");
    }
}

#[test]
fn bits_beside_the_stored_ones_are_cut_off() {
    check(|image| image, &[0xF000, 0xFFFF, 0x0001], &[-1024, 3071, -1023]);
    let high = |image: Image| image.word(tags::HIGH_BIT, 15);
    check(high, &[0x000F, 0x0010, 0xFFF0], &[-1024, -1023, 3071]);
}

#[test]
fn signed_numbers_keep_their_sign_in_any_number_of_bits() {
    let signed =
        |image: Image| image.word(tags::PIXEL_REPRESENTATION, 1).text(tags::RESCALE_INTERCEPT, b"DS", "0");
    check(signed, &[0x0FFF, 0x0800, 0xF800, 0x07FF], &[-1, -2048, -2048, 2047]);
    let wide = |image: Image| signed(image).word(tags::BITS_STORED, 16).word(tags::HIGH_BIT, 15);
    check(wide, &[0xFFFF, 0x8000, 0x7FFF], &[-1, -32768, 32767]);
}

#[test]
fn each_slice_is_scaled_by_its_own_slope_and_rounded() {
    let scaled = |image: Image| {
        image.text(tags::RESCALE_SLOPE, b"DS", "0.5").text(tags::RESCALE_INTERCEPT, b"DS", "-1000.25")
    };
    check(scaled, &[0, 1, 2, 4095], &[-1000, -1000, -999, 1047]);
    let mut images = slices(3);
    images[1] = slice(1).text(tags::RESCALE_SLOPE, b"DS", "2");
    let voxels = read(&images).unwrap().volume.voxels;
    assert_eq!([voxels[[0, 0, 0]], voxels[[1, 0, 0]], voxels[[2, 0, 0]]], [-24, 1176, 176]);
}

#[test]
fn padding_is_air_whatever_it_is_written_as() {
    let padded = |value| move |image: Image| image.word(tags::PIXEL_PADDING_VALUE, value);
    check(padded(5), &[5, 6, 4], &[AIR_HU, -1018, -1020]);
    // -2000 in a 12-bit image: only that very number is padding, not what its low bits would be.
    check(padded(0xF830), &[0xF830, 0x0830], &[AIR_HU, 1072]);
    let range = |image: Image| padded(5)(image).word(tags::PIXEL_PADDING_RANGE_LIMIT, 3);
    check(range, &[2, 3, 4, 5, 6], &[-1022, AIR_HU, AIR_HU, AIR_HU, -1018]);
    let signed = |image: Image| {
        let image = image.word(tags::PIXEL_REPRESENTATION, 1).word(tags::BITS_STORED, 16);
        padded(0xF830)(image).word(tags::HIGH_BIT, 15).text(tags::RESCALE_INTERCEPT, b"DS", "0")
    };
    check(signed, &[0xF830, 0xF831], &[AIR_HU, -1999]);
    let by_table = |image: Image| padded(5)(image).text(tags::RESCALE_SLOPE, b"DS", "2");
    check(by_table, &[5, 6], &[AIR_HU, -1012]);
}

#[test]
fn values_beyond_sixteen_bits_are_clamped_and_counted() {
    let wide = |image: Image| image.word(tags::BITS_STORED, 16).word(tags::HIGH_BIT, 15);
    check(wide, &[65535, 33791, 33792], &[32767, 32767, 32767]);
    for slope in ["1", "40"] {
        let image = |k| wide(slice(k)).text(tags::RESCALE_SLOPE, b"DS", slope).pixels(vec![65535; 30]);
        assert_eq!(warned(&[image(0), image(1), image(2)]), [Warning::Clamped { voxels: 90 }]);
    }
}

#[test]
fn eight_bits_are_read_as_such() {
    let image = |k: usize| {
        let image = slice(k).word(tags::BITS_ALLOCATED, 8).word(tags::BITS_STORED, 8).word(tags::HIGH_BIT, 7);
        image.pixels((0..15u16).map(|n| n + 256 * (n + k as u16)).collect())
    };
    let voxels = read(&[image(0), image(1), image(2)]).unwrap().volume.voxels;
    let found: Vec<i16> = voxels.iter().skip(60).take(6).copied().collect();
    assert_eq!(found, [-1024, -1022, -1023, -1021, -1022, -1020]);
}

#[test]
fn monochrome1_changes_nothing_but_says_so() {
    let images: Vec<Image> = slices(3)
        .into_iter()
        .map(|image| image.text(tags::PHOTOMETRIC_INTERPRETATION, b"CS", "MONOCHROME1"))
        .collect();
    let reading = read(&images).unwrap();
    assert_eq!(reading.warnings, [Warning::Monochrome1]);
    assert_eq!(reading.volume.voxels[[0, 0, 0]], -24);
}

#[test]
fn a_ct_that_does_not_say_its_modality_is_a_ct() {
    let images: Vec<Image> = slices(3).into_iter().map(|image| image.without(tags::MODALITY)).collect();
    assert_eq!(read(&images).unwrap().volume.voxels[[0, 0, 0]], -24);
}

#[test]
fn magnetic_resonance_is_read_as_stored() {
    let mr = |image: Image| {
        image.text(tags::MODALITY, b"CS", "MR").without(tags::RESCALE_SLOPE).without(tags::RESCALE_INTERCEPT)
    };
    let images: Vec<Image> = slices(3).into_iter().map(mr).collect();
    let reading = read(&images).unwrap();
    assert_eq!((reading.warnings.len(), reading.volume.voxels[[2, 5, 4]]), (0, 1254));
    let scaled = |image: Image| {
        mr(image).text(tags::RESCALE_SLOPE, b"DS", "0.001").text(tags::RESCALE_INTERCEPT, b"DS", "0")
    };
    let images: Vec<Image> = slices(3).into_iter().map(scaled).collect();
    assert_eq!(warned(&images), [Warning::StoredValues]);
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
fn a_slope_of_zero_is_no_slope() {
    let uid = "instance 1.2.3.101: ";
    check_refused(|i| i.text(tags::RESCALE_SLOPE, b"DS", "0"), &format!("{uid}Rescale Slope is zero"));
    check_refused(|i| i.text(tags::RESCALE_SLOPE, b"DS", "one"), "is no number");
    check_refused(|i| i.without(tags::RESCALE_INTERCEPT), "is no number");
    check_refused(
        |i| i.without(tags::RESCALE_INTERCEPT).without(tags::RESCALE_SLOPE),
        "a CT image without Rescale Slope and Intercept",
    );
    check_refused(|i| i.text(tags::RESCALE_TYPE, b"LO", "ED"), "its values are ED, not Hounsfield units");
}

#[test]
fn images_of_other_kinds_are_refused_by_name() {
    let rgb =
        |i: Image| i.word(tags::SAMPLES_PER_PIXEL, 3).text(tags::PHOTOMETRIC_INTERPRETATION, b"CS", "RGB");
    check_refused(rgb, "3 samples per pixel, RGB: not a grey image");
    check_refused(|i| i.word(tags::BITS_ALLOCATED, 32), "pixels of 32 bits, 12 of them stored, high bit 11");
    check_refused(|i| i.word(tags::BITS_STORED, 13), "pixels of 16 bits, 13 of them stored, high bit 11");
    check_refused(|i| i.word(tags::ROWS, 0), "an image without rows or columns");
    check_refused(|i| i.text(tags::NUMBER_OF_FRAMES, b"IS", "2"), "2 frames without functional groups");
    check_refused(|i| i.without(tags::PIXEL_DATA), "1.2.840.10008.5.1.4.1.1.2 has no pixels");
    let item = Image::empty().text(tags::LUT_EXPLANATION, b"LO", "x");
    check_refused(|i| i.items(tags::MODALITY_LUT_SEQUENCE, vec![item.clone()]), "a Modality LUT");
}

#[test]
fn too_few_and_too_many_pixels_are_told() {
    check_refused(
        |i| i.pixels(vec![0; 29]),
        "instance 1.2.3.101: 58 bytes of pixel data where 60 are needed",
    );
    check_refused(
        |i| i.pixels(vec![0; 31]),
        "instance 1.2.3.101: 62 bytes of pixel data where 60 are needed",
    );
}

#[test]
fn every_lossless_code_stream_gives_the_same_volume() {
    let expected = read(&slices(3)).unwrap().volume;
    for (syntax, warnings) in [
        (RLE, vec![]),
        ("1.2.840.10008.1.2.1.98", vec![]),
        ("1.2.840.10008.1.2.4.57", vec![]),
        ("1.2.840.10008.1.2.4.70", vec![]),
        ("1.2.840.10008.1.2.4.90", vec![]),
        ("1.2.840.10008.1.2.4.201", vec![]),
        ("1.2.840.10008.1.2.4.202", vec![]),
        // This transfer syntax does not promise that nothing was lost.
        ("1.2.840.10008.1.2.4.91", vec![Warning::LossyCompression]),
    ] {
        let image = |k: usize| {
            let stream = lossless(syntax, k).unwrap();
            // In two fragments, which belong together as there is one frame.
            let (head, tail) = stream.split_at(stream.len() / 4 * 2);
            slice(k).syntax(syntax).fragments(vec![vec![], head.to_vec(), tail.to_vec()])
        };
        let reading = read(&[image(0), image(1), image(2)]).unwrap();
        assert_eq!((reading.volume, reading.warnings), (expected.clone(), warnings), "{syntax}");
    }
}

#[test]
fn a_run_is_repeated_as_often_as_it_says() {
    let mut stream = rle(&plane(0))[..64].to_vec();
    stream[8..12].copy_from_slice(&66u32.to_le_bytes());
    stream.extend([257 - 30, 4, 257 - 30, 2].map(|n: i32| n as u8));
    let images = [slice(0), slice(1), slice(2).syntax(RLE).fragments(vec![vec![], stream])];
    assert_eq!(read(&images).unwrap().volume.voxels[[2, 5, 4]], 4 * 256 + 2 - 1024);
}

#[test]
fn eight_bits_of_baseline_jpeg_fit_any_grey_image() {
    let baseline =
        |image: Image| image.syntax("1.2.840.10008.1.2.4.50").fragments(vec![vec![], jpeg_baseline()]);
    let narrow = |image: Image| {
        baseline(image).word(tags::BITS_ALLOCATED, 8).word(tags::BITS_STORED, 8).word(tags::HIGH_BIT, 7)
    };
    for change in [&baseline as &dyn Fn(Image) -> Image, &narrow] {
        let reading = read(&slices(3).into_iter().map(change).collect::<Vec<_>>()).unwrap();
        assert!(reading.volume.voxels.iter().all(|hu| *hu == 100 - 1024));
        assert_eq!(reading.warnings, [Warning::LossyCompression]);
    }
}

#[test]
fn a_code_stream_of_another_size_is_not_decoded() {
    let short = |i: Image| i.syntax(RLE).fragments(vec![vec![], rle(&plane(0)[..20])]);
    check_refused(short, "instance 1.2.3.101: cannot decode RLE Lossless: an RLE segment ends early");
    let tall = jpeg_lossless(&[plane(0), plane(1)].concat(), 12);
    let tall = |i: Image| i.syntax("1.2.840.10008.1.2.4.70").fragments(vec![vec![], tall.clone()]);
    check_refused(
        tall,
        "the code stream holds 5 x 12 pixels of 1 components where the header has 5 x 6 of 1",
    );
    let wide = |i: Image| {
        let i = i.word(tags::COLUMNS, 3).word(tags::ROWS, 10);
        i.syntax("1.2.840.10008.1.2.4.90").fragments(vec![vec![], jpeg2000(0)])
    };
    let images: Vec<Image> = slices(3).into_iter().map(wide).collect();
    assert!(refused(&images).contains("holds 5 x 6 pixels of 1 components where the header has 3 x 10 of 1"));
}

#[test]
fn transfer_syntaxes_that_are_not_decoded_are_refused_by_name() {
    let coded = |syntax| move |i: Image| i.syntax(syntax).fragments(vec![vec![], vec![0; 8]]);
    check_refused(
        coded("1.2.840.10008.1.2.4.80"),
        "instance 1.2.3.101: transfer syntax JPEG-LS Lossless (1.2.840.10008.1.2.4.80) is not supported",
    );
    check_refused(coded("1.2.840.10008.1.2.4.110"), "JPEG XL Lossless");
    check_refused(coded("1.2.840.99"), "transfer syntax unknown (1.2.840.99)");
    check_refused(coded("1.2.840.10008.1.2.4.70"), "cannot decode JPEG Lossless SV1: no JPEG frame header");
    check_refused(coded("1.2.840.10008.1.2.4.90"), "cannot decode JPEG 2000 Lossless: no JPEG 2000 size");
    check_refused(coded(EXPLICIT), "fragments in an uncompressed transfer syntax");
    check_refused(|i| i.syntax(RLE), "no fragments in a compressed transfer syntax");
}
