//! One report for each revision of a study, whatever is killed on the way.
//!
//! `FOCI_FULL=1` runs it with 300 studies and 40 kills; it takes some minutes.

mod common;
#[path = "common/queue.rs"]
mod queue;

use std::collections::BTreeSet;
use std::time::Duration;

use common::dimse::{Study, send};
use common::node::{Node, children, signal, wait_at_most, wait_for};
use common::{Random, Scene, full};
use queue::{Database, Pacs, mishaps, study};
use rustix::process::Signal;

/// So long after the last study was sent everything is where it belongs.
const PATIENCE: Duration = Duration::from_secs(300);

const AT_WORK: &str = "SELECT count(*) FROM job WHERE state = 'leased'";

#[test]
fn each_study_has_one_report_at_the_pacs_whatever_is_killed() {
    let (count, kills, stable_s) = if full() { (300, 40, 3) } else { (12, 4, 2) };
    let scene = Scene::new();
    let studies: Vec<Study> = (1..=count as u64).map(study).collect();
    assert_eq!(studies.iter().map(|study| study.uid.as_str()).collect::<BTreeSet<_>>().len(), count);
    // So that there is always somebody at work.
    mishaps(&scene, studies.iter().map(|study| (study, "slow")));
    let mut pacs = Pacs::start();
    let more =
        format!("[[peer]]\nname = \"pacs\"\nae_title = \"PACS\"\nhost = \"127.0.0.1\"\nport = {}", pacs.port);
    let analysis = "attempts = 100\nretry_s = 0.1\nlease_s = 5\nworkers = 2\nemergency_workers = 0";
    let config = queue::config(&scene, stable_s, "\"pacs\"", analysis, &more);
    let mut node = Node::start(&scene, &config);
    let database = Database::open(&scene);
    let mut random = Random(20_261_122);
    let (mut nodes_killed, mut workers_killed, mut restarts) = (0, 0, 0);

    for (n, study) in studies.iter().enumerate() {
        send(node.dicom, "CT", study);
        if n % 4 == 3 {
            // A study that came before, and perhaps was analysed, comes again.
            send(node.dicom, "CT", &studies[random.below(n + 1)]);
        }
        let due = (n + 1) * kills / count;
        while workers_killed < due {
            wait_for("somebody is at work", || (database.number(AT_WORK) > 0).then_some(()));
            if random.below(4) == 0 {
                node.kill();
                node = Node::start(&scene, &config);
                nodes_killed += 1;
            } else {
                let workers = wait_for("a worker", || Some(children(node.pid())).filter(|w| !w.is_empty()));
                // All of them: one at least is at work.
                workers_killed += workers.len();
                workers.into_iter().for_each(|worker| signal(worker, Signal::KILL));
            }
        }
        if n % (count / 4) == count / 8 {
            pacs.stop();
        } else if n % (count / 4) == count / 4 - 1 {
            pacs.start_again();
            restarts += 1;
        }
    }
    pacs.stop();
    pacs.start_again();

    let unsent = || database.number("SELECT count(*) FROM outbox WHERE state = 'pending'");
    let left = || {
        let (jobs, unsent) = (database.jobs(), unsent());
        let odd: Vec<_> = jobs.iter().filter(|job| job.state != "done").take(5).collect();
        format!("{count} jobs done: there are {}, {unsent} objects unsent, {odd:?}", jobs.len())
    };
    wait_at_most(PATIENCE, left, || {
        let done = database.jobs().iter().filter(|job| job.state == "done").count();
        (done == count && unsent() == 0).then_some(())
    });
    node.stop();

    let kept = pacs.kept();
    let cut_short = database.number("SELECT sum(attempts - 1) FROM job");
    println!(
        "{count} studies, {workers_killed} workers and {nodes_killed} nodes killed, {cut_short} tries cut short, {} restarts \
         of the PACS: {} reports, sent {} times",
        restarts + 1,
        kept.len(),
        pacs.came()
    );
    assert!(cut_short >= kills as i64 / 2, "most were killed while they waited for work");
    assert_eq!(database.jobs().len(), count, "one job for each study");
    assert_eq!(kept.len(), count, "one report for each study");
    assert!(pacs.came() > count, "the PACS has kept some and not said so: they must come again");
    for (uid, hashes) in &kept {
        assert_eq!(hashes.len(), 1, "report {uid} came with differing bytes");
    }
    let published = database.texts("SELECT sop_instance_uid FROM result WHERE kind = 'sr' ORDER BY 1");
    assert_eq!(published, kept.into_keys().collect::<Vec<_>>());
    let folders = std::fs::read_dir(scene.path("data/results")).unwrap().count();
    assert_eq!(folders, count, "nothing is left of tries that came to nothing");
}
