//! The status page in a browser, as an operator uses it. `FOCI_PICTURES=FOLDER` keeps the pictures.

mod common;

use std::path::PathBuf;
use std::process::Command;

use common::filled::{empty, fill};
use common::node::Node;
use common::{Scene, peers, repository, skip};

/// What `.ci/viewer/page.mjs` saw of `node`; `None` if there is no browser.
#[track_caller]
fn look(test: &str, scene: &Scene, node: &mut Node, token: &str) -> Option<serde_json::Value> {
    let peers = peers(test)?;
    if !peers.join("npm/playwright-core").exists() || !PathBuf::from("/usr/bin/chromium").exists() {
        skip(test, "viewer", "there is no Chromium or no playwright-core: run .ci/peers");
        return None;
    }
    let folder = match std::env::var_os("FOCI_PICTURES") {
        Some(folder) => PathBuf::from(folder).join(test),
        None => scene.path("pictures"),
    };
    std::fs::create_dir_all(&folder).unwrap();
    let address = format!("http://127.0.0.1:{}", node.http);
    let mut browser = Command::new("node");
    browser.arg(repository(".ci/viewer/page.mjs")).arg(&peers).arg(address).arg(folder);
    let output = browser.args((!token.is_empty()).then_some(token)).output().unwrap();
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && node.is_alive(), "{complaint}\n{}", node.log());
    Some(serde_json::from_str(&said).unwrap())
}

#[test]
fn a_node_with_many_studies_is_read_filtered_and_put_right_in_a_browser() {
    let scene = Scene::new();
    let mut node = empty(&scene);
    fill(&scene, 200);
    let Some(seen) = look("many", &scene, &mut node, "") else { return };
    assert_eq!(seen["complaints"], serde_json::json!([]), "{seen:#}");
    assert_eq!(seen["rows"], 50, "{seen:#}");
    assert!(seen["health"].as_str().unwrap().contains("Ready"), "{seen:#}");
    assert!(seen["second"].as_str().unwrap().contains("51–100 of 200"), "{seen:#}");
    // Every ninth of 200 studies, from the second on.
    assert_eq!(seen["failed"], 23, "{seen:#}");
    assert!(seen["reason"].as_str().unwrap().contains("a gap of 12.5 mm"), "{seen:#}");
    // On the page of 50 studies, when all are said to wait for the decision, and when nothing is analysed.
    assert_eq!(seen["decideAgain"], serde_json::json!({ "complete": 0, "ignored": 50 }), "{seen:#}");
    for done in ["steady", "escaped", "cancelled", "reportPicture"] {
        assert_eq!(seen[done], true, "{done}: {seen:#}");
    }
    assert_eq!(seen["reportRan"], false, "a report ran a script: {seen:#}");
    assert_eq!(seen["pictures"], 2, "{seen:#}");
    assert_eq!(seen["chinese"], "检查", "{seen:#}");
    assert!(seen["operations"].as_u64().unwrap() >= 10, "{seen:#}");
}

#[test]
fn an_empty_node_asks_for_its_token_and_says_where_to_send() {
    let scene = Scene::new();
    let token = "a token that nobody guesses";
    std::fs::write(scene.path("token"), token).unwrap();
    let config = common::filled::QUIET.replace("[http]\n", "[http]\ntoken_file = \"token\"\n");
    let mut node = common::node::Node::start(&scene, &common::node::config(&scene, &config));
    let Some(seen) = look("empty", &scene, &mut node, token) else { return };
    assert_eq!(seen["complaints"], serde_json::json!([]), "{seen:#}");
    assert_eq!(seen["refused"], "This is not the token.", "{seen:#}");
    assert_eq!(seen["rows"], 0, "{seen:#}");
}
