//! What runs on a GPU gives what runs on the CPU.
//!
//! One file for each module of the crate. Without a GPU the kernels run on an emulated one.

#[path = "../emulator/mod.rs"]
mod emulator;

mod cast;
mod median;
mod memory;
mod peaks;
mod shrink;
mod spline;
mod statistics;
mod resample;
