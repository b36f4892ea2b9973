//! Numbers made wrong.

use engine::check::{Class, Place};

use crate::figures::{Figure, Joined, Unit, figures, is_true};
use crate::mutate::{Apply, Draft, Mutator};

const fn other(
    name: &'static str,
    class: Class,
    also: &'static [Class],
    apply: fn(&mut Draft<'_>) -> bool,
) -> Mutator {
    Mutator { name, class, also, held_out: false, apply: Apply::Other(apply) }
}

pub(crate) const ALL: &[Mutator] = &[
    other("another length", Class::Number, &[Class::Range, Class::Merged, Class::Axis], |d| {
        changed(d, Unit::Millimetre)
    }),
    other("another volume", Class::Number, &[], |d| changed(d, Unit::Cubic)),
    other("another volume in ml", Class::Number, &[], |d| changed(d, Unit::Millilitre)),
    other("another attenuation", Class::Number, &[], |d| changed(d, Unit::Hounsfield)),
    other("another percentage", Class::Change, &[Class::Number], |d| changed(d, Unit::Percent)),
    other("other days", Class::Change, &[Class::Number], |d| changed(d, Unit::Day)),
    other("another sign", Class::Number, &[], sign),
    other("point to the right", Class::Decimal, &[Class::Number, Class::Unit, Class::Change], |d| {
        shifted(d, 10.0)
    }),
    other("point to the left", Class::Decimal, &[Class::Number, Class::Unit, Class::Change], |d| {
        shifted(d, 0.1)
    }),
    other("last digit", Class::Rounding, &[Class::Number, Class::Range], last_digit),
    other("mm for cm and back", Class::Unit, &[Class::Number, Class::Decimal], length_unit),
    other("mm3 for ml and back", Class::Unit, &[Class::Number, Class::Decimal], volume_unit),
    other("a unit of something else", Class::Unit, &[Class::Number], foreign_unit),
    other("no unit", Class::Unit, &[Class::Number, Class::UnknownWords], no_unit),
    other("another end", Class::Range, &[Class::Number, Class::Merged], range_end),
    other("axes the other way round", Class::Axis, &[Class::Number], axes),
    other("a length made vague", Class::Hedge, &[Class::Rounding, Class::Number], vague),
    other("a length in words", Class::SpelledNumber, &[Class::Number, Class::Unit], spelled),
    other("another slice", Class::Slice, &[Class::Merged, Class::Number], slice),
    other("another number of slices", Class::Slice, &[Class::Number, Class::Count], slices),
    other(
        "another finding's size",
        Class::Merged,
        &[Class::Number, Class::Axis, Class::Range],
        anothers_size,
    ),
    other("sizes the other way round", Class::Merged, &[Class::Number, Class::Axis], sizes_swapped),
    other("another count", Class::Count, &[Class::Number], count),
];

/// Sentences with figures that are `fit`, and these figures. Warnings are quoted as they stand, and are none.
fn with(draft: &mut Draft<'_>, fit: impl Fn(&Figure) -> bool) -> Vec<(Place, Figure)> {
    let mut all = Vec::new();
    let warnings = draft.case.warnings.clone();
    for place in draft.places(|s| !warnings.iter().any(|warning| s.text.contains(warning))) {
        let text = draft.text(place);
        all.extend(figures(&text).into_iter().filter(|f| fit(f)).map(|figure| (place, figure)));
    }
    draft.random.shuffle(&mut all);
    all
}

/// `text` with other digits for `figure`.
fn digits(text: &str, figure: &Figure, new: &str) -> String {
    let [start, end] = figure.digits;
    format!("{}{new}{}", &text[..start], &text[end..])
}

fn changed(draft: &mut Draft<'_>, unit: Unit) -> bool {
    let evidence = draft.case.evidence();
    for (place, figure) in with(draft, |f| f.unit == unit && f.value != 0.0) {
        for _ in 0..12 {
            let factor = if draft.random.chance(50) {
                draft.random.real(1.25, 1.9)
            } else {
                draft.random.real(0.4, 0.8)
            };
            let size = (figure.value * factor).abs();
            let new = format!("{size:.*}", figure.decimals);
            let value = new.parse::<f64>().unwrap_or(size).copysign(figure.value);
            let text = draft.text(place);
            let wrong = digits(&text, &figure, &new);
            if wrong != text && !is_true(&evidence, value, figure.decimals, unit) {
                return draft.set(place, wrong);
            }
        }
    }
    false
}

fn sign(draft: &mut Draft<'_>) -> bool {
    let evidence = draft.case.evidence();
    for (place, figure) in with(draft, |f| f.unit == Unit::Hounsfield && f.value != 0.0) {
        if is_true(&evidence, -figure.value, figure.decimals, figure.unit) {
            continue;
        }
        let text = draft.text(place);
        let [start, _] = figure.digits;
        let wrong = if figure.value < 0.0 {
            format!("{}{}", &text[..start - 1], &text[start..])
        } else {
            format!("{}-{}", &text[..start], &text[start..])
        };
        return draft.set(place, wrong);
    }
    false
}

fn shifted(draft: &mut Draft<'_>, by: f64) -> bool {
    let evidence = draft.case.evidence();
    let kinds = [Unit::Millimetre, Unit::Centimetre, Unit::Cubic, Unit::Millilitre, Unit::Percent];
    for (place, figure) in with(draft, |f| kinds.contains(&f.unit) && f.value != 0.0) {
        let decimals = if by > 1.0 { figure.decimals.saturating_sub(1) } else { figure.decimals + 1 };
        let value = figure.value * by;
        if is_true(&evidence, value, decimals, figure.unit) {
            continue;
        }
        let text = draft.text(place);
        return draft.set(place, digits(&text, &figure, &format!("{value:.decimals$}")));
    }
    false
}

fn last_digit(draft: &mut Draft<'_>) -> bool {
    let evidence = draft.case.evidence();
    for (place, figure) in with(draft, |f| f.unit == Unit::Millimetre && f.decimals == 1) {
        let up = if draft.random.chance(50) { 0.1 } else { -0.1 };
        let value = figure.value + up;
        // Nearer to what is written than half of the last digit lies nothing else that is true.
        let near = crate::figures::truths(&evidence, figure.unit);
        if value <= 0.0 || near.iter().any(|truth| (truth - value).abs() < 0.055) {
            continue;
        }
        let text = draft.text(place);
        return draft.set(place, digits(&text, &figure, &format!("{value:.1}")));
    }
    false
}

fn unit_for(draft: &mut Draft<'_>, from: &[Unit], to: &[(&'static str, Unit)]) -> bool {
    let evidence = draft.case.evidence();
    for (place, figure) in with(draft, |f| from.contains(&f.unit)) {
        let (name, unit) = draft.random.pick(to);
        if is_true(&evidence, figure.value, figure.decimals, unit) {
            continue;
        }
        let text = draft.text(place);
        let [start, end] = figure.unit_at;
        return draft.set(place, format!("{}{name}{}", &text[..start], &text[end..]));
    }
    false
}

fn length_unit(draft: &mut Draft<'_>) -> bool {
    if draft.random.chance(30) && unit_for(draft, &[Unit::Centimetre], &[("mm", Unit::Millimetre)]) {
        return true;
    }
    unit_for(draft, &[Unit::Millimetre], &[("cm", Unit::Centimetre)])
}

fn volume_unit(draft: &mut Draft<'_>) -> bool {
    if draft.random.chance(50) && unit_for(draft, &[Unit::Millilitre], &[("mm³", Unit::Cubic)]) {
        return true;
    }
    unit_for(draft, &[Unit::Cubic], &[("ml", Unit::Millilitre), ("cm³", Unit::Millilitre)])
}

fn foreign_unit(draft: &mut Draft<'_>) -> bool {
    if draft.random.chance(50) {
        unit_for(draft, &[Unit::Millimetre, Unit::Cubic], &[("HU", Unit::Hounsfield), ("%", Unit::Percent)])
    } else {
        unit_for(
            draft,
            &[Unit::Hounsfield, Unit::Percent],
            &[("mm", Unit::Millimetre), ("ml", Unit::Millilitre)],
        )
    }
}

fn no_unit(draft: &mut Draft<'_>) -> bool {
    let lone = with(draft, |f| f.unit == Unit::Millimetre && f.joined != Joined::Product);
    // "分别为 19.7 和 18.1 mm": one unit for both is good Chinese.
    let lone = lone.into_iter().find(|(place, _)| !draft.text(*place).contains("分别"));
    let Some((place, figure)) = lone else { return false };
    let text = draft.text(place);
    let [start, end] = figure.unit_at;
    draft.set(place, format!("{}{}", text[..start].trim_end(), &text[end..]))
}

fn range_end(draft: &mut Draft<'_>) -> bool {
    let evidence = draft.case.evidence();
    for (place, figure) in with(draft, |f| f.joined == Joined::Range && f.unit == Unit::Millimetre) {
        let text = draft.text(place);
        let value = figure.value + draft.random.pick(&[-2.3, -1.7, 1.9, 2.7]);
        if value > 0.5 && !is_true(&evidence, value, figure.decimals, figure.unit) {
            return draft.set(place, digits(&text, &figure, &format!("{value:.*}", figure.decimals)));
        }
    }
    false
}

fn axes(draft: &mut Draft<'_>) -> bool {
    let (long, short) = if draft.is_chinese() { ("长径", "短径") } else { ("long axis", "short axis") };
    for place in draft.on_one() {
        let text = draft.text(place);
        let Some(finding) = draft.finding(place) else { continue };
        let (Some(first), Some(second)) = (text.find(long), text.find(short)) else { continue };
        let m = &finding.measurements;
        if text.contains("long × short") || text.contains("长短径") || m.long_axis_mm - m.short_axis_mm < 0.2
        {
            continue;
        }
        assert_ne!(first, second);
        let wrong = text.replace(long, "\u{0}").replace(short, long).replace('\u{0}', short);
        return draft.set(place, wrong);
    }
    false
}

fn vague(draft: &mut Draft<'_>) -> bool {
    let chinese = draft.is_chinese();
    for (place, figure) in
        with(draft, |f| f.unit == Unit::Millimetre && f.decimals == 1 && f.joined == Joined::Alone)
    {
        let text = draft.text(place);
        let (low, high) = (figure.value.floor() as i64, figure.value.ceil() as i64);
        let about_one = draft.sentence(place).evidence.len() == 1;
        if low == high || low < 2 || !about_one {
            continue;
        }
        let forms: [String; 8] = if chinese {
            [
                format!("超过 {low} mm"),
                format!("不足 {high} mm"),
                format!("近 {high} mm"),
                format!("{low} mm 左右"),
                format!("{low} mm 余"),
                format!("大于 {low} mm"),
                format!("不小于 {low} mm"),
                format!("{low} mm 以上"),
            ]
        } else {
            [
                format!("more than {low} mm"),
                format!("less than {high} mm"),
                format!("nearly {high} mm"),
                format!("{low} mm or so"),
                format!("over {low} mm"),
                format!("at least {low} mm"),
                format!("up to {high} mm"),
                format!("just under {high} mm"),
            ]
        };
        let form = draft.random.below(forms.len());
        let head = text[..figure.digits[0]].trim_end_matches('约').to_owned();
        return draft.set(place, format!("{head}{}{}", forms[form], &text[figure.unit_at[1]..]));
    }
    false
}

const ENGLISH: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const CHINESE: [&str; 10] = ["零", "一", "二", "三", "四", "五", "六", "七", "八", "九"];

fn spelled(draft: &mut Draft<'_>) -> bool {
    let chinese = draft.is_chinese();
    for (place, figure) in
        with(draft, |f| f.unit == Unit::Millimetre && f.joined == Joined::Alone && f.value < 20.0)
    {
        if figure.decimals != 1 || draft.sentence(place).evidence.is_empty() {
            continue;
        }
        let text = draft.text(place);
        let (whole, tenth) = (figure.value as usize, (figure.value * 10.0).round() as usize % 10);
        let exact = draft.random.chance(60);
        let words = if chinese {
            let ten = if whole >= 10 { "十" } else { "" };
            let one = if whole >= 10 && whole % 10 == 0 { "" } else { CHINESE[whole % 10] };
            let point = if exact { format!("点{}", CHINESE[tenth]) } else { String::new() };
            format!("{ten}{one}{point}毫米")
        } else {
            let point = if exact { format!(" point {}", ENGLISH[tenth]) } else { String::new() };
            format!("{}{point} millimetres", ENGLISH[whole])
        };
        let wrong = format!("{}{words}{}", &text[..figure.digits[0]], &text[figure.unit_at[1]..]);
        return draft.set(place, wrong);
    }
    false
}

fn slice(draft: &mut Draft<'_>) -> bool {
    for place in draft.on_one() {
        let Some(finding) = draft.finding(place) else { continue };
        let text = draft.text(place);
        let slice = finding.measurements.slice + 1;
        let other = (slice + draft.random.within(3, 70) as usize) % draft.case.slices + 1;
        let known = draft.case.findings.iter().any(|f| f.measurements.slice.abs_diff(other - 1) <= 1);
        let forms = if draft.is_chinese() { ["第 {} 层", "第{}层"] } else { ["slice {}", "Slice {}"] };
        for form in forms {
            let [from, to] = [slice, other].map(|slice| form.replace("{}", &slice.to_string()));
            if let Some(wrong) = crate::mutate::replaced(&text, &from, &to).filter(|_| !known) {
                return draft.set(place, wrong);
            }
        }
    }
    false
}

fn slices(draft: &mut Draft<'_>) -> bool {
    let slices = draft.case.slices;
    let other = slices + draft.random.pick(&[3, 11, 40, 100]);
    let forms: &[&str] =
        if draft.is_chinese() { &["共 {} 层", "共{}层"] } else { &["{} slices", "of {}"] };
    for place in draft.places(|_| true) {
        let text = draft.text(place);
        for form in forms {
            let [from, to] = [slices, other].map(|slices| form.replace("{}", &slices.to_string()));
            if let Some(wrong) = crate::mutate::replaced(&text, &from, &to) {
                return draft.set(place, wrong);
            }
        }
    }
    false
}

fn anothers_size(draft: &mut Draft<'_>) -> bool {
    for place in draft.on_one() {
        let Some(finding) = draft.finding(place) else { continue };
        let text = draft.text(place);
        let own = engine::narrative::rounded::millimetres(finding.measurements.long_axis_mm);
        let m = &finding.measurements;
        let own_mm = [m.long_axis_mm, m.short_axis_mm, m.max_diameter_3d_mm];
        let prior = finding.change.as_ref().and_then(|change| change.prior_long_axis_mm);
        for other in draft.case.findings.iter().filter(|other| other.number != finding.number) {
            let long = other.measurements.long_axis_mm;
            let unlike = own_mm.iter().chain(prior.iter()).all(|mm| (mm - long).abs() > 0.25);
            let theirs = engine::narrative::rounded::millimetres(long);
            if let Some(wrong) = crate::mutate::replaced(&text, &own, &theirs).filter(|_| unlike) {
                return draft.set(place, wrong);
            }
        }
    }
    false
}

/// Sizes of two findings in one sentence change places.
fn sizes_swapped(draft: &mut Draft<'_>) -> bool {
    for place in draft.places(|sentence| sentence.evidence.len() == 2) {
        let about = draft.sentence(place).evidence.clone();
        let (first, second) = (draft.case.finding(about[0]), draft.case.finding(about[1]));
        // Of two that are alike in words, either may have either size.
        let told = |f: &engine::Finding| (f.site, f.density);
        let alike = |(a, b)| {
            told(a) == told(b)
                || (a.site.organ == b.site.organ && (a.site.side.is_none() || b.site.side.is_none()))
        };
        if first.zip(second).is_none_or(alike) {
            continue;
        }
        let text = draft.text(place);
        let products: Vec<Figure> =
            figures(&text).into_iter().filter(|f| f.joined == Joined::Product).collect();
        if let [a, _, c, d] = &products[..]
            && text[a.digits[0]..a.digits[1]] != text[c.digits[0]..c.digits[1]]
        {
            let b = &products[1];
            let (first, second) = (&text[a.digits[0]..b.unit_at[1]], &text[c.digits[0]..d.unit_at[1]]);
            let wrong = format!(
                "{}{second}{}{first}{}",
                &text[..a.digits[0]],
                &text[b.unit_at[1]..c.digits[0]],
                &text[d.unit_at[1]..]
            );
            return draft.set(place, wrong);
        }
    }
    false
}

fn count(draft: &mut Draft<'_>) -> bool {
    const ONES: [&str; 8] = ["zero", "one", "two", "three", "four", "five", "six", "seven"];
    const CAPITAL: [&str; 8] = ["Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven"];
    const HAN: [&str; 8] = ["零", "一", "两", "三", "四", "五", "六", "七"];
    for place in draft.places(|sentence| sentence.evidence.len() >= 2 && sentence.evidence.len() < 6) {
        let text = draft.text(place);
        let count = draft.sentence(place).evidence.len();
        let other = if count > 2 && draft.random.chance(40) { count - 1 } else { count + 1 };
        let [from, to] = [count, other];
        let pairs: Vec<(String, String)> = if draft.is_chinese() {
            let form = |measure: &str| {
                [
                    (format!("{from} {measure}"), format!("{to} {measure}")),
                    (format!("{from}{measure}"), format!("{to}{measure}")),
                    (format!("{}{measure}", HAN[from]), format!("{}{measure}", HAN[to])),
                ]
            };
            [form("个"), form("枚")].concat()
        } else {
            ["nodule", "pulmonary", "lung", "focal"]
                .into_iter()
                .flat_map(|noun| {
                    [
                        (format!("{from} {noun}"), format!("{to} {noun}")),
                        (format!("{} {noun}", ONES[from]), format!("{} {noun}", ONES[to])),
                        (format!("{} {noun}", CAPITAL[from]), format!("{} {noun}", CAPITAL[to])),
                    ]
                })
                .collect()
        };
        // "2 个" of "共 2 个（右侧 2 个）" is the first one; later ones count a side or a change.
        let first = pairs.iter().filter_map(|(from, to)| Some((text.find(from.as_str())?, from, to))).min();
        if let Some((at, from, to)) = first {
            let before = text[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_digit() || c == '.')
                || text.contains("比较")
                || text.contains("ompared")
            {
                continue;
            }
            return draft.set(place, format!("{}{to}{}", &text[..at], &text[at + from.len()..]));
        }
    }
    false
}
