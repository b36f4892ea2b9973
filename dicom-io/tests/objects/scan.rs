//! A small source series and an analysis of it, for the tests of result objects.

use std::path::{Path, PathBuf};

use dicom::core::{DataElement, PrimitiveValue, Tag, VR};
use dicom::dictionary_std::{tags, uids};
use dicom::object::{FileMetaTableBuilder, InMemDicomObject};
use dicom_io::object::{Algorithm, Context, DateTime, Equipment, NewSeries, ResultObject};
use dicom_io::seg::{Segment, Segmentation};
use dicom_io::sr::codes::{self, Code};
use dicom_io::sr::{Absence, Finding, Language, Measurement, MeasurementReport, Planar, Site, Volumetric};
use dicom_io::{Geometry, Ijk, Lps, Reading, SliceRef, Source, Spacing, Uid};
use ndarray::Array3;

/// Slices, rows, columns: all different, and a row is no whole number of bytes.
pub(crate) const SHAPE: [usize; 3] = [7, 50, 61];

pub(crate) const AXIAL: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

/// Turned by 20 degrees about two axes.
pub(crate) const OBLIQUE: [[f64; 3]; 3] = [
    [0.939_692_621, 0.0, -0.342_020_143],
    [0.116_977_778, 0.939_692_621, 0.321_393_805],
    [0.321_393_805, -0.342_020_143, 0.883_022_222],
];

/// The two findings: where their boxes begin and end (slice, row, column), and their radius in pixels.
/// A slice counts for three pixels.
const FINDINGS: [([usize; 3], [usize; 3], f64); 2] =
    [([2, 11, 17], [5, 20, 26], 4.0), ([1, 30, 40], [6, 45, 53], 6.5)];

/// Whether a voxel belongs to finding `n`.
fn inside(n: usize, at: [usize; 3]) -> bool {
    let (start, end, radius) = FINDINGS[n];
    let scale = [3.0, 1.0, 1.0];
    let off = |a: usize| (at[a] as f64 - (start[a] + end[a] - 1) as f64 / 2.0) * scale[a];
    (0..3).all(|a| (start[a]..end[a]).contains(&at[a]))
        && (0..3).map(|a| off(a).powi(2)).sum::<f64>() <= radius * radius
}

/// A CT series in memory, with everything a result object takes over from it.
pub(crate) struct Scan {
    pub(crate) source: Source,
    pub(crate) geometry: Geometry,
    pub(crate) shape: [usize; 3],
    pub(crate) slices: Vec<SliceRef>,
    pub(crate) equipment: Equipment,
    pub(crate) algorithms: Vec<Algorithm>,
    images: Vec<InMemDicomObject>,
}

/// What the report of a scan recommends.
pub(crate) fn recommendations() -> Vec<String> {
    vec!["CT in 6 to 12 months [fleischner-2017.solid.single.6-8.low]".to_owned()]
}

impl Scan {
    /// The series called `name`, with `more` attributes in every slice.
    pub(crate) fn new(name: &str, axes: [[f64; 3]; 3], more: &[(Tag, VR, &str)]) -> Self {
        let spacing = Spacing { i: 0.75, j: 0.8, k: 2.5 };
        let geometry = Geometry::new(Lps::new(-20.0, -30.0, 40.0), axes, spacing).unwrap();
        Self::on(name, &geometry, SHAPE, more)
    }

    /// The same on another grid.
    pub(crate) fn on(name: &str, geometry: &Geometry, shape: [usize; 3], more: &[(Tag, VR, &str)]) -> Self {
        let images: Vec<_> = (0..shape[0]).map(|k| image(name, geometry, shape, k, more)).collect();
        let folder = tempfile::tempdir().unwrap();
        write(&images, folder.path());
        let mut found = dicom_io::scan(&[folder.path().to_owned()]).unwrap();
        let Reading { source, slices, volume, .. } = found.studies.remove(0).series.remove(0).read().unwrap();
        let algorithm = |name: &str, kind: &str| Algorithm {
            name: name.into(),
            version: "1.2.0".into(),
            manufacturer: "Foci".into(),
            device_uid: Uid::derived(&["test device", name]),
            parameters: vec![format!("model_sha256={}", kind.repeat(16)), "threshold=0.5".into()],
        };
        Self {
            source,
            geometry: volume.geometry,
            shape,
            slices,
            equipment: Equipment {
                manufacturer: "Foci".into(),
                model_name: "Foci".into(),
                serial_number: "1".into(),
                software_version: "0.1.0".into(),
            },
            algorithms: vec![algorithm("lung-nodule", "ab12"), algorithm("liver-lesion", "cd34")],
            images,
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            source: &self.source,
            geometry: &self.geometry,
            shape: self.shape,
            slices: &self.slices,
            equipment: &self.equipment,
            algorithms: &self.algorithms,
            created: DateTime { year: 2026, month: 11, day: 22, hour: 3, minute: 5, second: 7 },
        }
    }

    /// Writes the slices as files and returns their paths.
    pub(crate) fn write(&self, folder: &Path) -> Vec<PathBuf> {
        write(&self.images, folder)
    }

    /// Two findings by two algorithms: a nodule in the left lung, a lesion in the liver.
    pub(crate) fn masks(&self) -> [(Array3<bool>, [usize; 3]); 2] {
        [0, 1].map(|n| {
            let (start, end, _) = FINDINGS[n];
            let shape = [0, 1, 2].map(|a| end[a] - start[a]);
            (
                Array3::from_shape_fn(shape, |(k, j, i)| {
                    inside(n, [k + start[0], j + start[1], i + start[2]])
                }),
                start,
            )
        })
    }

    pub(crate) fn segmentation(&self, masks: &[(Array3<bool>, [usize; 3]); 2]) -> ResultObject {
        let names = ["Nodule 1", "Lesion 1"];
        let sites = [codes::LUNG, codes::LIVER];
        let properties = [codes::NODULE, codes::LESION];
        let segments = (0..2).map(|n| Segment {
            label: names[n].into(),
            category: codes::MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
            property: properties[n].clone(),
            sites: vec![Site { place: sites[n].clone(), laterality: (n == 0).then_some(codes::LEFT) }],
            algorithm: n,
            tracking: Some((names[n].into(), tracking(n))),
            colour: [[230, 60, 50], [250, 200, 40]][n],
            mask: masks[n].0.view(),
            offset: masks[n].1,
        });
        Segmentation {
            series: NewSeries { number: 9001, description: "Foci findings".into() },
            label: "FINDINGS".into(),
            segments: segments.collect(),
        }
        .to_object(&self.context())
    }

    pub(crate) fn findings(&self, language: Language) -> Vec<Finding> {
        let finding = |n: usize, finding: Code, place: Code, centre: [f64; 3], radius: f64| Finding {
            qualities: vec![(codes::DIFFERENCE_IN_SIZE, codes::INCREASE_IN_SIZE)],
            tracking_id: format!("{} {}", finding.meaning, 1),
            tracking_uid: tracking(n),
            category: codes::MORPHOLOGICALLY_ABNORMAL_STRUCTURE,
            sites: vec![Site { place, laterality: (n == 0).then_some(codes::LEFT) }],
            finding,
            algorithm: n,
            planar: Some(Planar {
                outline: circle(centre, radius),
                measurements: vec![
                    Measurement::new(codes::LONG_AXIS, 8.2, codes::MM),
                    Measurement::new(codes::SHORT_AXIS, 6.9, codes::MM),
                ],
            }),
            volumetric: Some(Volumetric {
                segment: n as u16 + 1,
                measurements: vec![
                    Measurement::new(codes::VOLUME, 271.0, codes::MM3).by(codes::SUM_OF_SEGMENTED_VOXELS),
                    Measurement::new(codes::MAXIMUM_3D_DIAMETER, 9.1, codes::MM),
                    Measurement::new(codes::ATTENUATION_COEFFICIENT, 34.2, codes::HOUNSFIELD_UNIT)
                        .derived(codes::MEAN),
                    Measurement::new(codes::ATTENUATION_COEFFICIENT, 12.0 / 7.0, codes::HOUNSFIELD_UNIT)
                        .derived(codes::STANDARD_DEVIATION),
                    Measurement::new(codes::CERTAINTY_OF_FINDING, 91.3, codes::PERCENT),
                ],
            }),
            comment: Some(
                match language {
                    Language::English => "Solid, well defined.",
                    Language::Chinese => "实性，边界清楚。",
                }
                .into(),
            ),
        };
        vec![
            finding(0, codes::NODULE, codes::LUNG, [21.0, 15.0, 3.0], 4.5),
            finding(1, codes::LESION, codes::LIVER, [46.0, 37.0, 3.0], 7.0),
        ]
    }

    pub(crate) fn report(&self, language: Language, segmentation: &ResultObject) -> ResultObject {
        MeasurementReport {
            language,
            series: NewSeries { number: 9002, description: "Foci report".into() },
            procedure: codes::CT_UNSPECIFIED_BODY_REGION,
            recommendations: recommendations(),
            segmentation: Some(segmentation),
            findings: self.findings(language),
            absent: Vec::new(),
        }
        .to_object(&self.context())
    }

    /// The report of a study in which neither network found anything.
    pub(crate) fn empty_report(&self) -> ResultObject {
        let absent = |algorithm, finding, place| Absence {
            finding,
            sites: vec![Site { place, laterality: None }],
            algorithm,
        };
        MeasurementReport {
            language: Language::English,
            series: NewSeries { number: 9003, description: "Foci report".into() },
            procedure: codes::CT_UNSPECIFIED_BODY_REGION,
            recommendations: Vec::new(),
            segmentation: None,
            findings: Vec::new(),
            absent: vec![absent(0, codes::NODULE, codes::LUNG), absent(1, codes::LESION, codes::LIVER)],
        }
        .to_object(&self.context())
    }
}

pub(crate) fn tracking(n: usize) -> Uid {
    Uid::derived(&["test tracking", &n.to_string()])
}

/// A polygon of 24 corners in the slice of `centre` (i, j, k).
fn circle([i, j, k]: [f64; 3], radius: f64) -> Vec<Ijk> {
    let angle = |n: u32| f64::from(n) * std::f64::consts::TAU / 24.0;
    (0..24).map(|n| Ijk::new(i + radius * angle(n).cos(), j + radius * angle(n).sin(), k)).collect()
}

fn write(images: &[InMemDicomObject], folder: &Path) -> Vec<PathBuf> {
    let write = |(k, image): (usize, &InMemDicomObject)| {
        let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
        let path = folder.join(format!("ct{k}.dcm"));
        image.clone().with_meta(meta).unwrap().write_to_file(&path).unwrap();
        path
    };
    images.iter().enumerate().map(write).collect()
}

fn slice_uid(name: &str, k: usize) -> Uid {
    Uid::derived(&["test slice", name, &k.to_string()])
}

fn image(
    name: &str,
    geometry: &Geometry,
    shape: [usize; 3],
    k: usize,
    more: &[(Tag, VR, &str)],
) -> InMemDicomObject {
    let decimals = |values: &[f64]| values.iter().map(|v| format!("{v:.9}")).collect::<Vec<_>>().join("\\");
    let [columns, rows, _] = geometry.axes();
    let spacing = geometry.spacing();
    let position = geometry.to_lps(Ijk::new(0.0, 0.0, k as f64)).to_array();
    let uid = |kind: &str| Uid::derived(&["test", kind, name]).to_string();
    let mut image = InMemDicomObject::new_empty();
    let texts = [
        (tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 192".to_owned()),
        (tags::SOP_CLASS_UID, VR::UI, uids::CT_IMAGE_STORAGE.to_owned()),
        (tags::SOP_INSTANCE_UID, VR::UI, slice_uid(name, k).to_string()),
        (tags::STUDY_INSTANCE_UID, VR::UI, uid("study")),
        (tags::SERIES_INSTANCE_UID, VR::UI, uid("series")),
        (tags::FRAME_OF_REFERENCE_UID, VR::UI, uid("frame")),
        (tags::POSITION_REFERENCE_INDICATOR, VR::LO, String::new()),
        (tags::MODALITY, VR::CS, "CT".into()),
        (tags::PATIENT_NAME, VR::PN, "Wang^XiaoDong=王^小东".into()),
        (tags::PATIENT_ID, VR::LO, format!("TEST-{name}")),
        (tags::PATIENT_BIRTH_DATE, VR::DA, "19600101".into()),
        (tags::PATIENT_SEX, VR::CS, "M".into()),
        (tags::STUDY_DATE, VR::DA, "20261001".into()),
        (tags::STUDY_TIME, VR::TM, "120000".into()),
        (tags::STUDY_ID, VR::SH, "1".into()),
        (tags::STUDY_DESCRIPTION, VR::LO, "胸部平扫".into()),
        (tags::ACCESSION_NUMBER, VR::SH, "ACC1".into()),
        (tags::REFERRING_PHYSICIAN_NAME, VR::PN, String::new()),
        (tags::MANUFACTURER, VR::LO, "Phantom".into()),
        (tags::SERIES_NUMBER, VR::IS, "2".into()),
        (tags::ACQUISITION_NUMBER, VR::IS, "1".into()),
        (tags::INSTANCE_NUMBER, VR::IS, (k + 1).to_string()),
        (tags::PATIENT_POSITION, VR::CS, "HFS".into()),
        (tags::LATERALITY, VR::CS, String::new()),
        (tags::KVP, VR::DS, "120".into()),
        (tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL".into()),
        (tags::IMAGE_POSITION_PATIENT, VR::DS, decimals(&position)),
        (tags::IMAGE_ORIENTATION_PATIENT, VR::DS, decimals(&[columns, rows].concat())),
        (tags::PIXEL_SPACING, VR::DS, decimals(&[spacing.j, spacing.i])),
        (tags::SLICE_THICKNESS, VR::DS, "2.5".into()),
        (tags::RESCALE_INTERCEPT, VR::DS, "-1024".into()),
        (tags::RESCALE_SLOPE, VR::DS, "1".into()),
        (tags::RESCALE_TYPE, VR::LO, "HU".into()),
        (tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2".into()),
    ];
    for (tag, vr, text) in texts {
        image.put(DataElement::new(tag, vr, PrimitiveValue::from(text)));
    }
    let shorts = [
        (tags::SAMPLES_PER_PIXEL, 1),
        (tags::ROWS, shape[1] as u16),
        (tags::COLUMNS, shape[2] as u16),
        (tags::BITS_ALLOCATED, 16),
        (tags::BITS_STORED, 12),
        (tags::HIGH_BIT, 11),
        (tags::PIXEL_REPRESENTATION, 0),
    ];
    for (tag, value) in shorts {
        image.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    for (tag, vr, text) in more {
        image.put(DataElement::new(*tag, *vr, PrimitiveValue::from(*text)));
    }
    let value = |at: usize| {
        let found = (0..2).any(|n| inside(n, [k, at / shape[2], at % shape[2]]));
        1000 + (at * 7 + k * 13) as u16 % 40 + if found { 100 } else { 0 }
    };
    let pixels: Vec<u16> = (0..shape[1] * shape[2]).map(value).collect();
    image.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.into())));
    image
}
