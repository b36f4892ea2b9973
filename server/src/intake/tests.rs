use std::fs;
use std::path::Path;

use dicom_io::identity::file_head;
use tempfile::TempDir;

use super::*;
use crate::archive::Archive;
use crate::config::{Config, Lane};
use crate::node::Node;
use crate::store::Store;

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// A node without sockets, in a folder of its own.
pub(crate) struct Scene {
    folder: TempDir,
    pub(crate) node: Arc<Node>,
    pub(crate) intake: Arc<Intake>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with("studies.minimum_free_mb = 1").await
    }

    pub(crate) async fn with(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("data = {:?}\n{settings}", folder.path().join("data"));
        let config: Config = toml::from_str(&text).unwrap();
        drop(Archive::lock(&config.data).unwrap());
        let store = Store::open(&config.data).await.unwrap();
        let node = Node::new(config, store);
        let intake = Arc::new(Intake::new(node.clone()));
        Self { folder, node, intake }
    }

    pub(crate) async fn store(&self, object: &Object) -> Result<Kept, Refused> {
        self.store_as(object, "scanner", Lane::Normal).await
    }

    pub(crate) async fn store_as(&self, object: &Object, sender: &str, lane: Lane) -> Result<Kept, Refused> {
        let sender = Sender { name: sender.to_owned(), lane };
        let mut incoming = self.intake.begin(&sender, object.announced()).await?;
        for pdu in object.bytes.chunks(60_000) {
            incoming.write(pdu).await?;
        }
        incoming.finish().await.map(|(_, kept)| kept)
    }

    /// The files below the data folder but the database, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        fn visit(folder: &Path, base: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    visit(&path, base, found);
                } else {
                    found.push(path.strip_prefix(base).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        let data = self.folder.path().join("data");
        let mut found = Vec::new();
        visit(&data, &data, &mut found);
        found.retain(|name| name.contains('/'));
        found.sort();
        found
    }

    /// The data set that is kept of `object`.
    pub(crate) async fn kept(&self, object: &Object, revision: u32) -> Vec<Vec<u8>> {
        let files = self.node.store.images_of(&uid(&object.study), revision).await.unwrap();
        let read = |file: &String| {
            let bytes = fs::read(self.node.archive.image(file)).unwrap();
            let head = file_head(&bytes).unwrap().unwrap();
            bytes[head.data_set..].to_vec()
        };
        files.iter().map(read).collect()
    }
}

/// What other parts of the node would have written.
impl Scene {
    async fn sql(&self, sql: &'static str) {
        sqlx::query(sql).execute(self.node.store.raw()).await.unwrap();
    }

    pub(crate) async fn events(&self, study: &str) -> Vec<(String, String)> {
        sqlx::query_as("SELECT what, detail FROM event WHERE study_uid = $1 ORDER BY id")
            .bind(study.to_owned())
            .fetch_all(self.node.store.raw())
            .await
            .unwrap()
    }

    pub(crate) async fn note(&self, study: &str) -> Option<String> {
        let note = sqlx::query_scalar("SELECT note FROM study WHERE study_uid = $1").bind(study.to_owned());
        note.fetch_one(self.node.store.raw()).await.unwrap()
    }

    pub(crate) async fn lane(&self, study: &str) -> i64 {
        let lane = sqlx::query_scalar("SELECT lane FROM study WHERE study_uid = $1").bind(study.to_owned());
        lane.fetch_one(self.node.store.raw()).await.unwrap()
    }

    /// Every study is planned.
    pub(crate) async fn planned(&self) {
        self.sql("UPDATE study SET planned = revision").await;
    }

    /// A job of `study` is done, and `instance` is its result.
    pub(crate) async fn result(&self, study: &str, instance: &str) {
        self.planned().await;
        sqlx::query(
            "INSERT INTO job (study_uid, revision, models_key, task, rule, lane, state, not_before,
                 created_at, ended_at) VALUES ($1, 1, '', '', '', 1, 'done', 0, 0, 0)",
        )
        .bind(study.to_owned())
        .execute(self.node.store.raw())
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO result (job_id, kind, name, file, sha256, bytes, sop_instance_uid)
             VALUES (1, 'sr', 'sr.dcm', 'sr.dcm', '', 0, $1)",
        )
        .bind(instance.to_owned())
        .execute(self.node.store.raw())
        .await
        .unwrap();
    }

    pub(crate) async fn job(&self, state: &str) {
        let job = sqlx::query("UPDATE job SET state = $1").bind(state.to_owned());
        job.execute(self.node.store.raw()).await.unwrap();
    }

    /// Its result went to the peer `pacs`, or is still to go.
    pub(crate) async fn outbox(&self, state: &str) {
        sqlx::query(
            "INSERT INTO outbox (job_id, result_id, destination, state, not_before)
             VALUES (1, 1, 'pacs', $1, 0) ON CONFLICT DO UPDATE SET state = $1",
        )
        .bind(state.to_owned())
        .execute(self.node.store.raw())
        .await
        .unwrap();
    }
}

/// A data set in Explicit VR Little Endian.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) class: String,
    pub(crate) instance: String,
    pub(crate) study: String,
    pub(crate) bytes: Vec<u8>,
}

impl Object {
    pub(crate) fn new(class: &str, study: &str, instance: &str, pixels: usize) -> Self {
        Self::expecting(class, study, instance, pixels, None)
    }

    pub(crate) fn image(study: &str, instance: u32) -> Self {
        Self::new(CT, study, &format!("{study}.1.{instance}"), 64)
    }

    pub(crate) fn expecting(
        class: &str,
        study: &str,
        instance: &str,
        pixels: usize,
        expected: Option<u32>,
    ) -> Self {
        let mut bytes = Vec::new();
        let mut put = |group: u16, element: u16, vr: &[u8; 2], value: &str| {
            let mut value = value.as_bytes().to_vec();
            if value.len() % 2 == 1 {
                value.push(if vr == b"UI" { 0 } else { b' ' });
            }
            bytes.extend(group.to_le_bytes());
            bytes.extend(element.to_le_bytes());
            bytes.extend(vr);
            bytes.extend((value.len() as u16).to_le_bytes());
            bytes.extend(value);
        };
        put(0x0008, 0x0016, b"UI", class);
        put(0x0008, 0x0018, b"UI", instance);
        put(0x0008, 0x0060, b"CS", "CT");
        put(0x0010, 0x0010, b"PN", "CANARY^NAME");
        put(0x0020, 0x000D, b"UI", study);
        put(0x0020, 0x000E, b"UI", &format!("{study}.1"));
        if let Some(expected) = expected {
            put(0x0020, 0x1208, b"IS", &expected.to_string());
        }
        bytes.extend(b"\xE0\x7F\x10\x00OW\0\0");
        bytes.extend((pixels as u32).to_le_bytes());
        bytes.extend((0..pixels).map(|i| (i % 251) as u8));
        Self { class: class.to_owned(), instance: instance.to_owned(), study: study.to_owned(), bytes }
    }

    fn announced(&self) -> Announced {
        Announced {
            sop_class_uid: uid(&self.class),
            sop_instance_uid: uid(&self.instance),
            transfer_syntax: uid(EXPLICIT),
        }
    }

    /// The same UID, one other pixel.
    pub(crate) fn other(&self) -> Self {
        let mut other = self.clone();
        *other.bytes.last_mut().unwrap() ^= 1;
        other
    }
}

pub(crate) fn uid(text: &str) -> Uid {
    Uid::parse(text).unwrap()
}

#[tokio::test]
async fn an_object_is_kept_as_it_came_under_a_name_that_says_nothing() {
    let scene = Scene::new().await;
    for (number, pixels) in [(1, 10), (2, PIECE), (3, 3 * PIECE + 7)] {
        let object = Object::new(CT, "1.2.1", &format!("1.2.1.1.{number}"), pixels & !1);
        assert_eq!(scene.store(&object).await.unwrap(), Kept::New);
        assert!(scene.kept(&object, 1).await.contains(&object.bytes));
    }
    let files = scene.files();
    assert_eq!(files.len(), 3);
    for file in files {
        let name = file.strip_prefix("images/").unwrap().strip_suffix(".dcm").unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_hexdigit() || b == b'/'), "{name}");
    }
}

#[tokio::test]
async fn the_same_bytes_again_change_nothing() {
    let scene = Scene::new().await;
    let object = Object::image("1.2.1", 1);
    assert_eq!(scene.store(&object).await.unwrap(), Kept::New);
    let files = scene.files();
    assert_eq!(scene.store(&object).await.unwrap(), Kept::Again);
    assert_eq!(scene.files(), files);
    // Whatever became of the file: it is there after it was acknowledged again.
    fs::remove_dir_all(scene.folder.path().join("data/images")).unwrap();
    assert_eq!(scene.store(&object).await.unwrap(), Kept::Again);
    assert_eq!(scene.files(), files);
}

#[tokio::test]
async fn other_bytes_under_the_same_uid_are_kept_aside_and_the_first_ones_stay() {
    let scene = Scene::new().await;
    let object = Object::image("1.2.1", 1);
    assert_eq!(scene.store(&object).await.unwrap(), Kept::New);
    for _ in 0..2 {
        assert_eq!(scene.store(&object.other()).await.unwrap(), Kept::Quarantined);
    }
    assert_eq!(scene.kept(&object, 9).await, std::slice::from_ref(&object.bytes));
    let files = scene.files();
    assert_eq!(files.len(), 2);
    let aside = fs::read(scene.folder.path().join("data").join(&files[1])).unwrap();
    assert!(files[1].starts_with("quarantine/") && aside.ends_with(&object.other().bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_at_once_with_one_uid_one_is_kept() {
    let scene = Arc::new(Scene::new().await);
    for round in 0..20 {
        let first = Object::image("1.2.1", round);
        let tasks: Vec<_> = (0..6)
            .map(|i| {
                let (scene, object) = (scene.clone(), if i % 2 == 0 { first.clone() } else { first.other() });
                tokio::spawn(async move { (i % 2, scene.store(&object).await.unwrap()) })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        let new: Vec<_> = outcomes.iter().filter(|(_, kept)| *kept == Kept::New).collect();
        assert_eq!(new.len(), 1, "{outcomes:?}");
        let winner = new[0].0;
        let right = |(i, kept): &(i32, Kept)| match kept {
            Kept::New | Kept::Again => *i == winner,
            Kept::Quarantined => *i != winner,
            Kept::Own => false,
        };
        assert!(outcomes.iter().all(right), "{outcomes:?}");
        let bytes = if winner == 0 { first.bytes.clone() } else { first.other().bytes };
        assert!(scene.kept(&first, 1).await.contains(&bytes));
    }
    assert!(scene.intake.desk.under_way().is_empty());
}

#[tokio::test]
async fn what_is_not_sound_or_not_what_was_announced_is_refused_and_leaves_nothing() {
    let scene = Scene::new().await;
    let object = Object::new(CT, "1.2.1", "1.2.1.1.1", 2 * PIECE);
    let mut cut = object.clone();
    cut.bytes.truncate(object.bytes.len() - 2);
    assert!(matches!(scene.store(&cut).await, Err(Refused::Malformed(_))));
    let mut renamed = object.clone();
    renamed.instance = "1.2.1.1.2".to_owned();
    let refused = scene.store(&renamed).await.unwrap_err();
    assert_eq!(refused.status(), 0xA900);
    assert!(refused.to_string().contains("1.2.1.1.2") && !refused.to_string().contains("CANARY"));
    // Given up half-way.
    let sender = Sender { name: "scanner".to_owned(), lane: Lane::Normal };
    let mut incoming = scene.intake.begin(&sender, object.announced()).await.unwrap();
    incoming.write(&object.bytes[..PIECE + 3]).await.unwrap();
    drop(incoming);
    for _ in 0..100 {
        if scene.files().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{:?}", scene.files());
}

#[tokio::test]
async fn an_object_larger_than_allowed_is_refused_by_its_size() {
    let scene = Scene::with("studies.minimum_free_mb = 1\ndicom.limits.object_mb = 1").await;
    let object = Object::new(CT, "1.2.1", "1.2.1.1.1", 1 << 20);
    let refused = scene.store(&object).await.unwrap_err();
    assert!(matches!(refused, Refused::TooLarge { limit_mb: 1 }), "{refused}");
}

#[tokio::test]
async fn with_too_little_room_nothing_is_taken() {
    let scene = Scene::with("studies.minimum_free_mb = 1_000_000_000").await;
    let refused = scene.store(&Object::image("1.2.1", 1)).await.unwrap_err();
    assert_eq!(refused.status(), 0xA700);
    assert!(scene.files().is_empty());
}

#[tokio::test]
async fn a_whole_file_and_a_data_set_are_the_same_object() {
    let scene = Scene::new().await;
    let object = Object::image("1.2.1", 1);
    let announced = object.announced();
    let meta = identity::file_meta(
        &announced.sop_class_uid,
        &announced.sop_instance_uid,
        &announced.transfer_syntax,
    );
    let sender = Sender { name: "stow".to_owned(), lane: Lane::Normal };
    for (step, expected) in [(1, Kept::New), (100, Kept::Again), (1 << 20, Kept::Again)] {
        let mut incoming = scene.intake.begin_file(&sender).await.unwrap();
        for bytes in [meta.as_slice(), &object.bytes].concat().chunks(step) {
            incoming.write(bytes).await.unwrap();
        }
        let (found, kept) = incoming.finish().await.unwrap();
        assert_eq!((found.sop_instance_uid, kept), (announced.sop_instance_uid.clone(), expected));
    }
    assert_eq!(scene.store(&object).await.unwrap(), Kept::Again);
    let mut incoming = scene.intake.begin_file(&sender).await.unwrap();
    incoming.write(b"no DICOM").await.unwrap();
    assert!(matches!(incoming.finish().await, Err(Refused::Malformed(_))));
}
