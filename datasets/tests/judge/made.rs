//! Findings and lesions made for tests.

use datasets::TrueLesion;
use dicom_io::{Lps, Uid};
use engine::{Finding, Kind, Mask, Measurements, Organ, Side, Site};
use ndarray::Array3;

/// A finding with distinct values; what a test is about is given.
pub(crate) fn finding(
    number: usize,
    kind: Kind,
    centre: [f64; 3],
    long_axis_mm: f64,
    confidence: f64,
) -> Finding {
    let organ = match kind {
        Kind::LungNodule => Organ::Lung,
        Kind::LiverLesion => Organ::Liver,
    };
    Finding {
        number,
        kind,
        site: Site { organ, side: (organ == Organ::Lung).then_some(Side::Left) },
        measurements: Measurements {
            centre_lps_mm: centre.into(),
            long_axis_mm,
            short_axis_mm: 7.25,
            max_diameter_3d_mm: 11.5,
            volume_mm3: 600.0,
            voxels: 300,
            mean_hu: 35.5,
            min_hu: -120.0,
            max_hu: 90.0,
            sd_hu: 20.25,
            slice: 4,
            long_axis_ij: [[1.0, 2.0], [3.0, 4.0]],
            short_axis_ij: [[5.0, 6.0], [7.0, 8.0]],
            outline_ij: vec![[0.5, 0.5], [2.5, 0.5], [2.5, 1.5], [0.5, 1.5], [0.5, 0.5]],
        },
        confidence,
        model: "made-up".to_owned(),
        sop_instance_uid: Uid::derived(&["slice", "4"]),
        tracking_uid: Uid::derived(&["lesion", &number.to_string()]),
        density: None,
        solid_part: None,
        change: None,
        critical: false,
        mask: Mask { corner: [4, 1, 1], voxels: Array3::from_elem((1, 2, 2), true) },
    }
}

/// A nodule finding of 10 mm.
pub(crate) fn nodule_found(number: usize, centre: [f64; 3], confidence: f64) -> Finding {
    finding(number, Kind::LungNodule, centre, 10.0, confidence)
}

/// A true lung nodule of 500 mm³.
pub(crate) fn nodule(id: &str, centre: [f64; 3], diameter_mm: f64) -> TrueLesion {
    TrueLesion {
        id: id.to_owned(),
        kind: Kind::LungNodule,
        centre_lps_mm: Lps::from(centre),
        diameter_mm,
        volume_mm3: Some(500.0),
        note: String::new(),
    }
}
