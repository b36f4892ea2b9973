//! The session of ONNX Runtime that runs a network: made for one shape of tile and one number of them at once.
//!
//! With fixed shapes OpenVINO needs a quarter less memory than with free ones.

use std::ffi::{CString, c_void};

use kernels::gpu::Gpu;
use ndarray::{Array5, ArrayView5, Ix5};
use ort::AsPointer;
use ort::ep;
use ort::memory::MemoryInfo;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{Shape, TensorRef, TensorRefMut, ValueType};

use super::Trouble;
use crate::card::Card;
use crate::runtime::{Provider, Runtime};
use crate::weights::Weights;

/// What a session is made for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kind {
    pub(super) tile: [usize; 3],
    /// Tiles at once.
    pub(super) batch: usize,
    /// On the GPU with no more than so many bytes of it, or on the CPU.
    pub(super) gpu_bytes: Option<u64>,
}

/// The names that the graph gives to the free sizes of its input.
#[derive(Debug)]
pub(super) struct Axes {
    batch: String,
    sizes: [Option<String>; 3],
}

impl Axes {
    /// Those of `card`'s graph, which is read without being made ready to run: that takes a few milliseconds.
    pub(super) fn of(runtime: &Runtime, card: &Card, weights: &Weights) -> Result<Self, String> {
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
        let free = |axis: usize| Some(dimension_symbols[axis].clone()).filter(|name| !name.is_empty());
        let batch = free(0).ok_or_else(|| format!("input {name} takes a fixed number of tiles at once"))?;
        Ok(Self { batch, sizes: [free(2), free(3), free(4)] })
    }
}

/// A session of `kind`. `gpu` is the device of a kind that names bytes of one.
pub(super) fn session(
    runtime: &Runtime,
    weights: &Weights,
    threads: usize,
    axes: &Axes,
    kind: &Kind,
    gpu: Option<&Gpu>,
) -> Result<Session, ort::Error> {
    let provider = match (runtime.provider(), gpu, kind.gpu_bytes) {
        (Provider::Cuda, Some(gpu), Some(bytes)) => cuda(gpu, bytes),
        // The arena keeps what was needed most at any time, for good.
        (Provider::Cpu | Provider::Cuda, ..) => ep::CPU::default().with_arena_allocator(false).build(),
        (Provider::OpenVino, ..) => ep::OpenVINO::default()
            .with_device_type("CPU")
            // Without this it computes in bfloat16 where the processor can.
            .with_precision("FP32")
            .with_num_threads(threads)
            .with_num_streams(1)
            .build(),
    };
    let mut builder = Session::builder(&runtime.environment)?
        .with_execution_providers([provider.error_on_failure()])?
        .with_intra_threads(threads)?
        .with_dimension_override(&axes.batch, kind.batch as i64)?;
    for (name, size) in axes.sizes.iter().zip(kind.tile) {
        if let Some(name) = name {
            builder = builder.with_dimension_override(name, size as i64)?;
        }
    }
    builder.commit_from_memory(weights.bytes())
}

/// The CUDA provider on `gpu`, which may take `bytes` of it.
fn cuda(gpu: &Gpu, bytes: u64) -> ep::ExecutionProviderDispatch {
    let provider = ep::CUDA::default()
        .with_device_id(gpu.ordinal() as i32)
        .with_memory_limit(usize::try_from(bytes).unwrap_or(usize::MAX))
        // Doubling what is asked for would not fit where the plan just does.
        .with_arena_extend_strategy(ep::ArenaExtendStrategy::SameAsRequested)
        // The default tries all there are, each with as much memory as it likes.
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        // Ten bits of mantissa would find other things than the CPU does.
        .with_tf32(false);
    // SAFETY: the network keeps the device, whose stream this is, longer than its session: see the order of its
    // fields.
    unsafe { provider.with_compute_stream(gpu.raw_stream().cast()) }.build()
}

/// Runs a batch `[n, 1, a, b, c]` in the host's memory, and returns the outputs of these names.
pub(super) fn run(
    session: &mut Session,
    card: &Card,
    tiles: ArrayView5<'_, f32>,
) -> Result<Vec<Array5<f32>>, Trouble> {
    let batch = tiles.dim().0;
    let tiles = tiles.as_standard_layout();
    let tensor = TensorRef::from_array_view(tiles.view())?;
    let found = session.run(ort::inputs![card.input.name.as_str() => tensor])?;
    let outputs = card.head.outputs();
    let volumes = outputs.iter().map(|(name, _)| {
        let value = found.get(*name).ok_or_else(|| Trouble::Other(format!("it has no output {name}")))?;
        let array = value.try_extract_array::<f32>()?;
        let volumes = array.into_dimensionality::<Ix5>().ok().filter(|a| a.shape()[..2] == [batch, 1]);
        let wanted = || Trouble::Other(format!("output {name} is not one volume for each of {batch} tiles"));
        Ok(volumes.ok_or_else(wanted)?.to_owned())
    });
    volumes.collect()
}

/// Numbers in memory that ONNX Runtime is to read from or write to.
pub(super) struct Place<'a> {
    /// The name of the input or output.
    pub(super) name: &'a str,
    pub(super) address: *mut c_void,
    /// `[n, 1, a, b, c]`.
    pub(super) shape: [usize; 5],
}

/// Runs a batch where it lies, and writes the outputs where they are wanted: nothing is copied. When it returns, they
/// are there.
///
/// # Safety
///
/// Each place must be memory of the kind that `memory` says, and hold as many 32-bit floats as its shape says; those
/// of the outputs must not be in use by anybody else.
pub(super) unsafe fn run_in_place(
    session: &mut Session,
    memory: &MemoryInfo<'_>,
    input: &Place<'_>,
    outputs: &[Place<'_>],
) -> Result<(), Trouble> {
    let binding = session.create_binding()?;
    let pointer = binding.ptr().cast_mut();
    let mut held = Vec::new();
    for (place, is_input) in [(input, true)].into_iter().chain(outputs.iter().map(|place| (place, false))) {
        let name = CString::new(place.name).map_err(|_| Trouble::Other("a name holds a zero".to_owned()))?;
        let shape = Shape::new(place.shape.map(|n| n as i64));
        // SAFETY: the caller's promise.
        let value = unsafe { TensorRefMut::<f32>::from_raw(memory.to_owned(), place.address, shape)? };
        let api = ort::api();
        // ort's own `bind_input` would copy what it does not own.
        // SAFETY: binding, name and value are valid during the call; ONNX Runtime keeps a reference to the value.
        unsafe {
            let bind = if is_input { api.BindInput } else { api.BindOutput };
            ort::Error::result_from_status(bind(pointer, name.as_ptr(), value.ptr()))?;
        }
        held.push(value);
    }
    session.run_binding(&binding)?;
    binding.synchronize_outputs()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use ort::memory::{AllocationDevice, AllocatorType, MemoryType};

    use super::*;
    use crate::Cache;

    /// All of binding but the kind of memory: a batch bound in the host's memory gives what a run with copies gives.
    #[test]
    fn what_is_bound_in_place_is_what_comes_out_of_a_run() {
        let test = "what_is_bound_in_place_is_what_comes_out_of_a_run";
        let Some(runtime) = crate::network::tests::runtime(test) else { return };
        let card = Card::named("lung-nodule").unwrap();
        let weights = Weights::ensure(card, &Cache::from_environment(), &|_| ()).unwrap();
        let axes = Axes::of(&runtime, card, &weights).unwrap();
        let kind = Kind { tile: [16, 32, 16], batch: 1, gpu_bytes: None };
        let mut session = session(&runtime, &weights, 1, &axes, &kind, None).unwrap();
        let mut tiles = Array5::from_shape_fn((1, 1, 16, 32, 16), |(_, _, k, j, i)| {
            ((k * 31 + j * 7 + i) as f32).sin().abs()
        });
        let expected = run(&mut session, card, tiles.view()).unwrap();

        let mut found: Vec<_> = expected.iter().map(|e| Array5::from_elem(e.dim(), -1.0)).collect();
        let place = |name, array: &mut Array5<f32>| Place {
            name,
            shape: array.shape().try_into().unwrap(),
            address: array.as_mut_ptr().cast(),
        };
        let input = place(&card.input.name, &mut tiles);
        let outputs: Vec<_> =
            card.head.outputs().into_iter().zip(&mut found).map(|((name, _), a)| place(name, a)).collect();
        let host =
            MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default).unwrap();
        // SAFETY: arrays of these shapes in standard layout, which nobody else uses.
        unsafe { run_in_place(&mut session, &host, &input, &outputs) }.unwrap();
        assert_eq!(found, expected);
    }
}
