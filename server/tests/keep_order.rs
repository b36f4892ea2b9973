//! The order in which an object becomes safe, seen from outside: write, fsync the file, rename it, fsync the
//! folder, fsync the database's log, and only then the answer on the socket.
//!
//! `FOCI_FULL=1` traces 1,000 instances.

mod common;

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use common::dimse::{Link, storing};
use common::kept::{NODE, image};
use common::node::{Node, children, config, signal, wait_for};
use common::{Scene, foci, full, skip};
use dicom_io::net::command::Status;
use rustix::process::Signal;

/// Associations at the same time, so that rows are committed together too.
const SENDERS: usize = 3;

/// A system call, by the seconds at which it began and returned.
#[derive(Debug, Clone)]
struct Call {
    name: String,
    arguments: String,
    began: f64,
    ended: f64,
}

/// The calls that `strace -f -ttt -T -y` has noted in `trace`.
fn calls(trace: &Path) -> Vec<Call> {
    let text = String::from_utf8_lossy(&std::fs::read(trace).unwrap()).into_owned();
    parse(&text)
}

fn parse(text: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (String, f64)> = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        // Thread numbers of under five digits are padded with blanks.
        let (thread, rest) = line.trim_start().split_once(' ').unwrap_or_default();
        let (time, rest) = rest.trim_start().split_once(' ').unwrap_or_default();
        let (Ok(time), rest) = (time.parse::<f64>(), rest.trim_start()) else { continue };
        let (begun, began, ended) = if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
            open.insert(thread, (begun.to_owned(), time));
            continue;
        } else if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((begun, began)) = open.remove(thread) else { continue };
            let rest = resumed.split_once("resumed>").map_or("", |(_, rest)| rest);
            (begun + rest, began, time)
        } else {
            let took = rest.rsplit_once('<').and_then(|(_, took)| took.trim_end_matches('>').parse().ok());
            (rest.to_owned(), time, time + took.unwrap_or(0.0))
        };
        if let Some((name, arguments)) = begun.split_once('(') {
            calls.push(Call { name: name.to_owned(), arguments: arguments.to_owned(), began, ended });
        }
    }
    calls
}

/// The path behind the descriptor that is the first argument: `7</data/foci.db-wal>, ..`.
fn path(call: &Call) -> &str {
    let behind = call.arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    behind.map_or("", |(path, _)| path)
}

/// What is wrong with the order of the calls for the instance `uid`; nothing if all is well.
fn violation(calls: &[Call], uid: &str) -> Option<&'static str> {
    let names_it = |call: &Call| call.arguments.contains(uid);
    let is = |call: &Call, names: &[&str]| names.contains(&call.name.as_str());
    let written = |call: &Call| is(call, &["write", "pwrite64", "writev"]);
    let synced = |call: &Call| is(call, &["fsync", "fdatasync"]);
    // The file meta information of the part, and the answer, name the instance.
    let part = calls.iter().find(|call| written(call) && path(call).ends_with(".part") && names_it(call));
    let Some(part) = part.map(path) else { return Some("its file was not written") };
    let answer = calls.iter().find(|call| {
        is(call, &["sendto", "sendmsg", "write", "writev"])
            && (path(call).starts_with("socket:") || path(call).starts_with("TCP:"))
            && names_it(call)
    });
    let Some(answer) = answer else { return Some("it was not answered") };

    let last_write = calls.iter().rfind(|call| written(call) && path(call) == part);
    let write = last_write.expect("it was written");
    let file = calls.iter().find(|call| synced(call) && path(call) == part && call.began >= write.ended);
    let Some(file) = file else { return Some("its file was not made safe after the last write") };
    let quoted = format!("\"{part}\"");
    let rename = calls.iter().find(|call| {
        call.name.starts_with("rename") && call.arguments.contains(&quoted) && call.began >= file.ended
    });
    let Some(rename) = rename else { return Some("it was not renamed after its file was safe") };
    let to = rename.arguments.rsplit('"').nth(1).unwrap();
    let folder = to.rsplit_once('/').unwrap().0;
    let folder = calls.iter().find(|call| synced(call) && path(call) == folder && call.began >= rename.ended);
    let Some(folder) = folder else { return Some("its folder was not made safe after the rename") };
    let is_log = |call: &&Call| path(call).ends_with("foci.db-wal");
    let row = calls.iter().filter(is_log).find(|call| written(call) && call.began >= folder.ended);
    let Some(row) = row else { return Some("no row was written after its folder was safe") };
    let log = calls.iter().filter(is_log).find(|call| synced(call) && call.began >= row.ended);
    match log {
        None => Some("the database was not made safe"),
        Some(log) if log.ended > answer.began => Some("it was answered before the database was safe"),
        Some(_) => None,
    }
}

/// A machine that has just started gives small numbers, and strace pads them to five digits.
#[test]
fn calls_of_threads_with_small_numbers_are_read() {
    let trace = "4337  17.25 fsync(7</data/a.part>) = 0 <0.5>\n\
                 98    18.00 write(8</data/b.part>, \"x\", 1 <unfinished ...>\n\
                 10234 18.50 fsync(9</data> <unfinished ...>\n\
                 98    19.00 <... write resumed>) = 1 <1.0>\n\
                 10234 20.00 <... fsync resumed>) = 0 <1.5>\n";
    let read = parse(trace);
    let read: Vec<_> =
        read.iter().map(|call| (call.name.as_str(), path(call), call.began, call.ended)).collect();
    let expected = [
        ("fsync", "/data/a.part", 17.25, 17.75),
        ("write", "/data/b.part", 18.0, 19.0),
        ("fsync", "/data", 18.5, 20.0),
    ];
    assert_eq!(read, expected);
}

#[test]
fn nothing_is_acknowledged_before_it_is_safe() {
    let test = "nothing_is_acknowledged_before_it_is_safe";
    let traced = Command::new("strace").args(["-e", "trace=none", "true"]).output();
    if !traced.is_ok_and(|output| output.status.success()) {
        return skip(test, "peers", "strace is not installed or may not trace: run .ci/peers");
    }
    let instances = if full() { 1000 } else { 60 };
    let scene = Scene::new();
    let more = format!("studies.minimum_free_mb = 1\nstudies.stable_s = 100000\n{NODE}");
    let settings = config(&scene, &more);
    let trace = scene.path("trace");
    let program = foci(&scene);
    let mut command = Command::new("strace");
    command.args(["-f", "-ttt", "-T", "-y", "-s", "1000", "-o"]).arg(&trace);
    command.args(["-e", "trace=write,pwrite64,writev,sendto,sendmsg,fsync,fdatasync,/^rename"]);
    command.arg(program.get_program()).args(["serve", "--config"]).arg(&settings);
    command.current_dir(program.get_current_dir().unwrap());
    let node = Node::start_with(&scene, &mut command);

    // No UID is the beginning of another one.
    let uid = |sender: usize, number: usize| format!("1.2.{sender}.1.{number}.9");
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let port = node.dicom;
            scope.spawn(move || {
                let first = image("1.2", "1.2.1", 0, 0);
                let mut link = Link::associate(port, "SENDER", "FOCI", &storing(&first)).unwrap();
                for number in (sender..instances).step_by(SENDERS) {
                    // Objects of one piece and of several; a new study now and then.
                    let pixels = if number % 3 == 0 { 400_000 } else { 3000 };
                    let study = format!("1.2.{sender}.{}", number / 20);
                    let file = image(&study, &uid(sender, number), pixels, number as u8);
                    assert_eq!(link.store(&file).status, Status::SUCCESS);
                }
                link.release();
            });
        }
    });
    // strace passes the signal on and ends with the node.
    let serving = children(node.pid());
    assert_eq!(serving.len(), 1);
    signal(serving[0], Signal::TERM);
    let mut node = node;
    wait_for("the end of the node", || (!node.is_alive()).then_some(()));

    let calls = calls(&trace);
    let violations: Vec<_> = (0..instances)
        .filter_map(|number| {
            let uid = uid(number % SENDERS, number);
            violation(&calls, &uid).map(|what| format!("{uid}: {what}"))
        })
        .collect();
    assert!(violations.is_empty(), "{} violations: {violations:#?}", violations.len());
    println!("{instances} instances traced, {} calls, 0 violations", calls.len());

    // The judge itself: an answer that came too early is seen.
    let early = uid(0, 0);
    let mut doctored = calls.clone();
    for call in doctored.iter_mut().filter(|call| call.name == "sendto" && call.arguments.contains(&early)) {
        call.began = calls[0].began;
    }
    assert_eq!(violation(&doctored, &early), Some("it was answered before the database was safe"));
    doctored.retain(|call| !(path(call).ends_with(".part") && call.name.starts_with('f')));
    assert_eq!(violation(&doctored, &early), Some("its file was not made safe after the last write"));
}
