//! What runs on a GPU gives what runs on the CPU.
//!
//! One file for each module of the crate. Without a GPU the kernels run on an emulated one.

#[path = "../emulator/mod.rs"]
mod emulator;

mod bits;
mod cast;
mod components;
mod keep;
mod measure;
mod median;
mod memory;
mod nms;
mod peaks;
mod render;
mod resample;
mod shrink;
mod spline;
mod statistics;
mod tiles;
