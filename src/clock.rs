//! The clocks: monotonic time for every deadline, wall time for signatures and expiry, and wall time for certificates.
//!
//! The wall clock of a gateway may be years off. Each answer of the service carries the service's
//! time, and signatures are corrected by the difference while it is large enough to invalidate them.
//! Once the clock has been set right, the next answer removes the correction.
//!
//! Without a valid certificate there is no next answer, so the validity of certificates must not depend on the system's
//! clock alone: the service's time counts, too, set only by an answer over TLS and carried on by monotonic time. Nor
//! may it depend on that alone, or one wrong answer would make every later connection fail. So the earlier of the two
//! is used: a certificate is expired only if it is by both.
//!
//! Times from peers and from the system's clock are bounded before anything is computed with them.

mod beat;

pub use beat::Beat;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc2822;
use rustls::{pki_types::UnixTime, time_provider::TimeProvider};

use crate::limits::{CLOCK_TOLERANCE, DATE_EARLIEST, DATE_LATEST, TIME_LATEST};
use crate::time::{Duration, Instant};

/// The clocks of the process. Clones share their corrections.
#[derive(Debug, Clone)]
pub struct Clock {
    start: std::time::Instant,
    /// Milliseconds that the service is ahead of the system's clock.
    ahead: Arc<AtomicI64>,
    /// Milliseconds from 1970 to `start` by the service's clock, as an answer over TLS had it; or [`UNKNOWN`].
    verified_start: Arc<AtomicI64>,
}

const UNKNOWN: i64 = i64::MIN;

impl Default for Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    fn default() -> Self {
        Self {
            start: std::time::Instant::now(),
            ahead: Arc::default(),
            verified_start: Arc::new(AtomicI64::new(UNKNOWN)),
        }
    }
}

impl Clock {
    /// Monotonic time since the start of the process.
    #[must_use]
    pub fn now(&self) -> Instant {
        let elapsed = self.start.elapsed().as_millis();
        Instant::from_millis(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// `instant` on the runtime's clock.
    #[must_use]
    pub fn at(&self, instant: Instant) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + Duration::from_millis(instant.as_millis()))
    }

    /// The wall time, with the correction by the service's time.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        let millis = system_millis().saturating_add(self.ahead.load(Ordering::Relaxed));
        let since_1970 = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
        SystemTime::UNIX_EPOCH + since_1970.min(TIME_LATEST)
    }

    /// Learns from the `Date` of an answer that has just arrived to a request sent at `sent`; the service is taken to
    /// have written it half-way between. `verified`: the answer came over TLS. Returns whether the correction changed
    /// by [`CLOCK_TOLERANCE`] or more, began or ended. A date before [`DATE_EARLIEST`] or after [`DATE_LATEST`] is
    /// ignored.
    pub fn learn(&self, date: &str, sent: Instant, verified: bool) -> bool {
        let Some(date) = believable(date) else { return false };
        let age = millis(self.now().since(sent) / 2);
        if verified {
            let elapsed = millis(self.start.elapsed());
            self.verified_start.store(date.saturating_sub(elapsed.saturating_sub(age)), Ordering::Relaxed);
        }
        let ahead = date.saturating_sub(system_millis().saturating_sub(age));
        let tolerance = millis(CLOCK_TOLERANCE);
        let before = self.ahead.load(Ordering::Relaxed);
        // Hysteresis: a correction ends at half of the tolerance, so that a clock at the edge does not flip.
        let least = if before == 0 { tolerance } else { tolerance / 2 };
        let ahead = if ahead.abs() < least { 0 } else { ahead };
        let changed = (before == 0) != (ahead == 0) || before.abs_diff(ahead) >= tolerance.unsigned_abs();
        if changed {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
        changed
    }

    /// Seconds that the service is ahead of the system's clock, zero within the tolerance.
    #[must_use]
    pub fn correction(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed) / 1000
    }
}

/// `time` as date and time of day in UTC, limited to the years 1970 to 9999.
#[must_use]
pub fn calendar(time: SystemTime) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(TIME_LATEST)
}

/// The time by which rustls judges certificates and the age of sessions to resume.
impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let service = match self.verified_start.load(Ordering::Relaxed) {
            UNKNOWN => None,
            start => Some(start.saturating_add(millis(self.start.elapsed()))),
        };
        let millis = for_certificates(service, system_millis());
        Some(UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(millis).unwrap_or_default())))
    }
}

/// The earlier of the service's time, if an answer over TLS had it, and the system's; milliseconds since 1970.
pub(crate) fn for_certificates(service: Option<i64>, system: i64) -> i64 {
    service.map_or(system, |service| service.min(system))
}

/// Milliseconds since 1970 by the system's clock; 0 before that.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
fn system_millis() -> i64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    millis(since_1970.min(TIME_LATEST))
}

/// Milliseconds since 1970 of an RFC 2822 date; `None` if it is invalid or outside of the believable range.
fn believable(date: &str) -> Option<i64> {
    let seconds = OffsetDateTime::parse(date, &Rfc2822).ok()?.unix_timestamp();
    let since_1970 = Duration::from_secs(u64::try_from(seconds).ok()?);
    (DATE_EARLIEST..=DATE_LATEST).contains(&since_1970).then(|| millis(since_1970))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
