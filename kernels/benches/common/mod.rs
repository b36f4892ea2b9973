//! What the benches beside other people's libraries share: the input, and how they are asked.
//!
//! Alone, such a bench tells how long each case takes, or those whose name has one of the words given. As the
//! partner of `kernels/peers/compare.py`, `-- serve FOLDER`, it writes the input to FOLDER and then obeys lines of
//! standard input: `run CASE` answers with two numbers of milliseconds, `write CASE` writes what was found last to
//! FOLDER/CASE.npy.

pub(crate) mod input;
#[allow(dead_code, reason = "not every bench needs all of it")]
pub(crate) mod made;

use std::io::{BufRead, Write};
use std::path::Path;

use half::f16;
use input::Input;
use kernels::Error;
use ndarray::{Array2, Array3};

const RUNS: usize = 7;

/// As `foci` does.
#[global_allocator]
static MEMORY: kernels::LargePages = kernels::LargePages;

pub(crate) struct Case<'a> {
    pub(crate) name: &'static str,
    /// What has to cross the memory bus at the very least: what is read once, what is written once.
    pub(crate) bytes: usize,
    pub(crate) run: Box<dyn FnMut() -> Result<Found, Error> + 'a>,
    /// By the last run.
    pub(crate) found: Found,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        name: &'static str,
        bytes: usize,
        run: impl FnMut() -> Result<Found, Error> + 'a,
    ) -> Self {
        Self { name, bytes, run: Box::new(run), found: Found::Nothing }
    }
}

/// What a case finds. What takes more to write than was asked for is made when it is written.
#[allow(dead_code, reason = "not every bench finds all of them")]
pub(crate) enum Found {
    Nothing,
    Volume(Array3<f32>),
    Halves(Array3<f16>),
    Labels(Array3<u32>),
    Table(Array2<f64>),
    Later(Box<dyn Fn() -> Result<Found, Error>>),
}

impl Found {
    fn write(&self, file: &Path) -> Result<(), Error> {
        match self {
            Self::Nothing => {}
            Self::Volume(volume) => input::write(file, volume),
            Self::Halves(volume) => input::write(file, volume),
            Self::Labels(labels) => input::write(file, labels),
            Self::Table(table) => input::write(file, table),
            Self::Later(make) => make()?.write(file)?,
        }
        Ok(())
    }
}

/// Runs the cases as the command line says. `time` runs one and answers with milliseconds: the time that counts, and
/// another one. `place` says what they run on.
pub(crate) fn run(
    mut cases: Vec<Case<'_>>,
    input: &Input,
    place: &str,
    time: impl Fn(&mut Case<'_>) -> Result<(f64, f64), Error>,
) -> Result<(), Error> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let time = |case: &mut Case<'_>| {
        // What was found before is freed first, what is found is kept: neither counts.
        case.found = Found::Nothing;
        time(case)
    };
    if let [serve, folder] = &words[..]
        && serve == "serve"
    {
        input.write(Path::new(folder));
        return self::serve(&mut cases, Path::new(folder), place, time);
    }
    println!("{place}; median and least of {RUNS} runs, ms");
    for case in &mut cases {
        if words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str())) {
            let mut times = Vec::new();
            for _ in 0..RUNS {
                times.push(time(case)?.0);
            }
            times.sort_by(f64::total_cmp);
            println!("{:24}{:9.2}{:9.2}", case.name, times[RUNS / 2], times[0]);
        }
    }
    Ok(())
}

fn serve(
    cases: &mut [Case<'_>],
    folder: &Path,
    place: &str,
    time: impl Fn(&mut Case<'_>) -> Result<(f64, f64), Error>,
) -> Result<(), Error> {
    let answer = |text: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).expect("the partner listens");
    };
    for case in &*cases {
        answer(format!("case {} {}", case.name, case.bytes));
    }
    answer(format!("ready {place}"));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("the partner writes text");
        let (what, name) = line.split_once(' ').expect("a word and a case");
        let case = cases.iter_mut().find(|case| case.name == name).expect("a case of this bench");
        match what {
            "run" => {
                let (ms, other_ms) = time(case)?;
                answer(format!("{ms} {other_ms}"));
            }
            "write" => {
                case.found.write(&folder.join(format!("{name}.npy")))?;
                answer("written".to_owned());
            }
            _ => panic!("{what} is neither run nor write"),
        }
    }
    Ok(())
}
