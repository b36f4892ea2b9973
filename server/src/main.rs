//! The program `foci`: wiring, input and output, configuration.
//!
//! One file for each command. Results go to stdout, one per line; progress and warnings to stderr. Only
//! `main` prints errors. Exit codes: 0 done, 1 failed, 2 wrong usage.

mod analyze;
mod check;
mod convert;
mod demo;
mod inspect;
mod models;
mod nifti_file;
mod output;
mod page;
mod phantom;
mod progress;
mod results;
mod session;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Find, measure and report lesions in CT: DICOM in, checked report and standard DICOM out
///
/// Foci reads a CT series, finds lung nodules and liver lesions with 3-D networks, measures them, and
/// writes a structured report (DICOM SR, TID 1500), a segmentation (DICOM SEG), key images, and a page to
/// look at. Nothing leaves this machine; the inference library and the weights are fetched once.
///
/// Research software: not a medical device, not for diagnosis.
///
/// Begin with `foci demo`, which makes a synthetic patient and runs everything on it.
#[derive(Debug, Parser)]
#[command(name = "foci", version, max_term_width = 100)]
struct Foci {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Analyze(analyze::Analyze),
    Inspect(inspect::Inspect),
    Convert(convert::Convert),
    Phantom(phantom::Phantom),
    Models(models::Models),
    Check(check::Check),
}

fn main() -> ExitCode {
    let done = match Foci::parse().command {
        Command::Demo(command) => command.run(),
        Command::Analyze(command) => command.run(),
        Command::Inspect(command) => command.run(),
        Command::Convert(command) => command.run(),
        Command::Phantom(command) => command.run(),
        Command::Models(command) => command.run(),
        Command::Check(command) => command.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough (`foci inspect | head`) is no failure.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("foci: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe)
}
