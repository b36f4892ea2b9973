//! What a sentence claims: its words and numbers put together into statements about lesions.
//!
//! A [`Frame`] is what is said of one lesion or one group of them; a sentence may hold several. A frame ends
//! where something begins that it already has: another finding's number, another side, another count.

use super::figure::{self, Figure};
use super::lexicon::{Extreme, Fate, Head, Label, Meaning, Place, Sides, Unit};
use super::tokens::{Kind, Number, Token};
use crate::evidence::Lobe;
use crate::finding::Density;

/// The characters that a claim is made of.
pub(super) type Span = (usize, usize);

/// A property that words give to a lesion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Trait {
    Side(Sides),
    SideUnknown,
    Organ(Place),
    Lobe(Lobe),
    Head(Head),
    Density(&'static [Density]),
    SmallerThan(f64),
    Fate(Fate),
}

/// What is said of one lesion or one group.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    pub(super) span: Span,
    pub(super) refs: Vec<usize>,
    pub(super) traits: Vec<(Trait, Span)>,
    pub(super) count: Option<(usize, Span)>,
    pub(super) figures: Vec<Figure>,
    pub(super) slices: Vec<(Number, Span)>,
    pub(super) extreme: Option<(Extreme, Span)>,
    /// The side was said before "largest", so that it is the largest of that side.
    pub(super) extreme_of_side: bool,
    pub(super) plural: bool,
    pub(super) many: Option<Span>,
    pub(super) single: Option<Span>,
    pub(super) rest: bool,
    pub(super) each: bool,
    pub(super) respectively: bool,
    /// A part of the group before it: "(2 right, 1 left)".
    pub(super) part: bool,
    pub(super) denied: bool,
    pub(super) seen: bool,
    pub(super) not_assessed: bool,
    /// Its own words name a lesion, rather than words before.
    pub(super) own_head: bool,
}

/// A number that is about no lesion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Aside {
    /// So many slices in all.
    Slices(Number),
    Series,
    Age(Number),
    /// A category of a guideline.
    Category,
    /// A number of which nobody can say what it counts.
    Bare(Number),
    /// A length or volume without a unit.
    NoUnit(Label),
}

/// What a sentence claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) frames: Vec<Frame>,
    pub(super) asides: Vec<(Aside, Span)>,
}

#[derive(Debug, Clone)]
pub(super) enum Item {
    Trait(Trait),
    Plural,
    Refs(Vec<usize>),
    Count(usize),
    Figure(Figure),
    Slice(Number),
    Extreme(Extreme),
    Many,
    Single,
    Rest,
    Each,
    Respectively,
    Not,
    Seen,
    Lies,
    NotAssessed,
    Prior,
    Now,
    And,
    /// Another clause; an opening or closing bracket.
    Break(char),
    Aside(Aside),
}

/// What `tokens` claim together.
pub(super) fn claims(tokens: &[Token], chars: &[char]) -> Claims {
    let items = items(tokens, chars);
    let mut claims = Claims::default();
    for (item, span) in &items {
        if let Item::Aside(aside) = item {
            claims.asides.push((*aside, *span));
        }
    }
    claims.frames = frames(&items);
    claims
}

fn word(tokens: &[Token], at: usize) -> Option<Meaning> {
    match tokens.get(at)?.kind {
        Kind::Word(meaning) => Some(meaning),
        _ => None,
    }
}

fn stop(tokens: &[Token], at: usize) -> Option<char> {
    match tokens.get(at)?.kind {
        Kind::Stop(c) => Some(c),
        _ => None,
    }
}

pub(super) fn number(tokens: &[Token], at: usize) -> Option<Number> {
    match tokens.get(at)?.kind {
        Kind::Number(number) => Some(number),
        _ => None,
    }
}

/// The whole number without a sign at `at`, if it is one that counts something.
fn whole(tokens: &[Token], at: usize) -> Option<usize> {
    let number = number(tokens, at)?;
    let whole = number.decimals == 0 && !number.signed && (0.0..10_000.0).contains(&number.value);
    whole.then_some(number.value as usize)
}

fn items(tokens: &[Token], chars: &[char]) -> Vec<(Item, Span)> {
    let mut items: Vec<(Item, Span)> = Vec::new();
    let mut labels = figure::Labels::default();
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at];
        let span = (token.from, token.to);
        let mut push = |item| items.push((item, span));
        match token.kind {
            Kind::Unknown => {}
            Kind::Stop(c) => match c {
                ',' => {
                    labels.comma();
                    push(Item::Break(','));
                }
                ':' => push(Item::Break(',')),
                ';' | '。' | '.' | '!' | '?' => {
                    labels.clear();
                    push(Item::Break(';'));
                }
                '(' | ')' => push(Item::Break(c)),
                '、' => push(Item::And),
                _ => {}
            },
            Kind::Word(meaning) => {
                if let Some(extreme) = than_others(tokens, at, meaning) {
                    items.push((Item::Extreme(extreme), span));
                    at += 1;
                    continue;
                }
                if let Some(item) = plain(meaning) {
                    push(item);
                }
                if let Meaning::Lesion(head, plural) = meaning {
                    push(Item::Trait(Trait::Head(head)));
                    if plural {
                        push(Item::Plural);
                    }
                }
                labels.word(meaning, token.from);
            }
            Kind::Number(_) => {
                let (item, next) = numbered(tokens, at, chars, &mut labels, &items);
                let end = tokens[next - 1].to;
                items.extend(item.into_iter().map(|item| (item, (token.from, end))));
                at = next;
                continue;
            }
        }
        at += 1;
    }
    items
}

/// "Larger than all others" is the largest.
fn than_others(tokens: &[Token], at: usize, meaning: Meaning) -> Option<Extreme> {
    let extreme = match meaning {
        Meaning::Above | Meaning::Trend(Fate::Grown) => Extreme::Largest,
        Meaning::Below | Meaning::Trend(Fate::Shrunk) => Extreme::Smallest,
        _ => return None,
    };
    let mut rest = tokens[at + 1..].iter().map(|token| token.kind);
    let next = rest.find(|kind| !matches!(kind, Kind::Word(Meaning::Fill | Meaning::Of)))?;
    matches!(next, Kind::Word(Meaning::Rest | Meaning::Each)).then_some(extreme)
}

/// The item that a word is by itself.
fn plain(meaning: Meaning) -> Option<Item> {
    Some(match meaning {
        Meaning::Side(sides) => Item::Trait(Trait::Side(sides)),
        Meaning::SideUnknown => Item::Trait(Trait::SideUnknown),
        Meaning::Organ(place) => Item::Trait(Trait::Organ(place)),
        Meaning::Lobe(lobe) => Item::Trait(Trait::Lobe(lobe)),
        Meaning::Density(densities) => Item::Trait(Trait::Density(densities)),
        Meaning::SmallerThan(mm) => Item::Trait(Trait::SmallerThan(mm)),
        Meaning::Trend(fate) => Item::Trait(Trait::Fate(fate)),
        Meaning::Extreme(extreme) => Item::Extreme(extreme),
        Meaning::Many => Item::Many,
        Meaning::Single => Item::Single,
        Meaning::Rest => Item::Rest,
        Meaning::Each => Item::Each,
        Meaning::Respectively => Item::Respectively,
        Meaning::Not => Item::Not,
        Meaning::Seen => Item::Seen,
        Meaning::Lies => Item::Lies,
        Meaning::NotAssessed => Item::NotAssessed,
        Meaning::Prior => Item::Prior,
        Meaning::Now => Item::Now,
        Meaning::And => Item::And,
        Meaning::But => Item::Break(','),
        _ => return None,
    })
}

/// What the number at `at` is, and where the words go on after it.
fn numbered(
    tokens: &[Token],
    at: usize,
    chars: &[char],
    labels: &mut figure::Labels,
    before: &[(Item, Span)],
) -> (Vec<Item>, usize) {
    let this = number(tokens, at).expect("the caller found a number here");
    let previous = at.checked_sub(1).and_then(|at| word(tokens, at));
    // Past words that say nothing and a colon: "slice number: 12", "评分为 0.93".
    let leading = (0..at).rev().take(4).map(|at| &tokens[at].kind).find(|kind| {
        !matches!(kind, Kind::Stop(':' | '(') | Kind::Word(Meaning::Fill | Meaning::Lies | Meaning::About))
    });
    let leading = leading.and_then(|kind| if let Kind::Word(meaning) = kind { Some(*meaning) } else { None });
    let next = word(tokens, at + 1);
    let followed_by = |c: char| chars.get(tokens[at].to) == Some(&c);

    match leading {
        Some(Meaning::Category) => return (vec![Item::Aside(Aside::Category)], at + 1),
        Some(Meaning::Age) => return (vec![Item::Aside(Aside::Age(this))], at + 1),
        // "序列 40 层" counts slices.
        Some(Meaning::Label(Label::Series))
            if figure::own_unit(tokens, at).is_none()
                && whole(tokens, at).is_some()
                && !matches!(next, Some(Meaning::Unit(Unit::Slice) | Meaning::Label(Label::Slice))) =>
        {
            return (vec![Item::Aside(Aside::Series)], at + 1);
        }
        _ => {}
    }
    if next == Some(Meaning::Age) {
        return (vec![Item::Aside(Aside::Age(this))], at + 2);
    }
    if next == Some(Meaning::Classifier) {
        // "第 2 个" is an ordinal, and which is second nobody knows.
        if previous == Some(Meaning::Label(Label::Slice)) {
            return (vec![Item::Rest], at + 2);
        }
        return (whole(tokens, at).map(Item::Count).into_iter().collect(), at + 2);
    }
    let unit = figure::unit(tokens, at);
    let own = figure::own_unit(tokens, at);
    if whole(tokens, at).is_some() && own.is_none_or(|unit| unit == Unit::Slice) {
        if leading == Some(Meaning::Label(Label::Slice)) {
            return slice(tokens, at);
        }
        let counts_slices = matches!(next, Some(Meaning::Unit(Unit::Slice) | Meaning::Label(Label::Slice)));
        if counts_slices {
            let lies = previous == Some(Meaning::Lies);
            let item = if lies { Item::Slice(this) } else { Item::Aside(Aside::Slices(this)) };
            return (vec![item], at + 2);
        }
    }
    let by = matches!(next, Some(Meaning::By)) && number(tokens, at + 2).is_some();
    if own.is_none() && !by && whole(tokens, at).is_some() {
        let named = matches!(previous, Some(Meaning::Lesion(..) | Meaning::Label(Label::Reference)));
        let numbered = matches!(leading, Some(Meaning::Label(Label::Reference)));
        if named || numbered || followed_by('号') {
            return references(tokens, at);
        }
    }
    if unit.is_none()
        && !by
        && let Some(count) = count(tokens, at, leading, before)
    {
        return (vec![Item::Count(count)], at + 1);
    }
    match figure::figure(tokens, at, labels) {
        Ok((figure, next)) => (vec![Item::Figure(figure)], next),
        Err(Some(label)) => (vec![Item::Aside(Aside::NoUnit(label))], at + 1),
        Err(None) => (vec![Item::Aside(Aside::Bare(this))], at + 1),
    }
}

/// "12", "12 of 40", "12/40", "12-15", "12 (of 40)" after the word slice.
fn slice(tokens: &[Token], at: usize) -> (Vec<Item>, usize) {
    let this = number(tokens, at).expect("the caller found a number here");
    let mut items = vec![Item::Slice(this)];
    let mut end = at + 1;
    loop {
        let joined = matches!(word(tokens, end), Some(Meaning::To | Meaning::And))
            || matches!(stop(tokens, end), Some('-' | '、'));
        let of = word(tokens, end) == Some(Meaning::Of);
        // "第 12 至第 15 层"
        let skip = usize::from(word(tokens, end + 1) == Some(Meaning::Label(Label::Slice)));
        match number(tokens, end + 1 + skip) {
            Some(number)
                if joined && figure::own_unit(tokens, end + 1 + skip).is_none_or(|u| u == Unit::Slice) =>
            {
                items.push(Item::Slice(number));
            }
            Some(number) if of => items.push(Item::Aside(Aside::Slices(number))),
            _ => break,
        }
        end += 2 + skip;
    }
    let unit = matches!(word(tokens, end), Some(Meaning::Unit(Unit::Slice)));
    (items, end + usize::from(unit))
}

/// "1", "1, 2 and 3", "1-3" after a word for a finding.
fn references(tokens: &[Token], at: usize) -> (Vec<Item>, usize) {
    let mut refs: Vec<usize> = whole(tokens, at).into_iter().collect();
    let mut end = at + 1;
    loop {
        let list =
            matches!(word(tokens, end), Some(Meaning::And)) || matches!(stop(tokens, end), Some('、' | ','));
        let range = matches!(word(tokens, end), Some(Meaning::To)) || stop(tokens, end) == Some('-');
        // "病灶 1、病灶 2", "findings 1, 2, and 3"
        let mut next = end + 1;
        if list && word(tokens, next) == Some(Meaning::And) {
            next += 1;
        }
        let Some(number) = whole(tokens, next) else { break };
        let measured = figure::own_unit(tokens, next).is_some()
            || matches!(
                word(tokens, next + 1),
                Some(Meaning::By | Meaning::Classifier | Meaning::Lesion(..))
            );
        if measured || !(list || range) {
            break;
        }
        match refs.last() {
            Some(&first) if range && number > first && number - first < 1000 => {
                refs.extend(first + 1..=number)
            }
            _ => refs.push(number),
        }
        end = next + 1;
    }
    (vec![Item::Refs(refs)], end)
}

/// The number at `at`, if it counts lesions.
fn count(tokens: &[Token], at: usize, leading: Option<Meaning>, before: &[(Item, Span)]) -> Option<usize> {
    let count = whole(tokens, at)?;
    let mut next = at + 1;
    while let Some(Meaning::Fill | Meaning::Of | Meaning::Rest | Meaning::Each | Meaning::Extreme(_)) =
        word(tokens, next)
    {
        next += 1;
    }
    let counted = matches!(
        word(tokens, next),
        Some(
            Meaning::Lesion(..)
                | Meaning::Density(_)
                | Meaning::Side(_)
                | Meaning::SideUnknown
                | Meaning::SmallerThan(_)
                | Meaning::Organ(_)
                | Meaning::Lobe(_)
                | Meaning::Trend(_)
                | Meaning::Lies
                | Meaning::Seen
                | Meaning::Feature
                | Meaning::Malignancy
                | Meaning::Disease
                | Meaning::Segment
                | Meaning::Single
        )
    );
    let ends = tokens.get(next).is_none_or(|token| matches!(token.kind, Kind::Stop(_)));
    let total = leading == Some(Meaning::Label(Label::Total)) || matches!(leading, Some(Meaning::Each));
    let after = before.last().map(|(item, _)| item);
    let of_before =
        ends && matches!(
            after,
            Some(Item::Trait(_) | Item::Plural | Item::Seen | Item::Break(',') | Item::Count(_))
        ) && before.iter().any(|(item, _)| matches!(item, Item::Trait(Trait::Head(_))));
    (counted || total || of_before).then_some(count)
}

/// What one clause holds that may begin a frame.
#[derive(Default)]
struct Summary {
    refs: bool,
    count: bool,
    extreme: bool,
    rest: bool,
    figure: bool,
    denied: bool,
    head: bool,
    side: Option<Sides>,
    organ: Option<Place>,
    density: bool,
    fate: bool,
    /// A denial after what has become of it.
    late_not: bool,
    seen: bool,
    prior: bool,
    now: bool,
}

fn summary(items: &[(Item, Span)]) -> Summary {
    let mut summary = Summary::default();
    for (item, _) in items {
        match item {
            Item::Refs(_) => summary.refs = true,
            Item::Count(0) => (summary.count, summary.denied) = (true, true),
            Item::Count(_) => summary.count = true,
            Item::Extreme(_) => summary.extreme = true,
            Item::Rest => summary.rest = true,
            Item::Figure(_) | Item::Slice(_) => summary.figure = true,
            // "A new nodule that was not seen before" denies nothing.
            Item::Not if summary.fate => summary.late_not = true,
            Item::Not => summary.denied = true,
            Item::Trait(Trait::Head(_)) => summary.head = true,
            Item::Trait(Trait::Side(sides)) => summary.side = Some(*sides),
            Item::Trait(Trait::Organ(organ)) => summary.organ = Some(*organ),
            Item::Trait(Trait::Density(_)) => summary.density = true,
            Item::Trait(Trait::Fate(_)) => summary.fate = true,
            Item::Prior => summary.prior = true,
            Item::Seen => summary.seen = true,
            Item::Now => summary.now = true,
            _ => {}
        }
    }
    summary
}

/// The clauses: what they hold, and how they are set off from what came before.
fn clauses(items: &[(Item, Span)]) -> Vec<(char, &[(Item, Span)])> {
    let mut clauses = Vec::new();
    let (mut from, mut mark) = (0, ',');
    for (at, (item, _)) in items.iter().enumerate() {
        let next = match item {
            Item::Break(c) => *c,
            Item::And => {
                let rest = &items[at + 1..];
                let end = rest.iter().position(|(item, _)| matches!(item, Item::Break(_) | Item::And));
                let (before, after) =
                    (summary(&items[from..at]), summary(&rest[..end.unwrap_or(rest.len())]));
                let said = before.count || before.figure || before.denied || before.refs;
                let more = after.count
                    || after.denied
                    || after.extreme
                    || after.rest
                    || after.side.is_some() && !before.denied
                    || after.organ.is_some() && after.head
                    || after.refs && before.figure;
                if !(said && more || after.denied && !before.denied) {
                    continue;
                }
                // "No nodules or focal lesions" denies both.
                let positive = after.count || after.figure || after.refs || after.seen || after.extreme;
                if before.denied && !after.denied && !positive { 'n' } else { ',' }
            }
            _ => continue,
        };
        clauses.push((mark, &items[from..at]));
        (from, mark) = (at + 1, next);
    }
    clauses.push((mark, &items[from..]));
    clauses
}

fn frames(items: &[(Item, Span)]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    let mut current: Option<usize> = None;
    let mut brackets: Vec<Option<usize>> = Vec::new();
    let mut compared = false;
    for (mark, clause) in clauses(items) {
        match mark {
            '(' => brackets.push(current),
            ')' => current = brackets.pop().unwrap_or(current),
            _ => {}
        }
        if clause.is_empty() {
            continue;
        }
        let mut summary = summary(clause);
        summary.denied |= mark == 'n' || summary.late_not && !summary.prior;
        compared |= summary.prior;
        // "The prior showed none", "本次未见": no denial, but what has become of the lesion.
        if let Some(at) =
            current.filter(|_| summary.denied && !summary.fate && !summary.refs && summary.side.is_none())
        {
            let fate = match (summary.prior, summary.now && compared) {
                (true, _) => Some(Fate::New),
                (false, true) => Some(Fate::Resolved),
                (false, false) => None,
            };
            if let Some(fate) = fate {
                let span = (clause[0].1.0, clause[clause.len() - 1].1.1);
                frames[at].take(&Item::Trait(Trait::Fate(fate)), span);
                continue;
            }
        }
        if let Some(group) = range_of_group(&frames, current, clause, &summary) {
            clause.iter().for_each(|(item, span)| frames[group].take(item, *span));
            continue;
        }
        let begins = current.is_none_or(|at| begins(&frames[at], mark, &summary));
        if begins {
            let frame = begin(&frames, current, mark, &summary, !brackets.is_empty());
            current = Some(frames.len());
            frames.push(frame);
        }
        let at = current.expect("a frame was begun");
        clause.iter().for_each(|(item, span)| frames[at].take(item, *span));
        if summary.late_not && summary.prior {
            let span = (clause[0].1.0, clause[clause.len() - 1].1.1);
            frames[at].take(&Item::Trait(Trait::Fate(Fate::New)), span);
        }
        if summary.denied {
            frames[at].denied = true;
        }
    }
    frames
}

/// The group that a range after its parts belongs to: "3 nodules, 2 right, 1 left, 5.1 to 12.3 mm".
fn range_of_group(
    frames: &[Frame],
    current: Option<usize>,
    clause: &[(Item, Span)],
    summary: &Summary,
) -> Option<usize> {
    let anchored = summary.refs || summary.count || summary.extreme || summary.rest || summary.head;
    let placed = summary.side.is_some() || summary.organ.is_some() || summary.density || summary.fate;
    let range = |item: &Item| matches!(item, Item::Figure(figure) if figure.shape == figure::Shape::Range);
    let only_range = !anchored && !placed && clause.iter().any(|(item, _)| range(item));
    let part = current.is_some_and(|at| frames[at].part);
    frames.iter().position(|frame| frame.count.is_some() && !frame.part).filter(|_| only_range && part)
}

/// Whether a clause begins another frame than `frame`, the one before it.
fn begins(frame: &Frame, mark: char, clause: &Summary) -> bool {
    let measured = !frame.figures.is_empty() || !frame.slices.is_empty();
    let told = measured || frame.count.is_some() || !frame.refs.is_empty() || frame.many.is_some();
    let anchored = clause.side.is_some() || clause.organ.is_some() || clause.head || clause.density;
    let side = frame.side();
    frame.denied != clause.denied
        && (clause.denied || told || anchored || clause.refs || clause.figure || clause.count)
        || frame.denied && clause.denied && anchored
        || frame.not_assessed && (anchored || clause.refs)
        || clause.refs && (!frame.refs.is_empty() || frame.is_group() || measured && mark != '(')
        || clause.count && told
        || clause.extreme && (told || frame.own_head || frame.extreme.is_some())
        || clause.rest && told
        || told && clause.side.is_some() && side.is_some() && clause.side != side
        || told && clause.organ.is_some() && frame.organ().is_some() && clause.organ != frame.organ()
        || measured && mark == ';' && (anchored || clause.refs)
        || measured && clause.figure && clause.head
        || frame.is_group() && told && clause.figure && anchored && mark != '('
}

fn begin(frames: &[Frame], current: Option<usize>, mark: char, clause: &Summary, inside: bool) -> Frame {
    let Some(root) = current.map(|at| &frames[at]) else { return Frame::default() };
    let mut frame = Frame { part: clause.count && (root.count.is_some() || root.part), ..Frame::default() };
    // The other parts in one bracket follow the first one, not each other.
    let root =
        frames.iter().rev().find(|other| frame.part && other.count.is_some() && !other.part).unwrap_or(root);
    for (known, span) in &root.traits {
        let inherited = match known {
            Trait::Head(_) => !clause.head,
            Trait::Organ(_) => clause.organ.is_none(),
            Trait::Side(_) => (frame.part && inside && mark != ';') && clause.side.is_none(),
            Trait::Density(_) => {
                (frame.part && inside && mark != ';') && !clause.density && clause.side.is_some()
            }
            _ => false,
        };
        if inherited {
            frame.traits.push((*known, *span));
        }
    }
    frame
}

impl Frame {
    fn take(&mut self, item: &Item, span: Span) {
        self.span =
            if self.span == (0, 0) { span } else { (self.span.0.min(span.0), self.span.1.max(span.1)) };
        match item {
            Item::Trait(known) => {
                if matches!(known, Trait::Head(_)) {
                    // "肺结节 (病灶 1)": the more telling word stays beside the general one.
                    self.own_head = true;
                }
                self.traits.push((*known, span));
            }
            Item::Plural => self.plural = true,
            Item::Refs(refs) => self.refs.extend(refs),
            Item::Count(count) => self.count = Some((*count, span)),
            Item::Figure(figure) => self.figures.push(figure.clone()),
            Item::Slice(slice) => self.slices.push((*slice, span)),
            Item::Extreme(extreme) => {
                self.extreme_of_side = self.side().is_some();
                self.extreme = Some((*extreme, span));
            }
            Item::Many => self.many = Some(span),
            Item::Single => self.single = Some(span),
            Item::Rest => self.rest = true,
            Item::Each => self.each = true,
            Item::Respectively => self.respectively = true,
            Item::Seen => self.seen = true,
            Item::NotAssessed => self.not_assessed = true,
            Item::Not
            | Item::Lies
            | Item::And
            | Item::Prior
            | Item::Now
            | Item::Break(_)
            | Item::Aside(_) => {}
        }
    }

    /// The one side that it names.
    pub(super) fn side(&self) -> Option<Sides> {
        self.traits.iter().rev().find_map(|(known, _)| match known {
            Trait::Side(sides) => Some(*sides),
            _ => None,
        })
    }

    /// The last organ that it names.
    pub(super) fn organ(&self) -> Option<Place> {
        self.traits.iter().rev().find_map(|(known, _)| match known {
            Trait::Organ(place) => Some(*place),
            _ => None,
        })
    }

    /// Whether it names a lesion, in its own words or those before.
    pub(super) fn has_head(&self) -> bool {
        self.traits.iter().any(|(known, _)| matches!(known, Trait::Head(_)))
    }

    /// What has become of it, as it says.
    pub(super) fn fates(&self) -> impl Iterator<Item = (Fate, Span)> {
        self.traits.iter().filter_map(|(known, span)| match known {
            Trait::Fate(fate) => Some((*fate, *span)),
            _ => None,
        })
    }

    /// Whether it speaks of several lesions.
    pub(super) fn is_group(&self) -> bool {
        let sides: Vec<Sides> = self
            .traits
            .iter()
            .filter_map(|(known, _)| match known {
                Trait::Side(sides) => Some(*sides),
                _ => None,
            })
            .collect();
        let two_sides =
            sides.contains(&Sides::Both) || sides.contains(&Sides::Left) && sides.contains(&Sides::Right);
        self.count.is_some_and(|(count, _)| count > 1)
            || self.refs.len() > 1
            || self.many.is_some()
            || self.plural && self.extreme.is_none()
            || self.each && self.extreme.is_none()
            || self.respectively
            || two_sides
    }
}
