use kernels::Device;
use kernels::nms::{Scored, nms};

use crate::emulator;

/// Boxes in clusters, with scores of which many are equal.
fn boxes(count: usize, seed: u64) -> Vec<Scored> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let mut middle = [0.0; 3];
    (0..count)
        .map(|at| {
            if at % 9 == 0 {
                middle = [0; 3].map(|_| 100.0 * random());
            }
            let low = middle.map(|at| at + 6.0 * random());
            let high = low.map(|at| at + 3.0 + 20.0 * random());
            Scored { low, high, score: (random() * 50.0).floor() }
        })
        .collect()
}

#[test]
fn boxes_that_are_left_are_those_of_the_cpu() {
    let Some(gpu) = emulator::device("boxes_that_are_left_are_those_of_the_cpu") else { return };
    for (seed, count) in [0, 1, 2, 63, 64, 65, 200, 1000].into_iter().enumerate() {
        let mut boxes = boxes(count, seed as u64 + 1);
        if count > 10 {
            boxes[3].score = f32::NAN;
            boxes[7].high[1] = boxes[7].low[1];
        }
        for threshold in [-1.0, 0.0, 0.22, 0.5, 0.95] {
            let expected = nms(&Device::Cpu, &boxes, threshold).unwrap();
            assert_eq!(nms(&gpu, &boxes, threshold).unwrap(), expected, "{count} boxes, {threshold}");
        }
    }
}
