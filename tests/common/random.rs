//! Random tests: the same cases everywhere, unless the variables say otherwise.
//!
//! `WGPU_RNN_SEED` is a number that other cases are drawn from, `WGPU_RNN_CASES` how many each test draws.

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

fn variable(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: expected a number, found {text:?}")))
}

/// The seed of cases that are not drawn by [`proptest`].
pub fn seed() -> u64 {
    variable("WGPU_RNN_SEED").unwrap_or(0)
}

/// So many cases, or as many as the variable says.
pub fn cases(count: u32) -> u32 {
    variable("WGPU_RNN_CASES").map_or(count, |cases| cases as u32)
}

/// Runs a test on so many cases; one that the test rejects is drawn again, twenty times as often at most.
pub fn runner(count: u32) -> TestRunner {
    let cases = cases(count);
    let config = ProptestConfig {
        cases,
        max_global_rejects: 20 * cases,
        failure_persistence: None,
        ..Default::default()
    };
    // The same cases in every run: a badly conditioned case is red always, or never.
    let rng = match seed() {
        0 => TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        seed => {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&seed.to_le_bytes());
            TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
        }
    };
    TestRunner::new_with_rng(config, rng)
}
