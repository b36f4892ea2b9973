//! Real series, where they are at hand.

use std::path::PathBuf;

use dicom_io::{Error, Lps, Reading, Series, scan};

/// The folder `name` of the data, unless it is missing and may be.
fn data(test: &str, name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("FOCI_DATA")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/foci-data")))?;
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("FOCI_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|part| part == "data"),
        "FOCI_REQUIRE names data, but {name} is not there"
    );
    // To the handle itself: what a passing test prints with a macro is held back.
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("skipped: {test}: no {name} among the data\n"),
    );
    None
}

fn series(folder: PathBuf) -> Series {
    let mut scan = scan(&[folder]).unwrap();
    assert_eq!(scan.studies.len(), 1);
    assert_eq!(scan.studies[0].series.len(), 1);
    scan.studies.remove(0).series.remove(0)
}

fn sum(reading: &Reading) -> i64 {
    reading.volume.voxels.iter().map(|v| i64::from(*v)).sum()
}

#[test]
fn a_chest_ct_is_read_whole() {
    let Some(folder) = data("a_chest_ct_is_read_whole", "lidc/LIDC-IDRI-0001") else { return };
    let reading = series(folder).read().unwrap();
    assert_eq!(reading.volume.shape(), [133, 512, 512]);
    assert_eq!(reading.warnings, []);
    let geometry = reading.volume.geometry;
    assert_eq!(geometry.spacing().to_array(), [0.703125, 0.703125, 2.5]);
    assert_eq!(geometry.origin(), Lps::new(-166.0, -171.699997, -340.0));
    assert_eq!(geometry.axes(), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
    // As SimpleITK 2.5.7 has it, voxel by voxel.
    assert_eq!(sum(&reading), -28_831_525_777);
}

#[test]
fn a_siemens_ct_is_read_whole() {
    let Some(folder) = data("a_siemens_ct_is_read_whole", "cptac/C3N-00247") else { return };
    let reading = series(folder).read().unwrap();
    assert_eq!(reading.volume.shape(), [99, 512, 512]);
    assert_eq!(reading.warnings, []);
    let geometry = reading.volume.geometry;
    assert_eq!(geometry.spacing().to_array(), [0.564453125, 0.564453125, 3.0]);
    assert_eq!(geometry.origin(), Lps::new(-143.2177734375, -287.2177734375, -288.0));
    assert_eq!(sum(&reading), -9_205_897_616);
}

#[test]
fn a_tilted_head_ct_is_refused_for_both_its_reasons() {
    let Some(folder) = data("a_tilted_head_ct_is_refused_for_both_its_reasons", "ct_tilt/GE") else { return };
    match series(folder).read() {
        Err(Error::GantryTilt { degrees, gaps: Some((narrowest, widest)), .. }) => {
            assert!((degrees - 18.5).abs() < 0.1, "{degrees}");
            assert!(narrowest.0 < 1.2 && widest.0 > 6.5, "{narrowest} {widest}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_mr_is_read_as_stored() {
    let Some(folder) = data("an_mr_is_read_as_stored", "mr_vs_seg/VS-SEG-001_T1gd") else { return };
    let reading = series(folder).read().unwrap();
    assert_eq!(reading.volume.shape(), [120, 512, 512]);
    assert_eq!(reading.volume.geometry.spacing().to_array(), [0.41015625, 0.41015625, 1.5]);
    assert_eq!(reading.warnings, []);
    assert_eq!(sum(&reading), 6_436_566_097);
}

#[test]
fn the_frames_of_a_real_enhanced_ct_are_found() {
    let name = "dicom_test_files/data/pydicom";
    let Some(folder) = data("the_frames_of_a_real_enhanced_ct_are_found", name) else { return };
    // Two frames, with all that a slice needs, are one too few.
    let message = series(folder.join("eCT_Supplemental.dcm")).read().unwrap_err().to_string();
    assert!(message.ends_with(": 2 slices where at least 3 are needed"), "{message}");
}

#[test]
fn no_file_of_a_large_collection_makes_it_panic() {
    let Some(folder) = data("no_file_of_a_large_collection_makes_it_panic", "dicom_test_files") else {
        return;
    };
    let scan = scan(&[folder]).unwrap();
    let series: Vec<&Series> = scan.studies.iter().flat_map(|study| &study.series).collect();
    assert!(series.len() > 50);
    for series in series {
        if let Err(error) = series.read() {
            assert!(!error.to_string().is_empty());
        }
    }
}
