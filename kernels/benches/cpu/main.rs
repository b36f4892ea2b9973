//! How long the kernels take on this machine's CPU: `cargo bench -p kernels --bench cpu`, or with words from the
//! names below to run some of them. For each, in milliseconds: the least and the median of several runs, and the
//! least processor time of all threads together, which says most on a machine that does other things as well.

#[path = "../common/made.rs"]
mod made;
mod mask;
mod parts;
mod resample;
mod spline;

use std::hint::black_box;
use std::time::Instant;

use kernels::{Device, Error};

const CPU: &Device = &Device::Cpu;
const RUNS: usize = 15;

/// Runs the cases whose names hold one of the words, all if there are none.
struct Bench {
    wanted: Vec<String>,
}

impl Bench {
    fn time<T>(&self, name: &str, mut run: impl FnMut() -> Result<T, Error>) -> Result<(), Error> {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|word| name.contains(word.as_str())) {
            return Ok(());
        }
        drop(black_box(run()?));
        let (mut times, mut work) = (Vec::new(), f64::MAX);
        for _ in 0..RUNS {
            let (start, worked) = (Instant::now(), made::worked_ms());
            drop(black_box(run()?));
            times.push(start.elapsed().as_secs_f64() * 1e3);
            work = work.min(made::worked_ms() - worked);
        }
        times.sort_by(f64::total_cmp);
        println!("{name:56} {:8.2} {:8.2} {work:8.2}", times[0], times[RUNS / 2]);
        Ok(())
    }
}

/// As `foci` does.
#[global_allocator]
static MEMORY: kernels::LargePages = kernels::LargePages;

fn main() -> Result<(), Error> {
    let bench = Bench { wanted: std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect() };
    println!(
        "{:56} {:>8} {:>8} {:>8}",
        format!("{} threads", rayon::current_num_threads()),
        "least",
        "median",
        "worked"
    );
    let ct = made::ct();
    resample::run(&bench, &ct)?;
    spline::run(&bench, &ct)?;
    mask::run(&bench, &ct)?;
    parts::run(&bench, &ct)
}
