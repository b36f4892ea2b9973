//! The program `foci`: wiring, input and output, configuration.
//!
//! One file for each command. Results go to stdout, one per line; progress and warnings to stderr. Only
//! `main` prints errors. Exit codes: 0 done, 1 failed, 2 wrong usage.

mod alert;
mod analyze;
mod archive;
mod check;
mod config;
mod convert;
mod delivery;
mod demo;
mod device;
mod dicomweb;
mod dimse;
mod explain;
mod http;
mod inspect;
mod intake;
mod jobs;
mod llm;
mod log;
mod models;
mod nifti_file;
mod node;
mod output;
mod page;
mod patient;
mod phantom;
mod plan;
mod prior;
mod progress;
mod pull;
mod qc;
mod report;
mod results;
mod rules;
mod serve;
mod session;
mod store;
mod studies;
mod words;
mod worker;

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

/// Volumes are read from end to end several times.
#[global_allocator]
static MEMORY: kernels::LargePages = kernels::LargePages;

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    Analyze(analyze::Analyze),
    Inspect(inspect::Inspect),
    Convert(convert::Convert),
    Phantom(phantom::Phantom),
    Models(models::Models),
    Check(check::Check),
    Serve(serve::Serve),
    Pull(pull::Pull),
    Report(report::Report),
    Qc(qc::Qc),
    #[command(hide = true)]
    Worker(worker::Worker),
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
        Command::Serve(command) => command.run(),
        Command::Pull(command) => command.run(),
        Command::Report(command) => command.run(),
        Command::Qc(command) => command.run(),
        Command::Worker(command) => command.run(),
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
