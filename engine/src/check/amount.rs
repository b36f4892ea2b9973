//! Figures held against what was measured of one lesion: whether they are right, and what kind of error they are.

use super::claims::Frame;
use super::figure::{Figure, Hedge, Shape, When, measures};
use super::hold::{Ground, Wrong, of_examination};
use super::lexicon::{Label, Unit};
use super::measure::{self, Quantity, Value};
use super::{Class, Mode};
use crate::evidence::Lesion;

/// What is wrong with one figure of one lesion.
pub(super) fn figure_wrong(
    figure: &Figure,
    frame: &Frame,
    lesion: &Lesion,
    ground: &Ground<'_>,
) -> Vec<Wrong> {
    let mode = ground.mode;
    let wrong = |class, told: String| vec![Wrong::new(class, figure.span, told)];
    let (number, unit) = figure.numbers[0];
    if mode == Mode::Closed && figure.numbers.iter().any(|(number, _)| number.spelled) {
        return wrong(Class::SpelledNumber, "measurements are written in digits".into());
    }
    let exam = matches!(figure.label, Some(Label::Gap | Label::Pixel | Label::OrganVolume));
    if of_examination(figure, frame, ground) && (exam || !frame.has_head() || frame.refs.is_empty()) {
        return Vec::new();
    }
    let quantity = unit.quantity();
    if quantity == Quantity::Time && figure.label.is_none() && ground.evidence.compared.is_none() {
        return wrong(Class::NoPrior, "nothing was compared".into());
    }
    let quantity = if figure.label == Some(Label::Score) { Quantity::Score } else { quantity };
    let sure = match figure.hedge {
        Hedge::Below | Hedge::Above => quantity == Quantity::Time || quantity == Quantity::Percent,
        _ => true,
    };
    let right = match figure.shape {
        Shape::One => {
            values(figure, lesion, quantity, ground).iter().any(|value| value.is(number, unit, mode))
        }
        Shape::By => {
            let axes = |of: fn(&Lesion, Option<Label>, Quantity) -> Vec<Value>| {
                let each = [Label::Long, Label::Short];
                let labelled = matches!(
                    figure.label,
                    None | Some(Label::Size | Label::Axes | Label::Longest | Label::Long)
                );
                labelled
                    && figure.numbers.len() == 2
                    && each.iter().zip(&figure.numbers).all(|(label, (number, unit))| {
                        of(lesion, Some(*label), unit.quantity())
                            .iter()
                            .any(|value| value.is(*number, *unit, mode))
                    })
            };
            match figure.when {
                _ if figure.label == Some(Label::SolidPart) => solid_part(figure, lesion, mode),
                When::Prior => axes(measure::prior),
                When::Change => axes(measure::now) || axes(measure::prior),
                When::Open if figure.or_prior => axes(measure::now) || axes(measure::prior),
                When::Open | When::Now => axes(measure::now),
            }
        }
        Shape::Range => {
            let end = figure.numbers[1];
            let from_to =
                measure::prior(lesion, figure.label, quantity).iter().any(|v| v.is(number, unit, mode))
                    && measure::now(lesion, figure.label, quantity).iter().any(|v| v.is(end.0, end.1, mode));
            let spread = lesion.range_hu.filter(|_| quantity == Quantity::Attenuation).is_some_and(|range| {
                let is = |at: usize, (number, unit)| Value::new(range[at], quantity).is(number, unit, mode);
                is(0, (number, unit)) && is(1, end)
            });
            from_to || spread
        }
    };
    if right && sure {
        return Vec::new();
    }
    if right {
        return wrong(Class::Hedge, format!("the number is exact; {}", measure::told(lesion)));
    }
    wrong(figure_class(figure, lesion, quantity, ground), measure::told(lesion))
}

/// Whether a product is the long and the short axis of the solid part.
fn solid_part(figure: &Figure, lesion: &Lesion, mode: Mode) -> bool {
    let is = |(value, (number, unit)): (&f64, &(super::tokens::Number, Unit))| {
        Value::new(*value, Quantity::Length).is(*number, *unit, mode)
    };
    figure.numbers.len() == 2
        && lesion.solid_part_mm.is_some_and(|part| part.iter().zip(&figure.numbers).all(is))
}

fn values(figure: &Figure, lesion: &Lesion, quantity: Quantity, ground: &Ground<'_>) -> Vec<Value> {
    let label = figure.label;
    let mut values = match figure.when {
        When::Now | When::Open => measure::now(lesion, label, quantity),
        When::Prior => measure::prior(lesion, label, quantity),
        When::Change => {
            let mut both = measure::change(lesion, label, quantity, ground.evidence);
            both.extend(measure::now(lesion, label, quantity));
            both
        }
    };
    if figure.or_prior {
        values.extend(measure::prior(lesion, label, quantity));
    }
    if matches!(quantity, Quantity::Percent | Quantity::Time) {
        values.extend(measure::change(lesion, label, quantity, ground.evidence));
    }
    values
}

/// Which kind of error a figure is.
fn figure_class(figure: &Figure, lesion: &Lesion, quantity: Quantity, ground: &Ground<'_>) -> Class {
    let (number, unit) = figure.numbers[0];
    if matches!(quantity, Quantity::Percent | Quantity::Time) && figure.label != Some(Label::Score) {
        return if lesion.change.is_none() && ground.evidence.compared.is_none() {
            Class::NoPrior
        } else {
            Class::Change
        };
    }
    if matches!(figure.when, When::Prior) && ground.evidence.compared.is_none() {
        return Class::NoPrior;
    }
    if let Some(label) = figure.label
        && !measures(label, unit)
        && label != Label::Score
    {
        return Class::Unit;
    }
    if figure.shape == Shape::Range {
        return Class::Range;
    }
    let mode = ground.mode;
    let any = |of: &Lesion, labels: &[Option<Label>]| {
        labels.iter().any(|label| measure::now(of, *label, quantity).iter().any(|v| v.is(number, unit, mode)))
    };
    let length = [Some(Label::Long), Some(Label::Short), Some(Label::Longest3d), Some(Label::MeanDiameter)];
    let attenuation = [
        Some(Label::Attenuation),
        Some(Label::AttenuationSd),
        Some(Label::AttenuationMin),
        Some(Label::AttenuationMax),
    ];
    if figure.shape == Shape::By && figure.numbers.len() == 2 {
        let each: Vec<Vec<Value>> = [Label::Long, Label::Short]
            .map(|label| match figure.when {
                When::Prior => measure::prior(lesion, Some(label), quantity),
                _ => measure::now(lesion, Some(label), quantity),
            })
            .into();
        let is = |at: usize, values: &[Value]| {
            values.iter().any(|v| v.is(figure.numbers[at].0, figure.numbers[at].1, mode))
        };
        if is(0, &each[1]) && is(1, &each[0]) {
            return Class::Axis;
        }
        for other in ground.evidence.lesions.iter().filter(|other| other.number != lesion.number) {
            if any(other, &[Some(Label::Long)]) {
                return Class::Merged;
            }
        }
        let classes = [0, 1].iter().filter(|&&at| !is(at, &each[at])).filter_map(|&at| {
            each[at].first().map(|value| value.fault(figure.numbers[at].0, figure.numbers[at].1))
        });
        return classes.min_by_key(|class| *class == Class::Number).unwrap_or(Class::Number);
    }
    if figure.shape == Shape::By {
        return Class::Number;
    }
    let values = match figure.when {
        When::Prior => measure::prior(lesion, figure.label, quantity),
        When::Change => measure::change(lesion, figure.label, quantity, ground.evidence),
        When::Open | When::Now => measure::now(lesion, figure.label, quantity),
    };
    if figure.when == When::Change && !values.is_empty() {
        return Class::Change;
    }
    let class = values.first().map(|value| value.fault(number, unit));
    if let Some(class @ (Class::Unit | Class::Decimal)) = class {
        return class;
    }
    if any(lesion, if quantity == Quantity::Attenuation { &attenuation } else { &length }) {
        return Class::Axis;
    }
    for label in [None, Some(Label::Volume), Some(Label::Attenuation)] {
        for other in [Quantity::Length, Quantity::Volume, Quantity::Attenuation] {
            let mut others = measure::now(lesion, label, other).into_iter();
            if other != quantity && others.any(|value| value.fault(number, unit) == Class::Unit) {
                return Class::Unit;
            }
        }
    }
    if class == Some(Class::Rounding) {
        return if figure.hedge == Hedge::None { Class::Rounding } else { Class::Hedge };
    }
    let others = ground.evidence.lesions.iter().filter(|other| other.number != lesion.number);
    if others.into_iter().any(|other| any(other, &[figure.label])) {
        return Class::Merged;
    }
    Class::Number
}
