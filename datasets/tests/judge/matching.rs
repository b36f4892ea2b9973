use datasets::{Matching, TrueLesion, Truth};
use engine::{Finding, Kind};

use crate::made::{finding, nodule, nodule_found};

fn truth(lesions: Vec<TrueLesion>) -> Truth {
    Truth { lesions, excused: vec![] }
}

/// The finding number that hit each lesion, the false positives, and the ignored findings.
type Outcome = (Vec<Option<usize>>, Vec<usize>, Vec<usize>);

#[track_caller]
fn check(truth: &Truth, findings: &[Finding], expected: Outcome) {
    let found = Matching::new(truth, findings);
    let hits = found.rows.iter().map(|row| row.hit.as_ref().map(|hit| hit.mark.number)).collect();
    let numbers = |marks: &[datasets::matching::Mark]| marks.iter().map(|mark| mark.number).collect();
    assert_eq!((hits, numbers(&found.false_positives), numbers(&found.ignored)), expected);
}

#[test]
fn a_finding_hits_within_the_radius_of_a_large_lesion_and_within_5_mm_of_a_small_one() {
    let lesions = truth(vec![nodule("large", [0.0; 3], 24.0), nodule("small", [100.0, 0.0, 0.0], 4.0)]);
    // 3, 4 and 12 mm off make 13 mm, which is beyond the radius of 12 mm.
    let at = |number, centre| nodule_found(number, centre, 0.9);
    check(
        &lesions,
        &[at(1, [0.0, 0.0, 12.0]), at(2, [100.0, 5.0, 0.0])],
        (vec![Some(1), Some(2)], vec![], vec![]),
    );
    check(
        &lesions,
        &[at(1, [3.0, 4.0, 12.0]), at(2, [100.0, 5.1, 0.0])],
        (vec![None, None], vec![1, 2], vec![]),
    );
}

#[test]
fn the_surest_finding_on_a_lesion_counts_and_the_others_neither_help_nor_harm() {
    let lesions = truth(vec![nodule("a", [0.0; 3], 20.0)]);
    let findings = [
        nodule_found(1, [1.0, 0.0, 0.0], 0.5),
        nodule_found(2, [8.0, 0.0, 0.0], 0.8),
        nodule_found(3, [0.0; 3], 0.3),
    ];
    check(&lesions, &findings, (vec![Some(2)], vec![], vec![1, 3]));
}

#[test]
fn two_findings_between_two_lesions_hit_one_each() {
    let lesions = truth(vec![nodule("a", [0.0; 3], 10.0), nodule("b", [8.0, 0.0, 0.0], 10.0)]);
    // Both are nearer to a. The surer one takes it and leaves b, 4.5 mm away, to the other.
    let findings = [nodule_found(1, [3.5, 0.0, 0.0], 0.6), nodule_found(2, [1.0, 0.0, 0.0], 0.9)];
    check(&lesions, &findings, (vec![Some(2), Some(1)], vec![], vec![]));
}

#[test]
fn one_finding_never_hits_two_lesions() {
    let lesions = truth(vec![nodule("a", [0.0; 3], 10.0), nodule("b", [6.0, 0.0, 0.0], 10.0)]);
    check(&lesions, &[nodule_found(1, [3.5, 0.0, 0.0], 0.9)], (vec![None, Some(1)], vec![], vec![]));
}

#[test]
fn a_lesion_is_hit_by_a_finding_of_its_own_kind_only() {
    let lesions = truth(vec![nodule("a", [0.0; 3], 10.0)]);
    check(&lesions, &[finding(1, Kind::LiverLesion, [0.0; 3], 10.0, 0.9)], (vec![None], vec![1], vec![]));
}

#[test]
fn a_finding_on_an_excused_lesion_is_no_false_positive() {
    let excused =
        Truth { lesions: vec![], excused: vec![nodule("mark without size", [10.0, 0.0, 0.0], 0.0)] };
    let findings = [nodule_found(1, [13.0, 4.0, 0.0], 0.9), nodule_found(2, [13.0, 4.1, 0.0], 0.8)];
    check(&excused, &findings, (vec![], vec![2], vec![1]));
}

#[test]
fn a_hit_says_how_far_off_place_size_and_volume_are() {
    let found = Matching::new(
        &truth(vec![nodule("a", [1.0, 2.0, 3.0], 12.5)]),
        &[nodule_found(1, [4.0, 6.0, 3.0], 0.9)],
    );
    let hit = found.rows[0].hit.as_ref().unwrap();
    assert_eq!((hit.distance_mm, hit.diameter_error_mm, hit.volume_ratio), (5.0, Some(-2.5), Some(1.2)));
}

#[test]
fn sensitivity_is_the_share_of_lesions_found_and_unknown_where_there_is_none() {
    let lesions =
        ["a", "b", "c", "d"].iter().zip(0..).map(|(id, n)| nodule(id, [f64::from(n) * 50.0, 0.0, 0.0], 6.0));
    let found = Matching::new(&truth(lesions.collect()), &[nodule_found(1, [150.0, 0.0, 1.0], 0.9)]);
    assert_eq!((found.found(), found.sensitivity()), (1, Some(0.25)));
    assert_eq!(Matching::new(&Truth::default(), &[nodule_found(1, [0.0; 3], 0.9)]).sensitivity(), None);
}

#[test]
fn the_table_has_a_line_for_each_lesion_and_each_false_positive() {
    let lesions = truth(vec![nodule("a", [1.0, 2.0, 3.0], 12.5), nodule("b", [-50.0, 0.0, 0.0], 6.0)]);
    let findings = [nodule_found(2, [1.0, 2.0, 5.0], 0.913), nodule_found(3, [70.0, -8.0, 9.25], 0.5)];
    let table = Matching::new(&lesions, &findings).to_string();
    let lines: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "a\tlung nodule\t1.0\t2.0\t3.0\t12.5\t2\t0.91\t2.0\t10.0\t-2.5\t1.20",
            "b\tlung nodule\t-50.0\t0.0\t0.0\t6.0\tmissed\t-\t-\t-\t-\t-",
            "false positive\tlung nodule\t70.0\t-8.0\t9.2\t-\t3\t0.50\t-\t10.0\t-\t-",
        ]
    );
    let columns: Vec<usize> = table.lines().map(|line| line.split('\t').count()).collect();
    assert_eq!(columns, [12; 4]);
}
