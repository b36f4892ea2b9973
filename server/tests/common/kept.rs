//! Small objects to store, and what a node's folder says it has kept of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dicom_io::Uid;
use dicom_io::identity::file_meta;
use dicom_io::net::classes::EXPLICIT_LE;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::Scene;
use super::dimse::File;

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

/// A node that `SENDER` may store to, with studies that are never complete.
pub(crate) const NODE: &str = r#"
[dicom]
listen = "127.0.0.1:0"
[http]
listen = "127.0.0.1:0"
[analysis]
# Workers that never get ready.
wrapper = ["sh", "-c", "exec cat > /dev/null"]
[[peer]]
name = "scanner"
ae_title = "SENDER"
addresses = ["127.0.0.1"]
"#;

/// A CT image of `pixels` bytes as a DICOM file; `fill` decides about its pixels.
pub(crate) fn image(study: &str, instance: &str, pixels: usize, fill: u8) -> Vec<u8> {
    let uid = |text: &str| Uid::parse(text).unwrap();
    let mut file = file_meta(&uid(CT), &uid(instance), &uid(EXPLICIT_LE));
    let series = format!("{study}.1");
    for (group, element, vr, value) in [
        (0x0008_u16, 0x0016_u16, b"UI", CT),
        (0x0008, 0x0018, b"UI", instance),
        (0x0008, 0x0060, b"CS", "CT"),
        (0x0020, 0x000D, b"UI", study),
        (0x0020, 0x000E, b"UI", &series),
    ] {
        let mut value = value.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(0);
        }
        file.extend(group.to_le_bytes());
        file.extend(element.to_le_bytes());
        file.extend(vr);
        file.extend((value.len() as u16).to_le_bytes());
        file.extend(value);
    }
    file.extend(b"\xE0\x7F\x10\x00OW\0\0");
    file.extend((pixels as u32).to_le_bytes());
    file.extend((0..pixels).map(|i| fill.wrapping_add((i % 251) as u8)));
    file
}

/// The SHA-256 of the data set of a file.
pub(crate) fn hash(file: &[u8]) -> String {
    models::sha256(File::parse(file).data_set)
}

/// What the node of a scene has kept, by SOP Instance UID: the hash that its row says, and the hash of its
/// file as it is now.
pub(crate) fn kept(scene: &Scene) -> HashMap<String, (String, Option<String>)> {
    let data = scene.path("data");
    let rows: Vec<(String, String, String)> = ask(&data, |pool| async move {
        sqlx::query_as("SELECT sop_instance_uid, sha256, file FROM instance").fetch_all(&pool).await.unwrap()
    });
    rows.into_iter()
        .map(|(uid, said, file)| {
            let found = std::fs::read(data.join("images").join(file)).ok().map(|file| hash(&file));
            (uid, (said, found))
        })
        .collect()
}

/// The names of all files in a folder below the data folder.
pub(crate) fn names(scene: &Scene, folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scene.path("data").join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Holds the database of a node for so long, as another program would; returns when it has it.
pub(crate) fn lock_database(scene: &Scene, time: Duration) -> std::thread::JoinHandle<()> {
    let data = scene.path("data");
    let (locked, wait) = std::sync::mpsc::channel();
    let holder = std::thread::spawn(move || {
        ask(&data, |pool| async move {
            let transaction = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
            locked.send(()).unwrap();
            tokio::time::sleep(time).await;
            transaction.rollback().await.unwrap();
        });
    });
    wait.recv().unwrap();
    holder
}

fn ask<T, F: Future<Output = T>>(data: &Path, question: impl FnOnce(SqlitePool) -> F) -> T {
    let options = SqliteConnectOptions::new().filename(data.join("foci.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = SqlitePool::connect_with(options).await.unwrap();
        let answer = question(pool.clone()).await;
        pool.close().await;
        answer
    })
}
