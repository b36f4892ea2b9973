//! `foci models`: the networks, their weights and where these come from.

use std::io::Write;

use anyhow::{Result, bail};
use models::{Card, Places, Runtime, Status, Weights};

use crate::device::Choice;
use crate::progress::Bar;

/// List the networks, fetch their weights, or verify them
///
/// Without options prints one line for each network: name, version, state of the weights (present, missing,
/// wrong), licence, title, tab-separated.
#[derive(Debug, clap::Args)]
pub(crate) struct Models {
    /// Only this network
    name: Option<String>,

    /// Fetch what is missing: the inference library and the weights
    #[arg(long)]
    fetch: bool,

    /// What it is fetched for: cpu, or cuda, which fetches 1.9 GB of ONNX Runtime and NVIDIA's libraries instead
    #[arg(long, value_name = "DEVICE", default_value_t = Choice::Cpu, requires = "fetch")]
    device: Choice,

    /// Fail unless all weights are present and have the hash on their card
    #[arg(long)]
    verify: bool,

    /// Print the whole card: intended use, limitations, input, licence, citation
    #[arg(long)]
    card: bool,
}

impl Models {
    pub(crate) fn run(self) -> Result<()> {
        let cuda = matches!(self.device, Choice::Cuda(_));
        let places = Places { cuda, ..Places::from_environment() };
        let cards: Vec<&Card> = match &self.name {
            Some(name) => vec![Card::named(name)?],
            None => Card::catalog().iter().collect(),
        };
        if self.fetch {
            let bar = Bar::new();
            let show =
                |progress: models::Progress<'_>| bar.show(progress.what, progress.done, progress.total);
            Runtime::find(&places, &show)?;
            for card in &cards {
                Weights::ensure(card, &places.cache, &show)?;
            }
            bar.clear();
        }
        let mut out = std::io::stdout().lock();
        let mut bad = Vec::new();
        for card in cards {
            let state = match Weights::status(card, &places.cache)? {
                Status::Present => "present",
                Status::Missing => "missing",
                Status::Wrong { .. } => "wrong",
            };
            if state != "present" {
                bad.push(format!("{} ({state})", card.name));
            }
            writeln!(out, "{}\t{}\t{state}\t{}\t{}", card.name, card.version, card.licence, card.title)?;
            if self.card {
                print_card(&mut out, card)?;
            }
        }
        if self.verify && !bad.is_empty() {
            bail!(
                "weights are not in order: {}; `foci models --fetch` fetches what is missing",
                bad.join(", ")
            );
        }
        Ok(())
    }
}

fn print_card(out: &mut impl Write, card: &Card) -> std::io::Result<()> {
    writeln!(out, "  intended use: {}", card.intended_use)?;
    for limitation in &card.limitations {
        writeln!(out, "  limitation: {limitation}")?;
    }
    let [a, b, c] = card.input.spacing_mm;
    writeln!(
        out,
        "  input: {a} x {b} x {c} mm, {} to {} HU",
        card.input.window.low_hu, card.input.window.high_hu
    )?;
    writeln!(out, "  threshold: {}", card.head.threshold())?;
    writeln!(out, "  weights: sha256 {}", card.weights.sha256)?;
    writeln!(out, "  citation: {}", card.citation)
}
