//! The template where there is a prior, a guideline, and a patient who reads it.

use dicom_io::Uid;
use engine::check::check;
use engine::guideline::{Guideline, Patient, advise};
use engine::narrative::Style;
use engine::track::{Alignment, Change, Compared, Resolved, Trend};
use engine::{Density, Finding, Kind, Language, Narrative, Organ, Side, Site};

use crate::made::{Scene, examined, similar, two_nodules_and_a_liver_lesion};

fn change(trend: Trend, prior: Option<[f64; 2]>, volume_percent: Option<f64>) -> Change {
    Change {
        trend,
        prior_long_axis_mm: prior.map(|axes| axes[0]),
        prior_short_axis_mm: prior.map(|axes| axes[1]),
        prior_volume_mm3: None,
        mean_diameter_change_mm: None,
        volume_change_percent: volume_percent,
        volume_uncertainty_percent: Some(25.0),
        doubling_days: (trend == Trend::Grown).then_some(143.4),
        days: Some(92),
    }
}

fn gone(kind: Kind, organ: Organ, side: Option<Side>) -> Resolved {
    Resolved {
        kind,
        site: Site { organ, side },
        tracking_uid: Uid::derived(&["gone"]),
        prior_long_axis_mm: 6.24,
        prior_short_axis_mm: Some(5.0),
    }
}

/// A solid nodule that has grown, a new ground-glass nodule, an unchanged liver lesion; a nodule is gone.
pub(crate) fn followed() -> Scene {
    let mut findings: Vec<Finding> = two_nodules_and_a_liver_lesion();
    findings[0].density = Some(Density::Solid);
    findings[0].critical = true;
    findings[0].change = Some(change(Trend::Grown, Some([28.14, 20.0]), Some(55.9)));
    findings[1].density = Some(Density::GroundGlass);
    findings[1].change = Some(change(Trend::New, None, None));
    findings[2].change = Some(change(Trend::Unchanged, Some([14.2, 12.0]), Some(-3.0)));
    Scene {
        findings,
        examined: vec![examined(Organ::Lung, true, None), examined(Organ::Liver, true, Some(1523.4))],
        compared: Some(Compared {
            study_uid: Uid::derived(&["prior"]),
            series_uid: Uid::derived(&["prior", "series"]),
            days: Some(92),
            alignment: Alignment::FrameOfReference,
            not_compared: 2,
            resolved: vec![gone(Kind::LungNodule, Organ::Lung, Some(Side::Left))],
        }),
        ..Scene::default()
    }
}

#[test]
fn what_has_become_of_lesions_reads_well_in_english() {
    let narrative = Narrative::template(Language::English, &followed().facts());
    let expected = "\
Findings
CT series of 133 slices, 2.50 mm apart, pixel spacing 0.70 × 0.70 mm. Slices are counted by position and may be numbered otherwise by the scanner.
Compared with the examination 92 days earlier.
2 lesions of the prior examination could not be compared.
Lungs: 2 nodules (1 right, 1 left).
Finding 1: Solid nodule, right lung, 33.0 × 25.2 mm (long × short axis on its largest slice), volume 12.3 ml, mean attenuation -12 HU; slice 54 of 133; detection score 0.93.
Finding 1 is larger than before: long axis 33.0 mm (previously 28.1 mm), volume +56 % in 92 days, volume doubling time 143 days.
Finding 2: Ground-glass nodule, left lung, 6.2 × 5.5 mm (long × short axis on its largest slice), volume 99 mm³, mean attenuation -231 HU; slice 102 of 133; detection score 0.50.
Finding 2 is new: it was not detected in the prior examination.
A nodule of the left lung in the prior examination (6.2 × 5.0 mm) is no longer detected.
Liver (1523 ml within the images): 1 focal lesion.
Finding 3: Focal lesion, liver, 14.0 × 12.0 mm (long × short axis on its largest slice), volume 1.0 ml, mean attenuation 47 HU; slice 13 of 133; detection score 0.70.
Finding 3 is unchanged: long axis 14.0 mm (previously 14.2 mm), volume -3 % (measurement uncertainty 25 %) in 92 days.
Detection scores are the network's own, are not calibrated and are no probability of disease.
Only the lesions named above were looked for, in the organs named above; nothing else was assessed.

Impression
1. 2 lung nodules (1 right, 1 left), long axis 6.2 to 33.0 mm; the largest is finding 1 in the right lung, 33.0 × 25.2 mm.
2. Lung nodules compared with the prior examination: 1 new (finding 2), 1 larger (finding 1), 1 no longer detected.
3. Focal lesion, liver, 14.0 × 12.0 mm (finding 3).
4. Focal liver lesions compared with the prior examination: 1 unchanged.
5. Critical result: finding 1 (long axis 33.0 mm) is to be reported to the referring physician at once.
6. Unverified output of research software, not for clinical use: to be reviewed by a radiologist and correlated clinically.

Written by a fixed template from the measurements, without a language model.
";
    similar(&narrative.text(), expected);
    assert_eq!(
        narrative.worklist,
        "2 lung nodules, largest 33.0 mm right; 1 focal liver lesion, 14.0 mm; 1 new; 1 larger; 1 no longer \
         detected; critical"
    );
}

#[test]
fn what_has_become_of_lesions_reads_well_in_chinese() {
    let narrative = Narrative::template(Language::Chinese, &followed().facts());
    let expected = "\
影像所见
CT 序列共 133 层，层间距 2.50 mm，像素间距 0.70 × 0.70 mm。层号按空间位置计数，可能与设备的图像编号不同。
与 92 天前的检查比较。
前次检查中有 2 个病灶未能与本次比较。
肺：检出结节 2 个（右侧 1 个，左侧 1 个）。
病灶 1：右肺实性结节，最大层面长径 33.0 mm，短径 25.2 mm，体积 12.3 ml，平均 CT 值 -12 HU；位于第 54 层（共 133 层），检测评分 0.93。
病灶 1 较前增大：长径 33.0 mm（前次 28.1 mm），体积增加 56%，间隔 92 天，体积倍增时间 143 天。
病灶 2：左肺磨玻璃结节，最大层面长径 6.2 mm，短径 5.5 mm，体积 99 mm³，平均 CT 值 -231 HU；位于第 102 层（共 133 层），检测评分 0.50。
病灶 2 为新发病灶，前次检查未检出。
前次检查所见左肺结节（长径 6.2 mm，短径 5.0 mm）本次未检出。
肝脏（图像范围内体积 1523 ml）：检出局灶性病变 1 个。
病灶 3：肝脏局灶性病变，最大层面长径 14.0 mm，短径 12.0 mm，体积 1.0 ml，平均 CT 值 47 HU；位于第 13 层（共 133 层），检测评分 0.70。
病灶 3 较前无明显变化：长径 14.0 mm（前次 14.2 mm），体积减少 3%（测量不确定度 25%），间隔 92 天。
检测评分为模型输出值，未经校准，不代表患病概率。
仅分析上述器官中的上述病变；其他器官及其他异常均未评估。

诊断意见
1. 肺结节 2 个（右侧 1 个，左侧 1 个），长径 6.2 至 33.0 mm；最大者为病灶 1（右肺），大小 33.0 mm × 25.2 mm。
2. 肺结节与前次检查比较：新发 1 个（病灶 2），增大 1 个（病灶 1），1 个本次未检出。
3. 肝脏局灶性病变 1 个（病灶 3），大小 14.0 mm × 12.0 mm。
4. 肝脏局灶性病变与前次检查比较：无明显变化 1 个。
5. 危急值提示：病灶 1（长径 33.0 mm），请立即通知临床医师。
6. 以上为科研软件自动生成的结果，未经医师审核，不得用于临床诊断；须由放射科医师复核，并结合临床。

文字由固定模板按规则生成，未使用语言模型。
";
    similar(&narrative.text(), expected);
    assert_eq!(
        narrative.worklist,
        "肺结节 2 个，最大 33.0 mm（右肺）；肝脏局灶性病变 1 个，14.0 mm；新发 1 个；增大 1 个；未再检出 1 个；危急值"
    );
}

#[test]
fn the_check_has_nothing_against_the_template() {
    let (mut alone, advised) = (followed(), advised(60));
    alone.compared = None;
    for finding in &mut alone.findings {
        finding.change = None;
    }
    for (name, scene) in [("followed", followed()), ("alone", alone), ("advised", advised)] {
        for language in [Language::English, Language::Chinese] {
            let narrative = Narrative::template(language, &scene.facts());
            let faults = check(&narrative, &scene.evidence()).faults;
            assert_eq!(faults, [], "{name}: {}", narrative.text());
        }
    }
}

#[test]
fn the_patient_reads_plain_words() {
    let scene = followed();
    let english = Narrative::template(Language::English, &scene.facts()).patient_version.join("\n");
    let expected = "\
This was made by research software and no doctor has checked it. Please talk about it with your doctor, and decide nothing from it alone.
The software looked at your CT images for small round spots in the lungs (doctors call them nodules) and found 2; the largest is about 33 millimetres across.
The software looked at your CT images for areas in the liver that look different from the rest (doctors call them focal lesions) and found 1, about 14 millimetres across.
Compared with your earlier images of the lungs: 1 new, 1 larger than before, 1 no longer seen.
Compared with your earlier images of the liver: 1 about the same as before.
At least one of them is large enough that you should speak to your doctor without delay.
What these changes are cannot be told from the images alone; your doctor will judge that together with everything else that is known about you.
The software looked for nothing else and in no other organ, and it can miss things.";
    similar(&english, expected);
    let chinese = Narrative::template(Language::Chinese, &scene.facts()).patient_version.join("\n");
    let expected = "\
本说明由科研软件自动生成，未经医生审核。请与您的医生讨论，不要仅凭本说明作任何决定。
软件在您的 CT 图像中查看了肺部是否有小的圆形阴影（医学上称为“结节”），发现 2 处，最大的约 33 毫米。
软件在您的 CT 图像中查看了肝脏内是否有与周围不同的区域（医学上称为“局灶性病变”），发现 1 处，大小约 14 毫米。
肺部与您以前的检查相比：1 处是新出现的，1 处比以前大，1 处以前有、这次没有看到。
肝脏与您以前的检查相比：1 处没有明显变化。
其中至少一处较大，请尽快联系您的医生。
仅凭图像不能确定这些影像改变是什么，需要由医生结合您的情况判断。
软件只查看了以上内容，也可能有遗漏；其他器官和其他问题均未查看。";
    similar(&chinese, expected);
}

#[test]
fn a_finding_that_was_not_compared_is_said_to_be() {
    let mut scene = followed();
    scene.findings[0].change = None;
    let text = Narrative::template(Language::English, &scene.facts()).text();
    assert!(text.contains("Finding 1 could not be compared with the prior examination.\n"), "{text}");
    scene.compared = None;
    let text = Narrative::template(Language::English, &scene.facts()).text();
    for word in ["prior", "previously", "new", "larger", "unchanged", "compared", "Compared", "no longer"] {
        assert!(!text.contains(word), "{word} without a prior: {text}");
    }
}

/// The scene without a prior, for a patient of this age at low risk.
fn advised(age_years: u16) -> Scene {
    let mut scene = followed();
    scene.compared = None;
    for finding in &mut scene.findings {
        finding.change = None;
    }
    // Below the border of a mass.
    scene.findings[0].measurements.long_axis_mm = 12.0;
    scene.findings[0].measurements.short_axis_mm = 10.0;
    scene.findings[0].measurements.volume_mm3 = 600.0;
    let no = Some(false);
    let patient = Patient {
        sex: None,
        age_years: Some(age_years),
        high_risk: no,
        known_cancer: no,
        immunosuppressed: no,
        screening: no,
    };
    scene.advised = advise(Guideline::Fleischner2017, &patient, &scene.evidence().lesions, false);
    scene
}

#[test]
fn advice_stands_in_the_recommendation_with_its_rule_and_in_plain_words_for_the_patient() {
    let scene = advised(60);
    for (language, heading, plain) in [
        (Language::English, "\nRecommendation\n", "A guideline that doctors use mentions"),
        (Language::Chinese, "\n建议\n", "医生使用的指南提到"),
    ] {
        let narrative = Narrative::template(language, &scene.facts());
        let advice = &scene.advised.advice[0];
        let sentence = &narrative.recommendation[0];
        assert_eq!((&sentence.text, &sentence.evidence), (&advice.text(language), &advice.findings));
        assert_eq!(sentence.rules, std::slice::from_ref(&advice.rule));
        let text = narrative.text();
        assert!(text.contains(&format!("{heading}{}\n", sentence.text)), "{text}");
        assert_eq!(narrative.patient_version.iter().filter(|line| line.starts_with(plain)).count(), 1);
    }
}

#[test]
fn a_guideline_that_does_not_apply_is_said_not_to() {
    let narrative = Narrative::template(Language::English, &advised(30).facts());
    assert!(
        narrative.text().contains(
            "\nRecommendation\nFleischner 2017 gives no advice: it does not apply to patients of this age.\n"
        ),
        "{}",
        narrative.text()
    );
    assert!(!narrative.patient_version.join("\n").contains("guideline"));
}

#[test]
fn the_house_has_its_own_headings_and_may_print_the_patients_version() {
    let scene = followed();
    let narrative = Narrative::template(Language::Chinese, &scene.facts());
    assert!(!narrative.text().contains("患者版"), "only where it is asked for");
    let style = Style {
        findings_heading: Some("检查所见".to_owned()),
        impression_heading: Some("印象".to_owned()),
        recommendation_heading: None,
        patient_version: true,
    };
    let text = narrative.text_in(&style);
    assert!(text.starts_with("检查所见\n") && text.contains("\n\n印象\n1. 肺结节"), "{text}");
    let heading = "\n患者版说明（通俗语言，科研结果）\n本说明由科研软件自动生成";
    assert!(text.contains(heading), "{text}");
}
