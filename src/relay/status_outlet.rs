//! Statuses on their way out: which message leaves next, and whether there is a broker to take it.

use super::{Relay, status};
use crate::limits::STATUS_ACKNOWLEDGED;
use crate::time::Instant;

impl Relay {
    /// Whether a status waits.
    #[must_use]
    pub const fn has_status(&self) -> bool {
        !self.statuses.is_empty()
    }

    /// Moves the next status message, of at most `limit` bytes, into `message`. Answers how many records it
    /// speaks of; zero: none waits.
    pub fn next_status(&mut self, limit: usize, message: &mut Vec<u8>) -> usize {
        let entries = self.statuses.next_message(&mut self.arena, limit, message);
        if entries > 0 {
            self.pause_ends = None;
        }
        entries
    }

    /// Queues what a status message tells once more, for a broker that takes shorter ones only.
    pub fn requeue_statuses(&mut self, message: &[u8]) {
        for entry in status::entries(message) {
            self.statuses.push_again(&mut self.arena, entry);
        }
        // Those of the spool may be among them.
        let below = self.statuses_queued();
        self.spool.statuses.iter_mut().for_each(|(acknowledged, _)| *acknowledged = below);
    }

    /// Statuses that have been queued since the start.
    fn statuses_queued(&self) -> u64 {
        self.statuses.taken() + self.statuses.waiting() as u64
    }

    /// Statuses that [`Relay::next_status`] has given since the start.
    #[must_use]
    pub const fn statuses_taken(&self) -> u64 {
        self.statuses.taken()
    }

    /// Says whether the broker takes statuses. While it does, batches wait for room for their statuses;
    /// while it does not, they are sent all the same.
    pub const fn set_broker_takes_statuses(&mut self, takes: bool) {
        self.room_until = if takes { Instant::NEVER } else { Instant::from_millis(0) };
        if takes && self.statuses.is_empty() {
            self.pause_ends = None;
        }
    }

    /// Says that the connection to the broker was lost. It may soon be back, so batches wait for room for their
    /// statuses for [`STATUS_ACKNOWLEDGED`] more; a broker that comes and goes and takes none of those that wait gets
    /// no more time by that.
    pub fn broker_lost(&mut self, now: Instant) {
        let end = *self.pause_ends.get_or_insert(now + STATUS_ACKNOWLEDGED);
        self.room_until = if self.draining { Instant::default() } else { self.room_until.min(end) };
    }

    /// Whether the broker takes statuses, see [`Relay::set_broker_takes_statuses`].
    #[must_use]
    pub fn broker_takes_statuses(&self) -> bool {
        self.room_until == Instant::NEVER
    }

    /// Says whether the source delivers the publishes that follow again if they are not taken. Then one that is refused
    /// without room for its status is [`Accepted::NotNow`](super::Accepted::NotNow) while the broker takes statuses, or
    /// did until a moment ago: it is to come when those that wait have left. Otherwise its status is counted as lost.
    pub const fn set_source_redelivers(&mut self, redelivers: bool) {
        self.source_redelivers = redelivers;
    }

    /// Statuses that wait to be taken by [`Relay::next_status`].
    #[must_use]
    pub const fn waiting_statuses(&self) -> usize {
        self.statuses.waiting()
    }

    /// Statuses that found no room, since the start.
    #[must_use]
    pub const fn lost_statuses(&self) -> u64 {
        self.statuses.lost()
    }
}
