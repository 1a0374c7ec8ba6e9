//! When credentials are renewed. No I/O and no clock: the caller passes the time and random numbers.
//!
//! Waits are durations on the monotonic clock, so a step of the wall clock neither lengthens nor shortens a wait that
//! has begun. If credentials expire earlier because of such a step, the service refuses them, and the caller renews
//! them on demand.

use core::time::Duration;
use std::time::SystemTime;

use crate::limits::credentials as limits;
use crate::relay::backoff::longest;

/// Expiry of the credentials in use, and the failures since the last renewal.
#[derive(Debug, Default)]
pub struct Schedule {
    /// Expiry of the credentials in use; `None` for long-lived ones, and as long as there are none.
    expires_at: Option<SystemTime>,
    /// Failed attempts in a row.
    failures: u32,
}

impl Schedule {
    /// New credentials with this expiry are in use from `now` on. Returns the time until their renewal.
    ///
    /// `random`: any number; it spreads the renewals of a fleet that started together.
    pub fn renewed(&mut self, expires_at: Option<SystemTime>, now: SystemTime, random: u64) -> Duration {
        *self = Self { expires_at, failures: 0 };
        match self.left(now) {
            None => limits::READ_AGAIN,
            Some(Duration::ZERO) => limits::EXPIRED_INTERVAL,
            Some(left) => {
                let ahead = limits::RENEW_AHEAD.min(left / 10);
                (left - ahead - up_to(ahead / 2, random)).max(limits::RENEW_INTERVAL)
            }
        }
    }

    /// An attempt failed. Returns the time until the next one, which doubles from [`limits::BACKOFF_BASE`] to
    /// [`limits::BACKOFF_CAP`], one half of it random, and does not pass the expiry of the credentials in use.
    pub fn failed(&mut self, now: SystemTime, random: u64) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let half = longest(self.failures, limits::BACKOFF_BASE, limits::BACKOFF_CAP) / 2;
        let wait = half + up_to(half, random);
        match self.left(now) {
            None | Some(Duration::ZERO) => wait,
            Some(left) => wait.min(left.max(limits::BACKOFF_BASE)),
        }
    }

    /// Whether the credentials in use have expired.
    #[must_use]
    pub fn has_expired(&self, now: SystemTime) -> bool {
        self.left(now) == Some(Duration::ZERO)
    }

    fn left(&self, now: SystemTime) -> Option<Duration> {
        self.expires_at.map(|end| end.duration_since(now).unwrap_or_default())
    }
}

/// A duration of at most `most`, chosen by `random`.
fn up_to(most: Duration, random: u64) -> Duration {
    let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random % millis.saturating_add(1))
}

#[cfg(test)]
mod tests;
