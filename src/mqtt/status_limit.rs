//! How long statuses may be at a broker that closes the connection when one is too long for it. MQTT 3.1.1 has no other way to say so,
//! and some brokers of version 5 do not announce what they take.

use crate::limits::STATUS_BYTES_LEAST;

/// What is known of the broker's limit, for the life of the process.
#[derive(Debug)]
pub(super) struct StatusLimit {
    /// Bytes of the longest status message that is sent.
    most: usize,
    /// Bytes of the longest that the broker had not acknowledged when it closed the last connection.
    suspected: usize,
}

impl Default for StatusLimit {
    fn default() -> Self {
        Self { most: usize::MAX, suspected: 0 }
    }
}

impl StatusLimit {
    /// Bytes of the longest status message at a broker that says it takes `most`.
    pub(super) fn of(&self, most: usize) -> usize {
        self.most.min(most)
    }

    /// The broker closed the connection without a reason. `longest`: bytes of the longest status that it had been sent over it and not
    /// acknowledged. Twice in a row is no chance: half of it is tried then.
    pub(super) fn closed_on(&mut self, longest: usize) {
        if longest <= STATUS_BYTES_LEAST {
            self.suspected = 0;
        } else if self.suspected == 0 {
            self.suspected = longest;
        } else {
            self.most = (longest / 2).max(STATUS_BYTES_LEAST);
            self.suspected = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_two_closed_connections_with_a_long_status_shorter_ones_are_sent() {
        let mut limit = StatusLimit::default();
        assert_eq!(limit.of(131_072), 131_072);
        limit.closed_on(40_000);
        assert_eq!(limit.of(131_072), 131_072, "once may be chance");
        limit.closed_on(0);
        limit.closed_on(40_000);
        assert_eq!(limit.of(131_072), 131_072, "without a long status it had another reason");
        limit.closed_on(40_000);
        assert_eq!(limit.of(131_072), 20_000);
        assert_eq!(limit.of(10_000), 10_000, "what the broker announces holds, too");
        for _ in 0..100 {
            limit.closed_on(limit.of(131_072));
        }
        assert_eq!(limit.of(131_072), STATUS_BYTES_LEAST, "ordinary statuses are never given up");
    }
}
