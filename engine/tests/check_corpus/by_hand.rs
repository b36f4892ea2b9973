//! Faithful sentences written by hand, as radiologists write them, about six examinations.

use engine::check::Section::{self, Findings, Impression};
use engine::guideline::{Advised, Guideline, Patient, Sex};
use engine::narrative::{Author, Sentence};
use engine::track::{Alignment, Compared, Resolved, Trend};
use engine::{Density, Finding, Kind, Language, Narrative, Organ, Side, Site};

use crate::case::{Case, Made, change, finding, looked_at};

/// The examinations that sentences by hand are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// A solid nodule of the right lung; a liver without lesions.
    One,
    /// Nodules in both lungs and a lesion of the liver, with contrast.
    Several,
    /// Three nodules 90 days after a prior: grown, new, unchanged; and one that is gone.
    Followed,
    /// Lungs and liver without findings.
    Nothing,
    /// A liver lesion in magnetic resonance.
    Magnetic,
    /// A critical mass of the left lung; no liver in the images.
    Mass,
}

pub(crate) use About::{Followed, Magnetic, Mass, Nothing, One, Several};

/// A sentence by hand: the examination, the section, the findings it rests on, and the words.
pub(crate) type ByHand = (About, Section, &'static [usize], &'static str);

fn nodule(
    side: Side,
    density: Density,
    axes_mm: [f64; 2],
    volume_mm3: f64,
    mean_hu: f64,
    slice: usize,
) -> Finding {
    let made = Made { axes_mm, volume_mm3, mean_hu, slice, score: 0.91 };
    finding(Kind::LungNodule, Some(side), Some(density), &made)
}

fn lesion(axes_mm: [f64; 2], volume_mm3: f64, mean_hu: f64, slice: usize) -> Finding {
    finding(Kind::LiverLesion, None, None, &Made { axes_mm, volume_mm3, mean_hu, slice, score: 0.82 })
}

impl About {
    pub(crate) fn case(self) -> Case {
        let both = vec![looked_at(Organ::Lung, true, None), looked_at(Organ::Liver, true, Some(1523.0))];
        let plain = Case {
            modality: "CT",
            contrast: None,
            slices: 330,
            spacing_mm: [0.7, 0.7, 1.0],
            patient: Patient {
                sex: Some(Sex::Male),
                age_years: Some(62),
                high_risk: Some(true),
                known_cancer: Some(false),
                immunosuppressed: Some(false),
                screening: Some(false),
            },
            findings: Vec::new(),
            examined: both,
            compared: None,
            advised: Advised::default(),
            warnings: Vec::new(),
        };
        let fleischner = Some(Guideline::Fleischner2017);
        match self {
            One => Case {
                findings: vec![nodule(Side::Right, Density::Solid, [8.4, 6.9], 310.0, 32.0, 142)],
                ..plain
            }
            .complete(fleischner),
            Several => Case {
                findings: vec![
                    nodule(Side::Right, Density::PartSolid, [12.3, 9.8], 640.0, -310.0, 88),
                    nodule(Side::Left, Density::GroundGlass, [6.2, 5.1], 99.0, -640.0, 201),
                    lesion([23.1, 18.8], 4212.0, 47.0, 301),
                ],
                contrast: Some(true),
                ..plain
            }
            .complete(None),
            Followed => followed(plain).complete(None),
            Nothing => Case { contrast: Some(false), ..plain }.complete(None),
            Magnetic => Case {
                modality: "MR",
                slices: 60,
                findings: vec![lesion([21.4, 17.3], 3214.0, 812.0, 8)],
                examined: vec![looked_at(Organ::Liver, true, None)],
                ..plain
            }
            .complete(None),
            Mass => {
                let mut mass = nodule(Side::Left, Density::Solid, [38.2, 31.4], 18_412.0, 41.0, 77);
                mass.critical = true;
                let examined = vec![looked_at(Organ::Lung, true, None), looked_at(Organ::Liver, false, None)];
                Case { findings: vec![mass], examined, ..plain }.complete(None)
            }
        }
    }
}

fn followed(plain: Case) -> Case {
    let mut grown = nodule(Side::Right, Density::Solid, [10.2, 8.1], 372.0, 28.0, 120);
    let mut new = nodule(Side::Left, Density::Solid, [5.6, 4.4], 58.0, 12.0, 64);
    let mut same = nodule(Side::Right, Density::Solid, [4.8, 4.1], 42.0, 19.0, 210);
    grown.change = Some(change(&grown, Trend::Grown, Some(0.8), Some(90)));
    new.change = Some(change(&new, Trend::New, None, Some(90)));
    same.change = Some(change(&same, Trend::Unchanged, Some(1.0), Some(90)));
    let uid = grown.tracking_uid.clone();
    let compared = Compared {
        study_uid: uid.clone(),
        series_uid: uid.clone(),
        days: Some(90),
        alignment: Alignment::Images { correlation: 0.94, overlap: 0.98 },
        resolved: vec![Resolved {
            kind: Kind::LungNodule,
            site: Site { organ: Organ::Lung, side: Some(Side::Left) },
            tracking_uid: uid,
            prior_long_axis_mm: 4.7,
            prior_short_axis_mm: Some(3.8),
        }],
        not_compared: 0,
    };
    Case { findings: vec![grown, new, same], compared: Some(compared), contrast: Some(false), ..plain }
}

/// The template's report, in which this sentence stands for what the template says of the same.
pub(crate) fn report(language: Language, (about, section, evidence, text): ByHand) -> (Case, Narrative) {
    let case = about.case();
    let mut narrative = case.template(language);
    let list = match section {
        Section::Findings => &mut narrative.findings,
        _ => &mut narrative.impression,
    };
    let last = list.len() - 1;
    let mut at = 0;
    list.retain(|sentence| {
        at += 1;
        let replaced = match evidence {
            [] => sentence.evidence.is_empty(),
            // A sentence without sizes counts findings and describes none.
            [_, _, ..] if !text.contains("mm") => sentence.evidence == evidence,
            _ => !sentence.evidence.is_empty() && sentence.evidence.iter().all(|n| evidence.contains(n)),
        };
        // Who has not checked the report stands at its end.
        !replaced || (section == Impression && at - 1 == last)
    });
    let sentence = Sentence {
        text: text.to_owned(),
        evidence: evidence.to_vec(),
        rules: Vec::new(),
        author: Author::Model,
    };
    let place = match (section, evidence) {
        (Findings, []) => list.len(),
        _ => 0,
    };
    list.insert(place, sentence);
    // What must be told at once is told by the template where the sentence leaves it out.
    let critical = case.findings.iter().any(|finding| finding.critical && evidence.contains(&finding.number));
    if critical && section == Impression {
        let template = case.template(language).impression;
        let told = template.into_iter().filter(|s| s.text.contains("危急值") || s.text.contains("Critical"));
        narrative.impression.splice(1..1, told);
    }
    (case, narrative)
}

/// In English.
pub(crate) const ENGLISH: &[ByHand] = &[
    (One, Findings, &[1], "There is a solid nodule in the right lung measuring 8.4 x 6.9 mm (slice 142)."),
    (
        One,
        Findings,
        &[1],
        "A solitary solid pulmonary nodule is seen in the right lung, measuring 8.4 × 6.9 mm.",
    ),
    (
        One,
        Findings,
        &[1],
        "Right lung: solid nodule, 8.4 mm in longest axial diameter, volume 310 mm3, mean attenuation 32 HU.",
    ),
    (One, Findings, &[1], "An 8.4 mm solid nodule is present in the right lung on slice 142."),
    (
        One,
        Findings,
        &[1],
        "The right lung contains a solid nodule of 8.4 by 6.9 mm with a volume of 310 mm³ and a mean attenuation of 32 HU.",
    ),
    (
        One,
        Findings,
        &[1],
        "Within the right lung a solid nodule is identified; it measures 0.84 x 0.69 cm and has a mean density of 32 HU.",
    ),
    (One, Findings, &[1], "Solid right lung nodule with long axis 8.4 mm and short axis 6.9 mm."),
    (One, Findings, &[1], "The long axis of the right lung nodule is 8.4 mm, the short axis 6.9 mm."),
    (
        One,
        Findings,
        &[1],
        "Finding 1 is an 8.4 mm solid nodule in the right lung, best appreciated on slice 142 of 330.",
    ),
    (
        One,
        Findings,
        &[1],
        "On slice 142 a solid nodule is demonstrated in the right lung; its maximal axial diameter is 8.4 mm.",
    ),
    (One, Findings, &[1], "There is a right-sided solid pulmonary nodule, 8.4 mm in diameter."),
    (
        One,
        Findings,
        &[1],
        "A single solid nodule was detected in the right lung with a size of 8.4 × 6.9 mm, a volume of 310 mm³ and a detection score of 0.91.",
    ),
    (One, Findings, &[], "The liver demonstrates no focal lesion."),
    (One, Findings, &[], "No focal lesion is identified within the liver."),
    (
        One,
        Findings,
        &[],
        "Liver: no focal hepatic lesion is detected; liver volume within the images 1523 ml.",
    ),
    (One, Impression, &[1], "Solitary solid nodule in the right lung measuring 8.4 x 6.9 mm."),
    (One, Impression, &[1], "8.4 mm solid right lung nodule."),
    (One, Impression, &[1], "Single solid pulmonary nodule, right lung, long axis 8.4 mm."),
    (One, Impression, &[], "No focal liver lesion."),
    (Several, Findings, &[1, 2], "There are two pulmonary nodules, one in each lung."),
    (
        Several,
        Findings,
        &[1, 2],
        "Two lung nodules are seen: a part-solid nodule in the right lung measuring 12.3 x 9.8 mm and a ground-glass nodule in the left lung measuring 6.2 x 5.1 mm.",
    ),
    (
        Several,
        Findings,
        &[1],
        "The larger nodule is part-solid, lies in the right lung and measures 12.3 × 9.8 mm.",
    ),
    (
        Several,
        Findings,
        &[1],
        "Part-solid nodule of the right lung, 1.2 cm in longest diameter, with a mean attenuation of -310 HU.",
    ),
    (
        Several,
        Findings,
        &[1],
        "In the right lung, a part-solid nodule measures 12.3 mm in its long axis and 9.8 mm in its short axis (volume 640 mm³).",
    ),
    (Several, Findings, &[2], "A ground-glass nodule measuring 6.2 × 5.1 mm is noted in the left lung."),
    (
        Several,
        Findings,
        &[2],
        "Left lung: pure ground-glass nodule, 6.2 mm, mean attenuation -640 HU, slice 201.",
    ),
    (Several, Findings, &[2], "The smaller, ground-glass nodule in the left lung measures 6.2 x 5.1 mm."),
    (
        Several,
        Findings,
        &[3],
        "There is a focal hepatic lesion measuring 23.1 × 18.8 mm with a mean attenuation of 47 HU.",
    ),
    (Several, Findings, &[3], "A focal lesion of 2.3 cm is seen in the liver on slice 301."),
    (
        Several,
        Findings,
        &[3],
        "The liver shows a single focal lesion, 23.1 mm in long axis and 4.2 ml in volume.",
    ),
    (Several, Findings, &[3], "Focal liver lesion measuring 23.1 by 18.8 mm, volume 4.2 cm³."),
    (Several, Findings, &[], "Contrast-enhanced CT, 330 slices."),
    (Several, Findings, &[], "Intravenous contrast was given."),
    (
        Several,
        Impression,
        &[1, 2],
        "Two pulmonary nodules, the largest part-solid in the right lung measuring 12.3 x 9.8 mm.",
    ),
    (Several, Impression, &[1, 2], "Bilateral lung nodules, 6.2 to 12.3 mm in long axis."),
    (
        Several,
        Impression,
        &[1, 2],
        "Part-solid nodule in the right lung (12.3 mm) and ground-glass nodule in the left lung (6.2 mm).",
    ),
    (Several, Impression, &[3], "Focal liver lesion, 23.1 × 18.8 mm."),
    (Several, Impression, &[3], "One focal hepatic lesion of 23.1 mm."),
    (Followed, Findings, &[], "Comparison: prior examination 90 days ago."),
    (Followed, Findings, &[], "The study is compared with the prior examination performed 90 days earlier."),
    (
        Followed,
        Findings,
        &[1],
        "The solid nodule in the right lung has increased in size and now measures 10.2 × 8.1 mm, previously 8.2 × 6.5 mm.",
    ),
    (Followed, Findings, &[1], "Interval growth of the right lung nodule from 8.2 mm to 10.2 mm."),
    (
        Followed,
        Findings,
        &[1],
        "Right lung nodule, 10.2 × 8.1 mm, larger than on the prior examination, with a volume increase of 95 % in 90 days.",
    ),
    (
        Followed,
        Findings,
        &[1],
        "The right lung nodule has grown from 8.2 to 10.2 mm in long axis over 90 days; volume doubling time 93 days.",
    ),
    (Followed, Findings, &[2], "There is a new solid nodule in the left lung measuring 5.6 × 4.4 mm."),
    (Followed, Findings, &[2], "A 5.6 mm solid nodule in the left lung is new since the prior examination."),
    (Followed, Findings, &[3], "A further solid nodule in the right lung, 4.8 × 4.1 mm, is unchanged."),
    (
        Followed,
        Findings,
        &[3],
        "The 4.8 mm solid nodule in the right lung is stable compared with the prior.",
    ),
    (Followed, Findings, &[3], "Unchanged solid right lung nodule, 4.8 x 4.1 mm, on slice 210."),
    (Followed, Findings, &[], "The previously described 4.7 mm nodule in the left lung is no longer seen."),
    (Followed, Findings, &[], "Interval resolution of a left lung nodule that measured 4.7 × 3.8 mm."),
    (Followed, Impression, &[1, 2, 3], "Three lung nodules: one has grown, one is new and one is unchanged."),
    (
        Followed,
        Impression,
        &[1, 2, 3],
        "Three solid pulmonary nodules, the largest in the right lung (10.2 mm), which has grown since the prior examination.",
    ),
    (Nothing, Findings, &[], "No pulmonary nodule is identified."),
    (Nothing, Findings, &[], "The lungs show no nodules."),
    (Nothing, Findings, &[], "There is no evidence of pulmonary nodules or of focal liver lesions."),
    (Nothing, Findings, &[], "Neither lung contains a nodule."),
    (Nothing, Findings, &[], "Unenhanced CT with 330 slices."),
    (Nothing, Impression, &[], "No lung nodules and no focal liver lesions were detected."),
    (Nothing, Impression, &[], "No pulmonary nodule."),
    (Magnetic, Findings, &[1], "MR of the liver shows a focal lesion measuring 21.4 × 17.3 mm."),
    (
        Magnetic,
        Findings,
        &[1],
        "A focal liver lesion, 21.4 mm in longest diameter and 3.2 ml in volume, is seen on slice 8 of 60.",
    ),
    (Magnetic, Impression, &[1], "Focal liver lesion measuring 2.1 cm."),
    (
        Mass,
        Findings,
        &[1],
        "Solid nodule in the left lung, 38.2 × 31.4 mm, volume 18.4 ml, mean attenuation 41 HU.",
    ),
    (
        Mass,
        Findings,
        &[1],
        "The left lung contains a solid lesion of 38.2 x 31.4 mm with its largest section on slice 77.",
    ),
    (Mass, Findings, &[], "The liver is not included in the images and was not assessed."),
    (Mass, Impression, &[1], "Solid nodule in the left lung with a long axis of 38.2 mm."),
    (Mass, Impression, &[], "The liver was not assessed."),
];

/// In Chinese.
pub(crate) const CHINESE: &[ByHand] = &[
    (One, Findings, &[1], "右肺见一枚实性结节，直径约8.4 mm，体积约310 mm3，平均CT值约32 HU（第142层）。"),
    (One, Findings, &[1], "右肺可见一实性结节影，大小约8.4mm×6.9mm。"),
    (One, Findings, &[1], "右肺内见单发实性小结节，最大径约8.4mm，位于第142层。"),
    (One, Findings, &[1], "于右肺探及实性结节一枚，长径8.4 mm，短径6.9 mm。"),
    (One, Findings, &[1], "右肺结节呈实性，大小约0.84cm×0.69cm，平均CT值约32HU。"),
    (One, Findings, &[1], "右侧肺见实性结节1枚，长径约8.4mm，体积约310立方毫米。"),
    (One, Findings, &[1], "第142层示右肺实性结节，最大层面大小约8.4×6.9mm。"),
    (One, Findings, &[1], "右肺实性结节，长短径约8.4mm×6.9mm，平均密度约32HU。"),
    (One, Findings, &[1], "右肺实性结节（病灶1），大小8.4 mm × 6.9 mm，体积310 mm³，检测评分0.91。"),
    (One, Findings, &[1], "病灶1位于右肺，为实性结节，长径8.4毫米，短径6.9毫米。"),
    (One, Findings, &[1], "右肺内可见一枚直径约8.4mm的实性结节。"),
    (One, Findings, &[1], "右肺见约8.4×6.9mm实性结节。"),
    (One, Findings, &[], "肝内未见局灶性病变。"),
    (One, Findings, &[], "肝脏未见局灶性异常密度灶。"),
    (One, Findings, &[], "肝脏图像范围内体积约1523ml，其内未见局灶性病灶。"),
    (One, Impression, &[1], "右肺实性小结节，长径约8.4mm。"),
    (One, Impression, &[1], "右肺单发实性结节，大小约8.4mm×6.9mm。"),
    (One, Impression, &[1], "右肺实性结节（8.4 mm）。"),
    (One, Impression, &[], "肝脏未见局灶性病变。"),
    (Several, Findings, &[1, 2], "双肺共见两枚结节，左右各一枚。"),
    (
        Several,
        Findings,
        &[1, 2],
        "两肺见2个结节：右肺部分实性结节大小约12.3×9.8mm，左肺磨玻璃结节大小约6.2×5.1mm。",
    ),
    (Several, Findings, &[1], "较大者位于右肺，为部分实性结节，大小约12.3×9.8mm。"),
    (Several, Findings, &[1], "右肺见混合磨玻璃结节，长径约1.23cm，平均CT值约-310HU。"),
    (Several, Findings, &[1], "右肺部分实性结节，最大径12.3 mm，体积约640 mm³，见于第88层。"),
    (Several, Findings, &[2], "左肺见磨玻璃结节，大小约6.2mm×5.1mm，平均CT值-640HU。"),
    (Several, Findings, &[2], "左肺另见一枚纯磨玻璃结节，直径约6.2mm，位于第201层。"),
    (Several, Findings, &[2], "较小者位于左肺，为磨玻璃结节，长径6.2 mm。"),
    (Several, Findings, &[3], "肝内见一局灶性病变，大小约23.1×18.8mm，平均CT值约47HU。"),
    (Several, Findings, &[3], "肝脏可见局灶性病灶，最大径约2.3cm，位于第301层。"),
    (Several, Findings, &[3], "肝实质内见一枚病灶，长径约23.1mm，体积约4.2ml。"),
    (Several, Findings, &[3], "肝内占位，大小约23.1mm×18.8mm，体积4.2 cm³。"),
    (Several, Findings, &[], "CT 增强扫描，共330层。"),
    (Several, Findings, &[], "本次检查注射了对比剂。"),
    (Several, Impression, &[1, 2], "双肺结节2枚，较大者位于右肺，为部分实性，大小约12.3×9.8mm。"),
    (Several, Impression, &[1, 2], "两肺多发结节，长径6.2~12.3mm。"),
    (Several, Impression, &[1, 2], "右肺部分实性结节（12.3 mm）、左肺磨玻璃结节（6.2 mm）。"),
    (Several, Impression, &[3], "肝脏局灶性病变，大小约23.1×18.8mm。"),
    (Several, Impression, &[3], "肝内单发局灶性病灶，长径23.1 mm。"),
    (Followed, Findings, &[], "与90天前的前次检查对比。"),
    (Followed, Findings, &[], "对照前片（间隔90天）。"),
    (Followed, Findings, &[1], "右肺实性结节较前增大，现大小约10.2×8.1mm，前次约8.2×6.5mm。"),
    (Followed, Findings, &[1], "右肺实性结节，长径由8.2mm增大至10.2mm。"),
    (Followed, Findings, &[1], "右肺结节较前片增大，90天内体积增加约95%，大小10.2 mm × 8.1 mm。"),
    (Followed, Findings, &[1], "右肺结节大小约10.2mm×8.1mm，较前增大，体积倍增时间约93天。"),
    (Followed, Findings, &[2], "左肺新发实性结节，大小约5.6×4.4mm。"),
    (Followed, Findings, &[2], "左肺见一新发实性小结节，直径约5.6mm，前片未见。"),
    (Followed, Findings, &[3], "右肺另一实性结节大小约4.8×4.1mm，与前相仿。"),
    (Followed, Findings, &[3], "右肺实性结节，长径4.8mm，较前无明显变化。"),
    (Followed, Findings, &[3], "右肺第210层实性结节，大小约4.8×4.1mm，较前变化不明显。"),
    (Followed, Findings, &[], "原左肺4.7mm结节此次未见显示。"),
    (Followed, Findings, &[], "前片所示左肺结节（4.7×3.8mm）已消失。"),
    (Followed, Impression, &[1, 2, 3], "双肺实性结节3枚，其中1枚较前增大，1枚为新发，1枚无明显变化。"),
    (Followed, Impression, &[1, 2, 3], "双肺多发实性结节，较大者位于右肺（10.2 mm），较前增大。"),
    (Nothing, Findings, &[], "双肺野内未见结节影。"),
    (Nothing, Findings, &[], "两肺未见结节，肝内未见局灶性病变。"),
    (Nothing, Findings, &[], "肺内未见明确结节。"),
    (Nothing, Findings, &[], "左右肺均未检出结节。"),
    (Nothing, Findings, &[], "CT 平扫，共330层。"),
    (Nothing, Impression, &[], "双肺未见结节，肝脏未见局灶性病变。"),
    (Nothing, Impression, &[], "未发现肺结节。"),
    (Magnetic, Findings, &[1], "肝脏 MR 示局灶性病变，大小约21.4×17.3mm。"),
    (Magnetic, Findings, &[1], "肝内见一局灶性病灶，最大径约21.4mm，体积约3.2ml，位于第8层（共60层）。"),
    (Magnetic, Impression, &[1], "肝内局灶性病灶，大小约21.4mm×17.3mm。"),
    (Mass, Findings, &[1], "左肺见实性结节，大小约38.2×31.4mm，体积约18.4ml，平均CT值约41HU。"),
    (Mass, Findings, &[1], "左肺实性病灶，最大层面位于第77层，长径约3.82cm。"),
    (Mass, Findings, &[], "图像范围内未见肝脏，未作评估。"),
    (Mass, Impression, &[1], "左肺实性结节，长径约38.2mm。"),
    (Mass, Impression, &[], "肝脏未评估。"),
];
