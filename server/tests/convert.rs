//! NIfTI files say where each voxel lies as exactly as the DICOM files did.

mod common;

use std::fs;

use common::{Scene, foci, succeed};

/// Voxels of the volume and where they lie, as another program reads them from the NIfTI file, against
/// Image Position, Orientation and Pixel Spacing of the slices as a third reads them.
const COMPARE: &str = r#"
import glob, sys
import nibabel, numpy, pydicom
image = nibabel.load(sys.argv[1])
values = numpy.asanyarray(image.dataobj)
worst, compared = 0.0, 0
for affine, code in (image.header.get_sform(coded=True), image.header.get_qform(coded=True)):
    assert code > 0
    back = numpy.linalg.inv(affine)
    for name in glob.glob(sys.argv[2] + '/*.dcm'):
        d = pydicom.dcmread(name)
        row, column = numpy.array(d.ImageOrientationPatient, float).reshape(2, 3)
        position = numpy.array(d.ImagePositionPatient, float)
        hu = d.pixel_array * float(d.RescaleSlope) + float(d.RescaleIntercept)
        for j, i in ((0, 0), (3, 7), (d.Rows - 1, d.Columns - 1), (d.Rows // 2, d.Columns // 3)):
            lps = position + row * i * float(d.PixelSpacing[1]) + column * j * float(d.PixelSpacing[0])
            ras = lps * [-1, -1, 1]
            at = numpy.rint(back @ [*ras, 1])[:3].astype(int)
            worst = max(worst, numpy.abs(affine[:3] @ [*at, 1] - ras).max())
            assert values[tuple(at)] == hu[j, i], (name, i, j)
            compared += 1
print(worst, compared, values.shape, image.header.get_zooms(), image.get_data_dtype())
assert worst < 0.01, worst
"#;

#[track_caller]
fn check(test: &str, more: &[&str]) {
    let Some(peers) = common::peers(test) else { return };
    let scene = Scene::new();
    let study = scene.phantom(&[&["--size", "40x48x24", "--spacing", "6.5x5.5x9"], more].concat());
    for name in ["volume.nii", "volume.nii.gz"] {
        let file = scene.path(name);
        succeed(foci(&scene).arg("convert").arg(&study).arg("-o").arg(&file));
        let mut python = std::process::Command::new(peers.join("bin/python"));
        let (says, _) = succeed(python.args(["-W", "ignore", "-c", COMPARE]).arg(&file).arg(&study));
        assert!(says.contains(" 192 "), "{says}"); // two matrices, 24 slices, 4 voxels
    }
}

#[test]
fn an_axial_series_keeps_its_place() {
    check("an_axial_series_keeps_its_place", &[]);
}

#[test]
fn a_sagittal_series_keeps_its_place() {
    check("a_sagittal_series_keeps_its_place", &["--orientation", "sagittal"]);
}

#[test]
fn a_coronal_series_keeps_its_place() {
    check("a_coronal_series_keeps_its_place", &["--orientation", "coronal"]);
}

#[test]
fn an_oblique_series_keeps_its_place() {
    check("an_oblique_series_keeps_its_place", &["--orientation", "oblique", "--tilt", "23"]);
}

#[test]
fn a_reversed_series_of_signed_values_keeps_its_place() {
    check("a_reversed_series_of_signed_values_keeps_its_place", &["--reversed", "--signed"]);
}

#[test]
fn a_file_that_is_there_is_not_replaced() {
    let scene = Scene::new();
    let study = scene.phantom(&[]);
    let file = scene.path("volume.nii");
    fs::write(&file, "mine").unwrap();
    let output = foci(&scene).arg("convert").arg(&study).arg("-o").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}
