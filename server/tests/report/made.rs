//! The results of an analysis of a small phantom, made without the networks.

use std::fs;
use std::path::PathBuf;

use dicom_io::object::DateTime;
use dicom_io::{Ijk, Uid, scan};
use engine::narrative::Facts;
use engine::report::{Examined, ModelRun, Provenance, SCHEMA_VERSION};
use engine::structured::objects;
use engine::{Finding, Kind, Language, Mask, Measurements, Narrative, Organ, Report, Side, Site};
use ndarray::Array3;

use crate::common::Scene;

/// A folder as `foci analyze` writes it: a nodule in the right lung and a lesion of the liver.
pub(crate) fn results(scene: &Scene, language: Language) -> PathBuf {
    let reading = scan(&[scene.phantom(&[])]).unwrap().studies[0].series[0].read().unwrap();
    let finding = |number: usize, kind, organ, side, k: usize| {
        let (i, j) = (10.0 + number as f64, 12.0);
        Finding {
            number,
            kind,
            site: Site { organ, side },
            measurements: Measurements {
                centre_lps_mm: reading.volume.geometry.to_lps(Ijk::new(i, j, k as f64)),
                long_axis_mm: 8.4,
                short_axis_mm: 6.9,
                max_diameter_3d_mm: 9.1,
                volume_mm3: 310.2,
                voxels: 24,
                mean_hu: 31.6,
                min_hu: -12.0,
                max_hu: 77.0,
                sd_hu: 9.2,
                slice: k,
                long_axis_ij: [[i - 1.0, j], [i + 1.0, j]],
                short_axis_ij: [[i, j - 1.0], [i, j + 1.0]],
                outline_ij: vec![
                    [i - 1.0, j - 1.0],
                    [i + 1.0, j - 1.0],
                    [i + 1.0, j + 1.0],
                    [i - 1.0, j + 1.0],
                    [i - 1.0, j - 1.0],
                ],
            },
            density: None,
            solid_part: None,
            change: None,
            confidence: 0.91,
            model: "made-up".to_owned(),
            sop_instance_uid: reading.slices[k].sop_instance_uid.clone(),
            tracking_uid: Uid::derived(&["report test", &number.to_string()]),
            critical: false,
            mask: Mask { corner: [k, 11, 9 + number], voxels: Array3::from_elem((1, 3, 3), true) },
        }
    };
    let findings = vec![
        finding(1, Kind::LungNodule, Organ::Lung, Some(Side::Right), 7),
        finding(2, Kind::LiverLesion, Organ::Liver, None, 3),
    ];
    let examined = |organ, kind| Examined {
        organ,
        kind,
        organ_found: true,
        organ_volume_ml: Some(1500.0),
        model: "made-up".to_owned(),
    };
    let examined = vec![examined(Organ::Lung, Kind::LungNodule), examined(Organ::Liver, Kind::LiverLesion)];
    let modality = reading.source.modality();
    let narrative = Narrative::template(
        language,
        &Facts {
            modality: &modality,
            slices: reading.slices.len(),
            spacing_mm: reading.volume.geometry.spacing().to_array(),
            findings: &findings,
            examined: &examined,
            compared: None,
            advised: &Default::default(),
            warnings: &[],
        },
    );
    let report = Report {
        schema_version: SCHEMA_VERSION,
        intended_use: "research".into(),
        study_uid: reading.source.study_uid().clone(),
        series_uid: reading.source.series_uid().clone(),
        modality,
        slices: reading.slices.len(),
        spacing_mm: reading.volume.geometry.spacing().to_array(),
        findings,
        examined,
        compared: None,
        advised: Default::default(),
        narrative,
        warnings: Vec::new(),
        provenance: Provenance {
            foci_version: "0.1.0".to_owned(),
            runtime: "made-up 1.0, CPU".to_owned(),
            models: vec![ModelRun {
                name: "made-up".to_owned(),
                version: "1".to_owned(),
                weights_sha256: "0f".repeat(32),
                device_uid: Uid::derived(&["report test", "device"]),
                parameters: vec!["threshold=0.5".to_owned()],
            }],
            writing: Default::default(),
        },
    };

    let folder = scene.folder("results");
    let render = |finding| engine::key_image::render(&reading.volume, finding, &report.modality);
    let pictures: Vec<image::RgbImage> = report.findings.iter().map(render).collect();
    let created = DateTime { year: 2026, month: 11, day: 22, hour: 6, minute: 7, second: 8 };
    let made = objects(&reading, &report, &pictures, created);
    made.report.unwrap().write(&folder.join("sr.dcm")).unwrap();
    made.segmentation.unwrap().write(&folder.join("seg.dcm")).unwrap();
    made.narrative.write(&folder.join("narrative.dcm")).unwrap();
    for ((number, picture), object) in (1..).zip(&pictures).zip(&made.key_images) {
        picture.save(folder.join(format!("key-{number}.png"))).unwrap();
        object.write(&folder.join(format!("key-{number}.dcm"))).unwrap();
    }
    fs::write(folder.join("findings.json"), serde_json::to_string(&report).unwrap()).unwrap();
    fs::write(folder.join("report.txt"), report.narrative.text()).unwrap();
    folder
}
