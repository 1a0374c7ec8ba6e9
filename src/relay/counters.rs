//! What is counted about records.

use super::refusal::Refusal;

/// Records since the start. `failed` is the sum of the three that are named after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Publishes taken from the broker on the connector's topics.
    pub received: u64,
    /// Records the service took.
    pub succeeded: u64,
    /// Packs in which it took them: what is billed.
    pub packs: u64,
    /// Records that ended in a `fail` status.
    pub failed: u64,
    /// Of these, those whose publish was wrong, see [`Refusal`].
    pub failed_invalid: u64,
    /// Of these, those that found no room.
    pub failed_full: u64,
    /// Of these, those that were held and could not be delivered: refused by the service, without an endpoint, or left
    /// when the connector stopped.
    pub failed_undelivered: u64,
    /// Times that a record went back to the end of its queue.
    pub retried: u64,
    /// Publishes that came again and were recognised.
    pub redelivered: u64,
    /// Publishes that were acknowledged although their records were only held, because delivery waited.
    pub acknowledged_held: u64,
    /// Times that a record left the memory for the spool, where it stays.
    pub spooled: u64,
    /// Times that a record came back from there.
    pub read_back: u64,
}

impl Counters {
    pub(super) const fn refused(&mut self, refusal: &Refusal<'_>) {
        self.failed += 1;
        if refusal.is_for_room() {
            self.failed_full += 1;
        } else {
            self.failed_invalid += 1;
        }
    }

    pub(super) const fn undelivered(&mut self, records: usize) {
        self.failed += records as u64;
        self.failed_undelivered += records as u64;
    }
}
