//! What was acknowledged is there, whatever happens to the node, its disk or its database.
//!
//! `FOCI_FULL=1` runs the promised numbers: 200 kills, 1,000 instances traced, a database locked for longer
//! than the node waits.

mod common;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::dimse::{File, Link, storing};
use common::kept::{CT, NODE, hash, image, kept, lock_database, names};
use common::node::{Node, config, not_started, wait_for};
use common::{Random, Scene, SmallDisk, full};
use dicom_io::net::command::{Command, Operation, Status};

const FULL_DISK: Status = Status(0xA700);

fn start(scene: &Scene, more: &str) -> Node {
    Node::start(scene, &config(scene, &format!("{more}\n{NODE}")))
}

fn link(node: &Node) -> Link {
    Link::associate(node.dicom, "SENDER", "FOCI", &storing(&image("1.2", "1.2.1", 0, 0))).unwrap()
}

/// C-STORE; `None`: there was no answer.
fn store(link: &mut Link, file: &[u8]) -> Option<Status> {
    let parsed = File::parse(file);
    let context = link.context(CT).id;
    let call = link.new_call(&parsed.class, Operation::Store { instance: parsed.instance }, true);
    link.send(context, &call.into(), Some(parsed.data_set));
    match link.receive()? {
        (_, Command::Reply(reply), _) => Some(reply.status),
        other => panic!("an answer was due: {other:?}"),
    }
}

/// All of `acknowledged` (hashes by UID) is kept as it was sent.
#[track_caller]
fn check(scene: &Scene, acknowledged: &HashMap<String, String>) {
    let kept = kept(scene);
    let missing: Vec<_> = acknowledged
        .iter()
        .filter(|(uid, sent)| kept.get(*uid) != Some(&((*sent).clone(), Some((*sent).clone()))))
        .collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), acknowledged.len());
}

#[test]
fn an_acknowledged_instance_survives_kill_9() {
    let kills = if full() { 200 } else { 8 };
    let scene = Scene::new();
    let mut random = Random(1);
    let mut acknowledged = HashMap::new();
    for kill in 0..kills {
        let node = start(&scene, "studies.minimum_free_mb = 1\nstudies.stable_s = 100000");
        let count = Arc::new(AtomicUsize::new(0));
        let senders: Vec<_> = (0..2)
            .map(|sender| {
                let (mut link, mut random) = (link(&node), Random(1 + random.below(usize::MAX) as u64));
                let count = count.clone();
                std::thread::spawn(move || {
                    let mut acknowledged = Vec::new();
                    for number in 0.. {
                        let uid = format!("1.2.{kill}.{sender}.{number}");
                        // Of one piece and of several; some studies begin in the middle.
                        let pixels = 2 * random.below(350_000);
                        let study = format!("1.2.{kill}.{}", number / 8);
                        let file = image(&study, &uid, pixels, random.below(256) as u8);
                        let Some(status) = store(&mut link, &file) else { break };
                        assert_eq!(status, Status::SUCCESS);
                        acknowledged.push((uid, hash(&file)));
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    acknowledged
                })
            })
            .collect();
        wait_for("the first answer", || (count.load(Ordering::Relaxed) > 0).then_some(()));
        std::thread::sleep(Duration::from_micros(random.below(150_000) as u64));
        node.kill();
        for sender in senders {
            acknowledged.extend(sender.join().unwrap());
        }
        check(&scene, &acknowledged);
    }
    let node = start(&scene, "studies.minimum_free_mb = 1");
    assert!(names(&scene, "incoming").is_empty(), "what was under way is cleared away at the start");
    check(&scene, &acknowledged);
    println!("{kills} kills, {} acknowledged, 0 missing", acknowledged.len());
    node.stop();
}

#[test]
fn with_a_full_disk_senders_are_told_and_then_it_goes_on_by_itself() {
    // A minimum that is reached before the disk is full, and none at all.
    for (minimum_free_mb, slack) in [(16, 0), (0, 1)] {
        let scene = Scene::new();
        let data = scene.folder("data");
        let test = "with_a_full_disk_senders_are_told_and_then_it_goes_on_by_itself";
        let Some(_disk) = SmallDisk::mount(&data, "48m", test) else { return };
        let ballast = data.join("ballast");
        std::fs::write(&ballast, vec![1; 20 << 20]).unwrap();
        let mut node = start(&scene, &format!("studies.minimum_free_mb = {minimum_free_mb}"));
        let mut link = link(&node);
        let mut acknowledged = HashMap::new();
        let mut number = 0;
        let mut send = |link: &mut Link| {
            number += 1;
            let uid = format!("1.2.1.1.{number}");
            let file = image("1.2.1", &uid, 500_000, number as u8);
            let status = link.store(&file).status;
            if status.is_success() {
                acknowledged.insert(uid, hash(&file));
            }
            status
        };
        let refused = (0..200).map(|_| send(&mut link)).find(|status| !status.is_success());
        assert_eq!(refused, Some(FULL_DISK), "{minimum_free_mb}");
        for _ in 0..20 {
            // With no minimum, what is smaller by chance may still fit.
            assert!(slack > 0 || send(&mut link) == FULL_DISK);
            assert_eq!(link.echo(), Status::SUCCESS);
        }
        wait_for("no parts left", || names(&scene, "incoming").is_empty().then_some(()));
        // Room is made: enough to be sure of it.
        std::fs::remove_file(&ballast).unwrap();
        for _ in 0..10 {
            assert_eq!(send(&mut link), Status::SUCCESS);
        }
        assert!(node.is_alive());
        check(&scene, &acknowledged);
        assert_eq!(kept(&scene).len(), acknowledged.len());
        if minimum_free_mb > 0 {
            assert!(node.log().contains("there is room on the disk again"));
        }
        node.stop();
    }
}

#[test]
fn a_locked_database_makes_senders_wait_and_loses_nothing() {
    let scene = Scene::new();
    let node = start(&scene, "studies.minimum_free_mb = 1");
    let mut link = link(&node);
    let mut acknowledged = HashMap::new();
    let mut send = |link: &mut Link, number: u32| {
        let uid = format!("1.2.1.1.{number}");
        let file = image("1.2.1", &uid, 1000, number as u8);
        let status = link.store(&file).status;
        if status.is_success() {
            acknowledged.insert(uid, hash(&file));
        }
        status
    };
    assert_eq!(send(&mut link, 1), Status::SUCCESS);
    let begun = Instant::now();
    let holder = lock_database(&scene, Duration::from_secs(3));
    assert_eq!(send(&mut link, 2), Status::SUCCESS);
    assert!(begun.elapsed() > Duration::from_millis(2500), "{:?}", begun.elapsed());
    holder.join().unwrap();
    if full() {
        let holder = lock_database(&scene, Duration::from_secs(40));
        assert_eq!(send(&mut link, 3), Status(0xA702));
        holder.join().unwrap();
        assert_eq!(kept(&scene).len(), 2);
        assert_eq!(send(&mut link, 3), Status::SUCCESS);
    }
    check(&scene, &acknowledged);
    let files = names(&scene, "images").into_iter().map(|study| std::fs::read_dir(study).unwrap().count());
    assert_eq!(files.sum::<usize>(), acknowledged.len(), "what was refused left no file");
    node.stop();
}

#[test]
fn two_nodes_never_share_a_folder() {
    let scene = Scene::new();
    let node = start(&scene, "studies.minimum_free_mb = 1");
    let said = not_started(&scene, &scene.path("foci.toml"));
    assert!(said.contains("belongs to a foci serve that is running"), "{said}");
    node.stop();
    start(&scene, "studies.minimum_free_mb = 1").stop();
}

#[test]
fn many_senders_at_once_lose_nothing_and_memory_stays_flat_under_large_objects() {
    let scene = Scene::new();
    let node = start(&scene, "studies.minimum_free_mb = 1\nstudies.stable_s = 100000");
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
    };
    let before = resident();
    let failed = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let (mut link, failed) = (link(&node), failed.clone());
            std::thread::spawn(move || {
                let mut acknowledged = HashMap::new();
                for number in 0..3 {
                    let uid = format!("1.2.{sender}.1.{number}");
                    let file = image(&format!("1.2.{sender}"), &uid, 24 << 20, sender);
                    let taken = link.store(&file).status.is_success();
                    failed.fetch_or(!taken, Ordering::Relaxed);
                    acknowledged.insert(uid, hash(&file));
                }
                acknowledged
            })
        })
        .collect();
    let mut acknowledged = HashMap::new();
    for sender in senders {
        acknowledged.extend(sender.join().unwrap());
    }
    assert!(!failed.load(Ordering::Relaxed));
    check(&scene, &acknowledged);
    let grown = resident() - before;
    assert!(grown < 48, "{grown} MiB for four objects of 24 MiB at a time");
    node.stop();
}
