//! The report as DICOM objects that a PACS keeps and a viewer shows: structured report, segmentation, key
//! images, and the words ([`words`]).

pub mod words;

use dicom_io::Ijk;
use dicom_io::Reading;
use dicom_io::object::{Algorithm, Context, DateTime, Equipment, NewSeries, ResultObject};
use dicom_io::sc::SecondaryCapture;
use dicom_io::seg::{Segment, Segmentation};
use dicom_io::sr::codes::{self, Code};
use dicom_io::sr::{self, Absence, Measurement, MeasurementReport, Planar, Site, Volumetric};
use image::RgbImage;
use ndarray::ArrayView3;

use crate::finding::{Finding, Kind, Organ, Side};
use crate::report::{Examined, Report};
use crate::track::Trend;

/// Series Numbers of what is made here, high enough to stand behind the scanner's own.
const SEGMENTATION_SERIES: u32 = 9001;
const REPORT_SERIES: u32 = 9002;
const KEY_IMAGE_SERIES: u32 = 9003;
const WORDS_SERIES: u32 = 9004;

/// The objects of one report.
pub struct Objects {
    /// Comprehensive 3D SR, TID 1500; `None` where no organ was found in the images, because then there is
    /// nothing that was found or found absent.
    pub report: Option<ResultObject>,
    /// Binary segmentation; `None` without findings, because a segmentation cannot be empty.
    pub segmentation: Option<ResultObject>,
    /// A Secondary Capture for each key image, in the order of the findings.
    pub key_images: Vec<ResultObject>,
    /// Basic Text SR, TID 2000: the words, which rest on `report`.
    pub narrative: ResultObject,
}

/// Makes the objects of `report`. `key_images` belong to the findings, in their order.
///
/// `created` is the only thing in them that differs when the same series is analysed again: the
/// standard asks for the time at which content was made.
pub fn objects(reading: &Reading, report: &Report, key_images: &[RgbImage], created: DateTime) -> Objects {
    let equipment = equipment(&report.provenance.foci_version);
    let algorithms: Vec<Algorithm> = report
        .provenance
        .models
        .iter()
        .map(|model| Algorithm {
            name: model.name.clone(),
            version: model.version.clone(),
            manufacturer: "Foci".to_owned(),
            device_uid: model.device_uid.clone(),
            parameters: model.parameters.clone(),
        })
        .collect();
    let context = Context {
        source: &reading.source,
        geometry: &reading.volume.geometry,
        shape: reading.volume.shape(),
        slices: &reading.slices,
        equipment: &equipment,
        algorithms: &algorithms,
        created,
    };
    let algorithm =
        |name: &str| report.provenance.models.iter().position(|model| model.name == name).unwrap_or_default();

    let segmentation = (!report.findings.is_empty()).then(|| {
        let segments = report.findings.iter().map(|finding| Segment {
            label: finding.tracking_id(),
            category: codes::MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
            property: code(finding.kind),
            sites: vec![site(finding.site.organ, finding.site.side)],
            algorithm: algorithm(&finding.model),
            tracking: Some((finding.tracking_id(), finding.tracking_uid.clone())),
            colour: match finding.kind {
                Kind::LungNodule => [255, 209, 0],
                Kind::LiverLesion => [255, 64, 160],
            },
            mask: finding.mask.voxels.view(),
            offset: finding.mask.corner,
        });
        Segmentation {
            series: NewSeries {
                number: SEGMENTATION_SERIES,
                description: "Foci segmentation (research)".to_owned(),
            },
            label: "FINDINGS".to_owned(),
            segments: segments.collect(),
        }
        .to_object(&context)
    });

    let findings: Vec<_> = (1..)
        .zip(&report.findings)
        .map(|(segment, finding)| sr::Finding {
            tracking_id: finding.tracking_id(),
            tracking_uid: finding.tracking_uid.clone(),
            category: codes::MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
            finding: code(finding.kind),
            sites: vec![site(finding.site.organ, finding.site.side)],
            algorithm: algorithm(&finding.model),
            planar: Some(planar(finding)),
            volumetric: Some(volumetric(finding, segment, &report.modality)),
            qualities: finding
                .change
                .iter()
                .map(|change| (codes::DIFFERENCE_IN_SIZE, trend(change.trend)))
                .collect(),
            comment: Some(report.narrative.language.describe(finding)),
        })
        .collect();
    let absent: Vec<_> = report
        .examined
        .iter()
        .filter(|examined| examined.organ_found && !report.findings.iter().any(|f| f.kind == examined.kind))
        .map(|examined| Absence {
            finding: code(examined.kind),
            sites: vec![site(examined.organ, None)],
            algorithm: algorithm(&examined.model),
        })
        .collect();
    let says_something = !findings.is_empty() || !absent.is_empty();
    let structured = says_something.then(|| {
        MeasurementReport {
            language: words::language(report.narrative.language),
            series: NewSeries { number: REPORT_SERIES, description: "Foci findings (research)".to_owned() },
            procedure: procedure(&report.modality, &report.examined),
            segmentation: segmentation.as_ref(),
            findings,
            absent,
            recommendations: recommendations(report),
        }
        .to_object(&context)
    });

    let key_images = (1..).zip(key_images).zip(&report.findings).map(|((number, picture), finding)| {
        let shape = (picture.height() as usize, picture.width() as usize, 3);
        SecondaryCapture {
            series: NewSeries {
                number: KEY_IMAGE_SERIES,
                description: "Foci key images (research)".to_owned(),
            },
            number,
            description: format!("Key image of {}, research, unverified", finding.tracking_id()),
            slices: vec![finding.measurements.slice],
            pixels: ArrayView3::from_shape(shape, picture.as_raw()).expect("three bytes for each pixel"),
        }
        .to_object(&context)
    });
    let key_images: Vec<ResultObject> = key_images.collect();
    let series = NewSeries { number: WORDS_SERIES, description: "Foci report (research)".to_owned() };
    let narrative = words::text_report(report, reading, structured.as_ref(), &key_images).to_object(
        &context.origin(),
        &series,
        &sr::Standing::default(),
    );
    Objects { report: structured, segmentation, key_images, narrative }
}

/// Foci as the program that writes objects.
pub fn equipment(foci_version: &str) -> Equipment {
    Equipment {
        manufacturer: "Foci".to_owned(),
        model_name: "Foci".to_owned(),
        serial_number: "1".to_owned(),
        software_version: foci_version.to_owned(),
    }
}

fn planar(finding: &Finding) -> Planar {
    let measured = &finding.measurements;
    let k = measured.slice as f64;
    // The last point repeats the first; the writer closes the line itself.
    let corners = measured.outline_ij.len().saturating_sub(1);
    Planar {
        outline: measured.outline_ij[..corners].iter().map(|[i, j]| Ijk::new(*i, *j, k)).collect(),
        measurements: vec![
            Measurement::new(codes::LONG_AXIS, tenth(measured.long_axis_mm), codes::MM),
            Measurement::new(codes::SHORT_AXIS, tenth(measured.short_axis_mm), codes::MM),
        ],
    }
}

fn volumetric(finding: &Finding, segment: u16, modality: &str) -> Volumetric {
    let measured = &finding.measurements;
    let mut measurements = vec![
        Measurement::new(codes::VOLUME, tenth(measured.volume_mm3), codes::MM3)
            .by(codes::SUM_OF_SEGMENTED_VOXELS),
        Measurement::new(codes::MAXIMUM_3D_DIAMETER, tenth(measured.max_diameter_3d_mm), codes::MM),
    ];
    if modality == "CT" {
        let attenuation = |value: f64, derivation: Code| {
            Measurement::new(codes::ATTENUATION_COEFFICIENT, tenth(value), codes::HOUNSFIELD_UNIT)
                .derived(derivation)
        };
        measurements.extend([
            attenuation(measured.mean_hu, codes::MEAN),
            attenuation(measured.sd_hu, codes::STANDARD_DEVIATION),
            attenuation(measured.min_hu, codes::MINIMUM),
            attenuation(measured.max_hu, codes::MAXIMUM),
        ]);
    }
    measurements.push(Measurement::new(
        codes::CERTAINTY_OF_FINDING,
        tenth(finding.confidence * 100.0),
        codes::PERCENT,
    ));
    Volumetric { segment, measurements }
}

/// Rounded as a reader should see it; nothing here is exact to more.
fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn trend(trend: Trend) -> Code {
    match trend {
        Trend::New => codes::NEW,
        Trend::Grown => codes::INCREASE_IN_SIZE,
        Trend::Shrunk => codes::DECREASE_IN_SIZE,
        Trend::Unchanged => codes::NO_SIGNIFICANT_CHANGE,
    }
}

/// What the guideline advises, with the names of its rules.
fn recommendations(report: &Report) -> Vec<String> {
    let advised = report.narrative.recommendation.iter().filter(|sentence| !sentence.rules.is_empty());
    advised.map(|sentence| format!("{} [{}]", sentence.text, sentence.rules.join(", "))).collect()
}

fn code(kind: Kind) -> Code {
    match kind {
        Kind::LungNodule => codes::NODULE,
        Kind::LiverLesion => codes::LESION,
    }
}

fn site(organ: Organ, side: Option<Side>) -> Site {
    let place = match organ {
        Organ::Lung => codes::LUNG,
        Organ::Liver => codes::LIVER,
    };
    let laterality = side.map(|side| match side {
        Side::Left => codes::LEFT,
        Side::Right => codes::RIGHT,
    });
    Site { place, laterality }
}

/// What was imaged, told from the organs that were found in it.
fn procedure(modality: &str, examined: &[Examined]) -> Code {
    if modality != "CT" {
        return codes::MR_UNSPECIFIED_BODY_REGION;
    }
    let found = |organ: Organ| examined.iter().any(|e| e.organ == organ && e.organ_found);
    match (found(Organ::Lung), found(Organ::Liver)) {
        (true, false) => codes::CT_CHEST,
        (false, true) => codes::CT_ABDOMEN,
        _ => codes::CT_UNSPECIFIED_BODY_REGION,
    }
}
