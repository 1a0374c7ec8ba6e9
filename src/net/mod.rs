//! Everything that waits.
pub mod bounded_file;
pub mod clock;
pub mod connect;
pub mod credentials;
pub mod fetch;
pub mod http;
pub mod mqtt;
#[cfg(test)]
mod test_support;
pub mod tls;

use ring::rand::{SecureRandom as _, SystemRandom};

/// A random number, for jitter. Without a source of chance there is none: a fleet then moves in step, and nothing
/// else suffers.
#[must_use]
pub fn chance() -> u64 {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_or(0, |()| u64::from_ne_bytes(bytes))
}
