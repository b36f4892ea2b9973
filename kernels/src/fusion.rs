//! Boxes of several models for the same things, fused by weighted means.
//!
//! Where [`nms`](crate::nms) keeps the best box of each group, this makes a new one of all of them.

use crate::nms::Scored;

/// The boxes that one model found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Of one class, with scores above 0.
    pub boxes: &'a [Scored],
    /// How much the model counts; above 0. Only the ratios between models matter.
    pub weight: f32,
}

/// The boxes of all models, those that overlap by more than `threshold` (intersection over union) fused
/// into one: the best first.
///
/// A fused box is the mean of its group, weighted by score and model. Its score is the mean of theirs,
/// weighted by model, over the weight of all models, so that what only some models see scores less. Of
/// equal scores the earlier model's earlier box goes first. Boxes that are empty or not finite, or whose
/// score is not above 0, are left out.
///
/// Panics if a weight is not above 0 and finite: a mistake of the caller.
///
/// Source: Solovyev, Wang and Gabruseva, Weighted boxes fusion, Image Vis Comput 2021;107:104117
/// (arXiv 1910.13302), with weights for models as in the authors' program.
pub fn fuse(models: &[Found<'_>], threshold: f32) -> Vec<Scored> {
    let weights = models.iter().map(|model| {
        assert!(model.weight > 0.0 && model.weight.is_finite(), "a model's weight is {}", model.weight);
        f64::from(model.weight)
    });
    let all_models: f64 = weights.sum();
    let mut boxes: Vec<Scored> = models
        .iter()
        .flat_map(|model| {
            let sound = model.boxes.iter().filter(|found| found.is_sound() && found.score > 0.0);
            sound.map(|found| Scored { score: found.score * model.weight, ..*found })
        })
        .collect();
    boxes.sort_by(|a, b| b.score.total_cmp(&a.score));

    let mut groups: Vec<Group> = Vec::new();
    for found in &boxes {
        // The one that it overlaps most; of equals the first.
        let best = groups.iter_mut().fold((threshold, None), |best, group| {
            let overlap = found.overlap(&group.fused);
            if overlap > best.0 { (overlap, Some(group)) } else { best }
        });
        match best.1 {
            Some(group) => group.add(found),
            None => groups.push(Group::of(found)),
        }
    }
    let mut fused: Vec<Scored> = groups
        .iter()
        .map(|group| {
            let seen = (group.count as f64).min(models.len() as f64);
            let score = group.scores / group.count as f64 * seen / all_models;
            Scored { score: score as f32, ..group.fused }
        })
        .collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

/// Boxes of one thing.
struct Group {
    count: usize,
    /// The sum of their scores, weighted by model.
    scores: f64,
    /// The sums of their ends, weighted by these scores.
    low: [f64; 3],
    high: [f64; 3],
    /// Their mean.
    fused: Scored,
}

impl Group {
    fn of(found: &Scored) -> Self {
        let mut group = Self { count: 0, scores: 0.0, low: [0.0; 3], high: [0.0; 3], fused: *found };
        group.add(found);
        // Not rounded.
        group.fused = *found;
        group
    }

    fn add(&mut self, found: &Scored) {
        let score = f64::from(found.score);
        self.count += 1;
        self.scores += score;
        for axis in 0..3 {
            self.low[axis] += score * f64::from(found.low[axis]);
            self.high[axis] += score * f64::from(found.high[axis]);
        }
        self.fused.low = self.low.map(|sum| (sum / self.scores) as f32);
        self.fused.high = self.high.map(|sum| (sum / self.scores) as f32);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scored(ends: [f32; 6], score: f32) -> Scored {
        let [a, b, c, d, e, f] = ends;
        Scored { low: [a, b, c], high: [d, e, f], score }
    }

    /// Three models' boxes of four things.
    fn boxes() -> [Vec<Scored>; 3] {
        [
            vec![
                scored([10.0, 20.0, 30.0, 50.0, 60.0, 80.0], 0.9),
                scored([12.0, 22.0, 28.0, 52.0, 62.0, 78.0], 0.4),
                scored([70.0, 70.0, 70.0, 90.0, 80.0, 95.0], 0.6),
            ],
            vec![
                scored([14.0, 18.0, 33.0, 54.0, 57.0, 83.0], 0.7),
                scored([72.0, 69.0, 71.0, 91.0, 82.0, 93.0], 0.8),
            ],
            vec![
                scored([11.0, 21.0, 31.0, 49.0, 61.0, 81.0], 0.5),
                scored([5.0, 80.0, 5.0, 15.0, 95.0, 15.0], 0.3),
                scored([30.0, 30.0, 40.0, 70.0, 70.0, 90.0], 0.65),
            ],
        ]
    }

    #[track_caller]
    fn check(weights: [f32; 3], expected: [([f32; 6], f32); 4]) {
        let boxes = boxes();
        let models: Vec<Found<'_>> =
            boxes.iter().zip(weights).map(|(boxes, weight)| Found { boxes, weight }).collect();
        let found = fuse(&models, 0.4);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, (ends, score)) in found.iter().zip(expected) {
            let expected = scored(ends, score);
            let off = |a: [f32; 3], b: [f32; 3]| (0..3).map(|d| (a[d] - b[d]).abs()).fold(0.0, f32::max);
            // As many digits as were written down.
            assert!(off(found.low, expected.low).max(off(found.high, expected.high)) < 1e-4, "{found:?}");
            assert!((found.score - score).abs() < 1e-6, "{found:?} for {score}");
        }
    }

    /// What `weighted_boxes_fusion_3d` of the authors' ensemble-boxes 1.0.9 makes of these boxes.
    #[test]
    fn boxes_are_fused_as_by_the_authors_program() {
        check(
            [1.0; 3],
            [
                ([11.64, 19.96, 30.72, 51.24, 59.68, 80.72], 0.625),
                ([71.142_86, 69.428_57, 70.571_43, 90.571_43, 81.142_86, 93.857_14], 0.466_667),
                ([30.0, 30.0, 40.0, 70.0, 70.0, 90.0], 0.216_667),
                ([5.0, 80.0, 5.0, 15.0, 95.0, 15.0], 0.1),
            ],
        );
    }

    /// Boxes as by the same program. Four boxes of three models count as three, as in its function for
    /// images; the one for volumes would count them as four because the weights' sum is four.
    #[test]
    fn a_model_counts_as_much_as_its_weight() {
        let expected = [
            ([11.289_47, 20.184_21, 30.263_16, 51.026_32, 60.0, 80.263_16], 0.95 * 3.0 / 4.0),
            ([70.8, 69.6, 70.4, 90.4, 80.8, 94.2], 0.5),
            ([30.0, 30.0, 40.0, 70.0, 70.0, 90.0], 0.1625),
            ([5.0, 80.0, 5.0, 15.0, 95.0, 15.0], 0.075),
        ];
        check([2.0, 1.0, 1.0], expected);
        check([1.0, 0.5, 0.5], expected);
    }

    #[test]
    fn a_lone_model_with_boxes_apart_keeps_them() {
        let boxes = &boxes()[2];
        let found = fuse(&[Found { boxes, weight: 3.0 }], 0.4);
        let scores: Vec<f32> = found.iter().map(|found| found.score).collect();
        assert_eq!(scores, [0.65, 0.5, 0.3]);
        assert_eq!(found[1].low, boxes[0].low);
    }

    #[test]
    fn boxes_that_are_none_are_left_out() {
        let mut boxes = vec![scored([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], 0.5); 5];
        boxes[0].score = f32::NAN;
        boxes[1].score = 0.0;
        boxes[2].high[2] = f32::INFINITY;
        boxes[3].high[0] = 0.0;
        assert_eq!(fuse(&[Found { boxes: &boxes, weight: 1.0 }], 0.4), boxes[4..]);
        assert!(fuse(&[], 0.4).is_empty());
    }

    /// The steps of the paper's section 3, one after the other, each mean taken anew.
    fn literal(models: &[Found<'_>], threshold: f32) -> Vec<Scored> {
        let mut b: Vec<Scored> = Vec::new();
        for model in models {
            b.extend(model.boxes.iter().map(|found| Scored { score: found.score * model.weight, ..*found }));
        }
        b.sort_by(|x, y| y.score.total_cmp(&x.score));
        let (mut l, mut f): (Vec<Vec<Scored>>, Vec<Scored>) = (Vec::new(), Vec::new());
        for found in b {
            let mut best = (threshold, usize::MAX);
            for (at, fused) in f.iter().enumerate() {
                if found.overlap(fused) > best.0 {
                    best = (found.overlap(fused), at);
                }
            }
            if best.1 == usize::MAX {
                l.push(vec![found]);
                f.push(found);
                continue;
            }
            l[best.1].push(found);
            let group = &l[best.1];
            let scores: f64 = group.iter().map(|x| f64::from(x.score)).sum();
            let mean = |end: &dyn Fn(&Scored) -> f32| {
                (group.iter().map(|x| f64::from(x.score) * f64::from(end(x))).sum::<f64>() / scores) as f32
            };
            f[best.1] = Scored {
                low: std::array::from_fn(|axis| mean(&|x| x.low[axis])),
                high: std::array::from_fn(|axis| mean(&|x| x.high[axis])),
                score: (scores / group.len() as f64) as f32,
            };
        }
        let weights: f32 = models.iter().map(|model| model.weight).sum();
        for (group, fused) in l.iter().zip(&mut f) {
            fused.score *= group.len().min(models.len()) as f32 / weights;
        }
        f.sort_by(|x, y| y.score.total_cmp(&x.score));
        f
    }

    proptest! {
        #[test]
        fn fusing_is_what_the_paper_says(
            boxes in prop::collection::vec(
                (prop::array::uniform3(0.0_f32..20.0), prop::array::uniform3(5.0_f32..15.0), 0.01_f32..1.0), 3..60),
            weights in prop::array::uniform3(0.5_f32..3.0),
            threshold in 0.1_f32..0.8,
        ) {
            let boxes: Vec<Scored> = boxes
                .into_iter()
                .map(|(low, edge, score)| {
                    Scored { low, high: std::array::from_fn(|axis| low[axis] + edge[axis]), score }
                })
                .collect();
            let models: Vec<Found<'_>> = boxes
                .chunks(boxes.len().div_ceil(3))
                .zip(weights)
                .map(|(boxes, weight)| Found { boxes, weight })
                .collect();
            let (found, expected) = (fuse(&models, threshold), literal(&models, threshold));
            prop_assert_eq!(found.len(), expected.len());
            for found in &found {
                // By place: scores that differ by their last bit may be the other way round.
                let same = expected.iter().find(|other| other.low == found.low && other.high == found.high);
                let same = same.map_or(f32::NAN, |other| other.score);
                prop_assert!((found.score - same).abs() < 1e-5, "{found:?}, {expected:?}");
            }
            prop_assert!(found.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}
