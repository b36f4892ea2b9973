//! Studies: receiving, complete, planned.
