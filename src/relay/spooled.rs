//! Which records go to the spool, which come back, and when. The spool itself is the caller's, who is asked and told.
//!
//! - **To the spool** ([`Relay::spool_due`]) goes what the uplink does not take: all of a delivery stream that has failed for
//!   [`SPOOL_AFTER`], or for [`SPOOL_WAITED_FOR`] when the source may be waiting; everything, when the source waits and nothing has
//!   been delivered for as long; what fills the memory, or its queue, by more than three
//!   quarters; and after SIGTERM what could not be sent within [`SPOOL_DRAINING`]. A publish is safe when its
//!   record is synced ([`Relay::spooled`]).
//! - **In memory** a record that is safe may be sent on. Of a delivery stream that fails, or where memory is short, it is
//!   forgotten ([`Relay::unload`]), but for [`PROBES`] of each, by which is seen when the service takes records again.
//! - **Back** ([`Relay::take_back`], `read_back`) come the oldest first, as long as a third of the memory is free, two batches of a
//!   delivery stream at most. Half of each batch are such, half are new; if there are not as many of one kind, more of the other.
//!   What belongs to a stream that fails is left and the others go on; all of it comes again, in order, when it recovers.

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

/// Blocks that the next publishes may take before anything can be done.
pub(super) const GROUP: usize = 2 * PUBLISHES_BYTES / BLOCK_BYTES;

/// Whether there is a spool, and what it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spooling {
    /// There is none, or its disk fails.
    #[default]
    Off,
    /// It takes records.
    Takes,
    /// It is full, with so many KB.
    Full {
        /// `FIREHOSE_CONNECTOR_SPOOL_SIZE`.
        kib: u64,
    },
}

impl Spooling {
    /// Why a record finds no room, in the end.
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
    /// At this place.
    Spooled(u64),
    /// The place is not known yet.
    Writing(Record),
}

/// What is known of the spool.
#[derive(Debug, Default)]
pub(super) struct SpoolSide {
    pub(super) state: Spooling,
    /// From then on all that is held goes there.
    pub(super) all_from: Option<Instant>,
    pub(super) ended: Vec<Ended>,
    /// Delivery streams, a bit for each, of which records were left, or came again too late to be read.
    pub(super) left: u32,
    /// Records were left because there are too many delivery streams.
    pub(super) left_nameless: bool,
    /// Statuses were left.
    pub(super) left_statuses: bool,
}

/// Which records go to the spool, a bit for each delivery stream.
#[derive(Debug, Clone, Copy, Default)]
struct Due {
    all: u32,
    waiting: u32,
    aside: u32,
}

impl Relay {
    /// Says whether there is a spool, and what it takes.
    pub const fn set_spooling(&mut self, state: Spooling) {
        self.spool.state = state;
    }

    /// The connector was told to end: what is held then goes to the spool soon.
    pub fn spool_before_end(&mut self, now: Instant) {
        self.spool.all_from.get_or_insert(now + SPOOL_DRAINING);
    }

    /// There is no more time: what is held goes to the spool now.
    pub fn spool_at_end(&mut self) {
        self.spool.all_from = Some(Instant::default());
    }

    /// Shows the records that are to go to the spool to `append`, with their delivery streams, oldest first, until it takes no
    /// more. Those that it takes are to be told of by [`Relay::spooled`] or [`Relay::not_spooled`].
    pub fn spool_due(&mut self, now: Instant, append: &mut dyn FnMut(&Arena, &str, Record) -> bool) {
        if self.spool.state != Spooling::Takes {
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
                // What cannot be acknowledged any more would come twice.
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
        if free < all / 4 + GROUP {
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

    /// Records that [`Relay::spool_due`] gave away are safe now, at these places.
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

    /// Records that [`Relay::spool_due`] gave away are not in the spool.
    pub fn not_spooled(&mut self, records: impl Iterator<Item = Record>) {
        records.for_each(|record| record.set_writing(&mut self.arena, false));
    }

    /// Forgets records that need not be in memory, because the spool has them. `forget` gets their places, and answers whether
    /// the spool has passed them.
    pub fn unload(&mut self, now: Instant, forget: &mut dyn FnMut(u64) -> bool) {
        if self.spool.all_from.is_some() {
            return;
        }
        let (free, all) = self.record_blocks();
        let is_short = free < all / 4 + GROUP;
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

    /// Records that ended since this was asked last, while the spool had them.
    pub fn ended(&mut self) -> impl Iterator<Item = Ended> + use<'_> {
        self.spool.ended.drain(..)
    }

    /// Whether the source may be waiting for acknowledgements.
    #[must_use]
    pub fn source_waits(&self, now: Instant) -> bool {
        self.source_waits_from().is_some_and(|at| at <= now)
    }

    /// Whether memory is so short that what comes should wait until the spool has written.
    #[must_use]
    pub fn is_nearly_full(&self) -> bool {
        let (free, all) = self.record_blocks();
        let is_full = |stream: &super::DeliveryStream| stream.held() >= self.queue_size / 8 * 7;
        free < all / 8 + GROUP
            || self.receipts.outstanding() >= UNACKNOWLEDGED / 8 * 7
            || self.streams.iter().flatten().any(is_full)
    }

    /// A record ended. Answers whether somebody waited for that.
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

    /// The spool is full and the source waits: at most `count` records of `streams` that only memory has fail, oldest first.
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

    pub(super) fn has_failed(&self, index: usize, now: Instant) -> bool {
        let since = self.streams[index].as_ref().and_then(super::DeliveryStream::failing_since);
        since.is_some_and(|since| now.since(since) >= SPOOL_AFTER)
    }

    /// Blocks for records that are free, and that there are.
    pub(super) fn record_blocks(&self) -> (usize, usize) {
        let free = self.arena.free().saturating_sub(self.statuses.reserve());
        (free, self.arena.blocks().saturating_sub(self.statuses.most()))
    }
}
