//! What a report says against itself, against the examination, and what it forgets.

use super::document::{Document, Heading};
use super::mention::{Mention, Side, denies, lengths, mentions};
use super::words::{COMPARING, CRITICAL, FEMALE, FLAGGED, MALE};
use super::{Complaints, Defect, Known};
use crate::finding::Organ;
use crate::guideline::Sex;

pub(super) fn judge(document: &Document, known: &Known<'_>, complaints: &mut Complaints) {
    let findings = mentions(document.sentences(Heading::Findings));
    let impression = mentions(document.sentences(Heading::Impression));
    between(document, &findings, &impression, complaints);
    sizes(document, complaints);
    counts(&findings, &impression, complaints);
    sex(document, known, complaints);
    age(document, known, complaints);
    examination(document, known, complaints);
    dates(document, known, complaints);
    forgotten(document, known, complaints);
}

/// The sentences that are judged, with their section.
fn judged(document: &Document) -> impl Iterator<Item = (Heading, &str)> {
    let parts = document.parts.iter().filter(|part| part.heading != Heading::Other);
    parts.flat_map(|part| part.sentences.iter().map(move |text| (part.heading, text.as_str())))
}

/// Sides and polarity in findings and impression.
fn between(
    document: &Document,
    findings: &[Mention<'_>],
    impression: &[Mention<'_>],
    complaints: &mut Complaints,
) {
    for said in impression {
        let place = Some((Heading::Impression, said.sentence));
        let same = |other: &&Mention<'_>| {
            other.lesion == said.lesion
                && (other.organ == said.organ || other.organ.is_none() || said.organ.is_none())
        };
        let there: Vec<&Mention<'_>> = findings.iter().filter(same).filter(|m| !m.denied).collect();
        let denied = findings
            .iter()
            .filter(same)
            .any(|m| m.denied && m.side.is_none_or(|side| Some(side) == said.side));
        if said.denied {
            let opposite = there
                .iter()
                .any(|m| said.side.is_none() || said.side == Some(Side::Both) || m.side == said.side);
            if opposite {
                complaints.defect(
                    Defect::ImpressionConflict,
                    place,
                    said.clause.trim(),
                    "the findings describe it",
                );
            }
        } else if there.is_empty() && denied {
            complaints.defect(Defect::ImpressionConflict, place, said.clause.trim(), "the findings deny it");
        } else if let Some(side @ (Side::Left | Side::Right)) = said.side {
            let fits = |m: &&Mention<'_>| m.side.is_none_or(|other| other == side || other == Side::Both);
            if !there.is_empty() && !there.iter().any(fits) {
                let other = if side == Side::Left { "right" } else { "left" };
                complaints.defect(
                    Defect::SideConflict,
                    place,
                    said.clause.trim(),
                    &format!("{other} in the findings"),
                );
            }
        }
    }
    let normal = [
        "未见异常",
        "未见明显异常",
        "no abnormality",
        "normal examination",
        "normal study",
        "no significant abnormality",
    ];
    for text in document.sentences(Heading::Impression) {
        let lower = text.to_lowercase();
        let all_well = normal.iter().any(|word| lower.trim_end_matches(['。', '.']).ends_with(word));
        let organ = mentions(std::iter::once(text)).first().and_then(|m| m.organ);
        if all_well
            && organ.is_none()
            && impression.iter().all(|m| m.denied)
            && findings.iter().any(|m| !m.denied)
        {
            let place = Some((Heading::Impression, text));
            complaints.defect(Defect::ImpressionConflict, place, text, "the findings describe lesions");
        }
    }
}

/// Sizes of the impression that the findings do not have.
fn sizes(document: &Document, complaints: &mut Complaints) {
    let known: Vec<_> = document.sentences(Heading::Findings).flat_map(lengths).collect();
    if known.is_empty() {
        return;
    }
    for text in document.sentences(Heading::Impression) {
        for length in lengths(text) {
            let near = |other: &super::mention::Length| {
                (other.mm - length.mm).abs() <= length.half_mm.max(other.half_mm) + 1e-6
            };
            if !known.iter().any(near) {
                let place = Some((Heading::Impression, text));
                complaints.defect(
                    Defect::SizeConflict,
                    place,
                    &format!("{} mm", length.mm),
                    "a size from the findings",
                );
            }
        }
    }
}

/// Numbers of lesions in findings and impression.
fn counts(findings: &[Mention<'_>], impression: &[Mention<'_>], complaints: &mut Complaints) {
    for said in impression.iter().filter(|m| !m.denied) {
        let Some(count) = said.count else { continue };
        let same = |other: &&Mention<'_>| {
            other.lesion == said.lesion
                && !other.denied
                && (other.organ == said.organ || other.organ.is_none())
        };
        let counted: Vec<usize> = findings.iter().filter(same).filter_map(|m| m.count).collect();
        let sum: usize = counted.iter().sum();
        let mentioned = findings.iter().filter(same).count();
        if !counted.is_empty() && sum != count && mentioned != count && !counted.contains(&count) {
            let place = Some((Heading::Impression, said.sentence));
            complaints.defect(Defect::CountConflict, place, said.clause.trim(), "as many as in the findings");
        }
    }
}

fn sex(document: &Document, known: &Known<'_>, complaints: &mut Complaints) {
    let lower = document.text.to_lowercase();
    let told = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let field =
        if told(&["性别：女", "性别:女", "性别 女", "sex: f", "sex: female", "女性", "female", "woman"])
        {
            Some(Sex::Female)
        } else if told(&["性别：男", "性别:男", "性别 男", "sex: m", "sex: male", "男性", "gentleman"])
        {
            Some(Sex::Male)
        } else {
            None
        };
    let patient = known.evidence.and_then(|evidence| evidence.patient.sex);
    let patient = patient.or_else(|| known.source.and_then(dicom_io::Source::patient_sex)).or(field);
    let of = |words: &'static [&'static str]| {
        judged(document).find_map(|(heading, text)| {
            let lower = text.to_lowercase();
            words.iter().find(|word| lower.contains(**word)).map(|word| (heading, text, *word))
        })
    };
    let (female, male) = (of(FEMALE), of(MALE));
    let wrong = match patient {
        Some(Sex::Male) => female,
        Some(Sex::Female) => male,
        None => female.and(male),
    };
    if let Some((heading, text, word)) = wrong {
        complaints.defect(Defect::SexConflict, Some((heading, text)), word, "anatomy of the patient's sex");
    }
    if let (Some(field), Some(patient)) = (field, patient)
        && field != patient
    {
        complaints.defect(Defect::SexConflict, None, "", "the sex of the examination");
    }
}

/// The ages in years that a text names.
fn ages(text: &str) -> Vec<u16> {
    let mut ages = Vec::new();
    for number in super::mention::numbers(text) {
        let behind = text[number.end..].trim_start_matches([' ', '-']);
        let age = ["岁", "year-old", "years old", "year old", "yo ", "y/o"]
            .iter()
            .any(|word| behind.starts_with(word));
        let field = ["年龄：", "年龄:", "Age: ", "age: ", "aged "]
            .iter()
            .any(|word| text[..number.start].ends_with(word));
        if (age || field) && number.decimals == 0 && number.value < 130.0 {
            ages.push(number.value as u16);
        }
    }
    ages
}

fn age(document: &Document, known: &Known<'_>, complaints: &mut Complaints) {
    let told = ages(&document.text);
    let patient = known.evidence.and_then(|evidence| evidence.patient.age_years);
    let patient = patient.or_else(|| known.source.and_then(dicom_io::Source::patient_age_years));
    // A year's difference is a birthday between examination and report.
    let differ = |a: u16, b: u16| a.abs_diff(b) > 1;
    let wrong = match (patient, &told[..]) {
        (Some(patient), told) => told.iter().find(|age| differ(**age, patient)),
        (None, [first, others @ ..]) => others.iter().find(|age| differ(**age, *first)),
        (None, []) => None,
    };
    if let Some(age) = wrong {
        complaints.defect(Defect::AgeConflict, None, &age.to_string(), "one age, the patient's");
    }
}

/// Words of a modality, and how DICOM calls it.
const MODALITIES: &[(&str, &str)] = &[
    ("CT", "CT"),
    ("MRI", "MR"),
    ("MR", "MR"),
    ("磁共振", "MR"),
    ("超声", "US"),
    ("ultrasound", "US"),
    ("X线", "DX"),
    ("radiograph", "DX"),
    ("PET", "PT"),
];

fn modalities(text: &str) -> Vec<&'static str> {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic());
    let named = |name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let end = at + name.len();
            !letter(text[..at].chars().next_back()) && !letter(text[end..].chars().next())
        })
    };
    let mut found: Vec<&str> =
        MODALITIES.iter().filter(|(name, _)| named(name)).map(|(_, code)| *code).collect();
    found.dedup();
    found
}

/// Regions of the body: how they are called, and what lies in them.
const REGIONS: &[(&[&str], &[&str])] = &[
    (&["头颅", "颅脑", "head", "brain"], &["脑", "brain", "ventric", "颅"]),
    (&["腰椎", "lumbar"], &["椎", "vertebra", "disc"]),
    (&["膝", "knee"], &["膝", "knee", "半月板", "menisc"]),
    (&["骨盆", "盆腔", "pelvis"], &["膀胱", "bladder", "骨盆", "髋", "hip", "pelvi", "子宫", "前列腺"]),
    (&["胸部", "胸", "肺", "chest", "thorax"], &["肺", "lung", "pulmonary", "胸", "pleura", "纵隔"]),
    (
        &["腹部", "上腹", "肝", "abdomen", "liver"],
        &["肝", "liver", "hepatic", "肾", "脾", "胰", "kidney", "spleen"],
    ),
];

fn examination(document: &Document, known: &Known<'_>, complaints: &mut Complaints) {
    let head: Vec<(Heading, &str)> = judged(document)
        .filter(|(heading, _)| matches!(heading, Heading::Head | Heading::Technique))
        .collect();
    let technique: String = head.iter().map(|(_, text)| *text).collect::<Vec<_>>().join(" ");
    let place = head.last().copied();
    let said = modalities(&technique);
    let body: Vec<(Heading, &str)> = judged(document)
        .filter(|(heading, _)| matches!(heading, Heading::Findings | Heading::Impression))
        .collect();
    if let Some(evidence) = known.evidence
        && !said.is_empty()
        && !said.contains(&evidence.modality.as_str())
    {
        complaints.defect(Defect::ModalityConflict, place, said[0], &evidence.modality);
    }
    for (heading, text) in &body {
        let measured_in_ct = text.contains("HU") || text.contains("CT值") || text.contains("CT 值");
        let weighted = ["T1WI", "T2WI", "DWI", "T1 加权", "signal intensity", "弥散"]
            .iter()
            .any(|word| text.contains(word));
        if (measured_in_ct && !said.is_empty() && !said.contains(&"CT") && !said.contains(&"PT"))
            || (weighted && said == ["CT"])
        {
            complaints.defect(
                Defect::ModalityConflict,
                Some((*heading, text)),
                text,
                "words of the examination's modality",
            );
        }
    }

    let lower = technique.to_lowercase();
    let region = REGIONS.iter().find(|(names, _)| names.iter().any(|name| lower.contains(name)));
    let several =
        REGIONS.iter().filter(|(names, _)| names.iter().any(|name| lower.contains(name))).count() > 1;
    if let Some((names, inside)) = region
        && !several
    {
        let all = body.iter().map(|(_, text)| text.to_lowercase()).collect::<Vec<_>>().join(" ");
        let speaks = |words: &[&str]| words.iter().any(|word| all.contains(word));
        let elsewhere = REGIONS.iter().any(|(other, words)| other != names && speaks(words));
        let measured = known.evidence.is_some_and(|evidence| {
            let organ = |name: &str| names.contains(&name);
            !evidence.examined.is_empty()
                && !evidence
                    .examined
                    .iter()
                    .any(|e| organ(if e.organ == Organ::Lung { "肺" } else { "肝" }))
                && !organ("胸部")
                && !organ("腹部")
        });
        if (!speaks(inside) && elsewhere) || measured {
            complaints.defect(Defect::BodyPartConflict, place, names[0], "the part that is described");
        }
    }

    let plain = [
        "平扫",
        "non-contrast",
        "noncontrast",
        "unenhanced",
        "without contrast",
        "without intravenous contrast",
    ];
    let enhanced =
        ["增强", "contrast-enhanced", "with contrast", "with intravenous contrast", "post-contrast"];
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let (plain, enhanced) = (has(&plain), has(&enhanced));
    let contrast = known.evidence.and_then(|evidence| evidence.contrast);
    if plain && !enhanced {
        let enhancing = [
            "强化",
            "动脉期",
            "门静脉期",
            "延迟期",
            "enhancement",
            "enhancing",
            "arterial phase",
            "portal venous",
        ];
        let wrong = body.iter().find(|(_, text)| {
            let lower = text.to_lowercase();
            enhancing.iter().any(|word| lower.contains(word))
        });
        if let Some((heading, text)) = wrong {
            complaints.defect(
                Defect::ContrastConflict,
                Some((*heading, text)),
                text,
                "no enhancement without contrast",
            );
        } else if contrast == Some(true) {
            complaints.defect(Defect::ContrastConflict, place, "", "contrast was given");
        }
    }
    if enhanced && contrast == Some(false) {
        complaints.defect(Defect::ContrastConflict, place, "", "no contrast was given");
    }
}

/// The dates of a line: year, month, day.
fn days(line: &str) -> Vec<[u32; 3]> {
    let numbers = super::mention::numbers(&line.replace('.', "-"))
        .into_iter()
        .map(|n| n.value as u32)
        .collect::<Vec<_>>();
    let fits = |day: &&[u32]| {
        (1900..2200).contains(&day[0]) && (1..=12).contains(&day[1]) && (1..=31).contains(&day[2])
    };
    numbers.windows(3).filter(fits).map(|day| [day[0], day[1], day[2]]).collect()
}

fn dates(document: &Document, known: &Known<'_>, complaints: &mut Complaints) {
    let labelled = |labels: &[&str]| {
        document.text.lines().find_map(|line| {
            let lower = line.to_lowercase();
            let at = labels.iter().filter_map(|label| lower.find(label)).min()?;
            days(lower.get(at..)?).first().copied()
        })
    };
    let examined =
        labelled(&["检查日期", "检查时间", "exam date", "date of exam", "study date", "examined on"]);
    let reported = labelled(&["报告日期", "报告时间", "report date", "date of report", "signed"]);
    let written = |[year, month, day]: [u32; 3]| format!("{year:04}-{month:02}-{day:02}");
    if let Some((examined, reported)) = examined.zip(reported)
        && reported < examined
    {
        complaints.defect(Defect::DateConflict, None, &written(reported), "a report after its examination");
    }
    if let Some((day, source)) = examined.zip(known.source)
        && source.is_of_day(day) == Some(false)
    {
        complaints.defect(Defect::DateConflict, None, &written(day), "the day of the study");
    }
}

/// A prior that nothing is compared with, and what nobody was told of.
fn forgotten(document: &Document, known: &Known<'_>, complaints: &mut Complaints) {
    let none = ["无", "none", "no prior", "not available", "n/a", "未提供"];
    let named = document.sentences(Heading::Comparison).find(|text| {
        let lower = text.to_lowercase();
        !none.iter().any(|word| lower.starts_with(word))
    });
    let head = judged(document).find(|(heading, text)| {
        let naming = ["对比前片", "与前片", "旧片", "comparison:", "compared with"];
        let lower = text.to_lowercase();
        matches!(heading, Heading::Head | Heading::Technique)
            && naming.iter().any(|word| lower.contains(word))
    });
    let prior = named.map(|text| (Heading::Comparison, text)).or(head);
    let body = document.sentences(Heading::Findings).chain(document.sentences(Heading::Impression));
    let compares = body.clone().any(|text| {
        let lower = text.to_lowercase();
        COMPARING.iter().any(|word| lower.contains(word))
    });
    if let (Some((heading, text)), false) = (prior, compares) {
        complaints.defect(Defect::ComparisonMissing, Some((heading, text)), text, "what has changed since");
    }

    let lower = document.text.to_lowercase();
    if FLAGGED.iter().any(|word| lower.contains(word)) {
        return;
    }
    let critical = judged(document).find_map(|(heading, text)| {
        let is_body = matches!(heading, Heading::Findings | Heading::Impression);
        text.split(['，', ',', '；', ';']).map(str::to_lowercase).find_map(|clause| {
            let word = CRITICAL.iter().find(|word| clause.contains(**word))?;
            (is_body && !denies(&clause)).then_some((heading, text, *word))
        })
    });
    if let Some((heading, text, word)) = critical {
        complaints.defect(Defect::CriticalNotFlagged, Some((heading, text)), word, "who was told, and when");
    } else if known.evidence.is_some_and(|evidence| evidence.lesions.iter().any(|lesion| lesion.critical)) {
        complaints.defect(Defect::CriticalNotFlagged, None, "", "a critical finding is told at once");
    }
}
