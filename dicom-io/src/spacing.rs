//! From the positions of slices to an even stack, or to the reason why they are none.
//!
//! Slice Thickness, Spacing Between Slices and Gantry/Detector Tilt are ignored: all three are often
//! wrong, positions are not.

use crate::error::Error;
use crate::geometry::Lps;
use crate::uid::Uid;
use crate::units::Millimetre;

/// A slice may lie this share of the spacing away from its place along the normal; beyond, the series is
/// refused. Tables sag and some scanners round positions to 0.1 mm, which is 8 % of 0.6 mm.
const UNEVEN: f64 = 0.1;

/// Beyond this share of the spacing, and [`ROUNDING`], the report says so.
const SLIGHTLY_UNEVEN: f64 = 0.01;

/// Slices may be shifted within their plane by this share of a pixel: half a pixel is what resampling to
/// the nearest voxel may cost as well.
const SHIFTED: f64 = 0.5;

/// Beyond this share of a pixel, and [`ROUNDING`], the report says so.
const SLIGHTLY_SHIFTED: f64 = 0.1;

/// Positions are written in 16 characters at most, often with two decimals, mm.
const ROUNDING: f64 = 0.02;

/// Slices closer than this share of the usual distance lie at the same place.
const SAME_PLACE: f64 = 0.01;

/// An even stack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stack {
    /// The distance between neighbours, mm.
    pub(crate) spacing_mm: f64,
    /// How far the worst slice is off, along the normal, mm; `None` if that is rounding.
    pub(crate) uneven_mm: Option<f64>,
    /// How far the worst slice is off within its plane, mm; `None` if that is rounding.
    pub(crate) shifted_mm: Option<f64>,
}

/// Where each of `positions` lies along `normal`, relative to the patient's origin, mm.
pub(crate) fn heights(positions: &[Lps], normal: [f64; 3]) -> Vec<f64> {
    positions.iter().map(|p| dot(p.to_array(), normal)).collect()
}

/// Groups indices of `heights` that lie at the same place, from the lowest to the highest.
pub(crate) fn places(heights: &[f64]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|a, b| heights[*a].total_cmp(&heights[*b]).then(a.cmp(b)));
    let mut gaps: Vec<f64> = order.windows(2).map(|w| heights[w[1]] - heights[w[0]]).collect();
    gaps.retain(|gap| *gap > ROUNDING / 2.0);
    gaps.sort_by(f64::total_cmp);
    let usual = gaps.get(gaps.len().saturating_sub(1) / 2).copied().unwrap_or(0.0);
    let same = (SAME_PLACE * usual).max(ROUNDING / 4.0);
    let mut places: Vec<Vec<usize>> = Vec::new();
    for index in order {
        match places.last_mut() {
            Some(place) if heights[index] - heights[place[0]] <= same => place.push(index),
            _ => places.push(vec![index]),
        }
    }
    places
}

/// The even stack that `positions` make: centres of the first voxel of each slice, sorted along the unit
/// vector `normal`, no two at the same place, at least two. `pixel_mm` is the smaller side of a pixel.
///
/// # Errors
///
/// [`Error::GantryTilt`] if they follow a straight line that is not the normal, [`Error::Shifted`] if
/// they follow no line, [`Error::MissingSlices`] if the wide gaps are multiples of the usual one, and
/// [`Error::UnevenSpacing`] for all others.
///
/// Source: DICOM PS3.3 C.7.6.2.1.1.
pub(crate) fn stack(
    series: &Uid,
    positions: &[Lps],
    normal: [f64; 3],
    pixel_mm: f64,
) -> Result<Stack, Error> {
    let heights = heights(positions, normal);
    let last = heights.len() - 1;
    let spacing_mm = (heights[last] - heights[0]) / last as f64;
    let off = |k: usize| (heights[k] - heights[0] - k as f64 * spacing_mm).abs();
    let uneven_mm = (0..=last).map(off).fold(0.0, f64::max);
    let uneven = uneven_mm > UNEVEN * spacing_mm;
    let gaps: Vec<f64> = heights.windows(2).map(|w| w[1] - w[0]).collect();
    let narrowest = Millimetre(gaps.iter().copied().fold(f64::INFINITY, f64::min));
    let widest = Millimetre(gaps.iter().copied().fold(0.0, f64::max));

    let sideways = sideways(positions, normal, &heights);
    let shifted_mm = sideways.iter().map(|s| length(*s)).fold(0.0, f64::max);
    if shifted_mm > SHIFTED * pixel_mm {
        let (slope, residual) = line(&sideways, &heights);
        if residual > SHIFTED * pixel_mm {
            return Err(Error::Shifted { series_uid: series.clone(), worst: Millimetre(shifted_mm) });
        }
        return Err(Error::GantryTilt {
            series_uid: series.clone(),
            degrees: slope.atan().to_degrees(),
            gaps: uneven.then_some((narrowest, widest)),
        });
    }
    if uneven {
        return Err(missing(series, &gaps).unwrap_or_else(|| Error::UnevenSpacing {
            series_uid: series.clone(),
            narrowest,
            widest,
        }));
    }
    let beyond = |off: f64, limit: f64| (off > limit.max(ROUNDING)).then_some(off);
    Ok(Stack {
        spacing_mm,
        uneven_mm: beyond(uneven_mm, SLIGHTLY_UNEVEN * spacing_mm),
        shifted_mm: beyond(shifted_mm, SLIGHTLY_SHIFTED * pixel_mm),
    })
}

/// The error for slices that were lost, if every gap is a multiple of the usual one.
fn missing(series: &Uid, gaps: &[f64]) -> Option<Error> {
    let mut sorted = gaps.to_vec();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[(sorted.len() - 1) / 2];
    let steps = |gap: f64| (gap / usual).round();
    let multiple = |gap: f64| steps(gap) >= 1.0 && (gap - steps(gap) * usual).abs() <= UNEVEN * usual;
    if !gaps.iter().all(|gap| multiple(*gap)) {
        return None;
    }
    let wide = gaps.iter().position(|gap| steps(*gap) > 1.0)?;
    Some(Error::MissingSlices {
        series_uid: series.clone(),
        missing: gaps.iter().map(|gap| steps(*gap) as usize - 1).sum(),
        expected: Millimetre(usual),
        found: Millimetre(gaps[wide]),
        at: Millimetre(gaps[..wide].iter().sum()),
    })
}

/// How far each position lies from the normal through the first, as a vector within the plane.
fn sideways(positions: &[Lps], normal: [f64; 3], heights: &[f64]) -> Vec<[f64; 3]> {
    let first = positions[0].to_array();
    let place = |(p, h): (&Lps, &f64)| {
        let p = p.to_array();
        std::array::from_fn(|d| p[d] - first[d] - (h - heights[0]) * normal[d])
    };
    positions.iter().zip(heights).map(place).collect()
}

/// How steeply `sideways` grows with height between the ends, and the furthest from that line, mm.
fn line(sideways: &[[f64; 3]], heights: &[f64]) -> (f64, f64) {
    let last = heights.len() - 1;
    let rise = heights[last] - heights[0];
    let drift = sideways[last].map(|s| s / rise);
    let off = |(s, h): (&[f64; 3], &f64)| length(std::array::from_fn(|d| s[d] - (h - heights[0]) * drift[d]));
    (length(drift), sideways.iter().zip(heights).map(off).fold(0.0, f64::max))
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn length(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}
