//! Numbers as they are written, held against values as they were measured.
//!
//! A number is right when it is the value rounded as reports round it ([`rounded`](crate::narrative::rounded)), in
//! its own or a converted unit, or rounded to more digits. "About" changes nothing: an inexact number is a fault
//! with it and without. People are allowed fewer digits ([`Mode::Open`]).

use super::lexicon::{Label, Unit};
use super::tokens::Number;
use super::{Class, Mode};
use crate::evidence::{Evidence, Lesion};
use crate::narrative::rounded;

/// What a unit measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// mm
    Length,
    /// mm3
    Volume,
    /// HU
    Attenuation,
    /// %
    Percent,
    /// days
    Time,
    /// 0 to 1
    Score,
    /// Nothing that is measured here.
    Other,
}

/// A measured value in the base unit of its quantity, and to how many digits of `unit` it is reported.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub(super) value: f64,
    pub(super) quantity: Quantity,
    /// Spacings are reported to 0.01 mm, lesions to 0.1 mm.
    pub(super) spacing: bool,
}

impl Unit {
    pub(super) fn quantity(self) -> Quantity {
        match self {
            Self::Millimetre | Self::Centimetre => Quantity::Length,
            Self::CubicMillimetre | Self::Millilitre => Quantity::Volume,
            Self::Hounsfield => Quantity::Attenuation,
            Self::Percent => Quantity::Percent,
            Self::Day | Self::Week | Self::Month | Self::Year => Quantity::Time,
            Self::Slice | Self::Other => Quantity::Other,
        }
    }

    /// How many of the base unit it is.
    fn size(self) -> f64 {
        match self {
            Self::Centimetre => 10.0,
            Self::Millilitre => 1000.0,
            Self::Week => 7.0,
            Self::Month => 30.4375,
            Self::Year => 365.25,
            _ => 1.0,
        }
    }

    /// How many digits after the point a report gives.
    fn decimals(self) -> usize {
        match self {
            Self::Millimetre | Self::Centimetre | Self::Millilitre => 1,
            _ => 0,
        }
    }
}

impl Value {
    pub(super) fn new(value: f64, quantity: Quantity) -> Self {
        Self { value, quantity, spacing: false }
    }

    pub(super) fn spacing(value: f64) -> Self {
        Self { value, quantity: Quantity::Length, spacing: true }
    }

    /// The value as a report shows it, in the base unit.
    fn shown(self) -> f64 {
        let round = |value: f64, step: f64| (value / step).round() * step;
        match self.quantity {
            Quantity::Length if self.spacing => round(self.value, 0.01),
            Quantity::Length => round(self.value, 0.1),
            Quantity::Volume if self.value < 999.5 => round(self.value, 1.0),
            Quantity::Volume => round(self.value, 100.0),
            Quantity::Score => round(self.value, 0.01),
            Quantity::Attenuation | Quantity::Percent | Quantity::Time | Quantity::Other => {
                round(self.value, 1.0)
            }
        }
    }

    /// Whether `number unit` is this value, rounded as it should be.
    pub(super) fn is(self, number: Number, unit: Unit, mode: Mode) -> bool {
        if self.quantity == Quantity::Score {
            // "0.93" or "93 %".
            let (size, decimals) = if unit == Unit::Percent { (0.01, 0) } else { (1.0, 2) };
            return self.close(number, size, number.decimals.max(decimals));
        }
        if unit.quantity() != self.quantity {
            return false;
        }
        let decimals = if self.spacing { 2 } else { unit.decimals() };
        let decimals = match mode {
            Mode::Closed => number.decimals.max(decimals),
            Mode::Open => number.decimals,
        };
        self.close(number, unit.size(), decimals)
    }

    fn close(self, number: Number, size: f64, decimals: usize) -> bool {
        let places = i32::try_from(decimals.min(12)).expect("at most 12");
        let half = 0.5 / 10_f64.powi(places) + 1e-9;
        [self.value, self.shown()].iter().any(|value| {
            let value = value / size;
            // An increase of 56 % and a decrease of 56 % are told apart by their words.
            let value =
                if number.signed || self.quantity == Quantity::Attenuation { value } else { value.abs() };
            (value - number.value).abs() <= half
        })
    }

    /// How `number unit` came to differ from this value, as far as that can be told.
    pub(super) fn fault(self, number: Number, unit: Unit) -> Class {
        let written = number.value.abs();
        let same = |one: f64, other: f64| (one - other).abs() <= 1e-6 * one.abs().max(1e-3);
        let units = [
            Unit::Millimetre,
            Unit::Centimetre,
            Unit::CubicMillimetre,
            Unit::Millilitre,
            Unit::Hounsfield,
            Unit::Percent,
            Unit::Day,
            Unit::Week,
            Unit::Month,
            Unit::Year,
        ];
        let shifts = |value: f64| {
            [0.01, 0.1, 10.0, 100.0].iter().any(|shift| value != 0.0 && same(written, value * shift))
        };
        let shifted = number.decimals > 1
            && unit.quantity() == self.quantity
            && shifts(self.shown().abs() / unit.size());
        if !shifted && units.iter().any(|&other| other != unit && self.is(number, other, Mode::Closed)) {
            return Class::Unit;
        }
        if unit.quantity() != self.quantity {
            return Class::Number;
        }
        let value = self.shown().abs() / unit.size();
        if shifts(value) {
            return Class::Decimal;
        }
        let exact = self.value.abs() / unit.size();
        let places = i32::try_from(number.decimals.min(12)).expect("at most 12");
        let step = 10_f64.powi(-i32::try_from(unit.decimals()).expect("0 or 1"));
        if (written - exact).abs() <= 0.5 / 10_f64.powi(places) + 1e-9 || (written - exact).abs() < 1.5 * step
        {
            return Class::Rounding;
        }
        Class::Number
    }
}

/// The lengths, volumes and so on of `lesion` that `label` may mean in this examination.
pub(super) fn now(lesion: &Lesion, label: Option<Label>, quantity: Quantity) -> Vec<Value> {
    let mean = lesion.long_axis_mm.zip(lesion.short_axis_mm).map(|(long, short)| f64::midpoint(long, short));
    let range = |at: usize| lesion.range_hu.map(|range| range[at]);
    let values: Vec<Option<f64>> = match (quantity, label) {
        (Quantity::Length, None | Some(Label::Size | Label::Axes | Label::Long)) => vec![lesion.long_axis_mm],
        (Quantity::Length, Some(Label::Short)) => vec![lesion.short_axis_mm],
        (Quantity::Length, Some(Label::Longest)) => vec![lesion.long_axis_mm, lesion.max_diameter_3d_mm],
        (Quantity::Length, Some(Label::Longest3d)) => vec![lesion.max_diameter_3d_mm],
        (Quantity::Length, Some(Label::MeanDiameter)) => vec![mean],
        (Quantity::Length, Some(Label::SolidPart)) => vec![lesion.solid_part_mm.map(|[long, _]| long)],
        (Quantity::Volume, None | Some(Label::Volume | Label::Size)) => vec![lesion.volume_mm3],
        (Quantity::Attenuation, None | Some(Label::Attenuation)) => vec![lesion.mean_hu],
        (Quantity::Attenuation, Some(Label::AttenuationSd)) => vec![lesion.sd_hu],
        (Quantity::Attenuation, Some(Label::AttenuationMin)) => vec![range(0)],
        (Quantity::Attenuation, Some(Label::AttenuationMax)) => vec![range(1)],
        (Quantity::Score, _) | (Quantity::Percent, Some(Label::Score)) => {
            return lesion.confidence.map(|score| Value::new(score, Quantity::Score)).into_iter().collect();
        }
        _ => Vec::new(),
    };
    values.into_iter().flatten().map(|value| Value::new(value, quantity)).collect()
}

/// The same in the prior.
pub(super) fn prior(lesion: &Lesion, label: Option<Label>, quantity: Quantity) -> Vec<Value> {
    let Some(change) = &lesion.change else { return Vec::new() };
    let mean = change.prior_long_axis_mm.zip(change.prior_short_axis_mm).map(|(l, s)| f64::midpoint(l, s));
    let value = match (quantity, label) {
        (Quantity::Length, None | Some(Label::Size | Label::Axes | Label::Long | Label::Longest)) => {
            change.prior_long_axis_mm
        }
        (Quantity::Length, Some(Label::Short)) => change.prior_short_axis_mm,
        (Quantity::Length, Some(Label::MeanDiameter)) => mean,
        (Quantity::Volume, None | Some(Label::Volume | Label::Size)) => change.prior_volume_mm3,
        _ => None,
    };
    value.map(|value| Value::new(value, quantity)).into_iter().collect()
}

/// The differences between the two.
pub(super) fn change(
    lesion: &Lesion,
    label: Option<Label>,
    quantity: Quantity,
    evidence: &Evidence,
) -> Vec<Value> {
    let Some(change) = &lesion.change else { return days(evidence, label, quantity) };
    let difference =
        |now: Option<f64>, before: Option<f64>| now.zip(before).map(|(now, before)| now - before);
    let share = |now: Option<f64>, before: Option<f64>| {
        now.zip(before)
            .filter(|(_, before)| *before > 0.0)
            .map(|(now, before)| 100.0 * (now - before) / before)
    };
    let (long, before) = (lesion.long_axis_mm, change.prior_long_axis_mm);
    let values: Vec<Option<f64>> = match (quantity, label) {
        (Quantity::Length, Some(Label::MeanDiameter)) => vec![change.mean_diameter_change_mm],
        (Quantity::Length, Some(Label::Short)) => {
            vec![difference(lesion.short_axis_mm, change.prior_short_axis_mm)]
        }
        (Quantity::Length, Some(Label::Long)) => vec![difference(long, before)],
        (Quantity::Length, None | Some(Label::Size | Label::Longest)) => {
            vec![change.mean_diameter_change_mm, difference(long, before)]
        }
        (Quantity::Volume, _) => vec![difference(lesion.volume_mm3, change.prior_volume_mm3)],
        (Quantity::Percent, Some(Label::Uncertainty)) => vec![change.volume_uncertainty_percent],
        (Quantity::Percent, Some(Label::Long)) => vec![share(long, before)],
        (Quantity::Percent, Some(Label::Volume)) => vec![change.volume_change_percent],
        (Quantity::Percent, _) => vec![change.volume_change_percent, change.volume_uncertainty_percent],
        (Quantity::Time, Some(Label::DoublingTime)) => vec![change.doubling_days],
        (Quantity::Time, _) => {
            vec![change.days.map(f64::from), evidence.compared.as_ref().and_then(|c| c.days).map(f64::from)]
        }
        _ => Vec::new(),
    };
    values.into_iter().flatten().map(|value| Value::new(value, quantity)).collect()
}

/// The days between the examinations, for sentences about no lesion.
pub(super) fn days(evidence: &Evidence, label: Option<Label>, quantity: Quantity) -> Vec<Value> {
    let days = evidence.compared.as_ref().and_then(|compared| compared.days);
    let days = days.filter(|_| quantity == Quantity::Time && label != Some(Label::DoublingTime));
    days.map(|days| Value::new(f64::from(days), quantity)).into_iter().collect()
}

/// What was measured of `lesion`, for whoever repairs a sentence.
pub(super) fn told(lesion: &Lesion) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut part = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            parts.push(format!("{name} {value}"));
        }
    };
    let length = |mm: f64| format!("{} mm", rounded::millimetres(mm));
    part("long axis", lesion.long_axis_mm.map(length));
    part("short axis", lesion.short_axis_mm.map(length));
    part("volume", lesion.volume_mm3.map(rounded::volume));
    part("mean attenuation", lesion.mean_hu.map(|hu| format!("{} HU", rounded::hounsfield(hu))));
    part("slice", lesion.slice.map(|slice| slice.to_string()));
    part("score", lesion.confidence.map(rounded::score));
    format!("finding {}: {}", lesion.number, parts.join(", "))
}
