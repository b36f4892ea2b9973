//! How much a lesion has changed, and whether that is more than a measurement may be off.

use super::{Change, PriorLesion, Trend};
use crate::finding::Measurements;
use crate::response::doubling_days;

/// A change of the volume of this many percent or less is not told from none, however good the images.
///
/// Source: de Hoop et al., A comparison of six software packages for evaluation of solid lung nodules, Eur Radiol
/// 2009;19:800-808 (limits of agreement of repeated scans up to 25 %); Callister et al., British Thoracic Society
/// guidelines for pulmonary nodules, Thorax 2015;70 Suppl 2 (growth is 25 % or more).
const VOLUME_PERCENT: f64 = 25.0;

/// The surface of a lesion is not known better than to this share of the largest distance between voxels.
///
/// Ours: on synthetic lesions drawn on grids of other spacing the volumes stay within what follows from it.
const SURFACE_SHARE: f64 = 0.25;

/// Without volumes, a change of the mean diameter of this many mm or less is not told from none.
///
/// Source: Lung-RADS v2022 (growth is an increase of the mean diameter of more than 1.5 mm).
const DIAMETER_MM: f64 = 1.5;

/// A distance between slices that nobody has told, mm.
const USUAL_SPACING_MM: f64 = 2.5;

/// What has become of `prior` that now measures `now`. The spacings are the largest distances between voxels,
/// mm, where they are known.
pub(super) fn change(
    now: &Measurements,
    now_spacing_mm: f64,
    prior: &PriorLesion,
    prior_spacing_mm: Option<f64>,
    days: Option<u32>,
) -> Change {
    let mean = |long: f64, short: f64| (long + short) / 2.0;
    let mean_now = mean(now.long_axis_mm, now.short_axis_mm);
    let mean_prior = prior.short_axis_mm.map(|short| mean(prior.long_axis_mm, short));
    let volumes = prior.volume_mm3.filter(|volume| *volume > 0.0 && now.volume_mm3 > 0.0);
    let spacing = now_spacing_mm.max(prior_spacing_mm.unwrap_or(USUAL_SPACING_MM));

    // A surface that is off by a little everywhere: three times the share of the diameter.
    let uncertainty = volumes.map(|volume| {
        let smaller = (6.0 * volume.min(now.volume_mm3) / std::f64::consts::PI).cbrt();
        VOLUME_PERCENT.hypot(100.0 * 3.0 * SURFACE_SHARE * spacing / smaller)
    });
    let percent = volumes.map(|volume| 100.0 * (now.volume_mm3 - volume) / volume);
    let difference = mean_prior.map(|prior| mean_now - prior);
    let trend = match (percent, uncertainty, difference) {
        (Some(percent), Some(most), difference) => {
            let by_volume = trend(percent, most);
            // Diameters that say the opposite say that the two were not measured alike.
            match difference.map(|mm| trend(mm, DIAMETER_MM)) {
                Some(Trend::Grown) if by_volume == Trend::Shrunk => Trend::Unchanged,
                Some(Trend::Shrunk) if by_volume == Trend::Grown => Trend::Unchanged,
                _ => by_volume,
            }
        }
        (_, _, Some(mm)) => trend(mm, DIAMETER_MM.max(SURFACE_SHARE * spacing)),
        _ => trend(now.long_axis_mm - prior.long_axis_mm, DIAMETER_MM.max(SURFACE_SHARE * spacing)),
    };
    let changed = matches!(trend, Trend::Grown | Trend::Shrunk);
    let doubling = |volume: f64| doubling_days(volume, now.volume_mm3, days?, uncertainty?);
    Change {
        trend,
        prior_long_axis_mm: Some(prior.long_axis_mm),
        prior_short_axis_mm: prior.short_axis_mm,
        prior_volume_mm3: prior.volume_mm3,
        mean_diameter_change_mm: difference,
        volume_change_percent: percent,
        volume_uncertainty_percent: uncertainty,
        doubling_days: volumes.filter(|_| changed).and_then(doubling),
        days,
    }
}

/// A change against the most that is not told from none.
fn trend(change: f64, most: f64) -> Trend {
    if change > most {
        Trend::Grown
    } else if change < -most {
        Trend::Shrunk
    } else {
        Trend::Unchanged
    }
}

/// What was not there before.
pub(super) fn new(days: Option<u32>) -> Change {
    Change {
        trend: Trend::New,
        prior_long_axis_mm: None,
        prior_short_axis_mm: None,
        prior_volume_mm3: None,
        mean_diameter_change_mm: None,
        volume_change_percent: None,
        volume_uncertainty_percent: None,
        doubling_days: None,
        days,
    }
}

#[cfg(test)]
mod tests {
    use dicom_io::{Lps, Uid};

    use super::*;
    use crate::finding::{Kind, Organ, Site};

    fn sphere(diameter: f64) -> f64 {
        std::f64::consts::PI / 6.0 * diameter.powi(3)
    }

    fn now(diameter: f64) -> Measurements {
        Measurements {
            centre_lps_mm: Lps::new(0.0, 0.0, 0.0),
            long_axis_mm: diameter,
            short_axis_mm: diameter,
            max_diameter_3d_mm: diameter,
            volume_mm3: sphere(diameter),
            voxels: 100,
            mean_hu: 0.0,
            min_hu: 0.0,
            max_hu: 0.0,
            sd_hu: 0.0,
            slice: 0,
            long_axis_ij: [[0.0; 2]; 2],
            short_axis_ij: [[0.0; 2]; 2],
            outline_ij: Vec::new(),
        }
    }

    fn prior(diameter: f64) -> PriorLesion {
        PriorLesion {
            kind: Kind::LungNodule,
            site: Site { organ: Organ::Lung, side: None },
            tracking_uid: Uid::derived(&["test"]),
            centre_lps_mm: None,
            long_axis_mm: diameter,
            short_axis_mm: Some(diameter),
            volume_mm3: Some(sphere(diameter)),
        }
    }

    #[track_caller]
    fn check(from: f64, to: f64, spacing: f64, wanted: Trend) {
        let found = change(&now(to), spacing, &prior(from), Some(1.0), Some(90));
        assert_eq!(found.trend, wanted, "{from} mm to {to} mm in slices of {spacing} mm: {found:?}");
    }

    #[test]
    fn a_quarter_more_is_growth_on_thin_slices_of_a_large_lesion_only() {
        // 20 mm to 22 mm is a third more.
        check(20.0, 22.0, 1.0, Trend::Grown);
        check(20.0, 21.0, 1.0, Trend::Unchanged);
        check(22.0, 19.0, 1.0, Trend::Shrunk);
        // A slice of 5 mm leaves the surface of 8 mm unknown by half of its volume.
        check(8.0, 9.0, 5.0, Trend::Unchanged);
        check(8.0, 9.0, 0.7, Trend::Grown);
    }

    #[test]
    fn without_volumes_a_millimetre_and_a_half_decides() {
        let diameters = |from: f64, to: f64| {
            let prior = PriorLesion { volume_mm3: None, ..prior(from) };
            change(&now(to), 1.0, &prior, Some(1.0), None).trend
        };
        assert_eq!(diameters(10.0, 11.4), Trend::Unchanged);
        assert_eq!(diameters(10.0, 11.6), Trend::Grown);
        assert_eq!(diameters(10.0, 8.4), Trend::Shrunk);
    }

    #[test]
    fn volumes_and_diameters_that_contradict_each_other_say_nothing() {
        let prior = PriorLesion { volume_mm3: Some(sphere(12.0)), ..prior(7.0) };
        assert_eq!(change(&now(9.0), 1.0, &prior, Some(1.0), None).trend, Trend::Unchanged);
    }

    #[test]
    fn a_volume_doubles_in_the_days_that_it_took() {
        let from = 10.0;
        let to = from * 2.0_f64.powf(2.0 / 3.0);
        let found = change(&now(to), 1.0, &prior(from), Some(1.0), Some(180));
        assert!((found.doubling_days.unwrap() - 90.0).abs() < 1e-9, "{found:?}");
        assert!((found.volume_change_percent.unwrap() - 300.0).abs() < 1e-9);
        let back = change(&now(from), 1.0, &prior(to), Some(1.0), Some(180));
        assert!((back.doubling_days.unwrap() + 90.0).abs() < 1e-9, "{back:?}");
        let same = change(&now(10.0), 1.0, &prior(10.0), Some(1.0), Some(180));
        assert_eq!((same.trend, same.doubling_days), (Trend::Unchanged, None));
    }
}
