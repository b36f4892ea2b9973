//! Networks: a card for each, finding ONNX Runtime and the weights, running them.

mod cache;
mod card;
mod error;
mod fetch;
mod network;
mod onnx;
mod runtime;
mod tiles;
mod unet;
mod weights;

pub use cache::{Cache, Progress, sha256};
pub use card::*;
pub use error::Error;
pub use fetch::Package;
pub use network::{Network, Outputs};
pub use runtime::{Places, Provider, Runtime};
pub use unet::Topology;
pub use weights::{Status, Weights};
