//! Networks: a card for each, finding ONNX Runtime and the weights, running them.
//!
//! ```no_run
//! # fn main() -> Result<(), models::Error> {
//! use models::{Cache, Card, Network, Places, Runtime, Weights};
//!
//! let quiet = |_: models::Progress<'_>| ();
//! let runtime = Runtime::find(&Places::from_environment(), &quiet)?;
//! let card = Card::named("liver")?;
//! let weights = Weights::ensure(card, &Cache::from_environment(), &quiet)?;
//! let mut network = Network::load(&runtime, &kernels::Device::Cpu, card, weights, 2)?;
//!
//! // Prepared as `card.input` says.
//! let tensor = ndarray::Array3::<f32>::zeros((110, 80, 90));
//! let probability = network.run(tensor.view(), None, &quiet)?.take("prob");
//! assert_eq!(probability.dim(), tensor.dim());
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here knows patients or series: the tensor comes from the engine, which reads in the card how
//! it must be. `ort` appears in this crate only.

mod builds;
mod cache;
mod card;
mod cuda;
mod error;
mod fetch;
mod font;
mod network;
mod onnx;
pub mod plan;
mod runtime;
mod tiles;
mod unet;
mod weights;

pub use cache::{Cache, Progress, sha256};
pub use card::{
    Card, Code, Head, Input, Join, Keras, Label, Median, Modality, Organ, Origin, Region, Side, Source,
    Tiles, Window,
};
pub use error::Error;
pub use fetch::Package;
pub use font::Font;
pub use network::{Network, Outputs, Tensor};
pub use runtime::{Places, Provider, Runtime};
pub use unet::Topology;
pub use weights::{Status, Weights};
