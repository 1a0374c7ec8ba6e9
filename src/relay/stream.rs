//! A delivery stream: its queue, what of it is in flight, and when it may send next.

use super::arena::Arena;
use super::arn::DeliveryStreamArn;
use super::backoff::{self, Jitter};
use super::queue::RecordQueue;
use crate::limits::{
    ARN_BYTES, BACKOFF_BASE, BACKOFF_CAP, BACKOFF_PUT_OFF, BATCH_BODY_BYTES, BATCH_RECORDS, ENVELOPE_BYTES,
};
use crate::time::{Duration, Instant};

/// Bytes of a batch that are left for records.
const RECORDS_BYTES: usize = BATCH_BODY_BYTES - ENVELOPE_BYTES;

/// See the module.
#[derive(Debug)]
pub struct DeliveryStream {
    arn: heapless::String<ARN_BYTES>,
    /// Records that wait for a batch.
    pub waiting: RecordQueue,
    /// Requests in flight, and the records in them.
    pub requests: usize,
    /// See `requests`.
    pub in_flight: usize,
    /// Requests in a row that brought nothing.
    failures: u32,
    /// No request before this.
    retry_at: Instant,
    /// Records in a batch; fewer than the service takes after a reply that could not be read.
    batch_records: usize,
}

impl DeliveryStream {
    /// A stream without records.
    #[must_use]
    pub fn new(arn: DeliveryStreamArn<'_>) -> Self {
        let mut text = heapless::String::new();
        let fits = text.push_str(arn.text);
        debug_assert!(fits.is_ok(), "ARN_BYTES holds every ARN that parses");
        Self {
            arn: text,
            waiting: RecordQueue::default(),
            requests: 0,
            in_flight: 0,
            failures: 0,
            retry_at: Instant::default(),
            batch_records: BATCH_RECORDS,
        }
    }

    /// The whole ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Records that wait or are in flight: what `DeliveryStreamQueueSize` bounds.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.waiting.len() + self.in_flight
    }

    /// Requests in a row that brought nothing.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// When the next batch is due, if records wait: at once when a full batch waits, else `interval`
    /// after the first of them came, but not before a retry is allowed.
    #[must_use]
    pub fn due(&self, arena: &Arena, interval: Duration) -> Option<Instant> {
        let first = self.waiting.front()?;
        let full = self.waiting.len() >= self.batch_records || self.waiting.encoded() > RECORDS_BYTES;
        let ready = if full { Instant::default() } else { first.received_at(arena) + interval };
        Some(ready.max(self.retry_at))
    }

    /// Takes the next batch off the queue: one record, or as many as a request holds and `statuses` bytes
    /// can answer.
    pub fn cut(&mut self, arena: &mut Arena, single: bool, statuses: usize) -> RecordQueue {
        let records = if single { 1 } else { self.batch_records };
        let batch = self.waiting.split(arena, records, RECORDS_BYTES, statuses);
        self.requests += 1;
        self.in_flight += batch.len();
        batch
    }

    /// A request settled most of its records.
    pub fn progressed(&mut self, now: Instant) {
        self.failures = 0;
        // A request that failed beside this one must not stop the stream for long.
        self.retry_at = self.retry_at.min(now + BACKOFF_BASE);
        self.batch_records = (self.batch_records * 2).min(BATCH_RECORDS);
    }

    /// A few records of a request were put off: a short pause, for the rest goes through.
    pub fn put_off(&mut self, now: Instant, jitter: &mut Jitter) {
        self.retry_at = self.retry_at.max(now + backoff::delay(1, BACKOFF_PUT_OFF, BACKOFF_PUT_OFF, jitter));
    }

    /// A request brought nothing, or little: wait. Requests that were in flight together fail as one.
    pub fn failed(&mut self, now: Instant, jitter: &mut Jitter) {
        if now < self.retry_at {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + backoff::delay(self.failures, BACKOFF_BASE, BACKOFF_CAP, jitter);
    }

    /// The reply for `records` was too long to be read: the next batch has half as many.
    pub fn shrink(&mut self, records: usize) {
        self.batch_records = (records / 2).max(1);
    }
}
