//! Numbers with a unit: which belong together, what they measure, and of which examination.

use super::claims::{Span, number};
use super::lexicon::{Label, Meaning, Unit};
use super::measure::Quantity;
use super::tokens::{Kind, Number, Token};

/// One or more numbers that are one statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) shape: Shape,
    pub(super) numbers: Vec<(Number, Unit)>,
    /// What they measure, where the words say it.
    pub(super) label: Option<Label>,
    pub(super) when: When,
    pub(super) hedge: Hedge,
    /// It follows another one in a list and has its label from there.
    pub(super) listed: bool,
    /// Words after it may make it one of the prior: "6.8 mm previously".
    pub(super) or_prior: bool,
    pub(super) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    One,
    /// "8.4 × 6.1 mm".
    By,
    /// "4.1 to 8.4 mm".
    Range,
}

/// Of which examination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// The words do not tell.
    Open,
    Now,
    Prior,
    /// The difference between the two.
    Change,
}

/// How sure of a number the words are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hedge {
    None,
    About,
    Below,
    Above,
}

/// What words before a number say of it.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Labels that wait for their number.
    waiting: Vec<Label>,
    /// The label of the last number, for a list.
    last: Option<(Label, Unit)>,
    when: Option<(When, usize)>,
    hedge: Option<Hedge>,
    between: bool,
    /// Where the label stands that was taken by the number before it.
    taken: Option<usize>,
}

impl Labels {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// A comma ends what was said of time.
    pub(super) fn comma(&mut self) {
        self.when = None;
        self.hedge = None;
    }

    /// Hears the word that begins at character `from`.
    pub(super) fn word(&mut self, meaning: Meaning, from: usize) {
        if self.taken == Some(from) && matches!(meaning, Meaning::Label(_)) {
            return;
        }
        let hedge = match meaning {
            Meaning::About => Some(Hedge::About),
            Meaning::Below => Some(Hedge::Below),
            Meaning::Above => Some(Hedge::Above),
            Meaning::Fill | Meaning::Label(_) | Meaning::Lies => self.hedge,
            _ => None,
        };
        self.hedge = hedge;
        match meaning {
            Meaning::Label(Label::Slice | Label::Total | Label::Reference | Label::Series) => {}
            Meaning::Label(label) => {
                self.waiting.push(label);
                self.last = None;
            }
            Meaning::Prior => self.when = Some((When::Prior, 0)),
            Meaning::Now => self.when = Some((When::Now, 0)),
            Meaning::ChangedBy | Meaning::Trend(_) => self.when = Some((When::Change, 0)),
            Meaning::Between => self.between = true,
            Meaning::To => {
                // "increased to 10.2 mm"
                if let Some((When::Change, _)) = self.when {
                    self.when = Some((When::Now, 0));
                }
            }
            Meaning::Lesion(..) => self.last = None,
            _ => {
                if let Some((_, distance)) = &mut self.when {
                    *distance += 1;
                }
            }
        }
    }

    /// The label for a number in `unit`: the first that waits and fits, else the last one's in a list.
    fn take(&mut self, unit: Unit) -> (Option<Label>, bool) {
        let same = unit.quantity();
        if let Some(at) = self.waiting.iter().position(|label| measures(*label, unit)) {
            let label = self.waiting.remove(at);
            self.last = Some((label, unit));
            return (Some(label), false);
        }
        match self.last {
            Some((label, last)) if same_kind(last, unit) => (Some(label), true),
            // "体积 310 mm": the word stands, and the unit is wrong.
            _ => match self.waiting.pop() {
                Some(label) if self::change(label) && matches!(same, Quantity::Percent | Quantity::Time) => {
                    (None, false)
                }
                Some(label) => {
                    self.waiting.clear();
                    (Some(label), false)
                }
                None => (None, false),
            },
        }
    }
}

/// Whether numbers with `label` are written in `unit`.
pub(super) fn measures(label: Label, unit: Unit) -> bool {
    match label {
        Label::Size
        | Label::Axes
        | Label::Long
        | Label::Short
        | Label::Longest
        | Label::Longest3d
        | Label::MeanDiameter
        | Label::SolidPart
        | Label::Gap
        | Label::Pixel
        | Label::Unmeasured => matches!(unit, Unit::Millimetre | Unit::Centimetre),
        Label::Volume => matches!(unit, Unit::CubicMillimetre | Unit::Millilitre),
        Label::OrganVolume => matches!(unit, Unit::CubicMillimetre | Unit::Millilitre),
        Label::Attenuation
        | Label::AttenuationSd
        | Label::AttenuationRange
        | Label::AttenuationMin
        | Label::AttenuationMax => unit == Unit::Hounsfield,
        Label::Score => false,
        Label::DoublingTime => matches!(unit, Unit::Day | Unit::Week | Unit::Month | Unit::Year),
        Label::Uncertainty => unit == Unit::Percent,
        Label::Slice | Label::Total | Label::Series | Label::Reference => false,
    }
}

/// Whether a change of it is given in percent or over days: "volume +56 % in 92 days".
fn change(label: Label) -> bool {
    use Label::{Axes, Long, Longest, MeanDiameter, Short, Size, Uncertainty, Volume};
    matches!(label, Axes | Long | Longest | MeanDiameter | Short | Size | Uncertainty | Volume)
}

fn same_kind(one: Unit, other: Unit) -> bool {
    one.quantity() == other.quantity()
}

fn word(tokens: &[Token], at: usize) -> Option<Meaning> {
    match tokens.get(at)?.kind {
        Kind::Word(meaning) => Some(meaning),
        _ => None,
    }
}

/// The unit of the number at `at` itself, or of the product or range that it begins.
pub(super) fn own_unit(tokens: &[Token], at: usize) -> Option<Unit> {
    let listed = |at: usize| match tokens.get(at).map(|token| token.kind) {
        Some(Kind::Stop(c)) => c != '-',
        Some(Kind::Word(meaning)) => !matches!(meaning, Meaning::By | Meaning::To | Meaning::Unit(_)),
        _ => true,
    };
    if listed(at + 1) { None } else { unit(tokens, at) }
}

/// The unit of the number at `at`: its own, or the one at the end of the list, range or product that it begins.
pub(super) fn unit(tokens: &[Token], at: usize) -> Option<Unit> {
    let mut i = at + 1;
    loop {
        if let Some(Meaning::Unit(unit)) = word(tokens, i) {
            return Some(unit);
        }
        let joins = match tokens.get(i)?.kind {
            Kind::Word(Meaning::By | Meaning::To | Meaning::And | Meaning::Now) => true,
            Kind::Stop(c) => matches!(c, ',' | '、' | '-'),
            _ => false,
        };
        if !joins {
            return None;
        }
        i += 1;
        if matches!(word(tokens, i), Some(Meaning::And | Meaning::About | Meaning::To)) {
            i += 1;
        }
        number(tokens, i)?;
        i += 1;
    }
}

/// The figure that begins with the number at `at`, and where the words go on after it.
///
/// # Errors
///
/// The label of a measurement without a unit, or `None` for a number of which nothing says what it is.
pub(super) fn figure(
    tokens: &[Token],
    at: usize,
    labels: &mut Labels,
) -> Result<(Figure, usize), Option<Label>> {
    let mut parts: Vec<(Number, Option<Unit>)> = Vec::new();
    let mut shape = Shape::One;
    let mut i = at;
    let mut now = false;
    // "long and short axis 12.3 mm and 9.8 mm"
    let axes = labels.waiting.first() == Some(&Label::Axes);
    while let Some(number) = number(tokens, i) {
        i += 1;
        let unit = match word(tokens, i) {
            Some(Meaning::Unit(unit)) => {
                i += 1;
                Some(unit)
            }
            _ => None,
        };
        parts.push((number, unit));
        let joint = match tokens.get(i).map(|token| token.kind) {
            Some(Kind::Word(Meaning::By)) if shape != Shape::Range => Shape::By,
            Some(Kind::Word(Meaning::To) | Kind::Stop('-')) if shape == Shape::One && parts.len() == 1 => {
                Shape::Range
            }
            Some(Kind::Word(Meaning::And)) if labels.between && parts.len() == 1 => Shape::Range,
            Some(Kind::Word(Meaning::And) | Kind::Stop('、' | ',')) if axes && parts.len() == 1 => Shape::By,
            _ => break,
        };
        let mut next = i + 1;
        while matches!(word(tokens, next), Some(Meaning::About | Meaning::Now | Meaning::Label(Label::Slice)))
        {
            now |= word(tokens, next) == Some(Meaning::Now);
            next += 1;
        }
        if self::number(tokens, next).is_none() {
            break;
        }
        (shape, i) = (joint, next);
    }
    labels.between = false;
    let shared = unit(tokens, at).or_else(|| parts.iter().rev().find_map(|(_, unit)| *unit));
    let score = labels.waiting.iter().position(|label| *label == Label::Score);
    let last_score = matches!(labels.last, Some((Label::Score, _)));
    let Some(shared) = shared else {
        if score.is_some() || last_score {
            if let Some(score) = score {
                labels.waiting.remove(score);
            }
            labels.last = Some((Label::Score, Unit::Other));
            let numbers = parts.iter().map(|(number, _)| (*number, Unit::Other)).collect();
            return Ok((
                labels.finish(shape, numbers, Some(Label::Score), tokens, at, i, score.is_none()),
                i,
            ));
        }
        // "a score of": the word may follow, "0.93 (score)".
        if let Some((Label::Score, from)) = following(tokens, i) {
            labels.taken = Some(from);
            let numbers = parts.iter().map(|(number, _)| (*number, Unit::Other)).collect();
            return Ok((labels.finish(shape, numbers, Some(Label::Score), tokens, at, i, false), i));
        }
        return Err(labels.waiting.pop());
    };
    let mut known = shared;
    let mut numbers: Vec<(Number, Unit)> = Vec::new();
    for (number, unit) in parts.iter().rev() {
        known = unit.unwrap_or(known);
        numbers.push((*number, known));
    }
    numbers.reverse();
    if let (Unit::Percent, Some(score)) = (shared, score) {
        labels.waiting.remove(score);
        return Ok((labels.finish(shape, numbers, Some(Label::Score), tokens, at, i, false), i));
    }
    let waits = labels.waiting.iter().any(|label| measures(*label, shared));
    let follows = following(tokens, i).filter(|(label, _)| measures(*label, shared));
    let (label, listed) = match follows {
        Some((label, from)) if !waits => {
            labels.taken = Some(from);
            labels.last = Some((label, shared));
            (Some(label), false)
        }
        _ => labels.take(shared),
    };
    let mut figure = labels.finish(shape, numbers, label, tokens, at, i, listed);
    if now && shape == Shape::Range {
        figure.when = When::Change;
    }
    Ok((figure, i))
}

impl Labels {
    #[expect(clippy::too_many_arguments, reason = "the parts of one figure, put together in one place")]
    fn finish(
        &mut self,
        shape: Shape,
        numbers: Vec<(Number, Unit)>,
        label: Option<Label>,
        tokens: &[Token],
        at: usize,
        end: usize,
        listed: bool,
    ) -> Figure {
        let when = match self.when {
            Some((When::Prior, distance)) if distance > 1 => When::Open,
            Some((When::Change, distance)) if distance > 1 => When::Open,
            Some((when, _)) => when,
            None => When::Open,
        };
        // "由 10.2 mm 增至 12.3 mm"
        let then = matches!(word(tokens, end), Some(Meaning::Trend(_)))
            && matches!(word(tokens, end + 1), Some(Meaning::Now | Meaning::To))
            && number(tokens, end + 2).is_some();
        let when = if then { When::Prior } else { when };
        let after = match word(tokens, end) {
            Some(Meaning::About) => Hedge::About,
            Some(Meaning::Below) => Hedge::Below,
            Some(Meaning::Above) => Hedge::Above,
            _ => Hedge::None,
        };
        // "8 mm, less than 9 mm": the hedge is the next number's.
        let after = if number(tokens, end + 1).is_some() { Hedge::None } else { after };
        let hedge = self.hedge.take().unwrap_or(after);
        self.when = self.when.filter(|(when, _)| *when == When::Change).map(|_| (When::Open, 0));
        let own =
            number(tokens, end + 1).is_none() && !matches!(word(tokens, end + 1), Some(Meaning::Label(_)));
        let or_prior = word(tokens, end) == Some(Meaning::Prior) && own;
        Figure {
            shape,
            numbers,
            label,
            when,
            hedge,
            listed,
            or_prior,
            span: (tokens[at].from, tokens[end - 1].to),
        }
    }
}

/// The label after a figure that is not the next figure's: "8.4 mm in diameter", "8.4 mm (long axis)".
fn following(tokens: &[Token], from: usize) -> Option<(Label, usize)> {
    let skipped = |kind: Kind| matches!(kind, Kind::Word(Meaning::Fill | Meaning::Of) | Kind::Stop('('));
    let at = (from..tokens.len().min(from + 4)).find(|&at| !skipped(tokens[at].kind))?;
    let Some(Meaning::Label(label)) = word(tokens, at) else { return None };
    let taken = |kind: Kind| {
        matches!(
            kind,
            Kind::Word(
                Meaning::Fill
                    | Meaning::Of
                    | Meaning::About
                    | Meaning::Lies
                    | Meaning::Below
                    | Meaning::Above
            ) | Kind::Stop(':')
        )
    };
    let next = (at + 1..tokens.len()).find(|&at| !taken(tokens[at].kind));
    match next {
        Some(next) if number(tokens, next).is_some() => None,
        _ => Some((label, tokens[at].from)),
    }
}
