//! What a structured report says, where no validator looks.

use std::collections::HashSet;

use crate::scan::{AXIAL, Scan, recommendations, tracking};
use dicom::core::VR;
use dicom::dictionary_std::tags;
use dicom::object::InMemDicomObject;
use dicom_io::object::ResultObject;
use dicom_io::sr::codes::{self, Code, template};
use dicom_io::sr::{Language, Measurement, Region, Relation, Value, read};
use dicom_io::{Error, Uid};

fn written(more: &[(dicom::core::Tag, VR, &str)]) -> (Scan, ResultObject) {
    let scan = Scan::new("report", AXIAL, more);
    let segmentation = scan.segmentation(&scan.masks());
    let report = scan.report(Language::Chinese, &segmentation);
    (scan, report)
}

/// The report as a reader gets it: from a file.
fn reread(object: &ResultObject) -> InMemDicomObject {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.dcm");
    object.write(&path).unwrap();
    dicom::object::open_file(&path).unwrap().into_inner()
}

#[test]
fn every_finding_has_a_planar_and_a_volumetric_group_of_one_tracking_identity() {
    let (_, object) = written(&[]);
    let report = read(&reread(&object)).unwrap();
    assert_eq!(report.groups.len(), 4);
    for (n, pair) in report.groups.chunks_exact(2).enumerate() {
        for group in pair {
            assert_eq!(group.tracking_uid, Some(tracking(n)));
            assert_eq!(group.tracking_id.as_deref(), Some(["Nodule 1", "Lesion 1"][n]));
            assert_eq!(group.finding, Some([codes::NODULE, codes::LESION][n].clone()));
            assert_eq!(group.sites[0].place, [codes::LUNG, codes::LIVER][n]);
            assert_eq!(group.algorithm.as_deref(), Some(["lung-nodule", "liver-lesion"][n]));
        }
        assert!(matches!(pair[0].region, Region::Outline { .. }));
        assert!(matches!(pair[1].region, Region::Segment { number, .. } if number == n as u16 + 1));
    }
    assert_eq!(report.groups[0].sites[0].laterality, Some(codes::LEFT));
    assert_eq!(report.groups[2].sites[0].laterality, None);
}

#[test]
fn every_number_has_a_ucum_unit_and_its_value() {
    let (scan, object) = written(&[]);
    let report = read(&reread(&object)).unwrap();
    let units = ["mm", "mm3", "[hnsf'U]", "%", "{voxels}"];
    let all: Vec<&Measurement> = report.groups.iter().flat_map(|group| &group.measurements).collect();
    assert!(all.iter().all(|m| m.unit.scheme == "UCUM" && units.contains(&m.unit.value.as_ref())), "{all:?}");
    let findings = scan.findings(Language::Chinese);
    let wanted = findings.iter().flat_map(|finding| {
        let planar = finding.planar.iter().flat_map(|planar| &planar.measurements);
        planar.chain(finding.volumetric.iter().flat_map(|volumetric| &volumetric.measurements))
    });
    assert_eq!(all, wanted.collect::<Vec<_>>());
}

#[test]
fn the_report_says_which_procedure_was_analysed_by_which_device() {
    let (scan, object) = written(&[]);
    let report = read(&reread(&object)).unwrap();
    assert_eq!(report.procedure, Some(codes::CT_UNSPECIFIED_BODY_REGION));
    assert_eq!(report.root.code(template::OBSERVER_TYPE), Some(&template::DEVICE));
    let observer = report.root.uid(template::DEVICE_OBSERVER_UID).unwrap().as_str();

    // IHE AIR: the observer and every algorithm stand in Contributing Equipment with the same values.
    let object = object.object();
    let equipment = object.get(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE).unwrap().items().unwrap();
    let uids: Vec<String> = equipment
        .iter()
        .map(|item| item.element(tags::DEVICE_UID).unwrap().to_str().unwrap().into_owned())
        .collect();
    assert_eq!(uids.len(), 3);
    assert!(uids.iter().any(|uid| uid == observer));
    for algorithm in &scan.algorithms {
        assert!(uids.iter().any(|uid| uid == algorithm.device_uid.as_str()));
    }
}

#[test]
fn a_single_algorithm_is_the_observer() {
    let mut scan = Scan::new("single", AXIAL, &[]);
    scan.algorithms.truncate(1);
    let mut findings = scan.findings(Language::English);
    findings.truncate(1);
    findings[0].volumetric = None;
    let report = dicom_io::sr::MeasurementReport {
        language: Language::English,
        series: dicom_io::object::NewSeries { number: 1, description: String::new() },
        procedure: codes::CT_CHEST,
        recommendations: Vec::new(),
        segmentation: None,
        findings,
        absent: Vec::new(),
    };
    let object = report.to_object(&scan.context());
    let root = read(object.object()).unwrap().root;
    assert_eq!(root.uid(template::DEVICE_OBSERVER_UID), Some(&scan.algorithms[0].device_uid));
    assert_eq!(root.text(template::DEVICE_OBSERVER_MODEL_NAME), Some("lung-nodule"));
    assert_eq!(object.object().get(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE).unwrap().items().unwrap().len(), 1);
}

#[test]
fn an_outline_is_closed_lies_on_its_slice_and_counts_from_the_corner_of_the_image() {
    let (scan, object) = written(&[]);
    let report = read(&reread(&object)).unwrap();
    let Region::Outline { graphic, points, image } = &report.groups[0].region else { panic!("an outline") };
    assert_eq!(graphic, "POLYLINE");
    assert_eq!(image, &scan.slices[3]);
    assert_eq!(points.len(), 25);
    assert_eq!(points.first(), points.last());
    // The first corner is at column 25.5, row 15 where integers are pixel centres.
    assert_eq!(points[0], [26.0, 15.5]);
}

#[test]
fn everything_that_is_referred_to_is_listed_as_evidence() {
    let (scan, object) = written(&[]);
    let dataset = object.object();
    let study =
        &dataset.get(tags::CURRENT_REQUESTED_PROCEDURE_EVIDENCE_SEQUENCE).unwrap().items().unwrap()[0];
    let series = study.get(tags::REFERENCED_SERIES_SEQUENCE).unwrap().items().unwrap();
    let listed: HashSet<String> = series
        .iter()
        .flat_map(|series| series.get(tags::REFERENCED_SOP_SEQUENCE).unwrap().items().unwrap())
        .map(|item| item.element(tags::REFERENCED_SOP_INSTANCE_UID).unwrap().to_str().unwrap().into_owned())
        .collect();
    let mut referred = HashSet::new();
    collect_images(&read(dataset).unwrap().root, &mut referred);
    assert_eq!(listed, referred);
    assert_eq!(listed.len(), scan.slices.len() + 1);
}

fn collect_images(item: &dicom_io::sr::Item, into: &mut HashSet<String>) {
    if let Value::Image { image, .. } = &item.value {
        into.insert(image.sop_instance_uid.to_string());
    }
    item.children.iter().for_each(|child| collect_images(child, into));
}

#[test]
fn finding_sites_and_algorithms_modify_findings_are_contained_tracking_is_context() {
    let (_, object) = written(&[]);
    let report = read(object.object()).unwrap();
    let group = report.root.named(template::IMAGING_MEASUREMENTS).next().unwrap().children.first().unwrap();
    let relation = |name: Code| group.named(name).next().unwrap().relation;
    for name in [template::FINDING_SITE, template::ALGORITHM_NAME, template::ALGORITHM_FAMILY] {
        assert_eq!(relation(name), Relation::HasConceptMod);
    }
    assert_eq!(relation(template::FINDING), Relation::Contains);
    assert_eq!(relation(template::TRACKING_UNIQUE_IDENTIFIER), Relation::HasObsContext);
}

#[test]
fn a_study_without_findings_says_what_is_absent() {
    let scan = Scan::new("none", AXIAL, &[]);
    let report = read(&reread(&scan.empty_report())).unwrap();
    let absent: Vec<_> = report.groups.iter().flat_map(|group| group.qualities.clone()).collect();
    assert_eq!(absent, [(codes::NODULE, codes::ABSENT), (codes::LESION, codes::ABSENT)]);
    assert!(report.groups.iter().all(|group| group.algorithm.is_some() && group.measurements.is_empty()));
}

#[test]
fn a_measurement_that_failed_is_written_as_failed() {
    let scan = Scan::new("failed", AXIAL, &[]);
    let segmentation = scan.segmentation(&scan.masks());
    let mut findings = scan.findings(Language::English);
    findings[0].planar.as_mut().unwrap().measurements[0].value = f64::NAN;
    let report = dicom_io::sr::MeasurementReport {
        language: Language::English,
        series: dicom_io::object::NewSeries { number: 1, description: String::new() },
        procedure: codes::CT_CHEST,
        recommendations: Vec::new(),
        segmentation: Some(&segmentation),
        findings,
        absent: Vec::new(),
    };
    let report = read(&reread(&report.to_object(&scan.context()))).unwrap();
    assert!(report.groups[0].measurements[0].value.is_nan());
    assert_eq!(report.groups[0].measurements[1].value, 6.9);
}

#[test]
fn the_same_input_gives_the_same_bytes_and_other_content_another_uid() {
    let bytes = |object: &ResultObject| {
        let mut bytes = Vec::new();
        object.object().write_all(&mut bytes).unwrap();
        bytes
    };
    let (scan, first) = written(&[]);
    let (_, second) = written(&[]);
    assert!(bytes(&first) == bytes(&second));

    let segmentation = scan.segmentation(&scan.masks());
    let mut context = scan.context();
    context.created.hour = 23;
    let mut report = dicom_io::sr::MeasurementReport {
        language: Language::Chinese,
        series: dicom_io::object::NewSeries { number: 9002, description: "Foci report".into() },
        procedure: codes::CT_UNSPECIFIED_BODY_REGION,
        recommendations: recommendations(),
        segmentation: Some(&segmentation),
        findings: scan.findings(Language::Chinese),
        absent: Vec::new(),
    };
    assert_eq!(report.to_object(&context).sop_instance_uid(), first.sop_instance_uid());
    report.findings.pop();
    let other = report.to_object(&context);
    assert_ne!(other.sop_instance_uid(), first.sop_instance_uid());
    assert_eq!(other.series_uid(), first.series_uid());
}

#[test]
fn text_is_unicode_whatever_the_source_was_written_in() {
    // As dicom-rs passes on a Korean name of PS3.5 annex I: bytes as Latin-1, escapes and all.
    let hong: String =
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7".iter().map(|b| *b as char).collect();
    let (_, object) = written(&[
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "\\ISO 2022 IR 149"),
        (tags::PATIENT_NAME, VR::PN, &hong),
        (tags::STUDY_DESCRIPTION, VR::LO, "CHEST"),
    ]);
    let object = reread(&object);
    let text = |tag| object.element(tag).unwrap().to_str().unwrap().into_owned();
    assert_eq!(text(tags::SPECIFIC_CHARACTER_SET), "ISO_IR 192");
    assert_eq!(text(tags::PATIENT_NAME), "Hong^Gildong=洪^吉洞");
    let comment = read(&object).unwrap().root;
    let comment =
        comment.named(template::IMAGING_MEASUREMENTS).next().unwrap().children[0].text(template::COMMENT);
    assert_eq!(comment, Some("实性，边界清楚。"));
}

#[test]
fn copied_attributes_do_not_make_the_report_invalid() {
    let (_, object) = written(&[
        (tags::CLINICAL_TRIAL_SPONSOR_NAME, VR::LO, "Sponsor"),
        (tags::CLINICAL_TRIAL_PROTOCOL_ID, VR::LO, "P-1"),
        (tags::CLINICAL_TRIAL_SUBJECT_ID, VR::LO, "S-1"),
        (tags::PATIENT_IDENTITY_REMOVED, VR::CS, "YES"),
    ]);
    let object = object.object();
    assert!(object.get(tags::CLINICAL_TRIAL_SITE_ID).is_some());
    assert!(object.get(tags::CLINICAL_TRIAL_SITE_NAME).is_some());
    assert!(object.get(tags::DEIDENTIFICATION_METHOD).is_some());
    assert!(object.get(tags::PROCEDURE_CODE_SEQUENCE).is_none());
    assert!(object.get(tags::REFERENCED_STUDY_SEQUENCE).is_none());

    let (_, object) = written(&[(tags::CLINICAL_TRIAL_SUBJECT_ID, VR::LO, "S-1")]);
    assert!(object.object().get(tags::CLINICAL_TRIAL_SUBJECT_ID).is_none(), "a subject of no trial");
}

#[test]
fn what_is_no_report_is_refused() {
    let (scan, _) = written(&[]);
    let segmentation = scan.segmentation(&scan.masks());
    assert!(matches!(read(segmentation.object()), Err(Error::NotAReport(_))));
}

#[test]
fn a_file_that_cannot_be_written_leaves_nothing_behind() {
    let (_, object) = written(&[]);
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").join("report.dcm");
    assert!(matches!(object.write(&missing), Err(Error::Write(_))));

    // A folder stands where the file should go: everything is written, only the last step fails.
    let taken = folder.path().join("taken.dcm");
    std::fs::create_dir(&taken).unwrap();
    let message = object.write(&taken).unwrap_err().to_string();
    assert!(!message.contains("taken"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the temporary file is gone");
}

#[test]
fn an_implementation_is_named_in_the_file_and_its_uid_is_valid() {
    let (_, object) = written(&[]);
    let meta = object.object().meta();
    assert!(Uid::parse(meta.implementation_class_uid()).is_ok());
    assert!(meta.implementation_version_name().is_some_and(|name| name.len() <= 16));
}
