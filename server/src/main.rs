//! The program `foci`.
fn main() {}
