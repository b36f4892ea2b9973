//! The English of the faithful reports.

use engine::narrative::rounded;
use engine::track::Trend;
use engine::{Density, Finding, Kind, Organ, Side};

use crate::paraphrase::{ORGANS, Writer, largest, numbers, on, range, trends};

pub(crate) fn write(w: &mut Writer<'_>) {
    opening(w);
    for (organ, kind) in ORGANS {
        let findings = w.case.of(organ);
        if w.case.not_found(organ) && findings.is_empty() {
            not_assessed(w, organ);
        } else if findings.is_empty() && w.case.assessed(organ) {
            nothing(w, organ);
        } else if !findings.is_empty() {
            topic(w, organ, kind, &findings);
            conclusion(w, kind, &findings);
        }
        gone(w, organ);
    }
    if !w.case.findings.is_empty() && w.chance(30) {
        let text = w.pick(&[
            "Detection scores come from the network, are not calibrated and are no probability of disease.",
            "The detection scores are uncalibrated and do not express a probability of disease.",
        ]);
        w.seen(text.to_owned(), &[]);
    }
    if w.chance(40) {
        let text = w.pick(&[
            "Other organs and other abnormalities were not assessed.",
            "Nothing else was assessed.",
            "Only the lesions named above were looked for; nothing else was assessed.",
        ]);
        w.seen(text.to_owned(), &[]);
    }
    critical(w);
}

fn opening(w: &mut Writer<'_>) {
    let (modality, slices) = (w.case.modality, w.case.slices);
    if w.chance(35) {
        let text = w.pick(&[
            "The {m} series comprises {n} slices.",
            "{m}, {n} slices.",
            "{n} slices of {m} were read.",
        ]);
        w.seen(text.replace("{m}", modality).replace("{n}", &slices.to_string()), &[]);
    }
    let told = w.chance(15);
    match w.case.contrast {
        Some(true) if told => {
            let text = w.pick(&[
                "Contrast-enhanced {m}.",
                "The examination was performed with intravenous contrast.",
            ]);
            w.seen(text.replace("{m}", modality), &[]);
        }
        Some(false) if told => {
            let text = w.pick(&["Non-contrast {m}.", "Unenhanced {m}.", "No contrast was given."]);
            w.seen(text.replace("{m}", modality), &[]);
        }
        _ => {}
    }
    let Some(compared) = &w.case.compared else { return };
    if w.chance(85) {
        let text = match compared.days {
            Some(days) => w
                .pick(&[
                    "Comparison: examination {d} days earlier.",
                    "Comparison is made with the prior examination {d} days ago.",
                    "Compared with the prior study of {d} days earlier.",
                    "Compared with the examination {d} days earlier.",
                ])
                .replace("{d}", &days.to_string()),
            None => w
                .pick(&[
                    "Comparison is made with a prior examination.",
                    "Compared with a prior examination.",
                    "Compared to the prior study.",
                ])
                .to_owned(),
        };
        w.seen(text, &[]);
    }
}

fn not_assessed(w: &mut Writer<'_>, organ: Organ) {
    let (head, be) = match organ {
        Organ::Lung => ("The lungs", "were"),
        Organ::Liver => ("The liver", "was"),
    };
    let text = w.pick(&[
        "{o} {b} not found in the images and {b} not assessed.",
        "{o} could not be assessed because {i} {b} not found in the images.",
        "{o} {b} not identified in the images and therefore not assessed.",
    ]);
    let it = if organ == Organ::Lung { "they" } else { "it" };
    let text = text.replace("{o}", head).replace("{b}", be).replace("{i}", it);
    w.seen(text.clone(), &[]);
    let short = w.pick(&["{o} {b} not assessed.", "{o}: not assessed."]);
    w.concluded(short.replace("{o}", head).replace("{b}", be), &[]);
}

fn nothing(w: &mut Writer<'_>, organ: Organ) {
    let (seen, concluded) = match organ {
        Organ::Lung => (
            w.pick(&[
                "No nodule was detected in the lungs.",
                "No lung nodule is seen.",
                "No pulmonary nodules are identified.",
                "The lungs show no nodule.",
                "There is no evidence of a lung nodule.",
                "Lungs: no nodules.",
                "The lungs are without detectable nodules.",
            ]),
            w.pick(&["No lung nodule detected.", "No pulmonary nodule.", "No lung nodules were found."]),
        ),
        Organ::Liver => (
            w.pick(&[
                "No focal lesion was detected in the liver.",
                "No focal liver lesion is seen.",
                "The liver shows no focal lesion.",
                "There is no evidence of a focal hepatic lesion.",
                "Liver: no focal lesions.",
                "No focal hepatic lesions are identified.",
            ]),
            w.pick(&[
                "No focal liver lesion detected.",
                "No focal liver lesion.",
                "No focal lesion of the liver was found.",
            ]),
        ),
    };
    w.seen(seen.to_owned(), &[]);
    w.concluded(concluded.to_owned(), &[]);
}

/// What has been there before and is gone.
fn gone(w: &mut Writer<'_>, organ: Organ) {
    let Some(compared) = &w.case.compared else { return };
    for lesion in compared.resolved.iter().filter(|lesion| lesion.site.organ == organ) {
        let long = rounded::millimetres(lesion.prior_long_axis_mm);
        let what = match (lesion.kind, lesion.site.side) {
            (Kind::LungNodule, Some(Side::Left)) => "nodule in the left lung",
            (Kind::LungNodule, Some(Side::Right)) => "nodule in the right lung",
            (Kind::LungNodule, None) => "lung nodule",
            (Kind::LiverLesion, _) => "focal lesion in the liver",
        };
        let text = w.pick(&[
            "A {w} seen previously ({l} mm) is no longer detected.",
            "The previously seen {w} of {l} mm has resolved.",
            "A {w} of the prior examination, previously {l} mm, is no longer seen.",
        ]);
        w.seen(text.replace("{w}", what).replace("{l}", &long), &[]);
    }
}

fn place(finding: &Finding) -> &'static str {
    match (finding.site.organ, finding.site.side) {
        (Organ::Lung, Some(Side::Left)) => "left lung",
        (Organ::Lung, Some(Side::Right)) => "right lung",
        (Organ::Lung, None) => "lung",
        (Organ::Liver, _) => "liver",
    }
}

/// "solid nodule": what it is without its place.
fn noun(w: &mut Writer<'_>, finding: &Finding) -> String {
    match (finding.kind, finding.density) {
        (Kind::LiverLesion, _) => w.pick(&["focal lesion", "focal lesion", "lesion"]).to_owned(),
        (Kind::LungNodule, None) => w.pick(&["nodule", "nodule", "pulmonary nodule"]).to_owned(),
        (Kind::LungNodule, Some(Density::Solid)) => {
            w.pick(&["solid nodule", "solid pulmonary nodule", "nodule of solid density"]).to_owned()
        }
        (Kind::LungNodule, Some(Density::PartSolid)) => {
            w.pick(&["part-solid nodule", "part-solid pulmonary nodule", "partly solid nodule"]).to_owned()
        }
        (Kind::LungNodule, Some(Density::GroundGlass)) => w
            .pick(&["ground-glass nodule", "ground glass nodule", "ground-glass opacity", "non-solid nodule"])
            .to_owned(),
    }
}

fn an(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {noun}")
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}

/// "measuring 8.4 × 6.9 mm".
fn size(w: &mut Writer<'_>, finding: &Finding) -> String {
    let m = &finding.measurements;
    let axes = w.axes(finding, true);
    let (long, short) = (w.length(m.long_axis_mm, true), w.length(m.short_axis_mm, true));
    match w.random.below(8) {
        0 => format!("with a long axis of {long} and a short axis of {short}"),
        1 => format!("{long} in long axis and {short} in short axis"),
        2 => format!("measuring about {axes}"),
        3 => format!("with a longest diameter of {long} in the axial plane"),
        4 => format!("{axes} in size"),
        5 => format!("with a diameter of {long}"),
        _ => format!("measuring {axes}"),
    }
}

/// "volume 310 mm³", "mean attenuation 32 HU", "slice 142": some of them, in any order.
fn more(w: &mut Writer<'_>, finding: &Finding) -> Vec<String> {
    let mut parts = Vec::new();
    let slice = finding.measurements.slice + 1;
    if w.chance(70) {
        let volume = w.volume(finding, true);
        parts.push(
            w.pick(&["volume {v}", "a volume of {v}", "volume of {v}", "estimated volume {v}"][..3])
                .replace("{v}", &volume),
        );
    }
    if w.is_ct() && w.chance(60) {
        let hu = w.attenuation(finding);
        let text = w.pick(&[
            "mean attenuation {h} HU",
            "a mean attenuation of {h} HU",
            "mean density {h} HU",
            "mean CT number {h} HU",
        ]);
        parts.push(text.replace("{h}", &hu));
    }
    if w.chance(10) {
        let long = rounded::millimetres(finding.measurements.max_diameter_3d_mm);
        parts.push(format!("maximum 3D diameter {long} mm"));
    }
    w.random.shuffle(&mut parts);
    if w.chance(55) {
        let text = w.pick(&["slice {k}", "on slice {k}", "best seen on slice {k}"]);
        parts.push(text.replace("{k}", &slice.to_string()));
    }
    if w.chance(20) {
        parts.push(format!("detection score {}", rounded::score(finding.confidence)));
    }
    parts
}

fn topic(w: &mut Writer<'_>, organ: Organ, kind: Kind, findings: &[&Finding]) {
    let about = numbers(findings);
    if w.chance(60) || findings.len() > 3 {
        count(w, organ, kind, findings);
    }
    if let [first, second] = findings
        && w.chance(20)
    {
        merged(w, first, second);
    } else {
        for finding in findings {
            describe(w, finding);
        }
    }
    debug_assert!(!about.is_empty());
}

const WORDS: [&str; 7] = ["no", "one", "two", "three", "four", "five", "six"];

fn how_many(w: &mut Writer<'_>, count: usize) -> String {
    if w.chance(50) { WORDS[count.min(6)].to_owned() } else { count.to_string() }
}

fn count(w: &mut Writer<'_>, organ: Organ, kind: Kind, findings: &[&Finding]) {
    let (number, plural) = (findings.len(), if findings.len() == 1 { "" } else { "s" });
    let noun = match kind {
        Kind::LungNodule => w.pick(&["nodule", "pulmonary nodule", "lung nodule"]),
        Kind::LiverLesion => w.pick(&["focal lesion", "focal liver lesion"]),
    };
    let [right, left, unknown] = [Some(Side::Right), Some(Side::Left), None].map(|side| on(findings, side));
    let many = how_many(w, number);
    let (is, organ_name) = (
        if number == 1 { "is" } else { "are" },
        match organ {
            Organ::Lung => "lungs",
            Organ::Liver => "liver",
        },
    );
    let split = organ == Organ::Lung && right > 0 && left > 0 && unknown == 0;
    let text = match w.random.below(4) {
        0 if split => format!(
            "{} {noun}{plural} {is} seen, {right} on the right and {left} on the left.",
            capital(&many)
        ),
        1 if split => format!(
            "There {is} {many} {noun}{plural} in both lungs, {right} in the right lung and {left} in the left lung."
        ),
        1 => format!("There {is} {many} {noun}{plural}."),
        2 => format!("{} {noun}{plural} {is} identified in the {organ_name}.", capital(&many)),
        3 => {
            format!("In total, {many} {noun}{plural} {} detected.", if number == 1 { "was" } else { "were" })
        }
        _ => format!("A total of {number} {noun}{plural} {is} seen in the {organ_name}."),
    };
    w.seen(text, &numbers(findings));
}

fn merged(w: &mut Writer<'_>, first: &Finding, second: &Finding) {
    let [a, b] = [first, second].map(|finding| {
        let noun = noun(w, finding);
        let axes = w.axes(finding, true);
        (an(&noun), place(finding), axes)
    });
    let text = match w.random.below(3) {
        0 => {
            format!("{} of {} lies in the {} and {} of {} in the {}.", capital(&a.0), a.2, a.1, b.0, b.2, b.1)
        }
        1 => format!(
            "Finding {} ({}) measures {}; finding {} ({}) measures {}.",
            first.number, a.1, a.2, second.number, b.1, b.2
        ),
        _ => format!(
            "{} in the {} measures {}, while {} in the {} measures {}.",
            capital(&a.0),
            a.1,
            a.2,
            b.0,
            b.1,
            b.2
        ),
    };
    w.seen(text, &[first.number, second.number]);
    for finding in [first, second] {
        changed(w, finding);
    }
}

fn describe(w: &mut Writer<'_>, finding: &Finding) {
    let (noun, place, number) = (noun(w, finding), place(finding), finding.number);
    let size = size(w, finding);
    let more = more(w, finding);
    let slice = finding.measurements.slice + 1;
    let tail = if more.is_empty() { String::new() } else { format!(", {}", more.join(", ")) };
    let about = [number];
    match w.random.below(9) {
        0 => w.seen(format!("Finding {number}: {noun} in the {place}, {size}{tail}."), &about),
        1 => w.seen(format!("There is {} in the {place}, {size}{tail}.", an(&noun)), &about),
        2 => w.seen(format!("In the {place} there is {} {size}{tail}.", an(&noun)), &about),
        3 => w.seen(format!("{}: {noun}, {size}{tail}.", capital(place)), &about),
        4 => {
            let verb =
                w.pick(&["is seen", "is noted", "is present", "is identified", "was detected", "is visible"]);
            w.seen(format!("{} {verb} in the {place}, {size}{tail}.", capital(&an(&noun))), &about);
        }
        5 => {
            let axes = w.axes(finding, true);
            w.seen(format!("{} is located in the {place} (slice {slice}).", capital(&an(&noun))), &about);
            let volume = w.volume(finding, true);
            w.seen(format!("It measures {axes} and has a volume of {volume}."), &about);
        }
        6 => {
            let axes = w.axes(finding, true);
            let volume = w.volume(finding, true);
            w.seen(
                format!("The {noun} in the {place} measures {axes} (volume {volume}) on slice {slice}."),
                &about,
            );
        }
        7 => w.seen(format!("Slice {slice} shows {} in the {place}, {size}.", an(&noun)), &about),
        _ => {
            let more: Vec<String> = more.into_iter().filter(|part| !part.contains("slice")).collect();
            let tail = if more.is_empty() { String::new() } else { format!("; {}", more.join("; ")) };
            w.seen(format!("Finding {number} is {} of the {place} {size}{tail}.", an(&noun)), &about);
        }
    }
    changed(w, finding);
}

/// What has become of it since the prior.
fn changed(w: &mut Writer<'_>, finding: &Finding) {
    let (Some(change), Some(_)) = (&finding.change, &w.case.compared) else { return };
    let about = [finding.number];
    let number = finding.number;
    let now = rounded::millimetres(finding.measurements.long_axis_mm);
    let before = change.prior_long_axis_mm.map(rounded::millimetres).unwrap_or_default();
    let percent = change.volume_change_percent.map(rounded::percent).unwrap_or_default();
    let text = match change.trend {
        Trend::New => w.pick(&[
            "Finding {n} is new.",
            "It is new since the prior examination.",
            "This is a new finding that was not detected in the prior examination.",
            "It was not present in the prior examination.",
        ]),
        Trend::Grown => w.pick(&[
            "It has grown: the long axis was {b} mm previously and is now {a} mm.",
            "Finding {n} is larger than before, with a long axis of {a} mm (previously {b} mm).",
            "The long axis has increased from {b} mm to {a} mm and the volume by {p} %.",
            "Interval growth: long axis {a} mm, previously {b} mm.",
            "It has increased in size, volume +{p} %.",
            "Compared with the prior it has enlarged from {b} to {a} mm.",
        ]),
        Trend::Shrunk => w.pick(&[
            "It is smaller than before: long axis {a} mm, previously {b} mm.",
            "Finding {n} has decreased in size from {b} mm to {a} mm.",
            "The volume has decreased by {p} %.",
            "It has shrunk, long axis {a} mm (previously {b} mm).",
        ]),
        Trend::Unchanged => w.pick(&[
            "It is unchanged.",
            "Finding {n} is unchanged compared with the prior examination.",
            "It is stable.",
            "No significant change compared with the prior.",
        ]),
    };
    let fill = |text: &str| {
        text.replace("{n}", &number.to_string())
            .replace("{a}", &now)
            .replace("{b}", &before)
            .replace("{p}", &percent)
    };
    w.seen(fill(text), &about);
    if let (Some(days), Trend::Grown) = (change.doubling_days, change.trend)
        && w.chance(30)
    {
        w.seen(format!("The volume doubling time is {} days.", rounded::days(days)), &about);
    }
}

fn conclusion(w: &mut Writer<'_>, kind: Kind, findings: &[&Finding]) {
    let about = numbers(findings);
    let Some(largest) = largest(findings) else { return };
    let axes = w.axes(largest, true);
    let organ_noun = match kind {
        Kind::LungNodule => w.pick(&["lung nodule", "pulmonary nodule"]),
        Kind::LiverLesion => {
            w.pick(&["focal liver lesion", "focal lesion of the liver", "focal hepatic lesion"])
        }
    };
    if let [only] = findings {
        let noun = noun(w, only);
        let place = place(only);
        let text = match w.random.below(3) {
            0 => format!("{} in the {place}, {axes}.", capital(&noun)),
            1 => format!("One {noun} in the {place} measuring {axes}."),
            _ => format!("{} of the {place}, {axes} (finding {}).", capital(&noun), only.number),
        };
        w.concluded(text, &about);
    } else {
        let many = capital(&how_many(w, findings.len()));
        let [low, high] = range(findings);
        let nouns = if organ_noun == "focal lesion of the liver" {
            "focal lesions of the liver".to_owned()
        } else {
            format!("{organ_noun}s")
        };
        let place = place(largest);
        let text = match w.random.below(4) {
            0 => format!("{many} {nouns}, the largest in the {place} measuring {axes}."),
            1 => format!("{many} {nouns} with long axes from {low} to {high} mm."),
            2 => format!(
                "{many} {nouns}, long axis {low}-{high} mm; the largest is finding {}.",
                largest.number
            ),
            _ => {
                format!("{many} {nouns}, the largest of {axes} in the {place} (finding {}).", largest.number)
            }
        };
        w.concluded(text, &about);
    }
    let trends = trends(findings);
    if w.case.compared.is_some() && !trends.is_empty() && w.chance(70) {
        let parts: Vec<String> = trends
            .iter()
            .map(|(trend, numbers)| {
                let name = match trend {
                    Trend::New => "new",
                    Trend::Grown => "larger",
                    Trend::Shrunk => "smaller",
                    Trend::Unchanged => "unchanged",
                };
                format!("{} {name}", numbers.len())
            })
            .collect();
        w.concluded(format!("Compared with the prior examination: {}.", parts.join(", ")), &about);
    }
}

fn critical(w: &mut Writer<'_>) {
    let critical: Vec<&Finding> = w.case.findings.iter().filter(|finding| finding.critical).collect();
    for finding in critical {
        let long = rounded::millimetres(finding.measurements.long_axis_mm);
        let text = w.pick(&[
            "Critical result: finding {n} (long axis {l} mm) is to be reported to the referring physician at once.",
            "Critical finding: finding {n}, {l} mm, is to be reported to the referring physician immediately.",
        ]);
        w.concluded(
            text.replace("{n}", &finding.number.to_string()).replace("{l}", &long),
            &[finding.number],
        );
    }
}
