//! Claims held against the findings.
//!
//! What is said of one lesion is held against the lesion it fits best of those that the sentence names; groups
//! are in `group.rs`.

use super::amount::figure_wrong;
use super::claims::{Claims, Frame, Span, Trait};
use super::figure::{Figure, Shape, When};
use super::lexicon::{Extreme, Fate, Head, Label, Place, Sides, Unit};
use super::measure::{self, Quantity, Value};
use super::{Class, Mode};
use crate::evidence::{Evidence, Lesion, What};
use crate::finding::{Kind, Organ, Side};
use crate::track::{Resolved, Trend};

/// Something wrong in a sentence: its characters, and what holds instead.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wrong {
    pub(super) class: Class,
    pub(super) span: Span,
    pub(super) expected: String,
}

impl Wrong {
    pub(super) fn new(class: Class, span: Span, expected: impl Into<String>) -> Self {
        Self { class, span, expected: expected.into() }
    }
}

/// What a sentence is held against.
pub(super) struct Ground<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) mode: Mode,
    /// The findings that the sentence names, or all where it names none.
    pub(super) lesions: Vec<&'a Lesion>,
    /// Whether it names any.
    pub(super) named: bool,
    /// Lesions of the prior that are gone, as lesions.
    pub(super) gone: &'a [Lesion],
}

/// What came of a sentence.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) wrong: Vec<Wrong>,
    /// Numbers of the findings that it says something of, one by one.
    pub(super) described: Vec<usize>,
    /// Numbers of the findings that it calls the largest or smallest.
    extremes: Vec<usize>,
    /// Numbers of the findings of which it gives the long axis, or long by short, in this examination.
    pub(super) sized: Vec<usize>,
    /// Numbers of the findings that it covers, one by one or in a group.
    pub(super) covered: Vec<usize>,
}

/// Holds what a sentence claims of lesions against `ground`.
pub(super) fn hold(claims: &Claims, ground: &Ground<'_>) -> Held {
    let mut held = Held::default();
    let mut content = false;
    let grouped = claims.frames.iter().filter(|frame| !frame.denied && frame.is_group()).count();
    for frame in &claims.frames {
        if frame.organ() == Some(Place::Elsewhere) {
            if ground.mode == Mode::Closed && frame.has_head() && !frame.denied {
                let expected = "no finding lies there";
                held.wrong.push(Wrong::new(Class::Organ, frame.span, expected));
            }
            continue;
        }
        if frame.not_assessed {
            super::group::not_assessed(frame, ground, &mut held);
        } else if frame.denied {
            super::group::denied(frame, ground, &mut held);
        } else if frame.fates().any(|(fate, _)| fate == Fate::Resolved) {
            content = true;
            resolved(frame, ground, &mut held);
        } else if let Some((count, span)) = of_prior(frame) {
            // "2 lesions of the prior examination could not be compared."
            let known = ground.evidence.compared.as_ref().map(|compared| compared.not_compared);
            if known != Some(count) {
                let class = if known.is_some() { Class::Count } else { Class::NoPrior };
                held.wrong.push(Wrong::new(
                    class,
                    span,
                    format!("{} could not be compared", known.unwrap_or(0)),
                ));
            }
        } else if !says_something(frame) {
            // A heading, or words about the examination.
        } else if frame.is_group() {
            content = true;
            super::group::group(frame, &claims.frames, ground, &mut held);
        } else {
            content = true;
            single(frame, grouped > 0, ground, &mut held);
        }
    }
    let all =
        |lesion: &&Lesion| held.described.contains(&lesion.number) || held.extremes.contains(&lesion.number);
    if ground.lesions.iter().copied().all(|lesion| all(&lesion)) {
        held.described.append(&mut held.extremes);
    }
    let left: Vec<usize> = ground
        .lesions
        .iter()
        .map(|lesion| lesion.number)
        .filter(|number| !held.covered.contains(number))
        .collect();
    let counted = claims.frames.iter().any(|frame| frame.count.is_some() || frame.is_group());
    if ground.named && content && held.wrong.is_empty() && !left.is_empty() && !counted {
        let span = claims.frames.first().map(|frame| frame.span).unwrap_or_default();
        let numbers: Vec<String> = left.iter().map(ToString::to_string).collect();
        let expected =
            format!("the sentence names finding {} too, but nothing in it is said of it", numbers.join(", "));
        held.wrong.push(Wrong::new(Class::Merged, span, expected));
    }
    held
}

/// So many lesions of the prior that nothing is said of.
fn of_prior(frame: &Frame) -> Option<(usize, Span)> {
    let not_compared = frame.fates().any(|(fate, _)| fate == Fate::NotCompared);
    frame.count.filter(|_| not_compared && frame.refs.is_empty())
}

fn says_something(frame: &Frame) -> bool {
    let told = !frame.refs.is_empty()
        || !frame.figures.is_empty()
        || !frame.slices.is_empty()
        || frame.count.is_some()
        || frame.extreme.is_some()
        || frame.many.is_some()
        || frame.single.is_some()
        || frame.fates().next().is_some();
    let placed = frame.traits.iter().any(|(known, _)| !matches!(known, Trait::Head(_) | Trait::Organ(_)));
    told || placed && frame.has_head()
        || frame.own_head && (frame.seen || frame.organ().is_some())
        || frame.traits.iter().any(|(known, _)| matches!(known, Trait::Lobe(_) | Trait::Density(_)))
}

/// Holds what is said of one lesion against the one it fits best.
fn single(frame: &Frame, grouped: bool, ground: &Ground<'_>, held: &mut Held) {
    let exam = |figure: &Figure| {
        let label = matches!(figure.label, Some(Label::Gap | Label::Pixel | Label::OrganVolume));
        label && of_examination(figure, frame, ground)
    };
    let mut rest = frame.clone();
    rest.figures.retain(|figure| !exam(figure));
    if rest.figures.len() < frame.figures.len() && !says_something(&rest) {
        return;
    }
    let frame = &rest;
    let only_exam = !frame.has_head() && frame.refs.is_empty() && frame.extreme.is_none();
    if only_exam && about_examination(frame, ground) {
        return;
    }
    let kind = |lesion: &&Lesion| {
        frame
            .traits
            .iter()
            .all(|(known, _)| !matches!(known, Trait::Head(_)) || fits(known, lesion, Mode::Open))
    };
    let judged = ground.lesions.iter().map(|lesion| {
        let wrong = against(frame, lesion, grouped, ground);
        let used = held.described.contains(&lesion.number) || held.extremes.contains(&lesion.number);
        (wrong.len(), used, lesion, wrong)
    });
    let Some((_, _, lesion, wrong)) = judged.min_by_key(|(faults, used, _, _)| (*faults, *used)) else {
        held.wrong.push(nothing_there(frame, ground));
        return;
    };
    if !ground.named && !wrong.is_empty() && !ground.lesions.iter().any(kind) {
        held.wrong.push(nothing_there(frame, ground));
        return;
    }
    let measured = !frame.figures.is_empty() || !frame.slices.is_empty();
    if ground.mode == Mode::Closed && !ground.named && wrong.is_empty() && measured {
        let expected = format!("the sentence names no finding; this is finding {}", lesion.number);
        held.wrong.push(Wrong::new(Class::Evidence, frame.span, expected));
    }
    if !ground.named && wrong.len() > 2 {
        held.wrong.push(Wrong::new(Class::Invented, frame.span, "no finding is like this"));
    }
    // A sentence that tells something wrong of a finding is replaced, and the finding is not lost with it.
    if (wrong.is_empty() || ground.named) && (measured || ground.lesions.len() == 1) {
        // "3 nodules, the largest 12.3 mm" describes none by itself.
        let list = if frame.extreme.is_some() { &mut held.extremes } else { &mut held.described };
        if !list.contains(&lesion.number) {
            list.push(lesion.number);
        }
    }
    let compares = frame.fates().any(|(fate, _)| fate != Fate::New)
        || frame.figures.iter().any(|f| f.or_prior || f.when != When::Open);
    // "A further nodule, long axis 4.1 mm:" sums up what is then described.
    let sum = frame.rest && frame.count.is_some();
    if frame.figures.iter().any(sizes) && !compares && !sum {
        held.sized.push(lesion.number);
    }
    held.covered.push(lesion.number);
    held.wrong.extend(wrong);
}

/// Whether a figure is the size of a lesion in this examination.
fn sizes(figure: &Figure) -> bool {
    let label = matches!(figure.label, None | Some(Label::Size | Label::Axes | Label::Long | Label::Longest));
    let length = figure.numbers.first().is_some_and(|(_, unit)| unit.quantity() == Quantity::Length);
    label && length && figure.when == When::Open && figure.shape != Shape::Range
}

/// Whether numbers of a frame without a lesion are those of the examination: spacings, volumes of organs, days.
fn about_examination(frame: &Frame, ground: &Ground<'_>) -> bool {
    if frame.figures.is_empty() || !frame.slices.is_empty() || frame.count.is_some() {
        return false;
    }
    frame.figures.iter().all(|figure| of_examination(figure, frame, ground))
}

/// Whether `figure` is right as a number of the examination.
pub(super) fn of_examination(figure: &Figure, frame: &Frame, ground: &Ground<'_>) -> bool {
    let evidence = ground.evidence;
    let is = |at: usize, value: Option<Value>| {
        figure
            .numbers
            .get(at)
            .is_some_and(|(number, unit)| value.is_some_and(|v| v.is(*number, *unit, ground.mode)))
    };
    let spacing = |at: usize| evidence.spacing_mm.map(|spacing| Value::spacing(spacing[at]));
    match (figure.label, figure.shape) {
        (Some(Label::Gap), Shape::One) => is(0, spacing(2)),
        (Some(Label::Pixel), Shape::By) => {
            is(0, spacing(0)) && is(1, spacing(1)) && (figure.numbers.len() == 2 || is(2, spacing(2)))
        }
        (Some(Label::Pixel), Shape::One) => is(0, spacing(0)) && is(0, spacing(1)),
        (None | Some(Label::Volume | Label::OrganVolume), Shape::One)
            if frame.organ().is_some() || figure.label.is_some() =>
        {
            evidence.examined.iter().any(|examined| {
                let here = frame.organ().is_none_or(|place| place == Place::from(examined.organ));
                let organ_ml = examined.organ_volume_ml.map(|ml| Value::new(ml * 1000.0, Quantity::Volume));
                // Organs are given to 1 ml.
                let whole = figure.numbers[0].0.decimals == 0 && figure.numbers[0].1 == Unit::Millilitre;
                let mode = if whole { Mode::Open } else { Mode::Closed };
                let (number, unit) = figure.numbers[0];
                here && organ_ml.is_some_and(|value| value.is(number, unit, mode))
            })
        }
        (label, Shape::One) => {
            let quantity = figure.numbers[0].1.quantity();
            measure::days(evidence, label, quantity).iter().any(|days| is(0, Some(*days)))
        }
        _ => false,
    }
}

/// What is wrong with `frame` if it speaks of `lesion`.
pub(super) fn against(frame: &Frame, lesion: &Lesion, grouped: bool, ground: &Ground<'_>) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    for &number in &frame.refs {
        if number != lesion.number {
            let known = ground.evidence.lesions.iter().any(|other| other.number == number);
            let class = if known { Class::Evidence } else { Class::Invented };
            wrong.push(Wrong::new(class, frame.span, format!("this is finding {}", lesion.number)));
        }
    }
    for (known, span) in &frame.traits {
        if !fits(known, lesion, ground.mode) {
            wrong.push(Wrong::new(known.class(), *span, trait_told(known, lesion)));
        }
        if let Trait::Fate(fate) = known
            && !within_uncertainty(*fate, frame, lesion)
        {
            wrong.extend(
                fate_wrong(*fate, lesion, ground).map(|(class, told)| Wrong::new(class, *span, told)),
            );
        }
    }
    for figure in &frame.figures {
        wrong.extend(figure_wrong(figure, frame, lesion, ground));
    }
    for (slice, span) in &frame.slices {
        let right = lesion.slice.is_none_or(|known| slice.value == known as f64);
        if slice.spelled && ground.mode == Mode::Closed {
            wrong.push(Wrong::new(Class::SpelledNumber, *span, "slices are written in digits"));
        } else if !right || lesion.slice.is_none() && ground.mode == Mode::Closed {
            wrong.push(Wrong::new(Class::Slice, *span, measure::told(lesion)));
        }
    }
    if let Some((extreme, span)) = frame.extreme {
        let rivals = rivals(frame, lesion, grouped, ground);
        if !is_extreme(extreme, lesion, &rivals) {
            wrong.push(Wrong::new(Class::Superlative, span, superlative_told(extreme, &rivals)));
        }
    }
    if let Some(span) = frame.single {
        let alike = ground.evidence.lesions.iter().filter(|other| {
            let side = frame.side().is_none() || other.side == lesion.side;
            other.what == lesion.what && side
        });
        let count = alike.count();
        if count > 1 {
            wrong.push(Wrong::new(Class::Count, span, format!("there are {count} of them")));
        }
    }
    wrong
}

/// Those among which a lesion is called the largest: of its kind, of its side where the words say so.
fn rivals<'a>(frame: &Frame, lesion: &Lesion, grouped: bool, ground: &Ground<'a>) -> Vec<&'a Lesion> {
    let alike = |other: &&'a Lesion| {
        let side = !frame.extreme_of_side || other.side == lesion.side;
        other.what == lesion.what && side
    };
    let all: Vec<&Lesion> = ground.evidence.lesions.iter().filter(alike).collect();
    // "A further 3 nodules .. the largest": of those the sentence names.
    if grouped && frame.rest { ground.lesions.iter().copied().filter(alike).collect() } else { all }
}

pub(super) fn is_extreme(extreme: Extreme, lesion: &Lesion, rivals: &[&Lesion]) -> bool {
    let Some(own) = lesion.long_axis_mm else { return false };
    rivals.iter().filter_map(|rival| rival.long_axis_mm).all(|other| match extreme {
        // What reads the same is as large.
        Extreme::Largest => own > other - 0.05,
        Extreme::Smallest => own < other + 0.05,
    })
}

fn superlative_told(extreme: Extreme, rivals: &[&Lesion]) -> String {
    let order =
        |a: &&&Lesion, b: &&&Lesion| a.long_axis_mm.unwrap_or(0.0).total_cmp(&b.long_axis_mm.unwrap_or(0.0));
    let (found, word) = match extreme {
        Extreme::Largest => (rivals.iter().max_by(order), "largest"),
        Extreme::Smallest => (rivals.iter().min_by(order), "smallest"),
    };
    found.map(|lesion| format!("the {word} is finding {}", lesion.number)).unwrap_or_default()
}

/// Whether a lesion has a property. Where it is not known, people may say so and models may not.
pub(super) fn fits(known: &Trait, lesion: &Lesion, mode: Mode) -> bool {
    let open = mode == Mode::Open;
    match known {
        Trait::Side(Sides::Both) => open,
        Trait::Side(Sides::Left) => lesion.side.map_or(open, |side| side == Side::Left),
        Trait::Side(Sides::Right) => lesion.side.map_or(open, |side| side == Side::Right),
        Trait::SideUnknown => lesion.side.is_none(),
        Trait::Organ(place) => lesion.place().map_or(open, |known| known == *place),
        Trait::Lobe(lobe) => lesion.lobe.map_or(open, |known| known == *lobe),
        Trait::Head(head) => match head {
            Head::Any => true,
            Head::Nodule => matches!(lesion.what, What::LungNodule),
            Head::Mass => lesion.what == What::LungMass || open && lesion.what == What::Other,
            Head::Focal => matches!(lesion.what, What::LiverLesion | What::Other),
        },
        Trait::Density(densities) => lesion.density.map_or(open, |density| densities.contains(&density)),
        Trait::SmallerThan(mm) => lesion.long_axis_mm.map_or(open, |long| long <= *mm + 0.05),
        Trait::Fate(_) => true,
    }
}

impl Trait {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::Side(_) | Self::SideUnknown => Class::Side,
            Self::Organ(_) => Class::Organ,
            Self::Lobe(_) => Class::Lobe,
            Self::Head(_) | Self::SmallerThan(_) => Class::LesionKind,
            Self::Density(_) => Class::Density,
            Self::Fate(_) => Class::Trend,
        }
    }
}

impl Lesion {
    /// The organ, told by the kind of lesion where nothing else tells it.
    pub(super) fn place(&self) -> Option<Place> {
        match (self.organ, self.what) {
            (Some(organ), _) => Some(organ.into()),
            (None, What::LungNodule | What::LungMass) => Some(Place::Lung),
            (None, What::LiverLesion) => Some(Place::Liver),
            (None, What::Other) => None,
        }
    }
}

impl From<Organ> for Place {
    fn from(organ: Organ) -> Self {
        match organ {
            Organ::Lung => Self::Lung,
            Organ::Liver => Self::Liver,
        }
    }
}

fn trait_told(known: &Trait, lesion: &Lesion) -> String {
    let number = lesion.number;
    let told = match known {
        Trait::Side(_) | Trait::SideUnknown => lesion.side.map(|side| format!("on the {side} side")),
        Trait::Organ(_) => lesion.organ.map(|organ| format!("in the {organ:?}").to_lowercase()),
        Trait::Lobe(_) => lesion.lobe.map(|lobe| format!("in the {lobe:?} lobe").to_lowercase()),
        Trait::Head(_) => Some(
            match lesion.what {
                What::LungNodule => "a lung nodule",
                What::LungMass => "a lung mass",
                What::LiverLesion => "a focal liver lesion",
                What::Other => "a lesion",
            }
            .to_owned(),
        ),
        Trait::SmallerThan(_) => return measure::told(lesion),
        Trait::Density(_) => lesion.density.map(|density| {
            use crate::finding::Density::{GroundGlass, PartSolid, Solid};
            match density {
                Solid => "solid",
                PartSolid => "part-solid",
                GroundGlass => "ground glass",
            }
            .to_owned()
        }),
        Trait::Fate(_) => None,
    };
    match told {
        Some(told) => format!("finding {number} is {told}"),
        None => format!("this is not known of finding {number}"),
    }
}

/// What is wrong with saying that `lesion` has become so.
pub(super) fn fate_wrong(fate: Fate, lesion: &Lesion, ground: &Ground<'_>) -> Option<(Class, String)> {
    if fate == Fate::NotCompared {
        let told = || (Class::Trend, format!("finding {} was compared", lesion.number));
        return lesion.change.is_some().then(told);
    }
    let Some(change) = &lesion.change else {
        let compared = ground.evidence.compared.is_some();
        let class = if compared { Class::Trend } else { Class::NoPrior };
        return Some((
            class,
            format!("finding {} was not compared with an earlier examination", lesion.number),
        ));
    };
    let right = match fate {
        Fate::New => change.trend == Trend::New,
        Fate::Grown => change.trend == Trend::Grown,
        Fate::Shrunk => change.trend == Trend::Shrunk,
        Fate::Unchanged => change.trend == Trend::Unchanged,
        Fate::Known => change.trend != Trend::New,
        Fate::Resolved | Fate::NotCompared => false,
    };
    let told = match change.trend {
        Trend::New => "new",
        Trend::Grown => "larger than before",
        Trend::Shrunk => "smaller than before",
        Trend::Unchanged => "unchanged",
    };
    (!right).then(|| (Class::Trend, format!("finding {} is {told}", lesion.number)))
}

/// Whether a frame calls a lesion unchanged and then says by how little it has grown or shrunk.
fn within_uncertainty(fate: Fate, frame: &Frame, lesion: &Lesion) -> bool {
    let unchanged = frame.fates().any(|(fate, _)| fate == Fate::Unchanged);
    let change = lesion.change.as_ref().filter(|change| unchanged && change.trend == Trend::Unchanged);
    let share = change.and_then(|change| change.volume_change_percent);
    share.is_some_and(|share| fate == Fate::Grown && share > 0.0 || fate == Fate::Shrunk && share < 0.0)
}

/// That nothing like it was found, and whether anybody looked.
pub(super) fn nothing_there(frame: &Frame, ground: &Ground<'_>) -> Wrong {
    let looked = ground.evidence.examined.iter().any(|examined| {
        let place = frame.organ().is_none_or(|place| place == Place::from(examined.organ));
        examined.organ_found && place && head_fits(frame, examined.kind)
    });
    match looked {
        true => Wrong::new(Class::AssertedAbsent, frame.span, "it was looked for and not found"),
        false => Wrong::new(Class::Invented, frame.span, "no finding is like this"),
    }
}

/// Whether the words for a lesion may mean this kind.
pub(super) fn head_fits(frame: &Frame, kind: Kind) -> bool {
    frame.traits.iter().all(|(known, _)| match known {
        Trait::Head(Head::Nodule) => kind == Kind::LungNodule,
        Trait::Head(Head::Focal) => kind == Kind::LiverLesion,
        Trait::Head(Head::Mass) => false,
        _ => true,
    })
}

/// Holds what is said of a lesion that is gone against those of the prior.
fn resolved(frame: &Frame, ground: &Ground<'_>, held: &mut Held) {
    if ground.evidence.compared.is_none() {
        held.wrong.push(Wrong::new(Class::NoPrior, frame.span, "nothing was compared"));
        return;
    }
    let Frame { traits, count, .. } = frame;
    let count = *count;
    let mut frame = Frame { extreme: None, single: None, refs: Vec::new(), count: None, ..frame.clone() };
    frame.traits = traits.iter().copied().filter(|(known, _)| !matches!(known, Trait::Fate(_))).collect();
    for figure in &mut frame.figures {
        figure.when = When::Now;
    }
    let judged = ground.gone.iter().map(|lesion| against(&frame, lesion, false, ground));
    if let Some((count, span)) = count {
        let alike =
            ground.gone.iter().filter(|lesion| against(&frame, lesion, false, ground).is_empty()).count();
        if alike != count {
            held.wrong.push(Wrong::new(Class::Count, span, format!("{alike} are gone")));
        }
        held.covered.extend(ground.lesions.iter().map(|lesion| lesion.number));
        return;
    }
    match judged.min_by_key(Vec::len) {
        Some(wrong) => held.wrong.extend(wrong),
        None => held.wrong.push(Wrong::new(Class::Trend, frame.span, "no lesion of the prior is gone")),
    }
    // A group of those that are gone covers what the sentence names.
    held.covered.extend(ground.lesions.iter().map(|lesion| lesion.number));
}

/// A lesion of the prior as words may speak of it.
pub(super) fn gone(resolved: &Resolved) -> Lesion {
    Lesion {
        number: 0,
        what: match resolved.kind {
            Kind::LungNodule => What::LungNodule,
            Kind::LiverLesion => What::LiverLesion,
        },
        organ: Some(resolved.site.organ),
        side: resolved.site.side,
        lobe: None,
        density: None,
        solid_part_mm: None,
        long_axis_mm: Some(resolved.prior_long_axis_mm),
        short_axis_mm: resolved.prior_short_axis_mm,
        max_diameter_3d_mm: None,
        volume_mm3: None,
        mean_hu: None,
        sd_hu: None,
        range_hu: None,
        slice: None,
        confidence: None,
        critical: false,
        change: None,
    }
}
