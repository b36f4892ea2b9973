//! Priors as other programs record them: what is read of a measurement report that highdicom wrote.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use dicom_io::phantom::{LesionKind, Phantom};
use dicom_io::{Lps, Source, Spacing, sr};
use engine::track::Prior;
use engine::{Kind, Side};

/// Writes a report with one group for each lesion of truth.json: an outline on the slice nearest to its centre,
/// or a point in space, as the second argument says.
const WRITE: &str = r#"
import json, sys
from pathlib import Path
import numpy as np
import highdicom as hd
import pydicom
from highdicom.sr import *
from pydicom.sr.codedict import codes

folder, how, to = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
images = sorted((pydicom.dcmread(p) for p in folder.glob("*.dcm")), key=lambda i: i.ImagePositionPatient[2])
truth = json.loads((folder / "truth.json").read_text())
observer = ObservationContext(observer_device_context=ObserverContext(
    observer_type=codes.DCM.Device, observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
        uid=hd.UID(), name="reader")))
groups = []
for number, lesion in enumerate(truth["lesions"], 1):
    at = lesion["centre_lps_mm"]
    liver = lesion["kind"] == "liver_lesion"
    site = FindingSite(anatomic_location=codes.SCT.Liver if liver else codes.SCT.Lung,
        laterality=None if liver else (codes.SCT.Left if at["l"] > 3.7 else codes.SCT.Right))
    tracking = TrackingIdentifier(uid=hd.UID(f"1.2.3.{number}"), identifier=f"lesion {number}")
    measurements = [Measurement(name=codes.SCT.LongAxis, value=lesion["long_axis_mm"] / 10, unit=codes.UCUM.Centimeter),
        Measurement(name=codes.SCT.ShortAxis, value=lesion["short_axis_mm"], unit=codes.UCUM.Millimeter),
        Measurement(name=codes.SCT.Volume, value=lesion["volume_mm3"] / 1000, unit=codes.UCUM.CubicCentimeter)]
    finding = codes.SCT.Lesion if liver else codes.SCT.Nodule
    if how == "plane":
        image = min(images, key=lambda i: abs(float(i.ImagePositionPatient[2]) - at["s"]))
        row_mm, column_mm = map(float, image.PixelSpacing)
        column = (at["l"] - float(image.ImagePositionPatient[0])) / column_mm + 0.5
        row = (at["p"] - float(image.ImagePositionPatient[1])) / row_mm + 0.5
        radius = lesion["long_axis_mm"] / 2
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        points = np.stack([column + radius / column_mm * np.cos(angles), row + radius / row_mm * np.sin(angles)], 1)
        points = np.concatenate([points, points[:1]])
        region = ImageRegion(graphic_type=GraphicTypeValues.POLYLINE, graphic_data=points,
            source_image=SourceImageForRegion.from_source_image(image))
    else:
        region = ImageRegion3D(graphic_type=GraphicTypeValues3D.POINT,
            graphic_data=np.array([[at["l"], at["p"], at["s"]]]), frame_of_reference_uid=images[0].FrameOfReferenceUID)
    groups.append(PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region,
        tracking_identifier=tracking, finding_type=finding, finding_sites=[site], measurements=measurements))
report = MeasurementReport(observation_context=observer, procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
    imaging_measurements=groups)
Comprehensive3DSR(evidence=images, content=report, series_number=9, series_instance_uid=hd.UID(),
    sop_instance_uid=hd.UID(), instance_number=1, manufacturer="test", is_complete=True).save_as(to)
"#;

/// A Python with highdicom; `None`, after saying so, where there is none and none is required.
fn python(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("FOCI_PEERS").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/foci-peers"));
    let found = named.or(home).map(|peers| peers.join("bin/python")).filter(|python| python.exists());
    if found.is_none() {
        let asked = std::env::var("FOCI_REQUIRE").unwrap_or_default();
        let required = asked.split(',').any(|name| name == "peers" || name == "all");
        assert!(!required, "{test}: FOCI_REQUIRE asks for peers, and highdicom is not installed");
        // To the handle itself: what a passing test prints with a macro is held back.
        let text = format!("skipped: {test}: highdicom is not installed: run .ci/peers\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    found
}

fn record(python: &Path, study: &Path, how: &str) -> (sr::Read, Source) {
    let to = study.join("report.sr");
    let output = Command::new(python).args(["-c", WRITE]).arg(study).arg(how).arg(&to).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let object = sr::open(&to).unwrap();
    (sr::read(&object).unwrap(), Source::of_report(&object).unwrap())
}

/// The lesions of the truth are read from `prior`, each within `most_mm` of its place.
#[track_caller]
fn check(prior: &Prior, truth: &dicom_io::phantom::Truth, most_mm: f64) {
    assert_eq!(prior.lesions.len(), truth.lesions.len());
    for (number, (found, lesion)) in (1..).zip(prior.lesions.iter().zip(&truth.lesions)) {
        let liver = lesion.kind == LesionKind::LiverLesion;
        assert_eq!(found.kind, if liver { Kind::LiverLesion } else { Kind::LungNodule });
        assert_eq!(found.tracking_uid.as_str(), format!("1.2.3.{number}"));
        let side = if lesion.centre_lps_mm.l > 3.7 { Side::Left } else { Side::Right };
        assert_eq!(found.site.side, (!liver).then_some(side));
        let off = found.centre_lps_mm.unwrap().distance(lesion.centre_lps_mm).0;
        assert!(off <= most_mm, "{} lies {off} mm off", lesion.id);
        let sizes = [found.long_axis_mm, found.short_axis_mm.unwrap(), found.volume_mm3.unwrap()];
        for (found, wanted) in
            sizes.into_iter().zip([lesion.long_axis_mm, lesion.short_axis_mm, lesion.volume_mm3])
        {
            assert!((found - wanted).abs() <= 1e-4 * wanted, "{found} where {wanted} is written");
        }
    }
}

#[test]
fn a_report_of_another_program_is_a_prior() {
    let Some(python) = python("a_report_of_another_program_is_a_prior") else { return };
    let phantom =
        Phantom { size: [64, 48, 60], spacing: Spacing { i: 5.5, j: 5.6, k: 5.0 }, ..Phantom::default() };
    let folder = tempfile::tempdir().unwrap();
    let truth = phantom.write(folder.path()).unwrap();
    let read = || dicom_io::scan(&[folder.path().to_owned()]).unwrap().studies[0].series[0].read().unwrap();

    let (report, source) = record(&python, folder.path(), "plane");
    let images = read();
    let series = images.source.series_uid().clone();
    let prior = Prior::recorded(&report, &source, Some(images), Some(90));
    // Half the distance of the slices.
    check(&prior, &truth, 2.51);
    assert_eq!((&prior.series_uid, prior.days), (&series, Some(90)));
    assert!(prior.images.is_some());

    // Without the images nobody knows where the outlines lie.
    let alone = Prior::recorded(&report, &source, None, None);
    assert!(alone.images.is_none() && alone.lesions.iter().all(|lesion| lesion.centre_lps_mm.is_none()));
    assert_eq!(alone.lesions.len(), truth.lesions.len());

    std::fs::remove_file(folder.path().join("report.sr")).unwrap();
    let (report, source) = record(&python, folder.path(), "space");
    let prior = Prior::recorded(&report, &source, None, None);
    check(&prior, &truth, 0.01);
    assert_eq!(prior.frame_of_reference_uid, read().source.frame_of_reference_uid());
    let far = Lps::new(0.0, 0.0, 0.0);
    assert!(prior.lesions.iter().all(|lesion| lesion.centre_lps_mm.unwrap().distance(far).0 > 100.0));
}
