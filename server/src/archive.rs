//! Where objects lie on the disk: names that are hashes, a folder for each study, the room that is left.
//!
//! Below the data folder: `incoming` holds what is under way and is emptied at each start; `images` what
//! was acknowledged, a folder for each study; `quarantine` what came under the UID of something else;
//! `results` what was found, a folder for each job. Nothing here waits or knows the database: what is on the
//! disk counts when there is a row for it, see [`intake`](crate::intake).

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use dicom_io::Uid;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use crate::config::mib;

const INCOMING: &str = "incoming";
const IMAGES: &str = "images";
const QUARANTINE: &str = "quarantine";
const RESULTS: &str = "results";

/// Folders of this many studies are kept open: those that come at the same time, and some.
const OPEN_FOLDERS: usize = 128;

/// Held by the node that runs.
const LOCK: &str = "foci.lock";

/// The folders of a node.
#[derive(Debug)]
pub(crate) struct Archive {
    data: PathBuf,
    /// With less than this many bytes free nothing is taken.
    minimum_free: u64,
    nearly_full: AtomicBool,
    /// The number of the next part.
    next: AtomicU64,
    /// By name below the data folder. Open, because opening a folder costs as much as making it safe.
    folders: Mutex<HashMap<PathBuf, Arc<File>>>,
    /// Held for reading from the file in its place to its row in the database, and for writing while
    /// images are removed: or an image that comes again would be removed with its older self.
    pub(crate) removal: Arc<tokio::sync::RwLock<()>>,
}

/// The data folder, held: no other node can have it until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// A file under way in `incoming`. Dropped without a place, it is removed.
#[derive(Debug)]
pub(crate) struct Part {
    file: File,
    path: PathBuf,
    placed: bool,
    written: u64,
}

impl Archive {
    /// The folders below `data`, which are made when they are needed.
    pub(crate) fn new(data: &Path, minimum_free_mb: u64) -> Self {
        Self {
            data: data.to_owned(),
            minimum_free: mib(minimum_free_mb),
            nearly_full: AtomicBool::new(false),
            next: AtomicU64::new(0),
            folders: Mutex::default(),
            removal: Arc::default(),
        }
    }

    /// Takes the data folder for this process, makes it if it is not there, and removes what was left
    /// under way when the last node ended.
    ///
    /// # Errors
    ///
    /// If another node has it, or it cannot be made or written.
    pub(crate) fn lock(data: &Path) -> Result<Lock> {
        let shown = data.display();
        let make = || -> io::Result<File> {
            // It holds patient data: nobody else has any business in it.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(data)?;
            OpenOptions::new().create(true).truncate(false).write(true).open(data.join(LOCK))
        };
        let file = make().with_context(|| format!("the data folder {shown} cannot be written"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => bail!(
                "the data folder {shown} belongs to a foci serve that is running: end that one first, or \
                 give this one a folder of its own (setting data)"
            ),
            Err(fs::TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("the data folder {shown} cannot be locked"));
            }
        }
        let incoming = data.join(INCOMING);
        let prepare = || -> io::Result<()> {
            if incoming.exists() {
                fs::remove_dir_all(&incoming)?;
            }
            for folder in [INCOMING, IMAGES, QUARANTINE, RESULTS] {
                fs::create_dir_all(data.join(folder))?;
            }
            File::open(data)?.sync_all()
        };
        prepare().with_context(|| format!("the data folder {shown} cannot be prepared"))?;
        Ok(Lock { _file: file })
    }

    /// Whether a node that runs has `data`.
    pub(crate) fn is_held(data: &Path) -> bool {
        let lock = File::open(data.join(LOCK));
        lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Whether there is room for more. Once there was not, there is only when a quarter more than the
    /// minimum is free, so that senders do not see it come and go.
    pub(crate) fn has_room(&self) -> io::Result<bool> {
        let free = disk(&self.data)?.free;
        metrics::gauge!("foci_disk_free_bytes").set(free as f64);
        let was_full = self.nearly_full.load(Ordering::Relaxed);
        let enough = self.minimum_free.saturating_add(if was_full { self.minimum_free / 4 } else { 0 });
        let full = free < enough;
        if self.nearly_full.swap(full, Ordering::Relaxed) != full {
            let (free_mb, minimum_mb) = (free >> 20, self.minimum_free >> 20);
            if full {
                warn!(free_mb, minimum_mb, "the disk is nearly full: senders are told to wait (A700H)");
            } else {
                info!(free_mb, minimum_mb, "there is room on the disk again");
            }
        }
        Ok(!full)
    }

    /// Begins a file.
    pub(crate) fn part(&self) -> io::Result<Part> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let path = self.data.join(INCOMING).join(format!("{number}.part"));
        let create = || OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(self.data.join(INCOMING))?;
                create()?
            }
            other => other?,
        };
        Ok(Part { file, path, placed: false, written: 0 })
    }

    /// Puts a part, whose bytes are on the disk already, into the folder of its study; returns when the
    /// name is on the disk too. The file's name below `images`.
    pub(crate) fn keep_image(&self, part: Part, study: &Uid, name: &str) -> io::Result<String> {
        let study = folder_of(study);
        self.place(part, &Path::new(IMAGES).join(&study), name)?;
        Ok(format!("{study}/{name}"))
    }

    /// Moves an image that has no row into `quarantine`; its name there.
    pub(crate) fn quarantine(&self, image: &str) -> io::Result<String> {
        let from = self.image(image);
        let name = from.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename)?;
        let folder = self.folder(Path::new(QUARANTINE))?;
        fs::rename(&from, self.quarantined(name))?;
        folder.sync_all()?;
        Ok(name.to_owned())
    }

    /// Makes the finished folder `from` the results `name`; returns when all of it is on the disk. What was
    /// there under that name is replaced: nothing refers to it.
    pub(crate) fn keep_results(&self, from: &Path, name: &str) -> io::Result<PathBuf> {
        let results = self.folder(Path::new(RESULTS))?;
        let to = self.result(name);
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        sync_tree(from)?;
        match fs::rename(from, &to) {
            // From another disk: a copy, in a place where half of one does no harm.
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let copy = self.data.join(INCOMING).join(format!("{number}.results"));
                copy_tree(from, &copy)?;
                sync_tree(&copy)?;
                fs::rename(&copy, &to)?;
                fs::remove_dir_all(from)?;
            }
            other => other?,
        }
        results.sync_all()?;
        Ok(to)
    }

    /// The file of an image.
    pub(crate) fn image(&self, file: &str) -> PathBuf {
        self.data.join(IMAGES).join(file)
    }

    /// The file of a result, or the folder of those of one job.
    pub(crate) fn result(&self, file: &str) -> PathBuf {
        self.results().join(file)
    }

    /// Where results lie.
    pub(crate) fn results(&self) -> PathBuf {
        self.data.join(RESULTS)
    }

    /// The file of an object in quarantine.
    pub(crate) fn quarantined(&self, file: &str) -> PathBuf {
        self.data.join(QUARANTINE).join(file)
    }

    /// Takes the images of a study out of their place; what is returned is to be removed by
    /// [`remove`](Self::remove). Only while `removal` is held for writing.
    pub(crate) fn take_away(&self, study: &Uid) -> io::Result<Option<PathBuf>> {
        let name = Path::new(IMAGES).join(folder_of(study));
        self.folders().remove(&name);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        fs::create_dir_all(self.data.join(INCOMING))?;
        let away = self.data.join(INCOMING).join(format!("{number}.removed"));
        match fs::rename(self.data.join(name), &away) {
            Ok(()) => Ok(Some(away)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes what was taken away. If that does not come to its end, the next start does it.
    pub(crate) fn remove(away: &Path) -> io::Result<()> {
        fs::remove_dir_all(away)
    }

    /// How many of `files`, which are images, are not there.
    pub(crate) fn missing(&self, files: Vec<String>) -> usize {
        // A file is smaller than its file meta information only if it was not written.
        let is_there = |file: &String| fs::metadata(self.image(file)).is_ok_and(|found| found.len() > 132);
        files.iter().filter(|file| !is_there(file)).count()
    }

    /// The names of the folders below `images`.
    pub(crate) fn studies(&self) -> io::Result<Vec<String>> {
        match fs::read_dir(self.data.join(IMAGES)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect(),
        }
    }

    /// Renames a part and makes its new name safe.
    fn place(&self, mut part: Part, folder: &Path, name: &str) -> io::Result<()> {
        let to = self.data.join(folder).join(name);
        let mut open = self.folder(folder)?;
        if let Err(error) = fs::rename(&part.path, &to) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error);
            }
            // Somebody removed the folder by hand while it was open here.
            self.folders().remove(folder);
            open = self.folder(folder)?;
            fs::rename(&part.path, &to)?;
        }
        // From here on the file stays, come what may: it may be an acknowledged one that came again.
        part.placed = true;
        open.sync_all()
    }

    /// The folder `name` below the data folder, open; made, and its own name safe, if it was not there.
    fn folder(&self, name: &Path) -> io::Result<Arc<File>> {
        if let Some(open) = self.folders().get(name) {
            return Ok(open.clone());
        }
        let path = self.data.join(name);
        if !path.is_dir() {
            fs::create_dir_all(&path)?;
            for above in name.ancestors().skip(1) {
                File::open(self.data.join(above))?.sync_all()?;
            }
        }
        let open = Arc::new(File::open(&path)?);
        let mut folders = self.folders();
        if folders.len() >= OPEN_FOLDERS {
            folders.clear();
        }
        folders.insert(name.to_owned(), open.clone());
        Ok(open)
    }

    fn folders(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Arc<File>>> {
        // Whoever panicked with it in hand left a map that is still right: at worst it lacks a folder.
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// Adds `bytes`.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// How many bytes were written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Returns when all that was written is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// The file, to be read from `at` on.
    pub(crate) fn read_from(&mut self, at: u64) -> io::Result<&mut File> {
        io::Seek::seek(&mut self.file, io::SeekFrom::Start(at))?;
        Ok(&mut self.file)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.placed {
            // If this fails, the next start does it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Room on a disk, bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disk {
    pub(crate) free: u64,
    pub(crate) total: u64,
}

/// The room on the disk that holds `place`.
pub(crate) fn disk(place: &Path) -> io::Result<Disk> {
    let found = rustix::fs::statvfs(place)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Disk { free: bytes(found.f_bavail), total: bytes(found.f_blocks) })
}

/// The name of the folder of a study: a hash, so that no sender's text becomes a path.
pub(crate) fn folder_of(study: &Uid) -> String {
    short(Sha256::new().chain_update(study.as_str()))
}

/// The name of the file of an image: of its UID and its bytes, so that another object under the same UID
/// never takes its place.
pub(crate) fn name_of(instance: &Uid, transfer_syntax: &Uid, sha256: &str) -> String {
    let parts = [instance.as_str(), transfer_syntax.as_str(), sha256].join("\n");
    short(Sha256::new().chain_update(parts)) + ".dcm"
}

fn short(hash: Sha256) -> String {
    hex(&hash.finalize()[..16])
}

/// `bytes` in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(n.into(), 16).expect("four bits are one digit");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Puts every file below `folder`, and every folder, on the disk.
fn sync_tree(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { sync_tree(&path)? } else { File::open(&path)?.sync_all()? }
    }
    File::open(folder)?.sync_all()
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let to = to.join(name);
        if path.is_dir() { copy_tree(&path, &to)? } else { fs::copy(&path, &to).map(|_| ())? }
    }
    Ok(())
}

/// Whether an error means that the disk is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minimum_that_is_more_than_can_be_counted_is_never_free() {
        let folder = tempfile::tempdir().unwrap();
        // Of 2^44 MiB and more the number of bytes has no place in 64 bits.
        for minimum_free_mb in [1 << 44, u64::MAX] {
            let archive = Archive::new(folder.path(), minimum_free_mb);
            for _ in 0..2 {
                assert!(!archive.has_room().unwrap(), "{minimum_free_mb}");
            }
        }
    }
}
