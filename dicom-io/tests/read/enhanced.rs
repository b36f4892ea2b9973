//! Enhanced multi-frame images: one file with what each of its frames says.

use dicom::dictionary_std::tags;

use crate::builder::{Image, RLE, plane, read, refused, slice, slices};
use crate::streams::lossless;

fn frame(place: f64) -> Image {
    let position = Image::empty().text(tags::IMAGE_POSITION_PATIENT, b"DS", &format!("-100\\-90\\{place}"));
    Image::empty().items(tags::PLANE_POSITION_SEQUENCE, vec![position])
}

/// The slices of the usual series as one Enhanced CT image, in the order `order`.
fn enhanced(order: &[usize]) -> Image {
    let orientation = Image::empty().text(tags::IMAGE_ORIENTATION_PATIENT, b"DS", "1\\0\\0\\0\\1\\0");
    let measures = Image::empty().text(tags::PIXEL_SPACING, b"DS", "0.7\\0.5");
    let scale = Image::empty()
        .text(tags::RESCALE_SLOPE, b"DS", "1")
        .text(tags::RESCALE_INTERCEPT, b"DS", "-1024")
        .text(tags::RESCALE_TYPE, b"LO", "HU");
    let shared = Image::empty()
        .items(tags::PLANE_ORIENTATION_SEQUENCE, vec![orientation])
        .items(tags::PIXEL_MEASURES_SEQUENCE, vec![measures])
        .items(tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE, vec![scale]);
    let frames = order.iter().map(|k| frame(-30.0 + 2.5 * *k as f64)).collect();
    let mut image = slice(0).text(tags::SOP_CLASS_UID, b"UI", "1.2.840.10008.5.1.4.1.1.2.1");
    for tag in [
        tags::IMAGE_POSITION_PATIENT,
        tags::IMAGE_ORIENTATION_PATIENT,
        tags::PIXEL_SPACING,
        tags::RESCALE_SLOPE,
        tags::RESCALE_INTERCEPT,
    ] {
        image = image.without(tag);
    }
    image
        .text(tags::NUMBER_OF_FRAMES, b"IS", &order.len().to_string())
        .items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE, vec![shared])
        .items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, frames)
        .pixels(order.iter().flat_map(|k| plane(*k)).collect())
}

#[test]
fn frames_make_the_same_volume_as_single_images() {
    let single = read(&slices(4)).unwrap();
    let reading = read(&[enhanced(&[2, 0, 3, 1])]).unwrap();
    assert_eq!(reading.volume, single.volume);
    let frames: Vec<Option<u32>> = reading.slices.iter().map(|slice| slice.frame).collect();
    assert_eq!(frames, [Some(2), Some(4), Some(1), Some(3)]);
}

#[test]
fn compressed_frames_are_found_one_to_a_fragment_or_by_their_offsets() {
    let single = read(&slices(3)).unwrap();
    for syntax in [RLE, "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"] {
        let streams = [2, 0, 1].map(|k| lossless(syntax, k).unwrap());
        let mut fragments = vec![vec![]];
        fragments.extend(streams.clone());
        let image = enhanced(&[2, 0, 1]).syntax(syntax);
        assert_eq!(read(&[image.clone().fragments(fragments)]).unwrap().volume, single.volume, "{syntax}");

        // Each frame in two fragments: every one of them has a header of eight bytes.
        let mut table = Vec::new();
        let mut fragments = Vec::new();
        let mut offset = 0u32;
        for stream in &streams {
            table.extend(offset.to_le_bytes());
            let (head, tail) = stream.split_at(stream.len() / 4 * 2);
            fragments.extend([head.to_vec(), tail.to_vec()]);
            offset += stream.len() as u32 + 16;
        }
        fragments.insert(0, table);
        assert_eq!(read(&[image.clone().fragments(fragments.clone())]).unwrap().volume, single.volume);

        fragments[0] = vec![];
        let message = refused(&[image.fragments(fragments)]);
        assert!(message.ends_with("it is not clear which fragment belongs to which frame"), "{message}");
    }
}

#[test]
fn a_missing_frame_and_a_missing_group_are_told() {
    assert!(refused(&[enhanced(&[0, 1, 3, 4])]).contains("1 slices are missing"));
    let image = enhanced(&[0, 1, 2]).text(tags::NUMBER_OF_FRAMES, b"IS", "4");
    assert!(refused(&[image]).contains("Number of Frames and the functional groups do not agree"));
}
