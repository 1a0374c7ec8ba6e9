//! When messages gather before they are read: each comes by a write of its own, and to wake up for it costs more than to take it.

use crate::limits::greengrass::{GATHER, GATHER_LEAST, GATHERED};
use crate::time::Duration;

/// How messages come.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// When some came last, counted as `now` is.
    heard: Duration,
    /// Those that were read since, while the socket held more.
    count: u32,
}

impl Gather {
    /// `count` messages came; `is_all`: the socket held no more; `now`: since whenever, finer than milliseconds. Returns how long the next ones may gather: until there are about
    /// [`GATHERED`], if they go on to come as they do.
    pub(super) fn came(&mut self, now: Duration, count: usize, is_all: bool) -> Duration {
        self.count = self.count.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if !is_all || self.count == 0 {
            return Duration::ZERO;
        }
        let count = core::mem::take(&mut self.count);
        let gap = now.saturating_sub(core::mem::replace(&mut self.heard, now));
        let wait = gap.min(GATHER) * GATHERED / count;
        if gap > 2 * GATHER { Duration::ZERO } else { wait.clamp(GATHER_LEAST, GATHER) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(1000);

    #[test]
    fn messages_that_come_one_soon_after_the_other_gather() {
        let mut gather = Gather::default();
        assert_eq!(gather.came(LATER, 1, true), Duration::ZERO, "nobody knows whether another comes");
        assert_eq!(gather.came(LATER + Duration::from_millis(2), 1, true), GATHER);
        assert_eq!(gather.came(LATER + Duration::from_millis(2) + GATHER, 10, true), GATHER);
        assert_eq!(gather.came(LATER + Duration::from_secs(1), 1, true), Duration::ZERO);
    }

    #[test]
    fn the_more_come_the_sooner_they_are_read() {
        let mut gather = Gather::default();
        gather.came(LATER, 1, true);
        let mut now = LATER + GATHER;
        let mut wait = gather.came(now, 4 * GATHERED as usize, true);
        assert_eq!(wait, GATHER / 4);
        for _ in 0..10 {
            now += wait;
            // Six in a millisecond, in two reads.
            let count = 6 * wait.as_millis() as usize;
            assert_eq!(gather.came(now, count / 2, false), Duration::ZERO, "there is more in the socket");
            wait = gather.came(now, count / 2, true);
        }
        assert_eq!(wait.as_millis(), u128::from(GATHERED / 6));
        let near = gather.came(now + Duration::from_micros(200), 1, true);
        assert_eq!(near, Duration::from_micros(200) * GATHERED, "five in a millisecond");
        let flood = gather.came(now + Duration::from_millis(1), 2 * GATHERED as usize, true);
        assert_eq!(flood, GATHER_LEAST, "as soon as the timer can say");
    }
}
