//! Files and folders that are there whole or not at all.
//!
//! Everything is written under a temporary name beside its place and renamed at the end, so that a
//! full disk, an error or a kill leaves nothing that looks like a result.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// A folder that appears under its name only when [`OutputFolder::finish`] is called.
pub(crate) struct OutputFolder {
    partial: TempDir,
    place: PathBuf,
}

impl OutputFolder {
    /// Prepares to write the folder `place`, which must not exist yet, or be empty.
    pub(crate) fn create(place: &Path) -> Result<Self> {
        match fs::read_dir(place) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    bail!("the output folder {} exists and is not empty", place.display());
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(_) => bail!(
                "the output folder {} cannot be used: a file is in its place or it cannot be read",
                place.display()
            ),
        }
        let parent = parent(place);
        fs::create_dir_all(&parent)
            .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        let partial = tempfile::Builder::new()
            .prefix(".foci-partial-")
            .tempdir_in(&parent)
            .with_context(|| format!("cannot write into {}", parent.display()))?;
        Ok(Self { partial, place: place.to_owned() })
    }

    /// Where to write for now.
    pub(crate) fn path(&self) -> &Path {
        self.partial.path()
    }

    /// Gives the folder its name.
    pub(crate) fn finish(self) -> Result<()> {
        let partial = self.partial.keep();
        readable_by_others(&partial);
        fs::rename(&partial, &self.place)
            .inspect_err(|_| {
                // The results could not take their place: leave no half behind.
                let _ = fs::remove_dir_all(&partial);
            })
            .with_context(|| format!("cannot give the results their place {}", self.place.display()))
    }
}

/// Lets `write` write a file under a temporary name beside `place`, then gives it its name.
///
/// The temporary name ends like `place`'s, for writers that look at it. Refuses to replace a file.
pub(crate) fn write_file(place: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if place.exists() {
        bail!("the output file {} exists", place.display());
    }
    let name = place.file_name().context("the output has no file name")?.to_string_lossy().into_owned();
    let folder = tempfile::Builder::new()
        .prefix(".foci-partial-")
        .tempdir_in(parent(place))
        .with_context(|| format!("cannot write into {}", parent(place).display()))?;
    let partial = folder.path().join(name);
    write(&partial)?;
    fs::rename(&partial, place).with_context(|| format!("cannot write {}", place.display()))
}

fn parent(place: &Path) -> PathBuf {
    match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Temporary folders are made for their owner only; results are for whom the user's umask allows.
fn readable_by_others(folder: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Not being able to widen the permissions is no reason to lose the results.
        let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o755));
    }
    #[cfg(not(unix))]
    let _ = folder;
}
