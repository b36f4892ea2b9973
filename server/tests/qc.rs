//! `foci qc`: each class of error is found in a report that has it, and none in one that has none.

mod common;
#[path = "report/made.rs"]
mod made;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::{Scene, foci};
use engine::Language;
use serde_json::Value;

const GOOD_ENGLISH: &str = "\
Technique: CT of the chest without contrast.
Comparison: none.
Findings
There is a nodule in the right lung measuring 8.4 x 6.9 mm. There is a focal lesion in the liver measuring 8.4 x 6.9 mm.
No pleural effusion is seen.
Impression
1. Nodule in the right lung, 8.4 x 6.9 mm.
2. Focal liver lesion, 8.4 x 6.9 mm.
Signed by: A. Reader
Report date: 2026-11-23
";

const GOOD_CHINESE: &str = "\
检查方法：胸部CT平扫。
影像所见
右肺见一枚结节，大小约8.4mm×6.9mm。肝内见一局灶性病变，大小约8.4mm×6.9mm。
双侧胸腔未见积液。
诊断意见
1、右肺结节，大小约8.4mm×6.9mm。
2、肝脏局灶性病变。
报告医师：某医生
报告时间：2026-11-23 10:05
";

/// Reports that differ from a good one in one thing: the class, the language, what is replaced and by what.
const WRONG: &[(&str, Language, &str, &str)] = &[
    ("missing-technique", Language::English, "Technique: CT of the chest without contrast.\n", ""),
    ("missing-technique", Language::Chinese, "检查方法：胸部CT平扫。\n", ""),
    ("missing-findings", Language::English, "Findings\n", "History\n"),
    ("missing-impression", Language::Chinese, "诊断意见\n", "病史\n"),
    (
        "empty-section",
        Language::English,
        "1. Nodule in the right lung, 8.4 x 6.9 mm.\n2. Focal liver lesion, 8.4 x 6.9 mm.\n",
        "",
    ),
    ("side-conflict", Language::English, "1. Nodule in the right lung", "1. Nodule in the left lung"),
    ("side-conflict", Language::Chinese, "1、右肺结节", "1、左肺结节"),
    (
        "sex-conflict",
        Language::English,
        "No pleural effusion is seen.",
        "The prostate and the uterus are unremarkable.",
    ),
    ("sex-conflict", Language::Chinese, "检查方法：", "性别：女\n子宫未见异常，前列腺增大。\n检查方法："),
    ("age-conflict", Language::English, "Technique:", "62-year-old, aged 26.\nTechnique:"),
    (
        "unit-missing",
        Language::English,
        "There is a nodule in the right lung measuring 8.4 x 6.9 mm.",
        "There is a nodule in the right lung measuring 8.4 x 6.9.",
    ),
    ("unit-missing", Language::Chinese, "见一枚结节，大小约8.4mm×6.9mm", "见一枚结节，大小约8.4×6.9"),
    (
        "implausible-value",
        Language::English,
        "nodule in the right lung measuring 8.4 x 6.9 mm",
        "nodule in the right lung measuring 8.4 x 6.9 cm",
    ),
    ("implausible-value", Language::Chinese, "大小约8.4mm×6.9mm。肝", "大小约8.4mm×6.9mm，CT值约9000HU。肝"),
    (
        "impression-conflict",
        Language::English,
        "1. Nodule in the right lung, 8.4 x 6.9 mm.",
        "1. No lung nodule.",
    ),
    ("impression-conflict", Language::Chinese, "1、右肺结节，大小约8.4mm×6.9mm。", "1、双肺未见结节。"),
    (
        "size-conflict",
        Language::English,
        "1. Nodule in the right lung, 8.4 x 6.9 mm.",
        "1. Nodule in the right lung, 9.4 x 6.9 mm.",
    ),
    ("count-conflict", Language::Chinese, "1、右肺结节，", "1、右肺结节3枚，"),
    ("doubled-word", Language::English, "No pleural", "No pleural pleural"),
    ("doubled-word", Language::Chinese, "右肺见一枚结节", "右肺见一枚结节结节"),
    ("doubled-punctuation", Language::Chinese, "未见积液。", "未见积液，。"),
    ("misspelling", Language::English, "There is a nodule", "There is a nodual"),
    ("misspelling", Language::Chinese, "双侧胸腔未见积液", "双测胸腔未见积夜"),
    ("nonstandard-term", Language::Chinese, "双侧胸腔未见积液", "未见胸水"),
    ("nonstandard-term", Language::English, "No pleural effusion is seen.", "No shadow is seen."),
    ("mixed-punctuation", Language::Chinese, "见一枚结节，大小", "见一枚结节,大小"),
    ("unbalanced-brackets", Language::English, "8.4 x 6.9 mm. There", "8.4 x 6.9 mm (slice 8. There"),
    ("unfinished-sentence", Language::English, "No pleural effusion is seen.", "No pleural effusion and"),
    ("modality-conflict", Language::Chinese, "胸部CT平扫", "胸部磁共振平扫"),
    ("modality-conflict", Language::English, "No pleural effusion is seen.", "It is bright on T2WI."),
    ("body-part-conflict", Language::English, "CT of the chest", "CT of the knee"),
    ("contrast-conflict", Language::Chinese, "双侧胸腔未见积液", "病灶动脉期明显强化"),
    ("date-conflict", Language::English, "Technique:", "Date of exam: 2026-11-24\nTechnique:"),
    ("comparison-missing", Language::English, "Comparison: none.", "Comparison: CT of last year."),
    (
        "critical-not-flagged",
        Language::English,
        "No pleural effusion is seen.",
        "There is a right pneumothorax.",
    ),
    ("critical-not-flagged", Language::Chinese, "双侧胸腔未见积液", "左侧气胸"),
    ("signature-missing", Language::English, "Signed by: A. Reader\n", ""),
    ("time-missing", Language::Chinese, "报告时间：2026-11-23 10:05\n", ""),
    ("undecided", Language::English, "1. Nodule in the right lung,", "1. Nodule in the right lung?"),
    ("placeholder", Language::Chinese, "见一枚结节", "见___枚结节"),
    ("placeholder", Language::English, "No pleural", "XX pleural"),
    ("duplicate-sentence", Language::Chinese, "双侧胸腔未见积液。", "双侧胸腔未见积液。双侧胸腔未见积液。"),
    (
        "reversed-range",
        Language::English,
        "1. Nodule in the right lung, 8.4 x 6.9 mm.",
        "1. Nodule in the right lung, 8.4-6.9 mm.",
    ),
    ("numbering", Language::Chinese, "2、肝脏", "3、肝脏"),
    ("garbled", Language::English, "No pleural effusion", "No pleural \u{fffd}\u{fffd}"),
    // Against the measurements: a nodule of the right lung and a lesion of the liver.
    ("number", Language::English, "8.4 x 6.9 mm. There", "9.7 x 6.9 mm. There"),
    ("side", Language::English, "There is a nodule in the right lung", "There is a nodule in the left lung"),
    ("side", Language::Chinese, "右肺见一枚结节", "左肺见一枚结节"),
    (
        "count",
        Language::English,
        "There is a nodule in the right lung measuring",
        "There are 3 nodules in the right lung, the largest measuring",
    ),
    ("denied-finding", Language::Chinese, "右肺见一枚结节，大小约8.4mm×6.9mm。", "双肺未见结节。"),
    (
        "omitted",
        Language::English,
        "\nNo pleural effusion is seen.\nImpression\n1. Nodule in the right lung, 8.4 x 6.9 mm.\n2. Focal liver lesion, 8.4 x 6.9 mm.",
        "\nImpression\n1. Nodule in the right lung, 8.4 x 6.9 mm.",
    ),
];

fn good(language: Language) -> &'static str {
    match language {
        Language::Chinese => GOOD_CHINESE,
        Language::English => GOOD_ENGLISH,
    }
}

/// What `foci qc --json` says of the reports in `folder`: the classes of each, by file name.
fn classes(scene: &Scene, folder: &Path, more: &[&str]) -> HashMap<String, Vec<String>> {
    let mut command = foci(scene);
    let output = command.arg("qc").arg(folder).arg("--json").args(more).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let mut reports = HashMap::new();
    for line in stdout.lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        let name = PathBuf::from(report["report"].as_str().unwrap())
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let faults = report["faults"].as_array().unwrap();
        reports
            .insert(name, faults.iter().map(|fault| fault["class"].as_str().unwrap().to_owned()).collect());
    }
    let any = reports.values().any(|classes: &Vec<String>| !classes.is_empty());
    assert_eq!(output.status.code(), Some(i32::from(any)), "{}", String::from_utf8_lossy(&output.stderr));
    reports
}

#[test]
fn good_reports_are_clean_with_and_without_measurements() {
    let scene = Scene::new();
    let results = made::results(&scene, Language::English);
    let folder = scene.folder("reports");
    fs::write(folder.join("english.txt"), GOOD_ENGLISH).unwrap();
    fs::write(folder.join("chinese.txt"), GOOD_CHINESE).unwrap();
    for more in [&["--signed"][..], &["--signed", "--sr", results.join("sr.dcm").to_str().unwrap()]] {
        let found = classes(&scene, &folder, more);
        assert_eq!(found["english.txt"], [""; 0], "{more:?}");
        assert_eq!(found["chinese.txt"], [""; 0], "{more:?}");
    }
}

#[test]
fn every_class_is_found_in_a_report_that_has_it() {
    let scene = Scene::new();
    let results = made::results(&scene, Language::English);
    let folder = scene.folder("reports");
    for (index, (class, language, from, to)) in WRONG.iter().enumerate() {
        // To leave a lesion out is to leave it out of the findings too.
        let liver = " There is a focal lesion in the liver measuring 8.4 x 6.9 mm.";
        let text =
            if *class == "omitted" { good(*language).replace(liver, "") } else { good(*language).to_owned() };
        let text = text.replacen(from, to, 1);
        assert_ne!(text, good(*language), "{from} is in the good report");
        fs::write(folder.join(format!("{index}.txt")), text).unwrap();
    }
    let sr = results.join("sr.dcm");
    let found = classes(&scene, &folder, &["--signed", "--sr", sr.to_str().unwrap()]);
    let missed: Vec<String> = WRONG
        .iter()
        .enumerate()
        .filter(|(index, (class, ..))| !found[&format!("{index}.txt")].iter().any(|found| found == class))
        .map(|(index, (class, ..))| format!("{class} in {index}: {:?}", found[&format!("{index}.txt")]))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
    let defects = engine::qc::Defect::ALL.iter().map(|defect| defect.as_str());
    let untested: Vec<&str> = defects.filter(|name| WRONG.iter().all(|(class, ..)| class != name)).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

#[test]
fn there_are_at_least_32_classes_each_with_its_own_name() {
    let mut names: Vec<&str> = engine::qc::Defect::ALL.iter().map(|defect| defect.as_str()).collect();
    names.extend(engine::check::Class::ALL.iter().map(|class| class.as_str()));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 32 && engine::qc::Defect::ALL.len() >= 32, "{count}");
}

#[test]
fn our_own_results_are_clean_as_text_and_as_dicom_and_each_finds_its_measurements() {
    for language in [Language::English, Language::Chinese] {
        let scene = Scene::new();
        let results = made::results(&scene, language);
        let output =
            foci(&scene).arg("qc").arg(&results).arg("--details").arg("--sr").arg(&results).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = stdout.lines().collect();
        assert_eq!(lines.len(), 2, "{stdout}");
        assert!(
            lines[0].ends_with("narrative.dcm\tclean") && lines[1].ends_with("report.txt\tclean"),
            "{stdout}"
        );
    }
}

#[test]
fn a_report_in_gb18030_is_read_and_one_without_measurements_is_marked() {
    let scene = Scene::new();
    let report = scene.path("old.txt");
    // "影像所见：右肺结节。\n诊断意见：左肺结节。"
    let bytes = b"\xd3\xb0\xcf\xf1\xcb\xf9\xbc\xfb\xa3\xba\xd3\xd2\xb7\xce\xbd\xe1\xbd\xda\xa1\xa3\n\
        \xd5\xef\xb6\xcf\xd2\xe2\xbc\xfb\xa3\xba\xd7\xf3\xb7\xce\xbd\xe1\xbd\xda\xa1\xa3";
    fs::write(&report, bytes).unwrap();
    let output = foci(&scene).arg("qc").arg(&report).arg("--details").output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout.lines().next().unwrap().ends_with("no-sr"), "{stdout}");
    assert!(stdout.contains("  side-conflict\timpression\t"), "{stdout}");
}
