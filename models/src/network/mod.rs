//! A network, ready to run over a tensor of any size, on the CPU or on a CUDA device.
//!
//! Large tensors are cut into the tiles that the card asks for. On a device everything from the tensor to the blended
//! outputs stays in its memory, as far as the [`Plan`] finds room; what runs out of memory all the same is done
//! again in a smaller way, and [`Outputs::notes`] says so.

mod session;
mod sum;

use half::f16;
use kernels::Device;
use kernels::cast::to_single;
use kernels::gpu::{Gpu, Memory, Volume};
use kernels::tiles::{empty_batch, gather_into, gather_on_device};
use ndarray::{Array3, Array5, ArrayView3, Axis, CowArray, Ix3};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::Session;

use crate::cache::Progress;
use crate::card::{Card, Head};
use crate::error::Error;
use crate::plan::{Demand, Plan, Precision};
use crate::runtime::{Provider, Runtime};
use crate::tiles::Tiling;
use crate::weights::Weights;
use session::{Axes, Kind, Place};
use sum::Sum;

/// Why there is a session.
const JUST_MADE: &str = "it was just made";

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

/// A tensor on the device.
enum There<'a> {
    Given(&'a Volume<f32>),
    Single(Volume<f32>),
    Half(Volume<f16>),
}

impl<'a> There<'a> {
    fn of(gpu: &Gpu, tensor: &Tensor<'a>, precision: Precision) -> Result<Self, kernels::Error> {
        Ok(match (tensor, precision) {
            (Tensor::Device(volume), _) => Self::Given(volume),
            (Tensor::Host(tensor), Precision::Single) => Self::Single(gpu.upload_volume(*tensor)?),
            (Tensor::Host(tensor), Precision::Half) => {
                Self::Half(gpu.upload_volume(tensor.mapv(f16::from_f32).view())?)
            }
        })
    }

    fn shape(&self) -> [usize; 3] {
        match self {
            Self::Given(volume) => volume.shape(),
            Self::Single(volume) => volume.shape(),
            Self::Half(volume) => volume.shape(),
        }
    }

    /// Tiles of it in 32 bits, on the device.
    fn tiles(
        &self,
        corners: &[[isize; 3]],
        tile: [usize; 3],
        pad: f32,
    ) -> Result<Memory<f32>, kernels::Error> {
        match self {
            Self::Given(volume) => gather_on_device(volume, corners, tile, pad),
            Self::Single(volume) => gather_on_device(volume, corners, tile, pad),
            Self::Half(volume) => to_single(&gather_on_device(volume, corners, tile, f16::from_f32(pad))?),
        }
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
                Ok(outputs) => {
                    self.leave_room();
                    return Ok(Outputs { outputs, notes });
                }
                Err(Trouble::NoMemory(said)) if plan != Plan::Cpu => {
                    // What it holds is memory too.
                    self.session = None;
                    let smaller = self.smaller(plan);
                    notes.push(format!(
                        "{}: too little memory on the GPU ({said}) to run {plan}; it ran {smaller} instead",
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
            let (_, session) = network.session.as_mut().expect(JUST_MADE);
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
    fn plan(
        &mut self,
        tensor: &Tensor<'_>,
        tiling: &Tiling,
        notes: &mut Vec<String>,
    ) -> Result<Plan, Trouble> {
        let Some((gpu, layers_too)) = self.gpu().map(|(gpu, layers_too)| (gpu.clone(), layers_too)) else {
            return Ok(Plan::Cpu);
        };
        let mut free = gpu.free_bytes()?;
        let mut demand = Demand::of(&self.card, tiling);
        if matches!(tensor, Tensor::Host(_)) {
            demand.tensor_voxels = tensor.shape().iter().map(|&n| n as u64).product();
        }
        let mut plan = Plan::new(free, &demand);
        let made = self.session.as_ref().map(|(kind, _)| kind).filter(|kind| kind.gpu_bytes.is_some());
        // A session that is to be used again holds already what its layers need.
        let is_again = made.is_some_and(|made| (made.tile, made.batch) == (tiling.tile, plan.batch()))
            && plan.batch() == demand.most_tiles;
        if layers_too && !is_again {
            let is_first = made.is_none();
            self.session = None;
            free = gpu.free_bytes()?;
            demand = demand.with_layers(&self.card, tiling);
            let libraries = if is_first { demand.fixed_bytes } else { 0 };
            demand.fixed_bytes = libraries + self.weights.bytes().len() as u64;
            plan = Plan::new(free, &demand);
        }
        // Nobody is helped by tiles that go to the device and come back with nothing done.
        let plan = if layers_too || matches!(plan, Plan::Whole { .. }) { plan } else { Plan::Cpu };
        if matches!(plan, Plan::Whole { precision: Precision::Half, .. }) {
            notes.push(format!(
                "{}: {} MiB of the GPU's memory are few; the tensor was kept in 16 bits",
                self.card.name,
                free >> 20
            ));
        }
        if plan == Plan::Cpu {
            notes.push(format!(
                "{}: {} MiB of the GPU's memory are too few; it ran on the CPU",
                self.card.name,
                free >> 20
            ));
        }
        Ok(plan)
    }

    /// Lets go of a session that keeps most of the GPU's memory from the next network.
    fn leave_room(&mut self) {
        let had = self.session.as_ref().and_then(|(kind, _)| kind.gpu_bytes);
        let left = self.gpu().and_then(|(gpu, _)| gpu.free_bytes().ok());
        if had.zip(left).is_some_and(|(had, left)| left < had / 2) {
            self.session = None;
        }
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
        match (plan, self.gpu().map(|(gpu, layers_too)| (gpu.clone(), layers_too))) {
            (Plan::Whole { batch, precision, .. }, Some((gpu, layers_too))) => {
                let there = There::of(&gpu, tensor, precision)?;
                self.run_on_device(&gpu, layers_too, batch, &there, tiling, report)
            }
            (Plan::Tiles { batch }, Some((gpu, _))) => {
                let bytes = gpu.free_bytes()?;
                self.run_on_host(batch, Some(bytes), tensor, tiling, report)
            }
            _ => self.run_on_host(1, None, tensor, tiling, report),
        }
    }

    /// Tiles are cut and put together in the host's memory; the layers may use so many bytes of the GPU.
    fn run_on_host(
        &mut self,
        batch: usize,
        gpu_bytes: Option<u64>,
        tensor: &Tensor<'_>,
        tiling: &Tiling,
        report: &dyn Fn(usize),
    ) -> Result<Vec<(String, Array3<f32>)>, Trouble> {
        let tensor = tensor.to_host()?;
        let mut sums = Sum::of_all(&Device::Cpu, &self.card, tensor.dim().into(), tiling)?;
        report(0);
        let mut tiles = empty_batch(batch, tiling.tile)?;
        for (turn, starts) in tiling.starts.chunks(batch).enumerate() {
            let pad = self.card.input.outside_image;
            let corners = corners(tiling, starts, batch);
            gather_into(&Device::Cpu, tensor.view(), &corners, pad, tiles.view_mut())?;
            self.make(Kind { tile: tiling.tile, batch, gpu_bytes })?;
            let parts =
                session::run(&mut self.session.as_mut().expect(JUST_MADE).1, &self.card, tiles.view())?;
            for (sum, parts) in sums.iter_mut().zip(&parts) {
                sum.add_all(tiling, starts, parts.index_axis(Axis(1), 0))?;
            }
            report(turn * batch + starts.len());
        }
        sums.into_iter().map(Sum::finish).collect()
    }

    /// Tiles are cut and put together in the GPU's memory. The layers read and write there too, or else each batch
    /// goes to the host and its outputs come back.
    fn run_on_device(
        &mut self,
        gpu: &Gpu,
        layers_too: bool,
        batch: usize,
        tensor: &There<'_>,
        tiling: &Tiling,
        report: &dyn Fn(usize),
    ) -> Result<Vec<(String, Array3<f32>)>, Trouble> {
        let mut sums = Sum::of_all(&self.device, &self.card, tensor.shape(), tiling)?;
        let sizes: Vec<_> = sums.iter().map(|sum| sum.part(tiling)).collect();
        let room = |size: &[usize; 3]| gpu.zeros::<f32>(batch * size.iter().product::<usize>());
        let mut parts = sizes.iter().map(room).collect::<Result<Vec<_>, _>>()?;
        report(0);
        for (turn, starts) in tiling.starts.chunks(batch).enumerate() {
            let pad = self.card.input.outside_image;
            let tiles = tensor.tiles(&corners(tiling, starts, batch), tiling.tile, pad)?;
            let gpu_bytes = if layers_too { Some(gpu.free_bytes()?) } else { None };
            self.make(Kind { tile: tiling.tile, batch, gpu_bytes })?;
            if layers_too {
                self.run_in_place(gpu, batch, (&tiles, tiling.tile), (&parts, &sizes))?;
            } else {
                self.run_and_return(gpu, batch, (&tiles, tiling.tile), (&mut parts, &sizes))?;
            }
            for (sum, parts) in sums.iter_mut().zip(&parts) {
                sum.add_batch(tiling, starts, parts)?;
            }
            report(turn * batch + starts.len());
        }
        sums.into_iter().map(Sum::finish).collect()
    }

    /// Runs a batch of tiles on the GPU, and writes the outputs to `parts` there.
    fn run_in_place(
        &mut self,
        gpu: &Gpu,
        batch: usize,
        (tiles, tile): (&Memory<f32>, [usize; 3]),
        (parts, sizes): (&[Memory<f32>], &[[usize; 3]]),
    ) -> Result<(), Trouble> {
        let shape = |[a, b, c]: [usize; 3]| [batch, 1, a, b, c];
        let address = |memory: &Memory<f32>| memory.address() as *mut std::ffi::c_void;
        let input = Place { name: &self.card.input.name, address: address(tiles), shape: shape(tile) };
        let outputs = self.card.head.outputs();
        let outputs: Vec<_> = outputs
            .iter()
            .zip(parts)
            .zip(sizes)
            .map(|(((name, _), part), &size)| Place { name, address: address(part), shape: shape(size) })
            .collect();
        let ordinal = gpu.ordinal() as i32;
        let memory =
            MemoryInfo::new(AllocationDevice::CUDA, ordinal, AllocatorType::Device, MemoryType::Default)?;
        // The provider has our stream, and may use others besides.
        gpu.wait()?;
        let (_, session) = self.session.as_mut().expect(JUST_MADE);
        // SAFETY: memory of this device of those sizes, which is borrowed, and nothing else is under way there.
        unsafe { session::run_in_place(session, &memory, &input, &outputs) }
    }

    /// Runs a batch of tiles from the GPU on the CPU, and copies the outputs to `parts` there.
    fn run_and_return(
        &mut self,
        gpu: &Gpu,
        batch: usize,
        (tiles, [a, b, c]): (&Memory<f32>, [usize; 3]),
        (parts, sizes): (&mut [Memory<f32>], &[[usize; 3]]),
    ) -> Result<(), Trouble> {
        let tiles = Array5::from_shape_vec([batch, 1, a, b, c], tiles.download()?);
        let tiles = tiles.expect("as many as were gathered");
        let found = session::run(&mut self.session.as_mut().expect(JUST_MADE).1, &self.card, tiles.view())?;
        for ((part, &[a, b, c]), found) in parts.iter_mut().zip(sizes).zip(found) {
            if found.shape() != [batch, 1, a, b, c] {
                let problem =
                    format!("an output is {:?} instead of {:?}", found.shape(), [batch, 1, a, b, c]);
                return Err(Trouble::Other(problem));
            }
            let found = found.as_standard_layout();
            // The old one first, so that there is room.
            *part = gpu.zeros(0)?;
            *part = gpu.upload(found.as_slice().expect("just made standard"))?;
        }
        Ok(())
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

/// Where `batch` tiles begin: a session takes so many and no fewer, so the first stands for those that lack.
fn corners(tiling: &Tiling, starts: &[[usize; 3]], batch: usize) -> Vec<[isize; 3]> {
    let mut corners: Vec<_> = starts.iter().map(|&start| tiling.corner(start)).collect();
    corners.resize(batch, corners[0]);
    corners
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
mod tests;
