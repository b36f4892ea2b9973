//! `foci check`: is this installation ready?

mod node;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use kernels::Device;
use kernels::gpu::GpuInfo;
use kernels::gpu::nvrtc::Nvrtc;
use models::plan::Plan;
use models::{Card, Places, Provider, Status, Weights};

use crate::archive::disk;
use crate::config::Config;
use crate::device::{Choice, Ready, Wanted};

/// Check whether this installation is ready, and say what to do where it is not
///
/// Looks at the inference library, the weights, the GPU and the disk. Prints one line for each: `ok`,
/// `missing` (fetched or made when first needed), `note` or `wrong`. Fetches nothing.
///
/// With a configuration it looks at everything that this names too: the data folder, the database, ports,
/// certificates, tokens, and whether peers answer. It changes nothing, and may run beside the node.
///
/// Says which device would be chosen, and how the networks fit into its memory.
///
/// Fails if anything is wrong.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The configuration of a node; see foci.example.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    device: Wanted,
}

/// Runtime, weights and a study's results fit into this, bytes.
const NEEDED_BYTES: u64 = 2 << 30;

impl Check {
    pub(crate) fn run(self) -> Result<()> {
        let mut lines = Lines { wrong: 0 };
        if let Some(path) = &self.config {
            node::check(path, &mut lines)?;
        }
        let configured = self.config.as_deref().and_then(|path| Config::read(path).ok());
        let device = configured.map_or(self.device, |config| config.analysis.device());
        installation(device, &mut lines)?;
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
fn installation(wanted: Wanted, lines: &mut Lines) -> Result<()> {
    let mut places = Places { fetch: false, ..Places::from_environment() };
    places.cuda = matches!(wanted.device, Choice::Cuda(_));
    // A library without CUDA computes on the CPU, beside kernels on the GPU, and needs none of them.
    let missing: u64 = match places.has_cuda() {
        true => places.missing_for_cuda().iter().map(|(_, bytes)| bytes).sum(),
        false => 0,
    };
    if places.library().is_none() {
        lines.missing("onnxruntime", "it is fetched with pip when first needed")?;
    } else if missing > 0 {
        let says = format!("{} MB of them are fetched with pip when first needed", missing / 1_000_000);
        lines.missing("cuda libraries", says)?;
    } else {
        match wanted.open(&mut places, &|_| {}) {
            Ok(ready) => {
                let (version, provider) = (ready.runtime.version(), ready.runtime.provider().as_str());
                lines.ok("onnxruntime", format!("{version} on {provider}"))?;
                lines.ok("device", ready.describe())?;
                fit(&ready, lines)?;
            }
            Err(error) => lines.wrong("device", format!("{error:#}"))?,
        }
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
            for (ordinal, gpu) in gpus.iter().enumerate() {
                lines.note("gpu", format!("cuda:{ordinal}: {}", describe(gpu)))?;
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

/// What a GPU is, and how its kernels are made.
fn describe(gpu: &GpuInfo) -> String {
    let gib = gpu.memory_bytes as f64 / f64::from(1 << 30);
    let (major, minor) = gpu.compute_capability;
    let kernels = match Nvrtc::installed() {
        Some(nvrtc) if nvrtc.architectures().contains(&gpu.compute_capability) => {
            let (major, minor) = nvrtc.version();
            format!("kernels compiled for it by NVRTC {major}.{minor}")
        }
        _ => "kernels from the PTX that is shipped".to_owned(),
    };
    format!("{}, {gib:.1} GiB, compute capability {major}.{minor}, {kernels}", gpu.name)
}

/// How the networks fit into the memory of a GPU.
fn fit(ready: &Ready, lines: &mut Lines) -> Result<()> {
    let Device::Cuda(gpu) = &ready.device else { return Ok(()) };
    let free = match gpu.free_bytes() {
        Ok(free) => free,
        Err(error) => return lines.wrong("gpu memory", error.to_string()),
    };
    if ready.runtime.provider() != Provider::Cuda {
        return lines.note("gpu memory", format!("{} MiB free; the networks run on the CPU", free >> 20));
    }
    for card in Card::catalog() {
        let plan = Plan::for_large_study(card, free);
        let says = format!("{} MiB free: a large study with {} runs {plan}", free >> 20, card.name);
        lines.note("gpu memory", says)?;
    }
    Ok(())
}

/// Free bytes on the disk of `folder`, or of the nearest folder above it that exists.
fn free_bytes(folder: &Path) -> Option<u64> {
    let place = folder.ancestors().find(|place| place.exists())?;
    Some(disk(place).ok()?.free)
}
