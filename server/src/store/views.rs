//! What pages show: studies, jobs, deliveries, counts.
