//! Everything that waits: the broker, the service, credentials, and the clocks.

pub mod clock;
pub mod log_limit;
#[cfg(test)]
pub(crate) mod test_support;
pub(crate) mod words;

use core::error::Error;
use core::fmt::{self, Write as _};

use ring::rand::{SecureRandom as _, SystemRandom};

/// A random number, for jitter. Without a source of chance there is none: a fleet then moves in step, and nothing
/// else suffers.
#[must_use]
pub fn chance() -> u64 {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_or(0, |()| u64::from_ne_bytes(bytes))
}

/// An error and its causes in one line, as far as they say something to a person.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(words) = words::words(error) {
            // Writing to a String cannot fail.
            let _: fmt::Result = write!(text, ": {words}");
        }
        source = error.source();
    }
    text
}
