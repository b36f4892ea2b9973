//! Results on their way, and alerts.
