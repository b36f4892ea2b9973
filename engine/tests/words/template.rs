//! The words of the template, as a radiologist would read them.

use engine::report::Examined;
use engine::{Finding, Kind, Language, Narrative, Organ, Side};
use proptest::prelude::*;

use crate::made::{Scene, any_finding, examined, finding, similar, two_nodules_and_a_liver_lesion};

/// What the template says of these facts in a CT of 133 slices 2.5 mm apart.
fn words(language: Language, modality: &str, findings: &[Finding], examined: &[Examined]) -> String {
    let scene = Scene {
        modality: modality.to_owned(),
        findings: findings.to_vec(),
        examined: examined.to_vec(),
        ..Scene::default()
    };
    Narrative::template(language, &scene.facts()).text()
}

#[test]
fn findings_in_lungs_and_liver_read_well_in_english() {
    let findings = two_nodules_and_a_liver_lesion();
    let organs = [examined(Organ::Lung, true, None), examined(Organ::Liver, true, Some(1523.4))];
    let expected = "\
Findings
CT series of 133 slices, 2.50 mm apart, pixel spacing 0.70 × 0.70 mm. Slices are counted by position and may be numbered otherwise by the scanner.
Lungs: 2 nodules (1 right, 1 left).
Finding 1: Nodule, right lung, 33.0 × 25.2 mm (long × short axis on its largest slice), volume 12.3 ml, mean attenuation -12 HU; slice 54 of 133; detection score 0.93.
Finding 2: Nodule, left lung, 6.2 × 5.5 mm (long × short axis on its largest slice), volume 99 mm³, mean attenuation -231 HU; slice 102 of 133; detection score 0.50.
Liver (1523 ml within the images): 1 focal lesion.
Finding 3: Focal lesion, liver, 14.0 × 12.0 mm (long × short axis on its largest slice), volume 1.0 ml, mean attenuation 47 HU; slice 13 of 133; detection score 0.70.
Detection scores are the network's own, are not calibrated and are no probability of disease.
Only the lesions named above were looked for, in the organs named above; nothing else was assessed.

Impression
1. 2 lung nodules (1 right, 1 left), long axis 6.2 to 33.0 mm; the largest is finding 1 in the right lung, 33.0 × 25.2 mm.
2. Focal lesion, liver, 14.0 × 12.0 mm (finding 3).
3. Unverified output of research software, not for clinical use: to be reviewed by a radiologist and correlated clinically.

Written by a fixed template from the measurements, without a language model.
";
    similar(&words(Language::English, "CT", &findings, &organs), expected);
}

#[test]
fn findings_in_lungs_and_liver_read_well_in_chinese() {
    let findings = two_nodules_and_a_liver_lesion();
    let organs = [examined(Organ::Lung, true, None), examined(Organ::Liver, true, Some(1523.4))];
    let expected = "\
影像所见
CT 序列共 133 层，层间距 2.50 mm，像素间距 0.70 × 0.70 mm。层号按空间位置计数，可能与设备的图像编号不同。
肺：检出结节 2 个（右侧 1 个，左侧 1 个）。
病灶 1：右肺结节，最大层面长径 33.0 mm，短径 25.2 mm，体积 12.3 ml，平均 CT 值 -12 HU；位于第 54 层（共 133 层），检测评分 0.93。
病灶 2：左肺结节，最大层面长径 6.2 mm，短径 5.5 mm，体积 99 mm³，平均 CT 值 -231 HU；位于第 102 层（共 133 层），检测评分 0.50。
肝脏（图像范围内体积 1523 ml）：检出局灶性病变 1 个。
病灶 3：肝脏局灶性病变，最大层面长径 14.0 mm，短径 12.0 mm，体积 1.0 ml，平均 CT 值 47 HU；位于第 13 层（共 133 层），检测评分 0.70。
检测评分为模型输出值，未经校准，不代表患病概率。
仅分析上述器官中的上述病变；其他器官及其他异常均未评估。

诊断意见
1. 肺结节 2 个（右侧 1 个，左侧 1 个），长径 6.2 至 33.0 mm；最大者为病灶 1（右肺），大小 33.0 mm × 25.2 mm。
2. 肝脏局灶性病变 1 个（病灶 3），大小 14.0 mm × 12.0 mm。
3. 以上为科研软件自动生成的结果，未经医师审核，不得用于临床诊断；须由放射科医师复核，并结合临床。

文字由固定模板按规则生成，未使用语言模型。
";
    similar(&words(Language::Chinese, "CT", &findings, &organs), expected);
}

#[test]
fn an_organ_without_lesions_and_one_that_is_not_there_are_told_apart() {
    let organs = [examined(Organ::Lung, true, None), examined(Organ::Liver, false, None)];
    let expected = "\
Findings
CT series of 133 slices, 2.50 mm apart, pixel spacing 0.70 × 0.70 mm. Slices are counted by position and may be numbered otherwise by the scanner.
Lungs: no nodule was detected.
Liver: not found in the images and not assessed.
Only the lesions named above were looked for, in the organs named above; nothing else was assessed.

Impression
1. No lung nodule was detected; that the software found none does not exclude one.
2. Liver: not found in the images and not assessed.
3. Unverified output of research software, not for clinical use: to be reviewed by a radiologist and correlated clinically.

Written by a fixed template from the measurements, without a language model.
";
    similar(&words(Language::English, "CT", &[], &organs), expected);

    let expected = "\
影像所见
CT 序列共 133 层，层间距 2.50 mm，像素间距 0.70 × 0.70 mm。层号按空间位置计数，可能与设备的图像编号不同。
肺：未检出结节。
肝脏：图像中未识别到，未作评估。
仅分析上述器官中的上述病变；其他器官及其他异常均未评估。

诊断意见
1. 未检出肺结节；软件未检出不能排除病变存在。
2. 肝脏：图像中未识别到，未作评估。
3. 以上为科研软件自动生成的结果，未经医师审核，不得用于临床诊断；须由放射科医师复核，并结合临床。

文字由固定模板按规则生成，未使用语言模型。
";
    similar(&words(Language::Chinese, "CT", &[], &organs), expected);
}

#[test]
fn magnetic_resonance_has_no_hounsfield_units() {
    let findings = [finding(1, Kind::LiverLesion, None, [21.0, 17.5], 3_210.0, 812.0, (7, 0.81))];
    let organs = [examined(Organ::Liver, true, Some(1402.0))];
    let english = words(Language::English, "MR", &findings, &organs);
    assert!(english.contains(
        "Finding 1: Focal lesion, liver, 21.0 × 17.5 mm (long × short axis on its largest slice), \
         volume 3.2 ml; slice 8 of 133; detection score 0.81.\n"
    ));
    let chinese = words(Language::Chinese, "MR", &findings, &organs);
    assert!(chinese.contains("短径 17.5 mm，体积 3.2 ml；位于第 8 层"));
    for text in [english, chinese] {
        assert!(!text.contains("HU") && !text.contains("812") && !text.contains("CT"), "{text}");
    }
}

#[test]
fn beyond_ten_nodules_the_smaller_ones_are_summed_up_and_still_listed() {
    let side = |number| if number % 3 == 0 { Side::Left } else { Side::Right };
    let nodule = |number: usize| {
        let long = 30.0 - number as f64;
        finding(number, Kind::LungNodule, Some(side(number)), [long, long - 1.0], 500.0, 1.0, (number, 0.9))
    };
    let findings: Vec<Finding> = (1..=13).map(nodule).collect();
    let text = words(Language::English, "CT", &findings, &[examined(Organ::Lung, true, None)]);
    assert!(text.contains("A further 3 nodules (2 right, 1 left), long axis 17.0 to 19.0 mm:\n"), "{text}");
    assert!(text.contains("Finding 13: Nodule, right lung, 17.0 × 16.0 mm, volume 500 mm³, slice 14.\n"));
    let text = words(Language::Chinese, "CT", &findings, &[examined(Organ::Lung, true, None)]);
    assert!(
        text.contains("其余结节 3 个（右侧 2 个，左侧 1 个），长径 17.0 至 19.0 mm，依次为：\n"),
        "{text}"
    );
    assert!(text.contains("病灶 13：右肺结节，17.0 mm × 16.0 mm，体积 500 mm³，第 14 层。\n"));
}

#[test]
fn warnings_are_quoted_and_the_sixth_is_counted() {
    let warnings: Vec<String> = (1..=7).map(|number| format!("odd thing {number}")).collect();
    let scene = Scene { slices: 1, warnings, ..Scene::default() };
    let text = Narrative::template(Language::English, &scene.facts()).text();
    assert!(text.contains("CT series of 1 slice, "));
    assert!(
        text.contains("Note on the input: odd thing 5\n2 more notes are among the warnings of the report.\n")
    );
    assert!(text.contains("Impression\n1. No organ was assessed in this series.\n"));
    assert!(!text.contains("odd thing 6"));
}

/// The numbers in `text`, as they are written.
fn numbers(text: &str) -> Vec<&str> {
    let part = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    let trimmed = text.split(|c| !part(c)).map(|number| number.trim_end_matches(['.', '-']));
    trimmed.filter(|number| number.contains(|c: char| c.is_ascii_digit())).collect()
}

/// Every way in which a sentence about `about` may write a number.
fn permitted(about: &[&Finding], slices: usize, organ_ml: f64) -> Vec<String> {
    let mut permitted: Vec<String> = (0..=about.len()).map(|count| count.to_string()).collect();
    permitted.extend([slices.to_string(), format!("{organ_ml:.0}")]);
    for finding in about {
        let m = &finding.measurements;
        permitted.extend([finding.number.to_string(), (m.slice + 1).to_string()]);
        permitted.extend([format!("{:.1}", m.long_axis_mm), format!("{:.1}", m.short_axis_mm)]);
        permitted.extend([format!("{:.0}", m.volume_mm3), format!("{:.1}", m.volume_mm3 / 1000.0)]);
        let mean_hu = if m.mean_hu.abs() <= 0.5 { 0.0 } else { m.mean_hu };
        permitted.push(format!("{mean_hu:.0}"));
        permitted.push(format!("{:.2}", finding.confidence));
    }
    permitted
}

proptest! {
    #[test]
    fn no_finding_is_lost_and_no_number_is_made_up(
        mut findings in prop::collection::vec(any_finding(), 0..30),
        chinese in any::<bool>(),
        ct in any::<bool>(),
        liver_ml in 200.0..4000.0f64,
    ) {
        findings.sort_by_key(|f| f.kind == Kind::LiverLesion);
        for (number, finding) in (1..).zip(&mut findings) {
            finding.number = number;
        }
        let examined = [examined(Organ::Lung, true, None), examined(Organ::Liver, true, Some(liver_ml))];
        let scene = Scene {
            modality: if ct { "CT" } else { "MR" }.to_owned(),
            slices: 200,
            spacing_mm: [0.7, 0.7, 2.5],
            findings,
            examined: examined.to_vec(),
            ..Scene::default()
        };
        let (facts, findings) = (scene.facts(), &scene.findings);
        let language = if chinese { Language::Chinese } else { Language::English };
        let narrative = Narrative::template(language, &facts);

        for finding in findings {
            let own = narrative.findings.iter().filter(|s| s.evidence == [finding.number]);
            prop_assert!(own.clone().count() >= 1, "finding {} has no sentence", finding.number);
            let long = format!("{:.1}", finding.measurements.long_axis_mm);
            prop_assert!(own.clone().any(|s| s.text.contains(&long)));
            prop_assert!(narrative.impression.iter().any(|s| s.evidence.contains(&finding.number)));
        }
        // The first sentence is about the grid of the series, not about a finding.
        for sentence in narrative.findings[1..].iter().chain(&narrative.impression) {
            prop_assert!(sentence.evidence.iter().all(|number| (1..=findings.len()).contains(number)));
            let about: Vec<&Finding> =
                findings.iter().filter(|f| sentence.evidence.contains(&f.number)).collect();
            prop_assert_eq!(about.len(), sentence.evidence.len());
            let permitted = permitted(&about, 200, liver_ml);
            for number in numbers(&sentence.text) {
                prop_assert!(permitted.iter().any(|p| p == number), "{} in: {}", number, sentence.text);
            }
        }
    }
}
