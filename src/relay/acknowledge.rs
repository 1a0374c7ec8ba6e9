//! When publishes may be acknowledged, so that nothing acknowledged is lost, and the source never waits for long.
//!
//! A publish is safe when its record is delivered, or failed and has its status queued. Acknowledgements leave in the
//! order of receipt, so one delivery stream that fails would soon stop all input. Before that happens
//! ([`source_window`](super::source_window)), the publishes of failing streams are acknowledged although their records
//! are only held; those of all streams, when nothing at all is delivered. So are the oldest of a source that sends far
//! more than it may: it is read in any case.

use std::hash::{DefaultHasher, Hasher as _};

use super::receipts::{Begin, Known, Token};
use super::{Accepted, Acknowledge, Relay, SpoolState, TooLong};
use crate::limits::{PAUSE_ANSWER, SPOOL_WAITED_FOR, STREAMS, UNACKNOWLEDGED, WINDOW_STUCK};
use crate::time::{Duration, Instant};

const _: () = assert!(STREAMS <= 32, "a bit for each");

/// How long nothing has been delivered, and how long that is normal.
#[derive(Debug)]
pub(super) struct DeliveryProgress {
    /// When a publish became safe last by the end of its record, or the source's window became nearly full after that.
    since: Instant,
    /// How long the last request took that the service answered; [`PAUSE_ANSWER`] before the first.
    took: Duration,
    /// Held records were acknowledged, or spooled, because nothing was delivered, and nothing has been since.
    pub(super) stuck: bool,
}

impl Default for DeliveryProgress {
    fn default() -> Self {
        Self { since: Instant::default(), took: PAUSE_ANSWER, stuck: false }
    }
}

impl Relay {
    /// A connection to the source begins.
    pub fn begin_session(&mut self, now: Instant, begin: Begin) {
        self.receipts.begin(now, begin);
        self.source_window.begin();
    }

    /// The session is over: the source will not send again what was not acknowledged.
    pub fn forget_session(&mut self, now: Instant) {
        self.receipts.begin(now, Begin { resumed: false, acknowledged: 0, arrived: 0, first: 0 });
    }

    /// All publishes with a number below this are safe, and may be acknowledged.
    #[must_use]
    pub const fn safe(&self) -> u64 {
        self.receipts.safe()
    }

    /// Takes a publish, as [`Relay::accept`] or [`Relay::refuse_too_long`] do. With a `token` its source waits for an
    /// acknowledgement, and one that was received before is recognised.
    pub fn receive(
        &mut self,
        now: Instant,
        topic: &[u8],
        payload: &[u8],
        too_long: Option<TooLong>,
        token: Option<Token>,
    ) -> Accepted {
        let Some(token) = token else { return self.accept_any(now, topic, payload, too_long) };
        let fingerprint = self.fingerprint(topic, payload, too_long);
        let before = self.receipts.outstanding();
        let known = self.receipts.receive(now, token, fingerprint);
        if self.waits_for_delivery() {
            let outstanding = self.receipts.outstanding();
            self.source_window.receive(now, outstanding);
            if self.source_window.is_nearly_full(outstanding) && !self.source_window.is_nearly_full(before) {
                self.progress.since = now;
            }
        }
        if let Some(known) = known {
            if let Known::Held(record) = known {
                record.set_receipt(&mut self.arena, Some(token.number));
            }
            self.counters.redelivered += 1;
            return Accepted::Known;
        }
        self.receiving = self.waits_for_delivery().then_some(token.number);
        let accepted = self.accept_any(now, topic, payload, too_long);
        let is_safe = match accepted {
            Accepted::Held => self.receiving.is_none(),
            Accepted::Failed | Accepted::NotOurs | Accepted::Known => true,
            Accepted::NotNow => false,
        };
        self.receiving = None;
        if is_safe {
            self.receipts.settle(token.number);
        }
        self.keep_in_bounds(now);
        accepted
    }

    /// Acknowledges the oldest publishes of a source that sends more than it may. It has to be read all the same,
    /// because its acknowledgements of statuses come behind its publishes.
    fn keep_in_bounds(&mut self, now: Instant) {
        let outstanding = self.receipts.outstanding();
        if outstanding >= UNACKNOWLEDGED {
            let before = self.receipts.safe();
            self.counters.acknowledged_held += self.receipts.acknowledge_held(UNACKNOWLEDGED / 2, u32::MAX) as u64;
            self.advanced(now, before, outstanding);
        }
    }

    /// Does not take a publish, so that the source sends it again over another connection. Over this one, nothing that
    /// comes after it is acknowledged.
    pub fn leave(&mut self, token: Token) {
        self.receipts.leave(token);
    }

    /// If the source may be waiting for acknowledgements that failing delivery streams hold back: acknowledges
    /// publishes whose records are only held, or refuses these when a spool is full. A spool that takes them does more,
    /// see [`Relay::spool_due`]. To be called after every event, and at [`Relay::unblock_due`].
    pub fn unblock_source(&mut self, now: Instant) {
        let outstanding = self.receipts.outstanding();
        if self.spool.state == SpoolState::Takes || self.source_waits_from().is_none_or(|at| at > now) {
            return;
        }
        let is_stuck = self.is_stuck(now);
        let (mut failing, mut has_aside) = (0_u32, false);
        for (index, stream) in self.streams.iter().enumerate() {
            let Some(stream) = stream else { continue };
            failing |= u32::from(stream.failures() > 0) << index;
            has_aside |= !stream.aside.is_empty();
        }
        if !is_stuck && failing == 0 && !has_aside {
            return;
        }
        if let SpoolState::Full { kib } = self.spool.state {
            let streams = if is_stuck { u32::MAX } else { failing };
            return self.refuse_held(now, outstanding / 2, streams, kib);
        }
        let before = self.receipts.safe();
        let count = self.receipts.acknowledge_held(outstanding / 2, if is_stuck { u32::MAX } else { failing });
        self.progress.stuck |= is_stuck && count > 0;
        self.counters.acknowledged_held += count as u64;
        self.advanced(now, before, outstanding);
    }

    /// When to call [`Relay::unblock_source`] again, if nothing happens before.
    #[must_use]
    pub fn unblock_due(&self, now: Instant) -> Option<Instant> {
        let from = self.source_waits_from()?;
        let stuck = from.max(self.progress.since + self.patience());
        [from, stuck].into_iter().find(|at| *at > now)
    }

    /// Whether nothing was delivered for so long that the source must not wait for it any more.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        self.progress.stuck || now.since(self.progress.since) >= self.patience()
    }

    /// How long the source may wait while nothing is delivered: twice the time of an answer, within bounds. The least
    /// is longer where the way out costs more: writes to the flash, or records that fail because the spool is full.
    fn patience(&self) -> Duration {
        let least = match self.spool.state {
            SpoolState::Off => WINDOW_STUCK,
            SpoolState::Takes => SPOOL_WAITED_FOR,
            SpoolState::Full { .. } => PAUSE_ANSWER,
        };
        (self.progress.took * 2).clamp(least, PAUSE_ANSWER)
    }

    /// From when on the source may be waiting for acknowledgements.
    pub(super) fn source_waits_from(&self) -> Option<Instant> {
        if self.draining || !self.waits_for_delivery() {
            None
        } else {
            self.source_window.waits(self.receipts.outstanding())
        }
    }

    /// From when on batches are sent before their interval ends, because the source may be waiting for
    /// acknowledgements.
    pub(super) fn early(&self) -> Option<Instant> {
        let outstanding = self.receipts.outstanding();
        if outstanding == 0 {
            return None;
        }
        let in_flight = self.batches.iter().flatten().map(|batch| batch.records.len()).sum();
        self.source_window.due(outstanding, in_flight)
    }

    /// The service answered a request that took this long.
    pub(super) const fn answered(&mut self, took: Duration) {
        self.progress.took = took;
    }

    /// Records ended whose publishes wait for that. Before, all below `safe` were safe and so many `outstanding`.
    pub(super) fn settled_some(&mut self, now: Instant, safe: u64, outstanding: usize) {
        (self.progress.since, self.progress.stuck) = (now, false);
        self.advanced(now, safe, outstanding);
    }

    /// Tells the window's estimate if more is safe than before, as in [`Relay::settled_some`].
    pub(super) fn advanced(&mut self, now: Instant, safe: u64, outstanding: usize) {
        if self.receipts.safe() > safe {
            self.source_window.acknowledge(
                now,
                outstanding,
                usize::try_from(self.receipts.safe() - safe).unwrap_or(usize::MAX),
            );
        }
    }

    /// Publishes that the source sends without an acknowledgement, as far as is known; zero where they are acknowledged
    /// at once.
    #[must_use]
    pub fn window(&self) -> usize {
        if self.waits_for_delivery() { self.source_window.size() } else { 0 }
    }

    fn waits_for_delivery(&self) -> bool {
        self.acknowledge == Acknowledge::Safe
    }

    fn accept_any(&mut self, now: Instant, topic: &[u8], payload: &[u8], too_long: Option<TooLong>) -> Accepted {
        match too_long {
            None => self.accept(now, topic, payload),
            Some(too_long) => self.refuse_too_long(now, topic, payload, too_long),
        }
    }

    /// A hash with a secret seed, so that nobody can make two publishes with the same one.
    fn fingerprint(&self, topic: &[u8], payload: &[u8], too_long: Option<TooLong>) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.seed);
        hasher.write_usize(topic.len());
        hasher.write_usize(too_long.map_or(0, |too_long| too_long.bytes));
        hasher.write(topic);
        hasher.write(payload);
        hasher.finish()
    }
}
