//! What is said beside what was measured.

use engine::check::Class;
use engine::{Finding, Kind};

use crate::case::Case;
use crate::mutate::How::{self, Clause, General};
use crate::mutate::{Apply, Claim, Mutator};

pub(crate) const fn claim(
    name: &'static str,
    class: Class,
    also: &'static [Class],
    claim: &'static Claim,
) -> Mutator {
    Mutator { name, class, also, held_out: false, apply: Apply::Claim(claim) }
}

/// Wrong of every examination.
pub(crate) fn always(_: &Case, _: Option<&Finding>) -> bool {
    true
}

pub(crate) fn no_prior(case: &Case, _: Option<&Finding>) -> bool {
    case.compared.is_none()
}

fn is_nodule(_: &Case, finding: Option<&Finding>) -> bool {
    finding.is_some_and(|finding| finding.kind == Kind::LungNodule)
}

const fn of(
    how: How,
    when: fn(&Case, Option<&Finding>) -> bool,
    chinese: &'static [&'static str],
    english: &'static [&'static str],
) -> Claim {
    Claim { how, when, chinese, english }
}

pub(crate) const ALL: &[Mutator] = &[
    claim(
        "how a nodule looks",
        Class::Feature,
        &[Class::UnknownWords, Class::Malignancy, Class::LesionKind, Class::Invented],
        &of(
            Clause,
            is_nodule,
            &[
                "边缘见毛刺",
                "呈分叶状",
                "边界清晰",
                "内见钙化",
                "伴胸膜牵拉",
                "内见空泡",
                "形态不规则",
                "边缘光滑",
            ],
            &[
                "with spiculated margins",
                "lobulated",
                "well defined",
                "with central calcification",
                "with pleural retraction",
                "irregular in shape",
                "with smooth margins",
                "cavitating",
            ],
        ),
    ),
    claim(
        "how any lesion looks",
        Class::Feature,
        &[Class::UnknownWords, Class::Contrast, Class::Malignancy, Class::Density, Class::LesionKind],
        &of(
            Clause,
            always,
            &["密度均匀", "边界不清", "呈类圆形", "内部密度不均", "周围见水肿带", "呈明显强化"],
            &[
                "homogeneous",
                "ill-defined",
                "rounded",
                "with heterogeneous density",
                "with a hypodense rim",
                "enhancing avidly",
            ],
        ),
    ),
    claim(
        "cancer",
        Class::Malignancy,
        &[Class::Certainty, Class::UnknownWords],
        &of(
            Clause,
            always,
            &["考虑恶性", "转移瘤可能", "符合肺癌表现", "恶性可能性大", "肿瘤性病变"],
            &[
                "suspicious for malignancy",
                "likely a metastasis",
                "consistent with lung cancer",
                "malignant",
                "compatible with carcinoma",
            ],
        ),
    ),
    claim(
        "no cancer",
        Class::Malignancy,
        &[Class::Certainty, Class::UnknownWords, Class::Feature],
        &of(
            Clause,
            always,
            &["考虑良性", "良性病变", "炎性结节可能", "陈旧性病灶", "考虑肉芽肿"],
            &[
                "probably benign",
                "benign in appearance",
                "likely a granuloma",
                "inflammatory in origin",
                "most likely a hamartoma",
            ],
        ),
    ),
    claim(
        "not sure",
        Class::Certainty,
        &[Class::UnknownWords],
        &of(
            Clause,
            always,
            &["不除外伪影", "待排除", "不能确定", "建议结合临床除外伪影"],
            &["cannot be excluded", "of uncertain presence", "possibly an artefact", "presence doubtful"],
        ),
    ),
    claim(
        "a comparison without a prior",
        Class::NoPrior,
        &[Class::Trend, Class::Change],
        &of(
            Clause,
            no_prior,
            &["较前增大", "较前片相仿", "较前缩小", "为新发", "与前次检查比较无变化", "大小同前"],
            &[
                "unchanged from the prior examination",
                "larger than before",
                "new since the last study",
                "stable",
                "previously smaller",
                "increased in size",
            ],
        ),
    ),
    claim(
        "an examination compared with",
        Class::NoPrior,
        &[Class::Date, Class::Change, Class::Trend],
        &of(
            General,
            no_prior,
            &["与 3 个月前检查比较。", "与前片对比。", "较前次检查无明显变化。"],
            &[
                "Compared with the prior study of 3 months ago.",
                "Comparison is made with the previous CT.",
                "No change since the last examination.",
            ],
        ),
    ),
    claim(
        "a date",
        Class::Date,
        &[Class::NoPrior, Class::Number],
        &of(
            Clause,
            always,
            &["检查于2024年5月13日", "2023-11-02 首次发现", "2024年5月首次发现"],
            &["first seen on 2023-11-02", "as of 13 May 2024", "on 05/13/2024"],
        ),
    ),
    claim(
        "a date of the examination",
        Class::Date,
        &[Class::Number, Class::Identifier],
        &of(
            General,
            always,
            &["检查日期：2024年5月13日。", "检查时间 2024-05-13。"],
            &["Date of examination: 2024-05-13.", "Examined on May 13, 2024."],
        ),
    ),
    claim(
        "biopsy",
        Class::Recommendation,
        &[Class::Malignancy, Class::UnknownWords],
        &of(
            General,
            always,
            &["建议穿刺活检。", "建议手术切除。", "建议抗炎治疗后复查。", "建议 2 周后复查 CT。"],
            &[
                "Biopsy is recommended.",
                "Surgical resection is advised.",
                "Recommend antibiotics and repeat imaging.",
                "Repeat CT in 2 weeks is recommended.",
            ],
        ),
    ),
    claim(
        "follow-up where the guideline is silent",
        Class::Recommendation,
        &[Class::Interval],
        &of(
            General,
            |case, _| case.advised.advice.is_empty(),
            &["建议 3 个月后复查 CT。", "建议定期随访。", "建议年度复查。", "随诊。"],
            &[
                "Follow-up CT in 3 months.",
                "Annual follow-up is recommended.",
                "Recommend PET-CT.",
                "Further evaluation is advised.",
            ],
        ),
    ),
    claim(
        "another disease",
        Class::Invented,
        &[Class::NotAssessed, Class::UnknownWords, Class::Feature, Class::LesionKind],
        &of(
            General,
            always,
            &[
                "右侧胸腔少量积液。",
                "纵隔淋巴结肿大。",
                "双肺肺气肿。",
                "右肺肺炎。",
                "冠状动脉钙化。",
                "脂肪肝。",
            ],
            &[
                "There is a small right pleural effusion.",
                "Enlarged mediastinal lymph nodes.",
                "Emphysema of both lungs.",
                "Pneumonia in the right lung.",
                "Coronary artery calcification.",
                "Fatty liver.",
            ],
        ),
    ),
    claim(
        "another lesion",
        Class::Invented,
        &[Class::Number, Class::Count, Class::Merged, Class::Evidence, Class::Side],
        &of(
            General,
            always,
            &[
                "左肺另见一枚结节，大小约 3.3 mm × 2.2 mm。",
                "右肺另见 3.3 mm 实性结节。",
                "肝内另见一枚 77.7 mm 病灶。",
            ],
            &[
                "A further nodule of 3.3 × 2.2 mm is seen in the left lung.",
                "There is another 3.3 mm solid nodule in the right lung.",
                "A further focal lesion of 77.7 mm is seen in the liver.",
            ],
        ),
    ),
    claim(
        "something healthy that nobody looked at",
        Class::NotAssessed,
        &[Class::Invented, Class::UnknownWords, Class::AssertedAbsent],
        &of(
            General,
            always,
            &[
                "双侧胸腔未见积液。",
                "纵隔未见肿大淋巴结。",
                "心影大小正常。",
                "骨质未见异常。",
                "脾脏、胰腺未见异常。",
            ],
            &[
                "No pleural effusion.",
                "No enlarged lymph nodes.",
                "The heart is of normal size.",
                "The bones are unremarkable.",
                "The spleen and pancreas are normal.",
            ],
        ),
    ),
    claim(
        "an organ that was not found",
        Class::NotAssessed,
        &[Class::Contradiction, Class::UnknownWords, Class::AssertedAbsent],
        &of(
            General,
            |case, _| case.not_found(engine::Organ::Liver),
            &["肝脏未见局灶性病变。", "肝脏形态正常。", "肝内未检出病灶。"],
            &["The liver is normal.", "No focal liver lesion.", "The liver shows no focal lesion."],
        ),
    ),
    claim(
        "another modality",
        Class::Modality,
        &[Class::Contrast, Class::Recommendation],
        &of(
            General,
            always,
            &["超声检查。", "本次为 PET 检查。", "X 线胸片检查。"],
            &["Ultrasound examination.", "This is a PET study.", "Chest radiograph."],
        ),
    ),
    claim(
        "contrast",
        Class::Contrast,
        &[Class::Feature, Class::Modality],
        &of(
            General,
            |case, _| case.contrast != Some(true),
            &["增强扫描。", "静脉注射对比剂后扫描。", "动脉期及门静脉期扫描。"],
            &[
                "Contrast-enhanced examination.",
                "Intravenous contrast was given.",
                "Arterial and portal venous phases were acquired.",
            ],
        ),
    ),
    claim(
        "no contrast",
        Class::Contrast,
        &[Class::Modality],
        &of(
            General,
            |case, _| case.contrast != Some(false),
            &["平扫。", "未使用对比剂。", "非增强扫描。"],
            &["Unenhanced examination.", "No contrast was given.", "Non-contrast scan."],
        ),
    ),
    claim(
        "an age",
        Class::Age,
        &[Class::Identifier, Class::Number, Class::UnknownWords],
        &of(
            General,
            always,
            &["患者 45 岁。", "患者年龄 83 岁。", "老年患者。"],
            &["The patient is 45 years old.", "83-year-old patient.", "Elderly patient."],
        ),
    ),
    claim(
        "a series",
        Class::Series,
        &[Class::Slice, Class::Number, Class::UnknownWords],
        &of(
            Clause,
            always,
            &["见于序列 3", "（序列5，图像 77）", "图像编号 88", "见第 4 序列"],
            &["series 3", "on image 88", "(series 5, image 77)", "se 4 im 12"],
        ),
    ),
    claim(
        "words that mean nothing",
        Class::UnknownWords,
        &[Class::Feature, Class::Invented],
        &of(
            Clause,
            always,
            &["呈魑魅状", "可见蓬莱征", "饕餮分布"],
            &["with flurbish texture", "of zorbic type", "glimmering quintly"],
        ),
    ),
    claim(
        "a largest that is not",
        Class::Superlative,
        &[Class::Contradiction, Class::Merged, Class::Number],
        &of(
            Clause,
            smaller,
            &["为其中最大者", "为最大病灶", "是最大的一个"],
            &["the largest of all", "which is the largest", "the largest one"],
        ),
    ),
    claim(
        "thinking aloud",
        Class::ThinkTag,
        &[Class::Markup, Class::Instruction],
        &of(
            Clause,
            always,
            &["</think>", "<think>先看一下数据</think>", "<|im_end|>"],
            &["</think>", "<think>let me see</think>", "<|im_end|>"],
        ),
    ),
];

/// Whether another finding of the same kind is larger.
pub(crate) fn smaller(case: &Case, finding: Option<&Finding>) -> bool {
    finding.is_some_and(|finding| {
        let long = finding.measurements.long_axis_mm;
        case.findings.iter().any(|f| f.kind == finding.kind && f.measurements.long_axis_mm > long + 0.3)
    })
}
