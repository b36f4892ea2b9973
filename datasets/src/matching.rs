//! Findings beside the truth of the same series.
//!
//! The rules are those of the LUNA16 challenge, so that figures can be compared: a finding hits a lesion
//! if its centre lies within the lesion's radius; a second finding on the same lesion and a finding on an
//! excused one count neither for nor against. One thing is kinder: small lesions have a radius of
//! [`LEAST_REACH_MM`], because a centre is not known better than a voxel or two of a thick slice.
//!
//! Source: Setio et al., Validation, comparison, and combination of algorithms for automatic detection of
//! pulmonary nodules in computed tomography images: the LUNA16 challenge, Med Image Anal 2017;42:1-13.

use std::fmt;

use dicom_io::Lps;
use engine::{Finding, Kind};

use crate::truth::{TrueLesion, Truth};

/// A finding this near to a lesion's centre hits it, however small the lesion is, mm. LUNA16 gives marks
/// without a size the same radius.
pub const LEAST_REACH_MM: f64 = 5.0;

/// Every lesion and every finding of one series, laid side by side.
///
/// Its `Display` is a table of tab-separated lines: a header, the lesions, then the false positives.
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    /// The lesions of the truth, in its order.
    pub rows: Vec<Row>,
    /// The findings that nothing in the truth explains, the surest first.
    pub false_positives: Vec<Mark>,
    /// The findings on a lesion that a surer finding has hit, or on an excused one: neither for nor against.
    pub ignored: Vec<Mark>,
}

/// One true lesion and what was found of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The lesion.
    pub lesion: TrueLesion,
    /// What hit it; `None` if it was missed.
    pub hit: Option<Hit>,
}

/// A finding that hit a lesion, and how well.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The finding.
    pub mark: Mark,
    /// From the lesion's centre to the finding's.
    pub distance_mm: f64,
    /// The finding's long axis less the lesion's diameter; `None` if the truth has no size.
    pub diameter_error_mm: Option<f64>,
    /// The finding's volume over the lesion's; `None` if the truth has no volume.
    pub volume_ratio: Option<f64>,
}

/// What the judge looks at in a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Its number in the report.
    pub number: usize,
    /// What it is said to be.
    pub kind: Kind,
    /// Where it is said to lie.
    pub centre_lps_mm: Lps,
    /// Its long axis.
    pub diameter_mm: f64,
    /// The network's score.
    pub confidence: f64,
}

impl Matching {
    /// Lays `findings` beside `truth`.
    ///
    /// The surest finding chooses first and takes the nearest lesion of its kind that is within reach and
    /// not yet taken. So a finding hits one lesion at most, a lesion is hit by one finding at most, and
    /// leaving out the least sure findings changes nothing for the others.
    pub fn new(truth: &Truth, findings: &[Finding]) -> Self {
        let mut rows: Vec<Row> =
            truth.lesions.iter().map(|lesion| Row { lesion: lesion.clone(), hit: None }).collect();
        let (mut false_positives, mut ignored) = (Vec::new(), Vec::new());

        let mut by_confidence: Vec<&Finding> = findings.iter().collect();
        by_confidence.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        for finding in by_confidence {
            let mark = Mark::of(finding);
            let near = |row: &&mut Row| mark.reaches(&row.lesion);
            let nearest = rows
                .iter_mut()
                .filter(|row| row.hit.is_none())
                .filter(near)
                .min_by(|a, b| mark.distance_mm(&a.lesion).total_cmp(&mark.distance_mm(&b.lesion)));
            if let Some(row) = nearest {
                row.hit = Some(Hit::new(finding, mark, &row.lesion));
            } else if truth.lesions.iter().chain(&truth.excused).any(|lesion| mark.reaches(lesion)) {
                ignored.push(mark);
            } else {
                false_positives.push(mark);
            }
        }
        Self { rows, false_positives, ignored }
    }

    /// How many lesions were found.
    pub fn found(&self) -> usize {
        self.rows.iter().filter(|row| row.hit.is_some()).count()
    }

    /// The share of the lesions that were found; `None` if there is none to find.
    pub fn sensitivity(&self) -> Option<f64> {
        (!self.rows.is_empty()).then(|| self.found() as f64 / self.rows.len() as f64)
    }
}

impl Mark {
    fn of(finding: &Finding) -> Self {
        Self {
            number: finding.number,
            kind: finding.kind,
            centre_lps_mm: finding.measurements.centre_lps_mm,
            diameter_mm: finding.measurements.long_axis_mm,
            confidence: finding.confidence,
        }
    }

    fn distance_mm(&self, lesion: &TrueLesion) -> f64 {
        self.centre_lps_mm.distance(lesion.centre_lps_mm).0
    }

    fn reaches(&self, lesion: &TrueLesion) -> bool {
        self.kind == lesion.kind && self.distance_mm(lesion) <= LEAST_REACH_MM.max(lesion.diameter_mm / 2.0)
    }
}

impl Hit {
    fn new(finding: &Finding, mark: Mark, lesion: &TrueLesion) -> Self {
        Self {
            distance_mm: mark.distance_mm(lesion),
            diameter_error_mm: (lesion.diameter_mm > 0.0).then_some(mark.diameter_mm - lesion.diameter_mm),
            volume_ratio: lesion
                .volume_mm3
                .filter(|&volume| volume > 0.0)
                .map(|volume| finding.measurements.volume_mm3 / volume),
            mark,
        }
    }
}

/// Stands where a row has nothing to say.
const NOTHING: &str = "-";

impl fmt::Display for Matching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "truth\tkind\tL_mm\tP_mm\tS_mm\tdiameter_mm\tfinding\tconfidence\tdistance_mm\tfound_diameter_mm\
             \tdiameter_error_mm\tvolume_ratio"
        )?;
        for Row { lesion, hit } in &self.rows {
            let Lps { l, p, s } = lesion.centre_lps_mm;
            let (id, kind, diameter) = (&lesion.id, kind(lesion.kind), lesion.diameter_mm);
            write!(f, "{id}\t{kind}\t{l:.1}\t{p:.1}\t{s:.1}\t{diameter:.1}\t")?;
            match hit {
                None => writeln!(f, "missed\t{NOTHING}\t{NOTHING}\t{NOTHING}\t{NOTHING}\t{NOTHING}")?,
                Some(Hit { mark, distance_mm, diameter_error_mm, volume_ratio }) => writeln!(
                    f,
                    "{}\t{:.2}\t{distance_mm:.1}\t{:.1}\t{}\t{}",
                    mark.number,
                    mark.confidence,
                    mark.diameter_mm,
                    diameter_error_mm.map_or(NOTHING.to_owned(), |error| format!("{error:+.1}")),
                    volume_ratio.map_or(NOTHING.to_owned(), |ratio| format!("{ratio:.2}")),
                )?,
            }
        }
        for mark in &self.false_positives {
            let Lps { l, p, s } = mark.centre_lps_mm;
            writeln!(
                f,
                "false positive\t{}\t{l:.1}\t{p:.1}\t{s:.1}\t{NOTHING}\t{}\t{:.2}\t{NOTHING}\t{:.1}\t{NOTHING}\
                 \t{NOTHING}",
                kind(mark.kind),
                mark.number,
                mark.confidence,
                mark.diameter_mm,
            )?;
        }
        Ok(())
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::LungNodule => "lung nodule",
        Kind::LiverLesion => "liver lesion",
    }
}
