//! Random numbers, for jitter.

use ring::rand::{SecureRandom as _, SystemRandom};

/// A random number; zero without a source of randomness. Then retries of a fleet are not spread, and nothing else is
/// affected.
#[must_use]
pub fn random_number() -> u64 {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_or(0, |()| u64::from_ne_bytes(bytes))
}
