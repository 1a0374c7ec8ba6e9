//! Which batch goes next, and when.

use super::{Batch, BatchId, Relay};
use crate::limits::{BATCH_RECORDS, SINGLE_IN_FLIGHT, STATUS_ENTRY_BYTES, STREAMS};
use crate::time::{Duration, Instant};

impl Relay {
    /// The next batch to send, if one is due. Ask again until there is none.
    pub fn poll_send(&mut self, now: Instant) -> Option<BatchId> {
        let slot = self.free_slot()?;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let index = (0..STREAMS).map(|step| (self.turn + step) % STREAMS).find(|index| due(self.due(*index)))?;
        self.turn = (index + 1) % STREAMS;
        let records = self.streams[index].as_mut()?.cut(&mut self.arena, self.single);
        self.batches[slot] = Some(Batch { records, single: self.single, stream: index });
        Some(BatchId(slot))
    }

    /// When to ask [`Relay::poll_send`] again, if nothing else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.free_slot()?;
        (0..STREAMS).filter_map(|index| self.due(index)).min()
    }

    fn due(&self, index: usize) -> Option<Instant> {
        let stream = self.streams[index].as_ref()?;
        let (window, batch) = if self.single { (SINGLE_IN_FLIGHT, 1) } else { (1, BATCH_RECORDS) };
        if stream.requests >= window || !self.statuses_have_room(batch) {
            return None;
        }
        stream.due(&self.arena, if self.draining { Duration::ZERO } else { self.publish_interval })
    }

    fn statuses_have_room(&self, records: usize) -> bool {
        let in_flight: usize = self.batches.iter().flatten().map(|batch| batch.records.len()).sum();
        let needed = (in_flight + records) * STATUS_ENTRY_BYTES;
        !self.statuses_leave || self.statuses.is_empty() || self.statuses.room() >= needed
    }

    fn free_slot(&self) -> Option<usize> {
        self.batches[..self.connections].iter().position(Option::is_none)
    }
}
