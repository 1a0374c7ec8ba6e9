//! Records that are set aside: they failed when they were sent alone, and wait beside the queue of their delivery
//! stream, so that the others go on.
//!
//! They are retried one at a time, for as long as it takes, with a backoff of their own; their memory stays theirs. A
//! good record may be set aside by chance, so a new one is first retried up to [`ASIDE_TRIES`] times with short delays:
//! if the service fails at every fifth request, only one good record in 15,000 that are sent alone fails as often.
//! After that they are retried in turn, one at least every [`BACKOFF_CAP`], however many there are, and soon when the
//! delivery stream takes records again after a failure.
//!
//! To find `b` bad records among `n` takes no more than about `20 + 2b(log2(n / b) + 4)` requests, one after the other,
//! and the others wait as long: half a minute at most (6 s as a rule) until the first request succeeds, and then
//! [`BACKOFF_PUT_OFF`](crate::limits::BACKOFF_PUT_OFF) for each that fails.

use super::arena::Arena;
use super::backoff::{self, Jitter};
use super::queue::RecordQueue;
use super::record::Record;
use crate::limits::{ASIDE_TRIES, BACKOFF_BASE, BACKOFF_CAP};
use crate::time::Instant;

/// The records of one delivery stream that are sent alone.
#[derive(Debug, Default)]
pub struct Aside {
    /// Set aside lately. The first is retried until it is taken or has failed [`ASIDE_TRIES`] times.
    new: RecordQueue,
    /// Failures of the first new one.
    tries: u32,
    /// No new one is sent before this.
    new_at: Instant,
    /// The others, retried in turn.
    old: RecordQueue,
    /// Failures of old ones, in a row.
    failures: u32,
    /// No old one is sent before this.
    old_at: Instant,
    in_flight: Option<Age>,
}

/// Which of the records is being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Age {
    New,
    Old,
}

impl Aside {
    /// Records that wait.
    pub(super) const fn len(&self) -> usize {
        self.new.len() + self.old.len()
    }

    /// Whether there is none, not even in flight.
    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0 && self.in_flight.is_none()
    }

    /// When the next is to be sent, if one waits and none is in flight.
    pub(super) fn due(&self) -> Option<Instant> {
        let new = (!self.new.is_empty()).then_some(self.new_at);
        let old = (!self.old.is_empty()).then_some(self.old_at);
        new.into_iter().chain(old).min().filter(|_| self.in_flight.is_none())
    }

    /// Where the next is, to be sent.
    pub(super) fn cut(&mut self) -> &mut RecordQueue {
        let is_new = !self.new.is_empty() && (self.old.is_empty() || self.new_at <= self.old_at);
        let (age, records) = if is_new { (Age::New, &mut self.new) } else { (Age::Old, &mut self.old) };
        self.in_flight = Some(age);
        records
    }

    /// Sets a record aside.
    pub(super) fn push(&mut self, arena: &mut Arena, record: Record, now: Instant) {
        if self.new.is_empty() && self.in_flight != Some(Age::New) {
            self.new_at = now + BACKOFF_BASE;
        }
        self.new.push(arena, record);
    }

    /// The record that was in flight comes back.
    pub(super) fn put_back(&mut self, arena: &mut Arena, record: Record) {
        if self.in_flight == Some(Age::New) && self.tries + 1 < ASIDE_TRIES {
            self.new.push_front(arena, record);
        } else {
            self.old.push(arena, record);
        }
    }

    /// It came back because its request failed: begins the backoff. To be called after [`Aside::put_back`].
    pub(super) fn failed(&mut self, now: Instant, jitter: &mut Jitter) {
        if self.in_flight.take() == Some(Age::New) {
            self.tries += 1;
            self.new_at = now + backoff::delay(1, BACKOFF_BASE, BACKOFF_CAP, jitter);
            if self.tries < ASIDE_TRIES {
                return;
            }
            self.tries = 0;
            if self.old.len() > 1 {
                return;
            }
        }
        self.failures = self.failures.saturating_add(1);
        self.old_at = now + backoff::delay(self.failures, BACKOFF_BASE, BACKOFF_CAP, jitter);
    }

    /// The record that was in flight is delivered or has failed for good.
    pub(super) fn settled(&mut self) {
        if self.in_flight.take() == Some(Age::New) {
            self.tries = 0;
        }
    }

    /// The service takes records again: the next is sent within [`BACKOFF_BASE`].
    pub(super) fn retry_soon(&mut self, now: Instant) {
        self.failures = 0;
        self.old_at = self.old_at.min(now + BACKOFF_BASE);
        self.new_at = self.new_at.min(now + BACKOFF_BASE);
    }

    /// The next is sent at once.
    pub(super) fn hurry(&mut self) {
        (self.new_at, self.old_at) = Default::default();
    }

    /// Calls `show` with each record that waits, until it returns false; returns false then.
    pub(super) fn each(&self, arena: &mut Arena, show: &mut dyn FnMut(&mut Arena, Record) -> bool) -> bool {
        self.new.each(arena, show) && self.old.each(arena, show)
    }

    /// Takes any of them, when nothing is sent any more.
    pub(super) fn pop(&mut self, arena: &Arena) -> Option<Record> {
        self.in_flight = None;
        self.new.pop(arena).or_else(|| self.old.pop(arena))
    }
}
