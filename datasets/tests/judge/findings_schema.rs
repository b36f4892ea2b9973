//! `docs/findings.schema.json` and `docs/findings-schema.md` say what `findings.json` holds.

use std::collections::BTreeSet;

use dicom_io::Uid;
use engine::check::{Class, Fault, Place, Section};
use engine::guideline::{Action, Advice, Advised, Guideline, Next, Refusal, Risk, Why};
use engine::narrative::{Author, Sentence};
use engine::report::{Examined, ModelRun, Provenance, SCHEMA_VERSION};
use engine::track::{Alignment, Change, Compared, Resolved, Trend};
use engine::write::{Judgement, Rejected, Writing};
use engine::{Density, Kind, Language, Mask, Narrative, Organ, Report, Side, Site, SolidPart};
use serde_json::Value;

use crate::made::finding;

const SCHEMA: &str = include_str!("../../../docs/findings.schema.json");
const WORDS: &str = include_str!("../../../docs/findings-schema.md");

/// A report that has something of everything.
fn full() -> Report {
    let sentence = |text: &str, author| Sentence {
        text: text.to_owned(),
        evidence: vec![1],
        rules: vec!["a.rule".to_owned()],
        author,
    };
    let examined = |organ, kind, volume: Option<f64>| Examined {
        organ,
        kind,
        organ_found: volume.is_some(),
        organ_volume_ml: volume,
        model: "made-up".to_owned(),
    };
    let mut findings = vec![
        finding(1, Kind::LungNodule, [1.0, 2.0, 3.0], 12.5, 0.75),
        finding(2, Kind::LiverLesion, [4.0, 5.0, 6.0], 22.5, 1.0),
    ];
    findings[0].density = Some(Density::PartSolid);
    findings[0].solid_part = Some(SolidPart { long_axis_mm: 4.5, short_axis_mm: 3.25 });
    findings[0].change = Some(Change {
        trend: Trend::Grown,
        prior_long_axis_mm: Some(10.1),
        prior_short_axis_mm: Some(6.3),
        prior_volume_mm3: Some(400.7),
        mean_diameter_change_mm: Some(1.7),
        volume_change_percent: Some(49.7),
        volume_uncertainty_percent: Some(25.0),
        doubling_days: Some(157.9),
        days: Some(92),
    });
    Report {
        schema_version: SCHEMA_VERSION,
        intended_use: "research".into(),
        study_uid: Uid::derived(&["study"]),
        series_uid: Uid::derived(&["series"]),
        modality: "CT".to_owned(),
        slices: 9,
        spacing_mm: [0.5, 0.7, 2.0],
        findings,
        examined: vec![
            examined(Organ::Lung, Kind::LungNodule, Some(4000.0)),
            examined(Organ::Liver, Kind::LiverLesion, None),
        ],
        narrative: Narrative {
            language: Language::Chinese,
            findings: vec![sentence("one", Author::Template)],
            impression: vec![sentence("two", Author::Model)],
            recommendation: vec![sentence("three", Author::Human)],
            patient_version: vec!["four".to_owned()],
            worklist: "five".to_owned(),
        },
        compared: Some(Compared {
            study_uid: Uid::derived(&["prior"]),
            series_uid: Uid::derived(&["prior", "series"]),
            days: Some(92),
            alignment: Alignment::Images { correlation: 0.93, overlap: 0.81 },
            resolved: vec![Resolved {
                kind: Kind::LungNodule,
                site: Site { organ: Organ::Lung, side: Some(Side::Right) },
                tracking_uid: Uid::derived(&["gone"]),
                prior_long_axis_mm: 5.3,
                prior_short_axis_mm: Some(4.1),
            }],
            not_compared: 1,
        }),
        advised: Advised {
            guideline: Some(Guideline::Fleischner2017),
            advice: vec![Advice {
                guideline: Guideline::Fleischner2017,
                rule: "a.rule".to_owned(),
                findings: vec![1],
                risk: Some(Risk::Low),
                category: Some("4A".to_owned()),
                action: Action::CtMaybePet,
                months: Some([3, 6]),
                then: Some(Box::new(Next {
                    action: Action::Ct,
                    months: Some([18, 24]),
                    every_months: Some(12),
                })),
                source: "a table".to_owned(),
            }],
            refused: vec![Refusal {
                guideline: Guideline::Fleischner2017,
                findings: vec![2],
                why: Why::DensityUnknown,
            }],
        },
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
            writing: writing(),
        },
    }
}

fn writing() -> Writing {
    let hash = || "1e".repeat(32);
    let fault = |place| Fault {
        class: Class::Unit,
        place,
        found: "8.4 cm".to_owned(),
        expected: "8.4 mm".to_owned(),
    };
    Writing {
        model: Some("a-model".to_owned()),
        model_version: Some("fp_1".to_owned()),
        endpoint: Some("vllm".to_owned()),
        parameters: vec!["temperature=0".to_owned()],
        prompt_sha256: Some(hash()),
        schema_sha256: Some(hash()),
        evidence_sha256: Some(hash()),
        replies_sha256: vec![hash(), hash()],
        asked_at: Some("2026-01-02T03:04:05+08:00".to_owned()),
        seconds: Some(5.25),
        prompt_tokens: Some(800),
        reply_tokens: Some(200),
        failure: Some("too slow".to_owned()),
        judgement: Some(Judgement {
            rounds: 2,
            accepted: 1,
            rejected: vec![Rejected { findings: vec![2], faults: vec![fault(None)] }],
            problems: vec!["the answer was empty".to_owned()],
            whole_template: false,
            faults: vec![fault(Some(Place { section: Section::Impression, sentence: 1 }))],
            checker: "0.1.0".to_owned(),
        }),
    }
}

/// A report without anything that may be missing.
fn bare() -> Report {
    let mut report = full();
    report.findings[0].density = None;
    report.findings[0].solid_part = None;
    report.findings[0].change = None;
    report.findings[0].site.side = None;
    report.compared = None;
    report.advised = Advised::default();
    report.narrative.recommendation = Vec::new();
    report.narrative.patient_version = Vec::new();
    report.provenance.writing = Writing::default();
    report
}

fn report() -> Value {
    serde_json::to_value(full()).unwrap()
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
            "$ref" | "properties" | "items" | "anyOf" => true, // below
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
    if let Some(shapes) = schema["anyOf"].as_array() {
        let of_shape = |shape| {
            let mut found = Vec::new();
            self::faults(root, shape, value, at, &mut found);
            found
        };
        // Of several shapes the one that fits best tells what is wrong.
        faults.extend(shapes.iter().map(of_shape).min_by_key(Vec::len).expect("at least one shape"));
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
    for report in [full(), bare()] {
        assert_eq!(faults_of(&serde_json::to_value(report).unwrap()), Vec::<String>::new());
    }
}

#[test]
fn a_report_that_was_written_can_be_read_again() {
    for mut report in [full(), bare()] {
        let text = serde_json::to_string_pretty(&report).unwrap();
        let again: Report = serde_json::from_str(&text).unwrap();
        // The voxels are in the segmentation, not in this file.
        for finding in &mut report.findings {
            finding.mask = Mask::default();
        }
        assert_eq!(again, report);
    }
}

#[test]
fn a_missing_a_new_and_a_changed_field_are_noticed() {
    let mut missing = report();
    missing["findings"][0].as_object_mut().unwrap().remove("tracking_uid");
    let mut new = report();
    new["provenance"]["when"] = "now".into();
    let mut changed = report();
    changed["examined"][1]["organ_found"] = "no".into();
    let mut deep = report();
    deep["findings"][0]["change"]["trend"] = "better".into();
    for (wrong, at) in [
        (deep, "report.findings[0].change.trend"),
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
