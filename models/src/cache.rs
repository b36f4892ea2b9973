//! The folder that keeps what was fetched or built, and how far a fetch is.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Error;

/// How far something is that takes a while.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// What is going on, for a human: "fetching ONNX Runtime".
    pub what: &'a str,
    /// How many bytes (fetching) or tiles (inference) are done.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

/// Where the big files are: ONNX Runtime, and weights by their hash.
///
/// Deleting it costs a fetch and nothing else.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in `folder`, which is made when first something is kept.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// `$FOCI_CACHE`, else `foci` in `$XDG_CACHE_HOME`, else `~/.cache/foci`, else a folder for temporary
    /// files.
    pub fn from_environment() -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self::at(
            set("FOCI_CACHE")
                .or_else(|| Some(set("XDG_CACHE_HOME")?.join("foci")))
                .or_else(|| Some(std::env::home_dir()?.join(".cache/foci")))
                .unwrap_or_else(|| std::env::temp_dir().join("foci")),
        )
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the entry `name` is or will be.
    pub(crate) fn entry(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes the entry `name` unless it is there: `make` writes a file or folder of any name into the
    /// empty folder it is given and returns its path, which is then renamed, so that no process ever
    /// sees half an entry. Other processes that want the same entry wait for this one.
    ///
    /// # Errors
    ///
    /// What `make` returned, and [`Error::Cache`] when the folder cannot be written.
    pub(crate) fn ensure(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> Result<PathBuf, Error>,
    ) -> Result<PathBuf, Error> {
        let entry = self.entry(name);
        if entry.exists() {
            return Ok(entry);
        }
        fs::create_dir_all(&self.folder).map_err(Error::Cache)?;
        let lock = File::create(self.entry(&format!(".{name}.lock"))).map_err(Error::Cache)?;
        lock.lock().map_err(Error::Cache)?;
        if entry.exists() {
            return Ok(entry);
        }
        let scratch =
            tempfile::Builder::new().prefix(".making-").tempdir_in(&self.folder).map_err(Error::Cache)?;
        let made = make(scratch.path())?;
        fs::rename(made, &entry).map_err(Error::Cache)?;
        Ok(entry)
    }
}

/// The SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

/// The SHA-256 of a file in lower-case hexadecimal.
pub(crate) fn sha256_of_file(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hex(hasher.finalize().as_slice()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn an_entry_that_several_want_at_once_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("not/there/yet"));
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let entry = cache.ensure("entry", |scratch| {
                        made.fetch_add(1, Ordering::Relaxed);
                        fs::write(scratch.join("any name"), "all of it").unwrap();
                        Ok(scratch.join("any name"))
                    });
                    assert_eq!(fs::read_to_string(entry.unwrap()).unwrap(), "all of it");
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn an_entry_that_could_not_be_made_leaves_nothing_behind_and_can_be_made_later() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path());
        let failed = cache.ensure("entry", |scratch| {
            fs::write(scratch.join("half"), "half of it").unwrap();
            Err(Error::Weights("no network".to_owned()))
        });
        assert!(matches!(failed, Err(Error::Weights(_))));
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [".entry.lock"]);
        cache.ensure("entry", |scratch| Ok(scratch.to_owned())).unwrap_or_else(|e| panic!("{e}"));
    }
}
