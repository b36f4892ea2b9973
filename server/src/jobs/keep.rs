//! Results made durable, and the folders in which they come to be.
//!
//! A worker writes into `work/<job>-<token>`. What is to stay is moved to `results/<job>-<token>` when every
//! byte of it is on the disk; there it is the only copy, and never changed: these are the bytes that are sent.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use dicom_io::Uid;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use crate::archive;
use crate::config::{Config, mib};
use crate::node::Node;
use crate::results::Made;
use crate::store::jobs::NewResult;

/// Where workers write.
pub(super) fn work_folder(data: &Path) -> PathBuf {
    data.join("work")
}

/// Whether there is room for results: they may use half of what is left when studies are refused.
pub(super) fn has_room(config: &Config) -> bool {
    let needed = mib(config.studies.minimum_free_mb) / 2;
    // A disk that does not say is found out by writing.
    archive::disk(&config.data).map_or(true, |disk| disk.free >= needed)
}

/// Removes what a node that was killed left behind: all work, and results that were never published.
pub(super) async fn tidy(node: &Node) -> Result<()> {
    remove(work_folder(&node.config.data)).await;
    let results = node.archive.results();
    fs::create_dir_all(&results).context("the folder for results cannot be made")?;
    for entry in fs::read_dir(&results).context("the folder for results cannot be read")? {
        let entry = entry?;
        let name = entry.file_name();
        let try_of = name.to_str().and_then(|name| name.split_once('-'));
        let Some((job, token)) =
            try_of.and_then(|(job, token)| Some((job.parse().ok()?, token.parse().ok()?)))
        else {
            continue;
        };
        if !node.store.is_done(job, token).await? {
            info!(job, "results that were not published before the node ended are discarded");
            remove(entry.path()).await;
        }
    }
    Ok(())
}

/// Removes a folder and what is in it, if it is there.
pub(super) async fn remove(folder: PathBuf) {
    match tokio::fs::remove_dir_all(folder).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(%error, "a folder that is no longer needed cannot be removed");
        }
        _ => {}
    }
}

/// Makes what a worker `made` in the folder `from` durable, as the folder `name` of the results.
pub(super) async fn results(
    node: Arc<Node>,
    name: String,
    from: PathBuf,
    made: Vec<Made>,
) -> Result<Vec<NewResult>> {
    tokio::task::spawn_blocking(move || {
        let kept = made.into_iter().map(|made| describe(&from, &name, made)).collect::<Result<Vec<_>>>()?;
        node.archive.keep_results(&from, &name)?;
        Ok(kept)
    })
    .await?
}

/// One of the files as the database knows it.
fn describe(from: &Path, folder: &str, made: Made) -> Result<NewResult> {
    let Made { kind, name, object } = made;
    let mut parts = Path::new(&name).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
        bail!("the worker names a file outside of its folder");
    }
    if let Some(object) = &object {
        for uid in [&object.sop_class_uid, &object.sop_instance_uid, &object.series_uid] {
            Uid::parse(uid).context("the worker names an object without a UID")?;
        }
    }
    let path = from.join(&name);
    let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
    if !is_file {
        bail!("the worker names a file that is not there");
    }
    let mut hash = Sha256::new();
    let bytes = io::copy(&mut File::open(&path)?, &mut hash)?;
    let sha256 = archive::hex(&hash.finalize());
    Ok(NewResult { kind, file: format!("{folder}/{name}"), name, sha256, bytes, object })
}
