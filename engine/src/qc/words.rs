//! Words that audits know: misspellings, terms, sexes, critical findings.

/// Chinese characters taken for others, and what is meant.
pub(super) const MISSPELT_CHINESE: &[(&str, &str)] = &[
    ("节结", "结节"),
    ("结接", "结节"),
    ("洁节", "结节"),
    ("纵膈", "纵隔"),
    ("横隔膜", "横膈膜"),
    ("隔肌", "膈肌"),
    ("隔面", "膈面"),
    ("隔下", "膈下"),
    ("淋巴节", "淋巴结"),
    ("磨破璃", "磨玻璃"),
    ("密渡", "密度"),
    ("蜜度", "密度"),
    ("积夜", "积液"),
    ("钙华", "钙化"),
    ("毛剌", "毛刺"),
    ("肝赃", "肝脏"),
    ("心赃", "心脏"),
    ("脾赃", "脾脏"),
    ("肾赃", "肾脏"),
    ("胆曩", "胆囊"),
    ("胰线", "胰腺"),
    ("支气官", "支气管"),
    ("冠壮动脉", "冠状动脉"),
    ("主动脉夹成", "主动脉夹层"),
    ("占们", "占位"),
    ("转异", "转移"),
    ("考滤", "考虑"),
    ("复察", "复查"),
    ("随仿", "随访"),
    ("右测", "右侧"),
    ("左测", "左侧"),
    ("双测", "双侧"),
    ("肺问", "肺门"),
    ("肺纹里", "肺纹理"),
    ("胸莫", "胸膜"),
    ("异长", "异常"),
    ("增犬", "增大"),
    ("较前曾大", "较前增大"),
    ("强华", "强化"),
    ("实姓", "实性"),
    ("囊中", "囊肿"),
    ("血管溜", "血管瘤"),
    ("直经", "直径"),
    ("长经", "长径"),
    ("短经", "短径"),
    ("清析", "清晰"),
    ("边原", "边缘"),
];

/// English words misspelt, and what is meant.
pub(super) const MISSPELT_ENGLISH: &[(&str, &str)] = &[
    ("nodual", "nodule"),
    ("nodul", "nodule"),
    ("noduel", "nodule"),
    ("leison", "lesion"),
    ("lession", "lesion"),
    ("pulmonray", "pulmonary"),
    ("pulmonay", "pulmonary"),
    ("opactity", "opacity"),
    ("calicification", "calcification"),
    ("calcifcation", "calcification"),
    ("effusoin", "effusion"),
    ("lymphadenopthy", "lymphadenopathy"),
    ("attentuation", "attenuation"),
    ("attenuaton", "attenuation"),
    ("spicluated", "spiculated"),
    ("hepatis", "hepatic"),
    ("medistinal", "mediastinal"),
    ("mediastinial", "mediastinal"),
    ("bilaterial", "bilateral"),
    ("unremarkble", "unremarkable"),
    ("consistant", "consistent"),
    ("recomended", "recommended"),
    ("recommened", "recommended"),
    ("measureing", "measuring"),
    ("diamter", "diameter"),
    ("recieved", "received"),
    ("seperate", "separate"),
    ("abdomenal", "abdominal"),
    ("artifical", "artificial"),
    ("ilial", "ileal"),
    ("perihilair", "perihilar"),
    ("apperance", "appearance"),
    ("occured", "occurred"),
];

/// Words that are not the terms (Chinese), and the terms.
pub(super) const COLLOQUIAL_CHINESE: &[(&str, &str)] = &[
    ("胸水", "胸腔积液"),
    ("腹水征", "腹腔积液"),
    ("毛玻璃", "磨玻璃"),
    ("核磁", "磁共振"),
    ("B超", "超声"),
    ("片子", "图像"),
    ("阴影", "具体征象的名称"),
    ("肿瘤标记物", "肿瘤标志物"),
    ("骨刺", "骨质增生"),
    ("脑梗塞", "脑梗死"),
    ("心肌梗塞", "心肌梗死"),
    ("肺不涨", "肺不张"),
    ("返流", "反流"),
    ("粘膜", "黏膜"),
    ("小泡影", "囊腔或空泡"),
    ("公分", "cm"),
];

/// Words that are not the terms (English), and the terms.
pub(super) const COLLOQUIAL_ENGLISH: &[(&str, &str)] = &[
    ("shadow", "the name of the sign"),
    ("spot", "nodule or lesion"),
    ("cat scan", "CT"),
    ("water on the lung", "pleural effusion"),
    ("growth in the", "lesion or mass"),
    ("lump", "nodule or mass"),
    ("cms", "cm"),
    ("mms", "mm"),
    ("infiltrate", "consolidation or opacity"),
    ("fluffy", "the name of the sign"),
];

/// Anatomy of women, and of men.
pub(super) const FEMALE: &[&str] = &[
    "子宫", "卵巢", "附件区", "输卵管", "阴道", "宫颈", "uterus", "uterine", "ovary", "ovaries", "ovarian", "cervix",
    "vagina", "fallopian", "endometri",
];
/// See [`FEMALE`].
pub(super) const MALE: &[&str] =
    &["前列腺", "精囊", "睾丸", "阴囊", "附睾", "prostate", "prostatic", "seminal vesicle", "testis", "testes", "testic", "scrot"];

/// What must be told at once where it is there.
pub(super) const CRITICAL: &[&str] = &[
    "张力性气胸",
    "气胸",
    "肺动脉栓塞",
    "肺栓塞",
    "主动脉夹层",
    "动脉瘤破裂",
    "脑疝",
    "脑出血",
    "消化道穿孔",
    "膈下游离气体",
    "pneumothorax",
    "pulmonary embol",
    "aortic dissection",
    "ruptured aneurysm",
    "intracranial haemorrhage",
    "intracranial hemorrhage",
    "herniation of the brain",
    "free air under",
    "pneumoperitoneum",
];

/// That it was told, or is to be.
pub(super) const FLAGGED: &[&str] = &[
    "危急值", "危急", "立即通知", "已通知", "已电话", "紧急", "急诊处理", "critical", "urgent", "notified", "communicated",
    "discussed with", "immediately", "at once", "telephoned", "emergency",
];

/// Words of comparison.
pub(super) const COMPARING: &[&str] = &[
    "较前", "前片", "前次", "比较", "对比", "对照", "相仿", "新发", "新出现", "同前", "既往", "prior", "previous", "unchanged", "stable",
    "interval", "compared", "comparison", "new ", "since", "larger than", "smaller than", "increased", "decreased", "grown", "shrunk",
    "no longer",
];

/// Who signs.
pub(super) const SIGNATURES: &[&str] = &[
    "报告医师", "报告医生", "审核医师", "审核医生", "医师签名", "签名", "signed by", "electronically signed", "reported by",
    "radiologist:", "verified by", "dictated by",
];
