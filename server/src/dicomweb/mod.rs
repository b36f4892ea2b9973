//! DICOMweb (PS3.18): our results for others to read, images in, and other servers to pull from.

pub(crate) mod client;
mod json;
mod matching;
mod media;
mod message;
mod multipart;
mod problem;
mod qido;
pub(crate) mod server;
mod stow;
#[cfg(test)]
mod tests;
mod wado;

use crate::intake::{Announced, Intake, Kept, Refused, Sender};
use multipart::{Broken, Parts};

/// Gives the part that begins to `intake`. The outer error is the sender's message, the inner one ours.
async fn take(
    parts: &mut Parts,
    sender: &Sender,
    intake: &Intake,
) -> Result<Result<(Announced, Kept), Refused>, Broken> {
    let mut incoming = match intake.begin_file(sender).await {
        Ok(incoming) => incoming,
        Err(refused) => return Ok(Err(refused)),
    };
    while let Some(bytes) = parts.chunk().await? {
        if let Err(refused) = incoming.write(&bytes).await {
            return Ok(Err(refused));
        }
    }
    Ok(incoming.finish().await)
}
