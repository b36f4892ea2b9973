//! A prior as somebody recorded it: our own analysis, or any program's measurement report.

use dicom_io::sr::codes::{self, Code, template};
use dicom_io::sr::{Group, Item, Measurement, Read, Region, Value};
use dicom_io::{Ijk, Lps, Reading, Source, Uid};

use super::{Prior, PriorLesion};
use crate::finding::{Finding, Kind, Organ, Side, Site};
use crate::report::Report;

/// What a lung nodule or a liver lesion is called, in the codes of today and of yesterday (SRT, up to 2017).
const LESIONS: [Code; 9] = [
    codes::NODULE,
    codes::MASS,
    codes::LESION,
    codes::MICRONODULE,
    codes::GROUND_GLASS_OPACITY,
    Code::new("108369006", "SCT", "Neoplasm"),
    Code::new("M-03010", "SRT", "Nodule"),
    Code::new("M-01100", "SRT", "Lesion"),
    Code::new("M-03000", "SRT", "Mass"),
];

/// The organs, with the side where the code has one.
const SITES: [(Code, Organ, Option<Side>); 9] = [
    (codes::LUNG, Organ::Lung, None),
    (codes::UPPER_LOBE_OF_LUNG, Organ::Lung, None),
    (codes::MIDDLE_LOBE_OF_RIGHT_LUNG, Organ::Lung, Some(Side::Right)),
    (codes::LOWER_LOBE_OF_LUNG, Organ::Lung, None),
    (Code::new("3341006", "SCT", "Right lung"), Organ::Lung, Some(Side::Right)),
    (Code::new("44029006", "SCT", "Left lung"), Organ::Lung, Some(Side::Left)),
    (Code::new("T-28000", "SRT", "Lung"), Organ::Lung, None),
    (codes::LIVER, Organ::Liver, None),
    (Code::new("T-62000", "SRT", "Liver"), Organ::Liver, None),
];

const SIDES: [(Code, Side); 4] = [
    (codes::LEFT, Side::Left),
    (codes::RIGHT, Side::Right),
    (Code::new("G-A101", "SRT", "Left"), Side::Left),
    (Code::new("G-A100", "SRT", "Right"), Side::Right),
];

const LONG: [Code; 2] = [codes::LONG_AXIS, Code::new("G-A185", "SRT", "Long Axis")];
const SHORT: [Code; 2] = [codes::SHORT_AXIS, Code::new("G-A186", "SRT", "Short Axis")];
const DIAMETER: [Code; 3] =
    [codes::DIAMETER, Code::new("M-02550", "SRT", "Diameter"), codes::MAXIMUM_3D_DIAMETER];
const VOLUME: [Code; 2] = [codes::VOLUME, Code::new("G-D705", "SRT", "Volume")];

impl Prior {
    /// The examination of `reading` as `report` says it, `days` ago.
    pub fn analysed(reading: Reading, report: &Report, days: Option<u32>) -> Self {
        let lesion = |finding: &Finding| PriorLesion {
            kind: finding.kind,
            site: finding.site,
            tracking_uid: finding.tracking_uid.clone(),
            centre_lps_mm: Some(finding.measurements.centre_lps_mm),
            long_axis_mm: finding.measurements.long_axis_mm,
            short_axis_mm: Some(finding.measurements.short_axis_mm),
            volume_mm3: Some(finding.measurements.volume_mm3),
        };
        let examined = report.examined.iter().filter(|examined| examined.organ_found);
        Self {
            study_uid: report.study_uid.clone(),
            series_uid: report.series_uid.clone(),
            days,
            frame_of_reference_uid: reading.source.frame_of_reference_uid(),
            images: (report.modality == "CT").then_some(reading.volume),
            examined: examined.map(|examined| examined.kind).collect(),
            lesions: report.findings.iter().map(lesion).collect(),
        }
    }

    /// The examination that `record` is about, `days` ago; `source` is the record's header, and `images` are those
    /// that it was made on, where they are at hand.
    ///
    /// Of the measurement groups those count that name a lesion of lung or liver and its size. Groups of one
    /// Tracking UID are one lesion; a group without one is a lesion with a UID of its own.
    pub fn recorded(record: &Read, source: &Source, images: Option<Reading>, days: Option<u32>) -> Self {
        let mut lesions: Vec<Recorded> = Vec::new();
        let mut examined = Vec::new();
        for (number, group) in record.groups.iter().enumerate() {
            let Some(site) = site(group) else { continue };
            let kind = kind(site.organ);
            let absent = |(what, answer): &(Code, Code)| *answer == codes::ABSENT && LESIONS.contains(what);
            let named = group.finding.as_ref().is_some_and(|finding| LESIONS.contains(finding));
            if !named && !group.qualities.iter().any(absent) {
                continue;
            }
            if !examined.contains(&kind) {
                examined.push(kind);
            }
            if named {
                let tracking_uid = group.tracking_uid.clone().unwrap_or_else(|| {
                    Uid::derived(&["tracking", source.series_uid().as_str(), &number.to_string()])
                });
                match lesions.iter_mut().find(|lesion| lesion.tracking_uid == tracking_uid) {
                    Some(lesion) => lesion.add(group, images.as_ref()),
                    None => {
                        let mut lesion = Recorded::new(tracking_uid, kind, site);
                        lesion.add(group, images.as_ref());
                        lesions.push(lesion);
                    }
                }
            }
        }
        let series_uid = match &images {
            Some(images) => images.source.series_uid().clone(),
            None => series(&record.root).unwrap_or_else(|| source.series_uid().clone()),
        };
        let frame_of_reference_uid = match &images {
            Some(images) => images.source.frame_of_reference_uid(),
            None => frame(&record.root),
        };
        Self {
            study_uid: source.study_uid().clone(),
            series_uid,
            days,
            frame_of_reference_uid,
            images: images.filter(|images| images.source.modality() == "CT").map(|images| images.volume),
            examined,
            lesions: lesions.into_iter().filter_map(Recorded::lesion).collect(),
        }
    }
}

fn kind(organ: Organ) -> Kind {
    match organ {
        Organ::Lung => Kind::LungNodule,
        Organ::Liver => Kind::LiverLesion,
    }
}

fn site(group: &Group) -> Option<Site> {
    group.sites.iter().find_map(|site| {
        let (_, organ, side) = SITES.into_iter().find(|(code, ..)| *code == site.place)?;
        let told = site.laterality.as_ref();
        let told =
            told.and_then(|told| SIDES.into_iter().find(|(code, _)| code == told)).map(|(_, side)| side);
        // The liver has no side.
        Some(Site { organ, side: told.or(side).filter(|_| organ == Organ::Lung) })
    })
}

/// The series that segments were drawn in.
fn series(root: &Item) -> Option<Uid> {
    let groups = root.named(template::IMAGING_MEASUREMENTS).flat_map(|all| &all.children);
    groups.into_iter().find_map(|group| group.uid(template::SOURCE_SERIES).cloned())
}

/// The frame of reference of the image library, or of the first region in space.
fn frame(item: &Item) -> Option<Uid> {
    if let Value::Space { frame_of_reference_uid, .. } = &item.value {
        return Some(frame_of_reference_uid.clone());
    }
    let told = item.uid(template::FRAME_OF_REFERENCE_UID).cloned();
    told.or_else(|| item.children.iter().find_map(frame))
}

/// A lesion while its groups are read.
struct Recorded {
    tracking_uid: Uid,
    kind: Kind,
    site: Site,
    centre_lps_mm: Option<Lps>,
    long_mm: Option<f64>,
    short_mm: Option<f64>,
    diameter_mm: Option<f64>,
    volume_mm3: Option<f64>,
}

impl Recorded {
    fn new(tracking_uid: Uid, kind: Kind, site: Site) -> Self {
        Self {
            tracking_uid,
            kind,
            site,
            centre_lps_mm: None,
            long_mm: None,
            short_mm: None,
            diameter_mm: None,
            volume_mm3: None,
        }
    }

    fn add(&mut self, group: &Group, images: Option<&Reading>) {
        for measurement in &group.measurements {
            let is = |names: &[Code]| names.contains(&measurement.name);
            let (to, value) = match () {
                () if is(&LONG) => (&mut self.long_mm, millimetres(measurement)),
                () if is(&SHORT) => (&mut self.short_mm, millimetres(measurement)),
                () if is(&DIAMETER) => (&mut self.diameter_mm, millimetres(measurement)),
                () if is(&VOLUME) => (&mut self.volume_mm3, cubic_millimetres(measurement)),
                () => continue,
            };
            *to = to.or(value.filter(|value| value.is_finite() && *value > 0.0));
        }
        self.centre_lps_mm = self.centre_lps_mm.or_else(|| centre(&group.region, images));
    }

    /// The lesion, if its size is known.
    fn lesion(self) -> Option<PriorLesion> {
        let sphere = |volume: f64| (6.0 * volume / std::f64::consts::PI).cbrt();
        Some(PriorLesion {
            kind: self.kind,
            site: self.site,
            tracking_uid: self.tracking_uid,
            centre_lps_mm: self.centre_lps_mm,
            long_axis_mm: self.long_mm.or(self.diameter_mm).or_else(|| self.volume_mm3.map(sphere))?,
            short_axis_mm: self.short_mm,
            volume_mm3: self.volume_mm3,
        })
    }
}

fn millimetres(measurement: &Measurement) -> Option<f64> {
    match measurement.unit.value.as_ref() {
        "mm" => Some(measurement.value),
        "cm" => Some(10.0 * measurement.value),
        _ => None,
    }
}

fn cubic_millimetres(measurement: &Measurement) -> Option<f64> {
    match measurement.unit.value.as_ref() {
        "mm3" => Some(measurement.value),
        "cm3" | "ml" | "mL" => Some(1000.0 * measurement.value),
        _ => None,
    }
}

/// The middle of `region`, where it is known where it lies.
fn centre(region: &Region, images: Option<&Reading>) -> Option<Lps> {
    match region {
        Region::Space { graphic, points, .. } => {
            let points = if graphic == "POLYGON" { open(points) } else { points };
            let count = points.len() as f64;
            let sum = |of: fn(&Lps) -> f64| points.iter().map(of).sum::<f64>() / count;
            let middle = Lps::new(sum(|at| at.l), sum(|at| at.p), sum(|at| at.s));
            middle.to_array().iter().all(|mm| mm.is_finite()).then_some(middle)
        }
        Region::Outline { graphic, points, image } => {
            let images = images?;
            let frame = |k: &dicom_io::SliceRef| k.frame.is_none() || k.frame == image.frame;
            let slice = images
                .slices
                .iter()
                .position(|slice| slice.sop_instance_uid == image.sop_instance_uid && frame(slice))?;
            // A circle is its centre and a point on it.
            let [column, row] = match graphic.as_str() {
                "CIRCLE" => points.first()?.map(f64::from),
                "POLYLINE" => polygon(points)?,
                _ => mean(points)?,
            };
            // In a report the first pixel's centre is (0.5, 0.5): PS3.3 C.18.6.1.2.
            let at = Ijk::new(column - 0.5, row - 0.5, slice as f64);
            at.to_array().iter().all(|v| v.is_finite()).then(|| images.volume.geometry.to_lps(at))
        }
        _ => None,
    }
}

/// The points without the last if it repeats the first.
fn open<T: PartialEq>(points: &[T]) -> &[T] {
    match points {
        [first, rest @ .., last] if !rest.is_empty() && first == last => &points[..points.len() - 1],
        _ => points,
    }
}

fn mean(points: &[[f32; 2]]) -> Option<[f64; 2]> {
    let count = points.len() as f64;
    let sum = |a: usize| points.iter().map(|point| f64::from(point[a])).sum::<f64>() / count;
    (!points.is_empty()).then(|| [sum(0), sum(1)])
}

/// The centre of gravity of the area that `points` enclose, or of the points if they enclose none.
fn polygon(points: &[[f32; 2]]) -> Option<[f64; 2]> {
    let points: Vec<[f64; 2]> = open(points).iter().map(|point| point.map(f64::from)).collect();
    let first = points.first()?;
    let (mut area, mut sum) = (0.0, [0.0; 2]);
    for at in 0..points.len() {
        let (a, b) = (points[at], points[(at + 1) % points.len()]);
        // From the first point, so that nothing large is subtracted.
        let [a, b] = [a, b].map(|p| [p[0] - first[0], p[1] - first[1]]);
        let cross = a[0] * b[1] - b[0] * a[1];
        area += cross;
        sum = [sum[0] + cross * (a[0] + b[0]), sum[1] + cross * (a[1] + b[1])];
    }
    if area.abs() < 1e-9 {
        return mean(&points.iter().map(|point| point.map(|v| v as f32)).collect::<Vec<_>>());
    }
    Some([first[0] + sum[0] / (3.0 * area), first[1] + sum[1] / (3.0 * area)])
}
