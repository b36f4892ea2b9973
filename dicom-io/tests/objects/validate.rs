//! Other people's programs accept what is written here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scan::{AXIAL, OBLIQUE, Scan};
use crate::words;
use dicom::core::value::DataSetSequence;
use dicom::core::{DataElement, VR};
use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;
use dicom_io::object::{NewSeries, ResultObject};
use dicom_io::sc::SecondaryCapture;
use dicom_io::sr::Language;
use ndarray::Array3;

fn validators(test: &str) -> bool {
    crate::peers(test, "peers", "bin/dciodvfy").is_some()
}

/// Whether `.ci/validate` accepts `files`, and what it said.
fn validate(files: &[PathBuf]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/validate");
    let output = Command::new(script).args(files).output().expect("python3 runs .ci/validate");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.code().is_some_and(|code| code < 2), "{said}");
    (output.status.success(), said)
}

/// Everything that an analysis of `scan` writes, as files in `folder`.
fn write_all(scan: &Scan, folder: &Path) -> Vec<PathBuf> {
    std::fs::create_dir(folder).unwrap();
    let masks = scan.masks();
    let segmentation = scan.segmentation(&masks);
    let picture = Array3::from_shape_fn((33, 47, 3), |(j, i, c)| (j * 5 + i * 3 + c * 40) as u8);
    let capture = SecondaryCapture {
        series: NewSeries { number: 9004, description: "Foci key images".into() },
        number: 1,
        description: "Slice 4, outline of Nodule 1".into(),
        slices: vec![3],
        pixels: picture.view(),
    };
    let draft = words::draft(scan, Language::English);
    let [amended, signed] = words::versions(scan, &draft);
    let objects = [
        ("words-en", draft),
        ("words-zh", words::draft(scan, Language::Chinese)),
        ("words-amended", amended),
        ("words-signed", signed),
        ("seg", segmentation.clone()),
        ("sr-en", scan.report(Language::English, &segmentation)),
        ("sr-zh", scan.report(Language::Chinese, &segmentation)),
        ("sr-none", scan.empty_report()),
        ("sc", capture.to_object(&scan.context())),
    ];
    let mut files = scan.write(folder);
    for (name, object) in objects {
        let path = folder.join(format!("{name}.dcm"));
        object.write(&path).unwrap();
        files.push(path);
    }
    files
}

#[test]
fn every_object_passes_every_validator() {
    if !validators("every_object_passes_every_validator") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trial = [
        (tags::CLINICAL_TRIAL_SPONSOR_NAME, VR::LO, "Sponsor"),
        (tags::CLINICAL_TRIAL_PROTOCOL_ID, VR::LO, "P-1"),
        (tags::CLINICAL_TRIAL_SUBJECT_ID, VR::LO, "S-1"),
        (tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES"),
        (tags::DEIDENTIFICATION_METHOD, VR::LO, "Synthetic"),
        // Slices go to the validators too, so nothing is missing here; see report.rs for where it is.
        (tags::CLINICAL_TRIAL_PROTOCOL_NAME, VR::LO, ""),
        (tags::CLINICAL_TRIAL_SITE_ID, VR::LO, ""),
        (tags::CLINICAL_TRIAL_SITE_NAME, VR::LO, ""),
    ];
    let mut files = write_all(&Scan::new("axial", AXIAL, &[]), &folder.path().join("axial"));
    files.extend(write_all(&Scan::new("oblique", OBLIQUE, &trial), &folder.path().join("oblique")));
    let (accepted, said) = validate(&files);
    assert!(accepted, "{said}");
    println!("{said}");
}

/// Changes every content item below `object` whose concept has the code `value`; `None` takes it out.
fn change(object: &mut InMemDicomObject, value: &str, to: Option<&str>) {
    let code = |item: &InMemDicomObject| {
        let name = item.get(tags::CONCEPT_NAME_CODE_SEQUENCE)?.items()?.first()?;
        Some(name.element(tags::CODE_VALUE).ok()?.to_str().ok()?.into_owned())
    };
    let Some(element) = object.take(tags::CONTENT_SEQUENCE) else { return };
    let mut items: Vec<InMemDicomObject> = element.items().unwrap().to_vec();
    items.retain(|item| to.is_some() || code(item).as_deref() != Some(value));
    for item in &mut items {
        if let Some(relation) = to.filter(|_| code(item).as_deref() == Some(value)) {
            item.put(DataElement::new(tags::RELATIONSHIP_TYPE, VR::CS, relation));
        }
        change(item, value, to);
    }
    object.put(DataElement::new(tags::CONTENT_SEQUENCE, VR::SQ, DataSetSequence::from(items)));
}

/// `.ci/validate` refuses `object` when it has been spoilt, and `program` says so.
#[track_caller]
fn check_refused(test: &str, object: ResultObject, program: &str, spoil: impl Fn(&mut InMemDicomObject)) {
    if !validators(test) {
        return;
    }
    let meta = object.object().meta().clone();
    let mut object = object.object().clone().into_inner();
    spoil(&mut object);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spoilt.dcm");
    object.with_exact_meta(meta).write_to_file(&file).unwrap();
    let (accepted, said) = validate(&[file]);
    assert!(!accepted && said.contains(&format!("{program}\tFAILED")), "{said}");
}

#[test]
fn a_report_against_its_template_is_refused() {
    let scan = Scan::new("spoilt", AXIAL, &[]);
    let object = scan.report(Language::English, &scan.segmentation(&scan.masks()));
    check_refused("a_report_against_its_template_is_refused", object, "PixelMed", |report| {
        change(report, "121232", None);
        change(report, "363698007", Some("CONTAINS"));
    });
}

#[test]
fn a_segmentation_without_a_mandatory_attribute_is_refused() {
    let scan = Scan::new("spoilt", AXIAL, &[]);
    let object = scan.segmentation(&scan.masks());
    check_refused("a_segmentation_without_a_mandatory_attribute_is_refused", object, "dciodvfy", |object| {
        object.remove_element(tags::SEGMENTATION_TYPE);
    });
}

#[test]
fn a_signed_report_without_its_signature_is_refused() {
    let scan = Scan::new("unsigned", AXIAL, &[]);
    let [_, signed] = words::versions(&scan, &words::draft(&scan, Language::English));
    check_refused("a_signed_report_without_its_signature_is_refused", signed, "dciodvfy", |object| {
        object.remove_element(tags::VERIFYING_OBSERVER_SEQUENCE);
    });
}

#[test]
fn words_against_their_template_are_refused() {
    let scan = Scan::new("spoilt words", AXIAL, &[]);
    let draft = words::draft(&scan, Language::English);
    check_refused("words_against_their_template_are_refused", draft, "PixelMed", |object| {
        // A finding may stand below its heading and nowhere else.
        change(object, "121071", Some("HAS PROPERTIES"));
    });
}
