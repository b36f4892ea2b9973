//! A device gives what the CPU gives, whatever fits into its memory. Without a GPU the kernels run on an emulated one,
//! and the layers on the CPU.

#[path = "../../../kernels/tests/emulator/mod.rs"]
mod emulator;

use std::cell::RefCell;

use kernels::gpu::Options;
use ndarray::s;

use super::*;
use crate::cache::Cache;
use crate::onnx::Graph;
use crate::runtime::Places;

/// Both sum the same weighted values in the same order.
const TOLERANCE: f32 = 1e-6;

/// How far probabilities may lie apart where a layer's sums are taken in another order: rounding in 32 bits, amplified
/// by up to 21 normalisations in a row.
const ROUNDING: f32 = 1e-3;

/// ONNX Runtime; `None`, and a word about it, where it cannot be had.
pub(super) fn runtime(test: &str) -> Option<Runtime> {
    let found = Runtime::find(&Places::from_environment(), &|_| ());
    let asked = std::env::var("FOCI_REQUIRE").unwrap_or_default();
    if let Err(error) = &found {
        assert!(!asked.split(',').any(|word| ["models", "all"].contains(&word)), "{test}: {error}");
        eprintln!("skipped: {test}: {error}");
    }
    found.ok()
}

/// The card `name` with tiles of `shape`, and its weights.
fn network(name: &str, shape: [usize; 3]) -> Option<(Card, Weights)> {
    let mut card = Card::named(name).unwrap().clone();
    card.tiles.shape = shape;
    let weights = Weights::ensure(&card, &Cache::from_environment(), &|_| ()).ok()?;
    Some((card, weights))
}

/// A network that takes any number of tiles at once: the sigmoid of each voxel.
fn sigmoid() -> (Card, Weights) {
    let mut graph = Graph::default();
    graph.node_named("Sigmoid", &["image"], "prob", &[]);
    let file = graph.into_file("sigmoid", "image", "prob");
    let mut card = Card::named("liver").unwrap().clone();
    card.name = "sigmoid".to_owned();
    card.tiles.shape = [8, 8, 8];
    card.tiles.multiple = [4, 4, 4];
    card.tiles.join = crate::Join::Overlap(0.25);
    card.weights.sha256 = crate::sha256(&file);
    let weights = Weights::checked(&card, file).unwrap();
    (card, weights)
}

fn image(shape: [usize; 3]) -> Array3<f32> {
    Array3::from_shape_fn(shape, |(k, j, i)| {
        (0.3 * k as f32).sin() * (0.2 * j as f32).cos() + 0.01 * i as f32
    })
}

/// A device of its own, with so much memory.
fn device(test: &str, memory_bytes: Option<u64>) -> Option<(Device, Gpu)> {
    emulator::device(test)?;
    let gpu = Gpu::open(Options { memory_bytes, ..Options::default() }).unwrap();
    Some((Device::Cuda(gpu.clone()), gpu))
}

/// What comes out of `card` over `tensor` on `device`, and what is said of it.
fn run<'a>(
    runtime: &Runtime,
    device: &Device,
    (card, weights): &(Card, Weights),
    tensor: impl Into<Tensor<'a>>,
    progress: &dyn Fn(Progress<'_>),
) -> (Vec<Array3<f32>>, Vec<String>) {
    let mut network = Network::load(runtime, device, card, weights.clone(), 1).unwrap();
    let mut outputs = network.run(tensor, None, progress).unwrap();
    let notes = outputs.notes().to_vec();
    (card.head.outputs().into_iter().map(|(name, _)| outputs.take(name)).collect(), notes)
}

#[track_caller]
fn same(found: &[Array3<f32>], expected: &[Array3<f32>]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.dim(), expected.dim());
        let worst = found.iter().zip(expected).fold(0.0, |worst, (a, b)| f32::max(worst, (a - b).abs()));
        assert!(worst <= TOLERANCE, "worst difference {worst}");
    }
}

/// `network` over a tensor of `shape` gives the same on a device, from the host's memory and from the device's.
fn check(test: &str, network: &(Card, Weights), shape: [usize; 3]) {
    let Some(runtime) = runtime(test) else { return };
    // Of its own, while other tests take theirs.
    let Some((device, gpu)) = device(test, Some(64 << 20)) else { return };
    let tensor = image(shape);
    let quiet = |_: Progress<'_>| ();
    let (expected, _) = run(&runtime, &Device::Cpu, network, tensor.view(), &quiet);
    let before = gpu.free_bytes().unwrap();
    let (found, notes) = run(&runtime, &device, network, tensor.view(), &quiet);
    same(&found, &expected);
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(gpu.free_bytes().unwrap(), before, "memory is given back");
    let there = gpu.upload_volume(tensor.view()).unwrap();
    same(&run(&runtime, &device, network, &there, &quiet).0, &expected);
}

#[test]
fn tiles_side_by_side_are_the_same_on_a_device() {
    let Some(network) = network("liver", [54, 54, 54]) else { return };
    check("tiles_side_by_side_are_the_same_on_a_device", &network, [29, 20, 17]);
}

#[test]
fn a_heat_map_blended_on_a_device_is_the_same() {
    let network = network("lung-nodule", [32, 32, 32]).unwrap();
    check("a_heat_map_blended_on_a_device_is_the_same", &network, [17, 37, 50]);
}

#[test]
fn a_graph_that_takes_many_tiles_gets_them_and_the_last_batch_is_filled_up() {
    let test = "a_graph_that_takes_many_tiles_gets_them_and_the_last_batch_is_filled_up";
    let sigmoid = sigmoid();
    check(test, &sigmoid, [19, 18, 17]);
    let Some(runtime) = runtime(test) else { return };
    let tensor = image([19, 18, 17]);
    let mut network = Network::load(&runtime, &Device::Cpu, &sigmoid.0, sigmoid.1.clone(), 1).unwrap();
    let tiling = Tiling::new(&sigmoid.0.tiles, tensor.dim().into());
    let tensor = Tensor::from(tensor.view());
    let one = network.run_on_host(1, None, &tensor, &tiling, &|_| ()).unwrap();
    let five = network.run_on_host(5, None, &tensor, &tiling, &|_| ()).unwrap();
    assert_eq!(tiling.starts.len() % 5, 4, "the last batch lacks one");
    assert_eq!(one, five);
}

/// Of every network that is shipped, with what the CPU computes its layers with. A plan for a GPU relies on it.
#[test]
fn two_tiles_at_once_give_what_each_gives_alone() {
    let Some(runtime) = runtime("two_tiles_at_once_give_what_each_gives_alone") else { return };
    for (name, shape) in
        [("liver", [54, 54, 81]), ("liver-lesion", [108, 100, 54]), ("lung-nodule", [32, 48, 16])]
    {
        let (card, weights) = network(name, shape).unwrap();
        let axes = Axes::of(&runtime, &card, &weights).unwrap();
        let of = |batch| {
            let kind = Kind { tile: shape, batch, gpu_bytes: None };
            session::session(&runtime, &weights, 2, &axes, &kind, None).unwrap()
        };
        let [a, b, c] = shape;
        let tiles = Array5::from_shape_fn((2, 1, a, b, c), |(n, _, k, j, i)| {
            let [k, j, i] = [k, j, i].map(|at| at as f32);
            0.4 * (0.3 * k + n as f32).sin() * (0.2 * j).cos()
                + 0.1 * (1.7 * i + 0.9 * j + 2.0 * n as f32).sin()
        });
        let both = session::run(&mut of(2), &card, tiles.view()).unwrap();
        let mut one = of(1);
        for n in 0..2 {
            let alone = session::run(&mut one, &card, tiles.slice(s![n..=n, .., .., .., ..])).unwrap();
            assert_eq!(alone.len(), both.len());
            for (alone, both) in alone.iter().zip(&both) {
                let both = both.slice(s![n..=n, .., .., .., ..]);
                let worst = alone.iter().zip(both).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
                assert!(worst <= ROUNDING, "{name}, tile {n}: worst difference {worst}");
            }
        }
    }
}

#[test]
fn a_device_that_is_too_small_leaves_it_to_the_cpu_and_says_so() {
    let test = "a_device_that_is_too_small_leaves_it_to_the_cpu_and_says_so";
    let Some(runtime) = runtime(test) else { return };
    let Some((small, _)) = device(test, Some(1 << 20)) else { return };
    let network = network("lung-nodule", [32, 32, 32]).unwrap();
    let tensor = image([17, 37, 50]);
    let (expected, _) = run(&runtime, &Device::Cpu, &network, tensor.view(), &|_| ());
    let (found, notes) = run(&runtime, &small, &network, tensor.view(), &|_| ());
    same(&found, &expected);
    assert_eq!(notes, ["lung-nodule: 1 MiB of the GPU's memory are too few; it ran on the CPU"]);
}

/// The first limit under which 32 bits do not fit and 16 do.
#[test]
fn a_tensor_that_barely_fits_is_kept_in_half_precision() {
    let test = "a_tensor_that_barely_fits_is_kept_in_half_precision";
    let Some(runtime) = runtime(test) else { return };
    let sigmoid = sigmoid();
    let tensor = image([60, 50, 40]);
    let (expected, _) = run(&runtime, &Device::Cpu, &sigmoid, tensor.view(), &|_| ());
    let tiling = Tiling::new(&sigmoid.0.tiles, tensor.dim().into());
    let demand = Demand { tensor_voxels: tensor.len() as u64, ..Demand::of(&sigmoid.0, &tiling) };
    let half =
        |free: &u64| matches!(Plan::new(*free, &demand), Plan::Whole { precision: Precision::Half, .. });
    let limit = (0..4 << 20).step_by(1 << 10).filter(half).last().unwrap();
    let Some((device, _)) = device(test, Some(limit)) else { return };
    let (found, notes) = run(&runtime, &device, &sigmoid, tensor.view(), &|_| ());
    assert!(notes.len() == 1 && notes[0].ends_with("the tensor was kept in 16 bits"), "{notes:?}");
    let worst = found[0].iter().zip(&expected[0]).fold(0.0, |worst, (a, b)| f32::max(worst, (a - b).abs()));
    // Half a unit of the 11 bits that a number below 2 has, through a slope of a quarter.
    assert!(worst > 0.0 && worst <= 2.0_f32.powi(-12), "worst difference {worst}");
}

/// Somebody else takes memory between the plan and the work: once, so that half a batch fits, or again and again.
#[test]
fn out_of_memory_halves_the_batch_and_then_takes_the_cpu() {
    let test = "out_of_memory_halves_the_batch_and_then_takes_the_cpu";
    let Some(runtime) = runtime(test) else { return };
    let Some((device, gpu)) = device(test, Some(1 << 20)) else { return };
    let sigmoid = sigmoid();
    let tensor = image([19, 18, 17]);
    let (expected, _) = run(&runtime, &Device::Cpu, &sigmoid, tensor.view(), &|_| ());
    let batches = |times: usize| {
        let taken = RefCell::new(Vec::new());
        let take = |progress: Progress<'_>| {
            if progress.done == 0 && taken.borrow().len() < times {
                let all_but = gpu.free_bytes().unwrap().saturating_sub(1 << 10);
                taken.borrow_mut().push(gpu.zeros::<u8>(all_but as usize).unwrap());
            }
        };
        let (found, notes) = run(&runtime, &device, &sigmoid, tensor.view(), &take);
        same(&found, &expected);
        let so_many = |note: &String| note.split("; it ran ").nth(1).unwrap().to_owned();
        assert!(
            notes.iter().all(|note| note.contains("too little memory on the GPU (not enough memory for"))
        );
        notes.iter().map(so_many).collect::<Vec<_>>()
    };
    let found = batches(1);
    assert!(found[0].contains("32 tiles") && found.iter().all(|note| note.contains("GPU")), "{found:?}");
    let found = batches(9);
    assert!(found.len() > 2 && found[0] == "all on the GPU with 32 tiles at once instead", "{found:?}");
    assert!(found[..found.len() - 1].iter().all(|note| note.starts_with("all on the GPU")), "{found:?}");
    assert_eq!(found[found.len() - 1], "on the CPU instead");
}

#[test]
fn tiles_that_are_not_wanted_are_not_computed_on_a_device_either() {
    let test = "tiles_that_are_not_wanted_are_not_computed_on_a_device_either";
    let Some(runtime) = runtime(test) else { return };
    let Some((device, _)) = device(test, None) else { return };
    let (card, weights) = sigmoid();
    let mut network = Network::load(&runtime, &device, &card, weights, 1).unwrap();
    let tensor = image([8, 8, 30]);
    let mut wanted = Array3::from_elem(tensor.dim(), false);
    wanted[[3, 3, 29]] = true;
    let found = network.run(tensor.view(), Some(wanted.view()), &|_| ()).unwrap().take("prob");
    assert!(found.slice(s![.., .., ..20]).iter().all(|&p| p == 0.0) && found[[3, 3, 29]] > 0.5);
}

#[test]
fn the_many_words_for_too_little_memory_are_known() {
    for said in [
        "Failed to allocate memory for requested buffer of size 1207959552",
        "BFCArena::AllocateRawInternal Available memory of 1 is smaller than requested bytes of 2",
        "CUDNN failure 4000: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ; GPU=0",
        "CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0",
        "CUDA failure 2: out of memory ; GPU=0 ; hostname=ct",
    ] {
        assert!(is_out_of_memory(said), "{said}");
    }
    assert!(!is_out_of_memory("CUDA failure 100: no CUDA-capable device is detected"));
}
