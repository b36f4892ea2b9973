//! Numbers with units in a sentence.

use engine::Evidence;

/// A number with a unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// Where its digits begin and end.
    pub(crate) digits: [usize; 2],
    /// Where its unit begins and ends; that of the next number where they share one.
    pub(crate) unit_at: [usize; 2],
    pub(crate) value: f64,
    pub(crate) decimals: usize,
    pub(crate) unit: Unit,
    /// How it hangs together with the number before or after it.
    pub(crate) joined: Joined,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millimetre,
    Centimetre,
    Cubic,
    Millilitre,
    Hounsfield,
    Percent,
    Day,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joined {
    Alone,
    Product,
    Range,
}

const UNITS: &[(&str, Unit)] = &[
    ("mm³", Unit::Cubic),
    ("mm3", Unit::Cubic),
    ("立方毫米", Unit::Cubic),
    ("mm", Unit::Millimetre),
    ("毫米", Unit::Millimetre),
    ("cm³", Unit::Millilitre),
    ("cm3", Unit::Millilitre),
    ("cm", Unit::Centimetre),
    ("ml", Unit::Millilitre),
    ("mL", Unit::Millilitre),
    ("HU", Unit::Hounsfield),
    ("%", Unit::Percent),
    ("days", Unit::Day),
    ("天", Unit::Day),
];

/// The numbers with units in `text`, in their order.
pub(crate) fn figures(text: &str) -> Vec<Figure> {
    // Where digits begin and end, and their unit.
    type Found = (usize, usize, Option<(usize, usize, Unit)>);
    let mut found: Vec<Found> = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| c.is_ascii_digit()).map(|offset| at + offset) {
        let rest = &text[start..];
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let end = start + rest[..length].trim_end_matches('.').len();
        let unit_from = end + (text[end..].len() - text[end..].trim_start_matches(' ').len());
        let unit = UNITS.iter().find(|(name, _)| text[unit_from..].starts_with(name));
        let unit = unit.map(|(name, unit)| (unit_from, unit_from + name.len(), *unit));
        found.push((start, end, unit));
        at = unit.map_or(end, |(_, unit_end, _)| unit_end);
    }
    let mut figures: Vec<Figure> = Vec::new();
    for (index, &(start, end, unit)) in found.iter().enumerate().rev() {
        let next = found.get(index + 1);
        let joiner = next.map(|&(next, ..)| text[unit.map_or(end, |(_, end, _)| end)..next].trim());
        let joined = match joiner {
            Some("×" | "x" | "*" | "by") => Joined::Product,
            Some("至" | "~" | "-" | "to" | "–") => Joined::Range,
            _ => Joined::Alone,
        };
        let shared = match (joined, figures.first()) {
            (Joined::Alone, _) | (_, None) => None,
            (_, Some(next)) => Some((next.unit_at[0], next.unit_at[1], next.unit)),
        };
        let Some((unit_start, unit_end, unit)) = unit.or(shared) else { continue };
        if joined != Joined::Alone
            && let Some(next) = figures.first_mut()
        {
            next.joined = joined;
        }
        let negative = text[..start].ends_with('-') && joined_before(text, start);
        let digits = &text[start..end];
        let Ok(size) = digits.parse::<f64>() else { continue };
        figures.insert(
            0,
            Figure {
                digits: [start, end],
                unit_at: [unit_start, unit_end],
                value: if negative { -size } else { size },
                decimals: digits.split('.').nth(1).map_or(0, str::len),
                unit,
                joined,
            },
        );
    }
    figures
}

/// Whether the minus before `start` is a sign and no dash of a range.
fn joined_before(text: &str, start: usize) -> bool {
    !text[..start - 1].ends_with(|c: char| c.is_ascii_digit())
}

impl Unit {
    /// What a number has to be multiplied by to be in mm, mm3, HU, percent or days, and which of these.
    pub(crate) fn base(self) -> (f64, Unit) {
        match self {
            Self::Centimetre => (10.0, Self::Millimetre),
            Self::Millilitre => (1000.0, Self::Cubic),
            unit => (1.0, unit),
        }
    }
}

/// Everything of this `unit` that is true in the examination, in base units.
pub(crate) fn truths(evidence: &Evidence, unit: Unit) -> Vec<f64> {
    let mut truths: Vec<Option<f64>> = Vec::new();
    let (_, base) = unit.base();
    for lesion in &evidence.lesions {
        let change = lesion.change.as_ref();
        match base {
            Unit::Millimetre => {
                truths.extend([lesion.long_axis_mm, lesion.short_axis_mm, lesion.max_diameter_3d_mm]);
                truths.extend(change.map(|c| c.prior_long_axis_mm));
                truths.extend(change.map(|c| c.prior_short_axis_mm));
                truths.extend(change.map(|c| c.mean_diameter_change_mm.map(f64::abs)));
            }
            Unit::Cubic => {
                truths.push(lesion.volume_mm3);
                truths.extend(change.map(|c| c.prior_volume_mm3));
            }
            Unit::Hounsfield => {
                truths.extend([lesion.mean_hu, lesion.sd_hu]);
                truths.extend(lesion.range_hu.into_iter().flatten().map(Some));
            }
            Unit::Percent => {
                truths.extend(change.map(|c| c.volume_change_percent.map(f64::abs)));
                truths.extend(change.map(|c| c.volume_uncertainty_percent));
            }
            _ => {
                truths.extend(change.map(|c| c.doubling_days.map(f64::abs)));
                truths.extend(change.map(|c| c.days.map(f64::from)));
            }
        }
    }
    if let Some(compared) = &evidence.compared {
        match base {
            Unit::Millimetre => {
                truths.extend(compared.resolved.iter().map(|r| Some(r.prior_long_axis_mm)));
                truths.extend(compared.resolved.iter().map(|r| r.prior_short_axis_mm));
            }
            Unit::Day => truths.push(compared.days.map(f64::from)),
            _ => {}
        }
    }
    match base {
        Unit::Millimetre => truths.extend(evidence.spacing_mm.into_iter().flatten().map(Some)),
        Unit::Cubic => {
            truths.extend(evidence.examined.iter().map(|e| e.organ_volume_ml.map(|ml| ml * 1000.0)))
        }
        _ => {}
    }
    truths.into_iter().flatten().collect()
}

/// Whether `value`, written with so many `decimals` of `unit`, rounds any of the truths.
pub(crate) fn is_true(evidence: &Evidence, value: f64, decimals: usize, unit: Unit) -> bool {
    let (scale, _) = unit.base();
    // A whole unit of the last digit, so that nobody can argue about rounding.
    let tolerance = scale * 10.0_f64.powi(-(decimals as i32)) * 1.01;
    truths(evidence, unit).iter().any(|truth| (truth - value * scale).abs() <= tolerance)
}
