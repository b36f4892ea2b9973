use std::fs;

use super::*;
use crate::config::Lane;
use crate::intake::Kept;
use crate::intake::tests::{CT, Object, Scene, uid};
use crate::store::studies::Filed;

const SR: &str = "1.2.840.10008.5.1.4.1.1.88.34";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// The study of a scene, as it is being received.
async fn receiving(scene: &Scene) -> Vec<Receiving> {
    scene.node.store.receiving().await.unwrap()
}

/// Looks as if nothing had come for so long.
async fn look_after(scene: &Scene, quiet: u64) -> bool {
    let last = receiving(scene).await[0].last_at;
    look(&scene.node, &mut Questions::default(), last + Duration::from_secs(quiet)).await.unwrap();
    receiving(scene).await.is_empty()
}

async fn events(scene: &Scene, study: &str) -> Vec<String> {
    scene.events(study).await.into_iter().map(|(what, detail)| format!("{what}: {detail}")).collect()
}

#[tokio::test]
async fn a_study_is_complete_when_nothing_has_come_for_the_stable_time() {
    let scene = Scene::with("studies.minimum_free_mb = 1\nstudies.stable_s = 30").await;
    for number in 1..=3 {
        scene.store(&Object::image("1.2.1", number)).await.unwrap();
    }
    assert!(!look_after(&scene, 29).await);
    assert!(look_after(&scene, 30).await);
    assert_eq!(
        events(&scene, "1.2.1").await,
        ["receiving: from scanner", "complete: revision 1: 3 instances, and none more for 30 s"]
    );
}

#[tokio::test]
async fn an_image_that_was_here_already_shows_that_the_sender_is_at_work() {
    let scene = Scene::new().await;
    let first = Object::image("1.2.1", 1);
    scene.store(&first).await.unwrap();
    let before = receiving(&scene).await[0].last_at;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(scene.store(&first).await.unwrap(), Kept::Again);
    assert!(receiving(&scene).await[0].last_at > before);
}

#[tokio::test]
async fn a_study_is_complete_at_once_when_as_many_came_as_one_of_them_said() {
    let scene = Scene::new().await;
    let image = |number: u32| Object::expecting(CT, "1.2.1", &format!("1.2.1.1.{number}"), 64, Some(3));
    scene.store(&image(1)).await.unwrap();
    scene.store(&image(2)).await.unwrap();
    assert!(!look_after(&scene, 0).await);
    scene.store(&image(3)).await.unwrap();
    assert!(look_after(&scene, 0).await);
}

#[tokio::test]
async fn a_study_of_which_some_are_missing_waits_longer_but_not_for_ever() {
    let scene = Scene::with("studies.minimum_free_mb = 1\nstudies.stable_s = 30").await;
    scene.store(&Object::expecting(CT, "1.2.1", "1.2.1.1.1", 64, Some(3))).await.unwrap();
    assert!(!look_after(&scene, 119).await);
    assert!(look_after(&scene, 120).await);
    assert_eq!(scene.note("1.2.1").await.as_deref(), Some("1 of 3 instances came"));
    let events = events(&scene, "1.2.1").await;
    assert_eq!(events[1], "complete: revision 1: 1 of 3 instances came, and none more for 120 s");
}

#[tokio::test]
async fn somebody_can_say_that_a_study_is_complete_or_how_much_there_will_be() {
    let scene = Scene::new().await;
    let study = uid("1.2.1");
    assert_eq!(complete_now(&scene.node, &study, None).await.unwrap(), Declared::Unknown);
    scene.store(&Object::image("1.2.1", 1)).await.unwrap();
    let waiting = Declared::Waiting { instances: 1, expected: 2 };
    assert_eq!(complete_now(&scene.node, &study, Some(2)).await.unwrap(), waiting);
    assert!(!look_after(&scene, 31).await);
    scene.store(&Object::image("1.2.1", 2)).await.unwrap();
    assert!(look_after(&scene, 0).await);
    scene.store(&Object::image("1.2.1", 3)).await.unwrap();
    assert!(!look_after(&scene, 0).await);
    assert_eq!(complete_now(&scene.node, &study, None).await.unwrap(), Declared::Complete);
    assert!(receiving(&scene).await.is_empty());
    assert_eq!(complete_now(&scene.node, &study, None).await.unwrap(), Declared::Complete);
}

#[tokio::test]
async fn a_late_slice_makes_a_new_revision_and_the_old_one_keeps_its_slices() {
    let scene = Scene::new().await;
    let study = uid("1.2.1");
    for number in 1..=3 {
        scene.store(&Object::image("1.2.1", number)).await.unwrap();
    }
    assert!(look_after(&scene, 30).await);
    scene.store(&Object::image("1.2.1", 4)).await.unwrap();
    scene.store(&Object::image("1.2.1", 5)).await.unwrap();
    let again = receiving(&scene).await;
    assert_eq!((again[0].revision, again[0].instances), (2, 5));
    assert_eq!(scene.node.store.images_of(&study, 1).await.unwrap().len(), 3);
    assert_eq!(scene.node.store.images_of(&study, 2).await.unwrap().len(), 5);
    assert!(
        events(&scene, "1.2.1").await.contains(&"late image: from scanner: revision 2 begins".to_owned())
    );
}

#[tokio::test]
async fn an_image_between_look_and_completion_keeps_the_study_open() {
    let scene = Scene::new().await;
    scene.store(&Object::image("1.2.1", 1)).await.unwrap();
    let seen = receiving(&scene).await.remove(0);
    scene.store(&Object::image("1.2.1", 2)).await.unwrap();
    assert!(!scene.node.store.complete_study(&seen, "", None, Time::now()).await.unwrap());
    assert_eq!(receiving(&scene).await[0].revision, 1);
}

#[tokio::test]
async fn what_is_no_image_is_kept_and_starts_nothing() {
    let scene = Scene::new().await;
    let mut report = Object::new(SR, "1.2.1", "1.2.1.9.1", 0);
    // An SR has no pixels: without the empty Pixel Data at its end.
    report.bytes.truncate(report.bytes.len() - 12);
    assert_eq!(scene.store(&report).await.unwrap(), Kept::New);
    assert_eq!(receiving(&scene).await[0].revision, 0);
    assert!(look_after(&scene, 30).await);
    assert!(scene.node.store.images_of(&uid("1.2.1"), 9).await.unwrap().is_empty());
    // Then images come, and another report when they are complete.
    scene.store(&Object::image("1.2.1", 1)).await.unwrap();
    assert_eq!(receiving(&scene).await[0].revision, 1);
    assert!(look_after(&scene, 30).await);
    let mut late = Object::new(SR, "1.2.1", "1.2.1.9.2", 0);
    late.bytes.truncate(late.bytes.len() - 12);
    assert_eq!(scene.store(&late).await.unwrap(), Kept::New);
    assert!(receiving(&scene).await.is_empty());
}

#[tokio::test]
async fn a_study_goes_as_fast_as_the_most_urgent_of_its_senders() {
    let scene = Scene::new().await;
    for (number, lane, expected) in [(1, Lane::Normal, 1), (2, Lane::Emergency, 0), (3, Lane::Bulk, 0)] {
        scene.store_as(&Object::image("1.2.1", number), "scanner", lane).await.unwrap();
        assert_eq!(scene.lane("1.2.1").await, expected);
    }
}

#[tokio::test]
async fn our_own_result_that_comes_back_is_not_taken_for_another_image() {
    let scene = Scene::new().await;
    scene.store(&Object::image("1.2.1", 1)).await.unwrap();
    assert!(look_after(&scene, 30).await);
    scene.result("1.2.1", "1.2.1.7.1").await;
    let files = scene.files();
    let own = Object::new(CT, "1.2.1", "1.2.1.7.1", 64);
    assert_eq!(scene.store(&own).await.unwrap(), Kept::Own);
    assert!(receiving(&scene).await.is_empty());
    assert_eq!(scene.files(), files);
}

#[tokio::test]
async fn what_we_sent_to_a_peer_is_not_expected_from_it() {
    let scene = Scene::new().await;
    scene.store(&Object::image("1.2.1", 1)).await.unwrap();
    scene.result("1.2.1", "1.2.1.7.1").await;
    scene.outbox("sent").await;
    assert_eq!(scene.node.store.expect_as(&uid("1.2.1"), "pacs", 301).await.unwrap(), 300);
    assert_eq!(scene.node.store.expect_as(&uid("1.2.1"), "other", 301).await.unwrap(), 301);
}

#[tokio::test]
async fn images_go_when_all_is_done_and_old_and_come_again_as_a_new_revision() {
    let scene = Scene::with("studies.minimum_free_mb = 1\nstudies.keep_images_days = 7").await;
    let study = uid("1.2.1");
    let object = Object::image("1.2.1", 1);
    scene.store(&object).await.unwrap();
    scene.store(&object.other()).await.unwrap();
    let later = Time::now() + 8 * DAY;
    assert_eq!(retain(&scene.node, later).await.unwrap(), 0, "it is still being received");
    assert!(look_after(&scene, 30).await);
    assert_eq!(retain(&scene.node, later).await.unwrap(), 0, "it is not planned");
    scene.result("1.2.1", "1.2.1.7.1").await;
    scene.job("queued").await;
    assert_eq!(retain(&scene.node, later).await.unwrap(), 0, "its job waits");
    scene.job("done").await;
    scene.outbox("pending").await;
    assert_eq!(retain(&scene.node, later).await.unwrap(), 0, "its result is not delivered");
    scene.outbox("committed").await;
    assert_eq!(retain(&scene.node, Time::now() + 6 * DAY).await.unwrap(), 0, "it is not old enough");
    assert_eq!(retain(&scene.node, later).await.unwrap(), 1);
    assert!(scene.files().is_empty(), "{:?}", scene.files());
    assert!(scene.node.store.images_of(&study, 9).await.unwrap().is_empty());
    assert!(events(&scene, "1.2.1").await.contains(&"images removed: 1 instances".to_owned()));

    assert_eq!(scene.store(&object).await.unwrap(), Kept::New);
    assert_eq!(receiving(&scene).await[0].revision, 2);
    assert_eq!(scene.kept(&object, 2).await, std::slice::from_ref(&object.bytes));
    assert_eq!(scene.store(&object.other()).await.unwrap(), Kept::Quarantined);
}

#[tokio::test]
async fn a_missing_file_is_noticed_and_a_removal_is_brought_to_its_end() {
    let scene = Scene::new().await;
    for number in 1..=3 {
        scene.store(&Object::image("1.2.1", number)).await.unwrap();
        scene.store(&Object::image("1.2.2", number)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(check_files(&scene.node).await.unwrap(), 0);
    let files = scene.node.store.images_of(&uid("1.2.1"), 1).await.unwrap();
    fs::remove_file(scene.node.archive.image(&files[0])).unwrap();
    assert_eq!(check_files(&scene.node).await.unwrap(), 1);
    // As if the power had gone between the note and the removal.
    scene.planned().await;
    for study in ["1.2.1", "1.2.2"] {
        complete_now(&scene.node, &uid(study), None).await.unwrap();
    }
    assert!(scene.node.store.purge(&uid("1.2.1"), Time::now()).await.unwrap());
    let filed = scene.node.store.filed().await.unwrap();
    assert_eq!(filed[0], Filed { study: uid("1.2.1"), purged: true });
    assert_eq!(scene.files().len(), 5);
    assert_eq!(check_files(&scene.node).await.unwrap(), 0);
    assert_eq!(scene.files().len(), 3);
}

#[test]
fn more_than_expected_is_no_count_to_go_by() {
    let seen = |instances, expected| Receiving {
        study: uid("1.2.1"),
        revision: 1,
        sender: "scanner".to_owned(),
        expected,
        instances,
        last_at: Time(1000),
        noted_at: Time(1000),
    };
    let stable = Duration::from_secs(10);
    let wait = |until| Verdict::Wait(Time(until));
    assert_eq!(judge(&seen(3, Some(2)), stable, Time(10_999)), wait(11_000));
    assert_eq!(judge(&seen(3, Some(4)), stable, Time(11_000)), wait(41_000));
    assert_eq!(judge(&seen(3, None), stable, Time(1000)), wait(11_000));
    assert!(matches!(judge(&seen(3, Some(3)), stable, Time(1000)), Verdict::Complete(_, None)));
    assert!(matches!(judge(&seen(3, Some(2)), stable, Time(11_000)), Verdict::Complete(_, None)));
}
