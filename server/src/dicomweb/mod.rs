//! DICOMweb (PS3.18): our results for others to read, images in, and other servers to pull from.

pub(crate) mod client;
mod json;
mod matching;
mod media;
pub(crate) mod message;
mod multipart;
mod qido;
pub(crate) mod server;
mod stow;
#[cfg(test)]
mod tests;
mod wado;

use dicom_io::Uid;

use crate::intake::{Announced, Intake, Kept, Refused, Sender};
use multipart::{Broken, Parts};

/// What became of a part: an object that is kept, or why it is not, and which one it is if it said so.
type Taken = Result<(Announced, Kept), (Refused, Option<Announced>)>;

/// Gives the part that begins to `intake`, which refuses objects of other studies than `study`. The error is
/// the sender's message that breaks off.
async fn take(
    parts: &mut Parts,
    study: Option<&Uid>,
    sender: &Sender,
    intake: &Intake,
) -> Result<Taken, Broken> {
    let mut incoming = match intake.begin_file(sender).await {
        Ok(incoming) => incoming,
        Err(refused) => return Ok(Err((refused, None))),
    };
    if let Some(study) = study {
        incoming.only_of(study);
    }
    while let Some(bytes) = parts.chunk().await? {
        if let Err(refused) = incoming.write(&bytes).await {
            return Ok(Err((refused, incoming.announced().cloned())));
        }
    }
    let announced = incoming.announced().cloned();
    Ok(incoming.finish().await.map_err(|refused| (refused, announced)))
}
