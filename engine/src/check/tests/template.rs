use super::*;

/// Words that come in a report, and what breaks parsers.
fn any_text() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let word = prop_oneof![
        Just("右肺".to_owned()),
        Just("nodule".to_owned()),
        Just("finding 1".to_owned()),
        Just("第".to_owned()),
        Just("8.4 mm".to_owned()),
        Just("×".to_owned()),
        Just("to".to_owned()),
        Just("-".to_owned()),
        Just("较前".to_owned()),
        Just("十二点".to_owned()),
        Just("分别".to_owned()),
        Just("(".to_owned()),
        Just(")".to_owned()),
        Just("、".to_owned()),
        Just("99999999999999999999999".to_owned()),
        "[0-9.,:/年月-]{0,12}",
        "\\PC{0,8}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(""))
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in any_text(), chinese in proptest::bool::ANY, open in proptest::bool::ANY) {
        let language = if chinese { Language::Chinese } else { Language::English };
        let mode = if open { Mode::Open } else { Mode::Closed };
        for section in 0..3 {
            let mut sections = [Vec::new(), Vec::new(), Vec::new()];
            sections[section] = vec![sentence(&text, &[]), sentence(&text, &[1]), sentence(&text, &[1, 2, 77])];
            let [findings, impression, recommendation] = sections;
            let narrative = Narrative {
                language, findings, impression, recommendation, patient_version: Vec::new(), worklist: String::new(),
            };
            judge(&narrative, &followed(), mode);
        }
    }
}
