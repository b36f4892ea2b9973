//! A viewer draws what is written here over the right slices.

use std::path::Path;
use std::process::Command;

use dicom_io::sr::Language;
use dicom_io::{Geometry, Lps, Spacing};

use crate::peers;
use crate::scan::{AXIAL, Scan};

#[test]
fn a_viewer_draws_outlines_and_segments_where_they_lie() {
    if peers("a_viewer_draws_outlines_and_segments_where_they_lie", "viewer", "npm/app/dist/index.html")
        .is_none()
    {
        return;
    }
    // Square pixels and whole bytes, as in real CT. OHIF 3.13.2 takes the distance of rows for that of
    // columns when it places an outline, and draws segments scrambled whose frames begin within a byte.
    let spacing = Spacing { i: 0.75, j: 0.75, k: 2.5 };
    let geometry = Geometry::new(Lps::new(-20.0, -30.0, 40.0), AXIAL, spacing).unwrap();
    let scan = Scan::on("viewer", &geometry, [7, 48, 64], &[]);
    let folder = tempfile::tempdir().unwrap();
    let masks = scan.masks();
    let segmentation = scan.segmentation(&masks);
    scan.write(folder.path());
    segmentation.write(&folder.path().join("seg.dcm")).unwrap();
    scan.report(Language::English, &segmentation).write(&folder.path().join("sr.dcm")).unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/viewer/shot");
    let picture = folder.path().join("viewer.png");
    let output =
        Command::new(script).arg(folder.path()).arg(&picture).output().expect("bash runs the script");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(picture.exists());

    let drawn: serde_json::Value = serde_json::from_slice(&output.stdout).expect(&said);
    let findings = scan.findings(Language::English);
    let outlines = drawn["outlines"].as_array().unwrap();
    assert_eq!(outlines.len(), findings.len());
    for planar in findings.iter().filter_map(|finding| finding.planar.as_ref()) {
        let same = |outline: &&serde_json::Value| {
            let points = outline["points"].as_array().unwrap().iter().map(|point| {
                let [l, p, s] = [0, 1, 2].map(|axis| point[axis].as_f64().unwrap());
                Lps::new(l, p, s)
            });
            let corners = planar.outline.iter().map(|corner| scan.geometry.to_lps(*corner));
            // Graphic data are single precision.
            points.zip(corners).all(|(point, corner)| point.distance(corner).0 < 1e-3)
        };
        let found = outlines.iter().find(same).expect(&said);
        assert_eq!(found["image"], scan.slices[3].sop_instance_uid.as_str());
    }
    let segments = drawn["segments"].as_array().unwrap();
    assert_eq!(segments.len(), masks.len());
    for (segment, (mask, _)) in segments.iter().zip(&masks) {
        assert_eq!(segment["voxels"], mask.iter().filter(|inside| **inside).count());
        // Findings are 76 to 115 HU, everything around them is darker: no voxel lies elsewhere.
        assert!(segment["lowest"].as_f64().unwrap() >= 76.0, "{segment}");
    }
}
