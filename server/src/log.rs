//! The log: JSON lines on stderr, UIDs and numbers only.
