//! Evidence from a structured report: ours, or any other that follows TID 1500.
//!
//! The groups of one lesion (a planar and a volumetric one) have one Tracking Unique Identifier and become one
//! lesion. What a group does not say in codes or numbers is not known.

use dicom_io::sr::codes;
use dicom_io::sr::{Group, Measurement, Read, Site};
use dicom_io::{Code, Uid};

use super::{Evidence, Lesion, Lobe, What};
use crate::finding::{Density, Kind, Organ, Side};
use crate::guideline::{Advised, Patient};
use crate::report::Examined;

/// What is larger is a mass: Fleischner Society: Glossary of Terms for Thoracic Imaging, Radiology 246 (2008) 697.
const LARGEST_NODULE_MM: f64 = 30.0;

impl Evidence {
    /// What a measurement report says of one examination of this `modality`.
    ///
    /// Lesions are numbered in the order of the report. A group whose finding is said to be absent makes its organ
    /// one that was examined.
    pub fn from_sr(report: &Read, modality: &str, patient: Patient, contrast: Option<bool>) -> Self {
        let mut lesions: Vec<(Option<&Uid>, Lesion)> = Vec::new();
        let mut examined: Vec<Examined> = Vec::new();
        for group in &report.groups {
            let organ = group.sites.iter().find_map(organ);
            if group.qualities.iter().any(|(_, answer)| *answer == codes::ABSENT) {
                examined.extend(organ.map(|organ| looked_at(organ, group.algorithm.as_deref())));
                continue;
            }
            let known =
                lesions.iter().position(|(uid, _)| uid.is_some() && *uid == group.tracking_uid.as_ref());
            let at = known.unwrap_or_else(|| {
                let number = lesions.len() + 1;
                lesions.push((group.tracking_uid.as_ref(), blank(number)));
                number - 1
            });
            add(&mut lesions[at].1, group);
        }
        let mut lesions: Vec<Lesion> = lesions.into_iter().map(|(_, lesion)| lesion).collect();
        for lesion in &mut lesions {
            if lesion.what == What::LungNodule && lesion.long_axis_mm > Some(LARGEST_NODULE_MM) {
                lesion.what = What::LungMass;
            }
            let organ = lesion.organ.filter(|organ| !examined.iter().any(|known| known.organ == *organ));
            examined.extend(organ.map(|organ| looked_at(organ, None)));
        }
        examined.sort_by_key(|examined| examined.organ as usize);
        examined.dedup_by_key(|examined| examined.organ);
        Self {
            modality: modality.to_owned(),
            contrast,
            slices: None,
            spacing_mm: None,
            patient,
            lesions,
            examined,
            compared: None,
            advised: Advised::default(),
            warnings: Vec::new(),
        }
    }
}

fn looked_at(organ: Organ, model: Option<&str>) -> Examined {
    let kind = match organ {
        Organ::Lung => Kind::LungNodule,
        Organ::Liver => Kind::LiverLesion,
    };
    let model = model.unwrap_or_default().to_owned();
    Examined { organ, kind, organ_found: true, organ_volume_ml: None, model }
}

/// A lesion of which nothing is known.
fn blank(number: usize) -> Lesion {
    Lesion {
        number,
        what: What::Other,
        organ: None,
        side: None,
        lobe: None,
        density: None,
        solid_part_mm: None,
        long_axis_mm: None,
        short_axis_mm: None,
        max_diameter_3d_mm: None,
        volume_mm3: None,
        mean_hu: None,
        sd_hu: None,
        range_hu: None,
        slice: None,
        confidence: None,
        critical: false,
        change: None,
    }
}

/// What `group` says of `lesion` beside what is known.
fn add(lesion: &mut Lesion, group: &Group) {
    for site in &group.sites {
        lesion.organ = lesion.organ.or(organ(site));
        lesion.side = lesion.side.or(side(site));
        lesion.lobe = lesion.lobe.or(lobe(&site.place));
    }
    if let Some(finding) = &group.finding {
        lesion.what = what(finding, lesion.organ);
        lesion.density = lesion.density.or(density(finding));
    }
    lesion.density = lesion.density.or(group.qualities.iter().find_map(|(_, answer)| density(answer)));
    for measurement in group.measurements.iter().filter(|measurement| measurement.value.is_finite()) {
        number(lesion, measurement);
    }
}

fn number(lesion: &mut Lesion, measurement: &Measurement) {
    let Measurement { name, value, unit, derivation, .. } = measurement;
    let length = match &*unit.value {
        "mm" => Some(*value),
        "cm" => Some(value * 10.0),
        _ => None,
    };
    let volume = match &*unit.value {
        "mm3" => Some(*value),
        "cm3" | "ml" | "mL" => Some(value * 1000.0),
        _ => None,
    };
    let is = |code: &Code| name == code;
    let derived = |code: &Code| derivation.as_ref() == Some(code);
    if is(&codes::LONG_AXIS) {
        lesion.long_axis_mm = length.or(lesion.long_axis_mm);
    } else if is(&codes::DIAMETER) {
        lesion.long_axis_mm = lesion.long_axis_mm.or(length);
    } else if is(&codes::SHORT_AXIS) {
        lesion.short_axis_mm = length.or(lesion.short_axis_mm);
    } else if is(&codes::MAXIMUM_3D_DIAMETER) {
        lesion.max_diameter_3d_mm = length.or(lesion.max_diameter_3d_mm);
    } else if is(&codes::VOLUME) {
        lesion.volume_mm3 = volume.or(lesion.volume_mm3);
    } else if is(&codes::CERTAINTY_OF_FINDING) && *unit == codes::PERCENT {
        lesion.confidence = Some(value / 100.0);
    } else if is(&codes::ATTENUATION_COEFFICIENT) && *unit == codes::HOUNSFIELD_UNIT {
        let [low, high] = lesion.range_hu.unwrap_or([*value; 2]);
        if derived(&codes::MINIMUM) {
            lesion.range_hu = Some([*value, high]);
        } else if derived(&codes::MAXIMUM) {
            lesion.range_hu = Some([low, *value]);
        } else if derived(&codes::STANDARD_DEVIATION) {
            lesion.sd_hu = Some(*value);
        } else if derived(&codes::MEAN) || derivation.is_none() {
            lesion.mean_hu = Some(*value);
        }
    }
}

/// The words of a code's meaning, in lower case: codes for one side and lobe are too many to list.
fn says(code: &Code, word: &str) -> bool {
    code.meaning.split(|c: char| !c.is_alphanumeric()).any(|part| part.eq_ignore_ascii_case(word))
}

fn organ(site: &Site) -> Option<Organ> {
    let place = &site.place;
    if says(place, "lung") || says(place, "lungs") {
        Some(Organ::Lung)
    } else if says(place, "liver") || says(place, "hepatic") {
        Some(Organ::Liver)
    } else {
        None
    }
}

fn side(site: &Site) -> Option<Side> {
    let of = |code: &Code| match (says(code, "left"), says(code, "right")) {
        (true, false) => Some(Side::Left),
        (false, true) => Some(Side::Right),
        _ => None,
    };
    site.laterality.as_ref().and_then(of).or_else(|| of(&site.place))
}

fn lobe(place: &Code) -> Option<Lobe> {
    if !says(place, "lobe") || !says(place, "lung") {
        return None;
    }
    [("upper", Lobe::Upper), ("middle", Lobe::Middle), ("lower", Lobe::Lower)]
        .into_iter()
        .find_map(|(word, lobe)| says(place, word).then_some(lobe))
}

fn what(finding: &Code, organ: Option<Organ>) -> What {
    match organ {
        Some(Organ::Lung) if says(finding, "nodule") || says(finding, "micronodule") => What::LungNodule,
        Some(Organ::Lung) if says(finding, "mass") => What::LungMass,
        Some(Organ::Lung) if says(finding, "opacity") => What::LungNodule,
        Some(Organ::Liver) => What::LiverLesion,
        _ => What::Other,
    }
}

fn density(code: &Code) -> Option<Density> {
    let part = says(code, "part") || says(code, "partially") || says(code, "semisolid");
    if says(code, "ground") && says(code, "glass") {
        Some(Density::GroundGlass)
    } else if part && says(code, "solid") || says(code, "semisolid") {
        Some(Density::PartSolid)
    } else if says(code, "solid") {
        Some(Density::Solid)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use dicom_io::sr::{Item, Region, Relation, Value};

    use super::*;

    fn group(
        tracking: &str,
        finding: Code,
        place: Code,
        side: Option<Code>,
        numbers: &[(Code, f64, Code)],
    ) -> Group {
        Group {
            tracking_id: None,
            tracking_uid: Some(Uid::parse(tracking).unwrap()),
            finding: Some(finding),
            sites: vec![Site { place, laterality: side }],
            algorithm: None,
            measurements: numbers
                .iter()
                .map(|(name, value, unit)| Measurement::new(name.clone(), *value, unit.clone()))
                .collect(),
            qualities: Vec::new(),
            region: Region::None,
        }
    }

    fn read(groups: Vec<Group>) -> Evidence {
        let root =
            Item::new(Relation::Contains, codes::IMAGING_MEASUREMENT_REPORT, Value::Text(String::new()));
        let report = Read { root, procedure: None, created: None, groups };
        Evidence::from_sr(&report, "CT", Patient::default(), None)
    }

    #[test]
    fn two_groups_of_one_lesion_are_one_and_units_are_converted() {
        let cm = Code::new("cm", "UCUM", "cm");
        let ml = Code::new("ml", "UCUM", "ml");
        let planar = [(codes::LONG_AXIS, 1.25, cm.clone()), (codes::SHORT_AXIS, 8.0, codes::MM)];
        let volumetric = [(codes::VOLUME, 0.5, ml)];
        let left_upper = Code::new("44714003", "SCT", "Structure of upper lobe of left lung");
        let evidence = read(vec![
            group("1.2.1", codes::NODULE, left_upper.clone(), None, &planar),
            group("1.2.1", codes::NODULE, left_upper, None, &volumetric),
            group("1.2.2", codes::LESION, codes::LIVER, None, &[(codes::DIAMETER, 4.0, cm)]),
        ]);
        let [nodule, liver] = &evidence.lesions[..] else { panic!("{evidence:?}") };
        assert_eq!(
            (nodule.what, nodule.side, nodule.lobe),
            (What::LungNodule, Some(Side::Left), Some(Lobe::Upper))
        );
        assert_eq!((nodule.long_axis_mm, nodule.short_axis_mm), (Some(12.5), Some(8.0)));
        assert_eq!(nodule.volume_mm3, Some(500.0));
        assert_eq!((liver.number, liver.what, liver.long_axis_mm), (2, What::LiverLesion, Some(40.0)));
        let organs: Vec<Organ> = evidence.examined.iter().map(|examined| examined.organ).collect();
        assert_eq!(organs, [Organ::Lung, Organ::Liver]);
    }

    #[test]
    fn a_nodule_of_more_than_30_mm_is_a_mass() {
        let large = [(codes::LONG_AXIS, 30.1, codes::MM)];
        let evidence = read(vec![group("1.2.1", codes::NODULE, codes::LUNG, Some(codes::RIGHT), &large)]);
        assert_eq!((evidence.lesions[0].what, evidence.lesions[0].side), (What::LungMass, Some(Side::Right)));
    }

    #[test]
    fn what_is_absent_is_examined_and_no_lesion() {
        let mut absent = group("1.2.1", codes::LESION, codes::LIVER, None, &[]);
        absent.qualities = vec![(codes::LESION, codes::ABSENT)];
        let evidence = read(vec![absent]);
        assert!(evidence.lesions.is_empty());
        assert_eq!(evidence.examined[0].organ, Organ::Liver);
    }
}
