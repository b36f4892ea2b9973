//! `foci check`: is this installation ready?

mod node;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use models::{Card, Places, Runtime, Status, Weights};

use crate::archive::disk;

/// Check whether this installation is ready, and say what to do where it is not
///
/// Looks at the inference library, the weights, the GPU and the disk. Prints one line for each: `ok`,
/// `missing` (fetched or made when first needed), `note` or `wrong`. Fetches nothing.
///
/// With a configuration it looks at everything that this names too: the data folder, the database, ports,
/// certificates, tokens, and whether peers answer. It changes nothing, and may run beside the node.
///
/// Fails if anything is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The configuration of a node; see foci.example.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Runtime, weights and a study's results fit into this, bytes.
const NEEDED_BYTES: u64 = 2 << 30;

impl Check {
    pub(crate) fn run(self) -> Result<()> {
        let mut lines = Lines { wrong: 0 };
        if let Some(path) = &self.config {
            node::check(path, &mut lines)?;
        }
        installation(&mut lines)?;
        match lines.wrong {
            0 => Ok(()),
            wrong => bail!("{wrong} of the above must be put right"),
        }
    }
}

/// What is printed.
struct Lines {
    /// How many said `wrong`.
    wrong: usize,
}

impl Lines {
    fn ok(&mut self, what: &str, says: impl AsRef<str>) -> Result<()> {
        print("ok", what, says.as_ref())
    }

    fn missing(&mut self, what: &str, says: impl AsRef<str>) -> Result<()> {
        print("missing", what, says.as_ref())
    }

    fn note(&mut self, what: &str, says: impl AsRef<str>) -> Result<()> {
        print("note", what, says.as_ref())
    }

    fn wrong(&mut self, what: &str, says: impl AsRef<str>) -> Result<()> {
        self.wrong += 1;
        print("wrong", what, says.as_ref())
    }
}

fn print(state: &str, what: &str, says: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{state:<8}{what:<20}{says}")?;
    Ok(())
}

/// What every command needs.
fn installation(lines: &mut Lines) -> Result<()> {
    let places = Places::from_environment();
    match places.library() {
        None => lines.missing("onnxruntime", "it is fetched with pip when first needed")?,
        Some(_) => match Runtime::find(&places, &|_| {}) {
            Ok(runtime) => {
                let says = format!("{} on {}", runtime.version(), runtime.provider().as_str());
                lines.ok("onnxruntime", says)?;
            }
            Err(error) => lines.wrong("onnxruntime", error.to_string())?,
        },
    }
    for card in Card::catalog() {
        match Weights::status(card, &places.cache) {
            Ok(Status::Present) => {
                lines.ok(&card.name, format!("version {}, hash verified", card.version))?;
            }
            Ok(Status::Missing) => {
                lines.missing(&card.name, "its weights are fetched with pip when first needed")?;
            }
            Ok(Status::Wrong { found }) => lines.wrong(
                &card.name,
                format!("the weights have the hash {found}, not the card's; delete them from the cache"),
            )?,
            Err(error) => lines.wrong(&card.name, error.to_string())?,
        }
    }
    match kernels::gpu::list() {
        Ok(gpus) if gpus.is_empty() => lines.note("gpu", "none; everything runs on the CPU")?,
        Ok(gpus) => {
            for gpu in gpus {
                let gib = gpu.memory_bytes as f64 / f64::from(1 << 30);
                let (major, minor) = gpu.compute_capability;
                lines.note(
                    "gpu",
                    format!("{}, {gib:.0} GiB, compute capability {major}.{minor}; not used yet", gpu.name),
                )?;
            }
        }
        Err(error) => lines.note("gpu", format!("{error}; everything runs on the CPU"))?,
    }
    match free_bytes(places.cache.folder()) {
        Some(free) if free >= NEEDED_BYTES => {
            lines.ok("disk", format!("{} MiB free for the cache", free >> 20))
        }
        Some(free) => lines.wrong(
            "disk",
            format!("{} MiB free for the cache; make room for {} MiB", free >> 20, NEEDED_BYTES >> 20),
        ),
        None => lines.wrong("disk", "the cache folder cannot be read"),
    }
}

/// Free bytes on the disk of `folder`, or of the nearest folder above it that exists.
fn free_bytes(folder: &Path) -> Option<u64> {
    let place = folder.ancestors().find(|place| place.exists())?;
    Some(disk(place).ok()?.free)
}
