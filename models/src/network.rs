//! A network, ready to run over a tensor of any size.
//!
//! Large tensors are cut into the tiles that the card asks for. A session is made for one shape of
//! tile: with fixed shapes OpenVINO needs a quarter less memory than with free ones.

use kernels::Device;
use kernels::blend::Blend;
use ndarray::{Array3, ArrayView3, Axis, Ix5, s};
use ort::ep;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{TensorRef, ValueType};

use crate::cache::Progress;
use crate::card::{Card, Head, Join};
use crate::error::Error;
use crate::runtime::{Provider, Runtime};
use crate::tiles::Plan;
use crate::weights::Weights;

/// A network, ready to run over a tensor of any size.
#[derive(Debug)]
pub struct Network {
    runtime: Runtime,
    card: Card,
    weights: Weights,
    threads: usize,
    /// The names that the graph gives to the free sizes of its input.
    axes: [Option<String>; 3],
    /// The session for the last shape of tile.
    session: Option<([usize; 3], Session)>,
}

impl Network {
    /// Prepares the network of `card`, whose layers will use `threads` threads each.
    ///
    /// # Errors
    ///
    /// [`Error::Inference`] when ONNX Runtime does not take the weights, or they are not a network of
    /// the kind that the card describes.
    pub fn load(runtime: &Runtime, card: &Card, weights: Weights, threads: usize) -> Result<Self, Error> {
        let axes = axes(runtime, card, &weights).map_err(|problem| failed(card, problem))?;
        Ok(Self { runtime: runtime.clone(), card: card.clone(), weights, threads, axes, session: None })
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
    /// [`Error::Inference`] when ONNX Runtime could not run it, for want of memory mostly.
    ///
    /// # Panics
    ///
    /// If `wanted` has another shape than `tensor`: the caller's mistake.
    pub fn run(
        &mut self,
        tensor: ArrayView3<'_, f32>,
        wanted: Option<ArrayView3<'_, bool>>,
        progress: &dyn Fn(Progress<'_>),
    ) -> Result<Outputs, Error> {
        let shape: [usize; 3] = tensor.dim().into();
        let mut plan = Plan::new(&self.card.tiles, shape);
        if let Some(wanted) = wanted {
            assert_eq!(wanted.dim(), tensor.dim(), "a mask of the tensor's shape");
            plan.keep(wanted);
        }
        let title = self.card.title.clone();
        let report = |done: usize| {
            progress(Progress { what: &title, done: done as u64, total: plan.starts.len() as u64 });
        };
        let mut sums = Vec::new();
        for (name, stride) in self.card.head.outputs() {
            sums.push(Sum::new(&self.card, name, stride, shape, &plan)?);
        }
        report(0);
        for (done, &start) in plan.starts.iter().enumerate() {
            let tile = plan.cut(tensor, start, self.card.input.outside_image);
            let mut parts = self.run_tile(tile.view())?;
            for sum in &mut sums {
                let part = parts.take(&sum.name);
                sum.add(&self.card, &plan, start, part)?;
            }
            report(done + 1);
        }
        let outputs = sums.into_iter().map(|sum| sum.finish(&self.card)).collect::<Result<_, _>>()?;
        Ok(Outputs { outputs })
    }

    /// Runs the network over one tile as it is, with nothing added or taken off.
    ///
    /// # Errors
    ///
    /// [`Error::Inference`] when ONNX Runtime could not run it, for want of memory mostly, or because the
    /// size is not possible.
    pub fn run_tile(&mut self, tile: ArrayView3<'_, f32>) -> Result<Outputs, Error> {
        let card = &self.card;
        let said = |e: ort::Error| failed(card, e.message().to_owned());
        let shape: [usize; 3] = tile.dim().into();
        if self.session.as_ref().is_none_or(|(made_for, _)| *made_for != shape) {
            // The old one first, so that its memory is free.
            self.session = None;
            let session =
                session(&self.runtime, &self.weights, self.threads, &self.axes, shape).map_err(said)?;
            self.session = Some((shape, session));
        }
        let (_, session) = self.session.as_mut().expect("it was made above");
        let tile = tile.as_standard_layout();
        let batch = tile.view().insert_axis(Axis(0)).insert_axis(Axis(0));
        let tensor = TensorRef::from_array_view(batch).map_err(said)?;
        let found = session.run(ort::inputs![card.input.name.as_str() => tensor]).map_err(said)?;
        let mut outputs = Vec::new();
        for (name, _) in card.head.outputs() {
            let value = found.get(name).ok_or_else(|| failed(card, format!("it has no output {name}")))?;
            let array = value.try_extract_array::<f32>().map_err(said)?;
            let volume = array.into_dimensionality::<Ix5>().ok().filter(|array| array.shape()[..2] == [1, 1]);
            let volume = volume.ok_or_else(|| failed(card, format!("output {name} is not one volume")))?;
            let volume = volume.index_axis_move(Axis(0), 0).index_axis_move(Axis(0), 0);
            outputs.push((name.to_owned(), volume.to_owned()));
        }
        Ok(Outputs { outputs })
    }
}

fn failed(card: &Card, problem: impl Into<String>) -> Error {
    Error::Inference { name: card.name.clone(), problem: problem.into() }
}

/// The names that the graph gives to the free sizes of its input. The graph is read without being made
/// ready to run, which takes a few milliseconds.
fn axes(runtime: &Runtime, card: &Card, weights: &Weights) -> Result<[Option<String>; 3], String> {
    let read = || -> Result<Session, ort::Error> {
        Session::builder(&runtime.environment)?
            .with_optimization_level(GraphOptimizationLevel::Disable)?
            .with_intra_threads(1)?
            .commit_from_memory(weights.bytes())
    };
    let session = read().map_err(|e| e.message().to_owned())?;
    let name = &card.input.name;
    let input = session.inputs().iter().find(|input| input.name() == name);
    let input = input.ok_or_else(|| format!("it has no input {name}"))?;
    let ValueType::Tensor { dimension_symbols, .. } = input.dtype() else {
        return Err(format!("input {name} is not a tensor"));
    };
    if dimension_symbols.len() != 5 {
        return Err(format!("input {name} has {} axes instead of 5", dimension_symbols.len()));
    }
    Ok(std::array::from_fn(|axis| Some(dimension_symbols[axis + 2].clone()).filter(|name| !name.is_empty())))
}

/// A session that takes tiles of `shape`.
fn session(
    runtime: &Runtime,
    weights: &Weights,
    threads: usize,
    axes: &[Option<String>; 3],
    shape: [usize; 3],
) -> Result<Session, ort::Error> {
    let provider = match runtime.provider() {
        // The arena keeps what was needed most at any time, for good.
        Provider::Cpu => ep::CPU::default().with_arena_allocator(false).build(),
        Provider::Cuda => ep::CUDA::default().with_tf32(false).build(),
        Provider::OpenVino => ep::OpenVINO::default()
            .with_device_type("CPU")
            // Without this it computes in bfloat16 where the processor can.
            .with_precision("FP32")
            .with_num_threads(threads)
            .with_num_streams(1)
            .build(),
    };
    let mut builder = Session::builder(&runtime.environment)?
        .with_execution_providers([provider.error_on_failure()])?
        .with_intra_threads(threads)?;
    for (name, size) in axes.iter().zip(shape) {
        if let Some(name) = name {
            builder = builder.with_dimension_override(name, size as i64)?;
        }
    }
    builder.commit_from_memory(weights.bytes())
}

impl Head {
    /// The outputs that are used: their names, and how many input voxels lie between neighbours.
    fn outputs(&self) -> Vec<(&str, usize)> {
        match self {
            Self::Segmentation { output, .. } => vec![(output, 1)],
            Self::HeatMap { heat, log_diameter, mask, stride, .. } => {
                vec![(heat, *stride), (log_diameter, *stride), (mask, 1)]
            }
        }
    }
}

/// One output, while tiles are added to it.
struct Sum {
    name: String,
    stride: usize,
    /// What is kept of it in the end.
    shape: [usize; 3],
    kind: Kind,
}

enum Kind {
    SideBySide(Array3<f32>),
    Blended(Blend),
}

impl Sum {
    fn new(card: &Card, name: &str, stride: usize, tensor: [usize; 3], plan: &Plan) -> Result<Self, Error> {
        let shape = tensor.map(|n| n.div_ceil(stride));
        let kind = match card.tiles.join {
            Join::Border(_) => Kind::SideBySide(Array3::zeros(shape)),
            Join::Overlap(_) => {
                let covered = plan.covered.map(|n| n / stride);
                Kind::Blended(Blend::new(&Device::Cpu, covered).map_err(|e| failed(card, e.to_string()))?)
            }
        };
        Ok(Self { name: name.to_owned(), stride, shape, kind })
    }

    /// Adds what the tile at `start` gave.
    fn add(&mut self, card: &Card, plan: &Plan, start: [usize; 3], part: Array3<f32>) -> Result<(), Error> {
        let expected = plan.part().map(|n| n / self.stride);
        if part.shape() != expected {
            let problem = format!("output {} is {:?} instead of {expected:?}", self.name, part.shape());
            return Err(failed(card, problem));
        }
        let start = start.map(|n| n / self.stride);
        match &mut self.kind {
            Kind::Blended(blend) => blend.add(part.view(), start).map_err(|e| failed(card, e.to_string())),
            Kind::SideBySide(whole) => {
                let [a, b, c] = start;
                let mut place = whole.slice_mut(s![a.., b.., c..]);
                let size: [usize; 3] = std::array::from_fn(|axis| place.shape()[axis].min(expected[axis]));
                let inside = s![..size[0], ..size[1], ..size[2]];
                place.slice_mut(inside).assign(&part.slice(inside));
                Ok(())
            }
        }
    }

    fn finish(self, card: &Card) -> Result<(String, Array3<f32>), Error> {
        let whole = match self.kind {
            Kind::SideBySide(whole) => whole,
            Kind::Blended(blend) => {
                let [a, b, c] = self.shape;
                let whole = blend.finish().map_err(|e| failed(card, e.to_string()))?;
                whole.slice(s![..a, ..b, ..c]).to_owned()
            }
        };
        Ok((self.name, whole))
    }
}

/// What came out of a network for one tensor.
#[derive(Debug)]
pub struct Outputs {
    outputs: Vec<(String, Array3<f32>)>,
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
}
