//! A report, a segmentation and a key image of a phantom, as an analysis makes them, without the networks.

use dicom_io::object::{Algorithm, Context, DateTime, Equipment, NewSeries, ResultObject};
use dicom_io::sc::SecondaryCapture;
use dicom_io::seg::{Segment, Segmentation};
use dicom_io::sr::codes;
use dicom_io::sr::{Absence, Language, MeasurementReport, Site};
use dicom_io::{Reading, Uid, scan};
use ndarray::{Array3, ArrayView3};

use crate::common::Scene;

/// The results of a small phantom, whose files are in the folder `study` of the scene.
pub(crate) fn of_a_phantom(scene: &Scene) -> Vec<ResultObject> {
    of(&read(scene), 0)
}

/// A small phantom, whose files are put into the folder `study` of the scene.
pub(crate) fn read(scene: &Scene) -> Reading {
    scan(&[scene.phantom(&[])]).unwrap().studies[0].series[0].read().unwrap()
}

/// The results that the model number `model` has on a series.
pub(crate) fn of(reading: &Reading, model: usize) -> Vec<ResultObject> {
    let equipment = Equipment {
        manufacturer: "Foci".to_owned(),
        model_name: "Foci".to_owned(),
        serial_number: "1".to_owned(),
        software_version: "0".to_owned(),
    };
    let algorithms = [Algorithm {
        name: "test".to_owned(),
        version: "1".to_owned(),
        manufacturer: "Foci".to_owned(),
        device_uid: Uid::derived(&["delivery test", &model.to_string()]),
        parameters: Vec::new(),
    }];
    let context = Context {
        source: &reading.source,
        geometry: &reading.volume.geometry,
        shape: reading.volume.shape(),
        slices: &reading.slices,
        equipment: &equipment,
        algorithms: &algorithms,
        created: DateTime { year: 2026, month: 11, day: 22, hour: 6, minute: 7, second: 8 },
    };
    let lung = || Site { place: codes::LUNG, laterality: None };
    let report = MeasurementReport {
        language: Language::English,
        series: NewSeries { number: 9002, description: "Foci findings (research)".to_owned() },
        procedure: codes::CT_CHEST,
        recommendations: Vec::new(),
        segmentation: None,
        findings: Vec::new(),
        absent: vec![Absence { finding: codes::NODULE, sites: vec![lung()], algorithm: 0 }],
    };
    let mask = Array3::from_elem((2, 3, 5), true);
    let segment = Segment {
        label: "Nodule 1".to_owned(),
        category: codes::MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
        property: codes::NODULE,
        sites: vec![lung()],
        algorithm: 0,
        tracking: None,
        colour: [255, 209, 0],
        mask: mask.view(),
        offset: [4, 7, 9],
    };
    let segmentation = Segmentation {
        series: NewSeries { number: 9001, description: "Foci segmentation (research)".to_owned() },
        label: "FINDINGS".to_owned(),
        segments: vec![segment],
    };
    let pixels: Vec<u8> = (0..11 * 13 * 3).map(|n| n as u8).collect();
    let picture = SecondaryCapture {
        series: NewSeries { number: 9003, description: "Foci key images (research)".to_owned() },
        number: 1,
        description: "Key image".to_owned(),
        slices: vec![4],
        pixels: ArrayView3::from_shape((11, 13, 3), &pixels).unwrap(),
    };
    vec![report.to_object(&context), segmentation.to_object(&context), picture.to_object(&context)]
}
