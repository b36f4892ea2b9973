//! Servers that refuse, are busy, lead elsewhere, are not there, or do not end.

use std::sync::Mutex;
use std::time::Duration;

use engine::Language;
use serde_json::{Value, json};

use crate::common::chat::{Act, Chat, event, stream_head, streamed, truth, whole, with_headers};
use crate::common::node::{config, wait_for};
use crate::common::{Scene, foci};
use crate::{command, results, write};

#[test]
fn a_server_that_knows_no_schema_is_asked_for_less_and_that_is_remembered() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    let text = truth(&report);
    let chat = Chat::start(move |n, body| match body["response_format"]["type"].as_str() {
        Some("json_schema") => {
            vec![Act::Send(whole(
                400,
                &json!({ "error": { "message": "response_format is not supported" } }),
            ))]
        }
        // What cannot be read is asked for once more.
        _ if n == 1 => streamed("I would rather not."),
        _ => streamed(&text),
    });
    let done = write(&scene, &chat, "new", &[]);
    assert_eq!(done.outcomes(), ["refused", "ok", "ok"]);
    let asked: Vec<_> = done.requests.iter().map(|r| r.body["response_format"]["type"].clone()).collect();
    assert_eq!(asked, ["json_schema", "json_object", "json_object"]);
    // Whoever is asked for a JSON object wants to read the word.
    assert!(done.requests[1].body["messages"].to_string().contains("JSON"));
    assert_eq!(done.by_model(), 5);
    assert!(done.report.provenance.writing.parameters.iter().any(|p| p == "constraint=json_object"));
}

#[test]
fn a_server_that_knows_next_to_nothing_is_asked_for_the_chat_alone() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    let text = truth(&report);
    let chat = Chat::start(move |_, body| match body.as_object().unwrap().len() {
        3 => streamed(&text),
        _ => vec![Act::Send(whole(422, &json!({ "detail": "extra inputs are not permitted" })))],
    });
    let done = write(&scene, &chat, "new", &[]);
    assert_eq!((done.outcomes(), done.by_model()), (vec!["refused", "refused", "ok"], 5));
}

#[test]
fn what_only_the_operator_can_change_is_not_tried_again() {
    let error = |text: &str| json!({ "error": { "message": text, "type": text } });
    let cases = [
        (401, error("bad key"), "look at llm.key_file", 1),
        (402, error("Insufficient Balance"), "no credit", 1),
        (403, error("no"), "look at llm.key_file", 1),
        (404, error("no such model"), "llm.model", 1),
        (413, error("no"), "more than the model can take", 1),
        (400, error("exceed_context_size_error"), "more than the model can take", 1),
        // As long as less can be asked for.
        (400, error("no"), "answered 400", 3),
    ];
    std::thread::scope(|scope| {
        for (status, body, why, requests) in cases {
            scope.spawn(move || {
                let scene = Scene::new();
                let (_, report) = results(&scene, Language::English);
                let chat = Chat::start(move |_, _| vec![Act::Send(whole(status, &body))]);
                let done = write(&scene, &chat, "new", &[]);
                done.failed(&report.narrative, why);
                assert_eq!(done.requests.len(), requests, "{status}");
                // What a stranger said is not repeated.
                assert!(
                    !done.stderr.contains("bad key") && !done.stderr.contains("Balance"),
                    "{}",
                    done.stderr
                );
            });
        }
    });
}

#[test]
fn who_is_busy_is_asked_again_when_it_says_so() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    let text = truth(&report);
    let chat = Chat::start(move |n, _| match n {
        0 => vec![Act::Send(with_headers(429, "retry-after: 2\r\n", b"{}"))],
        1 => vec![Act::Send(with_headers(502, "content-type: text/html\r\n", b"<html>Bad Gateway</html>"))],
        2 => vec![Act::Send(whole(503, &json!({ "error": { "message": "Loading model" } })))],
        _ => streamed(&text),
    });
    let done = write(&scene, &chat, "new", &[]);
    assert_eq!((done.outcomes(), done.by_model()), (vec!["busy", "busy", "busy", "ok"], 5));
    // 2 s as told, then 1 s and 2 s.
    assert!(done.took >= Duration::from_secs(5), "{:?}", done.took);
}

#[test]
fn who_wants_to_be_asked_tomorrow_is_not_waited_for() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    let tomorrow = (chrono::Utc::now() + chrono::TimeDelta::days(1)).to_rfc2822();
    for (name, after) in [("seconds", "86400"), ("date", tomorrow.as_str())] {
        let head = format!("retry-after: {after}\r\n");
        let chat = Chat::start(move |_, _| vec![Act::Send(with_headers(503, &head, b""))]);
        let done = write(&scene, &chat, name, &[]);
        done.failed(&report.narrative, "busy");
        assert_eq!(done.requests.len(), 1, "{after}");
        assert!(done.took < Duration::from_secs(30), "{:?}", done.took);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    let elsewhere = Chat::start(|_, _| Vec::new());
    let head = format!("location: {}/chat/completions\r\n", elsewhere.url());
    let chat = Chat::start(move |_, _| vec![Act::Send(with_headers(307, &head, b""))]);
    let done = write(&scene, &chat, "new", &[]);
    done.failed(&report.narrative, "redirects are not followed");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn nobody_there_is_soon_found_out() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/v1");
    let mut command = foci(&scene);
    command.arg("report").arg(scene.path("results")).arg("-o").arg(scene.path("new"));
    let output = command.args(["--llm-url", &url, "--llm-model", "m"]).output().unwrap();
    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("language model: the model's server cannot be reached"), "{stderr}");
    let written = std::fs::read_to_string(scene.path("new/findings.json")).unwrap();
    let written: engine::Report = serde_json::from_str(&written).unwrap();
    assert_eq!(written.narrative, report.narrative);
}

#[test]
fn the_key_is_brought_and_told_to_nobody() {
    const KEY: &str = "sk-wombat-4711";
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    let text = truth(&report);
    let chat = Chat::start(move |n, _| match n {
        0 => vec![Act::Send(whole(401, &json!({ "error": { "message": format!("wrong key {KEY}") } })))],
        _ => streamed(&text),
    });
    let file = scene.path("key");
    std::fs::write(&file, format!("{KEY}\n")).unwrap();
    for name in ["refused", "taken"] {
        let done = write(&scene, &chat, name, &["--llm-key-file", file.to_str().unwrap()]);
        let last = done.requests.last().unwrap();
        let head = last.head.to_ascii_lowercase();
        assert!(head.contains(&format!("authorization: bearer {KEY}")), "{head}");
        assert!(!done.stderr.contains(KEY) && !last.body.to_string().contains(KEY));
        for entry in std::fs::read_dir(scene.path(name)).unwrap() {
            assert!(!std::fs::read_to_string(entry.unwrap().path()).unwrap().contains(KEY));
        }
    }
}

#[test]
fn what_cannot_be_right_is_refused_before_anything_is_read() {
    let scene = Scene::new();
    let refused = |arguments: &[&str], why: &str| {
        let output = foci(&scene).arg("report").arg(scene.path("nothing")).args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && stderr.contains(why), "{stderr}");
    };
    refused(&["--llm-url", "http://10.0.0.7/v1", "--llm-model", "m"], "without TLS");
    refused(&["--llm-url", "ftp://localhost/v1", "--llm-model", "m"], "no URL");
    refused(&["--llm-url", "https://me:secret@localhost/v1", "--llm-model", "m"], "a user or a password");
    refused(&["--llm-url", "http://localhost/v1"], "--llm-model");
    let key = scene.path("key");
    let key = key.to_str().unwrap();
    refused(
        &["--llm-url", "http://localhost/v1", "--llm-model", "m", "--llm-key-file", key],
        "cannot be read",
    );
    refused(&[], "findings.json");
}

#[test]
fn a_report_that_is_stopped_closes_the_connection_and_leaves_nothing_that_looks_like_a_result() {
    let scene = Scene::new();
    results(&scene, Language::English);
    let began = std::sync::Arc::new(Mutex::new(false));
    let told = began.clone();
    let chat = Chat::start(move |_, _| {
        *told.lock().unwrap() = true;
        let begun = Act::Send(event(json!({ "content": "{" }), Value::Null));
        vec![stream_head(), begun, Act::Wait(Duration::from_secs(60))]
    });
    let mut child = command(&scene, &chat, "new", &[]).spawn().unwrap();
    wait_for("the question", || began.lock().unwrap().then_some(()));
    let pid = rustix::process::Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    // Not INT: where this runs in the background of a shell, that is ignored.
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(!child.wait().unwrap().success());
    wait_for("the server hears of it", || chat.requests()[0].hung_up.then_some(()));
    assert!(!scene.path("new").exists());
}

#[test]
fn check_says_whether_the_server_has_the_model_and_what_makes_no_sense() {
    let scene = Scene::new();
    let chat = Chat::start(|_, _| Vec::new());
    let check = |llm: &str| {
        let text = format!("dicom.listen = \"off\"\nhttp.listen = \"127.0.0.1:0\"\n[llm]\n{llm}");
        let output = foci(&scene).args(["check", "--config"]).arg(config(&scene, &text)).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let says = |llm: &str, line: &str| {
        let said = check(llm);
        let found =
            said.lines().any(|said| said.split_whitespace().collect::<Vec<_>>().join(" ").contains(line));
        assert!(found, "{line}: {said}");
    };
    let here = format!("url = \"{}\"\n", chat.url());
    says(&(here.clone() + "model = \"m\""), "ok llm it answers, and has m");
    says(&(here.clone() + "model = \"deepseek\""), "wrong llm it has no model \"deepseek\"; it has m, other");
    says(&(here.clone() + "model = \"m\"\nkey_file = \"none\""), "wrong llm the token file");
    says("url = \"http://127.0.0.1:1/v1\"\nmodel = \"m\"", "note llm the model's server cannot be reached");
    assert!(chat.requests().is_empty(), "nothing is asked of a model");

    says(&here, "wrong configuration llm.model is missing");
    says(
        "url = \"http://10.0.0.7/v1\"\nmodel = \"m\"",
        "llm.url \"http://10.0.0.7/v1\" is on another machine",
    );
    says("url = \"https://a/v1/chat/completions\"\nmodel = \"m\"", "leave /chat/completions away");
    says(
        &(here.clone() + "model = \"m\"\nkind = \"gpt\""),
        "\"gpt\" is none of deepseek, vllm, sglang, llama.cpp",
    );
    says(&(here.clone() + "model = \"m\"\ntemperature = 3"), "llm.temperature is 3");
    says(&(here.clone() + "model = \"m\"\ntotal_s = 30"), "shorter than llm.connect_s or llm.first_token_s");
    says(&(here + "model = \"m\"\ntotal_s = 3000"), "analysis.deadline_s, 1800, must leave time");
}

#[test]
fn a_file_that_is_no_model_and_a_program_that_is_not_there_are_told_at_once() {
    let scene = Scene::new();
    results(&scene, Language::English);
    let report = |file: &str, program: &str| {
        let mut command = foci(&scene);
        command.arg("report").arg(scene.path("results")).arg("-o").arg(scene.path("new"));
        command.env("FOCI_LLAMA_SERVER", program).arg("--gguf").arg(scene.path(file));
        let output = command.output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    std::fs::write(scene.path("text"), "no model").unwrap();
    std::fs::write(scene.path("model"), "GGUF and then what nobody can run").unwrap();
    for (file, program, why) in [
        ("none", "true", "cannot be read"),
        ("text", "true", "it is no GGUF file"),
        ("model", "/nowhere/llama-server", "install llama-server"),
    ] {
        let (done, stderr) = report(file, program);
        assert!(!done && stderr.contains(why), "{stderr}");
        assert!(!scene.path("new").exists());
    }
    // A program that ends at once is no reason to have no report.
    let (done, stderr) = report("model", "true");
    assert!(done && stderr.contains("warning: language model: the server of llama.cpp ended"), "{stderr}");
    assert!(scene.path("new/report.txt").exists());
}
