//! A delivery stream: its queue, what of it is in flight, and when it may send next.

use super::arena::Arena;
use super::arn::DeliveryStreamArn;
use super::aside::Aside;
use super::backoff::{self, Jitter};
use super::cut::Cut;
use super::pack::Packing;
use super::queue::RecordQueue;
use super::record::{Place, Record, Suspicion};
use crate::limits::{
    ARN_BYTES, ASIDE_UNPROVEN, BACKLOG_GATHER, BACKOFF_BASE, BACKOFF_CAP, BACKOFF_OFFLINE, BACKOFF_PUT_OFF,
    BATCH_BODY_BYTES, BATCH_BYTES_FIRST, BATCH_BYTES_LEAST, ENDPOINT_MISSING, ENDPOINT_MISSING_TIMES, ENVELOPE_BYTES,
    FAILURES_SPLIT, SEARCHES, SIGNATURE_LIFE, TOO_LARGE_KEPT,
};
use crate::time::{Duration, Instant};

/// Bytes of a batch that are left for records.
const RECORDS_BYTES: usize = BATCH_BODY_BYTES - ENVELOPE_BYTES;

/// One delivery stream: its queue, its batches in flight, its backoff.
#[derive(Debug)]
pub struct DeliveryStream {
    arn: heapless::String<ARN_BYTES>,
    /// Records that wait for a batch.
    pub waiting: RecordQueue,
    /// Records of the spool that wait for a batch.
    pub backlog: RecordQueue,
    /// A batch begins with those.
    backlog_first: bool,
    /// Records that wait alone.
    pub aside: Aside,
    /// Requests in flight, and the records in them.
    pub requests: usize,
    /// See `requests`.
    pub in_flight: usize,
    /// Requests in a row that brought nothing.
    failures: u32,
    /// When these began.
    failing_since: Instant,
    /// Requests that did not fail, from 1 on; see [`Suspicion`].
    successes: u16,
    /// Requests with suspect records that failed, in a row.
    searches: u32,
    /// No request before this.
    retry_at: Instant,
    packing: Packing,
    /// Records in a batch; fewer than the service takes after a request that was too slow or a reply that was too long.
    batch_records: usize,
    /// Encoded bytes in a batch, likewise; few after a failure, because nothing is known of the link then.
    batch_bytes: usize,
    /// These do not grow before this.
    grow_at: Instant,
    /// The most encoded bytes that went through.
    passed: usize,
    /// The host name of the endpoint does not exist, it seems.
    missing: Option<Missing>,
}

/// What is known of a record that came back.
#[derive(Debug, Clone, Copy)]
pub struct PutBack {
    /// Other requests have succeeded between two with it that failed.
    pub suspect: bool,
    /// It failed alone, and that is new.
    pub stands_alone: bool,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    since: Instant,
    /// When it was counted last.
    counted: Instant,
    times: u32,
}

impl DeliveryStream {
    /// A stream without records.
    #[must_use]
    pub fn new(arn: DeliveryStreamArn<'_>, packing: Packing) -> Self {
        let mut text = heapless::String::new();
        let fits = text.push_str(arn.text);
        debug_assert!(fits.is_ok(), "ARN_BYTES holds every ARN that parses");
        Self {
            arn: text,
            waiting: RecordQueue::default(),
            backlog: RecordQueue::default(),
            backlog_first: false,
            aside: Aside::default(),
            requests: 0,
            in_flight: 0,
            failures: 0,
            failing_since: Instant::default(),
            successes: 1,
            searches: 0,
            retry_at: Instant::default(),
            packing,
            batch_records: packing.batch_records(),
            batch_bytes: RECORDS_BYTES,
            grow_at: Instant::default(),
            passed: 0,
            missing: None,
        }
    }

    /// The whole ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Whether this is its ARN. ARNs differ near their ends, if at all, so they are compared from there.
    pub(super) fn is_named(&self, arn: &str) -> bool {
        let ((start, rest), (their_start, theirs)) =
            (self.arn.as_bytes().as_rchunks::<8>(), arn.as_bytes().as_rchunks());
        self.arn.len() == arn.len() && rest.iter().rev().eq(theirs.iter().rev()) && start == their_start
    }

    /// Records that wait or are in flight: what `DeliveryStreamQueueSize` bounds.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.waiting.len() + self.backlog.len() + self.aside.len() + self.in_flight
    }

    /// Requests in a row that brought nothing.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Since when all requests have brought nothing, if the last did.
    #[must_use]
    pub fn failing_since(&self) -> Option<Instant> {
        (self.failures > 0).then_some(self.failing_since)
    }

    /// When the next batch is due, if records wait: at once when a full batch waits, else `interval`
    /// after the first of them came or when it becomes `early` before, but not before a retry is allowed.
    #[must_use]
    pub fn due(&self, arena: &Arena, interval: Duration, early: Option<Instant>) -> Option<Instant> {
        let ready = |queue: &RecordQueue, interval| {
            let first = queue.front()?;
            let full = queue.len() >= self.batch_records || queue.encoded() > self.batch_bytes;
            Some(if full { Instant::default() } else { first.received_at(arena) + interval })
        };
        let new = ready(&self.waiting, interval).map(|ready| early.map_or(ready, |early| ready.min(early)));
        let old = ready(&self.backlog, interval.min(BACKLOG_GATHER));
        Some(new.into_iter().chain(old).min()?.max(self.retry_at))
    }

    /// When the first of the records that wait alone is due: not while nothing goes through, then the others go first.
    #[must_use]
    pub fn due_alone(&self) -> Option<Instant> {
        if self.failures > 0 && !(self.waiting.is_empty() && self.backlog.is_empty()) { None } else { self.aside.due() }
    }

    /// Takes the next batch off the queue: one record, or as many as a request holds and `statuses` bytes
    /// can answer.
    pub(super) fn cut(&mut self, arena: &mut Arena, single: bool, statuses: usize) -> Cut {
        let records = if single { 1 } else { self.batch_records };
        let (bytes, waiting, backlog) = (self.batch_bytes, &mut self.waiting, &mut self.backlog);
        let mut batch = Cut::new(self.packing);
        if backlog.is_empty() {
            batch.fill(waiting, arena, records, bytes, statuses);
        } else {
            // Half of each, by turns where one is left over.
            self.backlog_first = !self.backlog_first || waiting.is_empty();
            let (one, other) = if self.backlog_first { (backlog, waiting) } else { (waiting, backlog) };
            let half = if other.is_empty() { (records, bytes) } else { (records.div_ceil(2), bytes / 2) };
            let company = batch.fill(one, arena, half.0, half.1, statuses);
            let records = if company < half.0 { company } else { records };
            let records = batch.fill(other, arena, records, bytes, statuses);
            batch.fill(one, arena, records, bytes, statuses);
        }
        self.requests += 1;
        self.in_flight += batch.records.len();
        batch
    }

    /// Takes the first of the records that wait alone.
    pub(super) fn cut_alone(&mut self, arena: &mut Arena) -> Cut {
        let mut batch = Cut::new(self.packing);
        batch.fill(self.aside.cut(), arena, 1, usize::MAX, usize::MAX);
        self.in_flight += 1;
        batch
    }

    /// A record comes back, because the request with it and others, `count` in all, failed for reasons that may lie in
    /// one of them. If others succeeded since the last time, it is the more suspect and gets half of the company. A
    /// single one is set aside.
    pub fn put_back(&mut self, arena: &mut Arena, record: Record, count: usize, alone: bool, now: Instant) -> PutBack {
        let Suspicion { company, failed_at } = record.header(arena).suspicion;
        let others_succeeded = failed_at != 0 && failed_at != self.successes;
        // In an outage all fail, so only a few are set aside before anything else has succeeded.
        let aside = alone || count == 1 && (others_succeeded || self.aside.len() < ASIDE_UNPROVEN);
        let new = others_succeeded && count == 1 && !(alone && company == 1);
        let half = u16::try_from(count / 2).unwrap_or(u16::MAX).max(1);
        let company = match others_succeeded {
            true => half,
            false if aside && !alone => 0,
            false => company,
        };
        record.suspect(arena, Suspicion { company, failed_at: self.successes });
        if alone {
            self.aside.put_back(arena, record);
        } else if aside {
            self.aside.push(arena, record, now);
        } else {
            self.requeue(arena, record);
        }
        PutBack { suspect: company > 0, stands_alone: new }
    }

    /// A record comes back to the end of its queue.
    pub(super) fn requeue(&mut self, arena: &mut Arena, record: Record) {
        let is_spooled = matches!(record.place(arena), Place::Spooled(_));
        if is_spooled { &mut self.backlog } else { &mut self.waiting }.push(arena, record);
    }

    /// A request failed with suspect records: a short pause, for the rest goes through, unless too many do so in a row.
    /// Returns whether that is all.
    pub fn searched(&mut self, now: Instant, jitter: &mut Jitter) -> bool {
        if self.searches == SEARCHES {
            return false;
        }
        self.searches += 1;
        self.retry_at = self.retry_at.max(now + backoff::delay(1, BACKOFF_PUT_OFF, BACKOFF_PUT_OFF, jitter));
        true
    }

    /// A request with so many `encoded` bytes settled most of its records, and `took` so long.
    pub fn progressed(&mut self, now: Instant, took: Duration, encoded: usize) {
        self.passed = self.passed.max(encoded);
        if self.failures > 0 {
            self.aside.retry_soon(now);
        }
        (self.failures, self.searches) = (0, 0);
        self.successes = self.successes.checked_add(1).unwrap_or(1);
        // A request that failed beside this one must not stop the stream for long.
        self.retry_at = self.retry_at.min(now + BACKOFF_BASE);
        // Twice as many then still take less than it.
        if took < SIGNATURE_LIFE / 3 && now >= self.grow_at {
            self.batch_records = (self.batch_records * 2).min(self.packing.batch_records());
            self.batch_bytes = (self.batch_bytes * 2).min(RECORDS_BYTES);
        }
    }

    /// A few records of a request were put off: a short pause, for the rest goes through.
    pub fn put_off(&mut self, now: Instant, jitter: &mut Jitter) {
        self.retry_at = self.retry_at.max(now + backoff::delay(1, BACKOFF_PUT_OFF, BACKOFF_PUT_OFF, jitter));
    }

    /// A request brought nothing, or little: wait. Requests that were in flight together fail as one. The delay does
    /// not grow while the next request has `half` of the records: that is so nine times in a row at most.
    pub fn failed(&mut self, now: Instant, half: bool, jitter: &mut Jitter) {
        if now < self.retry_at {
            return;
        }
        if self.failures == 0 {
            self.failing_since = now;
        }
        if !(half && self.failures >= FAILURES_SPLIT) {
            self.failures = self.failures.saturating_add(1);
        }
        self.batch_bytes = self.batch_bytes.min(BATCH_BYTES_FIRST);
        self.retry_at = now + backoff::delay(self.failures, BACKOFF_BASE, BACKOFF_CAP, jitter);
    }

    /// The device had no network: the delay does not grow with that.
    pub fn offline(&mut self, now: Instant, jitter: &mut Jitter) {
        if self.failures == 0 {
            (self.failures, self.failing_since) = (1, now);
        }
        self.batch_bytes = self.batch_bytes.min(BATCH_BYTES_FIRST);
        self.retry_at = self.retry_at.max(now + backoff::delay(1, BACKOFF_OFFLINE, BACKOFF_OFFLINE, jitter));
    }

    /// All that waits after a failure may be tried at once.
    pub fn hurry(&mut self) {
        self.retry_at = Instant::default();
        self.aside.hurry();
    }

    /// The endpoint's name did not exist; the service `answered` at another endpoint last. Says whether that has been
    /// so often and long enough to believe it.
    pub fn endpoint_missing(&mut self, now: Instant, answered: Instant) -> bool {
        let missing = self.missing.get_or_insert(Missing { since: now, counted: now, times: 0 });
        // Without an answer in between nothing shows that the name server can be asked at all.
        if answered > missing.counted {
            missing.counted = now;
            missing.times += 1;
        }
        missing.times >= ENDPOINT_MISSING_TIMES && now.since(missing.since) >= ENDPOINT_MISSING
    }

    /// The service answered at the endpoint of the delivery stream `arn`. If that is this one's, it exists.
    pub fn endpoint_answered(&mut self, arn: &str) {
        // arn:partition:firehose:region
        if self.missing.is_some() && self.arn.split(':').take(4).eq(arn.split(':').take(4)) {
            self.missing = None;
        }
    }

    /// A request of `records` was too slow, or its reply too long to be read: the next batch has half as many.
    pub fn shrink(&mut self, records: usize) {
        self.batch_records = (records / 2).max(1);
        self.batch_bytes = (self.batch_bytes / 2).max(BATCH_BYTES_LEAST.min(self.batch_bytes));
    }

    /// A request of `records` failed for reasons that may lie in one of them: so, when it repeats, do half as many.
    pub fn shrink_if_repeated(&mut self, records: usize) {
        if self.failures >= FAILURES_SPLIT && records > 1 {
            self.shrink(records);
        }
    }

    /// A request of `records` with so many `encoded` bytes was too long for something on the way, which will be so for
    /// a while; unless as many have passed, then it was something in one of them.
    pub fn too_large(&mut self, now: Instant, records: usize, encoded: usize) {
        if encoded <= self.passed {
            self.shrink_if_repeated(records);
            if self.failures >= FAILURES_SPLIT {
                self.passed = 0;
            }
        } else if records > 1 {
            self.batch_bytes = (encoded / 2).max(self.passed);
            self.grow_at = now + TOO_LARGE_KEPT;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_told_from_those_that_differ_in_one_character_or_in_length() {
        let text = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/readings-of-plant-7";
        for length in text.len() - 8..=text.len() {
            let arn = &text[..length];
            let stream = DeliveryStream::new(DeliveryStreamArn::parse(arn).expect("an ARN"), Packing::OFF);
            assert!(stream.is_named(arn));
            for place in 0..length {
                let other = format!("{}#{}", &arn[..place], &arn[place + 1..]);
                assert!(!stream.is_named(&other), "{other}");
                assert!(!stream.is_named(&arn[..place]) && !stream.is_named(&arn[place + 1..]), "{arn} at {place}");
            }
            assert!(!stream.is_named(&format!("{arn}#")) && !stream.is_named(&format!("#{arn}")));
        }
    }
}
