//! Reading of series, through the public functions only.

mod builder;
mod real;
