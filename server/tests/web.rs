//! The web server as programs see it: health, numbers, problems, filters, access, and clients that mean harm.
//!
//! `FOCI_FULL=1` waits for the time-outs too, and asks a node with 100,000 studies.

mod common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::filled::{QUIET, REASON, empty, fill, multiply, study_uid};
use common::node::{Node, config, not_started, wait_for};
use common::web::{ask, get, post, raw, send};
use common::{Scene, full};

#[test]
fn a_node_says_that_it_lives_that_it_is_ready_and_how_much_it_has() {
    let scene = Scene::new();
    let node = empty(&scene);
    fill(&scene, 40);
    assert_eq!(get(node.http, "/health").json()["health"], "alive");
    let ready = get(node.http, "/ready");
    assert_eq!((ready.status, ready.text()), (200, "{\"ready\":true}"));

    let metrics = get(node.http, "/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let text = metrics.text();
    let value = |sample: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {sample} in {text}")).parse().unwrap()
    };
    let of_state = |state: &str| -> f64 {
        let lanes = ["emergency", "normal", "bulk"];
        lanes.iter().map(|lane| value(&format!("foci_jobs{{state=\"{state}\",lane=\"{lane}\"}}"))).sum()
    };
    // Of 40 studies, every ninth is in the same state.
    for (state, count) in
        [("done", 9), ("failed", 5), ("queued", 5), ("leased", 5), ("dead", 4), ("cancelled", 4)]
    {
        assert_eq!(of_state(state), f64::from(count), "{state}");
    }
    assert_eq!(value("foci_studies{state=\"receiving\"}"), 4.0);
    assert_eq!(value("foci_studies{state=\"complete\"}"), 36.0);
    assert_eq!(value("foci_outbox{destination=\"pacs\",state=\"refused\"}"), 4.0);
    assert_eq!(value("foci_outbox{destination=\"pacs\",state=\"dead\"}"), 0.0);
    assert_eq!(value("foci_quarantined_objects"), 1.0);
    assert!(value("foci_oldest_queued_seconds{lane=\"normal\"}") > 60.0);
    assert!(value("foci_resident_memory_bytes") > 1e6);
    assert!(value("foci_disk_free_bytes") > 1e6);

    // Prometheus refuses a text in which a name has no type before its first sample, or two.
    let mut typed = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(typed.insert(name), "typed twice: {line}");
            assert!(text.contains(&format!("# HELP {name} ")), "{name} is not explained");
        } else if !line.starts_with('#') {
            let name = line.split(['{', ' ']).next().unwrap();
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            assert!(typed.contains(name) || base.is_some_and(|base| typed.contains(base)), "{line}");
        }
    }
}

#[test]
fn a_node_that_cannot_work_says_what_is_missing_and_recovers() {
    let scene = Scene::new();
    let greedy = QUIET.replace("minimum_free_mb = 1\n", "minimum_free_mb = 1000000000\n");
    let node = Node::start(&scene, &config(&scene, &greedy));
    let missing = get(node.http, "/ready").problem(503);
    assert!(
        missing.contains("MiB free, and at least 1000000000 are needed (studies.minimum_free_mb)"),
        "{missing}"
    );
    assert_eq!(get(node.http, "/health").status, 200, "it lives all the same");
    assert!(get(node.http, "/api/status").json()["problems"][0].as_str().unwrap().contains("MiB free"));
    node.stop();

    let node = empty(&scene);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", scene.path("data/foci.db").display()))
            .await
            .unwrap();
        let lock = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let missing = get(node.http, "/ready").problem(503);
        assert!(missing.contains("the database is locked"), "{missing}");
        assert_eq!(get(node.http, "/api/studies").status, 200, "reading waits for no writer");
        lock.rollback().await.unwrap();
    });
    wait_for("readiness", || (get(node.http, "/ready").status == 200).then_some(()));
}

#[test]
fn what_keeps_the_server_from_starting_is_said_in_a_sentence() {
    let scene = Scene::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let refused = |text: &str| not_started(&scene, &config(&scene, text));
    let said = refused(
        &QUIET.replace("[http]\nlisten = \"127.0.0.1:0\"", &format!("[http]\nlisten = \"127.0.0.1:{port}\"")),
    );
    assert!(
        said.contains(&format!(
            "port {port} is in use: stop the other program, or let http.listen name another port"
        )),
        "{said}"
    );

    let with_token = QUIET.replace("[http]\n", "[http]\ntoken_file = \"token\"\n");
    let said = refused(&with_token);
    assert!(said.contains("token"), "{said}");
    std::fs::write(scene.path("token"), "hunter2\n").unwrap();
    let said = refused(&with_token);
    assert!(said.contains("has 7 characters, and needs 16 or more"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn every_error_is_a_problem_of_its_class() {
    let scene = Scene::new();
    let node = empty(&scene);
    let filled = fill(&scene, 9);
    let port = node.http;
    for path in ["/api/studies/..%2fetc", "/api/studies/abc", "/api/studies/1..2", "/api/studies/%ff"] {
        let detail = get(port, path).problem(400);
        assert!(detail.contains("UID"), "{path}: {detail}");
    }
    for query in [
        "state=lost",
        "lane=7",
        "limit=0",
        "limit=501",
        "offset=-1",
        "since=yesterday",
        "uid=1%25",
        "stat=done",
        "limit=x",
    ] {
        get(port, &format!("/api/studies?{query}")).problem(400);
    }
    for path in
        ["/nothing", "/api", "/api/jobs/1", "/api/studies/1.2.3", "/api/jobs/77/files/sr.dcm", "/assets/x"]
    {
        get(port, path).problem(404);
    }
    for path in ["/api/jobs/77/retry", "/api/jobs/77/cancel", "/api/deliveries/77/pacs/retry"] {
        post(port, path).problem(404);
    }
    post(port, "/api/jobs/x/retry").problem(400);
    let allowed = post(port, "/api/studies");
    allowed.problem(405);
    assert_eq!(allowed.header("allow"), Some("GET,HEAD"));
    let said = post(port, &format!("/api/jobs/{}/retry", filled.done)).problem(409);
    assert!(said.contains("the job is done"), "{said}");
    let said = post(port, &format!("/api/jobs/{}/cancel", filled.failed)).problem(409);
    assert!(said.contains("the job is failed"), "{said}");
    let said = post(port, &format!("/api/deliveries/{}/pacs/retry", filled.done)).problem(409);
    assert!(said.contains("everything was sent"), "{said}");
    ask(port, "POST", "/api/jobs/1/retry", &[("content-length", "70000")]).problem(413);
    // What is no HTTP, or too much of it, is answered by the HTTP library, before any route.
    assert_eq!(raw(port, b"GARBAGE\r\n\r\n").status, 400);
    let long = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(70_000));
    assert!(matches!(raw(port, long.as_bytes()).status, 414 | 431), "a long request line");
    let headers = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(70_000));
    assert_eq!(raw(port, headers.as_bytes()).status, 431);
    assert_eq!(get(port, "/health").status, 200);
}

#[test]
fn studies_are_filtered_by_what_became_of_them_and_paged_without_a_gap() {
    let scene = Scene::new();
    let node = empty(&scene);
    fill(&scene, 40);
    let list = |query: &str| get(node.http, &format!("/api/studies?{query}")).json();
    let uids = |list: &serde_json::Value| -> Vec<String> {
        list["studies"]
            .as_array()
            .unwrap()
            .iter()
            .map(|study| study["study_uid"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut sum = 0;
    for (state, count, first) in [
        ("done", 9, 0),
        ("failed", 5, 1),
        ("leased", 5, 2),
        ("queued", 5, 3),
        ("receiving", 4, 4),
        ("dead", 4, 5),
        ("ignored", 4, 6),
        ("cancelled", 4, 7),
        ("complete", 0, 0),
    ] {
        let found = list(&format!("state={state}"));
        assert_eq!(found["total"], count, "{state}: {found:#}");
        assert_eq!(found["studies"].as_array().unwrap().len(), count, "{state}");
        for study in found["studies"].as_array().unwrap() {
            assert_eq!(study["state"], state);
        }
        if count > 0 {
            assert_eq!(found["studies"][0]["study_uid"], study_uid(first), "{state}");
        }
        sum += count;
    }
    assert_eq!(list("")["total"], sum);

    let pages: Vec<String> =
        (0..4).flat_map(|page| uids(&list(&format!("limit=13&offset={}", page * 13)))).collect();
    let all: Vec<String> = (0..40).map(study_uid).collect();
    assert_eq!(pages, all, "newest first, each once");
    // Every seventh from the fourth on.
    assert_eq!(list("lane=emergency")["total"], 6);
    let part = study_uid(17).rsplit_once('.').unwrap().1.to_owned();
    assert_eq!(uids(&list(&format!("uid={part}"))), [study_uid(17)]);
    let tenth = list("limit=1&offset=9")["studies"][0]["last_at"].as_str().unwrap().to_owned();
    assert_eq!(list(&format!("since={tenth}"))["total"], 10);
}

#[test]
fn a_study_tells_its_story_and_an_operator_can_put_it_right() {
    let scene = Scene::new();
    let node = empty(&scene);
    let filled = fill(&scene, 9);
    let port = node.http;
    let detail = |n: usize| get(port, &format!("/api/studies/{}", study_uid(n))).json();

    let done = detail(0);
    assert_eq!(
        (&done["state"], &done["instances"], &done["series"]),
        (&"done".into(), &12.into(), &2.into()),
        "{done:#}"
    );
    assert_eq!(done["bytes"], 12 * 526_336);
    assert_eq!(done["job"]["summary"]["findings"]["lung_nodule"], 2);
    assert_eq!(done["deliveries"]["committed"], 3);
    let job = &done["jobs"][0];
    assert_eq!(job["results"].as_array().unwrap().len(), 8);
    assert!(job["results"][0].get("file").is_none(), "where a file lies is nobody's business: {job:#}");
    assert_eq!(
        (&job["alerts"][0]["state"], &job["deliveries"][0]["state"]),
        (&"sent".into(), &"committed".into())
    );
    assert_eq!(done["quarantine"][0]["sender"], "ct1");
    assert_eq!(done["events"][0]["what"], "done", "newest first");

    let failed = detail(1);
    assert_eq!(failed["job"]["reason"], REASON);
    assert_eq!(post(port, &format!("/api/jobs/{}/retry", filled.failed)).status, 204);
    assert!(["queued", "leased"].contains(&detail(1)["state"].as_str().unwrap()));
    let events = detail(1)["events"].to_string();
    assert!(events.contains("asked for again"), "{events}");
    assert_eq!(post(port, &format!("/api/jobs/{}/cancel", filled.queued)).status, 204);
    assert_eq!(detail(3)["state"], "cancelled");

    let complete = |body: &str| {
        send(port, "POST", &format!("/api/studies/{}/complete", study_uid(4)), &[], body.as_bytes())
    };
    for wrong in ["{", "[]", "{\"expected\":0}", "{\"expected\":-1}", "{\"expect\":1}", "7"] {
        complete(wrong).problem(400);
    }
    let waits = complete("{\"expected\":400}");
    assert_eq!(
        (waits.status, &waits.json()["instances"], &waits.json()["expected"]),
        (202, &24.into(), &400.into())
    );
    assert_eq!((&detail(4)["state"], &detail(4)["expected"]), (&"receiving".into(), &400.into()));
    let now = complete("");
    assert_eq!((now.status, &now.json()["complete"]), (200, &true.into()));
    assert_ne!(detail(4)["state"], "receiving");
    post(port, "/api/studies/1.2.3/complete").problem(404);

    // The last study has trouble at its destination: one object was refused, one waits.
    let troubled = detail(8);
    assert_eq!(troubled["deliveries"]["refused"], 1);
    let path = format!("/api/deliveries/{}/pacs/retry", troubled["job"]["id"]);
    let again = post(port, &path);
    assert_eq!((again.status, &again.json()["objects"]), (200, &2.into()));
    assert_ne!(detail(8)["deliveries"]["refused"], 1);

    let status = get(port, "/api/status").json();
    assert_eq!(status["quarantine"], 1);
    assert_eq!(get(port, "/favicon.ico").header("content-type"), Some("image/svg+xml"));
    let peers = status["peers"].as_array().unwrap();
    let named: Vec<_> = peers.iter().map(|peer| peer["name"].as_str().unwrap()).collect();
    assert_eq!(named, ["ct1", "er", "pacs"]);
    assert!(peers[0]["heard_at"].is_string() && peers[2]["sent_at"].is_string(), "{status:#}");
    assert_eq!(get(port, "/api/quarantine").json().as_array().unwrap().len(), 1);
    let events = get(port, &format!("/api/events?study={}&limit=2", study_uid(0))).json();
    assert_eq!(events.as_array().unwrap().len(), 2);
    let before = get(port, &format!("/api/events?study={}&before={}", study_uid(0), events[1]["id"])).json();
    assert_eq!(before[0]["what"], "complete", "{before:#}");
}

#[test]
fn files_of_results_come_whole_with_their_type_and_nothing_else_comes() {
    let scene = Scene::new();
    let node = empty(&scene);
    let job = fill(&scene, 2).done;
    let file = |name: &str| get(node.http, &format!("/api/jobs/{job}/files/{name}"));
    for (name, media_type) in [
        ("key-1.png", "image/png"),
        ("sr.dcm", "application/dicom"),
        ("findings.json", "application/json"),
        ("report.txt", "text/plain; charset=utf-8"),
        ("index.html", "text/html; charset=utf-8"),
    ] {
        let answer = file(name);
        assert_eq!(answer.header("content-type"), Some(media_type), "{name}");
        assert_eq!(
            answer.body,
            std::fs::read(scene.path(&format!("data/results/{job}-1/{name}"))).unwrap(),
            "{name}"
        );
        let tag = answer.header("etag").unwrap();
        let again =
            ask(node.http, "GET", &format!("/api/jobs/{job}/files/{name}"), &[("if-none-match", tag)]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{name}");
    }
    let policy = file("index.html").header("content-security-policy").unwrap().to_owned();
    assert!(
        policy.starts_with("default-src 'none'") && !policy.contains("script"),
        "a report runs nothing: {policy}"
    );

    std::fs::write(scene.path("secret"), "secret").unwrap();
    std::fs::write(scene.path(&format!("data/results/{job}-1/not-in-the-table.txt")), "secret").unwrap();
    for name in [
        "not-in-the-table.txt",
        "../1-1/sr.dcm",
        "..%2f..%2ffoci.db",
        "..%2f..%2f..%2fsecret",
        "%2e%2e%2f%2e%2e%2ffoci.db",
        "%2fetc%2fpasswd",
        "..\\..\\foci.db",
        "sr.dcm%00.png",
        "%252e%252e%252fsecret",
        "SR.DCM",
        ".",
        "..",
        "",
        "sr.dcm/",
    ] {
        let answer = file(name);
        assert!(matches!(answer.status, 400 | 404), "{name}: {}", answer.status);
        answer.problem(answer.status);
    }
}

#[test]
fn nothing_is_told_without_the_token_and_browsers_keep_a_session() {
    let scene = Scene::new();
    let token = "0123456789abcdef0123456789abcdef";
    std::fs::write(scene.path("token"), format!("{token}\n")).unwrap();
    let quiet = QUIET.replace("[http]\n", "[http]\ntoken_file = \"token\"\n");
    let node = Node::start(&scene, &config(&scene, &quiet));
    let port = node.http;
    assert_eq!(get(port, "/health").status, 200);
    assert_eq!(get(port, "/ready").status, 200);

    let bearer = format!("Bearer {token}");
    for path in [
        "/",
        "/metrics",
        "/openapi.json",
        "/docs/",
        "/api/status",
        "/api/studies",
        "/nothing",
        "/dicom-web/studies",
    ] {
        let answer = get(port, path);
        answer.problem(401);
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{path}");
        let status = ask(port, "GET", path, &[("authorization", &bearer)]).status;
        assert!(!matches!(status, 401 | 403), "{path}: {status}");
    }
    for wrong in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer 0123456789abcdef0123456789abcdeg",
        &format!("Basic {token}"),
        &token[1..],
    ] {
        ask(port, "GET", "/api/status", &[("authorization", wrong)]).problem(401);
    }
    let page = ask(port, "GET", "/docs/?x=1", &[("accept", "text/html")]);
    assert_eq!((page.status, page.header("location")), (303, Some("/login#/docs/?x=1")));

    post(port, "/login").problem(401);
    let opened = ask(port, "POST", "/login", &[("authorization", &bearer), ("content-length", "0")]);
    assert_eq!(opened.status, 204);
    let cookie = opened.header("set-cookie").unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(token),
        "{cookie}"
    );
    let session = cookie.split(';').next().unwrap();
    assert_eq!(ask(port, "GET", "/api/status", &[("cookie", session)]).status, 200);
    ask(port, "GET", "/api/status", &[("cookie", &session[..session.len() - 1])]).problem(401);
    let other = [("cookie", session), ("sec-fetch-site", "cross-site"), ("content-length", "0")];
    ask(port, "POST", "/api/jobs/1/retry", &other).problem(403);
    let own = [("cookie", session), ("sec-fetch-site", "same-origin"), ("content-length", "0")];
    ask(port, "POST", "/api/jobs/1/retry", &own).problem(404);
    assert_eq!(ask(port, "POST", "/logout", &own).status, 204);
    ask(port, "GET", "/api/status", &[("cookie", session)]).problem(401);
    assert!(!node.log().contains(token));
}

#[test]
fn other_sites_cannot_ask_in_the_name_of_an_operators_browser() {
    let scene = Scene::new();
    let node = empty(&scene);
    let port = node.http;
    // A page elsewhere whose name leads to this machine.
    ask(port, "GET", "/api/status", &[("host", "evil.example:8080")]).problem(421);
    for host in ["localhost", "127.0.0.1", "[::1]:80", "10.1.2.3:8080"] {
        assert_eq!(ask(port, "GET", "/api/status", &[("host", host)]).status, 200, "{host}");
    }
    // A page elsewhere that posts here.
    for more in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")] {
        ask(port, "POST", "/api/jobs/1/cancel", &[more, ("content-length", "0")]).problem(403);
    }
    ask(port, "POST", "/api/jobs/1/cancel", &[("origin", "http://localhost"), ("content-length", "0")])
        .problem(404);
    let page = get(port, "/");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("x-frame-options"), Some("DENY"));
}

#[test]
fn this_machine_written_as_an_address_of_ipv6_is_no_other_machine() {
    let mapped = "[::ffff:127.0.0.1]:0";
    if TcpListener::bind(mapped).is_err() {
        return eprintln!("skipped: an address of this machine written as IPv6: there is no IPv6");
    }
    let scene = Scene::new();
    let node = Node::start(&scene, &config(&scene, &QUIET.replace("127.0.0.1:0", mapped)));
    assert_ne!(node.dicom, 0, "{}", node.log());
    ask(node.http, "GET", "/api/status", &[("host", "evil.example:8080")]).problem(421);
}

#[test]
fn the_description_of_the_api_is_whole_and_odd_questions_get_sound_answers() {
    // Its results are no real DICOM: what DICOMweb says is asked of a node that has none.
    let (scene, bare_scene) = (Scene::new(), Scene::new());
    let (node, bare) = (empty(&scene), empty(&bare_scene));
    fill(&scene, 9);
    let description = get(node.http, "/openapi.json").json();
    assert_eq!(description["openapi"], "3.1.0");
    let text = description.to_string();
    for name in text.match_indices("\"#/components/schemas/").map(|(at, start)| &text[at + start.len()..]) {
        let name = name.split('"').next().unwrap();
        assert!(description["components"]["schemas"][name].is_object(), "{name} is named and not described");
    }
    let paths = description["paths"].as_object().unwrap();
    for path in [
        "/health",
        "/ready",
        "/metrics",
        "/api/status",
        "/api/studies",
        "/api/studies/{study_uid}",
        "/api/studies/{study_uid}/complete",
        "/api/jobs/{id}/retry",
        "/api/jobs/{id}/cancel",
        "/api/jobs/{id}/files/{name}",
        "/api/deliveries/{job}/{destination}/retry",
        "/api/quarantine",
        "/api/events",
        "/login",
        "/logout",
    ] {
        assert!(paths.contains_key(path), "{path} is not described");
    }

    // Each parameter of each operation, one after the other, with what nobody should send.
    let odd = [
        "0",
        "-1",
        "1",
        "1.2.3",
        "9223372036854775807",
        "9223372036854775808",
        "1e9",
        "%00",
        "%ff",
        "%F0%9F%92%A9",
        "a%20b",
        "%27%20OR%201=1--",
        "..%2f..",
        "null",
        "true",
        "[]",
        "%7B%7D",
        "2026-11-22T06:00:00Z",
        "-9999-01-01T00:00:00Z",
        "done",
        "emergency",
    ];
    let long = "9".repeat(5000);
    let mut asked = 0;
    for (path, item) in paths {
        let port = if path.starts_with("/dicom-web") { bare.http } else { node.http };
        for (method, operation) in item.as_object().unwrap() {
            let none = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&none);
            let of = |place: &str| {
                parameters
                    .iter()
                    .filter(|one| one["in"] == place)
                    .map(|one| one["name"].as_str().unwrap().to_owned())
                    .collect::<Vec<_>>()
            };
            for value in odd.iter().copied().chain([long.as_str()]) {
                let place = of("path")
                    .iter()
                    .fold(path.clone(), |place, name| place.replace(&format!("{{{name}}}"), value));
                let queries = of("query")
                    .into_iter()
                    .map(|name| format!("?{name}={value}&{name}={value}"))
                    .chain([String::new(), format!("?{value}")]);
                for query in queries {
                    let answer = ask(
                        port,
                        &method.to_uppercase(),
                        &format!("{place}{query}"),
                        &[("content-length", "0")],
                    );
                    let said = String::from_utf8_lossy(&answer.body).into_owned();
                    assert!(answer.status < 500, "{method} {place}{query}: {} {said}", answer.status);
                    assert!(
                        !said.contains("there is nothing at this path"),
                        "{method} {place} is described and not there"
                    );
                    // Too long a line is refused before any route sees it.
                    if answer.status >= 400 && !matches!(answer.status, 414 | 431) {
                        answer.problem(answer.status);
                    }
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 500, "{asked}");
    assert_eq!((get(node.http, "/ready").status, get(bare.http, "/ready").status), (200, 200));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let scene = Scene::new();
    let node = empty(&scene);
    let mut left = vec!["/".to_owned(), "/login".to_owned(), "/docs/".to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = left.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = get(node.http, &path);
        assert_eq!(answer.status, 200, "{path}");
        if !answer.header("content-type").unwrap().starts_with("text/html") {
            continue;
        }
        let text = answer.text();
        let attributes = text.split(['"', '\'']).collect::<Vec<_>>();
        for pair in
            attributes.windows(2).filter(|pair| pair[0].ends_with("src=") || pair[0].ends_with("href="))
        {
            assert!(!pair[1].contains("//"), "{path} needs {}", pair[1]);
            let named = pair[1].trim_start_matches("./");
            match named {
                _ if named.starts_with('#') => {}
                _ if named.starts_with('/') => left.push(named.to_owned()),
                _ => left.push(format!("{path}{named}")),
            }
        }
    }
    assert!(seen.len() > 10, "{seen:?}");
}

#[test]
fn slow_clients_keep_nobody_out() {
    let scene = Scene::new();
    let node = empty(&scene);
    // More than there are places, each with half a request.
    let slow: Vec<TcpStream> = (0..600)
        .map(|_| {
            let mut stream = TcpStream::connect(("127.0.0.1", node.http)).unwrap();
            stream.write_all(b"GET /health HTTP/1.1\r\nhost: loc").unwrap();
            stream
        })
        .collect();
    let mut times: Vec<Duration> = (0..50)
        .map(|_| {
            let since = Instant::now();
            assert_eq!(get(node.http, "/health").status, 200);
            since.elapsed()
        })
        .collect();
    times.sort();
    println!("behind {} slow clients: median {:?}, worst {:?}", slow.len(), times[25], times[49]);
    assert!(times[49] < Duration::from_secs(2), "{times:?}");
    if !full() {
        return;
    }
    // Those that still have a place lose it when their headers do not come.
    let since = Instant::now();
    for mut stream in slow {
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        let _ = stream
            .read_to_end(&mut Vec::new())
            .map_err(|error| assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock));
    }
    println!("all of them were gone after {:?}", since.elapsed());
    // A body that stops coming, and an answer that nobody reads.
    let since = Instant::now();
    let stalled = raw(node.http, b"POST /dicom-web/studies HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/related; type=\"application/dicom\"; boundary=b\r\ncontent-length: 1000\r\n\r\n--b\r\n");
    println!("a stalled body was answered with {} after {:?}", stalled.status, since.elapsed());
    assert!(stalled.status >= 400 && since.elapsed() < Duration::from_secs(50));
}

#[test]
fn a_node_that_stops_lets_idle_connections_go() {
    let scene = Scene::new();
    let node = empty(&scene);
    let mut idle = TcpStream::connect(("127.0.0.1", node.http)).unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 2048];
    assert!(idle.read(&mut answer).unwrap() > 0);
    let since = Instant::now();
    node.stop();
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}", since.elapsed());
    assert_eq!(idle.read(&mut answer).unwrap(), 0, "it is closed");
}

#[test]
fn a_node_with_very_many_studies_still_answers_at_once() {
    let scene = Scene::new();
    let node = empty(&scene);
    let times = if full() { 250 } else { 5 };
    fill(&scene, 400);
    multiply(&scene, times);
    let count = 400 * times;
    let last = format!("/api/studies?offset={}", count - 50);
    for path in [
        "/api/status",
        "/metrics",
        "/api/studies",
        "/api/studies?state=failed",
        "/api/studies?state=done&lane=bulk",
        &last,
    ] {
        let since = Instant::now();
        assert_eq!(get(node.http, path).status, 200);
        let took = since.elapsed();
        println!("{count} studies: {path} took {took:?}");
        assert!(took < Duration::from_secs(3), "{path}: {took:?}");
    }
}
