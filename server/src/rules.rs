//! Which rule applies to a study, and why.
