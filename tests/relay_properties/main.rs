//! The relay and its parts against plain models, with random operations.
#![expect(clippy::unwrap_used, reason = "a model that disagrees ends the test")]

mod acknowledge;
mod arena;
mod queue;
mod relay;
mod set_aside;
mod statuses;
#[path = "../support/mod.rs"]
mod support;

use proptest::test_runner::Config;

fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
