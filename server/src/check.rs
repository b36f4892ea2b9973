//! `foci check`: is this installation ready?

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use models::{Card, Places, Runtime, Status, Weights};

/// Check whether this installation is ready, and say what to do where it is not
///
/// Looks at the inference library, the weights, the GPU and the disk. Prints one line for each: `ok`,
/// `missing` (fetched when first needed, or by `foci models --fetch`), `note` or `wrong`. Fetches nothing.
/// Fails if anything is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {}

/// Runtime, weights and a study's results fit into this, bytes.
const NEEDED_BYTES: u64 = 2 << 30;

impl Check {
    pub(crate) fn run(self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let mut wrong = 0;
        let mut line = |state: &str, what: &str, says: String| {
            wrong += usize::from(state == "wrong");
            writeln!(out, "{state:<8}{what:<20}{says}")
        };

        let places = Places::from_environment();
        match places.library() {
            None => line("missing", "onnxruntime", "it is fetched with pip when first needed".to_owned())?,
            Some(_) => match Runtime::find(&places, &|_| {}) {
                Ok(runtime) => {
                    let says = format!("{} on {}", runtime.version(), runtime.provider().as_str());
                    line("ok", "onnxruntime", says)?;
                }
                Err(error) => line("wrong", "onnxruntime", error.to_string())?,
            },
        }
        for card in Card::catalog() {
            match Weights::status(card, &places.cache) {
                Ok(Status::Present) => {
                    line("ok", &card.name, format!("version {}, hash verified", card.version))?
                }
                Ok(Status::Missing) => {
                    line(
                        "missing",
                        &card.name,
                        "its weights are fetched with pip when first needed".to_owned(),
                    )?;
                }
                Ok(Status::Wrong { found }) => line(
                    "wrong",
                    &card.name,
                    format!("the weights have the hash {found}, not the card's; delete them from the cache"),
                )?,
                Err(error) => line("wrong", &card.name, error.to_string())?,
            }
        }
        match kernels::device::gpus() {
            Ok(gpus) if gpus.is_empty() => {
                line("note", "gpu", "none; everything runs on the CPU".to_owned())?
            }
            Ok(gpus) => {
                for gpu in gpus {
                    let gib = gpu.memory_bytes as f64 / f64::from(1 << 30);
                    let (major, minor) = gpu.compute_capability;
                    line(
                        "note",
                        "gpu",
                        format!(
                            "{}, {gib:.0} GiB, compute capability {major}.{minor}; not used yet",
                            gpu.name
                        ),
                    )?;
                }
            }
            Err(error) => line("note", "gpu", format!("{error}; everything runs on the CPU"))?,
        }
        let cache = places.cache.folder();
        match free_bytes(cache) {
            Some(free) if free >= NEEDED_BYTES => {
                line("ok", "disk", format!("{} MiB free for the cache", free >> 20))?
            }
            Some(free) => line(
                "wrong",
                "disk",
                format!("{} MiB free for the cache; make room for {} MiB", free >> 20, NEEDED_BYTES >> 20),
            )?,
            None => line("wrong", "disk", "the cache folder cannot be read".to_owned())?,
        }
        if wrong > 0 {
            bail!("{wrong} of the above must be put right");
        }
        Ok(())
    }
}

/// Free bytes on the disk of `folder`, or of the nearest folder above it that exists.
fn free_bytes(folder: &Path) -> Option<u64> {
    let place = folder.ancestors().find(|place| place.exists())?;
    let disk = rustix::fs::statvfs(place).ok()?;
    Some(disk.f_bavail * disk.f_frsize)
}
