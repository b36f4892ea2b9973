//! What the tests need that not every machine has.

use std::sync::OnceLock;

use models::{Cache, Card, Error, Network, Places, Runtime, Weights};

/// Whether `FOCI_REQUIRE` asks for `gate` (`all` is everything that can be installed).
fn required(gate: &str) -> bool {
    let asked = std::env::var("FOCI_REQUIRE").unwrap_or_default();
    let all = ["peers", "models", "viewer"].contains(&gate);
    asked.split(',').any(|word| word == gate || (word == "all" && all))
}

/// Tells that `test` is skipped because `what` is missing; panics where the gate is required.
pub(crate) fn skip(gate: &str, test: &str, what: &str) {
    assert!(!required(gate), "{test}: FOCI_REQUIRE asks for {gate}, and {what}");
    // To the handle itself: what a passing test prints with a macro is held back.
    let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("skipped: {test}: {what}\n"));
}

/// The network of `card` with the runtime and the weights, which are fetched; `None` when they cannot be.
pub(crate) fn network(test: &str, card: &Card) -> Option<Network> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let found = RUNTIME
        .get_or_init(|| Runtime::find(&Places::from_environment(), &|_| ()).map_err(|e| e.to_string()))
        .clone()
        .and_then(|runtime| {
            let load = || -> Result<Network, Error> {
                let weights = Weights::ensure(card, &Cache::from_environment(), &|_| ())?;
                Network::load(&runtime, &kernels::Device::Cpu, card, weights, 2)
            };
            load().map_err(|e| e.to_string())
        });
    found.inspect_err(|problem| skip("models", test, problem)).ok()
}
