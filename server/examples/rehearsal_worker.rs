//! A worker for rehearsals of the queue: it takes the orders that `foci worker` takes, reads the study and
//! writes a sound structured report, but asks no network, so that a study takes milliseconds.
//!
//! `analysis.wrapper = [".../examples/rehearsal_worker", "MISHAPS"]` puts it in the place of `foci worker`. The
//! file MISHAPS names studies that go wrong: a line `UID MISHAP` each, where MISHAP is `abort`, `hang`, `eat`
//! (memory), `slow` (a second and a half) or `critical` (a finding that must be told).

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use chrono::{Datelike, Timelike};
use dicom_io::Uid;
use dicom_io::object::{Algorithm, Context, DateTime, Equipment, NewSeries};
use dicom_io::sr::codes;
use dicom_io::sr::{Absence, Language, MeasurementReport, Site};
use serde_json::{Value, json};

fn main() {
    let mishaps = std::env::args_os().nth(1).map(PathBuf::from);
    let (to, orders) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            to.send(line).expect("the main thread listens");
        }
        // Nobody is left to work for.
        std::process::exit(0);
    });
    for line in orders {
        let order: Value = serde_json::from_str(&line).expect("an order is JSON");
        let said = match analyze(&order, mishaps.as_deref()) {
            Ok(done) => json!({ "done": done }),
            Err(reason) => json!({ "failed": { "permanent": true, "reason": reason } }),
        };
        say(&said);
    }
}

fn say(said: &Value) {
    writeln!(std::io::stdout(), "{said}").expect("somebody listens");
}

fn analyze(order: &Value, mishaps: Option<&Path>) -> Result<Value, String> {
    let since = Instant::now();
    say(&json!({ "stage": { "what": "rehearsal", "done": 0, "total": 1 } }));
    let files = order["files"].as_array().expect("a list of files");
    let files: Vec<_> = files.iter().map(|file| PathBuf::from(file.as_str().expect("a path"))).collect();
    let found = dicom_io::scan(&files).map_err(|error| error.to_string())?;
    let [study] = &found.studies[..] else { return Err("the images are not those of one study".to_owned()) };
    let mishap = mishap(mishaps, &study.uid);
    match mishap.as_str() {
        "abort" => std::process::abort(),
        "hang" => std::thread::sleep(Duration::MAX),
        "eat" => eat(),
        "slow" => std::thread::sleep(Duration::from_millis(1500)),
        _ => {}
    }
    let series = study.series.iter().max_by_key(|series| series.images()).ok_or("it has no series")?;
    let reading = series.read().map_err(|error| error.to_string())?;
    let now = chrono::Local::now();
    let context = Context {
        source: &reading.source,
        geometry: &reading.volume.geometry,
        shape: reading.volume.shape(),
        slices: &reading.slices,
        equipment: &Equipment {
            manufacturer: "Foci".to_owned(),
            model_name: "Rehearsal".to_owned(),
            serial_number: "1".to_owned(),
            software_version: "1".to_owned(),
        },
        algorithms: &[Algorithm {
            name: "rehearsal".to_owned(),
            version: "1".to_owned(),
            manufacturer: "Foci".to_owned(),
            device_uid: Uid::derived(&["rehearsal"]),
            parameters: Vec::new(),
        }],
        // The second differs from one try to the next, and with it the bytes.
        created: DateTime {
            year: now.year() as u16,
            month: now.month() as u8,
            day: now.day() as u8,
            hour: now.hour() as u8,
            minute: now.minute() as u8,
            second: now.second() as u8,
        },
    };
    let report = MeasurementReport {
        language: Language::English,
        series: NewSeries { number: 9002, description: "Rehearsal".to_owned() },
        procedure: codes::CT_CHEST,
        recommendations: Vec::new(),
        segmentation: None,
        findings: Vec::new(),
        absent: vec![Absence {
            finding: codes::NODULE,
            sites: vec![Site { place: codes::LUNG, laterality: None }],
            algorithm: 0,
        }],
    };
    let object = report.to_object(&context);
    let folder = PathBuf::from(order["folder"].as_str().expect("a folder"));
    object.write(&folder.join("sr.dcm")).map_err(|error| error.to_string())?;
    std::fs::write(folder.join("report.txt"), "A rehearsal.\n").map_err(|error| error.to_string())?;

    let is_critical = mishap == "critical";
    let mut critical = Vec::new();
    if is_critical {
        critical.push(json!({ "finding": 1, "kind": "lung_nodule", "side": "left", "long_axis_mm": 31.5 }));
    }
    let uids = json!({
        "sop_class_uid": object.sop_class_uid().as_str(),
        "sop_instance_uid": object.sop_instance_uid().as_str(),
        "series_uid": object.series_uid().as_str(),
    });
    Ok(json!({
        "results": [
            { "kind": "sr", "name": "sr.dcm", "object": uids },
            { "kind": "report", "name": "report.txt", "object": null },
        ],
        "summary": {
            "series_uid": series.uid.as_str(),
            "findings": if is_critical { json!({ "lung_nodule": 1 }) } else { json!({}) },
            "largest_mm": is_critical.then_some(31.5),
            "critical": critical.len(),
            "warnings": [],
            "seconds": since.elapsed().as_secs_f64(),
        },
        "critical": critical,
    }))
}

/// What goes wrong with this study; empty: nothing.
fn mishap(list: Option<&Path>, study: &Uid) -> String {
    let text = list.and_then(|list| std::fs::read_to_string(list).ok()).unwrap_or_default();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(uid, _)| *uid == study.as_str()).map(|(_, mishap)| mishap.to_owned()).unwrap_or_default()
}

/// Takes address space until there is none.
fn eat() -> ! {
    let mut eaten = Vec::new();
    loop {
        eaten.push(std::hint::black_box(Vec::<u8>::with_capacity(16 << 20)));
    }
}
