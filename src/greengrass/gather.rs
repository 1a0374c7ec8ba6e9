//! When messages gather before they are read: each comes by a write of its own, and to wake up for it costs more than to take it.

use crate::limits::greengrass::{GATHER, GATHERED};
use crate::time::Instant;

/// How messages come.
#[derive(Debug, Default)]
pub(super) struct Gather {
    heard: Instant,
    status_sent: Instant,
}

impl Gather {
    /// A status is under way. Its answer comes over the same socket, and the next status waits for it.
    pub(super) const fn status_sent(&mut self, now: Instant) {
        self.status_sent = now;
    }

    /// `count` messages came; `is_all`: the socket held no more. Returns whether the next ones may gather for [`GATHER`].
    pub(super) fn came(&mut self, now: Instant, count: usize, is_all: bool) -> bool {
        let gap = now.since(core::mem::replace(&mut self.heard, now));
        is_all && count <= GATHERED && gap <= 2 * GATHER && now.since(self.status_sent) > GATHER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    const LATER: Instant = Instant::from_millis(1_000_000);

    #[test]
    fn messages_that_come_one_soon_after_the_other_gather() {
        let mut gather = Gather::default();
        assert!(!gather.came(LATER, 1, true), "nobody knows whether another comes");
        assert!(gather.came(LATER + Duration::from_millis(2), 1, true));
        assert!(gather.came(LATER + Duration::from_millis(2) + GATHER, 10, true));
        assert!(!gather.came(LATER + Duration::from_secs(1), 1, true));
    }

    #[test]
    fn many_messages_are_read_at_once() {
        let mut gather = Gather::default();
        gather.came(LATER, 1, true);
        assert!(!gather.came(LATER, GATHERED + 1, true));
        assert!(!gather.came(LATER, 1, false), "there is more in the socket");
        assert!(gather.came(LATER, GATHERED, true));
    }

    #[test]
    fn while_statuses_go_out_nothing_gathers() {
        let mut gather = Gather::default();
        gather.came(LATER, 1, true);
        gather.status_sent(LATER);
        assert!(!gather.came(LATER + GATHER, 1, true));
        assert!(gather.came(LATER + 2 * GATHER, 1, true));
    }
}
