//! Which batch goes next, and when.

use super::cut::Cut;
use super::{Batch, BatchId, Relay};
use crate::limits::{
    BATCH_RECORDS, ID_JSON_BYTES, SINGLE_IN_FLIGHT, STATUS_ENTRY_BYTES, STATUS_QUEUE_BYTES_MIN, STREAMS,
};
use crate::time::{Duration, Instant};

/// Room for less is not worth a request. An empty status queue has it.
const FULL_BATCH_STATUSES: usize = BATCH_RECORDS * STATUS_ENTRY_BYTES;
const _: () = assert!(FULL_BATCH_STATUSES >= ID_JSON_BYTES + STATUS_ENTRY_BYTES, "any record can be answered");
const _: () = assert!(FULL_BATCH_STATUSES * 3 / 2 < STATUS_QUEUE_BYTES_MIN);

impl Relay {
    /// The next batch to send, if one is due. Ask again until there is none.
    pub fn poll_send(&mut self, now: Instant) -> Option<BatchId> {
        let slot = self.free_slot()?;
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let index = (0..STREAMS).map(|step| (self.next_stream + step) % STREAMS).find(|index| due(self.due(*index)))?;
        self.next_stream = (index + 1) % STREAMS;
        let alone = due(self.due_alone(index));
        let room = if self.waits_for_room(now) { self.status_room() } else { usize::MAX };
        let stream = self.streams[index].as_mut()?;
        let Cut { records, packs, encoded, .. } = match alone {
            true => stream.cut_alone(&mut self.arena),
            false => stream.cut(&mut self.arena, self.single, room),
        };
        let (packing, single) = (self.packing, self.single);
        self.batches[slot] =
            Some(Batch { records, packs, encoded, packing, single, alone, stream: index, cut_at: now });
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
        let window = if self.single { SINGLE_IN_FLIGHT } else { 1 };
        let interval = if self.draining { Duration::ZERO } else { self.publish_interval };
        let batch = stream.due(&self.arena, interval, self.early()).filter(|_| stream.requests < window);
        let batch = batch.and_then(|at| self.with_status_room(at));
        batch.into_iter().chain(self.due_alone(index)).min()
    }

    /// When a record of this stream that waits alone is due.
    fn due_alone(&self, index: usize) -> Option<Instant> {
        self.streams[index].as_ref()?.due_alone().and_then(|at| self.with_status_room(at))
    }

    /// When what is due `at` some time may be sent, so that there is room for its statuses as long as that is waited
    /// for.
    fn with_status_room(&self, at: Instant) -> Option<Instant> {
        let at = if self.has_status_room() { at } else { at.max(self.room_until) };
        (at < Instant::NEVER).then_some(at)
    }

    /// Whether statuses have to have room, because the broker is there to take them, or was until a moment ago.
    #[must_use]
    pub fn waits_for_room(&self, now: Instant) -> bool {
        now < self.room_until
    }

    /// Whether there is room for the statuses of another batch, which an empty status queue has when no batch is in
    /// flight.
    #[must_use]
    pub fn has_status_room(&self) -> bool {
        self.status_room() >= FULL_BATCH_STATUSES
    }

    /// Bytes for the statuses of the next batch, beside those that wait and those of the batches in flight.
    pub(super) fn status_room(&self) -> usize {
        self.statuses.room().saturating_sub(self.promised())
    }

    /// Bytes for the statuses of the batches in flight.
    pub(super) fn promised(&self) -> usize {
        self.batches.iter().flatten().map(|batch| batch.records.statuses()).sum()
    }

    fn free_slot(&self) -> Option<usize> {
        self.batches[..self.connections].iter().position(Option::is_none)
    }
}
