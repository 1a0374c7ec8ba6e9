//! How a record ends: with a status, and its memory released.

use super::arena::PAYLOAD;
use super::arn::DeliveryStreamArn;
use super::outcome::{Outcome, RecordOutcome};
use super::queue::RecordQueue;
use super::record::{Place, Record};
use super::refusal::Refusal;
use super::status::{Id, Status};
use super::{Batch, BatchId, DEFAULT, Relay, Settled, Stopped};
use crate::limits::{ARN_BYTES, SIGNATURE_LIFE, STATUS_ENTRY_BYTES};
use crate::time::Instant;

impl Relay {
    /// Settles a batch: each of its records ends with a status and is released, or goes back to the end of its queue.
    pub fn handle_outcome(&mut self, now: Instant, id: BatchId, outcome: Outcome<'_>) -> Settled {
        let mut settled = Settled::default();
        let Some(mut batch) = self.batches.get_mut(id.0).and_then(Option::take) else { return settled };
        let count = batch.records.len();
        let whole = batch;
        let mut suspect = false;
        let (safe, outstanding, mut any_waited_for) = (self.receipts.safe(), self.receipts.outstanding(), false);
        let may_lie_in_a_record = outcome.may_lie_in_a_record();
        let is_a_record = matches!(outcome, Outcome::Records(_));
        let arn = self.note_endpoint(now, batch.stream, outcome);
        let arn = arn.as_deref().and_then(|arn| DeliveryStreamArn::parse(arn).ok());
        let anywhere = self.waits_for_room(now);
        let refusal = arn.map(|arn| Refusal::Endpoint { region: arn.region, partition: arn.partition });
        let is_packed = batch.packs < count;
        let (mut place, mut goes_on) = (0, false);
        for nth in 0..count {
            let Some(record) = batch.records.pop(&self.arena) else { break };
            let is_joined = goes_on;
            goes_on = is_packed && batch.records.front().is_some_and(|next| next.is_joined(&self.arena));
            place += usize::from(nth > 0 && !is_joined);
            let this = match outcome {
                // An answer for another number of records says nothing about any of them.
                Outcome::Records(packs) if packs.len() == batch.packs => packs[place],
                Outcome::Rejected { code, message } => RecordOutcome::Rejected { code, message },
                Outcome::Records(_)
                | Outcome::Retry
                | Outcome::Offline
                | Outcome::RetrySplit
                | Outcome::RetrySmaller
                | Outcome::TooLarge
                | Outcome::NoSuchEndpoint => RecordOutcome::Retry,
            };
            let status = match (this, &refusal) {
                (RecordOutcome::Delivered { record_id }, _) => {
                    self.counters.packs += u64::from(!goes_on);
                    Status::Success { record_id }
                }
                // One of the pack may be the reason, and the others need not fail with it.
                (RecordOutcome::Rejected { .. }, _) if is_a_record && (is_joined || goes_on) => {
                    settled.retried += 1;
                    settled.unpacked += 1;
                    record.set_own_pack(&mut self.arena);
                    if let Some(stream) = &mut self.streams[batch.stream] {
                        stream.requeue(&mut self.arena, record);
                    }
                    continue;
                }
                (RecordOutcome::Rejected { code, message }, _) => {
                    let most = STATUS_ENTRY_BYTES + self.spare_status_room(anywhere, batch.records, record);
                    self.statuses.rejected(code, message, most)
                }
                (RecordOutcome::Retry, Some(refusal)) => Status::Refused(refusal),
                (RecordOutcome::Retry, None) => {
                    settled.retried += 1;
                    let arena = &mut self.arena;
                    if is_a_record && (is_joined || goes_on) {
                        record.put_off_in_pack(arena);
                    }
                    match &mut self.streams[batch.stream] {
                        Some(stream) if may_lie_in_a_record => {
                            let back = stream.put_back(arena, record, count, batch.alone, now);
                            settled.set_aside += usize::from(back.stands_alone);
                            suspect |= back.suspect;
                            if let Some(number) = record.receipt(arena).filter(|_| count == 1) {
                                self.receipts.failed_alone(number);
                            }
                        }
                        Some(stream) if batch.alone => stream.aside.put_back(arena, record),
                        Some(stream) => stream.requeue(arena, record),
                        None => {}
                    }
                    continue;
                }
            };
            match status {
                Status::Success { .. } => settled.succeeded += 1,
                Status::Rejected { .. } | Status::Refused(_) => settled.failed += 1,
            }
            if anywhere {
                self.statuses.push_anywhere(&mut self.arena, Id::Of(record), status);
            } else {
                self.statuses.push(&mut self.arena, Id::Of(record), status);
            }
            any_waited_for |= self.end(record);
        }
        if any_waited_for {
            self.settled_some(now, safe, outstanding);
        }
        if settled.succeeded > 0 {
            // Also of records that the spool has: the uplink takes records, so those that come need not go there.
            self.progress.stuck = false;
        }
        self.counters.succeeded += settled.succeeded as u64;
        self.counters.undelivered(settled.failed);
        self.counters.retried += settled.retried as u64;
        self.settle_stream(now, &whole, outcome, settled, suspect);
        self.retire(batch.stream);
        self.check_conservation();
        settled
    }

    /// Updates the delivery stream of a `batch` that is settled: its backoff, and how large its next batches are.
    fn settle_stream(&mut self, now: Instant, batch: &Batch, outcome: Outcome<'_>, settled: Settled, suspect: bool) {
        let took = now.since(batch.cut_at);
        let (count, encoded) = (batch.records.len(), batch.encoded);
        let put_off = settled.retried - settled.unpacked;
        let is_answered = put_off < count.div_ceil(2);
        if is_answered {
            self.answered(took);
        }
        if let Some(stream) = &mut self.streams[batch.stream] {
            stream.in_flight -= count;
            if !batch.alone {
                stream.requests -= 1;
            }
            if is_answered {
                stream.progressed(now, took, encoded);
                if batch.alone {
                    stream.aside.settled();
                    stream.aside.retry_soon(now);
                }
                if put_off > 0 {
                    stream.put_off(now, &mut self.jitter);
                }
            } else if batch.alone {
                stream.aside.failed(now, &mut self.jitter);
            } else if suspect && stream.searched(now, &mut self.jitter) {
                // The next request is smaller.
            } else if matches!(outcome, Outcome::Offline) {
                stream.offline(now, &mut self.jitter);
            } else {
                stream.failed(now, outcome.may_lie_in_a_record() && count > 1, &mut self.jitter);
            }
            match outcome {
                _ if batch.alone => {}
                Outcome::TooLarge => stream.too_large(now, count, encoded),
                Outcome::RetrySmaller if count > 1 => stream.shrink(count),
                _ if settled.retried == count && took >= SIGNATURE_LIFE => stream.shrink(count),
                Outcome::RetrySplit => stream.shrink_if_repeated(count),
                _ => {}
            }
        }
    }

    /// Bytes that the status of `record` may take beyond those reserved for it: an equal share, with the records of its
    /// batch that come `after` it, of half of the room that is not reserved.
    fn spare_status_room(&self, anywhere: bool, after: RecordQueue, record: Record) -> usize {
        let room = if anywhere { self.arena.free() * PAYLOAD } else { self.statuses.room() };
        let reserved = self.promised() + after.statuses() + record.id_len(&self.arena) + STATUS_ENTRY_BYTES;
        room.saturating_sub(reserved) / 2 / (after.len() + 1)
    }

    /// Remembers what `outcome` says about endpoints. Returns the ARN of the delivery stream at `index` if its endpoint
    /// now counts as missing: an ARN that a message named may be wrong, and its records must not hold memory for ever.
    fn note_endpoint(
        &mut self,
        now: Instant,
        index: usize,
        outcome: Outcome<'_>,
    ) -> Option<heapless::String<ARN_BYTES>> {
        let stream = self.streams[index].as_mut()?;
        let arn = heapless::String::<ARN_BYTES>::try_from(stream.arn()).ok()?;
        match outcome {
            Outcome::Records(_) | Outcome::Rejected { .. } => {
                self.answered = now;
                self.streams.iter_mut().flatten().for_each(|stream| stream.endpoint_answered(&arn));
                None
            }
            Outcome::NoSuchEndpoint => (index != DEFAULT && stream.endpoint_missing(now, self.answered)).then_some(arn),
            Outcome::Retry | Outcome::Offline | Outcome::RetrySplit | Outcome::RetrySmaller | Outcome::TooLarge => None,
        }
    }

    /// Ends all that is held: nothing will be sent any more. Records that the spool has stay there for the next
    /// process; those whose publish was not acknowledged are left to their source, which sends it again; all others end
    /// with a `fail` status.
    pub fn stop(&mut self) -> Stopped {
        let mut stopped = Stopped::default();
        for place in 0..self.batches.len() {
            let Some(mut batch) = self.batches[place].take() else { continue };
            while let Some(record) = batch.records.pop(&self.arena) {
                stopped.in_flight += usize::from(self.stop_one(record, &Refusal::StoppedInFlight, &mut stopped));
            }
        }
        for index in 0..self.streams.len() {
            let Some(stream) = &mut self.streams[index] else { continue };
            (stream.requests, stream.in_flight) = (0, 0);
            while let Some(stream) = &mut self.streams[index]
                && let Some(record) = (stream.waiting.pop(&self.arena))
                    .or_else(|| stream.backlog.pop(&self.arena))
                    .or_else(|| stream.aside.pop(&self.arena))
            {
                self.stop_one(record, &Refusal::Stopped, &mut stopped);
            }
        }
        self.counters.undelivered(stopped.failed);
        // The next process will count them.
        self.counters.received -= stopped.left as u64;
        self.check_conservation();
        stopped
    }

    /// Ends one record. Returns whether it failed.
    fn stop_one(&mut self, record: Record, refusal: &Refusal<'_>, stopped: &mut Stopped) -> bool {
        if let Place::Spooled(_) = record.place(&self.arena) {
            stopped.spooled += 1;
            self.counters.spooled += 1;
            record.release(&mut self.arena);
            return false;
        }
        let receipt = record.receipt(&self.arena);
        let fails = receipt.is_none_or(|number| !self.receipts.will_be_redelivered(number));
        if fails {
            self.statuses.push_anywhere(&mut self.arena, Id::Of(record), Status::Refused(refusal));
            stopped.failed += 1;
        } else {
            stopped.left += 1;
        }
        record.release(&mut self.arena);
        fails
    }
}
