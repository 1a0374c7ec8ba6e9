//! Records that failed when they were sent alone: they wait beside their delivery stream's queue, so that the others go on.
//!
//! They are tried one at a time, for as long as it takes, with delays of their own, and keep their place in the budget.

use super::arena::Arena;
use super::backoff::{self, Jitter};
use super::queue::RecordQueue;
use super::record::Record;
use crate::limits::{BACKOFF_BASE, BACKOFF_CAP};
use crate::time::Instant;

/// See the module.
#[derive(Debug, Default)]
pub struct Aside {
    pub(super) records: RecordQueue,
    /// One of them is being sent.
    pub(super) in_flight: bool,
    /// Failures in a row.
    failures: u32,
    /// None is sent before this.
    retry_at: Instant,
}

impl Aside {
    /// When the first is to be tried again, if there is one.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.in_flight && !self.records.is_empty()).then_some(self.retry_at)
    }

    /// Takes the first to send it.
    pub(super) fn cut(&mut self, arena: &mut Arena) -> RecordQueue {
        self.in_flight = true;
        self.records.split(arena, 1, usize::MAX, usize::MAX)
    }

    /// One more. It is the next to be tried, and soon, for it may be here by mistake.
    pub(super) fn push(&mut self, arena: &mut Arena, record: Record, now: Instant) {
        let soon = now + BACKOFF_BASE;
        self.retry_at = if self.records.is_empty() { soon } else { self.retry_at.min(soon) };
        self.records.push_front(arena, record);
    }

    /// The one that was sent came back.
    pub(super) fn failed(&mut self, now: Instant, jitter: &mut Jitter) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + backoff::delay(self.failures, BACKOFF_BASE, BACKOFF_CAP, jitter);
    }

    /// What kept them waiting may be over: the next is tried soon.
    pub(super) fn hope(&mut self, now: Instant) {
        self.failures = 0;
        self.retry_at = self.retry_at.min(now + BACKOFF_BASE);
    }

    /// The next may be tried at once.
    pub(super) fn hurry(&mut self) {
        self.retry_at = Instant::default();
    }
}
