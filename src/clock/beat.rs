//! Points in time at which a wait costs one wake-up.
//!
//! The runtime keeps deadlines in slots of 64 ms from its start, and sorts a slot when it begins: a deadline inside a slot costs
//! two wake-ups, one on a boundary costs one.

use tokio::time::{Duration, Instant};

/// A slot (tokio, `runtime/time/wheel`).
const SLOT: Duration = Duration::from_millis(64);

/// The slots of the runtime, by the time at which the first one began.
#[derive(Debug, Clone, Copy)]
pub struct Beat(Instant);

impl Beat {
    /// For a runtime that was built within a millisecond after `start`.
    #[must_use]
    pub const fn new(start: Instant) -> Self {
        Self(start)
    }

    /// The last boundary that is not after `at`.
    #[must_use]
    pub fn before(self, at: Instant) -> Instant {
        let millis = (at - self.0).as_millis() / SLOT.as_millis() * SLOT.as_millis();
        self.0 + Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    }

    /// The end of a rest that begins `now` and is to last so long at most: on a boundary if that is not far too soon.
    #[must_use]
    pub fn end_of_rest(self, now: Instant, longest: Duration) -> Instant {
        let end = self.before(now + longest);
        if end > now + longest / 3 { end } else { now + longest }
    }

    /// The first boundary that is not before `at`.
    #[must_use]
    pub fn after(self, at: Instant) -> Instant {
        let slot = self.before(at);
        if slot < at { slot + SLOT } else { at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slots_around_a_time_are_found() {
        let start = Instant::now();
        let beat = Beat::new(start);
        let millis = |millis| start + Duration::from_millis(millis);
        for (at, before, after) in [(0, 0, 0), (1, 0, 64), (63, 0, 64), (64, 64, 64), (1000, 960, 1024)] {
            assert_eq!((beat.before(millis(at)), beat.after(millis(at))), (millis(before), millis(after)));
        }
        for (longest, end) in [(128, 128), (150, 128), (64, 64), (60, 64), (5, 10), (0, 5)] {
            assert_eq!(beat.end_of_rest(millis(5), Duration::from_millis(longest)), millis(end), "{longest}");
        }
        let late = millis(64) + Duration::from_micros(1);
        assert_eq!((beat.before(late), beat.after(late)), (millis(64), millis(128)));
    }
}
