//! Sensitivity against false positives per scan.
//!
//! Source: the LUNA16 challenge (Setio et al., Med Image Anal 2017;42:1-13).

use crate::matching::Matching;

/// The rates of false positives per scan at which LUNA16 asks for the sensitivity.
pub const LUNA16_RATES: [f64; 7] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// How sensitivity grows with the false positives one is ready to read, over a number of scans.
#[derive(Debug, Clone, PartialEq)]
pub struct Froc {
    /// One point for each confidence that occurs, the highest first; neither sensitivity nor false
    /// positives ever fall.
    pub points: Vec<Point>,
}

/// What remains when findings less sure than `threshold` are left out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Findings with this confidence or more are kept.
    pub threshold: f64,
    /// The share of all lesions of all scans that are hit.
    pub sensitivity: f64,
    /// False positives divided by the number of scans.
    pub false_positives_per_scan: f64,
}

impl Froc {
    /// The curve over `scans`; `None` if there is no scan or no lesion in any of them.
    pub fn new(scans: &[Matching]) -> Option<Self> {
        let lesions: usize = scans.iter().map(|scan| scan.rows.len()).sum();
        if lesions == 0 {
            return None;
        }
        // Matching in order of confidence makes a threshold cut off marks without touching the rest.
        let hits = scans.iter().flat_map(|scan| &scan.rows).filter_map(|row| row.hit.as_ref());
        let strays = scans.iter().flat_map(|scan| &scan.false_positives);
        let mut marks: Vec<(f64, bool)> = hits
            .map(|hit| (hit.mark.confidence, true))
            .chain(strays.map(|mark| (mark.confidence, false)))
            .collect();
        marks.sort_by(|a, b| b.0.total_cmp(&a.0));

        let (mut hit, mut stray) = (0_usize, 0_usize);
        let mut points: Vec<Point> = Vec::new();
        for (threshold, is_hit) in marks {
            if is_hit {
                hit += 1
            } else {
                stray += 1
            }
            let point = Point {
                threshold,
                sensitivity: hit as f64 / lesions as f64,
                false_positives_per_scan: stray as f64 / scans.len() as f64,
            };
            // Findings of the same confidence come and go together.
            match points.last_mut() {
                Some(last) if last.threshold == threshold => *last = point,
                _ => points.push(point),
            }
        }
        Some(Self { points })
    }

    /// The highest sensitivity reached with at most `rate` false positives per scan.
    ///
    /// LUNA16 interpolates between points; this does not, so it is never higher than theirs.
    pub fn sensitivity_at(&self, rate: f64) -> f64 {
        let within = self.points.iter().filter(|point| point.false_positives_per_scan <= rate);
        within.map(|point| point.sensitivity).fold(0.0, f64::max)
    }

    /// The mean sensitivity at [`LUNA16_RATES`]: the score of the LUNA16 challenge.
    pub fn score(&self) -> f64 {
        LUNA16_RATES.iter().map(|&rate| self.sensitivity_at(rate)).sum::<f64>() / LUNA16_RATES.len() as f64
    }
}
