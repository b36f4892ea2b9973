use std::path::{Path, PathBuf};

use datasets::lidc::{self, Error, Reading};
use dicom_io::{Geometry, Ijk, Lps, SliceRef, Spacing, Uid, scan};

/// Columns, rows and slices of 0.5 x 0.7 x 2 mm from (-100, -90, 30).
fn grid() -> Geometry {
    let axes = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    Geometry::new(Lps::new(-100.0, -90.0, 30.0), axes, Spacing { i: 0.5, j: 0.7, k: 2.0 }).unwrap()
}

fn read(xml: &str) -> Result<Reading, Error> {
    let uid = |text: &str| Uid::parse(text).unwrap();
    let slice = |k: usize| SliceRef {
        sop_class_uid: uid("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance_uid: uid(&format!("1.2.{k}")),
        frame: None,
    };
    let slices: Vec<SliceRef> = (0..10).map(slice).collect();
    lidc::read(xml.as_bytes(), &grid(), &slices)
}

fn message(sessions: &[String]) -> String {
    let sessions: String = sessions.iter().map(|s| format!("<readingSession>{s}</readingSession>")).collect();
    format!(
        r#"<?xml version="1.0"?><LidcReadMessage xmlns="http://www.nih.gov">{sessions}</LidcReadMessage>"#
    )
}

fn region(k: usize, included: &str, points: &[[u16; 2]]) -> String {
    let edges: String = points
        .iter()
        .map(|[x, y]| format!("<edgeMap><xCoord>{x}</xCoord><yCoord> {y} </yCoord></edgeMap>"))
        .collect();
    format!("<roi><imageSOP_UID>1.2.{k}</imageSOP_UID><inclusion>{included}</inclusion>{edges}</roi>")
}

fn nodule(malignancy: u8, regions: &str) -> String {
    format!(
        "<unblindedReadNodule><characteristics><malignancy>{malignancy}</malignancy></characteristics>{regions}\
         </unblindedReadNodule>"
    )
}

/// The outline of a rectangle, closed as LIDC's are.
fn rectangle([x0, y0]: [u16; 2], [x1, y1]: [u16; 2]) -> Vec<[u16; 2]> {
    vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
}

#[test]
fn an_outline_runs_outside_of_the_pixels_it_encloses() {
    // Columns 11..=13 and rows 21..=25 are inside: 15 pixels of 0.7 mm³ around (12, 23), on two slices.
    let outline = rectangle([10, 20], [14, 26]);
    let both = region(3, "TRUE", &outline) + &region(4, "TRUE", &outline);
    let reading = read(&message(&[nodule(4, &both)])).unwrap();
    let [found] = &reading.nodules[..] else { panic!("{reading:?}") };
    assert_eq!((found.readers, &found.malignancy[..]), (1, &[4][..]));
    assert!((found.volume_mm3 - 21.0).abs() < 1e-9, "{found:?}");
    assert!(found.centre_lps_mm.distance(grid().to_lps(Ijk::new(12.0, 23.0, 3.5))).0 < 1e-9, "{found:?}");
    // From corner to corner 2.0 by 4.2 mm, less a pixel of 0.6 mm.
    assert!((found.diameter_mm - (2.0_f64.hypot(4.2) - 0.6)).abs() < 1e-9, "{found:?}");
}

#[test]
fn a_hole_is_taken_out_with_its_outline() {
    // 9 x 9 = 81 pixels around (15, 25), less the 3 x 3 = 9 in and on the hole around (12, 25).
    let whole = region(3, "TRUE", &rectangle([10, 20], [20, 30]));
    let hole = region(3, "FALSE", &rectangle([11, 24], [13, 26]));
    let reading = read(&message(&[nodule(4, &(whole + &hole))])).unwrap();
    assert!((reading.nodules[0].volume_mm3 - 72.0 * 0.7).abs() < 1e-9, "{reading:?}");
    let column = (81.0 * 15.0 - 9.0 * 12.0) / 72.0;
    assert!(reading.nodules[0].centre_lps_mm.distance(grid().to_lps(Ijk::new(column, 25.0, 3.0))).0 < 1e-9);
}

#[test]
fn outlines_of_different_readers_that_meet_are_one_nodule() {
    let at = |x: u16, malignancy| nodule(malignancy, &region(3, "TRUE", &rectangle([x, 20], [x + 10, 30])));
    // Each has a radius of (hypot(5, 7) - 0.6) / 2 = 4.0 mm. Readers 1 and 2 are 3 mm apart and meet;
    // reader 2's second outline, 15 mm from the first, meets nothing; nor do two of one reader.
    let reading = read(&message(&[at(10, 3), at(16, 5) + &at(46, 1) + &at(50, 2), String::new()])).unwrap();
    let found: Vec<(usize, Vec<u8>)> =
        reading.nodules.iter().map(|n| (n.readers, n.malignancy.clone())).collect();
    assert_eq!(found, [(2, vec![3, 5]), (1, vec![1]), (1, vec![2])]);
    assert_eq!(reading.readers, 3);
    assert!(reading.nodules[0].centre_lps_mm.distance(grid().to_lps(Ijk::new(18.0, 25.0, 3.0))).0 < 1e-9);
}

#[test]
fn single_points_are_small_nodules_and_other_marks_are_kept_apart() {
    let small = format!("<unblindedReadNodule>{}</unblindedReadNodule>", region(5, "TRUE", &[[7, 8]]));
    let other = "<nonNodule><imageSOP_UID>1.2.6</imageSOP_UID>\
                 <locus><xCoord>9</xCoord><yCoord>4</yCoord></locus></nonNodule>";
    let reading = read(&message(&[small + other])).unwrap();
    assert_eq!(reading.nodules, []);
    assert_eq!(reading.small_nodules, [grid().to_lps(Ijk::new(7.0, 8.0, 5.0))]);
    assert_eq!(reading.non_nodules, [grid().to_lps(Ijk::new(9.0, 4.0, 6.0))]);
}

#[test]
fn nodules_of_too_few_readers_and_other_marks_are_excused() {
    let large = nodule(5, &region(3, "TRUE", &rectangle([10, 20], [20, 30])));
    let lone = nodule(2, &region(8, "TRUE", &rectangle([60, 20], [70, 30])));
    let small = format!("<unblindedReadNodule>{}</unblindedReadNodule>", region(5, "TRUE", &[[7, 8]]));
    let truth = read(&message(&[large.clone() + &lone, large + &small])).unwrap().truth(2);
    let ids = |lesions: &[datasets::TrueLesion]| lesions.iter().map(|l| l.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&truth.lesions), ["nodule 1"]);
    assert_eq!(ids(&truth.excused), ["nodule 2", "small nodule 1"]);
    assert_eq!(truth.lesions[0].note, "outlined by 2 of 2 readers, malignancy 5 5");
}

#[test]
fn a_reading_of_another_series_is_told_apart_from_a_damaged_file() {
    let whole = message(&[nodule(4, &region(3, "TRUE", &rectangle([10, 20], [14, 26])))]);
    let other = Uid::parse("1.2.77").unwrap();
    assert_eq!(
        read(&whole.replace("1.2.3<", "1.2.77<")),
        Err(Error::OtherSeries { sop_instance_uid: other })
    );
    for damaged in [
        String::new(),
        "not xml".to_owned(),
        "<IdriReadMessage/>".to_owned(),
        message(&[]),
        message(&[nodule(4, "")]),
        whole.replace("<xCoord>10<", "<xCoord>1e9<"),
        whole.replace("<xCoord>10<", "<xCoord>-1<"),
        whole.replace("1.2.3<", "../1<"),
        whole.replace("<?xml version=\"1.0\"?>", "<!DOCTYPE x [<!ENTITY a \"b\">]>"),
    ] {
        assert!(matches!(read(&damaged), Err(Error::NotAReading(_))), "{damaged}");
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let whole = message(&[nodule(4, &region(3, "TRUE", &rectangle([10, 20], [14, 26])))]);
    for length in 0..whole.len() {
        assert!(matches!(read(&whole[..length]), Err(Error::NotAReading(_))), "cut at {length}");
    }
}

#[test]
fn elements_nested_a_million_deep_do_no_harm() {
    let deep =
        format!("<LidcReadMessage>{}{}</LidcReadMessage>", "<a>".repeat(1_000_000), "</a>".repeat(1_000_000));
    assert!(matches!(read(&deep), Err(Error::NotAReading(_))));
}

/// The folder of LIDC-IDRI-0001's CT series, or `None` where the data is not installed and not required.
fn lidc_idri_0001(test: &str) -> Option<PathBuf> {
    let data = std::env::var_os("FOCI_DATA")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/foci-data")))?;
    let folder = data
        .join("lidc/LIDC-IDRI-0001/1.3.6.1.4.1.14519.5.2.1.6279.6001.298806137288633453246975630178")
        .join("1.3.6.1.4.1.14519.5.2.1.6279.6001.179049373636438705059720603192");
    if folder.join("069.xml").exists() {
        return Some(folder);
    }
    let required = std::env::var("FOCI_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|what| what == "data"),
        "{test} needs LIDC-IDRI-0001 in the data folder"
    );
    // To the handle itself: what a passing test prints with a macro is held back.
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("skipped: {test}: LIDC-IDRI-0001 is not in the data folder\n"),
    );
    None
}

#[test]
fn four_of_four_readers_outlined_one_nodule_of_lidc_idri_0001() {
    let test = "four_of_four_readers_outlined_one_nodule_of_lidc_idri_0001";
    let Some(folder) = lidc_idri_0001(test) else { return };
    let found = scan(std::slice::from_ref(&folder)).unwrap();
    let series = found.studies[0].series[0].read().unwrap();
    let xml = std::fs::read(folder.join("069.xml")).unwrap();
    let reading = lidc::read(&xml, &series.volume.geometry, &series.slices).unwrap();
    let [nodule] = &reading.nodules[..] else { panic!("{reading:?}") };
    assert_eq!((reading.readers, nodule.readers), (4, 4));
    assert_eq!(nodule.malignancy, [5, 5, 5, 4]);
    // The published place is the middle of the box around the outlines, not the centre of gravity.
    assert!(nodule.centre_lps_mm.distance(Lps::new(57.2, 84.9, -115.6)).0 < 2.5, "{nodule:?}");
    assert!((nodule.diameter_mm - 33.0).abs() < 2.0, "{nodule:?}");
    let truth = reading.truth(3);
    assert_eq!(
        (truth.lesions.len(), truth.excused.len()),
        (1, reading.small_nodules.len() + reading.non_nodules.len())
    );
}
