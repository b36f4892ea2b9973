//! Replies, true and not, in every shape in which they come.

use std::time::Duration;

use engine::Language;
use serde_json::{Value, json};

use crate::common::Scene;
use crate::common::chat::{Act, Chat, event, said, stream_head, streamed, truth, whole};
use crate::{results, write};

#[test]
fn a_true_reply_becomes_the_report_and_the_record_says_how() {
    for language in [Language::English, Language::Chinese] {
        let scene = Scene::new();
        let (folder, report) = results(&scene, language);
        let before = std::fs::read(folder.join("findings.json")).unwrap();
        let answer = truth(&report);
        let said = answer.clone();
        let chat = Chat::start(move |_, _| streamed(&said));
        let done = write(&scene, &chat, "new", &[]);

        assert_eq!(done.outcomes(), ["ok"]);
        // Three findings, and a sentence of the impression for each organ.
        assert_eq!(done.by_model(), 5, "{}\n{:#?}", done.text, done.report.provenance.writing);
        assert_eq!(done.report.findings, report.findings);
        assert!(done.report.warnings.is_empty(), "{:?}", done.report.warnings);
        let writing = &done.report.provenance.writing;
        assert_eq!(
            (writing.model.as_deref(), writing.model_version.as_deref()),
            (Some("mock-1"), Some("fp-7"))
        );
        assert_eq!((writing.prompt_tokens, writing.reply_tokens), (Some(11), Some(22)));
        assert_eq!(writing.endpoint.as_deref(), Some("vllm"));
        for parameter in ["temperature=0", "seed=1", "thinking=false", "constraint=schema"] {
            assert!(writing.parameters.iter().any(|known| known == parameter), "{:?}", writing.parameters);
        }
        assert_eq!(writing.replies_sha256, [engine::write::sha256(&answer)]);
        assert!(writing.judgement.as_ref().is_some_and(|judgement| judgement.faults.is_empty()));

        let body = &done.requests[0].body;
        assert_eq!((&body["model"], &body["stream"]), (&json!("m"), &json!(true)));
        assert_eq!(body["response_format"]["type"], "json_schema");
        assert_eq!(body["messages"][0]["role"], "system");
        assert_eq!(done.record["rounds"][0]["messages"], body["messages"]);
        assert_eq!(done.record["rounds"][0]["reply"]["text"], answer);
        // What was read is as it was.
        assert_eq!(std::fs::read(folder.join("findings.json")).unwrap(), before);
        assert!(!scene.path("results/llm.json").exists());
    }
}

/// `acts` come to the words that `truth` is made of.
fn read_as_truth(what: &str, acts: Vec<Act>, more: &[&str]) {
    let scene = Scene::new();
    results(&scene, Language::Chinese);
    let chat = Chat::start(move |_, _| acts.clone());
    let done = write(&scene, &chat, "new", more);
    assert_eq!(done.by_model(), 5, "{what}: {}\n{:#?}", done.text, done.report.provenance.writing);
    let told = done.text + &serde_json::to_string(&done.report).unwrap();
    for trace in ["think", "99.9", "嗯", "```"] {
        // The parameter `thinking` is ours.
        assert!(!told.replace("thinking=", "").contains(trace), "{what}: {trace} leaks");
    }
}

#[test]
fn however_a_server_wraps_a_true_reply_it_is_found_and_thoughts_stay_out() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::Chinese);
    let text = truth(&report);
    let content = || json!(text);
    let nothing = || json!({});
    let wire = |parts: &[Vec<u8>]| vec![stream_head(), Act::Send(parts.concat())];
    let thought = "嗯，99.9 mm {\"sentences\":";
    let half = text.char_indices().nth(40).unwrap().0;
    let pieces = [
        event(json!({ "role": "assistant", "content": null, "reasoning_content": thought }), Value::Null),
        event(json!({ "content": &text[..half] }), Value::Null),
        event(json!({ "content": &text[half..] }), "stop".into()),
    ];
    let crlf = String::from_utf8(pieces.concat()).unwrap().replace('\n', "\r\n").into_bytes();
    let blank_lines = |seconds: f64| Act::Wait(Duration::from_secs_f64(seconds));
    let message =
        json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] }).to_string();
    let chunk = |text: &str| Act::Send(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes());
    let kept_open = vec![
        Act::Send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()),
        chunk("\n"),
        blank_lines(0.1),
        chunk("\n\n"),
        blank_lines(0.1),
        chunk(&message),
        Act::Send(b"0\r\n\r\n".to_vec()),
    ];
    let cases: Vec<(&str, Vec<Act>)> = vec![
        ("an answer at once", said(&content(), nothing(), "stop")),
        ("an answer at once after blank lines", kept_open),
        ("a stream without [DONE]", wire(&pieces)),
        ("a stream with CRLF", vec![stream_head(), Act::Send(crlf)]),
        ("DeepSeek's thoughts", said(&content(), json!({ "reasoning_content": thought }), "stop")),
        ("vLLM's thoughts", said(&content(), json!({ "reasoning": thought }), "stop")),
        ("an answer among the thoughts", said(&Value::Null, json!({ "reasoning_content": text }), "stop")),
        (
            "thoughts in tags",
            said(&json!(format!("<think>\n{thought}</think>\n\n{text}")), nothing(), "stop"),
        ),
        ("thoughts with their end only", said(&json!(format!("{thought}</think>{text}")), nothing(), "stop")),
        ("a fence", said(&json!(format!("Sure:\n```json\n{text}\n```\n")), nothing(), "stop")),
        ("a reason that nobody knows", said(&content(), nothing(), "eos_token")),
    ];
    std::thread::scope(|scope| {
        for (what, acts) in cases {
            scope.spawn(move || read_as_truth(what, acts, &[]));
        }
    });
}

#[test]
fn what_is_no_answer_leaves_the_template_and_is_told() {
    let blank = |finish: &str| said(&json!("  \n "), json!({}), finish);
    let begun = event(json!({ "content": "{\"sentences\":[{\"text\":\"ri" }), Value::Null);
    let in_the_middle = [begun.clone(), b"data: {\"error\":{\"message\":\"CUDA\"}}\n\n".to_vec()].concat();
    let html =
        [b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n".to_vec(), b"<html>hello</html>".to_vec()];
    let busy = said(&json!(""), json!({}), "insufficient_system_resource");
    let thought = said(&Value::Null, json!({ "reasoning_content": "hm" }), "length");
    let endless =
        (0..40).map(|_| Act::Send(event(json!({ "content": "word ".repeat(20_000) }), Value::Null)));
    let cases: Vec<(Vec<Act>, &str, usize)> = vec![
        (blank("stop"), "nothing", 4),
        (said(&Value::Null, json!({}), "stop"), "nothing", 4),
        (thought, "llm.max_tokens", 1),
        (busy, "resources", 4),
        (vec![stream_head(), Act::Send(begun)], "breaks off", 4),
        (vec![stream_head(), Act::Send(in_the_middle)], "an error of the server", 4),
        (vec![Act::Send(html.concat())], "llm.url", 4),
        (vec![Act::Send(whole(200, &json!({ "detail": "hello" })))], "llm.url", 4),
        (std::iter::once(stream_head()).chain(endless).collect(), "does not end", 4),
        (vec![], "", 4),
    ];
    std::thread::scope(|scope| {
        for (acts, why, requests) in cases {
            scope.spawn(move || {
                let scene = Scene::new();
                let (_, report) = results(&scene, Language::English);
                let chat = Chat::start(move |_, _| acts.clone());
                let done = write(&scene, &chat, "new", &[]);
                done.failed(&report.narrative, why);
                assert_eq!(done.requests.len(), requests, "{why}");
            });
        }
    });
}

#[test]
fn an_answer_that_comes_at_the_second_try_is_used() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    let text = truth(&report);
    let chat = Chat::start(move |n, _| match n {
        0 => said(&json!(" "), json!({}), "stop"),
        _ => streamed(&text),
    });
    let done = write(&scene, &chat, "new", &[]);
    assert_eq!((done.outcomes(), done.by_model()), (vec!["empty", "ok"], 5));
}

#[test]
fn a_reply_that_was_cut_off_gives_the_sentences_that_are_whole() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    let text = truth(&report);
    let second = text.match_indices("\"text\"").nth(1).unwrap().0;
    let cut = text[..second + 30].to_owned();
    let chat = Chat::start(move |_, _| said(&json!(cut), json!({}), "length"));
    let done = write(&scene, &chat, "new", &[]);
    // The first is the model's; of the second half a sentence is nobody's.
    assert_eq!(done.by_model(), 1, "{}", done.text);
    assert_eq!(done.report.narrative.findings.len(), report.narrative.findings.len());
}

#[test]
fn a_wrong_sentence_is_told_once_and_then_the_templates() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::English);
    let wrong = truth(&report).replace("12.3 × 9.8 mm", "13.3 × 9.8 mm");
    let chat = Chat::start(move |_, _| streamed(&wrong));
    let done = write(&scene, &chat, "new", &[]);
    assert_eq!(done.outcomes(), ["ok", "ok"]);
    let told =
        done.requests[1].body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
    assert!(told.contains("12.3"), "{told}");
    assert!(!done.text.contains("13.3") && done.text.contains("12.3"), "{}", done.text);
    // The sentence about finding 1, and that about the lungs, whose largest it is.
    assert_eq!(done.by_model(), 3, "{}", done.text);
}

#[test]
fn a_right_sentence_in_the_second_round_is_used() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::Chinese);
    let right = truth(&report);
    let wrong = right.replace("12.3 mm", "1.23 mm");
    let chat = Chat::start(move |n, _| streamed(if n == 0 { &wrong } else { &right }));
    let done = write(&scene, &chat, "new", &[]);
    assert_eq!((done.outcomes(), done.by_model()), (vec!["ok", "ok"], 5), "{}", done.text);
}

#[test]
fn a_model_that_thinks_gets_no_message_of_the_system() {
    let scene = Scene::new();
    let (_, report) = results(&scene, Language::Chinese);
    let text = truth(&report);
    let chat = Chat::start(move |_, _| streamed(&text));
    let done = write(&scene, &chat, "new", &["--llm-thinking"]);
    let body = &done.requests[0].body;
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
    assert_eq!((&body["messages"][0]["role"], &body["temperature"]), (&json!("user"), &json!(0.6)));
    assert_eq!(done.by_model(), 5);
}

#[test]
fn without_findings_no_model_is_asked() {
    let scene = Scene::new();
    let (folder, mut report) = results(&scene, Language::English);
    report.findings.clear();
    std::fs::write(folder.join("findings.json"), serde_json::to_string(&report).unwrap()).unwrap();
    let chat = Chat::start(|_, _| Vec::new());
    let done = write(&scene, &chat, "new", &[]);
    assert!(done.requests.is_empty() && done.record.is_null() && done.report.warnings.is_empty());
    assert!(done.text.contains("without a language model"), "{}", done.text);
}
