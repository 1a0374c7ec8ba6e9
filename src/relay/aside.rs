//! Records that failed when they were sent alone: they wait beside their delivery stream's queue, so that the others go on.
//!
//! They are tried one at a time, for as long as it takes, with delays of their own, and keep their place in the budget. Each
//! is tried [`ASIDE_TRIES`] times at once, for it may be here by chance: of a service that fails at every fifth request
//! one good record in 15,000 that are sent alone fails so often. Then it is tried in turn with the others, an attempt every
//! [`BACKOFF_CAP`] at least, however many there are; when something else is taken after a failure, the next of them soon.
//!
//! To find `b` bad records among `n` takes no more than about `20 + 2b(log2(n / b) + 4)` requests, one after the other, and
//! that is how long the others wait: the first three failures and the first halves, until anything is taken, cost half a minute
//! at most (6 s as a rule), each request that fails after that [`BACKOFF_PUT_OFF`](crate::limits::BACKOFF_PUT_OFF).

use super::arena::Arena;
use super::backoff::{self, Jitter};
use super::queue::RecordQueue;
use super::record::Record;
use crate::limits::{ASIDE_TRIES, BACKOFF_BASE, BACKOFF_CAP};
use crate::time::Instant;

/// The records of one delivery stream that are sent alone.
#[derive(Debug, Default)]
pub struct Aside {
    /// Set aside lately. The first is tried until it is taken or has failed [`ASIDE_TRIES`] times.
    new: RecordQueue,
    /// Failures of that one.
    tries: u32,
    /// None of the new ones is sent before this.
    new_at: Instant,
    /// The others, tried in turn.
    old: RecordQueue,
    /// Failures of these, in a row.
    failures: u32,
    /// None of these is sent before this.
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

    /// Whether there is none, not even on its way.
    pub(super) const fn is_empty(&self) -> bool {
        self.len() == 0 && self.in_flight.is_none()
    }

    /// When the next is to be tried, if there is one.
    pub(super) fn due(&self) -> Option<Instant> {
        let new = (!self.new.is_empty()).then_some(self.new_at);
        let old = (!self.old.is_empty()).then_some(self.old_at);
        new.into_iter().chain(old).min().filter(|_| self.in_flight.is_none())
    }

    /// Takes the next to send it.
    pub(super) fn cut(&mut self, arena: &mut Arena) -> RecordQueue {
        let is_new = !self.new.is_empty() && (self.old.is_empty() || self.new_at <= self.old_at);
        let (age, records) = if is_new { (Age::New, &mut self.new) } else { (Age::Old, &mut self.old) };
        self.in_flight = Some(age);
        records.split(arena, 1, usize::MAX, usize::MAX)
    }

    /// One more.
    pub(super) fn push(&mut self, arena: &mut Arena, record: Record, now: Instant) {
        if self.new.is_empty() && self.in_flight != Some(Age::New) {
            self.new_at = now + BACKOFF_BASE;
        }
        self.new.push(arena, record);
    }

    /// The one that was sent came back.
    pub(super) fn put_back(&mut self, arena: &mut Arena, record: Record) {
        if self.in_flight == Some(Age::New) && self.tries + 1 < ASIDE_TRIES {
            self.new.push_front(arena, record);
        } else {
            self.old.push(arena, record);
        }
    }

    /// It did so because it failed. After [`Aside::put_back`].
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

    /// The one that was sent was settled.
    pub(super) fn settled(&mut self) {
        if self.in_flight.take() == Some(Age::New) {
            self.tries = 0;
        }
    }

    /// What kept them waiting may be over: the next is tried soon.
    pub(super) fn hope(&mut self, now: Instant) {
        self.failures = 0;
        self.old_at = self.old_at.min(now + BACKOFF_BASE);
        self.new_at = self.new_at.min(now + BACKOFF_BASE);
    }

    /// The next may be tried at once.
    pub(super) fn hurry(&mut self) {
        (self.new_at, self.old_at) = Default::default();
    }

    /// Shows each record that waits to `show`, until it answers false; answers so then.
    pub(super) fn each(&self, arena: &mut Arena, show: &mut dyn FnMut(&mut Arena, Record) -> bool) -> bool {
        self.new.each(arena, show) && self.old.each(arena, show)
    }

    /// Takes one of all, in whatever order, when nothing is sent any more.
    pub(super) fn pop(&mut self, arena: &Arena) -> Option<Record> {
        self.in_flight = None;
        self.new.pop(arena).or_else(|| self.old.pop(arena))
    }
}
