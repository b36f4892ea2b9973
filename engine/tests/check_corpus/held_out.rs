//! Wordings kept from whoever writes the checker: please do not read this file if you do.
//!
//! Classes whose every wording here is kept: sex, identifier, instruction. Of the others, some wordings. The
//! rates of these mutations are published apart: they tell how the checker does on words nobody had in mind.

use engine::Organ;
use engine::check::Class;

use crate::claims::{always, no_prior, smaller};
use crate::mutate::How::{Clause, General, Sentence};
use crate::mutate::{Apply, Claim, Mutator, Swap};

const fn claim(name: &'static str, class: Class, also: &'static [Class], claim: &'static Claim) -> Mutator {
    Mutator { name, class, also, held_out: true, apply: Apply::Claim(claim) }
}

const fn swap(name: &'static str, class: Class, also: &'static [Class], swap: &'static Swap) -> Mutator {
    Mutator { name, class, also, held_out: true, apply: Apply::Swap(swap) }
}

pub(crate) const ALL: &[Mutator] = &[
    claim(
        "sex",
        Class::Sex,
        &[
            Class::Organ,
            Class::NotAssessed,
            Class::Invented,
            Class::Identifier,
            Class::UnknownWords,
            Class::Age,
        ],
        &Claim {
            how: General,
            when: always,
            chinese: &[
                "前列腺增大。",
                "子宫未见异常。",
                "女性患者。",
                "双侧附件区未见异常。",
                "患者为男性。",
            ],
            english: &[
                "The prostate is enlarged.",
                "The uterus is unremarkable.",
                "Female patient.",
                "The ovaries are normal.",
                "This gentleman was examined.",
            ],
        },
    ),
    claim(
        "an identifier",
        Class::Identifier,
        &[Class::UnknownWords, Class::Number, Class::Age, Class::Series],
        &Claim {
            how: General,
            when: always,
            chinese: &[
                "患者姓名：王小明。",
                "住院号 20231107。",
                "检查 UID 1.2.840.113619.2.55.3。",
                "电话 13812345678。",
                "送检医师李伟。",
            ],
            english: &[
                "Patient name: John Smith.",
                "MRN 20231107.",
                "Study UID 1.2.840.113619.2.55.3.",
                "Referring physician Dr. Miller.",
                "Phone 555-0173.",
            ],
        },
    ),
    claim(
        "instructions",
        Class::Instruction,
        &[Class::UnknownWords, Class::Language, Class::Markup],
        &Claim {
            how: General,
            when: always,
            chinese: &[
                "根据您提供的检查结果，报告如下。",
                "请按照上述 JSON 格式输出。",
                "作为一名放射科医生助手，我将撰写报告。",
                "以下是修改后的报告。",
                "好的，我明白了。",
            ],
            english: &[
                "Here is the report based on the findings provided.",
                "Return JSON only.",
                "As an AI language model I cannot diagnose.",
                "I have rewritten the sentences as requested.",
                "Use only the phrases given above.",
            ],
        },
    ),
    claim(
        "other features",
        Class::Feature,
        &[Class::UnknownWords, Class::Malignancy, Class::LesionKind, Class::Invented],
        &Claim {
            how: Clause,
            when: always,
            chinese: &["可见血管集束征", "其内见脂肪密度", "呈靶征", "伴卫星灶"],
            english: &[
                "with a vessel leading into it",
                "containing fat",
                "with a halo",
                "tethered to the pleura",
            ],
        },
    ),
    claim(
        "other diagnoses",
        Class::Malignancy,
        &[Class::Certainty, Class::UnknownWords, Class::Feature, Class::LesionKind, Class::Invented],
        &Claim {
            how: Clause,
            when: always,
            chinese: &["微浸润腺癌待排", "结核球", "FNH 可能", "错构瘤"],
            english: &[
                "in keeping with a secondary deposit",
                "presumably tuberculous",
                "neoplastic until proven otherwise",
                "harmless",
            ],
        },
    ),
    claim(
        "other comparisons",
        Class::NoPrior,
        &[Class::Trend, Class::Change, Class::UnknownWords],
        &Claim {
            how: Clause,
            when: no_prior,
            chinese: &["对比旧片变化不著", "系原有病灶", "近期出现", "半年来无进展"],
            english: &[
                "known from earlier imaging",
                "essentially static",
                "which has progressed",
                "newly apparent",
            ],
        },
    ),
    claim(
        "other advice",
        Class::Recommendation,
        &[Class::Interval, Class::UnknownWords, Class::Malignancy],
        &Claim {
            how: General,
            when: |case, _| case.advised.advice.is_empty(),
            chinese: &["必要时行支气管镜检查。", "请结合肿瘤标志物。", "建议呼吸科就诊。", "可短期内复查。"],
            english: &[
                "Bronchoscopy may be helpful.",
                "Correlate with tumour markers.",
                "Referral to a chest clinic is suggested.",
                "Short-term interval imaging is prudent.",
            ],
        },
    ),
    claim(
        "other diseases",
        Class::Invented,
        &[Class::NotAssessed, Class::UnknownWords, Class::Feature, Class::LesionKind],
        &Claim {
            how: General,
            when: always,
            chinese: &["左侧气胸。", "主动脉壁见钙化斑。", "胆囊结石。", "右侧第 5 肋骨骨折。"],
            english: &[
                "Left pneumothorax.",
                "Gallstones are present.",
                "Fracture of the fifth rib.",
                "Bronchiectasis at the bases.",
            ],
        },
    ),
    claim(
        "other healthy parts",
        Class::NotAssessed,
        &[Class::Invented, Class::UnknownWords, Class::AssertedAbsent],
        &Claim {
            how: General,
            when: always,
            chinese: &["气管通畅。", "胸膜无增厚。", "甲状腺未见异常。"],
            english: &["The airways are patent.", "The thyroid appears normal.", "No free fluid."],
        },
    ),
    claim(
        "other doubts",
        Class::Certainty,
        &[Class::UnknownWords, Class::Malignancy],
        &Claim {
            how: Clause,
            when: always,
            chinese: &["真伪难辨", "或为血管断面", "请结合薄层确认"],
            english: &["arguably present", "could represent a vessel", "difficult to confirm"],
        },
    ),
    claim(
        "other dates",
        Class::Date,
        &[Class::NoPrior, Class::Number, Class::UnknownWords, Class::Change],
        &Claim {
            how: Clause,
            when: always,
            chinese: &["去年 3 月体检发现", "今日检查所见", "上周五发现"],
            english: &["detected last March", "seen yesterday", "in the 2019 study"],
        },
    ),
    claim(
        "other contrast",
        Class::Contrast,
        &[Class::Feature, Class::UnknownWords, Class::Modality],
        &Claim {
            how: Sentence,
            when: |case, _| case.contrast != Some(true),
            chinese: &["病灶延迟期呈等密度。", "注药后病灶轻度强化。"],
            english: &["The lesion washes out in the delayed phase.", "It takes up contrast."],
        },
    ),
    claim(
        "another wording of the largest",
        Class::Superlative,
        &[Class::Merged, Class::UnknownWords, Class::Number, Class::Contradiction],
        &Claim {
            how: Clause,
            when: smaller,
            chinese: &["体积居首", "大于其余各灶", "为诸灶之冠"],
            english: &["bigger than all others", "the dominant nodule", "exceeding the rest in size"],
        },
    ),
    claim(
        "another wording of too many",
        Class::Invented,
        &[Class::Count, Class::UnknownWords, Class::Merged, Class::Number, Class::Contradiction],
        &Claim {
            how: General,
            when: always,
            chinese: &["双肺弥漫分布无数微小结节。", "肝内满布转移灶。"],
            english: &[
                "Innumerable tiny nodules throughout both lungs.",
                "Multiple satellite nodules are also present.",
            ],
        },
    ),
    claim(
        "another modality in passing",
        Class::Modality,
        &[Class::UnknownWords, Class::Contrast],
        &Claim {
            how: General,
            when: always,
            chinese: &["超声引导下所见。", "SPECT 融合图像示病灶。"],
            english: &["Seen on scintigraphy.", "Sonographic correlate present."],
        },
    ),
    swap(
        "a place within the lung",
        Class::Segment,
        &[Class::Lobe, Class::UnknownWords, Class::Feature, Class::Organ],
        &Swap {
            when: |_, finding| finding.site.side.is_some(),
            chinese: &[("右肺", "右肺近叶间裂处"), ("左肺", "左肺心缘旁"), ("右肺", "右肺 S6")],
            english: &[
                ("right lung", "costophrenic recess of the right lung"),
                ("left lung", "left paramediastinal lung"),
                ("right lung", "RUL"),
            ],
        },
    ),
    swap(
        "another kind in passing",
        Class::LesionKind,
        &[Class::UnknownWords, Class::Invented, Class::Malignancy, Class::Feature],
        &Swap {
            when: |_, finding| finding.site.organ == Organ::Lung && finding.measurements.long_axis_mm < 29.0,
            chinese: &[("结节", "条索影"), ("结节", "肺大疱"), ("结节", "瘤")],
            english: &[("nodule", "scar"), ("nodule", "infiltrate"), ("nodule", "tumour")],
        },
    ),
    swap(
        "denied in passing",
        Class::DeniedFinding,
        &[Class::Contradiction, Class::UnknownWords, Class::Certainty],
        &Swap {
            when: |_, _| true,
            chinese: &[("可见", "并无"), ("可见", "已排除"), ("检出", "不存在")],
            english: &[
                ("There is a", "There is absence of a"),
                ("is seen", "is nowhere to be seen"),
                ("is noted", "has been ruled out"),
                ("was detected", "could not be found"),
            ],
        },
    ),
];
