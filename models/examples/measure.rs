//! Runs one network once over noise in a fresh process and tells the time and the peak memory.
//!
//! The figures of `docs/adr/0002-onnx-runtime.md` come from it.
//!
//! `measure MODEL A B C THREADS [DEVICE]`, where A B C is the tensor's shape; with `cuda` the first GPU computes.

use std::time::Instant;

use kernels::Device;
use kernels::gpu::{Gpu, Options};
use models::{Cache, Card, Network, Places, Runtime, Weights};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (name, a, b, c, threads, cuda) = match arguments.as_slice() {
        [name, a, b, c, threads] => (name, a, b, c, threads, false),
        [name, a, b, c, threads, device] if device == "cuda" => (name, a, b, c, threads, true),
        _ => return Err("usage: measure MODEL A B C THREADS [cuda]".into()),
    };
    let shape = (a.parse::<usize>()?, b.parse::<usize>()?, c.parse::<usize>()?);
    let start = Instant::now();
    let runtime = Runtime::find(&Places { cuda, ..Places::from_environment() }, &|_| ())?;
    let device = if cuda { Device::Cuda(Gpu::open(Options::default())?) } else { Device::Cpu };
    let card = Card::named(name)?;
    let weights = Weights::ensure(card, &Cache::from_environment(), &|_| ())?;
    let mut network = Network::load(&runtime, &device, card, weights, threads.parse()?)?;
    let loaded = start.elapsed().as_secs_f64();

    let noise = |(a, b, c)| ((a * 7919 + b * 104_729 + c * 1_299_709) % 1000) as f32 / 1000.0 - 0.5;
    let tensor = ndarray::Array3::from_shape_fn(shape, noise);
    let start = Instant::now();
    network.run(tensor.view(), None, &|_| ())?;
    let run = start.elapsed().as_secs_f64();
    drop(network);
    println!("ONNX Runtime {} on {}", runtime.version(), runtime.provider().as_str());
    println!(
        "load {loaded:.2} s, run {run:.2} s; peak {} MB, {} MB when dropped",
        memory("VmHWM")?,
        memory("VmRSS")?
    );
    Ok(())
}

/// A size of this process in MB.
fn memory(which: &str) -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(which)).ok_or("no such line")?;
    let kilobytes = line.split_whitespace().nth(1).ok_or("no number")?;
    Ok(kilobytes.parse::<u64>()? / 1000)
}
