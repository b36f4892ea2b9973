//! The cases that other people's libraries do as well, on the very same input. `kernels/peers/run.sh` runs
//! both sides in turn and compares what they find; alone, `cargo bench -p kernels --bench rivals` tells how
//! long each case takes here, or those whose name has one of the words given.
//!
//! As its partner, `--bench rivals -- serve FOLDER`, it writes the input to FOLDER and then obeys lines of
//! standard input: `run CASE` answers with milliseconds (clock, processor), `write CASE` writes what was found
//! last to FOLDER/CASE.npy.

mod cases;
mod input;

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use cases::{Case, Found};
use kernels::Error;

const RUNS: usize = 7;

fn main() -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let input = input::Input::new();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder] => {
            input.write(Path::new(folder));
            serve(&mut cases::all(&input), Path::new(folder));
        }
        _ => {
            println!("{} threads; median and least of {RUNS} runs, ms", rayon::current_num_threads());
            for mut case in cases::all(&input) {
                if words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str())) {
                    let mut times: Vec<f64> = Vec::new();
                    for _ in 0..RUNS {
                        times.push(timed(&mut case)?.0);
                    }
                    times.sort_by(f64::total_cmp);
                    println!("{:24}{:9.2}{:9.2}", case.name, times[RUNS / 2], times[0]);
                }
            }
        }
    }
    Ok(())
}

/// Runs the case: milliseconds by the clock, and of all threads' work. What it found before is freed first,
/// what it finds is kept.
fn timed(case: &mut Case<'_>) -> Result<(f64, f64), Error> {
    case.found = Found::Nothing;
    let (start, worked) = (Instant::now(), input::worked_ms());
    case.found = (case.run)()?;
    Ok((start.elapsed().as_secs_f64() * 1e3, input::worked_ms() - worked))
}

fn serve(cases: &mut [Case<'_>], folder: &Path) {
    let answer = |text: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).expect("the partner listens");
    };
    for case in &*cases {
        answer(format!("case {} {}", case.name, case.bytes));
    }
    answer(format!("ready {} threads", rayon::current_num_threads()));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("the partner writes text");
        let (what, name) = line.split_once(' ').expect("a word and a case");
        let case = cases.iter_mut().find(|case| case.name == name).expect("a case of this bench");
        match what {
            "run" => {
                let (ms, worked_ms) = timed(case).expect("room for the result");
                answer(format!("{ms} {worked_ms}"));
            }
            "write" => {
                case.found.write(&folder.join(format!("{name}.npy")));
                answer("written".to_owned());
            }
            _ => panic!("{what} is neither run nor write"),
        }
    }
}
