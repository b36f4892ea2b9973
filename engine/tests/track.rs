//! Lesions followed over pairs of phantoms: one patient, two examinations, and the truth which lesion is which.
//!
//! Lesions are given from the truth, with errors as networks make them, so that no network runs.

use dicom_io::phantom::{Fate, FollowUp, LesionKind, LesionTruth, Orientation, Phantom, Pose};
use dicom_io::{Geometry, Ijk, Lps, Spacing, Uid, Volume};
use engine::report::Examined;
use engine::track::{Alignment, Compared, Current, Prior, PriorLesion, Trend, compare};
use engine::{Finding, Kind, Mask, Measurements, Organ, Site};
use kernels::Device;

/// What became of the findings of some pairs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    /// Lesions that are in both, and how many of these were said to be one.
    both: usize,
    matched: usize,
    /// Lesions that were said to be another.
    wrong: usize,
    /// New lesions, how many were said to be, and how many were said to be that were not.
    new: usize,
    said_new: usize,
    wrong_new: usize,
    /// The same of lesions that are gone.
    gone: usize,
    said_gone: usize,
    wrong_gone: usize,
    /// Of the matched: how many became larger or smaller by half, how many of these were said to, and how many
    /// that stayed as they were were said to have changed.
    changed: usize,
    said_changed: usize,
    wrong_changed: usize,
    /// Pairs of examinations that were refused.
    refused: usize,
}

fn patient(seed: u64) -> Phantom {
    Phantom {
        seed,
        size: [100, 74, 68],
        spacing: Spacing { i: 3.6, j: 3.6, k: 4.5 },
        nodules: 6,
        liver_lesions: 3,
        ..Phantom::default()
    }
}

fn kind(truth: &LesionTruth) -> Kind {
    match truth.kind {
        LesionKind::LiverLesion => Kind::LiverLesion,
        _ => Kind::LungNodule,
    }
}

fn site(kind: Kind) -> Site {
    Site { organ: if kind == Kind::LiverLesion { Organ::Liver } else { Organ::Lung }, side: None }
}

fn examined() -> [Examined; 2] {
    [Kind::LungNodule, Kind::LiverLesion].map(|kind| Examined {
        organ: site(kind).organ,
        kind,
        organ_found: true,
        organ_volume_ml: Some(2000.0),
        model: "truth".to_owned(),
    })
}

/// A number between -1 and 1 that belongs to these names.
fn error(names: &[&str]) -> f64 {
    let hash = Uid::derived(names);
    let digits = &hash.as_str()[hash.as_str().len() - 6..];
    digits.replace('.', "0").parse::<f64>().unwrap() / 499_999.5 - 1.0
}

/// `lesion` as it might have been measured: its centre is up to 1.5 mm off along each axis, its size up to 8 %.
fn measured(examination: &str, lesion: &LesionTruth) -> PriorLesion {
    let off = |what: &str| error(&[examination, &lesion.id, what]);
    let at = lesion.centre_lps_mm;
    let size = 1.0 + 0.08 * off("size");
    PriorLesion {
        kind: kind(lesion),
        site: site(kind(lesion)),
        tracking_uid: Uid::derived(&[examination, &lesion.id]),
        centre_lps_mm: Some(Lps::new(at.l + 1.5 * off("l"), at.p + 1.5 * off("p"), at.s + 1.5 * off("s"))),
        long_axis_mm: lesion.long_axis_mm * size,
        short_axis_mm: Some(lesion.short_axis_mm * size),
        volume_mm3: Some(lesion.volume_mm3 * (1.0 + 0.08 * off("volume"))),
    }
}

fn finding(number: usize, lesion: &LesionTruth) -> Finding {
    let measured = measured("now", lesion);
    Finding {
        number,
        kind: measured.kind,
        site: measured.site,
        measurements: Measurements {
            centre_lps_mm: measured.centre_lps_mm.unwrap(),
            long_axis_mm: measured.long_axis_mm,
            short_axis_mm: measured.short_axis_mm.unwrap(),
            max_diameter_3d_mm: measured.long_axis_mm,
            volume_mm3: measured.volume_mm3.unwrap(),
            voxels: 100,
            mean_hu: lesion.mean_hu,
            min_hu: lesion.mean_hu,
            max_hu: lesion.mean_hu,
            sd_hu: 0.0,
            slice: 0,
            long_axis_ij: [[0.0; 2]; 2],
            short_axis_ij: [[0.0; 2]; 2],
            outline_ij: Vec::new(),
        },
        density: None,
        solid_part: None,
        change: None,
        confidence: 0.9,
        model: "truth".to_owned(),
        sop_instance_uid: Uid::derived(&["slice"]),
        tracking_uid: measured.tracking_uid,
        critical: false,
        mask: Mask::default(),
    }
}

/// The first examination of `phantom`, `days` ago.
fn prior(phantom: &Phantom, days: u32) -> (Prior, Vec<LesionTruth>) {
    let (images, truth) = phantom.render();
    let prior = Prior {
        study_uid: Uid::derived(&["study"]),
        series_uid: Uid::derived(&["series"]),
        days: Some(days),
        images: Some(images),
        frame_of_reference_uid: Some(Uid::derived(&["frame then"])),
        examined: vec![Kind::LungNodule, Kind::LiverLesion],
        lesions: truth.lesions.iter().map(|lesion| measured("then", lesion)).collect(),
    };
    (prior, truth.lesions)
}

fn compared(
    images: &Volume<i16>,
    prior: &Prior,
    findings: &mut [Finding],
) -> (Option<Compared>, Vec<String>) {
    let current = Current { images, is_ct: true, frame_of_reference_uid: None, examined: &examined() };
    compare(&Device::Cpu, &current, prior, findings).unwrap()
}

impl Tally {
    /// Adds the pair of `prior` (with its truth) and `later`.
    fn add(&mut self, (prior, before): &(Prior, Vec<LesionTruth>), later: &FollowUp) {
        let (images, truth) = later.render();
        let mut findings: Vec<Finding> = (1..).zip(&truth.lesions).map(|(n, l)| finding(n, l)).collect();
        let (compared, notes) = compared(&images, prior, &mut findings);
        let Some(compared) = compared else {
            eprintln!("refused: {notes:?} {:?}", later.pose);
            self.refused += 1;
            self.both += truth.lesions.iter().filter(|now| before.iter().any(|l| l.id == now.id)).count();
            return;
        };
        for (finding, now) in findings.iter().zip(&truth.lesions) {
            let then = before.iter().find(|lesion| lesion.id == now.id);
            let change = finding.change.as_ref();
            let trend = change.map(|change| change.trend);
            let is_new = trend == Some(Trend::New);
            let same = then.is_some_and(|then| finding.tracking_uid == Uid::derived(&["then", &then.id]));
            let other = before.iter().any(|l| finding.tracking_uid == Uid::derived(&["then", &l.id]));
            self.wrong += usize::from(other && !same);
            match then {
                Some(then) => {
                    self.both += 1;
                    self.matched += usize::from(same);
                    self.wrong_new += usize::from(is_new);
                    let times = now.volume_mm3 / then.volume_mm3;
                    let said = matches!(trend, Some(Trend::Grown | Trend::Shrunk));
                    if same && !(0.7..=1.5).contains(&times) {
                        let wanted = if times > 1.0 { Trend::Grown } else { Trend::Shrunk };
                        self.changed += 1;
                        self.said_changed += usize::from(trend == Some(wanted));
                    } else if (0.9..=1.1).contains(&times) {
                        self.wrong_changed += usize::from(said);
                    }
                }
                None => {
                    self.new += 1;
                    self.said_new += usize::from(is_new);
                }
            }
        }
        for lesion in before {
            let said =
                compared.resolved.iter().any(|r| r.tracking_uid == Uid::derived(&["then", &lesion.id]));
            if truth.lesions.iter().any(|now| now.id == lesion.id) {
                self.wrong_gone += usize::from(said);
            } else {
                self.gone += 1;
                self.said_gone += usize::from(said);
            }
        }
        if let Alignment::Images { correlation, overlap } = compared.alignment {
            eprintln!("{:?}: {correlation:.3} {overlap:.2} {}/{}", later.pose, self.matched, self.both);
        }
    }

    /// What was promised: 95 % of the lesions matched, none wrong.
    #[track_caller]
    fn check(&self) {
        assert!(self.both > 0 && self.matched as f64 >= 0.95 * self.both as f64, "{self:?}");
        assert_eq!((self.wrong, self.wrong_new, self.wrong_gone), (0, 0, 0), "{self:?}");
        eprintln!("{self:?}");
    }
}

/// Grown, shrunk, gone and left as they were, and one new lesion of each kind.
fn fates() -> Vec<Fate> {
    [1.35, 1.0, 0.0, 0.75, 1.0, 1.2, 1.0, 0.0, 1.3]
        .map(|times| if times == 0.0 { Fate::Gone } else { Fate::Scaled(times) })
        .to_vec()
}

fn later(patient: Phantom, pose: Pose) -> FollowUp {
    FollowUp { patient, days: 90, pose, fates: fates(), new_nodules: 2, new_liver_lesions: 1 }
}

/// Whether all pairs of a grid are wanted, rather than some of each kind.
fn full() -> bool {
    std::env::var_os("FOCI_FULL").is_some()
}

/// The patients that are followed: the lesions of a seed lie and look otherwise.
fn seeds() -> std::ops::RangeInclusive<u64> {
    if full() { 1..=10 } else { 5..=5 }
}

#[test]
fn lesions_are_followed_through_shift_turn_and_breath() {
    let mut tally = Tally::default();
    for seed in seeds() {
        let patient = patient(seed);
        let prior = prior(&patient, 90);
        for (shift_mm, turn_degrees, breath) in [
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 1.0),
            ([25.0, -18.0, 30.0], [0.0, 0.0, 0.0], 1.0),
            ([-6.0, 9.0, -40.0], [0.0, 0.0, 10.0], 1.0),
            ([5.0, 4.0, 12.0], [10.0, 0.0, 0.0], 1.0),
            ([0.0, -7.0, 3.0], [0.0, -10.0, 0.0], 1.0),
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], 1.08),
            ([10.0, 8.0, -15.0], [-4.0, 5.0, -6.0], 0.93),
        ] {
            tally.add(&prior, &later(patient.clone(), Pose { shift_mm, turn_degrees, breath }));
        }
    }
    tally.check();
}

#[test]
fn lesions_are_followed_from_one_grid_to_another() {
    let mut tally = Tally::default();
    for seed in seeds() {
        let patient = patient(seed);
        let prior = prior(&patient, 90);
        for (size, [i, j, k], orientation, noise_hu) in [
            ([160, 110, 40], [2.2, 2.4, 7.5], Orientation::Axial, 20.0),
            ([92, 100, 92], [3.0, 3.0, 4.0], Orientation::Coronal, 10.0),
            ([110, 110, 80], [3.4, 3.4, 3.6], Orientation::Oblique(8.0), 7.0),
        ] {
            let spacing = Spacing { i, j, k };
            let patient = Phantom { size, spacing, orientation, noise_hu, ..patient.clone() };
            let pose = Pose { shift_mm: [-8.0, 5.0, 11.0], turn_degrees: [3.0, -2.0, 5.0], breath: 1.04 };
            tally.add(&prior, &later(patient, pose));
        }
    }
    tally.check();
}

/// The findings of a follow-up of `patient` that changed nothing but the noise.
fn same_again(patient: &Phantom) -> (Volume<i16>, Vec<LesionTruth>, Vec<Finding>) {
    let later = FollowUp {
        patient: patient.clone(),
        days: 30,
        pose: Pose::default(),
        fates: Vec::new(),
        new_nodules: 0,
        new_liver_lesions: 0,
    };
    let (images, truth) = later.render();
    let findings = (1..).zip(&truth.lesions).map(|(n, lesion)| finding(n, lesion)).collect();
    (images, truth.lesions, findings)
}

/// The slices `range` of `volume`.
fn part(volume: &Volume<i16>, range: std::ops::Range<usize>) -> Volume<i16> {
    let first = Ijk::new(0.0, 0.0, range.start as f64);
    let Volume { voxels, geometry } = volume;
    let geometry = Geometry::new(geometry.to_lps(first), geometry.axes(), geometry.spacing()).unwrap();
    Volume { voxels: voxels.slice(ndarray::s![range, .., ..]).to_owned(), geometry }
}

#[test]
fn what_only_one_of_two_examinations_shows_is_neither_new_nor_gone() {
    let patient = patient(5);
    let (mut prior, _) = prior(&patient, 30);
    let (images, truth, mut findings) = same_again(&patient);
    // The prior saw the upper 60 %, and of that what lies well inside.
    let upper = part(prior.images.as_ref().unwrap(), 27..68);
    let low = upper.geometry.origin().s;
    prior.lesions.retain(|lesion| lesion.centre_lps_mm.unwrap().s > low);
    prior.images = Some(upper);
    let (compared, notes) = compared(&images, &prior, &mut findings);
    let compared = compared.expect("most of it is in both");
    assert!(compared.resolved.is_empty(), "{compared:?}");
    let (mut outside, mut left) = (0, 0);
    for (finding, lesion) in findings.iter().zip(&truth) {
        let trend = finding.change.as_ref().map(|change| change.trend);
        left += usize::from(trend.is_none());
        if lesion.centre_lps_mm.s < low {
            outside += 1;
            assert_eq!(trend, None, "{}", lesion.id);
        } else {
            assert_ne!(trend, Some(Trend::New), "{}", lesion.id);
        }
    }
    assert!(outside > 0, "the prior saw all of them");
    assert!(notes[0].starts_with(&format!("{left} findings were not compared")), "{notes:?}");

    // And the other way round: what lies below these images has not gone.
    let (full, _) = self::prior(&patient, 30);
    let (low, upper) = (low, part(&images, 27..68));
    let mut findings: Vec<Finding> = (1..)
        .zip(truth.iter().filter(|lesion| lesion.centre_lps_mm.s > low + 15.0))
        .map(|(n, lesion)| finding(n, lesion))
        .collect();
    let (compared, _) = self::compared(&upper, &full, &mut findings);
    let compared = compared.unwrap();
    let gone: Vec<_> = compared.resolved.iter().map(|lesion| &lesion.tracking_uid).collect();
    assert!(gone.is_empty() && compared.not_compared >= outside, "{compared:?}");
}

#[test]
fn what_was_overlooked_is_neither_new_nor_gone() {
    let patient = patient(5);
    let (mut prior, before) = prior(&patient, 30);
    let (images, truth, mut findings) = same_again(&patient);
    // The first nodule was not found then, the second and the last liver lesion are not found now.
    prior.lesions.remove(0);
    let last = truth.len() - 1;
    findings.remove(last);
    findings.remove(1);
    let (compared, _) = compared(&images, &prior, &mut findings);
    let compared = compared.unwrap();
    assert_eq!((compared.resolved.len(), compared.not_compared), (0, 2), "{before:?}");
    assert_eq!(findings[0].change, None);
    assert!(findings[1..].iter().all(|finding| finding.change.is_some()));
}

#[test]
fn images_that_do_not_fit_are_not_compared() {
    let patient = patient(5);
    let (images, _, findings) = same_again(&patient);
    let (good, _) = prior(&patient, 30);
    let whole = good.images.clone().unwrap();
    let noise =
        Volume { voxels: whole.voxels.map(|hu| hu.wrapping_mul(7919) % 1000), geometry: whole.geometry };
    let upside_down = Volume {
        voxels: whole.voxels.slice(ndarray::s![..;-1, ..;-1, ..]).to_owned(),
        geometry: whole.geometry,
    };
    let empty = Volume { voxels: whole.voxels.map(|_| -1000), geometry: whole.geometry };
    for (what, prior_images) in [
        ("noise", noise),
        ("upside down", upside_down),
        ("air", empty),
        ("a few slices", part(&whole, 40..46)),
    ] {
        let prior = Prior { images: Some(prior_images), ..good.clone() };
        let mut told = findings.clone();
        let (compared, notes) = compared(&images, &prior, &mut told);
        assert_eq!(compared, None, "{what}");
        assert!(notes.len() == 1 && notes[0].contains("not compared"), "{what}: {notes:?}");
        assert_eq!(told, findings, "{what}");
    }
}

#[test]
fn without_images_lesions_are_matched_by_description_where_there_is_one_of_each() {
    let patient = Phantom { nodules: 3, liver_lesions: 1, ..patient(5) };
    let (mut prior, _) = prior(&patient, 30);
    prior.images = None;
    let (images, _, findings) = same_again(&patient);

    let mut told = findings.clone();
    let (compared, notes) = compared(&images, &prior, &mut told);
    let compared = compared.unwrap();
    assert_eq!(compared.alignment, Alignment::Description);
    // Three nodules could be each other; the liver lesion is the only one.
    let trends: Vec<_> = told.iter().map(|f| f.change.as_ref().map(|change| change.trend)).collect();
    assert_eq!(trends, [None, None, None, Some(Trend::Unchanged)]);
    assert_eq!((compared.resolved.len(), compared.not_compared), (0, 3));
    assert!(notes[0].contains("by kind, side and size alone"), "{notes:?}");

    // In the same frame of reference places can be compared; what the prior showed is not known.
    let frame = prior.frame_of_reference_uid.clone();
    prior.lesions.remove(1);
    let mut told = findings.clone();
    let now = Current { images: &images, is_ct: true, frame_of_reference_uid: frame, examined: &examined() };
    let (compared, _) = compare(&Device::Cpu, &now, &prior, &mut told).unwrap();
    assert_eq!(compared.unwrap().alignment, Alignment::FrameOfReference);
    let trends: Vec<_> = told.iter().map(|f| f.change.as_ref().map(|change| change.trend)).collect();
    let same = Some(Trend::Unchanged);
    assert_eq!(trends, [same, None, same, same]);
    let kept = [0, 2, 3].map(|at: usize| &told[at].tracking_uid);
    assert_eq!(kept.to_vec(), prior.lesions.iter().map(|lesion| &lesion.tracking_uid).collect::<Vec<_>>());
}
