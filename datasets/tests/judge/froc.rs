use datasets::froc::Froc;
use datasets::{Matching, Truth};

use crate::made::{nodule, nodule_found};

/// Two scans with two lesions each. By confidence: hit 0.9 (scan 1), false 0.8 (scan 2), hit 0.7 (scan 2),
/// false 0.7 (scan 1), hit 0.6 (scan 2), false 0.5 (scan 1); one lesion of scan 1 is missed.
fn curve() -> Froc {
    let truth = Truth {
        lesions: vec![nodule("a", [0.0; 3], 10.0), nodule("b", [50.0, 0.0, 0.0], 10.0)],
        excused: vec![],
    };
    let (a, b, nowhere) = ([0.0; 3], [50.0, 0.0, 0.0], [0.0, 90.0, 0.0]);
    let first = [nodule_found(1, a, 0.9), nodule_found(2, nowhere, 0.7), nodule_found(3, nowhere, 0.5)];
    let second = [nodule_found(1, nowhere, 0.8), nodule_found(2, b, 0.7), nodule_found(3, a, 0.6)];
    Froc::new(&[Matching::new(&truth, &first), Matching::new(&truth, &second)]).unwrap()
}

#[test]
fn each_confidence_gives_a_point_and_equal_ones_share_it() {
    let points: Vec<(f64, f64, f64)> =
        curve().points.iter().map(|p| (p.threshold, p.sensitivity, p.false_positives_per_scan)).collect();
    assert_eq!(
        points,
        [(0.9, 0.25, 0.0), (0.8, 0.25, 0.5), (0.7, 0.5, 1.0), (0.6, 0.75, 1.0), (0.5, 0.75, 1.5)]
    );
}

#[test]
fn sensitivity_at_a_rate_is_what_was_reached_by_then() {
    let curve = curve();
    assert_eq!(
        [0.0, 0.5, 0.99, 1.0, 8.0].map(|rate| curve.sensitivity_at(rate)),
        [0.25, 0.25, 0.25, 0.75, 0.75]
    );
}

#[test]
fn the_score_is_the_mean_over_the_seven_rates() {
    // 0.25 at 1/8, 1/4 and 1/2; 0.75 at 1, 2, 4 and 8.
    assert!((curve().score() - (3.0 * 0.25 + 4.0 * 0.75) / 7.0).abs() < 1e-12);
}

#[test]
fn nothing_found_scores_nothing_and_nothing_to_find_has_no_curve() {
    let truth = Truth { lesions: vec![nodule("a", [0.0; 3], 10.0)], excused: vec![] };
    assert_eq!(Froc::new(&[Matching::new(&truth, &[])]).unwrap().score(), 0.0);
    assert_eq!(Froc::new(&[Matching::new(&Truth::default(), &[nodule_found(1, [0.0; 3], 0.9)])]), None);
    assert_eq!(Froc::new(&[]), None);
}
