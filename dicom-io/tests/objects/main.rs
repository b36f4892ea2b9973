//! Result objects: what they say, and whether other people's programs accept and draw them.

use std::path::PathBuf;

mod report;
mod scan;
mod segmentation;
mod validate;
mod viewer;
mod words;

/// The folder of the programs that `.ci/peers` installs, or `None` where `file` is not in it and
/// `FOCI_REQUIRE` does not name `what`.
fn peers(test: &str, what: &str, file: &str) -> Option<PathBuf> {
    let default = || std::env::home_dir().unwrap_or_default().join(".cache/foci-peers");
    let folder = std::env::var_os("FOCI_PEERS").map_or_else(default, PathBuf::from);
    if folder.join(file).exists() {
        return Some(folder);
    }
    let required = std::env::var("FOCI_REQUIRE").unwrap_or_default();
    let named = required.split(',').any(|word| word == what || word == "all");
    assert!(!named, "FOCI_REQUIRE asks for {what}, and {file} is not there: run .ci/peers");
    // To the handle itself: what a passing test prints with a macro is held back.
    let _ = std::io::Write::write_fmt(
        &mut std::io::stderr(),
        format_args!("skipped: {test}: {what} (run .ci/peers)\n"),
    );
    None
}
