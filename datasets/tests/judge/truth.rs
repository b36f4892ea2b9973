use datasets::{TrueLesion, Truth};
use dicom_io::Lps;
use dicom_io::phantom::{self, LesionKind, LesionTruth};
use engine::Kind;

#[test]
fn a_phantom_tells_kind_place_and_size_of_each_of_its_lesions() {
    let lesion = |id: &str, kind, shape: &str| LesionTruth {
        id: id.to_owned(),
        kind,
        shape: shape.to_owned(),
        centre_lps_mm: Lps::new(1.0, 2.0, 3.0),
        long_axis_mm: 12.0,
        short_axis_mm: 8.0,
        volume_mm3: 500.0,
        mean_hu: 40.0,
    };
    let lesions = vec![
        lesion("nodule-1", LesionKind::GroundGlassNodule, "round"),
        lesion("liver-1", LesionKind::LiverLesion, "lobulated"),
    ];
    let expected = |id: &str, kind, note: &str| TrueLesion {
        id: id.to_owned(),
        kind,
        centre_lps_mm: Lps::new(1.0, 2.0, 3.0),
        diameter_mm: 12.0,
        volume_mm3: Some(500.0),
        note: note.to_owned(),
    };
    assert_eq!(
        Truth::from(&phantom::Truth { schema_version: 1, seed: 1, lesions }),
        Truth {
            lesions: vec![
                expected("nodule-1", Kind::LungNodule, "ground glass, round"),
                expected("liver-1", Kind::LiverLesion, "hypodense, lobulated"),
            ],
            excused: vec![],
        }
    );
}
