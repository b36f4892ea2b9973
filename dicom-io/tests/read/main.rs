//! Reading of series, through the public functions only.

mod builder;
mod enhanced;
mod files;
mod hostile;
mod real;
mod series;
mod streams;
mod values;
