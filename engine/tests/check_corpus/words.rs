//! Words for words: sides, sites, kinds, densities and changes that are not the finding's.

use engine::check::Class;
use engine::track::Trend;
use engine::{Density, Finding, Kind, Organ};

use crate::case::Case;
use crate::mutate::{Apply, Mutator, Swap};

const fn swap(name: &'static str, class: Class, also: &'static [Class], swap: &'static Swap) -> Mutator {
    Mutator { name, class, also, held_out: false, apply: Apply::Swap(swap) }
}

fn is_lung(_: &Case, finding: &Finding) -> bool {
    finding.site.organ == Organ::Lung
}

fn is_liver(_: &Case, finding: &Finding) -> bool {
    finding.site.organ == Organ::Liver
}

fn has_side(_: &Case, finding: &Finding) -> bool {
    finding.site.side.is_some()
}

fn is(density: Density) -> impl Fn(&Finding) -> bool {
    move |finding| finding.density == Some(density)
}

fn became(case: &Case, finding: &Finding, trend: Trend) -> bool {
    case.compared.is_some() && finding.change.as_ref().is_some_and(|change| change.trend == trend)
}

pub(crate) const ALL: &[Mutator] = &[
    swap(
        "the other side",
        Class::Side,
        &[],
        &Swap {
            when: has_side,
            chinese: &[("右肺", "左肺"), ("左肺", "右肺"), ("右侧", "左侧"), ("左侧", "右侧")],
            english: &[
                ("right lung", "left lung"),
                ("left lung", "right lung"),
                ("Right lung", "Left lung"),
                ("Left lung", "Right lung"),
            ],
        },
    ),
    swap(
        "both sides",
        Class::Side,
        &[Class::Count],
        &Swap {
            when: has_side,
            chinese: &[("右肺", "双肺"), ("左肺", "双肺"), ("右肺", "两肺")],
            english: &[("right lung", "both lungs"), ("left lung", "both lungs")],
        },
    ),
    swap(
        "a side that is not known",
        Class::Side,
        &[],
        &Swap {
            when: |_, finding| finding.kind == Kind::LungNodule && finding.site.side.is_none(),
            chinese: &[
                ("肺（侧别未定）", "右肺"),
                ("肺结节", "左肺结节"),
                ("肺见", "右肺见"),
                ("肺实性", "右肺实性"),
            ],
            english: &[
                ("lung (side undetermined)", "left lung"),
                ("in the lung", "in the right lung"),
                ("of the lung", "of the left lung"),
            ],
        },
    ),
    swap(
        "a lobe of the lung",
        Class::Lobe,
        &[Class::Segment],
        &Swap {
            when: has_side,
            chinese: &[
                ("右肺", "右肺上叶"),
                ("右肺", "右肺中叶"),
                ("左肺", "左肺下叶"),
                ("左肺", "左肺上叶"),
                ("右肺", "右下肺"),
            ],
            english: &[
                ("right lung", "right upper lobe"),
                ("right lung", "middle lobe of the right lung"),
                ("left lung", "left lower lobe"),
                ("left lung", "upper lobe of the left lung"),
            ],
        },
    ),
    swap(
        "a lobe of the liver",
        Class::Lobe,
        &[Class::Segment, Class::Side],
        &Swap {
            when: is_liver,
            chinese: &[("肝脏", "肝右叶"), ("肝脏", "肝左叶"), ("肝内", "肝右叶内"), ("肝脏", "肝尾状叶")],
            english: &[
                ("liver", "right lobe of the liver"),
                ("liver", "left hepatic lobe"),
                ("liver", "caudate lobe"),
            ],
        },
    ),
    swap(
        "a segment or zone of the lung",
        Class::Segment,
        &[Class::Lobe],
        &Swap {
            when: has_side,
            chinese: &[
                ("右肺", "右肺尖段"),
                ("左肺", "左肺舌段"),
                ("右肺", "右肺下野"),
                ("左肺", "左肺后基底段"),
                ("右肺", "右肺门旁"),
                ("左肺", "左肺胸膜下"),
            ],
            english: &[
                ("right lung", "apical segment of the right lung"),
                ("left lung", "lingula of the left lung"),
                ("right lung", "right lower zone"),
                ("left lung", "periphery of the left lung"),
                ("right lung", "base of the right lung"),
            ],
        },
    ),
    swap(
        "a segment of the liver",
        Class::Segment,
        &[Class::Number],
        &Swap {
            when: is_liver,
            chinese: &[("肝脏", "肝S8段"), ("肝脏", "肝脏Ⅶ段"), ("肝内", "肝内第6段")],
            english: &[
                ("liver", "segment VII of the liver"),
                ("liver", "segment 4 of the liver"),
                ("liver", "hepatic segment 8"),
            ],
        },
    ),
    swap(
        "another organ than the lung",
        Class::Organ,
        &[Class::Side],
        &Swap {
            when: is_lung,
            chinese: &[
                ("右肺", "右肾"),
                ("左肺", "左肾"),
                ("右肺", "肝脏"),
                ("左肺", "脾脏"),
                ("右肺", "右侧肾上腺"),
            ],
            english: &[
                ("right lung", "right kidney"),
                ("left lung", "spleen"),
                ("right lung", "liver"),
                ("left lung", "left kidney"),
                ("right lung", "right adrenal gland"),
            ],
        },
    ),
    swap(
        "another organ than the liver",
        Class::Organ,
        &[Class::Side],
        &Swap {
            when: is_liver,
            chinese: &[
                ("肝脏", "脾脏"),
                ("肝脏", "胰腺"),
                ("肝内", "脾内"),
                ("肝脏", "右肾"),
                ("肝脏", "右肺"),
            ],
            english: &[
                ("liver", "spleen"),
                ("liver", "pancreas"),
                ("liver", "right kidney"),
                ("liver", "right lung"),
                ("hepatic", "splenic"),
            ],
        },
    ),
    swap(
        "another kind than a nodule",
        Class::LesionKind,
        &[Class::Invented, Class::Malignancy],
        &Swap {
            when: |_, f| f.kind == Kind::LungNodule && f.measurements.long_axis_mm < 29.0,
            chinese: &[
                ("结节", "肿块"),
                ("结节", "囊肿"),
                ("结节", "空洞"),
                ("结节", "斑片影"),
                ("结节", "钙化灶"),
            ],
            english: &[
                ("nodule", "mass"),
                ("nodule", "cyst"),
                ("nodule", "cavity"),
                ("nodule", "consolidation"),
                ("nodule", "bulla"),
            ],
        },
    ),
    swap(
        "another kind than a lesion",
        Class::LesionKind,
        &[Class::Malignancy, Class::Invented],
        &Swap {
            when: is_liver,
            chinese: &[
                ("局灶性病变", "囊肿"),
                ("局灶性病灶", "血管瘤"),
                ("局灶性病变", "脓肿"),
                ("局灶病变", "囊肿"),
            ],
            english: &[
                ("Focal lesion", "Cyst"),
                ("focal lesion", "cyst"),
                ("focal lesion", "haemangioma"),
                ("lesion", "abscess"),
                ("focal liver lesion", "liver cyst"),
            ],
        },
    ),
    swap(
        "solid for something else",
        Class::Density,
        &[],
        &Swap {
            when: |_, finding| is(Density::Solid)(finding),
            chinese: &[("实性结节", "磨玻璃结节"), ("实性结节", "部分实性结节"), ("实性", "混合磨玻璃")],
            english: &[
                ("solid nodule", "ground-glass nodule"),
                ("solid nodule", "part-solid nodule"),
                ("Solid nodule", "Ground-glass nodule"),
                ("solid", "subsolid"),
            ],
        },
    ),
    swap(
        "part-solid for something else",
        Class::Density,
        &[],
        &Swap {
            when: |_, finding| is(Density::PartSolid)(finding),
            chinese: &[
                ("部分实性结节", "实性结节"),
                ("混合磨玻璃结节", "纯磨玻璃结节"),
                ("混杂磨玻璃结节", "实性结节"),
                ("部分实性", "磨玻璃"),
            ],
            english: &[
                ("part-solid", "solid"),
                ("Part-solid", "Solid"),
                ("part-solid", "ground-glass"),
                ("partly solid", "completely solid"),
            ],
        },
    ),
    swap(
        "ground glass for something else",
        Class::Density,
        &[],
        &Swap {
            when: |_, finding| is(Density::GroundGlass)(finding),
            chinese: &[
                ("纯磨玻璃结节", "实性结节"),
                ("磨玻璃结节", "实性结节"),
                ("磨玻璃结节", "部分实性结节"),
            ],
            english: &[
                ("ground-glass", "solid"),
                ("Ground-glass", "Solid"),
                ("ground glass", "part-solid"),
                ("non-solid", "solid"),
            ],
        },
    ),
    swap(
        "a density that is not known",
        Class::Density,
        &[],
        &Swap {
            when: |_, f| f.kind == Kind::LungNodule && f.density.is_none(),
            chinese: &[("结节", "实性结节"), ("结节", "磨玻璃结节"), ("结节", "部分实性结节")],
            english: &[
                ("nodule", "solid nodule"),
                ("Nodule", "Ground-glass nodule"),
                ("nodule", "part-solid nodule"),
            ],
        },
    ),
    swap(
        "grown for shrunk",
        Class::Trend,
        &[Class::Change, Class::Number],
        &Swap {
            when: |case, f| became(case, f, Trend::Grown),
            chinese: &[
                ("较前增大", "较前缩小"),
                ("较前增大", "较前无明显变化"),
                ("增大", "减小"),
                ("体积增加", "体积减少"),
                ("增至", "减至"),
            ],
            english: &[
                ("larger than before", "smaller than before"),
                ("larger than before", "unchanged"),
                ("has grown", "has shrunk"),
                ("increased", "decreased"),
                ("growth", "shrinkage"),
                ("enlarged", "become smaller"),
            ],
        },
    ),
    swap(
        "shrunk for grown",
        Class::Trend,
        &[Class::Change, Class::Number],
        &Swap {
            when: |case, f| became(case, f, Trend::Shrunk),
            chinese: &[
                ("较前缩小", "较前增大"),
                ("较前缩小", "较前相仿"),
                ("缩小", "增大"),
                ("体积减少", "体积增加"),
            ],
            english: &[
                ("smaller than before", "larger than before"),
                ("has decreased", "has increased"),
                ("has shrunk", "has grown"),
                ("smaller", "stable"),
            ],
        },
    ),
    swap(
        "unchanged for changed",
        Class::Trend,
        &[Class::Change],
        &Swap {
            when: |case, f| became(case, f, Trend::Unchanged),
            chinese: &[
                ("较前无明显变化", "较前增大"),
                ("较前无明显变化", "较前缩小"),
                ("较前未见明显变化", "较前明显增大"),
                ("与前片相仿", "较前片增大"),
                ("大致同前", "为新发"),
            ],
            english: &[
                ("unchanged", "larger than before"),
                ("unchanged", "new"),
                ("stable", "growing"),
                ("No significant change", "Significant growth"),
                ("unchanged", "smaller"),
            ],
        },
    ),
    swap(
        "new for old",
        Class::Trend,
        &[Class::Change],
        &Swap {
            when: |case, f| became(case, f, Trend::New),
            chinese: &[
                ("为新发病灶", "较前无变化"),
                ("新发", "较前增大"),
                ("为新发", "较前缩小"),
                ("为新出现病灶", "较前无明显变化"),
            ],
            english: &[
                ("is new", "is unchanged"),
                ("is new", "is larger than before"),
                ("new", "stable"),
                ("is new", "has grown"),
            ],
        },
    ),
    swap(
        "a finding denied",
        Class::DeniedFinding,
        &[Class::Contradiction],
        &Swap {
            when: |_, _| true,
            chinese: &[
                ("可见", "未见"),
                ("检出", "未检出"),
                ("内见", "内未见"),
                ("肺见", "肺未见"),
                ("脏见", "脏未见"),
                ("肝见", "肝未见"),
            ],
            english: &[
                ("There is a", "There is no"),
                ("there is a", "there is no"),
                ("is seen", "is not seen"),
                ("is noted", "is not noted"),
                ("is present", "is not present"),
                ("was detected", "was not detected"),
                ("is identified", "is not identified"),
                ("shows a", "shows no"),
            ],
        },
    ),
    swap(
        "less sure than the evidence",
        Class::Certainty,
        &[Class::UnknownWords, Class::Malignancy],
        &Swap {
            when: |_, _| true,
            chinese: &[
                ("见", "疑似见"),
                ("结节", "可疑结节"),
                ("局灶性病变", "可疑局灶性病变"),
                ("结节", "结节可能"),
                ("病灶", "可能的病灶"),
            ],
            english: &[
                ("nodule", "possible nodule"),
                ("lesion", "questionable lesion"),
                ("nodule", "probable nodule"),
                ("nodule", "suspected nodule"),
                ("lesion", "equivocal lesion"),
            ],
        },
    ),
    swap(
        "another number of the finding",
        Class::Evidence,
        &[Class::Number, Class::UnknownWords],
        &Swap {
            when: |case, _| case.findings.len() < 8,
            chinese: &[
                ("病灶 1", "病灶 9"),
                ("病灶 2", "病灶 9"),
                ("病灶 3", "病灶 9"),
                ("结节 1", "结节 9"),
            ],
            english: &[
                ("Finding 1", "Finding 9"),
                ("Finding 2", "Finding 9"),
                ("finding 1", "finding 9"),
                ("Finding 3", "Finding 9"),
            ],
        },
    ),
    swap(
        "the number of another finding",
        Class::Evidence,
        &[Class::Merged, Class::Number],
        &Swap {
            when: |case, f| case.findings.len() >= 2 && f.number <= 2,
            chinese: &[("病灶 1", "病灶 2"), ("病灶 2", "病灶 1")],
            english: &[("Finding 1", "Finding 2"), ("Finding 2", "Finding 1"), ("finding 1", "finding 2")],
        },
    ),
    swap(
        "words of the other language",
        Class::Language,
        &[Class::UnknownWords],
        &Swap {
            when: |_, _| true,
            chinese: &[
                ("结节", "nodule"),
                ("右肺", "right lung"),
                ("体积", "volume"),
                ("病变", "lesion"),
                ("病灶", "finding"),
            ],
            english: &[
                ("nodule", "结节"),
                ("lung", "肺"),
                ("volume", "体积"),
                ("liver", "肝脏"),
                ("lesion", "病灶"),
            ],
        },
    ),
];
