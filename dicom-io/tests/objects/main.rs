//! Result objects: what they say, and whether other people's programs accept them.

mod report;
mod scan;
mod segmentation;
mod validate;
