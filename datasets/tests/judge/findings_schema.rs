//! `docs/findings.schema.json` and `docs/findings-schema.md` say what `findings.json` holds.

use std::collections::BTreeSet;

use dicom_io::Uid;
use engine::guideline::Advised;
use engine::narrative::{Author, Sentence};
use engine::report::{Examined, ModelRun, Provenance, SCHEMA_VERSION};
use engine::write::Writing;
use engine::{Kind, Language, Narrative, Organ, Report};
use serde_json::Value;

use crate::made::finding;

const SCHEMA: &str = include_str!("../../../docs/findings.schema.json");
const WORDS: &str = include_str!("../../../docs/findings-schema.md");

/// A report that has something of everything.
fn report() -> Value {
    let sentence = |text: &str| Sentence {
        text: text.to_owned(),
        evidence: vec![1],
        rules: Vec::new(),
        author: Author::Template,
    };
    let examined = |organ, kind, volume: Option<f64>| Examined {
        organ,
        kind,
        organ_found: volume.is_some(),
        organ_volume_ml: volume,
        model: "made-up".to_owned(),
    };
    let report = Report {
        schema_version: SCHEMA_VERSION,
        intended_use: "research".into(),
        study_uid: Uid::derived(&["study"]),
        series_uid: Uid::derived(&["series"]),
        modality: "CT".to_owned(),
        slices: 9,
        spacing_mm: [0.5, 0.7, 2.0],
        findings: vec![
            finding(1, Kind::LungNodule, [1.0, 2.0, 3.0], 12.5, 0.75),
            finding(2, Kind::LiverLesion, [4.0, 5.0, 6.0], 22.5, 1.0),
        ],
        examined: vec![
            examined(Organ::Lung, Kind::LungNodule, Some(4000.0)),
            examined(Organ::Liver, Kind::LiverLesion, None),
        ],
        narrative: Narrative {
            language: Language::Chinese,
            findings: vec![sentence("one")],
            impression: vec![sentence("two")],
            recommendation: Vec::new(),
            patient_version: Vec::new(),
            worklist: String::new(),
        },
        compared: None,
        advised: Advised::default(),
        warnings: vec!["odd".to_owned()],
        provenance: Provenance {
            foci_version: "0.1.0".to_owned(),
            runtime: "made-up 1.0, CPU".to_owned(),
            models: vec![ModelRun {
                name: "made-up".to_owned(),
                version: "1".to_owned(),
                weights_sha256: "0f".repeat(32),
                device_uid: Uid::derived(&["device"]),
                parameters: vec!["threshold=0.5".to_owned()],
            }],
            writing: Writing::default(),
        },
    };
    serde_json::to_value(report).unwrap()
}

/// What of `value` is not as `schema` says, in both directions: a field that the schema does not know is
/// an error too. Knows the words that `findings.schema.json` uses, but not patterns.
fn faults(root: &Value, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
    let Some(words) = schema.as_object() else { panic!("{at}: a schema is an object") };
    let mut fault = |what: String| faults.push(format!("{at}: {what}"));
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        other => panic!("{at}: no type {other}"),
    };
    for (word, rule) in words {
        let names = || rule.as_array().into_iter().flatten().filter_map(Value::as_str);
        let limit = |holds: fn(f64, f64) -> bool, found: Option<f64>| {
            found.is_none_or(|found| holds(found, rule.as_f64().expect("a limit is a number")))
        };
        let length = value.as_array().map(|list| list.len() as f64);
        let characters = value.as_str().map(|text| text.chars().count() as f64);
        let holds = match word.as_str() {
            "$ref" | "properties" | "items" => true, // below
            "$schema" | "$id" | "$defs" | "title" | "description" | "pattern" => true,
            "type" => rule.as_str().into_iter().chain(names()).any(is),
            "const" => value == rule,
            "enum" => rule.as_array().is_some_and(|allowed| allowed.contains(value)),
            "minimum" => limit(|found, low| found >= low, value.as_f64()),
            "maximum" => limit(|found, high| found <= high, value.as_f64()),
            "exclusiveMinimum" => limit(|found, low| found > low, value.as_f64()),
            "minItems" => limit(|found, low| found >= low, length),
            "maxItems" => limit(|found, high| found <= high, length),
            "minLength" => limit(|found, low| found >= low, characters),
            "maxLength" => limit(|found, high| found <= high, characters),
            "required" => {
                let documented: BTreeSet<&str> = names().collect();
                let described =
                    words["properties"].as_object().expect("fields").keys().map(String::as_str).collect();
                let found = value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                documented == described && documented == found
            }
            other => panic!("{at}: the word {other} is not known to this test"),
        };
        if !holds {
            fault(format!("{value} against {word} {rule}"));
        }
    }
    if let Some(name) = schema["$ref"].as_str() {
        let named = root.pointer(name.trim_start_matches('#')).unwrap_or_else(|| panic!("{at}: no {name}"));
        self::faults(root, named, value, at, faults);
    }
    for (name, rule) in schema["properties"].as_object().into_iter().flatten() {
        self::faults(root, rule, &value[name], &format!("{at}.{name}"), faults);
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        if let Some(rule) = schema.get("items") {
            self::faults(root, rule, item, &format!("{at}[{number}]"), faults);
        }
    }
}

fn faults_of(value: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut found = Vec::new();
    faults(&schema, &schema, value, "report", &mut found);
    found
}

#[test]
fn a_report_is_exactly_as_the_schema_says() {
    assert_eq!(faults_of(&report()), Vec::<String>::new());
}

#[test]
fn a_missing_a_new_and_a_changed_field_are_noticed() {
    let mut missing = report();
    missing["findings"][0].as_object_mut().unwrap().remove("tracking_uid");
    let mut new = report();
    new["provenance"]["when"] = "now".into();
    let mut changed = report();
    changed["examined"][1]["organ_found"] = "no".into();
    for (wrong, at) in [
        (missing, "report.findings[0]"),
        (new, "report.provenance"),
        (changed, "report.examined[1].organ_found"),
    ] {
        assert!(faults_of(&wrong).iter().any(|fault| fault.starts_with(at)), "{at}: {:?}", faults_of(&wrong));
    }
}

#[test]
fn every_field_of_the_schema_is_explained() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let fields =
        schema["$defs"].as_object().unwrap().values().filter_map(|part| part["properties"].as_object());
    for name in fields.flat_map(|properties| properties.keys()) {
        // In a table alone, as the last or the first part of a path, or in an example.
        let forms = [
            format!("`{name}`"),
            format!(".{name}`"),
            format!("`{name}."),
            format!("`{name}["),
            format!("\"{name}\""),
        ];
        assert!(forms.iter().any(|form| WORDS.contains(form)), "{name} is not in findings-schema.md");
    }
}
