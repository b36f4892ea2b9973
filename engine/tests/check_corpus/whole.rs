//! Reports made wrong as a whole: findings lost, repeated, contradicted; and characters that belong to no report.

use engine::check::{Class, Place, Section};
use engine::{Language, Organ};

use crate::mutate::{Apply, Draft, Mutator, replaced};

const fn other(
    name: &'static str,
    class: Class,
    also: &'static [Class],
    apply: fn(&mut Draft<'_>) -> bool,
) -> Mutator {
    Mutator { name, class, also, held_out: false, apply: Apply::Other(apply) }
}

pub(crate) const ALL: &[Mutator] = &[
    other("a finding left out of the findings", Class::Omitted, &[], left_out),
    other(
        "a finding left out everywhere",
        Class::Omitted,
        &[Class::Count, Class::CriticalOmitted],
        left_out_everywhere,
    ),
    other("a sentence twice", Class::Duplicate, &[], twice),
    other("a finding described twice", Class::Duplicate, &[], described_twice),
    other(
        "an impression that denies",
        Class::DeniedFinding,
        &[Class::Contradiction, Class::AssertedAbsent, Class::Omitted],
        denied,
    ),
    other(
        "an impression that all is well",
        Class::Contradiction,
        &[Class::DeniedFinding, Class::NotAssessed, Class::UnknownWords],
        all_is_well,
    ),
    other(
        "found where nothing was",
        Class::AssertedAbsent,
        &[Class::Invented, Class::Contradiction],
        asserted,
    ),
    other("an assessed organ not assessed", Class::NotAssessed, &[Class::Contradiction], not_assessed),
    other("a change for another", Class::Trend, &[Class::Count, Class::Change], trend_of_many),
    other("another month", Class::Interval, &[Class::Recommendation, Class::MissingAdvice], interval),
    other("other words of advice", Class::Recommendation, &[Class::Interval, Class::MissingAdvice], advice),
    other("advice left out", Class::MissingAdvice, &[], advice_left_out),
    other("another modality of the series", Class::Modality, &[], modality),
    other("a sentence in the other language", Class::Language, &[], language),
    other("a report in the other language", Class::Language, &[], whole_language),
    other("markup", Class::Markup, &[Class::Homoglyph, Class::UnknownWords], markup),
    other("letters that look like others", Class::Homoglyph, &[Class::UnknownWords], lookalike),
    other("full-width digits", Class::Homoglyph, &[Class::Number], full_width),
    other("invisible characters", Class::Homoglyph, &[Class::Markup, Class::UnknownWords], invisible),
    other(
        "another finding's evidence",
        Class::Evidence,
        &[Class::Number, Class::Merged, Class::Side, Class::Organ, Class::LesionKind, Class::Superlative],
        evidence,
    ),
    other("evidence that is not there", Class::Evidence, &[], no_evidence),
    other("another largest", Class::Superlative, &[Class::Evidence, Class::Merged, Class::Number], largest),
    other("another count of a side", Class::Count, &[Class::Side, Class::Number], sides),
    other("a critical finding left out", Class::CriticalOmitted, &[Class::Omitted, Class::Count], critical),
    other("no words", Class::Empty, &[], empty),
    other("no section", Class::Empty, &[Class::Omitted, Class::CriticalOmitted], no_section),
];

fn left_out(draft: &mut Draft<'_>) -> bool {
    let several = |organ: Organ| draft.case.of(organ).len() > 1;
    let candidates: Vec<usize> = draft
        .case
        .findings
        .iter()
        .filter(|finding| several(finding.site.organ))
        .map(|finding| finding.number)
        .filter(|number| draft.narrative.findings.iter().any(|s| s.evidence == [*number]))
        .collect();
    if candidates.is_empty() {
        return false;
    }
    let number = draft.random.pick(&candidates);
    draft.narrative.findings.retain(|sentence| sentence.evidence != [number]);
    draft.narrative.impression.retain(|sentence| sentence.evidence != [number]);
    true
}

fn left_out_everywhere(draft: &mut Draft<'_>) -> bool {
    let numbers: Vec<usize> = draft.case.findings.iter().map(|finding| finding.number).collect();
    if numbers.is_empty() {
        return false;
    }
    let number = draft.random.pick(&numbers);
    draft.narrative.findings.retain(|sentence| !sentence.evidence.contains(&number));
    draft.narrative.impression.retain(|sentence| !sentence.evidence.contains(&number));
    !draft.narrative.findings.is_empty() && !draft.narrative.impression.is_empty()
}

fn twice(draft: &mut Draft<'_>) -> bool {
    let places = draft.on_one();
    let Some(place) = places.into_iter().find(|place| place.section == Section::Findings) else {
        return false;
    };
    let copy = draft.sentence(place).clone();
    let at = place.sentence + draft.random.within(1, 2) as usize;
    let list = draft.section(place.section);
    let at = at.min(list.len());
    list.insert(at, copy);
    true
}

fn described_twice(draft: &mut Draft<'_>) -> bool {
    // The template's description beside one in other words, whichever of the two the report is made of.
    let template = draft.case.template(draft.language());
    let other = crate::paraphrase::paraphrase(draft.case, draft.language(), 77);
    let size = |number: usize| {
        draft
            .case
            .finding(number)
            .map(|f| engine::narrative::rounded::millimetres(f.measurements.long_axis_mm))
    };
    let describes = |s: &&engine::narrative::Sentence| matches!(s.evidence[..], [number] if size(number).is_some_and(|size| s.text.contains(&size)));
    let own: Vec<engine::narrative::Sentence> =
        draft.narrative.findings.iter().filter(describes).cloned().collect();
    let Some(first) = own.first() else { return false };
    let twin = template.findings.iter().chain(&other.findings).filter(describes);
    let twin = twin.clone().find(|s| s.evidence == first.evidence && s.text != first.text).cloned();
    let Some(twin) = twin else { return false };
    draft.narrative.findings.push(twin);
    true
}

fn denied(draft: &mut Draft<'_>) -> bool {
    for place in draft.places(|sentence| !sentence.evidence.is_empty()) {
        if place.section != Section::Impression {
            continue;
        }
        let number = draft.sentence(place).evidence[0];
        let Some(finding) = draft.case.finding(number) else { continue };
        let chinese = draft.is_chinese();
        let words: &[&str] = match (finding.site.organ, chinese) {
            (Organ::Lung, true) => &["未检出肺结节。", "双肺未见结节。", "双肺未见异常。"],
            (Organ::Lung, false) => {
                &["No lung nodule was detected.", "No pulmonary nodules.", "The lungs are clear."]
            }
            (Organ::Liver, true) => &["未检出肝脏局灶性病变。", "肝内未见局灶性病变。", "肝脏未见异常。"],
            (Organ::Liver, false) => &["No focal liver lesion was detected.", "The liver is unremarkable."],
        };
        let text = draft.random.pick(words).to_owned();
        if draft.random.chance(50) {
            draft.sentence(place).evidence.clear();
        }
        return draft.set(place, text);
    }
    false
}

fn all_is_well(draft: &mut Draft<'_>) -> bool {
    if draft.case.findings.is_empty() {
        return false;
    }
    let words: &[&str] = if draft.is_chinese() {
        &["未见明显异常。", "检查未见异常。", "未发现任何病变。"]
    } else {
        &["Normal examination.", "No abnormality was detected.", "No lesions."]
    };
    let text = draft.random.pick(words).to_owned();
    draft.insert(Section::Impression, text, Vec::new())
}

fn asserted(draft: &mut Draft<'_>) -> bool {
    let nowhere = |organ| draft.case.of(organ).is_empty() && draft.case.assessed(organ);
    if !nowhere(Organ::Lung) && !nowhere(Organ::Liver) {
        return false;
    }
    let chinese = draft.is_chinese();
    for place in draft.places(|sentence| sentence.evidence.is_empty()) {
        let text = draft.text(place);
        let swaps: &[(&str, &str)] = if chinese {
            &[
                ("未检出结节", "检出结节"),
                ("未检出肺", "检出肺"),
                ("未检出肝", "检出肝"),
                ("未见", "可见"),
                ("未发现", "发现"),
                ("未检出局", "检出局"),
            ]
        } else {
            &[
                ("No ", "A "),
                ("no nodule was", "a nodule was"),
                ("no focal lesion was", "a focal lesion was"),
                ("show no", "show a"),
                ("shows no", "shows a"),
                ("There is no evidence of", "There is"),
            ]
        };
        // Lesions that are gone are another matter.
        if text.contains("前次")
            || text.contains("前片")
            || text.contains('原')
            || text.contains("prior")
            || text.contains("contrast")
        {
            continue;
        }
        if let Some((from, to)) = swaps.iter().find(|(from, _)| text.contains(from)) {
            return draft.set(place, text.replacen(from, to, 1));
        }
    }
    false
}

fn not_assessed(draft: &mut Draft<'_>) -> bool {
    let organs: Vec<Organ> =
        [Organ::Lung, Organ::Liver].into_iter().filter(|o| draft.case.assessed(*o)).collect();
    if organs.is_empty() {
        return false;
    }
    let text = match (draft.random.pick(&organs), draft.language()) {
        (Organ::Lung, Language::Chinese) => {
            draft.random.pick(&["肺未作评估。", "肺：图像中未识别到，未作评估。"])
        }
        (Organ::Liver, Language::Chinese) => draft.random.pick(&["肝脏未作评估。", "图像中未识别到肝脏。"]),
        (Organ::Lung, Language::English) => draft
            .random
            .pick(&["The lungs were not assessed.", "Lungs: not found in the images and not assessed."]),
        (Organ::Liver, Language::English) => {
            draft.random.pick(&["The liver was not assessed.", "The liver was not found in the images."])
        }
    };
    draft.insert(Section::Findings, text.to_owned(), Vec::new())
}

fn trend_of_many(draft: &mut Draft<'_>) -> bool {
    for place in draft.places(|sentence| sentence.evidence.len() > 1) {
        let text = draft.text(place);
        let pairs: &[(&str, &str)] = if draft.is_chinese() {
            &[("新发 ", "缩小 "), ("增大 ", "缩小 "), ("缩小 ", "增大 "), ("无明显变化 ", "增大 ")]
        } else {
            &[("larger", "smaller"), ("smaller", "larger"), ("new", "unchanged"), ("unchanged", "new")]
        };
        if !text.contains("比较") && !text.contains("ompared") {
            continue;
        }
        for (from, to) in pairs {
            if !text.contains(to)
                && let Some(wrong) = replaced(&text, from, to)
            {
                return draft.set(place, wrong);
            }
        }
    }
    false
}

/// Sentences of the recommendation that rest on a rule.
fn ruled(draft: &Draft<'_>) -> Vec<Place> {
    let list = draft.narrative.recommendation.iter().enumerate();
    list.filter(|(_, s)| !s.rules.is_empty())
        .map(|(sentence, _)| Place { section: Section::Recommendation, sentence })
        .collect()
}

fn interval(draft: &mut Draft<'_>) -> bool {
    for place in ruled(draft) {
        let text = draft.text(place);
        let units: &[&str] = if draft.is_chinese() { &[" 个月", " 年"] } else { &[" months", " years"] };
        for unit in units {
            let Some(at) = text.find(unit) else { continue };
            let start = text[..at]
                .rfind(|c: char| !c.is_ascii_digit())
                .map_or(0, |before| before + text[before..].chars().next().map_or(0, char::len_utf8));
            let Ok(months) = text[start..at].parse::<usize>() else { continue };
            let other = months + draft.random.pick(&[1, 2, 3, 6, 12]);
            return draft.set(place, format!("{}{other}{}", &text[..start], &text[at..]));
        }
    }
    false
}

fn advice(draft: &mut Draft<'_>) -> bool {
    for place in ruled(draft) {
        let text = draft.text(place);
        let pairs: &[(&str, &str)] = if draft.is_chinese() {
            &[
                ("无需常规随访", "建议随访"),
                ("可考虑", "必须"),
                ("低风险", "高风险"),
                ("高风险", "低风险"),
                ("复查 CT", "复查 MR"),
                ("建议", "无需"),
                ("低剂量 CT", "增强 CT"),
            ]
        } else {
            &[
                ("no routine follow-up", "routine follow-up"),
                ("consider ", ""),
                ("low risk", "high risk"),
                ("high risk", "low risk"),
                ("low-dose CT", "MRI"),
                ("optional CT", "CT"),
                ("CT in", "biopsy in"),
            ]
        };
        let mut pairs = pairs.to_vec();
        draft.random.shuffle(&mut pairs);
        if let Some((from, to)) = pairs.iter().find(|(from, _)| text.contains(from)) {
            return draft.set(place, text.replace(from, to));
        }
    }
    false
}

fn advice_left_out(draft: &mut Draft<'_>) -> bool {
    let places = ruled(draft);
    if places.is_empty() {
        return false;
    }
    let place = draft.random.pick(&places);
    draft.narrative.recommendation.remove(place.sentence);
    true
}

fn modality(draft: &mut Draft<'_>) -> bool {
    let (own, others) = match draft.case.modality {
        "CT" => ("CT", ["MR", "MRI", "PET"]),
        _ => ("MR", ["CT", "CT", "DR"]),
    };
    for place in draft.places(|sentence| sentence.evidence.is_empty()) {
        let text = draft.text(place);
        if text.contains("CT 值") || text.contains("CT值") {
            continue;
        }
        let other = draft.random.pick(&others);
        if let Some(wrong) = replaced(&text, own, other) {
            return draft.set(place, wrong);
        }
    }
    false
}

fn other_language(draft: &Draft<'_>) -> Language {
    match draft.language() {
        Language::Chinese => Language::English,
        Language::English => Language::Chinese,
    }
}

fn language(draft: &mut Draft<'_>) -> bool {
    let other = draft.case.template(other_language(draft));
    for place in draft.places(|sentence| !sentence.evidence.is_empty()) {
        let about = draft.sentence(place).evidence.clone();
        let list = if place.section == Section::Findings { &other.findings } else { &other.impression };
        if let Some(theirs) = list.iter().find(|sentence| sentence.evidence == about) {
            return draft.set(place, theirs.text.clone());
        }
    }
    false
}

fn whole_language(draft: &mut Draft<'_>) -> bool {
    let language = draft.language();
    draft.narrative = draft.case.template(other_language(draft));
    draft.narrative.language = language;
    true
}

/// Any sentence of findings or impression that rests on a finding, and its text.
fn any(draft: &mut Draft<'_>) -> Option<(Place, String)> {
    let place = draft.places(|sentence| !sentence.evidence.is_empty()).first().copied()?;
    Some((place, draft.text(place)))
}

fn markup(draft: &mut Draft<'_>) -> bool {
    let Some((place, text)) = any(draft) else { return false };
    let wrong = match draft.random.below(10) {
        0 => format!("**{text}**"),
        1 => format!("- {text}"),
        2 => format!("## {text}"),
        3 => format!("```json {text}"),
        4 => format!("{{\"text\": \"{text}\"}}"),
        5 => format!("<b>{text}</b>"),
        6 => format!("{text}\\n"),
        7 => format!("| {text} |"),
        8 => format!("[{text}](link)"),
        _ => format!("`{text}`"),
    };
    draft.set(place, wrong)
}

fn lookalike(draft: &mut Draft<'_>) -> bool {
    const PAIRS: [(char, char); 9] = [
        ('a', 'а'),
        ('e', 'е'),
        ('o', 'о'),
        ('p', 'р'),
        ('c', 'с'),
        ('H', 'Н'),
        ('m', 'ｍ'),
        ('0', 'O'),
        ('1', 'l'),
    ];
    for place in draft.places(|sentence| !sentence.evidence.is_empty()) {
        let text = draft.text(place);
        let from = draft.random.below(PAIRS.len());
        let pair = (0..PAIRS.len())
            .map(|at| PAIRS[(at + from) % PAIRS.len()])
            .find(|(latin, _)| text.contains(*latin));
        if let Some((latin, other)) = pair {
            return draft.set(place, text.replacen(latin, &other.to_string(), 1));
        }
    }
    false
}

fn full_width(draft: &mut Draft<'_>) -> bool {
    let places = draft.places(|s| !s.evidence.is_empty() && s.text.contains(|c: char| c.is_ascii_digit()));
    let Some(place) = places.first() else { return false };
    let text = draft.text(*place);
    let wide = |c: char| match c {
        '0'..='9' => char::from_u32(c as u32 - '0' as u32 + '０' as u32).unwrap_or(c),
        c => c,
    };
    draft.set(*place, text.chars().map(wide).collect())
}

fn invisible(draft: &mut Draft<'_>) -> bool {
    let Some((place, text)) = any(draft) else { return false };
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let hidden = draft.random.pick(&['\u{200b}', '\u{202e}', '\u{2060}', '\u{feff}', '\u{7}', '\u{ad}']);
    draft.set(place, format!("{}{hidden}{}", &text[..middle], &text[middle..]))
}

fn evidence(draft: &mut Draft<'_>) -> bool {
    let size = |number: usize| {
        draft
            .case
            .finding(number)
            .map(|f| engine::narrative::rounded::millimetres(f.measurements.long_axis_mm))
    };
    let names = |s: &engine::narrative::Sentence| matches!(s.evidence[..], [number] if size(number).is_some_and(|size| s.text.contains(&size)));
    let Some(place) = draft.places(names).first().copied() else { return false };
    let own = draft.sentence(place).evidence[0];
    let others: Vec<usize> = draft.case.findings.iter().map(|f| f.number).filter(|n| *n != own).collect();
    if others.is_empty() {
        return false;
    }
    draft.sentence(place).evidence = vec![draft.random.pick(&others)];
    draft.place = Some(place);
    true
}

fn no_evidence(draft: &mut Draft<'_>) -> bool {
    let Some((place, _)) = any(draft) else { return false };
    let missing = draft.case.findings.len() + 1 + draft.random.below(3);
    draft.sentence(place).evidence.push(missing);
    draft.place = Some(place);
    true
}

fn largest(draft: &mut Draft<'_>) -> bool {
    for place in draft.places(|sentence| sentence.evidence.len() > 1) {
        let text = draft.text(place);
        let about = draft.sentence(place).evidence.clone();
        let marks: &[&str] = if draft.is_chinese() {
            &["最大者为病灶 ", "较大者为病灶 "]
        } else {
            &["the largest is finding "]
        };
        for mark in marks {
            let Some(at) = text.find(mark) else { continue };
            let (head, tail) = text.split_at(at + mark.len());
            let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
            let others: Vec<usize> =
                about.iter().copied().filter(|n| Ok(*n) != tail[..digits].parse()).collect();
            let other = draft.random.pick(&others);
            return draft.set(place, format!("{head}{other}{}", &tail[digits..]));
        }
    }
    false
}

fn sides(draft: &mut Draft<'_>) -> bool {
    for place in draft.places(|sentence| sentence.evidence.len() > 1) {
        let text = draft.text(place);
        let marks: &[(&str, &str)] = if draft.is_chinese() {
            &[("右侧 ", " 个"), ("左侧 ", " 个"), ("右肺 ", " 个"), ("左肺 ", " 个")]
        } else {
            &[
                ("(", " right"),
                (", ", " left"),
                (", ", " on the right"),
                ("and ", " on the left"),
                (", ", " in the right lung"),
            ]
        };
        for (before, after) in marks {
            let Some(start) = text.match_indices(before).map(|(at, _)| at + before.len()).find(|start| {
                let tail = &text[*start..];
                let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
                digits > 0 && tail[digits..].starts_with(after)
            }) else {
                continue;
            };
            let tail = &text[start..];
            let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
            let Ok(count) = tail[..digits].parse::<usize>() else { continue };
            return draft.set(place, format!("{}{}{}", &text[..start], count + 1, &tail[digits..]));
        }
    }
    false
}

fn critical(draft: &mut Draft<'_>) -> bool {
    let Some(finding) = draft.case.findings.iter().find(|finding| finding.critical) else { return false };
    draft.narrative.impression.retain(|sentence| !sentence.evidence.contains(&finding.number));
    !draft.narrative.impression.is_empty()
}

fn empty(draft: &mut Draft<'_>) -> bool {
    let words = draft.random.pick(&["", " ", "。", ".", "——", "..."]);
    let section = draft.random.pick(&[Section::Findings, Section::Impression]);
    draft.insert(section, words.to_owned(), Vec::new())
}

fn no_section(draft: &mut Draft<'_>) -> bool {
    let section = draft.random.pick(&[Section::Findings, Section::Impression]);
    draft.section(section).clear();
    true
}
