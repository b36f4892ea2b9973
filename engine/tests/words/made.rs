//! Findings and examinations made for tests.

use dicom_io::{Lps, Uid};
use engine::evidence::Evidence;
use engine::guideline::{Advised, Patient};
use engine::narrative::Facts;
use engine::report::Examined;
use engine::track::Compared;
use engine::{Finding, Kind, Mask, Measurements, Organ, Side, Site};
use ndarray::Array3;
use proptest::prelude::*;

/// All that words may speak of; a CT of 133 slices without findings unless said otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) modality: String,
    pub(crate) slices: usize,
    pub(crate) spacing_mm: [f64; 3],
    pub(crate) findings: Vec<Finding>,
    pub(crate) examined: Vec<Examined>,
    pub(crate) compared: Option<Compared>,
    pub(crate) advised: Advised,
    pub(crate) warnings: Vec<String>,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            modality: "CT".to_owned(),
            slices: 133,
            spacing_mm: [0.703, 0.703, 2.5],
            findings: Vec::new(),
            examined: Vec::new(),
            compared: None,
            advised: Advised::default(),
            warnings: Vec::new(),
        }
    }
}

impl Scene {
    pub(crate) fn facts(&self) -> Facts<'_> {
        Facts {
            modality: &self.modality,
            slices: self.slices,
            spacing_mm: self.spacing_mm,
            findings: &self.findings,
            examined: &self.examined,
            compared: self.compared.as_ref(),
            advised: &self.advised,
            warnings: &self.warnings,
        }
    }

    pub(crate) fn evidence(&self) -> Evidence {
        Evidence::of(&self.facts(), Patient::default(), None)
    }
}

/// Finding `number` of these axes (mm), volume (mm³), mean (HU), slice (0-based) and score.
pub(crate) fn finding(
    number: usize,
    kind: Kind,
    side: Option<Side>,
    axes: [f64; 2],
    volume_mm3: f64,
    mean_hu: f64,
    (slice, confidence): (usize, f64),
) -> Finding {
    let organ = match kind {
        Kind::LungNodule => Organ::Lung,
        Kind::LiverLesion => Organ::Liver,
    };
    Finding {
        number,
        kind,
        site: Site { organ, side },
        measurements: Measurements {
            centre_lps_mm: Lps::new(1.0, 2.0, 3.0),
            long_axis_mm: axes[0],
            short_axis_mm: axes[1],
            max_diameter_3d_mm: axes[0] * 1.1,
            volume_mm3,
            voxels: 1,
            mean_hu,
            min_hu: mean_hu - 10.0,
            max_hu: mean_hu + 10.0,
            sd_hu: 5.0,
            slice,
            long_axis_ij: [[0.0; 2]; 2],
            short_axis_ij: [[0.0; 2]; 2],
            outline_ij: Vec::new(),
        },
        confidence,
        model: "lung-nodule".into(),
        sop_instance_uid: Uid::parse("1.2.3").unwrap(),
        tracking_uid: Uid::parse("1.2.4").unwrap(),
        density: None,
        solid_part: None,
        change: None,
        critical: false,
        mask: Mask { corner: [0; 3], voxels: Array3::from_elem((1, 1, 1), true) },
    }
}

pub(crate) fn examined(organ: Organ, organ_found: bool, organ_volume_ml: Option<f64>) -> Examined {
    let kind = match organ {
        Organ::Lung => Kind::LungNodule,
        Organ::Liver => Kind::LiverLesion,
    };
    Examined { organ, kind, organ_found, organ_volume_ml, model: "a".into() }
}

pub(crate) fn two_nodules_and_a_liver_lesion() -> Vec<Finding> {
    vec![
        finding(1, Kind::LungNodule, Some(Side::Right), [33.04, 25.16], 12_345.0, -12.4, (53, 0.934)),
        finding(2, Kind::LungNodule, Some(Side::Left), [6.25, 5.5], 98.6, -230.7, (101, 0.5)),
        finding(3, Kind::LiverLesion, None, [14.0, 11.96], 999.7, 47.2, (12, 0.7)),
    ]
}

/// Shows the first line that differs; a whole report in one message hides it.
#[track_caller]
pub(crate) fn similar(found: &str, expected: &str) {
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{found}");
}

prop_compose! {
    pub(crate) fn any_finding()(
        lung in any::<bool>(),
        side in prop_oneof![Just(None), Just(Some(Side::Left)), Just(Some(Side::Right))],
        long in 1.0..120.0f64,
        short in 0.1..1.0f64,
        volume in 0.5..200_000.0f64,
        mean in -900.0..300.0f64,
        slice in 0..200usize,
        score in 0.0..1.0f64,
    ) -> Finding {
        let (kind, side) = if lung { (Kind::LungNodule, side) } else { (Kind::LiverLesion, None) };
        finding(0, kind, side, [long, long * short], volume, mean, (slice, score))
    }
}
