//! Numbers that look random and are the same on every machine, in every order of work.

/// A stream of numbers from a seed: SplitMix64.
///
/// Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
pub(super) struct Random(u64);

impl Random {
    /// The stream of `seed` for one `purpose`, so that drawing more for one thing changes no other.
    pub(super) fn new(seed: u64, purpose: u64) -> Self {
        Self(mix(seed ^ mix(purpose)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Evenly distributed over `low..high`.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// A direction, evenly distributed.
    pub(super) fn direction(&mut self) -> [f32; 3] {
        loop {
            let v: [f32; 3] = std::array::from_fn(|_| self.between(-1.0, 1.0));
            let length = v.iter().map(|c| c * c).sum::<f32>().sqrt();
            if (0.1..=1.0).contains(&length) {
                return v.map(|c| c / length);
            }
        }
    }
}

/// A number of mean 0 and standard deviation 1 that belongs to `at` (nearly normal: a sum of four).
pub(super) fn noise(seed: u64, at: [usize; 3]) -> f32 {
    let place = (at[0] as u64) << 40 ^ (at[1] as u64) << 20 ^ at[2] as u64;
    let bits = mix(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ mix(place));
    let sum = (0..4).map(|n| (bits >> (16 * n) & 0xffff) as f32).sum::<f32>();
    // Four numbers below 65,536 have the mean 131,070 and the standard deviation 65,536 / sqrt(3).
    (sum - 131_070.0) / 37_837.2
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_mean_0_and_standard_deviation_1() {
        let values: Vec<f32> = (0..60_000).map(|n| noise(7, [n % 10, n / 10 % 60, n / 600])).collect();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt();
        assert!(mean.abs() < 0.02 && (sd - 1.0).abs() < 0.02, "{mean} {sd}");
    }
}
