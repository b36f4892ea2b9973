//! Replies in the habits of larger models, and what of them is in the report.

use engine::check::Class;
use engine::narrative::{Author, Sentence};
use engine::report::Examined;
use engine::write::{Attempt, Request, System, Written};
use engine::{Language, Organ};

use crate::made::{Scene, examined, two_nodules_and_a_liver_lesion};

pub(crate) fn scene() -> Scene {
    let examined: Vec<Examined> =
        vec![examined(Organ::Lung, true, None), examined(Organ::Liver, true, Some(1523.4))];
    Scene { findings: two_nodules_and_a_liver_lesion(), examined, ..Scene::default() }
}

/// What comes of these replies, given in turn as long as the model is asked.
pub(crate) fn written(language: Language, scene: &Scene, replies: &[&str]) -> Written {
    let (facts, evidence) = (scene.facts(), scene.evidence());
    let request = Request::new(language, &facts).unwrap();
    let mut attempt = Attempt::new(&request, &facts, &evidence);
    for (round, reply) in replies.iter().enumerate() {
        if round > 0 && attempt.repair(System::Apart).is_none() {
            break;
        }
        attempt.read(reply);
    }
    attempt.finish()
}

/// The model's sentences of one section.
pub(crate) fn by_model(sentences: &[Sentence]) -> Vec<&str> {
    let of_model = sentences.iter().filter(|sentence| sentence.author == Author::Model);
    of_model.map(|sentence| sentence.text.as_str()).collect()
}

/// All five sentences that are asked for are the model's.
#[track_caller]
fn all_taken(language: Language, reply: &str, first: &str, last: &str) {
    let Written { narrative, judgement } = written(language, &scene(), &[reply]);
    assert_eq!(judgement.rejected, [], "{narrative:?}");
    assert_eq!((judgement.accepted, judgement.rounds, judgement.whole_template), (5, 1, false));
    assert_eq!(judgement.faults, []);
    assert_eq!(by_model(&narrative.findings).first(), Some(&first));
    assert_eq!(by_model(&narrative.impression).last(), Some(&last));
}

#[test]
fn deepseek_r1_thinks_aloud_and_only_its_answer_counts() {
    let reply = include_str!("replies/deepseek-r1-zh.txt");
    all_taken(
        Language::Chinese,
        reply,
        "病灶 1：右肺结节，长径 33.0 mm，短径 25.2 mm，体积 12.3 ml，平均 CT 值 -12 HU，位于第 54 层。",
        "肝脏局灶性病变 1 个，长径 14.0 mm，短径 12.0 mm。",
    );
    let text = written(Language::Chinese, &scene(), &[reply]).narrative.text();
    for thought in ["恶性", "35 mm", "草稿", "think"] {
        assert!(!text.contains(thought), "{thought} leaked: {text}");
    }
    assert!(
        text.ends_with("共 10 句，其中 5 句由语言模型书写并已与测量结果核对，其余由固定模板生成。\n"),
        "{text}"
    );
}

#[test]
fn deepseek_v3_puts_fences_and_prose_around_its_json() {
    all_taken(
        Language::English,
        include_str!("replies/deepseek-v3-en.txt"),
        "Finding 1 is a nodule in the right lung with a long axis of 33.0 mm and a short axis of 25.2 mm, volume \
         12.3 ml, mean attenuation -12 HU.",
        "1 focal liver lesion, long axis 14.0 mm.",
    );
}

#[test]
fn qwen_leaves_its_thinking_open_and_writes_full_width() {
    all_taken(
        Language::Chinese,
        include_str!("replies/qwen-zh.txt"),
        "病灶 1：右肺结节，长径 33.0 mm，短径 25.2 mm。",
        "肝脏局灶性病变 1 个，长径 14.0 mm。",
    );
}

#[test]
fn gpt_names_fields_otherwise_and_recommends_unasked() {
    let reply = include_str!("replies/gpt-en.txt");
    let Written { narrative, judgement } = written(Language::English, &scene(), &[reply]);
    assert_eq!(judgement.accepted, 5, "{judgement:?}");
    let faults: Vec<Class> =
        judgement.rejected.iter().flat_map(|r| r.faults.iter().map(|f| f.class)).collect();
    assert_eq!(faults, [Class::Recommendation]);
    assert_eq!(narrative.recommendation, [], "only a guideline recommends");
    let text = narrative.text();
    assert!(!text.contains("3 months") && !text.contains("**"), "{text}");
    assert!(
        text.contains(
            "\nFinding 1: nodule in the right lung, long axis 33.0 mm, short axis 25.2 mm, on slice 54.\n"
        ),
        "{text}"
    );
}

#[test]
fn of_a_small_model_that_errs_and_is_cut_off_only_what_is_right_stays() {
    let reply = include_str!("replies/small-en-cut.txt");
    let Written { narrative, judgement } = written(Language::English, &scene(), &[reply]);
    assert_eq!(
        by_model(&narrative.findings),
        ["Finding 1 is a nodule in the right lung with a long axis of 33.0 mm and a short axis of 25.2 mm."]
    );
    assert_eq!(by_model(&narrative.impression), Vec::<&str>::new());
    let of: Vec<&[usize]> = judgement.rejected.iter().map(|r| &r.findings[..]).collect();
    assert_eq!(of, [&[2][..], &[7], &[1, 2]]);
    assert_eq!(judgement.faults, []);
    let text = narrative.text();
    assert!(text.contains("\nFinding 2: Nodule, left lung, 6.2 × 5.5 mm "), "{text}");
    assert!(text.contains("\nFinding 3: Focal lesion, liver, 14.0 × 12.0 mm "), "{text}");
    for wrong in ["6.2 cm", "Finding 7", "3 lung nodules", "malignant"] {
        assert!(!text.contains(wrong), "{wrong}: {text}");
    }
}
