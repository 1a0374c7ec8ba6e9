//! When messages gather before they are read: each comes by a write of its own, and to wake up for it costs more than to take it.

use crate::limits::GATHER;
use crate::limits::greengrass::{GATHER_LEAST, GATHERED_BYTES, MESSAGE_OVERHEAD};
use crate::source::Received;
use crate::time::Duration;

/// How messages come.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// When some came last, counted as `now` is.
    heard: Duration,
    /// Bytes that the kernel held for those that were read since, while the socket held more.
    bytes: u32,
}

/// Bytes that the kernel holds for these until they are read, about.
pub(super) fn held(group: &[Received]) -> usize {
    group.iter().map(|received| received.payload.len() + MESSAGE_OVERHEAD).sum()
}

impl Gather {
    /// Messages came for which the kernel held so many `bytes`; `is_all`: the socket held no more; `now`: since whenever, finer than
    /// milliseconds. Returns how long the next ones may gather: until there are about [`GATHERED_BYTES`], if they go on to come as they
    /// do.
    pub(super) fn came(&mut self, now: Duration, bytes: usize, is_all: bool) -> Duration {
        self.bytes = self.bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if !is_all || self.bytes == 0 {
            return Duration::ZERO;
        }
        let bytes = core::mem::take(&mut self.bytes);
        let gap = now.saturating_sub(core::mem::replace(&mut self.heard, now));
        let wait = gap.min(GATHER) * GATHERED_BYTES / bytes;
        if gap > 2 * GATHER { Duration::ZERO } else { wait.clamp(GATHER_LEAST, GATHER) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(1000);
    const ONE: usize = 1024 + MESSAGE_OVERHEAD;
    const FULL: usize = GATHERED_BYTES as usize;

    #[test]
    fn messages_that_come_one_soon_after_the_other_gather() {
        let mut gather = Gather::default();
        assert_eq!(gather.came(LATER, ONE, true), Duration::ZERO, "nobody knows whether another comes");
        assert_eq!(gather.came(LATER + Duration::from_millis(10), ONE, true), GATHER);
        assert_eq!(gather.came(LATER + Duration::from_millis(10) + GATHER, 10 * ONE, true), GATHER);
        assert_eq!(gather.came(LATER + Duration::from_secs(1), ONE, true), Duration::ZERO);
    }

    #[test]
    fn the_more_come_the_sooner_they_are_read() {
        let mut gather = Gather::default();
        gather.came(LATER, ONE, true);
        let mut now = LATER + GATHER;
        let mut wait = gather.came(now, 4 * FULL, true);
        assert_eq!(wait, GATHER / 4);
        for _ in 0..10 {
            now += wait;
            // A sixth in a millisecond, in two reads.
            let bytes = FULL / 6 * wait.as_millis() as usize;
            assert_eq!(gather.came(now, bytes / 2, false), Duration::ZERO, "there is more in the socket");
            wait = gather.came(now, bytes / 2, true);
        }
        assert_eq!(wait.as_millis(), 6);
        let near = gather.came(now + Duration::from_micros(200), FULL / 50, true);
        assert_eq!(near, Duration::from_millis(10), "a tenth in a millisecond");
        let flood = gather.came(now + Duration::from_millis(1), 2 * FULL, true);
        assert_eq!(flood, GATHER_LEAST, "as soon as the timer can say");
    }

    #[test]
    fn what_gathers_fits_into_the_kernels_buffer_whatever_its_size() {
        // Of what wmem_default is, for messages of every size, an skb of about its size and 0.9 KB.
        for payload in [10, 100, 1024, 7000] {
            let count = GATHERED_BYTES as usize / (payload + MESSAGE_OVERHEAD);
            assert!(count * (payload + 900) <= 212_992 * 3 / 4, "{payload}");
        }
    }
}
