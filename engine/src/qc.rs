//! Quality control of a finished report, whoever wrote it: the checks of [`check`](crate::check), and the defects
//! of writing that hospitals audit.
