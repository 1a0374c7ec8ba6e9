//! Random numbers, for jitter.

use ring::rand::{SecureRandom as _, SystemRandom};

/// A random number. Without a source of randomness it is zero: a fleet then moves in step, and nothing else suffers.
#[must_use]
pub fn random_number() -> u64 {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_or(0, |()| u64::from_ne_bytes(bytes))
}
