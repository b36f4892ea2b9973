//! How advice and refusals read, and that they pass the check of words.

use dicom_io::{Lps, Uid};
use engine::Density::{GroundGlass, PartSolid, Solid};
use engine::check::{Fault, Section, check};
use engine::evidence::{Evidence, Lesion};
use engine::guideline::Guideline::{CLungRads, Fleischner2017, LungRads2022};
use engine::guideline::{Advised, Guideline, Patient};
use engine::narrative::Facts;
use engine::report::Examined;
use engine::{Finding, Kind, Language, Mask, Measurements, Narrative, Organ, Side, Site};

use crate::tables::{BASELINE, FLEISCHNER, PART_SOLID};
use crate::{advise, nodule, part_solid, patient};

/// What each advice reads, in English and in Chinese.
#[test]
fn advice_reads_as_a_radiologist_would_write_it() {
    let read = |guideline, high_risk, lesions: &[Lesion]| {
        let advised = advise(guideline, &patient(guideline, high_risk), lesions);
        let texts =
            |language| -> Vec<String> { advised.advice.iter().map(|advice| advice.text(language)).collect() };
        (texts(Language::English).join(" "), texts(Language::Chinese).join(" "))
    };
    let one = |density, mm| vec![nodule(1, density, mm, mm)];
    let cases = [
        (
            read(Fleischner2017, None, &one(Solid, 5.0)),
            "Finding 1, at low risk of lung cancer: no routine follow-up (Fleischner 2017). Finding 1, at high \
             risk of lung cancer: optional CT in 12 months (Fleischner 2017).",
            "病灶 1（肺癌低风险者）：无需常规随访（Fleischner 2017）。 病灶 1（肺癌高风险者）：可选择 12 个月后\
             复查 CT（Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, Some(false), &one(Solid, 7.0)),
            "Finding 1, at low risk of lung cancer: CT in 6 to 12 months; if unchanged, then consider CT in 18 \
             to 24 months (Fleischner 2017).",
            "病灶 1（肺癌低风险者）：建议 6 至 12 个月后复查 CT；若无变化，此后可考虑 18 至 24 个月后复查 CT\
             （Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, Some(true), &one(Solid, 9.0)),
            "Finding 1: consider CT in 3 months, PET-CT or tissue sampling (Fleischner 2017).",
            "病灶 1：可考虑 3 个月后复查 CT、行 PET-CT 检查或组织取样（Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, Some(true), &one(GroundGlass, 9.0)),
            "Finding 1: CT in 6 to 12 months; if it persists, then CT every 2 years until 5 years \
             (Fleischner 2017).",
            "病灶 1：建议 6 至 12 个月后复查 CT；若持续存在，此后每 2 年复查 CT，直至满 5 年\
             （Fleischner 2017）。",
        ),
        (
            read(
                Fleischner2017,
                Some(true),
                &[nodule(1, GroundGlass, 5.0, 5.0), nodule(2, PartSolid, 5.0, 5.0)],
            ),
            "Findings 1 and 2: CT in 3 to 6 months; if unchanged, consider CT at 2 and 4 years \
             (Fleischner 2017).",
            "病灶 1、2：建议 3 至 6 个月后复查 CT；若无变化，可考虑于 2 年和 4 年时复查 CT\
             （Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, None, &[part_solid(1, 9.0, [4.0, 3.0])]),
            "Finding 1: CT in 3 to 6 months; if it persists, then CT every year until 5 years \
             (Fleischner 2017).",
            "病灶 1：建议 3 至 6 个月后复查 CT；若持续存在，此后每年复查 CT，直至满 5 年\
             （Fleischner 2017）。",
        ),
        (
            read(Fleischner2017, None, &[part_solid(1, 19.0, [14.0, 13.0])]),
            "Finding 1: PET-CT, tissue sampling or resection (Fleischner 2017).",
            "病灶 1：建议行 PET-CT 检查、组织取样或手术切除（Fleischner 2017）。",
        ),
        (
            read(LungRads2022, None, &one(Solid, 9.0)),
            "Finding 1: low-dose CT in 3 months; PET-CT may be considered (Lung-RADS v2022, category 4A).",
            "病灶 1：建议 3 个月后复查低剂量 CT，可考虑 PET-CT 检查（Lung-RADS v2022，4A 类）。",
        ),
        (
            read(LungRads2022, None, &one(Solid, 20.0)),
            "Finding 1: assessment by a specialist now, with diagnostic CT, PET-CT or tissue sampling as \
             appropriate (Lung-RADS v2022, category 4B).",
            "病灶 1：建议立即由专科医师评估，酌情行诊断性 CT、PET-CT 检查或组织取样（Lung-RADS v2022，4B 类）。",
        ),
        (
            read(CLungRads, None, &(1..=5).map(|n| nodule(n, GroundGlass, 3.0, 3.0)).collect::<Vec<_>>()),
            "Findings 1 to 5: low-dose CT in 12 months (C-Lung-RADS, category 1).",
            "病灶 1 至 5：建议 12 个月后复查低剂量 CT（C-Lung-RADS，1 类）。",
        ),
        (
            read(CLungRads, None, &one(Solid, 12.0)),
            "Finding 1: CT in 3 months; high-resolution CT or PET-CT may be considered (C-Lung-RADS, category \
             3).",
            "病灶 1：建议 3 个月后复查 CT，可考虑高分辨率 CT 或 PET-CT 检查（C-Lung-RADS，3 类）。",
        ),
    ];
    for ((english, chinese), wanted_english, wanted_chinese) in cases {
        assert_eq!(english, wanted_english);
        assert_eq!(chinese, wanted_chinese);
    }
}

#[test]
fn refusals_say_what_is_missing() {
    let unknown = Lesion { density: None, ..nodule(2, Solid, 7.0, 7.0) };
    let lesions = [nodule(1, Solid, 4.0, 4.0), unknown];
    let advised = advise(Fleischner2017, &patient(Fleischner2017, Some(false)), &lesions);
    let texts =
        |language| -> Vec<String> { advised.refused.iter().map(|refusal| refusal.text(language)).collect() };
    assert_eq!(
        texts(Language::English),
        [
            "Fleischner 2017 gives no advice on finding 2: whether it is solid or ground-glass could not be told.",
            "Fleischner 2017 gives no advice on the other findings: finding 2 could not be judged and may need \
         earlier follow-up.",
        ]
    );
    assert_eq!(
        texts(Language::Chinese),
        [
            "病灶 2：无法判定为实性或磨玻璃密度，Fleischner 2017 未给出建议。",
            "病灶 2无法判定，可能需要更早随访，故 Fleischner 2017 对其余病灶亦未给出建议。",
        ]
    );
}

#[test]
fn the_documentation_has_every_row_with_its_source() {
    let text =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/GUIDELINES.md")).unwrap();
    for guideline in [Fleischner2017, LungRads2022, CLungRads] {
        for row in guideline.table() {
            assert!(text.contains(&format!("`{}`", row.id)), "{} is not in docs/GUIDELINES.md", row.id);
            let doi = row.source.split_once("doi:").unwrap().1.split(',').next().unwrap();
            assert!(text.contains(doi), "{doi} is not in docs/GUIDELINES.md");
        }
    }
}

#[test]
fn ages_are_in_no_report() {
    let young = Patient { age_years: Some(29), ..patient(Fleischner2017, None) };
    let advised = advise(Fleischner2017, &young, &[nodule(1, Solid, 7.0, 7.0)]);
    let json = serde_json::to_string(&advised).unwrap();
    assert!(!json.contains("29") && json.contains("\"age\""), "{json}");
    let again: Advised = serde_json::from_str(&json).unwrap();
    assert_eq!(again, advised);
}

/// A finding of the report that this nodule is a part of.
fn finding(lesion: &Lesion) -> Finding {
    let (long_axis_mm, short_axis_mm) = (lesion.long_axis_mm.unwrap(), lesion.short_axis_mm.unwrap());
    Finding {
        number: lesion.number,
        kind: Kind::LungNodule,
        site: Site { organ: Organ::Lung, side: Some(Side::Left) },
        measurements: Measurements {
            centre_lps_mm: Lps::new(1.0, 2.0, 3.0),
            long_axis_mm,
            short_axis_mm,
            max_diameter_3d_mm: long_axis_mm,
            volume_mm3: 321.0,
            voxels: 100,
            mean_hu: -12.0,
            min_hu: -120.0,
            max_hu: 60.0,
            sd_hu: 20.0,
            slice: 41,
            long_axis_ij: [[0.0; 2]; 2],
            short_axis_ij: [[0.0; 2]; 2],
            outline_ij: Vec::new(),
        },
        density: lesion.density,
        solid_part: None,
        change: lesion.change.clone(),
        confidence: 0.9,
        model: "made-up".to_owned(),
        sop_instance_uid: Uid::derived(&["slice"]),
        tracking_uid: Uid::derived(&["lesion"]),
        critical: false,
        mask: Mask::default(),
    }
}

#[test]
fn every_advice_and_every_refusal_of_a_patient_passes_the_check_of_words() {
    let mut lesions: Vec<(Guideline, Vec<Lesion>)> = Vec::new();
    for &(density, several, mm, ..) in FLEISCHNER {
        lesions.push((
            Fleischner2017,
            (1..=1 + usize::from(several)).map(|n| nodule(n, density, mm, mm)).collect(),
        ));
    }
    lesions.extend(PART_SOLID.iter().map(|case| (case.0, vec![part_solid(1, case.2, [case.3; 2])])));
    lesions.extend(BASELINE.iter().map(|case| (case.0, vec![nodule(1, case.1, case.2, case.2)])));
    let examined = [Examined {
        organ: Organ::Lung,
        kind: Kind::LungNodule,
        organ_found: true,
        organ_volume_ml: Some(4321.0),
        model: "made-up".to_owned(),
    }];
    for (guideline, lesions) in lesions {
        let healthy = patient(guideline, None);
        for patient in [healthy, Patient { age_years: Some(20), screening: None, ..healthy }] {
            let advised = advise(guideline, &patient, &lesions);
            let findings: Vec<Finding> = lesions.iter().map(finding).collect();
            let facts = Facts {
                modality: "CT",
                slices: 100,
                spacing_mm: [0.7, 0.7, 1.0],
                findings: &findings,
                examined: &examined,
                compared: None,
                advised: &advised,
                warnings: &[],
            };
            for language in [Language::English, Language::Chinese] {
                let narrative = Narrative::template(language, &facts);
                let verdict = check(&narrative, &Evidence::of(&facts, patient, None));
                // What it says of the other sections is tried elsewhere.
                let of_advice =
                    |fault: &&Fault| fault.place.is_none_or(|place| place.section == Section::Recommendation);
                let faults: Vec<&Fault> = verdict.faults.iter().filter(of_advice).collect();
                assert!(faults.is_empty(), "{faults:?} in {:?}", narrative.recommendation);
            }
        }
    }
}
