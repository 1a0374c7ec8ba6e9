//! The end of a record: a status, and its memory given back.

use super::outcome::{Outcome, RecordOutcome};
use super::refusal::Refusal;
use super::status::{Id, Status};
use super::{BatchId, Relay, Settled};
use crate::time::Instant;

impl Relay {
    /// Settles a batch: each of its records gets its status and its memory back, or goes to the end of
    /// the queue.
    pub fn handle_outcome(&mut self, now: Instant, id: BatchId, outcome: Outcome<'_>) -> Settled {
        let mut settled = Settled::default();
        let Some(mut batch) = self.batches.get_mut(id.0).and_then(Option::take) else { return settled };
        let count = batch.records.len();
        for place in 0..count {
            let Some(record) = batch.records.pop(&self.arena) else { break };
            let this = match outcome {
                // An answer for another number of records says nothing about any of them.
                Outcome::Records(records) if records.len() == count => records[place],
                Outcome::Rejected { code, message } => RecordOutcome::Rejected { code, message },
                Outcome::Records(_) | Outcome::Retry | Outcome::RetrySmaller => RecordOutcome::Retry,
            };
            let status = match this {
                RecordOutcome::Delivered { record_id } => Status::Success { record_id },
                RecordOutcome::Rejected { code, message } => Status::Rejected { code, message },
                RecordOutcome::Retry => {
                    settled.retried += 1;
                    if let Some(stream) = &mut self.streams[batch.stream] {
                        stream.waiting.push(&mut self.arena, record);
                    }
                    continue;
                }
            };
            match status {
                Status::Success { .. } => settled.succeeded += 1,
                Status::Rejected { .. } | Status::Refused(_) => settled.failed += 1,
            }
            if self.statuses_leave {
                self.statuses.push_anywhere(&mut self.arena, Id::Of(record), status);
            } else {
                self.statuses.push(&mut self.arena, Id::Of(record), status);
            }
            record.release(&mut self.arena);
        }
        self.counters.succeeded += settled.succeeded as u64;
        self.counters.failed += settled.failed as u64;
        self.counters.retried += settled.retried as u64;
        if let Some(stream) = &mut self.streams[batch.stream] {
            stream.requests -= 1;
            stream.in_flight -= count;
            if settled.retried < count.div_ceil(2) {
                stream.progressed(now);
                if settled.retried > 0 {
                    stream.put_off(now, &mut self.jitter);
                }
            } else {
                stream.failed(now, &mut self.jitter);
            }
            if matches!(outcome, Outcome::RetrySmaller) {
                stream.shrink(count);
            }
        }
        self.retire(batch.stream);
        self.check_conservation();
        settled
    }

    /// Ends all that is held with a `fail` status: nothing will be sent any more. Answers how many records
    /// that were.
    pub fn stop(&mut self) -> usize {
        let mut left = 0;
        for batch in &mut self.batches {
            let Some(mut batch) = batch.take() else { continue };
            while let Some(record) = batch.records.pop(&self.arena) {
                self.statuses.push_anywhere(
                    &mut self.arena,
                    Id::Of(record),
                    Status::Refused(&Refusal::StoppedInFlight),
                );
                record.release(&mut self.arena);
                left += 1;
            }
        }
        for stream in self.streams.iter_mut().flatten() {
            (stream.requests, stream.in_flight) = (0, 0);
            while let Some(record) = stream.waiting.pop(&self.arena) {
                self.statuses.push_anywhere(&mut self.arena, Id::Of(record), Status::Refused(&Refusal::Stopped));
                record.release(&mut self.arena);
                left += 1;
            }
        }
        self.counters.failed += left as u64;
        self.check_conservation();
        left
    }
}
