//! Words by a language model: every way in which a server was seen to misbehave, and what the report is then.

#[path = "../common/mod.rs"]
mod common;

mod hostile;
mod replies;
mod trouble;

use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use common::chat::{Chat, Request};
use common::{Scene, foci};
use engine::narrative::Author;
use engine::{Language, Narrative, Report};
use serde_json::{Value, json};

/// A folder of results with two lung nodules and a lesion of the liver, and the report in it.
fn results(scene: &Scene, language: Language) -> (PathBuf, Report) {
    let finding = |number: usize, kind: &str, organ: &str, side: Option<&str>, long: f64, short: f64| {
        let measurements = json!({
            "centre_lps_mm": { "l": 10.0, "p": 20.0, "s": 30.0 },
            "long_axis_mm": long,
            "short_axis_mm": short,
            "max_diameter_3d_mm": long + 0.5,
            "volume_mm3": (41.0 * long).round(),
            "voxels": 300,
            "mean_hu": (12.0 + long).round(),
            "min_hu": -80.0,
            "max_hu": 95.0,
            "sd_hu": 21.0,
            "slice": 10 * number,
            "long_axis_ij": [[10.0, 10.0], [20.0, 10.0]],
            "short_axis_ij": [[15.0, 5.0], [15.0, 12.0]],
            "outline_ij": [[10.0, 10.0], [20.0, 10.0], [15.0, 12.0], [10.0, 10.0]],
        });
        json!({
            "number": number,
            "kind": kind,
            "site": { "organ": organ, "side": side },
            "measurements": measurements,
            "density": null,
            "change": null,
            "confidence": 0.9,
            "model": kind,
            "sop_instance_uid": format!("1.2.3.{number}"),
            "tracking_uid": format!("1.2.4.{number}"),
            "critical": false,
        })
    };
    let examined = |organ: &str, kind: &str| json!({ "organ": organ, "kind": kind, "organ_found": true, "organ_volume_ml": null, "model": kind });
    let report = json!({
        "schema_version": 1,
        "intended_use": "research",
        "study_uid": "1.2.840.77",
        "series_uid": "1.2.840.78",
        "modality": "CT",
        "slices": 80,
        "spacing_mm": [0.7, 0.7, 1.25],
        "findings": [
            finding(1, "lung_nodule", "lung", Some("right"), 12.3, 9.8),
            finding(2, "lung_nodule", "lung", Some("left"), 6.4, 5.1),
            finding(3, "liver_lesion", "liver", None, 21.7, 18.2),
        ],
        "examined": [examined("lung", "lung_nodule"), examined("liver", "liver_lesion")],
        "compared": null,
        "advised": { "guideline": null, "advice": [], "refused": [] },
        "narrative": {
            "language": if language == Language::Chinese { "zh-CN" } else { "en" },
            "findings": [], "impression": [], "recommendation": [], "patient_version": [], "worklist": "",
        },
        "warnings": [],
        "provenance": { "foci_version": "0", "runtime": "none", "models": [], "writing": {} },
    });
    let mut report: Report = serde_json::from_value(report).unwrap();
    report.narrative = Narrative::template(language, &report.facts());
    let folder = scene.folder("results");
    std::fs::write(folder.join("findings.json"), serde_json::to_string(&report).unwrap()).unwrap();
    (folder, report)
}

/// What `foci report` made of the results with a model behind `chat`.
struct Done {
    report: Report,
    /// `llm.json`; null if there is none.
    record: Value,
    text: String,
    stderr: String,
    took: Duration,
    requests: Vec<Request>,
}

impl Done {
    /// How many sentences the model wrote.
    fn by_model(&self) -> usize {
        let narrative = &self.report.narrative;
        let all = narrative.findings.iter().chain(&narrative.impression);
        all.filter(|sentence| sentence.author == Author::Model).count()
    }

    /// What happened to each request.
    fn outcomes(&self) -> Vec<&str> {
        let requests = self.record["requests"].as_array().unwrap();
        requests.iter().map(|request| request["outcome"].as_str().unwrap()).collect()
    }

    /// That the template wrote everything, and why; the reason is told.
    #[track_caller]
    fn failed(&self, template: &Narrative, why: &str) {
        assert_eq!(self.report.narrative, *template);
        let failure = self.report.provenance.writing.failure.as_deref().unwrap_or_default();
        assert!(failure.contains(why), "{failure}");
        assert!(self.stderr.contains(&format!("warning: language model: {failure}")), "{}", self.stderr);
        assert_eq!(self.report.warnings, [format!("language model: {failure}")]);
    }
}

/// `foci report RESULTS -o NAME` with a model behind `chat`, and more arguments.
fn command(scene: &Scene, chat: &Chat, name: &str, more: &[&str]) -> Command {
    let mut command = foci(scene);
    command.arg("report").arg(scene.path("results")).arg("-o").arg(scene.path(name));
    command.args(["--llm-url", &chat.url(), "--llm-model", "m", "--llm-kind", "vllm"]).args(more);
    command
}

#[track_caller]
fn write(scene: &Scene, chat: &Chat, name: &str, more: &[&str]) -> Done {
    let since = Instant::now();
    let Output { status, stdout, stderr } = command(scene, chat, name, more).output().unwrap();
    let took = since.elapsed();
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success(), "{stderr}");
    let folder = scene.path(name);
    assert_eq!(stdout.trim(), folder.display().to_string());
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    Done {
        report: serde_json::from_str(&read("findings.json")).unwrap(),
        record: serde_json::from_str(&read("llm.json")).unwrap_or_default(),
        text: read("report.txt"),
        stderr,
        took,
        requests: chat.requests(),
    }
}
