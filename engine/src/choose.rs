//! Which series of a study to read.

use dicom_io::{Series, Study};
use models::Card;

use crate::error::Error;

/// The series that was chosen, and why the others were not.
#[derive(Debug)]
pub struct Choice<'a> {
    /// The chosen one.
    pub series: &'a Series,
    /// Every other one of the study, with the reason.
    pub others: Vec<(&'a Series, String)>,
}

/// A series that covers at least this share of the longest one's length covers as much of the patient.
const SAME_COVERAGE: f64 = 0.9;

/// Slices closer than this add nothing that the networks see, mm.
const THIN_ENOUGH_MM: f64 = 1.0;

/// The series of `study` that suits the `wanted` models best: of their modality, a regular volume, covering
/// the most of the patient, then with the thinnest slices (down to 1 mm), then original before derived, then
/// the lowest number.
///
/// Only headers are looked at.
///
/// # Errors
///
/// [`Error::NoSeries`] with the reason for each series if none can be used.
pub fn choose<'a>(study: &'a Study, wanted: &[&Card]) -> Result<Choice<'a>, Error> {
    let mut usable = Vec::new();
    let mut others = Vec::new();
    for series in &study.series {
        match assess(series, wanted) {
            Ok(assessed) => usable.push((series, assessed)),
            Err(reason) => others.push((series, reason)),
        }
    }
    let longest = usable.iter().map(|(_, assessed)| assessed.length_mm).fold(0.0, f64::max);
    let rank = |(series, assessed): &(&Series, Assessed)| {
        let short = assessed.length_mm < SAME_COVERAGE * longest;
        // Tenths of millimetres, so that rounding in the headers decides nothing.
        let thickness = (assessed.spacing_mm.max(THIN_ENOUGH_MM) * 10.0).round() as u64;
        let derived = series.image_type.first().is_some_and(|value| value == "DERIVED");
        (short, thickness, derived, series.number.unwrap_or(i32::MAX), series.uid.clone())
    };
    usable.sort_by_cached_key(rank);
    let mut usable = usable.into_iter();
    let Some((series, _)) = usable.next() else {
        let reasons = if others.is_empty() {
            "it has no images".to_owned()
        } else {
            others.iter().map(|(_, reason)| reason.as_str()).collect::<Vec<_>>().join("; ")
        };
        return Err(Error::NoSeries { study_uid: study.uid.clone(), reasons });
    };
    others.extend(usable.map(|(other, _)| (other, format!("series {} suits better", series.uid))));
    Ok(Choice { series, others })
}

struct Assessed {
    length_mm: f64,
    spacing_mm: f64,
}

/// What matters for ranking, or why the series cannot be used.
fn assess(series: &Series, wanted: &[&Card]) -> Result<Assessed, String> {
    if !wanted.iter().any(|card| card.modalities.iter().any(|m| m.as_str() == series.modality)) {
        let uid = &series.uid;
        return Err(format!("series {uid}: its modality is none that the models were made for"));
    }
    // The error names the series itself.
    let (geometry, shape, _) = series.check().map_err(|error| error.to_string())?;
    let spacing_mm = geometry.spacing().k;
    Ok(Assessed { length_mm: spacing_mm * shape[0] as f64, spacing_mm })
}
