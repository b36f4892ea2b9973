//! How lesions change under treatment and with time: volume doubling time and RECIST 1.1.
//!
//! RECIST 1.1: Eisenhauer et al., New response evaluation criteria in solid tumours, Eur J Cancer
//! 2009;45:228-247. What is here is about target lesions that are no lymph nodes, and about new lesions;
//! whether others have "unequivocally" progressed is for a person to say, and so is the overall response where
//! that matters.

use crate::finding::Organ;

/// Of lesions shorter than this nobody measures a response, mm (RECIST 1.1, 3.1.1, slices of 5 mm or less).
const SMALLEST_TARGET_MM: f64 = 10.0;

/// Where slices are thicker, a target has at least so many times their thickness (RECIST 1.1, 3.1.1).
const SLICES_PER_TARGET: f64 = 2.0;

/// So many target lesions at most, and so many in one organ (RECIST 1.1, 3.2.1).
const TARGETS: usize = 5;
const TARGETS_PER_ORGAN: usize = 2;

/// The change of the sum that makes a partial response, and a progression (RECIST 1.1, 4.3.1), percent.
const PARTIAL_PERCENT: f64 = 30.0;
const PROGRESSION_PERCENT: f64 = 20.0;

/// A progression is at least this much in millimetres, too.
const PROGRESSION_MM: f64 = 5.0;

/// Sums closer than this are equal, mm: they are made of diameters that are known to 0.1 mm at best.
const EQUAL_MM: f64 = 1e-6;

/// In how many days the volume doubles; negative where it halves. `None` where the change is no more than
/// `uncertainty_percent` of the earlier volume, so that it may be measurement alone, or a volume is no volume.
///
/// Growth is exponential: `days * ln 2 / ln(volume / prior)`.
///
/// Sources: Schwartz, Cancer 1961;14:1272-1294 (the model); 25 % for the uncertainty is what guidelines take
/// from scans repeated on the same day (British Thoracic Society, Thorax 2015;70 Suppl 2:ii1-ii54).
///
/// ```
/// // From 200 to 400 mm3 in 90 days is one doubling.
/// assert_eq!(engine::response::doubling_days(200.0, 400.0, 90, 25.0), Some(90.0));
/// // From 100 to 800 mm3 it has doubled three times.
/// assert_eq!(engine::response::doubling_days(100.0, 800.0, 90, 25.0), Some(30.0));
/// // From 400 to 100 mm3 it has halved twice.
/// assert_eq!(engine::response::doubling_days(400.0, 100.0, 90, 25.0), Some(-45.0));
/// // 120 of 100 mm3 may be measurement alone.
/// assert_eq!(engine::response::doubling_days(100.0, 120.0, 90, 25.0), None);
/// ```
pub fn doubling_days(prior_mm3: f64, volume_mm3: f64, days: u32, uncertainty_percent: f64) -> Option<f64> {
    let sound = |mm3: f64| mm3.is_finite() && mm3 > 0.0;
    if !sound(prior_mm3) || !sound(volume_mm3) || days == 0 {
        return None;
    }
    let percent = (volume_mm3 / prior_mm3 - 1.0) * 100.0;
    let doublings = (volume_mm3 / prior_mm3).log2();
    (percent.abs() > uncertainty_percent.max(0.0)).then(|| f64::from(days) / doublings)
}

/// A lesion as RECIST sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// The organ in which it lies.
    pub organ: Organ,
    /// Its longest diameter in the axial plane, mm.
    pub long_axis_mm: f64,
}

/// Which of `lesions` are followed as targets, in their order: the longest ones, five at most and two of an
/// organ, each at least 10 mm long and two slices of `slice_mm` thick.
///
/// RECIST also asks that they can be measured again reproducibly; that is for a person to see.
///
/// ```
/// use engine::response::{Measured, targets};
/// use engine::Organ::{Liver, Lung};
///
/// let lesion = |organ, long_axis_mm| Measured { organ, long_axis_mm };
/// let lesions = [lesion(Lung, 12.0), lesion(Lung, 30.0), lesion(Lung, 15.0), lesion(Liver, 10.0), lesion(Liver, 9.9)];
/// assert_eq!(targets(&lesions, 1.0), [1, 2, 3]);
/// // In slices of 8 mm a target is 16 mm long at least.
/// assert_eq!(targets(&lesions, 8.0), [1]);
/// ```
pub fn targets(lesions: &[Measured], slice_mm: f64) -> Vec<usize> {
    // Slices of up to 5 mm come to the 10 mm above.
    let smallest = (SLICES_PER_TARGET * slice_mm).max(SMALLEST_TARGET_MM);
    let mut order: Vec<usize> = (0..lesions.len()).collect();
    order.sort_by(|&a, &b| lesions[b].long_axis_mm.total_cmp(&lesions[a].long_axis_mm));
    let mut chosen: Vec<usize> = Vec::new();
    for at in order {
        let lesion = &lesions[at];
        let in_organ = chosen.iter().filter(|&&other| lesions[other].organ == lesion.organ).count();
        let fits = lesion.long_axis_mm.is_finite() && lesion.long_axis_mm >= smallest;
        if fits && in_organ < TARGETS_PER_ORGAN && chosen.len() < TARGETS {
            chosen.push(at);
        }
    }
    chosen.sort_unstable();
    chosen
}

/// How target lesions have responded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Response {
    /// CR: all of them are gone, and there is no new lesion.
    Complete,
    /// PR: the sum is smaller than at baseline by 30 % or more.
    Partial,
    /// SD: neither PR nor PD.
    Stable,
    /// PD: the sum is larger than its smallest so far by 20 % and by 5 mm or more, or there is a new lesion.
    Progressive,
}

/// The response of target lesions with these longest diameters now (mm, 0 for one that is gone), after sums of
/// `earlier_mm`: that of the baseline first, those of later examinations after it. `None` without targets or
/// without a baseline.
///
/// ```
/// use engine::response::{Response::*, response};
///
/// // 30 % less than the baseline of 100 mm.
/// assert_eq!(response(&[100.0], &[40.0, 30.0], false), Some(Partial));
/// assert_eq!(response(&[100.0], &[40.0, 30.1], false), Some(Stable));
/// // The smallest sum was 50 mm: 60 mm is 20 % and 10 mm more, although less than at baseline.
/// assert_eq!(response(&[100.0, 50.0], &[60.0], false), Some(Progressive));
/// // From 20 mm, 24 mm is 20 % more but only 4 mm; it still is 30 % less than the baseline of 40 mm.
/// assert_eq!(response(&[40.0, 20.0], &[24.0], false), Some(Partial));
/// assert_eq!(response(&[100.0], &[0.0, 0.0], false), Some(Complete));
/// // A new lesion is a progression, whatever the others do.
/// assert_eq!(response(&[100.0], &[0.0, 0.0], true), Some(Progressive));
/// assert_eq!(response(&[], &[12.0], false), None);
/// ```
pub fn response(earlier_mm: &[f64], diameters_mm: &[f64], new_lesion: bool) -> Option<Response> {
    let (&baseline, smallest) =
        (earlier_mm.first()?, earlier_mm.iter().copied().fold(f64::INFINITY, f64::min));
    let sum: f64 = diameters_mm.iter().sum();
    let sound = |mm: f64| mm.is_finite() && mm >= 0.0;
    if diameters_mm.is_empty() || !sound(sum) || !earlier_mm.iter().all(|mm| sound(*mm)) || baseline <= 0.0 {
        return None;
    }
    let reaches = |value: f64, bound: f64| value >= bound - EQUAL_MM;
    let larger_by = sum - smallest;
    let progressed =
        reaches(larger_by, smallest * PROGRESSION_PERCENT / 100.0) && reaches(larger_by, PROGRESSION_MM);
    Some(if new_lesion || progressed {
        Response::Progressive
    } else if diameters_mm.iter().all(|mm| *mm == 0.0) {
        Response::Complete
    } else if reaches(baseline - sum, baseline * PARTIAL_PERCENT / 100.0) {
        Response::Partial
    } else {
        Response::Stable
    })
}
