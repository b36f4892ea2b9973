//! Claims about several lesions at once, and about none: counts, ranges, "all", "no nodule", "not assessed".

use super::amount::figure_wrong;
use super::claims::{Frame, Trait};
use super::figure::{Figure, Hedge, Shape};
use super::hold::{self, Ground, Held, Wrong};
use super::lexicon::{Extreme, Fate, Label, Place, Sides};
use super::measure::{self, Quantity};
use super::{Class, Mode};
use crate::evidence::Lesion;
use crate::finding::{Kind, Side};

/// Holds what is said of a group against the lesions that it may mean.
pub(super) fn group(frame: &Frame, frames: &[Frame], ground: &Ground<'_>, held: &mut Held) {
    for &number in &frame.refs {
        if !ground.lesions.iter().any(|lesion| lesion.number == number) {
            let known = ground.evidence.lesions.iter().any(|lesion| lesion.number == number);
            let class = if known { Class::Evidence } else { Class::Invented };
            held.wrong.push(Wrong::new(class, frame.span, "the sentence does not rest on this finding"));
        }
    }
    let named: Vec<&Lesion> = match frame.refs.is_empty() {
        true => ground.lesions.clone(),
        false => {
            ground.lesions.iter().copied().filter(|lesion| frame.refs.contains(&lesion.number)).collect()
        }
    };
    let all: Vec<&Lesion> = ground.evidence.lesions.iter().collect();
    let here = select(frame, &named, ground, None);
    let everywhere = select(frame, &all, ground, None);

    if let Some((count, span)) = frame.count.or(frame.many.map(|span| (0, span))) {
        let each_side =
            frame.each && sides(frame).is_some_and(|(left, right)| left && right) && frame.count.is_some();
        let right = if frame.many.is_some() && frame.count.is_none() {
            here.len() > 1
        } else if each_side {
            [Side::Left, Side::Right]
                .iter()
                .all(|side| here.iter().filter(|l| l.side == Some(*side)).count() == count)
        } else {
            let part = !frame.has_head() && frame.organ().is_none()
                || frame.rest
                || !frame.refs.is_empty()
                || frames.iter().any(|other| other.rest)
                || !ground.named;
            let each = individually(frame, frames) == count;
            count == everywhere.len() || count == here.len() && (part || each || frame.part)
        };
        if !right {
            held.wrong.push(miscounted(frame, count, span, &named, &here, &everywhere, ground));
            return;
        }
    } else if here.is_empty() {
        held.wrong.extend(misfit(frame, &named, ground));
        return;
    } else if !frame.refs.is_empty() && here.len() < named.len() {
        held.wrong.extend(misfit(frame, &named, ground));
    } else if frame.each && frame.count.is_none() && ground.named && here.len() < of_kind(frame, &named).len()
    {
        held.wrong.extend(misfit(frame, &of_kind(frame, &named), ground));
    }
    both_sides(frame, &here, ground, held);
    for (fate, span) in frame.fates() {
        let faults = here.iter().find_map(|lesion| hold::fate_wrong(fate, lesion, ground));
        held.wrong.extend(faults.map(|(class, told)| Wrong::new(class, span, told)));
    }
    held.covered.extend(here.iter().map(|lesion| lesion.number));
    let rivals = if here.len() == 1 { &everywhere } else { &here };
    figures(frame, &here, (&of_kind(frame, &ground.lesions), rivals), ground, held);
    slices(frame, &here, held);
}

/// The lesions of `among` that have the properties of `frame`, all but `except`.
fn select<'a>(
    frame: &Frame,
    among: &[&'a Lesion],
    ground: &Ground<'_>,
    except: Option<Class>,
) -> Vec<&'a Lesion> {
    let sides = sides(frame);
    among
        .iter()
        .copied()
        .filter(|lesion| {
            frame.traits.iter().all(|(known, _)| match known {
                _ if Some(known.class()) == except => true,
                Trait::Side(_) => match sides {
                    Some((true, true)) => true,
                    _ => hold::fits(known, lesion, ground.mode),
                },
                Trait::Fate(fate) => hold::fate_wrong(*fate, lesion, ground).is_none(),
                _ => hold::fits(known, lesion, ground.mode),
            })
        })
        .filter(|lesion| frame.figures.iter().all(|figure| bound(figure, lesion) != Some(false)))
        .collect()
}

/// Whether `lesion` is within a figure that is a limit: "2 nodules of more than 6 mm".
fn bound(figure: &Figure, lesion: &Lesion) -> Option<bool> {
    let (number, unit) = *figure.numbers.first().filter(|_| figure.shape == Shape::One)?;
    let above = match figure.hedge {
        Hedge::Above => true,
        Hedge::Below => false,
        Hedge::None | Hedge::About => return None,
    };
    let size = match unit {
        super::lexicon::Unit::Centimetre => 10.0,
        super::lexicon::Unit::Millimetre => 1.0,
        _ => return None,
    };
    let (long, limit) = (lesion.long_axis_mm?, number.value * size);
    Some(if above { long >= limit } else { long <= limit })
}

/// Whether the words name left and right, in one word or two.
fn sides(frame: &Frame) -> Option<(bool, bool)> {
    let mut found = None;
    for (known, _) in &frame.traits {
        if let Trait::Side(sides) = known {
            let (left, right) = found.unwrap_or((false, false));
            found = Some(match sides {
                Sides::Both => (true, true),
                Sides::Left => (true, right),
                Sides::Right => (left, true),
            });
        }
    }
    found
}

/// "Both lungs" is wrong where all of them lie on one side.
fn both_sides(frame: &Frame, here: &[&Lesion], ground: &Ground<'_>, held: &mut Held) {
    let Some((true, true)) = sides(frame) else { return };
    // "右肺 2 枚、左肺 1 枚" are two groups; "both" as a number needs no sides.
    let span = frame.traits.iter().find(|(known, _)| matches!(known, Trait::Side(_))).map(|(_, span)| *span);
    let on = |side| here.iter().any(|lesion| lesion.side == Some(side));
    let unknown = here.iter().any(|lesion| lesion.side.is_none()) && ground.mode == Mode::Open;
    let organ = frame.organ().is_some();
    let liver = frame.traits.iter().any(|(known, _)| matches!(known, Trait::Organ(Place::Liver)));
    let spread = on(Side::Left) && on(Side::Right);
    if organ && !unknown && !liver && !spread {
        held.wrong.push(Wrong::new(Class::Side, span.unwrap_or(frame.span), "they do not lie on both sides"));
    }
}

/// The lesions of `among` that the frame's words for a lesion and its organ fit.
fn of_kind<'a>(frame: &Frame, among: &[&'a Lesion]) -> Vec<&'a Lesion> {
    let fits = |lesion: &&&'a Lesion| {
        frame.traits.iter().all(|(known, _)| match known {
            Trait::Head(_) | Trait::Organ(_) => hold::fits(known, lesion, Mode::Open),
            _ => true,
        })
    };
    among.iter().filter(fits).copied().collect()
}

/// How many lesions the sentence describes one by one.
fn individually(frame: &Frame, frames: &[Frame]) -> usize {
    let listed = frame.figures.iter().filter(|figure| figure.shape != Shape::Range).count();
    let others =
        frames.iter().filter(|other| !other.is_group() && !other.denied && !other.figures.is_empty()).count();
    listed.max(others)
}

/// Why a count is wrong: because of one property, if the count is right without it.
fn miscounted(
    frame: &Frame,
    count: usize,
    span: super::claims::Span,
    named: &[&Lesion],
    here: &[&Lesion],
    everywhere: &[&Lesion],
    ground: &Ground<'_>,
) -> Wrong {
    if named.is_empty() || of_kind(frame, named).is_empty() && here.is_empty() {
        return hold::nothing_there(frame, ground);
    }
    if here.is_empty() {
        for (known, span) in &frame.traits {
            let class = known.class();
            if select(frame, named, ground, Some(class)).len() == count {
                let class = match known {
                    Trait::Fate(fate) => named
                        .iter()
                        .find_map(|lesion| hold::fate_wrong(*fate, lesion, ground))
                        .map_or(class, |(class, _)| class),
                    _ => class,
                };
                return Wrong::new(class, *span, "the findings that the sentence names are not so");
            }
        }
    }
    let alone = ground.named && named.len() == 1 && everywhere.len() > 1;
    let class = if alone { Class::Merged } else { Class::Count };
    Wrong::new(class, span, format!("{} of these are among the findings", everywhere.len()))
}

/// The properties that keep every lesion of a group from having what is said of it.
fn misfit(frame: &Frame, named: &[&Lesion], ground: &Ground<'_>) -> Vec<Wrong> {
    if of_kind(frame, named).is_empty() && !frame.has_head() || named.is_empty() {
        return vec![hold::nothing_there(frame, ground)];
    }
    let kept = select(frame, named, ground, None).len();
    let mut wrong: Vec<Wrong> = Vec::new();
    for (known, span) in &frame.traits {
        if select(frame, named, ground, Some(known.class())).len() > kept {
            let class = match known {
                Trait::Fate(fate) => named
                    .iter()
                    .find_map(|lesion| hold::fate_wrong(*fate, lesion, ground))
                    .map_or(Class::Trend, |(class, _)| class),
                _ => known.class(),
            };
            wrong.push(Wrong::new(class, *span, "not all findings that the sentence names are so"));
        }
    }
    if wrong.is_empty() {
        wrong.push(Wrong::new(Class::Merged, frame.span, "no group of the findings is like this"));
    }
    wrong
}

/// Holds the figures of a group: a range over all, a list with one for each, the largest, or the same for all.
///
/// `around` is all that the sentence names of this kind, and those among which one is the largest.
fn figures(
    frame: &Frame,
    here: &[&Lesion],
    around: (&[&Lesion], &[&Lesion]),
    ground: &Ground<'_>,
    held: &mut Held,
) {
    let (kind, rivals) = around;
    let single: Vec<&Figure> = frame.figures.iter().filter(|figure| figure.shape != Shape::Range).collect();
    for figure in &frame.figures {
        if hold::of_examination(figure, frame, ground)
            || here.iter().any(|lesion| bound(figure, lesion).is_some())
        {
            continue;
        }
        if ground.mode == Mode::Closed && figure.numbers.iter().any(|(number, _)| number.spelled) {
            held.wrong.push(Wrong::new(
                Class::SpelledNumber,
                figure.span,
                "measurements are written in digits",
            ));
            continue;
        }
        if figure.shape == Shape::Range {
            if !range(figure, here, ground) && !range(figure, kind, ground) {
                let same = here.len() == 1 || same_measure(figure, here, ground);
                if !same {
                    held.wrong.push(Wrong::new(Class::Range, figure.span, ends(figure, here)));
                }
            }
            continue;
        }
        let alike = single.iter().filter(|other| kind_of(other) == kind_of(figure)).count();
        let fits = |lesion: &Lesion| figure_wrong(figure, frame, lesion, ground).is_empty();
        if alike == here.len() && alike > 1 {
            continue;
        }
        let largest = frame.extreme.map_or(Extreme::Largest, |(extreme, _)| extreme);
        let extreme = frame.extreme.is_some() || figure.label == Some(Label::Longest);
        let right = match extreme {
            true => here.iter().any(|lesion| hold::is_extreme(largest, lesion, rivals) && fits(lesion)),
            false => here.iter().all(|lesion| fits(lesion)),
        };
        if !right {
            let some = here.iter().any(|lesion| fits(lesion));
            let class = match (some, extreme, here.first()) {
                (true, false, _) => Class::Merged,
                (true, true, _) => Class::Superlative,
                (false, _, Some(lesion)) => {
                    let wrong = figure_wrong(figure, frame, lesion, ground);
                    wrong.first().map_or(Class::Number, |wrong| wrong.class)
                }
                (false, _, None) => Class::Number,
            };
            held.wrong.push(Wrong::new(class, figure.span, told(here)));
        }
    }
    lists(frame, &single, here, ground, held);
}

/// One figure for each lesion, in the order of their numbers or sides where the words give one.
fn lists(frame: &Frame, single: &[&Figure], here: &[&Lesion], ground: &Ground<'_>, held: &mut Held) {
    let mut done: Vec<(Option<Label>, Quantity, bool)> = Vec::new();
    for figure in single {
        let kind = kind_of(figure);
        let list: Vec<&Figure> = single.iter().copied().filter(|other| kind_of(other) == kind).collect();
        if done.contains(&kind) || list.len() != here.len() || list.len() < 2 {
            continue;
        }
        done.push(kind);
        let fits = |figure: &Figure, lesion: &Lesion| figure_wrong(figure, frame, lesion, ground);
        let mut order: Vec<&Lesion> = here.to_vec();
        if frame.refs.len() == here.len() {
            order.sort_by_key(|lesion| frame.refs.iter().position(|number| *number == lesion.number));
            for (figure, lesion) in list.iter().zip(&order) {
                let wrong = fits(figure, lesion);
                held.wrong.extend(wrong);
            }
        } else {
            let sides: Vec<Sides> = frame
                .traits
                .iter()
                .filter_map(|(known, _)| match known {
                    Trait::Side(sides) => Some(*sides),
                    _ => None,
                })
                .collect();
            let mut left: Vec<&Lesion> = order;
            for (at, figure) in list.iter().enumerate() {
                let side = |lesion: &Lesion| {
                    sides.len() != list.len() || hold::fits(&Trait::Side(sides[at]), lesion, ground.mode)
                };
                match left.iter().position(|lesion| side(lesion) && fits(figure, lesion).is_empty()) {
                    Some(found) => {
                        left.remove(found);
                    }
                    None => {
                        let best = left.iter().map(|lesion| fits(figure, lesion)).min_by_key(Vec::len);
                        let class = match best {
                            Some(wrong) if !wrong.is_empty() => wrong[0].class,
                            _ => Class::Merged,
                        };
                        held.wrong.push(Wrong::new(class, figure.span, told(here)));
                        break;
                    }
                }
            }
        }
        if list.iter().any(|figure| figure.numbers[0].1.quantity() == Quantity::Length) {
            held.described.extend(here.iter().map(|lesion| lesion.number));
        }
    }
}

fn kind_of(figure: &Figure) -> (Option<Label>, Quantity, bool) {
    let label = figure.label.filter(|label| !matches!(label, Label::Size | Label::Axes));
    (label, figure.numbers[0].1.quantity(), figure.shape == Shape::By)
}

fn told(lesions: &[&Lesion]) -> String {
    lesions.iter().map(|lesion| measure::told(lesion)).collect::<Vec<_>>().join("; ")
}

fn ends(figure: &Figure, here: &[&Lesion]) -> String {
    let label =
        figure.label.map(|label| format!("{label:?}").to_lowercase()).unwrap_or_else(|| "long axis".into());
    format!("the ends are not the smallest and largest {label}: {}", told(here))
}

/// Whether the ends of a range are the smallest and the largest of `lesions`.
fn range(figure: &Figure, lesions: &[&Lesion], ground: &Ground<'_>) -> bool {
    let (low, high) = (figure.numbers[0], figure.numbers[1]);
    let quantity = if figure.label == Some(Label::Score) { Quantity::Score } else { low.1.quantity() };
    let values: Vec<_> = lesions
        .iter()
        .filter_map(|lesion| measure::now(lesion, figure.label, quantity).into_iter().next())
        .collect();
    let Some(least) = values.iter().min_by(|a, b| a.value.total_cmp(&b.value)) else { return false };
    let Some(most) = values.iter().max_by(|a, b| a.value.total_cmp(&b.value)) else { return false };
    least.is(low.0, low.1, ground.mode) && most.is(high.0, high.1, ground.mode)
}

/// Whether a range is that of one lesion and holds for each: the attenuation's, or then and now.
fn same_measure(figure: &Figure, lesions: &[&Lesion], ground: &Ground<'_>) -> bool {
    let frame = Frame::default();
    !lesions.is_empty()
        && lesions.iter().all(|lesion| figure_wrong(figure, &frame, lesion, ground).is_empty())
}

/// Slices of a group: one for each, or the first and the last.
fn slices(frame: &Frame, here: &[&Lesion], held: &mut Held) {
    let Some(&(_, span)) = frame.slices.first() else { return };
    let mut said: Vec<f64> = frame.slices.iter().map(|(number, _)| number.value).collect();
    let mut known: Vec<f64> =
        here.iter().filter_map(|lesion| lesion.slice).map(|slice| slice as f64).collect();
    if frame.refs.len() == here.len() && said.len() == here.len() {
        let mut order: Vec<&Lesion> = here.to_vec();
        order.sort_by_key(|lesion| frame.refs.iter().position(|number| *number == lesion.number));
        known = order.iter().filter_map(|lesion| lesion.slice).map(|slice| slice as f64).collect();
        if said == known {
            return;
        }
    }
    said.sort_by(f64::total_cmp);
    known.sort_by(f64::total_cmp);
    let ends = [known.first().copied(), known.last().copied()];
    let range = said.len() == 2 && ends == [Some(said[0]), Some(said[1])];
    if frame.refs.len() != here.len() && said == known || range {
        return;
    }
    known.dedup();
    if said == known {
        return;
    }
    held.wrong.push(Wrong::new(Class::Slice, span, told(here)));
}

/// Holds "no nodule" against what was found and what was looked for.
pub(super) fn denied(frame: &Frame, ground: &Ground<'_>, held: &mut Held) {
    let fate = frame.fates().next();
    if let Some((_, span)) = fate
        && ground.evidence.compared.is_none()
    {
        held.wrong.push(Wrong::new(Class::NoPrior, span, "nothing was compared"));
        return;
    }
    for number in &frame.refs {
        let expected = format!("finding {number} was found");
        held.wrong.push(Wrong::new(Class::DeniedFinding, frame.span, expected));
    }
    let placed = frame.traits.iter().any(|(known, _)| !matches!(known, Trait::Fate(_)));
    if !frame.refs.is_empty()
        || !placed
        || !frame.has_head() && !frame.seen && fate.is_none() && frame.organ().is_none()
    {
        held.covered.extend(frame.refs.iter().copied());
        return;
    }
    let pool: Vec<&Lesion> = match (frame.rest, ground.named) {
        (false, _) => ground.evidence.lesions.iter().collect(),
        // "No other nodule": other than those the sentence names, or than those of the whole report.
        (true, true) => {
            let named = |lesion: &&Lesion| !ground.lesions.iter().any(|other| other.number == lesion.number);
            ground.evidence.lesions.iter().filter(named).collect()
        }
        (true, false) => Vec::new(),
    };
    let mode = ground.mode;
    let there = pool.iter().filter(|lesion| {
        frame.traits.iter().all(|(known, _)| match known {
            Trait::Side(Sides::Both) => true,
            Trait::Fate(fate) => hold::fate_wrong(*fate, lesion, ground).is_none(),
            // Where the evidence does not tell, a denial is not known to be true.
            _ => hold::fits(known, lesion, Mode::Open),
        }) && frame.figures.iter().all(|figure| bound(figure, lesion) != Some(false))
    });
    let there: Vec<String> = there.map(|lesion| lesion.number.to_string()).collect();
    if !there.is_empty() {
        let expected = format!("finding {} is there", there.join(", "));
        held.wrong.push(Wrong::new(Class::DeniedFinding, frame.span, expected));
        return;
    }
    let organ = frame.organ().or_else(|| {
        frame.traits.iter().find_map(|(known, _)| match known {
            Trait::Head(super::lexicon::Head::Nodule) => Some(Place::Lung),
            Trait::Head(super::lexicon::Head::Focal) => Some(Place::Liver),
            _ => None,
        })
    });
    let known =
        ground.evidence.lesions.iter().any(|lesion| organ.is_none_or(|organ| lesion.place() == Some(organ)));
    let looked = ground.evidence.examined.iter().any(|examined| {
        let here = organ.is_none_or(|organ| organ == Place::from(examined.organ));
        let kind = hold::head_fits(frame, examined.kind) || mode == Mode::Open;
        examined.organ_found && here && kind
    });
    if mode == Mode::Closed && !looked && !(known && frame.rest) {
        held.wrong.push(Wrong::new(Class::NotAssessed, frame.span, "nobody looked for it there"));
    }
    // Nothing in the examined list speaks against what a person saw.
    let missing = ground.evidence.examined.iter().find(|examined| organ == Some(Place::from(examined.organ)));
    if mode == Mode::Open && missing.is_some_and(|examined| !examined.organ_found) && !known {
        held.wrong.push(Wrong::new(Class::NotAssessed, frame.span, "this organ was not found in the images"));
    }
}

/// Holds "not assessed" against what was examined.
pub(super) fn not_assessed(frame: &Frame, ground: &Ground<'_>, held: &mut Held) {
    let organ = frame.organ().or_else(|| {
        frame.traits.iter().find_map(|(known, _)| match known {
            Trait::Head(super::lexicon::Head::Nodule) => Some(Place::Lung),
            Trait::Head(super::lexicon::Head::Focal) => Some(Place::Liver),
            _ => None,
        })
    });
    if frame.rest {
        return;
    }
    let examined = ground.evidence.examined.iter().any(|examined| {
        let kind = hold::head_fits(frame, examined.kind) || examined.kind == Kind::LiverLesion;
        examined.organ_found && kind && organ.is_none_or(|organ| organ == Place::from(examined.organ))
    });
    let found = ground.evidence.lesions.iter().any(|lesion| organ.is_some() && lesion.place() == organ);
    let resolved = frame.fates().any(|(fate, _)| fate == Fate::Resolved);
    if (examined || found) && !resolved && (organ.is_some() || frame.has_head()) {
        held.wrong.push(Wrong::new(Class::NotAssessed, frame.span, "it was assessed"));
    }
}
