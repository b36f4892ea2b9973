//! Where key images draw what was measured, worked out by hand.

use dicom_io::{Geometry, Lps, Spacing, Uid, Volume};
use engine::key_image::{SLICE_PIXELS, render};
use engine::{Finding, Kind, Mask, Measurements, Organ, Site};
use image::RgbImage;
use ndarray::Array3;

/// Three slices of 40 rows and 60 columns, 0.5 x 0.7 mm: 30 mm wide and 28 mm high. All air but for
/// soft tissue in columns 20..30 and rows 10..15 of the middle slice.
fn volume() -> Volume<i16> {
    let tissue = |(k, j, i)| k == 1 && (10..15).contains(&j) && (20..30).contains(&i);
    let voxels = Array3::from_shape_fn((3, 40, 60), |at| if tissue(at) { 50 } else { -1000 });
    Volume { voxels, geometry: grid(Spacing { i: 0.5, j: 0.7, k: 2.0 }) }
}

fn grid(spacing: Spacing) -> Geometry {
    let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    Geometry::new(Lps::new(-15.0, -14.0, 5.0), axes, spacing).unwrap()
}

/// A liver lesion on `slice` whose outline is the box between two places (column, row).
fn finding(slice: usize, low: [f64; 2], high: [f64; 2]) -> Finding {
    let outline_ij = vec![low, [high[0], low[1]], high, [low[0], high[1]], low];
    let measurements = Measurements {
        centre_lps_mm: Lps::new(0.0, 0.0, 0.0),
        long_axis_mm: 5.0,
        short_axis_mm: 3.5,
        max_diameter_3d_mm: 5.0,
        volume_mm3: 35.0,
        voxels: 50,
        mean_hu: 50.0,
        min_hu: 50.0,
        max_hu: 50.0,
        sd_hu: 0.0,
        slice,
        long_axis_ij: [low, high],
        short_axis_ij: [[low[0], high[1]], [high[0], low[1]]],
        outline_ij,
    };
    Finding {
        number: 1,
        kind: Kind::LiverLesion,
        site: Site { organ: Organ::Liver, side: None },
        measurements,
        confidence: 0.5,
        model: "a".into(),
        sop_instance_uid: Uid::parse("1.2.3").unwrap(),
        tracking_uid: Uid::parse("1.2.4").unwrap(),
        density: None,
        solid_part: None,
        change: None,
        critical: false,
        mask: Mask { corner: [0; 3], voxels: Array3::from_elem((1, 1, 1), true) },
    }
}

/// The columns and rows of the pixels of the slice's part that satisfy `wanted`, smallest and largest.
fn bounds(image: &RgbImage, wanted: impl Fn([u8; 3]) -> bool) -> Option<[[u32; 2]; 2]> {
    let inside = image.enumerate_pixels().filter(|(x, y, _)| *x < SLICE_PIXELS && *y < SLICE_PIXELS);
    inside.filter(|(_, _, pixel)| wanted(pixel.0)).fold(None, |bounds, (x, y, _)| {
        let [low, high] = bounds.unwrap_or([[x, y]; 2]);
        Some([[low[0].min(x), low[1].min(y)], [high[0].max(x), high[1].max(y)]])
    })
}

fn yellow([red, green, blue]: [u8; 3]) -> bool {
    red > 200 && green > 160 && blue < 60
}

#[test]
fn the_outline_lies_where_the_lesion_is_with_square_pixels() {
    let image = render(&volume(), &finding(1, [19.5, 9.5], [29.5, 14.5]), "CT");
    // 30 mm fill 896 pixels: 29.867 pixels a millimetre both ways. The slice, 28 mm high, is 836.3
    // pixels high and leaves 29.9 free above. Column 19.5 is 20 columns or 10 mm from the left border,
    // column 29.5 15 mm; row 9.5 is 7 mm from the upper border, row 14.5 10.5 mm.
    let [low, high] = bounds(&image, yellow).unwrap();
    for (found, expected) in [(low[0], 298.7), (high[0], 448.0), (low[1], 238.9), (high[1], 343.5)] {
        // A line 1.5 pixels wide, and a pixel's number is half a pixel less than its centre.
        assert!((f64::from(found) + 0.5 - expected).abs() <= 1.5, "{found}, expected {expected}");
    }
    // Tissue is grey (50 HU is the centre of its window) inside of the outline, air black outside.
    assert_eq!(image.get_pixel(373, 291).0, [128; 3]);
    assert_eq!(image.get_pixel(373, 400).0, [0; 3]);
}

#[test]
fn the_axes_are_drawn_in_the_enlargement_and_not_over_the_slice() {
    let image = render(&volume(), &finding(1, [19.5, 9.5], [29.5, 14.5]), "CT");
    let blue = |[red, green, blue]: [u8; 3]| blue > 200 && red < 120 && green > 150;
    assert_eq!(bounds(&image, blue), None);
    // Both axes cross in the middle of the upper enlargement, 352 pixels wide, that begins at row 192.
    let around = (1068..1077).flat_map(|x| (364..373).map(move |y| (x, y)));
    assert!(around.map(|(x, y)| image.get_pixel(x, y).0).any(blue));
}

#[test]
fn pixels_that_are_not_square_are_not_shown_so() {
    // The same lesion on rows three times as far apart: the slice is now 84 mm high and 30 mm wide.
    let mut tall = volume();
    tall.geometry = grid(Spacing { i: 0.5, j: 2.1, k: 2.0 });
    let image = render(&tall, &finding(1, [19.5, 9.5], [29.5, 14.5]), "CT");
    let [low, high] = bounds(&image, yellow).unwrap();
    let (width, height) = (f64::from(high[0] - low[0]), f64::from(high[1] - low[1]));
    // 5 mm by 10.5 mm at 10.667 pixels a millimetre, and a line's width of 1.5.
    assert!((width - 53.3).abs() < 2.5 && (height - 112.0).abs() < 2.5, "{width} x {height}");
}

#[test]
fn all_that_can_be_measured_can_be_drawn() {
    let one_voxel = finding(0, [-0.5, -0.5], [0.5, 0.5]);
    let last_voxel = finding(2, [58.5, 38.5], [59.5, 39.5]);
    let whole_slice = finding(1, [-0.5, -0.5], [59.5, 39.5]);
    let a_point = finding(1, [7.0, 9.0], [7.0, 9.0]);
    let mut no_outline = finding(1, [7.0, 9.0], [8.0, 9.0]);
    no_outline.measurements.outline_ij.clear();
    let no_number = finding(1, [f64::NAN; 2], [f64::INFINITY; 2]);
    for finding in [one_voxel, last_voxel, whole_slice, a_point, no_outline, no_number] {
        for modality in ["CT", "MR", ""] {
            assert_eq!(render(&volume(), &finding, modality).dimensions(), (1248, 928));
        }
    }
    let voxel = Volume { voxels: Array3::zeros((1, 1, 1)), ..volume() };
    assert_eq!(render(&voxel, &finding(0, [-0.5; 2], [0.5; 2]), "MR").dimensions(), (1248, 928));
}

#[test]
fn every_picture_says_that_nobody_has_checked_it() {
    let image = render(&volume(), &finding(1, [19.5, 9.5], [29.5, 14.5]), "CT");
    let strip = image.enumerate_pixels().filter(|(_, y, _)| *y >= SLICE_PIXELS);
    let bright = strip.clone().filter(|(_, _, pixel)| pixel.0.iter().all(|v| *v > 200)).count();
    assert!(bright > 500, "{bright} bright pixels make no statement");
    assert!(strip.take(200).all(|(_, _, pixel)| pixel.0 == [120, 16, 24]));
}
