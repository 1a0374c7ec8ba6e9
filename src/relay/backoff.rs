//! How long to wait after a failure: exponential, with full jitter, between a floor and a cap.

use crate::limits::BACKOFF_FLOOR;
use crate::time::Duration;

/// A source of small random numbers for jitter (splitmix64). Nothing secret depends on it; the seed
/// comes from the caller, so that tests repeat and a fleet does not move in step.
#[derive(Debug, Clone)]
pub struct Jitter {
    state: u64,
    /// No delay is longer.
    longest: Duration,
}

impl Jitter {
    /// Different seeds give unrelated numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed, longest: Duration::MAX }
    }

    /// From now on delays are no longer than `longest`, whatever their cap.
    pub const fn hurry(&mut self, longest: Duration) {
        self.longest = longest;
    }

    /// A number from 0 to `bound` inclusive.
    pub const fn up_to(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // The bias of a remainder is of no account for a delay.
        if bound == u64::MAX { mixed } else { mixed % (bound + 1) }
    }
}

/// The longest delay after `failures` failures in a row (one or more): `base`, doubled for each further one, up to
/// `cap`.
#[must_use]
pub fn longest(failures: u32, base: Duration, cap: Duration) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    base.saturating_mul(1 << doublings).min(cap)
}

/// The delay after `failures` failures in a row (one or more): a random time up to [`longest`], and no shorter than
/// [`BACKOFF_FLOOR`].
#[must_use]
pub fn delay(failures: u32, base: Duration, cap: Duration, jitter: &mut Jitter) -> Duration {
    let longest = longest(failures, base, cap).min(jitter.longest);
    let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(jitter.up_to(millis)).max(BACKOFF_FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{BACKOFF_BASE, BACKOFF_CAP};

    proptest::proptest! {
        #[test]
        fn a_delay_lies_between_floor_and_cap_whatever_happened(failures: u32, seed: u64) {
            let delay = delay(failures, BACKOFF_BASE, BACKOFF_CAP, &mut Jitter::new(seed));
            proptest::prop_assert!((BACKOFF_FLOOR..=BACKOFF_CAP).contains(&delay));
        }
    }

    #[test]
    fn chance_is_that_of_splitmix64() {
        let mut jitter = Jitter::new(0);
        let first = [0; 3].map(|_: u64| jitter.up_to(u64::MAX));
        assert_eq!(first, [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]);
    }

    #[test]
    fn every_number_up_to_the_bound_comes_and_none_beyond() {
        let mut jitter = Jitter::new(1);
        let mut times = [0; 3];
        for _ in 0..300 {
            times[usize::try_from(jitter.up_to(2)).unwrap()] += 1;
        }
        assert!(times.iter().all(|times| *times > 50), "{times:?}");
        assert_eq!(jitter.up_to(0), 0);
    }

    #[test]
    fn delays_double_on_average_until_the_cap() {
        let mean = |failures| {
            let mut jitter = Jitter::new(1);
            let total: Duration = (0..2000).map(|_| delay(failures, BACKOFF_BASE, BACKOFF_CAP, &mut jitter)).sum();
            total / 2000
        };
        for failures in 2..9 {
            let growth = mean(failures + 1).as_secs_f64() / mean(failures).as_secs_f64();
            assert!((1.9..2.1).contains(&growth), "{failures}: {growth}");
        }
        assert!((140.0..160.0).contains(&mean(40).as_secs_f64()), "half of the cap of 300 s");
    }
}
