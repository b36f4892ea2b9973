//! A network, ready to run over a tensor of any size, on the CPU or on a CUDA device.
//!
//! Large tensors are cut into the tiles that the card asks for. On a device everything from the tensor to the blended
//! outputs stays in its memory, as far as the [`Plan`] finds room; what runs out of memory all the same is done
//! again in a smaller way, and [`Outputs::notes`] says so.

mod session;
mod sum;

use kernels::Device;
use kernels::gpu::{Gpu, Volume};
use kernels::tiles::gather;
use ndarray::{Array3, ArrayView3, Axis, CowArray, Ix3};
use ort::session::Session;

use crate::cache::Progress;
use crate::card::{Card, Head};
use crate::error::Error;
use crate::plan::{Demand, Plan};
use crate::runtime::{Provider, Runtime};
use crate::tiles::Tiling;
use crate::weights::Weights;
use session::{Axes, Kind};
use sum::Sum;

/// A tensor that a network is run over, in standard order.
#[derive(Debug, Clone)]
pub enum Tensor<'a> {
    /// In the host's memory.
    Host(ArrayView3<'a, f32>),
    /// In the memory of the device that the network runs on.
    Device(&'a Volume<f32>),
}

impl<'a> From<ArrayView3<'a, f32>> for Tensor<'a> {
    fn from(tensor: ArrayView3<'a, f32>) -> Self {
        Self::Host(tensor)
    }
}

impl<'a> From<&'a Volume<f32>> for Tensor<'a> {
    fn from(tensor: &'a Volume<f32>) -> Self {
        Self::Device(tensor)
    }
}

impl Tensor<'_> {
    fn shape(&self) -> [usize; 3] {
        match self {
            Self::Host(tensor) => tensor.dim().into(),
            Self::Device(tensor) => tensor.shape(),
        }
    }

    /// It in the host's memory.
    fn to_host(&self) -> Result<CowArray<'_, f32, Ix3>, kernels::Error> {
        Ok(match self {
            Self::Host(tensor) => CowArray::from(*tensor),
            Self::Device(tensor) => CowArray::from(tensor.download()?),
        })
    }
}

/// A network, ready to run over a tensor of any size.
#[derive(Debug)]
pub struct Network {
    /// The last one that was made. Before the device, which it must not outlive.
    session: Option<(Kind, Session)>,
    device: Device,
    runtime: Runtime,
    card: Card,
    weights: Weights,
    threads: usize,
    axes: Axes,
}

/// Why a way to run did not work.
#[derive(Debug)]
enum Trouble {
    /// A smaller one may.
    NoMemory(String),
    Other(String),
}

impl From<ort::Error> for Trouble {
    fn from(error: ort::Error) -> Self {
        let said = error.message().to_owned();
        if is_out_of_memory(&said) { Self::NoMemory(said) } else { Self::Other(said) }
    }
}

impl From<kernels::Error> for Trouble {
    fn from(error: kernels::Error) -> Self {
        match error {
            kernels::Error::OutOfMemory { .. } => Self::NoMemory(error.to_string()),
            other => Self::Other(other.to_string()),
        }
    }
}

/// Whether these words of ONNX Runtime, CUDA, cuDNN or cuBLAS say that memory is short.
fn is_out_of_memory(said: &str) -> bool {
    const WORDS: [&str; 7] = [
        "Failed to allocate memory",
        "out of memory",
        "is smaller than requested bytes",
        "ALLOC_FAILED",
        "ALLOCATION_FAILED",
        "bad allocation",
        "std::bad_alloc",
    ];
    WORDS.iter().any(|words| said.contains(words))
}

impl Network {
    /// Prepares the network of `card` for `device`, whose layers will use `threads` threads each where they run on
    /// the CPU: on a CUDA device too if the runtime has no CUDA.
    ///
    /// # Errors
    ///
    /// [`Error::Inference`] when ONNX Runtime does not take the weights, or they are not a network of
    /// the kind that the card describes.
    pub fn load(
        runtime: &Runtime,
        device: &Device,
        card: &Card,
        weights: Weights,
        threads: usize,
    ) -> Result<Self, Error> {
        let axes = Axes::of(runtime, card, &weights).map_err(|problem| failed(card, problem))?;
        let (runtime, device, card) = (runtime.clone(), device.clone(), card.clone());
        Ok(Self { session: None, device, runtime, card, weights, threads, axes })
    }

    /// The card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// Runs the network over `tensor`, whose axes, spacing and values are those that the card asks for.
    ///
    /// Where `wanted` (of the same shape) is given, tiles without a wanted voxel are not computed; what
    /// comes out there is 0 and must not be looked at. `progress` hears of every tile.
    ///
    /// # Errors
    ///
    /// [`Error::Inference`] when ONNX Runtime could not run it: on the CPU for want of memory mostly, on a device
    /// only when that fails, since what lacks memory there ends on the CPU.
    ///
    /// # Panics
    ///
    /// If `wanted` has another shape than `tensor`: the caller's mistake.
    pub fn run<'a>(
        &mut self,
        tensor: impl Into<Tensor<'a>>,
        wanted: Option<ArrayView3<'_, bool>>,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<Outputs, Error> {
        let tensor = tensor.into();
        let shape = tensor.shape();
        let mut tiling = Tiling::new(&self.card.tiles, shape);
        if let Some(wanted) = wanted {
            assert_eq!(wanted.shape(), shape, "a mask of the tensor's shape");
            tiling.keep(wanted);
        }
        let title = self.card.title.clone();
        let report = |done: usize| {
            progress(Progress { what: &title, done: done as u64, total: tiling.starts.len() as u64 });
        };
        let mut notes = Vec::new();
        let failed = |card: &Card, trouble| match trouble {
            Trouble::NoMemory(said) | Trouble::Other(said) => failed(card, said),
        };
        let mut plan =
            self.plan(&tensor, &tiling, &mut notes).map_err(|trouble| failed(&self.card, trouble))?;
        loop {
            match self.run_by(plan, &tensor, &tiling, &report) {
                Ok(outputs) => return Ok(Outputs { outputs, notes }),
                Err(Trouble::NoMemory(said)) if plan != Plan::Cpu => {
                    // What it holds is memory too.
                    self.session = None;
                    let smaller = self.smaller(plan);
                    notes.push(format!(
                        "{}: the GPU ran out of memory ({said}) {plan}; it was done {smaller} instead",
                        self.card.name
                    ));
                    plan = smaller;
                }
                Err(trouble) => return Err(failed(&self.card, trouble)),
            }
        }
    }

    /// Runs the network over one tile as it is, with nothing added or taken off.
    ///
    /// # Errors
    ///
    /// [`Error::Inference`] when ONNX Runtime could not run it, for want of memory mostly, or because the
    /// size is not possible.
    pub fn run_tile(&mut self, tile: ArrayView3<'_, f32>) -> Result<Outputs, Error> {
        let kind = Kind { tile: tile.dim().into(), batch: 1, gpu_bytes: None };
        let batch = tile.insert_axis(Axis(0)).insert_axis(Axis(0));
        let run = |network: &mut Self| {
            network.make(kind)?;
            let (_, session) = network.session.as_mut().expect("it was just made");
            session::run(session, &network.card, batch)
        };
        let volumes = run(self).map_err(|trouble| match trouble {
            Trouble::NoMemory(said) | Trouble::Other(said) => failed(&self.card, said),
        })?;
        let names = self.card.head.outputs().into_iter().map(|(name, _)| name.to_owned());
        let volumes = volumes.into_iter().map(|v| v.index_axis_move(Axis(0), 0).index_axis_move(Axis(0), 0));
        Ok(Outputs { outputs: names.zip(volumes).collect(), notes: Vec::new() })
    }

    /// The device, if kernels run on one; and whether the layers do too.
    fn gpu(&self) -> Option<(&Gpu, bool)> {
        match &self.device {
            Device::Cuda(gpu) => Some((gpu, self.runtime.provider() == Provider::Cuda)),
            _ => None,
        }
    }

    /// How `tensor` is to be run; `notes` hears if the device has no room for it.
    fn plan(&self, tensor: &Tensor<'_>, tiling: &Tiling, notes: &mut Vec<String>) -> Result<Plan, Trouble> {
        let Some((gpu, layers_too)) = self.gpu() else { return Ok(Plan::Cpu) };
        let free = gpu.free_bytes()?;
        let most_tiles = if self.axes.batch.is_some() { tiling.starts.len() } else { 1 };
        let mut demand = Demand::of(&self.card, tiling, most_tiles);
        if matches!(tensor, Tensor::Host(_)) {
            demand.tensor_voxels = tensor.shape().iter().map(|&n| n as u64).product();
        }
        if layers_too {
            demand = demand.with_layers(&self.card, tiling);
            let is_loaded = self.session.as_ref().is_some_and(|(kind, _)| kind.gpu_bytes.is_some());
            demand.fixed_bytes =
                if is_loaded { 0 } else { demand.fixed_bytes + self.weights.bytes().len() as u64 };
        }
        let plan = Plan::new(free, &demand);
        // Nobody is helped by tiles that go to the device and come back with nothing done.
        let plan = if layers_too || matches!(plan, Plan::Whole { .. }) { plan } else { Plan::Cpu };
        if plan == Plan::Cpu {
            notes.push(format!(
                "{}: {} MiB of the GPU's memory are too few; it was done on the CPU",
                self.card.name,
                free >> 20
            ));
        }
        Ok(plan)
    }

    fn smaller(&self, plan: Plan) -> Plan {
        match plan.smaller() {
            Plan::Tiles { .. } if self.runtime.provider() != Provider::Cuda => Plan::Cpu,
            smaller => smaller,
        }
    }

    /// Runs it as `plan` says.
    fn run_by(
        &mut self,
        plan: Plan,
        tensor: &Tensor<'_>,
        tiling: &Tiling,
        report: &dyn Fn(usize),
    ) -> Result<Vec<(String, Array3<f32>)>, Trouble> {
        let tensor = tensor.to_host()?;
        let batch = plan.batch().max(1);
        let gpu_bytes = match (plan, self.gpu()) {
            (Plan::Tiles { .. }, Some((gpu, true))) => Some(gpu.free_bytes()?),
            _ => None,
        };
        let mut sums = Sum::of_all(&self.card, tensor.dim().into(), tiling)?;
        report(0);
        for (turn, starts) in tiling.starts.chunks(batch).enumerate() {
            let mut corners: Vec<_> = starts.iter().map(|&start| tiling.corner(start)).collect();
            // A session takes so many and no fewer.
            corners.resize(batch, corners[0]);
            let pad = self.card.input.outside_image;
            let tiles = gather(&Device::Cpu, tensor.view(), &corners, tiling.tile, pad)?;
            self.make(Kind { tile: tiling.tile, batch, gpu_bytes })?;
            let (_, session) = self.session.as_mut().expect("it was just made");
            let parts = session::run(session, &self.card, tiles.view())?;
            for (sum, parts) in sums.iter_mut().zip(&parts) {
                for (&start, part) in starts.iter().zip(parts.outer_iter()) {
                    sum.add(tiling, start, part.index_axis(Axis(0), 0))?;
                }
            }
            report(turn * batch + starts.len());
        }
        sums.into_iter().map(Sum::finish).collect()
    }

    /// Makes the session of `kind`, unless it is the last that was made.
    fn make(&mut self, kind: Kind) -> Result<(), Trouble> {
        let fits = |made: &Kind| {
            (made.tile, made.batch, made.gpu_bytes.is_some())
                == (kind.tile, kind.batch, kind.gpu_bytes.is_some())
        };
        if self.session.as_ref().is_some_and(|(made, _)| fits(made)) {
            return Ok(());
        }
        // The old one first, so that its memory is free.
        self.session = None;
        let gpu = self.gpu().map(|(gpu, _)| gpu);
        let session = session::session(&self.runtime, &self.weights, self.threads, &self.axes, &kind, gpu)?;
        self.session = Some((kind, session));
        Ok(())
    }
}

fn failed(card: &Card, problem: impl Into<String>) -> Error {
    Error::Inference { name: card.name.clone(), problem: problem.into() }
}

impl Head {
    /// The outputs that are used: their names, and how many input voxels lie between neighbours.
    pub(crate) fn outputs(&self) -> Vec<(&str, usize)> {
        match self {
            Self::Segmentation { output, .. } => vec![(output, 1)],
            Self::HeatMap { heat, log_diameter, mask, stride, .. } => {
                vec![(heat, *stride), (log_diameter, *stride), (mask, 1)]
            }
        }
    }
}

/// What came out of a network for one tensor.
#[derive(Debug)]
pub struct Outputs {
    outputs: Vec<(String, Array3<f32>)>,
    notes: Vec<String>,
}

impl Outputs {
    /// Takes the output `name` out, in standard layout. Voxel n of it lies at input index `stride` n +
    /// `offset`, see [`Head`]; where the stride is 1 it has the shape of the tensor.
    ///
    /// # Panics
    ///
    /// If the card's head has no such output, or it was taken before.
    pub fn take(&mut self, name: &str) -> Array3<f32> {
        let at = self.outputs.iter().position(|(output, _)| output == name);
        self.outputs.swap_remove(at.expect("an output that the card's head names")).1
    }

    /// What the report should say of how it was computed: where the device had too little memory.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_many_words_for_too_little_memory_are_known() {
        for said in [
            "Failed to allocate memory for requested buffer of size 1207959552",
            "BFCArena::AllocateRawInternal Available memory of 1 is smaller than requested bytes of 2",
            "CUDNN failure 4000: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ; GPU=0",
            "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
            "CUDA failure 2: out of memory ; GPU=0 ; hostname=ct",
        ] {
            let is_known = is_out_of_memory(said);
            assert!(is_known, "{said}");
        }
        assert!(!is_out_of_memory("CUDA failure 100: no CUDA-capable device is detected"));
    }
}
