//! The clocks: monotonic time for every deadline, wall time for signatures and expiry, and wall time for certificates.
//!
//! The wall clock of a gateway may be years off. Each answer of the service carries the service's
//! time, and the difference is kept while it is large enough to break a signature. A clock that has
//! been set right needs no correction any more, so the next answer ends it.
//!
//! Without a good certificate there is no next answer, so what certificates are judged by must not move with the
//! system's clock: it is the service's time, carried on by monotonic time. Only an answer over TLS may set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc2822;
use rustls::{pki_types::UnixTime, time_provider::TimeProvider};

use crate::limits::CLOCK_TOLERANCE;
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
        shifted(system_time(), self.ahead.load(Ordering::Relaxed))
    }

    /// The wall time for certificates: the service's, if it was ever told over TLS, or else the system's.
    #[must_use]
    pub fn verified_wall(&self) -> SystemTime {
        match self.verified_start.load(Ordering::Relaxed) {
            UNKNOWN => system_time(),
            start => shifted(SystemTime::UNIX_EPOCH, start) + self.start.elapsed(),
        }
    }

    /// Learns from the `Date` of an answer that has just come to a request sent at `sent`: the service wrote it about half-way in
    /// between. `verified`: it came over TLS. Answers whether the correction changed by more than the tolerance.
    pub fn learn(&self, date: &str, sent: Instant, verified: bool) -> bool {
        let Ok(date) = OffsetDateTime::parse(date, &Rfc2822) else { return false };
        let date = SystemTime::from(date);
        let age = self.now().since(sent) / 2;
        if verified {
            let start = signed_millis(date, SystemTime::UNIX_EPOCH + self.start.elapsed() - age);
            self.verified_start.store(start, Ordering::Relaxed);
        }
        let ahead = signed_millis(date, system_time() - age);
        let tolerance = i64::try_from(CLOCK_TOLERANCE.as_millis()).unwrap_or(i64::MAX);
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

/// What rustls judges certificates and the age of remembered sessions by.
impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let since_1970 = self.verified_wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Some(UnixTime::since_unix_epoch(since_1970))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
fn system_time() -> SystemTime {
    SystemTime::now()
}

fn shifted(time: SystemTime, millis: i64) -> SystemTime {
    let by = Duration::from_millis(millis.unsigned_abs());
    let shifted = if millis < 0 { time.checked_sub(by) } else { time.checked_add(by) };
    shifted.unwrap_or(time)
}

fn signed_millis(later: SystemTime, earlier: SystemTime) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    match later.duration_since(earlier) {
        Ok(ahead) => millis(ahead),
        Err(behind) => -millis(behind.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http_date(time: SystemTime) -> String {
        let date = OffsetDateTime::from(time);
        let (day, month) = (&date.weekday().to_string()[..3], &date.month().to_string()[..3]);
        let (hour, minute, second) = date.to_hms();
        format!("{day}, {:02} {month} {} {hour:02}:{minute:02}:{second:02} GMT", date.day(), date.year())
    }

    #[test]
    fn a_wrong_clock_is_corrected_and_a_right_one_left_alone() {
        let clock = Clock::default();
        let hour = Duration::from_secs(3600);
        assert!(clock.learn(&http_date(system_time() + hour), clock.now(), false));
        let ahead = signed_millis(clock.wall(), system_time());
        assert!((3_598_000..=3_600_100).contains(&ahead), "{ahead}");
        assert!(!clock.learn(&http_date(system_time() + hour), clock.now(), false), "nothing new");
        assert!(clock.learn(&http_date(system_time()), clock.now(), false), "set right");
        assert_eq!(clock.correction(), 0);
    }

    #[test]
    fn a_clock_at_1970_is_corrected_by_decades_and_nonsense_changes_nothing() {
        let clock = Clock::default();
        assert!(clock.learn("Thu, 01 Jan 1970 00:00:00 GMT", clock.now(), false));
        assert!(clock.correction() < -1_700_000_000);
        for nonsense in ["", "yesterday", "Thu, 99 Jan 1970 00:00:00 GMT"] {
            assert!(!clock.learn(nonsense, clock.now(), false));
        }
    }

    #[test]
    fn only_an_answer_over_tls_sets_the_time_for_certificates() {
        let clock = Clock::default();
        let year = Duration::from_secs(365 * 24 * 3600);
        assert!(clock.learn(&http_date(system_time() + year), clock.now(), false));
        let ahead = signed_millis(clock.verified_wall(), system_time());
        assert!(ahead.abs() < 1000, "{ahead}");

        assert!(!clock.learn(&http_date(system_time() + year), clock.now(), true), "signatures know it already");
        let ahead = signed_millis(clock.verified_wall(), system_time() + year);
        assert!(ahead.abs() < 3000, "{ahead}");
        let judged = clock.clone().current_time().unwrap().as_secs();
        assert!(judged.abs_diff(unix(clock.verified_wall())) <= 1);

        clock.learn(&http_date(system_time()), clock.now(), true);
        let ahead = signed_millis(clock.verified_wall(), system_time());
        assert!(ahead.abs() < 3000, "{ahead}");
    }

    fn unix(time: SystemTime) -> u64 {
        time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }
}
