//! How long it takes to check a report of 15 sentences: under 2 ms is promised.
//!
//! `cargo bench -p engine --bench check`

use std::hint::black_box;
use std::time::{Duration, Instant};

use engine::check::check;
use engine::evidence::{Evidence, Lesion, What};
use engine::guideline::{Advised, Patient};
use engine::narrative::{Author, Sentence};
use engine::report::Examined;
use engine::{Density, Kind, Language, Narrative, Organ, Side};

fn main() {
    for language in [Language::Chinese, Language::English] {
        let (evidence, narrative) = (evidence(), narrative(language));
        // The lexicons are built at the first report.
        let first = Instant::now();
        let faults = check(&narrative, &evidence).faults;
        let first = first.elapsed();
        assert!(faults.is_empty(), "{faults:?}");
        let mut times: Vec<Duration> = (0..500)
            .map(|_| {
                let start = Instant::now();
                black_box(check(black_box(&narrative), black_box(&evidence)));
                start.elapsed()
            })
            .collect();
        times.sort();
        let (median, worst) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        println!("{language:?}: median {median:?}, 99 % under {worst:?}, the first {first:?}");
        assert!(median < Duration::from_millis(2), "a report of 15 sentences in {median:?}");
    }
}

fn side(number: usize) -> Side {
    if number.is_multiple_of(2) { Side::Left } else { Side::Right }
}

fn evidence() -> Evidence {
    let lesions = (1..=12).map(|number| {
        let long = 30.3 - 2.0 * number as f64;
        Lesion {
            number,
            what: What::LungNodule,
            organ: Some(Organ::Lung),
            side: Some(side(number)),
            lobe: None,
            density: Some(Density::Solid),
            solid_part_mm: None,
            long_axis_mm: Some(long),
            short_axis_mm: Some(long - 1.2),
            max_diameter_3d_mm: Some(long + 1.0),
            volume_mm3: Some(400.0 + 10.0 * number as f64),
            mean_hu: Some(30.0 + number as f64),
            sd_hu: Some(10.0),
            range_hu: Some([-50.0, 120.0]),
            slice: Some(10 * number),
            confidence: Some(0.9),
            critical: false,
            change: None,
        }
    });
    Evidence {
        modality: "CT".into(),
        contrast: None,
        slices: Some(300),
        spacing_mm: Some([0.7, 0.7, 1.25]),
        patient: Patient::default(),
        lesions: lesions.collect(),
        examined: vec![Examined {
            organ: Organ::Lung,
            kind: Kind::LungNodule,
            organ_found: true,
            organ_volume_ml: None,
            model: "model".into(),
        }],
        compared: None,
        advised: Advised::default(),
        warnings: Vec::new(),
    }
}

/// 13 sentences among the findings and 2 in the impression.
fn narrative(language: Language) -> Narrative {
    let all: Vec<usize> = (1..=12).collect();
    let sentence = |chinese: String, english: String, evidence: &[usize]| Sentence {
        text: if language == Language::Chinese { chinese } else { english },
        evidence: evidence.to_vec(),
        rules: Vec::new(),
        author: Author::Model,
    };
    let mut findings = vec![sentence(
        "CT 序列共 300 层，层间距 1.25 mm，像素间距 0.70 × 0.70 mm。".into(),
        "CT series of 300 slices, 1.25 mm apart, pixel spacing 0.70 × 0.70 mm.".into(),
        &[],
    )];
    for number in all.iter().copied() {
        let long = 30.3 - 2.0 * number as f64;
        let (short, volume, mean, slice) = (long - 1.2, 400 + 10 * number, 30 + number, 10 * number);
        let (zh, en) = match side(number) {
            Side::Left => ("左", "left"),
            Side::Right => ("右", "right"),
        };
        findings.push(sentence(
            format!("病灶 {number}：{zh}肺实性结节，长径 {long:.1} mm，短径 {short:.1} mm，体积 {volume} mm³，平均 CT 值 {mean} HU，位于第 {slice} 层（共 300 层），检测评分 0.90。"),
            format!("Finding {number}: solid nodule in the {en} lung, {long:.1} × {short:.1} mm, volume {volume} mm³, mean attenuation {mean} HU, slice {slice} of 300; detection score 0.90."),
            &[number],
        ));
    }
    let impression = vec![
        sentence(
            "肺结节 12 个（右侧 6 个，左侧 6 个），长径 6.3 至 28.3 mm；最大者为病灶 1（右肺），大小 28.3 mm × 27.1 mm。".into(),
            "12 lung nodules (6 right, 6 left), long axis 6.3 to 28.3 mm; the largest is finding 1 in the right lung, 28.3 × 27.1 mm.".into(),
            &all,
        ),
        sentence(
            "检测评分为模型输出值，未经校准，不代表患病概率。".into(),
            "Detection scores are the network's own, are not calibrated and are no probability of disease.".into(),
            &[],
        ),
    ];
    Narrative {
        language,
        findings,
        impression,
        recommendation: Vec::new(),
        patient_version: Vec::new(),
        worklist: String::new(),
    }
}
