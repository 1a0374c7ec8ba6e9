//! The clocks: monotonic time for every deadline, wall time for signatures and expiry, and wall time for certificates.
//!
//! The wall clock of a gateway may be years off. Each answer of the service carries the service's
//! time, and the difference is kept while it is large enough to break a signature. A clock that has
//! been set right needs no correction any more, so the next answer ends it.
//!
//! Without a good certificate there is no next answer, so what certificates are judged by must not depend on the system's
//! clock alone: it is also the service's time, carried on by monotonic time, which only an answer over TLS may set. Nor may it
//! depend on that alone, or one wrong answer would end all that come after it. So it is the earlier of the two: a certificate
//! has ended only when it has by both.
//!
//! What peers say is bounded before it is computed with, and so is the system's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc2822;
use rustls::{pki_types::UnixTime, time_provider::TimeProvider};

use crate::limits::{CLOCK_TOLERANCE, DATE_EARLIEST, DATE_LATEST, TIME_LATEST};
use crate::time::{Duration, Instant};

/// Clones tell the same time.
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

    /// When `instant` will be on the runtime's clock.
    #[must_use]
    pub fn at(&self, instant: Instant) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + Duration::from_millis(instant.as_millis()))
    }

    /// The wall time, as the service would tell it.
    #[must_use]
    pub fn wall(&self) -> SystemTime {
        let millis = system_millis().saturating_add(self.ahead.load(Ordering::Relaxed));
        let since_1970 = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
        SystemTime::UNIX_EPOCH + since_1970.min(TIME_LATEST)
    }

    /// Learns from the `Date` of an answer that has just come to a request sent at `sent`: the service wrote it about half-way in
    /// between. `verified`: it came over TLS. Answers whether the correction changed by more than the tolerance. A date before
    /// [`DATE_EARLIEST`] or after [`DATE_LATEST`] is nobody's time.
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
        // A correction in use ends later than a new one begins, so that a clock at the edge does not flip.
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

/// A time of day by the calendar, in UTC. Times before 1970 and after 9999 are the nearest that there is.
#[must_use]
pub fn calendar(time: SystemTime) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(TIME_LATEST)
}

/// What rustls judges certificates and the age of remembered sessions by.
impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let told = match self.verified_start.load(Ordering::Relaxed) {
            UNKNOWN => None,
            start => Some(start.saturating_add(millis(self.start.elapsed()))),
        };
        let millis = for_certificates(told, system_millis());
        Some(UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(millis).unwrap_or_default())))
    }
}

/// The earlier of what was told over TLS and what the system's clock says, milliseconds since 1970.
pub(crate) fn for_certificates(told: Option<i64>, system: i64) -> i64 {
    told.map_or(system, |told| told.min(system))
}

/// Milliseconds since 1970 by the system's clock; 0 before that.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
fn system_millis() -> i64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    millis(since_1970.min(TIME_LATEST))
}

/// The milliseconds since 1970 of a date that may be true.
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
