//! Which records go to the spool, and when. The relay only decides; the keeper carries records to the spool and back.
//!
//! - **To the spool** ([`Relay::spool_due`]) goes what the uplink does not take: all records of a delivery stream that
//!   has failed for [`SPOOL_AFTER`], or for [`SPOOL_WAITED_FOR`] when the source may be waiting; all records at all,
//!   when the source waits and nothing has been delivered for as long; the records that wait while memory, or their
//!   queue, is more than three quarters full; and after SIGTERM all that could not be sent within [`SPOOL_DRAINING`]. A
//!   publish is safe when its record is synced ([`Relay::spooled`]).
//! - **In memory** a record stays when the spool has it, and is sent on from there. It leaves ([`Relay::unload`]) when
//!   memory is short, or its delivery stream fails; but [`PROBES`] of such a stream stay, whose delivery shows when it
//!   has recovered.
//! - **Back** ([`Relay::take_back`]) come the oldest first, as long as a third of the memory is free, two batches of a
//!   delivery stream at most. They make up half of each batch, new records the other half; where one kind is short, the
//!   other fills up. Records of a stream that fails are passed over, and read in another pass when it has recovered.

use super::Relay;
use super::arena::Arena;
use super::queue::RecordQueue;
use super::record::{Place, Record};
use super::refusal::Refusal;
use super::status::{Id, Status};
use crate::limits::{
    BLOCK_BYTES, PROBES, PUBLISHES_BYTES, SPOOL_AFTER, SPOOL_DRAINING, SPOOL_WAITED_FOR, STATUS_ENTRY_BYTES, STREAMS,
    UNACKNOWLEDGED,
};
use crate::time::Instant;

/// Blocks that one more group of publishes may take before the next decision.
pub(super) const GROUP_BLOCKS: usize = 2 * PUBLISHES_BYTES / BLOCK_BYTES;

/// Whether there is a spool, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpoolState {
    /// There is none, or its disk fails.
    #[default]
    Off,
    /// It takes records.
    Takes,
    /// It is full.
    Full {
        /// `FIREHOSE_CONNECTOR_SPOOL_SIZE`, KB.
        kib: u64,
    },
}

impl SpoolState {
    /// Why a record found no room: with a spool that is full, that is the reason.
    pub(super) fn instead_of(self, refusal: Refusal<'_>) -> Refusal<'_> {
        match (self, &refusal) {
            (Self::Full { kib }, Refusal::QueueFull { .. } | Refusal::MemoryFull) => Refusal::SpoolFull { kib },
            _ => refusal,
        }
    }
}

/// A record that ended while the spool had it, or was writing it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The spool has it, at this place.
    Spooled(u64),
    /// The spool is writing it, so that its place is not known yet.
    Writing(Record),
}

/// What the relay knows of the spool.
#[derive(Debug, Default)]
pub(super) struct SpoolSide {
    pub(super) state: SpoolState,
    /// When all that is held begins to go there, because the connector stops.
    pub(super) all_from: Option<Instant>,
    pub(super) ended: Vec<Ended>,
    /// Delivery streams, a bit for each, with records that this pass through the spool has passed over.
    pub(super) left: u32,
    /// Records were passed over because there are too many delivery streams.
    pub(super) left_nameless: bool,
    /// Statuses were passed over.
    pub(super) left_statuses: bool,
    /// Messages with statuses that came back: the broker has them when it has acknowledged so many statuses since the
    /// start, and their places.
    pub(super) statuses: Vec<(u64, u64)>,
}

/// The delivery streams whose records go to the spool, a bit for each.
#[derive(Debug, Clone, Copy, Default)]
struct Due {
    /// All that it holds.
    all: u32,
    /// Those that wait for a batch.
    waiting: u32,
    /// Those that are set aside.
    aside: u32,
}

impl Relay {
    /// Says whether there is a spool, and what it takes.
    pub const fn set_spooling(&mut self, state: SpoolState) {
        self.spool.state = state;
    }

    /// The connector is stopping: what is still held after [`SPOOL_DRAINING`] goes to the spool.
    pub fn spool_before_end(&mut self, now: Instant) {
        self.spool.all_from.get_or_insert(now + SPOOL_DRAINING);
    }

    /// The time to stop is over: all that is held goes to the spool now.
    pub fn spool_at_end(&mut self) {
        self.spool.all_from = Some(Instant::default());
    }

    /// Gives `append` the records that are to go to the spool, with the ARN of their delivery stream, oldest first,
    /// until it returns false. For each that it took, [`Relay::spooled`] or [`Relay::not_spooled`] has to follow.
    pub fn spool_due(&mut self, now: Instant, append: &mut dyn FnMut(&Arena, &str, Record) -> bool) {
        if self.spool.state != SpoolState::Takes {
            return;
        }
        let (due, is_stuck) = self.due_for_spool(now);
        let is_last = self.draining && !self.broker_takes_statuses();
        let mut count = 0_u32;
        for index in 0..STREAMS {
            let is_in = |set: u32| set >> index & 1 == 1;
            let Some(stream) = &self.streams[index] else { continue };
            let (arena, receipts) = (&mut self.arena, &self.receipts);
            let mut show = |arena: &mut Arena, record: Record| {
                // Its acknowledgement cannot leave any more, so the source sends it to the next process, which would
                // have it twice.
                let will_be_redelivered =
                    || record.receipt(arena).is_some_and(|number| receipts.will_be_redelivered(number));
                let is_new = record.place(arena) == Place::Memory && !(is_last && will_be_redelivered());
                if is_new && !append(arena, stream.arn(), record) {
                    return false;
                }
                if is_new {
                    record.set_writing(arena, true);
                    count += 1;
                }
                true
            };
            let in_flight = self.batches.iter().flatten().filter(|batch| batch.stream == index);
            let goes_on = (!is_in(due.all) || in_flight.map(|batch| batch.records).all(|it| it.each(arena, &mut show)))
                && (!is_in(due.all | due.aside) || stream.aside.each(arena, &mut show))
                && (!is_in(due.all | due.waiting) || stream.waiting.each(arena, &mut show));
            if !goes_on {
                break;
            }
        }
        self.progress.stuck |= is_stuck && count > 0;
    }

    fn due_for_spool(&self, now: Instant) -> (Due, bool) {
        let mut due = Due::default();
        let source_waits = self.source_waits(now);
        let is_stuck = source_waits && self.is_stuck(now);
        let is_end = self.spool.all_from.is_some_and(|from| from <= now);
        if is_stuck || is_end || self.receipts.outstanding() >= UNACKNOWLEDGED / 4 * 3 {
            due.all = u32::MAX;
        }
        let mut largest = (0, 0);
        for (index, stream) in self.streams.iter().enumerate() {
            let Some(stream) = stream else { continue };
            let bit = 1 << index;
            let failed_for = |time| stream.failing_since().is_some_and(|since| now.since(since) >= time);
            if failed_for(SPOOL_AFTER) || source_waits && failed_for(SPOOL_WAITED_FOR) {
                due.all |= bit;
            }
            if source_waits && !stream.aside.is_empty() {
                due.aside |= bit;
            }
            if stream.held() > self.queue_size / 4 * 3 {
                due.waiting |= bit;
            }
            largest = largest.max((stream.waiting.encoded(), bit));
        }
        let (free, all) = self.record_blocks();
        if free < all / 4 + GROUP_BLOCKS {
            due.waiting |= largest.1;
        }
        (due, is_stuck)
    }

    /// When [`Relay::spool_due`] has something to do, if nothing happens before.
    #[must_use]
    pub fn spool_timeout(&self, now: Instant) -> Option<Instant> {
        let failing = self.streams.iter().flatten().filter_map(|stream| stream.failing_since());
        let failing = failing.flat_map(|since| [since + SPOOL_WAITED_FOR, since + SPOOL_AFTER]);
        failing.chain(self.spool.all_from).filter(|at| *at > now).min()
    }

    /// Records that [`Relay::spool_due`] gave to the spool are synced, at these places.
    pub fn spooled(&mut self, now: Instant, records: impl Iterator<Item = (Record, u64)>) {
        let (safe, outstanding) = (self.receipts.safe(), self.receipts.outstanding());
        for (record, place) in records {
            if let Some(number) = record.receipt(&self.arena) {
                self.receipts.settle(number);
            }
            record.set_spooled(&mut self.arena, place);
        }
        self.advanced(now, safe, outstanding);
    }

    /// Records that [`Relay::spool_due`] gave to the spool could not be written: memory alone has them, as before.
    pub fn not_spooled(&mut self, records: impl Iterator<Item = Record>) {
        records.for_each(|record| record.set_writing(&mut self.arena, false));
    }

    /// Releases records from memory that the spool has, as far as memory is short or their delivery stream fails.
    /// `forget` is called with the place of each, and returns whether this pass through the spool is past it.
    pub fn unload(&mut self, now: Instant, forget: &mut dyn FnMut(u64) -> bool) {
        if self.spool.all_from.is_some() {
            return;
        }
        let (free, all) = self.record_blocks();
        let is_short = free < all / 4 + GROUP_BLOCKS;
        let goal = all / 2 + self.statuses.reserve();
        for index in 0..STREAMS {
            let has_failed = self.has_failed(index, now);
            let Some(stream) = &mut self.streams[index] else { continue };
            let arena = &mut self.arena;
            let mut excess = match stream.held() > self.queue_size / 4 * 3 {
                true => stream.held() - self.queue_size / 2,
                false => 0,
            };
            let mut spooled = RecordQueue::default();
            if has_failed && stream.backlog.len() > PROBES {
                spooled = core::mem::take(&mut stream.backlog);
            }
            if has_failed || is_short || excess > 0 {
                let mut waiting = core::mem::take(&mut stream.waiting);
                while let Some(record) = waiting.pop(arena) {
                    let goes = is_short && arena.free() < goal || excess > 0;
                    match record.place(arena) {
                        Place::Spooled(_) if has_failed => spooled.push(arena, record),
                        Place::Spooled(place) if goes => {
                            excess = excess.saturating_sub(1);
                            self.spool.left |= u32::from(forget(place)) << index;
                            self.counters.spooled += 1;
                            record.release(arena);
                        }
                        _ => stream.waiting.push(arena, record),
                    }
                }
            }
            while let Some(record) = spooled.pop(arena) {
                match record.place(arena) {
                    Place::Spooled(place) if stream.backlog.len() >= PROBES => {
                        self.spool.left |= u32::from(forget(place)) << index;
                        self.counters.spooled += 1;
                        record.release(arena);
                    }
                    _ => stream.backlog.push(arena, record),
                }
            }
            self.retire(index);
        }
    }

    /// Records that ended while the spool had them, since this was asked last.
    pub fn ended(&mut self) -> impl Iterator<Item = Ended> + use<'_> {
        self.spool.ended.drain(..)
    }

    /// Whether the source may be waiting for acknowledgements.
    #[must_use]
    pub fn source_waits(&self, now: Instant) -> bool {
        self.source_waits_from().is_some_and(|at| at <= now)
    }

    /// Whether memory, a queue, or the number of unacknowledged publishes is so near its bound that publishes should
    /// wait until the spool has written.
    #[must_use]
    pub fn is_nearly_full(&self) -> bool {
        let (free, all) = self.record_blocks();
        let is_full = |stream: &super::DeliveryStream| stream.held() >= self.queue_size / 8 * 7;
        free < all / 8 + GROUP_BLOCKS
            || self.receipts.outstanding() >= UNACKNOWLEDGED / 8 * 7
            || self.streams.iter().flatten().any(is_full)
    }

    /// A record ended: releases it, and has its publish acknowledged. Returns whether one waited for that.
    pub(super) fn end(&mut self, record: Record) -> bool {
        match record.place(&self.arena) {
            Place::Memory => {}
            Place::Writing => self.spool.ended.push(Ended::Writing(record)),
            Place::Spooled(place) => self.spool.ended.push(Ended::Spooled(place)),
        }
        let receipt = record.receipt(&self.arena);
        if let Some(number) = receipt {
            self.receipts.settle(number);
        }
        record.release(&mut self.arena);
        receipt.is_some()
    }

    /// The spool is full and the source waits: lets at most `count` waiting records fail, oldest first, of the delivery
    /// streams whose bit in `streams` is set. Those that the spool has stay.
    pub(super) fn refuse_held(&mut self, now: Instant, count: usize, streams: u32, kib: u64) {
        let (safe, outstanding) = (self.receipts.safe(), self.receipts.outstanding());
        let mut left = count;
        for index in 0..STREAMS {
            if streams >> index & 1 == 0 {
                continue;
            }
            let Some(stream) = &mut self.streams[index] else { continue };
            let mut waiting = core::mem::take(&mut stream.waiting);
            while let Some(record) = waiting.pop(&self.arena) {
                let is_refused = left > 0
                    && record.place(&self.arena) == Place::Memory
                    && self.status_room() > 2 * STATUS_ENTRY_BYTES;
                if is_refused {
                    let refusal = Refusal::SpoolFull { kib };
                    self.statuses.push(&mut self.arena, Id::Of(record), Status::Refused(&refusal));
                    self.counters.refused(&refusal);
                    self.end(record);
                    left -= 1;
                } else if let Some(stream) = &mut self.streams[index] {
                    stream.waiting.push(&mut self.arena, record);
                }
            }
            self.retire(index);
        }
        self.advanced(now, safe, outstanding);
        self.check_conservation();
    }

    /// Whether a delivery stream has failed for [`SPOOL_AFTER`].
    pub(super) fn has_failed(&self, index: usize, now: Instant) -> bool {
        let since = self.streams[index].as_ref().and_then(super::DeliveryStream::failing_since);
        since.is_some_and(|since| now.since(since) >= SPOOL_AFTER)
    }

    /// Blocks for records: the free ones, and all.
    pub(super) fn record_blocks(&self) -> (usize, usize) {
        let free = self.arena.free().saturating_sub(self.statuses.reserve());
        (free, self.arena.blocks().saturating_sub(self.statuses.most()))
    }
}
