//! Reading of series, through the public functions only.

mod builder;
mod enhanced;
mod real;
mod series;
mod values;
