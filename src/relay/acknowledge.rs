//! When publishes may be acknowledged, so that nothing acknowledged is lost, and the source never waits for long.
//!
//! A publish is safe when its record is delivered, or failed and has its status queued. Acknowledgements leave in the order of
//! receipt, so a delivery stream that fails would soon stop all input: when as many are outstanding as the source may send,
//! those that wait for it, or for a service that does nothing at all, are acknowledged although their records are only held.
//! So are the oldest when a source sends far more than it may, because it is never left unread.

use std::hash::{DefaultHasher, Hasher as _};

use super::receipts::{Known, Token};
use super::{Accepted, Acknowledge, Relay, Spooling, TooLong};
use crate::limits::{PAUSE_ANSWER, SPOOL_WAITED_FOR, STREAMS, UNACKNOWLEDGED, WINDOW_STUCK};
use crate::time::{Duration, Instant};

const _: () = assert!(STREAMS <= 32, "a bit for each");

/// How long the source may have been waiting for a delivery.
#[derive(Debug)]
pub(super) struct Progress {
    /// When something was delivered last, or the window became nearly full since.
    since: Instant,
    /// How long the last request took that the service answered; at first as long as is waited for at most.
    took: Duration,
    /// Publishes were let go because nothing was, and nothing has been yet.
    pub(super) stuck: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self { since: Instant::default(), took: PAUSE_ANSWER, stuck: false }
    }
}

impl Relay {
    /// A connection begins whose publishes have numbers from `first` on. All tokens below `acknowledged` were given back over
    /// earlier ones; what was not comes again, if the source `resumed` the session.
    pub fn begin_session(&mut self, now: Instant, resumed: bool, acknowledged: u64, first: u64) {
        self.receipts.begin(now, resumed, acknowledged, first);
        self.source_window.begin();
    }

    /// The source will not send again what was not acknowledged.
    pub fn forget_session(&mut self, now: Instant) {
        self.receipts.begin(now, false, 0, 0);
    }

    /// All publishes with a number below this are safe: to be acknowledged.
    #[must_use]
    pub const fn safe(&self) -> u64 {
        self.receipts.safe()
    }

    /// Takes a publish as [`Relay::accept`] does, or [`Relay::refuse_too_long`], whose source waits for an acknowledgement if
    /// it has a token. Recognises one that was received before.
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

    /// A source that sends more than it may is read all the same, for what it says of statuses comes behind its publishes. So
    /// the oldest are let go.
    fn keep_in_bounds(&mut self, now: Instant) {
        let outstanding = self.receipts.outstanding();
        if outstanding >= UNACKNOWLEDGED {
            let before = self.receipts.safe();
            self.counters.acknowledged_held += self.receipts.acknowledge_held(UNACKNOWLEDGED / 2, u32::MAX) as u64;
            self.advanced(now, before, outstanding);
        }
    }

    /// Does not take a publish, which therefore comes again over another connection. Nothing that is received behind it can be
    /// acknowledged over this one.
    pub fn leave(&mut self, token: Token) {
        self.receipts.leave(token);
    }

    /// Lets publishes go that keep the source from sending more, unless the spool takes them ([`Relay::spool_due`]). To be called
    /// whenever something happened, and at [`Relay::unblock_due`].
    pub fn unblock_source(&mut self, now: Instant) {
        let outstanding = self.receipts.outstanding();
        if self.spool.state == Spooling::Takes || self.source_waits_from().is_none_or(|at| at > now) {
            return;
        }
        let is_stuck = self.is_stuck(now);
        let (mut failing, mut apart) = (0_u32, false);
        for (index, stream) in self.streams.iter().enumerate() {
            let Some(stream) = stream else { continue };
            failing |= u32::from(stream.failures() > 0) << index;
            apart |= !stream.aside.is_empty();
        }
        if !is_stuck && failing == 0 && !apart {
            return;
        }
        if let Spooling::Full { kib } = self.spool.state {
            let streams = if is_stuck { u32::MAX } else { failing };
            return self.refuse_held(now, outstanding / 2, streams, kib);
        }
        let before = self.receipts.safe();
        let count = self.receipts.acknowledge_held(outstanding / 2, if is_stuck { u32::MAX } else { failing });
        self.progress.stuck |= is_stuck && count > 0;
        self.counters.acknowledged_held += count as u64;
        self.advanced(now, before, outstanding);
    }

    /// When [`Relay::unblock_source`] has something to do, if nothing happens before.
    #[must_use]
    pub fn unblock_due(&self, now: Instant) -> Option<Instant> {
        let from = self.source_waits_from()?;
        let stuck = from.max(self.progress.since + self.patience());
        [from, stuck].into_iter().find(|at| *at > now)
    }

    /// Whether nothing was delivered for so long that nothing may be waited for.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        self.progress.stuck || now.since(self.progress.since) >= self.patience()
    }

    /// How long nothing may be delivered while the source waits: twice what an answer takes, within bounds. What goes to the spool
    /// costs flash, and what finds it full fails.
    fn patience(&self) -> Duration {
        let least = match self.spool.state {
            Spooling::Off => WINDOW_STUCK,
            Spooling::Takes => SPOOL_WAITED_FOR,
            Spooling::Full { .. } => PAUSE_ANSWER,
        };
        (self.progress.took * 2).clamp(least, PAUSE_ANSWER)
    }

    /// From when on the source may be waiting for us.
    pub(super) fn source_waits_from(&self) -> Option<Instant> {
        if self.draining || !self.waits_for_delivery() {
            None
        } else {
            self.source_window.waits(self.receipts.outstanding())
        }
    }

    /// From when on all that waits is to be sent, because the source may be waiting for us.
    pub(super) fn early(&self) -> Option<Instant> {
        let outstanding = self.receipts.outstanding();
        if outstanding == 0 {
            return None;
        }
        let in_flight = self.batches.iter().flatten().map(|batch| batch.records.len()).sum();
        self.source_window.due(outstanding, in_flight)
    }

    /// The service answered after so long.
    pub(super) const fn answered(&mut self, took: Duration) {
        self.progress.took = took;
    }

    /// Some records ended, since when so much was `safe` and so many were `outstanding`.
    pub(super) fn settled_some(&mut self, now: Instant, safe: u64, outstanding: usize) {
        (self.progress.since, self.progress.stuck) = (now, false);
        self.advanced(now, safe, outstanding);
    }

    pub(super) fn advanced(&mut self, now: Instant, safe: u64, outstanding: usize) {
        if self.receipts.safe() > safe {
            self.source_window.acknowledge(
                now,
                outstanding,
                usize::try_from(self.receipts.safe() - safe).unwrap_or(usize::MAX),
            );
        }
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

    /// Keyed, so that nobody can make two publishes that look the same.
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
